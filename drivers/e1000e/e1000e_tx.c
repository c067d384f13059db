// SPDX-License-Identifier: MIT
/* Sending: a ring of extended descriptors. Sections are the datasheet's. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "e1000e.h"

#define REPORT_EVERY 32 /* descriptors; and the last one of a burst */
#define FRAME_LEAST  17 /* bytes: what the card can pad (TCTL.PSP) */
#define PIECES_MAX   48 /* descriptors of one frame: QEMU's limit is 64 */
/*
 * The memory of one descriptor is within such a page. The card does not ask for it, but QEMU 7.2
 * loses a frame when the pages behind an IOMMU are not neighbours.
 */
#define PIECE_PAGE 4096
#define COPY_ROOM  (PIECE_PAGE - UDRV_NET_HEADROOM) /* bytes: two pages at most */

static struct e1000e_txq *txq_of(struct udrv_net_txq *q)
{
	return (struct e1000e_txq *)(void *)q;
}

/* All but one, as a full ring would look like an empty one. */
static uint32_t room(const struct e1000e_txq *q)
{
	return q->mask - (q->tail - q->clean);
}

static void put(struct e1000e_txq *q, udrv_iova_t iova, uint32_t cmd, uint32_t status)
{
	union e1000e_tx_desc *desc = &q->ring[q->tail++ & q->mask];

	__atomic_store_n(&desc->data.address, htole64(iova), __ATOMIC_RELAXED);
	__atomic_store_n(&desc->data.cmd,
			 htole32(cmd | E1000E_TXD_DATA | E1000E_TXD_DEXT | E1000E_TXD_IFCS),
			 __ATOMIC_RELAXED);
	__atomic_store_n(&desc->data.status, htole32(status), __ATOMIC_RELAXED);
}

/* The last descriptor, which ends a frame, is to be reported, and with it all before. */
static void mark(struct e1000e_txq *q)
{
	union e1000e_tx_desc *desc = &q->ring[(q->tail - 1) & q->mask];
	struct e1000e_mark *m = &q->marks[q->mark_tail++ & q->mask];

	__atomic_store_n(&desc->data.cmd, desc->data.cmd | htole32(E1000E_TXD_RS),
			 __ATOMIC_RELAXED);
	m->desc = q->tail;
	m->frame = q->frame_tail;
	m->pool = q->pool;
	q->marked = q->tail;
	q->frame_marked = q->frame_tail;
}

/* @pool: which all are of, alone and reset; NULL: that is not known. */
static void free_frames(struct e1000e_txq *q, uint32_t end, struct udrv_net_pool *pool)
{
	while (q->frame_clean != end) {
		const uint32_t slot = q->frame_clean & q->mask;
		const uint32_t to_wrap = q->mask + 1 - slot;
		const uint32_t count = end - q->frame_clean;
		const uint32_t n = count < to_wrap ? count : to_wrap;

		if (pool)
			udrv_net_pool_put(pool, &q->frames[slot], n);
		else
			udrv_net_buf_free_bulk(&q->frames[slot], n);
		q->frame_clean += n;
		UDRV__COUNT(q->done, n);
	}
}

/* Only descriptors that were to be reported are looked at, the oldest first. */
static void reap(struct e1000e_txq *q)
{
	while (q->mark_clean != q->mark_tail) {
		const struct e1000e_mark *m = &q->marks[q->mark_clean & q->mask];
		const union e1000e_tx_desc *desc = &q->ring[(m->desc - 1) & q->mask];

		if (!(le32toh(__atomic_load_n(&desc->data.status, __ATOMIC_ACQUIRE)) &
		      E1000E_TXD_DD))
			break;
		udrv_dma_consume();
		q->clean = m->desc;
		q->mark_clean++;
		free_frames(q, m->frame, m->pool);
	}
}

static bool is_reachable(struct e1000e_txq *q, const struct udrv_net_buf *buf)
{
	for (; buf; buf = buf->next)
		if (buf->len && udrv_dma_look_up(q->nic->dev, buf->data, buf->len, &q->window) ==
					UDRV_DMA_MAPPING_ERROR)
			return false;
	return true;
}

