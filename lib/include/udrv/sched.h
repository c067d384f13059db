/* SPDX-License-Identifier: MIT */
/**
 * @file
 * The thread that runs, its state, and how it sleeps and is woken.
 *
 * Every thread of the process is a task, whoever made it. A thread says that it is about to sleep
 * by setting its state, looks at what it waits for, and calls udrv_schedule(). Whoever wakes it
 * sets the state back to running, so a wake-up between the look and the sleep ends the sleep before
 * it begins (docs/contract/threads.md).
 */
#ifndef UDRV_SCHED_H
#define UDRV_SCHED_H

#include <limits.h>

#include <udrv/types.h>

UDRV_BEGIN_DECLS

/** struct udrv_task - a thread (Linux: struct task_struct); opaque. */
struct udrv_task;

/* States; wake-up calls take a mask of them. Source: Linux include/linux/sched.h. */
#define UDRV_TASK_RUNNING	  0x0u
#define UDRV_TASK_INTERRUPTIBLE	  0x1u
#define UDRV_TASK_UNINTERRUPTIBLE 0x2u
#define UDRV_TASK_WAKEKILL	  0x100u
#define UDRV_TASK_KILLABLE	  (UDRV_TASK_WAKEKILL | UDRV_TASK_UNINTERRUPTIBLE)
#define UDRV_TASK_IDLE		  (0x400u | UDRV_TASK_UNINTERRUPTIBLE)
#define UDRV_TASK_NORMAL	  (UDRV_TASK_INTERRUPTIBLE | UDRV_TASK_UNINTERRUPTIBLE)

/** UDRV_MAX_SCHEDULE_TIMEOUT - as a timeout: none. */
#define UDRV_MAX_SCHEDULE_TIMEOUT LONG_MAX

UDRV_API struct udrv_task *udrv__current(void);

/**
 * udrv_current - the calling thread
 *
 * Valid until the thread ends; of a kthread until udrv_kthread_stop().
 * Source: Linux current.
 */
#define udrv_current udrv__current()

/**
 * udrv_set_current_state() - say how the calling thread is going to sleep
 * @state: UDRV_TASK_*
 *
 * Orders: what the thread looks at after this call includes what anybody stored before waking it.
 */
UDRV_API void udrv_set_current_state(unsigned int state);

/**
 * udrv_schedule() - sleep until woken
 *
 * Returns at once if the state is UDRV_TASK_RUNNING; afterwards it is. The sleep also ends when
 * the device of the wait queue of the last udrv_prepare_to_wait() goes, and, if
 * the state is interruptible or killable, by a signal.
 *
 * Return: 0; -ENODEV when that device is gone (udrv_signal_pending() is then true, so that loops
 * written for the kernel end); -UDRV_ERESTARTSYS. Source: Linux schedule(), which returns nothing.
 */
UDRV_API int udrv_schedule(void);

/**
 * udrv_schedule_timeout() - sleep until woken or for some time
 * @timeout: jiffies; UDRV_MAX_SCHEDULE_TIMEOUT for ever
 *
 * Return: jiffies left, 0 when the time is up, -ENODEV as udrv_schedule(). Source: Linux
 * schedule_timeout().
 */
UDRV_API long udrv_schedule_timeout(long timeout);

/**
 * udrv_schedule_timeout_{interruptible,uninterruptible,killable}() - udrv_schedule_timeout() with
 * that state set first
 */
UDRV_API long udrv_schedule_timeout_interruptible(long timeout);
UDRV_API long udrv_schedule_timeout_uninterruptible(long timeout);
UDRV_API long udrv_schedule_timeout_killable(long timeout);

/**
 * udrv_wake_up_process() - end a thread's sleep, and start a kthread
 * @task: a thread that has not ended
 *
 * What the caller stored before is seen by the thread after it. Any thread, also handlers;
 * async-signal-safe for any thread but a kthread that has not been started.
 * Return: 1 if it slept or was about to, else 0. Source: Linux wake_up_process().
 */
UDRV_API int udrv_wake_up_process(struct udrv_task *task);

/**
 * udrv_task_interrupt() - end an interruptible or killable wait of a thread as a signal does
 * @task: a thread that has not ended
 *
 * The thread's present interruptible wait, or else its next one, returns -UDRV_ERESTARTSYS. For
 * signal handlers (a signal alone can arrive just before the sleep, and with SA_RESTART does not
 * end it) and for front ends whose caller gave up. Any thread; async-signal-safe.
 */
UDRV_API void udrv_task_interrupt(struct udrv_task *task);

/**
 * udrv_signal_pending() - has a signal ended a sleep of @task, or has somebody interrupted it?
 *
 * Told once: asking, and a wait that returns -UDRV_ERESTARTSYS, forget it. @task is normally
 * udrv_current. Source: Linux signal_pending().
 */
UDRV_API int udrv_signal_pending(struct udrv_task *task);

/**
 * udrv_may_spin() - may a thread that waits look again and again before it sleeps?
 *
 * Not where the process has one CPU: what it waits for may need that one. The CPUs are those of the
 * main thread (sched_getaffinity(2)); ask when waiting begins, not each time: it is a system call.
 * Any thread. Return: true if there are several.
 */
UDRV_API bool udrv_may_spin(void);

UDRV_END_DECLS

#endif
