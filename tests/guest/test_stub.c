// SPDX-License-Identifier: MIT
/*
 * kernel/udrv_stub.c as a user sees it: what it grants, what it refuses, and what is left when
 * users or the device go. Runs in the lab, as root, with an edu device whose address is the first
 * in UDRV_LAB_DEVICES; the module is loaded.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../kernel/uapi/udrv_stub.h"
#include "edu_regs.h"
#include "support/suite.h"

#define PAGE	   4096u
#define EDU_BYTES  (1u << 20)
#define WAIT_MS	   60000
#define DMA_MASK   ((UINT64_C(1) << EDU_DMA_BITS) - 1)
#define OFFSET(r)  ((off_t)UDRV_STUB_OFFSET(r))
#define COMMAND	   4
#define MASTER	   4u
#define PATH_BYTES 128

static char edu[32], node[64];

/* Devices and drivers ------------------------------------------------------------------------- */

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static bool bound(void)
{
	char path[PATH_BYTES];

	(void)snprintf(path, sizeof(path), "/sys/bus/pci/drivers/udrv_stub/%s", edu);
	return !access(path, F_OK);
}

static void bind(void)
{
	char path[PATH_BYTES];

	(void)snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override", edu);
	ck_assert_int_eq(write_text(path, "udrv_stub"), 0);
	(void)write_text("/sys/bus/pci/drivers_probe", edu);
	ck_assert(bound());
}

static void unbind(void)
{
	ck_assert_int_eq(write_text("/sys/bus/pci/drivers/udrv_stub/unbind", edu), 0);
	ck_assert(!bound());
}

static void setup(void)
{
	if (!bound())
		bind();
}

static unsigned int command_register(void)
{
	char path[PATH_BYTES];
	uint16_t command = 0;
	int fd;

	(void)snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", edu);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(pread(fd, &command, 2, COMMAND), 2);
	close(fd);
	return command;
}

/* One user ------------------------------------------------------------------------------------ */

static int open_node(void)
{
	int fd = open(node, O_RDWR | O_CLOEXEC);

	ck_assert_msg(fd >= 0, "%s: %s", node, strerror(errno));
	return fd;
}

