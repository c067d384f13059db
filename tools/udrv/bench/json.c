// SPDX-License-Identifier: GPL-2.0-or-later
/* Results as JSON: docs/man/udrv-bench.1 describes the file. */
#include "bench/bench.h"
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void put(struct json_object *to, const char *key, struct json_object *value)
{
	(void)json_object_object_add(to, key, value);
}

static struct json_object *integer(uint64_t value)
{
	return json_object_new_uint64(value);
}

/* Rounded to what it can be known to; json-c would print all of a double's digits. */
static struct json_object *ratio_or_null(double ratio)
{
	char text[32];

	if (ratio <= 0)
		return NULL;
	(void)snprintf(text, sizeof(text), "%.4f", ratio);
	return json_object_new_double_s(ratio, text);
}

static struct json_object *known_or_null(uint64_t value)
{
	return value ? integer(value) : NULL;
}

static struct json_object *cpu_or_null(int cpu)
{
	return cpu < 0 ? NULL : json_object_new_int(cpu);
}

static struct json_object *row_points(const struct bench_row *row)
{
	struct json_object *list = json_object_new_array_ext((int)row->point_count);

	for (size_t i = 0; i < row->point_count; i++) {
		struct json_object *pair = json_object_new_array_ext(2);

		(void)json_object_array_add(pair, integer(row->points[i].value));
		(void)json_object_array_add(pair, integer(row->points[i].cumulative));
		(void)json_object_array_add(list, pair);
	}
	return list;
}

static struct json_object *row_object(const struct bench_result *result,
				      const struct bench_row *row)
{
	struct json_object *o = json_object_new_object();
	const struct bench_summary *s = &row->summary;

	put(o, "name", json_object_new_string(row->name));
	put(o, "count", integer(s->count));
	put(o, "lost", integer(row->lost));
	put(o, "min_ns", integer(s->min));
	put(o, "p50_ns", integer(s->p50));
	put(o, "p90_ns", integer(s->p90));
	put(o, "p99_ns", integer(s->p99));
	put(o, "p999_ns", integer(s->p999));
	put(o, "max_ns", integer(s->max));
	put(o, "to_hard_p50_ns", known_or_null(row->to_hard_p50));
	put(o, "to_worker_p50_ns", known_or_null(row->to_worker_p50));
	put(o, "ratio", ratio_or_null(bench_ratio(result, row)));
	put(o, "fifo_priority", row->fifo < 0 ? NULL : json_object_new_int(row->fifo));
	put(o, "cdf", row_points(row));
	return o;
}

static struct json_object *left_out_object(const struct bench_row *row)
{
	struct json_object *o = json_object_new_object();

	put(o, "name", json_object_new_string(row->name));
	put(o, "reason", json_object_new_string(row->reason));
	return o;
}

static void put_settings(struct json_object *o, const struct bench_result *result)
{
	const struct bench_settings *s = &result->settings;
	const struct bench_machine *m = &result->machine;

	put(o, "kernel", json_object_new_string(m->kernel));
	put(o, "clock", json_object_new_string(bench_clock_name(s->clock)));
	put(o, "device", json_object_new_string(s->device));
	put(o, "baseline", json_object_new_string(result->baseline));
	put(o, "interrupt", json_object_new_string(s->intx ? "intx" : "msi"));
	put(o, "cpus", json_object_new_int64(m->cpus));
	put(o, "cpu", cpu_or_null(s->cpu));
	put(o, "trigger_cpu", cpu_or_null(s->trigger_cpu));
	put(o, "spin_trigger_cpu", cpu_or_null(s->spin_trigger_cpu));
	put(o, "fifo_priority", json_object_new_int(s->fifo));
	put(o, "mlock", json_object_new_boolean(s->mlock));
	put(o, "gap_ns", integer(s->gap_ns));
	put(o, "passes", integer(s->passes));
	put(o, "counter_khz", integer(m->counter_khz));
	put(o, "preempt_rt", json_object_new_boolean(m->preempt_rt));
	put(o, "threadirqs", json_object_new_boolean(m->threadirqs));
	put(o, "emulator", m->tcg ? json_object_new_string("tcg") : NULL);
}

static struct json_object *result_object(const struct bench_result *result)
{
	struct json_object *o = json_object_new_object();
	struct json_object *rows = json_object_new_array();
	struct json_object *left_out = json_object_new_array();

	put_settings(o, result);
	for (size_t i = 0; i < result->row_count; i++) {
		const struct bench_row *row = &result->rows[i];

		if (row->summary.count)
			(void)json_object_array_add(rows, row_object(result, row));
		else
			(void)json_object_array_add(left_out, left_out_object(row));
	}
	put(o, "rows", rows);
	put(o, "left_out", left_out);
	return o;
}

