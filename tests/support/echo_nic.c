// SPDX-License-Identifier: MIT
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <udrv/device.h>

#include "support/echo_nic.h"
#include "support/inet.h"

#define FRAME_MAX (80u * 1024)
#define add(x, n) __atomic_add_fetch(&(x), n, __ATOMIC_RELAXED)
/* For who waits for it: what was done before is seen. */
#define done(x)	  __atomic_add_fetch(&(x), 1, __ATOMIC_SEQ_CST)
#define take(x)	  __atomic_exchange_n(&(x), 0, __ATOMIC_SEQ_CST)
#define put(x, v) __atomic_store_n(&(x), v, __ATOMIC_SEQ_CST)

/* Receiving. */

static unsigned int count(const struct echo_nic_queue *q)
{
	return q->tail - q->head;
}

static uint32_t check_sums(const struct echo_nic *nic, uint8_t *frame, size_t len)
{
	struct inet_frame f;

	if (!(nic->ndev.features & UDRV_NET_F_RX_CSUM) || !inet_parse(frame, len, &f))
		return 0;
	return inet_ip_good(&f) && inet_l4_good(&f) ? UDRV_NET_RX_CSUM_GOOD : UDRV_NET_RX_CSUM_BAD;
}

static bool is_lost(struct echo_nic *nic)
{
	const unsigned long n = add(nic->received, 1);

	return nic->o.drop_every && n % nic->o.drop_every == 0;
}

static bool is_too_long(const struct echo_nic *nic, const uint8_t *frame, size_t len)
{
	const size_t head = len > 14 && inet_get16(frame + 12) == 0x8100 ? 18 : 14;

	return len < 14 || len > nic->ndev.mtu + head;
}

void echo_nic_receive(struct echo_nic *nic, unsigned int queue, const void *frame, size_t len)
{
	struct echo_nic_queue *q = &nic->queue[queue];
	struct udrv_net_buf *buf = NULL;
	const bool lost = is_lost(nic) || is_too_long(nic, frame, len);

	pthread_mutex_lock(&q->lock);
	if (q->open && !lost && count(q) < ECHO_NIC_FIFO)
		buf = udrv_net_buf_alloc(nic->pool, UDRV_GFP_KERNEL);
	if (buf) {
		memcpy(udrv_net_buf_put(buf, (uint32_t)len), frame, len);
		buf->flags = check_sums(nic, buf->data, len);
		q->fifo[q->tail++ % ECHO_NIC_FIFO] = buf;
	} else {
		add(q->rx.dropped, 1);
	}
	if (buf && q->rx_armed) {
		q->rx_armed = false;
		(void)eventfd_write(q->rx_fd, 1);
	}
	pthread_mutex_unlock(&q->lock);
}

static struct echo_nic_queue *rx_queue(struct udrv_net_rxq *rx)
{
	return (struct echo_nic_queue *)rx->ndev->priv + rx->index;
}

static unsigned int rx_burst(struct udrv_net_rxq *rx, struct udrv_net_buf **bufs, unsigned int n)
{
	struct echo_nic_queue *q = rx_queue(rx);
	unsigned int i = 0;

	if (rx->ndev->dev && udrv_device_gone(rx->ndev->dev))
		return 0;
	pthread_mutex_lock(&q->lock);
	for (; i < n && count(q); i++) {
		bufs[i] = q->fifo[q->head++ % ECHO_NIC_FIFO];
		add(rx->packets, 1);
		add(rx->bytes, bufs[i]->len);
	}
	pthread_mutex_unlock(&q->lock);
	return i;
}

static bool rx_pending(struct udrv_net_rxq *rx)
{
	struct echo_nic_queue *q = rx_queue(rx);
	bool any;

	pthread_mutex_lock(&q->lock);
	any = count(q) > 0;
	pthread_mutex_unlock(&q->lock);
	return any;
}

static int rx_event_fd(struct udrv_net_rxq *rx)
{
	return rx_queue(rx)->nic->o.no_event ? -EOPNOTSUPP : rx_queue(rx)->rx_fd;
}

static bool rx_arm(struct udrv_net_rxq *rx)
{
	struct echo_nic_queue *q = rx_queue(rx);
	bool any;

	pthread_mutex_lock(&q->lock);
	any = count(q) > 0;
	q->rx_armed = !any;
	pthread_mutex_unlock(&q->lock);
	return any;
}

bool echo_nic_armed(struct echo_nic *nic, unsigned int queue)
{
	bool armed;

	pthread_mutex_lock(&nic->queue[queue].lock);
	armed = nic->queue[queue].rx_armed;
	pthread_mutex_unlock(&nic->queue[queue].lock);
	return armed;
}

