/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * udrv_stub's control node, /dev/udrv_stub-<domain:bus:dev.fn>.
 *
 * The module claims a PCI device for user space: it enables the device, requests its regions,
 * takes its interrupts and signals eventfds from the hard handler, and gives DMA memory. Beside
 * the control node there is a UIO device with the BARs as maps and port regions.
 *
 * A node may be open several times. What a file asked for is its own: interrupts, which one file
 * has at a time, claims of ranges, DMA memory. When it is closed, by whatever way its process ends,
 * its interrupts are off and its claims are gone. When the last file of the device is closed, of
 * the control node or of UIO, bus mastering goes off and the device is reset; only then is DMA
 * memory freed. Where the device cannot be reset, DMA memory is kept for later users of the same
 * device until the device is unbound, because nothing tells what the device still has in mind.
 *
 * Where no IOMMU translates for the device, who may program it can reach all memory; without
 * interrupt remapping, raise any interrupt; in an IOMMU group with other devices, reach what their
 * drivers let them reach: open() of either node then needs CAP_SYS_RAWIO.
 *
 * When the device goes (unplugged, unbound), all calls fail with ENODEV, UDRV_STUB_EVENT_REQUEST
 * is signalled, mapped registers fault (SIGBUS), and mapped DMA memory becomes a private copy of
 * what was in it. Nothing waits for the files to be closed.
 *
 * Every struct starts with @abi, which must be UDRV_STUB_ABI; reserved fields must be zero, as
 * must fields marked "out" where nothing else is said. Numbers are in bytes unless named
 * otherwise. On failure a struct is not written, except by UDRV_STUB_CLAIM as described there.
 *
 * ioctl() errors of every call: ENODEV the device is gone, EFAULT, EINVAL a wrong abi, a field
 * that is not zero or out of range, ENOTTY no such call, EINTR.
 */
#ifndef UDRV_STUB_H
#define UDRV_STUB_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define UDRV_STUB_ABI		1
#define UDRV_STUB_NAME_MAX	32	/* with the terminating zero */
#define UDRV_STUB_BARS		6
#define UDRV_STUB_VECTORS_MAX	2048	/* PCI 3.0, 6.8.2.3 */

/*
 * Regions, for pread(), pwrite() and mmap(): offset = region << UDRV_STUB_REGION_SHIFT | offset in
 * the region.
 *
 * pread() and pwrite() move 1, 2, 4 or 8 bytes at an offset that is a multiple of the size, as one
 * access, little-endian (PCI 3.0, 3.8.1); 8 only where memory is accessed. They work on BARs,
 * memory and ports alike, and on configuration space. EINVAL beyond the end or across it, EPERM
 * where the module does not let write: the MSI-X table, and what is said of configuration space.
 *
 * Configuration space can be read everywhere. Written can be: of COMMAND, MASTER, PARITY and SERR
 * (the other bits keep their values: the device was enabled by the module, which also owns
 * INTX_DISABLE), STATUS, CACHE_LINE_SIZE and LATENCY_TIMER; and capabilities and device-specific
 * registers from 0x40 on, by a file whose opener had CAP_SYS_RAWIO, except for the MSI and MSI-X
 * capabilities. EPERM for others.
 *
 * mmap() must be MAP_SHARED. Memory BARs can be mapped as far as udrv_stub_bar says, uncached;
 * prefetchable ones write-combined under the second number. A BAR has one of both at a time (EBUSY
 * while mapped the other way). Vectors are read-only. DMA memory is mapped at udrv_stub_dma_alloc's
 * map_offset, by the file that allocated it, from its start on.
 */
