// SPDX-License-Identifier: MIT
/* The software 82574's receiver: descriptors, filters, checksums, tags, RSS, and a full ring. */
#include "support/raw_e1000e.h"
#include "support/suite.h"

#define NAME "model:e1000e"
#define GOOD (RXD_DD | RXD_EOP)

static const uint32_t formats[] = {0, RFCTL_EXTEN};

static void start(uint32_t rctl)
{
	raw_open(NAME);
	raw_start(rctl, RFCTL_EXTEN);
}

/* Both formats */
START_TEST(frames_of_every_size_arrive_in_order)
{
	struct raw_packet p;

	raw_open(NAME);
	raw_start(RAW_RCTL, formats[_i]);
	for (unsigned int len = 60; len <= 1518; len++) {
		raw_send_frame(len, len);
		p = raw_wait(0);
		raw_check_frame(&p, len, len);
		ck_assert_uint_eq(p.status, GOOD | RXD_IXSM);
		raw_refill(0);
	}
	ck_assert_uint_eq(raw_look().rx[0], 1459);
}
END_TEST

START_TEST(head_follows_and_wraps)
{
	raw_up(NAME);
	for (unsigned int i = 0; i < 3 * RAW_ENTRIES; i++) {
		raw_send_frame(64, i);
		(void)raw_wait(0);
		ck_assert_uint_eq(rd(REG_RX_RING + RING_HEAD), (i + 1) % RAW_ENTRIES);
		raw_refill(0);
	}
}
END_TEST

START_TEST(long_frames_go_over_several_descriptors)
{
	static const uint32_t sizes[] = {0, 1u << RCTL_BSIZE_SHIFT, 2u << RCTL_BSIZE_SHIFT,
					 3u << RCTL_BSIZE_SHIFT};
	unsigned char frame[9014], seen[9014];
	const size_t size = 2048u >> _i;
	struct raw_packet p;
	size_t got = 0;

	raw_open(NAME);
	raw_start(RAW_RCTL | RCTL_LPE | sizes[_i], RFCTL_EXTEN);
	raw_start_rx(0, RAW_MOST, RAW_MOST - 1);
	raw_frame(frame, sizeof(frame), 5);
	ck_assert(udrv__model_e1000e_send(card.dev, frame, sizeof(frame)));
	do {
		p = raw_wait(0);
		ck_assert_uint_le(got + p.len, sizeof(seen));
		memcpy(seen + got, p.bytes, p.len);
		got += p.len;
		ck_assert(p.status & RXD_EOP || (p.len == size && p.status == RXD_DD));
	} while (!(p.status & RXD_EOP));
	ck_assert_uint_eq(got, sizeof(frame));
	ck_assert_mem_eq(seen, frame, sizeof(frame));
}
END_TEST

START_TEST(large_buffers_take_a_jumbo_frame_whole)
{
	struct raw_packet p;

	/* BSEX with 3: 4096 bytes */
	start(RAW_RCTL | RCTL_LPE | RCTL_BSEX | 3u << RCTL_BSIZE_SHIFT);
	raw_send_frame(4000, 1);
	p = raw_wait(0);
	raw_check_frame(&p, 4000, 1);
	raw_reset();
	/* FLXBUF in kilobytes */
	raw_start(RAW_RCTL | RCTL_LPE | 3u << RCTL_FLXBUF_SHIFT, RFCTL_EXTEN);
	raw_send_frame(4000, 2);
	ck_assert_uint_eq(raw_wait(0).len, 3072);
	ck_assert_uint_eq(raw_wait(0).len, 928);
}
END_TEST

START_TEST(fcs_is_stored_unless_it_is_stripped)
{
	unsigned char frame[100];
	struct raw_packet p;
	uint32_t fcs;

	start(RAW_RCTL & ~RCTL_SECRC);
	raw_send_frame(100, 3);
	raw_frame(frame, 100, 3);
	p = raw_wait(0);
	ck_assert_uint_eq(p.len, 104);
	ck_assert_mem_eq(p.bytes, frame, 100);
	fcs = e1000e_crc(frame, 100);
	ck_assert_mem_eq(p.bytes + 100, &fcs, 4);
	/* The residue of 802.3 */
	ck_assert_uint_eq(e1000e_crc(p.bytes, 104), 0x2144df1c);
}
END_TEST

