// SPDX-License-Identifier: MIT
/* What a disk can be asked for: NVM Express 1.4, 5.15.2; NVM Command Set 1.0, 4.1.5.2. */
#include "nvme_disk.h"

#define PHYSICAL_MAX 65536u
/* Of a controller that does not say (DMRSL): more might be left as it is, without an error. */
#define DISCARD_UNTOLD ((uint64_t)1 << 30)

/* Whole blocks of what fits 32 bits. */
static uint32_t to_bytes(uint64_t blocks, unsigned int shift)
{
	const uint64_t most = UINT32_MAX >> shift;

	return (uint32_t)((blocks < most ? blocks : most) << shift);
}

/* The largest power of two that divides n, which is not 0. */
static uint32_t even_part(uint32_t n)
{
	return n & -n;
}

/* 5.15.2.1: what a power failure does not tear, in blocks; a power of two, at its own multiples. */
static uint32_t atomic_blocks(const struct nvme_id_ctrl *ctrl, const struct nvme_id_ns *id)
{
	const bool own = id->nsfeat & NVME_NSFEAT_ATOMICS && id->nawupf;
	uint32_t most = (own ? id->nawupf : ctrl->awupf) + 1u;
	uint32_t blocks = 1;

	if (id->nabo)
		return 1;
	if (id->nabspf && most > even_part(id->nabspf + 1u))
		most = even_part(id->nabspf + 1u);
	while (2 * blocks <= most)
		blocks *= 2;
	return blocks;
}

/*
 * File systems take a physical block to be atomic (Linux: nvme_update_disk_info()). NPWG and its
 * kind are 0's based, if they are there at all.
 */
static void fill_preferences(struct udrv_block_limits *l, const struct nvme_id_ctrl *ctrl,
			     const struct nvme_id_ns *id, unsigned int shift)
{
	const bool given = id->nsfeat & NVME_NSFEAT_OPTPERF;
	const uint32_t write = given ? id->npwg + 1u : 1;
	const uint32_t whole = atomic_blocks(ctrl, id);
	const uint32_t physical = whole < even_part(write) ? whole : even_part(write);

	l->physical_block_size = to_bytes(physical, shift);
	if (l->physical_block_size > PHYSICAL_MAX)
		l->physical_block_size = PHYSICAL_MAX;
	l->io_min = to_bytes(write, shift);
	l->io_opt = given && id->nows ? to_bytes(id->nows + 1u, shift) : 0;
	if (l->io_opt % l->physical_block_size)
		l->io_opt = 0;
	l->discard_granularity = to_bytes(given ? id->npdg + 1u : 1, shift);
}

static uint32_t most_discarded(const struct nvme_disks_common *c, unsigned int shift)
{
	uint64_t blocks = UINT32_MAX;

	if (!c->nvm)
		return to_bytes(DISCARD_UNTOLD >> shift, shift);
	if (c->nvm->dmrsl)
		blocks = c->nvm->dmrsl;
	if (c->nvm->dmsl && c->nvm->dmsl < blocks)
		blocks = c->nvm->dmsl;
	return to_bytes(blocks, shift);
}

/* Where there is no WZSL, as much as a write, as Linux does: some refuse more, or take too long. */
static uint32_t most_zeroed(const struct nvme_disks_common *c, const struct udrv_nvme_ns *ns)
{
	const unsigned int page = 12 + NVME_CAP_MPSMIN(c->info.cap);
	uint64_t blocks = udrv_nvme_ns_max_blocks(ns);

	if (c->nvm && c->nvm->wzsl)
		blocks = c->nvm->wzsl < 32 ? (uint64_t)1 << page << c->nvm->wzsl >> ns->block_shift
					   : NVME_RW_BLOCKS_MAX;
	if (blocks > NVME_RW_BLOCKS_MAX)
		blocks = NVME_RW_BLOCKS_MAX;
	return to_bytes(blocks, ns->block_shift);
}

/* As udrv_nvme_queue_create() chooses. */
static unsigned int queue_depth(const struct nvme_disks_common *c)
{
	unsigned int entries = NVME_DISK_ENTRIES;

	while (entries > c->info.queue_entries)
		entries /= 2;
	return entries > 1 ? entries - 1 : 1;
}

void nvme_disk_fill_limits(struct nvme_disk *disk, const struct nvme_disks_common *c,
			   const struct nvme_id_ctrl *ctrl, const struct nvme_id_ns *id)
{
	const struct udrv_nvme_ns *ns = disk->ns;
	struct udrv_block_limits *l = &disk->block.limits;
	const unsigned int shift = ns->block_shift;

	disk->blocks = udrv_nvme_ns_blocks(ns);
	disk->deac = id->dlfeat & NVME_DLFEAT_WZ_DEALLOCATES &&
		     NVME_DLFEAT_READ(id->dlfeat) == NVME_DLFEAT_READ_ZEROES;
	*l = (struct udrv_block_limits){
		.size = disk->blocks << shift,
		.logical_block_size = 1u << shift,
		.max_transfer = udrv_nvme_ns_max_blocks(ns) << shift,
		.write_cache = ctrl->vwc & NVME_VWC_PRESENT,
		.fua = true,
		.read_only = udrv_nvme_ns_read_only(ns),
		.max_queues = c->queues,
		.queue_depth = queue_depth(c),
	};
	fill_preferences(l, ctrl, id, shift);
	if (ctrl->oncs & NVME_ONCS_DSM)
		l->max_discard = most_discarded(c, shift);
	else
		l->discard_granularity = 0;
	if (ctrl->oncs & NVME_ONCS_WRITE_ZEROES)
		l->max_write_zeroes = most_zeroed(c, ns);
}
