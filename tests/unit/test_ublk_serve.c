// SPDX-License-Identifier: MIT
/* A disk in memory behind a fake of the kernel's ublk: requests, ends, and what is left by others.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "export/export.h"
#include "export/ublk.h"

#include "support/fake_ublk.h"
#include "support/fault.h"
#include "support/ramdisk.h"
#include "support/suite.h"
#include "support/wait_for.h"

#define DEVICE "0000:00:05.0"
#define KIB    1024u

static struct ramdisk_options options;
static struct ramdisk disk;
static struct udrv__ublk *ublk;
static int ended_fd;
static uint8_t out[256 * KIB], in[256 * KIB];

static void setup(void)
{
	options = (struct ramdisk_options)RAMDISK_OPTIONS_DEFAULT;
	options.size = 4 << 20;
	options.queues = 2;
	options.depth = 16;
	options.cache = options.fua = true;
	fake_ublk_start();
	fault_log_clear();
	ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 7 + i / 509);
}

static void teardown(void)
{
	close(ended_fd);
	fake_ublk_stop();
}

static int try_start(int number)
{
	ck_assert_int_eq(ramdisk_init(&disk, NULL, "ram", &options), 0);
	return udrv__ublk_start(&disk.block, DEVICE, number, ended_fd, &ublk);
}

static void start(void)
{
	ck_assert_int_eq(try_start(-1), 0);
}

static void stop(void)
{
	udrv__ublk_stop(ublk);
	ck_assert_uint_eq(disk.open_queues, 0);
	ck_assert(!fake_ublk.exists);
	ramdisk_free(&disk);
}

static void fail_to_start(int number, int why, const char *line)
{
	ck_assert_int_eq(try_start(number), why);
	ck_assert_msg(fault_logged(line), "not '%s' but: %s", line, fault_log_text());
	ck_assert_uint_eq(disk.open_queues, 0);
	ramdisk_free(&disk);
}

static int ask(unsigned int queue, unsigned int tag, uint32_t op_flags, uint64_t sector,
	       uint32_t sectors, bool write)
{
	fake_ublk_request(queue, tag, op_flags, sector, sectors, write ? out : NULL);
	return fake_ublk_await(queue, tag, write ? NULL : in);
}

/* The start. */

START_TEST(the_kernel_is_told_what_the_disk_is)
{
	start();
	ck_assert_uint_eq(ublk->id, FAKE_UBLK_ID);
	ck_assert_uint_eq(fake_ublk.info.depth, 16);
	ck_assert_uint_eq(fake_ublk.info.max_io, 256 * KIB);
	ck_assert_uint_eq(fake_ublk.info.flags, UBLK_F_RECOVERY | UBLK_F_REISSUE | UBLK_F_IOCTL);
	ck_assert_uint_eq(fake_ublk.info.server, udrv__ublk_identity(DEVICE, &disk.block));
	ck_assert_uint_eq(fake_ublk.params.dev_sectors, 8192);
	ck_assert_uint_eq(fake_ublk.pid, (uint32_t)getpid());
	ck_assert(fault_logged("ublkb3: ram, 4 MiB, "));
	stop();
	ck_assert(fault_logged("ublkb3: ended; 0 requests"));
}
END_TEST

/* They must not be bound to the queue's CPUs, of which the fake has the first one only. */
START_TEST(threads_may_run_wherever_the_process_may)
{
	cpu_set_t process;
	cpu_set_t thread;

	ck_assert_int_eq(sched_getaffinity(0, sizeof(process), &process), 0);
	start();
	for (unsigned int i = 0; i < ublk->shape.queues; i++) {
		ck_assert_int_eq(
			pthread_getaffinity_np(ublk->queues[i].thread, sizeof(thread), &thread), 0);
		ck_assert(CPU_EQUAL(&thread, &process));
	}
	stop();
}
END_TEST

