#!/bin/sh
# SPDX-License-Identifier: MIT
# What tests/bench/nvme has the guest run: each way to read from one device, in turn, so many rounds. Each round begins
# with the next one.
# usage: bench_nvme.sh ROUNDS COUNT ROW...
# Its lines are bench_nvme's with the round before them. Device: nvme with serial=bench.
set -eu
rounds=$1
count=$2
shift 2
device=${UDRV_LAB_DEVICES%% *}
depths='1 32'

# Programs at the same addresses each time: the emulator has translated them then.
echo 0 >/proc/sys/kernel/randomize_va_space
# Who reads is on CPU 0, and so are the interrupts that it waits for: an interrupt that wakes a thread on another CPU is
# another one, and where either goes by itself is chance.
reader=1
echo "$reader" >/proc/irq/default_smp_affinity

modprobe vfio-pci
modprobe nvme poll_queues=1

bind()
{
	udrv bind --driver "$1" "$device" >/dev/null
}

# The namespace's node, as soon as it is there.
node()
{
	tries=500
	until set -- /sys/bus/pci/devices/"$device"/nvme/nvme*/nvme*n1 && [ -e "/dev/${1##*/}" ]; do
		[ $((tries -= 1)) -gt 0 ] || { echo "no block device came up" >&2; exit 1; }
		sleep 0.01
	done
	echo none >"/sys/block/${1##*/}/queue/scheduler"
	echo "/dev/${1##*/}"
}

# row NAME DEVICE
row()
{
	# shellcheck disable=SC2086 # depths are several words
	taskset "$reader" bench_nvme "$1" "$2" "$count" $depths >/tmp/rows
	sed "s/^/round=$round /" /tmp/rows
}

# wait_for COMMAND...: until it succeeds, 30 s at most.
wait_for()
{
	wait_left=600
	until "$@" >/dev/null 2>&1; do
		[ $((wait_left -= 1)) -gt 0 ] || { echo "waited in vain for $*" >&2; exit 1; }
		sleep 0.05
	done
}

ended()
{
	! kill -0 "$1"
}

no_ublk()
{
	! ls /dev/ublkb* /dev/ublkc*
}

# serve WAY: a daemon. Without shadow doorbells, as the other rows.
serve()
{
	udrv run nvme "$device" shadow_doorbells=off "$1" --detach >/tmp/daemon 2>&1 || {
		cat /tmp/daemon >&2
		exit 1
	}
}

# export_row NAME: udrv's disk through the kernel's block layer.
export_row()
{
	case $1 in
	ublk)
		modprobe ublk_drv
		serve --ublk
		echo none >/sys/block/ublkb0/queue/scheduler
		row ublk /dev/ublkb0
		;;
	nbd)
		modprobe nbd
		ln -sf /usr/lib/*/nbdkit-udrv-nvme-plugin.so /usr/lib/ # beside the program
		serve --nbd=unix:/tmp/bench.sock
		nbd-client -unix /tmp/bench.sock /dev/nbd0 >/dev/null
		echo none >/sys/block/nbd0/queue/scheduler
		row nbd /dev/nbd0
		nbd-client -d /dev/nbd0 >/dev/null
		;;
	esac
	pid=$(cut -d" " -f1 "/run/udrv/$device.lock")
	kill -TERM "$pid"
	wait_for ended "$pid"
	wait_for no_ublk
}

round=0
while [ $((round += 1)) -le "$rounds" ]; do
	bind vfio-pci
	for name; do
		case $name in
		bare-* | udrv-*) row "$name" "$device" ;;
		ublk | nbd) export_row "$name" ;;
		esac
	done
	case " $* " in
	*" kernel-"*)
		bind nvme
		block=$(node)
		for name; do
			case $name in kernel-*) row "$name" "$block" ;; esac
		done
		;;
	esac
	next=$1
	shift
	set -- "$@" "$next"
done
udrv unbind "$device" >/dev/null
