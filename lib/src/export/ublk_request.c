// SPDX-License-Identifier: MIT
/*
 * A request of the kernel's as requests of the driver's, one after the other: no longer than the
 * driver takes, and followed by a flush if the kernel asks for FUA and the driver does not know it.
 * As the kernel is told the driver's limits, most requests are one.
 */
#include <errno.h>

#include "export/ublk.h"

#define SECTOR 512u

static int op_of(uint32_t op_flags)
{
	switch (UBLK_OP(op_flags)) {
	case UBLK_READ:
		return UDRV_BLOCK_READ;
	case UBLK_WRITE:
		return UDRV_BLOCK_WRITE;
	case UBLK_FLUSH:
		return UDRV_BLOCK_FLUSH;
	case UBLK_DISCARD:
		return UDRV_BLOCK_DISCARD;
	case UBLK_WRITE_ZEROES:
		return UDRV_BLOCK_WRITE_ZEROES;
	default:
		return -EOPNOTSUPP;
	}
}

static uint32_t most_of(const struct udrv_block_limits *l, enum udrv_block_op op)
{
	if (op == UDRV_BLOCK_DISCARD)
		return l->max_discard;
	return op == UDRV_BLOCK_WRITE_ZEROES ? l->max_write_zeroes : l->max_transfer;
}

static int check(const struct udrv__ublk_request *r, const struct udrv_block_limits *l,
		 uint64_t len)
{
	const uint64_t size = __atomic_load_n(&l->size, __ATOMIC_RELAXED);

	if (!most_of(l, r->op))
		return -EOPNOTSUPP;
	if (l->read_only && r->op != UDRV_BLOCK_READ)
		return -EIO;
	if (!len || len > UINT32_MAX || len % l->logical_block_size ||
	    r->offset % l->logical_block_size)
		return -EIO;
	return r->offset <= size && len <= size - r->offset ? 0 : -EIO;
}

/* Only what asks for it and only where a write may be forgotten. */
static void plan_fua(struct udrv__ublk_request *r, const struct udrv_block_limits *l,
		     uint32_t op_flags)
{
	if (!(op_flags & UBLK_IO_FUA) || !l->write_cache)
		return;
	if (r->op != UDRV_BLOCK_WRITE && r->op != UDRV_BLOCK_WRITE_ZEROES)
		return;
	if (l->fua)
		r->flags |= UDRV_BLOCK_FUA;
	else
		r->flush = true;
}

int udrv__ublk_request_begin(struct udrv__ublk_request *r, const struct udrv_block_limits *l,
			     const struct ublk_desc *desc)
{
	const uint64_t len = (uint64_t)desc->sectors * SECTOR;
	int op = op_of(desc->op_flags);
	int ret;

	*r = (struct udrv__ublk_request){0};
	if (op < 0)
		return op;
	r->op = (enum udrv_block_op)op;
	if (r->op == UDRV_BLOCK_FLUSH) {
		r->flush = l->write_cache;
		return 0;
	}
	if (desc->start_sector > UINT64_MAX / SECTOR)
		return -EIO;
	r->offset = desc->start_sector * SECTOR;
	ret = check(r, l, len);
	if (ret)
		return ret;
	r->left = r->len = (uint32_t)len;
	if (r->op == UDRV_BLOCK_WRITE_ZEROES && desc->op_flags & UBLK_IO_NOUNMAP)
		r->flags |= UDRV_BLOCK_NOUNMAP;
	plan_fua(r, l, desc->op_flags);
	return 0;
}

bool udrv__ublk_request_next(struct udrv__ublk_request *r, const struct udrv_block_limits *l,
			     void *buf, struct udrv_block_request *rq)
{
	const uint32_t most = most_of(l, r->op);

	if (r->left) {
		rq->op = r->op;
		rq->flags = r->flags;
		rq->offset = r->offset;
		rq->len = r->left < most ? r->left : most;
		rq->buf = (char *)buf + (r->len - r->left);
		r->offset += rq->len;
		r->left -= rq->len;
		return true;
	}
	if (!r->flush)
		return false;
	r->flush = false;
	rq->op = UDRV_BLOCK_FLUSH;
	rq->flags = 0;
	rq->offset = 0;
	rq->len = 0;
	rq->buf = NULL;
	return true;
}

/* Those that Linux 6.12's block layer tells apart, block/blk-core.c, blk_errors. */
static int error_of(int error)
{
	switch (error) {
	case -ENOSPC:
	case -ENODATA:
	case -EILSEQ:
	case -ENODEV:
	case -ETIMEDOUT:
	case -EOPNOTSUPP:
		return error;
	default:
		return -EIO;
	}
}

int udrv__ublk_request_result(const struct udrv__ublk_request *r, int error)
{
	if (error)
		return error_of(error);
	return r->op == UDRV_BLOCK_READ || r->op == UDRV_BLOCK_WRITE ? (int)r->len : 0;
}
