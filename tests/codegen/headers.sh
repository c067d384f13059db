#!/bin/sh
# SPDX-License-Identifier: MIT
# Each public header compiles alone, twice over, as C11 and as C++17; and so does the use of
# every accessor (family.c).
# usage: headers.sh c|c++ COMPILER
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/need.sh"
language=$1
compiler=$2
need "$compiler"
include=$here/../../lib/include
case $language in
c) std=c11 ;;
c++) std=c++17 ;;
*) echo "usage: headers.sh c|c++ COMPILER" >&2; exit 2 ;;
esac

compile() {
	"$compiler" -x "$language" -std=$std -Wall -Wextra -Wconversion -Wshadow -Werror \
		-I "$include" -fsyntax-only "$1"
}

count=0
bad=0
for header in "$include"/udrv/*.h; do
	name=udrv/${header##*/}
	count=$((count + 1))
	printf '#include <%s>\n#include <%s>\n' "$name" "$name" |
		compile - && continue
	echo "$name does not compile alone as $std with $compiler" >&2
	bad=$((bad + 1))
done
[ "$count" -gt 0 ] || { echo "no headers in $include" >&2; exit 1; }
[ "$bad" -eq 0 ] || exit 1
compile "$here/family.c"
echo "$compiler: $count headers alone as $std"
