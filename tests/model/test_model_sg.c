// SPDX-License-Identifier: MIT
/* Scatterlists that a software device reaches: segments, transfers, limits. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <udrv/scatterlist.h>
#include <udrv/slab.h>

#include "edu_device.h"
#include "support/suite.h"

#define PAGE 4096u

static char log_text[4096];

static void keep(void *ctx, int level, const char *line)
{
	size_t len = strlen(log_text);

	(void)ctx;
	(void)level;
	(void)snprintf(log_text + len, sizeof(log_text) - len, "%s\n", line);
}

static unsigned int mapped(void)
{
	unsigned int n = 0;

	for (const struct udrv__model_mapping *m = udrv__model_of(dev)->mappings; m; m = m->next)
		n++;
	return n;
}

static struct udrv_kmem_cache *cache;
static unsigned char *memory; /* 16 pages */
static udrv_iova_t iova;
static unsigned int mapped_before;

static void setup(void)
{
	log_text[0] = 0;
	udrv_log_set(keep, NULL, UDRV_LOG_ERR);
	open_edu();
	ck_assert_int_eq(udrv_dma_set_mask_and_coherent(dev, UDRV_DMA_BIT_MASK(EDU_DMA_BITS)), 0);
	ck_assert_int_eq(udrv_pci_set_master(dev), 0);
	memory = udrv_dma_alloc_coherent(dev, 16 * PAGE, &iova, UDRV_GFP_KERNEL);
	ck_assert_ptr_nonnull(memory);
	cache = udrv_kmem_cache_create(dev, "pieces", 256, 0, UDRV_SLAB_CACHE_DMA, NULL, NULL);
	ck_assert_ptr_nonnull(cache);
	mapped_before = mapped();
}

/* Whatever was mapped is unmapped again. */
static void teardown(void)
{
	ck_assert_uint_eq(mapped(), mapped_before);
	ck_assert_int_eq(udrv_kmem_cache_destroy(cache), 0);
	close_edu();
}

static void set_pieces(struct udrv_scatterlist *list, unsigned int n, size_t piece, size_t stride)
{
	udrv_sg_init_table(list, n);
	for (unsigned int i = 0; i < n; i++)
		udrv_sg_set_buf(&list[i], memory + i * stride, (unsigned int)piece);
}

/* All of a mapped list, to the device's buffer or from there. */
static void transfer(struct udrv_sg_table *table, uint32_t direction)
{
	struct udrv_scatterlist *sg;
	uint64_t at = EDU_BUFFER;
	unsigned int i;

	udrv_for_each_sgtable_dma_sg(table, sg, i)
	{
		udrv_iova_t addr = udrv_sg_dma_address(sg);

		run_dma(direction ? at : addr, direction ? addr : at, udrv_sg_dma_len(sg),
			direction);
		at += udrv_sg_dma_len(sg);
	}
}

