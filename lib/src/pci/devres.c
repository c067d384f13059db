// SPDX-License-Identifier: MIT
/* Managed resources: a list per device, the newest first. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/device.h>
#include <udrv/devres.h>

#include "pci/device.h"

struct udrv__devres {
	struct udrv__devres *next; /* acquired before this one */
	void (*release)(struct udrv_device *dev, struct udrv__devres *res);
	void (*action)(void *data);
	void *data; /* the action's, the irq's dev_id, or mem */
	int irq;
	max_align_t mem[];
};

static struct udrv__devres *make(void (*release)(struct udrv_device *, struct udrv__devres *),
				 void (*action)(void *), void *data, int irq)
{
	struct udrv__devres *res = malloc(sizeof(*res));

	if (res)
		*res = (struct udrv__devres){NULL, release, action, data, irq};
	return res;
}

static void add(struct udrv_device *dev, struct udrv__devres *res)
{
	pthread_mutex_lock(&dev->devres_lock);
	res->next = dev->devres;
	dev->devres = res;
	pthread_mutex_unlock(&dev->devres_lock);
}

static bool same(const struct udrv__devres *a, const struct udrv__devres *b)
{
	return a->release == b->release && a->action == b->action && a->data == b->data &&
	       a->irq == b->irq;
}

/* The newest like this one, off the list: the caller's; or NULL. */
static struct udrv__devres *take(struct udrv_device *dev, const struct udrv__devres *like)
{
	struct udrv__devres **link = &dev->devres;
	struct udrv__devres *res;

	pthread_mutex_lock(&dev->devres_lock);
	while (*link && !same(*link, like))
		link = &(*link)->next;
	res = *link;
	if (res)
		*link = res->next;
	pthread_mutex_unlock(&dev->devres_lock);
	return res;
}

static struct udrv__devres *take_newest(struct udrv_device *dev)
{
	struct udrv__devres *res;

	pthread_mutex_lock(&dev->devres_lock);
	res = dev->devres;
	if (res)
		dev->devres = res->next;
	pthread_mutex_unlock(&dev->devres_lock);
	return res;
}

void udrv__devres_release(struct udrv_device *dev)
{
	struct udrv__devres *res;

	/* One by one: a release may free older ones early. */
	while ((res = take_newest(dev))) {
		res->release(dev, res);
		free(res);
	}
}

/* Actions. */

static void call_action(struct udrv_device *dev, struct udrv__devres *res)
{
	(void)dev;
	res->action(res->data);
}

int udrv_devm_add_action(struct udrv_device *dev, void (*action)(void *data), void *data)
{
	struct udrv__devres *res;

	if (!action)
		return -EINVAL;
	res = make(call_action, action, data, 0);
	if (!res)
		return -ENOMEM;
	add(dev, res);
	return 0;
}

int udrv_devm_add_action_or_reset(struct udrv_device *dev, void (*action)(void *data), void *data)
{
	int ret = udrv_devm_add_action(dev, action, data);

	if (ret && action)
		action(data);
	return ret;
}

int udrv_devm_remove_action(struct udrv_device *dev, void (*action)(void *data), void *data)
{
	const struct udrv__devres like = {.release = call_action, .action = action, .data = data};
	struct udrv__devres *res = take(dev, &like);

	free(res);
	return res ? 0 : -ENOENT;
}

/* Memory. */

static void release_memory(struct udrv_device *dev, struct udrv__devres *res)
{
	(void)dev;
	(void)res; /* it is inside */
}

void *udrv_devm_kmalloc(struct udrv_device *dev, size_t size, udrv_gfp_t gfp)
{
	struct udrv__devres *res;
	size_t total;

	if (!(gfp & UDRV_GFP_KERNEL) || __builtin_add_overflow(sizeof(*res), size, &total))
		return NULL;
	res = malloc(total);
	if (!res)
		return NULL;
	*res = (struct udrv__devres){.release = release_memory, .data = res->mem};
	add(dev, res);
	return res->mem;
}

void *udrv_devm_kzalloc(struct udrv_device *dev, size_t size, udrv_gfp_t gfp)
{
	void *p = udrv_devm_kmalloc(dev, size, gfp);

	return p ? memset(p, 0, size) : NULL;
}

void udrv_devm_kfree(struct udrv_device *dev, const void *p)
{
	const struct udrv__devres like = {.release = release_memory, .data = (void *)(uintptr_t)p};
	struct udrv__devres *res;

	if (!p)
		return;
	res = take(dev, &like);
	if (!res)
		udrv_dev_err(dev, "memory %p not freed: it is not managed, or was freed before", p);
	free(res);
}

/* Interrupts. */

static void release_irq(struct udrv_device *dev, struct udrv__devres *res)
{
	int ret = udrv_free_irq(dev, res->irq, res->data);

	if (ret)
		udrv_dev_err(dev,
			     "irq %d, which is managed, cannot be freed: %s; was it freed by "
			     "udrv_free_irq()?",
			     res->irq, strerror(-ret));
}

int udrv_devm_request_threaded_irq(struct udrv_device *dev, int irq, udrv_irq_handler_t handler,
				   udrv_irq_handler_t thread_fn, unsigned int flags,
				   const char *name, void *dev_id)
{
	struct udrv__devres *res = make(release_irq, NULL, dev_id, irq);
	int ret;

	if (!res)
		return -ENOMEM;
	ret = udrv_request_threaded_irq(dev, irq, handler, thread_fn, flags,
					name ? name : udrv_device_name(dev), dev_id);
	if (ret)
		free(res);
	else
		add(dev, res);
	return ret;
}

int udrv_devm_free_irq(struct udrv_device *dev, int irq, void *dev_id)
{
	const struct udrv__devres like = {.release = release_irq, .data = dev_id, .irq = irq};
	struct udrv__devres *res = take(dev, &like);
	int ret;

	if (!res)
		return -EINVAL;
	ret = udrv_free_irq(dev, irq, dev_id);
	if (ret == -EDEADLK)
		add(dev, res); /* now the first to be released, which is safe for a handler */
	else
		free(res);
	return ret;
}
