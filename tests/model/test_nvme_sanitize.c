// SPDX-License-Identifier: MIT
/* Sanitize: the command, its log, and what happens to I/O meanwhile. */
#include <errno.h>

#include <udrv/completion.h>
#include <udrv/pci.h>

#include "nvme_calls.h"
#include "support/suite.h"

static struct udrv_nvme *nvme;
static struct udrv_completion over;
static uint32_t over_status;

static void on_event(void *ctx, enum udrv_nvme_event event, uint32_t arg)
{
	(void)ctx;
	if (event != UDRV_NVME_EVENT_SANITIZED)
		return;
	over_status = arg;
	udrv_complete(&over);
}

static void setup(void)
{
	open_device("model:nvme");
	nvme = ((struct nvme_driver *)udrv_pci_get_drvdata(dev))->nvme;
	udrv_init_completion(NULL, &over);
	udrv_nvme_on_event(nvme, on_event, NULL);
}

static void teardown(void)
{
	udrv_nvme_on_event(nvme, NULL, NULL);
	close_device();
}

static void go_on(bool on)
{
	const struct udrv__model_nvme_switches switches = {.sanitize_goes_on = on};

	udrv__model_nvme_set_switches(dev, &switches);
}

static void await_over(void)
{
	ck_assert_int_gt(udrv_wait_for_completion_timeout(&over, 60 * UDRV_HZ), 0);
}

START_TEST(never_sanitized)
{
	works("sanitize-log");
	says("Sanitize Progress                      (SPROG) :  65535\n"
	     "Sanitize Status                        (SSTAT) :  0\n"
	     "Sanitize Command Dword 10 Information (SCDW10) :  0\n"
	     "Estimated Time For Overwrite                   :  10\n");
	says("Estimated Time For Crypto Erase (No-Deallocate):  4294967295 (No time period "
	     "reported)\n");
	works("sanitize-log -H");
	says("\t[2:0]\tNVM Subsystem has never been sanitized.\n");
	works("sanitize-log --json");
	says("{\n  \"model:nvme\":{\n    \"sprog\":65535,\n    \"sstat\":{\n      \"global_erased\":0,\n"
	     "      \"no_cmplted_passes\":0,\n      \"status\":\"(0) NVM Subsystem has never been "
	     "sanitized.\"\n    },\n    \"cdw10_info\":0,\n    \"time_over_write\":10,");
	works("sanitize-log -o binary");
}
END_TEST

START_TEST(all_data_is_gone_afterwards)
{
	char block[512];

	data_put("data", 4);
	ck_assert_int_eq(run("write -s 5 -z 4"), 0);
	fails("sanitize -a start-block-erase", -EPERM,
	      "all data of the whole subsystem will be lost");
	works("sanitize -a start-block-erase --force");
	ck_assert_str_eq(out, "Sanitize has begun: sanitize-log shows how far it is\n");
	await_over();
	ck_assert_uint_eq(over_status, NVME_SSTAT_DONE | 1u << 8);
	works("sanitize-log -H");
	says("(SSTAT) :  0x1\n\t[2:0]\tMost Recent Sanitize Command Completed Successfully.\n");
	says("Global Data Erased: nothing was written since\n");
	data_clear();
	ck_assert_int_eq(run("read -s 5"), 0);
	ck_assert_uint_eq(data_get(block, sizeof(block)), 512);
	ck_assert_int_eq(block[0], 0);
	data_put("data", 4);
	ck_assert_int_eq(run("write -s 5 -z 4"), 0);
	works("sanitize-log -H");
	says("Global Data Erased: something was written since");
}
END_TEST

START_TEST(io_says_why_it_fails_meanwhile)
{
	go_on(true);
	works("sanitize -a 4 --force");
	works("sanitize-log -H");
	says("(SPROG) :  32768\t(50.000000%)\n");
	says("(SSTAT) :  0x2\n\t[2:0]\tSanitize in Progress.\n");
	fails("read -s 0", -EBUSY,
	      "sanitize in progress (0x201d): sanitize-log shows how far it is; until it is over");
	fails("flush", -EBUSY, "sanitize in progress");
	fails("format --force", -EBUSY, "sanitize in progress");
	fails("sanitize -a 2 --force", -EBUSY, "sanitize in progress");
	/* A reset does not end it, and the controller comes back without its data. */
	works("reset");
	works("id-ctrl");
	fails("read -s 0", -EBUSY, "sanitize in progress");
	ck_assert_int_eq(udrv__model_nvme_end_sanitize(dev, true), 0);
	await_over();
	data_clear();
	ck_assert_int_eq(run("read -s 0"), 0);
}
END_TEST

