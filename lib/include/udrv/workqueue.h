/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Work that runs in a thread of its own, later. Source: Linux include/linux/workqueue.h,
 * Documentation/core-api/workqueue.rst.
 *
 * Work functions may block. An item never runs in two threads at once, whatever queues it is put
 * on. What the caller stored before queueing it is seen by its function, also where queueing
 * returns false because it was pending. An item is pending from queueing until its function is
 * about to be called; from then on it may be queued again, also by itself, and its function may
 * free it.
 *
 * Queueing is for any thread, also handlers and timer callbacks. What waits (the _sync calls,
 * flushing, draining, destroying) must not be called from a work function that is waited for, nor
 * with a lock held that such a function takes. These waits know no device: a work function that
 * waits for a device does so by calls that end when it goes.
 */
#ifndef UDRV_WORKQUEUE_H
#define UDRV_WORKQUEUE_H

#include <udrv/list.h>
#include <udrv/timer.h>
#include <udrv/types.h>

UDRV_BEGIN_DECLS

/** struct udrv_workqueue_struct - a queue and its threads; opaque. */
struct udrv_workqueue_struct;
struct udrv_work_struct;

/** typedef udrv_work_func_t - does the work. */
typedef void (*udrv_work_func_t)(struct udrv_work_struct *work);

/** struct udrv_work_struct - an item of work; the caller's memory; fields are private. */
struct udrv_work_struct {
	struct udrv_list_head entry;
	udrv_work_func_t func;
	struct udrv_workqueue_struct *queue; /* while it is pending */
	uint64_t serial;
	uint32_t place;	   /* not pending, waiting for its timer, or in the queue */
	uint32_t disabled; /* so many cancel it at this moment */
};

/** struct udrv_delayed_work - an item that waits for a timer first. */
struct udrv_delayed_work {
	struct udrv_work_struct work;
	struct udrv_timer_list timer;
};

UDRV_API void udrv__delayed_work_fire(struct udrv_timer_list *timer);

#define UDRV__WORK(func)                                                                           \
	{                                                                                          \
		{0, 0}, func, 0, 0, 0, 0                                                           \
	}
/** UDRV_DECLARE_WORK() - define an item of work. */
#define UDRV_DECLARE_WORK(name, func) struct udrv_work_struct name = UDRV__WORK(func)
/** UDRV_DECLARE_DELAYED_WORK() - define a delayed item of work. */
#define UDRV_DECLARE_DELAYED_WORK(name, func)                                                      \
	struct udrv_delayed_work name = {                                                          \
		UDRV__WORK(func),                                                                  \
		{{0, 0, 0, 0, udrv__timer_fire, false, false}, 0, udrv__delayed_work_fire, 0},     \
	}

/** udrv_init_work() - make an item of work ready for use. Source: Linux INIT_WORK(). */
UDRV_API void udrv_init_work(struct udrv_work_struct *work, udrv_work_func_t func);

/** udrv_init_delayed_work() - make a delayed item ready for use. Source: INIT_DELAYED_WORK(). */
UDRV_API void udrv_init_delayed_work(struct udrv_delayed_work *dwork, udrv_work_func_t func);

/** udrv_to_delayed_work() - in a work function: the delayed item. */
static inline struct udrv_delayed_work *udrv_to_delayed_work(struct udrv_work_struct *work)
{
	return udrv_container_of(work, struct udrv_delayed_work, work);
}

/* The kernel's flags: where its threads run and with what memory. Here they change nothing. */
#define UDRV_WQ_UNBOUND	      0x2u
#define UDRV_WQ_FREEZABLE     0x4u
#define UDRV_WQ_MEM_RECLAIM   0x8u
#define UDRV_WQ_HIGHPRI	      0x10u
#define UDRV_WQ_CPU_INTENSIVE 0x20u

/** UDRV_WQ_MAX_ACTIVE - most threads that a queue may have. */
#define UDRV_WQ_MAX_ACTIVE 512
/** UDRV_WQ_DFL_ACTIVE - how many it may have if the caller says 0. */
#define UDRV_WQ_DFL_ACTIVE 256

/**
 * udrv_alloc_workqueue() - make a queue
 * @fmt: printf() format of its name, which is cut to 15 bytes
 * @flags: UDRV_WQ_* or 0
 * @max_active: most items that run at once, at most UDRV_WQ_MAX_ACTIVE; 0 for UDRV_WQ_DFL_ACTIVE
 *
 * Items begin in the order in which they were queued. A thread is made when one is needed, ahead of
 * the next item, and stays; one is made by this call, so that queued work always runs.
 *
 * Return: the queue, or NULL when there is no memory or no thread to be had.
 */
UDRV_API struct udrv_workqueue_struct *udrv_alloc_workqueue(const char *fmt, unsigned int flags,
							    int max_active, ...) UDRV_PRINTF(1, 4);

