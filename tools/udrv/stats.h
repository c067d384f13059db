/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The statistics segments of the daemons that run. */
#ifndef STATS_H
#define STATS_H

#include <stdbool.h>
#include <stddef.h>

#include "show.h"
#include "stat/segment.h"

/* A vector at one moment. */
struct stats_vector {
	struct udrv__stat_vector record;
	unsigned long long cpu_ns; /* that its worker has used */
};

/* A daemon at one moment. */
struct stats_daemon {
	struct udrv__stat_header header;
	bool waiting;	    /* for its device: only its names and pid are known */
	bool exports_known; /* false: header.exports did not hold still, and is "" */
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
/* Likewise, with those that wait for their device. */
int stats_read_all(struct stats *stats, const char *device);
void stats_free(struct stats *stats);

/* A verb that shows them: `udrv VERB [DEVICE] [--watch[=SECONDS]] [--json]`. */
struct stats_verb {
	const char *doc; /* as argp has it */
	bool waiting;	 /* also those that wait for their device */
	/* As those of struct show_verb: of struct stats. */
	void (*print)(const struct show *show, const void *now, const void *before);
	json_object *(*json)(const struct show *show, const void *now, const void *before);
};

/* stats_verb.c: the exit status. */
int stats_verb_run(const struct stats_verb *verb, int argc, char **argv);

/*
 * stats_files.c: call @read_file for each file of daemons, alive or dead, that ends with @suffix,
 * until one returns something else than 0. 0 or negative errno, explained.
 */
int stats_each_file(const char *suffix, int (*read_file)(void *ctx, const char *path), void *ctx);
/* What to return for a file that could not be opened: 0. Explains what is no dead daemon's. */
int stats_not_opened(const char *path, int err);

/* "intx", "msi" or "msix". */
const char *stats_type(unsigned int type);
/* The same daemon a moment ago, or NULL. */
const struct stats_daemon *stats_daemon_before(const struct stats *before,
					       const struct stats_daemon *d);
/*
 * What happened per second, and how much of a CPU the worker took in percent, since @before, or
 * since the vectors were allocated if it is NULL or they were allocated later.
 */
void stats_measure(const struct stats_daemon *d, const struct stats_daemon *before, unsigned int nr,
		   double *rate, double *cpu);
unsigned long long stats_ns(const struct stats_daemon *d, uint64_t cycles);
/* A percentile of the time that the handlers of a vector took. */
unsigned long long stats_handler_ns(const struct stats_daemon *d, unsigned int nr,
				    unsigned int permille);

#endif
