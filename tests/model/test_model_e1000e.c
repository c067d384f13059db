// SPDX-License-Identifier: MIT
/* The software 82574: what it is, its reset, NVM, PHY and link, and the wire between two. */
#include <errno.h>

#include <linux/pci_regs.h>

#include "support/raw_e1000e.h"
#include "support/suite.h"

#define NAME	   "model:e1000e"
#define NVM_SUM	   0xbabau
#define PHY_CTRL   0u
#define PHY_STATUS 1u
#define PHY_ADV	   4u
#define PHY_1000   9u

static void teardown(void)
{
	raw_close();
}

START_TEST(function_looks_like_an_82574)
{
	uint32_t val;

	raw_open(NAME);
	ck_assert_int_eq(udrv_pci_read_config_dword(card.dev, PCI_VENDOR_ID, &val), 0);
	ck_assert_uint_eq(val, 0x10d38086);
	ck_assert_int_eq(udrv_pci_read_config_dword(card.dev, PCI_CLASS_REVISION, &val), 0);
	ck_assert_uint_eq(val >> 8, 0x020000);
	ck_assert_uint_eq(udrv_pci_resource_len(card.dev, 0), 128 << 10);
	ck_assert_uint_eq(udrv_pci_resource_len(card.dev, 1), 128 << 10);
	ck_assert_uint_eq(udrv_pci_resource_len(card.dev, 2), 32);
	ck_assert_uint_eq(udrv_pci_resource_len(card.dev, 3), 16 << 10);
	ck_assert(udrv_pci_resource_flags(card.dev, 2) & UDRV_RESOURCE_IO);
}
END_TEST

START_TEST(flash_and_odd_accesses_read_as_ones)
{
	void __udrv_iomem *flash;

	raw_open(NAME);
	flash = udrv_pci_iomap(card.dev, 1, 0);
	ck_assert_uint_eq(udrv_readl(flash), UINT32_MAX);
	ck_assert_uint_eq(udrv_readb(card.regs + REG_STATUS), 0xff);
	ck_assert_uint_eq(udrv_readw(card.regs + REG_STATUS), 0xffff);
	udrv_writeb(1, card.regs + REG_RCTL);
	ck_assert_uint_eq(rd(REG_RCTL), 0);
}
END_TEST

START_TEST(reset_gives_registers_their_defaults)
{
	raw_open(NAME);
	wr(REG_RCTL, RAW_RCTL);
	wr(REG_TCTL, RAW_TCTL);
	wr(REG_IMS, ICR_LSC);
	wr(REG_RAL + 8, 0x12345678);
	wr(REG_RX_RING + RING_LEN, 256);
	raw_reset();
	ck_assert_uint_eq(rd(REG_RCTL), 0);
	ck_assert_uint_eq(rd(REG_TCTL), 0);
	ck_assert_uint_eq(rd(REG_IMS), 0);
	ck_assert_uint_eq(rd(REG_RAL + 8), 0);
	ck_assert_uint_eq(rd(REG_RX_RING + RING_LEN), 0);
	ck_assert_uint_eq(rd(REG_CTRL) & CTRL_SLU, CTRL_SLU);
	ck_assert_uint_eq(rd(REG_TARC) & TARC_ENABLE, TARC_ENABLE);
	ck_assert_uint_eq(rd(REG_EECD) & EECD_AUTO_RD, EECD_AUTO_RD);
	ck_assert_uint_eq(rd(REG_RAL), 0x12005452);
	ck_assert_uint_eq(rd(REG_RAL + 4), RAH_AV | 0x5634);
	/* The link is the PHY's, which has not been reset. */
	ck_assert_uint_eq(rd(REG_STATUS) & STATUS_LU, STATUS_LU);
	ck_assert_uint_eq(raw_look().resets, 1);
}
END_TEST

START_TEST(function_level_reset_resets_the_phy_as_well)
{
	raw_open(NAME);
	wr(REG_RCTL, RAW_RCTL);
	ck_assert_int_eq(udrv__model_reset(card.dev), 0);
	ck_assert_uint_eq(rd(REG_RCTL), 0);
	raw_wait_link(true);
}
END_TEST

START_TEST(bus_master_bit_tells_that_the_master_is_off)
{
	raw_open(NAME);
	ck_assert(rd(REG_STATUS) & STATUS_GIO_MASTER);
	wr(REG_CTRL, rd(REG_CTRL) | CTRL_GIO_DISABLE);
	ck_assert(!(rd(REG_STATUS) & STATUS_GIO_MASTER));
}
END_TEST

START_TEST(stuck_reset_never_ends)
{
	raw_open(NAME);
	udrv__model_e1000e_set_chip(card.dev, UDRV__E1000E_STUCK);
	wr(REG_CTRL, CTRL_RST);
	for (int i = 0; i < 100; i++)
		ck_assert(rd(REG_CTRL) & CTRL_RST);
}
END_TEST

