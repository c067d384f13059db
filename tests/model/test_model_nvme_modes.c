// SPDX-License-Identifier: MIT
/* What the software NVMe controller is asked for: doorbells in memory, a file, no data, load. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/log.h>

#include "support/raw_nvme.h"
#include "support/suite.h"

#define DNR   NVME_ST_DNR
#define BLOCK 512u

/* Pages of the data area. */
#define SHADOW 250u
#define EVENTS 251u

static const char *const dbbuf_names[] = {"model:nvme:dbbuf", "model:nvme:dbbuf-direct"};

static void teardown(void)
{
	raw_close();
}

static uint32_t *slot(unsigned int page, unsigned int index)
{
	return (uint32_t *)(void *)(data + page * RAW_PAGE) + index;
}

static uint32_t event(unsigned int index)
{
	return __atomic_load_n(slot(EVENTS, index), __ATOMIC_SEQ_CST);
}

static void set_shadow(void)
{
	raw_ok(0, (struct udrv__nvme_cmd){.opcode = NVME_ADM_DBBUF,
					  .prp1 = data_iova + SHADOW * RAW_PAGE,
					  .prp2 = data_iova + EVENTS * RAW_PAGE});
}

/* As Linux does: has the event been passed since the doorbell was at before? */
static bool must_ring(uint32_t at, uint32_t now, uint32_t before)
{
	return (uint16_t)(now - at - 1) < (uint16_t)(now - before);
}

/* Store a doorbell, and ring it if the controller sleeps; how often it did. */
static unsigned int store(unsigned int index, uint32_t val)
{
	const uint32_t before = *slot(SHADOW, index);

	__atomic_store_n(slot(SHADOW, index), val, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!must_ring(event(index), val, before))
		return 0;
	raw_ring(index, val);
	return 1;
}

START_TEST(doorbells_in_memory_are_seen)
{
	unsigned int rung = 0;

	raw_up(dbbuf_names[_i]);
	set_shadow();
	for (unsigned int i = 0; i < 200; i++) {
		uint16_t cid = raw_put(1, raw_rw(NVME_NVM_READ, i, 1));
		struct udrv__nvme_cqe cqe;

		rung += store(2, queues[1].tail);
		/* Nothing but a doorbell wakes the thread. */
		for (unsigned int ms = 0; !raw_peek(1) && ms < RAW_LONG_MS; ms++) {
			if (_i)
				(void)udrv__model_nvme_step(dev);
			else
				poll(NULL, 0, 1);
		}
		ck_assert(raw_peek(1));
		cqe = raw_entry(1);
		ck_assert_uint_eq(cqe.cid, cid);
		queues[1].head = (queues[1].head + 1) % RAW_ENTRIES;
		queues[1].phase ^= !queues[1].head;
		rung += store(3, queues[1].head);
	}
	ck_assert_uint_gt(rung, 0);
}
END_TEST

START_TEST(controller_asks_to_ring_before_it_sleeps)
{
	raw_up("model:nvme:dbbuf");
	set_shadow();
	(void)raw_put(1, raw_rw(NVME_NVM_READ, 0, 1));
	(void)raw_put(1, raw_rw(NVME_NVM_READ, 0, 1));
	__atomic_store_n(slot(SHADOW, 2), 2, __ATOMIC_SEQ_CST);
	raw_ring(2, 2);
	ck_assert_uint_eq(raw_wait(1).status, 0);
	ck_assert_uint_eq(raw_wait(1).status, 0);
	udrv__model_nvme_settle(dev);
	ck_assert_uint_eq(event(2), 2);
}
END_TEST

START_TEST(nonsense_in_memory_is_counted_once_and_ignored)
{
	struct udrv__model_nvme_counts counts;

	raw_up("model:nvme:dbbuf");
	set_shadow();
	__atomic_store_n(slot(SHADOW, 2), 12345, __ATOMIC_SEQ_CST);
	raw_ok(0, raw_identify(1, 0));
	udrv__model_nvme_settle(dev);
	udrv__model_nvme_settle(dev);
	udrv__model_nvme_get_counts(dev, &counts);
	ck_assert_uint_eq(counts.bad_doorbells, 1);
}
END_TEST

START_TEST(buffers_for_doorbells_are_checked)
{
	struct udrv__nvme_cmd cmd = {.opcode = NVME_ADM_DBBUF, .prp1 = data_iova, .prp2 = 0};

	raw_up("model:nvme:dbbuf");
	raw_ok(0, raw_identify(1, 0));
	ck_assert_uint_eq(raw_field(256, 2) >> 8 & 1, 1);
	ck_assert_uint_eq(raw_status(0, cmd), NVME_SC_INVALID_FIELD | DNR);
	cmd.prp1 = data_iova;
	cmd.prp2 = data_iova + 8;
	ck_assert_uint_eq(raw_status(0, cmd), NVME_SC_INVALID_FIELD | DNR);
}
END_TEST

static char path[] = "/tmp/udrv-model-nvme-XXXXXX";

static void make_file(size_t len)
{
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)len), 0);
	close(fd);
	ck_assert_int_eq(setenv("UDRV_MODEL_NVME_FILE", path, 1), 0);
}

