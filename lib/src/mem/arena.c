// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/device.h>
#include <udrv/log.h>

#include "mem/backing.h"
#include "mem/bounce.h"
#include "mem/chosen.h"
#include "mem/domain.h"
#include "mem/lock.h"
#include "mem/runs.h"
#include "mem/share.h"
#include "mem/slab.h"
#include "pci/device.h"

#define REGION_FIRST ((size_t)512 << 10)
#define REGION_MIN   UDRV__CHUNK
#define REGION_MAX   ((size_t)64 << 20)
#define FRUGAL_MIN   ((size_t)256 << 10)
#define FRUGAL_MAX   ((size_t)4 << 20)
#define PAGES_LARGE  ((size_t)64 << 10) /* of any machine */

struct udrv__arena udrv__common_arena = {
	.regions = UDRV_LIST_HEAD_INIT(udrv__common_arena.regions),
};

/* Why there is no region of a size. */
struct failure {
	enum { NO_MEMORY, NO_ADDRESS, NOT_MAPPED, NOT_GIVEN } what;
	int err;
};

void udrv__arena_init(struct udrv__arena *arena, struct udrv__domain *domain)
{
	*arena = (struct udrv__arena){.domain = domain, .generation = udrv__fork_generation};
	udrv_init_list_head(&arena->regions);
}

static size_t page_bytes(size_t pages)
{
	return pages << UDRV__PAGE_SHIFT;
}

/* Regions: making and ending them. Under the regions' lock. */

static struct udrv__region *make_record(struct udrv__arena *arena, size_t len, int node, bool loose)
{
	size_t pages = len >> UDRV__PAGE_SHIFT;
	size_t words = udrv__run_words(pages);
	size_t bounces = arena->bounces ? pages * sizeof(struct udrv__bounce) : 0;
	struct udrv__region *region =
		calloc(1, sizeof(*region) + 2 * words * sizeof(uint64_t) + bounces);

	if (!region)
		return NULL;
	if (bounces)
		region->bounces = (struct udrv__bounce *)(void *)((uint64_t *)(void *)(region + 1) +
								  2 * words);
	region->kind = UDRV__REGION_ARENA;
	region->arena = arena;
	region->directions = udrv__dma_directions(UDRV_DMA_BIDIRECTIONAL);
	region->len = len;
	region->node = node;
	region->loose = loose;
	region->pages = region->free_pages = pages;
	region->used = (uint64_t *)(void *)(region + 1);
	region->first = region->used + words;
	return region;
}

static void end_backing(const struct udrv__region *region)
{
	udrv__backing_end(
		&(struct udrv__backing){.va = region->va, .len = region->len, .fd = region->fd});
}

static int reserve(const struct udrv__arena *arena, const struct udrv__arena_want *want,
		   struct udrv__region *region)
{
	int ret;

	if (arena->domain)
		return udrv__domain_reserve(arena->domain, region, want->limit);
	ret = udrv__common_reserve(region, want->limit);
	/* Memory that no device reaches unless the caller wants it low. */
	return ret == -ENOSPC && want->limit == UINT64_MAX ? 0 : ret;
}

static void set_backing(struct udrv__region *region, const struct udrv__backing *backing)
{
	region->va = backing->va;
	region->fd = backing->fd;
	region->page_size = backing->page_size;
}

static int get_backing(struct udrv__region *region, const struct udrv__arena_want *want)
{
	size_t align = want->align > UDRV__CHUNK ? want->align : UDRV__CHUNK;
	struct udrv__backing backing;
	int ret = udrv__backing_make(&backing, region->len, align, region->node);

	if (!ret)
		set_backing(region, &backing);
	return ret;
}

static int insert(struct udrv__region *region)
{
	int ret;

	if (region->bounces)
		return 0;
	ret = udrv__region_insert(&udrv__regions_by_va, (uintptr_t)region->va, region, NULL);
	if (ret || !region->iova)
		return ret;
	ret = udrv__region_insert(&udrv__regions_by_iova, region->iova, region, NULL);
	if (ret)
		udrv__region_remove(&udrv__regions_by_va, (uintptr_t)region->va, region, NULL);
	return ret;
}

