// SPDX-License-Identifier: MIT
/*
 * The slow path of spinlocks: spin for a while, then sleep on the word. Who sleeps has set it to 2,
 * and who takes the lock after sleeping leaves it at 2, since others may sleep too.
 */
#include <udrv/barrier.h>
#include <udrv/spinlock.h>

#include "sched/clock.h"
#include "sched/sleep.h"

/* About what a sleep and a wake-up cost. */
#define SPINS 100

void udrv__spin_lock_slow(struct udrv_spinlock *lock)
{
	for (int i = 0; i < SPINS; i++) {
		if (!__atomic_load_n(&lock->word, __ATOMIC_RELAXED) && udrv_spin_trylock(lock))
			return;
		udrv_cpu_relax();
	}
	while (__atomic_exchange_n(&lock->word, 2, __ATOMIC_ACQUIRE))
		(void)udrv__sleep(&lock->word, 2, NULL, NULL, UDRV__NEVER);
}

void udrv__spin_wake(const struct udrv_spinlock *lock)
{
	udrv__wake_word(&lock->word, 1);
}
