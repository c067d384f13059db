/* SPDX-License-Identifier: MIT */
/* Inside the stub backend: a device behind the module udrv_stub (kernel/uapi/udrv_stub.h). */
#ifndef UDRV_STUB_BACKEND_H
#define UDRV_STUB_BACKEND_H

#include "pci/device.h"
#include "udrv_stub.h"

struct udrv__stub {
	int fd; /* the control node */
	struct udrv_stub_info info;
	const struct udrv_stub_vector *vectors; /* mapped, or NULL */
	bool busy_said;				/* that others have the interrupts */
	size_t locked; /* bytes that the module charged to the user for this file; atomic */
};

/* A call to the node failed: negative errno. What says ENODEV says that the device is gone. */
int udrv__stub_failed(struct udrv_device *dev);

/* stub_regions.c */
int udrv__stub_config_read(struct udrv_device *dev, unsigned int where, unsigned int size,
			   uint32_t *val);
int udrv__stub_config_write(struct udrv_device *dev, unsigned int where, unsigned int size,
			    uint32_t val);
int udrv__stub_bar_map(struct udrv_device *dev, unsigned int index);
void udrv__stub_bar_unmap(struct udrv_device *dev, unsigned int index);
int udrv__stub_bar_read(struct udrv_device *dev, unsigned int index, uint64_t offset,
			unsigned int size, uint64_t *val);
int udrv__stub_bar_write(struct udrv_device *dev, unsigned int index, uint64_t offset,
			 unsigned int size, uint64_t val);
int udrv__stub_claim(struct udrv_device *dev, unsigned int bar, uint64_t offset, uint64_t len,
		     const char *name, struct udrv__holder *holder);
void udrv__stub_unclaim(struct udrv_device *dev, unsigned int bar, uint64_t offset, uint64_t len);

/* stub_irq.c: the page of counts, and what the ops do with interrupts. */
int udrv__stub_map_vectors(struct udrv__stub *stub);
void udrv__stub_unmap_vectors(struct udrv__stub *stub);
int udrv__stub_irq_enable(struct udrv_device *dev, enum udrv__irq_type type, const int *fds,
			  unsigned int count);
int udrv__stub_irq_disable(struct udrv_device *dev, enum udrv__irq_type type);
int udrv__stub_irq_unmask_intx(struct udrv_device *dev);
const struct udrv__irq_count *udrv__stub_irq_count(struct udrv_device *dev, unsigned int nr);
int udrv__stub_event_enable(struct udrv_device *dev, enum udrv_device_event event, int fd);

/* stub_dma.c */
int udrv__stub_dma_alloc(struct udrv_device *dev, size_t len, uint64_t mask,
			 struct udrv__dma_block *block);
int udrv__stub_dma_free(struct udrv_device *dev, const struct udrv__dma_block *block);
int udrv__stub_dma_pin(struct udrv_device *dev, uint64_t mask, bool device_reads,
		       bool device_writes, struct udrv__dma_block *block);
int udrv__stub_dma_unpin(struct udrv_device *dev, const struct udrv__dma_block *block);
bool udrv__stub_dma_untranslated(struct udrv_device *dev);
void udrv__stub_dma_explain(struct udrv_device *dev, size_t len, int err);

#endif
