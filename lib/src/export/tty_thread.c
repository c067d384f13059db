// SPDX-License-Identifier: MIT
/* The thread of a terminal: programs come and go, characters both ways. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <udrv/device.h>

#include "export/tty.h"
#include "sched/clock.h"
#include "sched/thread.h"

/* Linux: closing_wait, 30 s */
uint64_t udrv__tty_closing_ns = 30000000000;
/*
 * Between two looks: at a UART that sends its last, at settings that are not reported, and at
 * whether a refused terminal is closed: inotify tells of that before the master does.
 */
#define CLOSING_TICK_MS	 5
#define SETTINGS_TICK_MS 50
#define REFUSED_TICK_MS	 50

static void start_tx(struct udrv_tty_port *t)
{
	unsigned long flags;

	udrv_spin_lock_irqsave(&t->uart->lock, flags);
	if (!udrv_uart_tx_stopped(t->uart) && udrv_kfifo_len(&t->tx))
		t->uart->ops->start_tx(t->uart);
	udrv_spin_unlock_irqrestore(&t->uart->lock, flags);
}

/* tcflow() */
static void set_flow(struct udrv_tty_port *t, bool stopped)
{
	unsigned long flags;

	udrv_spin_lock_irqsave(&t->uart->lock, flags);
	t->flow_stopped = stopped;
	if (stopped)
		t->uart->ops->stop_tx(t->uart);
	udrv_spin_unlock_irqrestore(&t->uart->lock, flags);
	if (!stopped)
		start_tx(t);
}

static void drop_tx(struct udrv_tty_port *t)
{
	unsigned long flags;

	udrv_spin_lock_irqsave(&t->uart->lock, flags);
	udrv_kfifo_reset_out(&t->tx);
	udrv_spin_unlock_irqrestore(&t->uart->lock, flags);
}

/* A byte of packet mode, tty_ioctl(4), TIOCPKT: it came without data. */
static void control(struct udrv_tty_port *t, unsigned char bits)
{
	if (bits & TIOCPKT_FLUSHREAD)
		udrv__tty_drop_rx(t);
	if (bits & TIOCPKT_FLUSHWRITE)
		drop_tx(t);
	if (bits & TIOCPKT_STOP)
		set_flow(t, true);
	if (bits & TIOCPKT_START)
		set_flow(t, false);
}

/*
 * From the programs, as much as there is room for. The settings are looked at before each piece is
 * sent: what follows a change obeys it. False: there is nobody any more, and nothing left.
 */
static bool pump_tx(struct udrv_tty_port *t)
{
	unsigned char buf[1 + UDRV__TTY_TX];

	for (;;) {
		const unsigned int room = udrv_kfifo_avail(&t->tx);
		ssize_t n = read(t->pty.master, buf, 1 + room);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		if (!n)
			return false;
		if (buf[0] != TIOCPKT_DATA)
			control(t, buf[0]);
		udrv__tty_sync_termios(t);
		if (n > 1) {
			(void)udrv_kfifo_in(&t->tx, buf + 1, (unsigned int)n - 1);
			start_tx(t);
		}
		if (n <= 1 && buf[0] == TIOCPKT_DATA)
			return true;
	}
}

static void begin(struct udrv_tty_port *t)
{
	int ret = t->uart->ops->startup(t->uart);

	if (ret) {
		udrv_dev_err(t->uart->dev, "%s: its port cannot be started: %s", t->pty.link,
			     strerror(-ret));
		t->phase = UDRV__TTY_REFUSED;
		return;
	}
	udrv__tty_raise(t);
	t->phase = UDRV__TTY_OPEN;
}

/* What the programs have written, and the port has not taken. */
static void drop_written(const struct udrv_tty_port *t)
{
	unsigned char buf[1 + UDRV__TTY_TX];

	while (udrv__pty_closed(&t->pty) && read(t->pty.master, buf, sizeof(buf)) > 0)
		;
}

/* Another terminal of the same name and settings. Who has this one open gets a hang-up. */
static void replace(struct udrv_tty_port *t)
{
	struct udrv_ktermios asked;
	const int ret = udrv__pty_get_termios(t->pty.master, &asked);

	if (!ret && udrv__termios_is_raw(&asked))
		udrv__termios_set_reports(&asked, true);
	(void)udrv__pty_reopen(&t->pty, ret ? NULL : &asked);
}

/* What nobody has read, and could not be sent, is lost. */
static void end(struct udrv_tty_port *t)
{
	udrv__tty_lower(t);
	t->uart->ops->shutdown(t->uart);
	udrv__tty_drop_rx(t);
	if (!t->drained)
		drop_written(t);
	drop_tx(t);
	t->phase = UDRV__TTY_CLOSED;
}

