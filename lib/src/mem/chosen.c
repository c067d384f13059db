// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include <udrv/log.h>

#include "mem/chosen.h"
#include "pci/device.h"

/* Blocks that are held, because others have their addresses, until there is a better one. */
#define REJECTED_MAX   64u
#define REJECTED_BYTES ((size_t)256 << 20)

/* A backend takes a power of two less one. */
static uint64_t mask_of(udrv_iova_t limit)
{
	return limit == UINT64_MAX || !(limit & (limit + 1))
		       ? limit
		       : (UINT64_C(1) << (63 - __builtin_clzll(limit))) - 1;
}

int udrv__chosen_pin_block(struct udrv_device *dev, udrv_iova_t limit,
			   const struct udrv__region *region, struct udrv__dma_block *block)
{
	*block = (struct udrv__dma_block){.va = region->va, .len = region->len};
	if (!dev->ops->dma_pin)
		return -EOPNOTSUPP;
	return dev->ops->dma_pin(dev, mask_of(limit),
				 udrv__region_allows(region, UDRV_DMA_TO_DEVICE),
				 udrv__region_allows(region, UDRV_DMA_FROM_DEVICE), block);
}

/* With the device everything went that it had. */
static int check_end(struct udrv_device *dev, const struct udrv__dma_block *block, int ret,
		     const char *what)
{
	if (!ret || ret == -ENODEV)
		return 0;
	udrv_dev_err(dev, "DMA %s at 0x%llx+0x%zx was not given back: %s; it is kept", what,
		     (unsigned long long)block->iova, block->len, strerror(-ret));
	return ret;
}

int udrv__chosen_unpin_block(struct udrv_device *dev, const struct udrv__dma_block *block)
{
	return check_end(dev, block, dev->ops->dma_unpin(dev, block), "mapping");
}

static bool is_pinned(const struct udrv__region *region)
{
	return region->kind != UDRV__REGION_ARENA || region->page_size;
}

static int get(struct udrv_device *dev, udrv_iova_t limit, const struct udrv__region *region,
	       struct udrv__dma_block *block)
{
	if (is_pinned(region))
		return udrv__chosen_pin_block(dev, limit, region, block);
	*block = (struct udrv__dma_block){.len = region->len};
	return dev->ops->dma_alloc(dev, region->len, mask_of(limit), block);
}

static int put(struct udrv_device *dev, const struct udrv__region *region,
	       const struct udrv__dma_block *block)
{
	if (is_pinned(region))
		return udrv__chosen_unpin_block(dev, block);
	return check_end(dev, block, dev->ops->dma_free(dev, block), "memory");
}

static int enter(struct udrv__region *region, udrv_iova_t limit,
		 const struct udrv__dma_block *block)
{
	const uint64_t tables = (UINT64_C(1) << UDRV__KEY_BITS) - 1;
	int ret;

	if (!udrv__dma_fits(limit < tables ? limit : tables, block->iova, block->len))
		return -ERANGE;
	ret = udrv__iova_take(&udrv__iovas, block->iova, block->len, region);
	if (ret)
		return ret;
	__atomic_store_n(&region->va, block->va, __ATOMIC_RELAXED);
	udrv__region_set_iova(region, block->iova);
	region->handle = block->handle;
	return 0;
}

/* While it is held, the next one is elsewhere; unless memory has only the one address. */
static bool may_try_again(const struct udrv__dma_block *rejected, unsigned int n)
{
	return n < REJECTED_MAX && n * rejected[0].len < REJECTED_BYTES &&
	       (n < 2 || rejected[n - 1].iova != rejected[n - 2].iova);
}

int udrv__chosen_get(struct udrv_device *dev, udrv_iova_t limit, struct udrv__region *region)
{
	struct udrv__dma_block blocks[REJECTED_MAX];
	bool conflict = false;
	unsigned int n = 0;
	int ret;

	do {
		ret = get(dev, limit, region, &blocks[n]);
		if (ret)
			break;
		ret = enter(region, limit, &blocks[n]);
		n += ret != 0;
		conflict |= ret == -EEXIST;
	} while (ret == -EEXIST && may_try_again(blocks, n));
	if (ret && conflict)
		ret = -EADDRINUSE;
	while (n)
		(void)put(dev, region, &blocks[--n]);
	return ret;
}

int udrv__chosen_free(struct udrv_device *dev, struct udrv__region *region)
{
	const struct udrv__dma_block block = {
		.va = region->va,
		.len = region->len,
		.iova = region->iova,
		.handle = region->handle,
	};
	int ret = put(dev, region, &block);

	if (ret)
		region->len = 0; /* nobody finds memory there */
	else
		udrv__iova_free(&udrv__iovas, region->iova);
	return ret;
}

bool udrv__chosen_is_untranslated(struct udrv_device *dev)
{
	return dev->ops->dma_untranslated && dev->ops->dma_untranslated(dev);
}

void udrv__chosen_explain(struct udrv_device *dev, size_t len, uint64_t mask, int err)
{
	switch (err) {
	case -EOPNOTSUPP:
		udrv_dev_err(dev,
			     "backend %s gives no DMA memory: bind the device to vfio-pci or "
			     "udrv_stub (udrv bind --driver stub %s)",
			     dev->ops->name, dev->name);
		break;
	case -E2BIG:
		udrv_dev_err(dev,
			     "cannot map %zu bytes for DMA in place: without an IOMMU that is "
			     "possible for a page, or a huge page, below the mask, and only if "
			     "the device can be reset; use udrv_dma_alloc_coherent()",
			     len);
		break;
	case -EADDRINUSE:
	case -ERANGE:
		udrv_dev_err(
			dev,
			"no device address for %zu bytes below the DMA mask 0x%llx: those that "
			"the kernel gave are %s",
			len, (unsigned long long)mask,
			err == -ERANGE ? "above it, or have more than 48 bits"
				       : "those of other mappings");
		break;
	default:
		if (dev->ops->dma_explain)
			dev->ops->dma_explain(dev, len, -err);
		else
			udrv_dev_err(dev, "cannot map %zu bytes for DMA: %s", len, strerror(-err));
	}
}
