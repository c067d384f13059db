// SPDX-License-Identifier: MIT
/* A vector's chain of actions. The worker walks it without a lock; who takes one off waits for an
 * order to be carried out, which is between two runs, before it is freed. */
#include <errno.h>
#include <string.h>

#include <udrv/cycles.h>
#include <udrv/device.h>

#include "irq/irq.h"
#include "sched/clock.h"

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
/* ... so many that nobody handled are too many ... */
#define UNHANDLED_MAX 99900
/* ... and one that comes so long after the last one begins the count anew. */
#define UNHANDLED_AGE_NS (UDRV__NSEC_PER_SEC / 10)

static void set_shut(struct udrv__vector *v, bool shut)
{
	__atomic_store_n(&v->shut, shut, __ATOMIC_RELAXED);
	__atomic_store_n(&v->stat->shut, shut, __ATOMIC_RELAXED);
}

/* A line that no handler knows would keep the CPU busy for ever: shut it off. */
static void look_at_window(struct udrv__vector *v)
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

static void count_unhandled(struct udrv__vector *v)
{
	uint64_t now = udrv__now_ns();

	udrv__stat_add(&v->stat->unhandled, 1);
	if (now - v->last_unhandled_ns > UNHANDLED_AGE_NS)
		v->window_unhandled = 0;
	v->window_unhandled++;
	v->last_unhandled_ns = now;
}

/* udrv_irq_stamp() came before the run, or while it was under way: then it is for the next one. */
static void count_latency(struct udrv__vector *v, udrv_cycles_t start)
{
	uint64_t stamp = __atomic_load_n(&v->stamp, __ATOMIC_RELAXED);

	if (stamp > start || !__atomic_compare_exchange_n(&v->stamp, &stamp, 0, false,
							  __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return;
	udrv__hist_record(&v->stat->latency, start - stamp);
}

static void count_run(struct udrv__irq_worker *w, struct udrv__vector *v, unsigned int result,
		      udrv_cycles_t start)
{
	udrv__stat_add(&v->stat->count, 1);
	udrv__hist_record(&v->stat->run, udrv_get_cycles() - start);
	if (__builtin_expect(__atomic_load_n(&v->stamp, __ATOMIC_RELAXED) != 0, 0))
		count_latency(v, start);
	if (__builtin_expect(result == UDRV_IRQ_NONE, 0))
		count_unhandled(v);
	if (__builtin_expect(++v->window_runs == UNHANDLED_WINDOW, 0))
		look_at_window(v);
	if (__builtin_expect(--v->tokens == 0, 0))
		udrv__storm_look(w, v);
}

void udrv__chain_unmask(const struct udrv__vector *v)
{
	int ret = v->dev->ops->irq_unmask_intx(v->dev);

	if (ret && !udrv_device_gone(v->dev))
		udrv_dev_err(v->dev, "irq %u cannot be unmasked: %s; no more interrupts", v->nr,
			     strerror(-ret));
}

static void run(struct udrv__irq_worker *w, struct udrv__vector *v)
{
	udrv_cycles_t start;
	unsigned int result;

	udrv__context_enter(w->context, UDRV__CONTEXT_HANDLER);
	start = udrv_get_cycles();
	result = run_handlers(v);
	if (result & UDRV_IRQ_WAKE_THREAD) {
		__atomic_store_n(w->context, UDRV__CONTEXT_THREAD, __ATOMIC_RELAXED);
		run_threads(v);
	}
	count_run(w, v, result, start);
	udrv__context_leave(w->context);
}

/* Whoever disables it sees the chain not run, or waits for an order, which is after the run. */
void udrv__chain_run(struct udrv__irq_worker *w, struct udrv__vector *v)
{
	if (__builtin_expect(__atomic_load_n(&v->disabled, __ATOMIC_ACQUIRE) || v->resting, 0)) {
		v->pending = true;
		return;
	}
	v->pending = false;
	if (__builtin_expect(v->shut, 0))
		return;
	run(w, v);
	/* Every action of the line has been asked; one that is held stays masked. */
	if (v->level && !v->shut && !v->resting)
		udrv__chain_unmask(v);
}

void udrv__chain_begin(struct udrv__vector *v)
{
	v->window_runs = 0;
	v->window_unhandled = 0;
	v->pending = false;
	v->disabled = 0;
	udrv__stat_enable_all(v->stat);
	set_shut(v, false);
	udrv__storm_begin(v);
}
