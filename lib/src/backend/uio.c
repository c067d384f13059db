// SPDX-License-Identifier: MIT
/*
 * The backend for devices that are bound to uio_pci_generic: registers, configuration space and
 * INTx. No DMA: nothing gives addresses, and without an IOMMU nothing keeps a device from using
 * wrong ones.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/log.h>

#include "backend/uio.h"
#include "pci/device.h"
#include "pci/sysfs.h"

static bool uio_match(const char *name, const struct udrv_pci_info *info)
{
	(void)name;
	return info && !strcmp(info->driver, UDRV__UIO_DRIVER);
}

static int uio_reset(struct udrv_device *dev)
{
	if (udrv_device_gone(dev))
		return -ENODEV;
	/* The kernel restores configuration space, INTX_DISABLE included. */
	if (!udrv__sysfs_exists("bus/pci/devices/%s/reset", dev->name))
		return -ENOTTY;
	return udrv__sysfs_write("1", "bus/pci/devices/%s/reset", dev->name);
}

static void reset_if_possible(struct udrv_device *dev)
{
	int ret = uio_reset(dev);

	if (ret && ret != -ENOTTY)
		udrv_dev_warn(dev, "it was not reset: %s", strerror(-ret));
}

/* Without an interrupt the node reports an error whenever it is asked (uio.c, uio_poll()). */
static bool has_intx(const struct udrv__uio *uio)
{
	struct pollfd p = {.fd = uio->fd, .events = POLLIN};

	return poll(&p, 1, 0) >= 0 && !(p.revents & (POLLERR | POLLHUP));
}

static void describe_bars(struct udrv_device *dev)
{
	for (int i = 0; i < UDRV_PCI_STD_NUM_BARS; i++) {
		dev->bars[i].len = dev->info.resource[i].len;
		dev->bars[i].flags = dev->info.resource[i].flags;
	}
}

static int uio_open(struct udrv_device *dev)
{
	struct udrv__uio *uio = calloc(1, sizeof(*uio));
	int ret;

	if (!uio) {
		udrv_pr_err("%s: out of memory", dev->name);
		return -ENOMEM;
	}
	uio->dev = dev;
	uio->line_fd = uio->request_fd = -1;
	for (int i = 0; i < UDRV_PCI_STD_NUM_BARS; i++)
		uio->bars[i].ports = -1;
	pthread_mutex_init(&uio->lock, NULL);
	ret = udrv__uio_open_files(uio);
	if (ret)
		goto err_free;
	ret = udrv__uio_quiesce(uio);
	if (ret)
		goto err_files;
	reset_if_possible(dev);
	describe_bars(dev);
	uio->has_intx = has_intx(uio);
	dev->irq_counts[UDRV__IRQ_INTX] = uio->has_intx;
	dev->backend = uio;
	return 0;

err_files:
	udrv__uio_close_files(uio);
err_free:
	pthread_mutex_destroy(&uio->lock);
	free(uio);
	return ret;
}

/* The end of each file of the node switches bus mastering off (uio_pci_generic.c). */
static void uio_close(struct udrv_device *dev)
{
	struct udrv__uio *uio = dev->backend;

	udrv__uio_watch_stop(uio);
	udrv__uio_bars_end(uio);
	udrv__uio_close_files(uio);
	pthread_mutex_destroy(&uio->lock);
	free(uio);
	dev->backend = NULL;
}

static int uio_irq_enable(struct udrv_device *dev, enum udrv__irq_type type, const int *fds,
			  unsigned int count)
{
	struct udrv__uio *uio = dev->backend;
	int ret;

	if (type != UDRV__IRQ_INTX || !uio->has_intx || count != 1)
		return -EINVAL;
	pthread_mutex_lock(&uio->lock);
	ret = udrv__uio_set_intx(uio, true);
	if (!ret)
		uio->line_fd = fds[0];
	pthread_mutex_unlock(&uio->lock);
	return ret;
}

static int uio_irq_disable(struct udrv_device *dev, enum udrv__irq_type type)
{
	struct udrv__uio *uio = dev->backend;
	int ret;

	(void)type;
	pthread_mutex_lock(&uio->lock);
	ret = udrv__uio_set_intx(uio, false);
	uio->line_fd = -1;
	pthread_mutex_unlock(&uio->lock);
	return ret;
}

static int uio_irq_unmask_intx(struct udrv_device *dev)
{
	struct udrv__uio *uio = dev->backend;
	int ret;

	pthread_mutex_lock(&uio->lock);
	ret = udrv__uio_set_intx(uio, true);
	pthread_mutex_unlock(&uio->lock);
	return ret;
}

/* The watcher starts when there is whom to tell. */
static int uio_event_enable(struct udrv_device *dev, enum udrv_device_event event, int fd)
{
	struct udrv__uio *uio = dev->backend;

	if (event != UDRV_EVENT_REQUEST)
		return -EOPNOTSUPP;
	uio->request_fd = fd;
	return udrv__uio_watch_start(uio);
}

static int uio_dma_alloc(struct udrv_device *dev, size_t len, uint64_t mask,
			 struct udrv__dma_block *block)
{
	(void)dev;
	(void)len;
	(void)mask;
	(void)block;
	return -EOPNOTSUPP;
}

const struct udrv__backend_ops udrv__uio_backend = {
	.name = "uio",
	.driver = UDRV__UIO_DRIVER,
	.match = uio_match,
	.open = uio_open,
	.close = uio_close,
	.config_read = udrv__uio_config_read,
	.config_write = udrv__uio_config_write,
	.bar_map = udrv__uio_bar_map,
	.bar_unmap = udrv__uio_bar_unmap,
	.bar_read = udrv__uio_bar_read,
	.bar_write = udrv__uio_bar_write,
	.irq_enable = uio_irq_enable,
	.irq_disable = uio_irq_disable,
	.irq_unmask_intx = uio_irq_unmask_intx,
	.event_enable = uio_event_enable,
	.dma_alloc = uio_dma_alloc,
	.reset = uio_reset,
};
