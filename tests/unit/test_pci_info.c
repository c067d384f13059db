// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <check.h>
#include <udrv/log.h>
#include <udrv/pci_info.h>

#include "pci/sysfs.h"
#include "support/fake_tree.h"
#include "support/suite.h"

static char sys_root[sizeof(fake_root) + 8];
static char logged[1024];

static void keep(void *ctx, int level, const char *line)
{
	(void)ctx;
	(void)level;
	strncpy(logged, line, sizeof(logged) - 1);
}

static void setup(void)
{
	fake_tree_make();
	(void)snprintf(sys_root, sizeof(sys_root), "%s/sys", fake_root);
	udrv__sysfs_root = sys_root;
	udrv_log_set(keep, NULL, UDRV_LOG_NOTICE);
}

static const struct {
	const char *text;
	const char *name; /* NULL: malformed */
} names[] = {
	{"00:05.0", "0000:00:05.0"},
	{"0000:00:05.0", "0000:00:05.0"},
	{"0000:FF:1F.7", "0000:ff:1f.7"},
	{"0:5.0", "0000:00:05.0"},
	{"10000:e1:00.0", "10000:e1:00.0"},
	{"fffffff:ff:1f.7", "fffffff:ff:1f.7"},
	{"", NULL},
	{"edu", NULL},
	{"00:05", NULL},
	{"00:05.", NULL},
	{"00.05.0", NULL},
	{":05.0", NULL},
	{"00::05.0", NULL},
	{"0000:00:05.8", NULL},
	{"0000:00:20.0", NULL},
	{"0000:100:05.0", NULL},
	{"0000:00:05.00", NULL},
	{"0000:00:05.0 ", NULL},
	{" 00:05.0", NULL},
	{"0000:00:05.0\n", NULL},
	{"0x00:05.0", NULL},
	{"-1:05.0", NULL},
	{"0000:0g:05.0", NULL},
	{"fffffffff:ff:1f.7", NULL},
	{"ffffffff:ff:1f.7", NULL},
	{"0:0000:00:05.0", NULL},
	{"../0000:00:05.0", NULL},
};

START_TEST(name_is_made_canonical_or_refused)
{
	char name[UDRV_PCI_NAME_MAX] = "untouched";
	int ret = udrv_pci_parse_name(names[_i].text, name);

	if (names[_i].name) {
		ck_assert_int_eq(ret, 0);
		ck_assert_str_eq(name, names[_i].name);
	} else {
		ck_assert_int_eq(ret, -EINVAL);
		ck_assert_str_eq(name, "untouched");
	}
}
END_TEST

START_TEST(no_name_is_malformed)
{
	struct udrv_pci_info info;
	char name[UDRV_PCI_NAME_MAX];

	ck_assert_int_eq(udrv_pci_parse_name(NULL, name), -EINVAL);
	ck_assert_int_eq(udrv_pci_info_read(NULL, &info), -EINVAL);
}
END_TEST

START_TEST(info_holds_every_attribute)
{
	struct udrv_pci_info info;

	fake_pci_device("0000:00:05.0", 0x1234, 0x11e8, "vfio-pci", 3);
	fake_file("vfio-pci\n", "sys/bus/pci/devices/0000:00:05.0/driver_override");
	fake_file("1\n", "sys/bus/pci/devices/0000:00:05.0/numa_node");
	ck_assert_int_eq(udrv_pci_info_read("00:05.0", &info), 0);
	ck_assert_str_eq(info.name, "0000:00:05.0");
	ck_assert_uint_eq(info.vendor, 0x1234);
	ck_assert_uint_eq(info.device, 0x11e8);
	ck_assert_uint_eq(info.subsystem_vendor, 0x1af4);
	ck_assert_uint_eq(info.subsystem_device, 0x1100);
	ck_assert_uint_eq(info.revision, 0x10);
	ck_assert_uint_eq(info.class_code, 0x00ff00);
	ck_assert_str_eq(info.driver, "vfio-pci");
	ck_assert_str_eq(info.driver_override, "vfio-pci");
	ck_assert_int_eq(info.iommu_group, 3);
	ck_assert_int_eq(info.numa_node, 1);
	ck_assert_uint_eq(info.resource[0].start, 0xfea00000);
	ck_assert_uint_eq(info.resource[0].len, 0x100000);
	ck_assert_uint_eq(info.resource[0].flags, UDRV_RESOURCE_MEM);
	ck_assert_uint_eq(info.resource[1].len, 0);
	ck_assert_uint_eq(info.resource[1].flags, 0);
	ck_assert_uint_eq(info.resource[4].len, 32);
	ck_assert_uint_eq(info.resource[4].flags, UDRV_RESOURCE_IO);
}
END_TEST

