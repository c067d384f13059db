#!/bin/sh
# SPDX-License-Identifier: MIT
# udrv bench irq on a real device: every row, what it refuses, and that the device goes back to the driver it
# had, whatever happens. The figures' bounds are checked by tests/bench/irq. Devices: edu, pci-testdev, e1000e.
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib.sh"

edu=$(device_by_ids 1234:11e8)
other=$(device_by_ids 1b36:0005)
json=/tmp/bench.json

blocking='kernel-hard kernel-thread kernel-read vfio-read vfio-epoll vfio-uring vfio-uring-read vfio-adaptive
	stub-read stub-epoll stub-uring stub-uring-read stub-adaptive uio-read'

# A row of the JSON file, on a line of its own.
row()
{
	sed 's/{ "name"/\n&/g' "$json" | grep "^{ \"name\": \"$1\""
}

# as_it_was WHAT: the device is where it was before any benchmark.
as_it_was()
{
	check_driver "$1: its driver is back" "$edu" "$home"
	check "$1: its override is back" -m "^$override\$" \
		cat "/sys/bus/pci/devices/$edu/driver_override"
	check "$1: no node is left" -s 1 test -e "/dev/udrv_irqbench-$edu"
}

# stopped_by SIGNAL STATUS ROWS: a benchmark that would take minutes.
stopped_by()
{
	udrv bench irq --rows "$3" --count 1000000 --gap-ns 100000 >/tmp/stopped 2>&1 &
	pid=$!
	case $3 in
	kernel-*) wait_for 600 test -e "/dev/udrv_irqbench-$edu" ;;
	uio-*) wait_for 600 test -e /dev/uio0 ;;
	*) wait_for 600 interrupts_above 100 "$edu" ;;
	esac
	kill "-$1" "$pid"
	wait "$pid"
	check "SIG$1 in $3 ends it" -m "^$2\$" echo $?
	check "SIG$1 in $3 is said" -m '^udrv: stopped by ' cat /tmp/stopped
	as_it_was "after SIG$1 in $3"
}

# --- A driver to go back to
home=none
override='\(null\)'
check "all rows" -m '^vfio-read +300 +0 ' -m '^kernel-thread +300 +0 .* - +- +1\.00$' \
	-m '^stub-read +300 +0 .* [0-9]+ +[0-9]+ +[0-9.]+$' -m '^uio-read +300 +0 ' \
	-m '^  to hard, to work: medians' -m '^  uio-read: by INTx' \
	-m 'clock realtime' -m 'SCHED_FIFO 50' \
	udrv bench irq --count 300 --json "$json"
check "the stub's rows say when the hard handler ran" \
	-m '"to_hard_p50_ns": [0-9]+, "to_worker_p50_ns": [0-9]+' row stub-read
check "others do not" -m '"to_hard_p50_ns": null, "to_worker_p50_ns": null' row vfio-read
for name in $blocking; do
	check "$name is in the JSON file, complete" -m '"count": 300, "lost": 0' \
		-m '"min_ns": [0-9]+, "p50_ns": [0-9]+, "p90_ns": [0-9]+, "p99_ns": [0-9]+' \
		-m '"p999_ns": [0-9]+, "max_ns": [0-9]+, ' -m '"ratio": [0-9.]+' row $name
done
as_it_was "after a run without a former driver"

home=pci-stub
override=pci-stub
check "bind to another driver" udrv bind --driver pci-stub "$edu"
check "by INTx, pinned and locked" -m '^vfio-read +100 +0 ' -m 'INTx, memory locked' \
	-m '^stub-read +100 +0 ' -m '^uio-read +100 +0 ' -m 'waiter on CPU 0' \
	udrv bench irq "$edu" --rows kernel-*,vfio-read,stub-read,uio-read --count 100 --intx --cpu 0 \
	--mlock
as_it_was "after INTx"

# --- Stopped
stopped_by TERM 143 kernel-thread
stopped_by INT 130 kernel-read
stopped_by HUP 129 vfio-read
stopped_by TERM 143 stub-read
stopped_by INT 130 uio-read

