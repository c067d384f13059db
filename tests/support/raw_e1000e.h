/* SPDX-License-Identifier: MIT */
/*
 * The least 82574 driver that there can be, for suites that look at the software one: rings by
 * hand, everything in one thread and checked. Not for drivers/e1000e's own.
 */
#ifndef TESTS_SUPPORT_RAW_E1000E_H
#define TESTS_SUPPORT_RAW_E1000E_H

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <check.h>
#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/io.h>
#include <udrv/pci.h>

#include "backend/model.h"
#include "backend/model_e1000e_dev.h"
#include "pci/device.h"

#define RAW_ENTRIES 16u
#define RAW_MOST    64u
#define RAW_BUF	    4096u /* room for each of receive descriptors */
#define RAW_DATA    (1u << 17)
#define RAW_LONG_MS 60000 /* for any machine under load; reached by what fails only */
#define RAW_RCTL    (RCTL_EN | RCTL_BAM | RCTL_SECRC)
#define RAW_TCTL    (TCTL_EN | TCTL_PSP)
#define RAW_TXD	    (TXD_EOP | TXD_IFCS | TXD_RS)

/* Of one of the two queues of a direction. */
struct raw_ring {
	uint32_t (*desc)[4];
	udrv_iova_t iova;
	unsigned char *buf; /* RAW_MOST buffers, receive */
	udrv_iova_t buf_iova;
	unsigned int size, next, tail;
};

/* A card, all of it; most suites have one. */
struct raw_card {
	struct udrv_device *dev;
	void __udrv_iomem *regs;
	struct raw_ring rx[QUEUES], tx[QUEUES];
	unsigned char *data; /* RAW_DATA bytes to send */
	udrv_iova_t data_iova;
	unsigned char mac[6];
	int fds[VECTORS];
};

static struct raw_card card;

static inline uint32_t rd(uint32_t reg)
{
	return udrv_readl(card.regs + reg);
}

static inline void wr(uint32_t reg, uint32_t val)
{
	udrv_writel(val, card.regs + reg);
}

static inline void raw_alloc(struct raw_ring *r, bool buffers)
{
	r->desc = udrv_dma_alloc_coherent(card.dev, RAW_MOST * DESC_LEN, &r->iova, UDRV_GFP_KERNEL);
	ck_assert_ptr_nonnull(r->desc);
	if (!buffers)
		return;
	r->buf = udrv_dma_alloc_coherent(card.dev, RAW_MOST * RAW_BUF, &r->buf_iova,
					 UDRV_GFP_KERNEL);
	ck_assert_ptr_nonnull(r->buf);
}

/* The device, and memory, without anything being enabled. */
static inline void raw_open(const char *name)
{
	memset(&card, 0, sizeof(card));
	ck_assert_int_eq(udrv_device_open(name, NULL, &card.dev), 0);
	ck_assert_int_eq(udrv_pci_enable_device(card.dev), 0);
	ck_assert_int_eq(udrv_pci_set_master(card.dev), 0);
	card.regs = udrv_pci_iomap(card.dev, 0, 0);
	ck_assert_ptr_nonnull(card.regs);
	for (unsigned int i = 0; i < QUEUES; i++) {
		raw_alloc(&card.rx[i], true);
		raw_alloc(&card.tx[i], false);
	}
	card.data = udrv_dma_alloc_coherent(card.dev, RAW_DATA, &card.data_iova, UDRV_GFP_KERNEL);
	ck_assert_ptr_nonnull(card.data);
	for (unsigned int i = 0; i < VECTORS; i++)
		card.fds[i] = -1;
}

static inline void raw_close(void)
{
	if (!card.dev)
		return;
	udrv_device_close(card.dev);
	for (unsigned int i = 0; i < VECTORS; i++)
		if (card.fds[i] >= 0)
			close(card.fds[i]);
	memset(&card, 0, sizeof(card));
}

static inline void raw_reset(void)
{
	wr(REG_IMC, UINT32_MAX);
	wr(REG_CTRL, rd(REG_CTRL) | CTRL_RST);
	ck_assert_uint_eq(rd(REG_CTRL) & CTRL_RST, 0);
}

static inline struct udrv__model_e1000e_state raw_look(void)
{
	struct udrv__model_e1000e_state state;

	udrv__model_e1000e_look(card.dev, &state);
	return state;
}

static inline void raw_wait_link(bool up)
{
	for (unsigned int ms = 0; raw_look().link != up && ms < RAW_LONG_MS; ms++)
		poll(NULL, 0, 1);
	ck_assert_int_eq(raw_look().link, up);
}

static inline void raw_set_ring(uint32_t ring, const struct raw_ring *r)
{
	wr(ring + RING_BAL, (uint32_t)r->iova);
	wr(ring + RING_BAH, (uint32_t)(r->iova >> 32));
	wr(ring + RING_LEN, r->size * DESC_LEN);
	wr(ring + RING_HEAD, 0);
	wr(ring + RING_TAIL, 0);
}