/* As much of what is left, from byte @at of @from on, as there is room for. */
static void fill(struct udrv_net_buf *to, const struct udrv_net_buf **from, uint32_t *at)
{
	while (*from) {
		const uint32_t left = (*from)->len - *at;
		const uint32_t space = udrv_net_buf_tailroom(to);
		const uint32_t len = left < space ? left : space;

		memcpy(udrv_net_buf_put(to, len), (*from)->data + *at, len);
		*at += len;
		if (len < left)
			return;
		*from = (*from)->next;
		*at = 0;
	}
}

/* The whole frame where the card reaches it; NULL: its buffers are under way. */
static struct udrv_net_buf *copy_of(struct e1000e_txq *q, const struct udrv_net_buf *buf)
{
	struct udrv_net_buf *copy = NULL, **link = &copy;
	const struct udrv_net_buf *from = buf;
	uint32_t at = 0;

	while (from) {
		*link = udrv_net_buf_alloc(q->copies, UDRV_GFP_ATOMIC);
		if (!*link) {
			udrv_net_buf_free(copy);
			return NULL;
		}
		fill(*link, &from, &at);
		link = &(*link)->next;
	}
	copy->flags = buf->flags;
	copy->vlan_tci = buf->vlan_tci;
	copy->csum_start = buf->csum_start;
	copy->csum_offset = buf->csum_offset;
	copy->gso_size = buf->gso_size;
	copy->hdr_len = buf->hdr_len;
	return copy;
}

/* Up to the end of its page, or of @len. */
static uint32_t piece_of(uint64_t at, uint32_t len)
{
	const uint32_t to_border = PIECE_PAGE - (uint32_t)(at & (PIECE_PAGE - 1));

	return len < to_border ? len : to_border;
}

/* Bytes of all parts; @most: descriptors that they can take, wherever they are. 0: too long. */
static uint32_t measure(const struct udrv_net_buf *buf, uint32_t *most)
{
	uint32_t len = 0;

	*most = 1; /* the context */
	for (; buf; buf = buf->next) {
		if (buf->len > E1000E_TXD_PAYLOAD_MAX - len)
			return 0;
		len += buf->len;
		*most += buf->len / PIECE_PAGE + 2;
	}
	return len;
}

/* Descriptors that it does take. Pages of addresses for the device are pages of the process. */
static uint32_t pieces_of(const struct udrv_net_buf *buf)
{
	uint32_t count = 0;

	for (; buf; buf = buf->next) {
		const uint64_t begin = (uintptr_t)buf->data / PIECE_PAGE;

		if (buf->len)
			count += (uint32_t)(((uintptr_t)buf->data + buf->len - 1) / PIECE_PAGE -
					    begin + 1);
	}
	return count;
}

/* 7.2.6: the card keeps the last context, of all queues: alone, a queue need not tell it again. */
static bool is_known(const struct e1000e_txq *q, const union e1000e_tx_desc *context)
{
	return q->nic->ndev.options.tx_queues == 1 &&
	       !memcmp(context, &q->context, sizeof(*context));
}

static void put_context(struct e1000e_txq *q, const union e1000e_tx_desc *desc)
{
	union e1000e_tx_desc *to = &q->ring[q->tail++ & q->mask];
	uint64_t words[2];

	memcpy(words, desc, sizeof(words));
	__atomic_store_n(&to->data.address, words[0], __ATOMIC_RELAXED);
	__atomic_store_n((uint64_t *)(void *)&to->data.cmd, words[1], __ATOMIC_RELAXED);
	q->context = *desc;
}

static void put_parts(struct e1000e_txq *q, const struct udrv_net_buf *first, uint32_t cmd,
		      uint32_t status)
{
	union e1000e_tx_desc *last;

	for (const struct udrv_net_buf *buf = first; buf; buf = buf->next) {
		udrv_iova_t iova =
			buf->len ? udrv_dma_look_up(q->nic->dev, buf->data, buf->len, &q->window)
				 : 0;

		for (uint32_t left = buf->len; left;) {
			const uint32_t len = piece_of(iova, left);

			put(q, iova, cmd | len, status);
			iova += len;
			left -= len;
		}
	}
	last = &q->ring[(q->tail - 1) & q->mask];
	__atomic_store_n(&last->data.cmd, last->data.cmd | htole32(E1000E_TXD_EOP),
			 __ATOMIC_RELAXED);
}

