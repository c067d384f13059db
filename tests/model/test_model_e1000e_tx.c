// SPDX-License-Identifier: MIT
/* The software 82574's transmitter: descriptors, checksums, tags, segments, and the wire's counts.
 */
#include "support/raw_e1000e.h"
#include "support/suite.h"

#define NAME "model:e1000e"
#define DATA (TXD_DEXT | TXD_DATA | RAW_TXD)
#define L3   14u

static unsigned char seen[UDRV__E1000E_FRAME_MAX];

static unsigned int get16(const unsigned char *bytes)
{
	return (unsigned int)(bytes[0] << 8 | bytes[1]);
}

/* The next frame, of that length. */
static void check_sent(size_t len)
{
	ck_assert_uint_eq(raw_take(seen, sizeof(seen)), len);
}

static void none_sent(void)
{
	udrv__model_e1000e_settle(card.dev);
	ck_assert_uint_eq(udrv__model_e1000e_receive(card.dev, seen, sizeof(seen)), 0);
}

START_TEST(frames_of_every_size_are_sent_in_order)
{
	raw_up(NAME);
	for (size_t len = 60; len <= 1514; len++) {
		raw_frame(card.data, len, (unsigned int)len);
		raw_send_data(len);
		check_sent(len);
		ck_assert_mem_eq(seen, card.data, len);
	}
	ck_assert_uint_eq(raw_look().tx, 1455);
}
END_TEST

START_TEST(short_frames_are_padded_with_psp_only)
{
	static const unsigned char zeros[60];

	raw_up(NAME);
	raw_frame(card.data, 30, 1);
	raw_send_data(30);
	check_sent(60);
	ck_assert_mem_eq(seen, card.data, 30);
	ck_assert_mem_eq(seen + 30, zeros, 30);
	wr(REG_TCTL, TCTL_EN);
	raw_send_data(30);
	check_sent(30);
}
END_TEST

START_TEST(packets_are_gathered_from_descriptors)
{
	raw_up(NAME);
	raw_frame(card.data, 9000, 1);
	for (unsigned int i = 0; i < 9; i++)
		raw_put_data(0, i * 1000, 1000, i < 8 ? TXD_DEXT | TXD_DATA | TXD_IFCS : DATA, 0);
	raw_tell_tx(0);
	raw_wait_tx(0);
	check_sent(9000);
	ck_assert_mem_eq(seen, card.data, 9000);
	ck_assert(!raw_is_sent(0, 7));
	ck_assert_uint_eq(rd(REG_TX_RING + RING_HEAD), 9);
}
END_TEST

START_TEST(write_back_comes_with_rs_or_always_if_ivar_says_so)
{
	raw_up(NAME);
	raw_put_data(0, 0, 60, RAW_TXD & ~TXD_RS, 0);
	raw_tell_tx(0);
	check_sent(60);
	ck_assert(!raw_is_sent(0, 0));
	wr(REG_IVAR, IVAR_EVERY_WB);
	raw_put_data(0, 0, 60, RAW_TXD & ~TXD_RS, 0);
	raw_tell_tx(0);
	raw_wait_tx(0);
}
END_TEST

START_TEST(write_back_leaves_the_rest_of_its_word)
{
	raw_up(NAME);
	raw_put_data(0, 0, 60, DATA, 0x12340000);
	raw_tell_tx(0);
	raw_wait_tx(0);
	ck_assert_uint_eq(raw_word(&card.tx[0].desc[0][3]), 0x12340000 | TXD_DD);
}
END_TEST

START_TEST(transmitter_that_is_off_waits)
{
	raw_up(NAME);
	wr(REG_TCTL, 0);
	raw_put_data(0, 0, 60, RAW_TXD, 0);
	raw_tell_tx(0);
	none_sent();
	ck_assert_uint_eq(rd(REG_TX_RING + RING_HEAD), 0);
	wr(REG_TARC, 0);
	wr(REG_TCTL, RAW_TCTL);
	none_sent();
	wr(REG_TARC, TARC_ENABLE);
	check_sent(60);
}
END_TEST

START_TEST(second_queue_sends_as_well)
{
	raw_up(NAME);
	raw_start_tx(1, RAW_ENTRIES);
	raw_frame(card.data, 100, 1);
	raw_put_data(1, 0, 100, RAW_TXD, 0);
	raw_tell_tx(1);
	raw_wait_tx(1);
	check_sent(100);
	ck_assert_uint_eq(raw_look().tdh[1], 1);
	ck_assert_uint_eq(raw_look().tdh[0], 0);
}
END_TEST

