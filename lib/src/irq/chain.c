// SPDX-License-Identifier: MIT
/*
 * A vector's chain of actions. The worker walks it without a lock. Whoever must know that the
 * worker has seen a change, or handled what was signalled, kicks it: a kick is a wake-up without an
 * interrupt. Kicks have numbers. The worker learns from each wait how many kicks it consumed, runs
 * the chain if the interrupt was signalled, too, and then counts the kicks as answered. Kick n is
 * sent after kick n-1 got its number, so n consumed kicks answer the first n.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <udrv/cycles.h>
#include <udrv/device.h>

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

/* Linux, note_interrupt(): of so many interrupts in a row ... */
#define UNHANDLED_WINDOW 100000
/* ... so many that nobody handled are too many. */
#define UNHANDLED_MAX 99900

static void set_shut(struct udrv__vector *v, bool shut)
{
	__atomic_store_n(&v->shut, shut, __ATOMIC_RELAXED);
	__atomic_store_n(&v->stat->shut, shut, __ATOMIC_RELAXED);
}

/* A line that no handler knows would keep the CPU busy for ever: shut it off. */
static void look_for_storm(struct udrv__vector *v)
{
	if (v->window_unhandled > UNHANDLED_MAX) {
		set_shut(v, true);
		udrv_dev_err(v->dev,
			     "irq %u: nobody cared: %u of %u interrupts were not handled; "
			     "it is shut off until it is requested anew",
			     v->nr, v->window_unhandled, UNHANDLED_WINDOW);
	}
	v->window_runs = 0;
	v->window_unhandled = 0;
}

static void count_run(struct udrv__vector *v, unsigned int result, udrv_cycles_t cycles)
{
	udrv__stat_add(&v->stat->count, 1);
	udrv__hist_record(&v->stat->run, cycles);
	if (result == UDRV_IRQ_NONE) {
		udrv__stat_add(&v->stat->unhandled, 1);
		v->window_unhandled++;
	}
	if (++v->window_runs == UNHANDLED_WINDOW)
		look_for_storm(v);
}

static void unmask(const struct udrv__vector *v)
{
	int ret = v->dev->ops->irq_unmask_intx(v->dev);

	if (ret && !udrv_device_gone(v->dev))
		udrv_dev_err(v->dev, "irq %u cannot be unmasked: %s; no more interrupts", v->nr,
			     strerror(-ret));
}

void udrv__chain_run(struct udrv__vector *v)
{
	udrv_cycles_t start = udrv_get_cycles();
	unsigned int result;

	if (v->shut)
		return;
	result = run_handlers(v);
	if (result & UDRV_IRQ_WAKE_THREAD)
		run_threads(v);
	count_run(v, result, udrv_get_cycles() - start);
	if (v->level && !v->shut)
		unmask(v);
}

static void set_answered(struct udrv__vector *v, uint32_t answered)
{
	__atomic_store_n(&v->kicks_answered, answered, __ATOMIC_RELEASE);
	syscall(SYS_futex, &v->kicks_answered, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void udrv__chain_answer(struct udrv__vector *v)
{
	uint32_t taken = v->kicks_taken;

	v->kicks_taken = 0;
	set_answered(v, v->kicks_answered + taken);
}

void udrv__chain_begin(struct udrv__vector *v)
{
	v->window_runs = 0;
	v->window_unhandled = 0;
	set_shut(v, false);
	__atomic_store_n(&v->kicks_answered, v->kicks, __ATOMIC_RELAXED);
	v->kicks_taken = 0;
	__atomic_store_n(&v->ended, 0, __ATOMIC_RELEASE);
}

/*
 * No run is under way, whatever anybody waits for. Of this store and load and those of who kicks
 * and awaits, one side sees the other's: hence the order.
 */
void udrv__chain_end(struct udrv__vector *v)
{
	__atomic_store_n(&v->ended, 1, __ATOMIC_SEQ_CST);
	set_answered(v, __atomic_load_n(&v->kicks, __ATOMIC_SEQ_CST));
}

uint32_t udrv__chain_kick(struct udrv__vector *v)
{
	uint32_t number = __atomic_add_fetch(&v->kicks, 1, __ATOMIC_SEQ_CST);
	bool own_fd = udrv__wait_strategies[v->options.wait].wants_kick_fd;
	uint64_t add = own_fd ? 1 : UDRV__KICK;

	/* Cannot fail: the counter would have to be at its maximum. */
	(void)!write(own_fd ? v->kick_fd : v->efd, &add, sizeof(add));
	return number;
}

void udrv__chain_await(struct udrv__vector *v, uint32_t kick)
{
	for (;;) {
		uint32_t answered = __atomic_load_n(&v->kicks_answered, __ATOMIC_ACQUIRE);

		/* The difference, since the counts may wrap. */
		if ((int32_t)(answered - kick) >= 0 || __atomic_load_n(&v->ended, __ATOMIC_SEQ_CST))
			return;
		syscall(SYS_futex, &v->kicks_answered, FUTEX_WAIT_PRIVATE, answered, NULL, NULL, 0);
	}
}
