// SPDX-License-Identifier: MIT
/* A device behind vfio-pci: regions, configuration space, interrupts, reset. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <udrv/log.h>

#include "backend/vfio_caps.h"
#include "backend/vfio_group.h"
#include "pci/device.h"
#include "pci/group.h"

/* MSI-X has no more (PCI 3.0, 6.8.2.3); memory is allocated by this number. */
#define VECTORS_MAX 2048u

struct vfio_device {
	struct udrv__vfio_group *group;
	struct udrv__vfio_member member;
	bool can_reset;
	uint64_t config_offset;
	uint64_t config_len;
	uint64_t bar_offsets[UDRV_PCI_STD_NUM_BARS]; /* in the descriptor */
};

static const uint32_t irq_index[UDRV__IRQ_TYPES] = {
	[UDRV__IRQ_INTX] = VFIO_PCI_INTX_IRQ_INDEX,
	[UDRV__IRQ_MSI] = VFIO_PCI_MSI_IRQ_INDEX,
	[UDRV__IRQ_MSIX] = VFIO_PCI_MSIX_IRQ_INDEX,
};

static const uint32_t event_index[UDRV_EVENT_COUNT] = {
	[UDRV_EVENT_REQUEST] = VFIO_PCI_REQ_IRQ_INDEX,
	[UDRV_EVENT_ERROR] = VFIO_PCI_ERR_IRQ_INDEX,
};

static bool vfio_match(const char *name, const struct udrv_pci_info *info)
{
	(void)name;
	return info && udrv__pci_is_vfio_driver(info->driver);
}

/* A region's info with its capabilities; the caller frees it. */
static struct vfio_region_info *get_region_info(int fd, uint32_t index, int *ret)
{
	const struct vfio_region_info ask = {.argsz = sizeof(ask), .index = index};

	return udrv__vfio_get_info(fd, VFIO_DEVICE_GET_REGION_INFO, &ask, sizeof(ask), ret);
}

static void add_area(struct udrv__bar *bar, uint64_t offset, uint64_t len)
{
	struct udrv__area *area = &bar->areas[bar->area_count];

	/* What does not fit in the table, or in the BAR, stays trapped. */
	if (!len || bar->area_count == UDRV__AREAS_MAX || offset > bar->len ||
	    len > bar->len - offset)
		return;
	area->offset = offset;
	area->len = len;
	area->map = NULL;
	bar->area_count++;
}

/* Which parts of a BAR can be mapped: the sparse areas if there are any, else all of it. */
static int find_areas(struct udrv__bar *bar, const struct vfio_region_info *info)
{
	const struct vfio_region_info_cap_sparse_mmap *sparse;
	size_t room;

	if (!(info->flags & VFIO_REGION_INFO_FLAG_MMAP))
		return 0;
	sparse = (const void *)udrv__vfio_find_cap(
		info, info->argsz, info->flags & VFIO_REGION_INFO_FLAG_CAPS ? info->cap_offset : 0,
		VFIO_REGION_INFO_CAP_SPARSE_MMAP, sizeof(*sparse));
	if (!sparse) {
		add_area(bar, 0, bar->len);
		return 0;
	}
	room = info->argsz - (size_t)((const char *)sparse - (const char *)info);
	if (sparse->nr_areas > (room - sizeof(*sparse)) / sizeof(sparse->areas[0]))
		return -EPROTO;
	for (uint32_t i = 0; i < sparse->nr_areas; i++)
		add_area(bar, sparse->areas[i].offset, sparse->areas[i].size);
	return 0;
}

static int map_areas(const struct vfio_device *vdev, struct udrv__bar *bar, uint64_t offset)
{
	for (unsigned int i = 0; i < bar->area_count; i++) {
		struct udrv__area *area = &bar->areas[i];
		void *map = mmap(NULL, area->len, PROT_READ | PROT_WRITE, MAP_SHARED,
				 vdev->member.fd, (off_t)(offset + area->offset));

		if (map == MAP_FAILED) {
			int err = errno;

			while (i--)
				munmap(bar->areas[i].map, bar->areas[i].len);
			bar->area_count = 0;
			return -err;
		}
		area->map = map;
	}
	return 0;
}

