// SPDX-License-Identifier: MIT
/* A device's DMA: its domain, its masks, memory of the domain's arena. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <udrv/dma.h>

#include "mem/backing.h"
#include "mem/bounce.h"
#include "mem/chosen.h"
#include "mem/domain.h"
#include "mem/slab.h"
#include "pci/device.h"

/* Linux: devices are taken to have 32 address lines until they say otherwise. */
#define DEFAULT_MASK UDRV_DMA_BIT_MASK(32)
/* Linux pci_device_add(). */
#define DEFAULT_MAX_SEG_SIZE 65536u
#define DEFAULT_SEG_BOUNDARY 0xffffffffu

int udrv__dma_init(struct udrv_device *dev)
{
	struct udrv__dma *dma = calloc(1, sizeof(*dma));
	int ret;

	if (!dma) {
		udrv_dev_err(dev, "cannot prepare DMA: out of memory");
		return -ENOMEM;
	}
	dma->dev = dev;
	dma->domain = dev->ops->domain && !dev->ops->dma_alloc ? dev->ops->domain(dev) : &dma->own;
	dma->mask = dma->coherent_mask = DEFAULT_MASK;
	dma->max_seg_size = DEFAULT_MAX_SEG_SIZE;
	dma->seg_boundary = DEFAULT_SEG_BOUNDARY;
	dma->page_size = (size_t)sysconf(_SC_PAGESIZE);
	dma->node = udrv__node(dev->info.numa_node);
	udrv_init_list_head(&dma->streams);
	udrv_init_list_head(&dma->registrations);
	udrv_init_list_head(&dma->shares);
	pthread_mutex_lock(&udrv__regions_lock);
	ret = udrv__domain_attach(dma);
	pthread_mutex_unlock(&udrv__regions_lock);
	if (ret)
		free(dma);
	else
		dev->dma = dma;
	return ret;
}

void udrv__dma_release(struct udrv_device *dev)
{
	struct udrv__dma *dma = dev->dma;

	udrv__slab_device_gone(dev);
	udrv__dma_unmap_streams(dma);
	udrv__dma_unregister_all(dma);
	pthread_mutex_lock(&udrv__regions_lock);
	udrv__domain_detach(dma);
	pthread_mutex_unlock(&udrv__regions_lock);
	free(dma);
	dev->dma = NULL;
}

/* A device that joins the domain later may take addresses from it. */
static bool is_any_below(const struct udrv__domain *domain, uint64_t mask, size_t page)
{
	bool found = false;

	pthread_mutex_lock(&udrv__regions_lock);
	for (size_t i = 0; i < domain->range_count && !found; i++) {
		udrv_iova_t first = domain->ranges[i].first;

		/* The null page is never given out. */
		found = udrv__dma_fits(mask, first ? first : page, page);
	}
	pthread_mutex_unlock(&udrv__regions_lock);
	return found;
}

static int check_mask(struct udrv_device *dev, uint64_t mask)
{
	const struct udrv__domain *domain = dev->dma->domain;

	/* What cannot be given back is never given. */
	if (dev->ops->dma_alloc && !dev->ops->dma_free) {
		udrv__chosen_explain(dev, 0, mask, -EOPNOTSUPP);
		return -EOPNOTSUPP;
	}
	if (is_any_below(domain, mask, dev->dma->page_size))
		return 0;
	udrv_dev_err(dev, "no address that %s is below the DMA mask 0x%llx",
		     domain->chosen ? "memory can have" : "the IOMMU translates",
		     (unsigned long long)mask);
	return -EIO;
}

int udrv_dma_set_mask(struct udrv_device *dev, uint64_t mask)
{
	int ret = check_mask(dev, mask);

	if (ret)
		return ret;
	__atomic_store_n(&dev->dma->mask, mask, __ATOMIC_RELAXED);
	__atomic_fetch_add(&udrv__dma_epoch, 1, __ATOMIC_SEQ_CST);
	return 0;
}

