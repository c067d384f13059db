// SPDX-License-Identifier: MIT
/*
 * The sockets of nbdkit's clients. nbdkit ends when they have gone, however long that takes, and a
 * plugin has no means to send them away: so those that are connected to where this process listens
 * are looked up among its descriptors.
 */
#include <dirent.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "export/nbd.h"

static bool get_option(int fd, int option, int wanted)
{
	socklen_t len = sizeof(int);
	int value;

	return !getsockopt(fd, SOL_SOCKET, option, &value, &len) && value == wanted;
}

/* A stream that listens, or is connected, and its own address. */
static bool is_stream(int fd, bool listens, struct sockaddr_storage *own)
{
	socklen_t len = sizeof(*own);

	memset(own, 0, sizeof(*own));
	return get_option(fd, SO_TYPE, SOCK_STREAM) && get_option(fd, SO_ACCEPTCONN, listens) &&
	       !getsockname(fd, (struct sockaddr *)own, &len);
}

/* An accepted socket has its listener's path or port. */
static bool is_of(const struct sockaddr_storage *listener, const struct sockaddr_storage *own)
{
	if (own->ss_family != listener->ss_family)
		return false;
	switch (own->ss_family) {
	case AF_INET:
		return ((const struct sockaddr_in *)(const void *)own)->sin_port ==
		       ((const struct sockaddr_in *)(const void *)listener)->sin_port;
	case AF_INET6:
		return ((const struct sockaddr_in6 *)(const void *)own)->sin6_port ==
		       ((const struct sockaddr_in6 *)(const void *)listener)->sin6_port;
	default:
		return !memcmp(own, listener, sizeof(*own));
	}
}

static bool is_client(const struct udrv__nbd_listeners *l, int fd)
{
	struct sockaddr_storage own;
	unsigned int i = 0;

	if (!is_stream(fd, false, &own))
		return false;
	while (i < l->count && !is_of(&l->address[i], &own))
		i++;
	return i < l->count;
}

/* Nothing is on its way to him. */
static bool has_all(int fd)
{
	int unsent;

	return !ioctl(fd, SIOCOUTQ, &unsent) && !unsent;
}

static void add_listener(struct udrv__nbd_listeners *l, int fd)
{
	if (l->count < UDRV__NBD_LISTENERS_MAX && is_stream(fd, true, &l->address[l->count]))
		l->count++;
}

static void hang_up(struct udrv__nbd_listeners *l, int fd)
{
	if (is_client(l, fd) && has_all(fd))
		(void)shutdown(fd, SHUT_RD);
}

static void cut_off(struct udrv__nbd_listeners *l, int fd)
{
	if (is_client(l, fd))
		(void)shutdown(fd, SHUT_RDWR);
}

static void each_descriptor(struct udrv__nbd_listeners *l,
			    void (*fn)(struct udrv__nbd_listeners *l, int fd))
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			fn(l, atoi(entry->d_name));
	if (dir)
		(void)closedir(dir);
}

void udrv__nbd_listeners(struct udrv__nbd_listeners *l)
{
	l->count = 0;
	each_descriptor(l, add_listener);
}

void udrv__nbd_hang_up(struct udrv__nbd_listeners *l)
{
	each_descriptor(l, hang_up);
}

void udrv__nbd_cut_off(struct udrv__nbd_listeners *l)
{
	each_descriptor(l, cut_off);
}
