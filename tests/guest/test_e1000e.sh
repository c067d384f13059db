#!/bin/sh
# SPDX-License-Identifier: MIT
# The e1000e driver on two of QEMU's cards that are wired to each other: as a daemon, and in a process that has both.
# test_e1000e.sh BACKEND. Devices: two e1000e at the ends of cable net0. UDRV_SOAK_S: for how many seconds frames go.

# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib.sh"
. "${0%/*}/lib_daemon.sh"

backend=${1:-vfio}
soak=${UDRV_SOAK_S:-0}
[ "$backend" = vfio ] && driver=vfio-pci || driver=udrv_stub
# shellcheck disable=SC2086
set -- $UDRV_LAB_DEVICES
a=$1
b=$2
lock=/run/udrv/$a.lock
log=/run/udrv/e1000e@$a.log

# says PATTERN COMMAND...: its output matches.
says()
{
	says_pattern=$1
	shift
	"$@" 2>&1 | grep -qE -e "$says_pattern"
}

# --- What cannot be driven
check "not bound by us" -s 1 -m "$a" udrv run e1000e "$a"
check "no daemon" -s 1 -m 'no daemon of this driver' udrv-e1000e link
check "bind" -m "bound to $driver" udrv bind --driver $driver "$a"
check "bind the other" -m "bound to $driver" udrv bind --driver $driver "$b"
check "bad interrupts" -s 1 -m 'interrupts=all: the values are msix, msi and intx' udrv run e1000e "$a" interrupts=all
check "bad moderation" -s 1 -m 'moderation=5: adaptive, off, or a number' udrv run e1000e "$a" moderation=5

# --- A daemon. Without an interval, QEMU 7.2 survives SIGKILL at any moment.
check "start" udrv run e1000e "$a" moderation=off --detach
check "the backend" -m "\"backend\":\"$backend\"" udrv irqs --json
check "a second daemon" -s 1 -m "$a: already driven by udrv-e1000e" udrv run e1000e "$a"
check "a link" wait_for 600 says '"link":"up"' udrv-e1000e link --json
check "and what it is" -m '"link":"up","speed":1000,"duplex":"full","mac":"52:54:00:' -m '"interrupts":"msix"' \
	udrv e1000e link --json
echo link net0a off >/dev/lab
check "no link" wait_for 600 says '"link":"down","speed":0' udrv-e1000e link --json
echo link net0a on >/dev/lab
check "a link again" wait_for 600 says '"link":"up","speed":1000' udrv-e1000e link --json
check "counters" -m '^rx_good +0' -m '^resets +0' udrv e1000e stats
check "registers" -m '^status +0x' udrv e1000e regs
check "moderation" -m '^moderation +off' udrv e1000e moderation
check "SIGKILL" kill_daemon
check "start again" udrv run e1000e "$a" moderation=off --detach
check "the same link" wait_for 600 says '"link":"up"' udrv-e1000e link --json
check "stop" stop_daemon
check "it said so" -m "$a: stopped" tail -n 1 "$log"

# --- Both in one process: every size, every kind of interrupts
for args in "moderation=off" "flap=net0a frames=20000" "queues=2" "interrupts=msi flap=net0a" "interrupts=intx flap=net0a" \
	"moderation=4000 frames=20000"; do
	# shellcheck disable=SC2086
	check "every size with $args" -m "^$a -> $b: every size from 60 to 9018" \
		-m "^$b -> $a: every size from 60 to 9018" net_load "$a" "$b" $args seconds=$((soak / 6))
	[ "$soak" = 0 ] || tail -n 1 "$check_out"
done

# --- A frame that one card got leaves by the other. Behind the stub, an IOMMU gives each card addresses of its own.
if [ "$backend" = vfio ]; then
	check "in place" -m "^$a passes on what $b gets: copied" -m "^$a passes on what $b gets: in place" \
		-m "^$b -> $a: every size" net_load "$a" "$b" moderation=off pass=2000
else
	check "copied" -m "^$a passes on what $b gets: copied" -m "cannot reach memory of $b at the same address" \
		-m "^$b -> $a: every size" net_load "$a" "$b" moderation=off pass=2000
fi

check "unbind" udrv unbind "$a"
check "unbind the other" udrv unbind "$b"
check_clean "nothing is left" "$a"
finish
