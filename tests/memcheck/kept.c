// SPDX-License-Identifier: MIT
/* The only pointer to a block is in an object, which lives to the end: no leak. */
#include <stdlib.h>

#include <udrv/slab.h>

static void **kept;

int main(void)
{
	struct udrv_kmem_cache *cache = udrv_kmem_cache_create(NULL, "kept", 64, 0, 0, NULL, NULL);

	kept = cache ? udrv_kmem_cache_alloc(cache, UDRV_GFP_KERNEL) : NULL;
	if (!kept)
		return EXIT_FAILURE;
	*kept = malloc(10);
	return EXIT_SUCCESS;
}
