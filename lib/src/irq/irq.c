// SPDX-License-Identifier: MIT
/* Requesting and freeing interrupts, disabling and enabling them. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <udrv/container_of.h>
#include <udrv/device.h>
#include <udrv/irq.h>

#include "irq/irq.h"

struct udrv__vector *udrv__vector_get(struct udrv_device *dev, int irq)
{
	if (irq < 0 || (unsigned int)irq >= dev->irqs->count)
		return NULL;
	return &dev->irqs->vectors[irq];
}

bool udrv__vector_is_own_locked(const struct udrv__vector *v)
{
	return udrv__context_is_holding() || (udrv__irq_self && (v->worker == udrv__irq_self ||
								 v->moving_from == udrv__irq_self));
}

bool udrv__vector_is_own(struct udrv__vector *v)
{
	bool own;

	pthread_mutex_lock(&v->dev->irqs->lock);
	own = udrv__vector_is_own_locked(v);
	pthread_mutex_unlock(&v->dev->irqs->lock);
	return own;
}

static void look_at_pending(struct udrv__irq_worker *w, struct udrv__order *order)
{
	struct udrv__vector *v = udrv_container_of(order, struct udrv__vector, resume);

	__atomic_store_n(&v->resume_queued, false, __ATOMIC_SEQ_CST);
	if (v->pending)
		udrv__serve_vector(w, v);
}

void udrv__vector_init(struct udrv__vector *v)
{
	v->resume.run = look_at_pending;
}

static void push_or_forget(struct udrv__vector *v, struct udrv__order *order)
{
	if (v->served && udrv__order_push(v->worker, order))
		return;
	if (order == &v->resume)
		__atomic_store_n(&v->resume_queued, false, __ATOMIC_SEQ_CST);
	else
		udrv__irq_work_forget(order);
}

void udrv__vector_order(struct udrv__vector *v, struct udrv__order *order)
{
	if (!v->busy) {
		push_or_forget(v, order);
		return;
	}
	order->next = v->parked;
	v->parked = order;
}

void udrv__vector_set_busy(struct udrv__vector *v)
{
	v->busy = true;
}

/* With irqs.lock: for what came while it was disabled; nobody waits. */
static void resume(struct udrv__vector *v)
{
	if (!__atomic_exchange_n(&v->resume_queued, true, __ATOMIC_SEQ_CST))
		udrv__vector_order(v, &v->resume);
}

/* The orders that came meanwhile are carried out, or forgotten if nobody is there to do that. */
void udrv__vector_set_idle(struct udrv__vector *v)
{
	struct udrv__order *oldest_first = udrv__orders_reverse(v->parked);

	v->parked = NULL;
	v->busy = false;
	v->moving_from = NULL;
	while (oldest_first) {
		struct udrv__order *order = oldest_first;

		oldest_first = order->next;
		push_or_forget(v, order);
	}
	pthread_cond_broadcast(&v->dev->irqs->idle);
}

/* With irqs.lock, which is given up meanwhile. -EDEADLK where that would wait for itself. */
static int wait_until_idle(struct udrv__vector *v)
{
	while (!udrv__vector_is_own_locked(v)) {
		if (!v->busy)
			return 0;
		pthread_cond_wait(&v->dev->irqs->idle, &v->dev->irqs->lock);
	}
	return -EDEADLK;
}

int udrv__vector_call(struct udrv__vector *v, int (*fn)(struct udrv__irq_worker *w, void *arg),
		      void *arg)
{
	struct udrv__awaited a = {.fn = fn, .arg = arg};
	int ret;

	pthread_mutex_lock(&v->dev->irqs->lock);
	ret = wait_until_idle(v);
	if (!ret && !(v->served && udrv__awaited_push(v->worker, &a)))
		ret = -ENXIO;
	pthread_mutex_unlock(&v->dev->irqs->lock);
	return ret ? ret : udrv__awaited_wait(&a);
}

static int nothing(struct udrv__irq_worker *w, void *arg)
{
	(void)w;
	(void)arg;
	return 0;
}

int udrv_synchronize_irq(struct udrv_device *dev, int irq)
{
	struct udrv__vector *v = udrv__vector_get(dev, irq);
	int ret;

	if (!v)
		return -EINVAL;
	ret = udrv__vector_call(v, nothing, NULL);
	return ret == -ENXIO ? 0 : ret;
}

/* The vector, which is busy, is not served any more. */
static void end_service(struct udrv__vector *v, bool served)
{
	uint64_t signals;

	if (served)
		udrv__worker_detach(v->worker, v);
	udrv__delayed_cancel(v);
	/* What is left when the last handler went must not greet the next one. */
	(void)udrv__take_counter(v, &signals);
	/* What others took of the eventfd nobody knows: all of it, see wait_count.c. */
	if (!served && v->counts)
		v->taken = (uint32_t)udrv__count_of(v);
}

