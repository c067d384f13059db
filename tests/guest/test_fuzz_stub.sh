# SPDX-License-Identifier: MIT
# The stub's fuzzer on each device under test; the arguments are its options. Afterwards the module
# unloads, and its device goes back to where it was. Devices: any, of which edu and ivshmem raise
# interrupts.
set -e

# A task that is stuck is told before the lab gives up.
echo 30 >/proc/sys/kernel/hung_task_timeout_secs

# A kernel that can: failures of allocations that may sleep, too, and no stack trace for each.
for fault in failslab fail_page_alloc fail_usercopy; do
	knobs=/sys/kernel/debug/$fault
	[ -d "$knobs" ] || continue
	echo 0 >"$knobs/verbose"
	[ ! -e "$knobs/ignore-gfp-wait" ] || echo N >"$knobs/ignore-gfp-wait"
	[ ! -e "$knobs/min-order" ] || echo 0 >"$knobs/min-order"
done

modprobe udrv_stub
for device in $UDRV_LAB_DEVICES; do
	echo "fuzzing $device"
	fuzz_stub "$@" "$device"
	echo "$device" >"/sys/bus/pci/drivers/udrv_stub/unbind"
	echo >"/sys/bus/pci/devices/$device/driver_override"
done
rmmod udrv_stub
