// SPDX-License-Identifier: MIT
/* `udrv-<name> run`: take the device, probe, serve until told to stop, remove. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <udrv/log.h>

#include "driver/daemon.h"
#include "export/nbd.h"

/* A descriptor for the signals that end the daemon. Those that it was started to ignore do not. */
int udrv__block_signals(void)
{
	static const int stops[] = {SIGTERM, SIGINT, SIGHUP};
	struct sigaction old;
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++)
		if (!sigaction(stops[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaddset(&set, stops[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static int drive(struct udrv__daemon *d, int stop_fd, int ready_fd)
{
	int ret;

	udrv__daemon_ready(d);
	if (ready_fd >= 0)
		udrv__detach_ready(d, ready_fd);
	while ((ret = udrv__daemon_serve(d, stop_fd)) == -ENODEV && d->options.wait) {
		ret = udrv__daemon_restart(d);
		if (ret)
			return ret;
		udrv__daemon_ready(d);
	}
	udrv__daemon_stop(d, ret);
	return ret;
}

static int run_here(const struct udrv_driver *drv, struct udrv__run_options *o, int ready_fd)
{
	struct udrv__daemon d;
	int fd = udrv__block_signals();
	int ret;

	if (fd < 0) {
		udrv_pr_err("%s: cannot listen for signals: %s", o->daemon.device, strerror(-fd));
		return fd;
	}
	o->daemon.stop_fd = fd;
	ret = udrv__daemon_start(&d, drv, &o->daemon);
	if (!ret)
		ret = drive(&d, fd, ready_fd);
	close(fd);
	if (ret == UDRV__STOPPED)
		udrv_pr_info("%s: stopped", o->daemon.device);
	return ret < 0 ? ret : 0;
}

int udrv__run(const struct udrv_driver *drv, int argc, char **argv)
{
	struct udrv__run_options o;
	int status = EXIT_SUCCESS;
	int ready_fd = -1;
	int ret = udrv__run_parse(drv, argc, argv, &o);

	if (ret > 0)
		return EXIT_SUCCESS;
	if (ret)
		return ret == -EINVAL ? UDRV__EXIT_USAGE : EXIT_FAILURE;
	if (o.verbose)
		udrv__log_to_stderr(drv, UDRV_LOG_DEBUG);
	if (o.detach) {
		ret = udrv__detach(&ready_fd, &status);
		if (ret == UDRV__DETACH_PARENT)
			return status;
		if (ret < 0)
			udrv_pr_err("%s: cannot go to the background: %s", o.daemon.device,
				    strerror(-ret));
	}
	if (!ret)
		ret = o.daemon.exports.nbd ? udrv__nbd_exec(drv, &o, ready_fd)
					   : run_here(drv, &o, ready_fd);
	return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}
