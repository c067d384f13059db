// SPDX-License-Identifier: MIT
/* Network cards as drivers offer them and users open them; their buffers. */
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/eventfd.h>

#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/log.h>

#include "export/net_watch.h"

#include "support/echo_nic.h"
#include "support/suite.h"
#include "support/threads.h"

static struct echo_nic nic, other;

static void setup(void)
{
	struct echo_nic_options o = ECHO_NIC_OPTIONS_DEFAULT;

	o.features |= UDRV_NET_F_VLAN_FILTER;
	ck_assert_int_eq(echo_nic_init(&nic, NULL, "nic", 1, &o), 0);
	o.features = 0;
	ck_assert_int_eq(echo_nic_init(&other, NULL, "other", 2, &o), 0);
	ck_assert_int_eq(udrv_register_netdev(&nic.ndev), 0);
}

static void teardown(void)
{
	udrv_unregister_netdev(&nic.ndev);
	udrv_unregister_netdev(&other.ndev);
	echo_nic_free(&nic);
	echo_nic_free(&other);
}

/* Buffers. */

START_TEST(a_new_buffer_is_empty_behind_its_headroom)
{
	struct udrv_net_pool *pool = udrv_net_pool_create(NULL, "pool", 1000, 0);
	struct udrv_net_buf *buf = udrv_net_buf_alloc(pool, UDRV_GFP_KERNEL);

	for (int i = 0; i < 2; i++) {
		ck_assert_uint_eq(buf->len, 0);
		ck_assert_uint_eq(buf->flags, 0);
		ck_assert_ptr_null(buf->next);
		ck_assert_uint_eq(udrv_net_buf_headroom(buf), UDRV_NET_HEADROOM);
		ck_assert_uint_eq(udrv_net_buf_tailroom(buf), 1000);
		ck_assert_uint_eq(udrv_net_buf_iova(buf) - UDRV_NET_HEADROOM,
				  UDRV_DMA_MAPPING_ERROR);
		memset(udrv_net_buf_put(buf, 1000), 1, 1000);
		memset(udrv_net_buf_push(buf, UDRV_NET_HEADROOM), 1, UDRV_NET_HEADROOM);
		ck_assert_ptr_null(udrv_net_buf_put(buf, 1));
		ck_assert_ptr_null(udrv_net_buf_push(buf, 1));
		ck_assert_ptr_null(udrv_net_buf_pull(buf, buf->len + 1));
		ck_assert_ptr_eq(udrv_net_buf_pull(buf, 100), buf->start - UDRV_NET_HEADROOM + 100);
		ck_assert_uint_eq(buf->len, 1000 + UDRV_NET_HEADROOM - 100);
		buf->flags = UINT32_MAX;
		/* The same again, from the thread's own. */
		udrv_net_buf_free(buf);
		buf = udrv_net_buf_alloc(pool, UDRV_GFP_KERNEL);
	}
	udrv_net_buf_free(buf);
	udrv_net_buf_free(NULL);
	ck_assert_int_eq(udrv_net_pool_destroy(pool), 0);
	ck_assert_int_eq(udrv_net_pool_destroy(NULL), 0);
}
END_TEST

START_TEST(a_pool_of_nonsense_is_refused)
{
	ck_assert_ptr_null(udrv_net_pool_create(NULL, "pool", 0, 0));
	ck_assert_ptr_null(udrv_net_pool_create(NULL, "pool", (128u << 10) + 1, 0));
	ck_assert_int_eq(udrv_net_pool_destroy(udrv_net_pool_create(NULL, "pool", 128u << 10, 1)),
			 0);
}
END_TEST

