// SPDX-License-Identifier: MIT
/* A card in use: its queues come and go, and it is looked after. Sections are the datasheet's. */
#include <errno.h>
#include <linux/membarrier.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <udrv/container_of.h>
#include <udrv/delay.h>
#include <udrv/pci.h>

#include "e1000e.h"

#define STUCK_TICKS 2	       /* watchdog periods in which it has something and does not move */
#define NOWHERE	    UINT32_MAX /* there was nothing to send */

/* Nobody is in a ring when it returns. */
static void shut(struct e1000e *nic, struct e1000e_door *door)
{
	__atomic_store_n(&door->shut, true, __ATOMIC_SEQ_CST);
	if (nic->membarrier)
		syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
	else
		udrv_smp_mb();
	while (__atomic_load_n(&door->inside, __ATOMIC_ACQUIRE))
		udrv_usleep_range(10, 50);
}

static void shut_all(struct e1000e *nic)
{
	for (unsigned int n = 0; n < E1000E_QUEUES; n++) {
		if (nic->rxq[n])
			shut(nic, &nic->rxq[n]->door);
		if (nic->txq[n])
			shut(nic, &nic->txq[n]->door);
	}
}

static void wake_all(const struct e1000e *nic)
{
	for (unsigned int n = 0; n < E1000E_QUEUES; n++) {
		if (nic->rxq[n])
			e1000e_event_wake(&nic->rxq[n]->event);
		if (nic->txq[n])
			e1000e_event_wake(&nic->txq[n]->event);
	}
}

/* 7.1.11: two queues share what is received by a hash of addresses and ports. */
static void start_rss(struct e1000e *nic)
{
	/* Any will do whose bits are mixed: the queue is the hash's last one. */
	static const uint32_t key[E1000E_RSSRK_WORDS] = {
		0xecd5c000, 0xded254a0, 0xe58d5d62, 0x7521781d, 0x629190aa,
		0xba31ae29, 0x0ddeec8d, 0xb60904ec, 0x526884c1, 0x52a92961,
	};
	uint32_t csum = 0;

	if (nic->ndev.features & UDRV_NET_F_RX_CSUM)
		csum |= E1000E_RXCSUM_IPOFLD | E1000E_RXCSUM_TUOFLD;
	if (nic->rxq[1]) {
		const uint32_t pair = E1000E_RETA_QUEUE(0) | E1000E_RETA_QUEUE(1) << 8;

		csum |= E1000E_RXCSUM_PCSD;
		for (unsigned int i = 0; i < E1000E_RETA_WORDS; i++)
			e1000e_write(nic, E1000E_RETA(i), pair | pair << 16);
		for (unsigned int i = 0; i < E1000E_RSSRK_WORDS; i++)
			e1000e_write(nic, E1000E_RSSRK(i), key[i]);
	}
	e1000e_write(nic, E1000E_RXCSUM, csum);
	e1000e_write(nic, E1000E_MRQC, nic->rxq[1] ? E1000E_MRQC_RSS | E1000E_MRQC_FIELDS : 0);
}

/* 10.2.5.1 */
static uint32_t receive_control(const struct e1000e *nic)
{
	uint32_t rctl = E1000E_RCTL_BAM | E1000E_RCTL_SECRC;

	if (nic->mtu > 1500)
		rctl |= E1000E_RCTL_LPE;
	switch (e1000e_rx_room(nic->mtu)) {
	case 4096:
		return rctl | E1000E_RCTL_BSIZE_4096;
	case 8192:
		return rctl | E1000E_RCTL_BSIZE_8192;
	case 16384:
		return rctl | E1000E_RCTL_BSIZE_16384;
	default:
		return rctl | E1000E_RCTL_BSIZE_2048;
	}
}

/* 4.6.5 */
static void start_receiver(struct e1000e *nic)
{
	e1000e_write(nic, E1000E_RFCTL,
		     E1000E_RFCTL_EXSTEN | E1000E_RFCTL_ACK_DIS | E1000E_RFCTL_NFSW_DIS |
			     E1000E_RFCTL_NFSR_DIS);
	for (unsigned int n = 0; n < E1000E_QUEUES; n++)
		if (nic->rxq[n])
			e1000e_rx_start(nic->rxq[n]);
	start_rss(nic);
	e1000e_write(nic, E1000E_RCTL, receive_control(nic));
	e1000e_filter_set(nic);
	e1000e_write(nic, E1000E_RCTL, e1000e_read(nic, E1000E_RCTL) | E1000E_RCTL_EN);
	for (unsigned int n = 0; n < E1000E_QUEUES; n++)
		if (nic->rxq[n])
			e1000e_rx_open(nic->rxq[n]);
}

