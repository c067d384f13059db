// SPDX-License-Identifier: MIT
/* The software NVMe controller's registers, queues and interrupts, with and without its thread. */
#include <errno.h>

#include <linux/pci_regs.h>

#include "backend/model_nvme_dev.h"

#include "support/raw_nvme.h"
#include "support/suite.h"
#include "support/threads.h"

/* The same with the thread, and in the caller's. */
static const char *const names[] = {"model:nvme", "model:nvme:direct"};

static void teardown(void)
{
	raw_close();
}

START_TEST(function_looks_like_an_nvme_controller)
{
	uint32_t val;

	raw_open(names[_i]);
	ck_assert_int_eq(udrv_pci_read_config_dword(dev, PCI_CLASS_REVISION, &val), 0);
	ck_assert_uint_eq(val >> 8, 0x010802);
	ck_assert_uint_ge(udrv_pci_resource_len(dev, 0), 0x2000);
	ck_assert(udrv_pci_resource_flags(dev, 0) & UDRV_RESOURCE_MEM_64);
	ck_assert_uint_eq(udrv_readl(regs + NVME_REG_VS), 0x00010400);
	ck_assert_uint_eq(raw_csts(), 0);
}
END_TEST

START_TEST(capabilities_are_the_same_in_one_piece_and_two)
{
	uint64_t cap;

	raw_open(names[_i]);
	cap = udrv_readq(regs + NVME_REG_CAP);
	ck_assert_uint_eq(udrv_readl(regs + NVME_REG_CAP), (uint32_t)cap);
	ck_assert_uint_eq(udrv_readl(regs + NVME_REG_CAP + 4), cap >> 32);
	ck_assert_uint_eq(cap & 0xffff, 1023);
	ck_assert_uint_eq(cap >> 16 & 1, 1);
	ck_assert_uint_gt(cap >> 24 & 0xff, 0);
	ck_assert_uint_eq(cap >> 32 & 0xf, 0);
	ck_assert_uint_eq(cap >> 37 & 0xff, 1);
	ck_assert_uint_eq(cap >> 48 & 0xf, 0);
	ck_assert_uint_eq(cap >> 52 & 0xf, 4);
}
END_TEST

START_TEST(enabling_and_disabling_is_seen_in_the_status)
{
	raw_open(names[_i]);
	for (int i = 0; i < 3; i++) {
		raw_start(RAW_CC);
		ck_assert_uint_eq(raw_csts(), NVME_CSTS_RDY);
		raw_ok(0, raw_identify(1, 0));
		raw_stop();
		ck_assert_uint_eq(raw_csts(), 0);
	}
}
END_TEST

/* Enabling with that, and what it is made good by. */
static void check_refused(uint32_t cc, unsigned int reg, uint64_t val)
{
	raw_alloc_queue(0, RAW_ENTRIES);
	udrv_writel((RAW_ENTRIES - 1) << 16 | (RAW_ENTRIES - 1), regs + NVME_REG_AQA);
	udrv_writeq(queues[0].sq_iova, regs + NVME_REG_ASQ);
	udrv_writeq(queues[0].cq_iova, regs + NVME_REG_ACQ);
	if (reg == NVME_REG_AQA)
		udrv_writel((uint32_t)val, regs + reg);
	else if (reg)
		udrv_writeq(val, regs + reg);
	udrv_writel(cc, regs + NVME_REG_CC);
	ck_assert_uint_eq(raw_csts(), NVME_CSTS_CFS);
	raw_stop();
	ck_assert_uint_eq(raw_csts(), 0);
}

START_TEST(configuration_that_is_impossible_is_fatal_until_reset)
{
	raw_open(names[_i]);
	check_refused(RAW_CC | 5 << 7, 0, 0);	 /* MPS above MPSMAX */
	check_refused(RAW_CC | 1 << 4, 0, 0);	 /* CSS */
	check_refused(RAW_CC | 1 << 11, 0, 0);	 /* AMS */
	check_refused(RAW_CC ^ 1 << 16, 0, 0);	 /* IOSQES 7 */
	check_refused(RAW_CC ^ 1 << 20, 0, 0);	 /* IOCQES 5 */
	check_refused(RAW_CC, NVME_REG_AQA, 15); /* completion queue of one entry */
	check_refused(RAW_CC, NVME_REG_ASQ, 0);
	check_refused(RAW_CC, NVME_REG_ACQ, queues[0].cq_iova + 16);
	raw_start(RAW_CC);
	ck_assert_uint_eq(raw_csts(), NVME_CSTS_RDY);
}
END_TEST

