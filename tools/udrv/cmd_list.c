// SPDX-License-Identifier: GPL-2.0-or-later
/* udrv list: a line for each PCI device. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inuse.h"
#include "names.h"
#include "tool.h"

#define COLUMNS 8

struct filter {
	const char *text; /* NULL: everything */
	char name[UDRV_PCI_NAME_MAX];
	unsigned vendor;
	unsigned device;
};

struct list {
	struct filter filter;
	bool json;
	bool all;

	struct names *names;
	json_object *array;	 /* with --json */
	char *(*cells)[COLUMNS]; /* without: rows of allocated texts */
	size_t rows;
	size_t found;
	bool no_memory;
};

static const char *const titles[COLUMNS] = {"ADDRESS", "CLASS", "NAME", "ID",
					    "DRIVER",  "GROUP", "NODE", "IN USE"};

/* "vendor:device" in hexadecimal, four digits each. */
static bool parse_ids(struct filter *filter)
{
	static const char digits[] = "0123456789abcdefABCDEF";
	const char *text = filter->text;

	if (strspn(text, digits) != 4 || text[4] != ':' || strspn(text + 5, digits) != 4 || text[9])
		return false;
	filter->vendor = (unsigned)strtoul(text, NULL, 16);
	filter->device = (unsigned)strtoul(text + 5, NULL, 16);
	return true;
}

static int parse_filter(struct filter *filter)
{
	if (!filter->text || !udrv_pci_parse_name(filter->text, filter->name))
		return 0;
	filter->name[0] = 0;
	return parse_ids(filter) ? 0 : -1;
}

/* What was asked for by name is shown, bridge or not. */
static bool is_wanted(const struct list *list, const struct udrv_pci_info *info)
{
	const struct filter *filter = &list->filter;

	if (!filter->text)
		return list->all || !tool_is_bridge(info);
	if (filter->name[0])
		return !strcmp(filter->name, info->name);
	return filter->vendor == info->vendor && filter->device == info->device;
}

static json_object *json_in_use(const struct inuse *inuse)
{
	json_object *array = json_object_new_array();

	for (size_t i = 0; i < inuse->count; i++)
		json_object_array_add(array, json_object_new_string(inuse->reason[i].text));
	return array;
}

static void add_json(struct list *list, const struct udrv_pci_info *info, const struct inuse *inuse)
{
	json_object *o = json_object_new_object();

	names_json(list->names, o, info);
	json_object_object_add(o, "driver", tool_json_text(info->driver));
	json_object_object_add(o, "iommu_group", tool_json_number(info->iommu_group));
	json_object_object_add(o, "numa_node", tool_json_number(info->numa_node));
	json_object_object_add(o, "in_use", json_in_use(inuse));
	json_object_array_add(list->array, o);
}

static void format_number(char *buf, size_t size, int val)
{
	if (val < 0)
		(void)snprintf(buf, size, "-");
	else
		(void)snprintf(buf, size, "%d", val);
}

static void set_cell(struct list *list, char **cells, size_t column, const char *text)
{
	cells[column] = strdup(text);
	if (!cells[column])
		list->no_memory = true;
}

static void fill_row(struct list *list, char **cells, const struct udrv_pci_info *info,
		     const struct inuse *inuse)
{
	char vendor[128];
	char device[128];
	char buf[260];

	set_cell(list, cells, 0, info->name);
	set_cell(list, cells, 1, names_class(list->names, buf, sizeof(buf), info->class_code));
	names_vendor(list->names, vendor, sizeof(vendor), info->vendor);
	names_device(list->names, device, sizeof(device), info->vendor, info->device);
	(void)snprintf(buf, sizeof(buf), "%s %s", vendor, device);
	set_cell(list, cells, 2, buf);
	(void)snprintf(buf, sizeof(buf), "[%04x:%04x]", info->vendor, info->device);
	set_cell(list, cells, 3, buf);
	set_cell(list, cells, 4, info->driver[0] ? info->driver : "-");
	format_number(buf, sizeof(buf), info->iommu_group);
	set_cell(list, cells, 5, buf);
	format_number(buf, sizeof(buf), info->numa_node);
	set_cell(list, cells, 6, buf);
	(void)snprintf(buf, sizeof(buf), "%s%s", inuse->count ? inuse->reason[0].brief : "-",
		       inuse->count > 1 ? ", ..." : "");
	set_cell(list, cells, 7, buf);
}

