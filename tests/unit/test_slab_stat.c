// SPDX-License-Identifier: MIT
/* What caches tell in a file, and what readers make of it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <udrv/delay.h>
#include <udrv/log.h>
#include <udrv/slab.h>

#include "mem/slab.h"
#include "mem/slab_stat.h"
#include "stat/file.h"

#include "support/fake_tree.h"
#include "support/fault.h"
#include "support/must.h"
#include "support/suite.h"
#include "support/threads.h"

#define FILE_NAME "test@model:edu.slabs"

static char path[PATH_MAX];

static void setup_place(void)
{
	fake_tree_make();
	(void)snprintf(path, sizeof(path), "%s/" FILE_NAME, fake_root);
}

static void setup(void)
{
	setup_place();
	ck_assert_int_eq(udrv__slab_stat_create(fake_root, "test", "model:edu"), 0);
}

static void teardown(void)
{
	udrv__slab_stat_destroy();
	ck_assert_int_ne(access(path, F_OK), 0);
	fake_tree_remove();
}

static struct udrv_kmem_cache *make(const char *name, size_t size)
{
	struct udrv_kmem_cache *cache = udrv_kmem_cache_create(NULL, name, size, 0, 0, NULL, NULL);

	ck_assert_ptr_nonnull(cache);
	return cache;
}

static void end(struct udrv_kmem_cache *cache)
{
	ck_assert_int_eq(udrv_kmem_cache_destroy(cache), 0);
}

/* Whether a reader finds a cache of that name. */
static bool find(const char *name, struct udrv__slab_reading *reading)
{
	struct udrv__slab_view view;
	bool found = false;

	ck_assert_int_eq(udrv__slab_view_open(&view, path), 0);
	for (unsigned int nr = 1; nr < UDRV__SLAB_CACHES && !found; nr++)
		found = !udrv__slab_view_read(&view, nr, reading) &&
			!strcmp(reading->record.name, name);
	udrv__slab_view_close(&view);
	return found;
}

static struct udrv__slab_reading seen(const char *name)
{
	struct udrv__slab_reading reading;

	ck_assert_msg(find(name, &reading), "%s is not there", name);
	return reading;
}

static void use(struct udrv_kmem_cache *cache, int n)
{
	while (n--) {
		void *obj = udrv_kmem_cache_alloc(cache, UDRV_GFP_KERNEL);

		MUST(obj);
		udrv_kmem_cache_free(cache, obj);
	}
}

START_TEST(a_cache_tells_what_it_is_and_does)
{
	struct udrv_kmem_cache *cache = udrv_kmem_cache_create(
		NULL, "a name of 31 bytes, and then more", 100, 0, UDRV_SLAB_NO_REAP, NULL, NULL);
	struct udrv_kmem_cache_stats stats;
	struct udrv__slab_reading r;
	void *objs[1000];

	ck_assert_int_eq(udrv_kmem_cache_alloc_bulk(cache, UDRV_GFP_KERNEL, 1000, objs), 1000);
	udrv_kmem_cache_free_bulk(cache, 400, objs);
	udrv_kmem_cache_get_stats(cache, &stats);
	r = seen("a name of 31 bytes, and then mo");
	ck_assert_uint_eq(r.allocs, 1000);
	ck_assert_uint_eq(r.frees, 400);
	ck_assert_uint_eq(r.active, 600);
	ck_assert_uint_eq(r.hits, stats.hits);
	ck_assert_uint_gt(r.hits, 0);
	ck_assert_uint_eq(r.record.total, stats.total);
	ck_assert_uint_eq(r.record.slabs, stats.slabs);
	ck_assert_uint_eq(r.record.slabs * r.record.slab_size, stats.memory);
	ck_assert_uint_eq(r.record.per_slab, stats.objects_per_slab);
	ck_assert_uint_eq(r.record.magazine, stats.magazine);
	ck_assert_uint_eq(r.record.object_size, 100);
	ck_assert_uint_eq(r.record.size, 104);
	ck_assert_uint_eq(r.record.limit, UINT64_MAX);
	ck_assert_uint_eq(r.record.traits, UDRV__SLAB_KEEPS);
	udrv_kmem_cache_free_bulk(cache, 600, objs + 400);
	end(cache);
}
END_TEST

