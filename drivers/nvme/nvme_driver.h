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

/* nvme_disks.c: a block device for each namespace that can be one; 0 or negative errno. */
int nvme_disks_add(struct nvme_driver *driver);
/* Say what has become of them: their size stays what it was at first. Any thread. */
void nvme_disks_check(struct nvme_driver *driver);
/* Say so if the namespace is no disk and could be one. */
void nvme_disks_look_for_new(struct nvme_driver *driver, uint32_t nsid);
void nvme_disks_del(struct nvme_driver *driver);

#endif
