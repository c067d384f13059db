/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DEVICE... on the command lines of bind and unbind. */
#ifndef JOBS_H
#define JOBS_H

#include "bind.h"
#include "tool.h"

struct jobs {
	struct bind_job *job;
	size_t count;
};

/* Read what each name stands for, once if it is repeated. TOOL_OK, or a status, explained. */
int jobs_read(struct jobs *jobs, char **names, size_t count);
void jobs_free(struct jobs *jobs);

/* An array of an object for each device. @driver_key is what the driver it had or has is called. */
json_object *jobs_json(const struct jobs *jobs, const char *driver_key);

#endif
