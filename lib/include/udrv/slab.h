/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Caches of objects of one size. Source: Linux include/linux/slab.h, mm/slab_common.c.
 *
 * Each thread keeps two magazines (arrays of pointers to free objects) per cache: allocating and
 * freeing takes and puts there, without a lock or an atomic operation. Whole magazines go to and
 * come from a depot that the threads share, without a lock; only what the depot has no room for
 * goes back to the slabs, which have one. A magazine has 256 pointers for objects of up to 1 KiB,
 * and fewer for larger ones: 256 KiB worth, at least one. What the thread's magazine answers is
 * inline; it depends on what this header says of a slot, which goes with libudrv's soname.
 *
 * Nothing is written into free objects: they keep the state that the constructor, and their last
 * user, left them in. Only UDRV_SLAB_POISON fills those of a cache without constructor and
 * destructor.
 *
 * docs/contract/memory.md says what may be called from where.
 */
#ifndef UDRV_SLAB_H
#define UDRV_SLAB_H

#include <stddef.h>

#include <udrv/types.h>

UDRV_BEGIN_DECLS

/** struct udrv_kmem_cache - a cache of objects; opaque. */
struct udrv_kmem_cache;

/** UDRV_SLAB_HWCACHE_ALIGN - objects share cache lines only if two or more fit in one. */
#define UDRV_SLAB_HWCACHE_ALIGN 0x1u
/** UDRV_SLAB_NO_REAP - idle memory is given back by udrv_kmem_cache_shrink() only. */
#define UDRV_SLAB_NO_REAP 0x2u
/**
 * UDRV_SLAB_CACHE_DMA - objects that the device reaches: udrv_dma_map_single() is a look-up, and
 * udrv_virt_to_bus() works. The cache is to be destroyed before the device is closed.
 */
#define UDRV_SLAB_CACHE_DMA 0x4u
/**
 * UDRV_SLAB_POISON - free objects and ones just allocated are filled; writing to a free one is
 * found
 *
 * This and the next three are debug modes, which UDRV_SLAB_DEBUG in the environment sets as well:
 * docs/contract/memory.md says what each finds and costs. Source: Linux slab_debug=.
 */
#define UDRV_SLAB_POISON 0x10u
/** UDRV_SLAB_RED_ZONE - writing before or behind an object is found. */
#define UDRV_SLAB_RED_ZONE 0x20u
/** UDRV_SLAB_STORE_USER - reports name who allocated and who freed an object. */
#define UDRV_SLAB_STORE_USER 0x40u
/** UDRV_SLAB_CONSISTENCY_CHECKS - a wrong free is found; part of the other three. */
#define UDRV_SLAB_CONSISTENCY_CHECKS 0x80u

/** UDRV_KMEM_CACHE_MAX_SIZE - the largest object, in bytes. */
#define UDRV_KMEM_CACHE_MAX_SIZE ((size_t)4 << 20)

/** struct udrv_kmem_cache_stats - what a cache holds and did; exact when no thread is using it. */
struct udrv_kmem_cache_stats {
	uint64_t active;	   /* objects that are allocated */
	uint64_t total;		   /* objects that there are, free ones included */
	uint64_t slabs;		   /* pieces of memory that they are in */
	uint64_t memory;	   /* bytes of those pieces */
	uint64_t allocations;	   /* since the cache was made */
	uint64_t frees;		   /* the same */
	uint64_t hits;		   /* allocations that the thread's magazine answered */
	uint32_t magazine;	   /* objects in a full magazine */
	uint32_t objects_per_slab; /* at most */
};

