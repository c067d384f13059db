// SPDX-License-Identifier: MIT
/*
 * Spinning, for ever or as long as pays (sched/adaptive.h). An idle device costs one short spin
 * after its last busy time, and a wait never spins longer than SPIN_MAX_NS.
 */
#include <udrv/barrier.h>

#include "irq/irq.h"
#include "sched/clock.h"

/* A blocking wake-up costs some 40 us across CPUs of a virtual machine: not much more is worth a
 * spin. */
#define SPIN_MAX_NS 200000
#define SPIN_MIN_NS 20000
/*
 * What lets a CPU's sibling have its turn is an exit to the hypervisor in some virtual machines, of
 * microseconds, under QEMU's TCG with a lock that the device's register write needs, too. So it is
 * done once in so many looks.
 */
#define LOOKS_PER_RELAX 256

void udrv__spin_begin(struct udrv__irq_worker *w)
{
	udrv__adaptive_begin(&w->adaptive, SPIN_MIN_NS, SPIN_MAX_NS);
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

	for (unsigned int looks = 1;; looks++) {
		ret = glance(w);
		if (ret || something_to_do(w))
			return ret;
		if (deadline_ns != UDRV__NEVER && udrv__now_ns() >= deadline_ns)
			return 0;
		if (looks % LOOKS_PER_RELAX == 0)
			udrv_cpu_relax();
	}
}

int udrv__spin(struct udrv__irq_worker *w)
{
	return spin_until(w, w->deadline_ns);
}

static uint64_t at_most(uint64_t ns, uint64_t most)
{
	return ns < most ? ns : most;
}

int udrv__spin_adaptive(struct udrv__irq_worker *w)
{
	const uint64_t start = udrv__now_ns();
	const uint64_t spin = udrv__adaptive_time(&w->adaptive);
	int ret = spin ? spin_until(w, at_most(start + spin, w->deadline_ns)) : 0;
	const bool caught = w->ready != NULL;

	if (!ret && !something_to_do(w))
		ret = w->ops->wait(w);
	udrv__adaptive_learn(&w->adaptive, udrv__now_ns() - start, caught);
	return ret;
}
