// SPDX-License-Identifier: MIT
/* The caches of a daemon that drives model:edu, and `udrv slabs` on it. */
#include <errno.h>
#include <string.h>
#include <sys/file.h>

#include <json-c/json.h>
#include <udrv/udrv.h>

#include "slabs.h"
#include "tool.h"
#include "mem/slab.h"

#include "support/process.h"
#include "support/suite.h"
#include "support/threads.h"

/* The driver: its threads use caches, hold some objects and are quiet. */

enum { THREADS = 5, PAIRS = 1000, HELD = 10 };

static struct udrv_kmem_cache *requests;
static struct udrv_kmem_cache *packets;
static pthread_t threads[THREADS];
static int used;
static int may_end;

static void use(int n)
{
	while (n--)
		udrv_kmem_cache_free(requests, udrv_kmem_cache_alloc(requests, UDRV_GFP_KERNEL));
}

static void *work(void *arg)
{
	void *held[HELD];

	(void)arg;
	use(PAIRS);
	(void)udrv_kmem_cache_alloc_bulk(packets, UDRV_GFP_KERNEL, HELD, held);
	inc(used);
	until(get(may_end));
	udrv_kmem_cache_free_bulk(packets, HELD, held);
	return NULL;
}

static int probe(struct udrv_device *dev, const struct udrv_pci_device_id *id)
{
	(void)id;
	requests =
		udrv_kmem_cache_create(dev, "requests", 64, 0, UDRV_SLAB_HWCACHE_ALIGN, NULL, NULL);
	packets = udrv_kmem_cache_create(NULL, "packets", 2000, 0, UDRV_SLAB_NO_REAP, NULL, NULL);
	for (int i = 0; i < THREADS; i++)
		threads[i] = start(work, NULL);
	until(get(used) == THREADS);
	return requests && packets ? 0 : -ENOMEM;
}

static void end_threads(void)
{
	set(may_end, 1);
	for (; used; used--)
		finish(threads[used - 1]);
}

static void remove_pools(struct udrv_device *dev)
{
	(void)dev;
	end_threads();
	(void)udrv_kmem_cache_destroy(requests);
	(void)udrv_kmem_cache_destroy(packets);
}

static int use_verb(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	(void)dev;
	(void)out;
	(void)err;
	use(argc > 1 ? atoi(argv[1]) : 1);
	return 0;
}

static int end_verb(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	(void)dev;
	(void)argc;
	(void)argv;
	(void)out;
	(void)err;
	end_threads();
	return 0;
}

static const struct udrv_pci_device_id ids[] = {{UDRV_PCI_DEVICE(0x1234, 0x11e8)}, {0}};
static const struct udrv_verb verbs[] = {
	{"use", "N", "N allocations", use_verb, 0}, {"end", "", "threads end", end_verb, 0}, {0}};
static const struct udrv_driver pools = {
	.name = "pools", .id_table = ids, .probe = probe, .remove = remove_pools, .verbs = verbs};

/* The tests. */

static void setup(void)
{
	daemon_driver = &pools;
	daemon_setup();
}

static int slabs(const char *const *words)
{
	return end_of(spawn(cmd_slabs, "tool", words));
}

static void verb(const char *name, const char *arg)
{
	ck_assert_int_eq(end_of(spawn(run_driver, "client", WORDS("udrv-pools", name, arg))), 0);
}

/* A cache of the only daemon. */
static struct udrv__slab_reading cache_now(const char *name)
{
	struct udrv__slab_reading is = {0};
	struct show all = {0};
	struct slabs now;

	ck_assert_int_eq(slabs_read(&now, &all), 0);
	ck_assert_uint_eq(now.count, 1);
	ck_assert_str_eq(now.daemon[0].driver, "pools");
	ck_assert_str_eq(now.daemon[0].device, DEVICE);
	ck_assert_int_eq((int)now.daemon[0].pid, daemon_pid);
	for (size_t i = 0; i < now.daemon[0].count; i++)
		if (!strcmp(now.daemon[0].cache[i].is.record.name, name))
			is = now.daemon[0].cache[i].is;
	slabs_free(&now);
	ck_assert_str_eq(is.record.name, name);
	return is;
}

static void requests_are(unsigned int n)
{
	ck_assert_uint_eq(cache_now("requests").allocs, n);
	ck_assert_uint_eq(cache_now("requests").frees, n);
	ck_assert_uint_eq(cache_now("requests").active, 0);
}

