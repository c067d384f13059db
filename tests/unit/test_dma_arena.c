// SPDX-License-Identifier: MIT
/* A domain's arena: how it grows and shrinks, what it hands out. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/slab.h>

#include "support/fake_machine.h"
#include "support/fault.h"
#include "support/suite.h"

#define NAME   "0000:00:05.0"
#define OTHER  "0000:00:05.1"
#define PAGE   4096u
#define REGION ((size_t)2 << 20)
#define FIRST  ((size_t)512 << 10) /* of an arena's regions */

static struct udrv_device *dev;
static struct fault_held before;

static void setup(void)
{
	(void)fake_machine_make(NAME);
	fault_start_thread_once();
	fault_held(&before);
	ck_assert_int_eq(udrv_device_open(NAME, NULL, &dev), 0);
}

static void teardown(void)
{
	struct fault_held now = {0};

	udrv_device_close(dev);
	ck_assert_uint_eq(fake_vfio.mapping_count, 0);
	ck_assert(fault_held_again(&before, &now));
	fake_machine_remove();
}

static void *get(size_t size, udrv_iova_t *iova)
{
	return udrv_dma_alloc_coherent(dev, size, iova, UDRV_GFP_KERNEL);
}

START_TEST(many_small_ones_share_one_mapping)
{
	enum { COUNT = FIRST / PAGE };
	udrv_iova_t iova[COUNT];
	char *p[COUNT];

	for (size_t i = 0; i < COUNT; i++) {
		p[i] = get(PAGE, &iova[i]);
		ck_assert_ptr_nonnull(p[i]);
		ck_assert_uint_eq(iova[i] - iova[0], (udrv_iova_t)(p[i] - p[0]));
		p[i][0] = 1;
	}
	ck_assert_uint_eq(fake_vfio.mapping_count, 1);
	ck_assert_uint_eq(fake_vfio.mappings[0].size, FIRST);
	for (size_t i = 0; i < COUNT; i++)
		udrv_dma_free_coherent(dev, PAGE, p[i], iova[i]);
	ck_assert_uint_eq(fake_vfio.mapping_count, 1);
}
END_TEST

START_TEST(what_does_not_fit_the_first_one_gets_a_whole_one)
{
	udrv_iova_t a, b;
	void *small = get(PAGE, &a);
	void *large = get(FIRST, &b);

	ck_assert_uint_eq(fake_vfio.mapping_count, 2);
	ck_assert_uint_eq(fake_vfio.mappings[0].size, FIRST);
	ck_assert_uint_eq(fake_vfio.mappings[1].size, REGION);
	udrv_dma_free_coherent(dev, PAGE, small, a);
	udrv_dma_free_coherent(dev, FIRST, large, b);
	ck_assert_uint_eq(udrv_dma_shrink(dev), FIRST + REGION);
}
END_TEST

/* 1 GiB in regions of 2, 2, 4, 8, 16, 32 and then 64 MiB. */
START_TEST(regions_stay_few)
{
	udrv_iova_t iova;

	for (size_t sum = 0; sum < (size_t)1 << 30; sum += REGION)
		ck_assert_ptr_nonnull(get(REGION, &iova));
	ck_assert_uint_le(fake_vfio.mapping_count, 6 + 16);
}
END_TEST

START_TEST(unused_regions_go_when_asked)
{
	udrv_iova_t a, b;
	void *first = get(REGION, &a);
	void *second = get(PAGE, &b);

	ck_assert_uint_eq(fake_vfio.mapping_count, 2);
	ck_assert_uint_eq(udrv_dma_shrink(dev), 0);
	udrv_dma_free_coherent(dev, REGION, first, a);
	ck_assert_uint_eq(udrv_dma_shrink(dev), REGION);
	ck_assert_uint_eq(fake_vfio.mapping_count, 1);
	ck_assert_uint_eq(udrv_virt_to_bus(second), b);
	ck_assert_uint_eq(udrv_virt_to_bus(first), UDRV_DMA_MAPPING_ERROR);
	ck_assert_ptr_null(udrv_bus_to_virt(a));
	udrv_dma_free_coherent(dev, PAGE, second, b);
	ck_assert_uint_eq(udrv_dma_shrink(dev), REGION);
}
END_TEST

/* Linux dma_alloc_coherent(): to the smallest order of pages that holds it. */
START_TEST(both_addresses_are_aligned)
{
	static const size_t sizes[] = {1, PAGE, 3 * PAGE, 8 * PAGE, 100 * PAGE, REGION};
	udrv_iova_t iova;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t align = PAGE;
		void *p = get(sizes[i], &iova);

		while (align < sizes[i])
			align *= 2;
		ck_assert_uint_eq(iova % align, 0);
		ck_assert_uint_eq((uintptr_t)p % align, 0);
	}
}
END_TEST

