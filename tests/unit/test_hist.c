// SPDX-License-Identifier: MIT
/* The histogram: buckets, percentiles against sorted values, sums, a reader beside the writer. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/hist.h>

#include "support/suite.h"

#define VALUES 20000

static struct udrv_hist hist;

static void setup(void)
{
	memset(&hist, 0, sizeof(hist));
}

START_TEST(buckets_follow_each_other_without_a_gap)
{
	ck_assert_uint_eq(udrv_hist_lower(0), 0);
	for (unsigned int i = 0; i < UDRV_HIST_BUCKETS; i++) {
		uint64_t lower = udrv_hist_lower(i);
		uint64_t upper = udrv_hist_upper(i);

		ck_assert_uint_eq(udrv_hist_index(lower), i);
		ck_assert_uint_eq(udrv_hist_index(upper), i);
		/* A bucket is as wide as 1/32 of what is in it, at most. */
		ck_assert_uint_le((upper - lower + 1) * 32, lower < 32 ? 32 : lower);
		if (i + 1 < UDRV_HIST_BUCKETS)
			ck_assert_uint_eq(udrv_hist_lower(i + 1), upper + 1);
		else
			ck_assert_uint_eq(upper, (UINT64_C(1) << UDRV_HIST_TOP_BITS) - 1);
	}
}
END_TEST

START_TEST(what_is_too_great_is_in_the_last_bucket)
{
	ck_assert_uint_eq(udrv_hist_index(UINT64_MAX), UDRV_HIST_BUCKETS - 1);
	ck_assert_uint_eq(udrv_hist_index(UINT64_C(1) << UDRV_HIST_TOP_BITS),
			  UDRV_HIST_BUCKETS - 1);
	udrv_hist_record(&hist, UINT64_MAX);
	ck_assert_uint_eq(udrv_hist_count(&hist), 1);
	ck_assert_uint_eq(udrv_hist_percentile(&hist, 1000), UINT64_MAX);
}
END_TEST

START_TEST(an_empty_one_has_no_percentiles)
{
	ck_assert_uint_eq(udrv_hist_count(&hist), 0);
	ck_assert_uint_eq(udrv_hist_percentile(&hist, 500), 0);
	ck_assert_uint_eq(udrv_hist_percentile(&hist, 1000), 0);
}
END_TEST

START_TEST(small_values_are_exact)
{
	for (uint64_t v = 1; v <= 10; v++)
		udrv_hist_record(&hist, v);
	ck_assert_uint_eq(hist.sum, 55);
	ck_assert_uint_eq(hist.max, 10);
	ck_assert_uint_eq(udrv_hist_percentile(&hist, 0), 1);
	ck_assert_uint_eq(udrv_hist_percentile(&hist, 100), 1);
	ck_assert_uint_eq(udrv_hist_percentile(&hist, 101), 2);
	ck_assert_uint_eq(udrv_hist_percentile(&hist, 500), 5);
	ck_assert_uint_eq(udrv_hist_percentile(&hist, 990), 10);
	ck_assert_uint_eq(udrv_hist_percentile(&hist, 1000), 10);
}
END_TEST

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a;
	const uint64_t *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Of all orders of magnitude. */
static uint64_t some_value(unsigned int *seed)
{
	uint64_t value = (uint64_t)rand_r(seed) << 31 | (uint64_t)rand_r(seed);

	return value >> (62 - UDRV_HIST_TOP_BITS + (unsigned int)rand_r(seed) % 38);
}

START_TEST(percentiles_are_within_a_64th_of_the_exact_ones)
{
	static const unsigned int permilles[] = {1, 10, 250, 500, 900, 990, 999, 1000};
	uint64_t *values = calloc(VALUES, sizeof(*values));
	unsigned int seed = 7;

	for (int i = 0; i < VALUES; i++) {
		values[i] = some_value(&seed);
		udrv_hist_record(&hist, values[i]);
	}
	qsort(values, VALUES, sizeof(*values), compare);
	ck_assert_uint_eq(udrv_hist_count(&hist), VALUES);
	for (size_t i = 0; i < sizeof(permilles) / sizeof(permilles[0]); i++) {
		uint64_t exact = values[VALUES / 1000 * permilles[i] - 1];
		uint64_t got = udrv_hist_percentile(&hist, permilles[i]);
		uint64_t off = got > exact ? got - exact : exact - got;

		ck_assert_msg(off <= exact / 64, "p%u: %lu for %lu", permilles[i],
			      (unsigned long)got, (unsigned long)exact);
	}
	ck_assert_uint_eq(udrv_hist_percentile(&hist, 1000), values[VALUES - 1]);
	free(values);
}
END_TEST

START_TEST(sums_are_as_if_recorded_in_one)
{
	static struct udrv_hist sum, a, b;

	for (uint64_t v = 3; v < 3000; v += 3)
		udrv_hist_record(&a, v);
	for (uint64_t v = 1; v < 3000; v += 3)
		udrv_hist_record(&b, v);
	udrv_hist_add(&sum, &a);
	udrv_hist_add(&sum, &b);
	ck_assert_uint_eq(udrv_hist_count(&sum), 1999);
	ck_assert_uint_eq(sum.sum, a.sum + b.sum);
	ck_assert_uint_eq(sum.max, 2998);
	ck_assert_uint_eq(udrv_hist_percentile(&sum, 0), 1);
	udrv_hist_add(&sum, &hist);
	ck_assert_uint_eq(udrv_hist_count(&sum), 1999);
	ck_assert_uint_eq(sum.max, 2998);
}
END_TEST

static atomic_bool recorded_all;

static void *record_many(void *arg)
{
	(void)arg;
	for (uint64_t i = 0; i < 1000000; i++)
		udrv_hist_record(&hist, i & 1023);
	recorded_all = true;
	return NULL;
}

START_TEST(a_reader_beside_the_writer_never_sees_it_shrink)
{
	uint64_t last = 0;
	pthread_t writer;

	recorded_all = false;
	ck_assert_int_eq(pthread_create(&writer, NULL, record_many, NULL), 0);
	while (!recorded_all) {
		struct udrv_hist copy;
		uint64_t count;

		udrv_hist_copy(&copy, &hist);
		count = udrv_hist_count(&copy);
		ck_assert_uint_ge(count, last);
		ck_assert_uint_le(count, 1000000);
		ck_assert_uint_le(udrv_hist_percentile(&copy, 990), 1023);
		last = count;
	}
	pthread_join(writer, NULL);
	ck_assert_uint_eq(udrv_hist_count(&hist), 1000000);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hist");
	TCase *tc = tcase_create("hist");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, buckets_follow_each_other_without_a_gap);
	tcase_add_test(tc, what_is_too_great_is_in_the_last_bucket);
	tcase_add_test(tc, an_empty_one_has_no_percentiles);
	tcase_add_test(tc, small_values_are_exact);
	tcase_add_test(tc, percentiles_are_within_a_64th_of_the_exact_ones);
	tcase_add_test(tc, sums_are_as_if_recorded_in_one);
	tcase_add_test(tc, a_reader_beside_the_writer_never_sees_it_shrink);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
