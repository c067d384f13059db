// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include <udrv/log.h>
#include <udrv/pci.h>

#include "mem/domain.h"
#include "mem/share.h"
#include "pci/device.h"

#define KEY_LAST ((UINT64_C(1) << UDRV__KEY_BITS) - 1)

UDRV_LIST_HEAD(udrv__domains);
bool udrv__common_is_apart;
bool udrv__dma_copies;

static uint64_t ids[UDRV__DOMAINS_MAX / 64];

struct udrv_device *udrv__domain_device(const struct udrv__domain *domain)
{
	return udrv_list_first_entry(&domain->devices, struct udrv__dma, link)->dev;
}

static int take_id(struct udrv__domain *domain)
{
	for (uint32_t i = 0; i < UDRV__DOMAINS_MAX; i++) {
		if (ids[i / 64] >> i % 64 & 1)
			continue;
		ids[i / 64] |= UINT64_C(1) << i % 64;
		domain->id = i;
		return 0;
	}
	return -ENOSPC;
}

static void give_id(const struct udrv__domain *domain)
{
	ids[domain->id / 64] &= ~(UINT64_C(1) << domain->id % 64);
}

static int learn_ranges(struct udrv__domain *domain, struct udrv_device *dev)
{
	int ret;

	domain->chosen = dev->ops->dma_alloc;
	if (domain->chosen) {
		domain->ranges[0] = (struct udrv__iova_range){0, KEY_LAST};
		domain->range_count = 1;
		return 0;
	}
	ret = dev->ops->iova_ranges(dev, domain->ranges, UDRV__IOVA_RANGES_MAX);
	if (ret < 0) {
		udrv_dev_err(dev, "cannot learn which addresses the IOMMU translates: %s",
			     strerror(-ret));
		return ret;
	}
	domain->range_count = (size_t)ret;
	for (size_t i = 0; i < domain->range_count; i++) {
		udrv_dev_dbg(dev, "device addresses 0x%llx-0x%llx are translated",
			     (unsigned long long)domain->ranges[i].first,
			     (unsigned long long)domain->ranges[i].last);
		/* The tables have no room for more. */
		if (domain->ranges[i].last > KEY_LAST)
			domain->ranges[i].last = KEY_LAST;
	}
	return 0;
}

/* Not these. Where there is no room for so many ranges, the highest are left out. */
static void cut(struct udrv__domain *domain, udrv_iova_t first, udrv_iova_t last)
{
	const size_t count = domain->range_count;
	struct udrv__iova_range old[UDRV__IOVA_RANGES_MAX];

	memcpy(old, domain->ranges, count * sizeof(old[0]));
	domain->range_count = 0;
	for (size_t i = 0; i < count; i++) {
		const struct udrv__iova_range parts[] = {
			{old[i].first, first - 1 < old[i].last ? first - 1 : old[i].last},
			{last + 1 > old[i].first ? last + 1 : old[i].first, old[i].last},
		};

		for (size_t k = 0; k < 2; k++)
			if (parts[k].first <= parts[k].last &&
			    domain->range_count < UDRV__IOVA_RANGES_MAX)
				domain->ranges[domain->range_count++] = parts[k];
	}
}

/*
 * What a device decodes itself may not get as far as the IOMMU: a switch sends it to the BAR, and
 * an NVMe controller takes it for its own memory. The kernel's own DMA does without, too.
 */
static int cut_bars(const struct udrv_pci_info *info, void *ctx)
{
	const uint64_t mask = UDRV__PAGE_MIN - 1;

	for (int i = 0; i < UDRV_PCI_STD_NUM_BARS; i++) {
		const struct udrv_pci_resource *r = &info->resource[i];

		if (r->start && r->len && r->flags & UDRV_RESOURCE_MEM)
			cut(ctx, r->start & ~mask, (r->start + (r->len - 1)) | mask);
	}
	return 0;
}

/* Of all that may join the domain: once there is memory, it is too late. */
static int cut_bars_of_group(struct udrv__domain *domain, const struct udrv_device *dev)
{
	const int group = dev->info.iommu_group;
	int ret = group < 0 ? 0 : udrv_iommu_group_for_each(group, cut_bars, domain);

	if (ret)
		udrv_dev_err(dev, "cannot learn which addresses its IOMMU group has: %s",
			     strerror(-ret));
	return ret;
}

static int begin(struct udrv__domain *domain, struct udrv_device *dev)
{
	int ret = learn_ranges(domain, dev);

	if (!ret && !domain->chosen)
		ret = cut_bars_of_group(domain, dev);
	if (ret)
		return ret;
	if (take_id(domain)) {
		udrv_dev_err(dev, "a process drives devices of %u IOMMU groups at most",
			     UDRV__DOMAINS_MAX);
		return -ENOSPC;
	}
	udrv_init_list_head(&domain->devices);
	udrv__arena_init(&domain->arena, domain);
	udrv__arena_init(&domain->bounce, domain);
	domain->bounce.bounces = true;
	udrv_list_add_tail(&domain->link, &udrv__domains);
	return 0;
}

