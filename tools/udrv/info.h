/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `udrv info` found out, and its two forms. */
#ifndef INFO_H
#define INFO_H

#include "caps.h"
#include "inuse.h"
#include "names.h"
#include "remember.h"
#include "tool.h"

struct info {
	struct udrv_pci_info pci;
	struct names *names;
	struct caps caps;
	int caps_error; /* 0, or why there are none */
	struct inuse inuse;
	struct remembered remembered;
	bool is_remembered;
};

void info_print(const struct info *info);
json_object *info_json(const struct info *info);

#endif
