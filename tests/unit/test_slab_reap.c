// SPDX-License-Identifier: MIT
/* Idle memory of caches goes back by itself, and when another cache has none. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <udrv/slab.h>

#include "mem/slab.h"

#include "support/entries.h"
#include "support/fault.h"
#include "support/suite.h"
#include "support/threads.h"

#define OBJECTS 20000 /* 80 slabs */
#define SIZE	256
#define NEVER	UINT64_MAX

static unsigned int made;
static unsigned int ended;
static void *objs[OBJECTS];

static void construct(void *obj)
{
	(void)obj;
	inc(made);
}

static void destruct(void *obj)
{
	(void)obj;
	inc(ended);
}

static struct udrv_kmem_cache *make(unsigned int flags)
{
	struct udrv_kmem_cache *cache =
		udrv_kmem_cache_create(NULL, "idle", SIZE, 0, flags, construct, destruct);

	ck_assert_ptr_nonnull(cache);
	return cache;
}

static void take_all(struct udrv_kmem_cache *cache)
{
	ck_assert_int_eq(udrv_kmem_cache_alloc_bulk(cache, UDRV_GFP_KERNEL, OBJECTS, objs),
			 OBJECTS);
}

static void give_all(struct udrv_kmem_cache *cache)
{
	udrv_kmem_cache_free_bulk(cache, OBJECTS, objs);
}

static uint64_t slabs_of(struct udrv_kmem_cache *cache)
{
	struct udrv_kmem_cache_stats stats;

	udrv_kmem_cache_get_stats(cache, &stats);
	return stats.slabs;
}

static uint64_t total_of(struct udrv_kmem_cache *cache)
{
	struct udrv_kmem_cache_stats stats;

	udrv_kmem_cache_get_stats(cache, &stats);
	return stats.total;
}

/* Those that are kept, and those that the reserve and this thread's magazines may keep. */
static bool has_little(struct udrv_kmem_cache *cache)
{
	return slabs_of(cache) <= EMPTY_KEPT + 2 * RESERVE + 4;
}

static bool is_reaper(const char *task)
{
	char path[300];
	char name[32] = "";
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%s/comm", task);
	f = fopen(path, "re");
	if (!f)
		return false;
	(void)!fgets(name, sizeof(name), f);
	(void)fclose(f);
	return !strcmp(name, "udrv-slabs\n");
}

static int reapers(void)
{
	return count_entries("/proc/self/task", is_reaper);
}

START_TEST(what_nobody_uses_goes_back)
{
	struct udrv_kmem_cache *cache = make(0);

	set(udrv__slab_reap_period_ns, 0);
	for (int round = 0; round < 3; round++) {
		take_all(cache);
		ck_assert_uint_ge(slabs_of(cache), OBJECTS * SIZE / 65536);
		give_all(cache);
		/* This thread only looks. */
		until(has_little(cache));
		until(get(made) - get(ended) == total_of(cache));
	}
	ck_assert_int_eq(udrv_kmem_cache_destroy(cache), 0);
}
END_TEST

/* With as many slabs as are kept in any case there is no thread: this is what it does. */
START_TEST(magazines_that_were_not_needed_go_back)
{
	struct udrv_kmem_cache *cache = make(0);
	uint32_t count;
	uint32_t needed;

	set(udrv__slab_reap_period_ns, NEVER);
	take_all(cache);
	give_all(cache);
	count = udrv__depot_full(cache);
	ck_assert_uint_gt(count, 10);

	cache->full.low = count;
	ck_assert_int_eq(udrv_kmem_cache_alloc_bulk(cache, UDRV_GFP_KERNEL, 5 * 256, objs),
			 5 * 256);
	udrv_kmem_cache_free_bulk(cache, 5 * 256, objs);
	needed = count - cache->full.low;
	ck_assert_uint_ge(needed, 3);
	ck_assert_uint_le(needed, 5);
	ck_assert_uint_eq(udrv__depot_full(cache), count);
	udrv__slab_reap_all();
	ck_assert_uint_eq(udrv__depot_full(cache), RESERVE + needed);
	udrv__slab_reap_all();
	ck_assert_uint_eq(udrv__depot_full(cache), RESERVE);
	ck_assert_int_eq(udrv_kmem_cache_destroy(cache), 0);
}
END_TEST

START_TEST(the_thread_ends_when_no_cache_is_large_and_comes_again)
{
	struct udrv_kmem_cache *cache = make(0);

	set(udrv__slab_reap_period_ns, 0);
	ck_assert_int_eq(reapers(), 0);
	for (int round = 0; round < 3; round++) {
		take_all(cache);
		until(reapers() == 1);
		give_all(cache);
		(void)udrv_kmem_cache_shrink(cache);
		ck_assert_uint_le(slabs_of(cache), EMPTY_KEPT);
		until(reapers() == 0);
	}
	ck_assert_int_eq(udrv_kmem_cache_destroy(cache), 0);
}
END_TEST