int bench_json_write(const struct bench_result *result, const char *path)
{
	struct json_object *o = result_object(result);
	int flags = JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE;
	FILE *file = fopen(path, "we");
	int ret = 0;

	if (!file || fprintf(file, "%s\n", json_object_to_json_string_ext(o, flags)) < 0)
		ret = -errno;
	if (file && fclose(file))
		ret = -errno;
	if (ret)
		tool_err("cannot write %s: %s", path, strerror(-ret));
	json_object_put(o);
	return ret;
}

static uint64_t get_integer(struct json_object *o, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(o, key, &value) ? json_object_get_uint64(value) : 0;
}

/* Valid as long as @o; NULL when there is no such string. */
static const char *get_string(struct json_object *o, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(o, key, &value) ||
	    !json_object_is_type(value, json_type_string))
		return NULL;
	return json_object_get_string(value);
}

/* Checked, because a file may say anything: pairs, ascending, ending at the row's count. */
static int read_points(struct json_object *o, struct bench_row *row)
{
	struct json_object *list, *pair;
	size_t n, before = 0;

	if (!json_object_object_get_ex(o, "cdf", &list) ||
	    !json_object_is_type(list, json_type_array))
		return -EINVAL;
	n = json_object_array_length(list);
	if (!n || n > BENCH_POINTS_MAX)
		return -EINVAL;
	row->points = calloc(n, sizeof(*row->points));
	if (!row->points)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct bench_point *point = &row->points[i];

		pair = json_object_array_get_idx(list, i);
		if (!json_object_is_type(pair, json_type_array) ||
		    json_object_array_length(pair) != 2)
			return -EINVAL;
		point->value = json_object_get_uint64(json_object_array_get_idx(pair, 0));
		point->cumulative = json_object_get_uint64(json_object_array_get_idx(pair, 1));
		if (point->cumulative <= before)
			return -EINVAL;
		before = point->cumulative;
	}
	row->point_count = n;
	return before == row->summary.count ? 0 : -EINVAL;
}

static int read_row(struct json_object *o, struct bench_row *row)
{
	row->name = get_string(o, "name");
	row->lost = (unsigned int)get_integer(o, "lost");
	row->summary.count = get_integer(o, "count");
	row->summary.min = get_integer(o, "min_ns");
	row->summary.p50 = get_integer(o, "p50_ns");
	row->summary.p90 = get_integer(o, "p90_ns");
	row->summary.p99 = get_integer(o, "p99_ns");
	row->summary.p999 = get_integer(o, "p999_ns");
	row->summary.max = get_integer(o, "max_ns");
	row->to_hard_p50 = get_integer(o, "to_hard_p50_ns");
	row->to_worker_p50 = get_integer(o, "to_worker_p50_ns");
	if (!row->name || !row->summary.count)
		return -EINVAL;
	return read_points(o, row);
}

static int read_result(struct json_object *o, struct bench_result *result)
{
	const char *kernel = get_string(o, "kernel"), *clock = get_string(o, "clock");
	const char *device = get_string(o, "device"), *emulator = get_string(o, "emulator");
	struct json_object *rows;
	size_t n;
	int ret;

	result->baseline = get_string(o, "baseline");
	if (!kernel || !clock || !device || !result->baseline ||
	    bench_clock_parse(clock, &result->settings.clock) ||
	    !json_object_object_get_ex(o, "rows", &rows) ||
	    !json_object_is_type(rows, json_type_array))
		return -EINVAL;
	(void)snprintf(result->machine.kernel, sizeof(result->machine.kernel), "%s", kernel);
	(void)snprintf(result->settings.device, sizeof(result->settings.device), "%s", device);
	result->machine.tcg = emulator && !strcmp(emulator, "tcg");
	n = json_object_array_length(rows);
	if (n > BENCH_ROWS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		ret = read_row(json_object_array_get_idx(rows, i),
			       &result->rows[result->row_count++]);
		if (ret)
			return ret;
	}
	return 0;
}

int bench_json_read(const char *path, struct bench_result *result, void **owner)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct json_object *o;
	int ret;

	if (fd < 0) {
		ret = -errno;
		tool_err("%s: cannot open it: %s", path, strerror(-ret));
		return ret;
	}
	o = json_object_from_fd(fd);
	close(fd);
	if (!o) {
		tool_err("%s: not JSON", path);
		return -EINVAL;
	}
	memset(result, 0, sizeof(*result));
	ret = read_result(o, result);
	if (ret) {
		tool_err("%s: not a result of `udrv bench irq --json`", path);
		bench_result_free(result);
		json_object_put(o);
		return ret;
	}
	*owner = o;
	return 0;
}

void bench_json_release(void *owner)
{
	json_object_put(owner);
}
