// SPDX-License-Identifier: MIT
/* A device that is bound to uio_pci_generic: what is done to it and its node, and what is said. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <udrv/completion.h>
#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/io.h>
#include <udrv/irq.h>
#include <udrv/pci.h>
#include <udrv/pci_info.h>

#include "mem/chosen.h"

#include "support/fake_uio.h"
#include "support/fault.h"
#include "support/suite.h"
#include "support/threads.h"

#define NAME	"0000:00:05.0"
#define WAIT_MS 60000

static struct udrv_device *dev;
static struct fault_held before;
static struct udrv_completion done;

static void setup(void)
{
	fake_uio_make(NAME);
	fault_start_thread_once();
	fault_held(&before);
	before.mapped = 0;
}

static void setup_open(void)
{
	setup();
	ck_assert_int_eq(udrv_device_open(NAME, NULL, &dev), 0);
	udrv_init_completion(dev, &done);
}

static void held_again(void)
{
	struct fault_held now = {0};

	/* The other end of the node is the test's. */
	before.fds -= fake_uio.master < 0;
	ck_assert(fault_held_again(&before, &now));
}

static void teardown_open(void)
{
	udrv_device_close(dev);
	held_again();
	fake_uio_remove();
}

static void refused(int err, const char *line)
{
	struct udrv_device *opened = NULL;

	fault_log_clear();
	ck_assert_int_eq(udrv_device_open(NAME, NULL, &opened), err);
	ck_assert_ptr_null(opened);
	ck_assert_msg(fault_logged(line), "not said: '%s' but: %s", line, fault_log_text());
	held_again();
}

static uint16_t command(void)
{
	return (uint16_t)fake_uio_get("config", PCI_COMMAND, 2);
}

START_TEST(opens_quiescent)
{
	ck_assert_str_eq(udrv_device_backend(dev), "uio");
	ck_assert_uint_eq(udrv_pci_resource_len(dev, 0), 1 << 20);
	ck_assert_uint_eq(udrv_pci_resource_flags(dev, 4), UDRV_RESOURCE_IO);
	ck_assert_uint_eq(command(), PCI_COMMAND_MEMORY | PCI_COMMAND_IO | PCI_COMMAND_SERR |
					     PCI_COMMAND_INTX_DISABLE);
	ck_assert_int_eq(udrv_pci_reset_function(dev), -ENOTTY);
}
END_TEST

START_TEST(is_reset_where_it_can_be)
{
	fake_uio_bytes("reset", 0);
	ck_assert_int_eq(udrv_device_open(NAME, NULL, &dev), 0);
	ck_assert_str_eq(fake_text(FAKE_UIO_DIR NAME "/reset"), "1");
	fake_uio_bytes("reset", 0);
	ck_assert_int_eq(udrv_pci_reset_function(dev), 0);
	ck_assert_str_eq(fake_text(FAKE_UIO_DIR NAME "/reset"), "1");
	udrv_device_close(dev);
}
END_TEST

START_TEST(no_permission_for_the_node)
{
	fake_uio.open_errno = EACCES;
	refused(-EACCES, NAME ": no permission for /dev/uio7; run as root");
	fake_uio.open_errno = ENOENT;
	refused(-ENOENT, NAME ": /dev/uio7 does not exist");
}
END_TEST

START_TEST(another_devices_node)
{
	fake_uio_node_number(245, 3);
	refused(-ENODEV, NAME ": /dev/uio7 is not the node of this device");
}
END_TEST

START_TEST(bound_but_without_a_uio_device)
{
	fake_uio_no_uio_device();
	refused(-ENODEV, NAME ": bound to uio_pci_generic, but without a UIO device");
}
END_TEST

START_TEST(another_process_has_it)
{
	ck_assert_int_eq(flock(fake_uio.slave, LOCK_EX | LOCK_NB), 0);
	refused(-EBUSY, NAME ": /dev/uio7 is held by another process; see 'udrv info " NAME "'");
	ck_assert_int_eq(flock(fake_uio.slave, LOCK_UN), 0);
	ck_assert_int_eq(udrv_device_open(NAME, "uio", &dev), 0);
	fault_held(&before);
	before.mapped = 0;
	refused(-EBUSY, NAME ": /dev/uio7 is held by another process");
	udrv_device_close(dev);
}
END_TEST

