/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Interrupt vectors, handlers, and how their worker threads wait.
 *
 * What the kernel does in hard interrupt context is done by the kernel (mask if
 * level-triggered, signal the vector's eventfd). In this process a worker thread waits, runs the
 * vector's chain of handlers and re-arms it. Each vector has a worker of its own, unless
 * udrv_irq_share() lets one serve several. Handlers may block, but while they do, all vectors of
 * their worker wait.
 *
 * What waits for a worker (freeing, synchronizing, disabling, changing) returns -EDEADLK in that
 * worker, so in a handler of any vector that it serves, which users may change (`udrv irq set`),
 * and with interrupts off (<udrv/irqflags.h>): drivers do not do that to other vectors of theirs in
 * a handler either.
 */
#ifndef UDRV_IRQ_H
#define UDRV_IRQ_H

#include <udrv/types.h>

UDRV_BEGIN_DECLS

/** typedef udrv_irqreturn_t - what a handler did (Linux: irqreturn_t). */
typedef enum {
	UDRV_IRQ_NONE = 0,	  /* not from my device */
	UDRV_IRQ_HANDLED = 1,	  /* handled */
	UDRV_IRQ_WAKE_THREAD = 2, /* mine: run thread_fn */
} udrv_irqreturn_t;

/**
 * typedef udrv_irq_handler_t - an interrupt handler
 * @irq: the vector's number, as given to udrv_request_irq()
 * @dev_id: the context given to udrv_request_irq()
 */
typedef udrv_irqreturn_t (*udrv_irq_handler_t)(int irq, void *dev_id);

#define UDRV_IRQF_SHARED  0x80u	  /* several handlers on this vector */
#define UDRV_IRQF_ONESHOT 0x2000u /* stays masked until the thread function ran: always so here */

#define UDRV_PCI_IRQ_INTX      0x1u
#define UDRV_PCI_IRQ_MSI       0x2u
#define UDRV_PCI_IRQ_MSIX      0x4u
#define UDRV_PCI_IRQ_ALL_TYPES (UDRV_PCI_IRQ_INTX | UDRV_PCI_IRQ_MSI | UDRV_PCI_IRQ_MSIX)

/**
 * udrv_pci_alloc_irq_vectors() - choose the interrupt type and switch its vectors on
 * @dev: the device
 * @min_vecs: fewest vectors that will do, at least 1
 * @max_vecs: most vectors that are of use
 * @flags: UDRV_PCI_IRQ_* types to try, in the order MSI-X, MSI, INTx
 *
 * Not from a handler. Return: the number of vectors, -ENOSPC if no type has @min_vecs,
 * -EINVAL for bad arguments, -EBUSY if vectors are allocated already, other negative errno.
 * Source: Linux pci_alloc_irq_vectors().
 */
UDRV_API int udrv_pci_alloc_irq_vectors(struct udrv_device *dev, unsigned int min_vecs,
					unsigned int max_vecs, unsigned int flags);

/** udrv_pci_irq_vector() - the number to request for vector @nr, or -EINVAL. */
UDRV_API int udrv_pci_irq_vector(struct udrv_device *dev, unsigned int nr);

/** udrv_pci_irq_type() - the one UDRV_PCI_IRQ_* type that is on, or 0. */
UDRV_API unsigned int udrv_pci_irq_type(const struct udrv_device *dev);

/** udrv_pci_free_irq_vectors() - switch interrupts off. Every irq must have been freed. */
UDRV_API void udrv_pci_free_irq_vectors(struct udrv_device *dev);

/** enum udrv_wait - how a worker waits for its interrupt; costs in docs/performance.md. */
enum udrv_wait {
	UDRV_WAIT_READ,	      /* blocking read of the eventfd */
	UDRV_WAIT_EPOLL,      /* epoll, edge-triggered, no read */
	UDRV_WAIT_URING,      /* io_uring multishot poll, deferred task running, no read */
	UDRV_WAIT_URING_READ, /* io_uring, one read per interrupt */
	UDRV_WAIT_SPIN,	      /* looks in a loop, never sleeps: takes a CPU */
	UDRV_WAIT_ADAPTIVE,   /* spins as long as pays at the rate that it sees, then blocks */
	UDRV_WAIT_COUNT,
};

/** udrv_wait_name() - "read", "epoll", "uring", "uring-read", "spin", "adaptive", or NULL. */
UDRV_API const char *udrv_wait_name(enum udrv_wait wait);

/** udrv_wait_parse() - the strategy of that name, or -EINVAL. */
UDRV_API int udrv_wait_parse(const char *name);

/** UDRV_CPU_HOME - the CPU that takes the interrupt, if the kernel tells which. */
#define UDRV_CPU_HOME (-1)
/** UDRV_CPU_ANY - no CPU in particular. */
#define UDRV_CPU_ANY (-2)

/** struct udrv_irq_options - how a vector's worker runs. */
struct udrv_irq_options {
	enum udrv_wait wait;
	int fifo_priority; /* SCHED_FIFO 1-99, 0: SCHED_OTHER; as well if it is not permitted */
	int cpu;	   /* a CPU's number, UDRV_CPU_HOME or UDRV_CPU_ANY */
};

/**
 * UDRV_IRQ_OPTIONS_DEFAULT - blocking read, SCHED_FIFO 50 as the kernel's irq threads, on the CPU
 * that takes the interrupt: a wake-up across CPUs costs many times more.
 */
#define UDRV_IRQ_OPTIONS_DEFAULT                                                                   \
	{                                                                                          \
		UDRV_WAIT_READ, 50, UDRV_CPU_HOME                                                  \
	}

/**
 * udrv_irq_set_options() - choose how the worker of a vector runs
 * @dev: the device
 * @irq: from udrv_pci_irq_vector()
 * @options: copied
 *
 * Before a handler is requested, or while it is at work: then the worker changes over between
 * two runs of the chain, no interrupt is lost, and the chain may run once without one.
 * Any thread but the vector's own worker.
 *
 * Return: 0, -EINVAL, -EDEADLK in the vector's worker, -EBUSY if another thread changes or
 * frees it, -EINVAL also for a way to wait that its worker's many vectors do not allow, other
 * negative errno if the worker cannot run so (it then goes on as before).
 */
UDRV_API int udrv_irq_set_options(struct udrv_device *dev, int irq,
				  const struct udrv_irq_options *options);

/**
 * udrv_irq_set_affinity() - choose the CPU that takes a vector's interrupt
 * @dev: the device
 * @irq: from udrv_pci_irq_vector()
 * @cpu: its number
 *
 * A worker that runs on UDRV_CPU_HOME, and has served no other vector longer, goes there, too, and
 * the chain may run once without an interrupt; a log line says if it cannot. The kernel may let one
 * more interrupt go where they went before. It lasts until the vectors are freed, or somebody else,
 * such as irqbalance, writes to /proc/irq. INTx is moved for all that share the line, and stays
 * there. Any thread but the vector's own worker.
 *
 * Return: 0, -EINVAL also for a CPU that is not online, -EACCES without root's rights, -EOPNOTSUPP
 * where /proc/interrupts does not name it (software models), -EIO if the kernel keeps it where it
 * is, -EDEADLK in the vector's worker, -EBUSY if another thread changes or frees it, other negative
 * errno of writing to /proc/irq. Source: Linux irq_set_affinity(), for one CPU.
 */
UDRV_API int udrv_irq_set_affinity(struct udrv_device *dev, int irq, int cpu);

/** udrv_irq_get_options() - how the worker runs, or will. Any thread. 0 or -EINVAL. */
UDRV_API int udrv_irq_get_options(struct udrv_device *dev, int irq,
				  struct udrv_irq_options *options);

/**
 * udrv_irq_share() - let one worker serve several vectors
 * @dev: the device
 * @irq: the vector that gets another worker
 * @with: a device of this process, also @dev
 * @with_irq: a vector of @with, by whose worker @irq is served from now on; @irq itself: by one of
 *            its own, with the options that its worker has now
 *
 * The worker must wait by uring, epoll, spin or adaptive. Its options belong to all its vectors:
 * udrv_irq_set_options() of one changes them for all, and UDRV_CPU_HOME is the CPU of the one that
 * it has served longest. Its handlers run one after the other. Before handlers are requested, or
 * while they are at work: no interrupt is lost, and the chain may run once without one. Any thread
 * but one of the two workers.
 *
 * Return: 0, -EINVAL also if the worker waits by read or uring-read, -EDEADLK in one of the two,
 * -EBUSY if another thread changes or frees one, -ENOMEM, other negative errno if the worker cannot
 * serve it: it is then served as before, or, where that cannot be had again, its device is gone.
 */
UDRV_API int udrv_irq_share(struct udrv_device *dev, int irq, struct udrv_device *with,
			    int with_irq);

/** UDRV_STORM_LIMIT_INTX - the limit of INTx; message-signalled interrupts begin without one. */
#define UDRV_STORM_LIMIT_INTX 100000u

/**
 * udrv_irq_set_storm_limit() - how often a vector may interrupt
 * @dev: the device
 * @irq: the vector
 * @per_second: runs of its chain, 0: as many as come
 *
 * A line that a handler answers without quieting it, or a device gone wild, would take a CPU from
 * everybody else. What comes faster is held down to the limit: the line stays masked, or signals
 * are remembered, for 10 milliseconds or the time that the limit asks for; one log line says so,
 * and the statistics count it. Any thread. Return: 0 or -EINVAL.
 */
UDRV_API int udrv_irq_set_storm_limit(struct udrv_device *dev, int irq, unsigned int per_second);

/**
 * udrv_irq_stamp() - now an interrupt is being caused
 * @dev: the device
 * @irq: the vector that will report it
 *
 * Called by a driver right before it gives the device a command. The time from here to the first
 * handler of the vector's next run goes to the histogram of latencies in the statistics (`udrv irqs
 * --json`). One stamp at a time: a later one replaces one that was not used. Interrupts without a
 * stamp are there, too, where the backend tells when they came: see udrv_irq_hard_stamp(). Any
 * thread; costs a store. Return: 0 or -EINVAL.
 */
UDRV_API int udrv_irq_stamp(struct udrv_device *dev, int irq);

/**
 * udrv_irq_hard_stamp() - when the kernel's handler of the latest interrupt began
 * @dev: the device
 * @irq: the vector
 *
 * In a handler, the difference of udrv_get_cycles() to it is how long the interrupt took from there
 * to here; if another interrupt came meanwhile, it is that one's. The backend `stub` tells it. Any
 * thread while vectors are allocated; costs a load.
 *
 * Return: cycles as of udrv_get_cycles(), 0 before the first interrupt, where the backend does not
 * tell, and for a vector that there is not.
 */
UDRV_API uint64_t udrv_irq_hard_stamp(struct udrv_device *dev, int irq);

/**
 * udrv_disable_irq_nosync() - run no handlers from now on
 * @dev: the device
 * @irq: the vector
 *
 * Calls nest: as many udrv_enable_irq() undo them. A handler may still be running. An interrupt
 * that comes meanwhile is remembered, a level-triggered line stays masked. Any thread, also
 * handlers. Return: 0 or -EINVAL.
 */
UDRV_API int udrv_disable_irq_nosync(struct udrv_device *dev, int irq);

/**
 * udrv_disable_irq() - udrv_disable_irq_nosync(), and wait until no handler is running
 * @dev: the device
 * @irq: the vector
 *
 * Return: 0, -EINVAL, -EDEADLK in the vector's worker: then nothing was disabled.
 */
UDRV_API int udrv_disable_irq(struct udrv_device *dev, int irq);

/**
 * udrv_enable_irq() - undo one udrv_disable_irq()
 * @dev: the device
 * @irq: the vector
 *
 * The last one makes the handlers run for what came meanwhile. Any thread, also handlers.
 * Return: 0, or -EINVAL also if the vector is not disabled.
 */
UDRV_API int udrv_enable_irq(struct udrv_device *dev, int irq);

/**
 * udrv_request_threaded_irq() - install a handler
 * @dev: the device
 * @irq: from udrv_pci_irq_vector()
 * @handler: runs first, in the vector's worker; NULL is a handler that returns
 *           UDRV_IRQ_WAKE_THREAD
 * @thread_fn: runs in the same worker after all handlers of the chain, if @handler returned
 *             UDRV_IRQ_WAKE_THREAD; may be NULL
 * @flags: UDRV_IRQF_*
 * @name: for statistics and messages; copied
 * @dev_id: passed to the functions; identifies the action to udrv_free_irq()
 *
 * The interrupt may arrive before the call returns. Not from a handler.
 * A line that nobody handled 99,900 times out of 100,000, never 0.1 s apart, is shut off with a
 * log line. Return: 0, -EINVAL, -EBUSY if the vector has a handler and not both are
 * UDRV_IRQF_SHARED, -ENOMEM, other negative errno from starting the worker. Source: Linux
 * request_threaded_irq().
 */
UDRV_API int udrv_request_threaded_irq(struct udrv_device *dev, int irq, udrv_irq_handler_t handler,
				       udrv_irq_handler_t thread_fn, unsigned int flags,
				       const char *name, void *dev_id);

/** udrv_request_irq() - udrv_request_threaded_irq() without a thread function. */
static inline int udrv_request_irq(struct udrv_device *dev, int irq, udrv_irq_handler_t handler,
				   unsigned int flags, const char *name, void *dev_id)
{
	return udrv_request_threaded_irq(dev, irq, handler, 0, flags, name, dev_id);
}

/**
 * udrv_request_irq_fd() - take a vector whose interrupts the caller waits for by itself
 * @dev: the device
 * @irq: from udrv_pci_irq_vector(); a message-signalled one, without a handler
 * @name: for statistics and messages; copied
 * @dev_id: identifies it to udrv_free_irq(), which gives the vector back; not NULL
 *
 * For threads that wait for other things too, or look at the device's memory before they sleep. No
 * worker serves the vector, nothing of it is counted, it cannot be disabled, and there is no irq
 * work. The descriptor is an eventfd that the kernel signals for each interrupt. Blocking reads of
 * it are fine, as are multishot polls and edge-triggered epoll without reads; others may write to
 * it to wake the reader. It is the vector's own: not to be closed, valid until udrv_free_irq().
 * When the device goes, nobody signals it: also wait for UDRV_EVENT_GONE (<udrv/device.h>), or
 * write to it then.
 *
 * If the calling thread is bound to one CPU the interrupt goes to that one, where that is
 * permitted; udrv_irq_set_affinity() sends it elsewhere.
 *
 * Any thread. Return: the descriptor, -EINVAL, -EOPNOTSUPP for a level-triggered line, which must
 * be unmasked by who shares it, -EBUSY if the vector has a handler, -ENOMEM.
 */
UDRV_API int udrv_request_irq_fd(struct udrv_device *dev, int irq, const char *name, void *dev_id);

/**
 * udrv_free_irq() - remove a handler
 * @dev: the device
 * @irq: the vector
 * @dev_id: as given at request
 *
 * When it returns the handler is not running and will not run, nor its thread function, which has
 * run if the handler asked for it.
 * Return: 0, -EINVAL if there is no such action, -EDEADLK in the vector's worker.
 */
UDRV_API int udrv_free_irq(struct udrv_device *dev, int irq, void *dev_id);

/**
 * udrv_synchronize_irq() - wait until every interrupt that was signalled has been handled
 * @dev: the device
 * @irq: the vector
 *
 * To end the use of something that handlers use: switch the interrupt off at the device, read back,
 * synchronize, free. Return: 0, -EINVAL, -EDEADLK in the vector's worker.
 */
UDRV_API int udrv_synchronize_irq(struct udrv_device *dev, int irq);

/** struct udrv_irq_stats - a vector's counters since its vectors were allocated. */
struct udrv_irq_stats {
	uint64_t count;	    /* times the chain ran */
	uint64_t unhandled; /* times every handler returned UDRV_IRQ_NONE */
	uint64_t storms;    /* times it was held down to its storm limit */
	bool shut;	    /* off, because nobody handled it */
	int fifo_priority;  /* what the worker got: 0 if SCHED_FIFO was not permitted */
	int cpu;	    /* where it is bound to, or -1 */
};

/** udrv_irq_get_stats() - read counters. Any thread while vectors are allocated. 0 or -EINVAL. */
UDRV_API int udrv_irq_get_stats(struct udrv_device *dev, int irq, struct udrv_irq_stats *stats);

UDRV_END_DECLS

#endif