/* All are made at the beginning, so that ATOMIC gets each of them, with its memory. */
START_TEST(a_limited_pool_has_exactly_its_number)
{
	static const size_t counts[] = {1, 2, 7, 64, 65, 600};
	const size_t count = counts[_i];
	struct udrv_net_pool *pool = udrv_net_pool_create(NULL, "pool", 64, count);
	struct udrv_net_buf *bufs[601];

	ck_assert_ptr_nonnull(pool);
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < count; i++) {
			bufs[i] = udrv_net_buf_alloc(pool, UDRV_GFP_ATOMIC);
			ck_assert_ptr_nonnull(bufs[i]);
			memset(bufs[i]->start - UDRV_NET_HEADROOM, round,
			       UDRV_NET_HEADROOM + bufs[i]->size);
		}
		ck_assert_ptr_null(udrv_net_buf_alloc(pool, UDRV_GFP_ATOMIC));
		ck_assert_ptr_null(udrv_net_buf_alloc(pool, UDRV_GFP_KERNEL));
		ck_assert_int_eq(udrv_net_pool_destroy(pool), -EBUSY);
		udrv_net_buf_free_bulk(bufs, (unsigned int)count);
	}
	ck_assert_int_eq(udrv_net_pool_destroy(pool), 0);
}
END_TEST

START_TEST(a_bulk_is_all_or_nothing)
{
	struct udrv_net_pool *pool = udrv_net_pool_create(NULL, "pool", 64, 40);
	struct udrv_net_buf *bufs[41];

	ck_assert_int_eq(udrv_net_buf_alloc_bulk(pool, UDRV_GFP_KERNEL, 41, bufs), -ENOMEM);
	ck_assert_int_eq(udrv_net_buf_alloc_bulk(pool, UDRV_GFP_KERNEL, 0, bufs), 0);
	ck_assert_int_eq(udrv_net_buf_alloc_bulk(pool, UDRV_GFP_KERNEL, 40, bufs), 0);
	for (unsigned int i = 0; i < 40; i++)
		for (unsigned int j = 0; j < i; j++)
			ck_assert_ptr_ne(bufs[i]->start, bufs[j]->start);
	udrv_net_buf_free_bulk(bufs, 40);
	udrv_net_buf_free_bulk(bufs, 0);
	ck_assert_int_eq(udrv_net_pool_destroy(pool), 0);
}
END_TEST

/* Frames of several parts, of several pools, in any order. */
START_TEST(each_part_goes_back_to_its_pool)
{
	struct udrv_net_pool *pools[3];
	struct udrv_net_buf *bufs[90];
	unsigned int n = 0;

	for (int i = 0; i < 3; i++)
		pools[i] = udrv_net_pool_create(NULL, "pool", 64, 90);
	for (unsigned int i = 0; i < 90; i++) {
		struct udrv_net_buf *buf = udrv_net_buf_alloc(pools[i * i % 3], UDRV_GFP_KERNEL);

		if (i % 5 == 4)
			buf->next = udrv_net_buf_alloc(pools[2], UDRV_GFP_KERNEL);
		if (i % 15 == 14)
			buf->next->next = udrv_net_buf_alloc(pools[0], UDRV_GFP_KERNEL);
		bufs[n++] = buf;
	}
	udrv_net_buf_free(bufs[--n]);
	udrv_net_buf_free_bulk(bufs, n);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(udrv_net_pool_destroy(pools[i]), 0);
}
END_TEST

START_TEST(empty_buffers_are_put_back_as_they_are)
{
	struct udrv_net_pool *pool = udrv_net_pool_create(NULL, "pool", 64, 40);
	struct udrv_net_buf *bufs[40];

	for (int round = 0; round < 3; round++) {
		ck_assert_int_eq(udrv_net_buf_alloc_bulk(pool, UDRV_GFP_ATOMIC, 40, bufs), 0);
		for (unsigned int i = 0; i < 40; i++) {
			ck_assert_uint_eq(udrv_net_buf_headroom(bufs[i]), UDRV_NET_HEADROOM);
			ck_assert_uint_eq(bufs[i]->len | bufs[i]->flags, 0);
			ck_assert_ptr_nonnull(udrv_net_buf_put(bufs[i], 64));
			ck_assert_ptr_nonnull(udrv_net_buf_pull(bufs[i], 10));
			bufs[i]->flags = UINT32_MAX;
			udrv_net_buf_reset(bufs[i]);
		}
		udrv_net_pool_put(pool, bufs, 40);
		udrv_net_pool_put(pool, bufs, 0);
	}
	ck_assert_int_eq(udrv_net_pool_destroy(pool), 0);
}
END_TEST

