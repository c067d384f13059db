// SPDX-License-Identifier: MIT
/* Configuration space and its capability lists, behind VFIO; also what broken devices have in it.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>

#include <udrv/device.h>
#include <udrv/pci.h>

#include "support/fake_machine.h"
#include "support/fault.h"
#include "support/suite.h"

#define NAME   "0000:00:05.0"
#define CONFIG VFIO_PCI_CONFIG_REGION_INDEX

static struct fake_device *fake;
static struct udrv_device *dev;

static void open_with(uint64_t config_size)
{
	fake->regions[CONFIG].size = config_size;
	ck_assert_int_eq(udrv_device_open(NAME, NULL, &dev), 0);
}

static void setup(void)
{
	fake = fake_machine_make(NAME);
}

static void setup_pci(void)
{
	setup();
	open_with(PCI_CFG_SPACE_SIZE);
}

static void setup_pcie(void)
{
	setup();
	open_with(PCI_CFG_SPACE_EXP_SIZE);
}

static void teardown(void)
{
	udrv_device_close(dev);
	fake_machine_remove();
}

static void put(uint64_t offset, uint64_t val, unsigned int size)
{
	fake_vfio_poke(fake, CONFIG, offset, val, size);
}

static void put_cap(unsigned int at, unsigned int id, unsigned int next)
{
	put(at, id | next << 8, 2);
}

static void put_ext_cap(unsigned int at, unsigned int id, unsigned int next)
{
	put(at, id | 1u << 16 | (uint64_t)next << 20, 4);
}

START_TEST(reads_and_writes_each_size)
{
	uint32_t dword = 0;
	uint16_t word = 0;
	uint8_t byte = 0;

	put(0, 0x11e81234, 4);
	ck_assert_int_eq(udrv_pci_read_config_dword(dev, 0, &dword), 0);
	ck_assert_uint_eq(dword, 0x11e81234);
	ck_assert_int_eq(udrv_pci_read_config_word(dev, 2, &word), 0);
	ck_assert_uint_eq(word, 0x11e8);
	ck_assert_int_eq(udrv_pci_read_config_byte(dev, 3, &byte), 0);
	ck_assert_uint_eq(byte, 0x11);
	ck_assert_int_eq(udrv_pci_write_config_byte(dev, 0x3c, 0xab), 0);
	ck_assert_int_eq(udrv_pci_write_config_word(dev, 0x3e, 0xcdef), 0);
	ck_assert_uint_eq(fake_vfio_peek(fake, CONFIG, 0x3c, 4), 0xcdef00ab);
	ck_assert_int_eq(udrv_pci_write_config_dword(dev, 0xfc, 0x01020304), 0);
	ck_assert_uint_eq(fake_vfio_peek(fake, CONFIG, 0xfc, 4), 0x01020304);
}
END_TEST

START_TEST(bad_offsets_leave_the_value_alone)
{
	static const int bad[] = {-4, -1, 1, 2, 0x100, 0x1000, 0xffe, 0x7ffffffc};
	uint32_t dword = 7;
	uint16_t word = 7;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_eq(udrv_pci_read_config_dword(dev, bad[i], &dword), -EINVAL);
		ck_assert_int_eq(udrv_pci_write_config_dword(dev, bad[i], 0), -EINVAL);
	}
	ck_assert_int_eq(udrv_pci_read_config_word(dev, 3, &word), -EINVAL);
	ck_assert_uint_eq(dword, 7);
	ck_assert_uint_eq(word, 7);
}
END_TEST

START_TEST(a_failing_read_leaves_the_value_alone)
{
	uint32_t val = 7;

	fault_arm_call("pread", 1, EIO);
	ck_assert_int_eq(udrv_pci_read_config_dword(dev, 0, &val), -EIO);
	ck_assert_str_eq(fault_disarm(), "pread");
	ck_assert_uint_eq(val, 7);
}
END_TEST

START_TEST(walks_the_list)
{
	put(PCI_STATUS, PCI_STATUS_CAP_LIST, 2);
	put(PCI_CAPABILITY_LIST, 0x43, 1); /* the low bits are reserved */
	put_cap(0x40, PCI_CAP_ID_MSI, 0x60);
	put_cap(0x60, PCI_CAP_ID_VNDR, 0x80);
	put_cap(0x80, PCI_CAP_ID_VNDR, 0);
	ck_assert_uint_eq(udrv_pci_find_capability(dev, PCI_CAP_ID_MSI), 0x40);
	ck_assert_uint_eq(udrv_pci_find_capability(dev, PCI_CAP_ID_VNDR), 0x60);
	ck_assert_uint_eq(udrv_pci_find_next_capability(dev, 0x60, PCI_CAP_ID_VNDR), 0x80);
	ck_assert_uint_eq(udrv_pci_find_next_capability(dev, 0x80, PCI_CAP_ID_VNDR), 0);
	ck_assert_uint_eq(udrv_pci_find_capability(dev, PCI_CAP_ID_EXP), 0);
}
END_TEST

