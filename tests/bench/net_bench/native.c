// SPDX-License-Identifier: MIT
/*
 * The e1000e driver's own path, without a card: its bursts on rings that this thread completes at
 * once, as the card would, and with buffers from its pools. The tails are words of memory.
 *
 * usage: bench_net_native ROUNDS BURSTS
 *
 * One line for each direction: the least and the median of the rounds' means, nanoseconds a frame.
 * Sending: allocated, sent, reported, freed; receiving: given to the card, received, freed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <udrv/log.h>

#include "backend/model_e1000e.h"
#include "e1000e.h"

#define BURST	   32
#define LEN	   60
#define ROUNDS_MAX 1000

static struct udrv_net_pool *pool;
static uint32_t tail;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "bench_net_native: %s\n", what);
	exit(1);
}

/* Report all that is to be reported up to the tail. */
static void report_sent(struct e1000e_txq *q)
{
	for (uint32_t i = q->mark_clean; i != q->mark_tail; i++)
		q->ring[(q->marks[i & q->mask].desc - 1) & q->mask].data.status |= E1000E_TXD_DD;
}

static void send_burst(struct e1000e_txq *q)
{
	struct udrv_net_buf *bufs[BURST];

	if (udrv_net_buf_alloc_bulk(pool, UDRV_GFP_ATOMIC, BURST, bufs))
		die("no buffers");
	for (unsigned int i = 0; i < BURST; i++)
		bufs[i]->len = LEN;
	if (udrv_net_tx_burst(&q->q, bufs, BURST) != BURST)
		die("the ring is full");
	report_sent(q);
}

static void fill_received(struct e1000e_rxq *q)
{
	for (uint32_t i = q->next; i != q->next + BURST; i++) {
		union e1000e_rx_desc *desc = &q->ring[i & q->mask];

		desc->wb.length = LEN;
		desc->wb.status = E1000E_RXD_DD | E1000E_RXD_EOP;
	}
}

static void receive_burst(struct e1000e_rxq *q)
{
	struct udrv_net_buf *bufs[BURST];

	fill_received(q);
	if (udrv_net_rx_burst(&q->q, bufs, BURST) != BURST)
		die("frames are missing");
	udrv_net_buf_free_bulk(bufs, BURST);
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void show(const char *what, double *ns, unsigned int rounds)
{
	qsort(ns, rounds, sizeof(*ns), by_value);
	printf("%s least_ns=%.2f median_ns=%.2f\n", what, ns[0], ns[rounds / 2]);
}

static void measure(struct e1000e *nic, unsigned int rounds, unsigned int bursts)
{
	static double sent[ROUNDS_MAX], received[ROUNDS_MAX];

	nic->txq[0]->tail_reg = &tail;
	nic->rxq[0]->tail = &tail;
	for (unsigned int r = 0; r < rounds; r++) {
		const double begin = now();
		double middle;

		for (unsigned int i = 0; i < bursts; i++)
			send_burst(nic->txq[0]);
		middle = now();
		for (unsigned int i = 0; i < bursts; i++)
			receive_burst(nic->rxq[0]);
		sent[r] = (middle - begin) / bursts / BURST;
		received[r] = (now() - middle) / bursts / BURST;
	}
	show("send", sent, rounds);
	show("receive", received, rounds);
}

static unsigned int number(const char *text, unsigned int max)
{
	unsigned long n = strtoul(text, NULL, 10);

	if (!n || n > max)
		die("ROUNDS is 1 to 1000, BURSTS 1 to 1000000");
	return (unsigned int)n;
}

int main(int argc, char **argv)
{
	struct udrv_device *dev;
	struct udrv_net_device *ndev;
	unsigned int rounds, bursts;

	if (argc != 3)
		die("usage: bench_net_native ROUNDS BURSTS");
	rounds = number(argv[1], ROUNDS_MAX);
	bursts = number(argv[2], 1000000);
	udrv_log_set(udrv_log_stderr, NULL, UDRV_LOG_WARNING);
	if (udrv_device_open("model:e1000e", NULL, &dev) || udrv_driver_probe(&e1000e_driver, dev))
		die("no model of the card");
	ndev = udrv_net_next(NULL);
	if (!ndev || udrv_net_open(ndev, NULL))
		die("it cannot be opened");
	for (unsigned int i = 0; !udrv_netif_carrier_ok(ndev); i++) {
		const struct timespec ms = {.tv_nsec = 1000000};

		if (i == 10000)
			die("no link");
		nanosleep(&ms, NULL);
	}
	pool = udrv_net_pool_create(dev, "bench", 2048, 1024);
	if (!pool)
		die("no memory");
	measure(ndev->priv, rounds, bursts);
	udrv_net_close(ndev);
	(void)udrv_net_pool_destroy(pool);
	udrv_driver_remove(&e1000e_driver, dev);
	udrv_device_close(dev);
	return 0;
}