/** udrv_alloc_ordered_workqueue() - a queue that runs one item at a time, in order. */
#define udrv_alloc_ordered_workqueue(fmt, flags, ...)                                              \
	udrv_alloc_workqueue(fmt, flags, 1, ##__VA_ARGS__)
/** udrv_create_singlethread_workqueue() - udrv_alloc_ordered_workqueue() by an older name. */
/** udrv_create_workqueue() - udrv_alloc_workqueue() by an older name: one item at a time. */
#define udrv_create_singlethread_workqueue(name) udrv_alloc_ordered_workqueue("%s", 0, name)
#define udrv_create_workqueue(name)		 udrv_alloc_workqueue("%s", 0, 1, name)

/**
 * udrv_destroy_workqueue() - run what is queued, then end the threads and free the queue
 * @wq: nobody else queues to it any more, but for its own items; NULL is allowed
 *
 * Delayed items must have been cancelled.
 */
UDRV_API void udrv_destroy_workqueue(struct udrv_workqueue_struct *wq);

/**
 * udrv_system_wq - a queue that is there for everybody
 *
 * Made on first use and never destroyed: cancel your items before their code or memory goes.
 * NULL, with a log line, if it cannot be made; queueing to NULL returns false.
 */
#define udrv_system_wq udrv__system_wq()
UDRV_API struct udrv_workqueue_struct *udrv__system_wq(void);

/**
 * udrv_queue_work() - let an item run
 * @wq: the queue
 * @work: the item; must stay until its function is called
 *
 * Return: false if it was pending already, or is being cancelled.
 */
UDRV_API bool udrv_queue_work(struct udrv_workqueue_struct *wq, struct udrv_work_struct *work);

/** udrv_schedule_work() - udrv_queue_work() on udrv_system_wq. */
static inline bool udrv_schedule_work(struct udrv_work_struct *work)
{
	return udrv_queue_work(udrv_system_wq, work);
}

/** udrv_queue_delayed_work() - queue an item after @delay jiffies. Return: as udrv_queue_work(). */
UDRV_API bool udrv_queue_delayed_work(struct udrv_workqueue_struct *wq,
				      struct udrv_delayed_work *dwork, unsigned long delay);

/** udrv_schedule_delayed_work() - udrv_queue_delayed_work() on udrv_system_wq. */
static inline bool udrv_schedule_delayed_work(struct udrv_delayed_work *dwork, unsigned long delay)
{
	return udrv_queue_delayed_work(udrv_system_wq, dwork, delay);
}

/**
 * udrv_mod_delayed_work() - queue an item after @delay jiffies, even if it is pending
 *
 * Return: true if it was pending: it is no longer due at the former time.
 */
UDRV_API bool udrv_mod_delayed_work(struct udrv_workqueue_struct *wq,
				    struct udrv_delayed_work *dwork, unsigned long delay);

/**
 * udrv_cancel_work() - if an item is pending, it is not run
 * @work: the item; its function may be running
 *
 * Return: true if it was pending.
 */
UDRV_API bool udrv_cancel_work(struct udrv_work_struct *work);

/**
 * udrv_cancel_work_sync() - udrv_cancel_work(), and wait until its function is not running
 *
 * Meanwhile the item cannot be queued, also by itself: afterwards it is idle. In its own function
 * it does not wait. Return: true if it was pending.
 */
UDRV_API bool udrv_cancel_work_sync(struct udrv_work_struct *work);

/** udrv_cancel_delayed_work() - udrv_cancel_work() for a delayed item. */
UDRV_API bool udrv_cancel_delayed_work(struct udrv_delayed_work *dwork);

/** udrv_cancel_delayed_work_sync() - udrv_cancel_work_sync() for a delayed item. */
UDRV_API bool udrv_cancel_delayed_work_sync(struct udrv_delayed_work *dwork);

/**
 * udrv_flush_work() - wait until an item has run
 *
 * If it is pending, for that run; else for the one that is under way. Later ones are not waited
 * for. Return: false if there was nothing to wait for.
 */
UDRV_API bool udrv_flush_work(struct udrv_work_struct *work);

/** udrv_flush_delayed_work() - udrv_flush_work() that does not wait for the timer. */
UDRV_API bool udrv_flush_delayed_work(struct udrv_delayed_work *dwork);

/** udrv_flush_workqueue() - wait until everything has run that was queued before this call. */
UDRV_API void udrv_flush_workqueue(struct udrv_workqueue_struct *wq);

/** udrv_drain_workqueue() - wait until the queue is empty; meanwhile only its own items may queue.
 */
UDRV_API void udrv_drain_workqueue(struct udrv_workqueue_struct *wq);

/** udrv_work_pending() - is the item queued, or due to be? */
static inline bool udrv_work_pending(const struct udrv_work_struct *work)
{
	return __atomic_load_n(&work->place, __ATOMIC_RELAXED) != 0;
}

/** udrv_delayed_work_pending() - is the item waiting for its timer, or queued? */
static inline bool udrv_delayed_work_pending(const struct udrv_delayed_work *dwork)
{
	return udrv_work_pending(&dwork->work);
}

#define UDRV_WORK_BUSY_PENDING 0x1u
#define UDRV_WORK_BUSY_RUNNING 0x2u
/** udrv_work_busy() - what an item does: UDRV_WORK_BUSY_* or 0; may be out of date at once. */
UDRV_API unsigned int udrv_work_busy(struct udrv_work_struct *work);

UDRV_END_DECLS

#endif
