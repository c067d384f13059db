// SPDX-License-Identifier: MIT
/* The bytes in free objects and around all of them. Values of Linux include/linux/poison.h. */
#include <string.h>

#include "mem/slab_debug.h"

#define POISON_INUSE 0x5a
#define POISON_FREE  0x6b
#define POISON_END   0xa5
#define RED_INACTIVE 0xbb
#define RED_ACTIVE   0xcc

/* Bytes that all have one value, from an object's start. */
struct zone {
	const char *what;
	ptrdiff_t first;
	ptrdiff_t end;
	unsigned char value;
};

/* Those of an object in that state, in order; how many. */
static int list_zones(const struct udrv_kmem_cache *cache, size_t requested, bool allocated,
		      struct zone zones[4])
{
	const struct udrv__slab_debug *debug = cache->debug;
	ptrdiff_t size = (ptrdiff_t)cache->object_size;
	ptrdiff_t left = (ptrdiff_t)debug->red_left;
	ptrdiff_t end = (ptrdiff_t)cache->size - left;
	unsigned char red = allocated ? RED_ACTIVE : RED_INACTIVE;
	int n = 0;

	if (cache->flags & UDRV_SLAB_RED_ZONE) {
		zones[n++] = (struct zone){"left red zone overwritten", -left, 0, red};
		zones[n++] = (struct zone){"right red zone overwritten",
					   allocated ? (ptrdiff_t)requested : size, end, red};
	}
	if (debug->poisons && !allocated) {
		zones[n++] = (struct zone){"written after it was freed", 0, size - 1, POISON_FREE};
		zones[n++] =
			(struct zone){"written after it was freed", size - 1, size, POISON_END};
	}
	return n;
}

static bool check_zone(const unsigned char *obj, const struct zone *zone,
		       struct udrv__slab_finding *found)
{
	const unsigned char *p = obj + zone->first;
	const unsigned char *end = obj + zone->end;
	size_t rest = (size_t)(end - p);

	if (!rest || (*p == zone->value && !memcmp(p, p + 1, rest - 1)))
		return false;
	while (*p == zone->value)
		p++;
	while (end[-1] == zone->value)
		end--;
	rest = (size_t)(end - p);
	found->what = zone->what;
	found->offset = p - obj;
	found->span = rest;
	found->expected = zone->value;
	memcpy(found->seen, p, rest < sizeof(found->seen) ? rest : sizeof(found->seen));
	return true;
}

bool udrv__slab_check(const struct udrv_kmem_cache *cache, const void *obj, bool allocated,
		      struct udrv__slab_finding *found)
{
	const struct udrv__slab_meta *meta = udrv__slab_meta_of(cache, obj);
	bool tools = cache->debug->tools;
	struct zone zones[4];
	int n = list_zones(cache, meta->requested, allocated, zones);
	bool wrong = false;

	for (int i = 0; i < n && !wrong; i++) {
		const char *p = (const char *)obj + zones[i].first;
		size_t size = (size_t)(zones[i].end - zones[i].first);

		if (tools)
			udrv__slab_tools_open(p, size);
		wrong = check_zone(obj, &zones[i], found);
		if (tools)
			udrv__slab_tools_close(p, size);
	}
	if (!wrong)
		return false;
	found->object = found->pointer = obj;
	if (cache->flags & UDRV_SLAB_STORE_USER)
		memcpy(found->tracks, meta->tracks, sizeof(found->tracks));
	return true;
}

void udrv__slab_paint(const struct udrv_kmem_cache *cache, void *obj, bool allocated)
{
	const struct udrv__slab_debug *debug = cache->debug;
	size_t requested = udrv__slab_meta_of(cache, obj)->requested;
	struct zone zones[4];
	int n = list_zones(cache, requested, allocated, zones);
	char *p = obj;
	char *start = p - debug->red_left;

	if (debug->tools)
		udrv__slab_tools_open(start, cache->size);
	for (int i = 0; i < n; i++)
		memset(p + zones[i].first, zones[i].value, (size_t)(zones[i].end - zones[i].first));
	if (debug->poisons && allocated) {
		memset(p, POISON_INUSE, cache->object_size - 1);
		p[cache->object_size - 1] = (char)POISON_END;
	}
	if (debug->tools)
		udrv__slab_tools_close(start, cache->size);
}

void udrv__slab_paint_slack(void *obj, size_t first, size_t end)
{
	memset((char *)obj + first, RED_ACTIVE, end - first);
}

/*
 * One object of a slab that does not go, under the lock: whether something new is wrong with it.
 * What is between a slab and a thread is nobody else's.
 */
static bool examine(struct udrv_kmem_cache *cache, struct udrv__slab_head *head, size_t i,
		    struct udrv__slab_finding *found)
{
	struct udrv__slab_meta *meta = udrv__slab_meta_at(cache, head, i);
	void *obj = udrv__slab_object_of(cache, meta);
	enum udrv__slab_state state = udrv__slab_state_of(meta);
	bool allocated = state == UDRV__SLAB_ALLOCATED;

	if (state == UDRV__SLAB_FREE ? !udrv__slab_has(cache, obj)
				     : !allocated && state != UDRV__SLAB_QUEUED)
		return false;
	if (meta->damaged || !udrv__slab_check(cache, obj, allocated, found))
		return false;
	found->done = allocated ? "it will not be handed out again" : "it is not handed out again";
	meta->damaged = true;
	return true;
}

static int validate_slab(struct udrv_kmem_cache *cache, struct udrv__slab_head *head)
{
	int errors = 0;

	for (size_t i = 0; i < head->count; i++) {
		struct udrv__slab_finding found = {0};
		bool wrong;

		udrv__slab_lock(cache);
		wrong = examine(cache, head, i, &found);
		udrv__slab_unlock(cache);
		if (wrong)
			udrv__slab_report(cache, &found);
		errors += wrong;
	}
	return errors;
}

static struct udrv__slab_head *next_slab(struct udrv_kmem_cache *cache, struct udrv_list_head *link)
{
	struct udrv_list_head *next;

	udrv__slab_lock(cache);
	next = link->next;
	udrv__slab_unlock(cache);
	return next == &cache->debug->slabs ? NULL
					    : udrv_list_entry(next, struct udrv__slab_head, link);
}

int udrv_kmem_cache_validate(struct udrv_kmem_cache *cache)
{
	struct udrv__slab_debug *debug = cache->debug;
	struct udrv__slab_head *head;
	int errors = 0;

	if (!debug || udrv__slab_foreign(cache))
		return 0;
	pthread_mutex_lock(&debug->walk);
	for (head = next_slab(cache, &debug->slabs); head; head = next_slab(cache, &head->link))
		errors += validate_slab(cache, head);
	pthread_mutex_unlock(&debug->walk);
	return errors;
}