# --- Refused
check "not an edu device" -s 1 -m "$other is 1b36:0005: only QEMU's edu" \
	udrv bench irq "$other"
check_driver "it was not touched" "$other" none
check "no such device" -s 1 -m '0000:00:1e.0: no such device' udrv bench irq 00:1e.0
check "no such row" -s 2 -m "no row is called 'vfio-telepathy'" \
	udrv bench irq --rows vfio-telepathy
check "the model's rows" -s 1 -m "$edu has the rows kernel-\*, vfio-\*, stub-\* and uio-\*" \
	udrv bench irq --rows model-read
check "no root" -s 1 -m '^udrv: measuring a device needs root' -x modprobe -x 'left out' \
	as_nobody udrv bench irq
as_it_was "after what was refused"

# --- A network card
card=$(device_by_ids 8086:10d3)
modprobe e1000e
check_driver "the kernel has the card" "$card" e1000e
check "all rows of the card" -m "^Interrupt latency of $card" -m ' MSI$' -m '; gap 200000 ns; ' \
	udrv bench irq "$card" --count 100 --json "$json"
for name in $blocking; do
	check "$name of the card: none is lost" -m '"count": 100, "lost": 0' row "$name"
done
check_driver "the kernel has it again" "$card" e1000e
check "the card by INTx" -m '^kernel-thread +50 +0 ' -m '^vfio-read +50 +0 ' -m '^stub-read +50 +0 ' \
	-m '^uio-read +50 +0 ' udrv bench irq "$card" --intx --rows kernel-thread,*-read --count 50
name=$(basename /sys/bus/pci/devices/"$card"/net/*)
ip link set "$name" up
check "an interface that is up is in use" -s 1 -m "$name is up" udrv bench irq "$card" --count 10
check_driver "it was not taken away" "$card" e1000e
ip link set "$name" down
as_it_was "after the card"

# --- In use
check "give it back" udrv unbind "$edu"
check "bind for the daemon" udrv bind "$edu"
check "a daemon" udrv run edu "$edu" --detach
check "a device in use is refused" -s 1 -x force \
	-m "^udrv: $edu is in use: process [0-9]+ .udrv-edu. .*; stop that first .udrv stop $edu.\$" \
	udrv bench irq --count 10
check "in one line" -m '^1$' sh -c 'udrv bench irq --count 10 2>&1 | wc -l'
check "the daemon has not noticed" -m '^3628800$' udrv-edu factorial 10
pid=$(udrv edu status | sed -n 's/^pid //p')
kill "$pid"
check "the daemon ends" wait_for 600 test ! -d "/proc/$pid"
home=vfio-pci
override=vfio-pci
as_it_was "after a device in use"

# --- Without the modules
modules=$(find /usr/lib/modules -name 'udrv_irqbench.ko*' -o -name 'udrv_stub.ko*' -o \
	-name 'uio_pci_generic.ko*')
mkdir /tmp/away
for module in $modules; do
	name=${module##*/}
	rmmod "${name%%.*}"
	mv "$module" "/tmp/away/$(echo "$module" | tr / :)"
done
check "rows are left out, those of a driver in one line" \
	-m '^left out: kernel-hard, kernel-thread, kernel-read: module udrv_irqbench is not installed' \
	-m '^left out: stub-read, stub-epoll: module udrv_stub is not installed for this kernel; build' \
	-m '^left out: uio-read: this kernel has no driver uio_pci_generic$' \
	-m '^vfio-read +50 +0 .* -$' \
	udrv bench irq --rows kernel-*,vfio-read,stub-read,stub-epoll,uio-* --count 50 --json "$json"
check "there is no ratio" -m '"ratio": null' row vfio-read
check "nothing is left to measure" -s 1 -m '^udrv: .*: no row was measured' \
	udrv bench irq --rows stub-* --count 50
as_it_was "after a run without the modules"
for module in /tmp/away/*; do
	mv "$module" "$(echo "${module#/tmp/away/}" | tr : /)"
done

finish
