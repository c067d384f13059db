/* SPDX-License-Identifier: MIT */
/* What tells the name of a software device from that of a PCI function. */
#ifndef UDRV_SRC_MODEL_NAME_H
#define UDRV_SRC_MODEL_NAME_H

#include <stdbool.h>
#include <string.h>

#define UDRV__MODEL_PREFIX "model:"

static inline bool udrv__is_model(const char *name)
{
	return !strncmp(name, UDRV__MODEL_PREFIX, strlen(UDRV__MODEL_PREFIX));
}

#endif