START_TEST(a_limit_is_told)
{
	struct udrv_kmem_cache *cache = make("few", 64);

	ck_assert_int_eq(udrv_kmem_cache_set_limit(cache, 100), 0);
	ck_assert_uint_eq(seen("few").record.limit, 100);
	ck_assert_uint_eq(seen("few").record.magazine, 12);
	end(cache);
}
END_TEST

struct job {
	struct udrv_kmem_cache *cache;
	int n;
	int used;
	int may_end;
};

static void *use_and_wait(void *arg)
{
	struct job *job = arg;

	use(job->cache, job->n);
	inc(job->used);
	until(get(job->may_end));
	return NULL;
}

START_TEST(counts_are_exact_while_threads_run_and_after_they_ended)
{
	enum { THREADS = 20, N = 1234 };
	struct job job = {.cache = make("busy", 64), .n = N};
	pthread_t threads[THREADS];

	for (int round = 1; round <= 3; round++) {
		job.used = job.may_end = 0;
		for (int i = 0; i < THREADS; i++)
			threads[i] = start(use_and_wait, &job);
		until(get(job.used) == THREADS);
		ck_assert_uint_eq(seen("busy").allocs, (unsigned int)(round * THREADS * N));
		ck_assert_uint_eq(seen("busy").frees, (unsigned int)(round * THREADS * N));
		set(job.may_end, 1);
		for (int i = 0; i < THREADS; i++)
			finish(threads[i]);
		ck_assert_uint_eq(seen("busy").allocs, (unsigned int)(round * THREADS * N));
		ck_assert_uint_eq(seen("busy").active, 0);
	}
	end(job.cache);
}
END_TEST

static void *use_and_end(void *arg)
{
	struct job *job = arg;

	use(job->cache, 100);
	inc(job->used);
	return NULL;
}

static void *come_and_go(void *arg)
{
	struct job *job = arg;

	while (!get(job->may_end))
		finish(start(use_and_end, job));
	return NULL;
}

/* Counts go from threads to the past meanwhile. */
START_TEST(no_thread_that_ends_is_seen_twice_or_not_at_all)
{
	struct job job = {.cache = make("past", 64)};
	pthread_t thread = start(come_and_go, &job);
	struct udrv__slab_reading r;
	struct udrv__slab_view view;

	until(get(job.used));
	ck_assert_int_eq(udrv__slab_view_open(&view, path), 0);
	for (int reads = 0; get(job.used) < 2000 || reads < 2000; reads++) {
		unsigned int least = (unsigned int)get(job.used) * 100;

		MUST(!udrv__slab_view_read(&view, (unsigned int)job.cache->slot / CACHE_LINE, &r));
		MUST(r.allocs >= least);
		MUST(r.allocs <= (unsigned int)(get(job.used) + 1) * 100);
	}
	udrv__slab_view_close(&view);
	set(job.may_end, 1);
	finish(thread);
	ck_assert_uint_eq(seen("past").allocs, (unsigned int)job.used * 100);
	end(job.cache);
}
END_TEST

/* The thread that ends lost its CPU in the middle. */
static void *end_the_change(void *record)
{
	struct udrv__slab_record *r = record;

	udrv_msleep(100);
	__atomic_store_n(&r->past_allocs, 10, __ATOMIC_RELAXED);
	udrv__slab_stat_end(r);
	return NULL;
}

START_TEST(a_change_that_takes_long_is_waited_for)
{
	struct udrv_kmem_cache *cache = make("slow", 64);
	struct udrv__slab_record *r = cache->record;
	pthread_t thread;

	udrv__slab_stat_begin(r);
	__atomic_store_n(&r->past_allocs, 1000, __ATOMIC_RELAXED);
	thread = start(end_the_change, r);
	ck_assert_uint_eq(seen("slow").allocs, 10);
	finish(thread);
	__atomic_store_n(&r->past_allocs, 0, __ATOMIC_RELAXED);
	end(cache);
}
END_TEST

