// SPDX-License-Identifier: MIT
/* Regions of a device behind the stub: mapped, trapped, both; claims; DMA memory. */
#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <udrv/device.h>
#include <udrv/io.h>
#include <udrv/pci.h>

#include "backend/backend.h"
#include "pci/device.h"

#include "support/fake_machine.h"
#include "support/fault.h"
#include "support/suite.h"

#define NAME "0000:00:05.0"
#define PAGE 4096u
#define LEN  (1u << 20)

static struct fault_held before;
static struct udrv_device *dev;

static void setup(void)
{
	fake_stub_machine_make(NAME);
	fault_held(&before);
	dev = NULL;
}

static void teardown(void)
{
	struct fault_held now = {0};

	udrv_device_close(dev);
	ck_assert(fault_held_again(&before, &now));
	fake_stub_machine_remove();
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
	ck_assert_uint_eq(fake_stub_peek(0, 0x60, 4), 0x12345678);
	fake_stub_poke(0, LEN - 8, 0x1122334455667788, 8);
	ck_assert_uint_eq(udrv_ioread64(regs + LEN - 8), 0x1122334455667788);
	ck_assert_uint_eq(fake_stub.reads + fake_stub.writes, 0);
}
END_TEST

START_TEST(ports_are_trapped)
{
	uint8_t __udrv_iomem *ports;

	open_device();
	ports = udrv_pci_iomap(dev, 2, 0);
	ck_assert_ptr_nonnull((void *)ports);
	ck_assert(!udrv_bar_direct(ports));
	udrv_iowrite16(0xbeef, ports + 0x42);
	ck_assert_uint_eq(fake_stub_peek(2, 0x42, 2), 0xbeef);
	ck_assert_uint_eq(udrv_ioread8(ports + 0x43), 0xbe);
	ck_assert_uint_eq(fake_stub.writes, 1);
	ck_assert_uint_eq(fake_stub.reads, 1);
}
END_TEST

/* Where the MSI-X table is: at the beginning, inside, at the end, all of it. */
START_TEST(beside_the_hole_is_mapped)
{
	static const uint64_t holes[][2] = {
		{0, PAGE}, {3 * PAGE, 2 * PAGE}, {LEN - PAGE, PAGE}, {0, LEN}};
	const uint64_t first = holes[_i][0];
	const uint64_t end = first + holes[_i][1];
	uint8_t __udrv_iomem *whole;

	fake_stub.info.bars[0].hole_offset = first;
	fake_stub.info.bars[0].hole_len = end - first;
	open_device();
	whole = udrv_pci_iomap(dev, 0, 0);
	ck_assert_ptr_nonnull((void *)whole);
	ck_assert(!udrv_bar_direct(whole));
	ck_assert(!udrv_bar_direct(udrv_pci_iomap_range(dev, 0, first, 4)));
	ck_assert(!udrv_bar_direct(udrv_pci_iomap_range(dev, 0, end - 4, 4)));
	if (first) {
		ck_assert(udrv_bar_direct(udrv_pci_iomap(dev, 0, first)));
		ck_assert(!udrv_bar_direct(udrv_pci_iomap_range(dev, 0, first - 4, 8)));
	}
	if (end < LEN)
		ck_assert(udrv_bar_direct(udrv_pci_iomap_range(dev, 0, end, 0)));
	for (uint64_t at = 0; at < LEN; at += PAGE / 2) {
		udrv_iowrite32((uint32_t)at + 1, whole + at);
		ck_assert_uint_eq(fake_stub_peek(0, at, 4), at + 1);
		ck_assert_uint_eq(udrv_ioread32(whole + at), at + 1);
	}
	ck_assert_uint_eq(fake_stub.writes, (end - first) / (PAGE / 2));
	ck_assert_uint_eq(fake_stub.reads, fake_stub.writes);
}
END_TEST

START_TEST(a_hole_outside_the_bar)
{
	fake_stub.info.bars[0].hole_offset = LEN - PAGE;
	fake_stub.info.bars[0].hole_len = 2 * PAGE;
	open_device();
	ck_assert_ptr_null((void *)udrv_pci_iomap(dev, 0, 0));
	ck_assert(fault_logged("BAR 0 cannot be mapped: Protocol error"));
}
END_TEST

START_TEST(a_bar_that_is_mapped_otherwise)
{
	open_device();
	fake_stub.mmap_errno = EBUSY;
	ck_assert_ptr_null((void *)udrv_pci_iomap(dev, 0, 0));
	ck_assert(fault_logged("BAR 0 cannot be mapped: Device or resource busy"));
	fake_stub.mmap_errno = 0;
	ck_assert(udrv_bar_direct(udrv_pci_iomap(dev, 0, 0)));
}
END_TEST

START_TEST(registers_of_a_device_that_went_read_ones)
{
	uint8_t __udrv_iomem *ports;

	open_device();
	ports = udrv_pci_iomap(dev, 2, 0);
	fake_stub_remove();
	ck_assert_uint_eq(udrv_ioread32(ports), 0xffffffff);
	ck_assert(udrv_device_gone(dev));
}
END_TEST

