// SPDX-License-Identifier: MIT
/* The type 1 IOMMU of a container: which addresses it translates, map and unmap. */
#include <errno.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <udrv/log.h>

#include "backend/memlock.h"
#include "backend/vfio_caps.h"
#include "backend/vfio_group.h"

static int copy_ranges(const struct vfio_iommu_type1_info_cap_iova_range *cap, size_t room,
		       struct udrv__iova_range *ranges, unsigned int max)
{
	unsigned int n = cap->nr_iovas;

	if (n > (room - sizeof(*cap)) / sizeof(cap->iova_ranges[0]))
		return -EPROTO;
	if (n > max)
		n = max;
	for (unsigned int i = 0; i < n; i++) {
		ranges[i].first = cap->iova_ranges[i].start;
		ranges[i].last = cap->iova_ranges[i].end;
	}
	return (int)n;
}

/* Every info struct begins with argsz, in which the kernel says how large it would be. */
void *udrv__vfio_get_info(int fd, unsigned long request, const void *ask, size_t size, int *ret)
{
	size_t room = size;

	for (int tries = 0; tries < 2; tries++) {
		uint32_t *argsz = calloc(1, room);

		*ret = -ENOMEM;
		if (!argsz)
			return NULL;
		memcpy(argsz, ask, size);
		*argsz = (uint32_t)room;
		*ret = ioctl(fd, request, argsz) ? -errno : 0;
		if (!*ret && *argsz <= room)
			return argsz;
		room = *argsz;
		free(argsz);
		if (*ret)
			return NULL;
	}
	*ret = -EAGAIN;
	return NULL;
}

int udrv__vfio_iova_ranges(int container, struct udrv__iova_range *ranges, unsigned int max)
{
	const struct vfio_info_cap_header *cap;
	const struct vfio_iommu_type1_info ask = {.argsz = sizeof(ask)};
	struct vfio_iommu_type1_info *info;
	size_t room;
	int ret;

	info = udrv__vfio_get_info(container, VFIO_IOMMU_GET_INFO, &ask, sizeof(ask), &ret);
	if (!info)
		return ret;
	cap = udrv__vfio_find_cap(info, info->argsz,
				  info->flags & VFIO_IOMMU_INFO_CAPS ? info->cap_offset : 0,
				  VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE,
				  sizeof(struct vfio_iommu_type1_info_cap_iova_range));
	if (cap) {
		room = info->argsz - (size_t)((const char *)cap - (const char *)info);
		ret = copy_ranges((const void *)cap, room, ranges, max);
	} else {
		ret = -EOPNOTSUPP; /* Linux before 5.4 */
	}
	free(info);
	return ret;
}

static unsigned long long entry_limit(void)
{
	unsigned long long limit = 0;
	FILE *f = fopen("/sys/module/vfio_iommu_type1/parameters/dma_entry_limit", "re");

	if (!f)
		return 0;
	if (fscanf(f, "%llu", &limit) != 1)
		limit = 0;
	(void)fclose(f);
	return limit;
}

void udrv__vfio_dma_explain(const char *name, size_t len, int err)
{
	if (err == ENOMEM && udrv__memlock_explain(name, udrv__memlock_used(), len, ""))
		return;
	if (err == ENOSPC)
		udrv_pr_err("%s: no more DMA mappings: set dma_entry_limit of vfio_iommu_type1 to "
			    "%llu or more, or map fewer and larger pieces",
			    name, entry_limit() + 1);
	else
		udrv_pr_err("%s: the IOMMU does not map %zu bytes: %s", name, len, strerror(err));
}

int udrv__vfio_dma_map(int container, void *va, size_t len, udrv_iova_t iova, uint32_t flags)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = flags,
		.vaddr = (uintptr_t)va,
		.iova = iova,
		.size = len,
	};

	/* Before the kernel gets all the pages. */
	if (!udrv__memlock_allows(len))
		return -ENOMEM;
	/*
	 * Linux before 6.2 pins for reading what the first write replaces: the zero page, pages of
	 * a private file mapping. Memory that may not be written stays as it is.
	 */
	if (!(flags & VFIO_DMA_MAP_FLAG_WRITE))
		(void)madvise(va, len, MADV_POPULATE_WRITE);
	return ioctl(container, VFIO_IOMMU_MAP_DMA, &map) ? -errno : 0;
}

int udrv__vfio_dma_unmap(int container, udrv_iova_t iova, size_t len)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = iova,
		.size = len,
	};

	if (ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap))
		return -errno;
	return unmap.size == len ? 0 : -ENOENT;
}
