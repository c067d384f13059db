/* SPDX-License-Identifier: MIT */
/*
 * A queue pair, and what runs for each command.
 *
 * Slots of the submission queue have a tracker each. The tail counts on: its low bits are the
 * slot, and those above, a generation that tells a late or invented completion from the right one,
 * are in the command's identifier, too. A slot is used again as soon as the tail comes round; a
 * command that is still in flight then, because it is slower than all others, is moved aside.
 *
 * The queue belongs to the thread that uses it. When the controller is reset another thread needs
 * the rings for a moment: it sets bits in attention, makes that seen by membarrier(2), and waits
 * until the owner is not inside, which costs the owner two plain stores and a load.
 */
#ifndef NVME_QUEUE_H
#define NVME_QUEUE_H

#include <time.h>

#include <udrv/barrier.h>
#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/io.h>
#include <udrv/list.h>

#include "nvme.h"

#define nvme_likely(x)	 __builtin_expect(!!(x), 1)
#define nvme_unlikely(x) __builtin_expect(!!(x), 0)

#define NVME_LIST_SIZE 4096u /* bytes: the smallest page */

/* Buffers of one command that were mapped, or copied, for it alone. */
struct nvme_maps {
	enum udrv_dma_data_direction dir;
	/* A copy in DMA memory, and what it is a copy of. */
	char *bounce;
	udrv_iova_t bounce_iova;
	size_t bounce_len;
	struct nvme_list *list; /* or NULL */
	unsigned int iov_count;
	struct iovec *iov;
	unsigned int count;
	struct nvme_map {
		udrv_iova_t iova;
		size_t len;
	} map[];
};

/* struct udrv__nvme_tracker.flags */
#define NVME_T_ABORTING 0x01u /* it took too long, the controller was asked to abort it */
#define NVME_T_ONCE	0x02u /* not to be sent again */
#define NVME_T_MAPS	0x04u /* maps are to be undone, with their list */
#define NVME_T_LIST	0x08u /* there are none, and list is to be given back */
#define NVME_T_TRIED	0x10u /* it was sent before: it may have been carried out */
#define NVME_T_WAITS	0x20u /* to be sent again later: it is in no slot */
#define NVME_T_STALE	0x40u /* its namespace was another one than the number means now */

/* With the rings, 256 of them are to stay in 32 KiB of cache. */
_Static_assert(sizeof(struct udrv__nvme_tracker) == 32, "half a cache line");
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "plain has the cid in its low half, and what the controller shares is little-endian"
#endif

/* A page for a PRP list or an SGL segment; while it is free, what is in its beginning. */
struct nvme_list {
	struct nvme_list *next;
	udrv_iova_t iova;
};

/* A command that is still in flight while its slot is another's, or that waits. */
struct nvme_moved {
	struct udrv_list_head link; /* of q->moved, the oldest first, or q->waiting */
	uint32_t since, delay;	    /* of one that waits: from when, and how long; ms */
	struct udrv__nvme_tracker t;
	struct nvme_sqe sqe;
};

/* struct udrv_nvme_queue.attention */
#define NVME_Q_FROZEN 0x1u /* the controller is being reset: hands off */
#define NVME_Q_RESEND 0x2u /* that is over: what had no answer is sent again */
#define NVME_Q_DEAD   0x4u /* it was given up: everything ends */
/* With RESEND: somebody asked for the reset, no command is to blame. */
#define NVME_Q_INNOCENT 0x8u

struct udrv_nvme_queue {
	/* What is put into it. */
	struct udrv__nvme_put put;
	uint32_t rung;	/* the tail that the controller was told */
	uint32_t depth; /* most in flight; 0 while it takes nothing */
	uint16_t qid;
	bool sgl;
	bool in_cmb; /* the controller fetches from cmb, not from sq */
	unsigned int moved_count;
	struct udrv_device *dev;
	struct udrv_dma_window window;
	uint32_t __udrv_iomem *sq_doorbell;
	volatile uint32_t *sq_shadow, *sq_event; /* NVMe 1.4, 5.7; or NULL */
	/* Seldom needed; there is room. */
	struct udrv_nvme *nvme;
	struct nvme_list *lists;  /* that are free */
	struct nvme_saved *saved; /* room for all in flight, while the rings begin anew */
	struct udrv_list_head moved;

