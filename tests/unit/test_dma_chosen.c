// SPDX-License-Identifier: MIT
/* Arenas, pools and registered memory where the backend chooses addresses. */
#include <errno.h>
#include <stdlib.h>

#include <udrv/dmapool.h>
#include <udrv/kmalloc.h>
#include <udrv/slab.h>

#include "mem/domain.h"
#include "mem/kmalloc.h"
#include "pci/device.h"

#include "support/fault.h"
#include "support/stub_device.h"
#include "support/suite.h"

#define PAGE STUB_PAGE
#define KIB  ((size_t)1024)
#define MIB  ((size_t)1 << 20)

static struct udrv_device *dev;
static struct fault_held before;

static void setup(void)
{
	fault_start_thread_once();
	fault_held(&before);
	dev = stub_open("model:edu");
	fault_log_clear();
}

static void teardown(void)
{
	struct fault_held now = {0};

	udrv_device_close(dev);
	ck_assert_uint_eq(udrv__iovas.count, 0);
	ck_assert_msg(fault_held_again(&before, &now), "%d %d, %d %d, %zu %zu, %zu %zu", before.fds,
		      now.fds, before.threads, now.threads, before.blocks, now.blocks,
		      before.mapped, now.mapped);
}

static struct udrv_device *open_another(const char *name)
{
	before.mapped = 0; /* its thread's stack */
	return stub_open(name);
}

struct piece {
	unsigned char *p;
	udrv_iova_t iova;
	size_t size;
};

static struct piece take(struct udrv_device *d, size_t size)
{
	struct piece piece = {.size = size};

	piece.p = udrv_dma_alloc_coherent(d, size, &piece.iova, UDRV_GFP_KERNEL);
	if (!piece.p)
		ck_abort_msg("%s", fault_log_text());
	return piece;
}

static void give(struct udrv_device *d, const struct piece *piece)
{
	udrv_dma_free_coherent(d, piece->size, piece->p, piece->iova);
}

static size_t order(size_t size)
{
	size_t power = PAGE;

	while (power < size && power < 2 * MIB)
		power *= 2;
	return power;
}

static bool is_good(struct udrv_device *d, const struct piece *piece)
{
	MUST(piece->iova % order(piece->size) == 0);
	MUST((uintptr_t)piece->p % order(piece->size) == 0);
	MUST(udrv_virt_to_bus(piece->p + piece->size - 1) == piece->iova + piece->size - 1);
	MUST(udrv_bus_to_virt(piece->iova + piece->size - 1) == piece->p + piece->size - 1);
	MUST(cpu_sees(piece->p, piece->size, 0));
	device_writes(d, piece->iova, piece->size, 0x11);
	return cpu_sees(piece->p, piece->size, 0x11);
}

START_TEST(memory_and_address_come_together)
{
	static const size_t sizes[] = {1,   PAGE,    PAGE + 1, 5 * PAGE, 64 * KIB,
				       MIB, 2 * MIB, 3 * MIB,  4 * MIB};
	struct piece pieces[sizeof(sizes) / sizeof(sizes[0])];
	size_t n = sizeof(sizes) / sizeof(sizes[0]);

	for (size_t i = 0; i < n; i++) {
		pieces[i] = take(dev, sizes[i]);
		ck_assert(is_good(dev, &pieces[i]));
	}
	for (size_t i = 0; i < n; i++)
		give(dev, &pieces[i]);
	ck_assert(!stub_faulted(dev));
	ck_assert_uint_gt(udrv_dma_shrink(dev), 10 * MIB);
	ck_assert_uint_eq(stub_mapped(dev), 0);
	ck_assert_str_eq(fault_log_text(), "");
}
END_TEST

