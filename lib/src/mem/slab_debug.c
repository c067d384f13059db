// SPDX-License-Identifier: MIT
/*
 * Objects of caches in a debug mode: straight from the slabs and, by way of a queue that delays
 * their reuse, back there. The reserve for GFP_ATOMIC is another queue.
 */
#include <string.h>

#include "mem/slab_debug.h"

#define QUEUE_MAGAZINES 4u  /* of objects whose reuse is delayed */
#define ATOMIC_TRIES	100 /* for the lock, each of some spins */
#define BATCH		64u

/* Queues, under the lock. */

static void push(struct udrv__slab_queue *queue, struct udrv__slab_meta *meta)
{
	udrv__slab_set_state(meta, UDRV__SLAB_QUEUED);
	meta->next = NULL;
	if (queue->first)
		queue->last->next = meta;
	else
		queue->first = meta;
	queue->last = meta;
	__atomic_store_n(&queue->count, queue->count + 1, __ATOMIC_RELAXED);
}

static void *pop(const struct udrv_kmem_cache *cache, struct udrv__slab_queue *queue)
{
	struct udrv__slab_meta *meta = queue->first;

	if (!meta)
		return NULL;
	queue->first = meta->next;
	__atomic_store_n(&queue->count, queue->count - 1, __ATOMIC_RELAXED);
	udrv__slab_set_state(meta, UDRV__SLAB_FREE);
	return udrv__slab_object_of(cache, meta);
}

static bool lock(struct udrv_kmem_cache *cache, bool atomic)
{
	if (!atomic)
		udrv__slab_lock(cache);
	for (int i = 0; atomic && i < ATOMIC_TRIES; i++)
		if (udrv__slab_trylock(cache))
			return true;
	return !atomic;
}

static void *pop_locked(struct udrv_kmem_cache *cache, struct udrv__slab_queue *queue, bool atomic)
{
	void *obj;

	if (!lock(cache, atomic))
		return NULL;
	obj = pop(cache, queue);
	udrv__slab_unlock(cache);
	return obj;
}

static uint32_t missing(const struct udrv_kmem_cache *cache)
{
	uint32_t there = __atomic_load_n(&cache->debug->reserve.count, __ATOMIC_RELAXED);
	uint32_t all = RESERVE * cache->rounds;

	return there < all ? all - there : 0;
}

/* Another thread may be at it too: what is too much goes back. */
static void keep(struct udrv_kmem_cache *cache, void *const *objs, uint32_t n)
{
	uint32_t kept = 0;

	udrv__slab_lock(cache);
	for (; kept < n && missing(cache); kept++)
		push(&cache->debug->reserve, udrv__slab_meta_of(cache, objs[kept]));
	udrv__slab_unlock(cache);
	udrv__slab_put(cache, objs + kept, n - kept);
}

void udrv__slab_debug_fill_reserve(struct udrv_kmem_cache *cache)
{
	uint32_t n;

	while ((n = missing(cache))) {
		void *objs[BATCH];
		uint32_t got = udrv__slab_take(cache, objs, n < BATCH ? n : BATCH, UDRV_GFP_KERNEL);

		if (!got)
			return;
		keep(cache, objs, got);
	}
}

static void drain(struct udrv_kmem_cache *cache, struct udrv__slab_queue *queue)
{
	void *objs[BATCH];
	uint32_t n;

	do {
		udrv__slab_lock(cache);
		for (n = 0; n < BATCH && queue->count; n++)
			objs[n] = pop(cache, queue);
		udrv__slab_unlock(cache);
		udrv__slab_put(cache, objs, n);
	} while (n);
}

void udrv__slab_debug_drain(struct udrv_kmem_cache *cache)
{
	drain(cache, &cache->debug->freed);
	drain(cache, &cache->debug->reserve);
}

/* What is damaged stays out of the slabs as long as the cache is there. */

static void put_aside(struct udrv_kmem_cache *cache, struct udrv__slab_meta *meta)
{
	meta->damaged = true;
	udrv__slab_set_state(meta, UDRV__SLAB_ASIDE);
	__atomic_fetch_add(&cache->aside, 1, __ATOMIC_RELAXED);
}

void udrv__slab_debug_give_back(struct udrv_kmem_cache *cache)
{
	struct udrv__slab_head *head;

	udrv_list_for_each_entry(head, &cache->debug->slabs, link)
		for (uint32_t i = 0; i < head->count; i++) {
			struct udrv__slab_meta *meta = udrv__slab_meta_at(cache, head, i);
			void *obj = udrv__slab_object_of(cache, meta);

			if (udrv__slab_state_of(meta) == UDRV__SLAB_ASIDE)
				udrv__slab_put(cache, &obj, 1);
		}
}

/* Allocating. */

static void *find_one(struct udrv_kmem_cache *cache, bool atomic)
{
	struct udrv__slab_debug *debug = cache->debug;
	void *obj = NULL;

	if (!atomic)
		udrv__slab_reap(cache);
	if (!udrv__slab_take(cache, &obj, 1, atomic ? UDRV_GFP_ATOMIC : UDRV_GFP_KERNEL))
		obj = pop_locked(cache, &debug->freed, atomic);
	if (!obj && (atomic || udrv__slab_at_limit(cache)))
		obj = pop_locked(cache, &debug->reserve, atomic);
	return obj;
}

