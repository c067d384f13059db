// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "info.h"

#define LABEL "%-14s "

/* "64 KiB": BARs are powers of two, so that the largest unit that divides is short. */
static void format_size(char *buf, size_t size, uint64_t bytes)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
	size_t unit = 0;

	while (unit < 4 && bytes >= 1024 && bytes % 1024 == 0) {
		bytes /= 1024;
		unit++;
	}
	(void)snprintf(buf, size, "%" PRIu64 " %s", bytes, units[unit]);
}

static void print_ids(const struct info *info)
{
	const struct udrv_pci_info *pci = &info->pci;
	char buf[256];

	printf(LABEL "%s\n", "Address", pci->name);
	names_vendor(info->names, buf, sizeof(buf), pci->vendor);
	printf(LABEL "%s [%04x]\n", "Vendor", buf, pci->vendor);
	names_device(info->names, buf, sizeof(buf), pci->vendor, pci->device);
	printf(LABEL "%s [%04x], revision %02x\n", "Device", buf, pci->device, pci->revision);
	names_subsystem(info->names, buf, sizeof(buf), pci);
	printf(LABEL "%s [%04x:%04x]\n", "Subsystem", buf, pci->subsystem_vendor,
	       pci->subsystem_device);
	names_class(info->names, buf, sizeof(buf), pci->class_code);
	printf(LABEL "%s [%06x]\n", "Class", buf, pci->class_code);
}

static void print_driver(const struct info *info)
{
	const char *former = info->remembered.driver;

	printf(LABEL "%s\n", "Driver", info->pci.driver[0] ? info->pci.driver : "none");
	if (info->pci.driver_override[0])
		printf(LABEL "%s\n", "Override", info->pci.driver_override);
	if (info->is_remembered)
		printf(LABEL "%s, which `udrv unbind` restores\n", "Former driver",
		       former[0] ? former : "none");
}

static int print_member(const struct udrv_pci_info *member, void *ctx)
{
	const struct info *info = ctx;

	if (strcmp(member->name, info->pci.name) != 0)
		printf(LABEL "with %s, driver %s\n", "", member->name,
		       member->driver[0] ? member->driver : "none");
	return 0;
}

static void print_place(const struct info *info)
{
	if (info->pci.iommu_group < 0) {
		printf(LABEL "none\n", "IOMMU group");
	} else {
		printf(LABEL "%d\n", "IOMMU group", info->pci.iommu_group);
		(void)udrv_iommu_group_for_each(info->pci.iommu_group, print_member, (void *)info);
	}
	if (info->pci.numa_node < 0)
		printf(LABEL "unknown\n", "NUMA node");
	else
		printf(LABEL "%d\n", "NUMA node", info->pci.numa_node);
}

static void print_resources(const struct info *info)
{
	for (int i = 0; i < UDRV_PCI_NUM_RESOURCES; i++) {
		const struct udrv_pci_resource *res = &info->pci.resource[i];
		char label[16] = "ROM";
		char size[32];

		if (!res->len)
			continue;
		if (i != UDRV_PCI_ROM_RESOURCE)
			(void)snprintf(label, sizeof(label), "BAR %d", i);
		format_size(size, sizeof(size), res->len);
		printf(LABEL "%s, %s%s%s", label, size,
		       res->flags & UDRV_RESOURCE_IO ? "I/O ports" : "memory",
		       res->flags & UDRV_RESOURCE_MEM_64 ? ", 64-bit" : "",
		       res->flags & UDRV_RESOURCE_PREFETCH ? ", prefetchable" : "");
		if (res->start)
			printf(", at 0x%" PRIx64, res->start);
		printf("\n");
	}
}

static void print_vectors(const struct caps *caps)
{
	if (caps->truncated)
		return;
	if (caps->msi_vectors)
		printf(LABEL "%u\n", "MSI vectors", caps->msi_vectors);
	if (caps->msix_vectors)
		printf(LABEL "%u\n", "MSI-X vectors", caps->msix_vectors);
}

static void print_caps(const struct info *info)
{
	const struct caps *caps = &info->caps;
	const char *label = "Capabilities";

	print_vectors(caps);
	if (info->caps_error)
		printf(LABEL "unknown: %s\n", label, strerror(-info->caps_error));
	else if (caps->truncated)
		printf(LABEL "hidden: the kernel shows them to root only\n", label);
	else if (!caps->count && !caps->broken)
		printf(LABEL "none\n", label);
	for (size_t i = 0; i < caps->count; i++) {
		printf(LABEL "%03x: %s [%s%02x]\n", label, caps->cap[i].offset,
		       caps_name(&caps->cap[i]), caps->cap[i].extended ? "extended " : "",
		       caps->cap[i].id);
		label = "";
	}
	if (caps->broken)
		printf(LABEL "the list is damaged: what follows is left out\n", label);
}

static void print_in_use(const struct info *info)
{
	const char *label = "In use";

	if (!info->inuse.count)
		printf(LABEL "no\n", label);
	for (size_t i = 0; i < info->inuse.count; i++) {
		printf(LABEL "%s\n", label, info->inuse.reason[i].text);
		label = "";
	}
}

void info_print(const struct info *info)
{
	print_ids(info);
	print_driver(info);
	print_place(info);
	print_resources(info);
	print_caps(info);
	print_in_use(info);
}
