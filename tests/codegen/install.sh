#!/bin/sh
# SPDX-License-Identifier: MIT
# What is installed is enough to build a driver by pkg-config and run it; usage: install.sh BUILD-DIR
set -eu
build=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT

cmake --install "$build" --prefix "$prefix" >/dev/null
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name udrv.pc)")
export PKG_CONFIG_PATH
flags=$(pkg-config --cflags --libs udrv)
libdir=$(pkg-config --variable=libdir udrv)
# shellcheck disable=SC2086 # flags are words
gcc "$root/docs/examples/minimal.c" $flags -o "$prefix/minimal"
LD_LIBRARY_PATH=$libdir "$prefix/minimal" --help | grep -q factorial
"$prefix/bin/udrv" --version
"$prefix/bin/udrv" run edu --help >/dev/null
for page in man1/udrv.1 man3/udrv_request_irq.3 man7/libudrv.7; do
	[ -n "$(find "$prefix" -path "*/man/$page")" ] || { echo "install: no $page" >&2; exit 1; }
done

exported=$(nm -D --defined-only "$libdir/libudrv.so" | awk '{print $3}')
foreign=$(echo "$exported" | grep -v '^udrv_' || true)
[ -z "$foreign" ] || {
	echo "install: libudrv.so exports what is not its own: $foreign" >&2
	exit 1
}
echo "install: $(echo "$exported" | wc -l) symbols, all of udrv"
