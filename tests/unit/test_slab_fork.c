// SPDX-License-Identifier: MIT
/* Caches in a child of fork(), whatever the parent's threads were doing with them. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <udrv/log.h>
#include <udrv/gfp.h>
#include <udrv/slab.h>

#include "mem/slab.h"

#include "support/fault.h"
#include "support/suite.h"
#include "support/threads.h"

#define CACHES	4
#define THREADS 4
#define HELD	300 /* objects that a thread has at most */
#define CHILD	1000

/* A child that finds something wrong exits with the line. It must not allocate memory otherwise. */
#define CHILD_MUST(cond)                                                                           \
	do {                                                                                       \
		if (!(cond))                                                                       \
			_exit(__LINE__ % 250 + 1);                                                 \
	} while (0)

/* Zero while it is free. */
struct thing {
	uint64_t owner;
};

static struct udrv_kmem_cache *caches[CACHES];
static const size_t sizes[CACHES] = {64, 512, 5000, 24};
static const int child_needs[CACHES] = {600, 300, 60, 600};
/* What a thread has for certain: noted after it was allocated, and until it is freed. */
static struct thing *held[THREADS][CACHES][HELD];
static int stop;
static int paused;
static int steps;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t go_on = PTHREAD_COND_INITIALIZER;

static void make_thing(void *obj)
{
	((struct thing *)obj)->owner = 0;
}

static void make_caches(void)
{
	for (int i = 0; i < CACHES; i++) {
		caches[i] =
			udrv_kmem_cache_create(NULL, "forked", sizes[i], 0, 0, make_thing, NULL);
		ck_assert_ptr_nonnull(caches[i]);
	}
	/* Small magazines, which are exchanged often. */
	ck_assert_int_eq(udrv_kmem_cache_set_limit(caches[3], 500), 0);
}

static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

static void take(int me, int c, int i, uint64_t random)
{
	struct thing *t =
		udrv_kmem_cache_alloc(caches[c], random & 256 ? UDRV_GFP_KERNEL : UDRV_GFP_ATOMIC);

	if (!t)
		return;
	t->owner = (uint64_t)me + 1;
	__atomic_store_n(&held[me][c][i], t, __ATOMIC_RELEASE);
}

static void give(int me, int c, int i)
{
	struct thing *t = held[me][c][i];

	__atomic_store_n(&held[me][c][i], NULL, __ATOMIC_RELEASE);
	t->owner = 0;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	udrv_kmem_cache_free(caches[c], t);
}

/* While the child has the CPUs. */
static void wait_if_paused(void)
{
	if (!get(paused))
		return;
	pthread_mutex_lock(&lock);
	while (paused)
		pthread_cond_wait(&go_on, &lock);
	pthread_mutex_unlock(&lock);
}

static void pause_threads(bool yes)
{
	pthread_mutex_lock(&lock);
	set(paused, yes);
	if (!yes)
		pthread_cond_broadcast(&go_on);
	pthread_mutex_unlock(&lock);
}

/* Runs of taking and runs of giving, so that magazines are exchanged. */
static void *hammer(void *arg)
{
	int me = (int)(intptr_t)arg;
	uint64_t random = (uint64_t)me;

	while (!get(stop)) {
		int c = (int)(next_random(&random) % CACHES);
		int n = c == 2 ? 60 : HELD;
		bool taking = next_random(&random) & 1;

		for (int i = 0; i < n; i++)
			if (taking && !held[me][c][i])
				take(me, c, i, next_random(&random));
			else if (!taking && held[me][c][i])
				give(me, c, i);
		inc(steps);
		wait_if_paused();
		if (next_random(&random) % 200 == 0)
			(void)udrv_kmem_cache_shrink(caches[c]);
	}
	return NULL;
}

/* Objects in mine[] are in nobody else's hands. */
static int child_takes(struct udrv_kmem_cache *cache, void **mine, int n)
{
	int got = 0;

	for (; got < n; got++) {
		struct thing *t = NULL;

		if (got % 3)
			t = udrv_kmem_cache_alloc(cache, UDRV_GFP_ATOMIC);
		if (!t)
			t = udrv_kmem_cache_alloc(cache, UDRV_GFP_KERNEL);
		if (!t)
			break;
		CHILD_MUST(!t->owner);
		t->owner = CHILD;
		mine[got] = t;
	}
	return got;
}

static void child_gives(struct udrv_kmem_cache *cache, void **mine, int n)
{
	for (int i = 0; i < n; i++) {
		CHILD_MUST(((struct thing *)mine[i])->owner == CHILD);
		((struct thing *)mine[i])->owner = 0;
		udrv_kmem_cache_free(cache, mine[i]);
	}
}

