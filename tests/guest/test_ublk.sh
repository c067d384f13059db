#!/bin/sh
# SPDX-License-Identifier: MIT
# Block devices as /dev/ublkbN: what the kernel sees of them, data, the death of the daemon, the end.
# Devices: edu twice. On a kernel without ublk: that it says so. UDRV_KILLS: how often it is killed.
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib_ublk.sh"

# shellcheck disable=SC2086 # a list of words
set -- $UDRV_LAB_DEVICES
edu=$1
other=$2
driver=ramdisk
device=$edu
log=/run/udrv/ramdisk@$edu.log
queue=/sys/block/ublkb0/queue

check "bind" udrv bind --driver vfio-pci "$edu"
if [ "$UDRV_LAB_KERNEL" = 6.1 ]; then
	check "a kernel without ublk" -s 1 -m 'this kernel, 6.1.*, has no ublk .*use --nbd' run
	check "nothing drives it" -x 'process' udrv info "$edu"
	finish
fi

not_mounted()
{
	! grep -q ublkb1 /proc/mounts
}

# --- What cannot be
check "no module" -s 1 -m 'not loaded: modprobe ublk_drv' run
check "the module" modprobe ublk_drv
check "no number" -s 2 -m '--ublk=x: not a number' udrv run ramdisk "$edu" --ublk=x
check "blocks above a page" -s 1 -m 'no blocks of 8192 bytes' run block_size=8192
check "nothing is left" nothing_left

# --- What the kernel sees
check "start" -m '/dev/ublkb0: ram, 64 MiB, [12] queues* of 128$' run cache=on fua=on
check "size" -m '^131072$' cat /sys/block/ublkb0/size
check "physical blocks" -m '^4096$' cat $queue/physical_block_size
check "io_opt" -m '^262144$' cat $queue/optimal_io_size
check "transfers" -m '^256$' cat $queue/max_hw_sectors_kb
check "a cache" -m '^write back$' cat $queue/write_cache
check "FUA" -m '^1$' cat $queue/fua
check "discard" -m '^33554432$' cat $queue/discard_max_bytes
check "its granularity" -m '^4096$' cat $queue/discard_granularity
check "zeroes" -m '^16777216$' cat $queue/write_zeroes_max_bytes
check "a number that is taken" -s 1 -m 'number 0 is taken' sh -c \
	"udrv bind --driver vfio-pci $other && udrv run ramdisk $other --ublk=0 --detach"
check "no second device" -s 1 test -e /dev/ublkb1
check "a second device" -m '/dev/ublkb7: ram, 1 MiB' \
	udrv run ramdisk "$other" --ublk=7 --detach size=1M queues=1 read_only=on block_size=4096
check "is read only" -m '^1$' cat /sys/block/ublkb7/ro
check "has its blocks" -m '^4096$' cat /sys/block/ublkb7/queue/logical_block_size
check "has no cache" -m '^write through$' cat /sys/block/ublkb7/queue/write_cache
check "the second ends" stop "$other"
check "and is no more" -s 1 test -e /dev/ublkb7

# --- Data
head -c 9437184 /dev/urandom >/tmp/data
check "write" dd if=/tmp/data of=$disk bs=1M oflag=direct
check "the same comes back" same /tmp/data 0 9216
check "write behind the page cache" dd if=/tmp/data of=$disk bs=60k seek=1 conv=fsync
check "the same comes back again" same /tmp/data 60 9216
check "discard" /usr/bin/blkdiscard -o 1048576 -l 2097152 $disk
check "is gone" zeroes 1024 2048
check "zeroes" /usr/bin/blkdiscard -z -o 4194304 -l 1048576 $disk
check "are there" zeroes 4096 1024
check "the rest stays" sh -c "dd if=/tmp/data bs=1k skip=7940 count=512 2>/dev/null >/tmp/part"
check "as it was" same /tmp/part 8000 512
check "fio" -m 'err= 0' fio --name=verify --filename=$disk --direct=1 --ioengine=libaio --iodepth=16 \
	--rw=randwrite --bsrange=512-256k --bs_unaligned=0 --size=24m --verify=crc32c --fallocate=none
