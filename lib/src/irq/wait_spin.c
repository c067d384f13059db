// SPDX-License-Identifier: MIT
/*
 * Spinning, for ever or as long as pays. `adaptive` keeps an average of how long its waits are. If
 * they are short, it spins for twice the average before it blocks, which catches most; if they are
 * long, it does not spin. But a wait that blocks looks longer than it need be: it includes the
 * wake-up, and where the device waits for the handler, the next interrupt is late for that reason
 * alone. So now and then it spins all the same, and what comes while it spins is taken as
 * it is. An idle device costs one short spin after its last busy time, and a wait never spins
 * longer than SPIN_MAX_NS.
 */
#include <unistd.h>

#include <udrv/barrier.h>

#include "irq/irq.h"
#include "sched/clock.h"

/* A blocking wake-up costs some 40 us across CPUs of a virtual machine: not much more is worth a
 * spin. */
#define SPIN_MAX_NS   200000
#define SPIN_MIN_NS   20000
#define EXPECT_MAX_NS (SPIN_MAX_NS / 2)
/* Longer waits count as this long: a device that gets busy is noticed after a few interrupts. */
#define WAIT_COUNTS_NS (4 * SPIN_MAX_NS)
/*
 * What lets a CPU's sibling have its turn is an exit to the hypervisor in some virtual machines, of
 * microseconds, under QEMU's TCG with a lock that the device's register write needs, too. So it is
 * done once in so many looks.
 */
#define LOOKS_PER_RELAX 256
/* The newest wait's part in the average. */
#define WEIGHT 8
/* Of so many waits that block, one spins first to see whether that pays. */
#define PROBE_EVERY 32

void udrv__spin_begin(struct udrv__irq_worker *w)
{
	/* Where there is one CPU, a spinning worker keeps others from what it waits for. */
	w->may_spin = sysconf(_SC_NPROCESSORS_ONLN) > 1;
	w->expected_ns = WAIT_COUNTS_NS;
	w->blocked = 0;
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

/* How long to spin; *probe if only to see. */
static uint64_t spin_time(struct udrv__irq_worker *w, bool *probe)
{
	*probe = false;
	if (!w->may_spin)
		return 0;
	if (w->expected_ns <= EXPECT_MAX_NS)
		return 2 * w->expected_ns < SPIN_MIN_NS ? SPIN_MIN_NS : 2 * w->expected_ns;
	*probe = ++w->blocked >= PROBE_EVERY;
	if (!*probe)
		return 0;
	w->blocked = 0;
	return SPIN_MAX_NS;
}

static void learn(struct udrv__irq_worker *w, uint64_t waited_ns)
{
	w->expected_ns += at_most(waited_ns, WAIT_COUNTS_NS) / WEIGHT - w->expected_ns / WEIGHT;
}

int udrv__spin_adaptive(struct udrv__irq_worker *w)
{
	uint64_t start = udrv__now_ns();
	bool probe;
	uint64_t spin = spin_time(w, &probe);
	int ret = spin ? spin_until(w, at_most(start + spin, w->deadline_ns)) : 0;
	bool caught = w->ready != NULL;

	if (!ret && !something_to_do(w))
		ret = w->ops->wait(w);
	if (probe && caught)
		w->expected_ns = udrv__now_ns() - start;
	else
		learn(w, udrv__now_ns() - start);
	return ret;
}
