/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Memory that the device reaches. Names and argument order are those of
 * Linux's <linux/dma-mapping.h>; what is called dma_addr_t there is udrv_iova_t here.
 */
#ifndef UDRV_DMA_H
#define UDRV_DMA_H

#include <errno.h>

#include <udrv/types.h>

UDRV_BEGIN_DECLS

/** enum udrv_dma_data_direction - who writes a mapped buffer. */
enum udrv_dma_data_direction {
	UDRV_DMA_BIDIRECTIONAL = 0,
	UDRV_DMA_TO_DEVICE = 1,
	UDRV_DMA_FROM_DEVICE = 2,
};

/** UDRV_DMA_MAPPING_ERROR - not an address; see udrv_dma_mapping_error(). */
#define UDRV_DMA_MAPPING_ERROR (~(udrv_iova_t)0)

/**
 * udrv_dma_set_mask_and_coherent() - say which addresses the device can issue
 * @dev: the device
 * @mask: e.g. UDRV_DMA_BIT_MASK(28); until set, 32 bits
 *
 * Return: 0, -EIO if no IOVA that the IOMMU offers is below @mask.
 */
UDRV_API int udrv_dma_set_mask_and_coherent(struct udrv_device *dev, uint64_t mask);

/**
 * udrv_dma_alloc_coherent() - memory that CPU and device see alike
 * @dev: the device
 * @size: bytes; rounded up to pages
 * @dma_handle: the device's address of it; untouched on failure
 * @gfp: UDRV_GFP_KERNEL; UDRV_GFP_ATOMIC fails, as a new mapping takes system calls
 *
 * Zeroed, page-aligned, contiguous for the device. Any thread that may block.
 * Return: the memory, or NULL (udrv_log() says why: no IOVA below the mask, RLIMIT_MEMLOCK).
 */
UDRV_API void *udrv_dma_alloc_coherent(struct udrv_device *dev, size_t size,
				       udrv_iova_t *dma_handle, udrv_gfp_t gfp);

/**
 * udrv_dma_free_coherent() - give back memory of udrv_dma_alloc_coherent()
 * @dev: the device; it must have stopped using the memory
 * @size: as allocated
 * @cpu_addr: the memory, or NULL
 * @dma_handle: its address for the device
 */
UDRV_API void udrv_dma_free_coherent(struct udrv_device *dev, size_t size, void *cpu_addr,
				     udrv_iova_t dma_handle);

/**
 * udrv_dma_map_single() - let the device reach memory of the process
 * @dev: the device
 * @ptr: any memory; the pages it touches become visible to the device
 * @size: bytes, at least 1
 * @dir: who writes
 *
 * Each call is a system call that costs more than small copies: map once, use often.
 * Return: the device's address of @ptr, or UDRV_DMA_MAPPING_ERROR (udrv_log() says why).
 */
UDRV_API udrv_iova_t udrv_dma_map_single(struct udrv_device *dev, void *ptr, size_t size,
					 enum udrv_dma_data_direction dir);

/** udrv_dma_unmap_single() - undo udrv_dma_map_single() with the address it returned. */
UDRV_API void udrv_dma_unmap_single(struct udrv_device *dev, udrv_iova_t addr, size_t size,
				    enum udrv_dma_data_direction dir);

/** udrv_dma_mapping_error() - did the mapping fail? Return: 0, or -ENOMEM if it did. */
static inline int udrv_dma_mapping_error(struct udrv_device *dev, udrv_iova_t addr)
{
	(void)dev;
	return addr == UDRV_DMA_MAPPING_ERROR ? -ENOMEM : 0;
}

UDRV_END_DECLS

#endif
