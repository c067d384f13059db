// SPDX-License-Identifier: MIT
/*
 * net_load A B [name=value...]: two e1000e cards that are wired to each other, in one process:
 * frames of every size from 60 to 9,018 bytes in both directions, every byte compared; each side
 * waits for its interrupts. Parameters are the driver's; "frames=N" sends N more, of 60 bytes,
 * "pass=N" passes on N in the buffers of the card that got them, "queues=N" opens so many,
 * "flap=END" unplugs that end of the lab's cable, which is A's, again and again, and "seconds=N"
 * does all of it anew for so long. Prints a line for each direction.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <udrv/delay.h>
#include <udrv/device.h>
#include <udrv/log.h>
#include <udrv/net.h>

#include "e1000e.h"

#define MTU	   9000
#define LEN_MIN	   60
#define LEN_MAX	   9018 /* with a tag in it */
#define LEN_PLAIN  9014
#define BURST	   32
#define STALL_NS   UINT64_C(60000000000)
#define LINK_TRIES 600
#define FLAPS	   3

struct end {
	struct udrv_device *dev;
	struct udrv_net_device *ndev;
	struct udrv_net_pool *pool;
};

static unsigned int queues = 1;
static uint64_t flood;
static uint64_t passed;
static unsigned long soak_s;
static const char *flap;

static struct end ends[2];

/* What may tell why. */
static void show(const struct end *e)
{
	const struct udrv_verb *v = e->dev ? e1000e_driver.verbs : NULL;

	for (; v && v->name; v++) {
		char *argv[] = {(char *)v->name, (char *)"--json", NULL};

		printf("%s %s: ", udrv_device_name(e->dev), v->name);
		(void)v->run(e->dev, 2, argv, stdout, stdout);
	}
}

static void fail(const char *what)
{
	printf("net_load: %s\n", what);
	show(&ends[0]);
	show(&ends[1]);
	exit(1);
}

static struct udrv_net_device *card_of(const struct udrv_device *dev)
{
	struct udrv_net_device *ndev = NULL;

	while ((ndev = udrv_net_next(ndev)) && ndev->dev != dev)
		;
	return ndev;
}

static void open_end(struct end *e, const char *name)
{
	const struct udrv_net_options options = {
		.rx_queues = queues, .tx_queues = queues, .features = UINT32_MAX};

	if (udrv_device_open(name, NULL, &e->dev) || udrv_driver_probe(&e1000e_driver, e->dev))
		fail("a card cannot be taken");
	e->ndev = card_of(e->dev);
	if (!e->ndev || udrv_net_set_mtu(e->ndev, MTU) || udrv_net_open(e->ndev, &options))
		fail("a card cannot be opened");
	udrv_net_set_rx_mode(e->ndev, 0x100 /* IFF_PROMISC */, NULL, 0);
	e->pool = udrv_net_pool_create(e->dev, "load", LEN_MAX, 1024);
	if (!e->pool)
		fail("no memory");
}

static void close_end(struct end *e)
{
	udrv_net_close(e->ndev);
	if (udrv_net_pool_destroy(e->pool))
		fail("frames that were sent have not come back");
	udrv_driver_remove(&e1000e_driver, e->dev);
	udrv_device_close(e->dev);
}

static uint8_t byte_at(uint32_t len, uint32_t i)
{
	const uint64_t x = ((uint64_t)len << 32 | i) * 0x9e3779b97f4a7c15u;

	return (uint8_t)(x >> 56 ^ x >> 29);
}

/* Unicast to @to, of an experimental type; the longest carry a tag. */
static void fill(unsigned char *data, uint32_t len, const struct end *to, const struct end *from)
{
	unsigned int head = 14;

	memcpy(data, to->ndev->dev_addr, 6);
	memcpy(data + 6, from->ndev->dev_addr, 6);
	if (len > LEN_PLAIN) {
		memcpy(data + 12, "\x81\x00\x00\x05", 4);
		head = 18;
	}
	memcpy(data + head - 2, "\x88\xb5", 2);
	for (uint32_t i = head; i < len; i++)
		data[i] = byte_at(len, i);
}

static struct udrv_net_buf *frame(struct end *from, const struct end *to, uint32_t len)
{
	struct udrv_net_buf *buf = udrv_net_buf_alloc(from->pool, UDRV_GFP_ATOMIC);

	if (buf)
		fill(udrv_net_buf_put(buf, len), len, to, from);
	return buf;
}