/* Sending. */

static void deliver(struct echo_nic_queue *q, const uint8_t *frame, size_t len)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	const char *wire = q->nic->o.wire[1];

	if (q->nic->o.deaf)
		return;
	if (!wire) {
		echo_nic_receive(q->nic, q->rx.index, frame, len);
		return;
	}
	(void)strncpy(to.sun_path, wire, sizeof(to.sun_path) - 1);
	(void)sendto(q->nic->wire_fd, frame, len, MSG_DONTWAIT | MSG_NOSIGNAL,
		     (struct sockaddr *)&to, sizeof(to));
}

/* The checksum, whatever protocol it is of. */
static void fill_csum(uint8_t *frame, size_t len, unsigned int from, unsigned int offset)
{
	uint32_t sum;

	if (from + offset + 2 > len)
		return;
	sum = ~inet_sum(0, frame + from, len - from) & 0xffff;
	inet_put16(frame + from + offset, sum ? sum : 0xffff);
}

/* One segment: addresses, ports and options are the first's. */
static void send_segment(struct echo_nic_queue *q, const uint8_t *frame,
			 const struct udrv_net_buf *buf, size_t at, size_t n, bool last)
{
	static __thread uint8_t segment[FRAME_MAX];
	const unsigned int index = (unsigned int)(at / buf->gso_size);
	const size_t len = buf->hdr_len + n;
	struct inet_frame f;
	uint8_t *tcp = segment + buf->csum_start;

	memcpy(segment, frame, buf->hdr_len);
	memcpy(segment + buf->hdr_len, frame + buf->hdr_len + at, n);
	f.ip = segment + (inet_get16(segment + 12) == 0x8100 ? 18 : 14);
	inet_put16(f.ip + (f.ip[0] >> 4 == 6 ? 4 : 2),
		   (unsigned int)(segment + len - f.ip) - (f.ip[0] >> 4 == 6 ? 40 : 0));
	if (f.ip[0] >> 4 == 4)
		inet_put16(f.ip + 4, inet_get16(f.ip + 4) + index);
	inet_put32(tcp + 4, inet_get32(tcp + 4) + (uint32_t)at);
	if (at)
		tcp[13] &= (uint8_t)~0x80; /* CWR */
	if (!last)
		tcp[13] &= (uint8_t)~0x09; /* FIN, PSH */
	/* The sum of the pseudo header is there for a length of 0. */
	inet_put16(tcp + buf->csum_offset,
		   inet_sum(inet_get16(tcp + buf->csum_offset) + (uint32_t)(segment + len - tcp),
			    NULL, 0));
	fill_csum(segment, len, buf->csum_start, buf->csum_offset);
	if (inet_parse(segment, len, &f) && !f.v6)
		inet_fill(&f);
	deliver(q, segment, len);
}

static void send_frame(struct echo_nic_queue *q, const struct udrv_net_buf *buf)
{
	static __thread uint8_t frame[FRAME_MAX];
	size_t len = 0;

	for (const struct udrv_net_buf *b = buf; b; b = b->next) {
		if (len + b->len > FRAME_MAX)
			return;
		memcpy(frame + len, b->data, b->len);
		len += b->len;
	}
	add(q->tx.packets, 1);
	add(q->tx.bytes, len);
	if (buf->flags & (UDRV_NET_TX_TSO4 | UDRV_NET_TX_TSO6)) {
		const size_t payload = len - buf->hdr_len;

		for (size_t at = 0; at < payload; at += buf->gso_size) {
			const size_t left = payload - at;
			const size_t n = left < buf->gso_size ? left : buf->gso_size;

			send_segment(q, frame, buf, at, n, n == left);
		}
		return;
	}
	if (buf->flags & UDRV_NET_TX_CSUM)
		fill_csum(frame, len, buf->csum_start, buf->csum_offset);
	deliver(q, frame, len);
}

static struct echo_nic_queue *tx_queue(struct udrv_net_txq *tx)
{
	return (struct echo_nic_queue *)tx->ndev->priv + tx->index;
}

/* With the lock. */
static void reclaim(struct echo_nic_queue *q)
{
	udrv_net_buf_free_bulk(q->ring, q->completed);
	q->in_ring -= q->completed;
	memmove(q->ring, q->ring + q->completed, q->in_ring * sizeof(q->ring[0]));
	q->completed = 0;
}

