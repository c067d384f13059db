#!/bin/sh
# SPDX-License-Identifier: MIT
# An IOMMU group of several devices. Devices: a PCIe-to-PCI bridge, with edu and pci-serial behind
# it, which the IOMMU cannot tell apart.
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib.sh"

edu=$(device_by_ids 1234:11e8)
serial=$(device_by_ids 1b36:0002)
bridge=$(device_by_ids 1b36:000e)
group=$(basename "$(readlink "/sys/bus/pci/devices/$edu/iommu_group")")

check "the three share a group" -m "$edu" -m "$serial" ls "/sys/kernel/iommu_groups/$group/devices"
check_driver "the serial port has its driver" "$serial" serial
check "info lists the members" -m "with $serial, driver serial" udrv info "$edu"
check "unviable group" -s 1 -m "$edu: IOMMU group $group also holds $serial, .* bound to serial" \
	-m "udrv bind $edu $serial\`" -x "$bridge" udrv bind "$edu"
check_driver "unviable group: nothing is bound" "$edu" none
check_clean "unviable group: nothing is left" "$edu"
check "the same in a dry run" -s 1 -m "udrv bind $edu $serial\`" udrv bind --dry-run "$edu"
check "a bridge is refused" -s 1 -m "$bridge is a bridge" udrv bind "$bridge"
check "the whole group" -m "$edu: bound" -m "$serial: bound to vfio-pci .before: serial" \
	udrv bind "$edu" "$serial"
check "all given back" -m "$edu: without a driver" -m "$serial: bound to serial again" \
	udrv unbind "$edu" "$serial"
check "one alone by force" -m "$edu: bound to vfio-pci" udrv bind --force "$edu"
check_driver "the other is left alone" "$serial" serial
check "and back" udrv unbind "$edu"
check_clean "nothing is left" "$edu"
finish