START_TEST(own_fcs_is_taken_without_ifcs)
{
	struct raw_packet p;
	uint32_t fcs;

	raw_up(NAME ":loop");
	wr(REG_RCTL, RAW_RCTL | RCTL_SBP);
	raw_frame(card.data, 100, 1);
	fcs = e1000e_crc(card.data, 100);
	memcpy(card.data + 100, &fcs, 4);
	raw_put_data(0, 0, 104, RAW_TXD & ~TXD_IFCS, 0);
	raw_tell_tx(0);
	p = raw_wait(0);
	raw_check_frame(&p, 100, 1);
	ck_assert_uint_eq(p.status >> RXD_ERR_SHIFT, 0);
	card.data[100] ^= 1;
	raw_put_data(0, 0, 104, RAW_TXD & ~TXD_IFCS, 0);
	raw_tell_tx(0);
	p = raw_wait(0);
	ck_assert_uint_eq(p.status >> RXD_ERR_SHIFT, UDRV__E1000E_BAD_CRC);
}
END_TEST

START_TEST(tag_is_inserted_with_vle_and_vme)
{
	static const unsigned char tag[] = {0x81, 0x00, 0x21, 0x23};

	raw_up(NAME);
	raw_frame(card.data, 100, 1);
	raw_put_data(0, 0, 100, RAW_TXD | TXD_VLE, 0x21230000);
	raw_tell_tx(0);
	check_sent(100);
	wr(REG_CTRL, rd(REG_CTRL) | CTRL_VME);
	raw_put_data(0, 0, 100, RAW_TXD | TXD_VLE, 0x21230000);
	raw_tell_tx(0);
	check_sent(104);
	ck_assert_mem_eq(seen, card.data, 12);
	ck_assert_mem_eq(seen + 12, tag, 4);
	ck_assert_mem_eq(seen + 16, card.data + 12, 88);
	/* Of the last descriptor */
	raw_put_data(0, 0, 50, TXD_IFCS, 0);
	raw_put_data(0, 50, 50, RAW_TXD | TXD_VLE, 0x21230000);
	raw_tell_tx(0);
	check_sent(104);
}
END_TEST

START_TEST(legacy_checksum_is_from_css_to_the_end_at_cso)
{
	unsigned int sum;

	raw_up(NAME);
	raw_frame(card.data, 100, 1);
	sum = ~e1000e_sum(card.data + 34, 66, 0) & 0xffffu;
	raw_put_data(0, 0, 100, RAW_TXD | TXD_IC | 50u << 16, 34u << 8);
	raw_tell_tx(0);
	check_sent(100);
	ck_assert_uint_eq(get16(seen + 50), sum);
	/* Out of the packet nothing is inserted. */
	raw_put_data(0, 0, 100, RAW_TXD | TXD_IC | 99u << 16, 34u << 8);
	raw_tell_tx(0);
	check_sent(100);
	ck_assert_mem_eq(seen, card.data, 100);
}
END_TEST

/* Lengths of the headers of a packet in card.data. */
struct shape {
	bool v6, tcp;
	size_t l4, payload;
};

static void put16(size_t at, unsigned int val)
{
	card.data[at] = (unsigned char)(val >> 8);
	card.data[at + 1] = (unsigned char)val;
}

static void put_ip(const struct shape *shape, size_t len)
{
	unsigned char *ip = card.data + L3;

	put16(12, shape->v6 ? 0x86dd : 0x0800);
	if (shape->v6) {
		ip[0] = 0x60;
		put16(L3 + 4, (unsigned int)(len - L3 - 40));
		ip[6] = shape->tcp ? 6 : 17;
		return;
	}
	memset(ip, 0, 12);
	ip[0] = 0x45;
	put16(L3 + 2, (unsigned int)(len - L3));
	put16(L3 + 4, 0x1000);
	ip[9] = shape->tcp ? 6 : 17;
}

