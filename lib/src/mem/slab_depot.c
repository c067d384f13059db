// SPDX-License-Identifier: MIT
/*
 * The depot: a stack of magazines with objects and one of empty magazines, each changed by one
 * compare-and-swap. Magazines are named by number, so that a tag and their count fit beside in one
 * word; their memory stays as long as the cache, so that one that somebody else has just taken may
 * be looked at. With the count GFP_KERNEL can leave a reserve.
 */
#include <errno.h>
#include <sys/mman.h>

#include "mem/slab.h"

static struct udrv__magazine *by_id(const struct udrv_kmem_cache *cache, uint32_t id)
{
	char *block = __atomic_load_n(&cache->blocks[(id - 1) / BLOCK_MAGAZINES], __ATOMIC_ACQUIRE);

	return (struct udrv__magazine *)(void *)(block + (id - 1) % BLOCK_MAGAZINES *
								 cache->magazine_stride);
}

_Static_assert(BLOCKS_MAX *BLOCK_MAGAZINES <= UINT16_MAX, "an id, and a count, have 16 bits");

static uint32_t id_of(uint64_t head)
{
	return (uint16_t)head;
}

static uint32_t count_of(uint64_t head)
{
	return (uint16_t)(head >> 16);
}

static uint64_t head_after(uint64_t head, uint32_t count, uint32_t id)
{
	return ((head >> 32) + 1) << 32 | count << 16 | id;
}