static void take_out(const struct udrv__region *region)
{
	if (region->bounces)
		return;
	udrv__region_remove(&udrv__regions_by_va, (uintptr_t)region->va, region, NULL);
	if (region->iova)
		udrv__region_remove(&udrv__regions_by_iova, region->iova, region, NULL);
}

static bool is_chosen(const struct udrv__arena *arena)
{
	return arena->domain && arena->domain->chosen;
}

/* A device's own memory is reached by its domain alone. */
static int reach(struct udrv__arena *arena, struct udrv__region *region)
{
	if (!arena->domain) {
		if (region->iova)
			udrv__common_map(region);
		return 0;
	}
	if (!is_chosen(arena))
		return udrv__domain_map(arena->domain, region);
	udrv__region_set_reached(region, arena->domain->id, true);
	return 0;
}

static bool has_room(const struct udrv__region *region, const struct udrv__arena_want *want)
{
	return udrv__run_find(region, want->len >> UDRV__PAGE_SHIFT,
			      want->align >> UDRV__PAGE_SHIFT) != UDRV__NO_RUN;
}

static void give_chosen(struct udrv_device *dev, struct udrv__region *region)
{
	if (!udrv__chosen_free(dev, region) && region->page_size)
		end_backing(region);
}

/* Address and memory come together. */
static struct failure get_chosen(const struct udrv__arena_want *want, struct udrv__region *region)
{
	struct failure why = {NOT_GIVEN, udrv__chosen_get(want->dev, want->limit, region)};

	if (why.err || has_room(region, want))
		return why;
	/* Not even as aligned as it is long. */
	give_chosen(want->dev, region);
	return (struct failure){NO_ADDRESS, -ENOSPC};
}

/* Of a huge page, whose address is any device's: so others can be let to reach it, too. */
static struct failure get_huge(const struct udrv__arena_want *want, struct udrv__region *region)
{
	struct udrv__backing backing;
	struct failure why = {NO_MEMORY, udrv__backing_make_huge(&backing, region->node)};

	if (why.err)
		return why;
	set_backing(region, &backing);
	why = get_chosen(want, region);
	if (why.err && why.what == NOT_GIVEN)
		end_backing(region);
	return why;
}

static struct failure get_both(const struct udrv__arena_want *want, struct udrv__region *region)
{
	struct failure why = {NO_ADDRESS, reserve(region->arena, want, region)};

	if (why.err)
		return why;
	why = (struct failure){NO_MEMORY, get_backing(region, want)};
	if (why.err)
		udrv__iova_free(&udrv__iovas, region->iova);
	return why;
}

static void give_both(const struct udrv__arena *arena, struct udrv__region *region)
{
	if (is_chosen(arena)) {
		give_chosen(udrv__domain_device(arena->domain), region);
		return;
	}
	udrv__iova_free(&udrv__iovas, region->iova);
	end_backing(region);
}

/* Of memory that the kernel keeps, the record keeps the address. */
static void free_record(struct udrv__region *region)
{
	if (region->len)
		free(region);
}

typedef struct failure (*get_memory)(const struct udrv__arena_want *want,
				     struct udrv__region *region);

static struct failure add_region(struct udrv__arena *arena, const struct udrv__arena_want *want,
				 size_t len, get_memory get)
{
	struct udrv__region *region = make_record(arena, len, want->node, len == want->len);
	struct failure why = {NO_MEMORY, -ENOMEM};

	if (!region)
		return why;
	why = get(want, region);
	if (why.err)
		goto err_free;
	why = (struct failure){NO_MEMORY, insert(region)};
	if (why.err)
		goto err_both;
	why.what = NOT_MAPPED;
	why.err = reach(arena, region);
	if (why.err)
		goto err_out;
	udrv__mem_lock(&arena->lock);
	udrv_list_add_tail(&region->link, &arena->regions);
	arena->bytes += len;
	udrv__mem_unlock(&arena->lock);
	udrv__share_region(region);
	return why;

err_out:
	take_out(region);
err_both:
	give_both(arena, region);
err_free:
	free_record(region);
	return why;
}

