// SPDX-License-Identifier: MIT
/* What the card does to frames that are sent: checksums, segments. Sections are the datasheet's. */
#include <endian.h>
#include <linux/if_ether.h>
#include <string.h>

#include "e1000e.h"

#define VLAN_HLEN  4
#define OFFSET_MAX 255 /* 7.2.10: the context has 8 bits for where a header begins */

/* Does what is asked for make sense? The card is not told otherwise. */
static bool is_fit(const struct e1000e_txq *q, const struct udrv_net_buf *buf, uint32_t len)
{
	const bool tso = buf->flags & (UDRV_NET_TX_TSO4 | UDRV_NET_TX_TSO6);
	const uint32_t sum_at = (uint32_t)buf->csum_start + buf->csum_offset;

	if (len < UDRV_ETH_HLEN || buf->len < UDRV_ETH_HLEN)
		return false;
	if (buf->flags & UDRV_NET_VLAN && !q->tags)
		return false;
	if (buf->flags & UDRV_NET_TX_CSUM && (buf->csum_start < UDRV_ETH_HLEN ||
					      sum_at + 2 > (sum_at > OFFSET_MAX ? buf->len : len)))
		return false;
	if (!tso)
		return len <= q->frame_max;
	return buf->flags & UDRV_NET_TX_CSUM && buf->gso_size && buf->hdr_len <= buf->len &&
	       buf->hdr_len <= OFFSET_MAX && sum_at + 2 <= buf->hdr_len && len > buf->hdr_len &&
	       (uint32_t)buf->hdr_len + buf->gso_size <= q->frame_max;
}

static unsigned int type_at(const struct udrv_net_buf *buf, unsigned int at)
{
	return (unsigned int)buf->data[at] << 8 | buf->data[at + 1];
}

/* Where the IP header is: tags may be in the frame. */
static unsigned int ip_of(const struct udrv_net_buf *buf)
{
	unsigned int ip = UDRV_ETH_HLEN;

	while (ip + VLAN_HLEN <= buf->len &&
	       (type_at(buf, ip - 2) == ETH_P_8021Q || type_at(buf, ip - 2) == ETH_P_8021AD))
		ip += VLAN_HLEN;
	return ip;
}

/* 7.2.5: the card fills in the lengths of each segment, from 0. */
static bool zero_lengths(struct udrv_net_buf *buf)
{
	const unsigned int ip = ip_of(buf);
	const bool v4 = buf->flags & UDRV_NET_TX_TSO4;

	if (buf->csum_start < ip + (v4 ? 20 : 40) ||
	    type_at(buf, ip - 2) != (v4 ? ETH_P_IP : ETH_P_IPV6))
		return false;
	if (v4) {
		memset(buf->data + ip + 2, 0, 2);
		memset(buf->data + ip + 10, 0, 2);
	} else {
		memset(buf->data + ip + 4, 0, 2);
	}
	return true;
}

/* RFC 1071, from byte @skip on, over all parts. */
static uint16_t sum_of(const struct udrv_net_buf *buf, uint32_t skip)
{
	uint64_t sum = 0;
	bool low = false;

	for (; buf; buf = buf->next) {
		uint32_t i = skip < buf->len ? skip : buf->len;

		skip -= i;
		for (; i < buf->len; i++, low = !low)
			sum += low ? buf->data[i] : (uint32_t)buf->data[i] << 8;
	}
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* Behind more headers than the card can skip. 0 would mean to UDP that there is none. */
static void sum_here(struct udrv_net_buf *buf)
{
	unsigned char *at = buf->data + buf->csum_start + buf->csum_offset;
	uint16_t sum = sum_of(buf, buf->csum_start);

	if (!sum)
		sum = 0xffff;
	at[0] = (unsigned char)(sum >> 8);
	at[1] = (unsigned char)sum;
	buf->flags &= ~UDRV_NET_TX_CSUM;
}

bool e1000e_offload_prepare(const struct e1000e_txq *q, struct udrv_net_buf *buf, uint32_t len)
{
	if (!is_fit(q, buf, len))
		return false;
	if (buf->flags & (UDRV_NET_TX_TSO4 | UDRV_NET_TX_TSO6))
		return zero_lengths(buf);
	if (buf->flags & UDRV_NET_TX_CSUM &&
	    (uint32_t)buf->csum_start + buf->csum_offset > OFFSET_MAX)
		sum_here(buf);
	return true;
}

/* 7.2.4, 7.2.10: what the card is to know of checksums and segments. */
union e1000e_tx_desc e1000e_offload_context(const struct udrv_net_buf *buf, uint32_t len)
{
	const unsigned int ip = ip_of(buf);
	union e1000e_tx_desc desc = {.context = {
					     .ipcss = (uint8_t)ip,
					     .ipcso = (uint8_t)(ip + 10),
					     .ipcse = htole16((uint16_t)(buf->csum_start - 1)),
					     .tucss = (uint8_t)buf->csum_start,
					     .tucso = (uint8_t)(buf->csum_start + buf->csum_offset),
				     }};
	uint32_t cmd = E1000E_TXD_DEXT;

	if (buf->flags & (UDRV_NET_TX_TSO4 | UDRV_NET_TX_TSO6)) {
		cmd |= E1000E_TXD_TSE | E1000E_TXD_TCP | (len - buf->hdr_len);
		if (buf->flags & UDRV_NET_TX_TSO4)
			cmd |= E1000E_TXD_IPV4;
		desc.context.hdrlen = (uint8_t)buf->hdr_len;
		desc.context.mss = htole16(buf->gso_size);
	}
	desc.context.cmd = htole32(cmd);
	return desc;
}