static int call(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

static int read_info(int fd, struct udrv_stub_info *info)
{
	memset(info, 0, sizeof(*info));
	info->abi = UDRV_STUB_ABI;
	return call(fd, UDRV_STUB_INFO, info);
}

static volatile uint32_t *map_bar(int fd)
{
	void *p = mmap(NULL, EDU_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	ck_assert_msg(p != MAP_FAILED, "%s", strerror(errno));
	return p;
}

static void unmap_bar(volatile uint32_t *regs)
{
	ck_assert_int_eq(munmap((void *)(uintptr_t)regs, EDU_BYTES), 0);
}

static uint32_t get(volatile uint32_t *regs, unsigned int offset)
{
	return regs[offset / 4];
}

static void put(volatile uint32_t *regs, unsigned int offset, uint32_t val)
{
	regs[offset / 4] = val;
}

static void put64(volatile uint32_t *regs, unsigned int offset, uint64_t val)
{
	*(volatile uint64_t *)((volatile char *)regs + offset) = val;
}

static int set_irqs(int fd, uint32_t type, const int32_t *fds, uint32_t count)
{
	struct udrv_stub_irqs irqs = {
		.abi = UDRV_STUB_ABI, .type = type, .count = count, .fds = (uintptr_t)fds};
	int ret = ioctl(fd, UDRV_STUB_SET_IRQS, &irqs);

	return ret < 0 ? -errno : ret;
}

static int mask(int fd, uint32_t vector, uint32_t on)
{
	struct udrv_stub_mask m = {.abi = UDRV_STUB_ABI, .vector = vector, .mask = on};

	return call(fd, UDRV_STUB_MASK, &m);
}

static int set_master(int fd, bool on)
{
	uint16_t command = on ? MASTER : 0;

	return pwrite(fd, &command, 2, OFFSET(UDRV_STUB_REGION_CONFIG) + COMMAND) == 2 ? 0 : -errno;
}

/* Signals of an eventfd; 0 if none came in time. */
static uint64_t signals(int efd, int ms)
{
	struct pollfd p = {.fd = efd, .events = POLLIN};
	uint64_t count = 0;

	if (poll(&p, 1, ms) == 1)
		ck_assert_int_eq(read(efd, &count, sizeof(count)), sizeof(count));
	return count;
}

static int dma_alloc(int fd, uint64_t size, struct udrv_stub_dma_alloc *alloc)
{
	*alloc = (struct udrv_stub_dma_alloc){.abi = UDRV_STUB_ABI, .size = size, .mask = DMA_MASK};
	return call(fd, UDRV_STUB_DMA_ALLOC, alloc);
}

static int dma_free(int fd, uint64_t handle)
{
	struct udrv_stub_dma_free f = {.abi = UDRV_STUB_ABI, .handle = handle};

	return call(fd, UDRV_STUB_DMA_FREE, &f);
}

static char *map_dma(int fd, const struct udrv_stub_dma_alloc *alloc)
{
	void *p = mmap(NULL, alloc->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		       (off_t)alloc->map_offset);

	ck_assert_msg(p != MAP_FAILED, "%s", strerror(errno));
	return p;
}

/* Waits for the device, which takes 100 ms. */
static void copy(volatile uint32_t *regs, uint64_t src, uint64_t dst, uint32_t flags)
{
	put64(regs, EDU_DMA_SRC, src);
	put64(regs, EDU_DMA_DST, dst);
	put64(regs, EDU_DMA_COUNT, 1024);
	put64(regs, EDU_DMA_COMMAND, EDU_DMA_RUN | flags);
	while (get(regs, EDU_DMA_COMMAND) & EDU_DMA_RUN)
		;
}

/* What it is ---------------------------------------------------------------------------------- */

START_TEST(the_device_is_described)
{
	struct udrv_stub_info info;
	int fd = open_node();

	ck_assert_int_eq(read_info(fd, &info), 0);
	ck_assert_uint_eq(info.irq_counts[UDRV_STUB_INTX], 1);
	ck_assert_uint_eq(info.irq_counts[UDRV_STUB_MSI], 1);
	ck_assert_uint_eq(info.irq_counts[UDRV_STUB_MSIX], 0);
	ck_assert_uint_eq(info.config_len, 256);
	ck_assert_uint_eq(info.bars[0].len, EDU_BYTES);
	ck_assert_uint_eq(info.bars[0].flags, UDRV_STUB_BAR_MEM | UDRV_STUB_BAR_MMAP);
	ck_assert_uint_eq(info.bars[0].hole_len, 0);
	ck_assert_uint_eq(info.bars[1].len, 0);
	ck_assert_uint_eq(info.users, 1);
	ck_assert_uint_eq(info.vectors_len, PAGE);
	ck_assert_uint_ne(info.counter_khz, 0);
	ck_assert_uint_eq(!!(info.flags & UDRV_STUB_TRANSLATED),
			  strcmp(getenv("UDRV_LAB_IOMMU"), "none") != 0);
	ck_assert(!(info.flags & UDRV_STUB_CAN_RESET));
	close(fd);
}
END_TEST

static bool in_file(const char *path, const char *words)
{
	char *line = NULL;
	size_t room = 0;
	bool found = false;
	FILE *f = fopen(path, "re");

	while (f && !found && getline(&line, &room, f) > 0)
		found = strstr(line, words);
	free(line);
	if (f)
		(void)fclose(f);
	return found;
}

START_TEST(its_regions_have_the_drivers_name)
{
	ck_assert(in_file("/proc/iomem", ": udrv_stub"));
	unbind();
	ck_assert(!in_file("/proc/iomem", ": udrv_stub"));
	bind();
}
END_TEST

START_TEST(wrong_arguments_are_refused)
{
	static const unsigned long requests[] = {
		UDRV_STUB_INFO,	     UDRV_STUB_SET_IRQS,  UDRV_STUB_MASK,
		UDRV_STUB_SET_EVENT, UDRV_STUB_DMA_ALLOC, UDRV_STUB_DMA_MAP,
		UDRV_STUB_DMA_FREE,  UDRV_STUB_CLAIM,	  UDRV_STUB_RELEASE,
	};
	unsigned char arg[512] = {0};
	int fd = open_node();

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		/* abi 0, then a byte too many in the last field, which is reserved or out */
		ck_assert_int_eq(call(fd, requests[i], arg), -EINVAL);
		ck_assert_int_eq(call(fd, requests[i], NULL), -EFAULT);
	}
	arg[0] = UDRV_STUB_ABI;
	arg[sizeof(struct udrv_stub_info) - 1] = 1;
	ck_assert_int_eq(call(fd, UDRV_STUB_INFO, arg), -EINVAL);
	ck_assert_int_eq(call(fd, _IO('u', 0xff), arg), -ENOTTY);
	close(fd);
}
END_TEST

/* Interrupts ---------------------------------------------------------------------------------- */

START_TEST(each_interrupt_signals_its_eventfd_and_is_counted)
{
	uint32_t type = _i ? UDRV_STUB_MSI : UDRV_STUB_INTX;
	const struct udrv_stub_vector *page;
	uint64_t last_stamp = 0;
	volatile uint32_t *regs;
	int fd = open_node();
	int32_t efd = eventfd(0, EFD_CLOEXEC);

	regs = map_bar(fd);
	page = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, OFFSET(UDRV_STUB_REGION_VECTORS));
	ck_assert(page != MAP_FAILED);
	ck_assert_int_eq(set_master(fd, true), 0);
	ck_assert_int_eq(set_irqs(fd, type, &efd, 1), 0);
	for (uint64_t i = 1; i <= 200; i++) {
		uint64_t stamp;

		put(regs, EDU_IRQ_RAISE, 1);
		ck_assert_uint_eq(signals(efd, WAIT_MS), 1);
		ck_assert_uint_eq(__atomic_load_n(&page->count, __ATOMIC_ACQUIRE), i);
		stamp = __atomic_load_n(&page->stamp, __ATOMIC_RELAXED);
		ck_assert_uint_gt(stamp, last_stamp);
		last_stamp = stamp;
		put(regs, EDU_IRQ_ACK, get(regs, EDU_IRQ_STATUS));
		if (type == UDRV_STUB_INTX)
			ck_assert_int_eq(mask(fd, 0, 0), 0);
	}
	ck_assert_int_eq(set_irqs(fd, type, NULL, 0), 0);
	put(regs, EDU_IRQ_RAISE, 1);
	ck_assert_uint_eq(signals(efd, 50), 0);
	put(regs, EDU_IRQ_ACK, 1);
	unmap_bar(regs);
	close(efd);
	close(fd);
}
END_TEST

