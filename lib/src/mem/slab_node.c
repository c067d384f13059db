// SPDX-License-Identifier: MIT
#include <string.h>

#include "mem/backing.h"
#include "mem/slab.h"

static void *alloc(struct udrv_kmem_cache *cache, udrv_gfp_t gfp, int node)
{
	struct udrv__slab_slot *slot;
	void *obj = NULL;

	node = udrv__node(node);
	slot = node < 0 ? NULL : udrv__slab_slot_get(cache, !(gfp & UDRV_GFP_ATOMIC));
	if (slot)
		obj = udrv__slab_take_node(cache, gfp | UDRV_GFP_NOWARN, node);
	if (!obj)
		return udrv__slab_alloc(cache, gfp);
	COUNT(udrv__slab_counts(slot)->allocs, 1);
	COUNT(udrv__slab_counts(slot)->misses, 1);
	return obj;
}

void *udrv_kmem_cache_alloc_node(struct udrv_kmem_cache *cache, udrv_gfp_t gfp, int node)
{
	bool zero = gfp & UDRV_GFP_ZERO;
	void *obj = zero && !udrv__slab_may_zero(cache) ? NULL : alloc(cache, gfp, node);

	return obj && zero ? memset(obj, 0, cache->object_size) : obj;
}
