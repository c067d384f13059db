// SPDX-License-Identifier: MIT
/* A driver in a shared object: its constructor and destructor go with it. */
#include <stddef.h>

#include <udrv/slab.h>

#include "plugin.h"

static struct udrv_kmem_cache *cache;
static int made;

static void make_thing(void *obj)
{
	*(long *)obj = 0x5ab;
	__atomic_fetch_add(&made, 1, __ATOMIC_RELAXED);
}

static void end_thing(void *obj)
{
	if (*(long *)obj == 0x5ab)
		__atomic_fetch_sub(&made, 1, __ATOMIC_RELAXED);
}

struct udrv_kmem_cache *plugin_begin(void)
{
	cache = udrv_kmem_cache_create(NULL, "plugin", 64, 0, 0, make_thing, end_thing);
	return cache;
}

int plugin_use(int n)
{
	void *objs[1000];

	if (!udrv_kmem_cache_alloc_bulk(cache, UDRV_GFP_KERNEL, (size_t)n, objs))
		return -1;
	udrv_kmem_cache_free_bulk(cache, (size_t)n, objs);
	return 0;
}

int plugin_end(void)
{
	int ret = udrv_kmem_cache_destroy(cache);

	return ret ? ret : made;
}
