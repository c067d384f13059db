// SPDX-License-Identifier: MIT
/* kmalloc's caches: making and ending them. */
#include <errno.h>
#include <stdio.h>

#include "mem/domain.h"
#include "mem/kmalloc.h"
#include "mem/slab.h"

#define CLASSES UDRV__KMALLOC_CLASSES
/* The reserves of all caches, two magazines each, fit into one region of 2 MiB with room to spare.
 */
#define MAGAZINE ((size_t)32 << 10)

struct udrv_kmem_cache *udrv__kmalloc_caches[CLASSES];
struct udrv_kmem_cache *udrv__kmalloc_fast[CLASSES];

static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;
/* By this thread: a destructor that runs meanwhile cannot have them yet. */
static __thread bool under_way __attribute__((tls_model("initial-exec")));

void udrv__kmalloc_lock(void)
{
	pthread_mutex_lock(&making);
}

void udrv__kmalloc_unlock(void)
{
	pthread_mutex_unlock(&making);
}

static struct udrv_kmem_cache *make(unsigned int index)
{
	const struct udrv__slab_tune tune = {
		.memory = &udrv__slab_common,
		.chunk = UDRV__KMALLOC_CHUNK,
		.magazine = MAGAZINE,
		.tag = index + 1,
	};
	size_t size = udrv__kmalloc_class_size(index);
	size_t align = size & -size;
	char name[32];

	(void)snprintf(name, sizeof(name), size < 1024 ? "kmalloc-%zu" : "kmalloc-%zuk",
		       size < 1024 ? size : size / 1024);
	return udrv__slab_create(NULL, name, size, align, 0, NULL, NULL, &tune);
}

/* The arena's regions, and tables that nobody looks anything up in. */
static void give_back(void)
{
	(void)udrv__arena_shrink(&udrv__common_arena);
	pthread_mutex_lock(&udrv__regions_lock);
	udrv__domain_forget_tables();
	pthread_mutex_unlock(&udrv__regions_lock);
}

static int make_all(void)
{
	struct udrv_kmem_cache *made[CLASSES];
	unsigned int n = 0;

	while (n < CLASSES && (made[n] = make(n)))
		n++;
	if (n < CLASSES) {
		while (n--)
			(void)udrv_kmem_cache_destroy(made[n]);
		give_back();
		return -ENOMEM;
	}
	for (n = 0; n < CLASSES; n++) {
		__atomic_store_n(&udrv__kmalloc_caches[n], made[n], __ATOMIC_RELEASE);
		if (!made[n]->debug)
			__atomic_store_n(&udrv__kmalloc_fast[n], made[n], __ATOMIC_RELEASE);
	}
	return 0;
}

int udrv__kmalloc_init(void)
{
	int ret = 0;

	if (under_way)
		return -ENOMEM;
	pthread_mutex_lock(&making);
	under_way = true;
	if (!udrv__kmalloc_caches[CLASSES - 1])
		ret = make_all();
	under_way = false;
	pthread_mutex_unlock(&making);
	return ret;
}

static bool unused(struct udrv_kmem_cache *cache)
{
	struct udrv_kmem_cache_stats stats;

	udrv_kmem_cache_get_stats(cache, &stats);
	return !stats.active;
}

int udrv__kmalloc_end(void)
{
	int ret = 0;

	pthread_mutex_lock(&making);
	for (unsigned int i = 0; i < CLASSES; i++)
		if (udrv__kmalloc_caches[i] && !unused(udrv__kmalloc_caches[i]))
			ret = -EBUSY;
	for (unsigned int i = 0; i < CLASSES && !ret; i++) {
		(void)udrv_kmem_cache_destroy(udrv__kmalloc_caches[i]);
		udrv__kmalloc_caches[i] = udrv__kmalloc_fast[i] = NULL;
	}
	if (!ret)
		give_back();
	pthread_mutex_unlock(&making);
	return ret;
}