START_TEST(receiver_that_is_off_takes_nothing)
{
	start(RAW_RCTL & ~RCTL_EN);
	raw_send_frame(64, 1);
	raw_none(0);
	ck_assert_uint_eq(rd(REG_TPR), 0);
}
END_TEST

START_TEST(short_frames_are_padded_by_the_sender_or_dropped)
{
	unsigned char frame[60] = {0};

	raw_up(NAME);
	raw_frame(frame, 30, 1);
	ck_assert(udrv__model_e1000e_send(card.dev, frame, 30));
	ck_assert_uint_eq(raw_wait(0).len, 60);
	ck_assert(udrv__model_e1000e_send_bad(card.dev, frame, 30, UDRV__E1000E_SHORT));
	raw_none(0);
	ck_assert_uint_eq(rd(REG_RUC), 1);
	ck_assert_uint_eq(rd(REG_RLEC), 1);
	ck_assert(!udrv__model_e1000e_send_bad(card.dev, frame, 13, UDRV__E1000E_SHORT));
}
END_TEST

START_TEST(long_frames_need_lpe)
{
	raw_up(NAME);
	raw_send_frame(1519, 1);
	raw_none(0);
	ck_assert_uint_eq(rd(REG_ROC), 1);
	ck_assert_uint_eq(rd(REG_RLEC), 1);
	wr(REG_RCTL, RAW_RCTL | RCTL_LPE);
	raw_send_frame(1519, 2);
	ck_assert_uint_eq(raw_wait(0).len, 1519);
}
END_TEST

static const struct {
	unsigned int how;
	uint32_t reg;
} bad[] = {
	{UDRV__E1000E_BAD_CRC, REG_CRCERRS},
	{UDRV__E1000E_BAD_SYMBOL, REG_SYMERRS},
	{UDRV__E1000E_BAD_DATA, REG_RXERRC},
};

START_TEST(bad_frames_are_counted_and_stored_with_sbp_only)
{
	unsigned char frame[64];
	struct raw_packet p;

	raw_up(NAME);
	raw_frame(frame, 64, 1);
	ck_assert(udrv__model_e1000e_send_bad(card.dev, frame, 64, bad[_i].how));
	raw_none(0);
	ck_assert_uint_eq(rd(bad[_i].reg), 1);
	ck_assert_uint_eq(rd(REG_GPRC), 0);
	wr(REG_RCTL, RAW_RCTL | RCTL_SBP);
	ck_assert(udrv__model_e1000e_send_bad(card.dev, frame, 64, bad[_i].how));
	p = raw_wait(0);
	ck_assert_uint_eq(p.status >> RXD_ERR_SHIFT, bad[_i].how);
	ck_assert_uint_eq(rd(REG_GPRC), 0);
}
END_TEST

/* To an address, does it arrive? */
static bool arrives(const unsigned char *to)
{
	unsigned char frame[64];
	bool there;

	raw_frame(frame, sizeof(frame), 1);
	memcpy(frame, to, 6);
	ck_assert(udrv__model_e1000e_send(card.dev, frame, sizeof(frame)));
	udrv__model_e1000e_settle(card.dev);
	there = raw_peek(0);
	if (there) {
		(void)raw_pop(0);
		raw_refill(0);
	}
	return there;
}

