// SPDX-License-Identifier: MIT
/* The VFIO backend on a fake of the kernel: each system call and allocation fails in turn. */
#include <errno.h>
#include <string.h>

#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/irq.h>
#include <udrv/pci.h>

#include "support/fake_machine.h"
#include "support/fault.h"
#include "support/suite.h"

#define NAME	  "0000:00:05.0"
#define PAGE	  4096u
#define UNTOUCHED ((void *)0x5a5a)

static struct udrv_device *dev;

static void setup(void)
{
	static const uint64_t hole[] = {0, PAGE, 2 * PAGE, (1 << 20) - 2 * PAGE};
	struct fake_device *fake = fake_machine_make(NAME);

	fake_vfio_sparse(&fake->regions[0], hole, 2);
}

static void setup_open(void)
{
	setup();
	ck_assert_int_eq(udrv_device_open(NAME, NULL, &dev), 0);
}

static void teardown_open(void)
{
	udrv_device_close(dev);
	fake_machine_remove();
}

static int step_open(void *ctx)
{
	struct udrv_device **out = ctx;
	int ret;

	fake_vfio_lines_clear();
	*out = UNTOUCHED;
	ret = udrv_device_open(NAME, NULL, out);
	if (ret < 0) {
		FAULT_MUST(*out == UNTOUCHED);
		FAULT_MUST(fake_vfio.group_fd == -1);
		FAULT_MUST(fake_vfio.container == -1);
		FAULT_MUST(fake_vfio.devices[0].fd == -1);
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

	/* A type of interrupts, or an event, that the kernel does not tell about is not there. */
	fault_check(&(struct fault_case){.step = step_open,
					 .undo = undo_open,
					 .ctx = &opened,
					 .absorbs = " ioctl ",
					 .fewest = 40});
}
END_TEST

static int step_vectors(void *ctx)
{
	(void)ctx;
	fake_vfio_lines_clear();
	return udrv_pci_alloc_irq_vectors(dev, 1, 4, UDRV_PCI_IRQ_MSIX);
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

static int step_intx(void *ctx)
{
	int ret;

	fake_vfio_lines_clear();
	ret = udrv_pci_alloc_irq_vectors(dev, 1, 1, UDRV_PCI_IRQ_INTX);
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
}

START_TEST(request_irq_of_a_line)
{
	/* Where the interrupt goes need not be known. */
	fault_check(&(struct fault_case){.step = step_intx,
					 .undo = undo_intx,
					 .ctx = &dev,
					 .absorbs = " open ",
					 .fewest = 6,
					 .silent = true});
}
END_TEST

/* What an arena grows by at least: it cannot do with less instead. */
#define REGION ((size_t)2 << 20)
/* There may be no huge pages. */
#define ABSORBS " memfd_create ftruncate mmap "

struct memory {
	void *va;
	udrv_iova_t iova;
};

static int step_alloc_coherent(void *ctx)
{
	struct memory *m = ctx;

	fake_vfio_lines_clear();
	m->iova = 0x5a;
	m->va = udrv_dma_alloc_coherent(dev, REGION, &m->iova, UDRV_GFP_KERNEL);
	if (!m->va) {
		FAULT_MUST(m->iova == 0x5a);
		FAULT_MUST(fake_vfio.mapping_count == 0);
	}
	return m->va ? 0 : -ENOMEM;
}

static void undo_alloc_coherent(void *ctx)
{
	struct memory *m = ctx;

	udrv_dma_free_coherent(dev, REGION, m->va, m->iova);
	ck_assert_uint_eq(udrv_dma_shrink(dev), REGION);
	ck_assert_uint_eq(fake_vfio.mapping_count, 0);
}

START_TEST(dma_alloc_coherent)
{
	struct memory m;

	fault_check(&(struct fault_case){.step = step_alloc_coherent,
					 .undo = undo_alloc_coherent,
					 .ctx = &m,
					 .absorbs = ABSORBS,
					 .fewest = 10});
}
END_TEST

/* Two areas to map and to guard, and a window for the hole. */
static int step_iomap(void *ctx)
{
	struct udrv_device **out = ctx;
	int ret;

	fake_vfio_lines_clear();
	ret = udrv_device_open(NAME, NULL, out);
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

	fault_check(&(struct fault_case){.step = step_iomap,
					 .undo = undo_open,
					 .ctx = &opened,
					 .absorbs = " ioctl ",
					 .fewest = 45});
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fault_vfio");
	TCase *plain = tcase_create("open");
	TCase *tc = tcase_create("on a device");

	tcase_set_timeout(plain, 300);
	tcase_add_checked_fixture(plain, setup, fake_machine_remove);
	tcase_add_test(plain, device_open);
	tcase_add_test(plain, pci_iomap_with_a_hole);
	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup_open, teardown_open);
	tcase_add_test(tc, alloc_irq_vectors);
	tcase_add_test(tc, request_irq_of_a_line);
	tcase_add_test(tc, dma_alloc_coherent);
	suite_add_tcase(s, plain);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