/* Regions as small as need be; and again larger ones when there are some. */
START_TEST(regions_are_what_is_to_be_had)
{
	struct piece pieces[40];

	stub_of(dev)->alloc_max = 128 * KIB;
	for (size_t i = 0; i < 20; i++)
		pieces[i] = take(dev, 64 * KIB);
	ck_assert_uint_eq(stub_of(dev)->allocs, 10);
	stub_of(dev)->alloc_max = 0;
	for (size_t i = 20; i < 40; i++)
		pieces[i] = take(dev, 64 * KIB);
	ck_assert_uint_lt(stub_of(dev)->allocs, 14);
	for (size_t i = 0; i < 40; i++)
		give(dev, &pieces[i]);
	ck_assert_str_eq(fault_log_text(), "");
}
END_TEST

START_TEST(what_is_larger_than_a_piece_fails_and_smaller_works)
{
	struct piece piece;
	udrv_iova_t iova = 77;

	stub_of(dev)->alloc_max = 12 * KIB;
	ck_assert_ptr_null(udrv_dma_alloc_coherent(dev, 16 * KIB, &iova, UDRV_GFP_KERNEL));
	ck_assert_uint_eq(iova, 77);
	ck_assert_msg(fault_logged("cannot map 16384 bytes for DMA"), "%s", fault_log_text());
	piece = take(dev, 12 * KIB);
	ck_assert(is_good(dev, &piece));
	give(dev, &piece);
}
END_TEST

/* A mask that is none is rounded down. */
START_TEST(memory_is_below_the_mask)
{
	struct piece narrow;
	struct piece wide;
	udrv_iova_t iova;

	stub_of(dev)->lowest = (udrv_iova_t)250 << 20;
	ck_assert_int_eq(udrv_dma_set_coherent_mask(dev, UDRV_DMA_BIT_MASK(28)), 0);
	narrow = take(dev, 2 * MIB);
	ck_assert_uint_lt(narrow.iova + 2 * MIB, (udrv_iova_t)1 << 28);
	stub_of(dev)->lowest = (udrv_iova_t)1 << 30;
	ck_assert_ptr_null(udrv_dma_alloc_coherent(dev, 2 * MIB, &iova, UDRV_GFP_KERNEL));
	ck_assert_int_eq(udrv_dma_set_coherent_mask(dev, 0x5fffffff), 0);
	ck_assert_ptr_null(udrv_dma_alloc_coherent(dev, 2 * MIB, &iova, UDRV_GFP_KERNEL));
	ck_assert_int_eq(udrv_dma_set_coherent_mask(dev, 0x7fffffff), 0);
	wide = take(dev, 2 * MIB);
	ck_assert_uint_ge(wide.iova, (udrv_iova_t)1 << 30);
	ck_assert_int_eq(udrv_dma_set_coherent_mask(dev, 100), -EIO);
	ck_assert_int_eq(udrv_dma_set_mask(dev, UINT64_MAX), 0);
	give(dev, &narrow);
	give(dev, &wide);
}
END_TEST

START_TEST(atomic_takes_what_there_is)
{
	udrv_iova_t iova;
	struct piece piece;
	void *p;

	ck_assert_ptr_null(udrv_dma_alloc_coherent(dev, PAGE, &iova, UDRV_GFP_ATOMIC));
	ck_assert_uint_eq(stub_of(dev)->allocs, 0);
	piece = take(dev, PAGE);
	p = udrv_dma_alloc_coherent(dev, PAGE, &iova, UDRV_GFP_ATOMIC);
	ck_assert_ptr_nonnull(p);
	udrv_dma_free_coherent(dev, PAGE, p, iova);
	give(dev, &piece);
}
END_TEST

