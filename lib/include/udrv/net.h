/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Network cards: a driver registers one as in Linux's <linux/netdevice.h>; who opens it, an
 * application or the daemon's exporter (`udrv run ... --tap NAME`), moves frames in bursts, without
 * a copy between the card's rings and its buffers. There is one user at a time. A queue is used by
 * one thread at a time, different queues share nothing.
 */
#ifndef UDRV_NET_H
#define UDRV_NET_H

#include <udrv/gfp.h>
#include <udrv/types.h>

UDRV_BEGIN_DECLS

struct udrv_net_device;
/** struct udrv_net_pool - where buffers come from and go to. */
struct udrv_net_pool;
/** struct udrv_net_state - the framework's. */
struct udrv_net_state;

/* Buffers. */

/** UDRV_NET_HEADROOM - bytes in front of the data of a new buffer. */
#define UDRV_NET_HEADROOM 128

/** UDRV_NET_RX_CSUM_GOOD - received: the card found the TCP or UDP checksum right. */
#define UDRV_NET_RX_CSUM_GOOD (1u << 0)
/** UDRV_NET_RX_CSUM_BAD - received: the card found the IPv4, TCP or UDP checksum wrong. */
#define UDRV_NET_RX_CSUM_BAD (1u << 1)
/** UDRV_NET_VLAN - @vlan_tci is the 802.1Q tag of the frame, which is not in its data. */
#define UDRV_NET_VLAN (1u << 2)
/** UDRV_NET_TX_CSUM - to be sent: the card is to compute the checksum (CHECKSUM_PARTIAL). */
#define UDRV_NET_TX_CSUM (1u << 3)
/** UDRV_NET_TX_TSO4 - to be sent: the card is to cut TCP over IPv4; with UDRV_NET_TX_CSUM. */
#define UDRV_NET_TX_TSO4 (1u << 4)
/** UDRV_NET_TX_TSO6 - to be sent: the card is to cut TCP over IPv6; with UDRV_NET_TX_CSUM. */
#define UDRV_NET_TX_TSO6 (1u << 5)

/**
 * struct udrv_net_buf - a frame, or a part of one (Linux: struct sk_buff)
 * @data: the first byte: the Ethernet header, of the frame's first buffer
 * @len: bytes from @data on, without the frame check sequence
 * @flags: UDRV_NET_*
 * @vlan_tci: with UDRV_NET_VLAN
 * @csum_start: with UDRV_NET_TX_CSUM: the checksum is computed from there, bytes from @data
 * @csum_offset: and stored there, bytes from @csum_start; the sum of the pseudo header is there
 * already (with TSO: for a length of 0)
 * @gso_size: with TSO: payload bytes of each segment
 * @hdr_len: with TSO: bytes of the headers, Ethernet to TCP, which are in the first buffer
 * @size: bytes from @start on, not to be changed
 * @next: of a frame to be sent: its next part, or NULL. A received frame is one buffer.
 * @start: the memory behind the headroom, where @data begins; as what follows, not to be changed
 * @to_iova: what is added to an address in it for the device's; see udrv_net_buf_iova()
 * @pool: where it goes when it is freed
 *
 * Who has it owns all of it. One that was sent belongs to the driver, which frees it.
 */
struct udrv_net_buf {
	unsigned char *data;
	uint32_t len;
	uint32_t flags;
	uint16_t vlan_tci;
	uint16_t csum_start, csum_offset;
	uint16_t gso_size;
	uint16_t hdr_len;
	uint32_t size;
	struct udrv_net_buf *next;
	unsigned char *start;
	udrv_iova_t to_iova;
	struct udrv_net_pool *pool;
} __attribute__((aligned(64)));

/**
 * udrv_net_pool_create() - make a pool of buffers
 * @dev: which is to reach them by DMA; NULL: plain memory, without such addresses
 * @name: for messages and `udrv slabs`; cut to 20 bytes, copied
 * @room: bytes of each behind the headroom, 1 to 128 KiB
 * @count: at most so many buffers, all made now; 0: as many as are asked for with UDRV_GFP_KERNEL
 *
 * What a thread has freed last it keeps for itself, up to a quarter of @count. Any thread that may
 * block. Return: the pool, or NULL; udrv_log() says why.
 */
