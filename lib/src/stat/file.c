// SPDX-License-Identifier: MIT
#include "stat/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define UNFINISHED ".new"

/*
 * Changes are short and seldom, but their owner may lose its CPU within one. Who is in the middle
 * of one for longer than a few seconds has died there.
 */
#define TRIES_AT_A_TIME 100
#define PAUSE_NS	1000000
unsigned int udrv__stat_pauses = 5000;

/* Is it "<any driver>@<device><suffix>", or one that was not finished? */
static bool is_of_device(const char *file, const char *device, const char *suffix)
{
	const char *at = strchr(file, '@');
	size_t len = strlen(device);

	return at && !strncmp(at + 1, device, len) &&
	       !strncmp(at + 1 + len, suffix, strlen(suffix));
}

static void remove_dead(const char *dir_path, const char *device, const char *suffix)
{
	DIR *dir = opendir(dir_path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (is_of_device(entry->d_name, device, suffix))
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
}

/* Its memory is taken now: a full file system must not hit a thread with SIGBUS later. */
static int map(struct udrv__stat_file *file, size_t size)
{
	void *addr;
	int err = posix_fallocate(file->fd, 0, (off_t)size);

	if (err)
		return -err;
	addr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file->fd, 0);
	if (addr == MAP_FAILED)
		return -errno;
	file->mapped = addr;
	file->size = size;
	return 0;
}

/* Complete and locked before it gets its name: no reader sees it otherwise. */
static int make(struct udrv__stat_file *file, const char *path, size_t size,
		udrv__stat_fill_fn fill, const void *ctx)
{
	int ret;

	file->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (file->fd < 0)
		return -errno;
	ret = flock(file->fd, LOCK_EX | LOCK_NB) ? -errno : map(file, size);
	if (!ret) {
		fill(file->mapped, ctx);
		ret = rename(path, file->path) ? -errno : 0;
	}
	if (!ret)
		return 0;
	if (file->mapped)
		(void)munmap(file->mapped, size);
	file->mapped = NULL;
	close(file->fd);
	(void)unlink(path);
	return ret;
}

int udrv__stat_file_make(struct udrv__stat_file *file, const char *dir, const char *driver,
			 const char *device, const char *suffix, size_t size,
			 udrv__stat_fill_fn fill, const void *ctx)
{
	char path[PATH_MAX];
	int len =
		snprintf(path, sizeof(path), "%s/%s@%s%s" UNFINISHED, dir, driver, device, suffix);

	file->mapped = NULL;
	if (len < 0 || (size_t)len >= sizeof(path))
		return -ENAMETOOLONG;
	(void)snprintf(file->path, sizeof(file->path), "%.*s", len - (int)strlen(UNFINISHED), path);
	remove_dead(dir, device, suffix);
	return make(file, path, size, fill, ctx);
}

void udrv__stat_file_destroy(struct udrv__stat_file *file)
{
	(void)unlink(file->path);
	if (file->mapped)
		(void)munmap(file->mapped, file->size);
	file->mapped = NULL;
	close(file->fd);
}

static int map_read_only(int fd, size_t least, const void **mapped, size_t *size)
{
	struct stat st;
	void *addr;

	/* Whoever gets the lock is not the owner, so there is none. */
	if (!flock(fd, LOCK_SH | LOCK_NB))
		return -ESTALE;
	if (errno != EWOULDBLOCK || fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || (size_t)st.st_size < least)
		return -EPROTO;
	addr = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (addr == MAP_FAILED)
		return -errno;
	*mapped = addr;
	*size = (size_t)st.st_size;
	return 0;
}

int udrv__stat_file_map(const char *path, size_t least,
			bool (*is_one)(const void *mapped, size_t size), const void **mapped,
			size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	const void *addr = NULL;
	size_t bytes = 0;
	int ret;

	if (fd < 0)
		return -errno;
	ret = map_read_only(fd, least, &addr, &bytes);
	close(fd);
	if (!ret && !is_one(addr, bytes)) {
		(void)munmap((void *)(uintptr_t)addr, bytes);
		ret = -EPROTO;
	}
	if (ret)
		return ret;
	*mapped = addr;
	*size = bytes;
	return 0;
}

bool udrv__stat_file_again(unsigned int *tries)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};

	if (++*tries % TRIES_AT_A_TIME)
		return true;
	if (*tries >= TRIES_AT_A_TIME * udrv__stat_pauses)
		return false;
	(void)nanosleep(&pause, NULL);
	return true;
}