START_TEST(a_number_may_be_asked_for)
{
	ck_assert_int_eq(try_start(7), 0);
	ck_assert_uint_eq(fake_ublk.info.dev_id, 7);
	stop();
}
END_TEST

START_TEST(what_is_not_there_is_explained)
{
	fake_ublk_unload();
	fail_to_start(-1, -ENOENT, "ublk");
}
END_TEST

START_TEST(an_old_ublk_is_too_old)
{
	fake_ublk.features = UBLK_F_RECOVERY;
	fail_to_start(-1, -EOPNOTSUPP, "too old");
}
END_TEST

START_TEST(blocks_above_a_page_are_refused)
{
	options.block_size = 8192;
	fail_to_start(-1, -EOPNOTSUPP, "no blocks of 8192 bytes");
}
END_TEST

START_TEST(a_number_that_is_taken_leaves_nothing)
{
	fake_ublk.fail_op = UBLK_ADD_DEV;
	fake_ublk.fail_errno = EEXIST;
	fail_to_start(5, -EEXIST, "number 5 is taken");
	ck_assert_uint_eq(fake_ublk.adds, 0);
}
END_TEST

static const unsigned int after_add[] = {UBLK_SET_PARAMS, UBLK_START_DEV};

START_TEST(what_the_kernel_refuses_later_is_deleted)
{
	fake_ublk.fail_op = after_add[_i];
	fake_ublk.fail_errno = EINVAL;
	fail_to_start(-1, -EINVAL, "ram: ");
	ck_assert_uint_eq(fake_ublk.deletes, 1);
	ck_assert(!fake_ublk.exists);
}
END_TEST

START_TEST(fetches_that_are_refused_end_the_start)
{
	fake_ublk.fetch_errno = EINVAL;
	fail_to_start(-1, -EINVAL, "cannot be served");
	ck_assert(!fake_ublk.exists);
}
END_TEST

/* Requests. */

START_TEST(data_go_and_come_back)
{
	start();
	ck_assert_int_eq(ask(0, 0, UBLK_WRITE, 16, 512, true), 256 * KIB);
	ck_assert_int_eq(ask(0, 1, UBLK_READ, 16, 512, false), 256 * KIB);
	ck_assert_mem_eq(in, out, sizeof(in));
	ck_assert_int_eq(ask(0, 15, UBLK_WRITE_ZEROES, 16, 8, false), 0);
	ck_assert_int_eq(ask(0, 0, UBLK_READ, 17, 1, false), 512);
	for (unsigned int i = 0; i < 512; i++)
		ck_assert_uint_eq(in[i], 0);
	ck_assert_int_eq(ask(0, 2, UBLK_DISCARD, 64, 64, false), 0);
	stop();
	ck_assert(fault_logged("ended; 5 requests"));
}
END_TEST

START_TEST(a_flush_is_one)
{
	start();
	ck_assert_int_eq(ask(0, 3, UBLK_FLUSH, 0, 0, false), 0);
	ck_assert_uint_eq(disk.flushes, 1);
	stop();
}
END_TEST

START_TEST(fua_becomes_a_flush)
{
	options.fua = false;
	options.max_transfer = 4096;
	start();
	/* The kernel would not ask, nor for so much; who took over another server's device may be
	 * asked. */
	ck_assert_int_eq(ask(0, 0, UBLK_WRITE | UBLK_IO_FUA, 0, 8, true), 4096);
	ck_assert_uint_eq(disk.flushes, 1);
	ck_assert_uint_eq(disk.requests, 2);
	stop();
}
END_TEST

/* Each way in which a queue of the driver's may end its requests. */
static const struct {
	unsigned int latency_us;
	bool no_event;
	unsigned int depth;
} ways[] = {{0, false, 16},  {200, false, 16}, {0, true, 16},
	    {200, true, 16}, {50, false, 2},   {3000, false, 16}};