START_TEST(absent_chip_reads_as_ones)
{
	raw_open(NAME);
	udrv__model_e1000e_set_chip(card.dev, UDRV__E1000E_ABSENT);
	ck_assert_uint_eq(rd(REG_STATUS), UINT32_MAX);
	wr(REG_RCTL, RCTL_EN);
	ck_assert_uint_eq(raw_look().rctl, 0);
}
END_TEST

START_TEST(registers_are_reached_by_io)
{
	void __udrv_iomem *io;

	raw_open(NAME);
	io = udrv_pci_iomap(card.dev, 2, 0);
	udrv_iowrite32(REG_RAL, io + IO_ADDR);
	ck_assert_uint_eq(udrv_ioread32(io + IO_ADDR), REG_RAL);
	ck_assert_uint_eq(udrv_ioread32(io + IO_DATA), rd(REG_RAL));
	udrv_iowrite32(REG_RAL + 8, io + IO_ADDR);
	udrv_iowrite32(0xabcd, io + IO_DATA);
	ck_assert_uint_eq(rd(REG_RAL + 8), 0xabcd);
	udrv_iowrite32(0x80000, io + IO_ADDR);
	ck_assert_uint_eq(udrv_ioread32(io + IO_DATA), UINT32_MAX);
}
END_TEST

static unsigned int read_nvm(unsigned int word)
{
	wr(REG_EERD, word << 2 | EERD_START);
	ck_assert(rd(REG_EERD) & EERD_DONE);
	return rd(REG_EERD) >> 16;
}

static unsigned int sum_nvm(void)
{
	unsigned int sum = 0;

	for (unsigned int i = 0; i < NVM_WORDS; i++)
		sum += read_nvm(i);
	return sum & 0xffff;
}

START_TEST(nvm_has_the_address_and_a_checksum)
{
	raw_open(NAME);
	ck_assert_uint_eq(read_nvm(0), 0x5452);
	ck_assert_uint_eq(read_nvm(1), 0x1200);
	ck_assert_uint_eq(read_nvm(2), 0x5634);
	ck_assert_uint_eq(sum_nvm(), NVM_SUM);
	udrv__model_e1000e_set_nvm_bad(card.dev, 1);
	ck_assert_uint_ne(sum_nvm(), NVM_SUM);
	wr(REG_EERD, NVM_WORDS << 2 | EERD_START);
	ck_assert(!(rd(REG_EERD) & EERD_DONE));
}
END_TEST

START_TEST(nvm_words_are_written)
{
	raw_open(NAME);
	wr(REG_EEWR, 0xbeefu << 16 | 0x20 << 2 | EERD_START);
	ck_assert(rd(REG_EEWR) & EERD_DONE);
	ck_assert_uint_eq(read_nvm(0x20), 0xbeef);
}
END_TEST

START_TEST(address_follows_from_the_name_or_is_given)
{
	static const uint8_t mac[6] = {0x02, 1, 2, 3, 4, 5};

	raw_open(NAME ":b");
	ck_assert_uint_eq(rd(REG_RAL + 4) & 0xffff, 0x5834);
	udrv__model_e1000e_set_mac(card.dev, mac);
	raw_reset();
	ck_assert_uint_eq(rd(REG_RAL), 0x03020102);
	ck_assert_uint_eq(rd(REG_RAL + 4) & 0xffff, 0x0504);
	ck_assert_uint_eq(read_nvm(0), 0x0102);
	ck_assert_uint_eq(sum_nvm(), NVM_SUM);
}
END_TEST

START_TEST(software_semaphore_is_taken_by_reading)
{
	raw_open(NAME);
	ck_assert_uint_eq(rd(REG_SWSM) & 1, 0);
	ck_assert_uint_eq(rd(REG_SWSM) & 1, 1);
	wr(REG_SWSM, 0);
	ck_assert_uint_eq(rd(REG_SWSM) & 1, 0);
	wr(REG_EXTCNF_CTRL, rd(REG_EXTCNF_CTRL) | 1u << 5);
	ck_assert_uint_eq(rd(REG_EXTCNF_CTRL) >> 5 & 1, 1);
}
END_TEST

static uint32_t mdic(uint32_t op, unsigned int reg, uint32_t data)
{
	wr(REG_MDIC, op | reg << 16 | 1u << 21 | data);
	ck_assert(rd(REG_MDIC) & MDIC_READY);
	return rd(REG_MDIC);
}

static unsigned int read_phy(unsigned int reg)
{
	const uint32_t val = mdic(MDIC_READ, reg, 0);

	ck_assert(!(val & MDIC_ERROR));
	return val & 0xffff;
}

