/* SPDX-License-Identifier: MIT */
/*
 * Arenas: memory that devices reach, in few large regions, handed out in runs of pages. Each IOMMU
 * domain has one; one more, the common one, is reached by all domains (kmalloc).
 */
#ifndef UDRV_SRC_MEM_ARENA_H
#define UDRV_SRC_MEM_ARENA_H

#include "mem/region.h"

struct udrv__domain;

struct udrv__arena {
	struct udrv__domain *domain; /* NULL: common */
	uint32_t lock;		     /* regions' list and pages */
	struct udrv_list_head regions;
	size_t bytes;	     /* of all regions */
	size_t last_size;    /* of the latest region, where it was hard to have; 0: it was not */
	uint32_t generation; /* of forks, when it was made: a child of fork() may not use it */
	bool bounces;	     /* for bounce.c alone: its regions are in no table */
	uint64_t sharers[UDRV__DOMAINS_MAX / 64]; /* domains that are to reach it, too: share.c */
};

extern struct udrv__arena udrv__common_arena;

struct udrv__arena_want {
	struct udrv_device *dev; /* in log lines; may be NULL */
	size_t len;		 /* a multiple of the page size */
	size_t align;		 /* a power of two */
	udrv_iova_t limit;	 /* the last byte's IOVA */
	int node;		 /* preferred; -1: any */
	udrv_gfp_t gfp;		 /* UDRV_GFP_ATOMIC: from the regions that there are */
	bool zero;
};

void udrv__arena_init(struct udrv__arena *arena, struct udrv__domain *domain);

/*
 * A run of pages with one IOVA after another; NULL if there is none, explained unless
 * UDRV_GFP_ATOMIC. Any thread.
 */
void *udrv__arena_alloc(struct udrv__arena *arena, const struct udrv__arena_want *want);

/*
 * Give a run back. Makes no system call; may sleep some microseconds while another thread is at it.
 * -EINVAL if it is not one that was handed out, of this length.
 */
int udrv__arena_free(struct udrv__arena *arena, void *va, size_t len);

/* In a child of fork(): the arena is the parent's, and gives and takes nothing. */
bool udrv__arena_is_parents(struct udrv__arena *arena);

/* The length of the run that begins at va; 0 if none does. */
size_t udrv__arena_run(struct udrv__arena *arena, const void *va);

/* Regions of which nothing is handed out go back to the system: bytes. May block. */
size_t udrv__arena_shrink(struct udrv__arena *arena);

/*
 * Under the regions' lock: all regions go, whatever is in them: bytes that were still handed out.
 * The domain still has a device.
 */
size_t udrv__arena_end(struct udrv__arena *arena);

#endif