START_TEST(many_at_once_are_all_done)
{
	options.latency_us = ways[_i].latency_us;
	options.no_event = ways[_i].no_event;
	start();
	/* Fewer than the kernel was told: the others wait. */
	disk.o.depth = ways[_i].depth;
	for (unsigned int round = 0; round < 50; round++) {
		for (unsigned int tag = 0; tag < 16; tag++)
			fake_ublk_request(0, tag, round % 2 ? UBLK_READ : UBLK_WRITE, tag * 8u, 8,
					  round % 2 ? NULL : out + tag * 4096);
		for (unsigned int tag = 0; tag < 16; tag++) {
			ck_assert_int_eq(fake_ublk_await(0, tag, in), 4096);
			if (round % 2)
				ck_assert_mem_eq(in, out + tag * 4096, 4096);
		}
	}
	stop();
	ck_assert(fault_logged("ended; 800 requests"));
}
END_TEST

START_TEST(a_lone_request_wakes_the_thread)
{
	options.latency_us = 100;
	start();
	for (unsigned int i = 0; i < 300; i++)
		ck_assert_int_eq(ask(0, i % 16, UBLK_READ, i, 1, false), 512);
	stop();
}
END_TEST

START_TEST(errors_are_told)
{
	options.fail_every = 2;
	start();
	ck_assert_int_eq(ask(0, 0, UBLK_READ, 0, 8, false), 4096);
	ck_assert_int_eq(ask(0, 0, UBLK_READ, 0, 8, false), -EIO);
	ck_assert_int_eq(ask(0, 0, UBLK_READ, 8192, 8, false), -EIO);
	ck_assert_int_eq(ask(0, 0, 4, 0, 8, false), -EOPNOTSUPP);
	stop();
}
END_TEST

START_TEST(a_device_that_is_gone_ends_all_and_the_end_does_not_wait)
{
	options.gone_after = 1;
	options.latency_us = 100;
	start();
	for (unsigned int tag = 0; tag < 16; tag++)
		fake_ublk_request(0, tag, UBLK_READ, tag, 1, NULL);
	for (unsigned int tag = 0; tag < 16; tag++)
		ck_assert_int_eq(fake_ublk_await(0, tag, NULL), -ENODEV);
	stop();
}
END_TEST

/* The end. */

START_TEST(the_end_waits_for_what_is_in_the_driver)
{
	options.latency_us = 50000;
	start();
	for (unsigned int tag = 0; tag < 4; tag++)
		fake_ublk_request(0, tag, UBLK_WRITE, tag, 1, out);
	stop();
	for (unsigned int tag = 0; tag < 4; tag++)
		ck_assert_int_eq(fake_ublk_await(0, tag, NULL), 512);
}
END_TEST

static bool is_ahead; /* atomic */

int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);

/* As if the time of day was set back right after somebody has looked. */
int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	int ret = __real_clock_gettime(id, ts);

	if (id == CLOCK_REALTIME && __atomic_load_n(&is_ahead, __ATOMIC_RELAXED))
		ts->tv_sec += 3600;
	return ret;
}

static void *let_the_flush_end(void *path)
{
	int fd;

	WAIT_FOR(fault_logged("not all is written after 5 s"));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	close(fd);
	return NULL;
}

/* It is stuck where it opens the disk. */
START_TEST(a_flush_has_its_time_whatever_becomes_of_the_clock)
{
	char path[UDRV__UBLK_PATH_MAX];
	pthread_t thread;

	start();
	udrv__ublk_path(path, 'b', ublk->id);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, let_the_flush_end, path), 0);
	__atomic_store_n(&is_ahead, true, __ATOMIC_RELAXED);
	stop();
	__atomic_store_n(&is_ahead, false, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}
END_TEST

START_TEST(who_removes_it_ends_the_export)
{
	struct pollfd p = {.fd = ended_fd, .events = POLLIN};

	start();
	ck_assert_int_eq(poll(&p, 1, 0), 0);
	fake_ublk_remove();
	ck_assert_int_eq(poll(&p, 1, 20000), 1);
	stop();
}
END_TEST

