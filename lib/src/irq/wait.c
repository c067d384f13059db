// SPDX-License-Identifier: MIT
/*
 * How a worker waits for its eventfd. The strategies that do not read it leave the counter
 * standing: they are woken by each signal, not by the counter's value.
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

static int wait_read(struct udrv__vector *v)
{
	uint64_t signals;
	ssize_t n;

	do {
		n = read(v->efd, &signals, sizeof(signals));
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

static int init_epoll(struct udrv__vector *v)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	int err;

	v->w.epfd = epoll_create1(EPOLL_CLOEXEC);
	if (v->w.epfd < 0)
		return -errno;
	if (!epoll_ctl(v->w.epfd, EPOLL_CTL_ADD, v->efd, &ev))
		return 0;
	err = errno;
	close(v->w.epfd);
	return -err;
}

static int wait_epoll(struct udrv__vector *v)
{
	struct epoll_event ev;
	int n;

	do {
		n = epoll_wait(v->w.epfd, &ev, 1, -1);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
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

static int arm_poll(struct udrv__vector *v)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&v->w.ring);
	int ret;

	if (!sqe)
		return -EBUSY;
	io_uring_prep_poll_multishot(sqe, v->efd, POLLIN);
	ret = io_uring_submit(&v->w.ring);
	return ret < 0 ? ret : 0;
}

static int init_uring(struct udrv__vector *v)
{
	int ret = init_ring(v);

	if (ret)
		return ret;
	ret = arm_poll(v);
	if (ret)
		exit_ring(v);
	return ret;
}

/* Take all completions: they stand for one "signalled since", however many they are. */
static int reap_polls(struct udrv__vector *v)
{
	struct io_uring_cqe *cqe;
	unsigned int head;
	unsigned int seen = 0;
	bool ended = false;
	int ret = 0;

	io_uring_for_each_cqe(&v->w.ring, head, cqe) {
		seen++;
		if (cqe->res < 0 && cqe->res != -ECANCELED)
			ret = cqe->res;
		ended |= !(cqe->flags & IORING_CQE_F_MORE);
	}
	io_uring_cq_advance(&v->w.ring, seen);
	/* The kernel may end a multishot poll at any time; signals meanwhile show on re-arming. */
	return ret || !ended ? ret : arm_poll(v);
}

/* io_uring_wait_cqe() does the same in about 100 instructions more. */
static int wait_uring(struct udrv__vector *v)
{
	while (!io_uring_cq_ready(&v->w.ring)) {
		int ret = io_uring_enter2((unsigned int)v->w.ring.enter_ring_fd, 0, 1,
					  v->w.enter_flags, NULL, _NSIG / 8);

		if (ret < 0 && ret != -EINTR)
			return ret;
	}
	return reap_polls(v);
}

static int wait_uring_read(struct udrv__vector *v)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&v->w.ring);
	struct io_uring_cqe *cqe;
	uint64_t signals;
	int ret;

	if (!sqe)
		return -EBUSY;
	io_uring_prep_read(sqe, v->efd, &signals, sizeof(signals), 0);
	ret = io_uring_submit_and_wait(&v->w.ring, 1);
	while (ret == -EINTR || (ret >= 0 && io_uring_peek_cqe(&v->w.ring, &cqe)))
		ret = io_uring_wait_cqe(&v->w.ring, &cqe);
	if (ret < 0)
		return ret;
	ret = cqe->res;
	io_uring_cqe_seen(&v->w.ring, cqe);
	return ret < 0 ? ret : 0;
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
	uint64_t signals;
	ssize_t n;

	for (;;) {
		n = read(v->efd, &signals, sizeof(signals));
		if (n > 0)
			return 0;
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
	[UDRV_WAIT_READ] = { "read", init_nothing, wait_read, exit_nothing },
	[UDRV_WAIT_EPOLL] = { "epoll", init_epoll, wait_epoll, exit_epoll },
	[UDRV_WAIT_URING] = { "uring", init_uring, wait_uring, exit_ring },
	[UDRV_WAIT_URING_READ] = { "uring-read", init_ring, wait_uring_read, exit_ring },
	[UDRV_WAIT_SPIN] = { "spin", init_spin, wait_spin, exit_spin },
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