UDRV_API struct udrv_net_pool *udrv_net_pool_create(struct udrv_device *dev, const char *name,
						    size_t room, size_t count);

/**
 * udrv_net_pool_destroy() - end a pool
 * @pool: it, or NULL
 *
 * Any thread that may block. Return: 0, or -EBUSY while buffers are out; the pool is as before.
 */
UDRV_API int udrv_net_pool_destroy(struct udrv_net_pool *pool);

/**
 * udrv_net_buf_alloc_bulk() - allocate buffers
 * @pool: of which
 * @gfp: UDRV_GFP_KERNEL, or UDRV_GFP_ATOMIC: neither sleeps nor makes a system call
 * @n: how many
 * @bufs: where to put them; undefined when there are not so many
 *
 * Each is empty, behind the headroom, without flags, the last of its frame. Any thread, with
 * UDRV_GFP_ATOMIC also in handlers. Return: 0, or -ENOMEM and there is none.
 */
UDRV_API int udrv_net_buf_alloc_bulk(struct udrv_net_pool *pool, udrv_gfp_t gfp, unsigned int n,
				     struct udrv_net_buf **bufs);

/** udrv_net_buf_alloc() - one of udrv_net_buf_alloc_bulk(), or NULL. Source: alloc_skb(). */
UDRV_API struct udrv_net_buf *udrv_net_buf_alloc(struct udrv_net_pool *pool, udrv_gfp_t gfp);

/**
 * udrv_net_buf_free_bulk() - free frames
 * @bufs: the first buffer of each; all that hang on it are freed
 * @n: how many
 *
 * Any thread, handlers too.
 */
UDRV_API void udrv_net_buf_free_bulk(struct udrv_net_buf **bufs, unsigned int n);

/** udrv_net_buf_free() - free a frame; NULL: nothing. Source: kfree_skb(). */
UDRV_API void udrv_net_buf_free(struct udrv_net_buf *buf);

/**
 * udrv_net_pool_put() - give buffers back whose state is known: udrv_net_buf_free_bulk() without a
 *	look at them
 * @pool: which all of them are of
 * @bufs: each alone, and empty as it was allocated (udrv_net_buf_reset())
 * @n: how many
 *
 * Any thread, handlers too.
 */
UDRV_API void udrv_net_pool_put(struct udrv_net_pool *pool, struct udrv_net_buf **bufs,
				unsigned int n);

/** udrv_net_buf_reset() - make a buffer empty, as it was allocated; @next stays. */
static inline void udrv_net_buf_reset(struct udrv_net_buf *buf)
{
	buf->data = buf->start;
	buf->len = 0;
	buf->flags = 0;
}

/** udrv_net_buf_iova() - the address of the data for the device. */
static inline udrv_iova_t udrv_net_buf_iova(const struct udrv_net_buf *buf)
{
	return (uintptr_t)buf->data + buf->to_iova;
}

/** udrv_net_buf_headroom() - bytes in front of the data. Source: skb_headroom(). */
static inline uint32_t udrv_net_buf_headroom(const struct udrv_net_buf *buf)
{
	return (uint32_t)(buf->data - buf->start) + UDRV_NET_HEADROOM;
}

/** udrv_net_buf_tailroom() - bytes behind the data. Source: skb_tailroom(). */
static inline uint32_t udrv_net_buf_tailroom(const struct udrv_net_buf *buf)
{
	return buf->size - (uint32_t)(buf->data - buf->start) - buf->len;
}

/** udrv_net_buf_put() - @len bytes more at the end: where they are, or NULL. Source: skb_put(). */
static inline unsigned char *udrv_net_buf_put(struct udrv_net_buf *buf, uint32_t len)
{
	unsigned char *tail = buf->data + buf->len;

	if (len > udrv_net_buf_tailroom(buf))
		return NULL;
	buf->len += len;
	return tail;
}

/** udrv_net_buf_push() - @len bytes more in front: the new data, or NULL. Source: skb_push(). */
static inline unsigned char *udrv_net_buf_push(struct udrv_net_buf *buf, uint32_t len)
{
	if (len > udrv_net_buf_headroom(buf))
		return NULL;
	buf->data -= len;
	buf->len += len;
	return buf->data;
}

