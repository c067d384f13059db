// SPDX-License-Identifier: MIT
/* I/O commands of the software NVMe controller (6). */
#include <stdlib.h>
#include <string.h>

#include "backend/model_nvme_dev.h"

#define DNR(sc)	    ((uint16_t)((sc) | NVME_ST_DNR))
#define NLB(cdw12)  (((cdw12)&0xffff) + 1)
#define DSM_RANGES  256
#define DSM_AD	    (1u << 2) /* 6.7 */
#define SMART_SHIFT 9
#define WZ_DEAC	    (1u << 25) /* 6.17 */

/* 6.7.1 figure 364 */
struct dsm_range {
	uint32_t attributes, blocks;
	uint64_t lba;
};
_Static_assert(sizeof(struct dsm_range) == 16, "6.7.1: 16 bytes");

/* A command on blocks, checked. */
struct span {
	struct udrv__nvme_ns *ns;
	uint64_t lba;
	uint32_t blocks;
	uint32_t len; /* of the data buffer */
};

static struct udrv__nvme_ns *find_ns(struct udrv__nvme *n, uint32_t nsid)
{
	if (!nsid || nsid > UDRV__MODEL_NVME_NS_MAX || !n->ns[nsid].attached)
		return NULL;
	return &n->ns[nsid];
}

static bool in_range(const struct udrv__nvme_ns *ns, uint64_t lba, uint64_t blocks)
{
	return blocks <= ns->blocks && lba <= ns->blocks - blocks;
}

/* An NSID that could be, but is not attached: Invalid Field (6.1.5); one that cannot be: so. */
static uint16_t bad_ns(uint32_t nsid)
{
	return nsid && nsid <= UDRV__MODEL_NVME_NS_MAX ? DNR(NVME_SC_INVALID_FIELD)
						       : DNR(NVME_SC_INVALID_NS);
}

static uint16_t take_span(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd, bool data,
			  struct span *s)
{
	const uint64_t blocks = NLB(cmd->cdw12);
	uint64_t len;

	s->ns = find_ns(n, cmd->nsid);
	if (!s->ns)
		return bad_ns(cmd->nsid);
	s->lba = cmd->cdw10 | (uint64_t)cmd->cdw11 << 32;
	s->blocks = (uint32_t)blocks;
	len = blocks << s->ns->lba_shift;
	if (s->ns->extended && !udrv__nvme_is_stripped(s->ns, cmd))
		len += blocks * s->ns->ms;
	s->len = (uint32_t)len;
	if (data && len > n->most_bytes)
		return DNR(NVME_SC_INVALID_FIELD);
	return in_range(s->ns, s->lba, blocks) ? NVME_SC_SUCCESS : DNR(NVME_SC_LBA_RANGE);
}

static unsigned char *data_at(const struct span *s, uint32_t block)
{
	return s->ns->data + ((s->lba + block) << s->ns->lba_shift);
}

static unsigned char *meta_at(const struct span *s, uint32_t block)
{
	return s->ns->meta + (s->lba + block) * s->ns->ms;
}

/* Is the metadata in the data buffer? */
static bool has_meta_between(const struct udrv__nvme_cmd *cmd, const struct span *s)
{
	return s->ns->extended && !udrv__nvme_is_stripped(s->ns, cmd);
}

/* Each block and its metadata by turns. */
static bool move_extended(struct udrv__nvme *n, const struct span *s, bool to_host)
{
	struct udrv__nvme_cursor at = {0};
	bool good = true;

	for (uint32_t i = 0; i < s->blocks; i++) {
		good &= udrv__nvme_move(n, &at, data_at(s, i), 1u << s->ns->lba_shift, to_host);
		good &= udrv__nvme_move(n, &at, meta_at(s, i), s->ns->ms, to_host);
	}
	return good;
}

