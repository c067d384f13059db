// SPDX-License-Identifier: MIT
/* The e1000e driver on the software card: checksums, segments, tags, frames of several parts. */
#include "support/inet.h"
#include "support/suite.h"

#include "e1000e_driver.h"

#define L4     34 /* of IPv4 without options */
#define L4_V6  54
#define TCP_HL 20

static uint8_t got[UDRV__E1000E_FRAME_MAX];

static void setup(void)
{
	start_card(NULL);
}

static void teardown(void)
{
	stop_card();
}

/* TCP or UDP with @payload bytes, the checksums not filled in: its length. */
static uint32_t fill_ip(uint8_t *f, const uint8_t *to, bool v6, unsigned int protocol,
			uint32_t payload)
{
	const uint32_t l4_head = protocol == INET_TCP ? TCP_HL : 8;
	const uint32_t l4 = v6 ? L4_V6 : L4;
	const uint32_t len = l4 + l4_head + payload;

	memset(f, 0, l4 + l4_head);
	memcpy(f, to, 6);
	memcpy(f + 6, far_mac, 6);
	inet_put16(f + 12, v6 ? 0x86dd : 0x800);
	if (v6) {
		f[14] = 0x60;
		inet_put16(f + 18, l4_head + payload);
		f[20] = (uint8_t)protocol;
		f[21] = 64;
		for (unsigned int i = 22; i < 54; i++)
			f[i] = (uint8_t)(i * 7);
	} else {
		f[14] = 0x45;
		inet_put16(f + 16, len - 14);
		f[22] = 64;
		f[23] = (uint8_t)protocol;
		memcpy(f + 26, "\x0a\x00\x00\x01\x0a\x00\x00\x02", 8);
	}
	inet_put16(f + l4, 1000);
	inet_put16(f + l4 + 2, 2000);
	if (protocol == INET_TCP) {
		inet_put32(f + l4 + 4, 0x01020304);
		f[l4 + 12] = TCP_HL / 4 << 4;
		f[l4 + 13] = 0x18; /* PSH, ACK */
	} else {
		inet_put16(f + l4 + 4, 8 + payload);
	}
	for (uint32_t i = 0; i < payload; i++)
		f[l4 + l4_head + i] = byte_at(payload, i);
	return len;
}

/* What the card sums up begins with that of the pseudo header. */
static void ask_for_csum(struct udrv_net_buf *buf, size_t pseudo_len)
{
	struct inet_frame f;

	ck_assert(inet_parse(buf->data, buf->len, &f));
	if (!f.v6)
		inet_put16(f.ip + 10, ~inet_sum(0, f.ip, 20));
	inet_put16(inet_l4_csum(&f), inet_pseudo(&f, pseudo_len));
	buf->flags |= UDRV_NET_TX_CSUM;
	buf->csum_start = (uint16_t)(f.l4 - buf->data);
	buf->csum_offset = (uint16_t)(inet_l4_csum(&f) - f.l4);
}

static struct udrv_net_buf *make_ip(bool v6, unsigned int protocol, uint32_t payload)
{
	struct udrv_net_buf *buf = udrv_net_buf_alloc(pool, UDRV_GFP_KERNEL);

	ck_assert_ptr_nonnull(buf);
	buf->len = fill_ip(buf->data, far_mac, v6, protocol, payload);
	return buf;
}

/* TCP and UDP over IPv4 and IPv6, of several lengths. */
START_TEST(checksums_are_inserted)
{
	const bool v6 = _i & 1;
	const unsigned int protocol = _i & 2 ? INET_TCP : INET_UDP;

	for (uint32_t payload = 0; payload < 1400; payload += 123) {
		struct udrv_net_buf *buf = make_ip(v6, protocol, payload);
		struct inet_frame f;
		size_t len;

		ck_assert(inet_parse(buf->data, buf->len, &f));
		ask_for_csum(buf, f.l4_len);
		send_on(0, buf);
		len = far_receives(got, sizeof(got));
		ck_assert(inet_parse(got, len, &f));
		ck_assert(inet_ip_good(&f));
		ck_assert(inet_l4_good(&f));
	}
}
END_TEST

