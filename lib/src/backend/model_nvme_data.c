// SPDX-License-Identifier: MIT
/*
 * The host's memory as commands describe it: Physical Region Pages (4.3) and Scatter Gather Lists
 * (4.4), into pieces; and moving bytes between those and the controller.
 */
#include <string.h>

#include "backend/model_nvme_dev.h"

#define DNR(sc)	      ((uint16_t)((sc) | NVME_ST_DNR))
#define LIST_CHUNK    64   /* entries that are read at a time */
#define SGL_MAX_DESCS 1024 /* in one command */

static uint16_t add_seg(struct udrv__nvme *n, udrv_iova_t addr, uint32_t len, bool bucket)
{
	struct udrv__nvme_seg *last = n->seg_count ? &n->segs[n->seg_count - 1] : NULL;

	if (!len)
		return NVME_SC_SUCCESS;
	if (last && last->addr + last->len == addr && !bucket && !last->bucket) {
		last->len += len;
		return NVME_SC_SUCCESS;
	}
	if (n->seg_count == NVME_SEGS)
		return DNR(NVME_SC_SGL_COUNT);
	n->segs[n->seg_count++] = (struct udrv__nvme_seg){addr, len, bucket};
	return NVME_SC_SUCCESS;
}

/* Entries of one list page from @list on; *left is reduced by what they hold, *next is the chain.
 */
static uint16_t take_list_page(struct udrv__nvme *n, uint64_t list, uint32_t *left, uint64_t *next)
{
	const uint32_t page = 1u << n->page_shift;
	uint32_t entries = (page - (uint32_t)(list & (page - 1))) / sizeof(uint64_t);
	uint64_t chunk[LIST_CHUNK];

	*next = 0;
	while (*left && entries) {
		const uint32_t pages = (*left + page - 1) / page;
		uint32_t count = entries < LIST_CHUNK ? entries : LIST_CHUNK;

		count = count < pages ? count : pages;
		if (!udrv__model_dma_read(n->model, list, chunk, count * sizeof(chunk[0])))
			return NVME_SC_DATA_TRANSFER;
		for (uint32_t i = 0; i < count; i++) {
			const uint32_t len = *left < page ? *left : page;
			uint16_t status;

			if (chunk[i] & (page - 1))
				return DNR(NVME_SC_PRP_OFFSET);
			/* The last entry of a page that does not hold the rest is the chain. */
			if (entries - i == 1 && *left > page) {
				*next = chunk[i];
				return NVME_SC_SUCCESS;
			}
			status = add_seg(n, chunk[i], len, false);
			if (status)
				return status;
			*left -= len;
		}
		entries -= count;
		list += count * sizeof(chunk[0]);
	}
	return NVME_SC_SUCCESS;
}

uint16_t udrv__nvme_map_prps(struct udrv__nvme *n, uint64_t prp1, uint64_t prp2, uint32_t len)
{
	const uint32_t page = 1u << n->page_shift;
	const uint32_t in_first = page - (uint32_t)(prp1 & (page - 1));
	uint32_t left = len - (len < in_first ? len : in_first);
	uint16_t status;

	n->seg_count = 0;
	/* 4.3: offsets are of whole dwords, of lists whole entries; of the others 0. */
	if (prp1 & 3)
		return DNR(NVME_SC_PRP_OFFSET);
	status = add_seg(n, prp1, len - left, false);
	if (!left || status)
		return status;
	if (left <= page)
		return prp2 & (page - 1) ? DNR(NVME_SC_PRP_OFFSET) : add_seg(n, prp2, left, false);
	if (prp2 & 7)
		return DNR(NVME_SC_PRP_OFFSET);
	while (left && !status)
		status = take_list_page(n, prp2, &left, &prp2);
	return status;
}

/* What is gathered while a list is walked. */
struct sgl_walk {
	uint32_t left; /* bytes that are wanted still */
	unsigned int descs;
	bool to_host;
};

static uint16_t take_data(struct udrv__nvme *n, struct sgl_walk *w, const struct udrv__nvme_sgl *d)
{
	const bool bucket = d->type >> 4 == NVME_SGL_BIT_BUCKET;

	/* 4.4: a bucket counts only where the host receives. */
	if (bucket && !w->to_host)
		return NVME_SC_SUCCESS;
	if (d->len > w->left)
		return DNR(NVME_SC_SGL_DATA_LEN);
	w->left -= d->len;
	return add_seg(n, d->addr, d->len, bucket);
}

static bool is_segment(const struct udrv__nvme_sgl *d)
{
	return d->type >> 4 == NVME_SGL_SEGMENT || d->type >> 4 == NVME_SGL_LAST_SEGMENT;
}