START_TEST(claims_keep_others_out_and_name_the_holder)
{
	struct udrv__holder holder = {.pid = -1};

	open_device();
	fake_stub_claim_of("other\tdriver", 4711, 0, 0x100, 0x100);
	ck_assert_int_eq(dev->ops->claim(dev, 0, 0x1ff, 2, "mine", &holder), -EBUSY);
	ck_assert_str_eq(holder.name, "other\tdriver");
	ck_assert_int_eq(holder.pid, 4711);
	ck_assert_int_eq(dev->ops->claim(dev, 0, 0x200, 0x10, "mine", &holder), 0);
	ck_assert_int_eq(dev->ops->claim(dev, 0, 0x20f, 1, "mine again", &holder), -EBUSY);
	ck_assert_str_eq(holder.name, "mine");
	ck_assert_int_eq(holder.pid, getpid());
	dev->ops->unclaim(dev, 0, 0x200, 0x10);
	ck_assert_int_eq(dev->ops->claim(dev, 0, 0x20f, 1, "mine again", &holder), 0);
	ck_assert_int_eq(dev->ops->claim(dev, 0, LEN, 1, "beyond", &holder), -EINVAL);
}
END_TEST

/* The module takes printable names that fit. */
START_TEST(claims_under_any_name)
{
	static const char *const names[] = {"", "a\nb\x7f\xff",
					    "a name of more than thirty-one bytes!"};
	static const char *const become[] = {"?", "a?b??", "a name of more than thirty-one "};
	struct udrv__holder holder;

	open_device();
	for (unsigned int i = 0; i < 3; i++) {
		ck_assert_int_eq(dev->ops->claim(dev, 0, 8 * i, 8, names[i], &holder), 0);
		ck_assert_int_eq(dev->ops->claim(dev, 0, 8 * i, 8, "x", &holder), -EBUSY);
		ck_assert_str_eq(holder.name, become[i]);
	}
}
END_TEST

START_TEST(memory_that_the_module_gives)
{
	struct udrv__dma_block a = {0};
	struct udrv__dma_block b = {0};

	open_device();
	ck_assert_int_eq(dev->ops->dma_alloc(dev, 4 * PAGE, UINT32_MAX, &a), 0);
	ck_assert_int_eq(dev->ops->dma_alloc(dev, PAGE, UINT64_MAX, &b), 0);
	ck_assert_uint_eq(fake_stub.dma_mask, UINT64_MAX);
	ck_assert_uint_eq(a.len, 4 * PAGE);
	ck_assert_uint_eq(a.iova, 0x1000000);
	ck_assert_uint_eq(b.iova, 0x2000000);
	memset(a.va, 0x5a, a.len);
	ck_assert_uint_eq(fake_stub_peek(UDRV_STUB_REGION_DMA, 4 * PAGE - 8, 8),
			  0x5a5a5a5a5a5a5a5a);
	ck_assert_int_eq(dev->ops->dma_free(dev, &a), 0);
	ck_assert_int_eq(dev->ops->dma_free(dev, &b), 0);
	ck_assert_uint_eq(fake_stub.blocks[0].size + fake_stub.blocks[1].size, 0);
}
END_TEST

START_TEST(memory_that_cannot_be_mapped_is_given_back)
{
	struct udrv__dma_block block = {.handle = 1};

	open_device();
	fake_stub.mmap_errno = ENOMEM;
	ck_assert_int_eq(dev->ops->dma_alloc(dev, PAGE, UINT64_MAX, &block), -ENOMEM);
	fake_stub.mmap_errno = 0;
	ck_assert_uint_eq(block.handle, 1);
	ck_assert_uint_eq(fake_stub.blocks[0].size, 0);
}
END_TEST

START_TEST(memory_of_the_process)
{
	static _Alignas(4096) char page[PAGE];
	struct udrv__dma_block block = {.va = page, .len = PAGE};

	open_device();
	ck_assert_int_eq(dev->ops->dma_pin(dev, UINT32_MAX, true, false, &block), 0);
	ck_assert_uint_eq(fake_stub.blocks[0].direction, UDRV_STUB_TO_DEVICE);
	ck_assert_uint_eq(block.iova, 0x1000000);
	ck_assert_int_eq(dev->ops->dma_unpin(dev, &block), 0);
	ck_assert_int_eq(dev->ops->dma_unpin(dev, &block), -ENOENT);
	ck_assert_int_eq(dev->ops->dma_pin(dev, UINT32_MAX, true, true, &block), 0);
	ck_assert_uint_eq(fake_stub.blocks[0].direction,
			  UDRV_STUB_TO_DEVICE | UDRV_STUB_FROM_DEVICE);
	ck_assert_int_eq(dev->ops->dma_unpin(dev, &block), 0);
	fake_stub.map_errno = E2BIG;
	ck_assert_int_eq(dev->ops->dma_pin(dev, UINT32_MAX, false, true, &block), -E2BIG);
	/* Of a device that cannot be reset, without an IOMMU: other memory must do as well. */
	fake_stub.map_errno = EOPNOTSUPP;
	ck_assert_int_eq(dev->ops->dma_pin(dev, UINT32_MAX, false, true, &block), -E2BIG);
}
END_TEST

