// SPDX-License-Identifier: MIT
/*
 * The NVMe library's own threads, where one of them is in the middle of something while another one
 * goes on. What is wrong between two threads the thread sanitizer sees.
 */
#include <semaphore.h>
#include <unistd.h>

#include <udrv/log.h>

#include "backend/model.h"
#include "backend/model_nvme.h"
#include "nvme_ctrl.h"

#include "support/nvme_rig.h"
#include "support/suite.h"
#include "support/threads.h"

static struct nvme_rig rig;
static const char *awaited; /* part of a line of the log */
static bool said;	    /* no order comes of it */
static sem_t changed;

static void on_line(void *ctx, int level, const char *line)
{
	(void)ctx;
	(void)level;
	if (strstr(line, awaited))
		__atomic_store_n(&said, true, __ATOMIC_RELAXED);
	if (strstr(line, "has changed"))
		sem_post(&changed);
}

static void open_model(const char *line, udrv_log_fn sink)
{
	memset(&rig, 0, sizeof(rig));
	ck_assert_int_eq(sem_init(&changed, 0, 0), 0);
	awaited = line;
	udrv_log_set(sink, NULL, UDRV_LOG_INFO);
	ck_assert_int_eq(udrv_device_open("model:nvme", NULL, &rig.dev), 0);
}

static void close_model(void)
{
	udrv_device_close(rig.dev);
	udrv_log_set(NULL, NULL, 0);
	sem_destroy(&changed);
}

static void *attach_namespace(void *ctx)
{
	(void)ctx;
	until(__atomic_load_n(&said, __ATOMIC_RELAXED));
	ck_assert_int_eq(udrv__model_nvme_attach(rig.dev, 1, true), 0);
	return NULL;
}

/* A namespace comes as soon as the controller may tell of it. */
START_TEST(attach_ends_while_the_first_event_is_handled)
{
	pthread_t thread;

	open_model("1.4 controller", on_line);
	ck_assert_int_eq(udrv__model_nvme_attach(rig.dev, 1, false), 0);
	thread = start(attach_namespace, NULL);
	ck_assert_int_eq(udrv_nvme_attach(rig.dev, NULL, &rig.nvme), 0);
	/* Nothing that the library would lock, so that an order would come of it. */
	sem_wait(&changed);
	finish(thread);
	ck_assert_ptr_nonnull(udrv_nvme_ns(rig.nvme, 1));
	udrv_nvme_detach(rig.nvme);
	close_model();
}
END_TEST

/* Whoever says this is held. If a detach can go on meanwhile, it is given the time for it. */
static void hold(void *ctx, int level, const char *line)
{
	const int64_t end = now_ms() + 1000;
	const uint64_t before = nvme_rig_counts(&rig).resets;

	(void)ctx;
	(void)level;
	if (strstr(line, "resetting the controller")) {
		sem_post(&changed);
		while (now_ms() < end && nvme_rig_counts(&rig).resets == before)
			usleep(1000);
	}
	/* By the reset. */
	if (strstr(line, "cannot identify the controller")) {
		while (now_ms() < end && rig.nvme->vectors)
			usleep(1000);
		ck_assert_uint_ne(rig.nvme->vectors, 0);
	}
}

/* It is cancelled, or over, when the controller is given back. */
START_TEST(reset_that_is_asked_for_when_detach_begins)
{
	const struct udrv__model_nvme_fault swallow = {.kind = UDRV__MODEL_NVME_SWALLOW,
						       .opcode = NVME_ADMIN_GET_LOG_PAGE};

	open_model("", hold);
	ck_assert_int_eq(udrv_nvme_attach(rig.dev, NULL, &rig.nvme), 0);
	rig.nvme->options.admin_timeout_ms = 1; /* for the thread of events only */
	ck_assert_int_eq(udrv__model_nvme_inject(rig.dev, &swallow), 0);
	ck_assert_int_eq(udrv__model_nvme_attach(rig.dev, 1, false), 0);
	sem_wait(&changed);
	udrv_nvme_detach(rig.nvme);
	udrv__model_nvme_heal(rig.dev);
	ck_assert_int_eq(udrv__model_nvme_attach(rig.dev, 1, true), 0);
	nvme_rig_attach(&rig, NULL);
	udrv_nvme_detach(rig.nvme);
	close_model();
}
END_TEST