/* The first action's vector, which is busy, is served; a line that was left masked is opened. */
static int begin_service(struct udrv__vector *v)
{
	int ret = udrv__worker_attach(v->worker, v);

	if (ret || !v->level)
		return ret;
	ret = v->dev->ops->irq_unmask_intx(v->dev);
	if (ret) {
		udrv_dev_err(v->dev, "irq %u cannot be unmasked: %s", v->nr, strerror(-ret));
		end_service(v, true);
	}
	return ret;
}

/* With irqs.lock, which is given up while the worker starts. */
static int add_first(struct udrv__vector *v, struct udrv__action *action)
{
	struct udrv__irqs *irqs = v->dev->irqs;
	int ret;

	udrv__chain_begin(v);
	__atomic_store_n(&v->actions, action, __ATOMIC_RELEASE);
	udrv__vector_set_busy(v);
	pthread_mutex_unlock(&irqs->lock);
	ret = begin_service(v);
	pthread_mutex_lock(&irqs->lock);
	v->served = !ret;
	if (ret)
		__atomic_store_n(&v->actions, NULL, __ATOMIC_RELEASE);
	udrv__vector_set_idle(v);
	return ret;
}

static int add_action(struct udrv__vector *v, struct udrv__action *action)
{
	struct udrv__action **link = &v->actions;
	int ret = v->busy ? wait_until_idle(v) : 0;

	if (ret)
		return ret;
	for (; *link; link = &(*link)->next) {
		if (!((*link)->flags & action->flags & UDRV_IRQF_SHARED)) {
			udrv_dev_err(v->dev, "irq %u is in use by %s and not shared", v->nr,
				     (*link)->name);
			return -EBUSY;
		}
	}
	if (!v->actions)
		ret = udrv__vector_is_own_locked(v) ? -EDEADLK : add_first(v, action);
	else
		__atomic_store_n(link, action, __ATOMIC_RELEASE);
	if (!ret)
		udrv__irq_describe_actions(v);
	return ret;
}

static udrv_irqreturn_t wake_thread(int irq, void *dev_id)
{
	(void)irq;
	(void)dev_id;
	return UDRV_IRQ_WAKE_THREAD;
}

int udrv_request_threaded_irq(struct udrv_device *dev, int irq, udrv_irq_handler_t handler,
			      udrv_irq_handler_t thread_fn, unsigned int flags, const char *name,
			      void *dev_id)
{
	struct udrv__action *action;
	struct udrv__vector *v;
	int ret;

	/* As in Linux: a shared action must be told apart when it is freed. */
	if ((!handler && !thread_fn) || (flags & UDRV_IRQF_SHARED && !dev_id))
		return -EINVAL;
	action = calloc(1, sizeof(*action));
	if (!action)
		return -ENOMEM;
	action->handler = handler ? handler : wake_thread;
	action->thread_fn = thread_fn;
	action->flags = flags;
	action->dev_id = dev_id;
	(void)snprintf(action->name, sizeof(action->name), "%s", name ? name : "?");

	pthread_mutex_lock(&dev->irqs->lock);
	v = udrv__vector_get(dev, irq);
	ret = v ? add_action(v, action) : -EINVAL;
	pthread_mutex_unlock(&dev->irqs->lock);
	if (ret)
		free(action);
	return ret;
}

/* With irqs.lock. */
static int take_vector(struct udrv__vector *v, struct udrv__action *action)
{
	int ret = wait_until_idle(v);

	if (ret)
		return ret;
	if (v->level)
		return -EOPNOTSUPP;
	if (v->actions) {
		udrv_dev_err(v->dev, "irq %u is in use by %s", v->nr, v->actions->name);
		return -EBUSY;
	}
	v->actions = action;
	udrv__irq_describe_actions(v);
	return v->efd;
}

/*
 * To wake a thread on another CPU is another interrupt. Who keeps to one CPU gets its interrupts
 * there, as a worker goes where its interrupt is.
 */
static void bring_near(struct udrv_device *dev, int irq)
{
	cpu_set_t cpus;
	int cpu = 0;
	int ret;

	if (sched_getaffinity(0, sizeof(cpus), &cpus) || CPU_COUNT(&cpus) != 1 ||
	    sysconf(_SC_NPROCESSORS_ONLN) == 1)
		return;
	while (!CPU_ISSET((size_t)cpu, &cpus))
		cpu++;
	ret = udrv__irq_move(dev, dev->irqs->type, (unsigned int)irq, cpu);
	if (ret != -EOPNOTSUPP)
		udrv_dev_dbg(dev, "irq %d to CPU %d, where it is waited for: %s", irq, cpu,
			     ret ? strerror(-ret) : "done");
}

