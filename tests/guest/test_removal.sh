#!/bin/sh
# SPDX-License-Identifier: MIT
# The device is taken away while a daemon drives it, over vfio-pci, or over what is named: udrv_stub.
# Device: edu.
# shellcheck source-path=SCRIPTDIR disable=SC2317 # functions are given to check
. "${0%/*}/lib.sh"
. "${0%/*}/lib_fault.sh"

driver=${1:-vfio-pci}
edu=$(device_by_ids 1234:11e8)

# Start the daemon in the foreground of a job, so that its exit status can be had: $pid.
start()
{
	udrv run edu "$edu" >/tmp/daemon.log 2>&1 &
	pid=$!
	wait_for 600 udrv-edu status
}

# ended_with STATUS: of the job $pid; its end was awaited.
ended_with()
{
	wait "$pid"
	got=$?
	[ "$got" -eq "$1" ] || echo "exit status $got"
	[ "$got" -eq "$1" ]
}

check_taken()
{
	check "$1: the daemon ends" wait_for 600 ended "$pid"
	check "$1: it fails" ended_with 1
	# The stub does not wait: a call may find that it is gone before the event does.
	check "$1: it says why" -m "$edu: the (kernel takes the device away|device is gone)" \
		cat /tmp/daemon.log
	check_released "$1"
	check "$1: no socket is left" -s 1 test -e "/run/udrv/edu@$edu.sock"
}

check "bind" udrv bind --driver "$driver" "$edu"

# --- Removed; vfio-pci asks for the device and waits until it gets it
check "start" start
before=$(interrupts_of "$edu")
udrv-edu dma-test --rounds 1000 >/tmp/client 2>&1 &
client=$!
check "it works for a client" wait_for 600 interrupts_above $((before + 1)) "$edu"
echo 1 >"/sys/bus/pci/devices/$edu/remove" &
remover=$!
check_taken "removal"
check "removal: it comes to its end" wait_for 600 ended $remover
check "removal: the device is gone" -s 1 test -e "/sys/bus/pci/devices/$edu"
check "removal: the client ends, too" wait_for 600 ended $client
wait $client
check "removal: and failed" test $? -eq 1
check "removal: a new daemon finds nothing" -s 1 -m "$edu: no such device" udrv run edu "$edu"

# --- It comes back
echo 1 >/sys/bus/pci/rescan
check "it comes back" wait_for 600 test -e "/sys/bus/pci/devices/$edu"
check "bind again" udrv bind --driver "$driver" "$edu"
check "start again" start
check "it works" -m '^3628800$' udrv-edu factorial 10

# --- Taken away by unbinding
echo "$edu" >"/sys/bus/pci/drivers/$driver/unbind" &
remover=$!
check_taken "unbind"
check "unbind: it comes to its end" wait_for 600 ended $remover
check_driver "unbind: nothing is bound" "$edu" none

check "unbind by udrv tidies up" udrv unbind "$edu"
check_clean "nothing is left" "$edu"
finish
