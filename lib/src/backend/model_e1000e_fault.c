// SPDX-License-Identifier: MIT
/* What tests make the software 82574 be and do wrong, and what they see of it. */
#include <string.h>

#include "backend/model_e1000e_dev.h"
#include "pci/device.h"

bool e1000e_take_fault(struct e1000e *e, enum udrv__model_e1000e_fault fault)
{
	if (!e->faults[fault])
		return false;
	e->faults[fault]--;
	return true;
}

/* Is what comes next to wait? */
bool e1000e_is_late(struct e1000e *e)
{
	if (e->late) {
		e->late = false;
		return false;
	}
	if (!e1000e_take_fault(e, UDRV__E1000E_LATE))
		return false;
	e1000e_arm(e, TIMER_LATE, FAULT_NS);
	return true;
}

/* The link is lost, and something else is plugged in 5 ms later. */
void e1000e_flap(struct e1000e *e)
{
	if (!e1000e_take_fault(e, UDRV__E1000E_FLAP))
		return;
	e1000e_lose_link(e);
	e1000e_arm(e, TIMER_FLAP, FAULT_NS);
}

static struct e1000e *lock_card(struct udrv_device *dev)
{
	struct e1000e *e = udrv__model_of(dev)->state;

	pthread_mutex_lock(&e->lock);
	return e;
}

void udrv__model_e1000e_fault(struct udrv_device *dev, enum udrv__model_e1000e_fault fault,
			      unsigned int times)
{
	struct e1000e *e = lock_card(dev);

	e->faults[fault] += times;
	if (fault == UDRV__E1000E_SPURIOUS)
		e1000e_spurious(e);
	if (fault == UDRV__E1000E_FLAP && e->timers[TIMER_FLAP] == NEVER && e->phy_link)
		e1000e_flap(e);
	e1000e_kick(e);
	pthread_mutex_unlock(&e->lock);
}

void udrv__model_e1000e_settle(struct udrv_device *dev)
{
	struct e1000e *e = lock_card(dev);

	e1000e_kick(e);
	while (e->kicked || !e->idle)
		pthread_cond_wait(&e->settled, &e->lock);
	pthread_mutex_unlock(&e->lock);
}

void udrv__model_e1000e_look(struct udrv_device *dev, struct udrv__model_e1000e_state *state)
{
	struct e1000e *e = lock_card(dev);

	*state = e->counts;
	state->icr = *e1000e_reg(e, REG_ICR);
	state->ims = *e1000e_reg(e, REG_IMS);
	state->rctl = *e1000e_reg(e, REG_RCTL);
	state->tctl = *e1000e_reg(e, REG_TCTL);
	state->ctrl = *e1000e_reg(e, REG_CTRL);
	state->link = *e1000e_reg(e, REG_STATUS) & STATUS_LU;
	for (unsigned int i = 0; i < QUEUES; i++) {
		state->rdh[i] = (uint16_t)*e1000e_reg(e, e1000e_ring(REG_RX_RING, i) + RING_HEAD);
		state->tdh[i] = (uint16_t)*e1000e_reg(e, e1000e_ring(REG_TX_RING, i) + RING_HEAD);
	}
	for (unsigned int i = 0; i < UDRV__E1000E_FAULTS; i++)
		state->faults += e->faults[i];
	pthread_mutex_unlock(&e->lock);
}

void udrv__model_e1000e_set_chip(struct udrv_device *dev, enum udrv__model_e1000e_chip chip)
{
	struct e1000e *e = lock_card(dev);

	e->chip = chip;
	pthread_mutex_unlock(&e->lock);
}

void udrv__model_e1000e_set_mac(struct udrv_device *dev, const uint8_t mac[6])
{
	struct e1000e *e = lock_card(dev);

	memcpy(e->mac, mac, sizeof(e->mac));
	e1000e_fill_nvm(e);
	e1000e_load_mac(e);
	pthread_mutex_unlock(&e->lock);
}

void udrv__model_e1000e_set_nvm_bad(struct udrv_device *dev, unsigned int times)
{
	struct e1000e *e = lock_card(dev);

	e->nvm_bad = times;
	pthread_mutex_unlock(&e->lock);
}
