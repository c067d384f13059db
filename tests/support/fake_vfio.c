// SPDX-License-Identifier: MIT
/* Containers, groups, devices. What Linux checks is checked; what it leaves to the caller is not.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <check.h>

#include "support/fake_vfio.h"
#include "support/fault.h"

#define PAGE	  4096u
#define LINES_MAX 256

struct fake_vfio fake_vfio;

static char lines[LINES_MAX][48];
static int line_count;

void fake_vfio_note(const char *fmt, ...)
{
	va_list args;

	FAULT_MUST(line_count < LINES_MAX);
	va_start(args, fmt);
	(void)vsnprintf(lines[line_count++], sizeof(lines[0]), fmt, args);
	va_end(args);
}

int fake_vfio_line(const char *line, int after)
{
	for (int i = after + 1; i < line_count; i++)
		if (!strcmp(lines[i], line))
			return i;
	return -1;
}

void fake_vfio_lines_clear(void)
{
	line_count = 0;
}

static struct fake_device *device_of(int fd)
{
	for (unsigned int i = 0; fd >= 0 && i < fake_vfio.device_count; i++)
		if (fake_vfio.devices[i].fd == fd)
			return &fake_vfio.devices[i];
	return NULL;
}

static int new_fd(void)
{
	int fd = (int)syscall(SYS_eventfd2, 0, EFD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* /dev/vfio/vfio and /dev/vfio/<group>; a group can be opened once. */
static bool fake_open(const char *path, int *ret)
{
	int group;

	if (!strcmp(path, "/dev/vfio/vfio")) {
		*ret = fake_vfio.container_errno ? -fake_vfio.container_errno : new_fd();
		if (*ret >= 0)
			fake_vfio.container = *ret;
		return true;
	}
	if (sscanf(path, "/dev/vfio/%d", &group) != 1)
		return false;
	if (fake_vfio.group_errno)
		*ret = -fake_vfio.group_errno;
	else if (fake_vfio.group_fd >= 0)
		*ret = -EBUSY;
	else
		*ret = new_fd();
	if (*ret >= 0) {
		fake_vfio.group_fd = *ret;
		fake_vfio.group = group;
	}
	return true;
}

static void device_closed(struct fake_device *dev)
{
	fake_vfio_note("close device");
	memset(dev->enabled, 0, sizeof(dev->enabled));
	dev->fd = -1;
}

/* Closing, and the calls of ioctl(): several threads may be at it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void close_locked(int fd)
{
	struct fake_device *dev = device_of(fd);

	if (dev)
		device_closed(dev);
	if (fd == fake_vfio.group_fd) {
		fake_vfio_note("close group");
		fake_vfio.group_fd = -1;
	}
	if (fd == fake_vfio.container) {
		fake_vfio_note("close container");
		fake_vfio.container = -1;
		fake_vfio.mapping_count = 0;
	}
}

static void fake_close(int fd)
{
	if (fd < 0)
		return;
	pthread_mutex_lock(&lock);
	close_locked(fd);
	pthread_mutex_unlock(&lock);
}

/* The chain behind an info struct, if the caller left room; *argsz is what he should have given. */
static uint32_t put_chain(const struct fake_chain *chain, void *info, uint32_t info_size,
			  uint32_t *argsz)
{
	uint32_t given = *argsz;
	uint32_t offset = 0;

	if (fake_vfio.greedy) {
		*argsz = given + 8;
	} else if (given < info_size + chain->len) {
		*argsz = info_size + chain->len;
	} else if (chain->len) {
		memcpy((char *)info + info_size, chain->bytes, chain->len);
		offset = info_size;
	}
	return offset;
}

static int iommu_get_info(struct vfio_iommu_type1_info *info)
{
	const struct fake_chain *chain = &fake_vfio.iommu_chain;

	if (info->argsz < offsetof(struct vfio_iommu_type1_info, cap_offset))
		return -EINVAL;
	info->flags = VFIO_IOMMU_INFO_PGSIZES | (chain->len ? VFIO_IOMMU_INFO_CAPS : 0);
	info->iova_pgsizes = PAGE;
	info->cap_offset = put_chain(chain, info, sizeof(*info), &info->argsz);
	return 0;
}

static int find_mapping(uint64_t iova, uint64_t size)
{
	for (unsigned int i = 0; i < fake_vfio.mapping_count; i++) {
		const struct fake_mapping *m = &fake_vfio.mappings[i];

		if (iova < m->iova + m->size && m->iova < iova + size)
			return (int)i;
	}
	return -1;
}

