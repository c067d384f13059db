// SPDX-License-Identifier: MIT
/* The stub backend on a fake of the module: each system call and allocation fails in turn. */
#include <errno.h>
#include <string.h>

#include <udrv/device.h>
#include <udrv/irq.h>
#include <udrv/pci.h>

#include "pci/device.h"

#include "support/fake_machine.h"
#include "support/fault.h"
#include "support/suite.h"

#define NAME	  "0000:00:05.0"
#define PAGE	  4096u
#define UNTOUCHED ((void *)0x5a5a)

static struct udrv_device *dev;

static void setup(void)
{
	fake_stub_machine_make(NAME);
	fake_stub.info.bars[0].hole_offset = PAGE;
	fake_stub.info.bars[0].hole_len = PAGE;
	fake_stub.info.flags |= UDRV_STUB_REPORTS_ERRORS;
}

static void setup_open(void)
{
	setup();
	ck_assert_int_eq(udrv_device_open(NAME, NULL, &dev), 0);
}

static void teardown_open(void)
{
	udrv_device_close(dev);
	fake_stub_machine_remove();
}

static int step_open(void *ctx)
{
	struct udrv_device **out = ctx;
	int ret;

	*out = UNTOUCHED;
	ret = udrv_device_open(NAME, NULL, out);
	if (ret < 0) {
		FAULT_MUST(*out == UNTOUCHED);
		FAULT_MUST(fake_stub.fd == -1);
		FAULT_MUST(!fake_stub.vectors);
	}
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
		.step = step_open, .undo = undo_open, .ctx = &opened, .fewest = 15});
}
END_TEST

static int step_vectors(void *ctx)
{
	int ret = udrv_pci_alloc_irq_vectors(dev, 1, 4, UDRV_PCI_IRQ_MSIX);

	(void)ctx;
	FAULT_MUST(fake_stub.enabled[UDRV_STUB_MSIX] == (ret < 0 ? 0u : 4u));
	return ret;
}

static void undo_vectors(void *ctx)
{
	(void)ctx;
	udrv_pci_free_irq_vectors(dev);
}

START_TEST(alloc_irq_vectors)
{
	fault_check(&(struct fault_case){.step = step_vectors, .undo = undo_vectors, .fewest = 8});
}
END_TEST

static udrv_irqreturn_t handler(int irq, void *ctx)
{
	(void)irq;
	(void)ctx;
	return UDRV_IRQ_HANDLED;
}

/* A line, whose unmasking may fail; and ways to wait that are the stub's own. */
static int step_request(void *ctx)
{
	struct udrv_irq_options options = {.wait = *(enum udrv_wait *)ctx, .cpu = UDRV_CPU_ANY};
	int ret = udrv_pci_alloc_irq_vectors(dev, 1, 1, UDRV_PCI_IRQ_INTX);

	if (ret < 0)
		return ret;
	ret = udrv_irq_set_options(dev, 0, &options);
	if (!ret)
		ret = udrv_request_irq(dev, 0, handler, 0, "fault", ctx);
	if (ret)
		udrv_pci_free_irq_vectors(dev);
	return ret;
}

static void undo_request(void *ctx)
{
	ck_assert_int_eq(udrv_free_irq(dev, 0, ctx), 0);
	udrv_pci_free_irq_vectors(dev);
}

START_TEST(request_irq_of_each_wait)
{
	enum udrv_wait wait = (enum udrv_wait)_i;

	fault_check(&(struct fault_case){.step = step_request,
					 .undo = undo_request,
					 .ctx = &wait,
					 .fewest = 8,
					 .silent = true});
}
END_TEST

static const struct udrv_irq_options adaptive = {.wait = UDRV_WAIT_ADAPTIVE, .cpu = UDRV_CPU_ANY};

/* One worker for two: what blocks between spins is a ring then, not a read. */
static int step_share(void *ctx)
{
	(void)ctx;
	return udrv_irq_share(dev, 1, dev, 0);
}

static void undo_share(void *ctx)
{
	(void)ctx;
	ck_assert_int_eq(udrv_irq_share(dev, 1, dev, 1), 0);
	/* A read again. */
	ck_assert_int_eq(udrv_irq_set_options(dev, 0, &adaptive), 0);
}

START_TEST(share_of_what_is_counted)
{
	ck_assert_int_eq(step_vectors(NULL), 4);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(udrv_irq_set_options(dev, i, &adaptive), 0);
		ck_assert_int_eq(udrv_request_irq(dev, i, handler, 0, "fault", &dev), 0);
	}
	fault_check(&(struct fault_case){
		.step = step_share, .undo = undo_share, .fewest = 4, .silent = true});
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(udrv_free_irq(dev, i, &dev), 0);
}
END_TEST

static int step_dma(void *ctx)
{
	struct udrv__dma_block *block = ctx;
	int ret;

	block->handle = 0x5a;
	ret = dev->ops->dma_alloc(dev, 2 * PAGE, UINT32_MAX, block);
	if (ret)
		FAULT_MUST(block->handle == 0x5a && !fake_stub.blocks[0].size);
	return ret;
}

static void undo_dma(void *ctx)
{
	ck_assert_int_eq(dev->ops->dma_free(dev, ctx), 0);
}

START_TEST(dma_alloc)
{
	struct udrv__dma_block block;

	fault_check(&(struct fault_case){
		.step = step_dma, .undo = undo_dma, .ctx = &block, .fewest = 2, .silent = true});
}
END_TEST

/* Two areas to map and to guard, and a window for the hole. */
static int step_iomap(void *ctx)
{
	struct udrv_device **out = ctx;
	int ret = udrv_device_open(NAME, NULL, out);

	if (ret)
		return ret;
	if (udrv_pci_iomap(*out, 0, 0))
		return 0;
	udrv_device_close(*out);
	return -ENOMEM;
}

START_TEST(pci_iomap_with_a_hole)
{
	struct udrv_device *opened;

	fault_check(&(struct fault_case){
		.step = step_iomap, .undo = undo_open, .ctx = &opened, .fewest = 19});
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fault_stub");
	TCase *plain = tcase_create("open");
	TCase *tc = tcase_create("on a device");

	tcase_set_timeout(plain, 300);
	tcase_add_checked_fixture(plain, setup, fake_stub_machine_remove);
	tcase_add_test(plain, device_open);
	tcase_add_test(plain, pci_iomap_with_a_hole);
	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup_open, teardown_open);
	tcase_add_test(tc, alloc_irq_vectors);
	tcase_add_loop_test(tc, request_irq_of_each_wait, 0, UDRV_WAIT_COUNT);
	tcase_add_test(tc, share_of_what_is_counted);
	tcase_add_test(tc, dma_alloc);
	suite_add_tcase(s, plain);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
