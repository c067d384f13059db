// SPDX-License-Identifier: MIT
/* Vectors and their records in the statistics. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "irq/irq.h"

/* A record's description has one writer at a time: workers write it, and whoever gives orders. */
static pthread_mutex_t describing = PTHREAD_MUTEX_INITIALIZER;

/* In the daemon's segment if all have room there, else in memory of their own. */
int udrv__irq_stats_init(struct udrv_device *dev, struct udrv__vector *vectors, unsigned int count)
{
	struct udrv__stat_vector *own = NULL;
	bool shared = udrv__stat_record(dev->stats, count - 1);

	if (!shared) {
		own = calloc(count, sizeof(*own));
		if (!own)
			return -ENOMEM;
	}
	vectors[0].own_stats = own;
	for (unsigned int i = 0; i < count; i++) {
		vectors[i].stat = shared ? udrv__stat_record(dev->stats, i) : &own[i];
		udrv__stat_begin(vectors[i].stat);
	}
	return 0;
}

void udrv__irq_stats_free(struct udrv__vector *vectors)
{
	free(vectors[0].own_stats);
}

void udrv__irq_stats_show(const struct udrv_device *dev, const struct udrv__vector *vectors,
			  unsigned int count)
{
	udrv__stat_set_vectors(dev->stats, vectors && vectors[0].own_stats ? 0 : count);
}

static void join_names(char *names, size_t size, const struct udrv__action *a)
{
	size_t len = 0;

	memset(names, 0, size);
	for (; a && len < size; a = a->next)
		len += (size_t)snprintf(names + len, size - len, "%s%s", len ? ", " : "", a->name);
}

void udrv__irq_describe_actions(struct udrv__vector *v)
{
	struct udrv__stat_worker now;

	pthread_mutex_lock(&describing);
	now = v->stat->worker;
	join_names(now.names, sizeof(now.names), v->actions);
	udrv__stat_describe(v->stat, &now);
	pthread_mutex_unlock(&describing);
}

/* Where it had to do without its own, what it waits with. */
static const char *wait_name(const struct udrv__irq_worker *w, enum udrv_wait wait, bool served)
{
	const struct udrv__wait_strategy *s = &udrv__wait_strategies[wait];

	return served && s->ops && w->ops != s->ops ? w->ops->name : s->name;
}

void udrv__irq_describe_worker(struct udrv__vector *v, struct udrv__irq_worker *w, bool served)
{
	struct udrv_irq_options options;
	struct udrv__stat_worker now;

	udrv__worker_get_options(w, &options);
	pthread_mutex_lock(&describing);
	now = v->stat->worker;
	now.type = v->dev->irqs->type;
	now.nr = v->nr;
	now.tid = served ? (uint32_t)w->tid : 0;
	now.cpu = __atomic_load_n(&w->cpu, __ATOMIC_RELAXED);
	now.fifo_priority = __atomic_load_n(&w->fifo_priority, __ATOMIC_RELAXED);
	memset(now.wait, 0, sizeof(now.wait));
	(void)snprintf(now.wait, sizeof(now.wait), "%s", wait_name(w, options.wait, served));
	udrv__stat_describe(v->stat, &now);
	pthread_mutex_unlock(&describing);
}
