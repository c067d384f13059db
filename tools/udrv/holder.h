/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who has a device's lock. */
#ifndef HOLDER_H
#define HOLDER_H

#include <stdbool.h>
#include <sys/types.h>

#include <udrv/device.h>

struct holder {
	char device[UDRV_DEVICE_NAME_MAX];
	char program[64]; /* "udrv-edu" */
	bool waiting;	  /* for its device */
	pid_t pid;
	int pidfd;
};

/*
 * Find who has the lock of @device in the run-time directory. 0: @h->pidfd is the caller's;
 * -ESRCH: nobody; other negative errno. Says nothing.
 */
int holder_find(struct holder *h, const char *device);
/* The driver whose daemon it is, "edu"; NULL: it is none, but a verb. */
const char *holder_driver(const struct holder *h);

#endif
