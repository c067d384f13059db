/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Managed resources: what probe() acquires here is released by the framework, in reverse order,
 * after remove() returned or probe() failed, at the latest when the device is closed, while its
 * BARs, interrupts and DMA still work. Any thread may call; the device's list has a lock of its
 * own, which is not held while something is released.
 *
 * Source: Linux Documentation/driver-api/driver-model/devres.rst.
 */
#ifndef UDRV_DEVRES_H
#define UDRV_DEVRES_H

#include <stdarg.h>

#include <udrv/irq.h>
#include <udrv/kmalloc.h>
#include <udrv/types.h>

UDRV_BEGIN_DECLS

/**
 * udrv_devm_add_action() - have a function called when the driver lets go of the device
 * @dev: the device
 * @action: called once, in the thread that removes or closes; may use managed resources that
 *          are older than itself
 * @data: passed to @action; with it identifies the action to udrv_devm_remove_action()
 *
 * Return: 0, -EINVAL without @action, -ENOMEM. Source: Linux devm_add_action().
 */
UDRV_API int udrv_devm_add_action(struct udrv_device *dev, void (*action)(void *data), void *data);

/** udrv_devm_add_action_or_reset() - udrv_devm_add_action(); if it fails, @action is called now. */
UDRV_API int udrv_devm_add_action_or_reset(struct udrv_device *dev, void (*action)(void *data),
					   void *data);

/**
 * udrv_devm_remove_action() - forget an action without calling it
 * @dev: the device
 * @action: as added
 * @data: as added
 *
 * Of several like this the newest goes. Return: 0, -ENOENT if there is none.
 * Source: Linux devm_remove_action_nowarn().
 */
UDRV_API int udrv_devm_remove_action(struct udrv_device *dev, void (*action)(void *data),
				     void *data);

/**
 * udrv_devm_kmalloc() - udrv_kmalloc() that is freed with the driver
 * @dev: the device
 * @size: bytes; 48 are added to it for the record
 * @gfp: as for udrv_kmalloc(); with UDRV_GFP_ATOMIC it also fails when another thread stays at the
 *	device's list
 *
 * Memory that devices reach, like udrv_kmalloc()'s, but aligned to 16 bytes whatever the size. Any
 * thread, UDRV_GFP_ATOMIC also in handlers.
 * Return: as udrv_kmalloc(). Source: Linux devm_kmalloc().
 */
UDRV_API void *udrv_devm_kmalloc(struct udrv_device *dev, size_t size, udrv_gfp_t gfp);

/** udrv_devm_kzalloc() - udrv_devm_kmalloc(), zeroed. */
UDRV_API void *udrv_devm_kzalloc(struct udrv_device *dev, size_t size, udrv_gfp_t gfp);

/** udrv_devm_kmalloc_array() - udrv_devm_kmalloc() for @n elements of @size bytes; checked. */
static inline void *udrv_devm_kmalloc_array(struct udrv_device *dev, size_t n, size_t size,
					    udrv_gfp_t gfp)
{
	size_t bytes;

	return __builtin_mul_overflow(n, size, &bytes) ? NULL : udrv_devm_kmalloc(dev, bytes, gfp);
}

/** udrv_devm_kcalloc() - udrv_devm_kmalloc_array(), zeroed. */
static inline void *udrv_devm_kcalloc(struct udrv_device *dev, size_t n, size_t size,
				      udrv_gfp_t gfp)
{
	size_t bytes;

	return __builtin_mul_overflow(n, size, &bytes) ? NULL : udrv_devm_kzalloc(dev, bytes, gfp);
}

/**
 * udrv_devm_krealloc() - have managed memory of another size, with what is in it
 * @dev: the device
 * @p: the memory; or NULL, or UDRV_ZERO_SIZE_PTR
 * @new_size: bytes; with 0, @p is freed
 * @gfp: UDRV_GFP_KERNEL
 *
 * Keeps its place in the order of release. Any thread that may block.
 * Return: as udrv_krealloc(). Source: Linux devm_krealloc().
 */
UDRV_API void *udrv_devm_krealloc(struct udrv_device *dev, void *p, size_t new_size,
				  udrv_gfp_t gfp);

