// SPDX-License-Identifier: MIT
/* The card without its queues: reset, NVM, PHY and link. Sections are the datasheet's. */
#include <errno.h>

#include <udrv/delay.h>
#include <udrv/poll.h>

#include "e1000e.h"

#define MASTER_MS    80
#define DRAIN_MS     10
#define RESET_MS     100
#define PHY_READY_MS 25 /* 4.6: until the PHY has been set by the NVM */
#define OWNER_MS     100
#define NVM_US	     10000
#define NVM_TRIES    3
#define MDIC_US	     10000

/* 4.6.3: whom management firmware may also be must not use PHY and NVM meanwhile. */
static int take_phy(struct e1000e *nic)
{
	for (int ms = 0; ms < OWNER_MS; ms++) {
		const uint32_t ctrl = e1000e_read(nic, E1000E_EXTCNF_CTRL);

		e1000e_write(nic, E1000E_EXTCNF_CTRL, ctrl | E1000E_EXTCNF_CTRL_MDIO_SW);
		if (e1000e_read(nic, E1000E_EXTCNF_CTRL) & E1000E_EXTCNF_CTRL_MDIO_SW)
			return 0;
		udrv_usleep_range(1000, 2000);
	}
	if (!nic->failed)
		udrv_dev_err(nic->dev,
			     "PHY and NVM are in use by the card's firmware all the time");
	return -ETIMEDOUT;
}

static void give_phy(struct e1000e *nic)
{
	const uint32_t ctrl = e1000e_read(nic, E1000E_EXTCNF_CTRL);

	e1000e_write(nic, E1000E_EXTCNF_CTRL, ctrl & ~E1000E_EXTCNF_CTRL_MDIO_SW);
}

/* 10.2.2.7 */
static int mdic(struct e1000e *nic, uint32_t command, uint16_t *val)
{
	uint32_t got;

	e1000e_write(nic, E1000E_MDIC, command | E1000E_MDIC_PHY);
	if (udrv_read_poll_timeout(e1000e_read, got, got & E1000E_MDIC_READY, 50, MDIC_US, false,
				   nic, E1000E_MDIC) ||
	    got & E1000E_MDIC_ERROR) {
		udrv_dev_err(nic->dev, "the PHY does not answer (MDIC 0x%08x)", got);
		return -EIO;
	}
	if (val)
		*val = (uint16_t)(got & E1000E_MDIC_DATA);
	return 0;
}

static int phy_read(struct e1000e *nic, unsigned int reg, uint16_t *val)
{
	return mdic(nic, E1000E_MDIC_OP_READ | E1000E_MDIC_REG(reg), val);
}

static int phy_write(struct e1000e *nic, unsigned int reg, uint16_t val)
{
	return mdic(nic, E1000E_MDIC_OP_WRITE | E1000E_MDIC_REG(reg) | val, NULL);
}

/* 10.2.2.4 */
static int nvm_read(struct e1000e *nic, unsigned int word, uint16_t *val)
{
	uint32_t got;

	e1000e_write(nic, E1000E_EERD, E1000E_EERD_ADDR(word) | E1000E_EERD_START);
	if (udrv_read_poll_timeout(e1000e_read, got, got & E1000E_EERD_DONE, 50, NVM_US, false, nic,
				   E1000E_EERD)) {
		udrv_dev_err(nic->dev, "NVM word 0x%02x cannot be read", word);
		return -EIO;
	}
	*val = E1000E_EERD_DATA(got);
	return 0;
}

/* 6.1.1: the words up to the checksum's add up to a constant. */
static int read_mac(struct e1000e *nic, uint8_t *mac, uint16_t *sum_out)
{
	uint16_t sum = 0;

	for (unsigned int i = 0; i <= E1000E_NVM_CHECKSUM; i++) {
		uint16_t word;
		int ret = nvm_read(nic, i, &word);

		if (ret)
			return ret;
		sum = (uint16_t)(sum + word);
		if (i < E1000E_NVM_MAC + UDRV_ETH_ALEN / 2) {
			mac[2 * i] = (uint8_t)word;
			mac[2 * i + 1] = (uint8_t)(word >> 8);
		}
	}
	*sum_out = sum;
	return 0;
}

int e1000e_hw_read_mac(struct e1000e *nic, uint8_t *mac)
{
	uint16_t sum = 0;
	int ret = take_phy(nic);

	if (ret)
		return ret;
	/* The first words that are read after the link's power was saved may be wrong. */
	for (int i = 0; i < NVM_TRIES && !ret && sum != E1000E_NVM_SUM; i++)
		ret = read_mac(nic, mac, &sum);
	give_phy(nic);
	if (ret || sum == E1000E_NVM_SUM)
		return ret;
	udrv_dev_err(nic->dev, "the checksum of the NVM is wrong: 0x%04x, not 0x%04x", sum,
		     E1000E_NVM_SUM);
	return -EIO;
}

