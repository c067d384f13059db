// SPDX-License-Identifier: MIT
/* What the software 82574 does wrong when a test wants that, and that it is well afterwards. */
#include <time.h>

#include "support/raw_e1000e.h"
#include "support/suite.h"

#define NAME  "model:e1000e"
#define TRIES 100 /* on a machine that stops for 5 ms now and then */

static void inject(enum udrv__model_e1000e_fault fault, unsigned int times)
{
	udrv__model_e1000e_fault(card.dev, fault, times);
}

/* A frame there and one back. */
static void check_well(void)
{
	static unsigned char seen[2048];
	struct raw_packet p;

	ck_assert_uint_eq(raw_look().faults, 0);
	while (udrv__model_e1000e_receive(card.dev, seen, sizeof(seen)))
		;
	raw_send_frame(100, 77);
	p = raw_wait(0);
	raw_check_frame(&p, 100, 77);
	raw_refill(0);
	raw_frame(card.data, 200, 78);
	raw_send_data(200);
	ck_assert_uint_eq(raw_take(seen, sizeof(seen)), 200);
	ck_assert_mem_eq(seen, card.data, 200);
}

START_TEST(late_frames_come_5_ms_later)
{
	unsigned char seen[100];
	uint64_t begin;

	raw_up(NAME);
	begin = now_ns();
	inject(UDRV__E1000E_LATE, 2);
	raw_send_frame(64, 1);
	(void)raw_wait(0);
	ck_assert_uint_ge(now_ns() - begin, FAULT_NS);
	begin = now_ns();
	raw_send_data(60);
	ck_assert_uint_eq(raw_take(seen, sizeof(seen)), 60);
	ck_assert_uint_ge(now_ns() - begin, FAULT_NS);
	check_well();
}
END_TEST

/* Whether the second was there before the first. False: too slow. */
static bool see_reordered(void)
{
	const uint64_t begin = now_ns();
	const struct raw_ring *r = &card.rx[0];
	bool first;

	inject(UDRV__E1000E_RX_REORDERED, 1);
	raw_send_frame(64, 1);
	udrv__model_e1000e_settle(card.dev);
	first = raw_word(&r->desc[r->next][2]) & RXD_DD;
	raw_send_frame(65, 2);
	ck_assert_uint_eq(raw_wait(0).len, 64);
	ck_assert_uint_eq(raw_wait(0).len, 65);
	raw_put_buffer(0);
	raw_refill(0);
	ck_assert(!first || now_ns() - begin >= FAULT_NS);
	return !first;
}

START_TEST(write_back_comes_behind_the_next_ones)
{
	unsigned int tries = 0;

	raw_up(NAME);
	while (!see_reordered() && ++tries < TRIES)
		;
	ck_assert_uint_lt(tries, TRIES);
	/* Alone it comes as well, with an interrupt. */
	inject(UDRV__E1000E_RX_REORDERED, 1);
	raw_send_frame(64, 3);
	ck_assert_uint_eq(raw_wait(0).len, 64);
	raw_refill(0);
	check_well();
}
END_TEST

static bool see_twice(void)
{
	struct raw_ring *r = &card.rx[0];
	uint32_t *desc = r->desc[r->next];
	const uint64_t begin = now_ns();
	bool again;

	inject(UDRV__E1000E_RX_TWICE, 1);
	raw_send_frame(64, 1);
	(void)raw_wait(0);
	__atomic_store_n(desc + 2, 0, __ATOMIC_RELAXED);
	if (now_ns() - begin >= FAULT_NS)
		return false;
	raw_send_frame(65, 2);
	ck_assert_uint_eq(raw_wait(0).len, 65);
	udrv__model_e1000e_settle(card.dev);
	again = raw_word(desc + 2) & RXD_DD;
	raw_put_buffer(0);
	raw_refill(0);
	return again;
}

START_TEST(write_back_comes_twice)
{
	unsigned int tries = 0;

	raw_up(NAME);
	while (!see_twice() && ++tries < TRIES)
		raw_start(RAW_RCTL, RFCTL_EXTEN);
	ck_assert_uint_lt(tries, TRIES);
	check_well();
}
END_TEST

