#!/bin/sh
# SPDX-License-Identifier: MIT
# An IOMMU that cannot isolate interrupts. Device: edu; lab option --iommu intel-noremap.
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib.sh"
. "${0%/*}/lib_fault.sh"

edu=$(device_by_ids 1234:11e8)

check "bind" udrv bind "$edu"
check "it is refused" -s 1 -m "$edu: the IOMMU cannot isolate its interrupts" \
	-m 'modprobe vfio_iommu_type1 allow_unsafe_interrupts=1' udrv run edu "$edu"
check_untouched "after that" "$edu" vfio-pci
rmmod vfio_iommu_type1
modprobe vfio_iommu_type1 allow_unsafe_interrupts=1
check "with the risk accepted" udrv run edu "$edu" --detach
check "it works" -m '^3628800$' udrv-edu factorial 10
pid=$(cut -d' ' -f1 "/run/udrv/$edu.lock")
kill "$pid"
check "it stops" wait_for 600 ended "$pid"
check "unbind" udrv unbind "$edu"
check_clean "nothing is left" "$edu"
finish
