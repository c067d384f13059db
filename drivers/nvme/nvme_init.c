// SPDX-License-Identifier: MIT
/* From an enabled controller to one that is used: NVM Express 1.4, 7.6.1, after its register part.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nvme_ctrl.h"

#define IDENTITIES_MAX	   1024
#define MAX_TRANSFER_SHIFT 20 /* what the lists have room for, and what anybody needs: 1 MiB */

/* A status of the controller becomes an errno, with a line. */
static int explain(const struct udrv_nvme *nvme, const char *what, int ret)
{
	if (ret > 0)
		udrv_dev_err(nvme->dev, "cannot %s: %s (status 0x%x)", what,
			     udrv_nvme_status_text((uint32_t)ret), ret);
	else if (ret)
		udrv_dev_err(nvme->dev, "cannot %s: %s", what, strerror(-ret));
	return ret > 0 ? udrv_nvme_errno((uint32_t)ret) : ret;
}

/* 5.15.2.2, MDTS: in pages of the smallest size, log2; 0: no limit. */
uint32_t nvme_max_transfer(const struct udrv_nvme *nvme)
{
	const unsigned int mdts = nvme_id(nvme)->mdts;
	const unsigned int shift = mdts + 12u + NVME_CAP_MPSMIN(nvme->cap);

	return 1u << (mdts && shift < MAX_TRANSFER_SHIFT ? shift : MAX_TRANSFER_SHIFT);
}

bool nvme_has_sgl(const struct udrv_nvme *nvme)
{
	return NVME_SGLS_SUPPORT(nvme_id(nvme)->sgls) && !nvme->options.no_sgl;
}

/* 5.15.2.2, SQES and CQES: 64 and 16 bytes must be among the sizes. */
static int check_entries(const struct udrv_nvme *nvme)
{
	const struct nvme_id_ctrl *id = nvme_id(nvme);

	if ((id->sqes & 0xf) <= 6 && id->sqes >> 4 >= 6 && (id->cqes & 0xf) <= 4 &&
	    id->cqes >> 4 >= 4)
		return 0;
	udrv_dev_err(nvme->dev,
		     "its queue entries are not of 64 and 16 bytes (SQES 0x%x, CQES 0x%x)",
		     id->sqes, id->cqes);
	return -EPROTO;
}

/* It is kept if it says something new. 0, negative errno. */
static int take_identity(struct udrv_nvme *nvme, struct nvme_identity *now)
{
	if (!memcmp(&nvme->identity->id, &now->id, sizeof(now->id))) {
		free(now);
		return 0;
	}
	if (nvme->identities == IDENTITIES_MAX) {
		free(now);
		udrv_dev_err(nvme->dev, "it says something else of itself time and again");
		return -EPROTO;
	}
	nvme->identities++;
	now->older = nvme->identity;
	__atomic_store_n(&nvme->identity, now, __ATOMIC_RELEASE);
	return 0;
}

static int identify(struct udrv_nvme *nvme)
{
	struct nvme_identity *now = malloc(sizeof(*now));
	int ret = -ENOMEM;

	if (now)
		ret = nvme_admin_identify(nvme, NVME_CNS_CTRL, 0, &now->id, true);
	ret = explain(nvme, "identify the controller", ret);
	if (ret) {
		free(now);
		return ret;
	}
	ret = take_identity(nvme, now);
	if (!ret)
		ret = check_entries(nvme);
	if (ret)
		return ret;
	pthread_mutex_lock(&nvme->admin_lock);
	nvme->aborts_max = nvme_id(nvme)->acl + 1u < 4u ? nvme_id(nvme)->acl + 1u : 4u;
	pthread_mutex_unlock(&nvme->admin_lock);
	return 0;
}

void nvme_forget_identity(struct udrv_nvme *nvme)
{
	while (nvme->identity) {
		struct nvme_identity *older = nvme->identity->older;

		free(nvme->identity);
		nvme->identity = older;
	}
}

static int scan(struct udrv_nvme *nvme)
{
	return nvme_ns_scan(nvme, true);
}

/* 5.21.1.7: 0's based, submission queues below, completion queues above. What is granted counts. */
static int ask_for_queues(struct udrv_nvme *nvme)
{
	const uint32_t wanted = nvme->options.queues - 1;
	const struct nvme_sqe sqe = {.opcode = NVME_ADMIN_SET_FEATURES,
				     .cdw10 = NVME_FEAT_QUEUES,
				     .cdw11 = wanted << 16 | wanted};
	uint32_t granted;
	uint32_t sqs;
	uint32_t cqs;
	uint32_t most;
	int ret = nvme_admin_run(nvme, &sqe, NULL, 0, &granted, true);

	/* One that is broken may refuse; then it is for admin commands, which may mend it. */
	if (ret > 0 && !nvme->queues_max) {
		udrv_dev_warn(nvme->dev, "it grants no I/O queues (%s): admin commands only",
			      udrv_nvme_status_text((uint32_t)ret));
		return 0;
	}
	if (ret)
		return explain(nvme, "ask for I/O queues", ret);
	sqs = (granted & 0xffff) + 1;
	cqs = (granted >> 16) + 1;
	most = sqs < cqs ? sqs : cqs;
	if (most > nvme->options.queues)
		most = nvme->options.queues;
	while (most && !nvme_has_doorbells(nvme, most))
		most--;
	/* Others read it at any time: udrv_nvme_get_info(). */
	__atomic_store_n(&nvme->queues_max, most, __ATOMIC_RELAXED);
	return 0;
}

