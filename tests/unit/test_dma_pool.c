// SPDX-License-Identifier: MIT
/* Pools of blocks of DMA memory: where blocks are, what is refused, threads, atomic. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/dmapool.h>
#include <udrv/driver.h>
#include <udrv/pci.h>
#include <udrv/slab.h>

#include "mem/slab.h"

#include "support/fault.h"
#include "support/must.h"
#include "support/suite.h"
#include "support/threads.h"

#define PAGE  4096u
#define MAGIC 0x5a

static struct udrv_device *dev;

struct block {
	unsigned char *p;
	udrv_iova_t iova;
};

static void setup(void)
{
	fault_log_clear();
	ck_assert_int_eq(udrv_device_open("model:edu", NULL, &dev), 0);
}

static void teardown(void)
{
	udrv_device_close(dev);
}

static struct udrv_dma_pool *make(size_t size, size_t align, size_t boundary)
{
	struct udrv_dma_pool *pool = udrv_dma_pool_create("blocks", dev, size, align, boundary);

	ck_assert_msg(pool != NULL, "%s", fault_log_text());
	return pool;
}

static struct block take(struct udrv_dma_pool *pool)
{
	struct block b = {0};

	b.p = udrv_dma_pool_alloc(pool, UDRV_GFP_KERNEL, &b.iova);
	MUST(b.p);
	return b;
}

static bool crosses(udrv_iova_t iova, size_t size, size_t boundary)
{
	return iova / boundary != (iova + size - 1) / boundary;
}

/* n blocks, all at the same time, and none where it must not be. */
static void check_blocks(size_t size, size_t align, size_t boundary, size_t n)
{
	struct udrv_dma_pool *pool = make(size, align, boundary);
	struct block *blocks = calloc(n, sizeof(*blocks));
	size_t bound = boundary ? boundary : PAGE;

	while (bound < size)
		bound *= 2;
	for (size_t i = 0; i < n; i++) {
		blocks[i] = take(pool);
		MUST(!crosses(blocks[i].iova, size, bound));
		MUST(!align || blocks[i].iova % align == 0);
		MUST(!align || (uintptr_t)blocks[i].p % align == 0);
		MUST(udrv_bus_to_virt(blocks[i].iova) == blocks[i].p);
		MUST(udrv_bus_to_virt(blocks[i].iova + size - 1) == blocks[i].p + size - 1);
		memset(blocks[i].p, (int)(i % 251), size);
	}
	for (size_t i = 0; i < n; i++) {
		MUST(blocks[i].p[0] == i % 251 && blocks[i].p[size - 1] == i % 251);
		udrv_dma_pool_free(pool, blocks[i].p, blocks[i].iova);
	}
	udrv_dma_pool_destroy(pool);
	free(blocks);
	ck_assert_msg(!fault_logged("no block"), "%s", fault_log_text());
}

static const size_t sizes[] = {1,    2,	   8,	 16,   24,   48,    64,	   80,	   96,
			       100,  129,  255,	 256,  500,  700,   1000,  1025,   1500,
			       2048, 2100, 4000, 4096, 4097, 10000, 65536, 100000, 2u << 20};

START_TEST(blocks_are_aligned_and_cross_no_boundary)
{
	size_t size = sizes[_i];
	size_t n = size < 4096 ? 1500 : 4 + 200000 / size;
	size_t power = 1;

	while (power < size)
		power *= 2;
	check_blocks(size, 0, 0, n);
	check_blocks(size, 16, 0, n);
	check_blocks(size, 4096, 0, n / 4 + 2);
	check_blocks(size, 0, power, n);
	check_blocks(size, 64, 2 * power, n);
	check_blocks(size, 0, (size_t)1 << 32, n);
}
END_TEST

START_TEST(blocks_aligned_to_more_than_a_page)
{
	check_blocks(64, 65536, 0, 20);
	check_blocks(64, UDRV_DMA_POOL_MAX_SIZE, 0, 3);
}
END_TEST

