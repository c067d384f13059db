// SPDX-License-Identifier: GPL-2.0-or-later
/* udrv info: everything known about a device, as text or as JSON made from the same facts. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "info.h"

static int gather(struct info *info, const char *name)
{
	struct remembered *remembered = &info->remembered;
	int ret = udrv_pci_info_read(name, &info->pci);

	if (ret)
		return ret == -EINVAL ? TOOL_USAGE : TOOL_FAILED;
	info->is_remembered = remember_load(&info->pci, remembered) == 0;
	info->caps_error = caps_read(&info->caps, info->pci.name);
	ret = inuse_find_all(&info->inuse, &info->pci);
	info->names = ret ? NULL : names_open();
	if (!info->names) {
		tool_err("%s: cannot find out whether it is in use: out of memory", info->pci.name);
		return TOOL_FAILED;
	}
	return TOOL_OK;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct device_args *args = state->input;

	(void)arg;
	if (key == ARGP_KEY_END && args->count > 1)
		argp_error(state, "only one DEVICE");
	return device_args_parse(args, key, state);
}

static const struct argp_option options[] = {
	{"json", 'j', NULL, 0, "print an object", 0},
	{0},
};

static const struct argp argp = {
	.options = options,
	.parser = parse_option,
	.args_doc = "DEVICE",
	.doc = "Show everything known about a PCI device.\v"
	       "The kernel shows capabilities to root only.",
};

int cmd_info(int argc, char **argv)
{
	struct device_args args = {0};
	struct info info = {0};
	int status;

	if (argp_parse(&argp, argc, argv, 0, NULL, &args))
		return TOOL_USAGE;
	status = gather(&info, args.devices[0]);
	if (status == TOOL_OK && args.json)
		status = tool_print_json(info_json(&info));
	else if (status == TOOL_OK)
		info_print(&info);
	names_close(info.names);
	return status;
}
