// SPDX-License-Identifier: MIT
/* What `udrv iomem` and `udrv ioports` make of sysfs, /proc and what daemons tell. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <udrv/device.h>
#include <udrv/pci.h>

#include "pci/device.h"
#include "pci/sysfs.h"
#include "ranges.h"
#include "tool.h"

#include "support/fake_tree.h"
#include "support/suite.h"

#define EDU "0000:00:05.0"
#define NIC "0000:00:06.0"

static struct ranges_wanted wanted;
static struct ranges ranges;
static struct udrv_device *dev;
static struct udrv__claim_file file;

static void setup(void)
{
	static char sysfs[sizeof(fake_root) + 8];
	static char proc[sizeof(fake_root) + 8];

	fake_tree_make();
	(void)snprintf(sysfs, sizeof(sysfs), "%s/sys", fake_root);
	(void)snprintf(proc, sizeof(proc), "%s/proc", fake_root);
	udrv__sysfs_root = sysfs;
	tool_proc_root = proc;
	ck_assert_int_eq(setenv("UDRV_RUNTIME_DIR", fake_root, 1), 0);
	fake_file("pci\n", "sys/bus/pci/devices/.keep");
	wanted = (struct ranges_wanted){0};
}

static void teardown(void)
{
	ranges_free(&ranges);
	udrv_device_close(dev);
	dev = NULL;
	udrv__claims_destroy(&file);
	fake_tree_remove();
}

/* What is printed. */
static const char *shown(void)
{
	static char all[8192];
	char text[512];
	size_t len = 0;

	all[0] = 0;
	ranges_free(&ranges);
	ck_assert_int_eq(ranges_read(&ranges, &wanted), 0);
	for (size_t i = 0; i < ranges.count; i++)
		len += (size_t)snprintf(
			all + len, sizeof(all) - len, "%*s%s\n", (int)(2 * ranges.range[i].depth),
			"", range_text(&ranges.range[i], wanted.ports, text, sizeof(text)));
	return all;
}

static void place_bar0(const char *name, const char *line)
{
	char text[1024];

	(void)snprintf(text, sizeof(text), "%s\n%s", line,
		       strchr(fake_text("sys/bus/pci/devices/%s/resource", name), '\n') + 1);
	fake_file(text, "sys/bus/pci/devices/%s/resource", name);
}

START_TEST(bars_in_the_order_of_their_addresses)
{
	fake_pci_device(EDU, 0x1234, 0x11e8, "vfio-pci", 3);
	fake_pci_device(NIC, 0x8086, 0x10d3, NULL, -1);
	place_bar0(NIC, "0x00000000fe000000 0x00000000fe01ffff 0x0000000000040200");
	ck_assert_str_eq(shown(), "fe000000-fe01ffff : " NIC " BAR 0\n"
				  "fea00000-feafffff : " EDU " BAR 0, vfio-pci\n");
	ck_assert(ranges.kernel_hidden);
	wanted.ports = true;
	ck_assert_str_eq(shown(), "c000-c01f : " EDU " BAR 4, vfio-pci\n"
				  "c000-c01f : " NIC " BAR 4\n");
	wanted.device = NIC;
	ck_assert_str_eq(shown(), "c000-c01f : " NIC " BAR 4\n");
}
END_TEST

START_TEST(the_rom_is_named)
{
	fake_pci_device(EDU, 0x1234, 0x11e8, NULL, -1);
	fake_file("0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
		  "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
		  "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
		  "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
		  "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
		  "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
		  "0x00000000feb00000 0x00000000feb3ffff 0x0000000000046200\n",
		  "sys/bus/pci/devices/" EDU "/resource");
	ck_assert_str_eq(shown(), "feb00000-feb3ffff : " EDU " ROM\n");
}
END_TEST

static const char iomem[] = "00000000-00000fff : Reserved\n"
			    "fe000000-febfffff : PCI Bus 0000:00\n"
			    "  fea00000-feafffff : PCI Bus 0000:01\n"
			    "    fea00000-feafffff : " EDU "\n"
			    "      fea00000-feafffff : vfio-pci\n"
			    "  feb00000-feb00fff : " NIC "\n"
			    "fec00000-fec003ff : IOAPIC 0\n";

START_TEST(what_the_kernel_has_inside)
{
	fake_pci_device(EDU, 0x1234, 0x11e8, "vfio-pci", 3);
	fake_file(iomem, "proc/iomem");
	ck_assert_str_eq(shown(), "fea00000-feafffff : " EDU " BAR 0, vfio-pci\n"
				  "  fea00000-feafffff : vfio-pci\n");
	ck_assert(!ranges.kernel_hidden);
}
END_TEST