static void refused(const char *name, size_t size, size_t align, size_t boundary, const char *why)
{
	fault_log_clear();
	ck_assert_ptr_null(udrv_dma_pool_create(name, dev, size, align, boundary));
	ck_assert_msg(fault_logged(why), "%s", fault_log_text());
}

START_TEST(bad_arguments_are_refused)
{
	refused("bad", 0, 0, 0, "size");
	refused("bad", UDRV_DMA_POOL_MAX_SIZE + 1, 0, 0, "size");
	refused("bad", SIZE_MAX, 0, 0, "size");
	refused("bad", 64, 3, 0, "alignment");
	refused("bad", 64, 2 * UDRV_DMA_POOL_MAX_SIZE, 0, "alignment");
	refused("bad", 64, 0, 32, "boundary");
	refused("bad", 64, 0, 96, "boundary");
	refused(NULL, 64, 0, 0, "no name");
	udrv_dma_pool_destroy(NULL);
}
END_TEST

START_TEST(a_block_is_had_again)
{
	struct udrv_dma_pool *pool = make(64, 0, 0);
	struct block first = take(pool);
	struct block again;
	udrv_iova_t iova = 0;

	memset(first.p, MAGIC, 64);
	udrv_dma_pool_free(pool, first.p, first.iova);
	again = take(pool);
	ck_assert_ptr_eq(again.p, first.p);
	ck_assert_uint_eq(again.iova, first.iova);
	ck_assert_uint_eq(again.p[63], MAGIC);
	udrv_dma_pool_free(pool, again.p, again.iova);
	ck_assert_ptr_eq(udrv_dma_pool_zalloc(pool, UDRV_GFP_KERNEL, &iova), first.p);
	ck_assert_uint_eq(iova, first.iova);
	for (int i = 0; i < 64; i++)
		ck_assert_uint_eq(first.p[i], 0);
	first.p[63] = MAGIC;
	udrv_dma_pool_free(pool, first.p, iova);
	ck_assert_ptr_eq(udrv_dma_pool_alloc(pool, UDRV_GFP_KERNEL | UDRV_GFP_ZERO, &iova),
			 first.p);
	ck_assert_uint_eq(first.p[63], 0);
	udrv_dma_pool_free(pool, first.p, iova);
	udrv_dma_pool_destroy(pool);
}
END_TEST

START_TEST(it_is_reached_without_being_mapped)
{
	struct udrv_dma_pool *pool = make(100, 0, 0);
	struct block b = take(pool);

	ck_assert_uint_eq(udrv_dma_map_single(dev, b.p, 100, UDRV_DMA_BIDIRECTIONAL), b.iova);
	udrv_dma_unmap_single(dev, b.iova, 100, UDRV_DMA_BIDIRECTIONAL);
	udrv_dma_pool_free(pool, b.p, b.iova);
	udrv_dma_pool_destroy(pool);
}
END_TEST

static void not_freed(struct udrv_dma_pool *pool, void *p, udrv_iova_t iova)
{
	fault_log_clear();
	udrv_dma_pool_free(pool, p, iova);
	ck_assert_msg(fault_logged("is no block of DMA pool blocks"), "%s", fault_log_text());
}

START_TEST(what_is_not_a_block_is_not_freed)
{
	struct udrv_dma_pool *pool = make(64, 0, 0);
	struct udrv_dma_pool *other = make(64, 0, 0);
	struct block b = take(pool);
	struct block foreign = take(other);
	udrv_iova_t iova = 0;
	unsigned char *coherent = udrv_dma_alloc_coherent(dev, PAGE, &iova, UDRV_GFP_KERNEL);
	unsigned char heap[64];

	not_freed(pool, b.p, b.iova + 64);
	not_freed(pool, b.p, 0);
	not_freed(pool, b.p + 64, b.iova);
	not_freed(pool, b.p + 1, b.iova + 1);
	not_freed(pool, foreign.p, foreign.iova);
	not_freed(pool, coherent, iova);
	not_freed(pool, heap, b.iova);
	not_freed(pool, NULL, 0);
	not_freed(pool, NULL, UDRV_DMA_MAPPING_ERROR);
	not_freed(pool, (void *)UINTPTR_MAX, b.iova);
	/* The slab's own data. */
	not_freed(pool, (void *)((uintptr_t)b.p & ~(uintptr_t)0xffff),
		  b.iova & ~(udrv_iova_t)0xffff);
	/* Nothing has changed: it is freed once. */
	fault_log_clear();
	udrv_dma_pool_free(pool, b.p, b.iova);
	udrv_dma_pool_free(other, foreign.p, foreign.iova);
	udrv_dma_free_coherent(dev, PAGE, coherent, iova);
	udrv_dma_pool_destroy(other);
	udrv_dma_pool_destroy(pool);
	ck_assert_str_eq(fault_log_text(), "");
}
END_TEST

