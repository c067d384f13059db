/* SPDX-License-Identifier: MIT */
/* What the parts of the e1000e driver share; for applications: e1000e_driver. */
#ifndef E1000E_H
#define E1000E_H

#include <pthread.h>

#include <udrv/barrier.h>
#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/driver.h>
#include <udrv/io.h>
#include <udrv/irq.h>
#include <udrv/net.h>
#include <udrv/slab.h>
#include <udrv/workqueue.h>

#include "e1000e_regs.h"

#define E1000E_QUEUES	2
#define E1000E_COUNTERS 44

/* Descriptors of a ring. */
#define E1000E_RING_DEFAULT 512
#define E1000E_RING_MIN	    64
#define E1000E_RING_MAX	    4096 /* 10.2.5, 10.2.6: RDLEN and TDLEN are 64 KB at most */

#define e1000e_likely(x)   __builtin_expect(!!(x), 1)
#define e1000e_unlikely(x) __builtin_expect(!!(x), 0)

static inline uint32_t e1000e_least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/*
 * The door of a queue. Its thread is inside while it uses the ring; who resets the card shuts the
 * door and waits until nobody is inside. It costs the thread no barrier where the kernel has
 * membarrier(2).
 */
struct e1000e_door {
	bool inside;
	bool shut;
	bool fences; /* there is no membarrier() */
};

/* How a queue tells that it has something. The queue's thread arms it, the handler fires it. */
struct e1000e_event {
	int fd;
	int irq; /* the vector whose descriptor it is; -1: its own */
	bool armed;
	uint32_t cause;
};

struct e1000e_rxq {
	struct udrv_net_rxq q;
	struct e1000e_door door;
	struct e1000e *nic;
	union e1000e_rx_desc *ring;
	struct udrv_net_buf **bufs; /* of each descriptor that the card has */
	void __udrv_iomem *tail;
	uint32_t mask;
	uint32_t next; /* the card's oldest, counted without end, as @fill */
	uint32_t fill; /* behind its youngest */
	uint32_t room; /* of a buffer */
	bool skipping; /* the rest of a frame that did not fit into one */
	bool untag;    /* tags that the card has taken out are to be put back */
	struct udrv_net_pool *pool;
	struct e1000e_event event;
	uint64_t nonsense, spanned, broken, no_buffers; /* @q.dropped, why */
	uint64_t seen;					/* @q.packets when it was last armed */
	unsigned int load;
	size_t ring_bytes;
	udrv_iova_t iova;
};

/* Up to there it has been reported when DD is in the descriptor before @desc. */
struct e1000e_mark {
	uint32_t desc, frame;
	struct udrv_net_pool *pool; /* see struct e1000e_txq */
};

struct e1000e_txq {
	struct udrv_net_txq q;
	struct e1000e_door door;
	struct e1000e *nic;
	union e1000e_tx_desc *ring;
	struct udrv_net_buf **frames; /* in the order in which they are sent */
	struct e1000e_mark *marks;
	void __udrv_iomem *tail_reg;
	uint32_t mask;		      /* of all three */
	uint32_t tail, clean, marked; /* descriptors, counted without end */
	uint32_t frame_tail, frame_clean, frame_marked;
	/* Of all frames since the last mark, which are alone and reset; NULL: of not all. */
	struct udrv_net_pool *pool;
	uint32_t mark_tail, mark_clean;
	uint32_t wanted;	      /* descriptors, by the frame that was refused last */
	uint32_t frame_max;	      /* bytes */
	bool tags;		      /* the card inserts them */
	union e1000e_tx_desc context; /* its own last one */
	struct udrv_dma_window window;
	struct udrv_net_pool *copies; /* for what the card cannot reach */
	struct e1000e_event event;
	uint64_t unfit, unreachable, lost; /* @q.dropped, why */
	uint64_t done;			   /* frames that were freed */
	uint64_t unreported;		   /* of them, those that the card never reported */
	uint32_t head_seen;		   /* of the watchdog, down to @silent */
	uint64_t done_seen;
	unsigned int stuck;
	unsigned int silent;
	size_t ring_bytes;
	udrv_iova_t iova;
};

