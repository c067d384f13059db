// SPDX-License-Identifier: MIT
/* The block devices that drivers offer. */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <udrv/log.h>

#include "export/watch.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct udrv_block *first; /* in the order in which they were added */

/* Taken before @lock, and while the exporter starts or ends one. */
static pthread_mutex_t changes = PTHREAD_MUTEX_INITIALIZER;
static const struct udrv__block_watch *watch;
static void *watch_ctx;

static bool is_power_of_two(uint64_t n)
{
	return n && !(n & (n - 1));
}

static bool is_name(const char *name)
{
	size_t len =
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");

	return len && len < sizeof(((struct udrv_block *)NULL)->name) && !name[len];
}

/* Whole blocks, so that what a request may ask for can be asked for. */
static bool in_blocks(const struct udrv_block_limits *l, uint64_t bytes)
{
	return bytes % l->logical_block_size == 0;
}

static const char *what_is_wrong(const struct udrv_block *b)
{
	const struct udrv_block_limits *l = &b->limits;

	if (!is_name(b->name))
		return "its name";
	if (!is_power_of_two(l->logical_block_size) || l->logical_block_size < 512 ||
	    l->logical_block_size > 65536)
		return "its logical block size";
	if (!is_power_of_two(l->physical_block_size) ||
	    l->physical_block_size < l->logical_block_size)
		return "its physical block size";
	if (!l->size || !in_blocks(l, l->size))
		return "its size";
	if (!l->max_transfer || !in_blocks(l, l->max_transfer))
		return "the size of its transfers";
	if (!in_blocks(l, l->max_discard) || !in_blocks(l, l->max_write_zeroes))
		return "the size of its discards";
	if (!l->max_queues || !l->queue_depth)
		return "its queues";
	return NULL;
}

void udrv__block_changes_hold(void)
{
	pthread_mutex_lock(&changes);
}

void udrv__block_changes_release(void)
{
	pthread_mutex_unlock(&changes);
}

void udrv__block_watch_set(const struct udrv__block_watch *w, void *ctx)
{
	watch = w;
	watch_ctx = ctx;
}

/* 0, or -EEXIST. */
static int append(struct udrv_block *block)
{
	struct udrv_block **link = &first;
	int ret = 0;

	pthread_mutex_lock(&lock);
	for (; *link && !ret; link = &(*link)->next)
		if (*link == block || !strcmp((*link)->name, block->name))
			ret = -EEXIST;
	if (!ret) {
		block->next = NULL;
		*link = block;
	}
	pthread_mutex_unlock(&lock);
	return ret;
}

int udrv_block_add(struct udrv_block *block)
{
	const char *wrong;
	int ret = -EINVAL;

	udrv__block_changes_hold();
	wrong = what_is_wrong(block);
	if (!wrong)
		ret = append(block);
	if (!ret && watch)
		watch->added(watch_ctx, block);
	udrv__block_changes_release();
	if (wrong)
		udrv_pr_err("block device %.31s not added: %s makes no sense", block->name, wrong);
	return ret;
}

static bool is_added(const struct udrv_block *block)
{
	const struct udrv_block *b;

	pthread_mutex_lock(&lock);
	b = first;
	while (b && b != block)
		b = b->next;
	pthread_mutex_unlock(&lock);
	return b;
}

int udrv_block_resize(struct udrv_block *block, uint64_t size)
{
	if (!size || size % block->limits.logical_block_size)
		return -EINVAL;
	udrv__block_changes_hold();
	__atomic_store_n(&block->limits.size, size, __ATOMIC_RELAXED);
	if (watch && is_added(block))
		watch->resized(watch_ctx, block);
	udrv__block_changes_release();
	return 0;
}

static bool unlink_block(struct udrv_block *block)
{
	struct udrv_block **link = &first;
	bool found;

	pthread_mutex_lock(&lock);
	while (*link && *link != block)
		link = &(*link)->next;
	found = *link;
	if (found)
		*link = block->next;
	pthread_mutex_unlock(&lock);
	return found;
}

void udrv_block_del(struct udrv_block *block)
{
	udrv__block_changes_hold();
	if (unlink_block(block) && watch)
		watch->deleted(watch_ctx, block);
	udrv__block_changes_release();
}

struct udrv_block *udrv_block_next(const struct udrv_block *after)
{
	struct udrv_block *block;

	pthread_mutex_lock(&lock);
	block = after ? after->next : first;
	pthread_mutex_unlock(&lock);
	return block;
}
