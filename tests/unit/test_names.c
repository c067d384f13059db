// SPDX-License-Identifier: MIT
/* Names beside numbers: they hold no number themselves, with or without a data base of names. */
#include <string.h>

#include "names.h"
#include "support/suite.h"

static struct names *names;
static char buf[128];

static void setup(void)
{
	names = names_open();
	ck_assert_ptr_nonnull(names);
}

static void teardown(void)
{
	names_close(names);
}

static const struct {
	uint32_t class_code;
	const char *number;
} classes[] = {{0x020000, "0200"}, {0x028100, "0281"}, {0x00ff00, "00ff"}, {0xffff00, "ffff"}};

START_TEST(a_class_has_a_name_without_its_number)
{
	ck_assert_ptr_eq(names_class(names, buf, sizeof(buf), classes[_i].class_code), buf);
	ck_assert_int_gt((int)strlen(buf), 0);
	ck_assert_msg(!strstr(buf, classes[_i].number), "'%s'", buf);
}
END_TEST

START_TEST(what_has_no_name_is_called_unknown)
{
	struct udrv_pci_info info = {.vendor = 0x0bad,
				     .device = 0xfff0,
				     .subsystem_vendor = 0x0bad,
				     .subsystem_device = 0xfff0};

	ck_assert_str_eq(names_vendor(names, buf, sizeof(buf), 0x0bad), "unknown vendor");
	ck_assert_str_eq(names_device(names, buf, sizeof(buf), 0x0bad, 0xfff0), "unknown device");
	ck_assert_str_eq(names_subsystem(names, buf, sizeof(buf), &info),
			 "unknown vendor unknown device");
	ck_assert_str_eq(names_class(names, buf, sizeof(buf), 0x550000), "unknown class");
}
END_TEST

START_TEST(a_name_that_does_not_fit_is_cut)
{
	struct udrv_pci_info info = {0};
	char small[6];

	(void)names_class(names, small, sizeof(small), 0x020000);
	ck_assert_uint_lt(strnlen(small, sizeof(small)), sizeof(small));
	(void)names_subsystem(names, small, sizeof(small), &info);
	ck_assert_uint_lt(strnlen(small, sizeof(small)), sizeof(small));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("names");
	TCase *tc = tcase_create("names");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, a_class_has_a_name_without_its_number, 0,
			    (int)(sizeof(classes) / sizeof(classes[0])));
	tcase_add_test(tc, what_has_no_name_is_called_unknown);
	tcase_add_test(tc, a_name_that_does_not_fit_is_cut);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
