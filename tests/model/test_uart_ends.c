// SPDX-License-Identifier: MIT
/* The uart16550 driver's terminals coming and going, its verbs, and a UART that misbehaves. */
#include <linux/capability.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "export/tty.h"

#include "support/suite.h"
#include "support/threads.h"
#include "support/verb.h"
#include "uart_driver.h"

static unsigned char got[10000];

static void setup(void)
{
	make_rundir();
	probe_uart("model:uart16550-2x");
	udrv__model_uart_wire(dev, 0, 0);
	udrv__model_uart_wire(dev, 1, 0);
}

static void teardown(void)
{
	remove_uart();
	remove_rundir();
	free_output();
}

START_TEST(opened_and_closed_again_and_again)
{
	for (int i = 0; i < 50; i++) {
		int tty = open_tty(0);

		ck_assert_int_eq(write(tty, "ab", 2), 2);
		receive_all(0, got, 2);
		ck_assert_mem_eq(got, "ab", 2);
		close_tty(tty, 0);
		/* Off: it does not interrupt, and the other end sees it. */
		ck_assert_uint_eq(look(0).ier, 0);
		ck_assert_uint_eq(look(0).mcr, 0);
	}
}
END_TEST

START_TEST(what_was_written_before_the_close_is_sent)
{
	for (int i = 0; i < 20; i++) {
		int tty = open_tty(0);

		memset(got, 0, sizeof(got));
		ck_assert_int_eq(write(tty, "the last words", 14), 14);
		close(tty);
		receive_all(0, got, 14);
		ck_assert_mem_eq(got, "the last words", 14);
		WAIT_FOR(!is_open(0));
	}
}
END_TEST

static void write_and_close(const char *text)
{
	int tty = open(udrv_uart_port_path(&uart_at(0)->port), O_WRONLY | O_NOCTTY);

	ck_assert_int_ge(tty, 0);
	ck_assert_int_eq(write(tty, text, strlen(text)), (int)strlen(text));
	close(tty);
}

/* The close is over before the thread looks: it is not told of the open. */
START_TEST(what_was_written_and_closed_unseen_is_sent)
{
	struct udrv_tty_port *t = uart_at(0)->port.state;

	ck_assert_int_eq(inotify_rm_watch(t->pty.inotify, 1), 0);
	for (int i = 0; i < 20; i++) {
		memset(got, 0, sizeof(got));
		write_and_close("hello");
		udrv__tty_wake(t);
		receive_all(0, got, 5);
		ck_assert_mem_eq(got, "hello", 5);
		WAIT_FOR(!is_open(0));
	}
}
END_TEST

/* Also between the last look and the end of the one before. */
START_TEST(each_of_many_short_visits_is_sent)
{
	for (int i = 0; i < 500; i++) {
		memset(got, 0, sizeof(got));
		write_and_close("hello");
		receive_all(0, got, 5);
		ck_assert_mem_eq(got, "hello", 5);
	}
	WAIT_FOR(!is_open(0));
}
END_TEST

/* More than the port and the terminal have room for. */
static void write_until_full(int tty)
{
	memset(got, 'o', sizeof(got));
	WAIT_FOR(write(tty, got, sizeof(got)) < 0 &&
		 udrv_uart_tx_pending(&uart_at(0)->port) == UDRV__TTY_TX);
}

