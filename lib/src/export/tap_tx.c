// SPDX-License-Identifier: MIT
/*
 * Frames from the TAP to the card. They are read to where the card fetches them: to a short buffer,
 * and what it does not take, of a frame that is to be cut by the card, to a long one.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "export/tap.h"

/* Of 1500 bytes of payload all goes to a short one. */
#define SHORT_ROOM 2048u
/* 64 KiB and headers, or the longest frame that there may be for a moment: the kernel's MTU is not
 * bounded by the card's. */
#define LONG_ROOM (66u * 1024)
/* What another thread frees, when the card is closed, it keeps a quarter of. */
#define SHORTS ((UDRV__TAP_TX_RING + UDRV__TAP_BURST) * 4 / 3 + 8)
/* 6 MiB: far more than a card has at a time of frames that it cuts. */
#define LONGS 96

#define HDR_LEN sizeof(struct virtio_net_hdr)

int udrv__tap_tx_init(struct udrv__tap_queue *q)
{
	struct udrv_device *dev = q->tap->ndev->dev;

	q->short_pool = udrv_net_pool_create(dev, "tap-short", SHORT_ROOM, SHORTS);
	if (q->short_pool)
		q->long_pool = udrv_net_pool_create(dev, "tap-long", LONG_ROOM, LONGS);
	if (q->long_pool)
		return 0;
	udrv__tap_tx_free(q);
	return -ENOMEM;
}

void udrv__tap_tx_free(struct udrv__tap_queue *q)
{
	udrv_net_buf_free(q->next_short);
	udrv_net_buf_free(q->next_long);
	udrv_net_buf_free_bulk(q->tx, q->tx_count);
	q->tx_count = 0;
	q->next_short = q->next_long = NULL;
	(void)udrv_net_pool_destroy(q->short_pool);
	(void)udrv_net_pool_destroy(q->long_pool);
	q->short_pool = q->long_pool = NULL;
}

/* Ones' complement: the kernel has the pseudo header's sum for the whole, cards want it for 0. */
static void without_length(unsigned char *sum, uint32_t len)
{
	uint32_t v = (uint32_t)(sum[0] << 8 | sum[1]) + (~len & 0xffff);

	v = (v & 0xffff) + (v >> 16);
	sum[0] = (unsigned char)(v >> 8);
	sum[1] = (unsigned char)v;
}

static bool set_segments(struct udrv_net_buf *buf, uint32_t len, const struct virtio_net_hdr *hdr)
{
	const uint32_t tcp = hdr->csum_start;
	uint32_t head;

	if (tcp + sizeof(struct tcphdr) > buf->len ||
	    hdr->csum_offset != offsetof(struct tcphdr, check) || !hdr->gso_size)
		return false;
	head = tcp + (uint32_t)(buf->data[tcp + 12] >> 4) * 4;
	if (head < tcp + sizeof(struct tcphdr) || head > buf->len || head >= len)
		return false;
	buf->flags |=
		hdr->gso_type == VIRTIO_NET_HDR_GSO_TCPV4 ? UDRV_NET_TX_TSO4 : UDRV_NET_TX_TSO6;
	buf->gso_size = hdr->gso_size;
	buf->hdr_len = (uint16_t)head;
	without_length(buf->data + tcp + hdr->csum_offset, len - tcp);
	return true;
}

bool udrv__tap_tx_offload(struct udrv_net_buf *buf, uint32_t len, const struct virtio_net_hdr *hdr)
{
	if (len < UDRV_ETH_HLEN)
		return false;
	if (!(hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return hdr->gso_type == VIRTIO_NET_HDR_GSO_NONE;
	if ((uint32_t)hdr->csum_start + hdr->csum_offset + 2 > len)
		return false;
	buf->flags |= UDRV_NET_TX_CSUM;
	buf->csum_start = hdr->csum_start;
	buf->csum_offset = hdr->csum_offset;
	switch (hdr->gso_type) {
	case VIRTIO_NET_HDR_GSO_NONE:
		return true;
	case VIRTIO_NET_HDR_GSO_TCPV4:
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return set_segments(buf, len, hdr);
	default:
		return false;
	}
}

static bool get_buffers(struct udrv__tap_queue *q)
{
	if (!q->next_short)
		q->next_short = udrv_net_buf_alloc(q->short_pool, UDRV_GFP_ATOMIC);
	if (!q->next_long)
		q->next_long = udrv_net_buf_alloc(q->long_pool, UDRV_GFP_ATOMIC);
	return q->next_short && q->next_long;
}

/* After the card has given back what it has sent. */
static bool have_buffers(struct udrv__tap_queue *q)
{
	if (get_buffers(q))
		return true;
	(void)udrv_net_tx_burst(q->txq, NULL, 0);
	return get_buffers(q);
}

/* The kernel's header is in front of the frame. */
static void take(struct udrv__tap_queue *q, ssize_t n)
{
	struct udrv_net_buf *buf = q->next_short;
	const uint32_t len = (uint32_t)n - (uint32_t)HDR_LEN;
	struct virtio_net_hdr hdr;

	memcpy(&hdr, buf->data - HDR_LEN, HDR_LEN);
	buf->len = len < SHORT_ROOM ? len : SHORT_ROOM;
	if (!udrv__tap_tx_offload(buf, len, &hdr)) {
		q->counts.tx_lost++;
		buf->flags = 0;
		return;
	}
	if (len > SHORT_ROOM) {
		q->next_long->len = len - SHORT_ROOM;
		buf->next = q->next_long;
		q->next_long = NULL;
	}
	q->tx[q->tx_count++] = buf;
	q->next_short = NULL;
}

/* False: there is none. */
static bool read_frame(struct udrv__tap_queue *q)
{
	const struct iovec iov[] = {
		{q->next_short->data - HDR_LEN, HDR_LEN + SHORT_ROOM},
		{q->next_long->data, LONG_ROOM},
	};
	const ssize_t n = readv(q->fd, iov, 2);

	if (n >= (ssize_t)HDR_LEN)
		take(q, n);
	if (n >= (ssize_t)HDR_LEN || (n < 0 && errno == EINTR))
		return true;
	if (n < 0 && errno == EBADFD && !q->deaf) {
		q->deaf = true;
		udrv__tap_wake(q->tap);
	}
	/* One that could not be read is lost. */
	q->counts.tx_lost += n >= 0 || (errno != EAGAIN && errno != EBADFD);
	return false;
}

static void send_on(struct udrv__tap_queue *q)
{
	const unsigned int n = udrv_net_tx_burst(q->txq, q->tx, q->tx_count);

	q->tx_count -= n;
	q->counts.tx_frames += n;
	memmove(q->tx, q->tx + n, (size_t)q->tx_count * sizeof(struct udrv_net_buf *));
}

unsigned int udrv__tap_transmit(struct udrv__tap_queue *q)
{
	const uint64_t before = q->counts.tx_frames;

	q->starved = false;
	if (q->tx_count)
		send_on(q);
	if (q->tx_count)
		return (unsigned int)(q->counts.tx_frames - before);
	while (q->tx_count < UDRV__TAP_BURST && !q->deaf) {
		q->starved = !have_buffers(q);
		if (q->starved || !read_frame(q))
			break;
	}
	if (q->tx_count)
		send_on(q);
	return (unsigned int)(q->counts.tx_frames - before);
}
