// SPDX-License-Identifier: MIT
/*
 * Interrupts. With MSI-X each queue has a vector, whose descriptor its thread waits for; without,
 * one handler reads the causes and wakes the threads. Sections are the datasheet's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <udrv/delay.h>

#include "e1000e.h"

#define OTHER_VECTOR 4

#define QUEUE_CAUSES (E1000E_ICR_RXQ(0) | E1000E_ICR_RXQ(1) | E1000E_ICR_TXQ(0) | E1000E_ICR_TXQ(1))
/*
 * All that raise the other vector, whether they are in IMS or not. But only one that is there sets
 * ASSERTED, and a read of ICR without that may lose interrupts (the specification update's).
 */
#define OTHER_CAUSES (E1000E_ICR_OTHERS | E1000E_ICR_OTHER)
/*
 * Longer than any interval (10.2.4.3: 16.8 ms): when vectors go while one is running, QEMU 7.2
 * ends itself.
 */
#define INTERVAL_MOST_MS 20

/* Interrupts per second by load, the first for little. */
static const unsigned int rates[] = {20000, 8000, 4000};

static bool is_msix(const struct e1000e *nic)
{
	return nic->irq_type == UDRV_PCI_IRQ_MSIX;
}

void e1000e_event_wake(const struct e1000e_event *event)
{
	const uint64_t one = 1;

	/* Cannot fail: the counter would have to be at its maximum. */
	if (event->fd >= 0)
		(void)!write(event->fd, &one, sizeof(one));
}

static void drain(const struct e1000e_event *event)
{
	uint64_t count;

	(void)!read(event->fd, &count, sizeof(count));
}

/* The handler: whoever waits for @cause. */
static void fire(struct e1000e_event *event, uint32_t icr)
{
	if (icr & event->cause && __atomic_exchange_n(&event->armed, false, __ATOMIC_SEQ_CST))
		e1000e_event_wake(event);
}

/*
 * With MSI-X the cause is the queue's alone, so it can be cleared, and a frame that was seen while
 * nobody slept does not interrupt. Reading back makes sure that what the card does from now on
 * interrupts, before the ring is looked at once more.
 */
void e1000e_event_arm(struct e1000e *nic, struct e1000e_event *event)
{
	drain(event);
	__atomic_store_n(&event->armed, true, __ATOMIC_SEQ_CST);
	if (is_msix(nic))
		e1000e_write(nic, E1000E_ICR, event->cause);
	e1000e_write(nic, E1000E_IMS, event->cause);
	(void)e1000e_read(nic, E1000E_IMS);
	udrv_dma_consume();
}

/* 10.2.4.1: what MSI-X tells by the last vector. */
static udrv_irqreturn_t other_interrupt(int irq, void *ctx)
{
	struct e1000e *nic = ctx;
	const uint32_t icr = e1000e_read(nic, E1000E_ICR);

	(void)irq;
	if (icr == UINT32_MAX)
		return UDRV_IRQ_NONE;
	e1000e_write(nic, E1000E_ICR, icr & OTHER_CAUSES);
	/* What is shown of the queues is theirs, and a card may clear all that is read. */
	if (icr & QUEUE_CAUSES)
		e1000e_write(nic, E1000E_ICS, icr & QUEUE_CAUSES);
	pthread_mutex_lock(&nic->lock);
	nic->irqs_other++;
	e1000e_hw_link(nic);
	e1000e_write(nic, E1000E_IMS, OTHER_CAUSES);
	pthread_mutex_unlock(&nic->lock);
	return UDRV_IRQ_HANDLED;
}

/* Causes that somebody still waits for. The read of ICR has masked all of them. */
static uint32_t still_armed(const struct e1000e *nic)
{
	uint32_t causes = 0;

	for (unsigned int n = 0; n < E1000E_QUEUES; n++) {
		const struct e1000e_rxq *rx = nic->rxq[n];
		const struct e1000e_txq *tx = nic->txq[n];

		if (rx && __atomic_load_n(&rx->event.armed, __ATOMIC_SEQ_CST))
			causes |= rx->event.cause;
		if (tx && __atomic_load_n(&tx->event.armed, __ATOMIC_SEQ_CST))
			causes |= tx->event.cause;
	}
	return causes;
}

