// SPDX-License-Identifier: MIT
/* The software 82574's transmitter (7.2): descriptors, and the packets that they make up. */
#include <string.h>

#include "backend/model_e1000e_dev.h"

static bool is_context(uint32_t cmd)
{
	return cmd & TXD_DEXT && !(cmd & TXD_TYPE);
}

static void set_context(struct e1000e_context *ctx, const uint32_t desc[4])
{
	*ctx = (struct e1000e_context){
		.ipcss = (uint8_t)desc[0],
		.ipcso = (uint8_t)(desc[0] >> 8),
		.ipcse = (uint16_t)(desc[0] >> 16),
		.tucss = (uint8_t)desc[1],
		.tucso = (uint8_t)(desc[1] >> 8),
		.tucse = (uint16_t)(desc[1] >> 16),
		.tcp = desc[2] & TXC_TCP,
		.ipv4 = desc[2] & TXC_IPV4,
		.hdr_len = (uint8_t)(desc[3] >> 8),
		.mss = (uint16_t)(desc[3] >> 16),
	};
}

/* Some options are as the first descriptor says, some as the last. */
static void gather(struct e1000e *e, struct e1000e_tx *tx, const uint32_t desc[4])
{
	const uint32_t cmd = desc[2];
	const size_t len = cmd & (cmd & TXD_DEXT ? 0xfffffu : 0xffffu);

	if (!tx->started) {
		tx->started = true;
		tx->broken = false;
		tx->len = 0;
		tx->ctx = e->ctx;
		tx->cmd = cmd;
		tx->upper = desc[3];
	}
	tx->last_cmd = cmd;
	tx->last_upper = desc[3];
	if (len > TX_MAX - tx->len ||
	    !udrv__model_dma_read(e->model, (udrv_iova_t)desc[1] << 32 | desc[0], tx->buf + tx->len,
				  len))
		tx->broken = true;
	else
		tx->len += len;
}

static void process(struct e1000e *e, struct e1000e_tx *tx, const uint32_t desc[4])
{
	if (is_context(desc[2])) {
		set_context(&e->ctx, desc);
		tx->inside = true;
		return;
	}
	gather(e, tx, desc);
	tx->inside = !(desc[2] & TXD_EOP);
	if (!(desc[2] & TXD_EOP))
		return;
	tx->started = false;
	if (!tx->broken)
		e1000e_emit(e, tx);
}

static void store_done(struct e1000e *e, udrv_iova_t at, uint32_t upper)
{
	upper |= TXD_DD;
	(void)udrv__model_dma_publish(e->model, at + 12, &upper, sizeof(upper));
}

/* A descriptor that the device has not got. */
static void store_foreign(struct e1000e *e, uint32_t ring)
{
	const unsigned int tail = *e1000e_reg(e, ring + RING_TAIL);

	store_done(e, e1000e_ring_at(e, ring, tail), 0);
}

/* The causes that go with it. */
static uint32_t write_back(struct e1000e *e, unsigned int queue, udrv_iova_t at,
			   const uint32_t desc[4])
{
	const uint32_t ring = e1000e_ring(REG_TX_RING, queue);

	if (!(desc[2] & TXD_RS) && !(*e1000e_reg(e, REG_IVAR) & IVAR_EVERY_WB))
		return 0;
	if (e1000e_take_fault(e, UDRV__E1000E_TX_SILENT))
		return 0;
	if (e1000e_take_fault(e, UDRV__E1000E_TX_FOREIGN))
		store_foreign(e, ring);
	store_done(e, at, desc[3]);
	return e1000e_is_msix(e) ? ICR_TXQ0 << queue : ICR_TXDW;
}

static bool may_transmit(struct e1000e *e, unsigned int queue)
{
	const uint32_t ring = e1000e_ring(REG_TX_RING, queue);

	return *e1000e_reg(e, REG_TCTL) & TCTL_EN &&
	       *e1000e_reg(e, e1000e_ring(REG_TARC, queue)) & TARC_ENABLE &&
	       !*e1000e_ring_halted(e, ring) && e1000e_ring_left(e, ring) &&
	       !e->faults[UDRV__E1000E_TX_STUCK] && e1000e_wire_has_room(e);
}

/* One descriptor. */
static bool transmit(struct e1000e *e, unsigned int queue)
{
	const uint32_t ring = e1000e_ring(REG_TX_RING, queue);
	struct e1000e_tx *tx = &e->tx[queue];
	uint32_t desc[4], causes;
	udrv_iova_t at;

	if (!may_transmit(e, queue) || (!tx->inside && e1000e_is_late(e)))
		return false;
	at = e1000e_ring_at(e, ring, *e1000e_reg(e, ring + RING_HEAD));
	if (!e1000e_ring_fetch(e, ring, desc))
		return false;
	process(e, tx, desc);
	e1000e_ring_advance(e, ring);
	causes = write_back(e, queue, at, desc);
	if (!e1000e_ring_left(e, ring))
		causes |= ICR_TXQE;
	if (causes)
		e1000e_cause_tx(e, causes, desc[2] & TXD_IDE);
	return true;
}

bool e1000e_transmit_some(struct e1000e *e)
{
	bool any = false, go;

	/* The queues take turns by packets: the context before one is still its own. */
	for (unsigned int queue = 0; queue < QUEUES; queue++)
		do {
			go = transmit(e, queue);
			any |= go;
		} while (go && e->tx[queue].inside);
	return any;
}
