/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Memory that the device reaches. Names and argument order are those of
 * Linux's <linux/dma-mapping.h>; what is called dma_addr_t there is udrv_iova_t here.
 */
#ifndef UDRV_DMA_H
#define UDRV_DMA_H

#include <errno.h>

#include <udrv/barrier.h>
#include <udrv/page.h>
#include <udrv/types.h>

UDRV_BEGIN_DECLS

/** enum udrv_dma_data_direction - who writes a mapped buffer. */
enum udrv_dma_data_direction {
	UDRV_DMA_BIDIRECTIONAL = 0,
	UDRV_DMA_TO_DEVICE = 1,
	UDRV_DMA_FROM_DEVICE = 2,
};

/** UDRV_DMA_MAPPING_ERROR - not an address; see udrv_dma_mapping_error(). */
#define UDRV_DMA_MAPPING_ERROR (~(udrv_iova_t)0)

/**
 * udrv_dma_set_mask_and_coherent() - say which addresses the device can issue
 * @dev: the device
 * @mask: e.g. UDRV_DMA_BIT_MASK(28); until set, 32 bits
 *
 * Return: 0, -EIO if no IOVA that the IOMMU offers is below @mask, -EOPNOTSUPP if nothing gives the
 * device DMA (it is bound to uio_pci_generic): a driver that can do without goes on. Where the
 * backend chooses the addresses, any mask that leaves a page will do: whether memory is below it is
 * known when it is allocated.
 */
UDRV_API int udrv_dma_set_mask_and_coherent(struct udrv_device *dev, uint64_t mask);

/** udrv_dma_set_mask() - the same for mapped buffers only. Source: Linux dma_set_mask(). */
UDRV_API int udrv_dma_set_mask(struct udrv_device *dev, uint64_t mask);

/** udrv_dma_set_coherent_mask() - the same for udrv_dma_alloc_coherent() and pools only. */
UDRV_API int udrv_dma_set_coherent_mask(struct udrv_device *dev, uint64_t mask);

/** udrv_dma_get_mask() - the mask for mapped buffers. Source: Linux dma_get_mask(). */
UDRV_API uint64_t udrv_dma_get_mask(struct udrv_device *dev);

/**
 * udrv_dma_set_max_seg_size() - say how long a segment of a scatterlist may become
 * @dev: the device
 * @size: bytes; until set, 64 KiB
 *
 * For udrv_dma_map_sg() when it merges entries. Return: 0, -EINVAL for 0. Source: Linux
 * dma_set_max_seg_size().
 */
UDRV_API int udrv_dma_set_max_seg_size(struct udrv_device *dev, unsigned int size);

/** udrv_dma_get_max_seg_size() - in bytes. Source: Linux dma_get_max_seg_size(). */
UDRV_API unsigned int udrv_dma_get_max_seg_size(struct udrv_device *dev);

/**
 * udrv_dma_set_seg_boundary() - say what no segment of a scatterlist may cross
 * @dev: the device
 * @mask: a power of two, less 1: segments do not cross its multiples; until set, 0xffffffff
 *
 * Return: 0, -EINVAL if it is not such a mask. Source: Linux dma_set_seg_boundary().
 */
UDRV_API int udrv_dma_set_seg_boundary(struct udrv_device *dev, unsigned long mask);

/** udrv_dma_get_seg_boundary() - the mask. Source: Linux dma_get_seg_boundary(). */
UDRV_API unsigned long udrv_dma_get_seg_boundary(struct udrv_device *dev);

/**
 * udrv_dma_max_mapping_size() - how many bytes one mapping can have at most, whatever else there is
 *
 * As many as there are addresses in a row that the IOMMU translates, below the mask. Where the
 * backend chooses the addresses: what can be relied upon to bounce, 256 KiB; more may work. Source:
 * Linux dma_max_mapping_size().
 */
UDRV_API size_t udrv_dma_max_mapping_size(struct udrv_device *dev);