START_TEST(why_there_is_no_memory_is_told)
{
	static const struct {
		int err;
		uint32_t flags;
		const char *line;
	} why[] = {
		{EIO, 0, NAME ": no memory for DMA below the device's mask"},
		{EFAULT, 0, NAME ": no DMA memory of 8192 bytes: Bad address"},
		{ENODEV, 0, "No such device"},
		{ENOMEM, UDRV_STUB_TRANSLATED, NAME ": no 8192 bytes that are contiguous"},
	};

	for (size_t i = 0; i < sizeof(why) / sizeof(why[0]); i++) {
		fake_stub.info.flags = why[i].flags;
		open_device();
		dev->ops->dma_explain(dev, 8192, why[i].err);
		ck_assert_msg(fault_logged(why[i].line), "%s", fault_log_text());
		udrv_device_close(dev);
		dev = NULL;
	}
}
END_TEST

/* Else any number of bytes may be locked. It can be had again. */
static void use_cap_ipc_lock(bool on)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	ck_assert_int_eq((int)syscall(SYS_capget, &header, data), 0);
	data[0].effective &= ~(1u << CAP_IPC_LOCK);
	if (on)
		data[0].effective |= data[0].permitted & 1u << CAP_IPC_LOCK;
	ck_assert_int_eq((int)syscall(SYS_capset, &header, data), 0);
}

static bool explained(int err, const char *line)
{
	fault_log_clear();
	dev->ops->dma_explain(dev, 2 * PAGE, err);
	return fault_logged(line);
}

/* The module counts what it gave and pinned for the user, not what the process locked. */
START_TEST(what_counts_as_locked_is_what_the_module_gave)
{
	static const char line[] = ": cannot pin 8192 bytes for DMA: RLIMIT_MEMLOCK is 65536 "
				   "bytes, 60 KiB are locked through this device, and what the "
				   "user's other devices and processes have locked counts too; "
				   "raise it (ulimit -l 68, or LimitMEMLOCK=68K";
	static _Alignas(4096) char page[PAGE];
	struct udrv__dma_block pinned = {.va = page, .len = PAGE};
	struct udrv__dma_block given = {0};
	struct rlimit before_it;
	struct rlimit limit;

	open_device();
	ck_assert_int_eq(getrlimit(RLIMIT_MEMLOCK, &before_it), 0);
	limit = (struct rlimit){65536, before_it.rlim_max};
	ck_assert_int_eq(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
	use_cap_ipc_lock(false);
	ck_assert_int_eq(dev->ops->dma_alloc(dev, 14 * PAGE, UINT64_MAX, &given), 0);
	ck_assert(explained(ENOMEM, "no 8192 bytes that are contiguous"));
	ck_assert(fault_logged("the user's processes together"));
	ck_assert_int_eq(dev->ops->dma_pin(dev, UINT64_MAX, true, false, &pinned), 0);
	ck_assert(explained(ENOMEM, line));
	ck_assert_int_eq(dev->ops->dma_unpin(dev, &pinned), 0);
	ck_assert(explained(ENOMEM, "no 8192 bytes that are contiguous"));
	ck_assert_int_eq(dev->ops->dma_free(dev, &given), 0);
	use_cap_ipc_lock(true);
	ck_assert_int_eq(setrlimit(RLIMIT_MEMLOCK, &before_it), 0);
}
END_TEST

START_TEST(memory_of_a_device_that_went)
{
	struct udrv__dma_block block = {.handle = 1};

	open_device();
	fake_stub.mmap_errno = ENODEV;
	ck_assert_int_eq(dev->ops->dma_alloc(dev, PAGE, UINT64_MAX, &block), -ENODEV);
	ck_assert(udrv_device_gone(dev));
}
END_TEST

START_TEST(registers_of_a_device_that_went_are_not_mapped)
{
	open_device();
	fake_stub.gone = true;
	ck_assert_ptr_null(udrv_pci_iomap(dev, 0, 0));
	ck_assert(udrv_device_gone(dev));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("stub_bar");
	TCase *tc = tcase_create("bar");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_bar_that_maps_is_a_mapping);
	tcase_add_test(tc, ports_are_trapped);
	tcase_add_loop_test(tc, beside_the_hole_is_mapped, 0, 4);
	tcase_add_test(tc, a_hole_outside_the_bar);
	tcase_add_test(tc, a_bar_that_is_mapped_otherwise);
	tcase_add_test(tc, registers_of_a_device_that_went_read_ones);
	tcase_add_test(tc, claims_keep_others_out_and_name_the_holder);
	tcase_add_test(tc, claims_under_any_name);
	tcase_add_test(tc, memory_that_the_module_gives);
	tcase_add_test(tc, memory_that_cannot_be_mapped_is_given_back);
	tcase_add_test(tc, memory_of_the_process);
	tcase_add_test(tc, why_there_is_no_memory_is_told);
	tcase_add_test(tc, what_counts_as_locked_is_what_the_module_gave);
	tcase_add_test(tc, memory_of_a_device_that_went);
	tcase_add_test(tc, registers_of_a_device_that_went_are_not_mapped);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
