// SPDX-License-Identifier: MIT
/*
 * Queues and their workers. As long as a queue may have more threads it has an idle one: a worker
 * that takes the last idle one's place starts another before it runs its item, so that queueing
 * never has to start a thread, and an item never waits for another that blocks.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/log.h>

#include "sched/clock.h"
#include "sched/sleep.h"
#include "sched/thread.h"
#include "sched/workqueue.h"

struct udrv__work udrv__work = {
	.running = UDRV_LIST_HEAD_INIT(udrv__work.running),
	.flushers = UDRV_LIST_HEAD_INIT(udrv__work.flushers),
};

__thread struct udrv__worker *udrv__this_worker __attribute__((tls_model("initial-exec")));

struct udrv__worker *udrv__worker_running(const struct udrv_work_struct *work)
{
	struct udrv__worker *w;

	/* Another item may have got the memory of one that freed itself. */
	udrv_list_for_each_entry(w, &udrv__work.running, running)
		if (w->work == work && w->func == work->func)
			return w;
	return NULL;
}

bool udrv__work_insert(struct udrv_workqueue_struct *wq, struct udrv_work_struct *work)
{
	work->queue = wq;
	work->serial = ++wq->serial;
	__atomic_store_n(&work->place, UDRV__QUEUED, __ATOMIC_RELAXED);
	udrv_list_add_tail(&work->entry, &wq->queued);
	wq->outstanding++;
	__atomic_store_n(&wq->kicks, wq->kicks + 1, __ATOMIC_RELEASE);
	return wq->idle;
}

void udrv__flushers_take(const struct udrv_work_struct *work, struct udrv_list_head *list)
{
	struct udrv__flusher *f;
	struct udrv__flusher *next;

	udrv_list_for_each_entry_safe(f, next, &udrv__work.flushers, link)
		if (f->work == work)
			udrv_list_move_tail(&f->link, list);
}

void udrv__flushers_release(struct udrv_list_head *list)
{
	struct udrv__flusher *f;
	struct udrv__flusher *next;

	udrv_list_for_each_entry_safe(f, next, list, link) {
		udrv_list_del(&f->link);
		udrv_complete(&f->done);
	}
}

void udrv__work_account(struct udrv_workqueue_struct *wq, uint64_t serial)
{
	struct udrv__flusher *f;
	struct udrv__flusher *next;

	wq->outstanding--;
	udrv_list_for_each_entry_safe(f, next, &wq->flushers, link) {
		if (serial > f->serial || --f->remaining)
			continue;
		udrv_list_del(&f->link);
		udrv_complete(&f->done);
	}
}

/* The first item that runs nowhere. An ordered queue waits for its first one. */
static bool pick(struct udrv_workqueue_struct *wq, struct udrv_work_struct **work_out)
{
	struct udrv_work_struct *work;

	udrv_list_for_each_entry(work, &wq->queued, entry) {
		struct udrv__worker *running = udrv__worker_running(work);

		if (!running) {
			*work_out = work;
			return true;
		}
		running->skipped = wq;
		if (wq->max_active == 1)
			break;
	}
	return false;
}

void udrv__work_kick(struct udrv_workqueue_struct *wq)
{
	__atomic_store_n(&wq->kicks, wq->kicks + 1, __ATOMIC_RELEASE);
	udrv__wake_word(&wq->kicks, 1);
}

static void *worker(void *arg);

/* Without the lock. The thread counts as idle already. */
static int start_worker(struct udrv_workqueue_struct *wq)
{
	struct udrv__worker *w = calloc(1, sizeof(*w));
	int ret = -ENOMEM;

	if (w) {
		w->queue = wq;
		udrv_init_list_head(&w->flushers);
		ret = udrv__thread_create(&w->thread, worker, w);
	}
	udrv_spin_lock(&udrv__work.lock);
	if (!ret) {
		udrv_list_add(&w->link, &wq->workers);
	} else {
		wq->worker_count--;
		wq->idle--;
		free(w);
	}
	udrv_spin_unlock(&udrv__work.lock);
	return ret;
}

static bool needs_worker(const struct udrv_workqueue_struct *wq)
{
	return !wq->idle && wq->worker_count < wq->max_active;
}

static void keep_one_idle(struct udrv_workqueue_struct *wq)
{
	int ret = start_worker(wq);

	if (ret)
		udrv_pr_warn("workqueue %s: no further thread: %s; items wait for each other",
			     wq->name, strerror(-ret));
}

/* With the lock held, which is released around the function. */
static void run(struct udrv__worker *w, struct udrv_work_struct *work)
{
	struct udrv_workqueue_struct *wq = w->queue;
	bool short_of_workers = needs_worker(wq);

	udrv_list_del(&work->entry);
	__atomic_store_n(&work->place, UDRV__NOT_PENDING, __ATOMIC_RELAXED);
	w->work = work;
	w->func = work->func;
	w->serial = work->serial;
	udrv_list_add(&w->running, &udrv__work.running);
	udrv__flushers_take(work, &w->flushers);
	if (short_of_workers) {
		wq->worker_count++;
		wq->idle++;
	}
	udrv_spin_unlock(&udrv__work.lock);

	if (short_of_workers)
		keep_one_idle(wq);
	w->func(work);

	udrv_spin_lock(&udrv__work.lock);
	udrv_list_del(&w->running);
	udrv__flushers_release(&w->flushers);
	udrv__work_account(wq, w->serial);
	if (w->skipped)
		udrv__work_kick(w->skipped);
	w->skipped = NULL;
}

