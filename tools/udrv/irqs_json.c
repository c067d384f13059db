// SPDX-License-Identifier: GPL-2.0-or-later
#include "irqs_json.h"

#include <stdio.h>

#include "tool.h"

/* Nanoseconds; null if there are none. */
static json_object *json_hist(const struct stats_daemon *d, const struct udrv_hist *h)
{
	static const struct {
		const char *key;
		unsigned int permille;
	} percentiles[] = {{"p50", 500}, {"p90", 900}, {"p99", 990}, {"p99_9", 999}, {"max", 1000}};
	unsigned long long count = udrv_hist_count(h);
	json_object *o;

	if (!count)
		return NULL;
	o = json_object_new_object();
	tool_json_add_int(o, "count", count);
	tool_json_add_int(o, "mean", stats_ns(d, h->sum / count));
	for (size_t i = 0; i < sizeof(percentiles) / sizeof(percentiles[0]); i++)
		tool_json_add_int(o, percentiles[i].key,
				  stats_ns(d, udrv_hist_percentile(h, percentiles[i].permille)));
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
	tool_json_add_int(o, "vector", r->worker.nr);
	json_object_object_add(o, "type", json_object_new_string(stats_type(r->worker.type)));
	json_object_object_add(o, "wait", json_object_new_string(r->worker.wait));
	json_object_object_add(o, "cpu", tool_json_number(r->worker.cpu));
	json_object_object_add(o, "priority", tool_json_number(r->worker.fifo_priority));
	tool_json_add_int(o, "count", r->count);
	tool_json_add_double(o, "rate", rate);
	tool_json_add_int(o, "unhandled", r->unhandled);
	tool_json_add_int(o, "storms", r->storms);
	json_object_object_add(o, "shut", json_object_new_boolean(r->shut != 0));
	tool_json_add_int(o, "disabled", r->disabled);
	tool_json_add_int(o, "disabled_ns", stats_ns(d, (uint64_t)r->disabled_cycles));
	json_object_object_add(o, "handler_ns", json_hist(d, &r->run));
	json_object_object_add(o, "latency_ns", json_hist(d, &r->latency));
	json_object_object_add(o, "worker",
			       r->worker.tid ? json_object_new_int64(r->worker.tid) : NULL);
	tool_json_add_int(o, "worker_cpu_ns", d->vector[nr].cpu_ns);
	tool_json_add_double(o, "worker_cpu_percent", busy);
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
	tool_json_add_int(o, "pid", d->header.pid);
	tool_json_add_double(o, "uptime_s", (double)(d->now_ns - d->header.start_ns) / 1e9);
	for (unsigned int nr = 0; nr < d->count; nr++)
		json_object_array_add(vectors, json_vector(d, before, nr));
	json_object_object_add(o, "vectors", vectors);
	return o;
}

json_object *irqs_json(const struct stats *now, const struct stats *before)
{
	json_object *array = json_object_new_array();

	for (size_t i = 0; i < now->count; i++)
		json_object_array_add(
			array,
			json_daemon(&now->daemon[i], stats_daemon_before(before, &now->daemon[i])));
	return array;
}
