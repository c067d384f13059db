// SPDX-License-Identifier: MIT
#include <errno.h>
#include <time.h>

#include <check.h>
#include <udrv/poll.h>

#include "support/suite.h"

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static unsigned int reads;

static uint32_t count_up(uint32_t step)
{
	return ++reads * step;
}

#define LIMIT_US 100000

/* A read that takes longer than the time limit; the device is ready from the ready_at-th on. */
static uint32_t slow_read(unsigned int ready_at)
{
	uint64_t end = now_us() + LIMIT_US + LIMIT_US / 2;

	while (now_us() < end)
		udrv_cpu_relax();
	return ++reads >= ready_at;
}

START_TEST(done_at_the_first_read)
{
	uint32_t val = 0;

	ck_assert_int_eq(udrv_read_poll_timeout(count_up, val, val == 5, 1000000, 5000000, 0, 5),
			 0);
	ck_assert_uint_eq(val, 5);
	ck_assert_uint_eq(reads, 1);
}
END_TEST

START_TEST(reads_until_the_condition_holds)
{
	uint32_t val = 0;

	ck_assert_int_eq(udrv_read_poll_timeout(count_up, val, val >= 40, 10, 5000000, 0, 2), 0);
	ck_assert_uint_eq(val, 40);
	ck_assert_uint_eq(reads, 20);
	reads = 0;
	ck_assert_int_eq(udrv_read_poll_timeout_atomic(count_up, val, val >= 40, 1, 5000000, 0, 2),
			 0);
	ck_assert_uint_eq(reads, 20);
}
END_TEST

START_TEST(times_out_not_before_the_deadline_with_the_last_value)
{
	uint32_t reg = 0x55, val = 0;
	uint64_t start = now_us();

	ck_assert_int_eq(udrv_readl_poll_timeout(&reg, val, val & 2, 100, 20000), -ETIMEDOUT);
	ck_assert_uint_ge(now_us() - start, 20000);
	ck_assert_uint_eq(val, 0x55);
	start = now_us();
	ck_assert_int_eq(udrv_readl_poll_timeout_atomic(&reg, val, val & 2, 0, 20000), -ETIMEDOUT);
	ck_assert_uint_ge(now_us() - start, 20000);
}
END_TEST

START_TEST(a_sleep_does_not_outlast_the_deadline)
{
	uint32_t reg = 0, val;
	uint64_t start = now_us();

	ck_assert_int_eq(udrv_readl_poll_timeout(&reg, val, val, 60000000, 10000), -ETIMEDOUT);
	ck_assert_int_eq(udrv_readl_poll_timeout_atomic(&reg, val, val, 60000000, 10000),
			 -ETIMEDOUT);
	ck_assert_uint_lt(now_us() - start, 10000000);
}
END_TEST

START_TEST(reads_once_more_after_the_deadline)
{
	uint32_t val;

	ck_assert_int_eq(udrv_read_poll_timeout(slow_read, val, val, 0, LIMIT_US, 0, 2), 0);
	ck_assert_uint_eq(reads, 2);
	reads = 0;
	ck_assert_int_eq(udrv_read_poll_timeout(slow_read, val, val, 0, LIMIT_US, 0, 3),
			 -ETIMEDOUT);
	ck_assert_uint_eq(reads, 2);
}
END_TEST

START_TEST(sleeps_first_when_told_to)
{
	uint32_t val;
	uint64_t start = now_us();

	ck_assert_int_eq(udrv_read_poll_timeout(count_up, val, val, 5000, 5000000, 1, 1), 0);
	ck_assert_uint_ge(now_us() - start, 5000);
	start = now_us();
	ck_assert_int_eq(udrv_read_poll_timeout_atomic(count_up, val, val, 5000, 5000000, 1, 1), 0);
	ck_assert_uint_ge(now_us() - start, 5000);
	ck_assert_uint_eq(reads, 2);
}
END_TEST

START_TEST(no_timeout_and_timeouts_beyond_the_clock_wait_on)
{
	uint32_t val;

	ck_assert_int_eq(udrv_read_poll_timeout(count_up, val, val == 3000, 1, 0, 0, 1), 0);
	reads = 0;
	ck_assert_int_eq(udrv_read_poll_timeout(count_up, val, val == 3, 1, UINT64_MAX, 0, 1), 0);
}
END_TEST

START_TEST(every_width_reads_its_width)
{
	uint64_t reg = 0x8877665544332211;
	uint8_t b;
	uint16_t w;
	uint32_t l;
	uint64_t q;

	ck_assert_int_eq(udrv_readb_poll_timeout(&reg, b, b == 0x11, 1, 100), 0);
	ck_assert_int_eq(udrv_readw_poll_timeout(&reg, w, w == 0x2211, 1, 100), 0);
	ck_assert_int_eq(udrv_readl_poll_timeout(&reg, l, l == 0x44332211, 1, 100), 0);
	ck_assert_int_eq(udrv_readq_poll_timeout(&reg, q, q == reg, 1, 100), 0);
	ck_assert_int_eq(udrv_readb_poll_timeout_atomic(&reg, b, b == 0x11, 1, 100), 0);
	ck_assert_int_eq(udrv_readw_poll_timeout_atomic(&reg, w, w == 0x2211, 1, 100), 0);
	ck_assert_int_eq(udrv_readl_poll_timeout_atomic(&reg, l, l == 0x44332211, 1, 100), 0);
	ck_assert_int_eq(udrv_readq_poll_timeout_atomic(&reg, q, q == reg, 1, 100), 0);
	ck_assert_int_eq(udrv_readl_relaxed_poll_timeout(&reg, l, l == 0x44332211, 1, 100), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("io_poll");
	TCase *tc = tcase_create("io_poll");

	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, done_at_the_first_read);
	tcase_add_test(tc, reads_until_the_condition_holds);
	tcase_add_test(tc, times_out_not_before_the_deadline_with_the_last_value);
	tcase_add_test(tc, a_sleep_does_not_outlast_the_deadline);
	tcase_add_test(tc, reads_once_more_after_the_deadline);
	tcase_add_test(tc, sleeps_first_when_told_to);
	tcase_add_test(tc, no_timeout_and_timeouts_beyond_the_clock_wait_on);
	tcase_add_test(tc, every_width_reads_its_width);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