START_TEST(not_bound_to_it)
{
	fake_pci_device("0000:00:06.0", 0x8086, 0x10d3, "e1000e", 4);
	fault_log_clear();
	ck_assert_int_eq(udrv_device_open("0000:00:06.0", "uio", &dev), -ENODEV);
	ck_assert(fault_logged("0000:00:06.0: bound to driver e1000e, which backend uio does not "
			       "drive; run: udrv bind --driver uio_pci_generic 0000:00:06.0"));
	ck_assert_int_eq(udrv_device_open(NAME, "vfio", &dev), -ENODEV);
	ck_assert(fault_logged("run: udrv bind --driver stub " NAME));
}
END_TEST

START_TEST(registers_in_memory_are_mapped)
{
	void __udrv_iomem *regs = udrv_pci_iomap(dev, 0, 0);

	ck_assert_ptr_nonnull((void *)regs);
	udrv_iowrite32(0x5a17c0de, (char __udrv_iomem *)regs + 0x1004);
	ck_assert_uint_eq(fake_uio_get("resource0", 0x1004, 4), 0x5a17c0de);
	fake_uio_put("resource0", 8, 4, 0x12345678);
	ck_assert_uint_eq(udrv_ioread16((char __udrv_iomem *)regs + 10), 0x1234);
}
END_TEST

START_TEST(ports_are_read_and_written)
{
	char __udrv_iomem *regs = udrv_pci_iomap(dev, 4, 0);

	ck_assert_ptr_nonnull((void *)regs);
	udrv_iowrite8(0xa5, regs + 3);
	udrv_iowrite16(0x1234, regs + 4);
	ck_assert_uint_eq(fake_uio_get("resource4", 3, 1), 0xa5);
	ck_assert_uint_eq(udrv_ioread32(regs + 4), 0x1234);
	ck_assert_uint_eq(udrv_ioread8(regs + 3), 0xa5);
}
END_TEST

/* Below a page, and not at its start: others' registers are beside them. */
START_TEST(registers_inside_a_page)
{
	char __udrv_iomem *regs;

	fake_file("0x00000000fea00100 0x00000000fea001ff 0x0000000000040200\n"
		  "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
		  "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
		  "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
		  "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
		  "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
		  "0x0000000000000000 0x0000000000000000 0x0000000000000000\n",
		  FAKE_UIO_DIR NAME "/resource");
	ck_assert_int_eq(udrv_device_open(NAME, NULL, &dev), 0);
	regs = udrv_pci_iomap(dev, 0, 0);
	ck_assert_ptr_nonnull((void *)regs);
	udrv_iowrite32(0x5a17c0de, regs + 4);
	ck_assert_uint_eq(fake_uio_get("resource0", 0x104, 4), 0x5a17c0de);
	ck_assert_uint_eq(udrv_ioread8(regs + 7), 0x5a);
	ck_assert_uint_eq(udrv_ioread32(regs + 0x100), UINT32_MAX);
	udrv_device_close(dev);
}
END_TEST

START_TEST(command_is_written_but_for_intx)
{
	ck_assert_int_eq(udrv_pci_set_master(dev), 0);
	ck_assert(command() & PCI_COMMAND_MASTER);
	ck_assert(fake_uio_masked());
	ck_assert_int_eq(udrv_pci_write_config_word(dev, PCI_COMMAND, PCI_COMMAND_MEMORY), 0);
	ck_assert_uint_eq(command(), PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE);
	ck_assert_int_eq(udrv_pci_write_config_byte(dev, PCI_COMMAND + 1, 0x05), 0);
	ck_assert_uint_eq(command(),
			  PCI_COMMAND_MEMORY | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE);
	/* Status bits are cleared by ones, which come after COMMAND. */
	ck_assert_int_eq(udrv_pci_write_config_dword(dev, PCI_COMMAND, 0xf9000007), 0);
	ck_assert_uint_eq(fake_uio_get("config", PCI_COMMAND, 4), 0xf9000407);
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 1, UDRV_PCI_IRQ_ALL_TYPES), 1);
	ck_assert(!fake_uio_masked());
	ck_assert_int_eq(udrv_pci_write_config_word(dev, PCI_COMMAND, 0xffff), 0);
	ck_assert(!fake_uio_masked());
}
END_TEST

