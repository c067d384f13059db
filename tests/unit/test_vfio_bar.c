// SPDX-License-Identifier: MIT
/* Regions of a VFIO device: mapped, trapped, both; what the kernel says of them, also absurd
 * things. */
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>

#include <udrv/device.h>
#include <udrv/io.h>
#include <udrv/pci.h>

#include "support/fake_machine.h"
#include "support/fault.h"
#include "support/suite.h"

#define NAME "0000:00:05.0"
#define PAGE 4096u

static struct fake_device *fake;
static struct fake_region *bar0;
static struct udrv_device *dev;
static struct fault_held before;

static void setup(void)
{
	fake = fake_machine_make(NAME);
	bar0 = &fake->regions[0];
	fault_held(&before);
	dev = NULL;
}

static void teardown(void)
{
	struct fault_held now = {0};

	udrv_device_close(dev);
	ck_assert(fault_held_again(&before, &now));
	fake_machine_remove();
}

static void open_device(void)
{
	ck_assert_int_eq(udrv_device_open(NAME, NULL, &dev), 0);
}

START_TEST(a_bar_that_maps_is_a_mapping)
{
	uint8_t __udrv_iomem *regs;

	open_device();
	regs = udrv_pci_iomap(dev, 0, 0);
	ck_assert(udrv_bar_direct(regs));
	udrv_iowrite32(0x12345678, regs + 0x60);
	ck_assert_uint_eq(fake_vfio_peek(fake, 0, 0x60, 4), 0x12345678);
	fake_vfio_poke(fake, 0, 0xffff8, 0x1122334455667788, 8);
	ck_assert_uint_eq(udrv_ioread64(regs + 0xffff8), 0x1122334455667788);
	ck_assert_uint_eq(fake->reads + fake->writes, 0);
	/* The same again, not another mapping. */
	ck_assert_ptr_eq((void *)udrv_pci_iomap(dev, 0, 16), (void *)regs);
}
END_TEST

START_TEST(a_bar_that_does_not_map_is_trapped)
{
	uint8_t __udrv_iomem *regs;

	bar0->flags &= ~(uint32_t)VFIO_REGION_INFO_FLAG_MMAP;
	open_device();
	regs = udrv_pci_iomap(dev, 0, 0);
	ck_assert_ptr_nonnull((void *)regs);
	ck_assert(!udrv_bar_direct(regs));
	udrv_iowrite16(0xbeef, regs + 0x42);
	ck_assert_uint_eq(fake_vfio_peek(fake, 0, 0x42, 2), 0xbeef);
	ck_assert_uint_eq(udrv_ioread8(regs + 0x43), 0xbe);
	ck_assert_uint_eq(fake->writes, 1);
	ck_assert_uint_eq(fake->reads, 1);
}
END_TEST

/* An MSI-X table in the second page. */
static void make_hole(void)
{
	static const uint64_t areas[] = {0, PAGE, 2 * PAGE, (1 << 20) - 2 * PAGE};

	fake_vfio_sparse(bar0, areas, 2);
}

START_TEST(beside_a_trapped_hole_is_mapped)
{
	uint8_t __udrv_iomem *whole;
	uint8_t __udrv_iomem *upper;

	make_hole();
	open_device();
	whole = udrv_pci_iomap(dev, 0, 0);
	ck_assert(!udrv_bar_direct(whole));
	upper = udrv_pci_iomap_range(dev, 0, 2 * PAGE, 0);
	ck_assert(udrv_bar_direct(upper));
	ck_assert(udrv_bar_direct(udrv_pci_iomap(dev, 0, PAGE)));
	ck_assert(!udrv_bar_direct(udrv_pci_iomap_range(dev, 0, PAGE, 16)));
	/* Reaching into the hole is not inside an area. */
	ck_assert(!udrv_bar_direct(udrv_pci_iomap_range(dev, 0, PAGE - 4, 8)));

	/* Through the cookie, each access goes the way that there is. */
	udrv_iowrite32(0x11111111, whole + 8);
	udrv_iowrite32(0x22222222, whole + 3 * PAGE);
	ck_assert_uint_eq(fake->writes, 0);
	udrv_iowrite32(0x33333333, whole + PAGE + 8);
	ck_assert_uint_eq(fake->writes, 1);
	ck_assert_uint_eq(fake_vfio_peek(fake, 0, 8, 4), 0x11111111);
	ck_assert_uint_eq(fake_vfio_peek(fake, 0, 3 * PAGE, 4), 0x22222222);
	ck_assert_uint_eq(fake_vfio_peek(fake, 0, PAGE + 8, 4), 0x33333333);
	ck_assert_uint_eq(udrv_ioread32(upper + PAGE), 0x22222222);
	ck_assert_uint_eq(udrv_ioread32(whole + PAGE + 8), 0x33333333);
	ck_assert_uint_eq(fake->reads, 1);
	/* Across the border of a mapped part. */
	fake_vfio_poke(fake, 0, PAGE - 4, 0x8877665544332211, 8);
	ck_assert_uint_eq(udrv_ioread64(whole + PAGE - 4), 0x8877665544332211);
	ck_assert_uint_eq(fake->reads, 2);
}
END_TEST

