// SPDX-License-Identifier: MIT
/* Waiting by epoll, edge-triggered: no eventfd is read. */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "irq/irq.h"
#include "sched/clock.h"

#define EVENTS_MAX 64

/* @v NULL is the kicks. */
static int add_epoll(struct udrv__irq_worker *w, struct udrv__vector *v)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.ptr = v};

	return epoll_ctl(w->w.epfd, EPOLL_CTL_ADD, v ? v->efd : w->kick_fd, &ev) ? -errno : 0;
}

static int remove_epoll(struct udrv__irq_worker *w, struct udrv__vector *v)
{
	return epoll_ctl(w->w.epfd, EPOLL_CTL_DEL, v->efd, NULL) ? -errno : 0;
}

static int init_epoll(struct udrv__irq_worker *w)
{
	int ret;

	w->w.epfd = epoll_create1(EPOLL_CLOEXEC);
	if (w->w.epfd < 0)
		return -errno;
	ret = add_epoll(w, NULL);
	if (ret)
		close(w->w.epfd);
	return ret;
}

static void exit_epoll(struct udrv__irq_worker *w)
{
	close(w->w.epfd);
}

static int take_events(struct udrv__irq_worker *w, const struct epoll_event *ev, long count)
{
	if (count < 0)
		return errno == EINTR ? 0 : -errno;
	for (long i = 0; i < count; i++)
		if (ev[i].data.ptr)
			udrv__worker_ready(w, ev[i].data.ptr);
	return 0;
}

static int wait_epoll(struct udrv__irq_worker *w)
{
	struct epoll_event ev[EVENTS_MAX];
	struct timespec left;

	if (__builtin_expect(w->deadline_ns != UDRV__NEVER, 0))
		return take_events(w, ev,
				   epoll_pwait2(w->w.epfd, ev, EVENTS_MAX,
						udrv__deadline_left(w, &left), NULL));
	/* epoll_wait() is a cancellation point, which costs as much as all else here. */
	return take_events(w, ev, syscall(SYS_epoll_pwait, w->w.epfd, ev, EVENTS_MAX, -1, NULL, 0));
}

/* More than fit into one call come in turn. */
static int look_epoll(struct udrv__irq_worker *w)
{
	struct epoll_event ev[EVENTS_MAX];
	int ret;
	int n;

	do {
		n = epoll_wait(w->w.epfd, ev, EVENTS_MAX, 0);
		ret = take_events(w, ev, n);
	} while (!ret && n == EVENTS_MAX);
	return ret;
}

const struct udrv__wait_ops udrv__wait_epoll = {
	.name = "epoll",
	.many = true,
	.init = init_epoll,
	.exit = exit_epoll,
	.add = add_epoll,
	.remove = remove_epoll,
	.wait = wait_epoll,
	.look = look_epoll,
};
