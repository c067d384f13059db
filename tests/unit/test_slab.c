// SPDX-License-Identifier: MIT
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <ucontext.h>

#include <udrv/log.h>
#include <udrv/slab.h>

#include "mem/slab.h"

#include "support/fault.h"
#include "support/must.h"
#include "support/suite.h"
#include "support/threads.h"

#define MAGIC		0x5ab0b1ec7u
#define RESERVE_OBJECTS (RESERVE * MAGAZINE_MAX)

struct thing {
	uint64_t magic;
	uint64_t owner;
	uint64_t uses;
};

static unsigned int made;
static unsigned int ended;

static void make_thing(void *obj)
{
	struct thing *t = obj;

	*t = (struct thing){.magic = MAGIC};
	inc(made);
}

static void end_thing(void *obj)
{
	struct thing *t = obj;

	MUST(t->magic == MAGIC);
	t->magic = 0;
	inc(ended);
}

static struct udrv_kmem_cache *things(unsigned int flags)
{
	struct udrv_kmem_cache *cache = udrv_kmem_cache_create(NULL, "things", sizeof(struct thing),
							       0, flags, make_thing, end_thing);

	ck_assert_ptr_nonnull(cache);
	return cache;
}

static struct udrv_kmem_cache *plain(size_t size)
{
	struct udrv_kmem_cache *cache =
		udrv_kmem_cache_create(NULL, "plain", size, 0, 0, NULL, NULL);

	ck_assert_ptr_nonnull(cache);
	return cache;
}

static void *must_alloc(struct udrv_kmem_cache *cache)
{
	void *obj = udrv_kmem_cache_alloc(cache, UDRV_GFP_KERNEL);

	MUST(obj);
	return obj;
}

static void must_destroy(struct udrv_kmem_cache *cache)
{
	ck_assert_int_eq(udrv_kmem_cache_destroy(cache), 0);
}

static struct udrv_kmem_cache_stats stats_of(struct udrv_kmem_cache *cache)
{
	struct udrv_kmem_cache_stats stats;

	udrv_kmem_cache_get_stats(cache, &stats);
	return stats;
}

static void **pointers(size_t n)
{
	void **objs = calloc(n, sizeof(*objs));

	ck_assert_ptr_nonnull(objs);
	return objs;
}

START_TEST(objects_are_constructed_with_their_slab_and_destructed_with_it)
{
	struct udrv_kmem_cache *cache = things(0);
	struct udrv_kmem_cache_stats stats;

	made = ended = 0;
	must_destroy(cache);
	made = ended = 0;
	cache = things(0);
	for (int i = 0; i < 10000; i++)
		udrv_kmem_cache_free(cache, must_alloc(cache));
	stats = stats_of(cache);
	ck_assert_uint_eq(made, stats.total);
	ck_assert_uint_eq(ended, 0);
	must_destroy(cache);
	ck_assert_uint_eq(ended, made);
}
END_TEST

START_TEST(objects_keep_their_state_while_free)
{
	enum { N = 3000 };
	struct udrv_kmem_cache *cache = things(0);
	void **objs = pointers(N);
	uint64_t uses = 0;

	for (int round = 0; round < 5; round++) {
		ck_assert_int_eq(udrv_kmem_cache_alloc_bulk(cache, UDRV_GFP_KERNEL, N, objs), N);
		for (int i = 0; i < N; i++) {
			struct thing *t = objs[i];

			MUST(t->magic == MAGIC);
			uses += t->uses == (uint64_t)round;
			t->uses++;
		}
		udrv_kmem_cache_free_bulk(cache, N, objs);
	}
	/* Nearly all are had again each time. */
	ck_assert_uint_ge(uses, 5 * N / 2);
	must_destroy(cache);
	free(objs);
}
END_TEST

static const size_t sizes[] = {1,    7,	   8,	 63,	64,	65,	     100,	 128,
			       256,  384,  512,	 640,	1000,	1024,	     1280,	 2048,
			       4096, 5000, 8192, 65536, 100000, 1024 * 1024, 2048 * 1024};

