// SPDX-License-Identifier: MIT
/* The tables that find memory by either address. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mem/region.h"

#include "support/suite.h"

#define PAGE  ((uint64_t)UDRV__PAGE_MIN)
#define CHUNK ((uint64_t)UDRV__CHUNK)
#define BASE  (UINT64_C(3) << 34)

static struct udrv__region_table table;
static struct udrv_list_head all;

static void setup(void)
{
	memset(&table, 0, sizeof(table));
	udrv_init_list_head(&all);
}

static void teardown(void)
{
	udrv__region_tables_free();
	for (size_t i = 0; i < sizeof(table.leaves) / sizeof(table.leaves[0]); i++) {
		for (size_t j = 0; table.leaves[i] && j < 1u << UDRV__LEAF_BITS; j++)
			if (table.leaves[i]->chunks[j] & 1)
				free((void *)(table.leaves[i]->chunks[j] - 1));
		free(table.leaves[i]);
	}
}

static void put(struct udrv__region *region, uint64_t va, size_t len)
{
	region->va = (char *)(uintptr_t)va;
	region->len = len;
	ck_assert_int_eq(udrv__region_insert(&table, va, region, &all), 0);
	udrv_list_add(&region->link, &all);
}

static void take(struct udrv__region *region)
{
	udrv_list_del(&region->link);
	udrv__region_remove(&table, (uintptr_t)region->va, region, &all);
}

static const struct udrv__region *at(uint64_t va)
{
	return udrv__region_find(&table, va);
}

#define NOBODY	(&udrv__no_region)
#define SEVERAL (&udrv__several_regions)

START_TEST(every_byte_of_a_region_and_none_beside)
{
	static const struct {
		uint64_t va;
		size_t len;
	} cases[] = {
		{BASE, CHUNK},
		{BASE, PAGE},
		{BASE + 5 * PAGE, CHUNK},
		{BASE, 4 * CHUNK},
		{BASE + CHUNK - PAGE, 2 * PAGE},
		{BASE + 7 * PAGE, 3 * CHUNK + 9 * PAGE},
		{(UINT64_C(4) << 34) - CHUNK, 2 * CHUNK}, /* across leaves */
	};
	struct udrv__region r = {0};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put(&r, cases[i].va, cases[i].len);
		for (uint64_t p = cases[i].va; p < cases[i].va + cases[i].len; p += PAGE / 2)
			ck_assert_ptr_eq(at(p), &r);
		ck_assert_ptr_eq(at(cases[i].va - 1), NOBODY);
		ck_assert_ptr_eq(at(cases[i].va + cases[i].len), NOBODY);
		take(&r);
		for (uint64_t p = cases[i].va; p < cases[i].va + cases[i].len; p += PAGE)
			ck_assert_ptr_eq(at(p), NOBODY);
	}
}
END_TEST

START_TEST(addresses_that_no_table_holds)
{
	struct udrv__region r = {.len = PAGE};

	ck_assert_ptr_eq(at(0), NOBODY);
	ck_assert_ptr_eq(at(UINT64_MAX), NOBODY);
	ck_assert_ptr_eq(at(UINT64_C(1) << 48), NOBODY);
	ck_assert_int_eq(udrv__region_insert(&table, UINT64_C(1) << 48, &r, NULL), -ERANGE);
	ck_assert_uint_eq(NOBODY->len, 0);
}
END_TEST

START_TEST(neighbours_in_one_chunk)
{
	struct udrv__region r[4] = {{0}};

	for (unsigned int i = 0; i < 4; i++)
		put(&r[i], BASE + i * 3 * PAGE, 3 * PAGE);
	for (unsigned int i = 0; i < 12; i++)
		ck_assert_ptr_eq(at(BASE + i * PAGE + 17), &r[i / 3]);
	take(&r[1]);
	ck_assert_ptr_eq(at(BASE + 2 * PAGE), &r[0]);
	ck_assert_ptr_eq(at(BASE + 3 * PAGE), NOBODY);
	ck_assert_ptr_eq(at(BASE + 6 * PAGE), &r[2]);
}
END_TEST

