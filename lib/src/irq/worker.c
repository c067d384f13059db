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
	struct sched_param param = {.sched_priority = v->options.fifo_priority};
	int policy = v->options.fifo_priority ? SCHED_FIFO : SCHED_OTHER;
	int err = pthread_setschedparam(pthread_self(), policy, &param);

	__atomic_store_n(&v->fifo_priority, err ? 0 : v->options.fifo_priority, __ATOMIC_RELAXED);
	if (err && !v->nr)
		udrv_dev_info(v->dev,
			      "no SCHED_FIFO for interrupt workers (%s): latency will vary; "
			      "allow it by CAP_SYS_NICE or LimitRTPRIO=",
			      strerror(err));
}

/* Bind to one CPU, or to all that the process may use. */
static int bind_to(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	if (cpu >= 0)
		CPU_SET((size_t)cpu, &cpus);
	else if (sched_getaffinity(getpid(), sizeof(cpus), &cpus))
		return -errno;
	return -pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
}

static int set_cpu(struct udrv__vector *v)
{
	int cpu = v->options.cpu;
	int ret;

	if (cpu == UDRV_CPU_HOME)
		cpu = udrv__irq_home_cpu(v->dev, v->dev->irqs->type, v->nr);
	ret = bind_to(cpu);
	if (ret && v->options.cpu == UDRV_CPU_HOME) {
		/* Not ours to run on (cpusets): as good as unknown. */
		cpu = -1;
		ret = bind_to(cpu);
	}
	if (ret)
		udrv_dev_err(v->dev, "irq %u: cannot run on CPU %d: %s", v->nr, v->options.cpu,
			     strerror(-ret));
	else
		__atomic_store_n(&v->cpu, cpu < 0 ? -1 : cpu, __ATOMIC_RELAXED);
	return ret;
}

static int start_waiting(struct udrv__vector *v)
{
	int ret;

	v->wait = &udrv__wait_strategies[v->options.wait];
	ret = v->wait->init(v);
	if (ret)
		udrv_dev_err(v->dev, "irq %u: cannot wait by %s: %s", v->nr, v->wait->name,
			     strerror(-ret));
	return ret;
}

/* Run as v->options say. */
static int prepare(struct udrv__vector *v)
{
	int ret;

	set_priority(v);
	ret = set_cpu(v);
	if (!ret)
		ret = start_waiting(v);
	if (!ret)
		udrv__irq_describe(v);
	return ret;
}

/*
 * What the eventfds hold when a strategy ends. One that does not read its eventfd leaves signals
 * standing that were handled: they look new, so the chain may run without need.
 */
static int take_leftovers(struct udrv__vector *v)
{
	uint64_t counter = 0;
	uint64_t kicks = 0;
	struct iovec iov = {&counter, sizeof(counter)};

	if (preadv2(v->efd, &iov, 1, -1, RWF_NOWAIT) < 0)
		counter = 0;
	if (read(v->kick_fd, &kicks, sizeof(kicks)) < 0)
		kicks = 0;
	/* What was never read holds no kicks, but may hold very many signals. */
	if (!v->wait->wants_kick_fd) {
		kicks += counter / UDRV__KICK;
		counter %= UDRV__KICK;
	}
	v->kicks_taken += (uint32_t)kicks;
	return counter ? UDRV__WOKEN_SIGNAL : 0;
}

/* Change over to the wanted options; no kick is sent meanwhile. What was left to do. */
static int change_over(struct udrv__vector *v)
{
	const struct udrv_irq_options old = v->options;
	int woken;
	int ret;

	v->wait->exit(v);
	woken = take_leftovers(v);
	v->options = *v->wanted_options;
	ret = prepare(v);
	if (ret) {
		v->options = old;
		if (prepare(v)) {
			/* Cannot even go on as before. */
			v->wait = NULL;
			udrv_device_set_gone(v->dev);
		}
	}
	v->options_result = ret;
	v->wanted_options = NULL;
	return woken;
}

static int change_over_if_wanted(struct udrv__vector *v)
{
	int woken = 0;

	pthread_mutex_lock(&v->dev->irqs->lock);
	if (v->wanted_options && !v->stop)
		woken = change_over(v);
	pthread_mutex_unlock(&v->dev->irqs->lock);
	return woken;
}

/* Whoever disables the interrupt sees the chain not run, or waits for the kick to be answered. */
static void run_if_enabled(struct udrv__vector *v)
{
	if (__atomic_load_n(&v->disabled, __ATOMIC_ACQUIRE)) {
		v->pending = true;
		return;
	}
	v->pending = false;
	udrv__chain_run(v);
}

/* Kicks came: orders, or somebody who waits for all that was signalled. False: the end. */
static bool obey(struct udrv__vector *v, int woken)
{
	woken |= change_over_if_wanted(v);
	/* After that, since it takes the kicks of all who had the lock before. */
	if (__atomic_load_n(&v->stop, __ATOMIC_ACQUIRE))
		return false;
	if (woken & UDRV__WOKEN_SIGNAL || v->pending)
		run_if_enabled(v);
	udrv__chain_answer(v);
	return v->wait;
}

static void serve(struct udrv__vector *v)
{
	for (;;) {
		int woken = v->wait->wait(v);

		if (__builtin_expect(woken == UDRV__WOKEN_SIGNAL, 1)) {
			run_if_enabled(v);
		} else if (woken < 0) {
			udrv_dev_err(v->dev, "irq %u: waiting by %s failed: %s; no more interrupts",
				     v->nr, v->wait->name, strerror(-woken));
			udrv_device_set_gone(v->dev);
			return;
		} else if (woken & UDRV__WOKEN_KICK && !obey(v, woken)) {
			return;
		}
	}
}

static void *worker(void *arg)
{
	struct udrv__vector *v = arg;
	int ret;

	set_name(v);
	v->tid = gettid();
	ret = prepare(v);
	if (ret)
		udrv__chain_end(v);
	if (!ret)
		udrv_dev_dbg(v->dev, "irq %u: worker waits by %s, SCHED_FIFO %d, CPU %d", v->nr,
			     v->wait->name, v->fifo_priority, v->cpu);
	v->start_result = ret;
	sem_post(&v->started);
	if (ret)
		return NULL;
	serve(v);
	udrv__chain_end(v);
	if (v->wait)
		v->wait->exit(v);
	return NULL;
}

/* What is left when the last handler went must not greet the next one. */
static void drain(int efd)
{
	uint64_t signals;
	struct iovec iov = {&signals, sizeof(signals)};

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

int udrv__worker_start(struct udrv__vector *v)
{
	int ret;

	v->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (v->kick_fd < 0)
		return -errno;
	v->stop = 0;
	v->disabled = 0;
	udrv__stat_enable_all(v->stat);
	v->pending = false;
	udrv__chain_begin(v);
	ret = start_thread(v);
	if (ret)
		close(v->kick_fd);
	return ret;
}

void udrv__worker_order_stop(struct udrv__vector *v)
{
	v->stopping = true;
	__atomic_store_n(&v->stop, 1, __ATOMIC_RELEASE);
	(void)udrv__chain_kick(v);
}

void udrv__worker_stop(struct udrv__vector *v)
{
	pthread_join(v->thread, NULL);
	close(v->kick_fd);
	drain(v->efd);
}
