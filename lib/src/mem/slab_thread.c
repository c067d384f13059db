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

#define MAPPED_BYTES (TABLE_BYTES + UDRV__SLAB_BLOCK_BYTES) /* a table, and counters */

_Static_assert(sizeof(struct udrv__slab_slot) == CACHE_LINE, "a slot is a cache line");

/* In the place of slot 0. */
struct table {
	struct udrv_list_head link;
	struct udrv__slab_block block;
};

static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER;
static UDRV_LIST_HEAD(tables);
static struct udrv_kmem_cache *caches[CACHES_MAX];
static size_t highest;					  /* index that was ever used */
static pthread_cond_t gone_on = PTHREAD_COND_INITIALIZER; /* somebody who looked at a cache */
static pthread_key_t key;
static bool has_key;

/* Never written: what looks both empty and full leads every thread to the slow path. */
static _Alignas(CACHE_LINE) char none[TABLE_BYTES];
__thread char *udrv__slab_table = none;

static void add_past(uint64_t *past, uint64_t counter)
{
	__atomic_fetch_add(past, counter, __ATOMIC_RELAXED);
}

void udrv__slab_empty(struct udrv_kmem_cache *cache, struct udrv__magazine *m)
{
	uint32_t count = m->count;

	m->count = 0;
	IN_THIS_ORDER();
	if (count)
		udrv__slab_put(cache, m->objs, count);
}

void udrv__slab_slot_flush(struct udrv_kmem_cache *cache, struct udrv__slab_slot *slot)
{
	slot->loaded->count = (uint32_t)(slot->top - slot->bottom);
	slot->top = slot->bottom;
	udrv__slab_empty(cache, slot->loaded);
	udrv__slab_empty(cache, slot->previous);
}

void udrv__slab_registry_lock(void)
{
	pthread_mutex_lock(&registry);
}

void udrv__slab_registry_unlock(void)
{
	pthread_mutex_unlock(&registry);
}

static void end_counts(struct udrv__slab_record *record, struct udrv__slab_counts *counts)
{
	udrv__slab_stat_begin(record);
	add_past(&record->past_allocs, counts->allocs);
	add_past(&record->past_frees, counts->frees);
	add_past(&record->past_misses, counts->misses);
	memset(counts, 0, sizeof(*counts));
	udrv__slab_stat_end(record);
}

static size_t counts_end(const struct udrv_kmem_cache *cache)
{
	return cache->slot + sizeof(struct udrv__slab_counts);
}

/* Under the registry's lock. */
static void end_slot(struct udrv_kmem_cache *cache, struct udrv__slab_slot *slot)
{
	if (!slot->loaded)
		return;
	udrv__slab_slot_flush(cache, slot);
	udrv__depot_put(cache, slot->loaded);
	udrv__depot_put(cache, slot->previous);
	end_counts(cache->record, udrv__slab_counts(slot));
	memset(slot, 0, sizeof(*slot));
	__atomic_fetch_sub(&cache->slots, 1, __ATOMIC_RELAXED);
}

static struct udrv__slab_slot *slot_of(struct table *table, const struct udrv_kmem_cache *cache)
{
	return (struct udrv__slab_slot *)(void *)((char *)table + cache->slot);
}

static char *counts_of(struct table *table)
{
	return (char *)table + TABLE_BYTES;
}

struct udrv__slab_block *udrv__slab_own_block(char **counts)
{
	struct table *table = (struct table *)(void *)udrv__slab_table;

	if (udrv__slab_table == none)
		return NULL;
	*counts = counts_of(table);
	return &table->block;
}

static void end_thread(void *arg)
{
	struct table *table = arg;

	pthread_mutex_lock(&registry);
	for (size_t i = 1; i <= highest; i++)
		if (caches[i])
			end_slot(caches[i], slot_of(table, caches[i]));
	udrv_list_del(&table->link);
	udrv__slab_stat_end_thread(&table->block);
	pthread_mutex_unlock(&registry);
	/* What other destructors of the thread do makes another table. */
	udrv__slab_table = none;
	munmap(table, MAPPED_BYTES);
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
	table = mmap(NULL, MAPPED_BYTES, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (table == MAP_FAILED)
		return false;
	if (pthread_setspecific(key, table)) {
		munmap(table, MAPPED_BYTES);
		return false;
	}
	pthread_mutex_lock(&registry);
	udrv__slab_stat_begin_thread(&table->block, counts_of(table),
				     (highest + 1) * sizeof(struct udrv__slab_counts));
	udrv_list_add(&table->link, &tables);
	pthread_mutex_unlock(&registry);
	udrv__slab_table = (char *)table;
	return true;
}

/* For one thread more. */
static bool have_magazines(struct udrv_kmem_cache *cache, struct table *table)
{
	int ret;

	pthread_mutex_lock(&registry);
	ret = udrv__depot_grow(cache, __atomic_load_n(&cache->slots, __ATOMIC_RELAXED) + 1);
	if (!ret)
		ret = udrv__slab_stat_extend(&table->block, counts_of(table), counts_end(cache));
	pthread_mutex_unlock(&registry);
	if (ret)
		udrv_pr_warn("cache %s: no memory for a thread's magazines", cache->name);
	return !ret;
}

/* Two empty magazines. GFP_ATOMIC takes what there is. */
static bool begin_slot(struct udrv_kmem_cache *cache, struct udrv__slab_slot *slot, bool may_map)
{
	struct table *table = (struct table *)(void *)udrv__slab_table;
	struct udrv__magazine *loaded;
	struct udrv__magazine *previous;

	if (may_map && !have_magazines(cache, table))
		return false;
	if (table->block.ready < counts_end(cache))
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

	if (cache->debug || cache->foreign)
		return NULL;
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
		udrv__slab_stat_add(cache);
	}
	pthread_mutex_unlock(&registry);
	return i < CACHES_MAX ? 0 : -ENOSPC;
}

