// SPDX-License-Identifier: MIT
/* Blocking requests of many threads to the queues of a block device. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <udrv/device.h>
#include <udrv/log.h>

#include "export/block_sync.h"
#include "export/export.h"

#include "support/ramdisk.h"
#include "support/suite.h"
#include "support/threads.h"

#define SIZE	(8u << 20)
#define THREADS 8
#define ROUNDS	40

static const struct ramdisk_options plain = RAMDISK_OPTIONS_DEFAULT;

static struct ramdisk disk;
static struct udrv__block_sync *sync_;

static void begin(struct ramdisk_options o, unsigned int queues)
{
	o.size = SIZE;
	ck_assert_int_eq(ramdisk_init(&disk, NULL, "ram", &o), 0);
	ck_assert_int_eq(udrv__block_sync_start(&disk.block, queues, &sync_), 0);
}

static void end(void)
{
	udrv__block_sync_stop(sync_);
	ck_assert_uint_eq(disk.open_queues, 0);
	ramdisk_free(&disk);
}

static int io(enum udrv_block_op op, uint32_t flags, uint64_t offset, uint64_t len, void *buf)
{
	return udrv__block_sync_io(sync_, op, flags, offset, len, buf);
}

static unsigned int next_random(unsigned int *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return *seed >> 8;
}

/* Each thread has a slice of its own, and knows what is in it. */
static void *use_slice(void *arg)
{
	const uint64_t slice = SIZE / THREADS;
	const uint64_t base = slice * (uint64_t)(uintptr_t)arg;
	unsigned int seed = (unsigned int)(uintptr_t)arg + 1;
	uint8_t *known = calloc(1, slice);
	uint8_t *buf = malloc(slice);
	intptr_t wrong = 0;

	for (int i = 0; i < ROUNDS && !wrong; i++) {
		uint64_t at = next_random(&seed) % (slice / 512) * 512;
		uint64_t len = (next_random(&seed) % (slice - at) / 512 + 1) * 512;

		len = len > slice - at ? slice - at : len;
		memset(known + at, (int)next_random(&seed), len);
		wrong = io(UDRV_BLOCK_WRITE, 0, base + at, len, known + at);
		if (!wrong)
			wrong = io(UDRV_BLOCK_READ, 0, base, slice, buf);
		if (!wrong && memcmp(known, buf, slice) != 0)
			wrong = 1;
	}
	free(known);
	free(buf);
	return (void *)wrong;
}

