/* SPDX-License-Identifier: MIT */
/* A test that keeps to one CPU. */
#ifndef ONE_CPU_H
#define ONE_CPU_H

#include <sched.h>

#include <check.h>

/* The calling thread, where it is now. */
static inline void keep_to_one_cpu(void)
{
	const int cpu = sched_getcpu();
	cpu_set_t cpus;

	ck_assert_int_ge(cpu, 0);
	CPU_ZERO(&cpus);
	CPU_SET((size_t)cpu, &cpus);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(cpus), &cpus), 0);
}

#endif
