// SPDX-License-Identifier: MIT
/* The tables of regions: changing them. */
#include <errno.h>
#include <stdlib.h>

#include "mem/region.h"

#define CHUNK_MASK ((uint64_t)UDRV__CHUNK - 1)

struct udrv__region_table udrv__regions_by_va;
struct udrv__region_table udrv__regions_by_iova;
uint64_t udrv__dma_epoch = 1; /* a window of zeroes is of none */
const struct udrv__region udrv__no_region;
const struct udrv__region udrv__several_regions;
pthread_mutex_t udrv__regions_lock = PTHREAD_MUTEX_INITIALIZER;
struct udrv__iova_space udrv__iovas;

static const uintptr_t several = (uintptr_t)&udrv__several_regions;

/* What of a region is in one chunk. */
struct part {
	uintptr_t *chunk;
	uint64_t key;	   /* of the first byte */
	unsigned int from; /* pages */
	unsigned int to;   /* inclusive */
};

static bool next_part(struct part *part, uint64_t key, size_t len)
{
	uint64_t end = key + len;
	uint64_t chunk_end;

	part->key = part->key ? (part->key | CHUNK_MASK) + 1 : key;
	if (part->key >= end)
		return false;
	chunk_end = (part->key | CHUNK_MASK) + 1;
	if (chunk_end > end)
		chunk_end = end;
	part->from = (unsigned int)((part->key & CHUNK_MASK) >> UDRV__PAGE_SHIFT);
	part->to = (unsigned int)(((chunk_end - 1) & CHUNK_MASK) >> UDRV__PAGE_SHIFT);
	return true;
}

static bool find_chunk(struct udrv__region_table *table, struct part *part, bool make)
{
	struct udrv__region_leaf **slot =
		&table->leaves[part->key >> (UDRV__CHUNK_SHIFT + UDRV__LEAF_BITS)];
	struct udrv__region_leaf *leaf = *slot;

	if (!leaf && make) {
		leaf = calloc(1, sizeof(*leaf));
		__atomic_store_n(slot, leaf, __ATOMIC_RELEASE);
	}
	if (!leaf)
		return false;
	part->chunk = &leaf->chunks[part->key >> UDRV__CHUNK_SHIFT & ((1u << UDRV__LEAF_BITS) - 1)];
	return true;
}

static uintptr_t *pages_of(uintptr_t entry)
{
	return entry & 1 ? (uintptr_t *)(entry - 1) : NULL;
}

/* Have an entry for each page of the chunk. */
static uintptr_t *split(uintptr_t *chunk)
{
	uintptr_t *pages = pages_of(*chunk);

	if (pages)
		return pages;
	pages = malloc(UDRV__CHUNK_PAGES * sizeof(*pages));
	if (!pages)
		return NULL;
	for (unsigned int i = 0; i < UDRV__CHUNK_PAGES; i++)
		pages[i] = *chunk;
	__atomic_store_n(chunk, (uintptr_t)pages | 1, __ATOMIC_RELEASE);
	return pages;
}

static int insert_part(struct udrv__region_table *table, struct part *part,
		       struct udrv__region *region)
{
	uintptr_t *pages;

	if (!find_chunk(table, part, true))
		return -ENOMEM;
	if (!*part->chunk && !part->from && part->to == UDRV__CHUNK_PAGES - 1) {
		__atomic_store_n(part->chunk, (uintptr_t)region, __ATOMIC_RELEASE);
		return 0;
	}
	pages = split(part->chunk);
	if (!pages)
		return -ENOMEM;
	for (unsigned int i = part->from; i <= part->to; i++)
		__atomic_store_n(&pages[i], pages[i] ? several : (uintptr_t)region,
				 __ATOMIC_RELEASE);
	return 0;
}

int udrv__region_insert(struct udrv__region_table *table, uint64_t key, struct udrv__region *region,
			const struct udrv_list_head *others)
{
	struct part part = {0};

	if (key + region->len > UINT64_C(1) << UDRV__KEY_BITS)
		return -ERANGE;
	while (next_part(&part, key, region->len)) {
		if (!insert_part(table, &part, region))
			continue;
		udrv__region_remove(table, key, region, others);
		return -ENOMEM;
	}
	return 0;
}

/* What is left at an address of the process without that region. */
static uintptr_t rest(const struct udrv_list_head *others, const struct udrv__region *without,
		      uint64_t va)
{
	const struct udrv__region *other;
	uintptr_t found = 0;

	if (!others)
		return 0;
	udrv_list_for_each_entry(other, others, link) {
		if (other == without || va - (uintptr_t)other->va >= other->len)
			continue;
		if (found)
			return several;
		found = (uintptr_t)other;
	}
	return found;
}

static void remove_part(const struct part *part, const struct udrv__region *region,
			const struct udrv_list_head *others)
{
	uintptr_t *pages = pages_of(*part->chunk);

	if (*part->chunk == (uintptr_t)region)
		__atomic_store_n(part->chunk, 0, __ATOMIC_RELEASE);
	for (unsigned int i = part->from; pages && i <= part->to; i++) {
		uint64_t va = part->key + ((uint64_t)(i - part->from) << UDRV__PAGE_SHIFT);

		if (pages[i] == (uintptr_t)region)
			__atomic_store_n(&pages[i], 0, __ATOMIC_RELEASE);
		else if (pages[i] == several)
			__atomic_store_n(&pages[i], rest(others, region, va), __ATOMIC_RELEASE);
	}
}

void udrv__region_remove(struct udrv__region_table *table, uint64_t key,
			 const struct udrv__region *region, const struct udrv_list_head *others)
{
	struct part part = {0};

	while (next_part(&part, key, region->len))
		if (find_chunk(table, &part, false))
			remove_part(&part, region, others);
	__atomic_fetch_add(&udrv__dma_epoch, 1, __ATOMIC_SEQ_CST);
}

static void free_table(struct udrv__region_table *table)
{
	for (size_t i = 0; i < sizeof(table->leaves) / sizeof(table->leaves[0]); i++) {
		struct udrv__region_leaf *leaf = table->leaves[i];

		for (size_t j = 0; leaf && j < 1u << UDRV__LEAF_BITS; j++)
			free(pages_of(leaf->chunks[j]));
		free(leaf);
		table->leaves[i] = NULL;
	}
}

void udrv__region_tables_free(void)
{
	free_table(&udrv__regions_by_va);
	free_table(&udrv__regions_by_iova);
}