/** udrv_net_buf_pull() - @len bytes less in front: the new data, or NULL. Source: skb_pull(). */
static inline unsigned char *udrv_net_buf_pull(struct udrv_net_buf *buf, uint32_t len)
{
	if (len > buf->len)
		return NULL;
	buf->data += len;
	buf->len -= len;
	return buf->data;
}

/* Queues. */

/**
 * struct udrv_net_rxq - where frames are received; the driver's, from ndo_open to ndo_stop
 * @burst: see udrv_net_rx_burst()
 * @ndev: of which device
 * @index: which of its queues
 * @packets: received, counted by @burst
 * @bytes: of them
 * @dropped: frames that the driver threw away: they are broken, or there was no buffer
 */
struct udrv_net_rxq {
	unsigned int (*burst)(struct udrv_net_rxq *q, struct udrv_net_buf **bufs, unsigned int n);
	struct udrv_net_device *ndev;
	unsigned int index;
	uint64_t packets, bytes, dropped;
};

/**
 * struct udrv_net_txq - where frames are sent; the driver's, from ndo_open to ndo_stop
 * @burst: see udrv_net_tx_burst()
 * @ndev: of which device
 * @index: which of its queues
 * @packets: sent, counted by @burst
 * @bytes: of them
 * @dropped: frames that the driver threw away as the card cannot send them
 */
struct udrv_net_txq {
	unsigned int (*burst)(struct udrv_net_txq *q, struct udrv_net_buf **bufs, unsigned int n);
	struct udrv_net_device *ndev;
	unsigned int index;
	uint64_t packets, bytes, dropped;
};

/**
 * udrv_net_rx_burst() - take frames that have been received
 * @q: the queue
 * @bufs: where to put them; they are the caller's
 * @n: at most so many
 *
 * Does not block. One thread at a time for a queue. Return: how many; 0 also when the device is
 * gone (udrv_device_gone()).
 */
static inline unsigned int udrv_net_rx_burst(struct udrv_net_rxq *q, struct udrv_net_buf **bufs,
					     unsigned int n)
{
	return q->burst(q, bufs, n);
}

/**
 * udrv_net_tx_burst() - send frames
 * @q: the queue
 * @bufs: them; the first so many as are returned are the driver's from then on
 * @n: how many; 0: only free what has been sent
 *
 * A frame that the card cannot send (too long, of too many parts) is taken, dropped and counted.
 * Does not block. One thread at a time for a queue. Return: how many were taken; fewer if there is
 * no room; none when the device is gone.
 */
static inline unsigned int udrv_net_tx_burst(struct udrv_net_txq *q, struct udrv_net_buf **bufs,
					     unsigned int n)
{
	return q->burst(q, bufs, n);
}

/* Devices, for drivers. */

/** UDRV_NET_QUEUES_MAX - queues of each direction that a device can have. */
#define UDRV_NET_QUEUES_MAX 8
/** UDRV_NET_MULTICAST_MAX - groups that are filtered for; with more all multicast is received. */
#define UDRV_NET_MULTICAST_MAX 256
/** UDRV_ETH_ALEN - bytes of an address (Linux: ETH_ALEN). */
#define UDRV_ETH_ALEN 6
/** UDRV_ETH_HLEN - bytes of an Ethernet header (Linux: ETH_HLEN). */
#define UDRV_ETH_HLEN 14