/* Both begin with the same addresses. */
START_TEST(devices_whose_addresses_are_alike_get_different_ones)
{
	struct udrv_device *other = open_another("model:edu:2");
	struct piece mine[8];
	struct piece theirs[8];

	fault_log_clear();
	for (size_t i = 0; i < 8; i++)
		mine[i] = take(dev, 2 * MIB);
	for (size_t i = 0; i < 8; i++) {
		theirs[i] = take(other, 2 * MIB);
		for (size_t k = 0; k < 8; k++)
			ck_assert_uint_ne(theirs[i].iova, mine[k].iova);
		ck_assert(is_good(other, &theirs[i]));
	}
	for (size_t i = 0; i < 8; i++)
		ck_assert(is_good(dev, &mine[i]) || cpu_sees(mine[i].p, 2 * MIB, 0x11));
	/* Those that were tried were given back. */
	ck_assert_uint_gt(stub_of(other)->frees, 0);
	ck_assert_uint_eq(stub_of(other)->allocs - stub_of(other)->frees, stub_mapped(other));
	for (size_t i = 0; i < 8; i++) {
		give(dev, &mine[i]);
		give(other, &theirs[i]);
	}
	udrv_device_close(other);
	ck_assert_str_eq(fault_log_text(), "");
}
END_TEST

/* One that maps where it likes leaves alone what others have, and the other way round. */
START_TEST(addresses_do_not_meet_those_of_a_device_that_is_mapped)
{
	struct udrv_device *plain = NULL;
	struct piece theirs[4];
	struct piece mine[4];

	before.mapped = 0;
	ck_assert_int_eq(udrv_device_open("model:edu:2", NULL, &plain), 0);
	ck_assert_int_eq(udrv_dma_set_mask_and_coherent(plain, UDRV_DMA_BIT_MASK(39)), 0);
	ck_assert_int_eq(udrv_pci_set_master(plain), 0);
	theirs[0] = take(plain, 2 * MIB);
	stub_of(dev)->lowest = theirs[0].iova;
	for (size_t i = 0; i < 4; i++) {
		mine[i] = take(dev, 2 * MIB);
		if (i)
			theirs[i] = take(plain, 2 * MIB);
	}
	for (size_t i = 0; i < 4; i++)
		for (size_t k = 0; k < 4; k++)
			ck_assert_uint_ne(mine[i].iova, theirs[k].iova);
	for (size_t i = 0; i < 4; i++) {
		ck_assert(is_good(dev, &mine[i]));
		ck_assert(is_good(plain, &theirs[i]));
		give(dev, &mine[i]);
		give(plain, &theirs[i]);
	}
	udrv_device_close(plain);
}
END_TEST

START_TEST(memory_of_one_device_is_not_mapped_for_another)
{
	struct udrv_device *plain = NULL;
	struct piece mine;

	before.mapped = 0;
	ck_assert_int_eq(udrv_device_open("model:edu:2", NULL, &plain), 0);
	ck_assert_int_eq(udrv_pci_set_master(plain), 0);
	fault_log_clear();
	mine = take(dev, PAGE);
	ck_assert_uint_eq(stub_mapped(plain), 0);
	ck_assert_str_eq(fault_log_text(), "");
	device_writes(plain, mine.iova, PAGE, 0x22);
	ck_assert(stub_faulted(plain));
	ck_assert(cpu_sees(mine.p, PAGE, 0));
	give(dev, &mine);
	udrv_device_close(plain);
}
END_TEST

START_TEST(an_address_that_no_other_memory_has_may_not_be_found)
{
	struct udrv_device *plain = NULL;
	struct udrv__region all = {.kind = UDRV__REGION_STREAM};
	udrv_iova_t iova;

	before.mapped = 0;
	ck_assert_int_eq(udrv_device_open("model:edu:2", NULL, &plain), 0);
	ck_assert_int_eq(udrv__iova_take(&udrv__iovas, PAGE, (UINT64_C(1) << 39) - PAGE, &all), 0);
	ck_assert_ptr_null(udrv_dma_alloc_coherent(dev, 4 * MIB, &iova, UDRV_GFP_KERNEL));
	ck_assert_msg(fault_logged("those that the kernel gave are those of other mappings"), "%s",
		      fault_log_text());
	ck_assert_uint_eq(stub_mapped(dev), 0);
	udrv__iova_free(&udrv__iovas, PAGE);
	udrv_device_close(plain);
}
END_TEST

