/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Completions: one thread waits until another says that something is done.
 * Source: Linux Documentation/scheduler/completion.rst.
 */
#ifndef UDRV_COMPLETION_H
#define UDRV_COMPLETION_H

#include <udrv/types.h>

UDRV_BEGIN_DECLS

/** struct udrv_completion - how often complete() ran and nobody took it; fields are private. */
struct udrv_completion {
	uint32_t done;
	uint32_t waiters;
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

/** udrv_complete() - let one waiter go on. Any thread, also handlers. */
UDRV_API void udrv_complete(struct udrv_completion *x);

/** udrv_complete_all() - let all waiters go on, now and until udrv_reinit_completion(). */
UDRV_API void udrv_complete_all(struct udrv_completion *x);

/**
 * udrv_wait_for_completion_timeout() - wait until it is complete
 * @x: the completion
 * @timeout: jiffies (milliseconds)
 *
 * Return: jiffies left, at least 1; 0 when the time is up; -ENODEV when the device is gone.
 * A completion that is done wins over both.
 */
UDRV_API long udrv_wait_for_completion_timeout(struct udrv_completion *x, unsigned long timeout);

/** udrv_wait_for_completion() - wait without a deadline. 0, or -ENODEV when the device is gone. */
UDRV_API int udrv_wait_for_completion(struct udrv_completion *x);

UDRV_END_DECLS

#endif
