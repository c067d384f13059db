// SPDX-License-Identifier: MIT
/* The software NVMe controller's admin commands: queues, Identify, features, namespaces. */
#include "support/raw_nvme.h"
#include "support/suite.h"

#define DNR NVME_ST_DNR

static void setup(void)
{
	raw_open("model:nvme");
	raw_start(RAW_CC);
	for (unsigned int qid = 1; qid < 4; qid++)
		(void)raw_alloc_queue(qid, RAW_ENTRIES);
}

static void teardown(void)
{
	raw_close();
}

static unsigned int create_cq(unsigned int qid, unsigned int entries, unsigned int vector)
{
	return raw_status(0, raw_create_cq(qid, entries, vector, true));
}

START_TEST(completion_queues_are_checked)
{
	struct udrv__nvme_cmd cmd = raw_create_cq(1, RAW_ENTRIES, 0, true);

	ck_assert_uint_eq(create_cq(1, 1, 0), NVME_SC_QUEUE_SIZE | DNR);
	ck_assert_uint_eq(create_cq(1, 1025, 0), NVME_SC_QUEUE_SIZE | DNR);
	cmd.cdw10 = 65 | 15 << 16;
	ck_assert_uint_eq(raw_status(0, cmd), NVME_SC_QUEUE_ID | DNR);
	cmd.cdw10 = 0 | 15 << 16;
	ck_assert_uint_eq(raw_status(0, cmd), NVME_SC_QUEUE_ID | DNR);
	/* Without messages there is vector 0 only. */
	ck_assert_uint_eq(create_cq(1, RAW_ENTRIES, 1), NVME_SC_INTERRUPT_VECTOR | DNR);
	cmd = raw_create_cq(1, RAW_ENTRIES, 0, true);
	cmd.cdw11 &= ~NVME_QUEUE_PC;
	ck_assert_uint_eq(raw_status(0, cmd), NVME_SC_INVALID_FIELD | DNR);
	cmd.cdw11 |= NVME_QUEUE_PC;
	cmd.prp1 += 512;
	ck_assert_uint_eq(raw_status(0, cmd), NVME_SC_PRP_OFFSET | DNR);
	ck_assert_uint_eq(create_cq(1, 1024, 0), 0);
	ck_assert_uint_eq(create_cq(1, RAW_ENTRIES, 0), NVME_SC_QUEUE_ID | DNR);
}
END_TEST

START_TEST(vectors_are_those_of_the_table)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	ck_assert_int_eq(udrv__model_backend.irq_enable(dev, UDRV__IRQ_MSIX, &fd, 1), 0);
	ck_assert_uint_eq(create_cq(1, RAW_ENTRIES, 33), NVME_SC_INTERRUPT_VECTOR | DNR);
	ck_assert_uint_eq(create_cq(1, RAW_ENTRIES, 32), 0);
	close(fd);
}
END_TEST

START_TEST(submission_queues_are_checked)
{
	struct udrv__nvme_cmd cmd;

	ck_assert_uint_eq(raw_status(0, raw_create_sq(1, RAW_ENTRIES, 1)),
			  NVME_SC_CQ_INVALID | DNR);
	ck_assert_uint_eq(raw_status(0, raw_create_sq(1, RAW_ENTRIES, 0)), NVME_SC_QUEUE_ID | DNR);
	ck_assert_uint_eq(create_cq(1, RAW_ENTRIES, 0), 0);
	ck_assert_uint_eq(raw_status(0, raw_create_sq(1, 1, 1)), NVME_SC_QUEUE_SIZE | DNR);
	cmd = raw_create_sq(1, RAW_ENTRIES, 1);
	cmd.prp1 |= 8;
	ck_assert_uint_eq(raw_status(0, cmd), NVME_SC_PRP_OFFSET | DNR);
	cmd.prp1 = 0;
	ck_assert_uint_eq(raw_status(0, cmd), NVME_SC_INVALID_FIELD | DNR);
	raw_ok(0, raw_create_sq(1, RAW_ENTRIES, 1));
	ck_assert_uint_eq(raw_status(0, raw_create_sq(1, RAW_ENTRIES, 1)), NVME_SC_QUEUE_ID | DNR);
	raw_ok(1, raw_rw(NVME_NVM_READ, 0, 1));
}
END_TEST