START_TEST(no_list_without_the_status_bit)
{
	put(PCI_CAPABILITY_LIST, 0x40, 1);
	put_cap(0x40, PCI_CAP_ID_MSI, 0);
	ck_assert_uint_eq(udrv_pci_find_capability(dev, PCI_CAP_ID_MSI), 0);
}
END_TEST

START_TEST(a_list_that_loops_ends)
{
	put(PCI_STATUS, PCI_STATUS_CAP_LIST, 2);
	put(PCI_CAPABILITY_LIST, 0x40, 1);
	put_cap(0x40, PCI_CAP_ID_MSI, 0x60);
	put_cap(0x60, PCI_CAP_ID_VNDR, 0x40);
	ck_assert_uint_eq(udrv_pci_find_capability(dev, PCI_CAP_ID_EXP), 0);
	put_cap(0x60, PCI_CAP_ID_VNDR, 0x60);
	ck_assert_uint_eq(udrv_pci_find_capability(dev, PCI_CAP_ID_EXP), 0);
}
END_TEST

START_TEST(a_list_into_the_header_ends)
{
	put(PCI_STATUS, PCI_STATUS_CAP_LIST, 2);
	put(PCI_CAPABILITY_LIST, 0x04, 1);
	put(0x04, PCI_CAP_ID_EXP, 2);
	ck_assert_uint_eq(udrv_pci_find_capability(dev, PCI_CAP_ID_EXP), 0);
}
END_TEST

static void fill(uint64_t size, uint64_t val)
{
	for (uint64_t i = 0; i < size; i += 8)
		put(i, val, 8);
}

START_TEST(a_device_that_does_not_answer_has_none)
{
	fill(PCI_CFG_SPACE_SIZE, UINT64_MAX);
	ck_assert_uint_eq(udrv_pci_find_capability(dev, 0xff), 0);
	ck_assert_uint_eq(udrv_pci_find_capability(dev, PCI_CAP_ID_MSI), 0);
	ck_assert_uint_eq(udrv_pci_find_ext_capability(dev, PCI_EXT_CAP_ID_ERR), 0);
}
END_TEST

START_TEST(walks_the_extended_list)
{
	put_ext_cap(0x100, PCI_EXT_CAP_ID_ERR, 0x200);
	put_ext_cap(0x200, PCI_EXT_CAP_ID_SRIOV, 0xff8);
	put_ext_cap(0xff8, PCI_EXT_CAP_ID_ATS, 0);
	ck_assert_uint_eq(udrv_pci_find_ext_capability(dev, PCI_EXT_CAP_ID_ERR), 0x100);
	ck_assert_uint_eq(udrv_pci_find_ext_capability(dev, PCI_EXT_CAP_ID_SRIOV), 0x200);
	ck_assert_uint_eq(udrv_pci_find_ext_capability(dev, PCI_EXT_CAP_ID_ATS), 0xff8);
	ck_assert_uint_eq(udrv_pci_find_ext_capability(dev, PCI_EXT_CAP_ID_LTR), 0);
}
END_TEST

