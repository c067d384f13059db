/* SPDX-License-Identifier: MIT */
/* Entries of a directory, which may be of /proc. */
#ifndef TESTS_SUPPORT_ENTRIES_H
#define TESTS_SUPPORT_ENTRIES_H

#include <dirent.h>
#include <stdbool.h>

#include <check.h>

/* How many of them count, by their names. */
static inline int count_entries(const char *path, bool (*counts)(const char *name))
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int count = 0;

	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir)))
		count += counts(entry->d_name);
	closedir(dir);
	return count;
}

#endif
