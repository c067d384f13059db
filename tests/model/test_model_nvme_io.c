// SPDX-License-Identifier: MIT
/* The software NVMe controller's I/O commands: data, checks, and what survives a power cut. */
#include "support/raw_nvme.h"
#include "support/suite.h"

static const char *const names[] = {"model:nvme", "model:nvme:direct"};

#define BLOCK 512u
#define DNR   NVME_ST_DNR

static void setup(void)
{
	raw_up(names[0]);
}

static void teardown(void)
{
	raw_close();
}

static void write_block(uint64_t lba, unsigned int seed, uint32_t flags)
{
	struct udrv__nvme_cmd cmd = raw_rw(NVME_NVM_WRITE, lba, 1);

	cmd.cdw12 |= flags;
	raw_fill(data, BLOCK, seed);
	raw_ok(1, cmd);
}

static bool block_is(uint64_t lba, unsigned int seed)
{
	memset(data, 0xee, BLOCK);
	raw_ok(1, raw_rw(NVME_NVM_READ, lba, 1));
	return seed ? raw_filled(data, BLOCK, seed) : raw_zero(data, BLOCK);
}

START_TEST(what_is_written_is_read)
{
	raw_up(names[_i]);
	ck_assert(block_is(7, 0));
	write_block(7, 1, 0);
	write_block(8, 2, 0);
	ck_assert(block_is(7, 1));
	ck_assert(block_is(8, 2));
	ck_assert(block_is(6, 0));
	ck_assert(block_is(9, 0));
}
END_TEST

START_TEST(namespaces_are_apart)
{
	struct udrv__nvme_cmd cmd = raw_rw(NVME_NVM_READ, 7, 1);

	write_block(7, 1, 0);
	cmd.nsid = 2;
	raw_ok(1, cmd);
	ck_assert(raw_zero(data, BLOCK));
}
END_TEST

START_TEST(blocks_beyond_the_end_are_refused)
{
	const uint64_t end = (64 << 20) / BLOCK;

	raw_ok(1, raw_rw(NVME_NVM_READ, end - 1, 1));
	raw_ok(1, raw_rw(NVME_NVM_WRITE_ZEROES, end - 8, 8));
	ck_assert_uint_eq(raw_status(1, raw_rw(NVME_NVM_READ, end, 1)), NVME_SC_LBA_RANGE | DNR);
	ck_assert_uint_eq(raw_status(1, raw_rw(NVME_NVM_WRITE, end - 1, 2)),
			  NVME_SC_LBA_RANGE | DNR);
	ck_assert_uint_eq(raw_status(1, raw_rw(NVME_NVM_WRITE_ZEROES, end - 7, 8)),
			  NVME_SC_LBA_RANGE | DNR);
	ck_assert_uint_eq(raw_status(1, raw_rw(NVME_NVM_READ, UINT64_MAX, 1)),
			  NVME_SC_LBA_RANGE | DNR);
	ck_assert_uint_eq(raw_status(1, raw_rw(NVME_NVM_COMPARE, end, 1)), NVME_SC_LBA_RANGE | DNR);
}
END_TEST

START_TEST(namespaces_that_are_not_there_are_refused)
{
	static const uint8_t opcodes[] = {NVME_NVM_READ,   NVME_NVM_WRITE,	  NVME_NVM_FLUSH,
					  NVME_NVM_VERIFY, NVME_NVM_WRITE_ZEROES, NVME_NVM_DSM};

	for (unsigned int i = 0; i < sizeof(opcodes); i++) {
		struct udrv__nvme_cmd cmd = raw_rw(opcodes[i], 0, 1);

		cmd.nsid = 0;
		ck_assert_uint_eq(raw_status(1, cmd), NVME_SC_INVALID_NS | DNR);
		cmd.nsid = UDRV__MODEL_NVME_NS_MAX + 1;
		ck_assert_uint_eq(raw_status(1, cmd), NVME_SC_INVALID_NS | DNR);
		cmd.nsid = 3;
		ck_assert_uint_eq(raw_status(1, cmd), NVME_SC_INVALID_FIELD | DNR);
	}
}
END_TEST

START_TEST(opcodes_and_flags_that_are_unknown_are_refused)
{
	struct udrv__nvme_cmd cmd = raw_rw(NVME_NVM_READ, 0, 1);

	ck_assert_uint_eq(raw_status(1, raw_rw(0x7f, 0, 1)), NVME_SC_INVALID_OPCODE | DNR);
	cmd.flags = 1;
	ck_assert_uint_eq(raw_status(1, cmd), NVME_SC_INVALID_FIELD | DNR);
	cmd.flags = 3 << 6;
	ck_assert_uint_eq(raw_status(1, cmd), NVME_SC_INVALID_FIELD | DNR);
}
END_TEST

