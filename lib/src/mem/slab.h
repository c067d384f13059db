/* SPDX-License-Identifier: MIT */
/*
 * Object caches, in three layers: magazines of each thread (slab.c, slab_thread.c), the depot of
 * magazines (slab_depot.c), slabs (slab_pages.c) of memory from a provider (slab_memory.c).
 */
#ifndef UDRV_SRC_SLAB_H
#define UDRV_SRC_SLAB_H

#include <udrv/list.h>
#include <udrv/slab.h>

#include "mem/slab_stat.h"

#define CACHE_LINE	64
#define CACHES_MAX	1024 /* slot 0 of a thread is its table's own */
#define TABLE_BYTES	UDRV__SLAB_TABLE_BYTES
#define MAGAZINE_MAX	256
#define MAGAZINE_BYTES	((size_t)256 << 10) /* of objects in a magazine */
#define RESERVE		2		    /* magazines that stay for GFP_ATOMIC */
#define EMPTY_KEPT	4u		    /* slabs */
#define BLOCK_MAGAZINES 32u
#define BLOCKS_MAX	125u /* with which the lock is at the start of a cache line */
#define DEPOT_MAGAZINES 24u  /* beside two for each thread */

#define UDRV__SLAB_MODES                                                                           \
	(UDRV_SLAB_CONSISTENCY_CHECKS | UDRV_SLAB_RED_ZONE | UDRV_SLAB_POISON |                    \
	 UDRV_SLAB_STORE_USER)

/* Where slabs come from: chunks of a power of two, aligned to their size. */
struct udrv__slab_memory {
	bool shared; /* a child of fork() has the same, not a copy: it may not use the cache */
	/* On the NUMA node if it has room, -1: any. NULL: none. */
	void *(*alloc)(struct udrv_device *dev, size_t size, int node);
	void (*free)(struct udrv_device *dev, void *chunk, size_t size);
};

extern const struct udrv__slab_memory udrv__slab_plain;
extern const struct udrv__slab_memory udrv__slab_dma;	 /* the device's arena */
extern const struct udrv__slab_memory udrv__slab_common; /* what all devices reach */

/* What udrv_kmem_cache_create() leaves to no caller. */
struct udrv__slab_tune {
	const struct udrv__slab_memory *memory; /* NULL: as the flags say */
	size_t chunk;				/* of a slab, if it must be that; or 0 */
	size_t magazine;			/* bytes of objects, at most */
	uint32_t tag;				/* of its slabs */
};

struct udrv_kmem_cache *udrv__slab_create(struct udrv_device *dev, const char *name, size_t size,
					  size_t align, unsigned int flags, void (*ctor)(void *obj),
					  void (*dtor)(void *obj),
					  const struct udrv__slab_tune *tune);

/* At the start of a chunk. */
struct slab {
	struct udrv_list_head link;
	struct udrv_kmem_cache *cache; /* NULL when it goes */
	uint32_t count;
	uint32_t free;
	uint32_t tag; /* the cache's */
	int32_t node; /* -1: not known */
	uint64_t is_free[];
};

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
	uint32_t low; /* fewest full ones since somebody looked */
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
	size_t object_size;
	uint32_t per_slab;
	size_t align;
	size_t chunk;
	size_t first;	     /* least offset of a slab's first object */
	uint32_t colours;    /* what is added to it, in bytes; a mask */
	uint32_t gap_shift;  /* a cache line is left after so many objects, a power of two */
	uint32_t reciprocal; /* of size, times 2^32, rounded up: exact for offsets in 64 KiB */
	char name[32];
	/* A cache in a debug mode: what is beside its objects (slab_debug.h). */
	struct udrv__slab_debug *debug; /* NULL: it is in none */
	size_t before;			/* bytes of its size that are before an object */
	size_t head;			/* offset in a slab; its bytes, and those for each object */
	size_t head_size;
	size_t meta_size;
	uint64_t aside; /* damaged objects, which are taken but not allocated */

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
	uint64_t taken; /* objects that are not in slabs: allocated, or in magazines */
	uint64_t limit;

	/* Seldom read. */
	size_t magazine_bytes;
	uint32_t tag;

	/* Here, or where others read it. */
	struct udrv__slab_record *record;
	struct udrv__slab_record own_record;
	uint64_t inherited; /* in a child of fork(): objects out at the fork; some are nobody's */
	uint32_t walkers;   /* that look at it; it stays until they have gone on */
	bool closed;	    /* to new ones; both under the registry's lock */
	bool foreign;	    /* its memory may not be used: the parent's, or gone with the device */
	bool reported;	    /* that it is; atomic */
};

