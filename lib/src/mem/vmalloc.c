// SPDX-License-Identifier: MIT
/* vmalloc: mappings with a guard page behind, in an array that is sorted by address. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <udrv/log.h>
#include <udrv/vmalloc.h>

#include "mem/kmalloc.h"

struct area {
	uintptr_t start;
	size_t len; /* without the guard page */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct area *areas;
static size_t count;
static size_t room;

void udrv__vmalloc_lock(void)
{
	pthread_mutex_lock(&lock);
}

void udrv__vmalloc_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* Under the lock: the first area that ends behind p. */
static size_t find_slot(uintptr_t p)
{
	size_t low = 0;
	size_t high = count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (areas[middle].start + areas[middle].len <= p)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool have_room(void)
{
	size_t more = room ? 2 * room : 16;
	struct area *grown;

	if (count < room)
		return true;
	grown = realloc(areas, more * sizeof(*areas));
	if (!grown)
		return false;
	areas = grown;
	room = more;
	return true;
}

static bool insert(uintptr_t start, size_t len)
{
	size_t slot = find_slot(start);

	if (!have_room())
		return false;
	memmove(&areas[slot + 1], &areas[slot], (count - slot) * sizeof(*areas));
	areas[slot] = (struct area){start, len};
	count++;
	return true;
}

static void take_out(size_t slot)
{
	count--;
	memmove(&areas[slot], &areas[slot + 1], (count - slot) * sizeof(*areas));
	if (count)
		return;
	free(areas);
	areas = NULL;
	room = 0;
}

/* With the guard page, which stays inaccessible. */
static void *map(size_t len, size_t guard)
{
	char *p = mmap(NULL, len + guard, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	if (!mprotect(p, len, PROT_READ | PROT_WRITE))
		return p;
	munmap(p, len + guard);
	return NULL;
}

static void *fail(size_t size, const char *why)
{
	udrv_pr_err("cannot allocate %zu bytes by udrv_vmalloc(): %s", size, why);
	return NULL;
}

void *udrv_vmalloc(size_t size)
{
	size_t page = page_size();
	size_t len = (size + page - 1) & ~(page - 1);
	bool inserted;
	void *p;

	if (!size || size > SIZE_MAX / 2)
		return fail(size, "bad size");
	p = map(len, page);
	if (!p)
		return fail(size, "out of memory");
	pthread_mutex_lock(&lock);
	inserted = insert((uintptr_t)p, len);
	pthread_mutex_unlock(&lock);
	if (inserted)
		return p;
	munmap(p, len + page);
	return fail(size, "out of memory");
}

void *udrv_vzalloc(size_t size)
{
	return udrv_vmalloc(size); /* as the system gives it */
}

/* Whether an area began there. */
static bool free_area(const void *addr)
{
	uintptr_t start = (uintptr_t)addr;
	size_t len = 0;
	size_t slot;

	pthread_mutex_lock(&lock);
	slot = find_slot(start);
	if (slot < count && areas[slot].start == start) {
		len = areas[slot].len;
		take_out(slot);
	}
	pthread_mutex_unlock(&lock);
	if (len)
		munmap((void *)start, len + page_size());
	return len;
}

void udrv_vfree(const void *addr)
{
	if (addr && !free_area(addr))
		udrv_pr_err("udrv_vfree(): %p is not where memory of udrv_vmalloc() begins", addr);
}

bool udrv_is_vmalloc_addr(const void *p)
{
	bool found;
	size_t slot;

	pthread_mutex_lock(&lock);
	slot = find_slot((uintptr_t)p);
	found = slot < count && areas[slot].start <= (uintptr_t)p;
	pthread_mutex_unlock(&lock);
	return found;
}

void *udrv_kvmalloc(size_t size, udrv_gfp_t gfp)
{
	if (size <= UDRV_KMALLOC_MAX_CACHE_SIZE || gfp & UDRV_GFP_ATOMIC)
		return udrv__kmalloc(size, gfp);
	return udrv_vmalloc(size);
}

/* The tables of regions are for who has memory there, and may go meanwhile: this list comes first.
 */
void udrv_kvfree(const void *addr)
{
	if (!free_area(addr))
		udrv_kfree(addr);
}