START_TEST(intx_that_is_not_acknowledged_is_told_again_at_unmask)
{
	volatile uint32_t *regs;
	int fd = open_node();
	int32_t efd = eventfd(0, EFD_CLOEXEC);

	regs = map_bar(fd);
	ck_assert_int_eq(set_irqs(fd, UDRV_STUB_INTX, &efd, 1), 0);
	put(regs, EDU_IRQ_RAISE, 1);
	ck_assert_uint_eq(signals(efd, WAIT_MS), 1);
	ck_assert_uint_eq(signals(efd, 50), 0);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(mask(fd, 0, 0), 0);
		ck_assert_uint_eq(signals(efd, WAIT_MS), 1);
	}
	put(regs, EDU_IRQ_ACK, 1);
	ck_assert_int_eq(mask(fd, 0, 0), 0);
	ck_assert_uint_eq(signals(efd, 50), 0);
	unmap_bar(regs);
	close(efd);
	close(fd);
}
END_TEST

START_TEST(a_masked_vector_delivers_one_when_it_is_unmasked)
{
	volatile uint32_t *regs;
	int fd = open_node();
	int32_t efd = eventfd(0, EFD_CLOEXEC);

	regs = map_bar(fd);
	ck_assert_int_eq(set_master(fd, true), 0);
	ck_assert_int_eq(set_irqs(fd, UDRV_STUB_MSI, &efd, 1), 0);
	ck_assert_int_eq(mask(fd, 1, 1), -EINVAL);
	ck_assert_int_eq(mask(fd, 0, 1), 0);
	for (int i = 0; i < 3; i++) {
		put(regs, EDU_IRQ_RAISE, 1);
		put(regs, EDU_IRQ_ACK, 1);
	}
	ck_assert_uint_eq(signals(efd, 50), 0);
	ck_assert_int_eq(mask(fd, 0, 0), 0);
	ck_assert_uint_eq(signals(efd, WAIT_MS), 1);
	unmap_bar(regs);
	close(efd);
	close(fd);
}
END_TEST

START_TEST(one_file_at_a_time_has_the_interrupts)
{
	int32_t efd = eventfd(0, EFD_CLOEXEC), bad = 0;
	int one = open_node(), other = open_node();

	ck_assert_int_eq(set_irqs(one, UDRV_STUB_MSI, &efd, 1), 0);
	ck_assert_int_eq(set_irqs(other, UDRV_STUB_MSI, &efd, 1), -EBUSY);
	ck_assert_int_eq(set_irqs(other, UDRV_STUB_MSI, NULL, 0), -EBUSY);
	ck_assert_int_eq(mask(other, 0, 1), -EINVAL);
	ck_assert_int_eq(set_irqs(one, UDRV_STUB_MSIX, &efd, 1), -ENOSPC);
	close(one);
	ck_assert_int_eq(set_irqs(other, UDRV_STUB_INTX, &efd, 1), 0);
	ck_assert_int_eq(set_irqs(other, UDRV_STUB_INTX, &bad, 1), -EINVAL);
	bad = 999;
	ck_assert_int_eq(set_irqs(other, UDRV_STUB_INTX, &bad, 1), -EBADF);
	close(other);
	close(efd);
}
END_TEST

