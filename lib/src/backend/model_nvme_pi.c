// SPDX-License-Identifier: MIT
/*
 * End-to-end data protection (8.3) of the software NVMe controller. All metadata is of 8 bytes, so
 * that it is nothing but protection information where there is any.
 */
#include <string.h>

#include "backend/model_nvme_dev.h"

#define DNR(sc) ((uint16_t)((sc) | NVME_ST_DNR))

/* 8.3.1.1: T10 SBC-3, the remainder of the block as a polynomial, begun with 0, divided by 18bb7h.
 */
static uint16_t crc(const unsigned char *data, uint32_t len)
{
	static const uint16_t by_nibble[16] = {
		0x0000, 0x8bb7, 0x9cd9, 0x176e, 0xb205, 0x39b2, 0x2edc, 0xa56b,
		0xefbd, 0x640a, 0x7364, 0xf8d3, 0x5db8, 0xd60f, 0xc161, 0x4ad6,
	};
	uint16_t r = 0;

	for (uint32_t i = 0; i < len; i++) {
		r = (uint16_t)(r << 4 ^ by_nibble[(r >> 12 ^ data[i] >> 4) & 15]);
		r = (uint16_t)(r << 4 ^ by_nibble[(r >> 12 ^ data[i]) & 15]);
	}
	return r;
}

/* Figure 450: guard, application tag, reference tag; the most significant byte first. */
static uint32_t get(const unsigned char *at, unsigned int size)
{
	uint32_t val = 0;

	for (unsigned int i = 0; i < size; i++)
		val = val << 8 | at[i];
	return val;
}

static void put(unsigned char *at, unsigned int size, uint32_t val)
{
	for (unsigned int i = 0; i < size; i++)
		at[i] = (unsigned char)(val >> 8 * (size - 1 - i));
}

bool udrv__nvme_is_stripped(const struct udrv__nvme_ns *ns, const struct udrv__nvme_cmd *cmd)
{
	return ns->pi && cmd->cdw12 & NVME_RW_PRACT;
}

/* 8.3.1.5: of type 1 the tag is the block's address, type 3 has none that could be checked. */
uint16_t udrv__nvme_check_prinfo(const struct udrv__nvme_ns *ns, const struct udrv__nvme_cmd *cmd)
{
	const uint32_t lba = cmd->cdw10;

	if (!ns->pi || !(cmd->cdw12 & NVME_RW_PRCHK_REF))
		return NVME_SC_SUCCESS;
	if (ns->pi == 3 || (ns->pi == 1 && cmd->cdw14 != lba))
		return DNR(NVME_SC_PROTECTION);
	return NVME_SC_SUCCESS;
}

static uint32_t ref_of(const struct udrv__nvme_ns *ns, const struct udrv__nvme_cmd *cmd,
		       uint32_t block)
{
	return ns->pi == 3 ? cmd->cdw14 : cmd->cdw14 + block;
}

void udrv__nvme_make_pi(const struct udrv__nvme_ns *ns, const struct udrv__nvme_cmd *cmd,
			uint32_t block, const unsigned char *data, unsigned char *pi)
{
	put(pi, 2, crc(data, 1u << ns->lba_shift));
	put(pi + 2, 2, cmd->cdw15 & 0xffff);
	put(pi + 4, 4, ref_of(ns, cmd, block));
}

/* 8.3.1.5: tags of all ones are of blocks that were never written, which nobody checks. */
uint16_t udrv__nvme_check_pi(const struct udrv__nvme_ns *ns, const struct udrv__nvme_cmd *cmd,
			     uint32_t block, const unsigned char *data, const unsigned char *pi)
{
	const uint32_t app = get(pi + 2, 2), ref = get(pi + 4, 4);
	const uint32_t mask = cmd->cdw15 >> 16;

	if (!ns->pi || (app == 0xffff && (ns->pi != 3 || ref == 0xffffffff)))
		return NVME_SC_SUCCESS;
	if (cmd->cdw12 & NVME_RW_PRCHK_GUARD && get(pi, 2) != crc(data, 1u << ns->lba_shift))
		return DNR(NVME_SC_GUARD);
	if (cmd->cdw12 & NVME_RW_PRCHK_APP && (app & mask) != (cmd->cdw15 & mask))
		return DNR(NVME_SC_APP_TAG);
	if (cmd->cdw12 & NVME_RW_PRCHK_REF && ref != ref_of(ns, cmd, block))
		return DNR(NVME_SC_REF_TAG);
	return NVME_SC_SUCCESS;
}

uint16_t udrv__nvme_check_stored(const struct udrv__nvme_ns *ns, const struct udrv__nvme_cmd *cmd,
				 uint64_t lba, uint32_t blocks)
{
	uint16_t status = udrv__nvme_check_prinfo(ns, cmd);

	for (uint32_t i = 0; i < blocks && ns->pi && !status; i++)
		status = udrv__nvme_check_pi(ns, cmd, i, ns->data + ((lba + i) << ns->lba_shift),
					     ns->meta + (lba + i) * ns->ms);
	return status;
}
