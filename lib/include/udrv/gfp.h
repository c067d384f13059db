/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Pages, of the same memory as udrv_kmalloc()'s. A page is 4 KiB here, whatever the machine's.
 * Source: Linux include/linux/gfp.h.
 */
#ifndef UDRV_GFP_H
#define UDRV_GFP_H

#include <udrv/types.h>

UDRV_BEGIN_DECLS

/**
 * udrv_get_free_pages() - pages in a row
 * @gfp: as for udrv_kmalloc()
 * @order: 1 << @order pages, up to 10
 *
 * Aligned to their size, contiguous for the device. Any thread, UDRV_GFP_ATOMIC also in handlers.
 * Return: their address, or 0. Source: Linux __get_free_pages().
 */
UDRV_API unsigned long udrv_get_free_pages(udrv_gfp_t gfp, unsigned int order);

/** udrv_get_free_page() - one page; see udrv_get_free_pages(). */
static inline unsigned long udrv_get_free_page(udrv_gfp_t gfp)
{
	return udrv_get_free_pages(gfp, 0);
}

/** udrv_get_zeroed_page() - one page, zeroed; see udrv_get_free_pages(). */
static inline unsigned long udrv_get_zeroed_page(udrv_gfp_t gfp)
{
	return udrv_get_free_pages(gfp | UDRV_GFP_ZERO, 0);
}

/**
 * udrv_free_pages() - give pages back
 * @addr: of udrv_get_free_pages(), or 0
 * @order: the same
 *
 * What is not so many pages from there is left alone, with a log line. Any thread, also in
 * handlers.
 */
UDRV_API void udrv_free_pages(unsigned long addr, unsigned int order);

/** udrv_free_page() - udrv_free_pages() for one. */
static inline void udrv_free_page(unsigned long addr)
{
	udrv_free_pages(addr, 0);
}

UDRV_END_DECLS

#endif
