// SPDX-License-Identifier: MIT
/* Settings and modem lines. */
#include <errno.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "export/tty.h"

/* A pseudo terminal does not keep these: udrv_uart_port_format(). */
#define FORMAT (CSIZE | PARENB | PARODD | CMSPAR)
/* As long unchanged, settings are not amid being set by a program that does it in steps. */
#define SETTLED_MS 100

#define LINES (TIOCM_DTR | TIOCM_RTS)

/* Outputs, with the lock. */
static void set_lines(struct udrv_uart_port *uart, unsigned int set, unsigned int clear)
{
	const unsigned int mctrl = (uart->mctrl & ~clear) | set;

	if (mctrl == uart->mctrl)
		return;
	uart->mctrl = mctrl;
	uart->ops->set_mctrl(uart, mctrl);
}

/*
 * What the flow control asks for after a change of the settings; with the lock. RTS is left alone
 * otherwise: a verb may have set it.
 */
static void update_flow(struct udrv_tty_port *t, const struct udrv_ktermios *old)
{
	struct udrv_uart_port *uart = t->uart;
	const bool was_stopped = udrv_uart_tx_stopped(uart);

	t->hw_stopped = t->termios.c_cflag & CRTSCTS && !(uart->ops->get_mctrl(uart) & TIOCM_CTS);
	if (!(t->termios.c_iflag & IXON))
		t->soft_stopped = false;
	if (t->throttled && t->termios.c_cflag & CRTSCTS)
		set_lines(uart, 0, TIOCM_RTS);
	else if (t->throttled && old->c_cflag & CRTSCTS && t->termios.c_ospeed)
		set_lines(uart, TIOCM_RTS, 0);
	if (udrv_uart_tx_stopped(uart) == was_stopped)
		return;
	if (was_stopped)
		uart->ops->start_tx(uart);
	else
		uart->ops->stop_tx(uart);
}

/* Speed 0 drops the lines (termios(3)). */
static void update_lines(struct udrv_tty_port *t, const struct udrv_ktermios *old)
{
	if (!t->termios.c_ospeed)
		set_lines(t->uart, 0, LINES);
	else if (!old->c_ospeed)
		set_lines(t->uart, LINES, 0);
}

/* The driver changes in @now what the UART cannot do. */
static void apply(struct udrv_tty_port *t, struct udrv_ktermios *now)
{
	struct udrv_uart_port *uart = t->uart;
	const struct udrv_ktermios old = t->termios;
	const uint32_t ospeed = now->c_ospeed;
	unsigned long flags;

	uart->ops->set_termios(uart, now, &old);
	/* Hang up: the speed does not matter, and is to be seen. */
	if (!ospeed)
		now->c_ispeed = now->c_ospeed = 0;
	udrv_spin_lock_irqsave(&uart->lock, flags);
	t->termios = *now;
	update_lines(t, &old);
	update_flow(t, &old);
	udrv_spin_unlock_irqrestore(&uart->lock, flags);
}

static bool speeds_differ(const struct udrv_ktermios *a, const struct udrv_ktermios *b)
{
	return a->c_ispeed != b->c_ispeed || a->c_ospeed != b->c_ospeed;
}

/*
 * EXTPROC makes the kernel report changes at once, and the line discipline pass on everything as
 * it comes, which a program with a cooked terminal does not want.
 */
static void settle(struct udrv_tty_port *t, struct udrv_ktermios *asked)
{
	struct timespec now;

	if (!udrv__termios_reports(asked) || udrv__termios_is_raw(asked))
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if ((now.tv_sec - t->unchanged.tv_sec) * 1000 +
		    (now.tv_nsec - t->unchanged.tv_nsec) / 1000000 <
	    SETTLED_MS)
		return;
	udrv__termios_set_reports(asked, false);
	(void)udrv__pty_set_termios(t->pty.master, asked);
}