static uint32_t boot_status(void)
{
	return udrv_readl(regs + NVME_REG_BPINFO) >> 24 & 3;
}

/* The page of partition 1, to the page-th one of the data; what became of it. */
static uint32_t read_boot(unsigned int from, unsigned int pages, unsigned int page)
{
	udrv_writeq(data_iova + (udrv_iova_t)page * RAW_PAGE, regs + NVME_REG_BPMBL);
	udrv_writel(1u << 31 | from << 10 | pages, regs + NVME_REG_BPRSEL);
	while (boot_status() == 1)
		udrv__model_nvme_settle(dev);
	return boot_status();
}

START_TEST(boot_partitions_are_read_before_it_is_enabled)
{
	raw_open(names[_i]);
	ck_assert(udrv_readq(regs + NVME_REG_CAP) & NVME_CAP_BPS);
	ck_assert_uint_eq(udrv_readl(regs + NVME_REG_BPINFO), 2);
	memset(data, 0xee, (size_t)RAW_PAGES * RAW_PAGE);
	ck_assert_uint_eq(read_boot(62, 2, 1), 2);
	ck_assert_uint_eq(data[RAW_PAGE - 1], 0xee);
	ck_assert(raw_zero(data + RAW_PAGE, 2 * RAW_PAGE));
	ck_assert_uint_eq(data[3 * RAW_PAGE], 0xee);
	/* Beyond the end; to where there is no memory. */
	ck_assert_uint_eq(read_boot(62, 3, 4), 3);
	ck_assert_uint_eq(data[4 * RAW_PAGE], 0xee);
	udrv_writeq(UINT64_MAX, regs + NVME_REG_BPMBL);
	ck_assert_uint_eq(udrv_readq(regs + NVME_REG_BPMBL), UINT64_MAX - 4095);
	udrv_writel(1, regs + NVME_REG_BPRSEL);
	while (boot_status() == 1)
		udrv__model_nvme_settle(dev);
	ck_assert_uint_eq(boot_status(), 3);
	ck_assert_int_eq(udrv_pci_reset_function(dev), 0);
	ck_assert_uint_eq(udrv_readl(regs + NVME_REG_BPINFO), 2);
}
END_TEST

START_TEST(admin_queue_registers_are_fixed_while_enabled)
{
	raw_open(names[_i]);
	raw_start(RAW_CC);
	udrv_writeq(0x1000, regs + NVME_REG_ASQ);
	udrv_writel(0, regs + NVME_REG_AQA);
	ck_assert_uint_eq(udrv_readq(regs + NVME_REG_ASQ), queues[0].sq_iova);
	ck_assert_uint_ne(udrv_readl(regs + NVME_REG_AQA), 0);
	raw_ok(0, raw_identify(1, 0));
}
END_TEST

START_TEST(shutdown_completes_and_nothing_is_executed_afterwards)
{
	raw_up(names[_i]);
	udrv_writel(RAW_CC | 1 << 14, regs + NVME_REG_CC);
	ck_assert_uint_eq(raw_csts(), NVME_CSTS_RDY | NVME_CSTS_SHST_DONE);
	raw_submit(0, raw_identify(1, 0));
	udrv__model_nvme_settle(dev);
	ck_assert(!raw_peek(0));
	raw_stop();
	ck_assert_uint_eq(raw_csts(), 0);
	raw_start(RAW_CC);
	raw_ok(0, raw_identify(1, 0));
}
END_TEST

START_TEST(function_reset_clears_what_a_controller_reset_leaves)
{
	raw_up(names[_i]);
	raw_stop();
	ck_assert_uint_eq(udrv_readq(regs + NVME_REG_ACQ), queues[0].cq_iova);
	ck_assert_int_eq(udrv_pci_reset_function(dev), 0);
	ck_assert_uint_eq(udrv_readq(regs + NVME_REG_ACQ), 0);
	ck_assert_uint_eq(udrv_readl(regs + NVME_REG_CC), 0);
	raw_start(RAW_CC);
	raw_ok(0, raw_identify(1, 0));
}
END_TEST

START_TEST(odd_accesses_read_as_ones_and_write_nothing)
{
	raw_open(names[_i]);
	ck_assert_uint_eq(udrv_readb(regs + NVME_REG_VS), 0xff);
	ck_assert_uint_eq(udrv_readw(regs + NVME_REG_VS), 0xffff);
	udrv_writew(1, regs + NVME_REG_CC);
	ck_assert_uint_eq(udrv_readl(regs + NVME_REG_CC), 0);
}
END_TEST

