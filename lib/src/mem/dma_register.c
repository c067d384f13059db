// SPDX-License-Identifier: MIT
/*
 * Memory of the application that devices are to reach for longer: mapped once, then found by a
 * look-up. Buffers that are mapped inside are counted, so that it does not go while one is in use.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/log.h>

#include "mem/chosen.h"
#include "mem/domain.h"
#include "pci/device.h"

struct registration {
	struct udrv_list_head link; /* the device's */
	struct udrv__region *region;
	struct udrv__dma_block block; /* where the backend chose the address: this device's */
};

static UDRV_LIST_HEAD(registered);
/* Records that are not used. They are kept while somebody may be looking at one: dma_map.c. */
static UDRV_LIST_HEAD(spare);

struct udrv__region *udrv__dma_registered(const struct udrv__dma *dma, const void *ptr, size_t size,
					  enum udrv_dma_data_direction dir)
{
	struct udrv__region *region;

	udrv_list_for_each_entry(region, &registered, link) {
		size_t offset = (size_t)((const char *)ptr - region->va);

		if (offset < region->len && size <= region->len - offset &&
		    udrv__region_reached_by(region, dma->domain->id) &&
		    udrv__dma_fits(udrv_dma_get_mask(dma->dev), region->iova + offset, size) &&
		    udrv__region_allows(region, dir))
			return region;
	}
	return NULL;
}

static struct registration *find(struct udrv__dma *dma, const void *ptr, size_t len)
{
	struct registration *reg;

	udrv_list_for_each_entry(reg, &dma->registrations, link)
		if (reg->region->va == ptr && reg->region->len == len)
			return reg;
	return NULL;
}

/* Registrations of a region by devices of a domain, NULL: of any. */
static unsigned int users(const struct udrv__region *region, const struct udrv__domain *of)
{
	struct udrv__domain *domain;
	unsigned int n = 0;

	udrv_list_for_each_entry(domain, &udrv__domains, link) {
		struct udrv__dma *dma;

		if (of && domain != of)
			continue;
		udrv_list_for_each_entry(dma, &domain->devices, link) {
			struct registration *reg;

			udrv_list_for_each_entry(reg, &dma->registrations, link)
				n += reg->region == region;
		}
	}
	return n;
}

static struct udrv__region *get_record(void)
{
	struct udrv__region *region;

	if (udrv_list_empty(&spare)) {
		region = calloc(1, sizeof(*region) + UDRV__DOMAINS_MAX * sizeof(region->in_use[0]));
		if (!region)
			return NULL;
		region->kind = UDRV__REGION_REGISTERED;
		region->in_use = (uint32_t *)(void *)(region + 1);
		return region;
	}
	region = udrv_list_first_entry(&spare, struct udrv__region, link);
	udrv_list_del(&region->link);
	return region;
}

static void keep_record(struct udrv__region *region)
{
	udrv_list_add(&region->link, &spare);
}

void udrv__dma_forget_records(void)
{
	struct udrv__region *region;
	struct udrv__region *next;

	udrv_list_for_each_entry_safe(region, next, &spare, link) {
		udrv_list_del(&region->link);
		free(region);
	}
}

static struct udrv__region *make(void *ptr, size_t len, enum udrv_dma_data_direction dir)
{
	struct udrv__region *region = get_record();

	if (!region)
		return NULL;
	__atomic_store_n(&region->va, (char *)ptr, __ATOMIC_RELAXED);
	__atomic_store_n(&region->len, len, __ATOMIC_RELAXED);
	__atomic_store_n(&region->directions, udrv__dma_directions(dir), __ATOMIC_RELAXED);
	return region;
}

static void leave(struct udrv__region *region)
{
	udrv_list_del(&region->link);
	udrv__region_remove(&udrv__regions_by_va, (uintptr_t)region->va, region, &registered);
	udrv__region_remove(&udrv__regions_by_iova, region->iova, region, NULL);
	udrv__iova_free(&udrv__iovas, region->iova);
	keep_record(region);
}

/* Into the tables, once it has an address; reached by nobody. */
static int enter(struct udrv__region *region)
{
	int ret = udrv__region_insert(&udrv__regions_by_iova, region->iova, region, NULL);

	if (ret)
		return ret;
	ret = udrv__region_insert(&udrv__regions_by_va, (uintptr_t)region->va, region, &registered);
	if (ret)
		udrv__region_remove(&udrv__regions_by_iova, region->iova, region, NULL);
	else
		udrv_list_add(&region->link, &registered);
	return ret;
}

static bool is_same(const struct udrv__region *region, const void *ptr, size_t len,
		    enum udrv_dma_data_direction dir)
{
	return region->va == ptr && region->len == len &&
	       region->directions == udrv__dma_directions(dir);
}

/* One that another device has registered just so, at an address that this device has, too. */
static struct udrv__region *find_same(const struct udrv__dma *dma, const void *ptr, size_t len,
				      enum udrv_dma_data_direction dir)
{
	struct udrv__region *region;

