// SPDX-License-Identifier: GPL-2.0-or-later
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inuse.h"
#include "inuse_nodes.h"
#include "pci/sysfs.h"
#include "tool.h"

#define IFF_UP_BIT 0x1u /* linux/if.h, as the flags attribute shows it */

const char *inuse_kind_name(enum inuse_kind kind)
{
	static const char *const names[] = {"mount", "swap", "holder", "network", "open", "claim"};

	return names[kind];
}

UDRV_PRINTF(4, 5)
static void add(struct inuse *inuse, enum inuse_kind kind, const char *brief, const char *fmt, ...)
{
	struct inuse_reason *reason = &inuse->reason[inuse->count];
	va_list args;

	if (inuse->count == INUSE_MAX)
		return;
	reason->kind = kind;
	reason->pid = 0;
	(void)snprintf(reason->brief, sizeof(reason->brief), "%s", brief);
	va_start(args, fmt);
	(void)vsnprintf(reason->text, sizeof(reason->text), fmt, args);
	va_end(args);
	inuse->count++;
}

/* "mounted at /mnt" from "36 25 259:1 / /mnt rw - ext4 /dev/nvme0n1p1 rw" (proc(5)). */
static void check_mount_line(struct inuse *inuse, const struct inuse_nodes *nodes, char *line)
{
	char where[128] = "";
	char number[32] = "";
	char source[128] = "";
	char brief[160];
	const char *dash = strstr(line, " - ");
	const char *block;

	if (!dash || sscanf(line, "%*s %*s %31s %*s %127s", number, where) != 2)
		return;
	(void)sscanf(dash + 3, "%*s %127s", source);
	block = inuse_nodes_block(nodes, number, source);
	if (!block)
		return;
	(void)snprintf(brief, sizeof(brief), "mounted %s", where);
	add(inuse, INUSE_MOUNT, brief, "%s is mounted at %s", block, where);
}

static void check_swap_line(struct inuse *inuse, const struct inuse_nodes *nodes, char *line)
{
	char source[128] = "";
	const char *block;

	if (sscanf(line, "%127s", source) != 1)
		return;
	block = inuse_nodes_block(nodes, "", source);
	if (block)
		add(inuse, INUSE_SWAP, "swap", "%s is swap space", block);
}

static void for_each_line(struct inuse *inuse, const struct inuse_nodes *nodes, const char *file,
			  void (*check)(struct inuse *, const struct inuse_nodes *, char *))
{
	char path[PATH_MAX];
	char *line = NULL;
	size_t size = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", tool_proc_root, file);
	f = fopen(path, "re");
	if (!f)
		return;
	while (getline(&line, &size, f) >= 0)
		check(inuse, nodes, line);
	free(line);
	(void)fclose(f);
}

static void check_holders(struct inuse *inuse, const struct inuse_nodes *nodes)
{
	for (size_t i = 0; i < nodes->count; i++) {
		const struct inuse_node *node = &nodes->node[i];
		char path[PATH_MAX];
		struct dirent *entry;
		DIR *dir;

		if (!node->number[0])
			continue;
		(void)snprintf(path, sizeof(path), "%s/class/block/%s/holders", udrv__sysfs_root,
			       node->name);
		dir = opendir(path);
		if (!dir)
			continue;
		while ((entry = readdir(dir))) {
			if (entry->d_name[0] != '.')
				add(inuse, INUSE_HOLDER, entry->d_name, "%s is part of %s",
				    node->name, entry->d_name);
		}
		closedir(dir);
	}
}

static void check_netif(void *ctx, const char *name)
{
	struct inuse *inuse = ctx;
	uint64_t flags;
	char brief[64];

	if (udrv__sysfs_read_u64(&flags, UINT32_MAX, "class/net/%s/flags", name) < 0 ||
	    !(flags & IFF_UP_BIT))
		return;
	(void)snprintf(brief, sizeof(brief), "%s up", name);
	add(inuse, INUSE_NETIF, brief, "network interface %s is up", name);
}

