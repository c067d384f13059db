// SPDX-License-Identifier: MIT
/* The NVMe library's resets, timeouts and queues when they come at the wrong moment. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include <udrv/delay.h>
#include <udrv/ktime.h>

#include "backend/model.h"
#include "backend/model_nvme.h"
#include "nvme_ctrl.h"

#include "support/nvme_load.h"
#include "support/suite.h"

static const struct udrv_nvme_options impatient = {.io_timeout_ms = 100, .admin_timeout_ms = 10000};
static const struct udrv_nvme_options patient = {.io_timeout_ms = 10000, .admin_timeout_ms = 20000};

static struct nvme_rig rig;
static unsigned char *buf;

static void open_with(const struct udrv_nvme_options *options)
{
	nvme_rig_open(&rig, options);
	buf = nvme_rig_memory(&rig, 4096);
}

static void setup(void)
{
	open_with(&impatient);
	nvme_rig_queue(&rig, 16, UDRV_NVME_POLLED);
}

static void setup_patient(void)
{
	open_with(&patient);
}

static void teardown(void)
{
	udrv__model_nvme_heal(rig.dev);
	nvme_rig_close(&rig);
}

static void inject(enum udrv__model_nvme_fault_kind kind, uint16_t qid, int opcode,
		   unsigned int count, uint32_t value)
{
	const struct udrv__model_nvme_fault fault = {
		.kind = kind,
		.qid = qid,
		.any_opcode = opcode < 0,
		.opcode = opcode < 0 ? 0 : (uint8_t)opcode,
		.count = count,
		.value = value,
	};

	ck_assert_int_eq(udrv__model_nvme_inject(rig.dev, &fault), 0);
}

static void put_read(struct nvme_rig_wait *w)
{
	ck_assert_int_eq(udrv_nvme_read(rig.q, rig.ns, buf, 0, 1, 0, nvme_rig_done, w), 0);
	udrv_nvme_submit(rig.q);
}

static atomic_bool stop;
static atomic_uint resets;

static void *reset_once(void *ctx)
{
	(void)ctx;
	ck_assert_int_eq(udrv_nvme_reset(rig.nvme), 0);
	return NULL;
}

static void *reset_always(void *ctx)
{
	(void)ctx;
	while (!stop) {
		ck_assert_int_eq(udrv_nvme_reset(rig.nvme), 0);
		resets++;
	}
	return NULL;
}

static void await_frozen(void)
{
	while (!(__atomic_load_n(&rig.q->attention, __ATOMIC_ACQUIRE) & NVME_Q_FROZEN))
		udrv_usleep_range(100, 200);
}

static pthread_t resetter;

static void ask_while_a_reset_waits(void *ctx, uint32_t status, uint32_t dw0)
{
	struct udrv_nvme_info info;

	ck_assert_int_eq(pthread_create(&resetter, NULL, reset_once, NULL), 0);
	await_frozen();
	udrv_nvme_get_info(rig.nvme, &info);
	ck_assert_uint_eq(info.queues_made, 1);
	nvme_rig_done(ctx, status, dw0);
}

/* The reset waits until the callback has returned. */
START_TEST(a_callback_may_ask_for_the_figures_while_a_reset_waits_for_it)
{
	struct nvme_rig_wait w = {0};

	ck_assert_int_eq(udrv_nvme_read(rig.q, rig.ns, buf, 0, 1, 0, ask_while_a_reset_waits, &w),
			 0);
	ck_assert_uint_eq(nvme_rig_await(&rig, &w), 0);
	pthread_join(resetter, NULL);
}
END_TEST

