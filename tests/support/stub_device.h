/* SPDX-License-Identifier: MIT */
/* An open model:edu whose backend chooses the addresses, and what the device does with them. */
#ifndef TESTS_SUPPORT_STUB_DEVICE_H
#define TESTS_SUPPORT_STUB_DEVICE_H

#include <string.h>

#include <check.h>
#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/pci.h>

#include "backend/model.h"

#include "support/must.h"

#define STUB_PAGE 4096u

static inline struct udrv_device *stub_open(const char *name)
{
	struct udrv_device *dev = NULL;

	ck_assert_int_eq(udrv_device_open(name, "model-stub", &dev), 0);
	ck_assert_int_eq(udrv_dma_set_mask_and_coherent(dev, UDRV_DMA_BIT_MASK(39)), 0);
	ck_assert_int_eq(udrv_pci_set_master(dev), 0);
	return dev;
}

static inline struct udrv__model_stub *stub_of(struct udrv_device *dev)
{
	return &udrv__model_of(dev)->stub;
}

static inline unsigned int stub_mapped(struct udrv_device *dev)
{
	unsigned int n = 0;

	for (const struct udrv__model_mapping *m = udrv__model_of(dev)->mappings; m; m = m->next)
		n++;
	return n;
}

static inline bool stub_faulted(struct udrv_device *dev)
{
	struct udrv__model_counts counts;

	udrv__model_get_counts(dev, &counts);
	return counts.dma_faults || counts.dma_refused;
}

/* The device writes bytes of a value, or reads and sees only such. */
static inline void device_writes(struct udrv_device *dev, udrv_iova_t iova, size_t len, int value)
{
	unsigned char buf[256];

	memset(buf, value, sizeof(buf));
	for (size_t i = 0; i < len; i += sizeof(buf))
		udrv__model_dma_write(udrv__model_of(dev), iova + i, buf,
				      len - i < sizeof(buf) ? len - i : sizeof(buf));
}

static inline bool device_sees(struct udrv_device *dev, udrv_iova_t iova, size_t len, int value)
{
	unsigned char buf[256];

	for (size_t i = 0; i < len; i += sizeof(buf)) {
		size_t n = len - i < sizeof(buf) ? len - i : sizeof(buf);

		udrv__model_dma_read(udrv__model_of(dev), iova + i, buf, n);
		for (size_t k = 0; k < n; k++)
			if (buf[k] != value)
				return false;
	}
	return true;
}

static inline bool cpu_sees(const void *p, size_t len, int value)
{
	for (size_t i = 0; i < len; i++)
		if (((const unsigned char *)p)[i] != value)
			return false;
	return true;
}

#endif
