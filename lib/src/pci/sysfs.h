/* SPDX-License-Identifier: MIT */
/* Attributes and links below /sys. Paths are printf formats, relative to the root. */
#ifndef PCI_SYSFS_H
#define PCI_SYSFS_H

#include <stddef.h>
#include <stdint.h>

#include <udrv/compiler.h>

/* Where sysfs is mounted: "/sys". A test points it at a tree of its own. */
extern const char *udrv__sysfs_root;

/* The text of an attribute without its trailing newline. Length, or a negative errno;
 * -E2BIG when it does not fit. @buf is untouched on failure. */
int udrv__sysfs_read(char *buf, size_t size, const char *fmt, ...) UDRV_PRINTF(3, 4);

/* A number in C notation that must not exceed @max: -EIO when the attribute holds anything else. */
int udrv__sysfs_read_u64(uint64_t *val, uint64_t max, const char *fmt, ...) UDRV_PRINTF(3, 4);

/* The last component of what a link points to. Length, or a negative errno. */
int udrv__sysfs_readlink(char *buf, size_t size, const char *fmt, ...) UDRV_PRINTF(3, 4);

/* Write @text in one write(2), as attributes want it. 0, or the kernel's answer. */
int udrv__sysfs_write(const char *text, const char *fmt, ...) UDRV_PRINTF(2, 3);

/* Is there such a file, folder or link? */
int udrv__sysfs_exists(const char *fmt, ...) UDRV_PRINTF(1, 2);

/* What tells such a file, folder or link from an earlier one of that name; 0: there is none. */
uint64_t udrv__sysfs_serial(const char *fmt, ...) UDRV_PRINTF(1, 2);

#endif