START_TEST(destroying_a_pool_that_is_in_use_is_logged_and_its_memory_stays)
{
	struct udrv_dma_pool *pool = make(64, 0, 0);
	struct block b = take(pool);

	memset(b.p, MAGIC, 64);
	fault_log_clear();
	udrv_dma_pool_destroy(pool);
	ck_assert(fault_logged("cache blocks: 1 objects are still allocated"));
	ck_assert(fault_logged("its memory stays until the device is closed"));
	/* Others do not get it. */
	(void)udrv_dma_shrink(dev);
	pool = make(64, 0, 0);
	for (int i = 0; i < 5000; i++)
		memset(take(pool).p, 0, 64);
	ck_assert_uint_eq(b.p[0], MAGIC);
	ck_assert_uint_eq(b.p[63], MAGIC);
	ck_assert_ptr_eq(udrv_bus_to_virt(b.iova), b.p);
}
END_TEST

START_TEST(memory_goes_back_with_the_pool)
{
	struct udrv_dma_pool *pool = make(4096, 0, 0);
	struct block blocks[1000];

	for (int i = 0; i < 1000; i++)
		blocks[i] = take(pool);
	for (int i = 0; i < 1000; i++)
		udrv_dma_pool_free(pool, blocks[i].p, blocks[i].iova);
	udrv_dma_pool_destroy(pool);
	ck_assert_uint_ge(udrv_dma_shrink(dev), 4096 * 1000);
}
END_TEST

START_TEST(the_coherent_mask_is_kept)
{
	struct udrv_dma_pool *pool;

	ck_assert_int_eq(udrv_dma_set_coherent_mask(dev, UDRV_DMA_BIT_MASK(28)), 0);
	pool = make(2048, 0, 0);
	for (int i = 0; i < 3000; i++) {
		struct block b = take(pool);

		MUST(b.iova + 2048 <= 1u << 28);
	}
}
END_TEST

/* So few addresses that a slab of three blocks, 1 MiB, cannot be at an aligned one. */
START_TEST(addresses_that_are_not_aligned_are_not_given_out)
{
	struct udrv_dma_pool *pool;
	struct block b;
	udrv_iova_t iova = 7;

	ck_assert_int_eq(udrv_dma_set_coherent_mask(dev, 0x100fff), 0);
	pool = make(262144, 0, 0);
	ck_assert_ptr_null(udrv_dma_pool_alloc(pool, UDRV_GFP_KERNEL, &iova));
	ck_assert_uint_eq(iova, 7);
	ck_assert(fault_logged("no block of 262144 bytes at a device address aligned to 262144"));
	udrv_dma_pool_destroy(pool);
	ck_assert(!fault_logged("still allocated"));
	/* A page's alignment there always is. */
	pool = make(1024, 0, 0);
	b = take(pool);
	udrv_dma_pool_free(pool, b.p, b.iova);
	udrv_dma_pool_destroy(pool);
}
END_TEST

