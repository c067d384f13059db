// SPDX-License-Identifier: MIT
/* What caches in a debug mode, and their slabs, have more than others. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "mem/slab_debug.h"

#define RED_MIN 16u

bool udrv__slab_checkers = true;

static size_t align_up(size_t n, size_t to)
{
	return (n + to - 1) & ~(to - 1);
}

static char *chunk_of(const struct udrv_kmem_cache *cache, const void *p)
{
	return (char *)((uintptr_t)p & ~(cache->chunk - 1));
}

static struct udrv__slab_head *head_of(const struct udrv_kmem_cache *cache, void *chunk)
{
	return (struct udrv__slab_head *)(void *)((char *)chunk + cache->head);
}

struct udrv__slab_meta *udrv__slab_meta_at(const struct udrv_kmem_cache *cache,
					   struct udrv__slab_head *head, size_t i)
{
	return (struct udrv__slab_meta *)(void *)(head->metas + i * cache->debug->meta_size);
}

struct udrv__slab_meta *udrv__slab_meta_of(const struct udrv_kmem_cache *cache, const void *obj)
{
	char *chunk = chunk_of(cache, obj);
	size_t i = ((size_t)((const char *)obj - chunk) - cache->first) / cache->size;

	return udrv__slab_meta_at(cache, head_of(cache, chunk), i);
}

void *udrv__slab_object_of(const struct udrv_kmem_cache *cache, const struct udrv__slab_meta *meta)
{
	char *chunk = chunk_of(cache, meta);
	const char *metas = head_of(cache, chunk)->metas;
	size_t i = (size_t)((const char *)meta - metas) / cache->debug->meta_size;

	return chunk + cache->first + i * cache->size;
}

enum udrv__slab_state udrv__slab_state_of(const struct udrv__slab_meta *meta)
{
	return __atomic_load_n(&meta->state, __ATOMIC_ACQUIRE);
}

void udrv__slab_set_state(struct udrv__slab_meta *meta, enum udrv__slab_state state)
{
	__atomic_store_n(&meta->state, (uint8_t)state, __ATOMIC_RELEASE);
}

/* Making and ending a cache. */

int udrv__slab_debug_begin(struct udrv_kmem_cache *cache, const char *name)
{
	struct udrv__slab_modes modes = udrv__slab_modes_of(name);
	bool tools = udrv__slab_checkers && !modes.none && udrv__slab_tools_there();
	struct udrv__slab_debug *debug;

	cache->flags |= modes.flags;
	if (!tools && !(cache->flags & UDRV__SLAB_MODES))
		return 0;
	debug = mmap(NULL, sizeof(*debug), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		     0);
	if (debug == MAP_FAILED)
		return -ENOMEM;
	debug->tools = tools;
	debug->poisons = cache->flags & UDRV_SLAB_POISON && !cache->ctor && !cache->dtor;
	debug->meta_size = sizeof(struct udrv__slab_meta);
	if (cache->flags & UDRV_SLAB_STORE_USER) {
		debug->meta_size += 2 * sizeof(struct udrv__slab_track);
		udrv__slab_track_ready();
	}
	udrv_init_list_head(&debug->slabs);
	pthread_mutex_init(&debug->walk, NULL);
	cache->debug = debug;
	return 0;
}

void udrv__slab_debug_widen(struct udrv_kmem_cache *cache)
{
	struct udrv__slab_debug *debug = cache->debug;

	if (debug->tools || cache->flags & UDRV_SLAB_RED_ZONE) {
		debug->red_left = cache->align;
		cache->size =
			align_up(debug->red_left + cache->object_size + RED_MIN, cache->align);
	}
	cache->before = debug->red_left;
	cache->head_size = sizeof(struct udrv__slab_head);
	cache->meta_size = debug->meta_size;
}

void udrv__slab_debug_end(struct udrv_kmem_cache *cache)
{
	munmap(cache->debug, sizeof(*cache->debug));
}

/* Slabs. */

void udrv__slab_debug_make(struct udrv_kmem_cache *cache, void *slab, uint32_t count)
{
	struct udrv__slab_head *head = head_of(cache, slab);

	if (cache->debug->tools)
		udrv__slab_tools_begin(slab, cache->chunk);
	memset(head, 0, sizeof(*head) + count * cache->debug->meta_size);
	head->count = count;
	for (uint32_t i = 0; i < count; i++) {
		void *obj = udrv__slab_object_of(cache, udrv__slab_meta_at(cache, head, i));

		if (cache->ctor)
			cache->ctor(obj);
		udrv__slab_paint(cache, obj, false);
	}
}

/* The last look at its free objects. */
void udrv__slab_debug_unmake(struct udrv_kmem_cache *cache, void *slab)
{
	struct udrv__slab_head *head = head_of(cache, slab);

	for (uint32_t i = 0; i < head->count; i++) {
		struct udrv__slab_meta *meta = udrv__slab_meta_at(cache, head, i);
		void *obj = udrv__slab_object_of(cache, meta);
		struct udrv__slab_finding found = {.done = "its memory is given back"};

		if (!meta->damaged && udrv__slab_check(cache, obj, false, &found))
			udrv__slab_report(cache, &found);
		if (!cache->dtor)
			continue;
		if (cache->debug->tools)
			udrv__slab_tools_open(obj, cache->object_size);
		cache->dtor(obj);
	}
	if (cache->debug->tools)
		udrv__slab_tools_end(slab, cache->chunk);
}

static struct udrv__slab_head **bucket_of(const struct udrv_kmem_cache *cache, const void *chunk)
{
	return &cache->debug->buckets[(uintptr_t)chunk / cache->chunk % UDRV__SLAB_BUCKETS];
}

void udrv__slab_debug_add(struct udrv_kmem_cache *cache, void *slab)
{
	struct udrv__slab_head *head = head_of(cache, slab);
	struct udrv__slab_head **bucket = bucket_of(cache, slab);

	udrv_list_add(&head->link, &cache->debug->slabs);
	head->next = *bucket;
	*bucket = head;
}

void udrv__slab_debug_remove(struct udrv_kmem_cache *cache, void *slab)
{
	struct udrv__slab_head *head = head_of(cache, slab);
	struct udrv__slab_head **link = bucket_of(cache, slab);

	while (*link != head)
		link = &(*link)->next;
	*link = head->next;
	udrv_list_del(&head->link);
}

void udrv__slab_debug_hold(struct udrv_kmem_cache *cache)
{
	pthread_mutex_lock(&cache->debug->walk);
}

void udrv__slab_debug_release(struct udrv_kmem_cache *cache)
{
	pthread_mutex_unlock(&cache->debug->walk);
}

static struct udrv__slab_head *find_slab(const struct udrv_kmem_cache *cache, const void *p)
{
	char *chunk = chunk_of(cache, p);
	struct udrv__slab_head *head = *bucket_of(cache, chunk);

	while (head && chunk_of(cache, head) != chunk)
		head = head->next;
	return head;
}

struct udrv__slab_meta *udrv__slab_find_meta(const struct udrv_kmem_cache *cache, const void *p)
{
	struct udrv__slab_head *head = find_slab(cache, p);
	size_t offset = (size_t)((const char *)p - chunk_of(cache, p)) - cache->first;

	/* Before the first object it is a large number. */
	if (!head || offset / cache->size >= head->count ||
	    offset % cache->size >= cache->object_size)
		return NULL;
	return udrv__slab_meta_at(cache, head, offset / cache->size);
}
