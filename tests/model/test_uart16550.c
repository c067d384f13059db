// SPDX-License-Identifier: MIT
/* The uart16550 driver on the software UART: characters and settings, seen from both ends. */
#include <pthread.h>

#include "support/suite.h"
#include "uart_driver.h"

#define BIG 100000

static unsigned char sent[BIG];
static unsigned char got[BIG];
static int tty;

static void fill(void)
{
	srand(7);
	for (size_t i = 0; i < BIG; i++)
		sent[i] = (unsigned char)(rand() >> 5);
	memset(got, 0, sizeof(got));
}

static void setup(void)
{
	fill();
	make_rundir();
	probe_uart("model:uart16550");
	udrv__model_uart_wire(dev, 0, 0);
	tty = open_tty(0);
}

static void teardown(void)
{
	close(tty);
	remove_uart();
	remove_rundir();
}

static void setup_dir(void)
{
	fill();
	make_rundir();
}

START_TEST(every_byte_passes_both_ways)
{
	unsigned char all[256];

	for (int i = 0; i < 256; i++)
		all[i] = (unsigned char)i;
	ck_assert_int_eq(write(tty, all, 256), 256);
	receive_all(0, got, 256);
	ck_assert_mem_eq(got, all, 256);
	send_all(0, all, 256, 0);
	read_all(tty, got, 256);
	ck_assert_mem_eq(got, all, 256);
	ck_assert_uint_eq(counts_of(0).rx, 256);
	ck_assert_uint_eq(counts_of(0).tx, 256);
}
END_TEST

static void *write_sent(void *arg)
{
	const int fd = *(int *)arg;
	size_t done = 0;

	while (done < BIG) {
		struct pollfd p = {.fd = fd, .events = POLLOUT};
		ssize_t n;

		(void)poll(&p, 1, 1000);
		n = write(fd, sent + done, BIG - done);
		if (n > 0)
			done += (size_t)n;
	}
	return NULL;
}

/* A chip in each of the loop's turns; with the last trigger level of the parameter. */
START_TEST(a_lot_comes_back_through_every_chip)
{
	pthread_t thread;

	ck_assert_int_eq(udrv_device_open("model:uart16550:loop", NULL, &dev), 0);
	udrv__model_uart_set_chip(dev, 0, (enum udrv__model_uart_chip)_i);
	ck_assert_int_eq(udrv_driver_probe(&uart16550_driver, dev), 0);
	ck_assert(uart_at(0)->fifos == (_i == UDRV__UART_16550A));
	tty = open_tty(0);
	ck_assert_int_eq(pthread_create(&thread, NULL, write_sent, &tty), 0);
	read_all(tty, got, BIG);
	pthread_join(thread, NULL);
	ck_assert_mem_eq(got, sent, BIG);
	/* Never more than there was room for. */
	ck_assert_uint_eq(look(0).tx_lost, 0);
	ck_assert_uint_eq(look(0).rx_lost, 0);
	ck_assert_uint_eq(counts_of(0).buf_overrun, 0);
	teardown();
}
END_TEST

START_TEST(every_trigger_level)
{
	static const char *const levels[] = {"1", "4", "8", "14"};
	const char *before = *uart16550_driver.params[0].value;

	*uart16550_driver.params[0].value = levels[_i];
	probe_uart("model:uart16550");
	*uart16550_driver.params[0].value = before;
	tty = open_tty(0);
	ck_assert_uint_eq(look(0).trigger, (unsigned int)atoi(levels[_i]));
	/* Less than that comes by the character time-out. */
	send_all(0, sent, 1, 0);
	read_all(tty, got, 1);
	send_all(0, sent, 1000, 0);
	read_all(tty, got, 1000);
	ck_assert_mem_eq(got, sent, 1000);
	teardown();
}
END_TEST

START_TEST(four_ports_on_one_line)
{
	int ttys[4];
	pthread_t threads[4];

	probe_uart("model:uart16550-4x:cross");
	for (unsigned int i = 0; i < 4; i++)
		ttys[i] = open_tty(i);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, write_sent, &ttys[i]), 0);
	/* One after the other: the others wait, and lose nothing. */
	for (int i = 0; i < 4; i++) {
		memset(got, 0, BIG);
		read_all(ttys[i], got, BIG);
		ck_assert_mem_eq(got, sent, BIG);
	}
	for (unsigned int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		ck_assert_uint_eq(look(i).rx_lost, 0);
		close_tty(ttys[i], i);
	}
	remove_uart();
	remove_rundir();
}
END_TEST

