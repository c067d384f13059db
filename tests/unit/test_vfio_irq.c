// SPDX-License-Identifier: MIT
/* Interrupts and events of a VFIO device: what the kernel is told, and what happens when it
 * signals. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <udrv/completion.h>
#include <udrv/device.h>
#include <udrv/irq.h>
#include <udrv/pci.h>

#include "support/fake_machine.h"
#include "support/fault.h"
#include "support/suite.h"

#define NAME	"0000:00:05.0"
#define WAIT_MS 60000

static struct fake_device *fake;
static struct udrv_device *dev;
static struct fault_held before;
static struct udrv_completion done;

static void setup(void)
{
	fake = fake_machine_make(NAME);
	fake->irqs[VFIO_PCI_MSI_IRQ_INDEX] = 4;
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
	fake_machine_remove();
}

static udrv_irqreturn_t complete(int irq, void *ctx)
{
	(void)irq;
	udrv_complete(ctx);
	return UDRV_IRQ_HANDLED;
}

START_TEST(takes_the_best_type_and_what_is_of_use)
{
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 3, UDRV_PCI_IRQ_ALL_TYPES), 3);
	ck_assert_uint_eq(udrv_pci_irq_type(dev), UDRV_PCI_IRQ_MSIX);
	ck_assert_int_ge(fake_vfio_line("irqs 2 on 3", -1), 0);
	ck_assert_int_eq(udrv_pci_irq_vector(dev, 2), 2);
	ck_assert_int_eq(udrv_pci_irq_vector(dev, 3), -EINVAL);
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 1, UDRV_PCI_IRQ_MSI), -EBUSY);
	udrv_pci_free_irq_vectors(dev);
	ck_assert_int_ge(fake_vfio_line("irqs 2 off", -1), 0);
	ck_assert_uint_eq(udrv_pci_irq_type(dev), 0);
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 64, UDRV_PCI_IRQ_MSI), 4);
	udrv_pci_free_irq_vectors(dev);
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 64, UDRV_PCI_IRQ_INTX), 1);
}
END_TEST

/* SET_IRQS that returns a positive number enabled nothing, and says how many would have worked. */
START_TEST(fewer_vectors_than_wanted)
{
	fake->vectors_left = 5;
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 2, 8, UDRV_PCI_IRQ_MSIX), 5);
	ck_assert_uint_eq(fake->enabled[VFIO_PCI_MSIX_IRQ_INDEX], 5);
	udrv_pci_free_irq_vectors(dev);
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 5, 8, UDRV_PCI_IRQ_MSIX), 5);
}
END_TEST

/* Some kernels only say that it was too many. */
START_TEST(fewer_vectors_than_wanted_and_nobody_says_how_many)
{
	fake->vectors_left_unsaid = true;
	fake->vectors_left = 5;
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 8, UDRV_PCI_IRQ_MSIX), 5);
	ck_assert_uint_eq(fake->enabled[VFIO_PCI_MSIX_IRQ_INDEX], 5);
	udrv_pci_free_irq_vectors(dev);
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 5, 8, UDRV_PCI_IRQ_MSIX), 5);
	udrv_pci_free_irq_vectors(dev);
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 6, 8, UDRV_PCI_IRQ_MSIX), -ENOSPC);
	ck_assert_uint_eq(udrv_pci_irq_type(dev), 0);
}
END_TEST

START_TEST(fewer_vectors_than_needed)
{
	fake->vectors_left = 3;
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 4, 8, UDRV_PCI_IRQ_MSIX), -ENOSPC);
	ck_assert(fault_logged("no 4 interrupt vectors"));
	ck_assert_uint_eq(udrv_pci_irq_type(dev), 0);
	/* The next type in the order may do. */
	fake->vectors_left = 0;
	fake->irqs[VFIO_PCI_MSIX_IRQ_INDEX] = 8;
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 9, 16, UDRV_PCI_IRQ_ALL_TYPES), -ENOSPC);
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 1, UDRV_PCI_IRQ_ALL_TYPES), 1);
}
END_TEST

START_TEST(bad_arguments)
{
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 0, 1, UDRV_PCI_IRQ_MSI), -EINVAL);
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 2, 1, UDRV_PCI_IRQ_MSI), -EINVAL);
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 1, 0), -EINVAL);
	ck_assert_int_eq(udrv_request_irq(dev, 0, complete, 0, "x", &done), -EINVAL);
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 1, UDRV_PCI_IRQ_MSI), 1);
	ck_assert_int_eq(udrv_request_irq(dev, 1, complete, 0, "x", &done), -EINVAL);
	ck_assert_int_eq(udrv_request_irq(dev, -1, complete, 0, "x", &done), -EINVAL);
	ck_assert_int_eq(udrv_request_irq(dev, 0, NULL, 0, "x", &done), -EINVAL);
	ck_assert_int_eq(udrv_request_irq(dev, 0, complete, UDRV_IRQF_SHARED, "x", NULL), -EINVAL);
	ck_assert_int_eq(udrv_free_irq(dev, 0, &done), -EINVAL);
	ck_assert_int_eq(udrv_free_irq(dev, 9, &done), -EINVAL);
}
END_TEST

/* "The kernel" says absurd things: no allocation by them. */
START_TEST(an_absurd_number_of_vectors)
{
	udrv_device_close(dev);
	fake->irqs[VFIO_PCI_MSIX_IRQ_INDEX] = UINT32_MAX;
	fake->vectors_left = 4;
	ck_assert_int_eq(udrv_device_open(NAME, NULL, &dev), 0);
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, UINT32_MAX, UDRV_PCI_IRQ_MSIX), 4);
}
END_TEST

