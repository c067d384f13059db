// SPDX-License-Identifier: MIT
/* What a run came to. */
#include <inttypes.h>
#include <string.h>

#include <udrv/device.h>

#include "nvme_fields.h"
#include "nvme_perf.h"

#define MIB (1024.0 * 1024.0)

static const struct {
	const char *name;
	unsigned int permille;
} percentiles[] = {{"p50", 500}, {"p90", 900}, {"p99", 990}, {"p99.9", 999}};

void perf_print_head(const struct perf *perf)
{
	const struct perf_options *o = &perf->o;

	(void)fprintf(perf->out,
		      "%s namespace %" PRIu32 ": %s, %" PRIu64 " bytes, queue depth %" PRIu64
		      ", %" PRIu64 " thread%s, %s\n",
		      udrv_device_name(perf->dev), perf->ns->nsid, o->rw, o->block_size, o->depth,
		      o->threads, o->threads == 1 ? "" : "s", o->completion);
	(void)fflush(perf->out);
}

void perf_print_progress(const struct perf *perf, unsigned int second, double ios)
{
	(void)fprintf(perf->out, "%6u s: %.0f IOPS, %.1f MiB/s\n", second, ios,
		      ios * (double)perf->o.block_size / MIB);
	(void)fflush(perf->out);
}

static void gather(const struct perf *perf, bool write, struct udrv_hist *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (uint64_t i = 0; i < perf->o.threads; i++)
		udrv_hist_add(sum, write ? &perf->thread[i].write : &perf->thread[i].read);
}

static uint64_t mismatches(const struct perf *perf)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < perf->o.threads; i++)
		sum += perf->thread[i].mismatches;
	return sum;
}

static double cpu_percent(const struct perf *perf)
{
	double sum = 0;

	for (uint64_t i = 0; i < perf->o.threads; i++)
		sum += perf->thread[i].cpu_seconds;
	return perf->seconds > 0 ? 100 * sum / perf->seconds : 0;
}

static double per_second(const struct perf *perf, uint64_t count)
{
	return perf->seconds > 0 ? (double)count / perf->seconds : 0;
}

static double to_ns(const struct perf *perf, uint64_t cycles)
{
	return (double)cycles * perf->ns_per_cycle;
}

/* Of the first bucket with values its lower end: no value is below, so the mean is not. */
static double least_ns(const struct perf *perf, const struct udrv_hist *h)
{
	return to_ns(perf, udrv_hist_lower(udrv_hist_index(udrv_hist_percentile(h, 0))));
}

static void print_kind(const struct perf *perf, const char *name, const struct udrv_hist *h)
{
	const uint64_t count = udrv_hist_count(h);
	const double iops = per_second(perf, count);

	if (!count)
		return;
	(void)fprintf(perf->out,
		      "%-6s %.0f IOPS, %.1f MiB/s, %" PRIu64 " I/Os in %.2f s\n"
		      "       latency in us: min %.2f, mean %.2f",
		      name, iops, iops * (double)perf->o.block_size / MIB, count, perf->seconds,
		      least_ns(perf, h) / 1e3, to_ns(perf, h->sum) / 1e3 / (double)count);
	for (size_t i = 0; i < NVME_COUNT(percentiles); i++)
		(void)fprintf(perf->out, ", %s %.2f", percentiles[i].name,
			      to_ns(perf, udrv_hist_percentile(h, percentiles[i].permille)) / 1e3);
	(void)fprintf(perf->out, ", max %.2f\n", to_ns(perf, h->max) / 1e3);
}

static void print_text(const struct perf *perf, const struct udrv_hist *read,
		       const struct udrv_hist *write)
{
	print_kind(perf, "read:", read);
	print_kind(perf, "write:", write);
	(void)fprintf(perf->out, "cpu:   %.1f %%\n", cpu_percent(perf));
	if (perf->o.verify)
		(void)fprintf(perf->out, "verify: %" PRIu64 " blocks were wrong\n",
			      mismatches(perf));
}

static void add_double(json_object *o, const char *key, double value)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "%.3f", value);
	(void)json_object_object_add(o, key, json_object_new_double_s(value, text));
}

static json_object *json_kind(const struct perf *perf, const struct udrv_hist *h)
{
	json_object *o = json_object_new_object();
	json_object *latency = json_object_new_object();
	const uint64_t count = udrv_hist_count(h);
	const double iops = per_second(perf, count);

	nvme_json_number(o, "ios", count);
	add_double(o, "iops", iops);
	add_double(o, "bytes_per_second", iops * (double)perf->o.block_size);
	add_double(latency, "min", least_ns(perf, h));
	add_double(latency, "mean", count ? to_ns(perf, h->sum) / (double)count : 0);
	for (size_t i = 0; i < NVME_COUNT(percentiles); i++)
		add_double(latency, percentiles[i].name,
			   to_ns(perf, udrv_hist_percentile(h, percentiles[i].permille)));
	add_double(latency, "max", to_ns(perf, h->max));
	(void)json_object_object_add(o, "latency_ns", latency);
	return o;
}

static void print_json(const struct perf *perf, const struct udrv_hist *read,
		       const struct udrv_hist *write)
{
	json_object *o = json_object_new_object();

	nvme_json_text(o, "device", udrv_device_name(perf->dev));
	nvme_json_number(o, "namespace", perf->ns->nsid);
	nvme_json_text(o, "rw", perf->o.rw);
	nvme_json_number(o, "block_size", perf->o.block_size);
	nvme_json_number(o, "queue_depth", perf->o.depth);
	nvme_json_number(o, "threads", perf->o.threads);
	nvme_json_text(o, "completion", perf->o.completion);
	add_double(o, "seconds", perf->seconds);
	(void)json_object_object_add(o, "read", json_kind(perf, read));
	(void)json_object_object_add(o, "write", json_kind(perf, write));
	add_double(o, "cpu_percent", cpu_percent(perf));
	if (perf->o.verify)
		nvme_json_number(o, "wrong_blocks", mismatches(perf));
	nvme_json_print(perf->out, o);
}

void perf_report(const struct perf *perf)
{
	struct udrv_hist read, write;

	gather(perf, false, &read);
	gather(perf, true, &write);
	if (perf->o.json)
		print_json(perf, &read, &write);
	else
		print_text(perf, &read, &write);
}