/**
 * udrv_dma_alloc_coherent() - memory that CPU and device see alike
 * @dev: the device
 * @size: bytes; rounded up to pages
 * @dma_handle: the device's address of it; untouched on failure
 * @gfp: UDRV_GFP_KERNEL may map more memory; UDRV_GFP_ATOMIC takes from what is mapped
 *
 * From the arena of the device's IOMMU domain, which begins with 512 KiB, or with a huge page if
 * there is a free one, and grows by 2 MiB or more at a time. Zeroed, in whole pages, contiguous for
 * the device; aligned, for both, to the smallest power of two that holds it, up to 2 MiB. Any
 * thread, UDRV_GFP_ATOMIC also in handlers. Return: the memory, or NULL (for UDRV_GFP_KERNEL
 * udrv_log() says why: no IOVA below the mask, RLIMIT_MEMLOCK, ...). Source: Linux
 * dma_alloc_coherent().
 */
UDRV_API void *udrv_dma_alloc_coherent(struct udrv_device *dev, size_t size,
				       udrv_iova_t *dma_handle, udrv_gfp_t gfp);

/**
 * udrv_dma_free_coherent() - give back memory of udrv_dma_alloc_coherent()
 * @dev: the device; it must have stopped using the memory
 * @size: as allocated
 * @cpu_addr: the memory, or NULL
 * @dma_handle: its address for the device
 *
 * The arena keeps it, mapped, for the next one: see udrv_dma_shrink(). Any thread, also handlers.
 */
UDRV_API void udrv_dma_free_coherent(struct udrv_device *dev, size_t size, void *cpu_addr,
				     udrv_iova_t dma_handle);

/**
 * udrv_dmam_alloc_coherent() - udrv_dma_alloc_coherent(), freed with the driver
 * @dev: the device
 * @size: as there
 * @dma_handle: as there
 * @gfp: UDRV_GFP_KERNEL; with UDRV_GFP_ATOMIC it fails, as the process may have to get memory first
 *
 * <udrv/devres.h> says when it is freed. Any thread that may block. Return: the memory, or NULL.
 * Source: Linux dmam_alloc_coherent().
 */
UDRV_API void *udrv_dmam_alloc_coherent(struct udrv_device *dev, size_t size,
					udrv_iova_t *dma_handle, udrv_gfp_t gfp);

/**
 * udrv_dmam_free_coherent() - free memory of udrv_dmam_alloc_coherent() early
 * @dev: the device
 * @size: as allocated
 * @vaddr: the memory, or NULL
 * @dma_handle: its address for the device
 *
 * What is not such memory of @dev is left alone, with a log line. Any thread that may block.
 */
UDRV_API void udrv_dmam_free_coherent(struct udrv_device *dev, size_t size, void *vaddr,
				      udrv_iova_t dma_handle);

/**
 * udrv_dma_shrink() - give unused DMA memory back to the system
 * @dev: whose domain's
 *
 * Regions of which nothing is allocated are unmapped from the IOMMU and freed, those for bounce
 * buffers too. Any thread that may block. Return: bytes.
 */
UDRV_API size_t udrv_dma_shrink(struct udrv_device *dev);

/**
 * udrv_dma_share() - let another device reach a device's DMA memory
 * @owner: whose memory: of udrv_dma_alloc_coherent(), DMA caches and pools, network buffers
 * @sharer: the other one
 *
 * All that its IOMMU group's arena has now and later, for reading and writing, under the same IOVA,
 * until the last device of either group is closed. So a frame that came by one network card leaves
 * by another without a copy. Devices of one group share in any case. Close @sharer, or stop it,
 * before what it uses is freed.
 *
 * Where no IOMMU translates (the kernel stub), what is in huge pages can be shared, and is pinned
 * for both devices. Other memory of @owner's is not reached, as before: such frames are copied.
 *
 * Any thread that may block.
 * Return: 0, also if it was so already; -EOPNOTSUPP if @owner's memory cannot have one address for
 * both, or all of it is outside huge pages; -ERANGE if @sharer's IOMMU does not translate the
 * addresses; -E2BIG if @sharer's mask is below them; -ENOMEM, ... and a log line: then nothing is
 * shared.
 */