/* What other threads certainly had the child may free. */
static void child_gives_inherited(int c)
{
	for (int t = 0; t < THREADS; t++)
		for (int i = 0; i < HELD; i++) {
			struct thing *thing = held[t][c][i];

			if (!thing)
				continue;
			CHILD_MUST(thing->owner == (uint64_t)t + 1);
			thing->owner = 0;
			udrv_kmem_cache_free(caches[c], thing);
		}
}

static void *child_thread(void *arg)
{
	void *mine[100];
	int n = child_takes(arg, mine, 100);

	child_gives(arg, mine, n);
	return NULL;
}

static void child_shrinks(struct udrv_kmem_cache *cache, int n)
{
	struct udrv_kmem_cache_stats stats;

	(void)udrv_kmem_cache_shrink(cache);
	udrv_kmem_cache_get_stats(cache, &stats);
	CHILD_MUST(stats.total >= (uint64_t)n);
}

static void child(int round)
{
	static void *mine[800];

	for (int c = 0; c < CACHES; c++) {
		int wanted = c == round % CACHES ? child_needs[c] : child_needs[c] / 8;
		int n = child_takes(caches[c], mine, wanted);

		CHILD_MUST(c == 3 || n == wanted);
		if (round % 2)
			child_gives_inherited(c);
		if (round % 3 == 0)
			child_shrinks(caches[c], n);
		child_gives(caches[c], mine, n);
		n = child_takes(caches[c], mine, 10);
		child_gives(caches[c], mine, n);
	}
	for (int c = 0; c < CACHES; c++)
		CHILD_MUST(!udrv_kmem_cache_destroy(caches[c]));
	caches[0] = udrv_kmem_cache_create(NULL, "new", 64, 0, 0, make_thing, NULL);
	CHILD_MUST(caches[0]);
	(void)child_thread(caches[0]);
	CHILD_MUST(!udrv_kmem_cache_destroy(caches[0]));
	_exit(0);
}

static void must_be_well(pid_t pid)
{
	int status = -1;

	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && !WEXITSTATUS(status), "status %#x, line %d of 250",
		      (unsigned int)status, WEXITSTATUS(status) - 1);
}

/* The thread sanitizer's own state is not fit for a child of a process with threads. */
static bool may_fork(void)
{
	if (!HANDLERS_RUN_AT_ONCE)
		printf("no fork() with threads under the thread sanitizer\n");
	return HANDLERS_RUN_AT_ONCE;
}

static void *fork_often(void *arg)
{
	int rounds = arg ? 50 : 500;

	for (int round = 0; round < rounds; round++) {
		int before = get(steps);
		pid_t pid;

		until(get(steps) >= before + 2);
		pid = fork();
		if (!pid)
			child(round);
		pause_threads(true);
		must_be_well(pid);
		pause_threads(false);
	}
	return arg;
}

static void give_all(void)
{
	for (int c = 0; c < CACHES; c++) {
		for (int t = 0; t < THREADS; t++)
			for (int i = 0; i < HELD; i++)
				if (held[t][c][i])
					give(t, c, i);
		ck_assert_int_eq(udrv_kmem_cache_destroy(caches[c]), 0);
	}
}

START_TEST(a_child_may_use_and_end_caches_that_threads_are_at)
{
	pthread_t threads[THREADS];

	if (!may_fork())
		return;
	make_caches();
	for (intptr_t i = 0; i < THREADS; i++)
		threads[i] = start(hammer, (void *)i);
	if (_i)
		finish(start(fork_often, &stop));
	else
		(void)fork_often(NULL);
	set(stop, 1);
	for (int i = 0; i < THREADS; i++)
		finish(threads[i]);
	give_all();
}
END_TEST

static int in_ctor;

static void stop_in_ctor(void *obj)
{
	(void)obj;
	if (get(stop) == 1) {
		set(in_ctor, 1);
		until(get(stop) == 2);
	}
}

static void *grow(void *arg)
{
	static void *objs[3000];

	ck_assert_int_eq(udrv_kmem_cache_alloc_bulk(arg, UDRV_GFP_KERNEL, 3000, objs), 3000);
	udrv_kmem_cache_free_bulk(arg, 3000, objs);
	return NULL;
}

static void child_of_a_growing_one(struct udrv_kmem_cache *cache)
{
	static void *mine[3000];

	stop = 0;
	CHILD_MUST(udrv_kmem_cache_alloc_bulk(cache, UDRV_GFP_KERNEL, 3000, mine) == 3000);
	/* More than were out when the process forked. */
	CHILD_MUST(udrv_kmem_cache_destroy(cache) == -EBUSY);
	udrv_kmem_cache_free_bulk(cache, 3000, mine);
	CHILD_MUST(!udrv_kmem_cache_destroy(cache));
	_exit(0);
}

