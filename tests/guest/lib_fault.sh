# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Sourced after lib.sh by the tests of what can go wrong: what a failure must not leave behind.

# Lists who has a VFIO container, group or device open; fails if nobody has.
vfio_held()
{
	# shellcheck disable=SC2010 # the links' targets are wanted, not the names
	ls -l /proc/[0-9]*/fd 2>/dev/null | grep -E -- '-> (/dev/vfio/|anon_inode:.vfio)'
}

# check_released WHAT: nobody has anything of VFIO open.
check_released()
{
	check "$1: nothing is open" -s 1 vfio_held
}

# check_untouched WHAT DEVICE DRIVER: the device has that driver still and nobody has it open.
check_untouched()
{
	check_driver "$1: the driver is as before" "$2" "$3"
	check_released "$1"
}

ended()
{
	! kill -0 "$1" 2>/dev/null
}

# The group of a device, a number.
group_of()
{
	basename "$(readlink "/sys/bus/pci/devices/$1/iommu_group")"
}
