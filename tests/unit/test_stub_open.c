// SPDX-License-Identifier: MIT
/* Opening a device by the stub: what can be wrong with it, what is said then; events, reset. */
#include <endian.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <udrv/device.h>
#include <udrv/pci.h>

#include "support/fake_machine.h"
#include "support/fault.h"
#include "support/suite.h"

#define NAME   "0000:00:05.0"
#define CONFIG UDRV_STUB_REGION_CONFIG

static struct fault_held before;
static struct udrv_device *dev;

static void setup(void)
{
	fake_stub_machine_make(NAME);
	fault_held(&before);
	dev = NULL;
}

static void teardown(void)
{
	struct fault_held now = {0};

	udrv_device_close(dev);
	ck_assert(fault_held_again(&before, &now));
	ck_assert_int_eq(fake_stub.fd, -1);
	fake_stub_machine_remove();
}

static void open_device(void)
{
	ck_assert_int_eq(udrv_device_open(NAME, NULL, &dev), 0);
}

/* Opening fails with err, says so and leaves nothing open; dev_out is untouched. */
static void refused(int err, const char *line)
{
	struct udrv_device *const untouched = (void *)&before;
	struct udrv_device *out = untouched;
	struct fault_held now = {0};

	fault_log_clear();
	ck_assert_int_eq(udrv_device_open(NAME, NULL, &out), err);
	ck_assert_ptr_eq(out, untouched);
	ck_assert_msg(fault_logged(line), "not said: '%s' but: %s", line, fault_log_text());
	ck_assert(fault_held_again(&before, &now));
	ck_assert_int_eq(fake_stub.fd, -1);
}

START_TEST(opens_what_is_bound_to_it)
{
	open_device();
	ck_assert_str_eq(udrv_device_backend(dev), "stub");
	ck_assert_uint_eq(udrv_pci_resource_len(dev, 0), 1 << 20);
	ck_assert_uint_eq(udrv_pci_resource_len(dev, 1), 0);
	ck_assert_uint_eq(udrv_pci_resource_len(dev, 2), 256);
	ck_assert(!fault_logged("have it open"));
}
END_TEST

START_TEST(not_what_is_bound_to_others)
{
	struct udrv_device *out = NULL;

	fake_pci_device("0000:00:06.0", 0x8086, 0x10d3, "e1000e", 4);
	ck_assert_int_eq(udrv_device_open("0000:00:06.0", "stub", &out), -ENODEV);
	ck_assert(fault_logged("0000:00:06.0: bound to driver e1000e"));
}
END_TEST

START_TEST(what_keeps_it_from_opening_is_told)
{
	static const struct {
		int err;
		const char *line;
	} why[] = {
		{ENOENT, NAME ": /dev/udrv_stub-" NAME " does not exist"},
		{EPERM, NAME ": no IOMMU confines it"},
		{EPERM, "CAP_SYS_RAWIO"},
		{EACCES, NAME ": no permission for /dev/udrv_stub-" NAME},
		{ENODEV, "udrv bind --driver stub " NAME},
		{EMFILE, "Too many open files"},
	};

	for (size_t i = 0; i < sizeof(why) / sizeof(why[0]); i++) {
		fake_stub.open_errno = why[i].err;
		refused(-why[i].err, why[i].line);
	}
	fake_stub.open_errno = 0;
	open_device();
}
END_TEST

START_TEST(a_module_of_another_version)
{
	fake_stub.abi = UDRV_STUB_ABI + 1;
	refused(-EPROTO,
		"the module udrv_stub is of another version, this library's interface is 1");
	fake_stub.abi = UDRV_STUB_ABI;
	open_device();
}
END_TEST

START_TEST(counts_that_cannot_be_mapped)
{
	fake_stub.mmap_errno = ENOMEM;
	refused(-ENOMEM, "cannot map the counts of its interrupts: Cannot allocate memory");
	fake_stub.mmap_errno = 0;
	open_device();
}
END_TEST

START_TEST(no_counts_is_no_error)
{
	fake_stub.info.vectors_len = 0;
	open_device();
}
END_TEST

START_TEST(other_users_are_told_of)
{
	fake_stub.info.users = 3;
	open_device();
	ck_assert(fault_logged(NAME ": 2 others have it open"));
}
END_TEST

