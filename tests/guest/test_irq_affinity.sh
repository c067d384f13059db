#!/bin/sh
# SPDX-License-Identifier: MIT
# Which CPU takes an interrupt, on two CPUs: by udrv irq set, and by who waits for it. Devices: edu, nvme.
# test_irq_affinity.sh BACKEND
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib.sh"
. "${0%/*}/lib_daemon.sh"

[ "$1" = vfio ] && driver=vfio-pci || driver=udrv_stub
edu=$(device_by_ids 1234:11e8)
nvme=$(device_by_ids 1b36:0010)

# taken_by CPU DEVICE: how many interrupts of it the CPU took.
taken_by()
{
	awk -v column=$(($1 + 2)) -v device="($2)" '/(vfio|udrv_stub)-/ && index($0, device) { sum += $column }
		END { print sum + 0 }' /proc/interrupts
}

# goes_to CPU NAME: where the interrupt of that name is to go.
goes_to()
{
	irq=$(awk -v name="$2" 'index($0, name) { sub(":", "", $1); print $1 }' /proc/interrupts)
	[ "$(cat "/proc/irq/$irq/smp_affinity_list")" = "$1" ]
}

check "bind" -m "bound to $driver" udrv bind --driver $driver "$edu" "$nvme"

# --- The interrupt moves, and its worker with it; one with another choice stays
lock=/run/udrv/$edu.lock
for irq in intx msi; do
	check "$irq: start" udrv run edu "$edu" irq=$irq --detach
	for cpu in 1 0; do
		before=$(taken_by $cpu "$edu")
		elsewhere=$(taken_by $((1 - cpu)) "$edu")
		check "$irq: to CPU $cpu" -x . udrv irq set "$edu" 0 affinity=$cpu
		check "$irq: the worker, too" -m "^$edu +0 +$irq +read +[0-9]+ +$cpu " udrv irqs
		check "$irq: interrupts" -m '^1000 factorials by interrupt, 0 lost, ' udrv-edu factorial 5 --count 1000
		# A line that is up again when it is unmasked needs no other interrupt.
		check "$irq: CPU $cpu takes them" test "$(taken_by $cpu "$edu")" -ge $((before + 100))
		check "$irq: but for one" test "$(taken_by $((1 - cpu)) "$edu")" -le $((elsewhere + 1))
	done
	[ $irq = msi ] || check "$irq: stop" stop_daemon
done
check "the worker is to stay" -x . udrv irq set "$edu" 0 cpu=0
check "to CPU 1" -x . udrv irq set "$edu" 0 affinity=1
check "it stays" -m "^$edu +0 +msi +read +[0-9]+ +0 " udrv irqs
check "at home again, where the next one goes" -x . udrv irq set "$edu" 0 cpu=home
check "it is there" -m "^$edu +0 +msi +read +[0-9]+ +1 " udrv irqs
for cpu in 7 1000; do
	check "no CPU $cpu" -s 2 -m "^CPU $cpu does not get the interrupt of vector 0: Invalid argument" \
		udrv irq set "$edu" 0 affinity=$cpu
done
check "no CPU at all" -s 2 -m "^affinity=home: the values are a CPU's number" udrv irq set "$edu" 0 affinity=home
check "it works still" -m '^120$' udrv-edu factorial 5
check "stop" stop_daemon

# --- Who keeps to one CPU and waits by itself gets its interrupts there; others where they come
lock=/run/udrv/$nvme.lock
for cpus in 0 1 0-1; do
	case $cpus in 0) mask=1 ;; 1) mask=2 ;; *) mask=3 ;; esac
	check "a driver on CPU $cpus" taskset $mask udrv run nvme "$nvme" --detach
	udrv nvme perf --completion interrupt --run-time 60 >/tmp/perf 2>&1 &
	perf=$!
	check "its queue's interrupt goes there" wait_for 300 goes_to $cpus "[1]($nvme)"
	kill $perf
	check "stop" stop_daemon
done
check "unbind" udrv unbind "$edu" "$nvme"
check_clean "nothing is left" "$edu"
finish