static int vfio_bar_map(struct udrv_device *dev, unsigned int index)
{
	struct vfio_device *vdev = dev->backend;
	struct vfio_region_info *info;
	int ret;

	info = get_region_info(vdev->member.fd, VFIO_PCI_BAR0_REGION_INDEX + index, &ret);
	if (!info)
		return ret;
	ret = find_areas(&dev->bars[index], info);
	free(info);
	if (ret)
		return ret;
	return map_areas(vdev, &dev->bars[index], vdev->bar_offsets[index]);
}

static void vfio_bar_unmap(struct udrv_device *dev, unsigned int index)
{
	struct udrv__bar *bar = &dev->bars[index];

	for (unsigned int i = 0; i < bar->area_count; i++)
		munmap(bar->areas[i].map, bar->areas[i].len);
	bar->area_count = 0;
}

/* Registers and configuration space are little-endian (PCI 3.0, 3.8.1). */
static int region_read(const struct vfio_device *vdev, uint64_t offset, unsigned int size,
		       uint64_t *val)
{
	uint64_t le = 0;
	ssize_t n = pread(vdev->member.fd, &le, size, (off_t)offset);

	if (n != (ssize_t)size)
		return n < 0 ? -errno : -EIO;
	*val = le64toh(le);
	return 0;
}

static int region_write(const struct vfio_device *vdev, uint64_t offset, unsigned int size,
			uint64_t val)
{
	uint64_t le = htole64(val);
	ssize_t n = pwrite(vdev->member.fd, &le, size, (off_t)offset);

	if (n != (ssize_t)size)
		return n < 0 ? -errno : -EIO;
	return 0;
}

static int vfio_bar_read(struct udrv_device *dev, unsigned int index, uint64_t offset,
			 unsigned int size, uint64_t *val)
{
	const struct vfio_device *vdev = dev->backend;

	return region_read(vdev, vdev->bar_offsets[index] + offset, size, val);
}

static int vfio_bar_write(struct udrv_device *dev, unsigned int index, uint64_t offset,
			  unsigned int size, uint64_t val)
{
	const struct vfio_device *vdev = dev->backend;

	return region_write(vdev, vdev->bar_offsets[index] + offset, size, val);
}

static int vfio_config_read(struct udrv_device *dev, unsigned int where, unsigned int size,
			    uint32_t *val)
{
	const struct vfio_device *vdev = dev->backend;
	uint64_t v = 0;
	int ret;

	if (where + size > vdev->config_len)
		return -EINVAL;
	ret = region_read(vdev, vdev->config_offset + where, size, &v);
	if (!ret)
		*val = (uint32_t)v;
	return ret;
}

static int vfio_config_write(struct udrv_device *dev, unsigned int where, unsigned int size,
			     uint32_t val)
{
	const struct vfio_device *vdev = dev->backend;

	if (where + size > vdev->config_len)
		return -EINVAL;
	return region_write(vdev, vdev->config_offset + where, size, val);
}

/*
 * VFIO_DEVICE_SET_IRQS with eventfds, or with none to switch an index off. A positive result is
 * the number of vectors that the kernel has left; then nothing changed.
 */
static int set_irqs(int fd, uint32_t index, uint32_t flags, const int *fds, unsigned int count)
{
	size_t size = sizeof(struct vfio_irq_set) + count * sizeof(int);
	struct vfio_irq_set *set = calloc(1, size);
	int ret;

	if (!set)
		return -ENOMEM;
	set->argsz = (uint32_t)size;
	set->index = index;
	set->flags = flags;
	set->count = count;
	if (fds)
		memcpy(set->data, fds, count * sizeof(int));
	ret = ioctl(fd, VFIO_DEVICE_SET_IRQS, set);
	if (ret < 0)
		ret = -errno;
	free(set);
	return ret;
}