START_TEST(a_cache_that_ended_is_not_shown_and_the_next_begins_at_0)
{
	struct udrv_kmem_cache *cache = make("first", 64);
	struct udrv__slab_reading r;

	use(cache, 1000);
	ck_assert_uint_eq(seen("first").allocs, 1000);
	end(cache);
	ck_assert(!find("first", &r));
	cache = make("second", 2048);
	ck_assert_uint_eq(seen("second").allocs, 0);
	ck_assert_uint_eq(seen("second").active, 0);
	use(cache, 10);
	ck_assert_uint_eq(seen("second").allocs, 10);
	end(cache);
}
END_TEST

START_TEST(a_cache_outlives_the_file)
{
	struct udrv_kmem_cache *cache;
	struct udrv_kmem_cache_stats stats;

	udrv__slab_stat_destroy();
	cache = make("long", 64);
	for (int round = 1; round <= 3; round++) {
		ck_assert_int_eq(udrv__slab_stat_create(fake_root, "test", "model:edu"), 0);
		/* Of a thread that has a table: they are told when it ends, as docs say. */
		use(cache, 1000);
		ck_assert_uint_gt(seen("long").record.total, 0);
		udrv__slab_stat_destroy();
		udrv_kmem_cache_get_stats(cache, &stats);
		ck_assert_uint_eq(stats.allocations, (unsigned int)round * 1000);
	}
	end(cache);
}
END_TEST

START_TEST(there_is_one_file)
{
	fault_log_clear();
	ck_assert_int_eq(udrv__slab_stat_create(fake_root, "test", "model:other"), -EBUSY);
	ck_assert(fault_logged("no statistics of its caches"));
	ck_assert_int_eq(udrv__slab_stat_create("/proc/nothing", "test", "model:edu"), -EBUSY);
	udrv__slab_stat_destroy();
	ck_assert_int_eq(udrv__slab_stat_create("/proc/nothing", "test", "model:edu"), -ENOENT);
}
END_TEST

/* The file as its owner has it. */
static struct udrv__slab_header *map_header(void)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	void *h = mmap(NULL, sizeof(struct udrv__slab_header), PROT_READ | PROT_WRITE, MAP_SHARED,
		       fd, 0);

	ck_assert_ptr_ne(h, MAP_FAILED);
	close(fd);
	return h;
}

/* One that uses the cache, and is counted no sooner than it ends. */
static void counted_late(struct udrv_kmem_cache *cache, const char *name)
{
	struct job job = {.cache = cache, .n = 1000};
	uint64_t before = seen(name).allocs;
	pthread_t thread = start(use_and_wait, &job);

	until(get(job.used) == 1);
	ck_assert_uint_eq(seen(name).allocs, before);
	set(job.may_end, 1);
	finish(thread);
	ck_assert_uint_eq(seen(name).allocs, before + 1000);
}

START_TEST(a_thread_for_which_there_is_no_room_is_counted_when_it_ends)
{
	struct udrv_kmem_cache *cache = make("crowd", 64);
	struct udrv__slab_header *h = map_header();

	for (int i = 0; i < UDRV__SLAB_BLOCKS; i++)
		h->counted[i] = 64;
	counted_late(cache, "crowd");
	memset(h->counted, 0, sizeof(h->counted));
	(void)munmap(h, sizeof(*h));
	fault_arm_call("posix_fallocate", 1, ENOSPC);
	counted_late(cache, "crowd");
	ck_assert_str_eq(fault_disarm(), "posix_fallocate");
	use(cache, 1);
	ck_assert_uint_eq(seen("crowd").allocs, 2001);
	end(cache);
}
END_TEST

/* A thread's counters for caches that were made after it began. */

enum { MANY = 200 };

struct late {
	struct udrv_kmem_cache *caches[MANY];
	int stage;
	udrv_gfp_t gfp;
	const char *fails;
};