START_TEST(fewer_vectors_than_wanted_is_a_number)
{
	int32_t fds[4] = {-1, -1, -1, -1};
	int fd = open_node();

	ck_assert_int_eq(set_irqs(fd, UDRV_STUB_MSI, fds, 4), 1);
	ck_assert_int_eq(mask(fd, 0, 1), -EINVAL);
	close(fd);
}
END_TEST

/* DMA ----------------------------------------------------------------------------------------- */

START_TEST(the_device_reaches_dma_memory)
{
	struct udrv_stub_dma_alloc alloc;
	volatile uint32_t *regs;
	int fd = open_node();
	char *p;

	regs = map_bar(fd);
	ck_assert_int_eq(dma_alloc(fd, 16 * PAGE, &alloc), 0);
	ck_assert_uint_eq(alloc.bus & (PAGE - 1), 0);
	ck_assert_uint_le(alloc.bus + alloc.size - 1, DMA_MASK);
	p = map_dma(fd, &alloc);
	for (unsigned int i = 0; i < 16 * PAGE; i++)
		ck_assert_int_eq(p[i], 0);
	for (unsigned int i = 0; i < 1024; i++)
		p[i] = (char)(i * 7);
	ck_assert_int_eq(set_master(fd, true), 0);
	copy(regs, alloc.bus, EDU_BUFFER, 0);
	copy(regs, EDU_BUFFER, alloc.bus + 9 * PAGE + 16, EDU_DMA_FROM_EDU);
	ck_assert_mem_eq(p, p + 9 * PAGE + 16, 1024);
	ck_assert_int_eq(p[9 * PAGE + 15], 0);
	ck_assert_int_eq(p[9 * PAGE + 16 + 1024], 0);
	ck_assert_int_eq(dma_free(fd, alloc.map_offset), -EBUSY);
	ck_assert_int_eq(munmap(p, alloc.size), 0);
	ck_assert_int_eq(dma_free(fd, alloc.map_offset), 0);
	ck_assert_int_eq(dma_free(fd, alloc.map_offset), -ENOENT);
	unmap_bar(regs);
	close(fd);
}
END_TEST

START_TEST(without_bus_mastering_nothing_is_written)
{
	struct udrv_stub_dma_alloc alloc;
	volatile uint32_t *regs;
	int fd = open_node();
	char *p;

	regs = map_bar(fd);
	ck_assert_int_eq(dma_alloc(fd, PAGE, &alloc), 0);
	p = map_dma(fd, &alloc);
	memset(p, 0x5a, PAGE);
	copy(regs, EDU_BUFFER, alloc.bus, EDU_DMA_FROM_EDU);
	for (unsigned int i = 0; i < PAGE; i++)
		ck_assert_int_eq(p[i], 0x5a);
	munmap(p, PAGE);
	unmap_bar(regs);
	close(fd);
}
END_TEST

START_TEST(memory_is_only_its_owners)
{
	struct udrv_stub_dma_alloc alloc;
	int one = open_node(), other = open_node();

	ck_assert_int_eq(dma_alloc(one, PAGE, &alloc), 0);
	ck_assert_int_eq(dma_free(other, alloc.map_offset), -ENOENT);
	ck_assert_ptr_eq(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, other, (off_t)alloc.map_offset),
			 MAP_FAILED);
	ck_assert_ptr_eq(mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, one, (off_t)alloc.map_offset),
			 MAP_FAILED);
	ck_assert_ptr_eq(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, one, (off_t)alloc.map_offset),
			 MAP_FAILED);
	close(one);
	close(other);
}
END_TEST

START_TEST(what_cannot_be_had_is_refused)
{
	static const struct {
		uint64_t size, mask;
		int ret;
	} cases[] = {
		{0, DMA_MASK, -EINVAL},
		{100, DMA_MASK, -EINVAL},
		{PAGE, 0, -EINVAL},
		{PAGE, DMA_MASK - 1, -EINVAL},
		{PAGE, 0xff, -EINVAL},
		{UINT64_MAX - PAGE + 1, UINT64_MAX, -ENOMEM},
		{UINT64_C(1) << 40, UINT64_MAX, -ENOMEM},
	};
	int fd = open_node();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct udrv_stub_dma_alloc a = {
			.abi = UDRV_STUB_ABI, .size = cases[i].size, .mask = cases[i].mask};

		ck_assert_msg(call(fd, UDRV_STUB_DMA_ALLOC, &a) == cases[i].ret, "case %zu", i);
		ck_assert_uint_eq(a.bus, 0);
	}
	close(fd);
}
END_TEST

static int dma_map(int fd, void *p, uint64_t size, uint32_t direction,
		   struct udrv_stub_dma_map *map)
{
	*map = (struct udrv_stub_dma_map){.abi = UDRV_STUB_ABI,
					  .direction = direction,
					  .addr = (uintptr_t)p,
					  .size = size,
					  .mask = DMA_MASK};
	return call(fd, UDRV_STUB_DMA_MAP, map);
}