/* As much as there is room for. */
static size_t offer(size_t done)
{
	return done + udrv__model_uart_send(dev, 0, sent + done, BIG - done, 0);
}

/* The rest, while it is read. */
static void read_big(size_t n)
{
	for (size_t done = 0; done < BIG; done += 1000) {
		WAIT_FOR((n = offer(n)) >= done + 1000);
		read_all(tty, got + done, 1000);
	}
	ck_assert_mem_eq(got, sent, BIG);
	ck_assert_uint_eq(look(0).rx_lost, 0);
	ck_assert_uint_eq(counts_of(0).buf_overrun, 0);
}

START_TEST(rts_stops_the_sender_and_nothing_is_lost)
{
	size_t n = 0;

	udrv__model_uart_wire(dev, 0, UDRV__UART_OBEYS_RTS);
	set_flags(tty, 0, CRTSCTS);
	WAIT_FOR(known(0).c_cflag & CRTSCTS);
	WAIT_FOR((n = offer(n)) && !(look(0).mcr & UART_MCR_RTS));
	ck_assert_uint_lt(n, BIG);
	/* The UART is still read: what was under way when RTS went off has a place. */
	ck_assert(look(0).ier & UART_IER_RDA);
	read_big(n);
	WAIT_FOR(look(0).mcr & UART_MCR_RTS);
}
END_TEST

/* Who hears nothing of it keeps what does not fit: the UART is not read any more. */
START_TEST(without_flow_control_the_uart_is_left_full)
{
	size_t n = 0;

	WAIT_FOR((n = offer(n)) && !(look(0).ier & UART_IER_RDA));
	ck_assert_uint_lt(n, BIG);
	read_big(n);
	WAIT_FOR(look(0).ier & UART_IER_RDA);
}
END_TEST

START_TEST(ixoff_sends_xoff_and_xon)
{
	unsigned char ch = 0;

	set_flags(tty, IXOFF, 0);
	WAIT_FOR(known(0).c_iflag & IXOFF);
	memset(sent, 'x', BIG);
	/* However much that takes: the UART loses what comes while its driver is paused. */
	while (!udrv__model_uart_receive(dev, 0, &ch, 1))
		(void)udrv__model_uart_send(dev, 0, sent, 1000, 0);
	ck_assert_uint_eq(ch, 0x13);
	/* An XON that had to wait is no more when an XOFF takes its place. */
	WAIT_FOR(read(tty, got, BIG) < 0 && udrv__model_uart_receive(dev, 0, &ch, 1) && ch == 0x11);
}
END_TEST

START_TEST(ixon_stops_and_starts_the_transmission)
{
	set_flags(tty, IXON, 0);
	WAIT_FOR(known(0).c_iflag & IXON);
	send_all(0, (const unsigned char *)"a\x13", 2, 0);
	read_all(tty, got, 1);
	ck_assert_uint_eq(got[0], 'a');
	WAIT_FOR(counts_of(0).rx == 2);
	ck_assert_int_eq(write(tty, sent, 100), 100);
	WAIT_FOR(udrv_uart_tx_pending(&uart_at(0)->port) == 100);
	ck_assert_uint_eq(udrv__model_uart_receive(dev, 0, got, 1), 0);
	ck_assert_uint_eq(counts_of(0).tx, 0);
	send_all(0, (const unsigned char *)"\x11z", 2, 0);
	receive_all(0, got, 100);
	ck_assert_mem_eq(got, sent, 100);
	/* The program sees neither. */
	read_all(tty, got, 1);
	ck_assert_uint_eq(got[0], 'z');
}
END_TEST