static void *worker(void *arg)
{
	struct udrv__worker *w = arg;
	struct udrv_workqueue_struct *wq = w->queue;
	struct udrv_work_struct *work;

	udrv__thread_begin(wq->name);
	udrv__this_worker = w;
	udrv_spin_lock(&udrv__work.lock);
	wq->idle--;
	for (;;) {
		uint32_t kicks = wq->kicks;

		if (pick(wq, &work)) {
			run(w, work);
			continue;
		}
		if (wq->stopping)
			break;
		wq->idle++;
		udrv_spin_unlock(&udrv__work.lock);
		(void)udrv__sleep(&wq->kicks, kicks, NULL, NULL, UDRV__NEVER);
		udrv_spin_lock(&udrv__work.lock);
		wq->idle--;
	}
	udrv_spin_unlock(&udrv__work.lock);
	return NULL;
}

struct udrv_workqueue_struct *udrv_alloc_workqueue(const char *fmt, unsigned int flags,
						   int max_active, ...)
{
	struct udrv_workqueue_struct *wq = calloc(1, sizeof(*wq));
	va_list args;

	(void)flags;
	if (!wq)
		return NULL;
	va_start(args, max_active);
	(void)vsnprintf(wq->name, sizeof(wq->name), fmt, args);
	va_end(args);
	udrv_init_list_head(&wq->queued);
	udrv_init_list_head(&wq->workers);
	udrv_init_list_head(&wq->flushers);
	if (max_active <= 0)
		max_active = UDRV_WQ_DFL_ACTIVE;
	wq->max_active =
		(unsigned int)(max_active < UDRV_WQ_MAX_ACTIVE ? max_active : UDRV_WQ_MAX_ACTIVE);
	wq->worker_count = 1;
	wq->idle = 1;
	if (start_worker(wq)) {
		free(wq);
		return NULL;
	}
	return wq;
}

void udrv_flush_workqueue(struct udrv_workqueue_struct *wq)
{
	struct udrv__flusher f;
	bool wait;

	if (!wq)
		return;
	udrv_init_completion(NULL, &f.done);
	udrv_spin_lock(&udrv__work.lock);
	f.work = NULL;
	f.serial = wq->serial;
	f.remaining = wq->outstanding;
	wait = f.remaining;
	if (wait)
		udrv_list_add_tail(&f.link, &wq->flushers);
	udrv_spin_unlock(&udrv__work.lock);
	/* remaining is the workers' now. */
	if (wait)
		(void)udrv_wait_for_completion(&f.done);
}

void udrv_drain_workqueue(struct udrv_workqueue_struct *wq)
{
	udrv_spin_lock(&udrv__work.lock);
	wq->draining++;
	while (wq->outstanding) {
		udrv_spin_unlock(&udrv__work.lock);
		udrv_flush_workqueue(wq);
		udrv_spin_lock(&udrv__work.lock);
	}
	wq->draining--;
	udrv_spin_unlock(&udrv__work.lock);
}

/* Nobody runs an item of this queue any more, but others may have noted that it waits for them. */
static void forget_queue(const struct udrv_workqueue_struct *wq)
{
	struct udrv__worker *w;

	udrv_list_for_each_entry(w, &udrv__work.running, running)
		if (w->skipped == wq)
			w->skipped = NULL;
}

void udrv_destroy_workqueue(struct udrv_workqueue_struct *wq)
{
	struct udrv__worker *w;
	struct udrv__worker *next;

	if (!wq)
		return;
	udrv_drain_workqueue(wq);
	udrv_spin_lock(&udrv__work.lock);
	wq->stopping = true;
	forget_queue(wq);
	__atomic_store_n(&wq->kicks, wq->kicks + 1, __ATOMIC_RELEASE);
	udrv_spin_unlock(&udrv__work.lock);
	udrv__wake_word(&wq->kicks, INT_MAX);
	udrv_list_for_each_entry_safe(w, next, &wq->workers, link) {
		pthread_join(w->thread, NULL);
		free(w);
	}
	free(wq);
}

struct udrv_workqueue_struct *udrv__system_wq(void)
{
	static struct udrv_workqueue_struct *system_wq;
	struct udrv_workqueue_struct *wq = __atomic_load_n(&system_wq, __ATOMIC_ACQUIRE);
	struct udrv_workqueue_struct *made;

	if (wq)
		return wq;
	made = udrv_alloc_workqueue("udrv-events", 0, 0);
	if (!made) {
		udrv_pr_err(
			"the system's workqueue cannot be made: no memory or no thread to be had");
		return NULL;
	}
	if (__atomic_compare_exchange_n(&system_wq, &wq, made, false, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE))
		return made;
	udrv_destroy_workqueue(made);
	return wq;
}
