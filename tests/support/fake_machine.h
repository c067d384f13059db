/* SPDX-License-Identifier: MIT */
/* A machine with one device behind VFIO: its sysfs and its VFIO, both made up. */
#ifndef TESTS_SUPPORT_FAKE_MACHINE_H
#define TESTS_SUPPORT_FAKE_MACHINE_H

#include "pci/sysfs.h"

#include "support/fake_tree.h"
#include "support/fake_vfio.h"

#define FAKE_GROUP 3

static inline struct fake_device *fake_machine_make(const char *name)
{
	static char sysfs[sizeof(fake_root) + 8];

	fake_tree_make();
	(void)snprintf(sysfs, sizeof(sysfs), "%s/sys", fake_root);
	udrv__sysfs_root = sysfs;
	fake_pci_device(name, 0x1234, 0x11e8, "vfio-pci", FAKE_GROUP);
	fake_vfio_start();
	return fake_vfio_add(name, FAKE_GROUP);
}

static inline void fake_machine_remove(void)
{
	fake_vfio_stop();
	fake_tree_remove();
}

#endif
