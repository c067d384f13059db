// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Below `udrv bind`, not by it: that one remembers a former driver for `udrv unbind`, and a
 * benchmark must leave alone what it keeps.
 */
#include "bench/home.h"

#include <errno.h>

#include "bind.h"
#include "rebind.h"
#include "tool.h"

int bench_home_find(struct bench_home *home, const char *device)
{
	home->moved = false;
	return udrv_pci_info_read(device, &home->was);
}

int bench_home_check(const struct bench_home *home)
{
	int ret = bind_check_access("measuring a device");

	return ret ? ret : bind_check_free(&home->was, "");
}

int bench_home_move(struct bench_home *home, const char *driver)
{
	char why[REBIND_WHY_MAX];
	int ret;

	if (!rebind_driver_present(driver, false)) {
		tool_err("the kernel has no driver %s and modprobe does not load it", driver);
		return -ENOENT;
	}
	home->moved = true;
	ret = rebind(home->was.name, driver, driver, why);
	if (ret)
		tool_err("%s: cannot be given to %s: %s", home->was.name, driver, why);
	return ret;
}

int bench_home_restore(struct bench_home *home)
{
	const char *driver = home->was.driver[0] ? home->was.driver : "no driver";
	char why[REBIND_WHY_MAX];
	int ret;

	if (!home->moved)
		return 0;
	ret = rebind(home->was.name, home->was.driver, home->was.driver_override, why);
	if (ret)
		tool_err("%s: cannot be given back (%s): %s; `udrv info %s` shows where it is",
			 home->was.name, driver, why, home->was.name);
	return ret;
}
