// SPDX-License-Identifier: GPL-2.0-or-later
/* udrv unbind: give devices back to the drivers they had. */
#include <stdio.h>

#include "jobs.h"

struct settings {
	bool force;
	bool json;
	char **devices;
	size_t count;
};

static void print_jobs(const struct jobs *jobs)
{
	for (size_t i = 0; i < jobs->count; i++) {
		const struct bind_job *job = &jobs->job[i];

		if (job->outcome != BIND_DONE)
			continue;
		if (job->former[0])
			printf("%s: bound to %s again\n", job->info.name, job->former);
		else
			printf("%s: without a driver again\n", job->info.name);
	}
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct settings *settings = state->input;

	(void)arg;
	switch (key) {
	case 'f':
		settings->force = true;
		return 0;
	case 'j':
		settings->json = true;
		return 0;
	case ARGP_KEY_ARGS:
		settings->devices = state->argv + state->next;
		settings->count = (size_t)(state->argc - state->next);
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which DEVICE?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
	{"force", 'f', NULL, 0, "even when in use, or when the former driver is no longer there",
	 0},
	{"json", 'j', NULL, 0, "print an array of objects", 0},
	{0},
};

static const struct argp argp = {
	.options = options,
	.parser = parse_option,
	.args_doc = "DEVICE...",
	.doc = "Give PCI devices back to the drivers they had before `udrv bind`.",
};

int cmd_unbind(int argc, char **argv)
{
	struct settings settings = {0};
	struct jobs jobs;
	int status;

	if (argp_parse(&argp, argc, argv, 0, NULL, &settings))
		return TOOL_USAGE;
	status = jobs_read(&jobs, settings.devices, settings.count);
	if (status == TOOL_OK) {
		if (unbind_devices(jobs.job, jobs.count, settings.force))
			status = TOOL_FAILED;
		if (settings.json)
			status |= tool_print_json(jobs_json(&jobs, "driver"));
		else
			print_jobs(&jobs);
	}
	jobs_free(&jobs);
	return status;
}
