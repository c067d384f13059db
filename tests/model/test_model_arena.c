// SPDX-License-Identifier: MIT
/* Several domains in one process: what is shared by them and what is not. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/kmalloc.h>
#include <udrv/slab.h>

#include "backend/model.h"
#include "mem/arena.h"

#include "support/must.h"
#include "support/suite.h"
#include "support/threads.h"

#define PAGE   4096u
#define REGION ((size_t)2 << 20)
#define FIRST  ((size_t)512 << 10) /* of a domain's regions */

static struct udrv_device *a, *b;

static void setup(void)
{
	ck_assert_int_eq(udrv_device_open("model:edu", NULL, &a), 0);
	ck_assert_int_eq(udrv_device_open("model:ivshmem", NULL, &b), 0);
}

static void teardown(void)
{
	udrv_device_close(a);
	udrv_device_close(b);
	(void)udrv__arena_shrink(&udrv__common_arena);
}

/* Through the table that stands for the device's IOMMU. */
static bool reaches(struct udrv_device *dev, const volatile void *p)
{
	const struct udrv__model_mapping *map = udrv__model_of(dev)->mappings;
	udrv_iova_t iova = udrv_virt_to_bus(p);

	while (map && iova - map->iova >= map->len)
		map = map->next;
	return map && map->va + (iova - map->iova) == p;
}

static void *common(size_t len, udrv_iova_t limit, udrv_gfp_t gfp)
{
	return udrv__arena_alloc(&udrv__common_arena, &(struct udrv__arena_want){
							      .len = len,
							      .align = PAGE,
							      .limit = limit,
							      .node = -1,
							      .gfp = gfp,
						      });
}

START_TEST(each_has_its_own_memory_under_its_own_address)
{
	udrv_iova_t iova_a, iova_b;
	void *p = udrv_dma_alloc_coherent(a, PAGE, &iova_a, UDRV_GFP_KERNEL);
	void *q = udrv_dma_alloc_coherent(b, PAGE, &iova_b, UDRV_GFP_KERNEL);
	udrv_iova_t mapped;

	ck_assert(iova_a + FIRST <= iova_b || iova_b + FIRST <= iova_a);
	ck_assert(reaches(a, p) && !reaches(b, p));
	ck_assert(reaches(b, q) && !reaches(a, q));
	/* The other one's memory is mapped as any memory is. */
	mapped = udrv_dma_map_single(b, p, PAGE, UDRV_DMA_BIDIRECTIONAL);
	ck_assert_int_eq(udrv_dma_mapping_error(b, mapped), 0);
	ck_assert_uint_ne(mapped, iova_a);
	udrv_dma_unmap_single(b, mapped, PAGE, UDRV_DMA_BIDIRECTIONAL);
	udrv_dma_free_coherent(a, PAGE, p, iova_a);
	udrv_dma_free_coherent(b, PAGE, q, iova_b);
}
END_TEST

START_TEST(common_memory_is_reached_by_all)
{
	struct udrv_device *c = NULL;
	char *p = common(3 * PAGE, UINT64_MAX, UDRV_GFP_KERNEL);
	udrv_iova_t iova = udrv_virt_to_bus(p);

	ck_assert(reaches(a, p) && reaches(b, p));
	/* Where devices of 32 bits reach it. */
	ck_assert_uint_lt(iova, 1ull << 32);
	ck_assert_uint_eq(udrv_dma_map_single(a, p, PAGE, UDRV_DMA_TO_DEVICE), iova);
	ck_assert_uint_eq(udrv_dma_map_single(b, p + 5, PAGE, UDRV_DMA_TO_DEVICE), iova + 5);
	udrv_dma_unmap_single(a, iova, PAGE, UDRV_DMA_TO_DEVICE);
	udrv_dma_unmap_single(b, iova + 5, PAGE, UDRV_DMA_TO_DEVICE);
	ck_assert_int_eq(udrv_device_open("model:edu", NULL, &c), 0);
	ck_assert(reaches(c, p));
	udrv_device_close(c);
	ck_assert(reaches(a, p));
	ck_assert_int_eq(udrv__arena_free(&udrv__common_arena, p, 3 * PAGE), 0);
}
END_TEST

