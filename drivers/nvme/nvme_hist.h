/* SPDX-License-Identifier: MIT */
/*
 * A log-linear histogram of latencies in cycles: each power of two is cut into 64 equal buckets, so
 * that a bucket's middle is within 1/128 of every value in it.
 */
#ifndef NVME_HIST_H
#define NVME_HIST_H

#include <stdint.h>

#define NVME_HIST_SUB_BITS 6
#define NVME_HIST_TOP_BITS 44 /* values from 2^44 on count as the one below */
#define NVME_HIST_BUCKETS  ((NVME_HIST_TOP_BITS - NVME_HIST_SUB_BITS + 1) << NVME_HIST_SUB_BITS)

/* Zeroed, with min at UINT64_MAX. One thread records. */
struct nvme_hist {
	uint64_t count, sum, min, max;
	uint64_t buckets[NVME_HIST_BUCKETS];
};

static inline unsigned int nvme_hist_index(uint64_t value)
{
	const uint64_t top = (UINT64_C(1) << NVME_HIST_TOP_BITS) - 1;
	unsigned int shift;

	if (value > top)
		value = top;
	shift = 63 - NVME_HIST_SUB_BITS -
		(unsigned int)__builtin_clzll(value | 1u << NVME_HIST_SUB_BITS);
	return (shift << NVME_HIST_SUB_BITS) + (unsigned int)(value >> shift);
}

static inline void nvme_hist_record(struct nvme_hist *h, uint64_t value)
{
	h->buckets[nvme_hist_index(value)]++;
	h->count++;
	h->sum += value;
	if (value < h->min)
		h->min = value;
	if (value > h->max)
		h->max = value;
}

void nvme_hist_init(struct nvme_hist *h);
void nvme_hist_add(struct nvme_hist *to, const struct nvme_hist *h);
/* The value that @per_10000 of all are not above; 0 if there are none. */
uint64_t nvme_hist_percentile(const struct nvme_hist *h, unsigned int per_10000);

#endif