START_TEST(an_orderly_end_is_not_reported)
{
	struct pollfd p = {.fd = ended_fd, .events = POLLIN};

	start();
	stop();
	ck_assert_int_eq(poll(&p, 1, 0), 0);
}
END_TEST

/* What a killed daemon has left. */

static struct ublk_info left;
static struct ublk_params left_params;

static void leave(enum ublk_state state)
{
	ck_assert_int_eq(ramdisk_init(&disk, NULL, "ram", &options), 0);
	udrv__ublk_params(&disk.block.limits, 128 * KIB, &left_params);
	left = (struct ublk_info){
		.queues = 1,
		.depth = 32,
		.max_io = 128 * KIB,
		.dev_id = 9,
		.state = (uint16_t)state,
		.pid = -1,
		.flags = UBLK_F_RECOVERY | UBLK_F_REISSUE | UBLK_F_IOCTL,
		.server = udrv__ublk_identity(DEVICE, &disk.block),
	};
	ramdisk_free(&disk);
}

START_TEST(it_is_found_and_taken_over_as_it_is)
{
	leave(UBLK_QUIESCED);
	fake_ublk_leave(&left, &left_params);
	start();
	ck_assert_uint_eq(fake_ublk.adds, 0);
	ck_assert_uint_eq(fake_ublk.recoveries, 1);
	ck_assert_uint_eq(ublk->id, 9);
	ck_assert_uint_eq(ublk->shape.depth, 32);
	ck_assert(fault_logged("found again"));
	/* More than the driver takes at once. */
	for (unsigned int tag = 0; tag < 32; tag++)
		fake_ublk_request(0, tag, UBLK_READ, tag, 1, NULL);
	for (unsigned int tag = 0; tag < 32; tag++)
		ck_assert_int_eq(fake_ublk_await(0, tag, NULL), 512);
	stop();
}
END_TEST

START_TEST(its_share_of_the_drivers_queues_does_not_tell_what_it_is)
{
	leave(UBLK_QUIESCED);
	left.queues = 2;
	fake_ublk_leave(&left, &left_params);
	ck_assert_int_eq(ramdisk_init(&disk, NULL, "ram", &options), 0);
	disk.block.limits.max_queues = 1;
	ck_assert_int_eq(udrv__ublk_start(&disk.block, DEVICE, -1, ended_fd, &ublk), 0);
	ck_assert_uint_eq(fake_ublk.recoveries, 1);
	ck_assert_int_eq(ask(1, 0, UBLK_READ, 0, 1, false), 512);
	stop();
}
END_TEST

START_TEST(without_its_queues_it_stays_as_it_is)
{
	leave(UBLK_QUIESCED);
	left.queues = 2;
	fake_ublk_leave(&left, &left_params);
	options.queues = 1;
	fail_to_start(-1, -EINVAL, "queues that a killed daemon had cannot be opened");
	ck_assert(fake_ublk.exists);
	ck_assert(!fake_ublk.recovering);
	ck_assert_uint_eq(fake_ublk.stops + fake_ublk.deletes, 0);
}
END_TEST

/* The kernel asks for what it was told there is. */
START_TEST(what_is_not_known_any_more_fails)
{
	leave(UBLK_QUIESCED);
	fake_ublk_leave(&left, &left_params);
	options.no_discard = true;
	start();
	ck_assert_uint_eq(fake_ublk.recoveries, 1);
	ck_assert_int_eq(ask(0, 0, UBLK_DISCARD, 0, 8, false), -EOPNOTSUPP);
	ck_assert_int_eq(ask(0, 1, UBLK_WRITE_ZEROES, 0, 8, false), -EOPNOTSUPP);
	ck_assert_int_eq(ask(0, 2, UBLK_READ, 0, 8, false), 4096);
	stop();
}
END_TEST