/* Its slabs' memory goes with the device: nobody may look at them any more. */
START_TEST(a_block_that_is_left_does_no_harm_after_the_device)
{
	enum { MANY = 10000 };
	static struct block blocks[MANY];
	struct udrv_kmem_cache *plain = udrv_kmem_cache_create(NULL, "p", 8, 0, 0, NULL, NULL);
	struct udrv_dma_pool *pool = make(64, 0, 0);

	for (int i = 0; i < MANY; i++)
		blocks[i] = take(pool);
	for (int i = 1; i < MANY; i++)
		udrv_dma_pool_free(pool, blocks[i].p, blocks[i].iova);
	udrv_dma_pool_destroy(pool);
	ck_assert(fault_logged("still allocated"));
	udrv_device_close(dev);
	udrv__slab_reap_all();
	(void)udrv__slab_reclaim(plain);
	ck_assert_int_eq(udrv_kmem_cache_destroy(plain), 0);
	ck_assert_int_eq(udrv_device_open("model:edu", NULL, &dev), 0);
}
END_TEST

/* Of a pool that was just made there is the reserve, also for a thread that is new. */
static void *take_atomic(void *arg)
{
	struct block blocks[256];
	const char *called;
	int n = 0;

	fault_arm(1);
	while (n < 256 &&
	       (blocks[n].p = udrv_dma_pool_alloc(arg, UDRV_GFP_ATOMIC, &blocks[n].iova)))
		n++;
	called = fault_disarm();
	ck_assert_msg(!called, "%s was called", called);
	ck_assert_int_eq(n, 256);
	while (n--)
		udrv_dma_pool_free(arg, blocks[n].p, blocks[n].iova);
	return NULL;
}

START_TEST(atomic_makes_no_system_call)
{
	struct udrv_dma_pool *pool = make(64, 0, 0);
	pthread_t thread;
	int ret = pthread_create(&thread, NULL, take_atomic, pool);

	/* Check's own calls count as well: none before the thread has ended. */
	if (!ret)
		ret = pthread_join(thread, NULL);
	ck_assert_int_eq(ret, 0);
	(void)take_atomic(pool);
	udrv_dma_pool_destroy(pool);
	ck_assert(!fault_logged("is no block"));
	ck_assert(!fault_logged("still allocated"));
}
END_TEST

static void *use(void *arg)
{
	struct block blocks[300];

	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < 300; i++) {
			blocks[i] = take(arg);
			blocks[i].p[0] = (unsigned char)i;
			MUST(udrv_virt_to_bus(blocks[i].p) == blocks[i].iova);
		}
		for (int i = 0; i < 300; i++) {
			MUST(blocks[i].p[0] == (unsigned char)i);
			udrv_dma_pool_free(arg, blocks[i].p, blocks[i].iova);
		}
	}
	return NULL;
}

START_TEST(threads_share_a_pool)
{
	struct udrv_dma_pool *pool = make(80, 16, 0);
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		threads[i] = start(use, pool);
	for (int i = 0; i < 4; i++)
		finish(threads[i]);
	udrv_dma_pool_destroy(pool);
	ck_assert(!fault_logged("is no block"));
	ck_assert(!fault_logged("still allocated"));
}
END_TEST

/* Managed memory. */

static struct block managed;
static struct udrv_dma_pool *managed_pool;

static int probe(struct udrv_device *d, const struct udrv_pci_device_id *id)
{
	(void)id;
	managed.p = udrv_dmam_alloc_coherent(d, 5000, &managed.iova, UDRV_GFP_KERNEL);
	managed_pool = udrv_dmam_pool_create("managed", d, 64, 0, 0);
	return managed.p && managed_pool ? 0 : -ENOMEM;
}

static const struct udrv_pci_device_id ids[] = {{UDRV_PCI_DEVICE(0x1234, 0x11e8)}, {0}};
static const struct udrv_driver driver = {.name = "managed", .id_table = ids, .probe = probe};

#define OTHERS 100

/* Caches of no device. */
static void *make_and_end_others(void *arg)
{
	struct udrv_kmem_cache *others[OTHERS];

	while (!get(*(bool *)arg)) {
		for (int i = 0; i < OTHERS; i++) {
			others[i] = udrv_kmem_cache_create(NULL, "other", 64, 0, 0, NULL, NULL);
			MUST(others[i]);
		}
		for (int i = 0; i < OTHERS; i++)
			MUST(!udrv_kmem_cache_destroy(others[i]));
	}
	return NULL;
}

