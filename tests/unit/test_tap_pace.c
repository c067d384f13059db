// SPDX-License-Identifier: MIT
/* When a TAP's thread comes before others, and when it lets frames gather. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "export/tap_pace.h"

#include "support/suite.h"

#define US 1000u

/* What is asked of the kernel, and what it says. */
static bool many_cpus, forbidden;
static int policy;
static unsigned int changes;

static struct udrv__tap_pace pace;
static uint64_t now_ns;

bool __wrap_udrv_may_spin(void);
int __wrap_pthread_setschedparam(pthread_t thread, int wanted, const struct sched_param *param);

bool __wrap_udrv_may_spin(void)
{
	return many_cpus;
}

int __wrap_pthread_setschedparam(pthread_t thread, int wanted, const struct sched_param *param)
{
	ck_assert(pthread_equal(thread, pthread_self()));
	ck_assert_int_eq(param->sched_priority, wanted == SCHED_FIFO);
	changes++;
	if (forbidden)
		return EPERM;
	policy = wanted;
	return 0;
}

static void setup(void)
{
	many_cpus = forbidden = false;
	policy = SCHED_OTHER;
	changes = 0;
	now_ns = 1000000000;
}

/* It moves these, and waits; so much later than the last time. */
static bool gathers(unsigned int sent, unsigned int received, unsigned int us)
{
	now_ns += us * US;
	udrv__tap_pace_moved(&pace, sent, received);
	return udrv__tap_pace_gathers(&pace, now_ns);
}

static void sleeps(void)
{
	udrv__tap_pace_slept(&pace);
}

START_TEST(with_more_cpus_it_is_one_of_all)
{
	many_cpus = true;
	udrv__tap_pace_begin(&pace);
	for (int i = 0; i < 100; i++) {
		ck_assert(!gathers(64, 0, 10));
		sleeps();
	}
	ck_assert_uint_eq(changes, 0);
}
END_TEST

START_TEST(on_the_only_cpu_it_comes_first)
{
	udrv__tap_pace_begin(&pace);
	ck_assert_int_eq(policy, SCHED_FIFO);
	for (int i = 0; i < 100; i++) {
		udrv__tap_pace_moved(&pace, 255, 256);
		sleeps();
	}
	ck_assert_int_eq(policy, SCHED_FIFO);
	ck_assert_uint_eq(changes, 1);
}
END_TEST

START_TEST(not_for_ever)
{
	udrv__tap_pace_begin(&pace);
	for (int i = 0; i < 3; i++) {
		udrv__tap_pace_moved(&pace, 0, 511);
		ck_assert_int_eq(policy, SCHED_FIFO);
		udrv__tap_pace_moved(&pace, 1, 0);
		ck_assert_int_eq(policy, SCHED_OTHER);
		udrv__tap_pace_moved(&pace, 100, 100);
		ck_assert_int_eq(policy, SCHED_OTHER);
		sleeps();
		ck_assert_int_eq(policy, SCHED_FIFO);
	}
	ck_assert_uint_eq(changes, 7);
}
END_TEST

START_TEST(nor_if_it_finds_nothing_and_never_sleeps)
{
	udrv__tap_pace_begin(&pace);
	for (int i = 0; i < 511; i++)
		udrv__tap_pace_moved(&pace, 0, 0);
	ck_assert_int_eq(policy, SCHED_FIFO);
	udrv__tap_pace_moved(&pace, 0, 0);
	ck_assert_int_eq(policy, SCHED_OTHER);
}
END_TEST

/* Once is enough to know that. */
START_TEST(who_may_not_does_not_ask_again)
{
	forbidden = true;
	udrv__tap_pace_begin(&pace);
	for (int i = 0; i < 10; i++) {
		udrv__tap_pace_moved(&pace, 600, 0);
		sleeps();
	}
	ck_assert_uint_eq(changes, 1);
	ck_assert_int_eq(policy, SCHED_OTHER);
}
END_TEST

/* Nor does it stay ahead because the kernel refuses. */
START_TEST(a_refusal_later_is_tried_again)
{
	udrv__tap_pace_begin(&pace);
	forbidden = true;
	udrv__tap_pace_moved(&pace, 600, 0);
	ck_assert_int_eq(policy, SCHED_FIFO);
	forbidden = false;
	udrv__tap_pace_moved(&pace, 1, 0);
	ck_assert_int_eq(policy, SCHED_OTHER);
	forbidden = true;
	sleeps();
	ck_assert_int_eq(policy, SCHED_OTHER);
	forbidden = false;
	sleeps();
	ck_assert_int_eq(policy, SCHED_FIFO);
}
END_TEST

static void begin_stream(void)
{
	udrv__tap_pace_begin(&pace);
	ck_assert(!gathers(1, 0, 1000));
	for (int i = 0; i < 3; i++)
		ck_assert(!gathers(1, 0, 30));
	ck_assert(gathers(1, 0, 30));
}

START_TEST(frames_of_a_stream_gather)
{
	begin_stream();
	for (int i = 0; i < 100; i++)
		ck_assert(gathers(13, 0, 400));
}
END_TEST

START_TEST(an_answer_ends_that)
{
	begin_stream();
	ck_assert(!gathers(13, 1, 200));
	for (int i = 0; i < 3; i++)
		ck_assert(!gathers(13, 0, 200));
	ck_assert(gathers(13, 0, 200));
}
END_TEST

/* Nothing gathers when there was nothing, as that would not end. */
START_TEST(so_does_its_end)
{
	begin_stream();
	ck_assert(!gathers(0, 0, 200));
	ck_assert(!gathers(0, 0, 0));
	ck_assert(!gathers(1, 0, 1000000));
}
END_TEST

START_TEST(pauses_do_not)
{
	begin_stream();
	for (int i = 0; i < 10; i++)
		ck_assert(gathers(13, 0, 400));
	for (int i = 0; i < 4; i++) {
		ck_assert(!gathers(0, 0, 200));
		ck_assert(gathers(1, 0, 600));
	}
	ck_assert(!gathers(1, 0, 600));
}
END_TEST

START_TEST(a_slow_one_does_not_gather)
{
	static const struct {
		unsigned int us;
		bool gathers;
	} cases[] = {{50, true}, {51, false}, {200, false}, {20000, false}};

	udrv__tap_pace_begin(&pace);
	for (int i = 0; i < 20; i++)
		(void)gathers(1, 0, cases[_i].us);
	ck_assert(gathers(1, 0, cases[_i].us) == cases[_i].gathers);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("tap_pace");
	TCase *tc = tcase_create("tap_pace");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, with_more_cpus_it_is_one_of_all);
	tcase_add_test(tc, on_the_only_cpu_it_comes_first);
	tcase_add_test(tc, not_for_ever);
	tcase_add_test(tc, nor_if_it_finds_nothing_and_never_sleeps);
	tcase_add_test(tc, who_may_not_does_not_ask_again);
	tcase_add_test(tc, a_refusal_later_is_tried_again);
	tcase_add_test(tc, frames_of_a_stream_gather);
	tcase_add_test(tc, an_answer_ends_that);
	tcase_add_test(tc, so_does_its_end);
	tcase_add_test(tc, pauses_do_not);
	tcase_add_loop_test(tc, a_slow_one_does_not_gather, 0, 4);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
