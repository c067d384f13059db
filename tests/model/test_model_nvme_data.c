// SPDX-License-Identifier: MIT
/* How the software NVMe controller reads PRPs, SGLs and metadata. */
#include <stdlib.h>

#include "support/raw_nvme.h"
#include "support/suite.h"

#define DNR   NVME_ST_DNR
#define BLOCK 512u
#define KIB   1024u

/* Pages of the data area: first the data, then lists. */
#define LISTS 200u

static void setup(void)
{
	raw_up("model:nvme");
}

static void teardown(void)
{
	raw_close();
}

static udrv_iova_t page_iova(unsigned int page)
{
	return data_iova + (udrv_iova_t)page * RAW_PAGE;
}

static unsigned char *page(unsigned int nr)
{
	return data + (size_t)nr * RAW_PAGE;
}

static void put_entry(unsigned int list, unsigned int slot, uint64_t val)
{
	memcpy(page(list) + 8 * slot, &val, 8);
}

/* Write len bytes from block 0 on, in one piece each of 4 KiB, to be compared with. */
static void write_pattern(uint32_t len, unsigned int seed)
{
	raw_fill(data, len, seed);
	for (uint32_t at = 0; at < len; at += RAW_PAGE) {
		const uint32_t piece = len - at < RAW_PAGE ? len - at : RAW_PAGE;
		struct udrv__nvme_cmd cmd = raw_rw(NVME_NVM_WRITE, at / BLOCK, piece / BLOCK);

		cmd.prp1 = data_iova + at;
		raw_ok(1, cmd);
	}
	memset(data, 0, len + 2 * RAW_PAGE);
}

START_TEST(two_pages_are_two_pointers)
{
	struct udrv__nvme_cmd cmd = raw_rw(NVME_NVM_READ, 0, 8 * KIB / BLOCK);

	write_pattern(8 * KIB, 1);
	cmd.prp2 = page_iova(1);
	raw_ok(1, cmd);
	ck_assert(raw_filled(data, 8 * KIB, 1));
	/* Two blocks that lie across the end of a page. */
	memset(data, 0, 8 * KIB);
	cmd = raw_rw(NVME_NVM_READ, 0, 2);
	cmd.prp1 = data_iova + RAW_PAGE - BLOCK;
	cmd.prp2 = page_iova(1);
	raw_ok(1, cmd);
	ck_assert(raw_zero(data, RAW_PAGE - BLOCK));
	write_pattern(2 * BLOCK, 2);
	raw_ok(1, cmd);
	ck_assert(raw_filled(data + RAW_PAGE - BLOCK, 2 * BLOCK, 2));
	ck_assert(raw_zero(data + RAW_PAGE + BLOCK, BLOCK));
}
END_TEST

/* A list with an offset: it ends with its page, where its last entry is the chain. */
static void check_list(uint32_t len, uint32_t offset, unsigned int first_slot)
{
	struct udrv__nvme_cmd cmd = raw_rw(NVME_NVM_READ, 0, len / BLOCK);
	const unsigned int pages = (offset + len + RAW_PAGE - 1) / RAW_PAGE;
	unsigned int list = LISTS, slot = first_slot;

	write_pattern(len, len + offset);
	cmd.prp1 = data_iova + offset;
	cmd.prp2 = page_iova(LISTS) + 8 * first_slot;
	for (unsigned int i = 1; i < pages; i++) {
		if (slot == 511 && i + 1 < pages) {
			put_entry(list, slot, page_iova(list + 3));
			list += 3;
			slot = 0;
		}
		put_entry(list, slot++, page_iova(i));
	}
	raw_ok(1, cmd);
	ck_assert(raw_filled(data + offset, len, len + offset));
	ck_assert(raw_zero(data + offset + len, BLOCK));
	ck_assert(raw_zero(data, offset));
}

START_TEST(lists_hold_the_pages_behind_the_first)
{
	check_list(12 * KIB, 0, 0);
	check_list(64 * KIB, BLOCK, 0);
	check_list(512 * KIB, 0, 0);
	check_list(512 * KIB, 8, 0);
}
END_TEST

START_TEST(lists_go_on_in_the_page_that_their_last_entry_names)
{
	for (unsigned int slot = 500; slot < 512; slot++)
		check_list(48 * KIB, 0, slot);
	check_list(128 * KIB, BLOCK, 511);
	check_list(128 * KIB, BLOCK, 480);
	check_list(128 * KIB, BLOCK, 479);
}
END_TEST

