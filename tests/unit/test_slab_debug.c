// SPDX-License-Identifier: MIT
/*
 * What debug modes find. The first ten tests are the cases of Linux lib/tests/slub_kunit.c; there
 * is no RCU here, so its two cases are about objects that another thread frees later.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <udrv/workqueue.h>

#include "support/slab_debug.h"
#include "support/suite.h"
#include "support/threads.h"

/* And not a second time. */
static void expect_errors(struct udrv_kmem_cache *cache, int errors, const char *what)
{
	ck_assert_int_eq(udrv_kmem_cache_validate(cache), errors);
	expect(what);
	fault_log_clear();
	ck_assert_int_eq(udrv_kmem_cache_validate(cache), 0);
	expect_silence();
}

START_TEST(clobber_zone)
{
	struct udrv_kmem_cache *cache = make("zone", 64, UDRV_SLAB_RED_ZONE);
	unsigned char *p = take(cache);

	write_byte(p, 64, 0x12);
	expect_errors(cache, 1, "cache zone: right red zone overwritten: object ");
	udrv_kmem_cache_free(cache, p);
	write_byte(p = take(cache), -1, 0x12);
	expect_errors(cache, 1, "left red zone overwritten");
	udrv_kmem_cache_free(cache, p);
	end(cache);
}
END_TEST

/* SLUB's link to the next free object is behind the object then. Here nothing of a list is there.
 */
START_TEST(clobber_what_would_be_the_next_pointer)
{
	enum { LIMIT = 100 };
	struct udrv_kmem_cache *cache = make("next", 64, UDRV_SLAB_POISON | UDRV_SLAB_RED_ZONE);
	unsigned char *objs[LIMIT];
	unsigned char *p;

	ck_assert_int_eq(udrv_kmem_cache_set_limit(cache, LIMIT), 0);
	p = take(cache);
	udrv_kmem_cache_free(cache, p);
	for (int i = 64; i < 72; i++)
		write_byte(p, i, ~p[i]);
	expect_errors(cache, 1, "right red zone overwritten");
	/* The other objects are all there. */
	for (int i = 0; i < LIMIT - 1; i++) {
		objs[i] = take(cache);
		ck_assert_ptr_ne(objs[i], p);
	}
	ck_assert_ptr_null(udrv_kmem_cache_alloc(cache, UDRV_GFP_KERNEL));
	udrv_kmem_cache_free_bulk(cache, LIMIT - 1, (void **)objs);
	end(cache);
}
END_TEST

static void clobber_free(ptrdiff_t offset, int byte, const char *bytes)
{
	struct udrv_kmem_cache *cache = make("word", 64, UDRV_SLAB_POISON);
	unsigned char *p = take(cache);

	udrv_kmem_cache_free(cache, p);
	write_byte(p, offset, byte);
	ck_assert_int_eq(udrv_kmem_cache_validate(cache), 1);
	expect("cache word: written after it was freed: object ");
	expect(bytes);
	ck_assert_int_eq(udrv_kmem_cache_validate(cache), 0);
	end(cache);
}

START_TEST(clobber_the_first_word)
{
	clobber_free(0, 0x78, "bytes 0 to 0: seen 78, expected 6b");
}
END_TEST

START_TEST(clobber_the_50th_byte)
{
	clobber_free(50, 0x9a, "bytes 50 to 50: seen 9a, expected 6b");
	clobber_free(63, 0x6b, "bytes 63 to 63: seen 6b, expected a5");
}
END_TEST

START_TEST(clobber_redzone_free)
{
	struct udrv_kmem_cache *cache = make("zone", 64, UDRV_SLAB_RED_ZONE);
	unsigned char *p = take(cache);

	udrv_kmem_cache_free(cache, p);
	write_byte(p, 64, 0xab);
	ck_assert_int_eq(udrv_kmem_cache_validate(cache), 1);
	expect("bytes 64 to 64: seen ab, expected bb");
	end(cache);
}
END_TEST

