// SPDX-License-Identifier: MIT
/* A verb on a device that no daemon drives: this program does, for as long as the verb runs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <udrv/device.h>
#include <udrv/log.h>
#include <udrv/pci_info.h>

#include "driver/daemon.h"
#include "pci/device.h"

#define STOP_GRACE_MS 3000

struct search {
	const struct udrv_driver *drv;
	int found;
	char name[UDRV_PCI_NAME_MAX];
	char list[512];
};

static int look_at(const struct udrv_pci_info *info, void *ctx)
{
	struct search *s = ctx;
	size_t len = strlen(s->list);

	if (!udrv__match_info(s->drv->id_table, info) || !udrv__device_has_backend(info))
		return 0;
	strcpy(s->name, info->name);
	s->found++;
	(void)snprintf(s->list + len, sizeof(s->list) - len, " %s", info->name);
	return 0;
}

/* The only device that may be meant. */
static int find_device(const struct udrv_driver *drv, char *name, size_t size)
{
	struct search s = {.drv = drv};
	int ret = udrv_pci_for_each(look_at, &s);

	if (ret < 0) {
		udrv_pr_err("cannot look for devices: %s", strerror(-ret));
		return ret;
	}
	if (!s.found)
		udrv_pr_err("no daemon of this driver is running, and no device that it drives is "
			    "bound to vfio-pci, udrv_stub or uio_pci_generic; run: udrv bind "
			    "DEVICE (see 'udrv list')");
	else if (s.found > 1)
		udrv_pr_err("no daemon of this driver is running, and several devices could be "
			    "meant; choose one by --device:%s",
			    s.list);
	if (s.found != 1)
		return s.found ? -EINVAL : -ENODEV;
	(void)snprintf(name, size, "%s", s.name);
	return 0;
}

static int run(const struct udrv_driver *drv, struct udrv_device *dev, const struct udrv_verb *v,
	       const struct udrv__verb_call *call, int argc, char **argv)
{
	int ret = udrv_driver_probe(drv, dev);

	if (ret) {
		udrv_dev_err(dev, "driver %s cannot drive it: %s", drv->name, strerror(-ret));
		return ret;
	}
	udrv__verb_begin(call);
	ret = v->run(dev, argc, argv, stdout, stderr);
	udrv__verb_end();
	udrv_driver_remove(drv, dev);
	return ret;
}

static int probe_and_run(const struct udrv_driver *drv, struct udrv_device *dev,
			 const struct udrv_verb *v, int argc, char **argv)
{
	struct udrv__verb_call call = {udrv__block_signals(), STDOUT_FILENO, -1};
	struct udrv__cut cut = {
		.dev = dev,
		.state = "the verb is still running",
		.stop_fd = call.stop_fd,
		.grace_ms = STOP_GRACE_MS,
	};
	int ret = call.stop_fd < 0 ? call.stop_fd
				   : udrv__verb_data_open(v, argc, argv, &call.data_fd);

	if (ret)
		goto out_signals;
	ret = udrv__cut_begin(&cut);
	if (ret) {
		udrv_dev_err(dev, "%s: cannot be run: %s", v->name, strerror(-ret));
		goto out_data;
	}
	ret = run(drv, dev, v, &call, argc, argv);
	udrv__cut_end(&cut);
out_data:
	if (call.data_fd >= 0)
		close(call.data_fd);
out_signals:
	if (call.stop_fd >= 0)
		close(call.stop_fd);
	return ret;
}

int udrv__alone_call(const struct udrv_driver *drv, const struct udrv_verb *v, const char *device,
		     int argc, char **argv)
{
	char name[UDRV_DEVICE_NAME_MAX];
	struct udrv_device *dev;
	int lock_fd;
	int ret;

	udrv__log_to_stderr(drv, UDRV_LOG_NOTICE);
	ret = device ? udrv__device_name(device, name, sizeof(name))
		     : find_device(drv, name, sizeof(name));
	if (!ret)
		ret = udrv__match_name(drv, name);
	if (!ret)
		ret = udrv__rundir_make();
	if (!ret)
		ret = udrv__lock_device(name, drv->name, &lock_fd);
	if (ret)
		return EXIT_FAILURE;
	ret = udrv_device_open(name, NULL, &dev);
	if (!ret) {
		ret = probe_and_run(drv, dev, v, argc, argv);
		udrv_device_close(dev);
	}
	close(lock_fd);
	return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}
