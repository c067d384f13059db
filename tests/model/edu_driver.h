/* SPDX-License-Identifier: MIT */
/* The edu driver on model:edu, for suites that look at the driver. */
#ifndef TESTS_MODEL_EDU_DRIVER_H
#define TESTS_MODEL_EDU_DRIVER_H

#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <udrv/device.h>
#include <udrv/driver.h>
#include <udrv/pci.h>

#include "backend/model.h"
#include "edu.h"
#include "edu_regs.h"

static inline void set_param(const char *name, const char *value)
{
	const struct udrv_param *p = edu_driver.params;

	while (p->name && strcmp(p->name, name))
		p++;
	ck_assert_ptr_nonnull(p->name);
	*p->value = value;
}

/* NULL: the usual one. */
static inline const char *test_backend(void)
{
	return getenv("UDRV_TEST_BACKEND");
}

static inline struct udrv_device *open_and_probe(const char *name)
{
	struct udrv_device *dev = NULL;

	ck_assert_int_eq(udrv_device_open(name, test_backend(), &dev), 0);
	ck_assert_int_eq(udrv_driver_probe(&edu_driver, dev), 0);
	return dev;
}

static inline void remove_and_close(struct udrv_device *dev)
{
	edu_driver.remove(dev);
	udrv_device_close(dev);
}

static inline struct edu *edu_of(struct udrv_device *dev)
{
	return udrv_pci_get_drvdata(dev);
}

#endif
