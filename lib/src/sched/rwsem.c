// SPDX-License-Identifier: MIT
/*
 * Reader-writer semaphores: counts under a spinlock. Whoever must wait sleeps on `changes`, which
 * counts the moments at which somebody may have become able to take it.
 */
#include <errno.h>
#include <limits.h>
#include <stddef.h>

#include <udrv/rwsem.h>

#include "sched/clock.h"
#include "sched/sleep.h"
#include "sched/task.h"

enum side { READ, WRITE };

void udrv_init_rwsem(struct udrv_rw_semaphore *sem)
{
	*sem = (struct udrv_rw_semaphore){.changes = 0};
}

/* All of these with the lock held. */
static bool take(struct udrv_rw_semaphore *sem, enum side side)
{
	if (side == READ ? sem->active < 0 || sem->waiting_writers : sem->active != 0)
		return false;
	sem->active = side == READ ? sem->active + 1 : -1;
	return true;
}

static bool note_change(struct udrv_rw_semaphore *sem)
{
	__atomic_store_n(&sem->changes, sem->changes + 1, __ATOMIC_RELEASE);
	return sem->waiting;
}

/* Releases the lock. The semaphore may be gone then. */
static void unlock_and_wake(struct udrv_rw_semaphore *sem, bool wake)
{
	udrv_spin_unlock(&sem->lock);
	if (wake)
		udrv__wake_word(&sem->changes, INT_MAX);
}

static void count_waiter(struct udrv_rw_semaphore *sem, enum side side, unsigned int n)
{
	sem->waiting += n;
	if (side == WRITE)
		sem->waiting_writers += n;
}

static int down(struct udrv_rw_semaphore *sem, enum side side, struct udrv_task *interruptible)
{
	bool wake = false;
	int ret = 0;

	udrv_spin_lock(&sem->lock);
	while (!ret) {
		uint32_t changes = sem->changes;

		if (take(sem, side))
			break;
		count_waiter(sem, side, 1);
		udrv_spin_unlock(&sem->lock);
		ret = udrv__sleep(&sem->changes, changes, NULL, interruptible, UDRV__NEVER);
		udrv_spin_lock(&sem->lock);
		count_waiter(sem, side, -1u);
	}
	/* A writer that gives up may have kept readers out. */
	if (ret && side == WRITE)
		wake = note_change(sem);
	unlock_and_wake(sem, wake);
	if (ret)
		udrv__task_forget_signal(interruptible);
	return ret ? -EINTR : 0;
}

static int trylock(struct udrv_rw_semaphore *sem, enum side side)
{
	bool taken;

	udrv_spin_lock(&sem->lock);
	taken = take(sem, side);
	udrv_spin_unlock(&sem->lock);
	return taken;
}

/* active: what it becomes; others may be able to take it then. */
static void leave(struct udrv_rw_semaphore *sem, int change)
{
	bool wake = false;

	udrv_spin_lock(&sem->lock);
	sem->active += change;
	if (sem->active == 0 || change > 1)
		wake = note_change(sem);
	unlock_and_wake(sem, wake);
}

void udrv_down_read(struct udrv_rw_semaphore *sem)
{
	(void)down(sem, READ, NULL);
}

int udrv_down_read_interruptible(struct udrv_rw_semaphore *sem)
{
	return down(sem, READ, udrv_current);
}

int udrv_down_read_killable(struct udrv_rw_semaphore *sem)
{
	return down(sem, READ, udrv_current);
}

int udrv_down_read_trylock(struct udrv_rw_semaphore *sem)
{
	return trylock(sem, READ);
}

void udrv_up_read(struct udrv_rw_semaphore *sem)
{
	leave(sem, -1);
}

void udrv_down_write(struct udrv_rw_semaphore *sem)
{
	(void)down(sem, WRITE, NULL);
}

int udrv_down_write_killable(struct udrv_rw_semaphore *sem)
{
	return down(sem, WRITE, udrv_current);
}

int udrv_down_write_trylock(struct udrv_rw_semaphore *sem)
{
	return trylock(sem, WRITE);
}

void udrv_up_write(struct udrv_rw_semaphore *sem)
{
	leave(sem, 1);
}

/* From -1 to 1: others may read now. */
void udrv_downgrade_write(struct udrv_rw_semaphore *sem)
{
	leave(sem, 2);
}

int udrv_rwsem_is_locked(struct udrv_rw_semaphore *sem)
{
	int active;

	udrv_spin_lock(&sem->lock);
	active = sem->active;
	udrv_spin_unlock(&sem->lock);
	return active != 0;
}
