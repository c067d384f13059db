// SPDX-License-Identifier: MIT
/* Managed resources: a list per device, the newest first. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/device.h>
#include <udrv/devres.h>

#include "mem/lock.h"
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

/* Under the lock. */
static void add_locked(struct udrv_device *dev, struct udrv__devres *res)
{
	res->next = dev->devres;
	dev->devres = res;
}

static void add(struct udrv_device *dev, struct udrv__devres *res)
{
	udrv__mem_lock(&dev->devres_lock);
	add_locked(dev, res);
	udrv__mem_unlock(&dev->devres_lock);
}

static bool same(const struct udrv__devres *a, const struct udrv__devres *b)
{
	return a->release == b->release && a->action == b->action && a->data == b->data &&
	       a->irq == b->irq;
}

/* Under the lock: where the newest like this one is linked, or the list ends. */
static struct udrv__devres **find(struct udrv_device *dev, const struct udrv__devres *like)
{
	struct udrv__devres **link = &dev->devres;

	while (*link && !same(*link, like))
		link = &(*link)->next;
	return link;
}

/* The newest like this one, off the list: the caller's; or NULL. */
static struct udrv__devres *take(struct udrv_device *dev, const struct udrv__devres *like)
{
	struct udrv__devres **link;
	struct udrv__devres *res;

	udrv__mem_lock(&dev->devres_lock);
	link = find(dev, like);
	res = *link;
	if (res)
		*link = res->next;
	udrv__mem_unlock(&dev->devres_lock);
	return res;
}

static struct udrv__devres *take_newest(struct udrv_device *dev)
{
	struct udrv__devres *res;

	udrv__mem_lock(&dev->devres_lock);
	res = dev->devres;
	if (res)
		dev->devres = res->next;
	udrv__mem_unlock(&dev->devres_lock);
	return res;
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

/* Memory: a record and what follows it are one block of kmalloc's. */

static void release_memory(struct udrv_device *dev, struct udrv__devres *res)
{
	(void)dev;
	(void)res; /* it is inside */
}

static void free_record(struct udrv__devres *res)
{
	if (res && res->release == release_memory)
		udrv_kfree(res);
	else
		free(res);
}

static struct udrv__devres *make_memory(size_t size, udrv_gfp_t gfp)
{
	struct udrv__devres *res;
	size_t total;

	if (__builtin_add_overflow(sizeof(*res), size, &total))
		return NULL;
	res = udrv_kmalloc(total, gfp);
	if (res)
		*res = (struct udrv__devres){.release = release_memory, .data = res->mem};
	return res;
}

static struct udrv__devres memory_like(const void *p)
{
	return (struct udrv__devres){.release = release_memory, .data = (void *)(uintptr_t)p};
}

void *udrv_devm_kmalloc(struct udrv_device *dev, size_t size, udrv_gfp_t gfp)
{
	struct udrv__devres *res;

	if (!size)
		return UDRV_ZERO_SIZE_PTR;
	res = make_memory(size, gfp);
	if (!res)
		return NULL;
	if (gfp & UDRV_GFP_ATOMIC && !udrv__mem_trylock(&dev->devres_lock)) {
		udrv_kfree(res);
		return NULL;
	}
	if (!(gfp & UDRV_GFP_ATOMIC))
		udrv__mem_lock(&dev->devres_lock);
	add_locked(dev, res);
	udrv__mem_unlock(&dev->devres_lock);
	return res->mem;
}

void *udrv_devm_kzalloc(struct udrv_device *dev, size_t size, udrv_gfp_t gfp)
{
	void *p = udrv_devm_kmalloc(dev, size, gfp);

	return p && size ? memset(p, 0, size) : p;
}

static void complain(const struct udrv_device *dev, const void *p, const char *what)
{
	udrv_dev_err(dev, "memory %p not %s: it is not managed, or was freed before", p, what);
}

void udrv_devm_kfree(struct udrv_device *dev, const void *p)
{
	const struct udrv__devres like = memory_like(p);
	struct udrv__devres *res;

	if (UDRV_ZERO_OR_NULL_PTR(p))
		return;
	res = take(dev, &like);
	if (!res)
		complain(dev, p, "freed");
	free_record(res);
}

/* How many bytes at p there are; 0 if it is not managed. */
static size_t memory_size(struct udrv_device *dev, const void *p)
{
	const struct udrv__devres like = memory_like(p);
	struct udrv__devres *res;

	udrv__mem_lock(&dev->devres_lock);
	res = *find(dev, &like);
	udrv__mem_unlock(&dev->devres_lock);
	return res ? udrv_ksize(res) - sizeof(*res) : 0;
}

/* Put another one in its place, so that the order stays. Whether it was there. */
static bool replace_memory(struct udrv_device *dev, const void *p, struct udrv__devres *by)
{
	const struct udrv__devres like = memory_like(p);
	struct udrv__devres **link;
	struct udrv__devres *res;

	udrv__mem_lock(&dev->devres_lock);
	link = find(dev, &like);
	res = *link;
	if (res) {
		by->next = res->next;
		*link = by;
	}
	udrv__mem_unlock(&dev->devres_lock);
	free_record(res);
	return res;
}

void *udrv_devm_krealloc(struct udrv_device *dev, void *p, size_t new_size, udrv_gfp_t gfp)
{
	struct udrv__devres *res;
	size_t size;

	if (!new_size) {
		udrv_devm_kfree(dev, p);
		return UDRV_ZERO_SIZE_PTR;
	}
	if (UDRV_ZERO_OR_NULL_PTR(p))
		return udrv_devm_kmalloc(dev, new_size, gfp);
	size = memory_size(dev, p);
	if (!size)
		complain(dev, p, "resized");
	if (new_size <= size)
		return p;
	res = size ? make_memory(new_size, gfp) : NULL;
	if (!res)
		return NULL;
	memcpy(res->mem, p, size);
	if (replace_memory(dev, p, res))
		return res->mem;
	udrv_kfree(res);
	return NULL;
}

void *udrv_devm_kmemdup(struct udrv_device *dev, const void *src, size_t len, udrv_gfp_t gfp)
{
	void *p = udrv_devm_kmalloc(dev, len, gfp);

	if (p && len)
		memcpy(p, src, len);
	return p;
}

char *udrv_devm_kstrdup(struct udrv_device *dev, const char *s, udrv_gfp_t gfp)
{
	return s ? udrv_devm_kmemdup(dev, s, strlen(s) + 1, gfp) : NULL;
}

char *udrv_devm_kvasprintf(struct udrv_device *dev, udrv_gfp_t gfp, const char *fmt, va_list args)
{
	va_list again;
	char *p;
	int len;

	va_copy(again, args);
	len = vsnprintf(NULL, 0, fmt, args);
	p = len < 0 ? NULL : udrv_devm_kmalloc(dev, (size_t)len + 1, gfp);
	if (p)
		(void)vsnprintf(p, (size_t)len + 1, fmt, again);
	va_end(again);
	return p;
}

char *udrv_devm_kasprintf(struct udrv_device *dev, udrv_gfp_t gfp, const char *fmt, ...)
{
	va_list args;
	char *p;

	va_start(args, fmt);
	p = udrv_devm_kvasprintf(dev, gfp, fmt, args);
	va_end(args);
	return p;
}

void udrv__devres_release(struct udrv_device *dev)
{
	struct udrv__devres *res;

	/* One by one: a release may free older ones early. */
	while ((res = take_newest(dev))) {
		res->release(dev, res);
		free_record(res);
	}
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
