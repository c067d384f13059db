#!/bin/sh
# SPDX-License-Identifier: MIT
# From udrv_nvme_read() and udrv_nvme_submit() to the doorbell: how many calls. x86-64.
# usage: nvme_hops.sh OBJDUMP COMPILER [FLAG...]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/need.sh"
objdump=$1
shift
need "$objdump" "$1"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"$@" -std=gnu11 -O2 -fPIC -fvisibility=hidden -D_GNU_SOURCE -I "$here/../../lib/include" \
	-I "$here/../../drivers/nvme" -c "$here/../../drivers/nvme/nvme_io.c" -o "$tmp/io.o"
"$objdump" -dr --no-show-raw-insn "$tmp/io.o" >"$tmp/listing"

# What a function calls or jumps to, by the relocations or the disassembler's names. The ways of what is not
# usual: read_slowly and write_slowly, timeouts, and registers that are no memory. The doorbell is a 32-bit store to an
# address without an offset, in submit itself: the call of read, that of submit, then the store.
awk -v cc="$*" '
/^[0-9a-f]+ <.*>:$/ {
	name = $2; gsub(/[<>:]/, "", name); sub(/\.(cold|isra|part|constprop).*/, "", name)
	if (name !~ /^udrv_nvme_(read|write|submit)$/) name = ""
	next
}
name == "" { next }
{ seen[name] = 1 }
/R_X86_64_(PLT32|PC32).*-0x4$/ && called {
	target = $3; sub(/[-+]0x[0-9a-f]+$/, "", target)
	if (target !~ /^\.text/) calls[name] = calls[name] " " target
}
{ called = 0 }
/[ \t](call|jmp)[ \t]/ {
	called = 1
	target = $NF; gsub(/[<>]/, "", target); sub(/\+0x.*/, "", target)
	if (target ~ /^(read|write)_slowly/) calls[name] = calls[name] " " target
}
/[ \t]movl?[ \t]+%(e[a-ds][xipb]|e[sd]i|r[0-9]+d),\(%r[a-z0-9]+\)$/ { stores[name]++ }
END {
	for (name in calls) {
		split(calls[name], list, " ")
		for (i in list) {
			target = list[i]
			sub(/\.(isra|part|constprop).*/, "", target)
			if (name ~ /read|write/ && target ~ /^(read|write)_slowly$/) { slow++; continue }
			if (name ~ /submit/ && target ~ /^(nvme_look_for_late|nvme_cmb_copy|udrv__io_write|udrv_nvme_submit)$/) continue
			bad++; printf "%s: %s calls %s\n", cc, name, target
		}
		delete list
	}
	if (!seen["udrv_nvme_read"] || !seen["udrv_nvme_write"] || slow < 2) {
		printf "%s: the comparison did not see what it is about\n", cc; bad++
	}
	if (!stores["udrv_nvme_submit"]) { printf "%s: no doorbell in udrv_nvme_submit\n", cc; bad++ }
	if (bad) exit 1
	printf "%s: from udrv_nvme_read() to the doorbell in udrv_nvme_submit(): 2 calls\n", cc
}' "$tmp/listing"