/* 4.6.6 */
static void start_transmitter(struct e1000e *nic)
{
	for (unsigned int n = 0; n < E1000E_QUEUES; n++)
		if (nic->txq[n])
			e1000e_tx_start(nic->txq[n]);
	e1000e_write(nic, E1000E_TIPG, E1000E_TIPG_COPPER);
	e1000e_write(nic, E1000E_TCTL,
		     E1000E_TCTL_EN | E1000E_TCTL_PSP | E1000E_TCTL_CT | E1000E_TCTL_COLD |
			     E1000E_TCTL_RTLC | E1000E_TCTL_MULR);
	for (unsigned int n = 0; n < E1000E_QUEUES; n++)
		if (nic->txq[n])
			e1000e_tx_open(nic->txq[n]);
}

/* With the lock. The order is that of 4.6.1. */
static int start(struct e1000e *nic)
{
	int ret = e1000e_hw_reset(nic);

	/* What could not be stopped was cut off. */
	if (!ret)
		ret = udrv_pci_set_master(nic->dev);
	if (!ret)
		ret = e1000e_hw_init(nic);
	if (ret)
		return ret;
	nic->failed = false;
	if (nic->ndev.features & (UDRV_NET_F_VLAN_RX | UDRV_NET_F_VLAN_TX))
		e1000e_write(nic, E1000E_CTRL, e1000e_read(nic, E1000E_CTRL) | E1000E_CTRL_VME);
	start_receiver(nic);
	start_transmitter(nic);
	e1000e_irq_start(nic);
	e1000e_hw_link(nic);
	nic->up = true;
	return 0;
}

/* The device first: nothing of it reaches memory afterwards. With the lock. */
static void halt(struct e1000e *nic)
{
	nic->up = false;
	shut_all(nic);
	if (udrv_device_gone(nic->dev)) {
		/* It may still be there, and at work: the kernel wants it back. */
		(void)udrv_pci_clear_master(nic->dev);
		udrv_netif_carrier_off(&nic->ndev);
		return;
	}
	e1000e_stats_read(nic);
	if (e1000e_hw_reset(nic)) {
		udrv_dev_err(nic->dev, "the card is cut off from memory, as it cannot be stopped");
		(void)udrv_pci_clear_master(nic->dev);
	}
}

static void free_queues(struct e1000e *nic)
{
	for (unsigned int n = 0; n < E1000E_QUEUES; n++) {
		if (nic->rxq[n])
			e1000e_rx_free(nic->rxq[n]);
		if (nic->txq[n])
			e1000e_tx_free(nic->txq[n]);
		nic->rxq[n] = NULL;
		nic->txq[n] = NULL;
	}
}

static int make_queues(struct e1000e *nic)
{
	const struct udrv_net_options *o = &nic->ndev.options;
	int ret = 0;

	for (unsigned int n = 0; !ret && n < o->rx_queues; n++)
		ret = e1000e_rx_make(nic, n);
	for (unsigned int n = 0; !ret && n < o->tx_queues; n++)
		ret = e1000e_tx_make(nic, n);
	return ret;
}

static void next_tick(struct e1000e *nic)
{
	(void)udrv_queue_delayed_work(nic->wq, &nic->tick,
				      (unsigned long)nic->tick_ms * UDRV_HZ / 1000);
}

/* Closed, it still tells of its link. With the lock. */
static void idle(struct e1000e *nic)
{
	if (udrv_device_gone(nic->dev) || e1000e_hw_init(nic))
		return;
	e1000e_irq_start(nic);
	e1000e_hw_link(nic);
}

int e1000e_open(struct udrv_net_device *ndev)
{
	struct e1000e *nic = ndev->priv;
	int ret;

	pthread_mutex_lock(&nic->lock);
	nic->mtu = ndev->mtu;
	memset(nic->vfta, 0, sizeof(nic->vfta));
	if (ndev->features & UDRV_NET_F_VLAN_FILTER)
		nic->vfta[0] = 1; /* VLAN 0 is a priority only */
	ret = make_queues(nic);
	if (!ret)
		ret = start(nic);
	if (ret) {
		halt(nic);
		free_queues(nic);
		idle(nic);
		pthread_mutex_unlock(&nic->lock);
		return ret;
	}
	for (unsigned int n = 0; n < E1000E_QUEUES; n++) {
		ndev->rxq[n] = nic->rxq[n] ? &nic->rxq[n]->q : NULL;
		ndev->txq[n] = nic->txq[n] ? &nic->txq[n]->q : NULL;
	}
	pthread_mutex_unlock(&nic->lock);
	next_tick(nic);
	return 0;
}