START_TEST(file_keeps_what_was_flushed)
{
	make_file(1 << 20);
	raw_up("model:nvme");
	raw_ok(0, raw_identify(0, 1));
	ck_assert_uint_eq(raw_field(0, 8), 2048);
	for (unsigned int i = 0; i < 3; i++) {
		raw_fill(data, BLOCK, i);
		raw_ok(1, raw_rw(NVME_NVM_WRITE, i, 1));
		if (i == 1)
			raw_ok(1, (struct udrv__nvme_cmd){.opcode = NVME_NVM_FLUSH, .nsid = 1});
	}
	raw_close();
	raw_up("model:nvme");
	unlink(path);
	for (unsigned int i = 0; i < 3; i++) {
		raw_ok(1, raw_rw(NVME_NVM_READ, i, 1));
		ck_assert(i < 2 ? raw_filled(data, BLOCK, i) : raw_zero(data, BLOCK));
	}
}
END_TEST

/* Whether a line of the log names the file. */
static void note(void *ctx, int level, const char *line)
{
	(void)level;
	if (strstr(line, "/nowhere/at/all"))
		*(bool *)ctx = true;
}

START_TEST(file_that_cannot_be_had_is_an_error)
{
	bool named = false;

	ck_assert_int_eq(setenv("UDRV_MODEL_NVME_FILE", "/nowhere/at/all", 1), 0);
	udrv_log_set(note, &named, UDRV_LOG_ERR);
	ck_assert_int_eq(udrv_device_open("model:nvme", NULL, &dev), -ENOENT);
	udrv_log_set(NULL, NULL, 0);
	ck_assert(named);
	ck_assert_int_eq(unsetenv("UDRV_MODEL_NVME_FILE"), 0);
	raw_open("model:nvme");
}
END_TEST

START_TEST(store_that_keeps_nothing_checks_all_the_same)
{
	raw_up("model:nvme:null");
	memset(data, 0x5a, RAW_PAGE);
	raw_ok(1, raw_rw(NVME_NVM_READ, 0, 8));
	ck_assert_uint_eq(data[0], 0x5a);
	raw_ok(1, raw_rw(NVME_NVM_WRITE, 0, 8));
	ck_assert_uint_eq(raw_status(1, raw_rw(NVME_NVM_READ, 1 << 20, 1)),
			  NVME_SC_LBA_RANGE | DNR);
}
END_TEST

START_TEST(words_limit_the_queues)
{
	raw_open("model:nvme:2q");
	raw_start(RAW_CC);
	ck_assert_uint_eq(raw_do(0, raw_set_feature(NVME_FEAT_QUEUES, 9 | 9 << 16)).dw0,
			  1 | 1 << 16);
}
END_TEST

/* Threads on queues of their own; no Check in them: their results are looked at afterwards. */
struct load {
	pthread_t thread;
	unsigned int qid;
	unsigned int done, bad;
};

#define LOAD_COMMANDS 2000u
#define LOAD_DEPTH    8u

static void *run_load(void *arg)
{
	struct load *l = arg;
	struct raw_queue *q = &queues[l->qid];
	unsigned int submitted = 0;

	while (l->done < LOAD_COMMANDS) {
		while (submitted < LOAD_COMMANDS && submitted - l->done < LOAD_DEPTH) {
			q->sq[q->tail] = raw_rw(NVME_NVM_READ, submitted % 1000, 1);
			q->sq[q->tail].cid = (uint16_t)submitted++;
			q->sq[q->tail].prp1 = data_iova + l->qid * RAW_PAGE;
			q->tail = (q->tail + 1) % q->sq_size;
		}
		raw_ring(2 * l->qid, q->tail);
		while (!raw_peek(l->qid))
			sched_yield();
		while (raw_peek(l->qid)) {
			const struct udrv__nvme_cqe cqe = raw_entry(l->qid);

			l->bad += cqe.status >> 1 || cqe.cid != (uint16_t)l->done ||
				  cqe.sqid != l->qid;
			l->done++;
			q->head = (q->head + 1) % q->cq_size;
			q->phase ^= !q->head;
		}
		raw_ring(2 * l->qid + 1, q->head);
	}
	return NULL;
}

START_TEST(queues_of_several_threads_do_not_disturb_each_other)
{
	struct load loads[4];

	raw_open("model:nvme");
	raw_start(RAW_CC);
	for (unsigned int i = 0; i < 4; i++) {
		(void)raw_alloc_queue(i + 1, RAW_ENTRIES);
		raw_ok(0, raw_create_cq(i + 1, RAW_ENTRIES, 0, false));
		raw_ok(0, raw_create_sq(i + 1, RAW_ENTRIES, i + 1));
		loads[i] = (struct load){.qid = i + 1};
	}
	for (unsigned int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&loads[i].thread, NULL, run_load, &loads[i]), 0);
	for (unsigned int i = 0; i < 50; i++)
		ck_assert_uint_eq(raw_csts(), NVME_CSTS_RDY);
	for (unsigned int i = 0; i < 4; i++) {
		pthread_join(loads[i].thread, NULL);
		ck_assert_uint_eq(loads[i].done, LOAD_COMMANDS);
		ck_assert_uint_eq(loads[i].bad, 0);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("model_nvme_modes");
	TCase *tc = tcase_create("modes");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_loop_test(tc, doorbells_in_memory_are_seen, 0, 2);
	tcase_add_test(tc, controller_asks_to_ring_before_it_sleeps);
	tcase_add_test(tc, nonsense_in_memory_is_counted_once_and_ignored);
	tcase_add_test(tc, buffers_for_doorbells_are_checked);
	tcase_add_test(tc, file_keeps_what_was_flushed);
	tcase_add_test(tc, file_that_cannot_be_had_is_an_error);
	tcase_add_test(tc, store_that_keeps_nothing_checks_all_the_same);
	tcase_add_test(tc, words_limit_the_queues);
	tcase_add_test(tc, queues_of_several_threads_do_not_disturb_each_other);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
