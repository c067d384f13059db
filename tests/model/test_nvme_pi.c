// SPDX-License-Identifier: MIT
/*
 * Namespaces with end-to-end protection: as ordinary disks, and for who wants to see it. In part on
 * any controller (UDRV_TEST_DEVICE), whose namespace 1 is formatted.
 */
#include <errno.h>

#include "backend/model.h"
#include "backend/model_nvme.h"
#include "nvme_driver.h"

#include "support/nvme_load.h"
#include "support/suite.h"

#define BLOCK	512u
#define META	8u
#define BLOCKS	16u   /* of what is transferred */
#define SPAN	1024u /* blocks of the random load */
#define APP_TAG 0x1234
#define ALL	(NVME_RW_PRCHK_GUARD | NVME_RW_PRCHK_APP | NVME_RW_PRCHK_REF)

/* Each type, with the information apart and in between. */
#define WAYS	    6
#define TYPE(i)	    ((unsigned int)(i) % 3 + 1)
#define EXTENDED(i) ((i) >= 3)

static struct nvme_rig rig;
static unsigned char *data, *meta;
static struct udrv_nvme_protected p;

/* The LBA format of 512 + 8. */
static unsigned int with_meta(void)
{
	struct nvme_id_ns *id = calloc(1, sizeof(*id));
	unsigned int i = 0;

	ck_assert_ptr_nonnull(id);
	ck_assert_int_eq(udrv_nvme_identify(rig.nvme, NVME_CNS_NS, 1, id), 0);
	while (i <= id->nlbaf && (1u << id->lbaf[i].lbads != BLOCK || id->lbaf[i].ms != META))
		i++;
	ck_assert_uint_le(i, id->nlbaf);
	free(id);
	return i;
}

static void format(unsigned int type, bool extended)
{
	const struct nvme_sqe sqe = {
		.opcode = NVME_ADMIN_FORMAT_NVM,
		.nsid = 1,
		.cdw10 = NVME_FORMAT_LBAF(with_meta()) | NVME_FORMAT_PI(type) |
			 (extended ? NVME_FORMAT_EXTENDED : 0),
	};

	ck_assert_int_eq(udrv_nvme_admin(rig.nvme, &sqe, NULL, 0, NULL), 0);
	ck_assert_int_eq(udrv_nvme_reset(rig.nvme), 0);
	rig.ns = udrv_nvme_ns(rig.nvme, 1);
	ck_assert_ptr_nonnull(rig.ns);
}

static void begin(int way)
{
	nvme_rig_open(&rig, NULL);
	format(TYPE(way), EXTENDED(way));
	ck_assert(rig.ns->usable);
	ck_assert_uint_eq(rig.ns->pi_type, TYPE(way));
	ck_assert_int_eq(rig.ns->extended, EXTENDED(way));
	nvme_rig_queue(&rig, 64, UDRV_NVME_ADAPTIVE);
	data = nvme_rig_memory(&rig, BLOCKS * (BLOCK + META));
	meta = nvme_rig_memory(&rig, 4096);
	p = (struct udrv_nvme_protected){
		.data = data,
		.metadata = EXTENDED(way) ? NULL : meta,
		.blocks = BLOCKS,
		.flags = TYPE(way) == 3 ? ALL & ~NVME_RW_PRCHK_REF : ALL,
		.app_tag = APP_TAG,
		.app_mask = 0xffff,
	};
}

static void end(void)
{
	nvme_rig_close(&rig);
}

/* With the information in the buffers, of p's blocks from p's tag on. */
static uint32_t rw(uint8_t opcode, uint32_t flags)
{
	const size_t size = BLOCK + (rig.ns->extended ? META : 0);
	const struct iovec iov = {data, p.blocks * size};
	const struct udrv_nvme_io io = {
		.opcode = opcode,
		.iov = &iov,
		.iov_count = 1,
		.metadata = meta,
		.lba = p.ref_tag,
		.blocks = p.blocks,
		.flags = flags,
		.ref_tag = p.ref_tag,
		.app_tag = p.app_tag,
		.app_mask = p.app_mask,
	};
	struct nvme_rig_wait w = {0};

	ck_assert_int_eq(udrv_nvme_rw(rig.q, rig.ns, &io, nvme_rig_done, &w), 0);
	return nvme_rig_await(&rig, &w) & NVME_STATUS_MASK;
}

