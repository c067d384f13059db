// SPDX-License-Identifier: MIT
/* The software UART by its registers, without a driver: PC16550D, by the headings of its section 8.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include "support/suite.h"
#include "uart_driver.h"

static char __udrv_iomem *regs;

static void open_uart(const char *name)
{
	ck_assert_int_eq(udrv_device_open(name, NULL, &dev), 0);
	ck_assert_int_eq(udrv_pci_enable_device(dev), 0);
	regs = udrv_pci_iomap(dev, UART_BAR, 0);
	ck_assert_ptr_nonnull(regs);
}

static void close_uart(void)
{
	udrv_device_close(dev);
}

static uint8_t get(unsigned int reg)
{
	return udrv_ioread8(regs + reg);
}

static uint8_t told(void)
{
	return get(UART_IIR) & UART_IIR_ID;
}

static void put(unsigned int reg, uint8_t val)
{
	udrv_iowrite8(val, regs + reg);
}

static void setup(void)
{
	open_uart("model:uart16550");
	udrv__model_uart_wire(dev, 0, 0);
}

static unsigned int in_fifo(void)
{
	struct udrv__model_uart_state state;

	udrv__model_uart_look(dev, 0, &state);
	return state.to_receive;
}

static void receive(const char *text, unsigned int flags)
{
	ck_assert_uint_eq(udrv__model_uart_send(dev, 0, text, strlen(text), flags), strlen(text));
	WAIT_FOR(get(UART_LSR) & UART_LSR_DR);
}

START_TEST(after_reset_it_is_empty_and_quiet)
{
	ck_assert_uint_eq(get(UART_IER), 0);
	ck_assert_uint_eq(get(UART_IIR), UART_IIR_NONE);
	ck_assert_uint_eq(get(UART_LCR), 0);
	ck_assert_uint_eq(get(UART_MCR), 0);
	ck_assert_uint_eq(get(UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
}
END_TEST

START_TEST(the_scratch_register_keeps_what_it_is_given)
{
	put(UART_SCR, 0xa5);
	ck_assert_uint_eq(get(UART_SCR), 0xa5);
	put(UART_SCR, 0x5a);
	ck_assert_uint_eq(get(UART_SCR), 0x5a);
}
END_TEST

START_TEST(bits_that_there_are_not_stay_zero)
{
	put(UART_IER, 0xff);
	ck_assert_uint_eq(get(UART_IER), 0x0f);
	put(UART_MCR, 0xff);
	ck_assert_uint_eq(get(UART_MCR), 0x1f);
}
END_TEST

START_TEST(the_divisor_is_behind_dlab)
{
	put(UART_IER, UART_IER_RDA);
	put(UART_LCR, UART_LCR_DLAB);
	put(UART_DLL, 0x34);
	put(UART_DLM, 0x12);
	ck_assert_uint_eq(get(UART_DLL), 0x34);
	ck_assert_uint_eq(get(UART_DLM), 0x12);
	put(UART_LCR, 0);
	ck_assert_uint_eq(get(UART_IER), UART_IER_RDA);
}
END_TEST

START_TEST(iir_says_which_chip_it_is)
{
	static const struct {
		enum udrv__model_uart_chip chip;
		uint8_t bits;
	} chips[] = {{UDRV__UART_16550A, 0xc0}, {UDRV__UART_16550, 0x80}, {UDRV__UART_16450, 0}};

	udrv__model_uart_set_chip(dev, 0, chips[_i].chip);
	put(UART_FCR, UART_FCR_ENABLE);
	ck_assert_uint_eq(get(UART_IIR) & UART_IIR_FIFOS, chips[_i].bits);
	put(UART_FCR, 0);
	ck_assert_uint_eq(get(UART_IIR) & UART_IIR_FIFOS, 0);
}
END_TEST

START_TEST(nothing_answers_where_there_is_no_uart)
{
	udrv__model_uart_set_chip(dev, 0, UDRV__UART_ABSENT);
	for (unsigned int reg = 0; reg < UART_REGS; reg++) {
		put(reg, 0);
		ck_assert_uint_eq(get(reg), 0xff);
	}
}
END_TEST

START_TEST(words_are_not_decoded)
{
	put(UART_SCR, 0x11);
	ck_assert_uint_eq(udrv_ioread16(regs + UART_MSR), 0xffff);
	udrv_iowrite16(0xffff, regs + UART_MSR);
	ck_assert_uint_eq(get(UART_SCR), 0x11);
}
END_TEST

START_TEST(thre_is_told_when_it_is_switched_on_and_until_iir_is_read)
{
	put(UART_IER, UART_IER_THRE);
	ck_assert_uint_eq(get(UART_IIR), UART_IIR_THRE);
	ck_assert_uint_eq(get(UART_IIR), UART_IIR_NONE);
	put(UART_THR, 'x');
	WAIT_FOR(get(UART_LSR) & UART_LSR_TEMT);
	ck_assert_uint_eq(get(UART_IIR), UART_IIR_THRE);
	ck_assert_uint_eq(get(UART_IIR), UART_IIR_NONE);
}
END_TEST

START_TEST(what_does_not_fit_into_the_transmitter_is_lost)
{
	struct udrv__model_uart_state state;

	udrv__model_uart_wire(dev, 0, UDRV__UART_STUCK);
	put(UART_FCR, UART_FCR_ENABLE);
	for (int i = 0; i < UART_FIFO_SIZE + 3; i++)
		put(UART_THR, 'x');
	udrv__model_uart_look(dev, 0, &state);
	ck_assert_uint_eq(state.tx_lost, 3);
	ck_assert_uint_eq(get(UART_LSR) & (UART_LSR_THRE | UART_LSR_TEMT), 0);
	put(UART_FCR, UART_FCR_ENABLE | UART_FCR_CLEAR_TX);
	ck_assert_uint_eq(get(UART_LSR) & UART_LSR_TEMT, UART_LSR_TEMT);
}
END_TEST

START_TEST(characters_come_out_in_order)
{
	static const char text[] = "0123456789abcdef";

	put(UART_FCR, UART_FCR_ENABLE);
	receive(text, 0);
	for (size_t i = 0; text[i]; i++) {
		WAIT_FOR(get(UART_LSR) & UART_LSR_DR);
		ck_assert_uint_eq(get(UART_RBR), (uint8_t)text[i]);
	}
	ck_assert_uint_eq(get(UART_LSR) & UART_LSR_DR, 0);
}
END_TEST

START_TEST(rda_is_told_from_the_trigger_level_on)
{
	static const unsigned int levels[] = {1, 4, 8, 14};
	const unsigned int level = levels[_i];

	put(UART_FCR, (uint8_t)(UART_FCR_ENABLE | (unsigned int)_i << UART_FCR_TRIGGER));
	put(UART_IER, UART_IER_RDA);
	ck_assert_uint_eq(udrv__model_uart_send(dev, 0, "0123456789abcdef", level, 0), level);
	WAIT_FOR(told() == UART_IIR_RDA);
	ck_assert_uint_eq(get(UART_RBR), '0');
	/* One less is not enough; what is left, if any, is told when its time is over. */
	if (level == 1)
		ck_assert_uint_eq(told(), UART_IIR_NONE);
	else
		ck_assert_uint_ne(told(), UART_IIR_RDA);
}
END_TEST