/* Whether it is undamaged. */
static bool hand_out(struct udrv_kmem_cache *cache, void *obj)
{
	struct udrv__slab_meta *meta = udrv__slab_meta_of(cache, obj);
	struct udrv__slab_finding found = {.done = "it is not handed out again"};
	bool damaged = meta->damaged;

	udrv__slab_set_state(meta, UDRV__SLAB_BUSY);
	if (!damaged && udrv__slab_check(cache, obj, false, &found)) {
		udrv__slab_report(cache, &found);
		damaged = true;
	}
	if (damaged) {
		put_aside(cache, meta);
		return false;
	}
	meta->used = true;
	meta->requested = (uint32_t)cache->object_size;
	udrv__slab_paint(cache, obj, true);
	if (cache->flags & UDRV_SLAB_STORE_USER)
		udrv__slab_track_now(&meta->tracks[0]);
	if (cache->debug->tools)
		udrv__slab_tools_alloc(obj, cache->object_size, cache->ctor || cache->dtor);
	udrv__slab_set_state(meta, UDRV__SLAB_ALLOCATED);
	return true;
}

void *udrv__slab_debug_alloc(struct udrv_kmem_cache *cache, udrv_gfp_t gfp)
{
	bool atomic = gfp & UDRV_GFP_ATOMIC;
	void *obj;

	if (!atomic)
		udrv__slab_track_thread();
	do
		obj = find_one(cache, atomic);
	while (obj && !hand_out(cache, obj));
	if (obj && !atomic && missing(cache))
		udrv__slab_debug_fill_reserve(cache);
	return obj;
}

/* Freeing. */

/* Under the lock. */
static const char *find_fault(const struct udrv_kmem_cache *cache,
			      const struct udrv__slab_meta *meta, const void *p)
{
	enum udrv__slab_state state;

	if (!meta)
		return "free of a pointer that is not an object of this cache";
	if (udrv__slab_object_of(cache, meta) != p)
		return "free of a pointer into an object";
	state = udrv__slab_state_of(meta);
	if (state == UDRV__SLAB_ALLOCATED)
		return NULL;
	return meta->used ? "double free" : "free of an object that was never allocated";
}

/* The object is the caller's afterwards, unless it says why not. */
static bool claim(struct udrv_kmem_cache *cache, void *p, struct udrv__slab_finding *found)
{
	struct udrv__slab_meta *meta;

	udrv__slab_lock(cache);
	meta = udrv__slab_find_meta(cache, p);
	found->what = find_fault(cache, meta, p);
	if (!found->what)
		udrv__slab_set_state(meta, UDRV__SLAB_BUSY);
	else if (meta) {
		found->object = udrv__slab_object_of(cache, meta);
		if (cache->flags & UDRV_SLAB_STORE_USER)
			memcpy(found->tracks, meta->tracks, sizeof(found->tracks));
	}
	udrv__slab_unlock(cache);
	return !found->what;
}

static void refuse(struct udrv_kmem_cache *cache, void *p, struct udrv__slab_finding *found)
{
	found->pointer = p;
	found->done = "nothing is freed";
	udrv__slab_track_now(&found->now);
	udrv__slab_report(cache, found);
	/* For memcheck to report as well. */
	if (cache->debug->tools && found->object == p)
		udrv__slab_tools_free(p, cache->object_size);
}

/* The last one waits; the one that has waited longest goes to its slab when there are many. */
static void enqueue(struct udrv_kmem_cache *cache, struct udrv__slab_meta *meta)
{
	struct udrv__slab_queue *queue = &cache->debug->freed;
	void *oldest = NULL;

	udrv__slab_lock(cache);
	push(queue, meta);
	if (queue->count > QUEUE_MAGAZINES * cache->rounds)
		oldest = pop(cache, queue);
	udrv__slab_unlock(cache);
	if (oldest)
		udrv__slab_put(cache, &oldest, 1);
}

/* Whether it was freed: false when it never was allocated. */
bool udrv__slab_debug_free(struct udrv_kmem_cache *cache, void *obj)
{
	struct udrv__slab_finding found = {0};
	struct udrv__slab_meta *meta;
	bool damaged;

	udrv__slab_track_thread();
	if (!claim(cache, obj, &found)) {
		refuse(cache, obj, &found);
		return false;
	}
	meta = udrv__slab_meta_of(cache, obj);
	if (cache->flags & UDRV_SLAB_STORE_USER)
		udrv__slab_track_now(&meta->tracks[1]);
	found.done = "it is not handed out again";
	damaged = meta->damaged;
	if (!damaged && udrv__slab_check(cache, obj, true, &found)) {
		udrv__slab_report(cache, &found);
		damaged = true;
	}
	if (cache->debug->tools)
		udrv__slab_tools_free(obj, cache->object_size);
	if (damaged) {
		put_aside(cache, meta);
		return true;
	}
	udrv__slab_paint(cache, obj, false);
	enqueue(cache, meta);
	return true;
}

/* Free objects that are not in slabs. */
uint64_t udrv__slab_debug_queued(const struct udrv_kmem_cache *cache)
{
	return cache->debug->freed.count + cache->debug->reserve.count;
}

/* What the user asked for, of an object that may be larger; the rest is a red zone. */

void udrv__slab_debug_set_requested(struct udrv_kmem_cache *cache, void *obj, size_t size)
{
	struct udrv__slab_meta *meta;
	size_t was;

	if (!cache->debug || cache->foreign)
		return;
	meta = udrv__slab_meta_of(cache, obj);
	udrv__slab_lock(cache);
	was = meta->requested;
	meta->requested = (uint32_t)size;
	if (cache->flags & UDRV_SLAB_RED_ZONE && size < was)
		udrv__slab_paint_slack(obj, size, was);
	udrv__slab_unlock(cache);
	if (cache->debug->tools)
		udrv__slab_tools_resize(obj, was, size);
}

size_t udrv__slab_debug_requested(const struct udrv_kmem_cache *cache, const void *obj)
{
	return cache->debug ? udrv__slab_meta_of(cache, obj)->requested : cache->object_size;
}
