// SPDX-License-Identifier: MIT
/* Verbs from the command line to the running daemon. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <udrv/device.h>
#include <udrv/ktime.h>
#include <udrv/log.h>
#include <udrv/pci_info.h>

#include "driver/daemon.h"

/*
 * Where a socket has a limit of time the kernel does not begin its calls anew that a stop of the
 * process interrupted, signal(7). One is left after the limit: the stop may have been longer.
 */
static bool begins_anew(udrv_ktime_t since, bool *last)
{
	if (errno != EINTR || *last)
		return false;
	*last = udrv_ktime_get() - since >= UDRV__PEER_WAIT_S * INT64_C(1000000000);
	return true;
}

static int given_up(void)
{
	return errno == EINTR ? -EAGAIN : -errno;
}

int udrv__send_packet(int fd, const struct msghdr *msg)
{
	const udrv_ktime_t since = udrv_ktime_get();
	bool last = false;
	ssize_t n;

	do
		n = sendmsg(fd, msg, MSG_NOSIGNAL);
	while (n < 0 && begins_anew(since, &last));
	return n < 0 ? given_up() : 0;
}

static int connect_patiently(int fd, const struct sockaddr_un *addr)
{
	const udrv_ktime_t since = udrv_ktime_get();
	bool last = false;
	int ret;

	do
		ret = connect(fd, (const struct sockaddr *)addr, sizeof(*addr));
	while (ret && begins_anew(since, &last));
	return ret ? given_up() : 0;
}

/* Connected socket, or -ECONNREFUSED / -ENOENT when no daemon is there. */
static int connect_to(const char *path)
{
	const struct timeval wait = {.tv_sec = UDRV__PEER_WAIT_S};
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd;
	int ret;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* A daemon that does not take connections must not hold us. The answer may take its time.
	 */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	ret = connect_patiently(fd, &addr);
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

/* The device of a socket "<driver>@<device>.sock", or NULL if it is not this driver's. */
static const char *socket_device(const char *file, const char *driver, char *device, size_t size)
{
	size_t prefix = strlen(driver);
	size_t len = strlen(file);

	if (len <= prefix + 1 + strlen(UDRV__CONTROL_SUFFIX) || strncmp(file, driver, prefix) ||
	    file[prefix] != '@' ||
	    strcmp(file + len - strlen(UDRV__CONTROL_SUFFIX), UDRV__CONTROL_SUFFIX) != 0)
		return NULL;
	(void)snprintf(device, size, "%.*s", (int)(len - prefix - 1 - strlen(UDRV__CONTROL_SUFFIX)),
		       file + prefix + 1);
	return device;
}

static const char *where_root_s_are(void)
{
	return udrv__rundir_is_own() ? "; root's are asked as root, by sudo" : "";
}

/* A socket that nobody listens at is none. */
static bool is_nobody(int err)
{
	return err == -ENOENT || err == -ECONNREFUSED;
}

/* Daemons there are that cannot be asked. */
struct unasked {
	char device[UDRV_DEVICE_NAME_MAX]; /* of the last one, or "" */
	int err;
};

/*
 * Daemons of this driver that answer; the last one's connection. Negative errno if the directory
 * cannot be looked through.
 */
static int find_daemons(const char *dir_path, const char *driver, int *fd_out, char *list,
			size_t size, struct unasked *unasked)
{
	char path[UDRV__PATH_MAX * 2];
	char device[UDRV_DEVICE_NAME_MAX];
	struct dirent *entry;
	int found = 0;
	DIR *dir = opendir(dir_path);

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(dir))) {
		int fd;

		if (!socket_device(entry->d_name, driver, device, sizeof(device)))
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", dir_path, entry->d_name);
		fd = connect_to(path);
		if (fd < 0 && !is_nobody(fd)) {
			strcpy(unasked->device, device);
			unasked->err = fd;
		}
		if (fd < 0)
			continue;
		if (found)
			close(*fd_out);
		*fd_out = fd;
		found++;
		(void)snprintf(list + strlen(list), size - strlen(list), " %s", device);
	}
	closedir(dir);
	return found;
}

static int not_connected(const char *dir, const char *driver, const char *device, int err)
{
	if (err == -EACCES)
		udrv_pr_err("%s: its daemon, of driver %s in %s, is another user's; run as that "
			    "user, or as root",
			    device, driver, dir);
	else if (err == -EAGAIN)
		udrv_pr_err("%s: its daemon, of driver %s, has taken no connection for %d s: it is "
			    "busy with others, or hangs; try again",
			    device, driver, UDRV__PEER_WAIT_S);
	else
		udrv_pr_err("%s: its daemon, of driver %s in %s, cannot be asked: %s", device,
			    driver, dir, strerror(-err));
	return err;
}

/* @quiet: that there is none, which is -ENOENT, needs no explanation. */
static int connect_any(const char *dir, const char *driver, bool quiet)
{
	struct unasked unasked = {0};
	char list[512] = "";
	int fd = -1;
	int found = find_daemons(dir, driver, &fd, list, sizeof(list), &unasked);

	if (found == 1)
		return fd;
	if (found < 0) {
		udrv_pr_err("%s: cannot be looked through for daemons: %s", dir, strerror(-found));
		return found;
	}
	if (!found && *unasked.device)
		return not_connected(dir, driver, unasked.device, unasked.err);
	if (!found && !quiet)
		udrv_pr_err("no daemon of this driver is running (%s was looked through); start "
			    "one: udrv run %s DEVICE%s",
			    dir, driver, where_root_s_are());
	if (!found)
		return -ENOENT;
	close(fd);
	udrv_pr_err("several daemons are running; choose one by --device:%s", list);
	return -EINVAL;
}