START_TEST(fewer_are_told_when_their_time_is_over)
{
	put(UART_FCR, UART_FCR_ENABLE | 3u << UART_FCR_TRIGGER);
	put(UART_IER, UART_IER_RDA);
	receive("x", 0);
	WAIT_FOR(told() == UART_IIR_TIMEOUT);
	ck_assert_uint_eq(get(UART_RBR), 'x');
	ck_assert_uint_eq(told(), UART_IIR_NONE);
}
END_TEST

START_TEST(an_overrun_loses_the_last_and_is_told_once)
{
	udrv__model_uart_wire(dev, 0, UDRV__UART_IMPATIENT);
	put(UART_FCR, UART_FCR_ENABLE);
	put(UART_IER, UART_IER_LINE);
	ck_assert_uint_eq(udrv__model_uart_send(dev, 0, "0123456789abcdefXY", 18, 0), 18);
	WAIT_FOR(in_fifo() == UART_FIFO_SIZE);
	ck_assert_uint_eq(told(), UART_IIR_LINE);
	ck_assert_uint_eq(get(UART_LSR) & UART_LSR_OE, UART_LSR_OE);
	ck_assert_uint_eq(get(UART_LSR) & UART_LSR_OE, 0);
	ck_assert_uint_eq(told(), UART_IIR_NONE);
	for (int i = 0; i < UART_FIFO_SIZE; i++)
		ck_assert_uint_eq(get(UART_RBR), (uint8_t) "0123456789abcdef"[i]);
}
END_TEST

