// SPDX-License-Identifier: MIT
/* The daemon: take the device, probe, serve until told to stop, remove. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <udrv/device.h>
#include <udrv/log.h>
#include <udrv/pci_info.h>

#include "driver/daemon.h"
#include "mem/slab_stat.h"
#include "stat/claims.h"
#include "stat/segment.h"

#define STOP_GRACE_MS 3000

struct options {
	const char *device;
	const char *backend;
	bool detach;
	bool verbose;
};

struct daemon {
	const struct udrv_driver *drv;
	struct udrv_device *dev;
	struct udrv__control control;
	struct udrv__control settings;
	struct udrv__stat_segment stats;
	struct udrv__claim_file claims;
	int lock_fd;
	int signal_fd;
	int watchdog_fd; /* timer, or -1 */
	int ready_fd;	 /* pipe to the waiting parent, or -1 */
};

static void usage(const struct udrv_driver *drv)
{
	(void)printf(
		"Usage: udrv-%s run DEVICE [OPTION...] [NAME=VALUE...]\n\n"
		"Take DEVICE (0000:00:05.0, VENDOR:DEVICE if there is one such, or model:NAME)\n"
		"and drive it until SIGTERM.\n\n"
		"  -b, --backend=NAME  vfio, stub, uio or model; default: what the device is bound\n"
		"                      to\n"
		"  -d, --detach        go to the background once the device works; the log goes\n"
		"                      to a file beside the control socket\n"
		"  -v, --verbose       log more\n"
		"  -h, --help          this text\n",
		drv->name);
	if (drv->params)
		(void)printf("\nParameters:\n");
	for (const struct udrv_param *p = drv->params; p && p->name; p++)
		(void)printf("  %-18s  %s (default: %s)\n", p->name, p->help,
			     *p->value ? *p->value : "none");
}

static int set_param(const struct udrv_driver *drv, const char *text)
{
	const char *equals = strchr(text, '=');
	size_t len = equals ? (size_t)(equals - text) : 0;

	for (const struct udrv_param *p = drv->params; equals && p && p->name; p++) {
		if (strlen(p->name) == len && !strncmp(p->name, text, len)) {
			*p->value = equals + 1;
			return 0;
		}
	}
	udrv_pr_err("%s: not a parameter of driver %s; see 'udrv-%s run --help'", text, drv->name,
		    drv->name);
	return -EINVAL;
}

/* 0, 1 for "done, exit with success", or -EINVAL. */
static int parse(const struct udrv_driver *drv, int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"backend", required_argument, NULL, 'b'},
		{"detach", no_argument, NULL, 'd'},
		{"verbose", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int c;

	optind = 1;
	opterr = 0;
	while ((c = getopt_long(argc, argv, "b:dvh", longs, NULL)) != -1) {
		switch (c) {
		case 'b':
			o->backend = optarg;
			break;
		case 'd':
			o->detach = true;
			break;
		case 'v':
			o->verbose = true;
			break;
		case 'h':
			usage(drv);
			return 1;
		default:
			udrv_pr_err("%s: unknown option, or without its value; see 'udrv-%s run "
				    "--help'",
				    argv[optind - 1], drv->name);
			return -EINVAL;
		}
	}
	if (optind == argc) {
		udrv_pr_err("which device? e.g. udrv run %s 0000:00:05.0 (see 'udrv list')",
			    drv->name);
		return -EINVAL;
	}
	o->device = argv[optind++];
	for (; optind < argc; optind++)
		if (set_param(drv, argv[optind]))
			return -EINVAL;
	return 0;
}

/* A descriptor for the signals that end the daemon. Those that it was started to ignore do not. */
static int block_signals(void)
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

