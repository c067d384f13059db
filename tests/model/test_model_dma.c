// SPDX-License-Identifier: MIT
/* A software device's DMA, through the table that stands for an IOMMU. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include <linux/pci_regs.h>
#include <udrv/dma.h>
#include <udrv/kmalloc.h>

#include "edu_device.h"
#include "support/suite.h"

#define PAGE 4096u

static unsigned char *memory;
static udrv_iova_t iova;

static void setup(void)
{
	open_edu();
	ck_assert_int_eq(udrv_dma_set_mask_and_coherent(dev, UDRV_DMA_BIT_MASK(EDU_DMA_BITS)), 0);
	memory = udrv_dma_alloc_coherent(dev, 2 * PAGE, &iova, UDRV_GFP_KERNEL);
	ck_assert_ptr_nonnull(memory);
	ck_assert_int_eq(udrv_pci_set_master(dev), 0);
}

/* Calls of the backend, counted. */
static unsigned int maps;
static struct udrv__backend_ops counting;

static int count_map(struct udrv_device *d, void *va, size_t len, udrv_iova_t at, bool reads,
		     bool writes)
{
	maps++;
	return udrv__model_backend.dma_map(d, va, len, at, reads, writes);
}

static void count_maps(void)
{
	counting = *dev->ops;
	counting.dma_map = count_map;
	dev->ops = &counting;
	maps = 0;
}

static void to_device(udrv_iova_t addr, uint32_t offset, uint64_t len)
{
	run_dma(addr, EDU_BUFFER + offset, len, 0);
}

static void from_device(udrv_iova_t addr, uint32_t offset, uint64_t len)
{
	run_dma(EDU_BUFFER + offset, addr, len, EDU_DMA_FROM_EDU);
}

START_TEST(bytes_go_there_and_back)
{
	for (uint32_t i = 0; i < PAGE; i++)
		memory[i] = (unsigned char)(i ^ i >> 8);
	/* QEMU would end here; the whole buffer is fine with the model. */
	to_device(iova, 0, PAGE);
	from_device(iova + PAGE, 0, PAGE);
	ck_assert_mem_eq(memory, memory + PAGE, PAGE);
	ck_assert_uint_eq(counts().dma_bytes, 2 * PAGE);
	ck_assert_uint_eq(counts().dma_faults, 0);
}
END_TEST

START_TEST(only_the_bytes_asked_for_are_written)
{
	memset(memory, 0x11, PAGE);
	to_device(iova, 3, 5);
	memset(memory, 0x22, PAGE);
	from_device(iova + 1001, 3, 5);
	for (uint32_t i = 0; i < PAGE; i++)
		ck_assert_uint_eq(memory[i], i >= 1001 && i < 1006 ? 0x11 : 0x22);
}
END_TEST

static char last_line[512];

static void keep(void *ctx, int level, const char *line)
{
	(void)ctx;
	(void)level;
	strncpy(last_line, line, sizeof(last_line) - 1);
}

START_TEST(address_that_is_not_mapped_is_counted_and_told)
{
	udrv_iova_t nowhere = iova ^ (1u << 27);

	udrv_log_set(keep, NULL, UDRV_LOG_ERR);
	from_device(nowhere, 0, 16);
	ck_assert_uint_eq(counts().dma_faults, 1);
	ck_assert_uint_eq(counts().dma_bytes, 0);
	ck_assert_ptr_nonnull(strstr(last_line, "DMAR: [DMA Write]"));

	/* Reads from nowhere give ones. */
	to_device(nowhere, 0, 16);
	ck_assert_uint_eq(counts().dma_faults, 2);
	ck_assert_ptr_nonnull(strstr(last_line, "DMAR: [DMA Read]"));
	from_device(iova, 0, 16);
	for (int i = 0; i < 16; i++)
		ck_assert_uint_eq(memory[i], 0xff);
}
END_TEST