START_TEST(a_reset_before_word_of_the_last_one_was_taken)
{
	const struct udrv__model_nvme_switches never = {.never_ready = true};
	struct nvme_rig_wait w = {0};
	uint64_t before;
	pthread_t thread;

	inject(UDRV__MODEL_NVME_SWALLOW, 1, -1, 1, 0);
	put_read(&w);
	ck_assert_int_eq(udrv_nvme_reset(rig.nvme), 0);
	udrv__model_nvme_set_switches(rig.dev, &never);
	ck_assert_int_eq(pthread_create(&thread, NULL, reset_once, NULL), 0);
	await_frozen();
	before = nvme_rig_counts(&rig).doorbells;
	ck_assert_uint_eq(udrv_nvme_poll(rig.q, 0), 0);
	ck_assert(rig.q->attention & NVME_Q_FROZEN);
	ck_assert_uint_eq(nvme_rig_counts(&rig).doorbells, before);
	udrv__model_nvme_heal(rig.dev);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(nvme_rig_await(&rig, &w), 0);
}
END_TEST

/* An owner who looks seldom; what is read is what was written. */
START_TEST(resets_back_to_back)
{
	static struct nvme_load load;
	pthread_t thread;

	nvme_rig_queue(&rig, 64, UDRV_NVME_POLLED);
	load = (struct nvme_load){.rig = &rig, .depth = 32};
	nvme_load_begin(&load);
	ck_assert_int_eq(pthread_create(&thread, NULL, reset_always, NULL), 0);
	while (resets < 500) {
		ck_assert(nvme_load_fill(&load));
		udrv_nvme_submit(rig.q);
		if (rand() % 3 == 0)
			udrv_usleep_range(0, (unsigned int)rand() % 2000);
		(void)udrv_nvme_poll(rig.q, 0);
	}
	stop = true;
	pthread_join(thread, NULL);
	nvme_load_finish(&load);
	ck_assert_uint_eq(load.failed, 0);
	ck_assert_uint_eq(nvme_rig_info(&rig).bad_completions, 0);
	ck_assert_uint_eq(nvme_rig_counts(&rig).bad_doorbells, 0);
}
END_TEST

START_TEST(queues_come_and_go_during_resets)
{
	const struct udrv_nvme_queue_options o = {.entries = 16, .completion = UDRV_NVME_POLLED};
	unsigned int made = 0;
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, reset_always, NULL), 0);
	while (resets < 500 || made < 10) {
		struct nvme_rig_wait w[4] = {{0}};

		/* It may be refused by the reset that comes in between. */
		if (udrv_nvme_queue_create(rig.nvme, &o, &rig.q))
			continue;
		made++;
		for (int i = 0; i < 4; i++)
			put_read(&w[i]);
		for (int i = 0; i < 4; i++)
			ck_assert_uint_eq(nvme_rig_await(&rig, &w[i]), 0);
		udrv_nvme_queue_destroy(rig.q);
		rig.q = NULL;
	}
	stop = true;
	pthread_join(thread, NULL);
	ck_assert_uint_eq(nvme_rig_info(&rig).bad_completions, 0);
	ck_assert_uint_eq(nvme_rig_counts(&rig).bad_doorbells, 0);
}
END_TEST

START_TEST(a_queue_that_goes_after_a_reset_rings_no_more)
{
	struct nvme_rig_wait w = {0};

	inject(UDRV__MODEL_NVME_SWALLOW, 1, -1, 1, 0);
	put_read(&w);
	ck_assert_int_eq(udrv_nvme_reset(rig.nvme), 0);
	udrv_nvme_queue_destroy(rig.q);
	rig.q = NULL;
	ck_assert_uint_eq(w.calls, 1);
	ck_assert_uint_eq(nvme_rig_counts(&rig).bad_doorbells, 0);
}
END_TEST

START_TEST(a_refused_queue_leaves_nothing_behind)
{
	udrv_nvme_queue_destroy(rig.q);
	rig.q = NULL;
	inject(UDRV__MODEL_NVME_ERROR, 0, NVME_ADMIN_CREATE_SQ, 1, NVME_SC_INTERNAL);
	ck_assert_int_lt(udrv_nvme_queue_create(rig.nvme, NULL, &rig.q), 0);
	ck_assert_ptr_null(rig.q);
	nvme_rig_queue(&rig, 16, UDRV_NVME_POLLED);
	ck_assert_uint_eq(nvme_rig_info(&rig).resets, 0);
	ck_assert_uint_eq(nvme_rig_read(&rig, buf, 0, 1), 0);
}
END_TEST

