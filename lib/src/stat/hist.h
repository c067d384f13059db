/* SPDX-License-Identifier: MIT */
/*
 * A log-linear histogram in constant memory: each power of two is cut into 16 equal buckets, so a
 * bucket's middle is within 1/32 of every value in it. One thread records, without a lock and
 * without an atomic read-modify-write; others, also in other processes, copy it meanwhile.
 */
#ifndef UDRV_SRC_HIST_H
#define UDRV_SRC_HIST_H

#include <stdint.h>

#define UDRV__HIST_SUB_BITS 4
/* Values from 2^40 on count as the one below; the maximum is exact all the same. */
#define UDRV__HIST_TOP_BITS 40
#define UDRV__HIST_BUCKETS  ((UDRV__HIST_TOP_BITS - UDRV__HIST_SUB_BITS + 1) << UDRV__HIST_SUB_BITS)

struct udrv__hist {
	uint64_t max;
	uint64_t sum;
	uint64_t buckets[UDRV__HIST_BUCKETS];
};

/* The bucket of a value. */
static inline unsigned int udrv__hist_index(uint64_t value)
{
	const uint64_t top = (UINT64_C(1) << UDRV__HIST_TOP_BITS) - 1;
	unsigned int shift;

	if (value > top)
		value = top;
	/* Below 2^SUB_BITS the buckets are one wide, as in the power of two above. */
	shift = 63 - UDRV__HIST_SUB_BITS -
		(unsigned int)__builtin_clzll(value | 1u << UDRV__HIST_SUB_BITS);
	return (shift << UDRV__HIST_SUB_BITS) + (unsigned int)(value >> shift);
}

/* A counter that one thread writes and others read. */
static inline void udrv__stat_add(uint64_t *counter, uint64_t add)
{
	__atomic_store_n(counter, *counter + add, __ATOMIC_RELAXED);
}

static inline void udrv__hist_record(struct udrv__hist *h, uint64_t value)
{
	udrv__stat_add(&h->buckets[udrv__hist_index(value)], 1);
	udrv__stat_add(&h->sum, value);
	if (value > h->max)
		__atomic_store_n(&h->max, value, __ATOMIC_RELAXED);
}

/* Of one that may be recorded into meanwhile. */
void udrv__hist_copy(struct udrv__hist *copy, const struct udrv__hist *h);

/* These are for a copy. The number of values. */
uint64_t udrv__hist_count(const struct udrv__hist *h);
/* The least and the greatest value of a bucket. */
uint64_t udrv__hist_lower(unsigned int index);
uint64_t udrv__hist_upper(unsigned int index);
/*
 * The value that @permille of all are not above, within 1/32 of it; 0 if there are none. 1000 is
 * the maximum, exactly.
 */
uint64_t udrv__hist_percentile(const struct udrv__hist *h, unsigned int permille);

#endif
