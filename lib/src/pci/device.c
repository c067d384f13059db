// SPDX-License-Identifier: MIT
/* Opening and closing a device: choose a backend, acquire in order, release in reverse. */
#include <errno.h>
#include <linux/futex.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include <udrv/device.h>
#include <udrv/log.h>
#include <udrv/pci.h>

#include "pci/device.h"
#include "pci/model_name.h"

/* model-stub is behind model, which takes models unasked. */
static const struct udrv__backend_ops *const backends[] = {
	&udrv__vfio_backend,  &udrv__stub_backend,	 &udrv__uio_backend,
	&udrv__model_backend, &udrv__model_stub_backend,
};

/* Fill name and, for a real device, what sysfs says of it. */
static int identify(struct udrv_device *dev, const char *name)
{
	char bdf[UDRV_PCI_NAME_MAX];
	int ret;

	if (udrv__is_model(name)) {
		if (strlen(name) >= sizeof(dev->name)) {
			udrv_pr_err("%.40s...: the name is too long", name);
			return -EINVAL;
		}
		strcpy(dev->name, name);
		return 0;
	}
	ret = udrv_pci_parse_name(name, bdf);
	if (ret) {
		udrv_pr_err("%s: not a PCI address; write it as 0000:00:05.0 (see 'udrv list')",
			    name);
		return ret;
	}
	strcpy(dev->name, bdf);
	return udrv_pci_info_read(bdf, &dev->info);
}

/* No backend takes it. @wanted is the one that was asked for, or NULL. */
static void explain_bound(const struct udrv_pci_info *info, const struct udrv__backend_ops *wanted)
{
	const char *name = info->name;
	char bound[sizeof(info->driver) + 8] = "no driver";

	if (info->driver[0])
		(void)snprintf(bound, sizeof(bound), "driver %s", info->driver);
	if (info->iommu_group < 0 && (!wanted || wanted == &udrv__vfio_backend))
		udrv_pr_err("%s: bound to %s and in no IOMMU group; run: udrv bind --driver stub "
			    "%s; or udrv bind %s, with the IOMMU on (firmware: VT-d, AMD-Vi; "
			    "kernel: intel_iommu=on or amd_iommu=on)",
			    name, bound, name, name);
	else if (!wanted)
		udrv_pr_err("%s: bound to %s, which no backend drives; run: udrv bind %s", name,
			    bound, name);
	else if (wanted->driver)
		udrv_pr_err("%s: bound to %s, which backend %s does not drive; run: udrv bind "
			    "--driver %s %s",
			    name, bound, wanted->name, wanted->driver, name);
	else
		udrv_pr_err("%s: backend %s drives no PCI devices", name, wanted->name);
}

static void explain_backends(const char *name, const char *wanted)
{
	char names[128] = "";
	size_t len = 0;

	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]) && len < sizeof(names); i++)
		len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", i ? ", " : "",
					backends[i]->name);
	udrv_pr_err("%s: there is no backend named '%s': there are %s", name, wanted, names);
}

static int choose_backend(struct udrv_device *dev, const char *wanted)
{
	const struct udrv_pci_info *info = udrv__is_model(dev->name) ? NULL : &dev->info;
	const struct udrv__backend_ops *known = NULL;

	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
		bool named = wanted && !strcmp(wanted, backends[i]->name);

		if (named)
			known = backends[i];
		if (wanted && !named)
			continue;
		if (backends[i]->match(dev->name, info)) {
			dev->ops = backends[i];
			return 0;
		}
	}
	if (wanted && !known) {
		explain_backends(dev->name, wanted);
		return -EINVAL;
	}
	if (!info && wanted && strcmp(wanted, "model") != 0)
		udrv_pr_err("%s: backend %s does not drive models", dev->name, wanted);
	else if (!info)
		udrv_pr_err("%s: there is no such model", dev->name);
	else
		explain_bound(info, known);
	return -ENODEV;
}

bool udrv__device_has_backend(const struct udrv_pci_info *info)
{
	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++)
		if (backends[i]->match(info->name, info))
			return true;
	return false;
}

static void close_event_fds(struct udrv_device *dev)
{
	for (int i = 0; i < UDRV_EVENT_COUNT; i++)
		if (dev->event_fds[i] >= 0)
			close(dev->event_fds[i]);
}

/*
 * An eventfd for each event that the backend reports: that of UDRV_EVENT_GONE before a backend can
 * find that out.
 */
static int open_event_fds(struct udrv_device *dev)
{
	int ret = 0;

	for (int i = UDRV_EVENT_COUNT - 1; i >= 0 && !ret; i--) {
		int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

		if (fd < 0) {
			ret = -errno;
			break;
		}
		/* Not the backend's: udrv_device_set_gone() signals it. */
		if (i != UDRV_EVENT_GONE)
			ret = dev->ops->event_enable(dev, (enum udrv_device_event)i, fd);
		if (ret) {
			close(fd);
			if (ret == -EOPNOTSUPP)
				ret = 0;
			continue;
		}
		dev->event_fds[i] = fd;
	}
	return ret;
}

