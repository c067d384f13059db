// SPDX-License-Identifier: MIT
/* Namespaces as block devices: <udrv/block.h> on the library's queues. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/container_of.h>
#include <udrv/device.h>

#include "nvme_driver.h"

#define QUEUE_ENTRIES 256u
/* What a request without data asks for at once, at most: blocks, NVM Express 1.4, 6.17. */
#define ZEROES_MAX NVME_RW_BLOCKS_MAX

struct nvme_disk {
	struct udrv_block block;
	struct nvme_driver *driver;
	const struct udrv_nvme_ns *ns;
	struct nvme_disk *next;
};

/* What a queue of the exporter's is. */
struct disk_queue {
	struct nvme_disk *disk;
	struct udrv_nvme_queue *q;
};

static int queue_open(struct udrv_block *block, unsigned int index, void **queue_out)
{
	struct nvme_disk *disk = udrv_container_of(block, struct nvme_disk, block);
	const struct udrv_nvme_queue_options options = {
		.entries = QUEUE_ENTRIES,
		.completion = disk->driver->completion,
	};
	struct disk_queue *dq = calloc(1, sizeof(*dq));
	int ret;

	(void)index;
	if (!dq)
		return -ENOMEM;
	dq->disk = disk;
	ret = udrv_nvme_queue_create(disk->driver->nvme, &options, &dq->q);
	if (ret)
		free(dq);
	else
		*queue_out = dq;
	return ret;
}

static void queue_close(void *queue)
{
	struct disk_queue *dq = queue;

	udrv_nvme_queue_destroy(dq->q);
	free(dq);
}

static void request_done(void *ctx, uint32_t status, uint32_t dw0)
{
	struct udrv_block_request *rq = ctx;

	(void)dw0;
	rq->done(rq, udrv_nvme_errno(status));
}

static int discard(struct disk_queue *dq, struct udrv_block_request *rq, uint64_t lba,
		   uint32_t blocks)
{
	const struct nvme_dsm_range range = {.nlb = blocks, .slba = lba};

	return udrv_nvme_deallocate(dq->q, dq->disk->ns, &range, 1, request_done, rq);
}

static int write_zeroes(struct disk_queue *dq, struct udrv_block_request *rq, uint64_t lba,
			uint32_t blocks, uint32_t fua)
{
	/* 6.17, DEAC: deallocating is allowed where that reads as zeroes. */
	const uint32_t deac = rq->flags & UDRV_BLOCK_NOUNMAP ? 0 : NVME_RW_DEAC;

	return udrv_nvme_write_zeroes(dq->q, dq->disk->ns, lba, blocks, fua | deac, request_done,
				      rq);
}

static int queue_rq(void *queue, struct udrv_block_request *rq)
{
	struct disk_queue *dq = queue;
	const struct udrv_nvme_ns *ns = dq->disk->ns;
	const uint64_t lba = rq->offset >> ns->block_shift;
	const uint32_t blocks = rq->len >> ns->block_shift;
	const uint32_t fua = rq->flags & UDRV_BLOCK_FUA ? NVME_RW_FUA : 0;

	switch (rq->op) {
	case UDRV_BLOCK_READ:
		return udrv_nvme_read(dq->q, ns, rq->buf, lba, blocks, 0, request_done, rq);
	case UDRV_BLOCK_WRITE:
		return udrv_nvme_write(dq->q, ns, rq->buf, lba, blocks, fua, request_done, rq);
	case UDRV_BLOCK_FLUSH:
		return udrv_nvme_flush(dq->q, ns, request_done, rq);
	case UDRV_BLOCK_DISCARD:
		return discard(dq, rq, lba, blocks);
	case UDRV_BLOCK_WRITE_ZEROES:
		return write_zeroes(dq, rq, lba, blocks, fua);
	}
	return -EOPNOTSUPP;
}

static void commit_rqs(void *queue)
{
	udrv_nvme_submit(((struct disk_queue *)queue)->q);
}

static int poll(void *queue)
{
	return (int)udrv_nvme_poll(((struct disk_queue *)queue)->q, 0);
}

static int event_fd(void *queue)
{
	return udrv_nvme_event_fd(((struct disk_queue *)queue)->q);
}

static bool event_arm(void *queue)
{
	return udrv_nvme_arm(((struct disk_queue *)queue)->q);
}

static const struct udrv_block_ops disk_ops = {
	.queue_open = queue_open,
	.queue_close = queue_close,
	.queue_rq = queue_rq,
	.commit_rqs = commit_rqs,
	.poll = poll,
	.event_fd = event_fd,
	.event_arm = event_arm,
};

/* Without the blanks behind. */
static void copy_text(char *to, size_t size, const char *from, size_t len)
{
	while (len && (from[len - 1] == ' ' || !from[len - 1]))
		len--;
	if (len >= size)
		len = size - 1;
	for (size_t i = 0; i < len; i++)
		to[i] = from[i] > ' ' && from[i] < 0x7f ? from[i] : '_';
	to[len] = '\0';
}

