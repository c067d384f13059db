/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel drivers through which udrv drives devices, and their short names. */
#ifndef DRIVERS_H
#define DRIVERS_H

#include <stdbool.h>

#define DRIVER_VFIO "vfio-pci"
#define DRIVER_STUB "udrv_stub"
#define DRIVER_UIO  "uio_pci_generic"

/* The kernel's name of what a user calls "vfio", "stub" or "uio"; others are the kernel's. */
const char *driver_by_name(const char *name);

bool driver_is_stub(const char *driver);
bool driver_is_uio(const char *driver);
/* One of those, or a variant of vfio-pci: user space drives its devices. */
bool driver_is_ours(const char *driver);

/* What to do when there is no such driver, in words that follow "...: ". */
const char *driver_how_to_get(const char *driver);

/* Why such a driver may have refused a device. */
const char *driver_why_refused(const char *driver);

#endif