static void *use_those_made_later(void *arg)
{
	struct late *late = arg;

	use(late->caches[0], 1);
	set(late->stage, 1);
	until(get(late->stage) == 2);
	if (late->fails)
		fault_arm_call(late->fails, 1, ENOSPC);
	for (int i = 1; i < MANY; i++) {
		void *obj = udrv_kmem_cache_alloc(late->caches[i], late->gfp);

		MUST(obj);
		/* The free may take memory: for the counters of the next 63 caches, too. */
		if (late->gfp == UDRV_GFP_ATOMIC && late->caches[i]->slot % 4096 == 0)
			MUST(!udrv__slab_slot(late->caches[i])->loaded);
		udrv_kmem_cache_free(late->caches[i], obj);
	}
	set(late->stage, 3);
	until(get(late->stage) == 4);
	return NULL;
}

static void make_later(struct late *late)
{
	char name[16];

	late->caches[0] = make("c0", 64);
	pthread_t thread = start(use_those_made_later, late);

	until(get(late->stage) == 1);
	for (int i = 1; i < MANY; i++) {
		(void)snprintf(name, sizeof(name), "c%d", i);
		late->caches[i] = make(name, 64);
	}
	set(late->stage, 2);
	until(get(late->stage) == 3);
	ck_assert_uint_eq(seen("c1").allocs, 1);
	ck_assert_uint_eq(seen("c199").allocs, late->fails ? 0 : 1);
	set(late->stage, 4);
	finish(thread);
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(name, sizeof(name), "c%d", i);
		ck_assert_uint_eq(seen(name).allocs, 1);
		ck_assert_uint_eq(seen(name).frees, 1);
		end(late->caches[i]);
	}
}

START_TEST(caches_that_are_made_after_a_thread_began_are_counted)
{
	make_later(&(struct late){.gfp = UDRV_GFP_KERNEL});
}
END_TEST

START_TEST(atomic_takes_no_memory_for_counters)
{
	make_later(&(struct late){.gfp = UDRV_GFP_ATOMIC});
}
END_TEST

START_TEST(counters_for_which_there_is_no_room_are_told_when_the_thread_ends)
{
	make_later(&(struct late){.gfp = UDRV_GFP_KERNEL, .fails = "posix_fallocate"});
	ck_assert_str_eq(fault_disarm(), "posix_fallocate");
}
END_TEST

/* Within a MiB of something that the process has. */
static bool is_near(uint64_t word, const void *const *things, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (word + (1 << 20) - (uintptr_t)things[i] < 2 << 20)
			return true;
	return false;
}

START_TEST(no_address_is_in_the_file)
{
	struct job job = {.cache = make("secret", 64), .n = 1000};
	pthread_t thread = start(use_and_wait, &job);
	void *obj = udrv_kmem_cache_alloc(job.cache, UDRV_GFP_KERNEL);
	struct udrv__slab_slot *slot = udrv__slab_slot(job.cache);
	/* The cache, slabs, magazines, code, data, stacks. */
	const void *const things[] = {job.cache, obj,	 slot, slot->loaded, (void *)(uintptr_t)use,
				      path,	 &thread};
	const size_t n = sizeof(things) / sizeof(things[0]);
	uint64_t words[512];
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	until(get(job.used) == 1);
	ck_assert(is_near((uintptr_t)obj - 4096, things, n));
	while ((got = read(fd, words, sizeof(words))) > 0)
		for (ssize_t i = 0; i < got / 8; i++)
			ck_assert(!is_near(words[i], things, n));
	close(fd);
	udrv_kmem_cache_free(job.cache, obj);
	set(job.may_end, 1);
	finish(thread);
	end(job.cache);
}
END_TEST

