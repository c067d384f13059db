// SPDX-License-Identifier: MIT
/* The latency histogram of perf. */
#include "nvme_hist.h"

#include "support/suite.h"

static struct nvme_hist h;

static void setup(void)
{
	nvme_hist_init(&h);
}

START_TEST(each_value_has_a_bucket_and_they_are_in_order)
{
	unsigned int last = 0;

	for (uint64_t v = 0; v < 1u << 20; v++) {
		unsigned int i = nvme_hist_index(v);

		if (i != last && i != last + 1)
			ck_abort_msg("%llu is in bucket %u behind %u", (unsigned long long)v, i,
				     last);
		last = i;
	}
	ck_assert_uint_eq(nvme_hist_index(UINT64_MAX), NVME_HIST_BUCKETS - 1);
	ck_assert_uint_eq(nvme_hist_index(UINT64_C(1) << NVME_HIST_TOP_BITS),
			  NVME_HIST_BUCKETS - 1);
}
END_TEST

START_TEST(nothing_recorded_is_zero)
{
	ck_assert_uint_eq(nvme_hist_percentile(&h, 5000), 0);
	ck_assert_uint_eq(h.count, 0);
}
END_TEST

START_TEST(small_values_are_exact)
{
	for (uint64_t v = 1; v <= 100; v++)
		nvme_hist_record(&h, v);
	ck_assert_uint_eq(nvme_hist_percentile(&h, 0), 1);
	ck_assert_uint_eq(nvme_hist_percentile(&h, 100), 1);
	ck_assert_uint_eq(nvme_hist_percentile(&h, 5000), 50);
	ck_assert_uint_eq(nvme_hist_percentile(&h, 9000), 90);
	ck_assert_uint_eq(nvme_hist_percentile(&h, 9901), 100);
	ck_assert_uint_eq(h.sum, 5050);
	ck_assert_uint_eq(h.min, 1);
	ck_assert_uint_eq(h.max, 100);
}
END_TEST

START_TEST(percentiles_are_within_a_128th)
{
	for (unsigned int shift = 7; shift < NVME_HIST_TOP_BITS - 1; shift++) {
		for (uint64_t part = 0; part < 64; part += 7) {
			uint64_t v = (UINT64_C(1) << shift) + (part << shift) / 64 + part;
			uint64_t got;

			/* Neighbours, so that the middle is not cut to the only value. */
			nvme_hist_init(&h);
			nvme_hist_record(&h, v / 2);
			nvme_hist_record(&h, v);
			nvme_hist_record(&h, v * 2);
			got = nvme_hist_percentile(&h, 5000);
			ck_assert_uint_le(got > v ? got - v : v - got, v / 128 + 1);
		}
	}
}
END_TEST

START_TEST(one_value_is_every_percentile)
{
	nvme_hist_record(&h, 123456789);
	ck_assert_uint_eq(nvme_hist_percentile(&h, 1), 123456789);
	ck_assert_uint_eq(nvme_hist_percentile(&h, 9990), 123456789);
}
END_TEST

START_TEST(sums_are_as_if_recorded_in_one)
{
	struct nvme_hist a, b;

	nvme_hist_init(&a);
	nvme_hist_init(&b);
	for (uint64_t v = 0; v < 3000; v += 3)
		nvme_hist_record(&a, v);
	for (uint64_t v = 1; v < 3000; v += 3)
		nvme_hist_record(&b, v);
	nvme_hist_add(&h, &a);
	nvme_hist_add(&h, &b);
	ck_assert_uint_eq(h.count, 2000);
	ck_assert_uint_eq(h.sum, a.sum + b.sum);
	ck_assert_uint_eq(h.min, 0);
	ck_assert_uint_eq(h.max, 2998);
	nvme_hist_init(&a);
	nvme_hist_add(&h, &a);
	ck_assert_uint_eq(h.min, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("nvme_hist");
	TCase *tc = tcase_create("histogram");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, each_value_has_a_bucket_and_they_are_in_order);
	tcase_add_test(tc, nothing_recorded_is_zero);
	tcase_add_test(tc, small_values_are_exact);
	tcase_add_test(tc, percentiles_are_within_a_128th);
	tcase_add_test(tc, one_value_is_every_percentile);
	tcase_add_test(tc, sums_are_as_if_recorded_in_one);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