static void drop(struct e1000e_txq *q, struct udrv_net_buf *buf, uint64_t *why)
{
	UDRV__COUNT(*why, 1);
	UDRV__COUNT(q->q.dropped, 1);
	udrv_net_buf_free(buf);
}

/* To what the card can pad. False: there is no room behind it. */
static bool pad(struct udrv_net_buf *buf, uint32_t *len)
{
	const uint32_t missing = FRAME_LEAST - *len;

	if (*len >= FRAME_LEAST)
		return true;
	if (buf->next || buf->size - (uint32_t)(buf->data - buf->start) < FRAME_LEAST)
		return false;
	memset(buf->data + *len, 0, missing);
	buf->len = *len = FRAME_LEAST;
	return true;
}

/*
 * A frame of several parts, with a tag, a checksum, segments, or that cannot be sent. False: there
 * is no room.
 */
static bool send_special(struct e1000e_txq *q, struct udrv_net_buf *buf)
{
	const uint32_t offloads = UDRV_NET_TX_CSUM | UDRV_NET_TX_TSO4 | UDRV_NET_TX_TSO6;
	union e1000e_tx_desc context;
	struct udrv_net_buf *copy;
	uint32_t cmd = 0, status = 0;
	uint32_t most;
	bool reachable;
	uint32_t len = measure(buf, &most);

	if (!len || !e1000e_offload_prepare(q, buf, len) || !pad(buf, &len)) {
		drop(q, buf, &q->unfit);
		return true;
	}
	reachable = is_reachable(q, buf);
	if (!reachable)
		most = 1 + 2 * (len / COPY_ROOM + 1);
	if (room(q) < most && room(q) < q->mask) {
		q->wanted = e1000e_least(most, q->mask);
		return false;
	}
	if (!reachable) {
		copy = copy_of(q, buf);
		if (!copy && room(q) == q->mask) {
			drop(q, buf, &q->unreachable);
			return true;
		}
		if (!copy) {
			q->wanted = q->mask;
			return false;
		}
		udrv_net_buf_free(buf);
		buf = copy;
	}
	if (pieces_of(buf) > PIECES_MAX) {
		drop(q, buf, &q->unfit);
		return true;
	}
	if (buf->flags & UDRV_NET_VLAN) {
		cmd |= E1000E_TXD_VLE;
		status |= E1000E_TXD_TAG(buf->vlan_tci);
	}
	if (buf->flags & offloads) {
		context = e1000e_offload_context(buf, len);
		if (!is_known(q, &context))
			put_context(q, &context);
		status |= E1000E_TXD_TXSM;
	}
	if (buf->flags & (UDRV_NET_TX_TSO4 | UDRV_NET_TX_TSO6)) {
		cmd |= E1000E_TXD_TSE;
		if (buf->flags & UDRV_NET_TX_TSO4)
			status |= E1000E_TXD_IXSM;
	}
	put_parts(q, buf, cmd, status);
	q->frames[q->frame_tail++ & q->mask] = buf;
	q->pool = NULL;
	UDRV__COUNT(q->q.bytes, len);
	return true;
}

/* Bytes; more than any frame has, if a flag makes it special. One load, as the two are neighbours.
 */
static inline uint64_t plain_len(const struct udrv_net_buf *buf)
{
	const uint32_t received = UDRV_NET_RX_CSUM_GOOD | UDRV_NET_RX_CSUM_BAD;

	return ((uint64_t)buf->flags << 32 | buf->len) & ~((uint64_t)received << 32);
}

/*
 * One part in one page, nothing special, and of that pool. @span: from the shortest frame to the
 * longest. One comparison for most of it: no address is below PIECE_PAGE.
 */
static inline bool is_plain(const struct udrv_net_buf *buf, const struct udrv_net_pool *pool,
			    uint64_t span)
{
	const uint64_t first = (uintptr_t)buf->data, len = plain_len(buf);
	const uint64_t unfit = -(uint64_t)(len - FRAME_LEAST > span);

	return buf->pool == pool &&
	       (unfit | (uintptr_t)buf->next | (first ^ (first + len - 1))) < PIECE_PAGE;
}

