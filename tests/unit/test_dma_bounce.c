// SPDX-License-Identifier: MIT
/* Buffers that bounce, or are pinned, where the backend chooses addresses. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <udrv/kmalloc.h>
#include <udrv/scatterlist.h>

#include "mem/kmalloc.h"

#include "support/fault.h"
#include "support/stub_device.h"
#include "support/suite.h"
#include "support/threads.h"

#define PAGE STUB_PAGE
#define ALL  ((size_t)1 << 20)
#define KIB  ((size_t)1024)

static struct udrv_device *dev;
static struct fault_held before;
static unsigned char *memory; /* ALL, at a multiple of 2 MiB */

static void setup(void)
{
	fault_start_thread_once();
	memory = aligned_alloc(2 * ALL, 2 * ALL);
	memset(memory, 0, 2 * ALL);
	fault_held(&before);
	dev = stub_open("model:edu");
	fault_log_clear();
}

static void teardown(void)
{
	struct fault_held now = {0};

	ck_assert(!stub_faulted(dev));
	udrv_device_close(dev);
	ck_assert(fault_held_again(&before, &now));
	free(memory);
}

static udrv_iova_t map(void *p, size_t size, enum udrv_dma_data_direction dir)
{
	udrv_iova_t addr = udrv_dma_map_single(dev, p, size, dir);

	if (udrv_dma_mapping_error(dev, addr))
		ck_abort_msg("%s", fault_log_text());
	return addr;
}

START_TEST(what_the_device_reads_is_copied_on_map_only)
{
	udrv_iova_t addr;

	memset(memory, 0x11, 3000);
	addr = map(memory, 3000, UDRV_DMA_TO_DEVICE);
	ck_assert(device_sees(dev, addr, 3000, 0x11));
	memset(memory, 0x22, 3000);
	ck_assert(device_sees(dev, addr, 3000, 0x11));
	device_writes(dev, addr, 3000, 0x33);
	udrv_dma_unmap_single(dev, addr, 3000, UDRV_DMA_TO_DEVICE);
	ck_assert(cpu_sees(memory, 3000, 0x22));
}
END_TEST

/* Both directions in which the device writes. */
START_TEST(what_the_device_does_not_write_stays)
{
	enum udrv_dma_data_direction dir = _i ? UDRV_DMA_BIDIRECTIONAL : UDRV_DMA_FROM_DEVICE;
	udrv_iova_t addr;

	memset(memory, 0x11, 9000);
	addr = map(memory + 100, 8000, dir);
	device_writes(dev, addr + 1000, 5000, 0x22);
	ck_assert(cpu_sees(memory, 9000, 0x11));
	udrv_dma_unmap_single(dev, addr, 8000, dir);
	ck_assert(cpu_sees(memory, 1100, 0x11));
	ck_assert(cpu_sees(memory + 1100, 5000, 0x22));
	ck_assert(cpu_sees(memory + 6100, 2900, 0x11));
}
END_TEST

START_TEST(sync_for_cpu_copies_the_part_that_is_named)
{
	udrv_iova_t addr = map(memory + 5, 20000, UDRV_DMA_FROM_DEVICE);

	device_writes(dev, addr, 20000, 0x22);
	udrv_dma_sync_single_range_for_cpu(dev, addr, 7000, 100, UDRV_DMA_FROM_DEVICE);
	ck_assert(cpu_sees(memory, 7005, 0));
	ck_assert(cpu_sees(memory + 7005, 100, 0x22));
	ck_assert(cpu_sees(memory + 7105, 13000, 0));
	udrv_dma_sync_single_for_cpu(dev, addr, 20000, UDRV_DMA_FROM_DEVICE);
	ck_assert(cpu_sees(memory + 5, 20000, 0x22));
	ck_assert_uint_eq(memory[4] + memory[20005], 0);
	/* What was not synced since is overwritten by unmapping. */
	device_writes(dev, addr + 19999, 1, 0x44);
	udrv_dma_unmap_single(dev, addr, 20000, UDRV_DMA_FROM_DEVICE);
	ck_assert_uint_eq(memory[20004], 0x44);
}
END_TEST