enum e1000e_moderation {
	E1000E_OFF,
	E1000E_FIXED,
	E1000E_ADAPTIVE,
};

struct e1000e {
	struct udrv_device *dev;
	void __udrv_iomem *regs;
	struct udrv_net_device ndev;
	/* Registers that more than one thread uses, and what follows down to the queues. */
	pthread_mutex_t lock;
	struct udrv_workqueue_struct *wq;
	struct udrv_delayed_work tick;
	unsigned int tick_ms;
	unsigned int irq_type; /* UDRV_PCI_IRQ_* */
	enum e1000e_moderation moderation;
	unsigned int irqs_per_second; /* E1000E_FIXED */
	bool throttled;		      /* an interval was ever set */
	bool up;		      /* open, and not being reset */
	bool failed;		      /* open, and could not be reset: it is not used */
	bool flow_set; /* pause frames are as both ends want them, since the last reset */
	bool membarrier;
	uint32_t vfta[E1000E_VFTA_WORDS];
	/* As the framework had it last: who resets it, or asks, has not the framework's lock. */
	unsigned int mtu;   /* when it was opened */
	unsigned int flags; /* IFF_* */
	uint32_t mta[E1000E_MTA_WORDS];
	struct e1000e_rxq *rxq[E1000E_QUEUES];
	struct e1000e_txq *txq[E1000E_QUEUES];
	uint64_t counters[E1000E_COUNTERS];
	uint64_t lost_at_stop; /* frames that were in the ring, by queues that are no more */
	uint64_t resets, link_changes, irqs_other;
};

extern const struct udrv_driver e1000e_driver;
extern const struct udrv_verb e1000e_verbs[];
extern const struct udrv_net_device_ops e1000e_ops;

static inline uint32_t e1000e_read(const struct e1000e *nic, uint32_t reg)
{
	return udrv_ioread32((const char __udrv_iomem *)nic->regs + reg);
}

static inline void e1000e_write(const struct e1000e *nic, uint32_t reg, uint32_t val)
{
	udrv_iowrite32(val, (char __udrv_iomem *)nic->regs + reg);
}

/* What was written has arrived. */
static inline void e1000e_flush(const struct e1000e *nic)
{
	(void)e1000e_read(nic, E1000E_STATUS);
}

/* The queue's thread. False: the ring is not to be touched. */
static inline bool e1000e_enter(struct e1000e_door *door)
{
	__atomic_store_n(&door->inside, true, __ATOMIC_RELAXED);
	udrv_barrier();
	if (__builtin_expect(door->fences, 0))
		udrv_smp_mb();
	if (__builtin_expect(!__atomic_load_n(&door->shut, __ATOMIC_ACQUIRE), 1))
		return true;
	__atomic_store_n(&door->inside, false, __ATOMIC_RELEASE);
	return false;
}

static inline void e1000e_leave(struct e1000e_door *door)
{
	__atomic_store_n(&door->inside, false, __ATOMIC_RELEASE);
}

/* e1000e_hw.c. With the lock, or alone. */
/* Everything off, as after power on. 0, -ENODEV or -ETIMEDOUT, explained. */
int e1000e_hw_reset(struct e1000e *nic);
/* What does not depend on queues: filters, PHY, flow control. 0 or as above. */
int e1000e_hw_init(struct e1000e *nic);
/* 0, or -EIO for a NVM that is not to be trusted, explained. */
int e1000e_hw_read_mac(struct e1000e *nic, uint8_t *mac);
/* Tell whether there is a link, and what kind. */
void e1000e_hw_link(struct e1000e *nic);

