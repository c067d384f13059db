// SPDX-License-Identifier: MIT
/*
 * Requests of any thread to the queues of a block device. Small data is copied by the caller to and
 * from DMA memory of the device: a mapping of other memory is two system calls
 * (docs/contract/dma.md), which take longer.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/dma.h>
#include <udrv/log.h>
#include <udrv/slab.h>

#include "export/block_queue.h"
#include "export/block_sync.h"
#include "sched/clock.h"
#include "sched/sleep.h"

/* Of the copies. */
static const size_t sizes[] = {4096, 32 << 10, 256 << 10};

#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

struct udrv__block_sync {
	struct udrv_block *block; /* the driver's, until the stop */
	struct udrv_block seen;	  /* for those who ask, also afterwards; its size is atomic */
	unsigned int holders;	  /* atomic */
	struct udrv_kmem_cache *copies[SIZES]; /* all NULL: nothing is copied */
	uint32_t users;			       /* callers, and one until the stop; futex */
	uint32_t stopping;
	unsigned int count;
	struct udrv__block_queue queues[];
};

static void destroy_copies(struct udrv__block_sync *s)
{
	for (size_t i = 0; i < SIZES; i++)
		if (s->copies[i])
			(void)udrv_kmem_cache_destroy(s->copies[i]);
}

/* Without them it works, too. */
static void make_copies(struct udrv__block_sync *s)
{
	for (size_t i = 0; i < SIZES && s->block->dev; i++)
		s->copies[i] = udrv_kmem_cache_create(s->block->dev, "block_copies", sizes[i], 4096,
						      UDRV_SLAB_CACHE_DMA, NULL, NULL);
}

int udrv__block_sync_start(struct udrv_block *block, unsigned int queues,
			   struct udrv__block_sync **out)
{
	struct udrv__block_sync *s;
	int ret = 0;

	if (queues > block->limits.max_queues)
		queues = block->limits.max_queues;
	s = calloc(1, sizeof(*s) + queues * sizeof(s->queues[0]));
	if (!s) {
		udrv_pr_err("%s: no memory for its queues", block->name);
		return -ENOMEM;
	}
	s->block = block;
	s->seen = *block;
	s->holders = 1;
	s->users = 1;
	while (s->count < queues && !ret) {
		ret = udrv__block_queue_start(&s->queues[s->count], block, s->count);
		s->count += !ret;
	}
	if (!s->count) {
		udrv_pr_err("%s: cannot open a queue: %s", block->name, strerror(-ret));
		free(s);
		return ret;
	}
	if (ret)
		udrv_pr_warn("%s: only %u of %u queues can be opened: %s", block->name, s->count,
			     queues, strerror(-ret));
	make_copies(s);
	*out = s;
	return 0;
}

/* The one that ends the wait of the stop may find the struct gone: it does not look at it. */
static void put(struct udrv__block_sync *s)
{
	if (!__atomic_sub_fetch(&s->users, 1, __ATOMIC_ACQ_REL))
		udrv__wake_word(&s->users, 1);
}

void udrv__block_sync_stop(struct udrv__block_sync *s)
{
	uint32_t users;

	__atomic_store_n(&s->stopping, 1, __ATOMIC_SEQ_CST);
	put(s);
	while ((users = __atomic_load_n(&s->users, __ATOMIC_ACQUIRE)))
		(void)udrv__sleep(&s->users, users, NULL, NULL, UDRV__NEVER);
	while (s->count)
		udrv__block_queue_stop(&s->queues[--s->count]);
	destroy_copies(s);
	s->block = NULL;
	udrv__block_sync_release(s);
}

void udrv__block_sync_hold(struct udrv__block_sync *s)
{
	__atomic_add_fetch(&s->holders, 1, __ATOMIC_RELAXED);
}

void udrv__block_sync_release(struct udrv__block_sync *s)
{
	if (!__atomic_sub_fetch(&s->holders, 1, __ATOMIC_ACQ_REL))
		free(s);
}

const struct udrv_block *udrv__block_sync_block(const struct udrv__block_sync *s)
{
	return &s->seen;
}

void udrv__block_sync_resize(struct udrv__block_sync *s)
{
	const uint64_t size = s->block->limits.size;

	__atomic_store_n(&s->seen.limits.size, size, __ATOMIC_RELAXED);
	udrv_pr_info("%s: %llu MiB now, for clients that connect from now on", s->seen.name,
		     (unsigned long long)(size >> 20));
}

