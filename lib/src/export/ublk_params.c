// SPDX-License-Identifier: MIT
/* What the kernel is told of a block device. */
#include <string.h>

#include "export/ublk.h"

#define SECTOR 512u
/* ublk takes no less than a page as the most of a request, and no blocks above it. */
#define PAGE	  4096u
#define MIN_IO	  (64u << 10)
#define MIN_DEPTH 16u

static unsigned int floor_log2(uint32_t n)
{
	return 31u - (unsigned int)__builtin_clz(n);
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint64_t memory_of(const struct udrv__ublk_shape *s)
{
	return (uint64_t)s->queues * s->depth * s->max_io;
}

/* Where there are many queues, each gets less: first shorter transfers, then fewer of them. */
void udrv__ublk_shape(const struct udrv_block_limits *l, unsigned int cpus,
		      struct udrv__ublk_shape *shape)
{
	uint32_t most = least(l->max_transfer, UDRV__UBLK_MAX_IO) / PAGE * PAGE;

	*shape = (struct udrv__ublk_shape){
		.queues = least(l->max_queues, cpus ? cpus : 1),
		.depth = least(l->queue_depth, UDRV__UBLK_MAX_DEPTH),
		.max_io = most ? most : PAGE,
	};
	while (memory_of(shape) > UDRV__UBLK_MAX_MEMORY && shape->max_io / 2 >= MIN_IO)
		shape->max_io = shape->max_io / 2 / PAGE * PAGE;
	while (memory_of(shape) > UDRV__UBLK_MAX_MEMORY && shape->depth / 2 >= MIN_DEPTH)
		shape->depth /= 2;
}

static uint32_t attrs_of(const struct udrv_block_limits *l)
{
	uint32_t attrs = l->read_only ? UBLK_ATTR_READ_ONLY : 0;

	/* Without a cache that forgets, all writes are FUA, and the kernel need not ask for it. */
	if (l->write_cache)
		attrs |= UBLK_ATTR_WRITE_CACHE | (l->fua ? UBLK_ATTR_FUA : 0);
	return attrs;
}

void udrv__ublk_params(const struct udrv_block_limits *l, uint32_t max_io, struct ublk_params *p)
{
	const uint32_t physical = l->physical_block_size;

	*p = (struct ublk_params){
		.len = UBLK_PARAMS_LEN,
		.types = UBLK_TYPE_BASIC,
		.attrs = attrs_of(l),
		.logical_shift = (uint8_t)floor_log2(l->logical_block_size),
		.physical_shift = (uint8_t)floor_log2(physical),
		.io_min_shift = (uint8_t)floor_log2(l->io_min > physical ? l->io_min : physical),
		/* 1 is none, as it is less than a block. */
		.io_opt_shift = (uint8_t)(l->io_opt ? floor_log2(l->io_opt) : 0),
		.max_sectors = max_io / SECTOR,
		.dev_sectors = l->size / SECTOR,
	};
	if (!l->max_discard && !l->max_write_zeroes)
		return;
	p->types |= UBLK_TYPE_DISCARD;
	p->discard_granularity =
		l->discard_granularity ? l->discard_granularity : l->logical_block_size;
	p->max_discard_sectors = l->max_discard / SECTOR;
	p->max_write_zeroes_sectors = l->max_write_zeroes / SECTOR;
	p->max_discard_segments = l->max_discard ? 1 : 0;
}

bool udrv__ublk_same_params(const struct ublk_params *a, const struct ublk_params *b)
{
	return a->attrs == b->attrs && a->logical_shift == b->logical_shift &&
	       a->dev_sectors == b->dev_sectors;
}

/* FNV-1a, 64 bits, http://www.isthe.com/chongo/tech/comp/fnv/; the end of each text counts. */
#define FNV_START UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

static uint64_t hash(uint64_t h, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++)
		h = (h ^ bytes[i]) * FNV_PRIME;
	return h;
}

static uint32_t fold(uint64_t h)
{
	uint32_t folded = (uint32_t)(h >> 32) ^ (uint32_t)h;

	return folded ? folded : 1;
}

static uint64_t hash_text(uint64_t h, const char *text)
{
	return hash(h, text, strlen(text) + 1);
}

static uint32_t hash_device(const char *device)
{
	return fold(hash_text(hash_text(FNV_START, "udrv"), device));
}

uint64_t udrv__ublk_identity(const char *device, const struct udrv_block *block)
{
	const uint64_t disk =
		hash_text(hash_text(hash_text(FNV_START, block->name), block->serial), block->id);

	return (uint64_t)hash_device(device) << 32 | fold(disk);
}

bool udrv__ublk_is_of(uint64_t identity, const char *device)
{
	return identity >> 32 == hash_device(device);
}
