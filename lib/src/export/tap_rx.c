// SPDX-License-Identifier: MIT
/* Frames from the card to the TAP, from the buffers that they were received in. */
#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include "export/tap.h"

/* The kernel's header, then the parts. */
static ssize_t put(int fd, const struct udrv__gro_packet *p)
{
	struct iovec iov[1 + UDRV__TAP_BURST];
	int n = 1;

	iov[0] = (struct iovec){(void *)(uintptr_t)&p->hdr, sizeof(p->hdr)};
	for (const struct udrv_net_buf *b = p->first; b; b = b->next)
		iov[n++] = (struct iovec){b->data, b->len};
	return writev(fd, iov, n);
}

/* What the kernel does not take is lost, as on a card whose ring is full. */
static void hand_on(struct udrv__tap_queue *q, const struct udrv__gro_packet *p)
{
	ssize_t n;

	do
		n = put(q->fd, p);
	while (n < 0 && errno == EINTR);
	q->counts.rx_writes++;
	if (n >= 0)
		return;
	q->counts.rx_lost++;
	if (errno == EBADFD && !q->deaf) {
		q->deaf = true;
		udrv__tap_wake(q->tap);
	}
}

unsigned int udrv__tap_receive(struct udrv__tap_queue *q)
{
	const unsigned int n = udrv_net_rx_burst(q->rxq, q->rx, UDRV__TAP_BURST);
	unsigned int packets;

	if (!n)
		return 0;
	packets = udrv__gro(q->rx, n, q->packets);
	for (unsigned int i = 0; i < packets; i++) {
		hand_on(q, &q->packets[i]);
		q->rx[i] = q->packets[i].first;
	}
	udrv_net_buf_free_bulk(q->rx, packets);
	q->counts.rx_frames += n;
	return n;
}