START_TEST(no_reap_keeps_all_and_needs_no_thread)
{
	struct udrv_kmem_cache *keeping = make(UDRV_SLAB_NO_REAP);
	struct udrv_kmem_cache *other;
	uint64_t slabs;

	set(udrv__slab_reap_period_ns, 0);
	take_all(keeping);
	give_all(keeping);
	ck_assert_int_eq(reapers(), 0);
	slabs = slabs_of(keeping);
	/* The thread looks at all caches. */
	other = make(0);
	take_all(other);
	give_all(other);
	until(has_little(other));
	ck_assert_uint_eq(slabs_of(keeping), slabs);
	ck_assert_int_eq(udrv_kmem_cache_destroy(other), 0);
	ck_assert_int_eq(udrv_kmem_cache_destroy(keeping), 0);
}
END_TEST

START_TEST(caches_may_end_while_the_thread_looks_at_them)
{
	int rounds = HANDLERS_RUN_AT_ONCE ? 100 : 12;

	set(udrv__slab_reap_period_ns, 0);
	for (int round = 0; round < rounds; round++) {
		struct udrv_kmem_cache *cache = make(0);

		take_all(cache);
		give_all(cache);
		if (round % 3 == 0)
			until(has_little(cache));
		ck_assert_int_eq(udrv_kmem_cache_destroy(cache), 0);
		ck_assert_uint_eq(made, ended);
	}
}
END_TEST

START_TEST(without_a_thread_it_works_and_the_next_slab_tries_again)
{
	struct udrv_kmem_cache *cache = make(0);

	set(udrv__slab_reap_period_ns, 0);
	fault_log_clear();
	fault_arm_call("pthread_create", 1, EAGAIN);
	while (!fault_logged("no thread"))
		ck_assert_ptr_nonnull(udrv_kmem_cache_alloc(cache, UDRV_GFP_KERNEL));
	ck_assert_str_eq(fault_disarm(), "pthread_create");
	ck_assert_int_eq(reapers(), 0);
	take_all(cache);
	until(reapers() == 1);
}
END_TEST

/* More than there are: it makes slabs. */
static void *child_objs[2 * OBJECTS];

static void child_reaps(struct udrv_kmem_cache *cache)
{
	/* Those of the parent. */
	udrv_kmem_cache_free_bulk(cache, OBJECTS, objs);
	if (udrv_kmem_cache_alloc_bulk(cache, UDRV_GFP_KERNEL, 2 * OBJECTS, child_objs) !=
	    2 * OBJECTS)
		_exit(1);
	udrv_kmem_cache_free_bulk(cache, 2 * OBJECTS, child_objs);
	until(has_little(cache));
	_exit(udrv_kmem_cache_destroy(cache) ? 2 : 0);
}

START_TEST(a_child_of_fork_has_a_thread_of_its_own)
{
	struct udrv_kmem_cache *cache = make(0);
	int status = -1;
	pid_t pid;

	if (!HANDLERS_RUN_AT_ONCE) {
		printf("no fork() with threads under the thread sanitizer\n");
		return;
	}
	set(udrv__slab_reap_period_ns, 0);
	take_all(cache);
	for (int round = 0; round < 10; round++) {
		pid = fork();
		if (!pid)
			child_reaps(cache);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(status, 0);
	}
	give_all(cache);
	ck_assert_int_eq(udrv_kmem_cache_destroy(cache), 0);
}
END_TEST

START_TEST(a_cache_without_memory_gets_what_others_keep_idle)
{
	struct udrv_kmem_cache *idle = make(0);
	struct udrv_kmem_cache *keeping = make(UDRV_SLAB_NO_REAP);
	struct udrv_kmem_cache *needy =
		udrv_kmem_cache_create(NULL, "needy", 1 << 20, 0, 0, NULL, NULL);
	void *big[20];
	uint64_t kept;

	ck_assert_ptr_nonnull(needy);
	set(udrv__slab_reap_period_ns, NEVER);
	take_all(idle);
	give_all(idle);
	take_all(keeping);
	give_all(keeping);
	kept = slabs_of(keeping);
	ck_assert(!has_little(idle));
	/* The one after the thread's magazines. */
	big[0] = udrv_kmem_cache_alloc(needy, UDRV_GFP_KERNEL);
	fault_arm_call("mmap", 1, ENOMEM);
	ck_assert_int_eq(udrv_kmem_cache_alloc_bulk(needy, UDRV_GFP_KERNEL, 19, big + 1), 19);
	ck_assert_str_eq(fault_disarm(), "mmap");
	ck_assert(has_little(idle));
	ck_assert_uint_ge(udrv__depot_full(idle), RESERVE);
	ck_assert_uint_eq(slabs_of(keeping), kept);
	udrv_kmem_cache_free_bulk(needy, 20, big);
	ck_assert_int_eq(udrv_kmem_cache_destroy(needy), 0);
	ck_assert_int_eq(udrv_kmem_cache_destroy(keeping), 0);
	ck_assert_int_eq(udrv_kmem_cache_destroy(idle), 0);
	ck_assert_uint_eq(made, ended);
}
END_TEST