START_TEST(counts_are_exact_whichever_thread_and_after_its_end)
{
	start_daemon();
	requests_are(THREADS * PAIRS);
	ck_assert_uint_eq(cache_now("packets").active, THREADS * HELD);
	verb("use", "500");
	requests_are(THREADS * PAIRS + 500);
	verb("end", NULL);
	requests_are(THREADS * PAIRS + 500);
	ck_assert_uint_eq(cache_now("packets").active, 0);
	ck_assert_uint_eq(cache_now("packets").frees, THREADS * HELD);
	ck_assert_int_eq(stop_daemon(SIGTERM), 0);
	ck_assert_str_eq(fake_text("pools@" DEVICE ".slabs"), "(no such file)");
}
END_TEST

static json_object *field(json_object *o, const char *key)
{
	json_object *found = NULL;

	ck_assert_msg(json_object_object_get_ex(o, key, &found), "no %s in %s", key,
		      json_object_to_json_string(o));
	return found;
}

static int64_t number(json_object *o, const char *key)
{
	return json_object_get_int64(field(o, key));
}

static json_object *cache_in(json_object *caches, const char *name)
{
	for (size_t i = 0; i < json_object_array_length(caches); i++) {
		json_object *cache = json_object_array_get_idx(caches, i);

		if (!strcmp(json_object_get_string(field(cache, "cache")), name))
			return cache;
	}
	ck_abort_msg("no cache %s in %s", name, json_object_to_json_string(caches));
	return NULL;
}

START_TEST(json_says_it_all)
{
	struct udrv__slab_reading packets_now;
	json_object *array;
	json_object *daemon;
	json_object *cache;

	start_daemon();
	packets_now = cache_now("packets");
	ck_assert_int_eq(slabs(WORDS("udrv slabs", "--json", "--sort", "cache", "pools")), TOOL_OK);
	array = json_tokener_parse(fake_text("tool.out"));
	ck_assert_uint_eq(json_object_array_length(array), 1);
	daemon = json_object_array_get_idx(array, 0);
	ck_assert_str_eq(json_object_get_string(field(daemon, "device")), DEVICE);
	ck_assert_str_eq(json_object_get_string(field(daemon, "driver")), "pools");
	ck_assert_int_eq(number(daemon, "pid"), daemon_pid);
	ck_assert(json_object_get_double(field(daemon, "uptime_s")) >= 0);
	ck_assert_uint_ge(json_object_array_length(field(daemon, "caches")), 2);
	cache = cache_in(field(daemon, "caches"), "packets");
	ck_assert_int_eq(number(cache, "active"), THREADS * HELD);
	ck_assert_int_eq(number(cache, "allocations"), THREADS * HELD);
	ck_assert_int_eq(number(cache, "frees"), 0);
	ck_assert_int_eq(number(cache, "hits"), (int64_t)packets_now.hits);
	ck_assert_int_eq(number(cache, "total"), (int64_t)packets_now.record.total);
	ck_assert_int_eq(number(cache, "slabs"), (int64_t)packets_now.record.slabs);
	ck_assert_int_eq(number(cache, "memory"),
			 number(cache, "slabs") * (int64_t)packets_now.record.slab_size);
	ck_assert_int_eq(number(cache, "size"), 2000);
	ck_assert_int_eq(number(cache, "objects_per_slab"), packets_now.record.per_slab);
	ck_assert_int_eq(number(cache, "magazine"), packets_now.record.magazine);
	ck_assert_ptr_null(field(cache, "limit"));
	ck_assert(json_object_get_double(field(cache, "rate")) > 0);
	ck_assert(json_object_get_boolean(field(cache, "no_reap")));
	ck_assert(!json_object_get_boolean(field(cache, "of_device")));
	ck_assert(!json_object_get_boolean(field(cache, "dma")));
	ck_assert(!json_object_get_boolean(field(cache, "debug")));
	json_object_put(array);
}
END_TEST

static void comes_first(const char *column, const char *first, const char *second)
{
	const char *text;
	const char *a;
	const char *b;

	ck_assert_int_eq(slabs(WORDS("udrv slabs", "--sort", column)), TOOL_OK);
	text = fake_text("tool.out");
	a = strstr(text, first);
	b = strstr(text, second);
	ck_assert_msg(a && b && a < b, "by %s: %s", column, text);
}

START_TEST(the_table_is_sorted_by_any_column)
{
	start_daemon();
	ck_assert_int_eq(slabs(WORDS("udrv slabs")), TOOL_OK);
	said("tool.out", "DEVICE    DRIVER     CACHE ");
	said("tool.out", DEVICE " pools      requests ");
	said("tool.out", " no_reap\n");
	comes_first("memory", "packets", "requests");
	comes_first("cache", "packets", "requests");
	comes_first("size", "packets", "requests");
	comes_first("active", "packets", "requests");
	comes_first("use", "packets", "requests");
	comes_first("slabs", "packets", "requests");
	comes_first("objects", "requests", "packets");
	comes_first("total", "requests", "packets");
	comes_first("hit", "requests", "packets");
	comes_first("rate", "requests", "packets");
	comes_first("device", "packets", "requests");
	comes_first("driver", "packets", "requests");
	ck_assert_int_eq(slabs(WORDS("udrv slabs", "--sort=colour")), TOOL_USAGE);
	said("tool.err", "colour: the columns are memory, device, driver, cache,");
}
END_TEST

