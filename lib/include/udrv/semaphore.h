/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Counting semaphores. Source: Linux include/linux/semaphore.h.
 *
 * Any thread may raise one that another lowered. Threads do not get it in the order in which they
 * came.
 */
#ifndef UDRV_SEMAPHORE_H
#define UDRV_SEMAPHORE_H

#include <udrv/completion.h>
#include <udrv/types.h>

UDRV_BEGIN_DECLS

/** struct udrv_semaphore - a counting semaphore; fields are private. */
struct udrv_semaphore {
	struct udrv_completion count; /* what counts completions counts this too */
};

/** UDRV_DEFINE_SEMAPHORE() - define a semaphore of no device, with count @n. */
#define UDRV_DEFINE_SEMAPHORE(name, n) struct udrv_semaphore name = {{{{n, 0}}, 0}}

/**
 * udrv_sema_init() - make a semaphore ready for use
 * @dev: whose removal ends every wait, or NULL
 * @sem: the semaphore; the caller's memory
 * @val: how often it can be lowered at first, 0 or more
 */
UDRV_API void udrv_sema_init(struct udrv_device *dev, struct udrv_semaphore *sem, int val);

/**
 * udrv_down() - lower the semaphore; sleep while it is 0
 *
 * Return: 0, or -ENODEV when the device is gone.
 */
UDRV_API int udrv_down(struct udrv_semaphore *sem);

/**
 * udrv_down_interruptible() - lower the semaphore, or be interrupted
 *
 * Return: 0, -ENODEV when the device is gone, -EINTR, as in the kernel, when a signal ended the
 * wait.
 */
UDRV_API int udrv_down_interruptible(struct udrv_semaphore *sem) UDRV_WARN_UNUSED;

/** udrv_down_killable() - as udrv_down_interruptible(). */
UDRV_API int udrv_down_killable(struct udrv_semaphore *sem) UDRV_WARN_UNUSED;

/** udrv_down_trylock() - lower the semaphore if it is not 0. Return: 0 when lowered, else 1. */
UDRV_API int udrv_down_trylock(struct udrv_semaphore *sem) UDRV_WARN_UNUSED;

/**
 * udrv_down_timeout() - lower the semaphore; sleep for some time at most while it is 0
 * @sem: the semaphore
 * @jiffies: how long
 *
 * Return: 0, -ETIME when the time is up, -ENODEV when the device is gone.
 */
UDRV_API int udrv_down_timeout(struct udrv_semaphore *sem, long jiffies) UDRV_WARN_UNUSED;

/** udrv_up() - raise it. Any thread, also handlers; whoever gets it may free it at once. */
UDRV_API void udrv_up(struct udrv_semaphore *sem);

UDRV_END_DECLS

#endif