static void check_apart(size_t size, size_t align, unsigned int flags)
{
	struct udrv_kmem_cache *cache =
		udrv_kmem_cache_create(NULL, "apart", size, align, flags, NULL, NULL);
	size_t n = size < 4096 ? 3000 : 4194304 / size + 3;
	void **objs = pointers(n);
	size_t at_least = align ? align : 8;

	ck_assert_ptr_nonnull(cache);
	ck_assert_uint_eq(udrv_kmem_cache_size(cache), size);
	if (flags && size > CACHE_LINE / 2 && at_least < CACHE_LINE)
		at_least = CACHE_LINE;
	for (size_t i = 0; i < n; i++) {
		objs[i] = must_alloc(cache);
		MUST((uintptr_t)objs[i] % at_least == 0);
		memset(objs[i], (int)(i % 251), size);
	}
	for (size_t i = 0; i < n; i++) {
		const unsigned char *bytes = objs[i];

		MUST(bytes[0] == i % 251);
		MUST(bytes[size / 2] == i % 251);
		MUST(bytes[size - 1] == i % 251);
		udrv_kmem_cache_free(cache, objs[i]);
	}
	must_destroy(cache);
	free(objs);
}

START_TEST(objects_of_any_size_are_aligned_and_apart)
{
	check_apart(sizes[_i], 0, 0);
	check_apart(sizes[_i], 0, UDRV_SLAB_HWCACHE_ALIGN);
	check_apart(sizes[_i], 256, 0);
	check_apart(sizes[_i], 4096, UDRV_SLAB_HWCACHE_ALIGN);
}
END_TEST

#define FIRST_LINES 512
#define SETS	    64

/* A cache of 64 sets takes the set from an address's bits 6 to 11. */
START_TEST(first_lines_of_objects_are_not_in_few_sets)
{
	struct udrv_kmem_cache *cache = plain((size_t)CACHE_LINE << _i);
	void *objs[FIRST_LINES];
	unsigned int in[SETS] = {0};

	for (int i = 0; i < FIRST_LINES; i++) {
		objs[i] = must_alloc(cache);
		in[(uintptr_t)objs[i] / CACHE_LINE % SETS]++;
	}
	for (int i = 0; i < SETS; i++)
		ck_assert_uint_le(in[i], 3 * FIRST_LINES / SETS);
	udrv_kmem_cache_free_bulk(cache, FIRST_LINES, objs);
	must_destroy(cache);
}
END_TEST

static void refused(const char *name, size_t size, size_t align, unsigned int flags,
		    const char *why)
{
	fault_log_clear();
	ck_assert_ptr_null(udrv_kmem_cache_create(NULL, name, size, align, flags, NULL, NULL));
	ck_assert_msg(fault_logged(why), "%s", fault_log_text());
}

START_TEST(bad_arguments_are_refused)
{
	refused(NULL, 8, 0, 0, "no name");
	refused("", 8, 0, 0, "no name");
	refused("bad", 0, 0, 0, "size");
	refused("bad", UDRV_KMEM_CACHE_MAX_SIZE + 1, 0, 0, "size");
	refused("bad", SIZE_MAX, 0, 0, "size");
	refused("bad", 8, 24, 0, "alignment");
	refused("bad", 8, (size_t)4 << 20, 0, "alignment");
	refused("dma", 8, 0, UDRV_SLAB_CACHE_DMA, "DMA memory is a device");
	refused("bad", 8, 0, 0x100, "not supported");
	ck_assert_int_eq(udrv_kmem_cache_destroy(NULL), 0);
}
END_TEST

static void *call_alloc(struct udrv_kmem_cache *cache)
{
	void *(*volatile alloc)(struct udrv_kmem_cache *, udrv_gfp_t) = udrv_kmem_cache_alloc;

	return alloc(cache, UDRV_GFP_KERNEL | UDRV_GFP_ZERO);
}

static void *inline_alloc(struct udrv_kmem_cache *cache)
{
	return udrv_kmem_cache_alloc(cache, UDRV_GFP_KERNEL | UDRV_GFP_ZERO);
}

static void *node_alloc(struct udrv_kmem_cache *cache)
{
	return udrv_kmem_cache_alloc_node(cache, UDRV_GFP_KERNEL | UDRV_GFP_ZERO, 0);
}

static void *bulk_alloc(struct udrv_kmem_cache *cache)
{
	void *obj = NULL;

	(void)udrv_kmem_cache_alloc_bulk(cache, UDRV_GFP_KERNEL | UDRV_GFP_ZERO, 1, &obj);
	return obj;
}

static void *zalloc(struct udrv_kmem_cache *cache)
{
	return udrv_kmem_cache_zalloc(cache, UDRV_GFP_KERNEL);
}

static void *(*const zeroing[])(struct udrv_kmem_cache *cache) = {
	zalloc, inline_alloc, call_alloc, node_alloc, bulk_alloc,
};

