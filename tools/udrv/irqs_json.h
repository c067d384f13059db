/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udrv irqs --json. */
#ifndef IRQS_JSON_H
#define IRQS_JSON_H

#include "stats.h"

/* Print an array of objects; rates are since @before. The exit status. */
int irqs_print_json(const struct stats *now, const struct stats *before);

#endif
