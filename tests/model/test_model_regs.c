// SPDX-License-Identifier: MIT
/* A software device's names, registers and configuration space. */
#include <errno.h>

#include <linux/pci_regs.h>

#include "edu_device.h"
#include "support/suite.h"

START_TEST(each_open_makes_a_device_of_its_own)
{
	struct udrv_device *other;
	void __udrv_iomem *other_regs;

	ck_assert_int_eq(udrv_device_open("model:edu:2", "model", &other), 0);
	ck_assert_str_eq(udrv_device_name(other), "model:edu:2");
	ck_assert_str_eq(udrv_device_backend(other), "model");
	ck_assert_int_eq(udrv_pci_enable_device(other), 0);
	other_regs = udrv_pci_iomap(other, 0, 0);
	udrv_writel(1, regs + EDU_LIVENESS);
	udrv_writel(2, other_regs + EDU_LIVENESS);
	ck_assert_uint_eq(udrv_readl(regs + EDU_LIVENESS), ~1u);
	ck_assert_uint_eq(udrv_readl(other_regs + EDU_LIVENESS), ~2u);
	udrv_device_close(other);
}
END_TEST

static char last_line[512];

static void keep(void *ctx, int level, const char *line)
{
	(void)ctx;
	(void)level;
	strncpy(last_line, line, sizeof(last_line) - 1);
}

START_TEST(unknown_and_malformed_models_are_refused_with_a_reason)
{
	static const char *const names[] = {"model:",	     "model:none",    "model:ed",
					    "model:edux",    "model:edu:",    "model:edu:A b",
					    "model:edu:\"x", "model:edu:../x"};
	struct udrv_device *none = NULL;

	udrv_log_set(keep, NULL, UDRV_LOG_ERR);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		last_line[0] = 0;
		ck_assert_int_eq(udrv_device_open(names[i], NULL, &none), -ENODEV);
		ck_assert_ptr_null(none);
		ck_assert_msg(strstr(last_line, "no such model"), "%s: '%s'", names[i], last_line);
	}
	udrv_log_set(NULL, NULL, 0);
}
END_TEST

START_TEST(bar_0_is_a_megabyte_and_always_trapped)
{
	ck_assert_uint_eq(udrv_pci_resource_len(dev, 0), 1 << 20);
	ck_assert_uint_eq(udrv_pci_resource_flags(dev, 0), UDRV_RESOURCE_MEM);
	ck_assert_uint_eq(udrv_pci_resource_len(dev, 1), 0);
	ck_assert(!udrv_bar_direct(regs));
}
END_TEST

START_TEST(identification_and_liveness)
{
	ck_assert_uint_eq(udrv_readl(regs + EDU_ID), 0x010000ed);
	udrv_writel(0, regs + EDU_ID);
	ck_assert_uint_eq(udrv_readl(regs + EDU_ID), 0x010000ed);
	udrv_writel(0x12345678, regs + EDU_LIVENESS);
	ck_assert_uint_eq(udrv_readl(regs + EDU_LIVENESS), ~0x12345678u);
}
END_TEST

START_TEST(below_0x80_only_4_bytes_are_decoded)
{
	udrv_writel(0x11223344, regs + EDU_LIVENESS);
	udrv_writeb(0, regs + EDU_LIVENESS);
	udrv_writew(0, regs + EDU_LIVENESS);
	udrv_writeq(0, regs + EDU_LIVENESS);
	ck_assert_uint_eq(udrv_readl(regs + EDU_LIVENESS), ~0x11223344u);
	ck_assert_uint_eq(udrv_readb(regs + EDU_ID), UINT8_MAX);
	ck_assert_uint_eq(udrv_readw(regs + EDU_ID), UINT16_MAX);
	ck_assert_uint_eq(udrv_readq(regs + EDU_ID), UINT64_MAX);
}
END_TEST

START_TEST(from_0x80_on_4_and_8_bytes_are_decoded)
{
	udrv_writeq(0x1122334455667788, regs + EDU_DMA_SRC);
	ck_assert_uint_eq(udrv_readq(regs + EDU_DMA_SRC), 0x1122334455667788);
	ck_assert_uint_eq(udrv_readl(regs + EDU_DMA_SRC), 0x55667788);
	ck_assert_uint_eq(udrv_readw(regs + EDU_DMA_SRC), UINT16_MAX);
	ck_assert_uint_eq(udrv_readb(regs + EDU_DMA_SRC), UINT8_MAX);
	udrv_writel(7, regs + EDU_DMA_SRC);
	udrv_writew(1, regs + EDU_DMA_SRC);
	ck_assert_uint_eq(udrv_readq(regs + EDU_DMA_SRC), 7);
}
END_TEST

START_TEST(offsets_without_a_register_read_as_ones)
{
	ck_assert_uint_eq(udrv_readl(regs + 0x0c), UINT32_MAX);
	ck_assert_uint_eq(udrv_readl(regs + 0x84), UINT32_MAX);
	ck_assert_uint_eq(udrv_readl(regs + EDU_BUFFER), UINT32_MAX);
	ck_assert_uint_eq(udrv_readl(regs + (1 << 20) - 4), UINT32_MAX);
}
END_TEST