START_TEST(an_error_is_of_the_character_that_is_read_next)
{
	static const unsigned int errors[] = {UDRV__UART_PARITY, UDRV__UART_FRAME,
					      UDRV__UART_BREAK};

	put(UART_FCR, UART_FCR_ENABLE);
	put(UART_IER, UART_IER_LINE);
	receive("a", 0);
	ck_assert_uint_eq(udrv__model_uart_send(dev, 0, "b", 1, errors[_i]), 1);
	/* It is in the FIFO, but behind a good one. */
	WAIT_FOR(get(UART_LSR) & UART_LSR_FIFO_ERR);
	ck_assert_uint_eq(get(UART_LSR) & UART_LSR_ERRORS, 0);
	ck_assert_uint_eq(get(UART_RBR), 'a');
	ck_assert_uint_eq(told(), UART_IIR_LINE);
	ck_assert_uint_eq(get(UART_LSR) & UART_LSR_ERRORS, errors[_i]);
	ck_assert_uint_eq(get(UART_LSR) & UART_LSR_ERRORS, 0);
	ck_assert_uint_eq(get(UART_RBR), 'b');
}
END_TEST

START_TEST(modem_lines_tell_their_changes_until_msr_is_read)
{
	(void)get(UART_MSR);
	put(UART_IER, UART_IER_MSR);
	udrv__model_uart_set_lines(dev, 0, UART_MSR_DSR | UART_MSR_RI);
	ck_assert_uint_eq(told(), UART_IIR_MSR);
	/* CTS and DCD have gone; RI is told by its end. */
	ck_assert_uint_eq(get(UART_MSR),
			  UART_MSR_DSR | UART_MSR_RI | UART_MSR_DCTS | UART_MSR_DDCD);
	ck_assert_uint_eq(told(), UART_IIR_NONE);
	udrv__model_uart_set_lines(dev, 0, UART_MSR_DSR);
	ck_assert_uint_eq(get(UART_MSR), UART_MSR_DSR | UART_MSR_TERI);
}
END_TEST

START_TEST(in_loop_back_the_outputs_are_the_inputs)
{
	put(UART_MCR, UART_MCR_LOOP | UART_MCR_RTS | UART_MCR_OUT2);
	ck_assert_uint_eq(get(UART_MSR) & 0xf0, UART_MSR_CTS | UART_MSR_DCD);
	put(UART_MCR, UART_MCR_LOOP | UART_MCR_DTR | UART_MCR_OUT1);
	ck_assert_uint_eq(get(UART_MSR) & 0xf0, UART_MSR_DSR | UART_MSR_RI);
	put(UART_THR, 0x42);
	WAIT_FOR(get(UART_LSR) & UART_LSR_DR);
	ck_assert_uint_eq(get(UART_RBR), 0x42);
}
END_TEST

