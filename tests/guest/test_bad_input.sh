#!/bin/sh
# SPDX-License-Identifier: MIT
# What a user can do wrong, and what can be wrong with the machine: the message, the exit status, and that
# nothing stays bound, mapped or open. Device: edu.
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib.sh"
. "${0%/*}/lib_fault.sh"

edu=$(device_by_ids 1234:11e8)

# --- Names
for bad in '' 5.0 00:20.0 00:05.8 0000:00:05 ../../etc "$edu " 10000:00:05.0x; do
	check "malformed address '$bad'" -s 2 -m '^udrv-edu: .*not a PCI address' udrv run edu "$bad"
done
check "no device at all" -s 2 -m 'which device' udrv run edu
check "no such device" -s 1 -m '0000:00:13.0: no such device' udrv run edu 00:13.0
check "no device with these ids" -s 1 -m '8086:ffff: 0 devices have these ids' \
	udrv run edu 8086:ffff
check "no such model" -s 1 -m 'model:modem: there is no such model' udrv run edu model:modem
check "no such backend" -s 1 -m "no backend named 'floppy'" udrv run edu "$edu" --backend floppy
check "a device of another driver" -s 1 -m '0000:00:00.0: 8086:.* is not a device of driver edu' -x 'udrv bind' udrv run edu 00:00.0
check "a verb on a device of another driver" -s 1 -m 'is not a device of driver edu' udrv edu --device 00:00.0 factorial 3
check "a driver's name misspelt" -s 2 -m "no driver 'edo'" udrv run edo "$edu"
check_untouched "after bad names" "$edu" none

# --- Bound to nothing, or to what VFIO is not
check "not bound" -s 1 -m "$edu: bound to no driver" -m "udrv bind $edu" udrv run edu "$edu"
check "not bound, and vfio wanted" -s 1 -m "udrv bind --driver vfio-pci $edu" udrv run edu "$edu" --backend vfio
check "bind to pci-stub" udrv bind --driver pci-stub "$edu"
check "bound to pci-stub" -s 1 -m "$edu: bound to driver pci-stub" udrv run edu "$edu"
check_untouched "after a run that was refused" "$edu" pci-stub
check "give it back" udrv unbind "$edu"

# --- VFIO is not all there
check "bind" -m 'bound to vfio-pci' udrv bind "$edu"
group=$(group_of "$edu")
mv /dev/vfio/vfio /dev/vfio.away
check "no container node" -s 1 -m '/dev/vfio/vfio does not exist; run: modprobe' \
	udrv run edu "$edu"
mv /dev/vfio.away /dev/vfio/vfio
rmmod vfio_iommu_type1
check "no type 1 IOMMU" -s 1 -m 'run: modprobe vfio_iommu_type1' udrv run edu "$edu"
check_untouched "after that" "$edu" vfio-pci
modprobe vfio_iommu_type1

# --- Permissions. The user nobody has a run-time directory of his own.
check "no permission" -s 1 -m "no permission for /dev/vfio/$group" as_nobody udrv run edu "$edu"
check_untouched "after a user without permission" "$edu" vfio-pci
chown nobody "/dev/vfio/$group"
check "memory that may not be locked" -s 1 \
	-m "$edu: cannot pin 8192 bytes for DMA: RLIMIT_MEMLOCK is 4096 bytes, 0 KiB are locked; raise it .ulimit -l 8" \
	as_nobody "ulimit -l 4; udrv run edu $edu"
check "a program that may lock little" -m '^4 MiB are refused' \
	-m 'RLIMIT_MEMLOCK is 131072 bytes' -m '^64 KiB are not' \
	as_nobody "ulimit -l 128; test_reach $edu memlock"
check_untouched "after a user who may not lock memory" "$edu" vfio-pci
check "a user with the node and enough to lock" \
	as_nobody "ulimit -l 64; udrv run edu $edu --detach"
check "he can use it" -m '^3628800$' as_nobody udrv-edu factorial 10

# --- Somebody has it already
check "root finds the group taken" -s 1 -m "/dev/vfio/$group is held by another process" \
	udrv run edu "$edu"
check "the same user is told who" -s 1 -m "$edu: already driven by udrv-edu .pid [0-9]+" \
	as_nobody udrv run edu "$edu"
check "the daemon still works" -m '^24$' as_nobody udrv-edu factorial 4
pid=$(as_nobody udrv-edu status | sed -n 's/^pid //p')
kill -KILL "$pid"
wait_for 600 ended "$pid"
check_untouched "after SIGKILL" "$edu" vfio-pci
check "the client says so" -s 1 -m 'udrv run edu' as_nobody udrv-edu stats
check "started again" as_nobody "ulimit -l 64; udrv run edu $edu --detach"
check "and works" -m '^24$' as_nobody udrv-edu factorial 4
pid=$(as_nobody udrv-edu status | sed -n 's/^pid //p')
kill -TERM "$pid"
check "it stops" wait_for 600 ended "$pid"
check_untouched "after that" "$edu" vfio-pci
chown root "/dev/vfio/$group"

# --- A program with the real device: beyond BARs, beyond what the IOMMU and the device reach
check "beyond what there is" -m '^0 failed$' -x '^FAIL' \
	-m 'offset 0x100000 is beyond BAR 0, which has 0x100000 bytes' \
	-m 'no free device address for 268435456 bytes below the DMA mask 0xfffffff' \
	-m 'no free device address for 1099511627776 bytes' test_reach "$edu" beyond
check_untouched "after that" "$edu" vfio-pci

check "unbind" udrv unbind "$edu"
check_clean "nothing is left" "$edu"
finish