START_TEST(checksums_that_come_are_looked_at)
{
	const bool v6 = _i & 1;
	const unsigned int protocol = _i & 2 ? INET_TCP : INET_UDP;
	static uint8_t frame[200];
	struct udrv_net_buf *buf;
	struct inet_frame f;
	const uint32_t len = fill_ip(frame, ndev->dev_addr, v6, protocol, 100);

	ck_assert(inet_parse(frame, len, &f));
	inet_fill(&f);
	WAIT_FOR(udrv__model_e1000e_send(dev, frame, len));
	buf = receive_on(0);
	ck_assert_uint_eq(buf->flags, UDRV_NET_RX_CSUM_GOOD);
	udrv_net_buf_free(buf);
	frame[len - 1] ^= 1;
	WAIT_FOR(udrv__model_e1000e_send(dev, frame, len));
	buf = receive_on(0);
	ck_assert_uint_eq(buf->flags, UDRV_NET_RX_CSUM_BAD);
	ck_assert_uint_eq(buf->len, len);
	udrv_net_buf_free(buf);
}
END_TEST

START_TEST(nothing_is_said_of_checksums_nobody_asked_for)
{
	const struct udrv_net_options options = {0};
	static uint8_t frame[200];
	struct udrv_net_buf *buf;
	struct inet_frame f;
	uint32_t len;

	start_card(&options);
	len = fill_ip(frame, ndev->dev_addr, false, INET_UDP, 100);
	ck_assert(inet_parse(frame, len, &f));
	inet_fill(&f);
	WAIT_FOR(udrv__model_e1000e_send(dev, frame, len));
	buf = receive_on(0);
	ck_assert_uint_eq(buf->flags, 0);
	udrv_net_buf_free(buf);
	stop_card();
}
END_TEST

/* Segments of one frame: all of the payload, in order, each with right sums and lengths. */
static void check_segments(uint32_t payload, uint16_t mss, bool v6)
{
	uint32_t done = 0;

	while (done < payload) {
		const uint32_t wanted = payload - done < mss ? payload - done : mss;
		const size_t len = far_receives(got, sizeof(got));
		struct inet_frame f;

		ck_assert(inet_parse(got, len, &f));
		ck_assert(f.v6 == v6);
		ck_assert(inet_ip_good(&f));
		ck_assert(inet_l4_good(&f));
		ck_assert_uint_eq(f.l4_len, TCP_HL + wanted);
		ck_assert_uint_eq(inet_get32(f.l4 + 4), 0x01020304 + done);
		for (uint32_t i = 0; i < wanted; i++)
			ck_assert_uint_eq(f.l4[TCP_HL + i], byte_at(payload, done + i));
		done += wanted;
	}
}

static void ask_for_segments(struct udrv_net_buf *buf, bool v6, uint16_t mss)
{
	ask_for_csum(buf, 0);
	buf->flags |= v6 ? UDRV_NET_TX_TSO6 : UDRV_NET_TX_TSO4;
	buf->gso_size = mss;
	buf->hdr_len = (uint16_t)(buf->csum_start + TCP_HL);
}

START_TEST(long_tcp_frames_are_cut)
{
	const bool v6 = _i;
	static const uint32_t payloads[] = {1, 1000, 1400, 1401, 9000, 14000, 16000};

	for (unsigned int i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
		struct udrv_net_buf *buf = make_ip(v6, INET_TCP, payloads[i]);

		ask_for_segments(buf, v6, 1400);
		send_on(0, buf);
		check_segments(payloads[i], 1400, v6);
	}
}
END_TEST

/* Of the kernel, of a provider, and both. */
START_TEST(long_tcp_frames_behind_tags_are_cut)
{
	static const uint32_t tags[3][2] = {{0x81000005}, {0x88a80005}, {0x88a80006, 0x81000007}};

	for (unsigned int v6 = 0; v6 < 2; v6++) {
		struct udrv_net_buf *buf = make_ip(v6, INET_TCP, 5000);

		for (unsigned int i = 2; i--;) {
			if (!tags[_i][i])
				continue;
			memmove(buf->data + 16, buf->data + 12, buf->len - 12);
			inet_put32(buf->data + 12, tags[_i][i]);
			buf->len += 4;
		}
		ask_for_segments(buf, v6, 1400);
		send_on(0, buf);
		check_segments(5000, 1400, v6);
	}
}
END_TEST

