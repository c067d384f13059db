// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bind.h"
#include "rebind.h"
#include "remember.h"
#include "tool.h"

const char *bind_outcome_name(enum bind_outcome outcome)
{
	static const char *const names[] = {
		[BIND_NOT_TRIED] = "not tried", [BIND_WOULD] = "would bind",
		[BIND_DONE] = "done",		[BIND_ALREADY] = "already",
		[BIND_FAILED] = "failed",	[BIND_UNDONE] = "undone",
	};

	return names[outcome];
}

/*
 * What to go back to on failure is what is found now; what `unbind` goes back to is what was there
 * before udrv's first bind.
 */
static int remember(struct bind_job *job, const char *driver)
{
	const struct udrv_pci_info *info = &job->info;
	struct remembered r = {0};
	int ret;

	job->was_remembered = remember_load(info, &job->remembered) == 0;
	if (job->was_remembered) {
		r = job->remembered;
	} else {
		(void)snprintf(r.driver, sizeof(r.driver), "%s", info->driver);
		(void)snprintf(r.override, sizeof(r.override), "%s", info->driver_override);
	}
	(void)snprintf(r.bound, sizeof(r.bound), "%s", driver);
	ret = remember_save(info, &r);
	if (ret)
		tool_err("%s: cannot remember its driver in %s/bind: %s; nothing was changed",
			 info->name, tool_run_root, remember_strerror(ret));
	return ret;
}

/* Remember what was remembered before this job, if anything. */
static void remember_again(const struct bind_job *job)
{
	const char *name = job->info.name;
	int ret = job->was_remembered ? remember_save(&job->info, &job->remembered)
				      : remember_forget(name);

	if (ret)
		tool_err("%s: cannot restore what is remembered of it in %s/bind: %s", name,
			 tool_run_root, remember_strerror(ret));
}

/* How the device was found, for messages. */
static const char *found_as(const struct udrv_pci_info *info)
{
	return info->driver[0] ? info->driver : "no driver";
}

/*
 * Back to how the device was found. @failure is what led here, with @err. While the kernel still
 * waits for the device's user, nothing more can be done to the device.
 */
static int put_back(const struct bind_job *job, int err, const char *failure)
{
	const struct udrv_pci_info *info = &job->info;
	char why[REBIND_WHY_MAX] = "";
	int ret;

	if (err == -ETIMEDOUT) {
		tool_err("%s: %s; end the process that uses it, then run `udrv unbind %s`",
			 info->name, failure, info->name);
		return err;
	}
	ret = rebind(info->name, info->driver, info->driver_override, why);

	if (ret) {
		tool_err("%s: %s; putting it back to %s failed too: %s", info->name, failure,
			 found_as(info), why);
		return ret;
	}
	remember_again(job);
	tool_err("%s: %s; it was put back to %s", info->name, failure, found_as(info));
	return 0;
}

static int bind_one(struct bind_job *job, const char *driver)
{
	const struct udrv_pci_info *info = &job->info;
	char failure[REBIND_WHY_MAX + 96];
	char why[REBIND_WHY_MAX] = "";
	int ret = remember(job, driver);

	if (ret)
		return ret;
	ret = rebind(info->name, driver, driver, why);
	if (!ret)
		return 0;
	(void)snprintf(failure, sizeof(failure), "cannot bind to %s: %s", driver, why);
	(void)put_back(job, ret, failure);
	return ret;
}

static void undo(struct bind_job *jobs, size_t count)
{
	for (size_t i = count; i-- > 0;) {
		int ret;

		if (jobs[i].outcome != BIND_DONE)
			continue;
		ret = put_back(&jobs[i], 0, "another device failed");
		jobs[i].outcome = ret ? BIND_FAILED : BIND_UNDONE;
	}
}

int bind_devices(struct bind_job *jobs, size_t count, const struct bind_options *options)
{
	int ret = bind_check_all(jobs, count, options);

	if (ret)
		return ret;
	for (size_t i = 0; i < count; i++) {
		(void)snprintf(jobs[i].former, sizeof(jobs[i].former), "%s", jobs[i].info.driver);
		if (!strcmp(jobs[i].info.driver, options->driver)) {
			jobs[i].outcome = BIND_ALREADY;
			continue;
		}
		if (options->dry_run) {
			jobs[i].outcome = BIND_WOULD;
			continue;
		}
		ret = bind_one(&jobs[i], options->driver);
		jobs[i].outcome = ret ? BIND_FAILED : BIND_DONE;
		if (ret) {
			undo(jobs, i);
			return ret;
		}
	}
	return 0;
}

/* What `bind` left. Explains when that was nothing. */
static int load_remembered(const struct udrv_pci_info *info, struct remembered *r)
{
	int ret = remember_load(info, r);

	if (ret == -ENOENT)
		tool_err("%s was not bound by udrv, there is nothing to restore; its driver is %s",
			 info->name, info->driver[0] ? info->driver : "none");
	else if (ret == -EIO)
		tool_err("%s: %s/bind/%s is damaged; bind the device by hand and delete that file",
			 info->name, tool_run_root, info->name);
	else if (ret)
		tool_err("%s: cannot read %s/bind/%s: %s", info->name, tool_run_root, info->name,
			 remember_strerror(ret));
	return ret;
}

static int check_former(const struct udrv_pci_info *info, struct remembered *r, bool force)
{
	if (!r->driver[0] || rebind_driver_present(r->driver, false))
		return 0;
	if (force) {
		r->driver[0] = 0;
		return 0;
	}
	tool_err(
		"%s: its former driver %s is not loaded and modprobe cannot find it; install it, or "
		"use --force to leave the device without a driver",
		info->name, r->driver);
	return -ENOENT;
}

static int unbind_one(struct bind_job *job, bool force)
{
	const struct udrv_pci_info *info = &job->info;
	char failure[REBIND_WHY_MAX + 96];
	char why[REBIND_WHY_MAX] = "";
	struct remembered r;
	int ret = load_remembered(info, &job->remembered);

	r = job->remembered;
	job->was_remembered = ret == 0;
	if (!ret && !force)
		ret = bind_check_free(info, BIND_OR_FORCE);
	if (!ret)
		ret = check_former(info, &r, force);
	if (ret)
		return ret;
	ret = rebind(info->name, r.driver, r.override, why);
	if (ret) {
		(void)snprintf(failure, sizeof(failure), "cannot restore %s: %s",
			       r.driver[0] ? r.driver : "its state without a driver", why);
		(void)put_back(job, ret, failure);
		return ret;
	}
	(void)snprintf(job->former, sizeof(job->former), "%s", r.driver);
	job->was_remembered = false;
	remember_again(job);
	return 0;
}

int unbind_devices(struct bind_job *jobs, size_t count, bool force)
{
	int first = bind_check_access("binding drivers");

	for (size_t i = 0; i < count; i++)
		strcpy(jobs[i].former, jobs[i].info.driver);
	if (first)
		return first;
	for (size_t i = 0; i < count; i++) {
		int ret = unbind_one(&jobs[i], force);

		jobs[i].outcome = ret ? BIND_FAILED : BIND_DONE;
		first = first ? first : ret;
	}
	return first;
}
