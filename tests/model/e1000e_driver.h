/* SPDX-License-Identifier: MIT */
/* The e1000e driver on model:e1000e, used as an application does, by <udrv/net.h>. */
#ifndef TESTS_MODEL_E1000E_DRIVER_H
#define TESTS_MODEL_E1000E_DRIVER_H

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <check.h>
#include <udrv/device.h>
#include <udrv/pci.h>

#include "backend/model.h"
#include "backend/model_e1000e.h"
#include "e1000e.h"

#include "support/wait_for.h"

#define LONG_NS (UINT64_C(1000000000) * LONG_S)
#define FRAMES	64 /* at a time */

static struct udrv_device *dev;
static struct udrv_net_device *ndev;
static struct udrv_net_pool *pool; /* for what is sent */

static const uint8_t far_mac[6] = {2, 0, 0, 0, 0, 9};

/* A parameter of the driver, for the probes that follow; NULL: all as they were. */
static inline void set_param(const char *name, const char *value)
{
	static const char *before[8];

	for (unsigned int i = 0; e1000e_driver.params[i].name; i++) {
		const struct udrv_param *p = &e1000e_driver.params[i];

		if (!before[i])
			before[i] = *p->value;
		if (!name)
			*p->value = before[i];
		else if (!strcmp(name, p->name))
			*p->value = value;
	}
}

static inline struct e1000e *card_of(const struct udrv_net_device *n)
{
	return n->priv;
}

static inline struct udrv_net_device *ndev_of(const struct udrv_device *d)
{
	struct udrv_net_device *n = NULL;

	while ((n = udrv_net_next(n)) && n->dev != d)
		;
	return n;
}

static inline void probe_card(const char *name)
{
	ck_assert_int_eq(udrv_device_open(name, NULL, &dev), 0);
	ck_assert_int_eq(udrv_driver_probe(&e1000e_driver, dev), 0);
	ndev = ndev_of(dev);
	ck_assert_ptr_nonnull(ndev);
}

static inline void open_card(const struct udrv_net_options *options)
{
	ck_assert_int_eq(udrv_net_open(ndev, options), 0);
	pool = udrv_net_pool_create(dev, "test", 16384, 512);
	ck_assert_ptr_nonnull(pool);
	WAIT_FOR(udrv_netif_carrier_ok(ndev));
}

static inline void start_card(const struct udrv_net_options *options)
{
	probe_card("model:e1000e");
	open_card(options);
}

/* All that was sent has come back. */
static inline void close_card(void)
{
	udrv_net_close(ndev);
	ck_assert_int_eq(udrv_net_pool_destroy(pool), 0);
	pool = NULL;
}

static inline void remove_card(void)
{
	udrv_driver_remove(&e1000e_driver, dev);
	udrv_device_close(dev);
	dev = NULL;
	ndev = NULL;
}

static inline void stop_card(void)
{
	close_card();
	remove_card();
	set_param(NULL, NULL);
}

static inline struct udrv__model_e1000e_state look(void)
{
	struct udrv__model_e1000e_state s;

	udrv__model_e1000e_look(dev, &s);
	return s;
}

static inline uint8_t byte_at(uint32_t seed, uint32_t i)
{
	const uint64_t x = ((uint64_t)seed << 32 | i) * 0x9e3779b97f4a7c15u;

	return (uint8_t)(x >> 56 ^ x >> 29);
}

/* From the far end, or to it, of an experimental type; its length is its seed, too. */
static inline void fill_frame(uint8_t *data, uint32_t len, const uint8_t *to, uint32_t seed)
{
	memcpy(data, to, 6);
	memcpy(data + 6, far_mac, 6);
	memcpy(data + 12, "\x88\xb5", 2);
	for (uint32_t i = 14; i < len; i++)
		data[i] = byte_at(seed, i);
}

/* The far end sends. */
static inline void far_sends_to(const uint8_t *to, uint32_t len, uint32_t seed)
{
	static uint8_t data[UDRV__E1000E_FRAME_MAX];

	fill_frame(data, len, to, seed);
	WAIT_FOR(udrv__model_e1000e_send(dev, data, len));
}

static inline void far_sends(uint32_t len, uint32_t seed)
{
	far_sends_to(ndev->dev_addr, len, seed);
}

static inline struct udrv_net_buf *make_frame(uint32_t len, uint32_t seed)
{
	struct udrv_net_buf *buf = udrv_net_buf_alloc(pool, UDRV_GFP_KERNEL);
	unsigned char *data;

	ck_assert_ptr_nonnull(buf);
	data = udrv_net_buf_put(buf, len);
	ck_assert_ptr_nonnull(data);
	fill_frame(data, len, far_mac, seed);
	return buf;
}

static inline void send_on(unsigned int q, struct udrv_net_buf *buf)
{
	WAIT_FOR(udrv_net_tx_burst(ndev->txq[q], &buf, 1) == 1);
}

static inline void send_frame(uint32_t len, uint32_t seed)
{
	send_on(0, make_frame(len, seed));
}

/* The next frame that the far end got, whole: its length. */
static inline size_t far_receives(uint8_t *data, size_t size)
{
	size_t len;

	WAIT_FOR((len = udrv__model_e1000e_receive(dev, data, size)) != 0);
	ck_assert_uint_le(len, size);
	return len;
}

static inline void far_gets(uint32_t len, uint32_t seed)
{
	static uint8_t wanted[UDRV__E1000E_FRAME_MAX], got[UDRV__E1000E_FRAME_MAX];

	fill_frame(wanted, len, far_mac, seed);
	ck_assert_uint_eq(far_receives(got, sizeof(got)), len);
	ck_assert_mem_eq(got, wanted, len);
}

/* The next received frame, by waiting for an interrupt. */
static inline struct udrv_net_buf *receive_on(unsigned int q)
{
	struct udrv_net_buf *buf;

	ck_assert_int_eq(udrv_net_rx_wait(ndev->rxq[q], LONG_NS), 1);
	/* What it saw may have been nonsense. */
	while (!udrv_net_rx_burst(ndev->rxq[q], &buf, 1))
		ck_assert_int_eq(udrv_net_rx_wait(ndev->rxq[q], LONG_NS), 1);
	return buf;
}

static inline void gets_to(const uint8_t *to, uint32_t len, uint32_t seed)
{
	static uint8_t wanted[UDRV__E1000E_FRAME_MAX];
	struct udrv_net_buf *buf = receive_on(0);

	fill_frame(wanted, len, to, seed);
	ck_assert_uint_eq(buf->len, len);
	ck_assert_mem_eq(buf->data, wanted, len);
	udrv_net_buf_free(buf);
}

static inline void gets(uint32_t len, uint32_t seed)
{
	gets_to(ndev->dev_addr, len, seed);
}

/* Nothing is left to be received of what the far end has sent so far. */
static inline void gets_nothing(void)
{
	struct udrv_net_buf *buf;

	udrv__model_e1000e_settle(dev);
	ck_assert_uint_eq(udrv_net_rx_burst(ndev->rxq[0], &buf, 1), 0);
}

/* What was sent has been freed. */
static inline void reap_all(unsigned int q)
{
	struct e1000e_txq *txq = card_of(ndev)->txq[q];

	WAIT_FOR((udrv_net_tx_burst(ndev->txq[q], NULL, 0), txq->frame_clean == txq->frame_tail));
}

#endif
