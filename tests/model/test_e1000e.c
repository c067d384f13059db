// SPDX-License-Identifier: MIT
/* The e1000e driver on the software card: frames both ways, filters, links, interrupts, statistics.
 */
#include "support/suite.h"
#include "support/verb.h"

#include "e1000e_driver.h"

#define MTU 9000

static const char *const interrupts[] = {"msix", "msi", "intx"};
static const unsigned int types[] = {UDRV_PCI_IRQ_MSIX, UDRV_PCI_IRQ_MSI, UDRV_PCI_IRQ_INTX};

static void setup(void)
{
	start_card(NULL);
}

static void teardown(void)
{
	stop_card();
	free_output();
}

START_TEST(its_address_is_the_nvms)
{
	static const uint8_t mac[6] = {0x52, 0x54, 0x00, 0x77, 0x88, 0x99};

	ck_assert_int_eq(udrv_device_open("model:e1000e", NULL, &dev), 0);
	udrv__model_e1000e_set_mac(dev, mac);
	ck_assert_int_eq(udrv_driver_probe(&e1000e_driver, dev), 0);
	ndev = ndev_of(dev);
	ck_assert_mem_eq(ndev->perm_addr, mac, 6);
	ck_assert_mem_eq(ndev->dev_addr, mac, 6);
	ck_assert_str_eq(ndev->name, "e1000e-model:e1000e");
	ck_assert_uint_eq(ndev->max_mtu, MTU);
	/* Nobody has it open, so it has no rings. */
	ck_assert_int_eq(run_verb(e1000e_driver.verbs, dev, "rings"), 0);
	ck_assert_str_eq(out, "open                       no\n");
	ck_assert_int_eq(run_verb(e1000e_driver.verbs, dev, "rings --json"), 0);
	ck_assert_str_eq(out, "{\"open\":false}\n");
	free_output();
	remove_card();
}
END_TEST

START_TEST(nvm_is_read_up_to_three_times)
{
	ck_assert_int_eq(udrv_device_open("model:e1000e", NULL, &dev), 0);
	udrv__model_e1000e_set_nvm_bad(dev, 2);
	ck_assert_int_eq(udrv_driver_probe(&e1000e_driver, dev), 0);
	ndev = ndev_of(dev);
	remove_card();
}
END_TEST

START_TEST(bad_nvm_is_refused)
{
	ck_assert_int_eq(udrv_device_open("model:e1000e", NULL, &dev), 0);
	udrv__model_e1000e_set_nvm_bad(dev, 3);
	ck_assert_int_eq(udrv_driver_probe(&e1000e_driver, dev), -EIO);
	ck_assert_ptr_null(udrv_net_next(NULL));
	udrv_device_close(dev);
}
END_TEST

START_TEST(broken_chip_is_refused)
{
	static const enum udrv__model_e1000e_chip chips[] = {UDRV__E1000E_STUCK,
							     UDRV__E1000E_ABSENT};

	ck_assert_int_eq(udrv_device_open("model:e1000e", NULL, &dev), 0);
	udrv__model_e1000e_set_chip(dev, chips[_i]);
	ck_assert_int_eq(udrv_driver_probe(&e1000e_driver, dev), -ETIMEDOUT);
	ck_assert_ptr_null(udrv_net_next(NULL));
	udrv_device_close(dev);
}
END_TEST

START_TEST(phy_that_does_not_answer_is_refused)
{
	ck_assert_int_eq(udrv_device_open("model:e1000e", NULL, &dev), 0);
	udrv__model_e1000e_fault(dev, UDRV__E1000E_NO_PHY, 100);
	ck_assert_int_eq(udrv_driver_probe(&e1000e_driver, dev), -EIO);
	udrv_device_close(dev);
}
END_TEST

START_TEST(parameters_that_make_no_sense_are_refused)
{
	static const char *const bad[][2] = {
		{"interrupts", "msi-x"}, {"moderation", "59"},	   {"moderation", "fast"},
		{"watchdog_ms", "9"},	 {"watchdog_ms", "60001"}, {"watchdog_ms", "1s"},
	};

	ck_assert_int_eq(udrv_device_open("model:e1000e", NULL, &dev), 0);
	set_param(bad[_i][0], bad[_i][1]);
	ck_assert_int_eq(udrv_driver_probe(&e1000e_driver, dev), -EINVAL);
	set_param(NULL, NULL);
	ck_assert_int_eq(udrv_driver_probe(&e1000e_driver, dev), 0);
	remove_card();
}
END_TEST

