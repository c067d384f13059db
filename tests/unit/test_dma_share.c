// SPDX-License-Identifier: MIT
/* Memory of one device's arena that another device is let to reach. */
#include <errno.h>
#include <linux/memfd.h>

#include "mem/domain.h"
#include "pci/device.h"

#include "support/fault.h"
#include "support/stub_device.h"
#include "support/suite.h"

#define PAGE STUB_PAGE
#define HUGE ((size_t)2 << 20)

static struct udrv_device *owner;
static struct udrv_device *sharer;
static bool physical; /* without an IOMMU huge pages are contiguous */

/* The machine has huge pages. */
static unsigned int as_if_huge(unsigned int flags)
{
	return flags & (MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

static void open_two(const char *backend)
{
	const struct {
		const char *name;
		struct udrv_device **dev;
	} devices[] = {{"model:edu", &owner}, {"model:edu:2", &sharer}};

	for (size_t i = 0; i < 2; i++) {
		struct udrv_device **dev = devices[i].dev;

		ck_assert_int_eq(udrv_device_open(devices[i].name, backend, dev), 0);
		ck_assert_int_eq(udrv_dma_set_mask_and_coherent(*dev, UDRV_DMA_BIT_MASK(39)), 0);
		ck_assert_int_eq(udrv_pci_set_master(*dev), 0);
		if (physical)
			stub_of(*dev)->physical = true;
	}
	fault_log_clear();
}

static void setup_mapped(void)
{
	physical = false;
	open_two("model");
}

static void setup_huge(void)
{
	fault_set_hooks(&(struct fault_hooks){.memfd = as_if_huge});
	physical = true;
	open_two("model-stub");
}

static void setup_small(void)
{
	physical = false;
	open_two("model-stub");
}

static void teardown(void)
{
	udrv_device_close(sharer);
	udrv_device_close(owner);
	fault_set_hooks(&(struct fault_hooks){0});
	ck_assert_uint_eq(udrv__iovas.count, 0);
}

static unsigned char *take(struct udrv_device *dev, size_t size, udrv_iova_t *iova)
{
	unsigned char *p = udrv_dma_alloc_coherent(dev, size, iova, UDRV_GFP_KERNEL);

	if (!p)
		ck_abort_msg("%s", fault_log_text());
	return p;
}

static bool is_reached(struct udrv_device *dev, void *p, size_t len, udrv_iova_t iova)
{
	struct udrv_dma_window window = {0};
	const udrv_iova_t found = udrv_dma_look_up(dev, p, len, &window);

	ck_assert(found == iova || found == UDRV_DMA_MAPPING_ERROR);
	return found == iova;
}

/* What is done is told for debugging. */
static bool nobody_complained(void)
{
	return !fault_logged("cannot") && !fault_logged("failed") && !fault_logged("not reach");
}

/* In both modes: both setups. */

START_TEST(it_is_reached_at_the_same_address_once_it_is_shared)
{
	udrv_iova_t iova, theirs;
	unsigned char *p = take(owner, PAGE, &iova);
	unsigned char *q = take(sharer, PAGE, &theirs);

	ck_assert(!is_reached(sharer, p, PAGE, iova));
	ck_assert_int_eq(udrv_dma_share(owner, sharer), 0);
	ck_assert(is_reached(sharer, p, PAGE, iova));
	ck_assert(is_reached(owner, p, PAGE, iova));
	ck_assert_uint_eq(udrv_dma_map_single(sharer, p + 8, 100, UDRV_DMA_BIDIRECTIONAL),
			  iova + 8);
	udrv_dma_unmap_single(sharer, iova + 8, 100, UDRV_DMA_BIDIRECTIONAL);
	device_writes(sharer, iova, PAGE, 0x11);
	ck_assert(cpu_sees(p, PAGE, 0x11));
	ck_assert(device_sees(owner, iova, PAGE, 0x11));
	/* It goes one way. */
	ck_assert(!is_reached(owner, q, PAGE, theirs));
	ck_assert(!stub_faulted(owner) && !stub_faulted(sharer));
	ck_assert(nobody_complained());
	udrv_dma_free_coherent(owner, PAGE, p, iova);
	udrv_dma_free_coherent(sharer, PAGE, q, theirs);
}
END_TEST

START_TEST(again_changes_nothing)
{
	udrv_iova_t iova;
	unsigned char *p = take(owner, PAGE, &iova);
	unsigned int mapped;

	ck_assert_int_eq(udrv_dma_share(owner, sharer), 0);
	mapped = stub_mapped(sharer);
	ck_assert_int_eq(udrv_dma_share(owner, sharer), 0);
	ck_assert_int_eq(udrv_dma_share(owner, owner), 0);
	ck_assert_uint_eq(stub_mapped(sharer), mapped);
	udrv_dma_free_coherent(owner, PAGE, p, iova);
}
END_TEST

START_TEST(what_comes_later_is_reached_too)
{
	udrv_iova_t iova[4];
	unsigned char *p[4];

	ck_assert_int_eq(udrv_dma_share(owner, sharer), 0);
	for (size_t i = 0; i < 4; i++) {
		p[i] = take(owner, HUGE, &iova[i]);
		ck_assert(is_reached(sharer, p[i], HUGE, iova[i]));
		device_writes(sharer, iova[i], HUGE, 0x22);
		ck_assert(cpu_sees(p[i], HUGE, 0x22));
	}
	ck_assert_uint_ge(stub_mapped(sharer), 2);
	for (size_t i = 0; i < 4; i++)
		udrv_dma_free_coherent(owner, HUGE, p[i], iova[i]);
	/* And it ends with the memory. */
	ck_assert_uint_ge(udrv_dma_shrink(owner), 4 * HUGE);
	ck_assert_uint_eq(stub_mapped(sharer), 0);
	ck_assert(!stub_faulted(sharer));
	ck_assert(nobody_complained());
}
END_TEST

START_TEST(it_ends_with_the_sharer)
{
	udrv_iova_t iova, more;
	unsigned char *p = take(owner, HUGE, &iova);
	unsigned char *q;
	const unsigned int mapped = stub_mapped(owner);
	struct udrv_device *next = NULL;

	ck_assert_int_eq(udrv_dma_share(owner, sharer), 0);
	udrv_device_close(sharer);
	ck_assert_int_eq(udrv_device_open("model:edu:2", owner->ops->name, &next), 0);
	sharer = next;
	ck_assert_int_eq(udrv_dma_set_mask_and_coherent(sharer, UDRV_DMA_BIT_MASK(39)), 0);
	ck_assert(!is_reached(sharer, p, HUGE, iova));
	ck_assert_uint_eq(stub_mapped(owner), mapped);
	device_writes(owner, iova, HUGE, 0x33);
	ck_assert(cpu_sees(p, HUGE, 0x33));
	q = take(owner, HUGE, &more);
	ck_assert(!is_reached(sharer, q, HUGE, more));
	ck_assert_uint_eq(stub_mapped(sharer), 0);
	udrv_dma_free_coherent(owner, HUGE, q, more);
	udrv_dma_free_coherent(owner, HUGE, p, iova);
	ck_assert(nobody_complained());
}
END_TEST

/* An IOMMU keeps the sharer from memory that is gone. */
START_TEST(it_ends_with_the_owner)
{
	udrv_iova_t iova;

	(void)take(owner, HUGE, &iova);
	ck_assert_int_eq(udrv_dma_share(owner, sharer), 0);
	udrv_device_close(owner);
	ck_assert_uint_eq(stub_mapped(sharer), 0);
	device_writes(sharer, iova, 8, 0x44);
	ck_assert(stub_faulted(sharer));
	ck_assert_int_eq(udrv_device_open("model:edu", "model", &owner), 0);
}
END_TEST

/* Nothing else does: memory that was in use stays pinned for the sharer, until it is closed. */
START_TEST(pinned_memory_outlives_the_owner)
{
	udrv_iova_t iova, unused;
	unsigned char *p = take(owner, HUGE, &unused);

	(void)take(owner, HUGE, &iova);
	ck_assert_int_eq(udrv_dma_share(owner, sharer), 0);
	ck_assert_uint_eq(stub_mapped(sharer), 2);
	udrv_dma_free_coherent(owner, HUGE, p, unused);
	udrv_device_close(owner);
	ck_assert_uint_eq(stub_mapped(sharer), 1);
	ck_assert_ptr_null(udrv_bus_to_virt(iova));
	ck_assert_int_eq(udrv_device_open("model:edu", "model-stub", &owner), 0);
}
END_TEST

START_TEST(without_an_iommu_small_pages_are_not_shared)
{
	udrv_iova_t iova;
	unsigned char *p = take(owner, PAGE, &iova);

	ck_assert_int_eq(udrv_dma_share(owner, sharer), -EOPNOTSUPP);
	ck_assert_str_eq(fault_log_text(),
			 "model:edu:2: cannot reach memory of model:edu, which is not in huge "
			 "pages: have some (vm.nr_hugepages) before that device is opened\n");
	ck_assert(!is_reached(sharer, p, PAGE, iova));
	ck_assert_uint_eq(stub_mapped(sharer), 0);
	udrv_dma_free_coherent(owner, PAGE, p, iova);
}
END_TEST

START_TEST(small_pages_that_come_later_are_told)
{
	udrv_iova_t iova;
	unsigned char *p;

	ck_assert_int_eq(udrv_dma_share(owner, sharer), 0);
	p = take(owner, PAGE, &iova);
	ck_assert_msg(fault_logged("model:edu:2: does not reach 2097152 bytes more of model:edu: "),
		      "%s", fault_log_text());
	ck_assert(!is_reached(sharer, p, PAGE, iova));
	udrv_dma_free_coherent(owner, PAGE, p, iova);
}
END_TEST

/* One that is larger than a huge page comes from the backend, and the rest is shared. */
START_TEST(what_is_no_huge_page_is_left_out)
{
	udrv_iova_t iova, large;
	unsigned char *p = take(owner, PAGE, &iova);
	unsigned char *q = take(owner, 2 * HUGE, &large);

	ck_assert_int_eq(udrv_dma_share(owner, sharer), 0);
	ck_assert(is_reached(sharer, p, PAGE, iova));
	ck_assert(!is_reached(sharer, q, 2 * HUGE, large));
	udrv_dma_free_coherent(owner, PAGE, p, iova);
	udrv_dma_free_coherent(owner, 2 * HUGE, q, large);
}
END_TEST

START_TEST(all_or_nothing)
{
	udrv_iova_t iova[2];
	unsigned char *p[2] = {take(owner, HUGE, &iova[0]), take(owner, HUGE, &iova[1])};

	ck_assert_int_eq(udrv_dma_set_mask(sharer, iova[_i] + HUGE / 2), 0);
	ck_assert_int_lt(udrv_dma_share(owner, sharer), 0);
	ck_assert_str_ne(fault_log_text(), "");
	ck_assert_uint_eq(stub_mapped(sharer), 0);
	ck_assert_int_eq(udrv_dma_set_mask(sharer, UDRV_DMA_BIT_MASK(39)), 0);
	for (size_t i = 0; i < 2; i++)
		ck_assert(!is_reached(sharer, p[i], HUGE, iova[i]));
	ck_assert_int_eq(udrv_dma_share(owner, sharer), 0);
	for (size_t i = 0; i < 2; i++) {
		ck_assert(is_reached(sharer, p[i], HUGE, iova[i]));
		udrv_dma_free_coherent(owner, HUGE, p[i], iova[i]);
	}
}
END_TEST

/* What is above the sharer's mask is mapped, but not said to be reached. */
START_TEST(the_sharers_mask_counts)
{
	udrv_iova_t iova;
	unsigned char *p = take(owner, HUGE, &iova);

	ck_assert_int_eq(udrv_dma_set_mask(sharer, iova + HUGE / 2 - 1), 0);
	ck_assert_int_eq(udrv_dma_share(owner, sharer), 0);
	ck_assert(is_reached(sharer, p, HUGE / 2, iova));
	ck_assert(!is_reached(sharer, p, HUGE, iova));
	udrv_dma_free_coherent(owner, HUGE, p, iova);
}
END_TEST

START_TEST(addresses_that_differ_are_not_shared)
{
	struct udrv_device *other = NULL;

	ck_assert_int_eq(udrv_device_open("model:edu:3", _i ? "model" : "model-stub", &other), 0);
	if (!_i)
		stub_of(other)->translated = true;
	ck_assert_int_eq(udrv_dma_share(owner, other), -EOPNOTSUPP);
	ck_assert_int_eq(udrv_dma_share(other, owner), -EOPNOTSUPP);
	ck_assert_msg(fault_logged("model:edu: cannot reach memory of model:edu:3 at the same "
				   "address: bind both to vfio-pci, or, without an IOMMU, to "
				   "udrv_stub"),
		      "%s", fault_log_text());
	udrv_device_close(other);
}
END_TEST

static TCase *both(const char *name, void (*setup)(void))
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, it_is_reached_at_the_same_address_once_it_is_shared);
	tcase_add_test(tc, again_changes_nothing);
	tcase_add_test(tc, what_comes_later_is_reached_too);
	tcase_add_test(tc, it_ends_with_the_sharer);
	return tc;
}

int main(void)
{
	Suite *s = suite_create("dma_share");
	TCase *mapped = both("mapped", setup_mapped);
	TCase *huge = both("huge pages", setup_huge);
	TCase *small = tcase_create("small pages");

	tcase_add_test(mapped, it_ends_with_the_owner);
	tcase_add_test(mapped, the_sharers_mask_counts);
	suite_add_tcase(s, mapped);
	tcase_add_test(huge, pinned_memory_outlives_the_owner);
	tcase_add_test(huge, what_is_no_huge_page_is_left_out);
	tcase_add_loop_test(huge, all_or_nothing, 0, 2);
	tcase_add_loop_test(huge, addresses_that_differ_are_not_shared, 0, 2);
	suite_add_tcase(s, huge);
	tcase_add_checked_fixture(small, setup_small, teardown);
	tcase_add_test(small, without_an_iommu_small_pages_are_not_shared);
	tcase_add_test(small, small_pages_that_come_later_are_told);
	suite_add_tcase(s, small);
	return run_suite(s);
}
