// SPDX-License-Identifier: GPL-2.0-or-later
#include "holder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "driver/daemon.h"
#include "tool.h"

#define DAEMON_PREFIX "udrv-"

/* Does the kernel say that this process has the file's lock? What the file says may be old. */
static bool has_lock(pid_t pid, ino_t inode)
{
	char path[UDRV__PATH_MAX];
	char *line = NULL;
	size_t size = 0;
	bool found = false;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/locks", tool_proc_root);
	f = fopen(path, "re");
	while (f && !found && getline(&line, &size, f) >= 0) {
		unsigned long long of = 0;
		int owner = 0;

		found = sscanf(line, "%*s FLOCK ADVISORY WRITE %d %*x:%*x:%llu", &owner, &of) ==
				2 &&
			owner == pid && of == inode;
	}
	free(line);
	if (f)
		(void)fclose(f);
	return found;
}

/* "PID PROGRAM", or "PID PROGRAM waiting" */
static int read_lock(struct holder *h, const char *path, ino_t *inode)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char text[96] = "";
	char state[16] = "";
	struct stat st;
	int pid = 0;

	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	if (fstat(fd, &st) || read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	text[strcspn(text, "\n")] = 0;
	if (sscanf(text, "%d %63s %15s", &pid, h->program, state) < 2 || pid <= 0)
		return -ESRCH;
	h->pid = pid;
	h->waiting = !strcmp(state, UDRV__LOCK_WAITING);
	*inode = st.st_ino;
	return 0;
}

/* The descriptor first: what is found out afterwards is of the process that it names. */
int holder_find(struct holder *h, const char *device)
{
	char path[UDRV__PATH_MAX];
	ino_t inode = 0;
	int ret = udrv__rundir_path(path, sizeof(path), device, UDRV__LOCK_SUFFIX);

	(void)snprintf(h->device, sizeof(h->device), "%s", device);
	if (!ret)
		ret = read_lock(h, path, &inode);
	if (ret)
		return ret;
	h->pidfd = (int)syscall(SYS_pidfd_open, h->pid, 0);
	if (h->pidfd < 0)
		return -errno;
	if (has_lock(h->pid, inode))
		return 0;
	close(h->pidfd);
	return -ESRCH;
}

const char *holder_driver(const struct holder *h)
{
	const size_t len = strlen(DAEMON_PREFIX);

	return strncmp(h->program, DAEMON_PREFIX, len) ? NULL : h->program + len;
}