/* A buffer for the device at the tail, not told. */
static inline void raw_put_buffer(unsigned int queue)
{
	struct raw_ring *r = &card.rx[queue];
	const udrv_iova_t iova = r->buf_iova + (udrv_iova_t)r->tail * RAW_BUF;
	uint32_t *desc = r->desc[r->tail];

	memset(desc, 0, DESC_LEN);
	desc[0] = (uint32_t)iova;
	desc[1] = (uint32_t)(iova >> 32);
	r->tail = (r->tail + 1) % r->size;
}

static inline void raw_tell_rx(unsigned int queue)
{
	wr(e1000e_ring(REG_RX_RING, queue) + RING_TAIL, card.rx[queue].tail);
}

/* With so many buffers, at most entries - 1. */
static inline void raw_start_rx(unsigned int queue, unsigned int entries, unsigned int buffers)
{
	struct raw_ring *r = &card.rx[queue];

	memset(r->desc, 0, RAW_MOST * DESC_LEN);
	r->size = entries;
	r->next = r->tail = 0;
	raw_set_ring(e1000e_ring(REG_RX_RING, queue), r);
	for (unsigned int i = 0; i < buffers; i++)
		raw_put_buffer(queue);
	raw_tell_rx(queue);
}

static inline void raw_start_tx(unsigned int queue, unsigned int entries)
{
	struct raw_ring *r = &card.tx[queue];

	memset(r->desc, 0, RAW_MOST * DESC_LEN);
	r->size = entries;
	r->next = r->tail = 0;
	raw_set_ring(e1000e_ring(REG_TX_RING, queue), r);
}

static inline void raw_read_mac(void)
{
	const uint32_t low = rd(REG_RAL), high = rd(REG_RAL + 4);

	for (unsigned int i = 0; i < 6; i++)
		card.mac[i] = (unsigned char)((i < 4 ? low >> 8 * i : high >> 8 * (i - 4)));
}

/* All that was set up, on queue 0, with the link up. */
static inline void raw_start(uint32_t rctl, uint32_t rfctl)
{
	raw_reset();
	raw_read_mac();
	raw_wait_link(true);
	wr(REG_RFCTL, rfctl);
	raw_start_rx(0, RAW_ENTRIES, RAW_ENTRIES - 1);
	raw_start_tx(0, RAW_ENTRIES);
	wr(REG_RCTL, rctl);
	wr(REG_TCTL, RAW_TCTL);
}

static inline void raw_up(const char *name)
{
	raw_open(name);
	raw_start(RAW_RCTL, RFCTL_EXTEN);
}

