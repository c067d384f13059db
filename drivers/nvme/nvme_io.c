// SPDX-License-Identifier: MIT
/*
 * The way of each command: from the call to the doorbell, and from the completion to the callback.
 * NVM Express 1.4: 4.1 queues, 4.3 PRPs, 6.9 Read, 6.15 Write.
 */
#include <errno.h>
#include <string.h>

#define UDRV__NVME_CALL /* here they are functions */
#include "nvme_ctrl.h"

#define HOT static inline __attribute__((always_inline))

/* Why such a transfer cannot be. */
static __attribute__((noinline)) int wrong_range(const struct udrv_nvme_ns *ns, uint32_t blocks)
{
	if (!ns->usable)
		return -EOPNOTSUPP;
	return blocks > udrv_nvme_ns_max_blocks(ns) ? -EMSGSIZE : -EINVAL;
}

HOT bool is_in_range(const struct udrv_nvme_ns *ns, uint64_t lba, uint32_t blocks)
{
	uint64_t end;

	return blocks - 1 < udrv_nvme_ns_max_blocks(ns) &&
	       !__builtin_add_overflow(lba, blocks, &end) && end <= udrv_nvme_ns_blocks(ns);
}

/* Memory that is not the device's already. */
static __attribute__((noinline)) int rw_mapped(struct udrv_nvme_queue *q,
					       const struct nvme_sqe *template, void *buf,
					       size_t len, udrv_nvme_done_t done, void *ctx)
{
	const struct iovec iov = {buf, len};
	struct nvme_sqe sqe = *template;

	return nvme_put_mapped(q, &sqe, &iov, 1, NULL, 0, 0, done, ctx);
}

struct transfer {
	uint8_t opcode;
	void *buf;
	uint64_t lba;
	uint32_t blocks, flags;
	udrv_nvme_done_t done;
	void *ctx;
};

/* A namespace with metadata, or such a transfer cannot be. */
static __attribute__((noinline)) int
rw_protected(struct udrv_nvme_queue *q, const struct udrv_nvme_ns *ns, const struct transfer *io)
{
	const struct nvme_sqe sqe = {
		.opcode = io->opcode,
		.nsid = ns->nsid,
		.cdw10 = (uint32_t)io->lba,
		.cdw11 = (uint32_t)(io->lba >> 32),
		.cdw12 = (io->blocks - 1) | io->flags,
	};

	if (!ns->usable || !is_in_range(ns, io->lba, io->blocks))
		return wrong_range(ns, io->blocks);
	return nvme_rw_protected(q, ns, &sqe, io->buf, io->done, io->ctx);
}

/* Whatever there is to be done for it. */
static __attribute__((noinline)) int
rw_slowly(struct udrv_nvme_queue *q, const struct udrv_nvme_ns *ns, const struct transfer *io)
{
	const uint32_t slot = nvme_tail_slot(q);
	struct udrv__nvme_tracker *t = &q->put.trackers[slot];
	struct nvme_sqe *sqe = &q->put.sq[slot];
	const size_t len = (size_t)io->blocks << ns->block_shift;
	udrv_iova_t iova;
	uint32_t in_page;
	uint16_t cid;
	int flags = 0;

	if (nvme_unlikely(ns->metadata || !is_in_range(ns, io->lba, io->blocks)))
		return rw_protected(q, ns, io);
	if (nvme_unlikely(nvme_in_flight(q) >= q->depth || !nvme_is_free(t) || q->moved_count)) {
		int ret = nvme_make_room(q);

		if (ret)
			return ret;
	}
	cid = nvme_next_cid(q);
	iova = udrv_dma_look_up(q->dev, io->buf, len, &q->window);
	if (nvme_likely(!q->moved_count))
		q->put.window = q->window;
	udrv__nvme_fill(sqe, io->opcode, cid, ns->nsid, iova, io->lba,
			(io->blocks - 1) | io->flags);
	if (nvme_unlikely(iova == UDRV_DMA_MAPPING_ERROR || iova & 3))
		return rw_mapped(q, sqe, io->buf, len, io->done, io->ctx);
	in_page = (uint32_t)iova & q->put.page_mask;
	if (in_page + len > q->put.page_mask + 1ULL) {
		flags = nvme_data_point(q, sqe, iova, len, &t->list);
		if (nvme_unlikely(flags < 0))
			return flags;
	}
	nvme_put(q, t, cid, (uint8_t)flags, io->done, io->ctx);
	return 0;
}