	/* What comes out of it. */
	struct nvme_cqe *cq __attribute__((aligned(64)));
	uint32_t head;
	uint32_t head_rung;  /* the head that the controller was told */
	uint32_t phase;	     /* of entries that are new */
	uint32_t look_after; /* ms between two looks */
	uint32_t __udrv_iomem *cq_doorbell;
	volatile uint32_t *cq_shadow, *cq_event;
	uint32_t inside;
	uint32_t attention; /* NVME_Q_*; other threads set it */
	uint32_t checked;   /* by the clock: what takes too long was looked for */
	uint32_t timeout;   /* ms */
	uint32_t idle;	    /* polls that found nothing */
	bool fences;	    /* there is no membarrier() */
	bool irq_taken;
	uint8_t priority; /* enum udrv_nvme_priority */

	/* So is the rest. */
	int refuse;		       /* why depth is 0: negative errno */
	struct udrv_list_head waiting; /* in flight, but not the controller's */
	struct udrv_list_head spares;  /* places of those that were moved */
	udrv_iova_t sq_iova, cq_iova;
	uint8_t __udrv_iomem *cmb;
	enum udrv_nvme_completion completion;
	int efd; /* -1: it is polled */
	int vector;
	uint32_t sleeping; /* in read(2) of efd: is woken now and then to look at the time */
	uint32_t woken;
	uint32_t average_ns; /* adaptive: of the waits */
	uint32_t waits;
	bool may_spin;
	char pad[27]; /* to whole cache lines */
};
_Static_assert(sizeof(struct udrv_nvme_queue) % 64 == 0, "whole cache lines");

#define NVME_IDLE_POLLS 64u /* that find nothing, between two looks at the time */

/* Milliseconds, a few late: the kernel's tick, without a system call. */
static inline uint32_t nvme_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint32_t)now.tv_sec * 1000u + (uint32_t)now.tv_nsec / 1000000u;
}

/* Has so much time gone by? Right for spans of 49 days; a command has a shorter life. */
static inline bool nvme_has_passed(uint32_t now, uint32_t since, uint32_t span)
{
	return now - since >= span;
}

/* Four times within what a command may take, it is time to look for those that take too long. */
static inline uint32_t nvme_look_interval(const struct udrv_nvme_queue *q)
{
	return q->timeout / 4 + 1;
}

/* Is it time to look for them, or for one that waits? */
static inline bool nvme_should_look(const struct udrv_nvme_queue *q)
{
	return nvme_has_passed(q->put.now, q->checked, q->look_after);
}

/* True: the rings are ours until nvme_leave(). */
static inline bool nvme_enter(struct udrv_nvme_queue *q)
{
	__atomic_store_n(&q->inside, q->inside + 1, __ATOMIC_RELAXED);
	udrv_barrier();
	if (nvme_unlikely(q->fences))
		udrv_smp_mb();
	if (nvme_likely(!__atomic_load_n(&q->attention, __ATOMIC_ACQUIRE)))
		return true;
	__atomic_store_n(&q->inside, q->inside - 1, __ATOMIC_RELEASE);
	return false;
}

static inline void nvme_leave(struct udrv_nvme_queue *q)
{
	__atomic_store_n(&q->inside, q->inside - 1, __ATOMIC_RELEASE);
}

static inline bool nvme_is_free(const struct udrv__nvme_tracker *t)
{
	return t->plain == UDRV__NVME_FREE;
}

/* Reads and writes have to look at all that may be, until the next one did. */
static inline void nvme_be_slow(struct udrv_nvme_queue *q)
{
	q->put.window.len = 0;
}

static inline uint32_t nvme_in_flight(const struct udrv_nvme_queue *q)
{
	return q->put.mask - (q->put.full - q->put.tail);
}

static inline uint32_t nvme_tail_slot(const struct udrv_nvme_queue *q)
{
	return q->put.tail & q->put.mask;
}

/* Is the slot between what was rung and the tail, so unknown to the controller? */
static inline bool nvme_is_unsent(const struct udrv_nvme_queue *q, uint32_t slot)
{
	return ((slot - q->rung) & q->put.mask) < ((q->put.tail - q->rung) & q->put.mask);
}

