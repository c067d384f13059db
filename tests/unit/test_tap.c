// SPDX-License-Identifier: MIT
/* A network card as an interface, on a fake of the kernel's side. */
#include <errno.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <udrv/log.h>

#include "export/tap.h"

#include "support/echo_nic.h"
#include "support/fake_tun.h"
#include "support/fault.h"
#include "support/inet.h"
#include "support/one_cpu.h"
#include "support/suite.h"
#include "support/threads.h"

#define READ(field)                                                                                \
	({                                                                                         \
		__typeof__(fake_tun.field) value_;                                                 \
		fake_tun_lock();                                                                   \
		value_ = fake_tun.field;                                                           \
		fake_tun_unlock();                                                                 \
		value_;                                                                            \
	})

static struct echo_nic nic;
static struct udrv__tap *tap;
static int ended_fd;

static void setup(void)
{
	fault_log_clear();
	fake_tun_start();
	ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	tap = NULL;
}

static void teardown(void)
{
	if (tap)
		udrv__tap_stop(tap);
	ck_assert(!READ(exists));
	ck_assert_uint_eq(get(nic.opens) - get(nic.stops), 0);
	udrv_unregister_netdev(&nic.ndev);
	echo_nic_free(&nic);
	close(ended_fd);
	fake_tun_stop();
}

static void make_card(const struct echo_nic_options *options)
{
	static const struct echo_nic_options plain = ECHO_NIC_OPTIONS_DEFAULT;

	ck_assert_int_eq(echo_nic_init(&nic, NULL, "nic", 1, options ? options : &plain), 0);
	ck_assert_int_eq(udrv_register_netdev(&nic.ndev), 0);
}

static int start_tap(const char *name)
{
	return udrv__tap_start(&nic.ndev, name, ended_fd, &tap);
}

static void up(void)
{
	const unsigned int before = get(nic.opens);

	fake_tun_up(true);
	until(get(nic.opens) > before);
}

static void begin(const struct echo_nic_options *options)
{
	make_card(options);
	ck_assert_int_eq(start_tap("net0"), 0);
	up();
}

static struct echo_nic_options one_queue(void)
{
	struct echo_nic_options o = ECHO_NIC_OPTIONS_DEFAULT;

	o.queues = 1;
	return o;
}

/* A TCP segment over IPv4, of these bytes of payload; its length. */
static size_t make_segment(uint8_t *p, size_t payload)
{
	static const uint8_t head[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0};
	struct inet_frame f;

	memset(p, 0, 54);
	memcpy(p, head, sizeof(head));
	p[14] = 0x45;
	inet_put16(p + 16, (unsigned int)(40 + payload));
	p[22] = 64;
	p[23] = INET_TCP;
	p[26] = 10;
	p[30] = 11;
	inet_put16(p + 34, 1000);
	inet_put16(p + 36, 2000);
	p[46] = 0x50;
	p[47] = 0x10;
	for (size_t i = 0; i < payload; i++)
		p[54 + i] = (uint8_t)(i * 7);
	ck_assert(inet_parse(p, 54 + payload, &f));
	inet_fill(&f);
	/* As the kernel leaves it to a card. */
	inet_put16(p + 50, inet_pseudo(&f, f.l4_len));
	return 54 + payload;
}

static const struct virtio_net_hdr needs_csum = {
	.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16};

/* Starting. */

START_TEST(it_is_the_card)
{
	make_card(NULL);
	udrv_netif_carrier_on(&nic.ndev);
	ck_assert_int_eq(udrv_net_set_mtu(&nic.ndev, 4000), 0);
	ck_assert_int_eq(start_tap("net%d"), 0);
	ck_assert_str_eq(fake_tun.name, "net0");
	ck_assert_mem_eq(fake_tun.addr, nic.ndev.perm_addr, 6);
	ck_assert_uint_eq(READ(mtu), 4000);
	ck_assert(READ(carrier));
	ck_assert_uint_eq(READ(offload), TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6);
	ck_assert_uint_eq(get(nic.opens), 0);
}
END_TEST