UDRV_API int udrv_dma_share(struct udrv_device *owner, struct udrv_device *sharer);

/**
 * udrv_dma_register() - let the device reach memory of the application for longer
 * @dev: the device
 * @ptr: start of whole pages: of malloc() if it is aligned so, of mmap(), huge, of a memfd, shared
 *	with other processes, ...; it stays mapped in the process until it is unregistered
 * @len: bytes, a multiple of the page size
 * @dir: what udrv_dma_map_single() may be asked for inside
 *
 * One system call, which pins the memory; from then on udrv_dma_map_single() of buffers inside is a
 * look-up. Registered memory may overlap: the same pages then have several addresses. Several
 * devices may register the same memory. Any thread that may block.
 *
 * Where no IOMMU translates, memory has one address, and must be contiguous: a page, or huge pages.
 * Devices may register it in the same way only, not overlapping.
 *
 * Return: 0; -EINVAL if it is not whole pages; -EEXIST if @dev has registered just this, or it is
 * memory of an arena; -E2BIG if it is not contiguous; -EADDRINUSE if its address is that of another
 * mapping; -EOPNOTSUPP if the backend has no DMA; -ENOSPC, -ENOMEM, -EFAULT, ... and a log line.
 */
UDRV_API int udrv_dma_register(struct udrv_device *dev, void *ptr, size_t len,
			       enum udrv_dma_data_direction dir);

/**
 * udrv_dma_unregister() - undo udrv_dma_register() with the same @ptr and @len
 *
 * Afterwards the IOMMU refuses the device. What is left when the device is closed is unregistered
 * then. Return: 0; -ENOENT if it is not registered so; -EBUSY while a buffer in it is mapped by
 * udrv_dma_map_single(); another error if the IOMMU does not let go: then keep the memory.
 */
UDRV_API int udrv_dma_unregister(struct udrv_device *dev, void *ptr, size_t len);

/**
 * udrv_dma_map_single() - let the device reach memory of the process
 * @dev: the device
 * @ptr: any memory
 * @size: bytes, at least 1
 * @dir: who writes
 *
 * Of DMA memory (udrv_dma_alloc_coherent(), udrv_kmalloc(), caches with UDRV_SLAB_CACHE_DMA) and
 * registered memory the address is looked up, in constant time: no lock, no system call. Any other
 * memory is mapped for this one buffer, as is what @dev reaches at an address above its mask: a
 * system call that costs more than small copies, and that opens all of the pages which the buffer
 * touches.
 *
 * Where the backend chooses the addresses (the kernel stub), that is so of udrv_kmalloc()'s memory
 * too, and other memory bounces: @dev reaches a copy, which is made now, and brought up to date by
 * udrv_dma_sync_single_for_device() and _for_cpu() and by unmapping. So those calls are needed, as
 * Linux documents them. More than 64 KiB are rather pinned, where they are contiguous to the
 * device.
 *
 * Any thread that may block; of DMA and registered memory also handlers.
 * Return: the device's address of @ptr, or UDRV_DMA_MAPPING_ERROR (udrv_log() says why).
 */
UDRV_API udrv_iova_t udrv_dma_map_single(struct udrv_device *dev, void *ptr, size_t size,
					 enum udrv_dma_data_direction dir);

/** udrv_dma_unmap_single() - undo udrv_dma_map_single() with the address it returned. */
UDRV_API void udrv_dma_unmap_single(struct udrv_device *dev, udrv_iova_t addr, size_t size,
				    enum udrv_dma_data_direction dir);

/**
 * udrv_dma_map_page() - udrv_dma_map_single() for memory that is known by its page
 * @dev: the device
 * @page: of udrv_virt_to_page()
 * @offset: from the page's start on, bytes; any
 * @size: bytes, at least 1; any, where the memory goes on
 * @dir: who writes
 *
 * Return: the device's address, or UDRV_DMA_MAPPING_ERROR.
 */
