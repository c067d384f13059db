// SPDX-License-Identifier: MIT
/* What the software 82574 does to packets that it sends: checksums, tags, segments (7.2, 7.3, 7.5).
 */
#include <string.h>

#include "backend/model_e1000e_dev.h"

#define HEADER_MAX 255u
#define TCP_FIN	   0x01u
#define TCP_PSH	   0x08u

static void put16(uint8_t *bytes, unsigned int val)
{
	bytes[0] = (uint8_t)(val >> 8);
	bytes[1] = (uint8_t)val;
}

static unsigned int get16(const uint8_t *bytes)
{
	return (unsigned int)(bytes[0] << 8 | bytes[1]);
}

/* Of the bytes from start to end (0: all), with what is in its place; seed is added. */
static void insert_sum(uint8_t *frame, size_t len, size_t start, size_t end, size_t place,
		       uint32_t seed, bool never_zero)
{
	unsigned int sum;

	end = end && end + 1 < len ? end + 1 : len;
	if (start >= end || place + 2 > len)
		return;
	sum = ~e1000e_sum(frame + start, end - start, seed) & 0xffffu;
	put16(frame + place, never_zero && !sum ? 0xffff : sum);
}

/* 7.2.10: frames without IFCS have one of their own; if that is wrong the other end sees it. */
static unsigned int take_own_fcs(struct e1000e *e, const struct e1000e_tx *tx)
{
	uint32_t fcs;

	if (tx->last_cmd & TXD_IFCS)
		return 0;
	e->frame_len -= FCS_LEN;
	fcs = e1000e_crc(e->frame, e->frame_len);
	for (unsigned int i = 0; i < FCS_LEN; i++)
		if (e->frame[e->frame_len + i] != (uint8_t)(fcs >> 8 * i))
			return UDRV__E1000E_BAD_CRC;
	return 0;
}

/* 7.2.11: with VLE and CTRL.VME, in the last descriptor, or the first of what is segmented */
static size_t copy_tagged(struct e1000e *e, const struct e1000e_tx *tx, const uint8_t *frame,
			  size_t len)
{
	const bool first = tx->cmd & TXD_DEXT && tx->cmd & TXD_TSE;
	const uint32_t cmd = first ? tx->cmd : tx->last_cmd;
	const size_t tag = cmd & TXD_VLE && *e1000e_reg(e, REG_CTRL) & CTRL_VME ? 4 : 0;

	memcpy(e->frame, frame, 12);
	if (tag) {
		put16(e->frame + 12, *e1000e_reg(e, REG_VET));
		put16(e->frame + 14, (first ? tx->upper : tx->last_upper) >> 16);
	}
	memcpy(e->frame + 12 + tag, frame + 12, len - 12);
	return len + tag;
}

static void finish(struct e1000e *e, const struct e1000e_tx *tx, const uint8_t *frame, size_t len)
{
	unsigned int flags;

	if (len < PSP_LEAST || len > UDRV__E1000E_FRAME_MAX - 4)
		return;
	e->frame_len = copy_tagged(e, tx, frame, len);
	flags = take_own_fcs(e, tx);
	if (e->frame_len < FRAME_MIN && *e1000e_reg(e, REG_TCTL) & TCTL_PSP) {
		memset(e->frame + e->frame_len, 0, FRAME_MIN - e->frame_len);
		e->frame_len = FRAME_MIN;
	}
	e1000e_wire_put(e, e->frame, e->frame_len, flags);
}

/* 7.3: each segment's lengths, identification, sequence number and flags */
static void patch_header(const struct e1000e_context *ctx, uint8_t *frame, size_t len,
			 unsigned int number, bool last)
{
	uint8_t *ip = frame + ctx->ipcss, *tcp = frame + ctx->tucss;
	const uint32_t seq = (uint32_t)get16(tcp + 4) << 16 | get16(tcp + 6);
	const uint32_t next = seq + number * ctx->mss;

	if (ctx->ipv4) {
		put16(ip + 2, (unsigned int)len - ctx->ipcss);
		put16(ip + 4, get16(ip + 4) + number);
	} else {
		put16(ip + 4, (unsigned int)len - ctx->ipcss - 40);
	}
	put16(tcp + 4, next >> 16);
	put16(tcp + 6, next);
	if (!last)
		tcp[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
}

static void sum_segment(const struct e1000e_tx *tx, uint8_t *frame, size_t len)
{
	const struct e1000e_context *ctx = &tx->ctx;

	if (tx->upper & TXD_IXSM)
		insert_sum(frame, len, ctx->ipcss, ctx->ipcse, ctx->ipcso, 0, false);
	if (tx->upper & TXD_TXSM)
		insert_sum(frame, len, ctx->tucss, ctx->tucse, ctx->tucso,
			   (uint32_t)len - ctx->tucss, false);
}

static bool can_segment(const struct e1000e_tx *tx)
{
	const struct e1000e_context *ctx = &tx->ctx;
	const unsigned int ip_len = ctx->ipv4 ? 20 : 40;

	return ctx->tcp && ctx->mss && ctx->ipcss + ip_len <= ctx->hdr_len &&
	       ctx->tucss + 20u <= ctx->hdr_len && ctx->hdr_len <= tx->len &&
	       ctx->hdr_len + (size_t)ctx->mss <= UDRV__E1000E_FRAME_MAX - 4;
}

/* The header is put in front of each part, where parts are that have been sent. */
static void segment(struct e1000e *e, struct e1000e_tx *tx)
{
	const struct e1000e_context *ctx = &tx->ctx;
	uint8_t header[HEADER_MAX];
	unsigned int number = 0;

	memcpy(header, tx->buf, ctx->hdr_len);
	for (size_t at = ctx->hdr_len; number == 0 || at < tx->len; at += ctx->mss, number++) {
		const bool last = tx->len - at <= ctx->mss;
		const size_t len = ctx->hdr_len + (last ? tx->len - at : ctx->mss);
		uint8_t *frame = tx->buf + at - ctx->hdr_len;

		memcpy(frame, header, ctx->hdr_len);
		patch_header(ctx, frame, len, number, last);
		sum_segment(tx, frame, len);
		finish(e, tx, frame, len);
	}
	e1000e_count(e, REG_TSCTC);
}

static void emit_extended(struct e1000e *e, struct e1000e_tx *tx)
{
	const struct e1000e_context *ctx = &tx->ctx;

	if (tx->cmd & TXD_TSE) {
		if (can_segment(tx))
			segment(e, tx);
		else
			e1000e_count(e, REG_TSCTFC);
		return;
	}
	if (tx->upper & TXD_IXSM)
		insert_sum(tx->buf, tx->len, ctx->ipcss, ctx->ipcse, ctx->ipcso, 0, false);
	if (tx->upper & TXD_TXSM)
		insert_sum(tx->buf, tx->len, ctx->tucss, ctx->tucse, ctx->tucso, 0, !ctx->tcp);
	finish(e, tx, tx->buf, tx->len);
}

/* 7.2.10: of legacy descriptors the first has CSS, in its status' word, the last IC and CSO */
void e1000e_emit(struct e1000e *e, struct e1000e_tx *tx)
{
	if (tx->cmd & TXD_DEXT) {
		emit_extended(e, tx);
		return;
	}
	if (tx->last_cmd & TXD_IC)
		insert_sum(tx->buf, tx->len, tx->upper >> 8 & 0xff, 0, tx->last_cmd >> 16 & 0xff, 0,
			   false);
	finish(e, tx, tx->buf, tx->len);
}
