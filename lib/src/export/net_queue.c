// SPDX-License-Identifier: MIT
/* Queues of network cards: what they count, and waiting for them. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include <udrv/barrier.h>
#include <udrv/device.h>
#include <udrv/ktime.h>

#include "export/net_state.h"

#define SPIN_LEAST_NS 2000
#define SPIN_MOST_NS  50000
/* So often a sleeper looks whether the device is there. */
#define TICK_NS UINT64_C(250000000)

void udrv__net_add_counts(struct udrv_net_device *ndev, struct udrv_net_stats *stats)
{
	*stats = ndev->state->closed;
	for (unsigned int i = 0; i < UDRV_NET_QUEUES_MAX; i++) {
		const struct udrv_net_rxq *rx = ndev->rxq[i];
		const struct udrv_net_txq *tx = ndev->txq[i];

		if (rx) {
			stats->rx_packets += __atomic_load_n(&rx->packets, __ATOMIC_RELAXED);
			stats->rx_bytes += __atomic_load_n(&rx->bytes, __ATOMIC_RELAXED);
			stats->rx_dropped += __atomic_load_n(&rx->dropped, __ATOMIC_RELAXED);
		}
		if (tx) {
			stats->tx_packets += __atomic_load_n(&tx->packets, __ATOMIC_RELAXED);
			stats->tx_bytes += __atomic_load_n(&tx->bytes, __ATOMIC_RELAXED);
			stats->tx_dropped += __atomic_load_n(&tx->dropped, __ATOMIC_RELAXED);
		}
	}
}

void udrv__net_keep_counts(struct udrv_net_device *ndev)
{
	struct udrv_net_stats stats;

	udrv__net_add_counts(ndev, &stats);
	ndev->state->closed = stats;
}

void udrv__net_waits_begin(struct udrv_net_device *ndev)
{
	for (unsigned int i = 0; i < ndev->options.rx_queues; i++)
		udrv__adaptive_begin(&ndev->state->waits[i], SPIN_LEAST_NS, SPIN_MOST_NS);
}

static bool is_gone(const struct udrv_net_rxq *q)
{
	return q->ndev->dev && udrv_device_gone(q->ndev->dev);
}

/* Look until then. */
static bool look(struct udrv_net_rxq *q, uint64_t until)
{
	const struct udrv_net_device_ops *ops = q->ndev->netdev_ops;

	do {
		if (ops->rx_pending(q))
			return true;
		udrv_cpu_relax();
	} while (udrv_ktime_get_ns() < until);
	return false;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Sleep until the card interrupts, or then. 0 or -EINTR. */
static int sleep_until(struct udrv_net_rxq *q, int fd, uint64_t until)
{
	const uint64_t now = udrv_ktime_get_ns();
	const uint64_t ns = until > now ? earlier(until - now, TICK_NS) : 0;
	const struct timespec time = {.tv_nsec = (long)ns};
	struct pollfd wait = {.fd = fd, .events = POLLIN};

	uint64_t signals;

	if (q->ndev->netdev_ops->rx_arm(q))
		return 0;
	if (ppoll(&wait, 1, &time, NULL) < 0)
		return -errno;
	/* Or the next one would not sleep. */
	if (wait.revents)
		(void)!read(fd, &signals, sizeof(signals));
	return 0;
}

/* One that cannot interrupt is looked at all the time. */
static int wait_once(struct udrv_net_rxq *q, uint64_t until)
{
	const int fd = q->ndev->netdev_ops->rx_event_fd(q);

	if (fd >= 0)
		return sleep_until(q, fd, until);
	(void)sched_yield();
	return 0;
}

int udrv_net_rx_wait(struct udrv_net_rxq *q, uint64_t timeout_ns)
{
	struct udrv__adaptive *a = &q->ndev->state->waits[q->index];
	const uint64_t begin = udrv_ktime_get_ns();
	const uint64_t until = timeout_ns < UINT64_MAX - begin ? begin + timeout_ns : UINT64_MAX;
	const uint64_t spin = timeout_ns ? udrv__adaptive_time(a) : 0;
	bool caught = look(q, earlier(begin + spin, until));
	int ret = 0;

	while (!caught && !ret) {
		if (is_gone(q))
			return -ENODEV;
		if (udrv_ktime_get_ns() >= until)
			return 0;
		ret = wait_once(q, until);
		if (!ret && q->ndev->netdev_ops->rx_pending(q))
			break;
	}
	if (!ret)
		udrv__adaptive_learn(a, udrv_ktime_get_ns() - begin, caught);
	return ret ? ret : 1;
}