START_TEST(all_kinds_of_memory_are_reached)
{
	unsigned char *from_heap = aligned_alloc(PAGE, 2 * PAGE);
	unsigned char *object = udrv_kmem_cache_alloc(cache, UDRV_GFP_KERNEL);
	struct udrv_sg_table table;
	unsigned char sent[1500];
	unsigned char received[1500];

	ck_assert_int_eq(udrv_sg_alloc_table(&table, 4, UDRV_GFP_KERNEL), 0);
	udrv_sg_set_buf(&table.sgl[0], from_heap + PAGE - 100, 500);
	udrv_sg_set_buf(&table.sgl[1], memory + 3, 200);
	udrv_sg_set_buf(&table.sgl[2], object, 256);
	udrv_sg_set_page(&table.sgl[3], udrv_virt_to_page(memory), 544, PAGE + 5);
	for (unsigned int i = 0; i < sizeof(sent); i++)
		sent[i] = (unsigned char)(i * 7 ^ i >> 8);
	ck_assert_uint_eq(udrv_sg_copy_from_buffer(table.sgl, 4, sent, 1500), 1500);

	ck_assert_int_eq(udrv_dma_map_sgtable(dev, &table, UDRV_DMA_BIDIRECTIONAL, 0), 0);
	ck_assert_uint_eq(table.nents, 4);
	/* Only what no device reaches yet is mapped. */
	ck_assert_uint_eq(mapped(), mapped_before + 1);
	ck_assert_uint_eq(udrv_sg_dma_address(&table.sgl[1]), iova + 3);
	udrv_dma_sync_sgtable_for_device(dev, &table, UDRV_DMA_BIDIRECTIONAL);
	transfer(&table, 0);
	ck_assert_uint_eq(udrv_sg_zero_buffer(table.sgl, 4, 1500, 0), 1500);
	transfer(&table, EDU_DMA_FROM_EDU);
	udrv_dma_sync_sgtable_for_cpu(dev, &table, UDRV_DMA_BIDIRECTIONAL);
	udrv_dma_unmap_sgtable(dev, &table, UDRV_DMA_BIDIRECTIONAL, 0);
	ck_assert_uint_eq(mapped(), mapped_before);
	ck_assert_uint_eq(udrv_sg_copy_to_buffer(table.sgl, 4, received, 1500), 1500);
	ck_assert_mem_eq(received, sent, 1500);
	ck_assert_uint_eq(counts().dma_faults, 0);
	udrv_sg_free_table(&table);
	udrv_kmem_cache_free(cache, object);
	free(from_heap);
}
END_TEST

START_TEST(neighbours_become_one_segment)
{
	struct udrv_scatterlist list[6];
	unsigned char received[600];
	struct udrv_sg_table table = {list, 0, 6};

	/* 0 to 2 and 3 to 5 are next to each other. */
	set_pieces(list, 6, 100, 100);
	for (unsigned int i = 3; i < 6; i++)
		udrv_sg_set_buf(&list[i], memory + i * 100 + 50, 100);
	for (unsigned int i = 0; i < 650; i++)
		memory[i] = (unsigned char)(i ^ i >> 8);
	ck_assert_uint_eq(udrv_sg_copy_to_buffer(list, 6, received, 600), 600);
	ck_assert_int_eq(udrv_dma_map_sgtable(dev, &table, UDRV_DMA_BIDIRECTIONAL, 0), 0);
	ck_assert_uint_eq(table.nents, 2);
	ck_assert_uint_eq(udrv_sg_dma_address(&list[0]), iova);
	ck_assert_uint_eq(udrv_sg_dma_len(&list[0]), 300);
	ck_assert_uint_eq(udrv_sg_dma_address(&list[1]), iova + 350);
	ck_assert_uint_eq(udrv_sg_dma_len(&list[1]), 300);
	ck_assert_uint_eq(udrv_sg_dma_len(&list[2]), 0);
	/* The entries are as they were. */
	ck_assert_ptr_eq(udrv_sg_virt(&list[1]), memory + 100);
	ck_assert_uint_eq(list[1].length, 100);
	transfer(&table, 0);
	memset(memory, 0, 650);
	transfer(&table, EDU_DMA_FROM_EDU);
	ck_assert_uint_eq(udrv_sg_zero_buffer(list, 6, 0, 0), 0);
	for (unsigned int i = 0; i < 300; i++)
		ck_assert_uint_eq(memory[i], received[i]);
	ck_assert_mem_eq(memory + 350, received + 300, 300);
	udrv_dma_unmap_sgtable(dev, &table, UDRV_DMA_BIDIRECTIONAL, 0);
	ck_assert_str_eq(log_text, "");
}
END_TEST

