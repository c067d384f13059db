#!/bin/sh
# SPDX-License-Identifier: MIT
# Raw accesses are the same instructions as volatile accesses written by hand.
# usage: raw.sh OBJDUMP COMPILER [FLAG...]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/need.sh"
objdump=$1
shift
need "$objdump" "$1"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
# One section for each function: a jump's target is then the same number in both of a pair.
"$@" -std=gnu11 -O2 -ffunction-sections -Wall -Wextra -Wconversion -Werror \
	-I "$here/../../lib/include" -c "$here/probe.c" -o "$tmp/probe.o"
"$objdump" -dr --no-show-raw-insn "$tmp/probe.o" >"$tmp/listing"

# Symbols' names aside, each function of a pair is reduced to its instructions in order.
awk -v cc="$*" '
/^[0-9a-f]+ <(raw|vol)_.*>:$/ {
	name = $2; gsub(/[<>:]/, "", name)
	kind = substr(name, 1, 3); pair = substr(name, 5)
	next
}
/^[0-9a-f]+ <\.L/ { next } # a label inside a function
/^[0-9a-f]+ <|^Disassembly/ { name = ""; next }
name != "" && /^[ \t]*[0-9a-f]+:/ {
	sub(/^[ \t]*[0-9a-f]+:[ \t]*/, ""); gsub(/<(raw|vol)_/, "<"); gsub(/\.L[0-9]+/, ".L")
	gsub(/[ \t]+/, " "); sub(/ $/, "")
	code[kind, pair] = code[kind, pair] $0 "\n"
	if (kind == "raw") {
		seen[pair] = 1
		if (!/^R_/) count[pair]++ # R_: a relocation, not an instruction
	}
}
END {
	for (pair in seen) {
		same = code["raw", pair] == code["vol", pair]
		if (pair ~ /^diff_/) { told += pair == "diff_readl" && !same; continue }
		pairs++; instructions += count[pair]
		if (same) continue
		bad++
		printf "%s: %s differs\n-- raw --\n%s-- volatile --\n%s", cc, pair,
			code["raw", pair], code["vol", pair]
	}
	if (pairs < 26 || told != 1) {
		printf "%s: the comparison saw %d pairs and told %d of 1 apart\n", cc, pairs, told
		exit 1
	}
	if (bad) exit 1
	printf "%s: %d pairs, %d instructions, raw and volatile the same\n", cc, pairs, instructions
}' "$tmp/listing"
