// SPDX-License-Identifier: MIT
/* Lists of pieces of memory: entries, chains, tables, copies. */
#include <errno.h>
#include <string.h>

#include <udrv/scatterlist.h>

#include "support/suite.h"

#define ENTRIES 7u

static unsigned char memory[4 * UDRV_PAGE_SIZE];
static struct udrv_scatterlist list[ENTRIES];

START_TEST(pages_are_addresses)
{
	unsigned char *p = memory + UDRV_PAGE_SIZE + 5;
	struct udrv_page *page = udrv_virt_to_page(p);

	ck_assert_uint_eq((uintptr_t)page % UDRV_PAGE_SIZE, 0);
	ck_assert_ptr_eq((char *)udrv_page_address(page) + udrv_offset_in_page(p), p);
	ck_assert_ptr_eq(udrv_page_to_virt(page + 1), (char *)page + 4096);
	ck_assert_uint_eq(UDRV_PAGE_ALIGN((size_t)4097), 8192);
	ck_assert_uint_eq(UDRV_PAGE_ALIGN((size_t)4096), 4096);
	/* Memory of the process has no address for devices. */
	ck_assert_uint_eq(udrv_page_to_phys(page), UDRV_DMA_MAPPING_ERROR);
	ck_assert_ptr_null(udrv_phys_to_page(UDRV_DMA_MAPPING_ERROR));
}
END_TEST

START_TEST(an_entry_says_what_was_set)
{
	struct udrv_scatterlist *sg = &list[2];

	udrv_sg_init_table(list, ENTRIES);
	udrv_sg_set_buf(sg, memory + 4099, 100);
	ck_assert_ptr_eq(udrv_sg_virt(sg), memory + 4099);
	ck_assert_ptr_eq(udrv_sg_page(sg), udrv_virt_to_page(memory + 4099));
	ck_assert_uint_eq(sg->offset, udrv_offset_in_page(memory + 4099));
	ck_assert_uint_eq(sg->length, 100);
	udrv_sg_set_page(sg, udrv_virt_to_page(memory), 3, 10000);
	ck_assert_ptr_eq(udrv_sg_virt(sg), (char *)udrv_virt_to_page(memory) + 10000);
	ck_assert_uint_eq(udrv_sg_phys(sg), UDRV_DMA_MAPPING_ERROR);
	ck_assert(!udrv_sg_is_last(sg));
	ck_assert(!udrv_sg_is_chain(sg));
}
END_TEST

START_TEST(the_mark_as_the_end_survives_what_is_set)
{
	udrv_sg_init_one(&list[0], memory, 8);
	ck_assert(udrv_sg_is_last(&list[0]));
	ck_assert_ptr_null(udrv_sg_next(&list[0]));
	udrv_sg_set_buf(&list[0], memory + 1, 9);
	ck_assert(udrv_sg_is_last(&list[0]));
	ck_assert_ptr_eq(udrv_sg_virt(&list[0]), memory + 1);
	udrv_sg_unmark_end(&list[0]);
	ck_assert_ptr_eq(udrv_sg_next(&list[0]), &list[1]);
	udrv_sg_mark_end(&list[0]);
	ck_assert_int_eq(udrv_sg_nents(&list[0]), 1);
}
END_TEST

START_TEST(a_table_is_gone_through_from_the_first_to_the_last)
{
	struct udrv_scatterlist *sg;
	unsigned int i;
	unsigned int seen = 0;

	udrv_sg_init_table(list, ENTRIES);
	udrv_for_each_sg(list, sg, ENTRIES, i) ck_assert_ptr_eq(sg, &list[seen++]);
	ck_assert_uint_eq(seen, ENTRIES);
	ck_assert_int_eq(udrv_sg_nents(list), ENTRIES);
	ck_assert_ptr_eq(udrv_sg_last(list, ENTRIES), &list[ENTRIES - 1]);
	/* A part of it, too. */
	ck_assert_ptr_eq(udrv_sg_last(list, 3), &list[2]);
}
END_TEST

START_TEST(entries_for_a_length)
{
	udrv_sg_init_table(list, ENTRIES);
	for (unsigned int i = 0; i < ENTRIES; i++)
		udrv_sg_set_buf(&list[i], memory, 10);
	ck_assert_int_eq(udrv_sg_nents_for_len(list, 0), 0);
	ck_assert_int_eq(udrv_sg_nents_for_len(list, 1), 1);
	ck_assert_int_eq(udrv_sg_nents_for_len(list, 10), 1);
	ck_assert_int_eq(udrv_sg_nents_for_len(list, 11), 2);
	ck_assert_int_eq(udrv_sg_nents_for_len(list, 10 * ENTRIES), ENTRIES);
	ck_assert_int_eq(udrv_sg_nents_for_len(list, 10 * ENTRIES + 1), -EINVAL);
}
END_TEST

