// SPDX-License-Identifier: MIT
/* The NVMe driver's disks on the software controller: what they can, and what becomes of them. */
#include <ctype.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include <udrv/completion.h>
#include <udrv/delay.h>
#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/jiffies.h>
#include <udrv/ktime.h>
#include <udrv/log.h>
#include <udrv/pci.h>

#include "backend/model.h"
#include "backend/model_nvme.h"
#include "export/block_sync.h"
#include "export/export.h"
#include "export/watch.h"
#include "nvme_driver.h"

#include "support/suite.h"

#define SOON_MS 60000
#define GIB	((uint32_t)1 << 30)

/* Identify Namespace and Controller: 5.15.2.1, 5.15.2.2. */
enum { NSFEAT = 24, DLFEAT = 33, NAWUPF = 36, NABO = 42, NABSPF = 44, NGUID = 104, EUI64 = 120 };
enum { LBADS = 130 };
enum { NPWG = 64, NPDG = 68, NOWS = 72, MDTS = 77, ONCS = 520, AWUPF = 528 };

static struct udrv_device *dev;
static struct udrv__model_nvme_config config;

/* Of what is logged. */
static struct udrv_completion logged;
static const char *awaited; /* atomic */

static void look_at_line(void *ctx, int level, const char *line)
{
	const char *part = __atomic_load_n(&awaited, __ATOMIC_ACQUIRE);

	(void)ctx;
	(void)level;
	if (part && strstr(line, part))
		udrv_complete(&logged);
}

static void await_line(const char *part)
{
	ck_assert_msg(udrv_wait_for_completion_timeout(&logged, SOON_MS * UDRV_HZ / 1000) > 0, "%s",
		      part);
	__atomic_store_n(&awaited, NULL, __ATOMIC_RELEASE);
}

static void expect_line(const char *part)
{
	udrv_reinit_completion(&logged);
	__atomic_store_n(&awaited, part, __ATOMIC_RELEASE);
}

static void set_param(const char *name, const char *value)
{
	const struct udrv_param *p = nvme_driver.params;

	while (strcmp(p->name, name) != 0)
		p++;
	*p->value = value;
}

static void setup(void)
{
	set_param("queues", "8");
	set_param("io_timeout_ms", "30000");
	udrv_init_completion(NULL, &logged);
	udrv_log_set(look_at_line, NULL, UDRV_LOG_NOTICE);
	ck_assert_int_eq(udrv_device_open("model:nvme", NULL, &dev), 0);
	udrv__model_nvme_get_config(dev, &config);
}

static void teardown(void)
{
	udrv_device_close(dev);
}

static void remove_driver(void)
{
	udrv_driver_remove(&nvme_driver, dev);
	ck_assert_ptr_null(udrv_block_next(NULL));
}

/* With the configuration as it is now; the disk of namespace 1. */
static struct udrv_block *probe(void)
{
	struct udrv_block *block = NULL;

	ck_assert_int_eq(udrv__model_nvme_set_config(dev, &config), 0);
	ck_assert_int_eq(udrv_driver_probe(&nvme_driver, dev), 0);
	while ((block = udrv_block_next(block)))
		if (!strcmp(block->name, "nvme-n1"))
			return block;
	ck_abort_msg("there is no disk");
	return NULL;
}

static void ns_says(unsigned int offset, unsigned int size, uint64_t value)
{
	ck_assert_int_eq(udrv__model_nvme_say(dev, NVME_CNS_NS, offset, size, value), 0);
}

static void ctrl_says(unsigned int offset, unsigned int size, uint64_t value)
{
	ck_assert_int_eq(udrv__model_nvme_say(dev, NVME_CNS_CTRL, offset, size, value), 0);
}

/* A request, and what came of it. */
struct asked {
	struct udrv_block_request rq;
	unsigned int calls;
	int result;
};

static void request_done(struct udrv_block_request *rq, int result)
{
	struct asked *a = (struct asked *)(void *)rq;

	a->calls++;
	a->result = result;
}

/* What a queue of its own says to it. */
static int ask(struct udrv_block *block, struct asked *a)
{
	void *q = NULL;
	int ret;

	a->rq.done = request_done;
	a->calls = 0;
	ck_assert_int_eq(block->ops->queue_open(block, 0, &q), 0);
	ret = block->ops->queue_rq(q, &a->rq);
	block->ops->commit_rqs(q);
	while (!ret && !a->calls)
		(void)block->ops->poll(q);
	block->ops->queue_close(q);
	ck_assert_uint_eq(a->calls, !ret);
	return ret ? ret : a->result;
}

static int ask_for(struct udrv_block *block, enum udrv_block_op op, uint32_t flags, uint32_t len,
		   void *buf)
{
	struct asked a = {.rq = {.op = op, .flags = flags, .len = len, .buf = buf}};

	return ask(block, &a);
}

