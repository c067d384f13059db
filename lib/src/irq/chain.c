// SPDX-License-Identifier: MIT
/* What is seldom said of a vector's chain: that nobody handles it, how late it was. */
#include <string.h>

#include <udrv/cycles.h>
#include <udrv/device.h>

#include "irq/irq.h"
#include "sched/clock.h"

/* Linux, note_interrupt(): of so many interrupts in a row ... */
#define UNHANDLED_WINDOW 100000
/* ... so many that nobody handled, of a thousand, are too many ... */
#define UNHANDLED_PERMILLE 999
/* ... and one that comes so long after the last one begins the count anew. */
#define UNHANDLED_AGE_NS (UDRV__NSEC_PER_SEC / 10)

static void show_shut(struct udrv__vector *v, bool shut)
{
	__atomic_store_n(&v->stat->shut, shut, __ATOMIC_RELAXED);
}

/* A line that no handler knows would keep the CPU busy for ever: shut it off. */
static void shut_off(struct udrv__vector *v)
{
	__atomic_or_fetch(&v->off, UDRV__OFF_SHUT, __ATOMIC_SEQ_CST);
	show_shut(v, true);
	udrv_dev_err(v->dev,
		     "irq %u: nobody cared: %u of %u interrupts were not handled; "
		     "it is shut off until it is requested anew",
		     v->nr, v->window_unhandled, v->window_runs);
}

/* The window is counted burst by burst, which is as often as somebody looks at the rate. */
void udrv__chain_window(struct udrv__irq_worker *w, struct udrv__vector *v)
{
	v->window_runs += v->burst;
	if (v->window_runs >= UNHANDLED_WINDOW) {
		if ((uint64_t)v->window_unhandled * 1000 >
		    (uint64_t)v->window_runs * UNHANDLED_PERMILLE)
			shut_off(v);
		v->window_runs = 0;
		v->window_unhandled = 0;
	}
	udrv__storm_look(w, v);
}

void udrv__chain_unhandled(struct udrv__vector *v)
{
	uint64_t now = udrv__now_ns();

	udrv__stat_add(&v->stat->unhandled, 1);
	if (now - v->last_unhandled_ns > UNHANDLED_AGE_NS)
		v->window_unhandled = 0;
	v->window_unhandled++;
	v->last_unhandled_ns = now;
}

/*
 * Of the latest interrupt before the run; a later one's stamp is for the next run. A run that
 * follows no interrupt has none.
 */
static uint64_t take_hard_stamp(struct udrv__vector *v, uint64_t start_cycles)
{
	uint64_t stamp = udrv__hard_stamp(v);

	if (stamp > start_cycles || stamp == v->last_hard)
		return 0;
	v->last_hard = stamp;
	return stamp;
}

/* udrv_irq_stamp() came before the run, or while it was under way: then it is for the next one. */
static uint64_t take_stamp(struct udrv__vector *v, uint64_t start_cycles)
{
	uint64_t stamp = __atomic_load_n(&v->stamp, __ATOMIC_RELAXED);
	uint64_t hard = v->counts ? take_hard_stamp(v, start_cycles) : 0;

	if (stamp == UDRV__STAMP_HARD)
		return hard;
	if (stamp > start_cycles ||
	    !__atomic_compare_exchange_n(&v->stamp, &stamp, udrv__no_stamp(v), false,
					 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return 0;
	return stamp;
}

void udrv__chain_latency(struct udrv__vector *v, uint64_t start_cycles)
{
	uint64_t stamp = take_stamp(v, start_cycles);

	if (stamp)
		udrv_hist_record(&v->stat->latency, start_cycles - stamp);
}

void udrv__chain_unmask(const struct udrv__vector *v)
{
	int ret = v->dev->ops->irq_unmask_intx(v->dev);

	if (ret && !udrv_device_gone(v->dev))
		udrv_dev_err(v->dev, "irq %u cannot be unmasked: %s; no more interrupts", v->nr,
			     strerror(-ret));
}

void udrv__chain_begin(struct udrv__vector *v)
{
	v->window_runs = 0;
	v->window_unhandled = 0;
	v->pending = false;
	__atomic_store_n(&v->off, 0, __ATOMIC_SEQ_CST);
	v->last_hard = v->counts ? udrv__hard_stamp(v) : 0;
	__atomic_store_n(&v->stamp, udrv__no_stamp(v), __ATOMIC_RELAXED);
	udrv__stat_enable_all(v->stat);
	show_shut(v, false);
	udrv__storm_begin(v);
}
