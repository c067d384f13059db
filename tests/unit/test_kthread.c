// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include <udrv/device.h>
#include <udrv/kthread.h>
#include <udrv/wait.h>

#include "pci/device.h"

#include "support/suite.h"
#include "support/threads.h"

static struct udrv_device dev;
static struct udrv_wait_queue_head queue;
static int runs, naps;

static void setup(void)
{
	memset(&dev, 0, sizeof(dev));
	udrv_init_waitqueue_head(&dev, &queue);
}

static int until_stopped(void *data)
{
	(void)data;
	inc(runs);
	if (udrv_wait_event_interruptible(queue, udrv_kthread_should_stop()))
		return -1;
	return 42;
}

START_TEST(stop_wakes_a_waiter_and_returns_its_result)
{
	struct udrv_task *t = udrv_kthread_run(until_stopped, NULL, "test/%d", 1);

	ck_assert(!UDRV_IS_ERR(t));
	until(udrv_waitqueue_active(&queue));
	ck_assert_int_eq(udrv_kthread_stop(t), 42);
}
END_TEST

START_TEST(created_thread_waits_to_be_started)
{
	struct udrv_task *t = udrv_kthread_create(until_stopped, NULL, "waits");

	ck_assert(!UDRV_IS_ERR(t));
	ck_assert_int_eq(udrv_kthread_stop(t), -EINTR);
	ck_assert_int_eq(runs, 0);
}
END_TEST

START_TEST(wake_up_process_starts_it_once)
{
	struct udrv_task *t = udrv_kthread_create(until_stopped, NULL, "starts");

	ck_assert_int_eq(udrv_wake_up_process(t), 1);
	until(udrv_waitqueue_active(&queue));
	ck_assert_int_eq(udrv_kthread_stop(t), 42);
	ck_assert_int_eq(runs, 1);
}
END_TEST

static int returns_at_once(void *data)
{
	set(*(int *)data, 1);
	return 7;
}

START_TEST(result_is_kept_until_stop)
{
	int done = 0;
	struct udrv_task *t = udrv_kthread_run(returns_at_once, &done, "returns");

	until(get(done));
	ck_assert_int_eq(udrv_wake_up_process(t) & ~1, 0);
	ck_assert_int_eq(udrv_kthread_stop(t), 7);
}
END_TEST

/* The loop of the kernel's documentation. */
static int naps_until_stopped(void *data)
{
	(void)data;
	while (!udrv_kthread_should_stop()) {
		udrv_set_current_state(UDRV_TASK_INTERRUPTIBLE);
		if (!udrv_kthread_should_stop())
			(void)udrv_schedule();
		udrv_set_current_state(UDRV_TASK_RUNNING);
		inc(naps);
	}
	return 0;
}

START_TEST(stop_between_look_and_sleep_is_not_lost)
{
	for (int i = 0; i < 500; i++) {
		struct udrv_task *t = udrv_kthread_run(naps_until_stopped, NULL, "naps");

		ck_assert(!UDRV_IS_ERR(t));
		if (i % 2)
			(void)udrv_wake_up_process(t);
		ck_assert_int_eq(udrv_kthread_stop(t), 0);
	}
}
END_TEST

START_TEST(each_wake_up_of_a_sleeper_ends_one_sleep)
{
	struct udrv_task *t = udrv_kthread_run(naps_until_stopped, NULL, "naps");

	for (int i = 1; i <= 100; i++) {
		until(udrv_wake_up_process(t));
		until(get(naps) >= i);
	}
	ck_assert_int_eq(udrv_kthread_stop(t), 0);
	ck_assert_int_ge(naps, 100);
}
END_TEST

static int waits_for_device(void *data)
{
	(void)data;
	return udrv_wait_event(queue, false);
}

START_TEST(gone_device_ends_its_wait)
{
	struct udrv_task *t = udrv_kthread_run(waits_for_device, NULL, "gone");

	until(udrv_waitqueue_active(&queue));
	udrv_device_set_gone(&dev);
	ck_assert_int_eq(udrv_kthread_stop(t), -ENODEV);
}
END_TEST

START_TEST(other_threads_are_never_told_to_stop)
{
	ck_assert(!udrv_kthread_should_stop());
	ck_assert_ptr_eq(udrv_current, udrv_current);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("kthread");
	TCase *tc = tcase_create("kthread");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, stop_wakes_a_waiter_and_returns_its_result);
	tcase_add_test(tc, created_thread_waits_to_be_started);
	tcase_add_test(tc, wake_up_process_starts_it_once);
	tcase_add_test(tc, result_is_kept_until_stop);
	tcase_add_test(tc, stop_between_look_and_sleep_is_not_lost);
	tcase_add_test(tc, each_wake_up_of_a_sleeper_ends_one_sleep);
	tcase_add_test(tc, gone_device_ends_its_wait);
	tcase_add_test(tc, other_threads_are_never_told_to_stop);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
