// SPDX-License-Identifier: GPL-2.0-or-later
#include "stats.h"
#include "tool.h"

static int read_stats(void *stats, const struct show *show)
{
	return stats_read(stats, show->device);
}

static int read_all(void *stats, const struct show *show)
{
	return stats_read_all(stats, show->device);
}

static void free_stats(void *stats)
{
	stats_free(stats);
}

static size_t count_daemons(const void *stats)
{
	return ((const struct stats *)stats)->count;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	return show_parse(state->input, key, arg, state);
}

int stats_verb_run(const struct stats_verb *verb, int argc, char **argv)
{
	static const struct argp_option options[] = {SHOW_OPTIONS, {0}};
	const struct argp argp = {
		.options = options,
		.parser = parse_option,
		.args_doc = "[DEVICE]",
		.doc = verb->doc,
	};
	const struct show_verb shown = {
		.size = sizeof(struct stats),
		.read = verb->waiting ? read_all : read_stats,
		.free = free_stats,
		.daemons = count_daemons,
		.print = verb->print,
		.json = verb->json,
	};
	struct show show = {.arg_is = "DEVICE"};
	int status;

	if (argp_parse(&argp, argc, argv, 0, NULL, &show))
		return TOOL_USAGE;
	status = show_set_out(&show, false);
	return status ? status : show_run(&show, &shown);
}