/* By CTS, and by XOFF. */
START_TEST(a_stopped_port_is_closed_in_time_and_serves_the_next)
{
	const uint64_t before = udrv__tty_closing_ns;
	int tty = open_tty(0);

	udrv__tty_closing_ns = 300000000;
	set_flags(tty, _i ? IXON : 0, _i ? 0 : CRTSCTS);
	WAIT_FOR(_i ? known(0).c_iflag & IXON : known(0).c_cflag & CRTSCTS);
	if (_i)
		send_all(0, (const unsigned char *)"\x13", 1, 0);
	else
		udrv__model_uart_set_lines(dev, 0, UART_MSR_DSR | UART_MSR_DCD);
	WAIT_FOR(_i ? counts_of(0).rx == 1 : counts_of(0).cts == 1);
	write_until_full(tty);
	close_tty(tty, 0);
	ck_assert_uint_eq(look(0).mcr, 0);
	/* All of what was stopped is lost. */
	udrv__model_uart_set_lines(dev, 0, UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD);
	tty = open_tty(0);
	ck_assert_int_eq(write(tty, "new", 3), 3);
	receive_all(0, got, 3);
	ck_assert_mem_eq(got, "new", 3);
	close_tty(tty, 0);
	udrv__tty_closing_ns = before;
}
END_TEST

/* The transmission goes on while it is closing. */
START_TEST(what_is_let_go_on_in_time_is_sent_after_the_close)
{
	int tty = open_tty(0);

	set_flags(tty, 0, CRTSCTS);
	WAIT_FOR(known(0).c_cflag & CRTSCTS);
	udrv__model_uart_set_lines(dev, 0, UART_MSR_DSR | UART_MSR_DCD);
	WAIT_FOR(counts_of(0).cts == 1);
	memset(got, 'o', sizeof(got));
	for (size_t n = 0; n < 2 * UDRV__TTY_TX;) {
		ssize_t ret = write(tty, got, 2 * UDRV__TTY_TX - n);

		ck_assert_int_ge(ret, 0);
		n += (size_t)ret;
	}
	WAIT_FOR(udrv_uart_tx_pending(&uart_at(0)->port) == UDRV__TTY_TX);
	close(tty);
	WAIT_FOR(uart_at(0)->port.state->phase == UDRV__TTY_CLOSING);
	udrv__model_uart_set_lines(dev, 0, UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD);
	memset(got, 0, sizeof(got));
	receive_all(0, got, 2 * UDRV__TTY_TX);
	ck_assert_uint_eq(got[2 * UDRV__TTY_TX - 1], 'o');
	WAIT_FOR(!is_open(0));
}
END_TEST

/* Not even if nobody has read what came before the XON. */
START_TEST(xon_behind_what_nobody_reads_is_heard_after_the_close)
{
	int tty = open_tty(0);

	set_flags(tty, IXON, 0);
	WAIT_FOR(known(0).c_iflag & IXON);
	send_all(0, (const unsigned char *)"\x13", 1, 0);
	WAIT_FOR(counts_of(0).rx == 1);
	ck_assert_int_eq(write(tty, "words", 5), 5);
	WAIT_FOR(udrv_uart_tx_pending(&uart_at(0)->port) == 5);
	memset(got, 'o', sizeof(got));
	WAIT_FOR(udrv__model_uart_send(dev, 0, got, 1000, 0) < 1000 &&
		 !(look(0).ier & UART_IER_RDA));
	close(tty);
	send_all(0, (const unsigned char *)"\x11", 1, 0);
	receive_all(0, got, 5);
	ck_assert_mem_eq(got, "words", 5);
	WAIT_FOR(!is_open(0));
}
END_TEST

START_TEST(what_nobody_read_is_not_for_the_next_one)
{
	int tty = open_tty(0);

	send_all(0, (const unsigned char *)"old", 3, 0);
	WAIT_FOR(counts_of(0).rx == 3);
	/* It is on its way to the program, or there. */
	close_tty(tty, 0);
	tty = open_tty(0);
	send_all(0, (const unsigned char *)"new", 3, 0);
	read_all(tty, got, 3);
	ck_assert_mem_eq(got, "new", 3);
	close_tty(tty, 0);
}
END_TEST

