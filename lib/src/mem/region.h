/* SPDX-License-Identifier: MIT */
/*
 * Regions: memory that devices reach under one IOVA, and the tables that find them by either
 * address in three loads (one more where a chunk of 2 MiB is not of one region alone).
 *
 * A look-up takes no lock. It may meet changes of other regions, not the end of the one that it
 * finds: whoever looks up an address owns memory there. Regions are of whole pages, so nobody
 * else's memory is in them. Whoever owns none, and has no device open either, looks up nothing: the
 * tables may be freed meanwhile.
 */
#ifndef UDRV_SRC_MEM_REGION_H
#define UDRV_SRC_MEM_REGION_H

#include <pthread.h>

#include <udrv/dma.h>
#include <udrv/list.h>

#include "mem/iova.h"

#define UDRV__PAGE_SHIFT  12u
#define UDRV__PAGE_MIN	  (1u << UDRV__PAGE_SHIFT)
#define UDRV__CHUNK_SHIFT 21u
#define UDRV__CHUNK	  ((size_t)1 << UDRV__CHUNK_SHIFT)
#define UDRV__CHUNK_PAGES (1u << (UDRV__CHUNK_SHIFT - UDRV__PAGE_SHIFT))
#define UDRV__LEAF_BITS	  13u
#define UDRV__TOP_BITS	  14u
#define UDRV__KEY_BITS	  (UDRV__CHUNK_SHIFT + UDRV__LEAF_BITS + UDRV__TOP_BITS)

#define UDRV__DOMAINS_MAX 256u

enum udrv__region_kind {
	UDRV__REGION_ARENA,	 /* memory of an arena: arena.c */
	UDRV__REGION_REGISTERED, /* the application's: dma_register.c */
	UDRV__REGION_STREAM,	 /* one buffer, for one device, in no table: dma_map.c */
};

struct udrv__region {
	/*
	 * What a look-up reads: by the functions below, each once. Common memory gets and loses its
	 * address as devices come and go, a record of registered memory becomes another's.
	 */
	char *va;
	size_t len; /* 0: several regions are here */
	udrv_iova_t iova;
	uint32_t *in_use;   /* mapped buffers, by domain; NULL: not counted */
	uint8_t directions; /* a bit for each enum udrv_dma_data_direction that is allowed */
	uint8_t kind;
	uint64_t domains[UDRV__DOMAINS_MAX / 64]; /* a bit for each that reaches it */

	/* The kind's list. */
	struct udrv_list_head link;
	struct udrv_device *dev; /* a stream's */

	uint64_t handle; /* the backend's, where it chose the address: chosen.c */

	/* An arena's: a bit for each page. */
	struct udrv__arena *arena;
	int fd;
	int node;	  /* -1: any */
	bool loose;	  /* rather at an address that is not aligned than nowhere */
	size_t page_size; /* 0: the memory is the backend's, not of a memfd */
	size_t pages;
	size_t free_pages;
	size_t lowest;	/* no page below is free */
	size_t touched; /* from here on no page was ever used */
	uint64_t *used;
	uint64_t *first;	      /* of a run of used pages */
	struct udrv__bounce *bounces; /* by a run's first page; NULL: it is no bounce memory */
};

struct udrv__region_leaf {
	/* A region, or an array of regions by page with bit 0 set. */
	uintptr_t chunks[1u << UDRV__LEAF_BITS];
};

struct udrv__region_table {
	struct udrv__region_leaf *leaves[1u << UDRV__TOP_BITS];
};

extern struct udrv__region_table udrv__regions_by_va;
extern struct udrv__region_table udrv__regions_by_iova;
extern const struct udrv__region udrv__no_region;
extern const struct udrv__region udrv__several_regions; /* in one place: search for the right one */

/* Tables, regions' lists, IOVAs, domains. May be held while system calls are made. */
extern pthread_mutex_t udrv__regions_lock;
extern struct udrv__iova_space udrv__iovas;

/*
 * Under the lock. @others are those of which some may be in the same place, by address of the
 * process; NULL if there are none. 0, or nothing is inserted: -ENOMEM, -ERANGE.
 */
int udrv__region_insert(struct udrv__region_table *table, uint64_t key, struct udrv__region *region,
			const struct udrv_list_head *others);
/* Of several in the same place, the one that is left takes it. */
void udrv__region_remove(struct udrv__region_table *table, uint64_t key,
			 const struct udrv__region *region, const struct udrv_list_head *others);
/* Tables are kept as long as somebody may look something up. */
void udrv__region_tables_free(void);

/* Never NULL. Of length 0 if there is no region, or more than one. */
static inline const struct udrv__region *udrv__region_find(const struct udrv__region_table *table,
							   uint64_t key)
{
	const struct udrv__region_leaf *leaf;
	uintptr_t entry;

	if (key >> UDRV__KEY_BITS)
		return &udrv__no_region;
	leaf = __atomic_load_n(&table->leaves[key >> (UDRV__CHUNK_SHIFT + UDRV__LEAF_BITS)],
			       __ATOMIC_ACQUIRE);
	if (!leaf)
		return &udrv__no_region;
	entry = __atomic_load_n(
		&leaf->chunks[key >> UDRV__CHUNK_SHIFT & ((1u << UDRV__LEAF_BITS) - 1)],
		__ATOMIC_ACQUIRE);
	if (entry & 1) {
		const uintptr_t *pages = (const uintptr_t *)(entry - 1);

		entry = __atomic_load_n(&pages[key >> UDRV__PAGE_SHIFT & (UDRV__CHUNK_PAGES - 1)],
					__ATOMIC_ACQUIRE);
	}
	return entry ? (const struct udrv__region *)entry : &udrv__no_region;
}

static inline const struct udrv__region *udrv__region_of(const volatile void *p)
{
	return udrv__region_find(&udrv__regions_by_va, (uintptr_t)p);
}

static inline const struct udrv__region *udrv__region_at(udrv_iova_t iova)
{
	return udrv__region_find(&udrv__regions_by_iova, iova);
}

static inline char *udrv__region_va(const struct udrv__region *region)
{
	return __atomic_load_n(&region->va, __ATOMIC_RELAXED);
}

static inline size_t udrv__region_len(const struct udrv__region *region)
{
	return __atomic_load_n(&region->len, __ATOMIC_RELAXED);
}

static inline udrv_iova_t udrv__region_iova(const struct udrv__region *region)
{
	return __atomic_load_n(&region->iova, __ATOMIC_RELAXED);
}

static inline void udrv__region_set_iova(struct udrv__region *region, udrv_iova_t iova)
{
	__atomic_store_n(&region->iova, iova, __ATOMIC_RELAXED);
}

static inline bool udrv__region_reached_by(const struct udrv__region *region, uint32_t domain)
{
	return __atomic_load_n(&region->domains[domain / 64], __ATOMIC_SEQ_CST) >> domain % 64 & 1;
}

static inline void udrv__region_set_reached(struct udrv__region *region, uint32_t domain,
					    bool reached)
{
	uint64_t bit = UINT64_C(1) << domain % 64;

	if (reached) {
		__atomic_fetch_or(&region->domains[domain / 64], bit, __ATOMIC_SEQ_CST);
		return;
	}
	__atomic_fetch_and(&region->domains[domain / 64], ~bit, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&udrv__dma_epoch, 1, __ATOMIC_SEQ_CST);
}

#endif
