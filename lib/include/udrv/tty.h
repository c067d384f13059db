/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Serial ports: a driver adds one for each UART that it has found, and it is there for ordinary
 * programs as a terminal, /run/udrv/tty/<device>-<line>. The calls and the operations are those of
 * Linux's serial core (<linux/serial_core.h>, <linux/tty_flip.h>); what they promise is in
 * docs/contract/tty.md.
 *
 * The flags of termios are those of <termios.h>, the modem lines TIOCM_* of <sys/ioctl.h>.
 */
#ifndef UDRV_TTY_H
#define UDRV_TTY_H

#include <udrv/spinlock.h>
#include <udrv/types.h>

UDRV_BEGIN_DECLS

struct udrv_uart_port;
/** struct udrv_tty_port - what is between a port and its terminal; the framework's. */
struct udrv_tty_port;

/* What is known about a received character. */
#define UDRV_TTY_NORMAL	 0 /* it is good */
#define UDRV_TTY_BREAK	 1 /* a break; the character is 0 */
#define UDRV_TTY_FRAME	 2 /* without a stop bit */
#define UDRV_TTY_PARITY	 3 /* of wrong parity */
#define UDRV_TTY_OVERRUN 4 /* characters before it were lost in the UART */

/** UDRV_TIOCM_LOOP - beside TIOCM_*: loop back, which <sys/ioctl.h> lacks (Linux: TIOCM_LOOP). */
#define UDRV_TIOCM_LOOP 0x8000u

/**
 * struct udrv_ktermios - the settings of a terminal (Linux: struct ktermios)
 * @c_iflag: IXON and the like
 * @c_oflag: output is processed before the driver has it
 * @c_cflag: CSIZE, CSTOPB, PARENB, CRTSCTS and the like; not the speed
 * @c_lflag: input is processed after the driver had it
 * @c_cc: the special characters, e.g. [VSTOP]
 * @c_ispeed: bits per second
 * @c_ospeed: bits per second; 0: hang up
 */
struct udrv_ktermios {
	uint32_t c_iflag, c_oflag, c_cflag, c_lflag;
	uint8_t c_cc[19];
	uint32_t c_ispeed, c_ospeed;
};

/** struct udrv_uart_icount - what a port has seen (Linux: struct uart_icount). */
struct udrv_uart_icount {
	uint64_t cts, dsr, rng, dcd; /* changes of these lines */
	uint64_t rx, tx;	     /* characters */
	uint64_t frame, overrun, parity, brk;
	uint64_t buf_overrun; /* characters dropped, as a driver read what it had no room for */
};

/**
 * struct udrv_uart_ops - what a driver does for a port (Linux: struct uart_ops)
 * @tx_empty: has all been sent, to the last bit? No lock.
 * @set_mctrl: set the outputs, TIOCM_DTR, TIOCM_RTS, UDRV_TIOCM_LOOP; lock held
 * @get_mctrl: the inputs, TIOCM_CTS, TIOCM_DSR, TIOCM_CAR, TIOCM_RI; lock held
 * @stop_tx: send no more, the characters stay where they are; lock held
 * @start_tx: there are characters to send, or an x_char; lock held
 * @throttle: there is hardly room: read no more from the UART until @unthrottle; lock held
 * @unthrottle: read again; lock held
 * @break_ctl: begin to send a break (@state is not 0), or end it. No lock.
 * @startup: a program has opened the terminal: reset the UART and let it interrupt. 0 or negative
 *	errno. No lock, may sleep.
 * @shutdown: the last program has closed it, and what it wrote has been sent or waited for in vain:
 *	no interrupts from now on. No lock, may sleep. Not without a @startup that returned 0.
 * @set_termios: as @termios says from now on; what the UART cannot do, it changes in there. @old
 *	is how it was, after @startup before it was closed. No lock, may sleep.
 *
 * All are called by the port's own thread; start_tx, stop_tx, set_mctrl, throttle also inside the
 * driver's calls of the functions below. After udrv_uart_add_one_port() any may be called at any
 * time until udrv_uart_remove_one_port() has returned.
 */
