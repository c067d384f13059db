// SPDX-License-Identifier: MIT
/*
 * How vectors are served: by which worker, by what options; and what can be seen of it. `udrv irq
 * set` asks for it while a driver may free its vectors: they are looked up under irqs.lock, and
 * anew when it was given up.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include <udrv/cycles.h>
#include <udrv/device.h>

#include "irq/irq.h"

static bool options_valid(const struct udrv_irq_options *o)
{
	return (unsigned int)o->wait < UDRV_WAIT_COUNT && o->fifo_priority >= 0 &&
	       o->fifo_priority <= sched_get_priority_max(SCHED_FIFO) && o->cpu >= UDRV_CPU_ANY &&
	       o->cpu < CPU_SETSIZE;
}

/* Its worker, with a reference, -EDEADLK in that worker, -EBUSY while it is changed, -EINVAL. */
static int get_worker(struct udrv_device *dev, int irq, struct udrv__irq_worker **w)
{
	const struct udrv__vector *v;
	int ret = 0;

	pthread_mutex_lock(&dev->irqs->lock);
	v = udrv__vector_get(dev, irq);
	if (!v)
		ret = -EINVAL;
	else if (udrv__vector_is_own_locked(v))
		ret = -EDEADLK;
	else if (v->busy)
		ret = -EBUSY;
	else
		*w = udrv__worker_get(v->worker);
	pthread_mutex_unlock(&dev->irqs->lock);
	return ret;
}

/* That of a worker with a thread is told by the worker. */
static void describe_idle(struct udrv_device *dev, int irq)
{
	struct udrv__vector *v;

	pthread_mutex_lock(&dev->irqs->lock);
	v = udrv__vector_get(dev, irq);
	if (v && !v->actions && !v->busy)
		udrv__irq_describe_worker(v, v->worker, false);
	pthread_mutex_unlock(&dev->irqs->lock);
}

int udrv_irq_set_options(struct udrv_device *dev, int irq, const struct udrv_irq_options *options)
{
	struct udrv__irq_worker *w;
	int ret = options_valid(options) ? get_worker(dev, irq, &w) : -EINVAL;

	if (ret)
		return ret;
	ret = udrv__worker_set_options(w, options);
	if (ret > 0)
		udrv_dev_err(dev,
			     "irq %d: its worker serves several vectors, for which %s cannot "
			     "wait; uring, epoll, spin and adaptive can",
			     irq, udrv_wait_name(options->wait));
	if (!ret)
		describe_idle(dev, irq);
	udrv__worker_put(w);
	return ret > 0 ? -EINVAL : ret;
}

/* The home of its oldest vector may be there now. It goes on where it is if it cannot follow. */
static void follow(struct udrv_device *dev, int irq, struct udrv__irq_worker *w, int cpu)
{
	struct udrv_irq_options options;
	int ret;

	udrv__worker_get_options(w, &options);
	if (options.cpu != UDRV_CPU_HOME || __atomic_load_n(&w->cpu, __ATOMIC_RELAXED) == cpu)
		return;
	ret = udrv__worker_set_options(w, &options);
	if (ret)
		udrv_dev_err(dev, "irq %d goes to CPU %d now, but its worker does not: %s", irq,
			     cpu, ret < 0 ? strerror(-ret) : "its way to wait was changed");
}

static enum udrv__irq_type type_of(struct udrv_device *dev)
{
	enum udrv__irq_type type;

	pthread_mutex_lock(&dev->irqs->lock);
	type = dev->irqs->type;
	pthread_mutex_unlock(&dev->irqs->lock);
	return type;
}

int udrv_irq_set_affinity(struct udrv_device *dev, int irq, int cpu)
{
	struct udrv__irq_worker *w;
	int ret = cpu >= 0 && cpu < CPU_SETSIZE ? get_worker(dev, irq, &w) : -EINVAL;

	if (ret)
		return ret;
	ret = udrv__irq_move(dev, type_of(dev), (unsigned int)irq, cpu);
	if (!ret)
		follow(dev, irq, w, cpu);
	udrv__worker_put(w);
	return ret;
}

int udrv_irq_get_options(struct udrv_device *dev, int irq, struct udrv_irq_options *options)
{
	const struct udrv__vector *v;

	pthread_mutex_lock(&dev->irqs->lock);
	v = udrv__vector_get(dev, irq);
	if (v)
		udrv__worker_get_options(v->worker, options);
	pthread_mutex_unlock(&dev->irqs->lock);
	return v ? 0 : -EINVAL;
}

/* The worker to change to, of which the vector becomes a member; @own: one of its own. */
static int find_worker(struct udrv_device *with, int with_irq, bool own,
		       struct udrv__irq_worker **to)
{
	struct udrv_irq_options options;
	struct udrv__irq_worker *w;
	int ret = get_worker(with, with_irq, &w);

	if (ret)
		return ret;
	if (own) {
		udrv__worker_get_options(w, &options);
		*to = udrv__worker_new(&options);
		ret = *to ? 0 : -ENOMEM;
	} else {
		*to = w;
		ret = udrv__worker_join(w);
	}
	if (ret == -EINVAL)
		udrv_dev_err(with,
			     "irq %d: its way to wait is for one vector: let it wait by uring, "
			     "epoll, spin or adaptive before others share its worker",
			     with_irq);
	udrv__worker_put(w);
	return ret;
}