START_TEST(addresses_that_are_not_aligned_serve_what_they_can)
{
	struct udrv_kmem_cache *cache;
	struct piece piece;
	void *p;

	stub_of(dev)->crooked = true;
	piece = take(dev, PAGE);
	ck_assert(is_good(dev, &piece));
	cache = udrv_kmem_cache_create(dev, "crooked", 256, 0, UDRV_SLAB_CACHE_DMA, NULL, NULL);
	p = udrv_kmem_cache_alloc(cache, UDRV_GFP_KERNEL);
	ck_assert_ptr_nonnull(p);
	udrv_kmem_cache_free(cache, p);
	ck_assert_int_eq(udrv_kmem_cache_destroy(cache), 0);
	/* In a region that is just as long there is no such place. */
	stub_of(dev)->alloc_max = 64 * KIB;
	give(dev, &piece);
	(void)udrv_dma_shrink(dev);
	ck_assert_ptr_null(udrv_dma_alloc_coherent(dev, 64 * KIB, &piece.iova, UDRV_GFP_KERNEL));
	ck_assert_msg(fault_logged("as aligned as they are"), "%s", fault_log_text());
	ck_assert_uint_eq(stub_mapped(dev), 0);
	before.mapped = 0; /* the thread's table of magazines */
}
END_TEST

START_TEST(pools_and_caches)
{
	struct udrv_dma_pool *pool = udrv_dma_pool_create("blocks", dev, 80, 0, 0);
	struct udrv_kmem_cache *cache =
		udrv_kmem_cache_create(dev, "objects", 300, 64, UDRV_SLAB_CACHE_DMA, NULL, NULL);
	enum { N = 16 }; /* a slab each: no reaper */
	struct piece blocks[N];
	void *objects[N];

	before.mapped = 0; /* the thread's table of magazines */
	for (size_t i = 0; i < N; i++) {
		blocks[i].p = udrv_dma_pool_zalloc(pool, UDRV_GFP_KERNEL, &blocks[i].iova);
		objects[i] = udrv_kmem_cache_alloc(cache, UDRV_GFP_KERNEL);
		MUST(blocks[i].p && objects[i]);
		MUST(blocks[i].iova % 128 == 0 && udrv_virt_to_bus(blocks[i].p) == blocks[i].iova);
		device_writes(dev, blocks[i].iova, 80, (int)(i % 200));
		device_writes(dev,
			      udrv_dma_map_single(dev, objects[i], 300, UDRV_DMA_BIDIRECTIONAL),
			      300, (int)(i % 199));
	}
	for (size_t i = 0; i < N; i++) {
		MUST(cpu_sees(blocks[i].p, 80, (int)(i % 200)));
		MUST(cpu_sees(objects[i], 300, (int)(i % 199)));
		udrv_dma_unmap_single(dev, udrv_virt_to_bus(objects[i]), 300,
				      UDRV_DMA_BIDIRECTIONAL);
		udrv_dma_pool_free(pool, blocks[i].p, blocks[i].iova);
		udrv_kmem_cache_free(cache, objects[i]);
	}
	udrv_dma_pool_destroy(pool);
	ck_assert_int_eq(udrv_kmem_cache_destroy(cache), 0);
	ck_assert(!stub_faulted(dev));
	ck_assert_str_eq(fault_log_text(), "");
}
END_TEST

/* The common arena: addresses only while a device reaches it. */