/* With each kind of interrupts. */
START_TEST(frames_pass_both_ways)
{
	set_param("interrupts", interrupts[_i]);
	start_card(NULL);
	ck_assert_uint_eq(card_of(ndev)->irq_type, types[_i]);
	for (uint32_t len = 60; len <= 1514; len += 7) {
		far_sends(len, len);
		gets(len, len);
		send_frame(len, len);
		far_gets(len, len);
	}
	ck_assert_uint_eq(ndev->rxq[0]->packets, ndev->txq[0]->packets);
	ck_assert_uint_eq(ndev->rxq[0]->bytes, ndev->txq[0]->bytes);
	ck_assert_uint_eq(ndev->rxq[0]->dropped + ndev->txq[0]->dropped, 0);
	stop_card();
}
END_TEST

START_TEST(many_frames_come_in_order)
{
	for (uint32_t round = 0; round < 100; round++) {
		for (uint32_t i = 0; i < FRAMES; i++)
			far_sends(60 + i, round * FRAMES + i);
		for (uint32_t i = 0; i < FRAMES; i++)
			gets(60 + i, round * FRAMES + i);
	}
}
END_TEST

START_TEST(many_frames_leave_in_order)
{
	struct udrv_net_buf *bufs[FRAMES];

	for (uint32_t round = 0; round < 100; round++) {
		unsigned int done = 0;

		for (uint32_t i = 0; i < FRAMES; i++)
			bufs[i] = make_frame(60 + i, round * FRAMES + i);
		WAIT_FOR((done += udrv_net_tx_burst(ndev->txq[0], bufs + done, FRAMES - done)) ==
			 FRAMES);
		for (uint32_t i = 0; i < FRAMES; i++)
			far_gets(60 + i, round * FRAMES + i);
	}
}
END_TEST

START_TEST(every_size_with_jumbo_frames)
{
	probe_card("model:e1000e");
	ck_assert_int_eq(udrv_net_set_mtu(ndev, MTU), 0);
	open_card(NULL);
	for (uint32_t len = 60; len <= MTU + 14; len += len % 512 < 8 ? 1 : 61) {
		far_sends(len, len);
		gets(len, len);
		send_frame(len, len);
		far_gets(len, len);
	}
	far_sends(MTU + 14, 1);
	gets(MTU + 14, 1);
	stop_card();
}
END_TEST

START_TEST(buffers_follow_the_mtu)
{
	static const unsigned int mtus[] = {68, 1500, 2026, 2027, 4074, 4075, 8170, 8171, 9000};
	static const uint32_t rooms[] = {2048, 2048, 2048, 4096, 4096, 8192, 8192, 16384, 16384};
	uint32_t len;

	probe_card("model:e1000e");
	ck_assert_int_eq(udrv_net_set_mtu(ndev, mtus[_i]), 0);
	open_card(NULL);
	ck_assert_uint_eq(card_of(ndev)->rxq[0]->room, rooms[_i]);
	len = mtus[_i] + 14;
	far_sends(len, 3);
	gets(len, 3);
	send_frame(len, 4);
	far_gets(len, 4);
	stop_card();
}
END_TEST

/* With a buffer of 2048 bytes, 3,000 need two: nobody wants half a frame. */
START_TEST(frame_that_needs_several_buffers_is_dropped_once)
{
	probe_card("model:e1000e");
	ck_assert_int_eq(udrv_net_set_mtu(ndev, 2000), 0);
	open_card(NULL);
	far_sends(100, 1);
	far_sends(5000, 2);
	far_sends(101, 3);
	gets(100, 1);
	gets(101, 3);
	ck_assert_uint_eq(ndev->rxq[0]->dropped, 1);
	ck_assert_uint_eq(card_of(ndev)->rxq[0]->spanned, 1);
	stop_card();
}
END_TEST

START_TEST(two_queues_share_what_comes)
{
	const struct udrv_net_options options = {
		.rx_queues = 2, .tx_queues = 2, .features = UINT32_MAX};
	uint8_t frame[64] = {0};
	unsigned int got = 0;
	struct udrv_net_buf *buf;

	set_param("interrupts", interrupts[_i]);
	start_card(&options);
	memcpy(frame, ndev->dev_addr, 6);
	memcpy(frame + 12, "\x08\x00\x45\x00\x00\x32", 6);
	frame[23] = 17;
	for (unsigned int i = 0; i < 64; i++) {
		frame[29] = (uint8_t)i; /* the source address */
		WAIT_FOR(udrv__model_e1000e_send(dev, frame, sizeof(frame)));
	}
	for (unsigned int q = 0; got < 64; q = !q)
		while (udrv_net_rx_burst(ndev->rxq[q], &buf, 1)) {
			udrv_net_buf_free(buf);
			got++;
		}
	ck_assert_uint_gt(ndev->rxq[0]->packets, 0);
	ck_assert_uint_gt(ndev->rxq[1]->packets, 0);
	for (unsigned int q = 0; q < 2; q++) {
		send_on(q, make_frame(80 + q, q));
		far_gets(80 + q, q);
	}
	stop_card();
}
END_TEST

