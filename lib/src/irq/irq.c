// SPDX-License-Identifier: MIT
/* Allocating vectors, requesting and freeing interrupts. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <udrv/irq.h>

#include "irq/irq.h"

static const char *const type_names[UDRV__IRQ_TYPES] = {
	[UDRV__IRQ_INTX] = "INTx",
	[UDRV__IRQ_MSI] = "MSI",
	[UDRV__IRQ_MSIX] = "MSI-X",
};
static const struct udrv_irq_options default_options = UDRV_IRQ_OPTIONS_DEFAULT;

int udrv__irqs_init(struct udrv_device *dev)
{
	struct udrv__irqs *irqs = calloc(1, sizeof(*irqs));

	if (!irqs)
		return -ENOMEM;
	pthread_mutex_init(&irqs->lock, NULL);
	dev->irqs = irqs;
	return 0;
}

static void free_vectors(struct udrv__vector *vectors, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		close(vectors[i].efd);
	udrv__irq_stats_free(vectors);
	free(vectors);
}

/* NULL on failure, with the reason in *ret. */
static struct udrv__vector *make_vectors(struct udrv_device *dev, enum udrv__irq_type type,
					 unsigned int count, int *ret)
{
	struct udrv__vector *vectors = calloc(count, sizeof(*vectors));

	*ret = -ENOMEM;
	if (vectors && udrv__irq_stats_init(dev, vectors, count)) {
		free(vectors);
		return NULL;
	}
	for (unsigned int i = 0; vectors && i < count; i++) {
		struct udrv__vector *v = &vectors[i];

		v->efd = eventfd(0, EFD_CLOEXEC);
		if (v->efd < 0) {
			*ret = -errno;
			free_vectors(vectors, i);
			return NULL;
		}
		v->dev = dev;
		v->nr = i;
		v->level = type == UDRV__IRQ_INTX;
		v->options = default_options;
		v->cpu = -1;
	}
	return vectors;
}

static int enable_vectors(struct udrv_device *dev, enum udrv__irq_type type,
			  const struct udrv__vector *vectors, unsigned int count)
{
	int *fds = calloc(count, sizeof(*fds));
	int ret;

	if (!fds)
		return -ENOMEM;
	for (unsigned int i = 0; i < count; i++)
		fds[i] = vectors[i].efd;
	ret = dev->ops->irq_enable(dev, type, fds, count);
	free(fds);
	return ret;
}

/* 0, negative errno, or the number of vectors that are to be had. */
static int alloc_type(struct udrv_device *dev, enum udrv__irq_type type, unsigned int count)
{
	struct udrv__irqs *irqs = dev->irqs;
	int ret;
	struct udrv__vector *vectors = make_vectors(dev, type, count, &ret);

	if (!vectors)
		return ret;
	ret = enable_vectors(dev, type, vectors, count);
	if (ret) {
		free_vectors(vectors, count);
		return ret;
	}
	irqs->type = type;
	irqs->vectors = vectors;
	irqs->count = count;
	for (unsigned int i = 0; i < count; i++)
		udrv__irq_describe(&vectors[i]);
	udrv__irq_stats_show(dev, vectors, count);
	udrv_dev_dbg(dev, "%u %s vectors on", count, type_names[type]);
	return 0;
}

/* As many vectors of a type as can be had: fewer if the kernel is short of them. */
static int alloc_most(struct udrv_device *dev, enum udrv__irq_type type, unsigned int min,
		      unsigned int max)
{
	unsigned int count = dev->irq_counts[type] < max ? dev->irq_counts[type] : max;

	while (count && count >= min) {
		int ret = alloc_type(dev, type, count);

		if (ret <= 0)
			return ret ? ret : (int)count;
		/* Never the same number again, whatever the kernel says. */
		count = (unsigned int)ret < count ? (unsigned int)ret : count - 1;
	}
	return -ENOSPC;
}

static int alloc_locked(struct udrv_device *dev, unsigned int min, unsigned int max,
			unsigned int flags)
{
	static const struct {
		unsigned int flag;
		enum udrv__irq_type type;
	} order[] = {
		{UDRV_PCI_IRQ_MSIX, UDRV__IRQ_MSIX},
		{UDRV_PCI_IRQ_MSI, UDRV__IRQ_MSI},
		{UDRV_PCI_IRQ_INTX, UDRV__IRQ_INTX},
	};
	int ret = -ENOSPC;

	if (dev->irqs->count)
		return -EBUSY;
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]) && ret < 0; i++)
		if (flags & order[i].flag)
			ret = alloc_most(dev, order[i].type, min, max);
	return ret;
}

