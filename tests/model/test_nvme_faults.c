// SPDX-License-Identifier: MIT
/*
 * The NVMe library on a controller that does not keep to the rules: every command ends, once, and
 * what it says is true.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <poll.h>

#include <udrv/ktime.h>
#include <udrv/pci.h>

#include "backend/model.h"
#include "backend/model_nvme.h"

#include "support/nvme_load.h"
#include "support/suite.h"

static struct nvme_rig rig;

/* Short, as most tests wait for it. Nothing is wrong if a slow machine does not keep to it. */
static const struct udrv_nvme_options impatient = {.io_timeout_ms = 100, .admin_timeout_ms = 10000};

static void setup(void)
{
	nvme_rig_open(&rig, &impatient);
	nvme_rig_queue(&rig, 64, UDRV_NVME_ADAPTIVE);
}

static void teardown(void)
{
	udrv__model_nvme_heal(rig.dev);
	nvme_rig_close(&rig);
}

/* Without a queue. */
static void reattach(const struct udrv__model_nvme_config *config,
		     const struct udrv_nvme_options *options)
{
	udrv_nvme_queue_destroy(rig.q);
	udrv_nvme_detach(rig.nvme);
	ck_assert_int_eq(udrv__model_nvme_set_config(rig.dev, config), 0);
	nvme_rig_attach(&rig, options);
}

static void inject(enum udrv__model_nvme_fault_kind kind, unsigned int period, unsigned int count,
		   uint32_t value, uint32_t delay_ms)
{
	const struct udrv__model_nvme_fault fault = {
		.kind = kind,
		.qid = 1,
		.any_opcode = true,
		.count = count,
		.period = period,
		.value = value,
		.delay_ms = delay_ms,
	};

	ck_assert_int_eq(udrv__model_nvme_inject(rig.dev, &fault), 0);
}

static void load_with(enum udrv__model_nvme_fault_kind kind, unsigned int period,
		      unsigned int count, uint32_t value, uint32_t delay_ms, struct nvme_load *load)
{
	*load = (struct nvme_load){.rig = &rig, .depth = 32};
	nvme_load_begin(load);
	inject(kind, period, count, value, delay_ms);
	nvme_load_run(load, 1000);
	udrv__model_nvme_heal(rig.dev);
	nvme_load_run(load, 200);
	nvme_load_finish(load);
	ck_assert(!nvme_rig_info(&rig).dead);
}

/* What is only out of the ordinary hurts nobody. */
static const struct {
	enum udrv__model_nvme_fault_kind kind;
	unsigned int period, count;
	uint32_t value, delay_ms;
} odd[] = {
	{UDRV__MODEL_NVME_LATE, 7, 0, 0, 3},
	{UDRV__MODEL_NVME_REORDER, 3, 0, 0, 2},
	{UDRV__MODEL_NVME_DUPLICATE, 5, 0, 0, 0},
	{UDRV__MODEL_NVME_SWALLOW, 50, 3, 0, 0},
	{UDRV__MODEL_NVME_STATUS, 50, 0, NVME_SC_INTERNAL, 0}, /* may be tried again */
	{UDRV__MODEL_NVME_ERROR, 50, 0, NVME_SC_NS_NOT_READY, 0},
	{UDRV__MODEL_NVME_PHASE, 200, 2, 0, 0},
	{UDRV__MODEL_NVME_CID, 200, 2, 0xfff7, 0},
	{UDRV__MODEL_NVME_STALE_CID, 200, 2, 0, 0},
	{UDRV__MODEL_NVME_SQHD, 200, 2, 0xffff, 0},
	{UDRV__MODEL_NVME_SQID, 200, 2, 33, 0},
};

START_TEST(odd_completions)
{
	struct nvme_load load;

	load_with(odd[_i].kind, odd[_i].period, odd[_i].count, odd[_i].value, odd[_i].delay_ms,
		  &load);
	ck_assert_uint_eq(load.failed, 0);
}
END_TEST

/* Than is waited for: after the abort was sent, or about when a reset is made. */
static const struct {
	uint32_t delay_ms;
	bool abort_is_lost;
} late[] = {{150, false}, {150, true}, {210, true}, {260, true}};

START_TEST(completions_that_are_later)
{
	const struct udrv__model_nvme_switches switches = {.abort_is_lost = late[_i].abort_is_lost};
	struct nvme_load load;

	udrv__model_nvme_set_switches(rig.dev, &switches);
	load_with(UDRV__MODEL_NVME_LATE, 100, 3, 0, late[_i].delay_ms, &load);
	ck_assert_uint_eq(load.failed, 0);
}
END_TEST

