/* SPDX-License-Identifier: MIT */
/*
 * Random reads and writes of which the outcome is known: each block's last version is remembered,
 * and none is asked for twice at a time. A write that failed may have been carried out or not.
 */
#ifndef TESTS_SUPPORT_NVME_LOAD_H
#define TESTS_SUPPORT_NVME_LOAD_H

#include "support/nvme_rig.h"

#define NVME_LOAD_SPAN	 512u
#define NVME_LOAD_DEPTH	 63u
#define NVME_LOAD_BLOCKS 8u /* of one command */

struct nvme_load;

struct nvme_load_slot {
	struct nvme_load *load;
	unsigned char *buf;
	uint64_t lba;
	uint32_t blocks, version;
	bool busy, is_write;
};

struct nvme_load {
	struct nvme_rig *rig;
	unsigned int depth;
	struct nvme_load_slot slots[NVME_LOAD_DEPTH];
	uint32_t versions[NVME_LOAD_SPAN];
	uint32_t maybe[NVME_LOAD_SPAN]; /* not 0: of a write that failed */
	bool locked[NVME_LOAD_SPAN];
	uint32_t last_version;
	unsigned int running, ended, failed;
	uint32_t last_status; /* that was not 0 */
	int refused;	      /* what putting a command returned at last */
};

static inline uint32_t nvme_load_block(const struct nvme_load *load)
{
	return 1u << load->rig->ns->block_shift;
}

/* A block that was read has a version that it may have; that is what it has from now on. */
static inline void nvme_load_check(struct nvme_load *load, const struct nvme_load_slot *s)
{
	unsigned char want[4096];

	for (uint32_t i = 0; i < s->blocks; i++) {
		const unsigned char *got = s->buf + (size_t)i * nvme_load_block(load);
		const uint64_t lba = s->lba + i;

		nvme_rig_fill(want, nvme_load_block(load), lba, load->versions[lba]);
		if (load->maybe[lba] && memcmp(want, got, nvme_load_block(load)) != 0) {
			load->versions[lba] = load->maybe[lba];
			nvme_rig_fill(want, nvme_load_block(load), lba, load->versions[lba]);
		}
		ck_assert_mem_eq(got, want, nvme_load_block(load));
		load->maybe[lba] = 0;
	}
}

static inline void nvme_load_wrote(struct nvme_load *load, const struct nvme_load_slot *s,
				   bool good)
{
	for (uint32_t i = 0; i < s->blocks; i++) {
		if (good)
			load->versions[s->lba + i] = s->version;
		load->maybe[s->lba + i] = good ? 0 : s->version;
	}
}

static inline void nvme_load_done(void *ctx, uint32_t status, uint32_t dw0)
{
	struct nvme_load_slot *s = ctx;
	struct nvme_load *load = s->load;

	(void)dw0;
	ck_assert(s->busy);
	if (status) {
		load->failed++;
		load->last_status = status;
	}
	if (s->is_write)
		nvme_load_wrote(load, s, !status);
	else if (!status)
		nvme_load_check(load, s);
	memset(&load->locked[s->lba], 0, s->blocks);
	s->busy = false;
	load->running--;
	load->ended++;
}

/* One of two unknown versions is enough: such blocks are read before they are written again. */
static inline bool nvme_load_choose(struct nvme_load *load, struct nvme_load_slot *s)
{
	bool known = true;

	s->blocks = 1 + (uint32_t)rand() % NVME_LOAD_BLOCKS;
	s->lba = (uint64_t)rand() % (NVME_LOAD_SPAN - s->blocks);
	for (uint32_t i = 0; i < s->blocks; i++) {
		if (load->locked[s->lba + i])
			return false;
		known = known && !load->maybe[s->lba + i];
	}
	s->is_write = known && rand() % 2;
	s->version = ++load->last_version;
	for (uint32_t i = 0; i < s->blocks && s->is_write; i++)
		nvme_rig_fill(s->buf + (size_t)i * nvme_load_block(load), nvme_load_block(load),
			      s->lba + i, s->version);
	return true;
}

/* false: the queue takes nothing any more, or not now. */
static inline bool nvme_load_put(struct nvme_load *load, struct nvme_load_slot *s)
{
	struct nvme_rig *rig = load->rig;

	if (s->is_write)
		load->refused = udrv_nvme_write(rig->q, rig->ns, s->buf, s->lba, s->blocks, 0,
						nvme_load_done, s);
	else
		load->refused = udrv_nvme_read(rig->q, rig->ns, s->buf, s->lba, s->blocks, 0,
					       nvme_load_done, s);
	if (load->refused)
		return false;
	memset(&load->locked[s->lba], 1, s->blocks);
	s->busy = true;
	load->running++;
	return true;
}

static inline void nvme_load_begin(struct nvme_load *load)
{
	for (unsigned int i = 0; i < load->depth; i++) {
		load->slots[i].load = load;
		load->slots[i].buf = nvme_rig_memory(load->rig, (size_t)NVME_LOAD_BLOCKS * 4096);
	}
	for (uint64_t lba = 0; lba < NVME_LOAD_SPAN; lba++) {
		nvme_rig_fill(load->slots[0].buf, nvme_load_block(load), lba, 0);
		ck_assert_uint_eq(nvme_rig_write(load->rig, load->slots[0].buf, lba, 1, 0), 0);
	}
}

/* As many in flight as there may be; false: the queue takes nothing any more, or not now. */
static inline bool nvme_load_fill(struct nvme_load *load)
{
	bool takes = true;

	for (unsigned int i = 0; i < load->depth && takes; i++) {
		struct nvme_load_slot *s = &load->slots[i];

		if (!s->busy && nvme_load_choose(load, s))
			takes = nvme_load_put(load, s);
	}
	return takes;
}

/* Until so many more have ended, or the queue takes nothing any more. */
static inline void nvme_load_run(struct nvme_load *load, unsigned int count)
{
	const unsigned int until = load->ended + count;
	bool takes = true;

	while (takes && (int)(until - load->ended) > 0) {
		takes = nvme_load_fill(load);
		(void)udrv_nvme_wait(load->rig->q, 1000);
	}
}

static inline void nvme_load_finish(struct nvme_load *load)
{
	while (load->running)
		(void)udrv_nvme_wait(load->rig->q, 1000);
	ck_assert_uint_eq(udrv_nvme_in_flight(load->rig->q), 0);
}

#endif
