// SPDX-License-Identifier: MIT
/* A daemon in the background: who started it waits until it drives its device. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <udrv/device.h>
#include <udrv/log.h>

#include "driver/daemon.h"

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

/* The terminal hears where the log goes on; the log begins with what the terminal heard last. */
void udrv__detach_ready(const struct udrv__daemon *d, int ready_fd)
{
	char name[UDRV__PATH_MAX];
	char path[UDRV__PATH_MAX];

	/* Not before: paths on the command line are those of who started it. */
	(void)!chdir("/");
	(void)snprintf(name, sizeof(name), "%s@%s", d->drv->name, d->name);
	if (!udrv__rundir_path(path, sizeof(path), name, ".log")) {
		udrv_dev_info(d->dev, "from now on it logs to %s", path);
		if (!to_background(path))
			udrv__daemon_log_ready(d);
	}
	(void)!write(ready_fd, "", 1);
	close(ready_fd);
}

/* What ends the parent while it waits ends the daemon, too: nobody would know of it. */
static const int ends[] = {SIGTERM, SIGINT, SIGHUP};
static volatile sig_atomic_t ended;
static volatile pid_t daemon_pid;

static void end_daemon(int sig)
{
	(void)sig;
	ended = 1;
	(void)kill(daemon_pid, SIGTERM);
}

static void hold_ends(sigset_t *old)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		sigaddset(&set, ends[i]);
	(void)sigprocmask(SIG_BLOCK, &set, old);
}

static void catch_ends(pid_t child, const sigset_t *old)
{
	const struct sigaction act = {.sa_handler = end_daemon, .sa_flags = SA_RESTART};
	struct sigaction was;

	daemon_pid = child;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (!sigaction(ends[i], NULL, &was) && was.sa_handler != SIG_IGN)
			(void)sigaction(ends[i], &act, NULL);
	(void)sigprocmask(SIG_SETMASK, old, NULL);
}

/* Asleep in poll(2), as the thread sanitizer holds signals back until read(2) has returned. */
static bool becomes_ready(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	char byte;

	while (poll(&pfd, 1, -1) < 0 && errno == EINTR)
		;
	return read(fd, &byte, 1) == 1;
}

/* The parent of a detached daemon: wait until it drives the device, or take over its status. */
static int await_ready(pid_t child, int fd)
{
	const bool ready = becomes_ready(fd);
	int status;

	hold_ends(NULL);
	if (ready && !ended)
		return EXIT_SUCCESS;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (ended)
		udrv_pr_err("interrupted: no daemon is left");
	else if (WIFSIGNALED(status))
		udrv_pr_err("the daemon was killed while it started: %s (pid %d)",
			    strsignal(WTERMSIG(status)), (int)child);
	return WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}

int udrv__detach(int *ready_fd, int *status)
{
	sigset_t old;
	int fds[2];
	pid_t child;
	int ret;

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	hold_ends(&old);
	child = fork();
	if (child < 0) {
		ret = -errno;
		(void)sigprocmask(SIG_SETMASK, &old, NULL);
		close(fds[0]);
		close(fds[1]);
		return ret;
	}
	if (!child) {
		close(fds[0]);
		*ready_fd = fds[1];
		(void)setsid();
		(void)sigprocmask(SIG_SETMASK, &old, NULL);
		return 0;
	}
	catch_ends(child, &old);
	close(fds[1]);
	*status = await_ready(child, fds[0]);
	close(fds[0]);
	return UDRV__DETACH_PARENT;
}
