/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Memory barriers for code that shares memory and registers with a device.
 *
 * Three families, from the most to the least specific:
 *
 * - named by use (udrv_dma_publish() ...): take these. Each names the transactions on the bus
 *   that it keeps in order.
 * - the kernel's names (udrv_mb() ... udrv_smp_wmb()), with the kernel's meaning
 *   (Linux Documentation/memory-barriers.txt).
 * - udrv_barrier(), for the compiler only.
 *
 * Any thread, any context including a signal handler. Nothing here fails or takes a lock.
 * DMA memory is taken to be coherent with the CPU's caches, as on every machine whose IOMMU
 * VFIO offers to user space.
 *
 * What each compiles to:
 *
 *   name                  x86-64            aarch64      riscv64
 *   udrv_mb               mfence            dsb sy       fence iorw,iorw
 *   udrv_rmb              lfence            dsb ld       fence ir,ir
 *   udrv_wmb              sfence            dsb st       fence ow,ow
 *   udrv_dma_mb           mfence            dmb osh      fence rw,rw
 *   udrv_dma_rmb          (compiler)        dmb oshld    fence r,r
 *   udrv_dma_wmb          (compiler)        dmb oshst    fence w,w
 *   udrv_smp_mb           locked or         dmb ish      fence rw,rw
 *   udrv_smp_rmb          (compiler)        dmb ishld    fence r,r
 *   udrv_smp_wmb          (compiler)        dmb ishst    fence w,w
 *   udrv_dma_publish      (compiler)        dmb oshst    fence w,ow
 *   udrv_dma_consume      (compiler)        dmb oshld    fence ir,ir
 *   udrv_mmio_wc_start    sfence            dmb oshst    fence w,o
 *   udrv_mmio_flush_wc    sfence            dsb st       fence ow,ow
 *   udrv_mmiowb           (compiler)        (compiler)   fence o,w
 */
#ifndef UDRV_BARRIER_H
#define UDRV_BARRIER_H

#include <udrv/compiler.h>

UDRV_BEGIN_DECLS

/* The text of an asm cannot be put in parentheses. NOLINTNEXTLINE(bugprone-macro-parentheses) */
#define UDRV__ASM(text) __asm__ __volatile__(text : : : "memory")

#if defined(__x86_64__)
#define UDRV__MB()	UDRV__ASM("mfence")
#define UDRV__RMB()	UDRV__ASM("lfence")
#define UDRV__WMB()	UDRV__ASM("sfence")
#define UDRV__DMA_MB()	UDRV__ASM("mfence")
#define UDRV__DMA_RMB() UDRV__ASM("")
#define UDRV__DMA_WMB() UDRV__ASM("")
/* Cheaper than mfence; or-ing zero leaves the stack's word as it is. */
#define UDRV__SMP_MB()	 __asm__ __volatile__("lock orl $0, (%%rsp)" : : : "memory", "cc")
#define UDRV__SMP_RMB()	 UDRV__ASM("")
#define UDRV__SMP_WMB()	 UDRV__ASM("")
#define UDRV__PUBLISH()	 UDRV__ASM("")
#define UDRV__CONSUME()	 UDRV__ASM("")
#define UDRV__WC_START() UDRV__ASM("sfence")
#define UDRV__WC_FLUSH() UDRV__ASM("sfence")
#define UDRV__MMIOWB()	 UDRV__ASM("")
#define UDRV__RELAX()	 UDRV__ASM("pause")
#elif defined(__aarch64__)
#define UDRV__MB()	 UDRV__ASM("dsb sy")
#define UDRV__RMB()	 UDRV__ASM("dsb ld")
#define UDRV__WMB()	 UDRV__ASM("dsb st")
#define UDRV__DMA_MB()	 UDRV__ASM("dmb osh")
#define UDRV__DMA_RMB()	 UDRV__ASM("dmb oshld")
#define UDRV__DMA_WMB()	 UDRV__ASM("dmb oshst")
#define UDRV__SMP_MB()	 UDRV__ASM("dmb ish")
#define UDRV__SMP_RMB()	 UDRV__ASM("dmb ishld")
#define UDRV__SMP_WMB()	 UDRV__ASM("dmb ishst")
#define UDRV__PUBLISH()	 UDRV__ASM("dmb oshst")
#define UDRV__CONSUME()	 UDRV__ASM("dmb oshld")
#define UDRV__WC_START() UDRV__ASM("dmb oshst")
#define UDRV__WC_FLUSH() UDRV__ASM("dsb st")
#define UDRV__MMIOWB()	 UDRV__ASM("")
#define UDRV__RELAX()	 UDRV__ASM("yield")
#elif defined(__riscv) && __riscv_xlen == 64
#define UDRV__MB()	 UDRV__ASM("fence iorw, iorw")
#define UDRV__RMB()	 UDRV__ASM("fence ir, ir")
#define UDRV__WMB()	 UDRV__ASM("fence ow, ow")
#define UDRV__DMA_MB()	 UDRV__ASM("fence rw, rw")
#define UDRV__DMA_RMB()	 UDRV__ASM("fence r, r")
#define UDRV__DMA_WMB()	 UDRV__ASM("fence w, w")
#define UDRV__SMP_MB()	 UDRV__ASM("fence rw, rw")
#define UDRV__SMP_RMB()	 UDRV__ASM("fence r, r")
#define UDRV__SMP_WMB()	 UDRV__ASM("fence w, w")
#define UDRV__PUBLISH()	 UDRV__ASM("fence w, ow")
#define UDRV__CONSUME()	 UDRV__ASM("fence ir, ir")
#define UDRV__WC_START() UDRV__ASM("fence w, o")
#define UDRV__WC_FLUSH() UDRV__ASM("fence ow, ow")
#define UDRV__MMIOWB()	 UDRV__ASM("fence o, w")
/* The Zihintpause hint by its encoding: a fence that older cores take as a no-op. */
#define UDRV__RELAX()	 UDRV__ASM(".4byte 0x0100000f")
#else
#error "udrv has no barriers for this machine: it knows x86-64, aarch64 and riscv64"
#endif

