// SPDX-License-Identifier: GPL-2.0-or-later
#include "stop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "driver/daemon.h"
#include "inuse.h"
#include "pci/model_name.h"
#include "stat/segment.h"
#include "tool.h"

#define DISK_PREFIX "/dev/ublkb"
#define DEV_PREFIX  "/dev/"
#define LOOK_MS	    20

static int send_signal(const struct holder *h, int sig)
{
	return syscall(SYS_pidfd_send_signal, h->pidfd, sig, NULL, 0) ? -errno : 0;
}

static int check_dir(void)
{
	char dir[UDRV__PATH_MAX];
	int ret = udrv__rundir(dir, sizeof(dir));

	return ret || access(dir, F_OK) ? ret : udrv__rundir_check(dir);
}

/* Nobody has its lock in our directory: who drives it may have another. */
static void explain_none(const char *device)
{
	const bool model = udrv__is_model(device);
	const struct inuse_reason *daemon = NULL;
	char dir[UDRV__PATH_MAX] = "";
	struct udrv_pci_info info;
	struct inuse inuse;

	if (!model && udrv_pci_info_read(device, &info))
		return;
	if (!model && !inuse_find(&inuse, &info))
		daemon = inuse_by_daemon(&inuse);
	(void)udrv__rundir(dir, sizeof(dir));
	if (daemon)
		tool_err("%s: no daemon of %s drives it, but %s; stop that as its user, with "
			 "its UDRV_RUNTIME_DIR",
			 device, dir, daemon->text);
	else
		tool_err("%s: no daemon drives it; `udrv ps` shows those that run%s", device,
			 udrv__rundir_is_own() ? ", with sudo those of root" : "");
}

static long long now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int stop_find(struct stop *s, const char *device, double timeout_s)
{
	int ret = check_dir();

	if (ret)
		return ret;
	s->timeout_s = timeout_s;
	s->end_ms = now_ms() + (long long)(timeout_s * 1000);
	ret = holder_find(&s->holder, device);
	if (ret == -ESRCH)
		explain_none(device);
	else if (ret)
		tool_err("%s: cannot find its daemon: %s", device, strerror(-ret));
	return ret;
}

static int check_disk(const struct holder *h, const char *path)
{
	struct inuse inuse;
	char text[400];
	int ret = inuse_find_disk(&inuse, path + strlen(DEV_PREFIX));

	if (ret) {
		tool_err("%s: cannot find out whether %s is in use: %s", h->device, path,
			 strerror(-ret));
		return ret;
	}
	if (!inuse.count)
		return 0;
	inuse_describe(&inuse, text, sizeof(text));
	tool_err("%s is in use: %s; stop that first, or use --force", h->device, text);
	return -EBUSY;
}

static int check_disks(const struct holder *h, char *exports)
{
	int ret = 0;
	char *save;

	for (char *line = strtok_r(exports, "\n", &save); line && !ret;
	     line = strtok_r(NULL, "\n", &save))
		if (!strncmp(line, DISK_PREFIX, strlen(DISK_PREFIX)))
			ret = check_disk(h, line);
	return ret;
}

/* 0, -ETIMEDOUT at @end_ms. */
static int wait_ended(int pidfd, long long end_ms)
{
	struct pollfd pfd = {.fd = pidfd, .events = POLLIN};
	int n;

	do {
		long long left = end_ms - now_ms();

		n = poll(&pfd, 1, left > 0 ? (int)left : 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n ? 0 : -ETIMEDOUT;
}

/* What the holder says that it exports. -EAGAIN: nothing yet, or nothing any more. */
static int read_exports(const struct holder *h, char exports[UDRV__STAT_EXPORTS])
{
	char name[sizeof(h->program) + sizeof(h->device)];
	struct udrv__stat_view view;
	char path[UDRV__PATH_MAX];
	int ret;

	(void)snprintf(name, sizeof(name), "%s@%s", holder_driver(h), h->device);
	ret = udrv__rundir_path(path, sizeof(path), name, UDRV__STAT_SUFFIX);
	if (!ret)
		ret = udrv__stat_open(&view, path);
	if (ret)
		return ret == -ENOENT || ret == -ESTALE ? -EAGAIN : ret;
	if (view.header->pid != (uint32_t)h->pid || !udrv__stat_exports_are_complete(&view))
		ret = -EAGAIN;
	else
		ret = udrv__stat_exports(&view, exports);
	udrv__stat_close(&view);
	return ret;
}

/* Likewise, but it waits for who starts. 1: who was ending has ended. */
static int await_exports(const struct stop *s, char exports[UDRV__STAT_EXPORTS])
{
	const struct holder *h = &s->holder;
	bool said = false;
	int ret;

	while ((ret = read_exports(h, exports)) == -EAGAIN && now_ms() < s->end_ms) {
		const long long next = now_ms() + LOOK_MS;

		if (!said)
			tool_note("%s: %s (pid %d) is starting, or ending: waiting until it is "
				  "known what it exports",
				  h->device, h->program, (int)h->pid);
		said = true;
		ret = wait_ended(h->pidfd, next < s->end_ms ? next : s->end_ms);
		if (ret != -ETIMEDOUT)
			return ret ? ret : 1;
	}
	return ret;
}

static int check_exports(const struct stop *s)
{
	const struct holder *h = &s->holder;
	char exports[UDRV__STAT_EXPORTS];
	int ret = await_exports(s, exports);

	if (ret > 0)
		return 0;
	if (!ret)
		return check_disks(h, exports);
	if (ret == -EAGAIN)
		tool_err("%s: its daemon (%s, pid %d) has not said within %g s what it exports: it "
			 "has not started up yet, or does not end, its log may say why; wait "
			 "longer by --timeout, or stop what uses its disks, then use --force",
			 h->device, h->program, (int)h->pid, s->timeout_s);
	else
		tool_err("%s: what its daemon (%s, pid %d) exports cannot be read (%s), so nobody "
			 "knows whether a disk of it is in use; stop what uses it first, then use "
			 "--force",
			 h->device, h->program, (int)h->pid,
			 ret == -EPROTO ? "it is of another version of udrv" : strerror(-ret));
	return -EBUSY;
}

int stop_check(const struct stop *s, bool force)
{
	const struct holder *h = &s->holder;
	int ret = send_signal(h, 0);

	if (ret == -EPERM) {
		tool_err("%s: its daemon (%s, pid %d) is another user's; run as that user, or as "
			 "root: sudo udrv stop %s",
			 h->device, h->program, (int)h->pid, h->device);
		return ret;
	}
	if (!holder_driver(h)) {
		tool_err("%s: no daemon drives it, but a verb of %s (pid %d) has it; wait for its "
			 "end",
			 h->device, h->program, (int)h->pid);
		return -EBUSY;
	}
	return force || h->waiting ? 0 : check_exports(s);
}

int stop_end(const struct stop *s)
{
	const struct holder *h = &s->holder;
	int ret = send_signal(h, SIGTERM);

	/* Gone by itself. */
	if (ret == -ESRCH)
		return 0;
	if (!ret)
		ret = wait_ended(h->pidfd, s->end_ms);
	if (ret == -ETIMEDOUT)
		tool_err("%s: %s (pid %d) has not ended within %g s, its log may say why; wait "
			 "longer by --timeout, or end it at once: kill -KILL %d",
			 h->device, h->program, (int)h->pid, s->timeout_s, (int)h->pid);
	else if (ret)
		tool_err("%s: %s (pid %d) cannot be stopped: %s", h->device, h->program,
			 (int)h->pid, strerror(-ret));
	return ret;
}
