/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Errors in the place of pointers, and the errors that <errno.h> does not have.
 * Source: Linux include/linux/err.h and errno.h.
 */
#ifndef UDRV_ERR_H
#define UDRV_ERR_H

#include <stdbool.h>
#include <stdint.h>

#include <udrv/compiler.h>

UDRV_BEGIN_DECLS

/** UDRV_ERESTARTSYS - an interruptible wait was ended by a signal; returned negative. */
#define UDRV_ERESTARTSYS 512

/** UDRV_MAX_ERRNO - the largest errno that fits into a pointer. */
#define UDRV_MAX_ERRNO 4095

static inline bool udrv__is_err(const void *ptr)
{
	return (uintptr_t)ptr >= (uintptr_t)-UDRV_MAX_ERRNO;
}

static inline bool udrv__is_err_or_null(const void *ptr)
{
	return !ptr || udrv__is_err(ptr);
}

/** UDRV_ERR_PTR() - a negative errno as a pointer. Source: Linux ERR_PTR(). */
#define UDRV_ERR_PTR(error) ((void *)(intptr_t)(error))

/** UDRV_PTR_ERR() - the negative errno in such a pointer. Source: Linux PTR_ERR(). */
#define UDRV_PTR_ERR(ptr) ((long)(intptr_t)(ptr))

/** UDRV_IS_ERR() - is the pointer an errno? NULL is not. Source: Linux IS_ERR(). */
#define UDRV_IS_ERR(ptr) udrv__is_err(ptr)

/** UDRV_IS_ERR_OR_NULL() - is it an errno or NULL? Source: Linux IS_ERR_OR_NULL(). */
#define UDRV_IS_ERR_OR_NULL(ptr) udrv__is_err_or_null(ptr)

UDRV_END_DECLS

#endif
