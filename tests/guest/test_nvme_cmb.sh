# SPDX-License-Identifier: MIT
# Submission queues in the memory of QEMU's controller: tests/model/test_nvme_cmb.c, and the driver's parameter.
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib.sh"

# kernel_reads SIZE BLOCKS: from the disk that the kernel makes of it
kernel_reads()
{
	dd if="/dev/$(basename /sys/bus/pci/devices/"$nvme"/nvme/nvme*/nvme*n1)" of=/dev/null bs="$1" count="$2"
}

# The second one has it as before NVMe 1.4.
for nvme in $UDRV_LAB_DEVICES; do
	export UDRV_TEST_DEVICE="$nvme" CK_VERBOSITY=normal CK_DEFAULT_TIMEOUT=120
	check "bind" udrv bind --driver vfio "$nvme"
	check "I/O" -m '^100%' test_nvme_cmb
	unset UDRV_TEST_DEVICE
	check "a daemon with cmb=on" udrv run nvme "$nvme" --detach cmb=on
	check "I/O through it" -m '^read: .* 500 I/Os in ' udrv nvme perf --io-count 500
	kill "$(pidof udrv-nvme)"
	check "it ends" wait_for 600 sh -c '! pidof udrv-nvme'
	check "unbind" udrv unbind "$nvme"
	# What was left behind is fit for the kernel's driver, which uses the same memory.
	modprobe nvme
	echo "$nvme" >/sys/bus/pci/drivers_probe
	check "the kernel's driver takes it" wait_for 600 kernel_reads 512 1
	check "and reads from it" kernel_reads 64k 16
done
finish
