// SPDX-License-Identifier: GPL-2.0-or-later
/* udrv unbind: give devices back to the drivers they had. */
#include <stdio.h>

#include "args.h"
#include "jobs.h"

struct settings {
	bool force;
	struct device_args args;
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
	default:
		return device_args_parse(&settings->args, key, state);
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
	status = jobs_read(&jobs, settings.args.devices, settings.args.count);
	if (status == TOOL_OK) {
		if (unbind_devices(jobs.job, jobs.count, settings.force))
			status = TOOL_FAILED;
		if (settings.args.json)
			status |= tool_print_json(jobs_json(&jobs, "driver"));
		else
			print_jobs(&jobs);
	}
	jobs_free(&jobs);
	return status;
}