/* Never a part of udrv_nvme_read(), which then needs no stack. */
__attribute__((noinline)) int udrv__nvme_read_slowly(struct udrv_nvme_queue *q,
						     const struct udrv_nvme_ns *ns, void *buf,
						     uint64_t lba, uint32_t blocks, uint32_t flags,
						     udrv_nvme_done_t done, void *ctx)
{
	const struct transfer io = {NVME_READ, buf, lba, blocks, flags, done, ctx};

	return rw_slowly(q, ns, &io);
}

__attribute__((noinline)) int udrv__nvme_write_slowly(struct udrv_nvme_queue *q,
						      const struct udrv_nvme_ns *ns,
						      const void *buf, uint64_t lba,
						      uint32_t blocks, uint32_t flags,
						      udrv_nvme_done_t done, void *ctx)
{
	const struct transfer io = {NVME_WRITE, (void *)(uintptr_t)buf, lba, blocks, flags, done,
				    ctx};

	return rw_slowly(q, ns, &io);
}

void udrv_nvme_submit(struct udrv_nvme_queue *q)
{
	if (q->put.tail == q->rung || nvme_unlikely(!nvme_enter(q)))
		return; /* what is not rung is sent when the reset is over */
	nvme_ring_sq(q);
	nvme_leave(q);
	/* After a long pause of the process much may be done already. */
	if (nvme_unlikely(nvme_should_look(q)) && !nvme_has_completion(q))
		nvme_look_for_late(q);
}

/* The second half of an entry: bits 15:0 SQ head, 31:16 SQ ID, 47:32 CID, 63:48 status. */
HOT uint64_t second_half(const struct nvme_cqe *entry)
{
	typedef uint64_t __attribute__((may_alias)) quad;

	return __atomic_load_n((const quad *)__builtin_assume_aligned(&entry->sq_head, 8),
			       __ATOMIC_ACQUIRE);
}

#define HALF_PHASE (1ULL << 48)
#define HALF_CID   (0xffffULL << 32)

/* What is the same in all successes of a queue: an SQ head up to the mask, any CID. */
struct success {
	struct udrv__nvme_tracker *trackers;
	uint64_t half;	/* the rest */
	uint64_t fixed; /* its bits */
	uint32_t mask;
};

/* A command that waits in its slot, with the same CID, and has nothing to be undone; or NULL. */
HOT struct udrv__nvme_tracker *find_plain(const struct success *s, uint64_t half)
{
	const uint64_t rest = half ^ s->half;
	const uint32_t cid = (uint32_t)(rest >> 32); /* of a success: nothing else is left there */
	struct udrv__nvme_tracker *t = &s->trackers[cid & s->mask];

	return nvme_likely(!(rest & s->fixed) && t->plain == cid) ? t : NULL;
}

/* Copied, as it may be written anew. True if a callback was called. */
static __attribute__((noinline)) bool complete_odd(struct udrv_nvme_queue *q,
						   const struct nvme_cqe *entry)
{
	const struct nvme_cqe cqe = *entry;

	return nvme_complete_odd(q, &cqe);
}

/* Entries from *from on, before the end, as long as they are new. How many callbacks were called.
 */