/* From here on nobody reads our terminal: the log goes to a file. The old one stays on failure. */
static int to_background(const char *path)
{
	int null;
	int log;
	int ret = 0;

	log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (log < 0 || null < 0) {
		ret = -errno;
		udrv_pr_err("%s: cannot open: %s", log < 0 ? path : "/dev/null", strerror(-ret));
	} else {
		(void)dup2(null, STDIN_FILENO);
		(void)dup2(null, STDOUT_FILENO);
		(void)dup2(log, STDERR_FILENO);
	}
	if (log >= 0)
		close(log);
	if (null >= 0)
		close(null);
	return ret;
}

static void log_ready(const struct daemon *d)
{
	udrv_dev_info(d->dev, "driver %s is ready (backend %s, pid %d)", d->drv->name,
		      udrv_device_backend(d->dev), (int)getpid());
}

/* The terminal hears where the log goes on; the log begins with what the terminal heard last. */
static void detach_from_parent(struct daemon *d)
{
	char name[UDRV__PATH_MAX];
	char path[UDRV__PATH_MAX];

	(void)snprintf(name, sizeof(name), "%s@%s", d->drv->name, udrv_device_name(d->dev));
	if (!udrv__rundir_path(path, sizeof(path), name, ".log")) {
		udrv_dev_info(d->dev, "from now on it logs to %s", path);
		if (!to_background(path))
			log_ready(d);
	}
	(void)!write(d->ready_fd, "", 1);
	close(d->ready_fd);
	d->ready_fd = -1;
}

/* Tell whoever waits for us: the service manager, and the parent of a detached daemon. */
static void say_ready(struct daemon *d)
{
	char state[128];

	(void)snprintf(state, sizeof(state), "READY=1\nSTATUS=driving %s",
		       udrv_device_name(d->dev));
	udrv__notify(state);
	log_ready(d);
	if (d->ready_fd >= 0)
		detach_from_parent(d);
}

static int on_error(const struct daemon *d, int fd)
{
	uint64_t count;

	(void)!read(fd, &count, sizeof(count));
	udrv_dev_err(d->dev, "the device reported an uncorrectable error");
	return d->drv->error ? d->drv->error(d->dev) : -EIO;
}

/* 0 when told to stop, negative errno when the device made us. */
static int serve(const struct daemon *d)
{
	struct pollfd fds[] = {
		{.fd = d->signal_fd, .events = POLLIN},
		{.fd = udrv_device_event_fd(d->dev, UDRV_EVENT_REQUEST), .events = POLLIN},
		{.fd = udrv_device_event_fd(d->dev, UDRV_EVENT_ERROR), .events = POLLIN},
		{.fd = d->watchdog_fd, .events = POLLIN},
		{.fd = udrv_device_event_fd(d->dev, UDRV_EVENT_GONE), .events = POLLIN},
	};

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
			udrv_dev_err(d->dev, "the kernel takes the device away (hot unplug or "
					     "unbind): stopping");
			udrv_device_set_gone(d->dev);
			return -ENODEV;
		}
		if (fds[2].revents && on_error(d, fds[2].fd))
			return -EIO;
		if (fds[4].revents) {
			udrv_dev_err(d->dev, "the device is gone: stopping");
			return -ENODEV;
		}
		if (fds[3].revents && read(d->watchdog_fd, &ticks, sizeof(ticks)) > 0)
			udrv__notify("WATCHDOG=1");
	}
}

/* Before the first handler runs. The device is driven without, too. */
static void show_stats(struct daemon *d)
{
	char dir[UDRV__PATH_MAX];

	if (udrv__rundir(dir, sizeof(dir)))
		return;
	(void)udrv__stat_create(&d->stats, dir, d->drv->name, d->dev);
	(void)udrv__claims_create(&d->claims, dir, d->drv->name, d->dev);
}

/* Likewise, and before the first cache is used. */
static void show_slabs(const struct daemon *d, const char *name)
{
	char dir[UDRV__PATH_MAX];

	if (!udrv__rundir(dir, sizeof(dir)))
		(void)udrv__slab_stat_create(dir, d->drv->name, name);
}