static void add_process(struct inuse *inuse, const char *pid, const char *node)
{
	char comm[32];
	char brief[64];
	size_t count = inuse->count;

	tool_process_name((int)strtol(pid, NULL, 10), comm, sizeof(comm));
	if (!comm[0])
		strcpy(comm, "?");
	(void)snprintf(brief, sizeof(brief), "pid %s (%s)", pid, comm);
	add(inuse, INUSE_OPEN, brief, "process %s (%s) has %s open", pid, comm, node);
	if (inuse->count > count)
		inuse->reason[count].pid = (int)strtol(pid, NULL, 10);
}

/* One reason for each process, however many descriptors it has. */
static void check_process(struct inuse *inuse, const struct inuse_nodes *nodes, const char *pid)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "%s/%s/fd", tool_proc_root, pid);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		char target[PATH_MAX];
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		if (len <= 0)
			continue;
		target[len] = 0;
		if (inuse_nodes_has_path(nodes, target)) {
			add_process(inuse, pid, target);
			break;
		}
	}
	closedir(dir);
}

static void check_processes(struct inuse *inuse, const struct inuse_nodes *nodes)
{
	struct dirent *entry;
	DIR *dir;

	/* Without a node nobody can have one open: spare the walk. */
	if (!nodes->count)
		return;
	dir = opendir(tool_proc_root);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (isdigit((unsigned char)entry->d_name[0]) &&
		    strtol(entry->d_name, NULL, 10) != getpid())
			check_process(inuse, nodes, entry->d_name);
	}
	closedir(dir);
}

static void check_disks(struct inuse *inuse, const struct inuse_nodes *nodes)
{
	for_each_line(inuse, nodes, "self/mountinfo", check_mount_line);
	for_each_line(inuse, nodes, "swaps", check_swap_line);
	check_holders(inuse, nodes);
}

/* A file system in another mount namespace, a member of a pool: no other file tells of these. */
static void check_claims(struct inuse *inuse, const struct inuse_nodes *nodes)
{
	const char *name = inuse->count ? NULL : inuse_nodes_claimed(nodes);

	if (name)
		add(inuse, INUSE_CLAIM, "claimed",
		    "%s is claimed by the kernel (a file system in another mount namespace, a "
		    "pool, a journal, ...)",
		    name);
}

static int find(struct inuse *inuse, const struct udrv_pci_info *info, bool claims)
{
	struct inuse_nodes nodes;
	int ret;

	inuse->count = 0;
	/* Without a driver there is nothing to use it through. */
	if (!info->driver[0])
		return 0;
	ret = inuse_nodes_find(&nodes, info);
	if (ret)
		return ret;
	check_disks(inuse, &nodes);
	inuse_for_each_below(info, "class/net", check_netif, inuse);
	check_processes(inuse, &nodes);
	if (claims)
		check_claims(inuse, &nodes);
	inuse_nodes_free(&nodes);
	return 0;
}

int inuse_find(struct inuse *inuse, const struct udrv_pci_info *info)
{
	return find(inuse, info, false);
}

int inuse_find_all(struct inuse *inuse, const struct udrv_pci_info *info)
{
	return find(inuse, info, true);
}

int inuse_find_disk(struct inuse *inuse, const char *name)
{
	struct inuse_nodes nodes;
	int ret = inuse_nodes_find_disk(&nodes, name);

	inuse->count = 0;
	if (ret)
		return ret;
	check_disks(inuse, &nodes);
	check_processes(inuse, &nodes);
	check_claims(inuse, &nodes);
	inuse_nodes_free(&nodes);
	return 0;
}

const struct inuse_reason *inuse_by_daemon(const struct inuse *inuse)
{
	for (size_t i = 0; i < inuse->count; i++)
		if (inuse->reason[i].kind == INUSE_OPEN && strstr(inuse->reason[i].text, "(udrv-"))
			return &inuse->reason[i];
	return NULL;
}

void inuse_describe(const struct inuse *inuse, char *text, size_t size)
{
	size_t len = 0;

	text[0] = 0;
	for (size_t i = 0; i < inuse->count && len < size; i++)
		len += (size_t)snprintf(text + len, size - len, "%s%s", i ? ", " : "",
					inuse->reason[i].text);
}
