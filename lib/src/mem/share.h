/* SPDX-License-Identifier: MIT */
/*
 * Memory of one domain's arena that another domain reaches, too, under the same IOVA. Under the
 * regions' lock.
 */
#ifndef UDRV_SRC_MEM_SHARE_H
#define UDRV_SRC_MEM_SHARE_H

#include "mem/domain.h"

/* A new region of an arena: all its sharers are to reach it. One that cannot is warned. */
void udrv__share_region(struct udrv__region *region);
/* The region ends. No IOMMU keeps a sharer from memory in use, so it stays pinned for that one. */
void udrv__share_end_region(const struct udrv__region *region);
/* The domain's last device goes: it reaches nobody else's memory any more. */
void udrv__share_end_domain(struct udrv__domain *domain);

#endif
