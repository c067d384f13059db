// SPDX-License-Identifier: MIT
/* Where to serve NBD. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <udrv/log.h>

#include "export/nbd.h"

#define DIGITS "0123456789"

static int refuse(const char *text, const char *why)
{
	udrv_pr_err("--nbd=%.128s: %s; it is a path, [HOST]:PORT, or PORT", text, why);
	return -EINVAL;
}

static int parse_path(const char *text, const char *path, struct udrv__nbd_address *a)
{
	char cwd[PATH_MAX];
	int len;

	if (!*path)
		return refuse(text, "no path");
	if (*path == '/')
		len = snprintf(a->path, sizeof(a->path), "%s", path);
	else if (getcwd(cwd, sizeof(cwd)))
		len = snprintf(a->path, sizeof(a->path), "%s/%s", cwd, path);
	else
		return refuse(text, strerror(errno));
	if (len > 0 && (size_t)len < sizeof(a->path))
		return 0;
	udrv_pr_err("%s: too long for a socket's name, which has at most %zu bytes", text,
		    sizeof(a->path) - 1);
	return -ENAMETOOLONG;
}

static bool is_port(const char *text)
{
	size_t len = strlen(text);

	return len && len < sizeof(((struct udrv__nbd_address *)NULL)->port) &&
	       len == strspn(text, DIGITS) && atol(text) > 0 && atol(text) < 65536;
}

static int parse_tcp(const char *text, const char *tcp, struct udrv__nbd_address *a)
{
	const char *colon = strrchr(tcp, ':');
	const char *port = colon ? colon + 1 : tcp;
	const char *host = tcp;
	size_t len = colon ? (size_t)(colon - tcp) : 0;

	if (len > 1 && host[0] == '[' && host[len - 1] == ']') {
		host++;
		len -= 2;
	} else if (memchr(host, ':', len)) {
		return refuse(text, "an IPv6 address is in brackets");
	}
	if (!is_port(port))
		return refuse(text, "not a port from 1 to 65535");
	if (len >= sizeof(a->host))
		return refuse(text, "too long a host");
	memcpy(a->host, host, len);
	a->host[len] = 0;
	strcpy(a->port, port);
	return 0;
}

int udrv__nbd_parse(const char *text, struct udrv__nbd_address *a)
{
	*a = (struct udrv__nbd_address){0};
	if (!strncmp(text, "unix:", 5))
		return parse_path(text, text + 5, a);
	if (!strncmp(text, "tcp:", 4))
		return parse_tcp(text, text + 4, a);
	if (*text && !strchr(text, '/') && (strchr(text, ':') || !text[strspn(text, DIGITS)]))
		return parse_tcp(text, text, a);
	return parse_path(text, text, a);
}

/* 0: nobody listens. */
static int try_socket(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int ret;

	if (fd < 0)
		return -errno;
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	/* -EAGAIN: it listens, and has no room. */
	ret = !connect(fd, (struct sockaddr *)&addr, sizeof(addr)) || errno == EAGAIN ? -EADDRINUSE
										      : -errno;
	close(fd);
	return ret == -ECONNREFUSED ? 0 : ret;
}

int udrv__nbd_clear(const char *path)
{
	struct stat st;
	int ret;

	if (lstat(path, &st))
		return 0; /* if it is not there for another reason, nbdkit says so */
	ret = S_ISSOCK(st.st_mode) ? try_socket(path) : -EEXIST;
	if (!ret && unlink(path))
		ret = -errno;
	if (ret == -EEXIST)
		udrv_pr_err("%s: there is something that is no socket", path);
	else if (ret == -EADDRINUSE)
		udrv_pr_err("%s: somebody serves there already", path);
	else if (ret)
		udrv_pr_err("%s: left by another, and cannot be removed: %s", path, strerror(-ret));
	return ret;
}