START_TEST(sync_for_device_copies_the_part_that_is_named)
{
	udrv_iova_t addr = map(memory + 4000, 300, UDRV_DMA_BIDIRECTIONAL);

	memset(memory + 4000, 0x55, 300);
	udrv_dma_sync_single_range_for_device(dev, addr, 90, 20, UDRV_DMA_BIDIRECTIONAL);
	ck_assert(device_sees(dev, addr, 90, 0));
	ck_assert(device_sees(dev, addr + 90, 20, 0x55));
	ck_assert(device_sees(dev, addr + 110, 190, 0));
	udrv_dma_sync_single_for_device(dev, addr, 300, UDRV_DMA_TO_DEVICE);
	ck_assert(device_sees(dev, addr, 300, 0x55));
	udrv_dma_unmap_single(dev, addr, 300, UDRV_DMA_BIDIRECTIONAL);
}
END_TEST

START_TEST(syncs_against_the_direction_copy_nothing)
{
	udrv_iova_t to = map(memory, 100, UDRV_DMA_TO_DEVICE);
	udrv_iova_t from = map(memory + PAGE, 100, UDRV_DMA_FROM_DEVICE);
	udrv_iova_t both = map(memory + 2 * PAGE, 100, UDRV_DMA_BIDIRECTIONAL);

	device_writes(dev, to, 100, 0x11);
	udrv_dma_sync_single_for_cpu(dev, to, 100, UDRV_DMA_TO_DEVICE);
	ck_assert(cpu_sees(memory, 100, 0));
	memset(memory + PAGE, 0x22, 100);
	udrv_dma_sync_single_for_device(dev, from, 100, UDRV_DMA_FROM_DEVICE);
	ck_assert(device_sees(dev, from, 100, 0));
	memset(memory + 2 * PAGE, 0x33, 100);
	udrv_dma_sync_single_for_device(dev, both, 100, UDRV_DMA_FROM_DEVICE);
	udrv_dma_sync_single_for_cpu(dev, both, 100, UDRV_DMA_TO_DEVICE);
	ck_assert(device_sees(dev, both, 100, 0));
	ck_assert(cpu_sees(memory + 2 * PAGE, 100, 0x33));
	udrv_dma_unmap_single(dev, to, 100, UDRV_DMA_TO_DEVICE);
	udrv_dma_unmap_single(dev, from, 100, UDRV_DMA_FROM_DEVICE);
	udrv_dma_unmap_single(dev, both, 100, UDRV_DMA_BIDIRECTIONAL);
}
END_TEST

START_TEST(memory_that_may_not_be_written_can_be_sent)
{
	void *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	udrv_iova_t addr = map(p, 77, UDRV_DMA_TO_DEVICE);

	ck_assert(device_sees(dev, addr, 77, 0));
	udrv_dma_sync_single_for_cpu(dev, addr, 77, UDRV_DMA_TO_DEVICE);
	udrv_dma_sync_single_for_cpu(dev, addr, 77, UDRV_DMA_BIDIRECTIONAL);
	udrv_dma_unmap_single(dev, addr, 77, UDRV_DMA_TO_DEVICE);
	munmap(p, PAGE);
}
END_TEST