#define THREADS 4
#define PASSED	64

static struct udrv_net_pool *shared;
static struct udrv_net_buf *passed[PASSED]; /* atomic */

/* What one allocates, whoever finds it frees. */
static void *pass_on(void *arg)
{
	const unsigned int seed = (unsigned int)(uintptr_t)arg;

	for (unsigned int i = 0; i < 20000; i++) {
		struct udrv_net_buf *buf = udrv_net_buf_alloc(shared, UDRV_GFP_KERNEL);

		if (buf) {
			buf->start[0] = buf->start[buf->size - 1] = (unsigned char)seed;
			buf->flags = seed;
		}
		buf = __atomic_exchange_n(&passed[(i * 7 + seed * 13) % PASSED], buf,
					  __ATOMIC_ACQ_REL);
		if (buf && (buf->start[0] != buf->flags || buf->start[buf->size - 1] != buf->flags))
			return arg;
		udrv_net_buf_free(buf);
	}
	return NULL;
}

START_TEST(threads_free_what_others_have_allocated)
{
	pthread_t threads[THREADS];

	shared = udrv_net_pool_create(NULL, "pool", 256, _i ? 4 * PASSED : 0);
	for (uintptr_t i = 0; i < THREADS; i++)
		threads[i] = start(pass_on, (void *)(i + 1));
	for (int i = 0; i < THREADS; i++)
		ck_assert_ptr_null(finish(threads[i]));
	for (int i = 0; i < PASSED; i++) {
		udrv_net_buf_free(passed[i]);
		passed[i] = NULL;
	}
	ck_assert_int_eq(udrv_net_pool_destroy(shared), 0);
}
END_TEST

/* The registry. */

START_TEST(a_name_is_there_once)
{
	ck_assert_int_eq(udrv_register_netdev(&nic.ndev), -EEXIST);
	(void)strcpy(other.ndev.name, "nic");
	ck_assert_int_eq(udrv_register_netdev(&other.ndev), -EEXIST);
	(void)strcpy(other.ndev.name, "other");
	ck_assert_int_eq(udrv_register_netdev(&other.ndev), 0);
	ck_assert_ptr_eq(udrv_net_next(NULL), &nic.ndev);
	ck_assert_ptr_eq(udrv_net_next(&nic.ndev), &other.ndev);
	ck_assert_ptr_null(udrv_net_next(&other.ndev));
	udrv_unregister_netdev(&nic.ndev);
	ck_assert_ptr_eq(udrv_net_next(NULL), &other.ndev);
	/* Of one that is not there, nothing. */
	udrv_unregister_netdev(&nic.ndev);
	ck_assert_int_eq(udrv_register_netdev(&nic.ndev), 0);
	ck_assert_ptr_eq(udrv_net_next(&other.ndev), &nic.ndev);
}
END_TEST

START_TEST(what_makes_no_sense_is_not_registered)
{
	const struct udrv_net_device good = other.ndev;
	struct udrv_net_device_ops ops = *good.netdev_ops;
	struct udrv_net_device *n = &other.ndev;

	ck_assert_int_eq(udrv_register_netdev(n), 0);
	udrv_unregister_netdev(n);
	for (int i = 0; i < 12; i++) {
		*n = good;
		switch (i) {
		case 0:
			n->name[0] = 0;
			break;
		case 1:
			memset(n->name, 'x', sizeof(n->name));
			break;
		case 2:
			n->perm_addr[0] |= 1;
			break;
		case 3:
			memset(n->perm_addr, 0, sizeof(n->perm_addr));
			break;
		case 4:
			n->min_mtu = 1501;
			break;
		case 5:
			n->max_mtu = 1499;
			break;
		case 6:
			n->max_rx_queues = 0;
			break;
		case 7:
			n->max_tx_queues = UDRV_NET_QUEUES_MAX + 1;
			break;
		case 8:
			n->netdev_ops = NULL;
			break;
		case 9:
			ops.rx_arm = NULL;
			n->netdev_ops = &ops;
			break;
		case 10:
			ops = *good.netdev_ops;
			ops.ndo_open = NULL;
			n->netdev_ops = &ops;
			break;
		case 11:
			ops = *good.netdev_ops;
			ops.ndo_vlan_rx_add_vid = NULL;
			n->netdev_ops = &ops;
			n->hw_features = UDRV_NET_F_VLAN_FILTER;
			break;
		}
		ck_assert_msg(udrv_register_netdev(n) == -EINVAL, "case %d", i);
	}
	*n = good;
}
END_TEST

