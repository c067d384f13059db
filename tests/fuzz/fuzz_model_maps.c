// SPDX-License-Identifier: MIT
/* Mappings: what may be mapped, and what becomes of it. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz_model.h"

static struct model_map *free_map(struct model *m)
{
	for (int i = 0; i < MODEL_MAPS; i++)
		if (!m->maps[i].addr)
			return &m->maps[i];
	return NULL;
}

static struct model_map *any_map(struct model *m)
{
	int first = (int)fuzz_below(&m->rng, MODEL_MAPS);

	for (int i = 0; i < MODEL_MAPS; i++) {
		struct model_map *map = &m->maps[(first + i) % MODEL_MAPS];

		if (map->addr)
			return map;
	}
	return NULL;
}

static void unmap(struct model_map *map)
{
	EXPECT(fuzz_munmap(map->addr, map->size), 0);
	map->addr = NULL;
}

void model_unmap_file(struct model *m, int file)
{
	for (int i = 0; i < MODEL_MAPS; i++)
		if (m->maps[i].addr && m->maps[i].file == file)
			unmap(&m->maps[i]);
}

bool model_dma_is_mapped(const struct model *m, int dma)
{
	for (int i = 0; i < MODEL_MAPS; i++)
		if (m->maps[i].addr && m->maps[i].dma == dma)
			return true;
	return false;
}

const volatile struct udrv_stub_vector *model_vectors(const struct model *m)
{
	for (int i = 0; i < MODEL_MAPS; i++)
		if (m->maps[i].addr && m->maps[i].vectors)
			return (const volatile struct udrv_stub_vector *)m->maps[i].addr;
	return NULL;
}

/* With the device there, and not otherwise, memory answers. */
static void touch(const struct model *m, const struct model_map *map)
{
	size_t last = map->size - FUZZ_PAGE;
	uint32_t value;
	int signal = fuzz_load(map->addr, &value);

	if (signal)
		fuzz_fail("signal %d in a mapping of BAR %d, DMA memory %d, vectors %d", signal,
			  map->bar, map->dma, map->vectors);
	if (map->dma >= 0)
		MODEL_CHECK(value == m->dmas[map->dma].stamp);
	MODEL_CHECK(fuzz_load(map->addr + last, &value) == 0);
	if (map->dma >= 0 && last)
		MODEL_CHECK(value == 0);
}

void model_touch(struct model *m)
{
	for (int i = 0; i < MODEL_MAPS; i++)
		if (m->maps[i].addr)
			touch(m, &m->maps[i]);
}

static bool is_mapped_otherwise(const struct model *m, int bar, bool wc)
{
	for (int i = 0; i < MODEL_MAPS; i++)
		if (m->maps[i].addr && m->maps[i].bar == bar && m->maps[i].wc != wc)
			return true;
	return false;
}

static bool may_be_mapped(const struct udrv_stub_bar *bar, uint64_t offset, uint64_t size, bool wc)
{
	uint64_t len = (bar->len + FUZZ_PAGE - 1) & ~(FUZZ_PAGE - 1);

	if (!(bar->flags & UDRV_STUB_BAR_MMAP) || offset >= len || size > len - offset)
		return false;
	if (bar->hole_len && offset < bar->hole_offset + bar->hole_len &&
	    bar->hole_offset < offset + size)
		return false;
	return !wc || bar->flags & UDRV_STUB_BAR_PREFETCH;
}

/* The first @pages or so of a range, or beyond it. */
static uint64_t any_pages(struct model *m, uint64_t len)
{
	uint64_t pages = (len + FUZZ_PAGE - 1) / FUZZ_PAGE;

	switch (fuzz_below(&m->rng, 4)) {
	case 0:
		return 1;
	case 1:
		return pages ? pages : 1;
	case 2:
		return pages + 1;
	default:
		return 1 + fuzz_below(&m->rng, 8);
	}
}

void model_map_bar(struct model *m)
{
	struct model_map *map = free_map(m);
	uint32_t bar = fuzz_below(&m->rng, UDRV_STUB_BARS);
	int file = model_any_file(m);
	const struct udrv_stub_bar *b = &fuzz.info.bars[bar];
	bool wc = fuzz_one_in(&m->rng, 3);
	uint64_t size = any_pages(m, b->len) * FUZZ_PAGE;
	uint64_t offset = fuzz_one_in(&m->rng, 2) ? 0 : any_pages(m, b->len) * FUZZ_PAGE;
	uint64_t region = wc ? UDRV_STUB_REGION_BAR_WC(bar) : UDRV_STUB_REGION_BAR(bar);
	bool writable = fuzz_one_in(&m->rng, 2);
	void *addr = NULL;
	long result;

	if (!map)
		return;
	result =
		fuzz_mmap(FUZZ_MMAP_BAR, &addr, size, writable ? PROT_READ | PROT_WRITE : PROT_READ,
			  MAP_SHARED, m->files[file], UDRV_STUB_OFFSET(region) + offset);
	if (!may_be_mapped(b, offset, size, wc))
		EXPECT(result, -EINVAL);
	else
		EXPECT(result, is_mapped_otherwise(m, (int)bar, wc) ? -EBUSY : 0);
	if (result)
		return;
	*map = (struct model_map){.addr = addr,
				  .size = size,
				  .file = file,
				  .bar = (int)bar,
				  .wc = wc,
				  .dma = -1,
				  .writable = writable};
	touch(m, map);
}

