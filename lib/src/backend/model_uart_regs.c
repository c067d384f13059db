// SPDX-License-Identifier: MIT
/* The registers of a software UART; the headings are those in National's PC16550D datasheet. */
#include <string.h>

#include "backend/model_uart_dev.h"

#define TIMEOUT_NS 100000

bool uart_line_put(struct uart_line *l, uint16_t entry)
{
	if (l->count == LINE_DEPTH)
		return false;
	l->entries[(l->head + l->count++) % LINE_DEPTH] = entry;
	return true;
}

bool uart_line_get(struct uart_line *l, uint16_t *entry)
{
	if (!l->count)
		return false;
	*entry = l->entries[l->head];
	l->head = (l->head + 1) % LINE_DEPTH;
	l->count--;
	return true;
}

static bool has_fifos(const struct uart *u)
{
	return u->fcr & FCR_ENABLE;
}

unsigned int uart_depth(const struct uart *u)
{
	return has_fifos(u) && u->chip == UDRV__UART_16550A ? FIFO_DEPTH : 1;
}

/* "FIFO Control Register": 1, 4, 8 or 14 */
unsigned int uart_trigger(const struct uart *u)
{
	static const unsigned int levels[] = {1, 4, 8, 14};

	return uart_depth(u) > 1 ? levels[u->fcr >> 6] : 1;
}

/* "FIFO Interrupt Mode Operation": four character times; here always the same. */
void uart_restart_timeout(struct uart *u)
{
	clock_gettime(CLOCK_MONOTONIC, &u->timeout);
	u->timeout.tv_nsec += TIMEOUT_NS;
	if (u->timeout.tv_nsec >= 1000000000) {
		u->timeout.tv_nsec -= 1000000000;
		u->timeout.tv_sec++;
	}
}

void uart_clear_rx(struct uart *u)
{
	u->rx_count = 0;
	u->timed_out = false;
}

/* "Line Status Register": only the last that does not fit is lost, the FIFO stays as it is. */
void uart_arrive(struct uart *u, uint16_t entry)
{
	u->timed_out = false;
	uart_restart_timeout(u);
	if (u->rx_count == uart_depth(u)) {
		u->overrun = true;
		u->rx_lost++;
		/* Without FIFOs the new one takes the place. */
		if (uart_depth(u) == 1)
			u->rx[0] = entry;
		return;
	}
	u->rx[u->rx_count++] = entry;
}

static bool has_bad(const struct uart *u)
{
	return u->rx_count && u->rx[0] >> 8;
}

uint8_t uart_source(const struct uart *u)
{
	if (u->ier & IER_LINE && (u->overrun || has_bad(u)))
		return IIR_LINE;
	if (u->ier & IER_RDA && u->rx_count >= uart_trigger(u))
		return IIR_RDA;
	if (u->ier & IER_RDA && u->timed_out && u->rx_count)
		return IIR_TIMEOUT;
	if (u->ier & IER_THRE && u->thre)
		return IIR_THRE;
	if (u->ier & IER_MSR && u->msr & 0x0f)
		return IIR_MSR;
	return IIR_NONE;
}

/* "Modem Control Register": in loop back mode the outputs are the inputs. */
void uart_update_msr(struct uart *u)
{
	uint8_t levels = u->lines;
	uint8_t changed;

	if (u->mcr & MCR_LOOP)
		levels = (uint8_t)((u->mcr & MCR_RTS ? MSR_CTS : 0) |
				   (u->mcr & MCR_DTR ? MSR_DSR : 0) |
				   (u->mcr & MCR_OUT1 ? MSR_RI : 0) |
				   (u->mcr & MCR_OUT2 ? MSR_DCD : 0));
	changed = (uint8_t)((levels ^ u->msr) >> 4);
	/* Of the ring indicator only the trailing edge. */
	if (levels & MSR_RI)
		changed &= (uint8_t)~MSR_TERI;
	u->msr = (uint8_t)(levels | (u->msr & 0x0f) | changed);
}

static uint8_t read_rbr(struct uart *u)
{
	uint8_t ch;

	if (!u->rx_count)
		return 0;
	ch = (uint8_t)u->rx[0];
	memmove(u->rx, u->rx + 1, --u->rx_count * sizeof(u->rx[0]));
	u->timed_out = false;
	uart_restart_timeout(u);
	/* A sender that waits for room fills it before the FIFO is seen empty. */
	(void)uart_move_in(u);
	return ch;
}

static uint8_t read_iir(struct uart *u)
{
	uint8_t iir = uart_source(u);

	if (u->faults[UDRV__UART_BAD_IIR]) {
		u->faults[UDRV__UART_BAD_IIR]--;
		return IIR_FIFOS | 0x0e;
	}
	if (u->faults[UDRV__UART_SPURIOUS] && iir == IIR_NONE)
		u->faults[UDRV__UART_SPURIOUS]--;
	if (iir == IIR_THRE)
		u->thre = false;
	if (has_fifos(u) && u->chip == UDRV__UART_16550A)
		iir |= IIR_FIFOS;
	else if (has_fifos(u))
		iir |= 0x80;
	return iir;
}

static bool bad_in_fifo(const struct uart *u)
{
	for (unsigned int i = 0; i < u->rx_count; i++)
		if (u->rx[i] >> 8)
			return true;
	return false;
}

