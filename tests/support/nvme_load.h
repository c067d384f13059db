/* SPDX-License-Identifier: MIT */
/*
 * Random reads and writes of which the outcome is known: each block's last version is remembered,
 * and none is asked for twice at a time. A write that failed may have been carried out or not.
 * UDRV_NVME_SEED repeats what is asked for; stderr has the seed.
 */
#ifndef TESTS_SUPPORT_NVME_LOAD_H
#define TESTS_SUPPORT_NVME_LOAD_H

#include <stdio.h>

#include <udrv/ktime.h>

#include "support/nvme_rig.h"

#define NVME_LOAD_SPAN	(1u << 20) /* blocks at most, of the namespace's first */
#define NVME_LOAD_DEPTH 63u
#define NVME_LOAD_BYTES (256u << 10) /* of one command at most */
#define NVME_LOAD_FEW	8u	     /* blocks, of most commands */

struct nvme_load;

struct nvme_load_slot {
	struct nvme_load *load;
	unsigned char *buf;
	uint64_t lba;
	uint32_t blocks, version;
	bool busy, is_write;
};

/* What a block has: nobody knows at first. */
struct nvme_load_block {
	uint32_t version; /* 0: not known */
	uint32_t maybe;	  /* not 0: of a write that failed */
	bool locked;
};

struct nvme_load {
	struct nvme_rig *rig;
	unsigned int depth, at_once; /* most, and at present */
	struct nvme_load_slot slots[NVME_LOAD_DEPTH];
	struct nvme_load_block *blocks;
	uint64_t span, seed, random;
	uint32_t last_version;
	unsigned int running, ended, failed;
	uint32_t last_status; /* that was not 0 */
	int refused;	      /* what putting a command returned at last */
};

static inline uint32_t nvme_load_block(const struct nvme_load *load)
{
	return 1u << load->rig->ns->block_shift;
}

/* Knuth, The Art of Computer Programming 2, 3.3.4: of its bits the upper ones. */
static inline uint32_t nvme_load_below(struct nvme_load *load, uint64_t limit)
{
	load->random = load->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((load->random >> 32) * limit >> 32);
}

static inline bool nvme_load_has(const struct nvme_load *load, const unsigned char *got,
				 uint64_t lba, uint32_t version)
{
	unsigned char want[4096];

	nvme_rig_fill(want, nvme_load_block(load), lba, version);
	return !memcmp(want, got, nvme_load_block(load));
}

/* A block that was read has a version that it may have; that is what it has from now on. */
static inline void nvme_load_check(struct nvme_load *load, const struct nvme_load_slot *s)
{
	for (uint32_t i = 0; i < s->blocks; i++) {
		const unsigned char *got = s->buf + (size_t)i * nvme_load_block(load);
		const uint64_t lba = s->lba + i;
		struct nvme_load_block *b = &load->blocks[lba];

		if (b->maybe && nvme_load_has(load, got, lba, b->maybe))
			b->version = b->maybe;
		else if (b->version)
			ck_assert_msg(nvme_load_has(load, got, lba, b->version),
				      "block %llu of %u from %llu on is not version %u",
				      (unsigned long long)lba, s->blocks,
				      (unsigned long long)s->lba, b->version);
		b->maybe = 0;
	}
}

static inline void nvme_load_wrote(struct nvme_load *load, const struct nvme_load_slot *s,
				   bool good)
{
	for (uint32_t i = 0; i < s->blocks; i++) {
		struct nvme_load_block *b = &load->blocks[s->lba + i];

		if (good)
			b->version = s->version;
		b->maybe = good ? 0 : s->version;
	}
}

static inline void nvme_load_lock(struct nvme_load *load, const struct nvme_load_slot *s,
				  bool locked)
{
	for (uint32_t i = 0; i < s->blocks; i++)
		load->blocks[s->lba + i].locked = locked;
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
	nvme_load_lock(load, s, false);
	s->busy = false;
	load->running--;
	load->ended++;
}

/* Blocks of one command. */
static inline uint32_t nvme_load_most(const struct nvme_load *load)
{
	const uint32_t room = NVME_LOAD_BYTES >> load->rig->ns->block_shift;

	const uint32_t most = udrv_nvme_ns_max_blocks(load->rig->ns);

	return most < room ? most : room;
}

/* Of 16 commands one has any size that a command can have. */
static inline uint32_t nvme_load_size(struct nvme_load *load)
{
	const uint32_t most = nvme_load_most(load);
	const bool few = nvme_load_below(load, 16) && most > NVME_LOAD_FEW;

	return 1 + nvme_load_below(load, few ? NVME_LOAD_FEW : most);
}