static void request(enum udrv_wait wait)
{
	struct udrv_irq_options options = {.wait = wait, .cpu = -1};

	ck_assert_int_eq(udrv_irq_set_options(dev, 0, &options), 0);
	ck_assert_int_eq(udrv_request_irq(dev, 0, complete, 0, "test", &done), 0);
}

START_TEST(each_wait_hears_the_kernel)
{
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 1, UDRV_PCI_IRQ_MSI), 1);
	request((enum udrv_wait)_i);
	for (int n = 0; n < 100; n++) {
		fake_vfio_raise(fake, VFIO_PCI_MSI_IRQ_INDEX, 0);
		ck_assert_int_gt(udrv_wait_for_completion_timeout(&done, WAIT_MS), 0);
	}
	ck_assert_uint_eq(fake->unmasks, 0);
	ck_assert_int_eq(udrv_free_irq(dev, 0, &done), 0);
}
END_TEST

START_TEST(intx_is_unmasked_after_each_run)
{
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 1, UDRV_PCI_IRQ_INTX), 1);
	request(UDRV_WAIT_READ);
	/* When it was requested: who had it before may have left it masked. */
	ck_assert_uint_eq(fake->unmasks, 1);
	for (int n = 0; n < 3; n++) {
		fake_vfio_raise(fake, VFIO_PCI_INTX_IRQ_INDEX, 0);
		ck_assert_int_gt(udrv_wait_for_completion_timeout(&done, WAIT_MS), 0);
	}
	/* The worker unmasks after the handler: the last one shows when it has stopped. */
	ck_assert_int_eq(udrv_free_irq(dev, 0, &done), 0);
	ck_assert_uint_eq(fake->unmasks, 4);
}
END_TEST

START_TEST(vectors_are_kept_while_requested)
{
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 1, UDRV_PCI_IRQ_MSI), 1);
	request(UDRV_WAIT_EPOLL);
	udrv_pci_free_irq_vectors(dev);
	ck_assert(fault_logged("irq 0 is still requested by test"));
	fake_vfio_raise(fake, VFIO_PCI_MSI_IRQ_INDEX, 0);
	ck_assert_int_gt(udrv_wait_for_completion_timeout(&done, WAIT_MS), 0);
}
END_TEST

START_TEST(a_wait_that_fails_declares_the_device_gone)
{
	long ret;

	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 1, UDRV_PCI_IRQ_MSI), 1);
	request(UDRV_WAIT_READ);
	fault_arm_call("read", 1, EIO);
	/* The worker's next read fails: this one, or the one after it has run the handler. */
	fake_vfio_raise(fake, VFIO_PCI_MSI_IRQ_INDEX, 0);
	ret = udrv_wait_for_completion_timeout(&done, WAIT_MS);
	if (ret > 0)
		ret = udrv_wait_for_completion_timeout(&done, WAIT_MS);
	ck_assert_int_eq(ret, -ENODEV);
	ck_assert(udrv_device_gone(dev));
	ck_assert_str_eq(fault_disarm(), "read");
	ck_assert_int_eq(udrv_free_irq(dev, 0, &done), 0);
}
END_TEST

static bool readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

START_TEST(events_are_heard)
{
	int request_fd = udrv_device_event_fd(dev, UDRV_EVENT_REQUEST);
	int error_fd = udrv_device_event_fd(dev, UDRV_EVENT_ERROR);

	ck_assert_int_ge(request_fd, 0);
	ck_assert_int_ge(error_fd, 0);
	ck_assert(!readable(request_fd) && !readable(error_fd));
	fake_vfio_raise(fake, VFIO_PCI_REQ_IRQ_INDEX, 0);
	ck_assert(readable(request_fd) && !readable(error_fd));
	fake_vfio_raise(fake, VFIO_PCI_ERR_IRQ_INDEX, 0);
	ck_assert(readable(error_fd));
	ck_assert_int_eq(udrv_device_event_fd(dev, UDRV_EVENT_COUNT), -EOPNOTSUPP);
}
END_TEST

START_TEST(events_that_the_device_does_not_have)
{
	udrv_device_close(dev);
	fake->irqs[VFIO_PCI_ERR_IRQ_INDEX] = 0;
	ck_assert_int_eq(udrv_device_open(NAME, NULL, &dev), 0);
	ck_assert_int_eq(udrv_device_event_fd(dev, UDRV_EVENT_ERROR), -EOPNOTSUPP);
	ck_assert_int_ge(udrv_device_event_fd(dev, UDRV_EVENT_REQUEST), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("vfio_irq");
	TCase *tc = tcase_create("irq");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, takes_the_best_type_and_what_is_of_use);
	tcase_add_test(tc, fewer_vectors_than_wanted);
	tcase_add_test(tc, fewer_vectors_than_wanted_and_nobody_says_how_many);
	tcase_add_test(tc, fewer_vectors_than_needed);
	tcase_add_test(tc, bad_arguments);
	tcase_add_test(tc, an_absurd_number_of_vectors);
	tcase_add_loop_test(tc, each_wait_hears_the_kernel, 0, UDRV_WAIT_COUNT);
	tcase_add_test(tc, intx_is_unmasked_after_each_run);
	tcase_add_test(tc, vectors_are_kept_while_requested);
	tcase_add_test(tc, a_wait_that_fails_declares_the_device_gone);
	tcase_add_test(tc, events_are_heard);
	tcase_add_test(tc, events_that_the_device_does_not_have);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
