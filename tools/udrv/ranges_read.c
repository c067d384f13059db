// SPDX-License-Identifier: GPL-2.0-or-later
/* Where ranges come from: sysfs, which has the BARs' addresses for everybody, and /proc. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pci/model_name.h"
#include "ranges.h"
#include "tool.h"

static bool is_wanted(const struct ranges *ranges, const char *device)
{
	return !ranges->wanted->device || !strcmp(ranges->wanted->device, device);
}

static bool has_kind(const struct ranges *ranges, uint32_t flags)
{
	return flags & (ranges->wanted->ports ? UDRV_RESOURCE_IO : UDRV_RESOURCE_MEM);
}

/* A BAR and what was claimed in it. */
static int add_bar(struct ranges *ranges, const char *device, int bar, uint64_t start, uint64_t len,
		   const char *driver, const struct range_process *process)
{
	struct range *r = ranges_add(ranges, start, len, RANGE_BAR, device);

	if (!r)
		return -ENOMEM;
	r->bar = bar;
	r->process = *process;
	(void)snprintf(r->driver, sizeof(r->driver), "%s", driver);
	return bar == UDRV_PCI_ROM_RESOURCE ? 0
					    : ranges_add_claims(ranges, device, bar, start, len);
}

/* Without an address it is not in use, or this user may not know. */
static int add_device(const struct udrv_pci_info *info, void *ctx)
{
	struct range_process process = {0};
	struct ranges *ranges = ctx;
	int ret = 0;

	if (!is_wanted(ranges, info->name))
		return 0;
	ranges_find_process(ranges, info, &process);
	for (int i = 0; i < UDRV_PCI_NUM_RESOURCES && !ret; i++) {
		const struct udrv_pci_resource *res = &info->resource[i];

		if (res->start && res->len && has_kind(ranges, res->flags))
			ret = add_bar(ranges, info->name, i, res->start, res->len, info->driver,
				      &process);
	}
	return ret;
}

/* A model's BARs have lengths only. */
static int add_models(struct ranges *ranges)
{
	int ret = 0;

	for (size_t i = 0; i < ranges->daemons && !ret; i++) {
		const struct udrv__claim_table *d = &ranges->daemon[i];
		struct range_process process = {.pid = (int)d->pid};

		if (!udrv__is_model(d->device) || !is_wanted(ranges, d->device))
			continue;
		(void)snprintf(process.name, sizeof(process.name), "udrv-%s", d->driver);
		for (int bar = 0; bar < UDRV_PCI_STD_NUM_BARS && !ret; bar++)
			if (d->bars[bar].len && has_kind(ranges, d->bars[bar].flags))
				ret = add_bar(ranges, d->device, bar, 0, d->bars[bar].len, "",
					      &process);
	}
	return ret;
}

/* A line of /proc/iomem. */
struct line {
	unsigned int depth;
	uint64_t start, end;
	const char *name;
};

static bool parse_line(char *text, struct line *line)
{
	unsigned long long start;
	unsigned long long end;
	int at = 0;

	text[strcspn(text, "\n")] = 0;
	line->depth = (unsigned int)strspn(text, " ") / 2;
	if (sscanf(text, " %llx-%llx : %n", &start, &end, &at) != 2 || !at || end < start)
		return false;
	line->start = start;
	line->end = end;
	line->name = text + at;
	return true;
}

static const struct range *find_bar(const struct ranges *ranges, const struct line *line)
{
	for (size_t i = 0; i < ranges->count; i++) {
		const struct range *r = &ranges->range[i];

		if (r->kind == RANGE_BAR && r->start == line->start && r->end == line->end &&
		    !strcmp(r->device, line->name))
			return r;
	}
	return NULL;
}

/* Where in the kernel's tree the reading is. */
struct place {
	char device[UDRV_DEVICE_NAME_MAX]; /* whose BAR the last lines are in, or "" */
	unsigned int depth;		   /* of the BAR */
};

/* The kernel has a line for the BAR itself, too, named by the address of its device. */
static int add_line(struct ranges *ranges, const struct line *line, struct place *place)
{
	const struct range *bar;
	struct range *r;

	if (place->device[0] && line->depth <= place->depth)
		place->device[0] = 0;
	bar = find_bar(ranges, line);
	if (bar) {
		(void)snprintf(place->device, sizeof(place->device), "%s", bar->device);
		place->depth = line->depth;
		return 0;
	}
	if (!place->device[0] && !ranges->wanted->all)
		return 0;
	r = ranges_add(ranges, line->start, line->end - line->start + 1,
		       place->device[0] ? RANGE_INSIDE : RANGE_AROUND, place->device);
	if (!r)
		return -ENOMEM;
	(void)snprintf(r->name, sizeof(r->name), "%s", line->name);
	return 0;
}

static int add_lines(struct ranges *ranges, FILE *f)
{
	struct place place = {0};
	struct line line;
	char *text = NULL;
	size_t size = 0;
	int ret = 0;

	ranges->kernel_hidden = true;
	while (!ret && getline(&text, &size, f) >= 0) {
		if (!parse_line(text, &line))
			continue;
		/* Addresses that may not be known are all zero. */
		if (!line.end)
			continue;
		ranges->kernel_hidden = false;
		ret = add_line(ranges, &line, &place);
	}
	free(text);
	return ret;
}

static int add_kernel(struct ranges *ranges)
{
	char path[PATH_MAX];
	FILE *f;
	int ret;

	(void)snprintf(path, sizeof(path), "%s/%s", tool_proc_root,
		       ranges->wanted->ports ? "ioports" : "iomem");
	f = fopen(path, "re");
	if (!f) {
		ranges->kernel_hidden = true;
		return 0;
	}
	ret = add_lines(ranges, f);
	(void)fclose(f);
	return ret;
}

int ranges_read(struct ranges *ranges, const struct ranges_wanted *wanted)
{
	int ret;

	memset(ranges, 0, sizeof(*ranges));
	ranges->wanted = wanted;
	ret = ranges_read_daemons(ranges);
	if (ret)
		goto out;
	ret = udrv_pci_for_each(add_device, ranges);
	/* A machine without PCI has models. */
	if (!ret || ret == -ENOENT)
		ret = add_models(ranges);
	if (!ret)
		ret = add_kernel(ranges);
	if (ret)
		tool_err("what is claimed cannot be read: %s", strerror(-ret));
out:
	if (ret)
		ranges_free(ranges);
	else
		ranges_arrange(ranges);
	return ret;
}

void ranges_free(struct ranges *ranges)
{
	free(ranges->range);
	free(ranges->daemon);
	ranges->range = NULL;
	ranges->daemon = NULL;
	ranges->count = 0;
	ranges->daemons = 0;
}
