// SPDX-License-Identifier: MIT
/* Who uses a device, on sysfs and proc made of files. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <check.h>

#include "inuse.h"
#include "pci/sysfs.h"
#include "support/fake_tree.h"
#include "support/suite.h"
#include "tool.h"

#define DISK "0000:00:05.0"
#define NIC  "0000:00:06.0"

static char sys_root[sizeof(fake_root) + 8];
static char proc_root[sizeof(fake_root) + 8];
static struct inuse inuse;
static const char *claimed;

/* In a child. */
static int fake_take(const char *path)
{
	if (claimed && !strcmp(claimed, "(hangs)"))
		for (;;)
			pause();
	return claimed && !strcmp(path, claimed) ? -EBUSY : 0;
}

static void make_block(const char *device, const char *name, const char *number)
{
	char target[256];

	fake_file(number, "sys/bus/pci/devices/" DISK "/%s/%s/dev", device, name);
	(void)snprintf(target, sizeof(target), "../../bus/pci/devices/" DISK "/%s/%s", device,
		       name);
	fake_link(target, "sys/class/block/%s", name);
}

static void setup(void)
{
	fake_tree_make();
	(void)snprintf(sys_root, sizeof(sys_root), "%s/sys", fake_root);
	(void)snprintf(proc_root, sizeof(proc_root), "%s/proc", fake_root);
	udrv__sysfs_root = sys_root;
	tool_proc_root = proc_root;
	inuse_take = fake_take;
	claimed = NULL;
	fake_pci_device(DISK, 0x1b36, 0x0010, "nvme", 2);
	fake_pci_device(NIC, 0x8086, 0x10d3, "e1000e", 3);
	make_block("nvme/nvme0", "nvme0n1", "259:0\n");
	make_block("nvme/nvme0/nvme0n1", "nvme0n1p1", "259:1\n");
	fake_file("", "proc/self/mountinfo");
}

static void find(const char *name)
{
	struct udrv_pci_info info;

	ck_assert_int_eq(udrv_pci_info_read(name, &info), 0);
	ck_assert_int_eq(inuse_find_all(&inuse, &info), 0);
}

static void assert_only(enum inuse_kind kind, const char *text)
{
	ck_assert_uint_eq(inuse.count, 1);
	ck_assert_int_eq(inuse.reason[0].kind, kind);
	ck_assert_str_eq(inuse.reason[0].text, text);
}

START_TEST(idle_device)
{
	fake_file("22 1 254:0 / / rw - ext4 /dev/vda rw\n", "proc/self/mountinfo");
	find(DISK);
	ck_assert_uint_eq(inuse.count, 0);
}
END_TEST

START_TEST(partition_mounted)
{
	fake_file("22 1 254:0 / / rw - ext4 /dev/vda rw\n"
		  "36 22 259:1 / /mnt rw,noatime shared:1 - ext4 /dev/nvme0n1p1 rw\n",
		  "proc/self/mountinfo");
	find(DISK);
	assert_only(INUSE_MOUNT, "nvme0n1p1 is mounted at /mnt");
	find(NIC);
	ck_assert_uint_eq(inuse.count, 0);
}
END_TEST

START_TEST(mount_with_a_number_of_its_own)
{
	fake_file("36 22 0:45 / /mnt rw - btrfs /dev/nvme0n1 rw\n", "proc/self/mountinfo");
	find(DISK);
	assert_only(INUSE_MOUNT, "nvme0n1 is mounted at /mnt");
}
END_TEST

START_TEST(nonsense_in_mountinfo_is_passed_over)
{
	fake_file("\n - \n36\n36 22 259:1\n - ext4 /dev/nvme0n1 rw\n", "proc/self/mountinfo");
	find(DISK);
	ck_assert_uint_eq(inuse.count, 0);
}
END_TEST

START_TEST(swapped_to)
{
	fake_file("Filename Type Size Used Priority\n/dev/nvme0n1p1 partition 65532 0 -2\n",
		  "proc/swaps");
	find(DISK);
	assert_only(INUSE_SWAP, "nvme0n1p1 is swap space");
}
END_TEST

START_TEST(built_upon)
{
	fake_file("", "sys/bus/pci/devices/" DISK "/nvme/nvme0/nvme0n1/nvme0n1p1/holders/dm-0");
	find(DISK);
	assert_only(INUSE_HOLDER, "nvme0n1p1 is part of dm-0");
}
END_TEST

