/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Wait queues: threads sleep until a condition holds, and look at it again whenever woken.
 *
 * The condition is the caller's: any expression, evaluated several times, by the waiting thread.
 * Whoever makes it true does so first, and calls udrv_wake_up() after; then no wake-up is lost
 * (docs/contract/threads.md). Source: Linux include/linux/wait.h.
 *
 * In every wait below a true condition wins over a device that is gone, that over a signal, and
 * that over the deadline. A queue that was made for a device ends all waits with -ENODEV when the
 * device goes. A signal ends the interruptible and the killable forms with -UDRV_ERESTARTSYS
 * when a handler ran for it in the waiting thread; one that was installed with SA_RESTART does not;
 * udrv_task_interrupt() from a handler always does.
 */
#ifndef UDRV_WAIT_H
#define UDRV_WAIT_H

#include <errno.h>

#include <udrv/err.h>
#include <udrv/list.h>
#include <udrv/sched.h>
#include <udrv/spinlock.h>
#include <udrv/types.h>

UDRV_BEGIN_DECLS

/** struct udrv_wait_queue_head - a queue of sleeping threads; fields are private. */
struct udrv_wait_queue_head {
	struct udrv_spinlock lock;
	struct udrv_list_head head;
	struct udrv_device *dev;
};

struct udrv_wait_queue_entry;

/**
 * typedef udrv_wait_queue_func_t - called instead of waking a thread
 * @entry: the entry
 * @mode: states that are to be woken
 * @flags: 0
 * @key: from the wake-up call, NULL for those of this header
 *
 * Called with the queue's lock held: it must not block or use the queue, but for
 * udrv_list_del_init() of its own entry. Return: true when it counts as a woken thread.
 */
typedef int (*udrv_wait_queue_func_t)(struct udrv_wait_queue_entry *entry, unsigned int mode,
				      int flags, void *key);

#define UDRV_WQ_FLAG_EXCLUSIVE 0x1u
#define UDRV__WQ_AUTOREMOVE    0x10000u

/** struct udrv_wait_queue_entry - a thread in a queue; normally on its stack. */
struct udrv_wait_queue_entry {
	unsigned int flags;
	void *private_data;
	udrv_wait_queue_func_t func; /* NULL: wake the task */
	struct udrv_list_head entry;
	struct udrv_task *task;
};

/** UDRV_DECLARE_WAIT_QUEUE_HEAD() - define a queue that belongs to no device. */
#define UDRV_DECLARE_WAIT_QUEUE_HEAD(name)                                                         \
	struct udrv_wait_queue_head name = {                                                       \
		UDRV_SPIN_LOCK_UNLOCKED,                                                           \
		UDRV_LIST_HEAD_INIT((name).head),                                                  \
		NULL,                                                                              \
	}

/**
 * udrv_init_waitqueue_head() - make a queue ready for use
 * @dev: whose removal ends every wait, or NULL
 * @wq: the queue; the caller's memory
 */
UDRV_API void udrv_init_waitqueue_head(struct udrv_device *dev, struct udrv_wait_queue_head *wq);

/** udrv_init_waitqueue_entry() - an entry for udrv_add_wait_queue() that wakes @task. */
UDRV_API void udrv_init_waitqueue_entry(struct udrv_wait_queue_entry *entry,
					struct udrv_task *task);

/** udrv_init_waitqueue_func_entry() - an entry that calls @func. */
UDRV_API void udrv_init_waitqueue_func_entry(struct udrv_wait_queue_entry *entry,
					     udrv_wait_queue_func_t func);

/** udrv_add_wait_queue() - let an entry be woken; at the front, every wake-up reaches it. */
UDRV_API void udrv_add_wait_queue(struct udrv_wait_queue_head *wq,
				  struct udrv_wait_queue_entry *entry);