static bool readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

START_TEST(the_devices_going_is_an_event)
{
	int fd;

	open_device();
	fd = udrv_device_event_fd(dev, UDRV_EVENT_REQUEST);
	ck_assert_int_ge(fd, 0);
	ck_assert(!readable(fd));
	fake_stub_remove();
	ck_assert(readable(fd));
}
END_TEST

START_TEST(errors_are_an_event_where_they_are_reported)
{
	open_device();
	ck_assert_int_eq(udrv_device_event_fd(dev, UDRV_EVENT_ERROR), -EOPNOTSUPP);
	udrv_device_close(dev);
	fake_stub.info.flags |= UDRV_STUB_REPORTS_ERRORS;
	open_device();
	ck_assert_int_ge(udrv_device_event_fd(dev, UDRV_EVENT_ERROR), 0);
	ck_assert_int_ge(fake_stub.event_fds[UDRV_STUB_EVENT_ERROR], 0);
}
END_TEST

START_TEST(enodev_says_that_it_is_gone)
{
	uint16_t command;

	open_device();
	ck_assert(!udrv_device_gone(dev));
	fake_stub_remove();
	ck_assert_int_eq(udrv_pci_read_config_word(dev, PCI_COMMAND, &command), -ENODEV);
	ck_assert(udrv_device_gone(dev));
	ck_assert(readable(udrv_device_event_fd(dev, UDRV_EVENT_GONE)));
}
END_TEST

static uint16_t command(void)
{
	return (uint16_t)fake_stub_peek(CONFIG, PCI_COMMAND, 2);
}

