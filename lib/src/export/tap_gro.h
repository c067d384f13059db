/* SPDX-License-Identifier: MIT */
/* Received TCP segments of a flow that follow each other are handed on as one. */
#ifndef UDRV_SRC_TAP_GRO_H
#define UDRV_SRC_TAP_GRO_H

#include <linux/virtio_net.h>

#include <udrv/net.h>

/* What goes to the kernel by one call. */
struct udrv__gro_packet {
	struct udrv_net_buf *first, *last; /* linked by next: headers are in the first only */
	struct virtio_net_hdr hdr;

	/* While it may grow. */
	bool open;
	bool v6;
	uint16_t l3, l4, hdr_len; /* where they begin */
	uint16_t mss;
	uint32_t segments, payload;
};

/*
 * @packets has room for @n. How many there are; in the order in which the first frame of each
 * came. Frames of a flow keep their order.
 */
unsigned int udrv__gro(struct udrv_net_buf **bufs, unsigned int n,
		       struct udrv__gro_packet *packets);

#endif