/* 10.2.2.1: no more requests to the bus, so that none is cut off by the reset. */
static void stop_master(struct e1000e *nic)
{
	uint32_t status;

	e1000e_write(nic, E1000E_CTRL, e1000e_read(nic, E1000E_CTRL) | E1000E_CTRL_GIO_DISABLE);
	if (udrv_read_poll_timeout(e1000e_read, status, !(status & E1000E_STATUS_GIO_ENABLE), 100,
				   MASTER_MS * 1000, false, nic, E1000E_STATUS))
		udrv_dev_dbg(nic->dev, "requests to the bus are still under way");
}

/* Rings of nobody, as after power on: not every card that calls itself one clears them. */
static void clear_queues(struct e1000e *nic)
{
	for (unsigned int n = 0; n < E1000E_QUEUES; n++) {
		e1000e_write(nic, E1000E_RDLEN(n), 0);
		e1000e_write(nic, E1000E_RDH(n), 0);
		e1000e_write(nic, E1000E_RDT(n), 0);
		e1000e_write(nic, E1000E_TDLEN(n), 0);
		e1000e_write(nic, E1000E_TDH(n), 0);
		e1000e_write(nic, E1000E_TDT(n), 0);
	}
	e1000e_write(nic, E1000E_MRQC, 0);
}

/* Until @bits of a register are as wanted. All ones are no register's. */
static int await(struct e1000e *nic, uint32_t reg, uint32_t bits, uint32_t wanted)
{
	uint32_t val;
	const int ret = udrv_read_poll_timeout(e1000e_read, val, (val & bits) == wanted, 1000,
					       RESET_MS * 1000, false, nic, reg);

	return val == UINT32_MAX ? -ETIMEDOUT : ret;
}

/* 4.6.1, 4.6.2: interrupts off, transfers off, reset, interrupts off again. */
int e1000e_hw_reset(struct e1000e *nic)
{
	int ret;

	if (udrv_device_gone(nic->dev))
		return -ENODEV;
	nic->flow_set = false;
	e1000e_write(nic, E1000E_IMC, UINT32_MAX);
	e1000e_write(nic, E1000E_RCTL, 0);
	e1000e_write(nic, E1000E_TCTL, E1000E_TCTL_PSP);
	stop_master(nic);
	udrv_usleep_range(DRAIN_MS * 1000, DRAIN_MS * 1500);

	ret = take_phy(nic);
	if (ret)
		return ret;
	e1000e_write(nic, E1000E_CTRL, e1000e_read(nic, E1000E_CTRL) | E1000E_CTRL_RST);
	udrv_usleep_range(1000, 2000);
	ret = await(nic, E1000E_CTRL, E1000E_CTRL_RST, 0);
	if (!ret)
		ret = await(nic, E1000E_EEC, E1000E_EEC_AUTO_RD, E1000E_EEC_AUTO_RD);
	give_phy(nic);
	if (ret) {
		/* Once is enough for who tries again and again. */
		if (!nic->failed)
			udrv_dev_err(nic->dev, "the card does not come back from a reset");
		return udrv_device_gone(nic->dev) ? -ENODEV : ret;
	}
	udrv_msleep(PHY_READY_MS);
	e1000e_write(nic, E1000E_IMC, UINT32_MAX);
	e1000e_write(nic, E1000E_ICR, UINT32_MAX);
	(void)e1000e_read(nic, E1000E_ICR);
	e1000e_write(nic, E1000E_CTRL, e1000e_read(nic, E1000E_CTRL) & ~E1000E_CTRL_GIO_DISABLE);
	clear_queues(nic);
	return 0;
}

/*
 * The packet buffer is received frames' but for two of the longest to be sent, and at least 8 KB.
 * 10.2.2: pause frames are sent when there is no room for one more of the longest.
 */
static void set_buffer(struct e1000e *nic)
{
	const uint32_t frame = nic->mtu + UDRV_ETH_HLEN + 8;
	const uint32_t tx = 2 * frame > 8192 ? (2 * frame + 1023) / 1024 : 8;
	const uint32_t rx = E1000E_PBA_TOTAL - tx;
	const uint32_t high =
		rx * 1024 * 9 / 10 < rx * 1024 - frame ? rx * 1024 * 9 / 10 : rx * 1024 - frame;

	e1000e_write(nic, E1000E_PBA, rx);
	e1000e_write(nic, E1000E_FCAL, E1000E_PAUSE_LOW);
	e1000e_write(nic, E1000E_FCAH, E1000E_PAUSE_HIGH);
	e1000e_write(nic, E1000E_FCT, E1000E_PAUSE_TYPE);
	e1000e_write(nic, E1000E_FCTTV, E1000E_PAUSE_TIME);
	e1000e_write(nic, E1000E_FCRTH, high & ~7u);
	e1000e_write(nic, E1000E_FCRTL, ((high - 8) & ~7u) | E1000E_FCRTL_XONE);
}