/* Outside of what is mapped: nothing, whatever is there. */
START_TEST(syncs_of_what_is_not_mapped_do_nothing)
{
	udrv_iova_t addr = map(memory + 100, 50, UDRV_DMA_BIDIRECTIONAL);

	memset(memory, 0x11, 300);
	udrv_dma_sync_single_for_device(dev, addr - 10, 60, UDRV_DMA_BIDIRECTIONAL);
	udrv_dma_sync_single_for_device(dev, addr + 50, 60, UDRV_DMA_BIDIRECTIONAL);
	ck_assert(device_sees(dev, addr - 10, 120, 0));
	udrv_dma_sync_single_for_device(dev, addr + 40, 60, UDRV_DMA_BIDIRECTIONAL);
	ck_assert(device_sees(dev, addr + 40, 10, 0x11));
	ck_assert(device_sees(dev, addr + 50, 10, 0));
	udrv_dma_sync_single_for_cpu(dev, 0x123456789000, 60, UDRV_DMA_BIDIRECTIONAL);
	udrv_dma_unmap_single(dev, addr, 50, UDRV_DMA_BIDIRECTIONAL);
	udrv_dma_sync_single_for_device(dev, addr, 50, UDRV_DMA_BIDIRECTIONAL);
}
END_TEST

START_TEST(copies_are_as_far_into_a_page_and_cross_no_boundary)
{
	static const size_t sizes[] = {1, 3, 64, 4095, 4096, 4097, 12000, 65536};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (size_t offset = 0; offset < 2 * PAGE; offset += 251) {
			udrv_iova_t addr = map(memory + offset, sizes[i], UDRV_DMA_TO_DEVICE);
			size_t power = PAGE;

			while (power < offset % PAGE + sizes[i])
				power *= 2;
			MUST(addr % PAGE == offset % PAGE);
			MUST(addr / power == (addr + sizes[i] - 1) / power);
			MUST(udrv_bus_to_virt(addr) == memory + offset);
			MUST(udrv_bus_to_virt(addr + sizes[i] - 1) ==
			     memory + offset + sizes[i] - 1);
			udrv_dma_unmap_single(dev, addr, sizes[i], UDRV_DMA_TO_DEVICE);
			MUST(!udrv_bus_to_virt(addr));
		}
	ck_assert_uint_eq(stub_of(dev)->pins, 0);
}
END_TEST

START_TEST(memory_of_the_device_does_not_bounce)
{
	udrv_iova_t iova;
	unsigned char *p = udrv_dma_alloc_coherent(dev, 3 * PAGE, &iova, UDRV_GFP_KERNEL);
	udrv_iova_t addr = map(p + 100, 5000, UDRV_DMA_BIDIRECTIONAL);

	ck_assert_uint_eq(addr, iova + 100);
	ck_assert_uint_eq(stub_of(dev)->allocs, 1);
	device_writes(dev, addr, 5000, 0x11);
	ck_assert(cpu_sees(p + 100, 5000, 0x11));
	udrv_dma_sync_single_for_cpu(dev, addr, 5000, UDRV_DMA_BIDIRECTIONAL);
	udrv_dma_unmap_single(dev, addr, 5000, UDRV_DMA_BIDIRECTIONAL);
	udrv_dma_free_coherent(dev, 3 * PAGE, p, iova);
}
END_TEST

START_TEST(memory_above_the_mask_bounces_below)
{
	unsigned char *p;
	udrv_iova_t iova;
	udrv_iova_t addr;

	stub_of(dev)->lowest = (udrv_iova_t)1 << 33;
	p = udrv_dma_alloc_coherent(dev, PAGE, &iova, UDRV_GFP_KERNEL);
	ck_assert_uint_ge(iova, (udrv_iova_t)1 << 33);
	stub_of(dev)->lowest = 0;
	ck_assert_int_eq(udrv_dma_set_mask(dev, UDRV_DMA_BIT_MASK(28)), 0);
	memset(p, 0x11, 100);
	addr = map(p, 100, UDRV_DMA_BIDIRECTIONAL);
	ck_assert_uint_lt(addr, (udrv_iova_t)1 << 28);
	ck_assert(device_sees(dev, addr, 100, 0x11));
	device_writes(dev, addr, 100, 0x22);
	udrv_dma_unmap_single(dev, addr, 100, UDRV_DMA_BIDIRECTIONAL);
	ck_assert(cpu_sees(p, 100, 0x22));
	udrv_dma_free_coherent(dev, PAGE, p, iova);
}
END_TEST

