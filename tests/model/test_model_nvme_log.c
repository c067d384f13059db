// SPDX-License-Identifier: MIT
/* The software NVMe controller's log pages, asynchronous events and Abort. */
#include "support/raw_nvme.h"
#include "support/suite.h"

#define DNR NVME_ST_DNR
#define RAE (1u << 15)

static void setup(void)
{
	raw_up("model:nvme");
}

static void teardown(void)
{
	raw_close();
}

static uint16_t ask(void)
{
	return raw_submit(0, (struct udrv__nvme_cmd){.opcode = NVME_ADM_ASYNC_EVENT});
}

static bool told(void)
{
	udrv__model_nvme_settle(dev);
	return raw_peek(0);
}

/* The event that command cid was waiting for. */
static void check_event(uint16_t cid, unsigned int type, unsigned int info, unsigned int log)
{
	struct udrv__nvme_cqe cqe = raw_wait(0);

	ck_assert_uint_eq(cqe.cid, cid);
	ck_assert_uint_eq(cqe.status, 0);
	ck_assert_uint_eq(cqe.dw0, type | info << 8 | log << 16);
}

START_TEST(errors_are_logged_the_newest_first)
{
	struct udrv__nvme_cqe cqe;

	raw_ok(0, raw_get_log(NVME_LOG_ERROR, 64 * 64));
	ck_assert(raw_zero(data, 64 * 64));
	ck_assert_uint_eq(raw_status(1, raw_rw(NVME_NVM_READ, UINT64_MAX - 7, 1)),
			  NVME_SC_LBA_RANGE | DNR);
	cqe = raw_do(0, raw_identify(0x77, 5));
	ck_assert(cqe.status & NVME_ST_MORE);
	raw_ok(0, raw_get_log(NVME_LOG_ERROR, 64 * 64));
	ck_assert_uint_eq(raw_field(0, 8), 2);
	ck_assert_uint_eq(raw_field(8, 2), 0);
	ck_assert_uint_eq(raw_field(10, 2), cqe.cid);
	ck_assert_uint_eq(raw_field(12, 2) >> 1, cqe.status);
	ck_assert_uint_eq(raw_field(24, 4), 5);
	ck_assert_uint_eq(raw_field(64, 8), 1);
	ck_assert_uint_eq(raw_field(64 + 8, 2), 1);
	ck_assert_uint_eq(raw_field(64 + 16, 8), UINT64_MAX - 7);
	ck_assert_uint_eq(raw_field(128, 8), 0);
}
END_TEST

START_TEST(error_log_keeps_the_last_64)
{
	for (int i = 0; i < 70; i++)
		(void)raw_do(0, raw_identify(0x77, 0));
	raw_ok(0, raw_get_log(NVME_LOG_ERROR, 64 * 64));
	ck_assert_uint_eq(raw_field(0, 8), 70);
	ck_assert_uint_eq(raw_field(63 * 64, 8), 7);
}
END_TEST

START_TEST(health_counts_what_was_done)
{
	raw_ok(0, raw_get_log(NVME_LOG_SMART, 512));
	ck_assert_uint_eq(data[0], 0);
	ck_assert_uint_eq(raw_field(1, 2), 303);
	ck_assert_uint_eq(data[3], 100);
	ck_assert_uint_eq(raw_field(64, 8), 0);
	for (int i = 0; i < 3; i++)
		raw_ok(1, raw_rw(NVME_NVM_READ, 0, 8));
	raw_ok(1, raw_rw(NVME_NVM_WRITE, 0, 8));
	raw_ok(0, raw_get_log(NVME_LOG_SMART, 512));
	ck_assert_uint_eq(raw_field(32, 8), 1);
	ck_assert_uint_eq(raw_field(64, 8), 3);
	ck_assert_uint_eq(raw_field(80, 8), 1);
}
END_TEST

START_TEST(parts_of_a_log_page_are_had_by_offset)
{
	struct udrv__nvme_cmd cmd = raw_get_log(NVME_LOG_FIRMWARE, 16);

	raw_ok(0, cmd);
	ck_assert_uint_eq(data[0], 1);
	ck_assert_int_eq(memcmp(data + 8, "1.0     ", 8), 0);
	cmd.cdw12 = 8;
	raw_ok(0, cmd);
	ck_assert_int_eq(memcmp(data, "1.0     ", 8), 0);
	cmd.cdw12 = 2;
	ck_assert_uint_eq(raw_status(0, cmd), NVME_SC_INVALID_FIELD | DNR);
	cmd.cdw12 = 516;
	ck_assert_uint_eq(raw_status(0, cmd), NVME_SC_INVALID_FIELD | DNR);
	/* Behind the end are zeroes. */
	cmd = raw_get_log(NVME_LOG_FIRMWARE, 1024);
	memset(data, 0xff, 2048);
	raw_ok(0, cmd);
	ck_assert(raw_zero(data + 512, 512));
	ck_assert_uint_eq(data[1024], 0xff);
}
END_TEST

