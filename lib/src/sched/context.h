/* SPDX-License-Identifier: MIT */
/* What a thread that runs handlers or timers' callbacks is doing, and who may hold it off. */
#ifndef UDRV_SRC_CONTEXT_H
#define UDRV_SRC_CONTEXT_H

#include <stdint.h>

enum udrv__context {
	UDRV__CONTEXT_TASK,
	UDRV__CONTEXT_HANDLER, /* an interrupt's handler, or irq work */
	UDRV__CONTEXT_THREAD,  /* its thread function */
	UDRV__CONTEXT_TIMER,   /* a timer's callback */
};

/* A word for a thread, that it alone writes; NULL if there is no memory. */
uint32_t *udrv__context_claim(void);
/* The thread has ended. */
void udrv__context_release(uint32_t *context);
/* It is the calling thread's. */
void udrv__context_adopt(uint32_t *context);

/* The timer thread's. */
extern uint32_t *const udrv__context_of_timers;

/* Around what may be held off (udrv_local_irq_save()): enter waits while it is. */
void udrv__context_enter(uint32_t *context, enum udrv__context to);
void udrv__context_leave(uint32_t *context);

#endif
