// SPDX-License-Identifier: MIT
/* The software NVMe controller misbehaves as it is told to, and no longer. */
#include <errno.h>

#include "support/raw_nvme.h"
#include "support/suite.h"

#define BLOCK 512u

/* Of the first namespace's first block. */
#define SEED 77

static void setup(void)
{
	raw_up("model:nvme");
	raw_fill(data, BLOCK, SEED);
	raw_ok(1, raw_rw(NVME_NVM_WRITE, 0, 1));
}

static void teardown(void)
{
	raw_close();
}

/* Of the next read on queue 1. */
static void inject(enum udrv__model_nvme_fault_kind kind, uint32_t value, uint32_t delay_ms)
{
	const struct udrv__model_nvme_fault fault = {.kind = kind,
						     .qid = 1,
						     .opcode = NVME_NVM_READ,
						     .count = 1,
						     .value = value,
						     .delay_ms = delay_ms};

	ck_assert_int_eq(udrv__model_nvme_inject(dev, &fault), 0);
}

static uint16_t submit_read(void)
{
	return raw_submit(1, raw_rw(NVME_NVM_READ, 0, 1));
}

static bool completed(void)
{
	udrv__model_nvme_settle(dev);
	return raw_peek(1);
}

/* As if nothing had been. */
static void check_healthy(void)
{
	memset(data, 0, BLOCK);
	raw_ok(1, raw_rw(NVME_NVM_READ, 0, 1));
	ck_assert(raw_filled(data, BLOCK, SEED));
	ck_assert(!completed());
}

static struct udrv__nvme_cqe do_abort(uint16_t cid)
{
	return raw_do(0, (struct udrv__nvme_cmd){.opcode = NVME_ADM_ABORT,
						 .cdw10 = 1 | (uint32_t)cid << 16});
}

START_TEST(late_command_is_executed_when_it_completes)
{
	uint16_t cid;

	memset(data, 0, BLOCK);
	inject(UDRV__MODEL_NVME_LATE, 0, 50);
	cid = submit_read();
	ck_assert_uint_eq(raw_wait(1).cid, cid);
	ck_assert(raw_filled(data, BLOCK, SEED));
	check_healthy();
}
END_TEST

START_TEST(swallowed_command_is_there_until_it_is_aborted)
{
	struct udrv__nvme_cqe cqe;
	uint16_t cid;

	memset(data, 0, BLOCK);
	inject(UDRV__MODEL_NVME_SWALLOW, 0, 0);
	cid = submit_read();
	ck_assert(!completed());
	ck_assert_uint_eq(do_abort(cid).dw0, 0);
	cqe = raw_wait(1);
	ck_assert_uint_eq(cqe.cid, cid);
	ck_assert_uint_eq(cqe.status, NVME_SC_ABORTED);
	ck_assert(raw_zero(data, BLOCK));
	check_healthy();
}
END_TEST

START_TEST(abort_may_be_lost)
{
	const struct udrv__model_nvme_switches switches = {.abort_is_lost = true};
	uint16_t cid;

	udrv__model_nvme_set_switches(dev, &switches);
	inject(UDRV__MODEL_NVME_SWALLOW, 0, 0);
	cid = submit_read();
	ck_assert_uint_eq(do_abort(cid).status, 0);
	ck_assert(!completed());
	udrv__model_nvme_heal(dev);
	ck_assert_uint_eq(do_abort(cid).dw0, 0);
	ck_assert_uint_eq(raw_wait(1).cid, cid);
}
END_TEST

START_TEST(swallowed_command_is_gone_after_a_reset)
{
	inject(UDRV__MODEL_NVME_SWALLOW, 0, 0);
	submit_read();
	ck_assert(!completed());
	raw_stop();
	raw_start(RAW_CC);
	(void)raw_alloc_queue(1, RAW_ENTRIES);
	raw_ok(0, raw_create_cq(1, RAW_ENTRIES, 0, false));
	raw_ok(0, raw_create_sq(1, RAW_ENTRIES, 1));
	check_healthy();
}
END_TEST

START_TEST(command_is_overtaken_by_the_next)
{
	uint16_t first, second;

	inject(UDRV__MODEL_NVME_REORDER, 0, 0);
	first = submit_read();
	ck_assert(!completed());
	second = submit_read();
	ck_assert_uint_eq(raw_wait(1).cid, second);
	ck_assert_uint_eq(raw_wait(1).cid, first);
	check_healthy();
}
END_TEST

