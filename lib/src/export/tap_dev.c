// SPDX-License-Identifier: MIT
/* The kernel's side of a TAP: Documentation/networking/tuntap.rst, linux/if_tun.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <udrv/log.h>

#include "export/tap.h"
#include "sched/clock.h"

/* A killed daemon's interface goes a little after its lock. */
#define BUSY_TRIES  100
#define BUSY_NAP_US 20000

const char *udrv__tap_node = "/dev/net/tun";

static void explain_open(int err)
{
	const char *node = udrv__tap_node;

	if (err == ENOENT || err == ENODEV || err == ENXIO)
		udrv_pr_err("--tap: the kernel's TUN/TAP is not there (%s: %s): modprobe tun", node,
			    strerror(err));
	else if (err == EACCES || err == EPERM)
		udrv_pr_err("--tap: %s: %s: run as root, or get the right to open it", node,
			    strerror(err));
	else
		udrv_pr_err("--tap: %s: %s", node, strerror(err));
}

static void explain_create(const char *name, int err)
{
	if (err == EPERM || err == EACCES)
		udrv_pr_err("--tap %s: %s: making a network interface is for root, or who has "
			    "CAP_NET_ADMIN",
			    name, strerror(err));
	else if (err == EBUSY || err == EEXIST || err == EINVAL)
		udrv_pr_err("--tap %s: there is such an interface, or it cannot have this name: "
			    "choose another (ip link)",
			    name);
	else
		udrv_pr_err("--tap %s: the kernel does not make it: %s", name, strerror(err));
}

static int attach(int fd, char name[IFNAMSIZ], unsigned int queues, bool first)
{
	struct ifreq ifr = {0};
	int flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;

	/* What another one has made stays another one's. */
	flags |= first ? IFF_TUN_EXCL : 0;
	flags |= queues > 1 ? IFF_MULTI_QUEUE : 0;
	memcpy(ifr.ifr_name, name, IFNAMSIZ);
	ifr.ifr_flags = (short)flags;
	if (ioctl(fd, TUNSETIFF, &ifr))
		return -errno;
	memcpy(name, ifr.ifr_name, IFNAMSIZ);
	return 0;
}

/* Is it a TAP that its owner may be about to leave? */
static int attach_first(int fd, char name[IFNAMSIZ], unsigned int queues)
{
	int ret = attach(fd, name, queues, true);

	for (int i = 0; ret == -EBUSY && i < BUSY_TRIES; i++) {
		usleep(BUSY_NAP_US);
		ret = attach(fd, name, queues, true);
	}
	return ret;
}

static int set_up(int fd, uint32_t features)
{
	const bool csum = features & UDRV_NET_F_TX_CSUM;
	const bool tso = csum && features & UDRV_NET_F_TSO;
	const unsigned long offload = (csum ? TUN_F_CSUM : 0) | (tso ? TUN_F_TSO4 | TUN_F_TSO6 : 0);
	int size = sizeof(struct virtio_net_hdr);

	if (ioctl(fd, TUNSETVNETHDRSZ, &size))
		return -errno;
	return ioctl(fd, TUNSETOFFLOAD, offload) ? -errno : 0;
}

static int open_node(int *fd)
{
	*fd = open(udrv__tap_node, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (*fd >= 0)
		return 0;
	*fd = -errno;
	explain_open(-*fd);
	return *fd;
}

static int open_queue(char name[IFNAMSIZ], unsigned int queues, bool first, uint32_t features,
		      int *fd)
{
	int ret = open_node(fd);

	if (ret)
		return ret;
	ret = first ? attach_first(*fd, name, queues) : attach(*fd, name, queues, false);
	if (!ret)
		ret = set_up(*fd, features);
	if (!ret)
		return 0;
	explain_create(name, -ret);
	close(*fd);
	return ret;
}

/*
 * One more queue. It is asked for by a name, which udev may just have changed: then it is of a new
 * interface of the old name, and goes with it.
 */
static int open_more(char name[IFNAMSIZ], unsigned int queues, uint32_t features, int first,
		     int *fd)
{
	char other[IFNAMSIZ];
	int ret;

	for (int i = 0; i < UDRV__TAP_RENAMED_TRIES; i++) {
		(void)udrv__tap_name(first, name);
		ret = open_queue(name, queues, false, features, fd);
		if (ret)
			return ret;
		memcpy(other, name, IFNAMSIZ);
		(void)udrv__tap_name(*fd, other);
		(void)udrv__tap_name(first, name);
		if (!strcmp(name, other))
			return 0;
		close(*fd);
	}
	udrv_pr_err("--tap %s: it gets other names all the time", name);
	return -EAGAIN;
}

int udrv__tap_create(char name[IFNAMSIZ], unsigned int queues, uint32_t features, int *fds)
{
	int ret = open_queue(name, queues, true, features, &fds[0]);
	unsigned int i = !ret;

	while (!ret && i < queues) {
		ret = open_more(name, queues, features, fds[0], &fds[i]);
		i += !ret;
	}
	if (!ret)
		return 0;
	while (i--)
		close(fds[i]);
	return ret;
}

int udrv__tap_set_address(int fd, const uint8_t *addr)
{
	struct ifreq ifr = {.ifr_hwaddr.sa_family = ARPHRD_ETHER};

	memcpy(ifr.ifr_hwaddr.sa_data, addr, UDRV_ETH_ALEN);
	return ioctl(fd, SIOCSIFHWADDR, &ifr) ? -errno : 0;
}

int udrv__tap_set_carrier(int fd, bool on)
{
	int carrier = on;

	return ioctl(fd, TUNSETCARRIER, &carrier) ? -errno : 0;
}

bool udrv__tap_name(int fd, char name[IFNAMSIZ])
{
	struct ifreq ifr = {0};

	if (ioctl(fd, TUNGETIFF, &ifr))
		return errno != EBADFD;
	memcpy(name, ifr.ifr_name, IFNAMSIZ);
	name[IFNAMSIZ - 1] = 0;
	return true;
}

void udrv__tap_set_speed(int fd, const struct udrv_net_device *ndev)
{
	const unsigned int speed = __atomic_load_n(&ndev->speed, __ATOMIC_RELAXED);
	const bool full_duplex = __atomic_load_n(&ndev->full_duplex, __ATOMIC_RELAXED);
	struct ethtool_cmd cmd = {.cmd = ETHTOOL_SSET,
				  .duplex = full_duplex ? DUPLEX_FULL : DUPLEX_HALF};
	struct ifreq ifr = {0};
	char name[IFNAMSIZ] = "";
	int any;

	if (!speed || !udrv__tap_name(fd, name))
		return;
	any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (any < 0)
		return;
	ethtool_cmd_speed_set(&cmd, speed);
	memcpy(ifr.ifr_name, name, IFNAMSIZ);
	ifr.ifr_data = (void *)&cmd;
	(void)ioctl(any, SIOCETHTOOL, &ifr);
	close(any);
}
