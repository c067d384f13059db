// SPDX-License-Identifier: MIT
/* What a verb has of its caller: whether it is still there, and the data that it gave. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <udrv/log.h>

#include "driver/daemon.h"

/* The call that this thread is serving. */
static __thread struct udrv__verb_call call = {-1, -1, -1};

void udrv__verb_begin(const struct udrv__verb_call *c)
{
	call = *c;
}

void udrv__verb_end(void)
{
	call = (struct udrv__verb_call){-1, -1, -1};
}

/* Until the data's descriptor is ready, for -1 not at all, or nobody wants the verb any more. */
static int wait_for(int fd, short events, int timeout_ms)
{
	struct pollfd fds[] = {
		{.fd = call.stop_fd, .events = POLLIN},
		/* POLLHUP and POLLERR come unasked. Who has only said all is still there. */
		{.fd = call.client_fd},
		{.fd = fd, .events = events},
	};
	int n;

	do {
		n = poll(fds, sizeof(fds) / sizeof(fds[0]), timeout_ms);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return fds[0].revents || fds[1].revents ? -ECANCELED : 0;
}

bool udrv_verb_cancelled(void)
{
	return wait_for(-1, 0, 0) == -ECANCELED;
}

ssize_t udrv_verb_read(void *buf, size_t len)
{
	size_t done = 0;

	if (call.data_fd < 0)
		return -EBADF;
	while (done < len) {
		int ret = wait_for(call.data_fd, POLLIN, -1);
		ssize_t n = ret ? 0 : read(call.data_fd, (char *)buf + done, len - done);

		if (ret)
			return ret;
		if (!n)
			break;
		if (n > 0)
			done += (size_t)n;
		else if (errno != EINTR && errno != EAGAIN)
			return -errno;
	}
	return (ssize_t)done;
}

/* A pipe that is ready takes so much without blocking, a file takes all. */
static size_t room(int fd, size_t len)
{
	struct stat st;

	if (!fstat(fd, &st) && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)))
		return len;
	return len < PIPE_BUF ? len : PIPE_BUF;
}

ssize_t udrv_verb_write(const void *buf, size_t len)
{
	size_t done = 0;

	if (call.data_fd < 0)
		return -EBADF;
	while (done < len) {
		int ret = wait_for(call.data_fd, POLLOUT, -1);
		ssize_t n = ret ? 0
				: write(call.data_fd, (const char *)buf + done,
					room(call.data_fd, len - done));

		if (ret)
			return ret;
		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
	}
	return (ssize_t)done;
}

/* The FILE of -d FILE, -dFILE, --data FILE or --data=FILE, or what the verb has instead; or NULL.
 */
static const char *data_file(const struct udrv_verb *v, int argc, char **argv)
{
	const bool fw = v->flags & UDRV_VERB_DATA_FW;
	const char *letter = fw ? "-f" : "-d", *name = fw ? "--fw" : "--data";
	const size_t len = strlen(name);
	const char *file = NULL;

	for (int i = 1; i < argc; i++) {
		if (!strncmp(argv[i], name, len) && argv[i][len] == '=')
			file = argv[i] + len + 1;
		else if (!strncmp(argv[i], letter, 2) && argv[i][2])
			file = argv[i] + 2;
		else if (i + 1 < argc && (!strcmp(argv[i], name) || !strcmp(argv[i], letter)))
			file = argv[++i];
	}
	return file;
}

int udrv__verb_data_open(const struct udrv_verb *v, int argc, char **argv, int *fd_out)
{
	bool in = v->flags & UDRV_VERB_DATA_IN;
	const char *file;
	int fd;
	int ret;

	*fd_out = -1;
	if (!(v->flags & (UDRV_VERB_DATA_IN | UDRV_VERB_DATA_OUT)))
		return 0;
	file = data_file(v, argc, argv);
	if (!file || !strcmp(file, "-"))
		fd = fcntl(in ? STDIN_FILENO : STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	else
		fd = open(file, (in ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC) | O_CLOEXEC, 0666);
	if (fd < 0 && file) {
		ret = -errno;
		udrv_pr_err("%s: cannot open it: %s", file, strerror(-ret));
		return ret;
	}
	/* Without stdin a verb that does not need it works all the same. */
	*fd_out = fd < 0 ? -1 : fd;
	return 0;
}
