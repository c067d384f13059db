// SPDX-License-Identifier: MIT
#include <udrv/hist.h>

#define SUB_BUCKETS (1u << UDRV_HIST_SUB_BITS)

void udrv_hist_copy(struct udrv_hist *copy, const struct udrv_hist *h)
{
	for (unsigned int i = 0; i < UDRV_HIST_BUCKETS; i++)
		copy->buckets[i] = __atomic_load_n(&h->buckets[i], __ATOMIC_RELAXED);
	copy->sum = __atomic_load_n(&h->sum, __ATOMIC_RELAXED);
	copy->max = __atomic_load_n(&h->max, __ATOMIC_RELAXED);
}

void udrv_hist_add(struct udrv_hist *to, const struct udrv_hist *h)
{
	for (unsigned int i = 0; i < UDRV_HIST_BUCKETS; i++)
		to->buckets[i] += h->buckets[i];
	to->sum += h->sum;
	to->max = h->max > to->max ? h->max : to->max;
}

uint64_t udrv_hist_count(const struct udrv_hist *h)
{
	uint64_t count = 0;

	for (unsigned int i = 0; i < UDRV_HIST_BUCKETS; i++)
		count += h->buckets[i];
	return count;
}

/* How many bits the values of a bucket were shortened by. */
static unsigned int shift_of(unsigned int index)
{
	return index < 2 * SUB_BUCKETS ? 0 : index / SUB_BUCKETS - 1;
}

uint64_t udrv_hist_lower(unsigned int index)
{
	unsigned int shift = shift_of(index);

	return (uint64_t)(index - shift * SUB_BUCKETS) << shift;
}

uint64_t udrv_hist_upper(unsigned int index)
{
	return udrv_hist_lower(index) + (UINT64_C(1) << shift_of(index)) - 1;
}

/* The rank of the value that is asked for, from 1; without overflow. */
static uint64_t rank_of(uint64_t count, unsigned int permille)
{
	uint64_t rank = count / 1000 * permille + (count % 1000 * permille + 999) / 1000;

	return rank ? rank : 1;
}

uint64_t udrv_hist_percentile(const struct udrv_hist *h, unsigned int permille)
{
	uint64_t count = udrv_hist_count(h);
	uint64_t rank = rank_of(count, permille);
	uint64_t seen = 0;

	if (!count || permille >= 1000)
		return count ? h->max : 0;
	for (unsigned int i = 0; i < UDRV_HIST_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen >= rank) {
			uint64_t lower = udrv_hist_lower(i);
			uint64_t middle = lower + (udrv_hist_upper(i) - lower) / 2;

			return middle < h->max ? middle : h->max;
		}
	}
	return h->max;
}