START_TEST(an_extended_list_that_loops_ends)
{
	put_ext_cap(0x100, PCI_EXT_CAP_ID_ERR, 0x200);
	put_ext_cap(0x200, PCI_EXT_CAP_ID_SRIOV, 0x100);
	ck_assert_uint_eq(udrv_pci_find_ext_capability(dev, PCI_EXT_CAP_ID_LTR), 0);
	put_ext_cap(0x200, PCI_EXT_CAP_ID_SRIOV, 0x040);
	ck_assert_uint_eq(udrv_pci_find_ext_capability(dev, PCI_EXT_CAP_ID_LTR), 0);
}
END_TEST

/* A header's two lowest pointer bits are reserved; a device that sets them must not end the walk.
 */
START_TEST(reserved_bits_of_an_extended_pointer_are_ignored)
{
	put_ext_cap(0x100, PCI_EXT_CAP_ID_ERR, 0x203);
	put_ext_cap(0x200, PCI_EXT_CAP_ID_SRIOV, 0);
	ck_assert_uint_eq(udrv_pci_find_ext_capability(dev, PCI_EXT_CAP_ID_SRIOV), 0x200);
}
END_TEST

START_TEST(extended_space_of_zeroes_or_ones)
{
	ck_assert_uint_eq(udrv_pci_find_ext_capability(dev, 0), 0);
	fill(PCI_CFG_SPACE_EXP_SIZE, UINT64_MAX);
	ck_assert_uint_eq(udrv_pci_find_ext_capability(dev, 0xffff), 0);
}
END_TEST

START_TEST(command_bits)
{
	put(PCI_COMMAND, PCI_COMMAND_PARITY, 2);
	ck_assert_int_eq(udrv_pci_enable_device(dev), 0);
	ck_assert_uint_eq(fake_vfio_peek(fake, CONFIG, PCI_COMMAND, 2),
			  PCI_COMMAND_PARITY | PCI_COMMAND_MEMORY);
	ck_assert_int_eq(udrv_pci_set_master(dev), 0);
	ck_assert_uint_eq(fake_vfio_peek(fake, CONFIG, PCI_COMMAND, 2),
			  PCI_COMMAND_PARITY | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	fake_vfio_lines_clear();
	ck_assert_int_eq(udrv_pci_set_master(dev), 0);
	ck_assert_int_eq(fake_vfio_line("command", -1), -1);
	udrv_pci_disable_device(dev);
	ck_assert_uint_eq(fake_vfio_peek(fake, CONFIG, PCI_COMMAND, 2),
			  PCI_COMMAND_PARITY | PCI_COMMAND_MEMORY);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("config");
	TCase *pci = tcase_create("pci");
	TCase *pcie = tcase_create("pcie");

	tcase_add_checked_fixture(pci, setup_pci, teardown);
	tcase_add_test(pci, reads_and_writes_each_size);
	tcase_add_test(pci, bad_offsets_leave_the_value_alone);
	tcase_add_test(pci, a_failing_read_leaves_the_value_alone);
	tcase_add_test(pci, walks_the_list);
	tcase_add_test(pci, no_list_without_the_status_bit);
	tcase_add_test(pci, a_list_that_loops_ends);
	tcase_add_test(pci, a_list_into_the_header_ends);
	tcase_add_test(pci, a_device_that_does_not_answer_has_none);
	tcase_add_test(pci, command_bits);
	tcase_add_checked_fixture(pcie, setup_pcie, teardown);
	tcase_add_test(pcie, walks_the_extended_list);
	tcase_add_test(pcie, an_extended_list_that_loops_ends);
	tcase_add_test(pcie, reserved_bits_of_an_extended_pointer_are_ignored);
	tcase_add_test(pcie, extended_space_of_zeroes_or_ones);
	suite_add_tcase(s, pci);
	suite_add_tcase(s, pcie);
	return run_suite(s);
}
