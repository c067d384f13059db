// SPDX-License-Identifier: MIT
/*
 * What does not go the usual way: slots that are still in use, commands that failed, completions
 * that belong to no command.
 */
#include <errno.h>
#include <stdlib.h>

#include <udrv/container_of.h>

#include "nvme_ctrl.h"

#define COMPLAINTS     16 /* about nonsense, then it is only counted */
#define BACKOFF_MS     10 /* before the second retry where the controller does not say; then twice */
#define BACKOFF_MAX_MS 1000 /* as much, and so on up to that */

/* Used again, until the queue goes. */
static struct nvme_moved *get_place(struct udrv_nvme_queue *q)
{
	struct nvme_moved *m = udrv_list_first_entry_or_null(&q->spares, struct nvme_moved, link);

	if (m)
		udrv_list_del(&m->link);
	return m ? m : malloc(sizeof(*m));
}

/* The command in the slot at the tail makes room for another one. */
static int move_aside(struct udrv_nvme_queue *q, struct udrv__nvme_tracker *t)
{
	struct nvme_moved *m = get_place(q);

	if (!m)
		return -EAGAIN;
	m->t = *t;
	m->sqe = q->put.sq[nvme_tail_slot(q)];
	t->plain = UDRV__NVME_FREE;
	udrv_list_add_tail(&m->link, &q->moved);
	q->moved_count++;
	nvme_be_slow(q);
	return 0;
}

/* Generations are few: one that a command aside has is passed over. */
static bool is_cid_moved(const struct udrv_nvme_queue *q, uint16_t cid)
{
	const struct nvme_moved *m;

	udrv_list_for_each_entry(m, &q->moved, link)
		if (m->t.cid == cid)
			return true;
	return false;
}

/* The same slot, with the next generation. */
static void skip_generation(struct udrv_nvme_queue *q)
{
	const uint32_t slots = q->put.mask + 1;

	q->put.tail += slots;
	q->put.full += slots;
	q->rung += slots;
}

static int choose_generation(struct udrv_nvme_queue *q)
{
	const uint16_t first = nvme_next_cid(q);

	while (is_cid_moved(q, nvme_next_cid(q))) {
		skip_generation(q);
		if (nvme_next_cid(q) == first)
			return -EAGAIN;
	}
	return 0;
}

int nvme_make_room(struct udrv_nvme_queue *q)
{
	struct udrv__nvme_tracker *t = &q->put.trackers[nvme_tail_slot(q)];
	int ret = 0;

	if (nvme_in_flight(q) >= q->depth)
		return q->refuse ? q->refuse : -EAGAIN;
	if (!nvme_is_free(t))
		ret = move_aside(q, t);
	return ret ? ret : choose_generation(q);
}

int nvme_put_sqe(struct udrv_nvme_queue *q, const struct nvme_sqe *sqe,
		 const struct nvme_data *data, uint8_t flags, udrv_nvme_done_t done, void *ctx)
{
	struct udrv__nvme_tracker was = {.done = done, .ctx = ctx, .flags = flags};
	int ret = nvme_make_room(q);

	if (data->maps) {
		was.flags |= NVME_T_MAPS;
		was.maps = data->maps;
	} else if (data->list) {
		was.flags |= NVME_T_LIST;
		was.list = data->list;
	}
	if (!ret)
		nvme_put_in(q, sqe, &was);
	return ret;
}

int nvme_put_mapped(struct udrv_nvme_queue *q, struct nvme_sqe *sqe, const struct iovec *iov,
		    unsigned int count, void *meta, size_t meta_len, uint8_t flags,
		    udrv_nvme_done_t done, void *ctx)
{
	struct nvme_data data;
	int ret;

	if (nvme_in_flight(q) >= q->depth)
		return nvme_make_room(q);
	ret = nvme_data_map(q, sqe, iov, count, meta, meta_len, &data);
	if (ret)
		return ret;
	ret = nvme_put_sqe(q, sqe, &data, flags, done, ctx);
	if (ret)
		nvme_data_unmap(q, &data);
	return ret;
}

void nvme_put_in(struct udrv_nvme_queue *q, const struct nvme_sqe *sqe,
		 const struct udrv__nvme_tracker *was)
{
	struct udrv__nvme_tracker *t = &q->put.trackers[nvme_tail_slot(q)];
	struct nvme_sqe *slot = &q->put.sq[nvme_tail_slot(q)];
	const uint16_t cid = nvme_next_cid(q);

	if (slot != sqe)
		*slot = *sqe;
	slot->cid = cid;
	t->maps = was->maps; /* or list */
	nvme_put(q, t, cid, was->flags & (uint8_t) ~(NVME_T_ABORTING | NVME_T_WAITS), was->done,
		 was->ctx);
	t->retries = was->retries;
}

static bool find_command(struct udrv_nvme_queue *q, uint16_t cid, struct nvme_command *c)
{
	struct udrv__nvme_tracker *t = &q->put.trackers[cid & q->put.mask];
	struct nvme_moved *m;

	/* One that was not shown by the doorbell cannot have been completed. */
	if (!nvme_is_free(t) && t->cid == cid && !nvme_is_unsent(q, cid & q->put.mask)) {
		*c = (struct nvme_command){t, &q->put.sq[cid & q->put.mask], NULL};
		return true;
	}
	udrv_list_for_each_entry(m, &q->moved, link) {
		if (m->t.cid == cid) {
			*c = (struct nvme_command){&m->t, &m->sqe, m};
			return true;
		}
	}
	return false;
}

