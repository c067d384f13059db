// SPDX-License-Identifier: MIT
/*
 * The file that caches and threads of a daemon tell in. A cache has its record in itself or in the
 * file; a thread's counters are in mapped memory of its own or in a block of the file, at the same
 * address. Nothing that counts knows which.
 */
#include "mem/slab_stat.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <udrv/log.h>

#include "mem/slab.h"
#include "stat/file.h"
#include "stat/segment.h"

#define UNIT 4096u /* of memory that is taken for a block */

/* Readers of one version find everything at the same place, whatever compiler made them. */
_Static_assert(sizeof(struct udrv__slab_counts) == CACHE_LINE, "counters are a cache line");
_Static_assert(sizeof(struct udrv__slab_record) == 2 * CACHE_LINE, "record has gaps");
_Static_assert(sizeof(struct udrv__slab_header) == 192 + 4 * UDRV__SLAB_BLOCKS, "header has gaps");
_Static_assert(UDRV__SLAB_CACHES == CACHES_MAX, "a record for each cache");
_Static_assert(UDRV__SLAB_BLOCK_BYTES == TABLE_BYTES, "a block is as large as a table");

#define AFTER_SEQUENCE offsetof(struct udrv__slab_record, magazine)
#define RECORDS_END                                                                                \
	(sizeof(struct udrv__slab_header) + CACHES_MAX * sizeof(struct udrv__slab_record))
#define BLOCKS_AT ((RECORDS_END + TABLE_BYTES - 1) / TABLE_BYTES * TABLE_BYTES)

/* Under the registry's lock. */
static struct {
	struct udrv__stat_file file;
	struct udrv__slab_header *header; /* NULL: there is no file */
	uint32_t nr;			  /* of the file, in this process */
} shown_in;

