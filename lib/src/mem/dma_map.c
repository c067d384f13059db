// SPDX-License-Identifier: MIT
/*
 * Buffers that the device is to reach. Memory of an arena, or registered, is reached already: a
 * look-up. Other memory gets a mapping of its own, which is a system call and a record (a region of
 * kind STREAM, which only the used IOVAs know) until it is unmapped; where the backend chooses
 * addresses, it bounces or is pinned.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mem/bounce.h"
#include "mem/chosen.h"
#include "mem/domain.h"
#include "pci/device.h"

#define likely(x) __builtin_expect(!!(x), 1)

/*
 * So much is rather copied than pinned: 1.4 µs for both copies. A pin, and its end, are two system
 * calls, of which the second has the IOMMU forget the address; without one, more than a page is
 * hardly ever contiguous.
 */
#define BOUNCE_RATHER ((size_t)64 << 10)

/* Mappings of single buffers. */

static struct udrv__region *make_stream(struct udrv_device *dev, char *va, size_t len,
					enum udrv_dma_data_direction dir)
{
	struct udrv__region *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return NULL;
	stream->kind = UDRV__REGION_STREAM;
	stream->dev = dev;
	stream->va = va;
	stream->len = len;
	stream->directions = udrv__dma_directions(dir);
	return stream;
}

static int enter(struct udrv__dma *dma, struct udrv__region *stream)
{
	udrv_iova_t limit = udrv_dma_get_mask(dma->dev);
	int ret;

	pthread_mutex_lock(&udrv__regions_lock);
	if (dma->domain->chosen)
		ret = udrv__chosen_get(dma->dev, limit, stream);
	else
		ret = udrv__domain_reserve(dma->domain, stream, limit);
	if (!ret)
		udrv_list_add(&stream->link, &dma->streams);
	pthread_mutex_unlock(&udrv__regions_lock);
	return ret;
}

static void give_address(const struct udrv__region *stream)
{
	pthread_mutex_lock(&udrv__regions_lock);
	udrv__iova_free(&udrv__iovas, stream->iova);
	pthread_mutex_unlock(&udrv__regions_lock);
}

/* Off the list already. What the kernel keeps is lost, with its address. */
static void end_pinned(struct udrv__region *stream)
{
	int ret;

	pthread_mutex_lock(&udrv__regions_lock);
	ret = udrv__chosen_free(stream->dev, stream);
	pthread_mutex_unlock(&udrv__regions_lock);
	if (ret)
		stream->dev = NULL;
	else
		free(stream);
}

/* Off the list already. Only when the IOMMU has let go may the address be used again. */
static void end_stream(struct udrv__region *stream)
{
	struct udrv_device *dev = stream->dev;
	int ret;

	if (dev->dma->domain->chosen) {
		end_pinned(stream);
		return;
	}
	ret = dev->ops->dma_unmap(dev, stream->iova, stream->len);
	if (ret) {
		udrv_dev_err(dev, "DMA unmap of 0x%llx+0x%zx failed: %s; keep its memory",
			     (unsigned long long)stream->iova, stream->len, strerror(-ret));
		stream->dev = NULL; /* lost, with its address */
		return;
	}
	give_address(stream);
	free(stream);
}

static int pin(struct udrv_device *dev, char *va, size_t len, enum udrv_dma_data_direction dir,
	       udrv_iova_t *iova)
{
	struct udrv__region *stream = make_stream(dev, va, len, dir);
	int ret;

	if (!stream)
		return -ENOMEM;
	ret = enter(dev->dma, stream);
	if (ret)
		free(stream);
	else
		*iova = stream->iova;
	return ret;
}

/* It cannot be pinned, whatever there is of memory: what matters is why it cannot bounce. */
static bool must_bounce(int err)
{
	return err == -E2BIG || err == -EADDRINUSE;
}