/* One that is only for the second queue wakes only who waits for that, or both. */
START_TEST(each_queue_is_waited_for)
{
	const struct udrv_net_options options = {
		.rx_queues = 2, .tx_queues = 2, .features = UINT32_MAX};
	uint8_t frame[64] = {0};
	bool seen[2] = {false, false};

	set_param("interrupts", interrupts[_i]);
	start_card(&options);
	memcpy(frame, ndev->dev_addr, 6);
	memcpy(frame + 12, "\x08\x00\x45\x00\x00\x32", 6);
	for (unsigned int i = 0; i < 200 && !(seen[0] && seen[1]); i++) {
		uint64_t before[2] = {look().rx[0], look().rx[1]};
		unsigned int q;

		frame[29] = (uint8_t)i;
		WAIT_FOR(udrv__model_e1000e_send(dev, frame, sizeof(frame)));
		WAIT_FOR(look().rx[0] + look().rx[1] > before[0] + before[1]);
		q = look().rx[1] > before[1];
		udrv_net_buf_free(receive_on(q));
		ck_assert_int_eq(udrv_net_rx_wait(ndev->rxq[q], 0), 0);
		seen[q] = true;
	}
	ck_assert(seen[0] && seen[1]);
	stop_card();
}
END_TEST

START_TEST(only_its_address_is_received)
{
	static const uint8_t other[6] = {0x52, 0x54, 0, 1, 2, 3};
	static const uint8_t everybody[6] = {255, 255, 255, 255, 255, 255};

	far_sends_to(other, 70, 1);
	far_sends_to(everybody, 71, 2);
	gets_to(everybody, 71, 2);
	udrv_net_set_rx_mode(ndev, IFF_PROMISC, NULL, 0);
	far_sends_to(other, 72, 3);
	gets_to(other, 72, 3);
	udrv_net_set_rx_mode(ndev, 0, NULL, 0);
	far_sends_to(other, 73, 4);
	gets_nothing();
	ck_assert_int_eq(udrv_net_set_mac_address(ndev, other), 0);
	far_sends_to(other, 74, 5);
	gets_to(other, 74, 5);
	far_sends_to(ndev->perm_addr, 75, 6);
	gets_nothing();
}
END_TEST

START_TEST(groups_are_filtered)
{
	static const uint8_t groups[2][6] = {{1, 0, 0x5e, 0, 0, 5}, {0x33, 0x33, 0, 1, 0x71, 0x83}};
	static const uint8_t other[6] = {1, 0, 0x5e, 9, 8, 7};

	far_sends_to(groups[0], 70, 1);
	gets_nothing();
	udrv_net_set_rx_mode(ndev, 0, groups[0], 2);
	far_sends_to(groups[0], 71, 2);
	far_sends_to(groups[1], 72, 3);
	far_sends_to(other, 73, 4);
	gets_to(groups[0], 71, 2);
	gets_to(groups[1], 72, 3);
	gets_nothing();
	udrv_net_set_rx_mode(ndev, IFF_ALLMULTI, NULL, 0);
	far_sends_to(other, 74, 5);
	gets_to(other, 74, 5);
	udrv_net_set_rx_mode(ndev, 0, NULL, 0);
	far_sends_to(groups[0], 75, 6);
	gets_nothing();
}
END_TEST

/* What was chosen while it was closed counts, too, and after it was closed and opened. */
START_TEST(filters_outlive_closing)
{
	static const uint8_t group[6] = {1, 0, 0x5e, 0, 0, 5};
	static const uint8_t mine[6] = {0x52, 0x54, 0, 1, 2, 3};

	close_card();
	udrv_net_set_rx_mode(ndev, 0, group, 1);
	ck_assert_int_eq(udrv_net_set_mac_address(ndev, mine), 0);
	open_card(NULL);
	far_sends_to(group, 70, 1);
	gets_to(group, 70, 1);
	far_sends_to(mine, 71, 2);
	gets_to(mine, 71, 2);
}
END_TEST

/* Whatever resets the card meanwhile sets the new one. */
START_TEST(address_is_known_before_the_change_has_ended)
{
	static const uint8_t mine[6] = {2, 0, 0, 0, 0, 7};

	start_card(NULL);
	ck_assert_int_eq(ndev->netdev_ops->ndo_set_mac_address(ndev, mine), 0);
	ck_assert_mem_eq(ndev->dev_addr, mine, 6);
	far_sends_to(mine, 71, 2);
	gets_to(mine, 71, 2);
	stop_card();
}
END_TEST