START_TEST(an_error_is_told)
{
	struct nvme_load load;

	load_with(UDRV__MODEL_NVME_ERROR, 10, 0, NVME_SC_READ_ERROR | NVME_STATUS_DNR, 0, &load);
	ck_assert_uint_gt(load.failed, 50);
	ck_assert_uint_eq(load.last_status, NVME_SC_READ_ERROR | NVME_STATUS_DNR);
	ck_assert_int_eq(udrv_nvme_errno(load.last_status), -ENODATA);
}
END_TEST

START_TEST(what_belongs_to_nobody_is_counted)
{
	struct nvme_load load;

	load_with(UDRV__MODEL_NVME_DUPLICATE, 2, 0, 0, 0, &load);
	ck_assert_uint_eq(load.failed, 0);
	ck_assert_uint_gt(nvme_rig_info(&rig).bad_completions, 0);
}
END_TEST

START_TEST(a_command_that_never_ends_is_aborted)
{
	unsigned char *buf = nvme_rig_memory(&rig, 4096);
	struct udrv_nvme_info before;
	udrv_ktime_t begin;
	int64_t ms;

	/* Again where the controller was held up: an abort that takes as long makes a reset. */
	for (int tries = 0;; tries++) {
		before = nvme_rig_info(&rig);
		begin = udrv_ktime_get();
		inject(UDRV__MODEL_NVME_SWALLOW, 1, 1, 0, 0);
		ck_assert_uint_eq(nvme_rig_read(&rig, buf, 0, 1), 0); /* the second time */
		ms = (udrv_ktime_get() - begin) / 1000000;
		ck_assert_uint_gt(nvme_rig_info(&rig).aborts, before.aborts);
		if (nvme_rig_info(&rig).resets == before.resets)
			break;
		ck_assert_int_lt(tries, 10);
		ck_assert_int_ge(ms, 2 * (int64_t)impatient.io_timeout_ms - 20);
	}
}
END_TEST

START_TEST(an_abort_that_does_nothing_makes_a_reset)
{
	const struct udrv__model_nvme_switches lost = {.abort_is_lost = true};
	unsigned char *buf = nvme_rig_memory(&rig, 4096);

	udrv__model_nvme_set_switches(rig.dev, &lost);
	inject(UDRV__MODEL_NVME_SWALLOW, 1, 1, 0, 0);
	ck_assert_uint_eq(nvme_rig_read(&rig, buf, 0, 1), 0);
	ck_assert_uint_ge(nvme_rig_info(&rig).resets, 1);
}
END_TEST

/* It kills the controller each time: it is given up, not the controller. */
START_TEST(a_command_that_never_works_ends)
{
	const struct udrv__model_nvme_switches lost = {.abort_is_lost = true};
	unsigned char *buf = nvme_rig_memory(&rig, 4096);
	struct nvme_rig_wait w = {0};

	udrv__model_nvme_set_switches(rig.dev, &lost);
	inject(UDRV__MODEL_NVME_SWALLOW, 1, 0, 0, 0);
	ck_assert_int_eq(udrv_nvme_write(rig.q, rig.ns, buf, 0, 1, 0, nvme_rig_done, &w), 0);
	ck_assert_uint_eq(nvme_rig_await(&rig, &w), NVME_SC_HOST_ABORTED);
	ck_assert_int_eq(udrv_nvme_errno(w.status), -EIO);
	ck_assert(!nvme_rig_info(&rig).dead);
	udrv__model_nvme_heal(rig.dev);
	ck_assert_uint_eq(nvme_rig_read(&rig, buf, 0, 1), 0);
}
END_TEST

START_TEST(a_fatal_status_makes_a_reset)
{
	struct nvme_load load = {.rig = &rig, .depth = 32};

	nvme_load_begin(&load);
	for (int i = 0; i < 3; i++) {
		nvme_load_run(&load, 200);
		udrv__model_nvme_set_fatal(rig.dev);
		nvme_load_run(&load, 200);
	}
	nvme_load_finish(&load);
	ck_assert_uint_eq(load.failed, 0);
	ck_assert_uint_ge(nvme_rig_info(&rig).resets, 3);
}
END_TEST

