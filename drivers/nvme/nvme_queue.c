// SPDX-License-Identifier: MIT
/* A queue pair's memory, and taking it from its thread for a moment. */
#include <errno.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <udrv/delay.h>

#include "nvme_ctrl.h"

void *nvme_zalloc(size_t size)
{
	void *p;

	if (posix_memalign(&p, 64, size))
		return NULL;
	return memset(p, 0, size);
}

static size_t sq_bytes(const struct udrv_nvme_queue *q)
{
	return (q->put.mask + 1) * sizeof(struct nvme_sqe);
}

static size_t cq_bytes(const struct udrv_nvme_queue *q)
{
	return (q->put.mask + 1) * sizeof(struct nvme_cqe);
}

static uint32_t __udrv_iomem *doorbell(const struct udrv_nvme *nvme, uint16_t qid, bool is_cq)
{
	return (uint32_t __udrv_iomem *)(nvme->doorbells +
					 NVME_DOORBELL(qid, is_cq, NVME_CAP_DSTRD(nvme->cap)) -
					 NVME_REG_DBS);
}

int nvme_queue_init(struct udrv_nvme_queue *q, struct udrv_nvme *nvme, uint16_t qid,
		    unsigned int entries)
{
	q->nvme = nvme;
	q->dev = nvme->dev;
	q->qid = qid;
	q->put.mask = entries - 1;
	q->put.page_mask = (1u << nvme->page_shift) - 1;
	q->sgl = nvme_has_sgl(nvme) && qid;
	q->fences = !nvme->membarrier;
	q->timeout = nvme->options.io_timeout_ms;
	q->look_after = nvme_look_interval(q);
	q->sq_doorbell = doorbell(nvme, qid, false);
	q->cq_doorbell = doorbell(nvme, qid, true);
	q->efd = -1;
	q->vector = -1;
	udrv_init_list_head(&q->moved);
	udrv_init_list_head(&q->waiting);
	udrv_init_list_head(&q->spares);
	q->put.trackers = nvme_zalloc(entries * sizeof(*q->put.trackers));
	q->saved = calloc(entries, sizeof(*q->saved));
	q->put.sq = udrv_dma_alloc_coherent(q->dev, sq_bytes(q), &q->sq_iova, UDRV_GFP_KERNEL);
	q->cq = udrv_dma_alloc_coherent(q->dev, cq_bytes(q), &q->cq_iova, UDRV_GFP_KERNEL);
	if (!q->put.trackers || !q->saved || !q->put.sq || !q->cq) {
		nvme_queue_exit(q);
		return -ENOMEM;
	}
	q->put.now = nvme_clock();
	q->checked = q->put.now;
	q->depth = q->put.mask;
	q->put.full = q->depth;
	for (uint32_t i = 0; i < entries; i++)
		q->put.trackers[i].plain = UDRV__NVME_FREE;
	nvme_queue_rewind(q);
	return 0;
}

void nvme_queue_exit(struct udrv_nvme_queue *q)
{
	struct nvme_moved *m;
	struct nvme_moved *next;

	udrv_list_for_each_entry_safe(m, next, &q->spares, link)
		free(m);
	nvme_lists_free(q);
	nvme_cmb_give(q->nvme, q);
	udrv_dma_free_coherent(q->dev, cq_bytes(q), q->cq, q->cq_iova);
	udrv_dma_free_coherent(q->dev, sq_bytes(q), q->put.sq, q->sq_iova);
	free(q->saved);
	free(q->put.trackers);
	q->cq = NULL;
	q->put.sq = NULL;
	q->saved = NULL;
	q->put.trackers = NULL;
}

void nvme_queue_rewind(struct udrv_nvme_queue *q)
{
	const uint32_t tail = (q->put.tail | q->put.mask) + 1;

	q->put.full += tail - q->put.tail;
	q->put.tail = tail;
	q->rung = tail;
	nvme_be_slow(q);
	q->head = 0;
	q->head_rung = 0;
	q->phase = 1;
}

/* The owner may be looking whether there is something. */
void nvme_queue_clear(struct udrv_nvme_queue *q)
{
	for (uint32_t i = 0; i <= q->put.mask; i++)
		__atomic_store_n(&q->cq[i].status, 0, __ATOMIC_RELAXED);
}

void nvme_queue_wake(struct udrv_nvme_queue *q)
{
	const uint64_t one = 1;

	/* Cannot fail: the counter would have to be at its maximum. */
	if (q->efd >= 0)
		(void)!write(q->efd, &one, sizeof(one));
}

void nvme_queue_freeze(struct udrv_nvme_queue *q, uint32_t bits)
{
	__atomic_fetch_or(&q->attention, bits, __ATOMIC_SEQ_CST);
	if (q->fences)
		udrv_smp_mb();
	else
		syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
	/* The owner is inside for as long as its callbacks take. */
	while (__atomic_load_n(&q->inside, __ATOMIC_ACQUIRE))
		udrv_usleep_range(10, 50);
}

void nvme_queue_thaw(struct udrv_nvme_queue *q, uint32_t bits)
{
	__atomic_store_n(&q->attention, bits, __ATOMIC_RELEASE);
	nvme_queue_wake(q);
}