START_TEST(objects_are_zeroed_but_not_what_was_constructed)
{
	struct udrv_kmem_cache *cache = plain(100);
	static const char zeroes[100];
	void *obj = must_alloc(cache);

	memset(obj, 0xff, 100);
	udrv_kmem_cache_free(cache, obj);
	ck_assert_ptr_eq(zeroing[_i](cache), obj);
	ck_assert_int_eq(memcmp(obj, zeroes, 100), 0);
	udrv_kmem_cache_free(cache, obj);
	must_destroy(cache);

	cache = things(0);
	fault_log_clear();
	ck_assert_ptr_null(zeroing[_i](cache));
	ck_assert(fault_logged("things"));
	must_destroy(cache);
}
END_TEST

START_TEST(bulk_is_all_or_nothing)
{
	enum { LIMIT = 1000 };
	struct udrv_kmem_cache *cache = plain(64);
	void **objs = pointers(LIMIT + 1);

	ck_assert_int_eq(udrv_kmem_cache_set_limit(cache, LIMIT), 0);
	ck_assert_int_eq(udrv_kmem_cache_alloc_bulk(cache, UDRV_GFP_KERNEL, LIMIT + 1, objs), 0);
	ck_assert_uint_eq(stats_of(cache).active, 0);
	ck_assert_int_eq(udrv_kmem_cache_alloc_bulk(cache, UDRV_GFP_KERNEL, 0, objs), 0);
	ck_assert_int_eq(udrv_kmem_cache_alloc_bulk(cache, UDRV_GFP_KERNEL, LIMIT, objs), LIMIT);
	ck_assert_uint_eq(stats_of(cache).active, LIMIT);
	ck_assert_int_eq(udrv_kmem_cache_alloc_bulk(cache, UDRV_GFP_KERNEL, 1, objs + LIMIT), 0);
	udrv_kmem_cache_free_bulk(cache, LIMIT, objs);
	udrv_kmem_cache_free_bulk(cache, 0, objs);
	must_destroy(cache);
	free(objs);
}
END_TEST

static const size_t limits[] = {1, 2, 3, 7, 8, 100, 511, 1024, 5000};

START_TEST(a_lone_thread_gets_as_many_objects_as_the_limit_says)
{
	size_t limit = limits[_i];
	struct udrv_kmem_cache *cache = plain(64);
	void **objs = pointers(limit);

	ck_assert_int_eq(udrv_kmem_cache_set_limit(cache, 0), -EINVAL);
	ck_assert_int_eq(udrv_kmem_cache_set_limit(cache, 2 * limit), 0);
	ck_assert_int_eq(udrv_kmem_cache_set_limit(cache, limit), 0);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < limit; i++)
			objs[i] = must_alloc(cache);
		ck_assert_ptr_null(udrv_kmem_cache_alloc(cache, UDRV_GFP_KERNEL));
		ck_assert_ptr_null(udrv_kmem_cache_alloc(cache, UDRV_GFP_ATOMIC));
		ck_assert_uint_eq(stats_of(cache).total, limit);
		udrv_kmem_cache_free(cache, objs[0]);
		objs[0] = must_alloc(cache);
		for (size_t i = 0; i < limit; i++)
			udrv_kmem_cache_free(cache, objs[i]);
	}
	ck_assert_int_eq(udrv_kmem_cache_set_limit(cache, limit), -EBUSY);
	must_destroy(cache);
	free(objs);
}
END_TEST

struct job {
	struct udrv_kmem_cache *cache;
	void **objs;
	int n;
	int stage;
};

static void *free_them(void *arg)
{
	struct job *job = arg;

	for (int i = 0; i < job->n; i++)
		udrv_kmem_cache_free(job->cache, job->objs[i]);
	return NULL;
}

static void *alloc_them(void *arg)
{
	struct job *job = arg;

	for (int i = 0; i < job->n; i++)
		job->objs[i] = must_alloc(job->cache);
	return NULL;
}

START_TEST(another_thread_may_free)
{
	struct job job = {things(0), pointers(5000), 5000, 0};
	uint64_t memory = 0;

	for (int round = 0; round < 20; round++) {
		(void)alloc_them(&job);
		finish(start(free_them, &job));
		finish(start(alloc_them, &job));
		(void)free_them(&job);
		if (round == 4)
			memory = stats_of(job.cache).memory;
	}
	ck_assert_uint_eq(stats_of(job.cache).active, 0);
	ck_assert_uint_eq(stats_of(job.cache).memory, memory);
	must_destroy(job.cache);
	free(job.objs);
}
END_TEST