/* The process was stopped, say. */
START_TEST(what_is_done_is_not_late)
{
	struct nvme_rig_wait w[3] = {{0}};

	for (int i = 0; i < 3; i++) {
		put_read(&w[i]);
		udrv__model_nvme_settle(rig.dev);
		udrv_msleep(3 * impatient.io_timeout_ms);
	}
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(nvme_rig_await(&rig, &w[i]), 0);
	ck_assert_uint_eq(nvme_rig_info(&rig).timeouts, 0);
}
END_TEST

/* What is in the block that is read; buf has it no more. */
static void write_first(void)
{
	nvme_rig_fill(buf, 4096, 0, 1);
	ck_assert_uint_eq(nvme_rig_write(&rig, buf, 0, 1, 0), 0);
	memset(buf, 0xa5, 4096);
}

/* Each ended well, and does not do so again. */
static void ended_once(struct nvme_rig_wait *w, unsigned int count)
{
	unsigned char want[4096];

	for (unsigned int i = 0; i < count; i++)
		ck_assert_uint_eq(nvme_rig_await(&rig, &w[i]), 0);
	nvme_rig_fill(want, 4096, 0, 1);
	ck_assert_mem_eq(buf, want, 512);
	ck_assert_uint_eq(nvme_rig_read(&rig, buf, 0, 1), 0);
	ck_assert_uint_eq(udrv_nvme_in_flight(rig.q), 0);
	for (unsigned int i = 0; i < count; i++)
		ck_assert_uint_eq(w[i].calls, 1);
}

/*
 * The first is executed, but completed behind the second only, which is fetched once the first was
 * found late. _i: whether the abort finds it before that.
 */
START_TEST(one_that_is_completed_after_its_abort_was_sent)
{
	const struct udrv__model_nvme_switches switches = {.abort_is_lost = !_i};
	struct nvme_rig_wait w[2] = {{0}};
	struct udrv_nvme_info before;

	write_first();
	before = nvme_rig_info(&rig); /* that may have been late */
	udrv__model_nvme_set_switches(rig.dev, &switches);
	inject(UDRV__MODEL_NVME_REORDER, 1, NVME_READ, 1, 0);
	put_read(&w[0]);
	udrv__model_nvme_settle(rig.dev);
	udrv__model_nvme_pause(rig.dev, true);
	put_read(&w[1]);
	while (nvme_rig_info(&rig).aborts == before.aborts)
		ck_assert_uint_eq(udrv_nvme_poll(rig.q, 0), 0);
	udrv__model_nvme_pause(rig.dev, false);
	udrv__model_nvme_settle(rig.dev);
	/* Whatever the time is by now: what is there counts. */
	ck_assert_uint_eq(udrv_nvme_poll(rig.q, 0), _i ? 1 : 2);
	ck_assert_uint_eq(w[0].calls, !_i);
	ck_assert_uint_eq(w[1].calls, 1);
	ck_assert_uint_eq(nvme_rig_info(&rig).resets, before.resets);
	ended_once(w, 2);
	ck_assert_uint_eq(nvme_rig_info(&rig).bad_completions, 0);
}
END_TEST

/* Until a reset that the queue's commands make is over, and they are sent again. */
static void await_resent(void)
{
	while (!nvme_rig_info(&rig).resets ||
	       __atomic_load_n(&rig.q->attention, __ATOMIC_ACQUIRE)) {
		(void)udrv_nvme_poll(rig.q, 0);
		udrv_cpu_relax();
	}
	udrv__model_nvme_settle(rig.dev);
}

