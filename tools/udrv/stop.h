/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stopping the daemon of a device. */
#ifndef STOP_H
#define STOP_H

#include <stdbool.h>

#include "holder.h"

struct stop {
	struct holder holder; /* to be stopped */
	double timeout_s;     /* of all that follows */
	long long end_ms;     /* CLOCK_MONOTONIC, when that is over */
};

/* Each explains failures; 0 or negative errno. */

/* -ESRCH: nobody has it. The holder's pidfd is the caller's. */
int stop_find(struct stop *s, const char *device, double timeout_s);
/* May we, and does nobody use its disks (unless @force)? Who is starting says so first. */
int stop_check(const struct stop *s, bool force);
/* SIGTERM, and wait until the process has ended. -ETIMEDOUT: it has not. */
int stop_end(const struct stop *s);

#endif
