/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Programs called udrv-NAME: drivers, and verbs that are not built in. */
#ifndef PROGRAM_H
#define PROGRAM_H

/*
 * Become udrv-NAME, from this program's folder or PATH, with argv[0] replaced by its name.
 * Returns only when it cannot: -ENOENT if there is none, other negative errno.
 */
int program_exec(const char *name, char **argv);

#endif
