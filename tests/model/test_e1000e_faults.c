// SPDX-License-Identifier: MIT
/* The e1000e driver on a software card that misbehaves: nothing is trusted, nothing stays stuck. */
#include "support/suite.h"
#include "support/threads.h"
#include "support/verb.h"

#include "e1000e_driver.h"

static const char *const interrupts[] = {"msix", "msi", "intx"};

/* A watchdog that does not take a slow machine for a card that hangs. */
static void setup(void)
{
	set_param("watchdog_ms", "60000");
	start_card(NULL);
}

static void teardown(void)
{
	stop_card();
}

static struct e1000e_rxq *rxq(void)
{
	return card_of(ndev)->rxq[0];
}

static struct e1000e_txq *txq(void)
{
	return card_of(ndev)->txq[0];
}

static void fault(enum udrv__model_e1000e_fault what, unsigned int times)
{
	udrv__model_e1000e_fault(dev, what, times);
}

/* What another thread may be counting. */
static uint64_t count_of(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

/* So often the watchdog looks from now on. It has seen nothing yet. */
static void watch_every(unsigned int ms)
{
	struct e1000e *nic = card_of(ndev);

	pthread_mutex_lock(&nic->lock);
	nic->tick_ms = ms;
	nic->txq[0]->stuck = 0;
	nic->txq[0]->head_seen = UINT32_MAX;
	pthread_mutex_unlock(&nic->lock);
	(void)udrv_mod_delayed_work(nic->wq, &nic->tick, ms);
}

/* It works, whatever was before. */
static void both_ways(void)
{
	for (uint32_t i = 0; i < 100; i++) {
		far_sends(60 + i, i);
		gets(60 + i, i);
		send_frame(60 + i, i);
		far_gets(60 + i, i);
	}
}

START_TEST(late_frames_come)
{
	fault(UDRV__E1000E_LATE, 20);
	for (uint32_t i = 0; i < 20; i++) {
		far_sends(60 + i, i);
		gets(60 + i, i);
		send_frame(60 + i, i);
		far_gets(60 + i, i);
	}
	ck_assert_uint_eq(rxq()->q.dropped + txq()->q.dropped, 0);
}
END_TEST

START_TEST(reordered_write_backs_change_no_order)
{
	fault(UDRV__E1000E_RX_REORDERED, 20);
	for (uint32_t i = 0; i < 200; i++)
		far_sends(60 + i, i);
	for (uint32_t i = 0; i < 200; i++)
		gets(60 + i, i);
	ck_assert_uint_eq(rxq()->q.dropped, 0);
}
END_TEST

START_TEST(write_backs_that_come_twice_are_one_frame)
{
	fault(UDRV__E1000E_RX_TWICE, 10);
	for (uint32_t i = 0; i < 20; i++) {
		far_sends(60 + i, i);
		gets(60 + i, i);
	}
	WAIT_FOR(look().faults == 0);
	both_ways();
}
END_TEST

START_TEST(lengths_that_make_no_sense_are_counted)
{
	static const enum udrv__model_e1000e_fault faults[] = {
		UDRV__E1000E_RX_EMPTY, UDRV__E1000E_RX_TOO_LONG, UDRV__E1000E_RX_ONES};

	fault(faults[_i], 3);
	for (uint32_t i = 0; i < 3; i++)
		far_sends(60, i);
	far_sends(61, 7);
	gets(61, 7);
	ck_assert_uint_eq(rxq()->nonsense, 3);
	ck_assert_uint_eq(ndev->rxq[0]->dropped, 3);
	both_ways();
}
END_TEST

START_TEST(frames_with_errors_are_counted)
{
	fault(UDRV__E1000E_RX_ERRORS, 5);
	for (uint32_t i = 0; i < 5; i++)
		far_sends(60, i);
	far_sends(61, 7);
	gets(61, 7);
	ck_assert_uint_eq(rxq()->broken, 5);
	ck_assert_uint_eq(ndev->rxq[0]->dropped, 5);
	both_ways();
}
END_TEST

/* What follows looks like its rest. */
START_TEST(frame_without_an_end_takes_the_next_one_along)
{
	fault(UDRV__E1000E_RX_NO_EOP, 2);
	for (uint32_t i = 0; i < 3; i++)
		far_sends(60, i);
	far_sends(61, 7);
	gets(61, 7);
	ck_assert_uint_eq(rxq()->spanned, 1);
	ck_assert_uint_eq(ndev->rxq[0]->dropped, 1);
	both_ways();
}
END_TEST

/* A report of a descriptor that was never given means nothing. */
START_TEST(foreign_reports_free_nothing)
{
	fault(UDRV__E1000E_TX_FOREIGN, 50);
	both_ways();
	reap_all(0);
	ck_assert_uint_eq(txq()->q.dropped, 0);
}
END_TEST

/* The watchdog sees that they were sent. */
START_TEST(frames_that_are_not_reported_are_freed)
{
	fault(UDRV__E1000E_TX_SILENT, 3);
	for (uint32_t i = 0; i < 3; i++) {
		send_frame(60 + i, i);
		far_gets(60 + i, i);
	}
	watch_every(20);
	WAIT_FOR(count_of(&txq()->done) == 3);
	watch_every(60000);
	ck_assert_uint_eq(count_of(&txq()->unreported), 3);
	ck_assert_uint_eq(count_of(&card_of(ndev)->resets), 0);
	both_ways();
}
END_TEST

/* A look of the watchdog, now. */
static void tick(void)
{
	e1000e_tick(&card_of(ndev)->tick.work);
}

/* One that was given just before a look has two periods after it. */
START_TEST(frames_have_two_periods_to_be_sent)
{
	tick();
	fault(UDRV__E1000E_TX_STUCK, 1);
	send_frame(60, 1);
	for (unsigned int looks = 0; looks < 2; looks++) {
		tick();
		ck_assert_uint_eq(card_of(ndev)->resets, 0);
	}
	tick();
	ck_assert_uint_eq(card_of(ndev)->resets, 1);
	ck_assert_uint_eq(txq()->lost, 1);
	both_ways();
}
END_TEST

START_TEST(frames_have_two_periods_to_be_reported)
{
	tick();
	fault(UDRV__E1000E_TX_SILENT, 1);
	send_frame(60, 1);
	far_gets(60, 1);
	for (unsigned int looks = 0; looks < 2; looks++) {
		tick();
		ck_assert_uint_eq(count_of(&txq()->done), 0);
	}
	tick();
	ck_assert_uint_eq(count_of(&txq()->done), 1);
	ck_assert_uint_eq(txq()->unreported, 1);
	both_ways();
}
END_TEST

/* Frames of who sends nothing more are freed without him. */
START_TEST(frames_of_an_idle_sender_are_freed)
{
	struct udrv_net_buf *bufs[10];

	for (uint32_t i = 0; i < 10; i++)
		bufs[i] = make_frame(60 + i, i);
	ck_assert_uint_eq(udrv_net_tx_burst(ndev->txq[0], bufs, 10), 10);
	for (uint32_t i = 0; i < 10; i++)
		far_gets(60 + i, i);
	ck_assert_uint_eq(count_of(&txq()->done), 0);
	watch_every(20);
	WAIT_FOR(count_of(&txq()->done) == 10);
	ck_assert_uint_eq(count_of(&txq()->unreported), 0);
}
END_TEST

/* It is reset; what it had is lost, and it works again. */
START_TEST(transmitter_that_hangs_is_reset)
{
	static const uint8_t group[6] = {1, 0, 0x5e, 0, 0, 5};
	struct udrv_net_buf *bufs[10];
	unsigned int sent = 0;

	udrv_net_set_rx_mode(ndev, 0, group, 1);
	fault(UDRV__E1000E_TX_STUCK, 1);
	for (uint32_t i = 0; i < 10; i++)
		bufs[i] = make_frame(60 + i, i);
	sent = udrv_net_tx_burst(ndev->txq[0], bufs, 10);
	ck_assert_uint_eq(sent, 10);
	watch_every(20);
	WAIT_FOR(count_of(&card_of(ndev)->resets) == 1);
	watch_every(60000);
	far_sends(100, 1);
	gets(100, 1);
	ck_assert_uint_eq(count_of(&txq()->lost), 10);
	/* Filters are as they were. */
	far_sends_to(group, 101, 2);
	gets_to(group, 101, 2);
	both_ways();
}
END_TEST

START_TEST(frames_in_the_ring_are_counted_when_it_is_closed)
{
	struct udrv_net_buf *bufs[10];
	struct udrv_net_stats stats;

	for (unsigned int round = 1; round <= 3; round++) {
		fault(UDRV__E1000E_TX_STUCK, 1);
		for (uint32_t i = 0; i < 10; i++)
			bufs[i] = make_frame(60 + i, i);
		ck_assert_uint_eq(udrv_net_tx_burst(ndev->txq[0], bufs, 10), 10);
		udrv_net_close(ndev);
		udrv_net_get_stats(ndev, &stats);
		ck_assert_uint_eq(stats.tx_packets, (uint64_t)10 * round);
		ck_assert_uint_eq(stats.tx_dropped, (uint64_t)10 * round);
		ck_assert_int_eq(udrv_net_open(ndev, NULL), 0);
	}
	udrv_net_get_stats(ndev, &stats);
	ck_assert_uint_eq(stats.tx_dropped, 30);
}
END_TEST

/* While a thread of its own sends and receives. */
struct load {
	bool end;
	uint64_t received;
};

static void *keep_busy(void *arg)
{
	struct load *l = arg;

	while (!__atomic_load_n(&l->end, __ATOMIC_ACQUIRE)) {
		struct udrv_net_buf *buf = udrv_net_buf_alloc(pool, UDRV_GFP_ATOMIC);

		if (buf) {
			fill_frame(udrv_net_buf_put(buf, 60), 60, far_mac, 1);
			if (!udrv_net_tx_burst(ndev->txq[0], &buf, 1))
				udrv_net_buf_free(buf);
		}
		if (udrv_net_rx_wait(ndev->rxq[0], 100000) != 1)
			continue;
		if (udrv_net_rx_burst(ndev->rxq[0], &buf, 1)) {
			udrv_net_buf_free(buf);
			__atomic_fetch_add(&l->received, 1, __ATOMIC_RELAXED);
		}
	}
	return NULL;
}

START_TEST(resets_under_load_are_survived)
{
	struct load load = {0};
	pthread_t thread;
	uint8_t buf[100];

	ck_assert_int_eq(pthread_create(&thread, NULL, keep_busy, &load), 0);
	watch_every(20);
	for (unsigned int round = 0; round < 5; round++) {
		const uint64_t resets = count_of(&card_of(ndev)->resets);
		uint64_t before;

		fault(UDRV__E1000E_TX_STUCK, 1);
		WAIT_FOR(count_of(&card_of(ndev)->resets) > resets);
		before = __atomic_load_n(&load.received, __ATOMIC_RELAXED);
		WAIT_FOR((far_sends(60, 1),
			  __atomic_load_n(&load.received, __ATOMIC_RELAXED) > before + 10));
	}
	__atomic_store_n(&load.end, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	while (udrv__model_e1000e_receive(dev, buf, sizeof(buf)))
		;
}
END_TEST

START_TEST(link_flaps_under_load_are_survived)
{
	struct e1000e *nic = card_of(ndev);
	struct load load = {0};
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, keep_busy, &load), 0);
	for (unsigned int i = 0; i < 10; i++) {
		uint64_t before = __atomic_load_n(&load.received, __ATOMIC_RELAXED);

		fault(UDRV__E1000E_FLAP, 1);
		WAIT_FOR((udrv__model_e1000e_send(dev,
						  "\xff\xff\xff\xff\xff\xff"
						  "abcdef"
						  "\x88\xb5",
						  14),
			  __atomic_load_n(&load.received, __ATOMIC_RELAXED) > before));
	}
	/* One that nobody was too slow to see. */
	udrv__model_e1000e_set_link(dev, false);
	WAIT_FOR(!udrv_netif_carrier_ok(ndev));
	udrv__model_e1000e_set_link(dev, true);
	WAIT_FOR(udrv_netif_carrier_ok(ndev));
	__atomic_store_n(&load.end, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	/* One that came while there was no link may be on its way. */
	pthread_mutex_lock(&nic->lock);
	ck_assert_uint_ge(nic->link_changes, 3);
	pthread_mutex_unlock(&nic->lock);
}
END_TEST

/* What other threads do with the card while it is reset. */
struct others {
	bool end;
	unsigned int changes, answers;
};

static void *change_filters(void *arg)
{
	static const uint8_t groups[2][6] = {{1, 0, 0x5e, 0, 0, 5}, {1, 0, 0x5e, 0, 0, 6}};
	static const uint8_t macs[2][6] = {{2, 0, 0, 0, 0, 7}, {2, 0, 0, 0, 0, 8}};
	struct others *o = arg;

	while (!get(o->end)) {
		for (unsigned int i = 0; i < 2; i++) {
			udrv_net_set_rx_mode(ndev, IFF_PROMISC, NULL, 0);
			udrv_net_set_rx_mode(ndev, 0, groups[i], 1);
			ck_assert_int_eq(udrv_net_set_mac_address(ndev, macs[i]), 0);
			ck_assert_int_eq(udrv_net_vlan_vid_add(ndev, 5), 0);
			ck_assert_int_eq(udrv_net_vlan_vid_del(ndev, 5), 0);
		}
		inc(o->changes);
	}
	return NULL;
}

static void *ask_it(void *arg)
{
	static const char *const words[] = {"stats", "rings", "moderation", "regs", "link"};
	struct others *o = arg;
	struct udrv_net_stats s;

	while (!get(o->end)) {
		for (unsigned int i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			ck_assert_int_eq(run_verb(e1000e_driver.verbs, dev, words[i]), 0);
		udrv_net_get_stats(ndev, &s);
		inc(o->answers);
	}
	free_output();
	return NULL;
}

/* Whoever resets it has a lock that the framework does not have when it takes new filters. */
START_TEST(filters_that_change_while_it_is_reset_hold)
{
	static const uint8_t group[6] = {1, 0, 0x5e, 0, 0, 6}, mac[6] = {2, 0, 0, 0, 0, 8};
	struct others o = {0};
	pthread_t threads[2] = {start(change_filters, &o), start(ask_it, &o)};

	for (unsigned int resets = 1; resets <= 5; resets++) {
		const unsigned int changes = get(o.changes), answers = get(o.answers);

		fault(UDRV__E1000E_TX_STUCK, 1);
		send_frame(60, 1);
		for (unsigned int looks = 0; looks < 3; looks++)
			tick();
		ck_assert_uint_eq(count_of(&card_of(ndev)->resets), resets);
		until(get(o.changes) > changes && get(o.answers) > answers);
		WAIT_FOR(udrv_netif_carrier_ok(ndev));
	}
	set(o.end, true);
	finish(threads[0]);
	finish(threads[1]);
	/* And outlive one more. */
	tick();
	fault(UDRV__E1000E_TX_STUCK, 1);
	send_frame(60, 1);
	for (unsigned int looks = 0; looks < 3; looks++)
		tick();
	far_sends_to(ndev->perm_addr, 70, 1);
	far_sends_to(group, 71, 2);
	far_sends_to(mac, 72, 3);
	gets_to(group, 71, 2);
	gets_to(mac, 72, 3);
	gets_nothing();
}
END_TEST

START_TEST(mtu_that_changes_while_it_is_asked_for_is_shown_once_it_is_used)
{
	struct others o = {0};
	pthread_t thread;

	close_card();
	thread = start(ask_it, &o);
	for (unsigned int i = 0; get(o.answers) < 20; i++)
		ck_assert_int_eq(udrv_net_set_mtu(ndev, i % 2 ? 1500 : 9000), 0);
	set(o.end, true);
	finish(thread);
	ck_assert_int_eq(udrv_net_set_mtu(ndev, 4000), 0);
	open_card(NULL);
	ck_assert_int_eq(run_verb(e1000e_driver.verbs, dev, "link --json"), 0);
	ck_assert_ptr_nonnull(strstr(out, "\"mtu\":4000,"));
	free_output();
}
END_TEST

static void *look_at_link(void *arg)
{
	struct others *o = arg;

	while (!get(o->end)) {
		const unsigned int speed = __atomic_load_n(&ndev->speed, __ATOMIC_RELAXED);

		ck_assert(udrv_netif_carrier_ok(ndev));
		ck_assert(speed == 10 || speed == 100 || speed == 1000);
		(void)__atomic_load_n(&ndev->full_duplex, __ATOMIC_RELAXED);
		inc(o->answers);
	}
	return NULL;
}

/* The link is there all the time: what anybody may look at changes under his eyes. */
START_TEST(link_that_changes_its_speed_is_looked_at)
{
	static const unsigned int speeds[] = {10, 100, 1000};
	struct e1000e *nic = card_of(ndev);
	struct others o = {0};
	pthread_t thread = start(look_at_link, &o);

	for (uint32_t i = 0; i < 30; i++) {
		const unsigned int answers = get(o.answers);

		pthread_mutex_lock(&nic->lock);
		e1000e_write(nic, E1000E_CTRL,
			     (e1000e_read(nic, E1000E_CTRL) & ~(3u << 8)) | E1000E_CTRL_FRCSPD |
				     i % 3 << 8);
		pthread_mutex_unlock(&nic->lock);
		tick();
		ck_assert_uint_eq(__atomic_load_n(&ndev->speed, __ATOMIC_RELAXED), speeds[i % 3]);
		until(get(o.answers) > answers);
	}
	set(o.end, true);
	finish(thread);
}
END_TEST

/* Without its cause, or with causes that there are not. */
START_TEST(interrupts_that_mean_nothing_do_no_harm)
{
	set_param("interrupts", interrupts[_i]);
	start_card(NULL);
	fault(UDRV__E1000E_SPURIOUS, 20);
	both_ways();
	fault(UDRV__E1000E_BAD_ICR, 20);
	both_ways();
	stop_card();
}
END_TEST

START_TEST(interrupts_that_are_lost_are_not_waited_for_for_ever)
{
	set_param("interrupts", interrupts[_i]);
	set_param("watchdog_ms", "20");
	start_card(NULL);
	for (unsigned int i = 0; i < 5; i++) {
		const struct udrv_net_device_ops *ops = ndev->netdev_ops;
		struct pollfd p = {.fd = ops->rx_event_fd(ndev->rxq[0]), .events = POLLIN};

		fault(UDRV__E1000E_LOST, 1);
		ck_assert(!ops->rx_arm(ndev->rxq[0]));
		far_sends(60 + i, i);
		ck_assert_int_eq(poll(&p, 1, LONG_S * 1000), 1);
		gets(60 + i, i);
	}
	stop_card();
}
END_TEST

/* Each frame wakes who sleeps, without the help of a watchdog or a clock. */
START_TEST(each_frame_wakes_who_sleeps)
{
	set_param("interrupts", interrupts[_i]);
	set_param("watchdog_ms", "60000");
	start_card(NULL);
	for (unsigned int i = 0; i < 300; i++) {
		const struct udrv_net_device_ops *ops = ndev->netdev_ops;
		struct pollfd p = {.fd = ops->rx_event_fd(ndev->rxq[0]), .events = POLLIN};
		struct udrv_net_buf *buf;

		/* Before, while, or after it falls asleep. */
		if (i % 3 == 0)
			far_sends(60, i);
		if (!ops->rx_arm(ndev->rxq[0])) {
			if (i % 3)
				far_sends(60, i);
			ck_assert_int_eq(poll(&p, 1, LONG_S * 1000), 1);
		} else if (i % 3) {
			far_sends(60, i);
		}
		WAIT_FOR(udrv_net_rx_burst(ndev->rxq[0], &buf, 1) == 1);
		udrv_net_buf_free(buf);
	}
	stop_card();
}
END_TEST

START_TEST(registers_of_ones_are_no_answer)
{
	for (unsigned int i = 0; i < 20; i++) {
		struct udrv_net_stats s;

		fault(UDRV__E1000E_ONES, 3);
		udrv_net_get_stats(ndev, &s);
		ck_assert_uint_lt(s.rx_errors + s.tx_errors + s.collisions, 1000);
	}
	WAIT_FOR(look().faults == 0);
	WAIT_FOR(udrv_netif_carrier_ok(ndev));
	both_ways();
	ck_assert_uint_eq(count_of(&card_of(ndev)->resets), 0);
}
END_TEST

/* Opening can be tried again. */
START_TEST(opening_a_card_that_is_stuck_fails)
{
	close_card();
	udrv__model_e1000e_set_chip(dev, UDRV__E1000E_STUCK);
	ck_assert_int_eq(udrv_net_open(ndev, NULL), -ETIMEDOUT);
	udrv__model_e1000e_set_chip(dev, UDRV__E1000E_82574);
	open_card(NULL);
	both_ways();
}
END_TEST

START_TEST(closing_a_card_that_is_stuck_ends)
{
	struct udrv_net_buf *bufs[20];

	for (uint32_t i = 0; i < 20; i++)
		bufs[i] = make_frame(60, i);
	fault(UDRV__E1000E_TX_STUCK, 1000);
	ck_assert_uint_eq(udrv_net_tx_burst(ndev->txq[0], bufs, 20), 20);
	udrv__model_e1000e_set_chip(dev, UDRV__E1000E_STUCK);
	close_card();
	udrv__model_e1000e_set_chip(dev, UDRV__E1000E_82574);
	open_card(NULL);
}
END_TEST

/* It says so by its link, and is reset again until that succeeds. */
START_TEST(reset_that_fails_is_tried_again)
{
	fault(UDRV__E1000E_TX_STUCK, 1);
	send_frame(60, 1);
	udrv__model_e1000e_set_chip(dev, UDRV__E1000E_STUCK);
	for (unsigned int looks = 0; looks < 3; looks++)
		tick();
	ck_assert_uint_eq(card_of(ndev)->resets, 1);
	ck_assert(!udrv_netif_carrier_ok(ndev));
	tick();
	ck_assert(!udrv_netif_carrier_ok(ndev));
	udrv__model_e1000e_set_chip(dev, UDRV__E1000E_82574);
	tick();
	WAIT_FOR(udrv_netif_carrier_ok(ndev));
	ck_assert_uint_eq(txq()->lost, 1);
	both_ways();
}
END_TEST

START_TEST(link_without_a_phy_that_answers_is_a_link)
{
	fault(UDRV__E1000E_NO_PHY, 2);
	udrv__model_e1000e_set_link(dev, false);
	WAIT_FOR(!udrv_netif_carrier_ok(ndev));
	udrv__model_e1000e_set_link(dev, true);
	WAIT_FOR(udrv_netif_carrier_ok(ndev));
	both_ways();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("e1000e_faults");
	TCase *open = tcase_create("open");
	TCase *kinds = tcase_create("interrupts");

	tcase_set_timeout(open, 300);
	tcase_add_checked_fixture(open, setup, teardown);
	tcase_add_test(open, late_frames_come);
	tcase_add_test(open, reordered_write_backs_change_no_order);
	tcase_add_test(open, write_backs_that_come_twice_are_one_frame);
	tcase_add_loop_test(open, lengths_that_make_no_sense_are_counted, 0, 3);
	tcase_add_test(open, frames_with_errors_are_counted);
	tcase_add_test(open, frame_without_an_end_takes_the_next_one_along);
	tcase_add_test(open, foreign_reports_free_nothing);
	tcase_add_test(open, frames_that_are_not_reported_are_freed);
	tcase_add_test(open, frames_have_two_periods_to_be_sent);
	tcase_add_test(open, frames_have_two_periods_to_be_reported);
	tcase_add_test(open, frames_of_an_idle_sender_are_freed);
	tcase_add_test(open, transmitter_that_hangs_is_reset);
	tcase_add_test(open, frames_in_the_ring_are_counted_when_it_is_closed);
	tcase_add_test(open, resets_under_load_are_survived);
	tcase_add_test(open, link_flaps_under_load_are_survived);
	tcase_add_test(open, filters_that_change_while_it_is_reset_hold);
	tcase_add_test(open, mtu_that_changes_while_it_is_asked_for_is_shown_once_it_is_used);
	tcase_add_test(open, link_that_changes_its_speed_is_looked_at);
	tcase_add_test(open, registers_of_ones_are_no_answer);
	tcase_add_test(open, opening_a_card_that_is_stuck_fails);
	tcase_add_test(open, closing_a_card_that_is_stuck_ends);
	tcase_add_test(open, reset_that_fails_is_tried_again);
	tcase_add_test(open, link_without_a_phy_that_answers_is_a_link);
	suite_add_tcase(s, open);

	tcase_set_timeout(kinds, 300);
	tcase_add_loop_test(kinds, interrupts_that_mean_nothing_do_no_harm, 0, 3);
	tcase_add_loop_test(kinds, interrupts_that_are_lost_are_not_waited_for_for_ever, 0, 3);
	tcase_add_loop_test(kinds, each_frame_wakes_who_sleeps, 0, 3);
	suite_add_tcase(s, kinds);
	return run_suite(s);
}