/* A kernel's port forgets both with the last close. */
START_TEST(stopped_and_exclusive_is_the_one_who_was_that)
{
	int exclusive = 1;
	int tty = open_tty(0);

	ck_assert_int_eq(ioctl(tty, TIOCEXCL), 0);
	ck_assert_int_eq(tcflow(tty, TCOOFF), 0);
	close_tty(tty, 0);
	tty = open_tty(0);
	ck_assert_int_eq(ioctl(tty, TIOCGEXCL, &exclusive), 0);
	ck_assert_int_eq(exclusive, 0);
	ck_assert_int_eq(write(tty, "next", 4), 4);
	receive_all(0, got, 4);
	close_tty(tty, 0);
}
END_TEST

static void drop_sys_admin(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];

	ck_assert_int_eq(syscall(SYS_capget, &head, caps), 0);
	caps[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective &= ~(uint32_t)CAP_TO_MASK(CAP_SYS_ADMIN);
	ck_assert_int_eq(syscall(SYS_capset, &head, caps), 0);
}

/* Then the daemon cannot open it either. */
START_TEST(exclusive_without_privileges)
{
	int tty;

	remove_uart();
	drop_sys_admin();
	probe_uart("model:uart16550-2x");
	udrv__model_uart_wire(dev, 0, 0);
	tty = open_tty(0);
	set_flags(tty, IXOFF, 0);
	WAIT_FOR(known(0).c_iflag & IXOFF);
	for (int i = 0; i < 50; i++) {
		ck_assert_int_eq(ioctl(tty, TIOCEXCL), 0);
		close_tty(tty, 0);
		/* Also by the old name, before the daemon watches the terminal that has got it. */
		while ((tty = open(udrv_uart_port_path(&uart_at(0)->port),
				   O_RDWR | O_NOCTTY | O_NONBLOCK)) < 0)
			;
		WAIT_FOR(is_open(0));
	}
	ck_assert_int_eq(write(tty, "next", 4), 4);
	receive_all(0, got, 4);
	ck_assert(settings(tty).c_iflag & IXOFF);
	close_tty(tty, 0);
}
END_TEST

START_TEST(opened_twice_it_is_closed_by_the_last)
{
	int first = open_tty(0);
	int second = open_tty(0);

	close(first);
	ck_assert_int_eq(write(second, "x", 1), 1);
	receive_all(0, got, 1);
	ck_assert(is_open(0));
	close_tty(second, 0);
}
END_TEST

static udrv_irqreturn_t not_ours(int irq, void *ctx)
{
	(void)irq;
	(void)ctx;
	return UDRV_IRQ_NONE;
}

/* The close of a refused port is told too early: here, not at all. */
START_TEST(a_refused_port_sees_its_close_without_being_told)
{
	struct udrv_uart_port *port = &uart_at(0)->port;
	const int irq = udrv_pci_irq_vector(dev, 0);
	int tty;

	/* Somebody who does not share the line. */
	ck_assert_int_eq(udrv_request_irq(dev, irq, not_ours, 0, "test", port), 0);
	tty = open(udrv_uart_port_path(port), O_RDWR | O_NOCTTY | O_NONBLOCK);
	ck_assert_int_ge(tty, 0);
	WAIT_FOR(port->state->phase == UDRV__TTY_REFUSED);
	ck_assert_int_eq(udrv_free_irq(dev, irq, port), 0);
	ck_assert_int_eq(inotify_rm_watch(port->state->pty.inotify, 1), 0);
	ck_assert_int_eq(write(tty, "lost", 4), 4);
	close(tty);
	WAIT_FOR(port->state->phase == UDRV__TTY_CLOSED);
	/* Otherwise it would be started, and refused, again and again. */
	ck_assert(!udrv__pty_written(&port->state->pty));
}
END_TEST

START_TEST(settings_stay_for_the_next_program)
{
	int tty = open_tty(0);
	struct termios t = settings(tty);

	cfsetspeed(&t, B300);
	ck_assert_int_eq(tcsetattr(tty, TCSANOW, &t), 0);
	close_tty(tty, 0);
	tty = open_tty(0);
	WAIT_FOR(look(0).divisor == 384);
	close_tty(tty, 0);
}
END_TEST

