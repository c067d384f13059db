// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "child.h"

#define KILL_GRACE_MS 200

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Wait for a result or for the child's end, which closes the pipe. */
static int wait_readable(int fd, int timeout_ms)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	int64_t end = now_ms() + timeout_ms;
	int n;

	do {
		int64_t left = end - now_ms();

		n = poll(&pfd, 1, left > 0 ? (int)left : 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n ? 0 : -ETIMEDOUT;
}

static int reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

static int abandon(pid_t pid, int fd)
{
	kill(pid, SIGKILL);
	/* What sits in an uninterruptible wait outlives this program; init reaps it. */
	if (wait_readable(fd, KILL_GRACE_MS) == 0)
		(void)reap(pid);
	return -ETIMEDOUT;
}

static void __attribute__((noreturn)) be_child(int fd, int (*fn)(void *ctx), void *ctx)
{
	int result = fn(ctx);

	/* The pipe takes a few bytes without blocking; a parent that is gone needs none. */
	if (write(fd, &result, sizeof(result)) < 0)
		_exit(1);
	_exit(0);
}

int child_run(int (*fn)(void *ctx), void *ctx, int deadline_ms)
{
	int result;
	int fds[2];
	pid_t pid;
	int ret;

	/* Not close-on-exec: a program that the child becomes holds the pipe until it ends. */
	if (pipe(fds))
		return -errno;
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		be_child(fds[1], fn, ctx);
	}
	ret = pid < 0 ? -errno : 0;
	close(fds[1]);
	if (!ret) {
		ret = wait_readable(fds[0], deadline_ms);
		if (ret) {
			ret = abandon(pid, fds[0]);
		} else if (read(fds[0], &result, sizeof(result)) == (ssize_t)sizeof(result)) {
			(void)reap(pid);
			ret = result;
		} else {
			ret = reap(pid);
		}
	}
	close(fds[0]);
	return ret;
}
