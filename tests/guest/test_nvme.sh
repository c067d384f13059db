# SPDX-License-Identifier: MIT
# The NVMe library on QEMU's controller: tests/model/test_nvme_io.c, which on the software one runs
# natively. Argument: the driver to bind to, as for `udrv bind`.
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib.sh"

nvme=$(device_by_ids 1b36:0010)
export UDRV_TEST_DEVICE="$nvme" CK_VERBOSITY=normal CK_DEFAULT_TIMEOUT=120
check "bind" udrv bind --driver "${1:-vfio}" "$nvme"
check "I/O" -m '^100%' test_nvme_io
check "unbind" udrv unbind "$nvme"
# What was left behind is fit for the kernel's driver.
modprobe nvme
echo "$nvme" >/sys/bus/pci/drivers_probe
check "the kernel's driver takes it" wait_for 100 test -b /dev/nvme0n1
check "and reads from it" dd if=/dev/nvme0n1 of=/dev/null bs=64k count=16
finish