START_TEST(command_that_nothing_overtakes_completes_all_the_same)
{
	uint16_t cid;

	inject(UDRV__MODEL_NVME_REORDER, 0, 20);
	cid = submit_read();
	ck_assert_uint_eq(raw_wait(1).cid, cid);
}
END_TEST

START_TEST(completion_comes_twice)
{
	uint16_t cid;

	inject(UDRV__MODEL_NVME_DUPLICATE, 0, 0);
	cid = submit_read();
	ck_assert_uint_eq(raw_wait(1).cid, cid);
	ck_assert_uint_eq(raw_wait(1).cid, cid);
	check_healthy();
}
END_TEST

START_TEST(status_is_as_wanted_with_and_without_the_data)
{
	memset(data, 0, BLOCK);
	inject(UDRV__MODEL_NVME_ERROR, NVME_SC_UNRECOVERED_READ | NVME_ST_DNR, 0);
	ck_assert_uint_eq(raw_do(1, raw_rw(NVME_NVM_READ, 0, 1)).status,
			  NVME_SC_UNRECOVERED_READ | NVME_ST_DNR);
	ck_assert(raw_zero(data, BLOCK));
	inject(UDRV__MODEL_NVME_STATUS, 0x67ff, 0); /* all but CRD, which nobody asked for */
	ck_assert_uint_eq(raw_do(1, raw_rw(NVME_NVM_READ, 0, 1)).status, 0x67ff);
	ck_assert(raw_filled(data, BLOCK, SEED));
	check_healthy();
}
END_TEST

START_TEST(phase_is_wrong_once)
{
	const unsigned int at = queues[1].head;

	inject(UDRV__MODEL_NVME_PHASE, 0, 0);
	submit_read();
	ck_assert(!completed());
	ck_assert_uint_eq(queues[1].cq[at].sqid, 1);
	/* The next one is behind it. */
	submit_read();
	ck_assert(!completed());
	ck_assert_uint_eq(queues[1].cq[at + 1].status & 1, queues[1].phase);
}
END_TEST

START_TEST(identifier_is_wrong)
{
	uint16_t before;

	inject(UDRV__MODEL_NVME_CID, 0xbeef, 0);
	submit_read();
	ck_assert_uint_eq(raw_wait(1).cid, 0xbeef);
	before = raw_do(1, raw_rw(NVME_NVM_READ, 0, 1)).cid;
	inject(UDRV__MODEL_NVME_STALE_CID, 0, 0);
	submit_read();
	ck_assert_uint_eq(raw_wait(1).cid, before);
	check_healthy();
}
END_TEST

START_TEST(queue_and_its_head_are_wrong)
{
	inject(UDRV__MODEL_NVME_SQHD, 0xfff0, 0);
	ck_assert_uint_eq(raw_do(1, raw_rw(NVME_NVM_READ, 0, 1)).sqhd, 0xfff0);
	inject(UDRV__MODEL_NVME_SQID, 9, 0);
	submit_read();
	ck_assert_uint_eq(raw_wait(1).sqid, 9);
	check_healthy();
}
END_TEST

START_TEST(one_bit_of_the_data_is_wrong)
{
	inject(UDRV__MODEL_NVME_DATA, 100, 0);
	raw_ok(1, raw_rw(NVME_NVM_READ, 0, 1));
	ck_assert(!raw_filled(data, BLOCK, SEED));
	data[100] ^= 1;
	ck_assert(raw_filled(data, BLOCK, SEED));
	check_healthy();
}
END_TEST

START_TEST(fault_is_for_each_so_many_th_command_that_it_fits)
{
	const struct udrv__model_nvme_fault fault = {.kind = UDRV__MODEL_NVME_ERROR,
						     .any_queue = true,
						     .opcode = NVME_NVM_READ,
						     .count = 2,
						     .period = 3,
						     .value = 0x99};

	ck_assert_int_eq(udrv__model_nvme_inject(dev, &fault), 0);
	for (unsigned int i = 1; i <= 12; i++) {
		raw_ok(1, raw_rw(NVME_NVM_VERIFY, 0, 1));
		ck_assert_uint_eq(raw_do(1, raw_rw(NVME_NVM_READ, 0, 1)).status,
				  i == 3 || i == 6 ? 0x99 : 0);
	}
}
END_TEST