void model_map_vectors(struct model *m)
{
	struct model_map *map = free_map(m);
	int file = model_any_file(m);
	uint64_t len = fuzz.info.vectors_len;
	uint64_t offset = UDRV_STUB_OFFSET(UDRV_STUB_REGION_VECTORS);
	void *addr = NULL;

	EXPECT(fuzz_mmap(FUZZ_MMAP_VECTORS, &addr, len, PROT_READ | PROT_WRITE, MAP_SHARED,
			 m->files[file], offset),
	       -EINVAL, -EPERM, -EACCES);
	EXPECT(fuzz_mmap(FUZZ_MMAP_VECTORS, &addr, len + FUZZ_PAGE, PROT_READ, MAP_SHARED,
			 m->files[file], offset),
	       -EINVAL);
	EXPECT(fuzz_mmap(FUZZ_MMAP_VECTORS, &addr, FUZZ_PAGE, PROT_READ, MAP_SHARED, m->files[file],
			 offset + len),
	       -EINVAL);
	if (!map)
		return;
	EXPECT(fuzz_mmap(FUZZ_MMAP_VECTORS, &addr, len, PROT_READ, MAP_SHARED, m->files[file],
			 offset),
	       0);
	*map = (struct model_map){
		.addr = addr, .size = len, .file = file, .bar = -1, .vectors = true, .dma = -1};
	touch(m, map);
}

/* From its start on, up to its end, by the file that has it. */
void model_map_dma(struct model *m)
{
	struct model_map *map = free_map(m);
	int i = (int)fuzz_below(&m->rng, MODEL_DMAS), other = model_any_file(m);
	struct model_dma *d = &m->dmas[i];
	int prot = PROT_READ | PROT_WRITE;
	void *addr = NULL;
	size_t size;

	if (!map || d->file == MODEL_NOBODY)
		return;
	if (other != d->file && !fuzz_one_in(&m->rng, 4)) {
		bool same = false;

		for (int j = 0; j < MODEL_DMAS; j++)
			same = same || (m->dmas[j].file == other && m->dmas[j].handle == d->handle);
		if (!same)
			EXPECT(fuzz_mmap(FUZZ_MMAP_DMA, &addr, FUZZ_PAGE, prot, MAP_SHARED,
					 m->files[other], d->handle),
			       -EINVAL, -ENOENT);
	}
	EXPECT(fuzz_mmap(FUZZ_MMAP_DMA, &addr, d->size + FUZZ_PAGE, prot, MAP_SHARED,
			 m->files[d->file], d->handle),
	       -EINVAL);
	EXPECT(fuzz_mmap(FUZZ_MMAP_DMA, &addr, FUZZ_PAGE, prot, MAP_SHARED, m->files[d->file],
			 d->handle + FUZZ_PAGE),
	       -EINVAL);
	size = (1 + fuzz_below(&m->rng, (uint32_t)(d->size / FUZZ_PAGE))) * FUZZ_PAGE;
	EXPECT(fuzz_mmap(FUZZ_MMAP_DMA, &addr, size, prot, MAP_SHARED, m->files[d->file],
			 d->handle),
	       d->pinned ? -EINVAL : 0);
	if (d->pinned)
		return;
	*map = (struct model_map){
		.addr = addr, .size = size, .file = d->file, .bar = -1, .dma = i, .writable = true};
	touch(m, map);
	d->stamp = (uint32_t)fuzz_u64(&m->rng);
	MODEL_CHECK(fuzz_store(map->addr, d->stamp) == 0);
}