HOT unsigned int reap_until(struct udrv_nvme_queue *q, const struct success *s,
			    const struct nvme_cqe **from, const struct nvme_cqe *end)
{
	const struct nvme_cqe *entry = *from;
	unsigned int uncalled = 0;

	for (; entry != end; entry++) {
		const uint64_t half = second_half(entry);
		struct udrv__nvme_tracker *t = find_plain(s, half);

		udrv_dma_rmb();
		if (nvme_likely(t)) {
			const udrv_nvme_done_t done = t->done;

			t->plain = UDRV__NVME_FREE;
			q->put.full++;
			done(t->ctx, 0, entry->dw0);
		} else if ((half ^ s->half) & HALF_PHASE) {
			break;
		} else {
			uncalled += !complete_odd(q, entry);
		}
	}
	uncalled = (unsigned int)(entry - *from) - uncalled;
	*from = entry;
	return uncalled;
}

/*
 * Entered, and at most once: callbacks cannot come here. The controller is told of what was taken
 * afterwards, so that it writes none of these entries before. However many it writes, a round at
 * most: a reset may wait for the end.
 */
unsigned int nvme_reap(struct udrv_nvme_queue *q, unsigned int max)
{
	/* While commands wait for the doorbell, entries are looked at closely: none can be theirs.
	 */
	static struct udrv__nvme_tracker nobody = {.plain = UDRV__NVME_FREE};
	const bool all_shown = nvme_likely(q->put.tail == q->rung);
	struct success s = {all_shown ? q->put.trackers : &nobody,
			    (uint64_t)q->phase << 48 | (uint64_t)q->qid << 16,
			    ~(HALF_CID | q->put.mask), all_shown ? q->put.mask : 0};
	const unsigned int size = q->put.mask + 1;
	const unsigned int left = max - 1 < q->put.mask ? max : size;
	const unsigned int first = left < size - q->head ? left : size - q->head;
	const struct nvme_cqe *entry = q->cq + q->head;
	const struct nvme_cqe *end = entry + first;
	unsigned int called = reap_until(q, &s, &entry, end);

	q->head = (uint32_t)(entry - q->cq);
	if (nvme_likely(q->head != size))
		return called;
	q->head = 0;
	q->phase ^= 1;
	s.half ^= HALF_PHASE;
	entry = q->cq;
	called += reap_until(q, &s, &entry, entry + (left - first));
	q->head = (uint32_t)(entry - q->cq);
	return called;
}

/*
 * Room in the completion queue first: an emulated controller works on new commands as soon as it is
 * told of them, and who writes to its registers then waits for it. Nobody waits for that room, so
 * where there are no interrupts only a quarter is told: in a queue that is full more than that is
 * to be taken.
 */
HOT void ring_both(struct udrv_nvme_queue *q)
{
	if (q->completion != UDRV_NVME_POLLED ||
	    ((q->head - q->head_rung) & q->put.mask) > q->put.mask / 4)
		nvme_ring_cq(q);
	if (q->put.tail != q->rung)
		nvme_ring_sq(q);
}

/* The time is looked at now and then only: it costs as much as all the rest. */
static unsigned int poll_idle(struct udrv_nvme_queue *q)
{
	if (nvme_likely(++q->idle % NVME_IDLE_POLLS))
		return 0;
	nvme_set_clock(q, q->rung, nvme_clock());
	if (nvme_unlikely(nvme_in_flight(q) && nvme_should_look(q)))
		nvme_look_for_late(q);
	return 0;
}

unsigned int udrv_nvme_poll(struct udrv_nvme_queue *q, unsigned int max)
{
	unsigned int called;

	if (nvme_unlikely(!nvme_enter(q)))
		return nvme_attend(q);
	if (nvme_unlikely(q->inside != 1)) {
		nvme_leave(q); /* in a callback */
		return 0;
	}
	if (!nvme_has_completion(q)) {
		if (q->put.tail != q->rung)
			nvme_ring_sq(q);
		nvme_leave(q);
		return poll_idle(q);
	}
	nvme_callbacks_begin();
	called = nvme_reap(q, max);
	nvme_callbacks_end();
	ring_both(q);
	nvme_leave(q);
	/* The time is that of the last command that a callback put. */
	if (nvme_unlikely(nvme_should_look(q)))
		nvme_look_for_late(q);
	return called;
}