START_TEST(link_comes_and_goes)
{
	set_param("interrupts", interrupts[_i]);
	start_card(NULL);
	ck_assert_uint_eq(ndev->speed, 1000);
	ck_assert(ndev->full_duplex);
	for (unsigned int i = 0; i < 3; i++) {
		udrv__model_e1000e_set_link(dev, false);
		WAIT_FOR(!udrv_netif_carrier_ok(ndev));
		send_frame(60, i);
		ck_assert_uint_eq(card_of(ndev)->txq[0]->lost, i + 1);
		ck_assert_uint_eq(ndev->txq[0]->dropped, i + 1);
		udrv__model_e1000e_set_link(dev, true);
		WAIT_FOR(udrv_netif_carrier_ok(ndev));
		far_sends(80, i);
		gets(80, i);
		send_frame(81, i);
		far_gets(81, i);
	}
	stop_card();
}
END_TEST

/* The next tick looks. */
START_TEST(link_change_without_an_interrupt_is_seen)
{
	struct e1000e *nic;

	set_param("interrupts", interrupts[_i]);
	start_card(NULL);
	nic = card_of(ndev);
	e1000e_write(nic, E1000E_IMC, UINT32_MAX);
	udrv__model_e1000e_set_link(dev, false);
	ck_assert(udrv_netif_carrier_ok(ndev));
	e1000e_tick(&nic->tick.work);
	ck_assert(!udrv_netif_carrier_ok(ndev));
	stop_card();
}
END_TEST

/* A reset forgets it, and leaves the link as it is. */
START_TEST(flow_control_survives_a_reset)
{
	const uint32_t both = E1000E_CTRL_RFCE | E1000E_CTRL_TFCE;

	start_card(NULL);
	for (unsigned int i = 0; i < 3; i++) {
		WAIT_FOR((e1000e_read(card_of(ndev), E1000E_CTRL) & both) == both);
		ck_assert(udrv_netif_carrier_ok(ndev));
		udrv_net_close(ndev);
		ck_assert_int_eq(udrv_net_open(ndev, NULL), 0);
	}
	stop_card();
}
END_TEST

START_TEST(link_is_told_while_it_is_closed)
{
	set_param("interrupts", interrupts[_i]);
	probe_card("model:e1000e");
	WAIT_FOR(udrv_netif_carrier_ok(ndev));
	udrv__model_e1000e_set_link(dev, false);
	WAIT_FOR(!udrv_netif_carrier_ok(ndev));
	ck_assert_int_eq(udrv_net_open(ndev, NULL), 0);
	ck_assert(!udrv_netif_carrier_ok(ndev));
	udrv__model_e1000e_set_link(dev, true);
	WAIT_FOR(udrv_netif_carrier_ok(ndev));
	udrv_net_close(ndev);
	udrv__model_e1000e_set_link(dev, false);
	WAIT_FOR(!udrv_netif_carrier_ok(ndev));
	remove_card();
	set_param(NULL, NULL);
}
END_TEST

/* More than memory has: it is refused, and asks for no other number. */
START_TEST(buffers_without_measure_are_refused)
{
	static const unsigned int counts[] = {UINT32_MAX, 0x80000000u - 512, 0x80000000u - 256};
	const struct udrv_net_options options = {.rx_buffers = counts[_i]};

	probe_card("model:e1000e");
	ck_assert_int_eq(udrv_net_open(ndev, &options), -EINVAL);
	open_card(NULL);
	close_card();
	remove_card();
}
END_TEST

/* All that may be kept can be kept, and frames still come. */
START_TEST(user_keeps_as_many_as_it_has_asked_for)
{
	const struct udrv_net_options options = {
		.rx_ring = 64, .rx_buffers = 300, .features = UINT32_MAX};
	struct udrv_net_buf *kept[300];

	start_card(&options);
	for (unsigned int i = 0; i < 300; i++) {
		far_sends(60 + i, i);
		kept[i] = receive_on(0);
		ck_assert_uint_eq(kept[i]->len, 60 + i);
	}
	far_sends(400, 5);
	gets(400, 5);
	udrv_net_buf_free_bulk(kept, 300);
	ck_assert_uint_eq(card_of(ndev)->rxq[0]->no_buffers, 0);
	stop_card();
}
END_TEST

/* More than may be kept: none comes until some are freed, and what comes then is whole. */
START_TEST(user_that_keeps_all_buffers_gets_none_until_it_frees_some)
{
	const struct udrv_net_options options = {.rx_ring = 64, .features = UINT32_MAX};
	struct udrv_net_buf *kept[256], *buf;
	unsigned int count = 0;

	start_card(&options);
	do {
		far_sends(60 + count, count);
		udrv__model_e1000e_settle(dev);
	} while (udrv_net_rx_burst(ndev->rxq[0], &kept[count], 1) && ++count < 256);
	ck_assert_uint_ge(count, 128);
	ck_assert_uint_gt(card_of(ndev)->rxq[0]->no_buffers, 0);
	for (unsigned int i = 0; i < count; i++)
		ck_assert_uint_eq(kept[i]->len, 60 + i);
	udrv_net_buf_free_bulk(kept, count);
	/* What waits in the card's own memory comes first. */
	do {
		udrv__model_e1000e_settle(dev);
		count = udrv_net_rx_burst(ndev->rxq[0], &buf, 1);
		udrv_net_buf_free_bulk(&buf, count);
	} while (count || card_of(ndev)->rxq[0]->fill - card_of(ndev)->rxq[0]->next < 32);
	for (unsigned int i = 0; i < 200; i++) {
		far_sends(60 + i, i);
		gets(60 + i, i);
	}
	stop_card();
}
END_TEST

