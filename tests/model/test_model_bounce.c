// SPDX-License-Identifier: MIT
/* Transfers of a device of 28 address lines, whose buffers bounce. */
#include <stdlib.h>

#include <udrv/scatterlist.h>

#include "edu_device.h"
#include "support/suite.h"

#define PAGE 4096u

static unsigned char *memory;

static void setup(void)
{
	ck_assert_int_eq(udrv_device_open("model:edu", "model-stub", &dev), 0);
	ck_assert_int_eq(udrv_pci_enable_device(dev), 0);
	regs = udrv_pci_iomap(dev, EDU_BAR, 0);
	ck_assert_ptr_nonnull(regs);
	ck_assert_int_eq(udrv_dma_set_mask_and_coherent(dev, UDRV_DMA_BIT_MASK(EDU_DMA_BITS)), 0);
	ck_assert_int_eq(udrv_pci_set_master(dev), 0);
	memory = malloc(16 * PAGE);
	for (size_t i = 0; i < 16 * PAGE; i++)
		memory[i] = (unsigned char)(i % 251);
}

static void teardown(void)
{
	struct udrv__model_counts c = counts();

	ck_assert_uint_gt(c.dma_bytes, 0);
	ck_assert_uint_eq(c.dma_faults + c.dma_refused, 0);
	free(memory);
	close_edu();
}

static void send(udrv_iova_t addr, size_t len)
{
	run_dma(addr, EDU_BUFFER, len, 0);
}

static void receive(udrv_iova_t addr, size_t len)
{
	run_dma(EDU_BUFFER, addr, len, EDU_DMA_FROM_EDU);
}

START_TEST(a_buffer_there_and_back)
{
	unsigned char *to = memory + 8 * PAGE;
	size_t len = (size_t)1 << _i;
	udrv_iova_t addr = udrv_dma_map_single(dev, memory + 3, len, UDRV_DMA_TO_DEVICE);

	ck_assert_uint_lt(addr, (udrv_iova_t)1 << EDU_DMA_BITS);
	send(addr, len);
	udrv_dma_unmap_single(dev, addr, len, UDRV_DMA_TO_DEVICE);
	addr = udrv_dma_map_single(dev, to, len, UDRV_DMA_FROM_DEVICE);
	receive(addr, len);
	ck_assert(to[len] == (8 * PAGE + len) % 251);
	udrv_dma_unmap_single(dev, addr, len, UDRV_DMA_FROM_DEVICE);
	ck_assert_mem_eq(to, memory + 3, len);
	ck_assert(to[len] == (8 * PAGE + len) % 251);
}
END_TEST

/* One mapping that is used again and again, as a ring's buffers are. */
START_TEST(a_mapping_that_stays)
{
	udrv_iova_t addr = udrv_dma_map_single(dev, memory, 512, UDRV_DMA_BIDIRECTIONAL);

	for (int round = 0; round < 50; round++) {
		memset(memory, round, 512);
		udrv_dma_sync_single_for_device(dev, addr, 512, UDRV_DMA_BIDIRECTIONAL);
		send(addr, 512);
		memset(memory, 0xff, 512);
		receive(addr + 256, 256);
		udrv_dma_sync_single_range_for_cpu(dev, addr, 256, 256, UDRV_DMA_BIDIRECTIONAL);
		for (size_t i = 0; i < 512; i++)
			ck_assert_int_eq(memory[i], i < 256 ? 0xff : round);
	}
	udrv_dma_unmap_single(dev, addr, 512, UDRV_DMA_BIDIRECTIONAL);
}
END_TEST

START_TEST(a_list)
{
	struct udrv_scatterlist list[3];
	struct udrv_scatterlist *sg;
	unsigned int done = 0;
	unsigned int n;
	unsigned int i;

	udrv_sg_init_table(list, 3);
	for (i = 0; i < 3; i++)
		udrv_sg_set_buf(&list[i], memory + i * 3 * PAGE, 1000);
	n = udrv_dma_map_sg(dev, list, 3, UDRV_DMA_TO_DEVICE);
	ck_assert_uint_gt(n, 0);
	udrv_for_each_sg(list, sg, n, i)
	{
		run_dma(udrv_sg_dma_address(sg), EDU_BUFFER + done, udrv_sg_dma_len(sg), 0);
		done += udrv_sg_dma_len(sg);
	}
	ck_assert_uint_eq(done, 3000);
	udrv_dma_unmap_sg(dev, list, 3, UDRV_DMA_TO_DEVICE);
	udrv_sg_init_one(list, memory + 12 * PAGE, 3000);
	ck_assert_uint_eq(udrv_dma_map_sg(dev, list, 1, UDRV_DMA_FROM_DEVICE), 1);
	receive(udrv_sg_dma_address(list), 3000);
	udrv_dma_unmap_sg(dev, list, 1, UDRV_DMA_FROM_DEVICE);
	for (i = 0; i < 3; i++)
		ck_assert_mem_eq(memory + 12 * PAGE + i * 1000, memory + i * 3 * PAGE, 1000);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("model_bounce");
	TCase *tc = tcase_create("edu");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, a_buffer_there_and_back, 0, 12);
	tcase_add_test(tc, a_mapping_that_stays);
	tcase_add_test(tc, a_list);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
