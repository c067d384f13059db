// SPDX-License-Identifier: GPL-2.0-or-later
#include "stats.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver/daemon.h"
#include "holder.h"
#include "tool.h"

/* What the scheduler says that a thread has run, 0 if it says nothing. */
static unsigned long long cpu_of(unsigned int pid, unsigned int tid)
{
	unsigned long long ns = 0;
	char path[128];
	char line[128];
	FILE *f;

	if (!tid)
		return 0;
	(void)snprintf(path, sizeof(path), "%s/%u/task/%u/schedstat", tool_proc_root, pid, tid);
	f = fopen(path, "re");
	if (f && fgets(line, sizeof(line), f))
		ns = strtoull(line, NULL, 10);
	if (f)
		(void)fclose(f);
	return ns;
}

static int read_vectors(struct stats_daemon *d, const struct udrv__stat_view *view)
{
	size_t room = udrv__stat_room(view->size);

	d->vector = calloc(room, sizeof(*d->vector));
	if (!d->vector)
		return -ENOMEM;
	for (; d->count < room; d->count++) {
		struct stats_vector *v = &d->vector[d->count];

		if (udrv__stat_read(view, d->count, &v->record))
			break;
		v->cpu_ns = cpu_of(d->header.pid, v->record.worker.tid);
	}
	return 0;
}

/* One more, all zero, or NULL. */
static struct stats_daemon *grow(struct stats *stats)
{
	struct stats_daemon *grown =
		reallocarray(stats->daemon, stats->count + 1, sizeof(*stats->daemon));

	if (!grown)
		return NULL;
	stats->daemon = grown;
	return memset(&grown[stats->count++], 0, sizeof(*grown));
}

static int add(struct stats *stats, const struct udrv__stat_view *view)
{
	struct stats_daemon *d = grow(stats);

	if (!d)
		return -ENOMEM;
	d->header = *view->header;
	/* It may have changed since it was looked at. */
	d->header.driver[sizeof(d->header.driver) - 1] = 0;
	d->header.device[sizeof(d->header.device) - 1] = 0;
	d->header.backend[sizeof(d->header.backend) - 1] = 0;
	d->exports_known = !udrv__stat_exports(view, d->header.exports);
	d->ns_per_cycle = udrv__stat_ns_per_cycle(view);
	d->now_ns = udrv__stat_now_ns();
	return read_vectors(d, view);
}

struct wanted {
	struct stats *stats;
	const char *device;
};

static int read_file(void *ctx, const char *path)
{
	const struct wanted *wanted = ctx;
	struct udrv__stat_view view;
	int ret = udrv__stat_open(&view, path);

	if (ret)
		return stats_not_opened(path, ret);
	if (!wanted->device ||
	    !strncmp(wanted->device, view.header->device, sizeof(view.header->device)))
		ret = add(wanted->stats, &view);
	udrv__stat_close(&view);
	return ret;
}

/* One whose device has gone since its statistics were read is no second daemon. */
static bool is_read(const struct stats *stats, pid_t pid)
{
	for (size_t i = 0; i < stats->count; i++)
		if (stats->daemon[i].header.pid == (uint32_t)pid)
			return true;
	return false;
}

static int add_waiting(struct stats *stats, const struct holder *h)
{
	const char *driver = holder_driver(h);
	struct stats_daemon *d;

	if (!h->waiting || !driver || is_read(stats, h->pid))
		return 0;
	d = grow(stats);
	if (!d)
		return -ENOMEM;
	(void)snprintf(d->header.driver, sizeof(d->header.driver), "%s", driver);
	(void)snprintf(d->header.device, sizeof(d->header.device), "%s", h->device);
	d->header.pid = (uint32_t)h->pid;
	d->waiting = true;
	d->exports_known = true;
	return 0;
}

static int read_holder(void *ctx, const char *path)
{
	const struct wanted *wanted = ctx;
	const char *file = strrchr(path, '/') + 1;
	const int len = (int)strlen(file) - (int)strlen(UDRV__LOCK_SUFFIX);
	char device[UDRV_DEVICE_NAME_MAX];
	struct holder h;
	int ret;

	(void)snprintf(device, sizeof(device), "%.*s", len, file);
	if ((wanted->device && strcmp(wanted->device, device) != 0) || holder_find(&h, device))
		return 0;
	ret = add_waiting(wanted->stats, &h);
	close(h.pidfd);
	return ret;
}

static int by_device(const void *a, const void *b)
{
	const struct stats_daemon *x = a;
	const struct stats_daemon *y = b;

	return strcmp(x->header.device, y->header.device);
}

/* In the order of their devices, or none after an error. */
static int finish(struct stats *stats, int ret)
{
	if (ret)
		stats_free(stats);
	else if (stats->count)
		qsort(stats->daemon, stats->count, sizeof(*stats->daemon), by_device);
	return ret;
}

static int read_segments(struct stats *stats, const char *device)
{
	struct wanted wanted = {stats, device};

	memset(stats, 0, sizeof(*stats));
	return stats_each_file(UDRV__STAT_SUFFIX, read_file, &wanted);
}

int stats_read(struct stats *stats, const char *device)
{
	return finish(stats, read_segments(stats, device));
}

int stats_read_all(struct stats *stats, const char *device)
{
	struct wanted wanted = {stats, device};
	int ret = read_segments(stats, device);

	if (!ret)
		ret = stats_each_file(UDRV__LOCK_SUFFIX, read_holder, &wanted);
	return finish(stats, ret);
}

void stats_free(struct stats *stats)
{
	for (size_t i = 0; i < stats->count; i++)
		free(stats->daemon[i].vector);
	free(stats->daemon);
	memset(stats, 0, sizeof(*stats));
}
