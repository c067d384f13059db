#!/bin/sh
# SPDX-License-Identifier: MIT
# Two cards without an IOMMU, behind the stub, in one process: what one got leaves by the other, without a copy if its
# memory is in huge pages. Devices: two e1000e at the ends of cable net0.

# shellcheck source-path=SCRIPTDIR
. "${0%/*}/lib.sh"

# shellcheck disable=SC2086
set -- $UDRV_LAB_DEVICES
a=$1
b=$2

# The kernel makes fewer when it is interrupted.
make_pages()
{
	echo 64 >/proc/sys/vm/nr_hugepages && grep -qE '^HugePages_Total: +64$' /proc/meminfo
}

check "bind" -m "bound to udrv_stub" udrv bind --driver udrv_stub "$a"
check "bind the other" -m "bound to udrv_stub" udrv bind --driver udrv_stub "$b"

check "without huge pages" -m "^$a passes on what $b gets: copied" \
	-m "cannot reach memory of $b, which is not in huge pages" -m "^$b -> $a: every size" \
	net_load "$a" "$b" moderation=off pass=2000
check "huge pages" wait_for 600 make_pages
check "with huge pages" -m "^$a passes on what $b gets: copied" -m "^$a passes on what $b gets: in place" \
	-m "^$b -> $a: every size" net_load "$a" "$b" moderation=off pass=2000
check "all are free again" -m '^HugePages_Free: +64$' grep HugePages_Free /proc/meminfo

check "unbind" udrv unbind "$a"
check "unbind the other" udrv unbind "$b"
finish
