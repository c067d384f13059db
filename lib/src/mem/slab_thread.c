// SPDX-License-Identifier: MIT
/*
 * Which threads have magazines of which caches. A thread's table has a slot per cache, at an offset
 * that the cache knows; it is mapped at the thread's first use of any cache, and goes with it.
 * The registry's lock orders the ends of threads and of caches.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include <udrv/log.h>

#include "mem/slab.h"

#define TABLE_BYTES (CACHES_MAX * sizeof(struct udrv__slab_slot))

_Static_assert(sizeof(struct udrv__slab_slot) == CACHE_LINE, "a slot is a cache line");

/* In the place of slot 0. */
struct table {
	struct udrv_list_head link;
};

static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER;
static UDRV_LIST_HEAD(tables);
static struct udrv_kmem_cache *caches[CACHES_MAX];
static size_t highest; /* index that was ever used */
static pthread_key_t key;
static bool has_key;

/* Never written: what looks both empty and full leads every thread to the slow path. */
static _Alignas(CACHE_LINE) char none[TABLE_BYTES];
__thread char *udrv__slab_table = none;

static void add_past(uint64_t *past, uint64_t counter)
{
	__atomic_fetch_add(past, counter, __ATOMIC_RELAXED);
}

static void empty_magazine(struct udrv_kmem_cache *cache, struct udrv__magazine *m)
{
	if (m->count)
		udrv__slab_put(cache, m->objs, m->count);
	m->count = 0;
}

void udrv__slab_slot_flush(struct udrv_kmem_cache *cache, struct udrv__slab_slot *slot)
{
	slot->loaded->count = (uint32_t)(slot->top - slot->bottom);
	slot->top = slot->bottom;
	empty_magazine(cache, slot->loaded);
	empty_magazine(cache, slot->previous);
}

/* Under the registry's lock. */
static void end_slot(struct udrv_kmem_cache *cache, struct udrv__slab_slot *slot)
{
	if (!slot->loaded)
		return;
	udrv__slab_slot_flush(cache, slot);
	udrv__depot_put(cache, slot->loaded);
	udrv__depot_put(cache, slot->previous);
	add_past(&cache->past_allocs, slot->allocs);
	add_past(&cache->past_frees, slot->frees);
	add_past(&cache->past_misses, slot->misses);
	memset(slot, 0, sizeof(*slot));
	__atomic_fetch_sub(&cache->slots, 1, __ATOMIC_RELAXED);
}

static struct udrv__slab_slot *slot_of(struct table *table, const struct udrv_kmem_cache *cache)
{
	return (struct udrv__slab_slot *)(void *)((char *)table + cache->slot);
}

static void end_thread(void *arg)
{
	struct table *table = arg;

	pthread_mutex_lock(&registry);
	for (size_t i = 1; i <= highest; i++)
		if (caches[i])
			end_slot(caches[i], slot_of(table, caches[i]));
	udrv_list_del(&table->link);
	pthread_mutex_unlock(&registry);
	/* What other destructors of the thread do makes another table. */
	udrv__slab_table = none;
	munmap(table, TABLE_BYTES);
}

static void make_key(void)
{
	has_key = !pthread_key_create(&key, end_thread);
}

static bool make_table(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct table *table;

	pthread_once(&once, make_key);
	if (!has_key)
		return false;
	table = mmap(NULL, TABLE_BYTES, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (table == MAP_FAILED)
		return false;
	if (pthread_setspecific(key, table)) {
		munmap(table, TABLE_BYTES);
		return false;
	}
	pthread_mutex_lock(&registry);
	udrv_list_add(&table->link, &tables);
	pthread_mutex_unlock(&registry);
	udrv__slab_table = (char *)table;
	return true;
}

/* For one thread more. */
static bool have_magazines(struct udrv_kmem_cache *cache)
{
	int ret;

	pthread_mutex_lock(&registry);
	ret = udrv__depot_grow(cache, __atomic_load_n(&cache->slots, __ATOMIC_RELAXED) + 1);
	pthread_mutex_unlock(&registry);
	if (ret)
		udrv_pr_warn("cache %s: no memory for a thread's magazines", cache->name);
	return !ret;
}

/* Two empty magazines. GFP_ATOMIC takes what there is. */
static bool begin_slot(struct udrv_kmem_cache *cache, struct udrv__slab_slot *slot, bool may_map)
{
	struct udrv__magazine *loaded;
	struct udrv__magazine *previous;

	if (may_map && !have_magazines(cache))
		return false;
	loaded = udrv__depot_take_empty(cache);
	previous = loaded ? udrv__depot_take_empty(cache) : NULL;
	if (!previous) {
		if (loaded)
			udrv__depot_put(cache, loaded);
		return false;
	}
	slot->loaded = loaded;
	slot->previous = previous;
	slot->top = slot->bottom = loaded->objs;
	slot->end = slot->bottom + cache->rounds;
	__atomic_fetch_add(&cache->slots, 1, __ATOMIC_RELAXED);
	return true;
}

struct udrv__slab_slot *udrv__slab_slot_get(struct udrv_kmem_cache *cache, bool may_map)
{
	struct udrv__slab_slot *slot;

	if (udrv__slab_table == none && (!may_map || !make_table()))
		return NULL;
	slot = udrv__slab_slot(cache);
	return slot->loaded || begin_slot(cache, slot, may_map) ? slot : NULL;
}

int udrv__slab_register(struct udrv_kmem_cache *cache)
{
	size_t i = 1;

	pthread_mutex_lock(&registry);
	while (i < CACHES_MAX && caches[i])
		i++;
	if (i < CACHES_MAX) {
		caches[i] = cache;
		cache->slot = i * sizeof(struct udrv__slab_slot);
		if (highest < i)
			highest = i;
	}
	pthread_mutex_unlock(&registry);
	return i < CACHES_MAX ? 0 : -ENOSPC;
}

void udrv__slab_unregister(struct udrv_kmem_cache *cache)
{
	pthread_mutex_lock(&registry);
	caches[cache->slot / sizeof(struct udrv__slab_slot)] = NULL;
	pthread_mutex_unlock(&registry);
}

void udrv__slab_flush_threads(struct udrv_kmem_cache *cache)
{
	struct table *table;

	pthread_mutex_lock(&registry);
	udrv_list_for_each_entry(table, &tables, link)
		end_slot(cache, slot_of(table, cache));
	pthread_mutex_unlock(&registry);
}

static uint64_t read_counter(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

void udrv__slab_sum(struct udrv_kmem_cache *cache, struct udrv_kmem_cache_stats *stats)
{
	uint64_t misses;
	struct table *table;

	pthread_mutex_lock(&registry);
	stats->allocations = read_counter(&cache->past_allocs);
	stats->frees = read_counter(&cache->past_frees);
	misses = read_counter(&cache->past_misses);
	udrv_list_for_each_entry(table, &tables, link) {
		const struct udrv__slab_slot *slot = slot_of(table, cache);

		stats->allocations += read_counter(&slot->allocs);
		stats->frees += read_counter(&slot->frees);
		misses += read_counter(&slot->misses);
	}
	pthread_mutex_unlock(&registry);
	stats->hits = stats->allocations > misses ? stats->allocations - misses : 0;
	stats->active = stats->allocations > stats->frees ? stats->allocations - stats->frees : 0;
}
