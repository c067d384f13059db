/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Pools of small blocks of DMA memory: descriptors and the like. Source: Linux <linux/dmapool.h>.
 *
 * A pool is an object cache (udrv_kmem_cache_create()) with UDRV_SLAB_CACHE_DMA: as fast, from any
 * thread, and counted and listed as one.
 */
#ifndef UDRV_DMAPOOL_H
#define UDRV_DMAPOOL_H

#include <udrv/types.h>

UDRV_BEGIN_DECLS

/** struct udrv_dma_pool - a pool; opaque. */
struct udrv_dma_pool;

/** UDRV_DMA_POOL_MAX_SIZE - the largest block, and the largest alignment, in bytes. */
#define UDRV_DMA_POOL_MAX_SIZE ((size_t)2 << 20)

/**
 * udrv_dma_pool_create() - make a pool
 * @name: of the pool, cut to 31 bytes; copied
 * @dev: the device
 * @size: bytes of a block, 1 to UDRV_DMA_POOL_MAX_SIZE
 * @align: of a block, for both sides; a power of two up to UDRV_DMA_POOL_MAX_SIZE, or 0 for any
 * @boundary: no block crosses a multiple of this, as the device sees it: a power of two, at least
 *	@size; 0: a page, or for larger blocks the power of two that holds one
 *
 * A block takes the power of two that holds it, and is aligned to that: 80 bytes take 128. To be
 * destroyed before the device is closed.
 *
 * Any thread that may block. Return: the pool, or NULL (udrv_log() says why). Source: Linux
 * dma_pool_create().
 */
UDRV_API struct udrv_dma_pool *udrv_dma_pool_create(const char *name, struct udrv_device *dev,
						    size_t size, size_t align, size_t boundary);

/**
 * udrv_dma_pool_destroy() - end a pool
 * @pool: no thread is using it; or NULL
 *
 * If blocks are still allocated, that is logged as an error, and the pool's memory stays as it is,
 * mapped for the device, until that is closed; nothing frees it earlier. Any thread that may block.
 */
UDRV_API void udrv_dma_pool_destroy(struct udrv_dma_pool *pool);

/**
 * udrv_dma_pool_alloc() - allocate a block
 * @pool: the pool
 * @mem_flags: as for udrv_kmem_cache_alloc(): UDRV_GFP_KERNEL or UDRV_GFP_ATOMIC; with
 *	UDRV_GFP_ZERO the block is zeroed
 * @handle: the device's address of it; untouched on failure
 *
 * Any thread, UDRV_GFP_ATOMIC also in handlers, where it makes no system call.
 * Return: the block, or NULL.
 */
UDRV_API void *udrv_dma_pool_alloc(struct udrv_dma_pool *pool, udrv_gfp_t mem_flags,
				   udrv_iova_t *handle);

/** udrv_dma_pool_zalloc() - udrv_dma_pool_alloc(), zeroed. */
UDRV_API void *udrv_dma_pool_zalloc(struct udrv_dma_pool *pool, udrv_gfp_t mem_flags,
				    udrv_iova_t *handle);

/**
 * udrv_dma_pool_free() - give a block back
 * @pool: the pool that it is of
 * @vaddr: the block; the device has stopped using it
 * @dma: its address for the device
 *
 * What is not a block of the pool at that address is left alone, with a log line. Any thread, also
 * handlers; as udrv_kmem_cache_free().
 */
UDRV_API void udrv_dma_pool_free(struct udrv_dma_pool *pool, void *vaddr, udrv_iova_t dma);

/**
 * udrv_dmam_pool_create() - udrv_dma_pool_create(), destroyed with the driver
 * @name: as there
 * @dev: as there
 * @size: as there
 * @align: as there
 * @allocation: the boundary, as there
 *
 * Return: the pool, or NULL. Source: Linux dmam_pool_create().
 */
UDRV_API struct udrv_dma_pool *udrv_dmam_pool_create(const char *name, struct udrv_device *dev,
						     size_t size, size_t align, size_t allocation);

/** udrv_dmam_pool_destroy() - udrv_dma_pool_destroy() for a pool of udrv_dmam_pool_create(). */
UDRV_API void udrv_dmam_pool_destroy(struct udrv_dma_pool *pool);

UDRV_END_DECLS

#endif
