/* SPDX-License-Identifier: MIT */
/* Memory of a memfd, in huge pages where there are some. */
#ifndef UDRV_SRC_MEM_BACKING_H
#define UDRV_SRC_MEM_BACKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct udrv__backing {
	void *va;
	size_t len;
	size_t page_size;
	int fd;
};

/*
 * Zeroed memory of len bytes, a multiple of the page size, at a multiple of align, a power of two;
 * on the NUMA node if it has room, -1: any. 0 or negative errno.
 */
int udrv__backing_make(struct udrv__backing *backing, size_t len, size_t align, int node);
void udrv__backing_end(const struct udrv__backing *backing);
/* Likewise of one huge page of 2 MiB. */
int udrv__backing_make_huge(struct udrv__backing *backing, int node);
/* Is there a free huge page of 2 MiB? */
bool udrv__backing_has_huge(void);

/*
 * Map a file's memory, shared, at an address that is as far behind a multiple of 2 MiB, or of what
 * len is if rounded up to a power of two, as like is: then what is aligned for one is aligned for
 * the other. MAP_FAILED with errno.
 */
void *udrv__map_alike(int fd, off_t offset, size_t len, uint64_t like);

/* 0: nobody has looked yet; 1: there is one node, 2: several. */
extern int udrv__nodes_known;
/* The node, or -1 where there is only one. */
int udrv__node(int node);
/* Have the memory of a mapping, of which nothing was used yet, on a node if it has room. */
void udrv__prefer_node(void *va, size_t len, int node);

#endif
