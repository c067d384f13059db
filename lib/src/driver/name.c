// SPDX-License-Identifier: MIT
/* Devices as users write them. What comes out of here is fit for a file's name. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <udrv/device.h>
#include <udrv/log.h>
#include <udrv/pci_info.h>

#include "driver/daemon.h"
#include "pci/model_name.h"

#define IDENTITY_LEN 9 /* "1234:11e8" */

struct identity {
	unsigned int vendor, device;
	int found;
	char name[UDRV_PCI_NAME_MAX];
};

static int match_identity(const struct udrv_pci_info *info, void *ctx)
{
	struct identity *id = ctx;

	if (info->vendor != id->vendor || info->device != id->device)
		return 0;
	if (!id->found++)
		strcpy(id->name, info->name);
	return 0;
}

static bool parse_identity(const char *text, struct identity *id)
{
	int end = 0;

	return strlen(text) == IDENTITY_LEN &&
	       sscanf(text, "%4x:%4x%n", &id->vendor, &id->device, &end) == 2 &&
	       end == IDENTITY_LEN;
}

static int find_identity(const char *text, struct identity *id)
{
	int ret = udrv_pci_for_each(match_identity, id);

	if (ret < 0) {
		udrv_pr_err("%s: cannot look for it: %s", text, strerror(-ret));
		return ret;
	}
	if (id->found != 1) {
		udrv_pr_err("%s: %d devices have these ids; see 'udrv list'", text, id->found);
		return -ENODEV;
	}
	return 0;
}

/* "model:edu", "model:edu:2". */
static bool is_model_name(const char *text)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-_:";
	size_t prefix = strlen(UDRV__MODEL_PREFIX);

	return udrv__is_model(text) && text[prefix] &&
	       !text[prefix + strspn(text + prefix, allowed)];
}

int udrv__device_name(const char *text, char *name, size_t size)
{
	struct identity id = {0};
	char bdf[UDRV_PCI_NAME_MAX];
	const char *found = NULL;
	int ret;

	if (parse_identity(text, &id)) {
		ret = find_identity(text, &id);
		if (ret)
			return ret;
		found = id.name;
	} else if (!udrv_pci_parse_name(text, bdf)) {
		found = bdf;
	} else if (is_model_name(text) && strlen(text) < size) {
		found = text;
	}
	if (!found) {
		udrv_pr_err("%.64s: not a PCI address; write it as 0000:00:05.0 (see 'udrv list'), "
			    "VENDOR:DEVICE, or model:NAME",
			    text);
		return -EINVAL;
	}
	(void)snprintf(name, size, "%s", found);
	return 0;
}
