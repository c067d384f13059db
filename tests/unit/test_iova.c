// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mem/iova.h"

#include "support/suite.h"

#define PAGE 4096ull

/* What intel-iommu reports: the interrupt window is left out. */
static const struct udrv__iova_range ranges[] = {
	{0, 0xfedfffff},
	{0xfef00000, 0x7fffffffff},
};

static struct udrv__iova_space space;

static void setup(void)
{
	udrv__iova_space_init(&space);
}

static void teardown(void)
{
	udrv__iova_space_destroy(&space);
}

static int get(uint64_t len, udrv_iova_t limit, udrv_iova_t *iova)
{
	return udrv__iova_alloc(&space, ranges, 2, len, limit, iova);
}

START_TEST(never_gives_out_page_zero)
{
	udrv_iova_t iova = 1;

	ck_assert_int_eq(get(PAGE, UINT64_MAX, &iova), 0);
	ck_assert_uint_eq(iova, PAGE);
}
END_TEST

START_TEST(freed_gap_is_used_again)
{
	udrv_iova_t a, b, c, again;

	ck_assert_int_eq(get(PAGE, UINT64_MAX, &a), 0);
	ck_assert_int_eq(get(2 * PAGE, UINT64_MAX, &b), 0);
	ck_assert_int_eq(get(PAGE, UINT64_MAX, &c), 0);
	udrv__iova_free(&space, b);
	ck_assert_int_eq(get(3 * PAGE, UINT64_MAX, &again), 0);
	ck_assert_uint_eq(again, c + PAGE);
	ck_assert_int_eq(get(2 * PAGE, UINT64_MAX, &again), 0);
	ck_assert_uint_eq(again, b);
}
END_TEST

START_TEST(stays_below_the_mask)
{
	udrv_iova_t iova = 7;

	ck_assert_int_eq(get((1ull << 28) - PAGE, (1ull << 28) - 1, &iova), 0);
	ck_assert_uint_eq(iova + (1ull << 28) - PAGE - 1, (1ull << 28) - 1);
	iova = 7;
	ck_assert_int_eq(get(PAGE, (1ull << 28) - 1, &iova), -ENOSPC);
	ck_assert_uint_eq(iova, 7);
}
END_TEST

START_TEST(skips_reserved_addresses)
{
	udrv_iova_t low, high;

	ck_assert_int_eq(get(0xfedff000, UINT64_MAX, &low), 0);
	ck_assert_uint_eq(low, PAGE);
	ck_assert_int_eq(get(PAGE, UINT64_MAX, &high), 0);
	ck_assert_uint_eq(high, 0xfef00000);
}
END_TEST

START_TEST(refuses_more_than_there_is)
{
	udrv_iova_t iova;

	ck_assert_int_eq(get(1ull << 40, UINT64_MAX, &iova), -ENOSPC);
	ck_assert_int_eq(get(UINT64_MAX - PAGE + 1, UINT64_MAX, &iova), -ENOSPC);
	ck_assert_int_eq(get(0, UINT64_MAX, &iova), -EINVAL);
}
END_TEST

START_TEST(top_of_the_address_space_does_not_wrap)
{
	static const struct udrv__iova_range top = {UINT64_MAX - 2 * PAGE + 1, UINT64_MAX};
	udrv_iova_t iova;

	ck_assert_int_eq(udrv__iova_alloc(&space, &top, 1, 2 * PAGE, UINT64_MAX, &iova), 0);
	ck_assert_uint_eq(iova, top.first);
	ck_assert_int_eq(udrv__iova_alloc(&space, &top, 1, PAGE, UINT64_MAX, &iova), -ENOSPC);
}
END_TEST

/* Random allocations and frees against a byte per page. */
START_TEST(never_overlaps)
{
	enum { LIVE = 64, PAGES = 256 };
	struct {
		udrv_iova_t iova;
		uint64_t len;
	} live[LIVE] = {0};
	static const struct udrv__iova_range small = {PAGE, PAGE * (PAGES + 1) - 1};
	unsigned char used[PAGES + 1] = {0};
	unsigned int seed = 1;

	for (int i = 0; i < 200000; i++) {
		size_t k = (size_t)rand_r(&seed) % LIVE;

		if (live[k].len) {
			udrv__iova_free(&space, live[k].iova);
			memset(&used[live[k].iova / PAGE], 0, live[k].len / PAGE);
			live[k].len = 0;
			continue;
		}
		live[k].len = PAGE * (1 + (uint64_t)rand_r(&seed) % 9);
		if (udrv__iova_alloc(&space, &small, 1, live[k].len, UINT64_MAX, &live[k].iova)) {
			live[k].len = 0;
			continue;
		}
		for (uint64_t p = live[k].iova / PAGE; p < (live[k].iova + live[k].len) / PAGE;
		     p++) {
			ck_assert_uint_le(p, PAGES);
			ck_assert_int_eq(used[p], 0);
			used[p] = 1;
		}
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("iova");
	TCase *tc = tcase_create("iova");

	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, never_gives_out_page_zero);
	tcase_add_test(tc, freed_gap_is_used_again);
	tcase_add_test(tc, stays_below_the_mask);
	tcase_add_test(tc, skips_reserved_addresses);
	tcase_add_test(tc, refuses_more_than_there_is);
	tcase_add_test(tc, top_of_the_address_space_does_not_wrap);
	tcase_add_test(tc, never_overlaps);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
