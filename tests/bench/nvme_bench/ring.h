/* SPDX-License-Identifier: MIT */
/*
 * A queue pair by hand: the least that can be done, and the bound of what is measured. Buffers are
 * pages whose addresses are known; what is the same in all reads is in the slots beforehand.
 */
#ifndef NVME_BENCH_RING_H
#define NVME_BENCH_RING_H

#include <string.h>

#include <nvme_regs.h>

#include "bench.h"

struct ring {
	struct nvme_sqe *sq;
	struct nvme_cqe *cq;
	volatile uint32_t *sq_doorbell, *cq_doorbell;
	uint32_t mask, tail, head, phase;
	unsigned int block_shift; /* from pages to blocks */
	uint64_t prp[BENCH_DEPTH_MAX];
};

/* Both rings are zeroes. */
static inline void ring_init(struct ring *r, uint32_t entries, uint32_t nsid,
			     unsigned int lba_shift)
{
	r->mask = entries - 1;
	r->tail = r->head = 0;
	r->phase = 1;
	r->block_shift = 12 - lba_shift;
	for (uint32_t i = 0; i < entries; i++) {
		r->sq[i].nsid = nsid;
		r->sq[i].cdw12 = (1u << r->block_shift) - 1;
	}
}

static inline void ring_put(struct ring *r, unsigned int tag, uint64_t page)
{
	struct nvme_sqe *sqe = &r->sq[r->tail];
	const uint64_t lba = page << r->block_shift;
	const uint32_t cdw0 = NVME_READ | tag << 16;

	memcpy(&sqe->opcode, &cdw0, sizeof(cdw0));
	sqe->prp1 = r->prp[tag];
	memcpy(&sqe->cdw10, &lba, sizeof(lba));
	r->tail = (r->tail + 1) & r->mask;
}

static inline void ring_sq_doorbell(struct ring *r)
{
	__atomic_thread_fence(__ATOMIC_RELEASE);
	*r->sq_doorbell = r->tail;
}

static inline void ring_cq_doorbell(struct ring *r)
{
	*r->cq_doorbell = r->head;
}

/* The next completion, or NULL. */
static inline const struct nvme_cqe *ring_take(struct ring *r)
{
	const struct nvme_cqe *cqe = &r->cq[r->head];

	if ((__atomic_load_n(&cqe->status, __ATOMIC_ACQUIRE) & 1) != r->phase)
		return NULL;
	if (++r->head > r->mask) {
		r->head = 0;
		r->phase ^= 1;
	}
	return cqe;
}

#endif
