// SPDX-License-Identifier: MIT
/* The software 82574's interrupts: causes and masks, the line, messages, delays and throttling. */
#include <time.h>

#include "support/raw_e1000e.h"
#include "support/suite.h"

#define NAME "model:e1000e"
/* RXQ0 on vector 0, RXQ1 1, TXQ0 2, TXQ1 3, Other 4 */
#define IVAR_ALL 0x000cba98u
/* An interval that no test reaches: ITR counts in 256 ns, RDTR in 1024. */
#define LONG 0xffffu

START_TEST(causes_are_set_by_ics_and_shown_in_icr)
{
	raw_up(NAME);
	(void)rd(REG_ICR);
	wr(REG_ICS, ICR_RXT0 | ICR_TXDW);
	ck_assert_uint_eq(rd(REG_ICS), ICR_RXT0 | ICR_TXDW);
	ck_assert_uint_eq(rd(REG_ICR), ICR_RXT0 | ICR_TXDW);
	/* With nothing enabled reading clears. */
	ck_assert_uint_eq(rd(REG_ICR), 0);
}
END_TEST

START_TEST(masks_are_set_and_cleared)
{
	raw_up(NAME);
	wr(REG_IMS, ICR_RXT0 | ICR_LSC);
	wr(REG_IMS, ICR_TXDW);
	ck_assert_uint_eq(rd(REG_IMS), ICR_RXT0 | ICR_LSC | ICR_TXDW);
	wr(REG_IMC, ICR_LSC);
	ck_assert_uint_eq(rd(REG_IMS), ICR_RXT0 | ICR_TXDW);
	wr(REG_IMS, UINT32_MAX);
	ck_assert_uint_eq(rd(REG_IMS), ICR_CAUSES);
}
END_TEST

START_TEST(asserted_is_told_of_what_is_enabled_only)
{
	raw_up(NAME);
	wr(REG_IMS, ICR_RXT0);
	wr(REG_ICS, ICR_TXDW);
	ck_assert(!(rd(REG_ICS) & ICR_ASSERTED));
	wr(REG_ICS, ICR_RXT0);
	ck_assert(rd(REG_ICS) & ICR_ASSERTED);
}
END_TEST

START_TEST(causes_that_are_enabled_stay_until_ones_are_written)
{
	raw_up(NAME);
	wr(REG_IMS, ICR_RXT0);
	wr(REG_ICS, ICR_RXT0 | ICR_TXDW);
	ck_assert(rd(REG_ICR) & ICR_RXT0);
	ck_assert(rd(REG_ICR) & ICR_RXT0);
	wr(REG_ICR, ICR_RXT0);
	ck_assert_uint_eq(rd(REG_ICS), ICR_TXDW);
}
END_TEST

START_TEST(iame_clears_and_masks_when_icr_is_read)
{
	raw_up(NAME);
	wr(REG_CTRL_EXT, CTRL_EXT_IAME);
	wr(REG_IAM, ICR_RXT0);
	wr(REG_IMS, ICR_RXT0 | ICR_LSC);
	wr(REG_ICS, ICR_RXT0);
	ck_assert_uint_eq(rd(REG_ICR), ICR_ASSERTED | ICR_RXT0);
	ck_assert_uint_eq(rd(REG_ICS), 0);
	ck_assert_uint_eq(rd(REG_IMS), ICR_LSC);
	/* A write as well */
	wr(REG_IMS, ICR_RXT0);
	wr(REG_ICS, ICR_RXT0);
	wr(REG_ICR, ICR_RXT0);
	ck_assert_uint_eq(rd(REG_IMS), ICR_LSC);
	/* Not asserted: without effect. */
	wr(REG_ICS, ICR_TXDW);
	(void)rd(REG_ICR);
	ck_assert_uint_eq(rd(REG_ICS), ICR_TXDW);
}
END_TEST

START_TEST(line_is_high_while_something_is_enabled_and_set)
{
	raw_up(NAME);
	raw_irqs(UDRV__IRQ_INTX, 1);
	wr(REG_ICS, ICR_RXT0);
	ck_assert(!raw_irq(0));
	wr(REG_IMS, ICR_RXT0);
	ck_assert(raw_irq(0));
	ck_assert(!raw_irq(0));
	/* Not handled: it comes again. */
	udrv__model_backend.irq_unmask_intx(card.dev);
	ck_assert(raw_irq(0));
	wr(REG_ICR, ICR_RXT0);
	udrv__model_backend.irq_unmask_intx(card.dev);
	ck_assert(!raw_irq(0));
	ck_assert_uint_eq(raw_look().irqs[0], 1);
	wr(REG_ICS, ICR_RXT0);
	ck_assert(raw_irq(0));
	wr(REG_IMC, ICR_RXT0);
	udrv__model_backend.irq_unmask_intx(card.dev);
	ck_assert(!raw_irq(0));
	ck_assert_uint_eq(rd(REG_IAC), 2);
}
END_TEST

