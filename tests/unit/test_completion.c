// SPDX-License-Identifier: MIT
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include <udrv/completion.h>
#include <udrv/device.h>

#include "pci/device.h"

#include "support/suite.h"

/* Only the word that waiters watch matters here. */
static struct udrv_device dev;
static struct udrv_completion done;

static void setup(void)
{
	memset(&dev, 0, sizeof(dev));
	dev.event_fds[UDRV_EVENT_GONE] = -1;
	udrv_init_completion(&dev, &done);
}

static long elapsed_ms(const struct timespec *since)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - since->tv_sec) * 1000 + (now.tv_nsec - since->tv_nsec) / 1000000;
}

START_TEST(complete_before_wait_is_kept)
{
	udrv_complete(&done);
	ck_assert_int_gt(udrv_wait_for_completion_timeout(&done, 1000), 0);
	ck_assert_int_eq(udrv_wait_for_completion_timeout(&done, 1), 0);
}
END_TEST

START_TEST(each_complete_lets_one_through)
{
	udrv_complete(&done);
	udrv_complete(&done);
	ck_assert_int_eq(udrv_wait_for_completion(&done), 0);
	ck_assert_int_eq(udrv_wait_for_completion(&done), 0);
	ck_assert_int_eq(udrv_wait_for_completion_timeout(&done, 0), 0);
}
END_TEST

START_TEST(complete_all_lets_everybody_through_until_reinit)
{
	udrv_complete_all(&done);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(udrv_wait_for_completion(&done), 0);
	udrv_reinit_completion(&done);
	ck_assert_int_eq(udrv_wait_for_completion_timeout(&done, 1), 0);
}
END_TEST

START_TEST(times_out_no_earlier_than_asked)
{
	struct timespec start;

	clock_gettime(CLOCK_MONOTONIC, &start);
	ck_assert_int_eq(udrv_wait_for_completion_timeout(&done, 30), 0);
	ck_assert_int_ge(elapsed_ms(&start), 29);
}
END_TEST

START_TEST(gone_device_ends_the_wait)
{
	udrv_device_set_gone(&dev);
	ck_assert_int_eq(udrv_wait_for_completion(&done), -ENODEV);
	ck_assert_int_eq(udrv_wait_for_completion_timeout(&done, 100000), -ENODEV);
}
END_TEST

START_TEST(done_wins_over_gone)
{
	udrv_complete(&done);
	udrv_device_set_gone(&dev);
	ck_assert_int_eq(udrv_wait_for_completion(&done), 0);
}
END_TEST

static void *remove_device(void *arg)
{
	/* Most often the waiter sleeps by now; where not, the other half of the race is tested. */
	while (!__atomic_load_n(&done.waiters, __ATOMIC_SEQ_CST))
		;
	udrv_device_set_gone(arg);
	return NULL;
}

START_TEST(removal_wakes_a_sleeper)
{
	pthread_t t;

	ck_assert_int_eq(pthread_create(&t, NULL, remove_device, &dev), 0);
	ck_assert_int_eq(udrv_wait_for_completion(&done), -ENODEV);
	pthread_join(t, NULL);
}
END_TEST

enum { ROUNDS = 20000 };
static struct udrv_completion ping, pong;

static void *answer(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		if (udrv_wait_for_completion_timeout(&ping, 10000) <= 0)
			break;
		udrv_complete(&pong);
	}
	return NULL;
}

START_TEST(no_wakeup_is_lost)
{
	pthread_t t;

	udrv_init_completion(&dev, &ping);
	udrv_init_completion(&dev, &pong);
	ck_assert_int_eq(pthread_create(&t, NULL, answer, NULL), 0);
	for (int i = 0; i < ROUNDS; i++) {
		udrv_complete(&ping);
		ck_assert_int_gt(udrv_wait_for_completion_timeout(&pong, 10000), 0);
	}
	pthread_join(t, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("completion");
	TCase *tc = tcase_create("completion");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, complete_before_wait_is_kept);
	tcase_add_test(tc, each_complete_lets_one_through);
	tcase_add_test(tc, complete_all_lets_everybody_through_until_reinit);
	tcase_add_test(tc, times_out_no_earlier_than_asked);
	tcase_add_test(tc, gone_device_ends_the_wait);
	tcase_add_test(tc, done_wins_over_gone);
	tcase_add_test(tc, removal_wakes_a_sleeper);
	tcase_add_test(tc, no_wakeup_is_lost);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
