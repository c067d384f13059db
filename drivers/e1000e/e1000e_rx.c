// SPDX-License-Identifier: MIT
/* Receiving: a ring of extended descriptors, one buffer each. Sections are the datasheet's. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/dma.h>

#include "e1000e.h"

#define REFILL	       32 /* buffers, if there is time for it */
#define REFILL_AT_ONCE 64 /* they are allocated in such parts */
#define PREFETCH_AHEAD 4
#define KEEP_MAX       (1u << 20) /* of a queue by the user: 2 GiB of frames, and more */

/* What of a status says if there is a frame. */
#define JUDGED (E1000E_RXD_DD | E1000E_RXD_EOP | E1000E_RXD_BROKEN)

/* What a status says of tag and checksums: the frame has more than bytes. */
#define SPECIAL                                                                                    \
	(E1000E_RXD_VP | E1000E_RXD_UDPCS | E1000E_RXD_TCPCS | E1000E_RXD_TCPE | E1000E_RXD_IPE)

/* What the card writes is read once, and the status before everything else. */
#define READ_ONCE(x)   __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define READ_STATUS(x) __atomic_load_n(&(x), __ATOMIC_ACQUIRE)

static struct e1000e_rxq *rxq_of(struct udrv_net_rxq *q)
{
	return (struct e1000e_rxq *)(void *)q;
}

/* The buffers of so many slots from @slot on, before the end of the ring. */
static void give(struct e1000e_rxq *q, uint32_t slot, uint32_t count)
{
	struct udrv_net_buf *const *const end = &q->bufs[slot] + count;
	union e1000e_rx_desc *desc = &q->ring[slot];

#pragma GCC unroll 4
	for (ptrdiff_t at = -(ptrdiff_t)count; at; at++, desc++) {
		__atomic_store_n(&desc->read.address, htole64(udrv_net_buf_iova(end[at])),
				 __ATOMIC_RELAXED);
		__atomic_store_n(&desc->read.zero, 0, __ATOMIC_RELAXED);
	}
	q->fill += count;
}

/* The card may have all but one: a full ring would look like an empty one (7.1.8). */
static uint32_t missing(const struct e1000e_rxq *q)
{
	return q->mask - (q->fill - q->next);
}

/* Half of the ring at a time: each write of the tail costs more than the buffers, QEMU's most. */
static bool is_hungry(const struct e1000e_rxq *q)
{
	return missing(q) > q->mask / 2;
}

static void refill(struct e1000e_rxq *q)
{
	const uint32_t before = q->fill;

	while (missing(q)) {
		const uint32_t slot = q->fill & q->mask;
		const uint32_t n =
			e1000e_least(e1000e_least(missing(q), REFILL_AT_ONCE), q->mask + 1 - slot);

		if (udrv_net_buf_alloc_bulk(q->pool, UDRV_GFP_ATOMIC, n, &q->bufs[slot])) {
			UDRV__COUNT(q->no_buffers, 1);
			break;
		}
		give(q, slot, n);
	}
	if (q->fill != before)
		udrv_iowrite32(q->fill & q->mask, q->tail);
}

/* Put the tag back between the addresses and the type. */
static void untag(struct udrv_net_buf *buf)
{
	unsigned char *data = buf->data - 4; /* it is in the headroom */

	buf->data = data;
	buf->len += 4;
	memmove(data, data + 4, 2 * UDRV_ETH_ALEN);
	data[12] = E1000E_VLAN_TYPE >> 8;
	data[13] = E1000E_VLAN_TYPE & 0xff;
	data[14] = (unsigned char)(buf->vlan_tci >> 8);
	data[15] = (unsigned char)buf->vlan_tci;
	buf->flags &= ~UDRV_NET_VLAN;
}

/* 7.1.6, 7.1.9: what the card says of tag and checksums. */
static __attribute__((noinline)) void
set_flags(const struct e1000e_rxq *q, struct udrv_net_buf *buf, uint32_t status, uint16_t vlan)
{
	if (!(status & E1000E_RXD_IXSM)) {
		if (status & (E1000E_RXD_TCPE | E1000E_RXD_IPE))
			buf->flags |= UDRV_NET_RX_CSUM_BAD;
		else if (status & (E1000E_RXD_TCPCS | E1000E_RXD_UDPCS))
			buf->flags |= UDRV_NET_RX_CSUM_GOOD;
	}
	if (status & E1000E_RXD_VP) {
		buf->vlan_tci = le16toh(vlan);
		buf->flags |= UDRV_NET_VLAN;
		if (q->untag)
			untag(buf);
	}
}

