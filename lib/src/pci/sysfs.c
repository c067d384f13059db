// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pci/sysfs.h"

/* An attribute is at most a page. */
#define ATTR_MAX 4096

const char *udrv__sysfs_root = "/sys";

UDRV_PRINTF(2, 0)
static int make_path(char path[PATH_MAX], const char *fmt, va_list args)
{
	int root_len = snprintf(path, PATH_MAX, "%s/", udrv__sysfs_root);
	int len;

	if (root_len < 0 || root_len >= PATH_MAX)
		return -ENAMETOOLONG;
	len = vsnprintf(path + root_len, (size_t)(PATH_MAX - root_len), fmt, args);
	if (len < 0 || len >= PATH_MAX - root_len)
		return -ENAMETOOLONG;
	return 0;
}

#define PATH_FROM_ARGS(path, fmt, ret)                                                             \
	do {                                                                                       \
		va_list args_;                                                                     \
		va_start(args_, fmt);                                                              \
		(ret) = make_path((path), (fmt), args_);                                           \
		va_end(args_);                                                                     \
	} while (0)

static int read_file(const char *path, char text[ATTR_MAX + 1])
{
	size_t len = 0;
	ssize_t n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	do {
		n = read(fd, text + len, ATTR_MAX - len);
		if (n > 0)
			len += (size_t)n;
	} while ((n > 0 && len < ATTR_MAX) || (n < 0 && errno == EINTR));
	if (n < 0) {
		n = -errno;
		close(fd);
		return (int)n;
	}
	close(fd);
	while (len > 0 && text[len - 1] == '\n')
		len--;
	text[len] = 0;
	return (int)len;
}

int udrv__sysfs_read(char *buf, size_t size, const char *fmt, ...)
{
	char path[PATH_MAX];
	char text[ATTR_MAX + 1];
	int ret;

	PATH_FROM_ARGS(path, fmt, ret);
	if (!ret)
		ret = read_file(path, text);
	if (ret < 0)
		return ret;
	if ((size_t)ret >= size)
		return -E2BIG;
	memcpy(buf, text, (size_t)ret + 1);
	return ret;
}

int udrv__sysfs_read_u64(uint64_t *val, uint64_t max, const char *fmt, ...)
{
	char path[PATH_MAX];
	char text[ATTR_MAX + 1];
	unsigned long long parsed;
	char *end;
	int ret;

	text[0] = 0;
	PATH_FROM_ARGS(path, fmt, ret);
	if (!ret)
		ret = read_file(path, text);
	if (ret < 0)
		return ret;
	errno = 0;
	parsed = strtoull(text, &end, 0);
	if (errno || end == text || *end || text[0] == '-' || parsed > max)
		return -EIO;
	*val = parsed;
	return 0;
}

int udrv__sysfs_readlink(char *buf, size_t size, const char *fmt, ...)
{
	char path[PATH_MAX];
	char target[PATH_MAX];
	const char *base;
	ssize_t len;
	int ret;

	PATH_FROM_ARGS(path, fmt, ret);
	if (ret)
		return ret;
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return -errno;
	target[len] = 0;
	base = strrchr(target, '/');
	base = base ? base + 1 : target;
	if (strlen(base) >= size)
		return -E2BIG;
	return snprintf(buf, size, "%s", base);
}

int udrv__sysfs_write(const char *text, const char *fmt, ...)
{
	char path[PATH_MAX];
	size_t len = strlen(text);
	ssize_t n;
	int fd;
	int ret;

	PATH_FROM_ARGS(path, fmt, ret);
	if (ret)
		return ret;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = write(fd, text, len);
	if (n < 0)
		ret = -errno;
	else if ((size_t)n != len)
		ret = -EIO;
	close(fd);
	return ret;
}

int udrv__sysfs_exists(const char *fmt, ...)
{
	char path[PATH_MAX];
	int ret;

	PATH_FROM_ARGS(path, fmt, ret);
	return !ret && faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Inode numbers of sysfs are not used again (Linux, fs/kernfs/dir.c, __kernfs_new_node()). */
uint64_t udrv__sysfs_serial(const char *fmt, ...)
{
	char path[PATH_MAX];
	struct stat st;
	int ret;

	PATH_FROM_ARGS(path, fmt, ret);
	return ret || lstat(path, &st) ? 0 : st.st_ino;
}
