/* SPDX-License-Identifier: MIT */
/*
 * Inside the interrupt runtime: vectors, their chains, the workers that serve them, how workers
 * wait.
 *
 * Locks. udrv__irqs.lock guards what belongs to a device's vectors; it is held for some
 * instructions, never while anybody waits for a worker, so handlers may need it. A change that
 * waits marks its vector `busy` instead. udrv__irq_worker.lock lets one thread at a time give
 * orders that change a worker, and is held until they are carried out; a worker takes neither its
 * own nor another's. Nobody holds both.
 */
#ifndef UDRV_SRC_IRQ_H
#define UDRV_SRC_IRQ_H

#include <liburing.h>
#include <pthread.h>

#include <udrv/completion.h>
#include <udrv/irq_work.h>

#include "sched/adaptive.h"
#include "sched/context.h"
#include "pci/device.h"
#include "stat/segment.h"

struct udrv__irq_worker;
struct udrv__vector;

/*
 * What wakes a worker without an interrupt goes to the eventfd of the interrupt, if the worker
 * reads that: above all signals that can come between two reads.
 */
#define UDRV__KICK (1ull << 32)

/*
 * Something to wait with. All run in the worker. A source is a vector that is waited for; its
 * signals since the last wait make it ready, once (udrv__worker_ready()). 0 or negative errno.
 */
struct udrv__wait_ops {
	const char *name;
	bool many; /* may have several sources */
	/* Without sources yet; exit with none any more. */
	int (*init)(struct udrv__irq_worker *w);
	void (*exit)(struct udrv__irq_worker *w);
	/*
	 * A signal from before remove makes the source ready, or stays for the next add. When
	 * remove failed, it may be reported until exit.
	 */
	int (*add)(struct udrv__irq_worker *w, struct udrv__vector *v);
	int (*remove)(struct udrv__irq_worker *w, struct udrv__vector *v);
	/* Until a source is ready, the worker is kicked, or its deadline has come. */
	int (*wait)(struct udrv__irq_worker *w);
	/* Make ready what was signalled before the call, without waiting. */
	int (*look)(struct udrv__irq_worker *w);
	/* Would look() find something? Without a system call. NULL: only look() tells. */
	bool (*has_news)(const struct udrv__irq_worker *w);
	/* What to wait with where the kernel refuses this; NULL: nothing. */
	const struct udrv__wait_ops *instead;
	/* wait_count.c: for vectors that are counted in memory; and what it blocks with, or NULL.
	 */
	bool counted;
	const struct udrv__wait_ops *bell;
};

/* A way to wait, as users know it: enum udrv_wait. */
struct udrv__wait_strategy {
	const char *name;
	const struct udrv__wait_ops *ops; /* NULL: what is best for one vector, or for many */
	int (*wait)(struct udrv__irq_worker *w); /* NULL: that of the ops */
	/* Without ops: for one vector, and for many, that are counted in memory. */
	const struct udrv__wait_ops *counted[2];
};

/* One request_irq(). */
struct udrv__action {
	struct udrv__action *next;
	udrv_irq_handler_t handler;
	udrv_irq_handler_t thread_fn;
	void *dev_id;
	unsigned int flags;
	struct udrv__action *next_woken; /* in udrv__irq_worker.woken */
	char name[32];
};

#define UDRV__OFF_RESTING 0x80000000u /* too many came: until rest_over */
#define UDRV__OFF_SHUT	  0x40000000u /* nobody handled it */
#define UDRV__OFF_DEPTH	  0x3fffffffu /* of udrv_disable_irq() */

#define UDRV__STAMP_NONE 0
#define UDRV__STAMP_HARD 1 /* none, but the hard handler leaves its own */

struct udrv__vector {
	/* What the worker touches for each interrupt comes first. */
	struct udrv__vector *next_ready; /* in udrv__irq_worker.ready */
	struct udrv__action *actions;	 /* changed under irqs.lock, read by the worker without */
	uint32_t off; /* UDRV__OFF_*: why the chain is not run; atomic: handlers change it, too */
	unsigned int nr;
	uint64_t stamp;			/* udrv_irq_stamp(): atomic, in cycles, or UDRV__STAMP_* */
	struct udrv__stat_vector *stat; /* counters for others to see, never NULL */
	uint32_t tokens;		/* runs until the rate is looked at, see storm.c */
	bool ready;
	bool pending; /* the worker's, atomic: signalled, and the chain did not run yet */
	bool level;   /* INTx: masked by the kernel until unmasked */
	bool polled;  /* the worker's: the ring has a poll of efd */
	uint32_t
		taken; /* the worker's: signals taken from efd since the vectors are on, mod 2^32 */
	const struct udrv__irq_count *counts; /* what the hard handler leaves; NULL: nothing */
	uint64_t seen; /* the worker's: the count that the latest run covers, see wait_count.c */
	uint64_t last_hard; /* the worker's: the hard handler's stamp that was used last */

