// SPDX-License-Identifier: MIT
/* The software 82574's receiver (7.1): from the wire, by its packet buffer, to descriptors. */
#include <string.h>

#include "backend/model_e1000e_dev.h"

#define FRAME_LPE_OFF 1518u /* without FCS */

/* What a descriptor tells of the packet that ends there. */
struct ending {
	uint32_t status;
	uint32_t mrq;  /* extended */
	uint32_t high; /* hash, or IP identification and checksum */
	uint16_t vlan, sum;
	unsigned int queue;
	bool is_ack;
};

static uint32_t rctl(struct e1000e *e)
{
	return *e1000e_reg(e, REG_RCTL);
}

/* 10.2.5.1: FLXBUF, or BSIZE, 16 times that with BSEX */
static size_t buffer_size(struct e1000e *e)
{
	const unsigned int flexible = rctl(e) >> RCTL_FLXBUF_SHIFT & 0xf;
	const unsigned int shift = rctl(e) >> RCTL_BSIZE_SHIFT & 3;

	if (flexible)
		return flexible * 1024u;
	return (size_t)(2048u >> shift) * (shift && rctl(e) & RCTL_BSEX ? 16 : 1);
}

static bool is_extended(struct e1000e *e)
{
	return *e1000e_reg(e, REG_RFCTL) & RFCTL_EXTEN;
}

static size_t trailer(struct e1000e *e)
{
	return rctl(e) & RCTL_SECRC ? 0 : FCS_LEN;
}

/* 7.1: legacy has the address and then length, checksum, status and errors, VLAN */
static void fill_legacy(uint32_t desc[4], const struct ending *end, size_t len)
{
	desc[2] = (uint32_t)len | (uint32_t)end->sum << 16;
	desc[3] = (end->status & 0xff) | (end->status >> RXD_ERR_SHIFT) << 8 |
		  (uint32_t)end->vlan << 16;
}

static void fill_extended(uint32_t desc[4], const struct ending *end, size_t len)
{
	desc[0] = end->mrq;
	desc[1] = end->high;
	desc[2] = end->status;
	desc[3] = (uint32_t)len | (uint32_t)end->vlan << 16;
}

static void publish(struct e1000e *e, udrv_iova_t iova, const void *desc)
{
	(void)udrv__model_dma_publish(e->model, iova, desc, DESC_LEN);
}

void e1000e_release_held(struct e1000e *e)
{
	e->timers[TIMER_HELD] = NEVER;
	if (!e->held.full)
		return;
	e->held.full = false;
	publish(e, e->held.iova, e->held.desc);
	e1000e_cause_rx(e, e->held.queue, 0);
}

/* The write-back, unless it is to come later, and what was to come behind it. */
static void write_back(struct e1000e *e, unsigned int queue, udrv_iova_t iova,
		       const uint32_t desc[4])
{
	const bool reordered = !e->held.full && e1000e_take_fault(e, UDRV__E1000E_RX_REORDERED);
	const bool twice = !e->held.full && e1000e_take_fault(e, UDRV__E1000E_RX_TWICE);

	if (!reordered)
		publish(e, iova, desc);
	if (!reordered && !twice) {
		e1000e_release_held(e);
		return;
	}
	e->held.full = true;
	e->held.queue = queue;
	e->held.iova = iova;
	memcpy(e->held.desc, desc, DESC_LEN);
	e1000e_arm(e, TIMER_HELD, FAULT_NS);
}

static void spoil(struct e1000e *e, struct ending *end, size_t *len)
{
	if (e1000e_take_fault(e, UDRV__E1000E_RX_EMPTY))
		*len = 0;
	if (e1000e_take_fault(e, UDRV__E1000E_RX_TOO_LONG))
		*len = 0xffff;
	if (e1000e_take_fault(e, UDRV__E1000E_RX_NO_EOP))
		end->status &= ~RXD_EOP;
	if (e1000e_take_fault(e, UDRV__E1000E_RX_ERRORS))
		end->status |= 0xf7u << RXD_ERR_SHIFT;
}