START_TEST(one_that_fails_and_may_be_left)
{
	go_on(true);
	works("sanitize -a start-overwrite -n 3 -p 0xdeadbeef -i -u --force");
	ck_assert_int_eq(udrv__model_nvme_end_sanitize(dev, false), 0);
	await_over();
	ck_assert_uint_eq(over_status, NVME_SSTAT_FAILED);
	fails("read -s 0", -EIO, "sanitize failed (0x");
	works("sanitize-log");
	says("(SCDW10) :  0x13b\n");
	works("sanitize -a exit-failure");
	ck_assert_str_eq(out, "The failure mode was left\n");
	data_clear();
	ck_assert_int_eq(run("read -s 0"), 0);
}
END_TEST

START_TEST(one_that_fails_and_must_be_done_again)
{
	go_on(true);
	works("sanitize -a 2 --force");
	ck_assert_int_eq(udrv__model_nvme_end_sanitize(dev, false), 0);
	await_over();
	fails("sanitize -a 1", -EIO, "sanitize failed");
	go_on(false);
	works("sanitize -a 2 -d --force");
	await_over();
	ck_assert_uint_eq(over_status, NVME_SSTAT_DONE_NDAS | 1u << 8);
	data_clear();
	ck_assert_int_eq(run("read -s 0"), 0);
}
END_TEST

START_TEST(is_refused_while_there_is_an_export)
{
	struct udrv_nvme_queue *q;

	ck_assert_int_eq(udrv_nvme_queue_create(nvme, NULL, &q), 0);
	fails("sanitize -a 2", -EBUSY, "an export has I/O queues; say --force");
	works("sanitize -a 2 --force");
	await_over();
	udrv_nvme_queue_destroy(q);
}
END_TEST

START_TEST(wrong_arguments_are_named)
{
	fails("sanitize", -EINVAL, "--sanact is exit-failure, start-block-erase");
	fails("sanitize -a 5", -EINVAL, "--sanact is exit-failure");
	fails("sanitize -a erase", -EINVAL, "--sanact is exit-failure");
	fails("sanitize -a 1 -u", -EINVAL, "has no --ause");
	fails("sanitize -a 2 -n 1", -EINVAL, "are for start-overwrite");
	fails("sanitize -a 3 -n 17", -EINVAL, "is not a number from 0 to 16");
}
END_TEST

START_TEST(a_controller_that_cannot)
{
	ck_assert_int_eq(udrv__model_nvme_say(dev, NVME_CNS_CTRL,
					      offsetof(struct nvme_id_ctrl, sanicap), 4,
					      NVME_SANICAP_OVERWRITE),
			 0);
	works("reset");
	fails("sanitize -a 2 --force", -EOPNOTSUPP, "see sanicap of id-ctrl");
	fails("sanitize -a 4 --force", -EOPNOTSUPP, "see sanicap of id-ctrl");
	works("sanitize -a 3 --force");
	await_over();
	ck_assert_uint_eq(over_status, NVME_SSTAT_DONE | 16u << 3 | 1u << 8);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("nvme_sanitize");
	TCase *tc = tcase_create("sanitize");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, never_sanitized);
	tcase_add_test(tc, all_data_is_gone_afterwards);
	tcase_add_test(tc, io_says_why_it_fails_meanwhile);
	tcase_add_test(tc, one_that_fails_and_may_be_left);
	tcase_add_test(tc, one_that_fails_and_must_be_done_again);
	tcase_add_test(tc, is_refused_while_there_is_an_export);
	tcase_add_test(tc, wrong_arguments_are_named);
	tcase_add_test(tc, a_controller_that_cannot);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
