/* SPDX-License-Identifier: MIT */
/*
 * Inside work queues. One lock guards all queues and all items of the process, since an item may
 * move between queues while it runs; it is held for some tens of instructions at a time.
 */
#ifndef UDRV_SRC_WORKQUEUE_H
#define UDRV_SRC_WORKQUEUE_H

#include <pthread.h>

#include <udrv/completion.h>
#include <udrv/spinlock.h>
#include <udrv/workqueue.h>

enum udrv__place {
	UDRV__NOT_PENDING,
	UDRV__DELAYED, /* its timer will queue it */
	UDRV__MOVING,  /* who moves it will, once its timer's callback is over */
	UDRV__QUEUED,
};

/* Somebody who waits, on their stack. */
struct udrv__flusher {
	struct udrv_list_head link;
	struct udrv_completion done;
	const struct udrv_work_struct *work; /* its pending run is waited for */
	uint64_t serial;		     /* or all runs up to this one: */
	unsigned long remaining;	     /* so many */
};

struct udrv__worker {
	struct udrv_list_head link;    /* in its queue */
	struct udrv_list_head running; /* in udrv__work.running, while it runs an item */
	struct udrv_workqueue_struct *queue;
	pthread_t thread;
	/* What it runs. The item may be freed meanwhile: only its address is used. */
	const struct udrv_work_struct *work;
	udrv_work_func_t func;
	uint64_t serial;
	struct udrv_list_head flushers;	       /* of this run */
	struct udrv_workqueue_struct *skipped; /* waits for this run with the same item */
};

struct udrv_workqueue_struct {
	struct udrv_list_head queued;
	struct udrv_list_head workers;
	struct udrv_list_head flushers; /* of the queue */
	uint32_t kicks;			/* idle workers sleep on it */
	unsigned int worker_count, idle, max_active;
	unsigned int draining;
	bool stopping;
	uint64_t serial;	   /* of the item queued last */
	unsigned long outstanding; /* items that are queued or run */
	char name[16];
};

/* The lock, and what belongs to no single queue. */
struct udrv__work {
	struct udrv_spinlock lock;
	struct udrv_list_head running;
	struct udrv_list_head flushers; /* for pending runs of items */
};

extern struct udrv__work udrv__work;
/* The worker that the calling thread is, or NULL. */
extern __thread struct udrv__worker *udrv__this_worker;

/* All below are called with the lock held. */

struct udrv__worker *udrv__worker_running(const struct udrv_work_struct *work);

/* Put an item at the end; true: the caller must wake a worker when it has released the lock. */
bool udrv__work_insert(struct udrv_workqueue_struct *wq, struct udrv_work_struct *work);

/* Let an idle worker look at the queue again. */
void udrv__work_kick(struct udrv_workqueue_struct *wq);

/* An item of this serial is finished, or was taken out. */
void udrv__work_account(struct udrv_workqueue_struct *wq, uint64_t serial);

/* Move the flushers of an item's pending run to a list; then let those of a list go on. */
void udrv__flushers_take(const struct udrv_work_struct *work, struct udrv_list_head *list);
void udrv__flushers_release(struct udrv_list_head *list);

#endif