static int drive(struct daemon *d, const char *name, const char *backend)
{
	int ret = udrv_device_open(name, backend, &d->dev);

	if (ret)
		return ret;
	show_stats(d);
	ret = udrv_driver_probe(d->drv, d->dev);
	if (ret) {
		udrv_dev_err(d->dev, "driver %s cannot drive it: %s", d->drv->name, strerror(-ret));
		goto out_close;
	}
	ret = udrv__control_start(&d->control, d->drv, d->dev);
	if (ret)
		goto out_remove;
	ret = udrv__control_start(&d->settings, d->drv, d->dev);
	if (ret)
		goto out_control;
	say_ready(d);
	ret = serve(d);
	udrv__notify("STOPPING=1");
	udrv__control_stop(&d->settings, STOP_GRACE_MS);
out_control:
	udrv__control_stop(&d->control, STOP_GRACE_MS);
out_remove:
	udrv_driver_remove(d->drv, d->dev);
	if (!ret)
		udrv_dev_info(d->dev, "stopped");
out_close:
	udrv_device_close(d->dev);
	udrv__stat_destroy(&d->stats);
	udrv__claims_destroy(&d->claims);
	return ret;
}

static int run_here(struct daemon *d, const char *name, const struct options *o)
{
	char program[64];
	int ret;

	(void)snprintf(program, sizeof(program), "udrv-%s", d->drv->name);
	ret = udrv__rundir_make();
	if (!ret)
		ret = udrv__lock_device(name, program, &d->lock_fd);
	if (ret)
		return ret;
	d->signal_fd = ret = block_signals();
	if (ret < 0) {
		udrv_pr_err("%s: cannot listen for signals: %s", name, strerror(-ret));
		goto out_lock;
	}
	d->watchdog_fd = open_watchdog();
	show_slabs(d, name);
	ret = drive(d, name, o->backend);
	udrv__slab_stat_destroy();
	if (d->watchdog_fd >= 0)
		close(d->watchdog_fd);
	close(d->signal_fd);
out_lock:
	close(d->lock_fd);
	return ret;
}

/* The parent of a detached daemon: wait until it drives the device, or take over its status. */
static int await_ready(pid_t child, int fd)
{
	int status;
	char byte;
	ssize_t n;

	do {
		n = read(fd, &byte, 1);
	} while (n < 0 && errno == EINTR);
	if (n == 1)
		return EXIT_SUCCESS;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}

/* 0 in the daemon, with d->ready_fd set; 1 in the parent, with *status; negative errno. */
static int detach(struct daemon *d, int *status)
{
	int fds[2];
	pid_t child;
	int ret;

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	child = fork();
	if (child < 0) {
		ret = -errno;
		close(fds[0]);
		close(fds[1]);
		return ret;
	}
	if (!child) {
		close(fds[0]);
		d->ready_fd = fds[1];
		(void)setsid();
		(void)!chdir("/");
		return 0;
	}
	close(fds[1]);
	*status = await_ready(child, fds[0]);
	close(fds[0]);
	return 1;
}

int udrv__run(const struct udrv_driver *drv, int argc, char **argv)
{
	struct daemon d = {
		.drv = drv, .watchdog_fd = -1, .ready_fd = -1, .settings.settings = true};
	struct options o = {0};
	char name[UDRV_DEVICE_NAME_MAX];
	int status = EXIT_SUCCESS;
	int ret = parse(drv, argc, argv, &o);

	if (ret)
		return ret > 0 ? EXIT_SUCCESS : UDRV__EXIT_USAGE;
	if (o.verbose)
		udrv__log_to_stderr(drv, UDRV_LOG_DEBUG);
	ret = udrv__device_name(o.device, name, sizeof(name));
	if (!ret && o.detach) {
		ret = detach(&d, &status);
		if (ret < 0)
			udrv_pr_err("%s: cannot go to the background: %s", name, strerror(-ret));
	}
	if (!ret)
		ret = run_here(&d, name, &o);
	else if (ret > 0)
		return status;
	return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}
