// SPDX-License-Identifier: MIT
/* The interrupt handler: each port's looks at its own UART, as they share the line. */

#include "uart16550.h"

/* A UART that always has something is left for the next run of the chain. */
#define ROUNDS_MAX 64
#define RX_MAX	   256 /* characters, then they are passed on */

/* What is known about a character; LSR counts once, and without what the settings do not ask for.
 */
static char flag_of(struct uart16550 *u, uint8_t *lsr)
{
	struct udrv_uart_icount *c = &u->port.icount;

	if (*lsr & UART_LSR_BI) {
		*lsr &= (uint8_t) ~(UART_LSR_FE | UART_LSR_PE);
		c->brk++;
	}
	c->parity += !!(*lsr & UART_LSR_PE);
	c->frame += !!(*lsr & UART_LSR_FE);
	c->overrun += !!(*lsr & UART_LSR_OE);
	*lsr &= (uint8_t)u->port.read_status_mask;
	if (*lsr & UART_LSR_BI)
		return UDRV_TTY_BREAK;
	if (*lsr & UART_LSR_PE)
		return UDRV_TTY_PARITY;
	return *lsr & UART_LSR_FE ? UDRV_TTY_FRAME : UDRV_TTY_NORMAL;
}

/* So many are there, and none of them bad: LSR need not be read for each. The LSR afterwards. */
static uint8_t receive_good(struct uart16550 *u, uint8_t lsr)
{
	unsigned char buf[UART_FIFO_SIZE];
	const unsigned int n = u->trigger;

	udrv_ioread8_rep((char __udrv_iomem *)u->regs + UART_RBR, buf, n);
	u->port.icount.rx += n;
	for (unsigned int i = 0; i < n; i++)
		udrv_uart_insert_char(&u->port, lsr, UART_LSR_OE, buf[i], UDRV_TTY_NORMAL);
	return uart16550_in(u, UART_LSR);
}

/*
 * Errors belong to the character that is read next, maybe by the next call. The LSR after the last
 * one.
 */
static uint8_t receive(struct uart16550 *u, uint8_t id, uint8_t lsr)
{
	struct udrv_uart_port *port = &u->port;

	lsr |= u->lsr_saved;
	u->lsr_saved = 0;
	if (id == UART_IIR_RDA && !(lsr & (UART_LSR_ERRORS | UART_LSR_FIFO_ERR)))
		lsr = receive_good(u, lsr);
	for (int i = 0; i < RX_MAX && lsr != UART_LSR_GONE && lsr & UART_LSR_DR; i++) {
		const uint8_t ch = uart16550_in(u, UART_RBR);
		char flag = UDRV_TTY_NORMAL;

		port->icount.rx++;
		if (lsr & UART_LSR_ERRORS)
			flag = flag_of(u, &lsr);
		udrv_uart_insert_char(port, lsr, UART_LSR_OE, ch, flag);
		lsr = uart16550_in(u, UART_LSR);
	}
	if (lsr != UART_LSR_GONE)
		u->lsr_saved |= lsr & UART_LSR_ERRORS;
	udrv_tty_flip_buffer_push(port->state);
	return lsr;
}

static void transmit(struct uart16550 *u)
{
	struct udrv_uart_port *port = &u->port;
	unsigned char buf[UART_FIFO_SIZE];
	unsigned int n;

	if (port->x_char) {
		uart16550_out(u, UART_THR, port->x_char);
		port->x_char = 0;
		port->icount.tx++;
		return;
	}
	n = udrv_uart_tx_stopped(port) ? 0 : udrv_uart_fifo_out(port, buf, port->fifosize);
	if (!n) {
		port->ops->stop_tx(port);
		return;
	}
	udrv_iowrite8_rep((char __udrv_iomem *)u->regs + UART_THR, buf, n);
	udrv_uart_write_wakeup(port);
}

uint8_t uart16550_modem_status(struct uart16550 *u)
{
	struct udrv_uart_port *port = &u->port;
	const uint8_t msr = uart16550_in(u, UART_MSR);

	port->icount.rng += !!(msr & UART_MSR_TERI);
	port->icount.dsr += !!(msr & UART_MSR_DDSR);
	if (msr & UART_MSR_DDCD)
		udrv_uart_handle_dcd_change(port, msr & UART_MSR_DCD);
	if (msr & UART_MSR_DCTS)
		udrv_uart_handle_cts_change(port, msr & UART_MSR_CTS);
	return msr;
}

/* Counts; false: no UART has such an interrupt. */
static bool count(struct uart16550 *u, uint8_t id)
{
	switch (id) {
	case UART_IIR_LINE:
		u->irqs_line++;
		return true;
	case UART_IIR_RDA:
		u->irqs_rda++;
		return true;
	case UART_IIR_TIMEOUT:
		u->irqs_timeout++;
		return true;
	case UART_IIR_THRE:
		u->irqs_thre++;
		return true;
	case UART_IIR_MSR:
		u->irqs_msr++;
		return true;
	}
	u->nonsense++;
	return false;
}

/*
 * The registers say what there is to do, IIR only that there is something, so one that is wrong
 * does no harm. Was it anything?
 */
static bool serve(struct uart16550 *u, uint8_t id)
{
	bool known = count(u, id);
	uint8_t lsr = uart16550_in(u, UART_LSR);

	if (lsr == UART_LSR_GONE) {
		u->nonsense++;
		return false;
	}
	if (!(lsr & UART_LSR_DR && u->reading))
		u->lsr_saved |= lsr & UART_LSR_ERRORS;
	if (lsr & UART_LSR_DR && u->reading) {
		lsr = receive(u, id, lsr);
		known = true;
	}
	if (id == UART_IIR_MSR)
		(void)uart16550_modem_status(u);
	if (lsr != UART_LSR_GONE && lsr & UART_LSR_THRE && u->ier & UART_IER_THRE) {
		transmit(u);
		known = true;
	}
	return known;
}

udrv_irqreturn_t uart16550_interrupt(int irq, void *dev_id)
{
	struct uart16550 *u = dev_id;
	bool handled = false;
	unsigned long flags;

	(void)irq;
	udrv_spin_lock_irqsave(&u->port.lock, flags);
	for (int round = 0; round < ROUNDS_MAX; round++) {
		const uint8_t iir = uart16550_in(u, UART_IIR);

		/* All ones, of a device that is gone, say that too. */
		if (iir & UART_IIR_NONE)
			break;
		if (!serve(u, iir & UART_IIR_ID))
			break;
		handled = true;
	}
	udrv_spin_unlock_irqrestore(&u->port.lock, flags);
	return handled ? UDRV_IRQ_HANDLED : UDRV_IRQ_NONE;
}
