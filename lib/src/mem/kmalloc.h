/* SPDX-License-Identifier: MIT */
/* kmalloc: caches by size in the common arena, and runs of its pages for what is larger. */
#ifndef UDRV_SRC_MEM_KMALLOC_H
#define UDRV_SRC_MEM_KMALLOC_H

#include <udrv/kmalloc.h>

/* Of each slab: where it begins follows from where an object is. */
#define UDRV__KMALLOC_CHUNK ((size_t)64 << 10)

extern struct udrv_kmem_cache *udrv__kmalloc_caches[UDRV__KMALLOC_CLASSES];

/* Have the caches. 0 or -ENOMEM, explained: then there is none, and it may be tried again. */
int udrv__kmalloc_init(void);
/*
 * No caches any more, and no memory that is not used; nobody is allocating. -EBUSY if objects are
 * allocated: then all is as before.
 */
int udrv__kmalloc_end(void);

/* Across fork(). */
void udrv__kmalloc_lock(void);
void udrv__kmalloc_unlock(void);
void udrv__vmalloc_lock(void);
void udrv__vmalloc_unlock(void);

/* The IOVA that no byte may be above. */
udrv_iova_t udrv__kmalloc_limit(udrv_gfp_t gfp);
/* Pages of the common arena, for any size. NULL, explained unless UDRV_GFP_ATOMIC. */
void *udrv__kmalloc_run(size_t size, udrv_gfp_t gfp, int node);
/* How many bytes begin there; 0 if none do, or they are not a caller's. */
size_t udrv__kmalloc_run_length(const void *p);
/* Give them back: whether they were so many, from there. */
bool udrv__kmalloc_free_run(const void *p, size_t len);

#endif
