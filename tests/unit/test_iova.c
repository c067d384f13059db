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
static bool fresh;

static void setup(void)
{
	memset(&space, 0, sizeof(space));
	fresh = false;
}

static void teardown(void)
{
	while (space.count)
		udrv__iova_free(&space, space.used[0].first);
	ck_assert_ptr_null(space.used);
}

static int get_from(const struct udrv__iova_range *from, size_t count, uint64_t len,
		    udrv_iova_t limit, udrv_iova_t *iova)
{
	const struct udrv__iova_want want = {
		.len = len, .align = PAGE, .limit = limit, .fresh = fresh};

	return udrv__iova_alloc(&space, from, count, &want, iova);
}

static int get(uint64_t len, udrv_iova_t limit, udrv_iova_t *iova)
{
	return get_from(ranges, 2, len, limit, iova);
}

#define BITS(n) ((UINT64_C(1) << (n)) - 1)

START_TEST(never_gives_out_page_zero)
{
	udrv_iova_t iova = 1;

	ck_assert_int_eq(get(PAGE, BITS(20), &iova), 0);
	ck_assert_uint_eq(iova, PAGE);
}
END_TEST

/* Narrow devices can use nothing else. */
START_TEST(low_addresses_are_left_to_those_who_need_them)
{
	struct udrv__iova_want want = {.len = PAGE, .align = PAGE, .limit = UINT64_MAX};
	udrv_iova_t wide, narrow, low;

	ck_assert_int_eq(get(PAGE, UINT64_MAX, &wide), 0);
	ck_assert_uint_eq(wide, UINT64_C(1) << 32);
	ck_assert_int_eq(get(PAGE, BITS(32), &narrow), 0);
	ck_assert_uint_eq(narrow, UINT64_C(1) << 28);
	want.low = true;
	ck_assert_int_eq(udrv__iova_alloc(&space, ranges, 2, &want, &low), 0);
	ck_assert_uint_eq(low, narrow + PAGE);
	/* But for want of others they do. */
	ck_assert_int_eq(get(0x7fffffffff - BITS(32) - 3 * PAGE, UINT64_MAX, &wide), 0);
	ck_assert_int_eq(get(4 * PAGE, UINT64_MAX, &wide), 0);
	ck_assert_uint_eq(wide, low + PAGE);
}
END_TEST

START_TEST(what_is_too_large_for_a_zone_lies_across)
{
	udrv_iova_t iova;

	ck_assert_int_eq(get(BITS(29) + 1 - PAGE, BITS(29), &iova), 0);
	ck_assert_uint_eq(iova, PAGE);
	ck_assert_int_eq(get(PAGE, BITS(29), &iova), -ENOSPC);
}
END_TEST

START_TEST(alignment_and_what_is_behind_it)
{
	struct udrv__iova_want want = {
		.len = 3 * PAGE, .align = 0x200000, .offset = 0x5000, .limit = UINT64_MAX};
	udrv_iova_t iova;

	for (unsigned int i = 1; i < 5; i++) {
		ck_assert_int_eq(get(PAGE, UINT64_MAX, &iova), 0);
		ck_assert_int_eq(udrv__iova_alloc(&space, ranges, 2, &want, &iova), 0);
		ck_assert_uint_eq(iova, (UINT64_C(1) << 32) + (i - 1) * 0x200000 + 0x5000);
	}
	want.limit = 0x4fff;
	ck_assert_int_eq(udrv__iova_alloc(&space, ranges, 2, &want, &iova), -ENOSPC);
}
END_TEST

/* A device that still uses it is to fault. */
START_TEST(freed_addresses_rest_for_a_while)
{
	udrv_iova_t a, b, again;

	fresh = true;
	ck_assert_int_eq(get(PAGE, UINT64_MAX, &a), 0);
	udrv__iova_free(&space, a);
	ck_assert_int_eq(get(PAGE, UINT64_MAX, &b), 0);
	ck_assert_int_eq(get(PAGE, UINT64_MAX, &a), 0);
	udrv__iova_free(&space, b);
	ck_assert_int_eq(get(PAGE, UINT64_MAX, &again), 0);
	ck_assert_uint_gt(again, a);
}
END_TEST

START_TEST(freed_gap_is_used_again)
{
	udrv_iova_t a, b, c, again;

	ck_assert_int_eq(get(PAGE, 9 * PAGE - 1, &a), 0);
	ck_assert_int_eq(get(2 * PAGE, 9 * PAGE - 1, &b), 0);
	ck_assert_int_eq(get(PAGE, 9 * PAGE - 1, &c), 0);
	udrv__iova_free(&space, b);
	ck_assert_int_eq(get(3 * PAGE, 9 * PAGE - 1, &again), 0);
	ck_assert_uint_eq(again, c + PAGE);
	ck_assert_int_eq(get(2 * PAGE, 9 * PAGE - 1, &again), 0);
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

	ck_assert_int_eq(get(0xfedff000 - BITS(28), BITS(32), &low), 0);
	ck_assert_uint_eq(low, UINT64_C(1) << 28);
	ck_assert_int_eq(get(PAGE, BITS(32), &high), 0);
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

	ck_assert_int_eq(get_from(&top, 1, 2 * PAGE, UINT64_MAX, &iova), 0);
	ck_assert_uint_eq(iova, top.first);
	ck_assert_int_eq(get_from(&top, 1, PAGE, UINT64_MAX, &iova), -ENOSPC);
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
		if (get_from(&small, 1, live[k].len, UINT64_MAX, &live[k].iova)) {
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

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, never_gives_out_page_zero);
	tcase_add_test(tc, low_addresses_are_left_to_those_who_need_them);
	tcase_add_test(tc, what_is_too_large_for_a_zone_lies_across);
	tcase_add_test(tc, alignment_and_what_is_behind_it);
	tcase_add_test(tc, freed_addresses_rest_for_a_while);
	tcase_add_test(tc, freed_gap_is_used_again);
	tcase_add_test(tc, stays_below_the_mask);
	tcase_add_test(tc, skips_reserved_addresses);
	tcase_add_test(tc, refuses_more_than_there_is);
	tcase_add_test(tc, top_of_the_address_space_does_not_wrap);
	tcase_add_test(tc, never_overlaps);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
