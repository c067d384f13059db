/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Work in an interrupt worker: between two runs of handlers, in the thread that runs them, so
 * without a lock against them. For what must not run beside a handler, and for looking at a device
 * again after some time. Source: Linux include/linux/irq_work.h; there it is a CPU that is chosen,
 * here it is a vector, whose worker does the work.
 *
 * Work is pending from queueing until its function is about to be called; from then on it may be
 * queued again, also by itself. Its memory must stay until udrv_irq_work_sync() or
 * udrv_irq_work_cancel_sync() has returned. Work that is pending when the last handler of its
 * vector is freed runs before that call returns; delayed work is then cancelled.
 */
#ifndef UDRV_IRQ_WORK_H
#define UDRV_IRQ_WORK_H

#include <udrv/irq.h>

UDRV_BEGIN_DECLS

struct udrv__irq_worker;
struct udrv__vector;
struct udrv_irq_work;

/** typedef udrv_irq_work_func_t - does the work, as a handler does: udrv_in_hardirq() is true. */
typedef void (*udrv_irq_work_func_t)(struct udrv_irq_work *work);

/* What a worker is to do. */
struct udrv__order {
	struct udrv__order *next;
	void (*run)(struct udrv__irq_worker *w, struct udrv__order *order);
};

/** struct udrv_irq_work - the caller's memory; fields are private. */
struct udrv_irq_work {
	struct udrv__order order;
	udrv_irq_work_func_t func;
	struct udrv__vector *vector; /* where it was queued last */
	struct udrv_irq_work *next_delayed;
	uint64_t expires_ns;
	uint32_t state; /* pending, running: its sleepers' word */
};

/** udrv_init_irq_work() - make work ready for use. Source: Linux init_irq_work(). */
UDRV_API void udrv_init_irq_work(struct udrv_irq_work *work, udrv_irq_work_func_t func);

/**
 * udrv_irq_work_queue() - let the worker of a vector run it as soon as it can
 * @dev: the device
 * @irq: the vector; it must have a handler
 * @work: neither pending nor running for another vector
 *
 * It runs after the handlers of all interrupts that were signalled before. What was stored before
 * is seen by the function. Any thread, also handlers. Return: 1 if it was queued, 0 if it was
 * pending, -EINVAL if there is no such vector, -ENXIO if it has no handler. Source: Linux
 * irq_work_queue_on().
 */
UDRV_API int udrv_irq_work_queue(struct udrv_device *dev, int irq, struct udrv_irq_work *work);

/**
 * udrv_irq_work_queue_delayed() - the same, after a time
 * @dev: the device
 * @irq: the vector; it must have a handler
 * @work: as for udrv_irq_work_queue()
 * @delay_ns: nanoseconds
 *
 * The worker waits for it together with its interrupts: nothing else wakes up. Of several that
 * are due, also of different vectors, the earliest runs first. Any thread, also handlers. Return:
 * as udrv_irq_work_queue().
 */
UDRV_API int udrv_irq_work_queue_delayed(struct udrv_device *dev, int irq,
					 struct udrv_irq_work *work, uint64_t delay_ns);

/** udrv_irq_work_is_pending() - is it queued, and its function not called yet? */
UDRV_API bool udrv_irq_work_is_pending(const struct udrv_irq_work *work);

/**
 * udrv_irq_work_sync() - wait until it is neither pending nor running
 * @work: that nobody queues meanwhile
 *
 * Not in the worker: -EDEADLK. Return: 0. Source: Linux irq_work_sync().
 */
UDRV_API int udrv_irq_work_sync(struct udrv_irq_work *work);

/**
 * udrv_irq_work_cancel_sync() - let delayed work not run, and wait until it is not running
 * @dev: the device
 * @irq: the vector that it was queued for
 * @work: that nobody queues meanwhile
 *
 * Work without a delay runs. Not in the worker: -EDEADLK. Return: 1 if it was cancelled, 0 if not,
 * -EINVAL if there is no such vector.
 */
UDRV_API int udrv_irq_work_cancel_sync(struct udrv_device *dev, int irq,
				       struct udrv_irq_work *work);

UDRV_END_DECLS

#endif
