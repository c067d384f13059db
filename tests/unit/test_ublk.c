// SPDX-License-Identifier: MIT
/* What the kernel's ublk is told of a block device, and what of its requests the driver is. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "export/ublk.h"

#include "support/suite.h"

#define MIB (1u << 20)

static struct udrv_block_limits limits;

static void setup(void)
{
	limits = (struct udrv_block_limits){
		.size = 64 * MIB,
		.logical_block_size = 512,
		.physical_block_size = 4096,
		.max_transfer = 128 << 10,
		.max_discard = 8 * MIB,
		.discard_granularity = 4096,
		.max_write_zeroes = MIB,
		.write_cache = true,
		.fua = true,
		.max_queues = 8,
		.queue_depth = 64,
	};
}

/* Shape. */

static struct udrv__ublk_shape shape_for(unsigned int cpus)
{
	struct udrv__ublk_shape shape;

	udrv__ublk_shape(&limits, cpus, &shape);
	return shape;
}

START_TEST(a_queue_for_each_cpu_as_far_as_the_driver_has_them)
{
	ck_assert_uint_eq(shape_for(2).queues, 2);
	ck_assert_uint_eq(shape_for(16).queues, 8);
	ck_assert_uint_eq(shape_for(0).queues, 1);
}
END_TEST

START_TEST(depth_and_transfers_are_the_drivers_within_bounds)
{
	ck_assert_uint_eq(shape_for(1).depth, 64);
	ck_assert_uint_eq(shape_for(1).max_io, 128 << 10);
	limits.queue_depth = 1000;
	limits.max_transfer = 16 * MIB;
	ck_assert_uint_eq(shape_for(1).depth, UDRV__UBLK_MAX_DEPTH);
	ck_assert_uint_eq(shape_for(1).max_io, UDRV__UBLK_MAX_IO);
}
END_TEST

START_TEST(a_buffer_is_whole_pages_and_at_least_one)
{
	limits.max_transfer = 512;
	ck_assert_uint_eq(shape_for(1).max_io, 4096);
	limits.max_transfer = 4096 + 512;
	ck_assert_uint_eq(shape_for(1).max_io, 4096);
}
END_TEST

START_TEST(many_queues_share_the_memory)
{
	static const unsigned int cpus[] = {1, 2, 3, 7, 16, 64, 128};

	limits.max_queues = 1024;
	limits.queue_depth = 1024;
	limits.max_transfer = MIB;
	for (size_t i = 0; i < sizeof(cpus) / sizeof(cpus[0]); i++) {
		const struct udrv__ublk_shape s = shape_for(cpus[i]);

		ck_assert_uint_eq(s.queues, cpus[i]);
		ck_assert_uint_le((uint64_t)s.queues * s.depth * s.max_io,
				  cpus[i] <= 64 ? UDRV__UBLK_MAX_MEMORY
						: 2 * UDRV__UBLK_MAX_MEMORY);
		ck_assert_uint_ge(s.max_io, 64 << 10);
		ck_assert_uint_ge(s.depth, 16);
	}
}
END_TEST

/* Parameters. */

static struct ublk_params params(void)
{
	struct ublk_params p;

	udrv__ublk_params(&limits, 128 << 10, &p);
	return p;
}

START_TEST(sizes_are_given_as_shifts_and_sectors)
{
	const struct ublk_params p = params();

	ck_assert_uint_eq(p.len, 60);
	ck_assert_uint_eq(p.types, UBLK_TYPE_BASIC | UBLK_TYPE_DISCARD);
	ck_assert_uint_eq(p.logical_shift, 9);
	ck_assert_uint_eq(p.physical_shift, 12);
	ck_assert_uint_eq(p.io_min_shift, 12);
	ck_assert_uint_eq(p.io_opt_shift, 0);
	ck_assert_uint_eq(p.max_sectors, 256);
	ck_assert_uint_eq(p.chunk_sectors, 0);
	ck_assert_uint_eq(p.dev_sectors, 131072);
}
END_TEST

START_TEST(preferred_sizes_are_rounded_down)
{
	limits.io_min = 16384;
	limits.io_opt = 3 * 65536;
	ck_assert_uint_eq(params().io_min_shift, 14);
	ck_assert_uint_eq(params().io_opt_shift, 17);
	limits.io_min = 512;
	ck_assert_uint_eq(params().io_min_shift, 12);
}
END_TEST

