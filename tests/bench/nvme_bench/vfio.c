// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "vfio.h"

static void group_node(const char *name, char *path, size_t size)
{
	char link[96];
	char target[96];
	ssize_t len;

	(void)snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s/iommu_group", name);
	len = readlink(link, target, sizeof(target) - 1);
	if (len < 0)
		die(link, errno);
	target[len] = '\0';
	(void)snprintf(path, size, "/dev/vfio/%s", basename(target));
}

static void open_device(struct vfio *v, const char *name)
{
	char path[128];

	group_node(name, path, sizeof(path));
	v->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	v->group = open(path, O_RDWR | O_CLOEXEC);
	if (v->container < 0 || v->group < 0)
		die(path, errno);
	if (ioctl(v->group, VFIO_GROUP_SET_CONTAINER, &v->container))
		die("VFIO_GROUP_SET_CONTAINER", errno);
	if (ioctl(v->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		die("VFIO_SET_IOMMU", errno);
	v->device = ioctl(v->group, VFIO_GROUP_GET_DEVICE_FD, name);
	if (v->device < 0)
		die("VFIO_GROUP_GET_DEVICE_FD", errno);
}

static void map_registers(struct vfio *v)
{
	struct vfio_region_info info = {.argsz = sizeof(info), .index = VFIO_PCI_BAR0_REGION_INDEX};
	void *map;

	if (ioctl(v->device, VFIO_DEVICE_GET_REGION_INFO, &info))
		die("VFIO_DEVICE_GET_REGION_INFO", errno);
	/* The doorbells; the rest of the BAR may be in pieces. */
	v->regs_size = 8192;
	map = mmap(NULL, v->regs_size, PROT_READ | PROT_WRITE, MAP_SHARED, v->device,
		   (off_t)info.offset);
	if (map == MAP_FAILED)
		die("BAR 0", errno);
	v->regs = map;
}

static void set_master(const struct vfio *v)
{
	struct vfio_region_info info = {.argsz = sizeof(info),
					.index = VFIO_PCI_CONFIG_REGION_INDEX};
	uint16_t command;

	if (ioctl(v->device, VFIO_DEVICE_GET_REGION_INFO, &info))
		die("VFIO_DEVICE_GET_REGION_INFO", errno);
	if (pread(v->device, &command, 2, (off_t)info.offset + PCI_COMMAND) != 2)
		die("PCI_COMMAND", errno);
	command |= PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;
	if (pwrite(v->device, &command, 2, (off_t)info.offset + PCI_COMMAND) != 2)
		die("PCI_COMMAND", errno);
}

static void map_memory(struct vfio *v, size_t size)
{
	struct vfio_iommu_type1_dma_map map = {.argsz = sizeof(map),
					       .flags = VFIO_DMA_MAP_FLAG_READ |
							VFIO_DMA_MAP_FLAG_WRITE,
					       .iova = VFIO_IOVA,
					       .size = size};

	v->memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (v->memory == MAP_FAILED)
		die("memory", errno);
	v->memory_size = size;
	map.vaddr = (uintptr_t)v->memory;
	if (ioctl(v->container, VFIO_IOMMU_MAP_DMA, &map))
		die("VFIO_IOMMU_MAP_DMA", errno);
}

void vfio_open(struct vfio *v, const char *name, size_t memory_size)
{
	v->efd = -1;
	open_device(v, name);
	map_registers(v);
	map_memory(v, memory_size);
	set_master(v);
}

void vfio_use_interrupt(struct vfio *v)
{
	char room[sizeof(struct vfio_irq_set) + 2 * sizeof(int32_t)]
		__attribute__((aligned(_Alignof(struct vfio_irq_set))));
	struct vfio_irq_set *set = (struct vfio_irq_set *)room;
	const int32_t fds[2] = {-1, v->efd = eventfd(0, EFD_CLOEXEC)};

	if (v->efd < 0)
		die("eventfd", errno);
	*set = (struct vfio_irq_set){.argsz = sizeof(room),
				     .flags = VFIO_IRQ_SET_DATA_EVENTFD |
					      VFIO_IRQ_SET_ACTION_TRIGGER,
				     .index = VFIO_PCI_MSIX_IRQ_INDEX,
				     .count = 2};
	memcpy(set->data, fds, sizeof(fds));
	if (ioctl(v->device, VFIO_DEVICE_SET_IRQS, set))
		die("VFIO_DEVICE_SET_IRQS", errno);
}

void vfio_close(struct vfio *v)
{
	(void)munmap((void *)(uintptr_t)v->regs, v->regs_size);
	if (v->efd >= 0)
		(void)close(v->efd);
	(void)close(v->device);
	(void)close(v->group);
	(void)close(v->container);
	(void)munmap(v->memory, v->memory_size);
}