static void *use_and_end(void *arg)
{
	struct job *job = arg;
	void *objs[300];

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < job->n; i++)
			objs[i] = must_alloc(job->cache);
		for (int i = 0; i < job->n; i++)
			udrv_kmem_cache_free(job->cache, objs[i]);
	}
	return NULL;
}

START_TEST(threads_that_end_lose_nothing)
{
	struct job job = {things(0), NULL, 0, 0};
	uint64_t total = 0;

	for (int round = 0; round < 100; round++) {
		job.n = 1 + round * 3;
		pthread_t a = start(use_and_end, &job);
		pthread_t b = start(use_and_end, &job);

		finish(a);
		finish(b);
		ck_assert_uint_eq(stats_of(job.cache).active, 0);
		if (!round)
			total = stats_of(job.cache).total;
	}
	ck_assert_uint_le(stats_of(job.cache).total, total + 5000);
	ck_assert_uint_eq(stats_of(job.cache).allocations, 2 * 3 * (100 + 3 * 99 * 100 / 2));
	must_destroy(job.cache);
}
END_TEST

static int holding;

static void *hold(void *arg)
{
	struct job *job = arg;
	void *objs[300];

	ck_assert_int_eq(udrv_kmem_cache_alloc_bulk(job->cache, UDRV_GFP_KERNEL, 300, objs), 300);
	inc(holding);
	until(get(holding) == job->n);
	udrv_kmem_cache_free_bulk(job->cache, 300, objs);
	return NULL;
}

START_TEST(many_threads_have_magazines_at_once)
{
	enum { THREADS = 100 };
	struct job job = {things(0), NULL, THREADS, 0};
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		threads[i] = start(hold, &job);
	for (int i = 0; i < THREADS; i++)
		finish(threads[i]);
	ck_assert_uint_eq(stats_of(job.cache).allocations, 300 * THREADS);
	ck_assert_uint_eq(stats_of(job.cache).active, 0);
	must_destroy(job.cache);
	ck_assert_uint_eq(made, ended);
}
END_TEST

static pthread_key_t late;

static void free_late(void *arg)
{
	struct job *job = arg;

	/* Whichever order the destructors of a thread run in. */
	udrv_kmem_cache_free(job->cache, job->objs[0]);
	udrv_kmem_cache_free(job->cache, must_alloc(job->cache));
	if (++job->stage < 3) {
		job->objs[0] = must_alloc(job->cache);
		pthread_setspecific(late, job);
	}
}

static void *end_with_object(void *arg)
{
	struct job *job = arg;

	job->objs[0] = must_alloc(job->cache);
	pthread_setspecific(late, job);
	return NULL;
}

START_TEST(destructors_of_a_thread_may_use_caches)
{
	struct job job = {things(0), pointers(1), 1, 0};

	ck_assert_int_eq(pthread_key_create(&late, free_late), 0);
	finish(start(end_with_object, &job));
	ck_assert_int_eq(job.stage, 3);
	ck_assert_uint_eq(stats_of(job.cache).active, 0);
	must_destroy(job.cache);
	free(job.objs);
}
END_TEST

static void *use_two_in_turn(void *arg)
{
	struct job *job = arg;

	udrv_kmem_cache_free(job->cache, must_alloc(job->cache));
	set(job->stage, 1);
	until(get(job->stage) == 2);
	for (int i = 0; i < 1000; i++)
		udrv_kmem_cache_free(job->cache, must_alloc(job->cache));
	return NULL;
}

START_TEST(a_cache_may_end_before_the_threads_that_used_it)
{
	struct job job = {things(0), NULL, 0, 0};
	pthread_t thread = start(use_two_in_turn, &job);

	until(get(job.stage) == 1);
	must_destroy(job.cache);
	/* In the same place of the thread's table. */
	job.cache = plain(2048);
	set(job.stage, 2);
	finish(thread);
	must_destroy(job.cache);
}
END_TEST

static void *use_and_end_meanwhile(void *arg)
{
	struct job *job = arg;

	for (int i = 0; i < 600; i++)
		udrv_kmem_cache_free(job->cache, must_alloc(job->cache));
	set(job->stage, 1);
	return NULL;
}

START_TEST(threads_may_end_while_a_cache_does)
{
	for (int round = 0; round < 300; round++) {
		struct job job = {things(0), NULL, 0, 0};
		pthread_t thread = start(use_and_end_meanwhile, &job);

		until(get(job.stage) == 1);
		must_destroy(job.cache);
		finish(thread);
	}
	ck_assert_uint_eq(made, ended);
}
END_TEST