/**
 * udrv_kmem_cache_create() - make a cache
 * @dev: whose objects they are, named in log lines; or NULL, but not with UDRV_SLAB_CACHE_DMA
 * @name: of the cache, cut to 31 bytes; copied
 * @size: bytes of an object, 1 to UDRV_KMEM_CACHE_MAX_SIZE
 * @align: a power of two up to 2 MiB, or 0 for 8
 * @flags: UDRV_SLAB_HWCACHE_ALIGN, UDRV_SLAB_NO_REAP, the debug modes; with any other one the call
 * fails
 * @ctor: called once for each object when its slab is made; or NULL
 * @dtor: called once for each object when its slab goes; or NULL
 *
 * Fills a reserve of two magazines (512 objects of up to 1 KiB) which UDRV_GFP_KERNEL leaves alone
 * and then keeps filled. A process has up to 1023 caches. @ctor runs in whichever thread allocates
 * with UDRV_GFP_KERNEL, @dtor in one that does so on any cache, shrinks or destroys, or in the
 * library's thread that gives idle memory back; without a lock held; not on this same cache may
 * they allocate or free.
 *
 * Any thread that may block. The cache is the caller's, to udrv_kmem_cache_destroy().
 * Return: the cache, or NULL; udrv_log() says why (bad argument, flag not supported, no memory).
 */
UDRV_API struct udrv_kmem_cache *udrv_kmem_cache_create(struct udrv_device *dev, const char *name,
							size_t size, size_t align,
							unsigned int flags, void (*ctor)(void *obj),
							void (*dtor)(void *obj));

/**
 * udrv_kmem_cache_destroy() - end a cache and give its memory back
 * @cache: no thread is using it; or NULL
 *
 * Takes the free objects back from all threads, which may be ending meanwhile. If objects are still
 * allocated, an error with their number and the cache's name is logged, nothing is freed, and the
 * cache can be used, and destroyed, as before. In a debug mode more lines name the objects, with
 * UDRV_SLAB_STORE_USER the places that allocated them. In a child of fork() those that were
 * allocated at the fork do not count: they stay where they are.
 *
 * Any thread that may block. Return: 0, or -EBUSY when objects are still allocated.
 */
UDRV_API int udrv_kmem_cache_destroy(struct udrv_kmem_cache *cache);

/**
 * udrv_kmem_cache_alloc() - allocate an object
 * @cache: the cache
 * @gfp: UDRV_GFP_KERNEL may make slabs, if need be of what other caches keep idle; UDRV_GFP_ATOMIC
 * takes what there is: in the thread's magazines, the depot, its reserve included, and slabs with
 * room, unless another thread is at them; with UDRV_GFP_ZERO: udrv_kmem_cache_zalloc()
 *
 * Any thread, UDRV_GFP_ATOMIC also in handlers.
 * Return: an object in the state the constructor or its last user left it in, or NULL (for
 * UDRV_GFP_KERNEL: no memory, which is logged, or the limit).
 */
UDRV_API void *udrv_kmem_cache_alloc(struct udrv_kmem_cache *cache, udrv_gfp_t gfp);

/**
 * udrv_kmem_cache_alloc_node() - allocate an object in memory of a NUMA node
 * @cache: the cache
 * @gfp: as for udrv_kmem_cache_alloc()
 * @node: e.g. the device's; -1, or any on a machine with one node: udrv_kmem_cache_alloc()
 *
 * A preference: from a slab that was made for @node, which UDRV_GFP_KERNEL makes if there is none
 * with room; if that is not to be had, from anywhere. Takes the slabs' lock, so it is for what is
 * allocated once and used for long. Freed as any other object. Any thread, UDRV_GFP_ATOMIC also in
 * handlers. Return: as udrv_kmem_cache_alloc(). Source: Linux kmem_cache_alloc_node().
 */
UDRV_API void *udrv_kmem_cache_alloc_node(struct udrv_kmem_cache *cache, udrv_gfp_t gfp, int node);

/**
 * udrv_kmem_cache_zalloc() - udrv_kmem_cache_alloc() and zero the object
 * @cache: the cache; not one with a constructor, whose work this would undo: NULL and a log line
 * @gfp: as there
 *
 * Return: as there.
 */
UDRV_API void *udrv_kmem_cache_zalloc(struct udrv_kmem_cache *cache, udrv_gfp_t gfp);

