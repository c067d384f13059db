#!/bin/sh
# SPDX-License-Identifier: MIT
# The NVMe driver's disk as /dev/ublkb0, against what the kernel's own driver makes of it. Device: nvme.
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib_ublk.sh"

driver=nvme
device=$UDRV_LAB_DEVICES

# attributes DISK: that must not depend on the driver
attributes()
{
	for attribute in logical_block_size physical_block_size write_cache; do
		cat "/sys/block/$1/queue/$attribute"
	done
	cat "/sys/block/$1/size"
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
check "with the same data" same /tmp/data 0 8192
for depth in 1 32; do
	check "our speed at depth $depth" -m ' 0 errors' blk_load -d $depth -t 2 $disk
	cat "$check_out"
done
check "fio" -m 'err= 0' fio --name=verify --filename=$disk --direct=1 --ioengine=libaio --iodepth=16 \
	--rw=randwrite --bsrange=512-256k --bs_unaligned=0 --size=24m --verify=crc32c --fallocate=none
kill_under_load
check "write" dd if=/tmp/data of=$disk bs=256k seek=4 oflag=direct conv=fsync
check "the end" stop
check "nothing is left" nothing_left

check "back to the kernel" udrv unbind "$device"
check "the kernel's own driver again" wait_for 600 readable /dev/nvme0n1
dd if=/dev/nvme0n1 bs=1M skip=1 count=8 iflag=direct 2>/dev/null >/tmp/back
check "with what was written" cmp /tmp/data /tmp/back
finish
