// SPDX-License-Identifier: MIT
/*
 * The threads of a device's queues. First each gets all that may be refused: the driver's queue,
 * memory, a ring. Only when all have that is the kernel told of anything.
 *
 * The scheduler places them. A thread that is bound to the CPUs whose requests it gets still runs
 * when it wakes who waits for them, who is therefore moved to another CPU and asks another queue
 * the next time: docs/performance.md, "NVMe".
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <udrv/dma.h>
#include <udrv/log.h>

#include "export/ublk.h"
#include "sched/clock.h"

/* linux/prctl.h, since Linux 5.6 */
#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

#define PAGE 4096u
/* Beside one for each tag: the polls, and new ones. */
#define MORE_SUBMISSIONS 8u

/* Buffers. */

/*
 * The kernel copies to and from the buffers, page by page, as other processes may: that it cannot
 * of what a module gave out (udrv_stub without an IOMMU).
 */
static bool kernel_reaches(void *buf)
{
	char byte;
	struct iovec to = {&byte, 1};
	struct iovec from = {buf, 1};

	return process_vm_readv(getpid(), &to, 1, &from, 1, 0) == 1;
}

static void free_buffer(struct udrv__ublk_tag *tag, struct udrv_device *dev, uint32_t size)
{
	if (tag->plain)
		munmap(tag->buf, size);
	else
		udrv_dma_free_coherent(dev, size, tag->buf, tag->iova);
	tag->buf = NULL;
}

/* Zeroed: no other process's data get to the disk, or from there, by mistake. */
static int get_buffer(struct udrv__ublk_tag *tag, struct udrv_device *dev, uint32_t size)
{
	void *buf = dev ? udrv_dma_alloc_coherent(dev, size, &tag->iova, UDRV_GFP_KERNEL) : NULL;

	if (dev && !buf)
		return -ENOMEM;
	if (buf && kernel_reaches(buf)) {
		tag->buf = buf;
		return 0;
	}
	if (buf)
		udrv_dma_free_coherent(dev, size, buf, tag->iova);
	tag->plain = true;
	buf = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (buf == MAP_FAILED)
		return -ENOMEM;
	tag->buf = buf;
	return 0;
}

static void free_tags(struct udrv__ublk_queue *q)
{
	const struct udrv__ublk *u = q->u;

	for (unsigned int i = 0; i < u->shape.depth; i++)
		if (q->tags[i].buf)
			free_buffer(&q->tags[i], u->block->dev, u->shape.max_io);
	free(q->tags);
}

static int make_tags(struct udrv__ublk_queue *q)
{
	const struct udrv__ublk *u = q->u;
	int ret = 0;

	q->tags = calloc(u->shape.depth, sizeof(*q->tags));
	if (!q->tags)
		return -ENOMEM;
	for (unsigned int i = 0; i < u->shape.depth && !ret; i++) {
		q->tags[i].q = q;
		ret = get_buffer(&q->tags[i], u->block->dev, u->shape.max_io);
	}
	if (ret)
		free_tags(q);
	return ret;
}

/* The ring. */

static int make_ring(struct udrv__ublk_queue *q)
{
	/* Deferred task running is of Linux 6.1, and ublk as it is needed is of 6.5. */
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE,
		.cq_entries = 4 * (q->u->shape.depth + MORE_SUBMISSIONS),
	};
	int ret =
		io_uring_queue_init_params(q->u->shape.depth + MORE_SUBMISSIONS, &q->ring, &params);

	if (ret)
		return ret;
	/* Saves a descriptor look-up per call; works without, too. */
	(void)io_uring_register_ring_fd(&q->ring);
	return 0;
}

static int get_event(struct udrv__ublk_queue *q)
{
	const struct udrv_block_ops *ops = q->u->block->ops;
	int fd = ops->event_fd ? ops->event_fd(q->queue) : -EOPNOTSUPP;

	q->event_fd = fd < 0 ? -1 : fd;
	return fd < 0 && fd != -EOPNOTSUPP ? fd : 0;
}

static int prepare(struct udrv__ublk_queue *q)
{
	const struct udrv_block_ops *ops = q->u->block->ops;
	int ret = ops->queue_open(q->u->block, q->index, &q->queue);

	if (ret)
		return ret;
	ret = get_event(q);
	if (ret)
		goto err_close;
	ret = make_tags(q);
	if (ret)
		goto err_close;
	ret = make_ring(q);
	if (!ret)
		return 0;
	free_tags(q);
err_close:
	ops->queue_close(q->queue);
	return ret;
}

static void unprepare(struct udrv__ublk_queue *q)
{
	io_uring_queue_exit(&q->ring);
	q->u->block->ops->queue_close(q->queue);
	free_tags(q);
}

/* A thread. */

static size_t descs_len(unsigned int depth)
{
	return (depth * sizeof(struct ublk_desc) + PAGE - 1) / PAGE * PAGE;
}