START_TEST(memory_is_zeroed_each_time)
{
	static const char zeros[5 * PAGE];
	udrv_iova_t iova;

	for (int i = 0; i < 3; i++) {
		char *p = get(3 * PAGE, &iova);
		char *q = get((size_t)(i + 1) * PAGE, &iova);

		ck_assert(!memcmp(p, zeros, 3 * PAGE));
		ck_assert(!memcmp(q, zeros, (size_t)(i + 1) * PAGE));
		memset(p, 0xff, 3 * PAGE);
		memset(q, 0xff, (size_t)(i + 1) * PAGE);
		udrv_dma_free_coherent(dev, (size_t)(i + 1) * PAGE, q, iova);
		udrv_dma_free_coherent(dev, 3 * PAGE, p, udrv_virt_to_bus(p));
	}
}
END_TEST

START_TEST(atomic_takes_what_there_is)
{
	udrv_iova_t iova = 7;
	void *p;

	ck_assert_ptr_null(udrv_dma_alloc_coherent(dev, PAGE, &iova, UDRV_GFP_ATOMIC));
	ck_assert_uint_eq(iova, 7);
	ck_assert_uint_eq(fake_vfio.mapping_count, 0);
	ck_assert_ptr_nonnull(get(PAGE, &iova));
	fault_arm(1);
	p = udrv_dma_alloc_coherent(dev, 2 * PAGE, &iova, UDRV_GFP_ATOMIC);
	udrv_dma_free_coherent(dev, 2 * PAGE, p, iova);
	ck_assert_ptr_null(fault_disarm()); /* no call was made */
	ck_assert_ptr_nonnull(p);
}
END_TEST

/* Where not as much as usual can be had, what is needed is enough. */
START_TEST(tight_limits)
{
	static const uint64_t narrow[] = {0x1000, 0xffff};
	udrv_iova_t iova;

	udrv_device_close(dev);
	fake_vfio_iovas(narrow, 1);
	ck_assert_int_eq(udrv_device_open(NAME, NULL, &dev), 0);
	ck_assert_ptr_nonnull(get(5 * PAGE, &iova));
	ck_assert_uint_eq(fake_vfio.mappings[0].size, 5 * PAGE);
	ck_assert_ptr_nonnull(get(7 * PAGE, &iova));
	ck_assert_ptr_nonnull(get(2 * PAGE, &iova));
	ck_assert_ptr_nonnull(get(PAGE, &iova));
	ck_assert_ptr_null(get(PAGE, &iova));
	ck_assert(fault_logged(
		"no free device address for 4096 bytes below 0xffff, the last that the "
		"IOMMU translates"));
}
END_TEST

/* A device of 28 bits and one of 64 behind one IOMMU page table. */
START_TEST(each_device_has_what_it_can_reach)
{
	struct udrv_device *wide = NULL;
	udrv_iova_t iova;

	fake_pci_device(OTHER, 0x1234, 0x11e8, "vfio-pci", FAKE_GROUP);
	(void)fake_vfio_add(OTHER, FAKE_GROUP);
	ck_assert_int_eq(udrv_device_open(OTHER, NULL, &wide), 0);
	ck_assert_int_eq(udrv_dma_set_mask_and_coherent(wide, UDRV_DMA_BIT_MASK(64)), 0);
	ck_assert_int_eq(udrv_dma_set_mask_and_coherent(dev, UDRV_DMA_BIT_MASK(28)), 0);
	for (int i = 0; i < 3; i++) {
		ck_assert_ptr_nonnull(
			udrv_dma_alloc_coherent(wide, REGION, &iova, UDRV_GFP_KERNEL));
		ck_assert_uint_ge(iova, 1ull << 32);
		ck_assert_ptr_nonnull(get(PAGE, &iova));
		ck_assert_uint_lt(iova, 1u << 28);
	}
	udrv_device_close(wide);
}
END_TEST

/* Another function of the group: BAR 0 is a megabyte from @first on. */
static void add_other(udrv_iova_t first)
{
	char text[512];

	(void)snprintf(text, sizeof(text), "0x%016llx 0x%016llx 0x0000000000040200\n",
		       (unsigned long long)first, (unsigned long long)first + (1u << 20) - 1);
	for (int i = 1; i < 7; i++)
		strcat(text, "0x0000000000000000 0x0000000000000000 0x0000000000000000\n");
	fake_pci_device(OTHER, 0x1234, 0x11e8, "vfio-pci", FAKE_GROUP);
	(void)fake_vfio_add(OTHER, FAKE_GROUP);
	fake_file(text, "sys/bus/pci/devices/%s/resource", OTHER);
}

/* The first megabyte that would be taken is one's own BAR, or that of a function of the group. */
START_TEST(no_address_is_in_a_bar)
{
	const char *name = _i ? NAME : OTHER;
	udrv_iova_t first, iova;

	ck_assert_int_eq(udrv_dma_set_mask_and_coherent(dev, UDRV_DMA_BIT_MASK(64)), 0);
	ck_assert_ptr_nonnull(get(REGION, &first));
	udrv_device_close(dev);
	dev = NULL;
	add_other(first);
	ck_assert_int_eq(udrv_device_open(name, NULL, &dev), 0);
	ck_assert_int_eq(udrv_dma_set_mask_and_coherent(dev, UDRV_DMA_BIT_MASK(64)), 0);
	for (int i = 0; i < 4; i++) {
		ck_assert_ptr_nonnull(get(REGION, &iova));
		ck_assert(iova + REGION <= first || iova >= first + (1u << 20));
	}
}
END_TEST

