/* SPDX-License-Identifier: MIT */
/*
 * Windows: registers that no load or store reaches. A backend registers its read and write;
 * drivers get a cookie, which the accessors of <udrv/io.h> recognise.
 *
 * A cookie is bit 63 | window id << 48 | offset in the window. An id is used again only
 * after all others, so a cookie kept too long reads all ones instead of another device.
 */
#ifndef UDRV_IO_WINDOW_H
#define UDRV_IO_WINDOW_H

#include <stdint.h>

#include <udrv/io.h>

/* Windows that can exist at once. */
#define UDRV__IO_WINDOWS 1024

struct udrv__io_window_ops {
	/*
	 * size is 1, 2, 4 or 8; offset + size is inside the window; 0 or negative errno.
	 * The value's bits 7:0 are the byte at offset (little endian). Called by any thread,
	 * several at once, never after udrv__io_window_remove() returned.
	 */
	int (*read)(void *ctx, uint64_t offset, unsigned int size, uint64_t *value);
	int (*write)(void *ctx, uint64_t offset, unsigned int size, uint64_t value);
};

/*
 * Registers a window of len bytes. *cookie_out becomes the cookie of offset 0. ops and ctx stay
 * the caller's and must live until udrv__io_window_remove(). Any thread.
 * -EINVAL: len is 0 or above 2^47; -ENOSPC: UDRV__IO_WINDOWS exist already.
 */
int udrv__io_window_add(const struct udrv__io_window_ops *ops, void *ctx, uint64_t len,
			void __udrv_iomem **cookie_out);

/*
 * After it returns no access through the window is running or will run; later accesses read
 * all ones. Once per window, any thread, but not from the window's own read or write.
 * NULL and pointers that are no cookie are ignored.
 */
void udrv__io_window_remove(void __udrv_iomem *cookie);

/* Accesses that failed in the backend or lay outside the window; 0 for no such window. */
uint64_t udrv__io_window_errors(const void __udrv_iomem *cookie);

#endif