START_TEST(there_is_no_dma)
{
	static char buffer[4096] __attribute__((aligned(4096)));
	udrv_iova_t iova = 0x5a;

	fault_log_clear();
	ck_assert_int_eq(udrv_dma_set_mask_and_coherent(dev, UDRV_DMA_BIT_MASK(64)), -EOPNOTSUPP);
	ck_assert(fault_logged(NAME
			       ": backend uio gives no DMA memory: bind the device to vfio-pci "
			       "or udrv_stub (udrv bind --driver stub " NAME ")"));
	ck_assert_ptr_null(udrv_dma_alloc_coherent(dev, 4096, &iova, UDRV_GFP_KERNEL));
	ck_assert_uint_eq(iova, 0x5a);
	fault_log_clear();
	iova = udrv_dma_map_single(dev, buffer, sizeof(buffer), UDRV_DMA_TO_DEVICE);
	ck_assert_int_ne(udrv_dma_mapping_error(dev, iova), 0);
	ck_assert(fault_logged("backend uio gives no DMA memory"));
	ck_assert_int_lt(udrv_dma_register(dev, buffer, sizeof(buffer), UDRV_DMA_BIDIRECTIONAL), 0);
}
END_TEST

/* Of the library's own memory, before the backend is asked. */
START_TEST(other_reasons_for_no_dma_are_told)
{
	udrv__chosen_explain(dev, 4096, UINT64_MAX, -ENOMEM);
	ck_assert(fault_logged("cannot map 4096 bytes for DMA: Cannot allocate memory"));
}
END_TEST

START_TEST(configuration_space_ends)
{
	uint32_t val;
	uint8_t byte;

	ck_assert_int_eq(udrv_pci_write_config_byte(dev, PCI_INTERRUPT_LINE, 11), 0);
	ck_assert_int_eq(udrv_pci_read_config_byte(dev, PCI_INTERRUPT_LINE, &byte), 0);
	ck_assert_uint_eq(byte, 11);
	ck_assert_int_eq(udrv_pci_read_config_dword(dev, PCI_CFG_SPACE_SIZE, &val), -EINVAL);
	ck_assert_int_eq(udrv_pci_write_config_dword(dev, PCI_CFG_SPACE_SIZE, 0), -EINVAL);
	/* Who may not see all of it is shown the header. */
	fake_uio_bytes("config", PCI_STD_HEADER_SIZEOF);
	ck_assert_int_eq(udrv_pci_read_config_dword(dev, 0x40, &val), -EPERM);
}
END_TEST

static udrv_irqreturn_t complete(int irq, void *ctx)
{
	(void)irq;
	udrv_complete(ctx);
	return UDRV_IRQ_HANDLED;
}

static bool completed(void)
{
	return udrv_wait_for_completion_timeout(&done, WAIT_MS * UDRV_HZ / 1000) > 0;
}

START_TEST(interrupts_come_and_are_unmasked)
{
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 4, UDRV_PCI_IRQ_MSIX), -ENOSPC);
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 4, UDRV_PCI_IRQ_ALL_TYPES), 1);
	ck_assert_uint_eq(udrv_pci_irq_type(dev), UDRV_PCI_IRQ_INTX);
	ck_assert_int_eq(udrv_request_irq(dev, 0, complete, 0, "uio", &done), 0);
	for (int i = 0; i < 100; i++) {
		fake_uio_interrupt();
		ck_assert(completed());
		until(!fake_uio_masked());
	}
	ck_assert_int_eq(udrv_free_irq(dev, 0, &done), 0);
	udrv_pci_free_irq_vectors(dev);
	ck_assert(fake_uio_masked());
	/* One that comes now is nobody's, and does not come late. */
	fake_uio_interrupt();
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 1, UDRV_PCI_IRQ_INTX), 1);
	ck_assert(!fake_uio_masked());
}
END_TEST

static bool signalled(enum udrv_device_event event)
{
	struct pollfd p = {.fd = udrv_device_event_fd(dev, event), .events = POLLIN};

	return poll(&p, 1, WAIT_MS) == 1;
}

