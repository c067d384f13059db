// SPDX-License-Identifier: MIT
/* Memory for slabs: anonymous mappings, which no device reaches, or runs of an arena. */
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include "mem/backing.h"
#include "mem/domain.h"
#include "mem/slab.h"
#include "pci/device.h"

static void *map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static bool is_aligned(const void *p, size_t size)
{
	return !((uintptr_t)p & (size - 1));
}

/* The kernel puts mappings side by side, so that the one after an aligned one is aligned, too. */
static char *map_aligned(size_t size)
{
	char *p = map(size);
	size_t before;

	if (!p || is_aligned(p, size))
		return p;
	munmap(p, size);
	p = map(2 * size);
	if (!p)
		return NULL;
	before = -(uintptr_t)p & (size - 1);
	if (before)
		munmap(p, before);
	munmap(p + before + size, size - before);
	return p + before;
}

static void *plain_alloc(struct udrv_device *dev, size_t size, int node)
{
	void *p = map_aligned(size);

	(void)dev;
	if (p)
		udrv__prefer_node(p, size, node);
	return p;
}

static void plain_free(struct udrv_device *dev, void *chunk, size_t size)
{
	(void)dev;
	munmap(chunk, size);
}

const struct udrv__slab_memory udrv__slab_plain = {.alloc = plain_alloc, .free = plain_free};

static void *dma_alloc(struct udrv_device *dev, size_t size, int node)
{
	const struct udrv__dma *dma = dev->dma;

	return udrv__arena_alloc(
		&dma->domain->arena,
		&(struct udrv__arena_want){
			.dev = dev,
			.len = size,
			.align = size,
			.limit = __atomic_load_n(&dma->coherent_mask, __ATOMIC_RELAXED),
			.node = node < 0 ? dma->node : node,
			.gfp = UDRV_GFP_KERNEL | UDRV_GFP_NOWARN,
		});
}

static void dma_free(struct udrv_device *dev, void *chunk, size_t size)
{
	(void)udrv__arena_free(&dev->dma->domain->arena, chunk, size);
}

const struct udrv__slab_memory udrv__slab_dma = {
	.shared = true, .alloc = dma_alloc, .free = dma_free};

static void *common_alloc(struct udrv_device *dev, size_t size, int node)
{
	(void)dev;
	return udrv__arena_alloc(&udrv__common_arena,
				 &(struct udrv__arena_want){
					 .len = size,
					 .align = size,
					 .limit = UINT64_MAX,
					 .node = node,
					 .gfp = UDRV_GFP_KERNEL | UDRV_GFP_NOWARN,
				 });
}

static void common_free(struct udrv_device *dev, void *chunk, size_t size)
{
	(void)dev;
	(void)udrv__arena_free(&udrv__common_arena, chunk, size);
}

const struct udrv__slab_memory udrv__slab_common = {
	.shared = true, .alloc = common_alloc, .free = common_free};