START_TEST(a_cache_and_fua_are_told_together)
{
	ck_assert_uint_eq(params().attrs, UBLK_ATTR_WRITE_CACHE | UBLK_ATTR_FUA);
	limits.fua = false;
	ck_assert_uint_eq(params().attrs, UBLK_ATTR_WRITE_CACHE);
	limits.fua = true;
	limits.write_cache = false;
	ck_assert_uint_eq(params().attrs, 0);
	limits.read_only = true;
	ck_assert_uint_eq(params().attrs, UBLK_ATTR_READ_ONLY);
}
END_TEST

START_TEST(what_is_not_there_is_not_told)
{
	ck_assert_uint_eq(params().max_discard_sectors, 16384);
	ck_assert_uint_eq(params().max_write_zeroes_sectors, 2048);
	ck_assert_uint_eq(params().discard_granularity, 4096);
	ck_assert_uint_eq(params().max_discard_segments, 1);
	limits.max_discard = limits.discard_granularity = 0;
	ck_assert_uint_eq(params().types, UBLK_TYPE_BASIC | UBLK_TYPE_DISCARD);
	ck_assert_uint_eq(params().max_discard_segments, 0);
	/* The kernel takes no 0. */
	ck_assert_uint_eq(params().discard_granularity, 512);
	limits.max_write_zeroes = 0;
	ck_assert_uint_eq(params().types, UBLK_TYPE_BASIC);
}
END_TEST

/* Not in how long requests may be, which depends on the controller's answers. */
START_TEST(disks_that_differ_in_what_users_rely_on_are_not_the_same)
{
	const struct ublk_params before = params();
	struct ublk_params after = before;

	/* The kernel adds its device numbers. */
	after.types |= 4;
	ck_assert(udrv__ublk_same_params(&before, &after));
	limits.size *= 2;
	after = params();
	ck_assert(!udrv__ublk_same_params(&before, &after));
	setup();
	limits.write_cache = false;
	after = params();
	ck_assert(!udrv__ublk_same_params(&before, &after));
	setup();
	limits.logical_block_size = 4096;
	after = params();
	ck_assert(!udrv__ublk_same_params(&before, &after));
	setup();
	limits.max_discard = limits.max_write_zeroes = 0;
	limits.max_transfer = 4096;
	after = params();
	ck_assert(udrv__ublk_same_params(&before, &after));
}
END_TEST

START_TEST(an_identity_names_the_device_and_the_disk)
{
	struct udrv_block a = {.name = "nvme-n1", .serial = "S1", .limits = limits};
	struct udrv_block b = a;
	const uint64_t id = udrv__ublk_identity("0000:00:05.0", &a);

	ck_assert_uint_ne(id >> 32, 0);
	ck_assert_uint_ne((uint32_t)id, 0);
	ck_assert_uint_eq(udrv__ublk_identity("0000:00:05.0", &b), id);
	strcpy(b.serial, "S2");
	ck_assert(udrv__ublk_is_of(udrv__ublk_identity("0000:00:05.0", &b), "0000:00:05.0"));
	ck_assert_uint_ne(udrv__ublk_identity("0000:00:05.0", &b), id);
	/* Made anew in the same place. */
	strcpy(b.serial, "S1");
	strcpy(b.id, "eui.0123456789abcdef");
	ck_assert(udrv__ublk_is_of(udrv__ublk_identity("0000:00:05.0", &b), "0000:00:05.0"));
	ck_assert_uint_ne(udrv__ublk_identity("0000:00:05.0", &b), id);
	/* One name is not the other's part. */
	strcpy(b.serial, "S1eui.0123456789abcdef");
	strcpy(b.id, "");
	ck_assert_uint_ne(udrv__ublk_identity("0000:00:05.0", &b), id);
	/* It may have been resized meanwhile: its parameters tell. */
	b = a;
	b.limits.size *= 2;
	ck_assert_uint_eq(udrv__ublk_identity("0000:00:05.0", &b), id);
	ck_assert(!udrv__ublk_is_of(id, "0000:00:06.0"));
	ck_assert(!udrv__ublk_is_of(0, "0000:00:05.0"));
	strcpy(b.name, "nvme-n2");
	ck_assert(udrv__ublk_is_of(udrv__ublk_identity("0000:00:05.0", &b), "0000:00:05.0"));
	ck_assert_uint_ne(udrv__ublk_identity("0000:00:05.0", &b), id);
}
END_TEST

/* Requests. */

static char data[MIB];
static struct udrv__ublk_request request;
static struct udrv_block_request part;

