// SPDX-License-Identifier: MIT
/*
 * Direct mode's short way for reads and writes of a store that keeps nothing: what a benchmark
 * measures its own software against. It sees the same as on the long way.
 */
#include "backend/model_nvme_dev.h"

/* Is it a plain read or write that succeeds? */
static bool is_plain(const struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd)
{
	const struct udrv__nvme_ns *ns;
	uint64_t lba, blocks;

	if ((cmd->opcode != NVME_NVM_READ && cmd->opcode != NVME_NVM_WRITE) ||
	    NVME_CMD_FUSE(cmd->flags) || cmd->nsid - 1 >= UDRV__MODEL_NVME_NS_MAX ||
	    cmd->cdw12 & ~(0xffffu | NVME_RW_FUA | NVME_RW_LR))
		return false;
	ns = &n->ns[cmd->nsid];
	lba = cmd->cdw10 | (uint64_t)cmd->cdw11 << 32;
	blocks = (cmd->cdw12 & 0xffff) + 1;
	return ns->attached && !ns->ms && !ns->any_bad &&
	       blocks << ns->lba_shift <= n->most_bytes && blocks <= ns->blocks &&
	       lba <= ns->blocks - blocks;
}

static uint32_t next(uint32_t at, uint32_t size)
{
	return at + 1 == size ? 0 : at + 1;
}

/* The entry's last half word is what tells the host. */
static void put(struct udrv__nvme_cq *cq, const struct udrv__nvme_sq *sq, uint16_t cid)
{
	struct udrv__nvme_cqe *cqe = &cq->memory[cq->tail];

	cqe->dw0 = 0;
	cqe->dw1 = 0;
	cqe->sqhd = (uint16_t)sq->head;
	cqe->sqid = sq->id;
	cqe->cid = cid;
	__atomic_store_n(&cqe->status, cq->phase, __ATOMIC_RELEASE);
	cq->tail = next(cq->tail, cq->size);
	if (!cq->tail)
		cq->phase ^= 1;
}

unsigned int udrv__nvme_run_direct(struct udrv__nvme *n, struct udrv__nvme_sq *sq)
{
	struct udrv__nvme_cq *cq = &n->cqs[sq->cqid];
	uint64_t reads = 0, blocks[2] = {0};
	unsigned int count = 0;

	if (!n->config.null_store || !sq->memory || !cq->memory || n->fault_count)
		return 0;
	while (sq->head != sq->tail && !udrv__nvme_cq_is_full(cq)) {
		const struct udrv__nvme_cmd *cmd = &sq->memory[sq->head];
		const bool read = cmd->opcode == NVME_NVM_READ;

		if (!is_plain(n, cmd))
			break;
		sq->head = next(sq->head, sq->size);
		reads += read;
		blocks[read] += ((cmd->cdw12 & 0xffff) + 1ULL) << (n->ns[cmd->nsid].lba_shift - 9);
		put(cq, sq, cmd->cid);
		count++;
	}
	n->smart.reads += reads;
	n->smart.writes += count - reads;
	n->smart.read_blocks += blocks[true];
	n->smart.written_blocks += blocks[false];
	n->counts.commands += count;
	n->counts.completions += count;
	if (count && cq->ien)
		udrv__nvme_interrupt(n, cq);
	return count;
}
