#!/bin/sh
# SPDX-License-Identifier: MIT
# The edu driver as a daemon over uio_pci_generic, on a machine without an IOMMU: interrupts, no
# DMA; the device taken away and the daemon killed meanwhile. Devices: edu, pci-serial, pci-testdev.
# shellcheck source-path=SCRIPTDIR disable=SC2317 # functions are given to check
. "${0%/*}/lib.sh"

edu=$(device_by_ids 1234:11e8)
serial=$(device_by_ids 1b36:0002)
testdev=$(device_by_ids 1b36:0005)
lock=/run/udrv/$edu.lock
log=/run/udrv/edu@$edu.log

daemon_pid()
{
	cut -d' ' -f1 "$lock"
}

ended()
{
	! kill -0 "$1" 2>/dev/null
}

signal_daemon()
{
	pid=$(daemon_pid)
	kill "-$1" "$pid" && wait_for 600 ended "$pid"
}

# Start the daemon in the foreground of a job, so that its exit status can be had: $pid.
start()
{
	udrv run edu "$edu" >/tmp/daemon.log 2>&1 &
	pid=$!
	wait_for 600 udrv-edu status
}

# ended_with STATUS: of the job $pid.
ended_with()
{
	wait "$pid"
	got=$?
	[ "$got" -eq "$1" ] || echo "exit status $got"
	[ "$got" -eq "$1" ]
}

node_of()
{
	ls "/sys/bus/pci/devices/$1/uio"
}

# What the UIO core has counted. While a verb runs the daemon answers no other.
node_interrupts()
{
	cat "/sys/class/uio/$(node_of "$edu")/event"
}

node_above()
{
	[ "$(node_interrupts)" -gt "$1" ]
}

check_work()
{
	check "$1: factorial" -m '^3628800$' udrv-edu factorial 10
	check "$1: nothing was lost" -m '^irq +intx$' -m '^lost +0$' udrv-edu stats
}

# --- Binding
check "bind" -m "$edu: bound to uio_pci_generic" -m "$edu: /dev/uio[0-9]+.* no DMA" \
	-m "udrv run DRIVER $edu" udrv bind --driver uio "$edu"
check_driver "the driver" "$edu" uio_pci_generic
check "another backend" -s 1 -m "$edu: .*udrv bind --driver stub $edu" \
	udrv run edu "$edu" --backend=vfio
check "a device without an interrupt" -m 'bound to uio_pci_generic' \
	udrv bind --driver uio_pci_generic "$testdev"
check "and back" udrv unbind "$testdev"

# --- Work
check "start, and there is no DMA" \
	-m "$edu: backend uio gives no DMA memory: .*udrv bind --driver stub $edu" \
	udrv run edu "$edu" --detach
check "the backend" -m 'backend uio' cat "$log"
check_work "at first"
check "2,000 interrupts" -m '^120$' -m '^2000 factorials by interrupt, 0 lost, ' \
	udrv-edu factorial 5 --count 2000
check "DMA is refused" -s 1 -m 'dma-test: this device has no DMA' udrv-edu dma-test
check "that it is open can be seen" -m "process $(daemon_pid) .udrv-edu. has /dev/$(node_of "$edu")" \
	udrv info "$edu"
check "and in the list" -m "pid $(daemon_pid) .udrv-edu." udrv list "$edu"
check "unbind while in use" -s 1 -m "$edu is in use: process $(daemon_pid) .udrv-edu." \
	udrv unbind "$edu"
check "a second daemon" -s 1 -m "$edu: already driven by udrv-edu" udrv run edu "$edu"
check "a second daemon with other folders" -s 1 \
	-m "$edu: /dev/$(node_of "$edu") is held by another process; see 'udrv info $edu'" \
	env UDRV_RUNTIME_DIR=/tmp/other udrv run edu "$edu"
check_work "after that"
check "stop" signal_daemon TERM
check "it said so" -m "$edu: stopped" tail -n 1 "$log"
check "nobody has the device" -x 'process' udrv info "$edu"

# --- Each way to wait
for wait in epoll uring adaptive; do
	check "$wait: start" udrv run edu "$edu" wait=$wait --detach
	check "$wait: 200 interrupts" -m '^200 factorials by interrupt, 0 lost, ' \
		udrv-edu factorial 12 --count 200
	check "$wait: stop" signal_daemon TERM
done

# --- SIGKILL while it computes: nothing to clean up
check "before SIGKILL: start" udrv run edu "$edu" --detach
before=$(node_interrupts)
udrv-edu factorial 5 --count 1000000 >/tmp/client 2>&1 &
client=$!
check "before SIGKILL: it works" wait_for 600 node_above $((before + 10))
check "SIGKILL" signal_daemon KILL
wait $client
check "the client noticed" test $? -eq 1
check "after SIGKILL: start" udrv run edu "$edu" --detach
check_work "after SIGKILL"
check "after SIGKILL: stop" signal_daemon TERM

# --- Forced away while it works: the kernel does not wait
check "start" start
check_work "before unbind"
check "unbind by force" -m "$edu: without a driver again" udrv unbind --force "$edu"
check "unbind: the daemon ends" wait_for 600 ended "$pid"
check "unbind: it fails" ended_with 1
check "unbind: it says why" -m "$edu: the kernel takes the device away" cat /tmp/daemon.log
check_clean "unbind: nothing is left" "$edu"

# --- Removed, and back
check "bind again" udrv bind --driver uio "$edu"
check "start again" start
check_work "before removal"
before=$(node_interrupts)
udrv-edu factorial 5 --count 1000000 >/tmp/client 2>&1 &
client=$!
check "it works" wait_for 600 node_above $((before + 10))
echo 1 >"/sys/bus/pci/devices/$edu/remove"
check "removal: the daemon ends" wait_for 600 ended "$pid"
check "removal: it fails" ended_with 1
check "removal: it says why" -m "$edu: the kernel takes the device away" cat /tmp/daemon.log
wait $client
check "removal: the client failed" test $? -eq 1
echo 1 >/sys/bus/pci/rescan
check "it comes back" wait_for 600 test -e "/sys/bus/pci/devices/$edu"
check "bind it once more" udrv bind --driver uio "$edu"
check "start it once more" udrv run edu "$edu" --detach
check_work "after removal"
check "stop at last" signal_daemon TERM
check "unbind at last" udrv unbind "$edu"
check_clean "nothing is left" "$edu"
finish
