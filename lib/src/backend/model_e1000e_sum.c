// SPDX-License-Identifier: MIT
/* What the software 82574 reads in frames: headers, checksums and the hash of RSS (7.1). */
#include <string.h>

#include "backend/model_e1000e_dev.h"

#define TYPE_VLAN 0x8100u
#define TYPE_IPV4 0x0800u
#define TYPE_IPV6 0x86ddu
#define PROTO_TCP 6u
#define PROTO_UDP 17u

#define TCP_ACK 0x10u

/* 10.2.5: MRQC, and a descriptor's types */
#define MRQC_RSS	1u
#define MRQC_TCP_IPV4	(1u << 16)
#define MRQC_IPV4	(1u << 17)
#define MRQC_TCP_IPV6	(1u << 18)
#define MRQC_IPV6_EX	(1u << 19)
#define MRQC_IPV6	(1u << 20)
#define TYPE_RSS_TCP4	1u
#define TYPE_RSS_IPV4	2u
#define TYPE_RSS_TCP6	3u
#define TYPE_RSS_IPV6EX 4u
#define TYPE_RSS_IPV6	5u

static unsigned int get16(const uint8_t *bytes)
{
	return (unsigned int)(bytes[0] << 8 | bytes[1]);
}

uint16_t e1000e_sum(const uint8_t *bytes, size_t len, uint32_t seed)
{
	uint64_t sum = seed;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += get16(bytes + i);
	if (len % 2)
		sum += (unsigned int)bytes[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* IEEE 802.3, 3.2.9 */
uint32_t e1000e_crc(const uint8_t *bytes, size_t len)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < len; i++) {
		crc ^= bytes[i];
		for (unsigned int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

/* The length of what IP carries, or 0 if that is not in the frame. */
static size_t l4_len(const struct e1000e_packet *p)
{
	const uint8_t *ip = p->frame + p->l3;
	const size_t total = p->ipv4 ? get16(ip + 2) : 40 + get16(ip + 4);
	const size_t header = p->l4 - p->l3;

	return total < header || p->l3 + total > p->len ? 0 : total - header;
}

static void parse_l4(struct e1000e_packet *p, unsigned int proto)
{
	const size_t left = p->len - p->l4;
	const uint8_t *l4 = p->frame + p->l4;

	if (p->fragment)
		return;
	p->tcp = proto == PROTO_TCP && left >= 20;
	p->udp = proto == PROTO_UDP && left >= 8;
	p->is_ack = p->tcp && l4[13] & TCP_ACK;
}

static void parse_ipv4(struct e1000e_packet *p)
{
	const uint8_t *ip = p->frame + p->l3;
	const size_t header = 4u * (ip[0] & 0x0f);

	if (ip[0] >> 4 != 4 || header < 20 || p->l3 + header > p->len)
		return;
	p->ipv4 = true;
	p->fragment = get16(ip + 6) & 0x3fff;
	p->l4 = p->l3 + (unsigned int)header;
	parse_l4(p, ip[9]);
}

static void parse_ipv6(struct e1000e_packet *p)
{
	unsigned int next = p->frame[p->l3 + 6];

	if (p->frame[p->l3] >> 4 != 6 || p->l3 + 40 > p->len)
		return;
	p->ipv6 = true;
	p->l4 = p->l3 + 40;
	/* Hop by hop, routing, fragment, destination */
	while ((next == 0 || next == 43 || next == 44 || next == 60) && p->l4 + 8 <= p->len) {
		p->options = true;
		p->fragment |= next == 44;
		next = p->frame[p->l4];
		p->l4 += p->fragment ? 8 : 8u * (p->frame[p->l4 + 1] + 1u);
	}
	if (p->l4 <= p->len)
		parse_l4(p, next);
}

void e1000e_parse(struct e1000e_packet *p, const uint8_t *frame, size_t len)
{
	unsigned int type;

	*p = (struct e1000e_packet){.frame = frame, .len = len, .l3 = 14};
	type = get16(frame + 12);
	if (type == TYPE_VLAN && len >= 18) {
		type = get16(frame + 16);
		p->l3 = 18;
	}
	if (type == TYPE_IPV4 && len >= p->l3 + 20)
		parse_ipv4(p);
	else if (type == TYPE_IPV6 && len >= p->l3 + 40)
		parse_ipv6(p);
}

static bool l4_is_right(const struct e1000e_packet *p, size_t len)
{
	const uint8_t *ip = p->frame + p->l3;
	uint32_t seed = (uint32_t)len + (p->tcp ? PROTO_TCP : PROTO_UDP);

	seed += p->ipv4 ? e1000e_sum(ip + 12, 8, 0) : e1000e_sum(ip + 8, 32, 0);
	return e1000e_sum(p->frame + p->l4, len, seed) == 0xffff;
}

static uint32_t check_l4(const struct e1000e_packet *p)
{
	const size_t len = p->tcp || p->udp ? l4_len(p) : 0;
	uint32_t status = RXD_TCPCS;

	if (!len)
		return 0;
	if (p->udp) {
		if (!get16(p->frame + p->l4 + 6))
			return 0; /* has none */
		status |= RXD_UDPCS;
	}
	return status | (l4_is_right(p, len) ? 0 : RXD_TCPE);
}

uint32_t e1000e_check_sums(struct e1000e *e, const struct e1000e_packet *p)
{
	const uint32_t rxcsum = *e1000e_reg(e, REG_RXCSUM);
	uint32_t status = 0;

	if (p->ipv6 && *e1000e_reg(e, REG_RFCTL) & RFCTL_IPV6_XSUM_DIS)
		return RXD_IXSM;
	if (p->ipv4 && rxcsum & RXCSUM_IPOFLD) {
		status |= RXD_IPCS;
		if (e1000e_sum(p->frame + p->l3, p->l4 - p->l3, 0) != 0xffff)
			status |= RXD_IPE;
	}
	if (rxcsum & RXCSUM_TUOFLD)
		status |= check_l4(p);
	return status ? status : RXD_IXSM;
}

static uint32_t rss_type(uint32_t mrqc, const struct e1000e_packet *p)
{
	if (p->ipv4 && p->tcp && mrqc & MRQC_TCP_IPV4)
		return TYPE_RSS_TCP4;
	if (p->ipv4)
		return mrqc & MRQC_IPV4 ? TYPE_RSS_IPV4 : 0;
	if (!p->ipv6)
		return 0;
	if (p->tcp && mrqc & MRQC_TCP_IPV6)
		return TYPE_RSS_TCP6;
	if (mrqc & MRQC_IPV6_EX)
		return TYPE_RSS_IPV6EX;
	return mrqc & MRQC_IPV6 ? TYPE_RSS_IPV6 : 0;
}

/* For each bit of the input that is 1 the 32 bits of the key that begin there. */
static uint32_t toeplitz(struct e1000e *e, const uint8_t *input, size_t len)
{
	const uint8_t *key = (const uint8_t *)e1000e_reg(e, REG_RSSRK);
	uint32_t window = get16(key) << 16 | get16(key + 2), hash = 0;

	for (size_t i = 0; i < len; i++)
		for (unsigned int bit = 0; bit < 8; bit++) {
			if (input[i] & 0x80 >> bit)
				hash ^= window;
			window = window << 1 | (key[i + 4] >> (7 - bit) & 1);
		}
	return hash;
}

/* Needs extended descriptors, and RXCSUM.PCSD for the place in them. */
bool e1000e_rss(struct e1000e *e, const struct e1000e_packet *p, uint32_t *hash, uint32_t *type,
		unsigned int *queue)
{
	const uint32_t mrqc = *e1000e_reg(e, REG_MRQC);
	const size_t addresses = p->ipv4 ? 8 : 32;
	uint8_t input[36];
	size_t len = addresses;
	unsigned int entry;

	*hash = *type = *queue = 0;
	if ((mrqc & 3) != MRQC_RSS || !(*e1000e_reg(e, REG_RXCSUM) & RXCSUM_PCSD) ||
	    !(*e1000e_reg(e, REG_RFCTL) & RFCTL_EXTEN))
		return false;
	*type = rss_type(mrqc, p);
	if (!*type)
		return true;
	memcpy(input, p->frame + p->l3 + (p->ipv4 ? 12 : 8), addresses);
	if (*type == TYPE_RSS_TCP4 || *type == TYPE_RSS_TCP6) {
		memcpy(input + len, p->frame + p->l4, 4);
		len += 4;
	}
	*hash = toeplitz(e, input, len);
	/* 10.2.5: RETA, a byte each, of which bit 7 is the queue */
	entry = *hash & 0x7f;
	*queue = *e1000e_reg(e, REG_RETA + (entry & ~3u)) >> (8 * (entry & 3) + 7) & 1;
	return true;
}
