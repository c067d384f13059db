#!/bin/sh
# SPDX-License-Identifier: MIT
# The NVMe driver's disk as /dev/ublkb0, against what the kernel's own driver makes of it. Device: nvme. CPUs: 2.
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib_ublk.sh"

driver=nvme
device=$UDRV_LAB_DEVICES
resets=10

# attributes DISK: that must not depend on the driver
attributes()
{
	for attribute in logical_block_size physical_block_size write_cache fua discard_max_bytes; do
		cat "/sys/block/$1/queue/$attribute"
	done
	cat "/sys/block/$1/size"
}

# Interrupts of one of the device's vectors; those behind 0 are its queues'.
interrupts()
{
	awk -v vector="vfio-msix[$1]($device)" 'index($0, vector) {
		for (i = 2; $i ~ /^[0-9]+$/; i++) sum += $i
	}
	END { print sum + 0 }' /proc/interrupts
}

both_above()
{
	[ "$(interrupts 1)" -gt "$1" ] && [ "$(interrupts 2)" -gt "$2" ]
}

# verify DEPTH: random places and sizes, in halves of the disk from two CPUs, of which each has a queue.
verify()
{
	first=$(interrupts 1)
	second=$(interrupts 2)
	check "fio at depth $1" -m 'err= 0' -x 'err= *[1-9]' fio --name=verify --filename=$disk --direct=1 \
		--ioengine=libaio --iodepth="$1" --rw=randwrite --bsrange=512-128k --bs_unaligned=0 \
		--numjobs=2 --size=32m --offset_increment=32m --io_size=4m --randrepeat=0 --verify=crc32c \
		--cpus_allowed=0-1 --cpus_allowed_policy=split
	check "both queues at depth $1" both_above "$first" "$second"
}

# Resets of the controller, of which fio must see nothing.
reset_under_load()
{
	begin_load
	n=0
	while [ $n -lt "$resets" ]; do
		before=$(writes)
		wait_for 600 writes_above $((before + 20)) || break
		udrv nvme reset || break
		n=$((n + 1))
	done >/tmp/resets 2>&1
	touch /tmp/enough
	check "$resets resets under load" -m "works again; $resets resets since the start" cat /tmp/resets
	end_load
}

head -c 8388608 /dev/urandom >/tmp/data
modprobe nvme
check "the kernel's own driver" wait_for 600 readable /dev/nvme0n1
attributes nvme0n1 >/tmp/attributes
check "its disk is written" dd if=/tmp/data of=/dev/nvme0n1 bs=64k oflag=direct conv=fsync
for depth in 1 32; do
	check "the kernel's speed at depth $depth" -m ' 0 errors' blk_load -d $depth -t 2 /dev/nvme0n1
	cat "$check_out"
done

check "ublk" modprobe ublk_drv
check "bind" udrv bind --driver vfio-pci "$device"
check "start" -m '/dev/ublkb0: nvme' run
attributes ublkb0 >/tmp/ours
check "the same disk" cmp /tmp/attributes /tmp/ours
check "with FUA and discard" -m '^1$' -m '^[1-9][0-9]{8,}$' cat /tmp/ours
check "and zeroes" -m '^[1-9]' cat /sys/block/ublkb0/queue/write_zeroes_max_bytes
check "with the same data" same /tmp/data 0 8192
for depth in 1 32; do
	check "our speed at depth $depth" -m ' 0 errors' blk_load -d $depth -t 2 $disk
	cat "$check_out"
done
for depth in 1 8 32; do
	verify $depth
done
check "write" dd if=/tmp/data of=$disk bs=256k seek=4 oflag=direct
check "discard" /usr/bin/blkdiscard -o 2097152 -l 1048576 $disk
check "zeroes" /usr/bin/blkdiscard -z -o 3145728 -l 1048576 $disk
check "are there" zeroes 3072 1024
head -c 1048576 /tmp/data >/tmp/part
check "what is before the two stays" same /tmp/part 1024 1024
tail -c +3145729 /tmp/data >/tmp/part
check "what is behind them stays" same /tmp/part 4096 5120
reset_under_load
kill_under_load
check "write again" dd if=/tmp/data of=$disk bs=256k seek=4 oflag=direct conv=fsync
check "the end" stop
check "nothing is left" nothing_left

check "back to the kernel" udrv unbind "$device"
check "the kernel's own driver again" wait_for 600 readable /dev/nvme0n1
dd if=/dev/nvme0n1 bs=1M skip=1 count=8 iflag=direct 2>/dev/null >/tmp/back
check "with what was written" cmp /tmp/data /tmp/back
finish
