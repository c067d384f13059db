// SPDX-License-Identifier: MIT
/* Structs and pointers that must be refused, and registers by pread() and pwrite(). */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz_model.h"

/* What of each struct must be zero when it is handed in. */
#define AFTER(type, member) offsetof(type, member), sizeof(type) - offsetof(type, member)
static const struct {
	unsigned long request;
	size_t size, zero, zero_size;
	enum fuzz_call call;
	bool writes;
} shapes[] = {
	{UDRV_STUB_INFO, sizeof(struct udrv_stub_info), AFTER(struct udrv_stub_info, flags),
	 FUZZ_INFO, true},
	{UDRV_STUB_SET_IRQS, sizeof(struct udrv_stub_irqs),
	 offsetof(struct udrv_stub_irqs, reserved), 4, FUZZ_SET_IRQS, false},
	{UDRV_STUB_MASK, sizeof(struct udrv_stub_mask), AFTER(struct udrv_stub_mask, reserved),
	 FUZZ_MASK, false},
	{UDRV_STUB_SET_EVENT, sizeof(struct udrv_stub_event),
	 AFTER(struct udrv_stub_event, reserved), FUZZ_SET_EVENT, false},
	{UDRV_STUB_DMA_ALLOC, sizeof(struct udrv_stub_dma_alloc),
	 AFTER(struct udrv_stub_dma_alloc, bus), FUZZ_DMA_ALLOC, true},
	{UDRV_STUB_DMA_ALLOC, sizeof(struct udrv_stub_dma_alloc),
	 offsetof(struct udrv_stub_dma_alloc, reserved), 4, FUZZ_DMA_ALLOC, true},
	{UDRV_STUB_DMA_MAP, sizeof(struct udrv_stub_dma_map), AFTER(struct udrv_stub_dma_map, bus),
	 FUZZ_DMA_MAP, true},
	{UDRV_STUB_DMA_FREE, sizeof(struct udrv_stub_dma_free),
	 offsetof(struct udrv_stub_dma_free, reserved), 4, FUZZ_DMA_FREE, false},
	{UDRV_STUB_CLAIM, sizeof(struct udrv_stub_claim), AFTER(struct udrv_stub_claim, holder),
	 FUZZ_CLAIM, false},
	{UDRV_STUB_RELEASE, sizeof(struct udrv_stub_claim), AFTER(struct udrv_stub_claim, name),
	 FUZZ_RELEASE, false},
};

/* A struct that asks for something sensible, which no refused call may begin. */
static void fill(const struct model *m, unsigned int shape, void *arg)
{
	struct udrv_stub_dma_alloc *alloc = arg;
	struct udrv_stub_event *event = arg;
	struct udrv_stub_claim *claim = arg;
	struct udrv_stub_dma_map *map = arg;

	memset(arg, 0, shapes[shape].size);
	*(uint32_t *)arg = UDRV_STUB_ABI;
	switch (shapes[shape].call) {
	case FUZZ_DMA_ALLOC:
		alloc->size = FUZZ_PAGE;
		alloc->mask = UINT64_MAX;
		break;
	case FUZZ_DMA_MAP:
		map->direction = UDRV_STUB_TO_DEVICE;
		map->addr = (uintptr_t)m->memory;
		map->size = FUZZ_PAGE;
		map->mask = UINT64_MAX;
		break;
	case FUZZ_SET_EVENT:
		event->fd = -1;
		break;
	case FUZZ_CLAIM:
		strcpy(claim->name, "nobody");
		claim->len = 1;
		break;
	case FUZZ_RELEASE:
		claim->len = 1;
		break;
	default:
		break;
	}
}

static unsigned int any_shape(struct model *m)
{
	return fuzz_below(&m->rng, sizeof(shapes) / sizeof(shapes[0]));
}