START_TEST(what_a_dead_daemon_left_is_ignored_and_removed_by_the_next)
{
	struct udrv__slab_view view;
	int status;
	pid_t pid = fork();

	if (!pid) {
		(void)udrv__slab_stat_create(fake_root, "test", "model:edu");
		(void)raise(SIGKILL);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(udrv__slab_view_open(&view, path), -ESTALE);
	ck_assert_int_eq(udrv__slab_stat_create(fake_root, "other", "model:edu"), 0);
	ck_assert_int_ne(access(path, F_OK), 0);
	udrv__slab_stat_destroy();
	ck_assert_int_eq(udrv__slab_view_open(&view, path), -ENOENT);
}
END_TEST

START_TEST(a_child_of_fork_counts_for_itself)
{
	struct udrv_kmem_cache *cache = make("family", 64);
	struct udrv_kmem_cache_stats stats;
	int status;
	pid_t pid;

	use(cache, 1000);
	pid = fork();
	if (!pid) {
		use(cache, 100);
		udrv_kmem_cache_get_stats(cache, &stats);
		_exit(stats.allocations == 1100 ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && !WEXITSTATUS(status));
	use(cache, 10);
	ck_assert_uint_eq(seen("family").allocs, 1010);
	ck_assert_uint_eq(seen("family").active, 0);
	end(cache);
}
END_TEST

/* Its file is a dead daemon's although a child of the daemon lives. */
START_TEST(a_child_of_fork_does_not_hold_the_file)
{
	struct udrv__slab_view view;
	int ends[2];
	char byte;
	int status;
	pid_t pid;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	pid = fork();
	if (!pid) {
		close(ends[0]);
		(void)udrv__slab_stat_create(fake_root, "test", "model:edu");
		if (!fork()) {
			(void)!write(ends[1], "", 1);
			/* Until the test has no use for it. */
			(void)!read(ends[1], &byte, 1);
			_exit(0);
		}
		(void)pause();
	}
	close(ends[1]);
	ck_assert_int_eq(read(ends[0], &byte, 1), 1);
	ck_assert_int_eq(udrv__slab_view_open(&view, path), 0);
	udrv__slab_view_close(&view);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(udrv__slab_view_open(&view, path), -ESTALE);
	close(ends[0]);
	(void)unlink(path);
}
END_TEST

/* Files as somebody might have left them. */

static unsigned char bytes[512 << 10];
static size_t size;

static void remember_good(void)
{
	struct job job = {.cache = make("good", 64), .n = 100};
	pthread_t thread;
	int fd;

	ck_assert_int_eq(udrv__slab_stat_create(fake_root, "test", "model:edu"), 0);
	thread = start(use_and_wait, &job);
	until(get(job.used) == 1);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	size = (size_t)read(fd, bytes, sizeof(bytes));
	close(fd);
	set(job.may_end, 1);
	finish(thread);
	udrv__slab_stat_destroy();
	end(job.cache);
	ck_assert_uint_gt(size, 128 << 10);
	ck_assert_uint_lt(size, sizeof(bytes));
}

/* What a reader says of such a file; what it can read it reads. */
static int read_file_with(const void *text, size_t len, unsigned int *caches)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	struct udrv__slab_reading r;
	struct udrv__slab_view view;
	int ret;

	*caches = 0;
	MUST(fd >= 0 && !flock(fd, LOCK_EX));
	MUST(write(fd, text, len) == (ssize_t)len);
	ret = udrv__slab_view_open(&view, path);
	for (unsigned int nr = 1; !ret && nr < UDRV__SLAB_CACHES; nr++) {
		if (udrv__slab_view_read(&view, nr, &r))
			continue;
		MUST(memchr(r.record.name, 0, sizeof(r.record.name)));
		MUST(r.active <= r.record.total);
		MUST(r.hits <= r.allocs);
		(*caches)++;
	}
	if (!ret)
		udrv__slab_view_close(&view);
	close(fd);
	(void)unlink(path);
	return ret;
}

START_TEST(what_is_no_such_file_is_refused)
{
	struct udrv__slab_header *h = (void *)bytes;
	const size_t records = sizeof(*h) + UDRV__SLAB_CACHES * sizeof(struct udrv__slab_record);
	unsigned int caches;

	remember_good();
	ck_assert_int_eq(read_file_with(bytes, size, &caches), 0);
	ck_assert_uint_eq(caches, 1);
	ck_assert_int_eq(read_file_with(bytes, records, &caches), 0);
	ck_assert_uint_eq(caches, 1);
	ck_assert_int_eq(read_file_with(bytes, records - 1, &caches), -EPROTO);
	ck_assert_int_eq(read_file_with(bytes, sizeof(*h) - 1, &caches), -EPROTO);
	ck_assert_int_eq(read_file_with(bytes, 0, &caches), -EPROTO);
	h->version++;
	ck_assert_int_eq(read_file_with(bytes, size, &caches), -EPROTO);
	h->version--;
	h->magic[7]++;
	ck_assert_int_eq(read_file_with(bytes, size, &caches), -EPROTO);
	h->magic[7]--;
	h->record_count++;
	ck_assert_int_eq(read_file_with(bytes, size, &caches), -EPROTO);
	h->record_count--;
	memset(h->device, 'x', sizeof(h->device));
	ck_assert_int_eq(read_file_with(bytes, size, &caches), -EPROTO);
}
END_TEST

START_TEST(whatever_is_in_the_file_a_reader_survives)
{
	static unsigned char wrong[sizeof(bytes)];
	unsigned int readable = 0;
	uint32_t random = 1;

	/* Nobody will end a change there. */
	udrv__stat_pauses = 0;
	remember_good();
	for (int i = 0; i < 300; i++) {
		unsigned int caches;
		size_t len = size;

		memcpy(wrong, bytes, size);
		for (int n = 0; n < 1 + i * 4; n++) {
			random = random * 1664525u + 1013904223u;
			/* Where the first records and the numbers of counters are, mostly. */
			wrong[192 + (random >> 8) % (n % 2 ? 4600 : (unsigned int)size - 192)] =
				(unsigned char)(random >> 24);
		}
		if (i % 3 == 2)
			len = random % size;
		readable += !read_file_with(wrong, len, &caches) && caches;
	}
	ck_assert_uint_ge(readable, 200);
	memset(wrong, 0xff, sizeof(wrong));
	memcpy(wrong, bytes, 192);
	ck_assert_int_eq(read_file_with(wrong, size, &readable), 0);
	ck_assert_uint_eq(readable, UDRV__SLAB_CACHES - 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("slab_stat");
	TCase *shown = tcase_create("shown");
	TCase *files = tcase_create("files");

	/* Under the address sanitizer too it is the usual paths that are looked at. */
	udrv__slab_checkers = false;
	tcase_set_timeout(shown, 300);
	tcase_add_checked_fixture(shown, setup, teardown);
	tcase_add_test(shown, a_cache_tells_what_it_is_and_does);
	tcase_add_test(shown, a_limit_is_told);
	tcase_add_test(shown, counts_are_exact_while_threads_run_and_after_they_ended);
	tcase_add_test(shown, no_thread_that_ends_is_seen_twice_or_not_at_all);
	tcase_add_test(shown, a_change_that_takes_long_is_waited_for);
	tcase_add_test(shown, a_cache_that_ended_is_not_shown_and_the_next_begins_at_0);
	tcase_add_test(shown, a_cache_outlives_the_file);
	tcase_add_test(shown, there_is_one_file);
	tcase_add_test(shown, a_thread_for_which_there_is_no_room_is_counted_when_it_ends);
	tcase_add_test(shown, caches_that_are_made_after_a_thread_began_are_counted);
	tcase_add_test(shown, atomic_takes_no_memory_for_counters);
	tcase_add_test(shown, counters_for_which_there_is_no_room_are_told_when_the_thread_ends);
	tcase_add_test(shown, no_address_is_in_the_file);
	tcase_add_test(shown, a_child_of_fork_counts_for_itself);
	tcase_set_timeout(files, 300);
	tcase_add_checked_fixture(files, setup_place, teardown);
	tcase_add_test(files, what_a_dead_daemon_left_is_ignored_and_removed_by_the_next);
	tcase_add_test(files, a_child_of_fork_does_not_hold_the_file);
	tcase_add_test(files, what_is_no_such_file_is_refused);
	tcase_add_test(files, whatever_is_in_the_file_a_reader_survives);
	suite_add_tcase(s, shown);
	suite_add_tcase(s, files);
	return run_suite(s);
}
