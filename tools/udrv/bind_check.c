// SPDX-License-Identifier: GPL-2.0-or-later
/* What must hold before a device changes its driver. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bind.h"
#include "inuse.h"
#include "pci/group.h"
#include "pci/sysfs.h"
#include "rebind.h"
#include "tool.h"

int bind_check_access(const char *what)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/bus/pci/drivers_probe", udrv__sysfs_root);
	if (!access(path, W_OK))
		return 0;
	if (errno == EACCES || errno == EPERM)
		tool_err("%s needs root: run this command with sudo", what);
	else
		tool_err("cannot write to %s (%s): is sysfs mounted read-only?", path,
			 strerror(errno));
	return -EACCES;
}

int bind_check_free(const struct udrv_pci_info *info, const char *otherwise)
{
	struct inuse inuse;
	char text[400];
	int ret = inuse_find_all(&inuse, info);

	if (ret) {
		tool_err("%s: cannot find out whether it is in use: %s", info->name,
			 strerror(-ret));
		return ret;
	}
	if (!inuse.count)
		return 0;
	inuse_describe(&inuse, text, sizeof(text));
	if (inuse_by_daemon(&inuse))
		tool_err("%s is in use: %s; stop that first (udrv stop %s)%s", info->name, text,
			 info->name, otherwise);
	else
		tool_err("%s is in use: %s; stop that first%s", info->name, text, otherwise);
	return -EBUSY;
}

/* In no-IOMMU mode vfio makes up a group when it binds. */
static bool iommu_not_needed(void)
{
	char text[8];

	return udrv__sysfs_read(text, sizeof(text),
				"module/vfio/parameters/enable_unsafe_noiommu_mode") > 0 &&
	       text[0] == 'Y';
}

static int check_kind(const struct udrv_pci_info *info, const char *driver)
{
	if (!tool_is_bridge(info))
		return 0;
	tool_err("%s is a bridge, and %s takes none; `udrv list` shows what is behind it",
		 info->name, driver);
	return -EINVAL;
}

static int check_iommu(const struct udrv_pci_info *info)
{
	if (info->iommu_group < 0 && !iommu_not_needed()) {
		tool_err(
			"%s has no IOMMU group, which vfio needs: the IOMMU is off; enable VT-d or "
			"AMD-Vi in the firmware's setup and, with VT-d, boot with intel_iommu=on; or "
			"do without: `udrv bind --driver stub %s`",
			info->name, info->name);
		return -ENODEV;
	}
	return 0;
}

struct viability {
	const struct bind_job *jobs;
	size_t count;
	const struct udrv_pci_info *info;
	unsigned offending;
	char command[200];
};

static bool is_listed(const struct viability *v, const char *name)
{
	for (size_t i = 0; i < v->count; i++) {
		if (!strcmp(v->jobs[i].info.name, name))
			return true;
	}
	return false;
}

static int check_member(const struct udrv_pci_info *member, void *ctx)
{
	struct viability *v = ctx;
	size_t len = strlen(v->command);

	if (is_listed(v, member->name) || !udrv__pci_blocks_group(member))
		return 0;
	tool_err("%s: IOMMU group %d also holds %s, which is bound to %s", v->info->name,
		 member->iommu_group, member->name, member->driver);
	(void)snprintf(v->command + len, sizeof(v->command) - len, " %s", member->name);
	v->offending++;
	return 0;
}

/* Was the group of jobs[index] seen before? Its members are listed once. */
static bool group_seen(const struct bind_job *jobs, size_t index)
{
	for (size_t i = 0; i < index; i++) {
		if (jobs[i].info.iommu_group == jobs[index].info.iommu_group)
			return true;
	}
	return false;
}