	/* The worker's. */
	struct udrv__vector *next_source;
	struct udrv_irq_work *delayed; /* the earliest first */
	struct udrv_irq_work rest_over;
	uint32_t burst;	      /* what tokens began with */
	uint32_t window_runs; /* of the last UNHANDLED_WINDOW, but for the burst */
	uint32_t window_unhandled;
	uint32_t storm_limit; /* runs per second, 0: none; atomic */
	uint64_t last_unhandled_ns, burst_start_ns, last_storm_ns;

	struct udrv_device *dev;
	int efd;

	/* Under irqs.lock. */
	bool busy;	    /* somebody changes how it is served, and waits without the lock */
	bool served;	    /* is a source of the worker */
	bool resume_queued; /* atomic */
	struct udrv__irq_worker *worker;      /* serves it, or will when a handler is requested */
	struct udrv__irq_worker *moving_from; /* while it changes its worker */
	struct udrv__order *parked; /* orders that came while it was busy, the newest first */
	struct udrv__order resume;  /* looks at pending again */
	struct udrv__stat_vector *own_stats; /* of vector 0: all vectors', unless in a segment */
};

struct udrv__irqs {
	pthread_mutex_t lock;
	pthread_cond_t idle; /* a vector is not busy any more */
	enum udrv__irq_type type;
	unsigned int count; /* vectors that are on, 0: none */
	struct udrv__vector *vectors;
};

struct udrv__irq_worker {
	/* What it touches for each interrupt comes first. */
	int (*wait)(struct udrv__irq_worker *w);
	const struct udrv__wait_ops *ops;
	struct udrv__vector *sources; /* the oldest first */
	struct udrv__vector *ready;
	unsigned int source_count; /* the thread runs while there are any; changed with lock held */
	uint64_t deadline_ns;	   /* of the earliest delayed work, or UDRV__NEVER */
	uint32_t *context;
	bool stop;
	struct udrv__order *orders; /* pushed by anybody, the newest first; see order.c */
	union {
		int epfd;
		struct {
			struct io_uring ring;
			unsigned int enter_flags;
			int error;	  /* a poll could not be armed again */
			uint64_t counter; /* uring-read reads it */
		};
	} w;
	struct udrv__action *woken;	   /* whose thread_fn is to run, in order */
	struct udrv__vector *leaving;	   /* the ring stops watching it */
	const struct udrv__wait_ops *bell; /* of its ops */
	struct udrv__adaptive adaptive;

	/* Who pushes an order while there is none kicks the worker: writes this to that. */
	pthread_mutex_t kick_lock;
	int kick_to;
	uint64_t kick;
	int kick_fd; /* while the thread runs */

	uint32_t refs; /* atomic: vectors that are to be served by it, and who uses it */

	pthread_mutex_t lock;
	unsigned int members; /* vectors that are to be served by it */
	struct udrv_irq_options options;
	pthread_t thread;
	struct udrv_completion started;
	int start_result;

	int fifo_priority; /* what it got */
	int cpu;	   /* where it is bound to, or -1 */
	pid_t tid;	   /* of the thread, 0: none */
};

/* The worker that the calling thread is, or NULL. */
extern __thread struct udrv__irq_worker *udrv__irq_self;

/* affinity.c: the CPU that takes a vector's interrupt, or -1. */
int udrv__irq_home_cpu(struct udrv_device *dev, enum udrv__irq_type type, unsigned int nr);
/* affinity.c: the kernel's number of the first interrupt whose line in /proc/interrupts has that
 * word, or -1. */
int udrv__irq_find(const char *name);
/* affinity.c: that CPU takes the interrupt of that number from now on. */
int udrv__irq_move_number(int irq, int cpu);
/* affinity.c: and a vector's. -EOPNOTSUPP: the kernel does not name it. */
int udrv__irq_move(struct udrv_device *dev, enum udrv__irq_type type, unsigned int nr, int cpu);

/* wait.c */
extern const struct udrv__wait_strategy udrv__wait_strategies[UDRV_WAIT_COUNT];
/* wait.c: of a worker that cannot wait any more: takes orders only. */
extern const struct udrv__wait_ops udrv__wait_orders;
extern const struct udrv__wait_ops udrv__wait_read;
/* wait_epoll.c, wait_uring.c, wait_uring_read.c */
extern const struct udrv__wait_ops udrv__wait_epoll, udrv__wait_uring, udrv__wait_uring_read;
/* wait_count.c: for spinning; for blocking by read, ring, epoll, between spins. */
extern const struct udrv__wait_ops udrv__wait_count, udrv__wait_count_read, udrv__wait_count_uring,
	udrv__wait_count_epoll;