START_TEST(message_is_sent_for_each_cause_that_is_new)
{
	raw_up(NAME);
	raw_irqs(UDRV__IRQ_MSI, 1);
	wr(REG_IMS, ICR_RXT0 | ICR_TXDW);
	wr(REG_ICS, ICR_RXT0);
	ck_assert(raw_irq(0));
	wr(REG_ICS, ICR_RXT0);
	ck_assert(!raw_irq(0));
	wr(REG_ICS, ICR_TXDW);
	ck_assert(raw_irq(0));
	wr(REG_ICR, ICR_RXT0);
	wr(REG_ICS, ICR_RXT0);
	ck_assert(raw_irq(0));
	/* Enabled later */
	wr(REG_IMC, UINT32_MAX);
	wr(REG_IMS, ICR_RXT0);
	ck_assert(raw_irq(0));
}
END_TEST

START_TEST(frames_interrupt_by_the_line_or_one_message)
{
	raw_up(NAME);
	raw_irqs(_i ? UDRV__IRQ_MSI : UDRV__IRQ_INTX, 1);
	(void)rd(REG_ICR);
	wr(REG_IMS, ICR_RXT0 | ICR_TXDW | ICR_LSC);
	raw_send_frame(64, 1);
	ck_assert(raw_irq(0));
	ck_assert_uint_eq(rd(REG_ICS) & (ICR_RXT0 | ICR_TXDW), ICR_RXT0);
	wr(REG_ICR, UINT32_MAX);
	udrv__model_backend.irq_unmask_intx(card.dev);
	raw_send_data(64);
	ck_assert(raw_irq(0));
	ck_assert_uint_eq(rd(REG_ICS) & (ICR_RXT0 | ICR_TXDW | ICR_TXQE), ICR_TXDW | ICR_TXQE);
	wr(REG_ICR, UINT32_MAX);
	udrv__model_backend.irq_unmask_intx(card.dev);
	udrv__model_e1000e_set_link(card.dev, false);
	ck_assert(raw_irq(0));
	ck_assert(rd(REG_ICS) & ICR_LSC);
}
END_TEST

static void start_msix(uint32_t ivar)
{
	raw_up(NAME);
	raw_irqs(UDRV__IRQ_MSIX, VECTORS);
	(void)rd(REG_ICR);
	wr(REG_IVAR, ivar);
}

START_TEST(each_cause_has_the_vector_of_ivar)
{
	static const uint32_t causes[] = {ICR_RXQ0, ICR_RXQ1, ICR_TXQ0, ICR_TXQ1, ICR_OTHER};

	start_msix(IVAR_ALL);
	wr(REG_IMS, ICR_CAUSES);
	for (unsigned int i = 0; i < VECTORS; i++) {
		wr(REG_ICS, causes[i]);
		for (unsigned int v = 0; v < VECTORS; v++)
			ck_assert_int_eq(raw_irq(v), v == i);
	}
}
END_TEST

START_TEST(causes_without_a_valid_vector_do_not_interrupt)
{
	start_msix(IVAR_ALL & ~8u);
	wr(REG_IMS, ICR_CAUSES);
	wr(REG_ICS, ICR_RXQ0);
	for (unsigned int v = 0; v < VECTORS; v++)
		ck_assert(!raw_irq(v));
}
END_TEST

START_TEST(queues_and_the_rest_interrupt_by_their_vectors)
{
	start_msix(IVAR_ALL);
	wr(REG_IMS, ICR_RXQ0 | ICR_TXQ0 | ICR_OTHER);
	raw_send_frame(64, 1);
	ck_assert(raw_irq(0));
	raw_send_data(64);
	ck_assert(raw_irq(2));
	ck_assert(!raw_irq(4));
	udrv__model_e1000e_set_link(card.dev, false);
	ck_assert(raw_irq(4));
	ck_assert_uint_eq(rd(REG_ICS) & (ICR_LSC | ICR_OTHER), ICR_LSC | ICR_OTHER);
	/* Other goes with what it stands for. */
	wr(REG_ICR, ICR_OTHER);
	ck_assert_uint_eq(rd(REG_ICS) & (ICR_LSC | ICR_OTHER), 0);
}
END_TEST

