// SPDX-License-Identifier: MIT
/* Object caches: making and ending them, and a thread's own magazines. */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include <udrv/device.h>
#include <udrv/log.h>

#include "mem/slab.h"

#define ALIGN_MIN 8u
#define ALIGN_MAX ((size_t)2 << 20)

#define unlikely(x) __builtin_expect(!!(x), 0)

/* Does nothing on processors that are too old for it. */
#ifdef __x86_64__
#define FETCH_TO_WRITE(p) __asm__ volatile("prefetchw %0" : : "m"(*(const char *)(p)))
#else
#define FETCH_TO_WRITE(p) __builtin_prefetch(p, 1)
#endif

_Static_assert(!offsetof(struct udrv_kmem_cache, slot), "the inline part looks there");

static const char *find_fault(const struct udrv_device *dev, const char *name, size_t size,
			      size_t align, unsigned int flags)
{
	if (!name || !*name)
		return "it has no name";
	if (!size || size > UDRV_KMEM_CACHE_MAX_SIZE)
		return "bad size";
	if (align & (align - 1) || align > ALIGN_MAX)
		return "bad alignment";
	if (flags &
	    ~(UDRV_SLAB_HWCACHE_ALIGN | UDRV_SLAB_NO_REAP | UDRV_SLAB_CACHE_DMA | UDRV__SLAB_MODES))
		return "a flag that is not supported";
	if (flags & UDRV_SLAB_CACHE_DMA && !dev)
		return "DMA memory is a device's, but there is none";
	return NULL;
}

static void report(const struct udrv_device *dev, const char *name, const char *why)
{
	if (dev)
		udrv_dev_err(dev, "cannot make cache %s: %s", name ? name : "?", why);
	else
		udrv_pr_err("cannot make cache %s: %s", name ? name : "?", why);
}

/* Linux calculate_alignment(): small objects share a line. */
static size_t choose_align(size_t size, size_t align, unsigned int flags)
{
	size_t line = CACHE_LINE;

	while (size <= line / 2)
		line /= 2;
	if (flags & UDRV_SLAB_HWCACHE_ALIGN && align < line)
		align = line;
	return align < ALIGN_MIN ? ALIGN_MIN : align;
}

static uint32_t choose_rounds(const struct udrv_kmem_cache *cache)
{
	size_t rounds = cache->magazine_bytes / cache->size;

	if (rounds > MAGAZINE_MAX)
		return MAGAZINE_MAX;
	return rounds ? (uint32_t)rounds : 1;
}

static void tune_up(struct udrv_kmem_cache *cache, const struct udrv__slab_tune *tune)
{
	cache->memory = cache->flags & UDRV_SLAB_CACHE_DMA ? &udrv__slab_dma : &udrv__slab_plain;
	if (tune->memory)
		cache->memory = tune->memory;
	cache->chunk = tune->chunk;
	cache->magazine_bytes = tune->magazine;
	cache->tag = tune->tag;
}

static void set_up(struct udrv_kmem_cache *cache, const char *name, size_t size, size_t align)
{
	cache->object_size = size;
	cache->align = choose_align(size, align, cache->flags);
	cache->size = (size + cache->align - 1) & ~(cache->align - 1);
	if (cache->debug)
		udrv__slab_debug_widen(cache);
	cache->rounds = choose_rounds(cache);
	cache->magazine_stride =
		(sizeof(struct udrv__magazine) + cache->rounds * sizeof(void *) + CACHE_LINE - 1) &
		~(size_t)(CACHE_LINE - 1);
	cache->limit = UINT64_MAX;
	cache->record = &cache->own_record;
	strncpy(cache->name, name, sizeof(cache->name) - 1);
	udrv_init_list_head(&cache->partial);
	udrv_init_list_head(&cache->empties);
	udrv__slab_lay_out(cache);
}

static int fill(struct udrv_kmem_cache *cache)
{
	udrv__depot_fill_reserve(cache);
	return udrv__slab_taken(cache) == (uint64_t)RESERVE * cache->rounds ||
			       udrv__slab_at_limit(cache)
		       ? 0
		       : -ENOMEM;
}