/* Threads keep to a queue, each to the next one. */
static struct udrv__block_queue *my_queue(struct udrv__block_sync *s)
{
	static unsigned int threads;
	static __thread unsigned int mine;

	if (!mine)
		mine = __atomic_add_fetch(&threads, 1, __ATOMIC_RELAXED);
	return &s->queues[mine % s->count];
}

static struct udrv_kmem_cache *copies_for(const struct udrv__block_sync *s, uint64_t len)
{
	for (size_t i = 0; i < SIZES; i++)
		if (len <= sizes[i])
			return s->copies[i];
	return NULL;
}

static int transfer(struct udrv__block_sync *s, struct udrv__block_job *job)
{
	struct udrv_kmem_cache *cache = copies_for(s, job->left);
	const size_t len = (size_t)job->left;
	void *const data = job->buf;
	void *copy = cache ? udrv_kmem_cache_alloc(cache, UDRV_GFP_KERNEL) : NULL;
	int ret;

	if (copy)
		job->buf = copy;
	if (copy && job->op == UDRV_BLOCK_WRITE)
		memcpy(copy, data, len);
	ret = udrv__block_queue_do(my_queue(s), job);
	if (copy && job->op == UDRV_BLOCK_READ && !ret)
		memcpy(data, copy, len);
	if (copy)
		udrv_kmem_cache_free(cache, copy);
	return ret;
}

static uint32_t most_of(const struct udrv_block_limits *l, enum udrv_block_op op)
{
	switch (op) {
	case UDRV_BLOCK_DISCARD:
		return l->max_discard;
	case UDRV_BLOCK_WRITE_ZEROES:
		return l->max_write_zeroes;
	case UDRV_BLOCK_READ:
	case UDRV_BLOCK_WRITE:
	case UDRV_BLOCK_FLUSH:
		break;
	}
	return l->max_transfer;
}

static int check(const struct udrv_block_limits *l, enum udrv_block_op op, uint64_t offset,
		 uint64_t len)
{
	const uint64_t size = __atomic_load_n(&l->size, __ATOMIC_RELAXED);

	if (op == UDRV_BLOCK_FLUSH)
		return offset || len ? -EINVAL : 0;
	if ((offset | len) & (l->logical_block_size - 1))
		return -EINVAL;
	if (op != UDRV_BLOCK_READ && l->read_only)
		return -EROFS;
	if (offset > size || len > size - offset)
		return op == UDRV_BLOCK_READ ? -EIO : -ENOSPC;
	return most_of(l, op) ? 0 : -EOPNOTSUPP;
}

static int flush(struct udrv__block_sync *s)
{
	struct udrv__block_job job = {.op = UDRV_BLOCK_FLUSH};

	/* What is not cached is kept already. */
	return s->seen.limits.write_cache ? udrv__block_queue_do(my_queue(s), &job) : 0;
}

static int do_range(struct udrv__block_sync *s, struct udrv__block_job *job, uint32_t flags)
{
	const struct udrv_block_limits *l = &s->seen.limits;
	const bool keep = flags & UDRV_BLOCK_FUA && job->op != UDRV_BLOCK_READ && l->write_cache;
	const bool native = keep && l->fua && job->op != UDRV_BLOCK_DISCARD;
	int ret;

	job->flags = (flags & UDRV_BLOCK_NOUNMAP) | (native ? UDRV_BLOCK_FUA : 0);
	ret = job->buf ? transfer(s, job) : udrv__block_queue_do(my_queue(s), job);
	return ret || !keep || native ? ret : flush(s);
}

int udrv__block_sync_io(struct udrv__block_sync *s, enum udrv_block_op op, uint32_t flags,
			uint64_t offset, uint64_t len, void *buf)
{
	const struct udrv_block_limits *l = &s->seen.limits;
	struct udrv__block_job job = {
		.op = op,
		.offset = offset,
		.left = len,
		.buf = op == UDRV_BLOCK_READ || op == UDRV_BLOCK_WRITE ? buf : NULL,
		.most = most_of(l, op),
	};
	int ret = check(l, op, offset, len);

	if (ret || (!len && op != UDRV_BLOCK_FLUSH))
		return ret;
	__atomic_add_fetch(&s->users, 1, __ATOMIC_ACQUIRE);
	if (__atomic_load_n(&s->stopping, __ATOMIC_SEQ_CST))
		ret = -ESHUTDOWN;
	else
		ret = op == UDRV_BLOCK_FLUSH ? flush(s) : do_range(s, &job, flags);
	put(s);
	return ret;
}
