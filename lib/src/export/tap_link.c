// SPDX-License-Identifier: MIT
/* Interfaces, by rtnetlink(7). */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "export/tap.h"

#define ANSWER_MAX 32768

int udrv__tap_link_open(void)
{
	const struct sockaddr_nl addr = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int ret;

	if (fd < 0)
		return -errno;
	if (!bind(fd, (const struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

struct request {
	struct nlmsghdr head;
	struct ifinfomsg info;
	char attrs[64];
};

static void add_attr(struct request *r, unsigned short type, const void *data, size_t len)
{
	struct rtattr *a = (void *)((char *)r + NLMSG_ALIGN(r->head.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(len);
	memcpy(RTA_DATA(a), data, len);
	r->head.nlmsg_len = NLMSG_ALIGN(r->head.nlmsg_len) + RTA_ALIGN(a->rta_len);
}

static struct request begin(unsigned short type, unsigned short flags, int index)
{
	return (struct request){
		.head = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
			 .nlmsg_type = type,
			 .nlmsg_flags = NLM_F_REQUEST | flags},
		.info = {.ifi_family = AF_UNSPEC, .ifi_index = index},
	};
}

static int put(int fd, const struct request *r)
{
	return send(fd, r, r->head.nlmsg_len, 0) < 0 ? -errno : 0;
}

int udrv__tap_link_ask(int fd, uint32_t number, int index, const char *name)
{
	struct request r = begin(RTM_GETLINK, index || name ? 0 : NLM_F_DUMP, index);

	r.head.nlmsg_seq = number;
	if (name)
		add_attr(&r, IFLA_IFNAME, name, strlen(name) + 1);
	return put(fd, &r);
}

int udrv__tap_link_change(int fd, int index, const struct udrv__tap_change *c)
{
	struct request r = begin(RTM_NEWLINK, 0, index);

	if (c->mtu)
		add_attr(&r, IFLA_MTU, &c->mtu, sizeof(c->mtu));
	if (c->addr)
		add_attr(&r, IFLA_ADDRESS, c->addr, UDRV_ETH_ALEN);
	if (c->down)
		r.info.ifi_change = IFF_UP;
	return put(fd, &r);
}

/* What the kernel writes is well formed; a test's need not be. */
static void each_attr(struct udrv__tap_link *link, const void *from, size_t left,
		      void (*take)(struct udrv__tap_link *link, const struct rtattr *a))
{
	const char *p = from;

	while (left >= sizeof(struct rtattr)) {
		const struct rtattr *a = (const void *)p;
		const size_t step = RTA_ALIGN((size_t)a->rta_len);

		if (a->rta_len < sizeof(*a) || a->rta_len > left)
			return;
		take(link, a);
		if (step >= left)
			return;
		p += step;
		left -= step;
	}
}

static void take_kind(struct udrv__tap_link *link, const struct rtattr *a)
{
	if (a->rta_type == IFLA_INFO_KIND)
		(void)strncpy(link->kind, RTA_DATA(a), sizeof(link->kind) - 1);
}

static void take_attr(struct udrv__tap_link *link, const struct rtattr *a)
{
	const size_t len = RTA_PAYLOAD(a);

	switch (a->rta_type) {
	case IFLA_IFNAME:
		(void)strncpy(link->name, RTA_DATA(a), sizeof(link->name) - 1);
		break;
	case IFLA_ADDRESS:
		link->has_addr = len == sizeof(link->addr);
		if (link->has_addr)
			memcpy(link->addr, RTA_DATA(a), sizeof(link->addr));
		break;
	case IFLA_MTU:
		if (len == sizeof(link->mtu))
			memcpy(&link->mtu, RTA_DATA(a), sizeof(link->mtu));
		break;
	case IFLA_PROMISCUITY:
		if (len == sizeof(link->promiscuity))
			memcpy(&link->promiscuity, RTA_DATA(a), sizeof(link->promiscuity));
		break;
	case IFLA_MASTER:
		link->has_master = true;
		break;
	case IFLA_LINKINFO:
		each_attr(link, RTA_DATA(a), len, take_kind);
		break;
	default:
		break;
	}
}

static bool parse(const struct nlmsghdr *head, struct udrv__tap_link *link)
{
	const struct ifinfomsg *info = NLMSG_DATA(head);
	const size_t fixed = NLMSG_LENGTH(sizeof(*info));

	if ((head->nlmsg_type != RTM_NEWLINK && head->nlmsg_type != RTM_DELLINK) ||
	    head->nlmsg_len < fixed)
		return false;
	/* What bridges say of their ports. */
	if (info->ifi_family != AF_UNSPEC)
		return false;
	*link = (struct udrv__tap_link){.index = info->ifi_index,
					.flags = info->ifi_flags,
					.answers = head->nlmsg_seq,
					.deleted = head->nlmsg_type == RTM_DELLINK};
	each_attr(link, IFLA_RTA(info), head->nlmsg_len - fixed, take_attr);
	return true;
}

int udrv__tap_link_read(int fd, bool block,
			void (*each)(void *ctx, const struct udrv__tap_link *link), void *ctx)
{
	union {
		struct nlmsghdr head;
		char bytes[ANSWER_MAX];
	} answer;
	const ssize_t n = recv(fd, &answer, sizeof(answer), block ? 0 : MSG_DONTWAIT);
	unsigned int left = (unsigned int)n;
	int ret = 0;

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (!n)
		return -EPIPE;
	for (const struct nlmsghdr *h = &answer.head; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
		const struct nlmsgerr *err = NLMSG_DATA(h);
		struct udrv__tap_link link;

		if (parse(h, &link))
			each(ctx, &link);
		else if (h->nlmsg_type == NLMSG_DONE)
			each(ctx, NULL);
		else if (h->nlmsg_type == NLMSG_ERROR && err->error)
			ret = err->error;
	}
	return ret;
}
