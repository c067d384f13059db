// SPDX-License-Identifier: MIT
/* Allocating a device's vectors. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "irq/irq.h"

static const char *const type_names[UDRV__IRQ_TYPES] = {
	[UDRV__IRQ_INTX] = "INTx",
	[UDRV__IRQ_MSI] = "MSI",
	[UDRV__IRQ_MSIX] = "MSI-X",
};

int udrv__irqs_init(struct udrv_device *dev)
{
	struct udrv__irqs *irqs = calloc(1, sizeof(*irqs));

	if (!irqs)
		return -ENOMEM;
	pthread_mutex_init(&irqs->lock, NULL);
	pthread_cond_init(&irqs->idle, NULL);
	dev->irqs = irqs;
	return 0;
}

static void free_vectors(struct udrv__vector *vectors, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		udrv__worker_leave(vectors[i].worker);
		close(vectors[i].efd);
	}
	udrv__irq_stats_free(vectors);
	free(vectors);
}

static int init_vector(struct udrv__vector *v, struct udrv_device *dev, enum udrv__irq_type type,
		       unsigned int nr)
{
	static const struct udrv_irq_options options = UDRV_IRQ_OPTIONS_DEFAULT;

	v->efd = eventfd(0, EFD_CLOEXEC);
	if (v->efd < 0)
		return -errno;
	v->worker = udrv__worker_new(&options);
	if (!v->worker) {
		close(v->efd);
		return -ENOMEM;
	}
	v->dev = dev;
	v->nr = nr;
	v->level = type == UDRV__IRQ_INTX;
	v->storm_limit = v->level ? UDRV_STORM_LIMIT_INTX : 0;
	udrv__vector_init(v);
	return 0;
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
		*ret = init_vector(&vectors[i], dev, type, i);
		if (*ret) {
			free_vectors(vectors, i);
			return NULL;
		}
	}
	return vectors;
}

static int enable_vectors(struct udrv_device *dev, enum udrv__irq_type type,
			  const struct udrv__vector *vectors, unsigned int count)
{
	int *fds = count ? calloc(count, sizeof(*fds)) : NULL;
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
	for (unsigned int i = 0; dev->ops->irq_count && i < count; i++)
		vectors[i].counts = dev->ops->irq_count(dev, i);
	irqs->type = type;
	irqs->vectors = vectors;
	irqs->count = count;
	for (unsigned int i = 0; i < count; i++)
		udrv__irq_describe_worker(&vectors[i], vectors[i].worker, false);
	udrv__irq_stats_show(dev, vectors, count);
	udrv_dev_dbg(dev, "%u %s vectors on", count, type_names[type]);
	return 0;
}

/*
 * How many to try next, below count: what the kernel says that there are, or, where it only says
 * that those are too many (-ENOSPC of vfio-pci), an eighth fewer. Never the same number again. Or
 * the error.
 */
static int fewer(unsigned int count, int ret)
{
	if (ret == -ENOSPC)
		return (int)(count - (count + 7) / 8);
	if (ret < 0)
		return ret;
	return (unsigned int)ret < count ? ret : (int)count - 1;
}

/* As many vectors of a type as can be had: fewer if the kernel is short of them. */
static int alloc_most(struct udrv_device *dev, enum udrv__irq_type type, unsigned int min,
		      unsigned int max)
{
	unsigned int count = dev->irq_counts[type] < max ? dev->irq_counts[type] : max;

	while (count && count >= min) {
		int ret = alloc_type(dev, type, count);

		if (!ret)
			return (int)count;
		ret = fewer(count, ret);
		if (ret < 0)
			return ret;
		/* The fewest that will do are tried before it is given up. */
		count = (unsigned int)ret < min && count > min ? min : (unsigned int)ret;
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
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		int got =
			flags & order[i].flag ? alloc_most(dev, order[i].type, min, max) : -ENOSPC;

		if (got > 0)
			return got;
		/* That there are none of a type says the least. */
		if (ret == -ENOSPC)
			ret = got;
	}
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
	struct udrv__vector *vectors;
	unsigned int count;

	pthread_mutex_lock(&irqs->lock);
	for (unsigned int i = 0; i < irqs->count; i++) {
		const struct udrv__vector *v = &irqs->vectors[i];

		if (v->actions || v->busy) {
			udrv_dev_err(dev, "vectors not freed: irq %u is still requested by %s", i,
				     v->actions ? v->actions->name : "who is freeing it");
			pthread_mutex_unlock(&irqs->lock);
			return;
		}
	}
	if (irqs->count) {
		(void)dev->ops->irq_disable(dev, irqs->type);
		udrv__irq_stats_show(dev, irqs->vectors, 0);
	}
	vectors = irqs->vectors;
	count = irqs->count;
	irqs->vectors = NULL;
	irqs->count = 0;
	pthread_mutex_unlock(&irqs->lock);
	/* Without the lock: a worker that they share may be changed by others. */
	if (count)
		free_vectors(vectors, count);
}

bool udrv__irqs_are_own(struct udrv_device *dev)
{
	bool own = false;

	for (unsigned int i = 0; i < dev->irqs->count && !own; i++)
		own = udrv__vector_is_own(&dev->irqs->vectors[i]);
	return own;
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
	pthread_cond_destroy(&irqs->idle);
	free(irqs);
	dev->irqs = NULL;
}
