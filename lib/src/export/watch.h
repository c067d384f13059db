/* SPDX-License-Identifier: MIT */
/* What becomes of block devices, told to the one who exports them. */
#ifndef UDRV_SRC_WATCH_H
#define UDRV_SRC_WATCH_H

#include <udrv/block.h>

/* Called by who adds, resizes or deletes, with changes held. */
struct udrv__block_watch {
	void (*added)(void *ctx, struct udrv_block *block);
	void (*resized)(void *ctx, struct udrv_block *block);
	/* It is nobody's any more when this returns. */
	void (*deleted)(void *ctx, struct udrv_block *block);
};

/* Nothing is added, resized or deleted meanwhile. */
void udrv__block_changes_hold(void);
void udrv__block_changes_release(void);
/* Held. NULL: nobody is told. */
void udrv__block_watch_set(const struct udrv__block_watch *w, void *ctx);

#endif
