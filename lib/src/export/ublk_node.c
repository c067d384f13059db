// SPDX-License-Identifier: MIT
/* Device nodes, which the kernel or udev makes a moment after the device. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <udrv/log.h>

#include "export/ublk.h"
#include "sched/clock.h"

#define APPEARS_MS 10000
/* How often it is tried again although nothing has changed in /dev: another has it open. */
#define AGAIN_MS 20

void udrv__ublk_path(char path[UDRV__UBLK_PATH_MAX], char kind, uint32_t id)
{
	(void)snprintf(path, UDRV__UBLK_PATH_MAX, "%s/ublk%c%u", udrv__ublk_dev, kind, id);
}

static bool may_change(int err)
{
	return err == ENOENT || err == ENXIO || err == ENODEV || err == EACCES || err == EBUSY;
}

/* Something has changed in /dev, or some time has passed. */
static void await_change(int watch_fd)
{
	struct pollfd p = {.fd = watch_fd, .events = POLLIN};
	char events[4096];

	(void)poll(&p, 1, AGAIN_MS);
	while (read(watch_fd, events, sizeof(events)) > 0)
		;
}

static int open_in_time(const char *path, int watch_fd)
{
	const uint64_t end = udrv__now_ns() + APPEARS_MS * UINT64_C(1000000);
	int fd;

	/* What appears between a try and the wait is in the watch already. */
	while ((fd = open(path, O_RDWR | O_CLOEXEC)) < 0) {
		if (!may_change(errno) || udrv__now_ns() >= end)
			return -errno;
		await_change(watch_fd);
	}
	return fd;
}

int udrv__ublk_open_node(uint32_t id, int *fd_out)
{
	int watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char path[UDRV__UBLK_PATH_MAX];
	int fd;

	udrv__ublk_path(path, 'c', id);
	if (watch_fd >= 0)
		(void)inotify_add_watch(watch_fd, udrv__ublk_dev,
					IN_CREATE | IN_ATTRIB | IN_MOVED_TO);
	fd = open_in_time(path, watch_fd);
	if (watch_fd >= 0)
		close(watch_fd);
	if (fd < 0) {
		udrv_pr_err("%s: cannot open: %s%s", path, strerror(-fd),
			    fd == -ENOENT ? ": is udev running?" : "");
		return fd;
	}
	*fd_out = fd;
	return 0;
}

void udrv__ublk_await_disk(uint32_t id)
{
	const uint64_t end = udrv__now_ns() + APPEARS_MS * UINT64_C(1000000);
	int watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char path[UDRV__UBLK_PATH_MAX];

	udrv__ublk_path(path, 'b', id);
	if (watch_fd >= 0)
		(void)inotify_add_watch(watch_fd, udrv__ublk_dev, IN_CREATE | IN_MOVED_TO);
	while (access(path, F_OK) && udrv__now_ns() < end)
		await_change(watch_fd);
	if (watch_fd >= 0)
		close(watch_fd);
}