START_TEST(a_cache_with_objects_is_not_destroyed_and_says_so)
{
	struct udrv_kmem_cache *cache = things(0);
	void *objs[3];

	ck_assert_int_eq(udrv_kmem_cache_alloc_bulk(cache, UDRV_GFP_KERNEL, 3, objs), 3);
	fault_log_clear();
	ck_assert_int_eq(udrv_kmem_cache_destroy(cache), -EBUSY);
	ck_assert_msg(fault_logged("cache things: 3 objects"), "%s", fault_log_text());
	ck_assert_uint_eq(((struct thing *)objs[0])->magic, MAGIC);
	udrv_kmem_cache_free(cache, must_alloc(cache));
	udrv_kmem_cache_free_bulk(cache, 3, objs);
	must_destroy(cache);
}
END_TEST

START_TEST(an_object_of_another_cache_is_not_taken)
{
	struct udrv_kmem_cache *cache = plain(64);
	struct udrv_kmem_cache *other = plain(64);
	void *obj = must_alloc(other);

	udrv_kmem_cache_free(cache, obj);
	fault_log_clear();
	(void)udrv_kmem_cache_shrink(cache);
	ck_assert_msg(fault_logged("cache plain: 1 objects freed"), "%s", fault_log_text());
	must_destroy(cache);
	udrv_kmem_cache_free(other, obj);
	must_destroy(other);
}
END_TEST

START_TEST(a_pointer_into_an_object_is_not_taken)
{
	struct udrv_kmem_cache *cache = plain(_i ? 256 : 64);
	char *obj = must_alloc(cache);

	udrv_kmem_cache_free(cache, obj + 8);
	fault_log_clear();
	(void)udrv_kmem_cache_shrink(cache);
	ck_assert_msg(fault_logged("cache plain: 1 objects freed"), "%s", fault_log_text());
	udrv_kmem_cache_free(cache, obj);
	must_destroy(cache);
}
END_TEST

static void use_many(struct udrv_kmem_cache *cache, size_t n)
{
	void **objs = pointers(n);

	for (size_t i = 0; i < n; i++)
		objs[i] = must_alloc(cache);
	for (size_t i = 0; i < n; i++)
		udrv_kmem_cache_free(cache, objs[i]);
	free(objs);
}

static size_t unmapped;

static void count_munmap(void *addr, size_t len)
{
	(void)addr;
	unmapped += len;
}

START_TEST(shrink_gives_memory_back)
{
	struct udrv_kmem_cache *cache = things(UDRV_SLAB_NO_REAP);
	uint64_t memory;
	void *obj;

	use_many(cache, 100000);
	memory = stats_of(cache).memory;
	ck_assert_uint_ge(memory, 100000 * sizeof(struct thing));
	fault_set_hooks(&(struct fault_hooks){.munmap = count_munmap});
	ck_assert_int_eq(udrv_kmem_cache_shrink(cache), 0);
	fault_set_hooks(&(struct fault_hooks){0});
	ck_assert_uint_le(stats_of(cache).total, 2 * RESERVE_OBJECTS + 3000);
	ck_assert_uint_eq(unmapped, memory - stats_of(cache).memory);
	ck_assert_uint_eq(made - ended, stats_of(cache).total);
	obj = must_alloc(cache);
	ck_assert_int_eq(udrv_kmem_cache_shrink(cache), 1);
	udrv_kmem_cache_free(cache, obj);
	ck_assert_int_eq(udrv_kmem_cache_shrink(cache), 0);
	must_destroy(cache);
}
END_TEST

/* Needs the depot and slabs each time. */
static void use_some(struct udrv_kmem_cache *cache)
{
	for (int i = 0; i < 50; i++)
		use_many(cache, 2000);
}

START_TEST(idle_slabs_are_reaped_unless_no_reap)
{
	struct udrv_kmem_cache *cache = plain(256);
	struct udrv_kmem_cache *keeping =
		udrv_kmem_cache_create(NULL, "keeping", 256, 0, UDRV_SLAB_NO_REAP, NULL, NULL);
	uint64_t memory;

	ck_assert_ptr_nonnull(keeping);
	set(udrv__slab_reap_period_ns, 1000000000000);
	use_many(cache, 100000);
	use_many(keeping, 100000);
	memory = stats_of(cache).memory;
	use_some(cache);
	ck_assert_uint_eq(stats_of(cache).memory, memory);
	set(udrv__slab_reap_period_ns, 0);
	for (int i = 0; i < 3; i++) {
		use_many(cache, 20000);
		use_many(keeping, 20000);
	}
	ck_assert_uint_lt(stats_of(cache).memory, memory / 2);
	ck_assert_uint_ge(stats_of(keeping).memory, memory);
	must_destroy(cache);
	must_destroy(keeping);
}
END_TEST