START_TEST(pointers_into_a_page_are_refused_where_they_may_not_be)
{
	struct udrv__nvme_cmd cmd = raw_rw(NVME_NVM_READ, 0, 1);

	cmd.prp1 = data_iova + 2;
	ck_assert_uint_eq(raw_status(1, cmd), NVME_SC_PRP_OFFSET | DNR);
	cmd = raw_rw(NVME_NVM_READ, 0, 16);
	cmd.prp2 = page_iova(1) + 8;
	ck_assert_uint_eq(raw_status(1, cmd), NVME_SC_PRP_OFFSET | DNR);
	cmd = raw_rw(NVME_NVM_READ, 0, 32);
	cmd.prp2 = page_iova(LISTS) + 4;
	ck_assert_uint_eq(raw_status(1, cmd), NVME_SC_PRP_OFFSET | DNR);
	cmd.prp2 = page_iova(LISTS);
	put_entry(LISTS, 0, page_iova(1));
	put_entry(LISTS, 1, page_iova(2) + 16);
	put_entry(LISTS, 2, page_iova(3));
	ck_assert_uint_eq(raw_status(1, cmd), NVME_SC_PRP_OFFSET | DNR);
	/* One dword into the page is fine. */
	cmd = raw_rw(NVME_NVM_READ, 0, 1);
	cmd.prp1 = data_iova + 4;
	raw_ok(1, cmd);
}
END_TEST

START_TEST(list_that_is_not_mapped_is_a_transfer_error)
{
	struct udrv__nvme_cmd cmd = raw_rw(NVME_NVM_READ, 0, 32);

	cmd.prp2 = 0x7000000000;
	ck_assert_uint_eq(raw_status(1, cmd), NVME_SC_DATA_TRANSFER);
}
END_TEST

START_TEST(pages_are_as_large_as_the_host_says)
{
	struct udrv__nvme_cmd cmd = raw_rw(NVME_NVM_READ, 0, 64 * KIB / BLOCK);

	write_pattern(64 * KIB, 3);
	raw_stop();
	raw_start(RAW_CC | 1 << 7);
	(void)raw_alloc_queue(1, RAW_ENTRIES);
	raw_ok(0, raw_create_cq(1, RAW_ENTRIES, 0, false));
	raw_ok(0, raw_create_sq(1, RAW_ENTRIES, 1));
	cmd.prp2 = page_iova(LISTS);
	for (unsigned int i = 1; i < 8; i++)
		put_entry(LISTS, i - 1, page_iova(2 * i));
	raw_ok(1, cmd);
	ck_assert(raw_filled(data, 64 * KIB, 3));
	put_entry(LISTS, 2, page_iova(7));
	ck_assert_uint_eq(raw_status(1, cmd), NVME_SC_PRP_OFFSET | DNR);
}
END_TEST

static struct udrv__nvme_sgl desc(unsigned int type, udrv_iova_t addr, uint32_t len)
{
	return (struct udrv__nvme_sgl){.addr = addr, .len = len, .type = (uint8_t)(type << 4)};
}

static void put_desc(unsigned int list, unsigned int slot, struct udrv__nvme_sgl d)
{
	memcpy(page(list) + 16 * slot, &d, sizeof(d));
}

static struct udrv__nvme_cmd with_sgl(struct udrv__nvme_cmd cmd, struct udrv__nvme_sgl d)
{
	cmd.flags = NVME_PSDT_SGL << 6;
	memcpy(&cmd.prp1, &d, sizeof(d));
	return cmd;
}

static struct udrv__nvme_cmd read_sgl(unsigned int blocks, struct udrv__nvme_sgl d)
{
	return with_sgl(raw_rw(NVME_NVM_READ, 0, blocks), d);
}

START_TEST(one_descriptor_is_any_place_and_length)
{
	write_pattern(16 * KIB, 1);
	raw_ok(1, read_sgl(32, desc(NVME_SGL_DATA, data_iova + 3, 16 * KIB)));
	ck_assert(raw_filled(data + 3, 16 * KIB, 1));
	ck_assert(raw_zero(data, 3));
}
END_TEST