/* `stty ixon stop undef`: NUL is no character of the flow control. */
START_TEST(flow_control_characters_that_are_undefined)
{
	struct termios t = settings(tty);

	t.c_iflag |= IXON;
	t.c_cc[VSTOP] = t.c_cc[VSTART] = _POSIX_VDISABLE;
	ck_assert_int_eq(tcsetattr(tty, TCSANOW, &t), 0);
	WAIT_FOR(known(0).c_iflag & IXON);
	send_all(0, (const unsigned char *)"a\0b", 3, 0);
	read_all(tty, got, 3);
	ck_assert_mem_eq(got, "a\0b", 3);
	ck_assert_int_eq(write(tty, sent, 100), 100);
	receive_all(0, got, 100);
	ck_assert_mem_eq(got, sent, 100);
}
END_TEST

START_TEST(cts_stops_and_starts_the_transmission)
{
	set_flags(tty, 0, CRTSCTS);
	WAIT_FOR(known(0).c_cflag & CRTSCTS);
	udrv__model_uart_set_lines(dev, 0, UART_MSR_DSR | UART_MSR_DCD);
	WAIT_FOR(counts_of(0).cts == 1);
	ck_assert_int_eq(write(tty, sent, 100), 100);
	WAIT_FOR(udrv_uart_tx_pending(&uart_at(0)->port) == 100);
	ck_assert_uint_eq(counts_of(0).tx, 0);
	udrv__model_uart_set_lines(dev, 0, UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD);
	receive_all(0, got, 100);
	ck_assert_mem_eq(got, sent, 100);
	ck_assert_uint_eq(counts_of(0).cts, 2);
}
END_TEST

START_TEST(tcflow_and_tcflush)
{
	ck_assert_int_eq(tcflow(tty, TCOOFF), 0);
	WAIT_FOR(({
		udrv_spin_lock(&uart_at(0)->port.lock);
		bool stopped = udrv_uart_tx_stopped(&uart_at(0)->port);
		udrv_spin_unlock(&uart_at(0)->port.lock);
		stopped;
	}));
	ck_assert_int_eq(tcflow(tty, TCOON), 0);
	ck_assert_int_eq(write(tty, sent, 100), 100);
	receive_all(0, got, 100);
	/* What is not taken at the other end is dropped. */
	udrv__model_uart_wire(dev, 0, UDRV__UART_STUCK);
	ck_assert_int_eq(write(tty, sent, 1000), 1000);
	WAIT_FOR(udrv_uart_tx_pending(&uart_at(0)->port) >= 1000 - 2 * UART_FIFO_SIZE);
	ck_assert_int_eq(tcflush(tty, TCOFLUSH), 0);
	WAIT_FOR(!udrv_uart_tx_pending(&uart_at(0)->port));
	udrv__model_uart_wire(dev, 0, 0);
	ck_assert_int_eq(write(tty, "end", 3), 3);
	WAIT_FOR(counts_of(0).tx <= 100 + 2 * UART_FIFO_SIZE + 3);
	receive_all(0, got, 3);
}
END_TEST

static const struct {
	speed_t code;
	unsigned int divisor;
} speeds[] = {{B115200, 1}, {B57600, 2}, {B38400, 3}, {B9600, 12},
	      {B1200, 96},  {B300, 384}, {B50, 2304}, {B19200, 6}};

#define SPEEDS (int)(sizeof(speeds) / sizeof(speeds[0]))

START_TEST(settings_reach_the_uart_at_once)
{
	struct termios t = settings(tty);

	for (int i = 0; i < SPEEDS; i++) {
		cfsetspeed(&t, speeds[i].code);
		t.c_cflag ^= CSTOPB;
		ck_assert_int_eq(tcsetattr(tty, TCSANOW, &t), 0);
		WAIT_FOR(look(0).divisor == speeds[i].divisor);
		WAIT_FOR(!!(look(0).lcr & UART_LCR_STOP) == !!(t.c_cflag & CSTOPB));
	}
}
END_TEST

START_TEST(settings_of_a_cooked_terminal_reach_it_too)
{
	struct termios t = settings(tty);

	t.c_lflag = ICANON | ISIG;
	t.c_iflag = ICRNL;
	ck_assert_int_eq(tcsetattr(tty, TCSANOW, &t), 0);
	for (int i = 0; i < SPEEDS; i++) {
		cfsetspeed(&t, speeds[i].code);
		ck_assert_int_eq(tcsetattr(tty, TCSANOW, &t), 0);
		WAIT_FOR(look(0).divisor == speeds[i].divisor);
	}
	/* And it is cooked: a line ends with its carriage return. */
	send_all(0, (const unsigned char *)"line\r", 5, 0);
	read_all(tty, got, 5);
	ck_assert_mem_eq(got, "line\n", 5);
}
END_TEST

