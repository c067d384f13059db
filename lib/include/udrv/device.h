/* SPDX-License-Identifier: MIT */
/**
 * @file
 * A device that this process drives: open, close, and what may happen to it.
 *
 * A driver gets its device in probe() and needs only udrv_device_gone() from here; programs
 * without udrv_driver_main() open devices themselves.
 */
#ifndef UDRV_DEVICE_H
#define UDRV_DEVICE_H

#include <udrv/types.h>

UDRV_BEGIN_DECLS

/** UDRV_DEVICE_NAME_MAX - bytes of the longest device name with its NUL. */
#define UDRV_DEVICE_NAME_MAX 32

/**
 * udrv_device_open() - take a device
 * @name: "0000:00:05.0", "00:05.0" or "model:<model>", e.g. "model:edu"
 * @backend: "vfio", "stub", "uio", "model" or "model-stub"; NULL chooses from what the device is
 * bound to
 * @dev_out: the device; untouched on failure
 *
 * The device is reset if it can be, with bus mastering off and no interrupts, and is this process's
 * until udrv_device_close(). By "stub" several processes may have it open: the first finds it like
 * that, and each other one as it is in use, with a log line. Any thread.
 *
 * Return: 0, or
 * -EINVAL malformed name or unknown backend, -ENODEV no such device or not bound to a driver
 * that a backend knows, -EACCES no permission for the node, -EBUSY another process holds it,
 * -EPERM the IOMMU group is not viable or interrupts cannot be isolated,
 * other negative errno from the kernel. Every failure is explained in one udrv_log() line.
 */
UDRV_API int udrv_device_open(const char *name, const char *backend, struct udrv_device **dev_out);

/**
 * udrv_device_close() - give the device back
 * @dev: from udrv_device_open(), or NULL
 *
 * Interrupts are freed, bus mastering is switched off if @dev switched it on (several processes may
 * have a device open), DMA is unmapped, then memory is freed. No other thread may use @dev any
 * more. Pointers from udrv_pci_iomap() and udrv_dma_alloc_coherent() die with it. Not in a handler
 * of the device, nor with interrupts off (<udrv/irqflags.h>): that would wait for itself, so it is
 * left open, with a log line.
 */
UDRV_API void udrv_device_close(struct udrv_device *dev);

/** udrv_device_name() - the name, e.g. "0000:00:05.0"; valid until close. Any thread. */
UDRV_API const char *udrv_device_name(const struct udrv_device *dev);

/** udrv_device_backend() - the backend's name, e.g. "vfio"; static. Any thread. */
UDRV_API const char *udrv_device_backend(const struct udrv_device *dev);

/**
 * udrv_device_gone() - has the device been removed, or is it being taken away
 * @dev: the device
 *
 * Once true it stays true; every blocking call of the framework then returns -ENODEV.
 * Any thread, also interrupt handlers.
 * Source: Linux pci_dev_is_disconnected().
 */
UDRV_API bool udrv_device_gone(const struct udrv_device *dev);

/**
 * udrv_device_set_gone() - declare the device gone and wake everybody who waits on it
 * @dev: the device
 *
 * Done by the framework on a fault in a BAR, when the device is removed or the kernel wants it
 * back, when an interrupt cannot be served any more, and when a verb is still running some seconds
 * after a daemon was told to stop. A daemon that stops for another reason calls remove() with the
 * device as it is. Any thread; async-signal-safe.
 */
UDRV_API void udrv_device_set_gone(struct udrv_device *dev);

/** enum udrv_device_event - what the kernel or the device can tell beside interrupts. */
enum udrv_device_event {
	/** The kernel wants the device back (hot unplug, unbind): remove() and close soon. */
	UDRV_EVENT_REQUEST,
	/** An uncorrectable error was reported by the device (PCIe AER). */
	UDRV_EVENT_ERROR,
	/** The device was declared gone: udrv_device_gone() is true. Every backend has it. */
	UDRV_EVENT_GONE,
	UDRV_EVENT_COUNT,
};

/**
 * udrv_device_event_fd() - a descriptor that becomes readable when an event happens
 * @dev: the device
 * @event: which
 *
 * The descriptor is the device's own: poll it, do not close it.
 *
 * Return: an eventfd, or -EOPNOTSUPP where the backend does not report @event.
 */
UDRV_API int udrv_device_event_fd(struct udrv_device *dev, enum udrv_device_event event);

/**
 * udrv_dev_log() - udrv_log() with the device's name in front
 * @dev: the device
 */
UDRV_API void udrv_dev_log(const struct udrv_device *dev, int level, const char *fmt, ...)
	UDRV_PRINTF(3, 4);

/** udrv_dev_{err,warn,notice,info,dbg}() - udrv_dev_log() at that level; @dev, then as printf(). */
#define udrv_dev_err(dev, ...)	  udrv_dev_log(dev, 3, __VA_ARGS__)
#define udrv_dev_warn(dev, ...)	  udrv_dev_log(dev, 4, __VA_ARGS__)
#define udrv_dev_notice(dev, ...) udrv_dev_log(dev, 5, __VA_ARGS__)
#define udrv_dev_info(dev, ...)	  udrv_dev_log(dev, 6, __VA_ARGS__)
#define udrv_dev_dbg(dev, ...)	  udrv_dev_log(dev, 7, __VA_ARGS__)

UDRV_END_DECLS

#endif
