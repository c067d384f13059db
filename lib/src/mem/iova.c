// SPDX-License-Identifier: MIT
/* First fit, or next fit, over a sorted array of used intervals. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mem/iova.h"
#include "mem/region.h"

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

static void forget_if_empty(struct udrv__iova_space *space)
{
	if (space->count)
		return;
	free(space->used);
	space->used = NULL;
	space->room = 0;
}

/* The first interval that ends at or behind addr. */
static size_t find_slot(const struct udrv__iova_space *space, udrv_iova_t addr)
{
	size_t low = 0;
	size_t high = space->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (space->used[middle].last < addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The first address from start on that is aligned as wanted; 0 if there is none. */
static udrv_iova_t align(udrv_iova_t start, const struct udrv__iova_want *want)
{
	udrv_iova_t aligned = (start & ~(want->align - 1)) + want->offset;

	if (aligned < start && __builtin_add_overflow(aligned, want->align, &aligned))
		return 0;
	return aligned;
}

/* The first free address >= start with len bytes up to last; *slot is where to insert it. */
static bool fit(const struct udrv__iova_space *space, const struct udrv__iova_want *want,
		udrv_iova_t start, udrv_iova_t last, udrv_iova_t *iova, size_t *slot)
{
	for (size_t i = find_slot(space, start);; i++) {
		start = align(start, want);
		if (!start || start > last || last - start < want->len - 1)
			return false;
		while (i < space->count && space->used[i].last < start)
			i++;
		if (i == space->count || space->used[i].first > start + (want->len - 1)) {
			*iova = start;
			*slot = i;
			return true;
		}
		if (space->used[i].last == UINT64_MAX)
			return false;
		start = space->used[i].last + 1;
	}
}

/* In any of the ranges, between first and last. */
static bool fit_ranges(const struct udrv__iova_space *space, const struct udrv__iova_range *ranges,
		       size_t range_count, const struct udrv__iova_want *want, udrv_iova_t first,
		       udrv_iova_t last, udrv_iova_t *iova, size_t *slot)
{
	for (size_t r = 0; r < range_count; r++) {
		udrv_iova_t from = ranges[r].first > first ? ranges[r].first : first;
		udrv_iova_t to = ranges[r].last < last ? ranges[r].last : last;

		if (from <= to && fit(space, want, from, to, iova, slot))
			return true;
	}
	return false;
}

static void insert(struct udrv__iova_space *space, const struct udrv__iova_used *used, size_t slot)
{
	memmove(&space->used[slot + 1], &space->used[slot],
		(space->count - slot) * sizeof(space->used[0]));
	space->used[slot] = *used;
	space->count++;
}

static void take(struct udrv__iova_space *space, const struct udrv__iova_want *want,
		 udrv_iova_t iova, size_t slot)
{
	insert(space, &(struct udrv__iova_used){iova, iova + (want->len - 1), want->by}, slot);
}

/* What is too large for a zone may lie across two. */
static int alloc_anywhere(struct udrv__iova_space *space, const struct udrv__iova_range *ranges,
			  size_t range_count, const struct udrv__iova_want *want,
			  udrv_iova_t *iova_out)
{
	size_t slot;

	if (!fit_ranges(space, ranges, range_count, want, UDRV__PAGE_MIN, want->limit, iova_out,
			&slot))
		return -ENOSPC;
	take(space, want, *iova_out, slot);
	return 0;
}

static int alloc_in_zone(struct udrv__iova_space *space, const struct udrv__iova_range *ranges,
			 size_t range_count, const struct udrv__iova_want *want, int zone,
			 udrv_iova_t *iova_out)
{
	static const udrv_iova_t floors[] = {UDRV__PAGE_MIN, UINT64_C(1) << 28, UINT64_C(1) << 32};
	udrv_iova_t floor = floors[zone];
	udrv_iova_t limit = want->limit;
	udrv_iova_t start = want->fresh && space->next[zone] > floor ? space->next[zone] : floor;
	udrv_iova_t iova;
	size_t slot;

	if (zone + 1 < UDRV__IOVA_ZONES && limit >= floors[zone + 1])
		limit = floors[zone + 1] - 1;
	if (!fit_ranges(space, ranges, range_count, want, start, limit, &iova, &slot) &&
	    !fit_ranges(space, ranges, range_count, want, floor, limit, &iova, &slot))
		return -ENOSPC;
	take(space, want, iova, slot);
	if (want->fresh)
		space->next[zone] = iova + want->len;
	*iova_out = iova;
	return 0;
}

int udrv__iova_alloc(struct udrv__iova_space *space, const struct udrv__iova_range *ranges,
		     size_t range_count, const struct udrv__iova_want *want, udrv_iova_t *iova_out)
{
	static const int high[] = {2, 1, 0};
	static const int low[] = {1, 0, 2};
	int ret = -ENOSPC;

	if (!want->len)
		return -EINVAL;
	if (reserve_slot(space))
		return -ENOMEM;
	for (int i = 0; i < UDRV__IOVA_ZONES && ret; i++)
		ret = alloc_in_zone(space, ranges, range_count, want, want->low ? low[i] : high[i],
				    iova_out);
	if (ret)
		ret = alloc_anywhere(space, ranges, range_count, want, iova_out);
	forget_if_empty(space);
	return ret;
}

int udrv__iova_take(struct udrv__iova_space *space, udrv_iova_t iova, uint64_t len,
		    struct udrv__region *by)
{
	struct udrv__iova_used used = {iova, iova + (len - 1), by};
	size_t slot = find_slot(space, iova);

	if (iova < UDRV__PAGE_MIN || (slot < space->count && space->used[slot].first <= used.last))
		return -EEXIST;
	if (reserve_slot(space))
		return -ENOMEM;
	insert(space, &used, slot);
	return 0;
}

struct udrv__region *udrv__iova_user(const struct udrv__iova_space *space, udrv_iova_t iova)
{
	size_t slot = find_slot(space, iova);

	return slot < space->count && space->used[slot].first <= iova ? space->used[slot].by : NULL;
}

void udrv__iova_free(struct udrv__iova_space *space, udrv_iova_t iova)
{
	size_t slot = find_slot(space, iova);

	if (slot == space->count || space->used[slot].first != iova)
		return;
	space->count--;
	memmove(&space->used[slot], &space->used[slot + 1],
		(space->count - slot) * sizeof(space->used[0]));
	forget_if_empty(space);
}