/* Every system call of the thread counts while this is BLOCK, if the kernel has such a thing. */
static volatile char dispatch;
static volatile sig_atomic_t system_calls;

static void on_sigsys(int sig, siginfo_t *info, void *ctx)
{
	(void)sig;
	(void)info;
	(void)ctx;
	dispatch = 0;
	system_calls = system_calls + 1;
}

static bool watch_system_calls(void)
{
	struct sigaction action = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO};

	ck_assert_int_eq(sigaction(SIGSYS, &action, NULL), 0);
	return HANDLERS_RUN_AT_ONCE &&
	       !prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0, &dispatch);
}

static void *take_atomic(void *arg)
{
	struct job *job = arg;
	bool watched = watch_system_calls();
	const char *failed;

	until(get(job->stage) == 1);
	/* For programs without the watch. */
	fault_arm(1);
	if (watched)
		dispatch = 1;
	while (job->n < 100000 &&
	       (job->objs[job->n] = udrv_kmem_cache_alloc(job->cache, UDRV_GFP_ATOMIC)))
		job->n++;
	dispatch = 0;
	failed = fault_disarm();
	set(job->stage, 2);
	ck_assert_msg(!failed, "%s was called", failed);
	ck_assert_int_eq(system_calls, 0);
	prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0, 0, 0);
	return watched ? arg : NULL;
}

/* Meanwhile the caller makes no calls that would count. Whether all system calls were watched. */
static bool take_atomic_in_a_thread(struct job *job)
{
	pthread_t thread;

	job->n = 0;
	job->stage = 0;
	thread = start(take_atomic, job);
	set(job->stage, 1);
	until(get(job->stage) == 2);
	return finish(thread);
}

START_TEST(atomic_makes_no_system_call_and_has_the_reserve)
{
	struct job job = {plain(64), pointers(100000), 0, 0};

	/* A thread that never used a cache, on a cache that nobody used. */
	if (!take_atomic_in_a_thread(&job))
		printf("system calls are only watched by name here\n");
	ck_assert_int_ge(job.n, RESERVE_OBJECTS);
	ck_assert_uint_eq(stats_of(job.cache).active, (uint64_t)job.n);
	(void)free_them(&job);
	/* A thread that did. */
	job.n = 0;
	job.stage = 1;
	(void)take_atomic(&job);
	ck_assert_int_ge(job.n, RESERVE_OBJECTS);
	(void)free_them(&job);
	must_destroy(job.cache);
	free(job.objs);
}
END_TEST

START_TEST(kernel_leaves_and_refills_the_reserve)
{
	struct job job = {plain(64), pointers(100000), 0, 0};
	void **mine = pointers(10000);

	/* The reserve alone is left of those that there are. */
	for (int i = 0; i < 10000; i++) {
		mine[i] = must_alloc(job.cache);
		MUST(udrv__depot_full(job.cache) >= RESERVE);
	}
	(void)take_atomic_in_a_thread(&job);
	ck_assert_int_ge(job.n, RESERVE_OBJECTS);
	for (int i = 0; i < 5000; i++)
		udrv_kmem_cache_free(job.cache, mine[i]);
	for (int i = 0; i < 5000; i++)
		mine[i] = must_alloc(job.cache);
	use_many(job.cache, 10000);
	for (int i = 0; i < job.n; i++)
		udrv_kmem_cache_free(job.cache, job.objs[i]);
	(void)take_atomic_in_a_thread(&job);
	ck_assert_int_ge(job.n, RESERVE_OBJECTS);
	(void)free_them(&job);
	udrv_kmem_cache_free_bulk(job.cache, 10000, mine);
	must_destroy(job.cache);
	free(job.objs);
	free(mine);
}
END_TEST

static void *use_without_magazines(void *arg)
{
	struct job *job = arg;

	/* Not for the table, not afterwards. */
	for (int i = 0; i < job->n; i++) {
		fault_arm_call("mmap", 1, ENOMEM);
		job->objs[i] = udrv_kmem_cache_alloc(job->cache, UDRV_GFP_KERNEL);
		ck_assert_ptr_nonnull(job->objs[i]);
		ck_assert_str_eq(fault_disarm(), "mmap");
	}
	for (int i = 0; i < job->n; i++) {
		fault_arm_call("mmap", 1, ENOMEM);
		udrv_kmem_cache_free(job->cache, job->objs[i]);
		ck_assert_str_eq(fault_disarm(), "mmap");
	}
	return NULL;
}