/* All that was in flight ends, nothing is taken any more, and closing works. */
static void check_dead(struct nvme_load *load, int error)
{
	nvme_load_run(load, UINT32_MAX / 4);
	nvme_load_finish(load);
	ck_assert_int_eq(load->refused, error);
	ck_assert_uint_gt(load->failed, 0);
	ck_assert(load->last_status == NVME_SC_HOST_ABORTED ||
		  load->last_status == NVME_SC_HOST_PATHING);
	ck_assert(nvme_rig_info(&rig).dead);
	ck_assert_int_lt(udrv_nvme_reset(rig.nvme), 0);
	ck_assert_int_lt(
		udrv_nvme_identify(rig.nvme, NVME_CNS_CTRL, 0, nvme_rig_memory(&rig, 4096)), 0);
}

START_TEST(one_that_does_not_come_back_is_given_up)
{
	const struct udrv__model_nvme_switches never = {.never_ready = true};
	struct nvme_load load = {.rig = &rig, .depth = 32};

	nvme_load_begin(&load);
	nvme_load_run(&load, 100);
	udrv__model_nvme_set_switches(rig.dev, &never);
	udrv__model_nvme_set_fatal(rig.dev);
	check_dead(&load, -EIO);
}
END_TEST

/* With commands in flight, which no later reset is to blame for. */
static int reset_one_that_is_never_disabled(struct nvme_load *load, bool no_function_reset)
{
	const struct udrv__model_nvme_switches never = {.never_disabled = true,
							.no_function_reset = no_function_reset};
	struct udrv__model_nvme_config config;

	udrv__model_nvme_get_config(rig.dev, &config);
	config.timeout = 1; /* of 500 ms */
	reattach(&config, &impatient);
	nvme_rig_queue(&rig, 64, UDRV_NVME_ADAPTIVE);
	*load = (struct nvme_load){.rig = &rig, .depth = 32};
	nvme_load_begin(load);
	ck_assert(nvme_load_fill(load));
	udrv_nvme_submit(rig.q);
	udrv__model_nvme_set_switches(rig.dev, &never);
	ck_assert_uint_eq(nvme_rig_counts(&rig).function_resets, 0);
	return udrv_nvme_reset(rig.nvme);
}

START_TEST(one_that_is_never_disabled_is_reset_by_function)
{
	struct nvme_load load;

	ck_assert_int_eq(reset_one_that_is_never_disabled(&load, false), 0);
	ck_assert_uint_eq(nvme_rig_counts(&rig).function_resets, 1);
	nvme_load_run(&load, 200);
	nvme_load_finish(&load);
	ck_assert_uint_eq(load.failed, 0);
	ck_assert(!nvme_rig_info(&rig).dead);
}
END_TEST

START_TEST(one_that_no_reset_disables_is_given_up)
{
	struct nvme_load load;
	uint16_t command;

	ck_assert_int_eq(reset_one_that_is_never_disabled(&load, true), -EIO);
	/* It reaches no memory any more. */
	ck_assert_int_eq(udrv_pci_read_config_word(rig.dev, PCI_COMMAND, &command), 0);
	ck_assert_uint_eq(command & PCI_COMMAND_MASTER, 0);
	check_dead(&load, -EIO);
}
END_TEST

START_TEST(one_that_is_pulled_out_is_gone)
{
	struct nvme_load load = {.rig = &rig, .depth = 32};

	nvme_load_begin(&load);
	nvme_load_run(&load, 100);
	udrv__model_surprise_remove(rig.dev);
	check_dead(&load, -ENODEV);
}
END_TEST

START_TEST(interrupts_for_nothing_and_none_at_all)
{
	const struct udrv__model_nvme_switches mute = {.no_interrupts = true};
	unsigned char *buf = nvme_rig_memory(&rig, 4096);

	udrv_nvme_queue_destroy(rig.q);
	nvme_rig_queue(&rig, 16, UDRV_NVME_INTERRUPT);
	for (unsigned int i = 0; i < 100; i++) {
		udrv__model_nvme_interrupt(rig.dev, i % 3);
		ck_assert_uint_eq(nvme_rig_read(&rig, buf, i, 1), 0);
	}
	/* Lost ones are found by looking. */
	udrv__model_nvme_set_switches(rig.dev, &mute);
	for (unsigned int i = 0; i < 3; i++)
		ck_assert_uint_eq(nvme_rig_read(&rig, buf, i, 1), 0);
}
END_TEST