int udrv_dma_set_coherent_mask(struct udrv_device *dev, uint64_t mask)
{
	int ret = check_mask(dev, mask);

	if (!ret)
		__atomic_store_n(&dev->dma->coherent_mask, mask, __ATOMIC_RELAXED);
	return ret;
}

int udrv_dma_set_mask_and_coherent(struct udrv_device *dev, uint64_t mask)
{
	int ret = udrv_dma_set_mask(dev, mask);

	return ret ? ret : udrv_dma_set_coherent_mask(dev, mask);
}

uint64_t udrv_dma_get_mask(struct udrv_device *dev)
{
	return __atomic_load_n(&dev->dma->mask, __ATOMIC_RELAXED);
}

void *udrv_dma_alloc_coherent(struct udrv_device *dev, size_t size, udrv_iova_t *dma_handle,
			      udrv_gfp_t gfp)
{
	struct udrv__dma *dma = dev->dma;
	struct udrv__arena_want want = {
		.dev = dev,
		.len = udrv__dma_round_up(dma, size),
		.limit = __atomic_load_n(&dma->coherent_mask, __ATOMIC_RELAXED),
		.node = dma->node,
		.gfp = gfp,
		.zero = true,
	};
	void *va;

	if (!size || want.len < size || want.len > SIZE_MAX / 2) {
		udrv_dev_err(dev, "cannot allocate %zu bytes of DMA memory: bad size", size);
		return NULL;
	}
	want.align = udrv__dma_order_align(want.len);
	va = udrv__arena_alloc(&dma->domain->arena, &want);
	if (va)
		*dma_handle = udrv_virt_to_bus(va);
	return va;
}

void udrv_dma_free_coherent(struct udrv_device *dev, size_t size, void *cpu_addr,
			    udrv_iova_t dma_handle)
{
	struct udrv__dma *dma = dev->dma;

	if (!cpu_addr)
		return;
	if (udrv_virt_to_bus(cpu_addr) != dma_handle ||
	    udrv__arena_free(&dma->domain->arena, cpu_addr, udrv__dma_round_up(dma, size)))
		udrv_dev_err(dev, "DMA memory %p+0x%zx at 0x%llx freed, but not allocated so",
			     cpu_addr, size, (unsigned long long)dma_handle);
}

size_t udrv_dma_shrink(struct udrv_device *dev)
{
	struct udrv__domain *domain = dev->dma->domain;

	return udrv__arena_shrink(&domain->bounce) + udrv__arena_shrink(&domain->arena);
}

udrv_iova_t udrv_virt_to_bus(const volatile void *address)
{
	const struct udrv__region *region = udrv__region_of(address);
	size_t offset = (size_t)((const volatile char *)address - udrv__region_va(region));
	udrv_iova_t iova = udrv__region_iova(region);

	if (offset >= udrv__region_len(region) || !iova)
		return UDRV_DMA_MAPPING_ERROR;
	return iova + offset;
}

/* A buffer that was mapped alone is not in the table, nor is one that bounces. */
static void *stream_to_virt(udrv_iova_t address)
{
	const struct udrv__region *stream;
	char *va = NULL;

	pthread_mutex_lock(&udrv__regions_lock);
	stream = udrv__iova_user(&udrv__iovas, address);
	if (stream && stream->bounces && stream->len)
		va = udrv__bounce_to_virt(stream, address);
	else if (stream && address - stream->iova < stream->len)
		va = stream->va + (address - stream->iova);
	pthread_mutex_unlock(&udrv__regions_lock);
	return va;
}

void *udrv_bus_to_virt(udrv_iova_t address)
{
	const struct udrv__region *region = udrv__region_at(address);
	udrv_iova_t offset = address - udrv__region_iova(region);

	return offset < udrv__region_len(region) ? udrv__region_va(region) + offset
						 : stream_to_virt(address);
}