/* One that is exclusive is nobody's for ever, but root's. */
static void close_port(struct udrv_tty_port *t)
{
	end(t);
	if (udrv__pty_refresh(&t->pty) == -EBUSY)
		replace(t);
}

static void begin_closing(struct udrv_tty_port *t)
{
	t->closing_ns = udrv__now_ns() + udrv__tty_closing_ns;
	t->drained = false;
	t->phase = UDRV__TTY_CLOSING;
}

/* Somebody may have come, written and gone since the terminal was last read. */
static bool has_closed(struct udrv_tty_port *t)
{
	t->drained = t->drained && !udrv__pty_written(&t->pty);
	if (t->drained && !udrv_kfifo_len(&t->tx) && t->uart->ops->tx_empty(t->uart))
		return true;
	return udrv__now_ns() >= t->closing_ns || udrv_device_gone(t->uart->dev);
}

/* The carrier is lost. */
static void hang_up(struct udrv_tty_port *t)
{
	t->hang_up = false;
	if (t->phase == UDRV__TTY_CLOSED)
		return;
	if (t->phase != UDRV__TTY_REFUSED)
		end(t);
	t->phase = UDRV__TTY_CLOSED;
	replace(t);
}

static void follow_programs(struct udrv_tty_port *t)
{
	const bool closed = udrv__pty_closed(&t->pty);

	switch (+t->phase) { /* clang 14 takes no atomic as it is */
	case UDRV__TTY_CLOSED:
		/* Who is gone already has left what is to be sent. */
		if (!closed || udrv__pty_written(&t->pty))
			begin(t);
		break;
	case UDRV__TTY_OPEN:
		/* However much is left: a stopped transmission would keep it open for ever. */
		if (closed)
			begin_closing(t);
		break;
	case UDRV__TTY_CLOSING:
		if (!closed)
			t->phase = UDRV__TTY_OPEN;
		else if (has_closed(t))
			close_port(t);
		break;
	case UDRV__TTY_REFUSED:
		if (closed) {
			drop_written(t);
			t->phase = UDRV__TTY_CLOSED;
		}
		break;
	}
}

static void work(struct udrv_tty_port *t)
{
	if (t->hang_up)
		hang_up(t);
	follow_programs(t);
	if (t->phase != UDRV__TTY_OPEN && t->phase != UDRV__TTY_CLOSING)
		return;
	udrv__tty_sync_termios(t);
	/* Before it is looked at, so that room that comes afterwards wakes the thread. */
	t->want_room = true;
	t->drained = !pump_tx(t);
	if (t->phase == UDRV__TTY_CLOSING) {
		udrv__tty_drop_rx(t);
		/* What lets the transmission go on may be behind it. */
		udrv__tty_go_on(t);
	} else {
		udrv__tty_pump_rx(t);
	}
}

static int timeout(const struct udrv_tty_port *t)
{
	if (t->phase == UDRV__TTY_CLOSING)
		return CLOSING_TICK_MS;
	if (t->phase == UDRV__TTY_REFUSED)
		return REFUSED_TICK_MS;
	if (t->phase != UDRV__TTY_OPEN)
		return -1;
	if (!udrv__termios_reports(&t->termios) || !udrv__termios_is_raw(&t->termios))
		return SETTINGS_TICK_MS;
	return -1;
}

static void wait(const struct udrv_tty_port *t)
{
	const bool room = udrv_kfifo_avail(&t->tx) > 0;
	const bool more = t->out_done < t->out_len;
	const bool open = t->phase == UDRV__TTY_OPEN;
	struct pollfd fds[] = {
		{.fd = t->wake_fd, .events = POLLIN},
		{.fd = t->pty.inotify, .events = POLLIN},
		{.fd = open ? t->pty.master : -1,
		 .events = (short)(POLLPRI | (room ? POLLIN : 0) | (more ? POLLOUT : 0))},
	};
	char events[4096];
	uint64_t count;

	(void)poll(fds, 3, timeout(t));
	if (fds[0].revents)
		(void)!read(t->wake_fd, &count, sizeof(count));
	if (fds[1].revents)
		(void)!read(t->pty.inotify, events, sizeof(events));
}

void *udrv__tty_thread(void *arg)
{
	struct udrv_tty_port *t = arg;

	udrv__thread_begin("udrv-tty");
	while (!t->stop) {
		work(t);
		wait(t);
	}
	if (t->phase == UDRV__TTY_OPEN || t->phase == UDRV__TTY_CLOSING)
		end(t);
	return NULL;
}