START_TEST(kmalloc_memory_bounces_and_has_no_address)
{
	unsigned char *p = udrv_kmalloc(500, UDRV_GFP_KERNEL);
	unsigned char *low = udrv_kmalloc(500, UDRV_GFP_KERNEL | UDRV_GFP_DMA);
	unsigned char *pages = udrv_kmalloc(3 * PAGE, UDRV_GFP_KERNEL | UDRV_GFP_DMA32);
	udrv_iova_t addr;

	before.mapped = 0; /* the thread's table of magazines */
	ck_assert(p && low && pages);
	ck_assert_uint_eq(udrv_virt_to_bus(p), UDRV_DMA_MAPPING_ERROR);
	ck_assert_uint_eq(udrv_virt_to_bus(low), UDRV_DMA_MAPPING_ERROR);
	addr = map(p, 500, UDRV_DMA_FROM_DEVICE);
	device_writes(dev, addr, 500, 0x11);
	udrv_dma_unmap_single(dev, addr, 500, UDRV_DMA_FROM_DEVICE);
	ck_assert(cpu_sees(p, 500, 0x11));
	udrv_kfree(p);
	udrv_kfree(low);
	udrv_kfree(pages);
	ck_assert_int_eq(udrv__kmalloc_end(), 0);
}
END_TEST

START_TEST(large_buffers_are_pinned_where_an_iommu_translates)
{
	udrv_iova_t small;
	udrv_iova_t large;

	stub_of(dev)->translated = true;
	small = map(memory, 64 * KIB, UDRV_DMA_TO_DEVICE);
	ck_assert_uint_eq(stub_of(dev)->pins, 0);
	large = map(memory + 3, 64 * KIB, UDRV_DMA_BIDIRECTIONAL);
	ck_assert_uint_eq(stub_of(dev)->pins, 1);
	ck_assert_uint_eq(large % PAGE, 3);
	ck_assert_ptr_eq(udrv_bus_to_virt(large + 10), memory + 13);
	device_writes(dev, large, 64 * KIB, 0x11);
	ck_assert(cpu_sees(memory + 3, 64 * KIB, 0x11));
	udrv_dma_sync_single_for_cpu(dev, large, 64 * KIB, UDRV_DMA_BIDIRECTIONAL);
	udrv_dma_unmap_single(dev, small, 64 * KIB, UDRV_DMA_TO_DEVICE);
	ck_assert_uint_eq(stub_of(dev)->frees, 0);
	udrv_dma_unmap_single(dev, large, 64 * KIB, UDRV_DMA_BIDIRECTIONAL);
	ck_assert_uint_eq(stub_of(dev)->frees, 1);
	ck_assert_str_eq(fault_log_text(), "");
}
END_TEST

/* Memory that is mapped twice has one address where no IOMMU gives it another. */
START_TEST(a_pin_whose_address_is_taken_bounces)
{
	udrv_iova_t first;
	udrv_iova_t second;

	stub_of(dev)->physical = true;
	first = map(memory, ALL, UDRV_DMA_BIDIRECTIONAL);
	second = map(memory, ALL, UDRV_DMA_FROM_DEVICE);
	ck_assert_uint_ne(first, second);
	device_writes(dev, first, ALL, 0x11);
	ck_assert(cpu_sees(memory, ALL, 0x11));
	device_writes(dev, second, ALL, 0x22);
	ck_assert(cpu_sees(memory, ALL, 0x11));
	udrv_dma_unmap_single(dev, second, ALL, UDRV_DMA_FROM_DEVICE);
	ck_assert(cpu_sees(memory, ALL, 0x22));
	udrv_dma_unmap_single(dev, first, ALL, UDRV_DMA_BIDIRECTIONAL);
	ck_assert_str_eq(fault_log_text(), "");
}
END_TEST

