// SPDX-License-Identifier: MIT
/*
 * What the driver's software costs for a frame of 64 bytes, natively: its bursts on rings whose
 * card is this program, in the same thread. It marks descriptors done; that is not measured.
 *
 * usage: bench_net_native [--rounds N] [--count N] | --loop rx|tx|forward N
 *
 * rx: a burst of 32 is received and freed. tx: 32 buffers are allocated and sent, what was sent is
 * freed. forward: 32 are received and sent. A line for each round. --loop: so many frames of one
 * kind, for callgrind.
 */
#include <errno.h>
#include <endian.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/delay.h>
#include <udrv/device.h>
#include <udrv/net.h>
#include <udrv/workqueue.h>

#include "bench.h"
#include "e1000e.h"

#define DEVICE	"model:e1000e"
#define BUFFERS 1024u
#define ROUNDS	5u
#define FRAMES	3200000u
#define WARM_UP 100u /* bursts */

/* The card's side: where it is in its rings, and the tail registers. */
static struct {
	struct e1000e_rxq *rx;
	struct e1000e_txq *tx;
	uint32_t rx_tail, tx_tail;
	uint32_t rx_head, tx_head;
} card;

static struct udrv_device *dev;
static struct udrv_net_device *ndev;
static struct udrv_net_pool *pool;
static uint64_t ticks;

