#!/bin/sh
# SPDX-License-Identifier: MIT
# The interrupt runtime on a real kernel: all that is raised arrives, and once. Devices: edu with
# pci-serial-2x, which share an interrupt line; e1000e; ivshmem-doorbell. Those that are there.
# Argument: the driver to bind to, as for `udrv bind`.
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib.sh"

edu=$(device_by_ids 1234:11e8)
uarts=$(device_by_ids 1b36:0003)
e1000e=$(device_by_ids 8086:10d3)
ivshmem=$(device_by_ids 1af4:1110)

run()
{
	what=$1
	shift
	check "$what" -m '^0 failed$' -x '^FAIL' test_vectors "$@"
	sed 's/^/     /' "$check_out"
}

# shellcheck disable=SC2086 # none or one of each
check "bind" udrv bind --driver "${1:-vfio}" $edu $uarts $e1000e $ivshmem
[ -z "$e1000e" ] || run "five MSI-X vectors" msix "$e1000e"
[ -z "$ivshmem" ] || run "64 MSI-X vectors" many "$ivshmem"
if [ -n "$edu" ]; then
	run "MSI" msi "$edu"
	run "INTx" intx "$edu"
	run "two handlers for one device" chain "$edu"
	run "one line for two devices" line "$edu" "$uarts"
	run "an interrupt for nobody" nobody "$edu"
fi
# shellcheck disable=SC2086
check "unbind" udrv unbind $edu $uarts $e1000e $ivshmem
finish
