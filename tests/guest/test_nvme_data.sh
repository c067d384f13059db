#!/bin/sh
# SPDX-License-Identifier: MIT
# The NVMe driver's disk as /dev/ublkb0, and what is promised of its data: over kills of the daemon, in
# a file system, on a disk with bad sectors, and when the device is pulled.
# Devices: nvme at 0000:01:00.0 (victim) and 0000:02:00.0 (other) that can be unplugged; one with bad sectors,
# see below.
# UDRV_CUTS: how often the daemon is killed.
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib_ublk.sh"
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib_fault.sh"

cuts=${UDRV_CUTS:-4}
driver=nvme
device=0000:01:00.0
faulty=0000:00:05.0
journal=/tmp/journal

# The kernel's disk of the device.
kernels_disk()
{
	for path in /sys/bus/pci/devices/$device/nvme/nvme*/nvme*n1; do
		! readable "/dev/${path##*/}" || echo "/dev/${path##*/}"
	done | grep .
}

found_again()
{
	run >/tmp/start 2>&1 && grep 'found again, and what waited goes on' /tmp/start
}

# A part of a second, below two tenths.
moment()
{
	head -c 1 /dev/urandom | od -An -tu1 | awk '{ printf "%.3f\n", $1 / 1280 }'
}

# Kills the daemon in the middle of the load.
cut_off()
{
	before=$(writes)
	wait_for 600 writes_above $((before + 150)) || return
	sleep "$(moment)"
	kill_daemon
}

check "modules" modprobe -a ublk_drv ext4
check "bind" udrv bind --driver vfio-pci $device
check "start" -m '/dev/ublkb0: nvme' run

# --- What a flush or FUA has promised is there, whenever the daemon is killed
blk_records write $disk $journal >/tmp/writer 2>&1 &
writer=$!
n=1
while [ $n -lt "$cuts" ]; do
	check "cut $n" cut_off
	check "cut $n: start" found_again
	check "cut $n: the latest are there" -m ' 0 wrong' blk_records -n 200 verify $disk $journal
	n=$((n + 1))
done
check "cut $n" cut_off
check "cut $n: unbind" udrv unbind $device
modprobe nvme
check "the kernel's driver" wait_for 600 kernels_disk
check "finds all" -m ' 0 wrong' blk_records verify "$(kernels_disk)" $journal
cat "$check_out"
check "bind again" udrv bind --driver vfio-pci $device
check "start again" found_again
before=$(writes)
check "the writer goes on" wait_for 600 writes_above $((before + 50))
kill -TERM $writer
check "and ends" wait $writer
check "without an error" -m '^[0-9]+ records written' cat /tmp/writer
cat /tmp/writer
check "all is there at the end" -m ' 0 wrong' blk_records verify $disk $journal
dd if=/dev/zero of=$disk bs=1M count=1 oflag=direct 2>/dev/null
check "what is lost would be found" -s 1 -m ' [1-9][0-9]* wrong' blk_records verify $disk $journal
check "the end" stop

# --- Thousands of small files
check "start for files" -m '/dev/ublkb0: nvme' run
check "mkfs" mkfs.ext4 -q -F $disk
check "mount" mount -t ext4 $disk /mnt
check "untar" /usr/bin/tar -C /mnt -xf /udrv/headers.tar
check "umount" umount /mnt
check "fsck" -m ' [0-9]{4,}/[0-9]+ files' fsck.ext4 -f -n $disk
tail -n 1 "$check_out"
check "mount again" mount -t ext4 -o ro $disk /mnt
check "all as in the archive" /usr/bin/tar -C /mnt -df /udrv/headers.tar
check "umount again" umount /mnt
check "the end of files" stop

# --- Bad sectors, 4 KiB at a time: 256 cannot be read, 512 not at the first time; 768 cannot be
# written, 1024 not at the first time
block()
{
	dd if=$disk bs=4k skip="$1" count=1 iflag=direct
}