START_TEST(a_thread_without_memory_for_magazines_works_all_the_same)
{
	struct job job = {things(0), pointers(2000), 2000, 0};

	finish(start(use_without_magazines, &job));
	ck_assert_uint_eq(stats_of(job.cache).active, 0);
	ck_assert_uint_eq(stats_of(job.cache).allocations, 2000);
	ck_assert_uint_eq(stats_of(job.cache).hits, 0);
	must_destroy(job.cache);
	free(job.objs);
}
END_TEST

START_TEST(a_process_has_1023_caches)
{
	static struct udrv_kmem_cache *caches[CACHES_MAX];

	for (int i = 0; i < CACHES_MAX - 1; i++) {
		caches[i] = plain(8 + (size_t)i);
		udrv_kmem_cache_free(caches[i], must_alloc(caches[i]));
	}
	refused("more", 8, 0, 0, "too many");
	must_destroy(caches[500]);
	caches[500] = plain(8);
	for (int i = 0; i < CACHES_MAX - 1; i++)
		must_destroy(caches[i]);
}
END_TEST

START_TEST(a_million_objects_live)
{
	enum { N = 1000000 };
	struct udrv_kmem_cache *cache = plain(64);
	void **objs = pointers(N);
	struct udrv_kmem_cache_stats stats;

	for (size_t i = 0; i < N; i++) {
		objs[i] = must_alloc(cache);
		*(size_t *)objs[i] = i;
	}
	stats = stats_of(cache);
	ck_assert_uint_eq(stats.active, N);
	ck_assert_uint_le(stats.memory, UINT64_C(64) * N * 103 / 100 + (1 << 20));
	for (size_t i = 0; i < N; i++) {
		MUST(*(size_t *)objs[i] == i);
		udrv_kmem_cache_free(cache, objs[i]);
	}
	ck_assert_int_eq(udrv_kmem_cache_shrink(cache), 0);
	must_destroy(cache);
	free(objs);
}
END_TEST

START_TEST(statistics_count_what_happened)
{
	struct udrv_kmem_cache *cache = plain(64);
	struct udrv_kmem_cache_stats stats;

	use_many(cache, 100);
	for (int i = 0; i < 99900; i++)
		udrv_kmem_cache_free(cache, must_alloc(cache));
	stats = stats_of(cache);
	ck_assert_uint_eq(stats.active, 0);
	ck_assert_uint_eq(stats.allocations, 100000);
	ck_assert_uint_eq(stats.frees, 100000);
	ck_assert_uint_ge(stats.hits, 99990);
	ck_assert_uint_lt(stats.hits, 100000);
	ck_assert_uint_eq(stats.magazine, 256);
	ck_assert_uint_ge(stats.slabs * stats.objects_per_slab, stats.total);
	ck_assert_uint_eq(stats.memory, stats.slabs * 65536);
	must_destroy(cache);
}
END_TEST

/* Each thread puts objects where others take them from. */
#define PLACES 2000
static void *places[PLACES];
static int trips;

static void *hand_over(void *arg)
{
	struct job *job = arg;
	uint64_t random = (uintptr_t)&random;

	for (int i = 0; i < trips; i++) {
		struct thing *t = udrv_kmem_cache_alloc(job->cache,
							i % 7 ? UDRV_GFP_KERNEL : UDRV_GFP_ATOMIC);

		random = random * 6364136223846793005u + 1442695040888963407u;
		if (t) {
			MUST(t->magic == MAGIC);
			MUST(!t->owner);
			t->owner = (uintptr_t)t;
		}
		t = __atomic_exchange_n(&places[(random >> 33) % PLACES], (void *)t,
					__ATOMIC_ACQ_REL);
		if (!t)
			continue;
		MUST(t->owner == (uintptr_t)t);
		t->owner = 0;
		udrv_kmem_cache_free(job->cache, t);
		if (i % 5000 == 0)
			(void)udrv_kmem_cache_shrink(job->cache);
	}
	return NULL;
}

static void *look_on(void *arg)
{
	struct job *job = arg;

	while (!get(job->stage)) {
		struct udrv_kmem_cache_stats stats = stats_of(job->cache);

		MUST(stats.total <= stats.slabs * stats.objects_per_slab + 100000);
		sched_yield();
	}
	return NULL;
}

