// SPDX-License-Identifier: MIT
#include "mem/runs.h"

#define BITS 64u

size_t udrv__run_words(size_t pages)
{
	return (pages + BITS - 1) / BITS;
}

static bool get(const uint64_t *map, size_t i)
{
	return map[i / BITS] >> i % BITS & 1;
}

/* The first page in [from, to) whose bit is value; to if there is none. */
static size_t find_bit(const uint64_t *map, size_t from, size_t to, bool value)
{
	while (from < to) {
		uint64_t word = (value ? map[from / BITS] : ~map[from / BITS]) >> from % BITS;

		if (word) {
			from += (size_t)__builtin_ctzll(word);
			return from < to ? from : to;
		}
		from = (from / BITS + 1) * BITS;
	}
	return to;
}

static void set_bits(uint64_t *map, size_t from, size_t n, bool value)
{
	while (n) {
		size_t bit = from % BITS;
		size_t part = n < BITS - bit ? n : BITS - bit;
		uint64_t mask = (part == BITS ? ~UINT64_C(0) : (UINT64_C(1) << part) - 1) << bit;
		uint64_t word = map[from / BITS];

		/* Others may read bits of runs that are theirs. */
		__atomic_store_n(&map[from / BITS], value ? word | mask : word & ~mask,
				 __ATOMIC_RELAXED);
		from += part;
		n -= part;
	}
}

static size_t align_up(const struct udrv__region *region, size_t at, size_t align)
{
	size_t base = (uintptr_t)region->va >> UDRV__PAGE_SHIFT;

	if (align <= 1)
		return at;
	return ((base + at + align - 1) & ~(align - 1)) - base;
}

size_t udrv__run_find(const struct udrv__region *region, size_t n, size_t align)
{
	size_t at = region->lowest;

	for (;;) {
		size_t taken;

		at = find_bit(region->used, at, region->pages, false);
		at = align_up(region, at, align);
		if (at >= region->pages || n > region->pages - at)
			return UDRV__NO_RUN;
		taken = find_bit(region->used, at, at + n, true);
		if (taken == at + n)
			return at;
		at = taken + 1;
	}
}

void udrv__run_take(struct udrv__region *region, size_t at, size_t n)
{
	set_bits(region->used, at, n, true);
	set_bits(region->first, at, 1, true);
	region->free_pages -= n;
	if (at == region->lowest)
		region->lowest = at + n;
}

void udrv__run_give(struct udrv__region *region, size_t at, size_t n)
{
	set_bits(region->used, at, n, false);
	set_bits(region->first, at, 1, false);
	region->free_pages += n;
	if (at < region->lowest)
		region->lowest = at;
}

size_t udrv__run_length(const struct udrv__region *region, size_t at)
{
	size_t next;
	size_t end;

	if (at >= region->pages || !get(region->first, at))
		return 0;
	next = find_bit(region->first, at + 1, region->pages, true);
	end = find_bit(region->used, at + 1, next, false);
	return end - at;
}

size_t udrv__run_of(const struct udrv__region *region, size_t at)
{
	size_t word = at / BITS;
	uint64_t bits;

	if (at >= region->pages || !get(region->used, at))
		return UDRV__NO_RUN;
	bits = region->first[word] & ~UINT64_C(0) >> (BITS - 1 - at % BITS);
	while (!bits)
		bits = region->first[--word];
	return word * BITS + (BITS - 1 - (size_t)__builtin_clzll(bits));
}
