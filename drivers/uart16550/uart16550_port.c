// SPDX-License-Identifier: MIT
/* One UART: what the serial core asks for. */
#include <errno.h>
#include <sys/ioctl.h>
#include <termios.h>

#include <udrv/container_of.h>
#include <udrv/device.h>

#include "uart16550.h"

/* What it interrupts for while it is open; THRE only while there is something to send. */
#define IER_OPEN (UART_IER_RDA | UART_IER_LINE | UART_IER_MSR)
/* A speed that is off by more, in percent, is told instead of the one that was asked for. */
#define SPEED_ERROR 3

static struct uart16550 *uart_of(struct udrv_uart_port *port)
{
	return udrv_container_of(port, struct uart16550, port);
}

static void set_ier(struct uart16550 *u, uint8_t set, uint8_t clear)
{
	const uint8_t ier = (uint8_t)((u->ier & ~clear) | set);

	if (ier == u->ier)
		return;
	u->ier = ier;
	uart16550_out(u, UART_IER, ier);
}

/* Of a register that keeps what is written. */
static bool keeps(const struct uart16550 *u, unsigned int reg, uint8_t val, uint8_t mask)
{
	uart16550_out(u, reg, val);
	return (uart16550_in(u, reg) & mask) == (val & mask);
}

/* The modem lines in loop back mode: [PC] "Modem Control Register". */
static bool loops_back(const struct uart16550 *u)
{
	uint8_t msr;

	uart16550_out(u, UART_MCR, UART_MCR_LOOP | UART_MCR_RTS | UART_MCR_OUT2);
	msr = uart16550_in(u, UART_MSR);
	uart16550_out(u, UART_MCR, 0);
	return (msr & 0xf0) == (UART_MSR_CTS | UART_MSR_DCD);
}

/* [PC] "FIFO Control Register" */
static unsigned int trigger_code(unsigned int trigger)
{
	return trigger == 14 ? 3 : trigger == 8 ? 2 : trigger == 4 ? 1 : 0;
}

int uart16550_detect(struct uart16550 *u)
{
	uint8_t iir;

	uart16550_out(u, UART_LCR, 0);
	uart16550_out(u, UART_IER, 0);
	if (!keeps(u, UART_SCR, 0x5a, 0xff) || !keeps(u, UART_IER, 0x0f, 0x0f) ||
	    !keeps(u, UART_IER, 0, 0x0f) || !loops_back(u)) {
		udrv_dev_err(u->port.dev, "port %u: nothing that works as a 16550 answers",
			     u->port.line);
		return -ENODEV;
	}
	uart16550_out(u, UART_FCR, UART_FCR_ENABLE);
	iir = uart16550_in(u, UART_IIR);
	uart16550_out(u, UART_FCR, 0);
	u->fifos = (iir & UART_IIR_FIFOS) == UART_IIR_FIFOS;
	if (!u->fifos)
		u->trigger = 1;
	u->fcr = (uint8_t)(u->fifos ? UART_FCR_ENABLE | trigger_code(u->trigger) << UART_FCR_TRIGGER
				    : 0);
	u->port.fifosize = u->fifos ? UART_FIFO_SIZE : 1;
	return 0;
}

static bool uart_tx_empty(struct udrv_uart_port *port)
{
	struct uart16550 *u = uart_of(port);
	unsigned long flags;
	uint8_t lsr;

	udrv_spin_lock_irqsave(&port->lock, flags);
	lsr = uart16550_in(u, UART_LSR);
	/* Reading it has cleared them. */
	if (lsr != UART_LSR_GONE)
		u->lsr_saved |= lsr & UART_LSR_ERRORS;
	udrv_spin_unlock_irqrestore(&port->lock, flags);
	return lsr & UART_LSR_TEMT;
}

