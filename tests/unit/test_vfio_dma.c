// SPDX-License-Identifier: MIT
/* DMA mappings of a VFIO device: which addresses, which flags, what is said when it does not work.
 */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include <udrv/device.h>
#include <udrv/dma.h>

#include "support/fake_machine.h"
#include "support/fault.h"
#include "support/suite.h"

#define NAME "0000:00:05.0"
#define PAGE 4096u

static struct udrv_device *dev;
static struct fault_held before;

static void setup(void)
{
	(void)fake_machine_make(NAME);
	fault_held(&before);
	dev = NULL;
}

static void setup_open(void)
{
	setup();
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

START_TEST(direction_becomes_the_iommus_permissions)
{
	static const uint32_t flags[] = {
		[UDRV_DMA_BIDIRECTIONAL] = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		[UDRV_DMA_TO_DEVICE] = VFIO_DMA_MAP_FLAG_READ,
		[UDRV_DMA_FROM_DEVICE] = VFIO_DMA_MAP_FLAG_WRITE,
	};
	static char buf[PAGE];
	udrv_iova_t iova;

	iova = udrv_dma_map_single(dev, buf, 1, (enum udrv_dma_data_direction)_i);
	ck_assert_int_eq(udrv_dma_mapping_error(dev, iova), 0);
	ck_assert_uint_eq(fake_vfio.map_flags, flags[_i]);
	udrv_dma_unmap_single(dev, iova, 1, (enum udrv_dma_data_direction)_i);
	ck_assert_uint_eq(fake_vfio.mapping_count, 0);
}
END_TEST

START_TEST(whole_pages_around_the_buffer)
{
	static _Alignas(PAGE) char buf[3 * PAGE];
	udrv_iova_t iova = udrv_dma_map_single(dev, buf + PAGE - 1, 2, UDRV_DMA_TO_DEVICE);

	ck_assert_uint_eq(iova % PAGE, PAGE - 1);
	ck_assert_uint_eq(fake_vfio.mappings[0].size, 2 * PAGE);
	ck_assert_uint_eq(fake_vfio.mappings[0].iova, iova - (PAGE - 1));
	udrv_dma_unmap_single(dev, iova, 2, UDRV_DMA_TO_DEVICE);
}
END_TEST

START_TEST(addresses_stay_below_the_mask)
{
	udrv_iova_t iova = 7;
	void *mem;

	ck_assert_int_eq(udrv_dma_set_mask_and_coherent(dev, UDRV_DMA_BIT_MASK(16)), 0);
	mem = udrv_dma_alloc_coherent(dev, 15 * PAGE, &iova, UDRV_GFP_KERNEL);
	ck_assert_ptr_nonnull(mem);
	ck_assert_uint_eq(iova, PAGE);
	iova = 7;
	ck_assert_ptr_null(udrv_dma_alloc_coherent(dev, PAGE, &iova, UDRV_GFP_KERNEL));
	ck_assert_uint_eq(iova, 7);
	ck_assert(fault_logged("no free device address for 4096 bytes below the DMA mask 0xffff"));
}
END_TEST

START_TEST(more_than_the_device_can_reach)
{
	udrv_iova_t iova = 7;

	ck_assert_int_eq(udrv_dma_set_mask_and_coherent(dev, UDRV_DMA_BIT_MASK(28)), 0);
	ck_assert_ptr_null(udrv_dma_alloc_coherent(dev, 1ul << 28, &iova, UDRV_GFP_KERNEL));
	ck_assert_ptr_null(udrv_dma_alloc_coherent(dev, SIZE_MAX, &iova, UDRV_GFP_KERNEL));
	ck_assert_ptr_null(udrv_dma_alloc_coherent(dev, SIZE_MAX - PAGE, &iova, UDRV_GFP_KERNEL));
	ck_assert_ptr_null(udrv_dma_alloc_coherent(dev, 0, &iova, UDRV_GFP_KERNEL));
	ck_assert_ptr_null(udrv_dma_alloc_coherent(dev, PAGE, &iova, UDRV_GFP_ATOMIC));
	ck_assert_uint_eq(iova, 7);
	ck_assert_uint_eq(fake_vfio.mapping_count, 0);
}
END_TEST

START_TEST(no_address_of_the_iommu_is_below_the_mask)
{
	static const uint64_t high[] = {1ull << 32, (1ull << 39) - 1};
	udrv_iova_t iova = 7;

	fake_vfio_iovas(high, 1);
	ck_assert_int_eq(udrv_device_open(NAME, NULL, &dev), 0);
	ck_assert_int_eq(udrv_dma_set_mask_and_coherent(dev, UDRV_DMA_BIT_MASK(28)), -EIO);
	ck_assert(fault_logged("no address that the IOMMU translates is below the DMA mask"));
	ck_assert_ptr_null(udrv_dma_alloc_coherent(dev, PAGE, &iova, UDRV_GFP_KERNEL));
	ck_assert_int_eq(udrv_dma_set_mask_and_coherent(dev, UDRV_DMA_BIT_MASK(64)), 0);
	ck_assert_ptr_nonnull(udrv_dma_alloc_coherent(dev, PAGE, &iova, UDRV_GFP_KERNEL));
	ck_assert_uint_eq(iova, 1ull << 32);
}
END_TEST

START_TEST(memory_that_may_not_be_locked)
{
	const struct rlimit limit = {65536, 65536};
	udrv_iova_t iova = 7;

	ck_assert_int_eq(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
	fake_vfio.map_errno = ENOMEM;
	ck_assert_ptr_null(udrv_dma_alloc_coherent(dev, 100 * PAGE, &iova, UDRV_GFP_KERNEL));
	ck_assert(fault_logged(NAME
			       ": cannot pin 409600 bytes for DMA: RLIMIT_MEMLOCK is 65536 bytes, "
			       "0 KiB are locked; raise it (ulimit -l 400, or LimitMEMLOCK=400K"));
	ck_assert_uint_eq(iova, 7);
	fake_vfio.map_errno = ENOSPC;
	ck_assert_ptr_null(udrv_dma_alloc_coherent(dev, PAGE, &iova, UDRV_GFP_KERNEL));
	ck_assert(fault_logged("dma_entry_limit"));
	fake_vfio.map_errno = EFAULT;
	ck_assert_uint_eq(udrv_dma_map_single(dev, (void *)(1ul << 40), 1, UDRV_DMA_TO_DEVICE),
			  UDRV_DMA_MAPPING_ERROR);
	ck_assert(fault_logged("the IOMMU does not map 4096 bytes: Bad address"));
	fake_vfio.map_errno = 0;
	ck_assert_ptr_nonnull(udrv_dma_alloc_coherent(dev, PAGE, &iova, UDRV_GFP_KERNEL));
}
END_TEST

START_TEST(bad_arguments_of_map_single)
{
	char buf[8];

	ck_assert_uint_eq(udrv_dma_map_single(dev, NULL, 1, UDRV_DMA_TO_DEVICE),
			  UDRV_DMA_MAPPING_ERROR);
	ck_assert_uint_eq(udrv_dma_map_single(dev, buf, 0, UDRV_DMA_TO_DEVICE),
			  UDRV_DMA_MAPPING_ERROR);
	ck_assert_uint_eq(udrv_dma_map_single(dev, buf, SIZE_MAX, UDRV_DMA_TO_DEVICE),
			  UDRV_DMA_MAPPING_ERROR);
	ck_assert_uint_eq(udrv_dma_map_single(dev, buf, 8, (enum udrv_dma_data_direction)3),
			  UDRV_DMA_MAPPING_ERROR);
	ck_assert_uint_eq(fake_vfio.mapping_count, 0);
}
END_TEST

START_TEST(what_was_not_mapped_is_not_unmapped)
{
	static char buf[16];
	udrv_iova_t iova = 0;
	void *mem = udrv_dma_alloc_coherent(dev, PAGE, &iova, UDRV_GFP_KERNEL);
	udrv_iova_t addr = udrv_dma_map_single(dev, buf, 16, UDRV_DMA_TO_DEVICE);

	udrv_dma_unmap_single(dev, addr, 2 * PAGE, UDRV_DMA_TO_DEVICE);
	ck_assert(fault_logged("unmapped, but not mapped"));
	fault_log_clear();
	udrv_dma_unmap_single(dev, iova + (1u << 24), PAGE, UDRV_DMA_TO_DEVICE);
	ck_assert(fault_logged("unmapped, but not mapped"));
	ck_assert_uint_eq(fake_vfio.mapping_count, 2);
	udrv_dma_unmap_single(dev, addr, 16, UDRV_DMA_TO_DEVICE);
	ck_assert_uint_eq(fake_vfio.mapping_count, 1);
	udrv_dma_free_coherent(dev, 2 * PAGE, mem, iova);
	ck_assert(fault_logged("freed, but not allocated so"));
	fault_log_clear();
	udrv_dma_free_coherent(dev, PAGE, mem, iova + PAGE);
	ck_assert(fault_logged("freed, but not allocated so"));
	ck_assert_uint_eq(udrv_dma_shrink(dev), 0);
	udrv_dma_free_coherent(dev, PAGE, mem, iova);
	fault_log_clear();
	udrv_dma_free_coherent(dev, PAGE, mem, iova);
	ck_assert(fault_logged("freed, but not allocated so"));
	udrv_dma_free_coherent(dev, PAGE, NULL, iova);
	ck_assert_uint_eq(udrv_dma_shrink(dev), 512u << 10);
	ck_assert_uint_eq(fake_vfio.mapping_count, 0);
}
END_TEST

/* The device may still reach it: neither the address nor the memory may serve something else. */
START_TEST(memory_that_cannot_be_unmapped_is_kept)
{
	udrv_iova_t first = 0;
	udrv_iova_t second = 0;
	unsigned char *mem = udrv_dma_alloc_coherent(dev, PAGE, &first, UDRV_GFP_KERNEL);

	udrv_dma_free_coherent(dev, PAGE, mem, first);
	fake_vfio.unmap_errno = EIO;
	(void)udrv_dma_shrink(dev);
	ck_assert(fault_logged("its memory is kept"));
	fake_vfio.unmap_errno = 0;
	mem[0] = 1;
	ck_assert_ptr_nonnull(udrv_dma_alloc_coherent(dev, PAGE, &second, UDRV_GFP_KERNEL));
	ck_assert_uint_ne(first, second);
	/* The container takes it with it. */
	udrv_device_close(dev);
	dev = NULL;
	fault_held(&before);
}
END_TEST

START_TEST(a_kernel_without_iova_ranges)
{
	struct udrv_device *none = NULL;

	fake_vfio.iommu_chain.len = 0;
	ck_assert_int_eq(udrv_device_open(NAME, NULL, &none), -EOPNOTSUPP);
	ck_assert(fault_logged("cannot learn which addresses the IOMMU translates"));
	ck_assert_ptr_null(none);
}
END_TEST

START_TEST(more_ranges_than_the_answer_holds)
{
	struct vfio_iommu_type1_info_cap_iova_range *cap = (void *)fake_vfio.iommu_chain.bytes;
	struct udrv_device *none = NULL;

	cap->nr_iovas = UINT32_MAX;
	ck_assert_int_eq(udrv_device_open(NAME, NULL, &none), -EPROTO);
	cap->nr_iovas = 3;
	ck_assert_int_eq(udrv_device_open(NAME, NULL, &none), -EPROTO);
	cap->header.next = 16;
	cap->header.id = 99;
	ck_assert_int_eq(udrv_device_open(NAME, NULL, &none), -EOPNOTSUPP);
	ck_assert_ptr_null(none);
}
END_TEST

START_TEST(ranges_that_make_no_sense)
{
	static const uint64_t odd[] = {0x5000, 0x1000, 0, 0, 0x10000, 0x1ffff};
	udrv_iova_t iova = 0;

	fake_vfio_iovas(odd, 3);
	ck_assert_int_eq(udrv_device_open(NAME, NULL, &dev), 0);
	ck_assert_ptr_nonnull(udrv_dma_alloc_coherent(dev, PAGE, &iova, UDRV_GFP_KERNEL));
	ck_assert_uint_eq(iova, 0x10000);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("vfio_dma");
	TCase *tc = tcase_create("dma");
	TCase *open = tcase_create("open");

	tcase_add_checked_fixture(tc, setup_open, teardown);
	tcase_add_loop_test(tc, direction_becomes_the_iommus_permissions, 0, 3);
	tcase_add_test(tc, whole_pages_around_the_buffer);
	tcase_add_test(tc, addresses_stay_below_the_mask);
	tcase_add_test(tc, more_than_the_device_can_reach);
	tcase_add_test(tc, memory_that_may_not_be_locked);
	tcase_add_test(tc, bad_arguments_of_map_single);
	tcase_add_test(tc, what_was_not_mapped_is_not_unmapped);
	tcase_add_test(tc, memory_that_cannot_be_unmapped_is_kept);
	tcase_add_checked_fixture(open, setup, teardown);
	tcase_add_test(open, no_address_of_the_iommu_is_below_the_mask);
	tcase_add_test(open, a_kernel_without_iova_ranges);
	tcase_add_test(open, more_ranges_than_the_answer_holds);
	tcase_add_test(open, ranges_that_make_no_sense);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, open);
	return run_suite(s);
}