/* 5.7: the doorbell itself is rung only if the controller's event index was passed. */
static inline bool nvme_shadow(volatile uint32_t *shadow, const volatile uint32_t *event,
			       uint32_t value)
{
	const uint32_t old = *shadow;

	udrv_dma_wmb();
	__atomic_store_n(shadow, value, __ATOMIC_RELAXED);
	udrv_dma_mb();
	return (uint16_t)(value - __atomic_load_n(event, __ATOMIC_RELAXED) - 1) <
	       (uint16_t)(value - old);
}

/* nvme_cmb.c: what was put is copied to the controller's memory. */
void nvme_cmb_copy(struct udrv_nvme_queue *q);
/* nvme_late.c: time has gone by since q->put.now; what was put from @first on begins now. */
void nvme_set_clock(struct udrv_nvme_queue *q, uint32_t first, uint32_t now);

/*
 * Entered. The clock is read once for all that are shown together, after the doorbell: until then
 * they have the time of the one before, which most often is the same tick of the kernel's.
 */
static inline __attribute__((always_inline)) void nvme_ring_sq(struct udrv_nvme_queue *q)
{
	const uint32_t slot = nvme_tail_slot(q);
	const uint32_t first = q->rung;
	uint32_t now;

	if (nvme_unlikely(q->in_cmb))
		nvme_cmb_copy(q);
	q->rung = q->put.tail;
	if (nvme_likely(!q->sq_shadow) || nvme_shadow(q->sq_shadow, q->sq_event, slot))
		udrv_writel(slot, q->sq_doorbell);
	now = nvme_clock();
	if (nvme_unlikely(now != q->put.now))
		nvme_set_clock(q, first, now);
}

static inline void nvme_ring_cq(struct udrv_nvme_queue *q)
{
	q->head_rung = q->head;
	if (nvme_likely(!q->cq_shadow) || nvme_shadow(q->cq_shadow, q->cq_event, q->head))
		udrv_writel(q->head, q->cq_doorbell);
}

static inline bool nvme_has_completion(const struct udrv_nvme_queue *q)
{
	return (__atomic_load_n(&q->cq[q->head].status, __ATOMIC_ACQUIRE) & 1u) == q->phase;
}

/* The slot at the tail becomes a command in flight, whose entry is complete. */
static inline void nvme_put(struct udrv_nvme_queue *q, struct udrv__nvme_tracker *t, uint16_t cid,
			    uint8_t flags, udrv_nvme_done_t done, void *ctx)
{
	t->done = done;
	t->ctx = ctx;
	t->plain = cid | (uint32_t)flags << 16;
	t->started = q->put.now;
	q->put.tail++;
}

static inline uint16_t nvme_next_cid(const struct udrv_nvme_queue *q)
{
	return q->put.tail & UDRV__NVME_CID_MAX;
}

/* nvme_queue.c: zeroes that begin a cache line, for free(); or NULL. */
void *nvme_zalloc(size_t size);
/*
 * nvme_queue.c: memory, indices; the doorbells' and shadows' addresses. The queue is not known to
 * the controller yet.
 */
int nvme_queue_init(struct udrv_nvme_queue *q, struct udrv_nvme *nvme, uint16_t qid,
		    unsigned int entries);
void nvme_queue_exit(struct udrv_nvme_queue *q);
/* As after a reset: empty, the first phase. Nobody is inside, or it is the caller. */
void nvme_queue_rewind(struct udrv_nvme_queue *q);
/* No entry is new in the first phase. */
void nvme_queue_clear(struct udrv_nvme_queue *q);
/* Another thread: bits of attention; when it returns the owner is not inside. */
void nvme_queue_freeze(struct udrv_nvme_queue *q, uint32_t bits);
/* Likewise, instead of those that are set. The owner is woken. */
void nvme_queue_thaw(struct udrv_nvme_queue *q, uint32_t bits);
void nvme_queue_wake(struct udrv_nvme_queue *q);

/* nvme_slots.c: room for one at the tail: 0, or why there is none. */
int nvme_make_room(struct udrv_nvme_queue *q);
/* What belongs to a command beside its entry. */
struct nvme_data {
	struct nvme_maps *maps; /* or NULL */
	struct nvme_list *list; /* or NULL: none, or the maps' */
};
/* Any command, whose buffer pointers are in place already. On success data is the command's. */
int nvme_put_sqe(struct udrv_nvme_queue *q, const struct nvme_sqe *sqe,
		 const struct nvme_data *data, uint8_t flags, udrv_nvme_done_t done, void *ctx);
