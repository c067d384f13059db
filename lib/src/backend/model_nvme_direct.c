// SPDX-License-Identifier: MIT
/*
 * Direct mode's short way for reads and writes of a store that keeps nothing: what a benchmark
 * measures its own software against. The host sees the same as on the long way. All is in locals
 * while commands are taken, as the queues' memory might be anything to the compiler.
 */
#include <string.h>

#include "backend/model_nvme_dev.h"

/* The namespace of the commands at hand, and what they did. */
struct target {
	uint32_t nsid;
	unsigned int shift;
	uint64_t blocks, most; /* it has, a command may have, which is no more */
	uint64_t moved;	       /* blocks: those written, and those read from bit 32 on */
	uint32_t reads;
};

static bool take_target(const struct udrv__nvme *n, uint32_t nsid, struct target *t)
{
	const struct udrv__nvme_ns *ns;
	uint64_t most;

	if (nsid - 1 >= UDRV__MODEL_NVME_NS_MAX)
		return false;
	ns = &n->ns[nsid];
	if (!ns->attached || ns->ms || ns->any_bad)
		return false;
	most = n->most_bytes >> ns->lba_shift;
	*t = (struct target){
		.nsid = nsid,
		.shift = ns->lba_shift,
		.blocks = ns->blocks,
		.most = most < ns->blocks ? most : ns->blocks,
	};
	return true;
}

/* Is it a plain read or write that succeeds? */
static inline bool is_plain(const struct udrv__nvme_cmd *cmd, const struct target *t)
{
	const uint64_t lba = cmd->cdw10 | (uint64_t)cmd->cdw11 << 32;
	const uint64_t blocks = (cmd->cdw12 & 0xffff) + 1;

	return (uint8_t)(cmd->opcode - NVME_NVM_WRITE) <= 1 && !NVME_CMD_FUSE(cmd->flags) &&
	       !(cmd->cdw12 & ~(0xffffu | NVME_RW_FUA | NVME_RW_LR)) && blocks <= t->most &&
	       lba <= t->blocks - blocks;
}

/* The second half tells the host. */
static inline void put(struct udrv__nvme_cqe *cqe, uint32_t head_and_queue, uint16_t cid,
		       uint16_t phase)
{
	typedef uint64_t __attribute__((may_alias)) quad;
	quad *halves = __builtin_assume_aligned(cqe, 16);

	halves[0] = 0;
	__atomic_store_n(&halves[1], head_and_queue | (uint64_t)cid << 32 | (uint64_t)phase << 48,
			 __ATOMIC_RELEASE);
}

static uint32_t between(uint32_t from, uint32_t to, uint32_t size)
{
	return to >= from ? to - from : to + size - from;
}

/* At most count commands of one namespace; reads have opcode 2, writes 1. */
static __attribute__((noinline)) uint32_t run(struct udrv__nvme_sq *sq, struct udrv__nvme_cq *cq,
					      uint32_t count, struct target *t)
{
	const struct udrv__nvme_cmd *const cmds = sq->memory;
	struct udrv__nvme_cqe *const cqes = cq->memory;
	const uint32_t sq_size = sq->size, cq_size = cq->size;
	const uint32_t sqid = (uint32_t)sq->id << 16;
	uint32_t head = sq->head, tail = cq->tail, done;
	const struct target at = *t;
	uint64_t moved = 0;
	uint32_t reads = 0;
	uint16_t phase = cq->phase;

	for (done = 0; done < count; done++) {
		const struct udrv__nvme_cmd *cmd = &cmds[head];

		if (cmd->nsid != at.nsid || !is_plain(cmd, &at))
			break;
		reads += cmd->opcode >> 1;
		moved += ((cmd->cdw12 & 0xffff) + 1ULL) << ((cmd->opcode & 2) << 4);
		head = head + 1 == sq_size ? 0 : head + 1;
		put(&cqes[tail], head | sqid, cmd->cid, phase);
		if (++tail == cq_size) {
			tail = 0;
			phase ^= 1;
		}
	}
	sq->head = head;
	cq->tail = tail;
	cq->phase = phase;
	t->reads = reads;
	t->moved = moved;
	return done;
}

unsigned int udrv__nvme_run_direct(struct udrv__nvme *n, struct udrv__nvme_sq *sq)
{
	struct udrv__nvme_cq *cq = &n->cqs[sq->cqid];
	const uint32_t ready = between(sq->head, sq->tail, sq->size);
	const uint32_t room = cq->size - 1 - between(cq->head, cq->tail, cq->size);
	struct target t;
	uint32_t done;

	if (!n->config.null_store || !sq->memory || !cq->memory || n->fault_count ||
	    udrv__nvme_sanitize_refuses(n) || !take_target(n, sq->memory[sq->head].nsid, &t))
		return 0;
	done = run(sq, cq, ready < room ? ready : room, &t);
	n->smart.reads += t.reads;
	n->smart.writes += done - t.reads;
	n->smart.written_blocks += (t.moved & UINT32_MAX) << (t.shift - 9);
	n->smart.read_blocks += t.moved >> 32 << (t.shift - 9);
	n->counts.commands += done;
	n->counts.completions += done;
	if (done && cq->ien)
		udrv__nvme_interrupt(n, cq);
	return done;
}
