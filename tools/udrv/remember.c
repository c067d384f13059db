// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "remember.h"
#include "tool.h"

static int make_folder(const char *path)
{
	return mkdir(path, 0755) && errno != EEXIST ? -errno : 0;
}

static int make_folders(void)
{
	char path[PATH_MAX];
	int ret = make_folder(tool_run_root);

	(void)snprintf(path, sizeof(path), "%s/bind", tool_run_root);
	return ret ? ret : make_folder(path);
}

static void format_id(char id[64], const struct udrv_pci_info *info)
{
	(void)snprintf(id, 64, "%04x:%04x", info->vendor, info->device);
}

static int write_file(const char *path, const char *id, const struct remembered *r)
{
	FILE *f = fopen(path, "we");
	int ret = 0;

	if (!f)
		return -errno;
	if (fprintf(f, "id=%s\ndriver=%s\noverride=%s\nbound=%s\n", id, r->driver, r->override,
		    r->bound) < 0)
		ret = -EIO;
	if (fclose(f))
		ret = -errno;
	return ret;
}

int remember_save(const struct udrv_pci_info *info, const struct remembered *r)
{
	char id[64];
	char path[PATH_MAX];
	char temporary[PATH_MAX + 16];
	int ret = make_folders();

	if (ret)
		return ret;
	(void)snprintf(path, sizeof(path), "%s/bind/%s", tool_run_root, info->name);
	(void)snprintf(temporary, sizeof(temporary), "%s.%d", path, (int)getpid());
	format_id(id, info);
	ret = write_file(temporary, id, r);
	if (!ret && rename(temporary, path))
		ret = -errno;
	if (ret)
		(void)unlink(temporary);
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

static int read_file(const char *path, struct remembered *r)
{
	char line[128];
	unsigned seen = 0;
	FILE *f = fopen(path, "re");

	if (!f)
		return -errno;
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
	char path[PATH_MAX];
	char id[64];
	int ret;

	(void)snprintf(path, sizeof(path), "%s/bind/%s", tool_run_root, info->name);
	ret = read_file(path, &r);
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
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/bind/%s", tool_run_root, name);
	return unlink(path) && errno != ENOENT ? -errno : 0;
}
