// SPDX-License-Identifier: GPL-2.0-or-later
/* udrv run DRIVER DEVICE ...: becomes the driver's own program. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"
#include "tool.h"

static void usage(void)
{
	char drivers[512];

	printf("Usage: udrv run DRIVER DEVICE [OPTION...] [NAME=VALUE...]\n\n"
	       "Drive DEVICE by the program udrv-DRIVER, beside udrv or on PATH, until SIGTERM.\n"
	       "`udrv run DRIVER --help` shows the options and the driver's parameters.\n");
	if (program_list(drivers, sizeof(drivers))[0])
		printf("\nDrivers: %s.\n", drivers);
}

static int which_driver(void)
{
	char drivers[512];

	if (program_list(drivers, sizeof(drivers))[0])
		tool_err("which driver? There are: %s; e.g. udrv run edu 0000:00:05.0", drivers);
	else
		tool_err("which driver? There is no program udrv-DRIVER beside udrv or on PATH");
	return TOOL_USAGE;
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
	if (ret != -ENOENT) {
		tool_err("cannot run udrv-%s: %s", driver, strerror(-ret));
		return TOOL_FAILED;
	}
	tool_err("no driver '%s': there is no program udrv-%s beside udrv or on PATH; "
		 "`udrv run --help` lists those there are",
		 driver, driver);
	return TOOL_USAGE;
}

int cmd_run(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--help")) {
		usage();
		return TOOL_OK;
	}
	if (argc < 2 || argv[1][0] == '-') {
		return which_driver();
	}
	return become(argv[1], argc - 2, argv + 2);
}