static int vfio_irq_enable(struct udrv_device *dev, enum udrv__irq_type type, const int *fds,
			   unsigned int count)
{
	const struct vfio_device *vdev = dev->backend;

	return set_irqs(vdev->member.fd, irq_index[type],
			VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, fds, count);
}

static int vfio_irq_disable(struct udrv_device *dev, enum udrv__irq_type type)
{
	const struct vfio_device *vdev = dev->backend;

	return set_irqs(vdev->member.fd, irq_index[type],
			VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, NULL, 0);
}

static int vfio_irq_unmask_intx(struct udrv_device *dev)
{
	const struct vfio_device *vdev = dev->backend;
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK,
		.index = VFIO_PCI_INTX_IRQ_INDEX,
		.count = 1,
	};

	return ioctl(vdev->member.fd, VFIO_DEVICE_SET_IRQS, &set) ? -errno : 0;
}

static unsigned int irq_count(int fd, uint32_t index)
{
	struct vfio_irq_info info = {.argsz = sizeof(info), .index = index};

	/* An index that the kernel does not know or the device does not have: no vectors. */
	if (ioctl(fd, VFIO_DEVICE_GET_IRQ_INFO, &info) || !(info.flags & VFIO_IRQ_INFO_EVENTFD))
		return 0;
	return info.count < VECTORS_MAX ? info.count : VECTORS_MAX;
}

static int vfio_event_enable(struct udrv_device *dev, enum udrv_device_event event, int fd)
{
	const struct vfio_device *vdev = dev->backend;
	int ret;

	if (!irq_count(vdev->member.fd, event_index[event]))
		return -EOPNOTSUPP;
	ret = set_irqs(vdev->member.fd, event_index[event],
		       VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, &fd, 1);
	return ret > 0 ? -EIO : ret;
}

static int vfio_iova_ranges(struct udrv_device *dev, struct udrv__iova_range *ranges,
			    unsigned int max)
{
	const struct vfio_device *vdev = dev->backend;

	return udrv__vfio_iova_ranges(vdev->group->container, ranges, max);
}

static struct udrv__domain *vfio_domain(struct udrv_device *dev)
{
	struct vfio_device *vdev = dev->backend;

	return &vdev->group->domain;
}

static int vfio_dma_map(struct udrv_device *dev, void *va, size_t len, udrv_iova_t iova,
			bool device_reads, bool device_writes)
{
	const struct vfio_device *vdev = dev->backend;
	uint32_t flags = (device_reads ? VFIO_DMA_MAP_FLAG_READ : 0) |
			 (device_writes ? VFIO_DMA_MAP_FLAG_WRITE : 0);

	return udrv__vfio_dma_map(vdev->group->container, va, len, iova, flags);
}

static void vfio_dma_explain(struct udrv_device *dev, size_t len, int err)
{
	udrv__vfio_dma_explain(dev->name, len, err);
}

static int vfio_dma_unmap(struct udrv_device *dev, udrv_iova_t iova, size_t len)
{
	const struct vfio_device *vdev = dev->backend;

	return udrv__vfio_dma_unmap(vdev->group->container, iova, len);
}

static int vfio_reset(struct udrv_device *dev)
{
	const struct vfio_device *vdev = dev->backend;

	if (!vdev->can_reset)
		return -ENOTTY;
	return ioctl(vdev->member.fd, VFIO_DEVICE_RESET) ? -errno : 0;
}

static int read_device_info(struct vfio_device *vdev, const char *name)
{
	struct vfio_device_info info = {.argsz = sizeof(info)};

	if (ioctl(vdev->member.fd, VFIO_DEVICE_GET_INFO, &info)) {
		int err = errno;

		udrv_pr_err("%s: VFIO does not describe it: %s", name, strerror(err));
		return -err;
	}
	if (!(info.flags & VFIO_DEVICE_FLAGS_PCI) ||
	    info.num_regions <= VFIO_PCI_CONFIG_REGION_INDEX) {
		udrv_pr_err("%s: VFIO does not offer it as a PCI device", name);
		return -ENODEV;
	}
	vdev->can_reset = info.flags & VFIO_DEVICE_FLAGS_RESET;
	return 0;
}

