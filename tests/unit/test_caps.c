// SPDX-License-Identifier: MIT
#include <string.h>

#include <check.h>

#include "caps.h"
#include "support/suite.h"

static uint8_t config[0x1000];
static struct caps caps;

static void setup(void)
{
	memset(config, 0, sizeof(config));
	config[0x06] = 0x10;
	config[0x34] = 0x40;
}

static void put16(size_t offset, unsigned val)
{
	config[offset] = (uint8_t)val;
	config[offset + 1] = (uint8_t)(val >> 8);
}

static void put_cap(size_t offset, unsigned id, size_t next, unsigned control)
{
	config[offset] = (uint8_t)id;
	config[offset + 1] = (uint8_t)next;
	put16(offset + 2, control);
}

static void put_extended(size_t offset, unsigned id, size_t next)
{
	put16(offset, id);
	put16(offset + 2, (unsigned)(next << 4 | 1));
}

START_TEST(no_list)
{
	config[0x06] = 0;
	caps_decode(&caps, config, 64);
	ck_assert_uint_eq(caps.count, 0);
	ck_assert(!caps.truncated && !caps.broken);
}
END_TEST

START_TEST(standard_and_extended)
{
	put_cap(0x40, 0x05, 0x50, 5 << 1);
	put_cap(0x50, 0x11, 0x60, 64);
	put_cap(0x60, 0x10, 0, 2);
	put_extended(0x100, 0x01, 0x140);
	put_extended(0x140, 0x10, 0);
	caps_decode(&caps, config, sizeof(config));
	ck_assert_uint_eq(caps.count, 5);
	ck_assert_uint_eq(caps.msi_vectors, 32);
	ck_assert_uint_eq(caps.msix_vectors, 65);
	ck_assert_str_eq(caps_name(&caps.cap[0]), "MSI");
	ck_assert_str_eq(caps_name(&caps.cap[2]), "PCI Express");
	ck_assert_uint_eq(caps.cap[2].offset, 0x60);
	ck_assert_str_eq(caps_name(&caps.cap[3]), "Advanced Error Reporting");
	ck_assert(caps.cap[3].extended);
	ck_assert_str_eq(caps_name(&caps.cap[4]), "SR-IOV");
	ck_assert(!caps.truncated && !caps.broken);
}
END_TEST

START_TEST(largest_msix_table)
{
	put_cap(0x40, 0x11, 0, 0xffff);
	caps_decode(&caps, config, 256);
	ck_assert_uint_eq(caps.msix_vectors, 2048);
}
END_TEST

START_TEST(unknown_ids)
{
	put_cap(0x40, 0xee, 0, 0);
	put_extended(0x100, 0xbeef, 0);
	caps_decode(&caps, config, sizeof(config));
	ck_assert_uint_eq(caps.count, 2);
	ck_assert_str_eq(caps_name(&caps.cap[0]), "unknown");
	ck_assert_str_eq(caps_name(&caps.cap[1]), "unknown");
}
END_TEST

START_TEST(header_only_for_who_is_not_root)
{
	caps_decode(&caps, config, 64);
	ck_assert(caps.truncated);
	ck_assert_uint_eq(caps.count, 0);
}
END_TEST

START_TEST(list_into_itself_ends)
{
	put_cap(0x40, 0x01, 0x50, 0);
	put_cap(0x50, 0x05, 0x40, 0);
	caps_decode(&caps, config, 256);
	ck_assert_uint_eq(caps.count, 2);
	ck_assert(caps.broken);
}
END_TEST

START_TEST(list_into_the_header_ends)
{
	put_cap(0x40, 0x01, 0x10, 0);
	caps_decode(&caps, config, 256);
	ck_assert_uint_eq(caps.count, 1);
	ck_assert(caps.broken);
}
END_TEST

START_TEST(extended_list_into_itself_or_out_of_its_space_ends)
{
	config[0x06] = 0;
	put_extended(0x100, 0x01, 0x100);
	caps_decode(&caps, config, sizeof(config));
	ck_assert_uint_eq(caps.count, 1);
	ck_assert(caps.broken);
	put_extended(0x100, 0x01, 0x40);
	caps_decode(&caps, config, sizeof(config));
	ck_assert(caps.broken);
	put_extended(0x100, 0x01, 0xffc);
	caps_decode(&caps, config, 0x200);
	ck_assert(caps.broken);
}
END_TEST

START_TEST(device_that_is_gone)
{
	memset(config, 0xff, sizeof(config));
	caps_decode(&caps, config, sizeof(config));
	ck_assert_uint_le(caps.count, 1);
	ck_assert(caps.broken);
}
END_TEST

START_TEST(every_length_is_safe)
{
	put_cap(0x40, 0x05, 0xfc, 0);
	put_cap(0xfc, 0x11, 0, 0);
	put_extended(0x100, 0x01, 0xffc);
	put_extended(0xffc, 0x02, 0);
	/* The sanitizer run would notice a byte beyond. */
	for (size_t len = 0; len <= sizeof(config); len++) {
		uint8_t *exact = malloc(len ? len : 1);

		ck_assert_ptr_nonnull(exact);
		memcpy(exact, config, len);
		caps_decode(&caps, exact, len);
		free(exact);
	}
	ck_assert_uint_eq(caps.count, 4);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("caps");
	TCase *tc = tcase_create("caps");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, no_list);
	tcase_add_test(tc, standard_and_extended);
	tcase_add_test(tc, largest_msix_table);
	tcase_add_test(tc, unknown_ids);
	tcase_add_test(tc, header_only_for_who_is_not_root);
	tcase_add_test(tc, list_into_itself_ends);
	tcase_add_test(tc, list_into_the_header_ends);
	tcase_add_test(tc, extended_list_into_itself_or_out_of_its_space_ends);
	tcase_add_test(tc, device_that_is_gone);
	tcase_add_test(tc, every_length_is_safe);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
