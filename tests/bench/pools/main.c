// SPDX-License-Identifier: MIT
/*
 * Measures one pool as it is told: a line with pattern, size, count, live and threads comes in, a
 * line with the figure goes out.
 *
 * PROGRAM --loop COUNT makes COUNT pairs, for tests/bench/pool_cost.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <udrv/barrier.h>

#include "pool.h"

#define SPINS	  20000
#define MANY_LIVE 100000 /* take so long that others must not wait for them */

static cpu_set_t allowed;

void die(const char *what, int err)
{
	(void)fprintf(stderr, "pool: %s: %s\n", what, strerror(err));
	exit(1);
}

/* The calling thread, to one of the CPUs that the program may use. */
void pin(unsigned int nth)
{
	cpu_set_t one;

	nth %= (unsigned int)CPU_COUNT(&allowed);
	CPU_ZERO(&one);
	for (unsigned int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed) && !nth--) {
			CPU_SET(cpu, &one);
			(void)sched_setaffinity(0, sizeof(one), &one);
			return;
		}
}

static double read_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

double now_ns(void)
{
	return read_ns(CLOCK_MONOTONIC);
}

double cpu_ns(void)
{
	return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

uint32_t wait_for(const uint32_t *word, uint32_t value)
{
	uint32_t now;

	for (int i = 0; (now = __atomic_load_n(word, __ATOMIC_ACQUIRE)) - value > UINT32_MAX / 2;
	     i++)
		if (i < SPINS)
			udrv_cpu_relax();
		else
			sched_yield();
	return now;
}

/* Other programs do not interrupt what is measured, where that may be had. */
static void be_alone(int alone)
{
	const struct sched_param param = {.sched_priority = alone};

	(void)sched_setscheduler(0, alone ? SCHED_FIFO : SCHED_OTHER, &param);
}

static void serve(void)
{
	char line[128];

	while (fgets(line, sizeof(line), stdin)) {
		char pattern[16];
		struct job job = {.pattern = pattern};

		if (sscanf(line, "%15s %zu %u %u %u", pattern, &job.size, &job.count, &job.live,
			   &job.threads) != 5)
			die(line, EINVAL);
		be_alone(!job.threads && job.live <= MANY_LIVE);
		printf("%.4f\n", pool_run(&job));
		be_alone(0);
		(void)fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	sched_getaffinity(0, sizeof(allowed), &allowed);
	pin(0);
	pool_set_up(argv[0]);
	pool_enter();
	if (argc == 3 && !strcmp(argv[1], "--loop")) {
		pool_begin(64, BATCH);
		pool_loop((unsigned int)atoi(argv[2]));
		pool_end();
		return 0;
	}
	serve();
	return 0;
}