static int read_region(struct vfio_device *vdev, uint32_t index, uint64_t *offset, uint64_t *len)
{
	int ret;
	struct vfio_region_info *info = get_region_info(vdev->member.fd, index, &ret);

	if (!info)
		return ret;
	*offset = info->offset;
	*len = info->flags & VFIO_REGION_INFO_FLAG_READ ? info->size : 0;
	free(info);
	return 0;
}

static int read_regions(struct udrv_device *dev)
{
	struct vfio_device *vdev = dev->backend;
	int ret = read_region(vdev, VFIO_PCI_CONFIG_REGION_INDEX, &vdev->config_offset,
			      &vdev->config_len);

	for (unsigned int i = 0; i < UDRV_PCI_STD_NUM_BARS && !ret; i++) {
		ret = read_region(vdev, VFIO_PCI_BAR0_REGION_INDEX + i, &vdev->bar_offsets[i],
				  &dev->bars[i].len);
		dev->bars[i].flags = dev->bars[i].len ? dev->info.resource[i].flags : 0;
	}
	if (ret)
		udrv_pr_err("%s: VFIO does not describe its regions: %s", dev->name,
			    strerror(-ret));
	return ret;
}

static void vfio_close(struct udrv_device *dev)
{
	struct vfio_device *vdev = dev->backend;

	udrv__vfio_member_close(vdev->group, &vdev->member);
	udrv__vfio_group_put(vdev->group);
	free(vdev);
	dev->backend = NULL;
}

/* Opening the descriptor resets the function and leaves bus mastering off (vfio_pci_core.c). */
static int vfio_open(struct udrv_device *dev)
{
	struct vfio_device *vdev = calloc(1, sizeof(*vdev));
	int ret;

	if (!vdev) {
		udrv_pr_err("%s: out of memory", dev->name);
		return -ENOMEM;
	}
	ret = udrv__vfio_group_get(&dev->info, &vdev->group);
	if (ret)
		goto err_free;
	vdev->member.name = dev->name;
	ret = udrv__vfio_member_open(vdev->group, &vdev->member);
	if (ret)
		goto err_group;
	dev->backend = vdev;
	ret = read_device_info(vdev, dev->name);
	if (!ret)
		ret = read_regions(dev);
	if (ret)
		goto err_close;
	for (int i = 0; i < UDRV__IRQ_TYPES; i++)
		dev->irq_counts[i] = irq_count(vdev->member.fd, irq_index[i]);
	return 0;

err_close:
	udrv__vfio_member_close(vdev->group, &vdev->member);
	dev->backend = NULL;
err_group:
	udrv__vfio_group_put(vdev->group);
err_free:
	free(vdev);
	return ret;
}

const struct udrv__backend_ops udrv__vfio_backend = {
	.name = "vfio",
	.driver = "vfio-pci",
	.match = vfio_match,
	.open = vfio_open,
	.close = vfio_close,
	.config_read = vfio_config_read,
	.config_write = vfio_config_write,
	.bar_map = vfio_bar_map,
	.bar_unmap = vfio_bar_unmap,
	.bar_read = vfio_bar_read,
	.bar_write = vfio_bar_write,
	.irq_enable = vfio_irq_enable,
	.irq_disable = vfio_irq_disable,
	.irq_unmask_intx = vfio_irq_unmask_intx,
	.event_enable = vfio_event_enable,
	.iova_ranges = vfio_iova_ranges,
	.domain = vfio_domain,
	.dma_map = vfio_dma_map,
	.dma_explain = vfio_dma_explain,
	.dma_unmap = vfio_dma_unmap,
	.reset = vfio_reset,
};
