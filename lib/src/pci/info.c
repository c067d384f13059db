// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/log.h>
#include <udrv/pci_info.h>

#include "pci/sysfs.h"

#define DEVICES "bus/pci/devices"

/* The kernel's resource flags (include/linux/ioport.h), as the resource attribute shows them. */
#define KERNEL_RES_IO	    0x00000100u
#define KERNEL_RES_MEM	    0x00000200u
#define KERNEL_RES_PREFETCH 0x00002000u
#define KERNEL_RES_MEM_64   0x00100000u

static uint32_t resource_flags(uint64_t kernel)
{
	uint32_t flags = 0;

	if (kernel & KERNEL_RES_IO)
		flags |= UDRV_RESOURCE_IO;
	if (kernel & KERNEL_RES_MEM)
		flags |= UDRV_RESOURCE_MEM;
	if (kernel & KERNEL_RES_MEM_64)
		flags |= UDRV_RESOURCE_MEM_64;
	if (kernel & KERNEL_RES_PREFETCH)
		flags |= UDRV_RESOURCE_PREFETCH;
	return flags;
}

/* A hexadecimal number at *@text, which moves behind it. */
static int take_number(const char **text, uint64_t *val)
{
	char *end;

	errno = 0;
	*val = strtoull(*text, &end, 16);
	if (errno || end == *text)
		return -EIO;
	*text = end;
	return 0;
}

/* A line per resource: first and last address and flags; all zeroes where there is none. */
static int read_resources(struct udrv_pci_info *info)
{
	char attr[4096];
	const char *text = attr;
	int ret = udrv__sysfs_read(attr, sizeof(attr), DEVICES "/%s/resource", info->name);

	if (ret < 0)
		return ret;
	for (int i = 0; i < UDRV_PCI_NUM_RESOURCES; i++) {
		struct udrv_pci_resource *res = &info->resource[i];
		uint64_t start;
		uint64_t end;
		uint64_t flags;

		if (take_number(&text, &start) || take_number(&text, &end) ||
		    take_number(&text, &flags))
			return -EIO;
		res->start = start;
		res->flags = resource_flags(flags);
		res->len = res->flags && end >= start ? end - start + 1 : 0;
	}
	return 0;
}

static int read_id(const struct udrv_pci_info *info, const char *attr, uint32_t max, uint32_t *val)
{
	uint64_t wide = 0;
	int ret = udrv__sysfs_read_u64(&wide, max, DEVICES "/%s/%s", info->name, attr);

	*val = (uint32_t)wide;
	return ret;
}

static int read_ids(struct udrv_pci_info *info)
{
	uint32_t val[4];
	uint32_t revision;
	int ret = read_id(info, "vendor", UINT16_MAX, &val[0]);

	if (!ret)
		ret = read_id(info, "device", UINT16_MAX, &val[1]);
	if (!ret)
		ret = read_id(info, "subsystem_vendor", UINT16_MAX, &val[2]);
	if (!ret)
		ret = read_id(info, "subsystem_device", UINT16_MAX, &val[3]);
	if (!ret)
		ret = read_id(info, "revision", UINT8_MAX, &revision);
	if (!ret)
		ret = read_id(info, "class", 0xffffff, &info->class_code);
	if (ret)
		return ret;
	info->vendor = (uint16_t)val[0];
	info->device = (uint16_t)val[1];
	info->subsystem_vendor = (uint16_t)val[2];
	info->subsystem_device = (uint16_t)val[3];
	info->revision = (uint8_t)revision;
	return 0;
}

/* A number that may be absent, and may be -1 for "unknown". */
static int number_or_none(const char *text)
{
	char *end;
	long val;

	errno = 0;
	val = strtol(text, &end, 10);
	return errno || end == text || *end || val < 0 || val > INT_MAX ? -1 : (int)val;
}

/* @ret is what reading an attribute gave that a device or a kernel may lack. */
static int absent_is_fine(int ret)
{
	return ret == -ENOENT || ret > 0 ? 0 : ret;
}