/* Why a descriptor is not a frame: counted once for each frame. */
static __attribute__((noinline)) void drop(struct e1000e_rxq *q, struct udrv_net_buf *buf,
					   uint32_t status, uint32_t len)
{
	const bool last = status & E1000E_RXD_EOP;

	udrv_net_buf_free(buf);
	if (q->skipping) {
		q->skipping = !last;
		return;
	}
	UDRV__COUNT(q->q.dropped, 1);
	if (!last) {
		UDRV__COUNT(q->spanned, 1);
		q->skipping = true;
	} else if (len < UDRV_ETH_HLEN || len > q->room) {
		UDRV__COUNT(q->nonsense, 1);
	} else {
		UDRV__COUNT(q->broken, 1);
	}
}

/*
 * Frames from the next on, before the end of the ring, up to a descriptor that has none: how many,
 * and in @stop its status. Not inlined: alone it has registers enough.
 */
static __attribute__((noinline)) uint32_t take(const struct e1000e_rxq *q,
					       struct udrv_net_buf **bufs, uint32_t n,
					       uint64_t *bytes, uint32_t *stop)
{
	const union e1000e_rx_desc *desc = &q->ring[q->next & q->mask];
	struct udrv_net_buf **const slots_end = &q->bufs[q->next & q->mask] + n;
	struct udrv_net_buf **const bufs_end = bufs + n;
	const uint32_t good = E1000E_RXD_DD | E1000E_RXD_EOP, span = q->room - UDRV_ETH_HLEN;
	ptrdiff_t at = -(ptrdiff_t)n; /* for both arrays */
	uint64_t sum = 0;

	for (; at; at++, desc++) {
		const uint32_t status = le32toh(READ_STATUS(desc->wb.status));
		struct udrv_net_buf *buf = slots_end[at];
		uint64_t len, unfit;

		udrv_dma_consume();
		__builtin_prefetch(slots_end[at + PREFETCH_AHEAD], 1);
		len = le16toh(READ_ONCE(desc->wb.length));
		unfit = -(uint64_t)(len - UDRV_ETH_HLEN > span);
		buf->len = (uint32_t)len;
		if (e1000e_unlikely(unfit | ((status & (JUDGED | SPECIAL)) ^ good))) {
			if (unfit | ((status & JUDGED) ^ good)) {
				*stop = status;
				break;
			}
			set_flags(q, buf, status, READ_ONCE(desc->wb.vlan));
			len = buf->len;
		}
		__builtin_prefetch(buf->data);
		sum += len;
		bufs_end[at] = buf;
	}
	*bytes += sum;
	return n + (uint32_t)at;
}

static unsigned int receive(struct e1000e_rxq *q, struct udrv_net_buf **bufs, unsigned int n)
{
	uint32_t got = 0, status = 0;
	uint64_t bytes = 0;

	while (got < n && q->next != q->fill) {
		const uint32_t to_wrap = q->mask + 1 - (q->next & q->mask);
		const uint32_t most =
			e1000e_least(e1000e_least(n - got, q->fill - q->next), to_wrap);
		uint32_t slot, taken = 0;

		if (e1000e_likely(!q->skipping))
			taken = take(q, bufs + got, most, &bytes, &status);
		else
			status = le32toh(READ_STATUS(q->ring[q->next & q->mask].wb.status));
		got += taken;
		q->next += taken;
		if (taken == most)
			continue;
		if (!(status & E1000E_RXD_DD))
			break;
		slot = q->next++ & q->mask;
		drop(q, q->bufs[slot], status, le16toh(READ_ONCE(q->ring[slot].wb.length)));
	}
	UDRV__COUNT(q->q.packets, got);
	UDRV__COUNT(q->q.bytes, bytes);
	return got;
}

static unsigned int burst(struct udrv_net_rxq *rxq, struct udrv_net_buf **bufs, unsigned int n)
{
	struct e1000e_rxq *q = rxq_of(rxq);
	unsigned int got;

	if (!e1000e_enter(&q->door))
		return 0;
	got = receive(q, bufs, n);
	if (is_hungry(q))
		refill(q);
	e1000e_leave(&q->door);
	return got;
}

static bool pending(const struct e1000e_rxq *q)
{
	return q->next != q->fill &&
	       le32toh(READ_STATUS(q->ring[q->next & q->mask].wb.status)) & E1000E_RXD_DD;
}

bool e1000e_rx_pending(struct udrv_net_rxq *rxq)
{
	struct e1000e_rxq *q = rxq_of(rxq);
	bool is;

	if (!e1000e_enter(&q->door))
		return false;
	is = pending(q);
	e1000e_leave(&q->door);
	return is;
}