/* Any driver by which user space drives devices; of others nobody is looked for. */
START_TEST(who_has_a_device_open)
{
	static const char *const drivers[] = {"vfio-pci", "mlx5_vfio_pci"};

	fake_link("/dev/vfio/3", "proc/4242/fd/7");
	fake_file("dpdk\n", "proc/4242/comm");
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		char expected[128];

		fake_pci_device(EDU, 0x1234, 0x11e8, drivers[i], 3);
		(void)snprintf(expected, sizeof(expected),
			       "fea00000-feafffff : " EDU " BAR 0, %s, dpdk (pid 4242)\n",
			       drivers[i]);
		ck_assert_str_eq(shown(), expected);
	}
}
END_TEST

START_TEST(all_that_the_kernel_has)
{
	fake_pci_device(EDU, 0x1234, 0x11e8, "vfio-pci", 3);
	fake_file(iomem, "proc/iomem");
	wanted.all = true;
	ck_assert_str_eq(shown(), "00000000-00000fff : Reserved\n"
				  "fe000000-febfffff : PCI Bus 0000:00\n"
				  "  fea00000-feafffff : PCI Bus 0000:01\n"
				  "    fea00000-feafffff : " EDU " BAR 0, vfio-pci\n"
				  "      fea00000-feafffff : vfio-pci\n"
				  "  feb00000-feb00fff : " NIC "\n"
				  "fec00000-fec003ff : IOAPIC 0\n");
}
END_TEST

START_TEST(addresses_that_this_user_may_not_know)
{
	fake_pci_device(EDU, 0x1234, 0x11e8, "vfio-pci", 3);
	fake_file("00000000-00000000 : Reserved\n00000000-00000000 : PCI Bus 0000:00\n"
		  "  00000000-00000000 : " EDU "\n",
		  "proc/iomem");
	ck_assert_str_eq(shown(), "fea00000-feafffff : " EDU " BAR 0, vfio-pci\n");
	ck_assert(ranges.kernel_hidden);
}
END_TEST

START_TEST(claims_of_all_who_have_the_stub)
{
	fake_pci_device(EDU, 0x1234, 0x11e8, "udrv_stub", -1);
	fake_file("0 100 80 12 edu\n"
		  "0 0 80 13 two words\n"
		  "4 8 4 12 ports\n",
		  "sys/class/udrv_stub/udrv_stub-" EDU "/claims");
	fake_file("udrv-edu\n", "proc/12/comm");
	fake_file(iomem, "proc/iomem");
	ck_assert_str_eq(shown(), "fea00000-feafffff : " EDU " BAR 0, udrv_stub\n"
				  "  fea00000-feafffff : vfio-pci\n"
				  "    fea00000-fea0007f : two words, ? (pid 13)\n"
				  "    fea00100-fea0017f : edu, udrv-edu (pid 12)\n");
	wanted.ports = true;
	ck_assert_str_eq(shown(), "c000-c01f : " EDU " BAR 4, udrv_stub\n"
				  "  c008-c00b : ports, udrv-edu (pid 12)\n");
}
END_TEST

START_TEST(nonsense_of_the_stub_is_passed_over)
{
	fake_pci_device(EDU, 0x1234, 0x11e8, "udrv_stub", -1);
	fake_file("\n0\n0 x 1 1 a\n0 0 0 1 a\n0 100000 1 1 a\n0 1 ffffffffffffffff 1 a\n7 0 1 1 a\n"
		  "0 ff 1 1 good",
		  "sys/class/udrv_stub/udrv_stub-" EDU "/claims");
	ck_assert_str_eq(shown(), "fea00000-feafffff : " EDU " BAR 0, udrv_stub\n"
				  "  fea000ff-fea000ff : good, ? (pid 1)\n");
}
END_TEST

/* A daemon of this process, on a model. */
static void start_daemon(const char *model)
{
	ck_assert_int_eq(udrv_device_open(model, NULL, &dev), 0);
	ck_assert_int_eq(udrv__claims_create(&file, fake_root, "test", dev), 0);
}