START_TEST(the_device_reaches_pinned_pages)
{
	struct udrv_stub_dma_map map;
	struct udrv_stub_info info;
	volatile uint32_t *regs;
	int fd = open_node();
	char *p = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	regs = map_bar(fd);
	memset(p, 0x11, 64 * PAGE);
	ck_assert_int_eq(read_info(fd, &info), 0);
	if (!(info.flags & UDRV_STUB_TRANSLATED)) {
		/* edu cannot be reset. */
		ck_assert_int_eq(dma_map(fd, p, PAGE, UDRV_STUB_FROM_DEVICE, &map), -EOPNOTSUPP);
	} else {
		ck_assert_int_eq(dma_map(fd, p, 64 * PAGE, 0, &map), -EINVAL);
		ck_assert_int_eq(dma_map(fd, p + 1, PAGE, UDRV_STUB_FROM_DEVICE, &map), -EINVAL);
		ck_assert_int_eq(dma_map(fd, NULL, PAGE, UDRV_STUB_FROM_DEVICE, &map), -EFAULT);
		ck_assert_int_eq(dma_map(fd, p, 64 * PAGE, UDRV_STUB_FROM_DEVICE, &map), 0);
		ck_assert_int_eq(set_master(fd, true), 0);
		copy(regs, EDU_BUFFER, map.bus + 63 * PAGE, EDU_DMA_FROM_EDU);
		ck_assert_int_eq(p[63 * PAGE - 1], 0x11);
		ck_assert_int_ne(p[63 * PAGE], 0x11);
		ck_assert_int_eq(p[63 * PAGE + 1024], 0x11);
		ck_assert_int_eq(dma_free(fd, map.handle), 0);
	}
	munmap(p, 64 * PAGE);
	unmap_bar(regs);
	close(fd);
}
END_TEST

/* Claims -------------------------------------------------------------------------------------- */

static int claim(int fd, unsigned long request, uint64_t offset, uint64_t len, const char *name,
		 struct udrv_stub_claim *c)
{
	*c = (struct udrv_stub_claim){.abi = UDRV_STUB_ABI, .offset = offset, .len = len};
	if (request == UDRV_STUB_CLAIM)
		(void)snprintf(c->name, sizeof(c->name), "%s", name);
	return call(fd, request, c);
}

START_TEST(a_range_is_one_claimants)
{
	struct udrv_stub_claim c;
	char path[PATH_BYTES];
	int one = open_node(), other = open_node();

	(void)snprintf(path, sizeof(path), "/sys/class/udrv_stub/udrv_stub-%s/claims", edu);
	ck_assert_int_eq(claim(one, UDRV_STUB_CLAIM, 0x100, 0x100, "first one", &c), 0);
	ck_assert_int_eq(claim(other, UDRV_STUB_CLAIM, 0x1ff, 1, "x", &c), -EBUSY);
	ck_assert_str_eq(c.holder, "first one");
	ck_assert_int_eq(c.holder_pid, getpid());
	ck_assert_int_eq(claim(one, UDRV_STUB_CLAIM, 0, 0x101, "x", &c), -EBUSY);
	ck_assert_int_eq(claim(other, UDRV_STUB_CLAIM, 0x200, 4, "behind", &c), 0);
	ck_assert_int_eq(claim(other, UDRV_STUB_CLAIM, 0, 0x100, "before", &c), 0);
	ck_assert(in_file(path, "0 0x100 0x100 "));
	ck_assert(in_file(path, " first one"));
	ck_assert_int_eq(claim(other, UDRV_STUB_RELEASE, 0x100, 0x100, "", &c), -ENOENT);
	ck_assert_int_eq(claim(one, UDRV_STUB_RELEASE, 0x100, 0x80, "", &c), -ENOENT);
	ck_assert_int_eq(claim(one, UDRV_STUB_RELEASE, 0x100, 0x100, "", &c), 0);
	ck_assert_int_eq(claim(other, UDRV_STUB_CLAIM, 0x100, 0x100, "second", &c), 0);
	close(other);
	ck_assert(!in_file(path, "0x"));
	ck_assert_int_eq(claim(one, UDRV_STUB_CLAIM, EDU_BYTES - 4, 8, "x", &c), -EINVAL);
	ck_assert_int_eq(claim(one, UDRV_STUB_CLAIM, 4, UINT64_MAX, "x", &c), -EINVAL);
	ck_assert_int_eq(claim(one, UDRV_STUB_CLAIM, 4, 0, "x", &c), -EINVAL);
	ck_assert_int_eq(claim(one, UDRV_STUB_CLAIM, 4, 4, "", &c), -EINVAL);
	ck_assert_int_eq(claim(one, UDRV_STUB_CLAIM, 4, 4, "a\nb", &c), -EINVAL);
	close(one);
}
END_TEST

