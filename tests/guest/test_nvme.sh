# SPDX-License-Identifier: MIT
# The NVMe library on QEMU's controller: tests/model/test_nvme_io.c, which on the software one runs
# natively. Then its disk over NBD, for the kernel's client and for fio's own, where both are there.
# Arguments: the driver to bind to, as for `udrv bind`; "fio": its engine of udrv's is there. UDRV_FIO_MIB: how much fio
# writes each time.
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib.sh"

nvme=$(device_by_ids 1b36:0010)
fio_mib=${UDRV_FIO_MIB:-12}
export UDRV_TEST_DEVICE="$nvme" CK_VERBOSITY=normal CK_DEFAULT_TIMEOUT=120
check "bind" udrv bind --driver "${1:-vfio}" "$nvme"
check "I/O" -m '^100%' test_nvme_io

# verify NAME OPTION...: random places and sizes, whose sums are compared when they are read back.
verify()
{
	verify_what=$1
	shift
	check "fio, $verify_what" -m 'err= 0' fio --name=verify --size=48m --io_size="${fio_mib}m" \
		--rw=randwrite --bsrange=512-256k --bs_unaligned=0 --verify=crc32c --randrepeat=0 "$@"
}

by_library()
{
	for depth in 1 8 32; do
		verify "by the library, depth $depth" --ioengine="external:$(ls /usr/lib/*/udrv-fio.so)" --iodepth=$depth \
			--filename="$(echo "$nvme" | sed 's/:/\\:/g')" "$@"
	done
}

serve_nbd()
{
	check "serve" -m 'is ready' udrv run nvme "$nvme" --nbd=/tmp/nbd --detach
	check "the kernel's client" -m '/dev/nbd0' nbd-client -unix /tmp/nbd -N nvme-n1 -C 2 /dev/nbd0
	for depth in 1 8 32; do
		verify "depth $depth" --filename=/dev/nbd0 --direct=1 --ioengine=libaio --iodepth=$depth
	done
	verify "without the kernel" --ioengine=nbd --uri="nbd+unix:///nvme-n1?socket=/tmp/nbd" --iodepth=16
	check "disconnect" nbd-client -d /dev/nbd0
	pid=$(udrv nvme status | sed -n 's/^pid //p')
	check "SIGTERM" kill -TERM "$pid"
	check "the end" wait_for 600 test ! -e "/proc/$pid"
	check "an orderly one" -m 'stopped' cat "/run/udrv/nvme@$nvme.log"
}

if [ "${2-}" = fio ]; then
	by_library --completion=polled
	by_library --completion=interrupt
fi
if command -v nbdkit >/dev/null; then
	check "the module" modprobe nbd
	serve_nbd
fi

check "unbind" udrv unbind "$nvme"
# What was left behind is fit for the kernel's driver.
modprobe nvme
echo "$nvme" >/sys/bus/pci/drivers_probe
check "the kernel's driver takes it" wait_for 600 readable /dev/nvme0n1
check "and reads from it" dd if=/dev/nvme0n1 of=/dev/null bs=64k count=16
finish
