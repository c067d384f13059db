// SPDX-License-Identifier: MIT
/* Scatterlists, DMA pools, managed DMA memory: each acquiring call inside fails in turn. */
#include <errno.h>
#include <linux/memfd.h>
#include <stdlib.h>

#include <udrv/device.h>
#include <udrv/dmapool.h>
#include <udrv/driver.h>
#include <udrv/pci.h>
#include <udrv/scatterlist.h>

#include "mem/region.h"
#include "mem/slab.h"
#include "pci/device.h"

#include "support/fault.h"
#include "support/stub_device.h"
#include "support/suite.h"

#define ENTRIES 5u
/* What an arena grows by at least: it cannot do with less instead. So much is a slab of BLOCKs. */
#define REGION ((size_t)2 << 20)
#define BLOCK  ((size_t)400000)

static struct udrv_device *dev;

static void setup(void)
{
	fault_log_clear();
	ck_assert_int_eq(udrv_device_open("model:edu", NULL, &dev), 0);
}

static void teardown(void)
{
	udrv_device_close(dev);
}

static int step_table(void *ctx)
{
	struct udrv_sg_table *table = ctx;
	int ret = udrv_sg_alloc_table(table, 300, UDRV_GFP_KERNEL);

	if (ret)
		FAULT_MUST(!table->sgl && !table->nents && !table->orig_nents);
	return ret;
}

static void undo_table(void *ctx)
{
	udrv_sg_free_table(ctx);
}

START_TEST(sg_alloc_table)
{
	struct udrv_sg_table table;

	fault_check(&(struct fault_case){.step = step_table,
					 .undo = undo_table,
					 .ctx = &table,
					 .fewest = 1,
					 .silent = true});
}
END_TEST

/* Every other entry needs a mapping of its own. */
static int step_map_sg(void *ctx)
{
	static unsigned char apart[ENTRIES][2 * UDRV_PAGE_SIZE];
	struct udrv_sg_table *table = ctx;
	int ret;

	udrv_sg_init_table(table->sgl, ENTRIES);
	for (unsigned int i = 0; i < ENTRIES; i++)
		udrv_sg_set_buf(&table->sgl[i], apart[i], 100);
	table->orig_nents = ENTRIES;
	table->nents = 77;
	ret = udrv_dma_map_sgtable(dev, table, UDRV_DMA_TO_DEVICE, 0);
	if (ret)
		FAULT_MUST(table->nents == 77);
	return ret;
}

static void undo_map_sg(void *ctx)
{
	udrv_dma_unmap_sgtable(dev, ctx, UDRV_DMA_TO_DEVICE, 0);
}

START_TEST(dma_map_sg)
{
	struct udrv_scatterlist list[ENTRIES];
	struct udrv_sg_table table = {.sgl = list};

	fault_check(&(struct fault_case){
		.step = step_map_sg, .undo = undo_map_sg, .ctx = &table, .fewest = 2 * ENTRIES});
}
END_TEST

struct block {
	struct udrv_dma_pool *pool;
	void *p;
	udrv_iova_t iova;
};

static int step_pool(void *ctx)
{
	struct block *b = ctx;

	b->iova = 0x5a;
	b->pool = udrv_dma_pool_create("fault", dev, BLOCK, 16, 0);
	if (!b->pool)
		return -ENOMEM;
	b->p = udrv_dma_pool_alloc(b->pool, UDRV_GFP_KERNEL, &b->iova);
	if (b->p)
		return 0;
	FAULT_MUST(b->iova == 0x5a);
	udrv_dma_pool_destroy(b->pool);
	(void)udrv_dma_shrink(dev);
	return -ENOMEM;
}

static void undo_pool(void *ctx)
{
	struct block *b = ctx;

	udrv_dma_pool_free(b->pool, b->p, b->iova);
	udrv_dma_pool_destroy(b->pool);
	FAULT_MUST(udrv_dma_shrink(dev) == REGION);
}