START_TEST(common_memory_has_an_address_while_a_device_reaches_it)
{
	struct udrv_device *plain = NULL;
	char *p = udrv_kmalloc(PAGE, UDRV_GFP_KERNEL);
	udrv_iova_t iova;

	before.mapped = 0;
	ck_assert_uint_eq(udrv_virt_to_bus(p), UDRV_DMA_MAPPING_ERROR);
	ck_assert_int_eq(udrv_device_open("model:edu:2", NULL, &plain), 0);
	iova = udrv_virt_to_bus(p);
	ck_assert_uint_ne(iova, UDRV_DMA_MAPPING_ERROR);
	ck_assert_ptr_eq(udrv_bus_to_virt(iova), p);
	ck_assert_uint_eq(udrv_dma_map_single(plain, p, 100, UDRV_DMA_TO_DEVICE), iova);
	ck_assert_uint_ne(udrv_dma_map_single(dev, p, 100, UDRV_DMA_TO_DEVICE), iova);
	udrv_device_close(plain);
	ck_assert_uint_eq(udrv_virt_to_bus(p), UDRV_DMA_MAPPING_ERROR);
	ck_assert_ptr_null(udrv_bus_to_virt(iova));
	udrv_kfree(p);
	ck_assert_int_eq(udrv__kmalloc_end(), 0);
}
END_TEST

START_TEST(common_memory_from_before_loses_its_address)
{
	char *p;

	udrv_device_close(dev);
	before.mapped = 0;
	p = udrv_kmalloc(PAGE, UDRV_GFP_KERNEL | UDRV_GFP_DMA32);
	ck_assert_uint_ne(udrv_virt_to_bus(p), UDRV_DMA_MAPPING_ERROR);
	dev = stub_open("model:edu");
	ck_assert_uint_eq(udrv_virt_to_bus(p), UDRV_DMA_MAPPING_ERROR);
	ck_assert_uint_eq(udrv__iovas.count, 0);
	udrv_kfree(p);
	ck_assert_int_eq(udrv__kmalloc_end(), 0);
}
END_TEST

/* Registered memory. */

START_TEST(registered_memory_is_looked_up)
{
	unsigned char *p = aligned_alloc(PAGE, 16 * PAGE);
	udrv_iova_t addr;

	stub_of(dev)->translated = true;
	ck_assert_int_eq(udrv_dma_register(dev, p, 16 * PAGE, UDRV_DMA_BIDIRECTIONAL), 0);
	ck_assert_int_eq(udrv_dma_register(dev, p, 16 * PAGE, UDRV_DMA_BIDIRECTIONAL), -EEXIST);
	addr = udrv_dma_map_single(dev, p + 100, 9000, UDRV_DMA_FROM_DEVICE);
	ck_assert_uint_eq(addr, udrv_virt_to_bus(p) + 100);
	device_writes(dev, addr, 9000, 0x11);
	ck_assert(cpu_sees(p + 100, 9000, 0x11));
	ck_assert_int_eq(udrv_dma_unregister(dev, p, 16 * PAGE), -EBUSY);
	udrv_dma_unmap_single(dev, addr, 9000, UDRV_DMA_FROM_DEVICE);
	ck_assert_int_eq(udrv_dma_unregister(dev, p, 16 * PAGE), 0);
	ck_assert_uint_eq(stub_mapped(dev), 0);
	ck_assert_int_eq(udrv_dma_unregister(dev, p, 16 * PAGE), -ENOENT);
	/* With an IOMMU ranges may overlap. */
	ck_assert_int_eq(udrv_dma_register(dev, p, 8 * PAGE, UDRV_DMA_BIDIRECTIONAL), 0);
	ck_assert_int_eq(udrv_dma_register(dev, p + PAGE, 8 * PAGE, UDRV_DMA_TO_DEVICE), 0);
	ck_assert_uint_eq(stub_mapped(dev), 2);
	ck_assert_int_eq(udrv_dma_unregister(dev, p, 8 * PAGE), 0);
	ck_assert_int_eq(udrv_dma_unregister(dev, p + PAGE, 8 * PAGE), 0);
	free(p);
}
END_TEST

