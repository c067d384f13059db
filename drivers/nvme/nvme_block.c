// SPDX-License-Identifier: MIT
/* A namespace as a block device: <udrv/block.h> on the library's queues. */
#include <errno.h>
#include <stdlib.h>

#include <udrv/container_of.h>
#include <udrv/device.h>

#include "nvme_disk.h"

#define COMPLAINTS 16 /* about failed requests; then of each time that their number has doubled */

/* What a queue of the exporter's is. */
struct disk_queue {
	struct nvme_disk *disk;
	struct udrv_nvme_queue *q;
};

/* Not -EMFILE, which users are told as too many open files. */
static int no_queue_left(const struct nvme_disk *disk)
{
	struct udrv_nvme_info info;

	udrv_nvme_get_info(disk->driver->nvme, &info);
	udrv_dev_warn(disk->block.dev,
		      "disk %s: all %u I/O queues are in use, by disks and verbs; parameter "
		      "queues=N asks the controller for more, if it has more",
		      disk->block.name, info.queues);
	return -EBUSY;
}

static int queue_open(struct udrv_block *block, unsigned int index, void **queue_out)
{
	struct nvme_disk *disk = udrv_container_of(block, struct nvme_disk, block);
	const struct udrv_nvme_queue_options options = {
		.entries = NVME_DISK_ENTRIES,
		.completion = disk->driver->completion,
	};
	struct disk_queue *dq = calloc(1, sizeof(*dq));
	int ret;

	(void)index;
	if (!dq)
		return -ENOMEM;
	dq->disk = disk;
	ret = udrv_nvme_queue_create(disk->driver->nvme, &options, &dq->q);
	if (ret) {
		free(dq);
		return ret == -EMFILE ? no_queue_left(disk) : ret;
	}
	__atomic_add_fetch(&disk->holders, 1, __ATOMIC_RELAXED);
	*queue_out = dq;
	return 0;
}

static void queue_close(void *queue)
{
	struct disk_queue *dq = queue;

	udrv_nvme_queue_destroy(dq->q);
	nvme_disk_put(dq->disk);
	free(dq);
}

static void complain(const struct udrv_block_request *rq, uint32_t status)
{
	static const char *const names[] = {"read", "write", "flush", "discard", "zeroing"};
	struct nvme_disk *disk = ((struct disk_queue *)rq->driver[0])->disk;
	const uint64_t n = __atomic_add_fetch(&disk->failed, 1, __ATOMIC_RELAXED);

	if (n <= COMPLAINTS || !(n & (n - 1)))
		udrv_dev_err(disk->block.dev,
			     "%s: %s of %u bytes at %llu failed: %s (status 0x%x, failure %llu)",
			     disk->block.name, names[rq->op], rq->len,
			     (unsigned long long)rq->offset, udrv_nvme_status_text(status),
			     status & NVME_STATUS_MASK, (unsigned long long)n);
}

static void request_done(void *ctx, uint32_t status, uint32_t dw0)
{
	struct udrv_block_request *rq = ctx;

	(void)dw0;
	/* That the controller is gone is said once. */
	if (status && (status & NVME_STATUS_MASK) != NVME_SC_HOST_PATHING)
		complain(rq, status);
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
	/* 6.17: reserved where it is not known. */
	const bool may = dq->disk->deac && !(rq->flags & UDRV_BLOCK_NOUNMAP);
	const uint32_t deac = may ? NVME_RW_DEAC : 0;

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

	rq->driver[0] = (uintptr_t)dq;
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

const struct udrv_block_ops nvme_disk_ops = {
	.queue_open = queue_open,
	.queue_close = queue_close,
	.queue_rq = queue_rq,
	.commit_rqs = commit_rqs,
	.poll = poll,
	.event_fd = event_fd,
	.event_arm = event_arm,
};
