// SPDX-License-Identifier: MIT
/*
 * The bound: a controller brought up by hand, one queue pair, addresses known beforehand, no
 * checks. NVM Express 1.4: 7.6.1 initialisation, 5.3, 5.4 queues, 5.15 Identify.
 */
#include <errno.h>
#include <unistd.h>

#include "ring.h"
#include "vfio.h"

#define ENTRIES	      256u
#define ADMIN_ENTRIES 16u

/* Where things are in the memory, in pages. */
enum { ADMIN_SQ, ADMIN_CQ, DATA, CQ, SQ, BUFFERS = SQ + ENTRIES * 64 / 4096 };
#define MEMORY (2u << 20)

struct bare {
	struct vfio vfio;
	struct ring admin, io;
	unsigned int doorbell_stride;
	uint64_t bytes; /* of the namespace */
};

static void *page(const struct bare *b, unsigned int n)
{
	return b->vfio.memory + (size_t)n * 4096;
}

static uint64_t page_iova(unsigned int n)
{
	return VFIO_IOVA + n * 4096ull;
}

static volatile uint32_t *reg32(const struct bare *b, size_t offset)
{
	return (volatile uint32_t *)(uintptr_t)(b->vfio.regs + offset);
}

static volatile uint64_t *reg64(const struct bare *b, size_t offset)
{
	return (volatile uint64_t *)(uintptr_t)(b->vfio.regs + offset);
}

static void await_ready(const struct bare *b, uint32_t ready)
{
	const uint64_t end = bench_clock_ns() + 10000000000u;

	while ((*reg32(b, NVME_REG_CSTS) & NVME_CSTS_RDY) != ready)
		if (bench_clock_ns() > end)
			die("CSTS.RDY", ETIMEDOUT);
}

static void find_doorbells(const struct bare *b, struct ring *r, unsigned int qid)
{
	r->sq_doorbell = reg32(b, NVME_DOORBELL(qid, false, b->doorbell_stride));
	r->cq_doorbell = reg32(b, NVME_DOORBELL(qid, true, b->doorbell_stride));
}

static void enable(struct bare *b)
{
	await_ready(b, 0);
	b->doorbell_stride = NVME_CAP_DSTRD(*reg64(b, NVME_REG_CAP));
	b->admin.sq = page(b, ADMIN_SQ);
	b->admin.cq = page(b, ADMIN_CQ);
	find_doorbells(b, &b->admin, 0);
	ring_init(&b->admin, ADMIN_ENTRIES, 0, 12);
	*reg32(b, NVME_REG_AQA) = NVME_AQA(ADMIN_ENTRIES, ADMIN_ENTRIES);
	*reg64(b, NVME_REG_ASQ) = page_iova(ADMIN_SQ);
	*reg64(b, NVME_REG_ACQ) = page_iova(ADMIN_CQ);
	*reg32(b, NVME_REG_CC) = NVME_CC_EN | NVME_CC_IOSQES(6) | NVME_CC_IOCQES(4);
	await_ready(b, NVME_CSTS_RDY);
}

static void admin(struct bare *b, const struct nvme_sqe *sqe)
{
	const struct nvme_cqe *cqe;

	b->admin.sq[b->admin.tail] = *sqe;
	b->admin.tail = (b->admin.tail + 1) & b->admin.mask;
	ring_sq_doorbell(&b->admin);
	do
		cqe = ring_take(&b->admin);
	while (!cqe);
	if (cqe->status >> 1)
		die("admin command", EIO);
	ring_cq_doorbell(&b->admin);
}

static void make_queue(struct bare *b)
{
	const bool interrupt = b->vfio.efd >= 0;
	const struct nvme_id_ns *ns = page(b, DATA);

	admin(b, &(struct nvme_sqe){.opcode = NVME_ADMIN_SET_FEATURES, .cdw10 = NVME_FEAT_QUEUES});
	admin(b, &(struct nvme_sqe){.opcode = NVME_ADMIN_CREATE_CQ,
				    .prp1 = page_iova(CQ),
				    .cdw10 = (ENTRIES - 1) << 16 | 1,
				    .cdw11 = NVME_QUEUE_CONTIGUOUS |
					     (interrupt ? NVME_CQ_IEN | NVME_CQ_VECTOR(1) : 0)});
	admin(b, &(struct nvme_sqe){.opcode = NVME_ADMIN_CREATE_SQ,
				    .prp1 = page_iova(SQ),
				    .cdw10 = (ENTRIES - 1) << 16 | 1,
				    .cdw11 = NVME_QUEUE_CONTIGUOUS | NVME_SQ_CQID(1)});
	admin(b, &(struct nvme_sqe){
			 .opcode = NVME_ADMIN_IDENTIFY, .nsid = 1, .prp1 = page_iova(DATA)});
	b->io.sq = page(b, SQ);
	b->io.cq = page(b, CQ);
	find_doorbells(b, &b->io, 1);
	ring_init(&b->io, ENTRIES, 1, ns->lbaf[ns->flbas & 0xf].lbads);
	b->bytes = ns->nsze << ns->lbaf[ns->flbas & 0xf].lbads;
	for (unsigned int i = 0; i < BENCH_DEPTH_MAX; i++)
		b->io.prp[i] = page_iova(BUFFERS + i);
}

static void put(struct bare *b, struct load *l, unsigned int tag)
{
	ring_put(&b->io, tag, load_begin(l, tag));
}

/* All that is there; what is put in its place goes with one doorbell. */
static void reap(struct bare *b, struct load *l)
{
	const uint32_t tail = b->io.tail;
	const uint32_t head = b->io.head;
	const struct nvme_cqe *cqe;

	while ((cqe = ring_take(&b->io))) {
		const unsigned int tag = cqe->cid;

		if (load_end(l, tag, !(cqe->status >> 1)))
			put(b, l, tag);
	}
	if (b->io.head != head)
		ring_cq_doorbell(&b->io);
	if (b->io.tail != tail)
		ring_sq_doorbell(&b->io);
}

static void run(struct bare *b, struct load *l)
{
	uint64_t signalled;

	for (unsigned int tag = 0; tag < l->depth; tag++)
		put(b, l, tag);
	ring_sq_doorbell(&b->io);
	while (l->done < l->count) {
		if (b->vfio.efd >= 0 && read(b->vfio.efd, &signalled, sizeof(signalled)) < 0)
			die("eventfd", errno);
		reap(b, l);
	}
}

static void bring_up(struct bare *b, const struct plan *plan, bool interrupt)
{
	vfio_open(&b->vfio, plan->device, MEMORY);
	if (interrupt)
		vfio_use_interrupt(&b->vfio);
	enable(b);
	make_queue(b);
}

static void bare(const struct plan *plan, bool interrupt)
{
	static struct bare b;
	static struct load l;
	const uint64_t opened = bench_clock_ns();
	uint64_t start;

	bring_up(&b, plan, interrupt);
	load_start(&l, 1, 1, b.bytes);
	run(&b, &l);
	start = bench_clock_ns() - opened;
	for (unsigned int i = 0; i < plan->depth_count; i++) {
		load_start(&l, plan->depths[i], plan->count, b.bytes);
		run(&b, &l);
		load_report(&l, plan->row, start);
	}
	*reg32(&b, NVME_REG_CC) = 0;
	await_ready(&b, 0);
	vfio_close(&b.vfio);
}

void bare_polled(const struct plan *plan)
{
	bare(plan, false);
}

void bare_eventfd(const struct plan *plan)
{
	bare(plan, true);
}
