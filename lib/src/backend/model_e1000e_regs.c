// SPDX-License-Identifier: MIT
/* The software 82574's registers (10.2), by memory and by I/O. What has no effect is stored. */
#include <string.h>

#include "backend/model_e1000e_dev.h"

#define SWSM_SMBI    1u
#define RDTR_FPD     (1u << 31)
#define BAL_MASK     0xfffffff0u
#define LEN_MASK     0x000fff80u
#define NOT_DECODED  UINT64_MAX
#define TIPG_DEFAULT 0x00602008u
#define PBA_DEFAULT  0x00140014u
#define TARC_DEFAULT (TARC_ENABLE | 3u)
#define RXDCTL_GRAN  (1u << 16)

void e1000e_load_mac(struct e1000e *e)
{
	const uint8_t *mac = e->mac;

	*e1000e_reg(e, REG_RAL) =
		mac[0] | (uint32_t)mac[1] << 8 | (uint32_t)mac[2] << 16 | (uint32_t)mac[3] << 24;
	*e1000e_reg(e, REG_RAL + 4) = mac[4] | (uint32_t)mac[5] << 8 | RAH_AV;
}

static void set_defaults(struct e1000e *e)
{
	memset(e->regs, 0, sizeof(e->regs));
	*e1000e_reg(e, REG_CTRL) = CTRL_FD | CTRL_SLU | CTRL_SPEED_1000;
	*e1000e_reg(e, REG_STATUS) = e->phy_link ? STATUS_LU : 0;
	*e1000e_reg(e, REG_EECD) = EECD_AUTO_RD | EECD_PRES;
	*e1000e_reg(e, REG_EERD) = EERD_DONE;
	*e1000e_reg(e, REG_EEWR) = EERD_DONE;
	*e1000e_reg(e, REG_VET) = 0x8100;
	*e1000e_reg(e, REG_EXTCNF_CTRL) = 1u << 3;
	*e1000e_reg(e, REG_PBA) = PBA_DEFAULT;
	*e1000e_reg(e, REG_TIPG) = TIPG_DEFAULT;
	*e1000e_reg(e, REG_RXCSUM) = RXCSUM_IPOFLD | RXCSUM_TUOFLD;
	for (unsigned int queue = 0; queue < QUEUES; queue++) {
		*e1000e_reg(e, e1000e_ring(REG_TARC, queue)) = TARC_DEFAULT;
		*e1000e_reg(e, e1000e_ring(REG_RXDCTL, queue)) = RXDCTL_GRAN;
	}
	e1000e_load_mac(e);
}

/* 10.2.2.1: all but the PHY; what is on the wire stays there. */
void e1000e_reset_mac(struct e1000e *e)
{
	set_defaults(e);
	for (unsigned int i = TIMER_LATE; i < TIMERS; i++)
		e->timers[i] = NEVER;
	e1000e_line_clear(&e->fifo);
	e->held.full = false;
	e->late = false;
	e->told = e->lost = e->delayed = 0;
	memset(e->halted, 0, sizeof(e->halted));
	memset(&e->ctx, 0, sizeof(e->ctx));
	for (unsigned int queue = 0; queue < QUEUES; queue++) {
		e->tx[queue].started = false;
		e->tx[queue].inside = false;
	}
	e1000e_update_irq(e);
	e1000e_kick(e);
}

static void software_reset(struct e1000e *e, uint32_t val)
{
	e->counts.resets++;
	if (e->chip == UDRV__E1000E_STUCK) {
		*e1000e_reg(e, REG_CTRL) = val;
		return;
	}
	(void)e1000e_take_fault(e, UDRV__E1000E_TX_STUCK);
	if (val & CTRL_PHY_RST)
		e1000e_reset_phy(e);
	e1000e_reset_mac(e);
	if (val & CTRL_PHY_RST)
		e1000e_negotiate(e);
}

static void write_ctrl(struct e1000e *e, uint32_t val)
{
	uint32_t *ctrl = e1000e_reg(e, REG_CTRL);
	const uint32_t old = *ctrl;

	if (val & CTRL_RST) {
		software_reset(e, val);
		return;
	}
	*ctrl = val;
	if (val & ~old & CTRL_PHY_RST) {
		*e1000e_reg(e, REG_STATUS) |= STATUS_PHYRA;
		e1000e_reset_phy(e);
	} else if (old & ~val & CTRL_PHY_RST) {
		e1000e_negotiate(e);
	}
	e1000e_update_link(e);
	e1000e_kick(e);
}

/* RDTR and TIDV: the highest bit ends the delay that is under way. */
static void write_delay(struct e1000e *e, uint32_t reg, uint32_t val, unsigned int timer)
{
	*e1000e_reg(e, reg) = val & 0xffff;
	if (val & RDTR_FPD && e->timers[timer] != NEVER)
		e1000e_fire_delayed(e);
}

static bool is_ring(uint32_t reg)
{
	const uint32_t first = reg & ~0x1ffu;

	return first == REG_RX_RING || first == REG_TX_RING;
}

/* Setting it up anew ends a halt, moving its tail does not. */
static void write_ring(struct e1000e *e, uint32_t reg, uint32_t val)
{
	switch (reg & 0xff) {
	case RING_BAL:
		val &= BAL_MASK;
		break;
	case RING_LEN:
		val &= LEN_MASK;
		break;
	case RING_HEAD:
	case RING_TAIL:
		val &= 0xffff;
		break;
	}
	if ((reg & 0xff) <= RING_HEAD)
		*e1000e_ring_halted(e, reg) = false;
	*e1000e_reg(e, reg) = val;
	e1000e_kick(e);
}