/* An entry for the first command of a slot: that has the generation after the first. */
static void post_for(unsigned int slot, uint32_t status)
{
	const uint32_t cid = slot + udrv_nvme_queue_depth(rig.q) + 1;
	const uint32_t entry[4] = {0, 0, 1u << 16, cid | 1u << 16 | status << 17};

	ck_assert_int_eq(udrv__model_nvme_post(rig.dev, 1, entry), 0);
}

/* The status of the entry that comes too early. */
static const uint32_t early[] = {0, NVME_SC_READ_ERROR | NVME_STATUS_DNR};

START_TEST(a_command_that_was_not_shown_cannot_be_completed)
{
	unsigned char *buf = nvme_rig_memory(&rig, 4096);
	struct nvme_rig_wait w = {0};

	ck_assert_int_eq(udrv_nvme_read(rig.q, rig.ns, buf, 0, 1, 0, nvme_rig_done, &w), 0);
	post_for(0, early[_i]);
	ck_assert_uint_eq(udrv_nvme_poll(rig.q, 0), 0);
	ck_assert_uint_eq(w.calls, 0);
	ck_assert_uint_eq(udrv_nvme_in_flight(rig.q), 1);
	ck_assert_uint_eq(nvme_rig_info(&rig).bad_completions, 1);
	ck_assert_uint_eq(nvme_rig_await(&rig, &w), 0);
}
END_TEST

/* A queue of a controller with retry delays; time is told in ms. */
static void attach_with_delays(uint16_t crdt1, uint16_t crdt2, unsigned int io_timeout_ms)
{
	const struct udrv_nvme_options o = {.io_timeout_ms = io_timeout_ms,
					    .admin_timeout_ms = 60000};
	struct udrv__model_nvme_config config;

	udrv__model_nvme_get_config(rig.dev, &config);
	config.crdt[0] = crdt1;
	config.crdt[1] = crdt2;
	reattach(&config, &o);
	nvme_rig_queue(&rig, 64, UDRV_NVME_INTERRUPT);
}

#define NOT_READY_CRD(crd) (NVME_SC_NS_NOT_READY | (crd) << 11)

/* One read that fails so often, with that status: what it says at last, and how long it took. */
static uint32_t read_after_failures(unsigned int failures, uint32_t status, int64_t *ms)
{
	unsigned char *buf = nvme_rig_memory(&rig, 4096);
	const udrv_ktime_t begin = udrv_ktime_get();
	uint32_t ret;

	inject(UDRV__MODEL_NVME_ERROR, 1, failures, status, 0);
	ret = nvme_rig_read(&rig, buf, 0, 1);
	*ms = (udrv_ktime_get() - begin) / 1000000;
	udrv__model_nvme_heal(rig.dev);
	udrv_dma_free_coherent(rig.dev, 4096, buf, udrv_virt_to_bus(buf));
	return ret;
}

START_TEST(a_retry_waits_as_long_as_the_controller_says)
{
	int64_t ms;

	attach_with_delays(2, 4, 30000);
	ck_assert_uint_eq(read_after_failures(1, NOT_READY_CRD(2), &ms), 0);
	ck_assert_int_ge(ms, 400 - 10); /* the clock has a grain */
	ck_assert_uint_eq(read_after_failures(2, NOT_READY_CRD(1), &ms), 0);
	ck_assert_int_ge(ms, 2 * 200 - 20);
	ck_assert_uint_eq(nvme_rig_info(&rig).timeouts, 0);
}
END_TEST

START_TEST(a_retry_waits_no_longer_than_a_command_may_take)
{
	int64_t ms;

	attach_with_delays(0xffff, 0, 200);
	ck_assert_uint_eq(read_after_failures(1, NOT_READY_CRD(1), &ms), 0);
	ck_assert_int_ge(ms, 200 - 10);
	ck_assert_int_lt(ms, 100 * 1000);
}
END_TEST

START_TEST(retries_end_and_come_ever_later)
{
	uint64_t before;
	int64_t ms;

	attach_with_delays(0, 0, 30000);
	ck_assert_uint_eq(read_after_failures(5, NVME_SC_NS_NOT_READY, &ms), 0);
	ck_assert_int_ge(ms, 10 + 20 + 40 + 80 - 40);
	ck_assert_uint_eq(read_after_failures(0, NVME_SC_NS_NOT_READY, &ms), NVME_SC_NS_NOT_READY);
	before = nvme_rig_counts(&rig).commands;
	ck_assert_uint_eq(read_after_failures(0, NVME_SC_NS_NOT_READY | NVME_STATUS_DNR, &ms),
			  NVME_SC_NS_NOT_READY | NVME_STATUS_DNR);
	/* It was sent once. */
	ck_assert_uint_eq(nvme_rig_counts(&rig).commands, before + 1);
}
END_TEST

