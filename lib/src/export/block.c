// SPDX-License-Identifier: MIT
/* The block devices that drivers offer. */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <udrv/block.h>
#include <udrv/log.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct udrv_block *first; /* in the order in which they were added */

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

int udrv_block_add(struct udrv_block *block)
{
	const char *wrong = what_is_wrong(block);
	struct udrv_block **link = &first;
	int ret = 0;

	if (wrong) {
		udrv_pr_err("block device %.31s not added: %s makes no sense", block->name, wrong);
		return -EINVAL;
	}
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

void udrv_block_del(struct udrv_block *block)
{
	struct udrv_block **link = &first;

	pthread_mutex_lock(&lock);
	while (*link && *link != block)
		link = &(*link)->next;
	if (*link)
		*link = block->next;
	pthread_mutex_unlock(&lock);
}

struct udrv_block *udrv_block_next(const struct udrv_block *after)
{
	struct udrv_block *block;

	pthread_mutex_lock(&lock);
	block = after ? after->next : first;
	pthread_mutex_unlock(&lock);
	return block;
}