/* Where separate metadata is: MPTR, or what the descriptor there says (4.4). */
static uint16_t map_meta(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd, uint32_t len)
{
	struct udrv__nvme_sgl d = {.addr = cmd->mptr, .len = len};

	if (NVME_CMD_PSDT(cmd->flags) == NVME_PSDT_PRP && cmd->mptr & 3)
		return DNR(NVME_SC_INVALID_FIELD);
	if (NVME_CMD_PSDT(cmd->flags) == NVME_PSDT_SGL_SGL) {
		if (!udrv__model_dma_read(n->model, cmd->mptr, &d, sizeof(d)))
			return NVME_SC_DATA_TRANSFER;
		if (d.type)
			return DNR(NVME_SC_SGL_TYPE);
		if (d.len != len)
			return DNR(NVME_SC_SGL_META_LEN);
	}
	n->segs[0] = (struct udrv__nvme_seg){.addr = d.addr, .len = len};
	n->seg_count = 1;
	return NVME_SC_SUCCESS;
}

static uint16_t move_meta(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd,
			  const struct span *s, bool to_host)
{
	const uint32_t len = s->blocks * s->ns->ms;
	struct udrv__nvme_cursor at = {0};
	uint16_t status;

	if (!len || s->ns->extended || udrv__nvme_is_stripped(s->ns, cmd))
		return NVME_SC_SUCCESS;
	status = map_meta(n, cmd, len);
	if (!status && !udrv__nvme_move(n, &at, meta_at(s, 0), len, to_host))
		status = NVME_SC_DATA_TRANSFER;
	return status;
}

static uint16_t move_blocks(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd,
			    const struct span *s, bool to_host)
{
	struct udrv__nvme_cursor at = {0};
	uint16_t status = udrv__nvme_map_data(n, cmd, s->len, to_host);

	if (status)
		return status;
	if (has_meta_between(cmd, s) ? !move_extended(n, s, to_host)
				     : !udrv__nvme_move(n, &at, data_at(s, 0), s->len, to_host))
		return NVME_SC_DATA_TRANSFER;
	return move_meta(n, cmd, s, to_host);
}

/* 5.21.1.6: without a cache, or past it, what is written is stable. */
static bool persists(const struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd)
{
	return cmd->cdw12 & NVME_RW_FUA || !udrv__nvme_cache_is_on(n);
}

static uint16_t do_read(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd)
{
	struct span s;
	uint16_t status = take_span(n, cmd, true, &s);

	if (status)
		return status;
	if (udrv__nvme_ns_is_bad(s.ns, s.lba, s.blocks))
		return DNR(NVME_SC_UNRECOVERED_READ);
	/* FUA: what is in the cache is written before it is read (6.9). */
	if (cmd->cdw12 & NVME_RW_FUA && !n->config.null_store)
		udrv__nvme_ns_flush(s.ns);
	if (!n->config.null_store)
		status = udrv__nvme_check_stored(s.ns, cmd, s.lba, s.blocks);
	if (!status && !n->config.null_store)
		status = move_blocks(n, cmd, &s, true);
	n->smart.reads++;
	n->smart.read_blocks += (uint64_t)s.blocks << (s.ns->lba_shift - SMART_SHIFT);
	return status;
}

/* What the host sends besides its blocks is in *pi, if it is apart. */
static uint16_t take_pi(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd,
			const struct span *s, unsigned char *pi)
{
	struct udrv__nvme_cursor at = {0};
	uint16_t status;

	if (s->ns->extended || udrv__nvme_is_stripped(s->ns, cmd))
		return NVME_SC_SUCCESS;
	status = map_meta(n, cmd, s->blocks * s->ns->ms);
	if (!status && !udrv__nvme_move(n, &at, pi, s->blocks * s->ns->ms, false))
		status = NVME_SC_DATA_TRANSFER;
	return status;
}

/* Block by block into n->buffer: 8.3.1.4, inserted, or checked. */
static uint16_t check_blocks(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd,
			     const struct span *s, unsigned char *pi)
{
	const uint32_t data = 1u << s->ns->lba_shift;
	const uint32_t meta = has_meta_between(cmd, s) ? s->ns->ms : 0;
	struct udrv__nvme_cursor at = {0};
	uint16_t status = udrv__nvme_map_data(n, cmd, s->len, false);

	for (uint32_t i = 0; i < s->blocks && !status; i++, pi += s->ns->ms) {
		if (!udrv__nvme_move(n, &at, n->buffer, data + meta, false))
			return NVME_SC_DATA_TRANSFER;
		memcpy(pi, n->buffer + data, meta);
		if (udrv__nvme_is_stripped(s->ns, cmd))
			udrv__nvme_make_pi(s->ns, cmd, i, n->buffer, pi);
		else
			status = udrv__nvme_check_pi(s->ns, cmd, i, n->buffer, pi);
	}
	return status;
}

