// SPDX-License-Identifier: MIT
/* What all ways have in common: samples and their summary. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

void die(const char *what, int err)
{
	(void)fprintf(stderr, "bench_nvme: %s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(EXIT_FAILURE);
}

void load_start(struct load *l, unsigned int depth, size_t count, uint64_t bytes)
{
	uint64_t *took = realloc(l->took, count * sizeof(*took));

	if (!took)
		die("samples", ENOMEM);
	/* No page of it is touched for the first time while it counts. */
	memset(took, 0, count * sizeof(*took));
	*l = (struct load){.depth = depth,
			   .count = count,
			   .blocks = bytes / BENCH_SIZE,
			   .random = UINT64_C(0x9e3779b97f4a7c15),
			   .took = took};
	l->started_ns = bench_clock_ns();
	l->started = bench_now();
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a;
	const uint64_t *y = b;

	return (*x > *y) - (*x < *y);
}

void load_report(struct load *l, const char *row, uint64_t start_ns)
{
	double per_tick;
	double seconds;

	l->ended = bench_now();
	l->ended_ns = bench_clock_ns();
	seconds = (double)(l->ended_ns - l->started_ns) / 1e9;
	per_tick = (double)(l->ended_ns - l->started_ns) / (double)(l->ended - l->started);
	qsort(l->took, l->done, sizeof(*l->took), by_value);
	(void)printf("row=%s depth=%u count=%zu errors=%zu min_ns=%.0f p50_ns=%.0f p99_ns=%.0f "
		     "iops=%.0f start_ns=%llu\n",
		     row, l->depth, l->done, l->errors, (double)l->took[0] * per_tick,
		     (double)l->took[l->done / 2] * per_tick,
		     (double)l->took[l->done / 100 * 99] * per_tick, (double)l->done / seconds,
		     (unsigned long long)start_ns);
	if (l->errors || l->done != l->count)
		exit(EXIT_FAILURE);
}