static void push(struct udrv__magazine_stack *stack, struct udrv__magazine *m)
{
	uint64_t head = __atomic_load_n(&stack->head, __ATOMIC_RELAXED);

	do
		__atomic_store_n(&m->next, id_of(head), __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&stack->head, &head,
					    head_after(head, count_of(head) + 1, m->id), true,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

/* Unless no more than so many are there. */
static struct udrv__magazine *pop(const struct udrv_kmem_cache *cache,
				  struct udrv__magazine_stack *stack, uint32_t leave)
{
	uint64_t head = __atomic_load_n(&stack->head, __ATOMIC_ACQUIRE);
	struct udrv__magazine *m;
	uint32_t next;

	do {
		if (count_of(head) <= leave)
			return NULL;
		m = by_id(cache, id_of(head));
		next = __atomic_load_n(&m->next, __ATOMIC_RELAXED);
	} while (!__atomic_compare_exchange_n(&stack->head, &head,
					      head_after(head, count_of(head) - 1, next), true,
					      __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE));
	return m;
}

uint32_t udrv__depot_full(const struct udrv_kmem_cache *cache)
{
	return count_of(__atomic_load_n(&cache->full.head, __ATOMIC_RELAXED));
}

struct udrv__magazine *udrv__depot_take_full(struct udrv_kmem_cache *cache, uint32_t leave)
{
	struct udrv__magazine *m = pop(cache, &cache->full, leave);
	uint32_t count = udrv__depot_full(cache);

	if (m && count < __atomic_load_n(&cache->full.low, __ATOMIC_RELAXED))
		__atomic_store_n(&cache->full.low, count, __ATOMIC_RELAXED);
	return m;
}

/* One that was used before, rather than touch new memory. */
struct udrv__magazine *udrv__depot_take_empty(struct udrv_kmem_cache *cache)
{
	struct udrv__magazine *m = pop(cache, &cache->empty, 0);
	uint32_t id = __atomic_load_n(&cache->fresh, __ATOMIC_RELAXED);

	if (m)
		return m;
	do {
		if (id >= __atomic_load_n(&cache->magazines, __ATOMIC_ACQUIRE))
			return NULL;
	} while (!__atomic_compare_exchange_n(&cache->fresh, &id, id + 1, true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	m = by_id(cache, id + 1);
	m->id = id + 1;
	m->count = 0;
	return m;
}

void udrv__depot_put(struct udrv_kmem_cache *cache, struct udrv__magazine *magazine)
{
	push(magazine->count ? &cache->full : &cache->empty, magazine);
}

void udrv__depot_trim(struct udrv_kmem_cache *cache, uint32_t leave, uint32_t n)
{
	struct udrv__magazine *m;

	while (n-- && (m = udrv__depot_take_full(cache, leave))) {
		udrv__slab_empty(cache, m);
		udrv__depot_put(cache, m);
	}
}

void udrv__depot_drain(struct udrv_kmem_cache *cache)
{
	if (cache->foreign)
		return;
	if (cache->debug)
		udrv__slab_debug_drain(cache);
	udrv__depot_trim(cache, 0, UINT32_MAX);
}

/* A slab may have fewer objects than a magazine. Whether it is full. */
static bool fill_magazine(struct udrv_kmem_cache *cache, struct udrv__magazine *m)
{
	uint32_t got;

	do {
		got = udrv__slab_take(cache, m->objs + m->count, cache->rounds - m->count,
				      UDRV_GFP_KERNEL);
		m->count += got;
	} while (got && m->count < cache->rounds);
	return m->count == cache->rounds;
}

void udrv__depot_fill_reserve(struct udrv_kmem_cache *cache)
{
	if (cache->debug) {
		udrv__slab_debug_fill_reserve(cache);
		return;
	}
	while (udrv__depot_full(cache) < RESERVE) {
		struct udrv__magazine *m = udrv__depot_take_empty(cache);
		bool full;

		if (!m)
			return;
		full = fill_magazine(cache, m);
		udrv__depot_put(cache, m);
		if (!full)
			return;
	}
}

uint64_t udrv__depot_recount(struct udrv_kmem_cache *cache)
{
	uint64_t objects = 0;

	for (uint32_t id = id_of(cache->full.head); id; id = by_id(cache, id)->next)
		objects += by_id(cache, id)->count;
	return objects;
}

static size_t block_bytes(const struct udrv_kmem_cache *cache)
{
	return BLOCK_MAGAZINES * cache->magazine_stride;
}

int udrv__depot_grow(struct udrv_kmem_cache *cache, uint32_t threads)
{
	while (cache->magazines < DEPOT_MAGAZINES + 2 * threads) {
		uint32_t block = cache->magazines / BLOCK_MAGAZINES;
		char *p;

		if (block == BLOCKS_MAX)
			return -ENOMEM;
		p = mmap(NULL, block_bytes(cache), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			return -ENOMEM;
		__atomic_store_n(&cache->blocks[block], p, __ATOMIC_RELEASE);
		__atomic_store_n(&cache->magazines, cache->magazines + BLOCK_MAGAZINES,
				 __ATOMIC_RELEASE);
	}
	return 0;
}

void udrv__depot_release(struct udrv_kmem_cache *cache)
{
	for (uint32_t i = 0; i < cache->magazines / BLOCK_MAGAZINES; i++)
		munmap(cache->blocks[i], block_bytes(cache));
}

/* One object, for a thread without magazines of its own. */

static void *alloc(struct udrv_kmem_cache *cache, udrv_gfp_t gfp)
{
	struct udrv__magazine *m =
		udrv__depot_take_full(cache, gfp & UDRV_GFP_ATOMIC ? 0 : RESERVE);
	void *obj = NULL;

	if (!m && !udrv__slab_take(cache, &obj, 1, gfp) &&
	    (gfp & UDRV_GFP_ATOMIC || udrv__slab_at_limit(cache)))
		m = udrv__depot_take_full(cache, 0);
	if (m) {
		obj = m->objs[--m->count];
		udrv__depot_put(cache, m);
	}
	return obj;
}

void *udrv__depot_alloc(struct udrv_kmem_cache *cache, udrv_gfp_t gfp)
{
	void *obj;

	if (udrv__slab_foreign(cache))
		return NULL;
	obj = cache->debug ? udrv__slab_debug_alloc(cache, gfp) : alloc(cache, gfp);
	if (obj)
		__atomic_fetch_add(&cache->record->past_allocs, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&cache->record->past_misses, 1, __ATOMIC_RELAXED);
	return obj;
}

void udrv__depot_free(struct udrv_kmem_cache *cache, void *obj)
{
	struct udrv__magazine *m;

	if (udrv__slab_foreign(cache) || (cache->debug && !udrv__slab_debug_free(cache, obj)))
		return;
	__atomic_fetch_add(&cache->record->past_frees, 1, __ATOMIC_RELAXED);
	if (cache->debug)
		return;
	m = udrv__depot_take_full(cache, 0);
	if (m && m->count == cache->rounds) {
		udrv__depot_put(cache, m);
		m = NULL;
	}
	if (!m)
		m = udrv__depot_take_empty(cache);
	if (!m) {
		udrv__slab_put(cache, &obj, 1);
		return;
	}
	m->objs[m->count++] = obj;
	udrv__depot_put(cache, m);
}
