// SPDX-License-Identifier: MIT
/*
 * Slabs: a chunk of memory with a header, a bit for each object that is here and not in a magazine,
 * and the objects. Slabs with some such objects are on a list, those with all of them on another.
 *
 * The lock is held for as long as a magazine is filled or emptied. Who releases it makes no system
 * call, as it may be GFP_ATOMIC: those who wait sleep for a time, instead of being woken.
 */
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <udrv/barrier.h>
#include <udrv/log.h>

#include "mem/lock.h"
#include "mem/region.h"
#include "mem/slab.h"

#define CHUNK_MIN  ((size_t)64 << 10)
#define CHUNK_FAIR ((size_t)256 << 10)
#define WORD_BITS  64u
/* Colours, in cache lines. */
#define NO_GAPS	     31u
#define GAP_EVERY    ((size_t)4 << 10)
#define COLOURS_MIN  4u
#define COLOURS_MAX  63u /* less one, of a page */
#define OBJECTS_FAIR 32u
#define HEAD_ALIGN   8u

uint64_t udrv__slab_reap_period_ns = UINT64_C(2000000000);

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

bool udrv__slab_trylock(struct udrv_kmem_cache *cache)
{
	return udrv__mem_trylock(&cache->lock);
}

void udrv__slab_lock(struct udrv_kmem_cache *cache)
{
	udrv__mem_lock(&cache->lock);
}

void udrv__slab_unlock(struct udrv_kmem_cache *cache)
{
	udrv__mem_unlock(&cache->lock);
}

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) & ~(to - 1);
}

static size_t words(size_t objects)
{
	return (objects + WORD_BITS - 1) / WORD_BITS;
}

/* Of what a debug mode has in a slab. */
static size_t head_offset(size_t objects)
{
	return round_up(sizeof(struct slab) + words(objects) * sizeof(uint64_t), HEAD_ALIGN);
}

/* Objects of a cache line's size are to be in one, not in two. */
static size_t first_offset(const struct udrv_kmem_cache *cache, size_t objects)
{
	size_t align = cache->align > CACHE_LINE ? cache->align : CACHE_LINE;

	return round_up(head_offset(objects) + cache->head_size + objects * cache->meta_size,
			align);
}

/* Offset of an object, or of the end of so many, from the first one. */
static size_t offset_of(const struct udrv_kmem_cache *cache, size_t i)
{
	return i * cache->size + (i >> cache->gap_shift) * CACHE_LINE;
}

static size_t left_over(const struct udrv_kmem_cache *cache)
{
	size_t end = cache->first + offset_of(cache, cache->per_slab);

	return end <= cache->chunk ? cache->chunk - end : 0;
}

/*
 * Objects an even number of cache lines apart, at the same offsets in all slabs, share few sets of
 * the processor's caches. So after each page of them a line is left out, and those of a slab are
 * moved together, by a number of lines that depends on the slab's address. If there is no room
 * for that, one of many objects makes it.
 */
static void colour(struct udrv_kmem_cache *cache)
{
	if (cache->debug || cache->size % (2 * CACHE_LINE) || CACHE_LINE % cache->align)
		return;
	for (cache->gap_shift = 0; cache->size << (cache->gap_shift + 1) <= GAP_EVERY;)
		cache->gap_shift++;
	while (cache->first + offset_of(cache, cache->per_slab) > cache->chunk)
		cache->per_slab--;
	if (left_over(cache) < CACHE_LINE * COLOURS_MIN && cache->per_slab >= OBJECTS_FAIR)
		cache->per_slab--;
	while (2 * cache->colours + 1 <= COLOURS_MAX &&
	       (2 * cache->colours + 1) * CACHE_LINE <= left_over(cache))
		cache->colours = 2 * cache->colours + 1;
	cache->colours *= CACHE_LINE;
}

void udrv__slab_lay_out(struct udrv_kmem_cache *cache)
{
	size_t chunk = cache->chunk ? cache->chunk : CHUNK_MIN;
	size_t n;

	while (!cache->chunk &&
	       (chunk < 4 * cache->size || (chunk < CHUNK_FAIR && chunk < 32 * cache->size)))
		chunk *= 2;
	n = (chunk - sizeof(struct slab)) / cache->size;
	while (first_offset(cache, n) + n * cache->size > chunk)
		n--;
	cache->chunk = chunk;
	cache->head = head_offset(n);
	cache->first = first_offset(cache, n) + cache->before;
	cache->per_slab = (uint32_t)n;
	cache->reciprocal = (uint32_t)(((UINT64_C(1) << 32) + cache->size - 1) / cache->size);
	cache->gap_shift = NO_GAPS;
	colour(cache);
}