static unsigned char *pi_of(uint32_t block)
{
	return rig.ns->extended ? data + (block + 1) * (BLOCK + META) - META : meta + block * META;
}

START_TEST(the_guard_is_that_of_the_standard)
{
	/* The check value of CRC-16/T10-DIF. */
	ck_assert_uint_eq(udrv_nvme_crc_t10dif(0, "123456789", 9), 0xd0db);
	ck_assert_uint_eq(udrv_nvme_crc_t10dif(udrv_nvme_crc_t10dif(0, "1234", 4), "56789", 5),
			  0xd0db);
	ck_assert_uint_eq(udrv_nvme_crc_t10dif(0, "", 0), 0);
}
END_TEST

/*
 * Random reads and writes; then what the controller made is what the host would have made. All
 * blocks are written first: QEMU's controller keeps zeroes for what was never written and is next
 * to what was, and then finds that the reference tag is wrong.
 */
START_TEST(it_is_an_ordinary_disk)
{
	struct nvme_load load = {.rig = &rig, .depth = 32};

	begin(_i);
	nvme_load_begin(&load);
	load.span = SPAN;
	for (uint64_t lba = 0; lba < SPAN; lba += BLOCKS)
		ck_assert_uint_eq(nvme_rig_write(&rig, data, lba, BLOCKS, 0), 0);
	nvme_load_run(&load, getenv("UDRV_TEST_DEVICE") ? 200 : 1000);
	nvme_load_verify(&load);
	nvme_load_finish(&load);
	ck_assert_uint_eq(load.failed, 0);
	p.app_tag = 0;
	for (p.ref_tag = 0; p.ref_tag < SPAN; p.ref_tag += BLOCKS) {
		ck_assert_uint_eq(rw(NVME_READ, 0), 0);
		ck_assert_int_eq(udrv_nvme_pi_check(rig.ns, &p, NULL), 0);
	}
	end();
}
END_TEST

START_TEST(what_was_never_written_is_read_all_the_same)
{
	begin(_i);
	ck_assert_uint_eq(nvme_rig_read(&rig, data, 100, BLOCKS), 0);
	p.ref_tag = 100;
	ck_assert_uint_eq(rw(NVME_READ, p.flags), 0);
	ck_assert_int_eq(udrv_nvme_pi_check(rig.ns, &p, NULL), 0);
	end();
}
END_TEST

START_TEST(the_host_makes_and_checks_it)
{
	uint32_t bad = 99;

	begin(_i);
	p.ref_tag = 1000;
	nvme_rig_fill(data, BLOCKS * (BLOCK + META), 1, 1);
	ck_assert_int_eq(udrv_nvme_pi_make(rig.ns, &p), 0);
	ck_assert_uint_eq(rw(NVME_WRITE, p.flags), 0);
	memset(data, 0, BLOCKS * (BLOCK + META));
	memset(meta, 0, BLOCKS * META);
	ck_assert_uint_eq(rw(NVME_READ, p.flags), 0);
	ck_assert_int_eq(udrv_nvme_pi_check(rig.ns, &p, &bad), 0);
	ck_assert_uint_eq(bad, 99);
	ck_assert_uint_eq(rw(NVME_COMPARE, p.flags), 0);
	data[0] ^= 1;
	ck_assert_int_eq(udrv_nvme_pi_check(rig.ns, &p, &bad), NVME_SC_GUARD_CHECK);
	ck_assert_uint_eq(bad, 0);
	data[0] ^= 1;
	pi_of(3)[2] ^= 1;
	ck_assert_int_eq(udrv_nvme_pi_check(rig.ns, &p, &bad), NVME_SC_APPTAG_CHECK);
	ck_assert_uint_eq(bad, 3);
	p.app_mask = 0x00ff;
	ck_assert_int_eq(udrv_nvme_pi_check(rig.ns, &p, NULL), 0);
	end();
}
END_TEST

