/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Mutexes: sleeping locks that have an owner. Source: Linux include/linux/mutex.h,
 * Documentation/locking/mutex-design.rst.
 *
 * Any thread that may block; the holder unlocks. Not recursive. They know no device: whoever holds
 * one waits for devices by calls that end when the device goes, so the next gets it in bounded
 * time. They pass no priority on.
 */
#ifndef UDRV_MUTEX_H
#define UDRV_MUTEX_H

#include <udrv/sched.h>
#include <udrv/types.h>

UDRV_BEGIN_DECLS

/** struct udrv_mutex - a sleeping lock; fields are private. All zero is an unlocked mutex. */
struct udrv_mutex {
	uint32_t word; /* 0 free, 1 held, 2 held and somebody may sleep */
	struct udrv_task *owner;
};

/** UDRV_DEFINE_MUTEX() - define an unlocked mutex. */
#define UDRV_DEFINE_MUTEX(name) struct udrv_mutex name = {0, 0}

/** udrv_mutex_init() - make a mutex ready for use. */
UDRV_API void udrv_mutex_init(struct udrv_mutex *lock);

/**
 * udrv_mutex_destroy() - the mutex is not used any more
 *
 * A mutex needs no destroying; one that is held is logged.
 */
UDRV_API void udrv_mutex_destroy(struct udrv_mutex *lock);

/**
 * udrv_mutex_lock() - take the mutex
 *
 * A thread that holds it already hangs for ever, as in the kernel; a log line says so.
 */
UDRV_API void udrv_mutex_lock(struct udrv_mutex *lock);

/**
 * udrv_mutex_lock_interruptible() - take the mutex, or be interrupted
 *
 * Return: 0, -EINTR when a signal ended the wait (see <udrv/wait.h>) as in the kernel, -EDEADLK if
 * the caller holds it already.
 */
UDRV_API int udrv_mutex_lock_interruptible(struct udrv_mutex *lock) UDRV_WARN_UNUSED;

/** udrv_mutex_lock_killable() - as udrv_mutex_lock_interruptible(). */
UDRV_API int udrv_mutex_lock_killable(struct udrv_mutex *lock) UDRV_WARN_UNUSED;

/** udrv_mutex_trylock() - take the mutex if it is free. Return: 1 when taken, else 0. */
UDRV_API int udrv_mutex_trylock(struct udrv_mutex *lock);

/**
 * udrv_mutex_unlock() - release the mutex
 * @lock: held by the caller; if not, it stays as it is and a log line says so
 *
 * Whoever takes the mutex next may free its memory at once.
 */
UDRV_API void udrv_mutex_unlock(struct udrv_mutex *lock);

/** udrv_mutex_is_locked() - is the mutex held by anybody now? */
static inline bool udrv_mutex_is_locked(const struct udrv_mutex *lock)
{
	return __atomic_load_n(&lock->word, __ATOMIC_RELAXED) != 0;
}

UDRV_END_DECLS

#endif