/** udrv_add_wait_queue_exclusive() - let an entry be woken; at the end, and wake-ups count it. */
UDRV_API void udrv_add_wait_queue_exclusive(struct udrv_wait_queue_head *wq,
					    struct udrv_wait_queue_entry *entry);

/** udrv_remove_wait_queue() - take an entry out; afterwards it is not used and may be freed. */
UDRV_API void udrv_remove_wait_queue(struct udrv_wait_queue_head *wq,
				     struct udrv_wait_queue_entry *entry);

/** udrv_init_wait() - an entry for udrv_prepare_to_wait() of the calling thread. */
UDRV_API void udrv_init_wait(struct udrv_wait_queue_entry *entry);

/** UDRV_DEFINE_WAIT() - define an entry for udrv_prepare_to_wait() of the calling thread. */
#define UDRV_DEFINE_WAIT(name)                                                                     \
	struct udrv_wait_queue_entry name = {                                                      \
		UDRV__WQ_AUTOREMOVE, NULL, NULL, UDRV_LIST_HEAD_INIT((name).entry), udrv_current,  \
	}

/**
 * udrv_prepare_to_wait() - queue the calling thread and set its state
 * @wq: the queue
 * @entry: from UDRV_DEFINE_WAIT(), of this thread
 * @state: UDRV_TASK_INTERRUPTIBLE, UDRV_TASK_UNINTERRUPTIBLE or UDRV_TASK_KILLABLE
 *
 * Then look at the condition, sleep by udrv_schedule() or udrv_schedule_timeout(), and so on until
 * done; then udrv_finish_wait(). A thread may be in several queues at once.
 */
UDRV_API void udrv_prepare_to_wait(struct udrv_wait_queue_head *wq,
				   struct udrv_wait_queue_entry *entry, unsigned int state);

/**
 * udrv_prepare_to_wait_exclusive() - udrv_prepare_to_wait() as one of those woken one at a time
 *
 * Return: was it the first in the queue?
 */
UDRV_API bool udrv_prepare_to_wait_exclusive(struct udrv_wait_queue_head *wq,
					     struct udrv_wait_queue_entry *entry,
					     unsigned int state);

/** udrv_finish_wait() - the calling thread runs and is in the queue no longer. */
UDRV_API void udrv_finish_wait(struct udrv_wait_queue_head *wq,
			       struct udrv_wait_queue_entry *entry);

/**
 * udrv_waitqueue_active() - is anybody in the queue?
 *
 * Without the lock: a thread that is about to enter may be missed, unless there is a full barrier
 * (udrv_smp_mb()) between making the condition true and this call. udrv_wake_up() needs neither.
 */
UDRV_API int udrv_waitqueue_active(const struct udrv_wait_queue_head *wq);

UDRV_API void udrv__wake_up(struct udrv_wait_queue_head *wq, unsigned int mode, int nr, void *key);

/**
 * udrv_wake_up{,_nr,_all}() - wake those who wait in a queue
 * @wq: the queue's address
 * @nr: how many exclusive waiters
 *
 * All threads that are not exclusive, and of the exclusive ones, the longest waiting first: one,
 * @nr or all. What the caller stored before is seen by those that it wakes, and by whoever
 * enters the queue later. Any thread, also handlers; never sleeps but for the queue's lock.
 * Source: Linux wake_up().
 */
#define udrv_wake_up(wq)	udrv__wake_up(wq, UDRV_TASK_NORMAL, 1, NULL)
#define udrv_wake_up_nr(wq, nr) udrv__wake_up(wq, UDRV_TASK_NORMAL, nr, NULL)
#define udrv_wake_up_all(wq)	udrv__wake_up(wq, UDRV_TASK_NORMAL, 0, NULL)
/**
 * udrv_wake_up_interruptible{,_nr,_all,_sync}() - udrv_wake_up() of who waits interruptibly
 *
 * Only those in UDRV_TASK_INTERRUPTIBLE. "sync" is a hint to the kernel's scheduler that the caller
 * is about to sleep: none here.
 */
