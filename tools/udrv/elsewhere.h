/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Daemons that keep their files in another run-time directory than the one that is looked at. */
#ifndef ELSEWHERE_H
#define ELSEWHERE_H

#include <stddef.h>

/*
 * Name those of @device and @driver, each NULL for all, and tell how to ask for them; their number.
 * Only processes that this user may look into are found: root all, others their own. None if the
 * user chose a directory.
 */
size_t elsewhere_tell(const char *device, const char *driver);

#endif
