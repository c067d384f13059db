// SPDX-License-Identifier: GPL-2.0-or-later
/* udrv bind: give devices to vfio-pci or another driver. */
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "inuse_nodes.h"
#include "jobs.h"
#include "pci/group.h"
#include "pci/sysfs.h"
#include "rebind.h"

struct settings {
	struct bind_options bind;
	struct device_args args;
};

static void print_job(const struct bind_job *job, const char *driver)
{
	const char *former = job->former[0] ? job->former : "no driver";

	switch (job->outcome) {
	case BIND_ALREADY:
		printf("%s: already bound to %s\n", job->info.name, driver);
		break;
	case BIND_WOULD:
		printf("%s: would be bound to %s (now: %s)\n", job->info.name, driver, former);
		break;
	case BIND_DONE:
		printf("%s: bound to %s (before: %s)\n", job->info.name, driver, former);
		break;
	default:
		break;
	}
}

/* The group's node appears when vfio-pci binds; without an IOMMU it has another name. */
static void print_vfio(const struct bind_job *job)
{
	struct udrv_pci_info now;

	if (udrv_pci_info_read(job->info.name, &now))
		return;
	printf("%s: IOMMU group %d, /dev/vfio/%s%d; ", now.name, now.iommu_group,
	       job->info.iommu_group < 0 ? "noiommu-" : "", now.iommu_group);
}

static void print_uio_node(void *ctx, const char *name)
{
	(void)ctx;
	printf("/dev/%s, ", name);
}

/* Between a device and memory: not without an IOMMU, nor where it is told to let all pass. */
static bool is_translated(const struct udrv_pci_info *info)
{
	char type[32];

	if (info->iommu_group < 0)
		return false;
	return udrv__sysfs_read(type, sizeof(type), "kernel/iommu_groups/%d/type",
				info->iommu_group) < 0 ||
	       strcmp(type, "identity") != 0;
}

static int count_member(const struct udrv_pci_info *member, void *ctx)
{
	(void)member;
	++*(unsigned int *)ctx;
	return 0;
}

static bool shares_group(const struct udrv_pci_info *info)
{
	unsigned int members = 0;

	return !udrv_iommu_group_for_each(info->iommu_group, count_member, &members) && members > 1;
}

/* As far as sysfs tells: that interrupts are not remapped, it does not. */
static const char *why_privileged(const struct udrv_pci_info *info)
{
	if (!is_translated(info))
		return ", no IOMMU: needs CAP_SYS_RAWIO";
	return shares_group(info) ? ", shares its IOMMU group: needs CAP_SYS_RAWIO" : "";
}

static void print_stub(const struct udrv_pci_info *info)
{
	printf("%s: ", info->name);
	inuse_for_each_below(info, "class/uio", print_uio_node, NULL);
	printf("/dev/" DRIVER_STUB "-%s%s; ", info->name, why_privileged(info));
}

static void print_uio(const struct udrv_pci_info *info)
{
	printf("%s: ", info->name);
	inuse_for_each_below(info, "class/uio", print_uio_node, NULL);
	printf("INTx only, no DMA; ");
}

static void print_next_step(const struct bind_job *job, const char *driver)
{
	if (udrv__pci_is_vfio_driver(driver))
		print_vfio(job);
	else if (driver_is_stub(driver))
		print_stub(&job->info);
	else if (driver_is_uio(driver))
		print_uio(&job->info);
	else
		return;
	printf("next: udrv run DRIVER %s\n", job->info.name);
}

static void print_jobs(const struct jobs *jobs, const char *driver)
{
	for (size_t i = 0; i < jobs->count; i++)
		print_job(&jobs->job[i], driver);
	for (size_t i = 0; i < jobs->count; i++) {
		if (jobs->job[i].outcome == BIND_DONE || jobs->job[i].outcome == BIND_ALREADY)
			print_next_step(&jobs->job[i], driver);
	}
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct settings *settings = state->input;

	switch (key) {
	case 'd':
		settings->bind.driver = driver_by_name(arg);
		return 0;
	case 'f':
		settings->bind.force = true;
		return 0;
	case 'n':
		settings->bind.dry_run = true;
		return 0;
	default:
		return device_args_parse(&settings->args, key, state);
	}
}

static const struct argp_option options[] = {
	{"driver", 'd', "DRIVER", 0,
	 "bind to this kernel driver instead of " BIND_DEFAULT_DRIVER ": stub for " DRIVER_STUB
	 ", uio for " DRIVER_UIO ", vfio for " DRIVER_VFIO ", or any by its own name",
	 0},
	{"force", 'f', NULL, 0, "even when in use, or when its IOMMU group is used otherwise", 0},
	{"dry-run", 'n', NULL, 0, "check only, change nothing", 0},
	{"json", 'j', NULL, 0, "print an array of objects", 0},
	{0},
};

static const struct argp argp = {
	.options = options,
	.parser = parse_option,
	.args_doc = "DEVICE...",
	.doc = "Bind PCI devices to vfio-pci, all or none, and remember the drivers they had.\v"
	       "A device that is in use is refused. `udrv unbind` gives it back to its former "
	       "driver. vfio needs an IOMMU; stub does without, for who has CAP_SYS_RAWIO, which it also wants where "
	       "interrupts are not remapped, or the IOMMU group is shared; uio has "
	       "INTx only and no DMA.",
};

int cmd_bind(int argc, char **argv)
{
	struct settings settings = {.bind = {.driver = BIND_DEFAULT_DRIVER}};
	struct jobs jobs;
	int status;

	if (argp_parse(&argp, argc, argv, 0, NULL, &settings))
		return TOOL_USAGE;
	if (!rebind_valid_driver(settings.bind.driver)) {
		tool_err("'%s' is not a driver's name; `udrv list` shows drivers in use",
			 settings.bind.driver);
		return TOOL_USAGE;
	}
	status = jobs_read(&jobs, settings.args.devices, settings.args.count);
	if (status == TOOL_OK) {
		if (bind_devices(jobs.job, jobs.count, &settings.bind))
			status = TOOL_FAILED;
		if (settings.args.json)
			status |= tool_print_json(jobs_json(&jobs, "former_driver"));
		else
			print_jobs(&jobs, settings.bind.driver);
	}
	jobs_free(&jobs);
	return status;
}
