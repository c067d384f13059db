// SPDX-License-Identifier: MIT
/*
 * How a worker waits: the strategies by name, and the blocking read. What reads the eventfd tells
 * kicks from signals by the counter's upper half. What does not read it leaves the counter
 * standing: it is woken by each signal and not by the counter's value, and kicked by a
 * descriptor of its own. A signal that nobody was woken for stays in the counter, so it is found
 * by whatever waits next.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "irq/irq.h"
#include "sched/clock.h"

struct timespec *udrv__deadline_left(const struct udrv__irq_worker *w, struct timespec *left)
{
	uint64_t now;

	if (w->deadline_ns == UDRV__NEVER)
		return NULL;
	now = udrv__now_ns();
	*left = udrv__timespec(now < w->deadline_ns ? w->deadline_ns - now : 0);
	return left;
}

static int init_nothing(struct udrv__irq_worker *w)
{
	(void)w;
	return 0;
}

static void exit_nothing(struct udrv__irq_worker *w)
{
	(void)w;
}

/* Of the one source, after a wait: nothing was ready before. */
void udrv__reading_took(struct udrv__irq_worker *w, uint64_t counter)
{
	struct udrv__vector *v = w->sources;

	v->taken += (uint32_t)counter;
	if (__builtin_expect((uint32_t)counter == 0, 0))
		return;
	v->ready = true;
	v->next_ready = NULL;
	w->ready = v;
}

int udrv__take_counter(struct udrv__vector *v, uint64_t *counter)
{
	struct iovec iov = {counter, sizeof(*counter)};

	if (preadv2(v->efd, &iov, 1, -1, RWF_NOWAIT) > 0) {
		v->taken += (uint32_t)*counter;
		return 0;
	}
	*counter = 0;
	return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

int udrv__reading_look(struct udrv__irq_worker *w)
{
	uint64_t counter;
	int ret = udrv__take_counter(w->sources, &counter);

	if ((uint32_t)counter)
		udrv__worker_ready(w, w->sources);
	return ret;
}

int udrv__reading_add(struct udrv__irq_worker *w, struct udrv__vector *v)
{
	uint64_t counter;

	/* What others left may look like kicks, if it was never read for very long. */
	(void)udrv__take_counter(v, &counter);
	if (counter)
		udrv__worker_ready(w, v);
	udrv__kicks_to(w, v->efd, UDRV__KICK);
	return 0;
}

int udrv__reading_remove(struct udrv__irq_worker *w, struct udrv__vector *v)
{
	uint64_t counter;

	udrv__kicks_to(w, w->kick_fd, 1);
	(void)udrv__take_counter(v, &counter);
	if ((uint32_t)counter)
		udrv__worker_ready(w, v);
	return 0;
}

/* 0 as well if the deadline came first. */
static int poll_until(const struct udrv__irq_worker *w, int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct timespec left;

	if (ppoll(&p, 1, udrv__deadline_left(w, &left), NULL) < 0 && errno != EINTR)
		return -errno;
	return 0;
}

int udrv__reading_wait_until(struct udrv__irq_worker *w)
{
	int ret = poll_until(w, w->sources->efd);

	return ret ? ret : udrv__reading_look(w);
}

static int wait_read(struct udrv__irq_worker *w)
{
	uint64_t counter;
	long n;

	if (__builtin_expect(w->deadline_ns != UDRV__NEVER, 0))
		return udrv__reading_wait_until(w);
	/* read() is a cancellation point, which costs as much as all else here. */
	do {
		n = syscall(SYS_read, w->sources->efd, &counter, sizeof(counter));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	udrv__reading_took(w, counter);
	return 0;
}

const struct udrv__wait_ops udrv__wait_read = {
	.name = "read",
	.init = init_nothing,
	.exit = exit_nothing,
	.add = udrv__reading_add,
	.remove = udrv__reading_remove,
	.wait = wait_read,
	.look = udrv__reading_look,
};

static int cannot_add(struct udrv__irq_worker *w, struct udrv__vector *v)
{
	(void)w;
	(void)v;
	return -ENODEV;
}

static int remove_nothing(struct udrv__irq_worker *w, struct udrv__vector *v)
{
	(void)w;
	(void)v;
	return 0;
}

static int wait_for_orders(struct udrv__irq_worker *w)
{
	uint64_t kicks;
	int ret = poll_until(w, w->kick_fd);

	/* Not blocking: one that was taken before is none. */
	(void)!read(w->kick_fd, &kicks, sizeof(kicks));
	return ret;
}

const struct udrv__wait_ops udrv__wait_orders = {
	.name = "nothing",
	.many = true,
	.init = init_nothing,
	.exit = exit_nothing,
	.add = cannot_add,
	.remove = remove_nothing,
	.wait = wait_for_orders,
	.look = init_nothing,
};

const struct udrv__wait_strategy udrv__wait_strategies[UDRV_WAIT_COUNT] = {
	[UDRV_WAIT_READ] = {.name = "read", .ops = &udrv__wait_read},
	[UDRV_WAIT_EPOLL] = {.name = "epoll", .ops = &udrv__wait_epoll},
	[UDRV_WAIT_URING] = {.name = "uring", .ops = &udrv__wait_uring},
	[UDRV_WAIT_URING_READ] = {.name = "uring-read", .ops = &udrv__wait_uring_read},
	[UDRV_WAIT_ADAPTIVE] = {.name = "adaptive",
				.wait = udrv__spin_adaptive,
				.counted = {&udrv__wait_count_read, &udrv__wait_count_uring}},
	[UDRV_WAIT_SPIN] = {.name = "spin",
			    .wait = udrv__spin,
			    .counted = {&udrv__wait_count, &udrv__wait_count}},
};

const char *udrv_wait_name(enum udrv_wait wait)
{
	return (unsigned int)wait < UDRV_WAIT_COUNT ? udrv__wait_strategies[wait].name : NULL;
}

int udrv_wait_parse(const char *name)
{
	for (int i = 0; i < UDRV_WAIT_COUNT; i++)
		if (!strcmp(name, udrv__wait_strategies[i].name))
			return i;
	return -EINVAL;
}
