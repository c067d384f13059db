// SPDX-License-Identifier: MIT
/* The software NVMe controller: what it acquires is refused in turn. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <udrv/device.h>

#include "backend/model_nvme.h"
#include "support/fault.h"
#include "support/suite.h"

#define UNTOUCHED ((void *)0x5a5a)

static char path[] = "/tmp/udrv-fault-nvme-XXXXXX";
static struct udrv_device *dev;

static void setup(void)
{
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	close(fd);
	fault_log_clear();
	fault_start_thread_once();
}

static void teardown(void)
{
	unlink(path);
}

static int step_open(void *ctx)
{
	int ret;

	(void)ctx;
	dev = UNTOUCHED;
	ret = udrv_device_open("model:nvme:8m", NULL, &dev);
	if (ret < 0)
		FAULT_MUST(dev == UNTOUCHED);
	return ret;
}

static void undo_open(void *ctx)
{
	(void)ctx;
	udrv_device_close(dev);
}

START_TEST(device_open)
{
	fault_check(&(struct fault_case){.step = step_open, .undo = undo_open, .fewest = 8});
}
END_TEST

START_TEST(device_open_with_a_file)
{
	ck_assert_int_eq(setenv("UDRV_MODEL_NVME_FILE", path, 1), 0);
	fault_check(&(struct fault_case){.step = step_open, .undo = undo_open, .fewest = 11});
}
END_TEST

static struct udrv__model_nvme_config config;

static int step_thread(void *ctx)
{
	(void)ctx;
	config.direct = false;
	return udrv__model_nvme_set_config(dev, &config);
}

static void undo_thread(void *ctx)
{
	(void)ctx;
	config.direct = true;
	(void)udrv__model_nvme_set_config(dev, &config);
}

START_TEST(thread_starts_later)
{
	ck_assert_int_eq(udrv_device_open("model:nvme:direct", NULL, &dev), 0);
	udrv__model_nvme_get_config(dev, &config);
	fault_check(&(struct fault_case){
		.step = step_thread, .undo = undo_thread, .fewest = 1, .silent = true});
	udrv_device_close(dev);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fault_model_nvme");
	TCase *tc = tcase_create("steps");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, device_open);
	tcase_add_test(tc, device_open_with_a_file);
	tcase_add_test(tc, thread_starts_later);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