__attribute__((noreturn)) void die(const char *what, int err)
{
	(void)fprintf(stderr, "bench_net_native: %s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(EXIT_FAILURE);
}

static uint64_t now(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#else
	return bench_clock_ns();
#endif
}

/* The model has them until here, and sees nothing of what follows. */
static void take_rings(struct e1000e *nic)
{
	card.rx = nic->rxq[0];
	card.tx = nic->txq[0];
	card.rx_tail = card.rx->fill & card.rx->mask;
	card.tx_tail = card.tx_head = card.tx->tail & card.tx->mask;
	card.rx_head = card.rx->next & card.rx->mask;
	card.rx->tail = (void __udrv_iomem *)&card.rx_tail;
	card.tx->tail_reg = (void __udrv_iomem *)&card.tx_tail;
}

static void set_up(void)
{
	int ret = udrv_device_open(DEVICE, NULL, &dev);

	if (!ret)
		ret = udrv_driver_probe(&e1000e_driver, dev);
	ndev = ret ? NULL : udrv_net_next(NULL);
	if (!ndev)
		die(DEVICE, ret ? ret : ENODEV);
	ret = udrv_net_open(ndev, NULL);
	pool = ret ? NULL : udrv_net_pool_create(dev, "bench", 2048, BUFFERS);
	if (!pool)
		die("queues and buffers", ret ? ret : ENOMEM);
	for (unsigned int i = 0; !udrv_netif_carrier_ok(ndev); i++) {
		if (i == 1000)
			die("the link", ETIMEDOUT);
		udrv_msleep(10);
	}
	/* It would find that the model does not move. */
	(void)udrv_cancel_delayed_work_sync(&((struct e1000e *)ndev->priv)->tick);
	take_rings(ndev->priv);
}

/* Frames come, with what an 82574 says of one that is not of IP. */
static void card_receives(void)
{
	for (unsigned int i = 0; i < BENCH_BURST && card.rx_head != card.rx_tail; i++) {
		union e1000e_rx_desc *desc = &card.rx->ring[card.rx_head];

		desc->wb.length = htole16(BENCH_FRAME);
		__atomic_store_n(&desc->wb.status,
				 htole32(E1000E_RXD_DD | E1000E_RXD_EOP | E1000E_RXD_IXSM),
				 __ATOMIC_RELEASE);
		card.rx_head = (card.rx_head + 1) & card.rx->mask;
	}
}

static void card_sends(void)
{
	for (; card.tx_head != card.tx_tail; card.tx_head = (card.tx_head + 1) & card.tx->mask) {
		union e1000e_tx_desc *desc = &card.tx->ring[card.tx_head];

		if (desc->data.cmd & htole32(E1000E_TXD_RS))
			__atomic_store_n(&desc->data.status, htole32(E1000E_TXD_DD),
					 __ATOMIC_RELEASE);
	}
}

static unsigned int rx(void)
{
	struct udrv_net_buf *bufs[BENCH_BURST];
	unsigned int n;
	uint64_t start;

	card_receives();
	start = now();
	n = udrv_net_rx_burst(ndev->rxq[0], bufs, BENCH_BURST);
	udrv_net_buf_free_bulk(bufs, n);
	ticks += now() - start;
	return n;
}

static unsigned int tx(void)
{
	struct udrv_net_buf *bufs[BENCH_BURST];
	uint64_t start = now();
	unsigned int n;

	if (udrv_net_buf_alloc_bulk(pool, UDRV_GFP_ATOMIC, BENCH_BURST, bufs))
		die("buffers", ENOMEM);
	for (unsigned int i = 0; i < BENCH_BURST; i++)
		bufs[i]->len = BENCH_FRAME;
	n = udrv_net_tx_burst(ndev->txq[0], bufs, BENCH_BURST);
	ticks += now() - start;
	card_sends();
	return n;
}

static unsigned int forward(void)
{
	struct udrv_net_buf *bufs[BENCH_BURST];
	unsigned int n;
	uint64_t start;

	card_receives();
	start = now();
	n = udrv_net_rx_burst(ndev->rxq[0], bufs, BENCH_BURST);
	n = udrv_net_tx_burst(ndev->txq[0], bufs, n);
	ticks += now() - start;
	card_sends();
	return n;
}

static const struct kind {
	const char *name;
	unsigned int (*burst)(void);
} kinds[] = {{"rx", rx}, {"tx", tx}, {"forward", forward}};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void bursts(const struct kind *kind, unsigned long frames)
{
	for (unsigned long done = 0; done < frames; done += BENCH_BURST)
		if (kind->burst() != BENCH_BURST)
			die(kind->name, EIO);
}

/* Nanoseconds for a frame. */
static double measure(const struct kind *kind, unsigned long frames)
{
	const uint64_t started_ns = bench_clock_ns();
	const uint64_t started = now();
	double per_tick;

	ticks = 0;
	bursts(kind, frames);
	per_tick = (double)(bench_clock_ns() - started_ns) / (double)(now() - started);
	return (double)ticks * per_tick / (double)frames;
}

static void rounds(unsigned int count, unsigned long frames)
{
	for (unsigned int i = 0; i < KINDS; i++)
		bursts(&kinds[i], WARM_UP * (unsigned long)BENCH_BURST);
	for (unsigned int round = 1; round <= count; round++) {
		(void)printf("round=%u", round);
		for (unsigned int i = 0; i < KINDS; i++)
			(void)printf(" %s=%.2f", kinds[i].name, measure(&kinds[i], frames));
		(void)printf("\n");
		(void)fflush(stdout);
	}
}

static int loop(const char *name, const char *frames)
{
	for (unsigned int i = 0; i < KINDS; i++) {
		if (!strcmp(kinds[i].name, name)) {
			bursts(&kinds[i], strtoul(frames, NULL, 10));
			return EXIT_SUCCESS;
		}
	}
	return 2;
}

/* Without the model's help: it has its rings no more. */
static void tear_down(void)
{
	(void)udrv_net_tx_burst(ndev->txq[0], NULL, 0);
	udrv_net_close(ndev);
	(void)udrv_net_pool_destroy(pool);
	udrv_driver_remove(&e1000e_driver, dev);
	udrv_device_close(dev);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"rounds", required_argument, NULL, 'r'},
						{"count", required_argument, NULL, 'c'},
						{"loop", required_argument, NULL, 'l'},
						{0}};
	unsigned long count = FRAMES;
	unsigned int n = ROUNDS;
	const char *name = NULL;
	int option, ret = EXIT_SUCCESS;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'r')
			n = (unsigned int)strtoul(optarg, NULL, 10);
		else if (option == 'c')
			count = strtoul(optarg, NULL, 10);
		else if (option == 'l')
			name = optarg;
		else
			return 2;
	}
	if (!n || !count || (name && optind >= argc))
		return 2;
	set_up();
	if (name)
		ret = loop(name, argv[optind]);
	else
		rounds(n, count);
	tear_down();
	return ret;
}
