// SPDX-License-Identifier: GPL-2.0-or-later
/* udrv iomem, udrv ioports: who has which addresses, in the shape of /proc/iomem and ioports. */
#include <stdio.h>
#include <string.h>

#include "pci/model_name.h"
#include "ranges.h"
#include "tool.h"

struct args {
	struct ranges_wanted wanted;
	bool json;
	char name[UDRV_DEVICE_NAME_MAX];
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct args *args = state->input;

	switch (key) {
	case 'j':
		args->json = true;
		return 0;
	case 'a':
		args->wanted.all = true;
		return 0;
	case ARGP_KEY_ARG:
		if (args->wanted.device)
			argp_error(state, "only one DEVICE");
		args->wanted.device = arg;
		return 0;
	case ARGP_KEY_END:
		if (args->wanted.device && args->wanted.all)
			argp_error(state, "--all is for all devices");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
	{"all", 'a', NULL, 0, "also what is not of a PCI device", 0},
	{"json", 'j', NULL, 0, "print an array of objects", 0},
	{0},
};

static const char doc[] =
	"Show who has which addresses of PCI devices: the kernel's driver, the process that drives "
	"the device, and what drivers claimed in its BARs.\v"
	"As in /proc, what is inside of something is indented below it. Addresses of a model's BARs "
	"are offsets.";

static const struct argp argp = {
	.options = options,
	.parser = parse_option,
	.args_doc = "[DEVICE]",
	.doc = doc,
};

/* A device that is asked for must be there. The exit status. */
static int check_device(struct args *args)
{
	struct udrv_pci_info info;
	int status;

	if (!args->wanted.device)
		return TOOL_OK;
	status = tool_device_name(args->wanted.device, args->name);
	if (status)
		return status;
	args->wanted.device = args->name;
	if (udrv__is_model(args->name))
		return TOOL_OK;
	return udrv_pci_info_read(args->name, &info) ? TOOL_FAILED : TOOL_OK;
}

static const char *file_of(const struct ranges_wanted *wanted)
{
	return wanted->ports ? "/proc/ioports" : "/proc/iomem";
}

/* Nothing is there to be shown of the device that was asked for. */
static int nothing_of(const struct ranges_wanted *w, const struct ranges *ranges)
{
	if (udrv__is_model(w->device) && !ranges_daemon(ranges, w->device))
		tool_err("%s: no daemon drives it; start one: udrv run DRIVER %s", w->device,
			 w->device);
	else
		tool_err("%s: it has no %s, or none with an address", w->device,
			 w->ports ? "I/O ports" : "memory");
	return TOOL_FAILED;
}

static int check_found(const struct args *args, const struct ranges *ranges)
{
	const struct ranges_wanted *w = &args->wanted;

	if (w->all && ranges->kernel_hidden) {
		tool_err("--all: %s shows its addresses only to root", file_of(w));
		return TOOL_FAILED;
	}
	if (!ranges->count && w->device)
		return nothing_of(w, ranges);
	if (ranges->kernel_hidden)
		tool_note("%s shows its addresses only to root: what the kernel claimed inside "
			  "BARs is left out",
			  file_of(w));
	return TOOL_OK;
}

static void print_tree(const struct ranges *ranges, bool ports)
{
	char text[512];

	for (size_t i = 0; i < ranges->count; i++)
		printf("%*s%s\n", (int)(2 * ranges->range[i].depth), "",
		       range_text(&ranges->range[i], ports, text, sizeof(text)));
}

static int run(int argc, char **argv, bool ports)
{
	struct args args = {.wanted.ports = ports};
	struct ranges ranges;
	int status;

	if (argp_parse(&argp, argc, argv, 0, NULL, &args))
		return TOOL_USAGE;
	status = check_device(&args);
	if (status != TOOL_OK)
		return status;
	if (ranges_read(&ranges, &args.wanted))
		return TOOL_FAILED;
	status = check_found(&args, &ranges);
	if (status == TOOL_OK && args.json)
		status = tool_print_json(ranges_json(&ranges));
	else if (status == TOOL_OK)
		print_tree(&ranges, ports);
	ranges_free(&ranges);
	return status;
}

int cmd_iomem(int argc, char **argv)
{
	return run(argc, argv, false);
}

int cmd_ioports(int argc, char **argv)
{
	return run(argc, argv, true);
}
