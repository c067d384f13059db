// SPDX-License-Identifier: MIT
/* Percentiles, distributions and units of `udrv bench`. */
#include <errno.h>
#include <stdlib.h>

#include "bench/clock.h"
#include "bench/stats.h"
#include "support/suite.h"

START_TEST(percentiles_are_nearest_rank)
{
	/* The usual worked example: 15, 20, 35, 40, 50. */
	static const uint64_t s[] = {15, 20, 35, 40, 50};

	ck_assert_uint_eq(bench_percentile(s, 5, 50), 15);
	ck_assert_uint_eq(bench_percentile(s, 5, 200), 15);
	ck_assert_uint_eq(bench_percentile(s, 5, 201), 20);
	ck_assert_uint_eq(bench_percentile(s, 5, 300), 20);
	ck_assert_uint_eq(bench_percentile(s, 5, 400), 20);
	ck_assert_uint_eq(bench_percentile(s, 5, 500), 35);
	ck_assert_uint_eq(bench_percentile(s, 5, 1000), 50);
}
END_TEST

START_TEST(percentiles_of_one_sample_are_that_sample)
{
	static const uint64_t s[] = {7};

	for (unsigned int permille = 1; permille <= 1000; permille++)
		ck_assert_uint_eq(bench_percentile(s, 1, permille), 7);
}
END_TEST

/* By the definition: the smallest value that enough samples do not exceed. */
static uint64_t by_definition(const uint64_t *s, size_t n, unsigned int permille)
{
	for (size_t i = 0; i < n; i++)
		if ((i + 1) * 1000 >= permille * n)
			return s[i];
	return s[n - 1];
}

START_TEST(percentiles_agree_with_the_definition_for_all_counts)
{
	static const unsigned int permilles[] = {1, 500, 900, 990, 999, 1000};
	uint64_t s[2100];

	for (size_t i = 0; i < 2100; i++)
		s[i] = i * 3;
	for (size_t n = 1; n <= 2100; n += 7)
		for (int p = 0; p < 6; p++)
			ck_assert_uint_eq(bench_percentile(s, n, permilles[p]),
					  by_definition(s, n, permilles[p]));
}
END_TEST

START_TEST(summary_sorts_and_names_each_figure)
{
	struct bench_summary sum;
	uint64_t s[1000];

	for (size_t i = 0; i < 1000; i++)
		s[i] = 1000 - i;
	ck_assert_int_eq(bench_summarise(s, 1000, &sum), 0);
	ck_assert_uint_eq(sum.count, 1000);
	ck_assert_uint_eq(sum.min, 1);
	ck_assert_uint_eq(sum.p50, 500);
	ck_assert_uint_eq(sum.p90, 900);
	ck_assert_uint_eq(sum.p99, 990);
	ck_assert_uint_eq(sum.p999, 999);
	ck_assert_uint_eq(sum.max, 1000);
}
END_TEST

START_TEST(summary_sorts_values_beyond_32_bits)
{
	uint64_t s[] = {UINT64_MAX, 0, 1ull << 40, 1};
	struct bench_summary sum;

	ck_assert_int_eq(bench_summarise(s, 4, &sum), 0);
	ck_assert_uint_eq(sum.min, 0);
	ck_assert_uint_eq(sum.p50, 1);
	ck_assert_uint_eq(sum.max, UINT64_MAX);
}
END_TEST

START_TEST(summary_of_nothing_is_refused_and_leaves_the_result_alone)
{
	struct bench_summary sum = {.count = 42};

	ck_assert_int_eq(bench_summarise(NULL, 0, &sum), -ENODATA);
	ck_assert_uint_eq(sum.count, 42);
}
END_TEST

static void check_points(const uint64_t *s, size_t n)
{
	struct bench_point p[BENCH_POINTS_MAX];
	size_t count = bench_distribution(s, n, p);

	ck_assert_uint_gt(count, 0);
	ck_assert_uint_le(count, BENCH_POINTS_MAX);
	ck_assert_uint_eq(p[0].value, s[0]);
	ck_assert_uint_eq(p[count - 1].value, s[n - 1]);
	ck_assert_uint_eq(p[count - 1].cumulative, n);
	for (size_t i = 0; i < count; i++) {
		/* Exactly so many samples are not above it. */
		ck_assert_uint_eq(s[p[i].cumulative - 1], p[i].value);
		if (p[i].cumulative < n)
			ck_assert_uint_gt(s[p[i].cumulative], p[i].value);
		if (i)
			ck_assert_uint_gt(p[i].cumulative, p[i - 1].cumulative);
	}
}

