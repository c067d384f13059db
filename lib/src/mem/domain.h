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
	uint32_t id;					       /* a bit of a region's set */
	struct udrv__iova_range ranges[UDRV__IOVA_RANGES_MAX]; /* with the regions' lock */
	size_t range_count;
	bool chosen; /* its backend chooses addresses: one device, which reaches no common memory */
	bool scattered; /* what was to be pinned was not contiguous: any thread */
	struct udrv__arena arena;
	struct udrv__arena bounce; /* where addresses are chosen */
};

/* A device's part. */
struct udrv__dma {
	struct udrv_list_head link; /* the domain's */
	struct udrv_device *dev;
	struct udrv__domain *domain;
	uint32_t domain_id;
	uint64_t mask;		 /* of mapped buffers; any thread reads it */
	struct udrv__domain own; /* where the backend has none */
	uint64_t coherent_mask;
	unsigned int max_seg_size; /* of scatterlists; any thread reads them */
	unsigned long seg_boundary;
	size_t page_size;
	int node;			     /* the device's; -1: any */
	struct udrv_list_head streams;	     /* regions */
	struct udrv_list_head registrations; /* dma_register.c */
	struct udrv_list_head shares;	     /* other devices' memory, pinned: share.c */
};

/* Whether so many bytes from iova on are below the mask. */
static inline bool udrv__dma_fits(uint64_t mask, udrv_iova_t iova, size_t len)
{
	return iova <= mask && len - 1 <= mask - iova;
}

/* Whole pages. */
static inline size_t udrv__dma_round_up(const struct udrv__dma *dma, size_t size)
{
	return (size + dma->page_size - 1) & ~(dma->page_size - 1);
}

/* What may be asked for where a mapping is made for a direction. */
static inline uint8_t udrv__dma_directions(enum udrv_dma_data_direction dir)
{
	return (uint8_t)(dir == UDRV_DMA_BIDIRECTIONAL ? 7u : 1u << dir);
}

/* Linux: "aligned to the smallest PAGE_SIZE order which is greater than or equal to the size". */
static inline size_t udrv__dma_order_align(size_t len)
{
	size_t align = UDRV__PAGE_MIN;

	while (align < len && align < UDRV__CHUNK)
		align *= 2;
	return align;
}

/* Any value of dir. */
static inline bool udrv__region_allows(const struct udrv__region *region,
				       enum udrv_dma_data_direction dir)
{
	return (uint32_t)__atomic_load_n(&region->directions, __ATOMIC_RELAXED) >>
		       ((unsigned int)dir & 31u) &
	       1;
}

/* dma_map.c, dma_register.c: what a device that is closed has left. */
void udrv__dma_unmap_streams(struct udrv__dma *dma);
void udrv__dma_unregister_all(struct udrv__dma *dma);
/* Records of registered memory that are kept for the next one: nobody looks anything up. */
void udrv__dma_forget_records(void);
/* dma_map.c: of any memory, a mapping of its own; good arguments. As udrv_dma_map_single(). */
udrv_iova_t udrv__dma_map_apart(struct udrv_device *dev, void *ptr, size_t size,
				enum udrv_dma_data_direction dir);
/* Under the regions' lock: a registered region that holds the buffer, or NULL. */
struct udrv__region *udrv__dma_registered(const struct udrv__dma *dma, const void *ptr, size_t size,
					  enum udrv_dma_data_direction dir);

/* Devices are open, but none that reaches the common arena. Any thread. */
extern bool udrv__common_is_apart;

/* All below under the regions' lock. */

extern struct udrv_list_head udrv__domains;

struct udrv_device *udrv__domain_device(const struct udrv__domain *domain);

/* The device joins its domain. 0 or negative errno, explained. */
int udrv__domain_attach(struct udrv__dma *dma);
/* With no device and no common memory there is nothing to look up: the tables go. */
void udrv__domain_forget_tables(void);
/* The last one to leave takes the domain's memory along. */
void udrv__domain_detach(struct udrv__dma *dma);

/* An IOVA for a region, whose other members are set, below limit. 0, -ENOSPC, -ENOMEM. */
int udrv__domain_reserve(const struct udrv__domain *domain, struct udrv__region *region,
			 udrv_iova_t limit);
/* As above for what every domain is to reach, or as many as possible. */
int udrv__common_reserve(struct udrv__region *region, udrv_iova_t limit);

/* Log that there is no address for len bytes: what bounds them, and why. */
void udrv__domain_explain(struct udrv_device *dev, size_t len, uint64_t mask, int err);

/* Let the domain's devices reach a region. 0 or negative errno, not explained. */
int udrv__domain_map(struct udrv__domain *domain, struct udrv__region *region);
/* No more. If the IOMMU refuses, the error is logged: its address and memory are not to be used. */
int udrv__domain_unmap(struct udrv__domain *domain, struct udrv__region *region);
/* Whoever reaches it. The first error. */
int udrv__region_unmap_all(struct udrv__region *region);
/* The common arena's regions: as many domains as can are to reach them. */
void udrv__common_map(struct udrv__region *region);

#endif
