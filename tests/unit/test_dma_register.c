// SPDX-License-Identifier: MIT
/* Memory of the application: registered once, then found by a look-up. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <udrv/device.h>
#include <udrv/dma.h>

#include "support/fake_machine.h"
#include "support/fault.h"
#include "support/must.h"
#include "support/suite.h"
#include "support/threads.h"

#define NAME  "0000:00:05.0"
#define OTHER "0000:00:05.1"
#define PAGE  4096u
#define ALL   (16 * PAGE)

static struct udrv_device *dev;
static struct fault_held before;
static char *memory;

static void setup(void)
{
	(void)fake_machine_make(NAME);
	memory = aligned_alloc(PAGE, ALL);
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
	free(memory);
	fake_machine_remove();
}

static int enter(size_t from, size_t to)
{
	return udrv_dma_register(dev, memory + from * PAGE, (to - from) * PAGE,
				 UDRV_DMA_BIDIRECTIONAL);
}

static int leave(size_t from, size_t to)
{
	return udrv_dma_unregister(dev, memory + from * PAGE, (to - from) * PAGE);
}

static udrv_iova_t map(size_t offset, size_t size)
{
	return udrv_dma_map_single(dev, memory + offset, size, UDRV_DMA_TO_DEVICE);
}

static void unmap(udrv_iova_t addr, size_t size)
{
	udrv_dma_unmap_single(dev, addr, size, UDRV_DMA_TO_DEVICE);
}

START_TEST(buffers_inside_are_looked_up)
{
	udrv_iova_t addr;

	ck_assert_int_eq(enter(0, 16), 0);
	ck_assert_uint_eq(fake_vfio.mapping_count, 1);
	for (size_t at = 0; at < ALL; at += 777) {
		fault_arm(1);
		addr = map(at, ALL - at);
		unmap(addr, ALL - at);
		ck_assert_ptr_null(fault_disarm()); /* no call was made */
		ck_assert_uint_eq(addr, fake_vfio.mappings[0].iova + at);
		ck_assert_ptr_eq(udrv_bus_to_virt(addr), memory + at);
	}
	ck_assert_uint_eq(fake_vfio.mapping_count, 1);
	/* One byte beyond has a mapping of its own. */
	addr = map(1, ALL);
	ck_assert_uint_eq(fake_vfio.mapping_count, 2);
	unmap(addr, ALL);
	ck_assert_int_eq(leave(0, 16), 0);
}
END_TEST

START_TEST(memory_in_use_does_not_go)
{
	udrv_iova_t a, b;

	ck_assert_int_eq(enter(0, 16), 0);
	a = map(5, 100);
	b = map(5, 100);
	ck_assert_int_eq(leave(0, 16), -EBUSY);
	ck_assert(fault_logged("buffers in it are mapped"));
	unmap(a, 100);
	ck_assert_int_eq(leave(0, 16), -EBUSY);
	unmap(b, 100);
	fault_log_clear();
	unmap(b, 100);
	ck_assert(fault_logged("unmapped, but not mapped"));
	ck_assert_int_eq(leave(0, 16), 0);
	ck_assert_uint_eq(fake_vfio.mapping_count, 0);
	ck_assert_int_eq(leave(0, 16), -ENOENT);
}
END_TEST

START_TEST(neighbours)
{
	udrv_iova_t addr;

	ck_assert_int_eq(enter(0, 4), 0);
	ck_assert_int_eq(enter(4, 8), 0);
	addr = map(3 * PAGE, PAGE);
	unmap(addr, PAGE);
	ck_assert_uint_eq(fake_vfio.mapping_count, 2);
	/* In none of them alone. */
	addr = map(3 * PAGE, PAGE + 1);
	ck_assert_uint_eq(fake_vfio.mapping_count, 3);
	unmap(addr, PAGE + 1);
	ck_assert_int_eq(leave(0, 8), -ENOENT);
	ck_assert_int_eq(leave(0, 4), 0);
	ck_assert_uint_eq(udrv_virt_to_bus(memory), UDRV_DMA_MAPPING_ERROR);
	ck_assert_uint_ne(udrv_virt_to_bus(memory + 4 * PAGE), UDRV_DMA_MAPPING_ERROR);
	ck_assert_int_eq(leave(4, 8), 0);
}
END_TEST

