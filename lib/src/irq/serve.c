// SPDX-License-Identifier: MIT
/*
 * What a worker does: wait, run the chains of what was signalled, carry out orders. A chain is
 * walked without a lock; who takes an action off waits for an order to be carried out, which is
 * between two runs, before it is freed. Here is all that runs for each interrupt, so that it is
 * compiled into one piece: tests/bench/cost counts its instructions.
 */
#include <udrv/cycles.h>

#include "irq/irq.h"
#include "sched/clock.h"

/* On the way of each interrupt; and what need not be there a second time. */
#define HOT  static inline __attribute__((always_inline))
#define COLD static __attribute__((noinline))

COLD void wake(struct udrv__irq_worker *w, struct udrv__action *a)
{
	struct udrv__action **link = &w->woken;

	while (*link)
		link = &(*link)->next_woken;
	a->next_woken = NULL;
	*link = a;
}

/* Walk the chain; what the handlers returned, ORed. */
HOT unsigned int run_handlers(struct udrv__irq_worker *w, const struct udrv__vector *v)
{
	unsigned int all = UDRV_IRQ_NONE;
	struct udrv__action *a;

	for (a = __atomic_load_n(&v->actions, __ATOMIC_ACQUIRE); a;
	     a = __atomic_load_n(&a->next, __ATOMIC_ACQUIRE)) {
		udrv_irqreturn_t r = a->handler((int)v->nr, a->dev_id);

		if (__builtin_expect(r == UDRV_IRQ_WAKE_THREAD, 0))
			wake(w, a);
		all |= r;
	}
	return all;
}

/* Those of actions that were taken off the chain meanwhile, too: who did that waits for it. */
COLD void run_threads(struct udrv__irq_worker *w, const struct udrv__vector *v)
{
	const struct udrv__action *a = w->woken;

	w->woken = NULL;
	for (; a; a = a->next_woken)
		if (a->thread_fn)
			(void)a->thread_fn((int)v->nr, a->dev_id);
}

HOT void count_run(struct udrv__irq_worker *w, struct udrv__vector *v, unsigned int result,
		   udrv_cycles_t start)
{
	struct udrv__stat_vector *stat = v->stat;

	udrv__stat_add(&stat->count, 1);
	udrv_hist_record(&stat->run, udrv_get_cycles() - start);
	if (__builtin_expect(__atomic_load_n(&v->stamp, __ATOMIC_RELAXED) != 0, 0))
		udrv__chain_latency(v, start);
	if (__builtin_expect(result == UDRV_IRQ_NONE, 0))
		udrv__chain_unhandled(v);
	if (__builtin_expect(--v->tokens == 0, 0))
		udrv__chain_window(w, v);
}

HOT void run_chain(struct udrv__irq_worker *w, struct udrv__vector *v)
{
	udrv_cycles_t start = udrv_get_cycles();
	unsigned int result = run_handlers(w, v);

	if (result & UDRV_IRQ_WAKE_THREAD) {
		__atomic_store_n(w->context, UDRV__CONTEXT_THREAD, __ATOMIC_RELAXED);
		run_threads(w, v);
	}
	count_run(w, v, result, start);
}

/* It is off. Whoever enables it looks at pending after that: one of the two sees the other. */
COLD bool remember(struct udrv__vector *v)
{
	__atomic_store_n(&v->pending, true, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&v->off, __ATOMIC_SEQ_CST);
}

/*
 * Whoever disables it sees the chain not run, or waits for an order, which is after the run, or
 * holds interrupts off: hence the look is behind that gate.
 */
HOT void serve_vector(struct udrv__irq_worker *w, struct udrv__vector *v)
{
	bool off;

	udrv__context_enter(w->context, UDRV__CONTEXT_HANDLER);
	off = __builtin_expect(__atomic_load_n(&v->off, __ATOMIC_SEQ_CST), 0) && remember(v);
	if (!off) {
		__atomic_store_n(&v->pending, false, __ATOMIC_RELAXED);
		run_chain(w, v);
	}
	udrv__context_leave(w->context);
	/* Every action of the line has been asked. One that was shut off or rests stays masked. */
	if (v->level && !off && !(__atomic_load_n(&v->off, __ATOMIC_RELAXED) & ~UDRV__OFF_DEPTH))
		udrv__chain_unmask(v);
}

void udrv__serve_vector(struct udrv__irq_worker *w, struct udrv__vector *v)
{
	serve_vector(w, v);
}

HOT void run_ready(struct udrv__irq_worker *w)
{
	struct udrv__vector *v = w->ready;

	w->ready = NULL;
	while (v) {
		struct udrv__vector *next = v->next_ready;

		v->ready = false;
		serve_vector(w, v);
		v = next;
	}
}

COLD void run_ready_now(struct udrv__irq_worker *w)
{
	run_ready(w);
}

/* Orders came: all that was signalled before them is handled first. */
static void obey(struct udrv__irq_worker *w, struct udrv__order *order)
{
	int ret = w->ops->look(w);

	if (ret)
		udrv__worker_fail(w, ret);
	run_ready_now(w);
	while (order) {
		struct udrv__order *next = order->next;

		order->run(w, order); /* it may be gone then */
		order = next;
	}
}

void udrv__serve_orders(struct udrv__irq_worker *w)
{
	struct udrv__order *orders;

	while ((orders = udrv__orders_take(w)))
		obey(w, orders);
	/* Changes may have found what was signalled meanwhile. */
	run_ready_now(w);
}

/* Than what was signalled? */
HOT bool has_more(const struct udrv__irq_worker *w)
{
	return __atomic_load_n(&w->orders, __ATOMIC_RELAXED) || w->deadline_ns != UDRV__NEVER;
}

void udrv__serve(struct udrv__irq_worker *w)
{
	udrv__serve_orders(w);
	while (!w->stop) {
		int ret;

		do {
			ret = w->wait(w);
			if (__builtin_expect(ret, 0))
				break;
			run_ready(w);
		} while (__builtin_expect(!has_more(w), 1));
		if (ret)
			udrv__worker_fail(w, ret);
		udrv__serve_orders(w);
		if (w->deadline_ns != UDRV__NEVER)
			udrv__delayed_run(w);
	}
}