static int connect_device(const char *dir, const char *driver, const char *text, const char *suffix,
			  bool quiet)
{
	char device[UDRV_DEVICE_NAME_MAX];
	char path[UDRV__PATH_MAX * 2];
	int fd = udrv__device_name(text, device, sizeof(device));

	if (fd)
		return fd;
	(void)snprintf(path, sizeof(path), "%s/%s@%s%s", dir, driver, device, suffix);
	fd = connect_to(path);
	if (fd >= 0)
		return fd;
	if (!is_nobody(fd))
		return not_connected(dir, driver, device, fd);
	if (!quiet)
		udrv_pr_err("%s: no daemon of driver %s is running; start one: udrv run %s %s%s",
			    device, driver, driver, device, where_root_s_are());
	return -ENOENT;
}

/* One packet, with a descriptor if there is one. */
static int send_request(int fd, void *request, size_t len, int data_fd)
{
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {request, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c = (struct cmsghdr *)room;

	if (data_fd >= 0) {
		msg.msg_control = room;
		msg.msg_controllen = sizeof(room);
		*c = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(sizeof(int)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
		};
		memcpy(CMSG_DATA(c), &data_fd, sizeof(int));
	}
	return udrv__send_packet(fd, &msg);
}

/* The words, each with its NUL, in one packet; its length, or -E2BIG, explained. */
static int make_request(char request[UDRV__REQUEST_MAX], int argc, char **argv)
{
	size_t len = 0;

	if (argc > UDRV__REQUEST_WORDS) {
		udrv_pr_err("%s: with %d arguments; a daemon takes %d", argv[0], argc - 1,
			    UDRV__REQUEST_WORDS - 1);
		return -E2BIG;
	}
	for (int i = 0; i < argc; i++) {
		size_t n = strlen(argv[i]) + 1;

		if (n > UDRV__REQUEST_MAX - len) {
			udrv_pr_err("%s: its arguments are longer than the %d bytes that a daemon "
				    "takes",
				    argv[0], UDRV__REQUEST_MAX);
			return -E2BIG;
		}
		memcpy(request + len, argv[i], n);
		len += n;
	}
	return (int)len;
}

/* Copy what the daemon says to our streams until its status comes, or nobody reads them. */
static int receive_answer(int fd, int *status)
{
	union {
		struct udrv__answer head;
		char bytes[sizeof(struct udrv__answer) + UDRV__ANSWER_MAX];
	} packet;

	for (;;) {
		ssize_t n = recv(fd, &packet, sizeof(packet), 0);
		size_t len;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if ((size_t)n < sizeof(packet.head))
			return -EPIPE;
		len = (size_t)n - sizeof(packet.head);
		switch (packet.head.kind) {
		case UDRV__ANSWER_OUT:
			*status = udrv__streams_write(packet.head.text, len);
			if (*status)
				return 0;
			break;
		case UDRV__ANSWER_ERR:
			(void)fwrite(packet.head.text, 1, len, stderr);
			break;
		case UDRV__ANSWER_STATUS:
			*status = packet.head.status;
			return 0;
		default:
			return -EPROTO;
		}
	}
}

/* Connected to the daemon that is meant; explains failures. */
static int connect_daemon(const char *driver, const char *device, const char *suffix, bool quiet)
{
	char dir[UDRV__PATH_MAX];
	int ret = udrv__rundir(dir, sizeof(dir));

	if (ret)
		return ret;
	/* Who made the directory could answer in the daemon's place. */
	if (geteuid() && !access(dir, F_OK))
		ret = udrv__rundir_check(dir);
	if (ret)
		return ret;
	return device ? connect_device(dir, driver, device, suffix, quiet)
		      : connect_any(dir, driver, quiet);
}

/* Ask, print, close. The daemon's status, or negative errno, explained. */
static int ask(int fd, int argc, char **argv, int data_fd)
{
	char request[UDRV__REQUEST_MAX];
	const int len = make_request(request, argc, argv);
	int status = len;
	int ret;

	if (len < 0)
		goto out;
	ret = send_request(fd, request, (size_t)len, data_fd);
	if (!ret)
		ret = receive_answer(fd, &status);
	if (ret) {
		udrv_pr_err("the daemon went away before it answered (%s); see its log",
			    strerror(-ret));
		status = ret;
	}
out:
	close(fd);
	return status;
}

int udrv__client_call(const struct udrv_driver *drv, const struct udrv_verb *v, const char *device,
		      int argc, char **argv)
{
	const bool alone = v->flags & UDRV_VERB_FREE_DEVICE;
	int fd = connect_daemon(drv->name, device, UDRV__CONTROL_SUFFIX, alone);
	int status;
	int data_fd = -1;

	if (fd == -ENOENT && alone)
		return udrv__alone_call(drv, v, device, argc, argv);
	if (fd < 0)
		return EXIT_FAILURE;
	/* What a verb reads or writes is opened here, with the caller's rights. */
	status = udrv__verb_data_open(v, argc, argv, &data_fd);
	if (status)
		close(fd);
	else
		status = ask(fd, argc, argv, data_fd);
	if (data_fd >= 0)
		close(data_fd);
	return status ? EXIT_FAILURE : EXIT_SUCCESS;
}

int udrv__client_set(const char *driver, const char *device, int argc, char **argv)
{
	const int fd = connect_daemon(driver, device, UDRV__SETTINGS_SUFFIX, false);
	const int status = fd < 0 ? fd : ask(fd, argc, argv, -1);

	if (fd >= 0 && status == -EINVAL)
		return UDRV__EXIT_USAGE;
	return status ? EXIT_FAILURE : EXIT_SUCCESS;
}
