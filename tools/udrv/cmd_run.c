// SPDX-License-Identifier: GPL-2.0-or-later
/* udrv run DRIVER DEVICE ...: becomes the driver's own program. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"
#include "tool.h"

static void usage(FILE *out)
{
	(void)fprintf(out, "Usage: udrv run DRIVER DEVICE [OPTION...] [NAME=VALUE...]\n\n"
			   "Drive DEVICE by the program udrv-DRIVER, beside udrv or on PATH, until SIGTERM.\n"
			   "`udrv run DRIVER --help` shows the options and the driver's parameters.\n");
}

/* The program's arguments: its name, "run", and what followed the driver. */
static int become(const char *driver, int argc, char **argv)
{
	static char run[] = "run";
	char **args = calloc((size_t)argc + 3, sizeof(*args));
	int ret;

	if (!args) {
		tool_err("out of memory");
		return TOOL_FAILED;
	}
	args[1] = run;
	for (int i = 0; i < argc; i++)
		args[i + 2] = argv[i];
	ret = program_exec(driver, args);
	free(args);
	if (ret == -ENOENT)
		tool_err("no driver '%s': there is no program udrv-%s beside udrv or on PATH",
			 driver, driver);
	else
		tool_err("cannot run udrv-%s: %s", driver, strerror(-ret));
	return TOOL_FAILED;
}

int cmd_run(int argc, char **argv)
{
	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		usage(stdout);
		return TOOL_OK;
	}
	if (argc < 2 || argv[1][0] == '-') {
		tool_err("which driver? e.g. udrv run edu 0000:00:05.0");
		return TOOL_USAGE;
	}
	return become(argv[1], argc - 2, argv + 2);
}
