// SPDX-License-Identifier: MIT
/* A device behind udrv_stub: opening its control node, closing it, reset. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include <udrv/log.h>

#include "backend/stub.h"

#define DRIVER "udrv_stub"

int udrv__stub_failed(struct udrv_device *dev)
{
	int err = errno;

	if (err == ENODEV)
		udrv_device_set_gone(dev);
	return -err;
}

static bool stub_match(const char *name, const struct udrv_pci_info *info)
{
	(void)name;
	return info && !strcmp(info->driver, DRIVER);
}

static int explain_open(const char *device, const char *path, int err)
{
	switch (err) {
	case ENOENT:
		udrv_pr_err("%s: %s does not exist, though " DRIVER
			    " has the device; nodes are made "
			    "in /dev by udev or devtmpfs: start the one or mount the other",
			    device, path);
		break;
	case EPERM:
		udrv_pr_err(
			"%s: no IOMMU confines it (it is off, does not remap interrupts, or the "
			"device shares its IOMMU group), so who drives it reaches more than the "
			"device: that needs CAP_SYS_RAWIO; run as root, or grant it "
			"(AmbientCapabilities= in the unit)",
			device);
		break;
	case EACCES:
		udrv_pr_err("%s: no permission for %s; run as root, or give this user the node "
			    "(chown, or a udev rule)",
			    device, path);
		break;
	case ENODEV:
	case ENXIO:
		udrv_pr_err("%s: " DRIVER " does not have the device any more; run: udrv bind "
			    "--driver stub %s",
			    device, device);
		break;
	default:
		udrv_pr_err("%s: cannot open %s: %s", device, path, strerror(err));
	}
	return -err;
}

static int open_node(const char *device)
{
	char path[UDRV_DEVICE_NAME_MAX + 32];
	int fd;

	(void)snprintf(path, sizeof(path), "/dev/" DRIVER "-%s", device);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? explain_open(device, path, errno) : fd;
}

static int read_info(struct udrv__stub *stub, const char *device)
{
	int err;

	stub->info.abi = UDRV_STUB_ABI;
	if (!ioctl(stub->fd, UDRV_STUB_INFO, &stub->info))
		return 0;
	err = errno;
	/* All else in the call is zero: it is the version that the module does not take. */
	if (err == EINVAL || err == ENOTTY) {
		udrv_pr_err("%s: the module " DRIVER " is of another version, this library's "
			    "interface is %u; install the module that belongs to it, and run: "
			    "modprobe -r " DRIVER "; modprobe " DRIVER,
			    device, UDRV_STUB_ABI);
		return -EPROTO;
	}
	udrv_pr_err("%s: " DRIVER " does not describe it: %s", device, strerror(err));
	return -err;
}

static void fill_device(struct udrv_device *dev, const struct udrv_stub_info *info)
{
	static const uint32_t types[UDRV__IRQ_TYPES] = {
		[UDRV__IRQ_INTX] = UDRV_STUB_INTX,
		[UDRV__IRQ_MSI] = UDRV_STUB_MSI,
		[UDRV__IRQ_MSIX] = UDRV_STUB_MSIX,
	};

	for (unsigned int i = 0; i < UDRV_PCI_STD_NUM_BARS; i++) {
		dev->bars[i].len = info->bars[i].len;
		dev->bars[i].flags = dev->bars[i].len ? dev->info.resource[i].flags : 0;
	}
	for (int i = 0; i < UDRV__IRQ_TYPES; i++) {
		uint32_t count = info->irq_counts[types[i]];

		dev->irq_counts[i] = count < UDRV_STUB_VECTORS_MAX ? count : UDRV_STUB_VECTORS_MAX;
	}
}

static void stub_close(struct udrv_device *dev)
{
	struct udrv__stub *stub = dev->backend;

	udrv__stub_unmap_vectors(stub);
	close(stub->fd);
	free(stub);
	dev->backend = NULL;
}

/* The module left the device reset, and bus mastering off, when its last user went. */
static int stub_open(struct udrv_device *dev)
{
	struct udrv__stub *stub = calloc(1, sizeof(*stub));
	int ret;

	if (!stub) {
		udrv_pr_err("%s: out of memory", dev->name);
		return -ENOMEM;
	}
	stub->fd = ret = open_node(dev->name);
	if (ret < 0)
		goto err_free;
	ret = read_info(stub, dev->name);
	if (ret)
		goto err_close;
	ret = udrv__stub_map_vectors(stub);
	if (ret) {
		udrv_pr_err("%s: cannot map the counts of its interrupts: %s", dev->name,
			    strerror(-ret));
		goto err_close;
	}
	fill_device(dev, &stub->info);
	if (stub->info.users > 1)
		udrv_dev_info(dev, "%u others have it open, so it may be at work",
			      stub->info.users - 1);
	dev->backend = stub;
	return 0;

err_close:
	close(stub->fd);
err_free:
	free(stub);
	return ret;
}

/* With command_lock: as where the kernel resets a function, it masters the bus again if it did. */
static int reset_locked(struct udrv_device *dev)
{
	const struct udrv__stub *stub = dev->backend;
	uint32_t old;
	uint32_t now;
	int ret = udrv__stub_config_read(dev, PCI_COMMAND, 2, &old);

	if (ret)
		return ret;
	if (ioctl(stub->fd, UDRV_STUB_RESET))
		return udrv__stub_failed(dev);
	if (!(old & PCI_COMMAND_MASTER))
		return 0;
	ret = udrv__stub_config_read(dev, PCI_COMMAND, 2, &now);
	return ret ? ret : udrv__stub_config_write(dev, PCI_COMMAND, 2, now | PCI_COMMAND_MASTER);
}

static int stub_reset(struct udrv_device *dev)
{
	const struct udrv__stub *stub = dev->backend;
	int ret;

	if (!(stub->info.flags & UDRV_STUB_CAN_RESET))
		return -ENOTTY;
	pthread_mutex_lock(&dev->command_lock);
	ret = reset_locked(dev);
	pthread_mutex_unlock(&dev->command_lock);
	return ret;
}

const struct udrv__backend_ops udrv__stub_backend = {
	.name = "stub",
	.driver = DRIVER,
	.match = stub_match,
	.open = stub_open,
	.close = stub_close,
	.config_read = udrv__stub_config_read,
	.config_write = udrv__stub_config_write,
	.bar_map = udrv__stub_bar_map,
	.bar_unmap = udrv__stub_bar_unmap,
	.bar_read = udrv__stub_bar_read,
	.bar_write = udrv__stub_bar_write,
	.irq_enable = udrv__stub_irq_enable,
	.irq_disable = udrv__stub_irq_disable,
	.irq_unmask_intx = udrv__stub_irq_unmask_intx,
	.irq_count = udrv__stub_irq_count,
	.event_enable = udrv__stub_event_enable,
	.dma_explain = udrv__stub_dma_explain,
	.dma_alloc = udrv__stub_dma_alloc,
	.dma_free = udrv__stub_dma_free,
	.dma_pin = udrv__stub_dma_pin,
	.dma_unpin = udrv__stub_dma_unpin,
	.dma_untranslated = udrv__stub_dma_untranslated,
	.claim = udrv__stub_claim,
	.unclaim = udrv__stub_unclaim,
	.reset = stub_reset,
};
