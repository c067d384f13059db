// SPDX-License-Identifier: MIT
/* Who has a disk: file systems, swap space, what is made of it. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "export/ublk.h"
#include "pci/sysfs.h"

/* Is it the disk, or a partition of it? */
static bool is_of(const char *source, const char *disk)
{
	const size_t len = strlen(disk);

	return !strncmp(source, disk, len) && (!source[len] || source[len] == 'p');
}

const struct mntent *udrv__ublk_next_mount(FILE *mounts, const char *disk)
{
	const struct mntent *m;

	while ((m = getmntent(mounts)))
		if (is_of(m->mnt_fsname, disk))
			return m;
	return NULL;
}

/* Swap space is listed as file systems are: its name comes first. */
static bool is_listed(const char *file, const char *disk)
{
	FILE *f = setmntent(file, "re");
	bool found;

	if (!f)
		return false;
	found = udrv__ublk_next_mount(f, disk);
	(void)endmntent(f);
	return found;
}

static bool has_holders(const char *node, uint32_t id)
{
	char pattern[UDRV__UBLK_PATH_MAX];
	glob_t found;
	int ret;

	(void)snprintf(pattern, sizeof(pattern), "%s/class/block/ublkb%u%s/holders/*",
		       udrv__sysfs_root, id, node);
	ret = glob(pattern, GLOB_NOSORT, NULL, &found);
	globfree(&found);
	return !ret;
}

bool udrv__ublk_has_users(uint32_t id)
{
	char disk[UDRV__UBLK_PATH_MAX];
	int fd;

	udrv__ublk_path(disk, 'b', id);
	fd = open(disk, O_RDONLY | O_EXCL | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	if (fd >= 0 || errno != EBUSY)
		return false;
	/*
	 * A file system that was unmounted lazily has it until all is written, which waits for the
	 * disk: it is no user any more.
	 */
	return is_listed("/proc/self/mounts", disk) || is_listed("/proc/swaps", disk) ||
	       has_holders("", id) || has_holders("p*", id);
}
