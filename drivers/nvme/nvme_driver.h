/* SPDX-License-Identifier: MIT */
/* The driver: a controller, and its namespaces as block devices. */
#ifndef NVME_DRIVER_H
#define NVME_DRIVER_H

#include <udrv/block.h>
#include <udrv/driver.h>

#include "nvme.h"

struct nvme_disk;

struct nvme_driver {
	struct udrv_nvme *nvme;
	struct nvme_disk *disks;
	enum udrv_nvme_completion completion; /* of the disks' queues */
};

extern const struct udrv_driver nvme_driver;

/* nvme_block.c: a block device for each namespace that can be one; 0 or negative errno. */
int nvme_disks_add(struct nvme_driver *driver);
void nvme_disks_del(struct nvme_driver *driver);

#endif
