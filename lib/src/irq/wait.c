// SPDX-License-Identifier: MIT
/*
 * How a worker waits. Strategies that read the eventfd tell kicks from signals by the counter's
 * upper half. The others leave the counter standing, are woken by each signal and not by the
 * counter's value, and take kicks from a descriptor of their own. Taking them takes also those that
 * came since the worker was woken, so it looks again for signals from before them; a kick that
 * comes after that is left for the next wait.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <udrv/barrier.h>

#include "irq/irq.h"

static int init_nothing(struct udrv__vector *v)
{
	(void)v;
	return 0;
}

static void exit_nothing(struct udrv__vector *v)
{
	(void)v;
}

int udrv__woken_by(struct udrv__vector *v, uint64_t counter)
{
	int woken = (uint32_t)counter ? UDRV__WOKEN_SIGNAL : 0;

	if (__builtin_expect(counter < UDRV__KICK, 1))
		return woken;
	v->kicks_taken = (uint32_t)(counter / UDRV__KICK);
	return woken | UDRV__WOKEN_KICK;
}

int udrv__wait_read(struct udrv__vector *v)
{
	uint64_t counter;
	ssize_t n;

	do {
		n = read(v->efd, &counter, sizeof(counter));
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : udrv__woken_by(v, counter);
}

/* The kick_fd was reported. */
static int take_kicks(struct udrv__vector *v)
{
	uint64_t counter;

	if (read(v->kick_fd, &counter, sizeof(counter)) < 0)
		return 0; /* taken by an earlier wait already */
	v->kicks_taken = (uint32_t)counter;
	return UDRV__WOKEN_KICK;
}

static int epoll_add(struct udrv__vector *v, int fd, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.fd = fd};

	return epoll_ctl(v->w.epfd, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

static int init_epoll(struct udrv__vector *v)
{
	int ret;

	v->w.epfd = epoll_create1(EPOLL_CLOEXEC);
	if (v->w.epfd < 0)
		return -errno;
	ret = epoll_add(v, v->efd, EPOLLIN | EPOLLET);
	if (!ret)
		ret = epoll_add(v, v->kick_fd, EPOLLIN);
	if (ret)
		close(v->w.epfd);
	return ret;
}

/* UDRV__WOKEN_*, with the kicks not taken yet, or negative errno. */
static int look_epoll(struct udrv__vector *v, int timeout)
{
	struct epoll_event ev[2];
	int woken = 0;
	int n;

	do {
		n = epoll_wait(v->w.epfd, ev, 2, timeout);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	while (n--)
		woken |= ev[n].data.fd == v->efd ? UDRV__WOKEN_SIGNAL : UDRV__WOKEN_KICK;
	return woken;
}

static int wait_epoll(struct udrv__vector *v)
{
	int woken = look_epoll(v, -1);
	int kicks;
	int again;

	if (woken < 0 || !(woken & UDRV__WOKEN_KICK))
		return woken;
	kicks = take_kicks(v);
	again = look_epoll(v, 0);
	return again < 0 ? again : ((woken | again) & UDRV__WOKEN_SIGNAL) | kicks;
}

static void exit_epoll(struct udrv__vector *v)
{
	close(v->w.epfd);
}

static int init_ring(struct udrv__vector *v)
{
	/* Newest first: deferred task running is of Linux 6.1. */
	static const unsigned int flags[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_COOP_TASKRUN,
		0,
	};
	int ret = -EINVAL;

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]) && ret == -EINVAL; i++)
		ret = io_uring_queue_init(8, &v->w.ring, flags[i]);
	if (ret)
		return ret;
	v->w.enter_flags = IORING_ENTER_GETEVENTS;
	/* Saves a descriptor look-up per wait; works without, too. */
	if (io_uring_register_ring_fd(&v->w.ring) == 1)
		v->w.enter_flags |= IORING_ENTER_REGISTERED_RING;
	return 0;
}

static void exit_ring(struct udrv__vector *v)
{
	io_uring_queue_exit(&v->w.ring);
}

/*
 * Arm the polls that @woken names; each is known by its bit. That of the kicks is armed for one
 * report: there is none while the worker looks again for signals.
 */
static int arm_polls(struct udrv__vector *v, unsigned int woken)
{
	const struct {
		unsigned int bit;
		int fd;
	} polls[] = {{UDRV__WOKEN_SIGNAL, v->efd}, {UDRV__WOKEN_KICK, v->kick_fd}};
	int ret;

	for (size_t i = 0; i < sizeof(polls) / sizeof(polls[0]); i++) {
		struct io_uring_sqe *sqe;

		if (!(woken & polls[i].bit))
			continue;
		sqe = io_uring_get_sqe(&v->w.ring);
		if (!sqe)
			return -EBUSY;
		if (polls[i].bit == UDRV__WOKEN_KICK)
			io_uring_prep_poll_add(sqe, polls[i].fd, POLLIN);
		else
			io_uring_prep_poll_multishot(sqe, polls[i].fd, POLLIN);
		io_uring_sqe_set_data64(sqe, polls[i].bit);
	}
	ret = io_uring_submit(&v->w.ring);
	return ret < 0 ? ret : 0;
}

