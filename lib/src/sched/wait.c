// SPDX-License-Identifier: MIT
/*
 * Wait queues. A waiter enters the queue and sets its state under the queue's lock, then looks at
 * its condition; a waker makes the condition true, then takes the lock. Whoever comes second under
 * the lock sees what the first did: docs/contract/threads.md has it drawn.
 */
#include <errno.h>

#include <udrv/device.h>
#include <udrv/wait.h>

#include "sched/clock.h"
#include "sched/sleep.h"
#include "sched/task.h"

/* System calls of a wake-up are made after the lock is released, for so many threads at once. */
#define BATCH 16

struct batch {
	const uint32_t *words[BATCH];
	unsigned int count;
};

void udrv_init_waitqueue_head(struct udrv_device *dev, struct udrv_wait_queue_head *wq)
{
	udrv_spin_lock_init(&wq->lock);
	udrv_init_list_head(&wq->head);
	wq->dev = dev;
}

static void init_entry(struct udrv_wait_queue_entry *entry, unsigned int flags,
		       struct udrv_task *task)
{
	entry->flags = flags;
	entry->private_data = NULL;
	entry->func = NULL;
	udrv_init_list_head(&entry->entry);
	entry->task = task;
}

void udrv_init_waitqueue_entry(struct udrv_wait_queue_entry *entry, struct udrv_task *task)
{
	init_entry(entry, 0, task);
}

void udrv_init_waitqueue_func_entry(struct udrv_wait_queue_entry *entry,
				    udrv_wait_queue_func_t func)
{
	init_entry(entry, 0, NULL);
	entry->func = func;
}

void udrv_init_wait(struct udrv_wait_queue_entry *entry)
{
	init_entry(entry, UDRV__WQ_AUTOREMOVE, udrv_current);
}

/* Exclusive waiters at the end, in their order; the others before them. */
static void enqueue(struct udrv_wait_queue_head *wq, struct udrv_wait_queue_entry *entry)
{
	if (entry->flags & UDRV_WQ_FLAG_EXCLUSIVE)
		udrv_list_add_tail(&entry->entry, &wq->head);
	else
		udrv_list_add(&entry->entry, &wq->head);
}

void udrv_add_wait_queue(struct udrv_wait_queue_head *wq, struct udrv_wait_queue_entry *entry)
{
	udrv_spin_lock(&wq->lock);
	entry->flags &= ~UDRV_WQ_FLAG_EXCLUSIVE;
	enqueue(wq, entry);
	udrv_spin_unlock(&wq->lock);
}

void udrv_add_wait_queue_exclusive(struct udrv_wait_queue_head *wq,
				   struct udrv_wait_queue_entry *entry)
{
	udrv_spin_lock(&wq->lock);
	entry->flags |= UDRV_WQ_FLAG_EXCLUSIVE;
	enqueue(wq, entry);
	udrv_spin_unlock(&wq->lock);
}

void udrv_remove_wait_queue(struct udrv_wait_queue_head *wq, struct udrv_wait_queue_entry *entry)
{
	udrv_spin_lock(&wq->lock);
	udrv_list_del_init(&entry->entry);
	udrv_spin_unlock(&wq->lock);
}

/* A waker may look at the flags until the lock is taken, if the entry is still in the queue. */
static bool prepare(struct udrv_wait_queue_head *wq, struct udrv_wait_queue_entry *entry,
		    unsigned int state, unsigned int flags)
{
	bool first;

	udrv_spin_lock(&wq->lock);
	first = udrv_list_empty(&wq->head);
	entry->flags = flags | UDRV__WQ_AUTOREMOVE;
	if (udrv_list_empty(&entry->entry))
		enqueue(wq, entry);
	udrv_set_current_state(state);
	udrv_spin_unlock(&wq->lock);
	return first;
}

void udrv_prepare_to_wait(struct udrv_wait_queue_head *wq, struct udrv_wait_queue_entry *entry,
			  unsigned int state)
{
	if (wq->dev)
		udrv_current->dev = wq->dev;
	(void)prepare(wq, entry, state, 0);
}

bool udrv_prepare_to_wait_exclusive(struct udrv_wait_queue_head *wq,
				    struct udrv_wait_queue_entry *entry, unsigned int state)
{
	if (wq->dev)
		udrv_current->dev = wq->dev;
	return prepare(wq, entry, state, UDRV_WQ_FLAG_EXCLUSIVE);
}

