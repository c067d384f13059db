// SPDX-License-Identifier: MIT
/* The software 82574: what it and a cable acquire is refused in turn. */
#include <udrv/device.h>

#include "backend/model_e1000e.h"
#include "support/fault.h"
#include "support/suite.h"

#define UNTOUCHED ((void *)0x5a5a)

static struct udrv_device *dev, *other;

static void setup(void)
{
	fault_log_clear();
	fault_start_thread_once();
}

static int step_open(void *ctx)
{
	int ret;

	(void)ctx;
	dev = UNTOUCHED;
	ret = udrv_device_open("model:e1000e:a", NULL, &dev);
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
	fault_check(&(struct fault_case){.step = step_open, .undo = undo_open, .fewest = 5});
}
END_TEST

/* Both ends are there; the cable goes with them. */
static int step_connect(void *ctx)
{
	(void)ctx;
	return udrv__model_e1000e_connect(dev, other);
}

static void undo_connect(void *ctx)
{
	(void)ctx;
	udrv_device_close(dev);
	udrv_device_close(other);
	FAULT_MUST(!udrv_device_open("model:e1000e:a", NULL, &dev));
	FAULT_MUST(!udrv_device_open("model:e1000e:b", NULL, &other));
}

START_TEST(cable)
{
	ck_assert_int_eq(udrv_device_open("model:e1000e:a", NULL, &dev), 0);
	ck_assert_int_eq(udrv_device_open("model:e1000e:b", NULL, &other), 0);
	fault_check(&(struct fault_case){
		.step = step_connect, .undo = undo_connect, .fewest = 1, .silent = true});
	udrv_device_close(dev);
	udrv_device_close(other);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fault_model_e1000e");
	TCase *tc = tcase_create("steps");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, device_open);
	tcase_add_test(tc, cable);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
