// SPDX-License-Identifier: MIT
/* Pools of blocks of DMA memory: object caches whose objects are aligned to what they take. */
#include <stdlib.h>
#include <string.h>

#include <udrv/devres.h>
#include <udrv/dmapool.h>
#include <udrv/log.h>
#include <udrv/slab.h>

#include "mem/domain.h"
#include "mem/slab.h"
#include "pci/device.h"

#define likely(x) __builtin_expect(!!(x), 1)

struct udrv_dma_pool {
	struct udrv_kmem_cache *cache;
	struct udrv_device *dev;
	size_t align;
};

static bool is_power(size_t n)
{
	return n && !(n & (n - 1));
}

static size_t next_power(size_t n)
{
	size_t power = 1;

	while (power < n)
		power *= 2;
	return power;
}

static const char *find_fault(size_t size, size_t align, size_t boundary)
{
	if (!size || size > UDRV_DMA_POOL_MAX_SIZE)
		return "bad size";
	if (align && (!is_power(align) || align > UDRV_DMA_POOL_MAX_SIZE))
		return "bad alignment";
	if (boundary && (!is_power(boundary) || boundary < size))
		return "bad boundary";
	return NULL;
}

/*
 * What is aligned to a power of two that holds it crosses no multiple of that, nor of a larger one:
 * of a page, or of any boundary that a block does not exceed.
 */
struct udrv_dma_pool *udrv_dma_pool_create(const char *name, struct udrv_device *dev, size_t size,
					   size_t align, size_t boundary)
{
	const char *fault = find_fault(size, align, boundary);
	struct udrv_dma_pool *pool;

	if (fault) {
		udrv_dev_err(dev, "cannot make DMA pool %s: %s", name ? name : "?", fault);
		return NULL;
	}
	pool = malloc(sizeof(*pool));
	if (!pool) {
		udrv_dev_err(dev, "cannot make DMA pool %s: out of memory", name ? name : "?");
		return NULL;
	}
	pool->dev = dev;
	pool->align = next_power(size);
	if (pool->align < align)
		pool->align = align;
	pool->cache = udrv_kmem_cache_create(dev, name, size, pool->align, UDRV_SLAB_CACHE_DMA,
					     NULL, NULL);
	if (!pool->cache) {
		free(pool);
		return NULL;
	}
	return pool;
}

void udrv_dma_pool_destroy(struct udrv_dma_pool *pool)
{
	if (!pool)
		return;
	if (udrv_kmem_cache_destroy(pool->cache))
		udrv_dev_err(pool->dev,
			     "a DMA pool was destroyed while blocks of it are allocated: "
			     "its memory stays until the device is closed");
	free(pool);
}

/* Where addresses are so scarce that there was none aligned as the memory is. */
static void *give_up(struct udrv_dma_pool *pool, void *block, udrv_iova_t iova)
{
	udrv_kmem_cache_free(pool->cache, block);
	udrv_dev_err(pool->dev, "no block of %zu bytes at a device address aligned to %zu: 0x%llx",
		     pool->cache->object_size, pool->align, (unsigned long long)iova);
	return NULL;
}

void *udrv_dma_pool_alloc(struct udrv_dma_pool *pool, udrv_gfp_t mem_flags, udrv_iova_t *handle)
{
	char *block = udrv__slab_alloc(pool->cache, mem_flags);
	const struct udrv__region *region;
	udrv_iova_t iova;

	if (!block)
		return NULL;
	region = udrv__region_of(block);
	iova = region->iova + (udrv_iova_t)(block - region->va);
	if (!likely(!(iova & (pool->align - 1))))
		return give_up(pool, block, iova);
	*handle = iova;
	return mem_flags & UDRV_GFP_ZERO ? memset(block, 0, pool->cache->object_size) : block;
}

void *udrv_dma_pool_zalloc(struct udrv_dma_pool *pool, udrv_gfp_t mem_flags, udrv_iova_t *handle)
{
	return udrv_dma_pool_alloc(pool, mem_flags | UDRV_GFP_ZERO, handle);
}

/* Whether it is a block at that address: any pointer, of which nothing is taken for granted. */
static bool is_block(const struct udrv_dma_pool *pool, const void *p, udrv_iova_t iova)
{
	const struct udrv__region *region = udrv__region_of(p);
	size_t offset = (size_t)((const char *)p - region->va);
	uintptr_t chunk = (uintptr_t)p & ~(pool->cache->chunk - 1);

	return region->arena == &pool->dev->dma->domain->arena && region->iova + offset == iova &&
	       chunk >= (uintptr_t)region->va && udrv__slab_is_object(pool->cache, p);
}

void udrv_dma_pool_free(struct udrv_dma_pool *pool, void *vaddr, udrv_iova_t dma)
{
	if (likely(is_block(pool, vaddr, dma)))
		udrv_kmem_cache_free(pool->cache, vaddr);
	else
		udrv_dev_err(pool->dev, "%p at 0x%llx freed, but it is no block of DMA pool %s",
			     vaddr, (unsigned long long)dma, pool->cache->name);
}

/* Managed. */

static void release_pool(void *pool)
{
	udrv_dma_pool_destroy(pool);
}

struct udrv_dma_pool *udrv_dmam_pool_create(const char *name, struct udrv_device *dev, size_t size,
					    size_t align, size_t allocation)
{
	struct udrv_dma_pool *pool = udrv_dma_pool_create(name, dev, size, align, allocation);

	if (pool && udrv_devm_add_action(dev, release_pool, pool)) {
		udrv_dev_err(dev, "cannot manage DMA pool %s: out of memory", name);
		udrv_dma_pool_destroy(pool);
		return NULL;
	}
	return pool;
}

void udrv_dmam_pool_destroy(struct udrv_dma_pool *pool)
{
	struct udrv_device *dev = pool->dev;

	if (udrv_devm_remove_action(dev, release_pool, pool))
		udrv_dev_err(dev, "a DMA pool was not destroyed: it is not managed");
	else
		udrv_dma_pool_destroy(pool);
}
