// SPDX-License-Identifier: MIT
/* Completions of the software NVMe controller (4.6): written at once, or held until later. */
#include <string.h>

#include "backend/model_nvme_dev.h"
#include "sched/clock.h"

static uint32_t next(uint32_t at, uint32_t size)
{
	return at + 1 == size ? 0 : at + 1;
}

bool udrv__nvme_cq_is_full(const struct udrv__nvme_cq *cq)
{
	return next(cq->tail, cq->size) == cq->head;
}

/* 7.5: without messages, the pin follows from what the queues hold. */
void udrv__nvme_interrupt(struct udrv__nvme *n, const struct udrv__nvme_cq *cq)
{
	if (!cq->ien || n->switches.no_interrupts)
		return;
	if (!udrv__model_irq_is_message(n->model)) {
		udrv__nvme_update_pin(n);
		n->counts.interrupts += !(n->intms & 1);
	} else {
		udrv__model_irq_raise(n->model, cq->vector);
		n->counts.interrupts++;
	}
}

void udrv__nvme_post(struct udrv__nvme *n, struct udrv__nvme_cq *cq,
		     const struct udrv__nvme_cqe *cqe)
{
	const udrv_iova_t at = cq->base + cq->tail * sizeof(*cqe);

	if (!udrv__model_dma_publish(n->model, at, cqe, sizeof(*cqe)))
		udrv__nvme_fatal(n);
	cq->tail = next(cq->tail, cq->size);
	if (!cq->tail)
		cq->phase ^= 1;
	n->counts.completions++;
	udrv__nvme_interrupt(n, cq);
}

struct udrv__nvme_cqe udrv__nvme_entry(const struct udrv__nvme *n, const struct udrv__nvme_sq *sq,
				       uint16_t cid, uint16_t status, uint32_t dw0)
{
	if (!n->retry_delays)
		status &= (uint16_t)~NVME_ST_CRD;
	return (struct udrv__nvme_cqe){
		.dw0 = dw0,
		.sqhd = (uint16_t)sq->head,
		.sqid = sq->id,
		.cid = cid,
		.status = (uint16_t)(status << 1 | n->cqs[sq->cqid].phase),
	};
}

/* Those that this one overtakes come next. */
static void let_follow(struct udrv__nvme *n, const struct udrv__nvme_sq *sq)
{
	struct udrv__nvme_held *h;

	for (h = n->held; h; h = h->next)
		if (h->overtaken && h->sqid == sq->id)
			h->due = 0;
}

static void post_of(struct udrv__nvme *n, struct udrv__nvme_sq *sq, uint16_t cid, uint16_t status,
		    uint32_t dw0)
{
	const struct udrv__nvme_cqe cqe = udrv__nvme_entry(n, sq, cid, status, dw0);

	udrv__nvme_post(n, &n->cqs[sq->cqid], &cqe);
	sq->last_cid = cid;
	if (n->held)
		let_follow(n, sq);
}

void udrv__nvme_complete(struct udrv__nvme *n, struct udrv__nvme_sq *sq, uint16_t cid,
			 uint16_t status, uint32_t dw0)
{
	if (udrv__nvme_cq_is_full(&n->cqs[sq->cqid]))
		udrv__nvme_hold(n, sq, cid, status, dw0, 0);
	else
		post_of(n, sq, cid, status, dw0);
}

/* NULL: nothing is left of 1024, and the controller fails. */
static struct udrv__nvme_held *add_held(struct udrv__nvme *n, const struct udrv__nvme_sq *sq,
					uint16_t cid, uint64_t due)
{
	struct udrv__nvme_held *h = n->held_free, **link = &n->held;

	if (!h) {
		udrv__nvme_fatal(n);
		return NULL;
	}
	n->held_free = h->next;
	*h = (struct udrv__nvme_held){.due = due, .sqid = sq->id, .cid = cid};
	while (*link)
		link = &(*link)->next;
	*link = h;
	return h;
}

void udrv__nvme_hold(struct udrv__nvme *n, struct udrv__nvme_sq *sq, uint16_t cid, uint16_t status,
		     uint32_t dw0, uint64_t due)
{
	struct udrv__nvme_held *h = add_held(n, sq, cid, due);

	if (!h)
		return;
	h->status = status;
	h->dw0 = dw0;
}

void udrv__nvme_hold_command(struct udrv__nvme *n, struct udrv__nvme_sq *sq,
			     const struct udrv__nvme_cmd *cmd, uint64_t due)
{
	struct udrv__nvme_held *h = add_held(n, sq, cmd->cid, due);

	if (!h)
		return;
	h->run = true;
	h->cmd = *cmd;
}

void udrv__nvme_overtake(struct udrv__nvme *n, const struct udrv__nvme_sq *sq, uint16_t cid)
{
	struct udrv__nvme_held *h;

	for (h = n->held; h; h = h->next)
		if (h->sqid == sq->id && h->cid == cid)
			h->overtaken = true;
}

static void drop(struct udrv__nvme *n, struct udrv__nvme_held **link)
{
	struct udrv__nvme_held *h = *link;

	*link = h->next;
	h->next = n->held_free;
	n->held_free = h;
}

static bool is_due(const struct udrv__nvme *n, const struct udrv__nvme_held *h, uint64_t now)
{
	const uint32_t mask = NVME_CSTS_RDY | NVME_CSTS_CFS;

	return h->due <= now && (n->csts & mask) == NVME_CSTS_RDY &&
	       !udrv__nvme_cq_is_full(&n->cqs[n->sqs[h->sqid].cqid]);
}

/* One that is due is taken off the list before it is executed, which may change the list. */
static bool deliver_one(struct udrv__nvme *n, uint64_t now)
{
	struct udrv__nvme_held **link = &n->held;
	struct udrv__nvme_held h;

	while (*link && !is_due(n, *link, now))
		link = &(*link)->next;
	if (!*link)
		return false;
	h = **link;
	drop(n, link);
	if (h.run)
		udrv__nvme_run(n, &n->sqs[h.sqid], &h.cmd, NULL);
	else
		post_of(n, &n->sqs[h.sqid], h.cid, h.status, h.dw0);
	return true;
}

/* What waits for room is woken by a doorbell, not by time. */
unsigned int udrv__nvme_deliver(struct udrv__nvme *n, uint64_t *next_due)
{
	const uint64_t now = n->held ? udrv__now_ns() : 0;
	const struct udrv__nvme_held *h;
	unsigned int count = 0;

	*next_due = UDRV__NEVER;
	while (deliver_one(n, now))
		count++;
	for (h = n->held; h; h = h->next)
		if (h->due > now && h->due < *next_due)
			*next_due = h->due;
	return count;
}

void udrv__nvme_forget(struct udrv__nvme *n, unsigned int sqid)
{
	struct udrv__nvme_held **link = &n->held;

	while (*link) {
		if (sqid == NVME_QIDS || (*link)->sqid == sqid)
			drop(n, link);
		else
			link = &(*link)->next;
	}
}

bool udrv__nvme_take_held(struct udrv__nvme *n, unsigned int sqid, uint16_t cid)
{
	struct udrv__nvme_held **link;

	for (link = &n->held; *link; link = &(*link)->next) {
		if ((*link)->sqid != sqid || (*link)->cid != cid)
			continue;
		drop(n, link);
		return true;
	}
	return false;
}
