/* SPDX-License-Identifier: MIT */
/* How much memory this process may lock, which the kernel looks at when it pins memory for DMA. */
#ifndef UDRV_MEMLOCK_H
#define UDRV_MEMLOCK_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes that it has locked itself, as the kernel counts them for vfio. */
size_t udrv__memlock_used(void);
/* May it lock len bytes, as far as can be seen? With a capability, any number. */
bool udrv__memlock_allows(size_t len);
/*
 * Say that len bytes were too many beside what is used already, and which limit would do; and with
 * hint, what else there is to know. false: there is no limit.
 */
bool udrv__memlock_explain(const char *name, size_t used, size_t len, const char *hint);

#endif