START_TEST(scattered_memory_cannot_be_registered)
{
	unsigned char *p = aligned_alloc(PAGE, 16 * PAGE);
	udrv_iova_t addr;

	ck_assert_int_eq(udrv_dma_register(dev, p, 16 * PAGE, UDRV_DMA_BIDIRECTIONAL), -E2BIG);
	ck_assert_msg(fault_logged("cannot map 65536 bytes for DMA in place: without an IOMMU"),
		      "%s", fault_log_text());
	ck_assert_int_eq(udrv_dma_register(dev, p, PAGE, UDRV_DMA_BIDIRECTIONAL), 0);
	addr = udrv_dma_map_single(dev, p, PAGE, UDRV_DMA_TO_DEVICE);
	ck_assert_uint_eq(addr, udrv_virt_to_bus(p));
	udrv_dma_unmap_single(dev, addr, PAGE, UDRV_DMA_TO_DEVICE);
	ck_assert_int_eq(udrv_dma_unregister(dev, p, PAGE), 0);
	free(p);
}
END_TEST

/* Without an IOMMU it has one address for all; with one, the same one by chance, or another. */
START_TEST(several_devices_register_the_same_memory)
{
	struct udrv_device *other = open_another("model:edu:2");
	unsigned char *p = aligned_alloc(2 * MIB, 2 * MIB);
	udrv_iova_t mine;
	udrv_iova_t theirs;

	stub_of(dev)->physical = stub_of(other)->physical = !_i;
	stub_of(dev)->translated = stub_of(other)->translated = _i;
	stub_of(other)->lowest = _i == 2 ? 64 * MIB : 0;
	ck_assert_int_eq(udrv_dma_register(dev, p, 2 * MIB, UDRV_DMA_BIDIRECTIONAL), 0);
	ck_assert_int_eq(udrv_dma_register(other, p, 2 * MIB, UDRV_DMA_BIDIRECTIONAL), 0);
	mine = udrv_dma_map_single(dev, p, 2 * MIB, UDRV_DMA_BIDIRECTIONAL);
	theirs = udrv_dma_map_single(other, p, 2 * MIB, UDRV_DMA_BIDIRECTIONAL);
	ck_assert((mine == theirs) == (_i < 2));
	device_writes(dev, mine, MIB, 0x11);
	device_writes(other, theirs + MIB, MIB, 0x22);
	ck_assert(cpu_sees(p, MIB, 0x11) && cpu_sees(p + MIB, MIB, 0x22));
	udrv_dma_unmap_single(dev, mine, 2 * MIB, UDRV_DMA_BIDIRECTIONAL);
	ck_assert_int_eq(udrv_dma_unregister(dev, p, 2 * MIB), 0);
	ck_assert_uint_eq(stub_mapped(dev), 0);
	ck_assert_int_eq(udrv_dma_unregister(other, p, 2 * MIB), -EBUSY);
	device_writes(other, theirs, MIB, 0x33);
	ck_assert(cpu_sees(p, MIB, 0x33));
	udrv_dma_unmap_single(other, theirs, 2 * MIB, UDRV_DMA_BIDIRECTIONAL);
	ck_assert(!stub_faulted(dev) && !stub_faulted(other));
	/* The other one leaves it to close(). */
	udrv_device_close(other);
	free(p);
}
END_TEST