/* With pseudo header's sum in the place of the checksum, with the length or, for TSE, without. */
static size_t put_packet(const struct shape *shape, bool with_length)
{
	const size_t head = shape->tcp ? 20 : 8, len = shape->l4 + head + shape->payload;
	const unsigned char *ip = card.data + L3;
	unsigned char *to = card.data + shape->l4;
	uint32_t seed = shape->tcp ? 6 : 17;

	raw_frame(card.data, len, 3);
	put_ip(shape, len);
	seed += shape->v6 ? e1000e_sum(ip + 8, 32, 0) : e1000e_sum(ip + 12, 8, 0);
	if (with_length)
		seed += (uint32_t)(len - shape->l4);
	if (shape->tcp) {
		to[12] = 0x50;
		to[13] = 0x19; /* FIN, PSH, ACK */
		put16(shape->l4 + 4, 0xffff);
		put16(shape->l4 + 6, 0xf000);
	} else {
		put16(shape->l4 + 4, (unsigned int)(len - shape->l4));
	}
	put16(shape->l4 + (shape->tcp ? 16 : 6), e1000e_sum(ip, 0, seed));
	return len;
}

static void put_context(const struct shape *shape, size_t hdr_len, unsigned int mss)
{
	const uint32_t l4 = (uint32_t)shape->l4;
	const uint32_t cmd = TXD_DEXT | (shape->tcp ? TXC_TCP : 0) | (shape->v6 ? 0 : TXC_IPV4) |
			     (mss ? TXD_TSE : 0);

	raw_put_tx(0, L3 | (L3 + 10) << 8 | (l4 - 1) << 16, l4 | (l4 + (shape->tcp ? 16 : 6)) << 8,
		   cmd, (uint32_t)hdr_len << 8 | mss << 16);
}

/* As the receiver sees it. */
static void check_sums(const unsigned char *frame, size_t len, const struct shape *shape)
{
	const unsigned char *ip = frame + L3;
	uint32_t seed = (uint32_t)(len - shape->l4) + (shape->tcp ? 6 : 17);

	if (!shape->v6)
		ck_assert_uint_eq(e1000e_sum(ip, 20, 0), 0xffff);
	seed += shape->v6 ? e1000e_sum(ip + 8, 32, 0) : e1000e_sum(ip + 12, 8, 0);
	ck_assert_uint_eq(e1000e_sum(frame + shape->l4, len - shape->l4, seed), 0xffff);
}

static const struct shape shapes[] = {
	{false, true, L3 + 20, 777},
	{false, false, L3 + 20, 777},
	{true, true, L3 + 40, 776},
	{true, false, L3 + 40, 777},
};

START_TEST(checksums_are_inserted)
{
	const struct shape *shape = &shapes[_i];
	size_t len;

	raw_up(NAME);
	len = put_packet(shape, true);
	put_context(shape, 0, 0);
	raw_put_data(0, 0, len, DATA, TXD_TXSM | (shape->v6 ? 0 : TXD_IXSM));
	raw_tell_tx(0);
	check_sent(len);
	check_sums(seen, len, shape);
}
END_TEST

START_TEST(checksum_of_udp_is_never_zero)
{
	const struct shape shape = {false, false, L3 + 20, 40};
	size_t len;

	raw_up(NAME);
	len = put_packet(&shape, true);
	put_context(&shape, 0, 0);
	/* What is to be inserted would be zero with this. */
	put16(len - 2, 0);
	put16(len - 2, ~e1000e_sum(card.data + shape.l4, len - shape.l4, 0) & 0xffffu);
	raw_put_data(0, 0, len, DATA, TXD_TXSM);
	raw_tell_tx(0);
	check_sent(len);
	ck_assert_uint_eq(get16(seen + shape.l4 + 6), 0xffff);
}
END_TEST

START_TEST(checksums_stay_without_their_bits)
{
	size_t len;

	raw_up(NAME);
	len = put_packet(&shapes[0], true);
	put_context(&shapes[0], 0, 0);
	raw_put_data(0, 0, len, DATA, 0);
	raw_tell_tx(0);
	check_sent(len);
	ck_assert_mem_eq(seen, card.data, len);
}
END_TEST