/* Off the arena's list already. Out of the IOMMU first. */
static void end_region(struct udrv__region *region)
{
	int ret = is_chosen(region->arena) ? 0 : udrv__region_unmap_all(region);

	udrv__share_end_region(region);
	take_out(region);
	if (ret)
		return; /* still visible to a device: better lost than reused */
	give_both(region->arena, region);
	free_record(region);
}

static void explain(const struct udrv__arena_want *want, struct failure why, size_t len)
{
	if (want->gfp & UDRV_GFP_NOWARN)
		return;
	if (why.what == NOT_GIVEN) {
		udrv__chosen_explain(want->dev, len, want->limit, why.err);
		return;
	}
	if (why.what == NOT_MAPPED) {
		want->dev->ops->dma_explain(want->dev, len, -why.err);
		return;
	}
	if (!want->dev)
		udrv_pr_err("no memory for %zu bytes: %s", len, strerror(-why.err));
	else if (why.what == NO_MEMORY)
		udrv_dev_err(want->dev, "no memory for %zu bytes of DMA memory: %s", len,
			     strerror(-why.err));
	else
		udrv__domain_explain(want->dev, len, want->limit, why.err);
}

/*
 * As much as there is already, so that the regions stay few. The first one is smaller, unless it is
 * one huge page: memory that is zeroed and pinned for nobody would be most of what opening a device
 * costs, but for its reset.
 */
static size_t region_size(const struct udrv__arena *arena, size_t len)
{
	size_t size = arena->bytes < REGION_MIN ? REGION_MIN : arena->bytes;

	if (arena->domain && !arena->bytes && len <= REGION_FIRST && !udrv__backing_has_huge())
		return REGION_FIRST;
	if (size > REGION_MAX)
		size = REGION_MAX;
	if (size < len)
		size = len;
	size = (size + REGION_MIN - 1) & ~(REGION_MIN - 1);
	return size < len ? len : size;
}

static size_t next_power(size_t len)
{
	size_t power = UDRV__PAGE_MIN;

	while (power < len)
		power *= 2;
	return power;
}

/*
 * What kernels have in one piece, are powers of two. Below 4 GiB, on x86, devices get memory of the
 * lowest 16 MiB, which all that are so narrow share.
 */
static size_t chosen_size(const struct udrv__arena *arena, size_t len, udrv_iova_t limit)
{
	bool frugal = arena->bounces || limit < UINT32_MAX;
	size_t least = frugal ? FRUGAL_MIN : REGION_MIN;
	size_t most = frugal ? FRUGAL_MAX : REGION_MAX;
	size_t size = arena->bytes < least ? least : next_power(arena->bytes);

	if (size > most)
		size = most;
	if (arena->last_size && size > 2 * arena->last_size)
		size = 2 * arena->last_size;
	return size < len ? len : size;
}

/*
 * Where the device may be near its mask, or its memory bounces, small pieces of what the backend
 * has do better.
 */
static bool may_be_huge(const struct udrv__arena *arena, const struct udrv__arena_want *want)
{
	return !arena->bounces && want->len <= UDRV__CHUNK && want->limit >= UINT32_MAX &&
	       udrv__chosen_is_untranslated(want->dev);
}

/*
 * How much there is in one piece nobody tells: half as much is tried, down to what is needed. The
 * next time it begins near what was to be had.
 */
static int grow_chosen(struct udrv__arena *arena, const struct udrv__arena_want *want)
{
	const size_t wished = chosen_size(arena, want->len, want->limit);
	size_t size = wished;
	struct failure why;

	if (may_be_huge(arena, want) && !add_region(arena, want, UDRV__CHUNK, get_huge).err)
		return 0;
	why = add_region(arena, want, size, get_chosen);
	while (why.err && why.err != -EOPNOTSUPP && why.err != -ENODEV && size > want->len) {
		size = size / 2 & ~(PAGES_LARGE - 1);
		if (size < want->len)
			size = want->len;
		why = add_region(arena, want, size, get_chosen);
	}
	if (why.err == -EOPNOTSUPP && !arena->bounces)
		udrv__chosen_explain(want->dev, size, want->limit, why.err); /* always */
	else if (why.err)
		explain(want, why, size);
	else if (size < wished || arena->last_size)
		arena->last_size = size;
	return why.err;
}

