// SPDX-License-Identifier: MIT
/* What a software device's interrupts do on the way to the vector's descriptor. */
#include <errno.h>
#include <sys/eventfd.h>

#include <linux/pci_regs.h>

#include "edu_device.h"
#include "support/suite.h"

static int efd;

static void setup(void)
{
	open_edu();
	efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ck_assert_int_ge(efd, 0);
}

static void teardown(void)
{
	close_edu();
	close(efd);
}

/* How often was it signalled since the last call? */
static uint64_t signals(void)
{
	eventfd_t n = 0;

	return eventfd_read(efd, &n) ? 0 : n;
}

static void enable(enum udrv__irq_type type)
{
	ck_assert_int_eq(udrv__model_backend.irq_enable(dev, type, &efd, 1), 0);
}

static uint16_t config_word(int where)
{
	uint16_t val;

	ck_assert_int_eq(udrv_pci_read_config_word(dev, where, &val), 0);
	return val;
}

START_TEST(intx_is_masked_when_it_is_signalled)
{
	enable(UDRV__IRQ_INTX);
	udrv_writel(1, regs + EDU_IRQ_RAISE);
	udrv_writel(2, regs + EDU_IRQ_RAISE);
	ck_assert_uint_eq(udrv_readl(regs + EDU_IRQ_STATUS), 3);
	ck_assert_uint_eq(signals(), 1);
}
END_TEST

START_TEST(intx_that_is_still_asserted_fires_again_at_unmask)
{
	enable(UDRV__IRQ_INTX);
	udrv_writel(3, regs + EDU_IRQ_RAISE);
	ck_assert_uint_eq(signals(), 1);
	udrv_writel(1, regs + EDU_IRQ_ACK);
	ck_assert_uint_eq(udrv_readl(regs + EDU_IRQ_STATUS), 2);
	udrv__model_backend.irq_unmask_intx(dev);
	ck_assert_uint_eq(signals(), 1);
}
END_TEST

START_TEST(intx_that_was_acknowledged_stays_quiet_at_unmask)
{
	enable(UDRV__IRQ_INTX);
	udrv_writel(3, regs + EDU_IRQ_RAISE);
	udrv_writel(3, regs + EDU_IRQ_ACK);
	ck_assert_uint_eq(signals(), 1);
	udrv__model_backend.irq_unmask_intx(dev);
	ck_assert_uint_eq(signals(), 0);
	udrv_writel(1, regs + EDU_IRQ_RAISE);
	ck_assert_uint_eq(signals(), 1);
}
END_TEST

START_TEST(line_asserted_before_intx_was_enabled_fires_then)
{
	udrv_writel(1, regs + EDU_IRQ_RAISE);
	ck_assert(config_word(PCI_STATUS) & PCI_STATUS_INTERRUPT);
	enable(UDRV__IRQ_INTX);
	ck_assert_uint_eq(signals(), 1);
	udrv_writel(1, regs + EDU_IRQ_ACK);
	ck_assert(!(config_word(PCI_STATUS) & PCI_STATUS_INTERRUPT));
}
END_TEST

START_TEST(intx_disable_holds_the_line_back)
{
	enable(UDRV__IRQ_INTX);
	udrv_pci_write_config_word(dev, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE);
	udrv_writel(1, regs + EDU_IRQ_RAISE);
	ck_assert_uint_eq(signals(), 0);
	udrv_pci_write_config_word(dev, PCI_COMMAND, PCI_COMMAND_MEMORY);
	ck_assert_uint_eq(signals(), 1);
}
END_TEST

START_TEST(intx_needs_no_bus_mastering)
{
	ck_assert_int_eq(udrv_pci_clear_master(dev), 0);
	enable(UDRV__IRQ_INTX);
	udrv_writel(1, regs + EDU_IRQ_RAISE);
	ck_assert_uint_eq(signals(), 1);
}
END_TEST

START_TEST(each_msi_is_signalled)
{
	ck_assert_int_eq(udrv_pci_set_master(dev), 0);
	enable(UDRV__IRQ_MSI);
	ck_assert(config_word(UDRV__MODEL_MSI_CAP + PCI_MSI_FLAGS) & PCI_MSI_FLAGS_ENABLE);
	for (int i = 0; i < 5; i++)
		udrv_writel(1, regs + EDU_IRQ_RAISE);
	ck_assert_uint_eq(signals(), 5);
	/* The device's line stays out of it. */
	ck_assert(!(config_word(PCI_STATUS) & PCI_STATUS_INTERRUPT));
}
END_TEST

static int lines;

static void count_lines(void *ctx, int level, const char *line)
{
	(void)ctx;
	(void)level;
	lines += strstr(line, "bus mastering") != NULL;
}