static const struct {
	enum udrv__model_e1000e_fault fault;
	uint32_t status, mask;
	unsigned int len;
} nonsense[] = {
	{UDRV__E1000E_RX_EMPTY, RXD_DD | RXD_EOP, 0xff000003, 0},
	{UDRV__E1000E_RX_TOO_LONG, RXD_DD | RXD_EOP, 0xff000003, 0xffff},
	{UDRV__E1000E_RX_NO_EOP, RXD_DD, 0xff000003, 64},
	{UDRV__E1000E_RX_ERRORS, 0xf7000003, 0xff000003, 64},
	{UDRV__E1000E_RX_ONES, UINT32_MAX, UINT32_MAX, 0xffff},
};

START_TEST(write_back_is_nonsense)
{
	static const uint32_t formats[] = {RFCTL_EXTEN, 0};
	const int legacy = _i % 2, kind = _i / 2;
	struct raw_packet p;

	raw_open(NAME);
	raw_start(RAW_RCTL, formats[legacy]);
	inject(nonsense[kind].fault, 2);
	for (int i = 0; i < 2; i++) {
		raw_send_frame(64, 1);
		p = raw_wait(0);
		ck_assert_uint_eq(p.status & nonsense[kind].mask,
				  nonsense[kind].status & (legacy ? RXD_LEGACY : UINT32_MAX));
		ck_assert_uint_eq(p.len, nonsense[kind].len);
		raw_refill(0);
	}
	check_well();
}
END_TEST

START_TEST(done_is_stored_where_nothing_was_handed_out)
{
	raw_up(NAME);
	inject(UDRV__E1000E_TX_FOREIGN, 1);
	raw_send_data(60);
	ck_assert(raw_is_sent(0, 0));
	ck_assert(raw_is_sent(0, 1));
	ck_assert(!raw_is_sent(0, 2));
	check_well();
}
END_TEST

START_TEST(frame_is_sent_silently)
{
	unsigned char seen[100];

	raw_up(NAME);
	(void)rd(REG_ICR);
	inject(UDRV__E1000E_TX_SILENT, 1);
	raw_put_data(0, 0, 60, RAW_TXD, 0);
	raw_tell_tx(0);
	ck_assert_uint_eq(raw_take(seen, sizeof(seen)), 60);
	ck_assert(!raw_is_sent(0, 0));
	ck_assert(!(raw_look().icr & ICR_TXDW));
	ck_assert_uint_eq(raw_look().tdh[0], 1);
	check_well();
}
END_TEST

START_TEST(transmitter_is_stuck_until_reset)
{
	raw_up(NAME);
	inject(UDRV__E1000E_TX_STUCK, 1);
	raw_put_data(0, 0, 60, RAW_TXD, 0);
	raw_tell_tx(0);
	udrv__model_e1000e_settle(card.dev);
	ck_assert_uint_eq(raw_look().tdh[0], 0);
	raw_start(RAW_RCTL, RFCTL_EXTEN);
	check_well();
}
END_TEST

START_TEST(line_interrupts_without_cause)
{
	raw_up(NAME);
	raw_irqs(UDRV__IRQ_INTX, 1);
	inject(UDRV__E1000E_SPURIOUS, 2);
	for (int i = 0; i < 2; i++) {
		ck_assert(raw_irq(0));
		ck_assert_uint_eq(rd(REG_ICR) & ICR_ASSERTED, 0);
		udrv__model_backend.irq_unmask_intx(card.dev);
	}
	ck_assert(!raw_irq(0));
	check_well();
}
END_TEST

START_TEST(messages_come_without_cause)
{
	raw_up(NAME);
	raw_irqs(UDRV__IRQ_MSIX, VECTORS);
	wr(REG_IVAR, 0x8 | 0x9 << 8);
	inject(UDRV__E1000E_SPURIOUS, 1);
	ck_assert(raw_irq(0));
	ck_assert(raw_irq(1));
	ck_assert(!raw_irq(2));
	check_well();
}
END_TEST

START_TEST(one_interrupt_is_lost)
{
	static const enum udrv__irq_type types[] = {UDRV__IRQ_INTX, UDRV__IRQ_MSI, UDRV__IRQ_MSIX};
	const uint32_t cause = _i == 2 ? ICR_RXQ0 : ICR_RXT0;

	raw_up(NAME);
	raw_irqs(types[_i], 1);
	wr(REG_IVAR, 0x8);
	wr(REG_IMS, cause);
	inject(UDRV__E1000E_LOST, 1);
	raw_send_frame(64, 1);
	(void)raw_wait(0);
	ck_assert(!raw_irq(0));
	ck_assert(rd(REG_ICS) & cause);
	wr(REG_ICR, cause);
	raw_send_frame(64, 1);
	ck_assert(raw_irq(0));
	(void)raw_wait(0);
	check_well();
}
END_TEST

