// SPDX-License-Identifier: MIT
/*
 * kmalloc: allocating and freeing. A pointer's region says whether it is ours; a bit of the
 * region's whether pages begin there. Otherwise it is an object in a slab, whose start is known
 * because kmalloc's slabs are all of one size; it is one of ours if its tag says so.
 */
#include <udrv/log.h>

#include "mem/arena.h"
#include "mem/domain.h"
#include "mem/kmalloc.h"
#include "mem/runs.h"
#include "mem/slab.h"

#define LOW (UDRV_GFP_DMA | UDRV_GFP_DMA32)

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Of a size for which there is a cache. */
static inline unsigned int class_of(size_t size)
{
	static const uint8_t small[] = {0, 1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4,
					5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 6};
	size_t i = (size - 1) / 8;

	return i < sizeof(small) ? small[i] : 63u - (unsigned int)__builtin_clzll(size - 1);
}

static void complain_once(void)
{
	static bool told;

	if (!__atomic_exchange_n(&told, true, __ATOMIC_RELAXED))
		udrv_pr_err("udrv_kmalloc() with UDRV_GFP_ATOMIC has nothing to give before a "
			    "driver's probe() or a first call with UDRV_GFP_KERNEL");
}

static __attribute__((noinline)) struct udrv_kmem_cache *make_cache(unsigned int index,
								    udrv_gfp_t gfp)
{
	if (gfp & UDRV_GFP_ATOMIC)
		complain_once();
	else if (!udrv__kmalloc_init())
		return __atomic_load_n(&udrv__kmalloc_caches[index], __ATOMIC_ACQUIRE);
	return NULL;
}

static inline struct udrv_kmem_cache *cache_of(size_t size, udrv_gfp_t gfp)
{
	unsigned int index = class_of(size);
	struct udrv_kmem_cache *cache =
		__atomic_load_n(&udrv__kmalloc_caches[index], __ATOMIC_ACQUIRE);

	return likely(cache) ? cache : make_cache(index, gfp);
}

/* The usual memory, if it happens to be low enough. */
static __attribute__((noinline)) void *alloc_low(size_t size, udrv_gfp_t gfp)
{
	udrv_iova_t limit = udrv__kmalloc_limit(gfp);
	void *p = udrv__kmalloc(size, (gfp & ~LOW) | UDRV_GFP_NOWARN);

	if (p && (limit == UINT64_MAX || udrv__dma_fits(limit, udrv_virt_to_bus(p), size)))
		return p;
	udrv_kfree(p);
	return udrv__kmalloc_run(size, gfp, -1);
}

/* In a debug mode what was not asked for is a red zone. */
static inline void *finish(struct udrv_kmem_cache *cache, void *p, size_t size, udrv_gfp_t gfp)
{
	if (!p)
		return NULL;
	if (gfp & UDRV_GFP_ZERO)
		memset(p, 0, cache->object_size);
	if (unlikely(cache->debug))
		udrv__slab_debug_set_requested(cache, p, size);
	return p;
}

void *udrv__kmalloc(size_t size, udrv_gfp_t gfp)
{
	struct udrv_kmem_cache *cache;

	if (unlikely(size - 1 >= UDRV_KMALLOC_MAX_CACHE_SIZE))
		return size ? udrv__kmalloc_run(size, gfp, -1) : UDRV_ZERO_SIZE_PTR;
	if (unlikely(gfp & LOW))
		return alloc_low(size, gfp);
	cache = cache_of(size, gfp);
	if (unlikely(!cache))
		return NULL;
	return finish(cache, udrv__slab_alloc(cache, gfp), size, gfp);
}

void *udrv_kmalloc_node(size_t size, udrv_gfp_t gfp, int node)
{
	struct udrv_kmem_cache *cache;

	if (!size || (gfp & LOW && size <= UDRV_KMALLOC_MAX_CACHE_SIZE))
		return udrv__kmalloc(size, gfp);
	if (size > UDRV_KMALLOC_MAX_CACHE_SIZE)
		return udrv__kmalloc_run(size, gfp, node);
	cache = cache_of(size, gfp);
	if (!cache)
		return NULL;
	return finish(cache, udrv_kmem_cache_alloc_node(cache, gfp & ~UDRV_GFP_ZERO, node), size,
		      gfp);
}

/* Finding what a pointer is to. */

static inline bool pages_begin(const struct udrv__region *region, const void *p)
{
	return !((uintptr_t)p & (UDRV__PAGE_MIN - 1)) &&
	       udrv__run_begins(region, (size_t)((const char *)p - region->va) >> UDRV__PAGE_SHIFT);
}

static inline const struct slab *slab_at(const void *p)
{
	return (const struct slab *)((uintptr_t)p & ~(UDRV__KMALLOC_CHUNK - 1));
}

/* Where there is none, the memory's user has written what is looked at here. */
static inline bool is_slab(const struct slab *slab)
{
	uint32_t index = slab->tag - 1;

	return index < UDRV__KMALLOC_CLASSES && slab->cache &&
	       slab->cache == __atomic_load_n(&udrv__kmalloc_caches[index], __ATOMIC_ACQUIRE);
}

