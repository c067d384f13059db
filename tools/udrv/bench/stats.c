// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/stats.h"

#include <errno.h>
#include <stdlib.h>

/* Each point is at least 1/64 of the samples that are left beyond the one before it. */
#define POINT_SHARE 64

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

uint64_t bench_percentile(const uint64_t *sorted, size_t count, unsigned int permille)
{
	/* In two parts, so that no count overflows. */
	size_t rank = count / 1000 * permille + (count % 1000 * permille + 999) / 1000;

	return sorted[rank - 1];
}

int bench_summarise(uint64_t *samples, size_t count, struct bench_summary *summary)
{
	if (!count)
		return -ENODATA;
	qsort(samples, count, sizeof(*samples), compare);
	*summary = (struct bench_summary){
		.count = count,
		.min = samples[0],
		.p50 = bench_percentile(samples, count, 500),
		.p90 = bench_percentile(samples, count, 900),
		.p99 = bench_percentile(samples, count, 990),
		.p999 = bench_percentile(samples, count, 999),
		.max = samples[count - 1],
	};
	return 0;
}

static size_t last_equal(const uint64_t *sorted, size_t count, size_t at)
{
	while (at + 1 < count && sorted[at + 1] == sorted[at])
		at++;
	return at;
}

size_t bench_distribution(const uint64_t *sorted, size_t count,
			  struct bench_point points[BENCH_POINTS_MAX])
{
	size_t n = 0, at = 0, step;

	while (at < count && n < BENCH_POINTS_MAX) {
		at = last_equal(sorted, count, at);
		points[n++] = (struct bench_point){sorted[at], at + 1};
		step = (count - at - 1) / POINT_SHARE;
		at += step > 1 ? step : 1;
	}
	if (n && points[n - 1].cumulative != count)
		points[n - 1] = (struct bench_point){sorted[count - 1], count};
	return n;
}
