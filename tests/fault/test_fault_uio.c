// SPDX-License-Identifier: MIT
/* The UIO backend on a fake of the kernel: each system call and allocation fails in turn. */
#include <errno.h>

#include <udrv/device.h>
#include <udrv/irq.h>
#include <udrv/pci.h>

#include "support/fake_uio.h"
#include "support/fault.h"
#include "support/suite.h"

#define NAME	  "0000:00:05.0"
#define UNTOUCHED ((void *)0x5a5a)

static struct udrv_device *dev;

static void setup(void)
{
	fake_uio_make(NAME);
	fault_start_thread_once();
}

static void setup_open(void)
{
	setup();
	ck_assert_int_eq(udrv_device_open(NAME, NULL, &dev), 0);
}

static void teardown_open(void)
{
	udrv_device_close(dev);
	fake_uio_remove();
}

static int step_open(void *ctx)
{
	struct udrv_device **out = ctx;
	int ret;

	*out = UNTOUCHED;
	ret = udrv_device_open(NAME, NULL, out);
	if (ret < 0)
		FAULT_MUST(*out == UNTOUCHED);
	return ret;
}

static void undo_open(void *ctx)
{
	udrv_device_close(*(struct udrv_device **)ctx);
}

START_TEST(device_open)
{
	struct udrv_device *opened;

	fault_check(&(struct fault_case){
		.step = step_open, .undo = undo_open, .ctx = &opened, .fewest = 25});
}
END_TEST

/* Memory to map and to guard; ports, and a window for them. */
static int step_iomap(void *ctx)
{
	struct udrv_device **out = ctx;
	int ret = udrv_device_open(NAME, NULL, out);

	if (ret)
		return ret;
	if (udrv_pci_iomap(*out, 0, 0) && udrv_pci_iomap(*out, 4, 0))
		return 0;
	udrv_device_close(*out);
	return -ENOMEM;
}

START_TEST(pci_iomap)
{
	struct udrv_device *opened;

	fault_check(&(struct fault_case){
		.step = step_iomap, .undo = undo_open, .ctx = &opened, .fewest = 29});
}
END_TEST

static udrv_irqreturn_t handler(int irq, void *ctx)
{
	(void)irq;
	(void)ctx;
	return UDRV_IRQ_HANDLED;
}

static int step_intx(void *ctx)
{
	int ret = udrv_pci_alloc_irq_vectors(dev, 1, 1, UDRV_PCI_IRQ_INTX);

	if (ret < 0)
		return ret;
	ret = udrv_request_irq(dev, 0, handler, 0, "fault", ctx);
	if (ret)
		udrv_pci_free_irq_vectors(dev);
	return ret;
}

static void undo_intx(void *ctx)
{
	ck_assert_int_eq(udrv_free_irq(dev, 0, ctx), 0);
	udrv_pci_free_irq_vectors(dev);
	ck_assert(fake_uio_masked());
}

START_TEST(request_irq)
{
	/* Where the interrupt goes need not be known. */
	fault_check(&(struct fault_case){.step = step_intx,
					 .undo = undo_intx,
					 .ctx = &dev,
					 .absorbs = " open ",
					 .fewest = 8,
					 .silent = true});
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fault_uio");
	TCase *plain = tcase_create("open");
	TCase *tc = tcase_create("on a device");

	tcase_set_timeout(plain, 300);
	tcase_add_checked_fixture(plain, setup, fake_uio_remove);
	tcase_add_test(plain, device_open);
	tcase_add_test(plain, pci_iomap);
	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup_open, teardown_open);
	tcase_add_test(tc, request_irq);
	suite_add_tcase(s, plain);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