/* 10.2.4.1: MSI, and a line that others may share. The lock: queues come and go. */
static udrv_irqreturn_t interrupt(int irq, void *ctx)
{
	struct e1000e *nic = ctx;
	const uint32_t icr = e1000e_read(nic, E1000E_ICR);

	(void)irq;
	if (icr == UINT32_MAX || !(icr & E1000E_ICR_ASSERTED))
		return UDRV_IRQ_NONE;
	e1000e_write(nic, E1000E_ICR, icr);
	pthread_mutex_lock(&nic->lock);
	for (unsigned int n = 0; n < E1000E_QUEUES; n++) {
		if (nic->rxq[n])
			fire(&nic->rxq[n]->event, icr);
		if (nic->txq[n])
			fire(&nic->txq[n]->event, icr);
	}
	nic->irqs_other++;
	if (icr & E1000E_ICR_LSC)
		e1000e_hw_link(nic);
	e1000e_write(nic, E1000E_IMS, still_armed(nic) | E1000E_ICR_LSC);
	pthread_mutex_unlock(&nic->lock);
	return UDRV_IRQ_HANDLED;
}

/* MSI-X, or what is less, down from what is wanted. */
static int alloc_vectors(struct e1000e *nic, const char *wanted)
{
	const bool msix = !strcmp(wanted, "msix");
	const bool msi = !strcmp(wanted, "msi");
	int ret = -ENOSPC;

	if (!msix && !msi && strcmp(wanted, "intx") != 0) {
		udrv_dev_err(nic->dev, "interrupts=%s: the values are msix, msi and intx", wanted);
		return -EINVAL;
	}
	if (msix)
		ret = udrv_pci_alloc_irq_vectors(nic->dev, E1000E_VECTORS, E1000E_VECTORS,
						 UDRV_PCI_IRQ_MSIX);
	if (ret == -ENOSPC)
		ret = udrv_pci_alloc_irq_vectors(nic->dev, 1, 1,
						 msix || msi ? UDRV_PCI_IRQ_MSI | UDRV_PCI_IRQ_INTX
							     : UDRV_PCI_IRQ_INTX);
	return ret < 0 ? ret : 0;
}

int e1000e_irq_init(struct e1000e *nic, const char *wanted)
{
	int ret = alloc_vectors(nic, wanted);

	if (ret)
		return ret;
	nic->irq_type = udrv_pci_irq_type(nic->dev);
	if (is_msix(nic))
		ret = udrv_request_irq(nic->dev, udrv_pci_irq_vector(nic->dev, OTHER_VECTOR),
				       other_interrupt, 0, "e1000e-other", nic);
	else
		ret = udrv_request_irq(nic->dev, udrv_pci_irq_vector(nic->dev, 0), interrupt,
				       nic->irq_type == UDRV_PCI_IRQ_INTX ? UDRV_IRQF_SHARED : 0,
				       "e1000e", nic);
	if (ret)
		udrv_pci_free_irq_vectors(nic->dev);
	return ret;
}

/* The card is quiet already. */
void e1000e_irq_exit(struct e1000e *nic)
{
	const unsigned int vector = is_msix(nic) ? OTHER_VECTOR : 0;

	(void)udrv_free_irq(nic->dev, udrv_pci_irq_vector(nic->dev, vector), nic);
	if (nic->throttled)
		udrv_msleep(INTERVAL_MOST_MS);
	udrv_pci_free_irq_vectors(nic->dev);
}

/*
 * 10.2.4.7 to 10.2.4.9. The message of a queue clears and masks its cause: its thread does not want
 * to hear of more before it sleeps again. Without MSI-X the read of ICR does it.
 */
void e1000e_irq_start(struct e1000e *nic)
{
	uint32_t ext = e1000e_read(nic, E1000E_CTRL_EXT);
	uint32_t ivar = 0;

	ext &= ~(E1000E_CTRL_EXT_EIAME | E1000E_CTRL_EXT_IAME | E1000E_CTRL_EXT_PBA);
	if (is_msix(nic)) {
		for (unsigned int i = 0; i < E1000E_VECTORS; i++)
			ivar |= E1000E_IVAR_ENTRY(i, i);
		e1000e_write(nic, E1000E_IVAR, ivar);
		e1000e_write(nic, E1000E_EIAC, QUEUE_CAUSES);
		e1000e_write(nic, E1000E_IAM, QUEUE_CAUSES);
		ext |= E1000E_CTRL_EXT_EIAME | E1000E_CTRL_EXT_PBA;
	} else {
		e1000e_write(nic, E1000E_EIAC, 0);
		e1000e_write(nic, E1000E_IAM, UINT32_MAX);
		ext |= E1000E_CTRL_EXT_IAME;
	}
	e1000e_write(nic, E1000E_CTRL_EXT, ext);
	/* Intervals do all that is needed: no further delay of what is told. */
	e1000e_write(nic, E1000E_RDTR, 0);
	e1000e_write(nic, E1000E_RADV, 0);
	e1000e_write(nic, E1000E_TIDV, 0);
	e1000e_write(nic, E1000E_TADV, 0);
	e1000e_moderate(nic);
	e1000e_write(nic, E1000E_IMS, is_msix(nic) ? OTHER_CAUSES : E1000E_ICR_LSC);
}