/* Nobody looks: the card misses what there is no descriptor for, and what follows is whole. */
START_TEST(full_receive_ring_loses_frames_not_order)
{
	const struct udrv_net_options options = {.rx_ring = 64, .features = UINT32_MAX};
	struct udrv_net_buf *buf;
	unsigned int got = 0;
	uint32_t last = 0;

	start_card(&options);
	for (uint32_t i = 1; i <= 300; i++)
		far_sends(60 + i, i);
	udrv__model_e1000e_settle(dev);
	while (udrv_net_rx_burst(ndev->rxq[0], &buf, 1)) {
		ck_assert_uint_gt(buf->len, last);
		last = buf->len;
		udrv_net_buf_free(buf);
		got++;
		/* What waits in the card's own memory follows. */
		udrv__model_e1000e_settle(dev);
	}
	ck_assert_uint_ge(got, 32);
	far_sends(500, 7);
	gets(500, 7);
	stop_card();
}
END_TEST

/* Nothing is sent at first: the ring fills up, and who waits for room is told. */
START_TEST(full_transmit_ring_takes_no_more_until_there_is_room)
{
	const struct udrv_net_options options = {.tx_ring = 64, .features = UINT32_MAX};
	struct udrv_net_buf *bufs[100];
	struct pollfd p = {.events = POLLIN};
	unsigned int taken = 0;

	set_param("interrupts", interrupts[_i]);
	start_card(&options);
	udrv__model_e1000e_fault(dev, UDRV__E1000E_LATE, 3);
	for (unsigned int i = 0; i < 100; i++)
		bufs[i] = make_frame(60 + i, i);
	while (taken < 100) {
		taken += udrv_net_tx_burst(ndev->txq[0], bufs + taken, 100 - taken);
		if (taken < 100 && !ndev->netdev_ops->tx_arm(ndev->txq[0])) {
			p.fd = ndev->netdev_ops->tx_event_fd(ndev->txq[0]);
			ck_assert_int_eq(poll(&p, 1, LONG_S * 1000), 1);
		}
	}
	for (unsigned int i = 0; i < 100; i++)
		far_gets(60 + i, i);
	stop_card();
}
END_TEST

START_TEST(frames_that_were_sent_are_freed_without_more)
{
	for (unsigned int i = 0; i < 5; i++)
		send_frame(60 + i, i);
	reap_all(0);
	ck_assert_int_eq(udrv_net_pool_destroy(pool), 0);
	pool = udrv_net_pool_create(dev, "test", 2048, 64);
}
END_TEST

/* A frame behind 8 bytes of headroom; its last 20 bytes in another pool's buffer if there is one.
 */
static struct udrv_net_buf *make_frame_of(struct udrv_net_pool *from, struct udrv_net_pool *tail,
					  uint32_t len, uint32_t seed)
{
	struct udrv_net_buf *buf = udrv_net_buf_alloc(from, UDRV_GFP_ATOMIC);

	ck_assert_ptr_nonnull(buf);
	ck_assert_ptr_eq(buf->pool, from);
	ck_assert_ptr_nonnull(udrv_net_buf_push(buf, 8));
	ck_assert_ptr_nonnull(udrv_net_buf_put(buf, len - 8));
	fill_frame(buf->data, len, far_mac, seed);
	buf->flags = UDRV_NET_RX_CSUM_GOOD;
	if (tail) {
		buf->next = udrv_net_buf_alloc(tail, UDRV_GFP_ATOMIC);
		ck_assert_ptr_nonnull(buf->next);
		buf->len -= 20;
		memcpy(udrv_net_buf_put(buf->next, 20), buf->data + buf->len, 20);
	}
	return buf;
}

static void check_all_are_empty(struct udrv_net_pool *from)
{
	struct udrv_net_buf *bufs[FRAMES];

	ck_assert_int_eq(udrv_net_buf_alloc_bulk(from, UDRV_GFP_ATOMIC, FRAMES, bufs), 0);
	for (unsigned int i = 0; i < FRAMES; i++) {
		ck_assert_ptr_eq(bufs[i]->pool, from);
		ck_assert_ptr_null(bufs[i]->next);
		ck_assert_uint_eq(bufs[i]->len | bufs[i]->flags, 0);
		ck_assert_uint_eq(udrv_net_buf_headroom(bufs[i]), UDRV_NET_HEADROOM);
	}
	udrv_net_buf_free_bulk(bufs, FRAMES);
	ck_assert_int_eq(udrv_net_pool_destroy(from), 0);
}