START_TEST(common_memory_outlives_devices)
{
	char *p;

	udrv_device_close(a);
	udrv_device_close(b);
	p = common(PAGE, UINT64_MAX, UDRV_GFP_KERNEL);
	ck_assert_ptr_nonnull(p);
	memset(p, 0x5a, PAGE);
	setup();
	ck_assert(reaches(a, p) && reaches(b, p));
	ck_assert_int_eq(p[PAGE - 1], 0x5a);
	ck_assert_uint_eq(udrv__arena_run(&udrv__common_arena, p), PAGE);
	ck_assert_uint_eq(udrv__arena_run(&udrv__common_arena, p + PAGE), 0);
	ck_assert_int_eq(udrv__arena_free(&udrv__common_arena, p, PAGE), 0);
	ck_assert_uint_eq(udrv__arena_shrink(&udrv__common_arena), REGION);
	ck_assert(!udrv__model_of(a)->mappings && !udrv__model_of(b)->mappings);
}
END_TEST

/* A device of 28 bits cannot use what is above: its buffers get addresses of their own. */
START_TEST(a_narrow_device_and_common_memory)
{
	char *p = common(PAGE, UINT64_MAX, UDRV_GFP_KERNEL);
	char *low = common(PAGE, (1u << 24) - 1, UDRV_GFP_KERNEL);
	udrv_iova_t iova;

	ck_assert_int_eq(udrv_dma_set_mask_and_coherent(a, UDRV_DMA_BIT_MASK(28)), 0);
	iova = udrv_dma_map_single(a, p, PAGE, UDRV_DMA_TO_DEVICE);
	ck_assert_uint_lt(iova, 1u << 28);
	ck_assert_uint_ne(iova, udrv_virt_to_bus(p));
	udrv_dma_unmap_single(a, iova, PAGE, UDRV_DMA_TO_DEVICE);
	ck_assert_uint_eq(udrv_dma_map_single(a, low, PAGE, UDRV_DMA_TO_DEVICE),
			  udrv_virt_to_bus(low));
	ck_assert_uint_lt(udrv_virt_to_bus(low), 1u << 24);
	ck_assert_ptr_null(common(PAGE, 100, UDRV_GFP_KERNEL));
	ck_assert_int_eq(udrv__arena_free(&udrv__common_arena, p, PAGE), 0);
	ck_assert_int_eq(udrv__arena_free(&udrv__common_arena, low, PAGE), 0);
}
END_TEST

START_TEST(registered_memory_of_two_domains_has_one_address)
{
	char *page = aligned_alloc(PAGE, PAGE);
	udrv_iova_t iova;

	ck_assert_int_eq(udrv_dma_register(a, page, PAGE, UDRV_DMA_BIDIRECTIONAL), 0);
	ck_assert(reaches(a, page) && !reaches(b, page));
	iova = udrv_dma_map_single(b, page, 1, UDRV_DMA_TO_DEVICE);
	ck_assert_uint_ne(iova, udrv_virt_to_bus(page));
	udrv_dma_unmap_single(b, iova, 1, UDRV_DMA_TO_DEVICE);
	ck_assert_int_eq(udrv_dma_register(b, page, PAGE, UDRV_DMA_BIDIRECTIONAL), 0);
	ck_assert(reaches(a, page) && reaches(b, page));
	iova = udrv_dma_map_single(b, page + 1, 1, UDRV_DMA_TO_DEVICE);
	ck_assert_uint_eq(iova, udrv_virt_to_bus(page) + 1);
	/* What b uses does not keep a's. */
	ck_assert_int_eq(udrv_dma_unregister(a, page, PAGE), 0);
	ck_assert(!reaches(a, page) && reaches(b, page));
	ck_assert_int_eq(udrv_dma_unregister(b, page, PAGE), -EBUSY);
	udrv_dma_unmap_single(b, iova, 1, UDRV_DMA_TO_DEVICE);
	ck_assert_int_eq(udrv_dma_unregister(b, page, PAGE), 0);
	free(page);
}
END_TEST

