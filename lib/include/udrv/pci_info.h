/* SPDX-License-Identifier: MIT */
/**
 * @file
 * What sysfs says of a PCI function. Nothing here opens a device or changes one, and nothing
 * needs privileges.
 */
#ifndef UDRV_PCI_INFO_H
#define UDRV_PCI_INFO_H

#include <stdint.h>

#include <udrv/compiler.h>

UDRV_BEGIN_DECLS

/** UDRV_PCI_NAME_MAX - bytes of a function's name with its NUL: "0000:00:05.0". */
#define UDRV_PCI_NAME_MAX 16

/** UDRV_PCI_NUM_RESOURCES - BARs 0-5 and, as the last, the expansion ROM. */
#define UDRV_PCI_NUM_RESOURCES 7
#define UDRV_PCI_ROM_RESOURCE  6

/* What a resource is; the values are udrv's, not the kernel's IORESOURCE_*. */
#define UDRV_RESOURCE_IO       (1u << 0) /* I/O ports */
#define UDRV_RESOURCE_MEM      (1u << 1) /* memory */
#define UDRV_RESOURCE_MEM_64   (1u << 2) /* a 64-bit BAR: the next one is its high half */
#define UDRV_RESOURCE_PREFETCH (1u << 3) /* reads have no side effects */

/**
 * struct udrv_pci_resource - a BAR or the expansion ROM
 * @start: bus address as the CPU sees it; 0 for one who may not know
 * @len: bytes; 0 when there is no such resource
 * @flags: UDRV_RESOURCE_*
 */
struct udrv_pci_resource {
	uint64_t start;
	uint64_t len;
	uint32_t flags;
};

/**
 * struct udrv_pci_info - a function as sysfs describes it at one moment
 * @name: canonical address, "0000:00:05.0"
 * @vendor: vendor id; @device, @subsystem_vendor, @subsystem_device likewise
 * @revision: revision id
 * @class_code: 24 bits: base class, sub-class, programming interface
 * @driver: the bound driver, or ""
 * @driver_override: the only driver that may bind, or ""
 * @iommu_group: number of the IOMMU group, or -1 without one (no IOMMU, or it is off)
 * @numa_node: the node the function is attached to, or -1 when unknown
 * @resource: BARs 0-5 and the ROM
 */
struct udrv_pci_info {
	char name[UDRV_PCI_NAME_MAX];
	uint16_t vendor;
	uint16_t device;
	uint16_t subsystem_vendor;
	uint16_t subsystem_device;
	uint8_t revision;
	uint32_t class_code;
	char driver[64];
	char driver_override[64];
	int iommu_group;
	int numa_node;
	struct udrv_pci_resource resource[UDRV_PCI_NUM_RESOURCES];
};

/**
 * udrv_pci_parse_name() - bring a function's address into its canonical form
 * @text: "[domain:]bus:device.function" in hexadecimal, either case; domain 0 if left out
 * @name: gets "dddd:bb:dd.f" in lower case; untouched on failure
 *
 * Checks form and range only, not whether there is such a function. Any thread.
 *
 * Return: 0, or -EINVAL.
 */
UDRV_API int udrv_pci_parse_name(const char *text, char name[UDRV_PCI_NAME_MAX]);

/**
 * udrv_pci_info_read() - read what sysfs says of a function
 * @name: address in any form that udrv_pci_parse_name() takes
 * @info: filled in; the caller's; untouched on failure
 *
 * Attributes that a kernel may lack (driver_override, numa_node, iommu_group) read as "none".
 * Any thread.
 *
 * Return: 0; -EINVAL when @name is malformed; -ENODEV when there is no such function;
 * -EIO when an attribute is not what the kernel documents; otherwise what the kernel answered.
 * The first three are explained through udrv_log().
 * Source: Linux Documentation/ABI/testing/sysfs-bus-pci.
 */
UDRV_API int udrv_pci_info_read(const char *name, struct udrv_pci_info *info);

/**
 * typedef udrv_pci_info_fn - called for each function of a walk
 * @info: valid during the call
 * @ctx: the caller's
 *
 * Return: 0 to go on; anything else ends the walk, which returns it.
 */
typedef int (*udrv_pci_info_fn)(const struct udrv_pci_info *info, void *ctx);

/**
 * udrv_pci_for_each() - walk all PCI functions in the order of their addresses
 * @fn: called for each
 * @ctx: passed to @fn
 *
 * Functions that disappear during the walk are left out. Any thread.
 *
 * Return: 0, what @fn returned, or a negative errno (-ENOENT: no PCI bus in sysfs).
 */
UDRV_API int udrv_pci_for_each(udrv_pci_info_fn fn, void *ctx);

/**
 * udrv_iommu_group_for_each() - walk the PCI functions of an IOMMU group
 * @group: its number, as in struct udrv_pci_info
 * @fn: called for each, in the order of their addresses
 * @ctx: passed to @fn
 *
 * Members that are not PCI functions are left out. Any thread.
 *
 * Return: 0, what @fn returned, or a negative errno (-ENOENT: no such group).
 */
UDRV_API int udrv_iommu_group_for_each(int group, udrv_pci_info_fn fn, void *ctx);

UDRV_END_DECLS

#endif