START_TEST(drivers_enable_it_and_master_the_bus)
{
	open_device();
	ck_assert_int_eq(udrv_pci_enable_device(dev), 0);
	ck_assert_uint_eq(command() & PCI_COMMAND_MASTER, 0);
	ck_assert_int_eq(udrv_pci_set_master(dev), 0);
	ck_assert_uint_eq(command(), PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	ck_assert_int_eq(udrv_pci_clear_master(dev), 0);
	ck_assert_uint_eq(command() & PCI_COMMAND_MASTER, 0);
}
END_TEST

/* Of the node's other files, to which the device is the same. */
static bool masters_after_close(void)
{
	int fd = dup(fake_stub.fd);
	uint16_t le = 0;

	udrv_device_close(dev);
	dev = NULL;
	ck_assert_int_eq(pread(fd, &le, 2, (off_t)(UDRV_STUB_OFFSET(CONFIG) | PCI_COMMAND)), 2);
	close(fd);
	return le16toh(le) & PCI_COMMAND_MASTER;
}

START_TEST(close_leaves_bus_mastering_to_who_switched_it_on)
{
	open_device();
	fake_stub_poke(CONFIG, PCI_COMMAND, PCI_COMMAND_MASTER, 2);
	ck_assert_int_eq(udrv_pci_enable_device(dev), 0);
	ck_assert_uint_eq(command(), PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	ck_assert(masters_after_close());
	/* Nor is it this one's because it wants what is on already. */
	open_device();
	fake_stub_poke(CONFIG, PCI_COMMAND, PCI_COMMAND_MASTER, 2);
	ck_assert_int_eq(udrv_pci_set_master(dev), 0);
	ck_assert(masters_after_close());
	open_device();
	fake_stub_poke(CONFIG, PCI_COMMAND, PCI_COMMAND_MASTER, 2);
	ck_assert_int_eq(udrv_pci_write_config_word(dev, PCI_COMMAND, PCI_COMMAND_MASTER), 0);
	ck_assert(masters_after_close());
	/* It was this one's, until the other one switched it off and on. */
	open_device();
	fake_stub_poke(CONFIG, PCI_COMMAND, 0, 2);
	ck_assert_int_eq(udrv_pci_set_master(dev), 0);
	fake_stub_poke(CONFIG, PCI_COMMAND, 0, 2);
	ck_assert_int_eq(udrv_pci_clear_master(dev), 0);
	fake_stub_poke(CONFIG, PCI_COMMAND, PCI_COMMAND_MASTER, 2);
	ck_assert_int_eq(udrv_pci_set_master(dev), 0);
	ck_assert(masters_after_close());
}
END_TEST

START_TEST(close_ends_bus_mastering_of_its_own)
{
	open_device();
	ck_assert_int_eq(udrv_pci_set_master(dev), 0);
	ck_assert_int_eq(udrv_pci_set_master(dev), 0);
	ck_assert(!masters_after_close());
	open_device();
	ck_assert_int_eq(udrv_pci_write_config_byte(dev, PCI_COMMAND, PCI_COMMAND_MASTER), 0);
	ck_assert(!masters_after_close());
	open_device();
	ck_assert_int_eq(udrv_pci_write_config_word(dev, PCI_COMMAND, PCI_COMMAND_MASTER), 0);
	ck_assert_int_eq(udrv_pci_write_config_word(dev, PCI_STATUS, 0), 0);
	ck_assert(!masters_after_close());
}
END_TEST

START_TEST(configuration_space_that_the_module_keeps)
{
	uint32_t val;

	open_device();
	fake_stub_poke(CONFIG, PCI_VENDOR_ID, 0x11e81234, 4);
	ck_assert_int_eq(udrv_pci_read_config_dword(dev, PCI_VENDOR_ID, &val), 0);
	ck_assert_uint_eq(val, 0x11e81234);
	ck_assert_int_eq(udrv_pci_write_config_dword(dev, PCI_BASE_ADDRESS_0, 0), -EPERM);
	ck_assert_int_eq(udrv_pci_write_config_byte(dev, 0x40, 1), 0);
	fake_stub.no_rawio = true;
	ck_assert_int_eq(udrv_pci_write_config_byte(dev, 0x40, 1), -EPERM);
	ck_assert(!udrv_device_gone(dev));
	/* The function has no more. */
	ck_assert_int_eq(udrv_pci_read_config_dword(dev, PCI_CFG_SPACE_SIZE, &val), -EINVAL);
	ck_assert_int_eq(udrv_pci_write_config_dword(dev, PCI_CFG_SPACE_SIZE, 0), -EINVAL);
}
END_TEST

START_TEST(reset_leaves_bus_mastering_as_it_was)
{
	open_device();
	ck_assert_int_eq(udrv_pci_reset_function(dev), 0);
	ck_assert_uint_eq(fake_stub.resets, 1);
	ck_assert_uint_eq(command() & PCI_COMMAND_MASTER, 0);
	ck_assert_int_eq(udrv_pci_set_master(dev), 0);
	ck_assert_int_eq(udrv_pci_reset_function(dev), 0);
	ck_assert_uint_eq(fake_stub.resets, 2);
	ck_assert_uint_eq(command() & PCI_COMMAND_MASTER, PCI_COMMAND_MASTER);
}
END_TEST

START_TEST(no_reset_where_there_is_none)
{
	fake_stub.info.flags &= ~UDRV_STUB_CAN_RESET;
	open_device();
	ck_assert_int_eq(udrv_pci_reset_function(dev), -ENOTTY);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("stub_open");
	TCase *tc = tcase_create("open");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, opens_what_is_bound_to_it);
	tcase_add_test(tc, not_what_is_bound_to_others);
	tcase_add_test(tc, what_keeps_it_from_opening_is_told);
	tcase_add_test(tc, a_module_of_another_version);
	tcase_add_test(tc, counts_that_cannot_be_mapped);
	tcase_add_test(tc, no_counts_is_no_error);
	tcase_add_test(tc, other_users_are_told_of);
	tcase_add_test(tc, the_devices_going_is_an_event);
	tcase_add_test(tc, errors_are_an_event_where_they_are_reported);
	tcase_add_test(tc, enodev_says_that_it_is_gone);
	tcase_add_test(tc, drivers_enable_it_and_master_the_bus);
	tcase_add_test(tc, close_leaves_bus_mastering_to_who_switched_it_on);
	tcase_add_test(tc, close_ends_bus_mastering_of_its_own);
	tcase_add_test(tc, configuration_space_that_the_module_keeps);
	tcase_add_test(tc, reset_leaves_bus_mastering_as_it_was);
	tcase_add_test(tc, no_reset_where_there_is_none);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
