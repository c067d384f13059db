// SPDX-License-Identifier: MIT
/*
 * Doorbells in the host's memory (5.7, 7.13): the host rings the real ones only when they pass what
 * the controller says that it has seen. Slot 2y is of SQ y's tail, 2y + 1 of CQ y's head; those
 * that are not within the page (5.7: the buffer is one) are real doorbells always.
 */
#include "backend/model_nvme_dev.h"

#define DNR(sc) ((uint16_t)((sc) | NVME_ST_DNR))

static udrv_iova_t slot(const struct udrv__nvme *n, udrv_iova_t base, unsigned int index)
{
	return base + (udrv_iova_t)index * (4u << n->config.dstrd);
}

static bool is_shadowed(const struct udrv__nvme *n, unsigned int index)
{
	return slot(n, 0, index) >> n->page_shift == 0;
}

uint16_t udrv__nvme_set_shadow(struct udrv__nvme *n, const struct udrv__nvme_cmd *cmd)
{
	const uint64_t in_page = (1ULL << n->page_shift) - 1;

	if (!n->config.dbbuf)
		return DNR(NVME_SC_INVALID_OPCODE);
	if (!cmd->prp1 || !cmd->prp2 || cmd->prp1 & in_page || cmd->prp2 & in_page)
		return DNR(NVME_SC_INVALID_FIELD);
	n->shadow = cmd->prp1;
	n->shadow_event = cmd->prp2;
	return NVME_SC_SUCCESS;
}

static bool load(struct udrv__nvme *n, unsigned int index, uint32_t *val)
{
	return is_shadowed(n, index) &&
	       udrv__model_dma_load32(n->model, slot(n, n->shadow, index), val);
}

/* What the host left in memory is as good as rung; a queue that is new starts at 0 there too. */
void udrv__nvme_take_shadow(struct udrv__nvme *n)
{
	uint32_t val;

	for (unsigned int i = 1; n->shadow && i < NVME_QIDS; i++) {
		struct udrv__nvme_sq *sq = &n->sqs[i];
		struct udrv__nvme_cq *cq = &n->cqs[i];

		if (sq->on && load(n, 2 * i, &val) && val != sq->seen) {
			sq->seen = val;
			udrv__nvme_set_tail(n, sq, val);
		}
		if (cq->on && load(n, 2 * i + 1, &val) && val != cq->seen) {
			cq->seen = val;
			udrv__nvme_set_head(n, cq, val);
		}
	}
}

static void store(struct udrv__nvme *n, unsigned int index, uint32_t val)
{
	if (is_shadowed(n, index))
		(void)udrv__model_dma_publish(n->model, slot(n, n->shadow_event, index), &val,
					      sizeof(val));
}

/* Ring for whatever comes next; then look once more, as it may have come before. */
bool udrv__nvme_ask_to_ring(struct udrv__nvme *n)
{
	bool again = false;
	uint32_t val;

	for (unsigned int i = 1; n->shadow && i < NVME_QIDS; i++) {
		if (n->sqs[i].on)
			store(n, 2 * i, n->sqs[i].seen);
		if (n->cqs[i].on)
			store(n, 2 * i + 1, n->cqs[i].seen);
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (unsigned int i = 1; n->shadow && i < NVME_QIDS && !again; i++) {
		if (n->sqs[i].on && load(n, 2 * i, &val))
			again |= val != n->sqs[i].seen;
		if (n->cqs[i].on && load(n, 2 * i + 1, &val))
			again |= val != n->cqs[i].seen;
	}
	return again;
}
