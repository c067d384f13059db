// SPDX-License-Identifier: MIT
/* The NVMe library after weeks, by a clock that can be put forward. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "backend/model_nvme.h"

#include "support/nvme_rig.h"
#include "support/suite.h"

#define DAY_S 86400

static atomic_long ahead_s;
static struct nvme_rig rig;

/* Instead of the C library's. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
	int ret = (int)syscall(SYS_clock_gettime, clock, now);

	if (clock == CLOCK_MONOTONIC_COARSE)
		now->tv_sec += ahead_s;
	return ret;
}

static void setup(void)
{
	const struct udrv_nvme_options options = {.io_timeout_ms = 100, .admin_timeout_ms = 10000};

	nvme_rig_open(&rig, &options);
	nvme_rig_queue(&rig, 16, UDRV_NVME_POLLED);
}

static void teardown(void)
{
	nvme_rig_close(&rig);
}

/* Its event requests have been in flight all the time. */
START_TEST(the_admin_queue_after_weeks)
{
	uint32_t value;

	for (long day = 1; day < 60; day++) {
		ahead_s = day * DAY_S;
		ck_assert_int_eq(udrv_nvme_get_feature(rig.nvme, NVME_FEAT_TEMPERATURE, 0, 0, NULL,
						       0, &value),
				 0);
	}
}
END_TEST

START_TEST(a_late_command_after_weeks_of_rest)
{
	const struct udrv__model_nvme_fault fault = {
		.kind = UDRV__MODEL_NVME_SWALLOW, .qid = 1, .any_opcode = true, .count = 1};
	unsigned char *buf = nvme_rig_memory(&rig, 4096);
	struct udrv_nvme_info info;

	ck_assert_uint_eq(nvme_rig_read(&rig, buf, 0, 1), 0);
	ahead_s = 30L * DAY_S;
	ck_assert_int_eq(udrv__model_nvme_inject(rig.dev, &fault), 0);
	ck_assert_uint_eq(nvme_rig_read(&rig, buf, 0, 1), 0);
	udrv_nvme_get_info(rig.nvme, &info);
	ck_assert_uint_ge(info.timeouts, 1);
}
END_TEST

/* It has the time of the doorbell before, until its own is rung. */
START_TEST(a_command_put_after_weeks_of_rest_has_its_time)
{
	const struct udrv__model_nvme_fault fault = {
		.kind = UDRV__MODEL_NVME_SWALLOW, .qid = 1, .any_opcode = true, .count = 1};
	unsigned char *buf = nvme_rig_memory(&rig, 4096);
	struct nvme_rig_wait w = {0};

	ck_assert_uint_eq(nvme_rig_read(&rig, buf, 0, 1), 0);
	ck_assert_int_eq(udrv__model_nvme_inject(rig.dev, &fault), 0);
	ck_assert_int_eq(udrv_nvme_read(rig.q, rig.ns, buf, 0, 1, 0, nvme_rig_done, &w), 0);
	ahead_s = 30L * DAY_S;
	udrv_nvme_submit(rig.q); /* looks for what is late */
	ck_assert_uint_eq(nvme_rig_info(&rig).timeouts, 0);
	ck_assert_uint_eq(nvme_rig_await(&rig, &w), 0);
	ck_assert_uint_ge(nvme_rig_info(&rig).timeouts, 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("nvme_clock");
	TCase *tc = tcase_create("weeks");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, the_admin_queue_after_weeks);
	tcase_add_test(tc, a_late_command_after_weeks_of_rest);
	tcase_add_test(tc, a_command_put_after_weeks_of_rest_has_its_time);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