START_TEST(disk_with_several_paths)
{
	fake_file("259:7\n", "sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme1n1/dev");
	fake_link("../../devices/virtual/nvme-subsystem/nvme-subsys0/nvme1n1",
		  "sys/class/block/nvme1n1");
	fake_file("", "sys/bus/pci/devices/" NIC "/nvme/nvme1/state");
	fake_link("../../../../bus/pci/devices/" NIC "/nvme/nvme1",
		  "sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme1");
	fake_file("36 22 259:7 / /mnt rw - ext4 /dev/nvme1n1 rw\n", "proc/self/mountinfo");
	find(NIC);
	assert_only(INUSE_MOUNT, "nvme1n1 is mounted at /mnt");
	find(DISK);
	ck_assert_uint_eq(inuse.count, 0);
}
END_TEST

/* Of no PCI function: a server's disk. */
static void make_served_disk(void)
{
	fake_file("259:10\n", "sys/class/block/ublkb1/dev");
	fake_file("1\n", "sys/class/block/ublkb1/ublkb1p1/partition");
	fake_file("259:11\n", "sys/class/block/ublkb1p1/dev");
}

START_TEST(disk_by_name_with_its_partitions)
{
	char text[128];

	make_served_disk();
	fake_file("36 22 259:12 / /mnt rw - ext4 /dev/ublkb11 rw\n", "proc/self/mountinfo");
	ck_assert_int_eq(inuse_find_disk(&inuse, "ublkb1"), 0);
	ck_assert_uint_eq(inuse.count, 0);
	fake_file("36 22 259:11 / /mnt rw - ext4 /dev/ublkb1p1 rw\n", "proc/self/mountinfo");
	fake_link("/dev/ublkb1", "proc/41/fd/3");
	fake_file("dd\n", "proc/41/comm");
	ck_assert_int_eq(inuse_find_disk(&inuse, "ublkb1"), 0);
	ck_assert_uint_eq(inuse.count, 2);
	inuse_describe(&inuse, text, sizeof(text));
	ck_assert_str_eq(text, "ublkb1p1 is mounted at /mnt, process 41 (dd) has /dev/ublkb1 open");
	inuse_describe(&inuse, text, 12);
	ck_assert_str_eq(text, "ublkb1p1 is");
}
END_TEST

START_TEST(claimed_without_any_other_sign)
{
	claimed = "/dev/nvme0n1p1";
	find(DISK);
	assert_only(INUSE_CLAIM, "nvme0n1p1 is claimed by the kernel (a file system in another "
				 "mount namespace, a pool, a journal, ...)");
	ck_assert_str_eq(inuse.reason[0].brief, "claimed");
	find(NIC);
	ck_assert_uint_eq(inuse.count, 0);
	make_served_disk();
	claimed = "/dev/ublkb1p1";
	ck_assert_int_eq(inuse_find_disk(&inuse, "ublkb1"), 0);
	ck_assert_uint_eq(inuse.count, 1);
	ck_assert_int_eq(inuse.reason[0].kind, INUSE_CLAIM);
}
END_TEST

/* A mounted disk is claimed, too: that is said once. */
START_TEST(with_another_reason_it_is_not_tried)
{
	claimed = "/dev/nvme0n1";
	fake_file("36 22 259:1 / /mnt rw - ext4 /dev/nvme0n1p1 rw\n", "proc/self/mountinfo");
	find(DISK);
	assert_only(INUSE_MOUNT, "nvme0n1p1 is mounted at /mnt");
}
END_TEST

START_TEST(a_disk_that_hangs_is_not_waited_for)
{
	claimed = "(hangs)";
	find(DISK);
	ck_assert_uint_eq(inuse.count, 0);
}
END_TEST

static void make_interface(const char *flags)
{
	fake_file(flags, "sys/bus/pci/devices/" NIC "/net/eth0/flags");
	fake_link("../../bus/pci/devices/" NIC "/net/eth0", "sys/class/net/eth0");
}

START_TEST(interface_up)
{
	make_interface("0x1003\n");
	find(NIC);
	assert_only(INUSE_NETIF, "network interface eth0 is up");
	ck_assert_str_eq(inuse.reason[0].brief, "eth0 up");
}
END_TEST

START_TEST(interface_down)
{
	make_interface("0x1002\n");
	find(NIC);
	ck_assert_uint_eq(inuse.count, 0);
}
END_TEST