/* One descriptor's part. False: there is none. */
static bool fill_one(struct e1000e *e, const uint8_t *bytes, size_t len, struct ending end)
{
	const uint32_t ring = e1000e_ring(REG_RX_RING, end.queue);
	const udrv_iova_t at = e1000e_ring_at(e, ring, *e1000e_reg(e, ring + RING_HEAD));
	uint32_t desc[4];

	if (!e1000e_ring_fetch(e, ring, desc))
		return false;
	(void)udrv__model_dma_write(e->model, (udrv_iova_t)desc[1] << 32 | desc[0], bytes, len);
	if (end.status & RXD_EOP)
		spoil(e, &end, &len);
	if (is_extended(e))
		fill_extended(desc, &end, len);
	else
		fill_legacy(desc, &end, len);
	if (end.status & RXD_EOP && e1000e_take_fault(e, UDRV__E1000E_RX_ONES))
		memset(desc, 0xff, sizeof(desc));
	e1000e_ring_advance(e, ring);
	write_back(e, end.queue, at, desc);
	return true;
}

static void fill_all(struct e1000e *e, const uint8_t *bytes, size_t len, const struct ending *end)
{
	const size_t size = buffer_size(e);

	for (size_t at = 0; at < len; at += size) {
		const bool last = len - at <= size;

		if (last && fill_one(e, bytes + at, len - at, *end))
			e->counts.rx[end->queue]++;
		else if (!last && !fill_one(e, bytes + at, size,
					    (struct ending){.status = RXD_DD, .queue = end->queue}))
			return;
	}
}

/* With PCSD the hash, otherwise the checksum from PCSS on (10.2.5.15). */
static void describe(struct e1000e *e, struct ending *end, unsigned int flags)
{
	const uint32_t rxcsum = *e1000e_reg(e, REG_RXCSUM);
	const size_t start = rxcsum & 0xff, len = e->frame_len + trailer(e);
	struct e1000e_packet p;

	e1000e_parse(&p, e->frame, e->frame_len);
	end->status |= RXD_DD | RXD_EOP | e1000e_check_sums(e, &p);
	end->status |= (uint32_t)(flags & 0xff) << RXD_ERR_SHIFT;
	end->is_ack = p.is_ack;
	if (p.is_ack)
		end->status |= RXD_ACK;
	if (!(rxcsum & RXCSUM_PCSD)) {
		if (start < len)
			end->sum = e1000e_sum(e->frame + start, len - start, 0);
		end->high = (uint32_t)end->sum << 16;
		if (p.ipv4) {
			end->status |= RXD_IPIDV;
			end->high |= (uint32_t)(p.frame[p.l3 + 4] << 8 | p.frame[p.l3 + 5]);
		}
	}
	if (!is_extended(e))
		end->status &= RXD_LEGACY;
}

/* 7.5: CTRL.VME moves the tag to the descriptor. */
static void strip(struct e1000e *e, struct ending *end)
{
	if (!(*e1000e_reg(e, REG_CTRL) & CTRL_VME) || !e1000e_is_vlan(e, e->frame, e->frame_len))
		return;
	end->status |= RXD_VP;
	end->vlan = (uint16_t)(e->frame[14] << 8 | e->frame[15]);
	memmove(e->frame + 12, e->frame + 16, e->frame_len - 16);
	e->frame_len -= 4;
}

static void append_fcs(struct e1000e *e, unsigned int flags)
{
	uint32_t fcs;

	if (!trailer(e))
		return;
	fcs = e1000e_crc(e->frame, e->frame_len);
	if (flags & UDRV__E1000E_BAD_CRC)
		fcs = ~fcs;
	for (unsigned int i = 0; i < FCS_LEN; i++)
		e->frame[e->frame_len + i] = (uint8_t)(fcs >> 8 * i);
}

static void choose_queue(struct e1000e *e, struct ending *end)
{
	struct e1000e_packet p;
	uint32_t hash, type;

	e1000e_parse(&p, e->frame, e->frame_len);
	if (!e1000e_rss(e, &p, &hash, &type, &end->queue))
		return;
	end->high = hash;
	end->mrq = type | end->queue << 8;
}

static bool has_room(struct e1000e *e, uint32_t ring)
{
	const size_t len = e->frame_len + trailer(e), size = buffer_size(e);

	return !*e1000e_ring_halted(e, ring) &&
	       (len + size - 1) / size <= e1000e_ring_left(e, ring);
}

static bool is_below_threshold(struct e1000e *e, uint32_t ring)
{
	const unsigned int shift = 1 + (rctl(e) >> RCTL_RDMTS_SHIFT & 3);

	return e1000e_ring_left(e, ring) <= e1000e_ring_size(e, ring) >> shift;
}