/* In one of two ways, the better one first. */
static udrv_iova_t map_chosen(struct udrv_device *dev, void *ptr, size_t size,
			      enum udrv_dma_data_direction dir)
{
	struct udrv__domain *domain = dev->dma->domain;
	size_t in_page = (uintptr_t)ptr & (dev->dma->page_size - 1);
	size_t len = udrv__dma_round_up(dev->dma, in_page + size);
	bool bounce = len <= BOUNCE_RATHER || __atomic_load_n(&domain->scattered, __ATOMIC_RELAXED);
	udrv_iova_t iova = UDRV_DMA_MAPPING_ERROR;
	int ret;

	if (bounce)
		iova = udrv__bounce_map(dev, ptr, size, dir, false);
	if (iova != UDRV_DMA_MAPPING_ERROR)
		return iova;
	ret = pin(dev, (char *)ptr - in_page, len, dir, &iova);
	if (!ret)
		return iova + in_page;
	if (ret == -E2BIG)
		__atomic_store_n(&domain->scattered, true, __ATOMIC_RELAXED);
	if (!bounce || must_bounce(ret))
		iova = udrv__bounce_map(dev, ptr, size, dir, must_bounce(ret));
	if (iova == UDRV_DMA_MAPPING_ERROR && !must_bounce(ret))
		udrv__chosen_explain(dev, len, udrv_dma_get_mask(dev), ret);
	return iova;
}

udrv_iova_t udrv__dma_map_apart(struct udrv_device *dev, void *ptr, size_t size,
				enum udrv_dma_data_direction dir)
{
	struct udrv__dma *dma = dev->dma;
	size_t in_page = (uintptr_t)ptr & (dma->page_size - 1);
	size_t len = udrv__dma_round_up(dma, in_page + size);
	struct udrv__region *stream;
	udrv_iova_t iova;
	int ret;

	if (dma->domain->chosen)
		return map_chosen(dev, ptr, size, dir);
	stream = make_stream(dev, (char *)ptr - in_page, len, dir);
	if (!stream) {
		udrv_dev_err(dev, "cannot map %zu bytes for DMA: out of memory", size);
		return UDRV_DMA_MAPPING_ERROR;
	}
	ret = enter(dma, stream);
	if (ret) {
		pthread_mutex_lock(&udrv__regions_lock);
		udrv__domain_explain(dev, len, udrv_dma_get_mask(dev), ret);
		pthread_mutex_unlock(&udrv__regions_lock);
		free(stream);
		return UDRV_DMA_MAPPING_ERROR;
	}
	iova = stream->iova + in_page;
	ret = dev->ops->dma_map(dev, stream->va, len, stream->iova,
				udrv__region_allows(stream, UDRV_DMA_TO_DEVICE),
				udrv__region_allows(stream, UDRV_DMA_FROM_DEVICE));
	if (!ret)
		return iova;
	dev->ops->dma_explain(dev, len, -ret);
	pthread_mutex_lock(&udrv__regions_lock);
	udrv_list_del(&stream->link);
	udrv__iova_free(&udrv__iovas, stream->iova);
	pthread_mutex_unlock(&udrv__regions_lock);
	free(stream);
	return UDRV_DMA_MAPPING_ERROR;
}

/* Where registered regions overlap, one of them may hold all of the buffer. */
static bool map_registered(struct udrv__dma *dma, const char *ptr, size_t size,
			   enum udrv_dma_data_direction dir, udrv_iova_t *iova)
{
	struct udrv__region *region;

	pthread_mutex_lock(&udrv__regions_lock);
	region = udrv__dma_registered(dma, ptr, size, dir);
	if (region) {
		__atomic_fetch_add(&region->in_use[dma->domain_id], 1, __ATOMIC_RELAXED);
		*iova = region->iova + (size_t)(ptr - region->va);
	}
	pthread_mutex_unlock(&udrv__regions_lock);
	return region;
}