START_TEST(cooked_by_one_flag_only)
{
	struct termios t = settings(tty);

	/* With all other flags as they are found, also what reports changes. */
	t.c_lflag |= ICANON;
	t.c_iflag |= ICRNL;
	ck_assert_int_eq(tcsetattr(tty, TCSANOW, &t), 0);
	WAIT_FOR(!(settings(tty).c_lflag & EXTPROC));
	send_all(0, (const unsigned char *)"line\r", 5, 0);
	read_all(tty, got, 5);
	ck_assert_mem_eq(got, "line\n", 5);
}
END_TEST

START_TEST(a_speed_that_there_is_not_is_told)
{
	struct termios t = settings(tty);

	cfsetspeed(&t, B19200);
	ck_assert_int_eq(tcsetattr(tty, TCSANOW, &t), 0);
	WAIT_FOR(look(0).divisor == 6);
	cfsetspeed(&t, B4000000);
	ck_assert_int_eq(tcsetattr(tty, TCSANOW, &t), 0);
	WAIT_FOR(({
		t = settings(tty);
		cfgetospeed(&t) == B19200;
	}));
	ck_assert_uint_eq(look(0).divisor, 6);
}
END_TEST

START_TEST(speed_0_drops_the_lines)
{
	struct termios t = settings(tty);

	cfsetspeed(&t, B0);
	ck_assert_int_eq(tcsetattr(tty, TCSANOW, &t), 0);
	WAIT_FOR(!(look(0).mcr & (UART_MCR_DTR | UART_MCR_RTS)));
	cfsetspeed(&t, B9600);
	ck_assert_int_eq(tcsetattr(tty, TCSANOW, &t), 0);
	WAIT_FOR((look(0).mcr & (UART_MCR_DTR | UART_MCR_RTS)) == (UART_MCR_DTR | UART_MCR_RTS));
}
END_TEST

START_TEST(format_of_each_kind)
{
	static const struct {
		uint32_t cflag;
		uint8_t lcr;
	} formats[] = {
		{CS5, UART_LCR_EVEN},
		{CS6, UART_LCR_EVEN | 1},
		{CS7 | PARENB, UART_LCR_PARITY | UART_LCR_EVEN | 2},
		{CS7 | PARENB | PARODD, UART_LCR_PARITY | 2},
		{CS8 | PARENB | CMSPAR, UART_LCR_PARITY | UART_LCR_EVEN | UART_LCR_STICK | 3},
		{CS8 | PARENB | PARODD | CMSPAR, UART_LCR_PARITY | UART_LCR_STICK | 3},
		{CS8, UART_LCR_EVEN | 3},
	};

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		ck_assert_int_eq(udrv_uart_port_format(&uart_at(0)->port, formats[i].cflag), 0);
		WAIT_FOR(look(0).lcr == formats[i].lcr);
	}
	ck_assert_int_eq(udrv_uart_port_format(&uart_at(0)->port, CSTOPB), -EINVAL);
}
END_TEST

/* Between ports that are set differently there are errors, and none when they agree. */
START_TEST(ports_of_different_speed_do_not_understand_each_other)
{
	int other;

	probe_uart("model:uart16550-2x:cross");
	tty = open_tty(0);
	other = open_tty(1);
	set_flags(other, INPCK | IGNPAR, 0);
	WAIT_FOR(known(1).c_iflag & IGNPAR);
	ck_assert_int_eq(write(tty, "good", 4), 4);
	read_all(other, got, 4);
	ck_assert_int_eq(udrv_uart_port_format(&uart_at(0)->port, CS8 | PARENB), 0);
	WAIT_FOR(look(0).lcr & UART_LCR_PARITY);
	ck_assert_int_eq(write(tty, "parity", 6), 6);
	WAIT_FOR(counts_of(1).parity == 6);
	ck_assert_int_eq(udrv_uart_port_format(&uart_at(0)->port, CS8), 0);
	WAIT_FOR(!(look(0).lcr & UART_LCR_PARITY));
	ck_assert_int_eq(write(tty, "!", 1), 1);
	read_all(other, got + 4, 1);
	ck_assert_mem_eq(got, "good!", 5);
	close_tty(other, 1);
	teardown();
}
END_TEST

