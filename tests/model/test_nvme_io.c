// SPDX-License-Identifier: MIT
/* The NVMe library's I/O: what is written is read, from any memory, by any way to wait. */
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

#include <udrv/kmalloc.h>

#include "backend/model_nvme.h"

#include "support/nvme_load.h"
#include "support/suite.h"
#include "support/threads.h"

#define PAGE 4096u

static struct nvme_rig rig;

static void setup(void)
{
	nvme_rig_open(&rig, NULL);
	nvme_rig_queue(&rig, 64, UDRV_NVME_ADAPTIVE);
}

/* By PRP lists, and without shadow doorbells. */
static void setup_plain(void)
{
	const struct udrv_nvme_options options = {.no_sgl = true, .no_shadow_doorbells = true};

	nvme_rig_open(&rig, &options);
	nvme_rig_queue(&rig, 64, UDRV_NVME_INTERRUPT);
}

/* Of the software controller: its doorbells are 32 bytes apart, the last not within a page. */
static void open_wide(const char *name)
{
	const struct udrv_nvme_options options = {.queues = UDRV__MODEL_NVME_QUEUES};
	struct udrv__model_nvme_config config;

	memset(&rig, 0, sizeof(rig));
	ck_assert_int_eq(udrv_device_open(name, NULL, &rig.dev), 0);
	udrv__model_nvme_get_config(rig.dev, &config);
	config.dstrd = 3;
	ck_assert_int_eq(udrv__model_nvme_set_config(rig.dev, &config), 0);
	nvme_rig_attach(&rig, &options);
	nvme_rig_queue(&rig, 64, UDRV_NVME_ADAPTIVE);
}

static void setup_wide(void)
{
	open_wide("model:nvme");
}

static void setup_wide_shadows(void)
{
	open_wide("model:nvme:dbbuf");
}

static void teardown(void)
{
	nvme_rig_close(&rig);
}

static uint32_t block(void)
{
	return 1u << rig.ns->block_shift;
}

/* Through one buffer and back through the other. */
static void round_trip(unsigned char *out, unsigned char *in, uint64_t lba, uint32_t blocks)
{
	const size_t len = (size_t)blocks * block();
	static uint32_t version;

	nvme_rig_fill(out, len, lba, ++version);
	memset(in, 0xa5, len);
	ck_assert_uint_eq(nvme_rig_write(&rig, out, lba, blocks, 0), 0);
	ck_assert_uint_eq(nvme_rig_read(&rig, in, lba, blocks), 0);
	ck_assert_mem_eq(out, in, len);
}

static void all_sizes(unsigned char *out, unsigned char *in)
{
	for (uint32_t blocks = 1; blocks <= udrv_nvme_ns_max_blocks(rig.ns) && blocks <= 256;
	     blocks += blocks / 3 + 1)
		for (uint32_t shift = 0; shift < PAGE; shift += 516)
			round_trip(out + shift, in + shift, blocks * 7 % 1000, blocks);
}

#define BUFFER ((size_t)256 * 4096 + PAGE)

START_TEST(from_dma_memory_of_all_sizes_and_alignments)
{
	all_sizes(nvme_rig_memory(&rig, BUFFER), nvme_rig_memory(&rig, BUFFER));
}
END_TEST

START_TEST(from_kmalloc_memory)
{
	unsigned char *out = udrv_kmalloc(8 * block(), UDRV_GFP_KERNEL);
	unsigned char *in = udrv_kmalloc(8 * block(), UDRV_GFP_KERNEL);

	for (uint32_t blocks = 1; blocks <= 8; blocks++)
		round_trip(out, in, 100, blocks);
	udrv_kfree(out);
	udrv_kfree(in);
}
END_TEST

START_TEST(from_memory_that_nobody_knows)
{
	unsigned char *out = malloc(BUFFER + 1);
	unsigned char *in = malloc(BUFFER + 1);

	all_sizes(out, in);
	/* At odd addresses, which no command may have. */
	round_trip(out + 1, in + 1, 5, 1);
	round_trip(out + 1, in + 1, 5,
		   udrv_nvme_ns_max_blocks(rig.ns) < 200 ? udrv_nvme_ns_max_blocks(rig.ns) : 200);
	free(out);
	free(in);
}
END_TEST

START_TEST(from_registered_memory)
{
	const size_t len = (size_t)64 * PAGE;
	unsigned char *p =
		mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(p, MAP_FAILED);
	ck_assert_int_eq(udrv_dma_register(rig.dev, p, len, UDRV_DMA_BIDIRECTIONAL), 0);
	for (uint32_t blocks = 1; blocks * block() <= len / 2; blocks += blocks / 2 + 1)
		round_trip(p, p + len / 2, 9, blocks);
	ck_assert_int_eq(udrv_dma_unregister(rig.dev, p, len), 0);
	munmap(p, len);
}
END_TEST