/* Runs of each length that take turns; one frame is in parts of both. */
START_TEST(frames_of_several_pools_come_back_to_each)
{
	struct udrv_net_pool *pools[2];
	struct udrv_net_buf *bufs[FRAMES];

	for (unsigned int i = 0; i < 2; i++) {
		pools[i] = udrv_net_pool_create(dev, "one of two", 2048, 2 * FRAMES);
		ck_assert_ptr_nonnull(pools[i]);
	}
	for (unsigned int run = 1; run <= FRAMES / 2; run++) {
		unsigned int done = 0;

		for (unsigned int i = 0; i < FRAMES; i++) {
			const unsigned int from = i / run % 2;

			bufs[i] = make_frame_of(pools[from], i == 5 ? pools[!from] : NULL, 60 + i,
						run * FRAMES + i);
		}
		WAIT_FOR((done += udrv_net_tx_burst(ndev->txq[0], bufs + done, FRAMES - done)) ==
			 FRAMES);
		for (unsigned int i = 0; i < FRAMES; i++)
			far_gets(60 + i, run * FRAMES + i);
		reap_all(0);
	}
	check_all_are_empty(pools[0]);
	check_all_are_empty(pools[1]);
}
END_TEST

START_TEST(closing_frees_what_is_in_the_rings)
{
	udrv__model_e1000e_fault(dev, UDRV__E1000E_TX_STUCK, 1);
	for (unsigned int i = 0; i < 20; i++)
		send_frame(60 + i, i);
	for (unsigned int i = 0; i < 20; i++)
		far_sends(60 + i, i);
	/* What is still on its way would come to the card that is opened again. */
	udrv__model_e1000e_settle(dev);
	close_card();
	open_card(NULL);
	far_sends(90, 1);
	gets(90, 1);
	send_frame(91, 2);
	WAIT_FOR(look().tx > 0);
}
END_TEST

START_TEST(it_is_opened_again_and_again)
{
	for (unsigned int i = 0; i < 5; i++) {
		far_sends(70 + i, i);
		gets(70 + i, i);
		close_card();
		open_card(NULL);
	}
	ck_assert_int_eq(udrv_net_open(ndev, NULL), -EBUSY);
}
END_TEST

START_TEST(removal_closes_what_is_open)
{
	start_card(NULL);
	far_sends(70, 1);
	gets(70, 1);
	send_frame(60, 1);
	udrv_driver_remove(&e1000e_driver, dev);
	ck_assert_int_eq(udrv_net_pool_destroy(pool), 0);
	ck_assert_ptr_null(udrv_net_next(NULL));
	ck_assert_int_eq(udrv_driver_probe(&e1000e_driver, dev), 0);
	remove_card();
}
END_TEST

START_TEST(device_that_goes_takes_nothing_more)
{
	struct udrv_net_buf *buf;

	set_param("watchdog_ms", "10");
	start_card(NULL);
	buf = make_frame(60, 1);
	udrv_device_set_gone(dev);
	ck_assert_uint_eq(udrv_net_tx_burst(ndev->txq[0], &buf, 1), 0);
	ck_assert(!ndev->netdev_ops->tx_arm(ndev->txq[0]));
	udrv_net_buf_free(buf);
	ck_assert_int_eq(udrv_net_rx_wait(ndev->rxq[0], LONG_NS), -ENODEV);
	WAIT_FOR(!udrv_netif_carrier_ok(ndev));
	udrv_net_close(ndev);
	ck_assert_int_eq(udrv_net_open(ndev, NULL), -ENODEV);
	ck_assert_int_eq(udrv_net_pool_destroy(pool), 0);
	remove_card();
	set_param(NULL, NULL);
}
END_TEST

/* Gone for the driver, while the card is at work: it reaches no memory once that is freed. */
START_TEST(device_that_goes_is_cut_off_before_its_memory_is_freed)
{
	uint64_t before;

	start_card(NULL);
	far_sends(60, 1);
	gets(60, 1);
	udrv_device_set_gone(dev);
	close_card();
	before = look().rx[0];
	for (unsigned int i = 0; i < 10; i++)
		far_sends(60, i);
	udrv__model_e1000e_settle(dev);
	ck_assert_uint_eq(look().rx[0], before);
	remove_card();
}
END_TEST