START_TEST(kmalloc_redzone_access)
{
	struct udrv_kmem_cache *cache = make("km", 32, UDRV_SLAB_STORE_USER | UDRV_SLAB_RED_ZONE);
	unsigned char *p = take(cache);

	udrv__slab_debug_set_requested(cache, p, 18);
	ck_assert_int_eq(udrv_kmem_cache_validate(cache), 0);
	write_byte(p, 18, 0xab);
	write_byte(p, 19, 0xab);
	ck_assert_int_eq(udrv_kmem_cache_validate(cache), 1);
	expect("bytes 18 to 19: seen ab ab, expected cc");
	expect("allocated by thread ");
	udrv_kmem_cache_free(cache, p);
	end(cache);
}
END_TEST

struct later {
	struct udrv_work_struct work;
	struct udrv_kmem_cache *cache;
	void *obj;
};

static void free_later(struct udrv_work_struct *work)
{
	struct later *later = (struct later *)(void *)work;

	udrv_kmem_cache_free(later->cache, later->obj);
}

static void destroy_later(struct udrv_work_struct *work)
{
	struct later *later = (struct later *)(void *)work;

	ck_assert_int_eq(udrv_kmem_cache_destroy(later->cache), 0);
}

static void free_in_a_work_item(struct udrv_kmem_cache *cache)
{
	struct later later = {.cache = cache, .obj = take(cache)};

	udrv_init_work(&later.work, free_later);
	ck_assert(udrv_schedule_work(&later.work));
	udrv_flush_work(&later.work);
}

START_TEST(an_object_that_is_freed_later)
{
	struct udrv_kmem_cache *cache = make("later", 32, ALL);

	free_in_a_work_item(cache);
	end(cache);
}
END_TEST

START_TEST(a_cache_that_is_destroyed_in_a_work_item)
{
	for (int i = 0; i < 10; i++) {
		struct later later = {.cache = make("later", 32, ALL)};

		free_in_a_work_item(later.cache);
		udrv_init_work(&later.work, destroy_later);
		ck_assert(udrv_schedule_work(&later.work));
		udrv_flush_work(&later.work);
	}
	expect_silence();
}
END_TEST

START_TEST(leak_destroy)
{
	struct udrv_kmem_cache *cache = make("leak", 64, UDRV_SLAB_CONSISTENCY_CHECKS);
	unsigned char *p = take(cache);
	char line[64];

	(void)snprintf(line, sizeof(line), "cache leak:   object %p", (void *)p);
	ck_assert_int_eq(udrv_kmem_cache_destroy(cache), -EBUSY);
	expect("cache leak: 1 objects are still allocated");
	expect(line);
	udrv_kmem_cache_free(cache, p);
	end(cache);
}
END_TEST

static void expect_bytes(const unsigned char *p, int first, int end, int byte)
{
	for (int i = first; i < end; i++)
		ck_assert_int_eq(p[i], byte);
}

START_TEST(krealloc_redzone_zeroing)
{
	struct udrv_kmem_cache *cache = make("km", 64, UDRV_SLAB_STORE_USER | UDRV_SLAB_RED_ZONE);
	unsigned char *p = take(cache);

	ck_assert_uint_eq(udrv__slab_debug_requested(cache, p), 64);
	udrv__slab_debug_set_requested(cache, p, 48);
	memset(p, 0xff, 48);
	udrv__slab_debug_set_requested(cache, p, 40);
	ck_assert_uint_eq(udrv__slab_debug_requested(cache, p), 40);
	expect_bytes(p, 0, 40, 0xff);
	expect_bytes(p, 40, 64, 0xcc);
	udrv__slab_debug_set_requested(cache, p, 56);
	memset(p + 40, 0, 16);
	expect_bytes(p, 56, 64, 0xcc);
	ck_assert_int_eq(udrv_kmem_cache_validate(cache), 0);
	udrv_kmem_cache_free(cache, p);
	end(cache);
}
END_TEST

START_TEST(poison_tells_new_from_freed)
{
	struct udrv_kmem_cache *cache = make("poison", 64, UDRV_SLAB_POISON);
	unsigned char *p = take(cache);

	expect_bytes(p, 0, 63, 0x5a);
	ck_assert_int_eq(p[63], 0xa5);
	udrv_kmem_cache_free(cache, p);
	expect_bytes(p, 0, 63, 0x6b);
	ck_assert_int_eq(p[63], 0xa5);
	end(cache);
}
END_TEST

