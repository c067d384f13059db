// SPDX-License-Identifier: MIT
/*
 * The way of each command: from the call to the doorbell, and from the completion to the callback.
 * NVM Express 1.4: 4.1 queues, 4.3 PRPs, 6.9 Read, 6.15 Write.
 */
#include <errno.h>

#include "nvme_ctrl.h"

#define HOT static inline __attribute__((always_inline))

/* Why such a transfer cannot be. */
static __attribute__((noinline)) int wrong_range(const struct udrv_nvme_ns *ns, uint32_t blocks)
{
	if (!ns->usable)
		return -EOPNOTSUPP;
	return blocks > ns->max_blocks ? -EMSGSIZE : -EINVAL;
}

HOT bool is_in_range(const struct udrv_nvme_ns *ns, uint64_t lba, uint32_t blocks)
{
	const uint64_t size = __atomic_load_n(&ns->blocks, __ATOMIC_RELAXED);

	return blocks - 1 < ns->max_blocks && blocks <= size && lba <= size - blocks;
}

/* 4.2, as 64-bit stores. */
HOT void fill_rw(struct nvme_sqe *sqe, uint8_t opcode, uint16_t cid, uint32_t nsid, uint64_t lba,
		 uint32_t blocks, uint32_t flags)
{
	sqe->opcode = opcode;
	sqe->flags = NVME_PSDT_PRP;
	sqe->cid = cid;
	sqe->nsid = nsid;
	sqe->cdw2 = 0;
	sqe->cdw3 = 0;
	sqe->mptr = 0;
	sqe->cdw10 = (uint32_t)lba;
	sqe->cdw11 = (uint32_t)(lba >> 32);
	sqe->cdw12 = (blocks - 1) | flags;
	sqe->cdw13 = 0;
	sqe->cdw14 = 0;
	sqe->cdw15 = 0;
}

/* Memory that is not the device's already. */
static __attribute__((noinline)) int rw_mapped(struct udrv_nvme_queue *q,
					       const struct nvme_sqe *template, void *buf,
					       size_t len, udrv_nvme_done_t done, void *ctx)
{
	const struct iovec iov = {buf, len};
	struct nvme_sqe sqe = *template;
	struct nvme_data data;
	int ret = nvme_data_map(q, &sqe, &iov, 1, NULL, 0, &data);

	if (ret)
		return ret;
	ret = nvme_put_sqe(q, &sqe, &data, 0, done, ctx);
	if (ret)
		nvme_data_unmap(q, &data);
	return ret;
}

HOT int rw(struct udrv_nvme_queue *q, const struct udrv_nvme_ns *ns, uint8_t opcode, void *buf,
	   uint64_t lba, uint32_t blocks, uint32_t flags, udrv_nvme_done_t done, void *ctx)
{
	struct nvme_tracker *t = &q->trackers[q->tail];
	struct nvme_sqe *sqe = &q->sq[q->tail];
	const size_t len = (size_t)blocks << ns->block_shift;
	udrv_iova_t iova;
	uint32_t in_page;
	uint16_t cid;
	int flags_of_data = 0;

	if (nvme_unlikely(!ns->usable || !is_in_range(ns, lba, blocks)))
		return wrong_range(ns, blocks);
	if (nvme_unlikely(q->in_flight >= q->depth || t->done || q->moved_count)) {
		int ret = nvme_make_room(q);

		if (ret)
			return ret;
	}
	nvme_stamp(q);
	cid = nvme_next_cid(q, t);
	fill_rw(sqe, opcode, cid, ns->nsid, lba, blocks, flags);
	iova = udrv_dma_look_up(q->dev, buf, len, &q->window);
	if (nvme_unlikely(iova == UDRV_DMA_MAPPING_ERROR || iova & 3))
		return rw_mapped(q, sqe, buf, len, done, ctx);
	in_page = (uint32_t)iova & (q->page_size - 1);
	sqe->prp1 = iova;
	sqe->prp2 = 0;
	if (in_page + len > q->page_size) {
		flags_of_data = nvme_data_point(q, sqe, iova, len, &t->list);
		if (nvme_unlikely(flags_of_data < 0))
			return flags_of_data;
	}
	nvme_put(q, t, cid, (uint8_t)flags_of_data, done, ctx);
	return 0;
}

