// SPDX-License-Identifier: GPL-2.0-or-later
#include "args.h"

#include <stdlib.h>

bool args_parse_seconds(const char *text, double least, double most, double *seconds)
{
	char *end;

	*seconds = strtod(text, &end);
	return end != text && !*end && *seconds >= least && *seconds <= most;
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
