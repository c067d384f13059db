// SPDX-License-Identifier: MIT
/*
 * The bound: 82574 cards brought up by hand, rings of legacy descriptors, addresses known
 * beforehand, no checks, no counters. Intel 82574 datasheet: 4.6 initialisation, 7.1.4 and 7.2.10
 * legacy descriptors, 10.2 registers.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/barrier.h>
#include <udrv/compiler.h>
#include <udrv/delay.h>
#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/io.h>
#include <udrv/pci.h>

#include "bench.h"

#define MASK	 (BENCH_RING - 1)
#define RX_BATCH 256u /* descriptors given back at a time */
/* From one buffer to the next: at 2048 their frames would share a few sets of the CPU's caches. */
#define BUF_STEP (2048u + 64u)

#define CTRL	   0x0000
#define CTRL_SLU   (1u << 6) /* set link up */
#define CTRL_RST   (1u << 26)
#define IMC	   0x00d8
#define RCTL	   0x0100
#define RCTL_ON	   (1u << 1 | 1u << 3 | 1u << 4 | 1u << 15 | 1u << 26) /* EN UPE MPE BAM SECRC */
#define TCTL	   0x0400
#define TCTL_ON	   (1u << 1 | 1u << 3 | 0xfu << 4 | 0x3fu << 12) /* EN PSP CT COLD */
#define TIPG	   0x0410
#define TIPG_VALUE (8u | 8u << 10 | 6u << 20)
#define RX	   0x2800 /* BAL BAH LEN - H - T, at steps of 4 */
#define TX	   0x3800
#define RXCSUM	   0x5000
#define RFCTL	   0x5008
#define MRQC	   0x5818
#define RING_BAL   0x00
#define RING_BAH   0x04
#define RING_LEN   0x08
#define RING_HEAD  0x10
#define RING_TAIL  0x18
#define RING_CTL   0x28
#define RING_GRAN  (1u << 24) /* thresholds in descriptors; write back each */

#define CMD_EOP	  0x01u
#define CMD_IFCS  0x02u
#define CMD_RS	  0x08u
#define STATUS_DD 0x01u

struct desc {
	uint64_t addr;
	union {
		struct {
			uint16_t len;
			uint8_t cso; /* of a received frame: the checksum's low byte */
			uint8_t cmd; /* and its high byte */
			uint8_t status;
			uint8_t css; /* and its errors */
			uint16_t special;
		};
		uint64_t all;
	};
};
_Static_assert(sizeof(struct desc) == 16, "82574 datasheet 7.1.4, 7.2.10");

struct ring {
	volatile struct desc *desc;
	unsigned char __udrv_iomem *tail_reg;
	unsigned int next;	  /* descriptor to use next */
	unsigned int oldest;	  /* that was used and is not known to be done */
	unsigned int given;	  /* of received frames: what the tail register says */
	uint64_t buf[BENCH_RING]; /* the buffer that each holds */
};

struct memory {
	void *at;
	udrv_iova_t iova;
	size_t size;
};

struct card {
	struct udrv_device *dev;
	struct memory memory[3]; /* two rings and buffers */
	unsigned int memory_count;
	unsigned char __udrv_iomem *regs;
	struct ring rx, tx;
	unsigned int marks[BENCH_RING]; /* ends of bursts that are under way: they have RS */
	unsigned int first_mark, mark_count;
};

static void set(const struct card *c, unsigned int reg, uint32_t value)
{
	udrv_raw_writel(value, c->regs + reg);
}

static void reset(const struct card *c)
{
	set(c, IMC, ~0u);
	set(c, CTRL, udrv_raw_readl(c->regs + CTRL) | CTRL_RST);
	udrv_msleep(5);
	set(c, IMC, ~0u);
	set(c, CTRL, udrv_raw_readl(c->regs + CTRL) | CTRL_SLU);
}

