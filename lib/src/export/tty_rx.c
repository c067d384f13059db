// SPDX-License-Identifier: MIT
/* Received characters: from the driver's handler through a buffer to the programs. */
#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "export/tty.h"

unsigned int udrv_tty_buffer_space_avail(const struct udrv_tty_port *port)
{
	return udrv_kfifo_avail(&port->rx);
}

int udrv_tty_insert_flip_char(struct udrv_tty_port *port, unsigned char ch, char flag)
{
	const uint16_t entry = (uint16_t)((unsigned char)flag << 8 | ch);

	if (udrv_kfifo_in(&port->rx, &entry, 1))
		return 1;
	port->uart->icount.buf_overrun++;
	return 0;
}

/* The other end is told to wait by what the settings allow, and the driver when that is not heard.
 */
static void throttle(struct udrv_tty_port *t)
{
	struct udrv_uart_port *uart = t->uart;
	const unsigned int len = udrv_kfifo_len(&t->rx);

	if (len >= UDRV__TTY_HIGH && !t->throttled) {
		t->throttled = true;
		if (t->termios.c_iflag & IXOFF) {
			uart->x_char = t->termios.c_cc[UDRV__TTY_CC_STOP];
			uart->ops->start_tx(uart);
		}
		if (t->termios.c_cflag & CRTSCTS) {
			uart->mctrl &= ~(unsigned int)TIOCM_RTS;
			uart->ops->set_mctrl(uart, uart->mctrl);
		}
	}
	if (UDRV__TTY_RX - len < UDRV__TTY_FULL && !t->full) {
		t->full = true;
		if (uart->ops->throttle)
			uart->ops->throttle(uart);
	}
}

static void unthrottle(struct udrv_tty_port *t)
{
	struct udrv_uart_port *uart = t->uart;

	if (t->full && uart->ops->unthrottle)
		uart->ops->unthrottle(uart);
	t->full = false;
	if (!t->throttled)
		return;
	t->throttled = false;
	if (t->termios.c_iflag & IXOFF) {
		uart->x_char = t->termios.c_cc[UDRV__TTY_CC_START];
		uart->ops->start_tx(uart);
	}
	if (t->termios.c_cflag & CRTSCTS && t->termios.c_ospeed) {
		uart->mctrl |= TIOCM_RTS;
		uart->ops->set_mctrl(uart, uart->mctrl);
	}
}

void udrv_tty_flip_buffer_push(struct udrv_tty_port *port)
{
	throttle(port);
	udrv__tty_wake(port);
}

/* Is it a character that is for the transmission only? None is 0, _POSIX_VDISABLE. */
static bool flow_char(struct udrv_tty_port *t, unsigned char ch)
{
	const bool is_stop = ch && ch == t->termios.c_cc[UDRV__TTY_CC_STOP];
	const bool is_start = ch && ch == t->termios.c_cc[UDRV__TTY_CC_START];
	const bool restarts = is_start || (!is_stop && t->termios.c_iflag & IXANY);

	if (!(t->termios.c_iflag & IXON))
		return false;
	if (is_stop && !t->soft_stopped) {
		t->soft_stopped = true;
		t->uart->ops->stop_tx(t->uart);
	} else if (restarts && t->soft_stopped) {
		t->soft_stopped = false;
		t->uart->ops->start_tx(t->uart);
	}
	return is_stop || is_start;
}

void udrv_uart_insert_char(struct udrv_uart_port *port, unsigned int status, unsigned int overrun,
			   unsigned char ch, char flag)
{
	struct udrv_tty_port *t = port->state;

	if (status & port->ignore_status_mask & ~overrun)
		return;
	if (flag == UDRV_TTY_NORMAL && flow_char(t, ch))
		return;
	(void)udrv_tty_insert_flip_char(t, ch, flag);
}

/* termios(3): IGNBRK, BRKINT, IGNPAR, INPCK, PARMRK. At most three characters; how many. */
static size_t translate(struct udrv_tty_port *t, uint16_t entry, unsigned char *out)
{
	const uint32_t iflag = t->termios.c_iflag;
	const unsigned int flag = entry >> 8;
	/* Otherwise the line discipline would mark the marks. */
	const bool marks = iflag & PARMRK && udrv__termios_reports(&t->termios);
	const unsigned char ch = (unsigned char)entry;

	out[0] = ch;
	if (flag == UDRV_TTY_NORMAL || (flag != UDRV_TTY_BREAK && !(iflag & INPCK))) {
		out[1] = ch;
		return marks && ch == 0xff ? 2 : 1;
	}
	if (flag == UDRV_TTY_BREAK && iflag & IGNBRK)
		return 0;
	if (flag == UDRV_TTY_BREAK && iflag & BRKINT) {
		(void)ioctl(t->pty.master, TIOCSIG, SIGINT);
		return 0;
	}
	if (flag != UDRV_TTY_BREAK && iflag & IGNPAR)
		return 0;
	out[0] = marks ? 0xff : 0;
	out[1] = 0;
	out[2] = ch;
	return marks ? 3 : 1;
}

static void fill(struct udrv_tty_port *t)
{
	uint16_t entry;

	t->out_done = 0;
	t->out_len = 0;
	while (t->out_len + 3 <= sizeof(t->out) && udrv_kfifo_get(&t->rx, &entry))
		t->out_len += translate(t, entry, t->out + t->out_len);
}

void udrv__tty_pump_rx(struct udrv_tty_port *t)
{
	for (;;) {
		ssize_t n;

		if (t->out_done == t->out_len)
			fill(t);
		if (!t->out_len)
			break;
		n = write(t->pty.master, t->out + t->out_done, t->out_len - t->out_done);
		if (n < 0)
			break;
		t->out_done += (size_t)n;
	}
	udrv__tty_go_on(t);
}

void udrv__tty_go_on(struct udrv_tty_port *t)
{
	unsigned long flags;

	if (udrv_kfifo_len(&t->rx) >= UDRV__TTY_LOW)
		return;
	udrv_spin_lock_irqsave(&t->uart->lock, flags);
	unthrottle(t);
	udrv_spin_unlock_irqrestore(&t->uart->lock, flags);
}

void udrv__tty_drop_rx(struct udrv_tty_port *t)
{
	udrv_kfifo_reset_out(&t->rx);
	t->out_len = t->out_done = 0;
}
