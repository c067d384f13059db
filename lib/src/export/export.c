// SPDX-License-Identifier: MIT
/* The exports of a daemon: started once the driver has probed, ended before it removes. */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <udrv/log.h>

#include "export/block_sync.h"
#include "export/export.h"
#include "export/ublk.h"
#include "export/watch.h"
#include "stat/segment.h"

#define NBD_QUEUES_MAX 4

/* A queue for each CPU that there is, as long as that helps. */
static unsigned int nbd_queues(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	return cpus < 1 ? 1 : cpus > NBD_QUEUES_MAX ? NBD_QUEUES_MAX : (unsigned int)cpus;
}

/* The first entry with that block, NULL: that is free; or -1. */
static int find(const struct udrv__exports *x, const struct udrv_block *block)
{
	for (unsigned int i = 0; i < UDRV__EXPORTS_MAX; i++)
		if (x->block[i] == block)
			return (int)i;
	return -1;
}

/* Readers of the statistics see a disk come or go. */
static void tell(const struct udrv__exports *x, unsigned int i,
		 void (*how)(const struct udrv_device *dev, const char *name))
{
	char path[UDRV__UBLK_PATH_MAX];

	if (!x->ublk[i])
		return;
	udrv__ublk_path(path, 'b', x->ublk[i]->id);
	how(x->dev, path);
}

/* 0 or negative errno, explained. */
static int start_one(struct udrv__exports *x, struct udrv_block *b)
{
	const struct udrv__export_options *o = &x->options;
	const int at = find(x, NULL);
	int ret;

	if (at < 0) {
		udrv_dev_err(x->dev, "more than %d block devices", UDRV__EXPORTS_MAX);
		return -E2BIG;
	}
	if (o->ublk)
		ret = udrv__ublk_start(b, udrv_device_name(x->dev),
				       o->ublk_id < 0 ? -1 : o->ublk_id + at, x->ended_fd,
				       &x->ublk[at]);
	else
		ret = udrv__block_sync_start(b, nbd_queues(), &x->nbd[at]);
	if (ret) {
		udrv_dev_err(x->dev, "%s: cannot be exported: %s", b->name, strerror(-ret));
		return ret;
	}
	x->block[at] = b;
	tell(x, (unsigned int)at, udrv__stat_export_add);
	if (x->count <= (unsigned int)at)
		x->count = (unsigned int)at + 1;
	return 0;
}

static void stop_one(struct udrv__exports *x, unsigned int i, bool gone)
{
	tell(x, i, udrv__stat_export_del);
	if (x->ublk[i] && gone)
		udrv__ublk_end(x->ublk[i]);
	else if (x->ublk[i] && !x->started)
		udrv__ublk_undo(x->ublk[i]);
	else if (x->ublk[i])
		udrv__ublk_stop(x->ublk[i]);
	if (x->nbd[i])
		udrv__block_sync_stop(x->nbd[i]);
	x->ublk[i] = NULL;
	x->nbd[i] = NULL;
	x->block[i] = NULL;
}

/* What the driver does later. */

static void added(void *ctx, struct udrv_block *block)
{
	(void)start_one(ctx, block);
}

static void resized(void *ctx, struct udrv_block *block)
{
	struct udrv__exports *x = ctx;
	const int at = find(x, block);

	if (at < 0)
		return;
	if (x->ublk[at])
		udrv__ublk_resize(x->ublk[at]);
	if (x->nbd[at])
		udrv__block_sync_resize(x->nbd[at]);
}

static void deleted(void *ctx, struct udrv_block *block)
{
	struct udrv__exports *x = ctx;
	const int at = find(x, block);

	if (at >= 0)
		stop_one(x, (unsigned int)at, true);
}

static const struct udrv__block_watch watch = {added, resized, deleted};

static void stop_all(struct udrv__exports *x)
{
	udrv__block_watch_set(NULL, NULL);
	while (x->count)
		stop_one(x, --x->count, false);
}

static int nothing_to_export(const struct udrv__exports *x)
{
	udrv_dev_err(x->dev,
		     "its driver has found no block device that could be exported; run it without "
		     "%s",
		     x->options.ublk ? "--ublk" : "--nbd");
	return -ENOENT;
}

static int start_each(struct udrv__exports *x)
{
	struct udrv_block *b = NULL;
	int ret = 0;

	while (!ret && (b = udrv_block_next(b)))
		ret = start_one(x, b);
	if (!ret && !x->count)
		ret = nothing_to_export(x);
	if (ret)
		stop_all(x);
	else
		udrv__block_watch_set(&watch, x);
	return ret;
}

static int start_blocks(struct udrv__exports *x)
{
	int ret = 0;

	udrv__block_changes_hold();
	if (x->options.ublk)
		ret = udrv__ublk_remove_strays(udrv_device_name(x->dev));
	if (!ret)
		ret = start_each(x);
	udrv__block_changes_release();
	if (!ret && x->options.nbd)
		udrv__stat_export_add(x->dev, x->options.nbd);
	return ret;
}

static void stop_blocks(struct udrv__exports *x)
{
	if (x->options.nbd)
		udrv__stat_export_del(x->dev, x->options.nbd);
	/* There is no other's watch that this could take away: a process is one daemon. */
	udrv__block_changes_hold();
	stop_all(x);
	udrv__block_changes_release();
}

int udrv__exports_start(struct udrv__exports *x, struct udrv_device *dev,
			const struct udrv__export_options *o)
{
	int ret = 0;

	*x = (struct udrv__exports){.ended_fd = -1, .dev = dev, .options = *o};
	if (!o->ublk && !o->nbd && !o->tap)
		return 0;
	x->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (x->ended_fd < 0) {
		udrv_dev_err(dev, "it cannot be exported: %s", strerror(errno));
		return -errno;
	}
	if (o->ublk || o->nbd)
		ret = start_blocks(x);
	if (!ret && o->tap)
		ret = udrv__exports_start_taps(x);
	x->started = !ret;
	if (ret)
		udrv__exports_stop(x);
	return ret;
}

void udrv__exports_stop(struct udrv__exports *x)
{
	if (x->ended_fd < 0)
		return;
	udrv__exports_stop_taps(x);
	stop_blocks(x);
	close(x->ended_fd);
	x->ended_fd = -1;
}