START_TEST(phy_tells_its_id)
{
	raw_open(NAME);
	ck_assert_uint_eq(read_phy(2), 0x0141);
	ck_assert_uint_eq(read_phy(3), 0x0cb1);
	wr(REG_MDIC, MDIC_READ | 2u << 16 | 2u << 21);
	ck_assert(rd(REG_MDIC) & MDIC_ERROR);
}
END_TEST

START_TEST(phy_can_interrupt_when_it_is_done)
{
	raw_open(NAME);
	(void)mdic(MDIC_READ | MDIC_INT, 2, 0);
	ck_assert(raw_look().icr & ICR_MDAC);
}
END_TEST

START_TEST(link_comes_up_by_negotiation)
{
	raw_open(NAME);
	(void)rd(REG_ICR);
	(void)mdic(MDIC_WRITE, PHY_CTRL, 0x1340);
	raw_wait_link(true);
	ck_assert(raw_look().icr & ICR_LSC);
	(void)read_phy(PHY_STATUS);
	ck_assert_uint_eq(read_phy(PHY_STATUS) & 0x24, 0x24);
	ck_assert_uint_eq(rd(REG_STATUS) >> STATUS_SPEED_SHIFT & 3, 2);
	ck_assert(rd(REG_STATUS) & STATUS_FD);
}
END_TEST

START_TEST(link_has_the_speed_that_is_advertised)
{
	raw_open(NAME);
	(void)mdic(MDIC_WRITE, PHY_1000, 0);
	(void)mdic(MDIC_WRITE, PHY_ADV, 0x01e1);
	(void)mdic(MDIC_WRITE, PHY_CTRL, 0x1340);
	raw_wait_link(true);
	ck_assert_uint_eq(rd(REG_STATUS) >> STATUS_SPEED_SHIFT & 3, 1);
}
END_TEST

START_TEST(loss_of_link_is_seen_in_the_phy_until_it_is_read)
{
	raw_open(NAME);
	(void)read_phy(PHY_STATUS);
	ck_assert(read_phy(PHY_STATUS) & 4);
	(void)rd(REG_ICR);
	udrv__model_e1000e_set_link(card.dev, false);
	ck_assert(!(rd(REG_STATUS) & STATUS_LU));
	ck_assert(raw_look().icr & ICR_LSC);
	udrv__model_e1000e_set_link(card.dev, true);
	raw_wait_link(true);
	ck_assert(!(read_phy(PHY_STATUS) & 4));
	ck_assert(read_phy(PHY_STATUS) & 4);
}
END_TEST

START_TEST(phy_that_is_off_or_in_reset_has_no_link)
{
	raw_open(NAME);
	(void)mdic(MDIC_WRITE, PHY_CTRL, 0x1940);
	ck_assert(!(rd(REG_STATUS) & STATUS_LU));
	(void)mdic(MDIC_WRITE, PHY_CTRL, 0x1140);
	raw_wait_link(true);
	wr(REG_CTRL, rd(REG_CTRL) | CTRL_PHY_RST);
	ck_assert(!(rd(REG_STATUS) & STATUS_LU));
	ck_assert(rd(REG_STATUS) & STATUS_PHYRA);
	wr(REG_CTRL, rd(REG_CTRL) & ~CTRL_PHY_RST);
	wr(REG_STATUS, 0);
	ck_assert(!(rd(REG_STATUS) & STATUS_PHYRA));
	raw_wait_link(true);
}
END_TEST

START_TEST(mac_has_the_link_with_slu_only)
{
	raw_open(NAME);
	wr(REG_CTRL, rd(REG_CTRL) & ~CTRL_SLU);
	ck_assert(!(rd(REG_STATUS) & STATUS_LU));
	wr(REG_CTRL, rd(REG_CTRL) | CTRL_SLU);
	ck_assert(rd(REG_STATUS) & STATUS_LU);
}
END_TEST

/* The second card's side of a cable. */
static struct raw_card swap_card(struct raw_card other)
{
	const struct raw_card old = card;

	card = other;
	return old;
}

static void send_to(const unsigned char *mac, size_t len, unsigned int seed)
{
	raw_frame(card.data, len, seed);
	memcpy(card.data, mac, 6);
	raw_send_data(len);
}

START_TEST(cards_on_a_cable_have_each_others_frames)
{
	struct raw_card a, b;
	struct raw_packet p;

	raw_up(NAME ":a");
	a = card;
	raw_up(NAME ":b");
	ck_assert_int_eq(udrv__model_e1000e_connect(a.dev, card.dev), 0);
	ck_assert_int_eq(udrv__model_e1000e_connect(a.dev, card.dev), -EBUSY);
	for (unsigned int i = 0; i < 40; i++) {
		b = swap_card(a);
		send_to(b.mac, 60 + i, i);
		a = swap_card(b);
		p = raw_wait(0);
		raw_check_frame(&p, 60 + i, i);
		raw_refill(0);
	}
	b = swap_card(a);
	raw_close();
	card = b;
	raw_wait_link(false);
	/* Nobody is there. */
	raw_send_data(60);
	ck_assert_uint_eq(raw_look().tx, 0);
}
END_TEST

