// SPDX-License-Identifier: MIT
/*
 * Submission queues in the controller's memory: NVM Express 1.4, 3.1.11, 3.1.12, 3.1.16, 4.7; 1.3,
 * 3.1.11, 3.1.12, 4.7.
 *
 * Commands are put into the queue in the host's memory as ever, where resets and moved commands
 * find them, and copied when the doorbell is rung: the device's memory is only ever written.
 */
#include <errno.h>
#include <string.h>

#include <linux/pci_regs.h>

#include <udrv/pci.h>

#include "nvme_ctrl.h"

#define SZU_MAX 6u /* 3.1.12: 64 GiB */

struct place {
	unsigned int bar;
	uint64_t offset, size;
	uint64_t base; /* its address for the controller */
};

/* 1.4, 3.1.16 */
static bool has_control(const struct udrv_nvme *nvme)
{
	return NVME_CAP_CMBS(nvme->cap);
}

static uint64_t __udrv_iomem *control(const struct udrv_nvme *nvme)
{
	return (uint64_t __udrv_iomem *)(nvme->regs + NVME_REG_CMBMSC);
}

/*
 * What the BAR has on the bus, if that is what the kernel says, too, so that no DMA memory has it;
 * or 0. Before NVMe 1.4 (no CAP.CMBS) the controller takes that for its own memory; QEMU's
 * legacy-cmb does so, too, whatever CMBMSC says. From 1.4 on any such address will do.
 */
static uint64_t bus_address(const struct udrv_nvme *nvme, unsigned int bar)
{
	const int where = PCI_BASE_ADDRESS_0 + 4 * (int)bar;
	uint32_t low = 0;
	uint32_t high = 0;
	uint64_t address;

	(void)udrv_pci_read_config_dword(nvme->dev, where, &low);
	if (low & PCI_BASE_ADDRESS_MEM_TYPE_64)
		(void)udrv_pci_read_config_dword(nvme->dev, where + 4, &high);
	address = (uint64_t)high << 32 | (low & (uint32_t)PCI_BASE_ADDRESS_MEM_MASK);
	return address == udrv_pci_resource_start(nvme->dev, (int)bar) ? address : 0;
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
	p->base = bus_address(nvme, p->bar);
	if (!p->base)
		return -EADDRNOTAVAIL;
	p->base += p->offset;
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
	cmb->base = p->base;
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
	return p.bar == cmb->bar && p.offset == cmb->offset && p.base == cmb->base &&
			       p.size >> nvme->page_shift >= cmb->pages
		       ? 0
		       : -EPROTO;
}

/* Two halves would be two controls. */
static void control_by(const struct udrv_nvme *nvme, uint64_t val)
{
	if (has_control(nvme))
		udrv_writeq(val, control(nvme));
}

int nvme_cmb_enable(struct udrv_nvme *nvme)
{
	int ret;

	__atomic_store_n(&nvme->cmb.on, false, __ATOMIC_RELAXED);
	if (!nvme->options.cmb)
		return 0;
	control_by(nvme, NVME_CMBMSC_CRE);
	ret = look(nvme);
	if (!ret)
		control_by(nvme, nvme->cmb.base | NVME_CMBMSC_CMSE | NVME_CMBMSC_CRE);
	if (!ret && has_control(nvme) && nvme_read32(nvme, NVME_REG_CMBSTS) & NVME_CMBSTS_CBAI)
		ret = -EADDRNOTAVAIL;
	if (ret)
		control_by(nvme, 0);
	__atomic_store_n(&nvme->cmb.on, !ret, __ATOMIC_RELAXED);
	if (ret)
		udrv_dev_notice(nvme->dev, "queues are in the host's memory: %s",
				ret == -EOPNOTSUPP ? "the controller has none for them"
						   : strerror(-ret));
	return 0;
}

void nvme_cmb_exit(struct udrv_nvme *nvme)
{
	struct nvme_cmb *cmb = &nvme->cmb;

	if (!cmb->mem)
		return;
	if (!udrv_device_gone(nvme->dev))
		control_by(nvme, 0);
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
	return q->in_cmb ? nvme->cmb.base + offset_of(nvme, q) : q->sq_iova;
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
