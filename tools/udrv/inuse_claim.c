// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel gives a block device to one at a time: to a file system, a pool, an external journal,
 * or to who opens it with O_EXCL (open(2)). That knows no namespaces.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "child.h"
#include "inuse.h"
#include "inuse_nodes.h"

/* A disk that hangs takes this long. */
#define TAKE_MS 2000

static int take(const char *path)
{
	int fd = open(path, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

int (*inuse_take)(const char *path) = take;

/* The number of the first one that is not to be had, from 1; 0: there is none. */
static int find_claimed(void *ctx)
{
	const struct inuse_nodes *nodes = ctx;

	for (size_t i = 0; i < nodes->count; i++) {
		char path[PATH_MAX];

		if (!nodes->node[i].number[0])
			continue;
		(void)snprintf(path, sizeof(path), "/dev/%s", nodes->node[i].name);
		if (inuse_take(path) == -EBUSY)
			return (int)i + 1;
	}
	return 0;
}

static bool has_block(const struct inuse_nodes *nodes)
{
	for (size_t i = 0; i < nodes->count; i++)
		if (nodes->node[i].number[0])
			return true;
	return false;
}

const char *inuse_nodes_claimed(const struct inuse_nodes *nodes)
{
	int nr;

	if (!has_block(nodes))
		return NULL;
	nr = child_run(find_claimed, (void *)(uintptr_t)nodes, TAKE_MS);
	return nr > 0 ? nodes->node[nr - 1].name : NULL;
}
