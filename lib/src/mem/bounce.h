/* SPDX-License-Identifier: MIT */
/*
 * Bounce buffers: memory of a device's own that stands for a buffer which it does not reach, where
 * the backend chooses addresses. What is copied, and when, is as by Linux's swiotlb. Any thread.
 */
#ifndef UDRV_SRC_MEM_BOUNCE_H
#define UDRV_SRC_MEM_BOUNCE_H

#include "mem/domain.h"

/* Bytes that can be relied upon, unless memory is short. */
#define UDRV__BOUNCE_SURE ((size_t)256 << 10)

/* For a run of pages: the buffer that it stands for. */
struct udrv__bounce {
	char *va; /* NULL: none */
	size_t size;
	enum udrv_dma_data_direction dir;
};

/*
 * The address of a copy of the buffer, as far into a page as the buffer is, such that it crosses no
 * multiple of a power of two that its pages fit into; UDRV_DMA_MAPPING_ERROR, in a log line if it
 * is to be explained.
 */
udrv_iova_t udrv__bounce_map(struct udrv_device *dev, void *ptr, size_t size,
			     enum udrv_dma_data_direction dir, bool explain);
/* Whether it was one, of so many pages. */
bool udrv__bounce_unmap(const struct udrv__dma *dma, udrv_iova_t addr, size_t size);
/* Copy what of it the CPU, or the device, is to see; nothing if it is not one. */
void udrv__bounce_sync(const struct udrv__dma *dma, udrv_iova_t addr, size_t size,
		       enum udrv_dma_data_direction dir, bool for_cpu);
/* Which byte an address stands for, in a region of bounce memory; NULL: none. */
char *udrv__bounce_to_virt(const struct udrv__region *region, udrv_iova_t addr);

#endif
