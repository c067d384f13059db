// SPDX-License-Identifier: GPL-2.0-or-later
/* udrv irqs: a line for each interrupt vector of the daemons that run. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <udrv/device.h>

#include "driver/daemon.h"
#include "irqs_json.h"
#include "stats.h"
#include "tool.h"

#define WATCH_DEFAULT_S 2
#define WATCH_MAX_S	86400

struct irqs {
	const char *device_arg;
	const char *device; /* NULL: all */
	char name[UDRV_DEVICE_NAME_MAX];
	double watch_s; /* 0: once */
	bool watch;
	bool json;
};

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

static void print_table(const struct stats *now, const struct stats *before)
{
	int width = (int)strlen("DEVICE");

	for (size_t i = 0; i < now->count; i++) {
		int len = (int)strlen(now->daemon[i].header.device);

		width = len > width ? len : width;
	}
	printf("%-*s VECTOR TYPE WAIT       WORKER  CPU PRIO        COUNT     RATE/s UNHANDLED  P50(ns) "
	       " P99(ns)   MAX(ns)  CPU%%  NAME\n",
	       width, "DEVICE");
	for (size_t i = 0; i < now->count; i++) {
		const struct stats_daemon *d = &now->daemon[i];

		for (unsigned int nr = 0; nr < d->count; nr++)
			print_vector(d, stats_daemon_before(before, d), nr, width);
	}
}

static int print(const struct irqs *irqs, const struct stats *now, const struct stats *before)
{
	if (irqs->json)
		return irqs_print_json(now, before);
	if (irqs->watch && isatty(STDOUT_FILENO))
		printf("\033[H\033[J");
	print_table(now, before);
	if (!fflush(stdout))
		return TOOL_OK;
	tool_err("cannot write to standard output: %s", strerror(errno));
	return TOOL_FAILED;
}

static int watch(const struct irqs *irqs, struct stats *before)
{
	const struct timespec pause = {
		.tv_sec = (time_t)irqs->watch_s,
		.tv_nsec = (long)((irqs->watch_s - (double)(time_t)irqs->watch_s) * 1e9),
	};
	struct stats now;
	int status = TOOL_OK;

	while (status == TOOL_OK) {
		(void)nanosleep(&pause, NULL);
		if (stats_read(&now, irqs->device))
			return TOOL_FAILED;
		status = print(irqs, &now, before);
		stats_free(before);
		*before = now;
	}
	return status;
}

static int run(const struct irqs *irqs)
{
	const struct stats none = {0};
	struct stats now;
	int status;

	if (stats_read(&now, irqs->device))
		return TOOL_FAILED;
	if (!now.count && irqs->device && !irqs->watch) {
		tool_err("%s: no daemon drives it; start one: udrv run DRIVER %s", irqs->device,
			 irqs->device);
		return TOOL_FAILED;
	}
	if (!now.count && !irqs->json)
		tool_note("no daemon is running; start one: udrv run DRIVER DEVICE");
	status = now.count || irqs->json || irqs->watch ? print(irqs, &now, &none) : TOOL_OK;
	if (irqs->watch && status == TOOL_OK)
		status = watch(irqs, &now);
	stats_free(&now);
	return status;
}

static bool parse_seconds(struct irqs *irqs, const char *text)
{
	char *end;

	irqs->watch_s = strtod(text, &end);
	return end != text && !*end && irqs->watch_s >= 0.05 && irqs->watch_s <= WATCH_MAX_S;
}

static bool is_number(const char *text)
{
	return !text[strspn(text, "0123456789.")];
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct irqs *irqs = state->input;

	switch (key) {
	case 'j':
		irqs->json = true;
		return 0;
	case 'w':
		irqs->watch = true;
		if (arg && !parse_seconds(irqs, arg))
			argp_error(state, "%s: not seconds from 0.05 to %d", arg, WATCH_MAX_S);
		return 0;
	case ARGP_KEY_ARG:
		/* No device is called by a mere number. */
		if (irqs->watch && irqs->watch_s <= 0 && is_number(arg)) {
			if (!parse_seconds(irqs, arg))
				argp_error(state, "%s: not seconds from 0.05 to %d", arg,
					   WATCH_MAX_S);
			return 0;
		}
		if (irqs->device_arg)
			argp_error(state, "only one DEVICE");
		irqs->device_arg = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
	{"watch", 'w', "SECONDS", OPTION_ARG_OPTIONAL, "again every SECONDS (2), until ^C", 0},
	{"json", 'j', NULL, 0, "print an array of objects", 0},
	{0},
};

static const struct argp argp = {
	.options = options,
	.parser = parse_option,
	.args_doc = "[DEVICE]",
	.doc = "Show the interrupts of the daemons that run.\v"
	       "Rates and the workers' CPU time are those since the vectors were allocated, with "
	       "--watch those since the last time.",
};

int cmd_irqs(int argc, char **argv)
{
	struct irqs irqs = {0};

	if (argp_parse(&argp, argc, argv, 0, NULL, &irqs))
		return TOOL_USAGE;
	if (irqs.watch && irqs.watch_s <= 0)
		irqs.watch_s = WATCH_DEFAULT_S;
	if (irqs.device_arg) {
		if (udrv__device_name(irqs.device_arg, irqs.name, sizeof(irqs.name)))
			return TOOL_USAGE;
		irqs.device = irqs.name;
	}
	return run(&irqs);
}
