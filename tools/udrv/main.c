// SPDX-License-Identifier: GPL-2.0-or-later
/* udrv VERB ...: a table of verbs, and programs called udrv-VERB for the rest. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "driver/daemon.h"
#include "program.h"
#include "tool.h"

static const struct verb {
	const char *name;
	const char *summary;
	int (*run)(int argc, char **argv);
} verbs[] = {
#define VERB(name, summary) {#name, summary, cmd_##name},
#include "verbs.h"
#undef VERB
};

#define VERB_COUNT (sizeof(verbs) / sizeof(verbs[0]))

static int print_help(void)
{
	char drivers[512];

	printf("Usage: udrv VERB [ARGUMENT...]\n\n"
	       "Drive PCI devices from user space.\n\n");
	for (size_t i = 0; i < VERB_COUNT; i++)
		printf("  %-8s %s\n", verbs[i].name, verbs[i].summary);
	printf("  %-8s %s\n", "help", "explain a verb, as `udrv VERB --help` does");
	if (program_list(drivers, sizeof(drivers))[0])
		printf("\nDrivers: %s.\n", drivers);
	printf("\nAny other VERB runs the program udrv-VERB, beside udrv or on PATH.\n"
	       "DEVICE is a PCI address such as 0000:00:05.0 or 00:05.0.\n"
	       "Exit status: 0 done, 1 failed, 2 wrong usage.\n");
	return TOOL_OK;
}

/* Become udrv-VERB. Returns only when there is none, or it cannot run. */
static int run_program(char **argv)
{
	const char *verb = argv[0];
	int ret = program_exec(verb, argv);

	if (ret != -ENOENT) {
		tool_err("cannot run udrv-%s: %s", verb, strerror(-ret));
		return TOOL_FAILED;
	}
	tool_err("no verb '%s'; `udrv --help` lists them", verb);
	return TOOL_USAGE;
}

/* argv[0] is the verb. */
static int run_verb(int argc, char **argv)
{
	char full_name[64];

	for (size_t i = 0; i < VERB_COUNT; i++) {
		if (strcmp(argv[0], verbs[i].name) != 0)
			continue;
		(void)snprintf(full_name, sizeof(full_name), "udrv %s", verbs[i].name);
		argv[0] = full_name;
		args_take_h(argc, argv);
		return verbs[i].run(argc, argv);
	}
	return run_program(argv);
}

static int help(char *verb)
{
	char option[] = "--help";
	char *argv[] = {verb, option, NULL};

	return verb ? run_verb(2, argv) : print_help();
}

static int dispatch(int argc, char **argv)
{
	if (argc < 2) {
		tool_err("no verb; `udrv --help` lists them");
		return TOOL_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return print_help();
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		printf("udrv %s\n", UDRV_VERSION);
		return TOOL_OK;
	}
	if (!strcmp(argv[1], "help"))
		return help(argv[2]);
	return run_verb(argc - 1, argv + 1);
}

/* At exit, as argp, whose help is printed, too, ends the program itself. */
static void end(void)
{
	if (udrv__streams_end(TOOL_OK))
		_exit(TOOL_FAILED);
}

int main(int argc, char **argv)
{
	static char name[] = "udrv";
	int status;

	argp_err_exit_status = TOOL_USAGE;
	udrv_log_set(udrv_log_stderr, name, UDRV_LOG_NOTICE);
	status = udrv__streams_begin();
	(void)atexit(end);
	return status ? status : dispatch(argc, argv);
}