static unsigned int tx_burst(struct udrv_net_txq *tx, struct udrv_net_buf **bufs, unsigned int n)
{
	struct echo_nic_queue *q = tx_queue(tx);
	const unsigned int keep = q->nic->o.tx_ring;
	unsigned int i = 0;

	if (tx->ndev->dev && udrv_device_gone(tx->ndev->dev))
		return 0;
	for (; i < n; i++) {
		pthread_mutex_lock(&q->lock);
		reclaim(q);
		if (keep && q->in_ring >= keep) {
			pthread_mutex_unlock(&q->lock);
			break;
		}
		if (keep)
			q->ring[q->in_ring++] = bufs[i];
		pthread_mutex_unlock(&q->lock);
		send_frame(q, bufs[i]);
		if (!keep)
			udrv_net_buf_free(bufs[i]);
	}
	if (!n) {
		pthread_mutex_lock(&q->lock);
		reclaim(q);
		pthread_mutex_unlock(&q->lock);
	}
	return i;
}

void echo_nic_complete(struct echo_nic *nic, unsigned int queue, unsigned int n)
{
	struct echo_nic_queue *q = &nic->queue[queue];

	pthread_mutex_lock(&q->lock);
	q->completed += n < q->in_ring - q->completed ? n : q->in_ring - q->completed;
	if (q->tx_armed) {
		q->tx_armed = false;
		(void)eventfd_write(q->tx_fd, 1);
	}
	pthread_mutex_unlock(&q->lock);
}

static int tx_event_fd(struct udrv_net_txq *tx)
{
	return tx_queue(tx)->nic->o.no_event ? -EOPNOTSUPP : tx_queue(tx)->tx_fd;
}

static bool tx_arm(struct udrv_net_txq *tx)
{
	struct echo_nic_queue *q = tx_queue(tx);
	bool room;

	pthread_mutex_lock(&q->lock);
	room = q->completed || !q->nic->o.tx_ring || q->in_ring < q->nic->o.tx_ring;
	q->tx_armed = !room;
	pthread_mutex_unlock(&q->lock);
	return room;
}

/* The device. */

static int nic_open(struct udrv_net_device *ndev)
{
	struct echo_nic *nic = ((struct echo_nic_queue *)ndev->priv)->nic;

	const int error = take(nic->open_error);

	if (error) {
		done(nic->refusals);
		return error;
	}
	nic->pool = udrv_net_pool_create(ndev->dev, "echo-rx", nic->o.max_mtu + 18, 0);
	if (!nic->pool)
		return -ENOMEM;
	put(nic->opened_mtu, ndev->mtu);
	for (unsigned int i = 0; i < ndev->options.rx_queues; i++) {
		nic->queue[i].rx = (struct udrv_net_rxq){rx_burst, ndev, i, 0, 0, 0};
		ndev->rxq[i] = &nic->queue[i].rx;
	}
	for (unsigned int i = 0; i < ndev->options.tx_queues; i++) {
		nic->queue[i].tx = (struct udrv_net_txq){tx_burst, ndev, i, 0, 0, 0};
		ndev->txq[i] = &nic->queue[i].tx;
	}
	for (unsigned int i = 0; i < nic->o.queues; i++) {
		pthread_mutex_lock(&nic->queue[i].lock);
		nic->queue[i].open = true;
		pthread_mutex_unlock(&nic->queue[i].lock);
	}
	done(nic->opens);
	return 0;
}

static int nic_stop(struct udrv_net_device *ndev)
{
	struct echo_nic *nic = ((struct echo_nic_queue *)ndev->priv)->nic;

	for (unsigned int i = 0; i < nic->o.queues; i++) {
		struct echo_nic_queue *q = &nic->queue[i];

		pthread_mutex_lock(&q->lock);
		q->open = false;
		while (count(q))
			udrv_net_buf_free(q->fifo[q->head++ % ECHO_NIC_FIFO]);
		q->completed = q->in_ring;
		reclaim(q);
		q->rx_armed = q->tx_armed = false;
		pthread_mutex_unlock(&q->lock);
	}
	if (udrv_net_pool_destroy(nic->pool))
		abort();
	nic->pool = NULL;
	done(nic->stops);
	return 0;
}

static void nic_set_rx_mode(struct udrv_net_device *ndev)
{
	struct echo_nic *nic = ((struct echo_nic_queue *)ndev->priv)->nic;

	put(nic->rx_flags, ndev->flags);
	done(nic->rx_modes);
}

static int nic_set_mac_address(struct udrv_net_device *ndev, const uint8_t *addr)
{
	struct echo_nic *nic = ((struct echo_nic_queue *)ndev->priv)->nic;
	const int ret = take(nic->address_error);

	(void)addr;
	done(nic->addresses);
	return ret;
}

static int nic_vid(struct udrv_net_device *ndev, uint16_t vid)
{
	(void)vid;
	done(((struct echo_nic_queue *)ndev->priv)->nic->vids);
	return 0;
}

