#!/bin/sh
# SPDX-License-Identifier: MIT
# What tests/bench/nvme has the guest run: each way to read from one device, in turn, so many rounds.
# usage: bench_nvme.sh ROUNDS COUNT ROW...
# Its lines are bench_nvme's with the round before them. Device: nvme with serial=bench.
set -eu
rounds=$1
count=$2
shift 2
device=${UDRV_LAB_DEVICES%% *}
depths='1 32'

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
	bench_nvme "$1" "$2" "$count" $depths | sed "s/^/round=$round /"
}

round=0
while [ $((round += 1)) -le "$rounds" ]; do
	bind vfio-pci
	for name; do
		case $name in bare-* | udrv-*) row "$name" "$device" ;; esac
	done
	case " $* " in *" kernel-"* | *" block "*) ;; *) continue ;; esac
	bind nvme
	block=$(node)
	for name; do
		case $name in kernel-* | block) row "$name" "$block" ;; esac
	done
done
udrv unbind "$device" >/dev/null