START_TEST(a_recovery_that_failed_can_be_tried_again)
{
	leave(UBLK_QUIESCED);
	fake_ublk_leave(&left, &left_params);
	fake_ublk.fail_op = UBLK_END_RECOVERY;
	fake_ublk.fail_errno = EINTR;
	fail_to_start(-1, -EINTR, "cannot be taken over");
	ck_assert(fake_ublk.exists);
	ck_assert_uint_eq(fake_ublk.stops + fake_ublk.deletes, 0);
	start();
	ck_assert_uint_eq(fake_ublk.recoveries, 1);
	stop();
}
END_TEST

/* Of two queues the last one, the first one, or both. */
START_TEST(a_recovery_whose_daemon_was_killed_begins_anew)
{
	leave(UBLK_QUIESCED);
	left.queues = 2;
	fake_ublk_leave(&left, &left_params);
	for (unsigned int queue = 0; queue < 2; queue++)
		if (_i != (int)queue)
			fake_ublk_leave_unserved(queue);
	start();
	ck_assert_uint_eq(fake_ublk.recoveries, 1);
	ck_assert_uint_eq(fake_ublk.adds + fake_ublk.deletes, 0);
	for (unsigned int queue = 0; queue < 2; queue++)
		ck_assert_int_eq(ask(queue, 0, UBLK_READ, 0, 1, false), 512);
	stop();
}
END_TEST

static const struct udrv_block_ops *ramdisk_ops;
static unsigned int taken; /* atomic */

static int count_and_take(void *queue, struct udrv_block_request *rq)
{
	__atomic_add_fetch(&taken, 1, __ATOMIC_RELAXED);
	return ramdisk_ops->queue_rq(queue, rq);
}

/* What the driver has is ended, and the kernel is told. */
START_TEST(what_was_taken_over_can_be_left_again)
{
	struct pollfd p = {.fd = ended_fd, .events = POLLIN};
	struct udrv_block_ops ops;

	leave(UBLK_QUIESCED);
	fake_ublk_leave(&left, &left_params);
	options.latency_us = 50000;
	ck_assert_int_eq(ramdisk_init(&disk, NULL, "ram", &options), 0);
	ramdisk_ops = disk.block.ops;
	ops = *ramdisk_ops;
	ops.queue_rq = count_and_take;
	disk.block.ops = &ops;
	ck_assert_int_eq(udrv__ublk_start(&disk.block, DEVICE, -1, ended_fd, &ublk), 0);
	fake_ublk_request(0, 0, UBLK_READ, 0, 1, NULL);
	WAIT_FOR(__atomic_load_n(&taken, __ATOMIC_RELAXED));
	udrv__ublk_undo(ublk);
	ck_assert_int_eq(fake_ublk_await(0, 0, NULL), 512);
	ck_assert(fake_ublk.exists);
	ck_assert_uint_eq(fake_ublk.stops + fake_ublk.deletes, 0);
	ck_assert_uint_eq(disk.open_queues, 0);
	ck_assert_int_eq(poll(&p, 1, 0), 0);
	ramdisk_free(&disk);
	start();
	ck_assert_uint_eq(fake_ublk.recoveries, 2);
	stop();
}
END_TEST

