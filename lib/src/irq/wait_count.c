// SPDX-License-Identifier: MIT
/*
 * Waiting by what the hard handler counts in memory (struct udrv__irq_count): looking takes no
 * system call. A vector is ready when its count is not `seen`, the count that its latest run
 * covers. The eventfd is signalled all the same: once for each count, and after it. Who spins does
 * not look at it, and who blocks between spins is woken by it, but by the count alone knows whether
 * there was an interrupt that no run covers.
 *
 * Others wait by signals. That no interrupt is lost, and that no chain runs for signals of
 * interrupts that were handled by their counts, when it is changed from the one to the other,
 * follows from `taken`: signals that were taken from the eventfd, by whatever took them. A count
 * less `taken` is how many signals are in the eventfd, or still on their way: that is one at most,
 * as a vector has one hard handler at a time.
 *
 *  begin  seen is taken: what was taken before was handled, or made the vector ready. So an
 *	   interrupt whose signal is in the eventfd, or on its way to it, is not covered by seen.
 *  end	   The eventfd is taken until taken has come to seen, so the signals of all that was handled
 *	   are gone from it, the one that was on its way, too: it is waited for, which is a few
 *	   instructions of a hard handler. If there was more in it than that, there were interrupts
 *	   that no run covers: the vector is ready. Signals after that stay for who waits next.
 *  bell   Who blocks looks at the counts before it does, each time, and blocks if nothing is new. A
 *	   count is written before its signal, so what the look does not see has its signal yet to
 *	   come, and that ends the wait. What the bell found before the look, when a source was
 *	   added or removed, may thus be thrown away.
 *
 * Who does not read the eventfd (epoll, the ring) does not add to taken: what is in the eventfd
 * when such a wait is followed by this one may have been handled, and makes the chain run once
 * more. Who had the vector lent, by udrv_request_irq_fd(), did not add to it either: when it comes
 * back, taken is the count.
 */
#include <errno.h>
#include <poll.h>

#include "irq/irq.h"
#include "sched/clock.h"

/* For one signal that is on its way; more only if the kernel does not signal what it counts. */
int udrv__catch_up_ms = 100;

/* Make ready whose count is new. */
static int look_at_counts(struct udrv__irq_worker *w)
{
	for (struct udrv__vector *v = w->sources; v; v = v->next_source) {
		uint64_t count = udrv__count_of(v);

		if (count == v->seen)
			continue;
		v->seen = count;
		udrv__worker_ready(w, v);
	}
	return 0;
}

static int begin(struct udrv__irq_worker *w, struct udrv__vector *v)
{
	uint64_t count = udrv__count_of(v);

	(void)w;
	v->seen = count - ((uint32_t)count - v->taken);
	return 0;
}

static bool is_signalled(const struct udrv__vector *v)
{
	struct pollfd p = {.fd = v->efd, .events = POLLIN};
	int ret;

	do {
		ret = poll(&p, 1, udrv__catch_up_ms);
	} while (ret < 0 && errno == EINTR);
	return ret > 0;
}

static int end(struct udrv__irq_worker *w, struct udrv__vector *v)
{
	uint64_t signals;
	int32_t ahead; /* of seen */
	int ret;

	do {
		ret = udrv__take_counter(v, &signals);
		ahead = (int32_t)(v->taken - (uint32_t)v->seen);
	} while (!ret && ahead < 0 && is_signalled(v));
	if (ahead > 0)
		udrv__worker_ready(w, v);
	return ret;
}

static int nothing(struct udrv__irq_worker *w)
{
	(void)w;
	return 0;
}

static void no_exit(struct udrv__irq_worker *w)
{
	(void)w;
}

/* Of strategies that spin first. */
static int wait_for_counts(struct udrv__irq_worker *w)
{
	return udrv__spin(w);
}

const struct udrv__wait_ops udrv__wait_count = {
	.name = "count",
	.many = true,
	.counted = true,
	.init = nothing,
	.exit = no_exit,
	.add = begin,
	.remove = end,
	.wait = wait_for_counts,
	.look = look_at_counts,
};

/* What the bell makes ready is not: counts tell that. @before is what was ready before it. */
static void forget_ready(struct udrv__irq_worker *w, struct udrv__vector *before)
{
	for (struct udrv__vector *v = w->ready; v; v = v->next_ready)
		v->ready = false;
	w->ready = before;
}

static struct udrv__vector *set_ready_aside(struct udrv__irq_worker *w)
{
	struct udrv__vector *before = w->ready;

	w->ready = NULL;
	return before;
}

static int init_bell(struct udrv__irq_worker *w)
{
	return w->bell->init(w);
}

static void exit_bell(struct udrv__irq_worker *w)
{
	w->bell->exit(w);
}

static int add_bell(struct udrv__irq_worker *w, struct udrv__vector *v)
{
	struct udrv__vector *before = set_ready_aside(w);
	int ret;

	(void)begin(w, v); /* before the bell takes signals */
	ret = w->bell->add(w, v);
	forget_ready(w, before);
	return ret;
}

static int remove_bell(struct udrv__irq_worker *w, struct udrv__vector *v)
{
	struct udrv__vector *before = set_ready_aside(w);
	int ret = w->bell->remove(w, v);
	int ret_end;

	forget_ready(w, before);
	ret_end = end(w, v);
	return ret ? ret : ret_end;
}

static bool is_over(const struct udrv__irq_worker *w)
{
	return w->ready || __atomic_load_n(&w->orders, __ATOMIC_RELAXED) ||
	       (w->deadline_ns != UDRV__NEVER && udrv__now_ns() >= w->deadline_ns);
}

/*
 * Signals of what was handled are no reason to return. A look before each wait: the bell may have
 * been told already of what it finds, and would not be again.
 */
static int wait_for_bell(struct udrv__irq_worker *w)
{
	int ret;

	for (;;) {
		(void)look_at_counts(w);
		if (is_over(w))
			return 0;
		ret = w->bell->wait(w);
		forget_ready(w, NULL);
		if (ret)
			return ret;
	}
}

#define WITH_BELL(of, is_many, other)                                                              \
	{                                                                                          \
		.name = #of, .many = is_many, .counted = true, .bell = &udrv__wait_##of,           \
		.instead = other, .init = init_bell, .exit = exit_bell, .add = add_bell,           \
		.remove = remove_bell, .wait = wait_for_bell, .look = look_at_counts,              \
	}

const struct udrv__wait_ops udrv__wait_count_read = WITH_BELL(read, false, NULL);
const struct udrv__wait_ops udrv__wait_count_uring =
	WITH_BELL(uring, true, &udrv__wait_count_epoll);
const struct udrv__wait_ops udrv__wait_count_epoll = WITH_BELL(epoll, true, NULL);
