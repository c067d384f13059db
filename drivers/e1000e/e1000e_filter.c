// SPDX-License-Identifier: MIT
/* What is received: addresses, groups, VLANs. Sections are the datasheet's. */
#include <net/if.h>
#include <string.h>

#include "e1000e.h"

/* 10.2.5: the card's own address is the first; low part first, the high one makes it valid. */
void e1000e_filter_mac(struct e1000e *nic, const uint8_t *addr)
{
	const uint32_t low = (uint32_t)addr[0] | (uint32_t)addr[1] << 8 | (uint32_t)addr[2] << 16 |
			     (uint32_t)addr[3] << 24;
	const uint32_t high = (uint32_t)addr[4] | (uint32_t)addr[5] << 8;

	e1000e_write(nic, E1000E_RAH(0), 0);
	e1000e_write(nic, E1000E_RAL(0), low);
	e1000e_write(nic, E1000E_RAH(0), high | E1000E_RAH_AV);
	for (unsigned int i = 1; i < E1000E_ADDRESSES; i++) {
		e1000e_write(nic, E1000E_RAH(i), 0);
		e1000e_write(nic, E1000E_RAL(i), 0);
	}
}

/* 10.2.5, 7.1.1: with RCTL.MO 0 bits 47:36 of the address choose one of 4096. */
static unsigned int hash_of(const uint8_t *addr)
{
	return (addr[4] >> 4 | (unsigned int)addr[5] << 4) & 0xfff;
}

/* The caller also has the framework's lock, under which @flags, @mc and @mc_count change. */
void e1000e_filter_take(struct e1000e *nic)
{
	const struct udrv_net_device *ndev = &nic->ndev;

	nic->flags = ndev->flags;
	memset(nic->mta, 0, sizeof(nic->mta));
	for (unsigned int i = 0; i < ndev->mc_count; i++) {
		const unsigned int hash = hash_of(ndev->mc[i]);

		nic->mta[hash / 32] |= 1u << hash % 32;
	}
}

void e1000e_filter_set(struct e1000e *nic)
{
	uint32_t rctl = e1000e_read(nic, E1000E_RCTL);

	rctl &= ~(E1000E_RCTL_UPE | E1000E_RCTL_MPE | E1000E_RCTL_VFE);
	if (nic->flags & IFF_PROMISC)
		rctl |= E1000E_RCTL_UPE | E1000E_RCTL_MPE;
	else if (nic->ndev.features & UDRV_NET_F_VLAN_FILTER)
		rctl |= E1000E_RCTL_VFE;
	if (nic->flags & IFF_ALLMULTI)
		rctl |= E1000E_RCTL_MPE;
	for (unsigned int i = 0; i < E1000E_MTA_WORDS; i++)
		e1000e_write(nic, E1000E_MTA(i), nic->mta[i]);
	e1000e_write(nic, E1000E_RCTL, rctl);
}

/* 10.2.5: one bit for each of 4096 */
void e1000e_filter_vlan(struct e1000e *nic, uint16_t vid, bool on)
{
	uint32_t *word = &nic->vfta[vid / 32];

	*word = on ? *word | 1u << vid % 32 : *word & ~(1u << vid % 32);
	e1000e_write(nic, E1000E_VFTA(vid / 32u), *word);
}
