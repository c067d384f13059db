/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Threads of a driver. Source: Linux include/linux/kthread.h.
 *
 * Such a thread takes no asynchronous signals; udrv_task_interrupt() works on it.
 */
#ifndef UDRV_KTHREAD_H
#define UDRV_KTHREAD_H

#include <udrv/err.h>
#include <udrv/sched.h>

UDRV_BEGIN_DECLS

/**
 * udrv_kthread_create() - make a thread that waits for udrv_wake_up_process()
 * @threadfn: runs in it; returns when its work is done or udrv_kthread_should_stop() says so
 * @data: for @threadfn
 * @namefmt: printf() format of its name, which is cut to 15 bytes
 *
 * Every thread is ended by udrv_kthread_stop(), also one whose function has returned.
 * Return: the thread, or UDRV_ERR_PTR() of -ENOMEM or -EAGAIN. Source: Linux kthread_create().
 */
UDRV_API struct udrv_task *udrv_kthread_create(int (*threadfn)(void *data), void *data,
					       const char *namefmt, ...) UDRV_PRINTF(3, 4);

/** udrv_kthread_run() - udrv_kthread_create() and start it. Source: Linux kthread_run(). */
#define udrv_kthread_run(threadfn, data, ...)                                                      \
	__extension__({                                                                            \
		struct udrv_task *udrv__task = udrv_kthread_create(threadfn, data, __VA_ARGS__);   \
		if (!UDRV_IS_ERR(udrv__task))                                                      \
			(void)udrv_wake_up_process(udrv__task);                                    \
		udrv__task;                                                                        \
	})

/**
 * udrv_kthread_stop() - end a thread and free it
 * @task: from udrv_kthread_create(); not the calling thread
 *
 * Makes udrv_kthread_should_stop() true in it, wakes it, and waits until its function returned. A
 * sleep of the thread ends as by any wake-up: udrv_wait_event() looks at its condition, of which
 * udrv_kthread_should_stop() should be a part. Only one caller.
 *
 * Return: what the function returned, or -EINTR if it was never started. Source: Linux
 * kthread_stop().
 */
UDRV_API int udrv_kthread_stop(struct udrv_task *task);

/** udrv_kthread_should_stop() - is somebody waiting for the calling thread to end? */
UDRV_API bool udrv_kthread_should_stop(void);

UDRV_END_DECLS

#endif
