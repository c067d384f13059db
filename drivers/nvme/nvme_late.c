// SPDX-License-Identifier: MIT
/*
 * Commands that take too long, and what becomes of those in flight when the controller is reset or
 * given up.
 */
#include <errno.h>
#include <stdlib.h>

#include <udrv/container_of.h>

#include "nvme_ctrl.h"

bool nvme_is_for_other(struct udrv_nvme_queue *q, const struct udrv__nvme_tracker *t,
		       const struct nvme_sqe *sqe)
{
	if (!q->qid)
		return false;
	return t->flags & NVME_T_STALE ||
	       nvme_ns_is_other(q->nvme, sqe->nsid, nvme_clock() - t->started);
}

/* Its time begins anew; where the namespace has changed since, it stays the old one's. */
static void restart(struct udrv_nvme_queue *q, struct udrv__nvme_tracker *t,
		    const struct nvme_sqe *sqe, uint32_t now)
{
	if (nvme_is_for_other(q, t, sqe))
		t->flags |= NVME_T_STALE;
	t->started = now;
}

void nvme_set_clock(struct udrv_nvme_queue *q, uint32_t first, uint32_t now)
{
	for (; first != q->put.tail; first++) {
		const uint32_t slot = first & q->put.mask;

		restart(q, &q->put.trackers[slot], &q->put.sq[slot], now);
	}
	q->put.now = now;
}

static void look_at(struct udrv_nvme_queue *q, struct udrv__nvme_tracker *t,
		    const struct nvme_sqe *sqe)
{
	struct udrv_nvme *nvme = q->nvme;

	if (nvme_is_free(t) || !nvme_has_passed(q->put.now, t->started, q->timeout))
		return;
	restart(q, t, sqe, q->put.now);
	if (nvme_is_paused(nvme, q->put.now))
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

/* Entered. One that has waited long enough; if there is no room now, it waits for the next look. */
static void send_again(struct udrv_nvme_queue *q, struct nvme_moved *m)
{
	const struct nvme_command c = {&m->t, &m->sqe, m};
	struct nvme_sqe sqe = m->sqe;
	struct udrv__nvme_tracker was;
	int ret;

	/* The controller says then that there is none such. */
	if (nvme_is_for_other(q, &m->t, &m->sqe))
		sqe.nsid = NVME_NSID_NONE;

	q->put.full++; /* it is not in its own way */
	ret = nvme_make_room(q);
	q->put.full--;
	if (ret)
		return;
	nvme_take_out(q, &c, &was);
	nvme_put_in(q, &sqe, &was);
}

static void look_at_waiting(struct udrv_nvme_queue *q)
{
	struct nvme_moved *m;
	struct nvme_moved *next;

	if (udrv_list_empty(&q->waiting) || !nvme_enter(q))
		return;
	udrv_list_for_each_entry_safe(m, next, &q->waiting, link)
		if (nvme_has_passed(q->put.now, m->since, m->delay))
			send_again(q, m);
	if (q->put.tail != q->rung)
		nvme_ring_sq(q);
	nvme_leave(q);
	udrv_list_for_each_entry(m, &q->waiting, link) {
		const uint32_t waited = q->put.now - m->since;
		const uint32_t left = waited < m->delay ? m->delay - waited : 1;

		if (left < q->look_after)
			q->look_after = left;
	}
}

void nvme_look_for_late(struct udrv_nvme_queue *q)
{
	struct nvme_moved *m;

	q->checked = q->put.now;
	q->look_after = nvme_look_interval(q);
	/* The admin queue's are looked for by those who wait for them. */
	if (!q->qid)
		return;
	for (uint32_t i = 0; i <= q->put.mask; i++)
		if (!nvme_is_unsent(q, i))
			look_at(q, &q->put.trackers[i], &q->put.sq[i]);
	udrv_list_for_each_entry(m, &q->moved, link)
		look_at(q, &m->t, &m->sqe);
	look_at_waiting(q);
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

/* The oldest first: those aside, then round from the tail; at last those that wait. */
static unsigned int save_all(struct udrv_nvme_queue *q, struct nvme_saved *all)
{
	unsigned int count = 0;
	struct nvme_moved *m;
	struct nvme_moved *next;

	udrv_list_for_each_entry_safe(m, next, &q->moved, link)
		save(q, &(struct nvme_command){&m->t, &m->sqe, m}, true, &all[count++]);
	for (uint32_t i = 0; i <= q->put.mask; i++) {
		const uint32_t slot = (q->put.tail + i) & q->put.mask;
		const struct nvme_command c = {&q->put.trackers[slot], &q->put.sq[slot], NULL};

		if (!nvme_is_free(c.t))
			save(q, &c, !nvme_is_unsent(q, slot), &all[count++]);
	}
	udrv_list_for_each_entry_safe(m, next, &q->waiting, link)
		save(q, &(struct nvme_command){&m->t, &m->sqe, m}, false, &all[count++]);
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
static bool is_given_up(struct udrv_nvme_queue *q, struct nvme_saved *saved, bool innocent)
{
	struct udrv__nvme_tracker *t = &saved->t;

	if (nvme_is_for_other(q, t, &saved->sqe)) {
		t->flags |= NVME_T_STALE;
		return true;
	}
	if (!saved->sent)
		return false;
	return t->flags & NVME_T_ONCE || (!innocent && t->retries >= q->nvme->options.retries);
}

/* Why one that is not sent again ends. */
static uint32_t fate_of(const struct udrv__nvme_tracker *t)
{
	if (!(t->flags & NVME_T_STALE))
		return NVME_SC_HOST_ABORTED;
	return t->flags & NVME_T_TRIED ? NVME_SC_HOST_NS_CHANGED : NVME_SC_HOST_PATHING;
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
			called += end_saved(q, &q->saved[i], fate_of(&q->saved[i].t));
	nvme_callbacks_end();
	return called;
}

static unsigned int give_up(struct udrv_nvme_queue *q)
{
	q->refuse = udrv_device_gone(q->dev) ? -ENODEV : -EIO;
	q->depth = 0;
	nvme_be_slow(q);
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
		if (q->put.tail != q->rung)
			nvme_ring_sq(q);
	}
	nvme_leave(q);
	return called;
}
