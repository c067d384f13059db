// SPDX-License-Identifier: MIT
/*
 * What is done to the interface (ip link) is done to the card, and the card's carrier is the
 * interface's. The kernel tells of changes by rtnetlink, but not of multicast groups: all multicast
 * is received. What it tells may be long past when it is read, and what is done about it must not
 * undo what was done since: so it is asked, once it has told all.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <udrv/device.h>
#include <udrv/log.h>

#include "export/tap.h"
#include "sched/thread.h"
#include "stat/segment.h"

static struct udrv_net_options options(const struct udrv__tap *t)
{
	/* Tags stay in the frames, as the TAP has them. */
	return (struct udrv_net_options){
		.rx_queues = t->queues,
		.tx_queues = t->queues,
		.tx_ring = UDRV__TAP_TX_RING,
		.rx_buffers = t->queues * UDRV__TAP_BURST,
		.features = UDRV_NET_F_TX_CSUM | UDRV_NET_F_TSO | UDRV_NET_F_RX_CSUM,
	};
}

static void change(struct udrv__tap *t, const struct udrv__tap_change *c)
{
	int ret = udrv__tap_link_change(t->link_fd, t->index, c);

	if (ret)
		udrv_pr_warn("%s: the kernel cannot be asked for a change: %s", t->name,
			     strerror(-ret));
}

/* The kernel's interface is up already: it is put down again if the card does not go. */
static void open_card(struct udrv__tap *t)
{
	const struct udrv_net_options o = options(t);
	int ret = udrv_net_open(t->ndev, &o);

	t->up = !ret;
	if (!ret) {
		udrv__tap_run(t);
		return;
	}
	udrv_pr_err("%s: its card cannot be opened: %s", t->name, strerror(-ret));
	change(t, &(struct udrv__tap_change){.down = true});
}

static void close_card(struct udrv__tap *t)
{
	if (!t->up)
		return;
	udrv__tap_park(t);
	udrv_net_close(t->ndev);
	t->up = false;
}

/* What waits in the TAP, and what was read and not taken, is sent afterwards. */
static void follow_mtu(struct udrv__tap *t, unsigned int mtu)
{
	const unsigned int before = t->ndev->mtu;
	const bool up = t->up;

	if (!mtu || mtu == before)
		return;
	if (mtu < t->ndev->min_mtu || mtu > t->ndev->max_mtu) {
		udrv_pr_warn("%s: the card takes an MTU of %u to %u: it stays %u", t->name,
			     t->ndev->min_mtu, t->ndev->max_mtu, before);
		change(t, &(struct udrv__tap_change){.mtu = before});
		return;
	}
	close_card(t);
	(void)udrv_net_set_mtu(t->ndev, mtu);
	if (up)
		open_card(t);
}

static void follow_address(struct udrv__tap *t, const struct udrv__tap_link *link)
{
	int ret;

	if (!link->has_addr || !memcmp(link->addr, t->ndev->dev_addr, UDRV_ETH_ALEN))
		return;
	ret = udrv_net_set_mac_address(t->ndev, link->addr);
	if (!ret)
		return;
	udrv_pr_warn("%s: the card does not take this address, and keeps its own: %s", t->name,
		     strerror(-ret));
	change(t, &(struct udrv__tap_change){.addr = t->ndev->dev_addr});
}

static void follow_flags(struct udrv__tap *t, const struct udrv__tap_link *link)
{
	const unsigned int flags = IFF_ALLMULTI | (link->promiscuity ? IFF_PROMISC : 0);
	const bool up = link->flags & IFF_UP;

	if (flags != t->rx_flags)
		udrv_net_set_rx_mode(t->ndev, flags, NULL, 0);
	t->rx_flags = flags;
	if (up && !t->up)
		open_card(t);
	else if (!up)
		close_card(t);
}

static void ended(struct udrv__tap *t, const char *how)
{
	if (t->ended)
		return;
	t->ended = true;
	close_card(t);
	udrv_pr_err("%s: %s", t->name, how);
	(void)eventfd_write(t->ended_fd, 1);
}

/* To another network namespace: so does this thread. False if it is nowhere any more. */
static bool follow_to_namespace(struct udrv__tap *t)
{
	const int ns = ioctl(t->queue[0].fd, TUNGETDEVNETNS);
	int fd = -1;

	if (ns < 0)
		return false;
	if (!setns(ns, CLONE_NEWNET))
		fd = udrv__tap_link_open();
	close(ns);
	if (fd < 0) {
		udrv_pr_warn("%s: is in another namespace, where it is not followed: what is "
			     "done to it there does not reach the card",
			     t->name);
		/* Nor is another one of its name here. */
		t->index = -1;
		return true;
	}
	/* The same descriptor: the caller is waiting for it. */
	(void)dup3(fd, t->link_fd, O_CLOEXEC);
	close(fd);
	t->stale = true;
	return true;
}