/* Of a write that is wrong nothing is written. */
START_TEST(a_wrong_write_is_refused)
{
	static const struct {
		unsigned int byte;
		uint32_t status;
	} wrong[] = {
		{0, NVME_SC_GUARD_CHECK}, {2, NVME_SC_APPTAG_CHECK}, {7, NVME_SC_REFTAG_CHECK}};

	begin(_i);
	for (size_t i = 0; i < (TYPE(_i) == 3 ? 2 : 3); i++) {
		p.ref_tag = 64;
		nvme_rig_fill(data, BLOCKS * (BLOCK + META), 1, 1);
		ck_assert_int_eq(udrv_nvme_pi_make(rig.ns, &p), 0);
		pi_of(BLOCKS - 1)[wrong[i].byte] ^= 1;
		ck_assert_uint_eq(rw(NVME_WRITE, p.flags), wrong[i].status);
		ck_assert_int_eq(udrv_nvme_errno(wrong[i].status), -EILSEQ);
		ck_assert_uint_eq(nvme_rig_read(&rig, data, 64, BLOCKS), 0);
		for (unsigned int at = 0; at < BLOCKS * BLOCK; at++)
			ck_assert_uint_eq(data[at], 0);
	}
	end();
}
END_TEST

/* What rots on the medium is noticed by plain reads, by the block layer's error. */
START_TEST(what_has_rotten_is_noticed)
{
	begin(_i);
	nvme_rig_fill(data, BLOCKS * BLOCK, 1, 1);
	ck_assert_uint_eq(nvme_rig_write(&rig, data, 32, BLOCKS, 0), 0);
	ck_assert_int_eq(udrv__model_nvme_spoil(rig.dev, 1, 35, 17), 0);
	ck_assert_uint_eq(nvme_rig_read(&rig, data, 32, BLOCKS) & NVME_STATUS_MASK,
			  NVME_SC_GUARD_CHECK);
	ck_assert_str_eq(udrv_nvme_status_text(NVME_SC_GUARD_CHECK),
			 "end-to-end guard check error");
	ck_assert_uint_eq(nvme_rig_read(&rig, data, 32, 3), 0);
	ck_assert_int_eq(udrv__model_nvme_spoil(rig.dev, 1, 35, 17), 0);
	ck_assert_uint_eq(nvme_rig_read(&rig, data, 32, BLOCKS), 0);
	ck_assert_int_eq(udrv__model_nvme_spoil(rig.dev, 1, 36, BLOCK + 7), 0);
	ck_assert_uint_eq(nvme_rig_read(&rig, data, 32, BLOCKS) & NVME_STATUS_MASK,
			  TYPE(_i) == 3 ? 0 : NVME_SC_REFTAG_CHECK);
	end();
}
END_TEST

static uint32_t await(int ret, struct nvme_rig_wait *w)
{
	ck_assert_int_eq(ret, 0);
	return nvme_rig_await(&rig, w) & NVME_STATUS_MASK;
}