START_TEST(large_buffers_bounce_where_they_are_scattered)
{
	for (int i = 0; i < 2; i++) {
		udrv_iova_t addr = map(memory, ALL, UDRV_DMA_BIDIRECTIONAL);

		device_writes(dev, addr, ALL, 0x11 + i);
		udrv_dma_unmap_single(dev, addr, ALL, UDRV_DMA_BIDIRECTIONAL);
		ck_assert(cpu_sees(memory, ALL, 0x11 + i));
	}
	ck_assert_uint_eq(stub_of(dev)->pins, 0);
	ck_assert_str_eq(fault_log_text(), "");
}
END_TEST

static void refuse_to_map(size_t size, const char *line)
{
	fault_log_clear();
	ck_assert_uint_eq(udrv_dma_map_single(dev, memory, size, UDRV_DMA_TO_DEVICE),
			  UDRV_DMA_MAPPING_ERROR);
	ck_assert_msg(fault_logged(line), "%s", fault_log_text());
	ck_assert(!fault_logged("in place"));
}

/* Scattered memory is no error: that it cannot bounce is. */
START_TEST(what_can_neither_be_pinned_nor_bounce_is_explained)
{
	stub_of(dev)->alloc_max = 512 * KIB;
	for (int i = 0; i < 2; i++)
		refuse_to_map(ALL, "cannot map 1048576 bytes for DMA: Cannot allocate memory");
	stub_of(dev)->alloc_max = PAGE;
	for (int i = 0; i < 2; i++)
		refuse_to_map(2 * PAGE, "cannot map 8192 bytes for DMA: Cannot allocate memory");
	stub_of(dev)->alloc_max = 0;
	stub_of(dev)->lowest = (udrv_iova_t)1 << 33;
	ck_assert_int_eq(udrv_dma_set_mask(dev, UDRV_DMA_BIT_MASK(28)), 0);
	refuse_to_map(2 * PAGE, "cannot map 8192 bytes for DMA: Input/output error");
}
END_TEST

START_TEST(bad_unmaps_are_found)
{
	udrv_iova_t addr = map(memory + 10, 5000, UDRV_DMA_FROM_DEVICE);

	udrv_dma_unmap_single(dev, addr + 1, 5000, UDRV_DMA_FROM_DEVICE);
	udrv_dma_unmap_single(dev, addr, 50000, UDRV_DMA_FROM_DEVICE);
	udrv_dma_unmap_single(dev, addr + PAGE, 1000, UDRV_DMA_FROM_DEVICE);
	ck_assert(fault_logged("unmapped, but not mapped"));
	fault_log_clear();
	device_writes(dev, addr, 5000, 0x11);
	udrv_dma_unmap_single(dev, addr, 5000, UDRV_DMA_FROM_DEVICE);
	ck_assert_str_eq(fault_log_text(), "");
	ck_assert(cpu_sees(memory + 10, 5000, 0x11));
	udrv_dma_unmap_single(dev, addr, 5000, UDRV_DMA_FROM_DEVICE);
	ck_assert(fault_logged("unmapped, but not mapped"));
}
END_TEST

START_TEST(another_devices_copies_are_not_found)
{
	struct udrv_device *other = stub_open("model:edu:2");
	udrv_iova_t addr = map(memory, 100, UDRV_DMA_FROM_DEVICE);
	udrv_iova_t theirs = udrv_dma_map_single(other, memory, 100, UDRV_DMA_FROM_DEVICE);

	before.mapped = 0; /* threads' stacks */
	ck_assert_uint_ne(theirs, UDRV_DMA_MAPPING_ERROR);
	ck_assert_uint_ne(addr, theirs);
	device_writes(dev, addr, 100, 0x11);
	udrv_dma_unmap_single(other, addr, 100, UDRV_DMA_FROM_DEVICE);
	ck_assert(fault_logged("unmapped, but not mapped"));
	ck_assert(cpu_sees(memory, 100, 0));
	udrv_dma_unmap_single(dev, addr, 100, UDRV_DMA_FROM_DEVICE);
	ck_assert(cpu_sees(memory, 100, 0x11));
	udrv_device_close(other);
}
END_TEST