static int map_descs(struct udrv__ublk_queue *q)
{
	const struct udrv__ublk *u = q->u;
	const off_t at = (off_t)(q->index * descs_len(UBLK_MAX_DEPTH));
	void *map = mmap(NULL, descs_len(u->shape.depth), PROT_READ, MAP_SHARED, u->fd, at);

	if (map == MAP_FAILED)
		return -errno;
	q->descs = map;
	return 0;
}

static void report(struct udrv__ublk *u, unsigned int *count, int error)
{
	pthread_mutex_lock(&u->lock);
	(*count)++;
	if (error && !u->error)
		u->error = error;
	pthread_cond_broadcast(&u->changed);
	pthread_mutex_unlock(&u->lock);
}

static enum udrv__ublk_phase await_phase(struct udrv__ublk *u)
{
	enum udrv__ublk_phase phase;

	pthread_mutex_lock(&u->lock);
	while (u->phase == UDRV__UBLK_PREPARE)
		pthread_cond_wait(&u->changed, &u->lock);
	phase = u->phase;
	pthread_mutex_unlock(&u->lock);
	return phase;
}

static void serve(struct udrv__ublk_queue *q)
{
	struct udrv__ublk *u = q->u;
	int ret = map_descs(q);

	if (!ret)
		ret = udrv__ublk_fetch_all(q);
	report(u, &u->serving, ret);
	/* The export has not begun, and may yet with another device: its start tells of it. */
	if (ret)
		return;
	udrv__ublk_loop(q);
	if (!__atomic_load_n(&u->stopping, __ATOMIC_ACQUIRE))
		(void)eventfd_write(u->ended_fd, 1);
}

static void *queue_main(void *arg)
{
	struct udrv__ublk_queue *q = arg;
	struct udrv__ublk *u = q->u;
	struct timespec cpu;
	char name[16];
	int ret;

	(void)snprintf(name, sizeof(name), "ublk-q%u", q->index);
	(void)prctl(PR_SET_NAME, name);
	/* What it allocates must not wait for pages to be written to this very disk. */
	(void)prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	ret = prepare(q);
	report(u, &u->prepared, ret);
	if (ret)
		return NULL;
	if (await_phase(u) == UDRV__UBLK_SERVE)
		serve(q);
	unprepare(q);
	if (q->descs)
		munmap((void *)(uintptr_t)q->descs, descs_len(u->shape.depth));
	if (!clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu))
		q->counts.cpu_ns =
			(uint64_t)cpu.tv_sec * UDRV__NSEC_PER_SEC + (uint64_t)cpu.tv_nsec;
	return NULL;
}

/* All of them. */

static int start_thread(struct udrv__ublk_queue *q)
{
	sigset_t all;
	sigset_t before;
	int err;

	/* Signals are for the thread that waits for them. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	err = pthread_create(&q->thread, NULL, queue_main, q);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	q->started = !err;
	return -err;
}

/* The first error, once so many have reported. */
static int await_count(struct udrv__ublk *u, const unsigned int *count, unsigned int wanted)
{
	int ret;

	pthread_mutex_lock(&u->lock);
	while (*count < wanted)
		pthread_cond_wait(&u->changed, &u->lock);
	ret = u->error;
	pthread_mutex_unlock(&u->lock);
	return ret;
}

static void set_phase(struct udrv__ublk *u, enum udrv__ublk_phase phase)
{
	pthread_mutex_lock(&u->lock);
	__atomic_store_n(&u->phase, phase, __ATOMIC_RELEASE);
	pthread_cond_broadcast(&u->changed);
	pthread_mutex_unlock(&u->lock);
}

int udrv__ublk_prepare(struct udrv__ublk *u)
{
	unsigned int started = 0;
	int ret = 0;
	int first;

	u->queues = calloc(u->shape.queues, sizeof(*u->queues));
	if (!u->queues)
		return -ENOMEM;
	while (started < u->shape.queues && !ret) {
		struct udrv__ublk_queue *q = &u->queues[started];

		q->u = u;
		q->index = started;
		ret = start_thread(q);
		started += !ret;
	}
	first = await_count(u, &u->prepared, started);
	if (!ret)
		ret = first;
	if (!ret)
		return 0;
	udrv__ublk_give_up(u);
	return ret;
}

int udrv__ublk_serve(struct udrv__ublk *u)
{
	set_phase(u, UDRV__UBLK_SERVE);
	return await_count(u, &u->serving, u->shape.queues);
}

void udrv__ublk_give_up(struct udrv__ublk *u)
{
	__atomic_store_n(&u->stopping, true, __ATOMIC_RELEASE);
	set_phase(u, UDRV__UBLK_GIVE_UP);
	(void)eventfd_write(u->kick_fd, 1);
	for (unsigned int i = 0; u->queues && i < u->shape.queues; i++) {
		if (u->queues[i].started)
			pthread_join(u->queues[i].thread, NULL);
		u->queues[i].started = false;
	}
}