START_TEST(icr_is_nonsense_without_effect)
{
	raw_up(NAME);
	(void)rd(REG_ICR);
	wr(REG_ICS, ICR_RXT0);
	inject(UDRV__E1000E_BAD_ICR, 1);
	ck_assert(rd(REG_ICR) & ~(ICR_CAUSES | ICR_ASSERTED));
	ck_assert_uint_eq(rd(REG_ICR), ICR_RXT0);
	check_well();
}
END_TEST

START_TEST(registers_read_as_ones_so_often)
{
	raw_up(NAME);
	inject(UDRV__E1000E_ONES, 2);
	ck_assert_uint_eq(rd(REG_STATUS), UINT32_MAX);
	ck_assert_uint_eq(rd(REG_CTRL), UINT32_MAX);
	ck_assert_uint_ne(rd(REG_STATUS), UINT32_MAX);
	check_well();
}
END_TEST

START_TEST(phy_does_not_answer_so_often)
{
	raw_up(NAME);
	inject(UDRV__E1000E_NO_PHY, 1);
	wr(REG_MDIC, MDIC_READ | 2u << 16 | 1u << 21);
	ck_assert_uint_eq(rd(REG_MDIC) & (MDIC_ERROR | MDIC_READY), MDIC_ERROR | MDIC_READY);
	wr(REG_MDIC, MDIC_READ | 2u << 16 | 1u << 21);
	ck_assert_uint_eq(rd(REG_MDIC) & (MDIC_ERROR | 0xffff), 0x0141);
	check_well();
}
END_TEST

START_TEST(link_flaps)
{
	unsigned int lost = 0;

	raw_up(NAME);
	raw_irqs(UDRV__IRQ_MSI, 1);
	(void)rd(REG_ICR);
	wr(REG_IMS, ICR_LSC);
	inject(UDRV__E1000E_FLAP, 3);
	for (unsigned int ms = 0; (raw_look().faults || !raw_look().link) && ms < RAW_LONG_MS;
	     ms++) {
		lost += !raw_look().link;
		poll(NULL, 0, 1);
	}
	raw_wait_link(true);
	ck_assert_uint_gt(lost, 0);
	ck_assert(raw_irq(0));
	ck_assert(rd(REG_ICS) & ICR_LSC);
	check_well();
}
END_TEST

START_TEST(card_is_pulled_under_traffic)
{
	raw_up(NAME ":loop");
	raw_frame(card.data, 1000, 1);
	for (unsigned int n = 0; n < RAW_ENTRIES - 1; n++)
		raw_put_data(0, 0, 1000, RAW_TXD, 0);
	raw_tell_tx(0);
	udrv__model_surprise_remove(card.dev);
	ck_assert_uint_eq(rd(REG_STATUS), UINT32_MAX);
	wr(REG_TX_RING + RING_TAIL, 0);
	raw_send_frame(64, 1);
	udrv__model_e1000e_settle(card.dev);
	ck_assert_uint_eq(rd(REG_STATUS), UINT32_MAX);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("model_e1000e_fault");
	TCase *tc = raw_case(s, "write-backs");

	tcase_add_test(tc, late_frames_come_5_ms_later);
	tcase_add_test(tc, write_back_comes_behind_the_next_ones);
	tcase_add_test(tc, write_back_comes_twice);
	tcase_add_loop_test(tc, write_back_is_nonsense, 0, 10);
	tcase_add_test(tc, done_is_stored_where_nothing_was_handed_out);
	tcase_add_test(tc, frame_is_sent_silently);
	tcase_add_test(tc, transmitter_is_stuck_until_reset);

	tc = raw_case(s, "registers");
	tcase_add_test(tc, line_interrupts_without_cause);
	tcase_add_test(tc, messages_come_without_cause);
	tcase_add_loop_test(tc, one_interrupt_is_lost, 0, 3);
	tcase_add_test(tc, icr_is_nonsense_without_effect);
	tcase_add_test(tc, registers_read_as_ones_so_often);
	tcase_add_test(tc, phy_does_not_answer_so_often);
	tcase_add_test(tc, link_flaps);
	tcase_add_test(tc, card_is_pulled_under_traffic);
	return run_suite(s);
}