START_TEST(dma_pool_create_and_alloc)
{
	struct block b;

	/* A thread does without magazines; ordinary pages do where there are no huge ones. */
	fault_check(&(struct fault_case){.step = step_pool,
					 .undo = undo_pool,
					 .ctx = &b,
					 .fewest = 5,
					 .absorbs = " mmap syscall memfd_create ftruncate "});
}
END_TEST

static int probe(struct udrv_device *d, const struct udrv_pci_device_id *id)
{
	udrv_iova_t iova = 0x5a;
	struct udrv_dma_pool *pool;

	(void)id;
	if (!udrv_dmam_alloc_coherent(d, REGION, &iova, UDRV_GFP_KERNEL)) {
		FAULT_MUST(iova == 0x5a);
		return -ENOMEM;
	}
	pool = udrv_dmam_pool_create("managed", d, BLOCK, 0, 0);
	return pool ? 0 : -ENOMEM;
}

static const struct udrv_pci_device_id ids[] = {{UDRV_PCI_DEVICE(0x1234, 0x11e8)}, {0}};
static const struct udrv_driver driver = {.name = "managed", .id_table = ids, .probe = probe};

static int step_probe(void *ctx)
{
	int ret = udrv_driver_probe(&driver, dev);

	(void)ctx;
	if (ret)
		(void)udrv_dma_shrink(dev);
	return ret;
}

static void undo_probe(void *ctx)
{
	(void)ctx;
	udrv_driver_remove(&driver, dev);
	FAULT_MUST(udrv_dma_shrink(dev) == 2 * REGION);
}

START_TEST(managed_memory)
{
	fault_check(&(struct fault_case){.step = step_probe,
					 .undo = undo_probe,
					 .fewest = 7,
					 .absorbs = " mmap syscall memfd_create ftruncate "});
}
END_TEST

/* Where the backend chooses the addresses. */

static unsigned char *memory;

static void setup_stub(void)
{
	fault_log_clear();
	dev = stub_open("model:edu");
	memory = aligned_alloc(REGION, REGION);
	memset(memory, 0, REGION);
}

static void teardown_stub(void)
{
	udrv_device_close(dev);
	free(memory);
}

static int step_coherent(void *ctx)
{
	struct block *b = ctx;

	b->iova = 0x5a;
	b->p = udrv_dma_alloc_coherent(dev, REGION, &b->iova, UDRV_GFP_KERNEL);
	if (!b->p)
		FAULT_MUST(b->iova == 0x5a);
	return b->p ? 0 : -ENOMEM;
}

static void undo_coherent(void *ctx)
{
	struct block *b = ctx;

	udrv_dma_free_coherent(dev, REGION, b->p, b->iova);
	FAULT_MUST(udrv_dma_shrink(dev) == REGION);
	FAULT_MUST(!stub_mapped(dev));
}

START_TEST(chosen_memory)
{
	struct block b;

	fault_check(&(struct fault_case){.step = step_coherent,
					 .undo = undo_coherent,
					 .ctx = &b,
					 .fewest = 5,
					 /* Of a huge page, which is looked for first. */
					 .absorbs = " calloc memfd_create ftruncate mmap "});
}
END_TEST

/* ctx: bytes. What cannot bounce is pinned, and the other way round. */
static udrv_iova_t mapped;

static int step_bounce(void *ctx)
{
	mapped = udrv_dma_map_single(dev, memory, *(size_t *)ctx, UDRV_DMA_BIDIRECTIONAL);
	return mapped == UDRV_DMA_MAPPING_ERROR ? -ENOMEM : 0;
}

static void undo_bounce(void *ctx)
{
	udrv_dma_unmap_single(dev, mapped, *(size_t *)ctx, UDRV_DMA_BIDIRECTIONAL);
	(void)udrv_dma_shrink(dev);
	FAULT_MUST(!stub_mapped(dev));
	FAULT_MUST(!udrv__iovas.count);
}

