// SPDX-License-Identifier: MIT
/*
 * The NVMe library on a controller that invents completions, of any content: what they say cannot
 * be known, but every command ends, once.
 *
 * UDRV_NVME_SEED repeats a run, as far as threads do; UDRV_NVME_ROUNDS says how long it is.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "backend/model.h"
#include "backend/model_nvme.h"
#include "nvme_ctrl.h"

#include "support/nvme_rig.h"
#include "support/suite.h"
#include "support/threads.h"

#define SEED   4711
#define ROUNDS 300
#define READS  32u /* in flight */
#define RESETS 64u /* admin commands between two */

static const struct udrv_nvme_options impatient = {.io_timeout_ms = 100, .admin_timeout_ms = 10000};

static struct nvme_rig rig;
static unsigned char *buf;
static unsigned int seed, rounds, round_number;

#define MUST(cond)                                                                                 \
	ck_assert_msg(cond, #cond "; UDRV_NVME_SEED=%u UDRV_NVME_ROUNDS=%u, round %u", seed,       \
		      rounds, round_number)

static unsigned int number(const char *name, unsigned int usual)
{
	const char *text = getenv(name);

	return text && *text ? (unsigned int)strtoul(text, NULL, 0) : usual;
}

static void setup(void)
{
	nvme_rig_open(&rig, &impatient);
	nvme_rig_queue(&rig, 64, UDRV_NVME_ADAPTIVE);
	buf = nvme_rig_memory(&rig, 4096);
}

static void teardown(void)
{
	udrv__model_nvme_heal(rig.dev);
	nvme_rig_close(&rig);
}

static void begin(int i)
{
	seed = number("UDRV_NVME_SEED", SEED);
	rounds = number("UDRV_NVME_ROUNDS", ROUNDS);
	srand(seed + (unsigned int)i);
	/* A crash has no other way to say so. */
	printf("UDRV_NVME_SEED=%u UDRV_NVME_ROUNDS=%u\n", seed, rounds);
	fflush(stdout);
}

static uint32_t below(uint32_t end)
{
	return (uint32_t)rand() % end;
}

/*
 * Each field is one that may be right, or any. Commands in flight are the last few before the tail,
 * or have a slot at least.
 */
static void invent(unsigned int qid, uint32_t tail, uint32_t mask)
{
	const uint32_t near = tail + 1 - below(rand() % 2 ? 4 : mask + 1);
	const uint32_t cid = (rand() % 4 ? near : (uint32_t)rand()) & 0xffff;
	const uint32_t status = rand() % 2 ? (uint32_t)rand() << 17 : 0;
	const uint32_t entry[4] = {
		(uint32_t)rand(),
		(uint32_t)rand(),
		rand() % 4 ? qid << 16 | below(mask + 1) : (uint32_t)rand(),
		cid | 1u << 16 | status,
	};

	/* It has no room, or does not exist while the controller is reset. */
	(void)udrv__model_nvme_post(rig.dev, qid, entry);
}

static bool busy[READS];
static unsigned int put_count, done_count;

static void count_done(void *ctx, uint32_t status, uint32_t dw0)
{
	bool *one = ctx;

	(void)status;
	(void)dw0;
	MUST(*one);
	*one = false;
	done_count++;
}

/* What the queue returned at last. */
static int fill(void)
{
	int ret = 0;

	for (unsigned int i = 0; i < READS && !ret; i++) {
		if (busy[i])
			continue;
		ret = udrv_nvme_read(rig.q, rig.ns, buf, i, 1, 0, count_done, &busy[i]);
		busy[i] = !ret;
		put_count += !ret;
	}
	udrv_nvme_submit(rig.q);
	return ret;
}

/* Each has ended, once. */
static void drain(void)
{
	while (udrv_nvme_in_flight(rig.q))
		(void)udrv_nvme_wait(rig.q, 1000);
	MUST(done_count == put_count);
}