START_TEST(log_pages_that_are_not_there_are_refused)
{
	struct udrv__nvme_cmd cmd = raw_get_log(NVME_LOG_SMART, 512);

	ck_assert_uint_eq(raw_status(0, raw_get_log(0x7f, 512)), NVME_SC_LOG_PAGE | DNR);
	cmd.nsid = 1;
	ck_assert_uint_eq(raw_status(0, cmd), NVME_SC_INVALID_FIELD | DNR);
}
END_TEST

START_TEST(effects_are_told_of_what_is_supported)
{
	raw_ok(0, raw_get_log(NVME_LOG_EFFECTS, 4096));
	ck_assert_uint_eq(raw_field(4 * NVME_ADM_IDENTIFY, 4), 1);
	ck_assert_uint_eq(raw_field(4 * NVME_ADM_FORMAT, 4) & 3, 3);
	ck_assert_uint_eq(raw_field(4 * NVME_ADM_KEEP_ALIVE, 4), 0);
	ck_assert_uint_eq(raw_field(1024 + 4 * NVME_NVM_WRITE, 4), 3);
	ck_assert_uint_eq(raw_field(1024 + 4 * 0x7f, 4), 0);
}
END_TEST

START_TEST(event_waits_for_a_command_and_a_command_for_an_event)
{
	uint16_t cid;

	raw_ok(0, raw_set_feature(NVME_FEAT_ASYNC, 0xff));
	cid = ask();
	ck_assert(!told());
	udrv__model_nvme_set_warning(dev, 0x01);
	check_event(cid, NVME_AER_SMART, NVME_AEI_SPARE, NVME_LOG_SMART);
	/* Not again before the log page is read, with RAE 0. */
	cid = ask();
	udrv__model_nvme_set_warning(dev, 0x05);
	ck_assert(!told());
	udrv__model_nvme_settle(dev);
	raw_submit(0, (struct udrv__nvme_cmd){.opcode = NVME_ADM_GET_LOG,
					      .prp1 = data_iova,
					      .cdw10 = NVME_LOG_SMART | RAE | 127 << 16});
	ck_assert_uint_eq(raw_wait(0).status, 0);
	ck_assert_uint_eq(data[0], 0x05);
	ck_assert(!told());
	raw_submit(0, raw_get_log(NVME_LOG_SMART, 512));
	check_event(cid, NVME_AER_SMART, NVME_AEI_RELIABILITY, NVME_LOG_SMART);
	ck_assert_uint_eq(raw_wait(0).status, 0);
}
END_TEST

START_TEST(event_that_nobody_wants_is_not_told)
{
	ask();
	udrv__model_nvme_set_warning(dev, 0xff);
	ck_assert_int_eq(udrv__model_nvme_resize(dev, 1, 100), 0);
	udrv__model_nvme_activate_firmware(dev, "2.0");
	ck_assert(!told());
	raw_ok(0, raw_get_log(NVME_LOG_FIRMWARE, 512));
	ck_assert_int_eq(memcmp(data + 8, "2.0     ", 8), 0);
}
END_TEST

START_TEST(event_of_a_changed_namespace_names_it_in_the_log)
{
	uint16_t cid;

	raw_ok(0, raw_set_feature(NVME_FEAT_ASYNC, NVME_ASYNC_NS | NVME_ASYNC_FIRMWARE));
	cid = ask();
	ck_assert_int_eq(udrv__model_nvme_resize(dev, 2, 1000), 0);
	check_event(cid, NVME_AER_NOTICE, NVME_AEI_NS_CHANGED, NVME_LOG_NS_CHANGED);
	ck_assert_int_eq(udrv__model_nvme_attach(dev, 1, false), 0);
	raw_ok(0, raw_get_log(NVME_LOG_NS_CHANGED, 4096));
	ck_assert_uint_eq(raw_field(0, 4), 1);
	ck_assert_uint_eq(raw_field(4, 4), 2);
	ck_assert_uint_eq(raw_field(8, 4), 0);
	raw_ok(0, raw_identify(0, 2));
	ck_assert_uint_eq(raw_field(0, 8), 1000);
	/* The second change was to be told too. */
	check_event(ask(), NVME_AER_NOTICE, NVME_AEI_NS_CHANGED, NVME_LOG_NS_CHANGED);
	raw_ok(0, raw_get_log(NVME_LOG_NS_CHANGED, 4096));
	ck_assert_uint_eq(raw_field(0, 4), 0);
}
END_TEST

