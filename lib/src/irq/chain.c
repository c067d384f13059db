// SPDX-License-Identifier: MIT
/*
 * A vector's chain of actions. The worker walks it without a lock. free_irq() unlinks an action,
 * then waits until the worker is outside: `running` is odd while it is inside, its upper bits count
 * the runs, so that a waiter can tell the run it waits for from later ones.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "irq/irq.h"

/* Walk the chain; what the handlers returned, ORed. */
static unsigned int run_handlers(struct udrv__vector *v)
{
	unsigned int all = UDRV_IRQ_NONE;
	struct udrv__action *a;

	for (a = __atomic_load_n(&v->actions, __ATOMIC_ACQUIRE); a;
	     a = __atomic_load_n(&a->next, __ATOMIC_ACQUIRE)) {
		udrv_irqreturn_t r = a->handler((int)v->nr, a->dev_id);

		a->wake = r == UDRV_IRQ_WAKE_THREAD;
		all |= r;
	}
	return all;
}

static void run_threads(struct udrv__vector *v)
{
	struct udrv__action *a;

	for (a = __atomic_load_n(&v->actions, __ATOMIC_ACQUIRE); a;
	     a = __atomic_load_n(&a->next, __ATOMIC_ACQUIRE)) {
		if (a->wake && a->thread_fn)
			(void)a->thread_fn((int)v->nr, a->dev_id);
		a->wake = false;
	}
}

static void count_run(struct udrv__vector *v, unsigned int result)
{
	__atomic_store_n(&v->count, v->count + 1, __ATOMIC_RELAXED);
	if (result == UDRV_IRQ_NONE)
		__atomic_store_n(&v->unhandled, v->unhandled + 1, __ATOMIC_RELAXED);
}

void udrv__chain_run(struct udrv__vector *v)
{
	unsigned int result;

	/* Full barrier: either free_irq() sees us inside, or we see its chain. */
	__atomic_fetch_add(&v->running, 1, __ATOMIC_SEQ_CST);
	result = run_handlers(v);
	if (result & UDRV_IRQ_WAKE_THREAD)
		run_threads(v);
	count_run(v, result);
	__atomic_fetch_add(&v->running, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&v->sync_waiters, __ATOMIC_SEQ_CST))
		syscall(SYS_futex, &v->running, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
	if (v->level)
		(void)v->dev->ops->irq_unmask_intx(v->dev);
}

void udrv__chain_synchronize(struct udrv__vector *v)
{
	uint32_t seen;

	__atomic_fetch_add(&v->sync_waiters, 1, __ATOMIC_SEQ_CST);
	seen = __atomic_load_n(&v->running, __ATOMIC_SEQ_CST);
	while (seen & 1 && __atomic_load_n(&v->running, __ATOMIC_SEQ_CST) == seen)
		syscall(SYS_futex, &v->running, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
	__atomic_fetch_sub(&v->sync_waiters, 1, __ATOMIC_SEQ_CST);
}
