/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a function was like before `udrv bind`: a file each in /run/udrv/bind. */
#ifndef REMEMBER_H
#define REMEMBER_H

#include <udrv/pci_info.h>

struct remembered {
	char driver[64];   /* before, or "" */
	char override[64]; /* before, or "" */
	char bound[64];	   /* what udrv bound it to */
	char id[64];	   /* "8086:10d3": another device may come to the same address */
};

/*
 * Each call goes only to folders and files that are root's or this user's, and that nobody else may
 * write: -EPERM otherwise.
 */

/* Written completely or not at all; the id is @info's. 0 or a negative errno. */
int remember_save(const struct udrv_pci_info *info, const struct remembered *r);

/*
 * 0, or -ENOENT when udrv did not bind this function: also when what is remembered is about
 * another device or the function has since gone to a third driver. -EIO: not in our form.
 */
int remember_load(const struct udrv_pci_info *info, struct remembered *r);

/* 0, also when there is nothing to forget. */
int remember_forget(const char *name);

/* What to tell the user about a failure of these. */
const char *remember_strerror(int err);

#endif
