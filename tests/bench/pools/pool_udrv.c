// SPDX-License-Identifier: MIT
/* udrv's object caches, in libudrv.so, as drivers have them. */
#include <errno.h>

#include <udrv/udrv.h>

#include "pool.h"

static struct udrv_kmem_cache *cache;

void pool_set_up(const char *program)
{
	(void)program;
}

void pool_enter(void)
{
}

void pool_leave(void)
{
}

void pool_begin(size_t size, unsigned int objects)
{
	(void)objects;
	cache = udrv_kmem_cache_create(NULL, "bench", size, 0, 0, NULL, NULL);
	if (!cache)
		die("cache", ENOMEM);
}

void pool_end(void)
{
	if (udrv_kmem_cache_destroy(cache))
		die("cache", EBUSY);
}

static inline void *pool_alloc(void)
{
	return udrv_kmem_cache_alloc(cache, UDRV_GFP_KERNEL);
}

static inline void pool_free(void *obj)
{
	udrv_kmem_cache_free(cache, obj);
}

#define POOL_BULK

static inline void pool_alloc_bulk(void **objs)
{
	if (!udrv_kmem_cache_alloc_bulk(cache, UDRV_GFP_KERNEL, BATCH, objs))
		die("bulk", ENOMEM);
}

static inline void pool_free_bulk(void **objs)
{
	udrv_kmem_cache_free_bulk(cache, BATCH, objs);
}

/* As drivers have it, in functions whose instructions tests/bench/pool_cost counts. */
static __attribute__((noinline)) void *counted_alloc(struct udrv_kmem_cache *from)
{
	return udrv_kmem_cache_alloc(from, UDRV_GFP_KERNEL);
}

static __attribute__((noinline)) void counted_free(struct udrv_kmem_cache *to, void *obj)
{
	udrv_kmem_cache_free(to, obj);
}

static void call_pairs(unsigned int n)
{
	while (n--)
		counted_free(cache, counted_alloc(cache));
}

#define POOL_LOOP call_pairs

#include "patterns.h"
