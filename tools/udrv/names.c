// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>

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

const char *names_vendor(struct names *names, char *buf, size_t size, uint16_t vendor)
{
	pci_lookup_name(names->access, buf, (int)size, PCI_LOOKUP_VENDOR | NO_HWDB, vendor);
	return buf;
}

const char *names_device(struct names *names, char *buf, size_t size, uint16_t vendor,
			 uint16_t device)
{
	pci_lookup_name(names->access, buf, (int)size, PCI_LOOKUP_DEVICE | NO_HWDB, vendor, device);
	return buf;
}

const char *names_subsystem(struct names *names, char *buf, size_t size,
			    const struct udrv_pci_info *info)
{
	pci_lookup_name(names->access, buf, (int)size,
			PCI_LOOKUP_SUBSYSTEM | PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE | NO_HWDB,
			info->vendor, info->device, info->subsystem_vendor, info->subsystem_device);
	return buf;
}

const char *names_class(struct names *names, char *buf, size_t size, uint32_t class_code)
{
	pci_lookup_name(names->access, buf, (int)size, PCI_LOOKUP_CLASS | NO_HWDB, class_code >> 8);
	return buf;
}