/* How long the end of looking at counts waits for a signal that was counted; for tests. */
extern int udrv__catch_up_ms;
/* wait_spin.c */
int udrv__spin(struct udrv__irq_worker *w);
int udrv__spin_adaptive(struct udrv__irq_worker *w);
void udrv__spin_begin(struct udrv__irq_worker *w);

/* wait.c: how long until the worker's deadline; NULL if it has none. */
struct timespec *udrv__deadline_left(const struct udrv__irq_worker *w, struct timespec *left);
/* wait.c: what the eventfd has counted since the last time, 0 if nothing; without waiting. */
int udrv__take_counter(struct udrv__vector *v, uint64_t *counter);
/* wait.c: for those that read the eventfd of their one source. */
int udrv__reading_add(struct udrv__irq_worker *w, struct udrv__vector *v);
int udrv__reading_remove(struct udrv__irq_worker *w, struct udrv__vector *v);
int udrv__reading_look(struct udrv__irq_worker *w);
void udrv__reading_took(struct udrv__irq_worker *w, uint64_t counter);
/* wait.c: until the deadline, which there is. */
int udrv__reading_wait_until(struct udrv__irq_worker *w);
/* wait_uring.c: a ring for the worker, and its end. */
int udrv__ring_init(struct udrv__irq_worker *w);
void udrv__ring_exit(struct udrv__irq_worker *w);

/* stat.c: records for vectors that are not at work yet, 0 or -ENOMEM. */
int udrv__irq_stats_init(struct udrv_device *dev, struct udrv__vector *vectors, unsigned int count);
void udrv__irq_stats_free(struct udrv__vector *vectors);
/* stat.c: readers see so many of them from now on. */
void udrv__irq_stats_show(const struct udrv_device *dev, const struct udrv__vector *vectors,
			  unsigned int count);
/* stat.c: say anew which handlers the vector has. With irqs.lock. */
void udrv__irq_describe_actions(struct udrv__vector *v);
/* stat.c: say anew how the vector is, or will be, served. */
void udrv__irq_describe_worker(struct udrv__vector *v, struct udrv__irq_worker *w, bool served);

/* worker.c: one without a thread, with one member and reference; NULL if there is no memory. */
struct udrv__irq_worker *udrv__worker_new(const struct udrv_irq_options *options);
struct udrv__irq_worker *udrv__worker_get(struct udrv__irq_worker *w);
void udrv__worker_put(struct udrv__irq_worker *w);
/* worker.c: become a member, -EINVAL if its way to wait is for one vector; and end that. */
int udrv__worker_join(struct udrv__irq_worker *w);
void udrv__worker_leave(struct udrv__irq_worker *w);
/*
 * worker.c: serve the vector from now on, and not any more. The first one starts the thread, the
 * last one ends it. Not in the worker itself; without irqs.lock, which handlers may need.
 */
int udrv__worker_attach(struct udrv__irq_worker *w, struct udrv__vector *v);
void udrv__worker_detach(struct udrv__irq_worker *w, struct udrv__vector *v);
/* worker.c: run differently. 0, 1: that is for one vector, -EBUSY, or why it goes on as before. */
int udrv__worker_set_options(struct udrv__irq_worker *w, const struct udrv_irq_options *options);
void udrv__worker_get_options(struct udrv__irq_worker *w, struct udrv_irq_options *options);
/* worker.c: in the worker: the source was signalled. */
static inline void udrv__worker_ready(struct udrv__irq_worker *w, struct udrv__vector *v)
{
	if (v->ready)
		return;
	v->ready = true;
	v->next_ready = w->ready;
	w->ready = v;
}

