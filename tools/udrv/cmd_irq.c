// SPDX-License-Identifier: GPL-2.0-or-later
/* udrv irq set: how vectors are served, changed by the daemon that drives the device. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/device.h>

#include "args.h"
#include "driver/daemon.h"
#include "stats.h"
#include "tool.h"

static void usage(void)
{
	(void)printf("Usage: udrv irq set DEVICE VECTORS OPTION...\n\n"
		     "Change how interrupt vectors are served, while they are; no interrupt "
		     "is lost.\n"
		     "VECTORS is a number, a range such as 0-63, or all.\n\n"
		     "  wait=NAME       read, epoll, uring, uring-read, spin or adaptive\n"
		     "  priority=N      SCHED_FIFO 1 to 99, 0 for SCHED_OTHER\n"
		     "  cpu=N|home|any  a CPU, the one that takes the interrupt, or all\n"
		     "  affinity=N      the CPU that takes the interrupt\n"
		     "  share=N|own     the worker of vector N, or one of its own\n"
		     "  storm=N|none    at most so many interrupts per second\n\n"
		     "wait=, priority= and cpu= belong to a worker: of vectors that share one "
		     "they change together.\n"
		     "`udrv irqs` shows the vectors.\n");
}

/* The driver whose daemon has the device. */
static int find_driver(const char *device, char *driver, size_t size)
{
	struct stats stats;
	int status = TOOL_FAILED;

	if (stats_read(&stats, device))
		return TOOL_FAILED;
	if (!stats.count) {
		tool_err("%s: no daemon drives it; start one: udrv run DRIVER %s", device, device);
	} else {
		(void)snprintf(driver, size, "%s", stats.daemon[0].header.driver);
		status = TOOL_OK;
	}
	stats_free(&stats);
	return status;
}

/* argv: DEVICE VECTORS OPTION... */
static int set(int argc, char **argv)
{
	static char verb[] = UDRV__VERB_IRQ_SET;
	char device[UDRV_DEVICE_NAME_MAX];
	char name[64];
	int status = tool_device_name(argv[0], device);

	if (status)
		return status;
	if (find_driver(device, name, sizeof(name)))
		return TOOL_FAILED;
	argv[0] = verb;
	return udrv__client_set(name, device, argc, argv);
}

int cmd_irq(int argc, char **argv)
{
	const bool set_follows = argc > 1 && !strcmp(argv[1], "set");
	char **const rest = argv + 1 + set_follows;

	args_take_h(argc - set_follows, argv + set_follows);
	if (*rest && !strcmp(*rest, "--help")) {
		usage();
		return TOOL_OK;
	}
	if (argc < 5 || !set_follows) {
		tool_err("what should be set? e.g. udrv irq set 0000:00:05.0 0 wait=uring");
		return TOOL_USAGE;
	}
	return set(argc - 2, rest);
}