static void *update(void *ctx)
{
	(void)ctx;
	ck_assert_int_eq(nvme_ns_update(rig.nvme, 1, false), 0);
	return NULL;
}

/* A thread that has read the size of namespace 1 and gets the rest a second later. */
static pthread_t start_late_update(void)
{
	const struct udrv__model_nvme_fault second_late = {.kind = UDRV__MODEL_NVME_LATE,
							   .opcode = NVME_ADMIN_IDENTIFY,
							   .count = 1,
							   .period = 2,
							   .delay_ms = 1000};
	const uint64_t before = nvme_rig_counts(&rig).commands;
	pthread_t thread;

	ck_assert_int_eq(udrv__model_nvme_inject(rig.dev, &second_late), 0);
	thread = start(update, NULL);
	until(nvme_rig_counts(&rig).commands >= before + 2);
	return thread;
}

/* What the thread of events has read since then counts. */
START_TEST(what_was_asked_for_first_and_comes_last_is_not_believed)
{
	uint64_t size;
	pthread_t thread;

	open_model("", on_line);
	nvme_rig_attach(&rig, NULL);
	size = udrv_nvme_ns_blocks(rig.ns);
	thread = start_late_update();
	ck_assert_int_eq(udrv__model_nvme_resize(rig.dev, 1, size / 2), 0);
	sem_wait(&changed);
	ck_assert_uint_eq(udrv_nvme_ns_blocks(rig.ns), size / 2);
	finish(thread);
	ck_assert_uint_eq(udrv_nvme_ns_blocks(rig.ns), size / 2);
	udrv_nvme_detach(rig.nvme);
	close_model();
}
END_TEST

/* Likewise of one that was never known, and is gone when that is told; no event says so. */
START_TEST(what_is_gone_before_it_is_known_is_not_believed)
{
	uint32_t result;
	pthread_t thread;

	open_model("", on_line);
	ck_assert_int_eq(udrv__model_nvme_attach(rig.dev, 1, false), 0);
	ck_assert_int_eq(udrv_nvme_attach(rig.dev, NULL, &rig.nvme), 0);
	ck_assert_int_eq(
		udrv_nvme_set_feature(rig.nvme, NVME_FEAT_ASYNC_EVENT, 0, 0, false, &result), 0);
	ck_assert_int_eq(udrv__model_nvme_attach(rig.dev, 1, true), 0);
	thread = start_late_update();
	ck_assert_int_eq(udrv__model_nvme_attach(rig.dev, 1, false), 0);
	ck_assert_int_eq(nvme_ns_update(rig.nvme, 1, false), 0);
	finish(thread);
	ck_assert_ptr_null(udrv_nvme_ns(rig.nvme, 1));
	ck_assert_int_eq(udrv__model_nvme_attach(rig.dev, 1, true), 0);
	ck_assert_int_eq(nvme_ns_update(rig.nvme, 1, false), 0);
	ck_assert_ptr_nonnull(udrv_nvme_ns(rig.nvme, 1));
	udrv_nvme_detach(rig.nvme);
	close_model();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("nvme_threads");
	TCase *tc = tcase_create("threads");

	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, attach_ends_while_the_first_event_is_handled);
	tcase_add_test(tc, reset_that_is_asked_for_when_detach_begins);
	tcase_add_test(tc, what_was_asked_for_first_and_comes_last_is_not_believed);
	tcase_add_test(tc, what_is_gone_before_it_is_known_is_not_believed);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