/* The payload in other buffers than the headers, 60 KB of it. */
START_TEST(parts_of_a_long_frame_are_cut)
{
	const uint32_t payload = 60000, piece = 12000;
	static uint8_t whole[66000];
	struct udrv_net_buf *first, **link;
	const uint32_t head = L4 + TCP_HL;

	(void)fill_ip(whole, far_mac, false, INET_TCP, payload);
	first = make_ip(false, INET_TCP, 0);
	memcpy(first->data, whole, head);
	first->len = head;
	link = &first->next;
	for (uint32_t at = 0; at < payload; at += piece) {
		*link = udrv_net_buf_alloc(pool, UDRV_GFP_KERNEL);
		ck_assert_ptr_nonnull(*link);
		memcpy(udrv_net_buf_put(*link, piece), whole + head + at, piece);
		link = &(*link)->next;
	}
	inet_put16(first->data + 24, ~inet_sum(0, first->data + 14, 20));
	inet_put16(first->data + L4 + 16,
		   inet_sum(inet_sum(0, first->data + 26, 8) + INET_TCP, NULL, 0));
	first->flags |= UDRV_NET_TX_CSUM | UDRV_NET_TX_TSO4;
	first->csum_start = L4;
	first->csum_offset = 16;
	first->gso_size = 1448;
	first->hdr_len = (uint16_t)head;
	send_on(0, first);
	check_segments(payload, 1448, false);
	reap_all(0);
}
END_TEST

/* Contexts are told only when they change: frames of all kinds in turn are right nevertheless. */
START_TEST(kinds_of_frames_take_turns)
{
	struct inet_frame f;

	for (unsigned int i = 0; i < 60; i++) {
		struct udrv_net_buf *buf =
			make_ip(i % 4 > 1, i % 5 ? INET_TCP : INET_UDP, 1000 + i);
		size_t len;

		ck_assert(inet_parse(buf->data, buf->len, &f));
		if (i % 3 == 0) {
			ask_for_csum(buf, f.l4_len);
		} else if (i % 3 == 1 && i % 5) {
			ask_for_segments(buf, i % 4 > 1, 600);
			send_on(0, buf);
			check_segments(1000 + i, 600, i % 4 > 1);
			continue;
		} else {
			inet_fill(&f);
		}
		send_on(0, buf);
		len = far_receives(got, sizeof(got));
		ck_assert(inet_parse(got, len, &f));
		ck_assert(inet_ip_good(&f) && inet_l4_good(&f));
	}
}
END_TEST

/* The card has one context for both. */
START_TEST(queues_do_not_take_each_others_contexts)
{
	const struct udrv_net_options options = {.tx_queues = 2, .features = UINT32_MAX};

	start_card(&options);
	for (unsigned int i = 0; i < 60; i++) {
		const unsigned int q = i & 1;
		struct udrv_net_buf *buf = make_ip(q, INET_TCP, 1000 + i);
		struct inet_frame f;
		size_t len;

		ck_assert(inet_parse(buf->data, buf->len, &f));
		ask_for_csum(buf, f.l4_len);
		send_on(q, buf);
		len = far_receives(got, sizeof(got));
		ck_assert(inet_parse(got, len, &f));
		ck_assert_int_eq(f.v6, q);
		ck_assert(inet_ip_good(&f) && inet_l4_good(&f));
	}
	stop_card();
}
END_TEST

