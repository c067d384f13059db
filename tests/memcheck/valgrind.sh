#!/bin/sh
# SPDX-License-Identifier: MIT
# memcheck reports what a program does wrong with objects, with the stacks of who allocated and freed them.
# usage: valgrind.sh PROGRAM (docs/examples/slab_bugs.c)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../codegen/need.sh"
program=$1
need valgrind
out=$(mktemp)
trap 'rm -f "$out"' EXIT

# check STATUS BUG TEXT...: memcheck ends with that status (9: it has reported something) and says so.
check() {
	expected=$1
	bug=$2
	shift 2
	status=0
	valgrind --error-exitcode=9 --leak-check=full "$program" "$bug" >"$out" 2>&1 || status=$?
	[ $status = "$expected" ] || { cat "$out"; echo "$bug: status $status, not $expected"; exit 1; }
	for text in "$@"; do
		grep -qE "$text" "$out" || { cat "$out"; echo "$bug: no '$text'"; exit 1; }
	done
}

check 9 use-after-free 'Invalid write of size 8' "is 0 bytes inside a block of size 56 free'd" 'by .*: finish \((slab_bugs|in )' \
	'by .*: submit \((slab_bugs|in )'
check 9 overrun 'Invalid write of size 1' "is 0 bytes after a block of size 56 alloc'd" 'by .*: submit \((slab_bugs|in )'
check 9 double-free 'Invalid free' 'by .*: finish \((slab_bugs|in )' 'cache requests: double free'
check 9 leak 'definitely lost: 168 bytes in 3 blocks' 'by .*: submit \((slab_bugs|in )'
check 0 fine 'total heap usage: 1,001 allocs, 1,001 frees' 'ERROR SUMMARY: 0 errors'
echo "memcheck: 4 mistakes reported, none where there is none"
