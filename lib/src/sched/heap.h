/* SPDX-License-Identifier: MIT */
/* A pairing heap of timers: the earliest first, nothing allocated. The caller locks. */
#ifndef UDRV_SRC_HEAP_H
#define UDRV_SRC_HEAP_H

#include <udrv/timer.h>

/* Each returns the new root; a root of NULL is the empty heap. */
struct udrv__timer *udrv__heap_add(struct udrv__timer *root, struct udrv__timer *t);
struct udrv__timer *udrv__heap_remove(struct udrv__timer *root, struct udrv__timer *t);

#endif