static int check_group(const struct bind_job *jobs, size_t count, size_t index)
{
	struct viability v = {.jobs = jobs, .count = count, .info = &jobs[index].info};
	int group = v.info->iommu_group;
	int ret;

	if (group < 0 || group_seen(jobs, index))
		return 0;
	for (size_t i = index; i < count; i++) {
		size_t len = strlen(v.command);

		if (jobs[i].info.iommu_group == group)
			(void)snprintf(v.command + len, sizeof(v.command) - len, " %s",
				       jobs[i].info.name);
	}
	ret = udrv_iommu_group_for_each(group, check_member, &v);
	if (ret) {
		tool_err("%s: cannot list IOMMU group %d: %s", v.info->name, group, strerror(-ret));
		return ret;
	}
	if (!v.offending)
		return 0;
	tool_err("vfio takes a group as a whole: run `udrv bind%s`, or use --force", v.command);
	return -EBUSY;
}

/*
 * A group that a process has by vfio is its own, memory and all: the kernel lets no other driver
 * have a member then (Linux 5.19 and later; iommu_device_use_default_domain()).
 */
static int check_neighbour(const struct udrv_pci_info *member, void *ctx)
{
	struct viability *v = ctx;
	struct inuse inuse;
	int ret;

	if (is_listed(v, member->name) || !udrv__pci_is_vfio_driver(member->driver))
		return 0;
	ret = inuse_find(&inuse, member);
	if (ret)
		return ret;
	if (inuse.count) {
		tool_err("%s: %s of the same IOMMU group is in use: %s; stop that first",
			 v->info->name, member->name, inuse.reason[0].text);
		v->offending++;
	} else {
		tool_note("%s: %s of the same IOMMU group is bound to %s, which cannot drive it "
			  "meanwhile",
			  v->info->name, member->name, member->driver);
	}
	return 0;
}

/* For drivers that leave a device's DMA to the kernel. */
static int check_neighbours(const struct bind_job *jobs, size_t count, size_t index)
{
	struct viability v = {.jobs = jobs, .count = count, .info = &jobs[index].info};
	int group = v.info->iommu_group;
	int ret;

	if (group < 0 || group_seen(jobs, index))
		return 0;
	ret = udrv_iommu_group_for_each(group, check_neighbour, &v);
	if (ret) {
		tool_err("%s: cannot list IOMMU group %d: %s", v.info->name, group, strerror(-ret));
		return ret;
	}
	return v.offending ? -EBUSY : 0;
}

static int check_one(const struct bind_job *jobs, size_t count, size_t index,
		     const struct bind_options *options)
{
	const struct udrv_pci_info *info = &jobs[index].info;
	bool vfio = udrv__pci_is_vfio_driver(options->driver);
	int ret = 0;

	if (!strcmp(info->driver, options->driver))
		return 0;
	if (driver_is_ours(options->driver))
		ret = check_kind(info, options->driver);
	if (!ret && vfio)
		ret = check_iommu(info);
	if (ret || options->force)
		return ret;
	ret = bind_check_free(info, BIND_OR_FORCE);
	if (!ret && vfio)
		ret = check_group(jobs, count, index);
	else if (!ret && driver_is_ours(options->driver))
		ret = check_neighbours(jobs, count, index);
	return ret;
}

static int check_driver(const struct bind_options *options)
{
	if (rebind_driver_present(options->driver, options->dry_run))
		return 0;
	if (options->dry_run) {
		tool_note("%s is not loaded; binding would try `modprobe %s`", options->driver,
			  options->driver);
		return 0;
	}
	tool_err("%s is not loaded and modprobe cannot find it: %s, or check the name with "
		 "`modprobe %s`",
		 options->driver, driver_how_to_get(options->driver), options->driver);
	return -ENOENT;
}

static bool all_bound(const struct bind_job *jobs, size_t count, const char *driver)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(jobs[i].info.driver, driver) != 0)
			return false;
	}
	return true;
}

int bind_check_all(const struct bind_job *jobs, size_t count, const struct bind_options *options)
{
	int first = 0;

	if (all_bound(jobs, count, options->driver))
		return 0;
	if (!options->dry_run)
		first = bind_check_access("binding drivers");
	if (first)
		return first;
	for (size_t i = 0; i < count; i++) {
		int ret = check_one(jobs, count, i, options);

		first = first ? first : ret;
	}
	return first ? first : check_driver(options);
}
