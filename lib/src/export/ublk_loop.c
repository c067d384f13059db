// SPDX-License-Identifier: MIT
/*
 * What a queue's thread does. The kernel gives a request by ending a fetch; the driver takes it,
 * and ends it in poll(); the result goes back with the next fetch of the same tag. What one look at
 * the ring brings is committed to the driver once, and what one poll() has ended goes back with one
 * system call.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>

#include <udrv/log.h>

#include "export/ublk.h"

/* Whose completion it is: a tag's number, or one of these. */
#define OF_EVENT UINT64_C(0x10000)
#define OF_KICK	 UINT64_C(0x10001)

static const struct udrv_block_ops *ops_of(const struct udrv__ublk_queue *q)
{
	return q->u->block->ops;
}

/* There is room: a tag has one submission at a time, and the ring has some more than tags. */
static struct io_uring_sqe *new_sqe(struct udrv__ublk_queue *q)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&q->ring);

	if (!sqe)
		q->error = -ENOSPC;
	return sqe;
}

void udrv__ublk_prepare_io(struct io_uring_sqe *sqe, unsigned int op, const struct ublk_io *cmd)
{
	memset((void *)sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->cmd_op = op;
	memcpy(sqe->cmd, cmd, sizeof(*cmd));
}

static void fetch(struct udrv__ublk_queue *q, const struct udrv__ublk_tag *tag, unsigned int op,
		  int result)
{
	struct io_uring_sqe *sqe = new_sqe(q);
	const unsigned int number = (unsigned int)(tag - q->tags);
	const struct ublk_io cmd = {
		.queue = (uint16_t)q->index,
		.tag = (uint16_t)number,
		.result = result,
		.addr = (uintptr_t)tag->buf,
	};

	if (!sqe)
		return;
	udrv__ublk_prepare_io(sqe, op, &cmd);
	sqe->fd = 0; /* of those that are registered */
	sqe->flags = IOSQE_FIXED_FILE;
	sqe->user_data = number;
}

static void watch(struct udrv__ublk_queue *q, int fd, uint64_t owner)
{
	struct io_uring_sqe *sqe = new_sqe(q);

	if (!sqe)
		return;
	io_uring_prep_poll_add(sqe, fd, POLLIN);
	io_uring_sqe_set_data64(sqe, owner);
}

void udrv__ublk_watch_event(struct udrv__ublk_queue *q)
{
	if (!q->watched)
		watch(q, q->event_fd, OF_EVENT);
	q->watched = true;
}

static void finish(struct udrv__ublk_tag *tag, int error)
{
	struct udrv__ublk_queue *q = tag->q;

	q->owned--;
	q->counts.requests++;
	fetch(q, tag, UBLK_COMMIT_AND_FETCH, udrv__ublk_request_result(&tag->r, error));
}

static void wait_for_room(struct udrv__ublk_tag *tag)
{
	struct udrv__ublk_queue *q = tag->q;

	tag->next = NULL;
	*q->waiting_end = tag;
	q->waiting_end = &tag->next;
}

/* Hand it in; false if it is not done yet. */
static bool submit(struct udrv__ublk_tag *tag)
{
	struct udrv__ublk_queue *q = tag->q;
	int ret;

	tag->in_call = true;
	tag->ended = false;
	q->in_driver++;
	ret = ops_of(q)->queue_rq(q->queue, &tag->rq);
	tag->in_call = false;
	q->uncommitted = true;
	if (!ret)
		return tag->ended;
	q->in_driver--;
	if (ret == -EAGAIN) {
		wait_for_room(tag);
		return false;
	}
	tag->result = ret;
	return true;
}

/* Part after part, until one is not done at once. */
static void advance(struct udrv__ublk_tag *tag)
{
	struct udrv__ublk_queue *q = tag->q;

	while (!tag->result &&
	       udrv__ublk_request_next(&tag->r, &q->u->block->limits, tag->buf, &tag->rq))
		if (!submit(tag))
			return;
	finish(tag, tag->result);
}

static void part_done(struct udrv_block_request *rq, int result)
{
	struct udrv__ublk_tag *tag = (struct udrv__ublk_tag *)rq;

	tag->q->in_driver--;
	tag->result = result;
	tag->ended = true;
	if (!tag->in_call)
		advance(tag);
}

static void begin(struct udrv__ublk_queue *q, struct udrv__ublk_tag *tag, unsigned int number)
{
	q->owned++;
	tag->rq.done = part_done;
	tag->result = udrv__ublk_request_begin(&tag->r, &q->u->block->limits, &q->descs[number]);
	advance(tag);
}

/* Those that the driver had no room for. */
static void begin_waiting(struct udrv__ublk_queue *q)
{
	struct udrv__ublk_tag *tag = q->waiting;

	q->waiting = NULL;
	q->waiting_end = &q->waiting;
	while (tag) {
		struct udrv__ublk_tag *next = tag->next;

		if (submit(tag))
			advance(tag);
		tag = next;
	}
}

static bool gives_up(const struct udrv__ublk_queue *q)
{
	return __atomic_load_n(&q->u->phase, __ATOMIC_ACQUIRE) == UDRV__UBLK_GIVE_UP;
}

static void take(struct udrv__ublk_queue *q, const struct io_uring_cqe *cqe)
{
	const uint64_t owner = cqe->user_data;

	if (owner < q->u->shape.depth) {
		if (cqe->res >= 0) {
			/* Then it is the kernel's again, for who takes the device over. */
			if (!gives_up(q))
				begin(q, &q->tags[owner], (unsigned int)owner);
			return;
		}
		/* -ENODEV: the kernel does not want it any more. All else is a mistake. */
		q->aborted++;
		if (cqe->res != -ENODEV && !q->error)
			q->error = cqe->res;
		return;
	}
	/* Of a poll: that it woke the thread is all that it is for. */
	if (owner == OF_EVENT)
		q->watched = false;
}

static void reap(struct udrv__ublk_queue *q)
{
	struct io_uring_cqe *cqe;
	unsigned int head;
	unsigned int n = 0;

	io_uring_for_each_cqe(&q->ring, head, cqe)
	{
		/* A copy: what it begins may submit, and see the ring. */
		const struct io_uring_cqe one = {.user_data = cqe->user_data, .res = cqe->res};

		take(q, &one);
		n++;
	}
	io_uring_cq_advance(&q->ring, n);
}

int udrv__ublk_fetch_all(struct udrv__ublk_queue *q)
{
	int ret;

	q->waiting_end = &q->waiting;
	ret = io_uring_register_files(&q->ring, &q->u->fd, 1);
	if (ret)
		return ret;
	watch(q, q->u->kick_fd, OF_KICK);
	for (unsigned int i = 0; i < q->u->shape.depth; i++)
		fetch(q, &q->tags[i], UBLK_FETCH, 0);
	ret = io_uring_submit(&q->ring);
	if (ret < 0)
		return ret;
	/* What the kernel refuses it refuses at once. */
	reap(q);
	return q->error;
}

static bool is_over(const struct udrv__ublk_queue *q)
{
	if (q->owned)
		return false;
	return q->error || q->aborted == q->u->shape.depth || gives_up(q);
}

static void commit(struct udrv__ublk_queue *q)
{
	if (!q->uncommitted)
		return;
	q->uncommitted = false;
	ops_of(q)->commit_rqs(q->queue);
}

/* The ring has failed, and the kernel cannot be told. The driver must still let go. */
static void drain(struct udrv__ublk_queue *q)
{
	udrv_pr_err("ublkb%u: queue %u has failed: %s", q->u->id, q->index, strerror(-q->error));
	commit(q);
	while (q->in_driver) {
		(void)ops_of(q)->poll(q->queue);
		commit(q);
		(void)sched_yield();
	}
}

/* As far as it goes without waiting. */
static void turn(struct udrv__ublk_queue *q)
{
	reap(q);
	commit(q);
	if (q->in_driver)
		(void)ops_of(q)->poll(q->queue);
	if (q->waiting)
		begin_waiting(q);
	commit(q);
}

void udrv__ublk_loop(struct udrv__ublk_queue *q)
{
	int ret = 0;

	udrv__ublk_wait_begin(q);
	for (turn(q); !ret && !is_over(q); turn(q))
		ret = udrv__ublk_wait(q);
	if (!ret) {
		/* If it gives up, the kernel is to hear of what is done already. */
		(void)io_uring_submit(&q->ring);
		return;
	}
	q->error = ret;
	drain(q);
}