static void send_bad(unsigned int flags)
{
	send_all(0, (const unsigned char *)"a", 1, 0);
	send_all(0, (const unsigned char *)"b", 1, flags);
	send_all(0, (const unsigned char *)"c", 1, 0);
}

START_TEST(bad_characters_are_dropped_marked_or_zero)
{
	/* Nobody asked: as it came. */
	send_bad(UDRV__UART_PARITY);
	read_all(tty, got, 3);
	ck_assert_mem_eq(got, "abc", 3);
	set_flags(tty, INPCK, 0);
	WAIT_FOR(known(0).c_iflag & INPCK);
	send_bad(UDRV__UART_FRAME);
	read_all(tty, got, 3);
	ck_assert_mem_eq(got, "a\0c", 3);
	set_flags(tty, PARMRK, 0);
	WAIT_FOR(known(0).c_iflag & PARMRK);
	send_bad(UDRV__UART_PARITY);
	send_all(0, (const unsigned char *)"\xff", 1, 0);
	read_all(tty, got, 7);
	ck_assert_mem_eq(got, "a\xff\0bc\xff\xff", 7);
	set_flags(tty, IGNPAR, 0);
	WAIT_FOR(known(0).c_iflag & IGNPAR);
	send_bad(UDRV__UART_PARITY);
	read_all(tty, got, 2);
	ck_assert_mem_eq(got, "ac", 2);
	ck_assert_uint_eq(counts_of(0).parity, 3);
	ck_assert_uint_eq(counts_of(0).frame, 1);
}
END_TEST

START_TEST(breaks_are_received_and_sent)
{
	send_bad(UDRV__UART_BREAK);
	read_all(tty, got, 3);
	ck_assert_uint_eq(counts_of(0).brk, 1);
	set_flags(tty, IGNBRK, 0);
	WAIT_FOR(known(0).c_iflag & IGNBRK);
	send_bad(UDRV__UART_BREAK);
	read_all(tty, got, 2);
	ck_assert_mem_eq(got, "ac", 2);
	uart16550_ops.break_ctl(&uart_at(0)->port, 1);
	ck_assert(look(0).lcr & UART_LCR_BREAK);
	uart16550_ops.break_ctl(&uart_at(0)->port, 0);
	ck_assert(!(look(0).lcr & UART_LCR_BREAK));
	ck_assert_uint_eq(look(0).breaks, 1);
}
END_TEST

/* However many come without a pause: here they are dropped, so that there is always room. */
START_TEST(no_bad_character_of_many_passes_as_good)
{
	size_t n = 0;

	set_flags(tty, INPCK | IGNPAR, 0);
	WAIT_FOR(known(0).c_iflag & INPCK);
	WAIT_FOR((n += udrv__model_uart_send(dev, 0, sent + n, BIG - n, UDRV__UART_PARITY)) ==
			 BIG &&
		 !look(0).to_receive);
	WAIT_FOR(counts_of(0).rx == BIG);
	ck_assert_uint_eq(counts_of(0).parity, BIG);
	ck_assert_int_lt(read(tty, got, 1), 0);
}
END_TEST

/* A sender that waits for nothing, to a UART that is not read. */
START_TEST(overruns_of_the_uart_are_counted)
{
	udrv__model_uart_wire(dev, 0, UDRV__UART_IMPATIENT);
	WAIT_FOR(udrv__model_uart_send(dev, 0, sent, 8192, 0) && look(0).rx_lost > 0);
	WAIT_FOR(counts_of(0).overrun > 0);
	/* It still works. */
	udrv__model_uart_wire(dev, 0, 0);
	WAIT_FOR(!look(0).to_receive && read(tty, got, BIG) < 0);
	send_all(0, (const unsigned char *)"end", 3, 0);
	WAIT_FOR(read(tty, got, BIG) > 0);
}
END_TEST

