// SPDX-License-Identifier: MIT
/*
 * The thread of a queue: takes jobs, cuts them into requests, submits as many as fit, commits them
 * together, and polls. With nothing to do it sleeps until it is kicked or the device has something;
 * before that it looks for as long as that has paid lately.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <udrv/container_of.h>

#include "export/block_queue.h"
#include "sched/clock.h"
#include "sched/sleep.h"
#include "sched/thread.h"

#define SPIN_MAX_NS 20000
#define SPIN_MIN_NS 1000
#define NAP_NS	    20000 /* between looks at a device that has no event */
#define PIECES_MAX  1024  /* of one queue in flight */

struct udrv__block_piece {
	struct udrv_block_request rq;
	struct udrv__block_queue *queue;
	struct udrv__block_job *job;
	struct udrv__block_piece *next;
};

/* Jobs. */

/* The submitter, woken or not, may return at once: the job is not touched after the store. */
static void put_job(struct udrv__block_job *job)
{
	if (--job->refs)
		return;
	__atomic_store_n(&job->done, 1, __ATOMIC_RELEASE);
	udrv__wake_word(&job->done, 1);
}

static bool has_incoming(const struct udrv__block_queue *q)
{
	return __atomic_load_n(&q->incoming, __ATOMIC_SEQ_CST);
}

static void take_incoming(struct udrv__block_queue *q)
{
	struct udrv__block_job *newest = __atomic_exchange_n(&q->incoming, NULL, __ATOMIC_ACQUIRE);
	struct udrv__block_job *first = NULL;
	struct udrv__block_job *last = newest;

	while (newest) {
		struct udrv__block_job *older = newest->next;

		newest->next = first;
		first = newest;
		newest = older;
	}
	if (!first)
		return;
	if (q->last)
		q->last->next = first;
	else
		q->first = first;
	q->last = last;
}

/* Pieces. */

static void piece_done(struct udrv_block_request *rq, int result)
{
	struct udrv__block_piece *piece = udrv_container_of(rq, struct udrv__block_piece, rq);
	struct udrv__block_queue *q = piece->queue;
	struct udrv__block_job *job = piece->job;

	q->in_flight--;
	piece->next = q->free;
	q->free = piece;
	if (result && !job->result)
		job->result = result < 0 ? result : -EIO;
	put_job(job);
}

/* The next part of a job. -EAGAIN: later. */
static int submit_piece(struct udrv__block_queue *q, struct udrv__block_job *job)
{
	struct udrv__block_piece *piece = q->free;
	uint32_t len = job->left < job->most ? (uint32_t)job->left : job->most;
	int ret;

	if (!piece)
		return -EAGAIN;
	q->free = piece->next;
	piece->job = job;
	piece->rq = (struct udrv_block_request){
		.op = job->op,
		.flags = job->flags,
		.offset = job->offset,
		.len = len,
		.buf = job->buf,
		.done = piece_done,
	};
	job->refs++;
	q->in_flight++;
	ret = q->block->ops->queue_rq(q->hw, &piece->rq);
	if (ret) {
		job->refs--;
		q->in_flight--;
		piece->next = q->free;
		q->free = piece;
		return ret;
	}
	job->offset += len;
	job->left -= len;
	if (job->buf)
		job->buf += len;
	return 0;
}

/* Whole now, or after an error: no more of it. */
static void drop_first(struct udrv__block_queue *q)
{
	struct udrv__block_job *job = q->first;

	q->first = job->next;
	if (!q->first)
		q->last = NULL;
	put_job(job);
}

/* A request without a range is one piece, too. True if there is something to commit. */
static bool submit(struct udrv__block_queue *q)
{
	bool submitted = false;

	while (q->first) {
		int ret = q->first->result ? 0 : submit_piece(q, q->first);

		if (ret == -EAGAIN)
			break;
		if (ret)
			q->first->result = ret;
		else
			submitted = true;
		if (q->first->result || !q->first->left)
			drop_first(q);
	}
	if (submitted)
		q->block->ops->commit_rqs(q->hw);
	return submitted;
}

/* The thread. */

/* One round; was there anything to do? */
static bool work(struct udrv__block_queue *q)
{
	bool busy;

	take_incoming(q);
	busy = submit(q);
	return q->block->ops->poll(q->hw) > 0 || busy;
}

/* Learned: twice as long after it paid, half as long after it did not. */
static bool spin(struct udrv__block_queue *q)
{
	const uint64_t until = udrv__now_ns() + q->spin_ns;

	do {
		if (has_incoming(q) || (q->in_flight && q->block->ops->poll(q->hw) > 0)) {
			q->spin_ns = q->spin_ns * 2 < SPIN_MAX_NS ? q->spin_ns * 2 : SPIN_MAX_NS;
			return true;
		}
		sched_yield();
	} while (udrv__now_ns() < until);
	q->spin_ns = q->spin_ns / 2 > SPIN_MIN_NS ? q->spin_ns / 2 : SPIN_MIN_NS;
	return false;
}