/* e1000e_irq.c */
int e1000e_irq_init(struct e1000e *nic, const char *wanted);
void e1000e_irq_exit(struct e1000e *nic);
/* After a reset, with the lock: which cause is told by which vector; link changes are. */
void e1000e_irq_start(struct e1000e *nic);
/* An event of queue @n; @tx: which direction. 0 or negative errno. */
int e1000e_event_init(struct e1000e *nic, struct e1000e_event *event, bool tx, unsigned int n);
void e1000e_event_exit(struct e1000e *nic, struct e1000e_event *event);
/* Its cause interrupts from now on; what came before is forgotten. */
void e1000e_event_arm(struct e1000e *nic, struct e1000e_event *event);
/* Wake who waits, whatever for. */
void e1000e_event_wake(const struct e1000e_event *event);
/* With the lock: set all intervals as the moderation says. */
void e1000e_moderate(struct e1000e *nic);
/* The queue's thread is about to sleep. */
void e1000e_adapt(struct e1000e_rxq *q);
unsigned int e1000e_interval(const struct e1000e *nic, unsigned int load);
/* "adaptive", "off", or a number. 0 or -EINVAL. */
int e1000e_parse_moderation(const char *text, enum e1000e_moderation *how,
			    unsigned int *per_second);

/* The power of two that is not less, within what the card can. */
static inline uint32_t e1000e_ring_of(unsigned int wanted)
{
	uint32_t size = E1000E_RING_MIN;

	while (size < E1000E_RING_MAX && size < (wanted ? wanted : E1000E_RING_DEFAULT))
		size *= 2;
	return size;
}

/* e1000e_rx.c */
int e1000e_rx_make(struct e1000e *nic, unsigned int n);
void e1000e_rx_free(struct e1000e_rxq *q);
/* After a reset, the receiver being off: an empty ring. What it had is lost. */
void e1000e_rx_start(struct e1000e_rxq *q);
/* The receiver is on: give it buffers, and open the door. */
void e1000e_rx_open(struct e1000e_rxq *q);
/* Bytes of the buffers for a MTU. */
uint32_t e1000e_rx_room(unsigned int mtu);
bool e1000e_rx_pending(struct udrv_net_rxq *q);
bool e1000e_rx_arm(struct udrv_net_rxq *q);
int e1000e_rx_event_fd(struct udrv_net_rxq *q);

/* e1000e_tx.c */
int e1000e_tx_make(struct e1000e *nic, unsigned int n);
void e1000e_tx_free(struct e1000e_txq *q);
/* After a reset, the transmitter being off: an empty ring. What was in it is lost. */
void e1000e_tx_start(struct e1000e_txq *q);
void e1000e_tx_open(struct e1000e_txq *q);
/* The door is shut: free what has been reported; @all: everything, as the card has sent it. */
void e1000e_tx_collect(struct e1000e_txq *q, bool all);
bool e1000e_tx_arm(struct udrv_net_txq *q);
int e1000e_tx_event_fd(struct udrv_net_txq *q);

/* e1000e_offload.c */
/* Make a frame of @len bytes ready for what it asks for. False: that makes no sense. */
bool e1000e_offload_prepare(const struct e1000e_txq *q, struct udrv_net_buf *buf, uint32_t len);
/* What the card is to know of its checksums and segments. */
union e1000e_tx_desc e1000e_offload_context(const struct udrv_net_buf *buf, uint32_t len);

/* e1000e_filter.c, with the lock */
void e1000e_filter_mac(struct e1000e *nic, const uint8_t *addr);
/* What ndo_set_rx_mode is to filter by, for filter_set() from then on. */
void e1000e_filter_take(struct e1000e *nic);
void e1000e_filter_set(struct e1000e *nic);
void e1000e_filter_vlan(struct e1000e *nic, uint16_t vid, bool on);

/* e1000e_stats.c, with the lock */
void e1000e_stats_read(struct e1000e *nic);
void e1000e_stats_add(const struct e1000e *nic, struct udrv_net_stats *stats);
const char *e1000e_stats_name(unsigned int n);

/* e1000e_open.c */
int e1000e_open(struct udrv_net_device *ndev);
int e1000e_stop(struct udrv_net_device *ndev);
/* What is due now and then: counters, a transmitter that hangs, a device that has gone. */
void e1000e_tick(struct udrv_work_struct *work);

#endif