/* So many may be put without a look at the end of a ring. */
static uint32_t to_wrap(const struct e1000e_txq *q)
{
	const uint32_t desc = q->tail & q->mask, frame = q->frame_tail & q->mask;

	return q->mask + 1 - (desc > frame ? desc : frame);
}

/*
 * Frames up to the first that is not plain, or of another pool: how many. What was put is reset, so
 * that nobody has to look at it again. Not inlined: alone it has registers enough.
 */
static __attribute__((noinline)) uint32_t put_plain(struct e1000e_txq *q,
						    struct udrv_net_buf **bufs, uint32_t n)
{
	const uint64_t cmd = E1000E_TXD_DATA | E1000E_TXD_DEXT | E1000E_TXD_IFCS | E1000E_TXD_EOP;
	const struct udrv_net_pool *const pool = bufs[0]->pool;
	const uint64_t span = q->frame_max - FRAME_LEAST;
	uint64_t *desc = (uint64_t *)&q->ring[q->tail & q->mask];
	struct udrv_net_buf **const frames_end = &q->frames[q->frame_tail & q->mask] + n;
	struct udrv_net_buf **const bufs_end = bufs + n;
	ptrdiff_t at = -(ptrdiff_t)n; /* for both arrays */
	uint64_t sum = 0;

	for (; at; at++, desc += 2) {
		struct udrv_net_buf *buf = bufs_end[at];
		const uint64_t len = plain_len(buf);
		udrv_iova_t iova;

		if (e1000e_unlikely(!is_plain(buf, pool, span)))
			break;
		iova = udrv_net_buf_iova(buf);
		frames_end[at] = buf;
		udrv_net_buf_reset(buf);
		sum += len;
		__atomic_store_n(&desc[0], htole64(iova), __ATOMIC_RELAXED);
		__atomic_store_n(&desc[1], htole64(cmd | len), __ATOMIC_RELAXED);
	}
	UDRV__COUNT(q->q.bytes, sum);
	return n + (uint32_t)at;
}

/*
 * Plain frames of one pool: how many. Its buffers are reachable together, so one of them is looked
 * up for all.
 */
static inline uint32_t send_plain(struct e1000e_txq *q, struct udrv_net_buf **bufs, uint32_t n)
{
	struct udrv_net_buf *const first = bufs[0];
	struct udrv_net_pool *const pool = first->pool;
	uint32_t sent;

	if (udrv_dma_look_up(q->nic->dev, first->data, 1, &q->window) != udrv_net_buf_iova(first))
		return 0;
	sent = put_plain(q, bufs, e1000e_least(n, to_wrap(q)));
	if (q->frame_tail == q->frame_marked)
		q->pool = pool;
	else if (q->pool != pool)
		q->pool = NULL;
	q->tail += sent;
	q->frame_tail += sent;
	return sent;
}

/*
 * Plain frames of a pool that the card does not reach, such as another card's, by copies: how many.
 * 0 also if there is no buffer for one. A copy that is not plain, because its page ends, is left.
 */
static unsigned int send_copies(struct e1000e_txq *q, struct udrv_net_buf **bufs, unsigned int n)
{
	const struct udrv_net_pool *pool = bufs[0]->pool;
	struct udrv_net_buf *copies[REPORT_EVERY];
	unsigned int count = 0, done = 0, sent;

	while (count < n && bufs[count]->len <= COPY_ROOM &&
	       is_plain(bufs[count], pool, q->frame_max - FRAME_LEAST))
		count++;
	if (!count || is_reachable(q, bufs[0]) ||
	    udrv_net_buf_alloc_bulk(q->copies, UDRV_GFP_ATOMIC, count, copies))
		return 0;
	for (unsigned int i = 0; i < count; i++)
		memcpy(udrv_net_buf_put(copies[i], bufs[i]->len), bufs[i]->data, bufs[i]->len);
	do {
		sent = send_plain(q, copies + done, count - done);
		done += sent;
	} while (sent && done < count);
	udrv_net_buf_free_bulk(copies + done, count - done);
	udrv_net_buf_free_bulk(bufs, done);
	return done;
}