static const unsigned char other[] = {0x02, 0x11, 0x22, 0x33, 0x44, 0x55};
static const unsigned char group[] = {0x01, 0x00, 0x5e, 0x00, 0x12, 0x34};
static const unsigned char all[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

START_TEST(addresses_are_filtered)
{
	start(RAW_RCTL & ~RCTL_BAM);
	ck_assert(arrives(card.mac));
	ck_assert(!arrives(other));
	ck_assert(!arrives(group));
	ck_assert(!arrives(all));
	ck_assert_uint_eq(raw_look().filtered, 3);
	wr(REG_RCTL, RAW_RCTL);
	ck_assert(arrives(all));
	wr(REG_RCTL, RAW_RCTL | RCTL_UPE);
	ck_assert(arrives(other));
	ck_assert(!arrives(group));
	wr(REG_RCTL, RAW_RCTL | RCTL_MPE);
	ck_assert(!arrives(other));
	ck_assert(arrives(group));
}
END_TEST

START_TEST(any_of_sixteen_addresses_is_the_stations)
{
	raw_up(NAME);
	for (uint32_t i = 1; i < 16; i++) {
		wr(REG_RAL + 8 * i, 0x33221102);
		wr(REG_RAL + 8 * i + 4, 0x5544);
		ck_assert(!arrives(other));
		wr(REG_RAL + 8 * i + 4, 0x5544 | RAH_AV);
		ck_assert(arrives(other));
		wr(REG_RAL + 8 * i + 4, 0);
	}
}
END_TEST

START_TEST(groups_are_hashed_by_the_bits_that_mo_says)
{
	static const unsigned int shifts[] = {4, 3, 2, 0};
	const unsigned int hash = 0x3412u >> shifts[_i] & 0xfff;

	start(RAW_RCTL | (uint32_t)_i << RCTL_MO_SHIFT);
	ck_assert(!arrives(group));
	wr(REG_MTA + 4 * (hash / 32), 1u << hash % 32);
	ck_assert(arrives(group));
	wr(REG_MTA + 4 * (hash / 32), ~(1u << hash % 32));
	ck_assert(!arrives(group));
}
END_TEST

static size_t tagged(unsigned char *frame, size_t len, unsigned int tag, unsigned int seed)
{
	raw_frame(frame, len, seed);
	memmove(frame + 16, frame + 12, len - 12);
	frame[12] = 0x81;
	frame[13] = 0;
	frame[14] = (unsigned char)(tag >> 8);
	frame[15] = (unsigned char)tag;
	return len + 4;
}

START_TEST(tags_are_moved_to_the_descriptor_with_vme)
{
	unsigned char frame[128];
	struct raw_packet p;
	size_t len;

	raw_open(NAME);
	raw_start(RAW_RCTL, formats[_i]);
	len = tagged(frame, 100, 0x2123, 9);
	ck_assert(udrv__model_e1000e_send(card.dev, frame, len));
	p = raw_wait(0);
	ck_assert_uint_eq(p.len, len);
	ck_assert(!(p.status & RXD_VP));
	ck_assert_mem_eq(p.bytes, frame, len);
	wr(REG_CTRL, rd(REG_CTRL) | CTRL_VME);
	ck_assert(udrv__model_e1000e_send(card.dev, frame, len));
	p = raw_wait(0);
	raw_check_frame(&p, 100, 9);
	ck_assert(p.status & RXD_VP);
	ck_assert_uint_eq(p.vlan, 0x2123);
}
END_TEST

START_TEST(tags_are_those_of_vet)
{
	unsigned char frame[128];
	size_t len;

	raw_up(NAME);
	wr(REG_CTRL, rd(REG_CTRL) | CTRL_VME);
	wr(REG_VET, 0x88a8);
	len = tagged(frame, 100, 5, 9);
	ck_assert(udrv__model_e1000e_send(card.dev, frame, len));
	ck_assert_uint_eq(raw_wait(0).len, len);
	frame[12] = 0x88;
	frame[13] = 0xa8;
	ck_assert(udrv__model_e1000e_send(card.dev, frame, len));
	ck_assert_uint_eq(raw_wait(0).len, len - 4);
}
END_TEST

START_TEST(vlans_are_filtered_with_vfe)
{
	unsigned char frame[128];
	size_t len;

	start(RAW_RCTL | RCTL_VFE);
	len = tagged(frame, 100, 0x2123, 9);
	ck_assert(udrv__model_e1000e_send(card.dev, frame, len));
	raw_none(0);
	wr(REG_VFTA + 4 * (0x123 / 32), 1u << 0x123 % 32);
	ck_assert(udrv__model_e1000e_send(card.dev, frame, len));
	ck_assert_uint_eq(raw_wait(0).len, len);
	/* What has no tag is not asked. */
	ck_assert(arrives(card.mac));
}
END_TEST

/* An IPv4 or IPv6 packet with TCP or UDP, of which the checksums are right. */
static size_t make_packet(unsigned char *frame, bool v6, bool tcp, unsigned int port)
{
	const size_t l3 = 14, l4 = l3 + (v6 ? 40 : 20), head = tcp ? 20 : 8, len = l4 + head + 33;
	unsigned char *ip = frame + l3, *to = frame + l4;
	const uint32_t l4_len = (uint32_t)(len - l4);
	uint32_t seed = l4_len + (tcp ? 6 : 17);
	unsigned int sum;

	raw_frame(frame, len, port);
	frame[12] = v6 ? 0x86 : 0x08;
	frame[13] = v6 ? 0xdd : 0x00;
	if (v6) {
		ip[0] = 0x60;
		ip[4] = (unsigned char)(l4_len >> 8);
		ip[5] = (unsigned char)l4_len;
		ip[6] = tcp ? 6 : 17;
		seed += e1000e_sum(ip + 8, 32, 0);
	} else {
		memcpy(ip,
		       (unsigned char[]){0x45, 0, 0, (unsigned char)(len - l3), 0x12, 0x34, 0, 0,
					 64, tcp ? 6 : 17, 0, 0},
		       12);
		sum = ~e1000e_sum(ip, 20, 0) & 0xffffu;
		ip[10] = (unsigned char)(sum >> 8);
		ip[11] = (unsigned char)sum;
		seed += e1000e_sum(ip + 12, 8, 0);
	}
	to[0] = (unsigned char)(port >> 8);
	to[1] = (unsigned char)port;
	if (tcp) {
		to[12] = 0x50;
		to[13] = 0x08;
	} else {
		to[4] = 0;
		to[5] = (unsigned char)l4_len;
	}
	memset(to + (tcp ? 16 : 6), 0, 2);
	sum = ~e1000e_sum(to, l4_len, seed) & 0xffffu;
	to[tcp ? 16 : 6] = (unsigned char)(sum >> 8);
	to[tcp ? 17 : 7] = (unsigned char)sum;
	return len;
}

static uint32_t status_of(const unsigned char *frame, size_t len)
{
	struct raw_packet p;

	ck_assert(udrv__model_e1000e_send(card.dev, frame, len));
	p = raw_wait(0);
	raw_refill(0);
	return p.status & (RXD_IXSM | RXD_TCPCS | RXD_UDPCS | RXD_IPCS | RXD_TCPE | RXD_IPE);
}

START_TEST(checksums_are_checked)
{
	unsigned char frame[256];
	size_t len;

	raw_open(NAME);
	raw_start(RAW_RCTL, formats[_i]);
	len = make_packet(frame, false, true, 80);
	ck_assert_uint_eq(status_of(frame, len), RXD_IPCS | RXD_TCPCS);
	frame[len - 1] ^= 1;
	ck_assert_uint_eq(status_of(frame, len), RXD_IPCS | RXD_TCPCS | RXD_TCPE);
	frame[len - 1] ^= 1;
	frame[14 + 8] ^= 1;
	ck_assert_uint_eq(status_of(frame, len), RXD_IPCS | RXD_TCPCS | RXD_IPE);
	len = make_packet(frame, false, false, 53);
	ck_assert_uint_eq(status_of(frame, len), RXD_IPCS | RXD_TCPCS | RXD_UDPCS);
	/* UDP without a checksum */
	frame[14 + 20 + 6] = frame[14 + 20 + 7] = 0;
	ck_assert_uint_eq(status_of(frame, len), RXD_IPCS);
	len = make_packet(frame, true, true, 80);
	ck_assert_uint_eq(status_of(frame, len), RXD_TCPCS);
	len = make_packet(frame, true, false, 80);
	frame[len - 1] ^= 1;
	ck_assert_uint_eq(status_of(frame, len), RXD_TCPCS | RXD_UDPCS | RXD_TCPE);
}
END_TEST

START_TEST(checksums_are_not_checked_where_that_is_off)
{
	unsigned char frame[256];
	size_t len;

	raw_up(NAME);
	len = make_packet(frame, false, true, 80);
	wr(REG_RXCSUM, 0);
	ck_assert_uint_eq(status_of(frame, len), RXD_IXSM);
	wr(REG_RXCSUM, RXCSUM_IPOFLD);
	ck_assert_uint_eq(status_of(frame, len), RXD_IPCS);
	wr(REG_RXCSUM, RXCSUM_TUOFLD);
	ck_assert_uint_eq(status_of(frame, len), RXD_TCPCS);
	/* A fragment has no TCP header that tells. */
	frame[14 + 6] = 0x20;
	ck_assert_uint_eq(status_of(frame, len), RXD_IXSM);
	len = make_packet(frame, true, true, 80);
	wr(REG_RFCTL, RFCTL_EXTEN | RFCTL_IPV6_XSUM_DIS);
	ck_assert_uint_eq(status_of(frame, len), RXD_IXSM);
}
END_TEST

START_TEST(packet_checksum_begins_where_pcss_says)
{
	unsigned char frame[100];
	struct raw_packet p;

	raw_open(NAME);
	raw_start(RAW_RCTL, formats[_i]);
	wr(REG_RXCSUM, 14);
	raw_frame(frame, sizeof(frame), 4);
	raw_send_frame(sizeof(frame), 4);
	p = raw_wait(0);
	ck_assert_uint_eq(p.sum, e1000e_sum(frame + 14, sizeof(frame) - 14, 0));
}
END_TEST

START_TEST(truncated_headers_do_no_harm)
{
	unsigned char frame[256];
	struct raw_packet p;

	raw_up(NAME);
	for (int v6 = 0; v6 < 2; v6++)
		for (int tcp = 0; tcp < 2; tcp++)
			for (size_t len = make_packet(frame, v6, tcp, 1); len >= 60; len--) {
				ck_assert(udrv__model_e1000e_send(card.dev, frame, len));
				p = raw_wait(0);
				ck_assert_uint_eq(p.len, len);
				raw_refill(0);
			}
	/* IPv6 with extension headers up to the end, and IPv4 with options behind it */
	(void)make_packet(frame, true, true, 1);
	frame[14 + 6] = 0;
	memset(frame + 54, 0, sizeof(frame) - 54);
	ck_assert_uint_eq(status_of(frame, 100), RXD_IXSM);
	(void)make_packet(frame, false, true, 1);
	frame[14] = 0x4f;
	ck_assert_uint_eq(status_of(frame, 60), RXD_IXSM);
}
END_TEST

/* The key and the packets of the RSS specification, "Verifying the RSS Hash Calculation" */
static const unsigned char rss_key[40] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

static void start_rss(uint32_t mrqc)
{
	uint32_t word;

	raw_open(NAME);
	raw_start(RAW_RCTL & ~RCTL_EN, RFCTL_EXTEN);
	raw_start_rx(1, RAW_ENTRIES, RAW_ENTRIES - 1);
	for (uint32_t i = 0; i < 10; i++) {
		memcpy(&word, rss_key + 4 * i, 4);
		wr(REG_RSSRK + 4 * i, word);
	}
	wr(REG_RXCSUM, rd(REG_RXCSUM) | RXCSUM_PCSD);
	wr(REG_MRQC, 1 | mrqc);
	wr(REG_RCTL, RAW_RCTL);
}

static void put_ports(unsigned char *l4, unsigned int from, unsigned int to)
{
	l4[0] = (unsigned char)(from >> 8);
	l4[1] = (unsigned char)from;
	l4[2] = (unsigned char)(to >> 8);
	l4[3] = (unsigned char)to;
}

/* 66.9.149.187:2794 to 161.142.100.80:1766 */
static size_t known_packet(unsigned char *frame, bool tcp)
{
	static const unsigned char addresses[] = {66, 9, 149, 187, 161, 142, 100, 80};
	const size_t len = make_packet(frame, false, tcp, 1);

	memcpy(frame + 14 + 12, addresses, 8);
	put_ports(frame + 34, 2794, 1766);
	return len;
}

/* 3ffe:2501:200:1fff::7 to 3ffe:2501:200:3::1, the same ports */
static size_t known_packet6(unsigned char *frame, bool tcp)
{
	static const unsigned char addresses[] = {
		0x3f, 0xfe, 0x25, 0x01, 0x02, 0, 0x1f, 0xff, 0, 0, 0, 0, 0, 0, 0, 7,
		0x3f, 0xfe, 0x25, 0x01, 0x02, 0, 0,    3,    0, 0, 0, 0, 0, 0, 0, 1,
	};
	const size_t len = make_packet(frame, true, tcp, 1);

	memcpy(frame + 14 + 8, addresses, 32);
	put_ports(frame + 54, 2794, 1766);
	return len;
}

static const struct {
	uint32_t mrqc;
	bool v6, tcp;
	uint32_t hash, type;
} hashes[] = {
	{1u << 16 | 1u << 17, false, true, 0x51ccc178, 1},
	{1u << 16 | 1u << 17, false, false, 0x323e8fc2, 2},
	{1u << 17, false, true, 0x323e8fc2, 2},
	{1u << 16, false, false, 0, 0},
	{1u << 18 | 1u << 20, true, true, 0x40207d3d, 3},
	{1u << 18 | 1u << 20, true, false, 0x2cc18cd5, 5},
	{1u << 19 | 1u << 20, true, true, 0x2cc18cd5, 4},
	{1u << 18, true, false, 0, 0},
};

START_TEST(rss_hashes_as_its_specification)
{
	const bool tcp = hashes[_i].tcp;
	unsigned char frame[256];
	struct raw_packet p;
	size_t len;

	start_rss(hashes[_i].mrqc);
	len = hashes[_i].v6 ? known_packet6(frame, tcp) : known_packet(frame, tcp);
	ck_assert(udrv__model_e1000e_send(card.dev, frame, len));
	p = raw_wait(0);
	ck_assert_uint_eq(p.high, hashes[_i].hash);
	ck_assert_uint_eq(p.mrq, hashes[_i].type);
}
END_TEST

START_TEST(rss_chooses_the_queue_by_reta)
{
	unsigned char frame[256];
	const uint32_t entry = 0x51ccc178 & 0x7f;
	size_t len;

	start_rss(1u << 16);
	wr(REG_RETA + (entry & ~3u), 0x80u << 8 * (entry & 3));
	len = known_packet(frame, true);
	ck_assert(udrv__model_e1000e_send(card.dev, frame, len));
	ck_assert_uint_eq(raw_wait(1).mrq, 1 | 1u << 8);
	raw_none(0);
	/* What has no hash goes to queue 0. */
	ck_assert(arrives(card.mac));
	ck_assert_uint_eq(raw_look().rx[1], 1);
}
END_TEST

START_TEST(full_ring_keeps_some_and_then_misses)
{
	struct raw_packet p;
	unsigned int missed;

	start(RAW_RCTL);
	for (unsigned int i = 0; i < RAW_ENTRIES - 1; i++)
		raw_send_frame(1000, i);
	udrv__model_e1000e_settle(card.dev);
	ck_assert_uint_eq(rd(REG_RNBC), 0);
	for (unsigned int i = RAW_ENTRIES - 1; i < 100; i++)
		raw_send_frame(1000, i);
	udrv__model_e1000e_settle(card.dev);
	ck_assert_uint_eq(rd(REG_RNBC), 100 - (RAW_ENTRIES - 1));
	missed = rd(REG_MPC);
	/* 20 KB of packet buffer */
	ck_assert_uint_eq(missed, 100 - (RAW_ENTRIES - 1) - 20);
	ck_assert_uint_eq(raw_look().missed, missed);
	ck_assert(raw_look().icr & ICR_RXO);
	for (unsigned int i = 0; i < 100 - missed; i++) {
		p = raw_wait(0);
		raw_check_frame(&p, 1000, i);
		raw_refill(0);
	}
	raw_none(0);
}
END_TEST

START_TEST(low_ring_interrupts_when_it_passes_the_threshold)
{
	/* RDMTS 0: half of 16 */
	raw_up(NAME);
	for (unsigned int i = 0; i < 6; i++)
		raw_send_frame(64, i);
	udrv__model_e1000e_settle(card.dev);
	ck_assert(!(raw_look().icr & ICR_RXDMT0));
	raw_send_frame(64, 6);
	udrv__model_e1000e_settle(card.dev);
	ck_assert(raw_look().icr & ICR_RXDMT0);
	ck_assert_uint_eq(rd(REG_ICRXDMTC), 1);
}
END_TEST

START_TEST(good_frames_are_counted_and_counts_begin_anew_when_read)
{
	raw_up(NAME);
	for (unsigned int len = 60; len <= 1500; len *= 2)
		ck_assert(arrives(card.mac));
	ck_assert(arrives(all));
	raw_send_frame(124, 1);
	(void)raw_wait(0);
	ck_assert_uint_eq(rd(REG_GPRC), 7);
	ck_assert_uint_eq(rd(REG_GPRC), 0);
	ck_assert_uint_eq(rd(REG_TPR), 7);
	ck_assert_uint_eq(rd(REG_BPRC), 1);
	ck_assert_uint_eq(rd(REG_MPRC), 0);
	ck_assert_uint_eq(rd(REG_PRC64 + 4), 6);
	ck_assert_uint_eq(rd(REG_PRC64 + 8), 1);
	/* The low half alone clears nothing. */
	ck_assert_uint_eq(rd(REG_GORC), 6 * 68 + 128);
	ck_assert_uint_eq(rd(REG_GORC), 6 * 68 + 128);
	ck_assert_uint_eq(rd(REG_GORC + 4), 0);
	ck_assert_uint_eq(rd(REG_GORC), 0);
	ck_assert_uint_eq(rd(REG_TOR), 6 * 68 + 128);
}
END_TEST

START_TEST(ring_whose_memory_is_not_mapped_halts_until_it_is_set_up)
{
	raw_up(NAME);
	wr(REG_RX_RING + RING_BAH, 0x7f);
	raw_send_frame(64, 1);
	raw_none(0);
	raw_refill(0);
	raw_start_rx(0, RAW_ENTRIES, RAW_ENTRIES - 1);
	raw_send_frame(64, 2);
	ck_assert_uint_eq(raw_wait(0).len, 64);
}
END_TEST

START_TEST(nothing_moves_without_bus_mastering)
{
	raw_up(NAME);
	udrv_pci_clear_master(card.dev);
	raw_send_frame(64, 1);
	raw_none(0);
	wr(REG_CTRL, rd(REG_CTRL) | CTRL_GIO_DISABLE);
	ck_assert_int_eq(udrv_pci_set_master(card.dev), 0);
	raw_send_frame(64, 2);
	raw_none(0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("model_e1000e_rx");
	TCase *tc = raw_case(s, "frames");

	tcase_add_loop_test(tc, frames_of_every_size_arrive_in_order, 0, 2);
	tcase_add_test(tc, head_follows_and_wraps);
	tcase_add_loop_test(tc, long_frames_go_over_several_descriptors, 0, 4);
	tcase_add_test(tc, large_buffers_take_a_jumbo_frame_whole);
	tcase_add_test(tc, fcs_is_stored_unless_it_is_stripped);
	tcase_add_test(tc, receiver_that_is_off_takes_nothing);
	tcase_add_test(tc, short_frames_are_padded_by_the_sender_or_dropped);
	tcase_add_test(tc, long_frames_need_lpe);
	tcase_add_loop_test(tc, bad_frames_are_counted_and_stored_with_sbp_only, 0, 3);

	tc = raw_case(s, "filters");
	tcase_add_test(tc, addresses_are_filtered);
	tcase_add_test(tc, any_of_sixteen_addresses_is_the_stations);
	tcase_add_loop_test(tc, groups_are_hashed_by_the_bits_that_mo_says, 0, 4);
	tcase_add_loop_test(tc, tags_are_moved_to_the_descriptor_with_vme, 0, 2);
	tcase_add_test(tc, tags_are_those_of_vet);
	tcase_add_test(tc, vlans_are_filtered_with_vfe);

	tc = raw_case(s, "headers");
	tcase_add_loop_test(tc, checksums_are_checked, 0, 2);
	tcase_add_test(tc, checksums_are_not_checked_where_that_is_off);
	tcase_add_loop_test(tc, packet_checksum_begins_where_pcss_says, 0, 2);
	tcase_add_test(tc, truncated_headers_do_no_harm);
	tcase_add_loop_test(tc, rss_hashes_as_its_specification, 0, 8);
	tcase_add_test(tc, rss_chooses_the_queue_by_reta);

	tc = raw_case(s, "rings");
	tcase_add_test(tc, full_ring_keeps_some_and_then_misses);
	tcase_add_test(tc, low_ring_interrupts_when_it_passes_the_threshold);
	tcase_add_test(tc, good_frames_are_counted_and_counts_begin_anew_when_read);
	tcase_add_test(tc, ring_whose_memory_is_not_mapped_halts_until_it_is_set_up);
	tcase_add_test(tc, nothing_moves_without_bus_mastering);
	return run_suite(s);
}