static struct udrv_kmem_cache *poisoned;
static void *object;

/* In the child 0, or which step did more than it may. */
static int use_in_child(void *p, udrv_iova_t iova)
{
	udrv_iova_t other = 7;

	if (udrv_dma_alloc_coherent(a, PAGE, &other, UDRV_GFP_KERNEL) || other != 7)
		return 1;
	if (common(PAGE, UINT64_MAX, UDRV_GFP_KERNEL))
		return 2;
	if (udrv_kmem_cache_alloc(poisoned, UDRV_GFP_KERNEL))
		return 4;
	udrv_kmem_cache_free(poisoned, object);
	if (udrv_kmem_cache_destroy(poisoned))
		return 5;
	udrv_dma_free_coherent(a, PAGE, p, iova);
	return udrv_dma_shrink(a) ? 3 : 0;
}

static bool done;
static unsigned int laps; /* of each thread's loop */

/* No address, or that which it has: never one without a page's. */
static void *ask_for_the_address(void *p)
{
	struct udrv_dma_window window = {0};
	udrv_iova_t iova;

	while (!get(done)) {
		iova = udrv_virt_to_bus(p);
		MUST(iova == UDRV_DMA_MAPPING_ERROR ||
		     (iova > REGION && udrv_bus_to_virt(iova) == p) || udrv_virt_to_bus(p) != iova);
		MUST(udrv_dma_look_up(b, p, 1, &window) == UDRV_DMA_MAPPING_ERROR);
		inc(laps);
	}
	return NULL;
}

static void let_them_run(void)
{
	const unsigned int before = get(laps);

	until(get(laps) - before >= 10);
}

/* Of which there may be none when the address has just gone. */
static void *allocate_low_memory(void *arg)
{
	const udrv_gfp_t gfp = UDRV_GFP_KERNEL | UDRV_GFP_DMA32 | UDRV_GFP_NOWARN;

	while (!get(done))
		udrv_kfree(udrv_kmalloc(3 * PAGE, gfp));
	return arg;
}

/* Where there is no IOMMU common memory has no address, until a device comes that has one. */
START_TEST(common_memory_is_used_while_it_gets_and_loses_its_address)
{
	pthread_t threads[2];
	void *p;

	udrv_device_close(a);
	udrv_device_close(b);
	ck_assert_int_eq(udrv_device_open("model:ivshmem", "model-stub", &b), 0);
	p = common(PAGE, UINT64_MAX, UDRV_GFP_KERNEL);
	ck_assert_ptr_nonnull(p);
	done = false;
	threads[0] = start(ask_for_the_address, p);
	threads[1] = start(allocate_low_memory, NULL);
	for (int i = 0; i < 200; i++) {
		MUST(!udrv_device_open("model:edu", NULL, &a));
		MUST(udrv_virt_to_bus(p) != UDRV_DMA_MAPPING_ERROR);
		let_them_run();
		udrv_device_close(a);
		MUST(udrv_virt_to_bus(p) == UDRV_DMA_MAPPING_ERROR);
		let_them_run();
	}
	set(done, true);
	finish(threads[0]);
	finish(threads[1]);
	MUST(!udrv__arena_free(&udrv__common_arena, p, PAGE));
	ck_assert_int_eq(udrv_device_open("model:edu", NULL, &a), 0);
}
END_TEST

