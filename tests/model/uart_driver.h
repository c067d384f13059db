/* SPDX-License-Identifier: MIT */
/* The uart16550 driver on model:uart16550, and its terminals. */
#ifndef TESTS_MODEL_UART_DRIVER_H
#define TESTS_MODEL_UART_DRIVER_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <check.h>
#include <udrv/device.h>
#include <udrv/pci.h>

#include "backend/model.h"
#include "backend/model_uart.h"
#include "uart16550.h"

#include "support/wait_for.h"

static struct udrv_device *dev;
static char rundir[] = "/tmp/udrv-\"uart\"-XXXXXX";

static inline void make_rundir(void)
{
	strcpy(rundir + strlen(rundir) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(rundir));
	setenv("UDRV_RUNTIME_DIR", rundir, 1);
}

static inline void remove_rundir(void)
{
	char dir[64];

	(void)snprintf(dir, sizeof(dir), "%s/tty", rundir);
	(void)rmdir(dir);
	ck_assert_int_eq(rmdir(rundir), 0);
}

static inline void probe_uart(const char *name)
{
	ck_assert_int_eq(udrv_device_open(name, NULL, &dev), 0);
	ck_assert_int_eq(udrv_driver_probe(&uart16550_driver, dev), 0);
}

static inline void remove_uart(void)
{
	udrv_driver_remove(&uart16550_driver, dev);
	udrv_device_close(dev);
	dev = NULL;
}

static inline struct uart16550 *uart_at(unsigned int port)
{
	struct uart16550_card *card = udrv_pci_get_drvdata(dev);

	return &card->uart[port];
}

static inline struct udrv_uart_icount counts_of(unsigned int port)
{
	struct udrv_uart_port *p = &uart_at(port)->port;
	struct udrv_uart_icount c;

	udrv_spin_lock(&p->lock);
	c = p->icount;
	udrv_spin_unlock(&p->lock);
	return c;
}

static inline struct udrv__model_uart_state look(unsigned int port)
{
	struct udrv__model_uart_state s;

	udrv__model_uart_look(dev, port, &s);
	return s;
}

static inline bool is_open(unsigned int port)
{
	return udrv_uart_port_open(&uart_at(port)->port);
}

/* A program opens the terminal, and the port is up. */
static inline int open_tty(unsigned int port)
{
	int fd = open(udrv_uart_port_path(&uart_at(port)->port), O_RDWR | O_NOCTTY | O_NONBLOCK);

	ck_assert_int_ge(fd, 0);
	WAIT_FOR(is_open(port) && look(port).ier & UART_IER_RDA && look(port).mcr & UART_MCR_DTR);
	return fd;
}

static inline void close_tty(int fd, unsigned int port)
{
	close(fd);
	WAIT_FOR(!is_open(port));
}

/* Read exactly len bytes, however slowly they come. */
static inline void read_all(int fd, unsigned char *buf, size_t len)
{
	double last = seconds();
	size_t done = 0;

	while (done < len) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		(void)poll(&p, 1, 100);
		n = read(fd, buf + done, len - done);
		if (n > 0) {
			done += (size_t)n;
			last = seconds();
		}
		ck_assert_msg(n > 0 || (n < 0 && errno == EAGAIN), "read: %s", strerror(errno));
		ck_assert_msg(seconds() - last < LONG_S, "%zu of %zu bytes", done, len);
	}
}

/* What the port has sent to the test. */
static inline void receive_all(unsigned int port, unsigned char *buf, size_t len)
{
	size_t done = 0;

	WAIT_FOR((done += udrv__model_uart_receive(dev, port, buf + done, len - done)) == len);
}

static inline void send_all(unsigned int port, const unsigned char *buf, size_t len,
			    unsigned int flags)
{
	size_t done = 0;

	WAIT_FOR((done += udrv__model_uart_send(dev, port, buf + done, len - done, flags)) == len);
}

static inline struct termios settings(int fd)
{
	struct termios t;

	ck_assert_int_eq(tcgetattr(fd, &t), 0);
	return t;
}

static inline void set_flags(int fd, tcflag_t iflag, tcflag_t cflag)
{
	struct termios t = settings(fd);

	t.c_iflag |= iflag;
	t.c_cflag |= cflag;
	ck_assert_int_eq(tcsetattr(fd, TCSANOW, &t), 0);
}

/* As the driver has it by now. */
static inline struct udrv_ktermios known(unsigned int port)
{
	struct udrv_ktermios t;

	udrv_uart_port_termios(&uart_at(port)->port, &t);
	return t;
}

#endif
