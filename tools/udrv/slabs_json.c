// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>

#include "slabs.h"
#include "tool.h"

static void add_bool(json_object *o, const char *key, const struct slabs_row *row,
		     unsigned int trait)
{
	json_object_object_add(o, key,
			       json_object_new_boolean((row->is->record.traits & trait) != 0));
}

static json_object *json_cache(const struct slabs_row *row)
{
	const struct udrv__slab_record *r = &row->is->record;
	json_object *o = json_object_new_object();

	json_object_object_add(o, "cache", json_object_new_string(r->name));
	tool_json_add_int(o, "active", row->is->active);
	tool_json_add_int(o, "total", r->total);
	tool_json_add_double(o, "use_percent", row->use);
	tool_json_add_int(o, "size", r->object_size);
	tool_json_add_int(o, "aligned_size", r->size);
	tool_json_add_int(o, "objects_per_slab", r->per_slab);
	tool_json_add_int(o, "slabs", r->slabs);
	tool_json_add_int(o, "memory", row->memory);
	tool_json_add_int(o, "magazine", r->magazine);
	tool_json_add_int(o, "allocations", row->is->allocs);
	tool_json_add_int(o, "frees", row->is->frees);
	tool_json_add_int(o, "hits", row->is->hits);
	if (row->hit < 0)
		json_object_object_add(o, "hit_percent", NULL);
	else
		tool_json_add_double(o, "hit_percent", row->hit);
	tool_json_add_double(o, "rate", row->rate);
	json_object_object_add(
		o, "limit", r->limit > INT64_MAX ? NULL : json_object_new_int64((int64_t)r->limit));
	add_bool(o, "of_device", row, UDRV__SLAB_OF_DEVICE);
	add_bool(o, "hwcache_align", row, UDRV__SLAB_HWCACHE);
	add_bool(o, "no_reap", row, UDRV__SLAB_KEEPS);
	add_bool(o, "dma", row, UDRV__SLAB_DMA);
	add_bool(o, "debug", row, UDRV__SLAB_DEBUG);
	return o;
}

static json_object *json_daemon(const struct slabs *now, const struct slabs *before,
				const struct slabs_daemon *d, int sort)
{
	json_object *o = json_object_new_object();
	json_object *caches = json_object_new_array();
	size_t count;
	struct slabs_row *rows = slabs_rows(now, before, d, sort, &count);

	json_object_object_add(o, "device", json_object_new_string(d->device));
	json_object_object_add(o, "driver", json_object_new_string(d->driver));
	tool_json_add_int(o, "pid", d->pid);
	tool_json_add_double(o, "uptime_s",
			     d->now_ns > d->start_ns ? (double)(d->now_ns - d->start_ns) / 1e9 : 0);
	for (size_t i = 0; i < count; i++)
		json_object_array_add(caches, json_cache(&rows[i]));
	json_object_object_add(o, "caches", caches);
	free(rows);
	return o;
}

json_object *slabs_json(const struct slabs *now, const struct slabs *before, int sort)
{
	json_object *array = json_object_new_array();

	for (size_t i = 0; i < now->count; i++)
		json_object_array_add(array, json_daemon(now, before, &now->daemon[i], sort));
	return array;
}