/* 4.6.4: on, autonegotiating, and pause frames are spoken of. */
static int set_phy(struct e1000e *nic)
{
	const uint16_t pause = E1000E_PHY_PAUSE | E1000E_PHY_PAUSE_ASYM;
	uint16_t control, advertised;
	int ret = phy_read(nic, E1000E_PHY_CONTROL, &control);

	if (!ret)
		ret = phy_read(nic, E1000E_PHY_ADVERTISED, &advertised);
	if (ret)
		return ret;
	if (control & E1000E_PHY_CONTROL_AUTONEG && !(control & E1000E_PHY_CONTROL_POWER_DOWN) &&
	    (advertised & pause) == pause)
		return 0;
	ret = phy_write(nic, E1000E_PHY_ADVERTISED, advertised | pause);
	if (ret)
		return ret;
	control &= (uint16_t)~E1000E_PHY_CONTROL_POWER_DOWN;
	return phy_write(nic, E1000E_PHY_CONTROL,
			 control | E1000E_PHY_CONTROL_AUTONEG | E1000E_PHY_CONTROL_RESTART);
}

/* The specification update's: completions that get lost with ASPM. */
static void set_errata(struct e1000e *nic)
{
	e1000e_write(nic, E1000E_GCR, e1000e_read(nic, E1000E_GCR) | 1u << 22);
	e1000e_write(nic, E1000E_GCR2, e1000e_read(nic, E1000E_GCR2) | 1);
}

int e1000e_hw_init(struct e1000e *nic)
{
	uint32_t ctrl = e1000e_read(nic, E1000E_CTRL);
	int ret;

	ctrl &= ~(E1000E_CTRL_FRCSPD | E1000E_CTRL_FRCDPLX | E1000E_CTRL_VME);
	e1000e_write(nic, E1000E_CTRL, ctrl | E1000E_CTRL_SLU);
	e1000e_write(nic, E1000E_CTRL_EXT,
		     e1000e_read(nic, E1000E_CTRL_EXT) | E1000E_CTRL_EXT_DRV_LOAD);
	set_errata(nic);
	set_buffer(nic);
	e1000e_write(nic, E1000E_VET, E1000E_VLAN_TYPE);
	e1000e_filter_mac(nic, nic->ndev.dev_addr);
	for (unsigned int i = 0; i < E1000E_VFTA_WORDS; i++)
		e1000e_write(nic, E1000E_VFTA(i), nic->vfta[i]);
	ret = take_phy(nic);
	if (ret)
		return ret;
	ret = set_phy(nic);
	give_phy(nic);
	return ret;
}

/* IEEE 802.3, 28B.3: what both ends said decides who sends pause frames, and who obeys. */
static void resolve_pause(struct e1000e *nic)
{
	uint16_t ours, theirs;
	uint32_t flow = 0;
	uint32_t ctrl;

	if (take_phy(nic))
		return;
	if (!phy_read(nic, E1000E_PHY_ADVERTISED, &ours) &&
	    !phy_read(nic, E1000E_PHY_PARTNER, &theirs)) {
		const uint16_t asym = ours & theirs & E1000E_PHY_PAUSE_ASYM;

		if (ours & theirs & E1000E_PHY_PAUSE)
			flow = E1000E_CTRL_RFCE | E1000E_CTRL_TFCE;
		else if (asym && theirs & E1000E_PHY_PAUSE)
			flow = E1000E_CTRL_TFCE;
		else if (asym && ours & E1000E_PHY_PAUSE)
			flow = E1000E_CTRL_RFCE;
	}
	give_phy(nic);
	ctrl = e1000e_read(nic, E1000E_CTRL) & ~(E1000E_CTRL_RFCE | E1000E_CTRL_TFCE);
	e1000e_write(nic, E1000E_CTRL, ctrl | flow);
}

/* 10.2.2.2 */
void e1000e_hw_link(struct e1000e *nic)
{
	static const unsigned int speeds[] = {10, 100, 1000, 1000};
	const uint32_t status = e1000e_read(nic, E1000E_STATUS);
	const unsigned int speed = speeds[E1000E_STATUS_SPEED(status)];
	const bool full_duplex = status & E1000E_STATUS_FD;
	struct udrv_net_device *ndev = &nic->ndev;
	const bool up = status & E1000E_STATUS_LU && !nic->failed;

	/* All ones are no answer. */
	if (status == UINT32_MAX)
		return;
	if (up && !nic->flow_set)
		resolve_pause(nic);
	nic->flow_set = up;
	if (up == udrv_netif_carrier_ok(ndev) &&
	    (!up || (speed == ndev->speed && full_duplex == ndev->full_duplex)))
		return;
	nic->link_changes++;
	if (!up) {
		udrv_netif_carrier_off(ndev);
		udrv_dev_notice(nic->dev, "no link");
		return;
	}
	/* Others read them at any time: one that is up may get another speed. */
	__atomic_store_n(&ndev->speed, speed, __ATOMIC_RELAXED);
	__atomic_store_n(&ndev->full_duplex, full_duplex, __ATOMIC_RELAXED);
	udrv_netif_carrier_on(ndev);
	udrv_dev_notice(nic->dev, "link at %u Mb/s, %s duplex", speed,
			full_duplex ? "full" : "half");
}