START_TEST(segments_are_no_longer_than_the_device_can_take)
{
	struct udrv_scatterlist list[8];

	ck_assert_uint_eq(udrv_dma_get_max_seg_size(dev), 65536);
	ck_assert_int_eq(udrv_dma_set_max_seg_size(dev, 0), -EINVAL);
	ck_assert_int_eq(udrv_dma_set_max_seg_size(dev, 250), 0);
	ck_assert_uint_eq(udrv_dma_get_max_seg_size(dev), 250);
	set_pieces(list, 8, 100, 100);
	/* An entry is not split. */
	udrv_sg_set_buf(&list[7], memory + 700, 1000);
	ck_assert_uint_eq(udrv_dma_map_sg(dev, list, 8, UDRV_DMA_TO_DEVICE), 5);
	for (unsigned int i = 0; i < 3; i++) {
		ck_assert_uint_eq(udrv_sg_dma_address(&list[i]), iova + 200 * i);
		ck_assert_uint_eq(udrv_sg_dma_len(&list[i]), 200);
	}
	ck_assert_uint_eq(udrv_sg_dma_len(&list[3]), 100);
	ck_assert_uint_eq(udrv_sg_dma_len(&list[4]), 1000);
	udrv_dma_unmap_sg(dev, list, 8, UDRV_DMA_TO_DEVICE);
}
END_TEST

START_TEST(segments_do_not_cross_the_boundary)
{
	struct udrv_scatterlist list[8];
	unsigned int n;

	ck_assert_uint_eq(udrv_dma_get_seg_boundary(dev), 0xffffffff);
	ck_assert_int_eq(udrv_dma_set_seg_boundary(dev, 0), -EINVAL);
	ck_assert_int_eq(udrv_dma_set_seg_boundary(dev, 4096), -EINVAL);
	ck_assert_int_eq(udrv_dma_set_seg_boundary(dev, 8191), 0);
	ck_assert_uint_eq(udrv_dma_get_seg_boundary(dev), 8191);
	set_pieces(list, 8, PAGE, PAGE);
	n = udrv_dma_map_sg(dev, list, 8, UDRV_DMA_TO_DEVICE);
	ck_assert_uint_eq(n, 4);
	for (unsigned int i = 0; i < n; i++) {
		ck_assert_uint_eq(udrv_sg_dma_address(&list[i]), iova + (udrv_iova_t)i * 8192);
		ck_assert_uint_eq(udrv_sg_dma_len(&list[i]), 8192);
	}
	udrv_dma_unmap_sg(dev, list, 8, UDRV_DMA_TO_DEVICE);
	ck_assert_int_eq(udrv_dma_set_seg_boundary(dev, UINT64_MAX), 0);
	ck_assert_uint_eq(udrv_dma_map_sg(dev, list, 8, UDRV_DMA_TO_DEVICE), 1);
	udrv_dma_unmap_sg(dev, list, 8, UDRV_DMA_TO_DEVICE);
}
END_TEST

START_TEST(an_entry_across_the_boundary_is_mapped_where_it_is_not)
{
	struct udrv_scatterlist list[2];
	struct udrv_sg_table table = {list, 0, 2};
	udrv_iova_t addr;

	ck_assert_int_eq(udrv_dma_set_seg_boundary(dev, 2 * PAGE - 1), 0);
	udrv_sg_init_table(list, 2);
	udrv_sg_set_buf(&list[0], memory, 16);
	udrv_sg_set_buf(&list[1], memory + PAGE + 100, PAGE);
	memset(memory, 0x42, 16 * PAGE);
	ck_assert_int_eq(udrv_dma_map_sgtable(dev, &table, UDRV_DMA_FROM_DEVICE, 0), 0);
	ck_assert_uint_eq(mapped(), mapped_before + 1);
	addr = udrv_sg_dma_address(&list[1]);
	ck_assert_uint_eq(addr / (2 * PAGE), (addr + PAGE - 1) / (2 * PAGE));
	run_dma(EDU_BUFFER, addr, PAGE, EDU_DMA_FROM_EDU);
	ck_assert_uint_eq(memory[PAGE + 99], 0x42);
	ck_assert_uint_eq(memory[PAGE + 100], 0);
	ck_assert_uint_eq(memory[2 * PAGE + 99], 0);
	ck_assert_uint_eq(memory[2 * PAGE + 100], 0x42);
	udrv_dma_unmap_sgtable(dev, &table, UDRV_DMA_FROM_DEVICE, 0);

	/* Longer than what is between two of them: it cannot be. */
	udrv_sg_set_buf(&list[1], memory + 100, 2 * PAGE);
	ck_assert_int_eq(udrv_dma_map_sgtable(dev, &table, UDRV_DMA_FROM_DEVICE, 0), -EIO);
	ck_assert_ptr_nonnull(strstr(log_text, "cross a multiple of 0x2000"));
}
END_TEST

