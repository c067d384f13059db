/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Interrupt vectors, handlers, and how their worker threads wait.
 *
 * What the kernel does in hard interrupt context is done by the kernel (mask if
 * level-triggered, signal the vector's eventfd). In this process a worker thread per vector waits,
 * runs the vector's chain of handlers and re-arms it. Handlers therefore may block, but while they
 * do, the vector waits.
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
	UDRV_WAIT_SPIN,	      /* non-blocking read in a loop: takes a CPU */
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
 * Return: 0, -EINVAL, -EDEADLK from a handler of this vector, -EBUSY if another thread changes or
 * frees it, other negative errno if the worker cannot run so (it then goes on as before).
 */
UDRV_API int udrv_irq_set_options(struct udrv_device *dev, int irq,
				  const struct udrv_irq_options *options);

/** udrv_irq_get_options() - how the worker runs, or will. Any thread. 0 or -EINVAL. */
UDRV_API int udrv_irq_get_options(struct udrv_device *dev, int irq,
				  struct udrv_irq_options *options);

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
 * Return: 0, -EINVAL, -EDEADLK from a handler of this vector: then nothing was disabled.
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
 * A line that nobody handled 99,900 times out of 100,000 is shut off with a log line.
 * Return: 0, -EINVAL, -EBUSY if the vector has a handler and not both are UDRV_IRQF_SHARED,
 * -ENOMEM, other negative errno from starting the worker. Source: Linux request_threaded_irq().
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
 * udrv_free_irq() - remove a handler
 * @dev: the device
 * @irq: the vector
 * @dev_id: as given at request
 *
 * When it returns the handler is not running and will not run.
 * Return: 0, -EINVAL if there is no such action, -EDEADLK from a handler of this vector.
 */
UDRV_API int udrv_free_irq(struct udrv_device *dev, int irq, void *dev_id);

/**
 * udrv_synchronize_irq() - wait until every interrupt that was signalled has been handled
 * @dev: the device
 * @irq: the vector
 *
 * To end the use of something that handlers use: switch the interrupt off at the device, read back,
 * synchronize, free. Return: 0, -EINVAL, -EDEADLK from a handler of this vector.
 */
UDRV_API int udrv_synchronize_irq(struct udrv_device *dev, int irq);

/** struct udrv_irq_stats - a vector's counters since its vectors were allocated. */
struct udrv_irq_stats {
	uint64_t count;	    /* times the chain ran */
	uint64_t unhandled; /* times every handler returned UDRV_IRQ_NONE */
	bool shut;	    /* off, because nobody handled it */
	int fifo_priority;  /* what the worker got: 0 if SCHED_FIFO was not permitted */
	int cpu;	    /* where it is bound to, or -1 */
};

/** udrv_irq_get_stats() - read counters. Any thread while vectors are allocated. 0 or -EINVAL. */
UDRV_API int udrv_irq_get_stats(struct udrv_device *dev, int irq, struct udrv_irq_stats *stats);

UDRV_END_DECLS

#endif