/* A part of what has an address already, or for another direction. */
START_TEST(memory_with_one_address_is_registered_in_one_way)
{
	struct udrv_device *other = open_another("model:edu:2");
	unsigned char *p = aligned_alloc(2 * MIB, 4 * MIB);

	stub_of(dev)->physical = stub_of(other)->physical = true;
	ck_assert_int_eq(udrv_dma_register(dev, p, 4 * MIB, UDRV_DMA_BIDIRECTIONAL), 0);
	ck_assert_int_eq(udrv_dma_register(other, p, 2 * MIB, UDRV_DMA_BIDIRECTIONAL), -EADDRINUSE);
	ck_assert_int_eq(udrv_dma_register(other, p, 4 * MIB, UDRV_DMA_TO_DEVICE), -EADDRINUSE);
	ck_assert_int_eq(udrv_dma_register(dev, p + 2 * MIB, 2 * MIB, UDRV_DMA_BIDIRECTIONAL),
			 -EADDRINUSE);
	ck_assert(fault_logged("those of other mappings"));
	ck_assert_uint_eq(stub_mapped(other), 0);
	ck_assert_int_eq(udrv_dma_unregister(dev, p, 4 * MIB), 0);
	ck_assert_int_eq(udrv_dma_register(other, p, 2 * MIB, UDRV_DMA_BIDIRECTIONAL), 0);
	udrv_device_close(other);
	free(p);
}
END_TEST

/* Ends. */

START_TEST(what_is_left_is_freed_by_close)
{
	unsigned char *p = aligned_alloc(PAGE, PAGE);

	(void)take(dev, PAGE);
	(void)take(dev, 4 * MIB);
	ck_assert_int_eq(udrv_dma_register(dev, p, PAGE, UDRV_DMA_BIDIRECTIONAL), 0);
	(void)udrv_dma_map_single(dev, p, PAGE, UDRV_DMA_BIDIRECTIONAL);
	udrv_device_close(dev);
	ck_assert(fault_logged("closed while 4198400 bytes of DMA memory are allocated"));
	free(p);
	dev = stub_open("model:edu");
}
END_TEST

START_TEST(a_device_that_is_gone_frees_without_complaint)
{
	unsigned char *p = aligned_alloc(2 * MIB, 2 * MIB);
	struct piece pieces[3];
	udrv_iova_t addr;

	stub_of(dev)->translated = true;
	for (size_t i = 0; i < 3; i++)
		pieces[i] = take(dev, 2 * MIB);
	ck_assert_int_eq(udrv_dma_register(dev, p, 2 * MIB, UDRV_DMA_BIDIRECTIONAL), 0);
	addr = udrv_dma_map_single(dev, p + 2 * MIB - 100, 100, UDRV_DMA_FROM_DEVICE);
	udrv_dma_unmap_single(dev, addr, 100, UDRV_DMA_FROM_DEVICE);
	udrv__model_surprise_remove(dev);
	fault_log_clear();
	for (size_t i = 0; i < 3; i++)
		give(dev, &pieces[i]);
	ck_assert_uint_ge(udrv_dma_shrink(dev), 6 * MIB);
	ck_assert_int_eq(udrv_dma_unregister(dev, p, 2 * MIB), 0);
	ck_assert_str_eq(fault_log_text(), "");
	ck_assert_uint_eq(udrv__iovas.count, 0);
	ck_assert_uint_eq(udrv_dma_map_single(dev, p, 100, UDRV_DMA_TO_DEVICE),
			  UDRV_DMA_MAPPING_ERROR);
	free(p);
}
END_TEST

/* What the kernel does not give back is not used again; the process loses a record. */
START_TEST(memory_that_is_not_given_back_is_kept)
{
	struct piece piece = take(dev, 2 * MIB);
	struct piece next;

	give(dev, &piece);
	stub_of(dev)->free_error = -EBUSY;
	(void)udrv_dma_shrink(dev);
	ck_assert_msg(fault_logged("DMA memory at 0x") && fault_logged("it is kept"), "%s",
		      fault_log_text());
	ck_assert_ptr_null(udrv_bus_to_virt(piece.iova));
	ck_assert_uint_eq(udrv_virt_to_bus(piece.p), UDRV_DMA_MAPPING_ERROR);
	stub_of(dev)->free_error = 0;
	next = take(dev, 2 * MIB);
	ck_assert_uint_ne(next.iova, piece.iova);
	ck_assert(is_good(dev, &next));
	give(dev, &next);
	ck_assert_uint_eq(udrv__iovas.count, 2);
	udrv_device_close(dev);
	ck_assert_uint_eq(udrv__iovas.count, 1);
	free(udrv__iova_user(&udrv__iovas, piece.iova));
	udrv__iova_free(&udrv__iovas, piece.iova);
	dev = stub_open("model:edu");
}
END_TEST

