// SPDX-License-Identifier: MIT
/* Segments that are joined are what the kernel would cut again; others are left alone. */
#include <string.h>

#include "export/tap_gro.h"

#include "support/inet.h"
#include "support/suite.h"

#define FRAMES 64
#define MSS    1000
#define SEQ    0xfffffc00u /* it wraps soon */

/* How a frame differs from what continues the flow. */
struct frame {
	bool v6, vlan;
	uint32_t skip; /* sequence numbers that are missing */
	uint32_t payload;
	bool none;	      /* no payload */
	unsigned int options; /* words */
};

static struct udrv_net_pool *pool;
static struct udrv_net_buf *bufs[FRAMES];
static struct udrv__gro_packet packets[FRAMES];
static unsigned int n, count;
static uint32_t seq;
static uint16_t id;
static uint8_t next_byte;

/* From the beginning. */
static void again(void)
{
	for (unsigned int i = 0; i < count; i++)
		udrv_net_buf_free(packets[i].first);
	n = count = 0;
	seq = SEQ;
	id = 0xfffe;
	next_byte = 1;
}

static void setup(void)
{
	pool = udrv_net_pool_create(NULL, "gro", 2048, 0);
	count = 0;
	again();
}

static void teardown(void)
{
	again();
	ck_assert_int_eq(udrv_net_pool_destroy(pool), 0);
}

static uint8_t *ip_of(const struct udrv_net_buf *buf)
{
	return buf->data + (inet_get16(buf->data + 12) == 0x8100 ? 18 : 14);
}

static uint8_t *tcp_of(const struct udrv_net_buf *buf)
{
	return ip_of(buf) + (ip_of(buf)[0] >> 4 == 6 ? 40 : (ip_of(buf)[0] & 15) * 4);
}

/* After a change. */
static void sum(struct udrv_net_buf *buf)
{
	struct inet_frame f;

	if (inet_parse(buf->data, buf->len, &f))
		inet_fill(&f);
}

static void put_ethernet(uint8_t *p, const struct frame *f)
{
	static const uint8_t addrs[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};

	memcpy(p, addrs, 12);
	if (f->vlan) {
		inet_put16(p + 12, 0x8100);
		inet_put16(p + 14, 5);
		p += 4;
	}
	inet_put16(p + 12, f->v6 ? 0x86dd : 0x800);
}

static void put_ip(uint8_t *ip, const struct frame *f, unsigned int len)
{
	memset(ip, 0, 40);
	if (f->v6) {
		ip[0] = 0x60;
		inet_put16(ip + 4, len);
		ip[6] = 6;
		ip[7] = 64;
		ip[8] = 0xfe;
		ip[24] = 0xfe;
		ip[39] = 1;
		return;
	}
	ip[0] = 0x45;
	inet_put16(ip + 2, len + 20);
	inet_put16(ip + 4, id++);
	ip[6] = 0x40;
	ip[8] = 64;
	ip[9] = 6;
	ip[12] = 10;
	ip[16] = 10;
	ip[19] = 1;
}

/* The next one of the flow. */
static struct udrv_net_buf *add(struct frame f)
{
	struct udrv_net_buf *buf = udrv_net_buf_alloc(pool, UDRV_GFP_KERNEL);
	const unsigned int payload = f.none ? 0 : f.payload ? f.payload : MSS;
	const unsigned int tcp_len = 20 + 4 * f.options;
	const unsigned int l3 = f.vlan ? 18 : 14;
	const unsigned int l4 = l3 + (f.v6 ? 40 : 20);
	uint8_t *tcp = buf->data + l4;

	ck_assert_ptr_nonnull(udrv_net_buf_put(buf, l4 + tcp_len + payload));
	put_ethernet(buf->data, &f);
	put_ip(buf->data + l3, &f, tcp_len + payload);
	memset(tcp, 0, tcp_len);
	inet_put16(tcp, 1000);
	inet_put16(tcp + 2, 2000);
	seq += f.skip;
	inet_put32(tcp + 4, seq);
	inet_put32(tcp + 8, 77);
	tcp[12] = (uint8_t)(tcp_len / 4 << 4);
	tcp[13] = 0x10;
	inet_put16(tcp + 14, 500);
	memset(tcp + 20, 1, 4 * f.options);
	for (unsigned int i = 0; i < payload; i++)
		tcp[tcp_len + i] = next_byte++;
	seq += payload;
	sum(buf);
	buf->flags = UDRV_NET_RX_CSUM_GOOD;
	bufs[n++] = buf;
	return buf;
}

