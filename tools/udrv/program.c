// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "program.h"

/* A name becomes part of a file name: letters, digits, '-' and '_' only. */
static bool is_name(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_";

	return name[0] && name[0] != '-' && !name[strspn(name, allowed)];
}

/* The folder this program is in, with a slash; "" when unknown. */
static void own_folder(char folder[PATH_MAX])
{
	ssize_t len = readlink("/proc/self/exe", folder, PATH_MAX - 1);
	char *slash;

	folder[len > 0 ? len : 0] = 0;
	slash = strrchr(folder, '/');
	if (slash)
		slash[1] = 0;
	else
		folder[0] = 0;
}

int program_exec(const char *name, char **argv)
{
	char folder[PATH_MAX];
	char path[PATH_MAX + 64];

	if (!is_name(name))
		return -ENOENT;
	own_folder(folder);
	if (snprintf(path, sizeof(path), "%sudrv-%s", folder, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	argv[0] = path + strlen(folder);
	if (folder[0])
		execv(path, argv);
	if (errno == ENOENT || !folder[0])
		execvp(argv[0], argv);
	return -errno;
}

#define PREFIX	  "udrv-"
#define NAMES_MAX 64

struct found {
	char name[NAMES_MAX][64];
	size_t count;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void add_name(struct found *found, const char *name)
{
	for (size_t i = 0; i < found->count; i++)
		if (!strcmp(found->name[i], name))
			return;
	if (found->count < NAMES_MAX && strlen(name) < sizeof(found->name[0]))
		strcpy(found->name[found->count++], name);
}

static void look_in(struct found *found, const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		const char *name = entry->d_name + strlen(PREFIX);

		if (!strncmp(entry->d_name, PREFIX, strlen(PREFIX)) && is_name(name) &&
		    !faccessat(dirfd(dir), entry->d_name, X_OK, 0))
			add_name(found, name);
	}
	if (dir)
		(void)closedir(dir);
}

static void find_all(struct found *found)
{
	const char *path = getenv("PATH");
	char folder[PATH_MAX];
	size_t len;

	found->count = 0;
	own_folder(folder);
	look_in(found, folder);
	for (; path && *path; path += len + (path[len] == ':')) {
		len = strcspn(path, ":");
		if (snprintf(folder, sizeof(folder), "%.*s", (int)len, path) < PATH_MAX)
			look_in(found, folder);
	}
}

bool program_exists(const char *name)
{
	struct found found;
	bool is = false;

	find_all(&found);
	for (size_t i = 0; i < found.count; i++)
		is = is || !strcmp(found.name[i], name);
	return is;
}

const char *program_list(char *buf, size_t size)
{
	struct found found;
	size_t len;

	find_all(&found);
	qsort(found.name, found.count, sizeof(found.name[0]), by_name);
	buf[0] = 0;
	len = 0;
	for (size_t i = 0; i < found.count && len < size; i++)
		len += (size_t)snprintf(buf + len, size - len, "%s%s", i ? ", " : "",
					found.name[i]);
	return buf;
}