/* The last block of so many bytes is zero after the operation. */
static void zeroes_to_the_end(struct udrv_block *block, enum udrv_block_op op, uint32_t len)
{
	udrv_iova_t iova;
	unsigned char *buf = udrv_dma_alloc_coherent(dev, 4096, &iova, UDRV_GFP_KERNEL);
	const uint32_t unit = block->limits.logical_block_size;
	struct asked a = {.rq = {.op = UDRV_BLOCK_WRITE, .len = unit, .buf = buf}};

	ck_assert_uint_le(unit, 4096);
	memset(buf, 0xa5, unit);
	a.rq.offset = len - unit;
	ck_assert_int_eq(ask(block, &a), 0);
	ck_assert_int_eq(ask_for(block, op, 0, len, NULL), 0);
	a.rq.op = UDRV_BLOCK_READ;
	ck_assert_int_eq(ask(block, &a), 0);
	for (uint32_t i = 0; i < unit; i++)
		ck_assert_uint_eq(buf[i], 0);
	udrv_dma_free_coherent(dev, 4096, buf, iova);
}

START_TEST(limits_of_a_controller_that_says_little)
{
	const struct udrv_block_limits *l = &probe()->limits;

	ck_assert_uint_eq(l->logical_block_size, 512);
	ck_assert_uint_eq(l->physical_block_size, 512);
	ck_assert_uint_eq(l->io_min, 512);
	ck_assert_uint_eq(l->io_opt, 0);
	ck_assert_uint_eq(l->discard_granularity, 512);
	ck_assert_uint_eq(l->max_discard, GIB);
	ck_assert_uint_eq(l->max_write_zeroes, l->max_transfer);
	ck_assert_uint_eq(l->queue_depth, 255);
	ck_assert_uint_eq(l->max_queues, 2);
	remove_driver();
}
END_TEST

START_TEST(what_is_not_there_has_no_limits)
{
	const struct udrv_block_limits *l;

	ctrl_says(ONCS, 2, 0);
	l = &probe()->limits;
	ck_assert_uint_eq(l->max_discard, 0);
	ck_assert_uint_eq(l->discard_granularity, 0);
	ck_assert_uint_eq(l->max_write_zeroes, 0);
	remove_driver();
}
END_TEST

/* The software controller leaves longer ranges as they are, as QEMU's does. */
START_TEST(a_discard_is_no_longer_than_the_controller_takes)
{
	struct udrv_block *block;

	config.command_sets = true;
	config.dmrsl = 2048;
	block = probe();
	ck_assert_uint_eq(block->limits.max_discard, 2048 * 512);
	zeroes_to_the_end(block, UDRV_BLOCK_DISCARD, block->limits.max_discard);
	remove_driver();
}
END_TEST

START_TEST(a_discard_without_a_limit)
{
	config.command_sets = true;
	ck_assert_uint_eq(probe()->limits.max_discard, UINT32_MAX - 511);
	remove_driver();
}
END_TEST

START_TEST(zeroes_are_no_more_than_the_controller_takes)
{
	struct udrv_block *block;

	config.command_sets = true;
	config.wzsl = 3;
	block = probe();
	ck_assert_uint_eq(block->limits.max_write_zeroes, 4096 << 3);
	zeroes_to_the_end(block, UDRV_BLOCK_WRITE_ZEROES, block->limits.max_write_zeroes);
	/* The limit is the controller's. */
	ck_assert_int_eq(ask_for(block, UDRV_BLOCK_WRITE_ZEROES, 0, (4096 << 3) + 512, NULL),
			 -EINVAL);
	remove_driver();
	/* More than a command can say. */
	config.wzsl = 16;
	ck_assert_uint_eq(probe()->limits.max_write_zeroes, NVME_RW_BLOCKS_MAX * 512);
	remove_driver();
}
END_TEST

START_TEST(zeroes_that_are_as_many_as_a_write_without_a_limit)
{
	config.command_sets = true;
	config.mdts = 3;
	ck_assert_uint_eq(probe()->limits.max_write_zeroes, 4096 << 3);
	remove_driver();
}
END_TEST

