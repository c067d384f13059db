// SPDX-License-Identifier: MIT
/*
 * A reader's side of the statistics of caches. What is in the file is believed only as far as
 * nothing but the figures shown depends on it.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "mem/slab_stat.h"
#include "stat/file.h"

static bool is_slabs(const void *mapped, size_t size)
{
	const struct udrv__slab_header *h = mapped;

	return !memcmp(h->magic, UDRV__SLAB_STAT_MAGIC, sizeof(h->magic)) &&
	       h->version == UDRV__SLAB_STAT_VERSION && h->header_size == sizeof(*h) &&
	       h->record_size == sizeof(struct udrv__slab_record) &&
	       h->record_count == UDRV__SLAB_CACHES && h->block_size == UDRV__SLAB_BLOCK_BYTES &&
	       h->block_count == UDRV__SLAB_BLOCKS && !(h->blocks_at % sizeof(uint64_t)) &&
	       size >= h->header_size + h->record_count * h->record_size &&
	       !h->driver[sizeof(h->driver) - 1] && !h->device[sizeof(h->device) - 1];
}

int udrv__slab_view_open(struct udrv__slab_view *view, const char *path)
{
	const void *mapped;
	int ret = udrv__stat_file_map(path, sizeof(*view->header), is_slabs, &mapped, &view->size);

	if (!ret)
		view->header = mapped;
	return ret;
}

void udrv__slab_view_close(struct udrv__slab_view *view)
{
	(void)munmap((void *)(uintptr_t)view->header, view->size);
	view->header = NULL;
}

static uint64_t get(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

/* What thread @block counted for cache @nr, or NULL. */
static const struct udrv__slab_counts *counts_of(const struct udrv__slab_view *view,
						 unsigned int block, unsigned int nr)
{
	const size_t at = nr * sizeof(struct udrv__slab_counts);
	const size_t from = view->header->blocks_at + (size_t)block * UDRV__SLAB_BLOCK_BYTES + at;
	const size_t end = from + sizeof(struct udrv__slab_counts);
	uint32_t counted = __atomic_load_n(&view->header->counted[block], __ATOMIC_ACQUIRE);

	if (at + sizeof(struct udrv__slab_counts) > counted || end > view->size)
		return NULL;
	return (const void *)((const char *)view->header + from);
}

/* Frees first: no object is then freed that was not allocated. */
static void add_up(const struct udrv__slab_view *view, unsigned int nr,
		   const struct udrv__slab_record *r, struct udrv__slab_reading *reading)
{
	const struct udrv__slab_counts *c;
	uint64_t misses;

	reading->frees = get(&r->past_frees);
	for (unsigned int i = 0; i < UDRV__SLAB_BLOCKS; i++)
		reading->frees += (c = counts_of(view, i, nr)) ? get(&c->frees) : 0;
	misses = get(&r->past_misses);
	reading->allocs = get(&r->past_allocs);
	for (unsigned int i = 0; i < UDRV__SLAB_BLOCKS; i++) {
		c = counts_of(view, i, nr);
		misses += c ? get(&c->misses) : 0;
		reading->allocs += c ? get(&c->allocs) : 0;
	}
	reading->hits = reading->allocs > misses ? reading->allocs - misses : 0;
	reading->active = reading->allocs > reading->frees ? reading->allocs - reading->frees : 0;
}

static void tidy(struct udrv__slab_reading *reading)
{
	struct udrv__slab_record *r = &reading->record;

	r->name[sizeof(r->name) - 1] = 0;
	for (char *c = r->name; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	if (reading->active > r->total)
		reading->active = r->total;
}

int udrv__slab_view_read(const struct udrv__slab_view *view, unsigned int nr,
			 struct udrv__slab_reading *reading)
{
	const struct udrv__slab_record *r =
		(const struct udrv__slab_record *)(const void *)(view->header + 1) + nr;
	unsigned int tries = 0;
	uint32_t sequence;

	do {
		sequence = __atomic_load_n(&r->sequence, __ATOMIC_ACQUIRE);
		reading->record = *r;
		if (reading->record.made_ns)
			add_up(view, nr, r, reading);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while ((sequence & 1 || sequence != __atomic_load_n(&r->sequence, __ATOMIC_RELAXED)) &&
		 udrv__stat_file_again(&tries));
	tidy(reading);
	return reading->record.made_ns ? 0 : -ENOENT;
}
