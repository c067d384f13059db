#!/bin/sh
# SPDX-License-Identifier: MIT
# udrv iomem and udrv ioports on a real kernel, over vfio-pci and the stub, and claims of two processes. Devices:
# edu, and pci-serial, which has ports.
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib.sh"

edu=$(device_by_ids 1234:11e8)
uart=$(device_by_ids 1b36:0002)
fifo=/tmp/hold.fifo

# The first field of a line of the device's resource file, as in /proc/iomem.
address_of()
{
	sed -n "$(($2 + 1))s/^0x0*\([0-9a-f]*\) .*/\1/p" "/sys/bus/pci/devices/$1/resource"
}

ended()
{
	! kill -0 "$1" 2>/dev/null
}

# hold_region BACKEND: a program that is no daemon claims 0x80-0x9f.
hold_region()
{
	rm -f $fifo
	mkfifo $fifo
	test_claimers "$edu" hold "$1" holder 0x80 0x20 <$fifo >/tmp/hold 2>&1 &
	holder=$!
	exec 9>$fifo
	wait_for 600 grep -q '^claimed: 0$' /tmp/hold
}

let_go()
{
	exec 9>&-
	wait $holder
}

bar=$(address_of "$edu" 0)
end=$(printf '%x' $((0x$bar + 0xfffff)))
part=$(printf '%x' $((0x$bar + 0x80)))
ports=$(address_of "$uart" 0)

# --- Nobody drives it
check "BARs with their addresses" -m "^$bar-$end : $edu BAR 0\$" udrv iomem
check "ports" -m "^$ports-[0-9a-f]{4} : $uart BAR 0(, serial)?\$" -x "$edu" udrv ioports
check "what the kernel's driver claimed" -m "^  $ports-[0-9a-f]+ : serial\$" udrv ioports "$uart"
check "all that the kernel has" -m '^00000000-[0-9a-f]+ : ' -m '^[0-9a-f-]+ : System RAM$' \
	-m "^  $bar-$end : $edu BAR 0\$" udrv iomem --all
check "all ports" -m '^    0020-0021 : pic1$|^  0020-0021 : pic1$' udrv ioports --all
check "no ports" -s 1 -m "$edu: it has no I/O ports" udrv ioports "$edu"
check "no such device" -s 1 -m '0000:00:1e.0: no such device' udrv iomem 00:1e.0
check "malformed address" -s 2 -m 'nonsense: not a PCI address' udrv iomem nonsense

# --- Without root's rights: sysfs has the addresses, the kernel's names are not to be had
check "a user sees BARs" -m "^$bar-$end : $edu BAR 0\$" -m 'iomem shows its addresses only to root' \
	as_nobody udrv iomem
check "not all" -s 1 -m 'iomem shows its addresses only to root' as_nobody udrv iomem --all

# whole BACKEND DRIVER: a daemon that claims the whole BAR, and a program that claims a part
whole()
{
	check "$1: bind" udrv bind --driver "$2" "$edu"
	check "$1: a daemon" udrv run edu "$edu" --detach
	pid=$(cut -d' ' -f1 "/run/udrv/$edu.lock")
	check "$1: it has the BAR and claims it" \
		-m "^$bar-$end : $edu BAR 0, $2, udrv-edu .pid $pid.\$" \
		-m "^ +$bar-$end : edu, udrv-edu .pid $pid.\$" udrv iomem "$edu"
	check "$1: and so has the kernel's driver" -m "^  $bar-$end : $2\$" udrv iomem "$edu"
	check "$1: JSON" -m "\"driver\":\"$2\"" -m '"kind":"claim"' -m '"name":"udrv-edu"' \
		-m "\"pid\":$pid\$" udrv iomem --json "$edu"
	check "$1: a user sees it, too" -m "^ +$bar-$end : edu, .*.pid $pid.\$" \
		as_nobody UDRV_RUNTIME_DIR=/run/udrv udrv iomem "$edu"
	kill "$pid"
	check "$1: the daemon ends" wait_for 600 ended "$pid"
	check "$1: its claim is gone" -x 'edu, udrv-edu' -m "$edu BAR 0, $2\$" udrv iomem "$edu"
	check "$1: a program that is no daemon" hold_region "$1"
	check "$1: it has the device open" -m "$edu BAR 0, $2, test_claimers .pid $holder.\$" \
		udrv iomem "$edu"
}

whole vfio vfio-pci
check "vfio: whose claims nobody tells" -x ' : holder' udrv iomem "$edu"
let_go

if modprobe -q udrv_stub; then
	whole stub udrv_stub
	check "stub: whose claims the stub tells" \
		-m "^ +$part-[0-9a-f]+ : holder, test_claimers .pid $holder.\$" udrv iomem "$edu"
	let_go
	check "two processes" -m '^0 failed$' -x '^FAIL' test_claimers "$edu"
	sed 's/^/     /' "$check_out"
	check "nothing is claimed any more" -x 'pid' udrv iomem "$edu"
fi
check "unbind" udrv unbind "$edu"
check_clean "nothing is left" "$edu"
finish