/* Until the damaged one would have been handed out. */
static void take_all(struct udrv_kmem_cache *cache, const unsigned char *but, int n)
{
	unsigned char *p;

	while ((p = udrv_kmem_cache_alloc(cache, UDRV_GFP_KERNEL))) {
		ck_assert_ptr_ne(p, but);
		n--;
	}
	ck_assert_int_eq(n, 0);
}

START_TEST(a_write_after_free_is_found_when_the_object_is_next_allocated)
{
	struct udrv_kmem_cache *cache = make("next", 64, ALL);
	unsigned char *p;

	ck_assert_int_eq(udrv_kmem_cache_set_limit(cache, 50), 0);
	p = take(cache);
	udrv_kmem_cache_free(cache, p);
	write_byte(p, 8, 0);
	expect_silence();
	take_all(cache, p, 49);
	expect("written after it was freed");
	expect("bytes 8 to 8: seen 00, expected 6b");
	expect("allocated by thread ");
	expect("freed by thread ");
	expect("it is not handed out again");
}
END_TEST

START_TEST(a_write_after_free_is_found_when_the_cache_ends)
{
	struct udrv_kmem_cache *cache = make("end", 64, ALL);
	unsigned char *p = take(cache);

	udrv_kmem_cache_free(cache, p);
	write_byte(p, 8, 0);
	ck_assert_int_eq(udrv_kmem_cache_destroy(cache), 0);
	expect("cache end: written after it was freed");
}
END_TEST

START_TEST(an_overrun_is_found_when_the_object_is_freed_and_it_is_kept_aside)
{
	struct udrv_kmem_cache *cache = make("over", 61, ALL);
	struct udrv_kmem_cache_stats stats;
	unsigned char *p;

	ck_assert_int_eq(udrv_kmem_cache_set_limit(cache, 50), 0);
	p = take(cache);
	for (int i = 61; i < 64; i++)
		write_byte(p, i, 'x');
	udrv_kmem_cache_free(cache, p);
	expect("cache over: right red zone overwritten");
	expect("bytes 61 to 63: seen 78 78 78, expected cc");
	udrv_kmem_cache_get_stats(cache, &stats);
	ck_assert_uint_eq(stats.active, 0);
	(void)udrv_kmem_cache_shrink(cache);
	take_all(cache, p, 49);
}
END_TEST

static void construct(void *obj)
{
	memset(obj, 0x11, 64);
}

START_TEST(constructed_objects_are_not_poisoned_but_have_red_zones)
{
	struct udrv_kmem_cache *cache =
		udrv_kmem_cache_create(NULL, "made", 64, 0, ALL, construct, NULL);
	unsigned char *p = take(cache);

	expect_bytes(p, 0, 64, 0x11);
	memset(p, 0x22, 64);
	udrv_kmem_cache_free(cache, p);
	expect_bytes(p, 0, 64, 0x22);
	ck_assert_int_eq(udrv_kmem_cache_validate(cache), 0);
	write_byte(p, 64, 0);
	expect_errors(cache, 1, "right red zone");
	end(cache);
}
END_TEST

static void *use_all_the_time(void *arg)
{
	struct later *later = arg;
	void *objs[20];

	while (!get(later->obj)) {
		for (int i = 0; i < 20; i++) {
			objs[i] = udrv_kmem_cache_alloc(later->cache,
							i % 3 ? UDRV_GFP_KERNEL : UDRV_GFP_ATOMIC);
			if (objs[i])
				memset(objs[i], i, 64);
		}
		for (int i = 0; i < 20; i++)
			if (objs[i])
				udrv_kmem_cache_free(later->cache, objs[i]);
		(void)udrv_kmem_cache_shrink(later->cache);
	}
	return NULL;
}

START_TEST(a_cache_in_use_can_be_validated)
{
	struct later later = {.cache = make("busy", 64, ALL)};
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		threads[i] = start(use_all_the_time, &later);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(udrv_kmem_cache_validate(later.cache), 0);
	set(later.obj, &later);
	for (int i = 0; i < 3; i++)
		finish(threads[i]);
	expect_silence();
	end(later.cache);
}
END_TEST