#define udrv_wake_up_interruptible(wq)	      udrv__wake_up(wq, UDRV_TASK_INTERRUPTIBLE, 1, NULL)
#define udrv_wake_up_interruptible_nr(wq, nr) udrv__wake_up(wq, UDRV_TASK_INTERRUPTIBLE, nr, NULL)
#define udrv_wake_up_interruptible_all(wq)    udrv__wake_up(wq, UDRV_TASK_INTERRUPTIBLE, 0, NULL)
#define udrv_wake_up_interruptible_sync(wq)   udrv_wake_up_interruptible(wq)

/* What the wait macros keep on the stack. */
struct udrv__wait {
	struct udrv_wait_queue_entry entry;
	struct udrv_wait_queue_head *wq;
	uint64_t deadline_ns; /* UINT64_MAX: none */
	unsigned int state, flags;
	int ended; /* why the last sleep was the last, or 0 */
};

/* timeout_ns: UINT64_MAX is none. */
UDRV_API void udrv__wait_begin(struct udrv__wait *w, struct udrv_wait_queue_head *wq,
			       unsigned int state, unsigned int flags, uint64_t timeout_ns);
/* Queue and set the state; or, when the wait must end, leave the queue and say why. */
UDRV_API int udrv__wait_prepare(struct udrv__wait *w);
UDRV_API void udrv__wait_sleep(struct udrv__wait *w);
/* Hands ret back. */
UDRV_API int udrv__wait_end(struct udrv__wait *w, int ret);
UDRV_API uint64_t udrv__jiffies_to_timeout_ns(long timeout);
/* The result of a _timeout form: jiffies left, 0 for -ETIMEDOUT, else ret. */
UDRV_API long udrv__wait_left(const struct udrv__wait *w, int ret);

/* The loop of every wait: 0 or why it ended. w is filled even if the condition holds at once. */
#define UDRV__WAIT_LOOP(w, wq, condition, state, flags, timeout_ns, before_sleep, after_sleep)     \
	__extension__({                                                                            \
		int udrv__ret;                                                                     \
		udrv__wait_begin(&(w), &(wq), state, flags, timeout_ns);                           \
		for (;;) {                                                                         \
			udrv__ret = udrv__wait_prepare(&(w));                                      \
			if (condition) {                                                           \
				udrv__ret = 0;                                                     \
				break;                                                             \
			}                                                                          \
			if (udrv__ret)                                                             \
				break;                                                             \
			before_sleep;                                                              \
			udrv__wait_sleep(&(w));                                                    \
			after_sleep;                                                               \
		}                                                                                  \
		udrv__wait_end(&(w), udrv__ret);                                                   \
	})

#define UDRV__WAIT(wq, condition, state, flags, before_sleep, after_sleep)                         \
	__extension__({                                                                            \
		struct udrv__wait udrv__w;                                                         \
		(condition) ? 0                                                                    \
			    : UDRV__WAIT_LOOP(udrv__w, wq, condition, state, flags, UINT64_MAX,    \
					      before_sleep, after_sleep);                          \
	})

#define UDRV__WAIT_TIMEOUT(wq, condition, state, flags, timeout)                                   \
	__extension__({                                                                            \
		struct udrv__wait udrv__w;                                                         \
		const long udrv__jiffies = (long)(timeout);                                        \
		(condition) ? (udrv__jiffies > 0 ? udrv__jiffies : 1L)                             \
			    : udrv__wait_left(                                                     \
				      &udrv__w,                                                    \
				      UDRV__WAIT_LOOP(udrv__w, wq, condition, state, flags,        \
						      udrv__jiffies_to_timeout_ns(udrv__jiffies),  \
						      (void)0, (void)0));                          \
	})