static int map_dma(const struct vfio_iommu_type1_dma_map *map)
{
	struct fake_mapping *m = &fake_vfio.mappings[fake_vfio.mapping_count];
	const uint32_t known = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;

	if (fake_vfio.map_errno)
		return -fake_vfio.map_errno;
	if (map->argsz < sizeof(*map) || !map->flags || map->flags & ~known || !map->size ||
	    (map->vaddr | map->iova | map->size) % PAGE)
		return -EINVAL;
	if (find_mapping(map->iova, map->size) >= 0)
		return -EEXIST;
	if (fake_vfio.mapping_count == FAKE_MAPPINGS_MAX)
		return -ENOSPC;
	m->iova = map->iova;
	m->size = map->size;
	m->flags = map->flags;
	fake_vfio.map_flags = map->flags;
	fake_vfio.mapping_count++;
	fake_vfio_note("map 0x%llx", (unsigned long long)map->iova);
	return 0;
}

/* Type 1 v2 unmaps whole mappings; where there is none, 0 bytes and no error. */
static int unmap_dma(struct vfio_iommu_type1_dma_unmap *unmap)
{
	int i = find_mapping(unmap->iova, unmap->size);

	if (fake_vfio.unmap_errno)
		return -fake_vfio.unmap_errno;
	if (unmap->argsz < offsetof(struct vfio_iommu_type1_dma_unmap, data) || unmap->flags)
		return -EINVAL;
	fake_vfio_note("unmap 0x%llx", (unsigned long long)unmap->iova);
	if (i < 0 || fake_vfio.mappings[i].iova != unmap->iova ||
	    fake_vfio.mappings[i].size != unmap->size) {
		unmap->size = 0;
		return i < 0 ? 0 : -EINVAL;
	}
	fake_vfio.mappings[i] = fake_vfio.mappings[--fake_vfio.mapping_count];
	return 0;
}

static int container_ioctl(unsigned long request, void *arg)
{
	switch (request) {
	case VFIO_GET_API_VERSION:
		return VFIO_API_VERSION;
	case VFIO_CHECK_EXTENSION:
		return (uintptr_t)arg == VFIO_TYPE1v2_IOMMU && !fake_vfio.no_type1v2;
	case VFIO_SET_IOMMU:
		return -fake_vfio.set_iommu_errno;
	case VFIO_IOMMU_GET_INFO:
		return iommu_get_info(arg);
	case VFIO_IOMMU_MAP_DMA:
		return map_dma(arg);
	case VFIO_IOMMU_UNMAP_DMA:
		return unmap_dma(arg);
	default:
		return -ENOTTY;
	}
}

/* The memfd has a page for each region's end, and nothing in between. */
static int get_device_fd(const char *name)
{
	struct fake_device *dev = NULL;
	int fd;

	for (unsigned int i = 0; i < fake_vfio.device_count; i++)
		if (!strcmp(fake_vfio.devices[i].name, name) &&
		    fake_vfio.devices[i].group == fake_vfio.group)
			dev = &fake_vfio.devices[i];
	if (!dev)
		return -ENODEV;
	if (dev->open_errno)
		return -dev->open_errno;
	if (dev->fd >= 0)
		return -EBUSY;
	/* Not ftruncate(), ...: the fake's own calls do not count. */
	fd = (int)syscall(SYS_memfd_create, "fake-vfio", MFD_CLOEXEC);
	FAULT_MUST(fd >= 0);
	FAULT_MUST(!syscall(SYS_ftruncate, fd, (off_t)VFIO_PCI_NUM_REGIONS << FAKE_REGION_SHIFT));
	dev->fd = fd;
	return fd;
}

static int group_ioctl(unsigned long request, void *arg)
{
	struct vfio_group_status *status = arg;

	switch (request) {
	case VFIO_GROUP_GET_STATUS:
		status->flags = fake_vfio.not_viable ? 0 : VFIO_GROUP_FLAGS_VIABLE;
		return status->argsz < sizeof(*status) ? -EINVAL : 0;
	case VFIO_GROUP_SET_CONTAINER:
		return *(const int *)arg == fake_vfio.container ? -fake_vfio.set_container_errno
								: -EINVAL;
	case VFIO_GROUP_GET_DEVICE_FD:
		return get_device_fd(arg);
	default:
		return -ENOTTY;
	}
}