START_TEST(dma_map_that_bounces_or_pins)
{
	size_t size = _i & 1 ? 1 << 20 : 1000;

	stub_of(dev)->translated = _i & 2;
	fault_check(&(struct fault_case){
		.step = step_bounce,
		.undo = undo_bounce,
		.ctx = &size,
		.fewest = 3,
		.absorbs = " calloc malloc realloc mmap memfd_create ftruncate "});
}
END_TEST

static int step_register(void *ctx)
{
	(void)ctx;
	return udrv_dma_register(dev, memory, REGION, UDRV_DMA_BIDIRECTIONAL);
}

static void undo_register(void *ctx)
{
	(void)ctx;
	FAULT_MUST(!udrv_dma_unregister(dev, memory, REGION));
	FAULT_MUST(!stub_mapped(dev));
	FAULT_MUST(!udrv__iovas.count);
}

START_TEST(dma_register_that_pins)
{
	stub_of(dev)->translated = true;
	fault_check(
		&(struct fault_case){.step = step_register, .undo = undo_register, .fewest = 4});
}
END_TEST

/* Another device reaches the regions of this one, by mappings or by pins. */
static struct udrv_device *other;

static void open_other(void)
{
	FAULT_MUST(!udrv_device_open("model:edu:2", dev->ops->name, &other));
	FAULT_MUST(!udrv_dma_set_mask(other, UDRV_DMA_BIT_MASK(39)));
	stub_of(other)->physical = stub_of(dev)->physical;
}

static int step_share(void *ctx)
{
	int ret = udrv_dma_share(dev, other);

	(void)ctx;
	if (ret)
		FAULT_MUST(!stub_mapped(other));
	return ret;
}

static void undo_share(void *ctx)
{
	const size_t *regions = ctx;

	FAULT_MUST(stub_mapped(other) == *regions);
	udrv_device_close(other);
	open_other();
}

static void check_share(void)
{
	size_t regions = 2;
	udrv_iova_t iova;

	open_other();
	for (size_t i = 0; i < regions; i++)
		ck_assert_ptr_nonnull(udrv_dma_alloc_coherent(dev, REGION, &iova, UDRV_GFP_KERNEL));
	ck_assert_uint_eq(stub_mapped(dev), regions);
	fault_check(&(struct fault_case){
		.step = step_share, .undo = undo_share, .ctx = &regions, .fewest = 2});
	udrv_device_close(other);
}

START_TEST(dma_share_that_maps)
{
	check_share();
}
END_TEST

static unsigned int as_if_huge(unsigned int flags)
{
	return flags & MFD_CLOEXEC;
}

START_TEST(dma_share_that_pins)
{
	ck_assert_int_eq(udrv_dma_set_mask_and_coherent(dev, UDRV_DMA_BIT_MASK(39)), 0);
	stub_of(dev)->physical = true;
	fault_set_hooks(&(struct fault_hooks){.memfd = as_if_huge});
	check_share();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fault_dma");
	TCase *tc = tcase_create("on a device");
	TCase *stub = tcase_create("where the backend chooses addresses");

	/* Under the address sanitizer too it is the usual paths that are looked at. */
	udrv__slab_checkers = false;
	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, sg_alloc_table);
	tcase_add_test(tc, dma_map_sg);
	tcase_add_test(tc, dma_pool_create_and_alloc);
	tcase_add_test(tc, managed_memory);
	tcase_add_test(tc, dma_share_that_maps);
	suite_add_tcase(s, tc);
	tcase_set_timeout(stub, 300);
	tcase_add_checked_fixture(stub, setup_stub, teardown_stub);
	tcase_add_test(stub, chosen_memory);
	tcase_add_loop_test(stub, dma_map_that_bounces_or_pins, 0, 4);
	tcase_add_test(stub, dma_register_that_pins);
	tcase_add_test(stub, dma_share_that_pins);
	suite_add_tcase(s, stub);
	return run_suite(s);
}
