// SPDX-License-Identifier: MIT
/* Memory that the device reaches: each mapping has an IOVA of its own and a record until unmapped.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <udrv/dma.h>

#include "mem/iova.h"
#include "pci/device.h"

/* Linux: devices are taken to have 32 address lines until they say otherwise. */
#define DEFAULT_MASK UDRV_DMA_BIT_MASK(32)
#define RANGES_MAX   32

struct mapping {
	struct mapping *next;
	udrv_iova_t iova;
	size_t len;
	void *owned; /* memory that goes with the mapping, or NULL */
};

struct udrv__dma {
	pthread_mutex_t lock; /* maps, mask */
	struct mapping *maps;
	uint64_t mask;
	struct udrv__iova_range ranges[RANGES_MAX];
	size_t range_count;
	struct udrv__iova_space *space;
	struct udrv__iova_space own_space;
	size_t page_size;
};

int udrv__dma_init(struct udrv_device *dev)
{
	struct udrv__dma *dma = calloc(1, sizeof(*dma));
	int ret;

	if (!dma) {
		udrv_dev_err(dev, "cannot prepare DMA: out of memory");
		return -ENOMEM;
	}
	ret = dev->ops->iova_ranges(dev, dma->ranges, RANGES_MAX);
	if (ret < 0) {
		udrv_dev_err(dev, "cannot learn which addresses the IOMMU translates: %s",
			     strerror(-ret));
		free(dma);
		return ret;
	}
	dma->range_count = (size_t)ret;
	dma->mask = DEFAULT_MASK;
	dma->page_size = (size_t)sysconf(_SC_PAGESIZE);
	pthread_mutex_init(&dma->lock, NULL);
	udrv__iova_space_init(&dma->own_space);
	dma->space = dev->ops->iova_space ? dev->ops->iova_space(dev) : &dma->own_space;
	dev->dma = dma;
	for (size_t i = 0; i < dma->range_count; i++)
		udrv_dev_dbg(dev, "device addresses 0x%llx-0x%llx are translated",
			     (unsigned long long)dma->ranges[i].first,
			     (unsigned long long)dma->ranges[i].last);
	return 0;
}

/* Out of the IOMMU first: only then may the address and the memory be used for something else. */
static void mapping_end(struct udrv_device *dev, struct mapping *m)
{
	int ret = dev->ops->dma_unmap(dev, m->iova, m->len);

	if (ret) {
		/* Still visible to the device: better lost than reused. */
		udrv_dev_err(dev, "DMA unmap of 0x%llx+0x%zx failed: %s; its memory is kept",
			     (unsigned long long)m->iova, m->len, strerror(-ret));
	} else {
		udrv__iova_free(dev->dma->space, m->iova);
		if (m->owned)
			munmap(m->owned, m->len);
	}
	free(m);
}

void udrv__dma_release(struct udrv_device *dev)
{
	struct udrv__dma *dma = dev->dma;

	while (dma->maps) {
		struct mapping *m = dma->maps;

		dma->maps = m->next;
		mapping_end(dev, m);
	}
	udrv__iova_space_destroy(&dma->own_space);
	pthread_mutex_destroy(&dma->lock);
	free(dma);
	dev->dma = NULL;
}

int udrv_dma_set_mask_and_coherent(struct udrv_device *dev, uint64_t mask)
{
	struct udrv__dma *dma = dev->dma;

	for (size_t i = 0; i < dma->range_count; i++) {
		udrv_iova_t first = dma->ranges[i].first;

		/* The null page is never given out. */
		if ((first ? first : dma->page_size) + dma->page_size - 1 > mask)
			continue;
		pthread_mutex_lock(&dma->lock);
		dma->mask = mask;
		pthread_mutex_unlock(&dma->lock);
		return 0;
	}
	udrv_dev_err(dev, "no address that the IOMMU translates is below the DMA mask 0x%llx",
		     (unsigned long long)mask);
	return -EIO;
}

static uint64_t get_mask(struct udrv__dma *dma)
{
	uint64_t mask;

	pthread_mutex_lock(&dma->lock);
	mask = dma->mask;
	pthread_mutex_unlock(&dma->lock);
	return mask;
}

/* Map whole pages and remember it. */
static int map_pages(struct udrv_device *dev, void *va, size_t len,
		     enum udrv_dma_data_direction dir, void *owned, udrv_iova_t *iova_out)
{
	struct udrv__dma *dma = dev->dma;
	struct mapping *m = calloc(1, sizeof(*m));
	uint64_t mask = get_mask(dma);
	int ret;

