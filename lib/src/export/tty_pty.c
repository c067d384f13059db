// SPDX-License-Identifier: MIT
/* The pseudo terminal, and its stable name. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <udrv/device.h>

#include "export/tty.h"

/* Whose serial ports are, where there is such a group. */
#define GROUP "dialout"

/* "<rundir>/tty" */
static int make_dir(const struct udrv__pty *pty, char *dir, size_t size)
{
	int ret = udrv__rundir_make();

	if (!ret)
		ret = udrv__rundir_path(dir, size, "tty", "");
	if (ret)
		return ret;
	if (mkdir(dir, 0755) && errno != EEXIST) {
		ret = -errno;
		udrv_dev_err(pty->dev, "%s: cannot be made: %s", dir, strerror(-ret));
		return ret;
	}
	return udrv__rundir_check(dir);
}

/* A link that was there is replaced at once; anything else is somebody's. */
static int make_link(const struct udrv__pty *pty)
{
	char tmp[UDRV__PATH_MAX + 8];
	struct stat st;

	if (!lstat(pty->link, &st) && !S_ISLNK(st.st_mode)) {
		udrv_dev_err(pty->dev, "%s is there, and no symbolic link: remove it", pty->link);
		return -EEXIST;
	}
	(void)snprintf(tmp, sizeof(tmp), "%s.new", pty->link);
	(void)unlink(tmp);
	if (!symlink(pty->slave, tmp) && !rename(tmp, pty->link))
		return 0;
	udrv_dev_err(pty->dev, "%s: cannot be made: %s", pty->link, strerror(errno));
	return -errno;
}

/* Root's terminals are for the group that has serial ports, as the kernel's are by udev. */
static void share(const struct udrv__pty *pty)
{
	struct group group;
	struct group *found = NULL;
	char buf[4096];

	if (geteuid() || getgrnam_r(GROUP, &group, buf, sizeof(buf), &found) || !found)
		return;
	if (!chown(pty->slave, (uid_t)-1, group.gr_gid))
		(void)chmod(pty->slave, 0660);
}

/* First settings. */
static int settle(const struct udrv__pty *pty, const struct udrv_ktermios *settings)
{
	struct udrv_ktermios t;
	const int on = 1;
	char reported;
	int ret;

	if (ioctl(pty->master, TIOCPKT, &on))
		return -errno;
	ret = udrv__pty_get_termios(pty->master, &t);
	if (ret)
		return ret;
	udrv__termios_init(&t);
	ret = udrv__pty_set_termios(pty->master, settings ? settings : &t);
	if (ret)
		return ret;
	/* It is our own change that is reported. */
	return read(pty->master, &reported, 1) < 0 && errno != EAGAIN ? -errno : 0;
}

static int watch(struct udrv__pty *pty)
{
	pty->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (pty->inotify < 0)
		return -errno;
	return inotify_add_watch(pty->inotify, pty->slave, IN_OPEN | IN_CLOSE) < 0 ? -errno : 0;
}

/* Opened and closed once, so that the master knows that nobody has it; unless somebody does. */
static int touch(const struct udrv__pty *pty)
{
	const int slave = open(pty->slave, O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (slave < 0)
		return errno == EBUSY ? 0 : -errno;
	close(slave);
	return 0;
}

/*
 * Its name may have been another one's, to which a link still points: from the unlocking on
 * programs open it, and each open is seen.
 */
static int make(struct udrv__pty *pty, const struct udrv_ktermios *settings)
{
	int ret;

	pty->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (pty->master < 0)
		return -errno;
	if (grantpt(pty->master))
		return -errno;
	ret = ptsname_r(pty->master, pty->slave, sizeof(pty->slave));
	if (ret)
		return -ret;
	share(pty);
	ret = settle(pty, settings);
	if (!ret)
		ret = watch(pty);
	if (!ret && unlockpt(pty->master))
		ret = -errno;
	return ret ? ret : touch(pty);
}

static int start(struct udrv__pty *pty, const struct udrv_ktermios *settings)
{
	int ret = make(pty, settings);

	if (ret)
		udrv_dev_err(pty->dev, "no pseudo terminal for %s: %s", pty->link, strerror(-ret));
	else
		ret = make_link(pty);
	if (ret)
		udrv__pty_hang_up(pty);
	return ret;
}

int udrv__pty_open(struct udrv__pty *pty, const struct udrv_device *dev, const char *name)
{
	char dir[UDRV__PATH_MAX];
	int ret;

	pty->dev = dev;
	pty->master = pty->inotify = -1;
	ret = make_dir(pty, dir, sizeof(dir));
	if (ret)
		return ret;
	ret = snprintf(pty->link, sizeof(pty->link), "%s/%s", dir, name);
	return (size_t)ret >= sizeof(pty->link) ? -ENAMETOOLONG : start(pty, NULL);
}

int udrv__pty_reopen(struct udrv__pty *pty, const struct udrv_ktermios *settings)
{
	char dir[UDRV__PATH_MAX];
	int ret;

	udrv__pty_hang_up(pty);
	ret = make_dir(pty, dir, sizeof(dir));
	return ret ? ret : start(pty, settings);
}

void udrv__pty_hang_up(struct udrv__pty *pty)
{
	if (pty->inotify >= 0)
		close(pty->inotify);
	if (pty->master >= 0)
		close(pty->master);
	pty->inotify = pty->master = -1;
}

void udrv__pty_close(struct udrv__pty *pty)
{
	char target[sizeof(pty->slave)];
	ssize_t len = readlink(pty->link, target, sizeof(target) - 1);

	/* Not that of somebody who came after. */
	if (len > 0 && !strncmp(target, pty->slave, (size_t)len) && !pty->slave[len])
		(void)unlink(pty->link);
	udrv__pty_hang_up(pty);
}

bool udrv__pty_closed(const struct udrv__pty *pty)
{
	struct pollfd fd = {.fd = pty->master};

	return pty->master < 0 || (poll(&fd, 1, 0) > 0 && fd.revents & POLLHUP);
}

/* A byte of packet mode is readable, too, but not counted. */
bool udrv__pty_written(const struct udrv__pty *pty)
{
	struct pollfd fd = {.fd = pty->master, .events = POLLIN};
	int count = 0;

	return poll(&fd, 1, 0) > 0 && fd.revents & POLLIN &&
	       !ioctl(pty->master, FIONREAD, &count) && count > 0;
}

int udrv__pty_refresh(const struct udrv__pty *pty)
{
	int slave = open(pty->slave, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (slave < 0)
		return -errno;
	(void)tcflush(slave, TCIFLUSH);
	(void)tcflow(slave, TCOON);
	(void)ioctl(slave, TIOCNXCL);
	close(slave);
	return 0;
}
