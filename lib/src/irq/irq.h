/* SPDX-License-Identifier: MIT */
/* Inside the interrupt runtime: vectors, their chains, their workers, how workers wait. */
#ifndef UDRV_SRC_IRQ_H
#define UDRV_SRC_IRQ_H

#include <liburing.h>
#include <pthread.h>
#include <semaphore.h>

#include "pci/device.h"
#include "stat/segment.h"

struct udrv__vector;

/* What ended a wait. */
#define UDRV__WOKEN_SIGNAL 0x1 /* the interrupt was signalled since the last wait */
#define UDRV__WOKEN_KICK                                                                           \
	0x2 /* v->kicks_taken kicks came; every signal before them is reported, too */

/*
 * A kick to a vector without a kick_fd: it goes to the eventfd of the interrupt, above all signals
 * that can come between two reads.
 */
#define UDRV__KICK (1ull << 32)

/* A wait strategy. init, wait and exit run in the worker. */
struct udrv__wait_ops {
	const char *name;
	bool wants_kick_fd; /* the strategy does not read the eventfd of the interrupt */
	int (*init)(struct udrv__vector *v);
	/* UDRV__WOKEN_* or negative errno. */
	int (*wait)(struct udrv__vector *v);
	void (*exit)(struct udrv__vector *v);
};

/* One request_irq(). */
struct udrv__action {
	struct udrv__action *next;
	udrv_irq_handler_t handler;
	udrv_irq_handler_t thread_fn;
	void *dev_id;
	unsigned int flags;
	bool wake; /* the worker's: run thread_fn this time */
	char name[32];
};

struct udrv__vector {
	/* What the worker touches for each interrupt comes first. */
	const struct udrv__wait_ops *wait;
	struct udrv__action *actions; /* changed under irqs.lock, read by the worker without */
	uint32_t kicks;		      /* see chain.c */
	uint32_t kicks_answered;
	uint32_t kicks_taken; /* by the last wait */
	uint32_t disabled;    /* depth of udrv_disable_irq(), atomic: handlers change it, too */
	bool pending;	      /* the worker's: signalled, and the chain did not run yet */
	uint32_t stop;	      /* the worker is asked to end */
	uint32_t ended;	      /* it does not run the chain any more */
	uint32_t window_runs, window_unhandled; /* of the last UNHANDLED_WINDOW */
	bool shut;			/* nobody handled it: the chain is not run any more */
	struct udrv__stat_vector *stat; /* counters for others to see, never NULL */
	int efd;
	int kick_fd; /* while the worker runs */
	bool level;  /* INTx: masked by the kernel until unmasked */
	unsigned int nr;
	struct udrv_device *dev;
	union {
		int epfd;
		struct {
			uint64_t expected_ns; /* how long waits are, on average */
			bool may_spin;
		};
		struct {
			struct io_uring ring;
			unsigned int enter_flags;
		};
	} w;

	struct udrv_irq_options options;
	/* Under irqs.lock: options that the worker is to take over, and what became of it. */
	const struct udrv_irq_options *wanted_options;
	int options_result;
	int fifo_priority; /* what the worker got */
	int cpu;	   /* where it is bound to, or -1 */
	pid_t tid;	   /* of the thread */
	pthread_t thread;
	struct udrv__stat_vector *own_stats; /* of vector 0: all vectors', unless in a segment */
	bool stopping;			     /* the last action is being freed */
	sem_t started;
	int start_result;
};

struct udrv__irqs {
	pthread_mutex_t lock; /* everything but what a worker writes */
	enum udrv__irq_type type;
	unsigned int count; /* vectors that are on, 0: none */
	struct udrv__vector *vectors;
};

/* affinity.c: the CPU that takes a vector's interrupt, or -1. */
int udrv__irq_home_cpu(struct udrv_device *dev, enum udrv__irq_type type, unsigned int nr);

/* wait.c: what a counter that was read says: UDRV__WOKEN_*. */
int udrv__woken_by(struct udrv__vector *v, uint64_t counter);
/* wait.c: the blocking read. */
int udrv__wait_read(struct udrv__vector *v);
/* wait_adaptive.c */
int udrv__adaptive_init(struct udrv__vector *v);
int udrv__adaptive_wait(struct udrv__vector *v);

extern const struct udrv__wait_ops udrv__wait_strategies[UDRV_WAIT_COUNT];

/* stat.c: records for vectors that are not at work yet, 0 or -ENOMEM. */
int udrv__irq_stats_init(struct udrv_device *dev, struct udrv__vector *vectors, unsigned int count);
void udrv__irq_stats_free(struct udrv__vector *vectors);
/* stat.c: readers see so many of them from now on. */
void udrv__irq_stats_show(const struct udrv_device *dev, const struct udrv__vector *vectors,
			  unsigned int count);
/*
 * stat.c: say anew how the vector is served. With irqs.lock, or in a worker for whose start or
 * change the lock is held.
 */
void udrv__irq_describe(struct udrv__vector *v);

/* worker.c: start returns once the worker waits, or says why it cannot. */
int udrv__worker_start(struct udrv__vector *v);
/*
 * worker.c: the order to end, with irqs.lock held: a worker that changes over must not miss the
 * kick. Then stop waits for the end, without the lock, which handlers may need.
 */
void udrv__worker_order_stop(struct udrv__vector *v);
void udrv__worker_stop(struct udrv__vector *v);

/* chain.c: run every action; called by the worker. */
void udrv__chain_run(struct udrv__vector *v);
/* chain.c: all that was asked for by the last wait's kicks is done; called by the worker. */
void udrv__chain_answer(struct udrv__vector *v);
/*
 * chain.c: the number of a kick. With irqs.lock held, while the worker runs: no kick is left over
 * when it ends.
 */
uint32_t udrv__chain_kick(struct udrv__vector *v);
/*
 * chain.c: wait until the worker has handled every signal from before that kick, and walks the
 * chain as it was then or later. Without the lock; not from the worker.
 */
void udrv__chain_await(struct udrv__vector *v, uint32_t kick);
/* chain.c: before a worker starts, and when it ends: no run is under way. */
void udrv__chain_begin(struct udrv__vector *v);
void udrv__chain_end(struct udrv__vector *v);

#endif