static int add_row(struct list *list, const struct udrv_pci_info *info, const struct inuse *inuse)
{
	char *(*grown)[COLUMNS] = reallocarray(list->cells, list->rows + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	list->cells = grown;
	memset(&grown[list->rows], 0, sizeof(grown[0]));
	fill_row(list, grown[list->rows++], info, inuse);
	return list->no_memory ? -ENOMEM : 0;
}

static int visit(const struct udrv_pci_info *info, void *ctx)
{
	struct list *list = ctx;
	struct inuse inuse;
	int ret;

	if (!is_wanted(list, info))
		return 0;
	list->found++;
	ret = inuse_find(&inuse, info);
	if (ret)
		return ret;
	if (!list->json)
		return add_row(list, info, &inuse);
	add_json(list, info, &inuse);
	return 0;
}

static void print_row(const size_t *widths, const char *const *cells)
{
	for (size_t c = 0; c < COLUMNS - 1; c++)
		printf("%-*s  ", (int)widths[c], cells[c]);
	printf("%s\n", cells[COLUMNS - 1]);
}

static void print_table(const struct list *list)
{
	size_t widths[COLUMNS];

	for (size_t c = 0; c < COLUMNS; c++) {
		widths[c] = strlen(titles[c]);
		for (size_t r = 0; r < list->rows; r++) {
			size_t len = strlen(list->cells[r][c]);

			widths[c] = len > widths[c] ? len : widths[c];
		}
	}
	print_row(widths, titles);
	for (size_t r = 0; r < list->rows; r++)
		print_row(widths, (const char *const *)list->cells[r]);
}

static void free_table(struct list *list)
{
	for (size_t r = 0; r < list->rows; r++) {
		for (size_t c = 0; c < COLUMNS; c++)
			free(list->cells[r][c]);
	}
	free(list->cells);
}

/* Nothing found: fine without a filter, a failure with one. */
static int check_found(const struct list *list)
{
	if (list->found)
		return TOOL_OK;
	if (list->filter.name[0])
		tool_err("%s: no such device; `udrv list --all` shows those present",
			 list->filter.name);
	else if (list->filter.text)
		tool_err("%s: no device with these ids; `udrv list --all` shows those present",
			 list->filter.text);
	else
		tool_note("no PCI devices%s", list->all ? "" : " but bridges, which --all shows");
	return list->filter.text ? TOOL_FAILED : TOOL_OK;
}

static int run_list(struct list *list)
{
	int status;
	int ret = udrv_pci_for_each(visit, list);

	if (ret) {
		tool_err("cannot list PCI devices: %s",
			 ret == -ENOENT ? "this system has no PCI bus" : strerror(-ret));
		return TOOL_FAILED;
	}
	status = check_found(list);
	if (list->json) {
		int printed = tool_print_json(json_object_get(list->array));

		return status ? status : printed;
	}
	if (list->rows)
		print_table(list);
	return status;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct list *list = state->input;

	switch (key) {
	case 'a':
		list->all = true;
		return 0;
	case 'j':
		list->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (list->filter.text)
			argp_error(state, "only one DEVICE or VENDOR:DEVICE");
		list->filter.text = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
	{"all", 'a', NULL, 0, "show bridges too", 0},
	{"json", 'j', NULL, 0, "print an array of objects", 0},
	{0},
};

static const struct argp argp = {
	.options = options,
	.parser = parse_option,
	.args_doc = "[DEVICE | VENDOR:DEVICE]",
	.doc = "List PCI devices, their drivers, IOMMU groups and who uses them.\v"
	       "Who has a device open is only known of processes that you may look into; "
	       "root may look into all.",
};

int cmd_list(int argc, char **argv)
{
	struct list list = {0};
	int status;

	if (argp_parse(&argp, argc, argv, 0, NULL, &list))
		return TOOL_USAGE;
	if (parse_filter(&list.filter)) {
		tool_err("%s: neither an address like 0000:00:05.0 nor ids like 8086:10d3",
			 list.filter.text);
		return TOOL_USAGE;
	}
	list.names = names_open();
	list.array = json_object_new_array();
	if (!list.names || !list.array) {
		tool_err("out of memory");
		status = TOOL_FAILED;
	} else {
		status = run_list(&list);
	}
	free_table(&list);
	json_object_put(list.array);
	names_close(list.names);
	return status;
}
