// SPDX-License-Identifier: MIT
/* `run --wait`: when a daemon has a device again, in a sysfs of the test's own. */
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "driver/daemon.h"
#include "pci/sysfs.h"

#include "support/fake_tree.h"
#include "support/suite.h"
#include "support/threads.h"
#include "support/wait_for.h"

#define DEVICE "0000:00:05.0"
#define LINK   "sys/bus/pci/devices/" DEVICE "/driver"

static char sys_root[sizeof(fake_root) + 8];
static struct udrv__daemon d;

static void setup(void)
{
	char path[PATH_MAX];

	fake_tree_make();
	(void)snprintf(sys_root, sizeof(sys_root), "%s/sys", fake_root);
	udrv__sysfs_root = sys_root;
	fake_path(path, "lock");
	d = (struct udrv__daemon){
		.program = "udrv-test", .name = DEVICE, .watchdog_fd = -1, .options.wait = true};
	d.options.stop_fd = eventfd(0, 0);
	d.lock_fd = open(path, O_RDWR | O_CREAT, 0600);
	ck_assert(d.options.stop_fd >= 0 && d.lock_fd >= 0);
}

static void teardown(void)
{
	close(d.lock_fd);
	close(d.options.stop_fd);
	fake_tree_remove();
}

static void *await(void *arg)
{
	(void)arg;
	return (void *)(intptr_t)udrv__daemon_await(&d);
}

static bool says(const char *state)
{
	char line[64];

	(void)snprintf(line, sizeof(line), "%d udrv-test%s\n", (int)getpid(), state);
	return !strcmp(fake_text("lock"), line);
}

static pthread_t begin(void)
{
	pthread_t waiter = start(await, NULL);

	WAIT_FOR(says(" waiting"));
	return waiter;
}

static int end(pthread_t waiter)
{
	return (int)(intptr_t)finish(waiter);
}

/* As sysfs does it: the new link is another file, whose number the old one did not have. */
static void bind_to(const char *driver)
{
	char path[PATH_MAX];
	char old[PATH_MAX];
	static int count;

	fake_path(path, LINK);
	(void)snprintf(old, sizeof(old), "%s/old%d", fake_root, count++);
	(void)rename(path, old);
	fake_pci_bound(DEVICE, driver);
}

START_TEST(one_that_is_bound_is_not_waited_for)
{
	fake_pci_device(DEVICE, 0x1234, 0x11e8, "vfio-pci", 3);
	ck_assert_int_eq(udrv__daemon_await(&d), 0);
	ck_assert_uint_ne(d.binding, 0);
	ck_assert_str_eq(fake_text("lock"), "");
}
END_TEST

START_TEST(one_that_is_not_there_yet)
{
	const pthread_t waiter = begin();

	fake_pci_device(DEVICE, 0x1234, 0x11e8, NULL, 3);
	fake_pci_driver("vfio-pci");
	bind_to("vfio-pci");
	ck_assert_int_eq(end(waiter), 0);
	ck_assert(says(""));
}
END_TEST

/* What is bound as it was has not left yet, though it was said to have gone. */
START_TEST(one_that_went_comes_by_another_binding)
{
	pthread_t waiter;
	uint64_t before;

	fake_pci_device(DEVICE, 0x1234, 0x11e8, "vfio-pci", 3);
	ck_assert_int_eq(udrv__daemon_await(&d), 0);
	before = d.binding;
	waiter = begin();
	bind_to("vfio-pci");
	ck_assert_int_eq(end(waiter), 0);
	ck_assert_uint_ne(d.binding, before);
}
END_TEST

START_TEST(one_that_another_driver_has)
{
	pthread_t waiter;

	fake_pci_device(DEVICE, 0x1234, 0x11e8, "nvme", 3);
	waiter = begin();
	fake_pci_driver("vfio-pci");
	bind_to("vfio-pci");
	ck_assert_int_eq(end(waiter), 0);
}
END_TEST

START_TEST(it_can_be_told_to_end)
{
	const pthread_t waiter = begin();

	ck_assert_int_eq(eventfd_write(d.options.stop_fd, 1), 0);
	ck_assert_int_eq(end(waiter), UDRV__STOPPED);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("await");
	TCase *tc = tcase_create("await");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, one_that_is_bound_is_not_waited_for);
	tcase_add_test(tc, one_that_is_not_there_yet);
	tcase_add_test(tc, one_that_went_comes_by_another_binding);
	tcase_add_test(tc, one_that_another_driver_has);
	tcase_add_test(tc, it_can_be_told_to_end);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