static __attribute__((noinline)) udrv_iova_t
map_slowly(struct udrv_device *dev, void *ptr, size_t size, enum udrv_dma_data_direction dir)
{
	udrv_iova_t iova;

	if (!ptr || !size || size > SIZE_MAX / 2 || (unsigned int)dir > UDRV_DMA_FROM_DEVICE) {
		udrv_dev_err(dev, "cannot map %zu bytes at %p for DMA: bad argument", size, ptr);
		return UDRV_DMA_MAPPING_ERROR;
	}
	if (udrv__region_of(ptr) == &udrv__several_regions &&
	    map_registered(dev->dma, ptr, size, dir, &iova))
		return iova;
	return udrv__dma_map_apart(dev, ptr, size, dir);
}

/* Whether the region holds all of the buffer and the device reaches it so; then at *iova. */
static inline bool reaches(const struct udrv__dma *dma, const struct udrv__region *region,
			   const void *ptr, size_t size, enum udrv_dma_data_direction dir,
			   udrv_iova_t *iova)
{
	const size_t len = udrv__region_len(region);
	const size_t offset = (size_t)((const char *)ptr - udrv__region_va(region));

	*iova = udrv__region_iova(region) + offset;
	/* Inside a region IOVAs have 48 bits: nothing wraps. */
	return offset < len && size - 1 < len - offset &&
	       *iova + (size - 1) <= __atomic_load_n(&dma->mask, __ATOMIC_RELAXED) &&
	       udrv__region_reached_by(region, dma->domain_id) && udrv__region_allows(region, dir);
}

/*
 * Registered memory may be another device's, which unregisters it just now: it looks at the counts
 * after nobody reaches it any more. Records are used again, but never freed meanwhile: what was
 * seen before it was counted may have been of the one before.
 */
static bool count(const struct udrv__dma *dma, const struct udrv__region *region, const void *ptr,
		  size_t size, enum udrv_dma_data_direction dir, udrv_iova_t *iova)
{
	uint32_t *in_use = &region->in_use[dma->domain_id];

	__atomic_fetch_add(in_use, 1, __ATOMIC_SEQ_CST);
	if (udrv__region_of(ptr) == region && reaches(dma, region, ptr, size, dir, iova))
		return true;
	__atomic_fetch_sub(in_use, 1, __ATOMIC_RELEASE);
	return false;
}

udrv_iova_t udrv_dma_map_single(struct udrv_device *dev, void *ptr, size_t size,
				enum udrv_dma_data_direction dir)
{
	const struct udrv__dma *dma = dev->dma;
	const struct udrv__region *region = udrv__region_of(ptr);
	udrv_iova_t iova;

	if (likely(reaches(dma, region, ptr, size, dir, &iova))) {
		if (!region->in_use || count(dma, region, ptr, size, dir, &iova))
			return iova;
	}
	return map_slowly(dev, ptr, size, dir);
}

/*
 * Whoever asks owns the memory, so its region stays. What the window shows may have been another
 * region's, which went: the epoch changed then, before the caller got the memory.
 */
udrv_iova_t udrv__dma_look_up(const struct udrv_device *dev, const volatile void *ptr, size_t size,
			      struct udrv_dma_window *window)
{
	const uint64_t epoch = __atomic_load_n(&udrv__dma_epoch, __ATOMIC_ACQUIRE);
	const struct udrv__dma *dma = dev->dma;
	const uint64_t mask = __atomic_load_n(&dma->mask, __ATOMIC_RELAXED);
	const struct udrv__region *region = udrv__region_of(ptr);
	const uintptr_t va = (uintptr_t)udrv__region_va(region);
	const udrv_iova_t iova = udrv__region_iova(region);
	const size_t offset = (uintptr_t)ptr - va;
	size_t len = udrv__region_len(region);

	if (offset >= len || region->kind != UDRV__REGION_ARENA || iova > mask ||
	    !udrv__region_reached_by(region, dma->domain_id))
		return UDRV_DMA_MAPPING_ERROR;
	if (len - 1 > mask - iova)
		len = mask - iova + 1;
	if (offset >= len || !size || size > len - offset)
		return UDRV_DMA_MAPPING_ERROR;
	*window = (struct udrv_dma_window){va, len, iova, epoch};
	return iova + offset;
}