/* Slabs. How many objects were had, at most n; GFP_KERNEL makes a slab if there is none. */
uint32_t udrv__slab_take(struct udrv_kmem_cache *cache, void **objs, uint32_t n, udrv_gfp_t gfp);
/* One of a slab of that NUMA node. */
void *udrv__slab_take_node(struct udrv_kmem_cache *cache, udrv_gfp_t gfp, int node);
void udrv__slab_put(struct udrv_kmem_cache *cache, void *const *objs, size_t n);
void udrv__slab_lay_out(struct udrv_kmem_cache *cache);
/* Whether it is where an object may be, as far as the alignment says; in a chunk of any memory. */
bool udrv__slab_is_object(const struct udrv_kmem_cache *cache, const void *p);
/* Give empty slabs back, but for so many. How many went. */
uint32_t udrv__slab_release(struct udrv_kmem_cache *cache, uint32_t keep);
/* Those that were not needed for a period, unless NO_REAP. May make system calls. */
extern uint64_t udrv__slab_reap_period_ns;
void udrv__slab_reap(struct udrv_kmem_cache *cache);
/* Of all caches, and magazines in the depots that were not needed since the last time. */
void udrv__slab_reap_all(void);
/* A cache has more than a few slabs: there is to be a thread that reaps. May make system calls. */
void udrv__slab_need_reaper(const struct udrv_kmem_cache *cache);
void udrv__slab_reaper_gone(void);
/* No memory for a cache: what others keep idle goes back, but for their reserves. Whether there was
 * some. */
bool udrv__slab_reclaim(const struct udrv_kmem_cache *needy);
bool udrv__slab_at_limit(struct udrv_kmem_cache *cache);
uint64_t udrv__slab_taken(struct udrv_kmem_cache *cache);

/* slab.c: false, with a log line, where objects have a constructor. */
bool udrv__slab_may_zero(const struct udrv_kmem_cache *cache);
bool udrv__slab_has(const struct udrv_kmem_cache *cache, const void *obj); /* under the lock */
/* Whether a pointer, to anything or nothing, is into a slab of the cache. Makes a system call. */
bool udrv__slab_is_into(const struct udrv_kmem_cache *cache, const void *p);
bool udrv__slab_trylock(struct udrv_kmem_cache *cache); /* some spins */
void udrv__slab_lock(struct udrv_kmem_cache *cache);
void udrv__slab_unlock(struct udrv_kmem_cache *cache);

/* The depot. No locks, no system calls, but where it says so. */
uint32_t udrv__depot_full(const struct udrv_kmem_cache *cache); /* how many */
struct udrv__magazine *udrv__depot_take_full(struct udrv_kmem_cache *cache, uint32_t leave);
struct udrv__magazine *udrv__depot_take_empty(struct udrv_kmem_cache *cache);
void udrv__depot_put(struct udrv_kmem_cache *cache, struct udrv__magazine *magazine);
/* Full ones go to the slabs: at most n, while there are more than leave. */
void udrv__depot_trim(struct udrv_kmem_cache *cache, uint32_t leave, uint32_t n);
void udrv__depot_drain(struct udrv_kmem_cache *cache);
void udrv__depot_fill_reserve(struct udrv_kmem_cache *cache); /* may map */
/* Have magazines for so many threads; maps. 0 or -ENOMEM. Under the lock of the registry. */
int udrv__depot_grow(struct udrv_kmem_cache *cache, uint32_t threads);
void udrv__depot_release(struct udrv_kmem_cache *cache);
void *udrv__depot_alloc(struct udrv_kmem_cache *cache, udrv_gfp_t gfp);
void udrv__depot_free(struct udrv_kmem_cache *cache, void *obj);
/* While nobody else is there: how many objects there are. */
uint64_t udrv__depot_recount(struct udrv_kmem_cache *cache);

