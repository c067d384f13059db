// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <udrv/pci_info.h>

#include "child.h"
#include "drivers.h"
#include "pci/sysfs.h"
#include "rebind.h"
#include "tool.h"

/* Probing an adapter with disks may take most of it, and so may anything on a machine under load.
 */
#define DEADLINE_MS 30000

struct writing {
	const char *text;
	const char *path;
};

static int write_attribute(void *ctx)
{
	const struct writing *w = ctx;

	return udrv__sysfs_write(w->text, "%s", w->path);
}

/* vfio-pci's unbind waits for its user, and a driver's probe for its device. */
static int write_in_child(const char *text, const char *path)
{
	struct writing w = {.text = text, .path = path};

	return child_run(write_attribute, &w, DEADLINE_MS);
}

int (*rebind_write)(const char *text, const char *path) = write_in_child;

bool rebind_valid_driver(const char *driver)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_.";
	size_t len = strlen(driver);

	return len > 0 && len < 64 && driver[0] != '-' && driver[0] != '.' &&
	       strspn(driver, allowed) == len;
}

static int run_modprobe(void *ctx)
{
	const char *driver = ctx;

	execlp("modprobe", "modprobe", "-q", driver, (char *)NULL);
	return -errno;
}

bool rebind_driver_present(const char *driver, bool look_only)
{
	if (udrv__sysfs_exists("bus/pci/drivers/%s", driver))
		return true;
	if (look_only)
		return false;
	/* Whatever modprobe says, the driver's folder decides. */
	(void)child_run(run_modprobe, (void *)driver, DEADLINE_MS);
	return udrv__sysfs_exists("bus/pci/drivers/%s", driver);
}

static int explain(char why[REBIND_WHY_MAX], const char *step, int err)
{
	const char *words = strerror(-err);

	if (err == -ETIMEDOUT)
		words = "the kernel has not finished in time";
	(void)snprintf(why, REBIND_WHY_MAX, "%s: %s", step, words);
	return err;
}

/* A bare newline takes the override away. */
static int set_override(const char *name, const char *override, char why[REBIND_WHY_MAX])
{
	char path[64];
	char text[72];
	int ret;

	(void)snprintf(path, sizeof(path), "bus/pci/devices/%s/driver_override", name);
	(void)snprintf(text, sizeof(text), "%s\n", override);
	ret = rebind_write(text, path);
	return ret ? explain(why, "setting driver_override", ret) : 0;
}

/* The driver it is bound to now, or "". */
static int current_driver(const char *name, char driver[64], char why[REBIND_WHY_MAX])
{
	int ret;

	driver[0] = 0;
	if (!udrv__sysfs_exists("bus/pci/devices/%s", name))
		return explain(why, "looking for the device", -ENODEV);
	ret = udrv__sysfs_readlink(driver, 64, "bus/pci/devices/%s/driver", name);
	if (ret < 0 && ret != -ENOENT)
		return explain(why, "reading the driver", ret);
	return 0;
}

static int leave_driver(const char *name, const char *driver, char why[REBIND_WHY_MAX])
{
	char path[128];
	char step[96];
	int ret;

	(void)snprintf(path, sizeof(path), "bus/pci/drivers/%s/unbind", driver);
	ret = rebind_write(name, path);
	if (!ret)
		return 0;
	(void)snprintf(step, sizeof(step), "unbinding from %s", driver);
	return explain(why, step, ret);
}

static int probe(const char *name, const char *driver, char why[REBIND_WHY_MAX])
{
	char step[96];
	int ret = rebind_write(name, "bus/pci/drivers_probe");

	if (!ret)
		return 0;
	(void)snprintf(step, sizeof(step), "probing for %s", driver);
	return explain(why, step, ret);
}

/* The kernel reports few failed probes: what the device is bound to tells. */
static int check_driver(const char *name, const char *wanted, char why[REBIND_WHY_MAX])
{
	char driver[64];
	int ret = current_driver(name, driver, why);

	if (ret || !strcmp(driver, wanted))
		return ret;
	if (driver[0])
		(void)snprintf(why, REBIND_WHY_MAX, "it is bound to %s", driver);
	else
		(void)snprintf(why, REBIND_WHY_MAX, "%s did not take it; %s", wanted,
			       driver_why_refused(wanted));
	return -EIO;
}

static int change_driver(const char *name, const char *from, const char *to,
			 char why[REBIND_WHY_MAX])
{
	int ret = 0;

	if (from[0])
		ret = leave_driver(name, from, why);
	if (!ret && to[0])
		ret = probe(name, to, why);
	return ret ? ret : check_driver(name, to, why);
}

int rebind(const char *name, const char *driver, const char *override, char why[REBIND_WHY_MAX])
{
	/* The probe goes to no other driver, even where another one matches first. */
	const char *during = driver[0] ? driver : override;
	char from[64];
	int ret = current_driver(name, from, why);

	if (!ret)
		ret = set_override(name, during, why);
	if (!ret && strcmp(from, driver) != 0)
		ret = change_driver(name, from, driver, why);
	if (!ret && strcmp(during, override) != 0)
		ret = set_override(name, override, why);
	return ret;
}