START_TEST(what_is_left_is_told_and_goes)
{
	udrv_iova_t iova;

	ck_assert_ptr_nonnull(get(3 * PAGE, &iova));
	udrv_device_close(dev);
	ck_assert(fault_logged("closed while 12288 bytes of DMA memory are allocated"));
	ck_assert_int_eq(udrv_device_open(NAME, NULL, &dev), 0);
}
END_TEST

START_TEST(objects_that_the_device_reaches)
{
	struct udrv_kmem_cache *cache =
		udrv_kmem_cache_create(dev, "desc", 96, 32, UDRV_SLAB_CACHE_DMA, NULL, NULL);
	unsigned int mappings = fake_vfio.mapping_count;
	char *objs[100];

	ck_assert_ptr_nonnull(cache);
	ck_assert_uint_eq(mappings, 1);
	for (size_t i = 0; i < 100; i++) {
		udrv_iova_t iova;

		objs[i] = udrv_kmem_cache_alloc(cache, UDRV_GFP_KERNEL);
		ck_assert_ptr_nonnull(objs[i]);
		iova = udrv_dma_map_single(dev, objs[i], 96, UDRV_DMA_BIDIRECTIONAL);
		ck_assert_int_eq(udrv_dma_mapping_error(dev, iova), 0);
		ck_assert_uint_eq(iova, udrv_virt_to_bus(objs[i]));
		ck_assert_uint_eq(iova % 32, 0);
		ck_assert_ptr_eq(udrv_bus_to_virt(iova), objs[i]);
		udrv_dma_unmap_single(dev, iova, 96, UDRV_DMA_BIDIRECTIONAL);
	}
	ck_assert_uint_eq(fake_vfio.mapping_count, mappings);
	for (size_t i = 0; i < 100; i++)
		udrv_kmem_cache_free(cache, objs[i]);
	ck_assert_int_eq(udrv_kmem_cache_destroy(cache), 0);
	ck_assert_uint_eq(udrv_dma_shrink(dev), FIRST);
	ck_assert_ptr_null(
		udrv_kmem_cache_create(NULL, "x", 8, 0, UDRV_SLAB_CACHE_DMA, NULL, NULL));
	before.mapped = 0; /* the thread's table of magazines */
}
END_TEST

#define ROUNDS 2000

static void *churn(void *arg)
{
	unsigned int seed = (unsigned int)(uintptr_t)arg;
	struct {
		unsigned char *p;
		size_t len;
		udrv_iova_t iova;
	} live[16] = {{0}};

	for (int i = 0; i < ROUNDS; i++) {
		size_t k = (size_t)rand_r(&seed) % 16;

		if (live[k].p) {
			if (live[k].p[0] != (unsigned char)k || live[k].p[live[k].len - 1])
				return "memory of another one was written";
			udrv_dma_free_coherent(dev, live[k].len, live[k].p, live[k].iova);
			live[k].p = NULL;
			continue;
		}
		live[k].len = PAGE * (1 + (size_t)rand_r(&seed) % 40);
		live[k].p = get(live[k].len, &live[k].iova);
		if (!live[k].p || live[k].p[0] || live[k].p[live[k].len - 1])
			return "no memory, or not zeroed";
		live[k].p[0] = (unsigned char)k;
		if (!(i % 100))
			(void)udrv_dma_shrink(dev);
	}
	for (size_t k = 0; k < 16; k++)
		if (live[k].p)
			udrv_dma_free_coherent(dev, live[k].len, live[k].p, live[k].iova);
	return NULL;
}

START_TEST(several_threads)
{
	pthread_t threads[4];

	for (uintptr_t i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)), 0);
	for (size_t i = 0; i < 4; i++) {
		void *wrong = NULL;

		pthread_join(threads[i], &wrong);
		ck_assert_msg(!wrong, "%s", (const char *)wrong);
	}
	(void)udrv_dma_shrink(dev);
	ck_assert_uint_eq(fake_vfio.mapping_count, 0);
	before.mapped = 0; /* threads' stacks */
}
END_TEST

int main(void)
{
	Suite *s = suite_create("dma_arena");
	TCase *tc = tcase_create("arena");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, many_small_ones_share_one_mapping);
	tcase_add_test(tc, what_does_not_fit_the_first_one_gets_a_whole_one);
	tcase_add_test(tc, regions_stay_few);
	tcase_add_test(tc, unused_regions_go_when_asked);
	tcase_add_test(tc, both_addresses_are_aligned);
	tcase_add_test(tc, memory_is_zeroed_each_time);
	tcase_add_test(tc, atomic_takes_what_there_is);
	tcase_add_test(tc, tight_limits);
	tcase_add_test(tc, each_device_has_what_it_can_reach);
	tcase_add_loop_test(tc, no_address_is_in_a_bar, 0, 2);
	tcase_add_test(tc, what_is_left_is_told_and_goes);
	tcase_add_test(tc, objects_that_the_device_reaches);
	tcase_add_test(tc, several_threads);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