static void follow_name(struct udrv__tap *t, const char *name)
{
	if (!strcmp(t->name, name))
		return;
	udrv__stat_export_del(t->ndev->dev, t->name);
	memcpy(t->name, name, sizeof(t->name));
	udrv__stat_export_add(t->ndev->dev, t->name);
}

static void follow(void *ctx, const struct udrv__tap_link *link)
{
	struct udrv__tap *t = ctx;
	const bool ours = link && (link->index == t->index ||
				   (!t->index && link->name[0] && !strcmp(link->name, t->name)));
	char name[IFNAMSIZ];
	bool there;

	if (!ours || t->ended)
		return;
	if (link->deleted) {
		/* Its number is another one there, maybe. */
		t->index = 0;
		there = udrv__tap_name(t->queue[0].fd, name);
		if (there)
			follow_name(t, name);
		if (!there || !follow_to_namespace(t))
			ended(t, "somebody has deleted the interface");
		return;
	}
	if (link->answers != t->question) {
		t->stale = true;
		return;
	}
	t->index = link->index;
	if (link->name[0])
		follow_name(t, link->name);
	follow_address(t, link);
	follow_mtu(t, link->mtu);
	follow_flags(t, link);
}

static void follow_carrier(struct udrv__tap *t)
{
	const bool on =
		udrv_netif_carrier_ok(t->ndev) && !(t->ndev->dev && udrv_device_gone(t->ndev->dev));
	unsigned int speed;

	if (on == t->carrier || udrv__tap_set_carrier(t->queue[0].fd, on))
		return;
	t->carrier = on;
	if (on)
		udrv__tap_set_speed(t->queue[0].fd, t->ndev);
	speed = __atomic_load_n(&t->ndev->speed, __ATOMIC_RELAXED);
	if (on && speed)
		udrv_pr_info("%s: link, %u Mb/s", t->name, speed);
	else
		udrv_pr_info("%s: %s", t->name, on ? "link" : "no link");
}

static void ask(struct udrv__tap *t)
{
	t->stale = false;
	t->question++;
	(void)udrv__tap_link_ask(t->link_fd, t->question, t->index, t->index ? NULL : t->name);
}

/* All that there is. */
static void read_links(struct udrv__tap *t)
{
	int ret;

	do {
		ret = udrv__tap_link_read(t->link_fd, false, follow, t);
		t->stale |= ret == -ENOBUFS;
	} while (!ret || ret == -ENOBUFS);
	if (ret != -EAGAIN && ret != -ENODEV)
		udrv_pr_warn("%s: the kernel refuses what it was asked for: %s", t->name,
			     strerror(-ret));
	if (t->stale && !t->ended)
		ask(t);
}

static void look(struct udrv__tap *t)
{
	char name[IFNAMSIZ] = "";

	follow_carrier(t);
	if (!udrv__tap_name(t->queue[0].fd, name)) {
		ended(t, "somebody has deleted the interface");
		return;
	}
	/* Asked for by a name that it did not have any more: nothing is told of it. */
	if (t->index || !name[0] || !strcmp(name, t->name))
		return;
	follow_name(t, name);
	ask(t);
}

static void *control_main(void *arg)
{
	struct udrv__tap *t = arg;
	struct pollfd fds[] = {{.fd = t->control_fd, .events = POLLIN},
			       {.fd = t->link_fd, .events = POLLIN}};
	uint64_t count;

	udrv__thread_begin("udrv-tap");
	ask(t);
	while (!t->stop) {
		look(t);
		(void)poll(fds, 2, -1);
		if (fds[0].revents)
			(void)!read(t->control_fd, &count, sizeof(count));
		if (fds[1].revents)
			read_links(t);
	}
	close_card(t);
	return NULL;
}

int udrv__tap_control_start(struct udrv__tap *t)
{
	int ret;

	udrv__stat_export_add(t->ndev->dev, t->name);
	ret = udrv__thread_create(&t->control, control_main, t);
	if (ret)
		udrv__stat_export_del(t->ndev->dev, t->name);
	return ret;
}

void udrv__tap_control_stop(struct udrv__tap *t)
{
	t->stop = true;
	udrv__tap_wake(t);
	pthread_join(t->control, NULL);
	udrv__stat_export_del(t->ndev->dev, t->name);
}