/* Set before the port is started, as by `stty`, which is quick. */
START_TEST(a_speed_that_there_is_not_is_that_of_before)
{
	struct udrv_tty_port *t = uart_at(0)->port.state;
	int tty = open_tty(0);
	struct termios s = settings(tty);
	struct udrv_ktermios asked;

	cfsetspeed(&s, B300);
	ck_assert_int_eq(tcsetattr(tty, TCSANOW, &s), 0);
	WAIT_FOR(known(0).c_ospeed == 300);
	close_tty(tty, 0);
	ck_assert_int_eq(udrv__pty_get_termios(t->pty.master, &asked), 0);
	asked.c_ispeed = asked.c_ospeed = 230400;
	ck_assert_int_eq(udrv__pty_set_termios(t->pty.master, &asked), 0);
	tty = open_tty(0);
	WAIT_FOR((s = settings(tty), cfgetospeed(&s)) != B230400);
	ck_assert_uint_eq(cfgetospeed(&s), B300);
	ck_assert_uint_eq(look(0).divisor, 384);
	close_tty(tty, 0);
}
END_TEST

START_TEST(removal_hangs_up_and_takes_the_names_away)
{
	int tty = open_tty(0);
	struct pollfd p = {.fd = tty};
	struct stat st;
	char path[200];

	strcpy(path, udrv_uart_port_path(&uart_at(0)->port));
	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert(S_ISLNK(st.st_mode));
	udrv_driver_remove(&uart16550_driver, dev);
	ck_assert_int_eq(poll(&p, 1, 1000 * LONG_S), 1);
	ck_assert(p.revents & POLLHUP);
	ck_assert_int_le(read(tty, got, 1), 0);
	ck_assert_int_ne(lstat(path, &st), 0);
	close(tty);
	/* And there again. */
	ck_assert_int_eq(udrv_driver_probe(&uart16550_driver, dev), 0);
	tty = open_tty(0);
	close_tty(tty, 0);
}
END_TEST

START_TEST(a_device_that_goes_ends_in_bounded_time)
{
	int ttys[2] = {open_tty(0), open_tty(1)};
	const double start = seconds();

	udrv__model_uart_wire(dev, 0, UDRV__UART_STUCK);
	ck_assert_int_gt(write(ttys[0], got, 4000), 0);
	udrv__model_surprise_remove(dev);
	udrv_driver_remove(&uart16550_driver, dev);
	ck_assert(seconds() - start < LONG_S);
	ck_assert_int_le(read(ttys[0], got, 1), 0);
	close(ttys[0]);
	close(ttys[1]);
	udrv_device_close(dev);
	probe_uart("model:uart16550-2x");
}
END_TEST

START_TEST(a_stale_name_is_replaced_and_a_file_is_not)
{
	char path[200];
	int tty;
	int fd;

	strcpy(path, udrv_uart_port_path(&uart_at(0)->port));
	udrv_driver_remove(&uart16550_driver, dev);
	ck_assert_int_eq(symlink("/dev/pts/99999", path), 0);
	ck_assert_int_eq(udrv_driver_probe(&uart16550_driver, dev), 0);
	tty = open_tty(0);
	close_tty(tty, 0);

	udrv_driver_remove(&uart16550_driver, dev);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(udrv_driver_probe(&uart16550_driver, dev), -EEXIST);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(udrv_driver_probe(&uart16550_driver, dev), 0);
}
END_TEST

static void probe_fails(const char *param, const char *value, int error)
{
	const struct udrv_param *p = uart16550_driver.params;
	const char *before;

	while (strcmp(p->name, param))
		p++;
	before = *p->value;
	*p->value = value;
	udrv_driver_remove(&uart16550_driver, dev);
	ck_assert_int_eq(udrv_driver_probe(&uart16550_driver, dev), error);
	*p->value = before;
	ck_assert_int_eq(udrv_driver_probe(&uart16550_driver, dev), 0);
}

