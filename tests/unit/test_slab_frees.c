// SPDX-License-Identifier: MIT
/* Wrong frees, and whom reports and leaks name. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "support/slab_debug.h"
#include "support/suite.h"

/* Wrong frees: each is said, nothing is freed, and the cache works on. */

START_TEST(double_free)
{
	struct udrv_kmem_cache *cache = make("twice", 64, ALL);
	unsigned char *p = take(cache);

	udrv_kmem_cache_free(cache, p);
	udrv_kmem_cache_free(cache, p);
	expect("cache twice: double free: object ");
	expect("now by thread ");
	expect("allocated by thread ");
	expect("freed by thread ");
	expect("nothing is freed");
	end(cache);
}
END_TEST

START_TEST(double_free_long_after)
{
	struct udrv_kmem_cache *cache = make("twice", 64, UDRV_SLAB_CONSISTENCY_CHECKS);
	unsigned char *p = take(cache);

	udrv_kmem_cache_free(cache, p);
	(void)udrv_kmem_cache_shrink(cache);
	for (int i = 0; i < 5000; i++)
		udrv_kmem_cache_free(cache, take(cache));
	fault_log_clear();
	udrv_kmem_cache_free(cache, p);
	ck_assert(fault_logged("double free") || fault_logged("not an object of this cache"));
	end(cache);
}
END_TEST

START_TEST(free_of_an_object_that_was_never_allocated)
{
	struct udrv_kmem_cache *cache = make("early", 64, UDRV_SLAB_CONSISTENCY_CHECKS);
	unsigned char *p = take(cache);

	udrv_kmem_cache_free(cache, p + cache->size);
	expect("cache early: free of an object that was never allocated");
	udrv_kmem_cache_free(cache, p);
	end(cache);
}
END_TEST

START_TEST(free_of_a_foreign_pointer)
{
	struct udrv_kmem_cache *cache = make("mine", 64, ALL);
	char *block = malloc(64);
	char here;
	void *wrong[] = {block, &here, (void *)16, (void *)UINTPTR_MAX, NULL, stdout, cache};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		fault_log_clear();
		udrv_kmem_cache_free(cache, wrong[i]);
		expect("cache mine: free of a pointer that is not an object of this cache");
		expect("now by thread ");
	}
	free(block);
	end(cache);
}
END_TEST

START_TEST(free_of_a_pointer_into_an_object)
{
	struct udrv_kmem_cache *cache = make("inner", 64, ALL);
	unsigned char *p = take(cache);

	udrv_kmem_cache_free(cache, p + 8);
	expect("cache inner: free of a pointer into an object: pointer ");
	expect("it is 8 bytes behind the start of object ");
	expect("allocated by thread ");
	/* Before and behind an object there is none. */
	fault_log_clear();
	udrv_kmem_cache_free(cache, p - 1);
	expect("not an object");
	fault_log_clear();
	udrv_kmem_cache_free(cache, p + 64);
	expect("not an object");
	udrv_kmem_cache_free(cache, p);
	end(cache);
}
END_TEST

START_TEST(free_of_an_object_of_another_cache_names_that_one)
{
	struct udrv_kmem_cache *cache = make("mine", 64, ALL);
	struct udrv_kmem_cache *checked = make("checked", 64, UDRV_SLAB_POISON);
	struct udrv_kmem_cache *fast = make("fast", 64, 0);
	unsigned char *p = take(checked);
	unsigned char *q = take(fast);

	udrv_kmem_cache_free(cache, p);
	expect("it is in a slab of cache checked");
	fault_log_clear();
	udrv_kmem_cache_free(cache, q);
	expect("it is in a slab of cache fast");
	udrv_kmem_cache_free(checked, p);
	udrv_kmem_cache_free(fast, q);
	end(cache);
	end(checked);
	end(fast);
}
END_TEST

/* In the program's dynamic symbols. The barriers keep the compiler from jumping instead of calling.
 */
#define NAMED __attribute__((noinline, visibility("default")))
NAMED void *take_here(struct udrv_kmem_cache *cache);
NAMED void *take_there(struct udrv_kmem_cache *cache);

void *take_here(struct udrv_kmem_cache *cache)
{
	void *obj = udrv_kmem_cache_alloc(cache, UDRV_GFP_KERNEL);

	__asm__ volatile("" ::: "memory");
	return obj;
}

void *take_there(struct udrv_kmem_cache *cache)
{
	void *obj = udrv_kmem_cache_zalloc(cache, UDRV_GFP_ATOMIC);

	__asm__ volatile("" ::: "memory");
	return obj;
}

START_TEST(a_leak_report_names_the_sites_with_counts)
{
	struct udrv_kmem_cache *cache = make("leak", 64, UDRV_SLAB_STORE_USER);
	void *objs[4];

	for (int i = 0; i < 3; i++)
		objs[i] = take_here(cache);
	objs[3] = take_there(cache);
	ck_assert_int_eq(udrv_kmem_cache_destroy(cache), -EBUSY);
	expect("cache leak: 4 objects are still allocated");
	expect("cache leak:   3 objects from take_here+0x");
	expect("cache leak:   1 objects from take_there+0x");
	expect(" (test_slab_frees)");
	/* Those that are freed are not in it. */
	udrv_kmem_cache_free(cache, objs[3]);
	fault_log_clear();
	ck_assert_int_eq(udrv_kmem_cache_destroy(cache), -EBUSY);
	ck_assert(!fault_logged("take_there"));
	udrv_kmem_cache_free_bulk(cache, 3, objs);
	end(cache);
}
END_TEST

START_TEST(reports_name_who_allocated_and_who_freed)
{
	struct udrv_kmem_cache *cache = make("who", 64, UDRV_SLAB_STORE_USER | UDRV_SLAB_POISON);
	void *obj = take_there(cache);

	udrv_kmem_cache_free(cache, obj);
	write_byte(obj, 0, 0);
	ck_assert_int_eq(udrv_kmem_cache_validate(cache), 1);
	expect("s ago: take_there+0x");
	end(cache);
}
END_TEST

START_TEST(bulk_calls_are_checked_too)
{
	enum { N = 1000 };
	struct udrv_kmem_cache *cache = make("bulk", 64, ALL);
	void *objs[N + 1];

	ck_assert_int_eq(udrv_kmem_cache_alloc_bulk(cache, UDRV_GFP_KERNEL, N, objs), N);
	ck_assert_int_eq(udrv_kmem_cache_validate(cache), 0);
	objs[N] = objs[7];
	write_byte(objs[9], 64, 1);
	udrv_kmem_cache_free_bulk(cache, N + 1, objs);
	expect("double free");
	expect("right red zone overwritten");
	end(cache);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("slab_frees");
	TCase *tc = tcase_create("frees and owners");

	tcase_add_checked_fixture(tc, debug_set_up, NULL);
	tcase_add_test(tc, double_free);
	tcase_add_test(tc, double_free_long_after);
	tcase_add_test(tc, free_of_an_object_that_was_never_allocated);
	tcase_add_test(tc, free_of_a_foreign_pointer);
	tcase_add_test(tc, free_of_a_pointer_into_an_object);
	tcase_add_test(tc, free_of_an_object_of_another_cache_names_that_one);
	tcase_add_test(tc, bulk_calls_are_checked_too);
	tcase_add_test(tc, a_leak_report_names_the_sites_with_counts);
	tcase_add_test(tc, reports_name_who_allocated_and_who_freed);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