static void interrupt(struct e1000e *e, const struct ending *end, size_t len, bool low)
{
	const uint32_t rfctl = *e1000e_reg(e, REG_RFCTL);
	uint32_t more = 0;

	if (len < *e1000e_reg(e, REG_RSRPD))
		more |= ICR_SRPD;
	if (end->is_ack && !(rfctl & RFCTL_ACK_DIS))
		more |= ICR_ACK;
	if (low) {
		e1000e_count(e, REG_ICRXDMTC);
		more |= ICR_RXDMT0;
	}
	e1000e_cause_rx(e, end->queue, more);
}

/* The frame at e->frame. False: there are no descriptors for it now. */
static bool deliver(struct e1000e *e, unsigned int flags)
{
	struct ending end = {0};
	uint32_t ring;
	bool was_low;
	size_t len;

	choose_queue(e, &end);
	ring = e1000e_ring(REG_RX_RING, end.queue);
	if (!has_room(e, ring))
		return false;
	if (!(flags & 0xff))
		e1000e_count_rx(e, e->frame, e->frame_len);
	was_low = is_below_threshold(e, ring);
	strip(e, &end);
	append_fcs(e, flags);
	describe(e, &end, flags);
	len = e->frame_len + trailer(e);
	fill_all(e, e->frame, len, &end);
	interrupt(e, &end, len, !was_low && is_below_threshold(e, ring));
	return true;
}

/* 10.2.7: what is bad is counted, and taken with RCTL.SBP only. */
static bool is_good(struct e1000e *e, unsigned int flags)
{
	const size_t len = e->frame_len;
	const bool too_short = len < FRAME_MIN;
	const bool too_long = len > FRAME_LPE_OFF && !(rctl(e) & RCTL_LPE);

	if (flags & UDRV__E1000E_BAD_CRC)
		e1000e_count(e, REG_CRCERRS);
	if (flags & UDRV__E1000E_BAD_SYMBOL)
		e1000e_count(e, REG_SYMERRS);
	if (flags & UDRV__E1000E_BAD_DATA)
		e1000e_count(e, REG_RXERRC);
	if (too_short)
		e1000e_count(e, REG_RUC);
	if (too_long)
		e1000e_count(e, REG_ROC);
	if (too_short || too_long)
		e1000e_count(e, REG_RLEC);
	return !(flags & 0xff) && !too_short && !too_long;
}

/* 10.2.2: the packet buffer's kilobytes */
static bool keep(struct e1000e *e, unsigned int flags)
{
	const size_t room = (*e1000e_reg(e, REG_PBA) & 0xff) * 1024u;

	return e->fifo.used + e->frame_len <= room &&
	       e1000e_line_put(&e->fifo, e->frame, e->frame_len, flags);
}

static void arrive(struct e1000e *e, unsigned int flags)
{
	if (!(rctl(e) & RCTL_EN) ||
	    (!e1000e_is_loopback(e) && !(*e1000e_reg(e, REG_STATUS) & STATUS_LU)))
		return;
	e1000e_count_wire(e, e->frame_len);
	if ((!is_good(e, flags) && !(rctl(e) & RCTL_SBP)) ||
	    !e1000e_accepts(e, e->frame, e->frame_len)) {
		e->counts.filtered++;
		return;
	}
	if (!e->fifo.count && deliver(e, flags))
		return;
	e1000e_count(e, REG_RNBC);
	if (keep(e, flags))
		return;
	e->counts.missed++;
	e1000e_count(e, REG_MPC);
	e1000e_count(e, REG_ICRXOC);
	e1000e_cause(e, ICR_RXO);
}

/* The first that waits, if there are descriptors now. */
static bool drain(struct e1000e *e)
{
	unsigned int flags;

	if (!e->fifo.count || !(rctl(e) & RCTL_EN))
		return false;
	e->frame_len = e1000e_line_peek(&e->fifo, e->frame, &flags);
	if (!deliver(e, flags))
		return false;
	e1000e_line_drop(&e->fifo);
	return true;
}

bool e1000e_receive_some(struct e1000e *e)
{
	const bool drained = drain(e);
	unsigned int flags;

	if (!e->in.count || e1000e_is_late(e))
		return drained;
	e->frame_len = e1000e_line_peek(&e->in, e->frame, &flags);
	e1000e_line_drop(&e->in);
	arrive(e, flags);
	return true;
}
