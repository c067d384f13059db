// SPDX-License-Identifier: MIT
/* How long it pays to look before sleeping. */
#include <udrv/sched.h>

#include "sched/adaptive.h"

#include "support/one_cpu.h"
#include "support/suite.h"
#include "support/threads.h"

#define LEAST UINT64_C(1000)
#define MOST  UINT64_C(100000)

static struct udrv__adaptive a;
static int stop;

static void begin(void)
{
	udrv__adaptive_begin(&a, LEAST, MOST);
	a.may_spin = true; /* wherever the test runs */
}

START_TEST(with_one_cpu_nobody_spins)
{
	keep_to_one_cpu();
	ck_assert(!udrv_may_spin());
	udrv__adaptive_begin(&a, LEAST, MOST);
	for (int i = 0; i < 200; i++) {
		ck_assert_uint_eq(udrv__adaptive_time(&a), 0);
		udrv__adaptive_learn(&a, 0, false);
	}
}
END_TEST

static void *ask(void *arg)
{
	(void)arg;
	return (void *)(uintptr_t)udrv_may_spin();
}

/* Of a thread that is bound to a CPU, it is the process that counts. */
START_TEST(all_threads_are_told_the_same)
{
	const bool here = udrv_may_spin();

	ck_assert_int_eq((intptr_t)finish(start(ask, NULL)), here);
	keep_to_one_cpu();
	ck_assert_int_eq((intptr_t)finish(start(ask, NULL)), 0);
}
END_TEST

START_TEST(short_waits_are_spun_for_twice_as_long)
{
	begin();
	for (int i = 0; i < 200; i++) {
		(void)udrv__adaptive_time(&a);
		udrv__adaptive_learn(&a, 10000, true);
	}
	ck_assert_uint_ge(udrv__adaptive_time(&a), 19000);
	ck_assert_uint_le(udrv__adaptive_time(&a), 21000);
	for (int i = 0; i < 200; i++)
		udrv__adaptive_learn(&a, 1, true);
	ck_assert_uint_eq(udrv__adaptive_time(&a), LEAST);
}
END_TEST

START_TEST(long_waits_are_slept_for_but_probed)
{
	unsigned int probes = 0;

	begin();
	for (int i = 0; i < 320; i++) {
		const uint64_t ns = udrv__adaptive_time(&a);

		ck_assert(ns == 0 || (ns == MOST && a.probe));
		probes += ns != 0;
		udrv__adaptive_learn(&a, 1000000, false);
	}
	ck_assert_uint_eq(probes, 10);
}
END_TEST

START_TEST(a_probe_that_catches_is_believed_at_once)
{
	begin();
	while (!udrv__adaptive_time(&a))
		udrv__adaptive_learn(&a, 1000000, false);
	ck_assert(a.probe);
	udrv__adaptive_learn(&a, 5000, true);
	ck_assert_uint_eq(udrv__adaptive_time(&a), 10000);
	udrv__adaptive_unwanted(&a);
	ck_assert_uint_eq(udrv__adaptive_time(&a), 0);
}
END_TEST

static void *be_busy(void *arg)
{
	while (!get(stop))
		;
	return arg;
}

/* Both on one CPU. */
START_TEST(a_yield_tells_that_others_want_the_cpu)
{
	pthread_t busy;
	bool alone = true;

	keep_to_one_cpu();
	busy = start(be_busy, NULL);
	while (alone)
		alone = udrv__adaptive_yield();
	set(stop, 1);
	finish(busy);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("adaptive");
	TCase *tc = tcase_create("looking");

	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, with_one_cpu_nobody_spins);
	tcase_add_test(tc, all_threads_are_told_the_same);
	tcase_add_test(tc, short_waits_are_spun_for_twice_as_long);
	tcase_add_test(tc, long_waits_are_slept_for_but_probed);
	tcase_add_test(tc, a_probe_that_catches_is_believed_at_once);
	tcase_add_test(tc, a_yield_tells_that_others_want_the_cpu);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
