// SPDX-License-Identifier: MIT
/* Commands that are not the hot ones: NVM Express 1.4, 6. */
#include <errno.h>
#include <string.h>

#include "nvme_ctrl.h"

static int put_without_data(struct udrv_nvme_queue *q, const struct nvme_sqe *sqe,
			    udrv_nvme_done_t done, void *ctx)
{
	const struct nvme_data none = {0};

	return nvme_put_sqe(q, sqe, &none, 0, done, ctx);
}

static int put_with_data(struct udrv_nvme_queue *q, struct nvme_sqe *sqe, void *buf, size_t len,
			 uint8_t flags, udrv_nvme_done_t done, void *ctx)
{
	const struct iovec iov = {buf, len};

	return nvme_put_mapped(q, sqe, &iov, 1, NULL, 0, flags, done, ctx);
}

/* Not of what is gone: its number may mean another namespace by now. */
static bool is_there(const struct udrv_nvme_ns *ns, uint64_t lba, uint64_t blocks)
{
	const uint64_t size = udrv_nvme_ns_blocks(ns);

	return size && blocks <= size && lba <= size - blocks;
}

/* Blocks without data: 6.14, 6.17. Their number has no limit but its field's. */
static int put_range(struct udrv_nvme_queue *q, const struct udrv_nvme_ns *ns, uint8_t opcode,
		     uint64_t lba, uint32_t blocks, uint32_t flags, udrv_nvme_done_t done,
		     void *ctx)
{
	struct nvme_sqe sqe = {
		.opcode = opcode,
		.nsid = ns->nsid,
		.cdw10 = (uint32_t)lba,
		.cdw11 = (uint32_t)(lba >> 32),
		.cdw12 = (blocks - 1) | flags,
	};

	if (!blocks || !is_there(ns, lba, blocks))
		return -EINVAL;
	if (blocks > NVME_RW_BLOCKS_MAX)
		return -EMSGSIZE;
	if (ns->pi_type)
		sqe.cdw14 = nvme_pi_ref_tag(ns, lba);
	return put_without_data(q, &sqe, done, ctx);
}

int udrv_nvme_flush(struct udrv_nvme_queue *q, const struct udrv_nvme_ns *ns, udrv_nvme_done_t done,
		    void *ctx)
{
	const struct nvme_sqe sqe = {.opcode = NVME_FLUSH, .nsid = ns->nsid};

	if (!is_there(ns, 0, 0))
		return -EINVAL;
	return put_without_data(q, &sqe, done, ctx);
}

int udrv_nvme_write_zeroes(struct udrv_nvme_queue *q, const struct udrv_nvme_ns *ns, uint64_t lba,
			   uint32_t blocks, uint32_t flags, udrv_nvme_done_t done, void *ctx)
{
	if (!(nvme_id(q->nvme)->oncs & NVME_ONCS_WRITE_ZEROES))
		return -EOPNOTSUPP;
	/* PRCHK is reserved there. */
	if (ns->pi_type)
		flags |= NVME_RW_PRACT;
	return put_range(q, ns, NVME_WRITE_ZEROES, lba, blocks, flags, done, ctx);
}

int udrv_nvme_verify(struct udrv_nvme_queue *q, const struct udrv_nvme_ns *ns, uint64_t lba,
		     uint32_t blocks, uint32_t flags, udrv_nvme_done_t done, void *ctx)
{
	if (!(nvme_id(q->nvme)->oncs & NVME_ONCS_VERIFY))
		return -EOPNOTSUPP;
	return put_range(q, ns, NVME_VERIFY, lba, blocks, flags, done, ctx);
}

int udrv_nvme_deallocate(struct udrv_nvme_queue *q, const struct udrv_nvme_ns *ns,
			 const struct nvme_dsm_range *ranges, unsigned int count,
			 udrv_nvme_done_t done, void *ctx)
{
	struct nvme_sqe sqe = {
		.opcode = NVME_DATASET_MANAGEMENT,
		.nsid = ns->nsid,
		.cdw10 = count - 1,
		.cdw11 = NVME_DSM_DEALLOCATE,
	};

	struct nvme_data data = {0};
	int ret;

	if (!(nvme_id(q->nvme)->oncs & NVME_ONCS_DSM))
		return -EOPNOTSUPP;
	if (!count || count > NVME_DSM_RANGES_MAX)
		return -EINVAL;
	for (unsigned int i = 0; i < count; i++)
		if (!is_there(ns, ranges[i].slba, ranges[i].nlb))
			return -EINVAL;
	ret = nvme_make_room(q);
	if (ret)
		return ret;
	/* A page, as for a list. */
	data.list = nvme_list_get(q);
	if (!data.list)
		return -ENOMEM;
	sqe.prp1 = data.list->iova;
	memcpy(data.list, ranges, count * sizeof(*ranges));
	ret = nvme_put_sqe(q, &sqe, &data, 0, done, ctx);
	if (ret)
		nvme_data_unmap(q, &data);
	return ret;
}

