#!/bin/sh
# SPDX-License-Identifier: MIT
# The whole accessor family compiles without warnings, and so does lib/src/io.
# usage: family.sh COMPILER [FLAG...]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/need.sh"
need "$1"
lib=$here/../../lib

for opt in -O0 -O2; do
	for source in "$here/family.c" "$lib"/src/io/*.c; do
		"$@" -std=gnu11 $opt -Wall -Wextra -Wconversion -Wshadow -Wmissing-prototypes -Werror \
			-D_GNU_SOURCE -I "$lib/include" -I "$lib/src" -c "$source" -o /dev/null
	done
done
echo "$*: $(ls "$here/family.c" "$lib"/src/io/*.c | wc -l) files, no warnings"