static inline uint32_t raw_word(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline bool raw_is_legacy(void)
{
	return !(rd(REG_RFCTL) & RFCTL_EXTEN);
}

/* Does the next descriptor have DD? */
static inline bool raw_peek(unsigned int queue)
{
	const struct raw_ring *r = &card.rx[queue];

	return raw_word(&r->desc[r->next][raw_is_legacy() ? 3 : 2]) & RXD_DD;
}

/* What a descriptor says, of either format, and its buffer, which is given back. */
struct raw_packet {
	uint32_t status, mrq, high;
	unsigned int len, vlan, sum;
	const unsigned char *bytes;
};

static inline struct raw_packet raw_decode(const uint32_t *desc)
{
	struct raw_packet p = {0};
	const uint32_t w2 = raw_word(desc + 2), w3 = raw_word(desc + 3);

	p.vlan = w3 >> 16;
	if (raw_is_legacy()) {
		p.status = (w3 & 0xff) | (w3 >> 8 & 0xff) << RXD_ERR_SHIFT;
		p.len = w2 & 0xffff;
		p.sum = w2 >> 16;
		return p;
	}
	p.mrq = desc[0];
	p.high = desc[1];
	p.status = w2;
	p.len = w3 & 0xffff;
	p.sum = desc[1] >> 16;
	return p;
}

static inline struct raw_packet raw_pop(unsigned int queue)
{
	struct raw_ring *r = &card.rx[queue];
	struct raw_packet p = raw_decode(r->desc[r->next]);

	p.bytes = r->buf + (size_t)r->next * RAW_BUF;
	r->next = (r->next + 1) % r->size;
	return p;
}

static inline struct raw_packet raw_wait(unsigned int queue)
{
	for (unsigned int ms = 0; !raw_peek(queue) && ms < RAW_LONG_MS; ms++) {
		udrv__model_e1000e_settle(card.dev);
		if (!raw_peek(queue))
			poll(NULL, 0, 1);
	}
	ck_assert_msg(raw_peek(queue), "no packet on queue %u", queue);
	return raw_pop(queue);
}

/* Nothing has come now. */
static inline void raw_none(unsigned int queue)
{
	udrv__model_e1000e_settle(card.dev);
	ck_assert(!raw_peek(queue));
}

/* A buffer more for the device. */
static inline void raw_refill(unsigned int queue)
{
	raw_put_buffer(queue);
	raw_tell_rx(queue);
}

/* A frame for the card, of which all bytes tell its seed. */
static inline void raw_frame(unsigned char *frame, size_t len, unsigned int seed)
{
	static const unsigned char from[8] = {0x02, 0, 0, 0, 0, 1, 0x88, 0xb5};
	uint32_t x = seed * 2654435761u + 1;

	memcpy(frame, card.mac, 6);
	memcpy(frame + 6, from, sizeof(from));
	for (size_t i = 14; i < len; i++) {
		x = x * 1664525u + 1013904223u;
		frame[i] = (unsigned char)(x >> 24);
	}
}

static inline void raw_send_frame(size_t len, unsigned int seed)
{
	unsigned char frame[UDRV__E1000E_FRAME_MAX];

	raw_frame(frame, len, seed);
	ck_assert(udrv__model_e1000e_send(card.dev, frame, len));
}

static inline void raw_check_frame(const struct raw_packet *p, size_t len, unsigned int seed)
{
	unsigned char frame[UDRV__E1000E_FRAME_MAX];

	raw_frame(frame, len, seed);
	ck_assert_uint_eq(p->len, len);
	ck_assert_mem_eq(p->bytes, frame, len);
}

/* Into the ring, but not told: a descriptor, word by word. */
static inline void raw_put_tx(unsigned int queue, uint32_t w0, uint32_t w1, uint32_t w2,
			      uint32_t w3)
{
	struct raw_ring *r = &card.tx[queue];
	uint32_t *desc = r->desc[r->tail];

	desc[0] = w0;
	desc[1] = w1;
	desc[2] = w2;
	desc[3] = w3;
	r->tail = (r->tail + 1) % r->size;
}

static inline void raw_tell_tx(unsigned int queue)
{
	wr(e1000e_ring(REG_TX_RING, queue) + RING_TAIL, card.tx[queue].tail);
}

/* Of card.data, from a byte on; cmd and what is in the last word. */
static inline void raw_put_data(unsigned int queue, size_t at, size_t len, uint32_t cmd,
				uint32_t upper)
{
	const udrv_iova_t iova = card.data_iova + at;

	raw_put_tx(queue, (uint32_t)iova, (uint32_t)(iova >> 32), cmd | (uint32_t)len, upper);
}

static inline bool raw_is_sent(unsigned int queue, unsigned int index)
{
	return raw_word(&card.tx[queue].desc[index][3]) & TXD_DD;
}

/* Until the device has all of them, and the last says so. */
static inline void raw_wait_tx(unsigned int queue)
{
	const struct raw_ring *r = &card.tx[queue];
	const unsigned int last = (r->tail + r->size - 1) % r->size;

	for (unsigned int ms = 0; !raw_is_sent(queue, last) && ms < RAW_LONG_MS; ms++) {
		udrv__model_e1000e_settle(card.dev);
		if (!raw_is_sent(queue, last))
			poll(NULL, 0, 1);
	}
	ck_assert(raw_is_sent(queue, last));
}

/* card.data's first bytes as one legacy descriptor says. */
static inline void raw_send_data(size_t len)
{
	raw_put_data(0, 0, len, RAW_TXD, 0);
	raw_tell_tx(0);
	raw_wait_tx(0);
}

/* What the card has sent; its length. */
static inline size_t raw_take(unsigned char *buf, size_t size)
{
	size_t len = 0;

	for (unsigned int ms = 0; !len && ms < RAW_LONG_MS; ms++) {
		udrv__model_e1000e_settle(card.dev);
		len = udrv__model_e1000e_receive(card.dev, buf, size);
		if (!len)
			poll(NULL, 0, 1);
	}
	return len;
}

/* Interrupts by eventfd. */
static inline void raw_irqs(enum udrv__irq_type type, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		card.fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		ck_assert_int_ge(card.fds[i], 0);
	}
	ck_assert_int_eq(udrv__model_backend.irq_enable(card.dev, type, card.fds, count), 0);
}

/* Has it come? Then it is taken. */
static inline bool raw_irq(unsigned int vector)
{
	eventfd_t count;

	udrv__model_e1000e_settle(card.dev);
	return !eventfd_read(card.fds[vector], &count);
}

static inline bool raw_wait_irq(unsigned int vector)
{
	for (unsigned int ms = 0; ms < RAW_LONG_MS; ms++) {
		if (raw_irq(vector))
			return true;
		poll(NULL, 0, 1);
	}
	return false;
}

static inline uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A test case whose card is closed behind each test. */
static inline TCase *raw_case(Suite *s, const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, NULL, raw_close);
	tcase_set_timeout(tc, 300);
	suite_add_tcase(s, tc);
	return tc;
}

#endif
