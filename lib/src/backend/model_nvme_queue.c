// SPDX-License-Identifier: MIT
/* The software NVMe controller's queues: doorbells (3.1.24, 7.13), fetching and turns (4.1, 4.13).
 */
#include <string.h>

#include "backend/model_nvme_dev.h"

uint32_t *udrv__nvme_doorbell(struct udrv__nvme *n, unsigned int index)
{
	return (uint32_t *)(void *)(n->doorbells + (size_t)index * (4u << n->config.dstrd));
}

static void *queue_memory(struct udrv__nvme *n, udrv_iova_t base, size_t len)
{
	void *in_cmb = n->config.direct ? udrv__nvme_cmb_at(n, base, len) : NULL;

	if (in_cmb || !n->config.direct)
		return in_cmb;
	return udrv__model_dma_memory(n->model, base, len);
}

void udrv__nvme_init_sq(struct udrv__nvme *n, unsigned int qid, unsigned int cqid, udrv_iova_t base,
			uint32_t size)
{
	struct udrv__nvme_sq *sq = &n->sqs[qid];

	*sq = (struct udrv__nvme_sq){
		.on = true,
		.id = (uint16_t)qid,
		.cqid = (uint16_t)cqid,
		.size = size,
		.base = base,
		.memory = queue_memory(n, base, size * sizeof(struct udrv__nvme_cmd)),
		.doorbell = udrv__nvme_doorbell(n, 2 * qid),
	};
	__atomic_store_n(sq->doorbell, 0, __ATOMIC_RELAXED);
	n->cqs[cqid].users++;
	if (n->sq_end <= qid)
		n->sq_end = qid + 1;
}

void udrv__nvme_init_cq(struct udrv__nvme *n, unsigned int qid, udrv_iova_t base, uint32_t size,
			unsigned int vector, bool ien)
{
	struct udrv__nvme_cq *cq = &n->cqs[qid];

	*cq = (struct udrv__nvme_cq){
		.on = true,
		.ien = ien,
		.id = (uint16_t)qid,
		.vector = (uint16_t)vector,
		.phase = 1,
		.size = size,
		.base = base,
		.memory = queue_memory(n, base, size * sizeof(struct udrv__nvme_cqe)),
		.doorbell = udrv__nvme_doorbell(n, 2 * qid + 1),
	};
	__atomic_store_n(cq->doorbell, 0, __ATOMIC_RELAXED);
}

void udrv__nvme_end_sq(struct udrv__nvme *n, unsigned int qid)
{
	udrv__nvme_forget(n, qid);
	n->cqs[n->sqs[qid].cqid].users--;
	n->sqs[qid].on = false;
	while (n->sq_end && !n->sqs[n->sq_end - 1].on)
		n->sq_end--;
}

void udrv__nvme_end_cq(struct udrv__nvme *n, unsigned int qid)
{
	n->cqs[qid].on = false;
	udrv__nvme_update_pin(n);
}

static void bad_doorbell(struct udrv__nvme *n, unsigned int info)
{
	n->counts.bad_doorbells++;
	udrv__nvme_event(n, NVME_AER_ERROR, info, NVME_LOG_ERROR);
}

/* Entries from one index of a queue to another. */
static uint32_t distance(uint32_t from, uint32_t to, uint32_t size)
{
	return to >= from ? to - from : to + size - from;
}

void udrv__nvme_set_tail(struct udrv__nvme *n, struct udrv__nvme_sq *sq, uint32_t val)
{
	if (val >= sq->size)
		bad_doorbell(n, NVME_AEI_BAD_VALUE);
	else
		sq->tail = val;
}

/* A head moves over what was posted, and no further. */
void udrv__nvme_set_head(struct udrv__nvme *n, struct udrv__nvme_cq *cq, uint32_t val)
{
	if (val >= cq->size ||
	    distance(cq->head, val, cq->size) > distance(cq->head, cq->tail, cq->size)) {
		bad_doorbell(n, NVME_AEI_BAD_VALUE);
		return;
	}
	cq->head = val;
	if (cq->ien && !udrv__model_irq_is_message(n->model))
		udrv__nvme_update_pin(n);
}

static void take_doorbell(struct udrv__nvme *n, unsigned int index)
{
	const uint32_t val = __atomic_load_n(udrv__nvme_doorbell(n, index), __ATOMIC_ACQUIRE);
	struct udrv__nvme_sq *sq = &n->sqs[index / 2];
	struct udrv__nvme_cq *cq = &n->cqs[index / 2];
	const bool is_cq = index & 1;

	if (is_cq ? cq->on : sq->on) {
		if (is_cq)
			udrv__nvme_set_head(n, cq, val);
		else
			udrv__nvme_set_tail(n, sq, val);
	} else if (n->csts & NVME_CSTS_RDY) {
		bad_doorbell(n, NVME_AEI_BAD_DOORBELL);
	}
}

static void take_marked(struct udrv__nvme *n)
{
	for (unsigned int i = 0; i < NVME_DIRTY_WORDS; i++) {
		uint64_t bits = 0;

		if (__atomic_load_n(&n->dirty[i], __ATOMIC_SEQ_CST))
			bits = __atomic_exchange_n(&n->dirty[i], 0, __ATOMIC_SEQ_CST);
		for (; bits; bits &= bits - 1)
			take_doorbell(n, 64 * i + (unsigned int)__builtin_ctzll(bits));
	}
}

