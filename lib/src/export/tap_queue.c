// SPDX-License-Identifier: MIT
/*
 * The threads of a TAP: one for a pair of queues moves frames both ways, and sleeps when there are
 * none. While the card is closed they are parked.
 *
 * No wake-up is lost: rx_arm() and tx_arm() say what came before, and after them the events come,
 * which stay readable until they are read; the TAP is readable as long as there is a frame.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <udrv/barrier.h>
#include <udrv/log.h>

#include "export/tap.h"
#include "sched/clock.h"
#include "sched/thread.h"

#define SPIN_LEAST_NS  2000
#define SPIN_MOST_NS   50000
#define LOOKS_PER_TIME 16
/* Of a card without events. */
#define NAP_NS 50000
/* Without buffers to read to, although the card has room: some are about to be sent. */
#define STARVED_NS 200000

enum { KICK, TAP, RX, TX, WAITS };

static bool runs(const struct udrv__tap_queue *q)
{
	return q->tap->phase == UDRV__TAP_RUN;
}

static bool is_blocked(const struct udrv__tap_queue *q)
{
	return q->tx_count || q->starved;
}

/* Is there a frame in the TAP that could be sent? */
static bool tap_pending(const struct udrv__tap_queue *q)
{
	struct pollfd fd = {.fd = q->fd, .events = POLLIN};

	return !q->deaf && !is_blocked(q) && poll(&fd, 1, 0) > 0;
}

static bool spin_until(struct udrv__tap_queue *q, uint64_t end)
{
	const struct udrv_net_device_ops *ops = q->tap->ndev->netdev_ops;

	do {
		for (int i = 0; i < LOOKS_PER_TIME; i++) {
			if (ops->rx_pending(q->rxq))
				return true;
			udrv_cpu_relax();
		}
		if (tap_pending(q) || !runs(q))
			return true;
		if (!udrv__adaptive_yield()) {
			udrv__adaptive_unwanted(&q->adaptive);
			return false;
		}
	} while (udrv__now_ns() < end);
	return false;
}

static void drain(const struct pollfd *fd)
{
	uint64_t signals;

	if (fd->revents)
		(void)!read(fd->fd, &signals, sizeof(signals));
}

/* How long at most; NULL: for ever. */
static const struct timespec *limit(const struct udrv__tap_queue *q, const struct pollfd *fds,
				    bool gather)
{
	static const struct timespec nap = {.tv_nsec = NAP_NS};
	static const struct timespec starved = {.tv_nsec = STARVED_NS};
	static const struct timespec gathering = {.tv_nsec = UDRV__TAP_GATHER_NS};

	if (fds[RX].fd < 0 || (is_blocked(q) && fds[TX].fd < 0))
		return &nap;
	if (q->starved && !q->tx_count)
		return &starved;
	return gather ? &gathering : NULL;
}

/* @gather: what comes from the TAP can wait for a moment. */
static void block(struct udrv__tap_queue *q, bool gather)
{
	const struct udrv_net_device_ops *ops = q->tap->ndev->netdev_ops;
	const bool blocked = is_blocked(q);
	struct pollfd fds[WAITS] = {
		[KICK] = {.fd = q->kick_fd, .events = POLLIN},
		[TAP] = {.fd = q->deaf || blocked || gather ? -1 : q->fd, .events = POLLIN},
		[RX] = {.fd = ops->rx_event_fd(q->rxq), .events = POLLIN},
		[TX] = {.fd = blocked ? ops->tx_event_fd(q->txq) : -1, .events = POLLIN},
	};

	if (ops->rx_arm(q->rxq))
		return;
	if (q->tx_count && ops->tx_arm(q->txq))
		return;
	q->counts.sleeps++;
	(void)ppoll(fds, WAITS, limit(q, fds, gather && !blocked), NULL);
	udrv__tap_pace_slept(&q->pace);
	drain(&fds[KICK]);
	drain(&fds[RX]);
	drain(&fds[TX]);
}

