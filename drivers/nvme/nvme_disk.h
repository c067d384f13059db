/* SPDX-License-Identifier: MIT */
/* A namespace as a block device, shared by the files of the driver. */
#ifndef NVME_DISK_H
#define NVME_DISK_H

#include "nvme_driver.h"

#define NVME_DISK_ENTRIES 256u /* of a queue */

struct nvme_disk {
	struct udrv_block block;
	struct nvme_driver *driver;
	const struct udrv_nvme_ns *ns;
	bool deac;	 /* Write Zeroes deallocates if it is asked to, and zeroes are read then */
	uint64_t blocks; /* as they are exported */
	unsigned int holders; /* the list, and open queues; atomic */
	uint64_t failed;      /* requests, by the controller's word; atomic */
	struct nvme_disk *next;
};

/* What the disks of a controller have in common. */
struct nvme_disks_common {
	struct udrv_nvme_info info;
	unsigned int queues;	      /* of each */
	struct nvme_id_ctrl_nvm *nvm; /* or NULL: it is not told */
};

/* nvme_disks.c: one holder less, the last one frees it. */
void nvme_disk_put(struct nvme_disk *disk);

/* nvme_block.c */
extern const struct udrv_block_ops nvme_disk_ops;

/* nvme_limits.c: what can be asked for, by what the controller says; disk->ns is set. */
void nvme_disk_fill_limits(struct nvme_disk *disk, const struct nvme_disks_common *c,
			   const struct nvme_id_ctrl *ctrl, const struct nvme_id_ns *id);

#endif