# is_data BLOCK: it has the same data as all.
is_data()
{
	block "$1" 2>/dev/null | cmp - /tmp/block
}

put()
{
	dd if=/tmp/block of=$disk bs=4k seek="$1" count=1 oflag=direct
}

device=$faulty
log=/run/udrv/nvme@$device.log
head -c 4096 /dev/urandom >/tmp/block
check "the kernel has it" wait_for 600 kernels_disk
kernel=$(kernels_disk)
dd if="$kernel" of=/dev/null bs=4k skip=256 count=1 iflag=direct 2>/tmp/kernel
check "the kernel cannot read that" grep -o ': [A-Z][a-z ]*$' /tmp/kernel
tail -n 1 "$check_out" >/tmp/error
check "bind the bad one" udrv bind --driver vfio-pci $device
check "start on the bad one" -m '/dev/ublkb0: nvme' run
for n in 255 256 257 512 767 769 1024; do
	check "write $n" put $n
done
check "a write that fails" -s 1 -m 'Input/output error' put 768
check "a read that fails as the kernel's" -s 1 -m "$(cat /tmp/error)" block 256
for n in 255 257 512 767 769 1024; do
	check "read $n" is_data $n
done
check "a longer read fails" -s 1 dd if=$disk of=/dev/null bs=64k skip=16 count=1 iflag=direct
check "what failed is said" -m 'nvme-n1: read of 4096 bytes at 1048576 failed: unrecovered read error' \
	-m 'nvme-n1: write of 4096 bytes at 3145728 failed: write fault' \
	-m 'nvme-n1: read of 65536 bytes at 1048576 failed' -x reset -x 'at 2097152' -x 'at 4194304' cat "$log"
check "a verb says so, too" -s 1 -m 'read error' udrv nvme read -s 2048 -c 7 -d /dev/null
check "and goes on" udrv nvme read -s 2056 -c 7 -d /tmp/read
check "with the data" cmp /tmp/read /tmp/block
check "the end of the bad one" stop
check "unbind the bad one" udrv unbind $device

# --- The device is pulled under load
# failed_well STATUS: nbdkit 1.32 aborts when it answers a connection that another of its threads has just closed.
failed_well()
{
	[ "$1" -eq 1 ] || { [ "$1" -eq 134 ] && grep 'raw_send_socket: Assertion' /tmp/daemon; }
}

# pull ID: it goes while a load is on $disk, which the daemon $pid serves.
pull()
{
	blk_load -e -d 8 -w 50 -t 600 $disk >/tmp/load 2>&1 &
	load=$!
	before=$(writes)
	check "$1: the load runs" wait_for 600 writes_above $((before + 100))
	echo "unplug $1" >/dev/lab
	check "$1: the daemon ends" wait_for 600 ended $pid
	wait $pid
	check "$1: and failed" failed_well $?
	check "$1: the load ends" wait_for 600 ended $load
	check "$1: it saw errors" -m '[1-9][0-9]* errors|No such device|Input/output error' cat /tmp/load
	check "$1: the daemon said why" -m 'takes the device away|is gone' -x resetting -x disabled cat /tmp/daemon
	cat /tmp/daemon
	check "$1: the device is gone" wait_for 600 test ! -e "/sys/bus/pci/devices/$device"
	check_released "$1"
}

device=0000:01:00.0
udrv run nvme $device --ublk >/tmp/daemon 2>&1 &
pid=$!
check "start what will be pulled" wait_for 600 readable $disk
pull victim
check "nothing is left" nothing_left

# --- Another one, served over NBD
device=0000:02:00.0
disk=/dev/nbd0
check "bind another" udrv bind --driver vfio-pci $device
udrv run nvme $device --nbd=/tmp/nbd >/tmp/daemon 2>&1 &
pid=$!
check "start it over NBD" wait_for 600 grep 'is ready' /tmp/daemon
modprobe nbd
check "the kernel's client" nbd-client -unix /tmp/nbd -N nvme-n1 $disk
pull other
check "what is left of the disk fails" -s 1 readable $disk
finish