static void send_all(struct end *from, struct udrv_net_buf **bufs, unsigned int n, unsigned int q)
{
	const time_t end = time(NULL) + 60;
	unsigned int done = 0;

	while (done < n) {
		done += udrv_net_tx_burst(from->ndev->txq[q], bufs + done, n - done);
		if (time(NULL) > end)
			fail("the ring stays full");
	}
}

/* The tag is beside the frame. */
static void check(struct udrv_net_buf *buf, uint32_t len, const struct end *to,
		  const struct end *from)
{
	static unsigned char wanted[LEN_MAX], got[LEN_MAX + 4];
	const bool tagged = buf->flags & UDRV_NET_VLAN;

	fill(wanted, len, to, from);
	if (buf->len + (tagged ? 4 : 0) != len || tagged != (len > LEN_PLAIN)) {
		printf("net_load: %u bytes came for %u\n", buf->len, len);
		exit(1);
	}
	memcpy(got, buf->data, 12);
	if (tagged) {
		memcpy(got + 12, "\x81\x00", 2);
		got[14] = (unsigned char)(buf->vlan_tci >> 8);
		got[15] = (unsigned char)buf->vlan_tci;
	}
	memcpy(got + (tagged ? 16 : 12), buf->data + 12, buf->len - 12);
	if (memcmp(got, wanted, len) != 0)
		fail("a frame came that is not what was sent");
}

/* Of any queue; waits for one interrupt after the other. */
static unsigned int receive(struct end *e, struct udrv_net_buf **bufs, unsigned int n)
{
	for (unsigned int q = 0; q < queues; q++) {
		const unsigned int got = udrv_net_rx_burst(e->ndev->rxq[q], bufs, n);

		if (got)
			return got;
	}
	if (queues > 1)
		return 0;
	if (udrv_net_rx_wait(e->ndev->rxq[0], STALL_NS) != 1)
		fail("frames do not come");
	return udrv_net_rx_burst(e->ndev->rxq[0], bufs, n);
}

