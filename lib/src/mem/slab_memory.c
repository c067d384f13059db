// SPDX-License-Identifier: MIT
/* Memory for slabs that no device reaches: anonymous mappings. */
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include "mem/slab.h"

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
static void *plain_alloc(struct udrv_device *dev, size_t size)
{
	char *p = map(size);
	size_t before;

	(void)dev;
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

static void plain_free(struct udrv_device *dev, void *chunk, size_t size)
{
	(void)dev;
	munmap(chunk, size);
}

const struct udrv__slab_memory udrv__slab_plain = {.alloc = plain_alloc, .free = plain_free};