static int explain(const struct udrv_device *dev, const char *what, int ret)
{
	if (ret)
		udrv_dev_err(dev, "cannot %s: %s", what, strerror(-ret));
	return ret;
}

static int open_steps(struct udrv_device *dev)
{
	int ret = dev->ops->open(dev);

	if (ret)
		return ret;
	ret = explain(dev, "prepare its interrupts", udrv__irqs_init(dev));
	if (ret)
		goto err_close;
	ret = udrv__dma_init(dev);
	if (ret)
		goto err_irqs;
	ret = explain(dev, "listen for its events", open_event_fds(dev));
	if (ret)
		goto err_dma;
	udrv_dev_dbg(dev, "open by backend %s, %04x:%04x", dev->ops->name, dev->info.vendor,
		     dev->info.device);
	return 0;

err_dma:
	udrv__dma_release(dev);
err_irqs:
	udrv__irqs_release(dev);
err_close:
	dev->ops->close(dev);
	close_event_fds(dev);
	return ret;
}

int udrv_device_open(const char *name, const char *backend, struct udrv_device **dev_out)
{
	struct udrv_device *dev = calloc(1, sizeof(*dev));
	int ret;

	if (!dev) {
		udrv_pr_err("%s: out of memory", name);
		return -ENOMEM;
	}
	pthread_mutex_init(&dev->command_lock, NULL);
	pthread_mutex_init(&dev->bar_lock, NULL);
	for (int i = 0; i < UDRV_EVENT_COUNT; i++)
		dev->event_fds[i] = -1;

	ret = identify(dev, name);
	if (!ret)
		ret = choose_backend(dev, backend);
	if (!ret)
		ret = open_steps(dev);
	if (ret) {
		pthread_mutex_destroy(&dev->bar_lock);
		pthread_mutex_destroy(&dev->command_lock);
		free(dev);
		return ret;
	}
	*dev_out = dev;
	return 0;
}

/* The device first, memory after: no interrupt, no DMA, then what they used goes. */
void udrv_device_close(struct udrv_device *dev)
{
	if (!dev)
		return;
	if (udrv__irqs_are_own(dev)) {
		udrv_dev_err(dev, "closed by its own interrupt worker, or with interrupts off, "
				  "which would wait for itself: left open; let another thread "
				  "close it");
		return;
	}
	udrv__devres_release(dev);
	udrv__irqs_release(dev);
	/* Else it is another process's, where several may have the device open. */
	if (__atomic_load_n(&dev->mastering, __ATOMIC_RELAXED))
		(void)udrv_pci_clear_master(dev);
	udrv__dma_release(dev);
	udrv__bars_release(dev);
	dev->ops->close(dev);
	close_event_fds(dev);
	pthread_mutex_destroy(&dev->bar_lock);
	pthread_mutex_destroy(&dev->command_lock);
	free(dev);
}

const char *udrv_device_name(const struct udrv_device *dev)
{
	return dev->name;
}

const char *udrv_pci_name(const struct udrv_device *dev)
{
	return dev->name;
}

const char *udrv_device_backend(const struct udrv_device *dev)
{
	return dev->ops->name;
}

bool udrv_device_gone(const struct udrv_device *dev)
{
	return __atomic_load_n(&dev->gone, __ATOMIC_ACQUIRE);
}

void udrv_device_set_gone(struct udrv_device *dev)
{
	int saved_errno = errno;
	uint64_t one = 1;

	if (!__atomic_exchange_n(&dev->gone, 1, __ATOMIC_SEQ_CST)) {
		syscall(SYS_futex, &dev->gone, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
		/* Cannot fail: it is the first write to it. */
		(void)!write(dev->event_fds[UDRV_EVENT_GONE], &one, sizeof(one));
	}
	errno = saved_errno;
}

int udrv_device_event_fd(struct udrv_device *dev, enum udrv_device_event event)
{
	if ((unsigned int)event >= UDRV_EVENT_COUNT || dev->event_fds[event] < 0)
		return -EOPNOTSUPP;
	return dev->event_fds[event];
}

void udrv_pci_set_drvdata(struct udrv_device *dev, void *data)
{
	dev->drvdata = data;
}

void *udrv_pci_get_drvdata(const struct udrv_device *dev)
{
	return dev->drvdata;
}

int udrv_pci_reset_function(struct udrv_device *dev)
{
	return dev->ops->reset(dev);
}

void udrv_dev_log(const struct udrv_device *dev, int level, const char *fmt, ...)
{
	char line[400];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	udrv_log(level, "%s: %s", dev->name, line);
}
