// SPDX-License-Identifier: MIT
/* Chains as a kernel could hand them out, also broken ones. */
#include <string.h>

#include "backend/vfio_caps.h"

#include "support/suite.h"

static union {
	char bytes[256];
	uint64_t align;
} info;

static void put(uint32_t at, uint16_t id, uint32_t next)
{
	struct vfio_info_cap_header cap = {.id = id, .version = 1, .next = next};

	memcpy(info.bytes + at, &cap, sizeof(cap));
}

static const void *find(uint32_t offset, uint16_t id, size_t min)
{
	return udrv__vfio_find_cap(&info, sizeof(info), offset, id, min);
}

START_TEST(finds_along_the_chain)
{
	put(32, 3, 64);
	put(64, 1, 0);
	ck_assert_ptr_eq(find(32, 1, 16), info.bytes + 64);
	ck_assert_ptr_null(find(32, 9, 16));
}
END_TEST

START_TEST(no_chain)
{
	ck_assert_ptr_null(find(0, 0, 8));
}
END_TEST

START_TEST(a_loop_ends)
{
	put(32, 3, 64);
	put(64, 4, 32);
	ck_assert_ptr_null(find(32, 1, 8));
	put(64, 4, 64);
	ck_assert_ptr_null(find(32, 1, 8));
}
END_TEST

START_TEST(outside_the_struct)
{
	put(32, 3, 250);
	ck_assert_ptr_null(find(32, 1, 8));
	ck_assert_ptr_null(find(0xfffffff8, 1, 8));
}
END_TEST

START_TEST(too_short_for_what_it_claims)
{
	put(240, 1, 0);
	ck_assert_ptr_nonnull(find(240, 1, 16));
	ck_assert_ptr_null(find(240, 1, 17));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("vfio_caps");
	TCase *tc = tcase_create("chain");

	tcase_add_test(tc, finds_along_the_chain);
	tcase_add_test(tc, no_chain);
	tcase_add_test(tc, a_loop_ends);
	tcase_add_test(tc, outside_the_struct);
	tcase_add_test(tc, too_short_for_what_it_claims);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