/**
 * udrv_kmem_cache_free() - give an object back
 * @cache: the cache that it is of
 * @obj: the object, by whichever thread it was allocated; with a constructor in the state that the
 * next user expects; not NULL
 *
 * Any thread, also in handlers. A thread's first call in its life may map memory for its magazines
 * (and does without if there is none); else no system call is made, except that a thread may sleep
 * for some microseconds when another one was stopped while at the slabs.
 */
UDRV_API void udrv_kmem_cache_free(struct udrv_kmem_cache *cache, void *obj);

/**
 * udrv_kmem_cache_alloc_bulk() - allocate several objects at once
 * @cache: the cache
 * @gfp: as for udrv_kmem_cache_alloc()
 * @n: how many
 * @objs: where to put them; undefined when there are not so many
 *
 * With UDRV_GFP_ZERO all are zeroed, or, of a cache with a constructor, none is allocated.
 * Return: @n, or 0 and none is allocated.
 */
UDRV_API int udrv_kmem_cache_alloc_bulk(struct udrv_kmem_cache *cache, udrv_gfp_t gfp, size_t n,
					void **objs);

/** udrv_kmem_cache_free_bulk() - udrv_kmem_cache_free() for @n objects at once. */
UDRV_API void udrv_kmem_cache_free_bulk(struct udrv_kmem_cache *cache, size_t n, void **objs);

/**
 * udrv_kmem_cache_shrink() - give unused slabs back to the system
 * @cache: the cache; it may be in use
 *
 * Empties the depot and the calling thread's magazines; not those of other threads. The reserve
 * stays. Any thread that may block. Return: 0 if nothing but the reserve is left, else 1. Source:
 * Linux kmem_cache_shrink().
 */
UDRV_API int udrv_kmem_cache_shrink(struct udrv_kmem_cache *cache);

/** udrv_kmem_cache_size() - the size of an object as it was asked for. */
UDRV_API unsigned int udrv_kmem_cache_size(const struct udrv_kmem_cache *cache);

/**
 * udrv_kmem_cache_set_limit() - bound how many objects there are
 * @cache: from which nothing was ever allocated; no other thread is using it
 * @objects: at least 1
 *
 * Magazines become small enough that a thread can keep no more than a quarter of the objects from
 * others; the reserve is a quarter as well, and UDRV_GFP_KERNEL gets it when all else is used up. A
 * lone thread can allocate exactly @objects.
 *
 * Return: 0, -EINVAL, -EBUSY if something was allocated before, -ENOMEM.
 */
UDRV_API int udrv_kmem_cache_set_limit(struct udrv_kmem_cache *cache, size_t objects);

/**
 * udrv_kmem_cache_validate() - look at all objects of a cache in a debug mode
 * @cache: the cache; it may be in use
 *
 * Reports each damage through udrv_log(), once: bytes changed in a free object, in a red zone. The
 * object is not handed out again. A cache that is in no debug mode has no errors.
 *
 * Any thread that may block. Return: how many errors were found now. Source: Linux
 * validate_slab_cache().
 */
UDRV_API int udrv_kmem_cache_validate(struct udrv_kmem_cache *cache);

/** udrv_kmem_cache_get_stats() - fill @stats; any thread that may block, the cache may be in use.
 */
UDRV_API void udrv_kmem_cache_get_stats(struct udrv_kmem_cache *cache,
					struct udrv_kmem_cache_stats *stats);

/* The inline part: one thread's magazines of one cache. All zero: none; both empty and full. */
struct udrv__slab_slot {
	void **top; /* the loaded magazine's: one behind the last object */
	void **bottom;
	void **end;
	struct udrv__magazine *loaded;
	struct udrv__magazine *previous; /* its count is up to date */
} __attribute__((aligned(64)));

/* Of a table; a slot's counters are so far behind it. Others read them. */
#define UDRV__SLAB_TABLE_BYTES (1024 * sizeof(struct udrv__slab_slot))