/* Of the queue's first command, which had the first slot's second generation. */
static void post_for_first(uint32_t status)
{
	const uint32_t cid = rig.q->put.mask + 1;
	const uint32_t entry[4] = {0, 0, 1u << 16, cid | 1u << 16 | status << 17};

	ck_assert_int_eq(udrv__model_nvme_post(rig.dev, 1, entry), 0);
}

/* By a controller that has not forgotten it: it is sent again by then, and has not ended. */
START_TEST(one_that_is_completed_after_the_reset_that_it_made)
{
	static const uint32_t statuses[] = {0, NVME_SC_READ_ERROR | NVME_STATUS_DNR};
	const struct udrv__model_nvme_switches switches = {.abort_is_lost = true};
	struct nvme_rig_wait w[2] = {{0}};

	udrv_nvme_queue_destroy(rig.q);
	nvme_rig_queue(&rig, 16, UDRV_NVME_POLLED);
	udrv__model_nvme_set_switches(rig.dev, &switches);
	inject(UDRV__MODEL_NVME_SWALLOW, 1, NVME_WRITE, 1, 0);
	inject(UDRV__MODEL_NVME_REORDER, 1, NVME_WRITE, 1, 0);
	nvme_rig_fill(buf, 4096, 0, 1);
	ck_assert_int_eq(udrv_nvme_write(rig.q, rig.ns, buf, 0, 1, 0, nvme_rig_done, &w[0]), 0);
	udrv_nvme_submit(rig.q);
	await_resent();
	post_for_first(statuses[_i]);
	ck_assert_uint_eq(udrv_nvme_poll(rig.q, 0), 0);
	ck_assert_uint_eq(w[0].calls, 0);
	ck_assert_uint_eq(udrv_nvme_in_flight(rig.q), 1);
	ck_assert_uint_eq(nvme_rig_info(&rig).bad_completions, 1);
	put_read(&w[1]);
	ended_once(w, 2);
	ck_assert_uint_eq(nvme_rig_info(&rig).bad_completions, 1);
}
END_TEST

/* Nobody has looked when the reset comes, which begins the rings anew. */
START_TEST(one_that_was_completed_just_before_a_reset)
{
	struct nvme_rig_wait w = {0};

	write_first();
	put_read(&w);
	udrv__model_nvme_settle(rig.dev);
	ck_assert(nvme_has_completion(rig.q));
	memset(buf, 0xa5, 4096);
	ck_assert_int_eq(udrv_nvme_reset(rig.nvme), 0);
	ck_assert_uint_eq(w.calls, 0);
	ended_once(&w, 1);
	ck_assert_uint_eq(nvme_rig_info(&rig).bad_completions, 0);
}
END_TEST

static atomic_bool go_on = true;

static void again(void *ctx, uint32_t status, uint32_t dw0)
{
	(void)dw0;
	ck_assert_uint_eq(status, 0);
	if (go_on)
		ck_assert_int_eq(udrv_nvme_read(rig.q, rig.ns, ctx, 0, 1, 0, again, ctx), 0);
}

/* Each look finds something, and callbacks put the next. */
START_TEST(a_queue_that_is_always_busy_finds_what_is_late)
{
	struct nvme_rig_wait w = {0};

	inject(UDRV__MODEL_NVME_SWALLOW, 1, NVME_WRITE, 1, 0);
	ck_assert_int_eq(udrv_nvme_write(rig.q, rig.ns, buf, 0, 1, 0, nvme_rig_done, &w), 0);
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(udrv_nvme_read(rig.q, rig.ns, buf, 0, 1, 0, again, buf), 0);
	udrv_nvme_submit(rig.q);
	while (!w.calls) {
		while (!nvme_has_completion(rig.q))
			udrv_cpu_relax();
		(void)udrv_nvme_poll(rig.q, 0);
	}
	ck_assert_uint_eq(w.status, 0);
	go_on = false;
	while (udrv_nvme_in_flight(rig.q))
		(void)udrv_nvme_wait(rig.q, 100);
}
END_TEST