START_TEST(transfer_across_the_end_of_a_mapping_moves_what_is_mapped)
{
	unsigned char *page = aligned_alloc(PAGE, PAGE);
	udrv_iova_t addr = udrv_dma_map_single(dev, page, PAGE, UDRV_DMA_TO_DEVICE);

	memset(page + PAGE - 8, 0x33, 8);
	to_device(addr + PAGE - 8, 0, 16);
	ck_assert_uint_eq(counts().dma_faults, 1);
	ck_assert_uint_eq(counts().dma_bytes, 8);
	from_device(iova, 0, 16);
	ck_assert_uint_eq(memory[7], 0x33);
	ck_assert_uint_eq(memory[8], 0xff);
	udrv_dma_unmap_single(dev, addr, PAGE, UDRV_DMA_TO_DEVICE);
	free(page);
}
END_TEST

START_TEST(direction_of_a_mapping_is_enforced)
{
	unsigned char *page = aligned_alloc(PAGE, PAGE);
	udrv_iova_t addr;

	memset(page, 0x44, PAGE);
	addr = udrv_dma_map_single(dev, page, PAGE, UDRV_DMA_TO_DEVICE);
	ck_assert_int_eq(udrv_dma_mapping_error(dev, addr), 0);
	to_device(addr, 0, 16);
	ck_assert_uint_eq(counts().dma_faults, 0);
	memset(memory, 0x55, 16);
	to_device(iova, 0, 16);
	from_device(addr, 0, 16);
	ck_assert_uint_eq(counts().dma_faults, 1);
	ck_assert_uint_eq(page[0], 0x44);
	udrv_dma_unmap_single(dev, addr, PAGE, UDRV_DMA_TO_DEVICE);
	free(page);
}
END_TEST

START_TEST(nothing_is_written_after_unmap)
{
	unsigned char *page = aligned_alloc(PAGE, PAGE);
	udrv_iova_t addr = udrv_dma_map_single(dev, page, PAGE, UDRV_DMA_BIDIRECTIONAL);

	ck_assert_int_eq(udrv_dma_mapping_error(dev, addr), 0);
	memset(memory, 0x66, 64);
	to_device(iova, 0, 64);
	/* The transfer is under way, or done, when the mapping goes. */
	udrv_writeq(EDU_BUFFER, regs + EDU_DMA_SRC);
	udrv_writeq(addr, regs + EDU_DMA_DST);
	udrv_writeq(64, regs + EDU_DMA_COUNT);
	udrv_writel(EDU_DMA_RUN | EDU_DMA_FROM_EDU, regs + EDU_DMA_COMMAND);
	udrv_dma_unmap_single(dev, addr, PAGE, UDRV_DMA_BIDIRECTIONAL);
	/* Under the address sanitizer a write to it would end the test. */
	free(page);
	to_device(iova, 0, 1);
}
END_TEST

START_TEST(without_bus_mastering_nothing_moves)
{
	memset(memory, 0x77, 16);
	ck_assert_int_eq(udrv_pci_clear_master(dev), 0);
	from_device(iova, 0, 16);
	ck_assert_uint_eq(memory[0], 0x77);
	ck_assert_uint_eq(counts().dma_refused, 1);
	ck_assert_uint_eq(counts().dma_bytes, 0);
}
END_TEST

START_TEST(transfer_that_leaves_the_devices_buffer_is_refused)
{
	static const struct {
		uint64_t start, count;
	} bad[] = {
		{EDU_BUFFER, PAGE + 1},	  {EDU_BUFFER + 1, PAGE},
		{EDU_BUFFER - 1, 16},	  {0, 16},
		{EDU_BUFFER + PAGE, 1},	  {UINT64_MAX, 2},
		{EDU_BUFFER, UINT64_MAX}, {EDU_BUFFER + 8, UINT64_MAX - 4},
	};

	memset(memory, 0x12, 2 * PAGE);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		run_dma(bad[i].start, iova, bad[i].count, EDU_DMA_FROM_EDU);
		run_dma(iova, bad[i].start, bad[i].count, 0);
	}
	ck_assert_uint_eq(memory[0], 0x12);
	ck_assert_uint_eq(counts().dma_bytes, 0);
	run_dma(EDU_BUFFER + PAGE, iova, 0, EDU_DMA_FROM_EDU);
}
END_TEST