struct udrv_uart_ops {
	bool (*tx_empty)(struct udrv_uart_port *port);
	void (*set_mctrl)(struct udrv_uart_port *port, unsigned int mctrl);
	unsigned int (*get_mctrl)(struct udrv_uart_port *port);
	void (*stop_tx)(struct udrv_uart_port *port);
	void (*start_tx)(struct udrv_uart_port *port);
	void (*throttle)(struct udrv_uart_port *port);
	void (*unthrottle)(struct udrv_uart_port *port);
	void (*break_ctl)(struct udrv_uart_port *port, int state);
	int (*startup)(struct udrv_uart_port *port);
	void (*shutdown)(struct udrv_uart_port *port);
	void (*set_termios)(struct udrv_uart_port *port, struct udrv_ktermios *termios,
			    const struct udrv_ktermios *old);
};

/**
 * struct udrv_uart_port - a serial port; the driver's memory (Linux: struct uart_port)
 * @dev: the device that it is a part of
 * @line: which of the device's ports, from 0
 * @ops: see there; all but @throttle and @unthrottle are needed
 * @uartclk: what the divisor divides, Hz
 * @fifosize: characters that may be given to an empty transmitter at once
 * @private_data: the driver's own
 * @read_status_mask: the driver's: bits of the status that are looked at
 * @ignore_status_mask: the driver's: bits whose characters are dropped
 * @lock: the framework holds it where @ops says so; the driver while it makes the calls below
 * @x_char: to be sent before all else, also when transmission is stopped; 0: none. The driver sets
 *	it to 0. Lock.
 * @mctrl: the outputs as they should be, TIOCM_*. Lock.
 * @icount: of which the driver counts all but buf_overrun and the lines for which there is a call
 *	below. Lock.
 * @state: the framework's
 *
 * The first block is filled in before udrv_uart_add_one_port().
 */
struct udrv_uart_port {
	struct udrv_device *dev;
	unsigned int line;
	const struct udrv_uart_ops *ops;
	unsigned int uartclk;
	unsigned int fifosize;
	void *private_data;

	unsigned int read_status_mask;
	unsigned int ignore_status_mask;

	struct udrv_spinlock lock;
	unsigned char x_char;
	unsigned int mctrl;
	struct udrv_uart_icount icount;
	struct udrv_tty_port *state;
};

/**
 * udrv_uart_add_one_port() - make a terminal for a port; from probe()
 * @port: filled in; its memory stays the driver's
 *
 * Programs may open it from now on. What a killed process has left under its name is replaced. Not
 * from a handler. Return: 0, -EINVAL, -EEXIST if something else has the name, -ENOMEM, other
 * negative errno from the kernel; explained. Source: Linux uart_add_one_port(), without the driver.
 */
UDRV_API int udrv_uart_add_one_port(struct udrv_uart_port *port);

/**
 * udrv_uart_remove_one_port() - undo udrv_uart_add_one_port(); from remove()
 * @port: one that was added; otherwise nothing is done
 *
 * Programs that have the terminal open see that it is hung up. What they wrote and what has not
 * been sent is lost. When it returns no operation is called any more. Source: Linux
 * uart_remove_one_port().
 */
UDRV_API void udrv_uart_remove_one_port(struct udrv_uart_port *port);

/** udrv_uart_port_path() - where the terminal is; valid until it is removed. */
UDRV_API const char *udrv_uart_port_path(const struct udrv_uart_port *port);

/** udrv_uart_port_open() - has a program the terminal open, or is what it wrote being sent? */
UDRV_API bool udrv_uart_port_open(const struct udrv_uart_port *port);

/** udrv_uart_port_termios() - the settings now, in @termios. Any thread, without the lock. */
UDRV_API void udrv_uart_port_termios(struct udrv_uart_port *port, struct udrv_ktermios *termios);

/**
 * udrv_uart_port_format() - choose the bits per character and the parity
 * @port: the port
 * @cflag: of CSIZE, PARENB, PARODD and CMSPAR
 *
 * Pseudo terminals keep neither CSIZE nor PARENB of what a program sets; so they are set here, and
 * stay until they are set again. From CS8 at first. Any thread, without the lock.
 * Return: 0, or -EINVAL for other flags.
 */
UDRV_API int udrv_uart_port_format(struct udrv_uart_port *port, uint32_t cflag);

/**
 * udrv_tty_buffer_space_avail() - room for received characters; with the port's lock.
 * Source: Linux tty_buffer_space_avail().
 */
