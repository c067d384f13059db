// SPDX-License-Identifier: MIT
/* Objects of a NUMA node, on a machine that is told it has several: its memory stays where it is.
 */
#include <stdlib.h>
#include <string.h>

#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/kmalloc.h>

#include "mem/backing.h"
#include "mem/kmalloc.h"
#include "mem/region.h"
#include "mem/slab.h"

#include "support/suite.h"
#include "support/threads.h"

static struct udrv_kmem_cache *cache;

static void setup(void)
{
	udrv__nodes_known = 2;
	cache = udrv_kmem_cache_create(NULL, "nodes", 100, 0, 0, NULL, NULL);
	ck_assert_ptr_nonnull(cache);
}

static void teardown(void)
{
	ck_assert_int_eq(udrv_kmem_cache_destroy(cache), 0);
}

static int node_of(const struct udrv_kmem_cache *of, const void *obj)
{
	return ((const struct slab *)((uintptr_t)obj & ~(of->chunk - 1)))->node;
}

static uint64_t slabs(void)
{
	struct udrv_kmem_cache_stats stats;

	udrv_kmem_cache_get_stats(cache, &stats);
	return stats.slabs;
}

START_TEST(objects_are_of_a_slab_of_the_node)
{
	enum { N = 3000 };
	static void *objs[N];
	struct udrv_kmem_cache_stats stats;

	for (int i = 0; i < N; i++) {
		objs[i] = udrv_kmem_cache_alloc_node(cache, UDRV_GFP_KERNEL, i % 2);
		ck_assert_ptr_nonnull(objs[i]);
		ck_assert_int_eq(node_of(cache, objs[i]), i % 2);
		memset(objs[i], i, 100);
	}
	for (int i = 0; i < N; i++)
		for (int k = 0; k < 100; k++)
			if (((unsigned char *)objs[i])[k] != (unsigned char)i)
				ck_abort_msg("two objects share bytes");
	udrv_kmem_cache_get_stats(cache, &stats);
	ck_assert_uint_eq(stats.active, N);
	ck_assert_uint_eq(stats.hits, 0);
	udrv_kmem_cache_free_bulk(cache, N, objs);
	udrv_kmem_cache_get_stats(cache, &stats);
	ck_assert_uint_eq(stats.active, 0);
}
END_TEST

/* More are freed than the reserve takes, and some stay, so that their slabs do. */
START_TEST(objects_of_a_node_are_zeroed)
{
	enum { N = 2000 };
	static unsigned char *objs[N];

	for (int i = 0; i < N; i++) {
		objs[i] = udrv_kmem_cache_alloc_node(cache, UDRV_GFP_KERNEL, 1);
		ck_assert_ptr_nonnull(objs[i]);
		objs[i][99] = 0xff;
	}
	for (int i = 0; i < N; i++)
		if (i % 10)
			udrv_kmem_cache_free(cache, objs[i]);
	(void)udrv_kmem_cache_shrink(cache);
	for (int i = 0; i < N; i++) {
		if (i % 10)
			objs[i] = udrv_kmem_cache_alloc_node(cache, UDRV_GFP_KERNEL | UDRV_GFP_ZERO,
							     1);
		ck_assert_ptr_nonnull(objs[i]);
		ck_assert_uint_eq(objs[i][99], i % 10 ? 0 : 0xff);
	}
	udrv_kmem_cache_free_bulk(cache, N, (void **)objs);
}
END_TEST

START_TEST(one_node_or_none_is_the_usual_way)
{
	void *any = udrv_kmem_cache_alloc_node(cache, UDRV_GFP_KERNEL, -1);
	uint64_t before = slabs();
	void *one;

	udrv__nodes_known = 1;
	one = udrv_kmem_cache_alloc_node(cache, UDRV_GFP_KERNEL, 0);
	ck_assert_int_eq(node_of(cache, any), -1);
	ck_assert_int_eq(node_of(cache, one), -1);
	ck_assert_uint_eq(slabs(), before);
	udrv_kmem_cache_free(cache, any);
	udrv_kmem_cache_free(cache, one);
}
END_TEST