void udrv_finish_wait(struct udrv_wait_queue_head *wq, struct udrv_wait_queue_entry *entry)
{
	udrv_set_current_state(UDRV_TASK_RUNNING);
	udrv_current->dev = NULL;
	udrv_remove_wait_queue(wq, entry);
}

int udrv_waitqueue_active(const struct udrv_wait_queue_head *wq)
{
	return !udrv_list_empty(&wq->head);
}

static void batch_flush(struct batch *b)
{
	for (unsigned int i = 0; i < b->count; i++)
		udrv__wake_word(b->words[i], 1);
	b->count = 0;
}

/* Did it wake a thread? The entry may be gone as soon as the lock is released. */
static bool wake_entry(struct udrv_wait_queue_entry *entry, unsigned int mode, void *key,
		       struct batch *b)
{
	if (entry->func)
		return entry->func(entry, mode, 0, key);
	if (!udrv__task_make_running(entry->task, mode))
		return false;
	if (b->count == BATCH)
		batch_flush(b);
	b->words[b->count++] = &entry->task->state;
	if (entry->flags & UDRV__WQ_AUTOREMOVE)
		udrv_list_del_init(&entry->entry);
	return true;
}

void udrv__wake_up(struct udrv_wait_queue_head *wq, unsigned int mode, int nr, void *key)
{
	struct udrv_wait_queue_entry *entry;
	struct udrv_wait_queue_entry *next;
	struct batch b;

	b.count = 0;
	udrv_spin_lock(&wq->lock);
	udrv_list_for_each_entry_safe(entry, next, &wq->head, entry) {
		bool exclusive = entry->flags & UDRV_WQ_FLAG_EXCLUSIVE;

		if (wake_entry(entry, mode, key, &b) && exclusive && !--nr)
			break;
	}
	udrv_spin_unlock(&wq->lock);
	batch_flush(&b);
}

void udrv__wait_begin(struct udrv__wait *w, struct udrv_wait_queue_head *wq, unsigned int state,
		      unsigned int flags, uint64_t timeout_ns)
{
	init_entry(&w->entry, 0, udrv_current);
	w->flags = flags;
	w->wq = wq;
	w->deadline_ns = UDRV__NEVER;
	if (timeout_ns != UDRV__NEVER)
		w->deadline_ns = udrv__after_ns(udrv__now_ns(), timeout_ns);
	w->state = state;
	w->ended = timeout_ns ? 0 : -ETIMEDOUT;
}

/* Why the wait must end, or 0. */
static int must_end(const struct udrv__wait *w)
{
	if (w->wq->dev && udrv_device_gone(w->wq->dev))
		return -ENODEV;
	if (udrv__task_interruptible(w->state) &&
	    __atomic_load_n(&w->entry.task->interrupted, __ATOMIC_ACQUIRE))
		return -UDRV_ERESTARTSYS;
	return w->ended;
}

int udrv__wait_prepare(struct udrv__wait *w)
{
	int ret = must_end(w);

	/* A wake-up that chose this thread came before, and the condition will be seen. */
	if (ret)
		udrv_remove_wait_queue(w->wq, &w->entry);
	else
		(void)prepare(w->wq, &w->entry, w->state, w->flags);
	return ret;
}

void udrv__wait_sleep(struct udrv__wait *w)
{
	w->ended = udrv__task_sleep(w->entry.task, w->wq->dev, w->deadline_ns);
}

int udrv__wait_end(struct udrv__wait *w, int ret)
{
	udrv_set_current_state(UDRV_TASK_RUNNING);
	udrv_remove_wait_queue(w->wq, &w->entry);
	if (ret == -UDRV_ERESTARTSYS)
		udrv__task_forget_signal(w->entry.task);
	return ret;
}

uint64_t udrv__jiffies_to_timeout_ns(long timeout)
{
	if (timeout == UDRV_MAX_SCHEDULE_TIMEOUT)
		return UDRV__NEVER;
	return udrv__jiffies_ns(timeout > 0 ? (uint64_t)timeout : 0);
}

long udrv__wait_left(const struct udrv__wait *w, int ret)
{
	long left;

	if (ret)
		return ret == -ETIMEDOUT ? 0 : ret;
	if (w->deadline_ns == UDRV__NEVER)
		return UDRV_MAX_SCHEDULE_TIMEOUT;
	left = udrv__jiffies_left(w->deadline_ns);
	return left > 0 ? left : 1;
}