START_TEST(segments_are_followed_to_the_last)
{
	write_pattern(4 * BLOCK, 1);
	put_desc(LISTS, 0, desc(NVME_SGL_DATA, data_iova, 100));
	put_desc(LISTS, 1, desc(NVME_SGL_DATA, data_iova + RAW_PAGE, 0));
	put_desc(LISTS, 2, desc(NVME_SGL_DATA, data_iova + 100, BLOCK));
	put_desc(LISTS, 3, desc(NVME_SGL_SEGMENT, page_iova(LISTS + 1), 32));
	put_desc(LISTS + 1, 0, desc(NVME_SGL_DATA, data_iova + 100 + BLOCK, 412));
	put_desc(LISTS + 1, 1, desc(NVME_SGL_LAST_SEGMENT, page_iova(LISTS + 2) + 16, 32));
	put_desc(LISTS + 2, 1, desc(NVME_SGL_DATA, data_iova + 2 * BLOCK, BLOCK));
	put_desc(LISTS + 2, 2, desc(NVME_SGL_DATA, data_iova + 3 * BLOCK, BLOCK));
	raw_ok(1, read_sgl(4, desc(NVME_SGL_SEGMENT, page_iova(LISTS), 64)));
	ck_assert(raw_filled(data, 4 * BLOCK, 1));
}
END_TEST

START_TEST(buckets_take_what_the_host_does_not_want)
{
	unsigned char expected[2 * BLOCK];

	write_pattern(2 * BLOCK, 1);
	raw_fill(expected, sizeof(expected), 1);
	put_desc(LISTS, 0, desc(NVME_SGL_BIT_BUCKET, 0, BLOCK));
	put_desc(LISTS, 1, desc(NVME_SGL_DATA, data_iova, BLOCK));
	raw_ok(1, read_sgl(2, desc(NVME_SGL_LAST_SEGMENT, page_iova(LISTS), 32)));
	ck_assert_int_eq(memcmp(data, expected + BLOCK, BLOCK), 0);
	/* Of a write they are nothing. */
	raw_ok(1, with_sgl(raw_rw(NVME_NVM_WRITE, 8, 1),
			   desc(NVME_SGL_LAST_SEGMENT, page_iova(LISTS), 32)));
	memset(data, 0, BLOCK);
	raw_ok(1, raw_rw(NVME_NVM_READ, 8, 1));
	ck_assert_int_eq(memcmp(data, expected + BLOCK, BLOCK), 0);
}
END_TEST

START_TEST(lists_that_are_wrong_are_refused_by_what_is_wrong)
{
	const struct udrv__nvme_sgl list = desc(NVME_SGL_LAST_SEGMENT, page_iova(LISTS), 32);
	const struct udrv__nvme_sgl segment = desc(NVME_SGL_SEGMENT, page_iova(LISTS), 32);
	struct udrv__nvme_sgl odd = desc(NVME_SGL_DATA, data_iova, BLOCK);

	/* Too short, too long. */
	ck_assert_uint_eq(raw_status(1, read_sgl(2, odd)), NVME_SC_SGL_DATA_LEN | DNR);
	odd.len = 3 * BLOCK;
	ck_assert_uint_eq(raw_status(1, read_sgl(2, odd)), NVME_SC_SGL_DATA_LEN | DNR);
	/* Types, subtypes. */
	odd = desc(7, data_iova, BLOCK);
	ck_assert_uint_eq(raw_status(1, read_sgl(1, odd)), NVME_SC_SGL_TYPE | DNR);
	odd = desc(NVME_SGL_DATA, data_iova, BLOCK);
	odd.type |= 1;
	ck_assert_uint_eq(raw_status(1, read_sgl(1, odd)), NVME_SC_SGL_TYPE | DNR);
	/* Segments. */
	odd = list;
	odd.len = 24;
	ck_assert_uint_eq(raw_status(1, read_sgl(1, odd)), NVME_SC_SGL_SEGMENT | DNR);
	odd.len = 0;
	ck_assert_uint_eq(raw_status(1, read_sgl(1, odd)), NVME_SC_SGL_SEGMENT | DNR);
	put_desc(LISTS, 0, desc(NVME_SGL_DATA, data_iova, BLOCK));
	put_desc(LISTS, 1, desc(NVME_SGL_DATA, data_iova, BLOCK));
	ck_assert_uint_eq(raw_status(1, read_sgl(2, segment)), NVME_SC_SGL_SEGMENT | DNR);
	put_desc(LISTS, 1, list);
	ck_assert_uint_eq(raw_status(1, read_sgl(1, list)), NVME_SC_SGL_SEGMENT | DNR);
	put_desc(LISTS, 0, list);
	ck_assert_uint_eq(raw_status(1, read_sgl(1, segment)), NVME_SC_SGL_SEGMENT | DNR);
}
END_TEST