/* Of hw_features, Linux's NETIF_F_*: what the card can do for who sends and receives. */
/** UDRV_NET_F_TX_CSUM - it knows UDRV_NET_TX_CSUM (NETIF_F_HW_CSUM). */
#define UDRV_NET_F_TX_CSUM (1u << 0)
/** UDRV_NET_F_TSO - it knows UDRV_NET_TX_TSO4 and UDRV_NET_TX_TSO6 (NETIF_F_TSO, TSO6). */
#define UDRV_NET_F_TSO (1u << 1)
/** UDRV_NET_F_RX_CSUM - it checks the checksums of what it receives (NETIF_F_RXCSUM). */
#define UDRV_NET_F_RX_CSUM (1u << 2)
/** UDRV_NET_F_VLAN_TX - it inserts tags (NETIF_F_HW_VLAN_CTAG_TX). */
#define UDRV_NET_F_VLAN_TX (1u << 3)
/** UDRV_NET_F_VLAN_RX - it takes tags out (NETIF_F_HW_VLAN_CTAG_RX). */
#define UDRV_NET_F_VLAN_RX (1u << 4)
/** UDRV_NET_F_VLAN_FILTER - only tags of ndo_vlan_rx_add_vid() are received (.._CTAG_FILTER). */
#define UDRV_NET_F_VLAN_FILTER (1u << 5)

/** struct udrv_net_stats - since it was registered (Linux: struct rtnl_link_stats64). */
struct udrv_net_stats {
	uint64_t rx_packets, tx_packets;
	uint64_t rx_bytes, tx_bytes;
	uint64_t rx_errors, tx_errors;
	uint64_t rx_dropped, tx_dropped;
	uint64_t multicast, collisions;
	uint64_t rx_length_errors, rx_over_errors, rx_crc_errors, rx_frame_errors;
	uint64_t rx_fifo_errors, rx_missed_errors;
	uint64_t tx_aborted_errors, tx_carrier_errors;
};

/**
 * struct udrv_net_device_ops - what a driver does (Linux: struct net_device_ops)
 * @ndo_open: make the queues that @options of the device asks for, in @rxq and @txq, and begin to
 *	receive. 0 or negative errno with nothing done.
 * @ndo_stop: no DMA any more, then free what ndo_open has made, with all frames in it
 * @ndo_set_rx_mode: filter as @flags, @mc and @mc_count of the device say
 * @ndo_set_mac_address: filter for this address. Then the framework sets @dev_addr, unless the
 *	driver has done so, with a lock of its own, as it reads it in other threads. 0 or negative
 *	errno.
 * @ndo_get_stats64: add what the card has counted; @stats has what its queues have
 * @ndo_vlan_rx_add_vid: receive this VLAN; NULL without UDRV_NET_F_VLAN_FILTER
 * @ndo_vlan_rx_kill_vid: no more
 * @rx_pending: is there something for @burst? Of the queue's thread; a few instructions.
 * @rx_event_fd: an eventfd, non-blocking, that becomes readable when there is, after rx_arm(); who
 *	waits reads it or not. -EOPNOTSUPP: there is none.
 * @rx_arm: the queue's thread is about to sleep. True if there is something already, and it must
 *	not.
 * @tx_event_fd: likewise an eventfd for room in the ring, and frames that were sent
 * @tx_arm: as @rx_arm: true if there is room
 *
 * Those that begin with ndo_ are called by one thread at a time, which may sleep; those without
 * only while it is open.
 */
struct udrv_net_device_ops {
	int (*ndo_open)(struct udrv_net_device *ndev);
	int (*ndo_stop)(struct udrv_net_device *ndev);
	void (*ndo_set_rx_mode)(struct udrv_net_device *ndev);
	int (*ndo_set_mac_address)(struct udrv_net_device *ndev, const uint8_t *addr);
	void (*ndo_get_stats64)(struct udrv_net_device *ndev, struct udrv_net_stats *stats);
	int (*ndo_vlan_rx_add_vid)(struct udrv_net_device *ndev, uint16_t vid);
	int (*ndo_vlan_rx_kill_vid)(struct udrv_net_device *ndev, uint16_t vid);
	bool (*rx_pending)(struct udrv_net_rxq *q);
	int (*rx_event_fd)(struct udrv_net_rxq *q);
	bool (*rx_arm)(struct udrv_net_rxq *q);
	int (*tx_event_fd)(struct udrv_net_txq *q);
	bool (*tx_arm)(struct udrv_net_txq *q);
};

/**
 * struct udrv_net_options - what who opens a device asks for
 * @rx_queues: 1 to max_rx_queues; 0: 1
 * @tx_queues: 1 to max_tx_queues; 0: 1
 * @rx_ring: descriptors of each, 0: the driver's default; it takes the nearest that the card can
 * have
 * @tx_ring: likewise
 * @rx_buffers: received frames that the user may keep at a time; 0: the driver's default
 * @features: of UDRV_NET_F_*; what the device does not know is left out
 */
