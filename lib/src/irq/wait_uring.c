// SPDX-License-Identifier: MIT
/*
 * Waiting by one io_uring for all sources: a multishot poll for each, which reports every signal
 * and reads nothing, one for the kicks, and the deadline as the wait's own timeout.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>

#include "irq/irq.h"
#include "sched/clock.h"

/* Whose completion it is: a vector's address, or one of these. */
#define OF_KICKS  UINT64_C(1)
#define OF_NOBODY UINT64_C(2)

/* Each source has one completion a look; with more the kernel keeps what has no room. */
#define COMPLETIONS 256
#define SUBMISSIONS 8
/* Linux 6.13, IO_LOCAL_TW_DEFAULT_MAX, is 20; a little less, to be sure. */
#define REPORTS_AT_ONCE 16

/*
 * A ring may be where another thread's was. The kernel orders the two; the thread sanitizer, which
 * does not see liburing's system calls, takes it from here.
 */
static uint32_t rings_ended;

int udrv__ring_init(struct udrv__irq_worker *w)
{
	/*
	 * Newest first: deferred task running is of Linux 6.1, the flag that tells of it, without
	 * a system call, of 5.19.
	 */
	static const unsigned int flags[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
		IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
		0,
	};
	int ret = -EINVAL;

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]) && ret == -EINVAL; i++) {
		struct io_uring_params params = {.flags = flags[i] | IORING_SETUP_CQSIZE,
						 .cq_entries = COMPLETIONS};

		ret = io_uring_queue_init_params(SUBMISSIONS, &w->w.ring, &params);
	}
	if (ret)
		return ret;
	(void)__atomic_load_n(&rings_ended, __ATOMIC_ACQUIRE);
	w->w.error = 0;
	w->w.enter_flags = IORING_ENTER_GETEVENTS;
	/* Saves a descriptor look-up per wait; works without, too. */
	if (io_uring_register_ring_fd(&w->w.ring) == 1)
		w->w.enter_flags |= IORING_ENTER_REGISTERED_RING;
	return 0;
}

void udrv__ring_exit(struct udrv__irq_worker *w)
{
	__atomic_add_fetch(&rings_ended, 1, __ATOMIC_RELEASE);
	io_uring_queue_exit(&w->w.ring);
}

/* One submission at a time: it is for setting up, and there is always room. */
static int submit(struct udrv__irq_worker *w)
{
	int ret = io_uring_submit(&w->w.ring);

	return ret < 0 ? ret : 0;
}

static int arm(struct udrv__irq_worker *w, int fd, uint64_t owner)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&w->w.ring);

	if (!sqe)
		return -EBUSY;
	io_uring_prep_poll_multishot(sqe, fd, POLLIN);
	io_uring_sqe_set_data64(sqe, owner);
	return submit(w);
}

static int arm_source(struct udrv__irq_worker *w, struct udrv__vector *v)
{
	int ret = arm(w, v->efd, (uint64_t)(uintptr_t)v);

	v->polled = !ret;
	return ret;
}

static int init_uring(struct udrv__irq_worker *w)
{
	int ret = udrv__ring_init(w);

	if (ret)
		return ret;
	ret = arm(w, w->kick_fd, OF_KICKS);
	if (ret)
		udrv__ring_exit(w);
	return ret;
}

static int rearm(struct udrv__irq_worker *w, uint64_t owner, int why)
{
	struct udrv__vector *v = (struct udrv__vector *)(uintptr_t)owner;

	if (owner == OF_NOBODY)
		return 0;
	if (owner == OF_KICKS)
		return why < 0 ? why : arm(w, w->kick_fd, OF_KICKS);
	v->polled = false;
	if (v == w->leaving)
		return 0;
	return why < 0 ? why : arm_source(w, v);
}

/*
 * Of a source, or of the kicks: the kernel may do that at any time. Signals meanwhile show on
 * arming. What fails, fails the worker.
 */
static __attribute__((noinline)) void poll_ended(struct udrv__irq_worker *w, uint64_t owner,
						 int why)
{
	int ret = rearm(w, owner, why);

	if (ret)
		w->w.error = ret;
}

