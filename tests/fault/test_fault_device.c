// SPDX-License-Identifier: MIT
/* What drivers call, on the model: each acquiring call inside fails in turn. */
#include <errno.h>
#include <string.h>

#include <udrv/device.h>
#include <udrv/devres.h>
#include <udrv/dma.h>
#include <udrv/irq.h>
#include <udrv/pci.h>

#include "support/fault.h"
#include "support/suite.h"

#define UNTOUCHED ((void *)0x5a5a)

static struct udrv_device *dev;

static void setup(void)
{
	fault_log_clear();
	ck_assert_int_eq(udrv_device_open("model:edu", NULL, &dev), 0);
}

static void teardown(void)
{
	udrv_device_close(dev);
}

static int step_open(void *ctx)
{
	struct udrv_device **out = ctx;
	int ret;

	*out = UNTOUCHED;
	ret = udrv_device_open("model:edu", NULL, out);
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
		.step = step_open, .undo = undo_open, .ctx = &opened, .fewest = 8});
}
END_TEST

static int step_vectors(void *ctx)
{
	(void)ctx;
	return udrv_pci_alloc_irq_vectors(dev, 1, 1, UDRV_PCI_IRQ_MSI);
}

static void undo_vectors(void *ctx)
{
	(void)ctx;
	udrv_pci_free_irq_vectors(dev);
}

START_TEST(alloc_irq_vectors)
{
	fault_check(&(struct fault_case){.step = step_vectors, .undo = undo_vectors, .fewest = 3});
	ck_assert_uint_eq(udrv_pci_irq_type(dev), 0);
}
END_TEST

static udrv_irqreturn_t handler(int irq, void *ctx)
{
	(void)irq;
	(void)ctx;
	return UDRV_IRQ_HANDLED;
}

static int step_request_irq(void *ctx)
{
	struct udrv_irq_options options = {.wait = *(enum udrv_wait *)ctx, .cpu = -1};
	int ret = udrv_irq_set_options(dev, 0, &options);

	return ret ? ret : udrv_request_threaded_irq(dev, 0, handler, NULL, 0, "fault", ctx);
}

static void undo_request_irq(void *ctx)
{
	ck_assert_int_eq(udrv_free_irq(dev, 0, ctx), 0);
}

START_TEST(request_irq_of_each_wait)
{
	/* The action, the thread; then what the strategy waits with. */
	static const unsigned int fewest[UDRV_WAIT_COUNT] = {
		[UDRV_WAIT_READ] = 2,	    [UDRV_WAIT_EPOLL] = 4, [UDRV_WAIT_URING] = 4,
		[UDRV_WAIT_URING_READ] = 3, [UDRV_WAIT_SPIN] = 3,  [UDRV_WAIT_ADAPTIVE] = 2,
	};
	enum udrv_wait wait = (enum udrv_wait)_i;

	ck_assert_int_eq(step_vectors(NULL), 1);
	fault_check(&(struct fault_case){.step = step_request_irq,
					 .undo = undo_request_irq,
					 .ctx = &wait,
					 .fewest = fewest[wait],
					 .silent = true});
}
END_TEST

/* What an arena grows by at least: it cannot do with less instead. */
#define REGION ((size_t)2 << 20)

struct memory {
	void *va;
	udrv_iova_t iova;
};

static int step_alloc_coherent(void *ctx)
{
	struct memory *m = ctx;

	m->iova = 0x5a;
	m->va = udrv_dma_alloc_coherent(dev, REGION, &m->iova, UDRV_GFP_KERNEL);
	if (!m->va)
		FAULT_MUST(m->iova == 0x5a);
	return m->va ? 0 : -ENOMEM;
}

static void undo_alloc_coherent(void *ctx)
{
	struct memory *m = ctx;

	udrv_dma_free_coherent(dev, REGION, m->va, m->iova);
	FAULT_MUST(udrv_dma_shrink(dev) == REGION);
}

START_TEST(dma_alloc_coherent)
{
	struct memory m;

	fault_check(&(struct fault_case){.step = step_alloc_coherent,
					 .undo = undo_alloc_coherent,
					 .ctx = &m,
					 .absorbs = " memfd_create ftruncate mmap ",
					 .fewest = 10});
}
END_TEST

static int step_map_single(void *ctx)
{
	static char buf[100];
	udrv_iova_t *iova = ctx;

	*iova = udrv_dma_map_single(dev, buf, sizeof(buf), UDRV_DMA_TO_DEVICE);
	return udrv_dma_mapping_error(dev, *iova);
}

static void undo_map_single(void *ctx)
{
	udrv_dma_unmap_single(dev, *(udrv_iova_t *)ctx, 100, UDRV_DMA_TO_DEVICE);
}

START_TEST(dma_map_single)
{
	udrv_iova_t iova;

	fault_check(&(struct fault_case){
		.step = step_map_single, .undo = undo_map_single, .ctx = &iova, .fewest = 2});
}
END_TEST

static _Alignas(4096) char page[4096];

static int step_register(void *ctx)
{
	(void)ctx;
	return udrv_dma_register(dev, page, sizeof(page), UDRV_DMA_TO_DEVICE);
}

static void undo_register(void *ctx)
{
	(void)ctx;
	FAULT_MUST(!udrv_dma_unregister(dev, page, sizeof(page)));
}

START_TEST(dma_register)
{
	fault_check(&(struct fault_case){
		.step = step_register, .undo = undo_register, .ctx = NULL, .fewest = 3});
}
END_TEST

/* The window of a BAR is made at first use and stays until close: each try has its own device. */
static int step_iomap(void *ctx)
{
	struct udrv_device **out = ctx;
	int ret = udrv_device_open("model:edu:iomap", NULL, out);

	if (ret)
		return ret;
	if (udrv_pci_iomap(*out, 0, 0))
		return 0;
	udrv_device_close(*out);
	return -ENOMEM;
}

START_TEST(pci_iomap)
{
	struct udrv_device *opened;

	fault_check(&(struct fault_case){
		.step = step_iomap, .undo = undo_open, .ctx = &opened, .fewest = 9});
}
END_TEST

static int step_regions(void *ctx)
{
	(void)ctx;
	return udrv_pci_request_regions(dev, "fault");
}

static void undo_regions(void *ctx)
{
	(void)ctx;
	udrv_pci_release_regions(dev);
}

START_TEST(pci_request_regions)
{
	fault_check(&(struct fault_case){.step = step_regions, .undo = undo_regions, .fewest = 1});
}
END_TEST

/* The device's list must be as before, too: a second close would free twice. */
static int step_managed_regions(void *ctx)
{
	(void)ctx;
	return udrv_pcim_request_all_regions(dev, "fault");
}

START_TEST(pcim_request_all_regions)
{
	fault_check(&(struct fault_case){
		.step = step_managed_regions, .undo = undo_regions, .fewest = 2, .silent = true});
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fault_device");
	TCase *plain = tcase_create("open");
	TCase *tc = tcase_create("on a device");

	tcase_set_timeout(plain, 300);
	tcase_add_test(plain, device_open);
	tcase_add_test(plain, pci_iomap);
	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, alloc_irq_vectors);
	tcase_add_loop_test(tc, request_irq_of_each_wait, 0, UDRV_WAIT_COUNT);
	tcase_add_test(tc, dma_alloc_coherent);
	tcase_add_test(tc, dma_map_single);
	tcase_add_test(tc, dma_register);
	tcase_add_test(tc, pci_request_regions);
	tcase_add_test(tc, pcim_request_all_regions);
	suite_add_tcase(s, plain);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
