// SPDX-License-Identifier: MIT
/* Scatterlists that the device is to reach: entries are mapped one by one, and become segments. */
#include <errno.h>

#include <udrv/log.h>
#include <udrv/scatterlist.h>

#include "mem/domain.h"
#include "pci/device.h"

/* What segments may be. */
struct limits {
	size_t max;
	udrv_iova_t boundary; /* no segment crosses a multiple of this plus 1 */
};

static struct limits limits_of(const struct udrv__dma *dma)
{
	return (struct limits){
		.max = __atomic_load_n(&dma->max_seg_size, __ATOMIC_RELAXED),
		.boundary = __atomic_load_n(&dma->seg_boundary, __ATOMIC_RELAXED),
	};
}

static bool crosses(const struct limits *limits, udrv_iova_t addr, size_t len)
{
	return len - 1 > limits->boundary - (addr & limits->boundary);
}

static udrv_iova_t map_apart(struct udrv_device *dev, const struct udrv_scatterlist *sg,
			     enum udrv_dma_data_direction dir, const struct limits *limits)
{
	udrv_iova_t addr = udrv__dma_map_apart(dev, udrv_sg_virt(sg), sg->length, dir);

	if (addr == UDRV_DMA_MAPPING_ERROR || !crosses(limits, addr, sg->length))
		return addr;
	udrv_dma_unmap_single(dev, addr, sg->length, dir);
	udrv_dev_err(dev,
		     "%u bytes at %p cannot be mapped for DMA: they cross a multiple of 0x%llx",
		     sg->length, udrv_sg_virt(sg), (unsigned long long)limits->boundary + 1);
	return UDRV_DMA_MAPPING_ERROR;
}

static udrv_iova_t map_entry(struct udrv_device *dev, const struct udrv_scatterlist *sg,
			     enum udrv_dma_data_direction dir, const struct limits *limits)
{
	udrv_iova_t addr = udrv_dma_map_single(dev, udrv_sg_virt(sg), sg->length, dir);

	if (addr == UDRV_DMA_MAPPING_ERROR || !crosses(limits, addr, sg->length))
		return addr;
	udrv_dma_unmap_single(dev, addr, sg->length, dir);
	return map_apart(dev, sg, dir, limits);
}

/* Whether the segment may go on with the entry at addr. */
static bool goes_on(const struct udrv_scatterlist *segment, udrv_iova_t addr, size_t len,
		    const struct limits *limits)
{
	size_t total = segment->dma_length + len;

	return segment->dma_address + segment->dma_length == addr && total <= limits->max &&
	       !crosses(limits, segment->dma_address, total);
}

unsigned int udrv_dma_map_sg(struct udrv_device *dev, struct udrv_scatterlist *sg,
			     unsigned int nents, enum udrv_dma_data_direction dir)
{
	const struct limits limits = limits_of(dev->dma);
	struct udrv_scatterlist *segment = NULL;
	struct udrv_scatterlist *entry;
	unsigned int count = 0;
	unsigned int i;

	udrv_for_each_sg(sg, entry, nents, i)
	{
		udrv_iova_t addr = map_entry(dev, entry, dir, &limits);

		/* Overwritten if the entry is to have a segment. */
		entry->dma_address = UDRV_DMA_MAPPING_ERROR;
		entry->dma_length = 0;
		if (addr == UDRV_DMA_MAPPING_ERROR)
			goto err;
		if (segment && goes_on(segment, addr, entry->length, &limits)) {
			segment->dma_length += entry->length;
			continue;
		}
		segment = segment ? udrv_sg_next(segment) : sg;
		segment->dma_address = addr;
		segment->dma_length = entry->length;
		count++;
	}
	return count;

err:
	udrv_dma_unmap_sg(dev, sg, i, dir);
	return 0;
}

/* Segments are of whole entries, in order. */
static void for_each_entry(struct udrv_device *dev, struct udrv_scatterlist *sg, unsigned int nents,
			   enum udrv_dma_data_direction dir,
			   void (*work)(struct udrv_device *dev, udrv_iova_t addr, size_t size,
					enum udrv_dma_data_direction dir))
{
	struct udrv_scatterlist *segment = sg;
	struct udrv_scatterlist *entry;
	unsigned int done = 0;
	unsigned int i;

	udrv_for_each_sg(sg, entry, nents, i)
	{
		if (done && done >= segment->dma_length) {
			segment = udrv_sg_next(segment);
			done = 0;
		}
		work(dev, segment->dma_address + done, entry->length, dir);
		done += entry->length;
	}
}

void udrv_dma_unmap_sg(struct udrv_device *dev, struct udrv_scatterlist *sg, unsigned int nents,
		       enum udrv_dma_data_direction dir)
{
	for_each_entry(dev, sg, nents, dir, udrv_dma_unmap_single);
}

void udrv__dma_sync_sg_for_cpu(struct udrv_device *dev, struct udrv_scatterlist *sg,
			       unsigned int nelems, enum udrv_dma_data_direction dir)
{
	if (dev->dma->domain->chosen)
		for_each_entry(dev, sg, nelems, dir, udrv__dma_sync_for_cpu);
}

void udrv__dma_sync_sg_for_device(struct udrv_device *dev, struct udrv_scatterlist *sg,
				  unsigned int nelems, enum udrv_dma_data_direction dir)
{
	if (dev->dma->domain->chosen)
		for_each_entry(dev, sg, nelems, dir, udrv__dma_sync_for_device);
}

int udrv_dma_map_sgtable(struct udrv_device *dev, struct udrv_sg_table *sgt,
			 enum udrv_dma_data_direction dir, unsigned long attrs)
{
	unsigned int count;

	(void)attrs;
	if (!sgt->sgl || !sgt->orig_nents)
		return -EINVAL;
	count = udrv_dma_map_sg(dev, sgt->sgl, sgt->orig_nents, dir);
	if (!count)
		return -EIO;
	sgt->nents = count;
	return 0;
}