START_TEST(cable_ends_are_closed_in_any_order)
{
	struct udrv_device *ends[2];

	for (int first = 0; first < 2; first++) {
		ck_assert_int_eq(udrv_device_open(NAME ":a", NULL, &ends[0]), 0);
		ck_assert_int_eq(udrv_device_open(NAME ":b", NULL, &ends[1]), 0);
		ck_assert_int_eq(udrv__model_e1000e_connect(ends[0], ends[1]), 0);
		udrv_device_close(ends[first]);
		udrv_device_close(ends[!first]);
	}
}
END_TEST

/* 2.7 MB, more than what is under way can be. */
START_TEST(sender_waits_for_an_other_end_that_is_slow)
{
	struct raw_card a, b;

	raw_up(NAME ":b");
	udrv__model_e1000e_fault(card.dev, UDRV__E1000E_LATE, 20);
	b = card;
	raw_up(NAME ":a");
	a = card;
	ck_assert_int_eq(udrv__model_e1000e_connect(a.dev, b.dev), 0);
	for (unsigned int i = 0; i < 300; i++)
		send_to(b.mac, 9000, i);
	ck_assert_uint_eq(raw_look().wire_lost, 0);
	ck_assert_uint_eq(raw_look().tx, 300);
	(void)swap_card(b);
	/* None fits into a frame without LPE, but each has been there. */
	for (unsigned int ms = 0; raw_look().filtered < 300 && ms < RAW_LONG_MS; ms++)
		poll(NULL, 0, 1);
	ck_assert_uint_eq(raw_look().filtered, 300);
	raw_close();
	card = a;
}
END_TEST

START_TEST(cable_ends_are_closed_under_traffic)
{
	struct raw_card a, b;

	for (int i = 0; i < 20; i++) {
		raw_up(NAME ":b");
		b = card;
		raw_up(NAME ":a");
		ck_assert_int_eq(udrv__model_e1000e_connect(card.dev, b.dev), 0);
		raw_frame(card.data, 1000, 1);
		memcpy(card.data, b.mac, 6);
		for (unsigned int n = 0; n < RAW_ENTRIES - 1; n++)
			raw_put_data(0, 0, 1000, RAW_TXD, 0);
		raw_tell_tx(0);
		a = i % 2 ? swap_card(b) : b;
		raw_close();
		card = a;
		raw_close();
	}
}
END_TEST

START_TEST(card_is_its_own_other_end_by_name)
{
	struct raw_packet p;

	raw_up(NAME ":loop");
	send_to(card.mac, 300, 7);
	p = raw_wait(0);
	raw_check_frame(&p, 300, 7);
	ck_assert_int_eq(udrv__model_e1000e_connect(card.dev, card.dev), -EBUSY);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("model_e1000e");
	TCase *tc = tcase_create("registers");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, function_looks_like_an_82574);
	tcase_add_test(tc, flash_and_odd_accesses_read_as_ones);
	tcase_add_test(tc, reset_gives_registers_their_defaults);
	tcase_add_test(tc, function_level_reset_resets_the_phy_as_well);
	tcase_add_test(tc, bus_master_bit_tells_that_the_master_is_off);
	tcase_add_test(tc, stuck_reset_never_ends);
	tcase_add_test(tc, absent_chip_reads_as_ones);
	tcase_add_test(tc, registers_are_reached_by_io);
	tcase_add_test(tc, nvm_has_the_address_and_a_checksum);
	tcase_add_test(tc, nvm_words_are_written);
	tcase_add_test(tc, address_follows_from_the_name_or_is_given);
	tcase_add_test(tc, software_semaphore_is_taken_by_reading);
	suite_add_tcase(s, tc);

	tc = tcase_create("link");
	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, phy_tells_its_id);
	tcase_add_test(tc, phy_can_interrupt_when_it_is_done);
	tcase_add_test(tc, link_comes_up_by_negotiation);
	tcase_add_test(tc, link_has_the_speed_that_is_advertised);
	tcase_add_test(tc, loss_of_link_is_seen_in_the_phy_until_it_is_read);
	tcase_add_test(tc, phy_that_is_off_or_in_reset_has_no_link);
	tcase_add_test(tc, mac_has_the_link_with_slu_only);
	tcase_add_test(tc, cards_on_a_cable_have_each_others_frames);
	tcase_add_test(tc, cable_ends_are_closed_in_any_order);
	tcase_add_test(tc, sender_waits_for_an_other_end_that_is_slow);
	tcase_add_test(tc, cable_ends_are_closed_under_traffic);
	tcase_add_test(tc, card_is_its_own_other_end_by_name);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