START_TEST(overlaps)
{
	udrv_iova_t addr;
	udrv_iova_t low;

	ck_assert_int_eq(enter(0, 8), 0);
	low = udrv_virt_to_bus(memory);
	ck_assert_int_eq(enter(4, 16), 0);
	ck_assert_uint_eq(fake_vfio.mapping_count, 2);
	/* Only the second one holds all of it. */
	addr = map(6 * PAGE, 4 * PAGE);
	ck_assert_uint_eq(fake_vfio.mapping_count, 2);
	ck_assert_int_eq(leave(4, 16), -EBUSY);
	unmap(addr, 4 * PAGE);
	/* Only the first one. */
	ck_assert_uint_eq(map(2 * PAGE, 4 * PAGE), low + 2 * PAGE);
	ck_assert_int_eq(leave(0, 8), -EBUSY);
	unmap(low + 2 * PAGE, 4 * PAGE);
	ck_assert_int_eq(leave(4, 16), 0);
	ck_assert_uint_eq(udrv_virt_to_bus(memory + 5 * PAGE), low + 5 * PAGE);
	ck_assert_int_eq(leave(0, 8), 0);
}
END_TEST

START_TEST(direction_of_the_registration_holds)
{
	udrv_iova_t addr;

	ck_assert_int_eq(udrv_dma_register(dev, memory, ALL, UDRV_DMA_TO_DEVICE), 0);
	ck_assert_uint_eq(fake_vfio.map_flags, VFIO_DMA_MAP_FLAG_READ);
	addr = udrv_dma_map_single(dev, memory, 1, UDRV_DMA_FROM_DEVICE);
	ck_assert_uint_eq(fake_vfio.mapping_count, 2);
	ck_assert_uint_eq(fake_vfio.map_flags, VFIO_DMA_MAP_FLAG_WRITE);
	udrv_dma_unmap_single(dev, addr, 1, UDRV_DMA_FROM_DEVICE);
	ck_assert_int_eq(leave(0, 16), 0);
}
END_TEST

START_TEST(the_mask_holds)
{
	udrv_iova_t addr;

	ck_assert_int_eq(enter(0, 16), 0);
	ck_assert_int_eq(udrv_dma_set_mask_and_coherent(dev, UDRV_DMA_BIT_MASK(24)), 0);
	addr = map(0, 16);
	ck_assert_uint_lt(addr, 1u << 24);
	ck_assert_uint_eq(fake_vfio.mapping_count, 2);
	unmap(addr, 16);
	ck_assert_int_eq(leave(0, 16), 0);
}
END_TEST

START_TEST(bad_arguments)
{
	udrv_iova_t iova;
	void *mem = udrv_dma_alloc_coherent(dev, PAGE, &iova, UDRV_GFP_KERNEL);

	ck_assert_int_eq(udrv_dma_register(dev, NULL, PAGE, UDRV_DMA_TO_DEVICE), -EINVAL);
	ck_assert_int_eq(udrv_dma_register(dev, memory, 0, UDRV_DMA_TO_DEVICE), -EINVAL);
	ck_assert_int_eq(udrv_dma_register(dev, memory, 5, UDRV_DMA_TO_DEVICE), -EINVAL);
	ck_assert_int_eq(udrv_dma_register(dev, memory + 8, PAGE, UDRV_DMA_TO_DEVICE), -EINVAL);
	ck_assert_int_eq(udrv_dma_register(dev, memory, PAGE, (enum udrv_dma_data_direction)3),
			 -EINVAL);
	ck_assert(fault_logged("whole pages are needed"));
	ck_assert_int_eq(udrv_dma_register(dev, mem, PAGE, UDRV_DMA_TO_DEVICE), -EEXIST);
	ck_assert_int_eq(enter(0, 2), 0);
	ck_assert_int_eq(enter(0, 2), -EEXIST);
	fake_vfio.map_errno = EFAULT;
	ck_assert_int_eq(enter(4, 5), -EFAULT);
	ck_assert(fault_logged("the IOMMU does not map 4096 bytes: Bad address"));
	fake_vfio.map_errno = 0;
	fake_vfio.unmap_errno = EIO;
	ck_assert_int_eq(leave(0, 2), -EIO);
	fake_vfio.unmap_errno = 0;
	ck_assert_int_eq(leave(0, 2), 0);
	udrv_dma_free_coherent(dev, PAGE, mem, iova);
}
END_TEST

