// SPDX-License-Identifier: MIT
/* The control socket: a thread that takes one request at a time and runs the driver's verb. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <udrv/device.h>
#include <udrv/log.h>

#include "driver/daemon.h"
#include "sched/thread.h"

#define ACCEPT_WAIT_MS 100 /* before the next try when there is no descriptor to be had */
#define LISTEN_BACKLOG 8

static int send_answer(int fd, uint32_t kind, int32_t status, const char *text, size_t len)
{
	struct udrv__answer head = {.kind = kind, .status = status};
	struct iovec iov[2] = {{&head, sizeof(head)}, {(void *)(uintptr_t)text, len}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};

	return udrv__send_packet(fd, &msg);
}

static int send_text(int fd, uint32_t kind, const char *text, size_t len)
{
	int ret = 0;

	while (len && !ret) {
		size_t n = len < UDRV__ANSWER_MAX ? len : UDRV__ANSWER_MAX;

		ret = send_answer(fd, kind, 0, text, n);
		text += n;
		len -= n;
	}
	return ret;
}

/* What the verb prints, on its way to the client. */
struct stream {
	int fd;
	int error;
};

static ssize_t stream_write(void *cookie, const char *text, size_t len)
{
	struct stream *s = cookie;

	if (!s->error)
		s->error = send_text(s->fd, UDRV__ANSWER_OUT, text, len);
	return s->error ? 0 : (ssize_t)len;
}

static FILE *open_stream(struct stream *s)
{
	FILE *out = fopencookie(s, "w", (cookie_io_functions_t){.write = stream_write});

	if (out)
		(void)setvbuf(out, NULL, _IOFBF, UDRV__ANSWER_MAX);
	return out;
}

/* Built in: what every daemon can say of itself. */
static int show_status(const struct udrv__control *c, FILE *out)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	(void)fprintf(out, "driver %s\ndevice %s\nbackend %s\npid %d\nuptime_s %ld\n", c->drv->name,
		      udrv_device_name(c->dev), udrv_device_backend(c->dev), (int)getpid(),
		      (long)(now.tv_sec - c->started.tv_sec));
	return 0;
}

static int run_verb(const struct udrv__control *c, int argc, char **argv, FILE *out, FILE *err)
{
	const struct udrv_verb *v = c->settings ? NULL : c->drv->verbs;

	if (!strcmp(argv[0], UDRV__VERB_STATUS))
		return show_status(c, out);
	if (c->settings && !strcmp(argv[0], UDRV__VERB_IRQ_SET))
		return udrv__irq_set_verb(c->dev, argc, argv, out, err);
	for (; v && v->name; v++)
		if (!strcmp(v->name, argv[0]))
			return v->run(c->dev, argc, argv, out, err);
	(void)fprintf(err, "the running daemon knows no verb '%s'\n", argv[0]);
	return -EINVAL;
}

/* The words of a request; the last one must be terminated. */
static int split(char *request, size_t len, char **argv)
{
	int argc = 0;

	if (!len || request[len - 1])
		return -EPROTO;
	for (char *p = request; p < request + len; p += strlen(p) + 1) {
		if (argc == UDRV__REQUEST_WORDS)
			return -E2BIG;
		argv[argc++] = p;
	}
	argv[argc] = NULL;
	return argc;
}

/* data_fd: what the client passed, or -1. */
static int answer(const struct udrv__control *c, int fd, int data_fd, int argc, char **argv)
{
	const struct udrv__verb_call call = {c->stop_fd, fd, data_fd};
	struct stream stream = {.fd = fd};
	char *err_text = NULL;
	size_t err_len = 0;
	FILE *out = open_stream(&stream);
	FILE *err = open_memstream(&err_text, &err_len);
	int status = -ENOMEM;
	int ret;

	udrv__verb_begin(&call);
	if (out && err)
		status = run_verb(c, argc, argv, out, err);
	udrv__verb_end();
	if (out && fclose(out))
		status = -ENOMEM;
	if (err && fclose(err))
		status = -ENOMEM;
	ret = stream.error;
	if (!ret)
		ret = send_text(fd, UDRV__ANSWER_ERR, err_text, err_len);
	if (!ret)
		ret = send_answer(fd, UDRV__ANSWER_STATUS, status, "", 0);
	free(err_text);
	return ret;
}

/* The descriptor that came with a request, or -1; of several, the last. */
static int passed_fd(struct msghdr *msg)
{
	int fd = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			if (fd >= 0)
				close(fd);
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
		}
	}
	return fd;
}

/* The length of the request, which may be more than size, and what was passed with it. */
static ssize_t receive(int fd, void *request, size_t size, int *data_fd)
{
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {request, size};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = room,
		.msg_controllen = sizeof(room),
	};
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC);

	*data_fd = n < 0 ? -1 : passed_fd(&msg);
	return n;
}

/* Did the client say something in time, and nobody tell us to stop? */
static bool has_request(const struct udrv__control *c, int fd)
{
	struct pollfd fds[2] = {
		{.fd = c->stop_fd, .events = POLLIN},
		{.fd = fd, .events = POLLIN},
	};
	int n;

	do {
		n = poll(fds, 2, UDRV__PEER_WAIT_S * 1000);
	} while (n < 0 && errno == EINTR);
	return n > 0 && !fds[0].revents;
}