START_TEST(what_is_left_mapped_ends_with_the_device)
{
	stub_of(dev)->translated = true;
	(void)map(memory, 100, UDRV_DMA_FROM_DEVICE);
	(void)map(memory, ALL, UDRV_DMA_FROM_DEVICE);
	ck_assert_str_eq(fault_log_text(), "");
}
END_TEST

START_TEST(shrinking_gives_bounce_memory_back)
{
	udrv_iova_t addr = map(memory, 100, UDRV_DMA_TO_DEVICE);

	ck_assert_uint_eq(udrv_dma_shrink(dev), 0);
	udrv_dma_unmap_single(dev, addr, 100, UDRV_DMA_TO_DEVICE);
	ck_assert_uint_eq(udrv_dma_shrink(dev), 256 * KIB);
	ck_assert_uint_eq(stub_mapped(dev), 0);
	ck_assert_uint_eq(udrv_dma_shrink(dev), 0);
}
END_TEST

/* Scatterlists. */

#define ENTRIES 6u

/* Memory of the device at both ends, so that what is copied and what is not alternate. */
static void fill(struct udrv_scatterlist *list, unsigned char *coherent, int value)
{
	static const size_t sizes[ENTRIES] = {100, 4096, 3000, 8192, 1, 500};

	udrv_sg_init_table(list, ENTRIES);
	for (unsigned int i = 0; i < ENTRIES; i++) {
		unsigned char *p = memory + i * 4 * PAGE;

		if (i == 0 || i == ENTRIES - 1)
			p = coherent + i * PAGE;
		udrv_sg_set_buf(&list[i], p, (unsigned int)sizes[i]);
		memset(p, value, sizes[i]);
	}
}

static bool list_is(struct udrv_scatterlist *list, int value)
{
	for (unsigned int i = 0; i < ENTRIES; i++)
		if (!cpu_sees(udrv_sg_virt(&list[i]), list[i].length, value))
			return false;
	return true;
}

static bool device_sees_list(struct udrv_scatterlist *list, unsigned int n, int value)
{
	size_t total = 0;

	for (unsigned int i = 0; i < n; i++) {
		total += udrv_sg_dma_len(&list[i]);
		if (!device_sees(dev, udrv_sg_dma_address(&list[i]), udrv_sg_dma_len(&list[i]),
				 value))
			return false;
	}
	return total == 100 + 4096 + 3000 + 8192 + 1 + 500;
}

START_TEST(lists_bounce_entry_by_entry)
{
	struct udrv_scatterlist list[ENTRIES];
	udrv_iova_t iova;
	unsigned char *coherent =
		udrv_dma_alloc_coherent(dev, ENTRIES * PAGE, &iova, UDRV_GFP_KERNEL);
	unsigned int n;

	fill(list, coherent, 0x11);
	n = udrv_dma_map_sg(dev, list, ENTRIES, UDRV_DMA_BIDIRECTIONAL);
	ck_assert_uint_ge(n, 3);
	ck_assert(device_sees_list(list, n, 0x11));
	for (unsigned int i = 0; i < n; i++)
		device_writes(dev, udrv_sg_dma_address(&list[i]), udrv_sg_dma_len(&list[i]), 0x22);
	ck_assert(cpu_sees(memory + 4 * PAGE, PAGE, 0x11));
	udrv_dma_sync_sg_for_cpu(dev, list, ENTRIES, UDRV_DMA_BIDIRECTIONAL);
	ck_assert(list_is(list, 0x22));
	for (unsigned int i = 0; i < ENTRIES; i++)
		memset(udrv_sg_virt(&list[i]), 0x33, list[i].length);
	udrv_dma_sync_sg_for_device(dev, list, ENTRIES, UDRV_DMA_BIDIRECTIONAL);
	ck_assert(device_sees_list(list, n, 0x33));
	for (unsigned int i = 0; i < n; i++)
		device_writes(dev, udrv_sg_dma_address(&list[i]), udrv_sg_dma_len(&list[i]), 0x44);
	udrv_dma_unmap_sg(dev, list, ENTRIES, UDRV_DMA_BIDIRECTIONAL);
	ck_assert(list_is(list, 0x44));
	udrv_dma_free_coherent(dev, ENTRIES * PAGE, coherent, iova);
	ck_assert_uint_gt(udrv_dma_shrink(dev), 0);
	ck_assert_uint_eq(stub_mapped(dev), 0);
}
END_TEST

