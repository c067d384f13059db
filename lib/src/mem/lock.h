/* SPDX-License-Identifier: MIT */
/*
 * A lock for short sections that GFP_ATOMIC enters too: who releases it makes no system call, so
 * those who wait sleep for a time instead of being woken.
 */
#ifndef UDRV_SRC_MEM_LOCK_H
#define UDRV_SRC_MEM_LOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include <udrv/barrier.h>

#define UDRV__LOCK_SPINS    100
#define UDRV__LOCK_SLEEP_NS 20000

/* Looks for some hundred cycles. */
static inline bool udrv__mem_trylock(uint32_t *lock)
{
	for (int i = 0; i < UDRV__LOCK_SPINS; i++) {
		if (!__atomic_load_n(lock, __ATOMIC_RELAXED) &&
		    !__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE))
			return true;
		udrv_cpu_relax();
	}
	return false;
}

static inline void udrv__mem_lock(uint32_t *lock)
{
	const struct timespec pause = {.tv_nsec = UDRV__LOCK_SLEEP_NS};

	while (!udrv__mem_trylock(lock))
		nanosleep(&pause, NULL);
}

static inline void udrv__mem_unlock(uint32_t *lock)
{
	__atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

#endif
