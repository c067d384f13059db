// SPDX-License-Identifier: GPL-2.0-or-later
#include "stats.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver/daemon.h"
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
	unsigned int room = view->header->record_count;

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

static int add(struct stats *stats, const struct udrv__stat_view *view)
{
	struct stats_daemon *grown =
		reallocarray(stats->daemon, stats->count + 1, sizeof(*stats->daemon));
	struct stats_daemon *d;

	if (!grown)
		return -ENOMEM;
	stats->daemon = grown;
	d = &grown[stats->count++];
	memset(d, 0, sizeof(*d));
	d->header = *view->header;
	d->ns_per_cycle = udrv__stat_ns_per_cycle(view);
	d->now_ns = udrv__stat_now_ns();
	return read_vectors(d, view);
}

/* Segments of dead daemons, and of ones that end meanwhile, are none. */
static int read_file(struct stats *stats, const char *path, const char *device)
{
	struct udrv__stat_view view;
	int ret = udrv__stat_open(&view, path);

	if (ret == -ESTALE || ret == -ENOENT)
		return 0;
	if (ret) {
		tool_note("%s: %s", path,
			  ret == -EPROTO ? "written by another version of udrv" : strerror(-ret));
		return 0;
	}
	if (!device || !strcmp(device, view.header->device))
		ret = add(stats, &view);
	udrv__stat_close(&view);
	return ret;
}

static bool is_segment(const char *file)
{
	size_t len = strlen(file);
	size_t suffix = strlen(UDRV__STAT_SUFFIX);

	return len > suffix && !strcmp(file + len - suffix, UDRV__STAT_SUFFIX);
}

static int by_device(const void *a, const void *b)
{
	const struct stats_daemon *x = a;
	const struct stats_daemon *y = b;

	return strcmp(x->header.device, y->header.device);
}

static int read_dir(struct stats *stats, const char *path, const char *device)
{
	char file[UDRV__PATH_MAX * 2];
	struct dirent *entry;
	DIR *dir = opendir(path);
	int ret = 0;

	while (dir && !ret && (entry = readdir(dir))) {
		if (!is_segment(entry->d_name))
			continue;
		(void)snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		ret = read_file(stats, file, device);
	}
	if (dir)
		closedir(dir);
	if (ret)
		tool_err("%s: cannot be read: %s", path, strerror(-ret));
	else if (stats->count)
		qsort(stats->daemon, stats->count, sizeof(*stats->daemon), by_device);
	return ret;
}

int stats_read(struct stats *stats, const char *device)
{
	char dir[UDRV__PATH_MAX];
	int ret = udrv__rundir(dir, sizeof(dir));

	memset(stats, 0, sizeof(*stats));
	/* Files of somebody else could be cut short while they are read. */
	if (!ret && !access(dir, F_OK))
		ret = udrv__rundir_check(dir);
	if (!ret)
		ret = read_dir(stats, dir, device);
	if (ret)
		stats_free(stats);
	return ret;
}

void stats_free(struct stats *stats)
{
	for (size_t i = 0; i < stats->count; i++)
		free(stats->daemon[i].vector);
	free(stats->daemon);
	memset(stats, 0, sizeof(*stats));
}