START_TEST(atomic_makes_no_slab_and_has_another_nodes_object)
{
	uint64_t before = slabs();
	void *other = udrv_kmem_cache_alloc_node(cache, UDRV_GFP_ATOMIC, 1);
	void *first;
	void *second;

	ck_assert_ptr_nonnull(other);
	ck_assert_int_eq(node_of(cache, other), -1);
	ck_assert_uint_eq(slabs(), before);
	first = udrv_kmem_cache_alloc_node(cache, UDRV_GFP_KERNEL, 1);
	second = udrv_kmem_cache_alloc_node(cache, UDRV_GFP_ATOMIC, 1);
	ck_assert_int_eq(node_of(cache, first), 1);
	ck_assert_int_eq(node_of(cache, second), 1);
	udrv_kmem_cache_free(cache, other);
	udrv_kmem_cache_free(cache, first);
	udrv_kmem_cache_free(cache, second);
}
END_TEST

START_TEST(at_the_limit_any_node_will_do)
{
	struct udrv_kmem_cache *small =
		udrv_kmem_cache_create(NULL, "small", 100, 0, 0, NULL, NULL);
	void *objs[10];

	ck_assert_int_eq(udrv_kmem_cache_set_limit(small, 10), 0);
	for (int i = 0; i < 10; i++) {
		objs[i] = udrv_kmem_cache_alloc_node(small, UDRV_GFP_KERNEL, 1);
		ck_assert_ptr_nonnull(objs[i]);
	}
	ck_assert_ptr_null(udrv_kmem_cache_alloc_node(small, UDRV_GFP_KERNEL, 1));
	udrv_kmem_cache_free_bulk(small, 10, objs);
	ck_assert_int_eq(udrv_kmem_cache_destroy(small), 0);
}
END_TEST

START_TEST(kmalloc_has_regions_of_the_node)
{
	static const size_t sizes[] = {10, 1000, 8192, 100000};

	for (size_t i = 0; i < 4; i++) {
		void *p[2];

		for (int node = 0; node < 2; node++) {
			p[node] = udrv_kmalloc_node(sizes[i], UDRV_GFP_KERNEL, node);
			ck_assert_ptr_nonnull(p[node]);
			ck_assert_int_eq(udrv__region_of(p[node])->node, node);
			ck_assert_uint_ge(udrv_ksize(p[node]), sizes[i]);
		}
		udrv_kfree(p[0]);
		udrv_kfree(p[1]);
	}
	ck_assert_int_eq(udrv__kmalloc_end(), 0);
}
END_TEST

START_TEST(a_devices_cache_has_slabs_of_the_node)
{
	struct udrv_kmem_cache *dma;
	struct udrv_device *dev;
	void *obj;

	ck_assert_int_eq(udrv_device_open("model:edu", NULL, &dev), 0);
	dma = udrv_kmem_cache_create(dev, "dma", 64, 0, UDRV_SLAB_CACHE_DMA, NULL, NULL);
	obj = udrv_kmem_cache_alloc_node(dma, UDRV_GFP_KERNEL, 1);
	ck_assert_int_eq(node_of(dma, obj), 1);
	ck_assert_int_eq(udrv__region_of(obj)->node, 1);
	ck_assert_uint_ne(udrv_virt_to_bus(obj), UDRV_DMA_MAPPING_ERROR);
	udrv_kmem_cache_free(dma, obj);
	ck_assert_int_eq(udrv_kmem_cache_destroy(dma), 0);
	udrv_device_close(dev);
}
END_TEST

static void *come_and_go(void *arg)
{
	void *objs[20] = {0};

	for (int i = 0; i < 20000; i++) {
		int at = i % 20;

		if (objs[at])
			udrv_kmem_cache_free(cache, objs[at]);
		objs[at] = udrv_kmem_cache_alloc_node(cache, UDRV_GFP_KERNEL, i % 3 - 1);
		if (!objs[at])
			ck_abort_msg("no memory");
		memset(objs[at], i, 100);
	}
	udrv_kmem_cache_free_bulk(cache, 20, objs);
	return arg;
}

START_TEST(threads_come_and_go)
{
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		threads[i] = start(come_and_go, NULL);
	for (int i = 0; i < 3; i++)
		finish(threads[i]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("slab_node");
	TCase *tc = tcase_create("two nodes");

	/* Under the address sanitizer too it is the usual paths that are looked at. */
	udrv__slab_checkers = false;
	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, objects_are_of_a_slab_of_the_node);
	tcase_add_test(tc, objects_of_a_node_are_zeroed);
	tcase_add_test(tc, one_node_or_none_is_the_usual_way);
	tcase_add_test(tc, atomic_makes_no_slab_and_has_another_nodes_object);
	tcase_add_test(tc, at_the_limit_any_node_will_do);
	tcase_add_test(tc, kmalloc_has_regions_of_the_node);
	tcase_add_test(tc, a_devices_cache_has_slabs_of_the_node);
	tcase_add_test(tc, threads_come_and_go);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
