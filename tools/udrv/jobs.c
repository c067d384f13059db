// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "jobs.h"

static bool is_repeated(const struct jobs *jobs)
{
	for (size_t i = 0; i < jobs->count; i++) {
		if (!strcmp(jobs->job[i].info.name, jobs->job[jobs->count].info.name))
			return true;
	}
	return false;
}

int jobs_read(struct jobs *jobs, char **names, size_t count)
{
	jobs->count = 0;
	jobs->job = calloc(count ? count : 1, sizeof(*jobs->job));
	if (!jobs->job) {
		tool_err("out of memory");
		return TOOL_FAILED;
	}
	for (size_t i = 0; i < count; i++) {
		int ret = udrv_pci_info_read(names[i], &jobs->job[jobs->count].info);

		if (ret)
			return ret == -EINVAL ? TOOL_USAGE : TOOL_FAILED;
		if (!is_repeated(jobs))
			jobs->count++;
	}
	return TOOL_OK;
}

void jobs_free(struct jobs *jobs)
{
	free(jobs->job);
	jobs->job = NULL;
	jobs->count = 0;
}

json_object *jobs_json(const struct jobs *jobs, const char *driver_key)
{
	json_object *array = json_object_new_array();

	for (size_t i = 0; i < jobs->count; i++) {
		const struct bind_job *job = &jobs->job[i];
		json_object *o = json_object_new_object();

		json_object_object_add(o, "address", json_object_new_string(job->info.name));
		json_object_object_add(o, "result",
				       json_object_new_string(bind_outcome_name(job->outcome)));
		json_object_object_add(o, driver_key, tool_json_text(job->former));
		json_object_object_add(o, "iommu_group", tool_json_number(job->info.iommu_group));
		json_object_array_add(array, o);
	}
	return array;
}
