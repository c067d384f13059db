// SPDX-License-Identifier: GPL-2.0-or-later
/* The order of a benchmark: the device is found, moved from driver to driver, and brought home. */
#include "bench/rows.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <udrv/pci_info.h>

#include "bench/home.h"
#include "bench/target.h"
#include "pci/model_name.h"
#include "rebind.h"
#include "tool.h"

static const char *const row_names[] = {
	"kernel-hard",	    "kernel-thread",   "kernel-read",	  "vfio-read",	   "vfio-epoll",
	"vfio-uring",	    "vfio-uring-read", "vfio-spin",	  "vfio-adaptive", "stub-read",
	"stub-epoll",	    "stub-uring",      "stub-uring-read", "stub-spin",	   "stub-adaptive",
	"uio-read",	    "bare-eventfd",    "model-read",	  "model-epoll",   "model-uring",
	"model-uring-read", "model-spin",      "model-adaptive",
};
#define ROW_NAMES (sizeof(row_names) / sizeof(row_names[0]))

static void explain_rows(const char *pattern)
{
	char names[1024] = "";
	size_t len = 0;

	for (size_t i = 0; i < ROW_NAMES && len < sizeof(names); i++)
		len += (size_t)snprintf(names + len, sizeof(names) - len, " %s", row_names[i]);
	tool_err("no row is called '%s'; there are%s", pattern, names);
}

int bench_check_rows(const char *patterns)
{
	char pattern[64];
	size_t len;

	do {
		bool known = false;

		len = strcspn(patterns, ",");
		(void)snprintf(pattern, sizeof(pattern), "%.*s", (int)len, patterns);
		for (size_t i = 0; i < ROW_NAMES; i++)
			known |= !fnmatch(pattern, row_names[i], 0);
		if (!known) {
			explain_rows(pattern);
			return -EINVAL;
		}
		patterns += len + (patterns[len] == ',');
	} while (*patterns);
	return 0;
}

static int is_edu(const struct udrv_pci_info *info, void *ctx)
{
	char *name = ctx;

	if (bench_target_of(info->vendor, info->device) != bench_target_of_model())
		return 0;
	memcpy(name, info->name, sizeof(info->name));
	return 1;
}

static int find_device(struct bench_settings *settings)
{
	char name[UDRV_PCI_NAME_MAX];

	if (!settings->device[0] && udrv_pci_for_each(is_edu, name) != 1) {
		tool_err("this machine has no edu device (1234:11e8); name an Intel 82574 "
			 "(8086:10d3), run in the lab: tools/lab/run --device edu -- udrv bench "
			 "irq, or measure model:edu");
		return -ENODEV;
	}
	if (!settings->device[0])
		memcpy(settings->device, name, sizeof(name));
	return 0;
}

static void take_target(struct bench_settings *settings, const struct bench_target *target)
{
	settings->target = target;
	if (settings->gap_ns == BENCH_GAP_DEFAULT)
		settings->gap_ns = target->gap_ns;
}

/* Any other device has no register that raises an interrupt. */
static int check_target(struct bench_settings *settings, const struct udrv_pci_info *info)
{
	const struct bench_target *target = bench_target_of(info->vendor, info->device);

	if (!target) {
		tool_err("%s is %04x:%04x: only QEMU's edu device (1234:11e8) and Intel's 82574L "
			 "(8086:10d3) can be measured",
			 info->name, info->vendor, info->device);
		return -ENODEV;
	}
	take_target(settings, target);
	return 0;
}

static bool wants(const struct bench_result *result, const char *prefix)
{
	for (size_t i = 0; i < ROW_NAMES; i++)
		if (!strncmp(row_names[i], prefix, strlen(prefix)) &&
		    bench_wanted(&result->settings, row_names[i]))
			return true;
	return false;
}

/* Whoever measures rows of the device, and the kernel driver that it must have for them. */
static const struct source {
	const char *prefix;
	const char *driver;
	bool ours; /* a module of kernel/ */
} sources[] = {
	{"kernel-", "udrv_irqbench", true},
	{"vfio-", "vfio-pci", false},
	{"stub-", "udrv_stub", true},
	{"uio-", "uio_pci_generic", false},
};
#define SOURCES (sizeof(sources) / sizeof(sources[0]))

static bool wants_any_of_device(const struct bench_result *result)
{
	for (size_t i = 0; i < SOURCES; i++)
		if (wants(result, sources[i].prefix))
			return true;
	tool_err("--rows %s: %s has the rows kernel-*, vfio-*, stub-* and uio-*",
		 result->settings.rows, result->settings.device);
	return false;
}

