// SPDX-License-Identifier: MIT
/*
 * Object caches and fork(). The locks are held across it. The child has one thread: what was in the
 * magazines of the others goes to the depot, except where one of them was just moving it. What one
 * had taken from a magazine, the depot or a slab, and not yet put where it belongs, is lost to the
 * child, as is what it had allocated: both are counted as inherited.
 */
#include <pthread.h>
#include <string.h>

#include <udrv/log.h>

#include "mem/kmalloc.h"
#include "mem/region.h"
#include "mem/slab.h"
#include "mem/slab_stat.h"

uint32_t udrv__fork_generation;

static void lock_all(void)
{
	struct udrv_kmem_cache *cache;

	udrv__kmalloc_lock();
	pthread_mutex_lock(&udrv__regions_lock);
	udrv__slab_registry_lock();
	for (size_t i = 1; (cache = udrv__slab_cache_from(&i)); i++) {
		if (cache->debug)
			udrv__slab_debug_hold(cache);
		udrv__slab_lock(cache);
		/* What the parent goes on to change where the child can see it. */
		if (cache->record != &cache->own_record)
			cache->own_record = *cache->record;
	}
	udrv__vmalloc_lock();
}

static void unlock_all(void)
{
	struct udrv_kmem_cache *cache;

	udrv__vmalloc_unlock();
	for (size_t i = 1; (cache = udrv__slab_cache_from(&i)); i++) {
		udrv__slab_unlock(cache);
		if (cache->debug)
			udrv__slab_debug_release(cache);
	}
	udrv__slab_registry_unlock();
	pthread_mutex_unlock(&udrv__regions_lock);
	udrv__kmalloc_unlock();
}

/* Its thread may have been about to exchange the magazines. */
static bool is_consistent(const struct udrv_kmem_cache *cache, const struct udrv__slab_slot *slot)
{
	return slot->bottom == slot->loaded->objs && slot->end == slot->bottom + cache->rounds &&
	       slot->top >= slot->bottom && slot->top <= slot->end;
}

static void give_to_depot(struct udrv_kmem_cache *cache, struct udrv__slab_slot *slot)
{
	if (cache->memory->shared || !is_consistent(cache, slot))
		return;
	slot->loaded->count = (uint32_t)(slot->top - slot->bottom);
	udrv__depot_put(cache, slot->loaded);
	if (slot->previous && slot->previous != slot->loaded)
		udrv__depot_put(cache, slot->previous);
}

static void disown(struct udrv_kmem_cache *cache, struct udrv__slab_slot *slot)
{
	cache->foreign = true;
	cache->full.head = 0;
	cache->inherited = UINT64_MAX;
	if (slot->loaded)
		udrv__slab_forget_slot(cache, slot);
	cache->slots = 0;
}

/* What remains of a cache for the only thread. */
static void inherit(struct udrv_kmem_cache *cache, struct udrv__slab_slot *slot)
{
	uint64_t inside = udrv__depot_recount(cache);

	cache->slots = 0;
	if (slot->loaded) {
		inside += (uint64_t)(slot->top - slot->bottom) + slot->previous->count;
		cache->slots = 1;
	}
	if (cache->debug)
		inside += udrv__slab_debug_queued(cache) + cache->aside;
	cache->inherited = cache->taken > inside ? cache->taken - inside : 0;
}

static void begin_child(void)
{
	struct udrv_kmem_cache *cache;

	udrv__fork_generation++;
	udrv__slab_stat_forked();
	udrv__slab_reaper_gone();
	udrv__slab_forget_threads(give_to_depot);
	for (size_t i = 1; (cache = udrv__slab_cache_from(&i)); i++)
		if (cache->memory->shared)
			disown(cache, udrv__slab_slot(cache));
		else
			inherit(cache, udrv__slab_slot(cache));
	unlock_all();
}

bool udrv__slab_foreign(struct udrv_kmem_cache *cache)
{
	if (cache->foreign && !__atomic_exchange_n(&cache->reported, true, __ATOMIC_RELAXED))
		udrv_pr_err("cache %s: its memory may not be used: it is %s", cache->name,
			    cache->dev && !udrv__fork_generation
				    ? "gone with its device"
				    : "the parent process's, or gone with its device");
	return cache->foreign;
}

/* Others' may end at any time: they are looked at under the lock only. */
static struct udrv_kmem_cache *cache_of(const struct udrv_device *dev, size_t *index)
{
	struct udrv_kmem_cache *cache;

	udrv__slab_registry_lock();
	while ((cache = udrv__slab_cache_from(index)) &&
	       (cache->memory != &udrv__slab_dma || cache->dev != dev || cache->foreign))
		++*index;
	udrv__slab_registry_unlock();
	return cache;
}

void udrv__slab_device_gone(const struct udrv_device *dev)
{
	struct udrv_kmem_cache *cache;

	for (size_t i = 1; (cache = cache_of(dev, &i)); i++) {
		/* Nobody walks it any more, and no thread has magazines of it. */
		udrv__slab_close(cache);
		udrv__slab_flush_threads(cache);
		udrv__depot_drain(cache);
		/* The thread that reaps looks whether it is large. */
		udrv__slab_registry_lock();
		cache->inherited = UINT64_MAX;
		cache->foreign = true;
		udrv__slab_registry_unlock();
	}
}

/*
 * At the latest when there is a cache. When the library is loaded, so that these handlers are the
 * innermost: those of the program may take locks with which it uses caches.
 */
__attribute__((constructor)) bool udrv__slab_watch_fork(void)
{
	static bool watching;
	bool ok;

	udrv__slab_registry_lock();
	if (!watching)
		watching = !pthread_atfork(lock_all, unlock_all, begin_child);
	ok = watching;
	udrv__slab_registry_unlock();
	return ok;
}