START_TEST(threshold_that_is_reached_is_an_event)
{
	uint16_t cid;

	raw_ok(0, raw_set_feature(NVME_FEAT_ASYNC, 0xff));
	cid = ask();
	raw_submit(0, raw_set_feature(NVME_FEAT_TEMPERATURE, 300));
	check_event(cid, NVME_AER_SMART, NVME_AEI_TEMPERATURE, NVME_LOG_SMART);
	ck_assert_uint_eq(raw_wait(0).status, 0);
	raw_ok(0, raw_get_log(NVME_LOG_SMART, 512));
	ck_assert_uint_eq(data[0], 2);
	udrv__model_nvme_set_temperature(dev, 299);
	raw_ok(0, raw_get_log(NVME_LOG_SMART, 512));
	ck_assert_uint_eq(data[0], 0);
	ck_assert_uint_eq(raw_field(1, 2), 299);
}
END_TEST

START_TEST(bad_doorbell_is_an_error_event)
{
	uint16_t cid = ask();

	raw_ring(2 * 9, 1);
	check_event(cid, NVME_AER_ERROR, NVME_AEI_BAD_DOORBELL, NVME_LOG_ERROR);
	cid = ask();
	raw_ok(0, raw_get_log(NVME_LOG_ERROR, 64));
	raw_ring(2 * 1, 1000);
	check_event(cid, NVME_AER_ERROR, NVME_AEI_BAD_VALUE, NVME_LOG_ERROR);
}
END_TEST

START_TEST(more_requests_than_the_limit_are_refused)
{
	uint16_t cid;

	for (int i = 0; i < 4; i++)
		ask();
	cid = ask();
	ck_assert_uint_eq(RAW_STATUS(raw_wait(0).status), NVME_SC_AER_LIMIT | DNR);
	ck_assert(!told());
	(void)cid;
}
END_TEST

static struct udrv__nvme_cmd abort_of(unsigned int qid, uint16_t cid)
{
	return (struct udrv__nvme_cmd){.opcode = NVME_ADM_ABORT,
				       .cdw10 = qid | (uint32_t)cid << 16};
}

START_TEST(request_that_waits_is_aborted)
{
	uint16_t cid = ask();
	struct udrv__nvme_cqe cqe;

	raw_submit(0, abort_of(0, cid));
	cqe = raw_wait(0);
	ck_assert_uint_eq(cqe.cid, cid);
	ck_assert_uint_eq(cqe.status, NVME_SC_ABORTED);
	cqe = raw_wait(0);
	ck_assert_uint_eq(cqe.status, 0);
	ck_assert_uint_eq(cqe.dw0, 0);
}
END_TEST

START_TEST(abort_of_what_is_not_there_says_so)
{
	ck_assert_uint_eq(raw_do(0, abort_of(1, 0x4444)).dw0, 1);
	ck_assert_uint_eq(raw_do(0, abort_of(60, 1)).dw0, 1);
	ck_assert_uint_eq(raw_do(0, abort_of(0xffff, 1)).dw0, 1);
}
END_TEST

START_TEST(reset_forgets_requests_and_events)
{
	raw_ok(0, raw_set_feature(NVME_FEAT_ASYNC, 0xff));
	ask();
	raw_stop();
	raw_start(RAW_CC);
	raw_ok(0, raw_set_feature(NVME_FEAT_ASYNC, 0xff));
	udrv__model_nvme_set_warning(dev, 1);
	ck_assert(!told());
	check_event(ask(), NVME_AER_SMART, NVME_AEI_SPARE, NVME_LOG_SMART);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("model_nvme_log");
	TCase *tc = tcase_create("logs");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, errors_are_logged_the_newest_first);
	tcase_add_test(tc, error_log_keeps_the_last_64);
	tcase_add_test(tc, health_counts_what_was_done);
	tcase_add_test(tc, parts_of_a_log_page_are_had_by_offset);
	tcase_add_test(tc, log_pages_that_are_not_there_are_refused);
	tcase_add_test(tc, effects_are_told_of_what_is_supported);
	tcase_add_test(tc, event_waits_for_a_command_and_a_command_for_an_event);
	tcase_add_test(tc, event_that_nobody_wants_is_not_told);
	tcase_add_test(tc, event_of_a_changed_namespace_names_it_in_the_log);
	tcase_add_test(tc, threshold_that_is_reached_is_an_event);
	tcase_add_test(tc, bad_doorbell_is_an_error_event);
	tcase_add_test(tc, more_requests_than_the_limit_are_refused);
	tcase_add_test(tc, request_that_waits_is_aborted);
	tcase_add_test(tc, abort_of_what_is_not_there_says_so);
	tcase_add_test(tc, reset_forgets_requests_and_events);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
