// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
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