START_TEST(deallocating_zeroes_is_asked_for_where_it_is_known)
{
	struct udrv_block *block;

	/* The controller refuses it: first it says so, then it does not. */
	config.no_deac = true;
	block = probe();
	zeroes_to_the_end(block, UDRV_BLOCK_WRITE_ZEROES, 4096);
	remove_driver();
	ns_says(DLFEAT, 1, NVME_DLFEAT_WZ_DEALLOCATES); /* and reads as who knows what */
	block = probe();
	zeroes_to_the_end(block, UDRV_BLOCK_WRITE_ZEROES, 4096);
	remove_driver();
	ns_says(DLFEAT, 1, NVME_DLFEAT_WZ_DEALLOCATES | NVME_DLFEAT_READ_ZEROES);
	block = probe();
	ck_assert_int_eq(ask_for(block, UDRV_BLOCK_WRITE_ZEROES, 0, 4096, NULL), -EINVAL);
	ck_assert_int_eq(ask_for(block, UDRV_BLOCK_WRITE_ZEROES, UDRV_BLOCK_NOUNMAP, 4096, NULL),
			 0);
	remove_driver();
}
END_TEST

/* All in blocks; 0's based as they are said. */
static const struct {
	unsigned int npwg, awupf, nawupf, nabo, nabspf;
	uint32_t physical, io_min; /* not 0's based */
} blocks_of[] = {
	{7, 0, 0, 0, 0, 1, 8},		     /* it is not atomic */
	{7, 7, 0, 0, 0, 8, 8},		     /* it is */
	{7, 255, 0, 0, 0, 8, 8},	     /* more than is preferred */
	{0, 255, 0, 0, 0, 1, 1},	     /* none is preferred */
	{15, 0, 3, 0, 0, 4, 16},	     /* the namespace's own */
	{15, 6, 0, 0, 0, 4, 16},	     /* no power of two */
	{5, 255, 0, 0, 0, 2, 6},	     /* nor is that */
	{15, 15, 0, 1, 0, 1, 16},	     /* not at its own multiples */
	{15, 15, 0, 0, 3, 4, 16},	     /* never across borders of 4 blocks */
	{65535, 65535, 0, 0, 0, 128, 65536}, /* 64 KiB are as large as it gets */
};

START_TEST(a_physical_block_is_what_is_never_torn)
{
	const struct udrv_block_limits *l;

	ns_says(NSFEAT, 1, NVME_NSFEAT_OPTPERF | NVME_NSFEAT_ATOMICS);
	ns_says(NPWG, 2, blocks_of[_i].npwg);
	ctrl_says(AWUPF, 2, blocks_of[_i].awupf);
	ns_says(NAWUPF, 2, blocks_of[_i].nawupf);
	ns_says(NABO, 2, blocks_of[_i].nabo);
	ns_says(NABSPF, 2, blocks_of[_i].nabspf);
	ns_says(NOWS, 2, 31);
	l = &probe()->limits;
	ck_assert_uint_eq(l->physical_block_size, blocks_of[_i].physical * 512);
	ck_assert_uint_eq(l->io_min, blocks_of[_i].io_min * 512);
	ck_assert_uint_eq(l->io_opt, 32 * 512 % l->physical_block_size ? 0 : 32 * 512);
	remove_driver();
}
END_TEST

START_TEST(preferences_that_are_too_large_do_not_become_zero)
{
	const struct udrv_block_limits *l;

	ns_says(LBADS, 1, 16); /* blocks of 64 KiB */
	ns_says(NSFEAT, 1, NVME_NSFEAT_OPTPERF);
	ns_says(NPWG, 2, 65535);
	ns_says(NPDG, 2, 65535);
	ns_says(NOWS, 2, 65535);
	l = &probe()->limits;
	ck_assert_uint_eq(l->logical_block_size, 65536);
	ck_assert_uint_eq(l->physical_block_size, 65536);
	ck_assert_uint_eq(l->io_min, UINT32_MAX - 65535);
	ck_assert_uint_eq(l->io_opt, UINT32_MAX - 65535);
	ck_assert_uint_eq(l->discard_granularity, UINT32_MAX - 65535);
	ck_assert_uint_eq(l->max_discard, GIB);
	remove_driver();
}
END_TEST

START_TEST(a_queue_takes_as_many_as_it_says)
{
	static const struct {
		uint32_t entries, depth;
	} queues[] = {{1024, 255}, {16, 15}, {100, 63}, {2, 1}};
	static struct asked asked[256];
	struct udrv_block *block;
	unsigned int n = 0;
	void *q = NULL;

	config.queue_entries = queues[_i].entries;
	block = probe();
	ck_assert_uint_eq(block->limits.queue_depth, queues[_i].depth);
	ck_assert_int_eq(block->ops->queue_open(block, 0, &q), 0);
	udrv__model_nvme_pause(dev, true);
	for (; n < queues[_i].depth; n++) {
		asked[n].rq.op = UDRV_BLOCK_FLUSH;
		asked[n].rq.done = request_done;
		ck_assert_int_eq(block->ops->queue_rq(q, &asked[n].rq), 0);
	}
	asked[n].rq.op = UDRV_BLOCK_FLUSH;
	ck_assert_int_eq(block->ops->queue_rq(q, &asked[n].rq), -EAGAIN);
	udrv__model_nvme_pause(dev, false);
	block->ops->commit_rqs(q);
	while (n)
		n -= (unsigned int)block->ops->poll(q);
	block->ops->queue_close(q);
	remove_driver();
}
END_TEST

