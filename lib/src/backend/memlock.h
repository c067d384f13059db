/* SPDX-License-Identifier: MIT */
/* How much memory this process may lock, which the kernel looks at when it pins memory for DMA. */
#ifndef UDRV_MEMLOCK_H
#define UDRV_MEMLOCK_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes that it has locked, as the kernel counts them. */
size_t udrv__memlock_used(void);
/* May it lock len bytes, as far as can be seen? With a capability, any number. */
bool udrv__memlock_allows(size_t len);
/* Say that len bytes were too many, and which limit would do. false: there is no limit. */
bool udrv__memlock_explain(const char *name, size_t len);

#endif
