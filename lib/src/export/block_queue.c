// SPDX-License-Identifier: MIT
/*
 * A job is cut into requests by its own thread, which submits as many as fit and then waits. One of
 * the threads that wait is the leader: it polls, or sleeps until the device has something, offers
 * what did not fit before, and wakes those whose jobs are done. When its own is, it makes another
 * one the leader. The lock is not held while the leader sleeps: meanwhile others submit.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <udrv/container_of.h>

#include "export/block_queue.h"
#include "sched/clock.h"
#include "sched/sleep.h"

#define SPIN_MAX_NS 50000
#define SPIN_MIN_NS 5000
#define NAP_NS	    20000 /* between looks at a device that has no event */
#define PIECES_MAX  1024  /* of one queue in flight */

enum { WAITS, LEADS, DONE };

struct udrv__block_piece {
	struct udrv_block_request rq;
	struct udrv__block_queue *queue;
	struct udrv__block_job *job;
	struct udrv__block_piece *next;
};

/* Threads. */

static bool is_done(const struct udrv__block_job *job)
{
	return __atomic_load_n(&job->state, __ATOMIC_ACQUIRE) == DONE;
}

/* Once the lock is free; a word that is gone by then is not touched. */
static void wake_later(struct udrv__block_queue *q, struct udrv__block_job *job)
{
	udrv_list_del(&job->sleepers);
	if (q->wake_count == UDRV__BLOCK_WAKES)
		udrv__wake_word(q->wakes[--q->wake_count], 1);
	q->wakes[q->wake_count++] = &job->state;
}

static void unlock(struct udrv__block_queue *q)
{
	const uint32_t *wakes[UDRV__BLOCK_WAKES];
	const unsigned int count = q->wake_count;

	memcpy(wakes, q->wakes, count * sizeof(wakes[0]));
	q->wake_count = 0;
	pthread_mutex_unlock(&q->lock);
	for (unsigned int i = 0; i < count; i++)
		udrv__wake_word(wakes[i], 1);
}

static bool leads(const struct udrv__block_queue *q, const struct udrv__block_job *job)
{
	return __atomic_load_n(&q->leader, __ATOMIC_RELAXED) == job;
}

static void set_leader(struct udrv__block_queue *q, struct udrv__block_job *job)
{
	__atomic_store_n(&q->leader, job, __ATOMIC_RELAXED);
}

/* Its thread may return at once: the job is not touched after the store. */
static void put_job(struct udrv__block_queue *q, struct udrv__block_job *job)
{
	if (--job->refs)
		return;
	if (leads(q, job)) {
		if (q->leader_sleeps)
			(void)eventfd_write(q->kick_fd, 1);
	} else if (!udrv_list_empty(&job->sleepers)) {
		wake_later(q, job);
	}
	__atomic_store_n(&job->state, DONE, __ATOMIC_RELEASE);
}

