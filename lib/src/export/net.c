// SPDX-License-Identifier: MIT
/* The network cards that drivers offer, and their one user. */
#include <errno.h>
#include <net/if.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/log.h>

#include "export/net_state.h"
#include "export/net_watch.h"

#define MTU_DEFAULT 1500

/* In this order. */
static pthread_mutex_t changes = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t rtnl = PTHREAD_MUTEX_INITIALIZER; /* the drivers' ndo_ functions, @first */
static pthread_mutex_t telling = PTHREAD_MUTEX_INITIALIZER;
static struct udrv_net_device *first; /* in the order in which they were registered */
static const struct udrv__net_watch *watch;
static void *watch_ctx;

void udrv__net_changes_hold(void)
{
	pthread_mutex_lock(&changes);
}

void udrv__net_changes_release(void)
{
	pthread_mutex_unlock(&changes);
}

void udrv__net_watch_set(const struct udrv__net_watch *w, void *ctx)
{
	pthread_mutex_lock(&telling);
	watch = w;
	watch_ctx = ctx;
	pthread_mutex_unlock(&telling);
}

static bool is_unicast(const uint8_t *addr)
{
	static const uint8_t none[UDRV_ETH_ALEN];

	return !(addr[0] & 1) && memcmp(addr, none, sizeof(none)) != 0;
}

static bool is_count(unsigned int queues)
{
	return queues && queues <= UDRV_NET_QUEUES_MAX;
}

static const char *what_is_wrong(const struct udrv_net_device *ndev)
{
	const struct udrv_net_device_ops *ops = ndev->netdev_ops;
	const bool filters = ndev->hw_features & UDRV_NET_F_VLAN_FILTER;

	if (!ndev->name[0] || !memchr(ndev->name, 0, sizeof(ndev->name)))
		return "its name";
	if (!is_unicast(ndev->perm_addr))
		return "its address";
	if (ndev->min_mtu > MTU_DEFAULT || ndev->max_mtu < MTU_DEFAULT)
		return "its MTU";
	if (!is_count(ndev->max_rx_queues) || !is_count(ndev->max_tx_queues))
		return "its queues";
	if (!ops || !ops->ndo_open || !ops->ndo_stop || !ops->rx_pending || !ops->rx_event_fd ||
	    !ops->rx_arm || !ops->tx_event_fd || !ops->tx_arm)
		return "its operations";
	if (filters && (!ops->ndo_vlan_rx_add_vid || !ops->ndo_vlan_rx_kill_vid))
		return "its filter of VLANs";
	return NULL;
}

/* With rtnl: the link to it, or the last one. */
static struct udrv_net_device **find(const struct udrv_net_device *ndev)
{
	struct udrv_net_device **link = &first;

	while (*link && *link != ndev)
		link = &(*link)->next;
	return link;
}

static bool name_is_used(const char *name)
{
	const struct udrv_net_device *n = first;

	while (n && strcmp(n->name, name))
		n = n->next;
	return n;
}

static int append(struct udrv_net_device *ndev)
{
	struct udrv_net_device **link = find(ndev);

	if (*link || name_is_used(ndev->name))
		return -EEXIST;
	ndev->state = calloc(1, sizeof(*ndev->state));
	if (!ndev->state)
		return -ENOMEM;
	ndev->mtu = MTU_DEFAULT;
	memcpy(ndev->dev_addr, ndev->perm_addr, sizeof(ndev->dev_addr));
	ndev->flags = 0;
	ndev->mc_count = 0;
	ndev->next = NULL;
	*link = ndev;
	return 0;
}

int udrv_register_netdev(struct udrv_net_device *ndev)
{
	const char *wrong = what_is_wrong(ndev);
	int ret;

	if (wrong) {
		udrv_pr_err("network card %.31s not registered: %s makes no sense", ndev->name,
			    wrong);
		return -EINVAL;
	}
	udrv__net_changes_hold();
	pthread_mutex_lock(&rtnl);
	ret = append(ndev);
	pthread_mutex_unlock(&rtnl);
	udrv__net_changes_release();
	if (ret)
		udrv_pr_err("network card %s not registered: %s", ndev->name, strerror(-ret));
	return ret;
}

/* With rtnl. */
static void close_it(struct udrv_net_device *ndev)
{
	if (!ndev->state->open)
		return;
	udrv__net_keep_counts(ndev);
	(void)ndev->netdev_ops->ndo_stop(ndev);
	memset(ndev->rxq, 0, sizeof(ndev->rxq));
	memset(ndev->txq, 0, sizeof(ndev->txq));
	ndev->state->open = false;
}

void udrv_unregister_netdev(struct udrv_net_device *ndev)
{
	struct udrv_net_device **link;

	udrv__net_changes_hold();
	if (watch)
		watch->deleted(watch_ctx, ndev);
	pthread_mutex_lock(&rtnl);
	link = find(ndev);
	if (*link) {
		close_it(ndev);
		*link = ndev->next;
		free(ndev->state);
		ndev->state = NULL;
	}
	pthread_mutex_unlock(&rtnl);
	udrv__net_changes_release();
}

static void set_carrier(struct udrv_net_device *ndev, bool on)
{
	if (__atomic_exchange_n(&ndev->carrier, on, __ATOMIC_ACQ_REL) == on)
		return;
	pthread_mutex_lock(&telling);
	if (watch)
		watch->carrier(watch_ctx, ndev);
	pthread_mutex_unlock(&telling);
}

