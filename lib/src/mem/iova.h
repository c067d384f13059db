/* SPDX-License-Identifier: MIT */
/* Which device addresses the process uses. */
#ifndef UDRV_IOVA_H
#define UDRV_IOVA_H

#include "backend/backend.h"

/* What narrow devices can reach is left to them, as long as there is something else. */
#define UDRV__IOVA_ZONES 3 /* from page 1, 28 bits, 32 bits on */

/*
 * Intervals, inclusive, sorted, disjoint. One space for the process: an address names the same
 * memory for every device that reaches it. Callers hold udrv__regions_lock.
 */
struct udrv__iova_space {
	struct udrv__iova_range *used;
	size_t count, room;
	udrv_iova_t next[UDRV__IOVA_ZONES]; /* where the search begins */
};

/* What is wanted: len is a multiple of the page size. */
struct udrv__iova_want {
	uint64_t len;
	uint64_t align;	   /* a power of two, at least a page ... */
	uint64_t offset;   /* ... and how far behind a multiple of it */
	udrv_iova_t limit; /* the last byte's */
	bool low;	   /* where devices of 32 bits reach it, if there is room */
};

/*
 * A free [iova, iova + len) inside one of @ranges. What was freed lately is not used again soon, so
 * that a device that still uses it faults. Page 0 is never given out: a device's null pointer must
 * fault. 0, -EINVAL, -ENOSPC or -ENOMEM.
 */
int udrv__iova_alloc(struct udrv__iova_space *space, const struct udrv__iova_range *ranges,
		     size_t range_count, const struct udrv__iova_want *want, udrv_iova_t *iova_out);

/* Give back what udrv__iova_alloc() handed out at @iova. */
void udrv__iova_free(struct udrv__iova_space *space, udrv_iova_t iova);

#endif