/* 5.21.1.11: those that there may be; a controller that knows none has nothing to say. */
static int ask_for_events(struct udrv_nvme *nvme)
{
	const uint32_t mask =
		NVME_ASYNC_SMART_ALL |
		(nvme_id(nvme)->oaes & (NVME_ASYNC_NS_CHANGED | NVME_ASYNC_FW_ACTIVATION));
	const struct nvme_sqe sqe = {
		.opcode = NVME_ADMIN_SET_FEATURES, .cdw10 = NVME_FEAT_ASYNC_EVENT, .cdw11 = mask};
	int ret = nvme_admin_run(nvme, &sqe, NULL, 0, NULL, true);

	if (ret > 0)
		udrv_dev_info(nvme->dev, "it does not tell of events: %s",
			      udrv_nvme_status_text((uint32_t)ret));
	return ret > 0 ? 0 : explain(nvme, "ask for events", ret);
}

/*
 * 5.21.1.22, 5.15.2.2: a controller that has retry delays uses them once it knows that its host
 * does. In units of 100 ms.
 */
static int ask_for_retry_delays(struct udrv_nvme *nvme)
{
	const uint16_t crdt[3] = {nvme_id(nvme)->crdt1, nvme_id(nvme)->crdt2, nvme_id(nvme)->crdt3};
	struct nvme_host_behavior *host;
	const struct nvme_sqe sqe = {.opcode = NVME_ADMIN_SET_FEATURES,
				     .cdw10 = NVME_FEAT_HOST_BEHAVIOR};
	int ret;

	for (unsigned int i = 0; i < 3; i++)
		__atomic_store_n(&nvme->retry_ms[i], crdt[i] * 100u, __ATOMIC_RELAXED);
	if (!(crdt[0] | crdt[1] | crdt[2]))
		return 0;
	host = calloc(1, sizeof(*host));
	if (!host)
		return -ENOMEM;
	host->acre = 1;
	ret = nvme_admin_run(nvme, &sqe, host, sizeof(*host), NULL, true);
	free(host);
	return ret > 0 ? 0 : explain(nvme, "enable its retry delays", ret);
}

/* 5.21.1.1: it is lost by a reset. */
static int set_arbitration(struct udrv_nvme *nvme)
{
	const struct nvme_sqe sqe = {.opcode = NVME_ADMIN_SET_FEATURES,
				     .cdw10 = NVME_FEAT_ARBITRATION,
				     .cdw11 = nvme->options.arbitration};
	int ret;

	if (!nvme->options.arbitration)
		return 0;
	ret = nvme_admin_run(nvme, &sqe, NULL, 0, NULL, true);
	return ret > 0 ? 0 : explain(nvme, "set the arbitration", ret);
}

/* 5.7: pages, allocated once. Without them it works as well. */
static int offer_shadows(struct udrv_nvme *nvme)
{
	const struct nvme_sqe template = {.opcode = NVME_ADMIN_DOORBELL_BUFFER};
	struct nvme_sqe sqe = template;
	int ret;

	__atomic_store_n(&nvme->shadows_on, false, __ATOMIC_RELAXED);
	if (!(nvme_id(nvme)->oacs & NVME_OACS_DOORBELL_BUFFER) || nvme->options.no_shadow_doorbells)
		return 0;
	if (!nvme->shadows) {
		nvme->shadows = udrv_dma_alloc_coherent(nvme->dev, UDRV_PAGE_SIZE,
							&nvme->shadows_iova, UDRV_GFP_KERNEL);
		nvme->event_idxs = udrv_dma_alloc_coherent(nvme->dev, UDRV_PAGE_SIZE,
							   &nvme->event_idxs_iova, UDRV_GFP_KERNEL);
	}
	if (!nvme->shadows || !nvme->event_idxs)
		return -ENOMEM;
	memset(nvme->shadows, 0, UDRV_PAGE_SIZE);
	memset(nvme->event_idxs, 0, UDRV_PAGE_SIZE);
	sqe.prp1 = nvme->shadows_iova;
	sqe.prp2 = nvme->event_idxs_iova;
	ret = nvme_admin_run(nvme, &sqe, NULL, 0, NULL, true);
	__atomic_store_n(&nvme->shadows_on, !ret, __ATOMIC_RELAXED);
	return ret > 0 ? 0 : explain(nvme, "offer shadow doorbells", ret);
}

