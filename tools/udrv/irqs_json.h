/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udrv irqs --json. */
#ifndef IRQS_JSON_H
#define IRQS_JSON_H

#include <json-c/json.h>

#include "stats.h"

/* An array of objects; rates are since @before. */
json_object *irqs_json(const struct stats *now, const struct stats *before);

#endif
