// SPDX-License-Identifier: MIT
/* What threads leave of caches when they end. */
#include <stdio.h>

#include <udrv/slab.h>

#include "mem/slab.h"

#include "support/suite.h"
#include "support/threads.h"

#define LIMIT 2000

#if defined(__SANITIZE_ADDRESS__) || !HANDLERS_RUN_AT_ONCE
#define SANITIZED 1
#define THREADS	  1000
#else
#define SANITIZED 0
#define THREADS	  10000
#endif

static struct udrv_kmem_cache *cache;

static void make(size_t limit)
{
	cache = udrv_kmem_cache_create(NULL, "left", 64, 0, 0, NULL, NULL);
	ck_assert_ptr_nonnull(cache);
	if (limit)
		ck_assert_int_eq(udrv_kmem_cache_set_limit(cache, limit), 0);
}

/* Both of its magazines are full when it ends, and others in the depot. */
static void *take_and_give_all(void *arg)
{
	void *objs[LIMIT];
	struct udrv__slab_slot *slot;

	ck_assert_int_eq(udrv_kmem_cache_alloc_bulk(cache, UDRV_GFP_KERNEL, LIMIT, objs), LIMIT);
	for (int i = 0; i < LIMIT; i++)
		udrv_kmem_cache_free(cache, objs[i]);
	slot = udrv__slab_slot(cache);
	ck_assert_ptr_eq(slot->top, slot->end);
	ck_assert_uint_eq(slot->previous->count, cache->rounds);
	return arg;
}

START_TEST(full_magazines_of_a_thread_that_ends_are_there_for_the_next)
{
	make(LIMIT);
	for (int round = 0; round < 100; round++)
		finish(start(take_and_give_all, NULL));
	(void)take_and_give_all(NULL);
	ck_assert_uint_eq(cache->record->total, LIMIT);
	ck_assert_int_eq(udrv_kmem_cache_destroy(cache), 0);
}
END_TEST

static void *use_some(void *arg)
{
	void *objs[300];

	ck_assert_int_eq(udrv_kmem_cache_alloc_bulk(cache, UDRV_GFP_KERNEL, 300, objs), 300);
	udrv_kmem_cache_free_bulk(cache, 300, objs);
	return arg;
}

static void run_threads(int n)
{
	for (int i = 0; i < n; i += 4) {
		pthread_t threads[4];

		for (int j = 0; j < 4; j++)
			threads[j] = start(use_some, NULL);
		for (int j = 0; j < 4; j++)
			finish(threads[j]);
	}
}

/* Pages of mappings. */
static long mapped(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long pages = 0;

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%ld", &pages), 1);
	(void)fclose(f);
	return pages;
}

/* Fewer where each costs more. */
START_TEST(ten_thousand_short_threads_leave_nothing)
{
	struct udrv_kmem_cache_stats before;
	struct udrv_kmem_cache_stats after;
	uint32_t magazines;
	long pages;

	make(0);
	run_threads(100);
	udrv_kmem_cache_get_stats(cache, &before);
	magazines = cache->magazines;
	pages = mapped();
	run_threads(THREADS);
	udrv_kmem_cache_get_stats(cache, &after);
	ck_assert_uint_eq(after.allocations - before.allocations, 300 * THREADS);
	ck_assert_uint_eq(after.active, 0);
	/* Of 1020 objects each: for the reserve, and two magazines for each of four threads. */
	ck_assert_uint_le(after.slabs, 4);
	ck_assert_uint_eq(cache->magazines, magazines);
	ck_assert_uint_eq(cache->slots, 0);
	/* The sanitizers map as they like, and malloc() has arenas of 64 MiB for four threads. The
	 * tables, of 16 pages, would be 160000. */
	if (!SANITIZED)
		ck_assert_int_le(mapped(), pages + 100000);
	ck_assert_int_eq(udrv_kmem_cache_destroy(cache), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("slab_exit");
	TCase *tc = tcase_create("threads");

	/* Under the address sanitizer too it is the usual paths that are looked at. */
	udrv__slab_checkers = false;
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, full_magazines_of_a_thread_that_ends_are_there_for_the_next);
	tcase_add_test(tc, ten_thousand_short_threads_leave_nothing);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