int udrv_nvme_read(struct udrv_nvme_queue *q, const struct udrv_nvme_ns *ns, void *buf,
		   uint64_t lba, uint32_t blocks, uint32_t flags, udrv_nvme_done_t done, void *ctx)
{
	return rw(q, ns, NVME_READ, buf, lba, blocks, flags, done, ctx);
}

int udrv_nvme_write(struct udrv_nvme_queue *q, const struct udrv_nvme_ns *ns, const void *buf,
		    uint64_t lba, uint32_t blocks, uint32_t flags, udrv_nvme_done_t done, void *ctx)
{
	return rw(q, ns, NVME_WRITE, (void *)(uintptr_t)buf, lba, blocks, flags, done, ctx);
}

void udrv_nvme_submit(struct udrv_nvme_queue *q)
{
	if (q->tail == q->rung || nvme_unlikely(!nvme_enter(q)))
		return; /* what is not rung is sent when the reset is over */
	nvme_ring_sq(q);
	nvme_leave(q);
	if (nvme_unlikely(nvme_reached(q->now, q->check_at)))
		nvme_look_for_late(q);
}

/* A success of a command that waits in its slot; false: it is something else. */
HOT bool complete(struct udrv_nvme_queue *q, const struct nvme_cqe *cqe, uint32_t status)
{
	struct nvme_tracker *t = &q->trackers[cqe->cid & q->mask];
	const udrv_nvme_done_t done = t->done;
	void *ctx = t->ctx;

	if (nvme_unlikely(status > 1 || t->cid != cqe->cid || !done || t->flags ||
			  cqe->sq_id != q->qid || cqe->sq_head > q->mask))
		return false;
	t->done = NULL;
	q->in_flight--;
	done(ctx, 0, cqe->dw0);
	return true;
}

HOT void advance(struct udrv_nvme_queue *q)
{
	if (nvme_unlikely(++q->head > q->mask)) {
		q->head = 0;
		q->phase ^= 1;
	}
}

/* Entered. Copied before the callback runs: the entry may be written anew once it was passed. */
static unsigned int reap(struct udrv_nvme_queue *q, unsigned int max)
{
	unsigned int seen = 0;
	unsigned int called = 0;

	while (seen != max) {
		const struct nvme_cqe *entry = &q->cq[q->head];
		const uint32_t status = __atomic_load_n(&entry->status, __ATOMIC_ACQUIRE);
		struct nvme_cqe cqe;

		if ((status & 1u) != q->phase)
			break;
		udrv_dma_rmb();
		cqe = *entry;
		advance(q);
		seen++;
		if (nvme_likely(complete(q, &cqe, status)))
			called++;
		else
			called += nvme_complete_odd(q, &cqe);
	}
	if (seen)
		nvme_ring_cq(q);
	return called;
}

/* The time is looked at now and then only: it costs as much as all the rest. */
static unsigned int poll_idle(struct udrv_nvme_queue *q)
{
	if (nvme_likely(++q->idle % NVME_IDLE_POLLS))
		return 0;
	q->now = nvme_clock();
	if (nvme_unlikely(q->in_flight && nvme_reached(q->now, q->check_at)))
		nvme_look_for_late(q);
	return 0;
}

unsigned int udrv_nvme_poll(struct udrv_nvme_queue *q, unsigned int max)
{
	unsigned int called;

	if (nvme_unlikely(!nvme_enter(q)))
		return nvme_attend(q);
	if (!nvme_has_completion(q)) {
		if (q->tail != q->rung)
			nvme_ring_sq(q);
		nvme_leave(q);
		return poll_idle(q);
	}
	nvme_callbacks_begin();
	called = reap(q, max ? max : UINT32_MAX);
	nvme_callbacks_end();
	if (q->tail != q->rung)
		nvme_ring_sq(q);
	nvme_leave(q);
	/* The time is that of the last command that a callback put. */
	if (nvme_unlikely(nvme_reached(q->now, q->check_at)))
		nvme_look_for_late(q);
	return called;
}
