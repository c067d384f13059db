// SPDX-License-Identifier: MIT
/* Vectors and their records in the statistics. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "irq/irq.h"

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

	names[0] = 0;
	for (; a && len < size; a = a->next)
		len += (size_t)snprintf(names + len, size - len, "%s%s", len ? ", " : "", a->name);
}

void udrv__irq_describe(struct udrv__vector *v)
{
	struct udrv__stat_worker worker = {
		.type = v->dev->irqs->type,
		.nr = v->nr,
		.cpu = v->cpu,
		.fifo_priority = v->fifo_priority,
		.tid = v->actions ? (uint32_t)v->tid : 0,
	};

	(void)snprintf(worker.wait, sizeof(worker.wait), "%s",
		       udrv__wait_strategies[v->options.wait].name);
	join_names(worker.names, sizeof(worker.names), v->actions);
	udrv__stat_describe(v->stat, &worker);
}