	udrv_list_for_each_entry(region, &registered, link)
		if (is_same(region, ptr, len, dir) &&
		    udrv__dma_fits(udrv_dma_get_mask(dma->dev), region->iova, len))
			return region;
	return NULL;
}

static int reach(struct udrv__dma *dma, struct udrv__region *region)
{
	return udrv__region_reached_by(region, dma->domain->id)
		       ? 0
		       : udrv__domain_map(dma->domain, region);
}

static int register_new(struct udrv__dma *dma, struct registration *reg, void *ptr, size_t len,
			enum udrv_dma_data_direction dir)
{
	udrv_iova_t limit = udrv_dma_get_mask(dma->dev);
	struct udrv__region *region = make(ptr, len, dir);
	int ret;

	if (!region) {
		udrv_dev_err(dma->dev, "cannot register %zu bytes for DMA: out of memory", len);
		return -ENOMEM;
	}
	ret = udrv__domain_reserve(dma->domain, region, limit);
	if (ret)
		goto err_record;
	ret = enter(region);
	if (ret)
		goto err_iova;
	ret = udrv__domain_map(dma->domain, region);
	if (ret) {
		dma->dev->ops->dma_explain(dma->dev, len, -ret);
		leave(region);
		return ret;
	}
	reg->region = region;
	return 0;

err_iova:
	udrv__iova_free(&udrv__iovas, region->iova);
err_record:
	udrv__domain_explain(dma->dev, len, limit, ret);
	keep_record(region);
	return ret;
}

/* Where the backend chooses addresses. */

static int pin_new(struct udrv__dma *dma, struct registration *reg, void *ptr, size_t len,
		   enum udrv_dma_data_direction dir)
{
	struct udrv__region *region = make(ptr, len, dir);
	int ret;

	if (!region)
		return -ENOMEM;
	ret = udrv__chosen_get(dma->dev, udrv_dma_get_mask(dma->dev), region);
	if (ret)
		goto err_record;
	reg->block = (struct udrv__dma_block){
		.va = region->va,
		.len = region->len,
		.iova = region->iova,
		.handle = region->handle,
	};
	ret = enter(region);
	if (ret)
		goto err_pin;
	udrv__region_set_reached(region, dma->domain->id, true);
	reg->region = region;
	return 0;

err_pin:
	if (udrv__chosen_free(dma->dev, region))
		return ret; /* the record keeps the address */
err_record:
	keep_record(region);
	return ret;
}

static struct udrv__region *find_same_at(udrv_iova_t iova, const void *ptr, size_t len,
					 enum udrv_dma_data_direction dir)
{
	struct udrv__region *region;

	udrv_list_for_each_entry(region, &registered, link)
		if (is_same(region, ptr, len, dir) && region->iova == iova)
			return region;
	return NULL;
}

/*
 * Without an IOMMU memory has the same address for all devices: one record does for those that
 * registered just the same. -ENOENT: it is not so.
 */
static int pin_same(struct udrv__dma *dma, struct registration *reg, struct udrv__region *like,
		    enum udrv_dma_data_direction dir)
{
	int ret = udrv__chosen_pin_block(dma->dev, udrv_dma_get_mask(dma->dev), like, &reg->block);

	if (ret)
		return ret;
	reg->region = find_same_at(reg->block.iova, like->va, like->len, dir);
	if (reg->region) {
		udrv__region_set_reached(reg->region, dma->domain->id, true);
		return 0;
	}
	ret = udrv__chosen_unpin_block(dma->dev, &reg->block);
	return ret ? ret : -ENOENT;
}

static int register_pinned(struct udrv__dma *dma, struct registration *reg, void *ptr, size_t len,
			   enum udrv_dma_data_direction dir)
{
	struct udrv__region *region;
	int ret = -ENOENT;

	udrv_list_for_each_entry(region, &registered, link) {
		if (!is_same(region, ptr, len, dir))
			continue;
		ret = pin_same(dma, reg, region, dir);
		break;
	}
	if (ret == -ENOENT)
		ret = pin_new(dma, reg, ptr, len, dir);
	if (ret)
		udrv__chosen_explain(dma->dev, len, udrv_dma_get_mask(dma->dev), ret);
	return ret;
}

static bool is_arenas(const char *ptr, size_t len)
{
	for (size_t i = 0; i < len; i += UDRV__PAGE_MIN)
		if (udrv__region_of(ptr + i)->arena)
			return true;
	return false;
}

static int register_locked(struct udrv__dma *dma, struct registration *reg, void *ptr, size_t len,
			   enum udrv_dma_data_direction dir)
{
	bool chosen = dma->domain->chosen;
	struct udrv__region *same = chosen ? NULL : find_same(dma, ptr, len, dir);
	int ret = 0;

	if (find(dma, ptr, len) || is_arenas(ptr, len)) {
		udrv_dev_err(dma->dev, "%p+0x%zx is registered for DMA already", ptr, len);
		return -EEXIST;
	}
	if (chosen)
		ret = register_pinned(dma, reg, ptr, len, dir);
	else if (same && !reach(dma, same))
		reg->region = same;
	else
		ret = register_new(dma, reg, ptr, len, dir);
	if (!ret)
		udrv_list_add(&reg->link, &dma->registrations);
	return ret;
}