/* The record, off the list, if it is the one that the caller means. */
static struct udrv__region *take_stream(struct udrv__dma *dma, udrv_iova_t addr, size_t size)
{
	size_t in_page = addr & (dma->page_size - 1);
	struct udrv__region *stream;

	pthread_mutex_lock(&udrv__regions_lock);
	stream = udrv__iova_user(&udrv__iovas, addr);
	if (stream && (stream->kind != UDRV__REGION_STREAM || stream->dev != dma->dev ||
		       stream->iova != addr - in_page ||
		       stream->len != udrv__dma_round_up(dma, in_page + size)))
		stream = NULL;
	if (stream)
		udrv_list_del(&stream->link);
	pthread_mutex_unlock(&udrv__regions_lock);
	return stream;
}

/* Whether it was mapped: one that was mapped alone, or bounces. */
static __attribute__((noinline)) bool unmap_slowly(struct udrv__dma *dma, udrv_iova_t addr,
						   size_t size)
{
	struct udrv__region *stream;

	if (dma->domain->chosen && udrv__bounce_unmap(dma, addr, size))
		return true;
	stream = take_stream(dma, addr, size);
	if (stream)
		end_stream(stream);
	return stream;
}

/* Whether the buffer was counted. */
static bool uncount(const struct udrv__dma *dma, const struct udrv__region *region)
{
	uint32_t *in_use = &region->in_use[dma->domain_id];
	uint32_t n = __atomic_load_n(in_use, __ATOMIC_RELAXED);

	do {
		if (!n)
			return false;
	} while (!__atomic_compare_exchange_n(in_use, &n, n - 1, true, __ATOMIC_RELEASE,
					      __ATOMIC_RELAXED));
	return true;
}

void udrv_dma_unmap_single(struct udrv_device *dev, udrv_iova_t addr, size_t size,
			   enum udrv_dma_data_direction dir)
{
	const struct udrv__dma *dma = dev->dma;
	const struct udrv__region *region = udrv__region_at(addr);
	const udrv_iova_t offset = addr - udrv__region_iova(region);
	const size_t len = udrv__region_len(region);
	bool good = false;

	(void)dir;
	if (likely(offset < len))
		good = size - 1 < len - offset && (!region->in_use || uncount(dma, region));
	else
		good = unmap_slowly(dev->dma, addr, size);
	if (!good)
		udrv_dev_err(dev, "DMA address 0x%llx+0x%zx unmapped, but not mapped",
			     (unsigned long long)addr, size);
}

void udrv__dma_unmap_streams(struct udrv__dma *dma)
{
	UDRV_LIST_HEAD(gone);
	struct udrv__region *stream;
	struct udrv__region *next;

	pthread_mutex_lock(&udrv__regions_lock);
	udrv_list_for_each_entry_safe(stream, next, &dma->streams, link) {
		udrv_list_del(&stream->link);
		udrv_list_add(&stream->link, &gone);
	}
	pthread_mutex_unlock(&udrv__regions_lock);
	udrv_list_for_each_entry_safe(stream, next, &gone, link)
		end_stream(stream);
}

/* Syncs, once a backend chooses addresses. */

static bool may_bounce(const struct udrv_device *dev, udrv_iova_t addr)
{
	return dev->dma->domain->chosen && !udrv__region_len(udrv__region_at(addr));
}

void udrv__dma_sync_for_cpu(struct udrv_device *dev, udrv_iova_t addr, size_t size,
			    enum udrv_dma_data_direction dir)
{
	if (may_bounce(dev, addr))
		udrv__bounce_sync(dev->dma, addr, size, dir, true);
}

void udrv__dma_sync_for_device(struct udrv_device *dev, udrv_iova_t addr, size_t size,
			       enum udrv_dma_data_direction dir)
{
	if (may_bounce(dev, addr))
		udrv__bounce_sync(dev->dma, addr, size, dir, false);
}