/* The vector, which is busy, is served by another worker, or by the old one if that fails. */
static int move_service(struct udrv__vector *v, struct udrv__irq_worker *from,
			struct udrv__irq_worker *to, bool *served)
{
	int ret;

	udrv__worker_detach(from, v);
	ret = udrv__worker_attach(to, v);
	*served = !ret || !udrv__worker_attach(from, v);
	if (!*served) {
		udrv_dev_err(v->dev, "irq %u cannot be served any more; no more interrupts", v->nr);
		udrv_device_set_gone(v->dev);
	}
	return ret;
}

/* With irqs.lock, which is given up meanwhile. The worker that the vector leaves is in *from. */
static int move(struct udrv__vector *v, struct udrv__irq_worker **from, struct udrv__irq_worker *to)
{
	struct udrv__irqs *irqs = v->dev->irqs;
	bool served = true;
	int ret = 0;

	if (v->busy)
		return -EBUSY;
	*from = v->worker;
	udrv__vector_set_busy(v);
	v->moving_from = v->worker;
	v->worker = to;
	if (v->served) {
		pthread_mutex_unlock(&irqs->lock);
		ret = move_service(v, *from, to, &served);
		pthread_mutex_lock(&irqs->lock);
		v->served = served;
	}
	if (ret) {
		v->worker = *from;
		*from = to;
	}
	udrv__vector_set_idle(v);
	if (!v->actions)
		udrv__irq_describe_worker(v, v->worker, false);
	return ret;
}

/* Whether it may be changed by the calling thread. */
static int check_vector(struct udrv_device *dev, int irq)
{
	const struct udrv__vector *v;
	int ret = -EINVAL;

	pthread_mutex_lock(&dev->irqs->lock);
	v = udrv__vector_get(dev, irq);
	if (v)
		ret = udrv__vector_is_own_locked(v) ? -EDEADLK : 0;
	pthread_mutex_unlock(&dev->irqs->lock);
	return ret;
}

int udrv_irq_share(struct udrv_device *dev, int irq, struct udrv_device *with, int with_irq)
{
	struct udrv__irq_worker *to;
	struct udrv__irq_worker *leave;
	struct udrv__vector *v;
	int ret = check_vector(dev, irq);

	if (!ret)
		ret = find_worker(with, with_irq, dev == with && irq == with_irq, &to);
	if (ret)
		return ret;
	leave = to;
	pthread_mutex_lock(&dev->irqs->lock);
	v = udrv__vector_get(dev, irq);
	if (!v)
		ret = -EINVAL;
	else if (to != v->worker)
		ret = move(v, &leave, to);
	pthread_mutex_unlock(&dev->irqs->lock);
	udrv__worker_leave(leave);
	return ret;
}

int udrv_irq_set_storm_limit(struct udrv_device *dev, int irq, unsigned int per_second)
{
	struct udrv__vector *v;

	pthread_mutex_lock(&dev->irqs->lock);
	v = udrv__vector_get(dev, irq);
	if (v)
		__atomic_store_n(&v->storm_limit, per_second, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&dev->irqs->lock);
	return v ? 0 : -EINVAL;
}

int udrv_irq_stamp(struct udrv_device *dev, int irq)
{
	struct udrv__vector *v = udrv__vector_get(dev, irq);

	if (!v)
		return -EINVAL;
	__atomic_store_n(&v->stamp, udrv_get_cycles(), __ATOMIC_RELAXED);
	return 0;
}

uint64_t udrv_irq_hard_stamp(struct udrv_device *dev, int irq)
{
	const struct udrv__vector *v = udrv__vector_get(dev, irq);

	return v && v->counts ? udrv__hard_stamp(v) : 0;
}

static void read_stats(const struct udrv__vector *v, struct udrv_irq_stats *stats)
{
	stats->count = __atomic_load_n(&v->stat->count, __ATOMIC_RELAXED);
	stats->unhandled = __atomic_load_n(&v->stat->unhandled, __ATOMIC_RELAXED);
	stats->storms = __atomic_load_n(&v->stat->storms, __ATOMIC_RELAXED);
	stats->shut = __atomic_load_n(&v->off, __ATOMIC_RELAXED) & UDRV__OFF_SHUT;
	stats->fifo_priority = __atomic_load_n(&v->worker->fifo_priority, __ATOMIC_RELAXED);
	stats->cpu = __atomic_load_n(&v->worker->cpu, __ATOMIC_RELAXED);
}

int udrv_irq_get_stats(struct udrv_device *dev, int irq, struct udrv_irq_stats *stats)
{
	const struct udrv__vector *v;

	pthread_mutex_lock(&dev->irqs->lock);
	v = udrv__vector_get(dev, irq);
	if (v)
		read_stats(v, stats);
	pthread_mutex_unlock(&dev->irqs->lock);
	return v ? 0 : -EINVAL;
}
