// SPDX-License-Identifier: MIT
/* The software 82574's PHY (section 9; IEEE 802.3 clause 22), and the link that it makes. */
#include <string.h>

#include "backend/model_e1000e_dev.h"

#define NEGOTIATION_NS 2000000

/* IEEE 802.3, 22.2.4, table 22-6 */
#define PHY_CTRL      0u
#define PHY_STATUS    1u
#define PHY_ID1	      2u
#define PHY_ID2	      3u
#define PHY_ADV	      4u
#define PHY_PARTNER   5u
#define PHY_EXPANSION 6u
#define PHY_NEXT_PAGE 7u
#define PHY_1000_CTRL 9u
#define PHY_1000_STAT 10u
#define PHY_EXT_STAT  15u
/* 9.1, page 0 */
#define PHY_COPPER_CTRL 16u
#define PHY_COPPER_STAT 17u

#define CTRL_RESET   0x8000u
#define CTRL_LOOP    0x4000u
#define CTRL_AUTO    0x1000u
#define CTRL_DOWN    0x0800u
#define CTRL_RESTART 0x0200u
#define CTRL_DUPLEX  0x0100u
#define CTRL_SELF    (CTRL_RESET | CTRL_RESTART | 0x3fu)

#define STATUS_AUTO_DONE 0x0020u
#define STATUS_LINK	 0x0004u

#define MDIC_REG(val) ((val) >> 16 & 0x1fu)
#define MDIC_PHY(val) ((val) >> 21 & 0x1fu)

static bool is_read_only(unsigned int reg)
{
	return reg == PHY_STATUS || reg == PHY_ID1 || reg == PHY_ID2 || reg == PHY_PARTNER ||
	       reg == PHY_EXPANSION || reg == PHY_1000_STAT || reg == PHY_EXT_STAT ||
	       reg == PHY_COPPER_STAT;
}

void e1000e_reset_phy(struct e1000e *e)
{
	memset(e->phy, 0, sizeof(e->phy));
	e->phy[PHY_CTRL] = CTRL_AUTO | CTRL_DUPLEX | 0x0040;
	e->phy[PHY_STATUS] = 0x7949;
	e->phy[PHY_ID1] = 0x0141;
	e->phy[PHY_ID2] = 0x0cb1;
	e->phy[PHY_ADV] = 0x0de1;
	e->phy[PHY_EXPANSION] = 0x0004;
	e->phy[PHY_NEXT_PAGE] = 0x2001;
	e->phy[PHY_1000_CTRL] = 0x0f00;
	e->phy[PHY_EXT_STAT] = 0x3000;
	e->phy[PHY_COPPER_CTRL] = 0x3360;
	e1000e_lose_link(e);
}

/* 0, 1 and 2: 10, 100, 1000 Mb/s. The other end has all. */
static unsigned int link_speed(const struct e1000e *e)
{
	if (!(e->phy[PHY_CTRL] & CTRL_AUTO))
		return (e->phy[PHY_CTRL] & 0x0040) ? 2 : e->phy[PHY_CTRL] >> 13 & 1;
	if (e->phy[PHY_1000_CTRL] & 0x0300)
		return 2;
	return e->phy[PHY_ADV] & 0x0180 ? 1 : 0;
}

bool e1000e_phy_loops(const struct e1000e *e)
{
	return e->phy[PHY_CTRL] & CTRL_LOOP;
}

static bool link_duplex(const struct e1000e *e)
{
	if (!(e->phy[PHY_CTRL] & CTRL_AUTO))
		return e->phy[PHY_CTRL] & CTRL_DUPLEX;
	switch (link_speed(e)) {
	case 2:
		return e->phy[PHY_1000_CTRL] & 0x0200;
	case 1:
		return e->phy[PHY_ADV] & 0x0100;
	default:
		return e->phy[PHY_ADV] & 0x0040;
	}
}

static void set_link_bits(struct e1000e *e)
{
	e->phy[PHY_STATUS] |= STATUS_LINK;
	if (e->phy[PHY_CTRL] & CTRL_AUTO)
		e->phy[PHY_STATUS] |= STATUS_AUTO_DONE;
	e->phy[PHY_PARTNER] = 0xcde1;
	e->phy[PHY_1000_STAT] = 0x3c00;
	e->phy[PHY_COPPER_STAT] =
		(uint16_t)(link_speed(e) << 14 | (link_duplex(e) ? 0x2c08u : 0x0c08u));
}

