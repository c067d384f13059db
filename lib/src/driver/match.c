// SPDX-License-Identifier: MIT
/* Which driver for which device. */
#include <errno.h>
#include <string.h>

#include <udrv/device.h>
#include <udrv/driver.h>
#include <udrv/log.h>
#include <udrv/pci_info.h>

#include "backend/model.h"
#include "driver/daemon.h"
#include "mem/kmalloc.h"
#include "pci/device.h"
#include "pci/model_name.h"

static bool id_matches(uint32_t wanted, uint32_t is)
{
	return wanted == UDRV_PCI_ANY_ID || wanted == is;
}

const struct udrv_pci_device_id *udrv__match_info(const struct udrv_pci_device_id *ids,
						  const struct udrv_pci_info *info)
{
	for (; ids && ids->vendor; ids++)
		if (id_matches(ids->vendor, info->vendor) &&
		    id_matches(ids->device, info->device) &&
		    id_matches(ids->subvendor, info->subsystem_vendor) &&
		    id_matches(ids->subdevice, info->subsystem_device) &&
		    !((ids->class_code ^ info->class_code) & ids->class_mask))
			return ids;
	return NULL;
}

const struct udrv_pci_device_id *udrv_pci_match_id(const struct udrv_pci_device_id *ids,
						   const struct udrv_device *dev)
{
	return udrv__match_info(ids, &dev->info);
}

static void explain(const struct udrv_driver *drv, const char *name,
		    const struct udrv_pci_info *info)
{
	udrv_pr_err("%s: %04x:%04x is not a device of driver %s", name, info->vendor, info->device,
		    drv->name);
}

int udrv__match_name(const struct udrv_driver *drv, const char *name)
{
	struct udrv_pci_info info;
	const int ret = udrv__is_model(name) ? udrv__model_info(name, &info)
					     : udrv_pci_info_read(name, &info);

	if (ret || udrv__match_info(drv->id_table, &info))
		return ret;
	explain(drv, name, &info);
	return -ENODEV;
}

/* Whatever the driver left, the next one starts afresh. */
static void forget_driver(struct udrv_device *dev)
{
	udrv__devres_release(dev);
	udrv_pci_set_drvdata(dev, NULL);
}

int udrv_driver_probe(const struct udrv_driver *drv, struct udrv_device *dev)
{
	const struct udrv_pci_device_id *id = udrv_pci_match_id(drv->id_table, dev);
	int ret;

	if (!id) {
		explain(drv, dev->name, &dev->info);
		return -ENODEV;
	}
	/* From here on handlers may ask for memory. */
	if (udrv__kmalloc_init())
		return -ENOMEM;
	ret = drv->probe(dev, id);
	/* As in Linux, a positive value is a driver's mistake, not a success. */
	if (ret > 0)
		ret = -EINVAL;
	if (ret)
		forget_driver(dev);
	return ret;
}

void udrv_driver_remove(const struct udrv_driver *drv, struct udrv_device *dev)
{
	if (drv->remove)
		drv->remove(dev);
	forget_driver(dev);
}