/* Nothing is written unless all is right. */
static uint16_t write_protected(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd,
				const struct span *s)
{
	unsigned char *pi = malloc((size_t)s->blocks * s->ns->ms);
	uint16_t status = pi ? udrv__nvme_check_prinfo(s->ns, cmd) : NVME_SC_DATA_TRANSFER;

	if (!status)
		status = take_pi(n, cmd, s, pi);
	if (!status)
		status = check_blocks(n, cmd, s, pi);
	if (!status)
		status = move_blocks(n, cmd, s, false);
	if (!status)
		memcpy(meta_at(s, 0), pi, (size_t)s->blocks * s->ns->ms);
	free(pi);
	return status;
}

static uint16_t do_write(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd)
{
	struct span s;
	uint16_t status = take_span(n, cmd, true, &s);

	if (status)
		return status;
	n->smart.writes++;
	n->smart.written_blocks += (uint64_t)s.blocks << (s.ns->lba_shift - SMART_SHIFT);
	if (n->config.null_store)
		return NVME_SC_SUCCESS;
	status = s.ns->pi ? write_protected(n, cmd, &s) : move_blocks(n, cmd, &s, false);
	if (!status || !s.ns->pi)
		udrv__nvme_ns_wrote(s.ns, s.lba, s.blocks, persists(n, cmd));
	return status;
}

static uint16_t do_write_zeroes(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd)
{
	const unsigned int limit = 12u + n->config.mpsmin + n->config.wzsl;
	struct span s;
	uint16_t status = take_span(n, cmd, false, &s);

	if (!status && n->config.no_deac && cmd->cdw12 & WZ_DEAC)
		status = DNR(NVME_SC_INVALID_FIELD);
	if (!status && n->config.wzsl && (uint64_t)s.blocks << s.ns->lba_shift > 1ULL << limit)
		status = DNR(NVME_SC_INVALID_FIELD);
	if (!status)
		status = udrv__nvme_check_prinfo(s.ns, cmd);
	if (status || n->config.null_store)
		return status;
	udrv__nvme_ns_zero(s.ns, s.lba, s.blocks, persists(n, cmd));
	if (udrv__nvme_is_stripped(s.ns, cmd)) {
		for (uint32_t i = 0; i < s.blocks; i++)
			udrv__nvme_make_pi(s.ns, cmd, i, data_at(&s, i), meta_at(&s, i));
		udrv__nvme_ns_wrote(s.ns, s.lba, s.blocks, persists(n, cmd));
	}
	return NVME_SC_SUCCESS;
}

static uint16_t do_write_uncorrectable(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd)
{
	struct span s;
	uint16_t status = take_span(n, cmd, false, &s);

	if (!status)
		udrv__nvme_ns_set_bad(s.ns, s.lba, s.blocks, true);
	return status;
}

/* Block by block, at the cursor. */
static uint16_t compare_blocks(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd,
			       const struct span *s)
{
	const uint32_t data = 1u << s->ns->lba_shift;
	const uint32_t meta = has_meta_between(cmd, s) ? s->ns->ms : 0;
	struct udrv__nvme_cursor at = {0};

	for (uint32_t i = 0; i < s->blocks; i++) {
		if (!udrv__nvme_move(n, &at, n->buffer, data + meta, false))
			return NVME_SC_DATA_TRANSFER;
		if (memcmp(n->buffer, data_at(s, i), data) ||
		    memcmp(n->buffer + data, meta_at(s, i), meta))
			return DNR(NVME_SC_COMPARE);
	}
	return NVME_SC_SUCCESS;
}

static uint16_t compare_meta(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd,
			     const struct span *s)
{
	struct udrv__nvme_cursor at = {0};
	uint16_t status;

	if (!s->ns->ms || s->ns->extended || udrv__nvme_is_stripped(s->ns, cmd))
		return NVME_SC_SUCCESS;
	status = map_meta(n, cmd, s->blocks * s->ns->ms);
	for (uint32_t i = 0; i < s->blocks && !status; i++) {
		if (!udrv__nvme_move(n, &at, n->buffer, s->ns->ms, false))
			status = NVME_SC_DATA_TRANSFER;
		else if (memcmp(n->buffer, meta_at(s, i), s->ns->ms))
			status = DNR(NVME_SC_COMPARE);
	}
	return status;
}

