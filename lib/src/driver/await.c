// SPDX-License-Identifier: MIT
/* `run --wait`: a daemon without a device, until it is there and bound to what we drive it by. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <udrv/device.h>
#include <udrv/log.h>
#include <udrv/pci_info.h>

#include "driver/daemon.h"
#include "pci/device.h"
#include "pci/model_name.h"
#include "pci/sysfs.h"

#define LOOK_EVERY_MS 500

static bool is_there(const char *name)
{
	return udrv__sysfs_exists("bus/pci/devices/%s", name);
}

/*
 * Which binding to a driver it is: unbound and bound again, or taken out and put in again, it is
 * another one. 0: it is not bound.
 */
static uint64_t binding_of(const char *name)
{
	return udrv__sysfs_serial("bus/pci/devices/%s/driver", name);
}

static bool can_be_driven(const char *name)
{
	struct udrv_pci_info info;

	return is_there(name) && !udrv_pci_info_read(name, &info) &&
	       udrv__device_has_backend(&info);
}

/* Bound anew, to what we drive it by. */
static bool has_come(struct udrv__daemon *d)
{
	const uint64_t binding = binding_of(d->name);

	if (!binding || binding == d->binding || !can_be_driven(d->name))
		return false;
	d->binding = binding;
	return true;
}

static void say_what_for(const struct udrv__daemon *d)
{
	char state[128];

	if (d->binding)
		udrv_pr_info("%s: waiting until it is there again, and bound", d->name);
	else if (is_there(d->name))
		udrv_pr_info("%s: waiting until it is bound; run: udrv bind %s", d->name, d->name);
	else
		udrv_pr_info("%s: waiting until there is such a device", d->name);
	(void)snprintf(state, sizeof(state), "READY=1\nSTATUS=waiting for %s", d->name);
	udrv__notify(state);
}

static int wait_for_it(struct udrv__daemon *d)
{
	struct pollfd fds[] = {
		{.fd = d->options.stop_fd, .events = POLLIN},
		{.fd = d->watchdog_fd, .events = POLLIN},
	};
	uint64_t ticks;

	do {
		if (poll(fds, 2, LOOK_EVERY_MS) < 0 && errno != EINTR)
			return -errno;
		if (fds[0].revents)
			return UDRV__STOPPED;
		if (fds[1].revents && read(d->watchdog_fd, &ticks, sizeof(ticks)) > 0)
			udrv__notify("WATCHDOG=1");
	} while (!has_come(d));
	return 0;
}

int udrv__daemon_await(struct udrv__daemon *d)
{
	int ret;

	if (udrv__is_model(d->name) || has_come(d))
		return 0;
	ret = udrv__lock_say_waiting(d->lock_fd, d->program, true);
	if (!ret) {
		say_what_for(d);
		ret = wait_for_it(d);
	}
	if (!ret)
		ret = udrv__lock_say_waiting(d->lock_fd, d->program, false);
	if (ret < 0)
		udrv_pr_err("%s: cannot wait for it: %s", d->name, strerror(-ret));
	return ret;
}