int e1000e_stop(struct udrv_net_device *ndev)
{
	struct e1000e *nic = ndev->priv;

	(void)udrv_cancel_delayed_work_sync(&nic->tick);
	pthread_mutex_lock(&nic->lock);
	halt(nic);
	nic->failed = false;
	free_queues(nic);
	idle(nic);
	pthread_mutex_unlock(&nic->lock);
	return 0;
}

/* 10.2.6: it has had something all the time, and its head has not moved for whole periods. */
static bool is_stuck(struct e1000e *nic, struct e1000e_txq *q, uint32_t head, uint32_t tail)
{
	const bool paused = e1000e_read(nic, E1000E_STATUS) & E1000E_STATUS_TXOFF;

	q->stuck = head != tail && head == q->head_seen && !paused ? q->stuck + 1 : 0;
	q->head_seen = head != tail ? head : NOWHERE;
	if (q->stuck < STUCK_TICKS)
		return false;
	udrv_dev_err(nic->dev,
		     "transmitter %u hangs at descriptor %u of up to %u: the card is reset",
		     q->q.index, head, tail);
	return true;
}

/* It has frames that were not freed. */
static bool is_owed(const struct e1000e_txq *q, uint64_t done)
{
	return done != __atomic_load_n(&q->q.packets, __ATOMIC_RELAXED);
}

/*
 * All has been sent, and the queue's thread has not freed it for a while: it has nothing to send,
 * or the card has not reported it.
 */
static void collect(struct e1000e *nic, struct e1000e_txq *q)
{
	const uint64_t done = __atomic_load_n(&q->done, __ATOMIC_RELAXED);
	const bool idle = done == q->done_seen && is_owed(q, done);

	q->done_seen = is_owed(q, done) ? done : UINT64_MAX;
	q->silent = idle ? q->silent + 1 : 0;
	if (!idle)
		return;
	shut(nic, &q->door);
	/* It may have sent more meanwhile. */
	if (e1000e_read(nic, E1000E_TDH(q->q.index)) == (q->tail & q->mask))
		e1000e_tx_collect(q, q->silent >= STUCK_TICKS);
	e1000e_tx_open(q);
}

/* False: it hangs. */
static bool look_after(struct e1000e *nic, struct e1000e_txq *q)
{
	const uint32_t head = e1000e_read(nic, E1000E_TDH(q->q.index));
	const uint32_t tail = e1000e_read(nic, E1000E_TDT(q->q.index));

	/* What is no descriptor is no answer. */
	if (head > q->mask || tail > q->mask)
		return true;
	if (is_stuck(nic, q, head, tail))
		return false;
	if (head == tail)
		collect(nic, q);
	return true;
}

/* The frames that it had are lost. If it fails, each tick tries again. */
static void restart(struct e1000e *nic)
{
	const bool again = nic->failed;

	if (!again)
		halt(nic);
	if (!start(nic)) {
		if (again)
			udrv_dev_notice(nic->dev, "a reset has succeeded: the card is used again");
	} else if (!again) {
		udrv_dev_err(nic->dev, "the card is not used until a reset succeeds");
		nic->failed = true;
		udrv_netif_carrier_off(&nic->ndev);
	}
	__atomic_store_n(&nic->resets, nic->resets + 1, __ATOMIC_RELEASE);
}

void e1000e_tick(struct udrv_work_struct *work)
{
	struct udrv_delayed_work *dwork = udrv_container_of(work, struct udrv_delayed_work, work);
	struct e1000e *nic = udrv_container_of(dwork, struct e1000e, tick);
	bool stuck;

	pthread_mutex_lock(&nic->lock);
	if (udrv_device_gone(nic->dev)) {
		udrv_netif_carrier_off(&nic->ndev);
		wake_all(nic);
		pthread_mutex_unlock(&nic->lock);
		return;
	}
	e1000e_stats_read(nic);
	stuck = nic->failed;
	for (unsigned int n = 0; nic->up && n < E1000E_QUEUES; n++)
		stuck |= nic->txq[n] && !look_after(nic, nic->txq[n]);
	if (stuck)
		restart(nic);
	/* An interrupt may have been lost. */
	e1000e_hw_link(nic);
	wake_all(nic);
	next_tick(nic);
	pthread_mutex_unlock(&nic->lock);
}