/* Two functions of one card: the memory goes with the last one. */
START_TEST(two_devices_share_memory)
{
	struct udrv_device *other = NULL;
	udrv_iova_t addr;

	fake_pci_device(OTHER, 0x1234, 0x11e8, "vfio-pci", FAKE_GROUP);
	(void)fake_vfio_add(OTHER, FAKE_GROUP);
	ck_assert_int_eq(udrv_device_open(OTHER, NULL, &other), 0);
	ck_assert_int_eq(enter(0, 16), 0);
	ck_assert_int_eq(udrv_dma_register(other, memory, ALL, UDRV_DMA_BIDIRECTIONAL), 0);
	ck_assert_uint_eq(fake_vfio.mapping_count, 1);
	addr = map(0, 1);
	ck_assert_int_eq(leave(0, 16), 0);
	ck_assert_uint_eq(fake_vfio.mapping_count, 1);
	ck_assert_int_eq(udrv_dma_unregister(other, memory, ALL), -EBUSY);
	unmap(addr, 1);
	udrv_device_close(other);
	ck_assert_uint_eq(fake_vfio.mapping_count, 0);
}
END_TEST

/* What the other function maps inside is not taken away from it. */
START_TEST(a_device_that_goes_leaves_what_another_one_uses)
{
	struct udrv_device *other = NULL;
	udrv_iova_t addr;

	fake_pci_device(OTHER, 0x1234, 0x11e8, "vfio-pci", FAKE_GROUP);
	(void)fake_vfio_add(OTHER, FAKE_GROUP);
	ck_assert_int_eq(udrv_device_open(OTHER, NULL, &other), 0);
	ck_assert_int_eq(enter(0, 16), 0);
	addr = udrv_dma_map_single(other, memory, 100, UDRV_DMA_TO_DEVICE);
	ck_assert_uint_eq(fake_vfio.mapping_count, 1);
	udrv_device_close(dev);
	dev = other;
	ck_assert_uint_eq(fake_vfio.mapping_count, 1);
	ck_assert_int_eq(leave(0, 16), -EBUSY);
	fault_log_clear();
	unmap(addr, 100);
	ck_assert(!fault_logged("not mapped"));
	ck_assert_int_eq(leave(0, 16), 0);
	ck_assert_uint_eq(fake_vfio.mapping_count, 0);
}
END_TEST

static unsigned int laps;
static bool done;

/* As long as it is registered memory, but for once. */
static void *map_and_unmap(void *other)
{
	while (!get(done) && udrv_virt_to_bus(memory) != UDRV_DMA_MAPPING_ERROR) {
		udrv_iova_t addr = udrv_dma_map_single(other, memory, 100, UDRV_DMA_TO_DEVICE);

		MUST(!udrv_dma_mapping_error(other, addr));
		MUST(udrv_bus_to_virt(addr) == memory);
		udrv_dma_unmap_single(other, addr, 100, UDRV_DMA_TO_DEVICE);
		inc(laps);
	}
	return NULL;
}

/* One that it maps just then is either in time, or has a mapping of its own. */
START_TEST(a_device_goes_while_another_one_uses_its_memory)
{
	struct udrv_device *other = NULL;

	fake_pci_device(OTHER, 0x1234, 0x11e8, "vfio-pci", FAKE_GROUP);
	(void)fake_vfio_add(OTHER, FAKE_GROUP);
	ck_assert_int_eq(udrv_device_open(OTHER, NULL, &other), 0);
	fault_log_clear();
	for (int i = 0; i < 50; i++) {
		pthread_t thread;

		MUST(!enter(0, 16));
		set(laps, 0);
		set(done, false);
		thread = start(map_and_unmap, other);
		until(get(laps) >= 10);
		udrv_device_close(dev);
		dev = NULL;
		set(done, true);
		finish(thread);
		/* It is the other one's if a buffer was mapped. */
		(void)udrv_dma_unregister(other, memory, ALL);
		MUST(!fake_vfio.mapping_count);
		fake_vfio_lines_clear();
		MUST(!udrv_device_open(NAME, NULL, &dev));
	}
	ck_assert(!fault_logged("not mapped"));
	udrv_device_close(other);
}
END_TEST