START_TEST(it_offers_what_the_card_can)
{
	static const struct {
		uint32_t features;
		unsigned long offload;
	} cases[] = {
		{0, 0},
		{UDRV_NET_F_TSO, 0}, /* of no use without sums */
		{UDRV_NET_F_TX_CSUM, TUN_F_CSUM},
	};
	struct echo_nic_options o = ECHO_NIC_OPTIONS_DEFAULT;

	o.features = cases[_i].features;
	make_card(&o);
	ck_assert_int_eq(start_tap("net0"), 0);
	ck_assert_uint_eq(READ(offload), cases[_i].offload);
}
END_TEST

START_TEST(why_it_does_not_start_is_said)
{
	static const struct {
		int node_errno, create_errno;
		const char *other, *kind, *said;
		uint8_t unit; /* of the other's address */
		int ret;
	} cases[] = {
		{ENOENT, 0, "", "", "modprobe tun", 9, -ENOENT},
		{EACCES, 0, "", "", "run as root", 9, -EACCES},
		{EMFILE, 0, "", "", "Too many open files", 9, -EMFILE},
		{0, EPERM, "", "", "CAP_NET_ADMIN", 9, -EPERM},
		{0, EINVAL, "", "", "choose another (ip link)", 9, -EINVAL},
		{0, ENOMEM, "", "", "Cannot allocate memory", 9, -ENOMEM},
		{0, 0, "net0", "bridge", "such an interface (bridge)", 9, -EEXIST},
		{0, 0, "net0", "", "such an interface (a device of the kernel's)", 9, -EEXIST},
		{0, EBUSY, "net0", "tun", "there is such an interface", 9, -EBUSY},
		{0, 0, "eth7", "", "eth7 has the card's address, 02:75:64:72:76:01", 1,
		 -EADDRINUSE},
		{0, 0, "tap7", "tun", "ip link set tap7 address", 1, -EADDRINUSE},
	};

	make_card(NULL);
	fake_tun.node_errno = cases[_i].node_errno;
	fake_tun.create_errno = cases[_i].create_errno;
	(void)strcpy(fake_tun.other, cases[_i].other);
	(void)strcpy(fake_tun.other_kind, cases[_i].kind);
	memcpy(fake_tun.other_addr, nic.ndev.perm_addr, 6);
	fake_tun.other_addr[5] = cases[_i].unit;
	ck_assert_int_eq(start_tap("net0"), cases[_i].ret);
	ck_assert_msg(fault_logged(cases[_i].said), "%s", fault_log_text());
	ck_assert_ptr_null(tap);
}
END_TEST

/* A bridge that the card was in has its address, and a VLAN on top of it had. */
START_TEST(what_is_above_may_have_its_address)
{
	make_card(NULL);
	(void)strcpy(fake_tun.other, "br0");
	(void)strcpy(fake_tun.other_kind, "bridge");
	memcpy(fake_tun.other_addr, nic.ndev.perm_addr, 6);
	ck_assert_int_eq(start_tap("net0"), 0);
}
END_TEST

/* A bond that the card was in has given its address to the bond's other port. */
START_TEST(a_port_of_a_bond_may_have_its_address)
{
	make_card(NULL);
	(void)strcpy(fake_tun.other, "eth7");
	fake_tun.other_master = 5;
	memcpy(fake_tun.other_addr, nic.ndev.perm_addr, 6);
	ck_assert_int_eq(start_tap("net0"), 0);
}
END_TEST