/* What is not plain, or is not reached: how many were taken; 0: there is no room. */
static __attribute__((noinline)) unsigned int
send_others(struct e1000e_txq *q, struct udrv_net_buf **bufs, unsigned int n)
{
	const unsigned int copied = send_copies(q, bufs, n);

	return copied ? copied : send_special(q, bufs[0]);
}

static unsigned int transmit(struct e1000e_txq *q, struct udrv_net_buf **bufs, unsigned int n)
{
	const uint64_t dropped = q->q.dropped;
	const uint32_t before = q->tail;
	unsigned int taken = 0;

	q->wanted = 0;
	while (taken < n && e1000e_likely(room(q))) {
		const uint32_t to_mark = REPORT_EVERY - (q->tail - q->marked);
		const uint32_t most = e1000e_least(e1000e_least(n - taken, room(q)), to_mark);
		unsigned int done = send_plain(q, bufs + taken, most);

		if (e1000e_unlikely(!done))
			done = send_others(q, bufs + taken, most);
		if (e1000e_unlikely(!done))
			break;
		taken += done;
		if (q->tail - q->marked >= REPORT_EVERY)
			mark(q);
	}
	if (q->tail != q->marked)
		mark(q);
	if (q->tail != before)
		udrv_iowrite32(q->tail & q->mask, q->tail_reg);
	/* What was taken is sent, or dropped and counted there. */
	UDRV__COUNT(q->q.packets, taken - (q->q.dropped - dropped));
	return taken;
}

/* Without a link the card would keep them until there is one. */
static unsigned int lose(struct e1000e_txq *q, struct udrv_net_buf **bufs, unsigned int n)
{
	udrv_net_buf_free_bulk(bufs, n);
	UDRV__COUNT(q->lost, n);
	UDRV__COUNT(q->q.dropped, n);
	return n;
}

static unsigned int burst(struct udrv_net_txq *txq, struct udrv_net_buf **bufs, unsigned int n)
{
	struct e1000e_txq *q = txq_of(txq);
	unsigned int taken = 0;

	if (!e1000e_enter(&q->door))
		return 0;
	reap(q);
	if (e1000e_unlikely(udrv_device_gone(q->nic->dev)))
		taken = 0;
	else if (e1000e_unlikely(!__atomic_load_n(&q->nic->ndev.carrier, __ATOMIC_RELAXED)))
		taken = lose(q, bufs, n);
	else
		taken = transmit(q, bufs, n);
	e1000e_leave(&q->door);
	return taken;
}

/*
 * A quarter, so that who waits does not wake up for each frame, and what the frame needs that was
 * refused last.
 */
static bool has_room(const struct e1000e_txq *q)
{
	return room(q) > q->mask / 4 && room(q) >= q->wanted;
}

bool e1000e_tx_arm(struct udrv_net_txq *txq)
{
	struct e1000e_txq *q = txq_of(txq);
	bool has;

	if (udrv_device_gone(q->nic->dev) || !e1000e_enter(&q->door))
		return false;
	reap(q);
	has = has_room(q);
	if (!has) {
		e1000e_event_arm(q->nic, &q->event);
		reap(q);
		has = has_room(q);
		/* Whoever tells of it may have done so before. */
		if (udrv_device_gone(q->nic->dev))
			e1000e_event_wake(&q->event);
	}
	e1000e_leave(&q->door);
	return has;
}

int e1000e_tx_event_fd(struct udrv_net_txq *txq)
{
	return txq_of(txq)->event.fd;
}