START_TEST(a_start_that_fails_leaves_what_it_has_found)
{
	const struct udrv__export_options o = {.ublk = true, .ublk_id = -1};
	struct udrv__exports x;
	struct udrv_device *dev;
	struct ramdisk second;

	leave(UBLK_QUIESCED);
	ck_assert_int_eq(udrv_device_open("model:edu", NULL, &dev), 0);
	ck_assert_int_eq(ramdisk_init(&disk, NULL, "ram", &options), 0);
	ck_assert_int_eq(ramdisk_init(&second, NULL, "second", &options), 0);
	ck_assert_int_eq(udrv_block_add(&disk.block), 0);
	ck_assert_int_eq(udrv_block_add(&second.block), 0);
	left.server = udrv__ublk_identity(udrv_device_name(dev), &disk.block);
	fake_ublk_leave(&left, &left_params);
	fake_ublk.fail_op = UBLK_ADD_DEV;
	fake_ublk.fail_errno = ENOMEM;
	ck_assert_int_eq(udrv__exports_start(&x, dev, &o), -ENOMEM);
	ck_assert(fault_logged("left as it was found"));
	ck_assert(fake_ublk.exists);
	ck_assert_uint_eq(fake_ublk.recoveries, 1);
	ck_assert_uint_eq(fake_ublk.stops + fake_ublk.deletes, 0);
	ck_assert_uint_eq(disk.open_queues, 0);
	udrv_block_del(&second.block);
	ck_assert_int_eq(udrv__exports_start(&x, dev, &o), 0);
	ck_assert_uint_eq(fake_ublk.recoveries, 2);
	udrv__exports_stop(&x);
	ck_assert(!fake_ublk.exists);
	udrv_block_del(&disk.block);
	ramdisk_free(&second);
	ramdisk_free(&disk);
	udrv_device_close(dev);
}
END_TEST

START_TEST(a_half_made_one_is_removed)
{
	leave(UBLK_DEAD);
	fake_ublk_leave(&left, &left_params);
	start();
	ck_assert(fault_logged("half made"));
	ck_assert_uint_eq(fake_ublk.deletes, 1);
	ck_assert_uint_eq(fake_ublk.adds, 1);
	stop();
}
END_TEST

START_TEST(another_disks_is_removed_when_nobody_has_it)
{
	leave(UBLK_QUIESCED);
	fake_ublk_leave(&left, &left_params);
	options.size *= 2;
	start();
	ck_assert(fault_logged("of another size"));
	ck_assert_uint_eq(fake_ublk.recoveries, 0);
	ck_assert_uint_eq(fake_ublk.adds, 1);
	stop();
}
END_TEST

/* The exports of a device that has those that are added. */
static int start_exports(struct udrv__exports *x, struct udrv_device *dev)
{
	const struct udrv__export_options o = {.ublk = true, .ublk_id = -1};

	return udrv__exports_start(x, dev, &o);
}

/* A namespace that was deleted and made anew: its size, name and serial number are the same. */
START_TEST(one_that_only_looks_like_it_is_another_disk)
{
	struct udrv__exports x;
	struct udrv_device *dev;

	leave(UBLK_QUIESCED);
	ck_assert_int_eq(udrv_device_open("model:edu", NULL, &dev), 0);
	ck_assert_int_eq(ramdisk_init(&disk, NULL, "ram", &options), 0);
	left.server = udrv__ublk_identity(udrv_device_name(dev), &disk.block);
	fake_ublk_leave(&left, &left_params);
	strcpy(disk.block.id, "uuid.0");
	ck_assert_int_eq(udrv_block_add(&disk.block), 0);
	ck_assert_int_eq(start_exports(&x, dev), 0);
	ck_assert(fault_logged("/dev/ublkb9 was of a disk of model:edu"));
	ck_assert_uint_eq(fake_ublk.recoveries, 0);
	ck_assert_uint_eq(fake_ublk.deletes, 1);
	ck_assert_uint_eq(fake_ublk.adds, 1);
	udrv__exports_stop(&x);
	udrv_block_del(&disk.block);
	ramdisk_free(&disk);
	udrv_device_close(dev);
}
END_TEST