START_TEST(process_with_the_group_open)
{
	fake_pci_device(NIC, 0x8086, 0x10d3, "vfio-pci", 3);
	fake_link("/dev/null", "proc/41/fd/0");
	fake_link("/dev/vfio/31", "proc/41/fd/1");
	fake_link("/dev/vfio/3", "proc/4242/fd/7");
	fake_link("/dev/vfio/3", "proc/4242/fd/8");
	fake_file("udrv-e1000e\n", "proc/4242/comm");
	find(NIC);
	assert_only(INUSE_OPEN, "process 4242 (udrv-e1000e) has /dev/vfio/3 open");
	ck_assert_int_eq(inuse.reason[0].pid, 4242);
	ck_assert_str_eq(inuse.reason[0].brief, "pid 4242 (udrv-e1000e)");
}
END_TEST

START_TEST(a_process_may_call_itself_what_it_likes)
{
	fake_pci_device(NIC, 0x8086, 0x10d3, "vfio-pci", 3);
	fake_link("/dev/vfio/3", "proc/4242/fd/7");
	fake_file("a\033[2J\xffz\n", "proc/4242/comm");
	find(NIC);
	assert_only(INUSE_OPEN, "process 4242 (a?[2J?z) has /dev/vfio/3 open");
}
END_TEST

/* A character device of the card, as the kernel shows it. */
static void make_char(const char *path, const char *number, const char *node)
{
	char text[128];

	(void)snprintf(text, sizeof(text), "MAJOR=%.3s\nMINOR=0\nDEVNAME=%s\n", number, node);
	fake_file(text, "sys/bus/pci/devices/" NIC "/%s/uevent", path);
	(void)snprintf(text, sizeof(text), "../../bus/pci/devices/" NIC "/%s", path);
	fake_link(text, "sys/dev/char/%s", number);
}

START_TEST(process_with_a_node_of_it_open)
{
	static const struct {
		const char *driver, *path, *node;
	} cases[] = {
		{"uio_pci_generic", "uio/uio2", "uio2"},
		{"udrv_stub", "udrv_stub/udrv_stub-" NIC, "udrv_stub-" NIC},
		{"vfio-pci", "vfio-dev/vfio0", "vfio/devices/vfio0"},
		{"i915", "drm/card0", "dri/card0"},
	};
	const char *driver = cases[_i].driver;
	char path[64];
	char text[128];

	fake_pci_device(NIC, 0x8086, 0x10d3, driver, 3);
	make_char(cases[_i].path, "226:0", cases[_i].node);
	fake_file("MAJOR=1\nMINOR=3\nDEVNAME=null\n", "sys/devices/virtual/mem/null/uevent");
	fake_link("../../devices/virtual/mem/null", "sys/dev/char/1:3");
	fake_link("/dev/null", "proc/76/fd/0");
	find(NIC);
	ck_assert_uint_eq(inuse.count, 0);
	(void)snprintf(path, sizeof(path), "/dev/%s", cases[_i].node);
	fake_link(path, "proc/77/fd/3");
	find(NIC);
	(void)snprintf(text, sizeof(text), "process 77 (?) has %s open", path);
	assert_only(INUSE_OPEN, text);
	find(DISK);
	ck_assert_uint_eq(inuse.count, 0);
}
END_TEST

START_TEST(more_reasons_than_there_is_room_for)
{
	fake_pci_device(NIC, 0x8086, 0x10d3, "vfio-pci", 3);
	for (int i = 0; i < INUSE_MAX + 4; i++)
		fake_link("/dev/vfio/3", "proc/%d/fd/0", 1000 + i);
	find(NIC);
	ck_assert_uint_eq(inuse.count, INUSE_MAX);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("inuse");
	TCase *tc = tcase_create("inuse");

	tcase_add_checked_fixture(tc, setup, fake_tree_remove);
	tcase_add_test(tc, claimed_without_any_other_sign);
	tcase_add_test(tc, with_another_reason_it_is_not_tried);
	tcase_add_test(tc, a_disk_that_hangs_is_not_waited_for);
	tcase_add_test(tc, idle_device);
	tcase_add_test(tc, partition_mounted);
	tcase_add_test(tc, mount_with_a_number_of_its_own);
	tcase_add_test(tc, nonsense_in_mountinfo_is_passed_over);
	tcase_add_test(tc, swapped_to);
	tcase_add_test(tc, built_upon);
	tcase_add_test(tc, disk_with_several_paths);
	tcase_add_test(tc, disk_by_name_with_its_partitions);
	tcase_add_test(tc, interface_up);
	tcase_add_test(tc, interface_down);
	tcase_add_test(tc, process_with_the_group_open);
	tcase_add_test(tc, a_process_may_call_itself_what_it_likes);
	tcase_add_loop_test(tc, process_with_a_node_of_it_open, 0, 4);
	tcase_add_test(tc, more_reasons_than_there_is_room_for);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