/* Memory has no marks: what differs is new, and of queues that are there. */
static void compare_doorbells(struct udrv__nvme *n)
{
	for (unsigned int i = 0; i < n->sq_end; i++) {
		struct udrv__nvme_sq *sq = &n->sqs[i];
		struct udrv__nvme_cq *cq = &n->cqs[sq->cqid];

		if (!sq->on)
			continue;
		if (__atomic_load_n(sq->doorbell, __ATOMIC_ACQUIRE) != sq->tail)
			take_doorbell(n, 2 * i);
		if (__atomic_load_n(cq->doorbell, __ATOMIC_ACQUIRE) != cq->head)
			take_doorbell(n, 2u * sq->cqid + 1);
	}
}

void udrv__nvme_take_doorbells(struct udrv__nvme *n)
{
	if (n->config.direct)
		compare_doorbells(n);
	else
		take_marked(n);
	if (n->shadow)
		udrv__nvme_take_shadow(n);
}

bool udrv__nvme_is_ready(const struct udrv__nvme *n, const struct udrv__nvme_sq *sq)
{
	const uint32_t mask = NVME_CSTS_RDY | NVME_CSTS_CFS | NVME_CSTS_SHST_MASK;

	return sq->on && sq->head != sq->tail && !n->paused && !n->switches.activating &&
	       (n->csts & mask) == NVME_CSTS_RDY && !udrv__nvme_cq_is_full(&n->cqs[sq->cqid]);
}

bool udrv__nvme_any_ready(const struct udrv__nvme *n)
{
	for (unsigned int i = 0; i < n->sq_end; i++)
		if (udrv__nvme_is_ready(n, &n->sqs[i]))
			return true;
	return n->held;
}

static bool fetch(struct udrv__nvme *n, struct udrv__nvme_sq *sq, struct udrv__nvme_cmd *cmd)
{
	const udrv_iova_t at = sq->base + sq->head * sizeof(*cmd);
	const void *in_cmb = udrv__nvme_cmb_at(n, at, sizeof(*cmd));

	if (in_cmb)
		memcpy(cmd, in_cmb, sizeof(*cmd));
	else if (!udrv__model_dma_read(n->model, at, cmd, sizeof(*cmd)))
		return false;
	sq->head = sq->head + 1 == sq->size ? 0 : sq->head + 1;
	n->counts.commands++;
	return true;
}

void udrv__nvme_run(struct udrv__nvme *n, struct udrv__nvme_sq *sq,
		    const struct udrv__nvme_cmd *cmd, const struct udrv__model_nvme_fault *fault)
{
	uint32_t dw0 = 0;
	uint16_t status = sq->id ? udrv__nvme_io(n, cmd) : udrv__nvme_admin(n, cmd, &dw0);

	if (status == NVME_LATER)
		return;
	if (status)
		status = udrv__nvme_log_error(n, sq, cmd, status);
	if (fault)
		udrv__nvme_complete_badly(n, sq, cmd, status, dw0, fault);
	else
		udrv__nvme_complete(n, sq, cmd->cid, status, dw0);
}

static void execute(struct udrv__nvme *n, struct udrv__nvme_sq *sq)
{
	struct udrv__model_nvme_fault fault;
	struct udrv__nvme_cmd cmd;
	bool faulty;

	if (!fetch(n, sq, &cmd)) {
		udrv__nvme_fatal(n);
		return;
	}
	faulty = n->fault_count && udrv__nvme_pick_fault(n, sq, &cmd, &fault);
	if (!faulty || !udrv__nvme_fail_before(n, sq, &cmd, &fault))
		udrv__nvme_run(n, sq, &cmd, faulty ? &fault : NULL);
}

/* One command of each queue of a class in turn, at most so many. */
static unsigned int serve_class(struct udrv__nvme *n, unsigned int priority, unsigned int most)
{
	unsigned int done = 0, idle = 0;

	while (done < most && idle < n->sq_end) {
		struct udrv__nvme_sq *sq = &n->sqs[n->turn[priority]++ % n->sq_end];

		if (sq->id && sq->priority == priority && udrv__nvme_is_ready(n, sq)) {
			execute(n, sq);
			done++;
			idle = 0;
		} else {
			idle++;
		}
	}
	return done;
}

/* 4.13.2: the admin queue, urgent ones, then the others by their weights (5.21.1.1), 0's based. */
static unsigned int weighted_round(struct udrv__nvme *n)
{
	const uint32_t weights = n->features[NVME_FEAT_ARBITRATION];
	unsigned int done = 0;

	if (udrv__nvme_is_ready(n, &n->sqs[0])) {
		execute(n, &n->sqs[0]);
		return 1;
	}
	done = serve_class(n, NVME_QPRIO_URGENT, 1);
	if (done)
		return done;
	done = serve_class(n, NVME_QPRIO_HIGH, (weights >> 24 & 0xff) + 1);
	done += serve_class(n, NVME_QPRIO_MEDIUM, (weights >> 16 & 0xff) + 1);
	return done + serve_class(n, NVME_QPRIO_LOW, (weights >> 8 & 0xff) + 1);
}

/* 4.13.1 round robin; one command each, which is a burst of 1 (5.21.1.1). */
unsigned int udrv__nvme_round(struct udrv__nvme *n)
{
	unsigned int done = 0;

	if (NVME_CC_AMS(n->cc) == NVME_AMS_WEIGHTED)
		return weighted_round(n);

	for (unsigned int i = 0; i < n->sq_end; i++) {
		struct udrv__nvme_sq *sq = &n->sqs[i];

		if (!udrv__nvme_is_ready(n, sq))
			continue;
		if (n->config.direct && i)
			done += udrv__nvme_run_direct(n, sq);
		if (!udrv__nvme_is_ready(n, sq))
			continue;
		execute(n, sq);
		done++;
	}
	return done;
}