/* Zeroes, until the card is closed. */
static void *take(struct card *c, size_t size, udrv_iova_t *iova)
{
	struct memory *m = &c->memory[c->memory_count++];

	m->size = size;
	m->at = udrv_dma_alloc_coherent(c->dev, size, &m->iova, UDRV_GFP_KERNEL);
	if (!m->at)
		die("DMA memory", ENOMEM);
	*iova = m->iova;
	return m->at;
}

static void make_ring(struct card *c, struct ring *r, unsigned int regs)
{
	udrv_iova_t iova;

	*r = (struct ring){.tail_reg = c->regs + regs + RING_TAIL};
	r->desc = take(c, BENCH_RING * sizeof(struct desc), &iova);
	set(c, regs + RING_BAL, (uint32_t)iova);
	set(c, regs + RING_BAH, (uint32_t)(iova >> 32));
	set(c, regs + RING_LEN, BENCH_RING * sizeof(struct desc));
	set(c, regs + RING_HEAD, 0);
	set(c, regs + RING_TAIL, 0);
	set(c, regs + RING_CTL, RING_GRAN | 1u << 16);
}

static void open_card(struct card *c, const char *name)
{
	int ret = udrv_device_open(name, NULL, &c->dev);

	if (!ret)
		ret = udrv_pci_enable_device(c->dev);
	if (!ret)
		ret = udrv_dma_set_mask_and_coherent(c->dev, UDRV_DMA_BIT_MASK(64));
	if (!ret)
		ret = udrv_pci_set_master(c->dev);
	if (ret)
		die(name, ret);
	c->regs = udrv_pci_iomap(c->dev, 0, 0);
	if (!c->regs)
		die("BAR 0", ENOMEM);
	reset(c);
	/* QEMU's reset leaves what another driver has set: legacy descriptors, no offloads. */
	set(c, RFCTL, 0);
	set(c, RXCSUM, 0);
	set(c, MRQC, 0);
	make_ring(c, &c->rx, RX);
	make_ring(c, &c->tx, TX);
	set(c, TIPG, TIPG_VALUE);
	set(c, TCTL, TCTL_ON);
}

static void stop_card(struct card *c)
{
	set(c, RCTL, 0);
	set(c, TCTL, 0);
	set(c, CTRL, udrv_raw_readl(c->regs + CTRL) | CTRL_RST);
	udrv_msleep(5);
}

/* No card uses its memory any more. */
static void close_card(struct card *c)
{
	while (c->memory_count) {
		const struct memory *m = &c->memory[--c->memory_count];

		udrv_dma_free_coherent(c->dev, m->size, m->at, m->iova);
	}
	udrv_device_close(c->dev);
}

static void put_tx(struct card *c, uint64_t addr, uint16_t len)
{
	volatile struct desc *d = &c->tx.desc[c->tx.next];

	d->addr = addr;
	d->all = len | (uint64_t)(CMD_EOP | CMD_IFCS) << 24;
	c->tx.next = (c->tx.next + 1) & MASK;
}

/* The last one of the burst says when it is done. */
static void end_burst(struct card *c)
{
	const unsigned int last = (c->tx.next - 1) & MASK;

	c->tx.desc[last].cmd = CMD_EOP | CMD_IFCS | CMD_RS;
	c->marks[(c->first_mark + c->mark_count++) & MASK] = last;
	udrv_dma_wmb();
	udrv_raw_writel(c->tx.next, c->tx.tail_reg);
}

/* The oldest burst, if it is done. */
static bool reap_tx(struct card *c)
{
	const unsigned int last = c->marks[c->first_mark & MASK];

	if (!c->mark_count || !(c->tx.desc[last].status & STATUS_DD))
		return false;
	c->first_mark++;
	c->mark_count--;
	c->tx.oldest = (last + 1) & MASK;
	return true;
}

static unsigned int tx_room(const struct card *c)
{
	return (c->tx.oldest - c->tx.next - 1) & MASK;
}

static void await_room(struct card *c)
{
	while (tx_room(c) < BENCH_BURST)
		(void)reap_tx(c);
	udrv_dma_rmb();
}

