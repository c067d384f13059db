/* SPDX-License-Identifier: MIT */
/* A machine with one device behind VFIO, or udrv_stub: its sysfs and that, all made up. */
#ifndef TESTS_SUPPORT_FAKE_MACHINE_H
#define TESTS_SUPPORT_FAKE_MACHINE_H

#include "pci/sysfs.h"

#include "support/fake_stub.h"
#include "support/fake_tree.h"
#include "support/fake_vfio.h"

#define FAKE_GROUP 3

static inline void fake_machine_sysfs(void)
{
	static char sysfs[sizeof(fake_root) + 8];

	fake_tree_make();
	(void)snprintf(sysfs, sizeof(sysfs), "%s/sys", fake_root);
	udrv__sysfs_root = sysfs;
}

static inline struct fake_device *fake_machine_make(const char *name)
{
	fake_machine_sysfs();
	fake_pci_device(name, 0x1234, 0x11e8, "vfio-pci", FAKE_GROUP);
	fake_vfio_start();
	return fake_vfio_add(name, FAKE_GROUP);
}

static inline void fake_machine_remove(void)
{
	fake_vfio_stop();
	fake_tree_remove();
}

/* The same behind the stub, for which no IOMMU is needed. */
static inline void fake_stub_machine_make(const char *name)
{
	fake_machine_sysfs();
	fake_pci_device(name, 0x1234, 0x11e8, "udrv_stub", -1);
	fake_stub_start(name);
}

static inline void fake_stub_machine_remove(void)
{
	fake_stub_stop();
	fake_tree_remove();
}

#endif