START_TEST(card_counts_and_errors_are_shown)
{
	static uint8_t frame[100];
	struct udrv_net_stats s;

	fill_frame(frame, sizeof(frame), ndev->dev_addr, 1);
	ck_assert(udrv__model_e1000e_send_bad(dev, frame, sizeof(frame), UDRV__E1000E_BAD_CRC));
	ck_assert(udrv__model_e1000e_send_bad(dev, frame, 40, UDRV__E1000E_SHORT));
	for (unsigned int i = 0; i < 5; i++) {
		far_sends(100, i);
		gets(100, i);
		send_frame(200, i);
		far_gets(200, i);
	}
	udrv_net_get_stats(ndev, &s);
	ck_assert_uint_eq(s.rx_packets, 5);
	ck_assert_uint_eq(s.rx_bytes, 500);
	ck_assert_uint_eq(s.tx_packets, 5);
	ck_assert_uint_eq(s.tx_bytes, 1000);
	ck_assert_uint_eq(s.rx_crc_errors, 1);
	ck_assert_uint_eq(s.rx_length_errors, 1);
	ck_assert_uint_ge(s.rx_errors, 2);
	/* Read, they are not forgotten. */
	udrv_net_get_stats(ndev, &s);
	ck_assert_uint_eq(s.rx_crc_errors, 1);
	close_card();
	open_card(NULL);
	udrv_net_get_stats(ndev, &s);
	ck_assert_uint_eq(s.rx_packets, 5);
	ck_assert_uint_eq(s.rx_crc_errors, 1);
}
END_TEST

/* How often it interrupts is what was asked for; under load the adaptive one gets slower. */
START_TEST(moderation_follows_the_load)
{
	const struct udrv_verb *verbs = e1000e_driver.verbs;

	set_param("interrupts", interrupts[_i]);
	start_card(NULL);
	ck_assert_int_eq(run_verb(verbs, dev, "moderation --json"), 0);
	ck_assert_str_eq(out, "{\"moderation\":\"adaptive\",\"rx0_interval_ns\":49920}\n");
	for (unsigned int round = 0; round < 4; round++) {
		for (unsigned int i = 0; i < 100; i++)
			far_sends(60, i);
		udrv__model_e1000e_settle(dev);
		for (unsigned int i = 0; i < 100; i++)
			gets(60, i);
		ck_assert_int_eq(udrv_net_rx_wait(ndev->rxq[0], 1000000), 0);
	}
	ck_assert_uint_gt(card_of(ndev)->rxq[0]->load, 0);
	ck_assert_int_eq(run_verb(verbs, dev, "moderation 1000"), 0);
	ck_assert_str_eq(out, "moderation                 1000\n"
			      "rx0_interval_ns            999936\n");
	ck_assert_int_eq(run_verb(verbs, dev, "moderation off"), 0);
	ck_assert_str_eq(out, "moderation                 off\n"
			      "rx0_interval_ns            0\n");
	ck_assert_int_eq(run_verb(verbs, dev, "moderation often"), -EINVAL);
	ck_assert_str_eq(err, "moderation: 'often': give adaptive, off, or 60 to 1000000\n");
	far_sends(61, 1);
	gets(61, 1);
	stop_card();
}
END_TEST

START_TEST(verbs_tell_text_and_json)
{
	static const char *const words[] = {"link", "stats", "rings", "regs"};
	const struct udrv_verb *verbs = e1000e_driver.verbs;
	char line[40];

	for (unsigned int i = 0; i < 4; i++) {
		ck_assert_int_eq(run_verb(verbs, dev, words[i]), 0);
		ck_assert_ptr_null(strchr(out, '{'));
		(void)snprintf(line, sizeof(line), "%s --json", words[i]);
		ck_assert_int_eq(run_verb(verbs, dev, line), 0);
		ck_assert_int_eq(out[0], '{');
		ck_assert_str_eq(out + strlen(out) - 2, "}\n");
		(void)snprintf(line, sizeof(line), "%s -v", words[i]);
		ck_assert_int_eq(run_verb(verbs, dev, line), -EINVAL);
		ck_assert_ptr_nonnull(strstr(err, "'-v' is not an option"));
	}
	ck_assert_int_eq(run_verb(verbs, dev, "link --json"), 0);
	ck_assert_str_eq(out, "{\"device\":\"model:e1000e\",\"link\":\"up\",\"speed\":1000,"
			      "\"duplex\":\"full\",\"mac\":\"52:54:00:12:34:56\",\"mtu\":1500,"
			      "\"open\":true,\"interrupts\":\"msix\",\"link_changes\":1}\n");
}
END_TEST