START_TEST(a_child_does_not_wait_for_a_thread_that_makes_a_slab)
{
	struct udrv_kmem_cache *cache =
		udrv_kmem_cache_create(NULL, "grows", 64, 0, 0, stop_in_ctor, NULL);
	pthread_t thread;
	pid_t pid;

	if (!may_fork())
		return;
	ck_assert_ptr_nonnull(cache);
	stop = 1;
	thread = start(grow, cache);
	until(get(in_ctor));
	pid = fork();
	if (!pid)
		child_of_a_growing_one(cache);
	must_be_well(pid);
	set(stop, 2);
	finish(thread);
	ck_assert_int_eq(udrv_kmem_cache_destroy(cache), 0);
}
END_TEST

static void *keep_magazines(void *arg)
{
	udrv_kmem_cache_free(arg, udrv_kmem_cache_alloc(arg, UDRV_GFP_KERNEL));
	inc(in_ctor);
	until(get(stop));
	return NULL;
}

/* Those of a quiet thread are had again, to the last object. */
static void child_of_a_quiet_one(struct udrv_kmem_cache *cache, int limit, uint32_t forks)
{
	static void *mine[1000];

	CHILD_MUST(udrv__fork_generation == forks + 1);
	CHILD_MUST(udrv_kmem_cache_alloc_bulk(cache, UDRV_GFP_KERNEL, (size_t)limit, mine) ==
		   limit);
	CHILD_MUST(!udrv_kmem_cache_alloc(cache, UDRV_GFP_KERNEL));
	udrv_kmem_cache_free_bulk(cache, (size_t)limit, mine);
	CHILD_MUST(!cache->inherited);
	CHILD_MUST(!udrv_kmem_cache_destroy(cache));
	_exit(0);
}

START_TEST(a_child_has_what_quiet_threads_had_in_magazines)
{
	enum { LIMIT = 1000 };
	struct udrv_kmem_cache *cache = udrv_kmem_cache_create(NULL, "quiet", 64, 0, 0, NULL, NULL);
	/* Check's own, too. */
	uint32_t forks = udrv__fork_generation;
	pthread_t threads[3];
	pid_t pid;

	if (!may_fork())
		return;
	ck_assert_ptr_nonnull(cache);
	ck_assert_int_eq(udrv_kmem_cache_set_limit(cache, LIMIT), 0);
	for (int i = 0; i < 3; i++)
		threads[i] = start(keep_magazines, cache);
	until(get(in_ctor) == 3);
	pid = fork();
	if (!pid)
		child_of_a_quiet_one(cache, LIMIT, forks);
	must_be_well(pid);
	ck_assert_uint_eq(udrv__fork_generation, forks);
	set(stop, 1);
	for (int i = 0; i < 3; i++)
		finish(threads[i]);
	ck_assert_int_eq(udrv_kmem_cache_destroy(cache), 0);
}
END_TEST

/* As a device's memory is. */
static void *shared_alloc(struct udrv_device *dev, size_t size, int node)
{
	(void)dev;
	(void)node;
	return aligned_alloc(size, size);
}

static void shared_free(struct udrv_device *dev, void *chunk, size_t size)
{
	(void)dev;
	(void)size;
	free(chunk);
}

static const struct udrv__slab_memory shared = {
	.shared = true, .alloc = shared_alloc, .free = shared_free};

static int logged;

static void count_line(void *ctx, int level, const char *line)
{
	(void)ctx;
	(void)level;
	logged += strstr(line, "parent") != NULL;
}

static void child_of_a_sharing_one(struct udrv_kmem_cache *cache, void *obj)
{
	void *objs[4];

	udrv_log_set(count_line, NULL, UDRV_LOG_ERR);
	CHILD_MUST(!udrv_kmem_cache_alloc(cache, UDRV_GFP_KERNEL));
	CHILD_MUST(logged == 1);
	CHILD_MUST(!udrv_kmem_cache_alloc(cache, UDRV_GFP_ATOMIC));
	CHILD_MUST(!udrv_kmem_cache_zalloc(cache, UDRV_GFP_KERNEL));
	CHILD_MUST(!udrv_kmem_cache_alloc_bulk(cache, UDRV_GFP_KERNEL, 4, objs));
	udrv_kmem_cache_free(cache, obj);
	udrv_kmem_cache_free_bulk(cache, 1, &obj);
	CHILD_MUST(!udrv_kmem_cache_alloc(cache, UDRV_GFP_KERNEL));
	CHILD_MUST(udrv_kmem_cache_shrink(cache) == 1);
	CHILD_MUST(udrv_kmem_cache_set_limit(cache, 10) == -EBUSY);
	CHILD_MUST(!udrv_kmem_cache_destroy(cache));
	CHILD_MUST(logged == 1);
	_exit(0);
}