START_TEST(zeroes_and_discards_leave_it_right)
{
	const uint32_t check =
		TYPE(_i) == 3 ? NVME_RW_PRCHK_GUARD : NVME_RW_PRCHK_GUARD | NVME_RW_PRCHK_REF;
	const struct nvme_dsm_range range = {.slba = 8, .nlb = 8};
	struct nvme_rig_wait w[4] = {{0}};

	begin(_i);
	nvme_rig_fill(data, BLOCKS * BLOCK, 1, 1);
	ck_assert_uint_eq(nvme_rig_write(&rig, data, 0, BLOCKS, 0), 0);
	ck_assert_uint_eq(
		await(udrv_nvme_write_zeroes(rig.q, rig.ns, 4, 4, 0, nvme_rig_done, &w[0]), &w[0]),
		0);
	ck_assert_uint_eq(
		await(udrv_nvme_deallocate(rig.q, rig.ns, &range, 1, nvme_rig_done, &w[1]), &w[1]),
		0);
	ck_assert_uint_eq(
		await(udrv_nvme_verify(rig.q, rig.ns, 0, BLOCKS, check, nvme_rig_done, &w[2]),
		      &w[2]),
		0);
	ck_assert_uint_eq(nvme_rig_read(&rig, data, 0, BLOCKS), 0);
	for (unsigned int at = 4 * BLOCK; at < BLOCKS * BLOCK; at++)
		ck_assert_uint_eq(data[at], 0);
	ck_assert_int_eq(udrv__model_nvme_spoil(rig.dev, 1, 4, 0), 0);
	ck_assert_uint_eq(
		await(udrv_nvme_verify(rig.q, rig.ns, 0, BLOCKS, check, nvme_rig_done, &w[3]),
		      &w[3]),
		NVME_SC_GUARD_CHECK);
	end();
}
END_TEST

/* Identify Namespace, DPS: a type that there is not. */
START_TEST(a_type_that_is_unknown_is_not_used)
{
	begin(0);
	ck_assert_int_eq(udrv__model_nvme_say(rig.dev, NVME_CNS_NS, 29, 1, 5), 0);
	ck_assert_int_eq(udrv_nvme_reset(rig.nvme), 0);
	rig.ns = udrv_nvme_ns(rig.nvme, 1);
	ck_assert(!rig.ns->usable);
	ck_assert_int_eq(udrv_nvme_read(rig.q, rig.ns, data, 0, 1, 0, nvme_rig_done, NULL),
			 -EOPNOTSUPP);
	end();
}
END_TEST

START_TEST(what_has_none_cannot_be_checked)
{
	begin(0);
	p.metadata = NULL;
	ck_assert_int_eq(udrv_nvme_pi_make(rig.ns, &p), -EOPNOTSUPP);
	p.metadata = meta;
	ck_assert_int_eq(udrv_nvme_pi_check(udrv_nvme_ns(rig.nvme, 2), &p, NULL), -EOPNOTSUPP);
	end();
}
END_TEST

/* The driver takes it as any other. */
START_TEST(it_becomes_a_block_device)
{
	struct udrv_block *block = NULL;
	struct udrv_device *dev;

	begin(_i);
	dev = rig.dev;
	udrv_nvme_queue_destroy(rig.q);
	udrv_nvme_detach(rig.nvme);
	ck_assert_int_eq(udrv_driver_probe(&nvme_driver, dev), 0);
	while ((block = udrv_block_next(block)) && strcmp(block->name, "nvme-n1") != 0)
		;
	ck_assert_ptr_nonnull(block);
	ck_assert_uint_eq(block->limits.logical_block_size, BLOCK);
	udrv_driver_remove(&nvme_driver, dev);
	udrv_device_close(dev);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("nvme_pi");
	TCase *any = tcase_create("any controller"), *model = tcase_create("the software one");

	tcase_set_timeout(any, 300);
	tcase_add_loop_test(any, it_is_an_ordinary_disk, 0, WAYS);
	tcase_add_loop_test(any, the_host_makes_and_checks_it, 0, WAYS);
	suite_add_tcase(s, any);
	tcase_set_timeout(model, 300);
	tcase_add_test(model, the_guard_is_that_of_the_standard);
	tcase_add_loop_test(model, what_was_never_written_is_read_all_the_same, 0, WAYS);
	tcase_add_loop_test(model, a_wrong_write_is_refused, 0, WAYS);
	tcase_add_loop_test(model, what_has_rotten_is_noticed, 0, WAYS);
	tcase_add_loop_test(model, zeroes_and_discards_leave_it_right, 0, WAYS);
	tcase_add_test(model, a_type_that_is_unknown_is_not_used);
	tcase_add_test(model, what_has_none_cannot_be_checked);
	tcase_add_loop_test(model, it_becomes_a_block_device, 0, WAYS);
	suite_add_tcase(s, model);
	return run_suite(s);
}
