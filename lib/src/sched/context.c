// SPDX-License-Identifier: MIT
/*
 * Interrupts on and off. Each thread that runs handlers has a word that says whether it is in one
 * (context.h). Words are never freed, so that they can be walked without a lock; there are some
 * hundred before any memory must be had for more.
 */
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <udrv/irqflags.h>
#include <udrv/log.h>

#include "sched/context.h"
#include "sched/sleep.h"

/* A cache line each: they are written for each interrupt. */
struct slot {
	_Alignas(64) uint32_t context; /* first: what is claimed */
	uint32_t claimed;
	struct slot *next; /* of those beyond the first */
};

#define FIRST_SLOTS 256

/* The first one is the timer thread's. */
static struct slot first[FIRST_SLOTS] = {{.claimed = 1}};
static struct slot *more;
uint32_t *const udrv__context_of_timers = &first[0].context;
uint32_t udrv__context_held;
static pthread_mutex_t holder = PTHREAD_MUTEX_INITIALIZER;
static __thread bool holding;
static __thread uint32_t *own_context;

/* One after the other, from NULL to NULL. */
static struct slot *next_slot(const struct slot *s)
{
	if (!s)
		return first;
	if (s >= first && s < &first[FIRST_SLOTS - 1])
		return &first[s - first + 1];
	return s == &first[FIRST_SLOTS - 1] ? __atomic_load_n(&more, __ATOMIC_SEQ_CST) : s->next;
}

static struct slot *find_free(void)
{
	struct slot *s = next_slot(NULL);

	while (s && __atomic_exchange_n(&s->claimed, 1, __ATOMIC_ACQ_REL))
		s = next_slot(s);
	return s;
}

uint32_t *udrv__context_claim(void)
{
	struct slot *s = find_free();

	if (!s) {
		s = aligned_alloc(_Alignof(struct slot), sizeof(*s));
		if (!s)
			return NULL;
		*s = (struct slot){.claimed = 1, .next = __atomic_load_n(&more, __ATOMIC_RELAXED)};
		while (!__atomic_compare_exchange_n(&more, &s->next, s, true, __ATOMIC_SEQ_CST,
						    __ATOMIC_RELAXED))
			;
	}
	return &s->context;
}

void udrv__context_release(uint32_t *context)
{
	struct slot *s = (struct slot *)(void *)context;

	__atomic_store_n(&s->claimed, 0, __ATOMIC_RELEASE);
}

void udrv__context_adopt(uint32_t *context)
{
	own_context = context;
}

static void set(uint32_t *context, uint32_t to)
{
	__atomic_store_n(context, to, __ATOMIC_SEQ_CST);
}

static bool is_held(void)
{
	return __atomic_load_n(&udrv__context_held, __ATOMIC_SEQ_CST);
}

static void stop_running(uint32_t *context)
{
	set(context, UDRV__CONTEXT_TASK);
	if (is_held())
		udrv__wake_word(context, INT_MAX);
}

void udrv__context_wait(uint32_t *context, enum udrv__context to)
{
	while (is_held()) {
		stop_running(context);
		(void)udrv__sleep(&udrv__context_held, 1, NULL, NULL, UINT64_MAX);
		set(context, to);
	}
}

void udrv__context_left(uint32_t *context)
{
	if (holding) {
		udrv_pr_err("a handler returned with interrupts off; they are on again");
		udrv_local_irq_enable();
	}
	udrv__wake_word(context, INT_MAX);
}

bool udrv__context_is_holding(void)
{
	return holding;
}

static void wait_for_others(void)
{
	for (struct slot *s = next_slot(NULL); s; s = next_slot(s)) {
		uint32_t now;

		while ((now = __atomic_load_n(&s->context, __ATOMIC_SEQ_CST)))
			(void)udrv__sleep(&s->context, now, NULL, NULL, UINT64_MAX);
	}
}

/* In a handler: others need not wait for it meanwhile. */
static void hold(void)
{
	uint32_t was = own_context ? *own_context : UDRV__CONTEXT_TASK;

	if (was)
		stop_running(own_context);
	pthread_mutex_lock(&holder);
	__atomic_store_n(&udrv__context_held, 1, __ATOMIC_SEQ_CST);
	wait_for_others();
	if (was)
		set(own_context, was);
	holding = true;
}

static void release(void)
{
	holding = false;
	__atomic_store_n(&udrv__context_held, 0, __ATOMIC_SEQ_CST);
	udrv__wake_word(&udrv__context_held, INT_MAX);
	pthread_mutex_unlock(&holder);
}

unsigned long udrv__local_irq_save(void)
{
	unsigned long were_off = holding;

	if (!were_off)
		hold();
	return were_off;
}

void udrv_local_irq_restore(unsigned long flags)
{
	if (!flags && holding)
		release();
}

void udrv_local_irq_disable(void)
{
	(void)udrv__local_irq_save();
}

void udrv_local_irq_enable(void)
{
	udrv_local_irq_restore(0);
}

static uint32_t context_now(void)
{
	return own_context ? __atomic_load_n(own_context, __ATOMIC_RELAXED) : UDRV__CONTEXT_TASK;
}

bool udrv_in_hardirq(void)
{
	return context_now() == UDRV__CONTEXT_HANDLER;
}

bool udrv_in_interrupt(void)
{
	return context_now() == UDRV__CONTEXT_HANDLER || context_now() == UDRV__CONTEXT_TIMER;
}

bool udrv_in_task(void)
{
	return !udrv_in_interrupt();
}

bool udrv_irqs_disabled(void)
{
	return holding || udrv_in_hardirq();
}