static void pass_on(struct udrv__block_queue *q)
{
	struct udrv__block_job *next = NULL;

	if (!udrv_list_empty(&q->sleepers)) {
		next = udrv_list_first_entry(&q->sleepers, struct udrv__block_job, sleepers);
		wake_later(q, next);
	}
	set_leader(q, next);
	if (next)
		__atomic_store_n(&next->state, LEADS, __ATOMIC_RELEASE);
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
	put_job(q, job);
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
	put_job(q, job);
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

/* The leader. */

static void take_lock(struct udrv__block_queue *q)
{
	pthread_mutex_lock(&q->lock);
}

/* One round; was there anything to do? */
static bool work(struct udrv__block_queue *q)
{
	const bool ended = q->block->ops->poll(q->hw) > 0;

	return submit(q) || ended;
}

static bool look(struct udrv__block_queue *q, const struct udrv__block_job *mine, uint64_t end)
{
	bool alone;

	do {
		unlock(q);
		alone = udrv__adaptive_yield();
		take_lock(q);
		if (is_done(mine) || work(q))
			return true;
		if (!alone) {
			udrv__adaptive_unwanted(&q->adaptive);
			return false;
		}
	} while (udrv__now_ns() < end);
	return false;
}

static void nap(struct udrv__block_queue *q)
{
	const struct timespec t = {.tv_nsec = NAP_NS};

	unlock(q);
	(void)nanosleep(&t, NULL);
	take_lock(q);
}

/*
 * What is submitted meanwhile is signalled, as what was before; an end that is not comes with a
 * kick, if it matters.
 */
static void sleep_on_event(struct udrv__block_queue *q)
{
	struct pollfd fds[2] = {
		{.fd = q->kick_fd, .events = POLLIN},
		{.fd = q->event_fd, .events = POLLIN},
	};
	eventfd_t kicks;

	q->leader_sleeps = true;
	unlock(q);
	(void)poll(fds, 2, UDRV_BLOCK_TICK_MS);
	take_lock(q);
	q->leader_sleeps = false;
	if (fds[0].revents)
		(void)eventfd_read(q->kick_fd, &kicks);
}

static void rest(struct udrv__block_queue *q, const struct udrv__block_job *mine)
{
	const uint64_t start = udrv__now_ns();
	const uint64_t spin = udrv__adaptive_time(&q->adaptive);
	const bool caught = spin && look(q, mine, start + spin);

	if (!caught && (q->event_fd < 0 || !q->in_flight))
		nap(q);
	else if (!caught && !q->block->ops->event_arm(q->hw))
		sleep_on_event(q);
	udrv__adaptive_learn(&q->adaptive, udrv__now_ns() - start, caught);
}

static void lead(struct udrv__block_queue *q, const struct udrv__block_job *mine)
{
	while (!is_done(mine)) {
		if (!work(q)) {
			rest(q, mine);
		} else if (q->wake_count) {
			unlock(q);
			take_lock(q);
		}
	}
	pass_on(q);
}

static void sleep_until_told(const struct udrv__block_job *job)
{
	while (__atomic_load_n(&job->state, __ATOMIC_ACQUIRE) == WAITS)
		(void)udrv__sleep(&job->state, WAITS, NULL, NULL, UDRV__NEVER);
}

/* True if it leads from now on, with the lock. A leader may find its job done already. */
static bool follow(struct udrv__block_queue *q, struct udrv__block_job *job)
{
	udrv_list_add_tail(&job->sleepers, &q->sleepers);
	unlock(q);
	sleep_until_told(job);
	if (!leads(q, job))
		return false;
	take_lock(q);
	return true;
}

static void add_last(struct udrv__block_queue *q, struct udrv__block_job *job)
{
	job->next = NULL;
	if (q->last)
		q->last->next = job;
	else
		q->first = job;
	q->last = job;
}

int udrv__block_queue_do(struct udrv__block_queue *q, struct udrv__block_job *job)
{
	job->refs = 1;
	job->result = 0;
	job->state = WAITS;
	udrv_init_list_head(&job->sleepers);
	take_lock(q);
	add_last(q, job);
	(void)submit(q);
	if (!is_done(job)) {
		if (!q->leader)
			set_leader(q, job);
		else if (!follow(q, job))
			return job->result;
		lead(q, job);
	}
	unlock(q);
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

static int open_queue(struct udrv__block_queue *q)
{
	const struct udrv_block_ops *ops = q->block->ops;
	const int ret = ops->queue_open(q->block, q->index, &q->hw);

	q->event_fd = ret || !ops->event_fd ? -1 : ops->event_fd(q->hw);
	return ret;
}

int udrv__block_queue_start(struct udrv__block_queue *q, struct udrv_block *block,
			    unsigned int index)
{
	int ret;

	*q = (struct udrv__block_queue){.block = block, .index = index};
	udrv_init_list_head(&q->sleepers);
	udrv__adaptive_begin(&q->adaptive, SPIN_MIN_NS, SPIN_MAX_NS);
	ret = make_pieces(q);
	if (ret)
		return ret;
	q->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->kick_fd < 0) {
		ret = -errno;
		goto err_pieces;
	}
	pthread_mutex_init(&q->lock, NULL);
	ret = open_queue(q);
	if (!ret)
		return 0;
	pthread_mutex_destroy(&q->lock);
	close(q->kick_fd);
err_pieces:
	free(q->pieces);
	return ret;
}

void udrv__block_queue_stop(struct udrv__block_queue *q)
{
	q->block->ops->queue_close(q->hw);
	pthread_mutex_destroy(&q->lock);
	close(q->kick_fd);
	free(q->pieces);
}