START_TEST(a_device_closes_while_others_caches_end)
{
	bool done = false;
	pthread_t other = start(make_and_end_others, &done);

	for (int i = 0; i < 300; i++) {
		struct udrv_dma_pool *pool = make(64, 0, 0);

		udrv_dma_pool_destroy(pool);
		udrv_device_close(dev);
		MUST(!udrv_device_open("model:edu", NULL, &dev));
	}
	set(done, true);
	finish(other);
}
END_TEST

static void *take_what_is_gone(void *arg)
{
	for (int i = 0; i < 100; i++)
		MUST(!udrv_kmem_cache_alloc(arg, UDRV_GFP_KERNEL));
	return NULL;
}

/* It is said once, whichever thread finds out. */
START_TEST(threads_ask_for_memory_that_has_gone_with_its_device)
{
	struct udrv_kmem_cache *cache =
		udrv_kmem_cache_create(dev, "gone", 64, 0, UDRV_SLAB_CACHE_DMA, NULL, NULL);
	pthread_t others[2];

	ck_assert_ptr_nonnull(cache);
	udrv_device_close(dev);
	for (int i = 0; i < 2; i++)
		others[i] = start(take_what_is_gone, cache);
	for (int i = 0; i < 2; i++)
		finish(others[i]);
	ck_assert(fault_logged("gone with its device"));
	ck_assert_int_eq(udrv_kmem_cache_destroy(cache), 0);
	ck_assert_int_eq(udrv_device_open("model:edu", NULL, &dev), 0);
}
END_TEST

/* Many of them, with a thread that gives idle memory back. */
START_TEST(a_device_closes_while_caches_are_reaped)
{
	static void *objs[20000];
	struct udrv_kmem_cache *first;
	struct udrv_kmem_cache *large;

	set(udrv__slab_reap_period_ns, 0);
	first = udrv_kmem_cache_create(dev, "first", 64, 0, UDRV_SLAB_CACHE_DMA, NULL, NULL);
	large = udrv_kmem_cache_create(NULL, "large", 256, 0, 0, NULL, NULL);
	MUST(udrv_kmem_cache_alloc_bulk(large, UDRV_GFP_KERNEL, 20000, objs) == 20000);
	for (int i = 0; i < 300; i++) {
		udrv_device_close(dev);
		MUST(!udrv_kmem_cache_destroy(first));
		MUST(!udrv_device_open("model:edu", NULL, &dev));
		first = udrv_kmem_cache_create(dev, "first", 64, 0, UDRV_SLAB_CACHE_DMA, NULL,
					       NULL);
		MUST(first);
	}
	MUST(!udrv_kmem_cache_destroy(first));
	udrv_kmem_cache_free_bulk(large, 20000, objs);
	MUST(!udrv_kmem_cache_destroy(large));
	set(udrv__slab_reap_period_ns, UINT64_MAX);
}
END_TEST

START_TEST(managed_memory_goes_with_the_driver)
{
	for (int i = 0; i < 3; i++) {
		struct block b = {0};

		ck_assert_int_eq(udrv_driver_probe(&driver, dev), 0);
		ck_assert_uint_eq(udrv_virt_to_bus(managed.p), managed.iova);
		for (int j = 0; j < 5000; j++)
			ck_assert_uint_eq(managed.p[j], 0);
		memset(managed.p, MAGIC, 5000);
		b = take(managed_pool);
		udrv_dma_pool_free(managed_pool, b.p, b.iova);
		udrv_driver_remove(&driver, dev);
		/* Nothing is left of it. */
		ck_assert_uint_gt(udrv_dma_shrink(dev), 0);
		ck_assert_uint_eq(udrv_virt_to_bus(managed.p), UDRV_DMA_MAPPING_ERROR);
	}
	ck_assert_msg(!fault_logged("DMA pool"), "%s", fault_log_text());
}
END_TEST