static void swallow_all(uint16_t qid, bool comes_back)
{
	const struct udrv__model_nvme_switches switches = {.abort_is_lost = true,
							   .never_ready = !comes_back};
	const struct udrv__model_nvme_fault fault = {
		.kind = UDRV__MODEL_NVME_SWALLOW, .qid = qid, .any_opcode = true};

	udrv__model_nvme_set_switches(dev, &switches);
	ck_assert_int_eq(udrv__model_nvme_inject(dev, &fault), 0);
}

/* _i: it comes back from the resets that this takes. */
START_TEST(requests_to_a_silent_controller_end)
{
	struct asked asked[] = {{.rq = {.op = UDRV_BLOCK_READ, .len = 4096}},
				{.rq = {.op = UDRV_BLOCK_WRITE, .len = 4096}},
				{.rq = {.op = UDRV_BLOCK_FLUSH}},
				{.rq = {.op = UDRV_BLOCK_DISCARD, .len = 4096}},
				{.rq = {.op = UDRV_BLOCK_WRITE_ZEROES, .len = 4096}}};
	struct asked next = {.rq = {.op = UDRV_BLOCK_FLUSH, .done = request_done}};
	const size_t count = sizeof(asked) / sizeof(asked[0]);
	const struct udrv_block_ops *ops;
	struct udrv_block *block;
	udrv_iova_t iova;
	void *q = NULL;

	set_param("io_timeout_ms", "100");
	block = probe();
	ops = block->ops;
	ck_assert_int_eq(ops->queue_open(block, 0, &q), 0);
	swallow_all(1, _i);
	for (size_t i = 0; i < count; i++) {
		asked[i].rq.done = request_done;
		asked[i].rq.buf = udrv_dma_alloc_coherent(dev, 4096, &iova, UDRV_GFP_KERNEL);
		ck_assert_int_eq(ops->queue_rq(q, &asked[i].rq), 0);
	}
	ops->commit_rqs(q);
	for (size_t i = 0; i < count; i++) {
		while (!asked[i].calls)
			(void)ops->poll(q);
		ck_assert_uint_eq(asked[i].calls, 1);
		ck_assert_int_eq(asked[i].result, -EIO);
	}
	udrv__model_nvme_heal(dev);
	ck_assert_int_eq(ops->queue_rq(q, &next.rq), _i ? 0 : -EIO);
	ops->commit_rqs(q);
	while (_i && !next.calls)
		(void)ops->poll(q);
	ck_assert_int_eq(next.result, 0);
	ops->queue_close(q);
	remove_driver();
}
END_TEST

static unsigned int count_disks(void)
{
	struct udrv_block *block = NULL;
	unsigned int count = 0;

	while ((block = udrv_block_next(block)))
		count++;
	return count;
}

START_TEST(a_disk_without_a_queue_says_what_to_do)
{
	struct udrv_block *block = probe();
	void *queues[8], *more = NULL;

	for (unsigned int i = 0; i < 8; i++)
		ck_assert_int_eq(block->ops->queue_open(block, i, &queues[i]), 0);
	expect_line("nvme-n1: all 8 I/O queues are in use");
	ck_assert_int_eq(block->ops->queue_open(block, 8, &more), -EBUSY);
	await_line("queues=N");
	for (unsigned int i = 0; i < 8; i++)
		block->ops->queue_close(queues[i]);
	remove_driver();
}
END_TEST

START_TEST(a_namespace_whose_blocks_are_too_large_is_skipped)
{
	config.mdts = 1;
	ns_says(LBADS, 1, 16);
	ck_assert_int_eq(udrv__model_nvme_set_config(dev, &config), 0);
	expect_line("namespace 1 is no block device");
	ck_assert_int_eq(udrv_driver_probe(&nvme_driver, dev), 0);
	await_line("namespace 1 is no block device");
	ck_assert_uint_eq(count_disks(), 0);
	remove_driver();
}
END_TEST