int udrv_pci_alloc_irq_vectors(struct udrv_device *dev, unsigned int min_vecs,
			       unsigned int max_vecs, unsigned int flags)
{
	int ret;

	if (!min_vecs || max_vecs < min_vecs || !(flags & UDRV_PCI_IRQ_ALL_TYPES))
		return -EINVAL;
	pthread_mutex_lock(&dev->irqs->lock);
	ret = alloc_locked(dev, min_vecs, max_vecs, flags);
	pthread_mutex_unlock(&dev->irqs->lock);
	if (ret < 0)
		udrv_dev_err(dev, "no %u interrupt vectors of the wanted types: %s", min_vecs,
			     strerror(-ret));
	return ret;
}

int udrv_pci_irq_vector(struct udrv_device *dev, unsigned int nr)
{
	return nr < dev->irqs->count ? (int)nr : -EINVAL;
}

unsigned int udrv_pci_irq_type(const struct udrv_device *dev)
{
	static const unsigned int flags[UDRV__IRQ_TYPES] = {
		[UDRV__IRQ_INTX] = UDRV_PCI_IRQ_INTX,
		[UDRV__IRQ_MSI] = UDRV_PCI_IRQ_MSI,
		[UDRV__IRQ_MSIX] = UDRV_PCI_IRQ_MSIX,
	};

	return dev->irqs->count ? flags[dev->irqs->type] : 0;
}

/* Off at the device first; then nothing signals the eventfds any more. */
void udrv_pci_free_irq_vectors(struct udrv_device *dev)
{
	struct udrv__irqs *irqs = dev->irqs;

	pthread_mutex_lock(&irqs->lock);
	for (unsigned int i = 0; i < irqs->count; i++) {
		const struct udrv__vector *v = &irqs->vectors[i];

		if (v->actions || v->stopping) {
			udrv_dev_err(dev, "vectors not freed: irq %u is still requested by %s", i,
				     v->actions ? v->actions->name : "who is freeing it");
			pthread_mutex_unlock(&irqs->lock);
			return;
		}
	}
	if (irqs->count) {
		(void)dev->ops->irq_disable(dev, irqs->type);
		udrv__irq_stats_show(dev, irqs->vectors, 0);
		free_vectors(irqs->vectors, irqs->count);
	}
	irqs->vectors = NULL;
	irqs->count = 0;
	pthread_mutex_unlock(&irqs->lock);
}

static struct udrv__vector *get_vector(struct udrv_device *dev, int irq)
{
	if (irq < 0 || (unsigned int)irq >= dev->irqs->count)
		return NULL;
	return &dev->irqs->vectors[irq];
}

static bool options_valid(const struct udrv_irq_options *o)
{
	return (unsigned int)o->wait < UDRV_WAIT_COUNT && o->fifo_priority >= 0 &&
	       o->fifo_priority <= sched_get_priority_max(SCHED_FIFO) && o->cpu >= UDRV_CPU_ANY &&
	       o->cpu < CPU_SETSIZE;
}

static bool is_own_worker(const struct udrv__vector *v)
{
	return (v->actions || v->stopping) && pthread_equal(v->thread, pthread_self());
}

/* With the lock, which is given up while the worker changes over. */
static int change_options(struct udrv__vector *v, const struct udrv_irq_options *options)
{
	uint32_t kick;

	if (is_own_worker(v))
		return -EDEADLK;
	if (v->stopping || v->wanted_options)
		return -EBUSY;
	if (!v->actions) {
		v->options = *options;
		udrv__irq_describe(v);
		return 0;
	}
	v->wanted_options = options;
	v->options_result = -ENODEV;
	kick = udrv__chain_kick(v);
	pthread_mutex_unlock(&v->dev->irqs->lock);
	udrv__chain_await(v, kick);
	pthread_mutex_lock(&v->dev->irqs->lock);
	v->wanted_options = NULL;
	return v->options_result;
}