static int read_settings(struct udrv_tty_port *t, struct udrv_ktermios *asked,
			 struct udrv_ktermios *real)
{
	int ret = udrv__pty_get_termios(t->pty.master, asked);

	if (ret)
		return ret;
	*real = *asked;
	real->c_cflag = (asked->c_cflag & ~(uint32_t)FORMAT) | t->format;
	return 0;
}

void udrv__tty_sync_termios(struct udrv_tty_port *t)
{
	struct udrv_ktermios asked;
	struct udrv_ktermios real;

	if (read_settings(t, &asked, &real))
		return;
	if (udrv__termios_same(&real, &t->termios)) {
		settle(t, &asked);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &t->unchanged);
	apply(t, &real);
	if (!speeds_differ(&real, &asked))
		return;
	asked.c_ispeed = real.c_ispeed;
	asked.c_ospeed = real.c_ospeed;
	(void)udrv__pty_set_termios(t->pty.master, &asked);
}

void udrv__tty_raise(struct udrv_tty_port *t)
{
	struct udrv_uart_port *uart = t->uart;
	const struct udrv_ktermios old = t->termios;
	struct udrv_ktermios asked;
	struct udrv_ktermios real;
	unsigned long flags;

	if (read_settings(t, &asked, &real))
		real = old;
	/* A program may have changed them since it has opened it. */
	uart->ops->set_termios(uart, &real, &old);
	clock_gettime(CLOCK_MONOTONIC, &t->unchanged);
	udrv_spin_lock_irqsave(&uart->lock, flags);
	t->termios = real;
	t->throttled = t->full = t->soft_stopped = t->flow_stopped = false;
	uart->x_char = 0;
	set_lines(uart, real.c_ospeed ? LINES : 0, 0);
	update_flow(t, &real);
	udrv_spin_unlock_irqrestore(&uart->lock, flags);
}

void udrv__tty_lower(struct udrv_tty_port *t)
{
	struct udrv_uart_port *uart = t->uart;
	struct udrv_ktermios asked;
	unsigned long flags;

	udrv_spin_lock_irqsave(&uart->lock, flags);
	uart->ops->stop_tx(uart);
	set_lines(uart, 0, t->termios.c_cflag & HUPCL ? LINES : 0);
	udrv_spin_unlock_irqrestore(&uart->lock, flags);
	/* Nobody has it open who could be setting it. */
	if (udrv__pty_get_termios(t->pty.master, &asked) || udrv__termios_reports(&asked) ||
	    !udrv__termios_is_raw(&asked))
		return;
	udrv__termios_set_reports(&asked, true);
	(void)udrv__pty_set_termios(t->pty.master, &asked);
}

void udrv_uart_port_termios(struct udrv_uart_port *port, struct udrv_ktermios *termios)
{
	unsigned long flags;

	udrv_spin_lock_irqsave(&port->lock, flags);
	*termios = port->state->termios;
	udrv_spin_unlock_irqrestore(&port->lock, flags);
}

int udrv_uart_port_format(struct udrv_uart_port *port, uint32_t cflag)
{
	if (cflag & ~(uint32_t)FORMAT)
		return -EINVAL;
	port->state->format = cflag;
	udrv__tty_wake(port->state);
	return 0;
}

unsigned int udrv_uart_get_baud_rate(struct udrv_uart_port *port, struct udrv_ktermios *termios,
				     const struct udrv_ktermios *old, unsigned int min,
				     unsigned int max)
{
	unsigned int baud = termios->c_ospeed;

	(void)port;
	if (baud && (baud < min || baud > max))
		baud = old && old->c_ospeed >= min && old->c_ospeed <= max ? old->c_ospeed : 0;
	if (!baud)
		baud = 9600;
	termios->c_ispeed = termios->c_ospeed = baud;
	return baud;
}

unsigned int udrv_uart_get_divisor(const struct udrv_uart_port *port, unsigned int baud)
{
	const unsigned int divisor = (port->uartclk + 8 * baud) / (16 * baud);

	return divisor ? divisor : 1;
}
