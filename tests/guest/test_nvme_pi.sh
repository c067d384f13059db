# SPDX-License-Identifier: MIT
# A namespace of QEMU's controller with end-to-end protection: what the kernel's driver writes, ours reads, and the
# other way round. Then tests/model/test_nvme_pi.c, as far as it is for any controller; that formats it.
# Device: nvme,id=ctrl and nvme-ns,bus=ctrl,drive=disk0,ms=8,pi=1.
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib.sh"
. "${0%/*}/lib_daemon.sh"

nvme=$(device_by_ids 1b36:0010)
lock=/run/udrv/$nvme.lock
head -c 3145728 /dev/urandom >/tmp/kernels
head -c 3145728 /dev/urandom >/tmp/ours

modprobe nvme
check "the kernel's disk" wait_for 600 readable /dev/nvme0n1
check "the kernel writes" dd if=/tmp/kernels of=/dev/nvme0n1 bs=64k seek=16 oflag=direct conv=fsync
check "bind" udrv bind --driver vfio "$nvme"
check "start" udrv run nvme "$nvme" --detach
check "the namespace has metadata" -m ' 512 +B \+ +8 B ' udrv nvme list
check "of protection" -m '^dps +: (0x)?1$' udrv nvme id-ns
check "we read" udrv nvme read -s 2048 -c 6143 -d /tmp/back
check "what the kernel wrote" cmp /tmp/kernels /tmp/back
check "we write" udrv nvme write -s 16384 -c 6143 -d /tmp/ours
check "the end" stop_daemon
check "to the kernel" udrv bind --driver nvme "$nvme"
check "the kernel's disk again" wait_for 600 readable /dev/nvme0n1
check "the kernel reads" dd if=/dev/nvme0n1 of=/tmp/back bs=64k skip=128 count=48 iflag=direct
check "what we wrote" cmp /tmp/ours /tmp/back

export UDRV_TEST_DEVICE="$nvme" CK_VERBOSITY=normal CK_RUN_CASE="any controller" CK_DEFAULT_TIMEOUT=120
check "bind again" udrv bind --driver vfio "$nvme"
check "the library" -m '^100%: Checks: 12,' test_nvme_pi
check "unbind" udrv unbind "$nvme"
finish