/* Who looks up such an address is to search with the lock held. */
START_TEST(overlaps_are_marked_until_one_is_left)
{
	struct udrv__region a = {0};
	struct udrv__region b = {0};
	struct udrv__region c = {0};

	put(&a, BASE, CHUNK);
	put(&b, BASE + CHUNK / 2, CHUNK);
	ck_assert_ptr_eq(at(BASE), &a);
	ck_assert_ptr_eq(at(BASE + CHUNK / 2), SEVERAL);
	ck_assert_ptr_eq(at(BASE + CHUNK), &b);
	put(&c, BASE, 2 * CHUNK);
	ck_assert_ptr_eq(at(BASE), SEVERAL);
	take(&a);
	ck_assert_ptr_eq(at(BASE), &c);
	ck_assert_ptr_eq(at(BASE + CHUNK / 2), SEVERAL);
	take(&b);
	for (uint64_t p = BASE; p < BASE + 2 * CHUNK; p += PAGE)
		ck_assert_ptr_eq(at(p), &c);
	take(&c);
	for (uint64_t p = BASE; p < BASE + 2 * CHUNK; p += PAGE)
		ck_assert_ptr_eq(at(p), NOBODY);
}
END_TEST

/* Random regions of random sizes; each page's set of regions is known. */
START_TEST(random_overlaps_against_a_model)
{
	enum { REGIONS = 12, PAGES = 4 * 512 };
	static struct udrv__region r[REGIONS];
	static unsigned char covers[REGIONS][PAGES];
	unsigned int seed = 7;

	for (int step = 0; step < 2000; step++) {
		size_t k = (size_t)rand_r(&seed) % REGIONS;

		if (r[k].len) {
			take(&r[k]);
			memset(&r[k], 0, sizeof(r[k]));
			memset(covers[k], 0, PAGES);
		} else {
			size_t from = (size_t)rand_r(&seed) % (PAGES - 1);
			size_t n = 1 + (size_t)rand_r(&seed) % (PAGES - from);

			if (rand_r(&seed) % 2) {
				from = from / 512 * 512;
				n = 512;
			}
			put(&r[k], BASE + from * PAGE, n * PAGE);
			memset(&covers[k][from], 1, n);
		}
		for (size_t p = 0; p < PAGES; p++) {
			const struct udrv__region *expected = NOBODY;
			int n = 0;

			for (size_t i = 0; i < REGIONS; i++)
				if (covers[i][p] && n++ == 0)
					expected = &r[i];
			if (n > 1)
				expected = SEVERAL;
			if (at(BASE + p * PAGE) != expected)
				ck_abort_msg("step %d, page %zu of %d regions", step, p, n);
		}
	}
}
END_TEST

START_TEST(a_hundred_thousand_chunks)
{
	enum { MANY = 100000 };
	struct udrv__region *r = calloc(MANY, sizeof(*r));

	for (size_t i = 0; i < MANY; i++) {
		r[i].len = CHUNK;
		ck_assert_int_eq(udrv__region_insert(&table, BASE + i * CHUNK, &r[i], NULL), 0);
	}
	for (size_t i = 0; i < MANY; i++)
		if (at(BASE + i * CHUNK + i) != &r[i])
			ck_abort_msg("chunk %zu", i);
	for (size_t i = 0; i < MANY; i++)
		udrv__region_remove(&table, BASE + i * CHUNK, &r[i], NULL);
	for (size_t i = 0; i < MANY; i++)
		if (at(BASE + i * CHUNK) != NOBODY)
			ck_abort_msg("chunk %zu", i);
	free(r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("region");
	TCase *tc = tcase_create("table");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, every_byte_of_a_region_and_none_beside);
	tcase_add_test(tc, addresses_that_no_table_holds);
	tcase_add_test(tc, neighbours_in_one_chunk);
	tcase_add_test(tc, overlaps_are_marked_until_one_is_left);
	tcase_add_test(tc, random_overlaps_against_a_model);
	tcase_add_test(tc, a_hundred_thousand_chunks);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