/* Status bits of a link that is lost stay low until they have been read (22.2.4.2.13). */
void e1000e_lose_link(struct e1000e *e)
{
	e->phy_link = false;
	e->phy[PHY_STATUS] &= (uint16_t) ~(STATUS_LINK | STATUS_AUTO_DONE);
	e->phy_latched = STATUS_LINK;
	e->phy[PHY_PARTNER] = 0;
	e->phy[PHY_1000_STAT] = 0;
	e->phy[PHY_COPPER_STAT] &= 0x0008;
	e->timers[TIMER_LINK] = NEVER;
	e1000e_update_link(e);
}

static bool is_powered(const struct e1000e *e)
{
	return !(e->phy[PHY_CTRL] & CTRL_DOWN) && !(e->regs[REG_CTRL / 4] & CTRL_PHY_RST);
}

void e1000e_negotiate(struct e1000e *e)
{
	e1000e_lose_link(e);
	if (e->cabled && is_powered(e))
		e1000e_arm(e, TIMER_LINK, NEGOTIATION_NS);
}

void e1000e_negotiated(struct e1000e *e)
{
	if (!e->cabled || !is_powered(e))
		return;
	e->phy_link = true;
	set_link_bits(e);
	e1000e_update_link(e);
	e1000e_flap(e);
}

/* 10.2.2.1: the MAC takes the PHY's link with CTRL.SLU. */
void e1000e_update_link(struct e1000e *e)
{
	uint32_t *status = e1000e_reg(e, REG_STATUS);
	const bool up = e->phy_link && *e1000e_reg(e, REG_CTRL) & CTRL_SLU;

	if (up == !!(*status & STATUS_LU))
		return;
	*status ^= STATUS_LU;
	e1000e_cause(e, ICR_LSC);
}

uint32_t e1000e_status(struct e1000e *e)
{
	const uint32_t ctrl = *e1000e_reg(e, REG_CTRL);
	uint32_t status = *e1000e_reg(e, REG_STATUS);
	unsigned int speed = link_speed(e);

	if (!(ctrl & CTRL_GIO_DISABLE))
		status |= STATUS_GIO_MASTER;
	if (ctrl & CTRL_FRCDPX ? ctrl & CTRL_FD : link_duplex(e))
		status |= STATUS_FD;
	if (e->phy_link)
		status |= speed << STATUS_ASDV_SHIFT;
	if (ctrl & CTRL_FRCSPD)
		speed = ctrl >> 8 & 3;
	return status | speed << STATUS_SPEED_SHIFT;
}

static uint16_t read_phy(struct e1000e *e, unsigned int reg)
{
	uint16_t val = e->phy[reg];

	if (reg == PHY_STATUS) {
		val &= (uint16_t)~e->phy_latched;
		e->phy_latched = 0;
	}
	return val;
}

static void write_phy_ctrl(struct e1000e *e, uint16_t val)
{
	const bool was_down = e->phy[PHY_CTRL] & CTRL_DOWN;

	if (val & CTRL_RESET) {
		e1000e_reset_phy(e);
		e1000e_negotiate(e);
		return;
	}
	e->phy[PHY_CTRL] = (uint16_t)(val & ~CTRL_SELF);
	if (val & CTRL_DOWN)
		e1000e_lose_link(e);
	else if (was_down || (val & CTRL_AUTO && val & CTRL_RESTART))
		e1000e_negotiate(e);
	else if (!(val & CTRL_AUTO))
		e1000e_negotiated(e);
}

static void write_phy(struct e1000e *e, unsigned int reg, uint16_t val)
{
	if (reg == PHY_CTRL)
		write_phy_ctrl(e, val);
	else if (!is_read_only(reg))
		e->phy[reg] = val;
}

/* 10.2.2.7: the PHY has address 1. It is done at once. */
void e1000e_write_mdic(struct e1000e *e, uint32_t val)
{
	uint32_t done = val & ~(MDIC_READY | MDIC_ERROR);

	if (MDIC_PHY(val) != 1 || e1000e_take_fault(e, UDRV__E1000E_NO_PHY))
		done |= MDIC_ERROR;
	else if (val & MDIC_READ)
		done = (done & ~0xffffu) | read_phy(e, MDIC_REG(val));
	else if (val & MDIC_WRITE)
		write_phy(e, MDIC_REG(val), (uint16_t)val);
	*e1000e_reg(e, REG_MDIC) = done | MDIC_READY;
	if (val & MDIC_INT)
		e1000e_cause(e, ICR_MDAC);
}