struct udrv_net_options {
	unsigned int rx_queues, tx_queues;
	unsigned int rx_ring, tx_ring;
	unsigned int rx_buffers;
	uint32_t features;
};

/**
 * struct udrv_net_device - a network card; the driver's memory (Linux: struct net_device)
 * @dev: the device that it is; NULL: none, plain memory
 * @name: for messages, e.g. "e1000e-0000:00:05.0": unique in the process
 * @perm_addr: the card's own address
 * @min_mtu: bytes of payload
 * @max_mtu: likewise
 * @max_rx_queues: at least 1
 * @max_tx_queues: likewise
 * @hw_features: UDRV_NET_F_*
 * @netdev_ops: see there
 * @priv: the driver's own
 * @rxq: set by ndo_open, for @options.rx_queues
 * @txq: likewise
 * @options: of who has opened it, with numbers of queues filled in
 * @features: those of @hw_features that were asked for
 * @mtu: bytes of payload; from 1500 on. Changed only while it is closed.
 * @dev_addr: the address in use
 * @flags: IFF_PROMISC, IFF_ALLMULTI
 * @mc_count: groups in @mc
 * @mc: multicast addresses to receive
 * @speed: Mb/s, set by the driver before udrv_netif_carrier_on(); 0: not known. Atomic: a link that
 *	is up may change
 * @full_duplex: likewise
 * @carrier: the framework's
 * @state: the framework's
 * @next: the framework's
 *
 * The first block is filled in before udrv_register_netdev().
 */
struct udrv_net_device {
	struct udrv_device *dev;
	char name[32];
	uint8_t perm_addr[UDRV_ETH_ALEN];
	unsigned int min_mtu, max_mtu;
	unsigned int max_rx_queues, max_tx_queues;
	uint32_t hw_features;
	const struct udrv_net_device_ops *netdev_ops;
	void *priv;

	struct udrv_net_rxq *rxq[UDRV_NET_QUEUES_MAX];
	struct udrv_net_txq *txq[UDRV_NET_QUEUES_MAX];

	struct udrv_net_options options;
	uint32_t features;
	unsigned int mtu;
	uint8_t dev_addr[UDRV_ETH_ALEN];
	unsigned int flags;
	unsigned int mc_count;
	uint8_t mc[UDRV_NET_MULTICAST_MAX][UDRV_ETH_ALEN];
	unsigned int speed;
	bool full_duplex;
	bool carrier;
	struct udrv_net_state *state;
	struct udrv_net_device *next;
};

/**
 * udrv_register_netdev() - offer a network card; from probe()
 * @ndev: filled in
 *
 * It is closed. The daemon exports it if it is told to, once probe() has returned. Any thread that
 * may block. Return: 0, -EINVAL and a log line if it makes no sense, -EEXIST. Source: Linux
 * register_netdev().
 */
UDRV_API int udrv_register_netdev(struct udrv_net_device *ndev);

/**
 * udrv_unregister_netdev() - undo udrv_register_netdev(); of one that is not registered, nothing
 * @ndev: not open any more, but by the daemon's exporter, which has ended when this returns; what
 * an application has not closed is closed: it must not use its queues
 *
 * Any thread that may block, none that uses its queues. Source: Linux unregister_netdev().
 */
UDRV_API void udrv_unregister_netdev(struct udrv_net_device *ndev);

/**
 * udrv_netif_carrier_on() - there is a link
 * @ndev: registered or not, with @speed and @full_duplex set
 *
 * Any thread, handlers too. Source: Linux netif_carrier_on().
 */
UDRV_API void udrv_netif_carrier_on(struct udrv_net_device *ndev);

/** udrv_netif_carrier_off() - there is none, as at first. Source: Linux netif_carrier_off(). */
UDRV_API void udrv_netif_carrier_off(struct udrv_net_device *ndev);

/** udrv_netif_carrier_ok() - is there a link? Any thread. Source: Linux netif_carrier_ok(). */
UDRV_API bool udrv_netif_carrier_ok(const struct udrv_net_device *ndev);

