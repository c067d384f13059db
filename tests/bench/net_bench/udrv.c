// SPDX-License-Identifier: MIT
/* The driver, in this process, by <udrv/net.h>. */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/delay.h>
#include <udrv/device.h>
#include <udrv/net.h>

#include "bench.h"
#include "e1000e.h"

#define BUFFERS (2 * BENCH_RING)

struct nic {
	struct udrv_device *dev;
	struct udrv_net_device *ndev;
};

/* Without offloads, as testpmd opens its ports and the loop by hand its cards. */
static void open_nic(struct nic *nic, const char *name)
{
	static const struct udrv_net_options plain;
	int ret = udrv_device_open(name, NULL, &nic->dev);
	struct udrv_net_device *last = NULL;

	if (!ret)
		ret = udrv_driver_probe(&e1000e_driver, nic->dev);
	if (ret)
		die(name, ret);
	while ((nic->ndev = udrv_net_next(last)) && nic->ndev->dev != nic->dev)
		last = nic->ndev;
	if (!nic->ndev)
		die(name, ENODEV);
	udrv_net_set_rx_mode(nic->ndev, IFF_PROMISC, NULL, 0);
	ret = udrv_net_open(nic->ndev, &plain);
	if (ret)
		die(name, ret);
	for (unsigned int i = 0; !udrv_netif_carrier_ok(nic->ndev); i++) {
		if (i == 1000)
			die("the link", ETIMEDOUT);
		udrv_msleep(10);
	}
}

static void close_nic(struct nic *nic)
{
	udrv_net_close(nic->ndev);
	udrv_driver_remove(&e1000e_driver, nic->dev);
	udrv_device_close(nic->dev);
}

/* All of its buffers have the frame. */
static struct udrv_net_pool *make_pool(const struct nic *nic)
{
	static struct udrv_net_buf *bufs[BUFFERS];
	struct udrv_net_pool *pool = udrv_net_pool_create(nic->dev, "bench", 2048, BUFFERS);

	if (!pool || udrv_net_buf_alloc_bulk(pool, UDRV_GFP_KERNEL, BUFFERS, bufs))
		die("buffers", ENOMEM);
	for (unsigned int i = 0; i < BUFFERS; i++)
		make_frame(bufs[i]->data);
	udrv_net_buf_free_bulk(bufs, BUFFERS);
	return pool;
}

static void send_all(struct udrv_net_txq *q, struct udrv_net_buf **bufs, unsigned int n)
{
	for (unsigned int done = 0; done < n;)
		done += udrv_net_tx_burst(q, bufs + done, n - done);
}

static void send_burst(struct udrv_net_txq *q, struct udrv_net_pool *pool)
{
	struct udrv_net_buf *bufs[BENCH_BURST];

	while (udrv_net_buf_alloc_bulk(pool, UDRV_GFP_ATOMIC, BENCH_BURST, bufs))
		(void)udrv_net_tx_burst(q, NULL, 0);
	for (unsigned int i = 0; i < BENCH_BURST; i++)
		bufs[i]->len = BENCH_FRAME;
	send_all(q, bufs, BENCH_BURST);
}

void udrv_tx(const struct plan *plan)
{
	struct udrv_net_pool *pool;
	struct count count;
	struct nic nic;

	open_nic(&nic, plan->devices[0]);
	pool = make_pool(&nic);
	count_start(&count, plan);
	do {
		for (unsigned int i = 0; i < BENCH_LOOK; i++)
			send_burst(nic.ndev->txq[0], pool);
		count.frames += (uint64_t)BENCH_LOOK * BENCH_BURST;
	} while (count_goes_on(&count));
	count_report(&count, plan);
	udrv_net_close(nic.ndev);
	(void)udrv_net_pool_destroy(pool);
	close_nic(&nic);
}

static unsigned int pass_on(struct nic *from, struct nic *to)
{
	struct udrv_net_buf *bufs[BENCH_BURST];
	const unsigned int n = udrv_net_rx_burst(from->ndev->rxq[0], bufs, BENCH_BURST);

	if (n)
		send_all(to->ndev->txq[0], bufs, n);
	return n;
}

/* What is under way comes to rest: no card keeps a frame of the other one. */
static void drain(struct nic *nics)
{
	struct udrv_net_buf *bufs[BENCH_BURST];
	unsigned int n, quiet = 0;

	while (quiet++ < 100) {
		for (unsigned int i = 0; i < 2; i++) {
			n = udrv_net_rx_burst(nics[i].ndev->rxq[0], bufs, BENCH_BURST);
			udrv_net_buf_free_bulk(bufs, n);
			(void)udrv_net_tx_burst(nics[i].ndev->txq[0], NULL, 0);
			quiet = n ? 0 : quiet;
		}
	}
}

void udrv_forward(const struct plan *plan)
{
	struct udrv_net_pool *pool;
	struct nic nics[2];
	struct count count;

	open_nic(&nics[0], plan->devices[0]);
	open_nic(&nics[1], plan->devices[1]);
	if (udrv_dma_share(nics[0].dev, nics[1].dev) || udrv_dma_share(nics[1].dev, nics[0].dev))
		die("each other's memory", EOPNOTSUPP);
	pool = make_pool(&nics[0]);
	send_burst(nics[0].ndev->txq[0], pool);
	send_burst(nics[1].ndev->txq[0], pool);
	count_start(&count, plan);
	do {
		for (unsigned int i = 0; i < BENCH_LOOK; i++) {
			count.frames += pass_on(&nics[0], &nics[1]);
			count.frames += pass_on(&nics[1], &nics[0]);
		}
	} while (count_goes_on(&count));
	count_report(&count, plan);
	drain(nics);
	udrv_net_close(nics[0].ndev);
	udrv_net_close(nics[1].ndev);
	(void)udrv_net_pool_destroy(pool);
	close_nic(&nics[1]);
	close_nic(&nics[0]);
}
