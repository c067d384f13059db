// SPDX-License-Identifier: MIT
/*
 * Commands that take too long, and what becomes of those in flight when the controller is reset or
 * given up.
 */
#include <errno.h>
#include <stdlib.h>

#include <udrv/container_of.h>

#include "nvme_ctrl.h"

/* Is the slot between what was rung and the tail, so unknown to the controller? */
static bool is_unsent(const struct udrv_nvme_queue *q, uint32_t slot)
{
	return ((slot - q->rung) & q->mask) < ((q->tail - q->rung) & q->mask);
}

static void look_at(struct udrv_nvme_queue *q, struct nvme_tracker *t)
{
	struct udrv_nvme *nvme = q->nvme;

	if (!t->done || !nvme_has_passed(q->now, t->started, q->timeout))
		return;
	t->started = q->now;
	if (nvme_is_paused(nvme, q->now))
		return;
	if (t->flags & NVME_T_ABORTING) {
		udrv_dev_err(q->dev, "queue %u: command 0x%04x was not even aborted within %u ms",
			     q->qid, t->cid, nvme->options.io_timeout_ms);
		nvme_want_reset(nvme, "a command that cannot be aborted");
		return;
	}
	t->flags |= NVME_T_ABORTING;
	__atomic_fetch_add(&nvme->timeouts, 1, __ATOMIC_RELAXED);
	udrv_dev_warn(q->dev, "queue %u: command 0x%04x not done within %u ms: aborting it", q->qid,
		      t->cid, nvme->options.io_timeout_ms);
	nvme_admin_abort(nvme, q->qid, t->cid);
}

void nvme_look_for_late(struct udrv_nvme_queue *q)
{
	struct nvme_moved *m;

	q->checked = q->now;
	/* The admin queue's are looked for by those who wait for them. */
	if (!q->qid)
		return;
	for (uint32_t i = 0; i <= q->mask; i++)
		if (!is_unsent(q, i))
			look_at(q, &q->trackers[i]);
	udrv_list_for_each_entry(m, &q->moved, link)
		look_at(q, &m->t);
}

static void save(struct udrv_nvme_queue *q, const struct nvme_command *c, bool sent,
		 struct nvme_saved *to)
{
	to->sqe = *c->sqe;
	nvme_take_out(q, c, &to->t);
	if (sent)
		to->t.flags |= NVME_T_TRIED;
	to->sent = sent;
}

/* The oldest first: those aside, then round from the tail. */
static unsigned int save_all(struct udrv_nvme_queue *q, struct nvme_saved *all)
{
	unsigned int count = 0;
	struct nvme_moved *m;
	struct nvme_moved *next;

	udrv_list_for_each_entry_safe(m, next, &q->moved, link)
		save(q, &(struct nvme_command){&m->t, &m->sqe, m}, true, &all[count++]);
	for (uint32_t i = 0; i <= q->mask; i++) {
		const uint32_t slot = (q->tail + i) & q->mask;
		const struct nvme_command c = {&q->trackers[slot], &q->sq[slot], NULL};

		if (c.t->done)
			save(q, &c, !is_unsent(q, slot), &all[count++]);
	}
	return count;
}

static unsigned int end_saved(struct udrv_nvme_queue *q, const struct nvme_saved *saved,
			      uint32_t status)
{
	nvme_release_data(q, &saved->t);
	saved->t.done(saved->t.ctx, status, 0);
	return 1;
}

unsigned int nvme_end_all(struct udrv_nvme_queue *q, uint32_t sent, uint32_t unsent)
{
	const unsigned int count = save_all(q, q->saved);

	nvme_callbacks_begin();
	for (unsigned int i = 0; i < count; i++)
		(void)end_saved(q, &q->saved[i],
				q->saved[i].t.flags & NVME_T_TRIED ? sent : unsent);
	nvme_callbacks_end();
	return count;
}

/*
 * What was not sent yet has not been tried. A command that makes the controller fail each time must
 * not do so for ever.
 */
static bool is_given_up(const struct udrv_nvme_queue *q, const struct nvme_saved *saved,
			bool innocent)
{
	const struct nvme_tracker *t = &saved->t;

	if (!saved->sent)
		return false;
	return t->flags & NVME_T_ONCE || (!innocent && t->retries >= q->nvme->options.retries);
}

/* The controller begins anew, and so does the queue. Callbacks last: they may put new commands. */
static unsigned int resend_all(struct udrv_nvme_queue *q, bool innocent)
{
	const unsigned int count = save_all(q, q->saved);
	unsigned int called = 0;

	nvme_queue_rewind(q);
	for (unsigned int i = 0; i < count; i++) {
		struct nvme_saved *saved = &q->saved[i];

		if (is_given_up(q, saved, innocent))
			continue;
		saved->t.retries = (uint8_t)(saved->t.retries + (saved->sent && !innocent));
		nvme_put_in(q, &saved->sqe, &saved->t);
		saved->t.done = NULL;
	}
	nvme_callbacks_begin();
	for (unsigned int i = 0; i < count; i++)
		if (q->saved[i].t.done)
			called += end_saved(q, &q->saved[i], NVME_SC_HOST_ABORTED);
	nvme_callbacks_end();
	return called;
}

static unsigned int give_up(struct udrv_nvme_queue *q)
{
	q->refuse = udrv_device_gone(q->dev) ? -ENODEV : -EIO;
	q->depth = 0;
	q->quick = 0;
	return nvme_end_all(q, NVME_SC_HOST_ABORTED, NVME_SC_HOST_PATHING);
}

/* Inside, so that a reset waits for it; unless one has begun, which leaves word when it is over. */
unsigned int nvme_attend(struct udrv_nvme_queue *q)
{
	unsigned int called = 0;
	uint32_t attention;

	__atomic_store_n(&q->inside, q->inside + 1, __ATOMIC_SEQ_CST);
	udrv_smp_mb();
	attention = __atomic_load_n(&q->attention, __ATOMIC_ACQUIRE);
	if (attention & NVME_Q_DEAD) {
		called = give_up(q);
	} else if (attention & NVME_Q_RESEND && !(attention & NVME_Q_FROZEN)) {
		__atomic_fetch_and(&q->attention, ~(NVME_Q_RESEND | NVME_Q_INNOCENT),
				   __ATOMIC_SEQ_CST);
		called = resend_all(q, attention & NVME_Q_INNOCENT);
		if (q->tail != q->rung)
			nvme_ring_sq(q);
	}
	nvme_leave(q);
	return called;
}
