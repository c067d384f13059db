// SPDX-License-Identifier: MIT
/* First fit over a sorted array of used intervals. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem/iova.h"

void udrv__iova_space_init(struct udrv__iova_space *space)
{
	memset(space, 0, sizeof(*space));
	space->page_size = (udrv_iova_t)sysconf(_SC_PAGESIZE);
	pthread_mutex_init(&space->lock, NULL);
}

void udrv__iova_space_destroy(struct udrv__iova_space *space)
{
	free(space->used);
	pthread_mutex_destroy(&space->lock);
}

static int reserve_slot(struct udrv__iova_space *space)
{
	size_t room = space->room ? space->room * 2 : 16;
	void *used;

	if (space->count < space->room)
		return 0;
	used = realloc(space->used, room * sizeof(space->used[0]));
	if (!used)
		return -ENOMEM;
	space->used = used;
	space->room = room;
	return 0;
}

/* The first free address >= start with len bytes up to last; *slot is where to insert it. */
static bool fit(const struct udrv__iova_space *space, udrv_iova_t start, udrv_iova_t last,
		uint64_t len, udrv_iova_t *iova, size_t *slot)
{
	size_t i;

	for (i = 0; i < space->count; i++) {
		const struct udrv__iova_range *u = &space->used[i];

		if (u->last < start)
			continue;
		if (u->first > start && u->first - start >= len)
			break;
		if (u->last == UINT64_MAX)
			return false;
		start = u->last + 1;
	}
	if (start > last || last - start < len - 1)
		return false;
	*iova = start;
	*slot = i;
	return true;
}

/* Where allocations may begin in a range: at a page, and not at the null page. */
static udrv_iova_t first_page(const struct udrv__iova_space *space, udrv_iova_t first)
{
	if (first < space->page_size)
		return space->page_size;
	return (first + space->page_size - 1) & ~(space->page_size - 1);
}

static int alloc_locked(struct udrv__iova_space *space, const struct udrv__iova_range *ranges,
			size_t range_count, uint64_t len, udrv_iova_t limit, udrv_iova_t *iova_out)
{
	int ret = reserve_slot(space);

	if (ret)
		return ret;
	for (size_t r = 0; r < range_count; r++) {
		udrv_iova_t first = first_page(space, ranges[r].first);
		udrv_iova_t last = ranges[r].last < limit ? ranges[r].last : limit;
		udrv_iova_t iova;
		size_t slot;

		if (first > last || !fit(space, first, last, len, &iova, &slot))
			continue;
		memmove(&space->used[slot + 1], &space->used[slot],
			(space->count - slot) * sizeof(space->used[0]));
		space->used[slot].first = iova;
		space->used[slot].last = iova + len - 1;
		space->count++;
		*iova_out = iova;
		return 0;
	}
	return -ENOSPC;
}

int udrv__iova_alloc(struct udrv__iova_space *space, const struct udrv__iova_range *ranges,
		     size_t range_count, uint64_t len, udrv_iova_t limit, udrv_iova_t *iova_out)
{
	int ret;

	if (!len)
		return -EINVAL;
	pthread_mutex_lock(&space->lock);
	ret = alloc_locked(space, ranges, range_count, len, limit, iova_out);
	pthread_mutex_unlock(&space->lock);
	return ret;
}

void udrv__iova_free(struct udrv__iova_space *space, udrv_iova_t iova)
{
	pthread_mutex_lock(&space->lock);
	for (size_t i = 0; i < space->count; i++) {
		if (space->used[i].first != iova)
			continue;
		space->count--;
		memmove(&space->used[i], &space->used[i + 1],
			(space->count - i) * sizeof(space->used[0]));
		break;
	}
	pthread_mutex_unlock(&space->lock);
}
