// SPDX-License-Identifier: MIT
/* The library, from outside: buffers are DMA memory, and their addresses are its affair. */
#include <errno.h>

#include <udrv/device.h>
#include <udrv/dma.h>

#include <nvme.h>

#include "bench.h"

struct slot {
	struct library *lib;
	void *buf;
	unsigned int tag;
};

struct library {
	struct udrv_device *dev;
	struct udrv_nvme *nvme;
	struct udrv_nvme_queue *q;
	const struct udrv_nvme_ns *ns;
	struct load *load;
	char *memory;
	udrv_iova_t iova;
	struct slot slots[BENCH_DEPTH_MAX];
};

static void done(void *ctx, uint32_t status, uint32_t dw0);

static void put(struct library *lib, struct slot *slot)
{
	const unsigned int shift = 12 - lib->ns->block_shift;
	const uint64_t page = load_begin(lib->load, slot->tag);
	int ret = udrv_nvme_read(lib->q, lib->ns, slot->buf, page << shift, 1u << shift, 0, done,
				 slot);

	if (ret)
		die("udrv_nvme_read", ret);
}

static void done(void *ctx, uint32_t status, uint32_t dw0)
{
	struct slot *slot = ctx;

	(void)dw0;
	if (load_end(slot->lib->load, slot->tag, !status))
		put(slot->lib, slot);
}

static void run(struct library *lib, struct load *l, bool polled)
{
	lib->load = l;
	for (unsigned int tag = 0; tag < l->depth; tag++)
		put(lib, &lib->slots[tag]);
	udrv_nvme_submit(lib->q);
	while (l->done < l->count) {
		if (polled)
			(void)udrv_nvme_poll(lib->q, 0);
		else
			(void)udrv_nvme_wait(lib->q, -1);
	}
}

static void take_memory(struct library *lib)
{
	lib->memory = udrv_dma_alloc_coherent(lib->dev, BENCH_DEPTH_MAX * BENCH_SIZE, &lib->iova,
					      UDRV_GFP_KERNEL);
	if (!lib->memory)
		die("udrv_dma_alloc_coherent", ENOMEM);
	for (unsigned int tag = 0; tag < BENCH_DEPTH_MAX; tag++)
		lib->slots[tag] = (struct slot){lib, lib->memory + tag * BENCH_SIZE, tag};
}

static void bring_up(struct library *lib, const struct plan *plan,
		     enum udrv_nvme_completion completion, bool shadow)
{
	const struct udrv_nvme_options options = {.queues = 1, .no_shadow_doorbells = !shadow};
	const struct udrv_nvme_queue_options queue_options = {.completion = completion};
	int ret = udrv_device_open(plan->device, NULL, &lib->dev);

	if (!ret)
		ret = udrv_nvme_attach(lib->dev, &options, &lib->nvme);
	if (!ret)
		ret = udrv_nvme_queue_create(lib->nvme, &queue_options, &lib->q);
	if (ret)
		die(plan->device, ret);
	lib->ns = udrv_nvme_ns(lib->nvme, 1);
	if (!lib->ns || !lib->ns->usable)
		die("namespace 1", ENODEV);
	take_memory(lib);
}

static void library(const struct plan *plan, enum udrv_nvme_completion completion, bool shadow)
{
	static struct library lib;
	static struct load l;
	const bool polled = completion == UDRV_NVME_POLLED;
	const uint64_t opened = bench_clock_ns();
	uint64_t start;
	uint64_t bytes;

	bring_up(&lib, plan, completion, shadow);
	bytes = lib.ns->blocks << lib.ns->block_shift;
	load_start(&l, 1, 1, bytes);
	run(&lib, &l, polled);
	start = bench_clock_ns() - opened;
	for (unsigned int i = 0; i < plan->depth_count; i++) {
		load_start(&l, plan->depths[i], plan->count, bytes);
		run(&lib, &l, polled);
		load_report(&l, plan->row, start);
	}
	udrv_nvme_queue_destroy(lib.q);
	udrv_nvme_detach(lib.nvme);
	udrv_dma_free_coherent(lib.dev, BENCH_DEPTH_MAX * BENCH_SIZE, lib.memory, lib.iova);
	udrv_device_close(lib.dev);
}

void udrv_polled(const struct plan *plan)
{
	library(plan, UDRV_NVME_POLLED, false);
}

void udrv_interrupt(const struct plan *plan)
{
	library(plan, UDRV_NVME_INTERRUPT, false);
}

void udrv_adaptive(const struct plan *plan)
{
	library(plan, UDRV_NVME_ADAPTIVE, false);
}

/* Doorbells in memory, as QEMU's controller offers them; nobody by hand does that. */
void udrv_shadow(const struct plan *plan)
{
	library(plan, UDRV_NVME_POLLED, true);
}
