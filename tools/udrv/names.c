// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pci/pci.h>

#include "names.h"
#include "tool.h"

/* The ids file knows what udev's data base knows; libpci leaks when it looks for the latter in
 * vain. */
#define NO_HWDB PCI_LOOKUP_NO_HWDB

struct names {
	struct pci_access *access;
};

/* libpci calls this when it has no memory, and must not return from it. */
static void __attribute__((noreturn)) fatal(char *fmt, ...)
{
	(void)fmt;
	tool_err("libpci gave up: out of memory");
	exit(TOOL_FAILED);
}

static void quiet(char *fmt, ...)
{
	(void)fmt;
}

/* Only names are wanted: without pci_init() libpci touches no device. */
struct names *names_open(void)
{
	struct names *names = malloc(sizeof(*names));

	if (!names)
		return NULL;
	names->access = pci_alloc();
	if (!names->access) {
		free(names);
		return NULL;
	}
	names->access->error = fatal;
	names->access->warning = quiet;
	names->access->debug = quiet;
	return names;
}

void names_close(struct names *names)
{
	if (!names)
		return;
	pci_cleanup(names->access);
	free(names);
}

/* Numbers stand beside each name already: who has no name gets none. */
#define LOOKUP (NO_HWDB | PCI_LOOKUP_NO_NUMBERS)

static const char *or_unknown(char *buf, size_t size, const char *name, const char *unknown)
{
	if (!name)
		(void)snprintf(buf, size, "%s", unknown);
	return buf;
}

const char *names_vendor(struct names *names, char *buf, size_t size, uint16_t vendor)
{
	const char *name =
		pci_lookup_name(names->access, buf, (int)size, PCI_LOOKUP_VENDOR | LOOKUP, vendor);

	return or_unknown(buf, size, name, "unknown vendor");
}

const char *names_device(struct names *names, char *buf, size_t size, uint16_t vendor,
			 uint16_t device)
{
	const char *name = pci_lookup_name(names->access, buf, (int)size,
					   PCI_LOOKUP_DEVICE | LOOKUP, vendor, device);

	return or_unknown(buf, size, name, "unknown device");
}

/* The vendor's name also where the device has none. */
const char *names_subsystem(struct names *names, char *buf, size_t size,
			    const struct udrv_pci_info *info)
{
	char device[128];
	const char *name;
	size_t len;

	name = pci_lookup_name(names->access, device, sizeof(device),
			       PCI_LOOKUP_SUBSYSTEM | PCI_LOOKUP_DEVICE | LOOKUP, info->vendor,
			       info->device, info->subsystem_vendor, info->subsystem_device);
	len = strlen(names_vendor(names, buf, size, info->subsystem_vendor));
	(void)snprintf(buf + len, size - len, " %s",
		       or_unknown(device, sizeof(device), name, "unknown device"));
	return buf;
}

const char *names_class(struct names *names, char *buf, size_t size, uint32_t class_code)
{
	const char *name = pci_lookup_name(names->access, buf, (int)size, PCI_LOOKUP_CLASS | LOOKUP,
					   class_code >> 8);
	char number[16];
	size_t len;

	(void)or_unknown(buf, size, name, "unknown class");
	/* libpci appends the number where it knows the base class only, whatever it is asked. */
	(void)snprintf(number, sizeof(number), " [%04x]", class_code >> 8 & 0xffff);
	len = strlen(buf);
	if (len > strlen(number) && !strcmp(buf + len - strlen(number), number))
		buf[len - strlen(number)] = 0;
	return buf;
}

void names_json(struct names *names, json_object *o, const struct udrv_pci_info *info)
{
	char buf[256];

	json_object_object_add(o, "address", json_object_new_string(info->name));
	json_object_object_add(o, "vendor", tool_json_hex(info->vendor, 4));
	json_object_object_add(o, "device", tool_json_hex(info->device, 4));
	json_object_object_add(o, "class", tool_json_hex(info->class_code, 6));
	names_vendor(names, buf, sizeof(buf), info->vendor);
	json_object_object_add(o, "vendor_name", json_object_new_string(buf));
	names_device(names, buf, sizeof(buf), info->vendor, info->device);
	json_object_object_add(o, "device_name", json_object_new_string(buf));
	names_class(names, buf, sizeof(buf), info->class_code);
	json_object_object_add(o, "class_name", json_object_new_string(buf));
}
