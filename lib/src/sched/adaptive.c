// SPDX-License-Identifier: MIT
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <udrv/sched.h>

#include "sched/adaptive.h"

/* Longer waits count as this long: what gets busy is noticed after a few waits. */
#define COUNTS_MOST_TIMES 4
/* The newest wait's part in the average. */
#define WEIGHT 8
/* Of so many waits that sleep, one looks first to see whether that pays. */
#define PROBE_EVERY 32

bool udrv_may_spin(void)
{
	cpu_set_t cpus;

	/* The CPUs of the main thread are those of the process. */
	if (sched_getaffinity(getpid(), sizeof(cpus), &cpus))
		return sysconf(_SC_NPROCESSORS_ONLN) > 1;
	return CPU_COUNT(&cpus) > 1;
}

static uint64_t most_that_counts(const struct udrv__adaptive *a)
{
	return (uint64_t)COUNTS_MOST_TIMES * a->most_ns;
}

void udrv__adaptive_begin(struct udrv__adaptive *a, uint32_t least_ns, uint32_t most_ns)
{
	*a = (struct udrv__adaptive){
		.least_ns = least_ns, .most_ns = most_ns, .may_spin = udrv_may_spin()};
	a->expected_ns = most_that_counts(a);
}

uint64_t udrv__adaptive_time(struct udrv__adaptive *a)
{
	a->probe = false;
	if (!a->may_spin)
		return 0;
	if (a->expected_ns <= a->most_ns / 2)
		return 2 * a->expected_ns < a->least_ns ? a->least_ns : 2 * a->expected_ns;
	a->probe = ++a->blocked >= PROBE_EVERY;
	if (!a->probe)
		return 0;
	a->blocked = 0;
	return a->most_ns;
}

void udrv__adaptive_learn(struct udrv__adaptive *a, uint64_t waited_ns, bool caught)
{
	if (waited_ns > most_that_counts(a))
		waited_ns = most_that_counts(a);
	if (a->probe && caught)
		a->expected_ns = waited_ns;
	else
		a->expected_ns += waited_ns / WEIGHT - a->expected_ns / WEIGHT;
}

/* Linux counts a switch only if another thread was chosen. */
static long switches(void)
{
	struct rusage used;

	return getrusage(RUSAGE_THREAD, &used) ? 0 : used.ru_nvcsw + used.ru_nivcsw;
}

bool udrv__adaptive_yield(void)
{
	const long before = switches();

	(void)sched_yield();
	return switches() == before;
}

void udrv__adaptive_unwanted(struct udrv__adaptive *a)
{
	a->expected_ns = most_that_counts(a);
}
