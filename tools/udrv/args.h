/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What verbs have in common on their command lines. */
#ifndef ARGS_H
#define ARGS_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>

/* A whole text that is a number of seconds, from @least to @most; ends the program if it is not. */
double args_parse_seconds(const char *text, double least, double most, struct argp_state *state);

/* -h right behind the verb, argv[0], is --help, for which argp has no letter but '?'. */
void args_take_h(int argc, char **argv);

/* DEVICE... and --json. */
struct device_args {
	char **devices; /* at least one */
	size_t count;
	bool json; /* option 'j' */
};

/* For a parser's default case. */
error_t device_args_parse(struct device_args *args, int key, struct argp_state *state);

#endif