#define UDRV_STUB_REGION_SHIFT		40
#define UDRV_STUB_REGION_BAR(n)		((__u64)(n))		/* 0 to 5 */
#define UDRV_STUB_REGION_CONFIG		((__u64)7)
#define UDRV_STUB_REGION_VECTORS	((__u64)8)		/* struct udrv_stub_vector[] */
#define UDRV_STUB_REGION_BAR_WC(n)	((__u64)16 + (n))	/* mmap() only */
#define UDRV_STUB_REGION_DMA		((__u64)256)		/* and above: DMA memory */
#define UDRV_STUB_DMA_MAX		65536			/* of a file */
#define UDRV_STUB_OFFSET(region)	((__u64)(region) << UDRV_STUB_REGION_SHIFT)

/* Types of interrupts. */
#define UDRV_STUB_INTX		0
#define UDRV_STUB_MSI		1
#define UDRV_STUB_MSIX		2
#define UDRV_STUB_IRQ_TYPES	3

/* udrv_stub_bar.flags */
#define UDRV_STUB_BAR_IO	(1u << 0)	/* ports: pread() and pwrite() only */
#define UDRV_STUB_BAR_MEM	(1u << 1)
#define UDRV_STUB_BAR_PREFETCH	(1u << 2)
#define UDRV_STUB_BAR_MMAP	(1u << 3)	/* can be mapped, but for the hole */

/**
 * struct udrv_stub_bar - one BAR
 * @len: 0: there is none
 * @hole_offset: page-aligned part that cannot be mapped (it holds the MSI-X table)
 * @hole_len: 0: all can be mapped, with UDRV_STUB_BAR_MMAP
 * @flags: UDRV_STUB_BAR_*
 * @reserved: zero
 */
struct udrv_stub_bar {
	__u64 len;
	__u64 hole_offset;
	__u64 hole_len;
	__u32 flags;
	__u32 reserved;
};

/* udrv_stub_info.flags */
#define UDRV_STUB_TRANSLATED	(1u << 0)	/* an IOMMU translates the device's addresses */
#define UDRV_STUB_CAN_RESET	(1u << 1)
#define UDRV_STUB_REPORTS_ERRORS (1u << 2)	/* UDRV_STUB_EVENT_ERROR can come (AER) */
#define UDRV_STUB_CONFINED	(1u << 3)	/* open() does not need CAP_SYS_RAWIO */

/**
 * struct udrv_stub_info - what the device has
 * @abi: in: UDRV_STUB_ABI
 * @flags: out: UDRV_STUB_TRANSLATED, ...
 * @irq_counts: out: vectors of each type, UDRV_STUB_INTX, ...
 * @config_len: out: of configuration space
 * @vectors_len: out: of UDRV_STUB_REGION_VECTORS, a multiple of the page size
 * @bars: out: BARs 0 to 5
 * @uio: out: number of the UIO device, /dev/uio<N>
 * @users: out: files that are open now, of both nodes, this one included
 * @counter_khz: out: frequency of the counter in udrv_stub_vector, 0 if the kernel does not say
 * @reserved: in: zero
 */
struct udrv_stub_info {
	__u32 abi;
	__u32 flags;
	__u32 irq_counts[UDRV_STUB_IRQ_TYPES];
	__u32 config_len;
	__u64 vectors_len;
	struct udrv_stub_bar bars[UDRV_STUB_BARS];
	__u32 uio;
	__u32 users;
	__u64 counter_khz;
	__u64 reserved[4];
};

/**
 * struct udrv_stub_vector - what the hard handler leaves for user space
 * @count: interrupts of this vector since the vectors were switched on; written after @stamp
 * @stamp: the CPU's counter when the hard handler of the latest one began: a read barrier and the
 *         counter, "lfence; rdtsc" on x86; 0 before the first
 * @reserved: zero
 *
 * One cache line each. A vector's eventfd is signalled once for each increment of @count, after it.
 * A reader that sees @count change, and loads @stamp after it (acquire), sees the stamp of that
 * interrupt or of a later one.
 */
struct udrv_stub_vector {
	__u64 count;
	__u64 stamp;
	__u64 reserved[6];
};