#define UDRV__WAIT_HRTIMEOUT(wq, condition, state, timeout)                                        \
	__extension__({                                                                            \
		struct udrv__wait udrv__w;                                                         \
		const int64_t udrv__ns = (int64_t)(timeout);                                       \
		const int udrv__end =                                                              \
			(condition) ? 0                                                            \
				    : UDRV__WAIT_LOOP(udrv__w, wq, condition, state, 0,            \
						      udrv__ns > 0 ? (uint64_t)udrv__ns : 0,       \
						      (void)0, (void)0);                           \
		udrv__end == -ETIMEDOUT ? -ETIME : udrv__end;                                      \
	})

/**
 * udrv_wait_event() - sleep until a condition holds
 * @wq: the queue itself, not its address
 * @condition: expression
 *
 * Not from code that must not block. Return: 0, or -ENODEV when the queue's device is gone.
 * Source: Linux wait_event(), which returns nothing.
 */
#define udrv_wait_event(wq, condition)                                                             \
	UDRV__WAIT(wq, condition, UDRV_TASK_UNINTERRUPTIBLE, 0, (void)0, (void)0)

/**
 * udrv_wait_event_timeout() - udrv_wait_event() for some time at most
 * @timeout: jiffies; UDRV_MAX_SCHEDULE_TIMEOUT for ever
 *
 * Return: jiffies left, at least 1; 0 when the time is up; -ENODEV.
 */
#define udrv_wait_event_timeout(wq, condition, timeout)                                            \
	UDRV__WAIT_TIMEOUT(wq, condition, UDRV_TASK_UNINTERRUPTIBLE, 0, timeout)

/**
 * udrv_wait_event_interruptible() - udrv_wait_event() that a signal can end
 *
 * Return: 0, -UDRV_ERESTARTSYS, -ENODEV.
 */
#define udrv_wait_event_interruptible(wq, condition)                                               \
	UDRV__WAIT(wq, condition, UDRV_TASK_INTERRUPTIBLE, 0, (void)0, (void)0)

/**
 * udrv_wait_event_interruptible_timeout() - udrv_wait_event_timeout() that a signal can end
 *
 * Return: as udrv_wait_event_timeout(), or -UDRV_ERESTARTSYS.
 */
#define udrv_wait_event_interruptible_timeout(wq, condition, timeout)                              \
	UDRV__WAIT_TIMEOUT(wq, condition, UDRV_TASK_INTERRUPTIBLE, 0, timeout)

/**
 * udrv_wait_event_killable() - udrv_wait_event_interruptible() that udrv_wake_up_interruptible()
 * passes by
 */
#define udrv_wait_event_killable(wq, condition)                                                    \
	UDRV__WAIT(wq, condition, UDRV_TASK_KILLABLE, 0, (void)0, (void)0)

/**
 * udrv_wait_event_killable_timeout() - udrv_wait_event_interruptible_timeout() that
 * udrv_wake_up_interruptible() passes by
 */
#define udrv_wait_event_killable_timeout(wq, condition, timeout)                                   \
	UDRV__WAIT_TIMEOUT(wq, condition, UDRV_TASK_KILLABLE, 0, timeout)

/** udrv_wait_event_idle() - as udrv_wait_event(). */
#define udrv_wait_event_idle(wq, condition)                                                        \
	UDRV__WAIT(wq, condition, UDRV_TASK_IDLE, 0, (void)0, (void)0)

/** udrv_wait_event_idle_timeout() - as udrv_wait_event_timeout(). */
#define udrv_wait_event_idle_timeout(wq, condition, timeout)                                       \
	UDRV__WAIT_TIMEOUT(wq, condition, UDRV_TASK_IDLE, 0, timeout)

/**
 * udrv_wait_event_{interruptible,killable,idle}_exclusive() - wait as one of those that are woken
 * one at a time
 * @wq: the queue itself, not its address
 * @condition: expression
 *
 * As the forms without _exclusive, but of these a udrv_wake_up() wakes one. A wait that ends for
 * another reason does not swallow a wake-up: the thread leaves the queue before it looks at the
 * condition for the last time.
 *
 * Return: 0, -ENODEV, -UDRV_ERESTARTSYS from all but the idle form.
 */
