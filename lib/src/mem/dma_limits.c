// SPDX-License-Identifier: MIT
/* What a device's mappings may be like. */
#include <errno.h>

#include <udrv/dma.h>

#include "mem/bounce.h"
#include "mem/domain.h"
#include "pci/device.h"

int udrv_dma_set_max_seg_size(struct udrv_device *dev, unsigned int size)
{
	if (!size)
		return -EINVAL;
	__atomic_store_n(&dev->dma->max_seg_size, size, __ATOMIC_RELAXED);
	return 0;
}

unsigned int udrv_dma_get_max_seg_size(struct udrv_device *dev)
{
	return __atomic_load_n(&dev->dma->max_seg_size, __ATOMIC_RELAXED);
}

int udrv_dma_set_seg_boundary(struct udrv_device *dev, unsigned long mask)
{
	if (!mask || mask & (mask + 1))
		return -EINVAL;
	__atomic_store_n(&dev->dma->seg_boundary, mask, __ATOMIC_RELAXED);
	return 0;
}

unsigned long udrv_dma_get_seg_boundary(struct udrv_device *dev)
{
	return __atomic_load_n(&dev->dma->seg_boundary, __ATOMIC_RELAXED);
}

/* As many as there are in a row, below the mask. */
static size_t longest(const struct udrv__domain *domain, uint64_t mask, size_t page)
{
	size_t most = 0;

	pthread_mutex_lock(&udrv__regions_lock);
	for (size_t i = 0; i < domain->range_count; i++) {
		const struct udrv__iova_range *range = &domain->ranges[i];
		/* The null page is never given out. */
		udrv_iova_t first = range->first ? range->first : page;
		udrv_iova_t last = range->last < mask ? range->last : mask;

		if (first <= last && last - first >= most)
			most = (size_t)(last - first) + 1;
	}
	pthread_mutex_unlock(&udrv__regions_lock);
	return most & ~(page - 1);
}

size_t udrv_dma_max_mapping_size(struct udrv_device *dev)
{
	const struct udrv__domain *domain = dev->dma->domain;
	const size_t page = dev->dma->page_size;
	uint64_t mask = udrv_dma_get_mask(dev);

	if (!domain->chosen)
		return longest(domain, mask, page);
	return udrv__dma_fits(mask, page, UDRV__BOUNCE_SURE) ? UDRV__BOUNCE_SURE : page;
}