/* Both have many frames at a time, each with a context before it. */
START_TEST(queues_take_turns_by_frames)
{
	const struct udrv_net_options options = {.tx_queues = 2, .features = UINT32_MAX};
	struct udrv_net_buf *bufs[2][30];
	struct inet_frame f;

	start_card(&options);
	for (unsigned int i = 0; i < 60; i++) {
		struct udrv_net_buf *buf = make_ip(i & 1, INET_TCP, 1000 + i);

		ck_assert(inet_parse(buf->data, buf->len, &f));
		ask_for_csum(buf, f.l4_len);
		bufs[i & 1][i / 2] = buf;
	}
	ck_assert_uint_eq(udrv_net_tx_burst(ndev->txq[0], bufs[0], 30), 30);
	ck_assert_uint_eq(udrv_net_tx_burst(ndev->txq[1], bufs[1], 30), 30);
	for (unsigned int i = 0; i < 60; i++) {
		const size_t len = far_receives(got, sizeof(got));

		ck_assert(inet_parse(got, len, &f));
		ck_assert(inet_ip_good(&f) && inet_l4_good(&f));
	}
	stop_card();
}
END_TEST

/* A frame with tag 0xa123, which is in @frame afterwards. */
static void far_sends_tagged(uint8_t frame[104])
{
	memcpy(frame, ndev->dev_addr, 6);
	memcpy(frame + 6, far_mac, 6);
	inet_put32(frame + 12, 0x8100a123);
	for (unsigned int i = 16; i < 104; i++)
		frame[i] = (uint8_t)i;
	WAIT_FOR(udrv__model_e1000e_send(dev, frame, 104));
}

START_TEST(tags_are_put_in_and_taken_out)
{
	struct udrv_net_buf *buf = make_frame(100, 1);
	uint8_t frame[104];

	ck_assert_int_eq(udrv_net_vlan_vid_add(ndev, 0x123), 0);
	buf->flags = UDRV_NET_VLAN;
	buf->vlan_tci = 0x6123;
	send_on(0, buf);
	ck_assert_uint_eq(far_receives(got, sizeof(got)), 104);
	ck_assert_uint_eq(inet_get32(got + 12), 0x81006123);
	fill_frame(frame, 100, far_mac, 1);
	ck_assert_mem_eq(got + 16, frame + 12, 88);

	far_sends_tagged(frame);
	buf = receive_on(0);
	ck_assert_uint_eq(buf->len, 100);
	ck_assert_uint_eq(buf->flags & UDRV_NET_VLAN, UDRV_NET_VLAN);
	ck_assert_uint_eq(buf->vlan_tci, 0xa123);
	ck_assert_mem_eq(buf->data + 12, frame + 16, 88);
	udrv_net_buf_free(buf);
}
END_TEST

/* Who has only asked for tags to be put in gets them in the frames. */
START_TEST(tags_are_put_back_for_who_has_not_asked)
{
	const struct udrv_net_options options = {.features = UDRV_NET_F_VLAN_TX};
	struct udrv_net_buf *buf;
	uint8_t frame[104];

	start_card(&options);
	far_sends_tagged(frame);
	buf = receive_on(0);
	ck_assert_uint_eq(buf->flags, 0);
	ck_assert_uint_eq(buf->len, 104);
	ck_assert_mem_eq(buf->data, frame, 104);
	udrv_net_buf_free(buf);
	buf = make_frame(100, 1);
	buf->flags = UDRV_NET_VLAN;
	buf->vlan_tci = 5;
	send_on(0, buf);
	ck_assert_uint_eq(far_receives(got, sizeof(got)), 104);
	stop_card();
}
END_TEST

START_TEST(tags_stay_in_the_frames_of_who_asks_for_nothing)
{
	const struct udrv_net_options options = {0};
	uint8_t frame[104];
	struct udrv_net_buf *buf;

	start_card(&options);
	memcpy(frame, ndev->dev_addr, 6);
	memcpy(frame + 6, far_mac, 6);
	inet_put32(frame + 12, 0x81000009);
	memset(frame + 16, 7, 88);
	WAIT_FOR(udrv__model_e1000e_send(dev, frame, 104));
	buf = receive_on(0);
	ck_assert_uint_eq(buf->flags, 0);
	ck_assert_mem_eq(buf->data, frame, 104);
	udrv_net_buf_free(buf);
	/* And the card cannot put one in. */
	buf = make_frame(100, 1);
	buf->flags = UDRV_NET_VLAN;
	send_on(0, buf);
	ck_assert_uint_eq(ndev->txq[0]->dropped, 1);
	stop_card();
}
END_TEST