void udrv__slab_stat_begin(struct udrv__slab_record *record)
{
	__atomic_store_n(&record->sequence, record->sequence + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

void udrv__slab_stat_end(struct udrv__slab_record *record)
{
	__atomic_store_n(&record->sequence, record->sequence + 1, __ATOMIC_RELEASE);
}

static struct udrv__slab_record *record_of(const struct udrv_kmem_cache *cache)
{
	return (struct udrv__slab_record *)(void *)(shown_in.header + 1) + cache->slot / CACHE_LINE;
}

static void move_record(struct udrv_kmem_cache *cache, struct udrv__slab_record *to)
{
	udrv__slab_lock(cache);
	udrv__slab_stat_begin(to);
	memcpy((char *)to + AFTER_SEQUENCE, (char *)cache->record + AFTER_SEQUENCE,
	       sizeof(*to) - AFTER_SEQUENCE);
	udrv__slab_stat_end(to);
	cache->record = to;
	udrv__slab_unlock(cache);
}

static uint32_t traits_of(const struct udrv_kmem_cache *cache)
{
	return (cache->dev ? UDRV__SLAB_OF_DEVICE : 0u) |
	       (cache->flags & UDRV_SLAB_HWCACHE_ALIGN ? UDRV__SLAB_HWCACHE : 0u) |
	       (cache->flags & UDRV_SLAB_NO_REAP ? UDRV__SLAB_KEEPS : 0u) |
	       (cache->flags & UDRV_SLAB_CACHE_DMA ? UDRV__SLAB_DMA : 0u) |
	       (cache->debug ? UDRV__SLAB_DEBUG : 0u);
}

void udrv__slab_stat_describe(struct udrv_kmem_cache *cache)
{
	struct udrv__slab_record *r = cache->record;

	udrv__slab_stat_begin(r);
	r->magazine = cache->rounds;
	r->limit = cache->limit;
	r->slab_size = cache->chunk;
	r->object_size = (uint32_t)cache->object_size;
	r->size = (uint32_t)cache->size;
	r->per_slab = cache->per_slab;
	r->traits = traits_of(cache);
	memcpy(r->name, cache->name, sizeof(r->name));
	udrv__slab_stat_end(r);
}

void udrv__slab_stat_add(struct udrv_kmem_cache *cache)
{
	udrv__slab_stat_describe(cache);
	cache->record->made_ns = udrv__stat_now_ns();
	if (shown_in.header)
		move_record(cache, record_of(cache));
}

/* Its own counters go on: what is left of the cache ends after it. */
void udrv__slab_stat_remove(struct udrv_kmem_cache *cache)
{
	struct udrv__slab_record *old = cache->record;

	if (old == &cache->own_record)
		return;
	move_record(cache, &cache->own_record);
	udrv__slab_stat_begin(old);
	memset((char *)old + AFTER_SEQUENCE, 0, sizeof(*old) - AFTER_SEQUENCE);
	udrv__slab_stat_end(old);
}

/* Blocks. */

static off_t place_of(const struct udrv__slab_block *block)
{
	return (off_t)(BLOCKS_AT + (size_t)block->nr * TABLE_BYTES);
}

static size_t in_units(size_t bytes)
{
	return (bytes + UNIT - 1) / UNIT * UNIT;
}

static bool is_told(const struct udrv__slab_block *block)
{
	return shown_in.header && block->file == shown_in.nr;
}

/* Memory is taken now: a full file system must not hit the thread with SIGBUS later. */
static bool make_ready(struct udrv__slab_block *block, size_t bytes)
{
	bytes = in_units(bytes);
	if (posix_fallocate(shown_in.file.fd, place_of(block) + (off_t)block->ready,
			    (off_t)(bytes - block->ready)))
		return false;
	block->ready = bytes;
	return true;
}

static void show_block(const struct udrv__slab_block *block)
{
	__atomic_store_n(&shown_in.header->counted[block->nr], (uint32_t)block->ready,
			 __ATOMIC_RELEASE);
}

static bool find_free(struct udrv__slab_block *block)
{
	while (block->nr < UDRV__SLAB_BLOCKS && shown_in.header->counted[block->nr])
		block->nr++;
	return block->nr < UDRV__SLAB_BLOCKS;
}

void udrv__slab_stat_begin_thread(struct udrv__slab_block *block, char *counts, size_t bytes)
{
	*block = (struct udrv__slab_block){.file = shown_in.nr};
	if (shown_in.header && find_free(block) && make_ready(block, bytes) &&
	    mmap(counts, TABLE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		 shown_in.file.fd, place_of(block)) != MAP_FAILED)
		show_block(block);
	else
		*block = (struct udrv__slab_block){.ready = TABLE_BYTES};
}

/* What there is no room for in the file is counted in memory of the process. */
int udrv__slab_stat_extend(struct udrv__slab_block *block, char *counts, size_t bytes)
{
	const size_t rest = TABLE_BYTES - block->ready;

	if (bytes <= block->ready)
		return 0;
	if (is_told(block) && make_ready(block, bytes)) {
		show_block(block);
		return 0;
	}
	if (mmap(counts + block->ready, rest, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == MAP_FAILED)
		return -ENOMEM;
	block->ready = TABLE_BYTES;
	return 0;
}

void udrv__slab_stat_end_thread(const struct udrv__slab_block *block)
{
	if (is_told(block))
		__atomic_store_n(&shown_in.header->counted[block->nr], 0, __ATOMIC_RELEASE);
}

/* The file. */

struct owner {
	const char *driver;
	const char *device;
};

static void fill_header(void *mapped, const void *ctx)
{
	struct udrv__slab_header *h = mapped;
	const struct owner *owner = ctx;

	memcpy(h->magic, UDRV__SLAB_STAT_MAGIC, sizeof(h->magic));
	h->version = UDRV__SLAB_STAT_VERSION;
	h->header_size = sizeof(*h);
	h->record_size = sizeof(struct udrv__slab_record);
	h->record_count = CACHES_MAX;
	h->blocks_at = BLOCKS_AT;
	h->block_size = TABLE_BYTES;
	h->block_count = UDRV__SLAB_BLOCKS;
	h->pid = (uint32_t)getpid();
	h->start_ns = udrv__stat_now_ns();
	(void)snprintf(h->driver, sizeof(h->driver), "%s", owner->driver);
	(void)snprintf(h->device, sizeof(h->device), "%s", owner->device);
}

/* The child's own go on from what the parent's are now; if there is no memory, in the parent's. */
static void leave_block(void)
{
	char *counts = NULL;
	struct udrv__slab_block *block = udrv__slab_own_block(&counts);
	void *own;

	if (!block || !is_told(block))
		return;
	own = mmap(NULL, TABLE_BYTES, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (own == MAP_FAILED)
		return;
	memcpy(own, counts, block->ready);
	if (mremap(own, TABLE_BYTES, TABLE_BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, counts) ==
	    MAP_FAILED) {
		(void)munmap(own, TABLE_BYTES);
		return;
	}
	*block = (struct udrv__slab_block){.ready = TABLE_BYTES};
}

/* Nothing is written to the parent's file, and the lock on it is not held any longer by the child.
 */
void udrv__slab_stat_forked(void)
{
	struct udrv_kmem_cache *cache;

	if (!shown_in.header)
		return;
	for (size_t i = 1; (cache = udrv__slab_cache_from(&i)); i++) {
		cache->own_record.sequence &= ~1u;
		cache->record = &cache->own_record;
	}
	leave_block();
	(void)munmap(shown_in.file.mapped, shown_in.file.size);
	close(shown_in.file.fd);
	shown_in.header = NULL;
}

int udrv__slab_stat_create(const char *dir, const char *driver, const char *device)
{
	const struct owner owner = {driver, device};
	struct udrv_kmem_cache *cache;
	int ret = -EBUSY;

	udrv__slab_registry_lock();
	if (!shown_in.header)
		ret = udrv__stat_file_make(&shown_in.file, dir, driver, device,
					   UDRV__SLAB_STAT_SUFFIX, RECORDS_END, fill_header,
					   &owner);
	if (!ret) {
		shown_in.header = shown_in.file.mapped;
		shown_in.nr++;
		for (size_t i = 1; (cache = udrv__slab_cache_from(&i)); i++)
			move_record(cache, record_of(cache));
	}
	udrv__slab_registry_unlock();
	if (ret)
		udrv_pr_err("%s: no statistics of its caches in %s: %s; it is driven without them",
			    device, dir, strerror(-ret));
	return ret;
}

/* A thread may be at a record: what a cache had stays mapped. */
void udrv__slab_stat_destroy(void)
{
	struct udrv_kmem_cache *cache;

	udrv__slab_registry_lock();
	for (size_t i = 1; shown_in.header && (cache = udrv__slab_cache_from(&i)); i++) {
		udrv__slab_stat_remove(cache);
		shown_in.file.mapped = NULL;
	}
	if (shown_in.header)
		udrv__stat_file_destroy(&shown_in.file);
	shown_in.header = NULL;
	udrv__slab_registry_unlock();
}
