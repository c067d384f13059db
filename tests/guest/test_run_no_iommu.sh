#!/bin/sh
# SPDX-License-Identifier: MIT
# A daemon where the IOMMU is off. Device: edu; lab option --no-iommu.
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib.sh"
. "${0%/*}/lib_fault.sh"

edu=$(device_by_ids 1234:11e8)

for backend in '' '--backend=vfio'; do
	# shellcheck disable=SC2086
	check "the IOMMU is off $backend" -s 1 -m "$edu: .*no IOMMU group" -m 'intel_iommu=on' \
		udrv run edu "$edu" $backend
done
check "bind says the same" -s 1 -m 'no IOMMU group' udrv bind "$edu"
check_untouched "after that" "$edu" none
check_clean "nothing is left" "$edu"
check "the model needs none" udrv run edu model:edu --detach
check "and works" -m '^3628800$' udrv-edu factorial 10
kill "$(cut -d' ' -f1 /run/udrv/model:edu.lock)"
finish
