// SPDX-License-Identifier: MIT
/* The wires of the software UARTs: to themselves, to each other, or to a test. */
#include "backend/model_uart_dev.h"
#include "pci/device.h"

/* What the receiver makes of a character that was sent as the transmitter is set. */
static uint16_t as_seen(const struct uart *from, const struct uart *to, uint8_t ch)
{
	if (from->divisor != to->divisor)
		return (uint16_t)(LSR_FE << 8 | ch);
	if ((from->lcr ^ to->lcr) & LCR_PARITY)
		return (uint16_t)(LSR_PE << 8 | ch);
	return ch;
}

/* False: there is no room for it now. */
static bool deliver(struct uart *u, uint8_t ch)
{
	if (u->mcr & MCR_LOOP) {
		uart_arrive(u, ch);
		return true;
	}
	if (u->peer)
		return uart_line_put(&u->peer->in, as_seen(u, u->peer, ch));
	if (!u->wired)
		return true;
	return !(u->how & UDRV__UART_STUCK) && uart_line_put(&u->out, ch);
}

static bool move_out(struct uart *u)
{
	unsigned int done = 0;

	while (done < u->tx_count && deliver(u, u->tx[done]))
		done++;
	if (!done)
		return false;
	u->tx_count -= done;
	for (unsigned int i = 0; i < u->tx_count; i++)
		u->tx[i] = u->tx[i + done];
	if (!u->tx_count)
		u->thre = true;
	return true;
}

/* In loop back mode the input pin is disconnected. */
bool uart_move_in(struct uart *u)
{
	uint16_t entry;
	bool any = false;

	if (u->mcr & MCR_LOOP || (u->how & UDRV__UART_OBEYS_RTS && !(u->mcr & MCR_RTS)))
		return false;
	while ((u->how & UDRV__UART_IMPATIENT || u->rx_count < uart_depth(u)) &&
	       uart_line_get(&u->in, &entry)) {
		uart_arrive(u, entry);
		any = true;
	}
	return any;
}

bool uart_move(struct uart *u)
{
	const bool out = move_out(u);

	return uart_move_in(u) || out;
}

/* A null modem: RTS to CTS, DTR to DSR and DCD. */
void uart_tell_peer(struct uart *u)
{
	const uint8_t mcr = u->mcr & MCR_LOOP ? 0 : u->mcr;

	if (!u->peer)
		return;
	u->peer->lines =
		(uint8_t)((mcr & MCR_RTS ? MSR_CTS : 0) | (mcr & MCR_DTR ? MSR_DSR | MSR_DCD : 0));
	uart_update_msr(u->peer);
}

static struct uarts *lock_uarts(struct udrv_device *dev)
{
	struct uarts *us = udrv__model_of(dev)->state;

	pthread_mutex_lock(&us->lock);
	return us;
}

static void unlock_uarts(struct uarts *us)
{
	uarts_update(us);
	pthread_mutex_unlock(&us->lock);
}

void udrv__model_uart_wire(struct udrv_device *dev, unsigned int port, unsigned int how)
{
	struct uarts *us = lock_uarts(dev);

	us->port[port].wired = true;
	us->port[port].how = how;
	unlock_uarts(us);
}

size_t udrv__model_uart_send(struct udrv_device *dev, unsigned int port, const void *bytes,
			     size_t len, unsigned int flags)
{
	struct uarts *us = lock_uarts(dev);
	const uint8_t *from = bytes;
	size_t n = 0;

	while (n < len && uart_line_put(&us->port[port].in, (uint16_t)(flags << 8 | from[n])))
		n++;
	unlock_uarts(us);
	return n;
}

size_t udrv__model_uart_receive(struct udrv_device *dev, unsigned int port, void *buf, size_t len)
{
	struct uarts *us = lock_uarts(dev);
	uint8_t *to = buf;
	uint16_t entry;
	size_t n = 0;

	while (n < len && uart_line_get(&us->port[port].out, &entry))
		to[n++] = (uint8_t)entry;
	unlock_uarts(us);
	return n;
}

void udrv__model_uart_set_lines(struct udrv_device *dev, unsigned int port, uint8_t lines)
{
	struct uarts *us = lock_uarts(dev);

	us->port[port].lines = lines & 0xf0;
	uart_update_msr(&us->port[port]);
	unlock_uarts(us);
}

void udrv__model_uart_look(struct udrv_device *dev, unsigned int port,
			   struct udrv__model_uart_state *state)
{
	struct uarts *us = lock_uarts(dev);
	const struct uart *u = &us->port[port];

	*state = (struct udrv__model_uart_state){
		.divisor = u->divisor,
		.ier = u->ier,
		.lcr = u->lcr,
		.mcr = u->mcr,
		.fcr = u->fcr,
		.trigger = uart_trigger(u),
		.to_receive = u->in.count + u->rx_count,
		.tx_lost = u->tx_lost,
		.rx_lost = u->rx_lost,
		.breaks = u->breaks,
	};
	for (int i = 0; i < UDRV__UART_FAULTS; i++)
		state->faults += u->faults[i];
	unlock_uarts(us);
}

void udrv__model_uart_set_chip(struct udrv_device *dev, unsigned int port,
			       enum udrv__model_uart_chip chip)
{
	struct uarts *us = lock_uarts(dev);

	us->port[port].chip = chip;
	unlock_uarts(us);
}

void udrv__model_uart_fault(struct udrv_device *dev, unsigned int port,
			    enum udrv__model_uart_fault fault, unsigned int times)
{
	struct uarts *us = lock_uarts(dev);

	us->port[port].faults[fault] += times;
	unlock_uarts(us);
}