static struct udrv__nvme_cmd delete_queue(uint8_t opcode, unsigned int qid)
{
	return (struct udrv__nvme_cmd){.opcode = opcode, .cdw10 = qid};
}

START_TEST(queues_are_deleted_in_order_and_made_again)
{
	for (int i = 0; i < 3; i++) {
		(void)raw_alloc_queue(1, RAW_ENTRIES);
		ck_assert_uint_eq(create_cq(1, RAW_ENTRIES, 0), 0);
		raw_ok(0, raw_create_sq(1, RAW_ENTRIES, 1));
		raw_ok(1, raw_rw(NVME_NVM_READ, 0, 1));
		raw_ok(1, raw_rw(NVME_NVM_READ, 0, 1));
		ck_assert_uint_eq(raw_status(0, delete_queue(NVME_ADM_DELETE_CQ, 1)),
				  NVME_SC_QUEUE_DELETION | DNR);
		raw_ok(0, delete_queue(NVME_ADM_DELETE_SQ, 1));
		ck_assert_uint_eq(raw_status(0, delete_queue(NVME_ADM_DELETE_SQ, 1)),
				  NVME_SC_QUEUE_ID | DNR);
		raw_ok(0, delete_queue(NVME_ADM_DELETE_CQ, 1));
		ck_assert_uint_eq(raw_status(0, delete_queue(NVME_ADM_DELETE_CQ, 1)),
				  NVME_SC_QUEUE_ID | DNR);
	}
	ck_assert_uint_eq(raw_status(0, delete_queue(NVME_ADM_DELETE_SQ, 0)),
			  NVME_SC_QUEUE_ID | DNR);
}
END_TEST

START_TEST(no_more_queues_are_made_than_were_granted)
{
	struct udrv__nvme_cqe cqe = raw_do(0, raw_set_feature(NVME_FEAT_QUEUES, 1 | 2 << 16));

	ck_assert_uint_eq(cqe.dw0, 1 | 2 << 16);
	ck_assert_uint_eq(raw_do(0, raw_get_feature(NVME_FEAT_QUEUES)).dw0, 1 | 2 << 16);
	for (unsigned int qid = 1; qid <= 3; qid++)
		ck_assert_uint_eq(create_cq(qid, RAW_ENTRIES, 0), 0);
	raw_ok(0, raw_create_sq(2, RAW_ENTRIES, 1));
	ck_assert_uint_eq(raw_status(0, raw_create_sq(3, RAW_ENTRIES, 1)), NVME_SC_QUEUE_ID | DNR);
	/* Too late now. */
	ck_assert_uint_eq(raw_status(0, raw_set_feature(NVME_FEAT_QUEUES, 1)),
			  NVME_SC_SEQUENCE | DNR);
}
END_TEST

START_TEST(more_queues_than_there_are_become_what_there_are)
{
	ck_assert_uint_eq(raw_do(0, raw_set_feature(NVME_FEAT_QUEUES, 999 | 999 << 16)).dw0,
			  63 | 63 << 16);
	ck_assert_uint_eq(raw_status(0, raw_set_feature(NVME_FEAT_QUEUES, 0xffff)),
			  NVME_SC_INVALID_FIELD | DNR);
}
END_TEST

START_TEST(controller_says_what_it_is)
{
	raw_ok(0, raw_identify(1, 0));
	ck_assert_uint_eq(raw_field(0, 2), 0x1b36);
	ck_assert_int_eq(memcmp(data + 4, "model:nvme          ", 20), 0);
	ck_assert_uint_eq(data[77], 7);
	ck_assert_uint_eq(raw_field(80, 4), 0x00010400);
	ck_assert_uint_eq(data[111], 1);
	ck_assert_uint_eq(data[259], 3);
	ck_assert_uint_eq(data[512], 0x66);
	ck_assert_uint_eq(data[513], 0x44);
	ck_assert_uint_eq(raw_field(516, 4), UDRV__MODEL_NVME_NS_MAX);
	ck_assert_uint_eq(data[525] & 1, 1);
	ck_assert_uint_eq(raw_field(536, 4) & 3, 1);
	ck_assert_int_eq(memcmp(data + 768, "nqn.", 4), 0);
}
END_TEST

