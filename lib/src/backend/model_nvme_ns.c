// SPDX-License-Identifier: MIT
/*
 * What the software NVMe controller's namespaces keep: an image that reads see, and one that is
 * stable. The difference is the volatile write cache. Memory is taken when it is written.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <udrv/log.h>

#include "backend/model_nvme_dev.h"

#define MIB		  ((size_t)1 << 20)
#define SECOND_MIB	  16
#define UNALLOCATED_MIB	  256
#define SMALLEST_BLOCK	  512
#define META_PER_BLOCK	  8
#define BITS		  64
#define PAGE		  4096
#define META_LEN(bytes)	  ((bytes) / SMALLEST_BLOCK * META_PER_BLOCK)
#define BITMAP_LEN(bytes) ((bytes) / SMALLEST_BLOCK / 8 + sizeof(uint64_t))

static size_t page_up(size_t len)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (len + page - 1) & ~(page - 1);
}

/* The file is what is stable, and seen through a private copy. */
static int map_file(struct udrv__nvme_ns *ns, int fd)
{
	if (mmap(ns->data, ns->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0) ==
		    MAP_FAILED ||
	    mmap(ns->stable, ns->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
		    MAP_FAILED)
		return -errno;
	return 0;
}

int udrv__nvme_ns_alloc(struct udrv__nvme_ns *ns, size_t bytes, int fd)
{
	const size_t data = page_up(bytes), meta = page_up(META_LEN(bytes));
	const size_t bitmap = page_up(BITMAP_LEN(bytes));
	const size_t len = 2 * (data + meta + bitmap);
	unsigned char *at = mmap(NULL, len, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int ret;

	if (at == MAP_FAILED)
		return -ENOMEM;
	*ns = (struct udrv__nvme_ns){
		.allocated = true,
		.nsid = ns->nsid,
		.generation = ns->generation,
		.bytes = bytes,
		.map = at,
		.map_len = len,
		.in_file = fd >= 0,
		.data = at,
		.stable = at + data,
		.meta = at + 2 * data,
		.stable_meta = at + 2 * data + meta,
		.dirty = (uint64_t *)(void *)(at + 2 * (data + meta)),
		.bad = (uint64_t *)(void *)(at + 2 * (data + meta) + bitmap),
	};
	ret = fd < 0 ? 0 : map_file(ns, fd);
	if (ret)
		udrv__nvme_ns_free(ns);
	return ret;
}

void udrv__nvme_ns_free(struct udrv__nvme_ns *ns)
{
	if (ns->map)
		munmap(ns->map, ns->map_len);
	*ns = (struct udrv__nvme_ns){.nsid = ns->nsid, .generation = ns->generation};
}

static void set_format(struct udrv__nvme_ns *ns, unsigned int lbaf, bool extended)
{
	ns->lbaf = (uint8_t)lbaf;
	ns->lba_shift = udrv__nvme_lbaf_shift(lbaf);
	ns->ms = udrv__nvme_lbaf_ms(lbaf);
	ns->extended = extended && ns->ms;
	ns->blocks = ns->bytes >> ns->lba_shift;
	ns->dirty_from = ns->dirty_to = 0;
}

/* Bits of [from, to). */
static void set_bits(uint64_t *bits, uint64_t from, uint64_t to, bool value)
{
	while (from < to) {
		const uint64_t in_word = from % BITS;
		const uint64_t count = BITS - in_word < to - from ? BITS - in_word : to - from;
		const uint64_t mask = (~0ULL >> (BITS - count)) << in_word;

		if (value)
			bits[from / BITS] |= mask;
		else
			bits[from / BITS] &= ~mask;
		from += count;
	}
}

/* The first bit set of [from, to), or to. */
static uint64_t find_bit(const uint64_t *bits, uint64_t from, uint64_t to)
{
	while (from < to) {
		const uint64_t word = bits[from / BITS] >> (from % BITS);

		if (word) {
			from += (uint64_t)__builtin_ctzll(word);
			return from < to ? from : to;
		}
		from += BITS - from % BITS;
	}
	return to;
}

/* Memory that was never written is not made by zeroes. */
static void copy(unsigned char *to, const unsigned char *from, size_t len)
{
	if (memcmp(to, from, len))
		memcpy(to, from, len);
}

static void copy_blocks(struct udrv__nvme_ns *ns, uint64_t lba, uint64_t count, bool to_stable)
{
	const size_t at = lba << ns->lba_shift, len = count << ns->lba_shift;
	const size_t meta_at = lba * ns->ms, meta_len = count * ns->ms;

	if (to_stable) {
		copy(ns->stable + at, ns->data + at, len);
		copy(ns->stable_meta + meta_at, ns->meta + meta_at, meta_len);
	} else {
		copy(ns->data + at, ns->stable + at, len);
		copy(ns->meta + meta_at, ns->stable_meta + meta_at, meta_len);
	}
}

/* All that differs becomes the same, one way or the other. */
static void settle(struct udrv__nvme_ns *ns, bool to_stable)
{
	const uint64_t end = ns->dirty_to;
	uint64_t lba = ns->dirty_from;

	while ((lba = find_bit(ns->dirty, lba, end)) < end) {
		copy_blocks(ns, lba, 1, to_stable);
		lba++;
	}
	set_bits(ns->dirty, ns->dirty_from, end, false);
	ns->dirty_from = ns->dirty_to = 0;
}

void udrv__nvme_ns_wrote(struct udrv__nvme_ns *ns, uint64_t lba, uint64_t count, bool persist)
{
	if (ns->any_bad)
		set_bits(ns->bad, lba, lba + count, false);
	if (persist)
		copy_blocks(ns, lba, count, true);
	set_bits(ns->dirty, lba, lba + count, !persist);
	if (persist)
		return;
	if (ns->dirty_from == ns->dirty_to)
		ns->dirty_from = ns->dirty_to = lba;
	if (lba < ns->dirty_from)
		ns->dirty_from = lba;
	if (lba + count > ns->dirty_to)
		ns->dirty_to = lba + count;
}

/* A page that was never written is not made by looking at it; one that is zero is left alone. */
static void zero(unsigned char *at, size_t len)
{
	static const unsigned char zeroes[PAGE];

	while (len) {
		const size_t piece = len < PAGE ? len : PAGE;

		if (memcmp(at, zeroes, piece))
			memset(at, 0, piece);
		at += piece;
		len -= piece;
	}
}

/* 8.3.1.5: tags of all ones are checked by nobody. */
static void clear_meta(const struct udrv__nvme_ns *ns, unsigned char *at, size_t len)
{
	if (ns->pi)
		memset(at, 0xff, len);
	else
		zero(at, len);
}

void udrv__nvme_ns_zero(struct udrv__nvme_ns *ns, uint64_t lba, uint64_t count, bool persist)
{
	zero(ns->data + (lba << ns->lba_shift), count << ns->lba_shift);
	clear_meta(ns, ns->meta + lba * ns->ms, count * ns->ms);
	udrv__nvme_ns_wrote(ns, lba, count, persist);
}

void udrv__nvme_ns_flush(struct udrv__nvme_ns *ns)
{
	settle(ns, true);
}

void udrv__nvme_ns_power_cut(struct udrv__nvme_ns *ns)
{
	settle(ns, false);
}

void udrv__nvme_ns_set_bad(struct udrv__nvme_ns *ns, uint64_t lba, uint64_t count, bool bad)
{
	set_bits(ns->bad, lba, lba + count, bad);
	ns->any_bad |= bad;
}

bool udrv__nvme_ns_is_bad(const struct udrv__nvme_ns *ns, uint64_t lba, uint64_t count)
{
	return ns->any_bad && find_bit(ns->bad, lba, lba + count) < lba + count;
}

void udrv__nvme_flush_all(struct udrv__nvme *n)
{
	for (unsigned int i = 1; i <= UDRV__MODEL_NVME_NS_MAX; i++)
		udrv__nvme_ns_flush(&n->ns[i]);
}

/* All of it; memory is given back, a file's is overwritten. */
static void zero_all(struct udrv__nvme_ns *ns)
{
	if (!ns->in_file && !madvise(ns->map, ns->map_len, MADV_DONTNEED))
		return;
	zero(ns->data, ns->bytes);
	zero(ns->stable, ns->bytes);
	zero(ns->meta, META_LEN(ns->bytes));
	zero(ns->stable_meta, META_LEN(ns->bytes));
	memset(ns->dirty, 0, BITMAP_LEN(ns->bytes));
	memset(ns->bad, 0, BITMAP_LEN(ns->bytes));
}

void udrv__nvme_ns_format(struct udrv__nvme_ns *ns, unsigned int lbaf, bool extended,
			  unsigned int pi)
{
	const size_t meta = META_LEN(ns->bytes);

	ns->pi = (uint8_t)pi;
	zero_all(ns);
	if (pi) {
		clear_meta(ns, ns->meta, meta);
		clear_meta(ns, ns->stable_meta, meta);
	}
	ns->any_bad = false;
	set_format(ns, lbaf, extended);
}

static int close_with_errno(int fd)
{
	const int err = errno;

	close(fd);
	return -err;
}

/* Opened, and as long as it should be, or *bytes as long as it is. */
static int open_file(const char *path, size_t *bytes)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0) {
		if (st.st_size >= PAGE)
			*bytes = (size_t)st.st_size & ~(size_t)(PAGE - 1);
		if (st.st_size >= PAGE || ftruncate(fd, (off_t)*bytes) == 0)
			return fd;
	}
	return close_with_errno(fd);
}