/* 5.15.2.1, NPWG and its kind: in blocks, 0's based, if they are there at all. */
static void fill_preferences(struct udrv_block_limits *l, const struct nvme_id_ns *id,
			     unsigned int shift)
{
	const bool given = id->nsfeat & NVME_NSFEAT_OPTPERF;
	const uint32_t write = given ? (id->npwg + 1u) << shift : 1u << shift;
	const uint32_t optimal = given ? (id->nows + 1u) << shift : 0;
	const uint32_t discard = given ? (id->npdg + 1u) << shift : 1u << shift;

	/* An atomic write is not torn by a power failure: that is what a physical block is. */
	l->physical_block_size = 1u << shift;
	while (write % (2 * l->physical_block_size) == 0 && l->physical_block_size < 65536)
		l->physical_block_size *= 2;
	l->io_min = l->physical_block_size;
	l->io_opt = optimal % l->physical_block_size ? 0 : optimal;
	l->discard_granularity = discard;
}

static void fill_limits(struct udrv_block_limits *l, struct udrv_nvme *nvme,
			const struct udrv_nvme_ns *ns, const struct nvme_id_ns *id,
			unsigned int queues)
{
	const struct nvme_id_ctrl *ctrl = udrv_nvme_id_ctrl(nvme);
	const unsigned int shift = ns->block_shift;

	*l = (struct udrv_block_limits){
		.size = ns->blocks << shift,
		.logical_block_size = 1u << shift,
		.max_transfer = ns->max_blocks << shift,
		.write_cache = ctrl->vwc & NVME_VWC_PRESENT,
		.fua = true,
		.read_only = ns->read_only,
		.max_queues = queues,
		.queue_depth = QUEUE_ENTRIES - 1,
	};
	fill_preferences(l, id, shift);
	if (ctrl->oncs & NVME_ONCS_DSM)
		l->max_discard = (uint32_t)(UINT32_MAX >> shift << shift);
	else
		l->discard_granularity = 0;
	if (ctrl->oncs & NVME_ONCS_WRITE_ZEROES)
		l->max_write_zeroes = (uint32_t)((uint64_t)ZEROES_MAX << shift > UINT32_MAX
							 ? UINT32_MAX >> shift << shift
							 : (uint64_t)ZEROES_MAX << shift);
}

static int add_disk(struct nvme_driver *driver, const struct udrv_nvme_ns *ns, unsigned int queues)
{
	const struct nvme_id_ctrl *ctrl = udrv_nvme_id_ctrl(driver->nvme);
	struct nvme_disk *disk = calloc(1, sizeof(*disk));
	struct nvme_id_ns *id = calloc(1, sizeof(*id));
	int ret =
		disk && id ? udrv_nvme_identify(driver->nvme, NVME_CNS_NS, ns->nsid, id) : -ENOMEM;

	if (!ret) {
		disk->driver = driver;
		disk->ns = ns;
		disk->block.dev = udrv_nvme_device(driver->nvme);
		disk->block.ops = &disk_ops;
		disk->block.driver = disk;
		(void)snprintf(disk->block.name, sizeof(disk->block.name), "nvme-n%u", ns->nsid);
		copy_text(disk->block.serial, sizeof(disk->block.serial), ctrl->sn,
			  sizeof(ctrl->sn));
		fill_limits(&disk->block.limits, driver->nvme, ns, id, queues);
		ret = udrv_block_add(&disk->block);
	}
	free(id);
	if (ret) {
		free(disk);
		return ret > 0 ? udrv_nvme_errno((uint32_t)ret) : ret;
	}
	disk->next = driver->disks;
	driver->disks = disk;
	return 0;
}

static unsigned int count_usable(struct nvme_driver *driver)
{
	const struct udrv_nvme_ns *ns = NULL;
	unsigned int count = 0;

	while ((ns = udrv_nvme_ns_next(driver->nvme, ns ? ns->nsid : 0)))
		count += ns->usable;
	return count;
}

int nvme_disks_add(struct nvme_driver *driver)
{
	const unsigned int count = count_usable(driver);
	const struct udrv_nvme_ns *ns = NULL;
	struct udrv_nvme_info info;
	unsigned int each;
	int ret = 0;

	udrv_nvme_get_info(driver->nvme, &info);
	/*
	 * They share half of the queues; the others are for verbs. With fewer queues than disks not
	 * all can be open at once.
	 */
	each = count && info.queues / 2 / count ? info.queues / 2 / count : 1;
	while (!ret && (ns = udrv_nvme_ns_next(driver->nvme, ns ? ns->nsid : 0))) {
		if (ns->usable)
			ret = add_disk(driver, ns, each);
		else
			udrv_dev_notice(udrv_nvme_device(driver->nvme),
					"namespace %u has %u bytes of metadata per block: it is no "
					"block device",
					ns->nsid, ns->metadata);
	}
	if (ret)
		nvme_disks_del(driver);
	return ret;
}

void nvme_disks_del(struct nvme_driver *driver)
{
	struct nvme_disk *disk;

	while ((disk = driver->disks)) {
		driver->disks = disk->next;
		udrv_block_del(&disk->block);
		free(disk);
	}
}