/* Under the lock; others look without it. */
static void set_empty(struct udrv_kmem_cache *cache, uint32_t n)
{
	__atomic_store_n(&cache->empty_slabs, n, __ATOMIC_RELAXED);
	if (cache->empty_low > n)
		cache->empty_low = n;
}

static size_t first_of(const struct udrv_kmem_cache *cache, const struct slab *slab)
{
	return cache->first + ((uintptr_t)slab / cache->chunk * CACHE_LINE & cache->colours);
}

static char *object(const struct udrv_kmem_cache *cache, struct slab *slab, size_t i)
{
	return (char *)slab + first_of(cache, slab) + offset_of(cache, i);
}

/* The object at an address, or one that is not at it. 32 bits divide faster. */
static uint32_t index_of(const struct udrv_kmem_cache *cache, const struct slab *slab,
			 const void *obj)
{
	uint32_t offset = (uint32_t)((uintptr_t)obj - (uintptr_t)slab - first_of(cache, slab));
	uint32_t gaps = 0;

	if (cache->gap_shift != NO_GAPS)
		gaps = offset / (uint32_t)offset_of(cache, (size_t)1 << cache->gap_shift);
	return (offset - gaps * CACHE_LINE) / (uint32_t)cache->size;
}

/* How many objects a new slab may have; they count from now on. */
static uint32_t claim_objects(struct udrv_kmem_cache *cache)
{
	uint64_t n;

	udrv__slab_lock(cache);
	n = cache->limit - cache->record->total;
	if (n > cache->per_slab)
		n = cache->per_slab;
	cache->record->total += n;
	udrv__slab_unlock(cache);
	return (uint32_t)n;
}

static void unclaim_objects(struct udrv_kmem_cache *cache, uint32_t n)
{
	udrv__slab_lock(cache);
	cache->record->total -= n;
	udrv__slab_unlock(cache);
}

/* Where an arena's region is; the provider may have had no room on the node. */
static int node_of(const struct udrv_kmem_cache *cache, const void *chunk, int node)
{
	return cache->memory == &udrv__slab_plain ? node : udrv__region_of(chunk)->node;
}

static struct slab *make_slab(struct udrv_kmem_cache *cache, udrv_gfp_t gfp, int node)
{
	uint32_t n = claim_objects(cache);
	struct slab *slab;

	if (!n)
		return NULL;
	slab = cache->memory->alloc(cache->dev, cache->chunk, node);
	if (!slab && udrv__slab_reclaim(cache))
		slab = cache->memory->alloc(cache->dev, cache->chunk, node);
	if (!slab) {
		unclaim_objects(cache, n);
		if (!(gfp & UDRV_GFP_NOWARN))
			udrv_pr_err("cache %s: no memory for %zu bytes of objects", cache->name,
				    cache->chunk);
		return NULL;
	}
	slab->cache = cache;
	slab->tag = cache->tag;
	slab->node = node_of(cache, slab, node);
	slab->count = slab->free = n;
	memset(slab->is_free, 0xff, words(n) * sizeof(uint64_t));
	if (n % WORD_BITS)
		slab->is_free[n / WORD_BITS] = (UINT64_C(1) << n % WORD_BITS) - 1;
	if (cache->debug)
		udrv__slab_debug_make(cache, slab, n);
	for (uint32_t i = 0; !cache->debug && cache->ctor && i < n; i++)
		cache->ctor(object(cache, slab, i));
	return slab;
}

static void end_slab(struct udrv_kmem_cache *cache, struct slab *slab)
{
	if (cache->debug)
		udrv__slab_debug_unmake(cache, slab);
	for (uint32_t i = 0; !cache->debug && cache->dtor && i < slab->count; i++)
		cache->dtor(object(cache, slab, i));
	slab->cache = NULL;
	cache->memory->free(cache->dev, slab, cache->chunk);
}

