// SPDX-License-Identifier: MIT
#include <errno.h>
#include <limits.h>
#include <signal.h>

#include <udrv/delay.h>
#include <udrv/jiffies.h>
#include <udrv/ktime.h>
#include <udrv/sched.h>

#include "support/suite.h"
#include "support/threads.h"

START_TEST(comparisons_survive_the_wrap)
{
	unsigned long last = ULONG_MAX - 5;

	ck_assert(udrv_time_after(last + 10, last) && !udrv_time_after(last, last + 10));
	ck_assert(udrv_time_before(last, last + 10));
	ck_assert(!udrv_time_after(last, last) && udrv_time_after_eq(last, last));
	ck_assert(udrv_time_before_eq(last, last));
	ck_assert(udrv_time_in_range(last + 7, last, last + 10));
	ck_assert(udrv_time_in_range(last + 10, last, last + 10));
	ck_assert(!udrv_time_in_range_open(last + 10, last, last + 10));
	ck_assert(udrv_time_is_before_jiffies(udrv_jiffies - 1));
	ck_assert(udrv_time_is_after_jiffies(udrv_jiffies + 60000));
}
END_TEST

START_TEST(conversions_round_as_the_kernel_does)
{
	ck_assert_uint_eq(udrv_msecs_to_jiffies(17), 17);
	ck_assert_uint_eq(udrv_msecs_to_jiffies((unsigned int)-1), UDRV_MAX_JIFFY_OFFSET);
	ck_assert_uint_eq(udrv_usecs_to_jiffies(0), 0);
	ck_assert_uint_eq(udrv_usecs_to_jiffies(1), 1);
	ck_assert_uint_eq(udrv_usecs_to_jiffies(2000), 2);
	ck_assert_uint_eq(udrv_nsecs_to_jiffies(1999999), 1);
	ck_assert_uint_eq(udrv_jiffies_to_msecs(5), 5);
	ck_assert_uint_eq(udrv_jiffies_to_usecs(5), 5000);
	ck_assert_uint_eq(udrv_jiffies_to_nsecs(5), 5000000);
}
END_TEST

START_TEST(rounding_goes_to_whole_seconds_of_the_future)
{
	unsigned long second = (udrv_jiffies / UDRV_HZ + 10) * UDRV_HZ;

	ck_assert_uint_eq(udrv_round_jiffies(second + 249), second);
	ck_assert_uint_eq(udrv_round_jiffies(second + 250), second + UDRV_HZ);
	ck_assert_uint_eq(udrv_round_jiffies(1), 1);
	ck_assert_uint_ge(udrv_round_jiffies_relative(3000), 2700);
}
END_TEST

START_TEST(jiffies_and_ktime_are_one_clock)
{
	unsigned long before = udrv_jiffies;
	unsigned long between = (unsigned long)udrv_ktime_to_ms(udrv_ktime_get());
	uint64_t after = udrv_get_jiffies_64();

	ck_assert_uint_le(before, between);
	ck_assert_uint_le(between, after);
	ck_assert_int_eq(udrv_ktime_set(2, 5), 2 * UDRV_NSEC_PER_SEC + 5);
	ck_assert_int_eq(udrv_ktime_us_delta(udrv_ms_to_ktime(3), udrv_us_to_ktime(1)), 2999);
	ck_assert_int_lt(udrv_ktime_compare(1, 2), 0);
	ck_assert_uint_gt(udrv_ktime_get_real_ns(), 1600000000 * UINT64_C(1000000000));
}
END_TEST

#define elapsed_ns(expression)                                                                     \
	__extension__({                                                                            \
		udrv_ktime_t began = udrv_ktime_get();                                             \
		expression;                                                                        \
		udrv_ktime_sub(udrv_ktime_get(), began);                                           \
	})

START_TEST(no_delay_is_shorter_than_asked)
{
	ck_assert_int_ge(elapsed_ns(udrv_msleep(3)), 3000000);
	ck_assert_int_ge(elapsed_ns(udrv_usleep_range(700, 900)), 700000);
	ck_assert_int_ge(elapsed_ns(udrv_fsleep(200)), 200000);
	ck_assert_int_ge(elapsed_ns(udrv_fsleep(5)), 5000);
	ck_assert_int_ge(elapsed_ns(udrv_ndelay(900)), 900);
	ck_assert_int_ge(elapsed_ns(udrv_udelay(50)), 50000);
	ck_assert_int_ge(elapsed_ns(udrv_mdelay(2)), 2000000);
	ck_assert_int_ge(elapsed_ns(ck_assert_uint_eq(udrv_msleep_interruptible(3), 0)), 3000000);
}
END_TEST

static void on_signal(int sig)
{
	(void)sig;
}

static int over;

static void *nag(void *arg)
{
	while (!get(over)) {
		pthread_kill(*(pthread_t *)arg, SIGUSR1);
		sched_yield();
	}
	return NULL;
}

START_TEST(signals_end_only_the_interruptible_sleep)
{
	struct sigaction sa = {.sa_handler = on_signal};
	pthread_t self = pthread_self();
	unsigned long left;
	pthread_t t;

	ck_assert_int_eq(sigaction(SIGUSR1, &sa, NULL), 0);
	t = start(nag, &self);
	ck_assert_int_ge(elapsed_ns(udrv_msleep(20)), 20000000);
	left = udrv_msleep_interruptible(50000);
	set(over, 1);
	finish(t);
	ck_assert_uint_gt(left, 40000);
	ck_assert_int_eq(udrv_signal_pending(udrv_current), 1);
}
END_TEST

START_TEST(wake_up_does_not_shorten_an_interruptible_sleep)
{
	udrv_set_current_state(UDRV_TASK_INTERRUPTIBLE);
	(void)udrv_wake_up_process(udrv_current);
	ck_assert_int_ge(elapsed_ns(udrv_msleep_interruptible(5)), 5000000);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("delay");
	TCase *tc = tcase_create("delay");

	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, comparisons_survive_the_wrap);
	tcase_add_test(tc, conversions_round_as_the_kernel_does);
	tcase_add_test(tc, rounding_goes_to_whole_seconds_of_the_future);
	tcase_add_test(tc, jiffies_and_ktime_are_one_clock);
	tcase_add_test(tc, no_delay_is_shorter_than_asked);
	tcase_add_test(tc, signals_end_only_the_interruptible_sleep);
	tcase_add_test(tc, wake_up_does_not_shorten_an_interruptible_sleep);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
