/* SPDX-License-Identifier: MIT */
/* The driver: a controller, and its namespaces as block devices. */
#ifndef NVME_DRIVER_H
#define NVME_DRIVER_H

#include <pthread.h>

#include <udrv/block.h>
#include <udrv/driver.h>

#include "nvme.h"

struct nvme_disk;

struct nvme_driver {
	struct udrv_nvme *nvme;
	pthread_mutex_t disks_lock; /* the list, and what is done about changes */
	struct nvme_disk *disks;
	struct nvme_skipped *skipped; /* namespaces of which the log says that they are none */
	enum udrv_nvme_completion completion; /* of the disks' queues */
};

extern const struct udrv_driver nvme_driver;

/* nvme_disks.c: a block device for each namespace that can be one; 0 or negative errno. */
int nvme_disks_add(struct nvme_driver *driver);
/*
 * Namespaces may have come, gone, changed their size, or made way for others: so do the disks. A
 * thread that may block and is no queue's.
 */
void nvme_disks_follow(struct nvme_driver *driver);
void nvme_disks_del(struct nvme_driver *driver);

#endif
