#!/bin/sh
# SPDX-License-Identifier: MIT
# From udrv_nvme_read() and udrv_nvme_submit() to the doorbell: how many calls, where the first one is inline (caller_read)
# and where it is a function. x86-64.
# usage: nvme_hops.sh OBJDUMP COMPILER [FLAG...]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/need.sh"
objdump=$1
shift
need "$objdump" "$1"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cat >"$tmp/caller.c" <<'EOF'
#include "nvme.h"

int caller_read(struct udrv_nvme_queue *q, const struct udrv_nvme_ns *ns, void *buf, udrv_nvme_done_t done)
{
	return udrv_nvme_read(q, ns, buf, 0, 8, 0, done, buf);
}

int caller_write(struct udrv_nvme_queue *q, const struct udrv_nvme_ns *ns, const void *buf, udrv_nvme_done_t done)
{
	return udrv_nvme_write(q, ns, buf, 0, 8, 0, done, q);
}
EOF
for source in "$here/../../drivers/nvme/nvme_io.c" "$tmp/caller.c"; do
	"$@" -std=gnu11 -O2 -fPIC -fvisibility=hidden -D_GNU_SOURCE -I "$here/../../lib/include" \
		-I "$here/../../drivers/nvme" -c "$source" -o "$tmp/object.o"
	"$objdump" -dr --no-show-raw-insn "$tmp/object.o"
done >"$tmp/listing"

# What a function calls or jumps to, by the relocations or the disassembler's names. The ways of what is not
# usual: udrv__nvme_read_slowly and udrv__nvme_write_slowly, timeouts, and registers that are no memory. After the doorbell the clock is read. It is a 32-bit store to an
# address without an offset, in submit itself: the call of read unless it is inline, that of submit, then the store.
awk -v cc="$*" '
/^[0-9a-f]+ <.*>:$/ {
	name = $2; gsub(/[<>:]/, "", name); sub(/\.(cold|isra|part|constprop).*/, "", name)
	if (name !~ /^(udrv_nvme_(read|write|submit)|caller_(read|write))$/) name = ""
	next
}
name == "" { next }
/R_X86_64_(PLT32|PC32).*-0x4$/ && called {
	target = $3; sub(/[-+]0x[0-9a-f]+$/, "", target)
	if (target !~ /^\.text/) calls[name] = calls[name] " " target
}
{ called = 0 }
/[ \t](call|jmp)[ \t]/ {
	called = 1
	target = $NF; gsub(/[<>]/, "", target); sub(/\+0x.*/, "", target)
	if (target ~ /^udrv__nvme_(read|write)_slowly/) calls[name] = calls[name] " " target
}
/[ \t]movl?[ \t]+%(e[a-ds][xipb]|e[sd]i|r[0-9]+d),\(%r[a-z0-9]+\)$/ { stores[name]++ }
END {
	for (name in calls) {
		split(calls[name], list, " ")
		for (i in list) {
			target = list[i]
			sub(/\.(isra|part|constprop).*/, "", target)
			if (name ~ /read|write/ && target ~ /^udrv__nvme_(read|write)_slowly$/) { slow[name] = 1; continue }
			if (name ~ /submit/ && target ~ /^(nvme_look_for_late|nvme_cmb_copy|clock_gettime|nvme_set_clock|udrv__io_write|udrv_nvme_submit)$/) continue
			bad++; printf "%s: %s calls %s\n", cc, name, target
		}
		delete list
	}
	if (!slow["udrv_nvme_read"] || !slow["udrv_nvme_write"] || !slow["caller_read"] || !slow["caller_write"]) {
		printf "%s: the comparison did not see what it is about\n", cc; bad++
	}
	if (!stores["udrv_nvme_submit"]) { printf "%s: no doorbell in udrv_nvme_submit\n", cc; bad++ }
	if (bad) exit 1
	printf "%s: from udrv_nvme_read(), inline, to the doorbell in udrv_nvme_submit(): 1 call; 2 if it is called\n", cc
}' "$tmp/listing"