START_TEST(taken_away)
{
	char __udrv_iomem *regs = udrv_pci_iomap(dev, 0, 0);
	char __udrv_iomem *ports = udrv_pci_iomap(dev, 4, 0);
	uint16_t val;

	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 1, UDRV_PCI_IRQ_INTX), 1);
	ck_assert_int_eq(udrv_request_irq(dev, 0, complete, 0, "uio", &done), 0);
	fake_uio_put("resource0", 0x1000, 4, 7);
	ck_assert_uint_eq(udrv_ioread32(regs + 0x1000), 7);
	fake_uio_unplug();
	ck_assert(signalled(UDRV_EVENT_REQUEST));
	ck_assert(signalled(UDRV_EVENT_GONE));
	ck_assert(udrv_device_gone(dev));
	ck_assert_int_eq(udrv_wait_for_completion_timeout(&done, UDRV_HZ), -ENODEV);
	/* Whoever has the device by now is left in peace. */
	ck_assert_uint_eq(udrv_ioread32(regs + 0x1000), UINT32_MAX);
	udrv_iowrite32(1, regs + 0x2000);
	ck_assert_uint_eq(fake_uio_get("resource0", 0x2000, 4), 0);
	ck_assert_uint_eq(udrv_ioread8(ports), UINT8_MAX);
	udrv_iowrite8(1, ports);
	ck_assert_uint_eq(fake_uio_get("resource4", 0, 1), 0);
	ck_assert_int_eq(udrv_pci_read_config_word(dev, PCI_COMMAND, &val), -ENODEV);
	ck_assert_int_eq(udrv_pci_set_master(dev), -ENODEV);
	ck_assert_int_eq(udrv_pci_reset_function(dev), -ENODEV);
	ck_assert_ptr_null((void *)udrv_pci_iomap(dev, 1, 0));
	ck_assert_int_eq(udrv_free_irq(dev, 0, &done), 0);
	udrv_pci_free_irq_vectors(dev);
	ck_assert(!fake_uio_masked());
}
END_TEST

START_TEST(taken_away_before_it_is_mapped)
{
	fake_uio_unplug();
	ck_assert(signalled(UDRV_EVENT_GONE));
	ck_assert_ptr_null((void *)udrv_pci_iomap(dev, 0, 0));
	ck_assert(fault_logged("BAR 0 cannot be mapped: No such device"));
}
END_TEST

/* The node of such a device reports errors from the start; only sysfs tells that it went. */
START_TEST(without_an_interrupt)
{
	fake_uio.no_irq = true;
	ck_assert_int_eq(udrv_device_open(NAME, NULL, &dev), 0);
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 1, UDRV_PCI_IRQ_ALL_TYPES), -ENOSPC);
	ck_assert_ptr_nonnull((void *)udrv_pci_iomap(dev, 0, 0));
	ck_assert(!udrv_device_gone(dev));
	fake_uio_no_uio_device();
	ck_assert(signalled(UDRV_EVENT_REQUEST));
	ck_assert(signalled(UDRV_EVENT_GONE));
	udrv_device_close(dev);
	held_again();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("uio");
	TCase *plain = tcase_create("open");
	TCase *tc = tcase_create("on a device");

	tcase_add_checked_fixture(plain, setup, fake_uio_remove);
	tcase_add_test(plain, is_reset_where_it_can_be);
	tcase_add_test(plain, no_permission_for_the_node);
	tcase_add_test(plain, another_devices_node);
	tcase_add_test(plain, bound_but_without_a_uio_device);
	tcase_add_test(plain, another_process_has_it);
	tcase_add_test(plain, not_bound_to_it);
	tcase_add_test(plain, registers_inside_a_page);
	tcase_add_test(plain, without_an_interrupt);
	tcase_add_checked_fixture(tc, setup_open, teardown_open);
	tcase_add_test(tc, opens_quiescent);
	tcase_add_test(tc, registers_in_memory_are_mapped);
	tcase_add_test(tc, ports_are_read_and_written);
	tcase_add_test(tc, command_is_written_but_for_intx);
	tcase_add_test(tc, there_is_no_dma);
	tcase_add_test(tc, other_reasons_for_no_dma_are_told);
	tcase_add_test(tc, configuration_space_ends);
	tcase_add_test(tc, interrupts_come_and_are_unmasked);
	tcase_add_test(tc, taken_away);
	tcase_add_test(tc, taken_away_before_it_is_mapped);
	suite_add_tcase(s, plain);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
