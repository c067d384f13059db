// SPDX-License-Identifier: GPL-2.0-or-later
#include <stddef.h>
#include <string.h>

#include "drivers.h"
#include "pci/group.h"

const char *driver_by_name(const char *name)
{
	static const char *const names[][2] = {
		{"vfio", DRIVER_VFIO},
		{"stub", DRIVER_STUB},
		{"uio", DRIVER_UIO},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcmp(name, names[i][0]))
			return names[i][1];
	}
	return name;
}

bool driver_is_stub(const char *driver)
{
	return !strcmp(driver, DRIVER_STUB);
}

bool driver_is_uio(const char *driver)
{
	return !strcmp(driver, DRIVER_UIO);
}

bool driver_is_ours(const char *driver)
{
	return udrv__pci_is_vfio_driver(driver) || driver_is_stub(driver) || driver_is_uio(driver);
}

const char *driver_how_to_get(const char *driver)
{
	if (driver_is_stub(driver))
		return "it is udrv's own: build and install it from kernel/ (README.md there)";
	return "install the running kernel's modules";
}

const char *driver_why_refused(const char *driver)
{
	/* drivers/uio/uio_pci_generic.c, probe() */
	if (driver_is_uio(driver))
		return "it takes no device whose INTx cannot be masked by INTX_DISABLE (PCI 2.3)";
	return "the kernel log (dmesg) may say why";
}
