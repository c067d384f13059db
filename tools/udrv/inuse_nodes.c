// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inuse_nodes.h"
#include "pci/group.h"
#include "pci/sysfs.h"
#include "tool.h"

/* Does the link lead to a device whose path in sysfs passes through the function? */
static bool leads_below(const struct udrv_pci_info *info, const char *link)
{
	char component[UDRV_PCI_NAME_MAX + 2];
	char *path = realpath(link, NULL);
	bool below;

	(void)snprintf(component, sizeof(component), "/%s/", info->name);
	below = path && strstr(path, component);
	free(path);
	return below;
}

/*
 * An NVMe disk with several paths is a child of its subsystem, which belongs to no PCI function
 * but has a link to the controller of each path.
 */
static bool is_shared_nvme(const struct udrv_pci_info *info, const char *link)
{
	char *path = realpath(link, NULL);
	char *subsystem = path ? strstr(path, "/nvme-subsystem/") : NULL;
	char *end = subsystem ? strchr(subsystem + strlen("/nvme-subsystem/"), '/') : NULL;
	struct dirent *entry;
	bool found = false;
	DIR *dir = NULL;

	if (end) {
		*end = 0;
		dir = opendir(path);
	}
	while (dir && !found && (entry = readdir(dir))) {
		char controller[PATH_MAX + sizeof(entry->d_name)];

		if (entry->d_type != DT_LNK || strncmp(entry->d_name, "nvme", 4) != 0)
			continue;
		(void)snprintf(controller, sizeof(controller), "%s/%s", path, entry->d_name);
		found = leads_below(info, controller);
	}
	if (dir)
		closedir(dir);
	free(path);
	return found;
}

void inuse_for_each_below(const struct udrv_pci_info *info, const char *class_folder,
			  void (*fn)(void *ctx, const char *name), void *ctx)
{
	char folder[PATH_MAX / 2];
	struct dirent *entry;
	DIR *dir;

	(void)snprintf(folder, sizeof(folder), "%s/%s", udrv__sysfs_root, class_folder);
	dir = opendir(folder);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		char link[PATH_MAX];

		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(link, sizeof(link), "%s/%s", folder, entry->d_name);
		if (leads_below(info, link) || is_shared_nvme(info, link))
			fn(ctx, entry->d_name);
	}
	closedir(dir);
}

struct collecting {
	struct inuse_nodes *nodes;
	const char *prefix; /* between /dev/ and the name */
	bool block;
	int ret;
};

static void collect(void *ctx, const char *name)
{
	struct collecting *c = ctx;
	struct inuse_nodes *nodes = c->nodes;
	struct inuse_node *grown;
	struct inuse_node *node;

	grown = reallocarray(nodes->node, nodes->count + 1, sizeof(*grown));
	if (!grown) {
		c->ret = -ENOMEM;
		return;
	}
	nodes->node = grown;
	node = &grown[nodes->count++];
	(void)snprintf(node->name, sizeof(node->name), "%s%s", c->prefix, name);
	node->number[0] = 0;
	if (c->block)
		(void)udrv__sysfs_read(node->number, sizeof(node->number), "class/block/%s/dev",
				       name);
}

/* The node of a character device in sysfs, whatever class it is of. */
static void collect_char(struct collecting *c, const char *number)
{
	static const char key[] = "DEVNAME=";
	char uevent[512];
	char *name;

	if (udrv__sysfs_read(uevent, sizeof(uevent), "dev/char/%s/uevent", number) < 0)
		return;
	name = strstr(uevent, key);
	if (!name)
		return;
	name += strlen(key);
	name[strcspn(name, "\n")] = 0;
	collect(c, name);
}

/* Its own (VFIO's, UIO's, the stub's), controllers, terminals, sound, graphics, USB, ... */
static void collect_chars(struct collecting *c, const struct udrv_pci_info *info)
{
	char component[UDRV_PCI_NAME_MAX + 2];
	char folder[PATH_MAX / 2];
	struct dirent *entry;
	DIR *dir;

	(void)snprintf(component, sizeof(component), "/%s/", info->name);
	(void)snprintf(folder, sizeof(folder), "%s/dev/char", udrv__sysfs_root);
	dir = opendir(folder);
	while (dir && (entry = readdir(dir))) {
		char target[PATH_MAX];
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		target[len < 0 ? 0 : len] = 0;
		if (strstr(target, component))
			collect_char(c, entry->d_name);
	}
	if (dir)
		closedir(dir);
}

static void collect_group(struct collecting *c, const struct udrv_pci_info *info)
{
	char number[16];

	if (info->iommu_group < 0 || !udrv__pci_is_vfio_driver(info->driver))
		return;
	(void)snprintf(number, sizeof(number), "%d", info->iommu_group);
	c->prefix = "vfio/";
	collect(c, number);
	c->prefix = "vfio/noiommu-";
	collect(c, number);
}

int inuse_nodes_find(struct inuse_nodes *nodes, const struct udrv_pci_info *info)
{
	struct collecting c = {.nodes = nodes, .prefix = "", .block = true};

	nodes->node = NULL;
	nodes->count = 0;
	inuse_for_each_below(info, "class/block", collect, &c);
	c.block = false;
	collect_chars(&c, info);
	collect_group(&c, info);
	if (c.ret)
		inuse_nodes_free(nodes);
	return c.ret;
}

int inuse_nodes_find_disk(struct inuse_nodes *nodes, const char *name)
{
	struct collecting c = {.nodes = nodes, .prefix = "", .block = true};
	char folder[PATH_MAX / 2];
	struct dirent *entry;
	DIR *dir;

	nodes->node = NULL;
	nodes->count = 0;
	collect(&c, name);
	(void)snprintf(folder, sizeof(folder), "%s/class/block/%s", udrv__sysfs_root, name);
	dir = opendir(folder);
	while (dir && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, name, strlen(name)))
			collect(&c, entry->d_name);
	if (dir)
		closedir(dir);
	if (c.ret)
		inuse_nodes_free(nodes);
	return c.ret;
}

void inuse_nodes_free(struct inuse_nodes *nodes)
{
	free(nodes->node);
	nodes->node = NULL;
	nodes->count = 0;
}

static const struct inuse_node *find_path(const struct inuse_nodes *nodes, const char *path)
{
	if (strncmp(path, "/dev/", 5) != 0)
		return NULL;
	for (size_t i = 0; i < nodes->count; i++) {
		if (!strcmp(path + 5, nodes->node[i].name))
			return &nodes->node[i];
	}
	return NULL;
}

const char *inuse_nodes_block(const struct inuse_nodes *nodes, const char *number, const char *path)
{
	const struct inuse_node *node;
	char *real;

	for (size_t i = 0; i < nodes->count; i++) {
		if (number[0] && !strcmp(number, nodes->node[i].number))
			return nodes->node[i].name;
	}
	/* btrfs has a number of its own; and a name may be a link, as in /dev/disk/by-id. */
	node = find_path(nodes, path);
	if (!node && !strncmp(path, "/dev/", 5)) {
		real = realpath(path, NULL);
		node = real ? find_path(nodes, real) : NULL;
		free(real);
	}
	return node && node->number[0] ? node->name : NULL;
}

bool inuse_nodes_has_path(const struct inuse_nodes *nodes, const char *path)
{
	return find_path(nodes, path) != NULL;
}
