#!/bin/sh
# SPDX-License-Identifier: MIT
# udrv bind where vfio-pci's module is missing. Device: edu.
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib.sh"

edu=$(device_by_ids 1234:11e8)
modules=$(readlink -f /lib/modules)

mv "$modules" "$modules.away"
check "missing module" -s 1 -m 'udrv: vfio-pci is not loaded and modprobe cannot find it' \
	udrv bind "$edu"
check_driver "nothing is bound" "$edu" none
check_clean "nothing is left" "$edu"
mv "$modules.away" "$modules"
check "with the module" -m "$edu: bound to vfio-pci" udrv bind "$edu"
check "and back" udrv unbind "$edu"
finish
