// SPDX-License-Identifier: MIT
/* Groups and containers: opened in the order container, group, IOMMU; closed in reverse. */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <udrv/log.h>

#include "backend/vfio_group.h"
#include "pci/group.h"

#define CONTAINER_PATH "/dev/vfio/vfio"

/* Groups that this process holds: the kernel lets each be opened once. */
static struct udrv__vfio_group *groups;
static pthread_mutex_t groups_lock = PTHREAD_MUTEX_INITIALIZER;

static int explain_open(const char *device, const char *path, int err)
{
	switch (err) {
	case ENOENT:
	case ENODEV:
		udrv_pr_err("%s: %s does not exist; run: modprobe -a vfio-pci vfio_iommu_type1",
			    device, path);
		break;
	case EACCES:
		udrv_pr_err("%s: no permission for %s; run as root, or give this user the node "
			    "(chown, or a udev rule)",
			    device, path);
		break;
	case EBUSY:
		udrv_pr_err("%s: %s is held by another process; see 'udrv info %s'", device, path,
			    device);
		break;
	default:
		udrv_pr_err("%s: cannot open %s: %s", device, path, strerror(err));
	}
	return -err;
}

static int open_container(const char *device)
{
	int fd = open(CONTAINER_PATH, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return explain_open(device, CONTAINER_PATH, errno);
	if (ioctl(fd, VFIO_GET_API_VERSION) != VFIO_API_VERSION ||
	    ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) <= 0) {
		udrv_pr_err("%s: %s offers no type 1 v2 IOMMU; run: modprobe vfio_iommu_type1",
			    device, CONTAINER_PATH);
		close(fd);
		return -EOPNOTSUPP;
	}
	return fd;
}

static int name_member(const struct udrv_pci_info *info, void *ctx)
{
	(void)ctx;
	if (udrv__pci_blocks_group(info))
		udrv_pr_err("%s: in the same IOMMU group, bound to %s; run: udrv bind %s",
			    info->name, info->driver, info->name);
	return 0;
}

static int check_viable(int fd, const struct udrv_pci_info *info)
{
	struct vfio_group_status status = {.argsz = sizeof(status)};

	if (ioctl(fd, VFIO_GROUP_GET_STATUS, &status)) {
		int err = errno;

		udrv_pr_err("%s: VFIO does not describe group %d: %s", info->name,
			    info->iommu_group, strerror(err));
		return -err;
	}
	if (status.flags & VFIO_GROUP_FLAGS_VIABLE)
		return 0;
	udrv_pr_err("%s: IOMMU group %d is not viable: every device of it must be bound to "
		    "vfio-pci or to no driver",
		    info->name, info->iommu_group);
	(void)udrv_iommu_group_for_each(info->iommu_group, name_member, NULL);
	return -EPERM;
}

static int open_group(const struct udrv_pci_info *info)
{
	char path[32];
	int fd;
	int ret;

	(void)snprintf(path, sizeof(path), "/dev/vfio/%d", info->iommu_group);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return explain_open(info->name, path, errno);
	ret = check_viable(fd, info);
	if (ret) {
		close(fd);
		return ret;
	}
	return fd;
}

