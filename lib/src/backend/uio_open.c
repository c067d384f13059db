// SPDX-License-Identifier: MIT
/* Finding and opening what reaches a device that is bound to uio_pci_generic. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <udrv/log.h>

#include "backend/uio.h"
#include "pci/device.h"
#include "pci/sysfs.h"

/* The number of "uio<N>", or -1. */
static int node_number(const char *name)
{
	char *end;
	long number;

	if (strncmp(name, "uio", 3) != 0 || name[3] < '0' || name[3] > '9')
		return -1;
	number = strtol(name + 3, &end, 10);
	return *end || number > INT_MAX ? -1 : (int)number;
}

/* The UIO device that hangs below the function. */
static int find_node(const char *name)
{
	char folder[PATH_MAX];
	struct dirent *entry;
	int number = -1;
	DIR *dir;

	(void)snprintf(folder, sizeof(folder), "%s/bus/pci/devices/%s/uio", udrv__sysfs_root, name);
	dir = opendir(folder);
	if (!dir)
		return errno == ENOENT ? -ENODEV : -errno;
	while (number < 0 && (entry = readdir(dir)))
		number = node_number(entry->d_name);
	closedir(dir);
	return number < 0 ? -ENODEV : number;
}

static int explain_open(const char *device, const char *path, int err)
{
	switch (err) {
	case ENOENT:
		udrv_pr_err("%s: %s does not exist: udev or devtmpfs makes it where /dev is theirs",
			    device, path);
		break;
	case EACCES:
		udrv_pr_err("%s: no permission for %s; run as root, or give this user the node, "
			    "and `config` and `resource0` to 5 of /sys/bus/pci/devices/%s",
			    device, path, device);
		break;
	default:
		udrv_pr_err("%s: cannot open %s: %s", device, path, strerror(err));
	}
	return -err;
}

/* A node of that name may be an old one, left in a /dev that nobody cares for. */
static int check_node(const struct udrv__uio *uio, const char *path)
{
	const char *name = uio->dev->name;
	char wanted[32];
	char found[32];
	struct stat st;
	int ret = udrv__sysfs_read(wanted, sizeof(wanted), "bus/pci/devices/%s/uio/uio%d/dev", name,
				   uio->node);

	if (ret < 0) {
		udrv_pr_err("%s: sysfs does not describe %s: %s", name, path, strerror(-ret));
		return ret;
	}
	if (fstat(uio->fd, &st))
		return -errno;
	(void)snprintf(found, sizeof(found), "%u:%u", major(st.st_rdev), minor(st.st_rdev));
	if (S_ISCHR(st.st_mode) && !strcmp(wanted, found))
		return 0;
	udrv_pr_err("%s: %s is not the node of this device, which has the number %s: remove the "
		    "node, and make it anew (mknod, or udevadm trigger)",
		    name, path, wanted);
	return -ENODEV;
}

/*
 * UIO lets several processes have a device. Those that ask by this lock have it one at a time;
 * others can be seen by `udrv info`.
 */
static int lock_node(const struct udrv__uio *uio, const char *path)
{
	const char *name = uio->dev->name;
	int err;

	if (!flock(uio->fd, LOCK_EX | LOCK_NB))
		return 0;
	err = errno;
	if (err == EWOULDBLOCK) {
		udrv_pr_err("%s: %s is held by another process; see 'udrv info %s'", name, path,
			    name);
		return -EBUSY;
	}
	udrv_pr_err("%s: cannot lock %s: %s", name, path, strerror(err));
	return -err;
}

static int open_node(struct udrv__uio *uio)
{
	const char *name = uio->dev->name;
	char path[32];
	int ret = find_node(name);

	if (ret < 0) {
		udrv_pr_err("%s: bound to " UDRV__UIO_DRIVER ", but without a UIO device: %s", name,
			    strerror(-ret));
		return ret;
	}
	uio->node = ret;
	(void)snprintf(path, sizeof(path), "/dev/uio%d", uio->node);
	uio->fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (uio->fd < 0)
		return explain_open(name, path, errno);
	ret = check_node(uio, path);
	return ret ? ret : lock_node(uio, path);
}

static int open_config(struct udrv__uio *uio)
{
	const char *name = uio->dev->name;
	char path[PATH_MAX];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/config", udrv__sysfs_root, name);
	uio->config = open(path, O_RDWR | O_CLOEXEC);
	if (uio->config < 0)
		return explain_open(name, path, errno);
	if (fstat(uio->config, &st))
		return -errno;
	uio->config_len = (uint64_t)st.st_size;
	return 0;
}

static int explain(const struct udrv__uio *uio, const char *what)
{
	int err = errno;

	udrv_pr_err("%s: no %s: %s", uio->dev->name, what, strerror(err));
	return -err;
}

int udrv__uio_open_files(struct udrv__uio *uio)
{
	int ret;

	uio->fd = uio->config = uio->nothing = uio->stop_fd = -1;
	ret = open_node(uio);
	if (!ret)
		ret = open_config(uio);
	if (ret)
		goto err;
	uio->nothing = memfd_create("udrv-nothing", MFD_CLOEXEC);
	if (uio->nothing < 0) {
		ret = explain(uio, "file to put in the place of its registers");
		goto err;
	}
	uio->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (uio->stop_fd >= 0)
		return 0;
	ret = explain(uio, "eventfd");
err:
	udrv__uio_close_files(uio);
	return ret;
}

void udrv__uio_close_files(struct udrv__uio *uio)
{
	const int fds[] = {uio->stop_fd, uio->nothing, uio->config, uio->fd};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}
