// SPDX-License-Identifier: GPL-2.0-or-later
/* What follows from one reading, or two. */
#include <stdbool.h>
#include <string.h>

#include "stats.h"

const char *stats_type(unsigned int type)
{
	static const char *const names[] = {"intx", "msi", "msix"};

	return type < sizeof(names) / sizeof(names[0]) ? names[type] : "?";
}

const struct stats_daemon *stats_daemon_before(const struct stats *before,
					       const struct stats_daemon *d)
{
	for (size_t i = 0; i < before->count; i++) {
		const struct stats_daemon *b = &before->daemon[i];

		if (b->header.pid == d->header.pid &&
		    b->header.start_cycles == d->header.start_cycles &&
		    !strcmp(b->header.device, d->header.device))
			return b;
	}
	return NULL;
}

void stats_measure(const struct stats_daemon *d, const struct stats_daemon *before, unsigned int nr,
		   double *rate, double *cpu)
{
	const struct stats_vector *v = &d->vector[nr];
	const struct stats_vector *b = before && nr < before->count ? &before->vector[nr] : NULL;
	bool same = b && b->record.since_ns == v->record.since_ns;
	unsigned long long from_ns = same ? before->now_ns : v->record.since_ns;
	unsigned long long cpu_ns = v->cpu_ns;
	double s = d->now_ns > from_ns ? (double)(d->now_ns - from_ns) / 1e9 : 0;

	/* A worker that was started meanwhile has begun to count anew. */
	if (same && b->record.worker.tid == v->record.worker.tid && b->cpu_ns <= cpu_ns)
		cpu_ns -= b->cpu_ns;
	*rate = s > 0 ? (double)(v->record.count - (same ? b->record.count : 0)) / s : 0;
	*cpu = s > 0 ? (double)cpu_ns / s / 1e7 : 0;
}

unsigned long long stats_ns(const struct stats_daemon *d, uint64_t cycles)
{
	return (unsigned long long)((double)cycles * d->ns_per_cycle + 0.5);
}

unsigned long long stats_handler_ns(const struct stats_daemon *d, unsigned int nr,
				    unsigned int permille)
{
	return stats_ns(d, udrv_hist_percentile(&d->vector[nr].record.run, permille));
}