static inline bool is_object(const struct slab *slab, const void *p)
{
	const struct udrv_kmem_cache *cache = slab->cache;
	uint32_t offset = (uint32_t)((uintptr_t)p - (uintptr_t)slab) - (uint32_t)cache->first;
	uint32_t i = (uint32_t)((uint64_t)offset * cache->reciprocal >> 32);

	return i < slab->count && i * (uint32_t)cache->size == offset;
}

static __attribute__((noinline)) void complain(const void *p, const char *call)
{
	if (!UDRV_ZERO_OR_NULL_PTR(p))
		udrv_pr_err("%s(): %p is not where memory of udrv_kmalloc() begins", call, p);
}

/* A slab's own pages are not its objects. */
size_t udrv__kmalloc_run_length(const void *p)
{
	size_t len = udrv__arena_run(&udrv__common_arena, p);

	return len == UDRV__KMALLOC_CHUNK && slab_at(p) == p && is_slab(p) ? 0 : len;
}

static __attribute__((noinline)) void free_run(const void *p)
{
	size_t len = udrv__kmalloc_run_length(p);

	if (udrv__arena_is_parents(&udrv__common_arena))
		return;
	if (!len || !udrv__kmalloc_free_run(p, len))
		complain(p, "udrv_kfree");
}

void udrv_kfree(const void *p)
{
	const struct slab *slab = slab_at(p);
	const struct udrv__region *region;

	if (unlikely(UDRV_ZERO_OR_NULL_PTR(p)))
		return;
	region = udrv__region_of(p);
	if (unlikely(region->arena != &udrv__common_arena)) {
		complain(p, "udrv_kfree");
		return;
	}
	if (unlikely(pages_begin(region, p))) {
		free_run(p);
		return;
	}
	if (unlikely(!is_slab(slab) || !is_object(slab, p))) {
		complain(p, "udrv_kfree");
		return;
	}
	udrv_kmem_cache_free(slab->cache, (void *)(uintptr_t)p);
}

void udrv_kfree_sensitive(const void *p)
{
	size_t size = udrv_ksize(p);

	if (size)
		explicit_bzero((void *)(uintptr_t)p, size);
	udrv_kfree(p);
}

/* What can be used of it: *cache is set if it is an object. 0: nothing of ours. */
static size_t size_at(const void *p, struct udrv_kmem_cache **cache)
{
	const struct slab *slab = slab_at(p);
	const struct udrv__region *region;

	*cache = NULL;
	if (UDRV_ZERO_OR_NULL_PTR(p))
		return 0;
	region = udrv__region_of(p);
	if (region->arena != &udrv__common_arena)
		return 0;
	if (pages_begin(region, p))
		return udrv__kmalloc_run_length(p);
	if (!is_slab(slab) || !is_object(slab, p))
		return 0;
	*cache = slab->cache;
	return slab->cache->object_size;
}

/* Linux: who asks may use all of it. */
size_t udrv_ksize(const void *p)
{
	struct udrv_kmem_cache *cache;
	size_t size = size_at(p, &cache);

	if (!size)
		complain(p, "udrv_ksize");
	else if (cache && cache->debug)
		udrv__slab_debug_set_requested(cache, (void *)(uintptr_t)p, size);
	return size;
}

size_t udrv_kmalloc_size_roundup(size_t size)
{
	if (size && size <= UDRV_KMALLOC_MAX_CACHE_SIZE)
		return udrv__kmalloc_class_size(class_of(size));
	if (size > UDRV_KMALLOC_MAX_SIZE)
		return size;
	return (size + UDRV__PAGE_MIN - 1) & ~((size_t)UDRV__PAGE_MIN - 1);
}

void *udrv_krealloc(const void *p, size_t new_size, udrv_gfp_t gfp)
{
	struct udrv_kmem_cache *cache;
	size_t size;
	void *moved;

	if (!new_size) {
		udrv_kfree(p);
		return UDRV_ZERO_SIZE_PTR;
	}
	if (UDRV_ZERO_OR_NULL_PTR(p))
		return udrv__kmalloc(new_size, gfp);
	size = size_at(p, &cache);
	if (!size) {
		complain(p, "udrv_krealloc");
		return NULL;
	}
	if (cache && cache->debug)
		size = udrv__slab_debug_requested(cache, p);
	if (new_size <= size) {
		if (gfp & UDRV_GFP_ZERO)
			memset((char *)(uintptr_t)p + new_size, 0, size - new_size);
		if (cache && cache->debug)
			udrv__slab_debug_set_requested(cache, (void *)(uintptr_t)p, new_size);
		return (void *)(uintptr_t)p;
	}
	moved = udrv__kmalloc(new_size, gfp);
	if (!moved)
		return NULL;
	memcpy(moved, p, size);
	udrv_kfree(p);
	return moved;
}