START_TEST(chained_lists_are_mapped_and_unmapped)
{
	static unsigned char apart[8][2 * PAGE];
	struct udrv_scatterlist first[4];
	struct udrv_scatterlist second[5];
	struct udrv_scatterlist *sg;
	unsigned int i;

	udrv_sg_init_table(first, 4);
	udrv_sg_init_table(second, 5);
	udrv_sg_chain(first, 4, second);
	/* Of the process and of the arena in turn; the last three are neighbours. */
	udrv_for_each_sg(first, sg, 8, i)
		udrv_sg_set_buf(sg, i % 2 || i == 6 ? memory + i * 64 : apart[i], 64);
	ck_assert_uint_eq(udrv_dma_map_sg(dev, first, 8, UDRV_DMA_TO_DEVICE), 6);
	ck_assert_uint_eq(mapped(), mapped_before + 3);
	udrv_dma_sync_sg_for_cpu(dev, first, 8, UDRV_DMA_TO_DEVICE);
	udrv_dma_sync_sg_for_device(dev, first, 8, UDRV_DMA_TO_DEVICE);
	udrv_dma_unmap_sg(dev, first, 8, UDRV_DMA_TO_DEVICE);
	ck_assert_str_eq(log_text, "");
}
END_TEST

/* Their mappings may be next to each other: then they are one segment, and still four mappings. */
START_TEST(whole_pages_of_the_process_are_unmapped_one_by_one)
{
	unsigned char *mine = aligned_alloc(PAGE, 4 * PAGE);
	struct udrv_scatterlist list[4];
	struct udrv_scatterlist *sg;
	unsigned int total = 0;
	unsigned int n;
	unsigned int i;

	udrv_sg_init_table(list, 4);
	for (i = 0; i < 4; i++)
		udrv_sg_set_buf(&list[i], mine + i * PAGE, PAGE);
	n = udrv_dma_map_sg(dev, list, 4, UDRV_DMA_TO_DEVICE);
	ck_assert_uint_ge(n, 1);
	udrv_for_each_sg(list, sg, n, i) total += udrv_sg_dma_len(sg);
	ck_assert_uint_eq(total, 4 * PAGE);
	ck_assert_uint_eq(mapped(), mapped_before + 4);
	udrv_dma_unmap_sg(dev, list, 4, UDRV_DMA_TO_DEVICE);
	ck_assert_str_eq(log_text, "");
	free(mine);
}
END_TEST

START_TEST(when_an_entry_fails_none_is_mapped)
{
	static unsigned char apart[3][PAGE];
	struct udrv_scatterlist list[5];
	struct udrv_sg_table table = {list, 77, 5};

	udrv_sg_init_table(list, 5);
	for (unsigned int i = 0; i < 3; i++)
		udrv_sg_set_buf(&list[i], apart[i], 64);
	udrv_sg_set_buf(&list[3], memory, 0);
	udrv_sg_set_buf(&list[4], memory, 64);
	ck_assert_uint_eq(udrv_dma_map_sg(dev, list, 5, UDRV_DMA_TO_DEVICE), 0);
	ck_assert_uint_eq(mapped(), mapped_before);
	ck_assert_int_eq(udrv_dma_map_sgtable(dev, &table, UDRV_DMA_TO_DEVICE, 0), -EIO);
	ck_assert_uint_eq(table.nents, 77);
	ck_assert_uint_eq(mapped(), mapped_before);
	ck_assert_ptr_nonnull(strstr(log_text, "bad argument"));
	table = (struct udrv_sg_table){0};
	ck_assert_int_eq(udrv_dma_map_sgtable(dev, &table, UDRV_DMA_TO_DEVICE, 0), -EINVAL);
}
END_TEST