START_TEST(a_backend_without_dma_says_so)
{
	unsigned char *p = aligned_alloc(PAGE, PAGE);
	udrv_iova_t iova = 5;

	stub_of(dev)->no_dma = true;
	ck_assert_int_eq(udrv_dma_set_mask_and_coherent(dev, UDRV_DMA_BIT_MASK(32)), 0);
	for (int i = 0; i < 3; i++) {
		fault_log_clear();
		if (i == 0)
			ck_assert_ptr_null(
				udrv_dma_alloc_coherent(dev, PAGE, &iova, UDRV_GFP_KERNEL));
		else if (i == 1)
			ck_assert_uint_eq(udrv_dma_map_single(dev, p, 100, UDRV_DMA_TO_DEVICE),
					  UDRV_DMA_MAPPING_ERROR);
		else
			ck_assert_int_eq(udrv_dma_register(dev, p, PAGE, UDRV_DMA_BIDIRECTIONAL),
					 -EOPNOTSUPP);
		ck_assert_str_eq(fault_log_text(),
				 "model:edu: backend model-stub gives no DMA memory: bind the "
				 "device to vfio-pci or udrv_stub (udrv bind --driver stub "
				 "model:edu)\n");
	}
	ck_assert_uint_eq(iova, 5);
	free(p);
}
END_TEST

START_TEST(how_much_one_mapping_may_have)
{
	ck_assert_uint_eq(udrv_dma_max_mapping_size(dev), 256 * KIB);
	ck_assert_int_eq(udrv_dma_set_mask(dev, UDRV_DMA_BIT_MASK(16)), 0);
	ck_assert_uint_eq(udrv_dma_max_mapping_size(dev), PAGE);
}
END_TEST

static TCase *arena(void)
{
	TCase *tc = tcase_create("arena");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, memory_and_address_come_together);
	tcase_add_test(tc, regions_are_what_is_to_be_had);
	tcase_add_test(tc, what_is_larger_than_a_piece_fails_and_smaller_works);
	tcase_add_test(tc, memory_is_below_the_mask);
	tcase_add_test(tc, atomic_takes_what_there_is);
	tcase_add_test(tc, devices_whose_addresses_are_alike_get_different_ones);
	tcase_add_test(tc, addresses_do_not_meet_those_of_a_device_that_is_mapped);
	tcase_add_test(tc, memory_of_one_device_is_not_mapped_for_another);
	tcase_add_test(tc, an_address_that_no_other_memory_has_may_not_be_found);
	tcase_add_test(tc, addresses_that_are_not_aligned_serve_what_they_can);
	tcase_add_test(tc, pools_and_caches);
	tcase_add_test(tc, common_memory_has_an_address_while_a_device_reaches_it);
	tcase_add_test(tc, common_memory_from_before_loses_its_address);
	return tc;
}

int main(void)
{
	Suite *s = suite_create("dma_chosen");
	TCase *tc = tcase_create("registered memory, and ends");

	suite_add_tcase(s, arena());
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, registered_memory_is_looked_up);
	tcase_add_test(tc, scattered_memory_cannot_be_registered);
	tcase_add_loop_test(tc, several_devices_register_the_same_memory, 0, 3);
	tcase_add_test(tc, memory_with_one_address_is_registered_in_one_way);
	tcase_add_test(tc, what_is_left_is_freed_by_close);
	tcase_add_test(tc, a_device_that_is_gone_frees_without_complaint);
	tcase_add_test(tc, memory_that_is_not_given_back_is_kept);
	tcase_add_test(tc, a_backend_without_dma_says_so);
	tcase_add_test(tc, how_much_one_mapping_may_have);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
