/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Holding interrupts off, and asking where one runs.
 *
 * In the kernel local_irq_save() keeps the handlers of one CPU from running until it is undone.
 * Here handlers are threads, and interrupts are off for the process, as on a machine with one
 * CPU: when the call returns no handler, thread function, irq work or timer callback is
 * running, none begins until it is undone, and no other thread is between the two calls. Interrupts
 * that come meanwhile run afterwards; none is lost. It costs a look at each worker of the process,
 * and a handler's time if one is running: to keep out one handler, a lock that it takes is cheaper
 * (<udrv/spinlock.h>).
 *
 * The calls nest as in the kernel, by their flags. They may be made in a handler: it counts as not
 * running while it waits for others. A lock that a handler takes must not be held by whoever
 * waits here, as in the kernel on one CPU. While interrupts are off a thread must not wait for what
 * runs with them on: calls that wait for a worker (udrv_free_irq(), udrv_synchronize_irq(),
 * udrv_disable_irq(), udrv_irq_set_options() ...) return -EDEADLK. Source: Linux
 * include/linux/irqflags.h, include/linux/preempt.h.
 */
#ifndef UDRV_IRQFLAGS_H
#define UDRV_IRQFLAGS_H

#include <stdbool.h>

#include <udrv/compiler.h>

UDRV_BEGIN_DECLS

UDRV_API unsigned long udrv__local_irq_save(void);

/** udrv_local_irq_save() - interrupts off; @flags: an unsigned long variable for the restore. */
#define udrv_local_irq_save(flags) ((flags) = udrv__local_irq_save())

/** udrv_local_irq_restore() - as they were before the udrv_local_irq_save() with these flags. */
UDRV_API void udrv_local_irq_restore(unsigned long flags);

/** udrv_local_irq_disable() - interrupts off, if they are not. */
UDRV_API void udrv_local_irq_disable(void);

/** udrv_local_irq_enable() - interrupts on, whoever in this thread switched them off. */
UDRV_API void udrv_local_irq_enable(void);

/** udrv_irqs_disabled() - does this thread have interrupts off, or is it running a handler? */
UDRV_API bool udrv_irqs_disabled(void);

/** udrv_in_hardirq() - is this thread running a handler (not its thread function) or irq work? */
UDRV_API bool udrv_in_hardirq(void);

/** udrv_in_interrupt() - the same, or a timer's callback. */
UDRV_API bool udrv_in_interrupt(void);

/** udrv_in_task() - the opposite: where the kernel allows to sleep, unless interrupts are off. */
UDRV_API bool udrv_in_task(void);

UDRV_END_DECLS

#endif
