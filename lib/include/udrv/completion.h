/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Completions: one thread waits until another says that something is done.
 * Source: Linux Documentation/scheduler/completion.rst.
 *
 * A completion may be on the waiter's stack: when a wait returned, the call that completed it no
 * longer touches it. If the wait ended for another reason the caller must first make sure that
 * nobody is going to complete it. A completion that is done wins over every other end of a wait.
 */
#ifndef UDRV_COMPLETION_H
#define UDRV_COMPLETION_H

#include <udrv/err.h>
#include <udrv/types.h>

UDRV_BEGIN_DECLS

/** struct udrv_completion - how often complete() ran and nobody took it; fields are private. */
struct udrv_completion {
	union {
		struct {
			uint32_t done;	  /* UINT32_MAX: complete_all() */
			uint32_t waiters; /* threads inside a wait */
		};
		uint64_t both; /* they change together: see completion.c */
	};
	struct udrv_device *dev;
};

/**
 * udrv_init_completion() - make a completion ready for use
 * @dev: whose removal ends every wait, or NULL
 * @x: the completion; the caller's memory
 */
UDRV_API void udrv_init_completion(struct udrv_device *dev, struct udrv_completion *x);

/** udrv_reinit_completion() - forget completions that nobody waited for. */
UDRV_API void udrv_reinit_completion(struct udrv_completion *x);

/** udrv_complete() - let one waiter go on. Any thread, also handlers; async-signal-safe. */
UDRV_API void udrv_complete(struct udrv_completion *x);

/** udrv_complete_all() - let all waiters go on, now and until udrv_reinit_completion(). */
UDRV_API void udrv_complete_all(struct udrv_completion *x);

/** udrv_completion_done() - would a wait return at once? Never sleeps. */
UDRV_API bool udrv_completion_done(const struct udrv_completion *x);

/**
 * udrv_try_wait_for_completion() - take a completion if there is one
 *
 * Never sleeps. Return: was there one?
 */
UDRV_API bool udrv_try_wait_for_completion(struct udrv_completion *x);

/**
 * udrv_wait_for_completion() - wait until it is complete, without a deadline
 * @x: the completion
 *
 * Return: 0, or -ENODEV when the device is gone.
 */
UDRV_API int udrv_wait_for_completion(struct udrv_completion *x);

/**
 * udrv_wait_for_completion_timeout() - wait until it is complete
 * @x: the completion
 * @timeout: jiffies (milliseconds)
 *
 * Return: jiffies left, at least 1; 0 when the time is up; -ENODEV when the device is gone.
 */
UDRV_API long udrv_wait_for_completion_timeout(struct udrv_completion *x, unsigned long timeout);

/**
 * udrv_wait_for_completion_interruptible() - wait until it is complete or a signal arrives
 * @x: the completion
 *
 * Return: 0, -ENODEV, or -UDRV_ERESTARTSYS when a signal handler ran in this thread (one that was
 * installed with SA_RESTART lets the wait go on) or udrv_task_interrupt() was called.
 */
UDRV_API int udrv_wait_for_completion_interruptible(struct udrv_completion *x);

/**
 * udrv_wait_for_completion_interruptible_timeout() - wait until it is complete, a signal arrives or
 * the time is up
 * @x: the completion
 * @timeout: jiffies (milliseconds)
 *
 * Return: jiffies left, at least 1; 0 when the time is up; -ENODEV; -UDRV_ERESTARTSYS.
 */
UDRV_API long udrv_wait_for_completion_interruptible_timeout(struct udrv_completion *x,
							     unsigned long timeout);

/**
 * udrv_wait_for_completion_killable() - as udrv_wait_for_completion_interruptible()
 *
 * A deadly signal ends the process before any wait could return, so the two are the same.
 */
UDRV_API int udrv_wait_for_completion_killable(struct udrv_completion *x);

/**
 * udrv_wait_for_completion_killable_timeout() - as
 * udrv_wait_for_completion_interruptible_timeout()
 */
UDRV_API long udrv_wait_for_completion_killable_timeout(struct udrv_completion *x,
							unsigned long timeout);

UDRV_END_DECLS

#endif