START_TEST(factorial_is_there_once_computing_is_clear)
{
	static const struct {
		uint32_t n, result;
	} cases[] = {{0, 1}, {1, 1}, {5, 120}, {12, 479001600}, {34, 0}, {~0u, 0}};
	uint32_t status;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		udrv_writel(cases[i].n, regs + EDU_FACTORIAL);
		ck_assert_int_eq(udrv_readl_poll_timeout(regs + EDU_STATUS, status,
							 !(status & EDU_STATUS_COMPUTING), 50,
							 LONG_US),
				 0);
		ck_assert_uint_eq(udrv_readl(regs + EDU_FACTORIAL), cases[i].result);
	}
}
END_TEST

START_TEST(of_the_status_only_the_interrupt_bit_is_writable)
{
	udrv_writel(UINT32_MAX, regs + EDU_STATUS);
	ck_assert_uint_eq(udrv_readl(regs + EDU_STATUS), EDU_STATUS_IRQ);
	udrv_writel(0, regs + EDU_STATUS);
	ck_assert_uint_eq(udrv_readl(regs + EDU_STATUS), 0);
}
END_TEST

START_TEST(without_memory_decode_the_bar_does_not_answer)
{
	udrv_writel(1, regs + EDU_LIVENESS);
	ck_assert_int_eq(udrv_pci_write_config_word(dev, PCI_COMMAND, 0), 0);
	ck_assert_uint_eq(udrv_readl(regs + EDU_ID), UINT32_MAX);
	udrv_writel(2, regs + EDU_LIVENESS);
	ck_assert_int_eq(udrv_pci_enable_device(dev), 0);
	ck_assert_uint_eq(udrv_readl(regs + EDU_LIVENESS), ~1u);
}
END_TEST

START_TEST(ids_are_the_same_in_configuration_space_and_match_the_driver)
{
	uint16_t vendor, device;
	uint32_t class_rev;

	ck_assert_int_eq(udrv_pci_read_config_word(dev, PCI_VENDOR_ID, &vendor), 0);
	ck_assert_int_eq(udrv_pci_read_config_word(dev, PCI_DEVICE_ID, &device), 0);
	ck_assert_int_eq(udrv_pci_read_config_dword(dev, PCI_CLASS_REVISION, &class_rev), 0);
	ck_assert_uint_eq(vendor, EDU_VENDOR_ID);
	ck_assert_uint_eq(device, EDU_DEVICE_ID);
	ck_assert_uint_eq(class_rev, 0x00ff0010);
	ck_assert_uint_eq(dev->info.vendor, vendor);
	ck_assert_uint_eq(dev->info.device, device);
}
END_TEST

START_TEST(read_only_configuration_does_not_change)
{
	uint32_t id, again;

	ck_assert_int_eq(udrv_pci_read_config_dword(dev, 0, &id), 0);
	ck_assert_int_eq(udrv_pci_write_config_dword(dev, 0, 0), 0);
	ck_assert_int_eq(udrv_pci_read_config_dword(dev, 0, &again), 0);
	ck_assert_uint_eq(id, again);
}
END_TEST

START_TEST(ones_written_to_a_bar_tell_its_size)
{
	uint32_t bar;

	ck_assert_int_eq(udrv_pci_write_config_dword(dev, PCI_BASE_ADDRESS_0, UINT32_MAX), 0);
	ck_assert_int_eq(udrv_pci_read_config_dword(dev, PCI_BASE_ADDRESS_0, &bar), 0);
	ck_assert_uint_eq(bar, 0xfff00000);
	ck_assert_int_eq(udrv_pci_write_config_dword(dev, PCI_BASE_ADDRESS_1, UINT32_MAX), 0);
	ck_assert_int_eq(udrv_pci_read_config_dword(dev, PCI_BASE_ADDRESS_1, &bar), 0);
	ck_assert_uint_eq(bar, 0);
}
END_TEST

START_TEST(configuration_space_ends_at_256)
{
	uint32_t val = 77;

	ck_assert_int_eq(udrv_pci_read_config_dword(dev, 252, &val), 0);
	ck_assert_int_eq(udrv_pci_read_config_dword(dev, 256, &val), -EINVAL);
	ck_assert_int_eq(udrv_pci_write_config_dword(dev, 256, 0), -EINVAL);
	ck_assert_int_eq(udrv_pci_read_config_dword(dev, 2, &val), -EINVAL);
	ck_assert_int_eq(udrv_pci_read_config_dword(dev, -4, &val), -EINVAL);
}
END_TEST