static void every_size(struct end *from, struct end *to)
{
	struct udrv_net_buf *bufs[BURST];
	uint32_t len = LEN_MIN;

	while (len <= LEN_MAX) {
		const unsigned int n = LEN_MAX + 1 - len < BURST ? LEN_MAX + 1 - len : BURST;
		unsigned int got = 0;

		for (unsigned int i = 0; i < n; i++) {
			bufs[i] = frame(from, to, len + i);
			if (!bufs[i])
				fail("frames that were sent do not come back");
		}
		send_all(from, bufs, n, len / BURST % queues);
		while (got < n)
			got += receive(to, bufs + got, n - got);
		for (unsigned int i = 0; i < n; i++)
			check(bufs[i], len + i, to, from);
		udrv_net_buf_free_bulk(bufs, n);
		len += n;
	}
	printf("%s -> %s: every size from %u to %u\n", udrv_device_name(from->dev),
	       udrv_device_name(to->dev), LEN_MIN, LEN_MAX);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* As many as go; the other side keeps up, as it is the same thread. */
static void many(struct end *from, struct end *to)
{
	struct udrv_net_buf *bufs[BURST];
	const double begin = seconds();
	uint64_t sent = 0, received = 0;
	unsigned int n;

	while (received < flood) {
		n = 0;
		while (n < BURST && sent < flood && (bufs[n] = frame(from, to, LEN_MIN))) {
			n++;
			sent++;
		}
		send_all(from, bufs, n, 0);
		n = sent < flood ? udrv_net_rx_burst(to->ndev->rxq[0], bufs, BURST)
				 : receive(to, bufs, BURST);
		received += n;
		udrv_net_buf_free_bulk(bufs, n);
	}
	printf("%s -> %s: %" PRIu64 " frames, %.0f per second\n", udrv_device_name(from->dev),
	       udrv_device_name(to->dev), received, (double)flood / (seconds() - begin));
}

static bool set_param(char *word)
{
	char *value = strchr(word, '=');

	if (!value)
		return false;
	*value++ = 0;
	if (!strcmp(word, "frames"))
		flood = strtoull(value, NULL, 10);
	else if (!strcmp(word, "pass"))
		passed = strtoull(value, NULL, 10);
	else if (!strcmp(word, "seconds"))
		soak_s = strtoul(value, NULL, 10);
	else if (!strcmp(word, "flap"))
		flap = value;
	else if (!strcmp(word, "queues"))
		queues = (unsigned int)strtoul(value, NULL, 10);
	else
		for (const struct udrv_param *p = e1000e_driver.params; p->name; p++)
			if (!strcmp(p->name, word))
				*p->value = value;
	return true;
}

static void wait_for_link(const struct end *e, bool on)
{
	for (int i = 0; i < LINK_TRIES; i++) {
		if (udrv_netif_carrier_ok(e->ndev) == on)
			return;
		udrv_msleep(100);
	}
	fail(on ? "no link" : "still a link");
}

static void plug(const char *what)
{
	FILE *lab = fopen("/dev/lab", "w");

	if (!lab || fprintf(lab, "link %s %s\n", flap, what) < 0 || fclose(lab))
		fail("no /dev/lab");
}

/* One frame there and back. */
static void ping(struct end *a, struct end *b)
{
	struct end *from = a, *to = b;

	for (int i = 0; i < 2; i++) {
		struct udrv_net_buf *buf = frame(from, to, 100);

		send_all(from, &buf, 1, 0);
		while (!receive(to, &buf, 1))
			;
		check(buf, 100, to, from);
		udrv_net_buf_free(buf);
		from = b;
		to = a;
	}
}

/* What is sent meanwhile is lost, and nothing else. */
static void flap_link(struct end *a, struct end *b)
{
	const uint64_t before = a->ndev->txq[0]->dropped;

	for (int i = 0; i < FLAPS; i++) {
		struct udrv_net_buf *lost;

		plug("off");
		wait_for_link(a, false);
		lost = frame(a, b, 60);
		send_all(a, &lost, 1, 0);
		plug("on");
		wait_for_link(a, true);
		ping(a, b);
	}
	if (a->ndev->txq[0]->dropped - before != FLAPS)
		fail("frames were lost while there was a link");
	printf("%s: the link came and went %d times\n", udrv_device_name(a->dev), FLAPS);
}

static bool reaches(const struct end *e, const struct udrv_net_buf *buf)
{
	struct udrv_dma_window window = {0};

	return udrv_dma_look_up(e->dev, buf->data, buf->len, &window) == udrv_net_buf_iova(buf);
}

/* What B gets leaves by A, for B again: without a copy if A reaches B's memory. */
static void pass_on(struct end *a, struct end *b)
{
	struct udrv_net_buf *bufs[BURST];
	uint64_t received = 0, reached = 0;
	unsigned int n;

	for (n = 0; n < BURST; n++) {
		bufs[n] = frame(a, b, LEN_MIN + n);
		if (!bufs[n])
			fail("no frames to begin with");
	}
	while (received < passed) {
		send_all(a, bufs, n, 0);
		n = receive(b, bufs, BURST);
		for (unsigned int i = 0; i < n; i++) {
			check(bufs[i], bufs[i]->len, b, a);
			reached += reaches(a, bufs[i]);
		}
		received += n;
	}
	udrv_net_buf_free_bulk(bufs, n);
	for (uint64_t rest = BURST - n; rest; rest -= n) {
		n = receive(b, bufs, BURST);
		udrv_net_buf_free_bulk(bufs, n);
	}
	(void)udrv_net_tx_burst(a->ndev->txq[0], NULL, 0);
	printf("%s passes on what %s gets: %s\n", udrv_device_name(a->dev),
	       udrv_device_name(b->dev),
	       reached == received ? "in place"
	       : reached	   ? "at times in place"
				   : "copied");
}

static void load(struct end *a, struct end *b)
{
	if (passed) {
		pass_on(a, b);
		if (!udrv_dma_share(b->dev, a->dev))
			pass_on(a, b);
	}
	if (flap)
		flap_link(a, b);
	every_size(a, b);
	every_size(b, a);
	if (flood) {
		many(a, b);
		many(b, a);
	}
}

int main(int argc, char **argv)
{
	const double begin = seconds();
	unsigned long times = 0;
	struct end *a = &ends[0], *b = &ends[1];

	udrv_log_set(udrv_log_stderr, NULL, 6);
	if (argc < 3)
		fail("which two cards?");
	for (int i = 3; i < argc; i++)
		if (!set_param(argv[i]))
			fail("name=value is wanted");
	open_end(a, argv[1]);
	open_end(b, argv[2]);
	wait_for_link(a, true);
	wait_for_link(b, true);
	do {
		load(a, b);
		times++;
	} while (seconds() - begin < (double)soak_s);
	if (soak_s)
		printf("%lu times in %.0f s\n", times, seconds() - begin);
	close_end(a);
	close_end(b);
	return 0;
}