/*
 * In the last words of the 64 bytes: a store to the first ones would delay the next load of the
 * slot's, as a processor tells them apart by the last 12 bits of their addresses at first.
 */
struct udrv__slab_counts {
	uint64_t unused[5];
	uint64_t allocs;
	uint64_t frees;
	uint64_t misses; /* allocations that the loaded magazine did not answer */
};

/* The table of the calling thread, or one that is never written. */
extern UDRV_API __thread char *udrv__slab_table __attribute__((tls_model("initial-exec")));

UDRV_API void *udrv__slab_alloc_slowly(struct udrv_kmem_cache *cache, udrv_gfp_t gfp);
UDRV_API void udrv__slab_free_slowly(struct udrv_kmem_cache *cache, void *obj);

/*
 * A counter that one thread writes and others may read: a plain addition, which no compiler tears
 * on a 64-bit machine; the thread sanitizer cannot know that.
 */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UDRV__COUNT(counter, n) __atomic_store_n(&(counter), (counter) + (n), __ATOMIC_RELAXED)
#endif
#endif
#if defined(__SANITIZE_THREAD__) && !defined(UDRV__COUNT)
#define UDRV__COUNT(counter, n) __atomic_store_n(&(counter), (counter) + (n), __ATOMIC_RELAXED)
#endif
#ifndef UDRV__COUNT
#define UDRV__COUNT(counter, n) ((counter) += (n))
#endif

/* What follows is inline where it is called; without udrv__ it is a function of libudrv, too. */

/* A cache begins with the offset of its slot in each thread's table. */
extern inline __attribute__((gnu_inline, always_inline)) struct udrv__slab_slot *
udrv__slab_own(const struct udrv_kmem_cache *cache)
{
	return (struct udrv__slab_slot *)(void *)(udrv__slab_table +
						  *(const size_t *)(const void *)cache);
}

extern inline __attribute__((gnu_inline, always_inline)) struct udrv__slab_counts *
udrv__slab_own_counts(struct udrv__slab_slot *slot)
{
	return (struct udrv__slab_counts *)(void *)((char *)slot + UDRV__SLAB_TABLE_BYTES);
}

extern inline __attribute__((gnu_inline, always_inline)) void *
udrv__slab_alloc(struct udrv_kmem_cache *cache, udrv_gfp_t gfp)
{
	struct udrv__slab_slot *slot = udrv__slab_own(cache);
	void **top = slot->top;

	if (__builtin_expect(top == slot->bottom, 0))
		return udrv__slab_alloc_slowly(cache, gfp);
	UDRV__COUNT(udrv__slab_own_counts(slot)->allocs, 1);
	slot->top = top - 1;
	return top[-1];
}

extern inline __attribute__((gnu_inline, always_inline)) void
udrv__slab_free(struct udrv_kmem_cache *cache, void *obj)
{
	struct udrv__slab_slot *slot = udrv__slab_own(cache);
	void **top = slot->top;

	if (__builtin_expect(top == slot->end, 0)) {
		udrv__slab_free_slowly(cache, obj);
		return;
	}
	UDRV__COUNT(udrv__slab_own_counts(slot)->frees, 1);
	*top = obj;
	__atomic_signal_fence(__ATOMIC_RELEASE); /* for fork(): it is never in two places */
	slot->top = top + 1;
}

extern inline __attribute__((gnu_inline, always_inline)) void *
udrv_kmem_cache_alloc(struct udrv_kmem_cache *cache, udrv_gfp_t gfp)
{
	if (__builtin_expect(gfp & UDRV_GFP_ZERO, 0))
		return udrv_kmem_cache_zalloc(cache, gfp);
	return udrv__slab_alloc(cache, gfp);
}

extern inline __attribute__((gnu_inline, always_inline)) void
udrv_kmem_cache_free(struct udrv_kmem_cache *cache, void *obj)
{
	udrv__slab_free(cache, obj);
}

UDRV_END_DECLS

#endif