static void all_threads(void *(*fn)(void *))
{
	pthread_t threads[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		threads[i] = start(fn, (void *)i);
	for (uintptr_t i = 0; i < THREADS; i++)
		ck_assert_int_eq((intptr_t)finish(threads[i]), 0);
}

/* Requests are longer than the device takes, and there are more than its queues take. */
START_TEST(what_threads_write_they_read)
{
	static const struct {
		unsigned int queues, depth, latency_us;
		uint32_t most;
		bool no_event;
	} ways[] = {
		{4, 128, 0, 256 << 10, false}, {1, 1, 0, 64 << 10, false},
		{2, 3, 0, 16 << 10, true},     {2, 4, 20, 128 << 10, false},
		{1, 64, 5, 256 << 10, true},
	};
	struct ramdisk_options o = plain;

	o.latency_us = ways[_i].latency_us;
	o.depth = ways[_i].depth;
	o.max_transfer = ways[_i].most;
	o.no_event = ways[_i].no_event;
	begin(o, ways[_i].queues);
	all_threads(use_slice);
	end();
}
END_TEST

START_TEST(what_a_flush_is_needed_for)
{
	static char data[1 << 20];
	const bool cache = _i & 1;
	const bool fua = _i & 2;
	struct ramdisk_options o = plain;

	o.cache = cache;
	o.fua = fua;
	begin(o, 2);
	ck_assert_int_eq(io(UDRV_BLOCK_WRITE, 0, 0, sizeof(data), data), 0);
	ck_assert_uint_eq(disk.flushes, 0);
	ck_assert_int_eq(io(UDRV_BLOCK_WRITE, UDRV_BLOCK_FUA, 0, sizeof(data), data), 0);
	ck_assert_int_eq(io(UDRV_BLOCK_WRITE_ZEROES, UDRV_BLOCK_FUA, 0, 512, NULL), 0);
	ck_assert_uint_eq(disk.flushes, cache && !fua ? 2 : 0);
	ck_assert_int_eq(io(UDRV_BLOCK_READ, UDRV_BLOCK_FUA, 0, 512, data), 0);
	ck_assert_uint_eq(disk.flushes, cache && !fua ? 2 : 0);
	/* Discards are never of that kind. */
	ck_assert_int_eq(io(UDRV_BLOCK_DISCARD, UDRV_BLOCK_FUA, 0, 4096, NULL), 0);
	ck_assert_uint_eq(disk.flushes, cache ? (fua ? 1 : 3) : 0);
	ck_assert_int_eq(io(UDRV_BLOCK_FLUSH, 0, 0, 0, NULL), 0);
	ck_assert_uint_eq(disk.flushes, cache ? (fua ? 2 : 4) : 0);
	end();
}
END_TEST

START_TEST(requests_that_the_device_must_not_see)
{
	static char data[4096];
	struct ramdisk_options o = plain;

	o.block_size = 4096;
	begin(o, 1);
	ck_assert_int_eq(io(UDRV_BLOCK_READ, 0, 512, 4096, data), -EINVAL);
	ck_assert_int_eq(io(UDRV_BLOCK_WRITE, 0, 0, 512, data), -EINVAL);
	ck_assert_int_eq(io(UDRV_BLOCK_FLUSH, 0, 0, 4096, NULL), -EINVAL);
	ck_assert_int_eq(io(UDRV_BLOCK_READ, 0, SIZE, 4096, data), -EIO);
	ck_assert_int_eq(io(UDRV_BLOCK_WRITE, 0, SIZE, 4096, data), -ENOSPC);
	ck_assert_int_eq(io(UDRV_BLOCK_WRITE, 0, UINT64_MAX - 4095, 4096, data), -ENOSPC);
	ck_assert_int_eq(io(UDRV_BLOCK_DISCARD, 0, 4096, UINT64_MAX - 4095, NULL), -ENOSPC);
	ck_assert_int_eq(io(UDRV_BLOCK_READ, 0, 0, 0, data), 0);
	ck_assert_uint_eq(disk.requests, 0);
	ck_assert_int_eq(io(UDRV_BLOCK_WRITE, 0, SIZE - 4096, 4096, data), 0);
	end();

	o.read_only = true;
	o.no_discard = true;
	begin(o, 1);
	ck_assert_int_eq(io(UDRV_BLOCK_WRITE, 0, 0, 4096, data), -EROFS);
	end();
	o.read_only = false;
	begin(o, 1);
	ck_assert_int_eq(io(UDRV_BLOCK_DISCARD, 0, 0, 4096, NULL), -EOPNOTSUPP);
	ck_assert_int_eq(io(UDRV_BLOCK_WRITE_ZEROES, 0, 0, 4096, NULL), -EOPNOTSUPP);
	ck_assert_uint_eq(disk.requests, 0);
	end();
}
END_TEST

START_TEST(discards_and_zeroes_of_any_length)
{
	static uint8_t data[SIZE];

	begin(plain, 1);
	/* Exported anew, with limits that do not change after that. */
	udrv__block_sync_stop(sync_);
	disk.block.limits.max_discard = 1 << 20;
	disk.block.limits.max_write_zeroes = 512;
	ck_assert_int_eq(udrv__block_sync_start(&disk.block, 1, &sync_), 0);
	memset(data, 7, sizeof(data));
	ck_assert_int_eq(io(UDRV_BLOCK_WRITE, 0, 0, SIZE, data), 0);
	ck_assert_uint_eq(disk.requests, SIZE / plain.max_transfer);
	ck_assert_int_eq(io(UDRV_BLOCK_DISCARD, 0, 512, 3 << 20, NULL), 0);
	ck_assert_uint_eq(disk.requests, SIZE / plain.max_transfer + 3);
	ck_assert_int_eq(io(UDRV_BLOCK_WRITE_ZEROES, UDRV_BLOCK_NOUNMAP, SIZE - 5120, 4608, NULL),
			 0);
	ck_assert_uint_eq(disk.requests, SIZE / plain.max_transfer + 3 + 9);
	ck_assert_int_eq(io(UDRV_BLOCK_READ, 0, 0, SIZE, data), 0);
	ck_assert_uint_eq(data[511], 7);
	ck_assert_uint_eq(data[512], 0);
	ck_assert_uint_eq(data[511 + (3 << 20)], 0);
	ck_assert_uint_eq(data[512 + (3 << 20)], 7);
	ck_assert_uint_eq(data[SIZE - 5121], 7);
	ck_assert_uint_eq(data[SIZE - 5120], 0);
	ck_assert_uint_eq(data[SIZE - 513], 0);
	ck_assert_uint_eq(data[SIZE - 512], 7);
	end();
}
END_TEST

START_TEST(one_part_that_fails_fails_the_request)
{
	static uint8_t data[1 << 20];
	struct ramdisk_options o = plain;

	o.fail_every = 3;
	o.latency_us = (unsigned int)_i;
	begin(o, 1);
	ck_assert_int_eq(io(UDRV_BLOCK_READ, 0, 0, sizeof(data), data), -EIO);
	end();
	o.fail_every = 2;
	begin(o, 1);
	ck_assert_int_eq(io(UDRV_BLOCK_READ, 0, 0, 512, data), 0);
	ck_assert_int_eq(io(UDRV_BLOCK_READ, 0, 0, 512, data), -EIO);
	ck_assert_int_eq(io(UDRV_BLOCK_READ, 0, 0, 512, data), 0);
	end();
}
END_TEST

static void *read_until_gone(void *arg)
{
	uint8_t data[4096];
	int ret = 0;

	(void)arg;
	while (!ret)
		ret = io(UDRV_BLOCK_READ, 0, 0, sizeof(data), data);
	return (void *)(intptr_t)(ret == -ENODEV ? 0 : ret);
}

START_TEST(a_device_that_goes_ends_all)
{
	struct ramdisk_options o = plain;

	o.gone_after = 500;
	o.latency_us = (unsigned int)_i;
	begin(o, 2);
	all_threads(read_until_gone);
	end();
}
END_TEST

START_TEST(queues_that_cannot_be_opened_are_done_without)
{
	char data[512];
	struct ramdisk_options o = plain;

	o.queues = 2;
	o.size = SIZE;
	ck_assert_int_eq(ramdisk_init(&disk, NULL, "ram", &o), 0);
	disk.block.limits.max_queues = 8;
	ck_assert_int_eq(udrv__block_sync_start(&disk.block, 100, &sync_), 0);
	ck_assert_uint_eq(get(disk.open_queues), 2);
	ck_assert_int_eq(io(UDRV_BLOCK_READ, 0, 0, sizeof(data), data), 0);
	udrv__block_sync_stop(sync_);
	disk.o.queues = 0;
	sync_ = NULL;
	ck_assert_int_eq(udrv__block_sync_start(&disk.block, 100, &sync_), -EINVAL);
	ck_assert_ptr_null(sync_);
	ramdisk_free(&disk);
}
END_TEST

/*
 * A device whose requests at offset 0 wait until they may end, and then do in the order in which
 * they did not come. It takes no request at its first offer.
 */

static struct udrv_block_request *held[THREADS];
static int held_count;
static int may_end;
static int offers;

static int odd_open(struct udrv_block *block, unsigned int index, void **queue_out)
{
	(void)index;
	*queue_out = block;
	return 0;
}

static void odd_close(void *queue)
{
	(void)queue;
}

static int odd_rq(void *queue, struct udrv_block_request *rq)
{
	(void)queue;
	if (++offers % 2)
		return -EAGAIN;
	if (rq->offset)
		rq->done(rq, 0); /* at once */
	else
		held[__atomic_fetch_add(&held_count, 1, __ATOMIC_SEQ_CST)] = rq;
	return 0;
}

static void odd_commit(void *queue)
{
	(void)queue;
}

static int odd_poll(void *queue)
{
	int n = 0;

	(void)queue;
	while (get(may_end) && held_count) {
		struct udrv_block_request *rq = held[held_count - 1];

		__atomic_sub_fetch(&held_count, 1, __ATOMIC_SEQ_CST);
		rq->done(rq, 0);
		n++;
	}
	return n;
}

static const struct udrv_block_ops odd_ops = {
	.queue_open = odd_open,
	.queue_close = odd_close,
	.queue_rq = odd_rq,
	.commit_rqs = odd_commit,
	.poll = odd_poll,
};

static struct udrv_block odd = {
	.name = "odd",
	.limits = {.size = SIZE,
		   .logical_block_size = 512,
		   .physical_block_size = 512,
		   .max_transfer = 4096,
		   .max_queues = 1,
		   .queue_depth = THREADS},
	.ops = &odd_ops,
};

static void *read_first(void *arg)
{
	char data[512];

	(void)arg;
	return (void *)(intptr_t)io(UDRV_BLOCK_READ, 0, 0, sizeof(data), data);
}

static void *stop_it(void *arg)
{
	udrv__block_sync_stop(sync_);
	return arg;
}

START_TEST(a_stop_waits_for_what_is_under_way)
{
	pthread_t readers[THREADS];
	pthread_t stopper;
	char data[512];
	int ret;

	ck_assert_int_eq(udrv__block_sync_start(&odd, 1, &sync_), 0);
	for (int i = 0; i < THREADS; i++)
		readers[i] = start(read_first, NULL);
	until(get(held_count) == THREADS);
	set(may_end, 1);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq((intptr_t)finish(readers[i]), 0);
	set(may_end, 0);

	readers[0] = start(read_first, NULL);
	until(get(held_count) == 1);
	stopper = start(stop_it, NULL);
	while (!(ret = io(UDRV_BLOCK_READ, 0, 512, sizeof(data), data)))
		;
	ck_assert_int_eq(ret, -ESHUTDOWN);
	ck_assert_int_eq(get(held_count), 1);
	set(may_end, 1);
	ck_assert_int_eq((intptr_t)finish(readers[0]), 0);
	finish(stopper);
}
END_TEST

/* Disks that come, change and go while others are exported. */

static struct udrv_device *dev;
static struct udrv__exports exports;
static struct ramdisk second;

static void export(void)
{
	const struct udrv__export_options o = {.nbd = "here", .ublk_id = -1};

	ck_assert_int_eq(udrv_device_open("model:edu", NULL, &dev), 0);
	ck_assert_int_eq(ramdisk_init(&disk, NULL, "ram", &plain), 0);
	ck_assert_int_eq(ramdisk_init(&second, NULL, "ram-2", &plain), 0);
	ck_assert_int_eq(udrv_block_add(&disk.block), 0);
	ck_assert_int_eq(udrv__exports_start(&exports, dev, &o), 0);
	ck_assert_ptr_eq(exports.block[0], &disk.block);
	sync_ = exports.nbd[0];
}

static void end_export(void)
{
	udrv__exports_stop(&exports);
	udrv_block_del(&disk.block);
	ck_assert_uint_eq(disk.open_queues + second.open_queues, 0);
	ramdisk_free(&disk);
	ramdisk_free(&second);
	udrv_device_close(dev);
}

START_TEST(a_disk_that_comes_later_is_exported)
{
	uint8_t data[512];

	export();
	ck_assert_int_eq(udrv_block_add(&second.block), 0);
	ck_assert_uint_eq(exports.count, 2);
	ck_assert_ptr_eq(exports.block[1], &second.block);
	sync_ = exports.nbd[1];
	ck_assert_int_eq(io(UDRV_BLOCK_READ, 0, 0, 512, data), 0);
	ck_assert_uint_eq(second.requests, 1);
	ck_assert_int_eq(udrv_block_add(&second.block), -EEXIST);
	udrv_block_del(&second.block);
	ck_assert_uint_eq(second.open_queues, 0);
	end_export();
	/* Nobody follows any more. */
	ck_assert_int_eq(ramdisk_init(&second, NULL, "ram-2", &plain), 0);
	ck_assert_int_eq(udrv_block_add(&second.block), 0);
	ck_assert_uint_eq(second.open_queues, 0);
	udrv_block_del(&second.block);
	ramdisk_free(&second);
}
END_TEST

static void *resize_on(void *stop)
{
	for (uint64_t size = plain.size; !get(*(bool *)stop); size ^= plain.size ^ plain.size / 2)
		ck_assert_int_eq(udrv_block_resize(&second.block, size), 0);
	return NULL;
}

START_TEST(a_disk_is_resized_while_it_comes_and_goes)
{
	pthread_t thread;
	bool stop = false;

	ck_assert_int_eq(ramdisk_init(&second, NULL, "ram-2", &plain), 0);
	thread = start(resize_on, &stop);
	for (int i = 0; i < 10000; i++) {
		ck_assert_int_eq(udrv_block_add(&second.block), 0);
		udrv_block_del(&second.block);
	}
	set(stop, true);
	finish(thread);
	ramdisk_free(&second);
}
END_TEST

START_TEST(a_disk_that_goes_fails_for_who_has_it)
{
	struct udrv__block_sync *mine;
	uint8_t data[512];

	export();
	mine = sync_;
	udrv__block_sync_hold(mine);
	udrv_block_del(&disk.block);
	ck_assert_ptr_null(exports.nbd[0]);
	ck_assert_uint_eq(disk.open_queues, 0);
	ck_assert_int_eq(io(UDRV_BLOCK_READ, 0, 0, 512, data), -ESHUTDOWN);
	ck_assert_int_eq(io(UDRV_BLOCK_FLUSH, 0, 0, 0, NULL), -ESHUTDOWN);
	ck_assert_str_eq(udrv__block_sync_block(mine)->name, "ram");
	/* Its place is taken by the next one. */
	ck_assert_int_eq(udrv_block_add(&second.block), 0);
	ck_assert_ptr_eq(exports.block[0], &second.block);
	udrv__block_sync_release(mine);
	udrv_block_del(&second.block);
	end_export();
}
END_TEST

START_TEST(a_disk_that_grows_and_shrinks_is_used_as_it_is)
{
	uint8_t data[512];

	export();
	ck_assert_int_eq(udrv_block_resize(&disk.block, plain.size / 2), 0);
	ck_assert_uint_eq(udrv__block_sync_block(sync_)->limits.size, plain.size / 2);
	ck_assert_int_eq(io(UDRV_BLOCK_READ, 0, plain.size / 2, 512, data), -EIO);
	ck_assert_int_eq(udrv_block_resize(&disk.block, plain.size), 0);
	ck_assert_int_eq(io(UDRV_BLOCK_READ, 0, plain.size / 2, 512, data), 0);
	ck_assert_int_eq(udrv_block_resize(&disk.block, 0), -EINVAL);
	ck_assert_int_eq(udrv_block_resize(&disk.block, 700), -EINVAL);
	ck_assert_uint_eq(udrv__block_sync_block(sync_)->limits.size, plain.size);
	end_export();
}
END_TEST

/* Requests of several threads while it goes: each is done or refused. */
static void *read_until_it_goes(void *arg)
{
	uint8_t data[4096];
	int ret;

	(void)arg;
	do {
		ret = io(UDRV_BLOCK_READ, 0, 0, sizeof(data), data);
	} while (!ret);
	udrv__block_sync_release(sync_);
	return (void *)(intptr_t)ret;
}

START_TEST(a_disk_goes_under_requests)
{
	pthread_t threads[4];
	void *ret;

	export();
	for (unsigned int i = 0; i < 4; i++) {
		udrv__block_sync_hold(sync_);
		ck_assert_int_eq(pthread_create(&threads[i], NULL, read_until_it_goes, NULL), 0);
	}
	while (__atomic_load_n(&disk.requests, __ATOMIC_RELAXED) < 100)
		sched_yield();
	udrv_block_del(&disk.block);
	for (unsigned int i = 0; i < 4; i++) {
		ck_assert_int_eq(pthread_join(threads[i], &ret), 0);
		ck_assert_int_eq((intptr_t)ret, -ESHUTDOWN);
	}
	end_export();
}
END_TEST

/* The same with an eventfd: as many end as may, the oldest first. */

static int event = -1;
static int ended;

static int one_poll(void *queue)
{
	int n = 0;

	(void)queue;
	while (ended < get(may_end)) {
		struct udrv_block_request *rq = held[ended++];

		rq->done(rq, 0);
		n++;
	}
	return n;
}

static int one_rq(void *queue, struct udrv_block_request *rq)
{
	(void)queue;
	held[held_count] = rq;
	__atomic_fetch_add(&held_count, 1, __ATOMIC_SEQ_CST);
	return 0;
}

static int one_event(void *queue)
{
	(void)queue;
	return event;
}

static bool one_arm(void *queue)
{
	eventfd_t count;

	(void)queue;
	(void)eventfd_read(event, &count);
	return ended < get(may_end);
}

static const struct udrv_block_ops one_ops = {
	.queue_open = odd_open,
	.queue_close = odd_close,
	.queue_rq = one_rq,
	.commit_rqs = odd_commit,
	.poll = one_poll,
	.event_fd = one_event,
	.event_arm = one_arm,
};

static int returned;

static void *read_and_say(void *arg)
{
	void *ret = read_first(arg);

	__atomic_fetch_add(&returned, 1, __ATOMIC_SEQ_CST);
	return ret;
}

/* The oldest is the one whose thread polls. */
START_TEST(who_has_its_own_leaves_the_polling_to_another)
{
	pthread_t readers[THREADS];

	event = eventfd(0, EFD_NONBLOCK);
	ck_assert_int_ge(event, 0);
	odd.ops = &one_ops;
	ck_assert_int_eq(udrv__block_sync_start(&odd, 1, &sync_), 0);
	for (int i = 0; i < THREADS; i++) {
		readers[i] = start(read_and_say, NULL);
		until(get(held_count) == i + 1);
	}
	for (int i = 0; i < THREADS; i++) {
		set(may_end, i + 1);
		ck_assert_int_eq(eventfd_write(event, 1), 0);
		until(get(returned) == i + 1);
	}
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq((intptr_t)finish(readers[i]), 0);
	udrv__block_sync_stop(sync_);
	close(event);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("block_sync");
	TCase *tc = tcase_create("requests");

	udrv_log_set(NULL, NULL, UDRV_LOG_ERR);
	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc, what_threads_write_they_read, 0, 5);
	tcase_add_loop_test(tc, what_a_flush_is_needed_for, 0, 4);
	tcase_add_test(tc, requests_that_the_device_must_not_see);
	tcase_add_test(tc, discards_and_zeroes_of_any_length);
	tcase_add_loop_test(tc, one_part_that_fails_fails_the_request, 0, 2);
	tcase_add_loop_test(tc, a_device_that_goes_ends_all, 0, 2);
	tcase_add_test(tc, queues_that_cannot_be_opened_are_done_without);
	tcase_add_test(tc, a_stop_waits_for_what_is_under_way);
	tcase_add_test(tc, a_disk_that_comes_later_is_exported);
	tcase_add_test(tc, a_disk_is_resized_while_it_comes_and_goes);
	tcase_add_test(tc, a_disk_that_goes_fails_for_who_has_it);
	tcase_add_test(tc, a_disk_that_grows_and_shrinks_is_used_as_it_is);
	tcase_add_test(tc, a_disk_goes_under_requests);
	tcase_add_test(tc, who_has_its_own_leaves_the_polling_to_another);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
