// SPDX-License-Identifier: MIT
/* The program udrv-<name>: `run` is the daemon, every other word a verb for the running one. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/log.h>

#include "driver/daemon.h"

#define STATUS_HELP "which device, since when, by which process"

static char program[64];

void udrv__log_to_stderr(const struct udrv_driver *drv, int max_level)
{
	(void)snprintf(program, sizeof(program), "udrv-%s", drv->name);
	udrv_log_set(udrv_log_stderr, program, max_level);
}

static const char *words_of(const struct udrv_verb *v)
{
	return v->args ? v->args : "";
}

static void usage(const struct udrv_driver *drv, FILE *out)
{
	(void)fprintf(
		out,
		"%s%s%s\n\n"
		"Usage: %s run DEVICE [OPTION...] [NAME=VALUE...]   the daemon (--help for more)\n"
		"       %s [--device DEVICE] VERB [ARGUMENT...]     ask the running daemon\n\n"
		"Verbs; with a * also on a device that no daemon drives:\n",
		program, drv->description ? ": " : "", drv->description ? drv->description : "",
		program, program);
	for (const struct udrv_verb *v = drv->verbs; v && v->name; v++) {
		char call[64];

		(void)snprintf(call, sizeof(call), "%s %s", v->name, words_of(v));
		(void)fprintf(out, "%c %-32s %s\n", v->flags & UDRV_VERB_FREE_DEVICE ? '*' : ' ',
			      call, v->help);
	}
	(void)fprintf(out, "  %-32s %s\n", UDRV__VERB_STATUS, STATUS_HELP);
}

static const struct udrv_verb *find_verb(const struct udrv_driver *drv, const char *word)
{
	for (const struct udrv_verb *v = drv->verbs; v && v->name; v++)
		if (!strcmp(v->name, word))
			return v;
	return NULL;
}

static bool asks_for_help(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return true;
	return false;
}

static int verb_usage(const struct udrv_verb *v)
{
	static char name[] = "help", help[] = "--help";
	char *words[] = {name, help, NULL};

	(void)printf("Usage: %s [--device DEVICE] %s %s\n\n%s\n", program, v->name, words_of(v),
		     v->help);
	if (v->flags & UDRV_VERB_OPTIONS) {
		(void)printf("\n");
		(void)v->run(NULL, 2, words, stdout, stdout);
	}
	return EXIT_SUCCESS;
}

static int call(const struct udrv_driver *drv, const char *device, int argc, char **argv)
{
	static const struct udrv_verb status = {.name = UDRV__VERB_STATUS, .help = STATUS_HELP};
	const struct udrv_verb *v = argc ? find_verb(drv, argv[0]) : NULL;
	char name[UDRV_DEVICE_NAME_MAX];
	int ret;

	if (!argc) {
		usage(drv, stderr);
		return UDRV__EXIT_USAGE;
	}
	if (!v && !strcmp(argv[0], status.name))
		v = &status;
	if (!v) {
		udrv_pr_err("'%s' is not a verb; see '%s --help'", argv[0], program);
		return UDRV__EXIT_USAGE;
	}
	if (asks_for_help(argc, argv))
		return verb_usage(v);
	if (v == &status && argc > 1) {
		udrv_pr_err("status: %s: it takes no arguments", argv[1]);
		return EXIT_FAILURE;
	}
	ret = device ? udrv__device_name(device, name, sizeof(name)) : 0;
	if (ret)
		return ret == -EINVAL ? UDRV__EXIT_USAGE : EXIT_FAILURE;
	return udrv__client_call(drv, v, device ? name : NULL, argc, argv);
}

static int obey(const struct udrv_driver *drv, int argc, char **argv)
{
	static const struct option longs[] = {
		{"device", required_argument, NULL, 'D'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	const char *device = NULL;
	int c;

	if (argc > 1 && !strcmp(argv[1], "run"))
		return udrv__run(drv, argc - 1, argv + 1);
	opterr = 0;
	/* '+': what follows the verb is the verb's. */
	while ((c = getopt_long(argc, argv, "+h", longs, NULL)) != -1) {
		switch (c) {
		case 'D':
			device = optarg;
			break;
		case 'h':
			usage(drv, stdout);
			return EXIT_SUCCESS;
		case 'V':
			(void)printf("%s (udrv %s)\n", program, UDRV_VERSION);
			return EXIT_SUCCESS;
		default:
			udrv_pr_err("%s: unknown option, or without its value; see '%s --help'",
				    argv[optind - 1], program);
			return UDRV__EXIT_USAGE;
		}
	}
	return call(drv, device, argc - optind, argv + optind);
}

int udrv_driver_main(const struct udrv_driver *drv, int argc, char **argv)
{
	int status;

	udrv__log_to_stderr(drv, UDRV_LOG_INFO);
	status = udrv__streams_begin();
	return udrv__streams_end(status ? status : obey(drv, argc, argv));
}
