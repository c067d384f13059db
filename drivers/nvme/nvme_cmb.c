// SPDX-License-Identifier: MIT
/*
 * Submission queues in the controller's memory: NVM Express 1.4, 3.1.11, 3.1.12, 3.1.16, 4.7.
 *
 * Commands are put into the queue in the host's memory as ever, where resets and moved commands
 * find them, and copied when the doorbell is rung: the device's memory is only ever written.
 */
#include <errno.h>
#include <string.h>

#include <udrv/pci.h>

#include "nvme_ctrl.h"

#define SZU_MAX 6u /* 3.1.12: 64 GiB */
/* Above all that an IOMMU or a bus has, so that it is no memory's address. */
#define BASE (UINT64_C(1) << 62)

struct place {
	unsigned int bar;
	uint64_t offset, size;
};

static uint64_t __udrv_iomem *control(const struct udrv_nvme *nvme)
{
	return (uint64_t __udrv_iomem *)(nvme->regs + NVME_REG_CMBMSC);
}

/* Where it says it is, if that is in a BAR and submission queues may be there. */
static int find(const struct udrv_nvme *nvme, struct place *p)
{
	const uint32_t sz = nvme_read32(nvme, NVME_REG_CMBSZ);
	const uint32_t loc = nvme_read32(nvme, NVME_REG_CMBLOC);
	uint64_t len;

	if (!(sz & NVME_CMBSZ_SQS) || !NVME_CMBSZ_SZ(sz))
		return -EOPNOTSUPP;
	p->bar = NVME_CMBLOC_BIR(loc);
	if (NVME_CMBSZ_SZU(sz) > SZU_MAX || p->bar >= UDRV_PCI_STD_NUM_BARS)
		return -EPROTO;
	p->offset = NVME_CMBLOC_OFST(loc) * NVME_CMBSZ_UNIT(sz);
	p->size = NVME_CMBSZ_SZ(sz) * NVME_CMBSZ_UNIT(sz);
	len = udrv_pci_resource_len(nvme->dev, (int)p->bar);
	if (p->offset >= len || p->size > len - p->offset)
		return -EPROTO;
	return 0;
}

static int map(struct udrv_nvme *nvme, const struct place *p)
{
	struct nvme_cmb *cmb = &nvme->cmb;
	const uint64_t most = (uint64_t)NVME_CMB_PAGES << nvme->page_shift;
	const uint64_t len = p->size < most ? p->size : most;
	int ret = p->bar ? udrv_pci_request_region(nvme->dev, (int)p->bar, "nvme-cmb") : 0;

	if (ret)
		return ret;
	cmb->mem = udrv_pci_iomap_range(nvme->dev, (int)p->bar, p->offset, len);
	if (!cmb->mem) {
		if (p->bar)
			udrv_pci_release_region(nvme->dev, (int)p->bar);
		return -ENOMEM;
	}
	cmb->bar = p->bar;
	cmb->offset = p->offset;
	cmb->pages = (unsigned int)(len >> nvme->page_shift);
	return 0;
}

/* Mapped once; it has to be where it was. */
static int look(struct udrv_nvme *nvme)
{
	const struct nvme_cmb *cmb = &nvme->cmb;
	struct place p;
	int ret = find(nvme, &p);

	if (ret)
		return ret;
	if (!cmb->mem)
		return map(nvme, &p);
	return p.bar == cmb->bar && p.offset == cmb->offset &&
			       p.size >> nvme->page_shift >= cmb->pages
		       ? 0
		       : -EPROTO;
}

int nvme_cmb_enable(struct udrv_nvme *nvme)
{
	int ret = -EOPNOTSUPP;

	nvme->cmb.on = false;
	if (!nvme->options.cmb)
		return 0;
	if (NVME_CAP_CMBS(nvme->cap)) {
		/* Two halves would be two controls. */
		udrv_writeq(NVME_CMBMSC_CRE, control(nvme));
		ret = look(nvme);
		if (!ret)
			udrv_writeq(BASE | NVME_CMBMSC_CMSE | NVME_CMBMSC_CRE, control(nvme));
		if (!ret && nvme_read32(nvme, NVME_REG_CMBSTS) & NVME_CMBSTS_CBAI)
			ret = -EADDRNOTAVAIL;
		if (ret)
			udrv_writeq(0, control(nvme));
	}
	nvme->cmb.on = !ret;
	if (ret)
		udrv_dev_notice(nvme->dev, "queues are in the host's memory: %s",
				ret == -EOPNOTSUPP
					? "the controller has none for them (NVMe 1.4, CAP.CMBS)"
					: strerror(-ret));
	return 0;
}

void nvme_cmb_exit(struct udrv_nvme *nvme)
{
	struct nvme_cmb *cmb = &nvme->cmb;

	if (!cmb->mem)
		return;
	if (!udrv_device_gone(nvme->dev))
		udrv_writeq(0, control(nvme));
	udrv_pci_iounmap(nvme->dev, cmb->mem);
	if (cmb->bar)
		udrv_pci_release_region(nvme->dev, (int)cmb->bar);
	cmb->mem = NULL;
	cmb->on = false;
}

static unsigned int pages_of(const struct udrv_nvme_queue *q)
{
	const uint32_t bytes = (q->put.mask + 1) * (uint32_t)sizeof(struct nvme_sqe);

	return (bytes + (1u << q->nvme->page_shift) - 1) >> q->nvme->page_shift;
}

static size_t offset_of(const struct udrv_nvme *nvme, const struct udrv_nvme_queue *q)
{
	return (size_t)(q->cmb - nvme->cmb.mem);
}

void nvme_cmb_take(struct udrv_nvme *nvme, struct udrv_nvme_queue *q)
{
	struct nvme_cmb *cmb = &nvme->cmb;
	const unsigned int count = pages_of(q);
	unsigned int found = 0, at = 0;

	if (!cmb->on)
		return;
	pthread_mutex_lock(&nvme->queues_lock);
	while (at < cmb->pages && found < count)
		found = cmb->used[at++] ? 0 : found + 1;
	if (found == count) {
		at -= count;
		memset(&cmb->used[at], true, count);
		q->cmb = cmb->mem + ((size_t)at << nvme->page_shift);
		q->in_cmb = true;
	}
	pthread_mutex_unlock(&nvme->queues_lock);
}

void nvme_cmb_give(struct udrv_nvme *nvme, struct udrv_nvme_queue *q)
{
	if (!q->in_cmb)
		return;
	pthread_mutex_lock(&nvme->queues_lock);
	memset(&nvme->cmb.used[offset_of(nvme, q) >> nvme->page_shift], false, pages_of(q));
	pthread_mutex_unlock(&nvme->queues_lock);
	q->in_cmb = false;
	q->cmb = NULL;
}

udrv_iova_t nvme_sq_address(struct udrv_nvme *nvme, struct udrv_nvme_queue *q)
{
	if (!nvme->cmb.on)
		nvme_cmb_give(nvme, q);
	return q->in_cmb ? BASE + offset_of(nvme, q) : q->sq_iova;
}

/* Write combining or not, entries are there before the doorbell is. */
void nvme_cmb_copy(struct udrv_nvme_queue *q)
{
	for (uint32_t at = q->rung; at != q->put.tail; at++) {
		const uint32_t slot = at & q->put.mask;

		udrv_memcpy_toio(q->cmb + (size_t)slot * sizeof(struct nvme_sqe), &q->put.sq[slot],
				 sizeof(struct nvme_sqe));
	}
	udrv_wmb();
}