static void uart_set_mctrl(struct udrv_uart_port *port, unsigned int mctrl)
{
	struct uart16550 *u = uart_of(port);

	u->mcr = (uint8_t)((mctrl & TIOCM_DTR ? UART_MCR_DTR : 0) |
			   (mctrl & TIOCM_RTS ? UART_MCR_RTS : 0) |
			   (mctrl & UDRV_TIOCM_LOOP ? UART_MCR_LOOP : 0) |
			   (u->started ? UART_MCR_OUT2 : 0));
	uart16550_out(u, UART_MCR, u->mcr);
}

static unsigned int uart_get_mctrl(struct udrv_uart_port *port)
{
	const uint8_t msr = uart16550_modem_status(uart_of(port));

	return (msr & UART_MSR_CTS ? TIOCM_CTS : 0u) | (msr & UART_MSR_DSR ? TIOCM_DSR : 0u) |
	       (msr & UART_MSR_RI ? TIOCM_RI : 0u) | (msr & UART_MSR_DCD ? TIOCM_CAR : 0u);
}

static void uart_stop_tx(struct udrv_uart_port *port)
{
	set_ier(uart_of(port), 0, UART_IER_THRE);
}

/* An empty transmitter interrupts as soon as it may. */
static void uart_start_tx(struct udrv_uart_port *port)
{
	set_ier(uart_of(port), UART_IER_THRE, 0);
}

/* What comes stays in the FIFO, and then with the sender if it can wait. */
static void uart_throttle(struct udrv_uart_port *port)
{
	uart_of(port)->reading = false;
	set_ier(uart_of(port), 0, UART_IER_RDA | UART_IER_LINE);
}

static void uart_unthrottle(struct udrv_uart_port *port)
{
	uart_of(port)->reading = true;
	set_ier(uart_of(port), UART_IER_RDA | UART_IER_LINE, 0);
}

static void set_lcr(struct uart16550 *u, uint8_t lcr)
{
	u->lcr = lcr;
	uart16550_out(u, UART_LCR, lcr);
}

static void uart_break_ctl(struct udrv_uart_port *port, int state)
{
	struct uart16550 *u = uart_of(port);
	unsigned long flags;

	udrv_spin_lock_irqsave(&port->lock, flags);
	set_lcr(u, (uint8_t)(state ? u->lcr | UART_LCR_BREAK : u->lcr & ~UART_LCR_BREAK));
	udrv_spin_unlock_irqrestore(&port->lock, flags);
}

/* Empty FIFOs, and no interrupt that is pending from before. */
static void clear(struct uart16550 *u)
{
	uart16550_out(u, UART_FCR, 0);
	if (u->fifos) {
		uart16550_out(u, UART_FCR, UART_FCR_ENABLE | UART_FCR_CLEAR_RX | UART_FCR_CLEAR_TX);
		uart16550_out(u, UART_FCR, u->fcr);
	}
	(void)uart16550_in(u, UART_LSR);
	(void)uart16550_in(u, UART_RBR);
	(void)uart16550_in(u, UART_IIR);
	(void)uart16550_in(u, UART_MSR);
	u->lsr_saved = 0;
}

static int uart_startup(struct udrv_uart_port *port)
{
	struct uart16550 *u = uart_of(port);
	unsigned long flags;
	char name[16];
	int ret;

	(void)snprintf(name, sizeof(name), "uart16550-%u", port->line);
	clear(u);
	ret = udrv_request_irq(port->dev, u->irq, uart16550_interrupt, UDRV_IRQF_SHARED, name, u);
	if (ret)
		return ret;
	udrv_spin_lock_irqsave(&port->lock, flags);
	u->started = true;
	u->reading = true;
	set_lcr(u, UART_LCR_BITS);
	uart_set_mctrl(port, port->mctrl);
	set_ier(u, IER_OPEN, 0);
	udrv_spin_unlock_irqrestore(&port->lock, flags);
	return 0;
}

