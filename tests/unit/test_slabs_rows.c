// SPDX-License-Identifier: MIT
/* What `udrv slabs` makes of one reading, or two. */
#include <stdlib.h>
#include <string.h>

#include "slabs.h"

#include "support/suite.h"

static struct slabs_cache caches[2][3];
static struct slabs_daemon daemons[2];
static struct slabs now = {&daemons[0], 1};
static struct slabs before = {&daemons[1], 1};
static const struct slabs none;

static struct slabs_cache cache(unsigned int nr, const char *name, uint64_t allocs)
{
	struct slabs_cache c = {.nr = nr};

	strcpy(c.is.record.name, name);
	c.is.record.made_ns = 1000000000;
	c.is.allocs = allocs;
	return c;
}

static void setup(void)
{
	for (int i = 0; i < 2; i++) {
		daemons[i] = (struct slabs_daemon){.driver = "test",
						   .device = "model:x",
						   .pid = 1,
						   .start_ns = 1,
						   .now_ns = i ? 3000000000 : 5000000000,
						   .cache = caches[i],
						   .count = 3};
		caches[i][0] = cache(1, "b", i ? 1000 : 4000);
		caches[i][1] = cache(2, "a", 0);
		caches[i][2] = cache(3, "c", 10);
	}
}

/* The row of a cache. */
static struct slabs_row row_of(const struct slabs *then, const char *name)
{
	size_t count;
	struct slabs_row *rows = slabs_rows(&now, then, NULL, 0, &count);
	struct slabs_row row = {0};

	ck_assert_ptr_nonnull(rows);
	for (size_t i = 0; i < count; i++)
		if (!strcmp(rows[i].is->record.name, name))
			row = rows[i];
	free(rows);
	ck_assert_ptr_nonnull(row.is);
	return row;
}

START_TEST(a_rate_is_since_the_last_time)
{
	ck_assert_double_eq_tol(row_of(&before, "b").rate, 1500, 1e-9);
	ck_assert_double_eq_tol(row_of(&before, "a").rate, 0, 1e-9);
}
END_TEST

START_TEST(or_since_the_cache_was_made)
{
	ck_assert_double_eq_tol(row_of(&none, "b").rate, 1000, 1e-9);
	/* Another cache of that number. */
	caches[1][0].is.record.made_ns--;
	ck_assert_double_eq_tol(row_of(&before, "b").rate, 1000, 1e-9);
	/* Another daemon of that device. */
	daemons[1].start_ns++;
	ck_assert_double_eq_tol(row_of(&before, "c").rate, 2.5, 1e-9);
}
END_TEST

START_TEST(no_number_is_divided_by_none)
{
	struct slabs_row row = row_of(&none, "a");

	ck_assert_double_eq_tol(row.use, 0, 1e-9);
	ck_assert_double_eq_tol(row.hit, -1, 1e-9);
	daemons[0].now_ns = 0;
	ck_assert_double_eq_tol(row_of(&none, "b").rate, 0, 1e-9);
	ck_assert_double_eq_tol(row_of(&before, "b").rate, 0, 1e-9);
}
END_TEST

START_TEST(percent_and_memory_follow)
{
	struct slabs_cache *c = &caches[0][0];
	struct slabs_row row;

	c->is.hits = 3000;
	c->is.active = 25;
	c->is.record.total = 200;
	c->is.record.slabs = 3;
	c->is.record.slab_size = 65536;
	row = row_of(&none, "b");
	ck_assert_double_eq_tol(row.hit, 75, 1e-9);
	ck_assert_double_eq_tol(row.use, 12.5, 1e-9);
	ck_assert_uint_eq(row.memory, 196608);
}
END_TEST

static void ordered(const char *column, const char *expected)
{
	char got[4] = "";
	size_t count;
	struct slabs_row *rows = slabs_rows(&now, &none, NULL, slabs_column(column), &count);

	ck_assert_uint_eq(count, 3);
	for (size_t i = 0; i < count; i++)
		strcat(got, rows[i].is->record.name);
	ck_assert_msg(!strcmp(got, expected), "by %s: %s", column, got);
	free(rows);
}

START_TEST(the_greatest_come_first_and_equals_by_name)
{
	ordered("rate", "bca");
	ordered("cache", "abc");
	ordered("memory", "abc");
	ordered("device", "abc");
	caches[0][2].is.record.slabs = 1;
	ordered("slabs", "cab");
	/* What was never used has no hits to be compared. */
	caches[0][0].is.hits = 1;
	ordered("hit", "bca");
}
END_TEST

START_TEST(columns_have_names)
{
	int count = 0;

	while (slabs_column_name(count)) {
		ck_assert_int_eq(slabs_column(slabs_column_name(count)), count);
		count++;
	}
	ck_assert_int_eq(count, 12);
	ck_assert_int_eq(slabs_column("colour"), -1);
}
END_TEST

START_TEST(traits_are_listed)
{
	char text[64];
	struct slabs_row row = {.is = &caches[0][0].is};

	ck_assert_str_eq(slabs_traits(&row, text, sizeof(text)), "-");
	caches[0][0].is.record.traits = UDRV__SLAB_DMA | UDRV__SLAB_OF_DEVICE;
	ck_assert_str_eq(slabs_traits(&row, text, sizeof(text)), "dma");
	caches[0][0].is.record.traits = UINT32_MAX;
	ck_assert_str_eq(slabs_traits(&row, text, sizeof(text)), "dma,debug,hwcache_align,no_reap");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("slabs_rows");
	TCase *tc = tcase_create("rows");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, a_rate_is_since_the_last_time);
	tcase_add_test(tc, or_since_the_cache_was_made);
	tcase_add_test(tc, no_number_is_divided_by_none);
	tcase_add_test(tc, percent_and_memory_follow);
	tcase_add_test(tc, the_greatest_come_first_and_equals_by_name);
	tcase_add_test(tc, columns_have_names);
	tcase_add_test(tc, traits_are_listed);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