START_TEST(a_long_wait_finds_what_is_late)
{
	const udrv_ktime_t begin = udrv_ktime_get();
	struct nvme_rig_wait w = {0};

	udrv_nvme_queue_destroy(rig.q);
	nvme_rig_queue(&rig, 16, UDRV_NVME_INTERRUPT);
	inject(UDRV__MODEL_NVME_SWALLOW, 1, -1, 1, 0);
	put_read(&w);
	while (!w.calls)
		(void)udrv_nvme_wait(rig.q, 600000);
	ck_assert_uint_eq(w.status, 0);
	ck_assert(udrv_ktime_get() - begin < INT64_C(60000000000));
}
END_TEST

static atomic_uint warnings;

static void count_warnings(void *ctx, enum udrv_nvme_event event, uint32_t arg)
{
	(void)ctx;
	(void)arg;
	warnings += event == UDRV_NVME_EVENT_SMART;
}

START_TEST(events_without_interrupts)
{
	const struct udrv__model_nvme_switches mute = {.no_interrupts = true};

	udrv_nvme_on_event(rig.nvme, count_warnings, NULL);
	udrv__model_nvme_set_switches(rig.dev, &mute);
	udrv__model_nvme_set_warning(rig.dev, 1);
	while (!warnings)
		udrv_msleep(10);
}
END_TEST

static atomic_bool attached;

static void *warn_always(void *ctx)
{
	(void)ctx;
	while (!attached)
		udrv__model_nvme_set_warning(rig.dev, (uint8_t)(rand() % 32));
	return NULL;
}

/* One that comes too early must not keep the next ones from being told. */
START_TEST(events_while_it_is_attached)
{
	for (int round = 0; round < 10; round++) {
		pthread_t thread;

		udrv_nvme_queue_destroy(rig.q);
		rig.q = NULL;
		udrv_nvme_detach(rig.nvme);
		attached = false;
		ck_assert_int_eq(pthread_create(&thread, NULL, warn_always, NULL), 0);
		ck_assert_int_eq(udrv_nvme_attach(rig.dev, &impatient, &rig.nvme), 0);
		attached = true;
		pthread_join(thread, NULL);
		udrv_nvme_on_event(rig.nvme, count_warnings, NULL);
		warnings = 0;
		while (!warnings) {
			udrv__model_nvme_set_warning(rig.dev, 0);
			udrv__model_nvme_set_warning(rig.dev, 2);
			udrv_msleep(1);
		}
	}
}
END_TEST

/* The log page of an event is never given, and the controller neither shuts down nor starts. */
START_TEST(detaching_ends_what_waits)
{
	const struct udrv__model_nvme_switches bad = {.never_shut_down = true, .never_ready = true};

	udrv_nvme_queue_destroy(rig.q);
	inject(UDRV__MODEL_NVME_SWALLOW, 0, NVME_ADMIN_GET_LOG_PAGE, 1, 0);
	udrv__model_nvme_set_warning(rig.dev, 1);
	udrv__model_nvme_settle(rig.dev);
	udrv__model_nvme_set_switches(rig.dev, &bad);
	udrv_nvme_detach(rig.nvme);
	udrv__model_nvme_heal(rig.dev);
	nvme_rig_attach(&rig, &impatient);
	nvme_rig_queue(&rig, 16, UDRV_NVME_POLLED);
	ck_assert_uint_eq(nvme_rig_read(&rig, buf, 0, 1), 0);
}
END_TEST

static void *reset_in_vain(void *ctx)
{
	(void)ctx;
	ck_assert_int_lt(udrv_nvme_reset(rig.nvme), 0);
	return NULL;
}

/* The admin timeout would be 20 s. */
START_TEST(removal_in_the_middle_of_a_reset)
{
	const udrv_ktime_t begin = udrv_ktime_get();
	pthread_t thread;

	nvme_rig_queue(&rig, 16, UDRV_NVME_POLLED);
	inject(UDRV__MODEL_NVME_SWALLOW, 0, NVME_ADMIN_IDENTIFY, 0, 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, reset_in_vain, NULL), 0);
	await_frozen();
	udrv__model_surprise_remove(rig.dev);
	pthread_join(thread, NULL);
	ck_assert(nvme_rig_info(&rig).dead);
	ck_assert(udrv_ktime_get() - begin < INT64_C(15000000000));
}
END_TEST

