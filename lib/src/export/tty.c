// SPDX-License-Identifier: MIT
/* Serial ports: added, removed, and what a driver calls for their transmission and lines. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <termios.h>
#include <unistd.h>

#include <udrv/device.h>

#include "export/tty.h"
#include "sched/thread.h"
#include "stat/segment.h"

void udrv__tty_wake(struct udrv_tty_port *t)
{
	(void)eventfd_write(t->wake_fd, 1);
}

static struct udrv_tty_port *make_state(struct udrv_uart_port *port)
{
	struct udrv_tty_port *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->uart = port;
	t->format = CS8;
	t->wake_fd = -1;
	udrv_init_kfifo(t->rx);
	udrv_init_kfifo(t->tx);
	return t;
}

static int open_terminal(struct udrv_tty_port *t)
{
	struct udrv_uart_port *port = t->uart;
	char name[UDRV_DEVICE_NAME_MAX + 16];
	int ret;

	(void)snprintf(name, sizeof(name), "%s-%u", udrv_device_name(port->dev), port->line);
	t->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (t->wake_fd < 0) {
		ret = -errno;
		udrv_dev_err(port->dev, "no terminal: %s", strerror(-ret));
		return ret;
	}
	ret = udrv__pty_open(&t->pty, port->dev, name);
	if (ret)
		goto err_close;
	ret = udrv__pty_get_termios(t->pty.master, &t->termios);
	if (!ret)
		return 0;
	udrv_dev_err(port->dev, "%s: no settings: %s", t->pty.link, strerror(-ret));
	udrv__pty_close(&t->pty);
err_close:
	close(t->wake_fd);
	return ret;
}

static bool has_ops(const struct udrv_uart_ops *o)
{
	return o && o->tx_empty && o->set_mctrl && o->get_mctrl && o->stop_tx && o->start_tx &&
	       o->break_ctl && o->startup && o->shutdown && o->set_termios;
}

int udrv_uart_add_one_port(struct udrv_uart_port *port)
{
	struct udrv_tty_port *t;
	int ret;

	if (!port->dev || !has_ops(port->ops) || port->state)
		return -EINVAL;
	t = make_state(port);
	if (!t) {
		udrv_dev_err(port->dev, "no terminal: out of memory");
		return -ENOMEM;
	}
	ret = open_terminal(t);
	if (ret)
		goto err_free;
	udrv_spin_lock_init(&port->lock);
	port->x_char = 0;
	port->state = t;
	ret = udrv__thread_create(&t->thread, udrv__tty_thread, t);
	if (ret)
		goto err_close;
	udrv__stat_export_add(port->dev, t->pty.link);
	return 0;

err_close:
	udrv_dev_err(port->dev, "no thread for %s: %s", t->pty.link, strerror(-ret));
	port->state = NULL;
	udrv__pty_close(&t->pty);
	close(t->wake_fd);
err_free:
	free(t);
	return ret;
}

void udrv_uart_remove_one_port(struct udrv_uart_port *port)
{
	struct udrv_tty_port *t = port->state;

	if (!t)
		return;
	udrv__stat_export_del(port->dev, t->pty.link);
	t->stop = true;
	udrv__tty_wake(t);
	pthread_join(t->thread, NULL);
	port->state = NULL;
	udrv__pty_close(&t->pty);
	close(t->wake_fd);
	free(t);
}

const char *udrv_uart_port_path(const struct udrv_uart_port *port)
{
	return port->state->pty.link;
}

bool udrv_uart_port_open(const struct udrv_uart_port *port)
{
	const int phase = port->state->phase;

	return phase == UDRV__TTY_OPEN || phase == UDRV__TTY_CLOSING;
}

unsigned int udrv_uart_fifo_out(struct udrv_uart_port *port, unsigned char *buf, unsigned int chars)
{
	const unsigned int n = udrv_kfifo_out(&port->state->tx, buf, chars);

	port->icount.tx += n;
	return n;
}

unsigned int udrv_uart_tx_pending(const struct udrv_uart_port *port)
{
	return udrv_kfifo_len(&port->state->tx);
}

bool udrv_uart_tx_stopped(const struct udrv_uart_port *port)
{
	const struct udrv_tty_port *t = port->state;

	return t->hw_stopped || t->soft_stopped || t->flow_stopped;
}

void udrv_uart_write_wakeup(struct udrv_uart_port *port)
{
	struct udrv_tty_port *t = port->state;

	if (udrv_kfifo_len(&t->tx) <= UDRV__TTY_WAKEUP && t->want_room) {
		t->want_room = false;
		udrv__tty_wake(t);
	}
}

void udrv_uart_handle_cts_change(struct udrv_uart_port *port, bool active)
{
	struct udrv_tty_port *t = port->state;

	port->icount.cts++;
	if (!(t->termios.c_cflag & CRTSCTS) || t->hw_stopped == !active)
		return;
	t->hw_stopped = !active;
	if (active)
		port->ops->start_tx(port);
	else
		port->ops->stop_tx(port);
}

void udrv_uart_handle_dcd_change(struct udrv_uart_port *port, bool active)
{
	struct udrv_tty_port *t = port->state;

	port->icount.dcd++;
	if (active || t->termios.c_cflag & CLOCAL)
		return;
	t->hang_up = true;
	udrv__tty_wake(t);
}