START_TEST(a_models_claims)
{
	char expected[512];

	start_daemon("model:ivshmem");
	ck_assert_int_eq(udrv_request_region(dev, 1, 0x10, 0x10, "upper"), 0);
	ck_assert_int_eq(udrv_request_region(dev, 0, 0, 8, "lower"), 0);
	fake_pci_device(EDU, 0x1234, 0x11e8, NULL, -1);
	(void)snprintf(expected, sizeof(expected),
		       "fea00000-feafffff : " EDU " BAR 0\n"
		       "00000000-000000ff : model:ivshmem BAR 0, udrv-test (pid %d)\n"
		       "  00000000-00000007 : lower, udrv-test (pid %d)\n"
		       "00000000-00000fff : model:ivshmem BAR 1, udrv-test (pid %d)\n"
		       "  00000010-0000001f : upper, udrv-test (pid %d)\n",
		       getpid(), getpid(), getpid(), getpid());
	ck_assert_str_eq(shown(), expected);
	wanted.device = "model:ivshmem";
	ck_assert_str_eq(shown(), strchr(expected, '\n') + 1);
	wanted.device = "model:edu";
	ck_assert_str_eq(shown(), "");
}
END_TEST

/* A daemon's file as if it drove a PCI device. */
START_TEST(a_daemons_claims_of_a_pci_device)
{
	char expected[512];

	fake_pci_device(EDU, 0x1234, 0x11e8, "vfio-pci", 3);
	start_daemon("model:edu");
	ck_assert_int_eq(udrv_request_region(dev, 0, 0x60, 8, "irqs"), 0);
	strcpy(file.table->device, EDU);
	(void)snprintf(expected, sizeof(expected),
		       "fea00000-feafffff : " EDU " BAR 0, vfio-pci, udrv-test (pid %d)\n"
		       "  fea00060-fea00067 : irqs, udrv-test (pid %d)\n",
		       getpid(), getpid());
	ck_assert_str_eq(shown(), expected);
	/* With the stub it is the stub that knows. */
	fake_file("", "sys/class/udrv_stub/udrv_stub-" EDU "/claims");
	ck_assert_ptr_null(strstr(shown(), "irqs"));
}
END_TEST

static json_object *at(json_object *array, size_t i)
{
	json_object *o = json_object_array_get_idx(array, i);

	ck_assert_ptr_nonnull(o);
	return o;
}

static json_object *field(json_object *o, const char *key)
{
	json_object *found = NULL;

	ck_assert_msg(json_object_object_get_ex(o, key, &found), "no %s in %s", key,
		      json_object_to_json_string(o));
	return found;
}

START_TEST(json_is_nested)
{
	json_object *array;
	json_object *bar;
	json_object *claim;

	fake_pci_device(EDU, 0x1234, 0x11e8, "udrv_stub", -1);
	fake_file("0 0 80 12 edu\n", "sys/class/udrv_stub/udrv_stub-" EDU "/claims");
	fake_file(iomem, "proc/iomem");
	(void)shown();
	array = ranges_json(&ranges);
	ck_assert_uint_eq(json_object_array_length(array), 1);
	bar = at(array, 0);
	ck_assert_str_eq(json_object_get_string(field(bar, "kind")), "bar");
	ck_assert_uint_eq(json_object_get_uint64(field(bar, "start")), 0xfea00000);
	ck_assert_uint_eq(json_object_get_uint64(field(bar, "end")), 0xfeafffff);
	ck_assert_str_eq(json_object_get_string(field(bar, "device")), EDU);
	ck_assert_int_eq(json_object_get_int(field(bar, "bar")), 0);
	ck_assert_str_eq(json_object_get_string(field(bar, "driver")), "udrv_stub");
	ck_assert_ptr_null(field(bar, "process"));
	ck_assert_str_eq(json_object_get_string(field(at(field(bar, "inside"), 0), "kind")),
			 "kernel");
	claim = at(field(at(field(bar, "inside"), 0), "inside"), 0);
	ck_assert_str_eq(json_object_get_string(field(claim, "kind")), "claim");
	ck_assert_str_eq(json_object_get_string(field(claim, "name")), "edu");
	ck_assert_int_eq(json_object_get_int(field(field(claim, "process"), "pid")), 12);
	ck_assert_uint_eq(json_object_array_length(field(claim, "inside")), 0);
	json_object_put(array);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ranges");
	TCase *tc = tcase_create("ranges");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, bars_in_the_order_of_their_addresses);
	tcase_add_test(tc, the_rom_is_named);
	tcase_add_test(tc, what_the_kernel_has_inside);
	tcase_add_test(tc, who_has_a_device_open);
	tcase_add_test(tc, all_that_the_kernel_has);
	tcase_add_test(tc, addresses_that_this_user_may_not_know);
	tcase_add_test(tc, claims_of_all_who_have_the_stub);
	tcase_add_test(tc, nonsense_of_the_stub_is_passed_over);
	tcase_add_test(tc, a_models_claims);
	tcase_add_test(tc, a_daemons_claims_of_a_pci_device);
	tcase_add_test(tc, json_is_nested);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