static void serve(const struct udrv__control *c, int fd)
{
	const struct timeval wait = {.tv_sec = UDRV__PEER_WAIT_S};
	char request[UDRV__REQUEST_MAX];
	char *argv[UDRV__REQUEST_WORDS + 1];
	int data_fd;
	ssize_t n;
	int argc;

	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	if (!has_request(c, fd))
		return;
	n = receive(fd, request, sizeof(request), &data_fd);
	if (n <= 0)
		goto out;
	argc = (size_t)n > sizeof(request) ? -E2BIG : split(request, (size_t)n, argv);
	if (argc < 0)
		(void)send_answer(fd, UDRV__ANSWER_STATUS, argc, "", 0);
	else
		(void)answer(c, fd, data_fd, argc, argv);
out:
	if (data_fd >= 0)
		close(data_fd);
}

static void serve_next(const struct udrv__control *c)
{
	struct pollfd stop = {.fd = c->stop_fd, .events = POLLIN};
	int fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0) {
		serve(c, fd);
		close(fd);
	} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
		(void)poll(&stop, 1, ACCEPT_WAIT_MS);
	}
}

static void *control_thread(void *arg)
{
	struct udrv__control *c = arg;
	struct pollfd fds[2] = {
		{.fd = c->stop_fd, .events = POLLIN},
		{.fd = c->listen_fd, .events = POLLIN},
	};

	(void)pthread_setname_np(pthread_self(), c->settings ? "settings" : "control");
	for (;;) {
		if (poll(fds, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			break;
		}
		if (fds[0].revents)
			break;
		if (fds[1].revents & POLLIN)
			serve_next(c);
	}
	(void)eventfd_write(c->ended_fd, 1);
	return NULL;
}

/* We hold the device's lock: a socket of that name is a dead daemon's. */
static int listen_on(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd;
	int ret;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		udrv_pr_err("%s: too long for a socket's name; set UDRV_RUNTIME_DIR", path);
		return -ENAMETOOLONG;
	}
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		ret = -errno;
		udrv_pr_err("%s: no socket for it: %s", path, strerror(-ret));
		return ret;
	}
	(void)unlink(path);
	/* Whatever the umask: who may connect may do everything. unix(7), bind() takes it over. */
	if (fchmod(fd, 0600) || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(fd, LISTEN_BACKLOG)) {
		ret = -errno;
		udrv_pr_err("%s: cannot listen: %s", path, strerror(-ret));
		(void)unlink(path);
		close(fd);
		return ret;
	}
	return fd;
}

static void close_events(const struct udrv__control *c)
{
	if (c->stop_fd >= 0)
		close(c->stop_fd);
	if (c->ended_fd >= 0)
		close(c->ended_fd);
}

static int open_events(struct udrv__control *c)
{
	int ret;

	c->stop_fd = eventfd(0, EFD_CLOEXEC);
	c->ended_fd = c->stop_fd < 0 ? -1 : eventfd(0, EFD_CLOEXEC);
	if (c->ended_fd >= 0)
		return 0;
	ret = -errno;
	udrv_pr_err("%s: cannot serve verbs: %s", c->path, strerror(-ret));
	close_events(c);
	return ret;
}

int udrv__control_start(struct udrv__control *c, const struct udrv_driver *drv,
			struct udrv_device *dev)
{
	char name[UDRV__PATH_MAX];
	int ret;

	c->drv = drv;
	c->dev = dev;
	clock_gettime(CLOCK_MONOTONIC, &c->started);
	(void)snprintf(name, sizeof(name), "%s@%s", drv->name, udrv_device_name(dev));
	ret = udrv__rundir_path(c->path, sizeof(c->path), name,
				c->settings ? UDRV__SETTINGS_SUFFIX : UDRV__CONTROL_SUFFIX);
	if (ret) {
		udrv_pr_err("%s: its control socket's name is too long; set UDRV_RUNTIME_DIR",
			    name);
		return ret;
	}
	ret = open_events(c);
	if (ret)
		return ret;
	c->listen_fd = ret = listen_on(c->path);
	if (ret < 0)
		goto err_events;
	ret = udrv__thread_create(&c->thread, control_thread, c);
	if (ret) {
		udrv_pr_err("%s: no thread to serve verbs: %s", c->path, strerror(-ret));
		goto err_listen;
	}
	return 0;

err_listen:
	(void)unlink(c->path);
	close(c->listen_fd);
err_events:
	close_events(c);
	return ret;
}

void udrv__control_stop(struct udrv__control *c, int grace_ms)
{
	struct pollfd ended = {.fd = c->ended_fd, .events = POLLIN};

	(void)unlink(c->path);
	(void)eventfd_write(c->stop_fd, 1);
	/* The signals that have a handler or a descriptor are blocked in this thread. */
	if (poll(&ended, 1, grace_ms) != 1) {
		udrv_dev_notice(c->dev, "a verb is still running: its waits are cut");
		udrv_device_set_gone(c->dev);
	}
	pthread_join(c->thread, NULL);
	close(c->listen_fd);
	close_events(c);
}
