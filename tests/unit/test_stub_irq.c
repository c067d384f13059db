// SPDX-License-Identifier: MIT
/* Interrupts of a device behind the stub: what the module is told, what is told of it, stamps. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/completion.h>
#include <udrv/cycles.h>
#include <udrv/device.h>
#include <udrv/irq.h>
#include <udrv/pci.h>

#include "irq/irq.h"

#include "support/fake_machine.h"
#include "support/fault.h"
#include "support/suite.h"

#define NAME	"0000:00:05.0"
#define WAIT_MS 60000

static struct udrv_device *dev;
static struct fault_held before;
static struct udrv_completion done;

static void setup(void)
{
	fake_stub_machine_make(NAME);
	fault_start_thread_once();
	fault_held(&before);
	before.mapped = 0;
	ck_assert_int_eq(udrv_device_open(NAME, NULL, &dev), 0);
	udrv_init_completion(dev, &done);
}

static void teardown(void)
{
	struct fault_held now = {0};

	udrv_device_close(dev);
	ck_assert(fault_held_again(&before, &now));
	fake_stub_machine_remove();
}

static udrv_irqreturn_t complete(int irq, void *ctx)
{
	(void)irq;
	udrv_complete(ctx);
	return UDRV_IRQ_HANDLED;
}

static void request(enum udrv_wait wait)
{
	struct udrv_irq_options options = {.wait = wait, .cpu = UDRV_CPU_ANY};

	ck_assert_int_eq(udrv_irq_set_options(dev, 0, &options), 0);
	ck_assert_int_eq(udrv_request_irq(dev, 0, complete, 0, "test", &done), 0);
}

static void wait_for_handler(void)
{
	ck_assert_int_gt(udrv_wait_for_completion_timeout(&done, WAIT_MS), 0);
}

START_TEST(each_type)
{
	static const unsigned int flags[] = {UDRV_PCI_IRQ_INTX, UDRV_PCI_IRQ_MSI,
					     UDRV_PCI_IRQ_MSIX};

	for (uint32_t type = 0; type < UDRV_STUB_IRQ_TYPES; type++) {
		int most = (int)fake_stub.info.irq_counts[type];

		ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 64, flags[type]), most);
		ck_assert_uint_eq(fake_stub.enabled[type], (unsigned int)most);
		request(UDRV_WAIT_READ);
		fake_stub_raise(type, 0, 0);
		wait_for_handler();
		ck_assert_int_eq(udrv_free_irq(dev, 0, &done), 0);
		ck_assert_uint_eq(fake_stub.unmasks, type == UDRV_STUB_INTX ? 2 : 0);
		udrv_pci_free_irq_vectors(dev);
		ck_assert_uint_eq(fake_stub.enabled[type], 0);
		fake_stub.unmasks = 0;
	}
}
END_TEST

START_TEST(fewer_vectors_than_wanted)
{
	fake_stub.vectors_left = 3;
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 2, 8, UDRV_PCI_IRQ_MSIX), 3);
	ck_assert_uint_eq(fake_stub.enabled[UDRV_STUB_MSIX], 3);
}
END_TEST

START_TEST(fewer_vectors_than_needed)
{
	fake_stub.vectors_left = 3;
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 4, 8, UDRV_PCI_IRQ_MSIX), -ENOSPC);
	ck_assert_uint_eq(fake_stub.enabled[UDRV_STUB_MSIX], 0);
}
END_TEST

START_TEST(interrupts_that_another_process_has)
{
	const char *said;

	fake_stub.irqs_errno = EBUSY;
	fault_log_clear();
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 8, UDRV_PCI_IRQ_ALL_TYPES), -EBUSY);
	said = strstr(fault_log_text(), "another process has its interrupts");
	ck_assert_ptr_nonnull(said);
	/* Once, not for each type. */
	ck_assert_ptr_null(strstr(said + 1, "another process"));
	fake_stub.irqs_errno = 0;
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 8, UDRV_PCI_IRQ_ALL_TYPES), 8);
}
END_TEST

/* Of MSI there are too few, of INTx none. */
START_TEST(that_another_process_has_them_is_not_hidden_by_types_that_there_are_not)
{
	dev->irq_counts[UDRV__IRQ_INTX] = 0;
	fake_stub.irqs_errno = EBUSY;
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 2, 8, UDRV_PCI_IRQ_ALL_TYPES), -EBUSY);
	fake_stub.irqs_errno = 0;
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 9, 9, UDRV_PCI_IRQ_ALL_TYPES), -ENOSPC);
}
END_TEST

START_TEST(a_device_that_went_is_gone)
{
	fake_stub_remove();
	ck_assert_int_lt(udrv_pci_alloc_irq_vectors(dev, 1, 1, UDRV_PCI_IRQ_MSI), 0);
	ck_assert(udrv_device_gone(dev));
}
END_TEST

START_TEST(it_may_go_while_interrupts_are_on)
{
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 1, UDRV_PCI_IRQ_INTX), 1);
	request(UDRV_WAIT_SPIN);
	fake_stub_raise(UDRV_STUB_INTX, 0, 0);
	wait_for_handler();
	fake_stub_remove();
	fault_log_clear();
	fake_stub_raise(UDRV_STUB_INTX, 0, 0);
	/* The handler still runs; unmasking says that the device is gone, and that is no error. */
	ck_assert_int_eq(udrv_synchronize_irq(dev, 0), 0);
	ck_assert(udrv_device_gone(dev));
	ck_assert(!fault_logged("unmasked"));
	ck_assert_int_eq(udrv_free_irq(dev, 0, &done), 0);
}
END_TEST

