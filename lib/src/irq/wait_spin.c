// SPDX-License-Identifier: MIT
/*
 * Spinning, for ever or as long as pays. `adaptive` keeps an average of how long its waits are. If
 * they are short, it spins for twice the average before it blocks, which catches most; if they are
 * long, it does not spin at all. So an idle device costs one short spin after its last busy
 * time, and a wait never spins longer than SPIN_MAX_NS.
 */
#include <unistd.h>

#include <udrv/barrier.h>

#include "irq/irq.h"
#include "sched/clock.h"

/* A blocking wake-up costs some 30 us across CPUs of a virtual machine: no more is worth a spin. */
#define SPIN_MAX_NS   100000
#define EXPECT_MAX_NS (SPIN_MAX_NS / 2)
/* Longer waits count as this long: a device that gets busy is noticed after a few interrupts. */
#define WAIT_COUNTS_NS (4 * SPIN_MAX_NS)
/* The newest wait's part in the average. */
#define WEIGHT 8

void udrv__spin_begin(struct udrv__irq_worker *w)
{
	/* Where there is one CPU, a spinning worker keeps others from what it waits for. */
	w->may_spin = sysconf(_SC_NPROCESSORS_ONLN) > 1;
	w->expected_ns = WAIT_COUNTS_NS;
}

/* Is there something to do? An order shows before its kick arrives. */
static bool something_to_do(const struct udrv__irq_worker *w)
{
	return w->ready || __atomic_load_n(&w->orders, __ATOMIC_RELAXED);
}

static int glance(struct udrv__irq_worker *w)
{
	if (w->ops->has_news && !w->ops->has_news(w))
		return 0;
	return w->ops->look(w);
}

static int spin_until(struct udrv__irq_worker *w, uint64_t deadline_ns)
{
	int ret;

	for (;;) {
		ret = glance(w);
		if (ret || something_to_do(w))
			return ret;
		if (deadline_ns != UDRV__NEVER && udrv__now_ns() >= deadline_ns)
			return 0;
		udrv_cpu_relax();
	}
}

int udrv__spin(struct udrv__irq_worker *w)
{
	return spin_until(w, w->deadline_ns);
}

static void learn(struct udrv__irq_worker *w, uint64_t waited_ns)
{
	if (waited_ns > WAIT_COUNTS_NS)
		waited_ns = WAIT_COUNTS_NS;
	w->expected_ns += (waited_ns / WEIGHT) - (w->expected_ns / WEIGHT);
}

int udrv__spin_adaptive(struct udrv__irq_worker *w)
{
	uint64_t start = udrv__now_ns();
	uint64_t until = start + 2 * w->expected_ns;
	int ret = 0;

	if (w->may_spin && w->expected_ns <= EXPECT_MAX_NS)
		ret = spin_until(w, until < w->deadline_ns ? until : w->deadline_ns);
	if (!ret && !something_to_do(w))
		ret = w->ops->wait(w);
	learn(w, udrv__now_ns() - start);
	return ret;
}
