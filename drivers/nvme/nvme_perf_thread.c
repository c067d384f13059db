// SPDX-License-Identifier: MIT
/* A thread that keeps its queue pair full. */
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <udrv/cycles.h>
#include <udrv/dma.h>

#include "nvme_perf.h"

#define WAIT_MS 100 /* between looks at stop, without completions */

/* xorshift64*; never 0 */
static uint64_t next_random(struct perf_thread *t)
{
	uint64_t x = t->random;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	t->random = x;
	return x * 2685821657736338717u;
}

static uint64_t below(uint64_t random, uint64_t count)
{
	return (uint64_t)(((unsigned __int128)random * count) >> 64);
}

static uint64_t next_unit(struct perf_thread *t)
{
	uint64_t unit = t->next;

	if (t->perf->random)
		return below(next_random(t), t->perf->units);
	t->next = unit + 1 == t->end ? t->first : unit + 1;
	return unit;
}

static bool next_is_write(struct perf_thread *t)
{
	uint64_t percent = t->perf->o.read_percent;

	return percent < 100 && (!percent || below(next_random(t), 100) >= percent);
}

static void fill(const struct perf_slot *slot)
{
	const struct perf *perf = slot->thread->perf;
	size_t block = nvme_verb_block_bytes(perf->ns);

	for (uint32_t i = 0; i < perf->blocks; i++)
		perf_data_fill((char *)slot->buf + i * block, block, slot->lba + i);
}

static void check(const struct perf_slot *slot)
{
	struct perf_thread *t = slot->thread;
	size_t block = nvme_verb_block_bytes(t->perf->ns);

	for (uint32_t i = 0; i < t->perf->blocks; i++)
		t->mismatches += !perf_data_matches((const char *)slot->buf + i * block, block,
						    slot->lba + i);
}

/* The first one ends the run. */
static void failed(struct perf_thread *t, int error)
{
	if (!t->error)
		t->error = error;
	__atomic_store_n(&t->perf->stop, true, __ATOMIC_RELAXED);
}

static void slot_done(void *ctx, uint32_t status, uint32_t dw0);

static void issue(struct perf_slot *slot, uint64_t now)
{
	struct perf_thread *t = slot->thread;
	const struct perf *perf = t->perf;
	int ret;

	if (!t->left || __atomic_load_n(&perf->stop, __ATOMIC_RELAXED))
		return;
	slot->lba = next_unit(t) * perf->blocks;
	slot->write = next_is_write(t);
	slot->start = now;
	if (slot->write && perf->o.verify)
		fill(slot);
	ret = slot->write ? udrv_nvme_write(t->q, perf->ns, slot->buf, slot->lba, perf->blocks, 0,
					    slot_done, slot)
			  : udrv_nvme_read(t->q, perf->ns, slot->buf, slot->lba, perf->blocks, 0,
					   slot_done, slot);
	if (ret) {
		failed(t, ret);
		return;
	}
	t->in_flight++;
	if (t->left != UINT64_MAX)
		t->left--;
}

static void slot_done(void *ctx, uint32_t status, uint32_t dw0)
{
	struct perf_slot *slot = ctx;
	struct perf_thread *t = slot->thread;
	uint64_t now = udrv_get_cycles();

	(void)dw0;
	t->in_flight--;
	if (status) {
		failed(t, (int)status);
		return;
	}
	udrv_hist_record(slot->write ? &t->write : &t->read, now - slot->start);
	__atomic_store_n(&t->done, t->done + 1, __ATOMIC_RELAXED);
	if (t->perf->o.verify) {
		if (!slot->write)
			check(slot);
		now = udrv_get_cycles();
	}
	issue(slot, now);
}

static double cpu_seconds(void)
{
	struct rusage use;

	if (getrusage(RUSAGE_THREAD, &use))
		return 0;
	return (double)use.ru_utime.tv_sec + (double)use.ru_stime.tv_sec +
	       1e-6 * ((double)use.ru_utime.tv_usec + (double)use.ru_stime.tv_usec);
}

void *perf_thread_run(void *thread)
{
	struct perf_thread *t = thread;
	struct perf *perf = t->perf;

	for (uint64_t i = 0; i < perf->o.depth; i++)
		issue(&t->slots[i], udrv_get_cycles());
	udrv_nvme_submit(t->q);
	while (t->in_flight) {
		if (perf->how == UDRV_NVME_POLLED)
			(void)udrv_nvme_poll(t->q, 0);
		else
			(void)udrv_nvme_wait(t->q, WAIT_MS);
	}
	t->cpu_seconds = cpu_seconds();
	pthread_mutex_lock(&perf->lock);
	perf->running--;
	pthread_cond_signal(&perf->ended);
	pthread_mutex_unlock(&perf->lock);
	return NULL;
}

static int alloc_slots(struct perf_thread *t)
{
	const struct perf *perf = t->perf;

	t->slots = calloc(perf->o.depth, sizeof(*t->slots));
	if (!t->slots)
		return -ENOMEM;
	for (uint64_t i = 0; i < perf->o.depth; i++) {
		struct perf_slot *slot = &t->slots[i];

		slot->thread = t;
		slot->buf = udrv_dma_alloc_coherent(perf->dev, perf->o.block_size, &slot->iova,
						    UDRV_GFP_KERNEL);
		if (!slot->buf)
			return -ENOMEM;
		perf_data_fill(slot->buf, perf->o.block_size, ~i);
	}
	return 0;
}

static unsigned int entries(uint64_t depth)
{
	unsigned int n = 4;

	/* One entry stays free. */
	while (n <= depth)
		n *= 2;
	return n;
}

int perf_thread_init(struct perf_thread *t, struct perf *perf, unsigned int index)
{
	const struct udrv_nvme_queue_options options = {
		.entries = entries(perf->o.depth),
		.completion = perf->how,
	};
	uint64_t share = perf->o.io_count / perf->o.threads;
	int ret;

	t->perf = perf;
	t->random = 0x9e3779b97f4a7c15u * (index + 1);
	t->first = perf->units * index / perf->o.threads;
	t->end = perf->units * (index + 1) / perf->o.threads;
	t->next = t->first;
	t->left = UINT64_MAX;
	if (perf->o.io_count)
		t->left = share + (index < perf->o.io_count % perf->o.threads);
	ret = alloc_slots(t);
	return ret ? ret : udrv_nvme_queue_create(perf->nvme, &options, &t->q);
}

void perf_thread_free(struct perf_thread *t)
{
	udrv_nvme_queue_destroy(t->q);
	for (uint64_t i = 0; t->slots && i < t->perf->o.depth; i++)
		if (t->slots[i].buf)
			udrv_dma_free_coherent(t->perf->dev, t->perf->o.block_size, t->slots[i].buf,
					       t->slots[i].iova);
	free(t->slots);
}
