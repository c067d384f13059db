/* SPDX-License-Identifier: MIT */
/* An open model:edu without a driver, for suites that look at the device itself. */
#ifndef TESTS_MODEL_EDU_DEVICE_H
#define TESTS_MODEL_EDU_DEVICE_H

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <check.h>
#include <udrv/device.h>
#include <udrv/io.h>
#include <udrv/log.h>
#include <udrv/pci.h>
#include <udrv/poll.h>

#include "backend/model.h"
#include "edu_regs.h"
#include "pci/device.h"

/* Long enough for any machine under load, short enough to fail a test. */
#define LONG_MS 60000
#define LONG_US (LONG_MS * 1000)
/* What must not happen is waited for this long. */
#define SHORT_MS 30

static struct udrv_device *dev;
static void __udrv_iomem *regs;

static inline void open_edu(void)
{
	ck_assert_int_eq(udrv_device_open("model:edu", NULL, &dev), 0);
	ck_assert_int_eq(udrv_pci_enable_device(dev), 0);
	regs = udrv_pci_iomap(dev, EDU_BAR, 0);
	ck_assert_ptr_nonnull(regs);
}

static inline void close_edu(void)
{
	udrv_device_close(dev);
	dev = NULL;
}

/* Is fd readable within ms? */
static inline bool readable(int fd, int ms)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	return poll(&pfd, 1, ms) == 1;
}

/* Start a transfer without interrupt and wait for its end. */
static inline void run_dma(uint64_t src, uint64_t dst, uint64_t count, uint32_t direction)
{
	uint32_t command;

	udrv_writeq(src, regs + EDU_DMA_SRC);
	udrv_writeq(dst, regs + EDU_DMA_DST);
	udrv_writeq(count, regs + EDU_DMA_COUNT);
	udrv_writel(EDU_DMA_RUN | direction, regs + EDU_DMA_COMMAND);
	ck_assert_int_eq(udrv_readl_poll_timeout(regs + EDU_DMA_COMMAND, command,
						 !(command & EDU_DMA_RUN), 50, LONG_US),
			 0);
}

static inline struct udrv__model_counts counts(void)
{
	struct udrv__model_counts c;

	udrv__model_get_counts(dev, &c);
	return c;
}

#endif