/* A write that the controller swallows, to the namespace that the number means now. */
static void swallow_write(struct nvme_rig_wait *w)
{
	const struct udrv__model_nvme_fault fault = {
		.kind = UDRV__MODEL_NVME_SWALLOW, .qid = 1, .opcode = NVME_WRITE, .count = 1};

	ck_assert_int_eq(udrv__model_nvme_inject(rig.dev, &fault), 0);
	memset(buf, 0x5a, 4096);
	ck_assert_int_eq(udrv_nvme_write(rig.q, rig.ns, buf, 0, 1, 0, nvme_rig_done, w), 0);
	udrv_nvme_submit(rig.q);
	udrv__model_nvme_settle(rig.dev);
}

static void want_events(uint32_t mask)
{
	ck_assert_int_eq(
		udrv_nvme_set_feature(rig.nvme, NVME_FEAT_ASYNC_EVENT, 0, mask, false, NULL), 0);
}

/* Has the namespace that it is now what was written to the one before? */
static void is_untouched(void)
{
	rig.ns = udrv_nvme_ns(rig.nvme, 1);
	ck_assert_ptr_nonnull(rig.ns);
	ck_assert_uint_eq(nvme_rig_read(&rig, buf, 0, 1), 0);
	for (unsigned int i = 0; i < 512; i++)
		ck_assert_uint_eq(buf[i], 0);
}

static void replace_first(bool told)
{
	const struct udrv_nvme_ns *old = rig.ns;

	want_events(told ? NVME_ASYNC_NS_CHANGED : 0);
	ck_assert_int_eq(udrv__model_nvme_replace(rig.dev, 1), 0);
	while (told && __atomic_load_n(&old->blocks, __ATOMIC_ACQUIRE))
		udrv_msleep(1);
}

/* _i: whether an event tells of it, or the reset finds it. */
START_TEST(a_command_does_not_go_to_another_namespace)
{
	const struct udrv_nvme_ns *old = rig.ns;
	struct nvme_rig_wait w = {0};
	struct nvme_rig_wait later = {0};

	nvme_rig_queue(&rig, 16, UDRV_NVME_POLLED);
	swallow_write(&w);
	replace_first(_i);
	ck_assert_int_eq(udrv_nvme_reset(rig.nvme), 0);
	ck_assert_uint_eq(nvme_rig_await(&rig, &w), NVME_SC_HOST_NS_CHANGED);
	ck_assert_int_eq(udrv_nvme_errno(w.status), -ENODEV);
	ck_assert_int_eq(udrv_nvme_write(rig.q, old, buf, 0, 1, 0, nvme_rig_done, &later), -EINVAL);
	is_untouched();
}
END_TEST

/* Put, and not shown yet. */
START_TEST(a_command_that_was_not_sent_does_not_go_to_another_namespace)
{
	struct nvme_rig_wait w = {0};

	nvme_rig_queue(&rig, 16, UDRV_NVME_POLLED);
	memset(buf, 0x5a, 4096);
	ck_assert_int_eq(udrv_nvme_write(rig.q, rig.ns, buf, 0, 1, 0, nvme_rig_done, &w), 0);
	replace_first(false);
	ck_assert_int_eq(udrv_nvme_reset(rig.nvme), 0);
	ck_assert_uint_eq(nvme_rig_await(&rig, &w), NVME_SC_HOST_PATHING);
	is_untouched();
}
END_TEST

