/* SPDX-License-Identifier: MIT */
/*
 * The least NVMe driver that there can be, for suites that look at the software controller: queues
 * by hand, one command at a time, everything in one thread and checked. Not for drivers/nvme's own.
 */
#ifndef TESTS_SUPPORT_RAW_NVME_H
#define TESTS_SUPPORT_RAW_NVME_H

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <check.h>
#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/io.h>
#include <udrv/pci.h>
#include <udrv/poll.h>

#include "backend/model.h"
#include "backend/model_nvme.h"
#include "backend/model_nvme_spec.h"
#include "pci/device.h"

#define RAW_PAGE    4096u
#define RAW_PAGES   256u /* of data */
#define RAW_ENTRIES 16u
#define RAW_QUEUES  8u
#define RAW_LONG_MS 60000 /* for any machine under load; reached by what fails only */
#define RAW_CC	    (NVME_CC_EN | 6u << 16 | 4u << 20)
/* Without More, which says that there is an entry in the log. */
#define RAW_STATUS(status) ((status) & (0x7fffu ^ NVME_ST_MORE))

struct raw_queue {
	struct udrv__nvme_cmd *sq;
	struct udrv__nvme_cqe *cq;
	udrv_iova_t sq_iova, cq_iova;
	unsigned int sq_size, cq_size, tail, head;
	uint16_t phase;
};

static struct udrv_device *dev;
static void __udrv_iomem *regs;
static struct raw_queue queues[RAW_QUEUES];
static unsigned char *data; /* RAW_PAGES pages that the device sees at data_iova */
static udrv_iova_t data_iova;
static uint16_t next_cid;
static unsigned int raw_stride = 4;

static inline uint32_t raw_csts(void)
{
	return udrv_readl(regs + NVME_REG_CSTS);
}

static inline void raw_ring(unsigned int index, uint32_t val)
{
	udrv_writel(val, regs + NVME_REG_DBS + index * raw_stride);
}

static inline struct raw_queue *raw_alloc_queue(unsigned int qid, unsigned int entries)
{
	struct raw_queue *q = &queues[qid];

	ck_assert_uint_lt(qid, RAW_QUEUES);
	if (!q->sq) {
		q->sq = udrv_dma_alloc_coherent(dev, 64 * RAW_PAGE, &q->sq_iova, UDRV_GFP_KERNEL);
		q->cq = udrv_dma_alloc_coherent(dev, 16 * RAW_PAGE, &q->cq_iova, UDRV_GFP_KERNEL);
		ck_assert(q->sq && q->cq);
	}
	memset(q->cq, 0, entries * sizeof(*q->cq));
	q->sq_size = q->cq_size = entries;
	q->tail = q->head = 0;
	q->phase = 1;
	return q;
}

static inline void raw_start(uint32_t cc)
{
	struct raw_queue *q = raw_alloc_queue(0, RAW_ENTRIES);

	udrv_writel((RAW_ENTRIES - 1) << 16 | (RAW_ENTRIES - 1), regs + NVME_REG_AQA);
	udrv_writeq(q->sq_iova, regs + NVME_REG_ASQ);
	udrv_writeq(q->cq_iova, regs + NVME_REG_ACQ);
	udrv_writel(cc, regs + NVME_REG_CC);
}

static inline void raw_stop(void)
{
	udrv_writel(udrv_readl(regs + NVME_REG_CC) & ~NVME_CC_EN, regs + NVME_REG_CC);
}

/* The device without its controller being enabled. */
static inline void raw_open(const char *name)
{
	memset(queues, 0, sizeof(queues));
	next_cid = 0;
	ck_assert_int_eq(udrv_device_open(name, NULL, &dev), 0);
	ck_assert_int_eq(udrv_pci_enable_device(dev), 0);
	ck_assert_int_eq(udrv_pci_set_master(dev), 0);
	regs = udrv_pci_iomap(dev, 0, 0);
	ck_assert_ptr_nonnull(regs);
	data = udrv_dma_alloc_coherent(dev, RAW_PAGES * RAW_PAGE, &data_iova, UDRV_GFP_KERNEL);
	ck_assert_ptr_nonnull(data);
}