START_TEST(each_wait_hears_the_module)
{
	struct udrv_irq_stats stats;

	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 1, UDRV_PCI_IRQ_MSI), 1);
	request((enum udrv_wait)_i);
	for (unsigned int n = 1; n <= 200; n++) {
		fake_stub_raise(UDRV_STUB_MSI, 0, 0);
		wait_for_handler();
		ck_assert_int_eq(udrv_synchronize_irq(dev, 0), 0);
		ck_assert_int_eq(udrv_irq_get_stats(dev, 0, &stats), 0);
		ck_assert_uint_eq(stats.count, n);
	}
	ck_assert_uint_eq(fake_stub.unmasks, 0);
	ck_assert_int_eq(udrv_free_irq(dev, 0, &done), 0);
}
END_TEST

START_TEST(the_hard_handlers_stamp)
{
	uint64_t stamp = udrv_get_cycles() - 12345;

	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 2, 2, UDRV_PCI_IRQ_MSIX), 2);
	ck_assert_uint_eq(udrv_irq_hard_stamp(dev, 0), 0);
	request(UDRV_WAIT_READ);
	fake_stub_raise(UDRV_STUB_MSIX, 0, stamp);
	wait_for_handler();
	ck_assert_uint_eq(udrv_irq_hard_stamp(dev, 0), stamp);
	ck_assert_uint_eq(udrv_irq_hard_stamp(dev, 1), 0);
	ck_assert_uint_eq(udrv_irq_hard_stamp(dev, 2), 0);
	ck_assert_uint_eq(udrv_irq_hard_stamp(dev, -1), 0);
	ck_assert_int_eq(udrv_free_irq(dev, 0, &done), 0);
}
END_TEST

START_TEST(no_stamps_where_the_module_has_none)
{
	struct udrv_device *other = NULL;

	ck_assert_int_eq(udrv_device_open("model:edu", NULL, &other), 0);
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(other, 1, 1, UDRV_PCI_IRQ_MSI), 1);
	ck_assert_uint_eq(udrv_irq_hard_stamp(other, 0), 0);
	udrv_device_close(other);
}
END_TEST

/* How many latencies are recorded, and the longest. */
static uint64_t latencies(uint64_t *max)
{
	const struct udrv_hist *h = &udrv__vector_get(dev, 0)->stat->latency;
	uint64_t n = 0;

	ck_assert_int_eq(udrv_synchronize_irq(dev, 0), 0);
	for (unsigned int i = 0; i < UDRV_HIST_BUCKETS; i++)
		n += __atomic_load_n(&h->buckets[i], __ATOMIC_RELAXED);
	*max = __atomic_load_n(&h->max, __ATOMIC_RELAXED);
	return n;
}

START_TEST(latency_is_from_the_hard_handler_on_if_the_driver_did_not_stamp)
{
	const uint64_t ago = udrv_get_cycles() / 4;
	uint64_t max;

	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 1, UDRV_PCI_IRQ_MSI), 1);
	request(UDRV_WAIT_READ);
	fake_stub_raise(UDRV_STUB_MSI, 0, udrv_get_cycles() - ago);
	wait_for_handler();
	ck_assert_uint_eq(latencies(&max), 1);
	ck_assert_uint_ge(max, ago);

	/* The driver's stamp is nearer to what it wants to know. */
	ck_assert_int_eq(udrv_irq_stamp(dev, 0), 0);
	fake_stub_raise(UDRV_STUB_MSI, 0, udrv_get_cycles() - 2 * ago);
	wait_for_handler();
	ck_assert_uint_eq(latencies(&max), 2);
	ck_assert_uint_lt(max, 2 * ago);

	fake_stub_raise(UDRV_STUB_MSI, 0, udrv_get_cycles() - 2 * ago);
	wait_for_handler();
	ck_assert_uint_eq(latencies(&max), 3);
	ck_assert_uint_ge(max, 2 * ago);

	/* A run without an interrupt of its own has none. */
	fake_stub_signal(UDRV_STUB_MSI, 0);
	wait_for_handler();
	ck_assert_uint_eq(latencies(&max), 3);
	/* Nor has one whose interrupt was followed by another before it was looked at. */
	fake_stub_raise(UDRV_STUB_MSI, 0, UINT64_MAX);
	wait_for_handler();
	ck_assert_uint_eq(latencies(&max), 3);
	ck_assert_int_eq(udrv_free_irq(dev, 0, &done), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("stub_irq");
	TCase *tc = tcase_create("irq");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, each_type);
	tcase_add_test(tc, fewer_vectors_than_wanted);
	tcase_add_test(tc, fewer_vectors_than_needed);
	tcase_add_test(tc, interrupts_that_another_process_has);
	tcase_add_test(tc, that_another_process_has_them_is_not_hidden_by_types_that_there_are_not);
	tcase_add_test(tc, a_device_that_went_is_gone);
	tcase_add_test(tc, it_may_go_while_interrupts_are_on);
	tcase_add_loop_test(tc, each_wait_hears_the_module, 0, UDRV_WAIT_COUNT);
	tcase_add_test(tc, the_hard_handlers_stamp);
	tcase_add_test(tc, no_stamps_where_the_module_has_none);
	tcase_add_test(tc, latency_is_from_the_hard_handler_on_if_the_driver_did_not_stamp);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