static int begin(uint32_t op_flags, uint64_t sector, uint32_t sectors)
{
	const struct ublk_desc desc = {
		.op_flags = op_flags, .start_sector = sector, .sectors = sectors};

	memset(&part, 0, sizeof(part));
	return udrv__ublk_request_begin(&request, &limits, &desc);
}

static bool next(void)
{
	return udrv__ublk_request_next(&request, &limits, data, &part);
}

static void expect(enum udrv_block_op op, uint32_t flags, uint64_t offset, uint32_t len)
{
	ck_assert(next());
	ck_assert_int_eq(part.op, op);
	ck_assert_uint_eq(part.flags, flags);
	ck_assert_uint_eq(part.offset, offset);
	ck_assert_uint_eq(part.len, len);
}

START_TEST(a_request_within_the_limits_is_one)
{
	ck_assert_int_eq(begin(UBLK_READ, 8, 256), 0);
	expect(UDRV_BLOCK_READ, 0, 4096, 131072);
	ck_assert_ptr_eq(part.buf, data);
	ck_assert(!next());
	ck_assert_int_eq(udrv__ublk_request_result(&request, 0), 131072);
}
END_TEST

START_TEST(a_longer_one_is_split_without_a_gap)
{
	limits.max_transfer = 4096;
	ck_assert_int_eq(begin(UBLK_WRITE, 1, 20), 0);
	expect(UDRV_BLOCK_WRITE, 0, 512, 4096);
	ck_assert_ptr_eq(part.buf, data);
	expect(UDRV_BLOCK_WRITE, 0, 4608, 4096);
	ck_assert_ptr_eq(part.buf, data + 4096);
	expect(UDRV_BLOCK_WRITE, 0, 8704, 2048);
	ck_assert_ptr_eq(part.buf, data + 8192);
	ck_assert(!next());
	ck_assert_int_eq(udrv__ublk_request_result(&request, 0), 10240);
}
END_TEST

START_TEST(discards_and_zeroes_have_limits_of_their_own)
{
	ck_assert_int_eq(begin(UBLK_DISCARD, 0, 32768), 0);
	expect(UDRV_BLOCK_DISCARD, 0, 0, 8 * MIB);
	expect(UDRV_BLOCK_DISCARD, 0, 8 * MIB, 8 * MIB);
	ck_assert(!next());
	ck_assert_int_eq(udrv__ublk_request_result(&request, 0), 0);
	ck_assert_int_eq(begin(UBLK_WRITE_ZEROES | UBLK_IO_NOUNMAP, 0, 2049), 0);
	expect(UDRV_BLOCK_WRITE_ZEROES, UDRV_BLOCK_NOUNMAP, 0, MIB);
	expect(UDRV_BLOCK_WRITE_ZEROES, UDRV_BLOCK_NOUNMAP, MIB, 512);
	ck_assert(!next());
}
END_TEST

START_TEST(fua_is_passed_to_who_knows_it)
{
	ck_assert_int_eq(begin(UBLK_WRITE | UBLK_IO_FUA, 0, 8), 0);
	expect(UDRV_BLOCK_WRITE, UDRV_BLOCK_FUA, 0, 4096);
	ck_assert(!next());
	ck_assert_int_eq(begin(UBLK_WRITE_ZEROES | UBLK_IO_FUA, 0, 8), 0);
	expect(UDRV_BLOCK_WRITE_ZEROES, UDRV_BLOCK_FUA, 0, 4096);
	ck_assert_int_eq(begin(UBLK_READ | UBLK_IO_FUA, 0, 8), 0);
	expect(UDRV_BLOCK_READ, 0, 0, 4096);
	ck_assert(!next());
}
END_TEST

START_TEST(without_fua_a_flush_follows_the_last_part)
{
	limits.fua = false;
	limits.max_transfer = 4096;
	ck_assert_int_eq(begin(UBLK_WRITE | UBLK_IO_FUA, 0, 16), 0);
	expect(UDRV_BLOCK_WRITE, 0, 0, 4096);
	expect(UDRV_BLOCK_WRITE, 0, 4096, 4096);
	expect(UDRV_BLOCK_FLUSH, 0, 0, 0);
	ck_assert(!next());
	ck_assert_int_eq(udrv__ublk_request_result(&request, 0), 8192);
}
END_TEST

START_TEST(without_a_cache_nothing_is_flushed)
{
	limits.write_cache = false;
	ck_assert_int_eq(begin(UBLK_WRITE | UBLK_IO_FUA, 0, 8), 0);
	expect(UDRV_BLOCK_WRITE, 0, 0, 4096);
	ck_assert(!next());
	ck_assert_int_eq(begin(UBLK_FLUSH, 0, 0), 0);
	ck_assert(!next());
	ck_assert_int_eq(udrv__ublk_request_result(&request, 0), 0);
}
END_TEST