/* Likewise, with its buffers mapped before (nvme_data_map()), and undone if there is no room. */
int nvme_put_mapped(struct udrv_nvme_queue *q, struct nvme_sqe *sqe, const struct iovec *iov,
		    unsigned int count, void *meta, size_t meta_len, uint8_t flags,
		    udrv_nvme_done_t done, void *ctx);
/* nvme_io.c: entered: take what is there, without a word to the controller about commands. */
unsigned int nvme_reap(struct udrv_nvme_queue *q, unsigned int max);
/* A completion that is not simply a success: true if a callback was called. Entered. */
bool nvme_complete_odd(struct udrv_nvme_queue *q, const struct nvme_cqe *cqe);

/* nvme_late.c: attention is set: do what it asks for. How many callbacks were called. */
unsigned int nvme_attend(struct udrv_nvme_queue *q);
/* It is time to look for what takes too long, and for what has waited long enough. */
void nvme_look_for_late(struct udrv_nvme_queue *q);
/* Everything in flight ends: with what was sent, and with what was not. How many callbacks. */
unsigned int nvme_end_all(struct udrv_nvme_queue *q, uint32_t sent, uint32_t unsent);

struct nvme_saved {
	struct nvme_sqe sqe;
	struct udrv__nvme_tracker t;
	bool sent;
};

/* Shared by these two: a command in flight, wherever it is. */
struct nvme_command {
	struct udrv__nvme_tracker *t;
	struct nvme_sqe *sqe;
	struct nvme_moved *moved; /* or NULL: it is in its slot */
};
/* nvme_late.c: was it put for a namespace that the number does not mean any more? */
bool nvme_is_for_other(struct udrv_nvme_queue *q, const struct udrv__nvme_tracker *t,
		       const struct nvme_sqe *sqe);
/* It is in flight no more; what it was is in *was, its buffers still mapped. */
void nvme_take_out(struct udrv_nvme_queue *q, const struct nvme_command *c,
		   struct udrv__nvme_tracker *was);
void nvme_release_data(struct udrv_nvme_queue *q, const struct udrv__nvme_tracker *was);
/* Out of its slot, to be sent again after a time in ms. 0, or -ENOMEM: it is where it was. */
int nvme_postpone(struct udrv_nvme_queue *q, const struct nvme_command *c, uint32_t delay);
/* In flight at the tail, where there is room, with all that it was. */
void nvme_put_in(struct udrv_nvme_queue *q, const struct nvme_sqe *sqe,
		 const struct udrv__nvme_tracker *was);

/* nvme_pi.c: of a protected namespace, what plain transfers ask of the controller; CDW14. */
uint32_t nvme_pi_flags(const struct udrv_nvme_ns *ns);
uint32_t nvme_pi_ref_tag(const struct udrv_nvme_ns *ns, uint64_t lba);
/* A transfer without metadata; the entry has no pointers yet. */
int nvme_rw_protected(struct udrv_nvme_queue *q, const struct udrv_nvme_ns *ns,
		      const struct nvme_sqe *plain, void *buf, udrv_nvme_done_t done, void *ctx);

/*
 * nvme_data.c: point the entry to the buffers; metadata of meta_len bytes in one piece, or NULL. 0
 * and *data, or negative errno.
 */
int nvme_data_map(struct udrv_nvme_queue *q, struct nvme_sqe *sqe, const struct iovec *iov,
		  unsigned int count, void *meta, size_t meta_len, struct nvme_data *data);
/* With what the controller wrote, if it is a copy. */
void nvme_data_unmap(struct udrv_nvme_queue *q, const struct nvme_data *data);
/* Memory in one piece for the device, more than is in the first page. The tracker's flags, or
 * -ENOMEM. */
int nvme_data_point(struct udrv_nvme_queue *q, struct nvme_sqe *sqe, udrv_iova_t iova, size_t len,
		    struct nvme_list **list);
/* A page that becomes a command's (struct nvme_data), or NULL. */
struct nvme_list *nvme_list_get(struct udrv_nvme_queue *q);
void nvme_lists_free(struct udrv_nvme_queue *q);

#endif