START_TEST(managed_memory_may_go_early)
{
	udrv_iova_t iova = 0;
	void *plain = udrv_dma_alloc_coherent(dev, 5000, &iova, UDRV_GFP_KERNEL);

	ck_assert_int_eq(udrv_driver_probe(&driver, dev), 0);
	fault_log_clear();
	udrv_dmam_free_coherent(dev, 5000, NULL, 0);
	ck_assert_str_eq(fault_log_text(), "");
	udrv_dmam_free_coherent(dev, 4000, managed.p, managed.iova);
	ck_assert(fault_logged("not freed: it is not managed so"));
	fault_log_clear();
	udrv_dmam_free_coherent(dev, 5000, managed.p, managed.iova + PAGE);
	ck_assert(fault_logged("not freed: it is not managed so"));
	fault_log_clear();
	udrv_dmam_free_coherent(dev, 5000, plain, iova);
	ck_assert(fault_logged("not freed: it is not managed so"));
	fault_log_clear();
	udrv_dmam_free_coherent(dev, 5000, managed.p, managed.iova);
	udrv_dma_free_coherent(dev, 5000, plain, iova);
	udrv_dmam_pool_destroy(managed_pool);
	udrv_driver_remove(&driver, dev);
	ck_assert_str_eq(fault_log_text(), "");
	ck_assert_uint_gt(udrv_dma_shrink(dev), 0);
	ck_assert_uint_eq(udrv_virt_to_bus(plain), UDRV_DMA_MAPPING_ERROR);
}
END_TEST

START_TEST(managing_is_not_atomic)
{
	udrv_iova_t iova = 7;

	ck_assert_ptr_null(udrv_dmam_alloc_coherent(dev, PAGE, &iova, UDRV_GFP_ATOMIC));
	ck_assert_ptr_null(udrv_dmam_alloc_coherent(dev, 0, &iova, UDRV_GFP_KERNEL));
	ck_assert_uint_eq(iova, 7);
}
END_TEST

START_TEST(only_a_managed_pool_is_destroyed_as_one)
{
	struct udrv_dma_pool *pool = make(64, 0, 0);
	struct block b;

	udrv_dmam_pool_destroy(pool);
	ck_assert(fault_logged("not managed"));
	b = take(pool);
	udrv_dma_pool_free(pool, b.p, b.iova);
	udrv_dma_pool_destroy(pool);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("dma_pool");
	TCase *tc = tcase_create("pools");

	/* Under the address sanitizer too it is the usual paths that are looked at. */
	udrv__slab_checkers = false;
	/* No thread that starts just when calls are counted. */
	udrv__slab_reap_period_ns = UINT64_MAX;
	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, blocks_are_aligned_and_cross_no_boundary, 0,
			    sizeof(sizes) / sizeof(sizes[0]));
	tcase_add_test(tc, blocks_aligned_to_more_than_a_page);
	tcase_add_test(tc, bad_arguments_are_refused);
	tcase_add_test(tc, a_block_is_had_again);
	tcase_add_test(tc, it_is_reached_without_being_mapped);
	tcase_add_test(tc, what_is_not_a_block_is_not_freed);
	tcase_add_test(tc, destroying_a_pool_that_is_in_use_is_logged_and_its_memory_stays);
	tcase_add_test(tc, memory_goes_back_with_the_pool);
	tcase_add_test(tc, the_coherent_mask_is_kept);
	tcase_add_test(tc, addresses_that_are_not_aligned_are_not_given_out);
	tcase_add_test(tc, atomic_makes_no_system_call);
	tcase_add_test(tc, a_block_that_is_left_does_no_harm_after_the_device);
	tcase_add_test(tc, threads_share_a_pool);
	tcase_add_test(tc, a_device_closes_while_others_caches_end);
	tcase_add_test(tc, threads_ask_for_memory_that_has_gone_with_its_device);
	tcase_add_test(tc, a_device_closes_while_caches_are_reaped);
	tcase_add_test(tc, managed_memory_goes_with_the_driver);
	tcase_add_test(tc, managed_memory_may_go_early);
	tcase_add_test(tc, managing_is_not_atomic);
	tcase_add_test(tc, only_a_managed_pool_is_destroyed_as_one);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
