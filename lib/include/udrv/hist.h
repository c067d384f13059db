/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Histograms: how long things took, in constant memory.
 *
 * Log-linear: values below 32 have a bucket each, each power of two from there to 2^40 is cut into
 * 32 equal ones, so a bucket's middle is within 1/64 of every value in it. One thread records,
 * without a lock and without an atomic read-modify-write; others, also in other processes that map
 * the memory, copy it meanwhile.
 */
#ifndef UDRV_HIST_H
#define UDRV_HIST_H

#include <stdint.h>

#include <udrv/compiler.h>

UDRV_BEGIN_DECLS

/* log2 of the buckets of a power of two */
#define UDRV_HIST_SUB_BITS 5
/* Values from 2^40 on count as the one below; the maximum is exact all the same. */
#define UDRV_HIST_TOP_BITS 40
#define UDRV_HIST_BUCKETS  ((UDRV_HIST_TOP_BITS - UDRV_HIST_SUB_BITS + 1) << UDRV_HIST_SUB_BITS)

/**
 * struct udrv_hist - a histogram; all zeroes is an empty one
 * @max: the greatest value
 * @sum: of all values
 * @buckets: how many values are in each
 *
 * The memory is whoever's it is; nothing is to be freed.
 */
struct udrv_hist {
	uint64_t max;
	uint64_t sum;
	uint64_t buckets[UDRV_HIST_BUCKETS];
};

/** udrv_hist_index() - the bucket of a value. Any thread. */
static inline unsigned int udrv_hist_index(uint64_t value)
{
	const uint64_t top = (UINT64_C(1) << UDRV_HIST_TOP_BITS) - 1;
	unsigned int shift;

	if (value > top)
		value = top;
	/* Below 2^SUB_BITS the buckets are one wide, as in the power of two above. */
	shift = 63 - UDRV_HIST_SUB_BITS -
		(unsigned int)__builtin_clzll(value | 1u << UDRV_HIST_SUB_BITS);
	return (shift << UDRV_HIST_SUB_BITS) + (unsigned int)(value >> shift);
}

/** udrv_hist_record() - count @value. One thread at a time. */
static inline void udrv_hist_record(struct udrv_hist *h, uint64_t value)
{
	uint64_t *bucket = &h->buckets[udrv_hist_index(value)];

	__atomic_store_n(bucket, *bucket + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&h->sum, h->sum + value, __ATOMIC_RELAXED);
	if (value > h->max)
		__atomic_store_n(&h->max, value, __ATOMIC_RELAXED);
}

/**
 * udrv_hist_copy() - copy a histogram that may be recorded into meanwhile
 * @copy: the copy
 * @h: of which
 *
 * Each number is right by itself; the last values may be in some of them only. Any thread.
 */
UDRV_API void udrv_hist_copy(struct udrv_hist *copy, const struct udrv_hist *h);

/* The others are for histograms that nobody records into just now, or for copies. Any thread. */

/** udrv_hist_add() - add the values of @h to those of @to. */
UDRV_API void udrv_hist_add(struct udrv_hist *to, const struct udrv_hist *h);

/** udrv_hist_count() - the number of values. */
UDRV_API uint64_t udrv_hist_count(const struct udrv_hist *h);

/** udrv_hist_lower() - the least value of bucket @index, which is below UDRV_HIST_BUCKETS. */
UDRV_API uint64_t udrv_hist_lower(unsigned int index);

/** udrv_hist_upper() - the greatest value of bucket @index. */
UDRV_API uint64_t udrv_hist_upper(unsigned int index);

/**
 * udrv_hist_percentile() - the value that @permille of all are not above
 * @h: the histogram
 * @permille: 0: the least value; 1000: the maximum, exactly
 *
 * Return: within 1/64 of it; 0 if there are no values.
 */
UDRV_API uint64_t udrv_hist_percentile(const struct udrv_hist *h, unsigned int permille);

UDRV_END_DECLS

#endif
