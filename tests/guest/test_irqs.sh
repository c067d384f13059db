#!/bin/sh
# SPDX-License-Identifier: MIT
# udrv irqs and udrv irq set on a real kernel, over vfio-pci. Device: edu.
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib.sh"
. "${0%/*}/lib_daemon.sh"

edu=$(device_by_ids 1234:11e8)
lock=/run/udrv/$edu.lock
segment=/run/udrv/edu@$edu.stats

# The count that /proc/interrupts has of the kernel's side of the vector.
kernel_count()
{
	awk -v name="vfio-$1" 'index($0, name) { print $2 }' /proc/interrupts
}

# line TYPE WAIT CPU COUNT: what a line of the table begins with.
line()
{
	echo "^$edu +0 +$1 +$2 +[0-9]+ +$3 +[0-9]+ +$4 "
}

check "no daemon" -m 'no daemon is running; start one: udrv run' udrv irqs
check "no daemon of the device" -s 1 -m "$edu: no daemon drives it" udrv irqs "$edu"
check "nothing to set" -s 1 -m "$edu: no daemon drives it" udrv irq set "$edu" 0 wait=read
check "bind" -m 'bound to vfio-pci' udrv bind "$edu"

# --- The counts are those of the interrupts made, and the kernel's
for irq in msi intx; do
	check "$irq: start" udrv run edu "$edu" irq=$irq --detach
	check "$irq: nothing yet" -m "$(line $irq read 0 0)" udrv irqs "$edu"
	check "$irq: 1,000 interrupts" -m '^1000 factorials by interrupt, 0 lost, ' \
		udrv-edu factorial 5 --count 1000
	check "$irq: 1,000 are shown" -m "$(line $irq read 0 1000)" -m ' edu$' udrv irqs
	check "$irq: the kernel says so, too" -m '^1000$' kernel_count $irq
	check "$irq: JSON" -m '"count":1000,' -m '"unhandled":0,' -m "\"device\":\"$edu\"" \
		-m '"backend":"vfio"' -m '"p99":[1-9]' -m '"worker_cpu_ns":[1-9]' \
		-m '"priority":50' -m '"latency_ns":\{$' -m '"storms":0,' \
		udrv irqs --json "$edu"
	check "$irq: stop" end_daemon TERM
	check "$irq: the segment is gone" -s 1 test -e "$segment"
done

# --- Changes while interrupts come
load()
{
	until [ -e /tmp/enough ]; do
		udrv-edu factorial 5 --count 10000 || return
	done
}

check "start" udrv run edu "$edu" --detach
load >/tmp/client 2>&1 &
client=$!
check "the client is at it" wait_for 600 interrupts_above 0 "$edu"
for wait in epoll uring uring-read adaptive read; do
	check "to $wait at work" udrv irq set "$edu" 0 wait=$wait
	check "$wait is shown" -m "\"wait\":\"$wait\"" udrv irqs --json
done
touch /tmp/enough
check "the client was at it to the end" wait $client
check "none was lost" -m '^10000 factorials by interrupt, 0 lost, ' -x '[1-9][0-9]* lost' cat /tmp/client
check "priority and CPU" -x . udrv irq set "$edu" 0 priority=10 cpu=any wait=uring
check "they are shown" -m "^$edu +0 +msi +uring +[0-9]+ +any +10 " udrv irqs
check "at home again" -x . udrv irq set "$edu" 0 cpu=home
check "it is shown" -m "^$edu +0 +msi +uring +[0-9]+ +0 +10 " udrv irqs
check "a worker of its own" -x . udrv irq set "$edu" all share=own storm=50000
check "no such CPU" -s 2 -m '^cpu=900: the daemon cannot run there: Invalid argument' \
	udrv irq set "$edu" 0 cpu=900
check "no such vector" -s 2 -m '^9: no vector that is in use' udrv irq set "$edu" 9 wait=read
check "no such worker" -s 2 -m '^share=3: the values are own and the number of a vector' \
	udrv irq set "$edu" 0 share=3
check "it works still" -m '^120$' udrv-edu factorial 5
udrv irqs --watch 0.5 >/tmp/watch 2>&1 &
watcher=$!
check "watching" wait_for 600 grep -qE "$(line msi uring 0 '[0-9]+')" /tmp/watch
kill -TERM $watcher
check "until it is told to end" -s 143 wait $watcher

# --- What a killed daemon leaves is not shown, and not in the way
check "kill" end_daemon KILL
check "the segment is left" test -e "$segment"
check "and ignored" -m 'no daemon is running' -x "$edu" udrv irqs
check "start again" udrv run edu "$edu" --detach
check "it counts from nothing" -m "$(line msi read 0 0)" udrv irqs
check "stop" end_daemon TERM
check "unbind" udrv unbind "$edu"
check_clean "nothing is left" "$edu"
finish