static int read_links(struct udrv_pci_info *info)
{
	char text[32] = "";
	int ret = udrv__sysfs_readlink(info->driver, sizeof(info->driver), DEVICES "/%s/driver",
				       info->name);

	ret = absent_is_fine(ret);
	if (ret)
		return ret;
	ret = udrv__sysfs_readlink(text, sizeof(text), DEVICES "/%s/iommu_group", info->name);
	info->iommu_group = number_or_none(text);
	return absent_is_fine(ret);
}

static int read_optional(struct udrv_pci_info *info)
{
	char text[32] = "";
	int ret = udrv__sysfs_read(info->driver_override, sizeof(info->driver_override),
				   DEVICES "/%s/driver_override", info->name);

	ret = absent_is_fine(ret);
	if (ret)
		return ret;
	/* The kernel prints its NULL. */
	if (!strcmp(info->driver_override, "(null)"))
		info->driver_override[0] = 0;
	ret = udrv__sysfs_read(text, sizeof(text), DEVICES "/%s/numa_node", info->name);
	info->numa_node = number_or_none(text);
	return absent_is_fine(ret);
}

/* @name is canonical. Says nothing: a device that goes during a walk is not worth a line. */
static int read_info(const char *name, struct udrv_pci_info *out)
{
	struct udrv_pci_info info = {.iommu_group = -1, .numa_node = -1};
	int ret;

	(void)snprintf(info.name, sizeof(info.name), "%s", name);
	ret = read_ids(&info);
	if (!ret)
		ret = read_resources(&info);
	if (!ret)
		ret = read_links(&info);
	if (!ret)
		ret = read_optional(&info);
	/* An attribute that must be there is missing: so is the function, or it is going. */
	if (ret == -ENOENT)
		ret = udrv__sysfs_exists(DEVICES "/%s", name) ? -EIO : -ENODEV;
	if (ret)
		return ret;
	*out = info;
	return 0;
}

int udrv_pci_info_read(const char *text, struct udrv_pci_info *info)
{
	char name[UDRV_PCI_NAME_MAX];
	int ret = udrv_pci_parse_name(text, name);

	if (ret) {
		udrv_pr_err("%s: not a PCI address; write it like 0000:00:05.0 or 00:05.0",
			    text ? text : "(none)");
		return ret;
	}
	ret = read_info(name, info);
	if (ret == -ENODEV)
		udrv_pr_err("%s: no such device; `udrv list` shows those present", name);
	else if (ret == -EIO)
		udrv_pr_err("%s: sysfs describes this device in a way udrv does not understand; "
			    "look at /sys/bus/pci/devices/%s",
			    name, name);
	else if (ret)
		udrv_pr_err("%s: cannot be read from sysfs: %s", name, strerror(-ret));
	return ret;
}

static int is_pci_name(const struct dirent *entry)
{
	char name[UDRV_PCI_NAME_MAX];

	return udrv_pci_parse_name(entry->d_name, name) == 0 && !strcmp(name, entry->d_name);
}

/* Names are lower-case hexadecimal of fixed width but for the domain: shorter is lower. */
static int by_address(const struct dirent **a, const struct dirent **b)
{
	size_t len_a = strlen((*a)->d_name);
	size_t len_b = strlen((*b)->d_name);

	if (len_a != len_b)
		return len_a < len_b ? -1 : 1;
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int walk(const char *folder, udrv_pci_info_fn fn, void *ctx)
{
	char path[PATH_MAX];
	struct dirent **entries;
	int ret = 0;
	int n;

	if (snprintf(path, sizeof(path), "%s/%s", udrv__sysfs_root, folder) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	n = scandir(path, &entries, is_pci_name, by_address);
	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		struct udrv_pci_info info;

		if (!ret) {
			ret = read_info(entries[i]->d_name, &info);
			if (!ret)
				ret = fn(&info, ctx);
			else if (ret == -ENODEV)
				ret = 0;
		}
		free(entries[i]);
	}
	free(entries);
	return ret;
}

int udrv_pci_for_each(udrv_pci_info_fn fn, void *ctx)
{
	return walk(DEVICES, fn, ctx);
}

int udrv_iommu_group_for_each(int group, udrv_pci_info_fn fn, void *ctx)
{
	char folder[64];

	(void)snprintf(folder, sizeof(folder), "kernel/iommu_groups/%d/devices", group);
	return walk(folder, fn, ctx);
}