/* Debug modes (slab_meta.c, slab_debug.c). With UDRV_SLAB_DEBUG's for that name; 0 or -ENOMEM. */
int udrv__slab_debug_begin(struct udrv_kmem_cache *cache, const char *name);
/* For memcheck and the address sanitizer, when they are there. */
extern bool udrv__slab_checkers;
/* The rest is for caches with debug. What each object has beside it: */
void udrv__slab_debug_widen(struct udrv_kmem_cache *cache);
void udrv__slab_debug_give_back(struct udrv_kmem_cache *cache); /* what was put aside, to slabs */
void udrv__slab_debug_end(struct udrv_kmem_cache *cache);
void udrv__slab_debug_make(struct udrv_kmem_cache *cache, void *slab, uint32_t count);
void udrv__slab_debug_unmake(struct udrv_kmem_cache *cache, void *slab);
void udrv__slab_debug_add(struct udrv_kmem_cache *cache, void *slab);	 /* under the lock */
void udrv__slab_debug_remove(struct udrv_kmem_cache *cache, void *slab); /* the same, held */
void udrv__slab_debug_hold(struct udrv_kmem_cache *cache); /* no slab goes but by the caller */
void udrv__slab_debug_release(struct udrv_kmem_cache *cache);
void *udrv__slab_debug_alloc(struct udrv_kmem_cache *cache, udrv_gfp_t gfp);
bool udrv__slab_debug_free(struct udrv_kmem_cache *cache, void *obj);
void udrv__slab_debug_fill_reserve(struct udrv_kmem_cache *cache);
void udrv__slab_debug_drain(struct udrv_kmem_cache *cache);
uint64_t udrv__slab_debug_queued(const struct udrv_kmem_cache *cache);
/* Of any cache: the bytes that may be used of an allocated object, all unless set (krealloc()). */
void udrv__slab_debug_set_requested(struct udrv_kmem_cache *cache, void *obj, size_t size);
size_t udrv__slab_debug_requested(const struct udrv_kmem_cache *cache, const void *obj);
/* Which objects are allocated, into the log. */
void udrv__slab_debug_report_leaks(struct udrv_kmem_cache *cache);

static inline struct udrv__slab_slot *udrv__slab_slot(const struct udrv_kmem_cache *cache)
{
	return udrv__slab_own(cache);
}

/* What its thread counts: in the block beside the table. */
static inline struct udrv__slab_counts *udrv__slab_counts(const struct udrv__slab_slot *slot)
{
	return (struct udrv__slab_counts *)((uintptr_t)slot + TABLE_BYTES);
}

/* The calling thread's, with magazines; NULL if it has none. */
struct udrv__slab_slot *udrv__slab_slot_get(struct udrv_kmem_cache *cache, bool may_map);
void udrv__slab_forget_slot(struct udrv_kmem_cache *cache, struct udrv__slab_slot *slot);
void udrv__slab_slot_flush(struct udrv_kmem_cache *cache, struct udrv__slab_slot *slot);
void udrv__slab_empty(struct udrv_kmem_cache *cache, struct udrv__magazine *m);
int udrv__slab_register(struct udrv_kmem_cache *cache); /* 0, -ENOSPC */
void udrv__slab_unregister(struct udrv_kmem_cache *cache);
void udrv__slab_flush_threads(struct udrv_kmem_cache *cache);
/* The calling thread's, and where its counters are; or NULL. */
struct udrv__slab_block *udrv__slab_own_block(char **counts);
/* The cache that a pointer is into a slab of: its name into name, of 32 bytes. Any pointer. */
bool udrv__slab_name_owner(const void *p, char *name);
void udrv__slab_sum(struct udrv_kmem_cache *cache, struct udrv_kmem_cache_stats *stats);
void udrv__slab_registry_lock(void);
void udrv__slab_registry_unlock(void);
/* Under the registry's lock: the first one of that index or above, which becomes its own; or NULL.
 */
struct udrv_kmem_cache *udrv__slab_cache_from(size_t *index);
/* From one cache to the next one, which does not end meanwhile; last is the one before, or NULL. */
struct udrv_kmem_cache *udrv__slab_walk(size_t *index, struct udrv_kmem_cache *last);
/* Wait until nobody looks at it, and let nobody until it is opened again. */
void udrv__slab_close(struct udrv_kmem_cache *cache);
void udrv__slab_open(struct udrv_kmem_cache *cache);
/* Under the registry's lock, which the caller holds in a child of fork(): for each slot with
 * magazines of a thread that the child does not have; afterwards they are gone. */
void udrv__slab_forget_threads(void (*fn)(struct udrv_kmem_cache *cache,
					  struct udrv__slab_slot *slot));

/* fork(). Have its handlers; false: no memory. */
bool udrv__slab_watch_fork(void);
/* How many forks this process is away from the one that loaded the library. */
extern uint32_t udrv__fork_generation;
/* The device is about to be closed: what is left of its caches of DMA memory. */
void udrv__slab_device_gone(const struct udrv_device *dev);
/* Whether its memory may not be used; the first time, a log line says so. */
bool udrv__slab_foreign(struct udrv_kmem_cache *cache);

/*
 * A child of fork() sees what other threads stored in the order in which they stored it, up to some
 * instruction. So an object, or a magazine, is taken from where it was before it is put where it
 * goes to: in between it is lost to the child, but it is never in two places.
 */
#define IN_THIS_ORDER() __atomic_signal_fence(__ATOMIC_RELEASE)

#define COUNT UDRV__COUNT

#endif