/* UIO's maps are the BARs that can be mapped, in their order. */
void model_map_uio(struct model *m)
{
	struct model_map *map = free_map(m);
	int uio = (int)fuzz_below(&m->rng, MODEL_UIOS);
	uint64_t number = 0;
	void *addr = NULL;

	if (!map || m->uios[uio] < 0)
		return;
	for (int bar = 0; bar < UDRV_STUB_BARS; bar++) {
		const struct udrv_stub_bar *b = &fuzz.info.bars[bar];
		uint64_t offset = number * FUZZ_PAGE;

		if (!(b->flags & UDRV_STUB_BAR_MMAP))
			continue;
		number++;
		EXPECT(fuzz_mmap(FUZZ_UIO_MMAP, &addr, b->len + FUZZ_PAGE, PROT_READ, MAP_SHARED,
				 m->uios[uio], offset),
		       -EINVAL);
		EXPECT(fuzz_mmap(FUZZ_UIO_MMAP, &addr, FUZZ_PAGE, PROT_READ, MAP_PRIVATE,
				 m->uios[uio], offset),
		       -EINVAL);
		if (b->hole_len || fuzz_one_in(&m->rng, 2))
			continue;
		if (is_mapped_otherwise(m, bar, false)) {
			EXPECT(fuzz_mmap(FUZZ_UIO_MMAP, &addr, b->len, PROT_READ, MAP_SHARED,
					 m->uios[uio], offset),
			       -EBUSY);
			continue;
		}
		EXPECT(fuzz_mmap(FUZZ_UIO_MMAP, &addr, b->len, PROT_READ, MAP_SHARED, m->uios[uio],
				 offset),
		       0);
		*map = (struct model_map){.addr = addr,
					  .size = b->len,
					  .file = MODEL_UIO + uio,
					  .bar = bar,
					  .dma = -1};
		touch(m, map);
		return;
	}
	EXPECT(fuzz_mmap(FUZZ_UIO_MMAP, &addr, FUZZ_PAGE, PROT_READ, MAP_SHARED, m->uios[uio],
			 (number + fuzz_below(&m->rng, 8)) * FUZZ_PAGE),
	       -EINVAL);
}

/* Private copies, and what is no region. */
void model_map_bad(struct model *m)
{
	static const uint64_t regions[] = {6, 7, 9, 15, 22, 23, 255, 0x10000, 0x7fffff};
	int fd = m->files[model_any_file(m)];
	uint64_t bar = fuzz_below(&m->rng, UDRV_STUB_BARS);
	void *addr = NULL;

	EXPECT(fuzz_mmap(FUZZ_MMAP_BAR, &addr, FUZZ_PAGE, PROT_READ, MAP_SHARED, fd,
			 UDRV_STUB_OFFSET(regions[fuzz_below(&m->rng, 9)])),
	       -EINVAL, -EOVERFLOW);
	EXPECT(fuzz_mmap(FUZZ_MMAP_BAR, &addr, FUZZ_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd,
			 UDRV_STUB_OFFSET(bar)),
	       -EINVAL);
	EXPECT(fuzz_mmap(FUZZ_MMAP_BAR, &addr, (1ull << 41) + FUZZ_PAGE, PROT_READ, MAP_SHARED, fd,
			 UDRV_STUB_OFFSET(bar)),
	       -EINVAL, -ENOMEM);
	/* The last page of one region and the first of the next. */
	EXPECT(fuzz_mmap(FUZZ_MMAP_BAR, &addr, 2 * FUZZ_PAGE, PROT_READ, MAP_SHARED, fd,
			 UDRV_STUB_OFFSET(bar + 1) - FUZZ_PAGE),
	       -EINVAL);
}

void model_unmap(struct model *m)
{
	struct model_map *map = any_map(m);

	if (!map)
		return;
	touch(m, map);
	unmap(map);
}

/* Changes of mappings -------------------------------------------------------------------------- */

static long remap(struct model_map *map, size_t size, int flags, void *where)
{
	void *result = mremap(map->addr, map->size, size, flags, where);

	if (result == MAP_FAILED)
		return fuzz_count(FUZZ_MREMAP, -errno);
	map->addr = result;
	map->size = size;
	return fuzz_count(FUZZ_MREMAP, 0);
}