static void write_ims(struct e1000e *e, uint32_t set, uint32_t clear)
{
	uint32_t *ims = e1000e_reg(e, REG_IMS);

	*ims = (*ims | (set & ICR_CAUSES)) & ~clear;
	e1000e_update_irq(e);
}

static void write_plain(struct e1000e *e, uint32_t reg, uint32_t val)
{
	if (reg >= REG_STATS && reg < REG_STATS_END)
		return;
	if (is_ring(reg) && (reg & 0xff) <= RING_TAIL) {
		write_ring(e, reg, val);
		return;
	}
	*e1000e_reg(e, reg) = val;
	e1000e_kick(e);
}

static void write_eecd(struct e1000e *e, uint32_t val)
{
	const uint32_t fixed = EECD_PRES | EECD_AUTO_RD;

	*e1000e_reg(e, REG_EECD) = (val & ~fixed) | (*e1000e_reg(e, REG_EECD) & fixed);
}

static void write_reg(struct e1000e *e, uint32_t reg, uint32_t val)
{
	switch (reg) {
	case REG_CTRL:
	case REG_CTRL_ALIAS:
		write_ctrl(e, val);
		break;
	case REG_STATUS:
		*e1000e_reg(e, reg) &= val | ~STATUS_PHYRA;
		break;
	case REG_EECD:
		write_eecd(e, val);
		break;
	case REG_EERD:
		e1000e_write_eerd(e, val);
		break;
	case REG_EEWR:
		e1000e_write_eewr(e, val);
		break;
	case REG_CTRL_EXT:
		*e1000e_reg(e, reg) = val & ~CTRL_EXT_EE_RST;
		break;
	case REG_MDIC:
		e1000e_write_mdic(e, val);
		break;
	case REG_ICR:
		e1000e_write_icr(e, val);
		break;
	case REG_ICS:
		e1000e_cause(e, val);
		break;
	case REG_IMS:
		write_ims(e, val, 0);
		break;
	case REG_IMC:
		write_ims(e, 0, val);
		break;
	case REG_RDTR:
		write_delay(e, reg, val, TIMER_RDTR);
		break;
	case REG_TIDV:
		write_delay(e, reg, val, TIMER_TIDV);
		break;
	default:
		write_plain(e, reg, val);
	}
}

static uint32_t read_reg(struct e1000e *e, uint32_t reg)
{
	const uint32_t val = *e1000e_reg(e, reg);

	switch (reg) {
	case REG_CTRL_ALIAS:
		return *e1000e_reg(e, REG_CTRL);
	case REG_STATUS:
		return e1000e_status(e);
	case REG_ICR:
		return e1000e_read_icr(e);
	case REG_ICS:
		return *e1000e_reg(e, REG_ICR);
	case REG_SWSM:
		*e1000e_reg(e, reg) |= SWSM_SMBI;
		return val;
	default:
		return reg >= REG_STATS && reg < REG_STATS_END ? e1000e_read_stat(e, reg) : val;
	}
}

/* Words only. */
static uint32_t read_word(struct e1000e *e, uint32_t reg)
{
	if (e->chip == UDRV__E1000E_ABSENT || e1000e_take_fault(e, UDRV__E1000E_ONES))
		return UINT32_MAX;
	return read_reg(e, reg);
}

static void write_word(struct e1000e *e, uint32_t reg, uint32_t val)
{
	if (e->chip != UDRV__E1000E_ABSENT)
		write_reg(e, reg, val);
}

/* 10.1: IOADDR chooses what IODATA is. */
static uint64_t read_io(struct e1000e *e, uint64_t offset)
{
	if (offset == IO_ADDR)
		return e->io_addr;
	if (offset == IO_DATA && e->io_addr < REGS_LEN)
		return read_word(e, e->io_addr & ~3u);
	return NOT_DECODED;
}

static void write_io(struct e1000e *e, uint64_t offset, uint32_t val)
{
	if (offset == IO_ADDR)
		e->io_addr = val;
	else if (offset == IO_DATA && e->io_addr < REGS_LEN)
		write_word(e, e->io_addr & ~3u, val);
}

static bool is_decoded(unsigned int bar, uint64_t offset, unsigned int size)
{
	return (bar == 0 || bar == 2) && size >= 4 && !(offset % 4);
}

uint64_t e1000e_read(void *state, unsigned int bar, uint64_t offset, unsigned int size)
{
	struct e1000e *e = state;
	uint64_t val;

	if (!is_decoded(bar, offset, size))
		return NOT_DECODED;
	pthread_mutex_lock(&e->lock);
	if (bar == 2)
		val = read_io(e, offset);
	else
		val = read_word(e, (uint32_t)offset);
	if (bar == 0 && size == 8)
		val |= (uint64_t)read_word(e, (uint32_t)offset + 4) << 32;
	pthread_mutex_unlock(&e->lock);
	return val;
}

void e1000e_write(void *state, unsigned int bar, uint64_t offset, unsigned int size, uint64_t val)
{
	struct e1000e *e = state;

	if (!is_decoded(bar, offset, size))
		return;
	pthread_mutex_lock(&e->lock);
	if (bar == 2)
		write_io(e, offset, (uint32_t)val);
	else
		write_word(e, (uint32_t)offset, (uint32_t)val);
	if (bar == 0 && size == 8)
		write_word(e, (uint32_t)offset + 4, (uint32_t)(val >> 32));
	pthread_mutex_unlock(&e->lock);
}
