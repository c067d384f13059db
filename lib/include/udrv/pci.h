/* SPDX-License-Identifier: MIT */
/**
 * @file
 * A PCI function's configuration space, capabilities, BARs and regions.
 * Names and argument order are those of Linux's <linux/pci.h>.
 */
#ifndef UDRV_PCI_H
#define UDRV_PCI_H

#include <udrv/types.h>

UDRV_BEGIN_DECLS

/** udrv_pci_name() - the address, e.g. "0000:00:05.0"; of a model its name. Valid until close. */
UDRV_API const char *udrv_pci_name(const struct udrv_device *dev);

/** udrv_pci_set_drvdata() - attach the driver's own data; it stays the driver's to free. */
UDRV_API void udrv_pci_set_drvdata(struct udrv_device *dev, void *data);

/** udrv_pci_get_drvdata() - what udrv_pci_set_drvdata() attached, or NULL. */
UDRV_API void *udrv_pci_get_drvdata(const struct udrv_device *dev);

/**
 * udrv_pci_enable_device() - let the device answer in its memory and port BARs
 * @dev: the device
 *
 * Sets Memory Space and I/O Space Enable as far as the device has such BARs
 * (PCI Local Bus 3.0, 6.2.2). Return: 0 or negative errno.
 */
UDRV_API int udrv_pci_enable_device(struct udrv_device *dev);

/** udrv_pci_disable_device() - switch bus mastering off (Linux: pci_disable_device()). */
UDRV_API void udrv_pci_disable_device(struct udrv_device *dev);

/**
 * udrv_pci_set_master() - let the device do DMA and send message-signalled interrupts
 * @dev: the device
 *
 * Return: 0 or negative errno (Linux returns nothing: there, the write cannot fail).
 */
UDRV_API int udrv_pci_set_master(struct udrv_device *dev);

/**
 * udrv_pci_clear_master() - stop DMA and message-signalled interrupts
 * @dev: the device
 *
 * Return: 0 or negative errno (Linux returns nothing).
 */
UDRV_API int udrv_pci_clear_master(struct udrv_device *dev);

/**
 * udrv_pci_read_config_{byte,word,dword}() - read configuration space
 * @dev: the device
 * @where: offset in bytes, a multiple of the size; beyond 255 only on PCIe
 * @val: the value in host order; untouched on failure
 *
 * Any thread. Return: 0, -EINVAL for a bad offset, other negative errno.
 */
UDRV_API int udrv_pci_read_config_byte(struct udrv_device *dev, int where, uint8_t *val);
UDRV_API int udrv_pci_read_config_word(struct udrv_device *dev, int where, uint16_t *val);
UDRV_API int udrv_pci_read_config_dword(struct udrv_device *dev, int where, uint32_t *val);

/**
 * udrv_pci_write_config_{byte,word,dword}() - write configuration space
 * @dev: the device
 * @where: offset in bytes, a multiple of the size
 * @val: the value in host order
 *
 * The backend may hold back what it manages itself (vfio-pci: BARs, MSI enable).
 * Return: 0, -EINVAL for a bad offset, other negative errno.
 */
UDRV_API int udrv_pci_write_config_byte(struct udrv_device *dev, int where, uint8_t val);
UDRV_API int udrv_pci_write_config_word(struct udrv_device *dev, int where, uint16_t val);
UDRV_API int udrv_pci_write_config_dword(struct udrv_device *dev, int where, uint32_t val);

/**
 * udrv_pci_find_capability() - offset of a standard capability
 * @dev: the device
 * @cap: PCI_CAP_ID_* of <linux/pci_regs.h>
 *
 * The walk ends after 48 steps, so that a device's broken list cannot hold it.
 * Return: the offset, or 0 if there is none.
 */
UDRV_API uint8_t udrv_pci_find_capability(struct udrv_device *dev, int cap);

/** udrv_pci_find_next_capability() - offset of the next such capability after @pos, or 0. */
UDRV_API uint8_t udrv_pci_find_next_capability(struct udrv_device *dev, uint8_t pos, int cap);

/** udrv_pci_find_ext_capability() - offset of an extended capability (PCI_EXT_CAP_ID_*), or 0. */
UDRV_API uint16_t udrv_pci_find_ext_capability(struct udrv_device *dev, int cap);

/** UDRV_PCI_STD_NUM_BARS - BARs of a function of type 0. */
#define UDRV_PCI_STD_NUM_BARS 6

/** udrv_pci_resource_len() - bytes of BAR @bar, 0 if it has none. */
UDRV_API uint64_t udrv_pci_resource_len(const struct udrv_device *dev, int bar);

/**
 * udrv_pci_resource_start() - the address of BAR @bar as the kernel has it, 0 if it has none
 *
 * DMA memory, and what is mapped for a device, never has an address that is in a memory BAR of it,
 * nor of what is in its IOMMU group when the first device of that is opened.
 * Source: Linux pci_resource_start().
 */
UDRV_API uint64_t udrv_pci_resource_start(const struct udrv_device *dev, int bar);

