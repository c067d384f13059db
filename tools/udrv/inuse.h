/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who would miss a PCI function if its driver let go of it. */
#ifndef INUSE_H
#define INUSE_H

#include <stdbool.h>
#include <stddef.h>

#include <udrv/pci_info.h>

#define INUSE_MAX 16

enum inuse_kind {
	INUSE_MOUNT,  /* a file system on a disk of this function is mounted */
	INUSE_SWAP,   /* it is swapped to */
	INUSE_HOLDER, /* device mapper, md or the like is built upon it */
	INUSE_NETIF,  /* a network interface is up */
	INUSE_OPEN,   /* a process has a device node open */
	INUSE_CLAIM,  /* nothing of these, and yet the kernel does not give a disk of it away */
};

struct inuse_reason {
	enum inuse_kind kind;
	int pid;	/* INUSE_OPEN: who; otherwise 0 */
	char brief[48]; /* for a table: "eth0 up" */
	char text[256]; /* for a message: "network interface eth0 is up" */
};

struct inuse {
	struct inuse_reason reason[INUSE_MAX];
	size_t count; /* further reasons beyond INUSE_MAX are left out */
};

/* Processes of other users can only be looked into by root. 0 or a negative errno. */
int inuse_find(struct inuse *inuse, const struct udrv_pci_info *info);
/*
 * Likewise, and INUSE_CLAIM, for which its disks are taken for a moment if there is no other
 * reason: whoever mounts one just then is refused. For those who are about to take it themselves.
 */
int inuse_find_all(struct inuse *inuse, const struct udrv_pci_info *info);

/* Likewise who would miss a block device, such as "ublkb0", or a partition of it. */
int inuse_find_disk(struct inuse *inuse, const char *name);
/* The first reason that is a process of udrv, which `udrv stop` ends; or NULL. */
const struct inuse_reason *inuse_by_daemon(const struct inuse *inuse);
/* The texts of all reasons, with ", " between, as far as there is room. */
void inuse_describe(const struct inuse *inuse, char *text, size_t size);

/*
 * Takes a block device for itself alone, and gives it back: 0 or negative errno, -EBUSY if somebody
 * has it so. May hang with the disk. A test puts itself in between.
 */
extern int (*inuse_take)(const char *path);

const char *inuse_kind_name(enum inuse_kind kind);

#endif
