// SPDX-License-Identifier: MIT
/* Creating and deleting I/O queues (5.3 to 5.6). */
#include <errno.h>

#include "backend/model_nvme_dev.h"

#define DNR(sc)	       ((uint16_t)((sc) | NVME_ST_DNR))
#define QPRIO(cdw11)   ((cdw11) >> 1 & 3)
#define IOSQES	       6
#define IOCQES	       4
#define SIZE_OF(cdw10) (((cdw10) >> 16) + 1)

/* What both have to get right: the identifier is free, the size is possible, memory is in order. */
static uint16_t check_queue(const struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd,
			    bool exists, uint32_t granted)
{
	const uint32_t qid = cmd->cdw10 & 0xffff, size = SIZE_OF(cmd->cdw10);

	if (!qid || qid > granted || exists)
		return DNR(NVME_SC_QUEUE_ID);
	if (size < 2 || size > n->config.queue_entries)
		return DNR(NVME_SC_QUEUE_SIZE);
	/* CAP.CQR */
	if (!(cmd->cdw11 & NVME_QUEUE_PC))
		return DNR(NVME_SC_INVALID_FIELD);
	if (!cmd->prp1)
		return DNR(NVME_SC_INVALID_FIELD);
	if (cmd->prp1 & ((1ULL << n->page_shift) - 1))
		return DNR(NVME_SC_PRP_OFFSET);
	return NVME_SC_SUCCESS;
}

static bool sq_exists(const struct udrv__nvme *n, uint32_t qid)
{
	return qid < NVME_QIDS && n->sqs[qid].on;
}

static bool cq_exists(const struct udrv__nvme *n, uint32_t qid)
{
	return qid < NVME_QIDS && n->cqs[qid].on;
}

/* Of messages, all that the table has; of the pin, one (5.3). */
static bool vector_exists(struct udrv__nvme *n, uint32_t vector)
{
	return !vector ||
	       (udrv__model_irq_is_message(n->model) && vector < UDRV__MODEL_NVME_VECTORS);
}

uint16_t udrv__nvme_create_cq(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd)
{
	const uint32_t qid = cmd->cdw10 & 0xffff, vector = cmd->cdw11 >> 16;
	const bool ien = cmd->cdw11 & NVME_QUEUE_IEN;
	uint16_t status = check_queue(n, cmd, cq_exists(n, qid), n->cqs_granted);

	if (status)
		return status;
	if (NVME_CC_IOCQES(n->cc) != IOCQES)
		return DNR(NVME_SC_QUEUE_SIZE);
	/* CMBSZ.CQS is 0. */
	if (udrv__nvme_cmb_at(n, cmd->prp1, 1))
		return DNR(NVME_SC_CMB_USE);
	if (!vector_exists(n, vector))
		return DNR(NVME_SC_INTERRUPT_VECTOR);
	udrv__nvme_init_cq(n, qid, cmd->prp1, SIZE_OF(cmd->cdw10), vector, ien);
	return NVME_SC_SUCCESS;
}

uint16_t udrv__nvme_create_sq(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd)
{
	const uint32_t qid = cmd->cdw10 & 0xffff, cqid = cmd->cdw11 >> 16;
	uint16_t status;

	if (!cqid || cqid > n->cqs_granted)
		return DNR(NVME_SC_QUEUE_ID);
	if (!cq_exists(n, cqid))
		return DNR(NVME_SC_CQ_INVALID);
	status = check_queue(n, cmd, sq_exists(n, qid), n->sqs_granted);
	if (status)
		return status;
	if (NVME_CC_IOSQES(n->cc) != IOSQES)
		return DNR(NVME_SC_QUEUE_SIZE);
	if (udrv__nvme_cmb_at(n, cmd->prp1, 1) &&
	    !udrv__nvme_cmb_at(n, cmd->prp1, SIZE_OF(cmd->cdw10) * sizeof(*cmd)))
		return DNR(NVME_SC_CMB_USE);
	udrv__nvme_init_sq(n, qid, cqid, cmd->prp1, SIZE_OF(cmd->cdw10));
	n->sqs[qid].priority = QPRIO(cmd->cdw11);
	return NVME_SC_SUCCESS;
}

int udrv__model_nvme_priority(struct udrv_device *dev, unsigned int qid)
{
	struct udrv__nvme *n = udrv__nvme_of(dev);
	int ret;

	udrv__nvme_lock(n);
	ret = sq_exists(n, qid) ? n->sqs[qid].priority : -ENOENT;
	udrv__nvme_unlock(n);
	return ret;
}

/* 5.6: what is outstanding will not be completed any more. */
uint16_t udrv__nvme_delete_sq(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd)
{
	const uint32_t qid = cmd->cdw10 & 0xffff;

	if (!qid || !sq_exists(n, qid))
		return DNR(NVME_SC_QUEUE_ID);
	udrv__nvme_end_sq(n, qid);
	return NVME_SC_SUCCESS;
}

uint16_t udrv__nvme_delete_cq(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd)
{
	const uint32_t qid = cmd->cdw10 & 0xffff;

	if (!qid || !cq_exists(n, qid))
		return DNR(NVME_SC_QUEUE_ID);
	if (n->cqs[qid].users)
		return DNR(NVME_SC_QUEUE_DELETION);
	udrv__nvme_end_cq(n, qid);
	return NVME_SC_SUCCESS;
}