START_TEST(resource_flags_and_a_start_that_is_hidden)
{
	struct udrv_pci_info info;

	fake_pci_device("0000:00:05.0", 0x1234, 0x11e8, NULL, -1);
	fake_file("0x0000000000000000 0x0000000000003fff 0x000000000014220c\n"
		  "0 0 0\n0 0 0\n0 0 0\n0 0 0\n0 0 0\n"
		  "0x00000000fe000000 0x00000000fe03ffff 0x0000000000046200\n",
		  "sys/bus/pci/devices/0000:00:05.0/resource");
	ck_assert_int_eq(udrv_pci_info_read("00:05.0", &info), 0);
	ck_assert_uint_eq(info.resource[0].start, 0);
	ck_assert_uint_eq(info.resource[0].len, 0x4000);
	ck_assert_uint_eq(info.resource[0].flags,
			  UDRV_RESOURCE_MEM | UDRV_RESOURCE_MEM_64 | UDRV_RESOURCE_PREFETCH);
	ck_assert_uint_eq(info.resource[UDRV_PCI_ROM_RESOURCE].len, 0x40000);
}
END_TEST

START_TEST(no_driver_no_override_no_group)
{
	struct udrv_pci_info info;

	fake_pci_device("0000:00:05.0", 0x1234, 0x11e8, NULL, -1);
	ck_assert_int_eq(udrv_pci_info_read("0000:00:05.0", &info), 0);
	ck_assert_str_eq(info.driver, "");
	ck_assert_str_eq(info.driver_override, "");
	ck_assert_int_eq(info.iommu_group, -1);
	ck_assert_int_eq(info.numa_node, -1);
}
END_TEST

static void take_away(const char *attr)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/bus/pci/devices/0000:00:05.0/%s", sys_root, attr);
	ck_assert_int_eq(unlink(path), 0);
}

START_TEST(attributes_a_kernel_may_lack_read_as_none)
{
	struct udrv_pci_info info;

	fake_pci_device("0000:00:05.0", 0x1234, 0x11e8, NULL, -1);
	take_away("driver_override");
	take_away("numa_node");
	ck_assert_int_eq(udrv_pci_info_read("00:05.0", &info), 0);
	ck_assert_str_eq(info.driver_override, "");
	ck_assert_int_eq(info.numa_node, -1);
}
END_TEST

static const char *const needed[] = {"vendor",	 "device", "subsystem_vendor", "subsystem_device",
				     "revision", "class",  "resource"};

START_TEST(a_missing_needed_attribute_is_an_error)
{
	struct udrv_pci_info info = {.vendor = 0xbeef};

	fake_pci_device("0000:00:05.0", 0x1234, 0x11e8, NULL, -1);
	take_away(needed[_i]);
	ck_assert_int_eq(udrv_pci_info_read("00:05.0", &info), -EIO);
	ck_assert_uint_eq(info.vendor, 0xbeef);
	ck_assert_ptr_nonnull(strstr(logged, "0000:00:05.0"));
}
END_TEST

static const struct {
	const char *attr;
	const char *text;
} nonsense[] = {
	{"vendor", "0x12345\n"}, {"vendor", "\n"},	    {"vendor", "edu\n"},
	{"vendor", "-1\n"},	 {"class", "0x1000000\n"},  {"revision", "0x100\n"},
	{"resource", ""},	 {"resource", "0 0 0\n"},   {"device", "0x11e8 0x1\n"},
	{"resource", "x y z\n"}, {"class", "0x00ff00zz\n"},
};

START_TEST(an_attribute_of_another_form_is_an_error)
{
	struct udrv_pci_info info = {.vendor = 0xbeef};

	fake_pci_device("0000:00:05.0", 0x1234, 0x11e8, NULL, -1);
	fake_file(nonsense[_i].text, "sys/bus/pci/devices/0000:00:05.0/%s", nonsense[_i].attr);
	ck_assert_int_eq(udrv_pci_info_read("00:05.0", &info), -EIO);
	ck_assert_uint_eq(info.vendor, 0xbeef);
}
END_TEST

START_TEST(no_such_device_is_named_with_the_next_step)
{
	struct udrv_pci_info info = {.vendor = 0xbeef};

	fake_pci_device("0000:00:05.0", 0x1234, 0x11e8, NULL, -1);
	ck_assert_int_eq(udrv_pci_info_read("00:06.0", &info), -ENODEV);
	ck_assert_uint_eq(info.vendor, 0xbeef);
	ck_assert_ptr_nonnull(strstr(logged, "0000:00:06.0"));
	ck_assert_ptr_nonnull(strstr(logged, "udrv list"));
}
END_TEST

