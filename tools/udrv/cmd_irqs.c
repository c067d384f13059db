// SPDX-License-Identifier: GPL-2.0-or-later
/* udrv irqs: a line for each interrupt vector of the daemons that run. */
#include <stdio.h>
#include <string.h>

#include "irqs_json.h"
#include "stats.h"
#include "tool.h"

/* Names, and what keeps handlers from running. */
static void describe(char *text, size_t size, const struct udrv__stat_vector *r)
{
	char disabled[32] = "";
	char storms[48] = "";

	if (r->disabled)
		(void)snprintf(disabled, sizeof(disabled), " (disabled %u)", r->disabled);
	if (r->storms)
		(void)snprintf(storms, sizeof(storms), " (storms: held down %llu times)",
			       (unsigned long long)r->storms);
	(void)snprintf(text, size, "%s%s%s%s", r->worker.names[0] ? r->worker.names : "-", disabled,
		       storms, r->shut ? " (shut: nobody handled it)" : "");
}

/* A number that may be unknown. */
static const char *number_or(char *text, size_t size, long number, bool known, const char *other)
{
	if (!known)
		return other;
	(void)snprintf(text, size, "%ld", number);
	return text;
}

static void print_vector(const struct stats_daemon *d, const struct stats_daemon *before,
			 unsigned int nr, int device_width)
{
	const struct udrv__stat_vector *r = &d->vector[nr].record;
	char cpu[16];
	char worker[16];
	char text[UDRV__STAT_NAMES + 128];
	double rate = 0;
	double busy = 0;

	stats_measure(d, before, nr, &rate, &busy);
	describe(text, sizeof(text), r);
	printf("%-*s %6u %-4s %-10s %6s %4s %4d %12llu %10.1f %9llu %8llu %8llu %9llu %5.1f  %s\n",
	       device_width, d->header.device, r->worker.nr, stats_type(r->worker.type),
	       r->worker.wait, number_or(worker, sizeof(worker), r->worker.tid, r->worker.tid, "-"),
	       number_or(cpu, sizeof(cpu), r->worker.cpu, r->worker.cpu >= 0, "any"),
	       r->worker.fifo_priority, (unsigned long long)r->count, rate,
	       (unsigned long long)r->unhandled, stats_handler_ns(d, nr, 500),
	       stats_handler_ns(d, nr, 990), stats_handler_ns(d, nr, 1000), busy, text);
}

static void print_table(const struct show *show, const void *now_, const void *before)
{
	const struct stats *now = now_;
	int width = (int)strlen("DEVICE");

	size_t most = show_room(show);

	for (size_t i = 0; i < now->count; i++) {
		int len = (int)strlen(now->daemon[i].header.device);

		width = len > width ? len : width;
	}
	printf("%-*s VECTOR TYPE WAIT       WORKER  CPU PRIO        COUNT     RATE/s UNHANDLED  P50(ns) "
	       " P99(ns)   MAX(ns)  CPU%%  NAME\n",
	       width, "DEVICE");
	for (size_t i = 0; i < now->count; i++) {
		const struct stats_daemon *d = &now->daemon[i];

		for (unsigned int nr = 0; nr < d->count && most; nr++, most--)
			print_vector(d, stats_daemon_before(before, d), nr, width);
	}
}

static json_object *make_json(const struct show *show, const void *now, const void *before)
{
	(void)show;
	return irqs_json(now, before);
}

static const struct stats_verb verb = {
	.doc = "Show the interrupts of the daemons that run.\v"
	       "Rates and the workers' CPU time are those since the vectors were allocated, with "
	       "--watch those since the last time.",
	.print = print_table,
	.json = make_json,
};

int cmd_irqs(int argc, char **argv)
{
	return stats_verb_run(&verb, argc, argv);
}