void model_malformed(struct model *m)
{
	unsigned int shape = any_shape(m);
	uint64_t arg[64];
	uint8_t *bytes = (uint8_t *)arg;

	fill(m, shape, arg);
	if (fuzz_one_in(&m->rng, 4))
		arg[0] = fuzz_one_in(&m->rng, 2) ? 0 : 2 + fuzz_below(&m->rng, 1000);
	else
		bytes[shapes[shape].zero +
		      fuzz_below(&m->rng, (uint32_t)shapes[shape].zero_size)] |=
			(uint8_t)(1u << fuzz_below(&m->rng, 8));
	EXPECT(fuzz_ioctl(shapes[shape].call, m->files[model_any_file(m)], shapes[shape].request,
			  arg, shapes[shape].size),
	       -EINVAL);
}

static long plain_ioctl(enum fuzz_call call, int fd, unsigned long request, void *arg)
{
	long result = ioctl(fd, request, arg);

	return fuzz_count(call, result < 0 ? -errno : result);
}

/* A struct that ends in a page that is not there; one that can be read only. */
static void partly_there(struct model *m, unsigned int shape)
{
	uint8_t *addr = mmap(NULL, 2 * FUZZ_PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t cut = 1 + fuzz_below(&m->rng, (uint32_t)shapes[shape].size - 1);
	int fd = m->files[model_any_file(m)];
	uint64_t arg[64];

	MODEL_CHECK(addr != MAP_FAILED);
	fill(m, shape, arg);
	if (shapes[shape].writes && fuzz_one_in(&m->rng, 2)) {
		memcpy(addr, arg, shapes[shape].size);
		MODEL_CHECK(mprotect(addr, FUZZ_PAGE, PROT_READ) == 0);
		EXPECT(plain_ioctl(shapes[shape].call, fd, shapes[shape].request, addr), -EFAULT,
		       shapes[shape].call == FUZZ_DMA_MAP ? -EOPNOTSUPP : -EFAULT);
		MODEL_CHECK(!memcmp(addr, arg, shapes[shape].size));
	} else {
		memcpy(addr + FUZZ_PAGE - cut, arg, cut);
		MODEL_CHECK(mprotect(addr + FUZZ_PAGE, FUZZ_PAGE, PROT_NONE) == 0);
		EXPECT(plain_ioctl(shapes[shape].call, fd, shapes[shape].request,
				   addr + FUZZ_PAGE - cut),
		       -EFAULT);
	}
	munmap(addr, 2 * FUZZ_PAGE);
}

/* Descriptors at an address that is none. */
static void bad_descriptors(struct model *m)
{
	struct udrv_stub_irqs irqs = {.abi = UDRV_STUB_ABI, .count = 1};
	int file = model_any_file(m);

	if (m->irq_owner != MODEL_NOBODY && m->irq_owner != file)
		return;
	for (irqs.type = 0; irqs.type < 2 && !fuzz.info.irq_counts[irqs.type]; irqs.type++)
		;
	irqs.fds = fuzz_one_in(&m->rng, 2) ? (uintptr_t)m->no_access : 0;
	EXPECT(fuzz_ioctl(FUZZ_SET_IRQS, m->files[file], UDRV_STUB_SET_IRQS, &irqs, sizeof(irqs)),
	       -EFAULT, -ENOSPC);
	model_irqs_off(m);
}

void model_pointer(struct model *m)
{
	unsigned int shape = any_shape(m);
	void *bad[] = {NULL, m->no_access, (void *)0xffff888000000000ul, (void *)-1ul,
		       (void *)0x800000000000ul};

	if (fuzz_one_in(&m->rng, 8)) {
		bad_descriptors(m);
		return;
	}
	if (fuzz_one_in(&m->rng, 2)) {
		partly_there(m, shape);
		return;
	}
	EXPECT(plain_ioctl(shapes[shape].call, m->files[model_any_file(m)], shapes[shape].request,
			   bad[fuzz_below(&m->rng, 5)]),
	       -EFAULT);
}

void model_other(struct model *m)
{
	int fd = m->files[model_any_file(m)];
	unsigned long request = shapes[any_shape(m)].request;
	uint64_t arg[64] = {UDRV_STUB_ABI};

	switch (fuzz_below(&m->rng, 3)) {
	case 0: /* another size */
		request ^= (unsigned long)(1 + fuzz_below(&m->rng, 255)) << 16;
		break;
	case 1: /* another direction */
		request ^= (unsigned long)(1 + fuzz_below(&m->rng, 3)) << 30;
		break;
	default: /* another number */
		request = (request & ~0xfful) + 0xca + fuzz_below(&m->rng, 54);
	}
	EXPECT(plain_ioctl(FUZZ_OTHER, fd, request, arg), -ENOTTY);
}

/* Registers ----------------------------------------------------------------------------------- */

/* A size or a place that no region has. */
static void refused(struct model *m, bool write)
{
	static const size_t sizes[] = {0, 3, 5, 6, 7, 9, 16, 4096};
	int fd = m->files[model_any_file(m)];
	uint64_t offset = UDRV_STUB_OFFSET(UDRV_STUB_REGION_CONFIG);
	uint8_t data[4096];
	size_t size = 4;

	memset(data, 0xff, sizeof(data));
	switch (fuzz_below(&m->rng, 5)) {
	case 0:
		size = sizes[fuzz_below(&m->rng, 8)];
		break;
	case 1:
		offset += 1 + fuzz_below(&m->rng, 3);
		break;
	case 2:
		offset += fuzz.info.config_len + 4 * (uint64_t)fuzz_below(&m->rng, 1000);
		break;
	case 3:
		size = 8;
		break;
	default:
		offset = UDRV_STUB_OFFSET(8 + fuzz_below(&m->rng, 400));
	}
	if (write)
		EXPECT(fuzz_pwrite(fd, data, size, offset), -EINVAL);
	else
		EXPECT(fuzz_pread(fd, data, size, offset), -EINVAL);
}

static void past_bar(struct model *m, bool write)
{
	uint32_t bar = fuzz_below(&m->rng, UDRV_STUB_BARS);
	uint64_t offset = UDRV_STUB_OFFSET(bar) + fuzz.info.bars[bar].len;
	int fd = m->files[model_any_file(m)];
	uint32_t data = 0;

	offset += fuzz_one_in(&m->rng, 2) ? 4 * (uint64_t)fuzz_below(&m->rng, 1000) : 0;
	if (write)
		EXPECT(fuzz_pwrite(fd, &data, 4, offset), -EINVAL);
	else
		EXPECT(fuzz_pread(fd, &data, 4, offset), -EINVAL);
}

void model_pread(struct model *m)
{
	int fd = m->files[model_any_file(m)];
	uint32_t bar = fuzz_below(&m->rng, UDRV_STUB_BARS);
	const struct udrv_stub_bar *b = &fuzz.info.bars[bar];
	size_t size = (size_t)1 << fuzz_below(&m->rng, 3);
	uint64_t at, data = 0;

	if (fuzz_one_in(&m->rng, 3)) {
		refused(m, false);
	} else if (fuzz_one_in(&m->rng, 4)) {
		past_bar(m, false);
	} else if (b->len && fuzz_one_in(&m->rng, 2)) {
		at = fuzz_below(&m->rng, (uint32_t)(b->len / size)) * size;
		if (at - b->hole_offset < b->hole_len)
			EXPECT(fuzz_pread(fd, &data, size, UDRV_STUB_OFFSET(bar) + at), (long)size,
			       -EPERM);
		else
			EXPECT(fuzz_pread(fd, &data, size, UDRV_STUB_OFFSET(bar) + at), (long)size);
	} else {
		at = fuzz_below(&m->rng, fuzz.info.config_len / (uint32_t)size) * size;
		EXPECT(fuzz_pread(fd, &data, size, UDRV_STUB_OFFSET(UDRV_STUB_REGION_CONFIG) + at),
		       (long)size);
		MODEL_CHECK(size == 8 || data >> (8 * size) == 0);
	}
}

/* Of COMMAND, three bits follow what is written and the others do not. */
static void write_command(struct model *m)
{
	uint64_t at = UDRV_STUB_OFFSET(UDRV_STUB_REGION_CONFIG) + 4;
	uint16_t before = 0, after = 0, value = (uint16_t)fuzz_u64(&m->rng);
	int fd = m->files[model_any_file(m)];

	EXPECT(fuzz_pread(fd, &before, 2, at), 2);
	EXPECT(fuzz_pwrite(fd, &value, 2, at), 2);
	EXPECT(fuzz_pread(fd, &after, 2, at), 2);
	MODEL_CHECK((after & 4) == (value & 4));
	MODEL_CHECK((after & ~0x144) == (before & ~0x144));
}

static uint8_t config_byte(const struct model *m, unsigned int at)
{
	uint8_t value = 0;

	for (int i = 0; i < MODEL_FILES; i++) {
		if (m->files[i] < 0)
			continue;
		EXPECT(fuzz_pread(m->files[i], &value, 1,
				  UDRV_STUB_OFFSET(UDRV_STUB_REGION_CONFIG) + at),
		       1);
		break;
	}
	return value;
}

/* MSI's and MSI-X's message control are the module's. */
static void write_capability(struct model *m)
{
	uint8_t at = config_byte(m, 0x34);
	int fd = m->files[model_any_file(m)];

	for (int i = 0; i < 48 && at >= 0x40; i++, at = config_byte(m, at + 1u)) {
		uint64_t offset = UDRV_STUB_OFFSET(UDRV_STUB_REGION_CONFIG) + at + 2u;
		uint8_t id = config_byte(m, at);
		uint16_t value = 0xffff;

		if (id == 0x05 || id == 0x11)
			EXPECT(fuzz_pwrite(fd, &value, 2, offset), -EPERM);
	}
}

static void write_header(struct model *m)
{
	static const uint8_t refused_at[] = {0x00, 0x08, 0x10, 0x14, 0x24, 0x30, 0x34, 0x3c};
	int fd = m->files[model_any_file(m)];
	uint32_t value = UINT32_MAX;
	uint64_t config = UDRV_STUB_OFFSET(UDRV_STUB_REGION_CONFIG);

	EXPECT(fuzz_pwrite(fd, &value, 4, config + refused_at[fuzz_below(&m->rng, 8)]), -EPERM);
	EXPECT(fuzz_pwrite(fd, &value, 2, config + 6), 2);
	EXPECT(fuzz_pwrite(fd, &value, 1, config + 0x0c + fuzz_below(&m->rng, 2)), 1);
}

static void write_register(struct model *m)
{
	int fd = m->files[model_any_file(m)];
	uint32_t value = (uint32_t)fuzz_u64(&m->rng) & 0xff;

	if (fuzz_device_known())
		EXPECT(fuzz_pwrite(fd, &value, 4, fuzz_safe_register(&m->rng)), 4);
	for (uint32_t bar = 0; bar < UDRV_STUB_BARS; bar++)
		if (fuzz.info.bars[bar].hole_len && fuzz_device_known())
			EXPECT(fuzz_pwrite(fd, &value, 4,
					   UDRV_STUB_OFFSET(bar) + fuzz.info.bars[bar].hole_offset),
			       -EPERM);
}

void model_pwrite(struct model *m)
{
	void (*const kinds[])(struct model * m) = {write_command, write_capability, write_header,
						   write_register};

	if (fuzz_one_in(&m->rng, 4))
		refused(m, true);
	else if (fuzz_one_in(&m->rng, 4))
		past_bar(m, true);
	else
		kinds[fuzz_below(&m->rng, 4)](m);
}
