/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Memory of whole pages that no device reaches: neither pinned nor limited by what may be.
 * Source: Linux include/linux/vmalloc.h, include/linux/slab.h (kvmalloc() and what goes with it).
 */
#ifndef UDRV_VMALLOC_H
#define UDRV_VMALLOC_H

#include <udrv/types.h>

UDRV_BEGIN_DECLS

/**
 * udrv_vmalloc() - allocate memory that no device reaches
 * @size: bytes; rounded up to pages
 *
 * Mapped from the system, with a page behind that cannot be accessed, so it is for what is large or
 * lives long. Aligned to pages. udrv_dma_map_single() of it is a system call. Any thread that may
 * block. The caller's, to udrv_vfree().
 * Return: the memory, or NULL, also for no bytes; udrv_log() says why.
 */
UDRV_API void *udrv_vmalloc(size_t size);

/** udrv_vzalloc() - udrv_vmalloc(), zeroed. */
UDRV_API void *udrv_vzalloc(size_t size);

/** udrv_vmalloc_array() - udrv_vmalloc() for @n elements of @size bytes; NULL if that overflows. */
static inline void *udrv_vmalloc_array(size_t n, size_t size)
{
	size_t bytes;

	return __builtin_mul_overflow(n, size, &bytes) ? NULL : udrv_vmalloc(bytes);
}

/** udrv_vcalloc() - udrv_vmalloc_array(), zeroed. */
static inline void *udrv_vcalloc(size_t n, size_t size)
{
	size_t bytes;

	return __builtin_mul_overflow(n, size, &bytes) ? NULL : udrv_vzalloc(bytes);
}

/**
 * udrv_vfree() - give memory of udrv_vmalloc() and its kind back
 * @addr: as returned; or NULL
 *
 * What is not such memory is left alone, with a log line. Any thread that may block.
 */
UDRV_API void udrv_vfree(const void *addr);

/** udrv_is_vmalloc_addr() - is @p in memory of udrv_vmalloc()? Any thread that may block. */
UDRV_API bool udrv_is_vmalloc_addr(const void *p);

/**
 * udrv_kvmalloc() - memory of any size, where it need not be for DMA
 * @size: bytes
 * @gfp: as for udrv_kmalloc(); UDRV_GFP_ATOMIC has no more than udrv_kmalloc()
 *
 * Up to 8 KiB udrv_kmalloc(), so that nothing has to be mapped; above it udrv_vmalloc(), so that
 * nothing is pinned. (The kernel tries kmalloc() for larger ones, too.) Return: as those.
 */
UDRV_API void *udrv_kvmalloc(size_t size, udrv_gfp_t gfp);

/** udrv_kvzalloc() - udrv_kvmalloc(), zeroed. */
static inline void *udrv_kvzalloc(size_t size, udrv_gfp_t gfp)
{
	return udrv_kvmalloc(size, gfp | UDRV_GFP_ZERO);
}

/** udrv_kvmalloc_array() - udrv_kvmalloc() for @n elements of @size bytes; NULL if it overflows. */
static inline void *udrv_kvmalloc_array(size_t n, size_t size, udrv_gfp_t gfp)
{
	size_t bytes;

	return __builtin_mul_overflow(n, size, &bytes) ? NULL : udrv_kvmalloc(bytes, gfp);
}

/** udrv_kvcalloc() - udrv_kvmalloc_array(), zeroed. */
static inline void *udrv_kvcalloc(size_t n, size_t size, udrv_gfp_t gfp)
{
	return udrv_kvmalloc_array(n, size, gfp | UDRV_GFP_ZERO);
}

/**
 * udrv_kvfree() - free what udrv_kmalloc(), udrv_vmalloc(), udrv_kvmalloc() or their kind returned
 * @addr: the memory; or NULL, or UDRV_ZERO_SIZE_PTR
 *
 * Any thread that may block.
 */
UDRV_API void udrv_kvfree(const void *addr);

UDRV_END_DECLS

#endif
