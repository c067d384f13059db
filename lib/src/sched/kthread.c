// SPDX-License-Identifier: MIT
/*
 * Kthreads. The thread is made at creation, where failure can be reported, and waits for its start.
 * Its task is freed by udrv_kthread_stop() and not before, so it may be woken when it has ended.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/err.h>
#include <udrv/kthread.h>

#include "sched/clock.h"
#include "sched/kthread.h"
#include "sched/sleep.h"
#include "sched/thread.h"

enum { CREATED, STARTED, CANCELLED };

struct udrv__kthread {
	struct udrv_task task;
	int (*fn)(void *data);
	void *data;
	pthread_t thread;
	uint32_t phase;
	bool should_stop;
	int result;
	char name[16]; /* what the kernel shows of a thread's name */
};

static void *kthread(void *arg)
{
	struct udrv__kthread *k = arg;
	uint32_t phase;

	udrv__task_adopt(&k->task);
	udrv__thread_begin(k->name);
	while ((phase = __atomic_load_n(&k->phase, __ATOMIC_ACQUIRE)) == CREATED)
		(void)udrv__sleep(&k->phase, CREATED, NULL, NULL, UDRV__NEVER);
	k->result = phase == STARTED ? k->fn(k->data) : -EINTR;
	return NULL;
}

struct udrv_task *udrv_kthread_create(int (*threadfn)(void *data), void *data, const char *namefmt,
				      ...)
{
	struct udrv__kthread *k = calloc(1, sizeof(*k));
	va_list args;
	int ret;

	if (!k)
		return UDRV_ERR_PTR(-ENOMEM);
	va_start(args, namefmt);
	(void)vsnprintf(k->name, sizeof(k->name), namefmt, args);
	va_end(args);
	k->fn = threadfn;
	k->data = data;
	k->task.kthread = k;
	ret = udrv__thread_create(&k->thread, kthread, k);
	if (ret) {
		free(k);
		return UDRV_ERR_PTR(ret);
	}
	return &k->task;
}

static bool leave_created(struct udrv__kthread *k, uint32_t phase)
{
	uint32_t created = CREATED;

	if (!__atomic_compare_exchange_n(&k->phase, &created, phase, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE))
		return false;
	udrv__wake_word(&k->phase, 1);
	return true;
}

bool udrv__kthread_start(struct udrv_task *task)
{
	return leave_created(task->kthread, STARTED);
}

int udrv_kthread_stop(struct udrv_task *task)
{
	struct udrv__kthread *k = task->kthread;
	int result;

	__atomic_store_n(&k->should_stop, true, __ATOMIC_RELEASE);
	if (!leave_created(k, CANCELLED))
		(void)udrv_wake_up_process(task);
	pthread_join(k->thread, NULL);
	result = k->result;
	free(k);
	return result;
}

bool udrv_kthread_should_stop(void)
{
	const struct udrv__kthread *k = udrv_current->kthread;

	return k && __atomic_load_n(&k->should_stop, __ATOMIC_ACQUIRE);
}