/* 5.3, then 5.4. */
static int create_cq(struct udrv_nvme *nvme, const struct udrv_nvme_queue *q, bool own)
{
	const bool interrupts = q->completion != UDRV_NVME_POLLED && q->vector >= 0;
	const struct nvme_sqe sqe = {
		.opcode = NVME_ADMIN_CREATE_CQ,
		.prp1 = q->cq_iova,
		.cdw10 = q->put.mask << 16 | q->qid,
		.cdw11 = NVME_QUEUE_CONTIGUOUS |
			 (interrupts ? NVME_CQ_IEN | NVME_CQ_VECTOR(q->vector) : 0),
	};

	return nvme_admin_run(nvme, &sqe, NULL, 0, NULL, own);
}

/* 5.4, QPRIO */
static uint32_t qprio(const struct udrv_nvme *nvme, const struct udrv_nvme_queue *q)
{
	static const uint8_t values[] = {[UDRV_NVME_URGENT] = 0,
					 [UDRV_NVME_HIGH] = 1,
					 [UDRV_NVME_MEDIUM] = 2,
					 [UDRV_NVME_LOW] = 3};

	return nvme->weighted ? NVME_SQ_PRIO(values[q->priority]) : 0;
}

static int create_sq(struct udrv_nvme *nvme, struct udrv_nvme_queue *q, bool own)
{
	const struct nvme_sqe sqe = {
		.opcode = NVME_ADMIN_CREATE_SQ,
		.prp1 = nvme_sq_address(nvme, q),
		.cdw10 = q->put.mask << 16 | q->qid,
		.cdw11 = NVME_QUEUE_CONTIGUOUS | qprio(nvme, q) | NVME_SQ_CQID(q->qid),
	};

	return nvme_admin_run(nvme, &sqe, NULL, 0, NULL, own);
}

/*
 * Of which the memory goes: if the controller keeps it, only a reset helps, which waits for the
 * lock that is held here: the caller waits for the reset.
 */
static void delete_cq(struct udrv_nvme *nvme, const struct udrv_nvme_queue *q, bool own)
{
	const struct nvme_sqe sqe = {.opcode = NVME_ADMIN_DELETE_CQ, .cdw10 = q->qid};

	if (nvme_admin_run(nvme, &sqe, NULL, 0, NULL, own) && !own)
		nvme_want_reset(nvme, "a queue that cannot be deleted");
}

/* 5.7: the same places as the doorbells' have. */
static void point_to_shadows(const struct udrv_nvme *nvme, struct udrv_nvme_queue *q)
{
	const size_t sq = (NVME_DOORBELL(q->qid, false, NVME_CAP_DSTRD(nvme->cap)) - NVME_REG_DBS) /
			  sizeof(uint32_t);
	const size_t cq = (NVME_DOORBELL(q->qid, true, NVME_CAP_DSTRD(nvme->cap)) - NVME_REG_DBS) /
			  sizeof(uint32_t);
	const bool on = nvme->shadows_on && cq < UDRV_PAGE_SIZE / sizeof(uint32_t);

	q->sq_shadow = on ? &nvme->shadows[sq] : NULL;
	q->sq_event = on ? &nvme->event_idxs[sq] : NULL;
	q->cq_shadow = on ? &nvme->shadows[cq] : NULL;
	q->cq_event = on ? &nvme->event_idxs[cq] : NULL;
	if (on) {
		*q->sq_shadow = *q->cq_shadow = 0;
		nvme->event_idxs[sq] = nvme->event_idxs[cq] = 0;
	}
}

int nvme_queue_tell(struct udrv_nvme *nvme, struct udrv_nvme_queue *q, bool own)
{
	int ret;

	nvme_queue_clear(q);
	point_to_shadows(nvme, q);
	ret = create_cq(nvme, q, own);
	if (!ret) {
		ret = create_sq(nvme, q, own);
		if (ret > 0)
			delete_cq(nvme, q, own);
	}
	return explain(nvme, "create an I/O queue", ret);
}

/* After a reset: those that there were, and that are granted again. */
static int create_queues(struct udrv_nvme *nvme)
{
	int ret = 0;

	for (unsigned int qid = 1; qid <= nvme->queues_max && !ret; qid++)
		if (nvme->queues[qid])
			ret = nvme_queue_tell(nvme, nvme->queues[qid], true);
	return ret;
}

int nvme_initialise(struct udrv_nvme *nvme)
{
	static int (*const steps[])(struct udrv_nvme * nvme) = {
		identify,	 scan,		 nvme_want_queues,
		ask_for_queues,	 ask_for_events, ask_for_retry_delays,
		set_arbitration, offer_shadows,	 nvme_cmb_enable,
		create_queues,
	};
	int ret = 0;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && !ret; i++)
		ret = steps[i](nvme);
	return ret;
}