/** udrv_pci_resource_flags() - UDRV_RESOURCE_* of <udrv/pci_info.h>, 0 if there is no such BAR. */
UDRV_API uint32_t udrv_pci_resource_flags(const struct udrv_device *dev, int bar);

/**
 * udrv_pci_iomap() - make a BAR accessible
 * @dev: the device
 * @bar: 0 to 5
 * @maxlen: bytes wanted from the start, 0 for all
 *
 * Works for memory and port BARs alike. The pointer is for the accessors of <udrv/io.h> only:
 * it is a mapping where the whole range can be mapped, and a cookie for trapped accesses
 * otherwise. Any thread.
 *
 * Return: the pointer, or NULL (no such BAR, or no memory; udrv_log() says why).
 * Source: Linux pci_iomap().
 */
UDRV_API void __udrv_iomem *udrv_pci_iomap(struct udrv_device *dev, int bar, size_t maxlen);

/**
 * udrv_pci_iomap_range() - make part of a BAR accessible
 * @dev: the device
 * @bar: 0 to 5
 * @offset: first byte
 * @maxlen: bytes wanted from @offset, 0 for all that follow
 *
 * A range without trapped parts comes back as a mapping even if the BAR has some
 * (the registers beside an MSI-X table). Return: as udrv_pci_iomap(); NULL also when @offset is
 * beyond the BAR.
 */
UDRV_API void __udrv_iomem *udrv_pci_iomap_range(struct udrv_device *dev, int bar, uint64_t offset,
						 size_t maxlen);

/** udrv_pci_iounmap() - the pointer is not used any more. NULL is allowed. */
UDRV_API void udrv_pci_iounmap(struct udrv_device *dev, void __udrv_iomem *addr);

/**
 * udrv_bar_direct() - is this pointer a mapping, fit for the udrv_raw_ accessors
 * @addr: from udrv_pci_iomap()
 */
static inline bool udrv_bar_direct(const volatile void __udrv_iomem *addr)
{
	return (intptr_t)addr > 0;
}

/**
 * udrv_request_region() - claim part of a BAR
 * @dev: the device
 * @bar: 0 to 5
 * @offset: first byte
 * @len: bytes, at least 1
 * @name: who claims, for messages and `udrv iomem`; copied, up to 31 characters
 *
 * Claims are among those who ask: they do not keep anybody from mapping the range. They hold within
 * the process, and with the stub among all processes that have the device. What is not given back
 * is when the device is closed. Any thread.
 *
 * Return: 0, -EBUSY if it overlaps a claim (udrv_log() names the holder and its process), -EINVAL
 * if it is beyond the BAR, -ENOMEM; what the backend says: -ENOSPC too many claims (the stub's
 * limit is 256), -ENODEV. Source: Linux request_mem_region(), request_region().
 */
UDRV_API int udrv_request_region(struct udrv_device *dev, int bar, uint64_t offset, uint64_t len,
				 const char *name);

/** udrv_release_region() - give up what udrv_request_region() claimed, with the same range. */
UDRV_API void udrv_release_region(struct udrv_device *dev, int bar, uint64_t offset, uint64_t len);

/**
 * udrv_pci_request_region() - claim a whole BAR
 * @dev: the device
 * @bar: 0 to 5; one that the device does not have is claimed at once, as in Linux
 * @name: as for udrv_request_region()
 *
 * Return: as udrv_request_region(). Source: Linux pci_request_region().
 */
UDRV_API int udrv_pci_request_region(struct udrv_device *dev, int bar, const char *name);

/** udrv_pci_release_region() - give up a whole BAR. */
UDRV_API void udrv_pci_release_region(struct udrv_device *dev, int bar);

/**
 * udrv_pci_request_selected_regions() - claim some BARs; all or nothing
 * @dev: the device
 * @bars: bit n for BAR n
 * @name: as for udrv_request_region()
 *
 * Return: as udrv_request_region(). Source: Linux pci_request_selected_regions().
 */
UDRV_API int udrv_pci_request_selected_regions(struct udrv_device *dev, int bars, const char *name);

/** udrv_pci_release_selected_regions() - give up the BARs of a mask. */
UDRV_API void udrv_pci_release_selected_regions(struct udrv_device *dev, int bars);

/**
 * udrv_pci_request_regions() - claim every BAR; all or nothing
 * @dev: the device
 * @name: as for udrv_request_region()
 *
 * Return: as udrv_request_region(). Source: Linux pci_request_regions().
 */
UDRV_API int udrv_pci_request_regions(struct udrv_device *dev, const char *name);

/** udrv_pci_release_regions() - give up every BAR. */
UDRV_API void udrv_pci_release_regions(struct udrv_device *dev);

/**
 * udrv_pci_reset_function() - reset the function
 * @dev: the device
 *
 * Return: 0, -ENOTTY if the function has no reset that the backend can use.
 * Source: Linux pci_reset_function(), VFIO_DEVICE_RESET.
 */
UDRV_API int udrv_pci_reset_function(struct udrv_device *dev);

UDRV_END_DECLS

#endif
