// SPDX-License-Identifier: MIT
/*
 * How a queue's thread waits: for the kernel's requests and for the driver's completions at once.
 *
 * No wake-up is lost. A request of the kernel's, and a signal of the driver's eventfd, of which
 * there is a poll in the ring whenever the thread sleeps for the driver, both are completions of
 * the ring; and the kernel does not let a thread sleep in io_uring_enter() that has one. What is
 * left is what the driver ends between the thread's last poll() and that call: event_arm() says so
 * if it was before, and if it comes after, the eventfd is signalled, which a poll that is made
 * later finds standing. There is no poll while the thread is awake: each signal would be one more
 * completion, and one more system call, for what it has seen by itself. One that is left from a
 * sleep that a request ended costs a turn of the loop. The tick, which the driver wants for its
 * deadlines, is not needed for that.
 *
 * Before it sleeps it spins if that pays (sched/adaptive.h). It may be on the CPU of those whose
 * requests it gets, so it lets others run between its looks, and when one does it sleeps: what they
 * submit then comes to it all at once.
 */
#include <errno.h>

#include <udrv/barrier.h>

#include "export/ublk.h"
#include "sched/clock.h"

#define SPIN_MAX_NS    50000
#define SPIN_MIN_NS    5000
#define LOOKS_PER_TIME 16
/* Without an eventfd; as long as it is worth a system call. */
#define NAP_NS 50000

static const struct udrv_block_ops *ops_of(const struct udrv__ublk_queue *q)
{
	return q->u->block->ops;
}

void udrv__ublk_wait_begin(struct udrv__ublk_queue *q)
{
	udrv__adaptive_begin(&q->adaptive, SPIN_MIN_NS, SPIN_MAX_NS);
}

/* Is there something in the ring, or something that the kernel has put off until it is entered? */
static bool has_news(const struct udrv__ublk_queue *q)
{
	return __atomic_load_n(q->ring.sq.kflags, __ATOMIC_ACQUIRE) &
		       (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW) ||
	       io_uring_cq_ready(&q->ring);
}

/* What will be better next time. */
static int passing(int ret)
{
	return ret >= 0 || ret == -ETIME || ret == -EINTR || ret == -EAGAIN || ret == -EBUSY ? 0
											     : ret;
}

static int look(struct udrv__ublk_queue *q)
{
	return passing(io_uring_submit_and_get_events(&q->ring));
}

static int sleep_at_most(struct udrv__ublk_queue *q, uint64_t ns)
{
	struct __kernel_timespec ts = {.tv_sec = 0, .tv_nsec = (long long)ns};
	struct io_uring_cqe *cqe;

	q->counts.sleeps++;
	return passing(io_uring_submit_and_wait_timeout(&q->ring, &cqe, 1, &ts, NULL));
}

static int sleep_until_asked(struct udrv__ublk_queue *q)
{
	q->counts.sleeps++;
	return passing(io_uring_submit_and_wait(&q->ring, 1));
}

static bool spin_until(struct udrv__ublk_queue *q, uint64_t end)
{
	do {
		for (int i = 0; i < LOOKS_PER_TIME; i++) {
			if (ops_of(q)->poll(q->queue) || has_news(q))
				return true;
			udrv_cpu_relax();
		}
		if (!udrv__adaptive_yield()) {
			q->counts.unwanted++;
			udrv__adaptive_unwanted(&q->adaptive);
			return false;
		}
	} while (udrv__now_ns() < end);
	return false;
}

static int block(struct udrv__ublk_queue *q)
{
	if (q->event_fd < 0)
		return sleep_at_most(q, NAP_NS);
	if (ops_of(q)->event_arm(q->queue))
		return io_uring_sq_ready(&q->ring) || has_news(q) ? look(q) : 0;
	udrv__ublk_watch_event(q);
	return sleep_at_most(q, UDRV_BLOCK_TICK_MS * UINT64_C(1000000));
}

/* For what the driver has. */
static int wait_for_driver(struct udrv__ublk_queue *q)
{
	const uint64_t start = udrv__now_ns();
	const uint64_t spin = udrv__adaptive_time(&q->adaptive);
	bool caught = false;
	int ret = 0;

	if (spin) {
		/* The kernel has its results before. */
		if (io_uring_sq_ready(&q->ring))
			ret = look(q);
		caught = ret || spin_until(q, start + spin);
		q->counts.spun_ns += udrv__now_ns() - start;
	}
	if (!caught)
		ret = block(q);
	udrv__adaptive_learn(&q->adaptive, udrv__now_ns() - start, caught);
	return ret;
}

int udrv__ublk_wait(struct udrv__ublk_queue *q)
{
	if (io_uring_cq_ready(&q->ring) && !io_uring_sq_ready(&q->ring))
		return 0;
	if (has_news(q))
		return look(q);
	if (q->in_driver)
		return wait_for_driver(q);
	/* With none in the driver nobody waits for room, unless the driver takes none at all. */
	return q->waiting ? sleep_at_most(q, NAP_NS) : sleep_until_asked(q);
}