START_TEST(it_has_one_user_at_a_time)
{
	struct udrv_net_options o = {.rx_queues = 2, .features = UDRV_NET_F_TSO};

	ck_assert_int_eq(udrv_net_open(&other.ndev, NULL), -ENODEV);
	ck_assert_int_eq(udrv_net_open(&nic.ndev, &o), 0);
	ck_assert_int_eq(udrv_net_open(&nic.ndev, NULL), -EBUSY);
	ck_assert_uint_eq(nic.ndev.options.rx_queues, 2);
	ck_assert_uint_eq(nic.ndev.options.tx_queues, 1);
	ck_assert_uint_eq(nic.ndev.features, UDRV_NET_F_TSO);
	ck_assert_ptr_nonnull(nic.ndev.rxq[1]);
	ck_assert_ptr_null(nic.ndev.txq[1]);
	udrv_net_close(&nic.ndev);
	udrv_net_close(&nic.ndev);
	ck_assert_uint_eq(nic.stops, 1);
	ck_assert_ptr_null(nic.ndev.rxq[0]);
	o.rx_queues = 3;
	ck_assert_int_eq(udrv_net_open(&nic.ndev, &o), -EINVAL);
	nic.open_error = -EIO;
	ck_assert_int_eq(udrv_net_open(&nic.ndev, NULL), -EIO);
	ck_assert_int_eq(udrv_net_open(&nic.ndev, NULL), 0);
	ck_assert_uint_eq(nic.ndev.features, nic.ndev.hw_features);
	/* What nobody has closed is. */
	udrv_unregister_netdev(&nic.ndev);
	ck_assert_uint_eq(nic.stops, 2);
}
END_TEST

START_TEST(its_mtu_changes_only_while_it_is_closed)
{
	ck_assert_uint_eq(nic.ndev.mtu, 1500);
	ck_assert_int_eq(udrv_net_set_mtu(&nic.ndev, 67), -EINVAL);
	ck_assert_int_eq(udrv_net_set_mtu(&nic.ndev, 9001), -EINVAL);
	ck_assert_int_eq(udrv_net_set_mtu(&nic.ndev, 9000), 0);
	ck_assert_int_eq(udrv_net_open(&nic.ndev, NULL), 0);
	ck_assert_uint_eq(nic.opened_mtu, 9000);
	ck_assert_int_eq(udrv_net_set_mtu(&nic.ndev, 1500), -EBUSY);
	udrv_net_close(&nic.ndev);
	ck_assert_int_eq(udrv_net_set_mtu(&nic.ndev, 68), 0);
}
END_TEST

START_TEST(its_address_is_what_the_driver_took)
{
	static const uint8_t none[6], multicast[6] = {1}, good[6] = {2, 3, 4, 5, 6, 7};

	ck_assert_int_eq(udrv_net_set_mac_address(&nic.ndev, none), -EADDRNOTAVAIL);
	ck_assert_int_eq(udrv_net_set_mac_address(&nic.ndev, multicast), -EADDRNOTAVAIL);
	ck_assert_uint_eq(nic.addresses, 0);
	nic.address_error = -EIO;
	ck_assert_int_eq(udrv_net_set_mac_address(&nic.ndev, good), -EIO);
	ck_assert_mem_eq(nic.ndev.dev_addr, nic.ndev.perm_addr, 6);
	ck_assert_int_eq(udrv_net_set_mac_address(&nic.ndev, good), 0);
	ck_assert_mem_eq(nic.ndev.dev_addr, good, 6);
	/* Registered anew it has its own again. */
	udrv_unregister_netdev(&nic.ndev);
	ck_assert_int_eq(udrv_register_netdev(&nic.ndev), 0);
	ck_assert_mem_eq(nic.ndev.dev_addr, nic.ndev.perm_addr, 6);
}
END_TEST