START_TEST(namespaces_say_what_they_are)
{
	unsigned char nguid[16];

	raw_ok(0, raw_identify(0, 1));
	ck_assert_uint_eq(raw_field(0, 8), 64 << 20 >> 9);
	ck_assert_uint_eq(raw_field(8, 8), 64 << 20 >> 9);
	ck_assert_uint_eq(data[25], 3);
	ck_assert_uint_eq(data[26], 0);
	ck_assert_uint_eq(raw_field(128, 4), 9 << 16);
	ck_assert_uint_eq(raw_field(132, 4), 12 << 16);
	ck_assert_uint_eq(raw_field(136, 4), 9 << 16 | 8);
	memcpy(nguid, data + 104, 16);
	raw_ok(0, raw_identify(0, 2));
	ck_assert_uint_eq(raw_field(0, 8), 16 << 20 >> 9);
	ck_assert_int_ne(memcmp(nguid, data + 104, 16), 0);
	/* One that is not there is all zero, one that cannot be an error. */
	raw_ok(0, raw_identify(0, 3));
	ck_assert(raw_zero(data, 4096));
	ck_assert_uint_eq(raw_status(0, raw_identify(0, 0)), NVME_SC_INVALID_NS | DNR);
	ck_assert_uint_eq(raw_status(0, raw_identify(0, 17)), NVME_SC_INVALID_NS | DNR);
	raw_ok(0, raw_identify(0, NVME_NSID_ALL));
	ck_assert_uint_eq(data[25], 3);
	ck_assert_uint_eq(raw_field(0, 8), 0);
}
END_TEST

START_TEST(namespaces_are_listed_above_a_number)
{
	raw_ok(0, raw_identify(2, 0));
	ck_assert_uint_eq(raw_field(0, 4), 1);
	ck_assert_uint_eq(raw_field(4, 4), 2);
	ck_assert_uint_eq(raw_field(8, 4), 0);
	raw_ok(0, raw_identify(2, 1));
	ck_assert_uint_eq(raw_field(0, 4), 2);
	ck_assert_uint_eq(raw_field(4, 4), 0);
	ck_assert_uint_eq(raw_status(0, raw_identify(2, 0xfffffffe)), NVME_SC_INVALID_NS | DNR);
}
END_TEST

START_TEST(descriptors_agree_with_the_namespace)
{
	unsigned char ids[24];

	raw_ok(0, raw_identify(0, 1));
	memcpy(ids, data + 104, 24);
	raw_ok(0, raw_identify(3, 1));
	ck_assert_uint_eq(raw_field(0, 2), 1 | 8 << 8);
	ck_assert_int_eq(memcmp(data + 4, ids + 16, 8), 0);
	ck_assert_uint_eq(raw_field(12, 2), 2 | 16 << 8);
	ck_assert_int_eq(memcmp(data + 16, ids, 16), 0);
	ck_assert_uint_eq(raw_field(32, 2), 3 | 16 << 8);
	ck_assert_uint_eq(data[36 + 6] >> 4, 4);
	ck_assert_uint_eq(raw_field(52, 4), 0);
	ck_assert_uint_eq(raw_status(0, raw_identify(3, 3)), NVME_SC_INVALID_NS | DNR);
}
END_TEST

START_TEST(commands_that_are_unknown_are_refused)
{
	static const uint8_t opcodes[] = {NVME_ADM_KEEP_ALIVE, NVME_ADM_DBBUF, 0x14, 0x81, 0xff};
	struct udrv__nvme_cmd cmd = raw_identify(1, 0);

	for (unsigned int i = 0; i < sizeof(opcodes); i++)
		ck_assert_uint_eq(raw_status(0, (struct udrv__nvme_cmd){.opcode = opcodes[i]}),
				  NVME_SC_INVALID_OPCODE | DNR);
	cmd.flags = NVME_PSDT_SGL << 6;
	ck_assert_uint_eq(raw_status(0, cmd), NVME_SC_INVALID_FIELD | DNR);
	ck_assert_uint_eq(raw_status(0, raw_identify(0x77, 0)), NVME_SC_INVALID_FIELD | DNR);
}
END_TEST