/* Pieces in an order of their own, of which the sizes are given in quarters of a page. */
static void pieces(unsigned char *memory, const unsigned int *quarters, unsigned int count)
{
	struct udrv_nvme_io io = {.opcode = NVME_WRITE, .lba = 50};
	struct nvme_rig_wait w = {0};
	struct iovec iov[16];
	unsigned char *flat;
	size_t len = 0;

	for (unsigned int i = 0; i < count; i++) {
		iov[i].iov_base = memory + (size_t)(count - i) * 4 * PAGE;
		iov[i].iov_len = quarters[i] * (size_t)PAGE / 4;
		nvme_rig_fill(iov[i].iov_base, iov[i].iov_len, i, 77);
		len += iov[i].iov_len;
	}
	io.iov = iov;
	io.iov_count = count;
	io.blocks = (uint32_t)(len / block());
	ck_assert_int_eq(udrv_nvme_rw(rig.q, rig.ns, &io, nvme_rig_done, &w), 0);
	ck_assert_uint_eq(nvme_rig_await(&rig, &w), 0);
	flat = nvme_rig_memory(&rig, len);
	ck_assert_uint_eq(nvme_rig_read(&rig, flat, 50, io.blocks), 0);
	len = 0;
	for (unsigned int i = 0; i < count; i++) {
		ck_assert_mem_eq(flat + len, iov[i].iov_base, iov[i].iov_len);
		memset(iov[i].iov_base, 0, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	io.opcode = NVME_READ;
	w.calls = 0;
	ck_assert_int_eq(udrv_nvme_rw(rig.q, rig.ns, &io, nvme_rig_done, &w), 0);
	ck_assert_uint_eq(nvme_rig_await(&rig, &w), 0);
	len = 0;
	for (unsigned int i = 0; i < count; i++) {
		ck_assert_mem_eq(flat + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
}

START_TEST(from_pieces)
{
	unsigned char *memory = nvme_rig_memory(&rig, (size_t)80 * PAGE);

	pieces(memory, (const unsigned int[]){4, 4, 4}, 3);
	pieces(memory, (const unsigned int[]){4, 8, 12, 4}, 4);
	/* Ends inside pages: by SGL, or by a copy. */
	pieces(memory, (const unsigned int[]){2, 1, 5, 8, 4}, 5);
	pieces(memory, (const unsigned int[]){1, 1}, 2);
	memory = malloc((size_t)80 * PAGE);
	pieces(memory, (const unsigned int[]){2, 1, 5, 8, 4}, 5);
	free(memory);
}
END_TEST

/* An emulated machine is slow. */
static unsigned int commands(void)
{
	return getenv("UDRV_TEST_DEVICE") ? 600 : 4000;
}

static void random_load(unsigned int depth)
{
	struct nvme_load load = {.rig = &rig, .depth = depth};

	nvme_load_begin(&load);
	nvme_load_run(&load, commands());
	nvme_load_verify(&load);
	nvme_load_finish(&load);
	ck_assert_uint_eq(load.failed, 0);
}

START_TEST(many_at_once)
{
	static const enum udrv_nvme_completion ways[] = {UDRV_NVME_INTERRUPT, UDRV_NVME_POLLED,
							 UDRV_NVME_ADAPTIVE};

	udrv_nvme_queue_destroy(rig.q);
	nvme_rig_queue(&rig, 64, ways[_i]);
	random_load(63);
}
END_TEST

START_TEST(a_small_queue_is_full_and_goes_on)
{
	struct nvme_rig_wait w[4] = {0};
	unsigned char *buf = nvme_rig_memory(&rig, PAGE);

	udrv_nvme_queue_destroy(rig.q);
	nvme_rig_queue(&rig, 4, UDRV_NVME_ADAPTIVE);
	ck_assert_uint_eq(udrv_nvme_queue_depth(rig.q), 3);
	for (unsigned int round = 0; round < 100; round++) {
		memset(w, 0, sizeof(w));
		for (int i = 0; i < 3; i++)
			ck_assert_int_eq(
				udrv_nvme_read(rig.q, rig.ns, buf, 0, 1, 0, nvme_rig_done, &w[i]),
				0);
		ck_assert_int_eq(udrv_nvme_read(rig.q, rig.ns, buf, 0, 1, 0, nvme_rig_done, &w[3]),
				 -EAGAIN);
		for (int i = 0; i < 3; i++)
			ck_assert_uint_eq(nvme_rig_await(&rig, &w[i]), 0);
		ck_assert_uint_eq(w[3].calls, 0);
	}
}
END_TEST

/* The controller is told of room only now and then: it waits for some in each round. */
START_TEST(a_polled_queue_is_full_and_goes_on)
{
	unsigned char *buf = nvme_rig_memory(&rig, PAGE);
	struct nvme_rig_wait w[15];

	udrv_nvme_queue_destroy(rig.q);
	nvme_rig_queue(&rig, 16, UDRV_NVME_POLLED);
	for (unsigned int round = 0; round < 100; round++) {
		memset(w, 0, sizeof(w));
		for (int i = 0; i < 15; i++)
			ck_assert_int_eq(
				udrv_nvme_read(rig.q, rig.ns, buf, 0, 1, 0, nvme_rig_done, &w[i]),
				0);
		udrv_nvme_submit(rig.q);
		while (udrv_nvme_in_flight(rig.q))
			(void)udrv_nvme_poll(rig.q, 1);
		for (int i = 0; i < 15; i++) {
			ck_assert_uint_eq(w[i].calls, 1);
			ck_assert_uint_eq(w[i].status, 0);
		}
	}
}
END_TEST

/* A chain: each callback puts the next one. */
static unsigned int links;

static void next_link(void *ctx, uint32_t status, uint32_t dw0)
{
	(void)dw0;
	ck_assert_uint_eq(status, 0);
	if (++links < 1000)
		ck_assert_int_eq(
			udrv_nvme_read(rig.q, rig.ns, ctx, links % 100, 1, 0, next_link, ctx), 0);
}

START_TEST(a_callback_puts_the_next)
{
	unsigned char *buf = nvme_rig_memory(&rig, PAGE);

	ck_assert_int_eq(udrv_nvme_read(rig.q, rig.ns, buf, 0, 1, 0, next_link, buf), 0);
	while (links < 1000)
		(void)udrv_nvme_wait(rig.q, 1000);
	ck_assert_uint_eq(udrv_nvme_in_flight(rig.q), 0);
	ck_assert_uint_eq(udrv_nvme_wait(rig.q, -1), 0);
}
END_TEST

/* Another thread, or a callback of this one, resets meanwhile: nothing is lost or wrong. */
static void *reset_often(void *ctx)
{
	(void)ctx;
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(udrv_nvme_reset(rig.nvme), 0);
	return NULL;
}

START_TEST(resets_under_load_lose_nothing)
{
	struct udrv_nvme_info info;
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, reset_often, NULL), 0);
	do {
		random_load(32);
		udrv_nvme_get_info(rig.nvme, &info);
	} while (info.resets < 10);
	pthread_join(thread, NULL);
	udrv_nvme_get_info(rig.nvme, &info);
	ck_assert_uint_eq(info.bad_completions, 0);
	ck_assert(!info.dead);
}
END_TEST

START_TEST(flush_zeroes_and_discard)
{
	const struct nvme_dsm_range range = {.nlb = 4, .slba = 16};
	struct nvme_rig_wait w[4] = {0};
	unsigned char *buf = nvme_rig_memory(&rig, 8 * block());
	unsigned char zeroes[4096] = {0};

	nvme_rig_fill(buf, 8 * block(), 1, 1);
	ck_assert_uint_eq(nvme_rig_write(&rig, buf, 0, 8, NVME_RW_FUA), 0);
	ck_assert_int_eq(udrv_nvme_flush(rig.q, rig.ns, nvme_rig_done, &w[0]), 0);
	ck_assert_uint_eq(nvme_rig_await(&rig, &w[0]), 0);
	ck_assert_int_eq(udrv_nvme_write_zeroes(rig.q, rig.ns, 2, 3, 0, nvme_rig_done, &w[1]), 0);
	ck_assert_uint_eq(nvme_rig_await(&rig, &w[1]), 0);
	ck_assert_uint_eq(nvme_rig_read(&rig, buf, 3, 1), 0);
	ck_assert_mem_eq(buf, zeroes, block());
	ck_assert_int_eq(udrv_nvme_deallocate(rig.q, rig.ns, &range, 1, nvme_rig_done, &w[2]), 0);
	ck_assert_uint_eq(nvme_rig_await(&rig, &w[2]), 0);
	if (!(udrv_nvme_id_ctrl(rig.nvme)->oncs & NVME_ONCS_VERIFY)) {
		ck_assert_int_eq(udrv_nvme_verify(rig.q, rig.ns, 0, 8, 0, nvme_rig_done, &w[3]),
				 -EOPNOTSUPP);
		return;
	}
	ck_assert_int_eq(udrv_nvme_verify(rig.q, rig.ns, 0, 8, 0, nvme_rig_done, &w[3]), 0);
	ck_assert_uint_eq(nvme_rig_await(&rig, &w[3]), 0);
}
END_TEST

START_TEST(compare_tells_a_difference)
{
	unsigned char *buf = nvme_rig_memory(&rig, PAGE);
	const struct iovec iov = {buf, block()};
	const struct udrv_nvme_io io = {
		.opcode = NVME_COMPARE, .iov = &iov, .iov_count = 1, .lba = 3, .blocks = 1};
	struct nvme_rig_wait w = {0};

	nvme_rig_fill(buf, block(), 3, 3);
	ck_assert_uint_eq(nvme_rig_write(&rig, buf, 3, 1, 0), 0);
	ck_assert_int_eq(udrv_nvme_rw(rig.q, rig.ns, &io, nvme_rig_done, &w), 0);
	ck_assert_uint_eq(nvme_rig_await(&rig, &w), 0);
	buf[100] ^= 1;
	w.calls = 0;
	ck_assert_int_eq(udrv_nvme_rw(rig.q, rig.ns, &io, nvme_rig_done, &w), 0);
	ck_assert_uint_eq(nvme_rig_await(&rig, &w) & NVME_STATUS_MASK, NVME_SC_COMPARE_FAILED);
}
END_TEST

START_TEST(what_cannot_be_is_refused)
{
	unsigned char *buf = nvme_rig_memory(&rig, PAGE);
	const struct nvme_sqe odd = {.opcode = 0xc0, .nsid = 1};
	const uint64_t size = udrv_nvme_ns_blocks(rig.ns);
	const struct nvme_dsm_range outside = {.slba = size - 1, .nlb = 2};
	struct nvme_rig_wait w = {0};

	ck_assert_int_eq(udrv_nvme_read(rig.q, rig.ns, buf, size, 1, 0, nvme_rig_done, &w),
			 -EINVAL);
	ck_assert_int_eq(udrv_nvme_read(rig.q, rig.ns, buf, size - 1, 2, 0, nvme_rig_done, &w),
			 -EINVAL);
	ck_assert_int_eq(udrv_nvme_read(rig.q, rig.ns, buf, UINT64_MAX, 2, 0, nvme_rig_done, &w),
			 -EINVAL);
	ck_assert_int_eq(udrv_nvme_read(rig.q, rig.ns, buf, 0, 0, 0, nvme_rig_done, &w), -EINVAL);
	ck_assert_int_eq(udrv_nvme_read(rig.q, rig.ns, buf, 0, udrv_nvme_ns_max_blocks(rig.ns) + 1,
					0, nvme_rig_done, &w),
			 -EMSGSIZE);
	ck_assert_int_eq(udrv_nvme_deallocate(rig.q, rig.ns, NULL, 0, nvme_rig_done, &w), -EINVAL);
	ck_assert_int_eq(udrv_nvme_deallocate(rig.q, rig.ns, &outside, 1, nvme_rig_done, &w),
			 -EINVAL);
	/* A command has a buffer if its opcode has, and one only. */
	for (unsigned int opcode = 0; opcode < 256; opcode++) {
		const struct nvme_sqe sqe = {.opcode = (uint8_t)opcode, .nsid = 1};

		if (opcode % 4)
			ck_assert_int_eq(udrv_nvme_command(rig.q, &sqe, NULL, 0, nvme_rig_done, &w),
					 -EINVAL);
		if (opcode % 4 == 0 || opcode % 4 == 3)
			ck_assert_int_eq(
				udrv_nvme_command(rig.q, &sqe, buf, 512, nvme_rig_done, &w),
				-EINVAL);
	}
	ck_assert_uint_eq(w.calls, 0);
	ck_assert_uint_eq(udrv_nvme_in_flight(rig.q), 0);
	/* The controller's own refusal is told as it is. */
	ck_assert_int_eq(udrv_nvme_command(rig.q, &odd, NULL, 0, nvme_rig_done, &w), 0);
	ck_assert_uint_eq(nvme_rig_await(&rig, &w) & NVME_STATUS_MASK, NVME_SC_INVALID_OPCODE);
	ck_assert_int_eq(udrv_nvme_errno(w.status), -EOPNOTSUPP);
}
END_TEST

START_TEST(a_metadata_buffer_where_there_is_no_metadata)
{
	unsigned char *buf = nvme_rig_memory(&rig, PAGE);
	const struct iovec iov = {buf, block()};
	const struct udrv_nvme_io io = {.opcode = NVME_WRITE,
					.iov = &iov,
					.iov_count = 1,
					.metadata = buf + block() + 1,
					.blocks = 1};
	struct nvme_rig_wait w = {0};

	ck_assert_uint_eq(rig.ns->metadata, 0);
	ck_assert_int_eq(udrv_nvme_rw(rig.q, rig.ns, &io, nvme_rig_done, &w), 0);
	ck_assert_uint_eq(nvme_rig_await(&rig, &w), 0);
}
END_TEST

START_TEST(queues_come_and_go)
{
	unsigned char *buf = nvme_rig_memory(&rig, PAGE);
	struct nvme_rig_wait w = {0};

	for (unsigned int i = 0; i < 20; i++) {
		ck_assert_int_eq(udrv_nvme_read(rig.q, rig.ns, buf, 0, 1, 0, nvme_rig_done, &w), 0);
		if (i % 2)
			udrv_nvme_submit(rig.q);
		udrv_nvme_queue_destroy(rig.q);
		/* It was done, or not; and its callback was called. */
		ck_assert_uint_eq(w.calls, i + 1);
		nvme_rig_queue(&rig, 8, i % 3 ? UDRV_NVME_INTERRUPT : UDRV_NVME_POLLED);
	}
	w.calls = 0;
	ck_assert_uint_eq(nvme_rig_read(&rig, buf, 0, 1), 0);
}
END_TEST

/* All that there are, each in turn. */
START_TEST(every_queue_works)
{
	static const struct udrv_nvme_queue_options options = {.entries = 4,
							       .completion = UDRV_NVME_POLLED};
	struct udrv_nvme_queue *first = rig.q, *queues[UDRV__MODEL_NVME_QUEUES];
	unsigned char *buf = nvme_rig_memory(&rig, PAGE);
	unsigned int count = 0;
	int ret;

	while (!(ret = udrv_nvme_queue_create(rig.nvme, &options, &queues[count])))
		ck_assert_uint_lt(++count, UDRV__MODEL_NVME_QUEUES);
	ck_assert_int_eq(ret, -EMFILE);
	ck_assert_uint_eq(count + 1, nvme_rig_info(&rig).queues);
	for (unsigned int round = 0; round < 10; round++) {
		for (unsigned int i = 0; i < count; i++) {
			struct nvme_rig_wait w = {0};

			rig.q = queues[i];
			ck_assert_int_eq(
				udrv_nvme_read(rig.q, rig.ns, buf, i, 1, 0, nvme_rig_done, &w), 0);
			ck_assert_uint_eq(nvme_rig_await(&rig, &w), 0);
		}
	}
	rig.q = first;
	for (unsigned int i = 0; i < count; i++)
		udrv_nvme_queue_destroy(queues[i]);
	ck_assert_uint_eq(nvme_rig_info(&rig).bad_completions, 0);
}
END_TEST

static void add(Suite *s, const char *name, void (*fixture)(void))
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, fixture, teardown);
	tcase_add_test(tc, from_dma_memory_of_all_sizes_and_alignments);
	tcase_add_test(tc, from_kmalloc_memory);
	tcase_add_test(tc, from_memory_that_nobody_knows);
	tcase_add_test(tc, from_registered_memory);
	tcase_add_test(tc, from_pieces);
	tcase_add_loop_test(tc, many_at_once, 0, 3);
	tcase_add_test(tc, a_small_queue_is_full_and_goes_on);
	tcase_add_test(tc, a_polled_queue_is_full_and_goes_on);
	tcase_add_test(tc, a_callback_puts_the_next);
	tcase_add_test(tc, resets_under_load_lose_nothing);
	tcase_add_test(tc, flush_zeroes_and_discard);
	tcase_add_test(tc, compare_tells_a_difference);
	tcase_add_test(tc, what_cannot_be_is_refused);
	tcase_add_test(tc, a_metadata_buffer_where_there_is_no_metadata);
	tcase_add_test(tc, queues_come_and_go);
	tcase_add_test(tc, every_queue_works);
	suite_add_tcase(s, tc);
}

int main(void)
{
	Suite *s = suite_create("nvme_io");

	add(s, "as it comes", setup);
	add(s, "plain", setup_plain);
	if (!getenv("UDRV_TEST_DEVICE")) {
		add(s, "wide", setup_wide);
		/* The thread sanitizer does not see that a shadow orders what was written before.
		 */
		if (HANDLERS_RUN_AT_ONCE)
			add(s, "wide shadows", setup_wide_shadows);
	}
	return run_suite(s);
}