/* A vector's descriptor is a blocking one for who has it next. 0 or negative errno. */
static int set_blocking(int fd, bool on)
{
	const int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, on ? flags & ~O_NONBLOCK : flags | O_NONBLOCK))
		return -errno;
	return 0;
}

int e1000e_event_init(struct e1000e *nic, struct e1000e_event *event, bool tx, unsigned int n)
{
	event->irq = -1;
	if (!is_msix(nic)) {
		event->cause = tx ? E1000E_ICR_TXDW : E1000E_ICR_RXT0 | E1000E_ICR_RXO;
		event->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		return event->fd < 0 ? -errno : 0;
	}
	event->cause = tx ? E1000E_ICR_TXQ(n) : E1000E_ICR_RXQ(n);
	event->irq = udrv_pci_irq_vector(nic->dev, n + (tx ? E1000E_QUEUES : 0));
	event->fd =
		udrv_request_irq_fd(nic->dev, event->irq, tx ? "e1000e-tx" : "e1000e-rx", event);
	if (event->fd < 0)
		return event->fd;
	return set_blocking(event->fd, false);
}

void e1000e_event_exit(struct e1000e *nic, struct e1000e_event *event)
{
	if (event->fd < 0)
		return;
	if (event->irq >= 0) {
		(void)set_blocking(event->fd, true);
		(void)udrv_free_irq(nic->dev, event->irq, event);
	} else {
		close(event->fd);
	}
	event->fd = -1;
}

/* 10.2.4.2: units between two interrupts. */
static uint32_t interval_of(unsigned int per_second)
{
	const uint32_t units = 1000000000u / E1000E_ITR_UNIT_NS / per_second;

	if (!units)
		return 1;
	return units < E1000E_ITR_MAX ? units : E1000E_ITR_MAX;
}

unsigned int e1000e_interval(const struct e1000e *nic, unsigned int load)
{
	switch (nic->moderation) {
	case E1000E_OFF:
		return 0;
	case E1000E_FIXED:
		return interval_of(nic->irqs_per_second);
	case E1000E_ADAPTIVE:
		break;
	}
	return interval_of(rates[load]);
}

/* An interval that was never set is none, and is left so. */
static void set_interval(struct e1000e *nic, uint32_t reg, uint32_t units)
{
	if (!units && !nic->throttled)
		return;
	nic->throttled = true;
	e1000e_write(nic, reg, units);
}

void e1000e_moderate(struct e1000e *nic)
{
	if (!is_msix(nic)) {
		set_interval(nic, E1000E_ITR, e1000e_interval(nic, 0));
		return;
	}
	for (unsigned int i = 0; i < E1000E_QUEUES; i++) {
		const struct e1000e_rxq *rx = nic->rxq[i];

		set_interval(nic, E1000E_EITR(i), e1000e_interval(nic, rx ? rx->load : 0));
	}
	for (unsigned int i = E1000E_QUEUES; i < E1000E_VECTORS; i++)
		set_interval(nic, E1000E_EITR(i), e1000e_interval(nic, 1));
}

int e1000e_parse_moderation(const char *text, enum e1000e_moderation *how, unsigned int *per_second)
{
	unsigned long rate;
	char *end;

	if (!strcmp(text, "off") || !strcmp(text, "adaptive")) {
		*how = *text == 'o' ? E1000E_OFF : E1000E_ADAPTIVE;
		return 0;
	}
	errno = 0;
	rate = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || rate < 60 || rate > 1000000)
		return -EINVAL;
	*how = E1000E_FIXED;
	*per_second = (unsigned int)rate;
	return 0;
}

/*
 * Unless the lock is taken: who has it may be about to reset the card, and waits for whoever is
 * inside a door.
 */
static void set_load(struct e1000e_rxq *q, unsigned int load)
{
	struct e1000e *nic = q->nic;

	if (pthread_mutex_trylock(&nic->lock))
		return;
	if (nic->moderation == E1000E_ADAPTIVE) {
		q->load = load;
		if (is_msix(nic))
			e1000e_write(nic, E1000E_EITR(q->q.index), interval_of(rates[load]));
		else if (!q->q.index)
			e1000e_write(nic, E1000E_ITR, interval_of(rates[load]));
	}
	pthread_mutex_unlock(&nic->lock);
}

/*
 * Frames since it slept last: few want to be told at once, many rarely. It changes by one step at a
 * time, so that a single burst does not; to be woken for nothing says nothing.
 */
void e1000e_adapt(struct e1000e_rxq *q)
{
	const uint64_t frames = q->q.packets - q->seen;
	const unsigned int wanted = frames > 64 ? 2 : frames > 8;
	const unsigned int load = q->load;

	q->seen = q->q.packets;
	if (frames && wanted != load)
		set_load(q, wanted > load ? load + 1 : load - 1);
}