START_TEST(vlans_are_filtered)
{
	uint8_t frame[100];
	struct udrv_net_buf *buf;

	fill_frame(frame, sizeof(frame), ndev->dev_addr, 1);
	inet_put32(frame + 12, 0x81000007);
	WAIT_FOR(udrv__model_e1000e_send(dev, frame, sizeof(frame)));
	gets_nothing();
	ck_assert_int_eq(udrv_net_vlan_vid_add(ndev, 7), 0);
	WAIT_FOR(udrv__model_e1000e_send(dev, frame, sizeof(frame)));
	buf = receive_on(0);
	ck_assert_uint_eq(buf->vlan_tci, 7);
	udrv_net_buf_free(buf);
	/* VLAN 0 is a priority. */
	inet_put32(frame + 12, 0x8100e000);
	WAIT_FOR(udrv__model_e1000e_send(dev, frame, sizeof(frame)));
	udrv_net_buf_free(receive_on(0));
	ck_assert_int_eq(udrv_net_vlan_vid_del(ndev, 7), 0);
	inet_put32(frame + 12, 0x81000007);
	WAIT_FOR(udrv__model_e1000e_send(dev, frame, sizeof(frame)));
	gets_nothing();
	ck_assert_int_eq(udrv_net_vlan_vid_add(ndev, 4096), -EINVAL);
}
END_TEST

START_TEST(parts_leave_as_one_frame)
{
	static uint8_t wanted[1514];

	for (unsigned int parts = 2; parts <= 20; parts++) {
		struct udrv_net_buf *first = NULL, **link = &first;
		const uint32_t piece = sizeof(wanted) / parts;
		uint32_t at = 0;

		fill_frame(wanted, sizeof(wanted), far_mac, parts);
		for (unsigned int i = 0; i < parts; i++) {
			const uint32_t len = i + 1 < parts ? piece : (uint32_t)sizeof(wanted) - at;

			*link = udrv_net_buf_alloc(pool, UDRV_GFP_KERNEL);
			ck_assert_ptr_nonnull(*link);
			memcpy(udrv_net_buf_put(*link, len), wanted + at, len);
			at += len;
			link = &(*link)->next;
		}
		send_on(0, first);
		ck_assert_uint_eq(far_receives(got, sizeof(got)), sizeof(wanted));
		ck_assert_mem_eq(got, wanted, sizeof(wanted));
	}
	reap_all(0);
}
END_TEST

/* Behind more headers than the card can skip; the parts are of odd lengths. */
START_TEST(checksums_far_behind_are_inserted)
{
	const uint16_t start = 300, offset = 6;
	static uint8_t wanted[1100];
	struct udrv_net_buf *buf = udrv_net_buf_alloc(pool, UDRV_GFP_KERNEL);

	ck_assert_ptr_nonnull(buf);
	fill_frame(wanted, sizeof(wanted), far_mac, 1);
	memcpy(udrv_net_buf_put(buf, 501), wanted, 501);
	buf->next = udrv_net_buf_alloc(pool, UDRV_GFP_KERNEL);
	ck_assert_ptr_nonnull(buf->next);
	memcpy(udrv_net_buf_put(buf->next, sizeof(wanted) - 501), wanted + 501,
	       sizeof(wanted) - 501);
	buf->flags = UDRV_NET_TX_CSUM;
	buf->csum_start = start;
	buf->csum_offset = offset;
	inet_put16(wanted + start + offset,
		   ~inet_sum(0, wanted + start, sizeof(wanted) - start) & 0xffff);
	send_on(0, buf);
	ck_assert_uint_eq(far_receives(got, sizeof(got)), sizeof(wanted));
	ck_assert_mem_eq(got, wanted, sizeof(wanted));
}
END_TEST