START_TEST(a_retry_does_not_go_to_another_namespace)
{
	const struct udrv__model_nvme_fault fault = {.kind = UDRV__MODEL_NVME_ERROR,
						     .qid = 1,
						     .opcode = NVME_WRITE,
						     .count = 4,
						     .value = NVME_SC_NS_NOT_READY | 1u << 11};
	struct udrv__model_nvme_config config;
	struct nvme_rig_wait w = {0};

	udrv_nvme_detach(rig.nvme);
	udrv__model_nvme_get_config(rig.dev, &config);
	config.crdt[0] = 5;
	ck_assert_int_eq(udrv__model_nvme_set_config(rig.dev, &config), 0);
	ck_assert_int_eq(udrv_nvme_attach(rig.dev, &patient, &rig.nvme), 0);
	rig.ns = udrv_nvme_ns(rig.nvme, 1);
	nvme_rig_queue(&rig, 16, UDRV_NVME_POLLED);
	ck_assert_int_eq(udrv__model_nvme_inject(rig.dev, &fault), 0);
	memset(buf, 0x5a, 4096);
	ck_assert_int_eq(udrv_nvme_write(rig.q, rig.ns, buf, 0, 1, 0, nvme_rig_done, &w), 0);
	udrv_nvme_submit(rig.q);
	udrv__model_nvme_settle(rig.dev);
	ck_assert_uint_eq(udrv_nvme_poll(rig.q, 0), 0);
	replace_first(true);
	udrv__model_nvme_heal(rig.dev);
	ck_assert_int_eq(udrv_nvme_errno(nvme_rig_await(&rig, &w)), -ENODEV);
	is_untouched();
}
END_TEST

/* Identify Namespace: NGUID and EUI64 are zeroes, NSZE is not what it was. */
static void say_no_identifiers(void)
{
	for (unsigned int at = 104; at < 128; at += 8)
		ck_assert_int_eq(udrv__model_nvme_say(rig.dev, NVME_CNS_NS, at, 8, 0), 0);
}

/* It is the same over resets until another UUID has its number. */
static void is_known_by_its_uuid(void)
{
	const struct udrv_nvme_ns *old;

	ck_assert_int_eq(udrv_nvme_reset(rig.nvme), 0);
	old = udrv_nvme_ns(rig.nvme, 1);
	ck_assert_int_eq(udrv_nvme_reset(rig.nvme), 0);
	ck_assert_ptr_eq(udrv_nvme_ns(rig.nvme, 1), old);
	replace_first(false);
	ck_assert_int_eq(udrv_nvme_reset(rig.nvme), 0);
	ck_assert_ptr_ne(udrv_nvme_ns(rig.nvme, 1), old);
	ck_assert_uint_eq(old->blocks, 0);
}

START_TEST(a_namespace_is_known_by_its_uuid_if_it_has_no_other_name)
{
	say_no_identifiers();
	is_known_by_its_uuid();
}
END_TEST

/* NSFEAT.UIDREUSE is clear: what is made anew may have the NGUID and EUI64 of what was deleted. */
START_TEST(a_namespace_with_names_that_are_used_again_is_known_by_its_uuid)
{
	for (unsigned int at = 104; at < 128; at += 8)
		ck_assert_int_eq(udrv__model_nvme_say(rig.dev, NVME_CNS_NS, at, 8, 7), 0);
	is_known_by_its_uuid();
}
END_TEST

/* The ways that a transfer may go; odd: from memory that no command may have. */
static uint32_t write_through(unsigned int way, unsigned char *odd)
{
	const struct iovec iov = {buf, 4096};
	const struct udrv_nvme_io io = {.opcode = NVME_WRITE,
					.iov = &iov,
					.iov_count = 1,
					.lba = way * 8,
					.blocks = 8,
					.flags = NVME_RW_FUA};
	struct nvme_rig_wait w = {0};

	nvme_rig_fill(buf, 4096, way, 1);
	memcpy(odd, buf, 4096);
	if (way < 2)
		return nvme_rig_write(&rig, way ? odd : buf, way * 8, 8, NVME_RW_FUA);
	ck_assert_int_eq(udrv_nvme_rw(rig.q, rig.ns, &io, nvme_rig_done, &w), 0);
	return nvme_rig_await(&rig, &w);
}