void udrv__slab_unregister(struct udrv_kmem_cache *cache)
{
	pthread_mutex_lock(&registry);
	udrv__slab_stat_remove(cache);
	caches[cache->slot / sizeof(struct udrv__slab_slot)] = NULL;
	pthread_mutex_unlock(&registry);
}

bool udrv__slab_name_owner(const void *p, char *name)
{
	bool found = false;

	pthread_mutex_lock(&registry);
	for (size_t i = 1; i <= highest && !found; i++) {
		found = caches[i] && udrv__slab_is_into(caches[i], p);
		if (found)
			memcpy(name, caches[i]->name, sizeof(caches[i]->name));
	}
	pthread_mutex_unlock(&registry);
	return found;
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
	stats->allocations = read_counter(&cache->record->past_allocs);
	stats->frees = read_counter(&cache->record->past_frees);
	misses = read_counter(&cache->record->past_misses);
	udrv_list_for_each_entry(table, &tables, link) {
		const struct udrv__slab_counts *c = udrv__slab_counts(slot_of(table, cache));

		if (table->block.ready < counts_end(cache))
			continue; /* no memory, and none used */
		stats->allocations += read_counter(&c->allocs);
		stats->frees += read_counter(&c->frees);
		misses += read_counter(&c->misses);
	}
	pthread_mutex_unlock(&registry);
	stats->hits = stats->allocations > misses ? stats->allocations - misses : 0;
	stats->active = stats->allocations > stats->frees ? stats->allocations - stats->frees : 0;
}

struct udrv_kmem_cache *udrv__slab_cache_from(size_t *index)
{
	for (; *index <= highest; ++*index)
		if (caches[*index])
			return caches[*index];
	return NULL;
}

struct udrv_kmem_cache *udrv__slab_walk(size_t *index, struct udrv_kmem_cache *last)
{
	struct udrv_kmem_cache *cache;

	pthread_mutex_lock(&registry);
	if (last && last->walkers && !--last->walkers)
		pthread_cond_broadcast(&gone_on);
	while ((cache = udrv__slab_cache_from(index))) {
		++*index;
		if (!cache->closed) {
			cache->walkers++;
			break;
		}
	}
	pthread_mutex_unlock(&registry);
	return cache;
}

void udrv__slab_close(struct udrv_kmem_cache *cache)
{
	pthread_mutex_lock(&registry);
	cache->closed = true;
	while (cache->walkers)
		pthread_cond_wait(&gone_on, &registry);
	pthread_mutex_unlock(&registry);
}

void udrv__slab_open(struct udrv_kmem_cache *cache)
{
	pthread_mutex_lock(&registry);
	cache->closed = false;
	pthread_mutex_unlock(&registry);
}

/* Its magazines are nobody's; its counts are not lost. */
void udrv__slab_forget_slot(struct udrv_kmem_cache *cache, struct udrv__slab_slot *slot)
{
	end_counts(cache->record, udrv__slab_counts(slot));
	memset(slot, 0, sizeof(*slot));
}

static void forget_table(struct table *table,
			 void (*fn)(struct udrv_kmem_cache *cache, struct udrv__slab_slot *slot))
{
	struct udrv_kmem_cache *cache;

	for (size_t i = 1; (cache = udrv__slab_cache_from(&i)); i++) {
		struct udrv__slab_slot *slot = slot_of(table, cache);

		if (table->block.ready < counts_end(cache))
			continue;
		add_past(&cache->record->past_allocs, udrv__slab_counts(slot)->allocs);
		add_past(&cache->record->past_frees, udrv__slab_counts(slot)->frees);
		add_past(&cache->record->past_misses, udrv__slab_counts(slot)->misses);
		if (slot->loaded)
			fn(cache, slot);
	}
	udrv_list_del(&table->link);
	munmap(table, MAPPED_BYTES);
}

void udrv__slab_forget_threads(void (*fn)(struct udrv_kmem_cache *cache,
					  struct udrv__slab_slot *slot))
{
	static const pthread_cond_t initial = PTHREAD_COND_INITIALIZER;
	struct udrv_kmem_cache *cache;
	struct table *table;
	struct table *next;

	gone_on = initial;
	for (size_t i = 1; (cache = udrv__slab_cache_from(&i)); i++) {
		cache->walkers = 0;
		cache->closed = false;
	}
	udrv_list_for_each_entry_safe(table, next, &tables, link)
		if ((char *)table != udrv__slab_table)
			forget_table(table, fn);
}