int e1000e_tx_make(struct e1000e *nic, unsigned int n)
{
	const uint32_t size = e1000e_ring_of(nic->ndev.options.tx_ring);
	struct e1000e_txq *q = aligned_alloc(64, (sizeof(*q) + 63) / 64 * 64);
	int ret;

	if (!q)
		return -ENOMEM;
	memset(q, 0, sizeof(*q));
	nic->txq[n] = q;
	q->q.burst = burst;
	q->q.ndev = &nic->ndev;
	q->q.index = n;
	q->door.fences = !nic->membarrier;
	q->door.shut = true;
	q->nic = nic;
	q->mask = size - 1;
	q->frame_max = nic->mtu + UDRV_ETH_HLEN + 4;
	q->tags = nic->ndev.features & (UDRV_NET_F_VLAN_TX | UDRV_NET_F_VLAN_RX);
	q->tail_reg = (char __udrv_iomem *)nic->regs + E1000E_TDT(n);
	q->event.fd = -1;
	q->ring_bytes = size * sizeof(union e1000e_tx_desc);
	q->ring = udrv_dma_alloc_coherent(nic->dev, q->ring_bytes, &q->iova, UDRV_GFP_KERNEL);
	q->frames = calloc(size, sizeof(struct udrv_net_buf *));
	q->marks = calloc(size, sizeof(struct e1000e_mark));
	q->copies = udrv_net_pool_create(nic->dev, "e1000e-tx", COPY_ROOM, size);
	ret = q->ring && q->frames && q->marks && q->copies ? 0 : -ENOMEM;
	return ret ? ret : e1000e_event_init(nic, &q->event, true, n);
}

/* What has not been reported is lost: how many frames. */
static uint32_t forget(struct e1000e_txq *q)
{
	uint32_t left;

	reap(q);
	left = q->frame_tail - q->frame_clean;
	UDRV__COUNT(q->lost, left);
	UDRV__COUNT(q->q.dropped, left);
	free_frames(q, q->frame_tail, NULL);
	q->tail = 0;
	q->clean = 0;
	q->marked = 0;
	q->mark_tail = 0;
	q->mark_clean = 0;
	q->frame_tail = 0;
	q->frame_clean = 0;
	q->frame_marked = 0;
	memset(&q->context, 0, sizeof(q->context));
	return left;
}

void e1000e_tx_free(struct e1000e_txq *q)
{
	struct e1000e *nic = q->nic;

	e1000e_event_exit(nic, &q->event);
	/* The framework has asked the queue before. */
	nic->lost_at_stop += forget(q);
	(void)udrv_net_pool_destroy(q->copies);
	free(q->marks);
	free(q->frames);
	udrv_dma_free_coherent(nic->dev, q->ring_bytes, q->ring, q->iova);
	free(q);
}

void e1000e_tx_collect(struct e1000e_txq *q, bool all)
{
	reap(q);
	if (!all || q->frame_clean == q->frame_tail)
		return;
	UDRV__COUNT(q->unreported, q->frame_tail - q->frame_clean);
	free_frames(q, q->frame_tail, NULL);
	q->clean = q->tail;
	q->mark_clean = q->mark_tail;
}

/* 4.6.6: an empty ring, while the transmitter is off. */
void e1000e_tx_start(struct e1000e_txq *q)
{
	struct e1000e *nic = q->nic;
	const unsigned int n = q->q.index;

	(void)forget(q);
	memset(q->ring, 0, q->ring_bytes);
	q->head_seen = UINT32_MAX;
	q->done_seen = UINT64_MAX;
	q->stuck = 0;
	q->silent = 0;
	e1000e_write(nic, E1000E_TDBAL(n), (uint32_t)q->iova);
	e1000e_write(nic, E1000E_TDBAH(n), (uint32_t)(q->iova >> 32));
	e1000e_write(nic, E1000E_TDLEN(n), (uint32_t)q->ring_bytes);
	e1000e_write(nic, E1000E_TDH(n), 0);
	e1000e_write(nic, E1000E_TDT(n), 0);
	e1000e_write(nic, E1000E_TXDCTL(n),
		     (e1000e_read(nic, E1000E_TXDCTL(n)) & ~E1000E_TXDCTL_WTHRESH) |
			     E1000E_TXDCTL_WB);
	e1000e_write(nic, E1000E_TARC(n), e1000e_read(nic, E1000E_TARC(n)) | E1000E_TARC_ENABLE);
}

void e1000e_tx_open(struct e1000e_txq *q)
{
	__atomic_store_n(&q->door.shut, false, __ATOMIC_RELEASE);
}
