// SPDX-License-Identifier: MIT
/* Items of work: queueing, cancelling, waiting for them. */
#include <string.h>

#include <udrv/log.h>

#include "sched/sleep.h"
#include "sched/timer_base.h"
#include "sched/workqueue.h"

void udrv_init_work(struct udrv_work_struct *work, udrv_work_func_t func)
{
	memset(work, 0, sizeof(*work));
	work->func = func;
}

void udrv_init_delayed_work(struct udrv_delayed_work *dwork, udrv_work_func_t func)
{
	udrv_init_work(&dwork->work, func);
	udrv_timer_setup(&dwork->timer, udrv__delayed_work_fire, 0);
}

/* While a queue drains, only its own items may queue to it. */
static bool closed(const struct udrv_workqueue_struct *wq)
{
	return wq->draining && (!udrv__this_worker || udrv__this_worker->queue != wq);
}

static void log_closed(const struct udrv_workqueue_struct *wq)
{
	udrv_pr_err("workqueue %s: work that is queued while it drains is not run", wq->name);
}

static bool may_queue(const struct udrv_work_struct *work)
{
	return work->place == UDRV__NOT_PENDING && !work->disabled;
}

bool udrv_queue_work(struct udrv_workqueue_struct *wq, struct udrv_work_struct *work)
{
	bool refused = false;
	bool wake = false;
	bool ok;

	if (!wq)
		return false;
	udrv_spin_lock(&udrv__work.lock);
	ok = may_queue(work);
	if (ok) {
		refused = closed(wq);
		ok = !refused;
	}
	if (ok)
		wake = udrv__work_insert(wq, work);
	udrv_spin_unlock(&udrv__work.lock);
	if (wake)
		udrv__wake_word(&wq->kicks, 1);
	if (refused)
		log_closed(wq);
	return ok;
}

/* With the lock held. true: a worker must be woken. */
static bool delay(struct udrv_workqueue_struct *wq, struct udrv_delayed_work *dwork,
		  unsigned long jiffies)
{
	if (!jiffies)
		return udrv__work_insert(wq, &dwork->work);
	dwork->work.queue = wq;
	__atomic_store_n(&dwork->work.place, UDRV__DELAYED, __ATOMIC_RELAXED);
	(void)udrv_mod_timer(&dwork->timer, udrv_jiffies + jiffies);
	return false;
}

/*
 * The timer's callback. It may come late: if the item was cancelled or is waiting for the timer
 * anew, this is not what is waited for.
 */
void udrv__delayed_work_fire(struct udrv_timer_list *timer)
{
	struct udrv_delayed_work *dwork = udrv_from_timer(dwork, timer, timer);
	struct udrv_work_struct *work = &dwork->work;
	struct udrv_workqueue_struct *wq;
	bool refused = false;
	bool wake = false;

	udrv_spin_lock(&udrv__work.lock);
	wq = work->queue;
	if (work->place == UDRV__DELAYED && !udrv_timer_pending(timer)) {
		refused = closed(wq);
		if (refused)
			__atomic_store_n(&work->place, UDRV__NOT_PENDING, __ATOMIC_RELAXED);
		else
			wake = udrv__work_insert(wq, work);
	}
	udrv_spin_unlock(&udrv__work.lock);
	if (wake)
		udrv__wake_word(&wq->kicks, 1);
	if (refused)
		log_closed(wq);
}

bool udrv_queue_delayed_work(struct udrv_workqueue_struct *wq, struct udrv_delayed_work *dwork,
			     unsigned long jiffies)
{
	bool wake = false;
	bool ok;

	if (!wq)
		return false;
	if (!jiffies)
		return udrv_queue_work(wq, &dwork->work);
	udrv_spin_lock(&udrv__work.lock);
	ok = may_queue(&dwork->work);
	if (ok)
		wake = delay(wq, dwork, jiffies);
	udrv_spin_unlock(&udrv__work.lock);
	if (wake)
		udrv__wake_word(&wq->kicks, 1);
	return ok;
}

/* With the lock held: a pending item is no longer pending. timer: of a delayed item, or NULL. */
static bool take_back(struct udrv_work_struct *work, struct udrv_timer_list *timer)
{
	struct udrv_list_head flushers = UDRV_LIST_HEAD_INIT(flushers);

	if (work->place == UDRV__NOT_PENDING)
		return false;
	if (work->place == UDRV__QUEUED) {
		udrv_list_del(&work->entry);
		udrv__work_account(work->queue, work->serial);
		udrv__flushers_take(work, &flushers);
		udrv__flushers_release(&flushers);
		/* If it ran elsewhere, those behind it in an ordered queue waited for it. */
		if (!udrv_list_empty(&work->queue->queued))
			udrv__work_kick(work->queue);
	} else if (timer) {
		(void)udrv_timer_delete(timer);
	}
	__atomic_store_n(&work->place, UDRV__NOT_PENDING, __ATOMIC_RELAXED);
	return true;
}

/*
 * An item that was taken back is to be queued anew. With the lock held, which is released until its
 * timer's callback is not running, which would still look at it when its function has freed it. It
 * is pending meanwhile: it can be cancelled. false: somebody else did that, or queued it.
 */