START_TEST(queues_wrap_and_phases_turn)
{
	raw_up(names[_i]);
	for (unsigned int i = 0; i < 5 * RAW_ENTRIES; i++) {
		struct udrv__nvme_cqe cqe = raw_do(1, raw_rw(NVME_NVM_READ, i, 1));

		ck_assert_uint_eq(cqe.status, 0);
		ck_assert_uint_eq(cqe.sqhd, queues[1].tail);
	}
}
END_TEST

START_TEST(full_completion_queue_holds_commands_back)
{
	unsigned int got = 0;

	raw_open(names[_i]);
	raw_start(RAW_CC);
	(void)raw_alloc_queue(1, RAW_ENTRIES);
	raw_ok(0, raw_create_cq(1, 4, 0, false));
	raw_ok(0, raw_create_sq(1, RAW_ENTRIES, 1));
	queues[1].cq_size = 4;
	for (unsigned int i = 0; i < 10; i++)
		raw_submit(1, raw_rw(NVME_NVM_READ, i, 1));
	udrv__model_nvme_settle(dev);
	/* Three fit; the fourth entry has still the old phase. */
	ck_assert(raw_peek(1));
	ck_assert_uint_eq(queues[1].cq[3].status & 1, 0);
	while (got < 10) {
		ck_assert_uint_eq(raw_wait(1).cid, 2 + got);
		got++;
	}
	ck_assert(!raw_peek(1));
}
END_TEST

START_TEST(several_queues_share_a_completion_queue)
{
	unsigned int of[3] = {0};

	raw_up(names[_i]);
	(void)raw_alloc_queue(2, RAW_ENTRIES);
	raw_ok(0, raw_create_sq(2, RAW_ENTRIES, 1));
	for (unsigned int i = 0; i < 6; i++)
		raw_submit(1 + i % 2, raw_rw(NVME_NVM_READ, i, 1));
	for (unsigned int i = 0; i < 6; i++) {
		struct udrv__nvme_cqe cqe = raw_wait(1);

		ck_assert(cqe.sqid == 1 || cqe.sqid == 2);
		of[cqe.sqid]++;
	}
	ck_assert_uint_eq(of[1], 3);
	ck_assert_uint_eq(of[2], 3);
}
END_TEST

START_TEST(doorbells_may_be_further_apart)
{
	struct udrv__model_nvme_config config;

	raw_open(names[_i]);
	udrv__model_nvme_get_config(dev, &config);
	config.dstrd = 3;
	ck_assert_int_eq(udrv__model_nvme_set_config(dev, &config), 0);
	ck_assert_uint_eq(udrv_readq(regs + NVME_REG_CAP) >> 32 & 0xf, 3);
	raw_stride = 32;
	raw_start(RAW_CC);
	raw_ok(0, raw_identify(1, 0));
	ck_assert_int_eq(udrv__model_nvme_set_config(dev, &config), -EBUSY);
	raw_stride = 4;
}
END_TEST

static int fds[4];

static void enable_interrupts(enum udrv__irq_type type, unsigned int count)
{
	for (unsigned int i = 0; i < 4; i++)
		fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ck_assert_int_eq(udrv__model_backend.irq_enable(dev, type, fds, count), 0);
}

static uint64_t signals(unsigned int vector)
{
	eventfd_t count = 0;

	return eventfd_read(fds[vector], &count) ? 0 : count;
}

START_TEST(messages_come_by_the_queue_s_vector_and_only_if_enabled)
{
	raw_open(names[_i]);
	enable_interrupts(UDRV__IRQ_MSIX, 4);
	raw_start(RAW_CC);
	for (unsigned int qid = 1; qid <= 3; qid++) {
		(void)raw_alloc_queue(qid, RAW_ENTRIES);
		raw_ok(0, raw_create_cq(qid, RAW_ENTRIES, qid, qid != 2));
		raw_ok(0, raw_create_sq(qid, RAW_ENTRIES, qid));
	}
	ck_assert_uint_eq(signals(0), 6);
	for (unsigned int qid = 1; qid <= 3; qid++)
		raw_ok(qid, raw_rw(NVME_NVM_READ, 0, 1));
	udrv__model_nvme_settle(dev);
	ck_assert_uint_eq(signals(1), 1);
	ck_assert_uint_eq(signals(2), 0);
	ck_assert_uint_eq(signals(3), 1);
	ck_assert_uint_eq(signals(0), 0);
}
END_TEST

