// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "remember.h"
#include "tool.h"

/* What is remembered decides what root binds: only who root trusts may have written it. */
static int check_owner(int fd, mode_t kind)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if ((st.st_mode & S_IFMT) != kind || (st.st_uid && st.st_uid != geteuid()) ||
	    st.st_mode & (S_IWGRP | S_IWOTH))
		return -EPERM;
	return 0;
}

static int open_checked(int dir, const char *name, int flags, mode_t kind)
{
	/* A pipe must not make this wait. */
	int fd = openat(dir, name, flags | O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	int ret;

	if (fd < 0)
		return errno == ELOOP || errno == ENOTDIR ? -EPERM : -errno;
	ret = check_owner(fd, kind);
	if (ret) {
		close(fd);
		return ret;
	}
	return fd;
}

static int open_folder(int dir, const char *name, bool make)
{
	if (make && mkdirat(dir, name, 0755) && errno != EEXIST)
		return -errno;
	return open_checked(dir, name, O_DIRECTORY, S_IFDIR);
}

/* A descriptor, or a negative errno. */
static int open_bind(bool make)
{
	int root = open_folder(AT_FDCWD, tool_run_root, make);
	int fd;

	if (root < 0)
		return root;
	fd = open_folder(root, "bind", make);
	close(root);
	return fd;
}

const char *remember_strerror(int err)
{
	if (err == -EPERM)
		return "it is not root's alone; look who made it, and delete it";
	return strerror(-err);
}

static void format_id(char id[64], const struct udrv_pci_info *info)
{
	(void)snprintf(id, 64, "%04x:%04x", info->vendor, info->device);
}

static int write_file(int dir, const char *name, const char *id, const struct remembered *r)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	int ret = 0;

	if (!f) {
		ret = -errno;
		if (fd >= 0)
			close(fd);
		return ret;
	}
	if (fprintf(f, "id=%s\ndriver=%s\noverride=%s\nbound=%s\n", id, r->driver, r->override,
		    r->bound) < 0)
		ret = -EIO;
	if (fclose(f))
		ret = -errno;
	return ret;
}

int remember_save(const struct udrv_pci_info *info, const struct remembered *r)
{
	char temporary[sizeof(info->name) + 16];
	char id[64];
	int dir = open_bind(true);
	int ret;

	if (dir < 0)
		return dir;
	(void)snprintf(temporary, sizeof(temporary), "%s.%d", info->name, (int)getpid());
	format_id(id, info);
	/* Of a process with this number that was killed. */
	(void)unlinkat(dir, temporary, 0);
	ret = write_file(dir, temporary, id, r);
	if (!ret && renameat(dir, temporary, dir, info->name))
		ret = -errno;
	if (ret)
		(void)unlinkat(dir, temporary, 0);
	close(dir);
	return ret;
}

/* The value of a line "key=value" into a field of 64 bytes; false when it is another line. */
static bool take_value(const char *line, const char *key, char field[64])
{
	size_t len = strlen(key);

	if (strncmp(line, key, len) != 0 || line[len] != '=' || strlen(line + len + 1) >= 64)
		return false;
	(void)snprintf(field, 64, "%s", line + len + 1);
	return true;
}

static int open_file(const char *name)
{
	int dir = open_bind(false);
	int fd;

	if (dir < 0)
		return dir;
	fd = open_checked(dir, name, 0, S_IFREG);
	close(dir);
	return fd;
}

static int read_file(const char *name, struct remembered *r)
{
	char line[128];
	unsigned seen = 0;
	int fd = open_file(name);
	FILE *f;

	if (fd < 0)
		return fd;
	f = fdopen(fd, "r");
	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		if (take_value(line, "id", r->id)) {
			seen |= 1;
		} else if (take_value(line, "driver", r->driver)) {
			seen |= 2;
		} else if (take_value(line, "override", r->override)) {
			seen |= 4;
		} else if (take_value(line, "bound", r->bound)) {
			seen |= 8;
		}
	}
	(void)fclose(f);
	return seen == 15 ? 0 : -EIO;
}

int remember_load(const struct udrv_pci_info *info, struct remembered *out)
{
	struct remembered r = {0};
	char id[64];
	int ret = read_file(info->name, &r);

	if (ret)
		return ret;
	format_id(id, info);
	if (strcmp(r.id, id) != 0)
		return -ENOENT;
	/* Its former driver may still have it, or again, when binding stopped half-way. */
	if (info->driver[0] && strcmp(info->driver, r.bound) != 0 &&
	    strcmp(info->driver, r.driver) != 0)
		return -ENOENT;
	*out = r;
	return 0;
}

int remember_forget(const char *name)
{
	int dir = open_bind(false);
	int ret;

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	ret = unlinkat(dir, name, 0) && errno != ENOENT ? -errno : 0;
	close(dir);
	return ret;
}
