// SPDX-License-Identifier: GPL-2.0-or-later
/* Who drives a device and what was claimed in it: from the stub, which knows all, or from daemons.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers.h"
#include "inuse.h"
#include "pci/sysfs.h"
#include "ranges.h"
#include "stats.h"
#include "tool.h"

static int read_daemon(void *ctx, const char *path)
{
	struct ranges *ranges = ctx;
	struct udrv__claim_table *grown =
		reallocarray(ranges->daemon, ranges->daemons + 1, sizeof(*grown));
	int ret;

	if (!grown)
		return -ENOMEM;
	ranges->daemon = grown;
	ret = udrv__claims_read(&grown[ranges->daemons], path);
	if (ret)
		return stats_not_opened(path, ret);
	if (grown[ranges->daemons].left_out)
		tool_note("%s: %u claims of it are not shown", grown[ranges->daemons].device,
			  grown[ranges->daemons].left_out);
	ranges->daemons++;
	return 0;
}

int ranges_read_daemons(struct ranges *ranges)
{
	return stats_each_file(UDRV__CLAIMS_SUFFIX, read_daemon, ranges);
}

const struct udrv__claim_table *ranges_daemon(const struct ranges *ranges, const char *device)
{
	for (size_t i = 0; i < ranges->daemons; i++)
		if (!strcmp(ranges->daemon[i].device, device))
			return &ranges->daemon[i];
	return NULL;
}

/* A daemon's program, or what /proc says. */
static void name_process(const struct ranges *ranges, int pid, struct range_process *process)
{
	process->pid = pid;
	for (size_t i = 0; i < ranges->daemons; i++) {
		if ((int)ranges->daemon[i].pid != pid)
			continue;
		(void)snprintf(process->name, sizeof(process->name), "udrv-%s",
			       ranges->daemon[i].driver);
		return;
	}
	tool_process_name(pid, process->name, sizeof(process->name));
}

void ranges_find_process(const struct ranges *ranges, const struct udrv_pci_info *info,
			 struct range_process *process)
{
	const struct udrv__claim_table *daemon = ranges_daemon(ranges, info->name);
	struct inuse inuse;

	if (daemon) {
		name_process(ranges, (int)daemon->pid, process);
		return;
	}
	if (!driver_is_ours(info->driver) || inuse_find(&inuse, info))
		return;
	for (size_t i = 0; i < inuse.count && !process->pid; i++)
		if (inuse.reason[i].kind == INUSE_OPEN)
			name_process(ranges, inuse.reason[i].pid, process);
}

static int add_claim(struct ranges *ranges, const char *device, int bar, uint64_t start,
		     uint64_t len, const char *name, int pid)
{
	struct range *r = ranges_add(ranges, start, len, RANGE_CLAIM, device);

	if (!r)
		return -ENOMEM;
	r->bar = bar;
	(void)snprintf(r->name, sizeof(r->name), "%s", name);
	name_process(ranges, pid, &r->process);
	return 0;
}

/* "BAR OFFSET LEN PID NAME", kernel/uapi/udrv_stub.h. What is not is passed over. */
static int add_stub_line(struct ranges *ranges, const char *device, int bar, uint64_t start,
			 uint64_t bar_len, char *line)
{
	unsigned long long offset;
	unsigned long long len;
	int of_bar;
	int pid;
	int at = 0;

	line[strcspn(line, "\n")] = 0;
	if (sscanf(line, "%d %llx %llx %d %n", &of_bar, &offset, &len, &pid, &at) != 4 || !at)
		return 0;
	if (of_bar != bar || !len || offset >= bar_len || len > bar_len - offset)
		return 0;
	return add_claim(ranges, device, bar, start + offset, len, line + at, pid);
}

/* 1: there is no stub to ask. */
static int add_stub_claims(struct ranges *ranges, const char *device, int bar, uint64_t start,
			   uint64_t len)
{
	char path[PATH_MAX];
	char *line = NULL;
	size_t size = 0;
	int ret = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/class/udrv_stub/udrv_stub-%s/claims",
		       udrv__sysfs_root, device);
	f = fopen(path, "re");
	if (!f)
		return 1;
	while (!ret && getline(&line, &size, f) >= 0)
		ret = add_stub_line(ranges, device, bar, start, len, line);
	free(line);
	(void)fclose(f);
	return ret;
}

int ranges_add_claims(struct ranges *ranges, const char *device, int bar, uint64_t start,
		      uint64_t len)
{
	const struct udrv__claim_table *daemon = ranges_daemon(ranges, device);
	int ret = add_stub_claims(ranges, device, bar, start, len);

	if (ret <= 0 || !daemon)
		return ret < 0 ? ret : 0;
	ret = 0;
	for (uint32_t i = 0; i < daemon->count && !ret; i++) {
		const struct udrv__claim_record *r = &daemon->records[i];

		if ((int)r->bar == bar && r->offset < len && r->len <= len - r->offset)
			ret = add_claim(ranges, device, bar, start + r->offset, r->len, r->name,
					(int)daemon->pid);
	}
	return ret;
}
