/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udrv bind and udrv unbind, without their command lines. */
#ifndef BIND_H
#define BIND_H

#include <stdbool.h>
#include <stddef.h>

#include <udrv/pci_info.h>

#include "drivers.h"
#include "remember.h"

#define BIND_DEFAULT_DRIVER DRIVER_VFIO

enum bind_outcome {
	BIND_NOT_TRIED,
	BIND_WOULD, /* --dry-run */
	BIND_DONE,
	BIND_ALREADY,
	BIND_FAILED,
	BIND_UNDONE, /* done, and undone because another device of the same command failed */
};

struct bind_options {
	const char *driver;
	bool force;
	bool dry_run;
};

struct bind_job {
	struct udrv_pci_info info;    /* as found, before anything is done */
	struct remembered remembered; /* likewise, when there was something */
	bool was_remembered;
	enum bind_outcome outcome;
	char former[64]; /* bind: the driver it had; unbind: the one it has now; or "" */
};

/*
 * Bind all or none. Nothing is changed when a check fails; when a device fails, those bound before
 * it are put back. Explains what is wrong. 0 or a negative errno.
 */
int bind_devices(struct bind_job *jobs, size_t count, const struct bind_options *options);

/* Give each device back what it had; one that fails does not keep the others from it. */
int unbind_devices(struct bind_job *jobs, size_t count, bool force);

const char *bind_outcome_name(enum bind_outcome outcome);

/* Checks, each explained: 0 or a negative errno. */
#define BIND_OR_FORCE ", or use --force"
/* @what: "binding drivers". */
int bind_check_access(const char *what);
/* @otherwise: what else can be done about it, BIND_OR_FORCE or "". */
int bind_check_free(const struct udrv_pci_info *info, const char *otherwise);
int bind_check_all(const struct bind_job *jobs, size_t count, const struct bind_options *options);

#endif