START_TEST(bad_parameters)
{
	probe_fails("trigger", "2", -EINVAL);
	probe_fails("trigger", "", -EINVAL);
	probe_fails("wait", "poll", -EINVAL);
}
END_TEST

START_TEST(a_port_that_does_not_answer_fails_the_probe)
{
	udrv_driver_remove(&uart16550_driver, dev);
	udrv__model_uart_set_chip(dev, 1, UDRV__UART_ABSENT);
	ck_assert_int_eq(udrv_driver_probe(&uart16550_driver, dev), -ENODEV);
	udrv__model_uart_set_chip(dev, 1, UDRV__UART_16450);
	ck_assert_int_eq(udrv_driver_probe(&uart16550_driver, dev), 0);
	ck_assert(!uart_at(1)->fifos);
}
END_TEST

/* As after kill -9 under VFIO: the UART runs on. */
START_TEST(left_at_work_it_is_probed_again)
{
	struct uart16550 *u = uart_at(0);

	uart16550_out(u, UART_FCR, UART_FCR_ENABLE);
	uart16550_out(u, UART_MCR, 0x0b);
	uart16550_out(u, UART_IER, 0x0f);
	send_all(0, (const unsigned char *)"stale", 5, 0);
	WAIT_FOR(look(0).to_receive == 5);
	udrv_driver_remove(&uart16550_driver, dev);
	ck_assert_int_eq(udrv_driver_probe(&uart16550_driver, dev), 0);
	ck_assert_uint_eq(look(0).ier, 0);
	close_tty(open_tty(0), 0);
}
END_TEST

/* Loops over the faults: what is under way arrives in spite of them. */
START_TEST(misbehaviour_loses_nothing)
{
	int tty = open_tty(0);
	unsigned char bytes[1000];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 7);
	for (int round = 0; round < 10; round++) {
		udrv__model_uart_fault(dev, 0, (enum udrv__model_uart_fault)_i, 3);
		ck_assert_int_eq(write(tty, bytes, sizeof(bytes)), sizeof(bytes));
		send_all(0, bytes, sizeof(bytes), 0);
		receive_all(0, got, sizeof(bytes));
		ck_assert_mem_eq(got, bytes, sizeof(bytes));
		read_all(tty, got, sizeof(bytes));
		ck_assert_mem_eq(got, bytes, sizeof(bytes));
	}
	ck_assert_uint_eq(look(0).faults, 0);
	if (_i == UDRV__UART_BAD_IIR || _i == UDRV__UART_BAD_LSR) {
		udrv_spin_lock(&uart_at(0)->port.lock);
		ck_assert_uint_eq(uart_at(0)->nonsense, 30);
		udrv_spin_unlock(&uart_at(0)->port.lock);
	}
	close_tty(tty, 0);
}
END_TEST

static int run(const char *line)
{
	return run_verb(uart16550_verbs, dev, line);
}

