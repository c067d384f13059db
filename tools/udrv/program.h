/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Programs called udrv-NAME: drivers, and verbs that are not built in. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Become udrv-NAME, from this program's folder or PATH, with argv[0] replaced by its name.
 * Returns only when it cannot: -ENOENT if there is none, other negative errno.
 */
int program_exec(const char *name, char **argv);

/* Is there a program udrv-NAME, to become or to run? */
bool program_exists(const char *name);

/*
 * What programs there are: "edu, other", each once, in alphabetical order, as many as fit; ""
 * if there is none. Returns @buf.
 */
const char *program_list(char *buf, size_t size);

#endif