START_TEST(features_are_kept_until_reset_and_saved_ones_longer)
{
	struct udrv__nvme_cmd save = raw_set_feature(NVME_FEAT_COALESCING | 1u << 31, 0x0102);

	raw_ok(0, raw_set_feature(NVME_FEAT_ARBITRATION, 0x01020303));
	raw_ok(0, save);
	ck_assert_uint_eq(raw_do(0, raw_get_feature(NVME_FEAT_ARBITRATION)).dw0, 0x01020303);
	raw_stop();
	raw_start(RAW_CC);
	ck_assert_uint_eq(raw_do(0, raw_get_feature(NVME_FEAT_ARBITRATION)).dw0, 0);
	ck_assert_uint_eq(raw_do(0, raw_get_feature(NVME_FEAT_COALESCING)).dw0, 0x0102);
	ck_assert_uint_eq(raw_do(0, raw_get_feature(NVME_FEAT_COALESCING | 1 << 8)).dw0, 0);
	ck_assert_uint_eq(raw_do(0, raw_get_feature(NVME_FEAT_COALESCING | 2 << 8)).dw0, 0x0102);
	ck_assert_uint_eq(raw_do(0, raw_get_feature(NVME_FEAT_COALESCING | 3 << 8)).dw0, 5);
}
END_TEST

START_TEST(features_are_checked)
{
	struct udrv__nvme_cmd cmd = raw_set_feature(NVME_FEAT_ARBITRATION, 0);

	ck_assert_uint_eq(raw_status(0, raw_get_feature(0x03)), NVME_SC_INVALID_FIELD | DNR);
	ck_assert_uint_eq(raw_status(0, raw_get_feature(0x7f)), NVME_SC_INVALID_FIELD | DNR);
	ck_assert_uint_eq(raw_status(0, raw_set_feature(0x7f, 0)), NVME_SC_INVALID_FIELD | DNR);
	ck_assert_uint_eq(raw_status(0, raw_set_feature(NVME_FEAT_POWER, 1)),
			  NVME_SC_INVALID_FIELD | DNR);
	ck_assert_uint_eq(raw_status(0, raw_set_feature(NVME_FEAT_QUEUES | 1u << 31, 0)),
			  NVME_SC_FEATURE_NOT_SAVEABLE | DNR);
	ck_assert_uint_eq(raw_status(0, raw_set_feature(NVME_FEAT_VECTOR, 33)),
			  NVME_SC_INVALID_FIELD | DNR);
	cmd.nsid = 1;
	ck_assert_uint_eq(raw_status(0, cmd), NVME_SC_FEATURE_NOT_NS | DNR);
	raw_ok(0, raw_set_feature(NVME_FEAT_VECTOR, 5 | 1 << 16));
	cmd = raw_get_feature(NVME_FEAT_VECTOR);
	cmd.cdw11 = 5;
	ck_assert_uint_eq(raw_do(0, cmd).dw0, 5 | 1 << 16);
	cmd.cdw11 = 6;
	ck_assert_uint_eq(raw_do(0, cmd).dw0, 6);
}
END_TEST

START_TEST(time_goes_on_from_what_was_set)
{
	struct udrv__nvme_cmd set = raw_set_feature(NVME_FEAT_TIMESTAMP, 0);
	struct udrv__nvme_cmd get = raw_get_feature(NVME_FEAT_TIMESTAMP);
	const uint64_t time = 1700000000000;

	set.prp1 = get.prp1 = data_iova;
	memcpy(data, &time, 8);
	raw_ok(0, set);
	memset(data, 0xff, 8);
	raw_ok(0, get);
	ck_assert_uint_ge(raw_field(0, 6), time);
	ck_assert_uint_lt(raw_field(0, 6), time + 600000);
	ck_assert_uint_eq(data[6] >> 1 & 7, 1);
}
END_TEST