/**
 * struct udrv_stub_irqs - switch a type of interrupts on or off (UDRV_STUB_SET_IRQS)
 * @abi: in: UDRV_STUB_ABI
 * @type: in: UDRV_STUB_INTX, ...
 * @count: in: vectors, from 0 on; 0: off
 * @reserved: in: zero
 * @fds: in: address of @count __s32, an eventfd for each vector, or -1 for none; zero if @count is
 *
 * On: 0, or how many vectors are to be had if that is fewer (then none is on). Vectors that are on
 * already are switched off first. Before the first interrupt @count of each udrv_stub_vector is 0.
 * An INTx interrupt is masked, at the device by INTX_DISABLE, before its eventfd is signalled;
 * UDRV_STUB_MASK unmasks it. EBUSY: another file has the interrupts. ENOSPC: the device has no
 * interrupts of this type. EBADF, EINVAL: not an eventfd.
 */
struct udrv_stub_irqs {
	__u32 abi;
	__u32 type;
	__u32 count;
	__u32 reserved;
	__u64 fds;
};

/**
 * struct udrv_stub_mask - mask or unmask a vector (UDRV_STUB_MASK)
 * @abi: in: UDRV_STUB_ABI
 * @vector: in: of those that are on
 * @mask: in: 1: no interrupts until unmasked; 0: unmask
 * @reserved: in: zero
 *
 * Of interrupts that come while a vector is masked, one is delivered when it is unmasked. INTx that
 * the device still asserts when it is unmasked is signalled again and stays masked. EINVAL: no such
 * vector is on, or another file has it.
 */
struct udrv_stub_mask {
	__u32 abi;
	__u32 vector;
	__u32 mask;
	__u32 reserved;
};

#define UDRV_STUB_EVENT_REQUEST	0	/* the device is gone: close the files */
#define UDRV_STUB_EVENT_ERROR	1	/* it reported an uncorrectable error (AER) */
#define UDRV_STUB_EVENTS	2

/**
 * struct udrv_stub_event - have an eventfd signalled (UDRV_STUB_SET_EVENT), one a file and event
 * @abi: in: UDRV_STUB_ABI
 * @event: in: UDRV_STUB_EVENT_*
 * @fd: in: an eventfd, or -1: no more
 * @reserved: in: zero
 */
struct udrv_stub_event {
	__u32 abi;
	__u32 event;
	__s32 fd;
	__u32 reserved;
};

/**
 * struct udrv_stub_dma_alloc - memory that the device can reach (UDRV_STUB_DMA_ALLOC)
 * @abi: in: UDRV_STUB_ABI
 * @reserved: in: zero
 * @size: in: a multiple of the page size
 * @mask: in: the last address the device can reach, a power of two less one
 * @bus: out: the device's address of it, contiguous and aligned to a page at least
 * @map_offset: out: for mmap(); names the memory in UDRV_STUB_DMA_FREE
 *
 * Zeroed, and coherent between the device and the CPU. Counts as locked memory (RLIMIT_MEMLOCK;
 * not with CAP_IPC_LOCK). ENOMEM: no memory below @mask, or the limit is reached. EIO: the platform
 * has no addresses below @mask.
 */
struct udrv_stub_dma_alloc {
	__u32 abi;
	__u32 reserved;
	__u64 size;
	__u64 mask;
	__u64 bus;
	__u64 map_offset;
};

#define UDRV_STUB_TO_DEVICE	(1u << 0)	/* the device reads */
#define UDRV_STUB_FROM_DEVICE	(1u << 1)	/* the device writes */

/**
 * struct udrv_stub_dma_map - let the device reach memory of the process (UDRV_STUB_DMA_MAP)
 * @abi: in: UDRV_STUB_ABI
 * @direction: in: UDRV_STUB_TO_DEVICE, UDRV_STUB_FROM_DEVICE, or both
 * @addr: in: a multiple of the page size
 * @size: in: a multiple of the page size
 * @mask: in: as for UDRV_STUB_DMA_ALLOC
 * @bus: out: the device's address of it, contiguous
 * @handle: out: for UDRV_STUB_DMA_FREE
 *
 * The pages are pinned, and count as locked memory. E2BIG: they would not be contiguous to the
 * device; without an IOMMU, that is any memory but single pages and huge ones, and memory beyond
 * @mask. EOPNOTSUPP: there is no IOMMU and the device cannot be reset, so that nothing could take
 * the pages from it.
 */
