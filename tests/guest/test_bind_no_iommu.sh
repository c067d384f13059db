#!/bin/sh
# SPDX-License-Identifier: MIT
# udrv bind where the IOMMU is off. Device: edu; lab option --no-iommu.
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib.sh"

edu=$(device_by_ids 1234:11e8)

check "vfio-pci is refused" -s 1 -m "udrv: $edu has no IOMMU group" -m 'intel_iommu=on' \
	udrv bind "$edu"
check_driver "nothing is bound" "$edu" none
check_clean "nothing is left" "$edu"
check "force does not help" -s 1 -m 'no IOMMU group' udrv bind --force "$edu"
check "info shows no group" -m 'IOMMU group +none' udrv info "$edu"
check "list shows no group" -m "$edu.* -  " udrv list
check "the stub is suggested" -s 1 -m "do without: .udrv bind --driver stub $edu" udrv bind "$edu"
check "and accepted, for who may" -m "$edu: bound to udrv_stub" \
	-m "/dev/udrv_stub-$edu, no IOMMU: needs CAP_SYS_RAWIO; next: udrv run DRIVER $edu" \
	udrv bind --driver stub "$edu"
check "and taken away" -m 'without a driver again' udrv unbind "$edu"
check "a driver that needs no IOMMU is accepted" -m 'bound to pci-stub' \
	udrv bind --driver pci-stub "$edu"
check "and taken away again" -m 'without a driver again' udrv unbind "$edu"
finish
