/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Locks for short sections that interrupt handlers also enter.
 *
 * A spinlock here is what it is on a PREEMPT_RT kernel: a lock between threads, and interrupt
 * handlers are threads. A thread that finds it held looks again for some hundred cycles, then
 * sleeps until it is released, since the holder may have lost its CPU.
 *
 * What the _irqsave, _irq and _bh forms mean: exactly udrv_spin_lock(). They keep out a handler
 * that takes the same lock, because it waits for the lock in its worker thread, and a holder cannot
 * be interrupted by a handler on its own stack, which is what the kernel's forms prevent. They do
 * NOT keep out a handler that does not take the lock, nor any other code: that is what
 * <udrv/irqflags.h> is for. udrv_spin_unlock_irq() does not end what that holds off.
 *
 * The lock is not recursive, knows no owner and passes no priority on. Any thread; not from a
 * signal handler. Source: Linux include/linux/spinlock.h, Documentation/locking/locktypes.rst.
 */
#ifndef UDRV_SPINLOCK_H
#define UDRV_SPINLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include <udrv/compiler.h>
#include <udrv/irqflags.h>

UDRV_BEGIN_DECLS

/** struct udrv_spinlock - a lock for short sections; fields are private. All zero is unlocked. */
struct udrv_spinlock {
	uint32_t word; /* 0 free, 1 held, 2 held and somebody may sleep */
};

/** UDRV_SPIN_LOCK_UNLOCKED - initialiser of an unlocked lock. */
#define UDRV_SPIN_LOCK_UNLOCKED                                                                    \
	{                                                                                          \
		0                                                                                  \
	}
/** UDRV_DEFINE_SPINLOCK() - define an unlocked lock. */
#define UDRV_DEFINE_SPINLOCK(name) struct udrv_spinlock name = UDRV_SPIN_LOCK_UNLOCKED

UDRV_API void udrv__spin_lock_slow(struct udrv_spinlock *lock);
UDRV_API void udrv__spin_wake(const struct udrv_spinlock *lock);

/** udrv_spin_lock_init() - make a lock ready for use. */
static inline void udrv_spin_lock_init(struct udrv_spinlock *lock)
{
	__atomic_store_n(&lock->word, 0, __ATOMIC_RELAXED);
}

/** udrv_spin_trylock() - take the lock if it is free. Return: 1 when taken, else 0. */
static inline int udrv_spin_trylock(struct udrv_spinlock *lock)
{
	uint32_t was_free = 0;

	return __atomic_compare_exchange_n(&lock->word, &was_free, 1, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

/** udrv_spin_lock() - take the lock. */
static inline void udrv_spin_lock(struct udrv_spinlock *lock)
{
	if (!udrv_spin_trylock(lock))
		udrv__spin_lock_slow(lock);
}

/**
 * udrv_spin_unlock() - release the lock
 * @lock: held by the caller
 *
 * Whoever takes the lock next may free its memory at once: this call does not touch it after it
 * is free.
 */
static inline void udrv_spin_unlock(struct udrv_spinlock *lock)
{
	if (__atomic_exchange_n(&lock->word, 0, __ATOMIC_RELEASE) == 2)
		udrv__spin_wake(lock);
}

/** udrv_spin_is_locked() - is the lock held by anybody now? For assertions. */
static inline int udrv_spin_is_locked(const struct udrv_spinlock *lock)
{
	return __atomic_load_n(&lock->word, __ATOMIC_RELAXED) != 0;
}

/** udrv_spin_lock_{irq,bh}() - udrv_spin_lock(); handlers that do not take it are not kept out. */
/** udrv_spin_unlock_{irq,bh}() - udrv_spin_unlock(). */
static inline void udrv_spin_lock_irq(struct udrv_spinlock *lock)
{
	udrv_spin_lock(lock);
}

static inline void udrv_spin_unlock_irq(struct udrv_spinlock *lock)
{
	udrv_spin_unlock(lock);
}

static inline void udrv_spin_lock_bh(struct udrv_spinlock *lock)
{
	udrv_spin_lock(lock);
}

static inline void udrv_spin_unlock_bh(struct udrv_spinlock *lock)
{
	udrv_spin_unlock(lock);
}

/**
 * udrv_spin_lock_irqsave() - udrv_spin_lock(); handlers that do not take it are not kept out
 * @lock: the lock
 * @flags: an unsigned long variable, set to what udrv_local_irq_restore() leaves things by
 *
 * As in the kernel the flags may be mixed with those of udrv_local_irq_save().
 */
#define udrv_spin_lock_irqsave(lock, flags)                                                        \
	do {                                                                                       \
		(flags) = 1;                                                                       \
		udrv_spin_lock(lock);                                                              \
	} while (0)

/** udrv_spin_trylock_irqsave() - udrv_spin_trylock(), with flags as udrv_spin_lock_irqsave(). */
#define udrv_spin_trylock_irqsave(lock, flags) ((flags) = 1, udrv_spin_trylock(lock))

/**
 * udrv_spin_unlock_irqrestore() - udrv_spin_unlock() and udrv_local_irq_restore()
 * @lock: held by the caller
 * @flags: of udrv_spin_lock_irqsave(), or of udrv_local_irq_save(), which this ends
 */
static inline void udrv_spin_unlock_irqrestore(struct udrv_spinlock *lock, unsigned long flags)
{
	udrv_spin_unlock(lock);
	if (!flags)
		udrv_local_irq_restore(flags);
}

UDRV_END_DECLS

#endif
