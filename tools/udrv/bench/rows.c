// SPDX-License-Identifier: GPL-2.0-or-later
/* From samples to a row. */
#include "bench/rows.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first pass is dropped: caches, branch predictors and lazily made things. */
#define WARM_UP_MAX 2000u

bool bench_wanted(const struct bench_settings *settings, const char *name)
{
	const char *patterns = settings->rows;
	char pattern[64];
	size_t len;

	if (!patterns)
		return true;
	for (; *patterns; patterns += len + (patterns[len] == ',')) {
		len = strcspn(patterns, ",");
		(void)snprintf(pattern, sizeof(pattern), "%.*s", (int)len, patterns);
		if (!fnmatch(pattern, name, 0))
			return true;
	}
	return false;
}

struct bench_row *bench_add_row(struct bench_result *result, const char *name)
{
	struct bench_row *row;

	if (!bench_wanted(&result->settings, name) || result->row_count == BENCH_ROWS_MAX)
		return NULL;
	row = &result->rows[result->row_count++];
	memset(row, 0, sizeof(*row));
	row->name = name;
	return row;
}

void bench_leave_out(struct bench_row *row, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(row->reason, sizeof(row->reason), fmt, args);
	va_end(args);
}

static int take_passes(struct bench_result *result, struct bench_row *row, bench_take_fn take,
		       void *ctx, uint64_t *samples)
{
	unsigned int count = result->settings.count, dropped = 0;
	unsigned int warm_up = count < WARM_UP_MAX ? count : WARM_UP_MAX;
	int ret = take(ctx, samples, warm_up, &dropped);

	for (unsigned int pass = 0; !ret && pass < result->settings.passes; pass++)
		ret = take(ctx, samples + (size_t)pass * count, count, &row->lost);
	return ret;
}

static int keep_figures(struct bench_result *result, struct bench_row *row, uint64_t *samples,
			size_t count)
{
	struct bench_point *points = malloc(BENCH_POINTS_MAX * sizeof(*points));
	int ret;

	if (!points)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		samples[i] = bench_ticks_to_ns(samples[i], result->machine.counter_khz);
	ret = bench_summarise(samples, count, &row->summary);
	if (ret) {
		free(points);
		return ret;
	}
	row->point_count = bench_distribution(samples, count, points);
	row->points = points;
	return 0;
}

int bench_measure(struct bench_result *result, struct bench_row *row, bench_take_fn take, void *ctx)
{
	size_t count = (size_t)result->settings.count * result->settings.passes;
	uint64_t *samples = malloc(count * sizeof(*samples));
	int ret;

	if (!samples) {
		bench_leave_out(row, "no memory for %zu samples", count);
		return -ENOMEM;
	}
	/* Not while measuring: the first touch of each page would take a fault. */
	memset(samples, 0xff, count * sizeof(*samples));
	bench_signals_allow(true);
	ret = take_passes(result, row, take, ctx, samples);
	bench_signals_allow(false);
	if (!ret)
		ret = keep_figures(result, row, samples, count);
	free(samples);
	if (ret == -ETIMEDOUT)
		bench_leave_out(row,
				"%u interrupts did not arrive within %u ms: is bus mastering "
				"or the interrupt line blocked?",
				BENCH_MAX_LOST, BENCH_DEADLINE_MS);
	else if (ret)
		bench_leave_out(row, "%s", strerror(-ret));
	return ret;
}

void bench_collect_init(struct bench_collect *how, const struct bench_result *result,
			struct bench_gate *gate, int (*fire)(void *ctx), void *ctx)
{
	memset(gate, 0, sizeof(*gate));
	*how = (struct bench_collect){
		.gate = gate,
		.fire = fire,
		.ctx = ctx,
		.gap_ticks =
			(uint64_t)result->settings.gap_ns * result->machine.counter_khz / 1000000u,
		.deadline_ms = BENCH_DEADLINE_MS,
		.stop = &bench_stop,
	};
}

int bench_take_collect(void *ctx, uint64_t *samples, size_t count, unsigned int *lost)
{
	const struct bench_collect *how = ctx;

	/* What the first pass left, which is dropped, is dropped here, too. */
	if (how->split && how->split->passes++ < 2)
		how->split->count = 0;
	return bench_collect(how, samples, count, lost);
}

int bench_split_make(struct bench_split *split, const struct bench_result *result)
{
	size_t count = (size_t)result->settings.count * result->settings.passes;

	*split = (struct bench_split){.to_hard = calloc(count, sizeof(uint64_t)),
				      .to_worker = calloc(count, sizeof(uint64_t))};
	if (split->to_hard && split->to_worker) {
		/* As for the samples: touched now. */
		memset(split->to_hard, 0xff, count * sizeof(uint64_t));
		memset(split->to_worker, 0xff, count * sizeof(uint64_t));
		return 0;
	}
	free(split->to_hard);
	free(split->to_worker);
	return -ENOMEM;
}

static uint64_t median_ns(uint64_t *ticks, size_t count, uint64_t khz)
{
	struct bench_summary summary;

	for (size_t i = 0; i < count; i++)
		ticks[i] = bench_ticks_to_ns(ticks[i], khz);
	return bench_summarise(ticks, count, &summary) ? 0 : summary.p50;
}

void bench_split_end(struct bench_split *split, const struct bench_result *result,
		     struct bench_row *row)
{
	uint64_t khz = result->machine.counter_khz;

	if (row->summary.count && split->count) {
		row->to_hard_p50 = median_ns(split->to_hard, split->count, khz);
		row->to_worker_p50 = median_ns(split->to_worker, split->count, khz);
	}
	free(split->to_hard);
	free(split->to_worker);
}