/* Registers ----------------------------------------------------------------------------------- */

START_TEST(registers_are_read_and_written_by_calls_too)
{
	uint32_t val = 0x12345678, got = 0;
	uint64_t eight = 0;
	int fd = open_node();

	ck_assert_int_eq(pwrite(fd, &val, 4, EDU_LIVENESS), 4);
	ck_assert_int_eq(pread(fd, &got, 4, EDU_LIVENESS), 4);
	ck_assert_uint_eq(got, ~val);
	ck_assert_int_eq(pread(fd, &eight, 8, EDU_DMA_SRC), 8);
	ck_assert_int_eq(pread(fd, &got, 4, 2), -1);
	ck_assert_int_eq(pread(fd, &got, 3, 0), -1);
	ck_assert_int_eq(pread(fd, &got, 4, EDU_BYTES), -1);
	ck_assert_int_eq(pread(fd, &got, 4, OFFSET(1)), -1);
	ck_assert_int_eq(pread(fd, &got, 4, OFFSET(UDRV_STUB_REGION_VECTORS)), -1);
	ck_assert_int_eq(pread(fd, &got, 4, OFFSET(UDRV_STUB_REGION_CONFIG) + 256), -1);
	close(fd);
}
END_TEST

START_TEST(configuration_space_is_guarded)
{
	off_t config = OFFSET(UDRV_STUB_REGION_CONFIG);
	uint32_t val = 0;
	int fd = open_node();

	ck_assert_int_eq(pread(fd, &val, 4, config), 4);
	ck_assert_uint_eq(val, 0x11e81234);
	val = 0;
	ck_assert_int_eq(pwrite(fd, &val, 2, config + COMMAND), 2);
	ck_assert_uint_eq(command_register() & 6, 2); /* memory stays on */
	val = 0xffff;
	ck_assert_int_eq(pwrite(fd, &val, 2, config + COMMAND), 2);
	ck_assert_uint_eq(command_register() & 0x406, 0x406);
	ck_assert_int_eq(pwrite(fd, &val, 4, config + 0x10), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(pwrite(fd, &val, 4, config + 0x40), -1); /* edu's MSI capability */
	ck_assert_int_eq(errno, EPERM);
	close(fd);
}
END_TEST

START_TEST(no_more_is_mapped_than_there_is)
{
	int prot = PROT_READ | PROT_WRITE;
	int fd = open_node();

	ck_assert_ptr_eq(mmap(NULL, EDU_BYTES + PAGE, prot, MAP_SHARED, fd, 0), MAP_FAILED);
	ck_assert_ptr_eq(mmap(NULL, EDU_BYTES, prot, MAP_SHARED, fd, PAGE), MAP_FAILED);
	ck_assert_ptr_eq(mmap(NULL, PAGE, prot, MAP_SHARED, fd, EDU_BYTES), MAP_FAILED);
	ck_assert_ptr_eq(mmap(NULL, PAGE, prot, MAP_PRIVATE, fd, 0), MAP_FAILED);
	ck_assert_ptr_eq(mmap(NULL, PAGE, prot, MAP_SHARED, fd, OFFSET(1)), MAP_FAILED);
	ck_assert_ptr_eq(mmap(NULL, PAGE, prot, MAP_SHARED, fd, OFFSET(UDRV_STUB_REGION_CONFIG)),
			 MAP_FAILED);
	ck_assert_ptr_eq(mmap(NULL, PAGE, prot, MAP_SHARED, fd, OFFSET(UDRV_STUB_REGION_VECTORS)),
			 MAP_FAILED);
	/* Not prefetchable. */
	ck_assert_ptr_eq(mmap(NULL, PAGE, prot, MAP_SHARED, fd, OFFSET(UDRV_STUB_REGION_BAR_WC(0))),
			 MAP_FAILED);
	close(fd);
}
END_TEST

/* Ends ---------------------------------------------------------------------------------------- */

START_TEST(the_last_close_leaves_the_device_quiet)
{
	struct udrv_stub_dma_alloc alloc;
	int one = open_node(), other = open_node();

	ck_assert_int_eq(set_master(one, true), 0);
	ck_assert_int_eq(dma_alloc(one, PAGE, &alloc), 0);
	ck_assert(command_register() & MASTER);
	close(one);
	ck_assert(command_register() & MASTER);
	close(other);
	ck_assert(!(command_register() & MASTER));
	one = open_node();
	ck_assert(!(command_register() & MASTER));
	close(one);
}
END_TEST

static sigjmp_buf fault;

static void on_fault(int sig)
{
	siglongjmp(fault, sig);
}

/* The signal that reading the register gives, 0: none. */
static int read_faults(volatile uint32_t *regs)
{
	int sig = sigsetjmp(fault, 1);

	if (!sig)
		(void)get(regs, EDU_ID);
	return sig;
}

static int set_event(int fd, uint32_t event, int efd)
{
	struct udrv_stub_event e = {.abi = UDRV_STUB_ABI, .event = event, .fd = efd};

	return call(fd, UDRV_STUB_SET_EVENT, &e);
}

START_TEST(when_the_device_goes_users_are_told_and_keep_their_memory)
{
	struct udrv_stub_dma_alloc alloc;
	struct udrv_stub_claim c;
	struct udrv_stub_info info;
	const struct udrv_stub_vector *page;
	volatile uint32_t *regs;
	int32_t efd = eventfd(0, EFD_CLOEXEC);
	int event = eventfd(0, EFD_CLOEXEC), fd = open_node();
	char *p;

	(void)signal(SIGBUS, on_fault);
	regs = map_bar(fd);
	page = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, OFFSET(UDRV_STUB_REGION_VECTORS));
	ck_assert_int_eq(set_event(fd, UDRV_STUB_EVENT_REQUEST, event), 0);
	ck_assert_int_eq(set_master(fd, true), 0);
	ck_assert_int_eq(set_irqs(fd, UDRV_STUB_MSI, &efd, 1), 0);
	ck_assert_int_eq(claim(fd, UDRV_STUB_CLAIM, 0, 4, "mine", &c), 0);
	put(regs, EDU_IRQ_RAISE, 1);
	ck_assert_uint_eq(signals(efd, WAIT_MS), 1);
	ck_assert_int_eq(dma_alloc(fd, 4 * PAGE, &alloc), 0);
	p = map_dma(fd, &alloc);
	memset(p, 0x42, 4 * PAGE);

	unbind();
	ck_assert_uint_eq(signals(event, WAIT_MS), 1);
	ck_assert_int_eq(read_info(fd, &info), -ENODEV);
	ck_assert_int_eq(set_irqs(fd, UDRV_STUB_MSI, &efd, 1), -ENODEV);
	ck_assert_int_eq(dma_alloc(fd, PAGE, &alloc), -ENODEV);
	ck_assert_int_eq(read_faults(regs), SIGBUS);
	ck_assert_uint_eq(page->count, 1);
	for (unsigned int i = 0; i < 4 * PAGE; i++)
		ck_assert_int_eq(p[i], 0x42);
	memset(p, 0x43, 4 * PAGE);
	ck_assert_int_eq(p[3 * PAGE + 7], 0x43);
	ck_assert_int_eq(open(node, O_RDWR), -1);

	/* The same device again, while the old file is still open. */
	bind();
	close(open_node());
	ck_assert_int_eq(read_info(fd, &info), -ENODEV);
	munmap(p, 4 * PAGE);
	unmap_bar(regs);
	close(fd);
	close(efd);
	close(event);
}
END_TEST

