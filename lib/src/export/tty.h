/* SPDX-License-Identifier: MIT */
/* A terminal: the pseudo terminal, and the state between it and the driver. */
#ifndef UDRV_SRC_TTY_H
#define UDRV_SRC_TTY_H

#include <pthread.h>
#include <time.h>

#include <udrv/kfifo.h>
#include <udrv/tty.h>

#include "driver/daemon.h"

/* Characters. */
#define UDRV__TTY_RX	    32768
#define UDRV__TTY_TX	    4096
#define UDRV__TTY_HIGH	    16384 /* received: the other end is told to stop */
#define UDRV__TTY_LOW	    4096  /* and to go on */
#define UDRV__TTY_FULL	    1024  /* room: no more is read from the UART */
#define UDRV__TTY_WAKEUP    1024  /* to send: there is room again */
#define UDRV__TTY_CC_STOP   9	  /* c_cc[VSTOP] and c_cc[VSTART], <asm/termbits.h> */
#define UDRV__TTY_CC_START  8
#define UDRV__TTY_LINK_ROOM 48

struct udrv_device;

/* tty_pty.c */
struct udrv__pty {
	const struct udrv_device *dev; /* for messages */
	int master;		       /* in packet mode, non-blocking */
	int inotify;		       /* readable when a program has opened or closed it */
	char slave[64];
	char link[UDRV__PATH_MAX];
};

/* Failures are explained. With a link that is there already, to another one of ours: moved. */
int udrv__pty_open(struct udrv__pty *pty, const struct udrv_device *dev, const char *name);
/*
 * Another one of the same name, which others may be reading: it is not written again.
 * @settings: its first ones; NULL: those of every port.
 */
int udrv__pty_reopen(struct udrv__pty *pty, const struct udrv_ktermios *settings);
/* Programs that have it open are hung up. The link stays, for the next one. */
void udrv__pty_hang_up(struct udrv__pty *pty);
void udrv__pty_close(struct udrv__pty *pty);
/* Has no program it open? */
bool udrv__pty_closed(const struct udrv__pty *pty);
/* Has a program written what is not read yet? */
bool udrv__pty_written(const struct udrv__pty *pty);
/*
 * As a terminal that nobody has had open: nothing to be read, not stopped, not exclusive. 0, or
 * negative errno; -EBUSY: it is exclusive.
 */
int udrv__pty_refresh(const struct udrv__pty *pty);

/* tty_termios.c */
int udrv__pty_get_termios(int fd, struct udrv_ktermios *t);
int udrv__pty_set_termios(int fd, const struct udrv_ktermios *t);
bool udrv__termios_same(const struct udrv_ktermios *a, const struct udrv_ktermios *b);
/* What a port begins with: 9600 bits/s, 8 bits, raw. */
void udrv__termios_init(struct udrv_ktermios *t);
/* Does the line discipline pass on all that comes as it is? */
bool udrv__termios_is_raw(const struct udrv_ktermios *t);
/* The kernel reports a change at once only in this mode (EXTPROC). */
bool udrv__termios_reports(const struct udrv_ktermios *t);
void udrv__termios_set_reports(struct udrv_ktermios *t, bool on);

enum udrv__tty_phase {
	UDRV__TTY_CLOSED,
	UDRV__TTY_OPEN,
	UDRV__TTY_CLOSING, /* what was written is being sent */
	UDRV__TTY_REFUSED, /* startup() has failed; until it is closed */
};

struct udrv_tty_port {
	struct udrv_uart_port *uart;
	struct udrv__pty pty;
	int wake_fd; /* to the thread */
	pthread_t thread;
	_Atomic bool stop;
	_Atomic bool hang_up;
	_Atomic bool want_room; /* the thread waits for room in tx */
	_Atomic int phase;
	_Atomic uint32_t format; /* udrv_uart_port_format() */

	/* In: handlers, with the lock; out: the thread. A character and its flag << 8. */
	UDRV_DECLARE_KFIFO(rx, uint16_t, UDRV__TTY_RX);
	/* In: the thread; out: with the lock. */
	UDRV_DECLARE_KFIFO(tx, unsigned char, UDRV__TTY_TX);

	/* With the port's lock. */
	struct udrv_ktermios termios; /* written by the thread only */
	bool throttled;		      /* the other end is told */
	bool full;		      /* the driver is told */
	bool hw_stopped;	      /* by CTS */
	bool soft_stopped;	      /* by XOFF */
	bool flow_stopped;	      /* by tcflow() */

	/* The thread's. */
	unsigned char out[4096]; /* to the programs */
	size_t out_len, out_done;
	bool drained;		   /* nobody has it open, and all that was written is in tx */
	uint64_t closing_ns;	   /* when CLOSING ends at the latest */
	struct timespec unchanged; /* since when the settings are as they are */
};

void udrv__tty_wake(struct udrv_tty_port *t);

/* tty_rx.c, in the thread: to the programs what they take. */
void udrv__tty_pump_rx(struct udrv_tty_port *t);
void udrv__tty_drop_rx(struct udrv_tty_port *t);
/* If there is room: the other end and the driver may go on. */
void udrv__tty_go_on(struct udrv_tty_port *t);

/* tty_settings.c, in the thread */
/* Look at the settings, tell the driver of changes. */
void udrv__tty_sync_termios(struct udrv_tty_port *t);
/* After startup(): the settings and the modem lines. */
void udrv__tty_raise(struct udrv_tty_port *t);
/* Before shutdown(). */
void udrv__tty_lower(struct udrv_tty_port *t);

/* tty_thread.c */
extern uint64_t udrv__tty_closing_ns; /* how long what was written is sent after the close */
void *udrv__tty_thread(void *arg);

#endif
