/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Scalars that several headers share.
 */
#ifndef UDRV_TYPES_H
#define UDRV_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <udrv/compiler.h>

/** udrv_iova_t - an address as the device sees it (Linux: dma_addr_t). */
typedef uint64_t udrv_iova_t;

/** udrv_gfp_t - what an allocation may do to succeed (Linux: gfp_t). */
typedef unsigned int udrv_gfp_t;

/** UDRV_GFP_KERNEL - may sleep and make system calls. */
#define UDRV_GFP_KERNEL 0x1u
/** UDRV_GFP_ATOMIC - never sleeps, never makes a system call. */
#define UDRV_GFP_ATOMIC 0x2u
/** UDRV_GFP_ZERO - the memory is zeroed (Linux: __GFP_ZERO). */
#define UDRV_GFP_ZERO 0x4u
/** UDRV_GFP_NOWARN - no log line if there is no memory (Linux: __GFP_NOWARN). */
#define UDRV_GFP_NOWARN 0x8u
/** UDRV_GFP_DMA - with another one, for udrv_kmalloc() and pages: at an IOVA below 16 MiB. */
#define UDRV_GFP_DMA 0x10u
/** UDRV_GFP_DMA32 - the same below 4 GiB. */
#define UDRV_GFP_DMA32 0x20u
/** UDRV_GFP_NOWAIT - here UDRV_GFP_ATOMIC. */
#define UDRV_GFP_NOWAIT UDRV_GFP_ATOMIC
/** UDRV_GFP_NOIO - here UDRV_GFP_KERNEL: no allocation does the driver's I/O. */
#define UDRV_GFP_NOIO UDRV_GFP_KERNEL
/** UDRV_GFP_NOFS - here UDRV_GFP_KERNEL. */
#define UDRV_GFP_NOFS UDRV_GFP_KERNEL

/** UDRV_HZ - jiffies per second: a jiffy is a millisecond. */
#define UDRV_HZ 1000

/** UDRV_DMA_BIT_MASK() - the addresses of @n bits, 1 to 64. Source: Linux DMA_BIT_MASK(). */
#define UDRV_DMA_BIT_MASK(n) (((n) == 64) ? ~0ULL : ((1ULL << (n)) - 1))

/** struct udrv_device - a device that this process drives (Linux: struct pci_dev); opaque. */
struct udrv_device;

#endif