START_TEST(modem_lines_are_counted)
{
	const uint8_t all = UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD;

	udrv__model_uart_set_lines(dev, 0, all | UART_MSR_RI);
	udrv__model_uart_set_lines(dev, 0, all);
	WAIT_FOR(counts_of(0).rng == 1);
	udrv__model_uart_set_lines(dev, 0, UART_MSR_CTS);
	WAIT_FOR(counts_of(0).dsr == 1 && counts_of(0).dcd == 1);
	/* With CLOCAL the carrier does not matter. */
	send_all(0, sent, 10, 0);
	read_all(tty, got, 10);
}
END_TEST

START_TEST(without_a_carrier_the_program_is_hung_up)
{
	struct termios t = settings(tty);
	struct pollfd p = {.fd = tty};

	t.c_cflag &= ~(tcflag_t)CLOCAL;
	cfsetspeed(&t, B300);
	ck_assert_int_eq(tcsetattr(tty, TCSANOW, &t), 0);
	WAIT_FOR(!(known(0).c_cflag & CLOCAL));
	udrv__model_uart_set_lines(dev, 0, UART_MSR_CTS);
	WAIT_FOR(poll(&p, 1, 0) == 1 && p.revents & POLLHUP);
	ck_assert_int_le(read(tty, got, 1), 0);
	WAIT_FOR(!is_open(0));
	close(tty);
	/* The next one finds a terminal of the same name, set as it was. */
	WAIT_FOR((tty = open(udrv_uart_port_path(&uart_at(0)->port),
			     O_RDWR | O_NOCTTY | O_NONBLOCK)) >= 0);
	WAIT_FOR(is_open(0) && look(0).ier & UART_IER_RDA);
	ck_assert_int_eq(write(tty, "again", 5), 5);
	receive_all(0, got, 5);
	t = settings(tty);
	ck_assert(!(t.c_cflag & CLOCAL));
	ck_assert_uint_eq(cfgetospeed(&t), B300);
	ck_assert_uint_eq(look(0).divisor, 384);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("uart16550");
	TCase *one = tcase_create("one port");
	TCase *more = tcase_create("more");

	tcase_set_timeout(one, 300);
	tcase_add_checked_fixture(one, setup, teardown);
	tcase_add_test(one, every_byte_passes_both_ways);
	tcase_add_test(one, rts_stops_the_sender_and_nothing_is_lost);
	tcase_add_test(one, without_flow_control_the_uart_is_left_full);
	tcase_add_test(one, ixoff_sends_xoff_and_xon);
	tcase_add_test(one, ixon_stops_and_starts_the_transmission);
	tcase_add_test(one, flow_control_characters_that_are_undefined);
	tcase_add_test(one, cts_stops_and_starts_the_transmission);
	tcase_add_test(one, tcflow_and_tcflush);
	tcase_add_test(one, settings_reach_the_uart_at_once);
	tcase_add_test(one, settings_of_a_cooked_terminal_reach_it_too);
	tcase_add_test(one, cooked_by_one_flag_only);
	tcase_add_test(one, a_speed_that_there_is_not_is_told);
	tcase_add_test(one, speed_0_drops_the_lines);
	tcase_add_test(one, format_of_each_kind);
	tcase_add_test(one, bad_characters_are_dropped_marked_or_zero);
	tcase_add_test(one, breaks_are_received_and_sent);
	tcase_add_test(one, no_bad_character_of_many_passes_as_good);
	tcase_add_test(one, overruns_of_the_uart_are_counted);
	tcase_add_test(one, modem_lines_are_counted);
	tcase_add_test(one, without_a_carrier_the_program_is_hung_up);
	suite_add_tcase(s, one);
	tcase_set_timeout(more, 300);
	tcase_add_checked_fixture(more, setup_dir, NULL);
	tcase_add_loop_test(more, a_lot_comes_back_through_every_chip, 0, UDRV__UART_ABSENT);
	tcase_add_loop_test(more, every_trigger_level, 0, 4);
	tcase_add_test(more, four_ports_on_one_line);
	tcase_add_test(more, ports_of_different_speed_do_not_understand_each_other);
	suite_add_tcase(s, more);
	return run_suite(s);
}