/* A namespace that was deleted while no daemon ran: the only one, or one of others. */
START_TEST(what_a_disk_has_left_that_is_gone_is_removed)
{
	struct udrv__exports x;
	struct udrv_device *dev;
	struct ramdisk second;

	leave(UBLK_QUIESCED);
	ck_assert_int_eq(udrv_device_open("model:edu", NULL, &dev), 0);
	ck_assert_int_eq(ramdisk_init(&disk, NULL, "ram", &options), 0);
	ck_assert_int_eq(ramdisk_init(&second, NULL, "second", &options), 0);
	left.server = udrv__ublk_identity(udrv_device_name(dev), &second.block);
	fake_ublk_leave(&left, &left_params);
	if (_i)
		ck_assert_int_eq(udrv_block_add(&disk.block), 0);
	ck_assert_int_eq(start_exports(&x, dev), _i ? 0 : -ENOENT);
	ck_assert(fault_logged("/dev/ublkb9 was of a disk of model:edu that is not there any "
			       "more: removed"));
	ck_assert_uint_eq(fake_ublk.deletes, 1);
	ck_assert_uint_eq(fake_ublk.adds, (unsigned int)_i);
	udrv__exports_stop(&x);
	udrv_block_del(&disk.block);
	ramdisk_free(&second);
	ramdisk_free(&disk);
	udrv_device_close(dev);
}
END_TEST

/* It could be asked only by the path of its node: -EINVAL. */
START_TEST(a_device_of_an_unprivileged_user_is_left_alone)
{
	leave(UBLK_QUIESCED);
	fake_ublk_leave(&left, &left_params);
	fake_ublk.fail_op = UBLK_GET_DEV_INFO;
	fake_ublk.fail_errno = EINVAL;
	/* As far as it gets: the fake has room for one device. */
	fail_to_start(9, -EEXIST, "number 9 is taken");
	ck_assert(!fault_logged("cannot look"));
	ck_assert_uint_eq(fake_ublk.recoveries + fake_ublk.deletes, 0);
}
END_TEST

START_TEST(other_servers_devices_are_left_alone)
{
	leave(UBLK_QUIESCED);
	left.server = 0;
	fake_ublk_leave(&left, &left_params);
	fake_ublk.fail_op = UBLK_ADD_DEV;
	fake_ublk.fail_errno = EPERM;
	fail_to_start(-1, -EPERM, "refuses");
	ck_assert(fake_ublk.exists);
	ck_assert_uint_eq(fake_ublk.deletes, 0);
}
END_TEST

/* What becomes of the disk. */

START_TEST(a_new_size_is_told_where_the_kernel_takes_it)
{
	if (_i)
		fake_ublk.features |= UBLK_F_RESIZE;
	start();
	ck_assert_int_eq(udrv_block_resize(&disk.block, 2 << 20), 0);
	udrv__ublk_resize(ublk);
	ck_assert_uint_eq(fake_ublk.params.dev_sectors, _i ? 4096 : 8192);
	ck_assert(fault_logged(_i ? "ublkb3: 2 MiB now" : "cannot be told"));
	ck_assert_int_eq(ask(0, 0, UBLK_READ, 4095, 1, false), 512);
	ck_assert_int_eq(ask(0, 0, UBLK_READ, 4096, 1, false), -EIO);
	stop();
}
END_TEST

START_TEST(it_is_found_again_with_its_new_size)
{
	leave(UBLK_QUIESCED);
	options.size *= 2;
	left_params.dev_sectors *= 2;
	fake_ublk_leave(&left, &left_params);
	start();
	ck_assert_uint_eq(fake_ublk.recoveries, 1);
	stop();
}
END_TEST