/** udrv_devm_kmemdup() - a managed copy of @len bytes at @src. Return: as udrv_devm_kmalloc(). */
UDRV_API void *udrv_devm_kmemdup(struct udrv_device *dev, const void *src, size_t len,
				 udrv_gfp_t gfp);

/** udrv_devm_kstrdup() - a managed copy of a string. Return: NULL also for @s NULL. */
UDRV_API char *udrv_devm_kstrdup(struct udrv_device *dev, const char *s, udrv_gfp_t gfp);

/** udrv_devm_kvasprintf() - a managed string as of udrv_kvasprintf(). */
UDRV_API char *udrv_devm_kvasprintf(struct udrv_device *dev, udrv_gfp_t gfp, const char *fmt,
				    va_list args) UDRV_PRINTF(3, 0);

/** udrv_devm_kasprintf() - a managed string as of udrv_kasprintf(). */
UDRV_API char *udrv_devm_kasprintf(struct udrv_device *dev, udrv_gfp_t gfp, const char *fmt, ...)
	UDRV_PRINTF(3, 4);

/**
 * udrv_devm_kfree() - free memory of udrv_devm_kmalloc() and its kind early
 * @dev: the device
 * @p: the memory; or NULL, or UDRV_ZERO_SIZE_PTR
 *
 * What is not such memory of @dev is left alone, with a log line.
 */
UDRV_API void udrv_devm_kfree(struct udrv_device *dev, const void *p);

/**
 * udrv_devm_request_threaded_irq() - udrv_request_threaded_irq(), freed with the driver
 * @dev: the device
 * @irq: from udrv_pci_irq_vector()
 * @handler: as for udrv_request_threaded_irq(), like @thread_fn and @flags
 * @thread_fn: may be NULL
 * @flags: UDRV_IRQF_*
 * @name: NULL is the device's
 * @dev_id: passed to the functions
 *
 * Ask for it after everything that the handler uses, so that it is freed before. Vectors that
 * remove() switches off must be without handlers by then: udrv_devm_free_irq(), or switch them off
 * in an action that is added before. Return: as udrv_request_threaded_irq(). Source: Linux
 * devm_request_threaded_irq().
 */
UDRV_API int udrv_devm_request_threaded_irq(struct udrv_device *dev, int irq,
					    udrv_irq_handler_t handler,
					    udrv_irq_handler_t thread_fn, unsigned int flags,
					    const char *name, void *dev_id);

/** udrv_devm_request_irq() - udrv_devm_request_threaded_irq() without a thread function. */
static inline int udrv_devm_request_irq(struct udrv_device *dev, int irq,
					udrv_irq_handler_t handler, unsigned int flags,
					const char *name, void *dev_id)
{
	return udrv_devm_request_threaded_irq(dev, irq, handler, 0, flags, name, dev_id);
}

/**
 * udrv_devm_free_irq() - udrv_free_irq() for what was requested here
 * @dev: the device
 * @irq: the vector
 * @dev_id: as given at request
 *
 * Return: 0, -EINVAL if it was not, -EDEADLK from a handler of this vector: then it stays
 * requested.
 */
UDRV_API int udrv_devm_free_irq(struct udrv_device *dev, int irq, void *dev_id);

/**
 * udrv_devm_request_region() - udrv_request_region(), given back with the driver
 * @dev: the device
 * @bar: 0 to 5
 * @offset: first byte
 * @len: bytes, at least 1
 * @name: as for udrv_request_region()
 *
 * udrv_release_region() gives it back early.
 * Return: as udrv_request_region(). Source: Linux devm_request_mem_region().
 */
UDRV_API int udrv_devm_request_region(struct udrv_device *dev, int bar, uint64_t offset,
				      uint64_t len, const char *name);

/**
 * udrv_pcim_request_region() - udrv_pci_request_region(), given back with the driver
 * @dev: the device
 * @bar: 0 to 5
 * @name: as for udrv_request_region()
 *
 * udrv_pci_release_region() gives it back early.
 * Return: as udrv_request_region(). Source: Linux pcim_request_region().
 */
UDRV_API int udrv_pcim_request_region(struct udrv_device *dev, int bar, const char *name);

/** udrv_pcim_request_all_regions() - udrv_pcim_request_region() for every BAR; all or nothing. */
UDRV_API int udrv_pcim_request_all_regions(struct udrv_device *dev, const char *name);

UDRV_END_DECLS

#endif