/*
 * Where there is no room for as much as would be good, the least, and then what is needed, will do:
 * a limit that is tight is not to be used up.
 */
static int grow(struct udrv__arena *arena, const struct udrv__arena_want *want)
{
	size_t least = want->len < REGION_MIN ? REGION_MIN : want->len;
	struct failure why;
	size_t size;

	if (is_chosen(arena))
		return grow_chosen(arena, want);
	size = region_size(arena, want->len);
	why = add_region(arena, want, size, get_both);
	if (why.err && size > least) {
		size = least;
		why = add_region(arena, want, size, get_both);
	}
	if (why.err && size > want->len) {
		size = want->len;
		why = add_region(arena, want, size, get_both);
	}
	if (why.err)
		explain(want, why, size);
	return why.err;
}

/* Runs of pages. Under the arena's lock. */

static bool can_serve(const struct udrv__region *region, const struct udrv__arena_want *want,
		      bool any_node)
{
	const udrv_iova_t iova = udrv__region_iova(region);

	return (any_node || region->node == want->node) &&
	       region->free_pages >= want->len >> UDRV__PAGE_SHIFT &&
	       (iova || want->limit == UINT64_MAX) && iova + (region->len - 1) <= want->limit;
}

/* *dirty: bytes of it that were used before. */
static char *take_run(struct udrv__region *region, const struct udrv__arena_want *want,
		      size_t *dirty)
{
	size_t n = want->len >> UDRV__PAGE_SHIFT;
	size_t at = udrv__run_find(region, n, want->align >> UDRV__PAGE_SHIFT);

	if (at == UDRV__NO_RUN)
		return NULL;
	udrv__run_take(region, at, n);
	*dirty = region->touched > at ? page_bytes(region->touched - at) : 0;
	if (*dirty > want->len)
		*dirty = want->len;
	if (region->touched < at + n)
		region->touched = at + n;
	return region->va + page_bytes(at);
}

static char *take_locked(struct udrv__arena *arena, const struct udrv__arena_want *want,
			 bool any_node, size_t *dirty)
{
	struct udrv__region *region;
	char *p = NULL;

	udrv_list_for_each_entry(region, &arena->regions, link) {
		if (can_serve(region, want, any_node))
			p = take_run(region, want, dirty);
		if (p)
			break;
	}
	return p;
}

static void *take(struct udrv__arena *arena, const struct udrv__arena_want *want, bool any_node)
{
	size_t dirty = 0;
	char *p;

	if (!(want->gfp & UDRV_GFP_ATOMIC))
		udrv__mem_lock(&arena->lock);
	else if (!udrv__mem_trylock(&arena->lock))
		return NULL;
	p = take_locked(arena, want, any_node, &dirty);
	udrv__mem_unlock(&arena->lock);
	if (p && want->zero)
		memset(p, 0, dirty);
	return p;
}

/* The common one is this process's if there is nothing in it yet, and no device of the parent. */
static bool adopt(struct udrv__arena *arena)
{
	const struct udrv__domain *domain;
	bool free = !arena->domain;
	bool ours;

	pthread_mutex_lock(&udrv__regions_lock);
	free = free && udrv_list_empty(&arena->regions);
	udrv_list_for_each_entry(domain, &udrv__domains, link)
		free = free && domain->arena.generation == udrv__fork_generation;
	if (free)
		__atomic_store_n(&arena->generation, udrv__fork_generation, __ATOMIC_RELAXED);
	/* Another thread may have done so, and there is something in it by now. */
	ours = arena->generation == udrv__fork_generation;
	pthread_mutex_unlock(&udrv__regions_lock);
	return ours;
}

/* Its memory is shared with the parent, which alone knows what is used of it. */
bool udrv__arena_is_parents(struct udrv__arena *arena)
{
	static bool told;

	if (__atomic_load_n(&arena->generation, __ATOMIC_RELAXED) == udrv__fork_generation ||
	    adopt(arena))
		return false;
	if (!__atomic_exchange_n(&told, true, __ATOMIC_RELAXED))
		udrv_pr_err("DMA memory is the parent process's, which alone may allocate and free "
			    "it");
	return true;
}