START_TEST(memory_that_is_shared_with_the_parent_is_refused_to_the_child)
{
	struct udrv_kmem_cache *cache =
		udrv_kmem_cache_create(NULL, "shared", 64, 0, 0, NULL, NULL);
	void *obj;
	pid_t pid;

	ck_assert_ptr_nonnull(cache);
	/* No slab is left from other memory. */
	udrv__depot_drain(cache);
	udrv__slab_release(cache, 0);
	ck_assert_uint_eq(cache->record->slabs, 0);
	cache->memory = &shared;
	obj = udrv_kmem_cache_alloc(cache, UDRV_GFP_KERNEL);
	ck_assert_ptr_nonnull(obj);
	pid = fork();
	if (!pid)
		child_of_a_sharing_one(cache, obj);
	must_be_well(pid);
	udrv_kmem_cache_free(cache, obj);
	ck_assert_ptr_eq(udrv_kmem_cache_alloc(cache, UDRV_GFP_KERNEL), obj);
	udrv_kmem_cache_free(cache, obj);
	ck_assert_int_eq(udrv_kmem_cache_destroy(cache), 0);
}
END_TEST

#define TAKERS 4

static void *take_pages(void *ready)
{
	unsigned long pages;

	inc(*(int *)ready);
	until(get(*(int *)ready) == TAKERS);
	pages = udrv_get_free_pages(UDRV_GFP_KERNEL, 0);
	CHILD_MUST(pages);
	udrv_free_pages(pages, 0);
	return NULL;
}

static void take_pages_at_once(void)
{
	pthread_t threads[TAKERS];
	int ready = 0;

	for (int i = 0; i < TAKERS; i++)
		CHILD_MUST(!pthread_create(&threads[i], NULL, take_pages, &ready));
	for (int i = 0; i < TAKERS; i++)
		CHILD_MUST(!pthread_join(threads[i], NULL));
	_exit(0);
}

/* What the parent has not used is the child's, whichever of its threads is the first. */
START_TEST(threads_of_a_child_begin_to_use_the_common_memory)
{
	for (int i = 0; i < 30; i++) {
		pid_t pid = fork();

		if (!pid)
			take_pages_at_once();
		must_be_well(pid);
	}
}
END_TEST

/* Of the program: registered late, it runs its prepare handler before that of the library. */
static pthread_mutex_t program = PTHREAD_MUTEX_INITIALIZER;
static struct udrv_kmem_cache *guarded;

static void lock_program(void)
{
	pthread_mutex_lock(&program);
	udrv_kmem_cache_free(guarded, udrv_kmem_cache_alloc(guarded, UDRV_GFP_KERNEL));
	(void)udrv_kmem_cache_shrink(guarded);
}

static void unlock_program(void)
{
	(void)udrv_kmem_cache_shrink(guarded);
	pthread_mutex_unlock(&program);
}

static void *use_guarded(void *arg)
{
	while (!get(stop)) {
		pthread_mutex_lock(&program);
		(void)udrv_kmem_cache_shrink(guarded);
		pthread_mutex_unlock(&program);
	}
	return arg;
}

START_TEST(fork_handlers_of_the_program_may_use_caches)
{
	pthread_t thread;

	if (!may_fork())
		return;
	ck_assert_int_eq(pthread_atfork(lock_program, unlock_program, unlock_program), 0);
	guarded = udrv_kmem_cache_create(NULL, "guarded", 64, 0, 0, NULL, NULL);
	ck_assert_ptr_nonnull(guarded);
	thread = start(use_guarded, NULL);
	for (int round = 0; round < 50; round++) {
		pid_t pid = fork();

		if (!pid)
			_exit(udrv_kmem_cache_destroy(guarded) ? 1 : 0);
		must_be_well(pid);
	}
	set(stop, 1);
	finish(thread);
	ck_assert_int_eq(udrv_kmem_cache_destroy(guarded), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("slab_fork");
	TCase *tc = tcase_create("fork");

	/* Under the address sanitizer too it is the usual paths that are looked at. */
	udrv__slab_checkers = false;
	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc, a_child_may_use_and_end_caches_that_threads_are_at, 0, 2);
	tcase_add_test(tc, a_child_does_not_wait_for_a_thread_that_makes_a_slab);
	tcase_add_test(tc, a_child_has_what_quiet_threads_had_in_magazines);
	tcase_add_test(tc, memory_that_is_shared_with_the_parent_is_refused_to_the_child);
	tcase_add_test(tc, threads_of_a_child_begin_to_use_the_common_memory);
	tcase_add_test(tc, fork_handlers_of_the_program_may_use_caches);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
