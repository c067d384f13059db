// SPDX-License-Identifier: MIT
/*
 * Completions. The count and the number of waiters are one 64-bit word, so that completing is one
 * atomic operation which tells at once whether somebody must be woken: afterwards the completion
 * may be gone, and only its address is used, for a system call that does not follow it.
 */
#include <errno.h>
#include <limits.h>

#include <udrv/completion.h>
#include <udrv/device.h>
#include <udrv/sched.h>

#include "sched/clock.h"
#include "sched/sleep.h"
#include "sched/task.h"

/* complete_all(): as many as there will ever be waiters. */
#define DONE_ALL UINT32_MAX

void udrv_init_completion(struct udrv_device *dev, struct udrv_completion *x)
{
	x->both = 0;
	x->dev = dev;
}

/* Every change is one of the whole word: machines promise nothing of mixed sizes. */
static bool change(struct udrv_completion *x, struct udrv_completion *old,
		   const struct udrv_completion *new, int order)
{
	return __atomic_compare_exchange_n(&x->both, &old->both, new->both, false, order,
					   __ATOMIC_ACQUIRE);
}

void udrv_reinit_completion(struct udrv_completion *x)
{
	struct udrv_completion old;
	struct udrv_completion new;

	old.both = __atomic_load_n(&x->both, __ATOMIC_RELAXED);
	do {
		new.both = old.both;
		new.done = 0;
	} while (!change(x, &old, &new, __ATOMIC_ACQ_REL));
}

/* Set the count to one more, or to "all"; wake as many. */
static void complete(struct udrv_completion *x, bool all)
{
	struct udrv_completion old;
	struct udrv_completion new;

	old.both = __atomic_load_n(&x->both, __ATOMIC_RELAXED);
	do {
		new.both = old.both;
		if (all)
			new.done = DONE_ALL;
		else if (old.done < DONE_ALL)
			new.done++;
	} while (!change(x, &old, &new, __ATOMIC_RELEASE));
	if (old.waiters)
		udrv__wake_word(&x->done, all ? INT_MAX : 1);
}

void udrv_complete(struct udrv_completion *x)
{
	complete(x, false);
}

void udrv_complete_all(struct udrv_completion *x)
{
	complete(x, true);
}

bool udrv_completion_done(const struct udrv_completion *x)
{
	struct udrv_completion now;

	now.both = __atomic_load_n(&x->both, __ATOMIC_ACQUIRE);
	return now.done;
}

/* Take one if there is one, and count the waiters up or down by what is said for either case. */
static bool take(struct udrv_completion *x, int if_taken, int if_not)
{
	struct udrv_completion old;
	struct udrv_completion new;

	old.both = __atomic_load_n(&x->both, __ATOMIC_ACQUIRE);
	do {
		if (!old.done && !if_not)
			return false;
		new.both = old.both;
		if (old.done && old.done < DONE_ALL)
			new.done--;
		new.waiters += (uint32_t)(old.done ? if_taken : if_not);
	} while (!change(x, &old, &new, __ATOMIC_ACQUIRE));
	return old.done;
}

bool udrv_try_wait_for_completion(struct udrv_completion *x)
{
	return take(x, 0, 0);
}

/* 0 when taken, -ETIMEDOUT, -ENODEV, -UDRV_ERESTARTSYS. */
static int wait_until(struct udrv_completion *x, struct udrv_task *interruptible,
		      uint64_t deadline_ns)
{
	int ret;

	if (take(x, 0, 1))
		return 0;
	do {
		ret = udrv__sleep(&x->done, 0, x->dev, interruptible, deadline_ns);
		if (take(x, -1, ret ? -1 : 0))
			return 0;
	} while (!ret);
	if (ret == -UDRV_ERESTARTSYS)
		udrv__task_forget_signal(interruptible);
	return ret;
}

static long wait_timeout(struct udrv_completion *x, struct udrv_task *interruptible,
			 unsigned long timeout)
{
	uint64_t deadline = udrv__after_ns(udrv__now_ns(), udrv__jiffies_ns(timeout));
	int ret = wait_until(x, interruptible, deadline);
	long left;

	if (ret)
		return ret == -ETIMEDOUT ? 0 : ret;
	left = udrv__jiffies_left(deadline);
	return left > 0 ? left : 1;
}

int udrv_wait_for_completion(struct udrv_completion *x)
{
	return wait_until(x, NULL, UDRV__NEVER);
}

long udrv_wait_for_completion_timeout(struct udrv_completion *x, unsigned long timeout)
{
	return wait_timeout(x, NULL, timeout);
}

int udrv_wait_for_completion_interruptible(struct udrv_completion *x)
{
	return wait_until(x, udrv_current, UDRV__NEVER);
}

long udrv_wait_for_completion_interruptible_timeout(struct udrv_completion *x,
						    unsigned long timeout)
{
	return wait_timeout(x, udrv_current, timeout);
}

int udrv_wait_for_completion_killable(struct udrv_completion *x)
{
	return udrv_wait_for_completion_interruptible(x);
}

long udrv_wait_for_completion_killable_timeout(struct udrv_completion *x, unsigned long timeout)
{
	return udrv_wait_for_completion_interruptible_timeout(x, timeout);
}
