// SPDX-License-Identifier: MIT
/* An export by ublk, on a fake of the kernel: each call that acquires something fails in turn. */
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "export/ublk.h"

#include "support/fake_ublk.h"
#include "support/fault.h"
#include "support/ramdisk.h"
#include "support/suite.h"

#define DEVICE	  "0000:00:05.0"
#define UNTOUCHED ((struct udrv__ublk *)0x5a5a)

static struct ramdisk disk;
static int ended_fd;

static void setup(void)
{
	struct ramdisk_options options = RAMDISK_OPTIONS_DEFAULT;

	options.size = 1 << 20;
	options.queues = 1;
	options.depth = 4;
	options.latency_us = 10;
	fake_ublk_start();
	ck_assert_int_eq(ramdisk_init(&disk, NULL, "ram", &options), 0);
	ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fault_start_thread_once();
}

static void teardown(void)
{
	ramdisk_free(&disk);
	close(ended_fd);
	fake_ublk_stop();
}

static int step(void *ctx)
{
	struct udrv__ublk **out = ctx;
	int ret;

	*out = UNTOUCHED;
	ret = udrv__ublk_start(&disk.block, DEVICE, -1, ended_fd, out);
	if (ret) {
		FAULT_MUST(*out == UNTOUCHED);
		FAULT_MUST(!fake_ublk.exists);
		FAULT_MUST(!disk.open_queues);
	}
	return ret;
}

static void undo(void *ctx)
{
	udrv__ublk_stop(*(struct udrv__ublk **)ctx);
}

START_TEST(start)
{
	struct udrv__ublk *u;

	fault_check(&(struct fault_case){
		.step = step,
		.undo = undo,
		.ctx = &u,
		/* Where the threads run need not be known, nor when a node appears: it is looked
		   for. */
		.absorbs = " io_uring_submit inotify_init1 inotify_add_watch ",
		.fewest = 15,
	});
}
END_TEST

/* The same for what a killed daemon left: afterwards it is still there to be recovered. */

static struct ublk_info left;
static struct ublk_params left_params;

static void leave(void)
{
	udrv__ublk_params(&disk.block.limits, 128 << 10, &left_params);
	left = (struct ublk_info){
		.queues = 1,
		.depth = 4,
		.max_io = 128 << 10,
		.dev_id = 9,
		.state = UBLK_QUIESCED,
		.pid = -1,
		.server = udrv__ublk_identity(DEVICE, &disk.block),
	};
	fake_ublk_leave(&left, &left_params);
}

static int step_recover(void *ctx)
{
	struct udrv__ublk **out = ctx;
	int ret;

	*out = UNTOUCHED;
	ret = udrv__ublk_start(&disk.block, DEVICE, -1, ended_fd, out);
	if (ret) {
		FAULT_MUST(*out == UNTOUCHED);
		FAULT_MUST(fake_ublk.exists && fake_ublk.info.state == UBLK_QUIESCED);
		FAULT_MUST(!disk.open_queues);
	}
	/* Whatever fails, what waits in it is not thrown away. */
	FAULT_MUST(!fake_ublk.adds);
	return ret;
}

/* For the next turn. */
static void undo_recover(void *ctx)
{
	udrv__ublk_stop(*(struct udrv__ublk **)ctx);
	leave();
}

START_TEST(recover)
{
	struct udrv__ublk *u;

	leave();
	fault_check(&(struct fault_case){
		.step = step_recover,
		.undo = undo_recover,
		.ctx = &u,
		.absorbs = " io_uring_submit inotify_init1 inotify_add_watch ",
		.fewest = 15,
	});
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fault_ublk");
	TCase *tc = tcase_create("fake");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, start);
	tcase_add_test(tc, recover);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