/* 4 KiB each. */
START_TEST(what_is_flushed_or_written_through_is_kept_without_power)
{
	static const unsigned char zeroes[4096];
	unsigned char *memory = malloc(4097);
	unsigned char want[4096];
	struct nvme_rig_wait w = {0};

	ck_assert_ptr_nonnull(memory);
	ck_assert_uint_eq(rig.ns->block_shift, 9);
	nvme_rig_queue(&rig, 16, UDRV_NVME_ADAPTIVE);
	nvme_rig_fill(buf, 4096, 3, 1);
	ck_assert_uint_eq(nvme_rig_write(&rig, buf, 3 * 8, 8, 0), 0);
	ck_assert_int_eq(udrv_nvme_flush(rig.q, rig.ns, nvme_rig_done, &w), 0);
	ck_assert_uint_eq(nvme_rig_await(&rig, &w), 0);
	for (unsigned int way = 0; way < 3; way++)
		ck_assert_uint_eq(write_through(way, memory + 1), 0);
	ck_assert_uint_eq(nvme_rig_write(&rig, buf, 4 * 8, 8, 0), 0);
	udrv__model_nvme_power_cut(rig.dev);
	ck_assert_int_eq(udrv_nvme_reset(rig.nvme), 0);
	for (unsigned int i = 0; i < 4; i++) {
		nvme_rig_fill(want, 4096, i, 1);
		ck_assert_uint_eq(nvme_rig_read(&rig, buf, i * 8, 8), 0);
		ck_assert_mem_eq(buf, want, 4096);
	}
	ck_assert_uint_eq(nvme_rig_read(&rig, buf, 4 * 8, 8), 0);
	ck_assert_mem_eq(buf, zeroes, 4096);
	free(memory);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("nvme_resets");
	TCase *tc = tcase_create("impatient");
	TCase *late = tcase_create("patient");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_callback_may_ask_for_the_figures_while_a_reset_waits_for_it);
	tcase_add_test(tc, a_reset_before_word_of_the_last_one_was_taken);
	tcase_add_test(tc, a_queue_that_goes_after_a_reset_rings_no_more);
	tcase_add_test(tc, a_refused_queue_leaves_nothing_behind);
	tcase_add_test(tc, what_is_done_is_not_late);
	tcase_add_loop_test(tc, one_that_is_completed_after_its_abort_was_sent, 0, 2);
	tcase_add_loop_test(tc, one_that_is_completed_after_the_reset_that_it_made, 0, 2);
	tcase_add_test(tc, one_that_was_completed_just_before_a_reset);
	tcase_add_test(tc, a_queue_that_is_always_busy_finds_what_is_late);
	tcase_add_test(tc, a_long_wait_finds_what_is_late);
	tcase_add_test(tc, events_without_interrupts);
	tcase_add_test(tc, events_while_it_is_attached);
	tcase_add_test(tc, detaching_ends_what_waits);
	suite_add_tcase(s, tc);
	tcase_set_timeout(late, 300);
	tcase_add_checked_fixture(late, setup_patient, teardown);
	tcase_add_test(late, resets_back_to_back);
	tcase_add_test(late, queues_come_and_go_during_resets);
	tcase_add_test(late, removal_in_the_middle_of_a_reset);
	tcase_add_loop_test(late, a_command_does_not_go_to_another_namespace, 0, 2);
	tcase_add_test(late, a_command_that_was_not_sent_does_not_go_to_another_namespace);
	tcase_add_test(late, a_retry_does_not_go_to_another_namespace);
	tcase_add_test(late, a_namespace_is_known_by_its_uuid_if_it_has_no_other_name);
	tcase_add_test(late, a_namespace_with_names_that_are_used_again_is_known_by_its_uuid);
	tcase_add_test(late, what_is_flushed_or_written_through_is_kept_without_power);
	suite_add_tcase(s, late);
	return run_suite(s);
}
