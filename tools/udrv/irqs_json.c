// SPDX-License-Identifier: GPL-2.0-or-later
#include "irqs_json.h"

#include <stdio.h>

#include "tool.h"

static void add_int(json_object *o, const char *key, unsigned long long val)
{
	json_object_object_add(o, key, json_object_new_int64((int64_t)val));
}

/* Two digits after the point are what is known. */
static void add_double(json_object *o, const char *key, double val)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "%.2f", val);
	json_object_object_add(o, key, json_object_new_double_s(val, text));
}

static json_object *json_handler(const struct stats_daemon *d, unsigned int nr)
{
	const struct udrv__hist *run = &d->vector[nr].record.run;
	unsigned long long count = udrv__hist_count(run);
	json_object *o = json_object_new_object();

	add_int(o, "mean", count ? stats_ns(d, run->sum / count) : 0);
	add_int(o, "p50", stats_handler_ns(d, nr, 500));
	add_int(o, "p90", stats_handler_ns(d, nr, 900));
	add_int(o, "p99", stats_handler_ns(d, nr, 990));
	add_int(o, "p99_9", stats_handler_ns(d, nr, 999));
	add_int(o, "max", stats_handler_ns(d, nr, 1000));
	return o;
}

static json_object *json_vector(const struct stats_daemon *d, const struct stats_daemon *before,
				unsigned int nr)
{
	const struct udrv__stat_vector *r = &d->vector[nr].record;
	json_object *o = json_object_new_object();
	double rate = 0;
	double busy = 0;

	stats_measure(d, before, nr, &rate, &busy);
	add_int(o, "vector", r->worker.nr);
	json_object_object_add(o, "type", json_object_new_string(stats_type(r->worker.type)));
	json_object_object_add(o, "wait", json_object_new_string(r->worker.wait));
	json_object_object_add(o, "cpu", tool_json_number(r->worker.cpu));
	json_object_object_add(o, "priority", tool_json_number(r->worker.fifo_priority));
	add_int(o, "count", r->count);
	add_double(o, "rate", rate);
	add_int(o, "unhandled", r->unhandled);
	json_object_object_add(o, "shut", json_object_new_boolean(r->shut != 0));
	add_int(o, "disabled", r->disabled);
	add_int(o, "disabled_ns", stats_ns(d, (uint64_t)r->disabled_cycles));
	json_object_object_add(o, "handler_ns", json_handler(d, nr));
	add_int(o, "worker_cpu_ns", d->vector[nr].cpu_ns);
	add_double(o, "worker_cpu_percent", busy);
	json_object_object_add(o, "name", tool_json_text(r->worker.names));
	return o;
}

static json_object *json_daemon(const struct stats_daemon *d, const struct stats_daemon *before)
{
	json_object *o = json_object_new_object();
	json_object *vectors = json_object_new_array();

	json_object_object_add(o, "device", json_object_new_string(d->header.device));
	json_object_object_add(o, "driver", json_object_new_string(d->header.driver));
	json_object_object_add(o, "backend", json_object_new_string(d->header.backend));
	add_int(o, "pid", d->header.pid);
	add_double(o, "uptime_s", (double)(d->now_ns - d->header.start_ns) / 1e9);
	for (unsigned int nr = 0; nr < d->count; nr++)
		json_object_array_add(vectors, json_vector(d, before, nr));
	json_object_object_add(o, "vectors", vectors);
	return o;
}

int irqs_print_json(const struct stats *now, const struct stats *before)
{
	json_object *array = json_object_new_array();

	for (size_t i = 0; i < now->count; i++)
		json_object_array_add(
			array,
			json_daemon(&now->daemon[i], stats_daemon_before(before, &now->daemon[i])));
	return tool_print_json(array);
}