static const struct udrv_net_device_ops ops = {
	.ndo_open = nic_open,
	.ndo_stop = nic_stop,
	.ndo_set_rx_mode = nic_set_rx_mode,
	.ndo_set_mac_address = nic_set_mac_address,
	.ndo_vlan_rx_add_vid = nic_vid,
	.ndo_vlan_rx_kill_vid = nic_vid,
	.rx_pending = rx_pending,
	.rx_event_fd = rx_event_fd,
	.rx_arm = rx_arm,
	.tx_event_fd = tx_event_fd,
	.tx_arm = tx_arm,
};

/* A flow is of one queue. */
static unsigned int queue_of(const struct echo_nic *nic, const uint8_t *frame, size_t len)
{
	unsigned int sum = 0;

	for (size_t i = 34; i < 38 && i < len; i++)
		sum += frame[i];
	return nic->ndev.options.rx_queues ? sum % nic->ndev.options.rx_queues : 0;
}

static void *wire_main(void *arg)
{
	static __thread uint8_t frame[FRAME_MAX];
	struct echo_nic *nic = arg;
	struct pollfd fds[] = {{.fd = nic->wire_fd, .events = POLLIN},
			       {.fd = nic->stop_fd, .events = POLLIN}};

	while (poll(fds, 2, -1) >= 0 || errno == EINTR) {
		ssize_t len;

		if (fds[1].revents)
			break;
		len = recv(nic->wire_fd, frame, sizeof(frame), MSG_DONTWAIT);
		if (len > 0 && udrv_netif_carrier_ok(&nic->ndev))
			echo_nic_receive(nic, queue_of(nic, frame, (size_t)len), frame,
					 (size_t)len);
	}
	return NULL;
}

static int plug_in(struct echo_nic *nic)
{
	struct sockaddr_un from = {.sun_family = AF_UNIX};
	int size = 4 << 20;

	if (!nic->o.wire[0])
		return 0;
	(void)strncpy(from.sun_path, nic->o.wire[0], sizeof(from.sun_path) - 1);
	nic->wire_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	nic->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (nic->wire_fd < 0 || nic->stop_fd < 0)
		return -errno;
	(void)unlink(from.sun_path);
	(void)setsockopt(nic->wire_fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	if (bind(nic->wire_fd, (struct sockaddr *)&from, sizeof(from)))
		return -errno;
	return -pthread_create(&nic->thread, NULL, wire_main, nic);
}

int echo_nic_init(struct echo_nic *nic, struct udrv_device *dev, const char *name, uint8_t unit,
		  const struct echo_nic_options *options)
{
	const uint8_t addr[] = {0x02, 0x75, 0x64, 0x72, 0x76, unit};
	struct udrv_net_device *ndev = &nic->ndev;
	int ret;

	*nic = (struct echo_nic){.o = *options, .wire_fd = -1, .stop_fd = -1};
	(void)strncpy(ndev->name, name, sizeof(ndev->name) - 1);
	ndev->dev = dev;
	memcpy(ndev->perm_addr, addr, sizeof(addr));
	ndev->min_mtu = 68;
	ndev->max_mtu = options->max_mtu;
	ndev->max_rx_queues = ndev->max_tx_queues = options->queues;
	ndev->hw_features = options->features;
	ndev->netdev_ops = &ops;
	ndev->priv = nic->queue;
	for (unsigned int i = 0; i < UDRV_NET_QUEUES_MAX; i++) {
		nic->queue[i].nic = nic;
		pthread_mutex_init(&nic->queue[i].lock, NULL);
		nic->queue[i].rx_fd =
			i < options->queues ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
		nic->queue[i].tx_fd =
			i < options->queues ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
	}
	ret = plug_in(nic);
	if (ret)
		echo_nic_free(nic);
	return ret;
}

void echo_nic_free(struct echo_nic *nic)
{
	if (nic->thread) {
		(void)eventfd_write(nic->stop_fd, 1);
		pthread_join(nic->thread, NULL);
		(void)unlink(nic->o.wire[0]);
	}
	if (nic->wire_fd >= 0)
		close(nic->wire_fd);
	if (nic->stop_fd >= 0)
		close(nic->stop_fd);
	for (unsigned int i = 0; i < UDRV_NET_QUEUES_MAX; i++) {
		if (nic->queue[i].rx_fd >= 0)
			close(nic->queue[i].rx_fd);
		if (nic->queue[i].tx_fd >= 0)
			close(nic->queue[i].tx_fd);
		pthread_mutex_destroy(&nic->queue[i].lock);
	}
}
