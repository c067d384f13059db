// SPDX-License-Identifier: MIT
/*
 * A device's bounce memory is an arena of its own, in no table: so a look-up does not find it, and
 * mapping, unmapping and bus_to_virt() of all other memory are as without it.
 */
#include <errno.h>
#include <string.h>

#include <udrv/barrier.h>

#include "mem/bounce.h"
#include "mem/lock.h"
#include "mem/runs.h"
#include "pci/device.h"

/* A place in bounce memory. */
struct place {
	struct udrv__region *region;
	size_t page; /* the run's first one */
	char *va;    /* of the copy's first byte */
	udrv_iova_t iova;
	struct udrv__bounce bounce; /* as it was when it was found */
};

static size_t in_page(const struct udrv__bounce *bounce)
{
	return (uintptr_t)bounce->va & (UDRV__PAGE_MIN - 1);
}

/* All below under the arena's lock. */

static struct udrv__region *region_with(struct udrv__arena *arena, const char *va)
{
	struct udrv__region *region;

	udrv_list_for_each_entry(region, &arena->regions, link)
		if ((size_t)(va - region->va) < region->len)
			return region;
	return NULL;
}

static struct udrv__region *region_at(const struct udrv__arena *arena, udrv_iova_t addr)
{
	struct udrv__region *region;

	udrv_list_for_each_entry(region, &arena->regions, link)
		if (addr - region->iova < region->len)
			return region;
	return NULL;
}

static bool find_in(struct udrv__region *region, udrv_iova_t addr, struct place *place)
{
	size_t page = udrv__run_of(region, (size_t)(addr - region->iova) >> UDRV__PAGE_SHIFT);
	size_t offset;

	if (page == UDRV__NO_RUN || !region->bounces[page].va)
		return false;
	place->region = region;
	place->page = page;
	place->bounce = region->bounces[page];
	offset = (page << UDRV__PAGE_SHIFT) + in_page(&place->bounce);
	place->va = region->va + offset;
	place->iova = region->iova + offset;
	return true;
}

static void give(const struct place *place)
{
	udrv__run_give(place->region, place->page, udrv__run_length(place->region, place->page));
}

/* The lock is taken here. */

static udrv_iova_t record(struct udrv__arena *arena, const char *run,
			  const struct udrv__bounce *bounce)
{
	struct udrv__region *region;
	size_t offset;

	udrv__mem_lock(&arena->lock);
	region = region_with(arena, run);
	offset = (size_t)(run - region->va);
	region->bounces[offset >> UDRV__PAGE_SHIFT] = *bounce;
	udrv__mem_unlock(&arena->lock);
	return region->iova + offset + in_page(bounce);
}

udrv_iova_t udrv__bounce_map(struct udrv_device *dev, void *ptr, size_t size,
			     enum udrv_dma_data_direction dir, bool explain)
{
	struct udrv__dma *dma = dev->dma;
	const struct udrv__bounce bounce = {.va = ptr, .size = size, .dir = dir};
	size_t offset = in_page(&bounce);
	struct udrv__arena_want want = {
		.dev = dev,
		.len = udrv__dma_round_up(dma, offset + size),
		.limit = udrv_dma_get_mask(dev),
		.node = dma->node,
		.gfp = UDRV_GFP_KERNEL | (explain ? 0 : UDRV_GFP_NOWARN),
	};
	char *run;

	want.align = udrv__dma_order_align(want.len);
	run = udrv__arena_alloc(&dma->domain->bounce, &want);
	if (!run)
		return UDRV_DMA_MAPPING_ERROR;
	/* In every direction: what the device does not write is to stay as it is. */
	memcpy(run + offset, ptr, size);
	return record(&dma->domain->bounce, run, &bounce);
}

/* From now on nobody else finds it, if it is the one that is meant. */
static bool take(struct udrv__arena *arena, udrv_iova_t addr, size_t pages, struct place *place)
{
	struct udrv__region *region;
	bool found;

	udrv__mem_lock(&arena->lock);
	region = region_at(arena, addr);
	found = region && find_in(region, addr, place) && place->iova == addr &&
		udrv__run_length(region, place->page) == pages;
	if (found)
		region->bounces[place->page].va = NULL;
	udrv__mem_unlock(&arena->lock);
	return found;
}

bool udrv__bounce_unmap(const struct udrv__dma *dma, udrv_iova_t addr, size_t size)
{
	struct udrv__arena *arena = &dma->domain->bounce;
	size_t len = udrv__dma_round_up(dma, (addr & (UDRV__PAGE_MIN - 1)) + size);
	struct place place;

	if (!take(arena, addr, len >> UDRV__PAGE_SHIFT, &place))
		return false;
	if (place.bounce.dir != UDRV_DMA_TO_DEVICE) {
		udrv_dma_rmb();
		memcpy(place.bounce.va, place.va, place.bounce.size);
	}
	udrv__mem_lock(&arena->lock);
	give(&place);
	udrv__mem_unlock(&arena->lock);
	return true;
}

/* What the mapping is for, and this call too. */
static bool goes(enum udrv_dma_data_direction mapped, enum udrv_dma_data_direction dir,
		 enum udrv_dma_data_direction not_this)
{
	return mapped != not_this && dir != not_this;
}

void udrv__bounce_sync(const struct udrv__dma *dma, udrv_iova_t addr, size_t size,
		       enum udrv_dma_data_direction dir, bool for_cpu)
{
	struct udrv__arena *arena = &dma->domain->bounce;
	struct udrv__region *region;
	struct place place;
	size_t offset;
	bool found;

	udrv__mem_lock(&arena->lock);
	region = region_at(arena, addr);
	found = region && find_in(region, addr, &place);
	udrv__mem_unlock(&arena->lock);
	if (!found || addr < place.iova)
		return;
	offset = (size_t)(addr - place.iova);
	if (offset >= place.bounce.size)
		return;
	if (size > place.bounce.size - offset)
		size = place.bounce.size - offset;
	if (for_cpu && goes(place.bounce.dir, dir, UDRV_DMA_TO_DEVICE))
		memcpy(place.bounce.va + offset, place.va + offset, size);
	if (!for_cpu && goes(place.bounce.dir, dir, UDRV_DMA_FROM_DEVICE))
		memcpy(place.va + offset, place.bounce.va + offset, size);
}

char *udrv__bounce_to_virt(const struct udrv__region *region, udrv_iova_t addr)
{
	struct udrv__arena *arena = region->arena;
	struct place place;
	char *va = NULL;

	udrv__mem_lock(&arena->lock);
	if (find_in((struct udrv__region *)(uintptr_t)region, addr, &place) &&
	    addr - place.iova < place.bounce.size)
		va = place.bounce.va + (addr - place.iova);
	udrv__mem_unlock(&arena->lock);
	return va;
}
