/* SPDX-License-Identifier: MIT */
/* What a thread that runs handlers or timers' callbacks is doing, and who may hold it off. */
#ifndef UDRV_SRC_CONTEXT_H
#define UDRV_SRC_CONTEXT_H

#include <stdbool.h>
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

/* Does the calling thread hold interrupts off? Then it must not wait for a worker. */
bool udrv__context_is_holding(void);

/* Somebody holds all of that off. */
extern uint32_t udrv__context_held __attribute__((visibility("hidden")));
/* While they do: wait until they do not, with the context as it was; and be seen to have left. */
void udrv__context_wait(uint32_t *context, enum udrv__context to);
void udrv__context_left(uint32_t *context);

/*
 * Around what may be held off (udrv_local_irq_save()). This stores the word and then reads `held`,
 * who holds stores `held` and then reads the words: one of the two sees the other.
 */
static inline void udrv__context_enter(uint32_t *context, enum udrv__context to)
{
	__atomic_store_n(context, to, __ATOMIC_SEQ_CST);
	if (__builtin_expect(__atomic_load_n(&udrv__context_held, __ATOMIC_SEQ_CST), 0))
		udrv__context_wait(context, to);
}

static inline void udrv__context_leave(uint32_t *context)
{
	__atomic_store_n(context, UDRV__CONTEXT_TASK, __ATOMIC_SEQ_CST);
	if (__builtin_expect(__atomic_load_n(&udrv__context_held, __ATOMIC_SEQ_CST), 0))
		udrv__context_left(context);
}

#endif