/* Whichever of them: the first is of the controller itself. */
START_TEST(an_identify_that_fails_costs_one_disk_at_most)
{
	unsigned int least = 2;

	for (unsigned int k = 2; k <= 8; k++) {
		const struct udrv__model_nvme_fault fault = {
			.kind = UDRV__MODEL_NVME_ERROR,
			.opcode = NVME_ADMIN_IDENTIFY,
			.value = NVME_SC_INTERNAL | NVME_STATUS_DNR,
			.count = 1,
			.period = k,
		};

		ck_assert_int_eq(udrv__model_nvme_inject(dev, &fault), 0);
		ck_assert_int_eq(udrv_driver_probe(&nvme_driver, dev), 0);
		ck_assert_uint_ge(count_disks(), 1);
		least = count_disks() < least ? count_disks() : least;
		remove_driver();
		udrv__model_nvme_heal(dev);
	}
	ck_assert_uint_eq(least, 1);
}
END_TEST

/* While the driver's thread may take disks away. */
static struct udrv_block *find_disk(const char *name)
{
	struct udrv_block *block = NULL;

	udrv__block_changes_hold();
	do
		block = udrv_block_next(block);
	while (block && strcmp(block->name, name) != 0);
	udrv__block_changes_release();
	return block;
}

/* The driver's thread makes it so. */
static void await_disk(const char *name, bool there)
{
	const udrv_ktime_t end = udrv_ktime_get() + (udrv_ktime_t)SOON_MS * 1000000;

	while (!find_disk(name) == there) {
		ck_assert_msg(udrv_ktime_get() < end, "%s", name);
		udrv_msleep(1);
	}
}

static void await_size(const struct udrv_block *block, uint64_t size)
{
	const udrv_ktime_t end = udrv_ktime_get() + (udrv_ktime_t)SOON_MS * 1000000;

	while (__atomic_load_n(&block->limits.size, __ATOMIC_RELAXED) != size) {
		ck_assert(udrv_ktime_get() < end);
		udrv_msleep(1);
	}
}

START_TEST(a_disk_follows_its_namespaces_size)
{
	struct udrv_block *block = probe();
	const uint64_t size = block->limits.size, blocks = size / 512;

	expect_line("nvme-n1 was made smaller");
	ck_assert_int_eq(udrv__model_nvme_resize(dev, 1, blocks / 2), 0);
	await_line("made smaller");
	await_size(block, size / 2);
	expect_line("nvme-n1 has grown");
	ck_assert_int_eq(udrv__model_nvme_resize(dev, 1, blocks), 0);
	await_line("has grown");
	await_size(block, size);
	ck_assert_ptr_eq(find_disk("nvme-n1"), block);
	remove_driver();
}
END_TEST

START_TEST(a_disk_goes_and_comes_with_its_namespace)
{
	struct asked a = {.rq = {.op = UDRV_BLOCK_FLUSH, .done = request_done}};
	struct udrv_block *block = probe();
	const struct udrv_block_ops *ops = block->ops;
	void *q = NULL;

	ck_assert_int_eq(ops->queue_open(block, 0, &q), 0);
	expect_line("disk nvme-n1 is gone");
	ck_assert_int_eq(udrv__model_nvme_attach(dev, 1, false), 0);
	await_line("is gone");
	await_disk("nvme-n1", false);
	/* Who has a queue of it open hears of it. */
	ck_assert_int_eq(ops->queue_rq(q, &a.rq), -EINVAL);
	ops->queue_close(q);
	ck_assert_int_eq(udrv__model_nvme_attach(dev, 1, true), 0);
	await_disk("nvme-n1", true);
	ck_assert_int_eq(ask_for(find_disk("nvme-n1"), UDRV_BLOCK_FLUSH, 0, 0, NULL), 0);
	ck_assert_ptr_nonnull(find_disk("nvme-n2"));
	remove_driver();
}
END_TEST

/* _i: whether an event tells of it, or a reset finds it. */
START_TEST(a_disk_does_not_become_another_one)
{
	struct asked a = {.rq = {.op = UDRV_BLOCK_FLUSH, .done = request_done}};
	struct udrv_block *block = probe();
	struct nvme_driver *driver = udrv_pci_get_drvdata(dev);
	const struct udrv_block_ops *ops = block->ops;
	void *q = NULL;

	if (_i)
		ck_assert_int_eq(udrv_nvme_set_feature(driver->nvme, NVME_FEAT_ASYNC_EVENT, 0, 0,
						       false, NULL),
				 0);
	ck_assert_int_eq(ops->queue_open(block, 0, &q), 0);
	expect_line("disk nvme-n1 is gone");
	ck_assert_int_eq(udrv__model_nvme_replace(dev, 1), 0);
	if (_i)
		ck_assert_int_eq(udrv_nvme_reset(driver->nvme), 0);
	await_line("is gone");
	/* The one before has a queue open, so this one is not at its place. */
	while (!find_disk("nvme-n1") || find_disk("nvme-n1") == block)
		udrv_msleep(1);
	ck_assert_int_eq(ops->queue_rq(q, &a.rq), -EINVAL);
	ops->queue_close(q);
	ck_assert_int_eq(ask_for(find_disk("nvme-n1"), UDRV_BLOCK_FLUSH, 0, 0, NULL), 0);
	remove_driver();
}
END_TEST

