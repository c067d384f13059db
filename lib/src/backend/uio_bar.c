// SPDX-License-Identifier: MIT
/* BARs by sysfs: memory is mapped from resource<N>, ports are read and written through it. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend/uio.h"
#include "io/sized.h"
#include "pci/device.h"
#include "pci/sysfs.h"

static int open_resource(const struct udrv_device *dev, unsigned int index)
{
	char path[PATH_MAX];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/resource%u", udrv__sysfs_root,
		       dev->name, index);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The kernel maps whole pages, from the one on that the BAR begins in. */
static int map_memory(const struct udrv_device *dev, unsigned int index, struct udrv__uio_bar *bar)
{
	const struct udrv_pci_resource *res = &dev->info.resource[index];
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t inside = res->start % page;
	int fd = open_resource(dev, index);
	int ret = 0;
	void *map;

	if (fd < 0)
		return fd;
	bar->map_len = (inside + res->len + page - 1) / page * page;
	map = mmap(NULL, bar->map_len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		ret = -errno;
	close(fd);
	if (ret)
		return ret;
	bar->map = map;
	bar->regs = (char *)map + inside;
	bar->trapped = inside != 0;
	return 0;
}

static int open_ports(const struct udrv_device *dev, unsigned int index, struct udrv__uio_bar *bar)
{
	int fd = open_resource(dev, index);

	if (fd < 0)
		return fd;
	bar->ports = fd;
	return 0;
}

static int begin(struct udrv__uio *uio, unsigned int index)
{
	struct udrv__uio_bar *bar = &uio->bars[index];

	if (bar->map || bar->ports >= 0)
		return 0;
	if (udrv_device_gone(uio->dev))
		return -ENODEV;
	return uio->dev->bars[index].flags & UDRV_RESOURCE_IO ? open_ports(uio->dev, index, bar)
							      : map_memory(uio->dev, index, bar);
}

int udrv__uio_bar_map(struct udrv_device *dev, unsigned int index)
{
	struct udrv__uio *uio = dev->backend;
	const struct udrv__uio_bar *bar = &uio->bars[index];
	struct udrv__bar *out = &dev->bars[index];
	int ret;

	/* Before the watcher looks for mappings, or after the device is known to be gone. */
	pthread_mutex_lock(&uio->lock);
	ret = begin(uio, index);
	pthread_mutex_unlock(&uio->lock);
	if (!ret && bar->map && !bar->trapped) {
		out->areas[0] = (struct udrv__area){.len = out->len, .map = bar->map};
		out->area_count = 1;
	}
	return ret;
}

static void end(struct udrv__uio_bar *bar)
{
	if (bar->map)
		munmap(bar->map, bar->map_len);
	bar->map = NULL;
	if (bar->ports >= 0)
		close(bar->ports);
	bar->ports = -1;
}

void udrv__uio_bar_unmap(struct udrv_device *dev, unsigned int index)
{
	struct udrv__uio *uio = dev->backend;

	pthread_mutex_lock(&uio->lock);
	end(&uio->bars[index]);
	pthread_mutex_unlock(&uio->lock);
	dev->bars[index].area_count = 0;
}

/* Those that are trapped have no unmap of their own. */
void udrv__uio_bars_end(struct udrv__uio *uio)
{
	for (int i = 0; i < UDRV_PCI_STD_NUM_BARS; i++)
		end(&uio->bars[i]);
}

int udrv__uio_bar_read(struct udrv_device *dev, unsigned int index, uint64_t offset,
		       unsigned int size, uint64_t *val)
{
	const struct udrv__uio *uio = dev->backend;
	const struct udrv__uio_bar *bar = &uio->bars[index];
	uint64_t le = 0;
	ssize_t n;

	if (udrv_device_gone(dev))
		return -ENODEV;
	if (bar->map) {
		*val = udrv__load(bar->regs + offset, size);
		return 0;
	}
	n = pread(bar->ports, &le, size, (off_t)offset);
	if (n != (ssize_t)size)
		return n < 0 ? -errno : -EIO;
	*val = le64toh(le);
	return 0;
}

int udrv__uio_bar_write(struct udrv_device *dev, unsigned int index, uint64_t offset,
			unsigned int size, uint64_t val)
{
	const struct udrv__uio *uio = dev->backend;
	const struct udrv__uio_bar *bar = &uio->bars[index];
	uint64_t le = htole64(val);
	ssize_t n;

	if (udrv_device_gone(dev))
		return -ENODEV;
	if (bar->map) {
		udrv__store(bar->regs + offset, size, val);
		return 0;
	}
	n = pwrite(bar->ports, &le, size, (off_t)offset);
	if (n != (ssize_t)size)
		return n < 0 ? -errno : -EIO;
	return 0;
}

/*
 * The kernel leaves a mapping as it was when the device goes, and what it reaches may be another
 * driver's by then. In its place comes a file without a byte: an access faults, and the fault
 * guard makes it one to a device that is gone. One call for a BAR of any size.
 */
void udrv__uio_bars_revoke(struct udrv__uio *uio)
{
	for (int i = 0; i < UDRV_PCI_STD_NUM_BARS; i++) {
		const struct udrv__uio_bar *bar = &uio->bars[i];

		/* Trapped ones are not guarded: who reaches them looks whether it is gone. */
		if (bar->map && !bar->trapped)
			(void)mmap(bar->map, bar->map_len, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_FIXED, uio->nothing, 0);
	}
}