check "mkfs" mkfs.ext4 -q -F $disk
check "mount" mount -t ext4 $disk /mnt
check "files" cp -r /udrv/tests /usr/bin/busybox /mnt
check "umount" umount /mnt
check "fsck" fsck.ext4 -f -n $disk
check "mount again" mount -t ext4 $disk /mnt
check "the same files" cmp /usr/bin/busybox /mnt/busybox
check "ps shows the disk" -m "^$edu .* $disk$" udrv ps
check "udrv stop refuses while it is mounted" -s 1 -m "$edu is in use: ublkb0 is mounted at /mnt; stop that first" udrv stop "$edu"
check "the files are still there" cmp /usr/bin/busybox /mnt/busybox
check "umount again" umount /mnt
check "an orderly end" stop
check "it says what it did" -m 'ublkb0: ended; [0-9]+ requests' cat $log
check "nothing is left after that" nothing_left

# --- Each way to wait, and limits that make it split
for options in latency_us=200 event=off "latency_us=200 event=off" dma=off \
	"latency_us=100 depth=2 cache=on" max_transfer=512; do
	# shellcheck disable=SC2086 # a list of words
	check "$options" run size=16M $options
	check "$options: write" dd if=/tmp/data of=$disk bs=256k count=8 oflag=direct conv=fsync
	head -c 2097152 /tmp/data >/tmp/part
	check "$options: read" same /tmp/part 0 2048
	check "$options: many at once" -m ' 0 errors' blk_load -d 32 -w 50 -n 500 $disk
	check "$options: end" stop
done

# --- Errors
check "each 50th fails" run fail_every=50
check "that is seen" -s 1 -m ' [1-9][0-9]* errors' blk_load -d 16 -n 1000 $disk
check "and it ends" stop
check "it goes" run gone_after=100
check "that is seen, too" -s 1 -m ' [1-9][0-9]* errors' blk_load -d 16 -n 1000 $disk
check "and that ends" stop
check "nothing is left of those" nothing_left

# --- SIGKILL: requests wait for the next daemon. Without a cache, what has been written stays.
check "SIGKILL: start" run file=/tmp/disk
kill_under_load file=/tmp/disk

# --- SIGKILL at full depth, where the kernel finds out by a time limit; and with a mount
check "mkfs for that" mkfs.ext4 -q -F $disk
check "mount for that" mount -t ext4 $disk /mnt
cp -r /udrv/tests /mnt/tests
check "SIGKILL with a mount" kill_daemon
cp /usr/bin/busybox /mnt/ &
copy=$!
check "another size is refused while it is mounted" -s 1 -m 'mounted and waits for the disk' \
	run size=32M
# The kernel has no such number for the second one.
check "a start that fails for another disk leaves it" -s 1 -m 'left as it was found' \
	run file=/tmp/disk disks=2 --ublk=1048575
check "start again" -m 'found again' run file=/tmp/disk
check "the copy goes on" wait $copy
check "stop while it is mounted" -m "$edu: stopped" udrv stop --timeout 120 --force "$edu"
check "it said so" -m 'still mounted on /mnt' cat $log
umount /mnt
check "start after that" -m '/dev/ublkb0: ram' run file=/tmp/disk
check "mount after that" mount -t ext4 $disk /mnt
check "what was copied before is there" cmp /usr/bin/busybox /mnt/busybox
check "umount after that" umount /mnt
check "fsck after that" fsck.ext4 -f -n $disk
check "an end before that" stop
check "nothing is left of all that" nothing_left

# --- SIGKILL, and then the disk is not there any more
check "two disks" -m '/dev/ublkb1: ram-2' run disks=2
check "a file system on the second one" mkfs.ext4 -q -F /dev/ublkb1
check "mount that" mount -t ext4 /dev/ublkb1 /mnt
check "kill with a disk more" kill_daemon
check "the second one is named" -m '/dev/ublkb1 is mounted and waits for a disk of' run
check "and waits" test -e /dev/ublkb1
check "kill with a stray" kill_daemon
umount -l /mnt &
umount=$!
check "it is unmounted" wait_for 600 not_mounted
check "then it is removed" -m '/dev/ublkb1 was of a disk of .* removed' run
check "so the unmounting ends" wait $umount
check "there is one disk" -s 1 test -e /dev/ublkb1
check "the end of that one" stop
check "nothing is left of the two" nothing_left