/* Each in turn is freed last; one of many is damaged, and it is found. */
START_TEST(one_damaged_object_among_many)
{
	enum { N = 20000 };
	static void *objs[N];
	struct udrv_kmem_cache *cache = make("many", 100, UDRV_SLAB_POISON);

	ck_assert_int_eq(udrv_kmem_cache_alloc_bulk(cache, UDRV_GFP_KERNEL, N, objs), N);
	udrv_kmem_cache_free_bulk(cache, N, objs);
	write_byte(objs[N - 500], 99, 0);
	expect_errors(cache, 1, "bytes 99 to 99: seen 00, expected a5");
	end(cache);
}
END_TEST

static const size_t sizes[] = {1, 7, 8, 24, 64, 100, 4096, 65536, 1 << 20};

START_TEST(objects_of_any_size_and_alignment_have_zones)
{
	static const size_t aligns[] = {0, 64, 4096};

	for (size_t i = 0; i < 3; i++) {
		struct udrv_kmem_cache *cache =
			udrv_kmem_cache_create(NULL, "any", sizes[_i], aligns[i], ALL, NULL, NULL);
		unsigned char *p = take(cache);

		ck_assert_uint_eq((uintptr_t)p % (aligns[i] ? aligns[i] : 8), 0);
		memset(p, 0xff, sizes[_i]);
		ck_assert_int_eq(udrv_kmem_cache_validate(cache), 0);
		write_byte(p, (ptrdiff_t)sizes[_i], 0);
		expect_errors(cache, 1, "right red zone");
		udrv_kmem_cache_free(cache, p);
		write_byte(p = take(cache), -1, 0);
		udrv_kmem_cache_free(cache, p);
		expect("left red zone");
		p = take(cache);
		udrv_kmem_cache_free(cache, p);
		write_byte(p, (ptrdiff_t)sizes[_i] - 1, 0);
		expect_errors(cache, 1, "written after it was freed");
		end(cache);
	}
}
END_TEST

START_TEST(a_cache_in_no_debug_mode_has_no_errors)
{
	struct udrv_kmem_cache *cache = make("fast", 64, 0);

	udrv_kmem_cache_free(cache, take(cache));
	ck_assert_int_eq(udrv_kmem_cache_validate(cache), 0);
	end(cache);
}
END_TEST

static void add_kunit(Suite *s)
{
	TCase *tc = tcase_create("slub_kunit");

	tcase_add_checked_fixture(tc, debug_set_up, NULL);
	tcase_add_test(tc, clobber_zone);
	tcase_add_test(tc, clobber_what_would_be_the_next_pointer);
	tcase_add_test(tc, clobber_the_first_word);
	tcase_add_test(tc, clobber_the_50th_byte);
	tcase_add_test(tc, clobber_redzone_free);
	tcase_add_test(tc, kmalloc_redzone_access);
	tcase_add_test(tc, an_object_that_is_freed_later);
	tcase_add_test(tc, a_cache_that_is_destroyed_in_a_work_item);
	tcase_add_test(tc, leak_destroy);
	tcase_add_test(tc, krealloc_redzone_zeroing);
	suite_add_tcase(s, tc);
}

static void add_damage(Suite *s)
{
	TCase *tc = tcase_create("damage");

	tcase_add_checked_fixture(tc, debug_set_up, NULL);
	tcase_add_test(tc, poison_tells_new_from_freed);
	tcase_add_test(tc, a_write_after_free_is_found_when_the_object_is_next_allocated);
	tcase_add_test(tc, a_write_after_free_is_found_when_the_cache_ends);
	tcase_add_test(tc, an_overrun_is_found_when_the_object_is_freed_and_it_is_kept_aside);
	tcase_add_test(tc, constructed_objects_are_not_poisoned_but_have_red_zones);
	tcase_add_test(tc, one_damaged_object_among_many);
	tcase_add_loop_test(tc, objects_of_any_size_and_alignment_have_zones, 0,
			    sizeof(sizes) / sizeof(sizes[0]));
	tcase_add_test(tc, a_cache_in_use_can_be_validated);
	tcase_add_test(tc, a_cache_in_no_debug_mode_has_no_errors);
	suite_add_tcase(s, tc);
}

int main(void)
{
	Suite *s = suite_create("slab_debug");

	add_kunit(s);
	add_damage(s);
	return run_suite(s);
}