static void move_map(struct model_map *map)
{
	void *where = mmap(NULL, map->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	MODEL_CHECK(where != MAP_FAILED);
	EXPECT(remap(map, map->size, MREMAP_MAYMOVE | MREMAP_FIXED, where), 0);
}

static void protect(struct model *m, struct model_map *map)
{
	long result = mprotect(map->addr, map->size, PROT_READ | PROT_WRITE) ? -errno : 0;
	uint32_t value;

	fuzz_count(FUZZ_MPROTECT, result);
	if (map->vectors) {
		EXPECT(result, -EACCES);
		return;
	}
	EXPECT(result, 0);
	map->split = map->split || map->size > FUZZ_PAGE;
	EXPECT(fuzz_count(FUZZ_MPROTECT, mprotect(map->addr, FUZZ_PAGE, PROT_NONE) ? -errno : 0),
	       0);
	MODEL_CHECK(fuzz_load(map->addr, &value) != 0);
	EXPECT(fuzz_count(FUZZ_MPROTECT,
			  mprotect(map->addr, map->size,
				   map->writable ? PROT_READ | PROT_WRITE : PROT_READ)
				  ? -errno
				  : 0),
	       0);
	touch(m, map);
}

static void advise(struct model *m, struct model_map *map)
{
	static const uint8_t advice[] = {0,  1,	 2,  3,	 4,  8,	 9,  12, 13, 14, 15,
					 16, 17, 18, 19, 20, 21, 22, 23, 24, 25};
	struct iovec local = {&(uint64_t){0}, 8}, remote = {map->addr, 8};
	unsigned char present[512];
	long result;

	result = madvise(map->addr, map->size, advice[fuzz_below(&m->rng, sizeof(advice))]);
	fuzz_count(FUZZ_MADVISE, result ? -errno : 0);
	/* Other ways to reach the pages behind an address. */
	switch (fuzz_below(&m->rng, 4)) {
	case 0:
		result = mlock(map->addr, map->size) || munlock(map->addr, map->size);
		break;
	case 1:
		result = msync(map->addr, map->size, MS_SYNC | MS_INVALIDATE);
		break;
	case 2:
		result = map->size / FUZZ_PAGE <= sizeof(present) &&
			 mincore(map->addr, map->size, present);
		break;
	default:
		result = process_vm_readv(getpid(), &local, 1, &remote, 1, 0) < 0;
	}
	fuzz_count(FUZZ_MADVISE, result ? -errno : 0);
	/* MADV_DONTNEED ends this one, because its pages are there from the beginning. */
	if (map->vectors)
		unmap(map);
}

/* A part goes: with something else in its place, so that nobody gets the address. */
static void cut(struct model *m, struct model_map *map)
{
	size_t pages = map->size / FUZZ_PAGE;
	size_t at = fuzz_below(&m->rng, (uint32_t)pages);

	if (pages < 2)
		return;
	MODEL_CHECK(mmap(map->addr + at * FUZZ_PAGE, FUZZ_PAGE, PROT_READ,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
	unmap(map);
}

void model_change_map(struct model *m)
{
	struct model_map *map = any_map(m);

	if (!map)
		return;
	/* mremap() is for one VMA. */
	switch (map->split ? 4 + fuzz_below(&m->rng, 3) : fuzz_below(&m->rng, 7)) {
	case 0: /* beyond what was granted */
		MODEL_CHECK(remap(map, map->size + FUZZ_PAGE, MREMAP_MAYMOVE, NULL) != 0);
		break;
	case 1: /* a second one from nothing: not of such a mapping */
		MODEL_CHECK(fuzz_count(FUZZ_MREMAP,
				       mremap(map->addr, 0, map->size, MREMAP_MAYMOVE) == MAP_FAILED
					       ? -errno
					       : 0) != 0);
		break;
	case 2:
		if (map->size > FUZZ_PAGE)
			EXPECT(remap(map, map->size - FUZZ_PAGE, 0, NULL), 0);
		break;
	case 3:
		move_map(map);
		break;
	case 4:
		protect(m, map);
		break;
	case 5:
		advise(m, map);
		break;
	default:
		cut(m, map);
		return;
	}
	if (map->addr)
		touch(m, map);
}

/* Processes ------------------------------------------------------------------------------------ */

static long free_dma(struct model *m, struct model_dma *d)
{
	struct udrv_stub_dma_free arg = {.abi = UDRV_STUB_ABI, .handle = d->handle};

	return fuzz_ioctl(FUZZ_DMA_FREE, m->files[d->file], UDRV_STUB_DMA_FREE, &arg, sizeof(arg));
}

/* A child has the mappings, too: memory that only it maps still is in use. */
void model_fork(struct model *m)
{
	int end[2], dma = -1, status;
	char nothing;
	pid_t pid;

	MODEL_CHECK(pipe(end) == 0);
	pid = fork();
	fuzz_count(FUZZ_FORK, pid < 0 ? -errno : 0);
	if (pid == 0) {
		close(end[1]);
		model_touch(m);
		while (read(end[0], &nothing, 1) > 0)
			;
		model_touch(m);
		_exit(0);
	}
	close(end[0]);
	for (int i = 0; i < MODEL_MAPS && dma < 0; i++)
		if (m->maps[i].addr)
			dma = m->maps[i].dma;
	for (int i = 0; i < MODEL_MAPS; i++)
		if (m->maps[i].addr && m->maps[i].dma == dma && dma >= 0)
			unmap(&m->maps[i]);
	if (dma >= 0)
		EXPECT(free_dma(m, &m->dmas[dma]), -EBUSY);
	close(end[1]);
	MODEL_CHECK(waitpid(pid, &status, 0) == pid);
	if (status)
		_exit(1);
	if (dma < 0)
		return;
	EXPECT(free_dma(m, &m->dmas[dma]), 0);
	m->dmas[dma].file = MODEL_NOBODY;
}