START_TEST(address_is_clamped_to_28_bits)
{
	memset(memory, 0x21, 16);
	to_device(iova | 1ULL << 28 | 1ULL << 40, 0, 16);
	ck_assert_uint_eq(counts().dma_faults, 0);
	from_device(iova + PAGE, 0, 16);
	ck_assert_mem_eq(memory, memory + PAGE, 16);
}
END_TEST

START_TEST(registers_are_locked_while_a_transfer_runs)
{
	for (int i = 0; i < 200; i++) {
		udrv_writeq(iova, regs + EDU_DMA_SRC);
		udrv_writeq(EDU_BUFFER, regs + EDU_DMA_DST);
		udrv_writeq(8, regs + EDU_DMA_COUNT);
		udrv_writel(EDU_DMA_RUN, regs + EDU_DMA_COMMAND);
		udrv_writeq(1, regs + EDU_DMA_COUNT);
		if (udrv_readq(regs + EDU_DMA_COUNT) == 8)
			return;
	}
	ck_abort_msg("no transfer ran longer than two register accesses, 200 times");
}
END_TEST

START_TEST(ranges_are_those_of_an_iommu)
{
	struct udrv__iova_range r[4];

	ck_assert_int_eq(udrv__model_backend.iova_ranges(dev, r, 4), 2);
	ck_assert_uint_eq(r[0].first, 0);
	ck_assert_uint_eq(r[0].last, 0xfedfffff);
	ck_assert_uint_eq(r[1].first, 0xfef00000);
	ck_assert_uint_eq(r[1].last, 0x7fffffffff);
	ck_assert_int_eq(udrv__model_backend.iova_ranges(dev, r, 1), 1);
}
END_TEST

static int map(udrv_iova_t addr, size_t len)
{
	return udrv__model_backend.dma_map(dev, memory, len, addr, true, true);
}

START_TEST(mappings_that_an_iommu_refuses)
{
	ck_assert_int_eq(map(1, PAGE), -EINVAL);
	ck_assert_int_eq(map(PAGE * 5, 17), -EINVAL);
	ck_assert_int_eq(map(PAGE * 5, 0), -EINVAL);
	ck_assert_int_eq(map(0xfee00000, PAGE), -EINVAL);
	ck_assert_int_eq(map(0xfedff000, 2 * PAGE), -EINVAL);
	ck_assert_int_eq(map(0x8000000000, PAGE), -EINVAL);
	ck_assert_int_eq(map(~0ULL - PAGE + 1, 2 * PAGE), -EINVAL);
	ck_assert_int_eq(map(iova + PAGE, PAGE), -EEXIST);
	ck_assert_int_eq(map(0x7ffffff000, PAGE), 0);
	ck_assert_int_eq(udrv__model_backend.dma_unmap(dev, 0x7ffffff000, 2 * PAGE), -EINVAL);
	ck_assert_int_eq(udrv__model_backend.dma_unmap(dev, 0x7ffffff000, PAGE), 0);
	ck_assert_int_eq(udrv__model_backend.dma_unmap(dev, 0x7ffffff000, PAGE), -EINVAL);
}
END_TEST

START_TEST(reset_ends_a_transfer)
{
	udrv_writeq(iova, regs + EDU_DMA_SRC);
	udrv_writeq(EDU_BUFFER, regs + EDU_DMA_DST);
	udrv_writeq(8, regs + EDU_DMA_COUNT);
	udrv_writel(EDU_DMA_RUN, regs + EDU_DMA_COMMAND);
	ck_assert_int_eq(udrv_pci_reset_function(dev), 0);
	ck_assert_uint_eq(udrv_readl(regs + EDU_DMA_COMMAND), 0);
}
END_TEST

START_TEST(pulled_card_does_no_dma)
{
	memset(memory, 0x31, 16);
	udrv_writeq(EDU_BUFFER, regs + EDU_DMA_SRC);
	udrv_writeq(iova, regs + EDU_DMA_DST);
	udrv_writeq(16, regs + EDU_DMA_COUNT);
	udrv__model_surprise_remove(dev);
	udrv_writel(EDU_DMA_RUN | EDU_DMA_FROM_EDU, regs + EDU_DMA_COMMAND);
	udrv__model_dma_write(udrv__model_of(dev), iova, "x", 1);
	ck_assert_uint_eq(memory[0], 0x31);
	ck_assert_uint_eq(counts().dma_refused, 1);
}
END_TEST