START_TEST(entries_that_cross_the_boundary_bounce_below_it)
{
	struct udrv_scatterlist list[1];
	udrv_iova_t iova;
	unsigned char *p = udrv_dma_alloc_coherent(dev, 2 * PAGE, &iova, UDRV_GFP_KERNEL);

	ck_assert_int_eq(udrv_dma_set_seg_boundary(dev, PAGE - 1), 0);
	udrv_sg_init_one(list, p + PAGE - 100, 200);
	memset(p, 0x11, 2 * PAGE);
	/* No page holds it at that offset. */
	ck_assert_uint_eq(udrv_dma_map_sg(dev, list, 1, UDRV_DMA_TO_DEVICE), 0);
	ck_assert(fault_logged("cross a multiple of 0x1000"));
	ck_assert_int_eq(udrv_dma_set_seg_boundary(dev, 2 * PAGE - 1), 0);
	udrv_sg_init_one(list, memory + PAGE - 100, 200);
	ck_assert_uint_eq(udrv_dma_map_sg(dev, list, 1, UDRV_DMA_TO_DEVICE), 1);
	ck_assert_uint_eq(udrv_sg_dma_address(list) / (2 * PAGE),
			  (udrv_sg_dma_address(list) + 199) / (2 * PAGE));
	udrv_dma_unmap_sg(dev, list, 1, UDRV_DMA_TO_DEVICE);
	udrv_dma_free_coherent(dev, 2 * PAGE, p, iova);
}
END_TEST

START_TEST(a_list_of_which_one_cannot_be_mapped_is_not)
{
	struct udrv_scatterlist list[3];

	stub_of(dev)->alloc_max = 256 * KIB;
	udrv_sg_init_table(list, 3);
	udrv_sg_set_buf(&list[0], memory, 100);
	udrv_sg_set_buf(&list[1], memory + PAGE, 100);
	udrv_sg_set_buf(&list[2], memory, 512 * KIB);
	ck_assert_uint_eq(udrv_dma_map_sg(dev, list, 3, UDRV_DMA_TO_DEVICE), 0);
	ck_assert_uint_eq(udrv_dma_shrink(dev), 256 * KIB);
	ck_assert_uint_eq(stub_mapped(dev), 0);
}
END_TEST

/* Threads. */

#define THREADS 4
#define ROUNDS	3000

static void *hammer(void *ctx)
{
	unsigned char *mine = ctx;
	int id = (int)((mine - memory) / (ptrdiff_t)(128 * KIB)) + 1;

	for (int i = 0; i < ROUNDS; i++) {
		size_t size = 1 + (size_t)(i * 977 + id * 131) % (48 * KIB);
		udrv_iova_t addr;

		memset(mine, id, size);
		addr = map(mine, size, UDRV_DMA_BIDIRECTIONAL);
		if (i % 64 == 0)
			MUST(device_sees(dev, addr, size, id));
		device_writes(dev, addr + size / 2, 1, id + 100);
		udrv_dma_sync_single_for_cpu(dev, addr + size / 2, 1, UDRV_DMA_FROM_DEVICE);
		MUST(mine[size / 2] == id + 100);
		MUST(udrv_bus_to_virt(addr) == mine);
		mine[size / 2] = (unsigned char)id;
		udrv_dma_unmap_single(dev, addr, size, UDRV_DMA_BIDIRECTIONAL);
		MUST(mine[size / 2] == id + 100);
		if (i % 512 == 0)
			(void)udrv_dma_shrink(dev);
	}
	return NULL;
}