/* All of the buffer stays where it is as long as it is mapped, however it is. */
static void *map_and_unmap(void *memory)
{
	const size_t len = 2 * PAGE;

	while (!get(done)) {
		const udrv_iova_t iova =
			udrv_dma_map_single(b, memory, len, UDRV_DMA_BIDIRECTIONAL);

		MUST(!udrv_dma_mapping_error(b, iova));
		MUST(udrv_bus_to_virt(iova) == memory);
		MUST(udrv_bus_to_virt(iova + len - 1) == (char *)memory + len - 1);
		udrv_dma_unmap_single(b, iova, len, UDRV_DMA_BIDIRECTIONAL);
		inc(laps);
	}
	return NULL;
}

static void unregister(struct udrv_device *dev, void *memory, size_t len)
{
	int ret;

	while ((ret = udrv_dma_unregister(dev, memory, len)) == -EBUSY)
		sched_yield();
	MUST(!ret);
}

START_TEST(buffers_are_mapped_while_their_memory_is_registered_and_not_any_more)
{
	char *memory = aligned_alloc(PAGE, 4 * PAGE);
	pthread_t thread;

	memset(memory, 0, 4 * PAGE);
	done = false;
	thread = start(map_and_unmap, memory);
	for (int i = 0; i < 1000; i++) {
		if (i % 10 == 0)
			let_them_run();
		MUST(!udrv_dma_register(b, memory, 2 * PAGE, UDRV_DMA_BIDIRECTIONAL));
		unregister(b, memory, 2 * PAGE);
		MUST(!udrv_dma_register(b, memory, PAGE, UDRV_DMA_BIDIRECTIONAL));
		unregister(b, memory, PAGE);
		MUST(!udrv_dma_register(a, memory + 2 * PAGE, PAGE, UDRV_DMA_TO_DEVICE));
		unregister(a, memory + 2 * PAGE, PAGE);
	}
	set(done, true);
	finish(thread);
	free(memory);
}
END_TEST

START_TEST(a_child_of_fork_leaves_the_parents_memory_alone)
{
	udrv_iova_t iova, next;
	char *p = udrv_dma_alloc_coherent(a, PAGE, &iova, UDRV_GFP_KERNEL);
	char *shared = common(PAGE, UINT64_MAX, UDRV_GFP_KERNEL);
	char *q;
	int status = -1;
	pid_t pid;

	poisoned = udrv_kmem_cache_create(a, "poisoned", 64, 0,
					  UDRV_SLAB_CACHE_DMA | UDRV_SLAB_POISON, NULL, NULL);
	object = udrv_kmem_cache_alloc(poisoned, UDRV_GFP_KERNEL);
	ck_assert_ptr_nonnull(object);
	pid = fork();
	if (!pid)
		_exit(use_in_child(p, iova));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	q = udrv_dma_alloc_coherent(a, PAGE, &next, UDRV_GFP_KERNEL);
	ck_assert_ptr_nonnull(q);
	ck_assert_int_eq(udrv_kmem_cache_validate(poisoned), 0);
	udrv_kmem_cache_free(poisoned, object);
	ck_assert_int_eq(udrv_kmem_cache_destroy(poisoned), 0);
	udrv_dma_free_coherent(a, PAGE, p, iova);
	udrv_dma_free_coherent(a, PAGE, q, next);
	ck_assert_uint_eq(udrv_dma_shrink(a), FIRST);
	ck_assert_int_eq(udrv__arena_free(&udrv__common_arena, shared, PAGE), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("model_arena");
	TCase *tc = tcase_create("domains");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, each_has_its_own_memory_under_its_own_address);
	tcase_add_test(tc, common_memory_is_reached_by_all);
	tcase_add_test(tc, common_memory_outlives_devices);
	tcase_add_test(tc, a_narrow_device_and_common_memory);
	tcase_add_test(tc, common_memory_is_used_while_it_gets_and_loses_its_address);
	tcase_add_test(tc, buffers_are_mapped_while_their_memory_is_registered_and_not_any_more);
	tcase_add_test(tc, a_child_of_fork_leaves_the_parents_memory_alone);
	tcase_add_test(tc, registered_memory_of_two_domains_has_one_address);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