/* At each place in a page: QEMU wants descriptors that stay in one. */
START_TEST(descriptors_stay_in_their_pages)
{
	for (uint32_t shift = 0; shift < 8192; shift += 97) {
		struct udrv_net_buf *buf = udrv_net_buf_alloc(pool, UDRV_GFP_KERNEL);

		ck_assert_ptr_nonnull(buf);
		buf->data += shift;
		fill_frame(udrv_net_buf_put(buf, 1500), 1500, far_mac, shift);
		send_on(0, buf);
		far_gets(1500, shift);
	}
	for (uint32_t i = 0; i <= card_of(ndev)->txq[0]->mask; i++) {
		const union e1000e_tx_desc *desc = &card_of(ndev)->txq[0]->ring[i];
		const uint64_t len = desc->data.cmd & 0xfffff;

		if (len)
			ck_assert_uint_eq(desc->data.address / 4096,
					  (desc->data.address + len - 1) / 4096);
	}
}
END_TEST

/* What the device cannot reach is copied, and given back at once. */
START_TEST(memory_of_others_is_copied)
{
	struct udrv_net_pool *plain = udrv_net_pool_create(NULL, "plain", 2048, 0);

	ck_assert_ptr_nonnull(plain);
	for (unsigned int i = 0; i < 1000; i++) {
		struct udrv_net_buf *buf = udrv_net_buf_alloc(plain, UDRV_GFP_KERNEL);

		ck_assert_ptr_nonnull(buf);
		fill_frame(udrv_net_buf_put(buf, 60 + i), 60 + i, far_mac, i);
		send_on(0, buf);
		far_gets(60 + i, i);
	}
	ck_assert_int_eq(udrv_net_pool_destroy(plain), 0);
	ck_assert_uint_eq(ndev->txq[0]->dropped, 0);
}
END_TEST

/* In bursts, longer than what is copied at a time, and between others. */
START_TEST(bursts_of_others_memory_are_copied_in_order)
{
	struct udrv_net_pool *plain = udrv_net_pool_create(NULL, "plain", 2048, 0);
	struct udrv_net_buf *bufs[100];
	unsigned int taken = 0;

	ck_assert_ptr_nonnull(plain);
	for (unsigned int i = 0; i < 100; i++) {
		const bool ours = i % 45 > 38;

		bufs[i] = udrv_net_buf_alloc(ours ? pool : plain, UDRV_GFP_KERNEL);
		ck_assert_ptr_nonnull(bufs[i]);
		fill_frame(udrv_net_buf_put(bufs[i], 60 + 10 * i), 60 + 10 * i, far_mac, i);
	}
	WAIT_FOR((taken += udrv_net_tx_burst(ndev->txq[0], bufs + taken, 100 - taken)) == 100);
	for (unsigned int i = 0; i < 100; i++)
		far_gets(60 + 10 * i, i);
	ck_assert_int_eq(udrv_net_pool_destroy(plain), 0);
	ck_assert_uint_eq(ndev->txq[0]->dropped, 0);
	ck_assert_uint_eq(ndev->txq[0]->packets, 100);
}
END_TEST

/* However long, in one part or more than there are copies of at a time. */
START_TEST(long_frames_in_memory_of_others_are_copied)
{
	const struct udrv_net_options options = {.tx_ring = 64, .features = UINT32_MAX};
	struct udrv_net_pool *plain = udrv_net_pool_create(NULL, "plain", 66000, 0);
	const uint32_t payload = 60000;

	start_card(&options);
	ck_assert_ptr_nonnull(plain);
	for (unsigned int i = 0; i < 20; i++) {
		struct udrv_net_buf *bufs[4];
		unsigned int taken = 0;

		for (unsigned int k = 0; k < 4; k++) {
			bufs[k] = udrv_net_buf_alloc(plain, UDRV_GFP_KERNEL);
			ck_assert_ptr_nonnull(bufs[k]);
			bufs[k]->len = fill_ip(bufs[k]->data, far_mac, i & 1, INET_TCP, payload);
			ask_for_segments(bufs[k], i & 1, 1400);
		}
		WAIT_FOR((taken += udrv_net_tx_burst(ndev->txq[0], bufs + taken, 4 - taken)) == 4);
		for (unsigned int k = 0; k < 4; k++)
			check_segments(payload, 1400, i & 1);
	}
	ck_assert_uint_eq(ndev->txq[0]->dropped, 0);
	ck_assert_int_eq(udrv_net_pool_destroy(plain), 0);
	stop_card();
}
END_TEST