/* Longer than MDTS says, whatever else. */
START_TEST(transfers_beyond_the_limit_are_refused)
{
	struct udrv__nvme_cmd cmd = raw_rw(NVME_NVM_READ, 0, (512 << 10) / BLOCK + 1);

	ck_assert_uint_eq(raw_status(1, cmd), NVME_SC_INVALID_FIELD | DNR);
}
END_TEST

static void power_cut(void)
{
	udrv__model_nvme_power_cut(dev);
	ck_assert_uint_eq(raw_csts(), 0);
	raw_start(RAW_CC);
	(void)raw_alloc_queue(1, RAW_ENTRIES);
	raw_ok(0, raw_create_cq(1, RAW_ENTRIES, 0, false));
	raw_ok(0, raw_create_sq(1, RAW_ENTRIES, 1));
}

START_TEST(power_cut_loses_what_was_not_flushed)
{
	write_block(1, 1, 0);
	write_block(2, 2, NVME_RW_FUA);
	write_block(3, 3, 0);
	raw_ok(1, (struct udrv__nvme_cmd){.opcode = NVME_NVM_FLUSH, .nsid = 1});
	write_block(3, 4, 0);
	write_block(4, 5, 0);
	ck_assert(block_is(3, 4));
	power_cut();
	ck_assert(block_is(1, 1));
	ck_assert(block_is(2, 2));
	ck_assert(block_is(3, 3));
	ck_assert(block_is(4, 0));
}
END_TEST

START_TEST(written_through_means_that_block_only)
{
	write_block(1, 1, 0);
	write_block(2, 2, NVME_RW_FUA);
	power_cut();
	ck_assert(block_is(1, 0));
	ck_assert(block_is(2, 2));
}
END_TEST

START_TEST(flush_of_all_namespaces_is_one_of_this)
{
	write_block(1, 1, 0);
	raw_ok(1, (struct udrv__nvme_cmd){.opcode = NVME_NVM_FLUSH, .nsid = NVME_NSID_ALL});
	power_cut();
	ck_assert(block_is(1, 1));
}
END_TEST

START_TEST(nothing_is_lost_with_the_cache_off_or_shut_down)
{
	write_block(1, 1, 0);
	raw_ok(0, raw_set_feature(NVME_FEAT_WRITE_CACHE, 0));
	write_block(2, 2, 0);
	power_cut();
	ck_assert(block_is(1, 1));
	ck_assert(block_is(2, 2));
	/* The feature is not saved: the cache is on again. */
	write_block(3, 3, 0);
	udrv_writel(RAW_CC | 1 << 14, regs + NVME_REG_CC);
	power_cut();
	ck_assert(block_is(3, 3));
}
END_TEST

START_TEST(controller_reset_loses_nothing)
{
	write_block(1, 1, 0);
	raw_stop();
	raw_start(RAW_CC);
	(void)raw_alloc_queue(1, RAW_ENTRIES);
	raw_ok(0, raw_create_cq(1, RAW_ENTRIES, 0, false));
	raw_ok(0, raw_create_sq(1, RAW_ENTRIES, 1));
	ck_assert(block_is(1, 1));
}
END_TEST

START_TEST(zeroes_are_written_without_data)
{
	struct udrv__nvme_cmd cmd = raw_rw(NVME_NVM_WRITE_ZEROES, 2, 2);

	for (unsigned int i = 1; i <= 4; i++)
		write_block(i, i, 0);
	cmd.prp1 = cmd.prp2 = 0;
	cmd.cdw12 |= NVME_RW_DEAC;
	raw_ok(1, cmd);
	ck_assert(block_is(1, 1));
	ck_assert(block_is(2, 0));
	ck_assert(block_is(3, 0));
	ck_assert(block_is(4, 4));
}
END_TEST

static void put_range(unsigned int i, uint64_t lba, uint32_t blocks)
{
	memset(data + 16 * i, 0, 4);
	memcpy(data + 16 * i + 4, &blocks, 4);
	memcpy(data + 16 * i + 8, &lba, 8);
}

START_TEST(deallocated_ranges_read_as_zeroes)
{
	struct udrv__nvme_cmd cmd = {
		.opcode = NVME_NVM_DSM, .nsid = 1, .prp1 = data_iova, .cdw10 = 1, .cdw11 = 4};

	for (unsigned int i = 1; i <= 6; i++)
		write_block(i, i, 0);
	put_range(0, 1, 2);
	put_range(1, 5, 1);
	raw_ok(1, cmd);
	ck_assert(block_is(1, 0));
	ck_assert(block_is(2, 0));
	ck_assert(block_is(3, 3));
	ck_assert(block_is(5, 0));
	ck_assert(block_is(6, 6));
	/* A hint alone changes nothing; one bad range, and none is taken. */
	put_range(0, 3, 1);
	put_range(1, (64 << 20) / BLOCK, 1);
	ck_assert_uint_eq(raw_status(1, cmd), NVME_SC_LBA_RANGE | DNR);
	cmd.cdw10 = 0;
	cmd.cdw11 = 1;
	raw_ok(1, cmd);
	ck_assert(block_is(3, 3));
}
END_TEST

