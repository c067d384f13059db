// SPDX-License-Identifier: GPL-2.0-or-later
/* The order of a benchmark: the device is found, moved from driver to driver, and brought home. */
#include "bench/rows.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <udrv/pci_info.h>

#include "bench/home.h"
#include "rebind.h"
#include "tool.h"

#define EDU_VENDOR 0x1234
#define EDU_DEVICE 0x11e8

static const char *const row_names[] = {
	"kernel-hard",	 "kernel-thread",    "kernel-read",	"vfio-read",
	"vfio-epoll",	 "vfio-uring",	     "vfio-uring-read", "vfio-spin",
	"vfio-adaptive", "bare-eventfd",     "model-read",	"model-epoll",
	"model-uring",	 "model-uring-read", "model-spin",	"model-adaptive",
};
#define ROW_NAMES (sizeof(row_names) / sizeof(row_names[0]))

static void explain_rows(const char *pattern)
{
	char names[256] = "";
	size_t len = 0;

	for (size_t i = 0; i < ROW_NAMES; i++)
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

	if (info->vendor != EDU_VENDOR || info->device != EDU_DEVICE)
		return 0;
	memcpy(name, info->name, sizeof(info->name));
	return 1;
}

static int find_device(struct bench_settings *settings)
{
	char name[UDRV_PCI_NAME_MAX];

	if (!settings->device[0] && udrv_pci_for_each(is_edu, name) != 1) {
		tool_err("this machine has no edu device (1234:11e8); run in the lab: "
			 "tools/lab/run --device edu -- udrv bench irq, or measure model:edu");
		return -ENODEV;
	}
	if (!settings->device[0])
		memcpy(settings->device, name, sizeof(name));
	return 0;
}

/* Any other device may be in use, and has no register that raises an interrupt. */
static int check_edu(const struct udrv_pci_info *info)
{
	if (info->vendor == EDU_VENDOR && info->device == EDU_DEVICE)
		return 0;
	tool_err("%s is %04x:%04x: only QEMU's edu device (1234:11e8) can be measured", info->name,
		 info->vendor, info->device);
	return -ENODEV;
}

static bool wants(const struct bench_result *result, const char *prefix)
{
	for (size_t i = 0; i < ROW_NAMES; i++)
		if (!strncmp(row_names[i], prefix, strlen(prefix)) &&
		    bench_wanted(&result->settings, row_names[i]))
			return true;
	return false;
}

static bool wants_any(const struct bench_result *result, const char *one, const char *other)
{
	if (wants(result, one) || wants(result, other))
		return true;
	tool_err("--rows %s: %s has the rows %s* and %s*", result->settings.rows,
		 result->settings.device, one, other);
	return false;
}

static int kernel_rows(struct bench_result *result, struct bench_home *home)
{
	static const char *const names[] = {"kernel-hard", "kernel-thread", "kernel-read"};
	struct bench_row *row;
	int ret;

	if (!wants(result, "kernel-"))
		return 0;
	if (rebind_driver_present("udrv_irqbench", false)) {
		ret = bench_home_move(home, "udrv_irqbench");
		return ret ? ret : bench_kernel_rows(result);
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		row = bench_add_row(result, names[i]);
		if (row)
			bench_leave_out(row,
					"module udrv_irqbench is not installed for this kernel; "
					"build it in kernel/ (see kernel/README.md)");
	}
	return 0;
}

static int vfio_rows(struct bench_result *result, struct bench_home *home)
{
	int ret;

	if (!wants(result, "vfio-"))
		return 0;
	ret = bench_home_move(home, "vfio-pci");
	return ret ? ret : bench_udrv_rows(result, "vfio");
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
	int kernel, vfio = 0, back;

	result->baseline = "kernel-thread";
	kernel = bench_home_find(&home, result->settings.device);
	if (!kernel)
		kernel = check_edu(&home.was);
	if (!kernel && result->machine.cpus > 1)
		place(&result->settings);
	if (!kernel)
		kernel = bench_pin(result->settings.trigger_cpu);
	if (kernel)
		return kernel;
	kernel = kernel_rows(result, &home);
	if (!atomic_load(&bench_stop))
		vfio = vfio_rows(result, &home);
	back = bench_home_restore(&home);
	return kernel ? kernel : vfio ? vfio : back;
}

static int model_rows(struct bench_result *result)
{
	int bare, model = 0;

	result->baseline = "bare-eventfd";
	place(&result->settings);
	bare = bench_bare_row(result);
	if (!atomic_load(&bench_stop) && wants(result, "model-"))
		model = bench_udrv_rows(result, "model");
	return bare ? bare : model;
}

int bench_irq(struct bench_result *result)
{
	int ret;

	if (!strncmp(result->settings.device, "model:", 6))
		return wants_any(result, "bare-", "model-") ? model_rows(result) : -EINVAL;
	ret = find_device(&result->settings);
	if (ret)
		return ret;
	return wants_any(result, "kernel-", "vfio-") ? pci_rows(result) : -EINVAL;
}