bool e1000e_rx_arm(struct udrv_net_rxq *rxq)
{
	struct e1000e_rxq *q = rxq_of(rxq);
	bool is;

	if (!e1000e_enter(&q->door))
		return false;
	/* There is time, and a burst may come meanwhile. */
	if (missing(q) >= REFILL)
		refill(q);
	is = pending(q);
	if (!is) {
		e1000e_adapt(q);
		e1000e_event_arm(q->nic, &q->event);
		is = pending(q);
	}
	e1000e_leave(&q->door);
	return is;
}

int e1000e_rx_event_fd(struct udrv_net_rxq *rxq)
{
	return rxq_of(rxq)->event.fd;
}

/* With room for tag and frame check sequence, though the card takes them away. */
uint32_t e1000e_rx_room(unsigned int mtu)
{
	const uint32_t frame = mtu + UDRV_ETH_HLEN + 8;
	uint32_t room = 2048;

	while (room < frame)
		room *= 2;
	return room;
}

int e1000e_rx_make(struct e1000e *nic, unsigned int n)
{
	const struct udrv_net_options *o = &nic->ndev.options;
	const uint32_t size = e1000e_ring_of(o->rx_ring);
	struct e1000e_rxq *q;
	int ret;

	if (o->rx_buffers > KEEP_MAX) {
		udrv_dev_err(nic->dev, "rx_buffers=%u: at most %u may be kept", o->rx_buffers,
			     KEEP_MAX);
		return -EINVAL;
	}
	q = aligned_alloc(64, (sizeof(*q) + 63) / 64 * 64);
	if (!q)
		return -ENOMEM;
	memset(q, 0, sizeof(*q));
	nic->rxq[n] = q;
	q->q.burst = burst;
	q->q.ndev = &nic->ndev;
	q->q.index = n;
	q->door.fences = !nic->membarrier;
	q->door.shut = true;
	q->nic = nic;
	q->mask = size - 1;
	q->room = e1000e_rx_room(nic->mtu);
	q->untag = !(nic->ndev.features & UDRV_NET_F_VLAN_RX);
	q->tail = (char __udrv_iomem *)nic->regs + E1000E_RDT(n);
	q->event.fd = -1;
	q->ring_bytes = size * sizeof(union e1000e_rx_desc);
	q->ring = udrv_dma_alloc_coherent(nic->dev, q->ring_bytes, &q->iova, UDRV_GFP_KERNEL);
	/* Those behind the last one are looked at, ahead of it, and are nothing. */
	q->bufs = calloc(size + PREFETCH_AHEAD, sizeof(struct udrv_net_buf *));
	/* Twice, as up to two threads keep a quarter each for themselves. */
	q->pool = udrv_net_pool_create(nic->dev, "e1000e-rx", q->room,
				       (size_t)2 * (size + (o->rx_buffers ? o->rx_buffers : size)));
	ret = q->ring && q->bufs && q->pool ? 0 : -ENOMEM;
	return ret ? ret : e1000e_event_init(nic, &q->event, false, n);
}

static void free_buffers(struct e1000e_rxq *q)
{
	for (; q->next != q->fill; q->next++)
		udrv_net_buf_free(q->bufs[q->next & q->mask]);
}

/* The user may have forgotten some: then the memory stays, as the pool says. */
void e1000e_rx_free(struct e1000e_rxq *q)
{
	struct e1000e *nic = q->nic;

	e1000e_event_exit(nic, &q->event);
	if (q->bufs)
		free_buffers(q);
	if (udrv_net_pool_destroy(q->pool))
		udrv_dev_err(nic->dev, "received frames were not freed before the card was closed");
	free(q->bufs);
	udrv_dma_free_coherent(nic->dev, q->ring_bytes, q->ring, q->iova);
	free(q);
}

/* 4.6.5: an empty ring, while the receiver is off. */
void e1000e_rx_start(struct e1000e_rxq *q)
{
	struct e1000e *nic = q->nic;
	const unsigned int n = q->q.index;

	free_buffers(q);
	memset(q->ring, 0, q->ring_bytes);
	q->next = 0;
	q->fill = 0;
	q->skipping = false;
	e1000e_write(nic, E1000E_RDBAL(n), (uint32_t)q->iova);
	e1000e_write(nic, E1000E_RDBAH(n), (uint32_t)(q->iova >> 32));
	e1000e_write(nic, E1000E_RDLEN(n), (uint32_t)q->ring_bytes);
	e1000e_write(nic, E1000E_RDH(n), 0);
	e1000e_write(nic, E1000E_RDT(n), 0);
}

/* 4.6.5: once the receiver is on, the buffers. */
void e1000e_rx_open(struct e1000e_rxq *q)
{
	refill(q);
	__atomic_store_n(&q->door.shut, false, __ATOMIC_RELEASE);
}