/** udrv_barrier() - the compiler moves no memory access across; the CPU still may. */
static inline void udrv_barrier(void)
{
	UDRV__ASM("");
}

/**
 * udrv_mb() - every load and store before, to memory or registers, precedes every one after
 *
 * Also orders a store before a later load, which none of the lighter barriers does.
 * Source: mb().
 */
static inline void udrv_mb(void)
{
	UDRV__MB();
}

/** udrv_rmb() - loads from memory or registers before it precede those after it. Source: rmb(). */
static inline void udrv_rmb(void)
{
	UDRV__RMB();
}

/** udrv_wmb() - stores to memory or registers before it precede those after it. Source: wmb(). */
static inline void udrv_wmb(void)
{
	UDRV__WMB();
}

/** udrv_dma_mb() - orders all accesses to DMA memory as a device sees them. Source: dma_mb(). */
static inline void udrv_dma_mb(void)
{
	UDRV__DMA_MB();
}

/**
 * udrv_dma_rmb() - loads from DMA memory before it precede those after it
 *
 * Between two reads of memory that the device writes. Says nothing about registers: see
 * udrv_dma_consume(). Source: dma_rmb().
 */
static inline void udrv_dma_rmb(void)
{
	UDRV__DMA_RMB();
}

/**
 * udrv_dma_wmb() - stores to DMA memory before it are seen by a device before those after it
 *
 * Between filling a descriptor and giving it to a device that polls memory. Says nothing about
 * registers: see udrv_dma_publish(). Source: dma_wmb().
 */
static inline void udrv_dma_wmb(void)
{
	UDRV__DMA_WMB();
}

/** udrv_smp_mb() - full barrier between threads, for plain memory. Source: smp_mb(). */
static inline void udrv_smp_mb(void)
{
	UDRV__SMP_MB();
}

/** udrv_smp_rmb() - orders loads between threads, for plain memory. Source: smp_rmb(). */
static inline void udrv_smp_rmb(void)
{
	UDRV__SMP_RMB();
}

/** udrv_smp_wmb() - orders stores between threads, for plain memory. Source: smp_wmb(). */
static inline void udrv_smp_wmb(void)
{
	UDRV__SMP_WMB();
}

/**
 * udrv_dma_publish() - what was stored to DMA memory is there before the doorbell rings
 *
 * Stands between the last store to a descriptor or buffer and the store to a doorbell by
 * udrv_raw_writel() or udrv_writel_relaxed(). On the bus: when the posted write of the doorbell
 * reaches the device, a read request that the device sends in answer finds the new memory.
 * udrv_writel() and udrv_iowrite32() contain it. The doorbell must not be mapped
 * write-combining: for that use udrv_mmio_wc_start().
 */
static inline void udrv_dma_publish(void)
{
	UDRV__PUBLISH();
}

/**
 * udrv_dma_consume() - after seeing the completion, see the data that came before it
 *
 * Stands between the load that found a completion (a flag in DMA memory, or a status register
 * read by a raw or relaxed form) and the first load of what the device wrote earlier. On the
 * bus: the device's posted writes arrive in order, data before flag; this keeps the CPU
 * from having loaded the data ahead of the flag. udrv_readl() and udrv_ioread32() contain it.
 */
static inline void udrv_dma_consume(void)
{
	UDRV__CONSUME();
}

/**
 * udrv_mmio_wc_start() - stores to DMA memory precede the write-combining stores that follow
 *
 * Write-combining stores may leave the CPU ahead of older stores to memory; a device that takes
 * a doorbell or descriptor through such a mapping would fetch stale memory.
 */
static inline void udrv_mmio_wc_start(void)
{
	UDRV__WC_START();
}

/**
 * udrv_mmio_flush_wc() - push write-combining stores out to the bus
 *
 * Stands after the last store to a write-combining mapping. On the bus: the combined writes
 * are sent before any store to memory or registers that follows, and do not linger in the CPU.
 */
static inline void udrv_mmio_flush_wc(void)
{
	UDRV__WC_FLUSH();
}

/**
 * udrv_mmiowb() - register writes under a lock reach the device before those of the next holder
 *
 * Call before giving up a lock (a pthread mutex, say) that serialises register writes of several
 * threads. The kernel's spin_unlock() contains it; a user-space lock does not.
 * Costs an instruction only on riscv64. Source: mmiowb().
 */
static inline void udrv_mmiowb(void)
{
	UDRV__MMIOWB();
}

/** udrv_cpu_relax() - tell the CPU that this is a busy-wait loop. Source: cpu_relax(). */
static inline void udrv_cpu_relax(void)
{
	UDRV__RELAX();
}

#undef UDRV__MB
#undef UDRV__RMB
#undef UDRV__WMB
#undef UDRV__DMA_MB
#undef UDRV__DMA_RMB
#undef UDRV__DMA_WMB
#undef UDRV__SMP_MB
#undef UDRV__SMP_RMB
#undef UDRV__SMP_WMB
#undef UDRV__PUBLISH
#undef UDRV__CONSUME
#undef UDRV__WC_START
#undef UDRV__WC_FLUSH
#undef UDRV__MMIOWB
#undef UDRV__RELAX
#undef UDRV__ASM

UDRV_END_DECLS

#endif