/* x: any hexadecimal digit. */
static void has_form(const char *text, const char *form)
{
	ck_assert_msg(strlen(text) == strlen(form), "%s", text);
	for (size_t i = 0; form[i]; i++)
		ck_assert_msg(form[i] == 'x' ? isxdigit((unsigned char)text[i]) != 0
					     : text[i] == form[i],
			      "%s", text);
}

#define HEX8  "xxxxxxxx"
#define HEX16 HEX8 HEX8

/* By whichever identifiers it has; _i: one whose NGUID and EUI64 are used again; without them. */
START_TEST(a_disk_has_its_namespaces_identifier)
{
	static const char *const forms[] = {
		"uuid." HEX8 "-xxxx-4xxx-xxxx-xxxx" HEX8 " eui." HEX16 HEX16 " eui." HEX16,
		"eui." HEX16 HEX16 " eui." HEX16, "uuid." HEX8 "-xxxx-4xxx-xxxx-xxxx" HEX8};
	char ids[3][sizeof(((struct udrv_block *)NULL)->id)];

	if (_i == 1)
		ns_says(NSFEAT, 1, NVME_NSFEAT_UIDREUSE);
	for (unsigned int at = NGUID; _i != 1 && at < EUI64 + 8; at += 8)
		ns_says(at, 8, _i ? 0 : 0x0123456789abcdef);
	for (unsigned int i = 0; i < 3; i++) {
		strcpy(ids[i], probe()->id);
		remove_driver();
		if (i)
			ck_assert_int_eq(udrv__model_nvme_replace(dev, 1), 0);
	}
	has_form(ids[0], forms[_i]);
	ck_assert_str_eq(ids[1], ids[0]);
	ck_assert_str_ne(ids[2], ids[0]);
}
END_TEST

/* Nothing but its serial number and its number tells it from others then. */
START_TEST(a_disk_whose_namespace_has_no_identifier)
{
	const struct udrv__model_nvme_fault fault = {
		.kind = UDRV__MODEL_NVME_ERROR,
		.opcode = NVME_ADMIN_IDENTIFY,
		.value = NVME_SC_INVALID_FIELD | NVME_STATUS_DNR,
		.count = 1,
		.period = 4, /* the controller, the list, the namespace, its descriptors */
	};
	const struct udrv_block *block;

	for (unsigned int at = NGUID; at < EUI64 + 8; at += 8)
		ns_says(at, 8, 0);
	ck_assert_int_eq(udrv__model_nvme_inject(dev, &fault), 0);
	block = probe();
	ck_assert_str_eq(block->id, "");
	ck_assert_str_ne(block->serial, "");
	remove_driver();
}
END_TEST

/* By Namespace Management, as another host would. Its number. */
static uint32_t make_namespace(void)
{
	struct nvme_driver *driver = udrv_pci_get_drvdata(dev);
	struct nvme_id_ns *id = calloc(1, sizeof(*id));
	struct nvme_sqe sqe = {.opcode = NVME_ADMIN_NS_MANAGEMENT};
	uint16_t ctrls[2048] = {1, 1};
	uint32_t nsid = 0;

	ck_assert_ptr_nonnull(id);
	id->nsze = id->ncap = 2048;
	ck_assert_int_eq(udrv_nvme_admin(driver->nvme, &sqe, id, sizeof(*id), &nsid), 0);
	free(id);
	sqe = (struct nvme_sqe){.opcode = NVME_ADMIN_NS_ATTACHMENT, .nsid = nsid};
	ck_assert_int_eq(udrv_nvme_admin(driver->nvme, &sqe, ctrls, sizeof(ctrls), NULL), 0);
	return nsid;
}

START_TEST(a_namespace_that_is_made_becomes_a_disk)
{
	struct nvme_sqe sqe = {.opcode = NVME_ADMIN_NS_MANAGEMENT, .nsid = 3, .cdw10 = 1};
	struct nvme_driver *driver;

	(void)probe();
	driver = udrv_pci_get_drvdata(dev);
	ck_assert_ptr_null(find_disk("nvme-n3"));
	ck_assert_uint_eq(make_namespace(), 3);
	await_disk("nvme-n3", true);
	ck_assert_uint_eq(find_disk("nvme-n3")->limits.size, 2048 * 512);
	ck_assert_int_eq(ask_for(find_disk("nvme-n3"), UDRV_BLOCK_FLUSH, 0, 0, NULL), 0);
	ck_assert_int_eq(udrv_nvme_admin(driver->nvme, &sqe, NULL, 0, NULL), 0);
	await_disk("nvme-n3", false);
	remove_driver();
}
END_TEST