START_TEST(pin_is_asserted_until_entries_are_taken)
{
	raw_open(names[_i]);
	enable_interrupts(UDRV__IRQ_INTX, 1);
	raw_start(RAW_CC);
	raw_submit(0, raw_identify(1, 0));
	udrv__model_nvme_settle(dev);
	ck_assert_uint_eq(signals(0), 1);
	udrv__model_backend.irq_unmask_intx(dev);
	ck_assert_uint_eq(signals(0), 1);
	(void)raw_wait(0);
	udrv__model_nvme_settle(dev);
	udrv__model_backend.irq_unmask_intx(dev);
	ck_assert_uint_eq(signals(0), 0);
}
END_TEST

START_TEST(masked_pin_is_silent_until_the_mask_is_cleared)
{
	raw_open(names[_i]);
	enable_interrupts(UDRV__IRQ_INTX, 1);
	udrv_writel(1, regs + NVME_REG_INTMS);
	ck_assert_uint_eq(udrv_readl(regs + NVME_REG_INTMC), 1);
	raw_start(RAW_CC);
	raw_submit(0, raw_identify(1, 0));
	udrv__model_nvme_settle(dev);
	ck_assert_uint_eq(signals(0), 0);
	udrv_writel(1, regs + NVME_REG_INTMC);
	ck_assert_uint_eq(signals(0), 1);
	ck_assert_uint_eq(udrv_readl(regs + NVME_REG_INTMS), 0);
}
END_TEST

START_TEST(pulled_controller_reads_as_ones_and_completes_nothing)
{
	raw_up(names[_i]);
	udrv__model_nvme_pause(dev, true);
	raw_submit(1, raw_rw(NVME_NVM_READ, 0, 1));
	udrv__model_surprise_remove(dev);
	udrv__model_nvme_pause(dev, false);
	udrv__model_nvme_settle(dev);
	ck_assert_uint_eq(raw_csts(), UINT32_MAX);
	ck_assert(!raw_peek(1));
}
END_TEST

START_TEST(doorbells_of_no_queue_are_counted_and_ignored)
{
	struct udrv__model_nvme_counts counts;

	raw_up("model:nvme");
	raw_ring(2 * 5, 1);
	/* Seen before the next takes its place. */
	udrv__model_nvme_settle(dev);
	raw_ring(2 * 1, RAW_ENTRIES);
	raw_ring(2 * 1 + 1, 3);
	udrv__model_nvme_settle(dev);
	raw_ok(1, raw_rw(NVME_NVM_READ, 0, 1));
	udrv__model_nvme_get_counts(dev, &counts);
	ck_assert_uint_eq(counts.bad_doorbells, 3);
}
END_TEST

START_TEST(both_modes_may_be_had_of_one_controller)
{
	struct udrv__model_nvme_config config;

	raw_open("model:nvme");
	udrv__model_nvme_get_config(dev, &config);
	config.direct = true;
	config.queues = 2;
	ck_assert_int_eq(udrv__model_nvme_set_config(dev, &config), 0);
	raw_start(RAW_CC);
	raw_submit(0, raw_identify(1, 0));
	ck_assert_uint_eq(udrv__model_nvme_step(dev), 1);
	ck_assert_uint_eq(raw_wait(0).status, 0);
	raw_stop();
	config.direct = false;
	ck_assert_int_eq(udrv__model_nvme_set_config(dev, &config), 0);
	raw_start(RAW_CC);
	raw_ok(0, raw_identify(1, 0));
	raw_stop();
	config.dstrd = 5;
	ck_assert_int_eq(udrv__model_nvme_set_config(dev, &config), -EINVAL);
}
END_TEST

START_TEST(direct_doorbells_are_memory)
{
	volatile uint32_t *doorbells;

	raw_up("model:nvme:direct");
	doorbells = (volatile uint32_t *)udrv_pci_iomap_range(dev, 0, NVME_REG_DBS, 0x1000);
	ck_assert(udrv_bar_direct((void __udrv_iomem *)(uintptr_t)doorbells));
	(void)raw_put(1, raw_rw(NVME_NVM_READ, 0, 1));
	doorbells[2] = queues[1].tail;
	ck_assert_uint_eq(udrv__model_nvme_step(dev), 1);
	ck_assert(raw_peek(1));
	ck_assert_uint_eq(udrv__model_nvme_step(dev), 0);
	raw_close();
	raw_up("model:nvme");
	ck_assert(!udrv_bar_direct(udrv_pci_iomap_range(dev, 0, NVME_REG_DBS, 0x1000)));
}
END_TEST