START_TEST(malformed_name_is_quoted)
{
	struct udrv_pci_info info;

	ck_assert_int_eq(udrv_pci_info_read("banana", &info), -EINVAL);
	ck_assert_ptr_nonnull(strstr(logged, "banana"));
}
END_TEST

struct seen {
	char names[256];
	int count;
	int stop_after;
};

static int note(const struct udrv_pci_info *info, void *ctx)
{
	struct seen *seen = ctx;

	size_t len = strlen(seen->names);

	(void)snprintf(seen->names + len, sizeof(seen->names) - len, "%s ", info->name);
	return ++seen->count == seen->stop_after ? 42 : 0;
}

static void make_bus(void)
{
	fake_pci_device("10000:01:00.0", 1, 1, NULL, 7);
	fake_pci_device("0000:00:1f.2", 1, 2, NULL, 3);
	fake_pci_device("0001:00:00.0", 1, 3, NULL, -1);
	fake_pci_device("0000:0a:00.0", 1, 4, NULL, 7);
	fake_pci_device("0000:00:02.0", 1, 5, NULL, 7);
}

START_TEST(walk_is_in_the_order_of_addresses)
{
	struct seen seen = {0};

	make_bus();
	fake_file("", "sys/bus/pci/devices/not-a-function/vendor");
	ck_assert_int_eq(udrv_pci_for_each(note, &seen), 0);
	ck_assert_str_eq(seen.names,
			 "0000:00:02.0 0000:00:1f.2 0000:0a:00.0 0001:00:00.0 10000:01:00.0 ");
}
END_TEST

START_TEST(walk_ends_when_told)
{
	struct seen seen = {.stop_after = 2};

	make_bus();
	ck_assert_int_eq(udrv_pci_for_each(note, &seen), 42);
	ck_assert_str_eq(seen.names, "0000:00:02.0 0000:00:1f.2 ");
}
END_TEST

START_TEST(walk_leaves_out_what_is_gone)
{
	struct seen seen = {0};

	fake_pci_device("0000:00:02.0", 1, 5, NULL, -1);
	fake_link("nowhere", "sys/kernel/iommu_groups/5/devices/0000:00:03.0");
	fake_link("nowhere", "sys/kernel/iommu_groups/5/devices/0000:00:02.0");
	ck_assert_int_eq(udrv_iommu_group_for_each(5, note, &seen), 0);
	ck_assert_str_eq(seen.names, "0000:00:02.0 ");
}
END_TEST

START_TEST(group_walk_sees_members_only)
{
	struct seen seen = {0};

	make_bus();
	ck_assert_int_eq(udrv_iommu_group_for_each(7, note, &seen), 0);
	ck_assert_str_eq(seen.names, "0000:00:02.0 0000:0a:00.0 10000:01:00.0 ");
}
END_TEST

START_TEST(no_bus_and_no_group)
{
	struct seen seen = {0};

	ck_assert_int_eq(udrv_pci_for_each(note, &seen), -ENOENT);
	ck_assert_int_eq(udrv_iommu_group_for_each(1, note, &seen), -ENOENT);
	ck_assert_int_eq(udrv_iommu_group_for_each(-1, note, &seen), -ENOENT);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

int main(void)
{
	Suite *s = suite_create("pci_info");
	TCase *tc = tcase_create("pci_info");

	tcase_add_checked_fixture(tc, setup, fake_tree_remove);
	tcase_add_loop_test(tc, name_is_made_canonical_or_refused, 0, COUNT(names));
	tcase_add_test(tc, no_name_is_malformed);
	tcase_add_test(tc, info_holds_every_attribute);
	tcase_add_test(tc, resource_flags_and_a_start_that_is_hidden);
	tcase_add_test(tc, no_driver_no_override_no_group);
	tcase_add_test(tc, attributes_a_kernel_may_lack_read_as_none);
	tcase_add_loop_test(tc, a_missing_needed_attribute_is_an_error, 0, COUNT(needed));
	tcase_add_loop_test(tc, an_attribute_of_another_form_is_an_error, 0, COUNT(nonsense));
	tcase_add_test(tc, no_such_device_is_named_with_the_next_step);
	tcase_add_test(tc, malformed_name_is_quoted);
	tcase_add_test(tc, walk_is_in_the_order_of_addresses);
	tcase_add_test(tc, walk_ends_when_told);
	tcase_add_test(tc, walk_leaves_out_what_is_gone);
	tcase_add_test(tc, group_walk_sees_members_only);
	tcase_add_test(tc, no_bus_and_no_group);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