START_TEST(one_device_or_driver_may_be_asked_for)
{
	start_daemon();
	ck_assert_int_eq(slabs(WORDS("udrv slabs", DEVICE)), TOOL_OK);
	said("tool.out", "requests");
	ck_assert_int_eq(slabs(WORDS("udrv slabs", "pools")), TOOL_OK);
	said("tool.out", "requests");
	ck_assert_int_eq(slabs(WORDS("udrv slabs", "edu")), TOOL_FAILED);
	said("tool.err", "edu: no daemon of that driver is running");
	ck_assert_int_eq(slabs(WORDS("udrv slabs", "nosuch")), TOOL_FAILED);
	said("tool.err", "and no program udrv-nosuch is beside udrv or on PATH");
	ck_assert_int_eq(slabs(WORDS("udrv slabs", "model:other")), TOOL_FAILED);
	said("tool.err", "model:other: no daemon drives it");
	ck_assert_int_eq(slabs(WORDS("udrv slabs", "a", "b")), TOOL_USAGE);
	said("tool.err", "only one DEVICE or DRIVER");
}
END_TEST

START_TEST(a_dead_daemon_is_not_shown)
{
	start_daemon();
	verb("use", "500");
	ck_assert_int_eq(stop_daemon(SIGKILL), -SIGKILL);
	ck_assert_int_eq(slabs(WORDS("udrv slabs")), TOOL_OK);
	said("tool.err", "no daemon is running");
	ck_assert_int_eq(slabs(WORDS("udrv slabs", "--json")), TOOL_OK);
	ck_assert_str_eq(fake_text("tool.out"), "[\n]\n");
	start_daemon();
	requests_are(THREADS * PAIRS);
}
END_TEST

/* How often the heading was printed. */
static int times_shown(void)
{
	char path[PATH_MAX];
	char line[256];
	int count = 0;
	FILE *f;

	fake_path(path, "watch.out");
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		count += !strncmp(line, "DEVICE", strlen("DEVICE"));
	if (f)
		(void)fclose(f);
	return count;
}

static void until_shown_again(int times)
{
	int before = times_shown();

	for (int waited = 0; times_shown() < before + times; waited += 20) {
		ck_assert_int_lt(waited, WAIT_MS);
		pause_ms(20);
	}
}

START_TEST(a_watcher_sees_daemons_die_and_come_again)
{
	pid_t pid;

	start_daemon();
	pid = spawn(cmd_slabs, "watch", WORDS("udrv slabs", "--watch", "0.05"));
	for (int i = 0; i < 3; i++) {
		until_shown_again(2);
		ck_assert_int_eq(stop_daemon(SIGKILL), -SIGKILL);
		until_shown_again(1);
		start_daemon();
	}
	ck_assert_int_eq(kill(pid, SIGINT), 0);
	ck_assert_int_eq(end_of(pid), -SIGINT);
	said("watch.out", "requests");
	ck_assert_ptr_null(strchr(fake_text("watch.out"), '\033'));
	ck_assert_int_eq(slabs(WORDS("udrv slabs", "--watch=soon")), TOOL_USAGE);
}
END_TEST

START_TEST(what_another_version_wrote_is_named_and_left_out)
{
	char path[PATH_MAX];
	int fd;

	start_daemon();
	fake_file("no statistics", "other@model:x.slabs");
	ck_assert_int_eq(slabs(WORDS("udrv slabs")), TOOL_OK);
	ck_assert_str_eq(fake_text("tool.err"), "");
	fake_path(path, "other@model:x.slabs");
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	ck_assert_int_eq(slabs(WORDS("udrv slabs")), TOOL_OK);
	said("tool.err", "other@model:x.slabs: written by another version of udrv");
	said("tool.out", "requests");
	close(fd);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("slabs_daemon");
	TCase *tc = tcase_create("daemon");

	/* Under the address sanitizer too it is the usual paths that are looked at. */
	udrv__slab_checkers = false;
	argp_err_exit_status = TOOL_USAGE;
	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, daemon_teardown);
	tcase_add_test(tc, counts_are_exact_whichever_thread_and_after_its_end);
	tcase_add_test(tc, json_says_it_all);
	tcase_add_test(tc, the_table_is_sorted_by_any_column);
	tcase_add_test(tc, one_device_or_driver_may_be_asked_for);
	tcase_add_test(tc, a_dead_daemon_is_not_shown);
	tcase_add_test(tc, a_watcher_sees_daemons_die_and_come_again);
	tcase_add_test(tc, what_another_version_wrote_is_named_and_left_out);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