/* So many buffers of 2 KiB, one behind the other. */
static unsigned char *make_buffers(struct card *c, unsigned int count, udrv_iova_t *iova)
{
	unsigned char *bufs = take(c, (size_t)count * BUF_STEP, iova);

	for (unsigned int i = 0; i < count; i++)
		make_frame(bufs + (size_t)i * BUF_STEP);
	return bufs;
}

void bare_tx(const struct plan *plan)
{
	static struct card c;
	struct count count;
	udrv_iova_t bufs;

	open_card(&c, plan->devices[0]);
	(void)make_buffers(&c, BENCH_RING, &bufs);
	count_start(&count, plan);
	do {
		for (unsigned int i = 0; i < BENCH_LOOK; i++) {
			await_room(&c);
			for (unsigned int n = 0; n < BENCH_BURST; n++)
				put_tx(&c, bufs + c.tx.next * BUF_STEP, BENCH_FRAME);
			end_burst(&c);
		}
		count.frames += (uint64_t)BENCH_LOOK * BENCH_BURST;
	} while (count_goes_on(&count));
	while (c.mark_count)
		(void)reap_tx(&c);
	count_report(&count, plan);
	stop_card(&c);
	close_card(&c);
}

/* The other card reaches them at the same addresses: in one IOMMU group, or without an IOMMU. */
static void fill_rx(struct card *c)
{
	udrv_iova_t bufs;

	(void)make_buffers(c, 2 * BENCH_RING, &bufs);
	for (unsigned int i = 0; i < BENCH_RING; i++) {
		c->rx.buf[i] = bufs + i * BUF_STEP;
		c->rx.desc[i].addr = c->rx.buf[i];
		c->tx.buf[i] = bufs + (BENCH_RING + i) * BUF_STEP;
	}
	c->rx.given = MASK;
	set(c, RX + RING_TAIL, MASK);
	set(c, RCTL, RCTL_ON);
}

/* What @from has received goes out of @to; the buffer that its descriptor held takes its place. */
static unsigned int pass_on(struct card *from, struct card *to)
{
	struct ring *rx = &from->rx;
	unsigned int n = 0;

	if (!(rx->desc[rx->next].status & STATUS_DD))
		return 0;
	await_room(to);
	for (; n < BENCH_BURST && rx->desc[rx->next].status & STATUS_DD; n++) {
		volatile struct desc *d = &rx->desc[rx->next];
		const uint64_t buf = rx->buf[rx->next];
		const unsigned int slot = to->tx.next;

		udrv_dma_rmb();
		put_tx(to, buf, d->len);
		rx->buf[rx->next] = to->tx.buf[slot];
		to->tx.buf[slot] = buf;
		d->addr = rx->buf[rx->next];
		d->all = 0;
		rx->next = (rx->next + 1) & MASK;
	}
	if (((rx->next - 1 - rx->given) & MASK) >= RX_BATCH) {
		rx->given = (rx->next - 1) & MASK;
		udrv_dma_wmb();
		udrv_raw_writel(rx->given, rx->tail_reg);
	}
	end_burst(to);
	return n;
}

static void first_burst(struct card *c)
{
	for (unsigned int n = 0; n < BENCH_BURST; n++)
		put_tx(c, c->tx.buf[c->tx.next], BENCH_FRAME);
	end_burst(c);
}

void bare_forward(const struct plan *plan)
{
	static struct card cards[2];
	struct count count;

	open_card(&cards[0], plan->devices[0]);
	open_card(&cards[1], plan->devices[1]);
	fill_rx(&cards[0]);
	fill_rx(&cards[1]);
	first_burst(&cards[0]);
	first_burst(&cards[1]);
	count_start(&count, plan);
	do {
		for (unsigned int i = 0; i < BENCH_LOOK; i++) {
			count.frames += pass_on(&cards[0], &cards[1]);
			count.frames += pass_on(&cards[1], &cards[0]);
		}
	} while (count_goes_on(&count));
	count_report(&count, plan);
	stop_card(&cards[1]);
	stop_card(&cards[0]);
	close_card(&cards[1]);
	close_card(&cards[0]);
}
