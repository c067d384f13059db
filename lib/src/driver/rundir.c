// SPDX-License-Identifier: MIT
/* Where daemons keep their sockets and locks. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <udrv/log.h>

#include "driver/daemon.h"

/* How long a killed daemon may take to be gone, and between two looks. */
#define ENDING_MS      10000
#define ENDING_STEP_MS 20

static int fits(int len, size_t size)
{
	return len < 0 || (size_t)len >= size ? -ENAMETOOLONG : 0;
}

int udrv__rundir(char *path, size_t size)
{
	const char *own = getenv("UDRV_RUNTIME_DIR");
	const char *xdg = getenv("XDG_RUNTIME_DIR");

	if (own && own[0] != '/') {
		udrv_pr_err("UDRV_RUNTIME_DIR=%s: must be an absolute path", own);
		return -EINVAL;
	}
	if (own)
		return fits(snprintf(path, size, "%s", own), size);
	if (!geteuid())
		return fits(snprintf(path, size, "/run/udrv"), size);
	/* Others are to be ignored, says the XDG base directory specification. */
	if (xdg && xdg[0] == '/')
		return fits(snprintf(path, size, "%s/udrv", xdg), size);
	return fits(snprintf(path, size, "/tmp/udrv-%u", geteuid()), size);
}

bool udrv__rundir_is_own(void)
{
	return geteuid() && !getenv("UDRV_RUNTIME_DIR");
}

int udrv__rundir_path(char *path, size_t size, const char *name, const char *suffix)
{
	char dir[UDRV__PATH_MAX];
	int ret = udrv__rundir(dir, sizeof(dir));

	return ret ? ret : fits(snprintf(path, size, "%s/%s%s", dir, name, suffix), size);
}

int udrv__rundir_check(const char *dir)
{
	struct stat st;

	if (lstat(dir, &st))
		return -errno;
	if (S_ISDIR(st.st_mode) && (st.st_uid == geteuid() || !st.st_uid) && !(st.st_mode & 022))
		return 0;
	udrv_pr_err("%s: not a directory that only this user or root can write; choose "
		    "another by UDRV_RUNTIME_DIR",
		    dir);
	return -EPERM;
}

int udrv__rundir_make(void)
{
	char dir[UDRV__PATH_MAX];
	int ret = udrv__rundir(dir, sizeof(dir));

	if (ret)
		return ret;
	if (mkdir(dir, 0755) && errno != EEXIST) {
		ret = -errno;
		udrv_pr_err("%s: cannot be made: %s; set UDRV_RUNTIME_DIR", dir, strerror(-ret));
		return ret;
	}
	return udrv__rundir_check(dir);
}

/* "PID PROGRAM" */
static void read_holder(int fd, char *holder, size_t size)
{
	ssize_t n = pread(fd, holder, size - 1, 0);

	holder[n > 0 ? n : 0] = 0;
	holder[strcspn(holder, "\n")] = 0;
}

static void name_holder(int fd, const char *device)
{
	char holder[64];
	char *space;

	read_holder(fd, holder, sizeof(holder));
	space = strchr(holder, ' ');
	if (!space) {
		udrv_pr_err("%s: another daemon drives it already", device);
		return;
	}
	*space = 0;
	space[1 + strcspn(space + 1, " ")] = 0;
	if (!strncmp(space + 1, "udrv-", strlen("udrv-")))
		udrv_pr_err("%s: already driven by %s (pid %s); stop it first: udrv stop %s",
			    device, space + 1, holder, device);
	else
		udrv_pr_err("%s: a verb of %s (pid %s) has it; wait for its end", device, space + 1,
			    holder);
}

/* A value of /proc/PID/status in hexadecimal, or 0. */
static unsigned long long status_of(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtoull(at + strlen(name), NULL, 16) : 0;
}

/*
 * Was it killed, and is only not gone yet? SIGKILL waits to be delivered, or the process has no
 * memory left (proc(5), status: no VmSize), which goes before its descriptors.
 */
static bool is_ending(pid_t pid)
{
	char path[64];
	char text[4096];
	FILE *file;
	size_t len;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return true;
	len = fread(text, 1, sizeof(text) - 1, file);
	text[len] = 0;
	(void)fclose(file);
	return (status_of(text, "\nShdPnd:") | status_of(text, "\nSigPnd:")) &
		       1ull << (SIGKILL - 1) ||
	       !strstr(text, "\nVmSize:");
}

/* Who was killed holds it until its last descriptor is closed, which takes a moment. */
static int lock(int fd)
{
	const struct timespec pause = {.tv_nsec = ENDING_STEP_MS * 1000000L};
	char holder[64];
	int tries = ENDING_MS / ENDING_STEP_MS;

	while (flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK)
			return -errno;
		read_holder(fd, holder, sizeof(holder));
		if (!tries-- || !is_ending((pid_t)strtol(holder, NULL, 10)))
			return -EBUSY;
		nanosleep(&pause, NULL);
	}
	return 0;
}

/* Who reads it meanwhile finds a whole first line. */
static int write_holder(int fd, const char *program, const char *state)
{
	char line[96];
	int len = snprintf(line, sizeof(line), "%d %s%s\n", (int)getpid(), program, state);

	errno = 0;
	if (pwrite(fd, line, (size_t)len, 0) != len || ftruncate(fd, len))
		return errno ? -errno : -EIO;
	return 0;
}

int udrv__lock_say_waiting(int fd, const char *program, bool waiting)
{
	return write_holder(fd, program, waiting ? " " UDRV__LOCK_WAITING : "");
}

int udrv__lock_device(const char *device, const char *program, int *fd_out)
{
	char path[UDRV__PATH_MAX];
	int ret = udrv__rundir_path(path, sizeof(path), device, UDRV__LOCK_SUFFIX);
	int fd;

	if (ret)
		return ret;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0) {
		ret = -errno;
		udrv_pr_err("%s: cannot open: %s", path, strerror(-ret));
		return ret;
	}
	ret = lock(fd);
	if (ret) {
		name_holder(fd, device);
		goto err_close;
	}
	ret = write_holder(fd, program, "");
	if (ret) {
		udrv_pr_err("%s: cannot write: %s", path, strerror(-ret));
		goto err_close;
	}
	*fd_out = fd;
	return 0;

err_close:
	close(fd);
	return ret;
}