START_TEST(without_a_cache_there_is_no_switch_for_it)
{
	raw_close();
	raw_open("model:nvme:nocache");
	raw_start(RAW_CC);
	raw_ok(0, raw_identify(1, 0));
	ck_assert_uint_eq(data[525], 0);
	ck_assert_uint_eq(raw_status(0, raw_get_feature(NVME_FEAT_WRITE_CACHE)),
			  NVME_SC_INVALID_FIELD | DNR);
}
END_TEST

static unsigned int format(uint32_t nsid, uint32_t cdw10)
{
	return raw_status(0, (struct udrv__nvme_cmd){
				     .opcode = NVME_ADM_FORMAT, .nsid = nsid, .cdw10 = cdw10});
}

START_TEST(format_changes_the_blocks_and_empties_them)
{
	(void)raw_alloc_queue(1, RAW_ENTRIES);
	ck_assert_uint_eq(create_cq(1, RAW_ENTRIES, 0), 0);
	raw_ok(0, raw_create_sq(1, RAW_ENTRIES, 1));
	raw_fill(data, 512, 1);
	raw_ok(1, raw_rw(NVME_NVM_WRITE, 0, 1));
	ck_assert_uint_eq(format(1, 1), 0);
	raw_ok(0, raw_identify(0, 1));
	ck_assert_uint_eq(raw_field(0, 8), 64 << 20 >> 12);
	ck_assert_uint_eq(data[26], 1);
	raw_ok(1, raw_rw(NVME_NVM_READ, 0, 1));
	ck_assert(raw_zero(data, 4096));
	ck_assert_uint_eq(format(1, 4), NVME_SC_FORMAT | DNR);
	ck_assert_uint_eq(format(1, 1 << 5), NVME_SC_FORMAT | DNR);
	ck_assert_uint_eq(format(0, 0), NVME_SC_INVALID_NS | DNR);
	ck_assert_uint_eq(format(NVME_NSID_ALL, 0), 0);
}
END_TEST

static struct udrv__nvme_cmd manage(uint8_t opcode, uint32_t nsid, uint32_t sel)
{
	return (struct udrv__nvme_cmd){
		.opcode = opcode, .nsid = nsid, .prp1 = data_iova, .cdw10 = sel};
}

static void want_namespace(uint64_t blocks, uint8_t flbas)
{
	memset(data, 0, 4096);
	memcpy(data, &blocks, 8);
	memcpy(data + 8, &blocks, 8);
	data[26] = flbas;
}

static void list_controller(unsigned int id)
{
	memset(data, 0, 4096);
	data[0] = 1;
	data[2] = (unsigned char)id;
}

START_TEST(namespaces_come_and_go)
{
	struct udrv__nvme_cqe cqe;

	want_namespace(2048, 1);
	cqe = raw_do(0, manage(NVME_ADM_NS_MANAGEMENT, 0, 0));
	ck_assert_uint_eq(cqe.status, 0);
	ck_assert_uint_eq(cqe.dw0, 3);
	raw_ok(0, raw_identify(0, 3));
	ck_assert(raw_zero(data, 4096));
	raw_ok(0, raw_identify(0x11, 3));
	ck_assert_uint_eq(raw_field(0, 8), 2048);
	raw_ok(0, raw_identify(0x10, 2));
	ck_assert_uint_eq(raw_field(0, 4), 3);
	list_controller(2);
	ck_assert_uint_eq(raw_status(0, manage(NVME_ADM_NS_ATTACHMENT, 3, 0)),
			  NVME_SC_CONTROLLER_LIST | DNR);
	list_controller(1);
	raw_ok(0, manage(NVME_ADM_NS_ATTACHMENT, 3, 0));
	ck_assert_uint_eq(raw_status(0, manage(NVME_ADM_NS_ATTACHMENT, 3, 0)),
			  NVME_SC_NS_ATTACHED | DNR);
	raw_ok(0, raw_identify(0, 3));
	ck_assert_uint_eq(raw_field(0, 8), 2048);
	list_controller(1);
	raw_ok(0, manage(NVME_ADM_NS_ATTACHMENT, 3, 1));
	ck_assert_uint_eq(raw_status(0, manage(NVME_ADM_NS_ATTACHMENT, 3, 1)),
			  NVME_SC_NS_NOT_ATTACHED | DNR);
	raw_ok(0, manage(NVME_ADM_NS_MANAGEMENT, 3, 1));
	ck_assert_uint_eq(raw_status(0, manage(NVME_ADM_NS_MANAGEMENT, 3, 1)),
			  NVME_SC_INVALID_FIELD | DNR);
}
END_TEST