static int get_region_info(const struct fake_device *dev, struct vfio_region_info *info)
{
	const struct fake_region *region;

	if (info->argsz < offsetof(struct vfio_region_info, cap_offset) ||
	    info->index >= VFIO_PCI_NUM_REGIONS)
		return -EINVAL;
	region = &dev->regions[info->index];
	info->flags = region->flags | (region->chain.len ? VFIO_REGION_INFO_FLAG_CAPS : 0);
	info->size = region->size;
	info->offset = (uint64_t)info->index << FAKE_REGION_SHIFT;
	info->cap_offset = put_chain(&region->chain, info, sizeof(*info), &info->argsz);
	return 0;
}

static int get_irq_info(const struct fake_device *dev, struct vfio_irq_info *info)
{
	if (info->argsz < sizeof(*info) || info->index >= VFIO_PCI_NUM_IRQS)
		return -EINVAL;
	info->flags = VFIO_IRQ_INFO_EVENTFD;
	if (info->index == VFIO_PCI_INTX_IRQ_INDEX)
		info->flags |= VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
	info->count = dev->irqs[info->index];
	return 0;
}

static int get_device_info(const struct fake_device *dev, struct vfio_device_info *info)
{
	if (info->argsz < offsetof(struct vfio_device_info, cap_offset))
		return -EINVAL;
	info->flags = dev->flags;
	info->num_regions = dev->num_regions;
	info->num_irqs = VFIO_PCI_NUM_IRQS;
	return 0;
}

static int reset(struct fake_device *dev)
{
	if (!(dev->flags & VFIO_DEVICE_FLAGS_RESET))
		return -EINVAL;
	dev->resets++;
	fake_vfio_note("reset");
	return 0;
}