/*
 * 4.2: an opcode that moves no data has no buffer, one that moves it has one. Both ways would need
 * two.
 */
static bool fits_opcode(uint8_t opcode, const void *buf, size_t len)
{
	const bool has_data = NVME_OPCODE_TO_DEVICE(opcode) || NVME_OPCODE_FROM_DEVICE(opcode);

	if (NVME_OPCODE_BOTH_WAYS(opcode))
		return false;
	return has_data ? buf && len : !len;
}

int udrv_nvme_command(struct udrv_nvme_queue *q, const struct nvme_sqe *cmd, void *buf, size_t len,
		      udrv_nvme_done_t done, void *ctx)
{
	const struct nvme_data none = {0};
	struct nvme_sqe sqe = *cmd;

	if (len > nvme_max_transfer(q->nvme))
		return -EMSGSIZE;
	sqe.flags = (uint8_t)(cmd->flags & 0x3fu);
	sqe.mptr = sqe.prp1 = sqe.prp2 = 0;
	if (!fits_opcode(sqe.opcode, buf, len))
		return -EINVAL;
	if (!len)
		return nvme_put_sqe(q, &sqe, &none, NVME_T_ONCE, done, ctx);
	return put_with_data(q, &sqe, buf, len, NVME_T_ONCE, done, ctx);
}

static size_t sum(const struct iovec *iov, unsigned int count)
{
	size_t len = 0;

	for (unsigned int i = 0; i < count; i++) {
		if (!iov[i].iov_len || __builtin_add_overflow(len, iov[i].iov_len, &len))
			return SIZE_MAX;
	}
	return len;
}

/* 8.3.1.1: it is not transferred. */
static bool is_stripped(const struct udrv_nvme_ns *ns, const struct udrv_nvme_io *io)
{
	return io->flags & NVME_RW_PRACT && ns->metadata == sizeof(struct nvme_pi) && ns->pi_type;
}

/* The buffer of its own for metadata, of a namespace that has such. */
static void *meta_of(const struct udrv_nvme_ns *ns, const struct udrv_nvme_io *io)
{
	return ns->metadata && !ns->extended && !is_stripped(ns, io) ? io->metadata : NULL;
}

/* The buffers are the blocks, with their metadata if that is in the same place; or why not. */
static int check_io(const struct udrv_nvme_ns *ns, const struct udrv_nvme_io *io)
{
	const size_t block = ((size_t)1 << ns->block_shift) + (ns->extended ? ns->metadata : 0);
	const bool stripped = is_stripped(ns, io);
	const size_t len = (size_t)io->blocks * (stripped ? (size_t)1 << ns->block_shift : block);

	if (io->opcode != NVME_READ && io->opcode != NVME_WRITE && io->opcode != NVME_COMPARE)
		return -EINVAL;
	if (!io->blocks || !is_there(ns, io->lba, io->blocks))
		return -EINVAL;
	if (io->blocks > udrv_nvme_ns_max_blocks(ns))
		return -EMSGSIZE;
	if (!io->iov_count || sum(io->iov, io->iov_count) != len)
		return -EINVAL;
	if (ns->metadata && !ns->extended && !stripped && !io->metadata)
		return -EOPNOTSUPP;
	/* 4.2, MPTR */
	if (meta_of(ns, io) && (uintptr_t)io->metadata & 3)
		return -EINVAL;
	return 0;
}

int udrv_nvme_rw(struct udrv_nvme_queue *q, const struct udrv_nvme_ns *ns,
		 const struct udrv_nvme_io *io, udrv_nvme_done_t done, void *ctx)
{
	struct nvme_sqe sqe = {
		.opcode = io->opcode,
		.nsid = ns->nsid,
		.cdw10 = (uint32_t)io->lba,
		.cdw11 = (uint32_t)(io->lba >> 32),
		.cdw12 = (io->blocks - 1) | io->flags,
		.cdw14 = io->ref_tag,
		.cdw15 = (uint32_t)io->app_mask << 16 | io->app_tag,
	};
	int ret = check_io(ns, io);

	if (ret)
		return ret;
	if (io->opcode == NVME_COMPARE && !(nvme_id(q->nvme)->oncs & NVME_ONCS_COMPARE))
		return -EOPNOTSUPP;
	return nvme_put_mapped(q, &sqe, io->iov, io->iov_count, meta_of(ns, io),
			       (size_t)io->blocks * ns->metadata, 0, done, ctx);
}