static bool move(struct udrv_delayed_work *dwork)
{
	__atomic_store_n(&dwork->work.place, UDRV__MOVING, __ATOMIC_RELAXED);
	while (udrv__timer_running(&dwork->timer.node)) {
		udrv_spin_unlock(&udrv__work.lock);
		udrv__timer_wait(&dwork->timer.node);
		udrv_spin_lock(&udrv__work.lock);
	}
	return dwork->work.place == UDRV__MOVING;
}

bool udrv_mod_delayed_work(struct udrv_workqueue_struct *wq, struct udrv_delayed_work *dwork,
			   unsigned long jiffies)
{
	bool refused;
	bool moved = false;
	bool wake = false;
	bool was = false;

	if (!wq)
		return false;
	udrv_spin_lock(&udrv__work.lock);
	while (!moved && !dwork->work.disabled) {
		was = take_back(&dwork->work, &dwork->timer);
		moved = move(dwork);
	}
	refused = moved && !jiffies && closed(wq);
	if (refused)
		(void)take_back(&dwork->work, NULL);
	else if (moved)
		wake = delay(wq, dwork, jiffies);
	udrv_spin_unlock(&udrv__work.lock);
	if (wake)
		udrv__wake_word(&wq->kicks, 1);
	if (refused)
		log_closed(wq);
	return was && moved;
}

static bool cancel(struct udrv_work_struct *work, struct udrv_timer_list *timer)
{
	bool was;

	udrv_spin_lock(&udrv__work.lock);
	was = take_back(work, timer);
	udrv_spin_unlock(&udrv__work.lock);
	/* The callback may have begun, and will find nothing to do; then the item may be freed. */
	if (timer)
		udrv__timer_wait(&timer->node);
	return was;
}

bool udrv_cancel_work(struct udrv_work_struct *work)
{
	return cancel(work, NULL);
}

bool udrv_cancel_delayed_work(struct udrv_delayed_work *dwork)
{
	return cancel(&dwork->work, &dwork->timer);
}

/* With the lock held, which is released: wait for the run that is under way, but not for oneself.
 */
static bool wait_for_run(const struct udrv_work_struct *work)
{
	struct udrv__worker *w = udrv__worker_running(work);
	bool wait = w && w != udrv__this_worker;
	struct udrv__flusher f;

	if (wait) {
		udrv_init_completion(NULL, &f.done);
		udrv_list_add_tail(&f.link, &w->flushers);
	}
	udrv_spin_unlock(&udrv__work.lock);
	if (wait)
		(void)udrv_wait_for_completion(&f.done);
	return wait;
}

static bool cancel_sync(struct udrv_work_struct *work, struct udrv_timer_list *timer)
{
	bool was;

	udrv_spin_lock(&udrv__work.lock);
	work->disabled++;
	was = take_back(work, timer);
	(void)wait_for_run(work);
	if (timer)
		udrv__timer_wait(&timer->node);
	udrv_spin_lock(&udrv__work.lock);
	work->disabled--;
	udrv_spin_unlock(&udrv__work.lock);
	return was;
}

bool udrv_cancel_work_sync(struct udrv_work_struct *work)
{
	return cancel_sync(work, NULL);
}

bool udrv_cancel_delayed_work_sync(struct udrv_delayed_work *dwork)
{
	return cancel_sync(&dwork->work, &dwork->timer);
}

bool udrv_flush_work(struct udrv_work_struct *work)
{
	struct udrv__flusher f;

	udrv_spin_lock(&udrv__work.lock);
	if (work->place != UDRV__QUEUED)
		return wait_for_run(work);
	udrv_init_completion(NULL, &f.done);
	f.work = work;
	udrv_list_add_tail(&f.link, &udrv__work.flushers);
	udrv_spin_unlock(&udrv__work.lock);
	(void)udrv_wait_for_completion(&f.done);
	return true;
}

bool udrv_flush_delayed_work(struct udrv_delayed_work *dwork)
{
	struct udrv_work_struct *work = &dwork->work;
	struct udrv_workqueue_struct *wq;
	bool wake = false;

	udrv_spin_lock(&udrv__work.lock);
	if (work->place == UDRV__DELAYED || work->place == UDRV__MOVING) {
		(void)take_back(work, &dwork->timer);
		if (move(dwork))
			wake = udrv__work_insert(work->queue, work);
	}
	wq = work->queue;
	udrv_spin_unlock(&udrv__work.lock);
	if (wake)
		udrv__wake_word(&wq->kicks, 1);
	return udrv_flush_work(work);
}

unsigned int udrv_work_busy(struct udrv_work_struct *work)
{
	unsigned int busy = 0;

	udrv_spin_lock(&udrv__work.lock);
	if (work->place != UDRV__NOT_PENDING)
		busy |= UDRV_WORK_BUSY_PENDING;
	if (udrv__worker_running(work))
		busy |= UDRV_WORK_BUSY_RUNNING;
	udrv_spin_unlock(&udrv__work.lock);
	return busy;
}
