// SPDX-License-Identifier: GPL-2.0-or-later
/* udrv stop: end the daemon that drives a device. */
#include <stdio.h>
#include <unistd.h>

#include "args.h"
#include "stop.h"
#include "tool.h"

#define TIMEOUT_DEFAULT_S 30
#define TIMEOUT_MAX_S	  86400

struct settings {
	const char *device;
	double timeout_s;
	bool force;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct settings *settings = state->input;

	switch (key) {
	case 'f':
		settings->force = true;
		return 0;
	case 't':
		settings->timeout_s = args_parse_seconds(arg, 0, TIMEOUT_MAX_S, state);
		return 0;
	case ARGP_KEY_ARG:
		if (settings->device)
			argp_error(state, "only one DEVICE");
		settings->device = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which DEVICE? `udrv ps` shows the daemons that run");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
	{"timeout", 't', "SECONDS", 0, "wait so long for its end, 30 unless told otherwise", 0},
	{"force", 'f', NULL, 0, "even when its disk is in use", 0},
	{0},
};

static const struct argp argp = {
	.options = options,
	.parser = parse_option,
	.args_doc = "DEVICE",
	.doc = "Stop the daemon that drives a device, by SIGTERM, and wait until it has ended.\v"
	       "A daemon whose disk (/dev/ublkbN) is mounted or otherwise in use is left alone.",
};

int cmd_stop(int argc, char **argv)
{
	struct settings settings = {.timeout_s = TIMEOUT_DEFAULT_S};
	char device[UDRV_DEVICE_NAME_MAX];
	struct stop stop;
	int ret;

	if (argp_parse(&argp, argc, argv, 0, NULL, &settings))
		return TOOL_USAGE;
	ret = tool_device_name(settings.device, device);
	if (ret)
		return ret;
	if (stop_find(&stop, device, settings.timeout_s))
		return TOOL_FAILED;
	ret = stop_check(&stop, settings.force);
	if (!ret)
		ret = stop_end(&stop);
	close(stop.holder.pidfd);
	if (ret)
		return TOOL_FAILED;
	printf("%s: stopped (%s, pid %d)\n", stop.holder.device, stop.holder.program,
	       (int)stop.holder.pid);
	return TOOL_OK;
}