/* An action that is never run: the vector has one, and no worker. */
int udrv_request_irq_fd(struct udrv_device *dev, int irq, const char *name, void *dev_id)
{
	struct udrv__action *action;
	struct udrv__vector *v;
	int ret;

	if (!dev_id)
		return -EINVAL;
	action = calloc(1, sizeof(*action));
	if (!action)
		return -ENOMEM;
	action->dev_id = dev_id;
	(void)snprintf(action->name, sizeof(action->name), "%s", name ? name : "?");
	pthread_mutex_lock(&dev->irqs->lock);
	v = udrv__vector_get(dev, irq);
	ret = v ? take_vector(v, action) : -EINVAL;
	pthread_mutex_unlock(&dev->irqs->lock);
	if (ret < 0)
		free(action);
	else
		bring_near(dev, irq);
	return ret;
}

static struct udrv__action **find_action(struct udrv__vector *v, const void *dev_id)
{
	struct udrv__action **link = &v->actions;

	while (*link && (*link)->dev_id != dev_id)
		link = &(*link)->next;
	return link;
}

/* With irqs.lock: take it off the chain; NULL if it is not there. */
static struct udrv__action *unlink_action(struct udrv__vector *v, const void *dev_id)
{
	struct udrv__action **link = find_action(v, dev_id);
	struct udrv__action *action = *link;

	if (!action)
		return NULL;
	__atomic_store_n(link, action->next, __ATOMIC_SEQ_CST);
	udrv__irq_describe_actions(v);
	return action;
}

/* With irqs.lock, which is given up until the handler that was taken off is not running. */
static void wait_for_worker(struct udrv__vector *v)
{
	struct udrv__irqs *irqs = v->dev->irqs;
	struct udrv__awaited a = {.fn = nothing};
	bool last = !v->actions;
	bool pushed = false;

	if (last)
		udrv__vector_set_busy(v);
	else
		pushed = v->served && udrv__awaited_push(v->worker, &a);
	pthread_mutex_unlock(&irqs->lock);
	if (last)
		end_service(v, v->served);
	else if (pushed)
		(void)udrv__awaited_wait(&a);
	pthread_mutex_lock(&irqs->lock);
	if (last) {
		v->served = false;
		udrv__vector_set_idle(v);
	}
}

int udrv_free_irq(struct udrv_device *dev, int irq, void *dev_id)
{
	struct udrv__vector *v = udrv__vector_get(dev, irq);
	struct udrv__action *action = NULL;
	int ret;

	if (!v)
		return -EINVAL;
	pthread_mutex_lock(&dev->irqs->lock);
	ret = wait_until_idle(v);
	if (!ret)
		action = unlink_action(v, dev_id);
	if (action)
		wait_for_worker(v);
	pthread_mutex_unlock(&dev->irqs->lock);
	if (ret)
		udrv_dev_err(dev,
			     "irq %d freed by its own worker, or with interrupts off: that would "
			     "wait for itself",
			     irq);
	else if (!action)
		ret = -EINVAL;
	free(action);
	return ret;
}

/* The depth goes down by one; true if nothing disables it any more. */
static bool enable_once(struct udrv__vector *v)
{
	bool enabled = !(__atomic_sub_fetch(&v->off, 1, __ATOMIC_SEQ_CST) & UDRV__OFF_DEPTH);

	udrv__stat_enable(v->stat, enabled);
	return enabled;
}

/* What came meanwhile is looked at when nothing disables it any more. */
static int enable(struct udrv__vector *v)
{
	struct udrv__irqs *irqs = v->dev->irqs;
	int ret = 0;

	pthread_mutex_lock(&irqs->lock);
	if (!(__atomic_load_n(&v->off, __ATOMIC_RELAXED) & UDRV__OFF_DEPTH))
		ret = -EINVAL;
	else if (enable_once(v) && v->actions && __atomic_load_n(&v->pending, __ATOMIC_SEQ_CST))
		resume(v);
	pthread_mutex_unlock(&irqs->lock);
	return ret;
}

int udrv_disable_irq_nosync(struct udrv_device *dev, int irq)
{
	struct udrv__vector *v = udrv__vector_get(dev, irq);

	if (!v)
		return -EINVAL;
	udrv__stat_disable(
		v->stat, (__atomic_add_fetch(&v->off, 1, __ATOMIC_SEQ_CST) & UDRV__OFF_DEPTH) == 1);
	return 0;
}

int udrv_disable_irq(struct udrv_device *dev, int irq)
{
	struct udrv__vector *v = udrv__vector_get(dev, irq);
	int ret = udrv_disable_irq_nosync(dev, irq);

	if (!v || ret)
		return -EINVAL;
	ret = udrv_synchronize_irq(dev, irq);
	if (ret)
		(void)enable(v);
	return ret;
}

int udrv_enable_irq(struct udrv_device *dev, int irq)
{
	struct udrv__vector *v = udrv__vector_get(dev, irq);
	int ret = v ? enable(v) : -EINVAL;

	if (v && ret)
		udrv_dev_err(dev, "irq %d enabled, but not disabled", irq);
	return ret;
}