/* A descriptor that is no segment, or its type is not known here; subtype 0 only. */
static uint16_t take_desc(struct udrv__nvme *n, struct sgl_walk *w, const struct udrv__nvme_sgl *d)
{
	if (d->type != NVME_SGL_DATA << 4 && d->type != NVME_SGL_BIT_BUCKET << 4)
		return DNR(NVME_SC_SGL_TYPE);
	return take_data(n, w, d);
}

/* One segment; *next is the one behind it, of type 0 if there is none. */
static uint16_t take_segment(struct udrv__nvme *n, struct sgl_walk *w,
			     const struct udrv__nvme_sgl *segment, struct udrv__nvme_sgl *next)
{
	const bool last = segment->type >> 4 == NVME_SGL_LAST_SEGMENT;
	const uint32_t count = segment->len / sizeof(*next);
	uint16_t status = NVME_SC_SUCCESS;

	*next = (struct udrv__nvme_sgl){.type = NVME_SGL_DATA << 4};
	if (segment->type & 15)
		return DNR(NVME_SC_SGL_TYPE);
	if (!segment->len || segment->len % sizeof(*next))
		return DNR(NVME_SC_SGL_SEGMENT);
	for (uint32_t i = 0; i < count && !status; i++) {
		struct udrv__nvme_sgl d;

		if (++w->descs > SGL_MAX_DESCS)
			return DNR(NVME_SC_SGL_COUNT);
		if (!udrv__model_dma_read(n->model, segment->addr + i * sizeof(d), &d, sizeof(d)))
			return NVME_SC_DATA_TRANSFER;
		if (!is_segment(&d)) {
			status = take_desc(n, w, &d);
		} else {
			if (last || i + 1 != count)
				return DNR(NVME_SC_SGL_SEGMENT);
			*next = d;
		}
	}
	/* 4.4: one that is not the last ends with a pointer to the next. */
	if (!status && !last && !is_segment(next))
		return DNR(NVME_SC_SGL_SEGMENT);
	return status;
}

static uint16_t map_sgl(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd, uint32_t len,
			bool to_host)
{
	struct sgl_walk w = {.left = len, .to_host = to_host};
	struct udrv__nvme_sgl d;
	uint16_t status;

	n->seg_count = 0;
	if (!n->config.sgl)
		return DNR(NVME_SC_INVALID_FIELD);
	memcpy(&d, &cmd->prp1, sizeof(d));
	if (!is_segment(&d)) {
		status = take_desc(n, &w, &d);
	} else {
		do {
			struct udrv__nvme_sgl at = d;

			status = take_segment(n, &w, &at, &d);
		} while (!status && is_segment(&d));
	}
	if (!status && w.left)
		status = DNR(NVME_SC_SGL_DATA_LEN);
	return status;
}

uint16_t udrv__nvme_map_data(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd, uint32_t len,
			     bool to_host)
{
	switch (NVME_CMD_PSDT(cmd->flags)) {
	case NVME_PSDT_PRP:
		return udrv__nvme_map_prps(n, cmd->prp1, cmd->prp2, len);
	case NVME_PSDT_SGL:
	case NVME_PSDT_SGL_SGL:
		return map_sgl(n, cmd, len, to_host);
	default:
		return DNR(NVME_SC_INVALID_FIELD);
	}
}

bool udrv__nvme_move(struct udrv__nvme *n, struct udrv__nvme_cursor *at, void *buf, uint32_t len,
		     bool to_host)
{
	unsigned char *bytes = buf;
	bool good = true;

	while (len && at->seg < n->seg_count) {
		const struct udrv__nvme_seg *seg = &n->segs[at->seg];
		uint32_t piece = seg->len - at->offset;

		piece = piece < len ? piece : len;
		if (!seg->bucket && to_host)
			good &= udrv__model_dma_write(n->model, seg->addr + at->offset, bytes,
						      piece);
		else if (!seg->bucket)
			good &= udrv__model_dma_read(n->model, seg->addr + at->offset, bytes,
						     piece);
		bytes += piece;
		len -= piece;
		at->offset += piece;
		if (at->offset == seg->len)
			*at = (struct udrv__nvme_cursor){.seg = at->seg + 1};
	}
	return good && !len;
}

static uint16_t transfer(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd, void *buf,
			 uint32_t len, bool to_host)
{
	struct udrv__nvme_cursor at = {0};
	uint16_t status = udrv__nvme_map_data(n, cmd, len, to_host);

	if (!status && !udrv__nvme_move(n, &at, buf, len, to_host))
		status = NVME_SC_DATA_TRANSFER;
	return status;
}

uint16_t udrv__nvme_give(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd, const void *buf,
			 uint32_t len)
{
	return transfer(n, cmd, (void *)(uintptr_t)buf, len, true);
}

uint16_t udrv__nvme_take(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd, void *buf,
			 uint32_t len)
{
	return transfer(n, cmd, buf, len, false);
}
