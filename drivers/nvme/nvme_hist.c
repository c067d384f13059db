// SPDX-License-Identifier: MIT
#include <string.h>

#include "nvme_hist.h"

void nvme_hist_init(struct nvme_hist *h)
{
	memset(h, 0, sizeof(*h));
	h->min = UINT64_MAX;
}

void nvme_hist_add(struct nvme_hist *to, const struct nvme_hist *h)
{
	for (unsigned int i = 0; i < NVME_HIST_BUCKETS; i++)
		to->buckets[i] += h->buckets[i];
	to->count += h->count;
	to->sum += h->sum;
	if (h->min < to->min)
		to->min = h->min;
	if (h->max > to->max)
		to->max = h->max;
}

/* The middle of a bucket. */
static uint64_t middle(unsigned int index)
{
	unsigned int shift = index >> NVME_HIST_SUB_BITS;
	uint64_t low;

	if (shift)
		shift--;
	low = ((uint64_t)index - ((uint64_t)shift << NVME_HIST_SUB_BITS)) << shift;
	return low + (((uint64_t)1 << shift) - 1) / 2;
}

uint64_t nvme_hist_percentile(const struct nvme_hist *h, unsigned int per_10000)
{
	/* The rank, rounded up; at least the first. */
	uint64_t rank = (uint64_t)(((unsigned __int128)h->count * per_10000 + 9999) / 10000);
	uint64_t seen = 0;

	if (!h->count)
		return 0;
	if (!rank)
		return h->min;
	for (unsigned int i = 0; i < NVME_HIST_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen >= rank) {
			uint64_t value = middle(i);

			return value < h->min ? h->min : value > h->max ? h->max : value;
		}
	}
	return h->max;
}
