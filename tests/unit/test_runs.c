// SPDX-License-Identifier: MIT
/* Runs of pages in a region, against a byte for each page. */
#include <stdlib.h>
#include <string.h>

#include "mem/runs.h"

#include "support/suite.h"

#define PAGES 700u /* not a multiple of a word's bits */

static struct udrv__region region;
static uint64_t used[16];
static uint64_t first[16];

static void setup(void)
{
	memset(used, 0, sizeof(used));
	memset(first, 0, sizeof(first));
	region = (struct udrv__region){.pages = PAGES,
				       .free_pages = PAGES,
				       .used = used,
				       .first = first,
				       .va = (char *)(uintptr_t)(5u << UDRV__PAGE_SHIFT)};
}

START_TEST(the_lowest_run_that_fits)
{
	ck_assert_uint_eq(udrv__run_find(&region, 3, 1), 0);
	udrv__run_take(&region, 0, 3);
	udrv__run_take(&region, 3, 5);
	udrv__run_take(&region, 8, 1);
	udrv__run_give(&region, 3, 5);
	ck_assert_uint_eq(udrv__run_find(&region, 5, 1), 3);
	ck_assert_uint_eq(udrv__run_find(&region, 6, 1), 9);
	ck_assert_uint_eq(udrv__run_find(&region, PAGES, 1), UDRV__NO_RUN);
	ck_assert_uint_eq(udrv__run_find(&region, SIZE_MAX, 1), UDRV__NO_RUN);
}
END_TEST

/* Of the address, not of the index: the region begins at page 5. */
START_TEST(alignment_is_that_of_the_address)
{
	ck_assert_uint_eq(udrv__run_find(&region, 4, 4), 3);
	ck_assert_uint_eq(udrv__run_find(&region, 4, 16), 11);
	udrv__run_take(&region, 11, 1);
	ck_assert_uint_eq(udrv__run_find(&region, 4, 16), 27);
}
END_TEST

START_TEST(a_run_is_known_by_its_first_page)
{
	udrv__run_take(&region, 10, 70);
	udrv__run_take(&region, 80, 2);
	ck_assert_uint_eq(udrv__run_length(&region, 10), 70);
	ck_assert_uint_eq(udrv__run_length(&region, 80), 2);
	ck_assert_uint_eq(udrv__run_length(&region, 11), 0);
	ck_assert_uint_eq(udrv__run_length(&region, 9), 0);
	ck_assert_uint_eq(udrv__run_length(&region, PAGES), 0);
	udrv__run_take(&region, 690, 10);
	ck_assert_uint_eq(udrv__run_length(&region, 690), 10);
}
END_TEST

START_TEST(random_runs_against_a_model)
{
	unsigned char model[PAGES] = {0};
	struct {
		size_t at, n;
	} live[60] = {{0}};
	unsigned int seed = 3;

	for (int step = 0; step < 200000; step++) {
		size_t k = (size_t)rand_r(&seed) % 60;
		size_t n = 1 + (size_t)rand_r(&seed) % 40;
		size_t align = (size_t)1 << rand_r(&seed) % 6;
		size_t expected = UDRV__NO_RUN;

		if (live[k].n) {
			ck_assert_uint_eq(udrv__run_length(&region, live[k].at), live[k].n);
			udrv__run_give(&region, live[k].at, live[k].n);
			memset(&model[live[k].at], 0, live[k].n);
			live[k].n = 0;
			continue;
		}
		for (size_t i = 0; i + n <= PAGES && expected == UDRV__NO_RUN; i++)
			if (!((i + 5) % align) && !memchr(&model[i], 1, n))
				expected = i;
		live[k].at = udrv__run_find(&region, n, align);
		ck_assert_uint_eq(live[k].at, expected);
		if (expected == UDRV__NO_RUN)
			continue;
		live[k].n = n;
		udrv__run_take(&region, expected, n);
		memset(&model[expected], 1, n);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("runs");
	TCase *tc = tcase_create("runs");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, the_lowest_run_that_fits);
	tcase_add_test(tc, alignment_is_that_of_the_address);
	tcase_add_test(tc, a_run_is_known_by_its_first_page);
	tcase_add_test(tc, random_runs_against_a_model);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