/* Devices, for who uses them. */

/** udrv_net_next() - walk the network cards: @after, or NULL for the first. NULL at the end. */
UDRV_API struct udrv_net_device *udrv_net_next(const struct udrv_net_device *after);

/**
 * udrv_net_open() - begin to use a network card
 * @ndev: one that is registered
 * @options: what is wanted; NULL: all of it 0, and all features
 *
 * Its queues are in @rxq and @txq until udrv_net_close(). Any thread that may block. Return: 0,
 * -EBUSY if it is open, -EINVAL for queues that it does not have, -ENODEV if it is not registered,
 * or negative errno of the driver, explained. Source: Linux dev_open().
 */
UDRV_API int udrv_net_open(struct udrv_net_device *ndev, const struct udrv_net_options *options);

/**
 * udrv_net_close() - end it
 * @ndev: it; nothing if it is not open
 *
 * No thread uses its queues. Received buffers that the caller has are to be freed before. Frames
 * that have not been sent may be lost. Source: Linux dev_close().
 */
UDRV_API void udrv_net_close(struct udrv_net_device *ndev);

/**
 * udrv_net_set_mtu() - bytes of payload
 * @ndev: closed
 * @mtu: min_mtu to max_mtu
 *
 * Return: 0, -EINVAL, -EBUSY if it is open. Source: Linux dev_set_mtu().
 */
UDRV_API int udrv_net_set_mtu(struct udrv_net_device *ndev, unsigned int mtu);

/**
 * udrv_net_set_mac_address() - the address that is received for
 * @ndev: open or not
 * @addr: neither zero nor a multicast address
 *
 * Any thread that may block. Return: 0, -EADDRNOTAVAIL for such an address, -EOPNOTSUPP, or the
 * driver's. Source: Linux dev_set_mac_address().
 */
UDRV_API int udrv_net_set_mac_address(struct udrv_net_device *ndev, const uint8_t *addr);

/**
 * udrv_net_set_rx_mode() - what else is received
 * @ndev: open or not
 * @flags: IFF_PROMISC, IFF_ALLMULTI, or 0
 * @mc: multicast addresses, @count times UDRV_ETH_ALEN bytes; more than UDRV_NET_MULTICAST_MAX:
 *	as IFF_ALLMULTI
 * @count: how many
 *
 * Any thread that may block. Source: Linux dev_set_promiscuity(), dev_mc_add().
 */
UDRV_API void udrv_net_set_rx_mode(struct udrv_net_device *ndev, unsigned int flags,
				   const uint8_t *mc, unsigned int count);

/**
 * udrv_net_vlan_vid_add() - receive a VLAN, of those that the card filters
 * @ndev: open
 * @vid: 0 to 4095
 *
 * Any thread that may block. Return: 0, -EOPNOTSUPP if it does not filter: all are received.
 * Source: Linux vlan_vid_add().
 */
UDRV_API int udrv_net_vlan_vid_add(struct udrv_net_device *ndev, uint16_t vid);

/** udrv_net_vlan_vid_del() - undo udrv_net_vlan_vid_add(). Source: Linux vlan_vid_del(). */
UDRV_API int udrv_net_vlan_vid_del(struct udrv_net_device *ndev, uint16_t vid);

/**
 * udrv_net_get_stats() - what it has counted
 * @ndev: registered
 * @stats: filled in
 *
 * Any thread that may block. Source: Linux dev_get_stats().
 */
UDRV_API void udrv_net_get_stats(struct udrv_net_device *ndev, struct udrv_net_stats *stats);

/**
 * udrv_net_rx_wait() - wait for a frame
 * @q: the queue
 * @timeout_ns: not longer than that; 0: only look; UINT64_MAX: no limit
 *
 * Looks for a while if frames come quickly (never on one CPU), then sleeps until the card
 * interrupts. The queue's thread. Return: 1, 0 when the time is over, -ENODEV when the device is
 * gone, -EINTR.
 */
UDRV_API int udrv_net_rx_wait(struct udrv_net_rxq *q, uint64_t timeout_ns);

UDRV_END_DECLS

#endif
