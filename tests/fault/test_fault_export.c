// SPDX-License-Identifier: MIT
/* A daemon's start, and its exports: each acquiring call inside fails in turn. */

#include <udrv/device.h>

#include "export/export.h"
#include "export/block_sync.h"

#include "support/fake_tree.h"
#include "support/fault.h"
#include "support/ramdisk.h"
#include "support/suite.h"

static struct ramdisk disk;

static void setup(void)
{
	static const struct ramdisk_options options = RAMDISK_OPTIONS_DEFAULT;

	fake_tree_make();
	ck_assert_int_eq(setenv("UDRV_RUNTIME_DIR", fake_root, 1), 0);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	fault_log_clear();
	fault_start_thread_once();
	ck_assert_int_eq(ramdisk_init(&disk, NULL, "ram", &options), 0);
	ck_assert_int_eq(udrv_block_add(&disk.block), 0);
}

static void teardown(void)
{
	udrv_block_del(&disk.block);
	ramdisk_free(&disk);
	fake_tree_remove();
}

static int step_sync(void *ctx)
{
	struct udrv__block_sync **s = ctx;
	int ret;

	*s = NULL;
	ret = udrv__block_sync_start(&disk.block, 1, s);
	if (ret)
		FAULT_MUST(!*s);
	return ret;
}

static void undo_sync(void *ctx)
{
	char data[512];

	ck_assert_int_eq(udrv__block_sync_io(*(struct udrv__block_sync **)ctx, UDRV_BLOCK_READ, 0,
					     0, sizeof(data), data),
			 0);
	udrv__block_sync_stop(*(struct udrv__block_sync **)ctx);
}

/* Sleeping is a system call, too. */
START_TEST(block_sync_start)
{
	struct udrv__block_sync *s;

	fault_check(&(struct fault_case){.step = step_sync,
					 .undo = undo_sync,
					 .ctx = &s,
					 .absorbs = " syscall ",
					 .fewest = 4});
}
END_TEST

struct exporter {
	struct udrv_device *dev;
	struct udrv__exports exports;
};

static int step_exports(void *ctx)
{
	const struct udrv__export_options o = {.nbd = "here"};
	struct exporter *x = ctx;
	int ret = udrv_device_open("model:edu", NULL, &x->dev);

	if (ret)
		return ret;
	ret = udrv__exports_start(&x->exports, x->dev, &o);
	if (!ret)
		return 0;
	FAULT_MUST(!x->exports.count);
	udrv_device_close(x->dev);
	return ret;
}

/* A device outlives its exports. */
static void undo_exports(void *ctx)
{
	struct exporter *x = ctx;

	udrv__exports_stop(&x->exports);
	udrv_device_close(x->dev);
}

/* Of several queues some may be missing. */
START_TEST(exports_start)
{
	struct exporter x;

	fault_check(
		&(struct fault_case){.step = step_exports,
				     .undo = undo_exports,
				     .ctx = &x,
				     .absorbs = " syscall calloc malloc eventfd pthread_create ",
				     .fewest = 6});
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fault_export");
	TCase *tc = tcase_create("export");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, block_sync_start);
	tcase_add_test(tc, exports_start);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
