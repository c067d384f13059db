/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a set of samples says: exact percentiles and the distribution's points. */
#ifndef UDRV_BENCH_STATS_H
#define UDRV_BENCH_STATS_H

#include <stddef.h>
#include <stdint.h>

/* All in the unit of the samples. */
struct bench_summary {
	size_t count;
	uint64_t min;
	uint64_t p50;
	uint64_t p90;
	uint64_t p99;
	uint64_t p999;
	uint64_t max;
};

/* @cumulative samples are not above @value. */
struct bench_point {
	uint64_t value;
	size_t cumulative;
};

#define BENCH_POINTS_MAX 1024

/*
 * Nearest rank: the smallest sample that at least @permille thousandths of all samples do not
 * exceed. @sorted ascending, @count at least 1, @permille 1 to 1000.
 */
uint64_t bench_percentile(const uint64_t *sorted, size_t count, unsigned int permille);

/* Sorts @samples in place and summarises them. 0, or -ENODATA when there is none. */
int bench_summarise(uint64_t *samples, size_t count, struct bench_summary *summary);

/*
 * The cumulative distribution as at most BENCH_POINTS_MAX points: the ranks lie denser towards the
 * end, so that the tail keeps its shape. The first value and the last are always among them.
 * Returns the number of points, 0 for no samples.
 */
size_t bench_distribution(const uint64_t *sorted, size_t count,
			  struct bench_point points[BENCH_POINTS_MAX]);

#endif