START_TEST(eiac_clears_and_masks_what_has_been_sent)
{
	start_msix(IVAR_ALL);
	wr(REG_EIAC, ICR_RXQ0);
	wr(REG_IMS, ICR_RXQ0 | ICR_TXQ0);
	wr(REG_ICS, ICR_RXQ0 | ICR_TXQ0);
	ck_assert(raw_irq(0));
	ck_assert(raw_irq(2));
	ck_assert_uint_eq(rd(REG_ICS) & (ICR_RXQ0 | ICR_TXQ0), ICR_TXQ0);
	ck_assert_uint_eq(rd(REG_IMS), ICR_TXQ0);
	/* What comes meanwhile waits for the mask. */
	wr(REG_ICS, ICR_RXQ0);
	ck_assert(!raw_irq(0));
	wr(REG_IMS, ICR_RXQ0);
	ck_assert(raw_irq(0));
	/* With IAME the mask stays. */
	wr(REG_CTRL_EXT, CTRL_EXT_IAME);
	wr(REG_IMS, ICR_RXQ0);
	wr(REG_ICS, ICR_RXQ0);
	ck_assert(raw_irq(0));
	ck_assert(rd(REG_IMS) & ICR_RXQ0);
	/* With EIAME what IAM says is masked. */
	wr(REG_CTRL_EXT, CTRL_EXT_IAME | CTRL_EXT_EIAME);
	wr(REG_IAM, ICR_RXQ0);
	wr(REG_ICS, ICR_RXQ0);
	ck_assert(raw_irq(0));
	ck_assert(!(rd(REG_IMS) & ICR_RXQ0));
}
END_TEST

START_TEST(throttled_message_comes_when_the_interval_ends)
{
	uint64_t begin;

	start_msix(IVAR_ALL);
	wr(REG_IMS, ICR_RXQ0 | ICR_TXQ0);
	/* 4 ms */
	wr(REG_EITR, 15625);
	begin = now_ns();
	wr(REG_ICS, ICR_RXQ0);
	ck_assert(raw_irq(0));
	wr(REG_ICR, ICR_RXQ0);
	wr(REG_ICS, ICR_RXQ0);
	/* Other vectors have their own. */
	wr(REG_ICS, ICR_TXQ0);
	ck_assert(raw_irq(2));
	ck_assert(raw_wait_irq(0));
	ck_assert_uint_ge(now_ns() - begin, 4000000);
}
END_TEST

/* False: the machine was too slow to see it. */
static bool clear_while_throttled(void)
{
	const uint64_t begin = now_ns();

	wr(REG_ICS, ICR_RXQ0);
	ck_assert(raw_wait_irq(0));
	wr(REG_ICR, ICR_RXQ0);
	wr(REG_ICS, ICR_RXQ0);
	wr(REG_ICR, ICR_RXQ0);
	return now_ns() - begin < LONG * 256u;
}

START_TEST(throttled_message_whose_cause_has_gone_does_not_come)
{
	unsigned int tries = 0;

	start_msix(IVAR_ALL);
	wr(REG_IMS, ICR_RXQ0);
	wr(REG_EITR, LONG);
	while (!clear_while_throttled() && ++tries < 100) {
		/* Until no interval is under way, and no message. */
		poll(NULL, 0, 30);
		(void)raw_irq(0);
	}
	ck_assert_uint_lt(tries, 100);
	ck_assert_uint_ge(raw_look().throttled, 1);
	poll(NULL, 0, 30);
	ck_assert(!raw_irq(0));
}
END_TEST

START_TEST(line_and_single_message_are_throttled_by_itr)
{
	uint64_t begin;

	raw_up(NAME);
	raw_irqs(_i ? UDRV__IRQ_MSI : UDRV__IRQ_INTX, 1);
	wr(REG_IMS, ICR_RXT0);
	wr(REG_ITR, 15625);
	begin = now_ns();
	wr(REG_ICS, ICR_RXT0);
	ck_assert(raw_irq(0));
	wr(REG_ICR, ICR_RXT0);
	udrv__model_backend.irq_unmask_intx(card.dev);
	wr(REG_ICS, ICR_RXT0);
	ck_assert(raw_wait_irq(0));
	ck_assert_uint_ge(now_ns() - begin, 4000000);
}
END_TEST

START_TEST(receive_delay_is_for_the_last_frame_and_radv_for_the_first)
{
	uint64_t begin;

	raw_up(NAME);
	raw_irqs(UDRV__IRQ_MSI, 1);
	(void)rd(REG_ICR);
	wr(REG_IMS, ICR_RXT0);
	/* 67 ms and 2 ms */
	wr(REG_RDTR, LONG);
	wr(REG_RADV, 1954);
	begin = now_ns();
	raw_send_frame(64, 1);
	ck_assert(raw_wait_irq(0));
	ck_assert_uint_ge(now_ns() - begin, 2000000);
	/* Flushed */
	wr(REG_RADV, 0);
	wr(REG_ICR, UINT32_MAX);
	raw_send_frame(64, 2);
	udrv__model_e1000e_settle(card.dev);
	wr(REG_RDTR, 1u << 31 | LONG);
	ck_assert(rd(REG_ICS) & ICR_RXT0);
	ck_assert(raw_irq(0));
}
END_TEST