static bool wants_any_of_model(const struct bench_result *result)
{
	if (wants(result, "bare-") || wants(result, "model-"))
		return true;
	tool_err("--rows %s: %s has the rows bare-* and model-*", result->settings.rows,
		 result->settings.device);
	return false;
}

static void leave_out_all(struct bench_result *result, const struct source *source,
			  const char *reason)
{
	for (size_t i = 0; i < ROW_NAMES; i++) {
		struct bench_row *row = NULL;

		if (!strncmp(row_names[i], source->prefix, strlen(source->prefix)))
			row = bench_add_row(result, row_names[i]);
		if (row)
			bench_leave_out(row, "%s", reason);
	}
}

static int measure_source(struct bench_result *result, const struct source *source)
{
	switch (source->prefix[0]) {
	case 'k':
		return bench_kernel_rows(result);
	case 'v':
		return bench_udrv_rows(result, "vfio");
	case 's':
		return bench_udrv_rows(result, "stub");
	default:
		return bench_uio_row(result);
	}
}

static int source_rows(struct bench_result *result, struct bench_home *home,
		       const struct source *source)
{
	char reason[sizeof(result->rows[0].reason)];
	int ret;

	if (!wants(result, source->prefix))
		return 0;
	if (!strcmp(source->driver, "vfio-pci") && home->was.iommu_group < 0) {
		leave_out_all(result, source, "no IOMMU translates for the device");
		return 0;
	}
	if (!rebind_driver_present(source->driver, false)) {
		(void)snprintf(reason, sizeof(reason),
			       source->ours
				       ? "module %s is not installed for this kernel; build it "
					 "in kernel/ (see kernel/README.md)"
				       : "this kernel has no driver %s",
			       source->driver);
		leave_out_all(result, source, reason);
		return 0;
	}
	ret = bench_home_move(home, source->driver);
	return ret ? ret : measure_source(result, source);
}

/*
 * A wake-up on the own CPU and one of another CPU are different things, and left alone the
 * scheduler does now this and now that: so who blocks shares the trigger's CPU, and who spins
 * does not.
 */
static void place(struct bench_settings *settings)
{
	int cpus[2];

	if (settings->cpu >= 0 || settings->trigger_cpu >= 0)
		return;
	bench_two_cpus(cpus);
	settings->cpu = settings->trigger_cpu = cpus[0];
	settings->spin_trigger_cpu = cpus[1] < 0 ? cpus[0] : cpus[1];
}

/* The first failure counts, but neither keeps the device from going home. */
static int pci_rows(struct bench_result *result)
{
	struct bench_home home;
	int ret, failed, back, first = 0;

	result->baseline = "kernel-thread";
	ret = bench_home_find(&home, result->settings.device);
	if (!ret)
		ret = check_target(&result->settings, &home.was);
	if (!ret)
		ret = bench_home_check(&home);
	if (!ret && result->machine.cpus > 1)
		place(&result->settings);
	for (size_t i = 0; i < SOURCES && !ret && !atomic_load(&bench_stop); i++) {
		/* Rows of udrv that spin move the trigger. */
		ret = bench_pin(result->settings.trigger_cpu);
		failed = ret ? ret : source_rows(result, &home, &sources[i]);
		first = first ? first : failed;
	}
	back = bench_home_restore(&home);
	return first ? first : ret ? ret : back;
}

static int model_rows(struct bench_result *result)
{
	int bare, model = 0;

	take_target(&result->settings, bench_target_of_model());
	result->baseline = "bare-eventfd";
	place(&result->settings);
	bare = bench_bare_row(result);
	if (!atomic_load(&bench_stop) && wants(result, "model-"))
		model = bench_udrv_rows(result, "model");
	return bare ? bare : model;
}

/* What is left out is no failure, but not all of it. The reasons are in the table. */
static int check_any(const struct bench_result *result)
{
	for (size_t i = 0; i < result->row_count; i++)
		if (result->rows[i].summary.count)
			return 0;
	tool_err("%s: no row was measured", result->settings.device);
	return -ENODATA;
}

int bench_irq(struct bench_result *result)
{
	int ret;

	if (udrv__is_model(result->settings.device))
		return wants_any_of_model(result) ? model_rows(result) : -EINVAL;
	ret = find_device(&result->settings);
	if (ret)
		return ret;
	ret = wants_any_of_device(result) ? pci_rows(result) : -EINVAL;
	return ret ? ret : check_any(result);
}