START_TEST(verbs_show_and_set)
{
	int tty;

	ck_assert_int_eq(run("ports"), 0);
	ck_assert_ptr_nonnull(strstr(out, "-0  16550A  closed  9600 8N1  flow none\n1  "));
	tty = open_tty(0);
	set_flags(tty, IXON, CRTSCTS | CSTOPB);
	WAIT_FOR(known(0).c_iflag & IXON);
	ck_assert_int_eq(run("format 0"), 0);
	ck_assert_str_eq(out, "bits=8 parity=none\n");
	ck_assert_int_eq(run("format 0 bits=7 parity=odd"), 0);
	ck_assert_str_eq(out, "bits=7 parity=odd\n");
	ck_assert_int_eq(run("format 0"), 0);
	ck_assert_str_eq(out, "bits=7 parity=odd\n");
	WAIT_FOR(!run("ports --json") &&
		 strstr(out, "\"open\":true,\"speed\":9600,\"format\":\"7O2\","
			     "\"flow\":\"rtscts+xonxoff\"},{\"port\":1,"));
	/* What would end the text. */
	ck_assert_ptr_nonnull(strstr(out, "[{\"port\":0,\"path\":\"/tmp/udrv-\\\"uart\\\"-"));
	ck_assert_int_eq(run("lines 0 dtr=0"), 0);
	ck_assert_str_eq(out, "dtr 0  rts 1  loop 0  cts 1  dsr 1  ri 0  dcd 1\n");
	ck_assert_int_eq(run("break 0 1"), 0);
	ck_assert_uint_eq(look(0).breaks, 1);
	ck_assert_int_eq(write(tty, "abc", 3), 3);
	receive_all(0, got, 3);
	ck_assert_int_eq(run("stats --json"), 0);
	ck_assert_int_eq(strncmp(out, "[{\"port\":0,\"rx\":0,\"tx\":3,\"overrun\":0,", 36), 0);
	ck_assert_int_eq(run("stats"), 0);
	ck_assert_ptr_nonnull(strstr(out, "tx            3\n"));
	close_tty(tty, 0);
}
END_TEST

/* A program that sets something else does not undo it. */
START_TEST(lines_that_a_verb_has_set_stay)
{
	int tty = open_tty(0);
	struct termios t = settings(tty);

	ck_assert_int_eq(run("lines 0 rts=0"), 0);
	cfsetspeed(&t, B300);
	t.c_cflag |= CRTSCTS;
	ck_assert_int_eq(tcsetattr(tty, TCSANOW, &t), 0);
	WAIT_FOR(known(0).c_ospeed == 300);
	ck_assert_int_eq(run("lines 0"), 0);
	ck_assert_str_eq(out, "dtr 1  rts 0  loop 0  cts 1  dsr 1  ri 0  dcd 1\n");
	close_tty(tty, 0);
}
END_TEST

struct setting {
	bool end;
	unsigned int rounds;
};

static void *set_dtr_often(void *arg)
{
	struct setting *s = arg;

	while (!get(s->end)) {
		ck_assert_int_eq(run("lines 0 dtr=0 loop=0"), 0);
		ck_assert_int_eq(run("lines 0 dtr=1"), 0);
		inc(s->rounds);
	}
	return NULL;
}

/* RTS is the flow control's, which changes it whenever it has to. */
START_TEST(lines_that_a_verb_does_not_name_are_left_alone)
{
	struct udrv_uart_port *port = &uart_at(0)->port;
	const int tty = open_tty(0);
	struct setting s = {0};
	unsigned int rts = TIOCM_RTS;
	pthread_t thread = start(set_dtr_often, &s);

	while (get(s.rounds) < 3000) {
		udrv_spin_lock(&port->lock);
		ck_assert_uint_eq(port->mctrl & TIOCM_RTS, rts);
		rts ^= TIOCM_RTS;
		port->mctrl ^= TIOCM_RTS;
		port->ops->set_mctrl(port, port->mctrl);
		udrv_spin_unlock(&port->lock);
	}
	set(s.end, true);
	finish(thread);
	free_output();
	close_tty(tty, 0);
}
END_TEST

