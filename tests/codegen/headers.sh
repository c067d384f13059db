#!/bin/sh
# SPDX-License-Identifier: MIT
# Each public header compiles alone, twice over, as C11 and as C++17; and so does the use of
# every accessor (family.c). A driver's headers that are installed beside them do, too, in use.
# usage: headers.sh c|c++ COMPILER
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/need.sh"
language=$1
compiler=$2
need "$compiler"
include=$here/../../lib/include
nvme=$here/../../drivers/nvme
case $language in
c) std=c11 ;;
c++) std=c++17 ;;
*) echo "usage: headers.sh c|c++ COMPILER" >&2; exit 2 ;;
esac

compile() {
	"$compiler" -x "$language" -std=$std -Wall -Wextra -Wconversion -Wshadow -Werror \
		-I "$include" "$@" -fsyntax-only
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

# A function and a structure may have one name: g++ calls that a shadow.
for header in nvme.h nvme_regs.h; do
	printf '#include <%s>\n#include <%s>\n' $header $header |
		compile -Wno-shadow -I "$nvme" - && continue
	echo "$header does not compile alone as $std with $compiler" >&2
	bad=$((bad + 1))
done
[ "$bad" -eq 0 ] || exit 1
compile -Wno-shadow -I "$nvme" - <<'END'
#include <nvme.h>
int use(struct udrv_nvme_queue *q, const struct udrv_nvme_ns *ns, void *buf, udrv_nvme_done_t done);
int use(struct udrv_nvme_queue *q, const struct udrv_nvme_ns *ns, void *buf, udrv_nvme_done_t done)
{
	const uint32_t flags = NVME_RW_FUA | NVME_RW_LR;

	return udrv_nvme_write(q, ns, buf, 0, 1, flags, done, buf) ||
	       udrv_nvme_read(q, ns, buf, NVME_BOOT_PAGE, 1, 0, done, buf);
}
END
echo "$compiler: $count headers alone as $std"