/* The reset that it takes then needs the lock that queues are made under. */
START_TEST(half_a_queue_that_cannot_be_deleted_takes_a_reset)
{
	const struct udrv__model_nvme_fault faults[] = {
		{.kind = UDRV__MODEL_NVME_ERROR,
		 .opcode = NVME_ADMIN_CREATE_SQ,
		 .count = 1,
		 .value = NVME_SC_INTERNAL},
		{.kind = UDRV__MODEL_NVME_ERROR,
		 .opcode = NVME_ADMIN_DELETE_CQ,
		 .count = 1,
		 .value = NVME_SC_INTERNAL},
	};
	unsigned char *buf = nvme_rig_memory(&rig, 4096);
	const unsigned int before = nvme_rig_info(&rig).resets;
	struct udrv_nvme_queue *q = NULL;

	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		ck_assert_int_eq(udrv__model_nvme_inject(rig.dev, &faults[i]), 0);
	ck_assert_int_eq(udrv_nvme_queue_create(rig.nvme, NULL, &q), -EIO);
	ck_assert_ptr_null(q);
	ck_assert_uint_eq(nvme_rig_info(&rig).resets, before + 1);
	ck_assert_uint_eq(nvme_rig_read(&rig, buf, 0, 1), 0);
	ck_assert_int_eq(udrv_nvme_queue_create(rig.nvme, NULL, &q), 0);
	udrv_nvme_queue_destroy(q);
}
END_TEST

/* As the block exports do it: armed, then asleep for a tick. */
START_TEST(who_sleeps_between_polls_sends_again_at_the_next)
{
	unsigned char *buf = nvme_rig_memory(&rig, 4096);
	struct nvme_rig_wait w = {0};
	unsigned int ticks = 0;

	attach_with_delays(0, 0, 30000);
	inject(UDRV__MODEL_NVME_ERROR, 1, 5, NVME_SC_NS_NOT_READY, 0);
	ck_assert_int_eq(udrv_nvme_read(rig.q, rig.ns, buf, 0, 1, 0, nvme_rig_done, &w), 0);
	udrv_nvme_submit(rig.q);
	while (!w.calls) {
		struct pollfd fd = {.fd = udrv_nvme_event_fd(rig.q), .events = POLLIN};

		if (!udrv_nvme_poll(rig.q, 0) && !udrv_nvme_arm(rig.q))
			ticks += !poll(&fd, 1, 100);
		ck_assert_uint_lt(ticks, 64);
	}
	ck_assert_uint_eq(w.status, 0);
}
END_TEST

/* Put while one waits: the queue goes on, and what waits is sent once the reset is over. */
START_TEST(what_waits_is_in_nobodys_way)
{
	unsigned char *buf = nvme_rig_memory(&rig, 8192);
	struct nvme_rig_wait w = {0};

	attach_with_delays(300, 0, 60000);
	inject(UDRV__MODEL_NVME_ERROR, 1, 1, NOT_READY_CRD(1), 0);
	ck_assert_int_eq(udrv_nvme_read(rig.q, rig.ns, buf, 0, 1, 0, nvme_rig_done, &w), 0);
	udrv_nvme_submit(rig.q);
	for (unsigned int i = 0; i < 200; i++)
		ck_assert_uint_eq(nvme_rig_read(&rig, buf + 4096, i, 1), 0);
	ck_assert_uint_eq(w.calls, 0);
	ck_assert_uint_eq(udrv_nvme_in_flight(rig.q), 1);
	ck_assert_int_eq(udrv_nvme_reset(rig.nvme), 0);
	ck_assert_uint_eq(nvme_rig_await(&rig, &w), 0);
}
END_TEST

START_TEST(what_waits_ends_with_its_queue)
{
	unsigned char *buf = nvme_rig_memory(&rig, 4096);
	struct nvme_rig_wait w = {0};

	attach_with_delays(300, 0, 60000);
	inject(UDRV__MODEL_NVME_ERROR, 1, 1, NOT_READY_CRD(1), 0);
	ck_assert_int_eq(udrv_nvme_read(rig.q, rig.ns, buf, 0, 1, 0, nvme_rig_done, &w), 0);
	udrv_nvme_submit(rig.q);
	ck_assert_uint_eq(udrv_nvme_wait(rig.q, 20), 0);
	udrv_nvme_queue_destroy(rig.q);
	rig.q = NULL;
	ck_assert_uint_eq(w.calls, 1);
	ck_assert_uint_eq(w.status, NVME_SC_ABORT_SQ_DELETED);
}
END_TEST

