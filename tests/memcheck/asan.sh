#!/bin/sh
# SPDX-License-Identifier: MIT
# A program built with the address sanitizer, on a library built without: reports what it does wrong with objects.
# usage: asan.sh COMPILER DIRECTORY (of libudrv.so)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../codegen/need.sh"
compiler=$1
libraries=$2
need "$compiler"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

build() {
	"$compiler" -std=gnu11 -g -O1 -fsanitize=address -I "$here/../../lib/include" "$1" -o "$2" \
		-L "$libraries" -ludrv -Wl,-rpath,"$libraries"
}
build "$here/../../docs/examples/slab_bugs.c" "$tmp/slab_bugs"
build "$here/kept.c" "$tmp/kept"

# check STATUS BUG TEXT...: the program ends with that status (9: the sanitizer ended it) and says so.
check() {
	expected=$1
	bug=$2
	shift 2
	status=0
	ASAN_OPTIONS=exitcode=9:detect_leaks=0 "$tmp/slab_bugs" "$bug" >"$tmp/out" 2>&1 || status=$?
	[ $status = "$expected" ] || { cat "$tmp/out"; echo "$bug: status $status, not $expected"; exit 1; }
	for text in "$@"; do
		grep -qE "$text" "$tmp/out" || { cat "$tmp/out"; echo "$bug: no '$text'"; exit 1; }
	done
}

check 9 use-after-free 'AddressSanitizer: use-after-poison' 'WRITE of size 8' 'in use_after_free'
check 9 overrun 'AddressSanitizer: use-after-poison' 'WRITE of size 1' 'in overrun'
check 0 double-free 'cache requests: double free'
check 1 leak 'cache requests: 3 objects are still allocated'
check 0 fine 'finished'
! grep -q cache "$tmp/out" || { cat "$tmp/out"; exit 1; }
ASAN_OPTIONS=detect_leaks=1 "$tmp/kept"
! UDRV_SLAB_DEBUG=- ASAN_OPTIONS=detect_leaks=1 "$tmp/kept" 2>/dev/null || { echo "a leak was not looked for"; exit 1; }
echo "$compiler: the sanitizer reports 2 mistakes, the library 2, none where there is none"
