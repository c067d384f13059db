// SPDX-License-Identifier: MIT
/* The controller's registers: NVM Express 1.4, 3.1 and 7.6. */
#include <errno.h>
#include <string.h>

#include <udrv/delay.h>
#include <udrv/ktime.h>
#include <udrv/pci.h>

#include "nvme_ctrl.h"

#define STEP_US 200 /* between two looks at CSTS */

/* 3.1: 64-bit registers may be read as two halves, the lower one first. */
uint64_t nvme_read64(const struct udrv_nvme *nvme, unsigned long reg)
{
	const uint32_t low = nvme_read32(nvme, reg);

	return (uint64_t)nvme_read32(nvme, reg + 4) << 32 | low;
}

void nvme_write64(const struct udrv_nvme *nvme, unsigned long reg, uint64_t val)
{
	nvme_write32(nvme, reg, (uint32_t)val);
	nvme_write32(nvme, reg + 4, (uint32_t)(val >> 32));
}

bool nvme_is_absent(const struct udrv_nvme *nvme)
{
	return nvme_read32(nvme, NVME_REG_CSTS) == UINT32_MAX;
}

bool nvme_has_doorbells(const struct udrv_nvme *nvme, unsigned int qid)
{
	return NVME_DOORBELL(qid, true, NVME_CAP_DSTRD(nvme->cap)) + sizeof(uint32_t) <=
	       udrv_pci_resource_len(nvme->dev, 0);
}

static int refuse(const struct udrv_nvme *nvme, const char *why)
{
	udrv_dev_err(nvme->dev, "%s (CAP 0x%016llx, VS 0x%08x)", why, (unsigned long long)nvme->cap,
		     nvme->vs);
	return -EOPNOTSUPP;
}

int nvme_look_at_caps(struct udrv_nvme *nvme)
{
	nvme->cap = nvme_read64(nvme, NVME_REG_CAP);
	nvme->vs = nvme_read32(nvme, NVME_REG_VS);
	if (nvme->cap == UINT64_MAX || nvme->vs == UINT32_MAX) {
		udrv_dev_err(nvme->dev,
			     "the controller does not answer: its registers read as ones");
		return -ENODEV;
	}
	if (!(NVME_CAP_CSS(nvme->cap) & NVME_CAP_CSS_NVM))
		return refuse(nvme, "the controller has no NVM command set");
	if (NVME_CAP_MQES(nvme->cap) < 1)
		return refuse(nvme, "the controller's queues are too small");
	if (!nvme_has_doorbells(nvme, 0))
		return refuse(nvme, "the controller's doorbells are outside of its BAR");
	nvme->weighted = nvme->options.weighted && NVME_CAP_AMS(nvme->cap) & NVME_CAP_AMS_WRR;
	if (nvme->options.weighted && !nvme->weighted)
		udrv_dev_notice(nvme->dev, "it has no weighted arbitration: it is round robin");
	/* The smallest page that it can: not above the system's. */
	nvme->page_shift = 12 + NVME_CAP_MPSMIN(nvme->cap);
	if (1ul << nvme->page_shift > UDRV_PAGE_SIZE)
		return refuse(nvme, "the controller's pages are larger than the system's");
	return 0;
}

/*
 * 3.1.1, TO: the worst case of RDY, in 500 ms. Some say 0. Where that has no room for it (2.0) it
 * is in CRTO; Linux has seen ones that say less there.
 */
static unsigned int ready_timeout_ms(const struct udrv_nvme *nvme)
{
	unsigned int units = NVME_CAP_TO(nvme->cap);

	if (NVME_CAP_CRWMS(nvme->cap)) {
		const uint32_t crto = nvme_read32(nvme, NVME_REG_CRTO);

		if (crto != UINT32_MAX && NVME_CRTO_CRWMT(crto) > units)
			units = NVME_CRTO_CRWMT(crto);
	}
	return (units ? units : 1) * 500;
}

