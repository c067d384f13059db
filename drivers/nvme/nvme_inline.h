/* SPDX-License-Identifier: MIT */
/*
 * Part of nvme.h: reads and writes that go the usual way are put into the queue where they are
 * called. What is declared here is the library's own, whatever it says now; nothing but nvme.h
 * includes it, and it goes with the archive that it was installed with.
 */
#ifndef UDRV_NVME_INLINE_H
#define UDRV_NVME_INLINE_H

#include <udrv/dma.h>

#include "nvme.h"

UDRV_BEGIN_DECLS

#define UDRV__NVME_INLINE extern inline __attribute__((gnu_inline, always_inline))
#ifndef UDRV__NVME_CALL
#define UDRV__NVME_CALL UDRV__NVME_INLINE
#endif

#define UDRV__NVME_CID_MAX 0x7fffu    /* 4.2: 0xffff is no command's */
#define UDRV__NVME_FREE	   UINT32_MAX /* struct udrv__nvme_tracker.plain: it has no command */

/* What is known of a command in a slot of the submission queue. */
struct udrv__nvme_tracker {
	udrv_nvme_done_t done;
	void *ctx;
	union {
		struct {
			uint16_t cid;
			uint8_t flags;	 /* NVME_T_* */
			uint8_t retries; /* so often it was sent again */
		};
		/* Is the cid for a command with neither flags nor retries. */
		uint32_t plain;
	};
	uint32_t started; /* by the queue's clock */
	union {
		struct nvme_maps *maps; /* NVME_T_MAPS */
		struct nvme_list *list; /* NVME_T_LIST */
	};
};

/* What a queue begins with. */
struct udrv__nvme_put {
	struct nvme_sqe *sq;
	struct udrv__nvme_tracker *trackers;
	uint32_t tail;	    /* counts on; its low bits are the next slot */
	uint32_t full;	    /* the tail when as many are in flight as may be */
	uint32_t mask;	    /* slots less one */
	uint32_t page_mask; /* bytes of the controller's page, less one */
	/* Where buffers were last; nowhere if what comes next has to look at all that may be. */
	struct udrv_dma_window window;
	uint32_t now; /* nvme_clock(), read now and then */
};

UDRV_API int udrv__nvme_read_slowly(struct udrv_nvme_queue *q, const struct udrv_nvme_ns *ns,
				    void *buf, uint64_t lba, uint32_t blocks, uint32_t flags,
				    udrv_nvme_done_t done, void *ctx);
UDRV_API int udrv__nvme_write_slowly(struct udrv_nvme_queue *q, const struct udrv_nvme_ns *ns,
				     const void *buf, uint64_t lba, uint32_t blocks, uint32_t flags,
				     udrv_nvme_done_t done, void *ctx);

/*
 * As udrv_dma_look_up() where that has to call nothing, of what does not cross the border of a
 * page: windows end at one.
 */
UDRV__NVME_INLINE udrv_iova_t udrv__nvme_look_up(const struct udrv__nvme_put *q, const void *buf)
{
	const uint64_t epoch = __atomic_load_n(&udrv__dma_epoch, __ATOMIC_ACQUIRE);
	const struct udrv_dma_window *w = &q->window;
	const size_t offset = (uintptr_t)buf - w->va;

	if (__builtin_expect(offset < w->len && w->epoch == epoch, 1))
		return w->iova + offset;
	return UDRV_DMA_MAPPING_ERROR;
}

/*
 * 4.2, all of it, in few stores, of values that are in registers: what a compiler puts together on
 * the stack for a wider one costs 3 ns, as that load waits for both stores.
 */
UDRV__NVME_INLINE void udrv__nvme_fill(struct nvme_sqe *sqe, uint8_t opcode, uint32_t cid,
				       uint32_t nsid, uint64_t prp1, uint64_t lba, uint32_t cdw12)
{
	typedef uint64_t __attribute__((may_alias)) quad;
	typedef uint64_t __attribute__((may_alias, vector_size(16), aligned(8))) pair;
	const pair none = {0, 0};
	const pair prps = {prp1, 0};
	const pair last = {cdw12, 0};
	quad *to = (quad *)(void *)sqe;

	to[0] = opcode | (uint64_t)cid << 16 | (uint64_t)nsid << 32;
	*(pair *)&to[1] = none; /* CDW2, CDW3, MPTR */
	*(pair *)&to[3] = prps;
	to[5] = lba;
	*(pair *)&to[6] = last; /* and CDW13 to CDW15 */
}

/*
 * Most transfers go from a free slot to one page that is the device's already, from its beginning.
 * That way calls nothing. False: it is something else.
 */
UDRV__NVME_INLINE bool udrv__nvme_put(struct udrv_nvme_queue *queue, const struct udrv_nvme_ns *ns,
				      uint8_t opcode, const void *buf, uint64_t lba,
				      uint32_t blocks, uint32_t flags, udrv_nvme_done_t done,
				      void *ctx)
{
	struct udrv__nvme_put *q = (struct udrv__nvme_put *)(void *)queue;
	const udrv_iova_t iova = udrv__nvme_look_up(q, buf);
	struct udrv__nvme_tracker *t;
	uint64_t room;
	uint32_t tail, cid;

	if (__builtin_expect((iova & q->page_mask) != 0, 0))
		return false;
	room = __atomic_load_n(&ns->blocks, __ATOMIC_RELAXED);
	if (__builtin_expect(__builtin_sub_overflow(room, lba, &room) || blocks > room, 0))
		return false;
	tail = q->tail;
	if (__builtin_expect(blocks - 1 >= ns->page_blocks || tail == q->full, 0))
		return false;
	t = &q->trackers[tail & q->mask];
	if (__builtin_expect(t->plain != UDRV__NVME_FREE, 0))
		return false;
	cid = tail & UDRV__NVME_CID_MAX;
	t->plain = cid;
	udrv__nvme_fill(&q->sq[tail & q->mask], opcode, cid, ns->nsid, iova, lba,
			(blocks - 1) | flags);
	t->done = done;
	t->ctx = ctx;
	t->started = q->now;
	q->tail = tail + 1;
	return true;
}

UDRV__NVME_CALL int udrv_nvme_read(struct udrv_nvme_queue *q, const struct udrv_nvme_ns *ns,
				   void *buf, uint64_t lba, uint32_t blocks, uint32_t flags,
				   udrv_nvme_done_t done, void *ctx)
{
	if (__builtin_expect(udrv__nvme_put(q, ns, NVME_READ, buf, lba, blocks, flags, done, ctx),
			     1))
		return 0;
	return udrv__nvme_read_slowly(q, ns, buf, lba, blocks, flags, done, ctx);
}

UDRV__NVME_CALL int udrv_nvme_write(struct udrv_nvme_queue *q, const struct udrv_nvme_ns *ns,
				    const void *buf, uint64_t lba, uint32_t blocks, uint32_t flags,
				    udrv_nvme_done_t done, void *ctx)
{
	if (__builtin_expect(udrv__nvme_put(q, ns, NVME_WRITE, buf, lba, blocks, flags, done, ctx),
			     1))
		return 0;
	return udrv__nvme_write_slowly(q, ns, buf, lba, blocks, flags, done, ctx);
}

UDRV_END_DECLS

#endif
