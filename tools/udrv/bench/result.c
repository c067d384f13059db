// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/bench.h"

#include <stdlib.h>
#include <string.h>

const struct bench_row *bench_find_row(const struct bench_result *result, const char *name)
{
	for (size_t i = 0; i < result->row_count; i++)
		if (result->rows[i].summary.count && !strcmp(result->rows[i].name, name))
			return &result->rows[i];
	return NULL;
}

double bench_ratio(const struct bench_result *result, const struct bench_row *row)
{
	const struct bench_row *base = bench_find_row(result, result->baseline);

	if (!base || !base->summary.p50)
		return 0;
	return (double)row->summary.p50 / (double)base->summary.p50;
}

void bench_result_free(struct bench_result *result)
{
	for (size_t i = 0; i < result->row_count; i++) {
		free(result->rows[i].points);
		result->rows[i].points = NULL;
	}
	result->row_count = 0;
}