static int set_iommu(const struct udrv__vfio_group *group, const char *device)
{
	int err;

	if (ioctl(group->fd, VFIO_GROUP_SET_CONTAINER, &group->container)) {
		err = errno;
		udrv_pr_err("%s: cannot put group %d into a container: %s", device, group->id,
			    strerror(err));
		return -err;
	}
	if (!ioctl(group->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return 0;
	err = errno;
	if (err == EPERM)
		udrv_pr_err("%s: the IOMMU cannot isolate its interrupts; enable interrupt "
			    "remapping, or accept the risk: modprobe vfio_iommu_type1 "
			    "allow_unsafe_interrupts=1",
			    device);
	else
		udrv_pr_err("%s: cannot use the IOMMU of group %d: %s", device, group->id,
			    strerror(err));
	return -err;
}

static int group_open(const struct udrv_pci_info *info, struct udrv__vfio_group **group_out)
{
	struct udrv__vfio_group *group = calloc(1, sizeof(*group));
	int ret;

	if (!group) {
		udrv_pr_err("%s: out of memory", info->name);
		return -ENOMEM;
	}
	group->id = info->iommu_group;
	group->users = 1;
	group->container = ret = open_container(info->name);
	if (ret < 0)
		goto err_free;
	group->fd = ret = open_group(info);
	if (ret < 0)
		goto err_container;
	ret = set_iommu(group, info->name);
	if (ret)
		goto err_group;
	*group_out = group;
	return 0;

err_group:
	close(group->fd);
err_container:
	close(group->container);
err_free:
	free(group);
	return ret;
}

static struct udrv__vfio_group *find_group(int id)
{
	for (struct udrv__vfio_group *g = groups; g; g = g->next)
		if (g->id == id)
			return g;
	return NULL;
}

int udrv__vfio_group_get(const struct udrv_pci_info *info, struct udrv__vfio_group **group_out)
{
	struct udrv__vfio_group *group;
	int ret = 0;

	if (info->iommu_group < 0) {
		udrv_pr_err("%s: no IOMMU group: the IOMMU is off; switch it on in the firmware "
			    "(VT-d, AMD-Vi) and boot with intel_iommu=on or amd_iommu=on; or do "
			    "without: udrv bind --driver stub %s",
			    info->name, info->name);
		return -ENODEV;
	}
	pthread_mutex_lock(&groups_lock);
	group = find_group(info->iommu_group);
	if (group) {
		group->users++;
	} else {
		ret = group_open(info, &group);
		if (!ret) {
			group->next = groups;
			groups = group;
		}
	}
	pthread_mutex_unlock(&groups_lock);
	if (!ret)
		*group_out = group;
	return ret;
}

void udrv__vfio_group_put(struct udrv__vfio_group *group)
{
	struct udrv__vfio_group **link;

	pthread_mutex_lock(&groups_lock);
	if (--group->users) {
		pthread_mutex_unlock(&groups_lock);
		return;
	}
	for (link = &groups; *link != group; link = &(*link)->next)
		;
	*link = group->next;
	close(group->fd);
	close(group->container);
	pthread_mutex_unlock(&groups_lock);
	free(group);
}

static bool is_open(const struct udrv__vfio_group *group, const char *name)
{
	for (const struct udrv__vfio_member *m = group->members; m; m = m->next)
		if (!strcmp(m->name, name))
			return true;
	return false;
}

static int open_locked(struct udrv__vfio_group *group, struct udrv__vfio_member *member)
{
	int err;

	if (is_open(group, member->name)) {
		udrv_pr_err("%s: already open in this process", member->name);
		return -EBUSY;
	}
	member->fd = ioctl(group->fd, VFIO_GROUP_GET_DEVICE_FD, member->name);
	if (member->fd < 0) {
		err = errno;
		udrv_pr_err("%s: VFIO does not hand out the device: %s", member->name,
			    strerror(err));
		return -err;
	}
	member->next = group->members;
	group->members = member;
	return 0;
}

int udrv__vfio_member_open(struct udrv__vfio_group *group, struct udrv__vfio_member *member)
{
	int ret;

	pthread_mutex_lock(&groups_lock);
	ret = open_locked(group, member);
	pthread_mutex_unlock(&groups_lock);
	return ret;
}

void udrv__vfio_member_close(struct udrv__vfio_group *group, struct udrv__vfio_member *member)
{
	struct udrv__vfio_member **link;

	pthread_mutex_lock(&groups_lock);
	for (link = &group->members; *link != member; link = &(*link)->next)
		;
	*link = member->next;
	close(member->fd);
	pthread_mutex_unlock(&groups_lock);
}