static inline void raw_close(void)
{
	udrv_device_close(dev);
	dev = NULL;
}

/* Into the queue, but not told. */
static inline uint16_t raw_put(unsigned int qid, struct udrv__nvme_cmd cmd)
{
	struct raw_queue *q = &queues[qid];

	cmd.cid = next_cid++;
	q->sq[q->tail] = cmd;
	q->tail = (q->tail + 1) % q->sq_size;
	return cmd.cid;
}

static inline uint16_t raw_submit(unsigned int qid, struct udrv__nvme_cmd cmd)
{
	const uint16_t cid = raw_put(qid, cmd);

	raw_ring(2 * qid, queues[qid].tail);
	return cid;
}

/* Is there an entry? */
static inline bool raw_peek(unsigned int qid)
{
	const struct raw_queue *q = &queues[qid];

	return (__atomic_load_n(&q->cq[q->head].status, __ATOMIC_ACQUIRE) & 1) == q->phase;
}

/* It: the half with the phase first, in one piece, as it was written. */
static inline struct udrv__nvme_cqe raw_entry(unsigned int qid)
{
	const void *halves = &queues[qid].cq[queues[qid].head];
	const uint64_t half = __atomic_load_n((const uint64_t *)halves + 1, __ATOMIC_ACQUIRE);
	struct udrv__nvme_cqe cqe;

	memcpy(&cqe.sqhd, &half, sizeof(half));
	memcpy(&cqe, halves, sizeof(half));
	return cqe;
}

static inline struct udrv__nvme_cqe raw_pop(unsigned int qid)
{
	struct raw_queue *q = &queues[qid];
	struct udrv__nvme_cqe cqe = raw_entry(qid);

	q->head = (q->head + 1) % q->cq_size;
	if (!q->head)
		q->phase ^= 1;
	raw_ring(2 * qid + 1, q->head);
	cqe.status >>= 1;
	return cqe;
}

/* The next entry, at the latest after a time that no machine needs. */
static inline struct udrv__nvme_cqe raw_wait(unsigned int qid)
{
	for (unsigned int ms = 0; !raw_peek(qid) && ms < RAW_LONG_MS; ms++) {
		udrv__model_nvme_settle(dev);
		if (!raw_peek(qid))
			poll(NULL, 0, 1);
	}
	ck_assert_msg(raw_peek(qid), "no completion on queue %u", qid);
	return raw_pop(qid);
}

/* Submit, and the completion, which must be its own. */
static inline struct udrv__nvme_cqe raw_do(unsigned int qid, struct udrv__nvme_cmd cmd)
{
	const uint16_t cid = raw_submit(qid, cmd);
	struct udrv__nvme_cqe cqe = raw_wait(qid);

	ck_assert_uint_eq(cqe.cid, cid);
	ck_assert_uint_eq(cqe.sqid, qid);
	return cqe;
}

static inline unsigned int raw_status(unsigned int qid, struct udrv__nvme_cmd cmd)
{
	return RAW_STATUS(raw_do(qid, cmd).status);
}

static inline void raw_ok(unsigned int qid, struct udrv__nvme_cmd cmd)
{
	ck_assert_uint_eq(raw_do(qid, cmd).status, 0);
}

static inline struct udrv__nvme_cmd raw_create_cq(unsigned int qid, unsigned int entries,
						  unsigned int vector, bool ien)
{
	return (struct udrv__nvme_cmd){
		.opcode = NVME_ADM_CREATE_CQ,
		.prp1 = queues[qid].cq_iova,
		.cdw10 = qid | (entries - 1) << 16,
		.cdw11 = NVME_QUEUE_PC | (ien ? NVME_QUEUE_IEN : 0) | vector << 16,
	};
}