/* TCP of IPv4 and of IPv6 */
static void check_segments(const struct shape *shape, size_t len, unsigned int mss)
{
	const size_t head = shape->l4 + 20;
	unsigned int number = 0;

	for (size_t at = head; at < len; at += mss, number++) {
		const size_t part = len - at < mss ? len - at : mss;
		const unsigned char *ip = seen + L3, *tcp = seen + shape->l4;
		uint32_t seq;

		check_sent(head + part);
		seq = (uint32_t)tcp[4] << 24 | (uint32_t)tcp[5] << 16 | (uint32_t)tcp[6] << 8 |
		      tcp[7];
		ck_assert_mem_eq(seen + head, card.data + at, part);
		ck_assert_uint_eq(seq, 0xfffff000u + number * mss);
		ck_assert_uint_eq(tcp[13], at + part == len ? 0x19 : 0x10);
		check_sums(seen, head + part, shape);
		if (shape->v6) {
			ck_assert_uint_eq(get16(ip + 4), head + part - L3 - 40);
		} else {
			ck_assert_uint_eq(get16(ip + 2), head + part - L3);
			ck_assert_uint_eq(get16(ip + 4), 0x1000 + number);
		}
	}
	none_sent();
}

START_TEST(tcp_is_segmented)
{
	struct shape shape = shapes[_i & 2];
	size_t len;

	/* With and without a rest; the headers have a descriptor of their own. */
	shape.payload = _i & 1 ? 20 * 1000 : 20 * 1000 + 7;
	raw_up(NAME);
	len = put_packet(&shape, false);
	put_context(&shape, shape.l4 + 20, 1000);
	raw_put_data(0, 0, shape.l4 + 20, (DATA & ~(TXD_EOP | TXD_RS)) | TXD_TSE,
		     TXD_TXSM | (shape.v6 ? 0 : TXD_IXSM));
	raw_put_data(0, shape.l4 + 20, len - shape.l4 - 20, DATA | TXD_TSE, 0);
	raw_tell_tx(0);
	raw_wait_tx(0);
	check_segments(&shape, len, 1000);
	ck_assert_uint_eq(rd(REG_TSCTC), 1);
	ck_assert_uint_eq(rd(REG_GPTC), 20 + !(_i & 1));
}
END_TEST

START_TEST(segments_have_the_first_descriptors_tag)
{
	struct shape shape = shapes[0];
	size_t len;

	shape.payload = 2500;
	raw_up(NAME);
	wr(REG_CTRL, rd(REG_CTRL) | CTRL_VME);
	len = put_packet(&shape, false);
	put_context(&shape, 54, 1000);
	raw_put_data(0, 0, 54, (DATA & ~(TXD_EOP | TXD_RS)) | TXD_TSE | TXD_VLE,
		     TXD_TXSM | TXD_IXSM | 5u << 16);
	raw_put_data(0, 54, len - 54, DATA | TXD_TSE, 0);
	raw_tell_tx(0);
	for (unsigned int i = 0; i < 3; i++) {
		check_sent(i < 2 ? 1058 : 558);
		ck_assert_uint_eq(seen[15], 5);
	}
}
END_TEST

static const struct {
	unsigned int hdr_len, mss;
	bool tcp;
} impossible[] = {
	{54, 0, true}, {53, 1000, true}, {255, 1000, true}, {54, 1000, false}, {54, 65535, true},
};

START_TEST(what_cannot_be_segmented_is_counted_and_not_sent)
{
	struct shape shape = shapes[0];
	size_t len;

	shape.payload = 100;
	raw_up(NAME);
	len = put_packet(&shape, false);
	shape.tcp = impossible[_i].tcp;
	put_context(&shape, impossible[_i].hdr_len, impossible[_i].mss);
	raw_put_data(0, 0, len, DATA | TXD_TSE, TXD_TXSM);
	raw_tell_tx(0);
	raw_wait_tx(0);
	none_sent();
	ck_assert_uint_eq(rd(REG_TSCTFC), 1);
}
END_TEST

START_TEST(packets_that_are_too_long_or_not_readable_are_dropped)
{
	raw_up(NAME);
	raw_put_data(0, 0, RAW_DATA, DATA & ~TXD_EOP, 0);
	raw_put_data(0, 0, RAW_DATA, DATA, 0);
	raw_tell_tx(0);
	raw_wait_tx(0);
	none_sent();
	raw_put_tx(0, 0, 0x7f, DATA | 60, 0);
	raw_tell_tx(0);
	raw_wait_tx(0);
	none_sent();
	raw_send_data(10);
	none_sent();
	raw_send_data(60);
	check_sent(60);
}
END_TEST

START_TEST(nothing_is_sent_without_link)
{
	raw_up(NAME);
	udrv__model_e1000e_set_link(card.dev, false);
	raw_send_data(60);
	none_sent();
	ck_assert_uint_eq(raw_look().wire_lost, 1);
	ck_assert_uint_eq(rd(REG_GPTC), 0);
}
END_TEST