/* By the short way, as by the long one. */
START_TEST(direct_reads_that_move_nothing_complete_in_order)
{
	struct udrv__model_nvme_counts counts;

	raw_up("model:nvme:direct-null");
	memset(data, 0x5a, RAW_PAGE);
	for (unsigned int round = 0; round < 20; round++) {
		uint16_t first = next_cid;

		for (unsigned int i = 0; i < 10; i++)
			(void)raw_put(1, raw_rw(i % 3 ? NVME_NVM_READ : NVME_NVM_WRITE, i, 8));
		raw_ring(2, queues[1].tail);
		ck_assert_uint_eq(udrv__model_nvme_step(dev), 10);
		for (unsigned int i = 0; i < 10; i++) {
			struct udrv__nvme_cqe cqe = raw_wait(1);

			ck_assert_uint_eq(cqe.cid, first + i);
			ck_assert_uint_eq(cqe.status, 0);
			ck_assert_uint_eq(cqe.sqid, 1);
		}
	}
	ck_assert_uint_eq(data[0], 0x5a);
	udrv__model_nvme_get_counts(dev, &counts);
	ck_assert_uint_eq(counts.commands, 202);
	ck_assert_uint_eq(raw_status(1, raw_rw(NVME_NVM_READ, 1 << 20, 1)),
			  NVME_SC_LBA_RANGE | NVME_ST_DNR);
}
END_TEST

static bool stop;

/* The thread makes way for who reads a register, between two commands. */
static void *wake_always(void *arg)
{
	(void)arg;
	while (!get(stop)) {
		(void)raw_csts();
		pthread_cond_broadcast(&udrv__nvme_of(dev)->idle);
	}
	return NULL;
}

/* As pthread_cond_wait(3) allows. */
START_TEST(who_waits_for_it_to_settle_is_not_woken_early)
{
	const unsigned int entries = 512;
	pthread_t thread;

	raw_up("model:nvme");
	(void)raw_alloc_queue(2, entries);
	raw_ok(0, raw_create_cq(2, entries, 0, false));
	raw_ok(0, raw_create_sq(2, entries, 2));
	set(stop, false);
	thread = start(wake_always, NULL);
	for (unsigned int round = 0; round < 20; round++) {
		for (unsigned int i = 0; i < entries - 1; i++)
			(void)raw_put(2, raw_rw(NVME_NVM_READ, 0, 8));
		raw_ring(4, queues[2].tail);
		udrv__model_nvme_settle(dev);
		for (unsigned int i = 0; i < entries - 1; i++) {
			ck_assert(raw_peek(2));
			(void)raw_pop(2);
		}
	}
	set(stop, true);
	finish(thread);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("model_nvme");
	TCase *tc = tcase_create("controller");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc, function_looks_like_an_nvme_controller, 0, 2);
	tcase_add_loop_test(tc, capabilities_are_the_same_in_one_piece_and_two, 0, 2);
	tcase_add_loop_test(tc, enabling_and_disabling_is_seen_in_the_status, 0, 2);
	tcase_add_loop_test(tc, configuration_that_is_impossible_is_fatal_until_reset, 0, 2);
	tcase_add_loop_test(tc, boot_partitions_are_read_before_it_is_enabled, 0, 2);
	tcase_add_loop_test(tc, admin_queue_registers_are_fixed_while_enabled, 0, 2);
	tcase_add_loop_test(tc, shutdown_completes_and_nothing_is_executed_afterwards, 0, 2);
	tcase_add_loop_test(tc, function_reset_clears_what_a_controller_reset_leaves, 0, 2);
	tcase_add_loop_test(tc, odd_accesses_read_as_ones_and_write_nothing, 0, 2);
	tcase_add_loop_test(tc, queues_wrap_and_phases_turn, 0, 2);
	tcase_add_loop_test(tc, full_completion_queue_holds_commands_back, 0, 2);
	tcase_add_loop_test(tc, several_queues_share_a_completion_queue, 0, 2);
	tcase_add_loop_test(tc, doorbells_may_be_further_apart, 0, 2);
	tcase_add_loop_test(tc, messages_come_by_the_queue_s_vector_and_only_if_enabled, 0, 2);
	tcase_add_loop_test(tc, pin_is_asserted_until_entries_are_taken, 0, 2);
	tcase_add_loop_test(tc, masked_pin_is_silent_until_the_mask_is_cleared, 0, 2);
	tcase_add_loop_test(tc, pulled_controller_reads_as_ones_and_completes_nothing, 0, 2);
	tcase_add_test(tc, doorbells_of_no_queue_are_counted_and_ignored);
	tcase_add_test(tc, both_modes_may_be_had_of_one_controller);
	tcase_add_test(tc, direct_doorbells_are_memory);
	tcase_add_test(tc, direct_reads_that_move_nothing_complete_in_order);
	tcase_add_test(tc, who_waits_for_it_to_settle_is_not_woken_early);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