/** udrv_wait_event_idle_exclusive_timeout() - udrv_wait_event_idle_timeout(), exclusive. */
#define udrv_wait_event_interruptible_exclusive(wq, condition)                                     \
	UDRV__WAIT(wq, condition, UDRV_TASK_INTERRUPTIBLE, UDRV_WQ_FLAG_EXCLUSIVE, (void)0, (void)0)
#define udrv_wait_event_killable_exclusive(wq, condition)                                          \
	UDRV__WAIT(wq, condition, UDRV_TASK_KILLABLE, UDRV_WQ_FLAG_EXCLUSIVE, (void)0, (void)0)
#define udrv_wait_event_idle_exclusive(wq, condition)                                              \
	UDRV__WAIT(wq, condition, UDRV_TASK_IDLE, UDRV_WQ_FLAG_EXCLUSIVE, (void)0, (void)0)
#define udrv_wait_event_idle_exclusive_timeout(wq, condition, timeout)                             \
	UDRV__WAIT_TIMEOUT(wq, condition, UDRV_TASK_IDLE, UDRV_WQ_FLAG_EXCLUSIVE, timeout)

/**
 * udrv_wait_event_cmd() - udrv_wait_event() with a statement before each sleep and one after it
 * @cmd1: before
 * @cmd2: after
 *
 * Return: as udrv_wait_event().
 */
#define udrv_wait_event_cmd(wq, condition, cmd1, cmd2)                                             \
	UDRV__WAIT(wq, condition, UDRV_TASK_UNINTERRUPTIBLE, 0, cmd1, cmd2)

/**
 * udrv_wait_event_lock_irq() - udrv_wait_event() with a spinlock that is held but while sleeping
 * @lock: the struct udrv_spinlock itself, not its address; the condition is looked at under it
 *
 * Return: as udrv_wait_event(); the lock is held in any case.
 */
#define udrv_wait_event_lock_irq(wq, condition, lock)                                              \
	UDRV__WAIT(wq, condition, UDRV_TASK_UNINTERRUPTIBLE, 0, udrv_spin_unlock_irq(&(lock)),     \
		   udrv_spin_lock_irq(&(lock)))

/**
 * udrv_wait_event_interruptible_lock_irq() - udrv_wait_event_lock_irq() that a signal can end
 *
 * Return: as udrv_wait_event_interruptible(); the lock is held in any case.
 */
#define udrv_wait_event_interruptible_lock_irq(wq, condition, lock)                                \
	UDRV__WAIT(wq, condition, UDRV_TASK_INTERRUPTIBLE, 0, udrv_spin_unlock_irq(&(lock)),       \
		   udrv_spin_lock_irq(&(lock)))

/**
 * udrv_wait_event_hrtimeout() - udrv_wait_event() for some nanoseconds at most
 * @timeout: nanoseconds
 *
 * Return: 0, -ETIME when the time is up, -ENODEV.
 */
#define udrv_wait_event_hrtimeout(wq, condition, timeout)                                          \
	UDRV__WAIT_HRTIMEOUT(wq, condition, UDRV_TASK_UNINTERRUPTIBLE, timeout)

/**
 * udrv_wait_event_interruptible_hrtimeout() - udrv_wait_event_hrtimeout() that a signal can end
 *
 * Return: 0, -ETIME when the time is up, -UDRV_ERESTARTSYS, -ENODEV.
 */
#define udrv_wait_event_interruptible_hrtimeout(wq, condition, timeout)                            \
	UDRV__WAIT_HRTIMEOUT(wq, condition, UDRV_TASK_INTERRUPTIBLE, timeout)

UDRV_END_DECLS

#endif
