// SPDX-License-Identifier: MIT
/* Vectors that the caller waits for by itself. */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include <udrv/udrv.h>

#include "support/one_cpu.h"
#include "support/suite.h"

/* docs/specs/edu of QEMU. */
#define IRQ_STATUS 0x24
#define IRQ_RAISE  0x60
#define IRQ_ACK	   0x64

static struct udrv_device *dev;
static uint8_t __udrv_iomem *regs;
static int me;

static void open_edu(unsigned int type)
{
	ck_assert_int_eq(udrv_device_open("model:edu", NULL, &dev), 0);
	ck_assert_int_eq(udrv_pci_enable_device(dev), 0);
	ck_assert_int_eq(udrv_pci_set_master(dev), 0);
	regs = udrv_pci_iomap(dev, 0, 0);
	ck_assert_ptr_nonnull((void *)regs);
	ck_assert_int_eq(udrv_pci_alloc_irq_vectors(dev, 1, 1, type), 1);
}

static void setup(void)
{
	open_edu(UDRV_PCI_IRQ_MSI);
}

static void teardown(void)
{
	udrv_device_close(dev);
}

static void raise_irq(void)
{
	udrv_iowrite32(1, regs + IRQ_RAISE);
	udrv_iowrite32(1, regs + IRQ_ACK);
}

static bool is_readable(int fd, int timeout_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, timeout_ms) == 1;
}

static udrv_irqreturn_t handler(int irq, void *ctx)
{
	(void)irq;
	udrv_complete(ctx);
	return UDRV_IRQ_HANDLED;
}

/* Also to who keeps to one CPU, where no kernel can be asked to deliver it there. */
START_TEST(each_interrupt_is_signalled)
{
	uint64_t count;
	int fd;

	if (_i)
		keep_to_one_cpu();
	fd = udrv_request_irq_fd(dev, 0, "test", &me);
	ck_assert_int_ge(fd, 0);
	ck_assert(!is_readable(fd, 0));
	for (int i = 0; i < 3; i++)
		raise_irq();
	ck_assert(is_readable(fd, 60000));
	ck_assert_int_eq(read(fd, &count, sizeof(count)), sizeof(count));
	ck_assert_uint_eq(count, 3);
	ck_assert_int_eq(udrv_free_irq(dev, 0, &me), 0);
}
END_TEST

START_TEST(the_vector_is_taken)
{
	struct udrv_completion done;

	udrv_init_completion(dev, &done);
	ck_assert_int_ge(udrv_request_irq_fd(dev, 0, "test", &me), 0);
	ck_assert_int_eq(udrv_request_irq_fd(dev, 0, "other", &done), -EBUSY);
	ck_assert_int_eq(udrv_request_irq(dev, 0, handler, UDRV_IRQF_SHARED, "other", &done),
			 -EBUSY);
	ck_assert_int_eq(udrv_free_irq(dev, 0, &me), 0);
	ck_assert_int_eq(udrv_request_irq(dev, 0, handler, 0, "other", &done), 0);
	ck_assert_int_eq(udrv_request_irq_fd(dev, 0, "test", &me), -EBUSY);
	raise_irq();
	ck_assert_int_gt(udrv_wait_for_completion_timeout(&done, 60000), 0);
	ck_assert_int_eq(udrv_free_irq(dev, 0, &done), 0);
}
END_TEST

START_TEST(what_is_left_does_not_greet_the_next_one)
{
	int fd = udrv_request_irq_fd(dev, 0, "test", &me);

	raise_irq();
	ck_assert(is_readable(fd, 60000));
	ck_assert_int_eq(udrv_free_irq(dev, 0, &me), 0);
	fd = udrv_request_irq_fd(dev, 0, "test", &me);
	ck_assert_int_ge(fd, 0);
	ck_assert(!is_readable(fd, 0));
}
END_TEST

static void no_work(struct udrv_irq_work *work)
{
	(void)work;
}

START_TEST(no_worker_does_work_there)
{
	struct udrv_irq_work work;

	udrv_init_irq_work(&work, no_work);
	ck_assert_int_ge(udrv_request_irq_fd(dev, 0, "test", &me), 0);
	ck_assert_int_eq(udrv_irq_work_queue(dev, 0, &work), -ENXIO);
	ck_assert_int_eq(udrv_irq_work_queue_delayed(dev, 0, &work, 1), -ENXIO);
	ck_assert(!udrv_irq_work_is_pending(&work));
	ck_assert_int_eq(udrv_free_irq(dev, 0, &me), 0);
}
END_TEST

START_TEST(what_cannot_be_taken)
{
	ck_assert_int_eq(udrv_request_irq_fd(dev, 1, "test", &me), -EINVAL);
	ck_assert_int_eq(udrv_request_irq_fd(dev, -1, "test", &me), -EINVAL);
	ck_assert_int_eq(udrv_request_irq_fd(dev, 0, "test", NULL), -EINVAL);
	udrv_device_close(dev);
	open_edu(UDRV_PCI_IRQ_INTX);
	ck_assert_int_eq(udrv_request_irq_fd(dev, 0, "test", &me), -EOPNOTSUPP);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("irq_fd");
	TCase *tc = tcase_create("irq_fd");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, each_interrupt_is_signalled, 0, 2);
	tcase_add_test(tc, the_vector_is_taken);
	tcase_add_test(tc, what_is_left_does_not_greet_the_next_one);
	tcase_add_test(tc, no_worker_does_work_there);
	tcase_add_test(tc, what_cannot_be_taken);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