	if (!m) {
		udrv_dev_err(dev, "cannot map %zu bytes for DMA: out of memory", len);
		return -ENOMEM;
	}
	ret = udrv__iova_alloc(dma->space, dma->ranges, dma->range_count, len, mask, &m->iova);
	if (ret) {
		udrv_dev_err(dev,
			     "no free device address for %zu bytes below the DMA mask 0x%llx: %s",
			     len, (unsigned long long)mask, strerror(-ret));
		goto err_free;
	}
	ret = dev->ops->dma_map(dev, va, len, m->iova, dir != UDRV_DMA_FROM_DEVICE,
				dir != UDRV_DMA_TO_DEVICE);
	if (ret)
		goto err_iova;
	m->len = len;
	m->owned = owned;
	*iova_out = m->iova;
	udrv_dev_dbg(dev, "mapped %zu bytes at 0x%llx for DMA", len, (unsigned long long)m->iova);
	pthread_mutex_lock(&dma->lock);
	m->next = dma->maps;
	dma->maps = m;
	pthread_mutex_unlock(&dma->lock);
	return 0;

err_iova:
	udrv__iova_free(dma->space, m->iova);
err_free:
	free(m);
	return ret;
}

/* Take a mapping off the list if it is the one that the caller means. */
static struct mapping *take_mapping(struct udrv__dma *dma, udrv_iova_t iova, size_t len,
				    const void *owned)
{
	struct mapping *found = NULL;

	pthread_mutex_lock(&dma->lock);
	for (struct mapping **link = &dma->maps; *link; link = &(*link)->next) {
		if ((*link)->iova != iova || (*link)->len != len || (*link)->owned != owned)
			continue;
		found = *link;
		*link = found->next;
		break;
	}
	pthread_mutex_unlock(&dma->lock);
	return found;
}

static size_t page_round_up(const struct udrv__dma *dma, size_t size)
{
	return (size + dma->page_size - 1) & ~(dma->page_size - 1);
}

void *udrv_dma_alloc_coherent(struct udrv_device *dev, size_t size, udrv_iova_t *dma_handle,
			      udrv_gfp_t gfp)
{
	struct udrv__dma *dma = dev->dma;
	size_t len = page_round_up(dma, size);
	void *va;

	if (!size || len < size || gfp & UDRV_GFP_ATOMIC) {
		udrv_dev_err(dev, "cannot allocate %zu bytes of DMA memory: %s", size,
			     gfp & UDRV_GFP_ATOMIC ? "GFP_ATOMIC cannot map" : "bad size");
		return NULL;
	}
	/* Shared: a fork must not make the device and the parent see different pages. */
	va = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (va == MAP_FAILED) {
		udrv_dev_err(dev, "no memory for %zu bytes of DMA memory: %s", len,
			     strerror(errno));
		return NULL;
	}
	if (map_pages(dev, va, len, UDRV_DMA_BIDIRECTIONAL, va, dma_handle)) {
		munmap(va, len);
		return NULL;
	}
	return va;
}

void udrv_dma_free_coherent(struct udrv_device *dev, size_t size, void *cpu_addr,
			    udrv_iova_t dma_handle)
{
	struct mapping *m;

	if (!cpu_addr)
		return;
	m = take_mapping(dev->dma, dma_handle, page_round_up(dev->dma, size), cpu_addr);
	if (m)
		mapping_end(dev, m);
	else
		udrv_dev_err(dev, "DMA memory %p+0x%zx at 0x%llx freed, but not allocated so",
			     cpu_addr, size, (unsigned long long)dma_handle);
}

udrv_iova_t udrv_dma_map_single(struct udrv_device *dev, void *ptr, size_t size,
				enum udrv_dma_data_direction dir)
{
	struct udrv__dma *dma = dev->dma;
	size_t in_page = (uintptr_t)ptr & (dma->page_size - 1);
	udrv_iova_t iova;

	if (!ptr || !size || size > SIZE_MAX / 2 || (unsigned int)dir > UDRV_DMA_FROM_DEVICE) {
		udrv_dev_err(dev, "cannot map %zu bytes at %p for DMA: bad argument", size, ptr);
		return UDRV_DMA_MAPPING_ERROR;
	}
	if (map_pages(dev, (char *)ptr - in_page, page_round_up(dma, in_page + size), dir, NULL,
		      &iova))
		return UDRV_DMA_MAPPING_ERROR;
	return iova + in_page;
}

void udrv_dma_unmap_single(struct udrv_device *dev, udrv_iova_t addr, size_t size,
			   enum udrv_dma_data_direction dir)
{
	struct udrv__dma *dma = dev->dma;
	size_t in_page = addr & (dma->page_size - 1);
	struct mapping *m =
		take_mapping(dma, addr - in_page, page_round_up(dma, in_page + size), NULL);

	(void)dir;
	if (m)
		mapping_end(dev, m);
	else
		udrv_dev_err(dev, "DMA address 0x%llx+0x%zx unmapped, but not mapped",
			     (unsigned long long)addr, size);
}