/* Without it buffers are mapped one by one, as other memory is. */
static void map_common(struct udrv__domain *domain, struct udrv__region *region)
{
	struct udrv_device *dev = udrv__domain_device(domain);
	int ret = udrv__domain_map(domain, region);

	if (!ret)
		return;
	if (ret != -ERANGE)
		dev->ops->dma_explain(dev, region->len, -ret);
	udrv_dev_warn(dev,
		      "%zu bytes of udrv_kmalloc()'s memory are not mapped for it: its buffers "
		      "there take a system call each",
		      region->len);
}

static void reach_common(struct udrv__domain *domain)
{
	struct udrv__region *region;

	udrv_list_for_each_entry(region, &udrv__common_arena.regions, link)
		if (region->iova)
			map_common(domain, region);
}

static struct udrv__domain *first_that_maps(void)
{
	struct udrv__domain *domain;

	udrv_list_for_each_entry(domain, &udrv__domains, link)
		if (!domain->chosen)
			return domain;
	return NULL;
}

/*
 * An address of which the device's backend knows nothing is that of somebody's memory, perhaps,
 * where no IOMMU is between. So common memory has none where all devices are such.
 */
static void take_common_addresses(void)
{
	struct udrv__region *region;

	udrv_list_for_each_entry(region, &udrv__common_arena.regions, link) {
		if (!region->iova)
			continue;
		udrv__region_remove(&udrv__regions_by_iova, region->iova, region, NULL);
		udrv__iova_free(&udrv__iovas, region->iova);
		udrv__region_set_iova(region, 0);
	}
}

/* Where there is none left, buffers there are mapped one by one. */
static void give_common_address(struct udrv__region *region)
{
	udrv_iova_t iova;

	if (udrv__common_reserve(region, UINT64_MAX))
		return;
	iova = region->iova;
	if (!udrv__region_insert(&udrv__regions_by_iova, iova, region, NULL))
		return;
	udrv__iova_free(&udrv__iovas, iova);
	udrv__region_set_iova(region, 0);
}

/* A domain came or went. */
static void settle_common(void)
{
	bool apart = !udrv_list_empty(&udrv__domains) && !first_that_maps();
	struct udrv__region *region;

	if (apart)
		take_common_addresses();
	else if (udrv__common_is_apart)
		udrv_list_for_each_entry(region, &udrv__common_arena.regions, link)
			give_common_address(region);
	__atomic_store_n(&udrv__common_is_apart, apart, __ATOMIC_RELAXED);
}

static void settle_copies(void)
{
	const struct udrv__domain *domain;
	bool chosen = false;

	udrv_list_for_each_entry(domain, &udrv__domains, link)
		chosen |= domain->chosen;
	__atomic_store_n(&udrv__dma_copies, chosen, __ATOMIC_RELAXED);
}

int udrv__domain_attach(struct udrv__dma *dma)
{
	struct udrv__domain *domain = dma->domain;
	int ret = domain->users ? 0 : begin(domain, dma->dev);

	if (ret)
		return ret;
	/* Perhaps it came to its group later. */
	if (!domain->chosen)
		(void)cut_bars(&dma->dev->info, domain);
	dma->domain_id = domain->id;
	udrv_list_add(&dma->link, &domain->devices);
	if (domain->users++)
		return 0;
	settle_copies();
	settle_common();
	if (!domain->chosen)
		reach_common(domain);
	return 0;
}

static void leave_common(struct udrv__domain *domain)
{
	struct udrv__region *region;

	udrv_list_for_each_entry(region, &udrv__common_arena.regions, link)
		if (udrv__region_reached_by(region, domain->id))
			(void)udrv__domain_unmap(domain, region);
}

void udrv__domain_forget_tables(void)
{
	if (udrv_list_empty(&udrv__domains) && udrv_list_empty(&udrv__common_arena.regions))
		udrv__region_tables_free();
}

/* The last one goes; the device is still there. */
static void end(struct udrv__domain *domain, struct udrv_device *dev)
{
	size_t left;

	leave_common(domain);
	udrv__share_end_domain(domain);
	(void)udrv__arena_end(&domain->bounce);
	left = udrv__arena_end(&domain->arena);
	if (left)
		udrv_dev_warn(dev,
			      "closed while %zu bytes of DMA memory are allocated: they are gone",
			      left);
	udrv_list_del(&domain->link);
	give_id(domain);
	settle_copies();
	settle_common();
}

void udrv__domain_detach(struct udrv__dma *dma)
{
	struct udrv__domain *domain = dma->domain;

	if (domain->users == 1)
		end(domain, dma->dev);
	udrv_list_del(&dma->link);
	domain->users--;
	udrv__domain_forget_tables();
	if (udrv_list_empty(&udrv__domains))
		udrv__dma_forget_records();
}

static uint64_t next_power(size_t len)
{
	return len <= 1 ? 1 : UINT64_C(1) << (64 - __builtin_clzll(len - 1));
}