static void uart_shutdown(struct udrv_uart_port *port)
{
	struct uart16550 *u = uart_of(port);
	unsigned long flags;

	udrv_spin_lock_irqsave(&port->lock, flags);
	u->started = false;
	set_ier(u, 0, u->ier);
	uart_set_mctrl(port, port->mctrl);
	set_lcr(u, (uint8_t)(u->lcr & ~UART_LCR_BREAK));
	udrv_spin_unlock_irqrestore(&port->lock, flags);
	(void)udrv_free_irq(port->dev, u->irq, u);
	clear(u);
}

static uint8_t lcr_of(uint32_t cflag)
{
	const uint32_t bits = cflag & CSIZE;
	uint8_t lcr = bits == CS5 ? 0 : bits == CS6 ? 1 : bits == CS7 ? 2 : 3;

	if (cflag & CSTOPB)
		lcr |= UART_LCR_STOP;
	if (cflag & PARENB)
		lcr |= UART_LCR_PARITY;
	if (!(cflag & PARODD))
		lcr |= UART_LCR_EVEN;
	if (cflag & CMSPAR)
		lcr |= UART_LCR_STICK;
	return lcr;
}

/* Which bits of LSR matter, and which have their character dropped: termios(3). */
static void set_masks(struct udrv_uart_port *port, const struct udrv_ktermios *t)
{
	port->read_status_mask = UART_LSR_OE | UART_LSR_DR;
	if (t->c_iflag & INPCK)
		port->read_status_mask |= UART_LSR_FE | UART_LSR_PE;
	if (t->c_iflag & (IGNBRK | BRKINT | PARMRK))
		port->read_status_mask |= UART_LSR_BI;
	port->ignore_status_mask = 0;
	if (t->c_iflag & IGNPAR)
		port->ignore_status_mask |= UART_LSR_PE | UART_LSR_FE;
	if (t->c_iflag & IGNBRK)
		port->ignore_status_mask |= UART_LSR_BI;
	if (!(t->c_cflag & CREAD))
		port->ignore_status_mask |= UART_LSR_DR;
}

/* The divisor, and in the settings the speed that comes of it if it is another one. */
static unsigned int choose_speed(struct udrv_uart_port *port, struct udrv_ktermios *t,
				 const struct udrv_ktermios *old)
{
	const unsigned int base = port->uartclk / 16;
	const unsigned int baud = udrv_uart_get_baud_rate(port, t, old, base / 0xffff + 1, base);
	const unsigned int divisor = udrv_uart_get_divisor(port, baud);
	const unsigned int real = base / divisor;

	if ((real > baud ? real - baud : baud - real) * 100 > SPEED_ERROR * baud)
		t->c_ispeed = t->c_ospeed = real;
	return divisor;
}

static void uart_set_termios(struct udrv_uart_port *port, struct udrv_ktermios *termios,
			     const struct udrv_ktermios *old)
{
	struct uart16550 *u = uart_of(port);
	const unsigned int divisor = choose_speed(port, termios, old);
	unsigned long flags;

	udrv_spin_lock_irqsave(&port->lock, flags);
	set_masks(port, termios);
	u->lcr = (uint8_t)(lcr_of(termios->c_cflag) | (u->lcr & UART_LCR_BREAK));
	uart16550_out(u, UART_LCR, u->lcr | UART_LCR_DLAB);
	uart16550_out(u, UART_DLL, (uint8_t)divisor);
	uart16550_out(u, UART_DLM, (uint8_t)(divisor >> 8));
	uart16550_out(u, UART_LCR, u->lcr);
	udrv_spin_unlock_irqrestore(&port->lock, flags);
}

const struct udrv_uart_ops uart16550_ops = {
	.tx_empty = uart_tx_empty,
	.set_mctrl = uart_set_mctrl,
	.get_mctrl = uart_get_mctrl,
	.stop_tx = uart_stop_tx,
	.start_tx = uart_start_tx,
	.throttle = uart_throttle,
	.unthrottle = uart_unthrottle,
	.break_ctl = uart_break_ctl,
	.startup = uart_startup,
	.shutdown = uart_shutdown,
	.set_termios = uart_set_termios,
};