static uint16_t do_compare(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd)
{
	struct span s;
	uint16_t status = take_span(n, cmd, true, &s);

	if (!status && udrv__nvme_ns_is_bad(s.ns, s.lba, s.blocks))
		status = DNR(NVME_SC_UNRECOVERED_READ);
	if (status || n->config.null_store)
		return status;
	status = udrv__nvme_check_stored(s.ns, cmd, s.lba, s.blocks);
	if (!status)
		status = udrv__nvme_map_data(n, cmd, s.len, false);
	if (status)
		return status;
	status = compare_blocks(n, cmd, &s);
	return status ? status : compare_meta(n, cmd, &s);
}

static uint16_t do_verify(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd)
{
	struct span s;
	uint16_t status = take_span(n, cmd, false, &s);

	if (!status && udrv__nvme_ns_is_bad(s.ns, s.lba, s.blocks))
		status = DNR(NVME_SC_UNRECOVERED_READ);
	if (!status && !n->config.null_store)
		status = udrv__nvme_check_stored(s.ns, cmd, s.lba, s.blocks);
	return status;
}

static uint16_t do_flush(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd)
{
	struct udrv__nvme_ns *ns = find_ns(n, cmd->nsid);

	if (!ns && cmd->nsid != NVME_NSID_ALL)
		return bad_ns(cmd->nsid);
	n->counts.flushes++;
	if (n->config.null_store)
		return NVME_SC_SUCCESS;
	if (ns)
		udrv__nvme_ns_flush(ns);
	else
		udrv__nvme_flush_all(n);
	return NVME_SC_SUCCESS;
}

/* 6.7: only deallocation does something; ranges are checked before any is taken. */
static uint16_t do_dsm(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd)
{
	struct udrv__nvme_ns *ns = find_ns(n, cmd->nsid);
	const unsigned int count = (cmd->cdw10 & 0xff) + 1;
	struct dsm_range ranges[DSM_RANGES];
	uint16_t status;

	if (!ns)
		return bad_ns(cmd->nsid);
	status = udrv__nvme_take(n, cmd, ranges, (uint32_t)(count * sizeof(ranges[0])));
	for (unsigned int i = 0; i < count && !status; i++)
		if (!in_range(ns, ranges[i].lba, ranges[i].blocks))
			status = DNR(NVME_SC_LBA_RANGE);
	if (status || !(cmd->cdw11 & DSM_AD) || n->config.null_store)
		return status;
	for (unsigned int i = 0; i < count; i++)
		if (!n->config.dmrsl || ranges[i].blocks <= n->config.dmrsl)
			udrv__nvme_ns_zero(ns, ranges[i].lba, ranges[i].blocks,
					   !udrv__nvme_cache_is_on(n));
	return NVME_SC_SUCCESS;
}

uint16_t udrv__nvme_io(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd)
{
	if (NVME_CMD_FUSE(cmd->flags))
		return DNR(NVME_SC_INVALID_FIELD);
	if (udrv__nvme_sanitize_refuses(n))
		return udrv__nvme_sanitize_refuses(n);
	switch (cmd->opcode) {
	case NVME_NVM_FLUSH:
		return do_flush(n, cmd);
	case NVME_NVM_WRITE:
		return do_write(n, cmd);
	case NVME_NVM_READ:
		return do_read(n, cmd);
	case NVME_NVM_WRITE_UNCORRECTABLE:
		return do_write_uncorrectable(n, cmd);
	case NVME_NVM_COMPARE:
		return do_compare(n, cmd);
	case NVME_NVM_WRITE_ZEROES:
		return do_write_zeroes(n, cmd);
	case NVME_NVM_DSM:
		return do_dsm(n, cmd);
	case NVME_NVM_VERIFY:
		return do_verify(n, cmd);
	default:
		return DNR(NVME_SC_INVALID_OPCODE);
	}
}