static struct udrv_kmem_cache *fed;
static void *food[12];
static unsigned int food_left;

static void feed(void *obj)
{
	(void)obj;
	if (food_left)
		udrv_kmem_cache_free(fed, food[--food_left]);
}

/* More than its magazines hold, just while it waits for a slab: nothing is lost or there twice. */
START_TEST(destructors_may_free_into_the_cache_that_has_no_memory)
{
	struct udrv_kmem_cache *idle = udrv_kmem_cache_create(NULL, "idle", 4096, 0, 0, NULL, feed);
	void *big[64];
	int n = 0;

	fed = udrv_kmem_cache_create(NULL, "fed", 65536, 0, 0, NULL, NULL);
	set(udrv__slab_reap_period_ns, NEVER);
	for (int i = 0; i < 64; i++)
		big[i] = udrv_kmem_cache_alloc(idle, UDRV_GFP_KERNEL);
	udrv_kmem_cache_free_bulk(idle, 64, big);
	(void)udrv_kmem_cache_shrink(idle);
	for (int i = 0; i < 64; i++)
		big[i] = udrv_kmem_cache_alloc(idle, UDRV_GFP_KERNEL);
	udrv_kmem_cache_free_bulk(idle, 64, big);
	udrv__slab_flush_threads(idle);
	ck_assert_int_eq(udrv_kmem_cache_alloc_bulk(fed, UDRV_GFP_KERNEL, 12, food), 12);
	food_left = 12;
	fault_arm_call("mmap", 1, ENOMEM);
	while (n < 64 && food_left) {
		big[n] = udrv_kmem_cache_alloc(fed, UDRV_GFP_KERNEL);
		ck_assert_ptr_nonnull(big[n++]);
	}
	ck_assert_str_eq(fault_disarm(), "mmap");
	ck_assert_uint_eq(food_left, 0);
	while (n < 64)
		big[n++] = udrv_kmem_cache_alloc(fed, UDRV_GFP_KERNEL);
	for (int i = 0; i < 64; i++)
		for (int j = 0; j < i; j++)
			ck_assert_msg(big[i] != big[j], "%d and %d", i, j);
	udrv_kmem_cache_free_bulk(fed, 64, big);
	ck_assert_int_eq(udrv_kmem_cache_destroy(fed), 0);
	ck_assert_int_eq(udrv_kmem_cache_destroy(idle), 0);
}
END_TEST

static unsigned int refusals;

static bool refuse(int fd, size_t len, off_t offset, int *ret)
{
	(void)fd;
	(void)len;
	(void)offset;
	refusals++;
	*ret = -ENOMEM;
	return true;
}

START_TEST(memory_is_asked_for_once_more_and_only_if_some_went_back)
{
	struct udrv_kmem_cache *idle = make(0);
	struct udrv_kmem_cache *needy =
		udrv_kmem_cache_create(NULL, "needy", 65536, 0, 0, NULL, NULL);
	unsigned int before;

	ck_assert_ptr_nonnull(needy);
	set(udrv__slab_reap_period_ns, NEVER);
	take_all(idle);
	give_all(idle);
	ck_assert_ptr_nonnull(udrv_kmem_cache_alloc(needy, UDRV_GFP_KERNEL));
	fault_set_hooks(&(struct fault_hooks){.mmap = refuse});
	while (udrv_kmem_cache_alloc(needy, UDRV_GFP_KERNEL))
		;
	ck_assert_uint_eq(refusals, 2);
	ck_assert(has_little(idle));
	before = refusals;
	ck_assert_ptr_null(udrv_kmem_cache_alloc(needy, UDRV_GFP_KERNEL));
	ck_assert_uint_eq(refusals, before + 1);
	fault_set_hooks(&(struct fault_hooks){0});
	ck_assert_ptr_nonnull(udrv_kmem_cache_alloc(needy, UDRV_GFP_KERNEL));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("slab_reap");
	TCase *tc = tcase_create("reap");

	/* Under the address sanitizer too it is the usual paths that are looked at. */
	udrv__slab_checkers = false;
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, what_nobody_uses_goes_back);
	tcase_add_test(tc, magazines_that_were_not_needed_go_back);
	tcase_add_test(tc, the_thread_ends_when_no_cache_is_large_and_comes_again);
	tcase_add_test(tc, no_reap_keeps_all_and_needs_no_thread);
	tcase_add_test(tc, caches_may_end_while_the_thread_looks_at_them);
	tcase_add_test(tc, without_a_thread_it_works_and_the_next_slab_tries_again);
	tcase_add_test(tc, a_child_of_fork_has_a_thread_of_its_own);
	tcase_add_test(tc, a_cache_without_memory_gets_what_others_keep_idle);
	tcase_add_test(tc, destructors_may_free_into_the_cache_that_has_no_memory);
	tcase_add_test(tc, memory_is_asked_for_once_more_and_only_if_some_went_back);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
