#!/bin/sh
# SPDX-License-Identifier: MIT
# DMA memory on a real IOMMU: all kinds of memory are reached, what was taken back is not; huge pages;
# what an arena costs. Devices: edu, e1000e. Lab option --expect-dmar: faults show in the log only.
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib.sh"
. "${0%/*}/lib_fault.sh"

edu=$(device_by_ids 1234:11e8)
e1000e=$(device_by_ids 8086:10d3)

run()
{
	what=$1
	shift
	check "$what" -m '^0 failed$' -x '^FAIL' test_dma "$edu" "$@"
	sed 's/^/     /' "$check_out"
}

faults()
{
	dmesg | grep -c 'DMAR:.*DMA Write.*fault addr'
}

check "bind" udrv bind "$edu" "$e1000e"
run "reach" reach
check "no fault so far" -x 'DMAR:.*fault addr' dmesg
run "what is gone" gone
check "the IOMMU stopped both" -m '^2$' faults
echo 2 >/proc/sys/vm/nr_hugepages
run "huge pages" huge
echo 0 >/proc/sys/vm/nr_hugepages
run "what an arena costs" setup "$(group_of "$e1000e")"
check_released "at last"
check "unbind" udrv unbind "$edu" "$e1000e"
finish
