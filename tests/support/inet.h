/* SPDX-License-Identifier: MIT */
/* Internet checksums (RFC 1071) of frames, the plain way, to judge others' by. */
#ifndef TESTS_SUPPORT_INET_H
#define TESTS_SUPPORT_INET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define INET_TCP 6
#define INET_UDP 17

static inline uint16_t inet_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline void inet_put16(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline uint32_t inet_get32(const uint8_t *p)
{
	return (uint32_t)inet_get16(p) << 16 | inet_get16(p + 2);
}

static inline void inet_put32(uint8_t *p, uint32_t v)
{
	inet_put16(p, v >> 16);
	inet_put16(p + 2, v & 0xffff);
}

static inline uint32_t inet_sum(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += inet_get16(p + i);
	if (len & 1)
		sum += (uint32_t)p[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* What is in a frame of TCP or UDP over IPv4 or IPv6 without extensions. */
struct inet_frame {
	uint8_t *ip, *l4;
	size_t l4_len; /* header and payload */
	unsigned int protocol;
	bool v6;
};

static inline bool inet_parse(uint8_t *frame, size_t len, struct inet_frame *f)
{
	size_t at = 14;
	unsigned int type = inet_get16(frame + 12);

	for (; type == 0x8100 || type == 0x88a8; at += 4)
		type = inet_get16(frame + at + 2);
	*f = (struct inet_frame){.ip = frame + at, .v6 = type == 0x86dd};
	if ((type != 0x800 && !f->v6) || len < at + (f->v6 ? 40u : 20u))
		return false;
	f->protocol = f->v6 ? f->ip[6] : f->ip[9];
	f->l4 = f->ip + (f->v6 ? 40 : (f->ip[0] & 15) * 4);
	f->l4_len =
		f->v6 ? inet_get16(f->ip + 4) : inet_get16(f->ip + 2) - (size_t)(f->ip[0] & 15) * 4;
	if (!f->v6 && inet_get16(f->ip + 6) & 0x3fff) /* a fragment */
		return false;
	if (f->protocol != INET_TCP && f->protocol != INET_UDP)
		return false;
	return f->l4 + f->l4_len <= frame + len && f->l4_len >= (f->protocol == INET_TCP ? 20 : 8);
}

static inline uint32_t inet_pseudo(const struct inet_frame *f, size_t l4_len)
{
	const uint32_t sum = f->v6 ? inet_sum(0, f->ip + 8, 32) : inet_sum(0, f->ip + 12, 8);

	return inet_sum(sum + (uint32_t)l4_len + f->protocol, NULL, 0);
}

/* Where the sum of TCP or UDP is. */
static inline uint8_t *inet_l4_csum(const struct inet_frame *f)
{
	return f->l4 + (f->protocol == INET_TCP ? 16 : 6);
}

static inline bool inet_l4_good(const struct inet_frame *f)
{
	return inet_sum(inet_pseudo(f, f->l4_len), f->l4, f->l4_len) == 0xffff;
}

static inline bool inet_ip_good(const struct inet_frame *f)
{
	return f->v6 || inet_sum(0, f->ip, (size_t)(f->ip[0] & 15) * 4) == 0xffff;
}

/* Make them right. */
static inline void inet_fill(const struct inet_frame *f)
{
	uint32_t sum;

	if (!f->v6) {
		inet_put16(f->ip + 10, 0);
		inet_put16(f->ip + 10, ~inet_sum(0, f->ip, (size_t)(f->ip[0] & 15) * 4));
	}
	inet_put16(inet_l4_csum(f), 0);
	sum = ~inet_sum(inet_pseudo(f, f->l4_len), f->l4, f->l4_len) & 0xffff;
	inet_put16(inet_l4_csum(f), sum ? sum : 0xffff);
}

#endif
