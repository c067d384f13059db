// SPDX-License-Identifier: MIT
/*
 * Spin while the next interrupt is near, block when it is not. The worker keeps an average of how
 * long its waits are. If they are short, it spins for twice the average before it blocks, which
 * catches most; if they are long, it does not spin at all. So an idle device costs one short spin
 * after its last busy time, and a wait never spins longer than SPIN_MAX_NS.
 */
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <udrv/barrier.h>

#include "irq/irq.h"

/* A blocking wake-up costs some 30 us across CPUs of a virtual machine: no more is worth a spin. */
#define SPIN_MAX_NS   100000
#define EXPECT_MAX_NS (SPIN_MAX_NS / 2)
/* Longer waits count as this long: a device that gets busy is noticed after a few interrupts. */
#define WAIT_COUNTS_NS (4 * SPIN_MAX_NS)
/* The newest wait's part in the average. */
#define WEIGHT 8

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int udrv__adaptive_init(struct udrv__vector *v)
{
	/* Where there is one CPU, a spinning worker keeps others from what it waits for. */
	v->w.may_spin = sysconf(_SC_NPROCESSORS_ONLN) > 1;
	v->w.expected_ns = WAIT_COUNTS_NS;
	return 0;
}

static void learn(struct udrv__vector *v, uint64_t waited_ns)
{
	if (waited_ns > WAIT_COUNTS_NS)
		waited_ns = WAIT_COUNTS_NS;
	v->w.expected_ns += (waited_ns / WEIGHT) - (v->w.expected_ns / WEIGHT);
}

/* UDRV__WOKEN_*, or 0 if nothing came in time. */
static int spin_until(struct udrv__vector *v, uint64_t deadline_ns)
{
	uint64_t counter;
	struct iovec iov = {&counter, sizeof(counter)};

	do {
		if (preadv2(v->efd, &iov, 1, -1, RWF_NOWAIT) > 0)
			return udrv__woken_by(v, counter);
		udrv_cpu_relax();
	} while (now_ns() < deadline_ns);
	return 0;
}

int udrv__adaptive_wait(struct udrv__vector *v)
{
	uint64_t start = now_ns();
	int woken = 0;

	if (v->w.may_spin && v->w.expected_ns <= EXPECT_MAX_NS)
		woken = spin_until(v, start + 2 * v->w.expected_ns);
	if (!woken)
		woken = udrv__wait_read(v);
	learn(v, now_ns() - start);
	return woken;
}
