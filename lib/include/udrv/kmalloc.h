/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Memory by size, which every device of the process reaches. Source: Linux include/linux/slab.h,
 * Documentation/core-api/memory-allocation.rst.
 *
 * Sizes up to 8 KiB are objects of the caches kmalloc-8, -16, -32, -64, -96, -128, -192, -256,
 * -512, -1k, -2k, -4k and -8k; larger ones are pages of their own. All is memory for DMA:
 * contiguous for the device, and udrv_dma_map_single() of it is a look-up. Sizes that are a power
 * of two are aligned to themselves, others to 8 bytes at least, above 8 bytes to 16.
 *
 * The caches are made before a driver's probe() runs, else by the first call with UDRV_GFP_KERNEL;
 * before that UDRV_GFP_ATOMIC has nothing to give. docs/contract/memory.md has the bounds,
 * docs/howto/choosing-allocators.md says when to use what.
 */
#ifndef UDRV_KMALLOC_H
#define UDRV_KMALLOC_H

#include <stdarg.h>
#include <string.h>

#include <udrv/slab.h>

UDRV_BEGIN_DECLS

/** UDRV_ZERO_SIZE_PTR - what an allocation of no bytes returns: not NULL, not to be accessed. */
#define UDRV_ZERO_SIZE_PTR ((void *)16)

/** UDRV_ZERO_OR_NULL_PTR() - is @p NULL or UDRV_ZERO_SIZE_PTR? */
#define UDRV_ZERO_OR_NULL_PTR(p) ((uintptr_t)(p) <= 16)

/** UDRV_KMALLOC_MAX_CACHE_SIZE - the largest size, in bytes, that has a cache. */
#define UDRV_KMALLOC_MAX_CACHE_SIZE ((size_t)8 << 10)

/** UDRV_KMALLOC_MAX_SIZE - the largest size, in bytes. */
#define UDRV_KMALLOC_MAX_SIZE ((size_t)4 << 20)

/* The inline part: which cache, found when it is compiled. */
#define UDRV__KMALLOC_CLASSES 13u

/* Those that need not know how many bytes were asked for. */
UDRV_API extern struct udrv_kmem_cache *udrv__kmalloc_fast[UDRV__KMALLOC_CLASSES];
UDRV_API void *udrv__kmalloc(size_t size, udrv_gfp_t gfp);

static inline unsigned int udrv__kmalloc_class(size_t size)
{
	return size <= 8      ? 0
	       : size <= 16   ? 1
	       : size <= 32   ? 2
	       : size <= 64   ? 3
	       : size <= 96   ? 4
	       : size <= 128  ? 5
	       : size <= 192  ? 6
	       : size <= 256  ? 7
	       : size <= 512  ? 8
	       : size <= 1024 ? 9
	       : size <= 2048 ? 10
	       : size <= 4096 ? 11
			      : 12;
}

static inline size_t udrv__kmalloc_class_size(unsigned int index)
{
	return index == 4   ? 96
	       : index == 6 ? 192
			    : (size_t)1 << (index + 3 - (index > 4) - (index > 6));
}

/**
 * udrv_kmalloc() - allocate memory
 * @size: bytes, up to UDRV_KMALLOC_MAX_SIZE
 * @gfp: UDRV_GFP_KERNEL, which may get more from the system, or UDRV_GFP_ATOMIC, which takes what
 *	there is; with UDRV_GFP_ZERO, UDRV_GFP_NOWARN; UDRV_GFP_DMA or UDRV_GFP_DMA32, which take
 *	whole pages where the size's cache is at an IOVA that is too high
 *
 * With a constant size as fast as udrv_kmem_cache_alloc(). Any thread, UDRV_GFP_ATOMIC also in
 * handlers. The caller's, to udrv_kfree().
 * Return: the memory, not zeroed, or NULL (for UDRV_GFP_KERNEL udrv_log() says why);
 * UDRV_ZERO_SIZE_PTR for no bytes.
 */
static inline __attribute__((always_inline)) void *udrv_kmalloc(size_t size, udrv_gfp_t gfp)
{
	if (__builtin_constant_p(size) && size && size <= UDRV_KMALLOC_MAX_CACHE_SIZE) {
		unsigned int index = udrv__kmalloc_class(size);
		struct udrv_kmem_cache *cache =
			__atomic_load_n(&udrv__kmalloc_fast[index], __ATOMIC_ACQUIRE);

		if (__builtin_expect(cache && !(gfp & (UDRV_GFP_DMA | UDRV_GFP_DMA32)), 1)) {
			void *p = udrv__slab_alloc(cache, gfp);

			return p && gfp & UDRV_GFP_ZERO
				       ? memset(p, 0, udrv__kmalloc_class_size(index))
				       : p;
		}
	}
	return udrv__kmalloc(size, gfp);
}

/** udrv_kzalloc() - udrv_kmalloc(), zeroed. */
static inline __attribute__((always_inline)) void *udrv_kzalloc(size_t size, udrv_gfp_t gfp)
{
	return udrv_kmalloc(size, gfp | UDRV_GFP_ZERO);
}

/**
 * udrv_kmalloc_array() - udrv_kmalloc() for an array
 * @n: elements
 * @size: bytes of one
 * @gfp: as for udrv_kmalloc()
 *
 * Return: as udrv_kmalloc(); NULL if @n * @size is not a size.
 */