/* Two entries and a link, three entries and a link, two entries. */
static void chain_three(void)
{
	static struct udrv_scatterlist second[4];
	static struct udrv_scatterlist third[2];

	udrv_sg_init_table(list, 3);
	udrv_sg_init_table(second, 4);
	udrv_sg_init_table(third, 2);
	udrv_sg_chain(list, 3, second);
	udrv_sg_chain(second, 4, third);
}

/* Pieces of 1, 3, 5, ... bytes, a gap of 2 between them. */
static void fill_chain(void)
{
	struct udrv_scatterlist *sg;
	unsigned int i;
	size_t at = 0;

	chain_three();
	udrv_for_each_sg(list, sg, ENTRIES, i)
	{
		udrv_sg_set_buf(sg, memory + at, 2 * i + 1);
		at += 2 * i + 3;
	}
}

START_TEST(chained_arrays_are_one_list)
{
	chain_three();
	ck_assert(udrv_sg_is_chain(&list[2]));
	ck_assert_int_eq(udrv_sg_nents(list), ENTRIES);
	ck_assert(udrv_sg_is_last(udrv_sg_last(list, ENTRIES)));
	ck_assert_ptr_eq(udrv_sg_next(&list[1]), udrv_sg_chain_ptr(&list[2]));
}
END_TEST

START_TEST(copies_go_across_pieces_and_not_beside_them)
{
	unsigned char from[100];
	unsigned char to[100];
	size_t total = ENTRIES * ENTRIES;

	fill_chain();
	for (unsigned int i = 0; i < sizeof(from); i++)
		from[i] = (unsigned char)(i + 1);
	memset(memory, 0, sizeof(memory));
	memset(to, 0, sizeof(to));
	ck_assert_uint_eq(udrv_sg_copy_from_buffer(list, ENTRIES, from, 100), total);
	ck_assert_uint_eq(memory[0], 1);
	ck_assert_uint_eq(memory[1] | memory[2], 0);
	ck_assert_mem_eq(memory + 3, from + 1, 3);
	ck_assert_uint_eq(memory[6] | memory[7], 0);
	ck_assert_uint_eq(udrv_sg_copy_to_buffer(list, ENTRIES, to, 100), total);
	ck_assert_mem_eq(to, from, total);
	ck_assert_uint_eq(to[total], 0);
	ck_assert_uint_eq(udrv_sg_copy_to_buffer(list, 2, to, 100), 4);
	ck_assert_uint_eq(udrv_sg_copy_to_buffer(list, ENTRIES, to, 6), 6);
}
END_TEST

START_TEST(copies_may_begin_anywhere)
{
	const int total = ENTRIES * ENTRIES;
	unsigned char from[100];
	unsigned char to[100];

	fill_chain();
	for (unsigned int i = 0; i < sizeof(from); i++)
		from[i] = (unsigned char)(i + 1);
	ck_assert_uint_eq(udrv_sg_copy_from_buffer(list, ENTRIES, from, 100), (size_t)total);
	for (int skip = 0; skip <= total; skip++)
		for (size_t len = 0; len < 12; len++) {
			size_t left = (size_t)(total - skip);
			size_t expected = len < left ? len : left;

			memset(to, 0, sizeof(to));
			ck_assert_uint_eq(udrv_sg_pcopy_to_buffer(list, ENTRIES, to, len, skip),
					  expected);
			ck_assert_mem_eq(to, from + skip, expected);
			ck_assert_uint_eq(to[expected], 0);
		}
	ck_assert_uint_eq(udrv_sg_pcopy_to_buffer(list, ENTRIES, to, 5, total + 1), 0);
	ck_assert_uint_eq(udrv_sg_pcopy_from_buffer(list, ENTRIES, "xyz", 3, 3), 3);
	ck_assert_uint_eq(udrv_sg_copy_to_buffer(list, ENTRIES, to, 7), 7);
	ck_assert_mem_eq(to, "\1\2\3xyz\7", 7);
}
END_TEST

