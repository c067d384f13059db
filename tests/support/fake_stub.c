// SPDX-License-Identifier: MIT
/* What the module checks is checked; a descriptor that is open is one that the module has. */
#include <endian.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <check.h>

#include <udrv/cycles.h>

#include "support/fake_stub.h"
#include "support/fault.h"

#define PAGE	    4096u
#define REGIONS	    (UDRV_STUB_REGION_DMA + FAKE_STUB_BLOCKS)
#define VECTORS_LEN (FAKE_STUB_VECTORS * sizeof(struct udrv_stub_vector))
#define OFFSET_MASK (UDRV_STUB_OFFSET(1) - 1)

struct fake_stub fake_stub;

/* Not memfd_create(), ...: the fake's own calls do not count. Nor close(): the code's does. */
static int open_node(void)
{
	const uint16_t enabled = htole16(PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	int fd = (int)syscall(SYS_memfd_create, "fake-stub", MFD_CLOEXEC);
	long map;

	FAULT_MUST(fd >= 0);
	FAULT_MUST(!syscall(SYS_ftruncate, fd, (off_t)UDRV_STUB_OFFSET(REGIONS)));
	map = syscall(SYS_mmap, NULL, VECTORS_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		      (off_t)UDRV_STUB_OFFSET(UDRV_STUB_REGION_VECTORS));
	FAULT_MUST(map != -1);
	FAULT_MUST(syscall(SYS_pwrite64, fd, &enabled, sizeof(enabled),
			   UDRV_STUB_OFFSET(UDRV_STUB_REGION_CONFIG) | PCI_COMMAND) == 2);
	fake_stub.vectors = (struct udrv_stub_vector *)map;
	fake_stub.fd = fd;
	return fd;
}

static bool fake_open(const char *path, int *ret)
{
	static const char prefix[] = "/dev/udrv_stub-";

	if (strncmp(path, prefix, sizeof(prefix) - 1) != 0)
		return false;
	if (fake_stub.open_errno)
		*ret = -fake_stub.open_errno;
	else if (fake_stub.gone || strcmp(path + sizeof(prefix) - 1, fake_stub.name) != 0)
		*ret = -ENOENT;
	else
		*ret = open_node();
	return true;
}

static void forget_file(void)
{
	for (int i = 0; i < FAKE_STUB_CLAIMS; i++)
		if (!fake_stub.claims[i].other)
			fake_stub.claims[i].len = 0;
	memset(fake_stub.blocks, 0, sizeof(fake_stub.blocks));
	memset(fake_stub.enabled, 0, sizeof(fake_stub.enabled));
	for (int i = 0; i < UDRV_STUB_EVENTS; i++)
		fake_stub.event_fds[i] = -1;
}

static void fake_close(int fd)
{
	if (fd < 0 || fd != fake_stub.fd)
		return;
	forget_file();
	(void)syscall(SYS_munmap, fake_stub.vectors, VECTORS_LEN);
	fake_stub.vectors = NULL;
	fake_stub.fd = -1;
}

static int get_info(struct udrv_stub_info *info)
{
	static const struct udrv_stub_info none;

	if (info->abi != fake_stub.abi || info->flags ||
	    memcmp(info->irq_counts, none.irq_counts,
		   sizeof(*info) - offsetof(struct udrv_stub_info, irq_counts)) != 0)
		return -EINVAL;
	*info = fake_stub.info;
	info->abi = fake_stub.abi;
	return 0;
}

static bool is_eventfd(int fd)
{
	char link[64];
	char is[64] = "";

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return fd >= 0 && syscall(SYS_readlink, link, is, sizeof(is) - 1) > 0 &&
	       strstr(is, "[eventfd]");
}

static bool other_type_on(uint32_t type)
{
	for (uint32_t i = 0; i < UDRV_STUB_IRQ_TYPES; i++)
		if (i != type && fake_stub.enabled[i])
			return true;
	return false;
}

static int irqs_on(const struct udrv_stub_irqs *irqs)
{
	const int32_t *fds = (const int32_t *)(uintptr_t)irqs->fds;
	uint32_t most = fake_stub.info.irq_counts[irqs->type];

	if (!most)
		return -ENOSPC;
	if (irqs->count > most)
		return (int)most;
	if (fake_stub.vectors_left && irqs->count > fake_stub.vectors_left)
		return (int)fake_stub.vectors_left;
	for (uint32_t i = 0; i < irqs->count; i++)
		if (fds[i] != -1 && !is_eventfd(fds[i]))
			return -EINVAL;
	memcpy(fake_stub.eventfds[irqs->type], fds, irqs->count * sizeof(*fds));
	for (uint32_t i = 0; i < irqs->count; i++) {
		__atomic_store_n(&fake_stub.vectors[i].stamp, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&fake_stub.vectors[i].count, 0, __ATOMIC_RELAXED);
	}
	fake_stub.enabled[irqs->type] = irqs->count;
	return 0;
}

static int set_irqs(const struct udrv_stub_irqs *irqs)
{
	if (irqs->abi != fake_stub.abi || irqs->type >= UDRV_STUB_IRQ_TYPES || irqs->reserved ||
	    irqs->count > UDRV_STUB_VECTORS_MAX || (!irqs->count && irqs->fds))
		return -EINVAL;
	if (fake_stub.irqs_errno)
		return -fake_stub.irqs_errno;
	if (irqs->count && other_type_on(irqs->type))
		memset(fake_stub.enabled, 0, sizeof(fake_stub.enabled));
	if (irqs->count)
		return irqs_on(irqs);
	fake_stub.enabled[irqs->type] = 0;
	return 0;
}

static int set_mask(const struct udrv_stub_mask *mask)
{
	uint32_t on = 0;

	for (int i = 0; i < UDRV_STUB_IRQ_TYPES; i++)
		on += fake_stub.enabled[i];
	if (mask->abi != fake_stub.abi || mask->reserved || mask->mask > 1 || mask->vector >= on)
		return -EINVAL;
	__atomic_add_fetch(&fake_stub.unmasks, !mask->mask, __ATOMIC_SEQ_CST);
	return 0;
}

static int set_event(const struct udrv_stub_event *event)
{
	if (event->abi != fake_stub.abi || event->reserved || event->event >= UDRV_STUB_EVENTS ||
	    (event->fd != -1 && !is_eventfd(event->fd)))
		return -EINVAL;
	fake_stub.event_fds[event->event] = event->fd;
	return 0;
}

static struct fake_stub_block *new_block(uint64_t size, __u64 *bus)
{
	for (uint64_t i = 0; i < FAKE_STUB_BLOCKS; i++) {
		struct fake_stub_block *b = &fake_stub.blocks[i];

		if (b->size)
			continue;
		b->size = size;
		b->handle = UDRV_STUB_OFFSET(UDRV_STUB_REGION_DMA + i);
		*bus = 0x1000000 * (i + 1);
		return b;
	}
	return NULL;
}

static bool good_mask(uint64_t mask)
{
	return mask && !(mask & (mask + 1));
}

static int dma_alloc(struct udrv_stub_dma_alloc *a)
{
	struct fake_stub_block *b;

	if (a->abi != fake_stub.abi || a->reserved || !a->size || a->size % PAGE ||
	    !good_mask(a->mask) || a->bus || a->map_offset)
		return -EINVAL;
	b = fake_stub.alloc_errno ? NULL : new_block(a->size, &a->bus);
	if (!b)
		return -(fake_stub.alloc_errno ? fake_stub.alloc_errno : ENOMEM);
	b->pinned = false;
	a->map_offset = b->handle;
	fake_stub.dma_mask = a->mask;
	return 0;
}

static int dma_map(struct udrv_stub_dma_map *m)
{
	struct fake_stub_block *b;

	if (m->abi != fake_stub.abi || !m->direction || m->direction > 3 || !m->size ||
	    (m->addr | m->size) % PAGE || !good_mask(m->mask) || m->bus || m->handle)
		return -EINVAL;
	b = fake_stub.map_errno ? NULL : new_block(m->size, &m->bus);
	if (!b)
		return -(fake_stub.map_errno ? fake_stub.map_errno : ENOMEM);
	b->pinned = true;
	b->direction = m->direction;
	m->handle = b->handle;
	fake_stub.dma_mask = m->mask;
	return 0;
}

static int dma_free(const struct udrv_stub_dma_free *f)
{
	if (f->abi != fake_stub.abi || f->reserved)
		return -EINVAL;
	for (int i = 0; i < FAKE_STUB_BLOCKS; i++) {
		if (!fake_stub.blocks[i].size || fake_stub.blocks[i].handle != f->handle)
			continue;
		fake_stub.blocks[i].size = 0;
		return 0;
	}
	return -ENOENT;
}

static bool is_terminated(const char *name)
{
	return *name && memchr(name, 0, UDRV_STUB_NAME_MAX);
}

static bool in_bar(const struct udrv_stub_claim *c)
{
	return c->bar < UDRV_STUB_BARS && c->len && c->offset < fake_stub.info.bars[c->bar].len &&
	       c->len <= fake_stub.info.bars[c->bar].len - c->offset;
}

static int claim(struct udrv_stub_claim *c)
{
	struct fake_stub_claim *unused = NULL;

	if (c->abi != fake_stub.abi || c->reserved || c->holder_pid || *c->holder || !in_bar(c) ||
	    !is_terminated(c->name))
		return -EINVAL;
	for (int i = 0; i < FAKE_STUB_CLAIMS; i++) {
		struct fake_stub_claim *has = &fake_stub.claims[i];

		if (!has->len) {
			unused = has;
		} else if (has->bar == c->bar && c->offset < has->offset + has->len &&
			   has->offset < c->offset + c->len) {
			memcpy(c->holder, has->name, sizeof(c->holder));
			c->holder_pid = has->pid;
			return -EBUSY;
		}
	}
	FAULT_MUST(unused);
	*unused = (struct fake_stub_claim){
		.bar = c->bar, .offset = c->offset, .len = c->len, .pid = getpid()};
	memcpy(unused->name, c->name, sizeof(unused->name));
	return 0;
}

static int release(const struct udrv_stub_claim *c)
{
	if (c->abi != fake_stub.abi || *c->name)
		return -EINVAL;
	for (int i = 0; i < FAKE_STUB_CLAIMS; i++) {
		struct fake_stub_claim *has = &fake_stub.claims[i];

		if (has->other || has->bar != c->bar || has->offset != c->offset ||
		    has->len != c->len)
			continue;
		has->len = 0;
		return 0;
	}
	return -ENOENT;
}

static uint16_t command(void)
{
	return (uint16_t)fake_stub_peek(UDRV_STUB_REGION_CONFIG, PCI_COMMAND, 2);
}

static int reset(void)
{
	if (!(fake_stub.info.flags & UDRV_STUB_CAN_RESET))
		return -ENOTTY;
	fake_stub.resets++;
	fake_stub_poke(UDRV_STUB_REGION_CONFIG, PCI_COMMAND,
		       command() & (uint16_t)~PCI_COMMAND_MASTER, 2);
	return 0;
}

static int node_ioctl(unsigned long request, void *arg)
{
	if (fake_stub.gone)
		return -ENODEV;
	switch (request) {
	case UDRV_STUB_INFO:
		return get_info(arg);
	case UDRV_STUB_SET_IRQS:
		return set_irqs(arg);
	case UDRV_STUB_MASK:
		return set_mask(arg);
	case UDRV_STUB_SET_EVENT:
		return set_event(arg);
	case UDRV_STUB_DMA_ALLOC:
		return dma_alloc(arg);
	case UDRV_STUB_DMA_MAP:
		return dma_map(arg);
	case UDRV_STUB_DMA_FREE:
		return dma_free(arg);
	case UDRV_STUB_CLAIM:
		return claim(arg);
	case UDRV_STUB_RELEASE:
		return release(arg);
	case UDRV_STUB_RESET:
		return reset();
	default:
		return -ENOTTY;
	}
}

static bool fake_ioctl(int fd, unsigned long request, void *arg, int *ret)
{
	if (fd < 0 || fd != fake_stub.fd)
		return false;
	*ret = node_ioctl(request, arg);
	return true;
}

static bool may_map_bar(uint64_t region, uint64_t start, uint64_t len)
{
	const struct udrv_stub_bar *bar = &fake_stub.info.bars[region];

	if (!(bar->flags & UDRV_STUB_BAR_MMAP) || start + len > bar->len)
		return false;
	return !bar->hole_len || start + len <= bar->hole_offset ||
	       start >= bar->hole_offset + bar->hole_len;
}

static bool may_map(uint64_t region, uint64_t start, uint64_t len)
{
	if (start % PAGE)
		return false;
	if (region < UDRV_STUB_BARS)
		return may_map_bar(region, start, len);
	if (region == UDRV_STUB_REGION_VECTORS)
		return start + len <= fake_stub.info.vectors_len;
	if (region < UDRV_STUB_REGION_DMA || start)
		return false;
	return len <= fake_stub.blocks[region - UDRV_STUB_REGION_DMA].size;
}

static bool fake_mmap(int fd, size_t len, off_t offset, int *ret)
{
	if (fd < 0 || fd != fake_stub.fd)
		return false;
	*ret = fake_stub.gone ? -ENODEV : -EINVAL;
	if (fake_stub.mmap_errno)
		*ret = -fake_stub.mmap_errno;
	else if (!fake_stub.gone && may_map((uint64_t)offset >> UDRV_STUB_REGION_SHIFT,
					    (uint64_t)offset & OFFSET_MASK, len))
		return false;
	return true;
}

static int refuse_config(uint64_t offset, bool write)
{
	if (!write)
		return 0;
	if (offset >= PCI_STD_HEADER_SIZEOF)
		return fake_stub.no_rawio ? EPERM : 0;
	return offset == PCI_COMMAND || offset == PCI_STATUS || offset == PCI_CACHE_LINE_SIZE ||
			       offset == PCI_LATENCY_TIMER
		       ? 0
		       : EPERM;
}

static int fake_refuse(int fd, size_t len, off_t at, bool write)
{
	uint64_t region = (uint64_t)at >> UDRV_STUB_REGION_SHIFT;
	uint64_t offset = (uint64_t)at & OFFSET_MASK;

	if (fd < 0 || fd != fake_stub.fd)
		return 0;
	if (fake_stub.gone)
		return ENODEV;
	if (offset % len)
		return EINVAL;
	if (region == UDRV_STUB_REGION_CONFIG)
		return offset + len > fake_stub.info.config_len ? EINVAL
								: refuse_config(offset, write);
	if (region >= UDRV_STUB_BARS || offset + len > fake_stub.info.bars[region].len)
		return EINVAL;
	fake_stub.writes += write;
	fake_stub.reads += !write;
	return 0;
}

static const struct fault_hooks fake_hooks = {
	.open = fake_open,
	.ioctl = fake_ioctl,
	.mmap = fake_mmap,
	.refuse = fake_refuse,
	.close = fake_close,
};

void fake_stub_start(const char *name)
{
	memset(&fake_stub, 0, sizeof(fake_stub));
	(void)snprintf(fake_stub.name, sizeof(fake_stub.name), "%s", name);
	fake_stub.fd = -1;
	forget_file();
	fake_stub.abi = UDRV_STUB_ABI;
	fake_stub.info = (struct udrv_stub_info){
		.flags = UDRV_STUB_TRANSLATED | UDRV_STUB_CAN_RESET,
		.irq_counts = {1, 1, 8},
		.config_len = PCI_CFG_SPACE_SIZE,
		.vectors_len = VECTORS_LEN,
		.bars = {{.len = 1 << 20, .flags = UDRV_STUB_BAR_MEM | UDRV_STUB_BAR_MMAP},
			 {.len = 0},
			 {.len = 256, .flags = UDRV_STUB_BAR_IO}},
		.users = 1,
	};
	fault_log_clear();
	fault_set_hooks(&fake_hooks);
}

void fake_stub_stop(void)
{
	fault_set_hooks(&(struct fault_hooks){0});
}

void fake_stub_count(uint32_t vector, uint64_t stamp)
{
	struct udrv_stub_vector *v = &fake_stub.vectors[vector];

	__atomic_store_n(&v->stamp, stamp ? stamp : udrv_get_cycles(), __ATOMIC_RELAXED);
	__atomic_add_fetch(&v->count, 1, __ATOMIC_RELEASE);
}

void fake_stub_signal(uint32_t type, uint32_t vector)
{
	const uint64_t one = 1;

	FAULT_MUST(vector < fake_stub.enabled[type]);
	FAULT_MUST(write(fake_stub.eventfds[type][vector], &one, sizeof(one)) == sizeof(one));
}

void fake_stub_raise(uint32_t type, uint32_t vector, uint64_t stamp)
{
	fake_stub_count(vector, stamp);
	fake_stub_signal(type, vector);
}

void fake_stub_claim_of(const char *name, int pid, uint32_t bar, uint64_t offset, uint64_t len)
{
	struct fake_stub_claim *c = &fake_stub.claims[0];

	*c = (struct fake_stub_claim){
		.bar = bar, .offset = offset, .len = len, .pid = pid, .other = true};
	(void)snprintf(c->name, sizeof(c->name), "%s", name);
}

void fake_stub_remove(void)
{
	const uint64_t one = 1;
	int fd = fake_stub.event_fds[UDRV_STUB_EVENT_REQUEST];

	fake_stub.gone = true;
	if (fd >= 0)
		ck_assert_int_eq(write(fd, &one, sizeof(one)), sizeof(one));
}

void fake_stub_poke(uint64_t region, uint64_t offset, uint64_t val, unsigned int size)
{
	off_t at = (off_t)(UDRV_STUB_OFFSET(region) | offset);

	val = htole64(val);
	/* lseek and write: pread and pwrite are what the code under test is watched by. */
	FAULT_MUST(lseek(fake_stub.fd, at, SEEK_SET) == at);
	FAULT_MUST(write(fake_stub.fd, &val, size) == (ssize_t)size);
}

uint64_t fake_stub_peek(uint64_t region, uint64_t offset, unsigned int size)
{
	off_t at = (off_t)(UDRV_STUB_OFFSET(region) | offset);
	uint64_t val = 0;

	FAULT_MUST(lseek(fake_stub.fd, at, SEEK_SET) == at);
	FAULT_MUST(syscall(SYS_read, fake_stub.fd, &val, size) == (long)size);
	return le64toh(val);
}
