// SPDX-License-Identifier: MIT
/* Which frames the software 82574 takes: addresses and VLANs (7.1, 7.5). */
#include "backend/model_e1000e_dev.h"

bool e1000e_is_vlan(struct e1000e *e, const uint8_t *frame, size_t len)
{
	return len >= 18 && (uint32_t)(frame[12] << 8 | frame[13]) == *e1000e_reg(e, REG_VET);
}

/* 10.2.5: VFTA, a bit of each of 4096 */
static bool is_member_of_vlan(struct e1000e *e, const uint8_t *frame)
{
	const unsigned int id = (unsigned int)(frame[14] << 8 | frame[15]) & 0xfff;

	return *e1000e_reg(e, REG_VFTA + 4 * (id / 32)) >> id % 32 & 1;
}

static bool is_address(const uint8_t *frame, uint32_t low, uint32_t high)
{
	for (unsigned int i = 0; i < 4; i++)
		if (frame[i] != (low >> 8 * i & 0xff))
			return false;
	return high & RAH_AV && frame[4] == (high & 0xff) && frame[5] == (high >> 8 & 0xff);
}

static bool is_exact(struct e1000e *e, const uint8_t *frame)
{
	for (uint32_t reg = REG_RAL; reg < REG_RAL + 16 * 8; reg += 8)
		if (is_address(frame, *e1000e_reg(e, reg), *e1000e_reg(e, reg + 4)))
			return true;
	return false;
}

/* MTA: 12 bits of the address, where RCTL.MO says, are the number of a bit. */
static bool is_hashed(struct e1000e *e, const uint8_t *frame)
{
	static const unsigned int shifts[] = {4, 3, 2, 0};
	const unsigned int mo = *e1000e_reg(e, REG_RCTL) >> RCTL_MO_SHIFT & 3;
	const unsigned int hash = (unsigned int)(frame[5] << 8 | frame[4]) >> shifts[mo] & 0xfff;

	return *e1000e_reg(e, REG_MTA + 4 * (hash / 32)) >> hash % 32 & 1;
}

static bool is_broadcast(const uint8_t *frame)
{
	for (unsigned int i = 0; i < 6; i++)
		if (frame[i] != 0xff)
			return false;
	return true;
}

static bool is_promiscuous(uint32_t rctl, const uint8_t *frame)
{
	if (is_broadcast(frame))
		return rctl & RCTL_BAM;
	return frame[0] & 1 ? rctl & RCTL_MPE : rctl & RCTL_UPE;
}

bool e1000e_accepts(struct e1000e *e, const uint8_t *frame, size_t len)
{
	const uint32_t rctl = *e1000e_reg(e, REG_RCTL);

	if (rctl & RCTL_VFE && e1000e_is_vlan(e, frame, len) && !is_member_of_vlan(e, frame))
		return false;
	if (is_promiscuous(rctl, frame) || is_exact(e, frame))
		return true;
	return frame[0] & 1 && is_hashed(e, frame);
}
