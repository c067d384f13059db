#!/bin/sh
# SPDX-License-Identifier: MIT
# A daemon for a device whose group has a member with a driver of the kernel. Devices: a PCIe-to-PCI
# bridge with edu and pci-serial behind it.
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib.sh"
. "${0%/*}/lib_fault.sh"

edu=$(device_by_ids 1234:11e8)
serial=$(device_by_ids 1b36:0002)
bridge=$(device_by_ids 1b36:000e)

check "one alone by force" udrv bind --force "$edu"
check "the group is not viable" -s 1 -m "$edu: IOMMU group $(group_of "$edu") is not viable" \
	-m "$serial: in the same IOMMU group, bound to serial; run: udrv bind $serial" \
	-x "$bridge" udrv run edu "$edu"
check_untouched "after that" "$edu" vfio-pci
check_driver "the other is left alone" "$serial" serial
check "do as it said" udrv bind "$serial"
check "now it runs" udrv run edu "$edu" irq=intx --detach
check "and works" -m '^3628800$' udrv-edu factorial 10
pid=$(cut -d' ' -f1 "/run/udrv/$edu.lock")
kill "$pid"
check "it stops" wait_for 600 ended "$pid"
check "all given back" udrv unbind "$edu" "$serial"
check_untouched "at the end" "$serial" serial
finish
