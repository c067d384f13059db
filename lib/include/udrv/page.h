/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Pages, as far as a process has them. The kernel keeps a struct page for each page of memory; here
 * a struct udrv_page * is the address at which the process sees the page, of whatever memory:
 * there is nothing behind it to look up, to count or to lock. Pages next to each other are elements
 * of an array, so that `page + 1` is the next one, as drivers expect.
 *
 * A page is 4096 bytes on every machine: the unit of these calls, not of the MMU.
 */
#ifndef UDRV_PAGE_H
#define UDRV_PAGE_H

#include <udrv/types.h>

UDRV_BEGIN_DECLS

/** UDRV_PAGE_SHIFT - log2 of UDRV_PAGE_SIZE. */
#define UDRV_PAGE_SHIFT 12
/** UDRV_PAGE_SIZE - bytes in a page. */
#define UDRV_PAGE_SIZE ((size_t)1 << UDRV_PAGE_SHIFT)
/** UDRV_PAGE_MASK - the bits of an address that say which page it is in. */
#define UDRV_PAGE_MASK (~(UDRV_PAGE_SIZE - 1))
/** UDRV_PAGE_ALIGN() - @n rounded up to whole pages. */
#define UDRV_PAGE_ALIGN(n) (((n) + UDRV_PAGE_SIZE - 1) & UDRV_PAGE_MASK)

/** struct udrv_page - a page; only its address means anything. */
struct udrv_page {
	unsigned char bytes[UDRV_PAGE_SIZE]; /* what is in it */
};

/** udrv_virt_to_page() - the page that an address is in. Any memory, any thread. */
static inline struct udrv_page *udrv_virt_to_page(const void *address)
{
	return (struct udrv_page *)((uintptr_t)address & UDRV_PAGE_MASK);
}

/** udrv_page_address() - the address of a page's first byte. */
static inline void *udrv_page_address(const struct udrv_page *page)
{
	return (void *)(uintptr_t)page;
}

/** udrv_page_to_virt() - udrv_page_address(). */
static inline void *udrv_page_to_virt(const struct udrv_page *page)
{
	return udrv_page_address(page);
}

/** udrv_offset_in_page() - how far behind its page's start an address is, in bytes. */
static inline size_t udrv_offset_in_page(const void *address)
{
	return (uintptr_t)address & (UDRV_PAGE_SIZE - 1);
}

UDRV_END_DECLS

#endif
