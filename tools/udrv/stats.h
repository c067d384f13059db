/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The statistics segments of the daemons that run. */
#ifndef STATS_H
#define STATS_H

#include <stddef.h>

#include "stat/segment.h"

/* A vector at one moment. */
struct stats_vector {
	struct udrv__stat_vector record;
	unsigned long long cpu_ns; /* that its worker has used */
};

/* A daemon at one moment. */
struct stats_daemon {
	struct udrv__stat_header header;
	double ns_per_cycle;
	unsigned long long now_ns; /* CLOCK_MONOTONIC_RAW */
	struct stats_vector *vector;
	unsigned int count;
};

struct stats {
	struct stats_daemon *daemon; /* in the order of their devices */
	size_t count;
};

/*
 * Read what the daemons of @device, or of all devices if it is NULL, say at this moment.
 * 0 or negative errno, explained.
 */
int stats_read(struct stats *stats, const char *device);
void stats_free(struct stats *stats);

#endif