static inline udrv_iova_t udrv_dma_map_page(struct udrv_device *dev, struct udrv_page *page,
					    size_t offset, size_t size,
					    enum udrv_dma_data_direction dir)
{
	return udrv_dma_map_single(dev, (char *)udrv_page_address(page) + offset, size, dir);
}

/** udrv_dma_unmap_page() - undo udrv_dma_map_page() with the address it returned. */
static inline void udrv_dma_unmap_page(struct udrv_device *dev, udrv_iova_t addr, size_t size,
				       enum udrv_dma_data_direction dir)
{
	udrv_dma_unmap_single(dev, addr, size, dir);
}

/**
 * struct udrv_dma_window - memory that was looked up last: one for each thread and device; begins
 * as zeroes
 */
struct udrv_dma_window {
	uintptr_t va;
	size_t len;
	udrv_iova_t iova;
	uint64_t epoch;
};

/* Private: changes when memory that a window may show goes. */
UDRV_API extern uint64_t udrv__dma_epoch;
UDRV_API udrv_iova_t udrv__dma_look_up(const struct udrv_device *dev, const volatile void *ptr,
				       size_t size, struct udrv_dma_window *window);

/**
 * udrv_dma_look_up() - the address of DMA memory for a device, in a few instructions
 * @dev: the device
 * @ptr: any memory that the caller owns
 * @size: bytes, at least 1
 * @window: where it was found last time
 *
 * For hot paths: what udrv_dma_map_single() would return for memory of udrv_dma_alloc_coherent(),
 * udrv_kmalloc() and DMA caches; nothing is to be unmapped. Other memory, registered memory too, is
 * not found: then udrv_dma_map_single() maps it, and it must be unmapped. Neither lock nor system
 * call. One thread at a time per window. Return: the address, or UDRV_DMA_MAPPING_ERROR.
 */
static inline udrv_iova_t udrv_dma_look_up(const struct udrv_device *dev, const volatile void *ptr,
					   size_t size, struct udrv_dma_window *window)
{
	size_t offset = (uintptr_t)ptr - window->va;

	if (__builtin_expect(offset < window->len && size - 1 < window->len - offset &&
				     window->epoch ==
					     __atomic_load_n(&udrv__dma_epoch, __ATOMIC_ACQUIRE),
			     1))
		return window->iova + offset;
	return udrv__dma_look_up(dev, ptr, size, window);
}

/**
 * udrv_virt_to_bus() - the IOVA of DMA memory
 * @address: in DMA memory or registered memory
 *
 * The kernel's virt_to_bus() and virt_to_phys() give physical addresses, which a process neither
 * knows nor needs: behind an IOMMU devices use IOVAs. The address is the same for all devices that
 * reach the memory; udrv_dma_map_single() tells whether one does. Any thread, while a device is
 * open. Return: the IOVA, or UDRV_DMA_MAPPING_ERROR for other memory, where registered memory
 * overlaps, and for udrv_kmalloc()'s memory while all devices that are open are of backends which
 * choose the addresses.
 */
UDRV_API udrv_iova_t udrv_virt_to_bus(const volatile void *address);

/**
 * udrv_bus_to_virt() - where the process sees an IOVA
 * @address: the IOVA; of a buffer that is mapped and bounces, too: the buffer's byte is meant
 *
 * Return: NULL if nowhere.
 */
UDRV_API void *udrv_bus_to_virt(udrv_iova_t address);

/** udrv_virt_to_phys() - udrv_virt_to_bus(): there is no other address that means anything here. */
static inline udrv_iova_t udrv_virt_to_phys(const volatile void *address)
{
	return udrv_virt_to_bus(address);
}

/** udrv_phys_to_virt() - udrv_bus_to_virt(). */
static inline void *udrv_phys_to_virt(udrv_iova_t address)
{
	return udrv_bus_to_virt(address);
}