START_TEST(any_command_is_none_that_waits_for_events)
{
	const struct udrv__model_nvme_fault fault = {.kind = UDRV__MODEL_NVME_ERROR,
						     .any_queue = true,
						     .any_opcode = true,
						     .value = 0x99};

	ck_assert_int_eq(udrv__model_nvme_inject(dev, &fault), 0);
	raw_submit(0, (struct udrv__nvme_cmd){.opcode = NVME_ADM_ASYNC_EVENT});
	ck_assert_uint_eq(raw_do(0, raw_identify(1, 0)).status, 0x99);
	ck_assert_uint_eq(raw_do(1, raw_rw(NVME_NVM_READ, 0, 1)).status, 0x99);
	udrv__model_nvme_heal(dev);
	check_healthy();
	udrv__model_nvme_settle(dev);
	ck_assert(!raw_peek(0));
}
END_TEST

START_TEST(faults_are_checked_and_limited)
{
	struct udrv__model_nvme_fault fault = {.kind = UDRV__MODEL_NVME_FAULTS};

	ck_assert_int_eq(udrv__model_nvme_inject(dev, &fault), -EINVAL);
	for (int i = 0; i < 8; i++)
		inject(UDRV__MODEL_NVME_ERROR, 1, 0);
	fault.kind = UDRV__MODEL_NVME_LATE;
	ck_assert_int_eq(udrv__model_nvme_inject(dev, &fault), -ENOSPC);
	udrv__model_nvme_heal(dev);
	check_healthy();
}
END_TEST

START_TEST(fatal_status_stops_everything_until_reset)
{
	udrv__model_nvme_set_fatal(dev);
	ck_assert_uint_eq(raw_csts(), NVME_CSTS_RDY | NVME_CSTS_CFS);
	submit_read();
	ck_assert(!completed());
	raw_stop();
	ck_assert_uint_eq(raw_csts(), 0);
	raw_start(RAW_CC);
	raw_ok(0, raw_identify(1, 0));
}
END_TEST

static uint64_t function_resets(void)
{
	struct udrv__model_nvme_counts counts;

	udrv__model_nvme_get_counts(dev, &counts);
	return counts.function_resets;
}

START_TEST(ready_may_never_come_or_never_go)
{
	struct udrv__model_nvme_switches switches = {.never_disabled = true};

	udrv__model_nvme_set_switches(dev, &switches);
	raw_stop();
	ck_assert_uint_eq(raw_csts(), NVME_CSTS_RDY);
	raw_submit(0, raw_identify(1, 0));
	udrv__model_nvme_settle(dev);
	ck_assert(!raw_peek(0));
	switches.no_function_reset = true;
	udrv__model_nvme_set_switches(dev, &switches);
	ck_assert_int_eq(udrv_pci_reset_function(dev), 0);
	ck_assert_uint_eq(raw_csts(), NVME_CSTS_RDY);
	ck_assert_uint_eq(function_resets(), 0);
	switches.no_function_reset = false;
	udrv__model_nvme_set_switches(dev, &switches);
	ck_assert_int_eq(udrv_pci_reset_function(dev), 0);
	ck_assert_uint_eq(raw_csts(), 0);
	ck_assert_uint_eq(function_resets(), 1);
	switches = (struct udrv__model_nvme_switches){.never_ready = true};
	udrv__model_nvme_set_switches(dev, &switches);
	raw_start(RAW_CC);
	ck_assert_uint_eq(raw_csts(), 0);
	udrv__model_nvme_heal(dev);
	raw_stop();
	raw_start(RAW_CC);
	raw_ok(0, raw_identify(1, 0));
}
END_TEST

START_TEST(shutdown_may_never_end)
{
	const struct udrv__model_nvme_switches switches = {.never_shut_down = true};

	udrv__model_nvme_set_switches(dev, &switches);
	udrv_writel(RAW_CC | 1 << 14, regs + NVME_REG_CC);
	ck_assert_uint_eq(raw_csts() & NVME_CSTS_SHST_MASK, NVME_CSTS_SHST_BUSY);
}
END_TEST

START_TEST(identify_may_lie)
{
	struct udrv__model_nvme_switches switches = {
		.spoil = UDRV__MODEL_NVME_SPOIL_LBADS_ZERO | UDRV__MODEL_NVME_SPOIL_SIZE |
			 UDRV__MODEL_NVME_SPOIL_MDTS | UDRV__MODEL_NVME_SPOIL_NN};

	udrv__model_nvme_set_switches(dev, &switches);
	raw_ok(0, raw_identify(0, 1));
	ck_assert_uint_eq(data[130], 0);
	ck_assert_uint_eq(raw_field(0, 8), UINT64_MAX);
	raw_ok(0, raw_identify(1, 0));
	ck_assert_uint_eq(data[77], 0xff);
	ck_assert_uint_eq(raw_field(516, 4), UINT32_MAX);
	switches.spoil = UDRV__MODEL_NVME_SPOIL_ALL;
	udrv__model_nvme_set_switches(dev, &switches);
	raw_ok(0, raw_identify(1, 0));
	ck_assert_uint_eq(data[0], 0xff);
	udrv__model_nvme_heal(dev);
	raw_ok(0, raw_identify(1, 0));
	ck_assert_uint_eq(data[77], 7);
}
END_TEST