START_TEST(too_many_groups_are_all_of_them)
{
	static uint8_t groups[UDRV_NET_MULTICAST_MAX + 1][6];

	for (unsigned int i = 0; i <= UDRV_NET_MULTICAST_MAX; i++)
		groups[i][5] = (uint8_t)i;
	udrv_net_set_rx_mode(&nic.ndev, IFF_PROMISC | IFF_UP, groups[0], UDRV_NET_MULTICAST_MAX);
	ck_assert_uint_eq(nic.ndev.flags, IFF_PROMISC);
	ck_assert_uint_eq(nic.ndev.mc_count, UDRV_NET_MULTICAST_MAX);
	ck_assert_mem_eq(nic.ndev.mc, groups, sizeof(nic.ndev.mc));
	udrv_net_set_rx_mode(&nic.ndev, 0, groups[0], UDRV_NET_MULTICAST_MAX + 1);
	ck_assert_uint_eq(nic.ndev.flags, IFF_ALLMULTI);
	ck_assert_uint_eq(nic.ndev.mc_count, 0);
	udrv_net_set_rx_mode(&nic.ndev, 0, NULL, 0);
	ck_assert_uint_eq(nic.ndev.flags, 0);
	ck_assert_uint_eq(nic.rx_modes, 3);
}
END_TEST

START_TEST(vlans_are_for_cards_that_filter)
{
	ck_assert_int_eq(udrv_net_vlan_vid_add(&nic.ndev, 4096), -EINVAL);
	ck_assert_int_eq(udrv_net_vlan_vid_add(&nic.ndev, 4095), 0);
	ck_assert_int_eq(udrv_net_vlan_vid_del(&nic.ndev, 4095), 0);
	ck_assert_uint_eq(nic.vids, 2);
	ck_assert_int_eq(udrv_register_netdev(&other.ndev), 0);
	ck_assert_int_eq(udrv_net_vlan_vid_add(&other.ndev, 1), -EOPNOTSUPP);
	ck_assert_int_eq(udrv_net_vlan_vid_del(&other.ndev, 1), -EOPNOTSUPP);
	ck_assert_uint_eq(other.vids, 0);
}
END_TEST

/* n frames there and back, of 60 bytes. */
static void echo(unsigned int n)
{
	struct udrv_net_pool *pool = udrv_net_pool_create(NULL, "tx", 64, 0);
	struct udrv_net_buf *buf;

	for (unsigned int i = 0; i < n; i++) {
		buf = udrv_net_buf_alloc(pool, UDRV_GFP_KERNEL);
		memset(udrv_net_buf_put(buf, 60), (int)i, 60);
		ck_assert_uint_eq(udrv_net_tx_burst(nic.ndev.txq[0], &buf, 1), 1);
		ck_assert_uint_eq(udrv_net_rx_burst(nic.ndev.rxq[0], &buf, 1), 1);
		ck_assert_uint_eq(buf->len, 60);
		ck_assert_uint_eq(buf->data[59], i);
		udrv_net_buf_free(buf);
	}
	ck_assert_int_eq(udrv_net_pool_destroy(pool), 0);
}

START_TEST(what_queues_have_counted_stays)
{
	struct udrv_net_stats stats;

	for (unsigned int i = 1; i <= 3; i++) {
		ck_assert_int_eq(udrv_net_open(&nic.ndev, NULL), 0);
		echo(10);
		udrv_net_get_stats(&nic.ndev, &stats);
		ck_assert_uint_eq(stats.rx_packets, 10 * i);
		udrv_net_close(&nic.ndev);
		udrv_net_get_stats(&nic.ndev, &stats);
		ck_assert_uint_eq(stats.rx_packets, 10 * i);
		ck_assert_uint_eq(stats.tx_packets, 10 * i);
		ck_assert_uint_eq(stats.rx_bytes, 600 * i);
		ck_assert_uint_eq(stats.tx_bytes, 600 * i);
	}
	udrv_unregister_netdev(&nic.ndev);
	udrv_net_get_stats(&nic.ndev, &stats);
	ck_assert_uint_eq(stats.rx_packets, 0);
	ck_assert_int_eq(udrv_register_netdev(&nic.ndev), 0);
	udrv_net_get_stats(&nic.ndev, &stats);
	ck_assert_uint_eq(stats.rx_packets, 0);
}
END_TEST

