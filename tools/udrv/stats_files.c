// SPDX-License-Identifier: GPL-2.0-or-later
/* The files that daemons tell in. */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "driver/daemon.h"
#include "stats.h"
#include "tool.h"

/* Files of dead daemons, and of ones that end meanwhile, are none. */
int stats_not_opened(const char *path, int err)
{
	if (err != -ESTALE && err != -ENOENT)
		tool_note("%s: %s", path,
			  err == -EPROTO ? "written by another version of udrv" : strerror(-err));
	return 0;
}

static bool ends_with(const char *file, const char *suffix)
{
	size_t len = strlen(file);
	size_t suffix_len = strlen(suffix);

	return len > suffix_len && !strcmp(file + len - suffix_len, suffix);
}

static int read_dir(const char *path, const char *suffix,
		    int (*read_file)(void *ctx, const char *path), void *ctx)
{
	char file[UDRV__PATH_MAX * 2];
	struct dirent *entry;
	DIR *dir = opendir(path);
	int ret = dir || errno == ENOENT ? 0 : -errno;

	while (dir && !ret && (entry = readdir(dir))) {
		if (!ends_with(entry->d_name, suffix))
			continue;
		(void)snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		ret = read_file(ctx, file);
	}
	if (dir)
		closedir(dir);
	if (ret)
		tool_err("%s: cannot be read: %s", path, strerror(-ret));
	return ret;
}

int stats_each_file(const char *suffix, int (*read_file)(void *ctx, const char *path), void *ctx)
{
	char dir[UDRV__PATH_MAX];
	int ret = udrv__rundir(dir, sizeof(dir));

	/* Files of somebody else could be cut short while they are read. */
	if (!ret && !access(dir, F_OK))
		ret = udrv__rundir_check(dir);
	return ret ? ret : read_dir(dir, suffix, read_file, ctx);
}