static bool blocks(int fd)
{
	return !(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

/* Who reads an event that is not there does not wait; the next one to have a vector may want to. */
START_TEST(events_are_read_without_waiting)
{
	const struct udrv_net_options options = {.rx_queues = 2, .tx_queues = 2};
	int rx[2], tx[2];

	set_param("interrupts", interrupts[_i]);
	start_card(&options);
	for (unsigned int n = 0; n < 2; n++) {
		rx[n] = ndev->netdev_ops->rx_event_fd(ndev->rxq[n]);
		tx[n] = ndev->netdev_ops->tx_event_fd(ndev->txq[n]);
		ck_assert(!blocks(rx[n]));
		ck_assert(!blocks(tx[n]));
	}
	close_card();
	for (unsigned int n = 0; n < 2 && !strcmp(interrupts[_i], "msix"); n++)
		ck_assert(blocks(rx[n]) && blocks(tx[n]));
	remove_card();
	set_param(NULL, NULL);
}
END_TEST

/* Nobody waits long for a frame, whether it comes before, while or after it falls asleep. */
START_TEST(no_wake_up_is_lost)
{
	set_param("interrupts", interrupts[_i]);
	start_card(NULL);
	for (unsigned int i = 0; i < 300; i++) {
		far_sends(60 + i % 7, i);
		if (i % 3 == 0)
			udrv__model_e1000e_settle(dev);
		gets(60 + i % 7, i);
		ck_assert_int_eq(udrv_net_rx_wait(ndev->rxq[0], i % 5 ? 0 : 100000), 0);
	}
	stop_card();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("e1000e");
	TCase *probe = tcase_create("probe");
	TCase *open = tcase_create("open");

	/* A slow machine is no card that hangs. */
	set_param("watchdog_ms", "60000");
	tcase_set_timeout(probe, 300);
	tcase_add_test(probe, its_address_is_the_nvms);
	tcase_add_test(probe, nvm_is_read_up_to_three_times);
	tcase_add_test(probe, bad_nvm_is_refused);
	tcase_add_loop_test(probe, broken_chip_is_refused, 0, 2);
	tcase_add_test(probe, phy_that_does_not_answer_is_refused);
	tcase_add_loop_test(probe, parameters_that_make_no_sense_are_refused, 0, 6);
	tcase_add_loop_test(probe, frames_pass_both_ways, 0, 3);
	tcase_add_test(probe, every_size_with_jumbo_frames);
	tcase_add_loop_test(probe, buffers_follow_the_mtu, 0, 9);
	tcase_add_test(probe, frame_that_needs_several_buffers_is_dropped_once);
	tcase_add_loop_test(probe, two_queues_share_what_comes, 0, 3);
	tcase_add_loop_test(probe, each_queue_is_waited_for, 0, 3);
	tcase_add_test(probe, address_is_known_before_the_change_has_ended);
	tcase_add_loop_test(probe, link_comes_and_goes, 0, 3);
	tcase_add_loop_test(probe, link_change_without_an_interrupt_is_seen, 0, 3);
	tcase_add_test(probe, flow_control_survives_a_reset);
	tcase_add_loop_test(probe, link_is_told_while_it_is_closed, 0, 3);
	tcase_add_loop_test(probe, buffers_without_measure_are_refused, 0, 3);
	tcase_add_test(probe, user_keeps_as_many_as_it_has_asked_for);
	tcase_add_test(probe, user_that_keeps_all_buffers_gets_none_until_it_frees_some);
	tcase_add_test(probe, full_receive_ring_loses_frames_not_order);
	tcase_add_loop_test(probe, full_transmit_ring_takes_no_more_until_there_is_room, 0, 3);
	tcase_add_test(probe, removal_closes_what_is_open);
	tcase_add_test(probe, device_that_goes_takes_nothing_more);
	tcase_add_test(probe, device_that_goes_is_cut_off_before_its_memory_is_freed);
	tcase_add_loop_test(probe, moderation_follows_the_load, 0, 3);
	tcase_add_loop_test(probe, no_wake_up_is_lost, 0, 3);
	tcase_add_loop_test(probe, events_are_read_without_waiting, 0, 3);
	suite_add_tcase(s, probe);

	tcase_set_timeout(open, 300);
	tcase_add_checked_fixture(open, setup, teardown);
	tcase_add_test(open, many_frames_come_in_order);
	tcase_add_test(open, many_frames_leave_in_order);
	tcase_add_test(open, only_its_address_is_received);
	tcase_add_test(open, groups_are_filtered);
	tcase_add_test(open, filters_outlive_closing);
	tcase_add_test(open, frames_that_were_sent_are_freed_without_more);
	tcase_add_test(open, frames_of_several_pools_come_back_to_each);
	tcase_add_test(open, closing_frees_what_is_in_the_rings);
	tcase_add_test(open, it_is_opened_again_and_again);
	tcase_add_test(open, card_counts_and_errors_are_shown);
	tcase_add_test(open, verbs_tell_text_and_json);
	suite_add_tcase(s, open);
	return run_suite(s);
}