START_TEST(the_module_stays_while_it_is_in_use)
{
	int fd = open_node();

	ck_assert_int_eq(syscall(SYS_delete_module, "udrv_stub", O_NONBLOCK), -1);
	ck_assert_int_eq(errno, EWOULDBLOCK);
	unbind();
	ck_assert_int_eq(syscall(SYS_delete_module, "udrv_stub", O_NONBLOCK), -1);
	close(fd);
	bind();
}
END_TEST

START_TEST(a_killed_user_leaves_nothing)
{
	struct udrv_stub_info info;
	struct udrv_stub_claim c;
	int pipe_fds[2], status, fd;
	char byte;
	pid_t child;

	ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
	child = fork();
	if (!child) {
		struct udrv_stub_dma_alloc alloc;
		int32_t efd = eventfd(0, EFD_CLOEXEC);
		int mine = open(node, O_RDWR);

		(void)set_master(mine, true);
		(void)dma_alloc(mine, 16 * PAGE, &alloc);
		memset(map_dma(mine, &alloc), 1, alloc.size);
		(void)set_irqs(mine, UDRV_STUB_MSI, &efd, 1);
		(void)claim(mine, UDRV_STUB_CLAIM, 0, 4, "child", &c);
		(void)!write(pipe_fds[1], "", 1);
		for (;;)
			pause();
	}
	ck_assert_int_eq(read(pipe_fds[0], &byte, 1), 1);
	fd = open_node();
	ck_assert_int_eq(claim(fd, UDRV_STUB_CLAIM, 0, 4, "parent", &c), -EBUSY);
	ck_assert_str_eq(c.holder, "child");
	ck_assert_int_eq(c.holder_pid, child);
	close(fd);
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	fd = open_node();
	ck_assert(!(command_register() & MASTER));
	ck_assert_int_eq(read_info(fd, &info), 0);
	ck_assert_uint_eq(info.users, 1);
	ck_assert_int_eq(claim(fd, UDRV_STUB_CLAIM, 0, 4, "parent", &c), 0);
	close(fd);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}
