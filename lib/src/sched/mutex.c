// SPDX-License-Identifier: MIT
/*
 * Mutexes. Who sleeps has set the word to 2, and who takes the mutex after sleeping leaves it at 2,
 * so that its unlock wakes the next. A wait that is interrupted has found the word at 2 before,
 * too.
 */
#include <errno.h>
#include <stddef.h>

#include <udrv/err.h>
#include <udrv/log.h>
#include <udrv/mutex.h>

#include "sched/clock.h"
#include "sched/sleep.h"
#include "sched/task.h"

void udrv_mutex_init(struct udrv_mutex *lock)
{
	*lock = (struct udrv_mutex){0};
}

static struct udrv_task *owner_of(const struct udrv_mutex *lock)
{
	return __atomic_load_n(&lock->owner, __ATOMIC_RELAXED);
}

static void set_owner(struct udrv_mutex *lock, struct udrv_task *owner)
{
	__atomic_store_n(&lock->owner, owner, __ATOMIC_RELAXED);
}

void udrv_mutex_destroy(struct udrv_mutex *lock)
{
	if (udrv_mutex_is_locked(lock))
		udrv_pr_err("mutex %p is destroyed while it is held", (void *)lock);
}

int udrv_mutex_trylock(struct udrv_mutex *lock)
{
	uint32_t was_free = 0;

	if (!__atomic_compare_exchange_n(&lock->word, &was_free, 1, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		return 0;
	set_owner(lock, udrv_current);
	return 1;
}

static int lock_slow(struct udrv_mutex *lock, struct udrv_task *interruptible)
{
	int ret;

	while (__atomic_exchange_n(&lock->word, 2, __ATOMIC_ACQUIRE)) {
		ret = udrv__sleep(&lock->word, 2, NULL, interruptible, UDRV__NEVER);
		/* Without a task to interrupt there is nothing that could end the sleep early. */
		if (ret && interruptible) {
			udrv__task_forget_signal(interruptible);
			return -EINTR;
		}
	}
	set_owner(lock, udrv_current);
	return 0;
}

void udrv_mutex_lock(struct udrv_mutex *lock)
{
	if (udrv_mutex_trylock(lock))
		return;
	if (owner_of(lock) == udrv_current)
		udrv_pr_err("mutex %p is locked by the thread that holds it, which now hangs",
			    (void *)lock);
	(void)lock_slow(lock, NULL);
}

int udrv_mutex_lock_interruptible(struct udrv_mutex *lock)
{
	if (udrv_mutex_trylock(lock))
		return 0;
	if (owner_of(lock) == udrv_current)
		return -EDEADLK;
	return lock_slow(lock, udrv_current);
}

int udrv_mutex_lock_killable(struct udrv_mutex *lock)
{
	return udrv_mutex_lock_interruptible(lock);
}

void udrv_mutex_unlock(struct udrv_mutex *lock)
{
	if (owner_of(lock) != udrv_current) {
		udrv_pr_err("mutex %p is unlocked by a thread that does not hold it", (void *)lock);
		return;
	}
	set_owner(lock, NULL);
	if (__atomic_exchange_n(&lock->word, 0, __ATOMIC_RELEASE) == 2)
		udrv__wake_word(&lock->word, 1);
}
