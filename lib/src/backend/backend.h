/* SPDX-License-Identifier: MIT */
/*
 * The seam between the framework and what reaches the device: nothing above it knows whether the
 * device is behind VFIO or a model, nothing below it knows about drivers.
 */
#ifndef UDRV_BACKEND_H
#define UDRV_BACKEND_H

#include <udrv/device.h>
#include <udrv/irq.h>
#include <udrv/pci.h>
#include <udrv/pci_info.h>

struct udrv__iova_space;

/* The bits of udrv_pci_alloc_irq_vectors() in the order of a vector's priority. */
enum udrv__irq_type { UDRV__IRQ_INTX, UDRV__IRQ_MSI, UDRV__IRQ_MSIX, UDRV__IRQ_TYPES };

/* A piece of a BAR that is mapped. */
struct udrv__area {
	uint64_t offset;
	uint64_t len;
	void *map;
};

#define UDRV__AREAS_MAX 8

/* One BAR as the backend offers it. */
struct udrv__bar {
	uint64_t len;	/* 0: there is none */
	uint32_t flags; /* UDRV_RESOURCE_* */
	/* Mapped pieces, by offset; none: every access is trapped. */
	struct udrv__area areas[UDRV__AREAS_MAX];
	unsigned int area_count;
	/* Window over the whole BAR for trapped accesses, NULL until first used. */
	void __udrv_iomem *cookie;
	void *window; /* what the window hands to its accesses */
};

struct udrv__domain;

/* What a hard handler leaves for user space to read without a system call. */
struct udrv__irq_count {
	uint64_t count; /* interrupts since the vectors are on; written after stamp */
	uint64_t stamp; /* udrv_cycles() when the hard handler of the latest one began */
};

/* DMA memory, or pinned memory, to which the backend gave an address. */
struct udrv__dma_block {
	void *va;
	size_t len;
	udrv_iova_t iova;
	uint64_t handle; /* the backend's */
};

/* Who has a range of a BAR, in another process perhaps. */
struct udrv__holder {
	char name[32];
	int pid; /* 0: unknown */
};

/* IOVAs that the IOMMU translates, inclusive. */
struct udrv__iova_range {
	udrv_iova_t first, last;
};

struct udrv__backend_ops {
	const char *name;
	const char *driver; /* of the kernel, that devices are bound to; NULL: none */

	/* May this backend take a device of that name? info is NULL for a model's. */
	bool (*match)(const char *name, const struct udrv_pci_info *info);
	/*
	 * Acquire the device. Fills dev->bars (without mapping), dev->irq_counts, dev->backend.
	 * The device is quiescent afterwards: reset if it can be, bus mastering off.
	 */
	int (*open)(struct udrv_device *dev);
	/* Undo open. Interrupts are off, nothing is mapped any more. */
	void (*close)(struct udrv_device *dev);

	int (*config_read)(struct udrv_device *dev, unsigned int where, unsigned int size,
			   uint32_t *val);
	int (*config_write)(struct udrv_device *dev, unsigned int where, unsigned int size,
			    uint32_t val);

	/* Map what can be mapped of a BAR into bar->areas; unmap it. 0 areas is no error. */
	int (*bar_map)(struct udrv_device *dev, unsigned int index);
	void (*bar_unmap)(struct udrv_device *dev, unsigned int index);
	/* Trapped access; size is 1, 2, 4 or 8, inside the BAR. Any thread. */
	int (*bar_read)(struct udrv_device *dev, unsigned int index, uint64_t offset,
			unsigned int size, uint64_t *val);
	int (*bar_write)(struct udrv_device *dev, unsigned int index, uint64_t offset,
			 unsigned int size, uint64_t val);

	/*
	 * Signal fds[i] for vector i from now on. All vectors of a type at once. 0, negative errno,
	 * or how many vectors are to be had if that is less than count: then none is on.
	 */
	int (*irq_enable)(struct udrv_device *dev, enum udrv__irq_type type, const int *fds,
			  unsigned int count);
	int (*irq_disable)(struct udrv_device *dev, enum udrv__irq_type type);
	/* INTx was masked when it was signalled: let it fire again. */
	int (*irq_unmask_intx)(struct udrv_device *dev);
	/* Where vector nr's interrupts are counted; NULL, also as op: nowhere. Valid until disable.
	 */
	const struct udrv__irq_count *(*irq_count)(struct udrv_device *dev, unsigned int nr);
	/* Signal fd on an event; -EOPNOTSUPP if there is no such event. */
	int (*event_enable)(struct udrv_device *dev, enum udrv_device_event event, int fd);

	/* IOVA ranges in ascending order: count, or negative errno. At most max are written. */
	int (*iova_ranges)(struct udrv_device *dev, struct udrv__iova_range *ranges,
			   unsigned int max);
	/* The device's, zero before its first device; NULL op: no other device shares it. */
	struct udrv__domain *(*domain)(struct udrv_device *dev);
	/* va, len and iova are multiples of the page size. Failures are not logged ... */
	int (*dma_map)(struct udrv_device *dev, void *va, size_t len, udrv_iova_t iova,
		       bool device_reads, bool device_writes);
	/*
	 * ... but by this: why len bytes could not be mapped (errno), and what to do. NULL if there
	 * is no DMA.
	 */
	void (*dma_explain)(struct udrv_device *dev, size_t len, int err);
	int (*dma_unmap)(struct udrv_device *dev, udrv_iova_t iova, size_t len);

	/*
	 * Where the backend chooses the device's addresses, dma_alloc is not NULL, and dma_map,
	 * dma_unmap, iova_ranges and domain are not used. Memory that is zeroed and contiguous to
	 * the device, below mask, a power of two less one: all of the block is set; va as
	 * udrv__map_alike() (mem/backing.h) chooses it. len is a multiple of the page size.
	 * Failures are not logged (dma_explain). -EOPNOTSUPP: there is no DMA, and the other three
	 * may be NULL.
	 */
	int (*dma_alloc)(struct udrv_device *dev, size_t len, uint64_t mask,
			 struct udrv__dma_block *block);
	/* va is not mapped any more, also on failure. -ENODEV: the device is gone; as success. */
	int (*dma_free)(struct udrv_device *dev, const struct udrv__dma_block *block);
	/*
	 * Likewise of the process's memory block->va, block->len, which are set: iova and handle
	 * are set. It may be pinned several times. -E2BIG: it is not contiguous to the device.
	 */
	int (*dma_pin)(struct udrv_device *dev, uint64_t mask, bool device_reads,
		       bool device_writes, struct udrv__dma_block *block);
	int (*dma_unpin)(struct udrv_device *dev, const struct udrv__dma_block *block);
	/* Has memory one address for all such devices, as no IOMMU translates it? NULL: no. */
	bool (*dma_untranslated)(struct udrv_device *dev);

	/*
	 * Claim a range of a BAR among processes; NULL: there is nobody to ask. -EBUSY: holder is
	 * set.
	 */
	int (*claim)(struct udrv_device *dev, unsigned int bar, uint64_t offset, uint64_t len,
		     const char *name, struct udrv__holder *holder);
	void (*unclaim)(struct udrv_device *dev, unsigned int bar, uint64_t offset, uint64_t len);

	int (*reset)(struct udrv_device *dev);
};

extern const struct udrv__backend_ops udrv__vfio_backend;
extern const struct udrv__backend_ops udrv__stub_backend;
extern const struct udrv__backend_ops udrv__uio_backend;
extern const struct udrv__backend_ops udrv__model_backend;
extern const struct udrv__backend_ops udrv__model_stub_backend; /* only if it is named */

#endif
