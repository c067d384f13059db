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

# Folders may be given as whole paths, too.
at=$prefix/at
cmake -S "$root" -B "$at/build" -DBUILD_TESTING=OFF -DCMAKE_INSTALL_PREFIX="$at" \
	-DCMAKE_INSTALL_LIBDIR="$at/lib/some" -DCMAKE_INSTALL_INCLUDEDIR="$at/inc" >/dev/null
mkdir -p "$at/lib/some/pkgconfig"
cp "$at/build/lib/udrv.pc" "$at/lib/some/pkgconfig"
PKG_CONFIG_PATH=$at/lib/some/pkgconfig
for folder in libdir:lib/some includedir:inc; do
	is=$(realpath -m "$(pkg-config --variable="${folder%:*}" udrv)")
	[ "$is" = "$at/${folder#*:}" ] || { echo "install: ${folder%:*} is $is" >&2; exit 1; }
done
grep -q "ORIGIN/../lib/some\"" "$at/build/drivers/edu/cmake_install.cmake" ||
	{ echo "install: programs do not find libudrv.so in $at/lib/some" >&2; exit 1; }

exported=$(nm -D --defined-only "$libdir/libudrv.so" | awk '{print $3}')
foreign=$(echo "$exported" | grep -v '^udrv_' || true)
[ -z "$foreign" ] || {
	echo "install: libudrv.so exports what is not its own: $foreign" >&2
	exit 1
}
echo "install: $(echo "$exported" | wc -l) symbols, all of udrv"
