// SPDX-License-Identifier: MIT
/*
 * The software NVMe controller's memory buffer (3.1.11 and on, 4.7), for submission queues only: in
 * the BAR behind its first page, which is not part of it.
 */
#include <string.h>

#include <linux/pci_regs.h>

#include "backend/model_nvme_dev.h"

#define CMB_OFFSET 4096u
#define CMB_PAGES  ((NVME_CMB_BAR_LEN - CMB_OFFSET) / 4096u)
#define CMB_LEN	   (CMB_PAGES * 4096u)

#define BAR (UINT64_C(1) << 32) /* where the memory that a driver takes first would be */

void udrv__nvme_cmb_place(struct udrv__nvme *n)
{
	udrv__model_config_set16(n->model, PCI_BASE_ADDRESS_0 + 4 * NVME_BAR_CMB + 4,
				 (uint16_t)(BAR >> 32));
}

static bool registers_are_on(const struct udrv__nvme *n)
{
	return n->config.old_cmb || (n->config.cmb && n->cmbmsc & NVME_CMBMSC_CRE);
}

static bool memory_is_on(const struct udrv__nvme *n)
{
	return n->config.old_cmb || (registers_are_on(n) && n->cmbmsc & NVME_CMBMSC_CMSE);
}

static uint64_t base_of(const struct udrv__nvme *n)
{
	return n->config.old_cmb ? BAR + CMB_OFFSET : n->cmbmsc & NVME_CMBMSC_CBA;
}

static bool base_is_invalid(const struct udrv__nvme *n)
{
	return base_of(n) + CMB_LEN < base_of(n) || n->switches.no_cmb_base;
}

uint32_t udrv__nvme_cmb_read(const struct udrv__nvme *n, uint64_t offset)
{
	switch (offset) {
	case NVME_REG_CMBLOC:
		return registers_are_on(n)
			       ? NVME_BAR_CMB | CMB_OFFSET / 4096 << NVME_CMBLOC_OFST_SHIFT
			       : 0;
	case NVME_REG_CMBSZ:
		return registers_are_on(n) ? NVME_CMBSZ_SQS | CMB_PAGES << NVME_CMBSZ_SZ_SHIFT : 0;
	case NVME_REG_CMBMSC:
		return (uint32_t)n->cmbmsc;
	case NVME_REG_CMBMSC + 4:
		return (uint32_t)(n->cmbmsc >> 32);
	default:
		return n->cmbmsc & NVME_CMBMSC_CMSE && base_is_invalid(n) ? NVME_CMBSTS_CBAI : 0;
	}
}

void *udrv__nvme_cmb_at(const struct udrv__nvme *n, udrv_iova_t addr, size_t len)
{
	const uint64_t at = addr - base_of(n);

	if (!memory_is_on(n) || base_is_invalid(n) || at >= CMB_LEN || len > CMB_LEN - at)
		return NULL;
	return n->cmb + CMB_OFFSET + at;
}

void udrv__nvme_cmb_reset(struct udrv__nvme *n)
{
	n->cmbmsc = 0;
	memset(n->cmb, 0xee, NVME_CMB_BAR_LEN);
}