/* CSTS under a mask gets a value: 0, -ENODEV, -EIO for a fatal status, -ETIMEDOUT. */
static int await_status(const struct udrv_nvme *nvme, uint32_t mask, uint32_t value,
			unsigned int timeout_ms, bool fatal_matters)
{
	const int64_t end = udrv_ktime_get() + (int64_t)timeout_ms * 1000000;

	for (;;) {
		/* The time first: a late look is a look. */
		const bool last = udrv_ktime_get() > end;
		const uint32_t status = nvme_read32(nvme, NVME_REG_CSTS);

		if (status == UINT32_MAX || udrv_device_gone(nvme->dev))
			return -ENODEV;
		if ((status & mask) == value)
			return 0;
		if (fatal_matters && status & NVME_CSTS_CFS)
			return -EIO;
		if (last)
			return -ETIMEDOUT;
		udrv_usleep_range(STEP_US, 2 * STEP_US);
	}
}

/* That the device is gone is said by whoever finds out. */
static int complain(const struct udrv_nvme *nvme, const char *what, int ret)
{
	if (ret && ret != -ENODEV)
		udrv_dev_err(nvme->dev, "the controller does not get %s: %s (CSTS 0x%x)", what,
			     ret == -EIO ? "it reports a fatal status" : strerror(-ret),
			     nvme_read32(nvme, NVME_REG_CSTS));
	return ret;
}

int nvme_disable(struct udrv_nvme *nvme)
{
	const uint32_t cc = nvme_read32(nvme, NVME_REG_CC);

	if (cc == UINT32_MAX)
		return -ENODEV;
	/* 3.1.5, EN: not to be cleared before RDY is set, but when it never is, what else. */
	nvme_write32(nvme, NVME_REG_CC, cc & ~(NVME_CC_EN | NVME_CC_SHN_MASK));
	return complain(nvme, "disabled",
			await_status(nvme, NVME_CSTS_RDY, 0, ready_timeout_ms(nvme), false));
}

int nvme_enable(struct udrv_nvme *nvme)
{
	const struct udrv_nvme_queue *q = nvme->admin;

	nvme_subsystem_forget_reset(nvme);
	nvme_write32(nvme, NVME_REG_AQA, NVME_AQA(q->put.mask + 1, q->put.mask + 1));
	nvme_write64(nvme, NVME_REG_ASQ, q->sq_iova);
	nvme_write64(nvme, NVME_REG_ACQ, q->cq_iova);
	const uint32_t cc = NVME_CC_EN | NVME_CC_CSS_NVM | NVME_CC_MPS(nvme->page_shift) |
			    (nvme->weighted ? NVME_CC_AMS_WRR : NVME_CC_AMS_RR) |
			    NVME_CC_IOSQES(6u) | NVME_CC_IOCQES(4u);
	nvme_write32(nvme, NVME_REG_CC, cc);
	return complain(
		nvme, "ready",
		await_status(nvme, NVME_CSTS_RDY, NVME_CSTS_RDY, ready_timeout_ms(nvme), true));
}

/* 5.15.2.2, RTD3E: how long it may take, in microseconds; Linux waits 5 s at least. */
static unsigned int shutdown_timeout_ms(const struct udrv_nvme *nvme)
{
	const unsigned int ms = nvme_id(nvme)->rtd3e / 1000;

	return ms < 5000 ? 5000 : (ms > 60000 ? 60000 : ms);
}

int nvme_shut_down(struct udrv_nvme *nvme)
{
	const uint32_t cc = nvme_read32(nvme, NVME_REG_CC);

	if (cc == UINT32_MAX)
		return -ENODEV;
	nvme_write32(nvme, NVME_REG_CC, (cc & ~NVME_CC_SHN_MASK) | NVME_CC_SHN_NORMAL);
	return complain(nvme, "shut down",
			await_status(nvme, NVME_CSTS_SHST_MASK, NVME_CSTS_SHST_DONE,
				     shutdown_timeout_ms(nvme), false));
}