/* Who watches. */

static struct {
	unsigned int deleted, carrier;
	struct udrv_net_device *last;
} seen;

static void see_deleted(void *ctx, struct udrv_net_device *ndev)
{
	ck_assert_ptr_eq(ctx, &seen);
	seen.deleted++;
	/* It may still be used. */
	udrv_net_close(ndev);
}

static void see_carrier(void *ctx, struct udrv_net_device *ndev)
{
	ck_assert_ptr_eq(ctx, &seen);
	seen.carrier++;
	seen.last = ndev;
}

static void watch(const struct udrv__net_watch *w)
{
	udrv__net_changes_hold();
	udrv__net_watch_set(w, &seen);
	udrv__net_changes_release();
}

START_TEST(changes_of_the_carrier_are_told)
{
	static const struct udrv__net_watch w = {see_deleted, see_carrier};

	memset(&seen, 0, sizeof(seen));
	ck_assert(!udrv_netif_carrier_ok(&nic.ndev));
	watch(&w);
	udrv_netif_carrier_off(&nic.ndev);
	ck_assert_uint_eq(seen.carrier, 0);
	udrv_netif_carrier_on(&nic.ndev);
	udrv_netif_carrier_on(&nic.ndev);
	ck_assert(udrv_netif_carrier_ok(&nic.ndev));
	ck_assert_uint_eq(seen.carrier, 1);
	ck_assert_ptr_eq(seen.last, &nic.ndev);
	ck_assert_int_eq(udrv_net_open(&nic.ndev, NULL), 0);
	udrv_unregister_netdev(&nic.ndev);
	ck_assert_uint_eq(seen.deleted, 1);
	ck_assert_uint_eq(nic.stops, 1);
	watch(NULL);
	udrv_netif_carrier_off(&nic.ndev);
	ck_assert_uint_eq(seen.carrier, 1);
}
END_TEST

/* Waiting. */

static void *receive_later(void *arg)
{
	static const uint8_t frame[60];

	/* Not before it waits. */
	until(echo_nic_armed(&nic, 0));
	echo_nic_receive(&nic, 0, frame, sizeof(frame));
	return arg;
}

static bool caught_one(void)
{
	struct udrv_net_buf *buf;

	if (!udrv_net_rx_burst(nic.ndev.rxq[0], &buf, 1))
		return false;
	udrv_net_buf_free(buf);
	return true;
}

START_TEST(what_is_there_is_not_waited_for)
{
	static const uint8_t frame[60];

	ck_assert_int_eq(udrv_net_open(&nic.ndev, NULL), 0);
	ck_assert_int_eq(udrv_net_rx_wait(nic.ndev.rxq[0], 0), 0);
	echo_nic_receive(&nic, 0, frame, sizeof(frame));
	ck_assert_int_eq(udrv_net_rx_wait(nic.ndev.rxq[0], 0), 1);
	ck_assert_int_eq(udrv_net_rx_wait(nic.ndev.rxq[0], UINT64_MAX), 1);
	ck_assert(caught_one());
	udrv_net_close(&nic.ndev);
}
END_TEST

START_TEST(a_frame_wakes_the_sleeper)
{
	ck_assert_int_eq(udrv_net_open(&nic.ndev, NULL), 0);
	for (int i = 0; i < 20; i++) {
		pthread_t t = start(receive_later, NULL);

		ck_assert_int_eq(udrv_net_rx_wait(nic.ndev.rxq[0], UINT64_MAX), 1);
		(void)finish(t);
		ck_assert(caught_one());
	}
	udrv_net_close(&nic.ndev);
}
END_TEST