START_TEST(registered_memory_may_go_when_its_lists_are_unmapped)
{
	unsigned char *mine = aligned_alloc(PAGE, 4 * PAGE);
	struct udrv_scatterlist list[4];

	ck_assert_int_eq(udrv_dma_register(dev, mine, 4 * PAGE, UDRV_DMA_BIDIRECTIONAL), 0);
	udrv_sg_init_table(list, 4);
	for (unsigned int i = 0; i < 4; i++)
		udrv_sg_set_buf(&list[i], mine + i * PAGE, PAGE);
	/* All entries are counted, also those that became one segment. */
	ck_assert_uint_eq(udrv_dma_map_sg(dev, list, 4, UDRV_DMA_TO_DEVICE), 1);
	ck_assert_int_eq(udrv_dma_unregister(dev, mine, 4 * PAGE), -EBUSY);
	udrv_dma_unmap_sg(dev, list, 4, UDRV_DMA_TO_DEVICE);
	ck_assert_int_eq(udrv_dma_unregister(dev, mine, 4 * PAGE), 0);
	free(mine);
}
END_TEST

START_TEST(pages_and_ranges)
{
	udrv_iova_t addr = udrv_dma_map_page(dev, udrv_virt_to_page(memory + PAGE), 5000, 100,
					     UDRV_DMA_BIDIRECTIONAL);

	ck_assert_uint_eq(addr, iova + PAGE + 5000);
	ck_assert_uint_eq(udrv_page_to_phys(udrv_virt_to_page(memory)), iova);
	ck_assert_ptr_eq(udrv_phys_to_page(iova + PAGE + 1), memory + PAGE);
	udrv_dma_sync_single_range_for_cpu(dev, addr, 5, 10, UDRV_DMA_BIDIRECTIONAL);
	udrv_dma_sync_single_range_for_device(dev, addr, 5, 10, UDRV_DMA_BIDIRECTIONAL);
	udrv_dma_unmap_page(dev, addr, 100, UDRV_DMA_BIDIRECTIONAL);
	ck_assert_str_eq(log_text, "");
}
END_TEST

START_TEST(the_largest_mapping_is_what_the_mask_and_the_iommu_leave)
{
	ck_assert_uint_eq(udrv_dma_max_mapping_size(dev), (1u << 28) - PAGE);
	ck_assert_int_eq(udrv_dma_set_mask(dev, UDRV_DMA_BIT_MASK(32)), 0);
	ck_assert_uint_eq(udrv_dma_max_mapping_size(dev), 0xfee00000u - PAGE);
	ck_assert_int_eq(udrv_dma_set_mask(dev, UDRV_DMA_BIT_MASK(64)), 0);
	ck_assert_uint_eq(udrv_dma_max_mapping_size(dev), 0x8000000000 - 0xfef00000);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("model_sg");
	TCase *tc = tcase_create("lists");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, all_kinds_of_memory_are_reached);
	tcase_add_test(tc, neighbours_become_one_segment);
	tcase_add_test(tc, segments_are_no_longer_than_the_device_can_take);
	tcase_add_test(tc, segments_do_not_cross_the_boundary);
	tcase_add_test(tc, an_entry_across_the_boundary_is_mapped_where_it_is_not);
	tcase_add_test(tc, chained_lists_are_mapped_and_unmapped);
	tcase_add_test(tc, whole_pages_of_the_process_are_unmapped_one_by_one);
	tcase_add_test(tc, when_an_entry_fails_none_is_mapped);
	tcase_add_test(tc, registered_memory_may_go_when_its_lists_are_unmapped);
	tcase_add_test(tc, pages_and_ranges);
	tcase_add_test(tc, the_largest_mapping_is_what_the_mask_and_the_iommu_leave);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