START_TEST(compare_tells_a_difference)
{
	write_block(1, 1, 0);
	raw_ok(1, raw_rw(NVME_NVM_COMPARE, 1, 1));
	data[BLOCK - 1] ^= 1;
	ck_assert_uint_eq(raw_status(1, raw_rw(NVME_NVM_COMPARE, 1, 1)), NVME_SC_COMPARE | DNR);
}
END_TEST

START_TEST(uncorrectable_blocks_fail_until_they_are_written)
{
	write_block(1, 1, 0);
	raw_ok(1, raw_rw(NVME_NVM_WRITE_UNCORRECTABLE, 1, 2));
	ck_assert_uint_eq(raw_status(1, raw_rw(NVME_NVM_READ, 0, 4)),
			  NVME_SC_UNRECOVERED_READ | DNR);
	ck_assert_uint_eq(raw_status(1, raw_rw(NVME_NVM_VERIFY, 2, 1)),
			  NVME_SC_UNRECOVERED_READ | DNR);
	raw_ok(1, raw_rw(NVME_NVM_VERIFY, 3, 100));
	write_block(1, 3, 0);
	ck_assert(block_is(1, 3));
	ck_assert_uint_eq(raw_status(1, raw_rw(NVME_NVM_READ, 2, 1)),
			  NVME_SC_UNRECOVERED_READ | DNR);
}
END_TEST

START_TEST(memory_that_is_not_mapped_is_a_transfer_error)
{
	struct udrv__nvme_cmd cmd = raw_rw(NVME_NVM_READ, 0, 1);

	cmd.prp1 = 0x7000000000;
	ck_assert_uint_eq(raw_status(1, cmd), NVME_SC_DATA_TRANSFER);
	cmd.opcode = NVME_NVM_WRITE;
	ck_assert_uint_eq(raw_status(1, cmd), NVME_SC_DATA_TRANSFER);
}
END_TEST

START_TEST(blocks_of_4096_bytes_and_a_size_by_name)
{
	raw_close();
	raw_up("model:nvme:4k-8m");
	raw_ok(0, raw_identify(0, 1));
	ck_assert_uint_eq(raw_field(0, 8), 8 << 20 >> 12);
	raw_fill(data, RAW_PAGE, 1);
	raw_ok(1, raw_rw(NVME_NVM_WRITE, 3, 1));
	memset(data, 0, RAW_PAGE);
	raw_ok(1, raw_rw(NVME_NVM_READ, 3, 1));
	ck_assert(raw_filled(data, RAW_PAGE, 1));
	ck_assert_uint_eq(raw_status(1, raw_rw(NVME_NVM_READ, 2048, 1)), NVME_SC_LBA_RANGE | DNR);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("model_nvme_io");
	TCase *both = tcase_create("both modes"), *tc = tcase_create("commands");

	tcase_set_timeout(both, 300);
	tcase_add_checked_fixture(both, NULL, teardown);
	tcase_add_loop_test(both, what_is_written_is_read, 0, 2);
	suite_add_tcase(s, both);
	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, namespaces_are_apart);
	tcase_add_test(tc, blocks_beyond_the_end_are_refused);
	tcase_add_test(tc, namespaces_that_are_not_there_are_refused);
	tcase_add_test(tc, opcodes_and_flags_that_are_unknown_are_refused);
	tcase_add_test(tc, transfers_beyond_the_limit_are_refused);
	tcase_add_test(tc, power_cut_loses_what_was_not_flushed);
	tcase_add_test(tc, written_through_means_that_block_only);
	tcase_add_test(tc, flush_of_all_namespaces_is_one_of_this);
	tcase_add_test(tc, nothing_is_lost_with_the_cache_off_or_shut_down);
	tcase_add_test(tc, controller_reset_loses_nothing);
	tcase_add_test(tc, zeroes_are_written_without_data);
	tcase_add_test(tc, deallocated_ranges_read_as_zeroes);
	tcase_add_test(tc, compare_tells_a_difference);
	tcase_add_test(tc, uncorrectable_blocks_fail_until_they_are_written);
	tcase_add_test(tc, memory_that_is_not_mapped_is_a_transfer_error);
	tcase_add_test(tc, blocks_of_4096_bytes_and_a_size_by_name);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