/* The first region is mapped when the memory is got, nothing when it is given to the device. */
START_TEST(kmalloc_memory_is_reached_without_another_mapping)
{
	udrv_gfp_t gfp = _i ? UDRV_GFP_KERNEL | UDRV_GFP_DMA : UDRV_GFP_KERNEL;
	unsigned char *p;
	unsigned char *q;
	udrv_iova_t from;
	udrv_iova_t to;

	/* The card has 28 address lines; what the process takes it to have decides. */
	if (!_i)
		ck_assert_int_eq(udrv_dma_set_mask(dev, UDRV_DMA_BIT_MASK(32)), 0);
	count_maps();
	p = udrv_kmalloc(1000, gfp);
	q = udrv_kmalloc(3000, gfp);
	ck_assert_uint_ge(maps, 1);
	maps = 0;
	for (int i = 0; i < 1000; i++)
		p[i] = (unsigned char)(i * 7);
	from = udrv_dma_map_single(dev, p, 1000, UDRV_DMA_TO_DEVICE);
	to = udrv_dma_map_single(dev, q, 3000, UDRV_DMA_FROM_DEVICE);
	ck_assert_uint_eq(from, udrv_virt_to_bus(p));
	ck_assert_uint_eq(maps, 0);
	if (_i) {
		to_device(from, 0, 1000);
		from_device(to, 0, 1000);
		ck_assert_mem_eq(p, q, 1000);
		ck_assert_uint_eq(counts().dma_faults, 0);
	}
	udrv_dma_unmap_single(dev, from, 1000, UDRV_DMA_TO_DEVICE);
	udrv_dma_unmap_single(dev, to, 3000, UDRV_DMA_FROM_DEVICE);
	udrv_kfree(p);
	udrv_kfree(q);
	ck_assert_uint_eq(maps, 0);
}
END_TEST

/* A device that is opened later reaches what there is already. */
START_TEST(kmalloc_memory_is_reached_by_each_device)
{
	char *p = udrv_kmalloc(100, UDRV_GFP_KERNEL | UDRV_GFP_DMA);
	struct udrv_device *other;
	udrv_iova_t addr;

	ck_assert_int_eq(udrv_device_open("model:edu", NULL, &other), 0);
	addr = udrv_dma_map_single(other, p, 100, UDRV_DMA_BIDIRECTIONAL);
	ck_assert_uint_eq(addr, udrv_virt_to_bus(p));
	udrv_dma_unmap_single(other, addr, 100, UDRV_DMA_BIDIRECTIONAL);
	udrv_device_close(other);
	to_device(udrv_virt_to_bus(p), 0, 100);
	ck_assert_uint_eq(counts().dma_faults, 0);
	udrv_kfree(p);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("model_dma");
	TCase *tc = tcase_create("dma");

	tcase_add_checked_fixture(tc, setup, close_edu);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, bytes_go_there_and_back);
	tcase_add_test(tc, only_the_bytes_asked_for_are_written);
	tcase_add_test(tc, address_that_is_not_mapped_is_counted_and_told);
	tcase_add_test(tc, transfer_across_the_end_of_a_mapping_moves_what_is_mapped);
	tcase_add_test(tc, direction_of_a_mapping_is_enforced);
	tcase_add_test(tc, nothing_is_written_after_unmap);
	tcase_add_test(tc, without_bus_mastering_nothing_moves);
	tcase_add_test(tc, transfer_that_leaves_the_devices_buffer_is_refused);
	tcase_add_test(tc, address_is_clamped_to_28_bits);
	tcase_add_test(tc, registers_are_locked_while_a_transfer_runs);
	tcase_add_test(tc, ranges_are_those_of_an_iommu);
	tcase_add_test(tc, mappings_that_an_iommu_refuses);
	tcase_add_test(tc, reset_ends_a_transfer);
	tcase_add_test(tc, pulled_card_does_no_dma);
	tcase_add_loop_test(tc, kmalloc_memory_is_reached_without_another_mapping, 0, 2);
	tcase_add_test(tc, kmalloc_memory_is_reached_by_each_device);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
