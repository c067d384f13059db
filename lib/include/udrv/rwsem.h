/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Sleeping locks for many readers or one writer. Source: Linux include/linux/rwsem.h.
 *
 * A writer that waits keeps new readers out, so a reader must not take it twice. Any thread that
 * may block. As mutexes they know no device.
 */
#ifndef UDRV_RWSEM_H
#define UDRV_RWSEM_H

#include <udrv/spinlock.h>
#include <udrv/types.h>

UDRV_BEGIN_DECLS

/** struct udrv_rw_semaphore - many readers or one writer; fields are private. All zero is free. */
struct udrv_rw_semaphore {
	struct udrv_spinlock lock;
	uint32_t changes; /* waiters sleep on it */
	int active;	  /* readers that hold it, or -1: a writer does */
	unsigned int waiting, waiting_writers;
};

/** UDRV_DECLARE_RWSEM() - define an unlocked semaphore of readers and writers. */
#define UDRV_DECLARE_RWSEM(name)                                                                   \
	struct udrv_rw_semaphore name = {UDRV_SPIN_LOCK_UNLOCKED, 0, 0, 0, 0}

/** udrv_init_rwsem() - make a semaphore of readers and writers ready for use. */
UDRV_API void udrv_init_rwsem(struct udrv_rw_semaphore *sem);

/** udrv_down_read() - take the semaphore as one of several readers. */
UDRV_API void udrv_down_read(struct udrv_rw_semaphore *sem);
/**
 * udrv_down_read_interruptible() - take the semaphore as a reader, or be interrupted
 *
 * Return: 0, or -EINTR when a signal ends the wait (see <udrv/wait.h>).
 */
UDRV_API int udrv_down_read_interruptible(struct udrv_rw_semaphore *sem) UDRV_WARN_UNUSED;
/** udrv_down_read_killable() - as udrv_down_read_interruptible(). */
UDRV_API int udrv_down_read_killable(struct udrv_rw_semaphore *sem) UDRV_WARN_UNUSED;
/**
 * udrv_down_read_trylock() - take it as a reader if that needs no waiting
 *
 * Return: 1 when taken, else 0.
 */
UDRV_API int udrv_down_read_trylock(struct udrv_rw_semaphore *sem);
/** udrv_up_read() - release what a reader holds. */
UDRV_API void udrv_up_read(struct udrv_rw_semaphore *sem);

/** udrv_down_write() - take the semaphore alone. */
UDRV_API void udrv_down_write(struct udrv_rw_semaphore *sem);
/**
 * udrv_down_write_killable() - take the semaphore alone, or be interrupted
 *
 * Return: 0, or -EINTR when a signal ends the wait (see <udrv/wait.h>).
 */
UDRV_API int udrv_down_write_killable(struct udrv_rw_semaphore *sem) UDRV_WARN_UNUSED;
/** udrv_down_write_trylock() - take it alone if it is free. Return: 1 when taken, else 0. */
UDRV_API int udrv_down_write_trylock(struct udrv_rw_semaphore *sem);
/** udrv_up_write() - release what a writer holds. */
UDRV_API void udrv_up_write(struct udrv_rw_semaphore *sem);

/** udrv_downgrade_write() - a writer becomes a reader, with no other writer in between. */
UDRV_API void udrv_downgrade_write(struct udrv_rw_semaphore *sem);

/** udrv_rwsem_is_locked() - is the semaphore held by anybody now? */
UDRV_API int udrv_rwsem_is_locked(struct udrv_rw_semaphore *sem);

UDRV_END_DECLS

#endif
