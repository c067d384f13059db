/* SPDX-License-Identifier: MIT */
/*
 * Memory whose device address the backend chooses. Under the regions' lock, but explaining. The
 * addresses are entered among those that the process uses.
 */
#ifndef UDRV_SRC_MEM_CHOSEN_H
#define UDRV_SRC_MEM_CHOSEN_H

#include "mem/domain.h"

/*
 * For an arena's region without a backing memory of region->len bytes, of the device's own, else
 * the memory at region->va, pinned; below limit. va, iova and handle are set. 0 or negative errno,
 * not explained: also -EADDRINUSE, the addresses are those of other memory, and -E2BIG, what is to
 * be pinned is not contiguous to the device.
 */
int udrv__chosen_get(struct udrv_device *dev, udrv_iova_t limit, struct udrv__region *region);
/*
 * End what that began. If the kernel refuses, the error is logged: nothing uses the address,
 * nor the memory, again, and the record stays.
 */
int udrv__chosen_free(struct udrv_device *dev, struct udrv__region *region);

/* Pinned memory again, with no address of its own: what udrv__chosen_get() does without entering.
 */
int udrv__chosen_pin_block(struct udrv_device *dev, udrv_iova_t limit,
			   const struct udrv__region *region, struct udrv__dma_block *block);
int udrv__chosen_unpin_block(struct udrv_device *dev, const struct udrv__dma_block *block);

/* Has memory one address for all devices of this kind, as no IOMMU translates it? */
bool udrv__chosen_is_untranslated(struct udrv_device *dev);

/* Log why there is no address, or no memory, for len bytes below mask. */
void udrv__chosen_explain(struct udrv_device *dev, size_t len, uint64_t mask, int err);

#endif
