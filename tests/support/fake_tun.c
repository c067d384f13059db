// SPDX-License-Identifier: MIT
#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "export/tap.h"

#include "support/fake_tun.h"
#include "support/fault.h"

#define FDS_MAX	    1024
#define PATIENCE_MS 20000
#define OTHER_INDEX 3

struct fake_tun fake_tun;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int peer[FDS_MAX];     /* of a descriptor of the code under test; 0: it is none of ours */
static bool is_link[FDS_MAX]; /* it is rtnetlink's */
static int queue[UDRV_NET_QUEUES_MAX]; /* descriptors of the code under test */

int __real_close(int fd);
ssize_t __real_send(int fd, const void *buf, size_t len, int flags);

void fake_tun_lock(void)
{
	pthread_mutex_lock(&lock);
}

void fake_tun_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

/* With the lock. */
static int make_pair(bool link, bool nonblock)
{
	int size = 4 << 20;
	int fds[2];

	FAULT_MUST(!socketpair(
		AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | (nonblock ? SOCK_NONBLOCK : 0), 0, fds));
	FAULT_MUST(fds[0] < FDS_MAX && fds[1] > 0);
	(void)setsockopt(fds[1], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	(void)setsockopt(fds[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	peer[fds[0]] = fds[1];
	is_link[fds[0]] = link;
	return fds[0];
}

static bool is_ours(int fd, bool link)
{
	return fd >= 0 && fd < FDS_MAX && peer[fd] && is_link[fd] == link;
}

/* rtnetlink. */

struct message {
	struct nlmsghdr head;
	struct ifinfomsg info;
	char attrs[256];
};

static struct rtattr *add(struct message *m, unsigned short type, const void *data, size_t len)
{
	struct rtattr *a = (void *)((char *)m + NLMSG_ALIGN(m->head.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(a), data, len);
	m->head.nlmsg_len = NLMSG_ALIGN(m->head.nlmsg_len) + RTA_ALIGN(a->rta_len);
	return a;
}

static void add_kind(struct message *m, const char *kind)
{
	struct rtattr *nest = add(m, IFLA_LINKINFO, NULL, 0);
	const struct rtattr *a = add(m, IFLA_INFO_KIND, kind, strlen(kind) + 1);

	nest->rta_len = (unsigned short)(nest->rta_len + RTA_ALIGN(a->rta_len));
}

static struct message message(unsigned short type, int index, unsigned int flags)
{
	return (struct message){
		.head = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)), .nlmsg_type = type},
		.info = {.ifi_index = index, .ifi_flags = flags},
	};
}

static void say(int fd, const struct message *m)
{
	FAULT_MUST(__real_send(peer[fd], m, m->head.nlmsg_len, MSG_NOSIGNAL) > 0);
}

static void say_ours(int fd, unsigned short type, uint32_t number)
{
	struct message m = message(type, FAKE_TUN_INDEX, fake_tun.flags);

	m.head.nlmsg_seq = number;
	(void)add(&m, IFLA_IFNAME, fake_tun.name, strlen(fake_tun.name) + 1);
	(void)add(&m, IFLA_ADDRESS, fake_tun.addr, 6);
	(void)add(&m, IFLA_MTU, &fake_tun.mtu, 4);
	(void)add(&m, IFLA_PROMISCUITY, &fake_tun.promiscuity, 4);
	add_kind(&m, "tun");
	say(fd, &m);
}

static void say_all(int fd)
{
	struct message m = message(RTM_NEWLINK, OTHER_INDEX, 0);

	if (fake_tun.other[0]) {
		(void)add(&m, IFLA_IFNAME, fake_tun.other, strlen(fake_tun.other) + 1);
		(void)add(&m, IFLA_ADDRESS, fake_tun.other_addr, 6);
		if (fake_tun.other_kind[0])
			add_kind(&m, fake_tun.other_kind);
		if (fake_tun.other_master)
			(void)add(&m, IFLA_MASTER, &fake_tun.other_master, 4);
		say(fd, &m);
	}
	if (fake_tun.exists)
		say_ours(fd, RTM_NEWLINK, 0);
	m = message(NLMSG_DONE, 0, 0);
	say(fd, &m);
}

static void say_error(int fd, int error, const struct message *about)
{
	const struct nlmsgerr err = {.error = error, .msg = about->head};
	struct message m = message(NLMSG_ERROR, 0, 0);

	m.head.nlmsg_len = NLMSG_LENGTH(sizeof(err));
	memcpy(NLMSG_DATA(&m.head), &err, sizeof(err));
	say(fd, &m);
}

/* Is it that one which is asked for? */
static bool is_meant(const struct message *m)
{
	const struct rtattr *a = (const void *)m->attrs;

	if (m->info.ifi_index)
		return m->info.ifi_index == FAKE_TUN_INDEX;
	return a->rta_type == IFLA_IFNAME && !strcmp(RTA_DATA(a), fake_tun.name);
}

static void answer(int fd, const struct message *m)
{
	if (fake_tun.rename[0])
		memcpy(fake_tun.name, fake_tun.rename, IFNAMSIZ);
	fake_tun.rename[0] = 0;
	if (fake_tun.exists && is_meant(m))
		say_ours(fd, RTM_NEWLINK, m->head.nlmsg_seq);
	else
		say_error(fd, -ENODEV, m);
}

static void tell(unsigned short type)
{
	for (int fd = 0; fd < FDS_MAX; fd++)
		if (is_ours(fd, true))
			say_ours(fd, type, 0);
}

void fake_tun_tell(void)
{
	fake_tun_lock();
	tell(RTM_NEWLINK);
	fake_tun_unlock();
}

static void change(const struct message *m)
{
	const char *p = (const char *)m + NLMSG_LENGTH(sizeof(m->info));
	const char *end = (const char *)m + m->head.nlmsg_len;

	while (p < end) {
		const struct rtattr *a = (const void *)p;

		if (a->rta_type == IFLA_MTU)
			memcpy(&fake_tun.mtu, RTA_DATA(a), 4);
		if (a->rta_type == IFLA_ADDRESS)
			memcpy(fake_tun.addr, RTA_DATA(a), 6);
		p += RTA_ALIGN(a->rta_len);
	}
	if (m->info.ifi_change & IFF_UP) {
		fake_tun.asked_down++;
		fake_tun.flags = m->info.ifi_flags & IFF_UP;
	}
	tell(RTM_NEWLINK);
}

static bool on_send(int fd, const void *buf, size_t len, int *ret)
{
	const struct message *m = buf;

	fake_tun_lock();
	if (!is_ours(fd, true)) {
		fake_tun_unlock();
		return false;
	}
	if (m->head.nlmsg_type == RTM_NEWLINK)
		change(m);
	else if (m->head.nlmsg_flags & NLM_F_DUMP)
		say_all(fd);
	else
		answer(fd, m);
	fake_tun_unlock();
	*ret = (int)len;
	return true;
}

static bool on_socket(int domain, int type, int protocol, int *ret)
{
	(void)type;
	(void)protocol;
	if (domain != AF_NETLINK)
		return false;
	fake_tun_lock();
	*ret = make_pair(true, false);
	fake_tun_unlock();
	return true;
}

static bool on_bind(int fd, int *ret)
{
	bool ours;

	fake_tun_lock();
	ours = is_ours(fd, true);
	fake_tun_unlock();
	*ret = 0;
	return ours;
}

/* The node. */

static bool on_open(const char *path, int *ret)
{
	if (strcmp(path, udrv__tap_node) != 0)
		return false;
	fake_tun_lock();
	*ret = fake_tun.node_errno ? -fake_tun.node_errno : make_pair(false, true);
	fake_tun_unlock();
	return true;
}

/* Another one, made by mistake. */
static char stray_name[IFNAMSIZ];
static int stray_fd = -1;

static int create(int fd, struct ifreq *ifr)
{
	if (fake_tun.create_errno)
		return -fake_tun.create_errno;
	if (!fake_tun.exists) {
		memcpy(fake_tun.name, ifr->ifr_name, IFNAMSIZ);
		if (strchr(fake_tun.name, '%'))
			memcpy(strchr(fake_tun.name, '%'), "0", 2);
		fake_tun.exists = true;
		fake_tun.mtu = 1500;
		fake_tun.flags = 0;
		fake_tun.promiscuity = 0;
		fake_tun.carrier = true;
		fake_tun.queues = 0;
		fake_tun.creates++;
	} else if (ifr->ifr_flags & IFF_TUN_EXCL) {
		return -EBUSY;
	}
	if (fake_tun.queues && fake_tun.rename_early[0]) {
		memcpy(fake_tun.name, fake_tun.rename_early, IFNAMSIZ);
		fake_tun.rename_early[0] = 0;
	}
	if (strcmp(ifr->ifr_name, fake_tun.name) != 0 && fake_tun.queues) {
		memcpy(stray_name, ifr->ifr_name, IFNAMSIZ);
		stray_fd = fd;
		fake_tun.strays++;
		return 0;
	}
	queue[fake_tun.queues++] = fd;
	memcpy(ifr->ifr_name, fake_tun.name, IFNAMSIZ);
	return 0;
}

static int request(int fd, unsigned long nr, void *arg)
{
	struct ifreq *ifr = arg;

	switch (nr) {
	case TUNSETIFF:
		return create(fd, ifr);
	case TUNGETIFF:
		memcpy(ifr->ifr_name, fd == stray_fd ? stray_name : fake_tun.name, IFNAMSIZ);
		return fake_tun.exists ? 0 : -EBADFD;
	case TUNGETDEVNETNS:
		return dup(STDERR_FILENO);
	case TUNSETVNETHDRSZ:
		return *(int *)arg == sizeof(struct virtio_net_hdr) ? 0 : -EINVAL;
	case TUNSETOFFLOAD:
		fake_tun.offload = (uintptr_t)arg;
		return 0;
	case SIOCSIFHWADDR:
		memcpy(fake_tun.addr, ifr->ifr_hwaddr.sa_data, 6);
		return 0;
	case TUNSETCARRIER:
		fake_tun.carrier = *(int *)arg;
		fake_tun.carriers++;
		return 0;
	default:
		return -EINVAL;
	}
}

static bool on_ioctl(int fd, unsigned long nr, void *arg, int *ret)
{
	bool ours;

	fake_tun_lock();
	ours = is_ours(fd, false);
	if (ours)
		*ret = request(fd, nr, arg);
	fake_tun_unlock();
	return ours;
}

/* The last descriptor takes the interface with it. */
static void on_close(int fd)
{
	fake_tun_lock();
	if (fd == stray_fd) {
		stray_fd = -1;
		fake_tun.strays--;
	}
	if (is_ours(fd, true) || is_ours(fd, false)) {
		(void)__real_close(peer[fd]);
		peer[fd] = 0;
		for (unsigned int i = 0; i < fake_tun.queues && !is_link[fd]; i++) {
			if (queue[i] != fd)
				continue;
			queue[i] = queue[--fake_tun.queues];
			fake_tun.exists = fake_tun.exists && fake_tun.queues;
		}
	}
	fake_tun_unlock();
}

void fake_tun_up(bool up)
{
	fake_tun_lock();
	fake_tun.flags = up ? IFF_UP : 0;
	tell(RTM_NEWLINK);
	fake_tun_unlock();
}

void fake_tun_delete(void)
{
	fake_tun_lock();
	fake_tun.exists = false;
	tell(RTM_DELLINK);
	fake_tun_unlock();
}

void fake_tun_move(void)
{
	fake_tun_lock();
	tell(RTM_DELLINK);
	fake_tun_unlock();
}

void fake_tun_put(unsigned int i, const struct virtio_net_hdr *hdr, const void *frame, size_t len)
{
	static const struct virtio_net_hdr none;
	const struct iovec iov[] = {
		{(void *)(uintptr_t)(hdr ? hdr : &none), sizeof(none)},
		{(void *)(uintptr_t)frame, len},
	};
	int fd;

	fake_tun_lock();
	fd = peer[queue[i]];
	fake_tun_unlock();
	FAULT_MUST(writev(fd, iov, 2) == (ssize_t)(sizeof(none) + len));
}

static bool is_readable(unsigned int i, int ms, int *at)
{
	struct pollfd fd = {.events = POLLIN};

	fake_tun_lock();
	*at = fd.fd = peer[queue[i]];
	fake_tun_unlock();
	return poll(&fd, 1, ms) > 0;
}

bool fake_tun_has(unsigned int i)
{
	int fd;

	return is_readable(i, 0, &fd);
}

size_t fake_tun_get(unsigned int i, struct virtio_net_hdr *hdr, void *frame, size_t size)
{
	struct iovec iov[] = {{hdr, sizeof(*hdr)}, {frame, size}};
	ssize_t n;
	int fd;

	FAULT_MUST(is_readable(i, PATIENCE_MS, &fd));
	n = readv(fd, iov, 2);
	FAULT_MUST(n >= (ssize_t)sizeof(*hdr));
	return (size_t)n - sizeof(*hdr);
}

void fake_tun_start(void)
{
	static const struct fault_hooks hooks = {
		.open = on_open,
		.ioctl = on_ioctl,
		.socket = on_socket,
		.bind = on_bind,
		.send = on_send,
		.close = on_close,
	};

	memset(&fake_tun, 0, sizeof(fake_tun));
	memset(peer, 0, sizeof(peer));
	fault_set_hooks(&hooks);
}

void fake_tun_stop(void)
{
	static const struct fault_hooks none;

	fault_set_hooks(&none);
}
