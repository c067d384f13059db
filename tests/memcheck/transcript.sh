#!/bin/sh
# SPDX-License-Identifier: MIT
# docs/examples/slab_bugs.txt, which docs/howto/memory-debugging.md quotes, is what the program prints: but for addresses,
# threads, CPUs, times and what called the first of each trace.
# usage: transcript.sh PROGRAM (docs/examples/slab_bugs.c)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
transcript=$here/../../docs/examples/slab_bugs.txt
program=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

neutral() {
	sed -E -e 's/0x[0-9a-f]+/ADDRESS/g' -e 's/thread [0-9]+, CPU [0-9]+, [0-9.]+ s/thread T, CPU C, S s/' -e 's/ < .*//' "$1"
}

for bug in use-after-free overrun double-free leak; do
	echo "\$ UDRV_SLAB_DEBUG=FZPU,requests slab_bugs $bug"
	UDRV_SLAB_DEBUG=FZPU,requests "$program" "$bug" 2>&1 >/dev/null || true
done >"$tmp/now"
[ "${2:-}" != --update ] || cp "$tmp/now" "$transcript"
neutral "$tmp/now" >"$tmp/a"
neutral "$transcript" >"$tmp/b"
diff "$tmp/b" "$tmp/a" || { echo "slab_bugs.txt is not what the program prints: transcript.sh PROGRAM --update"; exit 1; }
echo "transcript: $(wc -l <"$tmp/a") lines the same"