/* Each has as many as it says, all at once, and verbs have what is left. */
START_TEST(many_disks_have_their_queues)
{
	struct udrv_block *block = NULL;
	unsigned int cpus, wanted, open = 0;
	struct udrv_nvme_info info;
	struct nvme_driver *driver;
	void *queues[UDRV__MODEL_NVME_QUEUES];
	cpu_set_t set;

	ck_assert_int_eq(sched_getaffinity(0, sizeof(set), &set), 0);
	cpus = (unsigned int)CPU_COUNT(&set);
	set_param("queues", "0");
	config.queues = UDRV__MODEL_NVME_QUEUES;
	(void)probe();
	while (make_namespace() < 12)
		;
	await_disk("nvme-n12", true);
	remove_driver();
	(void)probe();
	driver = udrv_pci_get_drvdata(dev);
	udrv_nvme_get_info(driver->nvme, &info);
	wanted = 13 * cpus < UDRV__MODEL_NVME_QUEUES ? 13 * cpus : UDRV__MODEL_NVME_QUEUES;
	ck_assert_uint_eq(info.queues, wanted);
	while ((block = udrv_block_next(block))) {
		ck_assert_uint_eq(block->limits.max_queues, wanted / 13);
		for (unsigned int i = 0; i < block->limits.max_queues; i++)
			ck_assert_int_eq(block->ops->queue_open(block, i, &queues[open++]), 0);
	}
	ck_assert_uint_eq(open, 12 * (wanted / 13));
	/* The controller, too, has them. */
	ck_assert_int_eq(udrv_nvme_reset(driver->nvme), 0);
	ck_assert_int_eq(ask_for(find_disk("nvme-n12"), UDRV_BLOCK_FLUSH, 0, 0, NULL), 0);
	block = find_disk("nvme-n12");
	while (open)
		block->ops->queue_close(queues[--open]);
	remove_driver();
}
END_TEST

/* As the daemon does it: exported all the time. */
START_TEST(disks_are_exported_as_they_come)
{
	const struct udrv__export_options o = {.nbd = "here", .ublk_id = -1};
	struct udrv__exports x;
	struct udrv__block_sync *s;
	uint8_t data[512];

	(void)probe();
	ck_assert_int_eq(udrv__exports_start(&x, dev, &o), 0);
	ck_assert_uint_eq(x.count, 2);
	for (unsigned int i = 0; i < 3; i++) {
		ck_assert_int_eq(udrv__model_nvme_attach(dev, 2, false), 0);
		await_disk("nvme-n2", false);
		ck_assert_int_eq(udrv__model_nvme_attach(dev, 2, true), 0);
		await_disk("nvme-n2", true);
		udrv__block_changes_hold();
		s = x.nbd[1];
		ck_assert_ptr_nonnull(s);
		ck_assert_int_eq(udrv__block_sync_io(s, UDRV_BLOCK_READ, 0, 0, 512, data), 0);
		udrv__block_changes_release();
	}
	udrv__exports_stop(&x);
	remove_driver();
}
END_TEST

START_TEST(a_request_that_fails_is_told_of)
{
	struct udrv_block *block = probe();
	struct asked a = {.rq = {.op = UDRV_BLOCK_READ, .offset = 8192, .len = 4096}};
	const struct udrv__model_nvme_fault fault = {
		.kind = UDRV__MODEL_NVME_ERROR,
		.any_queue = true,
		.opcode = 0x02, /* Read */
		.count = 1,
		.value = NVME_SC_READ_ERROR | NVME_STATUS_DNR,
	};

	a.rq.buf = aligned_alloc(4096, 4096);
	ck_assert_ptr_nonnull(a.rq.buf);
	expect_line("nvme-n1: read of 4096 bytes at 8192 failed: unrecovered read error "
		    "(status 0x281, failure 1)");
	ck_assert_int_eq(udrv__model_nvme_inject(dev, &fault), 0);
	ck_assert_int_eq(ask(block, &a), -ENODATA);
	await_line("unrecovered read error");
	ck_assert_int_eq(ask(block, &a), 0);
	free(a.rq.buf);
	remove_driver();
}
END_TEST

/* A block each: what there is before the power is cut, and after. */
static const struct {
	enum udrv_block_op op;
	uint32_t flags;
	unsigned int at;
	unsigned char byte;
} before_the_cut[] = {
	{.op = UDRV_BLOCK_WRITE, .at = 0, .byte = 'a'},
	{.op = UDRV_BLOCK_WRITE, .at = 3, .byte = 'd'},
	{.op = UDRV_BLOCK_WRITE, .at = 4, .byte = 'e'},
	{.op = UDRV_BLOCK_FLUSH},
	{.op = UDRV_BLOCK_WRITE, .flags = UDRV_BLOCK_FUA, .at = 1, .byte = 'b'},
	{.op = UDRV_BLOCK_WRITE, .at = 2, .byte = 'c'},
	{.op = UDRV_BLOCK_WRITE_ZEROES, .flags = UDRV_BLOCK_FUA, .at = 3},
	{.op = UDRV_BLOCK_WRITE_ZEROES, .at = 4},
};

