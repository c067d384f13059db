/* SPDX-License-Identifier: MIT */
/* Which device addresses of a translation domain are in use. */
#ifndef UDRV_IOVA_H
#define UDRV_IOVA_H

#include <pthread.h>

#include "backend/backend.h"

/* Inclusive, sorted, disjoint. Shared by the devices behind one IOMMU domain. */
struct udrv__iova_space {
	pthread_mutex_t lock;
	struct udrv__iova_range *used;
	size_t count, room;
	udrv_iova_t page_size;
};

void udrv__iova_space_init(struct udrv__iova_space *space);
void udrv__iova_space_destroy(struct udrv__iova_space *space);

/*
 * The lowest free [iova, iova + len) inside one of @ranges and not above @limit. len is a multiple
 * of the page size. Page 0 is never given out: a device's null pointer must fault.
 * 0, -ENOSPC or -ENOMEM. Any thread.
 */
int udrv__iova_alloc(struct udrv__iova_space *space, const struct udrv__iova_range *ranges,
		     size_t range_count, uint64_t len, udrv_iova_t limit, udrv_iova_t *iova_out);

/* Give back what udrv__iova_alloc() handed out at @iova. */
void udrv__iova_free(struct udrv__iova_space *space, udrv_iova_t iova);

#endif
