/* SPDX-License-Identifier: MIT */
/* Becoming nbdkit's process, in which a plugin is the daemon (nbdkit_plugin.c). */
#ifndef UDRV_SRC_NBD_H
#define UDRV_SRC_NBD_H

#include <stddef.h>
#include <sys/socket.h>

#include "driver/daemon.h"

/* Where nbdkit listens: @path, or @port of @host ("": all addresses). */
struct udrv__nbd_address {
	char path[108];
	char host[256];
	char port[8];
};

/*
 * PATH, unix:PATH, PORT, :PORT, HOST:PORT, [IPV6]:PORT, each of the latter also with tcp: before
 * it. What is all digits is a port; what has a colon and no slash is a host and a port. The path is
 * made absolute. 0 or -EINVAL or -ENAMETOOLONG, explained.
 */
int udrv__nbd_parse(const char *text, struct udrv__nbd_address *a);

/*
 * A socket that a killed daemon left is removed: nobody listens. 0, or negative errno, explained:
 * -EADDRINUSE if somebody does, -EEXIST if it is something else.
 */
int udrv__nbd_clear(const char *path);

#define UDRV__NBD_LISTENERS_MAX 8u

/* nbd_clients.c: where this process listens. */
struct udrv__nbd_listeners {
	unsigned int count;
	struct sockaddr_storage address[UDRV__NBD_LISTENERS_MAX];
};

void udrv__nbd_listeners(struct udrv__nbd_listeners *l);
/* Who is connected there, and has got all answers, is heard no more: reads give the end. */
void udrv__nbd_hang_up(struct udrv__nbd_listeners *l);
/* Whether he has or not; nor does anything reach him any more. */
void udrv__nbd_cut_off(struct udrv__nbd_listeners *l);

/* What the plugin takes beside the driver's parameters. */
#define UDRV__NBD_DEVICE   "device"
#define UDRV__NBD_BACKEND  "backend"
#define UDRV__NBD_VERBOSE  "verbose"
#define UDRV__NBD_SOCKET   "socket"   /* where nbdkit listens; to be removed at the end */
#define UDRV__NBD_ADDRESS  "address"  /* where it listens if that is HOST:PORT */
#define UDRV__NBD_READY_FD "ready-fd" /* udrv__detach_ready(), or -1; given by `udrv run` only */

/*
 * nbdkit's command line, in one allocation; the words stay the caller's or are in it. NULL: no
 * memory.
 */
char **udrv__nbd_words(const struct udrv__run_options *o, const struct udrv__nbd_address *a,
		       const char *plugin, int ready_fd);

/* Does not return if it worked. Negative errno, explained. */
int udrv__nbd_exec(const struct udrv_driver *drv, const struct udrv__run_options *o, int ready_fd);

#endif