END_TEST

/* UIO ----------------------------------------------------------------------------------------- */

static int open_uio(void)
{
	struct udrv_stub_info info;
	char path[32];
	int control = open_node(), fd;

	ck_assert_int_eq(read_info(control, &info), 0);
	close(control);
	(void)snprintf(path, sizeof(path), "/dev/uio%u", info.uio);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}

START_TEST(a_plain_uio_program_gets_intx)
{
	int32_t on = 1, off = 0, count = 0;
	volatile uint32_t *regs;
	int fd = open_uio();

	regs = map_bar(fd);
	for (int32_t i = 1; i <= 100; i++) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int32_t last = count;

		ck_assert_int_eq(write(fd, &on, sizeof(on)), sizeof(on));
		put(regs, EDU_IRQ_RAISE, 1);
		ck_assert_int_eq(poll(&p, 1, WAIT_MS), 1);
		ck_assert_int_eq(read(fd, &count, sizeof(count)), sizeof(count));
		ck_assert(i == 1 || count == last + 1);
		put(regs, EDU_IRQ_ACK, 1);
	}
	ck_assert_int_eq(write(fd, &on, sizeof(on)), sizeof(on));
	ck_assert_int_eq(write(fd, &off, sizeof(off)), sizeof(off));
	put(regs, EDU_IRQ_RAISE, 1);
	ck_assert_int_eq(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 50), 0);
	put(regs, EDU_IRQ_ACK, 1);
	unmap_bar(regs);
	close(fd);
}
END_TEST

START_TEST(a_uio_mapping_ends_with_the_device)
{
	volatile uint32_t *regs;
	int fd = open_uio();
	int32_t count;

	(void)signal(SIGBUS, on_fault);
	regs = map_bar(fd);
	ck_assert_uint_eq(get(regs, EDU_ID) & EDU_ID_MASK, EDU_ID_MAGIC);
	unbind();
	ck_assert_int_eq(read_faults(regs), SIGBUS);
	ck_assert_int_eq(read(fd, &count, sizeof(count)), -1);
	ck_assert_int_eq(errno, EIO);
	bind();
	unmap_bar(regs);
	close(fd);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("stub");
	TCase *tc = tcase_create("stub");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, the_device_is_described);
	tcase_add_test(tc, its_regions_have_the_drivers_name);
	tcase_add_test(tc, wrong_arguments_are_refused);
	tcase_add_loop_test(tc, each_interrupt_signals_its_eventfd_and_is_counted, 0, 2);
	tcase_add_test(tc, intx_that_is_not_acknowledged_is_told_again_at_unmask);
	tcase_add_test(tc, a_masked_vector_delivers_one_when_it_is_unmasked);
	tcase_add_test(tc, one_file_at_a_time_has_the_interrupts);
	tcase_add_test(tc, fewer_vectors_than_wanted_is_a_number);
	tcase_add_test(tc, the_device_reaches_dma_memory);
	tcase_add_test(tc, without_bus_mastering_nothing_is_written);
	tcase_add_test(tc, memory_is_only_its_owners);
	tcase_add_test(tc, what_cannot_be_had_is_refused);
	tcase_add_test(tc, the_device_reaches_pinned_pages);
	tcase_add_test(tc, a_range_is_one_claimants);
	tcase_add_test(tc, registers_are_read_and_written_by_calls_too);
	tcase_add_test(tc, configuration_space_is_guarded);
	tcase_add_test(tc, no_more_is_mapped_than_there_is);
	tcase_add_test(tc, the_last_close_leaves_the_device_quiet);
	tcase_add_test(tc, when_the_device_goes_users_are_told_and_keep_their_memory);
	tcase_add_test(tc, the_module_stays_while_it_is_in_use);
	tcase_add_test(tc, a_killed_user_leaves_nothing);
	tcase_add_test(tc, a_plain_uio_program_gets_intx);
	tcase_add_test(tc, a_uio_mapping_ends_with_the_device);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	const char *devices = getenv("UDRV_LAB_DEVICES");

	if (!devices || sscanf(devices, "%31s", edu) != 1) {
		(void)fprintf(stderr, "run in the lab: tools/lab/run --device edu -- sh "
				      "/udrv/tests/test_stub.sh\n");
		return EXIT_FAILURE;
	}
	(void)snprintf(node, sizeof(node), "/dev/udrv_stub-%s", edu);
	return run_suite(make_suite());
}