/* There is some room, but not for the frame that waits: who asks sleeps. */
START_TEST(frame_of_many_parts_is_waited_for)
{
	const struct udrv_net_options options = {.tx_ring = 64, .features = UINT32_MAX};
	const struct udrv_net_device_ops *ops;
	struct udrv_net_buf *first = NULL, **link = &first;

	start_card(&options);
	ops = ndev->netdev_ops;
	for (unsigned int i = 0; i < 20; i++) {
		*link = udrv_net_buf_alloc(pool, UDRV_GFP_KERNEL);
		ck_assert_ptr_nonnull(*link);
		ck_assert_ptr_nonnull(udrv_net_buf_put(*link, 20));
		link = &(*link)->next;
	}
	udrv__model_e1000e_fault(dev, UDRV__E1000E_TX_STUCK, 1);
	for (unsigned int i = 0; i < 30; i++)
		send_frame(60, i);
	ck_assert_uint_eq(udrv_net_tx_burst(ndev->txq[0], &first, 1), 0);
	ck_assert(!ops->tx_arm(ndev->txq[0]));
	/* The watchdog resets it. */
	for (unsigned int looks = 0; looks < 3; looks++)
		e1000e_tick(&card_of(ndev)->tick.work);
	WAIT_FOR(ops->tx_arm(ndev->txq[0]));
	send_on(0, first);
	ck_assert_uint_eq(far_receives(got, sizeof(got)), 400);
	stop_card();
}
END_TEST

static void ask_for_too_much(struct udrv_net_buf *buf, int how)
{
	struct inet_frame f;

	ck_assert(inet_parse(buf->data, buf->len, &f));
	ask_for_segments(buf, false, 500);
	switch (how) {
	case 0:
		buf->gso_size = 0;
		break;
	case 1:
		buf->hdr_len = (uint16_t)(buf->len + 1);
		break;
	case 2:
		buf->flags &= ~UDRV_NET_TX_CSUM;
		break;
	case 3:
		buf->csum_start = 300;
		break;
	case 4:
		buf->csum_offset = 300;
		break;
	case 5:
		buf->gso_size = 1500;
		break;
	case 6:
		buf->csum_start = 20;
		break;
	case 7:
		buf->len = buf->hdr_len;
		break;
	case 8:
		buf->flags &= ~UDRV_NET_TX_TSO4;
		buf->csum_start = (uint16_t)buf->len;
		break;
	case 9:
		buf->len = 13;
		break;
	case 10:
		buf->flags = 0;
		buf->len = 1519;
		break;
	case 11:
		buf->flags = 0;
		buf->len = 0;
		break;
	case 12:
		inet_put16(buf->data + 12, 0x9100);
		break;
	default:
		buf->hdr_len = buf->csum_start;
	}
}

START_TEST(frames_that_make_no_sense_are_dropped)
{
	struct udrv_net_buf *buf = make_ip(false, INET_TCP, 1600);

	ask_for_too_much(buf, _i);
	send_on(0, buf);
	ck_assert_uint_eq(ndev->txq[0]->dropped, 1);
	ck_assert_uint_eq(card_of(ndev)->txq[0]->unfit, 1);
	send_frame(70, 1);
	far_gets(70, 1);
}
END_TEST

/* The card pads what has 17 bytes. */
START_TEST(shortest_frames_are_padded)
{
	for (uint32_t len = 14; len < 20; len++) {
		struct udrv_net_buf *buf = make_ip(false, INET_UDP, 100);
		uint8_t sent[20];

		buf->len = len;
		memcpy(sent, buf->data, len);
		send_on(0, buf);
		ck_assert_uint_eq(far_receives(got, sizeof(got)), 60);
		ck_assert_mem_eq(got, sent, len);
		for (uint32_t i = len; i < 60; i++)
			ck_assert_uint_eq(got[i], 0);
	}
	ck_assert_uint_eq(ndev->txq[0]->dropped, 0);
}
END_TEST

