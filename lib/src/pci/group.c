// SPDX-License-Identifier: MIT
#include <stddef.h>
#include <string.h>

#include "pci/group.h"

bool udrv__pci_is_vfio_driver(const char *driver)
{
	return strstr(driver, "vfio") != NULL;
}

bool udrv__pci_blocks_group(const struct udrv_pci_info *member)
{
	static const char *const harmless[] = {"", "pci-stub", "pcieport", "shpchp"};

	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		if (!strcmp(member->driver, harmless[i]))
			return false;
	}
	return !udrv__pci_is_vfio_driver(member->driver);
}