START_TEST(a_flush_has_no_range)
{
	ck_assert_int_eq(begin(UBLK_FLUSH, 77, 0), 0);
	expect(UDRV_BLOCK_FLUSH, 0, 0, 0);
	ck_assert(!next());
	ck_assert_int_eq(udrv__ublk_request_result(&request, 0), 0);
}
END_TEST

START_TEST(what_cannot_be_is_refused)
{
	const uint64_t end = limits.size / 512;

	ck_assert_int_eq(begin(4, 0, 8), -EOPNOTSUPP);	/* WRITE_SAME */
	ck_assert_int_eq(begin(18, 0, 8), -EOPNOTSUPP); /* REPORT_ZONES */
	ck_assert_int_eq(begin(UBLK_READ, 0, 0), -EIO);
	ck_assert_int_eq(begin(UBLK_READ, end, 1), -EIO);
	ck_assert_int_eq(begin(UBLK_READ, end - 1, 2), -EIO);
	ck_assert_int_eq(begin(UBLK_READ, end - 1, 1), 0);
	ck_assert_int_eq(begin(UBLK_READ, UINT64_MAX, 1), -EIO);
	ck_assert_int_eq(begin(UBLK_READ, UINT64_MAX / 512, 8), -EIO);
	ck_assert_int_eq(begin(UBLK_DISCARD, 0, UINT32_MAX), -EIO);
	limits.max_discard = limits.max_write_zeroes = 0;
	ck_assert_int_eq(begin(UBLK_DISCARD, 0, 8), -EOPNOTSUPP);
	ck_assert_int_eq(begin(UBLK_WRITE_ZEROES, 0, 8), -EOPNOTSUPP);
	limits.logical_block_size = 4096;
	ck_assert_int_eq(begin(UBLK_READ, 1, 8), -EIO);
	ck_assert_int_eq(begin(UBLK_READ, 8, 7), -EIO);
	limits.read_only = true;
	ck_assert_int_eq(begin(UBLK_WRITE, 8, 8), -EIO);
	ck_assert_int_eq(begin(UBLK_READ, 8, 8), 0);
}
END_TEST

START_TEST(errors_are_those_that_the_block_layer_tells_apart)
{
	static const int kept[] = {-ENOSPC, -ENODATA, -EILSEQ, -ENODEV, -ETIMEDOUT, -EOPNOTSUPP};
	/* As results these would mean something else, or be tried again for ever. */
	static const int others[] = {-EIO, -EAGAIN, -EBUSY, -ENOMEM, -EINVAL, -EREMCHG, -4095};

	ck_assert_int_eq(begin(UBLK_READ, 0, 8), 0);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		ck_assert_int_eq(udrv__ublk_request_result(&request, kept[i]), kept[i]);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		ck_assert_int_eq(udrv__ublk_request_result(&request, others[i]), -EIO);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ublk");
	TCase *tc = tcase_create("pure");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, a_queue_for_each_cpu_as_far_as_the_driver_has_them);
	tcase_add_test(tc, depth_and_transfers_are_the_drivers_within_bounds);
	tcase_add_test(tc, a_buffer_is_whole_pages_and_at_least_one);
	tcase_add_test(tc, many_queues_share_the_memory);
	tcase_add_test(tc, sizes_are_given_as_shifts_and_sectors);
	tcase_add_test(tc, preferred_sizes_are_rounded_down);
	tcase_add_test(tc, a_cache_and_fua_are_told_together);
	tcase_add_test(tc, what_is_not_there_is_not_told);
	tcase_add_test(tc, disks_that_differ_in_what_users_rely_on_are_not_the_same);
	tcase_add_test(tc, an_identity_names_the_device_and_the_disk);
	tcase_add_test(tc, a_request_within_the_limits_is_one);
	tcase_add_test(tc, a_longer_one_is_split_without_a_gap);
	tcase_add_test(tc, discards_and_zeroes_have_limits_of_their_own);
	tcase_add_test(tc, fua_is_passed_to_who_knows_it);
	tcase_add_test(tc, without_fua_a_flush_follows_the_last_part);
	tcase_add_test(tc, without_a_cache_nothing_is_flushed);
	tcase_add_test(tc, a_flush_has_no_range);
	tcase_add_test(tc, what_cannot_be_is_refused);
	tcase_add_test(tc, errors_are_those_that_the_block_layer_tells_apart);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
