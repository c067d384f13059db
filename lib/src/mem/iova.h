/* SPDX-License-Identifier: MIT */
/* Which device addresses the process uses. */
#ifndef UDRV_IOVA_H
#define UDRV_IOVA_H

#include "backend/backend.h"

/* What narrow devices can reach is left to them, as long as there is something else. */
#define UDRV__IOVA_ZONES 3 /* from page 1, 28 bits, 32 bits on */

struct udrv__region;

struct udrv__iova_used {
	udrv_iova_t first, last;
	struct udrv__region *by;
};

/*
 * Intervals, inclusive, sorted, disjoint. One space for the process: an address names the same
 * memory for every device that reaches it. Callers hold udrv__regions_lock.
 */
struct udrv__iova_space {
	struct udrv__iova_used *used;
	size_t count, room;
	udrv_iova_t next[UDRV__IOVA_ZONES]; /* where the search for fresh ones begins */
};

/* What is wanted: len is a multiple of the page size. */
struct udrv__iova_want {
	uint64_t len;
	uint64_t align;	   /* a power of two, at least a page ... */
	uint64_t offset;   /* ... and how far behind a multiple of it */
	udrv_iova_t limit; /* the last byte's */
	bool low;	   /* where devices of 32 bits reach it, if there is room */
	bool fresh;	   /* not soon what was freed: a device that still uses it faults */
	struct udrv__region *by;
};

/*
 * A free [iova, iova + len) inside one of @ranges. Page 0 is never given out: a device's null
 * pointer must fault. 0, -EINVAL, -ENOSPC or -ENOMEM.
 */
int udrv__iova_alloc(struct udrv__iova_space *space, const struct udrv__iova_range *ranges,
		     size_t range_count, const struct udrv__iova_want *want, udrv_iova_t *iova_out);

/*
 * [iova, iova + len), which others have chosen. 0; -EEXIST if some of it is used, or page 0;
 * -ENOMEM.
 */
int udrv__iova_take(struct udrv__iova_space *space, udrv_iova_t iova, uint64_t len,
		    struct udrv__region *by);

/* Who uses it; NULL: nobody. */
struct udrv__region *udrv__iova_user(const struct udrv__iova_space *space, udrv_iova_t iova);

/* Give back what udrv__iova_alloc() handed out, or udrv__iova_take() took, at @iova. */
void udrv__iova_free(struct udrv__iova_space *space, udrv_iova_t iova);

#endif