START_TEST(distribution_keeps_ends_and_counts)
{
	static const size_t counts[] = {1, 2, 63, 64, 65, 2000, 20000, 1000000};
	uint64_t *s = malloc(1000000 * sizeof(*s));

	ck_assert_ptr_nonnull(s);
	for (size_t i = 0; i < 1000000; i++)
		s[i] = i * i / 3; /* some equal, most not */
	for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++)
		check_points(s, counts[c]);
	free(s);
}
END_TEST

START_TEST(distribution_of_equal_samples_is_one_point)
{
	struct bench_point p[BENCH_POINTS_MAX];
	uint64_t s[500];

	for (size_t i = 0; i < 500; i++)
		s[i] = 243;
	ck_assert_uint_eq(bench_distribution(s, 500, p), 1);
	ck_assert_uint_eq(p[0].value, 243);
	ck_assert_uint_eq(p[0].cumulative, 500);
	ck_assert_uint_eq(bench_distribution(s, 0, p), 0);
}
END_TEST

START_TEST(distribution_keeps_each_sample_of_the_tail)
{
	struct bench_point p[BENCH_POINTS_MAX];
	uint64_t s[20000];
	size_t n;

	for (size_t i = 0; i < 20000; i++)
		s[i] = i;
	n = bench_distribution(s, 20000, p);
	for (size_t i = 0; i < 60; i++)
		ck_assert_uint_eq(p[n - 1 - i].value, 19999 - i);
}
END_TEST

START_TEST(ticks_become_nanoseconds_without_overflow)
{
	ck_assert_uint_eq(bench_ticks_to_ns(3064, 1000000), 3064);
	ck_assert_uint_eq(bench_ticks_to_ns(2600, 2600000), 1000);
	ck_assert_uint_eq(bench_ticks_to_ns(0, 2600000), 0);
	/* A year of ticks. */
	ck_assert_uint_eq(bench_ticks_to_ns(31536000ull * 2600000000ull, 2600000),
			  31536000ull * 1000000000ull);
}
END_TEST

START_TEST(clock_is_the_labs_where_auto_asks)
{
	enum bench_clock clock;

	unsetenv("UDRV_LAB_CLOCK");
	ck_assert_int_eq(bench_clock_parse("auto", &clock), 0);
	ck_assert_int_eq(clock, BENCH_CLOCK_REALTIME);
	setenv("UDRV_LAB_CLOCK", "icount", 1);
	ck_assert_int_eq(bench_clock_parse("auto", &clock), 0);
	ck_assert_int_eq(clock, BENCH_CLOCK_ICOUNT);
	ck_assert_int_eq(bench_clock_parse("realtime", &clock), 0);
	ck_assert_int_eq(clock, BENCH_CLOCK_REALTIME);
	ck_assert_int_eq(bench_clock_parse("sundial", &clock), -EINVAL);
	setenv("UDRV_LAB_CLOCK", "sundial", 1);
	ck_assert_int_eq(bench_clock_parse("auto", &clock), -EINVAL);
}
END_TEST

START_TEST(stamps_do_not_run_backwards)
{
	uint64_t last = bench_stamp(), now;

	for (int i = 0; i < 100000; i++, last = now) {
		now = bench_stamp();
		ck_assert_uint_ge(now, last);
	}
}
END_TEST

START_TEST(calibration_repeats_to_a_percent)
{
	uint64_t a, b;

	ck_assert_int_eq(bench_clock_khz(BENCH_CLOCK_REALTIME, &a), 0);
	ck_assert_int_eq(bench_clock_khz(BENCH_CLOCK_REALTIME, &b), 0);
	ck_assert_uint_gt(a, 1000);
	ck_assert_uint_lt(a > b ? a - b : b - a, a / 100);
	ck_assert_int_eq(bench_clock_khz(BENCH_CLOCK_ICOUNT, &a), 0);
	ck_assert_uint_eq(a, 1000000);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("bench_stats");
	TCase *tc = tcase_create("bench_stats");

	tcase_add_test(tc, percentiles_are_nearest_rank);
	tcase_add_test(tc, percentiles_of_one_sample_are_that_sample);
	tcase_add_test(tc, percentiles_agree_with_the_definition_for_all_counts);
	tcase_add_test(tc, summary_sorts_and_names_each_figure);
	tcase_add_test(tc, summary_sorts_values_beyond_32_bits);
	tcase_add_test(tc, summary_of_nothing_is_refused_and_leaves_the_result_alone);
	tcase_add_test(tc, distribution_keeps_ends_and_counts);
	tcase_add_test(tc, distribution_of_equal_samples_is_one_point);
	tcase_add_test(tc, distribution_keeps_each_sample_of_the_tail);
	tcase_add_test(tc, ticks_become_nanoseconds_without_overflow);
	tcase_add_test(tc, clock_is_the_labs_where_auto_asks);
	tcase_add_test(tc, stamps_do_not_run_backwards);
	tcase_add_test(tc, calibration_repeats_to_a_percent);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