int udrv_irq_set_options(struct udrv_device *dev, int irq, const struct udrv_irq_options *options)
{
	struct udrv__vector *v = get_vector(dev, irq);
	int ret;

	if (!v || !options_valid(options))
		return -EINVAL;
	pthread_mutex_lock(&dev->irqs->lock);
	ret = change_options(v, options);
	pthread_mutex_unlock(&dev->irqs->lock);
	return ret;
}

int udrv_irq_get_options(struct udrv_device *dev, int irq, struct udrv_irq_options *options)
{
	struct udrv__vector *v = get_vector(dev, irq);

	if (!v)
		return -EINVAL;
	pthread_mutex_lock(&dev->irqs->lock);
	*options = v->options;
	pthread_mutex_unlock(&dev->irqs->lock);
	return 0;
}

/* With the lock, which is given up until the worker, which was ordered to stop, has ended. */
static void finish_stop(struct udrv__vector *v)
{
	pthread_mutex_unlock(&v->dev->irqs->lock);
	udrv__worker_stop(v);
	pthread_mutex_lock(&v->dev->irqs->lock);
	v->stopping = false;
	udrv__irq_describe(v);
}

/* The first action starts the worker; a line that was left masked is opened. */
static int add_first(struct udrv__vector *v, struct udrv__action *action)
{
	int ret;

	__atomic_store_n(&v->actions, action, __ATOMIC_RELEASE);
	ret = udrv__worker_start(v);
	if (ret) {
		__atomic_store_n(&v->actions, NULL, __ATOMIC_RELEASE);
		return ret;
	}
	if (v->level)
		ret = v->dev->ops->irq_unmask_intx(v->dev);
	if (ret) {
		udrv_dev_err(v->dev, "irq %u cannot be unmasked: %s", v->nr, strerror(-ret));
		__atomic_store_n(&v->actions, NULL, __ATOMIC_SEQ_CST);
		udrv__worker_order_stop(v);
		finish_stop(v);
	}
	return ret;
}

static int add_action(struct udrv__vector *v, struct udrv__action *action)
{
	struct udrv__action **link = &v->actions;

	if (v->stopping) {
		udrv_dev_err(v->dev, "irq %u is being freed by another thread", v->nr);
		return -EBUSY;
	}
	if (!v->actions)
		return add_first(v, action);
	for (; *link; link = &(*link)->next) {
		if (!((*link)->flags & action->flags & UDRV_IRQF_SHARED)) {
			udrv_dev_err(v->dev, "irq %u is in use by %s and not shared", v->nr,
				     (*link)->name);
			return -EBUSY;
		}
	}
	__atomic_store_n(link, action, __ATOMIC_RELEASE);
	udrv__irq_describe(v);
	return 0;
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
	v = get_vector(dev, irq);
	ret = v ? add_action(v, action) : -EINVAL;
	pthread_mutex_unlock(&dev->irqs->lock);
	if (ret)
		free(action);
	return ret;
}

static struct udrv__action **find_action(struct udrv__vector *v, const void *dev_id)
{
	struct udrv__action **link = &v->actions;

	while (*link && (*link)->dev_id != dev_id)
		link = &(*link)->next;
	return link;
}

/* Take the action off the chain. With the last one the vector begins to stop; else *kick. */
static struct udrv__action *unlink_action(struct udrv__vector *v, const void *dev_id, bool *last,
					  uint32_t *kick)
{
	struct udrv__action **link = find_action(v, dev_id);
	struct udrv__action *action = *link;

	if (!action)
		return NULL;
	__atomic_store_n(link, action->next, __ATOMIC_SEQ_CST);
	udrv__irq_describe(v);
	*last = !v->actions;
	if (*last)
		udrv__worker_order_stop(v);
	else
		*kick = udrv__chain_kick(v);
	return action;
}

/* The lock is not held while a handler may run: other vectors' handlers may need it. */
static void wait_for_worker(struct udrv__vector *v, bool last, uint32_t kick)
{
	if (!last) {
		udrv__chain_await(v, kick);
		return;
	}
	pthread_mutex_lock(&v->dev->irqs->lock);
	finish_stop(v);
	pthread_mutex_unlock(&v->dev->irqs->lock);
}

