// SPDX-License-Identifier: MIT
/* The parts of a daemon, for whichever main loop: take the device, probe, serve, remove. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <udrv/device.h>
#include <udrv/log.h>

#include "driver/daemon.h"
#include "mem/slab_stat.h"
#include "pci/model_name.h"

#define STOP_GRACE_MS  3000
#define START_GRACE_MS 10000 /* devices may be slow to start; who tells it to end is patient */

/* Half of what the service manager asked for, as sd_watchdog_enabled(3) advises. */
static int open_watchdog(void)
{
	const char *text = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	bool ours = !pid || strtol(pid, NULL, 10) == (long)getpid();
	unsigned long long usec = text && ours ? strtoull(text, NULL, 10) / 2 : 0;
	struct itimerspec every = {
		.it_interval = {(time_t)(usec / 1000000), (long)(usec % 1000000) * 1000},
	};
	int fd;

	if (!usec)
		return -1;
	every.it_value = every.it_interval;
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (fd >= 0)
		(void)timerfd_settime(fd, 0, &every, NULL);
	return fd;
}

/* Before the first handler runs. The device is driven without, too. */
static void show_stats(struct udrv__daemon *d)
{
	char dir[UDRV__PATH_MAX];

	if (udrv__rundir(dir, sizeof(dir)))
		return;
	(void)udrv__stat_create(&d->stats, dir, d->drv->name, d->dev);
	(void)udrv__claims_create(&d->claims, dir, d->drv->name, d->dev);
}

/* Likewise, and before the first cache is used. */
static void show_slabs(const struct udrv__daemon *d)
{
	char dir[UDRV__PATH_MAX];

	if (!udrv__rundir(dir, sizeof(dir)))
		(void)udrv__slab_stat_create(dir, d->drv->name, d->name);
}

static int probe(struct udrv__daemon *d)
{
	int ret = udrv_driver_probe(d->drv, d->dev);

	if (ret)
		udrv_dev_err(d->dev, "driver %s cannot drive it: %s", d->drv->name, strerror(-ret));
	return ret;
}

static void close_device(struct udrv__daemon *d)
{
	udrv_device_close(d->dev);
	udrv__stat_destroy(&d->stats);
	udrv__claims_destroy(&d->claims);
}

static int start(struct udrv__daemon *d)
{
	int ret = probe(d);

	if (ret)
		return ret;
	ret = udrv__control_start(&d->control, d->drv, d->dev);
	if (ret)
		goto err_remove;
	ret = udrv__control_start(&d->settings, d->drv, d->dev);
	if (ret)
		goto err_control;
	ret = udrv__exports_start(&d->exports, d->dev, &d->options.exports);
	if (ret)
		goto err_settings;
	udrv__stat_exports_complete(d->dev);
	return 0;

err_settings:
	udrv__control_stop(&d->settings, STOP_GRACE_MS);
err_control:
	udrv__control_stop(&d->control, STOP_GRACE_MS);
err_remove:
	udrv_driver_remove(d->drv, d->dev);
	return ret;
}

static int start_unless_stopped(struct udrv__daemon *d)
{
	struct udrv__cut cut = {
		.dev = d->dev,
		.state = "it is still starting",
		.stop_fd = d->options.stop_fd,
		.grace_ms = START_GRACE_MS,
	};
	int ret = udrv__cut_begin(&cut);

	if (ret) {
		udrv_dev_err(d->dev, "cannot be started: %s", strerror(-ret));
		return ret;
	}
	ret = start(d);
	udrv__cut_end(&cut);
	return ret;
}

static int drive(struct udrv__daemon *d)
{
	int ret = udrv_device_open(d->name, d->options.backend, &d->dev);

	if (ret)
		return ret;
	show_stats(d);
	ret = start_unless_stopped(d);
	if (ret)
		close_device(d);
	return ret;
}

/* What comes may be another device, or go again at once. A model does not come and go. */
static int await_and_drive(struct udrv__daemon *d)
{
	int ret;

	do {
		ret = udrv__daemon_await(d);
		if (!ret)
			ret = udrv__match_name(d->drv, d->name);
		if (!ret)
			ret = drive(d);
	} while (ret == -ENODEV && !udrv__is_model(d->name));
	return ret;
}