START_TEST(a_disk_goes_and_another_comes)
{
	const struct udrv__export_options o = {.ublk = true, .ublk_id = -1};
	struct udrv__exports x;
	struct udrv_device *dev;
	struct pollfd p = {.events = POLLIN};

	ck_assert_int_eq(udrv_device_open("model:edu", NULL, &dev), 0);
	ck_assert_int_eq(ramdisk_init(&disk, NULL, "ram", &options), 0);
	ck_assert_int_eq(udrv_block_add(&disk.block), 0);
	ck_assert_int_eq(udrv__exports_start(&x, dev, &o), 0);
	p.fd = x.ended_fd;
	ck_assert(fake_ublk.exists);
	udrv_block_del(&disk.block);
	ck_assert(!fake_ublk.exists);
	ck_assert_uint_eq(disk.open_queues, 0);
	fake_ublk.fetch_errno = EINVAL;
	ck_assert_int_eq(udrv_block_add(&disk.block), 0);
	ck_assert(fault_logged("cannot be exported"));
	ck_assert(!fake_ublk.exists);
	udrv_block_del(&disk.block);
	ck_assert_int_eq(udrv_block_add(&disk.block), 0);
	ck_assert(fake_ublk.exists);
	ck_assert_uint_eq(fake_ublk.adds, 3);
	ck_assert_int_eq(ask(0, 0, UBLK_READ, 0, 1, false), 512);
	ck_assert_int_eq(poll(&p, 1, 0), 0); /* the daemon goes on */
	udrv__exports_stop(&x);
	ck_assert(!fake_ublk.exists);
	udrv_block_del(&disk.block);
	ramdisk_free(&disk);
	udrv_device_close(dev);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ublk_serve");
	TCase *tc = tcase_create("fake");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, the_kernel_is_told_what_the_disk_is);
	tcase_add_test(tc, threads_may_run_wherever_the_process_may);
	tcase_add_test(tc, a_number_may_be_asked_for);
	tcase_add_test(tc, what_is_not_there_is_explained);
	tcase_add_test(tc, an_old_ublk_is_too_old);
	tcase_add_test(tc, blocks_above_a_page_are_refused);
	tcase_add_test(tc, a_number_that_is_taken_leaves_nothing);
	tcase_add_loop_test(tc, what_the_kernel_refuses_later_is_deleted, 0, 2);
	tcase_add_test(tc, fetches_that_are_refused_end_the_start);
	tcase_add_test(tc, data_go_and_come_back);
	tcase_add_test(tc, a_flush_is_one);
	tcase_add_test(tc, fua_becomes_a_flush);
	tcase_add_loop_test(tc, many_at_once_are_all_done, 0, 6);
	tcase_add_test(tc, a_lone_request_wakes_the_thread);
	tcase_add_test(tc, errors_are_told);
	tcase_add_test(tc, a_device_that_is_gone_ends_all_and_the_end_does_not_wait);
	tcase_add_test(tc, the_end_waits_for_what_is_in_the_driver);
	tcase_add_test(tc, a_flush_has_its_time_whatever_becomes_of_the_clock);
	tcase_add_test(tc, who_removes_it_ends_the_export);
	tcase_add_test(tc, an_orderly_end_is_not_reported);
	tcase_add_test(tc, it_is_found_and_taken_over_as_it_is);
	tcase_add_test(tc, its_share_of_the_drivers_queues_does_not_tell_what_it_is);
	tcase_add_test(tc, without_its_queues_it_stays_as_it_is);
	tcase_add_test(tc, what_is_not_known_any_more_fails);
	tcase_add_test(tc, a_recovery_that_failed_can_be_tried_again);
	tcase_add_loop_test(tc, a_recovery_whose_daemon_was_killed_begins_anew, 0, 3);
	tcase_add_test(tc, what_was_taken_over_can_be_left_again);
	tcase_add_test(tc, a_start_that_fails_leaves_what_it_has_found);
	tcase_add_test(tc, a_half_made_one_is_removed);
	tcase_add_test(tc, another_disks_is_removed_when_nobody_has_it);
	tcase_add_test(tc, one_that_only_looks_like_it_is_another_disk);
	tcase_add_loop_test(tc, what_a_disk_has_left_that_is_gone_is_removed, 0, 2);
	tcase_add_test(tc, a_device_of_an_unprivileged_user_is_left_alone);
	tcase_add_test(tc, other_servers_devices_are_left_alone);
	tcase_add_loop_test(tc, a_new_size_is_told_where_the_kernel_takes_it, 0, 2);
	tcase_add_test(tc, it_is_found_again_with_its_new_size);
	tcase_add_test(tc, a_disk_goes_and_another_comes);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