int udrv_dma_register(struct udrv_device *dev, void *ptr, size_t len,
		      enum udrv_dma_data_direction dir)
{
	struct udrv__dma *dma = dev->dma;
	struct registration *reg;
	int ret;

	if (!ptr || !len || ((uintptr_t)ptr | len) & (dma->page_size - 1) ||
	    (unsigned int)dir > UDRV_DMA_FROM_DEVICE || len > SIZE_MAX / 2) {
		udrv_dev_err(dev, "cannot register %zu bytes at %p for DMA: whole pages are needed",
			     len, ptr);
		return -EINVAL;
	}
	reg = calloc(1, sizeof(*reg));
	if (!reg) {
		udrv_dev_err(dev, "cannot register %zu bytes for DMA: out of memory", len);
		return -ENOMEM;
	}
	pthread_mutex_lock(&udrv__regions_lock);
	ret = register_locked(dma, reg, ptr, len, dir);
	pthread_mutex_unlock(&udrv__regions_lock);
	if (ret)
		free(reg);
	return ret;
}

static int unreach(struct udrv__dma *dma, const struct registration *reg)
{
	if (!dma->domain->chosen)
		return udrv__domain_unmap(dma->domain, reg->region);
	udrv__region_set_reached(reg->region, dma->domain->id, false);
	return udrv__chosen_unpin_block(dma->dev, &reg->block);
}

/* Off the device's list already. */
static int drop(struct udrv__dma *dma, const struct registration *reg)
{
	struct udrv__region *region = reg->region;
	int ret = users(region, dma->domain) ? 0 : unreach(dma, reg);

	if (!ret && !users(region, NULL))
		leave(region);
	return ret;
}

/* Nobody finds it any more; then, whether nobody has. */
static bool is_idle(const struct udrv__domain *domain, struct udrv__region *region)
{
	udrv__region_set_reached(region, domain->id, false);
	if (!__atomic_load_n(&region->in_use[domain->id], __ATOMIC_SEQ_CST))
		return true;
	udrv__region_set_reached(region, domain->id, true);
	return false;
}

static int unregister_locked(struct udrv__dma *dma, const void *ptr, size_t len)
{
	struct registration *reg = find(dma, ptr, len);
	int ret;

	if (!reg)
		return -ENOENT;
	if (users(reg->region, dma->domain) == 1 && !is_idle(dma->domain, reg->region))
		return -EBUSY;
	udrv_list_del(&reg->link);
	ret = drop(dma, reg);
	if (ret)
		udrv_list_add(&reg->link, &dma->registrations); /* it may be tried again */
	else
		free(reg);
	return ret;
}

int udrv_dma_unregister(struct udrv_device *dev, void *ptr, size_t len)
{
	int ret;

	pthread_mutex_lock(&udrv__regions_lock);
	ret = unregister_locked(dev->dma, ptr, len);
	pthread_mutex_unlock(&udrv__regions_lock);
	if (ret == -ENOENT || ret == -EBUSY)
		udrv_dev_err(dev, "%p+0x%zx cannot be unregistered: %s", ptr, len,
			     ret == -EBUSY ? "buffers in it are mapped" : "it is not registered");
	return ret;
}

/* A device of the same domain, which reaches the same memory. */
static struct udrv__dma *neighbour(const struct udrv__dma *dma)
{
	struct udrv__dma *other;

	udrv_list_for_each_entry(other, &dma->domain->devices, link)
		if (other != dma)
			return other;
	return NULL;
}

/* What the IOMMU does not let go: its address is not used again, and nothing finds it. */
static void abandon(struct udrv__region *region)
{
	udrv_list_del(&region->link);
	udrv__region_remove(&udrv__regions_by_va, (uintptr_t)region->va, region, &registered);
	udrv__region_remove(&udrv__regions_by_iova, region->iova, region, NULL);
}

static void end_registration(struct udrv__dma *dma, struct registration *reg)
{
	struct udrv__region *region = reg->region;
	struct udrv__dma *heir = neighbour(dma);

	udrv_list_del(&reg->link);
	if (heir && !users(region, dma->domain) && !is_idle(dma->domain, region)) {
		/* Its buffers may be the neighbour's. */
		udrv_list_add(&reg->link, &heir->registrations);
		return;
	}
	/* Nobody is left to unmap them. */
	if (!heir)
		__atomic_store_n(&region->in_use[dma->domain->id], 0, __ATOMIC_RELAXED);
	if (drop(dma, reg))
		abandon(region);
	free(reg);
}

void udrv__dma_unregister_all(struct udrv__dma *dma)
{
	struct registration *reg;
	struct registration *next;

	pthread_mutex_lock(&udrv__regions_lock);
	udrv_list_for_each_entry_safe(reg, next, &dma->registrations, link)
		end_registration(dma, reg);
	pthread_mutex_unlock(&udrv__regions_lock);
}
