// SPDX-License-Identifier: GPL-2.0-or-later
#include "ranges.h"
#include "tool.h"

static json_object *json_process(const struct range_process *process)
{
	json_object *o;

	if (!process->pid)
		return NULL;
	o = json_object_new_object();
	json_object_object_add(o, "name", tool_json_text(process->name));
	tool_json_add_int(o, "pid", (unsigned long long)process->pid);
	return o;
}

static json_object *json_range(const struct range *r)
{
	static const char *const kinds[] = {"kernel", "bar", "kernel", "claim"};
	json_object *o = json_object_new_object();

	json_object_object_add(o, "kind", json_object_new_string(kinds[r->kind]));
	json_object_object_add(o, "start", json_object_new_uint64(r->start));
	json_object_object_add(o, "end", json_object_new_uint64(r->end));
	json_object_object_add(o, "name", tool_json_text(r->name));
	json_object_object_add(o, "device", tool_json_text(r->device));
	if (r->kind == RANGE_BAR || r->kind == RANGE_CLAIM) {
		json_object_object_add(o, "bar",
				       r->bar == UDRV_PCI_ROM_RESOURCE
					       ? json_object_new_string("rom")
					       : json_object_new_int(r->bar));
		json_object_object_add(o, "process", json_process(&r->process));
	}
	if (r->kind == RANGE_BAR)
		json_object_object_add(o, "driver", tool_json_text(r->driver));
	return o;
}

/* From *at on, those of @depth; *at moves behind them. */
static json_object *json_level(const struct ranges *ranges, size_t *at, unsigned int depth)
{
	json_object *array = json_object_new_array();

	while (*at < ranges->count && ranges->range[*at].depth == depth) {
		json_object *o = json_range(&ranges->range[(*at)++]);

		json_object_object_add(o, "inside", json_level(ranges, at, depth + 1));
		json_object_array_add(array, o);
	}
	return array;
}

json_object *ranges_json(const struct ranges *ranges)
{
	size_t at = 0;

	return json_level(ranges, &at, 0);
}