/** udrv_page_to_phys() - udrv_virt_to_phys() of a page's start. */
static inline udrv_iova_t udrv_page_to_phys(const struct udrv_page *page)
{
	return udrv_virt_to_phys(page);
}

/** udrv_phys_to_page() - the page that udrv_phys_to_virt() is in. Return: NULL if nowhere. */
static inline struct udrv_page *udrv_phys_to_page(udrv_iova_t address)
{
	return udrv_virt_to_page(udrv_phys_to_virt(address));
}

/* Private: whether any device's buffers may bounce, and what there is to copy then. */
UDRV_API extern bool udrv__dma_copies;
UDRV_API void udrv__dma_sync_for_cpu(struct udrv_device *dev, udrv_iova_t addr, size_t size,
				     enum udrv_dma_data_direction dir);
UDRV_API void udrv__dma_sync_for_device(struct udrv_device *dev, udrv_iova_t addr, size_t size,
					enum udrv_dma_data_direction dir);

static inline bool udrv__dma_may_copy(void)
{
	return __builtin_expect(__atomic_load_n(&udrv__dma_copies, __ATOMIC_RELAXED), 0);
}

/**
 * udrv_dma_sync_single_for_cpu() - see what the device wrote, before the CPU reads it
 * @dev: the device
 * @addr: of udrv_dma_map_single(), or inside such a buffer
 * @size: bytes
 * @dir: as mapped
 *
 * DMA is coherent with the caches (VFIO refuses devices for which it cannot be), so what is left to
 * do is order: udrv_dma_rmb(); and, of a buffer that bounces, to copy what the device may have
 * written. Any thread. Source: Linux dma_sync_single_for_cpu().
 */
static inline void udrv_dma_sync_single_for_cpu(struct udrv_device *dev, udrv_iova_t addr,
						size_t size, enum udrv_dma_data_direction dir)
{
	udrv_dma_rmb();
	if (udrv__dma_may_copy())
		udrv__dma_sync_for_cpu(dev, addr, size, dir);
}

/**
 * udrv_dma_sync_single_for_device() - let the device see what was written
 * @dev: the device
 * @addr: of udrv_dma_map_single(), or inside such a buffer
 * @size: bytes
 * @dir: as mapped
 *
 * udrv_dma_wmb(); and of a buffer that bounces, what the device may read is copied before. Any
 * thread. Source: Linux dma_sync_single_for_device().
 */
static inline void udrv_dma_sync_single_for_device(struct udrv_device *dev, udrv_iova_t addr,
						   size_t size, enum udrv_dma_data_direction dir)
{
	if (udrv__dma_may_copy())
		udrv__dma_sync_for_device(dev, addr, size, dir);
	udrv_dma_wmb();
}

/** udrv_dma_sync_single_range_for_cpu() - udrv_dma_sync_single_for_cpu() of a part. */
static inline void udrv_dma_sync_single_range_for_cpu(struct udrv_device *dev, udrv_iova_t addr,
						      unsigned long offset, size_t size,
						      enum udrv_dma_data_direction dir)
{
	udrv_dma_sync_single_for_cpu(dev, addr + offset, size, dir);
}

/** udrv_dma_sync_single_range_for_device() - udrv_dma_sync_single_for_device() of a part. */
static inline void udrv_dma_sync_single_range_for_device(struct udrv_device *dev, udrv_iova_t addr,
							 unsigned long offset, size_t size,
							 enum udrv_dma_data_direction dir)
{
	udrv_dma_sync_single_for_device(dev, addr + offset, size, dir);
}

/** udrv_dma_mapping_error() - did the mapping fail? Return: 0, or -ENOMEM if it did. */
static inline int udrv_dma_mapping_error(struct udrv_device *dev, udrv_iova_t addr)
{
	(void)dev;
	return addr == UDRV_DMA_MAPPING_ERROR ? -ENOMEM : 0;
}

UDRV_END_DECLS

#endif
