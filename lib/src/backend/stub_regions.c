// SPDX-License-Identifier: MIT
/* BARs and configuration space of a device behind udrv_stub, and who claims which part of a BAR. */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend/stub.h"

/* Registers and configuration space are little-endian (PCI 3.0, 3.8.1). */
static int region_read(struct udrv_device *dev, uint64_t region, uint64_t offset, unsigned int size,
		       uint64_t *val)
{
	const struct udrv__stub *stub = dev->backend;
	uint64_t le = 0;
	ssize_t n = pread(stub->fd, &le, size, (off_t)(UDRV_STUB_OFFSET(region) | offset));

	if (n != (ssize_t)size)
		return n < 0 ? udrv__stub_failed(dev) : -EIO;
	*val = le64toh(le);
	return 0;
}

static int region_write(struct udrv_device *dev, uint64_t region, uint64_t offset,
			unsigned int size, uint64_t val)
{
	const struct udrv__stub *stub = dev->backend;
	uint64_t le = htole64(val);
	ssize_t n = pwrite(stub->fd, &le, size, (off_t)(UDRV_STUB_OFFSET(region) | offset));

	if (n != (ssize_t)size)
		return n < 0 ? udrv__stub_failed(dev) : -EIO;
	return 0;
}

int udrv__stub_config_read(struct udrv_device *dev, unsigned int where, unsigned int size,
			   uint32_t *val)
{
	const struct udrv__stub *stub = dev->backend;
	uint64_t v = 0;
	int ret;

	if (where + size > stub->info.config_len)
		return -EINVAL;
	ret = region_read(dev, UDRV_STUB_REGION_CONFIG, where, size, &v);
	if (!ret)
		*val = (uint32_t)v;
	return ret;
}

int udrv__stub_config_write(struct udrv_device *dev, unsigned int where, unsigned int size,
			    uint32_t val)
{
	const struct udrv__stub *stub = dev->backend;

	if (where + size > stub->info.config_len)
		return -EINVAL;
	return region_write(dev, UDRV_STUB_REGION_CONFIG, where, size, val);
}

int udrv__stub_bar_read(struct udrv_device *dev, unsigned int index, uint64_t offset,
			unsigned int size, uint64_t *val)
{
	return region_read(dev, UDRV_STUB_REGION_BAR(index), offset, size, val);
}

int udrv__stub_bar_write(struct udrv_device *dev, unsigned int index, uint64_t offset,
			 unsigned int size, uint64_t val)
{
	return region_write(dev, UDRV_STUB_REGION_BAR(index), offset, size, val);
}

static int map_area(struct udrv_device *dev, unsigned int index, uint64_t offset, uint64_t len)
{
	const struct udrv__stub *stub = dev->backend;
	struct udrv__bar *bar = &dev->bars[index];
	struct udrv__area *area = &bar->areas[bar->area_count];
	void *map;

	if (!len)
		return 0;
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, stub->fd,
		   (off_t)(UDRV_STUB_OFFSET(UDRV_STUB_REGION_BAR(index)) | offset));
	if (map == MAP_FAILED)
		return udrv__stub_failed(dev);
	*area = (struct udrv__area){.offset = offset, .len = len, .map = map};
	bar->area_count++;
	return 0;
}

/* What is before the hole, and what is behind it. */
int udrv__stub_bar_map(struct udrv_device *dev, unsigned int index)
{
	const struct udrv__stub *stub = dev->backend;
	const struct udrv_stub_bar *is = &stub->info.bars[index];
	uint64_t behind;
	int ret;

	if (!(is->flags & UDRV_STUB_BAR_MMAP))
		return 0;
	if (is->hole_offset > is->len || is->hole_len > is->len - is->hole_offset)
		return -EPROTO;
	if (!is->hole_len)
		return map_area(dev, index, 0, is->len);
	behind = is->hole_offset + is->hole_len;
	ret = map_area(dev, index, 0, is->hole_offset);
	if (!ret)
		ret = map_area(dev, index, behind, is->len - behind);
	if (ret)
		udrv__stub_bar_unmap(dev, index);
	return ret;
}

void udrv__stub_bar_unmap(struct udrv_device *dev, unsigned int index)
{
	struct udrv__bar *bar = &dev->bars[index];

	for (unsigned int i = 0; i < bar->area_count; i++)
		munmap(bar->areas[i].map, bar->areas[i].len);
	bar->area_count = 0;
}

int udrv__stub_claim(struct udrv_device *dev, unsigned int bar, uint64_t offset, uint64_t len,
		     const char *name, struct udrv__holder *holder)
{
	const struct udrv__stub *stub = dev->backend;
	struct udrv_stub_claim claim = {
		.abi = UDRV_STUB_ABI,
		.bar = bar,
		.offset = offset,
		.len = len,
	};

	udrv__claim_name(claim.name, sizeof(claim.name), name);
	if (!ioctl(stub->fd, UDRV_STUB_CLAIM, &claim))
		return 0;
	if (errno != EBUSY)
		return udrv__stub_failed(dev);
	(void)snprintf(holder->name, sizeof(holder->name), "%.*s", UDRV_STUB_NAME_MAX - 1,
		       claim.holder);
	holder->pid = claim.holder_pid;
	return -EBUSY;
}

void udrv__stub_unclaim(struct udrv_device *dev, unsigned int bar, uint64_t offset, uint64_t len)
{
	const struct udrv__stub *stub = dev->backend;
	struct udrv_stub_claim claim = {
		.abi = UDRV_STUB_ABI,
		.bar = bar,
		.offset = offset,
		.len = len,
	};

	/* Where the device is gone the claims are, too. */
	(void)ioctl(stub->fd, UDRV_STUB_RELEASE, &claim);
}
