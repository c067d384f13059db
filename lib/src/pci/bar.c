// SPDX-License-Identifier: MIT
/* BARs: mapped where the backend can map them, a window of trapped accesses where not. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/device.h>
#include <udrv/io.h>
#include <udrv/pci.h>

#include "io/guard.h"
#include "io/sized.h"
#include "io/window.h"
#include "pci/device.h"

/* What a window hands to its accesses. */
struct bar_window {
	struct udrv_device *dev;
	unsigned int index;
};

static struct udrv__bar *get_bar(const struct udrv_device *dev, int bar)
{
	if (bar < 0 || bar >= UDRV_PCI_STD_NUM_BARS || !dev->bars[bar].len)
		return NULL;
	return (struct udrv__bar *)&dev->bars[bar];
}

uint64_t udrv_pci_resource_len(const struct udrv_device *dev, int bar)
{
	const struct udrv__bar *b = get_bar(dev, bar);

	return b ? b->len : 0;
}

uint64_t udrv_pci_resource_start(const struct udrv_device *dev, int bar)
{
	return get_bar(dev, bar) ? dev->info.resource[bar].start : 0;
}

uint32_t udrv_pci_resource_flags(const struct udrv_device *dev, int bar)
{
	const struct udrv__bar *b = get_bar(dev, bar);

	return b ? b->flags : 0;
}

/* The mapping of [offset, offset + len), if one area holds all of it. */
static void *find_mapped(const struct udrv__bar *bar, uint64_t offset, uint64_t len)
{
	for (unsigned int i = 0; i < bar->area_count; i++) {
		const struct udrv__area *area = &bar->areas[i];

		if (offset >= area->offset && offset - area->offset < area->len &&
		    len <= area->len - (offset - area->offset))
			return (char *)area->map + (offset - area->offset);
	}
	return NULL;
}

/* A BAR with mapped and trapped parts: each access goes the cheapest way that reaches it. */
static int window_read(void *ctx, uint64_t offset, unsigned int size, uint64_t *value)
{
	const struct bar_window *w = ctx;
	const void *p = find_mapped(&w->dev->bars[w->index], offset, size);

	if (!p)
		return w->dev->ops->bar_read(w->dev, w->index, offset, size, value);
	*value = udrv__load(p, size);
	return 0;
}

static int window_write(void *ctx, uint64_t offset, unsigned int size, uint64_t value)
{
	const struct bar_window *w = ctx;
	void *p = find_mapped(&w->dev->bars[w->index], offset, size);

	if (!p)
		return w->dev->ops->bar_write(w->dev, w->index, offset, size, value);
	udrv__store(p, size, value);
	return 0;
}

static const struct udrv__io_window_ops window_ops = {
	.read = window_read,
	.write = window_write,
};

static void fault_in_bar(void *ctx)
{
	udrv_device_set_gone(ctx);
}

/* A fault in a mapped BAR means that the device does not answer; it must not kill the process. */
static int guard_areas(struct udrv_device *dev, const struct udrv__bar *bar)
{
	for (unsigned int i = 0; i < bar->area_count; i++) {
		int ret = udrv__guard_add(bar->areas[i].map, bar->areas[i].len, fault_in_bar, dev);

		if (!ret)
			continue;
		while (i--)
			udrv__guard_remove(bar->areas[i].map);
		return ret;
	}
	return 0;
}

/* Areas are mapped once, and stay until close: pointers into them are plain memory. */
static int map_areas(struct udrv_device *dev, unsigned int index)
{
	struct udrv__bar *bar = &dev->bars[index];
	int ret;

	if (bar->area_count || bar->cookie)
		return 0;
	ret = dev->ops->bar_map(dev, index);
	if (ret)
		return ret;
	ret = guard_areas(dev, bar);
	if (ret)
		dev->ops->bar_unmap(dev, index);
	return ret;
}

static int open_window(struct udrv_device *dev, unsigned int index)
{
	struct udrv__bar *bar = &dev->bars[index];
	struct bar_window *w;
	int ret;

	if (bar->cookie)
		return 0;
	w = malloc(sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->dev = dev;
	w->index = index;
	ret = udrv__io_window_add(&window_ops, w, bar->len, &bar->cookie);
	if (ret) {
		free(w);
		return ret;
	}
	bar->window = w;
	return 0;
}

static void __udrv_iomem *map_range(struct udrv_device *dev, unsigned int index, uint64_t offset,
				    uint64_t len)
{
	struct udrv__bar *bar = &dev->bars[index];
	void *map;
	int ret = map_areas(dev, index);

	if (ret) {
		udrv_dev_err(dev, "BAR %u cannot be mapped: %s", index, strerror(-ret));
		return NULL;
	}
	map = find_mapped(bar, offset, len);
	if (map)
		return (void __udrv_iomem *)map;
	ret = open_window(dev, index);
	if (ret) {
		udrv_dev_err(dev, "BAR %u: no window for trapped accesses: %s", index,
			     strerror(-ret));
		return NULL;
	}
	return (char __udrv_iomem *)bar->cookie + offset;
}

void __udrv_iomem *udrv_pci_iomap_range(struct udrv_device *dev, int bar, uint64_t offset,
					size_t maxlen)
{
	const struct udrv__bar *b = get_bar(dev, bar);
	void __udrv_iomem *addr;
	uint64_t len;

	if (!b) {
		udrv_dev_err(dev, "there is no BAR %d; see 'udrv info %s'", bar, dev->name);
		return NULL;
	}
	if (offset >= b->len) {
		udrv_dev_err(dev, "offset 0x%llx is beyond BAR %d, which has 0x%llx bytes",
			     (unsigned long long)offset, bar, (unsigned long long)b->len);
		return NULL;
	}
	len = b->len - offset;
	if (maxlen && maxlen < len)
		len = maxlen;
	pthread_mutex_lock(&dev->bar_lock);
	addr = map_range(dev, (unsigned int)bar, offset, len);
	pthread_mutex_unlock(&dev->bar_lock);
	return addr;
}

void __udrv_iomem *udrv_pci_iomap(struct udrv_device *dev, int bar, size_t maxlen)
{
	return udrv_pci_iomap_range(dev, bar, 0, maxlen);
}

/* Mappings are shared by all who mapped the BAR and end with the device. */
void udrv_pci_iounmap(struct udrv_device *dev, void __udrv_iomem *addr)
{
	(void)dev;
	(void)addr;
}

void udrv__bars_release(struct udrv_device *dev)
{
	udrv__claims_release(dev);
	for (unsigned int i = 0; i < UDRV_PCI_STD_NUM_BARS; i++) {
		struct udrv__bar *bar = &dev->bars[i];

		if (bar->cookie)
			udrv__io_window_remove(bar->cookie);
		free(bar->window);
		bar->cookie = NULL;
		bar->window = NULL;
		for (unsigned int a = 0; a < bar->area_count; a++)
			udrv__guard_remove(bar->areas[a].map);
		if (bar->area_count)
			dev->ops->bar_unmap(dev, i);
	}
}
