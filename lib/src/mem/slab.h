/* SPDX-License-Identifier: MIT */
/*
 * Object caches, in three layers: magazines of each thread (slab.c, slab_thread.c), the depot of
 * magazines (slab_depot.c), slabs (slab_pages.c) of memory from a provider (slab_memory.c).
 */
#ifndef UDRV_SRC_SLAB_H
#define UDRV_SRC_SLAB_H

#include <udrv/list.h>
#include <udrv/slab.h>

#define CACHE_LINE	64
#define CACHES_MAX	1024 /* slot 0 of a thread is its table's own */
#define MAGAZINE_MAX	256
#define MAGAZINE_BYTES	((size_t)256 << 10) /* of objects in a magazine */
#define RESERVE		2		    /* magazines that stay for GFP_ATOMIC */
#define BLOCK_MAGAZINES 32u
#define BLOCKS_MAX	125u /* with which the lock is at the start of a cache line */
#define DEPOT_MAGAZINES 24u  /* beside two for each thread */

/* Where slabs come from: chunks of a power of two, aligned to their size. */
struct udrv__slab_memory {
	/* On the NUMA node if it has room, -1: any. NULL: none. */
	void *(*alloc)(struct udrv_device *dev, size_t size, int node);
	void (*free)(struct udrv_device *dev, void *chunk, size_t size);
};

extern const struct udrv__slab_memory udrv__slab_plain;
extern const struct udrv__slab_memory udrv__slab_dma;	 /* the device's arena */
extern const struct udrv__slab_memory udrv__slab_common; /* what all devices reach */

/* An array of pointers to free objects. In the depot, or one thread's. */
struct udrv__magazine {
	uint32_t next;	/* in the depot: id of the one below */
	uint32_t count; /* in the depot: objects inside */
	uint32_t id;	/* from 1 */
	void *objs[];
};

/* Magazines on a stack: a tag, which each change changes; how many; the id of the top one. */
struct udrv__magazine_stack {
	_Alignas(CACHE_LINE) uint64_t head;
};

struct udrv_kmem_cache {
	size_t slot; /* offset in each thread's table; <udrv/slab.h> expects it here */
	size_t size; /* with what aligns the next one */
	uint32_t rounds;
	unsigned int flags;
	void (*ctor)(void *obj);
	void (*dtor)(void *obj);
	const struct udrv__slab_memory *memory;
	struct udrv_device *dev;
	uint32_t object_size;
	uint32_t per_slab;
	size_t align;
	size_t chunk;
	size_t first;	    /* least offset of a slab's first object */
	uint32_t colours;   /* what is added to it, in bytes; a mask */
	uint32_t gap_shift; /* a cache line is left after so many objects, a power of two */
	char name[32];

	/* The depot. */
	struct udrv__magazine_stack full;
	struct udrv__magazine_stack empty;
	_Alignas(CACHE_LINE) uint32_t fresh; /* magazines that were ever used */
	uint32_t magazines;		     /* that there is memory for */
	uint32_t slots;			     /* threads that have magazines */
	size_t magazine_stride;
	char *blocks[BLOCKS_MAX];

	/* Under the lock. */
	_Alignas(CACHE_LINE) uint32_t lock;
	uint32_t empty_slabs;
	uint32_t empty_low; /* fewest of them since reaped_ns */
	uint64_t reaped_ns;
	struct udrv_list_head partial;
	struct udrv_list_head empties;
	uint64_t slabs;
	uint64_t total; /* objects in slabs, or about to be */
	uint64_t taken; /* of them not in slabs: allocated, or in magazines */
	uint64_t limit;

	/* Of threads without magazines, and of those that ended. */
	uint64_t past_allocs;
	uint64_t past_frees;
	uint64_t past_misses;
};

/* Slabs. How many objects were had, at most n; GFP_KERNEL makes a slab if there is none. */
uint32_t udrv__slab_take(struct udrv_kmem_cache *cache, void **objs, uint32_t n, udrv_gfp_t gfp);
void udrv__slab_put(struct udrv_kmem_cache *cache, void *const *objs, size_t n);
void udrv__slab_lay_out(struct udrv_kmem_cache *cache);
/* Give empty slabs back, but for so many. */
void udrv__slab_release(struct udrv_kmem_cache *cache, uint32_t keep);
/* Those that were not needed for a period, unless NO_REAP. May make system calls. */
extern uint64_t udrv__slab_reap_period_ns;
void udrv__slab_reap(struct udrv_kmem_cache *cache);
bool udrv__slab_at_limit(struct udrv_kmem_cache *cache);
uint64_t udrv__slab_taken(struct udrv_kmem_cache *cache);
void udrv__slab_lock(struct udrv_kmem_cache *cache);
void udrv__slab_unlock(struct udrv_kmem_cache *cache);

/* The depot. No locks, no system calls, but where it says so. */
uint32_t udrv__depot_full(const struct udrv_kmem_cache *cache); /* how many */
struct udrv__magazine *udrv__depot_take_full(struct udrv_kmem_cache *cache, uint32_t leave);
struct udrv__magazine *udrv__depot_take_empty(struct udrv_kmem_cache *cache);
void udrv__depot_put(struct udrv_kmem_cache *cache, struct udrv__magazine *magazine);
void udrv__depot_drain(struct udrv_kmem_cache *cache);
void udrv__depot_fill_reserve(struct udrv_kmem_cache *cache); /* may map */
/* Have magazines for so many threads; maps. 0 or -ENOMEM. Under the lock of the registry. */
int udrv__depot_grow(struct udrv_kmem_cache *cache, uint32_t threads);
void udrv__depot_release(struct udrv_kmem_cache *cache);
void *udrv__depot_alloc(struct udrv_kmem_cache *cache, udrv_gfp_t gfp);
void udrv__depot_free(struct udrv_kmem_cache *cache, void *obj);

static inline struct udrv__slab_slot *udrv__slab_slot(const struct udrv_kmem_cache *cache)
{
	return udrv__slab_own(cache);
}

/* The calling thread's, with magazines; NULL if it has none. */
struct udrv__slab_slot *udrv__slab_slot_get(struct udrv_kmem_cache *cache, bool may_map);
void udrv__slab_slot_flush(struct udrv_kmem_cache *cache, struct udrv__slab_slot *slot);
int udrv__slab_register(struct udrv_kmem_cache *cache); /* 0, -ENOSPC */
void udrv__slab_unregister(struct udrv_kmem_cache *cache);
void udrv__slab_flush_threads(struct udrv_kmem_cache *cache);
void udrv__slab_sum(struct udrv_kmem_cache *cache, struct udrv_kmem_cache_stats *stats);

#endif