static inline __attribute__((always_inline)) void *udrv_kmalloc_array(size_t n, size_t size,
								      udrv_gfp_t gfp)
{
	size_t bytes;

	return __builtin_mul_overflow(n, size, &bytes) ? NULL : udrv_kmalloc(bytes, gfp);
}

/** udrv_kcalloc() - udrv_kmalloc_array(), zeroed. */
static inline __attribute__((always_inline)) void *udrv_kcalloc(size_t n, size_t size,
								udrv_gfp_t gfp)
{
	return udrv_kmalloc_array(n, size, gfp | UDRV_GFP_ZERO);
}

/**
 * udrv_kmalloc_node() - udrv_kmalloc() in memory of a NUMA node
 * @size: bytes
 * @gfp: as for udrv_kmalloc()
 * @node: as for udrv_kmem_cache_alloc_node()
 *
 * Return: as udrv_kmalloc().
 */
UDRV_API void *udrv_kmalloc_node(size_t size, udrv_gfp_t gfp, int node);

/** udrv_kzalloc_node() - udrv_kmalloc_node(), zeroed. */
static inline void *udrv_kzalloc_node(size_t size, udrv_gfp_t gfp, int node)
{
	return udrv_kmalloc_node(size, gfp | UDRV_GFP_ZERO, node);
}

/**
 * udrv_krealloc() - have memory of another size, with what is in it
 * @p: the memory; or NULL, or UDRV_ZERO_SIZE_PTR
 * @new_size: bytes; with 0, @p is freed
 * @gfp: as for udrv_kmalloc(); UDRV_GFP_ZERO zeroes what is added, if all calls for this memory,
 *	the first one included, have it
 *
 * It stays where it is while it fits into udrv_ksize(), else it is copied and @p is freed.
 * Return: as udrv_kmalloc(). After NULL @p is as it was. Source: Linux krealloc().
 */
UDRV_API void *udrv_krealloc(const void *p, size_t new_size, udrv_gfp_t gfp);

/** udrv_krealloc_array() - udrv_krealloc() to @new_n elements of @new_size bytes; checked. */
static inline void *udrv_krealloc_array(void *p, size_t new_n, size_t new_size, udrv_gfp_t gfp)
{
	size_t bytes;

	return __builtin_mul_overflow(new_n, new_size, &bytes) ? NULL
							       : udrv_krealloc(p, bytes, gfp);
}

/**
 * udrv_kfree() - give memory back
 * @p: of any call here, of udrv_get_free_pages(); or NULL, or UDRV_ZERO_SIZE_PTR
 *
 * Whatever else it is given, pointers into the middle included, is left alone, with a log line.
 * Memory that is freed twice is not noticed at once unless in a debug mode. Any thread, also in
 * handlers, as udrv_kmem_cache_free(). No device may be using the memory.
 */
UDRV_API void udrv_kfree(const void *p);

/** udrv_kfree_sensitive() - udrv_kfree(), zeroed before. */
UDRV_API void udrv_kfree_sensitive(const void *p);

/**
 * udrv_ksize() - how many bytes at @p may be used: as many as were asked for, or more
 *
 * Return: bytes; 0 for NULL, UDRV_ZERO_SIZE_PTR, and, with a log line, for what udrv_kfree() would
 * not free.
 */
UDRV_API size_t udrv_ksize(const void *p);

/** udrv_kmalloc_size_roundup() - what udrv_ksize() will be for @size; @size if that is too large.
 */
UDRV_API size_t udrv_kmalloc_size_roundup(size_t size);

/** udrv_kmemdup() - a copy of @len bytes at @src. Return: as udrv_kmalloc(). */
UDRV_API void *udrv_kmemdup(const void *src, size_t len, udrv_gfp_t gfp);

/** udrv_kmemdup_nul() - a string of the @len bytes at @s. Return: as udrv_kmalloc(). */
UDRV_API char *udrv_kmemdup_nul(const char *s, size_t len, udrv_gfp_t gfp);

/** udrv_kstrdup() - a copy of a string. Return: NULL also for @s NULL. */
UDRV_API char *udrv_kstrdup(const char *s, udrv_gfp_t gfp);

/** udrv_kstrndup() - a copy of @max characters of a string at most. Return: as udrv_kstrdup(). */
UDRV_API char *udrv_kstrndup(const char *s, size_t max, udrv_gfp_t gfp);

/**
 * udrv_kstrdup_const() - udrv_kstrdup(); the kernel's does not copy what is constant, but a process
 * may unload constants, with their library. To be freed by udrv_kfree_const().
 */
static inline const char *udrv_kstrdup_const(const char *s, udrv_gfp_t gfp)
{
	return udrv_kstrdup(s, gfp);
}

/** udrv_kfree_const() - udrv_kfree() for udrv_kstrdup_const(). */
static inline void udrv_kfree_const(const void *p)
{
	udrv_kfree(p);
}

/**
 * udrv_kvasprintf() - a formatted string
 * @gfp: as for udrv_kmalloc(); what the C library does for a conversion is not bound by it
 * @fmt: as for vprintf()
 * @args: its arguments
 *
 * Return: the string, to be freed with udrv_kfree(), or NULL.
 */
UDRV_API char *udrv_kvasprintf(udrv_gfp_t gfp, const char *fmt, va_list args) UDRV_PRINTF(2, 0);

/** udrv_kasprintf() - udrv_kvasprintf() with its arguments in the call. */
UDRV_API char *udrv_kasprintf(udrv_gfp_t gfp, const char *fmt, ...) UDRV_PRINTF(2, 3);

UDRV_END_DECLS

#endif