static void *ask_for_limits(void *arg)
{
	while (!get(done)) {
		MUST(udrv_dma_max_mapping_size(dev) > PAGE);
		MUST(!udrv_dma_set_mask(dev, UDRV_DMA_BIT_MASK(32)));
		inc(laps);
	}
	return arg;
}

/* Its addresses are taken from what the domain has. */
START_TEST(a_device_comes_while_another_one_asks_what_there_is)
{
	pthread_t thread;

	fake_pci_device(OTHER, 0x1234, 0x11e8, "vfio-pci", FAKE_GROUP);
	(void)fake_vfio_add(OTHER, FAKE_GROUP);
	done = false;
	thread = start(ask_for_limits, NULL);
	for (int i = 0; i < 20; i++) {
		const unsigned int since = get(laps);
		struct udrv_device *other = NULL;

		until(get(laps) - since >= 10);
		MUST(!udrv_device_open(OTHER, NULL, &other));
		udrv_device_close(other);
		fake_vfio_lines_clear();
	}
	set(done, true);
	finish(thread);
}
END_TEST

START_TEST(shared_memory_of_a_file)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	char *shared;
	char *again;

	ck_assert_int_eq(ftruncate(fd, ALL), 0);
	shared = mmap(NULL, ALL, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	again = mmap(NULL, ALL, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_int_eq(udrv_dma_register(dev, shared, ALL, UDRV_DMA_BIDIRECTIONAL), 0);
	ck_assert_int_eq(udrv_dma_register(dev, again, ALL, UDRV_DMA_BIDIRECTIONAL), 0);
	ck_assert_uint_ne(udrv_virt_to_bus(shared), udrv_virt_to_bus(again));
	ck_assert_int_eq(udrv_dma_unregister(dev, shared, ALL), 0);
	ck_assert_int_eq(udrv_dma_unregister(dev, again, ALL), 0);
	munmap(shared, ALL);
	munmap(again, ALL);
	close(fd);
}
END_TEST

/* Congruent addresses: an IOMMU can use its large pages. */
START_TEST(large_memory_is_placed_for_large_pages)
{
	size_t len = (size_t)6 << 20;
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_int_eq(udrv_dma_register(dev, p, len, UDRV_DMA_BIDIRECTIONAL), 0);
	ck_assert_uint_eq(udrv_virt_to_bus(p) % (2u << 20), (uintptr_t)p % (2u << 20));
	ck_assert_int_eq(udrv_dma_unregister(dev, p, len), 0);
	munmap(p, len);
}
END_TEST

START_TEST(closing_unregisters)
{
	ck_assert_int_eq(enter(0, 3), 0);
	ck_assert_int_eq(enter(2, 9), 0);
	(void)map(2 * PAGE, 5);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("dma_register");
	TCase *tc = tcase_create("register");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, buffers_inside_are_looked_up);
	tcase_add_test(tc, memory_in_use_does_not_go);
	tcase_add_test(tc, neighbours);
	tcase_add_test(tc, overlaps);
	tcase_add_test(tc, direction_of_the_registration_holds);
	tcase_add_test(tc, the_mask_holds);
	tcase_add_test(tc, bad_arguments);
	tcase_add_test(tc, two_devices_share_memory);
	tcase_add_test(tc, a_device_that_goes_leaves_what_another_one_uses);
	tcase_add_test(tc, a_device_goes_while_another_one_uses_its_memory);
	tcase_add_test(tc, a_device_comes_while_another_one_asks_what_there_is);
	tcase_add_test(tc, shared_memory_of_a_file);
	tcase_add_test(tc, large_memory_is_placed_for_large_pages);
	tcase_add_test(tc, closing_unregisters);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
