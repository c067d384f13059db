/* SPDX-License-Identifier: MIT */
/*
 * Files of statistics: one process maps and writes such a file, and anybody who may read it maps
 * it, too. Its owner holds a flock on it, which goes with the process, so a file without one is a
 * dead daemon's.
 */
#ifndef UDRV_SRC_FILE_H
#define UDRV_SRC_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct udrv__stat_file {
	void *mapped; /* NULL: there is none */
	size_t size;
	int fd;
	char path[PATH_MAX];
};

/* What fills a file that is all zero. */
typedef void (*udrv__stat_fill_fn)(void *mapped, const void *ctx);

/*
 * Make @dir/<driver>@<device><suffix>, which has its name once it is filled. What dead daemons of
 * this device left is removed: the caller holds the device's lock. 0 or negative errno; then *file
 * is as if destroyed.
 */
int udrv__stat_file_make(struct udrv__stat_file *file, const char *dir, const char *driver,
			 const char *device, const char *suffix, size_t size,
			 udrv__stat_fill_fn fill, const void *ctx);
/* Its name goes, its descriptor, and its mapping. */
void udrv__stat_file_destroy(struct udrv__stat_file *file);

/*
 * A reader's: map a file that has at least @least bytes and that @is_one knows. 0, -ESTALE if the
 * owner is dead, -EPROTO if it is another kind of file, or negative errno.
 */
int udrv__stat_file_map(const char *path, size_t least,
			bool (*is_one)(const void *mapped, size_t size), const void **mapped,
			size_t *size);

/*
 * A reader whose copy was disturbed by a change, after each such try; *tries is 0 before the first.
 * True: copy again. Sleeps now and then. False: the owner has died in the middle of a change.
 */
bool udrv__stat_file_again(unsigned int *tries);
extern unsigned int udrv__stat_pauses; /* so many hundred tries, 1 ms between them; for tests */

#endif
