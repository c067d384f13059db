# SPDX-License-Identifier: MIT
# What drivers/nvme/README.md has a new user do, and shows.
set -e

modprobe ublk_drv
modprobe ext4
udrv bind 0000:00:05.0
udrv run nvme 0000:00:05.0 --ublk --detach
udrv nvme list
mkfs.ext4 -q /dev/ublkb0
mkdir /tmp/disk
mount -t ext4 /dev/ublkb0 /tmp/disk
cp /bin/busybox /tmp/disk
sync

# The driver dies; the file system stays mounted, and what it asks for waits.
kill -9 "$(pidof udrv-nvme)"
udrv run nvme 0000:00:05.0 --ublk --detach
# Nor does the kernel remember the file: it is read from the disk.
echo 3 >/proc/sys/vm/drop_caches
cmp /bin/busybox /tmp/disk/busybox
echo "the file is there"
udrv ps

umount /tmp/disk
fsck.ext4 -f -n /dev/ublkb0
udrv stop 0000:00:05.0