START_TEST(segments_in_a_circle_end_as_too_many)
{
	put_desc(LISTS, 0, desc(NVME_SGL_DATA, data_iova, 0));
	put_desc(LISTS, 1, desc(NVME_SGL_SEGMENT, page_iova(LISTS), 32));
	ck_assert_uint_eq(raw_status(1, read_sgl(1, desc(NVME_SGL_SEGMENT, page_iova(LISTS), 32))),
			  NVME_SC_SGL_COUNT | DNR);
}
END_TEST

START_TEST(controller_without_sgl_refuses_them)
{
	raw_close();
	raw_up("model:nvme:nosgl");
	raw_ok(0, raw_identify(1, 0));
	ck_assert_uint_eq(raw_field(536, 4), 0);
	ck_assert_uint_eq(raw_status(1, read_sgl(1, desc(NVME_SGL_DATA, data_iova, BLOCK))),
			  NVME_SC_INVALID_FIELD | DNR);
}
END_TEST

static void format(uint32_t cdw10)
{
	raw_ok(0, (struct udrv__nvme_cmd){.opcode = NVME_ADM_FORMAT, .nsid = 1, .cdw10 = cdw10});
}

START_TEST(metadata_behind_each_block)
{
	const uint32_t len = 4 * (BLOCK + 8);
	struct udrv__nvme_cmd cmd = raw_rw(NVME_NVM_WRITE, 5, 4);

	format(2 | 1 << 4);
	raw_ok(0, raw_identify(0, 1));
	ck_assert_uint_eq(data[26], 2 | 1 << 4);
	raw_fill(data, len, 1);
	raw_ok(1, cmd);
	cmd.opcode = NVME_NVM_COMPARE;
	raw_ok(1, cmd);
	data[len - 1] ^= 1;
	ck_assert_uint_eq(raw_status(1, cmd), NVME_SC_COMPARE | DNR);
	memset(data, 0, RAW_PAGE);
	cmd.opcode = NVME_NVM_READ;
	raw_ok(1, cmd);
	ck_assert(raw_filled(data, len, 1));
	ck_assert(raw_zero(data + len, BLOCK));
}
END_TEST

START_TEST(metadata_in_a_buffer_of_its_own)
{
	struct udrv__nvme_cmd cmd = raw_rw(NVME_NVM_WRITE, 5, 4);

	format(2);
	cmd.mptr = page_iova(9) + 4;
	raw_fill(data, 4 * BLOCK, 1);
	raw_fill(page(9) + 4, 4 * 8, 2);
	raw_ok(1, cmd);
	cmd.opcode = NVME_NVM_COMPARE;
	raw_ok(1, cmd);
	page(9)[4] ^= 1;
	ck_assert_uint_eq(raw_status(1, cmd), NVME_SC_COMPARE | DNR);
	memset(data, 0, 4 * BLOCK);
	memset(page(9), 0, 64);
	cmd.opcode = NVME_NVM_READ;
	raw_ok(1, cmd);
	ck_assert(raw_filled(data, 4 * BLOCK, 1));
	ck_assert(raw_filled(page(9) + 4, 4 * 8, 2));
	ck_assert(raw_zero(page(9) + 4 + 4 * 8, 64));
	cmd.mptr += 2;
	ck_assert_uint_eq(raw_status(1, cmd), NVME_SC_INVALID_FIELD | DNR);
}
END_TEST

START_TEST(metadata_by_a_descriptor)
{
	struct udrv__nvme_cmd cmd = raw_rw(NVME_NVM_WRITE, 5, 4);

	format(2);
	cmd = with_sgl(cmd, desc(NVME_SGL_DATA, data_iova, 4 * BLOCK));
	cmd.flags = NVME_PSDT_SGL_SGL << 6;
	cmd.mptr = page_iova(LISTS);
	put_desc(LISTS, 0, desc(NVME_SGL_DATA, page_iova(9) + 1, 32));
	raw_fill(data, 4 * BLOCK, 1);
	raw_fill(page(9) + 1, 32, 2);
	raw_ok(1, cmd);
	memset(page(9), 0, 64);
	cmd.opcode = NVME_NVM_READ;
	raw_ok(1, cmd);
	ck_assert(raw_filled(page(9) + 1, 32, 2));
	put_desc(LISTS, 0, desc(NVME_SGL_DATA, page_iova(9), 31));
	ck_assert_uint_eq(raw_status(1, cmd), NVME_SC_SGL_META_LEN | DNR);
}
END_TEST