int udrv_free_irq(struct udrv_device *dev, int irq, void *dev_id)
{
	struct udrv__vector *v = get_vector(dev, irq);
	struct udrv__action *action = NULL;
	bool last = false;
	uint32_t kick = 0;
	bool own;

	if (!v)
		return -EINVAL;
	pthread_mutex_lock(&dev->irqs->lock);
	own = is_own_worker(v);
	if (!own)
		action = unlink_action(v, dev_id, &last, &kick);
	pthread_mutex_unlock(&dev->irqs->lock);
	if (own) {
		udrv_dev_err(dev, "irq %d freed by its own handler, which would wait for itself",
			     irq);
		return -EDEADLK;
	}
	if (!action)
		return -EINVAL;
	wait_for_worker(v, last, kick);
	free(action);
	return 0;
}

int udrv_synchronize_irq(struct udrv_device *dev, int irq)
{
	struct udrv__vector *v = get_vector(dev, irq);
	uint32_t kick = 0;
	int ret = 0;
	bool runs;

	if (!v)
		return -EINVAL;
	pthread_mutex_lock(&dev->irqs->lock);
	runs = v->actions || v->stopping;
	if (is_own_worker(v))
		ret = -EDEADLK;
	else if (v->stopping)
		kick = v->kicks; /* the last one: until it is answered a handler may be at work */
	else if (runs)
		kick = udrv__chain_kick(v);
	pthread_mutex_unlock(&dev->irqs->lock);
	if (runs && !ret)
		udrv__chain_await(v, kick);
	return ret;
}

/* The depth goes down by one; true if nothing disables it any more. */
static bool enable_once(struct udrv__vector *v)
{
	bool enabled = !__atomic_sub_fetch(&v->disabled, 1, __ATOMIC_SEQ_CST);

	udrv__stat_enable(v->stat, enabled);
	return enabled;
}

int udrv_disable_irq_nosync(struct udrv_device *dev, int irq)
{
	struct udrv__vector *v = get_vector(dev, irq);

	if (!v)
		return -EINVAL;
	udrv__stat_disable(v->stat, __atomic_add_fetch(&v->disabled, 1, __ATOMIC_SEQ_CST) == 1);
	return 0;
}

int udrv_disable_irq(struct udrv_device *dev, int irq)
{
	struct udrv__vector *v = get_vector(dev, irq);
	int ret = udrv_disable_irq_nosync(dev, irq);

	if (!v || ret)
		return -EINVAL;
	ret = udrv_synchronize_irq(dev, irq);
	if (ret)
		(void)enable_once(v);
	return ret;
}

int udrv_enable_irq(struct udrv_device *dev, int irq)
{
	struct udrv__vector *v = get_vector(dev, irq);
	int ret = 0;

	if (!v)
		return -EINVAL;
	pthread_mutex_lock(&dev->irqs->lock);
	if (!__atomic_load_n(&v->disabled, __ATOMIC_RELAXED))
		ret = -EINVAL;
	else if (enable_once(v) && v->actions)
		(void)udrv__chain_kick(v); /* for what came meanwhile; nobody waits */
	pthread_mutex_unlock(&dev->irqs->lock);
	if (ret)
		udrv_dev_err(dev, "irq %d enabled, but not disabled", irq);
	return ret;
}

int udrv_irq_get_stats(struct udrv_device *dev, int irq, struct udrv_irq_stats *stats)
{
	const struct udrv__vector *v = get_vector(dev, irq);

	if (!v)
		return -EINVAL;
	stats->count = __atomic_load_n(&v->stat->count, __ATOMIC_RELAXED);
	stats->unhandled = __atomic_load_n(&v->stat->unhandled, __ATOMIC_RELAXED);
	stats->shut = __atomic_load_n(&v->shut, __ATOMIC_RELAXED);
	stats->fifo_priority = __atomic_load_n(&v->fifo_priority, __ATOMIC_RELAXED);
	stats->cpu = __atomic_load_n(&v->cpu, __ATOMIC_RELAXED);
	return 0;
}

/* At close: whatever the driver left requested ends here. */
void udrv__irqs_release(struct udrv_device *dev)
{
	struct udrv__irqs *irqs = dev->irqs;

	for (unsigned int i = 0; i < irqs->count; i++)
		while (irqs->vectors[i].actions)
			(void)udrv_free_irq(dev, (int)i, irqs->vectors[i].actions->dev_id);
	udrv_pci_free_irq_vectors(dev);
	pthread_mutex_destroy(&irqs->lock);
	free(irqs);
	dev->irqs = NULL;
}