START_TEST(threads_hand_objects_to_each_other)
{
	enum { THREADS = 4 };
	struct job job = {things(0), NULL, 0, 0};
	pthread_t threads[THREADS];
	pthread_t looking = start(look_on, &job);

	set(udrv__slab_reap_period_ns, 0);
	trips = HANDLERS_RUN_AT_ONCE ? 100000 : 20000;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < THREADS; i++)
			threads[i] = start(hand_over, &job);
		for (int i = 0; i < THREADS; i++)
			finish(threads[i]);
	}
	set(job.stage, 1);
	finish(looking);
	for (int i = 0; i < PLACES; i++)
		if (places[i]) {
			((struct thing *)places[i])->owner = 0;
			udrv_kmem_cache_free(job.cache, places[i]);
		}
	ck_assert_uint_eq(stats_of(job.cache).active, 0);
	must_destroy(job.cache);
	ck_assert_uint_eq(made, ended);
}
END_TEST

static void without_debug(void)
{
	udrv__slab_checkers = false;
}

/* Through the address sanitizer too, where the suite is built with it. */
static void with_debug(void)
{
	udrv__slab_checkers = true;
	ck_assert_int_eq(setenv("UDRV_SLAB_DEBUG", "FZP", 1), 0);
}

/* Back traces take long under a sanitizer. */
static void with_owners(void)
{
	with_debug();
	ck_assert_int_eq(setenv("UDRV_SLAB_DEBUG", "FZPU", 1), 0);
}

/* What holds with and without debug modes. */
static void add_common(TCase *tc)
{
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, objects_are_constructed_with_their_slab_and_destructed_with_it);
	tcase_add_test(tc, objects_keep_their_state_while_free);
	tcase_add_loop_test(tc, objects_of_any_size_are_aligned_and_apart, 0,
			    sizeof(sizes) / sizeof(sizes[0]));
	tcase_add_test(tc, bulk_is_all_or_nothing);
	tcase_add_loop_test(tc, a_lone_thread_gets_as_many_objects_as_the_limit_says, 0,
			    sizeof(limits) / sizeof(limits[0]));
	tcase_add_test(tc, another_thread_may_free);
	tcase_add_test(tc, threads_that_end_lose_nothing);
	tcase_add_test(tc, many_threads_have_magazines_at_once);
	tcase_add_test(tc, destructors_of_a_thread_may_use_caches);
	tcase_add_test(tc, a_cache_may_end_before_the_threads_that_used_it);
	tcase_add_test(tc, threads_may_end_while_a_cache_does);
	tcase_add_test(tc, a_cache_with_objects_is_not_destroyed_and_says_so);
	tcase_add_test(tc, shrink_gives_memory_back);
	tcase_add_test(tc, idle_slabs_are_reaped_unless_no_reap);
	tcase_add_test(tc, atomic_makes_no_system_call_and_has_the_reserve);
	tcase_add_test(tc, threads_hand_objects_to_each_other);
}

static void add_fast(TCase *tc)
{
	tcase_add_loop_test(tc, first_lines_of_objects_are_not_in_few_sets, 0, 8);
	tcase_add_loop_test(tc, a_pointer_into_an_object_is_not_taken, 0, 2);
	tcase_add_test(tc, bad_arguments_are_refused);
	tcase_add_loop_test(tc, objects_are_zeroed_but_not_what_was_constructed, 0,
			    sizeof(zeroing) / sizeof(zeroing[0]));
	tcase_add_test(tc, an_object_of_another_cache_is_not_taken);
	tcase_add_test(tc, kernel_leaves_and_refills_the_reserve);
	tcase_add_test(tc, a_thread_without_memory_for_magazines_works_all_the_same);
	tcase_add_test(tc, a_process_has_1023_caches);
	tcase_add_test(tc, a_million_objects_live);
	tcase_add_test(tc, statistics_count_what_happened);
}

int main(void)
{
	Suite *s = suite_create("slab");
	TCase *tc = tcase_create("caches");
	TCase *debug = tcase_create("caches in debug modes");
	TCase *owners = tcase_create("owners of objects");

	tcase_add_checked_fixture(tc, without_debug, NULL);
	add_common(tc);
	add_fast(tc);
	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(debug, with_debug, NULL);
	add_common(debug);
	suite_add_tcase(s, debug);
	tcase_add_checked_fixture(owners, with_owners, NULL);
	tcase_set_timeout(owners, 300);
	tcase_add_test(owners, atomic_makes_no_system_call_and_has_the_reserve);
	tcase_add_test(owners, threads_that_end_lose_nothing);
	suite_add_tcase(s, owners);
	return run_suite(s);
}