static int init_first(struct udrv__nvme *n)
{
	const char *path = getenv("UDRV_MODEL_NVME_FILE");
	size_t bytes = n->first_mib * MIB;
	int fd = -1, ret;

	if (path && *path) {
		fd = open_file(path, &bytes);
		if (fd < 0) {
			udrv_pr_err("%s: cannot be namespace 1, as UDRV_MODEL_NVME_FILE says: %s",
				    path, strerror(-fd));
			return fd;
		}
	}
	ret = udrv__nvme_ns_alloc(&n->ns[1], bytes, fd);
	if (fd >= 0)
		close(fd);
	return ret;
}

int udrv__nvme_ns_init(struct udrv__nvme *n)
{
	int ret;

	n->unallocated = UNALLOCATED_MIB * MIB;
	for (unsigned int i = 0; i <= UDRV__MODEL_NVME_NS_MAX; i++)
		n->ns[i].nsid = i;
	ret = init_first(n);
	if (!ret)
		ret = udrv__nvme_ns_alloc(&n->ns[2], SECOND_MIB * MIB, -1);
	if (ret)
		return ret;
	for (unsigned int i = 1; i <= 2; i++) {
		n->ns[i].attached = true;
		set_format(&n->ns[i], n->first_lbaf, false);
	}
	return 0;
}

void udrv__nvme_ns_end(struct udrv__nvme *n)
{
	for (unsigned int i = 1; i <= UDRV__MODEL_NVME_NS_MAX; i++)
		udrv__nvme_ns_free(&n->ns[i]);
}
