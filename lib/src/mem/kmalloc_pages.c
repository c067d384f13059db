// SPDX-License-Identifier: MIT
/* Runs of pages of the common arena. */
#include <udrv/gfp.h>
#include <udrv/log.h>

#include "mem/arena.h"
#include "mem/backing.h"
#include "mem/domain.h"
#include "mem/kmalloc.h"

#define ORDER_MAX 10u

_Static_assert((size_t)UDRV__PAGE_MIN << ORDER_MAX == UDRV_KMALLOC_MAX_SIZE, "one limit for both");

udrv_iova_t udrv__kmalloc_limit(udrv_gfp_t gfp)
{
	/* Without an address nothing is low: what a device is to reach is mapped for its mask. */
	if (__atomic_load_n(&udrv__common_is_apart, __ATOMIC_RELAXED))
		return UINT64_MAX;
	if (gfp & UDRV_GFP_DMA)
		return UDRV_DMA_BIT_MASK(24);
	return gfp & UDRV_GFP_DMA32 ? UDRV_DMA_BIT_MASK(32) : UINT64_MAX;
}

void *udrv__kmalloc_run(size_t size, udrv_gfp_t gfp, int node)
{
	struct udrv__arena_want want = {
		.len = (size + UDRV__PAGE_MIN - 1) & ~((size_t)UDRV__PAGE_MIN - 1),
		.align = size & (size - 1) || size < UDRV__PAGE_MIN ? UDRV__PAGE_MIN : size,
		.limit = udrv__kmalloc_limit(gfp),
		.node = udrv__node(node),
		.gfp = gfp,
		.zero = gfp & UDRV_GFP_ZERO,
	};

	if (size <= UDRV_KMALLOC_MAX_SIZE)
		return udrv__arena_alloc(&udrv__common_arena, &want);
	if (!(gfp & UDRV_GFP_NOWARN))
		udrv_pr_err("cannot allocate %zu bytes by udrv_kmalloc(): %zu is the most", size,
			    UDRV_KMALLOC_MAX_SIZE);
	return NULL;
}

bool udrv__kmalloc_free_run(const void *p, size_t len)
{
	return !udrv__arena_free(&udrv__common_arena, (void *)(uintptr_t)p, len);
}

unsigned long udrv_get_free_pages(udrv_gfp_t gfp, unsigned int order)
{
	if (order <= ORDER_MAX)
		return (unsigned long)udrv__kmalloc_run((size_t)UDRV__PAGE_MIN << order, gfp, -1);
	if (!(gfp & UDRV_GFP_NOWARN))
		udrv_pr_err("cannot allocate pages of order %u: %u is the highest", order,
			    ORDER_MAX);
	return 0;
}

void udrv_free_pages(unsigned long addr, unsigned int order)
{
	size_t len = order > ORDER_MAX ? 0 : (size_t)UDRV__PAGE_MIN << order;

	if (!addr || udrv__arena_is_parents(&udrv__common_arena))
		return;
	if (!len || udrv__kmalloc_run_length((void *)addr) != len ||
	    !udrv__kmalloc_free_run((void *)addr, len))
		udrv_pr_err("pages of order %u at %p freed, but not allocated so", order,
			    (void *)addr);
}