void udrv_netif_carrier_on(struct udrv_net_device *ndev)
{
	set_carrier(ndev, true);
}

void udrv_netif_carrier_off(struct udrv_net_device *ndev)
{
	set_carrier(ndev, false);
}

bool udrv_netif_carrier_ok(const struct udrv_net_device *ndev)
{
	return __atomic_load_n(&ndev->carrier, __ATOMIC_ACQUIRE);
}

struct udrv_net_device *udrv_net_next(const struct udrv_net_device *after)
{
	struct udrv_net_device *ndev;

	pthread_mutex_lock(&rtnl);
	ndev = after ? after->next : first;
	pthread_mutex_unlock(&rtnl);
	return ndev;
}

/* With rtnl. */
static int open_it(struct udrv_net_device *ndev, const struct udrv_net_options *options)
{
	static const struct udrv_net_options all = {.features = UINT32_MAX};
	struct udrv_net_options *o = &ndev->options;
	int ret;

	if (ndev->state->open)
		return -EBUSY;
	*o = options ? *options : all;
	o->rx_queues += !o->rx_queues;
	o->tx_queues += !o->tx_queues;
	if (o->rx_queues > ndev->max_rx_queues || o->tx_queues > ndev->max_tx_queues)
		return -EINVAL;
	ndev->features = ndev->hw_features & o->features;
	ret = ndev->netdev_ops->ndo_open(ndev);
	if (ret)
		return ret;
	udrv__net_waits_begin(ndev);
	ndev->state->open = true;
	return 0;
}

int udrv_net_open(struct udrv_net_device *ndev, const struct udrv_net_options *options)
{
	int ret = -ENODEV;

	pthread_mutex_lock(&rtnl);
	if (*find(ndev))
		ret = open_it(ndev, options);
	pthread_mutex_unlock(&rtnl);
	return ret;
}

void udrv_net_close(struct udrv_net_device *ndev)
{
	pthread_mutex_lock(&rtnl);
	if (*find(ndev))
		close_it(ndev);
	pthread_mutex_unlock(&rtnl);
}

int udrv_net_set_mtu(struct udrv_net_device *ndev, unsigned int mtu)
{
	int ret = 0;

	if (mtu < ndev->min_mtu || mtu > ndev->max_mtu)
		return -EINVAL;
	pthread_mutex_lock(&rtnl);
	if (*find(ndev) && ndev->state->open)
		ret = -EBUSY;
	else
		ndev->mtu = mtu;
	pthread_mutex_unlock(&rtnl);
	return ret;
}

int udrv_net_set_mac_address(struct udrv_net_device *ndev, const uint8_t *addr)
{
	int ret = -EOPNOTSUPP;

	if (!is_unicast(addr))
		return -EADDRNOTAVAIL;
	pthread_mutex_lock(&rtnl);
	if (ndev->netdev_ops->ndo_set_mac_address)
		ret = ndev->netdev_ops->ndo_set_mac_address(ndev, addr);
	/* A driver may have done it, where its other threads do not look meanwhile. */
	if (!ret && memcmp(ndev->dev_addr, addr, sizeof(ndev->dev_addr)) != 0)
		memcpy(ndev->dev_addr, addr, sizeof(ndev->dev_addr));
	pthread_mutex_unlock(&rtnl);
	return ret;
}

void udrv_net_set_rx_mode(struct udrv_net_device *ndev, unsigned int flags, const uint8_t *mc,
			  unsigned int count)
{
	pthread_mutex_lock(&rtnl);
	if (count > UDRV_NET_MULTICAST_MAX) {
		flags |= IFF_ALLMULTI;
		count = 0;
	}
	ndev->flags = flags & (IFF_PROMISC | IFF_ALLMULTI);
	ndev->mc_count = count;
	if (count)
		memcpy(ndev->mc, mc, (size_t)count * UDRV_ETH_ALEN);
	if (ndev->netdev_ops->ndo_set_rx_mode)
		ndev->netdev_ops->ndo_set_rx_mode(ndev);
	pthread_mutex_unlock(&rtnl);
}

static int vlan(struct udrv_net_device *ndev, uint16_t vid,
		int (*change)(struct udrv_net_device *ndev, uint16_t vid))
{
	int ret = -EOPNOTSUPP;

	if (vid > 4095)
		return -EINVAL;
	pthread_mutex_lock(&rtnl);
	if (ndev->hw_features & UDRV_NET_F_VLAN_FILTER)
		ret = change(ndev, vid);
	pthread_mutex_unlock(&rtnl);
	return ret;
}

int udrv_net_vlan_vid_add(struct udrv_net_device *ndev, uint16_t vid)
{
	return vlan(ndev, vid, ndev->netdev_ops->ndo_vlan_rx_add_vid);
}

int udrv_net_vlan_vid_del(struct udrv_net_device *ndev, uint16_t vid)
{
	return vlan(ndev, vid, ndev->netdev_ops->ndo_vlan_rx_kill_vid);
}

void udrv_net_get_stats(struct udrv_net_device *ndev, struct udrv_net_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	pthread_mutex_lock(&rtnl);
	if (*find(ndev)) {
		udrv__net_add_counts(ndev, stats);
		if (ndev->netdev_ops->ndo_get_stats64)
			ndev->netdev_ops->ndo_get_stats64(ndev, stats);
	}
	pthread_mutex_unlock(&rtnl);
}