static int device_ioctl(struct fake_device *dev, unsigned long request, void *arg)
{
	switch (request) {
	case VFIO_DEVICE_GET_INFO:
		return get_device_info(dev, arg);
	case VFIO_DEVICE_GET_REGION_INFO:
		return get_region_info(dev, arg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		return get_irq_info(dev, arg);
	case VFIO_DEVICE_SET_IRQS:
		return fake_vfio_set_irqs(dev, arg);
	case VFIO_DEVICE_RESET:
		return reset(dev);
	default:
		return -ENOTTY;
	}
}

static bool ioctl_locked(int fd, unsigned long request, void *arg, int *ret)
{
	struct fake_device *dev = device_of(fd);

	if (dev)
		*ret = device_ioctl(dev, request, arg);
	else if (fd == fake_vfio.group_fd)
		*ret = group_ioctl(request, arg);
	else if (fd == fake_vfio.container)
		*ret = container_ioctl(request, arg);
	else
		return false;
	return true;
}

static bool fake_ioctl(int fd, unsigned long request, void *arg, int *ret)
{
	bool taken;

	if (fd < 0)
		return false;
	pthread_mutex_lock(&lock);
	taken = ioctl_locked(fd, request, arg, ret);
	pthread_mutex_unlock(&lock);
	return taken;
}

/* Is [start, start + len) inside one sparse area, if the region has a list of them? */
static bool may_map(const struct fake_region *region, uint64_t start, uint64_t len)
{
	const struct vfio_region_info_cap_sparse_mmap *sparse = (const void *)region->chain.bytes;

	if (!(region->flags & VFIO_REGION_INFO_FLAG_MMAP) || start % PAGE)
		return false;
	if (!region->chain.len || sparse->header.id != VFIO_REGION_INFO_CAP_SPARSE_MMAP)
		return start + len <= region->size;
	for (uint32_t i = 0; i < sparse->nr_areas; i++)
		if (start >= sparse->areas[i].offset &&
		    start + len <= sparse->areas[i].offset + sparse->areas[i].size)
			return true;
	return false;
}

/* Linux refuses to map trapped parts. */
static bool fake_mmap(int fd, size_t len, off_t offset, int *ret)
{
	const struct fake_device *dev = device_of(fd);
	uint64_t start = (uint64_t)offset & ((1ull << FAKE_REGION_SHIFT) - 1);

	if (!dev || may_map(&dev->regions[offset >> FAKE_REGION_SHIFT], start, len))
		return false;
	*ret = -EINVAL;
	return true;
}

static void fake_munmap(void *addr, size_t len)
{
	(void)addr;
	(void)len;
	fake_vfio_note("munmap");
}

static void fake_access(int fd, size_t len, off_t offset, bool write)
{
	struct fake_device *dev = device_of(fd);
	const off_t command =
		((off_t)VFIO_PCI_CONFIG_REGION_INDEX << FAKE_REGION_SHIFT) + PCI_COMMAND;

	(void)len;
	if (!dev)
		return;
	if (write && offset == command)
		fake_vfio_note("command");
	if (offset >> FAKE_REGION_SHIFT > VFIO_PCI_BAR5_REGION_INDEX)
		return;
	dev->writes += write;
	dev->reads += !write;
}

static const struct fault_hooks fake_hooks = {
	.open = fake_open,
	.ioctl = fake_ioctl,
	.mmap = fake_mmap,
	.munmap = fake_munmap,
	.access = fake_access,
	.close = fake_close,
};

void fake_vfio_start(void)
{
	/* What intel-iommu says: the window of the interrupt messages is left out. */
	static const uint64_t iovas[] = {0, 0xfedfffff, 0xfef00000, 0x7fffffffff};

	memset(&fake_vfio, 0, sizeof(fake_vfio));
	fake_vfio.container = fake_vfio.group_fd = fake_vfio.group = -1;
	fake_vfio_iovas(iovas, 2);
	fake_vfio_lines_clear();
	fault_log_clear();
	fault_set_hooks(&fake_hooks);
}

void fake_vfio_stop(void)
{
	fault_set_hooks(&(struct fault_hooks){0});
}

struct fake_device *fake_vfio_add(const char *name, int group)
{
	const uint32_t rw = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	struct fake_device *dev = &fake_vfio.devices[fake_vfio.device_count++];

	ck_assert_uint_le(fake_vfio.device_count, FAKE_DEVICES_MAX);
	(void)snprintf(dev->name, sizeof(dev->name), "%s", name);
	dev->group = group;
	dev->fd = -1;
	dev->flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
	dev->num_regions = VFIO_PCI_NUM_REGIONS;
	dev->regions[VFIO_PCI_BAR0_REGION_INDEX].size = 1 << 20;
	dev->regions[VFIO_PCI_BAR0_REGION_INDEX].flags = rw | VFIO_REGION_INFO_FLAG_MMAP;
	dev->regions[VFIO_PCI_CONFIG_REGION_INDEX].size = PCI_CFG_SPACE_SIZE;
	dev->regions[VFIO_PCI_CONFIG_REGION_INDEX].flags = rw;
	dev->irqs[VFIO_PCI_INTX_IRQ_INDEX] = 1;
	dev->irqs[VFIO_PCI_MSI_IRQ_INDEX] = 1;
	dev->irqs[VFIO_PCI_MSIX_IRQ_INDEX] = 8;
	dev->irqs[VFIO_PCI_ERR_IRQ_INDEX] = 1;
	dev->irqs[VFIO_PCI_REQ_IRQ_INDEX] = 1;
	return dev;
}

void fake_vfio_sparse(struct fake_region *region, const uint64_t *pairs, uint32_t count)
{
	struct vfio_region_info_cap_sparse_mmap *sparse = (void *)region->chain.bytes;

	ck_assert_uint_le(sizeof(*sparse) + count * sizeof(sparse->areas[0]), FAKE_CHAIN_MAX);
	sparse->header.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP;
	sparse->header.version = 1;
	sparse->header.next = 0;
	sparse->nr_areas = count;
	for (uint32_t i = 0; i < count; i++) {
		sparse->areas[i].offset = pairs[2 * i];
		sparse->areas[i].size = pairs[2 * i + 1];
	}
	region->chain.len = (uint32_t)(sizeof(*sparse) + count * sizeof(sparse->areas[0]));
}

void fake_vfio_iovas(const uint64_t *pairs, uint32_t count)
{
	struct fake_chain *chain = &fake_vfio.iommu_chain;
	struct vfio_iommu_type1_info_cap_iova_range *cap = (void *)chain->bytes;

	ck_assert_uint_le(sizeof(*cap) + count * sizeof(cap->iova_ranges[0]), FAKE_CHAIN_MAX);
	cap->header.id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE;
	cap->header.version = 1;
	cap->header.next = 0;
	cap->nr_iovas = count;
	for (uint32_t i = 0; i < count; i++) {
		cap->iova_ranges[i].start = pairs[2 * i];
		cap->iova_ranges[i].end = pairs[2 * i + 1];
	}
	chain->len = (uint32_t)(sizeof(*cap) + count * sizeof(cap->iova_ranges[0]));
}
