// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include "info.h"

static void add_ids(json_object *o, const struct info *info)
{
	const struct udrv_pci_info *pci = &info->pci;

	names_json(info->names, o, pci);
	json_object_object_add(o, "subsystem_vendor", tool_json_hex(pci->subsystem_vendor, 4));
	json_object_object_add(o, "subsystem_device", tool_json_hex(pci->subsystem_device, 4));
	json_object_object_add(o, "revision", tool_json_hex(pci->revision, 2));
}

static void add_driver(json_object *o, const struct info *info)
{
	json_object *remembered = NULL;

	json_object_object_add(o, "driver", tool_json_text(info->pci.driver));
	json_object_object_add(o, "driver_override", tool_json_text(info->pci.driver_override));
	if (info->is_remembered) {
		remembered = json_object_new_object();
		json_object_object_add(remembered, "driver",
				       tool_json_text(info->remembered.driver));
		json_object_object_add(remembered, "driver_override",
				       tool_json_text(info->remembered.override));
	}
	json_object_object_add(o, "remembered", remembered);
}

static int add_member(const struct udrv_pci_info *member, void *ctx)
{
	json_object *o = json_object_new_object();

	json_object_object_add(o, "address", json_object_new_string(member->name));
	json_object_object_add(o, "driver", tool_json_text(member->driver));
	json_object_array_add(ctx, o);
	return 0;
}

static void add_place(json_object *o, const struct info *info)
{
	json_object *members = json_object_new_array();

	json_object_object_add(o, "iommu_group", tool_json_number(info->pci.iommu_group));
	if (info->pci.iommu_group >= 0)
		(void)udrv_iommu_group_for_each(info->pci.iommu_group, add_member, members);
	json_object_object_add(o, "iommu_group_members", members);
	json_object_object_add(o, "numa_node", tool_json_number(info->pci.numa_node));
}

static json_object *resource(const struct udrv_pci_resource *res, int index)
{
	json_object *o = json_object_new_object();

	json_object_object_add(o, "bar",
			       index == UDRV_PCI_ROM_RESOURCE ? json_object_new_string("rom")
							      : json_object_new_int(index));
	json_object_object_add(o, "start", json_object_new_uint64(res->start));
	json_object_object_add(o, "size", json_object_new_uint64(res->len));
	json_object_object_add(
		o, "type", json_object_new_string(res->flags & UDRV_RESOURCE_IO ? "io" : "memory"));
	json_object_object_add(o, "64bit",
			       json_object_new_boolean(!!(res->flags & UDRV_RESOURCE_MEM_64)));
	json_object_object_add(o, "prefetchable",
			       json_object_new_boolean(!!(res->flags & UDRV_RESOURCE_PREFETCH)));
	return o;
}

static void add_resources(json_object *o, const struct info *info)
{
	json_object *array = json_object_new_array();

	for (int i = 0; i < UDRV_PCI_NUM_RESOURCES; i++) {
		if (info->pci.resource[i].len)
			json_object_array_add(array, resource(&info->pci.resource[i], i));
	}
	json_object_object_add(o, "resources", array);
}

/* Null where the kernel did not show them. */
static void add_caps(json_object *o, const struct info *info)
{
	const struct caps *caps = &info->caps;
	bool known = !info->caps_error && !caps->truncated;
	json_object *array = known ? json_object_new_array() : NULL;

	for (size_t i = 0; known && i < caps->count; i++) {
		json_object *cap = json_object_new_object();

		json_object_object_add(cap, "id", tool_json_hex(caps->cap[i].id, 2));
		json_object_object_add(cap, "offset", tool_json_hex(caps->cap[i].offset, 3));
		json_object_object_add(cap, "extended",
				       json_object_new_boolean(caps->cap[i].extended));
		json_object_object_add(cap, "name",
				       json_object_new_string(caps_name(&caps->cap[i])));
		json_object_array_add(array, cap);
	}
	json_object_object_add(o, "capabilities", array);
	json_object_object_add(o, "msi_vectors",
			       tool_json_number(known ? (int)caps->msi_vectors : -1));
	json_object_object_add(o, "msix_vectors",
			       tool_json_number(known ? (int)caps->msix_vectors : -1));
}

static void add_in_use(json_object *o, const struct inuse *inuse)
{
	json_object *array = json_object_new_array();

	for (size_t i = 0; i < inuse->count; i++) {
		const struct inuse_reason *reason = &inuse->reason[i];
		json_object *item = json_object_new_object();

		json_object_object_add(item, "kind",
				       json_object_new_string(inuse_kind_name(reason->kind)));
		json_object_object_add(item, "reason", json_object_new_string(reason->text));
		if (reason->pid)
			json_object_object_add(item, "pid", json_object_new_int(reason->pid));
		json_object_array_add(array, item);
	}
	json_object_object_add(o, "in_use", array);
}

json_object *info_json(const struct info *info)
{
	json_object *o = json_object_new_object();

	add_ids(o, info);
	add_driver(o, info);
	add_place(o, info);
	add_resources(o, info);
	add_caps(o, info);
	add_in_use(o, &info->inuse);
	return o;
}
