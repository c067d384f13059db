/* SPDX-License-Identifier: MIT */
/* Which drivers let VFIO have an IOMMU group. */
#ifndef PCI_GROUP_H
#define PCI_GROUP_H

#include <stdbool.h>

#include <udrv/pci_info.h>

/* vfio-pci, or a variant of it for one kind of device (mlx5_vfio_pci, ...). */
bool udrv__pci_is_vfio_driver(const char *driver);

/*
 * Does the driver that this member of a group is bound to keep VFIO from using the group? Not where
 * it has none, or one that leaves DMA alone: VFIO's own, and those that set driver_managed_dma
 * (Linux 5.19 and later; drivers/pci/pci-driver.c, pci_dma_configure()).
 */
bool udrv__pci_blocks_group(const struct udrv_pci_info *member);

#endif
