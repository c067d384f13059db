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

#define NBD_QUEUES_MAX 4

/* A queue for each CPU that there is, as long as that helps. */
static unsigned int nbd_queues(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	return cpus < 1 ? 1 : cpus > NBD_QUEUES_MAX ? NBD_QUEUES_MAX : (unsigned int)cpus;
}

static int start_each(struct udrv__exports *x, const struct udrv_device *dev,
		      const struct udrv__export_options *o)
{
	for (struct udrv_block *b = udrv_block_next(NULL); b; b = udrv_block_next(b)) {
		int id = o->ublk_id < 0 ? -1 : o->ublk_id + (int)x->count;
		int ret;

		if (x->count == UDRV__EXPORTS_MAX) {
			udrv_dev_err(dev, "more than %d block devices", UDRV__EXPORTS_MAX);
			return -E2BIG;
		}
		if (o->ublk)
			ret = udrv__ublk_start(b, udrv_device_name(dev), id, x->ended_fd,
					       &x->ublk[x->count]);
		else
			ret = udrv__block_sync_start(b, nbd_queues(), &x->nbd[x->count]);
		if (ret) {
			udrv_dev_err(dev, "%s: cannot be exported: %s", b->name, strerror(-ret));
			return ret;
		}
		x->count++;
	}
	return 0;
}

int udrv__exports_start(struct udrv__exports *x, struct udrv_device *dev,
			const struct udrv__export_options *o)
{
	int ret;

	*x = (struct udrv__exports){.ended_fd = -1};
	if (!o->ublk && !o->nbd)
		return 0;
	if (!udrv_block_next(NULL)) {
		udrv_dev_err(dev,
			     "its driver has found no block device that could be exported; "
			     "run it without %s",
			     o->ublk ? "--ublk" : "--nbd");
		return -ENOENT;
	}
	x->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (x->ended_fd < 0) {
		udrv_dev_err(dev, "it cannot be exported: %s", strerror(errno));
		return -errno;
	}
	ret = start_each(x, dev, o);
	if (ret)
		udrv__exports_stop(x);
	return ret;
}

void udrv__exports_stop(struct udrv__exports *x)
{
	while (x->count) {
		struct udrv__ublk **ublk = &x->ublk[--x->count];
		struct udrv__block_sync **nbd = &x->nbd[x->count];

		if (*ublk)
			udrv__ublk_stop(*ublk);
		if (*nbd)
			udrv__block_sync_stop(*nbd);
		*ublk = NULL;
		*nbd = NULL;
	}
	if (x->ended_fd >= 0)
		close(x->ended_fd);
	x->ended_fd = -1;
}
