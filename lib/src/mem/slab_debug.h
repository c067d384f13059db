/* SPDX-License-Identifier: MIT */
/*
 * Caches in a debug mode. Threads have no magazines of them and the depot is not used: the depot's
 * calls lead to slab_debug.c. What is known of an object is in its slab's head, where an overrun
 * does not reach it; red zones are around the object.
 *
 *   chunk: struct slab, bits | struct udrv__slab_head, a record for each object | objects
 *   object, cache->size bytes apart: left red zone | object | right red zone, up to the next left
 * one
 */
#ifndef UDRV_SRC_SLAB_DEBUG_H
#define UDRV_SRC_SLAB_DEBUG_H

#include <pthread.h>

#include "mem/slab.h"

#define UDRV__SLAB_FRAMES 16
/* Who did something to an object. */
struct udrv__slab_track {
	uint64_t when_ns; /* 0: nobody */
	int32_t tid;	  /* 0: not known */
	int32_t cpu;
	void *frames[UDRV__SLAB_FRAMES]; /* from the caller of the library; then NULL */
};

enum udrv__slab_state {
	UDRV__SLAB_FREE,      /* in its slab, or on the way there or from there */
	UDRV__SLAB_BUSY,      /* one thread is allocating or freeing it */
	UDRV__SLAB_ALLOCATED, /* leaves this state under the cache's lock */
	UDRV__SLAB_QUEUED,    /* freed, or in the reserve; likewise */
	UDRV__SLAB_ASIDE,     /* damaged; not handed out again */
};

struct udrv__slab_meta {
	struct udrv__slab_meta *next; /* in a queue */
	uint32_t requested;	      /* bytes that the user may use */
	uint8_t state;
	bool damaged;			  /* and reported */
	bool used;			  /* was ever allocated */
	struct udrv__slab_track tracks[]; /* with STORE_USER: last allocation, last free */
};

struct udrv__slab_head {
	struct udrv_list_head link;
	struct udrv__slab_head *next; /* of the same hash */
	uint32_t count;
	_Alignas(8) char metas[];
};

/* First in, first out. */
struct udrv__slab_queue {
	struct udrv__slab_meta *first;
	struct udrv__slab_meta *last;
	uint32_t count;
};

#define UDRV__SLAB_BUCKETS 1024

struct udrv__slab_debug {
	size_t red_left;
	size_t meta_size;
	bool poisons; /* not what a constructor or a destructor knows */
	bool tools;   /* memcheck or the address sanitizer */

	/* Under the cache's lock. */
	struct udrv__slab_queue freed;
	struct udrv__slab_queue reserve;
	struct udrv_list_head slabs;
	struct udrv__slab_head *buckets[UDRV__SLAB_BUCKETS];

	pthread_mutex_t walk; /* no slab goes meanwhile; taken before the cache's lock */
};

/* One damage, or one wrong free. */
struct udrv__slab_finding {
	const char *what;
	const char *done;
	const void *object; /* NULL: there is none */
	const void *pointer;
	ptrdiff_t offset; /* of the first wrong byte, from the object's start */
	size_t span;	  /* to the last wrong one; 0: no bytes are wrong */
	unsigned char expected;
	unsigned char seen[16];
	struct udrv__slab_track tracks[2];
	struct udrv__slab_track now;
};

/* Letters of UDRV_SLAB_DEBUG for a cache (slab_modes.c). */
struct udrv__slab_modes {
	unsigned int flags;
	bool none; /* asked for by '-' */
};

struct udrv__slab_modes udrv__slab_modes_of(const char *name);

/* slab_meta.c */
struct udrv__slab_meta *udrv__slab_meta_of(const struct udrv_kmem_cache *cache, const void *obj);
struct udrv__slab_meta *udrv__slab_meta_at(const struct udrv_kmem_cache *cache,
					   struct udrv__slab_head *head, size_t i);
void *udrv__slab_object_of(const struct udrv_kmem_cache *cache, const struct udrv__slab_meta *meta);
/* What a pointer, to anything, is into; NULL if into no object of the cache. Under the lock. */
struct udrv__slab_meta *udrv__slab_find_meta(const struct udrv_kmem_cache *cache, const void *p);
enum udrv__slab_state udrv__slab_state_of(const struct udrv__slab_meta *meta);
void udrv__slab_set_state(struct udrv__slab_meta *meta, enum udrv__slab_state state);

/* slab_check.c: the bytes of an object and around it. Whether something is wrong with them. */
bool udrv__slab_check(const struct udrv_kmem_cache *cache, const void *obj, bool allocated,
		      struct udrv__slab_finding *found);
void udrv__slab_paint(const struct udrv_kmem_cache *cache, void *obj, bool allocated);
void udrv__slab_paint_slack(void *obj, size_t first, size_t end);

/* slab_report.c */
void udrv__slab_track_now(struct udrv__slab_track *track);
/* The first trace of a process makes system calls. */
void udrv__slab_track_ready(void);
/* A thread is known from its first call that may make system calls. */
void udrv__slab_track_thread(void);
void udrv__slab_report(const struct udrv_kmem_cache *cache, const struct udrv__slab_finding *found);
/* Objects that are allocated, and the first frame of who did it. */
void udrv__slab_report_site(const struct udrv_kmem_cache *cache, uint64_t objects, void *frame);

/* slab_tools.c: memcheck and the address sanitizer. */
bool udrv__slab_tools_there(void);
void udrv__slab_tools_begin(void *chunk, size_t size);
void udrv__slab_tools_end(void *chunk, size_t size);
/* Bytes that the library alone uses, now; and that nobody uses any more. */
void udrv__slab_tools_open(const void *p, size_t size);
void udrv__slab_tools_close(const void *p, size_t size);
void udrv__slab_tools_alloc(void *obj, size_t size, bool defined);
void udrv__slab_tools_free(void *obj, size_t size);
void udrv__slab_tools_resize(void *obj, size_t was, size_t size);

#endif
