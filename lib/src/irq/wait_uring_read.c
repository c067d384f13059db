// SPDX-License-Identifier: MIT
/* Waiting by io_uring with a read of the eventfd for each interrupt. */
#include <errno.h>

#include "irq/irq.h"
#include "sched/clock.h"

/* Into the worker's memory: when waiting fails the kernel may write there later. */
static int read_by_ring(struct udrv__irq_worker *w)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&w->w.ring);
	struct io_uring_cqe *cqe;
	int ret;

	if (!sqe)
		return -EBUSY;
	io_uring_prep_read(sqe, w->sources->efd, &w->w.counter, sizeof(w->w.counter), 0);
	ret = io_uring_submit_and_wait(&w->w.ring, 1);
	while (ret == -EINTR || (ret >= 0 && io_uring_peek_cqe(&w->w.ring, &cqe)))
		ret = io_uring_wait_cqe(&w->w.ring, &cqe);
	if (ret < 0)
		return ret;
	ret = cqe->res;
	io_uring_cqe_seen(&w->w.ring, cqe);
	return ret;
}

static int wait_uring_read(struct udrv__irq_worker *w)
{
	int ret;

	if (w->deadline_ns != UDRV__NEVER)
		return udrv__reading_wait_until(w);
	ret = read_by_ring(w);
	if (ret < 0)
		return ret;
	udrv__reading_took(w, w->w.counter);
	return 0;
}

const struct udrv__wait_ops udrv__wait_uring_read = {
	.name = "uring-read",
	.init = udrv__ring_init,
	.exit = udrv__ring_exit,
	.add = udrv__reading_add,
	.remove = udrv__reading_remove,
	.wait = wait_uring_read,
	.look = udrv__reading_look,
};
