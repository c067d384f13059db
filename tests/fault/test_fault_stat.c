// SPDX-License-Identifier: MIT
/* Making the statistics segment: each acquiring call inside fails in turn. */
#include <errno.h>
#include <string.h>

#include <udrv/device.h>

#include "pci/device.h"
#include "stat/segment.h"

#include "support/fake_tree.h"
#include "support/fault.h"
#include "support/suite.h"

static struct udrv__stat_segment segment;
static struct udrv_device *dev;

static void setup(void)
{
	fault_log_clear();
	fake_tree_make();
	ck_assert_int_eq(udrv_device_open("model:edu", NULL, &dev), 0);
}

static void teardown(void)
{
	udrv_device_close(dev);
	fake_tree_remove();
}

static bool is_there(const char *suffix)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/test@model:edu.stats%s", fake_root, suffix);
	return !access(path, F_OK);
}

/* What fails leaves no file, and a device that counts in memory of its own. */
static int step_create(void *ctx)
{
	int ret = udrv__stat_create(&segment, fake_root, "test", dev);

	(void)ctx;
	FAULT_MUST(!is_there(".new"));
	FAULT_MUST(is_there("") == !ret);
	FAULT_MUST(!segment.header == !!ret && !dev->stats == !!ret);
	return ret;
}

static void undo_create(void *ctx)
{
	(void)ctx;
	dev->stats = NULL;
	udrv__stat_destroy(&segment);
}

START_TEST(stat_create)
{
	fault_check(&(struct fault_case){.step = step_create, .undo = undo_create, .fewest = 4});
	ck_assert(!is_there(""));
}
END_TEST

static int step_open(void *ctx)
{
	struct udrv__stat_view *view = ctx;
	char path[PATH_MAX];
	int ret;

	(void)snprintf(path, sizeof(path), "%s/test@model:edu.stats", fake_root);
	view->header = NULL;
	ret = udrv__stat_open(view, path);
	FAULT_MUST(!view->header == !!ret);
	return ret;
}

static void undo_open(void *ctx)
{
	udrv__stat_close(ctx);
}

START_TEST(stat_open)
{
	struct udrv__stat_view view;

	ck_assert_int_eq(udrv__stat_create(&segment, fake_root, "test", dev), 0);
	fault_check(&(struct fault_case){
		.step = step_open, .undo = undo_open, .ctx = &view, .fewest = 3, .silent = true});
	undo_create(NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fault_stat");
	TCase *tc = tcase_create("stat");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, stat_create);
	tcase_add_test(tc, stat_open);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
