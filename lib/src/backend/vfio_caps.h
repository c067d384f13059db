/* SPDX-License-Identifier: MIT */
/* Capability chains behind VFIO's info structs (struct vfio_info_cap_header). */
#ifndef UDRV_VFIO_CAPS_H
#define UDRV_VFIO_CAPS_H

#include <linux/vfio.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The capability @id of at least @min_size bytes in an info struct of @size bytes, whose chain
 * starts at @offset (0: no chain). NULL if there is none or the chain leaves the struct.
 */
static inline const struct vfio_info_cap_header *
udrv__vfio_find_cap(const void *info, size_t size, uint32_t offset, uint16_t id, size_t min_size)
{
	uint32_t last = 0;

	/* Offsets must ascend: that also ends a chain that loops. */
	while (offset > last && size >= sizeof(struct vfio_info_cap_header) &&
	       offset <= size - sizeof(struct vfio_info_cap_header)) {
		const struct vfio_info_cap_header *cap =
			(const void *)((const char *)info + offset);

		if (cap->id == id)
			return size - offset >= min_size ? cap : NULL;
		last = offset;
		offset = cap->next;
	}
	return NULL;
}

#endif