START_TEST(beyond_the_bar)
{
	open_device();
	ck_assert_ptr_null((void *)udrv_pci_iomap_range(dev, 0, 1 << 20, 4));
	ck_assert(fault_logged("offset 0x100000 is beyond BAR 0, which has 0x100000 bytes"));
	ck_assert_ptr_null((void *)udrv_pci_iomap_range(dev, 0, UINT64_MAX, 4));
	ck_assert_ptr_null((void *)udrv_pci_iomap(dev, 1, 0));
	ck_assert(fault_logged("there is no BAR 1"));
	ck_assert_ptr_null((void *)udrv_pci_iomap(dev, -1, 0));
	ck_assert_ptr_null((void *)udrv_pci_iomap(dev, 6, 0));
	/* More than is left is not an error, as in Linux: it is cut. */
	ck_assert(udrv_bar_direct(udrv_pci_iomap_range(dev, 0, (1 << 20) - PAGE, SIZE_MAX)));
}
END_TEST

START_TEST(beyond_a_trapped_bar_reads_ones)
{
	uint8_t __udrv_iomem *regs;

	bar0->flags &= ~(uint32_t)VFIO_REGION_INFO_FLAG_MMAP;
	open_device();
	regs = udrv_pci_iomap(dev, 0, 0);
	ck_assert_uint_eq(udrv_ioread32(regs + (1 << 20)), UINT32_MAX);
	ck_assert_uint_eq(udrv_ioread32(regs + (1 << 20) - 2), UINT32_MAX);
	udrv_iowrite32(1, regs + (1 << 20));
	ck_assert_uint_eq(fake->reads + fake->writes, 0);
	ck_assert(fault_logged("4-byte read at offset 0x100000 failed"));
}
END_TEST

START_TEST(regions_are_claimed_once)
{
	open_device();
	ck_assert_int_eq(udrv_request_region(dev, 0, 0x100, 0x100, "first"), 0);
	ck_assert_int_eq(udrv_request_region(dev, 0, 0x1ff, 1, "second"), -EBUSY);
	ck_assert(fault_logged("BAR 0 [0x100-0x1ff] is claimed by first"));
	ck_assert_int_eq(udrv_request_region(dev, 0, 0x200, 1, "second"), 0);
	ck_assert_int_eq(udrv_pci_request_regions(dev, "third"), -EBUSY);
	udrv_release_region(dev, 0, 0x100, 0x100);
	udrv_release_region(dev, 0, 0x200, 1);
	ck_assert_int_eq(udrv_pci_request_regions(dev, "third"), 0);
	udrv_pci_release_regions(dev);
}
END_TEST

START_TEST(regions_beyond_the_bar)
{
	open_device();
	ck_assert_int_eq(udrv_request_region(dev, 0, 1 << 20, 1, "x"), -EINVAL);
	ck_assert(fault_logged("region 0x100000+0x1 is not inside BAR 0"));
	ck_assert_int_eq(udrv_request_region(dev, 0, 1, 1 << 20, "x"), -EINVAL);
	ck_assert_int_eq(udrv_request_region(dev, 0, 8, UINT64_MAX - 4, "x"), -EINVAL);
	ck_assert_int_eq(udrv_request_region(dev, 0, 8, 0, "x"), -EINVAL);
	ck_assert_int_eq(udrv_request_region(dev, 1, 0, 1, "x"), -EINVAL);
	ck_assert_int_eq(udrv_request_region(dev, 7, 0, 1, "x"), -EINVAL);
}
END_TEST

/* What the kernel says is checked, too. */

START_TEST(more_areas_than_the_answer_holds)
{
	struct vfio_region_info_cap_sparse_mmap *sparse = (void *)bar0->chain.bytes;

	make_hole();
	sparse->nr_areas = UINT32_MAX;
	open_device();
	ck_assert_ptr_null((void *)udrv_pci_iomap(dev, 0, 0));
	ck_assert(fault_logged("BAR 0 cannot be mapped: Protocol error"));
	/* And again, once the kernel comes to its senses. */
	sparse->nr_areas = 2;
	ck_assert(udrv_bar_direct(udrv_pci_iomap_range(dev, 0, 2 * PAGE, 0)));
}
END_TEST