/* With MSI-X they would be told by the vector of what is no queue's. */
START_TEST(acknowledgements_are_no_cause_of_their_own)
{
	static uint8_t frame[200];
	struct inet_frame f;
	const uint32_t len = fill_ip(frame, ndev->dev_addr, false, INET_TCP, 100);
	uint64_t before;

	ck_assert(inet_parse(frame, len, &f));
	inet_fill(&f);
	/* That there is a link may have been seen before it was told. */
	ck_assert_int_eq(udrv_synchronize_irq(dev, udrv_pci_irq_vector(dev, 4)), 0);
	before = card_of(ndev)->irqs_other;
	for (unsigned int i = 0; i < 10; i++) {
		WAIT_FOR(udrv__model_e1000e_send(dev, frame, len));
		udrv_net_buf_free(receive_on(0));
	}
	ck_assert_int_eq(udrv_synchronize_irq(dev, udrv_pci_irq_vector(dev, 4)), 0);
	ck_assert_uint_eq(card_of(ndev)->irqs_other, before);
}
END_TEST

START_TEST(frame_of_too_many_parts_is_dropped)
{
	struct udrv_net_buf *first = NULL, **link = &first;

	for (unsigned int i = 0; i < 60; i++) {
		*link = udrv_net_buf_alloc(pool, UDRV_GFP_KERNEL);
		ck_assert_ptr_nonnull(*link);
		ck_assert_ptr_nonnull(udrv_net_buf_put(*link, 20));
		link = &(*link)->next;
	}
	send_on(0, first);
	ck_assert_uint_eq(card_of(ndev)->txq[0]->unfit, 1);
	send_frame(70, 1);
	far_gets(70, 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("e1000e_offload");
	TCase *open = tcase_create("open");
	TCase *options = tcase_create("options");

	/* A slow machine is no card that hangs. */
	set_param("watchdog_ms", "60000");
	tcase_set_timeout(open, 300);
	tcase_add_checked_fixture(open, setup, teardown);
	tcase_add_loop_test(open, checksums_are_inserted, 0, 4);
	tcase_add_test(open, checksums_far_behind_are_inserted);
	tcase_add_loop_test(open, checksums_that_come_are_looked_at, 0, 4);
	tcase_add_loop_test(open, long_tcp_frames_are_cut, 0, 2);
	tcase_add_loop_test(open, long_tcp_frames_behind_tags_are_cut, 0, 3);
	tcase_add_test(open, parts_of_a_long_frame_are_cut);
	tcase_add_test(open, kinds_of_frames_take_turns);
	tcase_add_test(open, tags_are_put_in_and_taken_out);
	tcase_add_test(open, vlans_are_filtered);
	tcase_add_test(open, parts_leave_as_one_frame);
	tcase_add_test(open, descriptors_stay_in_their_pages);
	tcase_add_test(open, memory_of_others_is_copied);
	tcase_add_test(open, bursts_of_others_memory_are_copied_in_order);
	tcase_add_loop_test(open, frames_that_make_no_sense_are_dropped, 0, 14);
	tcase_add_test(open, shortest_frames_are_padded);
	tcase_add_test(open, acknowledgements_are_no_cause_of_their_own);
	tcase_add_test(open, frame_of_too_many_parts_is_dropped);
	suite_add_tcase(s, open);

	tcase_set_timeout(options, 300);
	tcase_add_test(options, queues_do_not_take_each_others_contexts);
	tcase_add_test(options, queues_take_turns_by_frames);
	tcase_add_test(options, long_frames_in_memory_of_others_are_copied);
	tcase_add_test(options, frame_of_many_parts_is_waited_for);
	tcase_add_test(options, nothing_is_said_of_checksums_nobody_asked_for);
	tcase_add_test(options, tags_are_put_back_for_who_has_not_asked);
	tcase_add_test(options, tags_stay_in_the_frames_of_who_asks_for_nothing);
	suite_add_tcase(s, options);
	return run_suite(s);
}
