/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stopping the daemon of a device. */
#ifndef STOP_H
#define STOP_H

#include <stdbool.h>
#include <sys/types.h>

#include <udrv/device.h>

/* Who has the device's lock. */
struct stop_holder {
	char device[UDRV_DEVICE_NAME_MAX];
	char program[64]; /* "udrv-edu" */
	bool waiting;	  /* for its device */
	pid_t pid;
	int pidfd;
	double timeout_s; /* of all that follows */
	long long end_ms; /* CLOCK_MONOTONIC, when that is over */
};

/* Each explains failures; 0 or negative errno. */

/* -ESRCH: nobody has it. The holder's pidfd is the caller's. */
int stop_find(struct stop_holder *h, const char *device, double timeout_s);
/* May we, and does nobody use its disks (unless @force)? Who is starting says so first. */
int stop_check(const struct stop_holder *h, bool force);
/* SIGTERM, and wait until the process has ended. -ETIMEDOUT: it has not. */
int stop_end(const struct stop_holder *h);

#endif