struct udrv_stub_dma_map {
	__u32 abi;
	__u32 direction;
	__u64 addr;
	__u64 size;
	__u64 mask;
	__u64 bus;
	__u64 handle;
};

/**
 * struct udrv_stub_dma_free - end an allocation or a mapping (UDRV_STUB_DMA_FREE)
 * @abi: in: UDRV_STUB_ABI
 * @reserved: in: zero
 * @handle: in: of a mapping, or map_offset of an allocation
 *
 * The device must not use it any more; memory that the device might still know, see above, is kept
 * for its later users all the same. EBUSY: it is still mapped by mmap(). ENOENT: this file has none
 * of that name.
 */
struct udrv_stub_dma_free {
	__u32 abi;
	__u32 reserved;
	__u64 handle;
};

/**
 * struct udrv_stub_claim - have a range of a BAR to oneself (UDRV_STUB_CLAIM, UDRV_STUB_RELEASE)
 * @abi: in: UDRV_STUB_ABI
 * @bar: in: 0 to 5
 * @offset: in: inside the BAR
 * @len: in: at least 1, inside the BAR
 * @name: in: printable, terminated: who claims it; zero for UDRV_STUB_RELEASE
 * @holder: in: zero; out: with EBUSY, the name of who has (a part of) it
 * @holder_pid: in: zero; out: with EBUSY, the process that claimed it, as the caller sees it
 * @reserved: in: zero
 *
 * Claims are among the users of this device that ask; they do not keep anybody from mapping the
 * range. EBUSY: a claim of any file, also this one, overlaps. ENOENT: this file has no such claim.
 * ENOSPC: this file has UDRV_STUB_CLAIMS_MAX. All claims can be read in sysfs,
 * class/udrv_stub/udrv_stub-<domain:bus:dev.fn>/claims: a line "BAR OFFSET LEN PID NAME" each,
 * OFFSET and LEN in hexadecimal with 0x.
 */
struct udrv_stub_claim {
	__u32 abi;
	__u32 bar;
	__u64 offset;
	__u64 len;
	char name[UDRV_STUB_NAME_MAX];
	char holder[UDRV_STUB_NAME_MAX];
	__s32 holder_pid;
	__u32 reserved;
};

#define UDRV_STUB_CLAIMS_MAX	256

/*
 * UDRV_STUB_RESET resets the function; its registers are then as after power-on, configuration
 * space as when the device was claimed, bus mastering off. Interrupts that are on stay on. Access
 * to registers and to configuration space waits until it is done.
 * ENOTTY: the device cannot be reset. EBUSY: it has other users.
 */
#define UDRV_STUB_INFO		_IOWR('u', 0xc0, struct udrv_stub_info)
#define UDRV_STUB_SET_IRQS	_IOW('u', 0xc1, struct udrv_stub_irqs)
#define UDRV_STUB_MASK		_IOW('u', 0xc2, struct udrv_stub_mask)
#define UDRV_STUB_SET_EVENT	_IOW('u', 0xc3, struct udrv_stub_event)
#define UDRV_STUB_DMA_ALLOC	_IOWR('u', 0xc4, struct udrv_stub_dma_alloc)
#define UDRV_STUB_DMA_MAP	_IOWR('u', 0xc5, struct udrv_stub_dma_map)
#define UDRV_STUB_DMA_FREE	_IOW('u', 0xc6, struct udrv_stub_dma_free)
#define UDRV_STUB_CLAIM		_IOWR('u', 0xc7, struct udrv_stub_claim)
#define UDRV_STUB_RELEASE	_IOW('u', 0xc8, struct udrv_stub_claim)
#define UDRV_STUB_RESET		_IO('u', 0xc9)

#endif