/* From the end, so that a magazine, which is emptied from its end, gives them out in order. */
static uint32_t take_from(struct udrv_kmem_cache *cache, struct slab *slab, void **objs, uint32_t n)
{
	uint32_t got = 0;

	for (size_t w = words(slab->count); w-- && got < n;)
		while (slab->is_free[w] && got < n) {
			unsigned int bit = 63u - (unsigned int)__builtin_clzll(slab->is_free[w]);

			slab->is_free[w] &= ~(UINT64_C(1) << bit);
			objs[got++] = object(cache, slab, w * WORD_BITS + bit);
		}
	if (slab->free == slab->count) {
		udrv_list_move(&slab->link, &cache->partial);
		set_empty(cache, cache->empty_slabs - 1);
	}
	slab->free -= got;
	if (!slab->free)
		udrv_list_del(&slab->link);
	return got;
}

static uint32_t take_locked(struct udrv_kmem_cache *cache, void **objs, uint32_t n)
{
	uint32_t got = 0;

	while (got < n) {
		struct udrv_list_head *list =
			udrv_list_empty(&cache->partial) ? &cache->empties : &cache->partial;

		if (udrv_list_empty(list))
			break;
		got += take_from(cache, udrv_list_first_entry(list, struct slab, link), objs + got,
				 n - got);
	}
	cache->taken += got;
	return got;
}

static void add_locked(struct udrv_kmem_cache *cache, struct slab *slab)
{
	udrv_list_add(&slab->link, &cache->empties);
	set_empty(cache, cache->empty_slabs + 1);
	cache->record->slabs++;
	if (cache->debug)
		udrv__slab_debug_add(cache, slab);
}

/* Of a new slab, which other threads may have emptied already: then another one. */
static uint32_t grow_and_take(struct udrv_kmem_cache *cache, void **objs, uint32_t n,
			      udrv_gfp_t gfp)
{
	uint32_t got = 0;
	bool large = false;

	while (!got) {
		struct slab *slab = make_slab(cache, gfp, -1);

		if (!slab)
			return 0;
		udrv__slab_lock(cache);
		add_locked(cache, slab);
		got = take_locked(cache, objs, n);
		large = cache->record->slabs > EMPTY_KEPT;
		udrv__slab_unlock(cache);
	}
	if (large)
		udrv__slab_need_reaper(cache);
	return got;
}

uint32_t udrv__slab_take(struct udrv_kmem_cache *cache, void **objs, uint32_t n, udrv_gfp_t gfp)
{
	uint32_t got;

	if (!(gfp & UDRV_GFP_ATOMIC))
		udrv__slab_lock(cache);
	else if (!udrv__slab_trylock(cache))
		return 0;
	got = take_locked(cache, objs, n);
	udrv__slab_unlock(cache);
	return got || gfp & UDRV_GFP_ATOMIC ? got : grow_and_take(cache, objs, n, gfp);
}

static struct slab *find_on(struct udrv_list_head *list, int node)
{
	struct slab *slab;

	udrv_list_for_each_entry(slab, list, link)
		if (slab->node == node)
			return slab;
	return NULL;
}

static void *take_on_node(struct udrv_kmem_cache *cache, int node)
{
	struct slab *slab = find_on(&cache->partial, node);
	void *obj = NULL;

	if (!slab)
		slab = find_on(&cache->empties, node);
	if (slab)
		cache->taken += take_from(cache, slab, &obj, 1);
	return obj;
}

void *udrv__slab_take_node(struct udrv_kmem_cache *cache, udrv_gfp_t gfp, int node)
{
	struct slab *slab = NULL;
	void *obj;

	for (;;) {
		if (!(gfp & UDRV_GFP_ATOMIC))
			udrv__slab_lock(cache);
		else if (!udrv__slab_trylock(cache))
			return NULL;
		if (slab)
			add_locked(cache, slab);
		obj = take_on_node(cache, node);
		udrv__slab_unlock(cache);
		if (obj || gfp & UDRV_GFP_ATOMIC || (slab && slab->node != node))
			return obj;
		slab = make_slab(cache, gfp, node);
		if (!slab)
			return NULL;
	}
}

/* Whether it is one that was out. */
static bool put_locked(struct udrv_kmem_cache *cache, void *obj)
{
	struct slab *slab = (struct slab *)((uintptr_t)obj & ~(cache->chunk - 1));
	uint32_t i = index_of(cache, slab, obj);
	uint64_t bit = UINT64_C(1) << i % WORD_BITS;

	if (slab->cache != cache || i >= slab->count || object(cache, slab, i) != obj ||
	    slab->is_free[i / WORD_BITS] & bit)
		return false;
	slab->is_free[i / WORD_BITS] |= bit;
	if (!slab->free)
		udrv_list_add(&slab->link, &cache->partial);
	if (++slab->free == slab->count) {
		udrv_list_move(&slab->link, &cache->empties);
		set_empty(cache, cache->empty_slabs + 1);
	}
	cache->taken--;
	return true;
}