/* Anywhere, or close to where another one was last. */
static inline uint64_t nvme_load_place(struct nvme_load *load, uint32_t blocks)
{
	const uint64_t places = load->span - blocks + 1;
	uint64_t lba;

	if (!nvme_load_below(load, 4))
		return nvme_load_below(load, places);
	lba = load->slots[nvme_load_below(load, load->depth)].lba +
	      nvme_load_below(load, NVME_LOAD_FEW);
	return lba < places ? lba : places - 1;
}

/*
 * One of two unknown versions is enough: such blocks are read before they are written again. Of
 * what nobody knows little is to be learnt by reading.
 */
static inline bool nvme_load_choose(struct nvme_load *load, struct nvme_load_slot *s)
{
	bool known = true, maybe = false;

	s->blocks = nvme_load_size(load);
	s->lba = nvme_load_place(load, s->blocks);
	for (uint32_t i = 0; i < s->blocks; i++) {
		const struct nvme_load_block *b = &load->blocks[s->lba + i];

		if (b->locked)
			return false;
		known = known && b->version;
		maybe = maybe || b->maybe;
	}
	s->is_write = !maybe && nvme_load_below(load, known ? 2 : 8);
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
	nvme_load_lock(load, s, true);
	s->busy = true;
	load->running++;
	return true;
}

static inline void nvme_load_begin(struct nvme_load *load)
{
	const char *seed = getenv("UDRV_NVME_SEED");

	load->seed = seed && *seed ? strtoull(seed, NULL, 0) : (uint64_t)udrv_ktime_get();
	load->random = load->seed;
	load->at_once = load->depth;
	(void)fprintf(stderr, "UDRV_NVME_SEED=%llu\n", (unsigned long long)load->seed);
	load->span = udrv_nvme_ns_blocks(load->rig->ns);
	if (load->span > NVME_LOAD_SPAN)
		load->span = NVME_LOAD_SPAN;
	load->blocks = calloc(load->span, sizeof(*load->blocks));
	ck_assert_ptr_nonnull(load->blocks);
	for (unsigned int i = 0; i < load->depth; i++) {
		load->slots[i].load = load;
		load->slots[i].buf = nvme_rig_memory(load->rig, NVME_LOAD_BYTES);
	}
}

/* As many in flight as there may be; false: the queue takes nothing any more, or not now. */
static inline bool nvme_load_fill(struct nvme_load *load)
{
	bool takes = true;

	for (unsigned int i = 0; i < load->at_once && takes; i++) {
		struct nvme_load_slot *s = &load->slots[i];

		if (!s->busy && nvme_load_choose(load, s))
			takes = nvme_load_put(load, s);
	}
	return takes;
}

/*
 * Until so many more have ended, or the queue takes nothing any more. How many there are at a time
 * changes now and then.
 */
static inline void nvme_load_run(struct nvme_load *load, unsigned int count)
{
	const unsigned int until = load->ended + count;
	bool takes = true;

	while (takes && (int)(until - load->ended) > 0) {
		if (!nvme_load_below(load, 16))
			load->at_once = 1 + nvme_load_below(load, load->depth);
		takes = nvme_load_fill(load);
		(void)udrv_nvme_wait(load->rig->q, 1000);
	}
}

static inline void nvme_load_await(const struct nvme_load *load)
{
	while (load->running)
		(void)udrv_nvme_wait(load->rig->q, 1000);
}

/* All that is known, once more. */
static inline void nvme_load_verify(struct nvme_load *load)
{
	struct nvme_load_slot *s = &load->slots[0];

	nvme_load_await(load);
	for (uint64_t lba = 0; lba < load->span; lba += !s->blocks) {
		s->lba = lba;
		s->is_write = false;
		for (s->blocks = 0; s->blocks < nvme_load_most(load); s->blocks++, lba++)
			if (lba == load->span || !load->blocks[lba].version)
				break;
		if (!s->blocks)
			continue;
		ck_assert(nvme_load_put(load, s));
		nvme_load_await(load);
	}
}

static inline void nvme_load_finish(struct nvme_load *load)
{
	nvme_load_await(load);
	ck_assert_uint_eq(udrv_nvme_in_flight(load->rig->q), 0);
	for (unsigned int i = 0; i < load->depth; i++)
		udrv_dma_free_coherent(load->rig->dev, NVME_LOAD_BYTES, load->slots[i].buf,
				       udrv_virt_to_bus(load->slots[i].buf));
	free(load->blocks);
}

#endif