static inline struct udrv__nvme_cmd raw_create_sq(unsigned int qid, unsigned int entries,
						  unsigned int cqid)
{
	return (struct udrv__nvme_cmd){
		.opcode = NVME_ADM_CREATE_SQ,
		.prp1 = queues[qid].sq_iova,
		.cdw10 = qid | (entries - 1) << 16,
		.cdw11 = NVME_QUEUE_PC | cqid << 16,
	};
}

static inline void raw_create(unsigned int qid, unsigned int entries)
{
	(void)raw_alloc_queue(qid, entries);
	raw_ok(0, raw_create_cq(qid, entries, qid, false));
	raw_ok(0, raw_create_sq(qid, entries, qid));
}

/* Enabled, with an I/O queue pair 1. */
static inline void raw_up(const char *name)
{
	raw_open(name);
	raw_start(RAW_CC);
	ck_assert_uint_eq(raw_csts(), NVME_CSTS_RDY);
	/* The pin has one vector only. */
	(void)raw_alloc_queue(1, RAW_ENTRIES);
	raw_ok(0, raw_create_cq(1, RAW_ENTRIES, 0, false));
	raw_ok(0, raw_create_sq(1, RAW_ENTRIES, 1));
}

/* On blocks of namespace 1, with the data at data_iova. */
static inline struct udrv__nvme_cmd raw_rw(uint8_t opcode, uint64_t lba, unsigned int blocks)
{
	return (struct udrv__nvme_cmd){
		.opcode = opcode,
		.nsid = 1,
		.prp1 = data_iova,
		.prp2 = data_iova + RAW_PAGE,
		.cdw10 = (uint32_t)lba,
		.cdw11 = (uint32_t)(lba >> 32),
		.cdw12 = blocks - 1,
	};
}

static inline struct udrv__nvme_cmd raw_identify(unsigned int cns, uint32_t nsid)
{
	return (struct udrv__nvme_cmd){
		.opcode = NVME_ADM_IDENTIFY, .nsid = nsid, .prp1 = data_iova, .cdw10 = cns};
}

static inline struct udrv__nvme_cmd raw_get_log(unsigned int page, uint32_t len)
{
	return (struct udrv__nvme_cmd){
		.opcode = NVME_ADM_GET_LOG,
		.nsid = NVME_NSID_ALL,
		.prp1 = data_iova,
		.cdw10 = page | (len / 4 - 1) << 16,
	};
}

static inline struct udrv__nvme_cmd raw_set_feature(unsigned int id, uint32_t val)
{
	return (struct udrv__nvme_cmd){.opcode = NVME_ADM_SET_FEATURES, .cdw10 = id, .cdw11 = val};
}

static inline struct udrv__nvme_cmd raw_get_feature(unsigned int id)
{
	return (struct udrv__nvme_cmd){.opcode = NVME_ADM_GET_FEATURES, .cdw10 = id};
}

/* Little endian, of size bytes. */
static inline uint64_t raw_field(unsigned int at, unsigned int size)
{
	uint64_t val = 0;

	memcpy(&val, data + at, size);
	return val;
}

/* Bytes that tell blocks, their offsets and versions apart. */
static inline void raw_fill(unsigned char *buf, size_t len, unsigned int seed)
{
	uint32_t x = seed * 2654435761u + 1;

	for (size_t i = 0; i < len; i++) {
		x = x * 1664525u + 1013904223u;
		buf[i] = (unsigned char)(x >> 24);
	}
}

static inline bool raw_filled(const unsigned char *buf, size_t len, unsigned int seed)
{
	uint32_t x = seed * 2654435761u + 1;

	for (size_t i = 0; i < len; i++) {
		x = x * 1664525u + 1013904223u;
		if (buf[i] != (unsigned char)(x >> 24))
			return false;
	}
	return true;
}

static inline bool raw_zero(const unsigned char *buf, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (buf[i])
			return false;
	return true;
}

#endif
