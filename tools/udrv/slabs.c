// SPDX-License-Identifier: GPL-2.0-or-later
#include "slabs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stat/segment.h"
#include "stats.h"

struct wanted {
	struct slabs *slabs;
	const struct show *show;
};

static int read_caches(struct slabs_daemon *d, const struct udrv__slab_view *view)
{
	d->cache = calloc(UDRV__SLAB_CACHES, sizeof(*d->cache));
	if (!d->cache)
		return -ENOMEM;
	for (unsigned int nr = 1; nr < UDRV__SLAB_CACHES; nr++)
		if (!udrv__slab_view_read(view, nr, &d->cache[d->count].is))
			d->cache[d->count++].nr = nr;
	return 0;
}

static void copy_name(char *to, const char *from, size_t size)
{
	memcpy(to, from, size);
	/* It may have changed since it was looked at. */
	to[size - 1] = 0;
	for (; *to; to++)
		if (*to < ' ' || *to > '~')
			*to = '?';
}

static int add(struct slabs *slabs, const struct udrv__slab_view *view)
{
	struct slabs_daemon *grown =
		reallocarray(slabs->daemon, slabs->count + 1, sizeof(*slabs->daemon));
	struct slabs_daemon *d;

	if (!grown)
		return -ENOMEM;
	slabs->daemon = grown;
	d = &grown[slabs->count++];
	*d = (struct slabs_daemon){
		.pid = view->header->pid,
		.start_ns = view->header->start_ns,
		.now_ns = udrv__stat_now_ns(),
	};
	copy_name(d->driver, view->header->driver, sizeof(d->driver));
	copy_name(d->device, view->header->device, sizeof(d->device));
	return read_caches(d, view);
}

static bool is_wanted(const struct show *show, const struct udrv__slab_header *h)
{
	return (!show->device || !strncmp(show->device, h->device, sizeof(h->device))) &&
	       (!show->driver || !strncmp(show->driver, h->driver, sizeof(h->driver)));
}

static int read_file(void *ctx, const char *path)
{
	const struct wanted *wanted = ctx;
	struct udrv__slab_view view;
	int ret = udrv__slab_view_open(&view, path);

	if (ret)
		return stats_not_opened(path, ret);
	if (is_wanted(wanted->show, view.header))
		ret = add(wanted->slabs, &view);
	udrv__slab_view_close(&view);
	return ret;
}

static int by_device(const void *a, const void *b)
{
	const struct slabs_daemon *x = a;
	const struct slabs_daemon *y = b;

	return strcmp(x->device, y->device);
}

int slabs_read(struct slabs *slabs, const struct show *show)
{
	struct wanted wanted = {slabs, show};
	int ret;

	memset(slabs, 0, sizeof(*slabs));
	ret = stats_each_file(UDRV__SLAB_STAT_SUFFIX, read_file, &wanted);
	if (ret)
		slabs_free(slabs);
	else if (slabs->count)
		qsort(slabs->daemon, slabs->count, sizeof(*slabs->daemon), by_device);
	return ret;
}

void slabs_free(struct slabs *slabs)
{
	for (size_t i = 0; i < slabs->count; i++)
		free(slabs->daemon[i].cache);
	free(slabs->daemon);
	memset(slabs, 0, sizeof(*slabs));
}