static void sleep_on(struct udrv__block_queue *q)
{
	struct pollfd fds[2] = {
		{.fd = q->kick_fd, .events = POLLIN},
		{.fd = q->in_flight ? q->event_fd : -1, .events = POLLIN},
	};
	eventfd_t kicks;

	(void)poll(fds, 2, q->in_flight || q->first ? UDRV_BLOCK_TICK_MS : -1);
	if (fds[0].revents)
		(void)eventfd_read(q->kick_fd, &kicks);
}

static void nap(void)
{
	const struct timespec t = {.tv_nsec = NAP_NS};

	(void)nanosleep(&t, NULL);
}

/* Until a job comes, the thread is told to end, or the device has something. */
static void idle(struct udrv__block_queue *q)
{
	if (spin(q))
		return;
	if (q->in_flight && q->event_fd < 0) {
		nap();
		return;
	}
	/* Who adds a job looks at asleep afterwards; so one of the two sees the other. */
	__atomic_store_n(&q->asleep, 1, __ATOMIC_SEQ_CST);
	if (!has_incoming(q) && !__atomic_load_n(&q->stop, __ATOMIC_SEQ_CST) &&
	    !(q->in_flight && q->block->ops->event_arm(q->hw)))
		sleep_on(q);
	__atomic_store_n(&q->asleep, 0, __ATOMIC_SEQ_CST);
}

static void tell_opened(struct udrv__block_queue *q, int result)
{
	q->open_result = result;
	__atomic_store_n(&q->opened, 1, __ATOMIC_RELEASE);
	udrv__wake_word(&q->opened, 1);
}

static void *queue_thread(void *arg)
{
	struct udrv__block_queue *q = arg;
	const struct udrv_block_ops *ops = q->block->ops;
	char name[16];
	int ret;

	(void)snprintf(name, sizeof(name), "block-%u", q->index);
	udrv__thread_begin(name);
	ret = ops->queue_open(q->block, q->index, &q->hw);
	q->event_fd = ret || !ops->event_fd ? -1 : ops->event_fd(q->hw);
	tell_opened(q, ret);
	if (ret)
		return NULL;
	while (!__atomic_load_n(&q->stop, __ATOMIC_SEQ_CST))
		if (!work(q))
			idle(q);
	ops->queue_close(q->hw);
	return NULL;
}

static void kick(struct udrv__block_queue *q)
{
	if (__atomic_exchange_n(&q->asleep, 0, __ATOMIC_SEQ_CST))
		(void)eventfd_write(q->kick_fd, 1);
}

static void sleep_until_set(const uint32_t *word)
{
	while (!__atomic_load_n(word, __ATOMIC_ACQUIRE))
		(void)udrv__sleep(word, 0, NULL, NULL, UDRV__NEVER);
}

int udrv__block_queue_do(struct udrv__block_queue *q, struct udrv__block_job *job)
{
	struct udrv__block_job *next = __atomic_load_n(&q->incoming, __ATOMIC_RELAXED);

	job->refs = 1;
	job->result = 0;
	job->done = 0;
	do {
		job->next = next;
	} while (!__atomic_compare_exchange_n(&q->incoming, &next, job, true, __ATOMIC_SEQ_CST,
					      __ATOMIC_RELAXED));
	kick(q);
	sleep_until_set(&job->done);
	return job->result;
}

static int make_pieces(struct udrv__block_queue *q)
{
	unsigned int count = q->block->limits.queue_depth;

	if (count > PIECES_MAX)
		count = PIECES_MAX;
	q->pieces = calloc(count, sizeof(*q->pieces));
	if (!q->pieces)
		return -ENOMEM;
	for (unsigned int i = 0; i < count; i++) {
		q->pieces[i].queue = q;
		q->pieces[i].next = i + 1 < count ? &q->pieces[i + 1] : NULL;
	}
	q->free = q->pieces;
	return 0;
}

int udrv__block_queue_start(struct udrv__block_queue *q, struct udrv_block *block,
			    unsigned int index)
{
	int ret;

	*q = (struct udrv__block_queue){.block = block, .index = index, .spin_ns = SPIN_MIN_NS};
	ret = make_pieces(q);
	if (ret)
		return ret;
	q->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->kick_fd < 0) {
		ret = -errno;
		goto err_pieces;
	}
	ret = udrv__thread_create(&q->thread, queue_thread, q);
	if (ret)
		goto err_kick;
	sleep_until_set(&q->opened);
	ret = q->open_result;
	if (!ret)
		return 0;
	pthread_join(q->thread, NULL);
err_kick:
	close(q->kick_fd);
err_pieces:
	free(q->pieces);
	return ret;
}

void udrv__block_queue_stop(struct udrv__block_queue *q)
{
	__atomic_store_n(&q->stop, 1, __ATOMIC_SEQ_CST);
	kick(q);
	pthread_join(q->thread, NULL);
	close(q->kick_fd);
	free(q->pieces);
}