void nvme_take_out(struct udrv_nvme_queue *q, const struct nvme_command *c,
		   struct udrv__nvme_tracker *was)
{
	*was = *c->t;
	c->t->plain = UDRV__NVME_FREE;
	q->put.full++;
	if (!c->moved)
		return;
	udrv_list_del(&c->moved->link);
	udrv_list_add(&c->moved->link, &q->spares);
	if (!(was->flags & NVME_T_WAITS))
		q->moved_count--;
}

void nvme_release_data(struct udrv_nvme_queue *q, const struct udrv__nvme_tracker *was)
{
	const struct nvme_data data = {
		was->flags & NVME_T_MAPS ? was->maps : NULL,
		was->flags & NVME_T_LIST ? was->list : NULL,
	};

	nvme_data_unmap(q, &data);
}

/* 4.6.1: anything that does not say "do not retry" may work another time. */
static bool may_retry(const struct udrv_nvme_queue *q, const struct udrv__nvme_tracker *t,
		      uint32_t status)
{
	if (t->flags & NVME_T_ONCE || status & NVME_STATUS_DNR || q->refuse)
		return false;
	/* What was aborted has taken too long once; it may again. */
	return t->retries < q->nvme->options.retries;
}

/*
 * 4.6.1, CRD: which of three times that the controller has told; not more than a command may take.
 * Where it does not say, at once, as most such states are over then; after that ever later.
 */
static uint32_t delay_of(const struct udrv_nvme_queue *q, const struct udrv__nvme_tracker *t,
			 uint32_t status)
{
	const uint32_t crd = NVME_STATUS_CRD(status);
	uint32_t delay = 0;

	if (crd)
		delay = __atomic_load_n(&q->nvme->retry_ms[crd - 1], __ATOMIC_RELAXED);
	if (delay)
		return delay < q->timeout ? delay : q->timeout;
	if (!t->retries)
		return 0;
	delay = t->retries < 8 ? (uint32_t)BACKOFF_MS << (t->retries - 1) : BACKOFF_MAX_MS;
	return delay < BACKOFF_MAX_MS ? delay : BACKOFF_MAX_MS;
}

int nvme_postpone(struct udrv_nvme_queue *q, const struct nvme_command *c, uint32_t delay)
{
	struct nvme_moved *m = get_place(q);
	struct udrv__nvme_tracker was;

	if (!m)
		return -ENOMEM;
	m->t = *c->t;
	m->t.flags = (uint8_t)((c->t->flags & ~NVME_T_ABORTING) | NVME_T_WAITS);
	m->sqe = *c->sqe;
	nvme_set_clock(q, q->rung, nvme_clock());
	m->since = q->put.now;
	m->delay = delay;
	nvme_take_out(q, c, &was);
	q->put.full--; /* for its owner it is */
	udrv_list_add_tail(&m->link, &q->waiting);
	if (q->put.now - q->checked + delay < q->look_after)
		q->look_after = q->put.now - q->checked + delay;
	return 0;
}

static bool retry(struct udrv_nvme_queue *q, const struct nvme_command *c, uint32_t status)
{
	const struct nvme_sqe sqe = *c->sqe;
	const uint32_t delay = delay_of(q, c->t, status);
	struct udrv__nvme_tracker was;

	if (!may_retry(q, c->t, status) || nvme_is_for_other(q, c->t, c->sqe))
		return false;
	c->t->retries++;
	c->t->flags |= NVME_T_TRIED;
	if (delay && !nvme_postpone(q, c, delay))
		return true;
	nvme_take_out(q, c, &was);
	/* There is room for one more now, but for want of memory. */
	if (nvme_make_room(q)) {
		nvme_release_data(q, &was);
		was.done(was.ctx, status, 0);
		return true;
	}
	nvme_put_in(q, &sqe, &was);
	return true;
}

/* It names no command, or is not this queue's: nothing that it says can be believed. */
static void complain(struct udrv_nvme_queue *q, const struct nvme_cqe *cqe)
{
	if (__atomic_fetch_add(&q->nvme->bad, 1, __ATOMIC_RELAXED) < COMPLAINTS)
		udrv_dev_warn(
			q->dev,
			"queue %u: ignored a completion that belongs to no command: id 0x%04x, "
			"queue %u, head %u, status 0x%x",
			q->qid, cqe->cid, cqe->sq_id, cqe->sq_head, cqe->status >> 1);
}

/* What only the host says. */
static bool is_hosts_own(uint32_t status)
{
	return status == NVME_SC_HOST_PATHING || status == NVME_SC_HOST_ABORTED ||
	       status == NVME_SC_HOST_NS_CHANGED;
}

bool nvme_complete_odd(struct udrv_nvme_queue *q, const struct nvme_cqe *cqe)
{
	uint32_t status = cqe->status >> 1;
	struct udrv__nvme_tracker was;
	struct nvme_command c;

	if (cqe->sq_id != q->qid || cqe->sq_head > q->put.mask || !find_command(q, cqe->cid, &c)) {
		complain(q, cqe);
		return false;
	}
	if (is_hosts_own(status & NVME_STATUS_MASK))
		status = NVME_SC_INTERNAL | NVME_STATUS_DNR;
	if (status && retry(q, &c, status))
		return false;
	nvme_take_out(q, &c, &was);
	nvme_release_data(q, &was);
	was.done(was.ctx, status, cqe->dw0);
	return true;
}