START_TEST(threads_have_buffers_of_their_own)
{
	pthread_t threads[THREADS];

	before.mapped = 0; /* their stacks */
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(
			pthread_create(&threads[i], NULL, hammer, memory + (size_t)i * 128 * KIB),
			0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	(void)udrv_dma_shrink(dev);
	ck_assert_uint_eq(stub_mapped(dev), 0);
}
END_TEST

START_TEST(others_devices_do_not_bounce)
{
	struct udrv_device *plain = NULL;
	udrv_iova_t addr;

	before.mapped = 0; /* threads' stacks */
	ck_assert_int_eq(udrv_device_open("model:edu:3", NULL, &plain), 0);
	addr = udrv_dma_map_single(plain, memory, 100, UDRV_DMA_FROM_DEVICE);
	ck_assert_uint_ne(addr, UDRV_DMA_MAPPING_ERROR);
	ck_assert_int_eq(udrv_pci_set_master(plain), 0);
	device_writes(plain, addr, 100, 0x11);
	ck_assert(cpu_sees(memory, 100, 0x11));
	udrv_dma_sync_single_for_cpu(plain, addr, 100, UDRV_DMA_FROM_DEVICE);
	udrv_dma_sync_single_for_device(plain, addr, 100, UDRV_DMA_FROM_DEVICE);
	udrv_dma_unmap_single(plain, addr, 100, UDRV_DMA_FROM_DEVICE);
	udrv_device_close(plain);
}
END_TEST

static TCase *buffers(void)
{
	TCase *tc = tcase_create("buffers");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_the_device_reads_is_copied_on_map_only);
	tcase_add_loop_test(tc, what_the_device_does_not_write_stays, 0, 2);
	tcase_add_test(tc, sync_for_cpu_copies_the_part_that_is_named);
	tcase_add_test(tc, sync_for_device_copies_the_part_that_is_named);
	tcase_add_test(tc, syncs_against_the_direction_copy_nothing);
	tcase_add_test(tc, memory_that_may_not_be_written_can_be_sent);
	tcase_add_test(tc, syncs_of_what_is_not_mapped_do_nothing);
	tcase_add_test(tc, copies_are_as_far_into_a_page_and_cross_no_boundary);
	tcase_add_test(tc, memory_of_the_device_does_not_bounce);
	tcase_add_test(tc, memory_above_the_mask_bounces_below);
	tcase_add_test(tc, kmalloc_memory_bounces_and_has_no_address);
	tcase_add_test(tc, large_buffers_are_pinned_where_an_iommu_translates);
	tcase_add_test(tc, a_pin_whose_address_is_taken_bounces);
	tcase_add_test(tc, large_buffers_bounce_where_they_are_scattered);
	tcase_add_test(tc, what_can_neither_be_pinned_nor_bounce_is_explained);
	tcase_add_test(tc, bad_unmaps_are_found);
	tcase_add_test(tc, another_devices_copies_are_not_found);
	tcase_add_test(tc, what_is_left_mapped_ends_with_the_device);
	tcase_add_test(tc, shrinking_gives_bounce_memory_back);
	tcase_add_test(tc, others_devices_do_not_bounce);
	return tc;
}

int main(void)
{
	Suite *s = suite_create("dma_bounce");
	TCase *lists = tcase_create("lists and threads");

	suite_add_tcase(s, buffers());
	tcase_set_timeout(lists, 300);
	tcase_add_checked_fixture(lists, setup, teardown);
	tcase_add_test(lists, lists_bounce_entry_by_entry);
	tcase_add_test(lists, entries_that_cross_the_boundary_bounce_below_it);
	tcase_add_test(lists, a_list_of_which_one_cannot_be_mapped_is_not);
	tcase_add_test(lists, threads_have_buffers_of_their_own);
	suite_add_tcase(s, lists);
	return run_suite(s);
}
