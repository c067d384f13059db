/* SPDX-License-Identifier: MIT */
/*
 * Blocking requests to a block device from many threads. Its queues belong to one thread each: so a
 * thread of ours serves each queue that is open, and takes the requests of the others.
 */
#ifndef UDRV_SRC_BLOCK_SYNC_H
#define UDRV_SRC_BLOCK_SYNC_H

#include <udrv/block.h>

struct udrv__block_sync;

/*
 * Open up to @queues of @block's queues, at least one. 0 or negative errno, explained. A queue that
 * cannot be opened, but for the first, is done without.
 */
int udrv__block_sync_start(struct udrv_block *block, unsigned int queues,
			   struct udrv__block_sync **out);

/*
 * Wait for the requests that are under way, then close, and release. New ones are -ESHUTDOWN from
 * then on, for those who still hold it: nobody else may begin one.
 */
void udrv__block_sync_stop(struct udrv__block_sync *s);

/* One more who holds it, and one less. Any thread. */
void udrv__block_sync_hold(struct udrv__block_sync *s);
void udrv__block_sync_release(struct udrv__block_sync *s);

/* What it is, or was: name, serial, limits. Valid as long as it is held. */
const struct udrv_block *udrv__block_sync_block(const struct udrv__block_sync *s);

/* The block device has another size. */
void udrv__block_sync_resize(struct udrv__block_sync *s);

/*
 * Do it and wait for the end. @offset and @len: in logical blocks, any length: it is cut into what
 * the device takes at once. @buf: any memory. UDRV_BLOCK_FUA may be asked of any device and any
 * request: it is dropped where nothing is cached, and a FLUSH where the device does not know it. 0,
 * -EINVAL if it is not in whole blocks, -EROFS, -EIO for a read and -ENOSPC for a write beyond the
 * end, -EOPNOTSUPP, -ESHUTDOWN, or what the driver says of the first part that failed. Any thread.
 */
int udrv__block_sync_io(struct udrv__block_sync *s, enum udrv_block_op op, uint32_t flags,
			uint64_t offset, uint64_t len, void *buf);

#endif