/* A signal that is old does not keep it from sleeping. */
START_TEST(an_old_signal_does_not_make_it_spin)
{
	int tries = 0;
	int64_t before;

	ck_assert_int_eq(udrv_net_open(&nic.ndev, NULL), 0);
	do {
		ck_assert_int_lt(tries++, 10);
		ck_assert_int_eq(eventfd_write(nic.queue[0].rx_fd, 1), 0);
		before = cpu_ms();
		ck_assert_int_eq(udrv_net_rx_wait(nic.ndev.rxq[0], 500000000), 0);
	} while (cpu_ms() - before >= 250);
	udrv_net_close(&nic.ndev);
}
END_TEST

START_TEST(the_time_ends_a_wait)
{
	const int64_t before = now_ms();

	ck_assert_int_eq(udrv_net_open(&nic.ndev, NULL), 0);
	ck_assert_int_eq(udrv_net_rx_wait(nic.ndev.rxq[0], 30000000), 0);
	ck_assert_int_ge(now_ms() - before, 29);
	udrv_net_close(&nic.ndev);
}
END_TEST

START_TEST(without_an_event_it_looks)
{
	static const uint8_t frame[60];

	nic.o.no_event = true;
	ck_assert_int_eq(udrv_net_open(&nic.ndev, NULL), 0);
	ck_assert_int_eq(udrv_net_rx_wait(nic.ndev.rxq[0], 1000000), 0);
	echo_nic_receive(&nic, 0, frame, sizeof(frame));
	ck_assert_int_eq(udrv_net_rx_wait(nic.ndev.rxq[0], UINT64_MAX), 1);
	udrv_net_close(&nic.ndev);
}
END_TEST

static void *take_it_away(void *arg)
{
	until(echo_nic_armed(&nic, 0));
	udrv_device_set_gone(arg);
	return NULL;
}

START_TEST(the_end_of_the_device_ends_a_wait)
{
	struct udrv_device *dev;
	pthread_t t;

	ck_assert_int_eq(udrv_device_open("model:edu", NULL, &dev), 0);
	nic.ndev.dev = dev;
	ck_assert_int_eq(udrv_net_open(&nic.ndev, NULL), 0);
	t = start(take_it_away, dev);
	ck_assert_int_eq(udrv_net_rx_wait(nic.ndev.rxq[0], UINT64_MAX), -ENODEV);
	(void)finish(t);
	udrv_net_close(&nic.ndev);
	nic.ndev.dev = NULL;
	udrv_device_close(dev);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("net");
	TCase *tc = tcase_create("net");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, a_new_buffer_is_empty_behind_its_headroom);
	tcase_add_test(tc, a_pool_of_nonsense_is_refused);
	tcase_add_loop_test(tc, a_limited_pool_has_exactly_its_number, 0, 6);
	tcase_add_test(tc, a_bulk_is_all_or_nothing);
	tcase_add_test(tc, empty_buffers_are_put_back_as_they_are);
	tcase_add_test(tc, each_part_goes_back_to_its_pool);
	tcase_add_loop_test(tc, threads_free_what_others_have_allocated, 0, 2);
	tcase_add_test(tc, a_name_is_there_once);
	tcase_add_test(tc, what_makes_no_sense_is_not_registered);
	tcase_add_test(tc, it_has_one_user_at_a_time);
	tcase_add_test(tc, its_mtu_changes_only_while_it_is_closed);
	tcase_add_test(tc, its_address_is_what_the_driver_took);
	tcase_add_test(tc, too_many_groups_are_all_of_them);
	tcase_add_test(tc, vlans_are_for_cards_that_filter);
	tcase_add_test(tc, what_queues_have_counted_stays);
	tcase_add_test(tc, changes_of_the_carrier_are_told);
	tcase_add_test(tc, what_is_there_is_not_waited_for);
	tcase_add_test(tc, a_frame_wakes_the_sleeper);
	tcase_add_test(tc, an_old_signal_does_not_make_it_spin);
	tcase_add_test(tc, the_time_ends_a_wait);
	tcase_add_test(tc, without_an_event_it_looks);
	tcase_add_test(tc, the_end_of_the_device_ends_a_wait);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