START_TEST(namespaces_are_checked_before_they_are_made)
{
	want_namespace(0, 0);
	ck_assert_uint_eq(raw_status(0, manage(NVME_ADM_NS_MANAGEMENT, 0, 0)),
			  NVME_SC_INVALID_FIELD | DNR);
	want_namespace(100, 7);
	ck_assert_uint_eq(raw_status(0, manage(NVME_ADM_NS_MANAGEMENT, 0, 0)),
			  NVME_SC_FORMAT | DNR);
	want_namespace(1ULL << 40, 0);
	ck_assert_uint_eq(raw_status(0, manage(NVME_ADM_NS_MANAGEMENT, 0, 0)),
			  NVME_SC_NS_CAPACITY | DNR);
	want_namespace(100, 0);
	data[8]++;
	ck_assert_uint_eq(raw_status(0, manage(NVME_ADM_NS_MANAGEMENT, 0, 0)),
			  NVME_SC_THIN_PROVISIONING | DNR);
	for (uint32_t nsid = 3; nsid <= UDRV__MODEL_NVME_NS_MAX; nsid++) {
		want_namespace(100, 0);
		ck_assert_uint_eq(raw_do(0, manage(NVME_ADM_NS_MANAGEMENT, 0, 0)).dw0, nsid);
	}
	want_namespace(100, 0);
	ck_assert_uint_eq(raw_status(0, manage(NVME_ADM_NS_MANAGEMENT, 0, 0)),
			  NVME_SC_NS_ID_UNAVAILABLE | DNR);
}
END_TEST

START_TEST(controllers_are_listed)
{
	raw_ok(0, raw_identify(0x13, 0));
	ck_assert_uint_eq(raw_field(0, 4), 1 | 1 << 16);
	raw_ok(0, raw_identify(0x12, 1));
	ck_assert_uint_eq(raw_field(0, 4), 1 | 1 << 16);
	raw_ok(0, raw_identify(0x12, 3));
	ck_assert_uint_eq(raw_field(0, 4), 0);
	raw_ok(0, raw_identify(0x13 | 2 << 16, 0));
	ck_assert_uint_eq(raw_field(0, 4), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("model_nvme_admin");
	TCase *tc = tcase_create("admin");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, completion_queues_are_checked);
	tcase_add_test(tc, vectors_are_those_of_the_table);
	tcase_add_test(tc, submission_queues_are_checked);
	tcase_add_test(tc, queues_are_deleted_in_order_and_made_again);
	tcase_add_test(tc, no_more_queues_are_made_than_were_granted);
	tcase_add_test(tc, more_queues_than_there_are_become_what_there_are);
	tcase_add_test(tc, controller_says_what_it_is);
	tcase_add_test(tc, namespaces_say_what_they_are);
	tcase_add_test(tc, namespaces_are_listed_above_a_number);
	tcase_add_test(tc, descriptors_agree_with_the_namespace);
	tcase_add_test(tc, commands_that_are_unknown_are_refused);
	tcase_add_test(tc, features_are_kept_until_reset_and_saved_ones_longer);
	tcase_add_test(tc, features_are_checked);
	tcase_add_test(tc, time_goes_on_from_what_was_set);
	tcase_add_test(tc, without_a_cache_there_is_no_switch_for_it);
	tcase_add_test(tc, format_changes_the_blocks_and_empties_them);
	tcase_add_test(tc, namespaces_come_and_go);
	tcase_add_test(tc, namespaces_are_checked_before_they_are_made);
	tcase_add_test(tc, controllers_are_listed);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
