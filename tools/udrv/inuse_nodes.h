/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The device nodes through which a PCI function is used. */
#ifndef INUSE_NODES_H
#define INUSE_NODES_H

#include <stdbool.h>
#include <stddef.h>

#include <udrv/pci_info.h>

struct inuse_node {
	char name[320];	 /* below /dev, e.g. "nvme0n1p1" or "vfio/5" */
	char number[24]; /* "major:minor" of a block device; "" for others */
};

struct inuse_nodes {
	struct inuse_node *node;
	size_t count;
};

int inuse_nodes_find(struct inuse_nodes *nodes, const struct udrv_pci_info *info);
/* A block device, such as "ublkb0", and its partitions. */
int inuse_nodes_find_disk(struct inuse_nodes *nodes, const char *name);
void inuse_nodes_free(struct inuse_nodes *nodes);

/* The name of the block device with this number ("" matches none) or path below /dev, or NULL. */
const char *inuse_nodes_block(const struct inuse_nodes *nodes, const char *number,
			      const char *path);

/*
 * inuse_claim.c: the name of a block device that the kernel has given to somebody, or NULL. For a
 * moment the free ones are taken: ask only when nothing else says that they are in use.
 */
const char *inuse_nodes_claimed(const struct inuse_nodes *nodes);

bool inuse_nodes_has_path(const struct inuse_nodes *nodes, const char *path);

/* Call @fn with the name of each device in a class of sysfs that hangs below the function. */
void inuse_for_each_below(const struct udrv_pci_info *info, const char *class_folder,
			  void (*fn)(void *ctx, const char *name), void *ctx);

#endif