START_TEST(invented_completions)
{
	begin(_i);
	for (round_number = 0; round_number < rounds; round_number++) {
		MUST(!fill());
		for (unsigned int i = 0; i < 4; i++)
			invent(1, rig.q->put.tail, rig.q->put.mask);
		(void)udrv_nvme_wait(rig.q, 1);
	}
	drain();
	MUST(nvme_rig_info(&rig).bad_completions > 0);
	MUST(!nvme_rig_info(&rig).dead);
}
END_TEST

static atomic_bool stop;
static atomic_uint admin_done;

/* One after the other, and a reset now and then, in whose initialisation they come, too. */
static void *ask_always(void *ctx)
{
	struct nvme_id_ctrl *id = malloc(sizeof(*id));
	uint32_t value;

	(void)ctx;
	for (unsigned int i = 0; !stop; i++) {
		if (i % RESETS == RESETS - 1)
			(void)udrv_nvme_reset(rig.nvme);
		else if (i % 2)
			(void)udrv_nvme_identify(rig.nvme, NVME_CNS_CTRL, 0, id);
		else
			(void)udrv_nvme_get_feature(rig.nvme, NVME_FEAT_TEMPERATURE, 0, 0, NULL, 0,
						    &value);
		admin_done++;
	}
	free(id);
	return NULL;
}

static pthread_t asker;

static void start_asking(void)
{
	stop = false;
	asker = start(ask_always, NULL);
}

/* One that was given up, or has lost its namespace, is begun with anew; that always works. */
static void begin_anew(void)
{
	stop = true;
	(void)finish(asker);
	drain();
	udrv_nvme_queue_destroy(rig.q);
	udrv_nvme_detach(rig.nvme);
	nvme_rig_attach(&rig, &impatient);
	nvme_rig_queue(&rig, 64, UDRV_NVME_ADAPTIVE);
}

static uint32_t admin_tail(void)
{
	uint32_t tail;

	pthread_mutex_lock(&rig.nvme->admin_lock);
	tail = rig.nvme->admin->put.tail;
	pthread_mutex_unlock(&rig.nvme->admin_lock);
	return tail;
}

/* Takes a while, so that one is in flight most of the time. */
static void slow_down(uint8_t opcode)
{
	const struct udrv__model_nvme_fault late = {
		.kind = UDRV__MODEL_NVME_LATE, .opcode = opcode, .delay_ms = 1};

	ck_assert_int_eq(udrv__model_nvme_inject(rig.dev, &late), 0);
}

START_TEST(invented_completions_of_admin_commands)
{
	unsigned char want[512];
	unsigned int anew = 0;

	begin(_i);
	nvme_rig_fill(want, sizeof(want), 0, 1);
	memcpy(buf, want, sizeof(want));
	ck_assert_uint_eq(nvme_rig_write(&rig, buf, 0, 1, 0), 0);
	slow_down(NVME_ADMIN_IDENTIFY);
	slow_down(NVME_ADMIN_GET_FEATURES);
	slow_down(NVME_ADMIN_SET_FEATURES);
	slow_down(NVME_ADMIN_CREATE_SQ);
	slow_down(NVME_ADMIN_CREATE_CQ);
	start_asking();
	for (round_number = 0; round_number < rounds; round_number++) {
		if (fill()) {
			anew++;
			begin_anew();
			start_asking();
			continue;
		}
		for (unsigned int i = 0; i < 4; i++) {
			invent(1, rig.q->put.tail, rig.q->put.mask);
			invent(0, admin_tail(), NVME_ADMIN_ENTRIES - 1);
		}
		(void)udrv_nvme_wait(rig.q, 1);
	}
	begin_anew();
	printf("%u reads, %u admin commands, begun anew %u times\n", done_count,
	       (unsigned int)admin_done, anew);
	MUST(nvme_rig_read(&rig, buf, 0, 1) == 0);
	MUST(!memcmp(buf, want, sizeof(want)));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("nvme_invented");
	TCase *tc = tcase_create("invented");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, invented_completions, 0, 4);
	/* What was said to be written is read while it is: that is what the thread sanitizer sees.
	 */
	if (HANDLERS_RUN_AT_ONCE)
		tcase_add_loop_test(tc, invented_completions_of_admin_commands, 0, 4);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
