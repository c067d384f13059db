// SPDX-License-Identifier: MIT
/* Who allocated what is still allocated when its cache is to go. */
#include <udrv/log.h>

#include "mem/slab_debug.h"

#define SITES_MAX   32
#define OBJECTS_MAX 8

struct site {
	void *frame;
	uint64_t objects;
};

struct leaks {
	struct site sites[SITES_MAX];
	size_t count;
	uint64_t elsewhere; /* objects */
	uint64_t objects;
};

static void add_leak(struct leaks *leaks, void *frame)
{
	size_t i = 0;

	while (i < leaks->count && leaks->sites[i].frame != frame)
		i++;
	if (i == SITES_MAX) {
		leaks->elsewhere++;
		return;
	}
	leaks->count += i == leaks->count;
	leaks->sites[i].frame = frame;
	leaks->sites[i].objects++;
}

static void add_object(struct udrv_kmem_cache *cache, const struct udrv__slab_meta *meta,
		       struct leaks *leaks)
{
	if (cache->flags & UDRV_SLAB_STORE_USER)
		add_leak(leaks, meta->tracks[0].frames[0]);
	else if (leaks->objects < OBJECTS_MAX)
		udrv_pr_err("cache %s:   object %p", cache->name,
			    udrv__slab_object_of(cache, meta));
	leaks->objects++;
}

static void sort(struct leaks *leaks)
{
	for (size_t i = 1; i < leaks->count; i++)
		for (size_t j = i; j && leaks->sites[j - 1].objects < leaks->sites[j].objects;
		     j--) {
			struct site more = leaks->sites[j];

			leaks->sites[j] = leaks->sites[j - 1];
			leaks->sites[j - 1] = more;
		}
}

static void report(const struct udrv_kmem_cache *cache, const struct leaks *leaks)
{
	for (size_t i = 0; i < leaks->count; i++)
		udrv__slab_report_site(cache, leaks->sites[i].objects, leaks->sites[i].frame);
	if (leaks->elsewhere)
		udrv_pr_err("cache %s:   %llu objects from other places", cache->name,
			    (unsigned long long)leaks->elsewhere);
}

void udrv__slab_debug_report_leaks(struct udrv_kmem_cache *cache)
{
	struct leaks leaks = {.count = 0};
	struct udrv__slab_head *head;

	udrv_list_for_each_entry(head, &cache->debug->slabs, link)
		for (size_t i = 0; i < head->count; i++) {
			struct udrv__slab_meta *meta = udrv__slab_meta_at(cache, head, i);

			if (udrv__slab_state_of(meta) == UDRV__SLAB_ALLOCATED)
				add_object(cache, meta, &leaks);
		}
	sort(&leaks);
	report(cache, &leaks);
}
