#!/bin/sh
# SPDX-License-Identifier: MIT
# The device is told to reach memory that nobody mapped for it: the IOMMU stops it, and the
# process, the device and the next transfer are none the worse. Device: edu; lab option
# --expect-dmar, as the fault shows in the kernel's log only.
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib.sh"
. "${0%/*}/lib_fault.sh"

edu=$(device_by_ids 1234:11e8)

check "bind" udrv bind "$edu"
check "no fault so far" -x 'DMAR:.*fault addr' dmesg
check "an address that was never mapped" -m '^0 failed$' -x '^FAIL' test_reach "$edu" stray
check "the IOMMU stopped it" -m "DMAR: .DMA Write.*${edu#0000:}.*fault addr" dmesg
check_untouched "after that" "$edu" vfio-pci
check "the driver works" udrv run edu "$edu" --detach
check "both ways" -m 'every byte the same' udrv-edu dma-test
pid=$(cut -d' ' -f1 "/run/udrv/$edu.lock")
kill "$pid"
check "it stops" wait_for 600 ended "$pid"
check_untouched "after it" "$edu" vfio-pci
check "unbind" udrv unbind "$edu"
check_clean "nothing is left" "$edu"
finish