START_TEST(capabilities_are_msi_and_advanced_features)
{
	uint8_t msi = udrv_pci_find_capability(dev, PCI_CAP_ID_MSI);
	uint8_t af = udrv_pci_find_capability(dev, PCI_CAP_ID_AF);
	uint16_t flags;

	ck_assert_uint_eq(msi, UDRV__MODEL_MSI_CAP);
	ck_assert_uint_eq(af, UDRV__MODEL_AF_CAP);
	ck_assert_uint_eq(udrv_pci_find_next_capability(dev, af, PCI_CAP_ID_MSI), 0);
	ck_assert_uint_eq(udrv_pci_find_capability(dev, PCI_CAP_ID_EXP), 0);
	ck_assert_uint_eq(udrv_pci_find_ext_capability(dev, PCI_EXT_CAP_ID_ERR), 0);
	ck_assert_int_eq(udrv_pci_read_config_word(dev, msi + PCI_MSI_FLAGS, &flags), 0);
	ck_assert_uint_eq(flags, PCI_MSI_FLAGS_64BIT);
}
END_TEST

static void dirty_registers(void)
{
	udrv_writel(1, regs + EDU_LIVENESS);
	udrv_writel(EDU_STATUS_IRQ, regs + EDU_STATUS);
	udrv_writel(4, regs + EDU_IRQ_RAISE);
	udrv_writeq(5, regs + EDU_DMA_COUNT);
}

static void check_registers_reset(void)
{
	uint16_t command;

	ck_assert_uint_eq(udrv_readl(regs + EDU_LIVENESS), 0);
	ck_assert_uint_eq(udrv_readl(regs + EDU_STATUS), 0);
	ck_assert_uint_eq(udrv_readl(regs + EDU_IRQ_STATUS), 0);
	ck_assert_uint_eq(udrv_readq(regs + EDU_DMA_COUNT), 0);
	ck_assert_int_eq(udrv_pci_read_config_word(dev, PCI_COMMAND, &command), 0);
	ck_assert_uint_eq(command, PCI_COMMAND_MEMORY);
}

START_TEST(reset_clears_registers_and_keeps_configuration)
{
	dirty_registers();
	ck_assert_int_eq(udrv_pci_reset_function(dev), 0);
	check_registers_reset();
}
END_TEST

START_TEST(reset_by_the_advanced_features_capability)
{
	dirty_registers();
	ck_assert_int_eq(
		udrv_pci_write_config_byte(dev, UDRV__MODEL_AF_CAP + PCI_AF_CTRL, PCI_AF_CTRL_FLR),
		0);
	check_registers_reset();
}
END_TEST

START_TEST(pulled_card_reads_as_ones_everywhere)
{
	uint16_t vendor;

	udrv__model_surprise_remove(dev);
	ck_assert(udrv_device_gone(dev));
	ck_assert_uint_eq(udrv_readl(regs + EDU_ID), UINT32_MAX);
	udrv_writel(1, regs + EDU_LIVENESS);
	ck_assert_int_eq(udrv_pci_read_config_word(dev, PCI_VENDOR_ID, &vendor), 0);
	ck_assert_uint_eq(vendor, UINT16_MAX);
	ck_assert_uint_eq(udrv_pci_find_capability(dev, PCI_CAP_ID_MSI), 0);
}
END_TEST

START_TEST(events_signal_their_descriptors)
{
	int request = udrv_device_event_fd(dev, UDRV_EVENT_REQUEST);
	int error = udrv_device_event_fd(dev, UDRV_EVENT_ERROR);

	ck_assert_int_ge(request, 0);
	ck_assert_int_ge(error, 0);
	ck_assert(!readable(request, 0) && !readable(error, 0));
	udrv__model_raise_event(dev, UDRV_EVENT_REQUEST);
	ck_assert(readable(request, 0) && !readable(error, 0));
	udrv__model_raise_event(dev, UDRV_EVENT_ERROR);
	ck_assert(readable(error, 0));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("model_regs");
	TCase *tc = tcase_create("registers and configuration");

	tcase_add_checked_fixture(tc, open_edu, close_edu);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, each_open_makes_a_device_of_its_own);
	tcase_add_test(tc, unknown_and_malformed_models_are_refused_with_a_reason);
	tcase_add_test(tc, bar_0_is_a_megabyte_and_always_trapped);
	tcase_add_test(tc, identification_and_liveness);
	tcase_add_test(tc, below_0x80_only_4_bytes_are_decoded);
	tcase_add_test(tc, from_0x80_on_4_and_8_bytes_are_decoded);
	tcase_add_test(tc, offsets_without_a_register_read_as_ones);
	tcase_add_test(tc, factorial_is_there_once_computing_is_clear);
	tcase_add_test(tc, of_the_status_only_the_interrupt_bit_is_writable);
	tcase_add_test(tc, without_memory_decode_the_bar_does_not_answer);
	tcase_add_test(tc, ids_are_the_same_in_configuration_space_and_match_the_driver);
	tcase_add_test(tc, read_only_configuration_does_not_change);
	tcase_add_test(tc, ones_written_to_a_bar_tell_its_size);
	tcase_add_test(tc, configuration_space_ends_at_256);
	tcase_add_test(tc, capabilities_are_msi_and_advanced_features);
	tcase_add_test(tc, reset_clears_registers_and_keeps_configuration);
	tcase_add_test(tc, reset_by_the_advanced_features_capability);
	tcase_add_test(tc, pulled_card_reads_as_ones_everywhere);
	tcase_add_test(tc, events_signal_their_descriptors);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