static void run(void)
{
	uint32_t bytes = 0, after = 0;

	for (unsigned int i = 0; i < n; i++)
		bytes += bufs[i]->len;
	count = udrv__gro(bufs, n, packets);
	ck_assert_uint_le(count, n);
	for (unsigned int i = 0; i < count; i++)
		for (struct udrv_net_buf *b = packets[i].first; b; b = b->next)
			after += b->len;
	ck_assert_uint_le(after, bytes);
}

/* The whole of it. */
static size_t flatten(const struct udrv__gro_packet *p, uint8_t *to)
{
	size_t len = 0;

	for (const struct udrv_net_buf *b = p->first; b; b = b->next) {
		memcpy(to + len, b->data, b->len);
		len += b->len;
	}
	return len;
}

/* It is a good frame, of these payload bytes, once its checksum is completed. */
static void check_joined(const struct udrv__gro_packet *p, unsigned int segments,
			 unsigned int payload, uint8_t first_byte)
{
	static uint8_t frame[80 * 1024];
	const size_t len = flatten(p, frame);
	struct inet_frame f;
	const uint8_t *data;

	ck_assert_uint_eq(p->segments, segments);
	ck_assert_uint_eq(p->hdr.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	ck_assert(inet_parse(frame, len, &f));
	ck_assert_uint_eq(p->hdr.gso_type,
			  f.v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4);
	ck_assert(inet_ip_good(&f));
	ck_assert_ptr_eq(f.l4 + f.l4_len, frame + len);
	ck_assert_ptr_eq(frame + p->hdr.csum_start, f.l4);
	ck_assert_uint_eq(p->hdr.csum_offset, 16);
	ck_assert_uint_eq(inet_get16(f.l4 + 16), inet_pseudo(&f, f.l4_len));
	inet_put16(f.l4 + 16, ~inet_sum(0, f.l4, f.l4_len));
	ck_assert(inet_l4_good(&f));
	data = f.l4 + (f.l4[12] >> 4) * 4;
	ck_assert_ptr_eq(data, frame + p->hdr.hdr_len);
	ck_assert_int_eq(frame + len - data, payload);
	for (unsigned int i = 0; i < payload; i++)
		ck_assert_uint_eq(data[i], (uint8_t)(first_byte + i));
}

static void check_apart(unsigned int i, const struct udrv_net_buf *buf)
{
	static const struct virtio_net_hdr none;

	ck_assert_ptr_eq(packets[i].first, buf);
	ck_assert_ptr_eq(packets[i].last, buf);
	ck_assert_ptr_null(buf->next);
	ck_assert_mem_eq(&packets[i].hdr, &none, sizeof(none));
}

/* What is joined. */

START_TEST(what_follows_is_joined)
{
	const struct frame f = {
		.v6 = _i & 1, .vlan = _i & 2, .options = _i & 4 ? 3 : 0, .payload = 0};

	for (int i = 0; i < 10; i++)
		add(f);
	run();
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(packets[0].hdr.gso_size, MSS);
	check_joined(&packets[0], 10, 10 * MSS, 1);
	/* Sequence numbers and identifications have wrapped. */
	ck_assert_uint_eq(inet_get32(tcp_of(packets[0].first) + 4), SEQ);
	ck_assert_uint_lt(seq, SEQ);
}
END_TEST

START_TEST(a_short_one_is_the_last)
{
	add((struct frame){0});
	add((struct frame){.payload = MSS - 1});
	add((struct frame){0});
	add((struct frame){0});
	run();
	ck_assert_uint_eq(count, 2);
	check_joined(&packets[0], 2, 2 * MSS - 1, 1);
	check_joined(&packets[1], 2, 2 * MSS, (uint8_t)(2 * MSS));
}
END_TEST

START_TEST(a_longer_one_begins_anew)
{
	struct udrv_net_buf *first = add((struct frame){.payload = MSS - 1});

	add((struct frame){0});
	add((struct frame){0});
	run();
	ck_assert_uint_eq(count, 2);
	check_apart(0, first);
	check_joined(&packets[1], 2, 2 * MSS, MSS & 0xff);
}
END_TEST

START_TEST(push_is_the_last_and_stays)
{
	struct udrv_net_buf *last;

	add((struct frame){0});
	last = add((struct frame){0});
	tcp_of(last)[13] |= 8;
	sum(last);
	add((struct frame){0});
	add((struct frame){0});
	run();
	ck_assert_uint_eq(count, 2);
	ck_assert_uint_eq(tcp_of(packets[0].first)[13], 0x18);
	check_joined(&packets[0], 2, 2 * MSS, 1);
	ck_assert_uint_eq(tcp_of(packets[1].first)[13], 0x10);
}
END_TEST

START_TEST(what_the_wire_adds_is_cut_off)
{
	for (int i = 0; i < 3; i++) {
		struct udrv_net_buf *buf = add((struct frame){.payload = 4});

		memset(udrv_net_buf_put(buf, 2), 0xff, 2); /* to 60 bytes */
	}
	run();
	ck_assert_uint_eq(count, 1);
	check_joined(&packets[0], 3, 12, 1);
}
END_TEST

START_TEST(flows_are_joined_apart_in_their_order)
{
	uint32_t seqs[2] = {SEQ, 5};

	for (int i = 0; i < 8; i++) {
		struct udrv_net_buf *buf;

		seq = seqs[i & 1];
		id = (uint16_t)(i / 2);
		buf = add((struct frame){0});
		inet_put16(tcp_of(buf), i & 1 ? 1001 : 1000);
		sum(buf);
		seqs[i & 1] = seq;
	}
	run();
	ck_assert_uint_eq(count, 2);
	ck_assert_uint_eq(packets[0].segments, 4);
	ck_assert_uint_eq(packets[1].segments, 4);
	ck_assert_ptr_eq(packets[0].first, bufs[0]);
	ck_assert_ptr_eq(packets[1].first, bufs[1]);
}
END_TEST

START_TEST(it_stays_within_64_kib)
{
	for (int i = 0; i < FRAMES; i++)
		add((struct frame){.v6 = _i, .payload = 1448});
	run();
	ck_assert_uint_eq(count, 2);
	ck_assert_uint_eq(packets[0].segments, 45);
	ck_assert_uint_eq(packets[1].segments, FRAMES - 45);
	check_joined(&packets[0], 45, 45 * 1448, 1);
	check_joined(&packets[1], FRAMES - 45, (FRAMES - 45) * 1448, (uint8_t)(1 + 45 * 1448));
}
END_TEST

/* Where they are counted for nothing: RFC 6864. */
START_TEST(identifications_that_stay_are_no_matter_if_it_is_whole)
{
	for (int i = 0; i < 3; i++) {
		id = 7;
		add((struct frame){0});
	}
	run();
	ck_assert_uint_eq(count, 1);
	check_joined(&packets[0], 3, 3 * MSS, 1);
}
END_TEST

START_TEST(they_count_where_it_may_be_cut)
{
	for (int i = 0; i < 3; i++) {
		struct udrv_net_buf *buf;

		if (i == _i)
			id = (uint16_t)(id + 1);
		buf = add((struct frame){0});
		ip_of(buf)[6] = 0;
		sum(buf);
	}
	run();
	ck_assert_uint_eq(count, _i && _i < 3 ? 2 : 1);
}
END_TEST

/* What is not. The second one of three is another one; what comes after follows neither. */

enum where { ETHERNET, IP, TCP, FLAGS };

static const struct {
	const char *what;
	enum where where;
	unsigned int at;
	uint8_t change; /* bits there */
	bool v6;
} changes[] = {
	{"ethernet", ETHERNET, 11, 1, false},
	{"type of service", IP, 1, 0x10, false},
	{"congestion", IP, 1, 3, false},
	{"time to live", IP, 8, 1, false},
	{"may be cut", IP, 6, 0x40, false},
	{"a bit that is none", IP, 6, 0x80, false},
	{"the first fragment", IP, 6, 0x60, false},
	{"a later fragment", IP, 7, 1, false},
	{"identification", IP, 4, 0x10, false},
	{"acknowledgement", TCP, 11, 1, false},
	{"a reserved bit", TCP, 12, 1, false},
	{"FIN", TCP, 13, 1, false},
	{"SYN", TCP, 13, 2, false},
	{"RST", TCP, 13, 4, false},
	{"no ACK", TCP, 13, 0x10, false},
	{"URG", TCP, 13, 0x20, false},
	{"ECE", TCP, 13, 0x40, false},
	{"CWR", TCP, 13, 0x80, false},
	{"window", TCP, 14, 1, false},
	{"urgent pointer", TCP, 19, 1, false},
	{"option", TCP, 30, 1, false},
	{"not checked", FLAGS, 0, UDRV_NET_RX_CSUM_GOOD, false},
	{"damaged", FLAGS, 0, UDRV_NET_RX_CSUM_BAD, false},
	{"tag beside it", FLAGS, 0, UDRV_NET_VLAN, false},
	{"label", IP, 3, 1, true},
	{"class", IP, 1, 0x30, true},
	{"hop limit", IP, 7, 1, true},
	{"a fragment", IP, 6, 6 ^ 44, true},
	{"FIN", TCP, 13, 1, true},
	{"option", TCP, 30, 1, true},
	{"not checked", FLAGS, 0, UDRV_NET_RX_CSUM_GOOD, true},
};

static void alter(struct udrv_net_buf *buf, int i)
{
	switch (changes[i].where) {
	case ETHERNET:
		buf->data[changes[i].at] ^= changes[i].change;
		break;
	case IP:
		ip_of(buf)[changes[i].at] ^= changes[i].change;
		break;
	case TCP:
		tcp_of(buf)[changes[i].at] ^= changes[i].change;
		break;
	case FLAGS:
		buf->flags ^= changes[i].change;
		break;
	}
	sum(buf);
}

START_TEST(what_differs_is_left_alone)
{
	const struct frame f = {.v6 = changes[_i].v6, .options = 3};
	struct udrv_net_buf *odd;

	add(f);
	add(f);
	odd = add(f);
	alter(odd, _i);
	add(f);
	add(f);
	run();
	ck_assert_msg(count >= 3, "%s: %u packets", changes[_i].what, count);
	check_apart(1, odd);
	check_joined(&packets[0], 2, 2 * MSS, 1);
	check_joined(&packets[2], 2, 2 * MSS, (uint8_t)(1 + 3 * MSS));
}
END_TEST

START_TEST(a_gap_is_a_gap)
{
	static const uint32_t skips[] = {1, UINT32_MAX, MSS, 1u << 31, (uint32_t)-MSS};

	add((struct frame){0});
	add((struct frame){.skip = skips[_i]});
	run();
	ck_assert_uint_eq(count, 2);
	check_apart(0, bufs[0]);
	check_apart(1, bufs[1]);
}
END_TEST

START_TEST(pure_acknowledgements_are_left_alone)
{
	const struct frame ack = {.none = true, .v6 = _i};

	add(ack);
	add(ack);
	add((struct frame){.v6 = _i});
	add(ack);
	add((struct frame){.v6 = _i});
	run();
	ck_assert_uint_eq(count, 5);
	for (unsigned int i = 0; i < 5; i++)
		check_apart(i, bufs[i]);
}
END_TEST

START_TEST(other_lengths_of_headers_are_left_alone)
{
	add((struct frame){.options = 3});
	add((struct frame){.options = 4});
	add((struct frame){0});
	add((struct frame){.vlan = true});
	run();
	ck_assert_uint_eq(count, 4);
}
END_TEST

START_TEST(a_wrong_sum_of_the_ip_header_is_left_alone)
{
	add((struct frame){0});
	ip_of(add((struct frame){0}))[11] ^= 1;
	add((struct frame){0});
	run();
	ck_assert_uint_eq(count, 3);
}
END_TEST

/* Other options of IPv4. */
START_TEST(ip_options_are_left_alone)
{
	static const uint8_t none[4] = {1, 1, 1, 0};

	for (int i = 0; i < 2; i++) {
		struct udrv_net_buf *buf = add((struct frame){0});
		uint8_t *ip = ip_of(buf);

		ck_assert_ptr_nonnull(udrv_net_buf_put(buf, 4));
		memmove(ip + 24, ip + 20, buf->len - 14 - 24);
		memcpy(ip + 20, none, 4);
		ip[0] = 0x46;
		inet_put16(ip + 2, inet_get16(ip + 2) + 4u);
		sum(buf);
	}
	run();
	ck_assert_uint_eq(count, 2);
	check_apart(0, bufs[0]);
	check_apart(1, bufs[1]);
}
END_TEST

/* UDP does not end what is open, but is in its place. */
START_TEST(others_between_are_no_matter)
{
	struct udrv_net_buf *udp;

	add((struct frame){0});
	udp = add((struct frame){.payload = 10});
	seq -= 10;
	id--;
	ip_of(udp)[9] = 17;
	add((struct frame){0});
	run();
	ck_assert_uint_eq(count, 2);
	ck_assert_uint_eq(packets[0].segments, 2);
	check_apart(1, udp);
}
END_TEST

/* Each length, each byte of the headers wrong: nothing is read outside, or lost. */
START_TEST(nonsense_is_handed_on)
{
	for (unsigned int len = 0; len < 80; len++) {
		struct udrv_net_buf *buf;

		again();
		add((struct frame){.v6 = _i});
		buf = add((struct frame){.v6 = _i});
		/* At its end, so that the sanitizer sees what is behind. */
		memmove(buf->start + buf->size - len, buf->data, len);
		buf->data = buf->start + buf->size - len;
		buf->len = len;
		run();
		ck_assert_uint_eq(count, 2);
		check_apart(1, buf);
	}
	for (unsigned int at = 12; at < 60; at++) {
		for (unsigned int value = 0; value < 256; value += 5) {
			struct udrv_net_buf *buf;
			unsigned int parts = 0;

			again();
			add((struct frame){.v6 = _i, .payload = 100});
			buf = add((struct frame){.v6 = _i, .payload = 100});
			buf->data[at] = (uint8_t)value;
			run();
			for (unsigned int i = 0; i < count; i++)
				for (struct udrv_net_buf *b = packets[i].first; b; b = b->next)
					parts++;
			ck_assert_uint_eq(parts, 2);
		}
	}
}
END_TEST

#define CHANGES (int)(sizeof(changes) / sizeof(changes[0]))

int main(void)
{
	Suite *s = suite_create("tap_gro");
	TCase *tc = tcase_create("gro");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc, what_follows_is_joined, 0, 8);
	tcase_add_test(tc, a_short_one_is_the_last);
	tcase_add_test(tc, a_longer_one_begins_anew);
	tcase_add_test(tc, push_is_the_last_and_stays);
	tcase_add_test(tc, what_the_wire_adds_is_cut_off);
	tcase_add_test(tc, flows_are_joined_apart_in_their_order);
	tcase_add_loop_test(tc, it_stays_within_64_kib, 0, 2);
	tcase_add_test(tc, identifications_that_stay_are_no_matter_if_it_is_whole);
	tcase_add_loop_test(tc, they_count_where_it_may_be_cut, 0, 4);
	tcase_add_loop_test(tc, what_differs_is_left_alone, 0, CHANGES);
	tcase_add_loop_test(tc, a_gap_is_a_gap, 0, 5);
	tcase_add_loop_test(tc, pure_acknowledgements_are_left_alone, 0, 2);
	tcase_add_test(tc, other_lengths_of_headers_are_left_alone);
	tcase_add_test(tc, a_wrong_sum_of_the_ip_header_is_left_alone);
	tcase_add_test(tc, ip_options_are_left_alone);
	tcase_add_test(tc, others_between_are_no_matter);
	tcase_add_loop_test(tc, nonsense_is_handed_on, 0, 2);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