START_TEST(metadata_is_lost_with_its_block)
{
	struct udrv__nvme_cmd cmd = raw_rw(NVME_NVM_WRITE, 5, 1);

	format(2 | 1 << 4);
	raw_fill(data, BLOCK + 8, 1);
	cmd.cdw12 |= NVME_RW_FUA;
	raw_ok(1, cmd);
	raw_fill(data, BLOCK + 8, 2);
	raw_ok(1, raw_rw(NVME_NVM_WRITE, 5, 1));
	udrv__model_nvme_power_cut(dev);
	raw_start(RAW_CC);
	(void)raw_alloc_queue(1, RAW_ENTRIES);
	raw_ok(0, raw_create_cq(1, RAW_ENTRIES, 0, false));
	raw_ok(0, raw_create_sq(1, RAW_ENTRIES, 1));
	raw_ok(1, raw_rw(NVME_NVM_READ, 5, 1));
	ck_assert(raw_filled(data, BLOCK + 8, 1));
}
END_TEST

/* Pages in any order, at any offset and length: what is read is what was written. */
START_TEST(random_transfers_keep_their_bytes)
{
	static unsigned char shadow[256 * KIB];
	unsigned int seed = 12345;

	raw_ok(1, raw_rw(NVME_NVM_WRITE_ZEROES, 0, sizeof(shadow) / BLOCK));
	for (unsigned int round = 0; round < 200; round++) {
		const unsigned int blocks = 1 + (unsigned int)rand_r(&seed) % 64;
		const unsigned int lba = (unsigned int)rand_r(&seed) %
					 ((unsigned int)sizeof(shadow) / BLOCK - blocks);
		const unsigned int offset = 4 * ((unsigned int)rand_r(&seed) % 1024);
		const bool write = rand_r(&seed) & 1;
		struct udrv__nvme_cmd cmd =
			raw_rw(write ? NVME_NVM_WRITE : NVME_NVM_READ, lba, blocks);
		const unsigned int len = blocks * BLOCK;
		const unsigned int pages = (offset + len + RAW_PAGE - 1) / RAW_PAGE;

		cmd.prp1 = data_iova + offset;
		cmd.prp2 = pages == 2 ? page_iova(1) : page_iova(LISTS);
		for (unsigned int i = 1; i < pages; i++)
			put_entry(LISTS, i - 1, page_iova(i));
		if (write) {
			raw_fill(data + offset, len, round);
			memcpy(shadow + lba * BLOCK, data + offset, len);
		} else {
			memset(data + offset, 0xa5, len);
		}
		raw_ok(1, cmd);
		ck_assert_int_eq(memcmp(shadow + lba * BLOCK, data + offset, len), 0);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("model_nvme_data");
	TCase *tc = tcase_create("data");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, two_pages_are_two_pointers);
	tcase_add_test(tc, lists_hold_the_pages_behind_the_first);
	tcase_add_test(tc, lists_go_on_in_the_page_that_their_last_entry_names);
	tcase_add_test(tc, pointers_into_a_page_are_refused_where_they_may_not_be);
	tcase_add_test(tc, list_that_is_not_mapped_is_a_transfer_error);
	tcase_add_test(tc, pages_are_as_large_as_the_host_says);
	tcase_add_test(tc, one_descriptor_is_any_place_and_length);
	tcase_add_test(tc, segments_are_followed_to_the_last);
	tcase_add_test(tc, buckets_take_what_the_host_does_not_want);
	tcase_add_test(tc, lists_that_are_wrong_are_refused_by_what_is_wrong);
	tcase_add_test(tc, segments_in_a_circle_end_as_too_many);
	tcase_add_test(tc, controller_without_sgl_refuses_them);
	tcase_add_test(tc, metadata_behind_each_block);
	tcase_add_test(tc, metadata_in_a_buffer_of_its_own);
	tcase_add_test(tc, metadata_by_a_descriptor);
	tcase_add_test(tc, metadata_is_lost_with_its_block);
	tcase_add_test(tc, random_transfers_keep_their_bytes);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