static int init_uring(struct udrv__vector *v)
{
	int ret = init_ring(v);

	if (ret)
		return ret;
	ret = arm_polls(v, UDRV__WOKEN_SIGNAL | UDRV__WOKEN_KICK);
	if (ret)
		exit_ring(v);
	return ret;
}

/* Several completions of one poll stand for one "signalled since". 0 or negative errno. */
static int take_polls(struct udrv__vector *v, unsigned int *woken, unsigned int *ended)
{
	struct io_uring_cqe *cqe;
	unsigned int seen = 0;
	unsigned int head;
	int ret = 0;

	io_uring_for_each_cqe(&v->w.ring, head, cqe)
	{
		seen++;
		*woken |= (unsigned int)cqe->user_data;
		if (!(cqe->flags & IORING_CQE_F_MORE))
			*ended |= (unsigned int)cqe->user_data;
		if (cqe->res < 0 && cqe->res != -ECANCELED)
			ret = cqe->res;
	}
	io_uring_cq_advance(&v->w.ring, seen);
	return ret;
}

static int enter_ring(struct udrv__vector *v, unsigned int wait_for)
{
	int ret = io_uring_enter2((unsigned int)v->w.ring.enter_ring_fd, 0, wait_for,
				  v->w.enter_flags, NULL, _NSIG / 8);

	return ret < 0 && ret != -EINTR ? ret : 0;
}

/* Take the kicks, and look again: signals are reported once the kernel is entered. */
static int take_kicks_of_ring(struct udrv__vector *v, unsigned int *woken, unsigned int *ended)
{
	int ret;

	if (!take_kicks(v))
		*woken &= ~(unsigned int)UDRV__WOKEN_KICK;
	ret = enter_ring(v, 0);
	return ret ? ret : take_polls(v, woken, ended);
}

/* io_uring_wait_cqe() does the same in about 100 instructions more. */
static int wait_uring(struct udrv__vector *v)
{
	unsigned int woken = 0;
	unsigned int ended = 0;
	int ret = 0;

	while (!ret && !io_uring_cq_ready(&v->w.ring))
		ret = enter_ring(v, 1);
	if (!ret)
		ret = take_polls(v, &woken, &ended);
	if (!ret && woken & UDRV__WOKEN_KICK)
		ret = take_kicks_of_ring(v, &woken, &ended);
	/* The kernel may end a multishot poll at any time; signals meanwhile show on arming. */
	if (!ret && ended)
		ret = arm_polls(v, ended);
	return ret ? ret : (int)woken;
}

static int wait_uring_read(struct udrv__vector *v)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&v->w.ring);
	struct io_uring_cqe *cqe;
	uint64_t counter;
	int ret;

	if (!sqe)
		return -EBUSY;
	io_uring_prep_read(sqe, v->efd, &counter, sizeof(counter), 0);
	ret = io_uring_submit_and_wait(&v->w.ring, 1);
	while (ret == -EINTR || (ret >= 0 && io_uring_peek_cqe(&v->w.ring, &cqe)))
		ret = io_uring_wait_cqe(&v->w.ring, &cqe);
	if (ret < 0)
		return ret;
	ret = cqe->res;
	io_uring_cqe_seen(&v->w.ring, cqe);
	return ret < 0 ? ret : udrv__woken_by(v, counter);
}

static int set_nonblocking(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	return fcntl(fd, F_SETFL, flags) ? -errno : 0;
}

static int init_spin(struct udrv__vector *v)
{
	return set_nonblocking(v->efd, true);
}

static int wait_spin(struct udrv__vector *v)
{
	uint64_t counter;
	ssize_t n;

	for (;;) {
		n = read(v->efd, &counter, sizeof(counter));
		if (n > 0)
			return udrv__woken_by(v, counter);
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		udrv_cpu_relax();
	}
}

static void exit_spin(struct udrv__vector *v)
{
	(void)set_nonblocking(v->efd, false);
}

const struct udrv__wait_ops udrv__wait_strategies[UDRV_WAIT_COUNT] = {
	[UDRV_WAIT_READ] = {"read", false, init_nothing, udrv__wait_read, exit_nothing},
	[UDRV_WAIT_EPOLL] = {"epoll", true, init_epoll, wait_epoll, exit_epoll},
	[UDRV_WAIT_URING] = {"uring", true, init_uring, wait_uring, exit_ring},
	[UDRV_WAIT_URING_READ] = {"uring-read", false, init_ring, wait_uring_read, exit_ring},
	[UDRV_WAIT_ADAPTIVE] = {"adaptive", false, udrv__adaptive_init, udrv__adaptive_wait,
				exit_nothing},
	[UDRV_WAIT_SPIN] = {"spin", false, init_spin, wait_spin, exit_spin},
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
