// SPDX-License-Identifier: GPL-2.0-or-later
/* udrv bench: how long an interrupt takes to reach a driver, in the kernel and out of it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "bench/bench.h"
#include "bench/options.h"
#include "driver/daemon.h"
#include "tool.h"

/* What was measured is shown and kept also when not all of it could be. */
static int show(const struct bench_result *result)
{
	const struct bench_settings *s = &result->settings;
	int ret;

	if (!result->row_count)
		return 0;
	bench_report(result);
	ret = udrv__streams_write("", 0);
	if (s->json && bench_json_write(result, s->json))
		ret = -EIO;
	if (s->plot && bench_plot(result, s->plot))
		ret = -EIO;
	return ret;
}

static int run_irq(int argc, char **argv)
{
	struct bench_result result = {0};
	int ret = bench_options(&result.settings, argc, argv), stopped, shown;

	if (ret)
		return ret;
	if (bench_prepare(&result))
		return TOOL_FAILED;
	bench_signals_begin();
	ret = bench_irq(&result);
	stopped = bench_signals_end();
	if (stopped)
		tool_err("stopped by %s", strsignal(stopped));
	shown = show(&result);
	bench_result_free(&result);
	if (stopped)
		return 128 + stopped;
	return ret || shown ? TOOL_FAILED : TOOL_OK;
}

struct plot {
	const char *json;
	struct bench_settings settings;
};

static error_t parse_plot(int key, char *arg, struct argp_state *state)
{
	struct plot *plot = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (state->arg_num > 1)
			argp_error(state, "only one JSON and one PICTURE");
		if (state->arg_num)
			return bench_set_plot(&plot->settings, "PICTURE", arg);
		plot->json = arg;
		return 0;
	case ARGP_KEY_END:
		if (state->arg_num < 2)
			argp_error(state, "which JSON, and which PICTURE?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp plot_argp = {
	.parser = parse_plot,
	.args_doc = "JSON PICTURE",
	.doc = "Draw the distributions in a file of `udrv bench irq --json`, by gnuplot.\v"
	       "PICTURE ends in .png or .svg.",
};

static int run_plot(int argc, char **argv)
{
	struct plot plot = {0};
	struct bench_result result;
	void *owner;
	int ret;

	if (argp_parse(&plot_argp, argc, argv, 0, NULL, &plot))
		return TOOL_USAGE;
	if (bench_json_read(plot.json, &result, &owner))
		return TOOL_FAILED;
	ret = bench_check_file("PICTURE", plot.settings.plot);
	if (!ret)
		ret = bench_plot(&result, plot.settings.plot);
	bench_result_free(&result);
	bench_json_release(owner);
	return ret ? TOOL_FAILED : TOOL_OK;
}

struct choice {
	int (*run)(int argc, char **argv);
	int at; /* in argv */
};

static error_t parse_choice(int key, char *arg, struct argp_state *state)
{
	struct choice *choice = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (!strcmp(arg, "irq"))
			choice->run = run_irq;
		else if (!strcmp(arg, "plot"))
			choice->run = run_plot;
		else
			argp_error(state, "no benchmark '%s': there are irq and plot", arg);
		choice->at = state->next - 1;
		/* What follows is its own. */
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which benchmark? irq or plot");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp choice_argp = {
	.parser = parse_choice,
	.args_doc = "irq [OPTION...] [DEVICE]\nplot JSON PICTURE",
	.doc = "Compare interrupt latency with the kernel's own drivers, or draw what was "
	       "measured.\v"
	       "`udrv bench irq --help` and `udrv bench plot --help` show more.",
};

int cmd_bench(int argc, char **argv)
{
	struct choice choice = {0};
	char name[64];

	if (argp_parse(&choice_argp, argc, argv, ARGP_IN_ORDER, NULL, &choice))
		return TOOL_USAGE;
	(void)snprintf(name, sizeof(name), "%s %s", argv[0], argv[choice.at]);
	argv[choice.at] = name;
	args_take_h(argc - choice.at, argv + choice.at);
	return choice.run(argc - choice.at, argv + choice.at);
}
