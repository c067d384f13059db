// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A daemon has its statistics open and locked, and /proc tells where they are. They are not read: a
 * file in a directory of somebody else could be cut short meanwhile.
 */
#include "elsewhere.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/daemon.h"
#include "stat/segment.h"
#include "tool.h"

/* What is looked for, and how many were told of. */
struct search {
	char own[UDRV__PATH_MAX];
	const char *device;
	const char *driver;
	size_t found;
};

/* The parts of "<dir>/<driver>@<device>.stats". */
struct place {
	const char *dir;
	const char *driver;
	const char *device;
};

/* Cuts the path. False: it is no such path, or nothing to be printed. */
static bool split(char *path, struct place *place)
{
	char *slash = strrchr(path, '/');
	char *at = slash ? strchr(slash, '@') : NULL;
	char *end = at ? strrchr(at, '.') : NULL;

	if (!end || strcmp(end, UDRV__STAT_SUFFIX) != 0)
		return false;
	for (const char *c = path; *c; c++)
		if (*c <= ' ' || *c > '~')
			return false;
	*slash = 0;
	*at = 0;
	*end = 0;
	*place = (struct place){path, slash + 1, at + 1};
	return true;
}

/* A reader has it open for a moment, too. */
static bool has_lock(const char *pid, const char *fd)
{
	char path[PATH_MAX];
	char *line = NULL;
	size_t size = 0;
	bool found = false;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s/fdinfo/%s", tool_proc_root, pid, fd);
	f = fopen(path, "re");
	while (f && !found && getline(&line, &size, f) >= 0)
		found = !strncmp(line, "lock:", 5) && strstr(line, "FLOCK") &&
			strstr(line, "WRITE");
	free(line);
	if (f)
		(void)fclose(f);
	return found;
}

static bool is_wanted(const struct search *s, const struct place *place)
{
	return strcmp(place->dir, s->own) != 0 &&
	       (!s->device || !strcmp(s->device, place->device)) &&
	       (!s->driver || !strcmp(s->driver, place->driver));
}

static void tell(const char *pid, const struct place *place)
{
	char path[PATH_MAX];
	char sudo[32] = "";
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", tool_proc_root, pid);
	if (!stat(path, &st) && st.st_uid != geteuid())
		(void)snprintf(sudo, sizeof(sudo), "sudo -u '#%u' ", st.st_uid);
	tool_note("%s: driven by udrv-%s (pid %s), which has its files in %s; ask there: "
		  "%sUDRV_RUNTIME_DIR=%s udrv ps",
		  place->device, place->driver, pid, place->dir, sudo, place->dir);
}

static void look_at(struct search *s, const char *pid)
{
	char path[PATH_MAX];
	struct dirent *entry;
	struct place place;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "%s/%s/fd", tool_proc_root, pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, path, sizeof(path) - 1);

		path[len < 0 ? 0 : len] = 0;
		if (!split(path, &place) || !is_wanted(s, &place) || !has_lock(pid, entry->d_name))
			continue;
		tell(pid, &place);
		s->found++;
	}
	if (dir)
		closedir(dir);
}

size_t elsewhere_tell(const char *device, const char *driver)
{
	struct search s = {.device = device, .driver = driver};
	struct dirent *entry;
	DIR *dir;

	if (getenv("UDRV_RUNTIME_DIR") || udrv__rundir(s.own, sizeof(s.own)))
		return 0;
	dir = opendir(tool_proc_root);
	while (dir && (entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]))
			look_at(&s, entry->d_name);
	if (dir)
		closedir(dir);
	return s.found;
}
