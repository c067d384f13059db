// SPDX-License-Identifier: MIT
/* The edu driver's probe, and the parts of a daemon: each acquiring call inside fails in turn. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/driver.h>
#include <udrv/pci.h>

#include "driver/daemon.h"
#include "edu.h"
#include "mem/kmalloc.h"

#include "support/fake_tree.h"
#include "support/fault.h"
#include "support/suite.h"

static struct udrv_device *dev;

static void setup(void)
{
	fake_tree_make();
	ck_assert_int_eq(setenv("UDRV_RUNTIME_DIR", fake_root, 1), 0);
	fault_log_clear();
}

/* With memory in its arena: that grows when it has none, and stays so. */
static void setup_open(void)
{
	udrv_iova_t iova;

	setup();
	ck_assert_int_eq(udrv_device_open("model:edu", NULL, &dev), 0);
	ck_assert_ptr_nonnull(udrv_dma_alloc_coherent(dev, 4096, &iova, UDRV_GFP_KERNEL));
}

static void teardown_open(void)
{
	udrv_device_close(dev);
	fake_tree_remove();
}

/* With its own device, as what is mapped of a BAR stays until close, and kmalloc's first caches. */
static int step_probe(void *ctx)
{
	struct udrv_device **out = ctx;
	int ret = udrv_device_open("model:edu:probe", NULL, out);

	if (ret)
		return ret;
	ret = udrv_driver_probe(&edu_driver, *out);
	if (ret) {
		udrv_device_close(*out);
		FAULT_MUST(!udrv__kmalloc_end());
	}
	return ret;
}

static void undo_probe(void *ctx)
{
	struct udrv_device **out = ctx;
	struct edu *edu = udrv_pci_get_drvdata(*out);
	uint32_t result = 0;

	ck_assert_int_eq(edu_factorial(edu, 10, &result), 0);
	ck_assert_uint_eq(result, 3628800);
	edu_driver.remove(*out);
	udrv_device_close(*out);
	ck_assert_int_eq(udrv__kmalloc_end(), 0);
}

START_TEST(edu_probe)
{
	struct udrv_device *opened;

	/*
	 * Without memory for MSI it takes the line, as Linux's pci_alloc_irq_vectors() does. An
	 * arena that cannot have what would be good takes less.
	 */
	fault_check(&(struct fault_case){
		.step = step_probe,
		.undo = undo_probe,
		.ctx = &opened,
		.absorbs = " malloc calloc realloc eventfd mmap memfd_create ftruncate ",
		.fewest = 15,
		.silent = true});
}
END_TEST

/* Probe alone leaves nothing behind on a device that stays open. */
static int step_probe_again(void *ctx)
{
	(void)ctx;
	return udrv_driver_probe(&edu_driver, dev);
}

static void undo_probe_again(void *ctx)
{
	(void)ctx;
	edu_driver.remove(dev);
}

START_TEST(edu_probe_on_an_open_device)
{
	fault_check(&(struct fault_case){.step = step_probe_again,
					 .undo = undo_probe_again,
					 .absorbs = " calloc eventfd ",
					 .fewest = 8,
					 .silent = true});
}
END_TEST

static int step_control(void *ctx)
{
	struct udrv__control *c = ctx;
	int ret = udrv__control_start(c, &edu_driver, dev);
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/edu@model:edu.sock", fake_root);
	FAULT_MUST(access(path, F_OK) == (ret ? -1 : 0));
	return ret;
}

static void undo_control(void *ctx)
{
	udrv__control_stop(ctx, 1000);
}

START_TEST(control_start)
{
	struct udrv__control control = {0};

	fault_check(&(struct fault_case){
		.step = step_control, .undo = undo_control, .ctx = &control, .fewest = 5});
}
END_TEST

static int step_lock(void *ctx)
{
	int *fd = ctx;
	int ret;

	*fd = -7;
	ret = udrv__rundir_make();
	if (!ret)
		ret = udrv__lock_device("model:edu", "udrv-edu", fd);
	if (ret)
		FAULT_MUST(*fd == -7);
	return ret;
}

static void undo_lock(void *ctx)
{
	close(*(int *)ctx);
}

START_TEST(lock_device)
{
	int fd;

	fault_check(&(struct fault_case){
		.step = step_lock, .undo = undo_lock, .ctx = &fd, .fewest = 4});
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fault_driver");
	TCase *tc = tcase_create("driver");
	TCase *open = tcase_create("on a device");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, fake_tree_remove);
	tcase_add_test(tc, edu_probe);
	tcase_add_test(tc, lock_device);
	tcase_set_timeout(open, 300);
	tcase_add_checked_fixture(open, setup_open, teardown_open);
	tcase_add_test(open, edu_probe_on_an_open_device);
	tcase_add_test(open, control_start);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, open);
	return run_suite(s);
}
