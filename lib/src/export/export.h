/* SPDX-License-Identifier: MIT */
/* What a daemon offers to the system: block devices and network cards that its driver has added. */
#ifndef UDRV_SRC_EXPORT_H
#define UDRV_SRC_EXPORT_H

#include <udrv/block.h>
#include <udrv/device.h>

#define UDRV__EXPORTS_MAX 64
#define UDRV__TAPS_MAX	  16

/* What the command line asks for. */
struct udrv__export_options {
	bool ublk;
	int ublk_id; /* of the first /dev/ublkbN, or -1: the kernel chooses */
	const char
		*nbd; /* an address, see nbd.h; NULL: none. In nbdkit's process: the one it has. */
	const char *tap; /* the name of an interface, maybe with %d; NULL: none */
};

struct udrv__block_sync;
struct udrv__tap;
struct udrv_net_device;
struct udrv__ublk;

/* Those that are started; entries of what is gone are NULL. */
struct udrv__exports {
	unsigned int count; /* entries that may be used */
	bool started;	    /* all of them, once */
	int ended_fd;	    /* readable when one has ended by itself; -1 if there is none */
	struct udrv_block *block[UDRV__EXPORTS_MAX];
	struct udrv__ublk *ublk[UDRV__EXPORTS_MAX];
	struct udrv__block_sync *nbd[UDRV__EXPORTS_MAX]; /* the plugin asks them */
	struct udrv_net_device *card[UDRV__TAPS_MAX];	 /* NULL: none */
	struct udrv__tap *tap[UDRV__TAPS_MAX];		 /* of it */
	struct udrv_device *dev;
	struct udrv__export_options options;
};

/* export_net.c: the network cards of them. 0 or negative errno, explained, with none started. */
int udrv__exports_start_taps(struct udrv__exports *x);
void udrv__exports_stop_taps(struct udrv__exports *x);

/*
 * After probe(), from the daemon's main thread. 0 or negative errno, explained, with nothing
 * started: -ENOENT if there is nothing to export. Until the end it follows what the driver adds,
 * resizes and deletes, in the driver's threads: udrv__block_changes_hold() keeps that off.
 */
int udrv__exports_start(struct udrv__exports *x, struct udrv_device *dev,
			const struct udrv__export_options *o);
/* Before remove(). Nothing asks the driver's queues for anything any more when it returns. */
void udrv__exports_stop(struct udrv__exports *x);

#endif
