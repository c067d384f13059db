// SPDX-License-Identifier: MIT
/* Work in an interrupt worker, at once or after a time. */
#include <errno.h>
#include <limits.h>

#include <udrv/container_of.h>

#include "irq/irq.h"
#include "sched/clock.h"
#include "sched/sleep.h"

#define PENDING 1u
#define RUNNING 2u

static void run_work(struct udrv__irq_worker *w, struct udrv__order *order)
{
	struct udrv_irq_work *work = udrv_container_of(order, struct udrv_irq_work, order);

	/* It is pending as long as interrupts are held off. */
	udrv__context_enter(w->context, UDRV__CONTEXT_HANDLER);
	/* What was stored before a queueing that found it pending is seen, too. */
	__atomic_exchange_n(&work->state, RUNNING, __ATOMIC_SEQ_CST);
	work->func(work);
	udrv__context_leave(w->context);
	__atomic_and_fetch(&work->state, ~RUNNING, __ATOMIC_SEQ_CST);
	/* It may be gone: only its address is used. */
	udrv__wake_word(&work->state, INT_MAX);
}

void udrv_init_irq_work(struct udrv_irq_work *work, udrv_irq_work_func_t func)
{
	*work = (struct udrv_irq_work){.order.run = run_work, .func = func};
}

bool udrv_irq_work_is_pending(const struct udrv_irq_work *work)
{
	return __atomic_load_n(&work->state, __ATOMIC_ACQUIRE) & PENDING;
}

/* Where the earliest one of all sources hangs; NULL if there is none. */
static struct udrv_irq_work **earliest(struct udrv__irq_worker *w)
{
	struct udrv_irq_work **first = NULL;

	for (struct udrv__vector *v = w->sources; v; v = v->next_source)
		if (v->delayed && (!first || v->delayed->expires_ns < (*first)->expires_ns))
			first = &v->delayed;
	return first;
}

void udrv__delayed_deadline(struct udrv__irq_worker *w)
{
	struct udrv_irq_work *const *first = earliest(w);

	w->deadline_ns = first ? (*first)->expires_ns : UDRV__NEVER;
}

void udrv__delayed_add(struct udrv__irq_worker *w, struct udrv__vector *v,
		       struct udrv_irq_work *work, uint64_t expires_ns)
{
	struct udrv_irq_work **link = &v->delayed;

	while (*link && (*link)->expires_ns <= expires_ns)
		link = &(*link)->next_delayed;
	work->expires_ns = expires_ns;
	work->next_delayed = *link;
	*link = work;
	udrv__delayed_deadline(w);
}

/* The earliest one, taken out; NULL if its time has not come. */
static struct udrv_irq_work *take_due(struct udrv__irq_worker *w, uint64_t now_ns)
{
	struct udrv_irq_work **first = earliest(w);
	struct udrv_irq_work *work;

	if (!first || (*first)->expires_ns > now_ns)
		return NULL;
	work = *first;
	*first = work->next_delayed;
	return work;
}

/* What is queued meanwhile waits for the next time: a clock that runs fast starves nobody. */
void udrv__delayed_run(struct udrv__irq_worker *w)
{
	uint64_t now = udrv__now_ns();
	struct udrv_irq_work *work;

	while ((work = take_due(w, now)))
		work->order.run(w, &work->order);
	udrv__delayed_deadline(w);
}

static void forget(struct udrv_irq_work *work)
{
	__atomic_and_fetch(&work->state, ~PENDING, __ATOMIC_SEQ_CST);
	udrv__wake_word(&work->state, INT_MAX);
}

void udrv__irq_work_forget(struct udrv__order *order)
{
	forget(udrv_container_of(order, struct udrv_irq_work, order));
}

void udrv__delayed_cancel(struct udrv__vector *v)
{
	while (v->delayed) {
		struct udrv_irq_work *work = v->delayed;

		v->delayed = work->next_delayed;
		forget(work);
	}
}

/* The order to wait for the work's time. */
static void begin_delay(struct udrv__irq_worker *w, struct udrv__order *order)
{
	struct udrv_irq_work *work = udrv_container_of(order, struct udrv_irq_work, order);

	work->order.run = run_work;
	udrv__delayed_add(w, work->vector, work, work->expires_ns);
}

static int queue(struct udrv_device *dev, int irq, struct udrv_irq_work *work,
		 void (*run)(struct udrv__irq_worker *w, struct udrv__order *order),
		 uint64_t expires_ns)
{
	struct udrv__vector *v = udrv__vector_get(dev, irq);
	int ret = -ENXIO;

	if (!v)
		return -EINVAL;
	pthread_mutex_lock(&dev->irqs->lock);
	/* Nobody would do it where the action is udrv_request_irq_fd()'s. */
	if (v->actions && v->actions->handler) {
		ret = !(__atomic_fetch_or(&work->state, PENDING, __ATOMIC_SEQ_CST) & PENDING);
		if (ret) {
			work->order.run = run;
			work->vector = v;
			work->expires_ns = expires_ns;
			udrv__vector_order(v, &work->order);
		}
	}
	pthread_mutex_unlock(&dev->irqs->lock);
	return ret;
}

int udrv_irq_work_queue(struct udrv_device *dev, int irq, struct udrv_irq_work *work)
{
	return queue(dev, irq, work, run_work, 0);
}

int udrv_irq_work_queue_delayed(struct udrv_device *dev, int irq, struct udrv_irq_work *work,
				uint64_t delay_ns)
{
	return queue(dev, irq, work, begin_delay, udrv__after_ns(udrv__now_ns(), delay_ns));
}

int udrv_irq_work_sync(struct udrv_irq_work *work)
{
	uint32_t state;

	while ((state = __atomic_load_n(&work->state, __ATOMIC_SEQ_CST))) {
		if (udrv__vector_is_own(work->vector))
			return -EDEADLK;
		(void)udrv__sleep(&work->state, state, NULL, NULL, UDRV__NEVER);
	}
	return 0;
}

struct cancellation {
	struct udrv__vector *vector;
	struct udrv_irq_work *work;
};

/* What is not delayed any more was queued before this order, and has run. */
static int cancel(struct udrv__irq_worker *w, void *arg)
{
	const struct cancellation *c = arg;
	struct udrv_irq_work **link = &c->vector->delayed;

	while (*link && *link != c->work)
		link = &(*link)->next_delayed;
	if (!*link)
		return 0;
	*link = c->work->next_delayed;
	udrv__delayed_deadline(w);
	forget(c->work);
	return 1;
}

int udrv_irq_work_cancel_sync(struct udrv_device *dev, int irq, struct udrv_irq_work *work)
{
	struct cancellation c = {udrv__vector_get(dev, irq), work};
	int ret;

	if (!c.vector)
		return -EINVAL;
	ret = udrv__vector_call(c.vector, cancel, &c);
	/* Without handlers nothing is pending. */
	return ret == -ENXIO ? 0 : ret;
}
