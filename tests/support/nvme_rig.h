/* SPDX-License-Identifier: MIT */
/* A controller under test: the software one, or what UDRV_TEST_DEVICE names. Its data is lost. */
#ifndef TESTS_SUPPORT_NVME_RIG_H
#define TESTS_SUPPORT_NVME_RIG_H

#include <stdlib.h>
#include <string.h>

#include <check.h>

#include <udrv/device.h>
#include <udrv/dma.h>

#include "backend/model_nvme.h"
#include "nvme.h"

struct nvme_rig {
	struct udrv_device *dev;
	struct udrv_nvme *nvme;
	const struct udrv_nvme_ns *ns;
	struct udrv_nvme_queue *q;
};

static inline const char *nvme_rig_device(void)
{
	const char *name = getenv("UDRV_TEST_DEVICE");

	return name ? name : "model:nvme";
}

/* Where it was detached, or not attached yet. */
static inline void nvme_rig_attach(struct nvme_rig *rig, const struct udrv_nvme_options *options)
{
	ck_assert_int_eq(udrv_nvme_attach(rig->dev, options, &rig->nvme), 0);
	rig->ns = udrv_nvme_ns_next(rig->nvme, 0);
	ck_assert_ptr_nonnull(rig->ns);
}

static inline void nvme_rig_open(struct nvme_rig *rig, const struct udrv_nvme_options *options)
{
	memset(rig, 0, sizeof(*rig));
	ck_assert_int_eq(udrv_device_open(nvme_rig_device(), NULL, &rig->dev), 0);
	nvme_rig_attach(rig, options);
}

static inline void nvme_rig_queue(struct nvme_rig *rig, unsigned int entries,
				  enum udrv_nvme_completion completion)
{
	const struct udrv_nvme_queue_options o = {.entries = entries, .completion = completion};

	ck_assert_int_eq(udrv_nvme_queue_create(rig->nvme, &o, &rig->q), 0);
}

static inline void nvme_rig_close(struct nvme_rig *rig)
{
	udrv_nvme_queue_destroy(rig->q);
	udrv_nvme_detach(rig->nvme);
	udrv_device_close(rig->dev);
}

static inline struct udrv_nvme_info nvme_rig_info(const struct nvme_rig *rig)
{
	struct udrv_nvme_info info;

	udrv_nvme_get_info(rig->nvme, &info);
	return info;
}

/* Of a software controller. */
static inline struct udrv__model_nvme_counts nvme_rig_counts(const struct nvme_rig *rig)
{
	struct udrv__model_nvme_counts counts;

	udrv__model_nvme_get_counts(rig->dev, &counts);
	return counts;
}

static inline void *nvme_rig_memory(const struct nvme_rig *rig, size_t len)
{
	udrv_iova_t iova;
	void *p = udrv_dma_alloc_coherent(rig->dev, len, &iova, UDRV_GFP_KERNEL);

	ck_assert_ptr_nonnull(p);
	return p;
}

/* One command that is waited for. */
struct nvme_rig_wait {
	unsigned int calls;
	uint32_t status, dw0;
};

static inline void nvme_rig_done(void *ctx, uint32_t status, uint32_t dw0)
{
	struct nvme_rig_wait *w = ctx;

	w->calls++;
	w->status = status;
	w->dw0 = dw0;
}

/* Until it is done; every command ends in bounded time, whatever the controller does. */
static inline uint32_t nvme_rig_await(struct nvme_rig *rig, struct nvme_rig_wait *w)
{
	while (!w->calls)
		(void)udrv_nvme_wait(rig->q, 1000);
	ck_assert_uint_eq(w->calls, 1);
	return w->status;
}

static inline uint32_t nvme_rig_write(struct nvme_rig *rig, const void *buf, uint64_t lba,
				      uint32_t blocks, uint32_t flags)
{
	struct nvme_rig_wait w = {0};

	ck_assert_int_eq(
		udrv_nvme_write(rig->q, rig->ns, buf, lba, blocks, flags, nvme_rig_done, &w), 0);
	return nvme_rig_await(rig, &w);
}

static inline uint32_t nvme_rig_read(struct nvme_rig *rig, void *buf, uint64_t lba, uint32_t blocks)
{
	struct nvme_rig_wait w = {0};

	ck_assert_int_eq(udrv_nvme_read(rig->q, rig->ns, buf, lba, blocks, 0, nvme_rig_done, &w),
			 0);
	return nvme_rig_await(rig, &w);
}

/* Bytes that tell where they belong and when they were written. */
static inline void nvme_rig_fill(unsigned char *buf, size_t len, uint64_t lba, uint32_t version)
{
	uint64_t x = lba * 0x9e3779b97f4a7c15u + version * 0xd1b54a32d192ed03u + 1;

	for (size_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		buf[i] = (unsigned char)x;
	}
}

#endif