static void wait(struct udrv__tap_queue *q)
{
	const uint64_t start = udrv__now_ns();
	const uint64_t spin = udrv__adaptive_time(&q->adaptive);
	const bool caught = spin && spin_until(q, start + spin);

	if (spin)
		q->counts.spun_ns += udrv__now_ns() - start;
	if (!caught)
		block(q, udrv__tap_pace_gathers(&q->pace, start));
	udrv__adaptive_learn(&q->adaptive, udrv__now_ns() - start, caught);
}

static void serve(struct udrv__tap_queue *q)
{
	q->rxq = q->tap->ndev->rxq[q->index];
	q->txq = q->tap->ndev->txq[q->index];
	while (runs(q)) {
		const unsigned int received = udrv__tap_receive(q);
		const unsigned int sent = udrv__tap_transmit(q);

		udrv__tap_pace_moved(&q->pace, sent, received);
		if (!sent && !received)
			wait(q);
	}
}

/* Parked until there is something else to do. */
static bool await_run(struct udrv__tap *t)
{
	bool run;

	pthread_mutex_lock(&t->lock);
	t->parked++;
	pthread_cond_broadcast(&t->changed);
	while (t->phase == UDRV__TAP_PARK)
		pthread_cond_wait(&t->changed, &t->lock);
	run = t->phase == UDRV__TAP_RUN;
	t->parked -= run;
	pthread_mutex_unlock(&t->lock);
	return run;
}

static void *queue_main(void *arg)
{
	struct udrv__tap_queue *q = arg;
	char name[16];

	(void)snprintf(name, sizeof(name), "udrv-tap-q%u", q->index);
	udrv__thread_begin(name);
	udrv__tap_pace_begin(&q->pace);
	while (await_run(q->tap))
		serve(q);
	return NULL;
}

static void set_phase(struct udrv__tap *t, enum udrv__tap_phase phase)
{
	pthread_mutex_lock(&t->lock);
	t->phase = phase;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
	for (unsigned int i = 0; i < t->queues; i++)
		(void)eventfd_write(t->queue[i].kick_fd, 1);
}

void udrv__tap_park(struct udrv__tap *t)
{
	set_phase(t, UDRV__TAP_PARK);
	pthread_mutex_lock(&t->lock);
	while (t->parked < t->queues)
		pthread_cond_wait(&t->changed, &t->lock);
	pthread_mutex_unlock(&t->lock);
}

void udrv__tap_run(struct udrv__tap *t)
{
	set_phase(t, UDRV__TAP_RUN);
}

void udrv__tap_wake(struct udrv__tap *t)
{
	(void)eventfd_write(t->control_fd, 1);
}

static int start(struct udrv__tap_queue *q)
{
	int ret;

	q->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->kick_fd < 0)
		return -errno;
	udrv__adaptive_begin(&q->adaptive, SPIN_LEAST_NS, SPIN_MOST_NS);
	ret = udrv__tap_tx_init(q);
	if (ret)
		return ret;
	ret = udrv__thread_create(&q->thread, queue_main, q);
	q->started = !ret;
	return ret;
}

int udrv__tap_queues_start(struct udrv__tap *t)
{
	int ret = 0;

	for (unsigned int i = 0; i < t->queues && !ret; i++)
		ret = start(&t->queue[i]);
	if (!ret)
		return 0;
	udrv_pr_err("--tap %s: its queues cannot be served: %s", t->name, strerror(-ret));
	udrv__tap_queues_stop(t);
	return ret;
}

void udrv__tap_queues_stop(struct udrv__tap *t)
{
	set_phase(t, UDRV__TAP_END);
	for (unsigned int i = 0; i < t->queues; i++) {
		struct udrv__tap_queue *q = &t->queue[i];

		if (q->started)
			pthread_join(q->thread, NULL);
		udrv__tap_tx_free(q);
		if (q->kick_fd >= 0)
			close(q->kick_fd);
		q->started = false;
		q->kick_fd = -1;
	}
}