UDRV_API unsigned int udrv_tty_buffer_space_avail(const struct udrv_tty_port *port);

/**
 * udrv_tty_insert_flip_char() - a character has been received
 * @port: the state of the struct udrv_uart_port, whose lock is held
 * @ch: the character
 * @flag: UDRV_TTY_*
 *
 * It is on its way after udrv_tty_flip_buffer_push(). Return: 1, or 0 if there is no room: it is
 * lost, and counted. Source: Linux tty_insert_flip_char().
 */
UDRV_API int udrv_tty_insert_flip_char(struct udrv_tty_port *port, unsigned char ch, char flag);

/**
 * udrv_tty_flip_buffer_push() - let the received characters be read
 * @port: the state of the struct udrv_uart_port, whose lock is held
 *
 * Source: Linux tty_flip_buffer_push().
 */
UDRV_API void udrv_tty_flip_buffer_push(struct udrv_tty_port *port);

/**
 * udrv_uart_insert_char() - a character has been received, with that status
 * @port: the port, with its lock held
 * @status: as read from the UART
 * @overrun: the bit of @status that says that characters were lost
 * @ch: the character
 * @flag: UDRV_TTY_*
 *
 * Nothing is done if @status has bits of ignore_status_mask. With IXON the characters that stop and
 * start the transmission do so at once. Source: Linux uart_insert_char().
 */
UDRV_API void udrv_uart_insert_char(struct udrv_uart_port *port, unsigned int status,
				    unsigned int overrun, unsigned char ch, char flag);

/**
 * udrv_uart_fifo_out() - take characters to send
 * @port: the port, with its lock held
 * @buf: where to
 * @chars: at most so many
 *
 * They count as sent. Return: how many. Source: Linux uart_fifo_out().
 */
UDRV_API unsigned int udrv_uart_fifo_out(struct udrv_uart_port *port, unsigned char *buf,
					 unsigned int chars);

/** udrv_uart_tx_pending() - characters that wait to be sent; with the lock. */
UDRV_API unsigned int udrv_uart_tx_pending(const struct udrv_uart_port *port);

/**
 * udrv_uart_tx_stopped() - must no character be sent but x_char? With the lock.
 * Source: Linux uart_tx_stopped().
 */
UDRV_API bool udrv_uart_tx_stopped(const struct udrv_uart_port *port);

/** udrv_uart_write_wakeup() - there is room for more to send; with the lock. */
UDRV_API void udrv_uart_write_wakeup(struct udrv_uart_port *port);

/**
 * udrv_uart_handle_cts_change() - the line "clear to send" has changed
 * @port: the port, with its lock held
 * @active: how it is now
 *
 * With CRTSCTS it stops or starts the transmission. Source: Linux uart_handle_cts_change().
 */
UDRV_API void udrv_uart_handle_cts_change(struct udrv_uart_port *port, bool active);

/**
 * udrv_uart_handle_dcd_change() - the line "data carrier detect" has changed
 * @port: the port, with its lock held
 * @active: how it is now
 *
 * Without CLOCAL the terminal is hung up when the carrier is lost. Source: Linux
 * uart_handle_dcd_change().
 */
UDRV_API void udrv_uart_handle_dcd_change(struct udrv_uart_port *port, bool active);

/**
 * udrv_uart_get_baud_rate() - a speed that the UART can have
 * @port: the port
 * @termios: what is asked for; changed to what is returned
 * @old: how it was, or NULL
 * @min: slowest, bits per second
 * @max: fastest, bits per second
 *
 * Return: what is asked for if it is in the range, else that of @old if that is, else 9600. 0 is
 * answered with 9600: the lines are dropped, the speed does not matter. Source: Linux
 * uart_get_baud_rate().
 */
UDRV_API unsigned int udrv_uart_get_baud_rate(struct udrv_uart_port *port,
					      struct udrv_ktermios *termios,
					      const struct udrv_ktermios *old, unsigned int min,
					      unsigned int max);

/** udrv_uart_get_divisor() - of uartclk / 16, the nearest. Source: Linux uart_get_divisor(). */
UDRV_API unsigned int udrv_uart_get_divisor(const struct udrv_uart_port *port, unsigned int baud);

UDRV_END_DECLS

#endif