/* "Line Status Register": reading it clears what it says of errors. */
static uint8_t read_lsr(struct uart *u)
{
	uint8_t lsr = u->tx_count ? 0 : LSR_THRE | LSR_TEMT;

	if (u->faults[UDRV__UART_BAD_LSR]) {
		u->faults[UDRV__UART_BAD_LSR]--;
		return 0xff;
	}
	if (u->rx_count)
		lsr |= (uint8_t)(LSR_DR | u->rx[0] >> 8);
	if (u->overrun)
		lsr |= LSR_OE;
	if (uart_depth(u) > 1 && bad_in_fifo(u))
		lsr |= LSR_FIFO;
	u->overrun = false;
	if (u->rx_count)
		u->rx[0] &= 0xff;
	return lsr;
}

static uint8_t read_msr(struct uart *u)
{
	const uint8_t msr = u->msr;

	u->msr &= 0xf0;
	return msr;
}

static uint8_t read_reg(struct uart *u, unsigned int reg)
{
	const bool dlab = u->lcr & LCR_DLAB;

	if (u->chip == UDRV__UART_ABSENT)
		return 0xff;
	switch (reg) {
	case REG_RBR:
		return dlab ? (uint8_t)u->divisor : read_rbr(u);
	case REG_IER:
		return dlab ? (uint8_t)(u->divisor >> 8) : u->ier;
	case REG_IIR:
		return read_iir(u);
	case REG_LCR:
		return u->lcr;
	case REG_MCR:
		return u->mcr;
	case REG_LSR:
		return read_lsr(u);
	case REG_MSR:
		return read_msr(u);
	default:
		return u->scr;
	}
}

static void write_thr(struct uart *u, uint8_t val)
{
	u->thre = false;
	if (u->tx_count == uart_depth(u))
		u->tx_lost++;
	else
		u->tx[u->tx_count++] = val;
}

static void write_ier(struct uart *u, uint8_t val)
{
	/* Switched on over an empty transmitter it interrupts at once. */
	if (val & ~u->ier & IER_THRE && !u->tx_count)
		u->thre = true;
	u->ier = val & 0x0f;
}

/* "FIFO Control Register": a change of bit 0 empties both. */
static void write_fcr(struct uart *u, uint8_t val)
{
	if (u->chip == UDRV__UART_16450)
		return;
	if ((val ^ u->fcr) & FCR_ENABLE)
		val |= FCR_RESET_RX | FCR_RESET_TX;
	if (val & FCR_RESET_RX)
		uart_clear_rx(u);
	if (val & FCR_RESET_TX && u->tx_count) {
		u->tx_count = 0;
		u->thre = true;
	}
	u->fcr = val & FCR_ENABLE ? val & (uint8_t) ~(FCR_RESET_RX | FCR_RESET_TX) : 0;
}

static void write_lcr(struct uart *u, uint8_t val)
{
	if (val & ~u->lcr & LCR_BREAK) {
		u->breaks++;
		if (u->peer)
			(void)uart_line_put(&u->peer->in, LSR_BI << 8);
	}
	u->lcr = val;
}

static void write_reg(struct uart *u, unsigned int reg, uint8_t val)
{
	const bool dlab = u->lcr & LCR_DLAB;

	if (u->chip == UDRV__UART_ABSENT)
		return;
	switch (reg) {
	case REG_RBR:
		if (dlab)
			u->divisor = (uint16_t)((u->divisor & 0xff00) | val);
		else
			write_thr(u, val);
		break;
	case REG_IER:
		if (dlab)
			u->divisor = (uint16_t)((u->divisor & 0xff) | val << 8);
		else
			write_ier(u, val);
		break;
	case REG_IIR:
		write_fcr(u, val);
		break;
	case REG_LCR:
		write_lcr(u, val);
		break;
	case REG_MCR:
		u->mcr = val & 0x1f;
		uart_update_msr(u);
		uart_tell_peer(u);
		break;
	case REG_SCR:
		u->scr = val;
		break;
	}
}

/* Bytes only; what is not decoded reads as all ones. */
static struct uart *port_at(struct uarts *us, uint64_t offset, unsigned int size)
{
	return size == 1 && offset / UART_REGS < us->count ? &us->port[offset / UART_REGS] : NULL;
}

uint64_t uarts_read(void *state, unsigned int bar, uint64_t offset, unsigned int size)
{
	struct uarts *us = state;
	struct uart *u = port_at(us, offset, size);
	uint64_t val;

	(void)bar;
	if (!u)
		return UINT64_MAX;
	pthread_mutex_lock(&us->lock);
	val = read_reg(u, (unsigned int)offset % UART_REGS);
	uarts_update(us);
	pthread_mutex_unlock(&us->lock);
	return val;
}

void uarts_write(void *state, unsigned int bar, uint64_t offset, unsigned int size, uint64_t val)
{
	struct uarts *us = state;
	struct uart *u = port_at(us, offset, size);

	(void)bar;
	if (!u)
		return;
	pthread_mutex_lock(&us->lock);
	write_reg(u, (unsigned int)offset % UART_REGS, (uint8_t)val);
	uarts_update(us);
	pthread_mutex_unlock(&us->lock);
}
