// SPDX-License-Identifier: MIT
/*
 * Too many interrupts: a device, or a line that a handler answers without quieting it, must not
 * take a CPU from everybody else. A vector may run BURST times, or fewer if its limit is low;
 * if that was faster than the limit allows it rests for the time that is left, with the
 * line masked or its signals remembered. The clock is read once a burst.
 */
#include <udrv/container_of.h>
#include <udrv/device.h>

#include "irq/irq.h"
#include "sched/clock.h"

#define BURST 10000
/* A limit is kept within so long. */
#define PERIODS_PER_S 100
/* One line of log a storm; a new one begins after so long. */
#define QUIET_NS UDRV__NSEC_PER_SEC

static uint32_t limit_of(const struct udrv__vector *v)
{
	return __atomic_load_n(&v->storm_limit, __ATOMIC_RELAXED);
}

static uint32_t burst_for(uint32_t limit)
{
	const uint32_t burst = limit ? limit / PERIODS_PER_S : BURST;

	if (burst > BURST)
		return BURST;
	return burst ? burst : 1;
}

static void refill(struct udrv__vector *v, uint64_t now_ns)
{
	v->burst_start_ns = now_ns;
	v->tokens = v->burst = burst_for(limit_of(v));
}

static void rest_is_over(struct udrv__irq_worker *w, struct udrv__order *order)
{
	struct udrv__vector *v = udrv_container_of(order, struct udrv__vector, rest_over.order);
	uint32_t off = __atomic_and_fetch(&v->off, ~UDRV__OFF_RESTING, __ATOMIC_SEQ_CST);

	refill(v, udrv__now_ns());
	if (v->pending)
		udrv__serve_vector(w, v);
	else if (v->level && !(off & UDRV__OFF_SHUT))
		udrv__chain_unmask(v);
}

void udrv__storm_begin(struct udrv__vector *v)
{
	v->rest_over = (struct udrv_irq_work){.order.run = rest_is_over};
	v->last_storm_ns = 0;
	refill(v, udrv__now_ns());
}

static void rest(struct udrv__irq_worker *w, struct udrv__vector *v, uint32_t limit,
		 uint64_t now_ns, uint64_t until_ns)
{
	if (!v->last_storm_ns || now_ns - v->last_storm_ns > QUIET_NS)
		udrv_dev_warn(v->dev,
			      "irq %u: a storm of interrupts: more than %u per second; held down "
			      "to that (udrv irq set %s %u storm=none lifts it)",
			      v->nr, limit, udrv_device_name(v->dev), v->nr);
	v->last_storm_ns = now_ns;
	udrv__stat_add(&v->stat->storms, 1);
	__atomic_or_fetch(&v->off, UDRV__OFF_RESTING, __ATOMIC_SEQ_CST);
	udrv__delayed_add(w, v, &v->rest_over, until_ns);
}

void udrv__storm_look(struct udrv__irq_worker *w, struct udrv__vector *v)
{
	uint32_t limit = limit_of(v);
	uint64_t now = udrv__now_ns();
	uint64_t until = 0;

	/* The limit may be a new one: then the burst was another, but it is the one to keep. */
	if (limit)
		until = v->burst_start_ns + burst_for(limit) * UDRV__NSEC_PER_SEC / limit;
	if (now < until)
		rest(w, v, limit, now, until);
	else
		refill(v, now);
}