# --- SIGKILL with all tags of a queue at the daemon
check "a slow disk of 4 tags" -m 'of 4$' run file=/tmp/disk depth=4 latency_us=20000
# Much more than it does while this script looks.
blk_load -d 16 -n 8000 $disk >/tmp/load 2>&1 &
load=$!
check "all tags are taken" wait_for 600 grep -qE '^ *(4|5|6|7|8) ' /sys/block/ublkb0/inflight
check "SIGKILL with all tags taken" kill_daemon
check "found again" -m 'found again' run file=/tmp/disk depth=4
check "all were done" wait $load
check "without an error" -m ' 8000 requests, 0 errors' cat /tmp/load

# --- SIGKILL with a cache, as if the power failed: what was flushed is there, and no more
check "another size, while nobody has it" kill_daemon
rm -f /tmp/disk
check "it is removed" -m 'was of a disk of another size.*removed' -m 'ram, 16 MiB' \
	run file=/tmp/disk size=16M cache=on
check "write and flush" dd if=/tmp/data of=$disk bs=64k count=64 oflag=direct conv=fsync
check "write only" dd if=/tmp/data of=$disk bs=64k count=64 seek=64 oflag=direct
tail -c +4194305 /tmp/data | head -c 4194304 >/tmp/part2
check "power cut" kill_daemon
check "the file has what was flushed" cmp -n 4194304 /tmp/data /tmp/disk
check "and no more" -m 'differ' -s 1 sh -c "dd if=/tmp/disk bs=64k skip=64 count=64 | cmp - /tmp/part2"
check "after the power cut" -m 'found again' run file=/tmp/disk size=16M cache=on
head -c 4194304 /tmp/data >/tmp/part
check "so has the disk" same /tmp/part 0 4096
check "the end after that" stop

# --- SIGKILL while it starts, and while it takes over what the one before left
check "start once" run file=/tmp/disk size=16M
check "write once" dd if=/tmp/part2 of=$disk bs=64k oflag=direct
check "kill once" kill_daemon
# At two CPUs there are two queues: those that a daemon may have come to.
for served in 0 1 2; do
	check "kill what takes over after $served of 2 queues" -m "^$served of 2" ublk_taker 0 $served
	dd if=/tmp/data of=$disk bs=64k count=16 conv=fsync 2>/dev/null &
	writer=$!
	check "then it is taken over" -m 'found again' run file=/tmp/disk size=16M
	check "and what waited goes on" wait $writer
	check "its data are right" cmp -n 1048576 /tmp/data $disk
	check "kill that, too" kill_daemon
done
check "start to write" -m 'found again' run file=/tmp/disk size=16M
check "write what was there" dd if=/tmp/part2 of=$disk bs=64k oflag=direct
check "kill it while it writes no more" kill_daemon
for delay in 0.05 0.1 0.15 0.2 0.25 0.3 0.35 0.4 0.5 0.7; do
	udrv run ramdisk "$edu" --ublk file=/tmp/disk size=16M >/tmp/start 2>&1 &
	pid=$!
	sleep $delay
	kill -KILL $pid
	wait $pid
done
check "start at last" -m '/dev/ublkb[0-9]: ram' run file=/tmp/disk size=16M
check "as the same disk" same /tmp/part2 0 4096
check "the end of that" stop
check "nothing is left of those that were killed" nothing_left

# --- The device is pulled under load
victim=0000:01:00.0
check "bind what will be pulled" udrv bind --driver vfio-pci $victim
check "drive it" udrv run ramdisk $victim --ublk --detach latency_us=500
pid=$(daemon_pid $victim)
blk_load -e -d 8 -t 600 $disk >/tmp/load 2>&1 &
load=$!
check "the load runs" wait_for 600 grep -qE '^ *[1-9][0-9]{2}' /sys/block/ublkb0/stat
echo unplug victim >/dev/lab
check "the daemon ends" wait_for 600 ended "$pid"
wait $load
check "the load saw errors" -m '[1-9][0-9]* errors|No such device|Input/output error' cat /tmp/load
check "the daemon said why" -m 'takes the device away|is gone' cat "/run/udrv/ramdisk@$victim.log"
check "nothing is left of it" nothing_left
finish