START_TEST(more_areas_than_we_keep_stay_trapped)
{
	uint64_t areas[2 * 20];
	uint8_t __udrv_iomem *regs;

	for (uint64_t i = 0; i < 20; i++) {
		areas[2 * i] = i * 2 * PAGE;
		areas[2 * i + 1] = PAGE;
	}
	fake_vfio_sparse(bar0, areas, 20);
	open_device();
	ck_assert(udrv_bar_direct(udrv_pci_iomap_range(dev, 0, 0, PAGE)));
	ck_assert(!udrv_bar_direct(udrv_pci_iomap_range(dev, 0, 19 * 2 * PAGE, PAGE)));
	regs = udrv_pci_iomap(dev, 0, 0);
	udrv_iowrite32(42, regs + 19 * 2 * PAGE);
	ck_assert_uint_eq(fake->writes, 1);
	ck_assert_uint_eq(fake_vfio_peek(fake, 0, 19 * 2 * PAGE, 4), 42);
}
END_TEST

START_TEST(areas_outside_the_bar_are_ignored)
{
	static const uint64_t areas[] = {
		1 << 20, PAGE, UINT64_MAX - PAGE + 1, PAGE, (1 << 20) - PAGE, 2 * PAGE, 0, PAGE,
		PAGE,	 0};

	fake_vfio_sparse(bar0, areas, 5);
	open_device();
	ck_assert(udrv_bar_direct(udrv_pci_iomap_range(dev, 0, 0, PAGE)));
	ck_assert(!udrv_bar_direct(udrv_pci_iomap_range(dev, 0, (1 << 20) - PAGE, PAGE)));
	ck_assert(!udrv_bar_direct(udrv_pci_iomap_range(dev, 0, PAGE, PAGE)));
}
END_TEST

START_TEST(no_area_at_all_is_trapped)
{
	fake_vfio_sparse(bar0, NULL, 0);
	open_device();
	ck_assert(!udrv_bar_direct(udrv_pci_iomap(dev, 0, 0)));
	ck_assert_uint_eq(udrv_ioread32(udrv_pci_iomap(dev, 0, 0)), 0);
}
END_TEST

START_TEST(a_chain_that_loops)
{
	struct vfio_info_cap_header *head = (void *)bar0->chain.bytes;

	make_hole();
	head->id = 77;
	head->next = sizeof(struct vfio_region_info);
	open_device();
	/* No list of areas is found: the flag says that all of it maps, and Linux decides. */
	ck_assert(udrv_bar_direct(udrv_pci_iomap(dev, 0, 0)));
}
END_TEST

START_TEST(a_chain_that_leaves_the_answer)
{
	struct vfio_info_cap_header *head = (void *)bar0->chain.bytes;

	make_hole();
	head->id = 77;
	head->next = 0xfffffff0;
	open_device();
	ck_assert_ptr_nonnull((void *)udrv_pci_iomap(dev, 0, 0));
}
END_TEST

START_TEST(an_answer_that_never_fits)
{
	struct udrv_device *none = NULL;

	fake_vfio.greedy = true;
	ck_assert_int_eq(udrv_device_open(NAME, NULL, &none), -EAGAIN);
	ck_assert_ptr_null(none);
	ck_assert(*fault_log_text());
	fake_vfio.greedy = false;
	open_device();
}
END_TEST

START_TEST(a_region_that_cannot_be_read_is_no_bar)
{
	bar0->flags = 0;
	open_device();
	ck_assert_uint_eq(udrv_pci_resource_len(dev, 0), 0);
	ck_assert_uint_eq(udrv_pci_resource_flags(dev, 0), 0);
	ck_assert_ptr_null((void *)udrv_pci_iomap(dev, 0, 0));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("vfio_bar");
	TCase *tc = tcase_create("regions");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_bar_that_maps_is_a_mapping);
	tcase_add_test(tc, a_bar_that_does_not_map_is_trapped);
	tcase_add_test(tc, beside_a_trapped_hole_is_mapped);
	tcase_add_test(tc, beyond_the_bar);
	tcase_add_test(tc, beyond_a_trapped_bar_reads_ones);
	tcase_add_test(tc, regions_are_claimed_once);
	tcase_add_test(tc, regions_beyond_the_bar);
	tcase_add_test(tc, more_areas_than_the_answer_holds);
	tcase_add_test(tc, more_areas_than_we_keep_stay_trapped);
	tcase_add_test(tc, areas_outside_the_bar_are_ignored);
	tcase_add_test(tc, no_area_at_all_is_trapped);
	tcase_add_test(tc, a_chain_that_loops);
	tcase_add_test(tc, a_chain_that_leaves_the_answer);
	tcase_add_test(tc, an_answer_that_never_fits);
	tcase_add_test(tc, a_region_that_cannot_be_read_is_no_bar);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