void *udrv__arena_alloc(struct udrv__arena *arena, const struct udrv__arena_want *want)
{
	bool any_node = want->node < 0;
	void *p;

	if (udrv__arena_is_parents(arena))
		return NULL;
	p = take(arena, want, any_node);
	if (!p && want->gfp & UDRV_GFP_ATOMIC)
		return any_node ? NULL : take(arena, want, true);
	if (p)
		return p;
	pthread_mutex_lock(&udrv__regions_lock);
	do
		p = take(arena, want, any_node); /* another thread may have made room */
	while (!p && !grow(arena, want));
	if (!p && !any_node)
		p = take(arena, want, true);
	pthread_mutex_unlock(&udrv__regions_lock);
	return p;
}

static struct udrv__region *region_of(const struct udrv__arena *arena, const void *va)
{
	const struct udrv__region *region = udrv__region_of(va);

	return region->arena == arena ? (struct udrv__region *)(uintptr_t)region : NULL;
}

static size_t page_of(const struct udrv__region *region, const void *va)
{
	return (size_t)((const char *)va - region->va) >> UDRV__PAGE_SHIFT;
}

int udrv__arena_free(struct udrv__arena *arena, void *va, size_t len)
{
	struct udrv__region *region = region_of(arena, va);
	size_t n = len >> UDRV__PAGE_SHIFT;
	bool good;
	size_t at;

	if (udrv__arena_is_parents(arena))
		return 0;
	if (!region || !n || (uintptr_t)va & (UDRV__PAGE_MIN - 1))
		return -EINVAL;
	at = page_of(region, va);
	udrv__mem_lock(&arena->lock);
	good = udrv__run_length(region, at) == n;
	if (good)
		udrv__run_give(region, at, n);
	udrv__mem_unlock(&arena->lock);
	return good ? 0 : -EINVAL;
}

size_t udrv__arena_run(struct udrv__arena *arena, const void *va)
{
	struct udrv__region *region = region_of(arena, va);
	size_t n;

	if (!region || (uintptr_t)va & (UDRV__PAGE_MIN - 1) || udrv__arena_is_parents(arena))
		return 0;
	udrv__mem_lock(&arena->lock);
	n = udrv__run_length(region, page_of(region, va));
	udrv__mem_unlock(&arena->lock);
	return n << UDRV__PAGE_SHIFT;
}

/* Take the regions that are to go off the list. */
static void pick(struct udrv__arena *arena, bool all, struct udrv_list_head *gone)
{
	struct udrv__region *region;
	struct udrv__region *next;

	udrv__mem_lock(&arena->lock);
	udrv_list_for_each_entry_safe(region, next, &arena->regions, link) {
		if (!all && region->free_pages != region->pages)
			continue;
		udrv_list_move(&region->link, gone);
		arena->bytes -= region->len;
	}
	udrv__mem_unlock(&arena->lock);
}

/* Bytes; *used_out: of them, those that were handed out. */
static size_t release(struct udrv__arena *arena, bool all, size_t *used_out)
{
	UDRV_LIST_HEAD(gone);
	struct udrv__region *region;
	struct udrv__region *next;
	size_t bytes = 0;

	pick(arena, all, &gone);
	*used_out = 0;
	udrv_list_for_each_entry_safe(region, next, &gone, link) {
		bytes += region->len;
		*used_out += page_bytes(region->pages - region->free_pages);
		end_region(region);
	}
	return bytes;
}

size_t udrv__arena_shrink(struct udrv__arena *arena)
{
	size_t used;
	size_t bytes;

	if (udrv__arena_is_parents(arena))
		return 0;
	pthread_mutex_lock(&udrv__regions_lock);
	bytes = release(arena, false, &used);
	pthread_mutex_unlock(&udrv__regions_lock);
	return bytes;
}

size_t udrv__arena_end(struct udrv__arena *arena)
{
	size_t used;

	(void)release(arena, true, &used);
	return used;
}