/* Before it is attached: refused, or used; no crash, no hang. */
START_TEST(nonsense_in_identify)
{
	const struct udrv__model_nvme_switches spoilt = {.spoil = 1u << _i};
	const struct udrv_nvme_ns *ns;
	int ret;

	udrv_nvme_queue_destroy(rig.q);
	udrv_nvme_detach(rig.nvme);
	udrv__model_nvme_set_switches(rig.dev, &spoilt);
	ret = udrv_nvme_attach(rig.dev, &impatient, &rig.nvme);
	ck_assert_int_le(ret, 0);
	if (!ret) {
		rig.ns = NULL;
		while ((ns = udrv_nvme_ns_next(rig.nvme, rig.ns ? rig.ns->nsid : 0))) {
			ck_assert_uint_ge(ns->block_shift, 9);
			ck_assert_uint_le(ns->block_shift, 16);
			ck_assert_uint_gt(udrv_nvme_ns_max_blocks(ns), 0);
			rig.ns = ns;
		}
		udrv_nvme_detach(rig.nvme);
	}
	udrv__model_nvme_heal(rig.dev);
	nvme_rig_attach(&rig, &impatient);
	nvme_rig_queue(&rig, 64, UDRV_NVME_ADAPTIVE);
	ck_assert_uint_eq(nvme_rig_read(&rig, nvme_rig_memory(&rig, 4096), 0, 1), 0);
}
END_TEST

START_TEST(admin_commands_that_never_end)
{
	const struct udrv__model_nvme_fault fault = {
		.kind = UDRV__MODEL_NVME_SWALLOW, .opcode = NVME_ADMIN_IDENTIFY, .count = 1};
	struct nvme_id_ctrl *id = calloc(1, sizeof(*id));

	ck_assert_int_eq(udrv__model_nvme_inject(rig.dev, &fault), 0);
	ck_assert_int_eq(udrv_nvme_identify(rig.nvme, NVME_CNS_CTRL, 0, id), -ETIMEDOUT);
	/* The reset that it asked for is over soon. */
	ck_assert_int_eq(udrv_nvme_identify(rig.nvme, NVME_CNS_CTRL, 0, id), 0);
	ck_assert_uint_eq(nvme_rig_info(&rig).resets, 1);
	free(id);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("nvme_faults");
	TCase *tc = tcase_create("faults");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, odd_completions, 0, sizeof(odd) / sizeof(odd[0]));
	tcase_add_loop_test(tc, completions_that_are_later, 0, sizeof(late) / sizeof(late[0]));
	tcase_add_test(tc, an_error_is_told);
	tcase_add_test(tc, what_belongs_to_nobody_is_counted);
	tcase_add_loop_test(tc, a_command_that_was_not_shown_cannot_be_completed, 0,
			    sizeof(early) / sizeof(early[0]));
	tcase_add_test(tc, a_retry_waits_as_long_as_the_controller_says);
	tcase_add_test(tc, a_retry_waits_no_longer_than_a_command_may_take);
	tcase_add_test(tc, retries_end_and_come_ever_later);
	tcase_add_test(tc, half_a_queue_that_cannot_be_deleted_takes_a_reset);
	tcase_add_test(tc, who_sleeps_between_polls_sends_again_at_the_next);
	tcase_add_test(tc, what_waits_is_in_nobodys_way);
	tcase_add_test(tc, what_waits_ends_with_its_queue);
	tcase_add_test(tc, a_command_that_never_ends_is_aborted);
	tcase_add_test(tc, an_abort_that_does_nothing_makes_a_reset);
	tcase_add_test(tc, a_command_that_never_works_ends);
	tcase_add_test(tc, a_fatal_status_makes_a_reset);
	tcase_add_test(tc, one_that_does_not_come_back_is_given_up);
	tcase_add_test(tc, one_that_is_never_disabled_is_reset_by_function);
	tcase_add_test(tc, one_that_no_reset_disables_is_given_up);
	tcase_add_test(tc, one_that_is_pulled_out_is_gone);
	tcase_add_test(tc, interrupts_for_nothing_and_none_at_all);
	tcase_add_loop_test(tc, nonsense_in_identify, 0, 9);
	tcase_add_test(tc, admin_commands_that_never_end);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
