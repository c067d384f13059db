/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Compiler attributes that the other headers share.
 */
#ifndef UDRV_COMPILER_H
#define UDRV_COMPILER_H

#ifdef __cplusplus
#define UDRV_BEGIN_DECLS extern "C" {
#define UDRV_END_DECLS	 }
#else
#define UDRV_BEGIN_DECLS
#define UDRV_END_DECLS
#endif

/** UDRV_API - symbol is part of libudrv's ABI; everything else is hidden. */
#define UDRV_API __attribute__((visibility("default")))

/**
 * __udrv_iomem - marks a pointer to device registers.
 *
 * Such a pointer is only for the accessors of <udrv/io.h>: it may be a mapping, or a cookie
 * for registers that no load or store reaches (Linux: __iomem and lib/iomap.c).
 * A checker that knows address spaces (sparse, clang's noderef) can be told so here.
 */
#ifdef __CHECKER__
#define __udrv_iomem __attribute__((noderef, address_space(2)))
#else
#define __udrv_iomem
#endif

/** UDRV_PRINTF() - a function with a printf() format, whose parameters are numbered from 1. */
#define UDRV_PRINTF(fmt_index, first_arg) __attribute__((format(printf, fmt_index, first_arg)))
#define UDRV_WARN_UNUSED		  __attribute__((warn_unused_result))

#endif