/* order.c: let the worker run it, after all that was signalled before. false: it has no thread. */
bool udrv__order_push(struct udrv__irq_worker *w, struct udrv__order *order);
/* order.c: one that somebody waits for, on their stack; wait gives what fn returned. */
struct udrv__awaited {
	struct udrv__order order;
	int (*fn)(struct udrv__irq_worker *w, void *arg);
	void *arg;
	int result;
	struct udrv_completion done;
};
bool udrv__awaited_push(struct udrv__irq_worker *w, struct udrv__awaited *a);
int udrv__awaited_wait(struct udrv__awaited *a);
/* order.c: the other way round. */
struct udrv__order *udrv__orders_reverse(struct udrv__order *list);
/* order.c: in the worker: the orders, the oldest first. */
struct udrv__order *udrv__orders_take(struct udrv__irq_worker *w);
/* order.c: in the worker: none can be pushed any more. false: there are some to be taken first. */
bool udrv__orders_close(struct udrv__irq_worker *w);
/* order.c: without a thread: can some be pushed? */
void udrv__orders_open(struct udrv__irq_worker *w, bool open);
/* order.c: where kicks go from now on, in the worker or before it starts. */
void udrv__kicks_to(struct udrv__irq_worker *w, int fd, uint64_t value);

/* serve.c: a worker's life, until it is told to stop; what it was told too late. */
void udrv__serve(struct udrv__irq_worker *w);
void udrv__serve_orders(struct udrv__irq_worker *w);
/* serve.c: in the worker: run every action, unless the vector is off: then it is pending. */
void udrv__serve_vector(struct udrv__irq_worker *w, struct udrv__vector *v);
/* worker.c: it cannot wait any more, for that reason. */
void udrv__worker_fail(struct udrv__irq_worker *w, int ret);

/* When the hard handler of the latest interrupt began; of a vector that is counted. */
static inline uint64_t udrv__hard_stamp(const struct udrv__vector *v)
{
	return __atomic_load_n(&v->counts->stamp, __ATOMIC_RELAXED);
}

/* How many interrupts there were since the vectors are on; of a vector that is counted. */
static inline uint64_t udrv__count_of(const struct udrv__vector *v)
{
	return __atomic_load_n(&v->counts->count, __ATOMIC_ACQUIRE);
}

/* What v->stamp is while no driver stamped an interrupt. */
static inline uint64_t udrv__no_stamp(const struct udrv__vector *v)
{
	return v->counts ? UDRV__STAMP_HARD : UDRV__STAMP_NONE;
}

/* chain.c: before the first action of a vector. */
void udrv__chain_begin(struct udrv__vector *v);
/* chain.c: the line may fire again. */
void udrv__chain_unmask(const struct udrv__vector *v);
/* chain.c: what is counted seldom: nobody handled it; it was stamped; the tokens are used up. */
void udrv__chain_unhandled(struct udrv__vector *v);
void udrv__chain_latency(struct udrv__vector *v, uint64_t start_cycles);
void udrv__chain_window(struct udrv__irq_worker *w, struct udrv__vector *v);

/* storm.c: before the first run; and in the worker, when the tokens are used up. */
void udrv__storm_begin(struct udrv__vector *v);
void udrv__storm_look(struct udrv__irq_worker *w, struct udrv__vector *v);

/* irq_work.c, all in the worker. Work for a source, when the time has come. */
void udrv__delayed_add(struct udrv__irq_worker *w, struct udrv__vector *v,
		       struct udrv_irq_work *work, uint64_t expires_ns);
/* Run that whose time has come; set the deadline anew; what the vector has will not run. */
void udrv__delayed_run(struct udrv__irq_worker *w);
void udrv__delayed_deadline(struct udrv__irq_worker *w);
void udrv__delayed_cancel(struct udrv__vector *v);
/* Not in the worker: an irq work's order will not be carried out. */
void udrv__irq_work_forget(struct udrv__order *order);

/* irq.c: of memory that is all zero. */
void udrv__vector_init(struct udrv__vector *v);
/*
 * irq.c: NULL if there is none. With irqs.lock, unless nobody frees the vectors meanwhile, as a
 * driver does not while it uses them. The library's own threads may use them at any time.
 */
struct udrv__vector *udrv__vector_get(struct udrv_device *dev, int irq);
/* irq.c: would waiting for its worker wait for the calling thread? And the same with irqs.lock. */
bool udrv__vector_is_own(struct udrv__vector *v);
bool udrv__vector_is_own_locked(const struct udrv__vector *v);
/* irq.c: with irqs.lock: an order for its worker, whichever that is when nobody changes it. */
void udrv__vector_order(struct udrv__vector *v, struct udrv__order *order);
/*
 * irq.c: run fn in its worker, after all that was signalled before, and wait: what it returned,
 * -EDEADLK in that worker, -ENXIO without a handler.
 */
int udrv__vector_call(struct udrv__vector *v, int (*fn)(struct udrv__irq_worker *w, void *arg),
		      void *arg);
/* irq.c: with irqs.lock: the vector is being changed by this thread, and not any more. */
void udrv__vector_set_busy(struct udrv__vector *v);
void udrv__vector_set_idle(struct udrv__vector *v);

#endif
