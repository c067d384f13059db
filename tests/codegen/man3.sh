#!/bin/sh
# SPDX-License-Identifier: MIT
# Every public name has a man page, every docstring fits its header, and the pages are well-formed.
# usage: man3.sh COMPILER BUILD-DIR
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/need.sh"
cc=$1
build=$2
need "$cc" nm mandoc groff
root=$here/../..
include=$root/lib/include
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# What users can call, as the linker and the compiler see it.
{
	nm -D --defined-only "$build/lib/libudrv.so" | awk '{print $3}'
	echo '#include <udrv/udrv.h>' | "$cc" -E -P -I"$include" - |
		grep -oE '\budrv_[a-z][a-z0-9_]*[[:space:]]*\(' | tr -d ' ('
	echo '#include <udrv/udrv.h>' | "$cc" -E -dM -I"$include" - |
		sed -nE 's/^#define ((__udrv|udrv|UDRV)_[A-Za-z0-9_]+).*/\1/p' | grep -v '_H$'
} | grep -iE '^(__)?udrv_' | grep -viE '^udrv__' | sort -u >"$tmp/names"

# missing FOLDER: what is not there of what should be
missing() (
	cd "$1"
	[ -d man3 ] || { echo "$1 has no pages: build first"; exit; }
	while read -r name; do
		[ -f "man3/$name.3" ] || echo "$name has no page"
	done <"$tmp/names"
	grep -h '^\.so ' man3/* | sort -u | while read -r _ page; do
		[ -f "$page" ] || echo "an alias of $page, which is not there"
	done
	sed -nE 's/^\.BR (.*) \((.*)\),?$/\1 \2/p' man3/* man7/* | sed 's/\\-/-/g' | sort -u |
		while read -r name section; do
			[ "$section" = 1 ] && page=$root/docs/man/$name.1 ||
				page=man${section%type}/$name.$section
			[ -f "$page" ] || echo "a reference to $name($section), which is not there"
		done
)

# lint PAGE...: what the formatters say of them
lint() {
	{
		mandoc -T lint -W warning "$@" || true
		groff -ww -man -T utf8 -z "$@" || true
	} 2>&1
}

# without PAGE TEXT: when PAGE is missing, TEXT must be said
without() {
	mv "$tmp/pages/$1" "$tmp/moved"
	missing "$tmp/pages" | grep -q "^$2" || {
		echo "man3: $1 may be missing, and nobody says: $2" >&2
		exit 1
	}
	mv "$tmp/moved" "$tmp/pages/$1"
}
# unfit HEADER-TEXT: make-man3 must not accept the header
unfit() {
	printf '/** @file\n * A header. */\n%s\n' "$1" >"$tmp/unfit.h"
	if "$root/docs/make-man3" --strict --version 0 "$tmp/out" "$tmp/unfit.h" 2>"$tmp/said"; then
		echo "man3: make-man3 accepts this: $1" >&2
		exit 1
	fi
	grep -q '^make-man3: unfit: ' "$tmp/said" || { cat "$tmp/said" >&2; exit 1; }
}

"$root/docs/make-man3" --strict --version 0 "$tmp/out" "$include"/udrv/*.h
said=$(missing "$build/docs")
[ -n "$said" ] || {
	pages=$(grep -L '^\.so ' "$build"/docs/man3/* "$build"/docs/man7/*)
	# shellcheck disable=SC2086 # file names, without blanks
	said=$(lint $pages)
}
[ -z "$said" ] || {
	echo "$said" >&2
	exit 1
}

# All of this can fail.
mkdir "$tmp/pages"
cp -r "$build/docs/man3" "$build/docs/man7" "$tmp/pages"
without man3/udrv_device_open.3 'udrv_device_open has no page'
without man3/udrv_atomic_inc_not_zero.3 'udrv_atomic_inc_not_zero has no page'
without man3/udrv_wait_event.3 'udrv_wait_event has no page'
without man3/udrv_readb.3 'an alias of man3/udrv_readb.3'
without man7/udrv-irq.7 'a reference to udrv-irq(7)'
printf '.XX\n' >>"$tmp/pages/man3/udrv_readb.3"
[ "$(lint "$tmp/pages/man3/udrv_readb.3" | grep -c XX)" = 2 ] || {
	echo "man3: mandoc and groff do not complain of a macro that is not there" >&2
	exit 1
}
unfit 'static inline int udrv_a(int b) { return b; }'
unfit '#define udrv_a(b) (b)'
unfit '/** udrv_a() - a */'
unfit '/** udrv_a() - a
 * @c: c
 */
int udrv_a(int b);'
echo "man3: $(wc -l <"$tmp/names") names have pages"