START_TEST(bad_arguments_of_verbs_are_explained)
{
	static const struct {
		const char *line;
		const char *says;
	} bad[] = {
		{"ports --all", "ports: unknown option '--all'; there is only --json\n"},
		{"stats 0", "stats: unknown option '0'; there is only --json\n"},
		{"lines", "lines: which port? Give a number from 0 to 1\n"},
		{"lines 2", "lines: '2' is not a number from 0 to 1\n"},
		{"break x", "break: 'x' is not a number from 0 to 1\n"},
		{"break 0 9999", "break: '9999' is not a number from 0 to 5000\n"},
		{"break 0", "no program has "},
		{"lines 1", "no program has "},
		{"format 0 bits=9", "format: 'bits=9': give bits=5 to bits=8, or "},
		{"format 0 stop=2", "format: 'stop=2': give "},
	};
	int tty;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_lt(run(bad[i].line), 0);
		ck_assert_msg(strstr(err, bad[i].says), "%s: %s", bad[i].line, err);
		ck_assert_str_eq(out, "");
	}
	tty = open_tty(0);
	ck_assert_int_eq(run("lines 0 rts=2"), -EINVAL);
	ck_assert_str_eq(err, "lines: 'rts=2': give dtr=, rts= or loop= with 0 or 1\n");
	udrv__model_surprise_remove(dev);
	ck_assert_int_eq(run("lines 0"), -ENODEV);
	ck_assert_str_eq(err, "lines: the device is gone\n");
	close(tty);
}
END_TEST

static void *come_and_go(void *arg)
{
	struct udrv_tty_port *t = arg;

	for (int i = 0; i < 100000; i++) {
		t->phase = UDRV__TTY_CLOSING;
		t->phase = UDRV__TTY_OPEN;
	}
	t->stop = true;
	return NULL;
}

/* Who comes before the last one's characters are sent finds it open, at any moment. */
START_TEST(a_terminal_that_closes_and_is_opened_again_is_open)
{
	struct udrv_tty_port *t = calloc(1, sizeof(*t));
	const struct udrv_uart_port port = {.state = t};
	bool open = true;
	pthread_t thread;

	ck_assert_ptr_nonnull(t);
	t->phase = UDRV__TTY_OPEN;
	thread = start(come_and_go, t);
	while (!t->stop)
		open &= udrv_uart_port_open(&port);
	finish(thread);
	ck_assert(open);
	free(t);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("uart_ends");
	TCase *tc = tcase_create("ends");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_terminal_that_closes_and_is_opened_again_is_open);
	tcase_add_test(tc, opened_and_closed_again_and_again);
	tcase_add_test(tc, what_was_written_before_the_close_is_sent);
	tcase_add_test(tc, what_was_written_and_closed_unseen_is_sent);
	tcase_add_test(tc, each_of_many_short_visits_is_sent);
	tcase_add_loop_test(tc, a_stopped_port_is_closed_in_time_and_serves_the_next, 0, 2);
	tcase_add_test(tc, what_is_let_go_on_in_time_is_sent_after_the_close);
	tcase_add_test(tc, xon_behind_what_nobody_reads_is_heard_after_the_close);
	tcase_add_test(tc, stopped_and_exclusive_is_the_one_who_was_that);
	tcase_add_test(tc, exclusive_without_privileges);
	tcase_add_test(tc, what_nobody_read_is_not_for_the_next_one);
	tcase_add_test(tc, opened_twice_it_is_closed_by_the_last);
	tcase_add_test(tc, a_refused_port_sees_its_close_without_being_told);
	tcase_add_test(tc, settings_stay_for_the_next_program);
	tcase_add_test(tc, a_speed_that_there_is_not_is_that_of_before);
	tcase_add_test(tc, removal_hangs_up_and_takes_the_names_away);
	tcase_add_test(tc, a_device_that_goes_ends_in_bounded_time);
	tcase_add_test(tc, a_stale_name_is_replaced_and_a_file_is_not);
	tcase_add_test(tc, bad_parameters);
	tcase_add_test(tc, a_port_that_does_not_answer_fails_the_probe);
	tcase_add_test(tc, left_at_work_it_is_probed_again);
	tcase_add_loop_test(tc, misbehaviour_loses_nothing, 0, UDRV__UART_FAULTS);
	tcase_add_test(tc, verbs_show_and_set);
	tcase_add_test(tc, lines_that_a_verb_has_set_stay);
	tcase_add_test(tc, lines_that_a_verb_does_not_name_are_left_alone);
	tcase_add_test(tc, bad_arguments_of_verbs_are_explained);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
