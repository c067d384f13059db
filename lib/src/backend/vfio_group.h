/* SPDX-License-Identifier: MIT */
/* IOMMU groups and their containers (VFIO's group API, Documentation/driver-api/vfio.rst). */
#ifndef UDRV_VFIO_GROUP_H
#define UDRV_VFIO_GROUP_H

#include "backend/backend.h"
#include "mem/domain.h"

/* A device of a group that is open. */
struct udrv__vfio_member {
	struct udrv__vfio_member *next;
	const char *name;
	int fd;
};

/* A group that this process holds. Functions of one group share it, and its container. */
struct udrv__vfio_group {
	struct udrv__vfio_group *next;
	int id;
	int fd;
	int container;
	unsigned int users;
	struct udrv__vfio_member *members;
	struct udrv__domain domain;
};

/*
 * The group of a device, opened if this process does not hold it yet, with its container set to
 * type1v2. Explains failures. Any thread.
 */
int udrv__vfio_group_get(const struct udrv_pci_info *info, struct udrv__vfio_group **group_out);
void udrv__vfio_group_put(struct udrv__vfio_group *group);

/*
 * Open a device of the group: member->name is set, member->fd is the result. -EBUSY if it is open
 * already: the kernel would hand out a second descriptor, whose end disarms the first.
 */
int udrv__vfio_member_open(struct udrv__vfio_group *group, struct udrv__vfio_member *member);
void udrv__vfio_member_close(struct udrv__vfio_group *group, struct udrv__vfio_member *member);

/*
 * Ask for an info struct of @size bytes that may have capabilities behind it; @ask is what the
 * kernel is given. The caller frees it. NULL on failure, with the reason in *ret.
 */
void *udrv__vfio_get_info(int fd, unsigned long request, const void *ask, size_t size, int *ret);

/* The backend's iova_ranges, dma_map, dma_explain and dma_unmap, on a container. */
int udrv__vfio_iova_ranges(int container, struct udrv__iova_range *ranges, unsigned int max);
int udrv__vfio_dma_map(int container, void *va, size_t len, udrv_iova_t iova, uint32_t flags);
void udrv__vfio_dma_explain(const char *name, size_t len, int err);
int udrv__vfio_dma_unmap(int container, udrv_iova_t iova, size_t len);

#endif