static void leave(const struct udrv__daemon *d)
{
	udrv__slab_stat_destroy();
	if (d->watchdog_fd >= 0)
		close(d->watchdog_fd);
	close(d->lock_fd);
}

int udrv__daemon_start(struct udrv__daemon *d, const struct udrv_driver *drv,
		       const struct udrv__daemon_options *o)
{
	int ret;

	*d = (struct udrv__daemon){.drv = drv, .options = *o, .settings.settings = true};
	(void)snprintf(d->program, sizeof(d->program), "udrv-%s", drv->name);
	ret = udrv__device_name(o->device, d->name, sizeof(d->name));
	if (!ret && !o->wait)
		ret = udrv__match_name(drv, d->name);
	if (!ret)
		ret = udrv__rundir_make();
	if (!ret)
		ret = udrv__lock_device(d->name, d->program, &d->lock_fd);
	if (ret)
		return ret;
	d->watchdog_fd = open_watchdog();
	show_slabs(d);
	ret = o->wait ? await_and_drive(d) : drive(d);
	if (ret)
		leave(d);
	return ret;
}

void udrv__daemon_ready(const struct udrv__daemon *d)
{
	char state[128];

	(void)snprintf(state, sizeof(state), "READY=1\nSTATUS=driving %s", d->name);
	udrv__notify(state);
	udrv__daemon_log_ready(d);
}

void udrv__daemon_log_ready(const struct udrv__daemon *d)
{
	udrv_dev_info(d->dev, "driver %s is ready (backend %s, pid %d)", d->drv->name,
		      udrv_device_backend(d->dev), (int)getpid());
}

static int on_error(const struct udrv__daemon *d, int fd)
{
	uint64_t count;

	(void)!read(fd, &count, sizeof(count));
	udrv_dev_err(d->dev, "the device reported an uncorrectable error");
	return d->drv->error ? d->drv->error(d->dev) : -EIO;
}

int udrv__daemon_serve(const struct udrv__daemon *d, int stop_fd)
{
	struct pollfd fds[] = {
		{.fd = stop_fd, .events = POLLIN},
		{.fd = udrv_device_event_fd(d->dev, UDRV_EVENT_REQUEST), .events = POLLIN},
		{.fd = udrv_device_event_fd(d->dev, UDRV_EVENT_ERROR), .events = POLLIN},
		{.fd = d->watchdog_fd, .events = POLLIN},
		{.fd = udrv_device_event_fd(d->dev, UDRV_EVENT_GONE), .events = POLLIN},
		{.fd = d->exports.ended_fd, .events = POLLIN},
	};
	const char *next = d->options.wait ? "waiting for it" : "stopping";

	for (;;) {
		uint64_t ticks;

		if (poll(fds, sizeof(fds) / sizeof(fds[0]), -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (fds[0].revents)
			return 0;
		if (fds[1].revents) {
			udrv_dev_err(d->dev,
				     "the kernel takes the device away (hot unplug or "
				     "unbind): %s",
				     next);
			udrv_device_set_gone(d->dev);
			return -ENODEV;
		}
		if (fds[2].revents && on_error(d, fds[2].fd))
			return -EIO;
		if (fds[4].revents) {
			udrv_dev_err(d->dev, "the device is gone: %s", next);
			return -ENODEV;
		}
		if (fds[5].revents) {
			udrv_dev_err(d->dev, "an export has ended, removed by somebody else or "
					     "failed: stopping");
			return -EPIPE;
		}
		if (fds[3].revents && read(d->watchdog_fd, &ticks, sizeof(ticks)) > 0)
			udrv__notify("WATCHDOG=1");
	}
}

static void halt(struct udrv__daemon *d)
{
	udrv__exports_stop(&d->exports);
	udrv__control_stop(&d->settings, STOP_GRACE_MS);
	udrv__control_stop(&d->control, STOP_GRACE_MS);
	udrv_driver_remove(d->drv, d->dev);
}

int udrv__daemon_restart(struct udrv__daemon *d)
{
	int ret;

	halt(d);
	close_device(d);
	ret = await_and_drive(d);
	if (ret)
		leave(d);
	return ret;
}

void udrv__daemon_stop(struct udrv__daemon *d, int why)
{
	udrv__notify("STOPPING=1");
	halt(d);
	if (!why)
		udrv_dev_info(d->dev, "stopped");
	close_device(d);
	leave(d);
}