/* In the MAC, and in the PHY */
START_TEST(loopback_needs_no_link)
{
	struct raw_packet p;

	raw_up(NAME);
	udrv__model_e1000e_set_link(card.dev, false);
	if (_i)
		wr(REG_MDIC, MDIC_WRITE | 1u << 21 | 0x4140);
	else
		wr(REG_RCTL, RAW_RCTL | 1u << 6);
	raw_frame(card.data, 200, 1);
	raw_send_data(200);
	p = raw_wait(0);
	raw_check_frame(&p, 200, 1);
	none_sent();
}
END_TEST

START_TEST(sent_frames_are_counted)
{
	raw_up(NAME);
	raw_frame(card.data, 600, 1);
	raw_send_data(600);
	memset(card.data, 0xff, 6);
	raw_send_data(60);
	card.data[0] = 0x01;
	raw_send_data(1514);
	ck_assert_uint_eq(rd(REG_GPTC), 3);
	ck_assert_uint_eq(rd(REG_GPTC), 0);
	ck_assert_uint_eq(rd(REG_TPT), 3);
	ck_assert_uint_eq(rd(REG_BPTC), 1);
	ck_assert_uint_eq(rd(REG_MPTC), 1);
	ck_assert_uint_eq(rd(REG_PTC64), 1);
	ck_assert_uint_eq(rd(REG_PTC64 + 16), 1);
	ck_assert_uint_eq(rd(REG_PTC64 + 20), 1);
	ck_assert_uint_eq(rd(REG_GOTC), 604 + 64 + 1518);
	ck_assert_uint_eq(rd(REG_GOTC + 4), 0);
	ck_assert_uint_eq(rd(REG_TOT), 604 + 64 + 1518);
	wr(REG_GPTC, 5);
	ck_assert_uint_eq(rd(REG_GPTC), 0);
}
END_TEST

START_TEST(frames_that_nobody_takes_are_lost_in_the_end)
{
	unsigned int taken = 0;

	raw_up(NAME);
	for (unsigned int i = 0; i < 200; i++)
		raw_send_data(9000);
	while (udrv__model_e1000e_receive(card.dev, seen, sizeof(seen)))
		taken++;
	ck_assert_uint_eq(taken, (1u << 20) / 9004);
	ck_assert_uint_eq(raw_look().wire_lost, 200 - taken);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("model_e1000e_tx");
	TCase *tc = raw_case(s, "frames");

	tcase_add_test(tc, frames_of_every_size_are_sent_in_order);
	tcase_add_test(tc, short_frames_are_padded_with_psp_only);
	tcase_add_test(tc, packets_are_gathered_from_descriptors);
	tcase_add_test(tc, write_back_comes_with_rs_or_always_if_ivar_says_so);
	tcase_add_test(tc, write_back_leaves_the_rest_of_its_word);
	tcase_add_test(tc, transmitter_that_is_off_waits);
	tcase_add_test(tc, second_queue_sends_as_well);
	tcase_add_test(tc, own_fcs_is_taken_without_ifcs);
	tcase_add_test(tc, tag_is_inserted_with_vle_and_vme);
	tcase_add_test(tc, packets_that_are_too_long_or_not_readable_are_dropped);

	tc = raw_case(s, "offloads");
	tcase_add_test(tc, legacy_checksum_is_from_css_to_the_end_at_cso);
	tcase_add_loop_test(tc, checksums_are_inserted, 0, 4);
	tcase_add_test(tc, checksum_of_udp_is_never_zero);
	tcase_add_test(tc, checksums_stay_without_their_bits);
	tcase_add_loop_test(tc, tcp_is_segmented, 0, 4);
	tcase_add_test(tc, segments_have_the_first_descriptors_tag);
	tcase_add_loop_test(tc, what_cannot_be_segmented_is_counted_and_not_sent, 0, 5);

	tc = raw_case(s, "wire");
	tcase_add_test(tc, nothing_is_sent_without_link);
	tcase_add_loop_test(tc, loopback_needs_no_link, 0, 2);
	tcase_add_test(tc, sent_frames_are_counted);
	tcase_add_test(tc, frames_that_nobody_takes_are_lost_in_the_end);
	return run_suite(s);
}