START_TEST(names_that_cannot_be)
{
	static const char *const bad[] = {
		"", "1234567890123456", "a/b", "a b", "a:b", ".", "..", "%", "%s", "a%d%d", "a%%"};

	make_card(NULL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(udrv__tap_check_name(bad[i]) == -EINVAL, "'%s'", bad[i]);
	ck_assert_int_eq(udrv__tap_check_name("123456789012345"), 0);
	ck_assert_int_eq(udrv__tap_check_name("net%d"), 0);
}
END_TEST

/* Frames. */

START_TEST(frames_go_both_ways)
{
	static uint8_t sent[9014], got[9100];
	struct echo_nic_options o = one_queue();
	struct virtio_net_hdr hdr;

	o.features = _i & 1 ? o.features : 0;
	o.no_event = _i & 2;
	begin(&o);
	fake_tun_lock();
	fake_tun.mtu = 9000;
	fake_tun_unlock();
	fake_tun_tell();
	until(get(nic.opened_mtu) == 9000);
	for (size_t len = 14; len <= sizeof(sent); len += 9) {
		for (size_t i = 14; i < len; i++)
			sent[i] = (uint8_t)(i + len);
		fake_tun_put(0, NULL, sent, len);
		ck_assert_uint_eq(fake_tun_get(0, &hdr, got, sizeof(got)), len);
		ck_assert_mem_eq(sent, got, len);
		ck_assert_uint_eq(hdr.gso_type, VIRTIO_NET_HDR_GSO_NONE);
	}
}
END_TEST

/*
 * For a process of one CPU it runs ahead of others, and lets frames of a stream gather; but none
 * waits for the next one.
 */
START_TEST(on_one_cpu_all_are_sent)
{
	struct echo_nic_options o = one_queue();
	uint8_t frame[60] = {0};

	keep_to_one_cpu();
	o.deaf = true;
	o.no_event = _i;
	begin(&o);
	for (unsigned int i = 1; i <= 2000; i++) {
		fake_tun_put(0, NULL, frame, sizeof(frame));
		if (i % 7 == 0)
			until(get(nic.queue[0].tx.packets) == i);
	}
	until(get(nic.queue[0].tx.packets) == 2000);
}
END_TEST

START_TEST(on_one_cpu_frames_go_both_ways)
{
	const struct echo_nic_options o = one_queue();
	uint8_t frame[60] = {0};
	struct virtio_net_hdr hdr;

	keep_to_one_cpu();
	begin(&o);
	for (unsigned int i = 0; i < 50; i++) {
		for (unsigned int k = 0; k < 40; k++) {
			frame[20] = (uint8_t)k;
			fake_tun_put(0, NULL, frame, sizeof(frame));
		}
		for (unsigned int k = 0; k < 40; k++) {
			ck_assert_uint_eq(fake_tun_get(0, &hdr, frame, sizeof(frame)), 60);
			ck_assert_uint_eq(frame[20], k);
		}
	}
}
END_TEST

START_TEST(the_card_completes_sums)
{
	static uint8_t sent[2000], got[2000];
	const struct echo_nic_options o = one_queue();
	struct virtio_net_hdr hdr;
	struct inet_frame f;
	size_t len;

	begin(&o);
	len = make_segment(sent, 1000);
	fake_tun_put(0, &needs_csum, sent, len);
	ck_assert_uint_eq(fake_tun_get(0, &hdr, got, sizeof(got)), len);
	ck_assert(inet_parse(got, len, &f));
	ck_assert(inet_l4_good(&f));
	ck_assert_mem_eq(got + 54, sent + 54, 1000);
}
END_TEST

/* 60,000 bytes are cut by the card, come back, are joined, and are the same. */
START_TEST(what_the_card_has_cut_is_joined)
{
	static uint8_t sent[70000], got[70000], all[70000];
	const struct echo_nic_options o = one_queue();
	struct virtio_net_hdr hdr = needs_csum;
	size_t have = 0, len;

	begin(&o);
	len = make_segment(sent, 60000);
	hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	hdr.gso_size = 1448;
	hdr.hdr_len = 54;
	fake_tun_put(0, &hdr, sent, len);
	while (have < 60000) {
		struct inet_frame f;

		len = fake_tun_get(0, &hdr, got, sizeof(got));
		ck_assert(inet_parse(got, len, &f));
		ck_assert(inet_ip_good(&f));
		if (hdr.gso_type == VIRTIO_NET_HDR_GSO_NONE)
			ck_assert(inet_l4_good(&f));
		else
			ck_assert_uint_eq(inet_get16(got + 50), inet_pseudo(&f, f.l4_len));
		ck_assert_uint_eq(inet_get32(got + 38), have);
		ck_assert_uint_le(have + len - 54, 60000);
		memcpy(all + have, got + 54, len - 54);
		have += len - 54;
	}
	ck_assert_mem_eq(all, sent + 54, 60000);
}
END_TEST

/* In their order, none of them lost, while the card has no room. */
START_TEST(a_full_ring_loses_nothing)
{
	struct echo_nic_options o = one_queue();
	uint8_t frame[60] = {0};
	struct virtio_net_hdr hdr;

	o.tx_ring = 3;
	begin(&o);
	for (unsigned int i = 0; i < 200; i++) {
		frame[20] = (uint8_t)i;
		fake_tun_put(0, NULL, frame, sizeof(frame));
	}
	for (unsigned int i = 0; i < 200; i++) {
		ck_assert_uint_eq(fake_tun_get(0, &hdr, frame, sizeof(frame)), 60);
		ck_assert_uint_eq(frame[20], (uint8_t)i);
		if (i % 3 == 2) {
			/* No more than the ring has. */
			ck_assert_uint_eq(get(nic.queue[0].tx.packets), i + 1);
			echo_nic_complete(&nic, 0, 3);
		}
	}
}
END_TEST

/* All buffers are in the card's hands, although it has room: some time they come back. */
START_TEST(without_buffers_it_waits_for_some)
{
	struct echo_nic_options o = one_queue();
	static uint8_t frame[4000];
	struct virtio_net_hdr hdr;
	unsigned int n = 0;

	o.tx_ring = ECHO_NIC_FIFO;
	begin(&o);
	/* Each has a long part. */
	for (unsigned int i = 0; i < 150; i++)
		fake_tun_put(0, NULL, frame, sizeof(frame));
	until(get(nic.queue[0].tx.packets) + get(nic.queue[0].rx.dropped) >= 90);
	while (n < 150) {
		const unsigned int lost = (unsigned int)get(nic.queue[0].rx.dropped);

		echo_nic_complete(&nic, 0, 10);
		if (fake_tun_has(0)) {
			(void)fake_tun_get(0, &hdr, frame, sizeof(frame));
			n++;
		} else if (n + lost >= 150) {
			break;
		}
		(void)sched_yield();
	}
	ck_assert_uint_eq(get(nic.queue[0].tx.packets), 150);
}
END_TEST

START_TEST(nonsense_of_the_kernel_is_not_for_the_card)
{
	static const struct virtio_net_hdr bad[] = {
		{.gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 100},
		{.flags = 1, .csum_start = 60, .csum_offset = 16},
		{.flags = 1, .csum_start = 34, .csum_offset = 16, .gso_type = 3, .gso_size = 9},
		{.flags = 1, .csum_start = 34, .csum_offset = 6, .gso_type = 1, .gso_size = 9},
		{.flags = 1, .csum_start = 34, .csum_offset = 16, .gso_type = 1},
		{.flags = 1, .csum_start = 50, .csum_offset = 16, .gso_type = 1, .gso_size = 9},
	};
	const struct echo_nic_options o = one_queue();
	uint8_t sent[64], got[64];
	struct virtio_net_hdr hdr;
	size_t len;

	begin(&o);
	len = make_segment(sent, 6);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		fake_tun_put(0, &bad[i], sent, len);
	fake_tun_put(0, NULL, sent, 13);
	fake_tun_put(0, NULL, sent, 14);
	ck_assert_uint_eq(fake_tun_get(0, &hdr, got, sizeof(got)), 14);
	ck_assert_uint_eq(get(nic.queue[0].tx.packets), 1);
}
END_TEST

/* What is done to it. */

START_TEST(down_closes_the_card)
{
	begin(NULL);
	for (unsigned int i = 1; i <= 3; i++) {
		fake_tun_up(false);
		until(get(nic.stops) == i);
		up();
	}
}
END_TEST

/* And what has not been sent before is sent afterwards. */
START_TEST(another_mtu_loses_nothing)
{
	struct echo_nic_options o = one_queue();
	uint8_t frame[60] = {0};
	struct virtio_net_hdr hdr;

	o.tx_ring = 1;
	begin(&o);
	for (unsigned int i = 0; i < 20; i++) {
		frame[20] = (uint8_t)i;
		fake_tun_put(0, NULL, frame, sizeof(frame));
	}
	/* The first one is in the ring, others are read. */
	(void)fake_tun_get(0, &hdr, frame, sizeof(frame));
	fake_tun_lock();
	fake_tun.mtu = 2000;
	fake_tun_unlock();
	fake_tun_tell();
	for (unsigned int i = 1; i < 20; i++) {
		ck_assert_uint_eq(fake_tun_get(0, &hdr, frame, sizeof(frame)), 60);
		ck_assert_uint_eq(frame[20], i);
		if (i == 1)
			ck_assert_uint_eq(get(nic.opened_mtu), 2000);
		echo_nic_complete(&nic, 0, 1);
	}
	ck_assert_uint_eq(get(nic.opens), 2);
}
END_TEST

START_TEST(an_mtu_that_the_card_does_not_take_is_taken_back)
{
	begin(NULL);
	fake_tun_lock();
	fake_tun.mtu = 60000;
	fake_tun_unlock();
	fake_tun_tell();
	until(READ(mtu) == 1500);
	ck_assert(fault_logged("MTU of 68 to 9000: it stays 1500"));
	ck_assert_uint_eq(get(nic.opens), 1);
}
END_TEST

START_TEST(an_address_is_the_cards_too)
{
	static const uint8_t addr[] = {2, 0, 0, 0, 0, 9}, next[] = {2, 0, 0, 0, 0, 8};

	begin(NULL);
	fake_tun_lock();
	memcpy(fake_tun.addr, addr, 6);
	fake_tun_unlock();
	fake_tun_tell();
	until(get(nic.addresses) == 1);
	set(nic.address_error, -EIO);
	fake_tun_lock();
	memcpy(fake_tun.addr, next, 6);
	fake_tun_unlock();
	fake_tun_tell();
	until(!memcmp(READ(addr[5]) == 9 ? addr : next, addr, 6));
	until(fault_logged("keeps its own"));
	ck_assert_mem_eq(nic.ndev.dev_addr, addr, 6);
}
END_TEST

/* What was told before it looked, and is no more. */
START_TEST(what_is_past_is_not_followed)
{
	static const uint8_t addr[] = {2, 0, 0, 0, 0, 9};

	begin(NULL);
	for (int i = 0; i < 100; i++) {
		fake_tun_lock();
		memcpy(fake_tun.addr, i & 1 ? nic.ndev.perm_addr : addr, 6);
		fake_tun.mtu = i & 1 ? 1500 : 70000;
		fake_tun_unlock();
		fake_tun_tell();
	}
	fake_tun_up(false);
	until(get(nic.stops) == 1);
	ck_assert_mem_eq(fake_tun.addr, nic.ndev.perm_addr, 6);
	ck_assert_uint_eq(fake_tun.mtu, 1500);
}
END_TEST

START_TEST(who_listens_to_all_gets_all)
{
	begin(NULL);
	until(get(nic.rx_flags) == IFF_ALLMULTI);
	fake_tun_lock();
	fake_tun.promiscuity = 2;
	fake_tun_unlock();
	fake_tun_tell();
	until(get(nic.rx_flags) == (IFF_ALLMULTI | IFF_PROMISC));
	fake_tun_lock();
	fake_tun.promiscuity = 0;
	fake_tun_unlock();
	fake_tun_tell();
	until(get(nic.rx_flags) == IFF_ALLMULTI);
}
END_TEST

START_TEST(the_carrier_is_the_cards)
{
	make_card(NULL);
	ck_assert_int_eq(start_tap("net0"), 0);
	ck_assert(!READ(carrier));
	for (int i = 0; i < 5; i++) {
		udrv_netif_carrier_on(&nic.ndev);
		udrv__tap_carrier(tap);
		until(READ(carrier));
		udrv_netif_carrier_off(&nic.ndev);
		udrv__tap_carrier(tap);
		until(!READ(carrier));
	}
}
END_TEST

START_TEST(a_card_that_does_not_open_is_put_down)
{
	make_card(NULL);
	ck_assert_int_eq(start_tap("net0"), 0);
	set(nic.open_error, -EIO);
	fake_tun_up(true);
	until(READ(asked_down) == 1);
	ck_assert_uint_eq(get(nic.refusals), 1);
	ck_assert(fault_logged("cannot be opened: Input/output error"));
	up();
}
END_TEST

START_TEST(somebody_deletes_it)
{
	uint64_t count;

	begin(NULL);
	fake_tun_delete();
	until(read(ended_fd, &count, sizeof(count)) == sizeof(count));
	ck_assert(fault_logged("somebody has deleted the interface"));
	ck_assert_uint_eq(get(nic.stops), 1);
}
END_TEST

/* udev is faster than the first question. */
START_TEST(renamed_as_soon_as_it_is_there)
{
	make_card(NULL);
	(void)strcpy(fake_tun.rename, "card0");
	ck_assert_int_eq(start_tap("net0"), 0);
	ck_assert_str_eq(tap->name, "card0");
	up();
}
END_TEST

/* Or than the second queue, which must not be of another interface. */
START_TEST(renamed_before_its_second_queue_is_there)
{
	make_card(NULL);
	(void)strcpy(fake_tun.rename_early, "card0");
	ck_assert_int_eq(start_tap("net0"), 0);
	/* On one CPU there is no second one. */
	ck_assert_str_eq(tap->name, tap->queues > 1 ? "card0" : "net0");
	ck_assert_uint_eq(fake_tun.queues, tap->queues);
	ck_assert_uint_eq(fake_tun.strays, 0);
	up();
}
END_TEST

/* The namespace is the same one, and its interfaces are told of on the same descriptor. */
int __wrap_setns(int fd, int type);
int __wrap_setns(int fd, int type)
{
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(type, CLONE_NEWNET);
	return 0;
}

int __wrap_dup3(int fd, int to, int flags);
int __wrap_dup3(int fd, int to, int flags)
{
	(void)fd;
	(void)flags;
	return to;
}

START_TEST(moved_and_renamed_it_is_followed)
{
	begin(NULL);
	fake_tun_lock();
	(void)strcpy(fake_tun.rename, "card0");
	fake_tun_unlock();
	fake_tun_move();
	until(!READ(rename[0]));
	ck_assert_uint_eq(get(nic.stops), 0);
	fake_tun_up(false);
	until(get(nic.stops) == 1);
}
END_TEST

/* In the middle of everything. */
START_TEST(it_stops_at_any_time)
{
	static uint8_t frame[1500];

	make_card(NULL);
	for (unsigned int i = 0; i < 20; i++) {
		ck_assert_int_eq(start_tap("net0"), 0);
		if (i % 4)
			up();
		for (unsigned int k = 0; k < i; k++)
			fake_tun_put(k % READ(queues), NULL, frame, sizeof(frame));
		udrv__tap_stop(tap);
		tap = NULL;
		ck_assert(!READ(exists));
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("tap");
	TCase *tc = tcase_create("tap");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, it_is_the_card);
	tcase_add_loop_test(tc, it_offers_what_the_card_can, 0, 3);
	tcase_add_loop_test(tc, why_it_does_not_start_is_said, 0, 11);
	tcase_add_test(tc, what_is_above_may_have_its_address);
	tcase_add_test(tc, a_port_of_a_bond_may_have_its_address);
	tcase_add_test(tc, names_that_cannot_be);
	tcase_add_loop_test(tc, frames_go_both_ways, 0, 4);
	tcase_add_loop_test(tc, on_one_cpu_all_are_sent, 0, 2);
	tcase_add_test(tc, on_one_cpu_frames_go_both_ways);
	tcase_add_test(tc, the_card_completes_sums);
	tcase_add_test(tc, what_the_card_has_cut_is_joined);
	tcase_add_test(tc, a_full_ring_loses_nothing);
	tcase_add_test(tc, without_buffers_it_waits_for_some);
	tcase_add_test(tc, nonsense_of_the_kernel_is_not_for_the_card);
	tcase_add_test(tc, down_closes_the_card);
	tcase_add_test(tc, another_mtu_loses_nothing);
	tcase_add_test(tc, an_mtu_that_the_card_does_not_take_is_taken_back);
	tcase_add_test(tc, an_address_is_the_cards_too);
	tcase_add_test(tc, what_is_past_is_not_followed);
	tcase_add_test(tc, who_listens_to_all_gets_all);
	tcase_add_test(tc, the_carrier_is_the_cards);
	tcase_add_test(tc, a_card_that_does_not_open_is_put_down);
	tcase_add_test(tc, somebody_deletes_it);
	tcase_add_test(tc, renamed_as_soon_as_it_is_there);
	tcase_add_test(tc, renamed_before_its_second_queue_is_there);
	tcase_add_test(tc, moved_and_renamed_it_is_followed);
	tcase_add_test(tc, it_stops_at_any_time);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