START_TEST(the_most_urgent_is_told_first)
{
	static const uint8_t order[] = {UART_IIR_LINE, UART_IIR_RDA, UART_IIR_THRE, UART_IIR_MSR,
					UART_IIR_NONE};

	(void)get(UART_MSR);
	ck_assert_uint_eq(udrv__model_uart_send(dev, 0, "b", 1, UDRV__UART_FRAME), 1);
	udrv__model_uart_set_lines(dev, 0, 0);
	put(UART_IER, UART_IER_LINE);
	WAIT_FOR(told() == UART_IIR_LINE);
	put(UART_IER, 0x0f);
	ck_assert_uint_eq(told(), order[0]);
	(void)get(UART_LSR);
	ck_assert_uint_eq(told(), order[1]);
	(void)get(UART_RBR);
	ck_assert_uint_eq(told(), order[2]);
	ck_assert_uint_eq(told(), order[3]);
	(void)get(UART_MSR);
	ck_assert_uint_eq(told(), order[4]);
}
END_TEST

START_TEST(out2_lets_interrupts_through)
{
	int efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	eventfd_t n;

	ck_assert_int_eq(udrv__model_backend.irq_enable(dev, UDRV__IRQ_INTX, &efd, 1), 0);
	put(UART_IER, UART_IER_THRE);
	ck_assert_int_eq(eventfd_read(efd, &n), -1);
	put(UART_MCR, UART_MCR_OUT2);
	ck_assert_int_eq(eventfd_read(efd, &n), 0);
	ck_assert_int_eq(udrv__model_backend.irq_disable(dev, UDRV__IRQ_INTX), 0);
	close(efd);
}
END_TEST

START_TEST(wired_ports_hear_each_other)
{
	open_uart("model:uart16550-2x:cross");
	put(UART_THR, 'a');
	WAIT_FOR(get(UART_REGS + UART_LSR) & UART_LSR_DR);
	ck_assert_uint_eq(get(UART_REGS + UART_RBR), 'a');
	/* A null modem. */
	put(UART_MCR, UART_MCR_RTS | UART_MCR_DTR);
	ck_assert_uint_eq(get(UART_REGS + UART_MSR) & 0xf0,
			  UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD);
	/* At different speeds they do not understand each other. */
	put(UART_LCR, UART_LCR_DLAB);
	put(UART_DLL, 1);
	put(UART_LCR, 0);
	put(UART_THR, 'b');
	WAIT_FOR(get(UART_REGS + UART_LSR) & UART_LSR_FE);
	close_uart();
}
END_TEST

static Suite *model_uart_suite(void)
{
	Suite *s = suite_create("model_uart");
	TCase *tc = tcase_create("registers");
	TCase *wired = tcase_create("wired");

	tcase_add_checked_fixture(tc, setup, close_uart);
	tcase_add_test(tc, after_reset_it_is_empty_and_quiet);
	tcase_add_test(tc, the_scratch_register_keeps_what_it_is_given);
	tcase_add_test(tc, bits_that_there_are_not_stay_zero);
	tcase_add_test(tc, the_divisor_is_behind_dlab);
	tcase_add_loop_test(tc, iir_says_which_chip_it_is, 0, 3);
	tcase_add_test(tc, nothing_answers_where_there_is_no_uart);
	tcase_add_test(tc, words_are_not_decoded);
	tcase_add_test(tc, thre_is_told_when_it_is_switched_on_and_until_iir_is_read);
	tcase_add_test(tc, what_does_not_fit_into_the_transmitter_is_lost);
	tcase_add_test(tc, characters_come_out_in_order);
	tcase_add_loop_test(tc, rda_is_told_from_the_trigger_level_on, 0, 4);
	tcase_add_test(tc, fewer_are_told_when_their_time_is_over);
	tcase_add_test(tc, an_overrun_loses_the_last_and_is_told_once);
	tcase_add_loop_test(tc, an_error_is_of_the_character_that_is_read_next, 0, 3);
	tcase_add_test(tc, modem_lines_tell_their_changes_until_msr_is_read);
	tcase_add_test(tc, in_loop_back_the_outputs_are_the_inputs);
	tcase_add_test(tc, the_most_urgent_is_told_first);
	tcase_add_test(tc, out2_lets_interrupts_through);
	suite_add_tcase(s, tc);
	tcase_add_test(wired, wired_ports_hear_each_other);
	suite_add_tcase(s, wired);
	return s;
}

int main(void)
{
	return run_suite(model_uart_suite());
}
