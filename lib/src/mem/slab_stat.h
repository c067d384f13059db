/* SPDX-License-Identifier: MIT */
/*
 * What caches tell without being asked: a record for each cache and a block of counters for each
 * thread, in memory of the process, or in a file that others read (docs/contract/statistics.md).
 * There are no addresses in the file: who may read it learns nothing of where things are.
 */
#ifndef UDRV_SRC_SLAB_STAT_H
#define UDRV_SRC_SLAB_STAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <udrv/slab.h>

#define UDRV__SLAB_STAT_SUFFIX	".slabs"
#define UDRV__SLAB_STAT_MAGIC	"udrvslab" /* 8 bytes, not terminated */
#define UDRV__SLAB_STAT_VERSION 1
#define UDRV__SLAB_CACHES	1024 /* number 0 is none */
#define UDRV__SLAB_BLOCKS	1024 /* threads that are counted while they run */
#define UDRV__SLAB_BLOCK_BYTES	65536

struct udrv_kmem_cache;

enum udrv__slab_trait {
	UDRV__SLAB_OF_DEVICE = 1,
	UDRV__SLAB_HWCACHE = 2,
	UDRV__SLAB_KEEPS = 4, /* UDRV_SLAB_NO_REAP */
	UDRV__SLAB_DMA = 8,
	UDRV__SLAB_DEBUG = 16,
};

struct udrv__slab_record {
	uint32_t sequence; /* odd while counts go from a thread to the past, or the cache changes */
	uint32_t magazine; /* objects */
	uint64_t made_ns;  /* CLOCK_MONOTONIC_RAW; 0: there is no cache */
	/* Of threads without magazines, and of those that ended. */
	uint64_t past_allocs;
	uint64_t past_frees;
	uint64_t past_misses;
	/* Under the cache's lock. */
	uint64_t slabs;
	uint64_t total; /* objects in slabs, or about to be */
	uint64_t limit; /* UINT64_MAX: none */
	uint64_t slab_size;
	uint32_t object_size;
	uint32_t size; /* with what aligns the next one */
	uint32_t per_slab;
	uint32_t traits; /* enum udrv__slab_trait */
	char name[32];
	uint64_t reserved;
};

/* Records follow, one for each cache, and after them, from blocks_at on, blocks. */
struct udrv__slab_header {
	char magic[8];
	uint32_t version;
	uint32_t header_size; /* where the first record begins */
	uint32_t record_size;
	uint32_t record_count;
	uint32_t blocks_at;
	uint32_t block_size;
	uint32_t block_count;
	uint32_t pid;
	uint64_t start_ns; /* CLOCK_MONOTONIC_RAW */
	char driver[64];
	char device[64];
	uint8_t reserved[16];
	/* Bytes of each block that are valid; 0: no thread has it. */
	uint32_t counted[UDRV__SLAB_BLOCKS];
};

/*
 * Make the file @dir/<driver>@<device>.slabs, which from now on caches and threads tell in; those
 * that had a table of magazines already tell when they end. Once in a process, before other threads
 * use caches. The caller holds the device's lock. 0 or negative errno, explained.
 */
int udrv__slab_stat_create(const char *dir, const char *driver, const char *device);
/* Caches and threads go on in memory of the process. Without a file it does nothing. */
void udrv__slab_stat_destroy(void);

/* In a child of fork(), where it is called at the latest after other handlers: it has no file. */
void udrv__slab_stat_forked(void);

/* Counters of a thread. */
struct udrv__slab_block {
	size_t ready; /* bytes that may be written */
	uint32_t nr;
	uint32_t file; /* which one: 0 for none */
};

/* These are under the registry's lock. */

/* A cache tells from now on; not any more. */
void udrv__slab_stat_add(struct udrv_kmem_cache *cache);
void udrv__slab_stat_remove(struct udrv_kmem_cache *cache);
/* What is set after it was made. */
void udrv__slab_stat_describe(struct udrv_kmem_cache *cache);
/* Around a change that no reader is to see half. */
void udrv__slab_stat_begin(struct udrv__slab_record *record);
void udrv__slab_stat_end(struct udrv__slab_record *record);
/*
 * @counts: a thread's UDRV__SLAB_BLOCK_BYTES, all zero; they become a block of the file, if there
 * is room, of which so many bytes are ready. */
void udrv__slab_stat_begin_thread(struct udrv__slab_block *block, char *counts, size_t bytes);
/* So many bytes are to be ready: 0 or -ENOMEM. */
int udrv__slab_stat_extend(struct udrv__slab_block *block, char *counts, size_t bytes);
/* Its counters are all zero again. */
void udrv__slab_stat_end_thread(const struct udrv__slab_block *block);

/* A reader's. */
struct udrv__slab_view {
	const struct udrv__slab_header *header;
	size_t size;
};

/* A cache at one moment. */
struct udrv__slab_reading {
	struct udrv__slab_record record; /* printable, terminated name */
	uint64_t allocs;
	uint64_t frees;
	uint64_t hits;	 /* allocations that the thread's magazine answered */
	uint64_t active; /* objects that are allocated */
};

/* 0, -ESTALE if the owner is dead, -EPROTO if it is of another version or no such file. */
int udrv__slab_view_open(struct udrv__slab_view *view, const char *path);
void udrv__slab_view_close(struct udrv__slab_view *view);
/* Cache @nr, from 1 to UDRV__SLAB_CACHES - 1. 0, or -ENOENT if there is none. */
int udrv__slab_view_read(const struct udrv__slab_view *view, unsigned int nr,
			 struct udrv__slab_reading *reading);

#endif
