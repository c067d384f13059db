// SPDX-License-Identifier: MIT
/* DMA memory that goes with the driver. */
#include <udrv/devres.h>
#include <udrv/dma.h>
#include <udrv/log.h>

#include "mem/domain.h"
#include "pci/device.h"

static void release_coherent(void *va)
{
	struct udrv__arena *arena = udrv__region_of(va)->arena;

	if (arena)
		(void)udrv__arena_free(arena, va, udrv__arena_run(arena, va));
}

void *udrv_dmam_alloc_coherent(struct udrv_device *dev, size_t size, udrv_iova_t *dma_handle,
			       udrv_gfp_t gfp)
{
	udrv_iova_t iova = 0;
	void *va;

	if (gfp & UDRV_GFP_ATOMIC)
		return NULL;
	va = udrv_dma_alloc_coherent(dev, size, &iova, gfp);
	if (!va)
		return NULL;
	if (udrv_devm_add_action(dev, release_coherent, va)) {
		udrv_dev_err(dev, "cannot manage %zu bytes of DMA memory: out of memory", size);
		release_coherent(va);
		return NULL;
	}
	*dma_handle = iova;
	return va;
}

/* As it was allocated, so that nothing can go wrong once it is not managed any more. */
static bool is_run(const struct udrv_device *dev, size_t size, const void *va, udrv_iova_t iova)
{
	size_t page = dev->dma->page_size;

	return udrv_virt_to_bus(va) == iova && size &&
	       udrv__arena_run(&dev->dma->domain->arena, va) == ((size + page - 1) & ~(page - 1));
}

void udrv_dmam_free_coherent(struct udrv_device *dev, size_t size, void *vaddr,
			     udrv_iova_t dma_handle)
{
	if (!vaddr)
		return;
	if (is_run(dev, size, vaddr, dma_handle) &&
	    !udrv_devm_remove_action(dev, release_coherent, vaddr))
		udrv_dma_free_coherent(dev, size, vaddr, dma_handle);
	else
		udrv_dev_err(dev, "DMA memory %p+0x%zx at 0x%llx not freed: it is not managed so",
			     vaddr, size, (unsigned long long)dma_handle);
}