/*
 * At an address that huge pages of the IOMMU can map, or, if it is small, one that is as aligned as
 * the kernel's dma_alloc_coherent() promises; any if there is none.
 */
static int reserve(const struct udrv__iova_range *ranges, size_t count, struct udrv__region *region,
		   udrv_iova_t limit, bool low)
{
	bool huge = region->len >= UDRV__CHUNK;
	struct udrv__iova_want want = {
		.len = region->len,
		.align = huge ? UDRV__CHUNK : next_power(region->len),
		.offset = huge ? (uintptr_t)region->va & (UDRV__CHUNK - 1) : 0,
		.limit = limit < KEY_LAST ? limit : KEY_LAST,
		.low = low,
		.fresh = region->kind == UDRV__REGION_STREAM,
		.by = region,
	};
	udrv_iova_t iova;
	int ret = udrv__iova_alloc(&udrv__iovas, ranges, count, &want, &iova);

	if (ret == -ENOSPC && (region->kind != UDRV__REGION_ARENA || region->loose)) {
		want.align = UDRV__PAGE_MIN;
		want.offset = 0;
		ret = udrv__iova_alloc(&udrv__iovas, ranges, count, &want, &iova);
	}
	if (!ret)
		udrv__region_set_iova(region, iova);
	return ret;
}

int udrv__domain_reserve(const struct udrv__domain *domain, struct udrv__region *region,
			 udrv_iova_t limit)
{
	return reserve(domain->ranges, domain->range_count, region, limit, false);
}

int udrv__common_reserve(struct udrv__region *region, udrv_iova_t limit)
{
	/* Before there is a device: what any IOMMU translates. */
	static const struct udrv__iova_range usual = {UDRV__PAGE_MIN, 0xfedfffff};
	const struct udrv__domain *domain = first_that_maps();

	if (udrv_list_empty(&udrv__domains))
		return reserve(&usual, 1, region, limit, true);
	if (!domain)
		return -ENOSPC;
	return reserve(domain->ranges, domain->range_count, region, limit, true);
}

void udrv__domain_explain(struct udrv_device *dev, size_t len, uint64_t mask, int err)
{
	const struct udrv__domain *domain = dev->dma->domain;
	udrv_iova_t last = 0;

	for (size_t i = 0; i < domain->range_count; i++)
		if (last < domain->ranges[i].last)
			last = domain->ranges[i].last;
	if (domain->chosen)
		udrv_dev_err(dev, "no device address for %zu bytes that is as aligned as they are",
			     len);
	else if (last < mask)
		udrv_dev_err(dev,
			     "no free device address for %zu bytes below 0x%llx, the last that "
			     "the IOMMU translates: %s",
			     len, (unsigned long long)last, strerror(-err));
	else
		udrv_dev_err(dev,
			     "no free device address for %zu bytes below the DMA mask 0x%llx: %s",
			     len, (unsigned long long)mask, strerror(-err));
}

static bool translates(const struct udrv__domain *domain, udrv_iova_t iova, size_t len)
{
	for (size_t i = 0; i < domain->range_count; i++)
		if (iova >= domain->ranges[i].first && iova + (len - 1) <= domain->ranges[i].last)
			return true;
	return false;
}

int udrv__domain_map(struct udrv__domain *domain, struct udrv__region *region)
{
	struct udrv_device *dev = udrv__domain_device(domain);
	int ret;

	if (!translates(domain, region->iova, region->len))
		return -ERANGE;
	ret = dev->ops->dma_map(dev, region->va, region->len, region->iova,
				udrv__region_allows(region, UDRV_DMA_TO_DEVICE),
				udrv__region_allows(region, UDRV_DMA_FROM_DEVICE));
	if (!ret)
		udrv__region_set_reached(region, domain->id, true);
	udrv_dev_dbg(dev, "DMA map of %zu bytes at 0x%llx: %s", region->len,
		     (unsigned long long)region->iova, ret ? strerror(-ret) : "done");
	return ret;
}

int udrv__domain_unmap(struct udrv__domain *domain, struct udrv__region *region)
{
	struct udrv_device *dev = udrv__domain_device(domain);
	int ret;

	udrv__region_set_reached(region, domain->id, false);
	ret = dev->ops->dma_unmap(dev, region->iova, region->len);
	if (ret)
		udrv_dev_err(dev, "DMA unmap of 0x%llx+0x%zx failed: %s; its memory is kept",
			     (unsigned long long)region->iova, region->len, strerror(-ret));
	return ret;
}

int udrv__region_unmap_all(struct udrv__region *region)
{
	struct udrv__domain *domain;
	int ret = 0;

	udrv_list_for_each_entry(domain, &udrv__domains, link) {
		int err = udrv__region_reached_by(region, domain->id)
				  ? udrv__domain_unmap(domain, region)
				  : 0;

		ret = ret ? ret : err;
	}
	return ret;
}

void udrv__common_map(struct udrv__region *region)
{
	struct udrv__domain *domain;

	udrv_list_for_each_entry(domain, &udrv__domains, link)
		if (!domain->chosen)
			map_common(domain, region);
}
