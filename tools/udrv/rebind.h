/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Move a PCI function from one kernel driver to another, by driver_override. */
#ifndef REBIND_H
#define REBIND_H

#include <stdbool.h>
#include <stddef.h>

#define REBIND_WHY_MAX 256

/* A driver's name as it may stand in a path. */
bool rebind_valid_driver(const char *driver);

/* Is there such a PCI driver? Loads its module unless @look_only. */
bool rebind_driver_present(const char *driver, bool look_only);

/*
 * Give function @name to @driver, "" for none, and leave driver_override as @override, "" for
 * none. Success means that it was read back. Returns 0 or a negative errno with what went wrong
 * in @why; the function may then be anywhere between: call again with what it was before.
 * Each step is over in 10 seconds.
 */
int rebind(const char *name, const char *driver, const char *override, char why[REBIND_WHY_MAX]);

/* Writes @text to an attribute below the root of sysfs. A test puts itself in between. */
extern int (*rebind_write)(const char *text, const char *path);

#endif
