// SPDX-License-Identifier: MIT
/*
 * What Linux's GRO does (net/ipv4/tcp_offload.c, af_inet.c), within one burst. Two segments are
 * joined only if the kernel, cutting the result by gso_size, would make the same two again: all of
 * their headers are equal but for lengths, checksums, sequence numbers, IPv4's identification,
 * which counts, and PSH of the last one. So who forwards it does no harm.
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <string.h>

#include "export/tap_gro.h"

#define VLAN_HLEN	  4
#define IP_MAX		  65535u
#define CSUM_OFFSET	  16 /* in a TCP header, RFC 9293 */
#define TCP_LENGTHS_FLAGS 12 /* data offset and flags there */

/* Headers of a segment. */
struct segment {
	uint16_t l3, l4, hdr_len;
	bool v6;
	bool may_join; /* it is nothing but data, and undamaged */
	uint32_t payload;
};

static uint16_t load16(const unsigned char *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t load32(const unsigned char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return ntohl(v);
}

static void store16(unsigned char *p, uint32_t v)
{
	p[0] = (unsigned char)(v >> 8);
	p[1] = (unsigned char)v;
}

/* Ones' complement, of words that begin at even offsets. */
static uint32_t add_words(uint32_t sum, const unsigned char *p, size_t len)
{
	for (size_t i = 0; i < len; i += 2)
		sum += load16(p + i);
	return sum;
}

static uint32_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* 4 or 6, or 0; where it begins. */
static int find_ip(const struct udrv_net_buf *buf, struct segment *s)
{
	uint16_t type;

	s->l3 = ETH_HLEN;
	if (buf->len < ETH_HLEN + VLAN_HLEN)
		return 0;
	type = load16(buf->data + ETH_HLEN - 2);
	if (type == ETH_P_8021Q) {
		s->l3 += VLAN_HLEN;
		type = load16(buf->data + s->l3 - 2);
	}
	return type == ETH_P_IP ? 4 : type == ETH_P_IPV6 ? 6 : 0;
}

/* It is no TCP for sure: not a fragment without ports, or something behind IPv6's extensions. */
static bool is_other(const struct udrv_net_buf *buf)
{
	struct segment s;
	const int version = find_ip(buf, &s);
	const unsigned char *ip = buf->data + s.l3;

	if (version == 4)
		return buf->len >= s.l3 + sizeof(struct iphdr) && ip[9] != IPPROTO_TCP;
	if (version == 6)
		return buf->len >= s.l3 + sizeof(struct ip6_hdr) &&
		       (ip[6] == IPPROTO_UDP || ip[6] == IPPROTO_ICMPV6);
	return true;
}

/* Bytes behind the IP header; 0 if there is no whole TCP segment. */
static uint32_t parse_ipv4(const unsigned char *ip, uint32_t room, bool *good)
{
	const uint32_t len = room < sizeof(struct iphdr) ? 0 : load16(ip + 2);

	if (len < sizeof(struct iphdr) || len > room || ip[0] != 0x45 || ip[9] != IPPROTO_TCP)
		return 0;
	*good = !(load16(ip + 6) & (IP_MF | IP_OFFMASK)) && !(ip[6] & 0x80) &&
		fold(add_words(0, ip, sizeof(struct iphdr))) == 0xffff;
	return len - (uint32_t)sizeof(struct iphdr);
}

static uint32_t parse_ipv6(const unsigned char *ip, uint32_t room, bool *good)
{
	const uint32_t head = sizeof(struct ip6_hdr);
	const uint32_t len = room < head ? 0 : load16(ip + 4);

	if (!len || len > room - head || ip[0] >> 4 != 6 || ip[6] != IPPROTO_TCP)
		return 0;
	*good = true;
	return len;
}

static bool parse(const struct udrv_net_buf *buf, struct segment *s)
{
	const int version = find_ip(buf, s);
	const unsigned char *ip = buf->data + s->l3;
	const unsigned char *tcp;
	uint32_t len, head;
	bool good = false;

	if (!version)
		return false;
	s->v6 = version == 6;
	len = s->v6 ? parse_ipv6(ip, buf->len - s->l3, &good)
		    : parse_ipv4(ip, buf->len - s->l3, &good);
	if (len < sizeof(struct tcphdr))
		return false;
	s->l4 = (uint16_t)(s->l3 + (s->v6 ? sizeof(struct ip6_hdr) : sizeof(struct iphdr)));
	tcp = buf->data + s->l4;
	head = (uint32_t)(tcp[TCP_LENGTHS_FLAGS] >> 4) * 4;
	if (head < sizeof(struct tcphdr) || head > len)
		return false;
	s->hdr_len = (uint16_t)(s->l4 + head);
	s->payload = len - head;
	s->may_join =
		good && s->payload && !(tcp[TCP_LENGTHS_FLAGS] & 15) &&
		(tcp[TCP_LENGTHS_FLAGS + 1] & ~TH_PUSH) == TH_ACK &&
		(buf->flags & (UDRV_NET_RX_CSUM_GOOD | UDRV_NET_RX_CSUM_BAD | UDRV_NET_VLAN)) ==
			UDRV_NET_RX_CSUM_GOOD;
	return true;
}

static bool has_push(const unsigned char *tcp)
{
	return tcp[TCP_LENGTHS_FLAGS + 1] & TH_PUSH;
}

/* Addresses and ports. What cannot be joined has them, too: it ends what is open of its flow. */
static bool is_same_flow(const struct udrv__gro_packet *p, const struct udrv_net_buf *buf,
			 const struct segment *s)
{
	const unsigned char *a = p->first->data, *b = buf->data;

	if (p->v6 != s->v6 || p->l4 != s->l4 || memcmp(a + p->l4, b + s->l4, 4) != 0)
		return false;
	return s->v6 ? !memcmp(a + p->l3 + 8, b + s->l3 + 8, 32)
		     : !memcmp(a + p->l3 + 12, b + s->l3 + 12, 8);
}

/* Identifications count; where they mean nothing, RFC 6864, they may be all the same. */
static bool id_follows(const struct udrv__gro_packet *p, const unsigned char *first,
		       const unsigned char *ip)
{
	const uint16_t id = load16(ip + 4);
	const uint16_t first_id = load16(first + 4);

	return id == (uint16_t)(first_id + p->segments) || (ip[6] & 0x40 && id == first_id);
}

static bool is_same_ip(const struct udrv__gro_packet *p, const struct udrv_net_buf *buf)
{
	const unsigned char *a = p->first->data + p->l3, *b = buf->data + p->l3;

	if (p->v6) /* class and label; next header and hop limit */
		return !memcmp(a, b, 4) && a[6] == b[6] && a[7] == b[7];
	/* type of service; flags; time to live and protocol */
	return a[1] == b[1] && !memcmp(a + 6, b + 6, 4) && id_follows(p, a, b);
}

/* Acknowledgement, length of the header, window, urgent pointer, options. */
static bool is_same_tcp(const struct udrv__gro_packet *p, const struct udrv_net_buf *buf)
{
	const unsigned char *a = p->first->data + p->l4, *b = buf->data + p->l4;
	const size_t head = (size_t)(p->hdr_len - p->l4);

	return !memcmp(a + 8, b + 8, 5) && !memcmp(a + 14, b + 14, 2) &&
	       !memcmp(a + 18, b + 18, head - 18);
}

static bool follows(const struct udrv__gro_packet *p, const struct udrv_net_buf *buf,
		    const struct segment *s)
{
	const uint32_t end = load32(p->first->data + p->l4 + 4) + p->payload;
	const uint32_t ip_len = (uint32_t)(p->hdr_len - p->l3) + p->payload + s->payload;

	return s->may_join && p->hdr_len == s->hdr_len && s->payload <= p->mss &&
	       load32(buf->data + s->l4 + 4) == end && ip_len <= IP_MAX &&
	       !memcmp(p->first->data, buf->data, p->l3) && is_same_ip(p, buf) &&
	       is_same_tcp(p, buf);
}

/* Its headers go, and what the wire needed to make it 60 bytes long. */
static void join(struct udrv__gro_packet *p, struct udrv_net_buf *buf, const struct segment *s)
{
	if (has_push(buf->data + s->l4)) {
		p->first->data[p->l4 + TCP_LENGTHS_FLAGS + 1] |= TH_PUSH;
		p->open = false;
	}
	if (s->payload < p->mss)
		p->open = false;
	buf->data += s->hdr_len;
	buf->len = s->payload;
	p->last->next = buf;
	p->last = buf;
	p->segments++;
	p->payload += s->payload;
}

static void begin(struct udrv__gro_packet *p, struct udrv_net_buf *buf)
{
	p->first = p->last = buf;
	p->open = false;
	memset(&p->hdr, 0, sizeof(p->hdr));
}

static void begin_segment(struct udrv__gro_packet *p, struct udrv_net_buf *buf,
			  const struct segment *s)
{
	begin(p, buf);
	p->v6 = s->v6;
	p->l3 = s->l3;
	p->l4 = s->l4;
	p->hdr_len = s->hdr_len;
	p->mss = (uint16_t)s->payload;
	p->payload = s->payload;
	p->segments = 1;
	p->open = s->may_join && !has_push(buf->data + s->l4);
}

/* The one that is open of its flow. */
static struct udrv__gro_packet *find(struct udrv__gro_packet *packets, unsigned int n,
				     const struct udrv_net_buf *buf, const struct segment *s)
{
	while (n--)
		if (packets[n].open && is_same_flow(&packets[n], buf, s))
			return &packets[n];
	return NULL;
}

static void close_all(struct udrv__gro_packet *packets, unsigned int n)
{
	while (n--)
		packets[n].open = false;
}

static uint32_t add_pseudo_header(const struct udrv__gro_packet *p, const unsigned char *ip)
{
	const uint32_t len = (uint32_t)(p->hdr_len - p->l4) + p->payload;
	const uint32_t sum = p->v6 ? add_words(0, ip + 8, 32) : add_words(0, ip + 12, 8);

	return fold(sum + len + IPPROTO_TCP);
}

/* The headers of the whole; the checksum is for the kernel, or a card behind it, to complete. */
static void finish(struct udrv__gro_packet *p)
{
	unsigned char *ip = p->first->data + p->l3;
	const uint32_t ip_len = (uint32_t)(p->hdr_len - p->l3) + p->payload;

	if (p->v6) {
		store16(ip + 4, ip_len - (uint32_t)sizeof(struct ip6_hdr));
	} else {
		store16(ip + 2, ip_len);
		store16(ip + 10, 0);
		store16(ip + 10, ~fold(add_words(0, ip, sizeof(struct iphdr))));
	}
	store16(p->first->data + p->l4 + CSUM_OFFSET, add_pseudo_header(p, ip));
	p->first->len = p->hdr_len + (uint32_t)p->mss;
	p->hdr = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = p->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = p->hdr_len,
		.gso_size = p->mss,
		.csum_start = p->l4,
		.csum_offset = CSUM_OFFSET,
	};
}

unsigned int udrv__gro(struct udrv_net_buf **bufs, unsigned int n, struct udrv__gro_packet *packets)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct udrv__gro_packet *p;
		struct segment s;

		if (!parse(bufs[i], &s)) {
			if (!is_other(bufs[i]))
				close_all(packets, count);
			begin(&packets[count++], bufs[i]);
			continue;
		}
		p = find(packets, count, bufs[i], &s);
		if (p && follows(p, bufs[i], &s)) {
			join(p, bufs[i], &s);
			continue;
		}
		if (p)
			p->open = false;
		begin_segment(&packets[count++], bufs[i], &s);
	}
	for (unsigned int i = 0; i < count; i++)
		if (packets[i].first != packets[i].last)
			finish(&packets[i]);
	return count;
}