static inline void take(struct udrv__irq_worker *w, const struct io_uring_cqe *cqe)
{
	const uint64_t owner = cqe->user_data;

	/* Of a poll that goes on, or has ended with a signal: it never reports 0. */
	if (__builtin_expect(owner > OF_NOBODY && cqe->res >= 0, 1))
		udrv__worker_ready(w, (struct udrv__vector *)(uintptr_t)owner);
	if (__builtin_expect(!(cqe->flags & IORING_CQE_F_MORE), 0))
		poll_ended(w, owner, cqe->res);
}

/* Several completions of one poll stand for one "signalled since". */
static inline int reap(struct udrv__irq_worker *w)
{
	const struct io_uring_cq *cq = &w->w.ring.cq;
	unsigned int head = *cq->khead;
	const unsigned int tail = io_uring_smp_load_acquire(cq->ktail);

	while (head != tail)
		take(w, &cq->cqes[head++ & cq->ring_mask]);
	io_uring_smp_store_release(cq->khead, head);
	return w->w.error;
}

/* io_uring_wait_cqe() does the same in about 100 instructions more. */
static int enter(struct udrv__irq_worker *w, unsigned int wait_for)
{
	int ret = io_uring_enter2((unsigned int)w->w.ring.enter_ring_fd, 0, wait_for,
				  w->w.enter_flags, NULL, _NSIG / 8);

	return ret < 0 && ret != -EINTR ? ret : 0;
}

static __attribute__((noinline)) int enter_until(struct udrv__irq_worker *w)
{
	struct timespec left;
	struct __kernel_timespec ts;
	struct io_uring_getevents_arg arg = {.sigmask_sz = _NSIG / 8, .ts = (uintptr_t)&ts};
	int ret;

	(void)udrv__deadline_left(w, &left);
	ts = (struct __kernel_timespec){left.tv_sec, left.tv_nsec};
	ret = io_uring_enter2((unsigned int)w->w.ring.enter_ring_fd, 0, 1,
			      w->w.enter_flags | IORING_ENTER_EXT_ARG, (sigset_t *)(void *)&arg,
			      sizeof(arg));
	return ret < 0 && ret != -EINTR && ret != -ETIME ? ret : 0;
}

/* With a completion there already the kernel does not wait. */
static int wait_uring(struct udrv__irq_worker *w)
{
	int ret = __builtin_expect(w->deadline_ns == UDRV__NEVER, 1) ? enter(w, 1) : enter_until(w);

	return __builtin_expect(ret, 0) ? ret : reap(w);
}

static bool has_news(const struct udrv__irq_worker *w)
{
	return __atomic_load_n(w->w.ring.sq.kflags, __ATOMIC_ACQUIRE) &
		       (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW) ||
	       io_uring_cq_ready(&w->w.ring);
}

/*
 * What the kernel has put off, or had no room for, it reports when it is entered; newer ones no
 * more than some 20 at a time. Not for ever: what comes meanwhile need not be found.
 */
static int look_uring(struct udrv__irq_worker *w)
{
	unsigned int turns = 2 + w->source_count / REPORTS_AT_ONCE;
	int ret;

	do {
		ret = enter(w, 0);
		if (!ret)
			ret = reap(w);
	} while (!ret && --turns && has_news(w));
	return ret;
}

/* Afterwards no completion speaks of the vector. */
static int remove_uring(struct udrv__irq_worker *w, struct udrv__vector *v)
{
	struct io_uring_sqe *sqe;
	int ret;

	if (!v->polled)
		return 0;
	sqe = io_uring_get_sqe(&w->w.ring);
	if (!sqe)
		return -EBUSY;
	w->leaving = v;
	/* Not a poll's removal, which fails while a signal waits to be reported. */
	io_uring_prep_cancel64(sqe, (uint64_t)(uintptr_t)v, 0);
	io_uring_sqe_set_data64(sqe, OF_NOBODY);
	ret = submit(w);
	while (!ret && v->polled) {
		ret = enter(w, 1);
		if (!ret)
			ret = reap(w);
	}
	w->leaving = NULL;
	return ret;
}

const struct udrv__wait_ops udrv__wait_uring = {
	.name = "uring",
	.many = true,
	.init = init_uring,
	.exit = udrv__ring_exit,
	.add = arm_source,
	.remove = remove_uring,
	.wait = wait_uring,
	.look = look_uring,
	.has_news = has_news,
	.instead = &udrv__wait_epoll,
};