bool udrv__slab_is_object(const struct udrv_kmem_cache *cache, const void *p)
{
	uintptr_t base = (uintptr_t)p & ~(cache->chunk - 1);
	const struct slab *slab = (const struct slab *)base;
	size_t offset = (uintptr_t)p - base - first_of(cache, slab);

	return slab->cache == cache && offset < offset_of(cache, slab->count) &&
	       !((uintptr_t)p & (cache->align - 1));
}

void udrv__slab_put(struct udrv_kmem_cache *cache, void *const *objs, size_t n)
{
	size_t bad = 0;

	udrv__slab_lock(cache);
	for (size_t i = 0; i < n; i++)
		bad += !put_locked(cache, objs[i]);
	udrv__slab_unlock(cache);
	if (bad)
		udrv_pr_err("cache %s: %zu objects freed that are not allocated, or not its own",
			    cache->name, bad);
}

uint32_t udrv__slab_release(struct udrv_kmem_cache *cache, uint32_t keep)
{
	uint32_t released = 0;
	UDRV_LIST_HEAD(gone);
	struct slab *slab;
	struct slab *next;

	if (cache->debug)
		udrv__slab_debug_hold(cache);
	udrv__slab_lock(cache);
	while (cache->empty_slabs > keep) {
		slab = udrv_list_first_entry(&cache->empties, struct slab, link);
		udrv_list_move(&slab->link, &gone);
		set_empty(cache, cache->empty_slabs - 1);
		cache->record->slabs--;
		cache->record->total -= slab->count;
		if (cache->debug)
			udrv__slab_debug_remove(cache, slab);
		released++;
	}
	udrv__slab_unlock(cache);
	if (cache->debug)
		udrv__slab_debug_release(cache);
	udrv_list_for_each_entry_safe(slab, next, &gone, link)
		end_slab(cache, slab);
	return released;
}

/* What was never needed since the last time is given back. */
void udrv__slab_reap(struct udrv_kmem_cache *cache)
{
	uint32_t keep = UINT32_MAX;
	uint64_t now;

	if (cache->flags & UDRV_SLAB_NO_REAP ||
	    __atomic_load_n(&cache->empty_slabs, __ATOMIC_RELAXED) <= EMPTY_KEPT)
		return;
	now = now_ns();
	udrv__slab_lock(cache);
	if (now - cache->reaped_ns >=
	    __atomic_load_n(&udrv__slab_reap_period_ns, __ATOMIC_RELAXED)) {
		keep = cache->empty_slabs - cache->empty_low;
		if (keep < EMPTY_KEPT)
			keep = EMPTY_KEPT;
		cache->reaped_ns = now;
		cache->empty_low = cache->empty_slabs;
	}
	udrv__slab_unlock(cache);
	if (keep != UINT32_MAX)
		(void)udrv__slab_release(cache, keep);
}

bool udrv__slab_at_limit(struct udrv_kmem_cache *cache)
{
	bool at_limit;

	udrv__slab_lock(cache);
	at_limit = cache->record->total >= cache->limit;
	udrv__slab_unlock(cache);
	return at_limit;
}

uint64_t udrv__slab_taken(struct udrv_kmem_cache *cache)
{
	uint64_t taken;

	udrv__slab_lock(cache);
	taken = cache->taken - __atomic_load_n(&cache->aside, __ATOMIC_RELAXED);
	udrv__slab_unlock(cache);
	return taken;
}

bool udrv__slab_has(const struct udrv_kmem_cache *cache, const void *obj)
{
	const struct slab *slab = (const void *)((uintptr_t)obj & ~(cache->chunk - 1));
	size_t i = index_of(cache, slab, obj);

	return slab->is_free[i / WORD_BITS] >> i % WORD_BITS & 1;
}

bool udrv__slab_is_into(const struct udrv_kmem_cache *cache, const void *p)
{
	struct slab slab = {0};
	struct iovec here = {&slab, sizeof(slab)};
	struct iovec there = {(void *)((uintptr_t)p & ~(cache->chunk - 1)), sizeof(slab)};

	return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == (ssize_t)sizeof(slab) &&
	       slab.cache == cache;
}
