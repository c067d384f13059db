// SPDX-License-Identifier: MIT
/*
 * Where the framework chooses addresses, a sharer gets a mapping of its own at the same one. Where
 * the backend does, without an IOMMU, memory has one address anyway, and the sharer pins it: so it
 * stays until both devices are done with it, whichever ends first.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/log.h>

#include "mem/chosen.h"
#include "mem/share.h"
#include "pci/device.h"

/* What a device has pinned of others' memory. */
struct share {
	struct udrv_list_head link;
	struct udrv__dma_block block;
};

static bool is_sharer(const struct udrv__arena *arena, const struct udrv__domain *domain)
{
	return arena->sharers[domain->id / 64] >> domain->id % 64 & 1;
}

static void set_sharer(struct udrv__arena *arena, const struct udrv__domain *domain, bool is)
{
	const uint64_t bit = UINT64_C(1) << domain->id % 64;

	if (is)
		arena->sharers[domain->id / 64] |= bit;
	else
		arena->sharers[domain->id / 64] &= ~bit;
}

static struct udrv__dma *dma_of(const struct udrv__domain *domain)
{
	return udrv__domain_device(domain)->dma;
}

/* Pinned memory. */

static int pin(struct udrv__domain *domain, struct udrv__region *region)
{
	struct udrv_device *dev = udrv__domain_device(domain);
	struct share *share = calloc(1, sizeof(*share));
	int ret;

	if (!share)
		return -ENOMEM;
	ret = udrv__chosen_pin_block(dev, udrv_dma_get_mask(dev), region, &share->block);
	if (ret)
		goto err_free;
	ret = -EADDRINUSE;
	if (share->block.iova != region->iova)
		goto err_pin;
	udrv_list_add(&share->link, &dev->dma->shares);
	udrv__region_set_reached(region, domain->id, true);
	return 0;

err_pin:
	(void)udrv__chosen_unpin_block(dev, &share->block);
err_free:
	free(share);
	return ret;
}

static void unpin(struct udrv__dma *dma, struct share *share)
{
	udrv_list_del(&share->link);
	(void)udrv__chosen_unpin_block(dma->dev, &share->block);
	free(share);
}

static void unpin_region(struct udrv__dma *dma, const struct udrv__region *region)
{
	struct share *share;
	struct share *next;

	udrv_list_for_each_entry_safe(share, next, &dma->shares, link)
		if (share->block.iova == region->iova)
			unpin(dma, share);
}

/* Either way. */

static bool can_be_shared(const struct udrv__region *region)
{
	return !region->arena->domain->chosen || region->page_size;
}

static int reach(struct udrv__domain *domain, struct udrv__region *region)
{
	return domain->chosen ? pin(domain, region) : udrv__domain_map(domain, region);
}

static void unreach(struct udrv__domain *domain, struct udrv__region *region)
{
	if (!udrv__region_reached_by(region, domain->id))
		return;
	if (!domain->chosen) {
		(void)udrv__domain_unmap(domain, region);
		return;
	}
	udrv__region_set_reached(region, domain->id, false);
	unpin_region(dma_of(domain), region);
}

static void unreach_all(struct udrv__domain *domain, struct udrv__arena *arena)
{
	struct udrv__region *region;

	udrv_list_for_each_entry(region, &arena->regions, link)
		unreach(domain, region);
}

static void explain(struct udrv_device *dev, const struct udrv__region *region, int err)
{
	if (dev->dma->domain->chosen)
		udrv__chosen_explain(dev, region->len, udrv_dma_get_mask(dev), err);
	else if (err == -ERANGE)
		udrv_dev_err(dev,
			     "cannot reach memory of %s at 0x%llx+0x%zx: its IOMMU does not "
			     "translate that address",
			     udrv__domain_device(region->arena->domain)->name,
			     (unsigned long long)region->iova, region->len);
	else
		dev->ops->dma_explain(dev, region->len, -err);
}

/* All that can be, or none. -EOPNOTSUPP: there is memory, and none of it can be. */
static int reach_all(struct udrv__domain *domain, struct udrv__arena *arena)
{
	int ret = udrv_list_empty(&arena->regions) ? 0 : -EOPNOTSUPP;
	struct udrv__region *region;

	udrv_list_for_each_entry(region, &arena->regions, link) {
		if (!can_be_shared(region))
			continue;
		ret = reach(domain, region);
		if (ret) {
			explain(udrv__domain_device(domain), region, ret);
			unreach_all(domain, arena);
			return ret;
		}
	}
	return ret;
}

static bool are_alike(struct udrv_device *owner, struct udrv_device *sharer)
{
	if (!owner->dma->domain->chosen && !sharer->dma->domain->chosen)
		return true;
	return udrv__chosen_is_untranslated(owner) && udrv__chosen_is_untranslated(sharer);
}

static int share_locked(struct udrv_device *owner, struct udrv_device *sharer)
{
	struct udrv__arena *arena = &owner->dma->domain->arena;
	struct udrv__domain *domain = sharer->dma->domain;
	int ret;

	if (domain == owner->dma->domain || is_sharer(arena, domain))
		return 0;
	if (!are_alike(owner, sharer)) {
		udrv_dev_err(sharer,
			     "cannot reach memory of %s at the same address: bind both to "
			     "vfio-pci, or, without an IOMMU, to udrv_stub",
			     owner->name);
		return -EOPNOTSUPP;
	}
	ret = reach_all(domain, arena);
	if (ret == -EOPNOTSUPP)
		udrv_dev_err(sharer,
			     "cannot reach memory of %s, which is not in huge pages: have some "
			     "(vm.nr_hugepages) before that device is opened",
			     owner->name);
	if (!ret)
		set_sharer(arena, domain, true);
	return ret;
}

int udrv_dma_share(struct udrv_device *owner, struct udrv_device *sharer)
{
	int ret;

	pthread_mutex_lock(&udrv__regions_lock);
	ret = share_locked(owner, sharer);
	pthread_mutex_unlock(&udrv__regions_lock);
	return ret;
}

void udrv__share_region(struct udrv__region *region)
{
	const struct udrv__arena *arena = region->arena;
	struct udrv__domain *domain;

	udrv_list_for_each_entry(domain, &udrv__domains, link) {
		struct udrv_device *dev = udrv__domain_device(domain);
		int ret;

		if (!is_sharer(arena, domain))
			continue;
		ret = can_be_shared(region) ? reach(domain, region) : -EOPNOTSUPP;
		if (ret)
			udrv_dev_warn(dev, "does not reach %zu bytes more of %s: %s", region->len,
				      udrv__domain_device(arena->domain)->name, strerror(-ret));
	}
}

/* What an IOMMU holds is unmapped from all already. */
void udrv__share_end_region(const struct udrv__region *region)
{
	struct udrv__domain *domain;

	if (!region->arena->domain || !region->arena->domain->chosen ||
	    region->free_pages != region->pages)
		return;
	udrv_list_for_each_entry(domain, &udrv__domains, link)
		if (domain->chosen)
			unpin_region(dma_of(domain), region);
}

void udrv__share_end_domain(struct udrv__domain *domain)
{
	struct udrv__dma *dma = dma_of(domain);
	struct udrv__domain *other;
	struct share *share;
	struct share *next;

	udrv_list_for_each_entry(other, &udrv__domains, link) {
		if (!is_sharer(&other->arena, domain))
			continue;
		set_sharer(&other->arena, domain, false);
		unreach_all(domain, &other->arena);
	}
	/* Of devices that are closed. */
	udrv_list_for_each_entry_safe(share, next, &dma->shares, link)
		unpin(dma, share);
}