static void blocks_are(struct udrv_block *block, unsigned char *buf, const unsigned char *bytes,
		       size_t count)
{
	struct asked a = {.rq = {.op = UDRV_BLOCK_READ, .len = 4096, .buf = buf}};

	for (size_t i = 0; i < count; i++) {
		a.rq.offset = i * 4096;
		memset(buf, 0xa5, 4096);
		ck_assert_int_eq(ask(block, &a), 0);
		for (unsigned int k = 0; k < 4096; k++)
			ck_assert_msg(buf[k] == bytes[i], "block %zu has 0x%02x, not 0x%02x", i,
				      buf[k], bytes[i]);
	}
}

/* The controller has a cache, of which nothing else is left. */
START_TEST(what_was_flushed_or_written_through_outlives_a_power_cut)
{
	struct udrv_block *block = probe();
	struct nvme_driver *driver = udrv_pci_get_drvdata(dev);
	udrv_iova_t iova;
	unsigned char *buf = udrv_dma_alloc_coherent(dev, 4096, &iova, UDRV_GFP_KERNEL);

	ck_assert_ptr_nonnull(buf);
	ck_assert(config.cache);
	for (size_t i = 0; i < sizeof(before_the_cut) / sizeof(before_the_cut[0]); i++) {
		struct asked a = {.rq = {.op = before_the_cut[i].op,
					 .flags = before_the_cut[i].flags,
					 .offset = before_the_cut[i].at * UINT64_C(4096),
					 .len = 4096,
					 .buf = buf}};

		memset(buf, before_the_cut[i].byte, 4096);
		ck_assert_int_eq(ask(block, &a), 0);
	}
	blocks_are(block, buf, (const unsigned char[]){'a', 'b', 'c', 0, 0}, 5);
	udrv__model_nvme_power_cut(dev);
	ck_assert_int_eq(udrv_nvme_reset(driver->nvme), 0);
	blocks_are(block, buf, (const unsigned char[]){'a', 'b', 0, 0, 'e'}, 5);
	udrv_dma_free_coherent(dev, 4096, buf, iova);
	remove_driver();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("nvme_block");
	TCase *tc = tcase_create("disks");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, limits_of_a_controller_that_says_little);
	tcase_add_test(tc, what_is_not_there_has_no_limits);
	tcase_add_test(tc, a_discard_is_no_longer_than_the_controller_takes);
	tcase_add_test(tc, a_discard_without_a_limit);
	tcase_add_test(tc, zeroes_are_no_more_than_the_controller_takes);
	tcase_add_test(tc, zeroes_that_are_as_many_as_a_write_without_a_limit);
	tcase_add_test(tc, deallocating_zeroes_is_asked_for_where_it_is_known);
	tcase_add_loop_test(tc, a_physical_block_is_what_is_never_torn, 0,
			    (int)(sizeof(blocks_of) / sizeof(blocks_of[0])));
	tcase_add_test(tc, preferences_that_are_too_large_do_not_become_zero);
	tcase_add_loop_test(tc, a_queue_takes_as_many_as_it_says, 0, 4);
	tcase_add_loop_test(tc, requests_to_a_silent_controller_end, 0, 2);
	tcase_add_test(tc, a_disk_without_a_queue_says_what_to_do);
	tcase_add_test(tc, a_namespace_whose_blocks_are_too_large_is_skipped);
	tcase_add_test(tc, an_identify_that_fails_costs_one_disk_at_most);
	tcase_add_test(tc, a_disk_follows_its_namespaces_size);
	tcase_add_test(tc, a_disk_goes_and_comes_with_its_namespace);
	tcase_add_loop_test(tc, a_disk_does_not_become_another_one, 0, 2);
	tcase_add_loop_test(tc, a_disk_has_its_namespaces_identifier, 0, 3);
	tcase_add_test(tc, a_disk_whose_namespace_has_no_identifier);
	tcase_add_test(tc, a_namespace_that_is_made_becomes_a_disk);
	tcase_add_test(tc, many_disks_have_their_queues);
	tcase_add_test(tc, disks_are_exported_as_they_come);
	tcase_add_test(tc, a_request_that_fails_is_told_of);
	tcase_add_test(tc, what_was_flushed_or_written_through_outlives_a_power_cut);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
