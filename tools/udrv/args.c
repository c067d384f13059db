// SPDX-License-Identifier: GPL-2.0-or-later
#include "args.h"

#include <stdlib.h>
#include <string.h>

double args_parse_seconds(const char *text, double least, double most, struct argp_state *state)
{
	char *end;
	const double seconds = strtod(text, &end);

	if (end == text || *end || !(seconds >= least && seconds <= most))
		argp_error(state, "%s: not seconds from %g to %g", text, least, most);
	return seconds;
}

void args_take_h(int argc, char **argv)
{
	static char help[] = "--help";

	if (argc > 1 && !strcmp(argv[1], "-h"))
		argv[1] = help;
}

error_t device_args_parse(struct device_args *args, int key, struct argp_state *state)
{
	switch (key) {
	case 'j':
		args->json = true;
		return 0;
	case ARGP_KEY_ARGS:
		args->devices = state->argv + state->next;
		args->count = (size_t)(state->argc - state->next);
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which DEVICE?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}
