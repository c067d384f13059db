// SPDX-License-Identifier: MIT
/* A vector's worker: wait, run the chain, until told to stop. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <udrv/device.h>

#include "irq/irq.h"
#include "sched/thread.h"

static void set_name(const struct udrv__vector *v)
{
	char name[16];

	(void)snprintf(name, sizeof(name), "irq/%u-%.8s", v->nr, v->actions->name);
	(void)pthread_setname_np(pthread_self(), name);
}

/* Without permission the worker runs at normal priority: said once, and shown in the stats. */
static void set_priority(struct udrv__vector *v)
{
	struct sched_param param = { .sched_priority = v->options.fifo_priority };
	int err;

	__atomic_store_n(&v->fifo_priority, 0, __ATOMIC_RELAXED);
	if (!v->options.fifo_priority)
		return;
	err = pthread_setschedparam(pthread_self(), SCHED_FIFO, &param);
	if (!err)
		__atomic_store_n(&v->fifo_priority, v->options.fifo_priority, __ATOMIC_RELAXED);
	else if (!v->nr)
		udrv_dev_info(v->dev,
			      "no SCHED_FIFO for interrupt workers (%s): latency will vary; "
			      "allow it by CAP_SYS_NICE or LimitRTPRIO=",
			      strerror(err));
}

static int set_cpu(const struct udrv__vector *v)
{
	cpu_set_t cpus;

	if (v->options.cpu < 0)
		return 0;
	CPU_ZERO(&cpus);
	CPU_SET((size_t)v->options.cpu, &cpus);
	return -pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
}

static int prepare(struct udrv__vector *v)
{
	int ret;

	set_name(v);
	set_priority(v);
	ret = set_cpu(v);
	if (ret) {
		udrv_dev_err(v->dev, "irq %u: cannot run on CPU %d: %s", v->nr, v->options.cpu,
			     strerror(-ret));
		return ret;
	}
	ret = v->wait->init(v);
	if (ret)
		udrv_dev_err(v->dev, "irq %u: cannot wait by %s: %s", v->nr, v->wait->name,
			     strerror(-ret));
	return ret;
}

static void *worker(void *arg)
{
	struct udrv__vector *v = arg;
	int ret = prepare(v);

	if (ret)
		udrv__chain_end(v);
	v->start_result = ret;
	sem_post(&v->started);
	if (ret)
		return NULL;
	for (;;) {
		ret = v->wait->wait(v);
		if (ret < 0) {
			udrv_dev_err(v->dev, "irq %u: waiting by %s failed: %s; no more interrupts",
				     v->nr, v->wait->name, strerror(-ret));
			udrv_device_set_gone(v->dev);
			break;
		}
		if (ret & UDRV__WOKEN_KICK && __atomic_load_n(&v->stop, __ATOMIC_ACQUIRE))
			break;
		if (ret & UDRV__WOKEN_SIGNAL)
			udrv__chain_run(v);
		if (ret & UDRV__WOKEN_KICK)
			udrv__chain_answer(v);
	}
	udrv__chain_end(v);
	v->wait->exit(v);
	return NULL;
}

/* What is left when the last handler went must not greet the next one. */
static void drain(int efd)
{
	uint64_t signals;
	struct iovec iov = { &signals, sizeof(signals) };

	(void)preadv2(efd, &iov, 1, -1, RWF_NOWAIT);
}

/* The worker's thread, once it waits or says why it cannot. */
static int start_thread(struct udrv__vector *v)
{
	int ret;

	sem_init(&v->started, 0, 0);
	ret = udrv__thread_create(&v->thread, worker, v);
	if (!ret) {
		while (sem_wait(&v->started))
			;
		ret = v->start_result;
		if (ret)
			pthread_join(v->thread, NULL);
	}
	sem_destroy(&v->started);
	return ret;
}

static void close_kick_fd(struct udrv__vector *v)
{
	if (v->kick_fd >= 0)
		close(v->kick_fd);
	v->kick_fd = -1;
}

int udrv__worker_start(struct udrv__vector *v)
{
	int ret;

	v->wait = &udrv__wait_strategies[v->options.wait];
	v->kick_fd = -1;
	if (v->wait->wants_kick_fd) {
		v->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (v->kick_fd < 0)
			return -errno;
	}
	v->stop = 0;
	udrv__chain_begin(v);
	ret = start_thread(v);
	if (ret)
		close_kick_fd(v);
	return ret;
}

void udrv__worker_stop(struct udrv__vector *v)
{
	__atomic_store_n(&v->stop, 1, __ATOMIC_RELEASE);
	(void)udrv__chain_kick(v);
	pthread_join(v->thread, NULL);
	close_kick_fd(v);
	drain(v->efd);
}