START_TEST(msi_without_bus_mastering_does_not_arrive_and_is_told_once)
{
	udrv_log_set(count_lines, NULL, UDRV_LOG_WARNING);
	enable(UDRV__IRQ_MSI);
	udrv_writel(1, regs + EDU_IRQ_RAISE);
	udrv_writel(1, regs + EDU_IRQ_RAISE);
	ck_assert_uint_eq(signals(), 0);
	ck_assert_uint_eq(counts().msi_dropped, 2);
	ck_assert_int_eq(lines, 1);
	/* It is lost for good, as on hardware. */
	ck_assert_int_eq(udrv_pci_set_master(dev), 0);
	ck_assert_uint_eq(signals(), 0);
}
END_TEST

START_TEST(nothing_is_signalled_once_disabled)
{
	ck_assert_int_eq(udrv_pci_set_master(dev), 0);
	enable(UDRV__IRQ_MSI);
	ck_assert_int_eq(udrv__model_backend.irq_disable(dev, UDRV__IRQ_MSI), 0);
	udrv_writel(1, regs + EDU_IRQ_RAISE);
	ck_assert_uint_eq(signals(), 0);
	ck_assert(!(config_word(UDRV__MODEL_MSI_CAP + PCI_MSI_FLAGS) & PCI_MSI_FLAGS_ENABLE));
}
END_TEST

START_TEST(pulled_card_sends_no_interrupt)
{
	enable(UDRV__IRQ_INTX);
	udrv__model_surprise_remove(dev);
	udrv__model_irq_raise(udrv__model_of(dev), 0);
	udrv__model_backend.irq_unmask_intx(dev);
	ck_assert_uint_eq(signals(), 0);
}
END_TEST

START_TEST(more_vectors_than_there_are_and_a_second_type_are_refused)
{
	int fds[2] = {efd, efd};

	ck_assert_int_eq(udrv__model_backend.irq_enable(dev, UDRV__IRQ_MSI, fds, 2), -EINVAL);
	ck_assert_int_eq(udrv__model_backend.irq_enable(dev, UDRV__IRQ_MSIX, fds, 1), -EINVAL);
	enable(UDRV__IRQ_INTX);
	ck_assert_int_eq(udrv__model_backend.irq_enable(dev, UDRV__IRQ_MSI, fds, 1), -EBUSY);
}
END_TEST

START_TEST(dma_completion_raises_0x100)
{
	enable(UDRV__IRQ_INTX);
	run_dma(0, EDU_BUFFER, 8, EDU_DMA_IRQ);
	ck_assert(readable(efd, LONG_MS));
	ck_assert_uint_eq(udrv_readl(regs + EDU_IRQ_STATUS), EDU_IRQ_DMA);
}
END_TEST

START_TEST(factorial_raises_1_only_when_asked)
{
	uint32_t status;

	enable(UDRV__IRQ_INTX);
	udrv_writel(3, regs + EDU_FACTORIAL);
	ck_assert_int_eq(udrv_readl_poll_timeout(regs + EDU_STATUS, status,
						 !(status & EDU_STATUS_COMPUTING), 50, LONG_US),
			 0);
	ck_assert(!readable(efd, SHORT_MS));
	udrv_writel(EDU_STATUS_IRQ, regs + EDU_STATUS);
	udrv_writel(3, regs + EDU_FACTORIAL);
	ck_assert(readable(efd, LONG_MS));
	ck_assert_uint_eq(udrv_readl(regs + EDU_IRQ_STATUS), EDU_IRQ_FACTORIAL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("model_irq");
	TCase *tc = tcase_create("interrupts");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, intx_is_masked_when_it_is_signalled);
	tcase_add_test(tc, intx_that_is_still_asserted_fires_again_at_unmask);
	tcase_add_test(tc, intx_that_was_acknowledged_stays_quiet_at_unmask);
	tcase_add_test(tc, line_asserted_before_intx_was_enabled_fires_then);
	tcase_add_test(tc, intx_disable_holds_the_line_back);
	tcase_add_test(tc, intx_needs_no_bus_mastering);
	tcase_add_test(tc, each_msi_is_signalled);
	tcase_add_test(tc, msi_without_bus_mastering_does_not_arrive_and_is_told_once);
	tcase_add_test(tc, nothing_is_signalled_once_disabled);
	tcase_add_test(tc, pulled_card_sends_no_interrupt);
	tcase_add_test(tc, more_vectors_than_there_are_and_a_second_type_are_refused);
	tcase_add_test(tc, dma_completion_raises_0x100);
	tcase_add_test(tc, factorial_raises_1_only_when_asked);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