START_TEST(zeroing_stays_inside)
{
	unsigned char to[100];

	fill_chain();
	memset(memory, 0x77, sizeof(memory));
	ck_assert_uint_eq(udrv_sg_zero_buffer(list, ENTRIES, 4, 2), 4);
	ck_assert_uint_eq(udrv_sg_copy_to_buffer(list, ENTRIES, to, 7), 7);
	ck_assert_mem_eq(to, "\x77\x77\0\0\0\0\x77", 7);
	ck_assert_uint_eq(memory[6], 0x77);
	ck_assert_uint_eq(udrv_sg_zero_buffer(list, ENTRIES, 1000, 0), ENTRIES * ENTRIES);
	ck_assert_uint_eq(memory[1], 0x77);
}
END_TEST

START_TEST(an_iterator_goes_on_behind_what_was_consumed)
{
	struct udrv_sg_mapping_iter miter;
	char *first;

	fill_chain();
	udrv_sg_miter_start(&miter, list, ENTRIES, UDRV_SG_MITER_FROM_SG);
	ck_assert(udrv_sg_miter_skip(&miter, 4));
	ck_assert(udrv_sg_miter_next(&miter));
	ck_assert_uint_eq(miter.length, 5);
	first = miter.addr;
	miter.consumed = 2;
	ck_assert(udrv_sg_miter_next(&miter));
	ck_assert_ptr_eq(miter.addr, first + 2);
	ck_assert_uint_eq(miter.length, 3);
	udrv_sg_miter_stop(&miter);
	ck_assert_ptr_null(miter.addr);
	ck_assert(udrv_sg_miter_next(&miter));
	ck_assert_uint_eq(miter.length, 7);
	ck_assert(!udrv_sg_miter_skip(&miter, 1000));
	ck_assert(!udrv_sg_miter_next(&miter));
}
END_TEST

START_TEST(entries_without_bytes_are_passed_over)
{
	struct udrv_sg_mapping_iter miter;

	udrv_sg_init_table(list, 3);
	udrv_sg_set_buf(&list[1], memory, 4);
	udrv_sg_miter_start(&miter, list, 3, 0);
	ck_assert(udrv_sg_miter_next(&miter));
	ck_assert_ptr_eq(miter.addr, memory);
	ck_assert(!udrv_sg_miter_next(&miter));
}
END_TEST

START_TEST(tables_of_any_length)
{
	static const unsigned int lengths[] = {1, 2, 127, 128, 129, 1000, 100000};
	struct udrv_sg_table table;
	struct udrv_scatterlist *sg;
	unsigned int i;
	unsigned int n = lengths[_i];

	ck_assert_int_eq(udrv_sg_alloc_table(&table, n, UDRV_GFP_KERNEL), 0);
	ck_assert_uint_eq(table.nents, n);
	ck_assert_uint_eq(table.orig_nents, n);
	ck_assert_int_eq(udrv_sg_nents(table.sgl), (int)n);
	udrv_for_each_sgtable_sg(&table, sg, i) udrv_sg_set_buf(sg, memory, 1);
	ck_assert_int_eq(udrv_sg_nents_for_len(table.sgl, n), (int)n);
	udrv_sg_free_table(&table);
	ck_assert_ptr_null(table.sgl);
	udrv_sg_free_table(&table);
}
END_TEST

START_TEST(tables_that_cannot_be_had)
{
	struct udrv_sg_table table = {.nents = 5};

	ck_assert_int_eq(udrv_sg_alloc_table(&table, 0, UDRV_GFP_KERNEL), -EINVAL);
	ck_assert_uint_eq(table.nents, 0);
	ck_assert_int_eq(udrv_sg_alloc_table(&table, 4, UDRV_GFP_ATOMIC), -ENOMEM);
	ck_assert_ptr_null(table.sgl);
	udrv_sg_free_table(&table);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("scatterlist");
	TCase *tc = tcase_create("lists");

	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, pages_are_addresses);
	tcase_add_test(tc, an_entry_says_what_was_set);
	tcase_add_test(tc, the_mark_as_the_end_survives_what_is_set);
	tcase_add_test(tc, a_table_is_gone_through_from_the_first_to_the_last);
	tcase_add_test(tc, entries_for_a_length);
	tcase_add_test(tc, chained_arrays_are_one_list);
	tcase_add_test(tc, copies_go_across_pieces_and_not_beside_them);
	tcase_add_test(tc, copies_may_begin_anywhere);
	tcase_add_test(tc, zeroing_stays_inside);
	tcase_add_test(tc, an_iterator_goes_on_behind_what_was_consumed);
	tcase_add_test(tc, entries_without_bytes_are_passed_over);
	tcase_add_loop_test(tc, tables_of_any_length, 0, 7);
	tcase_add_test(tc, tables_that_cannot_be_had);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