START_TEST(entries_come_for_no_command)
{
	const uint32_t entry[4] = {1, 2, 9u << 16 | 7, 0x1234 | 0x0003u << 16};
	struct udrv__nvme_cqe cqe;

	ck_assert_int_eq(udrv__model_nvme_post(dev, 1, entry), 0);
	cqe = raw_wait(1);
	ck_assert_uint_eq(cqe.dw0, 1);
	ck_assert_uint_eq(cqe.cid, 0x1234);
	ck_assert_uint_eq(cqe.sqid, 9);
	ck_assert_uint_eq(cqe.status, 1);
	ck_assert_int_eq(udrv__model_nvme_post(dev, 5, entry), -EINVAL);
	check_healthy();
}
END_TEST

START_TEST(interrupts_come_for_nothing_and_not_for_something)
{
	const struct udrv__model_nvme_switches switches = {.no_interrupts = true};
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	eventfd_t count;

	ck_assert_int_eq(udrv__model_backend.irq_enable(dev, UDRV__IRQ_MSIX, &fd, 1), 0);
	udrv__model_nvme_interrupt(dev, 0);
	ck_assert_int_eq(eventfd_read(fd, &count), 0);
	udrv__model_nvme_set_switches(dev, &switches);
	raw_ok(0, raw_identify(1, 0));
	udrv__model_nvme_settle(dev);
	ck_assert_int_eq(eventfd_read(fd, &count), -1);
	udrv__model_nvme_heal(dev);
	raw_ok(0, raw_identify(1, 0));
	udrv__model_nvme_settle(dev);
	ck_assert_int_eq(eventfd_read(fd, &count), 0);
	close(fd);
}
END_TEST

/* More than the controller has places for what waits. */
START_TEST(swallowing_too_many_commands_is_fatal)
{
	const struct udrv__model_nvme_fault fault = {
		.kind = UDRV__MODEL_NVME_SWALLOW, .qid = 1, .any_opcode = true};

	ck_assert_int_eq(udrv__model_nvme_inject(dev, &fault), 0);
	for (unsigned int i = 0; i < 1025; i++) {
		submit_read();
		udrv__model_nvme_settle(dev);
	}
	ck_assert_uint_eq(raw_csts(), NVME_CSTS_RDY | NVME_CSTS_CFS);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("model_nvme_fault");
	TCase *tc = tcase_create("faults");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, late_command_is_executed_when_it_completes);
	tcase_add_test(tc, swallowed_command_is_there_until_it_is_aborted);
	tcase_add_test(tc, abort_may_be_lost);
	tcase_add_test(tc, swallowed_command_is_gone_after_a_reset);
	tcase_add_test(tc, command_is_overtaken_by_the_next);
	tcase_add_test(tc, command_that_nothing_overtakes_completes_all_the_same);
	tcase_add_test(tc, completion_comes_twice);
	tcase_add_test(tc, status_is_as_wanted_with_and_without_the_data);
	tcase_add_test(tc, phase_is_wrong_once);
	tcase_add_test(tc, identifier_is_wrong);
	tcase_add_test(tc, queue_and_its_head_are_wrong);
	tcase_add_test(tc, one_bit_of_the_data_is_wrong);
	tcase_add_test(tc, fault_is_for_each_so_many_th_command_that_it_fits);
	tcase_add_test(tc, any_command_is_none_that_waits_for_events);
	tcase_add_test(tc, faults_are_checked_and_limited);
	tcase_add_test(tc, fatal_status_stops_everything_until_reset);
	tcase_add_test(tc, ready_may_never_come_or_never_go);
	tcase_add_test(tc, shutdown_may_never_end);
	tcase_add_test(tc, identify_may_lie);
	tcase_add_test(tc, entries_come_for_no_command);
	tcase_add_test(tc, interrupts_come_for_nothing_and_not_for_something);
	tcase_add_test(tc, swallowing_too_many_commands_is_fatal);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