/* Pages of its own: members are aligned to cache lines. */
static struct udrv_kmem_cache *make_record(void)
{
	void *p = mmap(NULL, sizeof(struct udrv_kmem_cache), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* What nothing is allocated from any more. */
static void end(struct udrv_kmem_cache *cache)
{
	if (cache->debug && !cache->foreign)
		udrv__slab_debug_give_back(cache);
	if (!cache->foreign)
		(void)udrv__slab_release(cache, 0);
	udrv__depot_release(cache);
	if (cache->debug)
		udrv__slab_debug_end(cache);
	munmap(cache, sizeof(*cache));
}

struct udrv_kmem_cache *udrv__slab_create(struct udrv_device *dev, const char *name, size_t size,
					  size_t align, unsigned int flags, void (*ctor)(void *obj),
					  void (*dtor)(void *obj),
					  const struct udrv__slab_tune *tune)
{
	struct udrv_kmem_cache *cache;

	cache = udrv__slab_watch_fork() ? make_record() : NULL;
	if (!cache) {
		report(dev, name, "out of memory");
		return NULL;
	}
	cache->dev = dev;
	cache->flags = flags;
	cache->ctor = ctor;
	cache->dtor = dtor;
	if (udrv__slab_debug_begin(cache, name)) {
		report(dev, name, "out of memory");
		munmap(cache, sizeof(*cache));
		return NULL;
	}
	tune_up(cache, tune);
	set_up(cache, name, size, align);
	if (udrv__slab_register(cache)) {
		report(dev, name, "too many caches");
		end(cache);
		return NULL;
	}
	if (udrv__depot_grow(cache, 0) || fill(cache)) {
		report(dev, name, "out of memory");
		udrv__slab_close(cache);
		udrv__slab_unregister(cache);
		udrv__depot_drain(cache);
		end(cache);
		return NULL;
	}
	return cache;
}

struct udrv_kmem_cache *udrv_kmem_cache_create(struct udrv_device *dev, const char *name,
					       size_t size, size_t align, unsigned int flags,
					       void (*ctor)(void *obj), void (*dtor)(void *obj))
{
	static const struct udrv__slab_tune usual = {.magazine = MAGAZINE_BYTES};
	const char *fault = find_fault(dev, name, size, align, flags);

	if (!fault)
		return udrv__slab_create(dev, name, size, align, flags, ctor, dtor, &usual);
	report(dev, name, fault);
	return NULL;
}

int udrv_kmem_cache_destroy(struct udrv_kmem_cache *cache)
{
	uint64_t live;

	if (!cache)
		return 0;
	udrv__slab_close(cache);
	udrv__slab_flush_threads(cache);
	udrv__depot_drain(cache);
	live = udrv__slab_taken(cache);
	if (live > cache->inherited) {
		udrv_pr_err("cache %s: %llu objects are still allocated; it is not destroyed",
			    cache->name, (unsigned long long)live);
		if (cache->debug)
			udrv__slab_debug_report_leaks(cache);
		udrv__slab_open(cache);
		return -EBUSY;
	}
	udrv__slab_unregister(cache);
	end(cache);
	return 0;
}

static void load(struct udrv__slab_slot *slot, struct udrv__magazine *m, uint32_t rounds)
{
	slot->loaded = m;
	slot->bottom = m->objs;
	slot->top = m->objs + m->count;
	slot->end = m->objs + rounds;
}

static void swap(struct udrv__slab_slot *slot, uint32_t rounds)
{
	struct udrv__magazine *was_loaded = slot->loaded;

	was_loaded->count = (uint32_t)(slot->top - slot->bottom);
	IN_THIS_ORDER();
	load(slot, slot->previous, rounds);
	slot->previous = was_loaded;
}

/* Objects that another CPU may have: all at once, to be written, rather than each when it is used.
 */
static void fetch(const struct udrv__magazine *m)
{
	for (uint32_t i = m->count; i--;)
		FETCH_TO_WRITE(m->objs[i]);
}

/* Both magazines are empty: a full one for one of them. */
static bool exchange_empty(struct udrv_kmem_cache *cache, struct udrv__slab_slot *slot,
			   uint32_t leave)
{
	struct udrv__magazine *m = udrv__depot_take_full(cache, leave);
	struct udrv__magazine *was_loaded = slot->loaded;

	if (!m)
		return false;
	fetch(m);
	load(slot, m, cache->rounds);
	was_loaded->count = 0;
	udrv__depot_put(cache, was_loaded);
	return true;
}

/*
 * Both magazines are empty. Objects do not go straight into one: constructors, and destructors of
 * caches that give memory back, may use this cache meanwhile.
 */
static bool take_from_slabs(struct udrv_kmem_cache *cache, struct udrv__slab_slot *slot,
			    udrv_gfp_t gfp)
{
	void *objs[MAGAZINE_MAX];
	uint32_t got = udrv__slab_take(cache, objs, cache->rounds, gfp);
	uint32_t room = (uint32_t)(slot->end - slot->top);
	uint32_t kept = got < room ? got : room;

	memcpy(slot->top, objs, kept * sizeof(*objs));
	IN_THIS_ORDER();
	slot->top += kept;
	if (kept < got)
		udrv__slab_put(cache, objs + kept, got - kept);
	return slot->top != slot->bottom;
}

/* The loaded magazine is empty: objects from wherever there are some. */
static bool refill(struct udrv_kmem_cache *cache, struct udrv__slab_slot *slot, udrv_gfp_t gfp)
{
	bool atomic = gfp & UDRV_GFP_ATOMIC;
	bool got;

	if (slot->previous->count) {
		swap(slot, cache->rounds);
		return true;
	}
	COUNT(udrv__slab_counts(slot)->misses, 1);
	if (!atomic)
		udrv__slab_reap(cache);
	if (exchange_empty(cache, slot, RESERVE))
		return true;
	got = take_from_slabs(cache, slot, gfp);
	if (got && !atomic)
		udrv__depot_fill_reserve(cache);
	if (!got && (atomic || udrv__slab_at_limit(cache)))
		return exchange_empty(cache, slot, 0);
	return got;
}

/* The loaded magazine is full: make room. */
static void spill(struct udrv_kmem_cache *cache, struct udrv__slab_slot *slot)
{
	struct udrv__magazine *full = slot->previous;
	struct udrv__magazine *empty;

	if (full->count < cache->rounds) {
		swap(slot, cache->rounds);
		return;
	}
	empty = udrv__depot_take_empty(cache);
	if (empty) {
		slot->previous = empty;
		udrv__depot_put(cache, full);
	} else {
		udrv__slab_empty(cache, full);
	}
	swap(slot, cache->rounds);
}

void *udrv__slab_alloc_slowly(struct udrv_kmem_cache *cache, udrv_gfp_t gfp)
{
	struct udrv__slab_slot *slot = udrv__slab_slot_get(cache, !(gfp & UDRV_GFP_ATOMIC));

	if (!slot)
		return udrv__depot_alloc(cache, gfp);
	if (!refill(cache, slot, gfp))
		return NULL;
	COUNT(udrv__slab_counts(slot)->allocs, 1);
	return *--slot->top;
}

void udrv__slab_free_slowly(struct udrv_kmem_cache *cache, void *obj)
{
	struct udrv__slab_slot *slot = udrv__slab_slot_get(cache, true);

	if (!slot) {
		udrv__depot_free(cache, obj);
		return;
	}
	if (slot->top == slot->end)
		spill(cache, slot);
	COUNT(udrv__slab_counts(slot)->frees, 1);
	*slot->top = obj;
	IN_THIS_ORDER();
	slot->top++;
}

void *udrv_kmem_cache_alloc(struct udrv_kmem_cache *cache, udrv_gfp_t gfp)
{
	if (unlikely(gfp & UDRV_GFP_ZERO))
		return udrv_kmem_cache_zalloc(cache, gfp);
	return udrv__slab_alloc(cache, gfp);
}

void udrv_kmem_cache_free(struct udrv_kmem_cache *cache, void *obj)
{
	udrv__slab_free(cache, obj);
}

bool udrv__slab_may_zero(const struct udrv_kmem_cache *cache)
{
	if (cache->ctor)
		udrv_pr_err("cache %s: zeroing would undo its constructor", cache->name);
	return !cache->ctor;
}

void *udrv_kmem_cache_zalloc(struct udrv_kmem_cache *cache, udrv_gfp_t gfp)
{
	void *obj = udrv__slab_may_zero(cache) ? udrv__slab_alloc(cache, gfp) : NULL;

	return obj ? memset(obj, 0, cache->object_size) : NULL;
}

static size_t at_most(size_t a, ptrdiff_t b)
{
	return a < (size_t)b ? a : (size_t)b;
}

/* How many were had: less than n only if there are no more. */
static size_t alloc_many(struct udrv_kmem_cache *cache, struct udrv__slab_slot *slot,
			 udrv_gfp_t gfp, size_t n, void **objs)
{
	size_t got = 0;

	while (got < n && (slot->top != slot->bottom || refill(cache, slot, gfp))) {
		size_t part = at_most(n - got, slot->top - slot->bottom);

		slot->top -= part;
		memcpy(objs + got, slot->top, part * sizeof(*objs));
		got += part;
	}
	COUNT(udrv__slab_counts(slot)->allocs, got);
	return got;
}

static __attribute__((noinline)) int zalloc_bulk(struct udrv_kmem_cache *cache, udrv_gfp_t gfp,
						 size_t n, void **objs)
{
	int got = udrv__slab_may_zero(cache)
			  ? udrv_kmem_cache_alloc_bulk(cache, gfp & ~UDRV_GFP_ZERO, n, objs)
			  : 0;

	for (int i = 0; i < got; i++)
		memset(objs[i], 0, cache->object_size);
	return got;
}

int udrv_kmem_cache_alloc_bulk(struct udrv_kmem_cache *cache, udrv_gfp_t gfp, size_t n, void **objs)
{
	struct udrv__slab_slot *slot = udrv__slab_slot(cache);
	size_t got = 0;

	if (!n || n > INT32_MAX)
		return 0;
	if (unlikely(gfp & UDRV_GFP_ZERO))
		return zalloc_bulk(cache, gfp, n, objs);
	if (unlikely(!slot->loaded))
		slot = udrv__slab_slot_get(cache, !(gfp & UDRV_GFP_ATOMIC));
	if (slot)
		got = alloc_many(cache, slot, gfp, n, objs);
	while (!slot && got < n && (objs[got] = udrv__depot_alloc(cache, gfp)))
		got++;
	if (got == n)
		return (int)n;
	while (!slot && got)
		udrv__depot_free(cache, objs[--got]);
	udrv_kmem_cache_free_bulk(cache, got, objs);
	return 0;
}

void udrv_kmem_cache_free_bulk(struct udrv_kmem_cache *cache, size_t n, void **objs)
{
	struct udrv__slab_slot *slot = udrv__slab_slot(cache);

	if (unlikely(!slot->loaded))
		slot = n ? udrv__slab_slot_get(cache, true) : NULL;
	for (size_t i = 0; !slot && i < n; i++)
		udrv__depot_free(cache, objs[i]);
	if (!slot)
		return;
	COUNT(udrv__slab_counts(slot)->frees, n);
	while (n) {
		size_t part;

		if (slot->top == slot->end)
			spill(cache, slot);
		part = at_most(n, slot->end - slot->top);
		memcpy(slot->top, objs, part * sizeof(*objs));
		IN_THIS_ORDER();
		slot->top += part;
		objs += part;
		n -= part;
	}
}

int udrv_kmem_cache_shrink(struct udrv_kmem_cache *cache)
{
	struct udrv__slab_slot *slot = udrv__slab_slot(cache);

	if (udrv__slab_foreign(cache))
		return 1;
	if (slot->loaded)
		udrv__slab_slot_flush(cache, slot);
	udrv__depot_drain(cache);
	udrv__depot_fill_reserve(cache);
	(void)udrv__slab_release(cache, 0);
	return udrv__slab_taken(cache) > (uint64_t)RESERVE * cache->rounds;
}

unsigned int udrv_kmem_cache_size(const struct udrv_kmem_cache *cache)
{
	return (unsigned int)cache->object_size;
}

int udrv_kmem_cache_set_limit(struct udrv_kmem_cache *cache, size_t objects)
{
	struct udrv_kmem_cache_stats stats;
	size_t rounds = objects / (4 * RESERVE);

	if (!objects)
		return -EINVAL;
	if (udrv__slab_foreign(cache))
		return -EBUSY;
	udrv_kmem_cache_get_stats(cache, &stats);
	if (stats.allocations || cache->slots)
		return -EBUSY;
	udrv__depot_drain(cache);
	(void)udrv__slab_release(cache, 0);
	cache->limit = objects;
	cache->rounds = choose_rounds(cache);
	if (cache->rounds > rounds)
		cache->rounds = rounds ? (uint32_t)rounds : 1;
	udrv__slab_registry_lock();
	udrv__slab_stat_describe(cache);
	udrv__slab_registry_unlock();
	return fill(cache);
}

void udrv_kmem_cache_get_stats(struct udrv_kmem_cache *cache, struct udrv_kmem_cache_stats *stats)
{
	udrv__slab_sum(cache, stats);
	udrv__slab_lock(cache);
	stats->total = cache->record->total;
	stats->slabs = cache->record->slabs;
	udrv__slab_unlock(cache);
	stats->memory = stats->slabs * cache->chunk;
	stats->magazine = cache->rounds;
	stats->objects_per_slab = cache->per_slab;
}
