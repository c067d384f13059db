/* SPDX-License-Identifier: MIT */
/* Domains: devices behind one page table of the IOMMU, which reach the same memory. */
#ifndef UDRV_SRC_MEM_DOMAIN_H
#define UDRV_SRC_MEM_DOMAIN_H

#include <udrv/dma.h>

#include "mem/arena.h"

#define UDRV__IOVA_RANGES_MAX 32

struct udrv__domain {
	struct udrv_list_head link; /* all that have a device */
	struct udrv_list_head devices;
	uint32_t users;
	uint32_t id; /* a bit of a region's set */
	struct udrv__iova_range ranges[UDRV__IOVA_RANGES_MAX];
	size_t range_count;
	struct udrv__arena arena;
};

/* A device's part. */
struct udrv__dma {
	struct udrv_list_head link; /* the domain's */
	struct udrv_device *dev;
	struct udrv__domain *domain;
	struct udrv__domain own; /* where the backend has none */
	uint64_t mask;		 /* of mapped buffers; any thread reads it */
	uint64_t coherent_mask;
	size_t page_size;
	int node;			     /* the device's; -1: any */
	struct udrv_list_head streams;	     /* regions */
	struct udrv_list_head registrations; /* dma_register.c */
};

/* Whether so many bytes from iova on are below the mask. */
static inline bool udrv__dma_fits(uint64_t mask, udrv_iova_t iova, size_t len)
{
	return iova <= mask && len - 1 <= mask - iova;
}

/* dma_map.c, dma_register.c: what a device that is closed has left. */
void udrv__dma_unmap_streams(struct udrv__dma *dma);
void udrv__dma_unregister_all(struct udrv__dma *dma);
/* Under the regions' lock: a registered region that holds the buffer, or NULL. */
struct udrv__region *udrv__dma_registered(const struct udrv__dma *dma, const void *ptr, size_t size,
					  enum udrv_dma_data_direction dir);

/* All below under the regions' lock. */

extern struct udrv_list_head udrv__domains;

/* The device joins its domain. 0 or negative errno, explained. */
int udrv__domain_attach(struct udrv__dma *dma);
/* The last one to leave takes the domain's memory along. */
void udrv__domain_detach(struct udrv__dma *dma);

/* An IOVA for a region, whose other members are set, below limit. 0, -ENOSPC, -ENOMEM. */
int udrv__domain_reserve(const struct udrv__domain *domain, struct udrv__region *region,
			 udrv_iova_t limit);
/* As above for what every domain is to reach, or as many as possible. */
int udrv__common_reserve(struct udrv__region *region, udrv_iova_t limit);

/* Let the domain's devices reach a region. 0 or negative errno, not explained. */
int udrv__domain_map(struct udrv__domain *domain, struct udrv__region *region);
/* No more. If the IOMMU refuses, the error is logged: its address and memory are not to be used. */
int udrv__domain_unmap(struct udrv__domain *domain, struct udrv__region *region);
/* Whoever reaches it. The first error. */
int udrv__region_unmap_all(struct udrv__region *region);
/* The common arena's regions: as many domains as can are to reach them. */
void udrv__common_map(struct udrv__region *region);

#endif