START_TEST(transmit_delay_is_for_descriptors_with_ide)
{
	const uint64_t begin = now_ns();

	raw_up(NAME);
	raw_irqs(UDRV__IRQ_MSI, 1);
	(void)rd(REG_ICR);
	wr(REG_IMS, ICR_TXDW);
	wr(REG_TIDV, LONG);
	raw_put_data(0, 0, 60, RAW_TXD | TXD_IDE, 0);
	raw_tell_tx(0);
	raw_wait_tx(0);
	if (raw_irq(0)) {
		/* On a very slow machine. */
		ck_assert_uint_ge(now_ns() - begin, LONG * 1024u);
	} else {
		wr(REG_TIDV, 1u << 31 | LONG);
		ck_assert(raw_irq(0));
	}
	wr(REG_ICR, UINT32_MAX);
	raw_send_data(60);
	ck_assert(raw_irq(0));
}
END_TEST

START_TEST(small_frames_are_told_below_rsrpd)
{
	raw_up(NAME);
	wr(REG_RSRPD, 100);
	raw_send_frame(100, 1);
	(void)raw_wait(0);
	ck_assert(!(raw_look().icr & ICR_SRPD));
	raw_send_frame(99, 1);
	(void)raw_wait(0);
	ck_assert(raw_look().icr & ICR_SRPD);
}
END_TEST

START_TEST(acknowledgements_are_told_unless_that_is_off)
{
	unsigned char frame[60] = {0};

	raw_up(NAME);
	raw_frame(frame, 54, 1);
	memset(frame + 12, 0, 48);
	frame[12] = 0x08;
	frame[14] = 0x45;
	frame[17] = 40;
	frame[23] = 6;
	frame[46] = 0x50;
	frame[47] = 0x10;
	(void)rd(REG_ICR);
	wr(REG_RFCTL, RFCTL_EXTEN | RFCTL_ACK_DIS);
	ck_assert(udrv__model_e1000e_send(card.dev, frame, 60));
	ck_assert(raw_wait(0).status & RXD_ACK);
	ck_assert(!(raw_look().icr & ICR_ACK));
	wr(REG_RFCTL, RFCTL_EXTEN);
	ck_assert(udrv__model_e1000e_send(card.dev, frame, 60));
	(void)raw_wait(0);
	ck_assert(raw_look().icr & ICR_ACK);
}
END_TEST

START_TEST(reset_masks_all_and_lowers_the_line)
{
	raw_up(NAME);
	raw_irqs(UDRV__IRQ_INTX, 1);
	wr(REG_IMS, ICR_RXT0);
	wr(REG_ICS, ICR_RXT0);
	ck_assert(raw_irq(0));
	raw_reset();
	udrv__model_backend.irq_unmask_intx(card.dev);
	ck_assert(!raw_irq(0));
	ck_assert_uint_eq(rd(REG_ICS), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("model_e1000e_irq");
	TCase *tc = raw_case(s, "causes");

	tcase_add_test(tc, causes_are_set_by_ics_and_shown_in_icr);
	tcase_add_test(tc, masks_are_set_and_cleared);
	tcase_add_test(tc, asserted_is_told_of_what_is_enabled_only);
	tcase_add_test(tc, causes_that_are_enabled_stay_until_ones_are_written);
	tcase_add_test(tc, iame_clears_and_masks_when_icr_is_read);
	tcase_add_test(tc, small_frames_are_told_below_rsrpd);
	tcase_add_test(tc, acknowledgements_are_told_unless_that_is_off);

	tc = raw_case(s, "signals");
	tcase_add_test(tc, line_is_high_while_something_is_enabled_and_set);
	tcase_add_test(tc, message_is_sent_for_each_cause_that_is_new);
	tcase_add_loop_test(tc, frames_interrupt_by_the_line_or_one_message, 0, 2);
	tcase_add_test(tc, each_cause_has_the_vector_of_ivar);
	tcase_add_test(tc, causes_without_a_valid_vector_do_not_interrupt);
	tcase_add_test(tc, queues_and_the_rest_interrupt_by_their_vectors);
	tcase_add_test(tc, eiac_clears_and_masks_what_has_been_sent);
	tcase_add_test(tc, reset_masks_all_and_lowers_the_line);

	tc = raw_case(s, "times");
	tcase_add_test(tc, throttled_message_comes_when_the_interval_ends);
	tcase_add_test(tc, throttled_message_whose_cause_has_gone_does_not_come);
	tcase_add_loop_test(tc, line_and_single_message_are_throttled_by_itr, 0, 2);
	tcase_add_test(tc, receive_delay_is_for_the_last_frame_and_radv_for_the_first);
	tcase_add_test(tc, transmit_delay_is_for_descriptors_with_ide);
	return run_suite(s);
}
